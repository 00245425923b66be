/* The end of a user, and of dead letters by themselves. */
#include "kit.h"

#include <string.h>

#include "base/check.h"

enum { PIECES_MAX = 1000 };

static bool purge(struct kit *k, const char *user, size_t max)
{
	struct move m = { .kind = MOVE_PURGE };
	struct step step;

	m.purge.user = str_c(user);
	m.purge.max = max;
	T_EQ_INT(kit_step(k, &step, &m, 1), STORE_APPLIED);
	return m.purge.left;
}

static void purge_all(struct kit *k, const char *user, size_t max)
{
	int pieces = 0;

	while (purge(k, user, max))
		T_CHECK(++pieces < PIECES_MAX);
}

static void put_doc(struct kit *k, enum doc_kind kind, const char *user, const char *name)
{
	struct move m = { .kind = MOVE_DOC_PUT };
	struct step step;

	m.doc_put.doc = kind;
	m.doc_put.user = str_c(user);
	m.doc_put.name = str_c(name);
	m.doc_put.value = STR("value");
	m.doc_put.version = -1;
	m.doc_put.due_ms = k->now_ms;
	T_EQ_INT(kit_step(k, &step, &m, 1), STORE_APPLIED);
}

static size_t rows(struct kit *k, struct scan s)
{
	struct scan *got = kit_scan(k, &s);

	T_CHECK(!got->more);
	return got->rows;
}

/* How much there is of a user: messages, dead letters, documents, gates, days; in this order. */
static struct str all_of(struct kit *k, const char *name)
{
	struct str user = str_c(name);
	size_t docs = 0, gates = 0;

	for (int kind = DOC_META; kind <= DOC_INVOKE; kind++)
		docs += rows(k, (struct scan){ .kind = SCAN_DOCS, .doc = kind, .user = user });
	for (int kind = GATE_USER; kind <= GATE_FLOW; kind++)
		gates += rows(k, (struct scan){ .kind = SCAN_GATES, .gate = kind, .user = user });
	return arena_fmt(&k->arena, "%zu %zu %zu %zu %zu",
			 rows(k, (struct scan){ .kind = SCAN_MESSAGES, .user = user }),
			 rows(k, (struct scan){ .kind = SCAN_DLQ, .user = user }), docs, gates,
			 rows(k, (struct scan){ .kind = SCAN_USAGE, .user = user }));
}

/* Something of everything. m[0] to m[4] are running, m[4] cancelled. */
enum { POPULATED = 12 };

static void populate(struct kit *k, const char *user, struct kit_msg m[POPULATED])
{
	struct kit_msg dead = PUT(k, .user = user, .want_lease = true, .record_bytes = 9000);
	struct move pause = kit_gate_move(GATE_QUEUE, "paused", GATE_SET);
	struct move pin = kit_gate_move(GATE_FLOW, "pinned", GATE_PIN);
	struct move callback[2];
	struct kit_msg root = PUT(k, .user = user, .queue = "r", .want_lease = true);
	struct step step;

	T_CHECK(dead.leased && root.leased);
	SETTLE(k, &dead, SETTLE_DEAD, .bytes = 10);
	m[0] = PUT(k, .user = user, .want_lease = true, .record_bytes = 200000);
	m[1] = PUT(k, .user = user, .want_lease = true, .queue = "q");
	m[2] = PUT(k, .user = user, .want_lease = true, .flow = "f", .flow_parallelism = 1);
	m[3] = PUT(k, .user = user, .want_lease = true, .dedup = "key");
	m[4] = PUT(k, .user = user, .want_lease = true);
	for (int i = 0; i < 5; i++)
		T_CHECK(m[i].leased);
	T_CHECK(kit_cancel(k, &m[4]).was_leased);
	m[5] = PUT(k, .user = user, .queue = "q");
	m[6] = PUT(k, .user = user, .flow = "f", .flow_parallelism = 1);
	m[7] = PUT(k, .user = user, .delay_ms = 100000);
	m[8] = PUT(k, .user = user, .queue = "q", .flow = "g", .delay_ms = 5);
	m[9] = PUT(k, .user = user, .queue = "paused");
	m[10] = PUT(k, .user = user, .queue = "r");
	callback[0] = kit_settle_move(k, &root, &(struct kit_settle){ .to = SETTLE_DELIVERED });
	callback[1] =
		kit_put_move(k, &(struct kit_put){ .user = user, .root = root.id.seq }, &m[11]);
	T_EQ_INT(kit_step(k, &step, callback, 2), STORE_APPLIED);
	pause.gate.user = pin.gate.user = str_c(user);
	pause.gate.paused = 1;
	pin.gate.parallelism = 3;
	T_EQ_INT(kit_step(k, &step, &pause, 1), STORE_APPLIED);
	T_EQ_INT(kit_step(k, &step, &pin, 1), STORE_APPLIED);
	put_doc(k, DOC_TOPIC, user, "a");
	put_doc(k, DOC_TOPIC, user, "b");
	put_doc(k, DOC_SCHEDULE, user, "a");
	put_doc(k, DOC_BULK, user, "a");
	put_doc(k, DOC_USER, user, "me");
}

#define POPULATION "12 1 5 7 1"

/* ---- purges ---------------------------------------------------------------------------------- */

CONTRACT(a_purge_removes_everything_of_a_user_but_the_user)
{
	struct kit_msg m[POPULATED], others[POPULATED];
	struct str events;

	populate(k, "u", m);
	populate(k, "v", others);
	T_EQ_STR(all_of(k, "u"), POPULATION);
	events = kit_events(k, &m[1]);
	purge_all(k, "u", 1000);
	T_EQ_STR(all_of(k, "u"), "0 0 1 0 0");
	T_EQ_STR(all_of(k, "v"), POPULATION);
	T_EQ_STR(kit_events(k, &m[1]), events);
	T_CHECK(kit_find(k, &m[0]) == NULL);
	T_EQ_INT(kit_find(k, &others[0])->state, ROW_LEASED);
	/* What the other had waiting goes on. */
	SETTLE(k, &others[1], SETTLE_DELIVERED);
	T_EQ_INT(kit_lease_all(k, others, POPULATED), 2);
	T_CHECK(others[5].leased && others[11].leased);
	T_EQ_INT(kit_claim(k, 10)->docs, 6);
}

CONTRACT(a_purge_goes_piece_by_piece)
{
	static const size_t pieces[] = { 1, 2, 3, 7, 100 };
	struct kit_msg m[POPULATED];

	for (size_t i = 0; i < countof(pieces); i++) {
		populate(k, "u", m);
		T_CHECK(purge(k, "u", 0));
		T_EQ_STR(all_of(k, "u"), POPULATION);
		purge_all(k, "u", pieces[i]);
		T_EQ_STR(all_of(k, "u"), "0 0 1 0 0");
		kit_pass(k, 1);
	}
}

CONTRACT(a_purge_removes_no_more_than_it_may)
{
	const struct scan all = { .kind = SCAN_MESSAGES, .user = STR("u") };
	size_t left = 50;

	k->unchecked = true;
	for (size_t i = 0; i < left; i++)
		PUT(k);
	k->unchecked = false;
	while (left > 0) {
		size_t now;

		T_CHECK(purge(k, "u", 10));
		now = rows(k, all);
		T_CHECK(now <= left && left - now <= 10);
		left = now;
	}
	purge_all(k, "u", 10);
	T_EQ_STR(all_of(k, "u"), "0 0 0 0 0");
}

CONTRACT(a_purge_can_be_repeated)
{
	struct kit_msg m[POPULATED];

	T_CHECK(!purge(k, "nobody", 10));
	populate(k, "u", m);
	for (int i = 0; i < 3; i++) {
		purge_all(k, "u", 5);
		T_CHECK(!purge(k, "u", 5));
		T_EQ_STR(all_of(k, "u"), "0 0 1 0 0");
	}
}

CONTRACT(who_has_only_documents_is_purged_too)
{
	static const char *const name[] = { "a", "b", "c", "d", "e", "f", "g" };

	for (size_t i = 0; i < countof(name); i++)
		put_doc(k, DOC_TOPIC, "u", name[i]);
	put_doc(k, DOC_TOPIC, "v", "topic");
	purge_all(k, "u", 3);
	T_EQ_STR(all_of(k, "u"), "0 0 0 0 0");
	T_EQ_STR(all_of(k, "v"), "0 0 1 0 0");
	T_EQ_INT(kit_claim(k, 10)->docs, 1);
}

CONTRACT(a_settle_after_the_purge_is_refused)
{
	static const enum settle_to to[] = { SETTLE_DELIVERED, SETTLE_RETRY, SETTLE_DEAD,
					     SETTLE_HANDBACK };
	struct kit_msg m[4], other = PUT(k, .user = "v");

	for (int i = 0; i < 4; i++)
		m[i] = PUT(k, .want_lease = true, .queue = i == 0 ? "q" : NULL,
			   .flow = i == 1 ? "f" : NULL);
	kit_cancel(k, &m[3]);
	purge_all(k, "u", 100);
	for (int i = 0; i < 4; i++) {
		T_CHECK(m[i].leased);
		T_EQ_INT(SETTLE(k, &m[i], to[i], .bytes = 10).refusal, REFUSAL_NOT_FOUND);
	}
	T_EQ_STR(all_of(k, "u"), "0 0 0 0 0");
	T_EQ_STR(kit_started(k, &other, 1), "0");
}

CONTRACT(after_the_purge_everything_begins_anew)
{
	struct kit_msg first =
		PUT(k, .dedup = "key", .queue = "q", .want_lease = true, .user_parallelism = 1);
	struct move pause = kit_gate_move(GATE_QUEUE, "q", GATE_PAUSE);
	struct kit_msg m;
	struct step step;

	T_CHECK(first.leased);
	T_EQ_INT(kit_step(k, &step, &pause, 1), STORE_APPLIED);
	purge_all(k, "u", 100);
	m = PUT(k, .dedup = "key", .queue = "q", .want_lease = true, .day_messages_max = 1,
		.user_parallelism = 1);
	T_EQ_INT(m.result, STORE_APPLIED);
	T_EQ_INT(m.used_messages, 1);
	T_CHECK(m.leased);
	T_CHECK(!kit_gate(k, GATE_QUEUE, "q")->gate.paused);
	T_EQ_INT(kit_gate(k, GATE_USER, "")->gate.running, 1);
	SETTLE(k, &m, SETTLE_DELIVERED, .bytes = 1);
	T_EQ_STR(kit_usage(k, "u", 0), "1 1 1 0 0 0 0");
}

CONTRACT(a_purge_sees_the_steps_before_it_in_its_batch)
{
	struct kit_msg m, after;
	struct move put = kit_put_move(k, &(struct kit_put){ .queue = "q", .dedup = "d" }, &m);
	struct move move = { .kind = MOVE_PURGE };
	struct move again = kit_put_move(k, &(struct kit_put){ .queue = "q" }, &after);
	struct step steps[3];

	move.purge.user = STR("u");
	move.purge.max = 100;
	step_init(&steps[0], &put, 1, kit_ignore, NULL);
	step_init(&steps[1], &move, 1, kit_ignore, NULL);
	step_init(&steps[2], &again, 1, kit_ignore, NULL);
	store_submit(k->s, &steps[0].req);
	store_submit(k->s, &steps[1].req);
	T_EQ_INT(kit_do(k, &steps[2].req), STORE_APPLIED);
	T_CHECK(!move.purge.left);
	T_CHECK(kit_find(k, &m) == NULL && kit_find(k, &after) != NULL);
	T_EQ_STR(kit_usage(k, "u", 0), "1 0 0 0 0 0 0");
	T_EQ_INT(again.put.used_messages, 1);
}

CONTRACT_ON(a_purge_outlives_a_crash_and_goes_on, kit_durable)
{
	struct kit_msg m[POPULATED];

	populate(k, "u", m);
	T_CHECK(purge(k, "u", 6));
	kit_crash(k);
	purge_all(k, "u", 6);
	kit_crash(k);
	T_EQ_STR(all_of(k, "u"), "0 0 1 0 0");
}

/* ---- dead letters that expire ---------------------------------------------------------------- */

static size_t dead_letters(struct kit *k, const char *user)
{
	return rows(k, (struct scan){ .kind = SCAN_DLQ, .user = str_c(user) });
}

static struct dlq_id die(struct kit *k, const char *user, int64_t kept_ms, size_t record_bytes)
{
	struct kit_msg m = PUT(k, .user = user, .want_lease = true, .record_bytes = record_bytes);

	T_EQ_INT(SETTLE(k, &m, SETTLE_DEAD, .dlq_kept_ms = kept_ms).result, STORE_APPLIED);
	return (struct dlq_id){ k->now_ms, m.id.seq };
}

CONTRACT(a_dead_letter_goes_when_its_time_is_over)
{
	struct move remove = { .kind = MOVE_DLQ_REMOVE };
	struct step step;

	remove.dlq_remove.user = STR("u");
	remove.dlq_remove.id = die(k, "u", 10000, 0);
	die(k, "u", 20000, 5000);
	die(k, "u", 0, 0);
	die(k, "v", 10000, 0);
	kit_pass(k, 9999);
	kit_claim(k, 0);
	T_EQ_INT(dead_letters(k, "u"), 3);
	kit_pass(k, 1000);
	kit_claim(k, 0);
	T_EQ_INT(dead_letters(k, "u"), 2);
	T_EQ_INT(dead_letters(k, "v"), 0);
	T_EQ_INT(kit_step(k, &step, &remove, 1), STORE_REFUSED);
	T_EQ_INT(step.refusal, REFUSAL_NOT_FOUND);
	kit_pass(k, 1000000000);
	kit_claim(k, 0);
	T_EQ_INT(dead_letters(k, "u"), 1);
}

CONTRACT(dead_letters_go_in_small_bites)
{
	enum { MANY = 300 };
	int claims = 0;

	k->unchecked = true;
	for (int i = 0; i < MANY; i++)
		die(k, "u", 1000, i == 100 ? 100000 : 0);
	k->unchecked = false;
	kit_pass(k, 5000);
	for (size_t left = MANY; left > 0; left = dead_letters(k, "u")) {
		T_CHECK(++claims < 20);
		kit_claim(k, 0);
	}
	T_CHECK(claims > 1);
}

CONTRACT_ON(dead_letters_expire_after_a_crash_too, kit_durable)
{
	die(k, "u", 1000, 0);
	die(k, "u", 0, 0);
	kit_crash(k);
	T_EQ_INT(dead_letters(k, "u"), 2);
	kit_pass(k, 1000);
	kit_claim(k, 0);
	T_EQ_INT(dead_letters(k, "u"), 1);
}
