/* Documents: versions, limits, due times; and the outbox. */
#include "kit.h"

#include <string.h>

#include "base/check.h"

struct doc {
	const char *user, *name, *value;
	enum doc_kind kind; /* DOC_SCHEDULE */
	int64_t version, due_ms, count_max;
};

/* The new version, or the refusal as a negative number. */
#define DOC_PUT(k, ...) doc_put((k), &(struct doc){ __VA_ARGS__ })
static int64_t doc_put(struct kit *k, const struct doc *d)
{
	struct move m = { .kind = MOVE_DOC_PUT };
	struct step step;

	m.doc_put.doc = d->kind ? d->kind : DOC_SCHEDULE;
	m.doc_put.user = str_c(d->user ? d->user : "u");
	m.doc_put.name = str_c(d->name);
	m.doc_put.value = str_c(d->value);
	m.doc_put.version = d->version;
	m.doc_put.due_ms = d->due_ms;
	m.doc_put.count_max = d->count_max;
	if (kit_step(k, &step, &m, 1) == STORE_REFUSED)
		return -(int64_t)step.refusal;
	T_CHECK(m.doc_put.new_version > 0);
	return m.doc_put.new_version;
}

static int64_t doc_remove(struct kit *k, const char *name, int64_t version)
{
	struct move m = { .kind = MOVE_DOC_REMOVE };
	struct step step;

	m.doc_remove.doc = DOC_SCHEDULE;
	m.doc_remove.user = STR("u");
	m.doc_remove.name = str_c(name);
	m.doc_remove.version = version;
	return kit_step(k, &step, &m, 1) == STORE_REFUSED ? -(int64_t)step.refusal : 0;
}

static struct scan_row *doc_get(struct kit *k, const char *name)
{
	struct scan *s = kit_scan(k, &(struct scan){ .kind = SCAN_DOCS,
						     .doc = DOC_SCHEDULE,
						     .user = STR("u"),
						     .name = str_c(name),
						     .exact = true });

	return s->rows ? s->row : NULL;
}

CONTRACT(a_document_changes_only_from_the_version_that_is_there)
{
	int64_t v1, v2, v3;

	T_EQ_INT(DOC_PUT(k, .name = "d", .value = "x", .version = 5), -REFUSAL_VERSION);
	T_CHECK(doc_get(k, "d") == NULL);
	v1 = DOC_PUT(k, .name = "d", .value = "one", .version = 0);
	T_EQ_INT(DOC_PUT(k, .name = "d", .value = "x", .version = 0), -REFUSAL_VERSION);
	T_EQ_STR(doc_get(k, "d")->record, "one");
	T_EQ_INT(doc_get(k, "d")->version, v1);
	v2 = DOC_PUT(k, .name = "d", .value = "two", .version = v1);
	T_CHECK(v2 != v1);
	T_EQ_INT(DOC_PUT(k, .name = "d", .value = "x", .version = v1), -REFUSAL_VERSION);
	v3 = DOC_PUT(k, .name = "d", .value = "three", .version = -1);
	T_CHECK(v3 != v2 && v3 != v1);
	T_EQ_STR(doc_get(k, "d")->record, "three");
	T_EQ_INT(DOC_PUT(k, .name = "e", .value = "", .version = -1) > v3, 1);
	T_EQ_STR(doc_get(k, "e")->record, "");
}

CONTRACT(a_removed_document_has_no_version_that_comes_again)
{
	int64_t v1 = DOC_PUT(k, .name = "d", .value = "one"), v2;

	T_EQ_INT(doc_remove(k, "e", -1), -REFUSAL_NOT_FOUND);
	T_EQ_INT(doc_remove(k, "d", v1 + 100), -REFUSAL_VERSION);
	T_EQ_INT(doc_remove(k, "d", v1), 0);
	T_CHECK(doc_get(k, "d") == NULL);
	T_EQ_INT(doc_remove(k, "d", v1), -REFUSAL_NOT_FOUND);
	v2 = DOC_PUT(k, .name = "d", .value = "again");
	T_CHECK(v2 > v1);
	T_EQ_INT(doc_remove(k, "d", v1), -REFUSAL_VERSION);
	T_EQ_INT(doc_remove(k, "d", -1), 0);
}

CONTRACT(the_number_of_documents_can_be_limited)
{
	T_CHECK(DOC_PUT(k, .name = "a", .value = "1", .count_max = 2) > 0);
	T_CHECK(DOC_PUT(k, .name = "b", .value = "1", .count_max = 2) > 0);
	T_EQ_INT(DOC_PUT(k, .name = "c", .value = "1", .count_max = 2), -REFUSAL_LIMIT);
	T_CHECK(DOC_PUT(k, .name = "b", .value = "2", .count_max = 2, .version = -1) > 0);
	T_CHECK(DOC_PUT(k, .name = "c", .value = "1", .count_max = 2, .kind = DOC_TOPIC) > 0);
	T_CHECK(DOC_PUT(k, .user = "v", .name = "c", .value = "1", .count_max = 2) > 0);
	T_EQ_INT(doc_remove(k, "a", -1), 0);
	T_CHECK(DOC_PUT(k, .name = "c", .value = "1", .count_max = 2) > 0);
}

/* ---- listing --------------------------------------------------------------------------------- */

static struct str list_docs(struct kit *k, const char *user, size_t page)
{
	struct scan s = { .kind = SCAN_DOCS, .doc = DOC_TOPIC, .user = str_c(user), .max = page };
	struct str all = STR("");
	bool more = true;

	while (more) {
		struct scan *got = kit_scan(k, &s);

		for (size_t i = 0; i < got->rows; i++) {
			T_EQ_STR(got->row[i].record, "value");
			all = arena_fmt(&k->arena, "%.*s%s%.*s/%.*s", STR_FMT(all),
					all.n ? " " : "", STR_FMT(got->row[i].user),
					STR_FMT(got->row[i].name));
			s.after_user = got->row[i].user;
			s.name = got->row[i].name;
		}
		more = got->more;
	}
	return all;
}

CONTRACT(documents_are_listed_by_name_of_one_user_or_of_all)
{
	static const char *const doc[][2] = { { "u", "b" }, { "v", "a" }, { "u", "a" },
					      { "", "z" },  { "u", "" },  { "v", "c" } };

	for (size_t i = 0; i < countof(doc); i++) {
		DOC_PUT(k, .user = doc[i][0], .name = doc[i][1], .value = "value",
			.kind = DOC_TOPIC);
		DOC_PUT(k, .user = doc[i][0], .name = doc[i][1], .value = "other",
			.kind = DOC_META);
	}
	for (size_t page = 1; page < 8; page++) {
		T_EQ_STR(list_docs(k, "u", page), "u/a u/b");
		T_EQ_STR(list_docs(k, "", page), "/z u/ u/a u/b v/a v/c");
	}
}

/* ---- due documents --------------------------------------------------------------------------- */

CONTRACT(due_documents_come_with_claims_until_they_are_handled)
{
	int64_t v = DOC_PUT(k, .name = "d", .value = "value", .due_ms = k->now_ms + 100);
	struct claim *c;

	DOC_PUT(k, .name = "never", .value = "x");
	DOC_PUT(k, .name = "later", .value = "x", .due_ms = k->now_ms + 500);
	c = kit_claim(k, 10);
	T_EQ_INT(c->docs, 0);
	T_EQ_INT(c->next_ms, k->now_ms + 100);
	kit_pass(k, 100);
	for (int i = 0; i < 2; i++) {
		c = kit_claim(k, 10);
		T_EQ_INT(c->docs, 1);
		T_EQ_STR(c->doc->name, "d");
		T_EQ_STR(c->doc->user, "u");
		T_EQ_STR(c->doc->value, "value");
		T_EQ_INT(c->doc->kind, DOC_SCHEDULE);
		T_EQ_INT(c->doc->version, v);
		T_EQ_INT(c->doc->due_ms, k->now_ms);
		T_CHECK(!c->more);
		T_EQ_INT(c->next_ms, k->now_ms + 400);
	}
	T_CHECK(DOC_PUT(k, .name = "d", .value = "value", .version = v, .due_ms = k->now_ms + 900) >
		0);
	T_EQ_INT(kit_claim(k, 10)->docs, 0);
	kit_pass(k, 900);
	c = kit_claim(k, 10);
	T_EQ_INT(c->docs, 2);
	T_EQ_STR(c->doc[0].name, "later");
	T_EQ_STR(c->doc[1].name, "d");
	T_EQ_INT(doc_remove(k, "d", -1), 0);
	T_CHECK(DOC_PUT(k, .name = "later", .value = "x", .version = -1) > 0);
	T_EQ_INT(kit_claim(k, 10)->docs, 0);
	T_EQ_INT(kit_claim(k, 10)->next_ms, INT64_MAX);
}

CONTRACT(a_claim_hands_out_no_more_documents_than_it_may)
{
	struct claim c;

	for (int i = 0; i < 5; i++)
		DOC_PUT(k, .name = arena_fmt(&k->arena, "%d", i).p, .value = "x", .due_ms = 1 + i);
	for (size_t max = 0; max < 8; max++) {
		claim_init(&c, 1, 1, NULL, NULL);
		c.docs_max = max;
		arena_init(&c.arena);
		T_EQ_INT(kit_do(k, &c.req), STORE_APPLIED);
		T_EQ_INT(c.docs, max < 5 ? max : 5);
		T_CHECK(c.more == (max > 0 && max < 5));
		arena_done(&c.arena);
	}
}

CONTRACT(a_claim_of_no_message_hands_out_documents)
{
	struct claim *c;

	DOC_PUT(k, .name = "due", .value = "x", .due_ms = k->now_ms);
	PUT(k, 0);
	c = kit_claim(k, 0);
	T_EQ_INT(c->n, 0);
	T_EQ_INT(c->docs, 1);
	T_CHECK(c->more);
	T_EQ_INT(kit_claim(k, 10)->n, 1);
}

CONTRACT(a_tick_is_one_step_with_what_it_publishes)
{
	int64_t v = DOC_PUT(k, .name = "d", .value = "x", .due_ms = k->now_ms);
	struct kit_msg m;
	struct move moves[2] = { { .kind = MOVE_DOC_PUT } };
	struct step step;

	for (int i = 0; i < 2; i++) {
		moves[0].doc_put.doc = DOC_SCHEDULE;
		moves[0].doc_put.user = STR("u");
		moves[0].doc_put.name = STR("d");
		moves[0].doc_put.version = v;
		moves[0].doc_put.due_ms = k->now_ms + 60000;
		moves[1] = kit_put_move(k, &(struct kit_put){ .want_lease = true }, &m);
		/* The second process has the same version in hand: its tick is refused. */
		T_EQ_INT(kit_step(k, &step, moves, 2), i ? STORE_REFUSED : STORE_APPLIED);
		T_CHECK((kit_find(k, &m) != NULL) == (i == 0));
	}
}

/* ---- the outbox ------------------------------------------------------------------------------ */

static struct tail tail_read(struct kit *k, uint64_t trim, uint64_t after, size_t bytes_max)
{
	struct arena *a = kit_arena(k);
	struct tail t;

	tail_init(&t, after, bytes_max, NULL, NULL);
	t.trim = trim;
	arena_init(&t.arena);
	T_EQ_INT(kit_do(k, &t.req), STORE_APPLIED);
	*a = t.arena;
	return t;
}

static int count_events(struct kit *k, struct str events)
{
	struct event e;
	int n = 0, rc;

	while ((rc = event_next(&k->arena, &events, &e)) == 1)
		n++;
	T_EQ_INT(rc, 0);
	return n;
}

CONTRACT(the_outbox_is_read_in_pieces_and_in_order)
{
	uint64_t at = 0;
	struct tail t;
	int pieces = 0, events = 0;

	T_CHECK(k->s->info.outbox_last == 0);
	t = tail_read(k, 0, 0, 1000);
	T_EQ_INT(t.events.n, 0);
	T_CHECK(t.last == 0 && !t.more);
	for (int i = 0; i < 20; i++)
		PUT(k, .want_lease = true, .record_bytes = 300);
	T_CHECK(k->s->info.outbox_last > 0);
	do {
		t = tail_read(k, 0, at, 1000);
		T_CHECK(t.events.n > 0 && t.events.n <= 1000 && t.last > at);
		events += count_events(k, t.events);
		at = t.last;
		pieces++;
	} while (t.more);
	T_EQ_INT(events, 40);
	T_CHECK(pieces >= 7 && pieces <= 10);
	T_CHECK(at == k->s->info.outbox_last);
	/* One entry is always allowed. */
	t = tail_read(k, 0, 0, 1);
	T_EQ_INT(count_events(k, t.events), 2);
	T_CHECK(t.more);
}

CONTRACT(trimmed_entries_are_forgotten_for_good)
{
	uint64_t first, last;
	struct tail t;

	for (int i = 0; i < 5; i++)
		PUT(k);
	t = tail_read(k, 0, 0, 1);
	first = t.last;
	t = tail_read(k, first, 0, 1 << 20);
	T_EQ_INT(count_events(k, t.events), 4);
	last = t.last;
	PUT(k);
	t = tail_read(k, first, 0, 1 << 20);
	T_EQ_INT(count_events(k, t.events), 5);
	t = tail_read(k, last, last, 1 << 20);
	T_EQ_INT(count_events(k, t.events), 1);
	last = t.last;
	/* All of it, and more than there is. */
	t = tail_read(k, last + 100, 0, 1 << 20);
	T_EQ_INT(t.events.n, 0);
	T_CHECK(!t.more && t.last == 0);
	PUT(k);
	t = tail_read(k, 0, 0, 1 << 20);
	T_EQ_INT(count_events(k, t.events), 1);
	T_CHECK(t.last > last);
}

CONTRACT(every_move_may_bring_events)
{
	struct kit_msg m;
	struct move moves[3] = { { .kind = MOVE_DOC_PUT }, { .kind = MOVE_DOC_REMOVE } };
	struct str e = kit_put_move(k, &(struct kit_put){ .user = "u" }, &m).events;
	struct step step;

	moves[0].doc_put.doc = moves[1].doc_remove.doc = DOC_MAILBOX;
	moves[0].doc_put.user = moves[1].doc_remove.user = STR("u");
	moves[0].doc_put.name = moves[1].doc_remove.name = STR("d");
	moves[0].doc_put.version = moves[1].doc_remove.version = -1;
	moves[2] = kit_gate_move(GATE_FLOW, "f", GATE_PIN);
	for (int i = 0; i < 3; i++)
		moves[i].events = e;
	T_EQ_INT(kit_step(k, &step, moves, 3), STORE_APPLIED);
	T_EQ_STR(kit_events(k, &m), "CREATED CREATED CREATED");
	/* Refused, and the events with it. */
	T_EQ_INT(kit_step(k, &step, &moves[1], 1), STORE_REFUSED);
	T_EQ_STR(kit_events(k, &m), "CREATED CREATED CREATED");
}

static int64_t users_version(struct kit *k)
{
	return kit_claim(k, 0)->users_version;
}

CONTRACT(claims_tell_that_users_have_changed)
{
	struct move remove = {
		.kind = MOVE_DOC_REMOVE,
		.doc_remove = { .doc = DOC_USER, .user = STR("u"), .name = STR("u"), .version = -1 }
	};
	int64_t before = users_version(k), after;
	struct step step;

	T_CHECK(DOC_PUT(k, .name = "other", .value = "x") > 0);
	T_EQ_INT(users_version(k), before);
	T_CHECK(DOC_PUT(k, .name = "u", .value = "x", .kind = DOC_USER) > 0);
	after = users_version(k);
	T_CHECK(after != before);
	T_EQ_INT(users_version(k), after);
	T_EQ_INT(DOC_PUT(k, .name = "u", .value = "y", .kind = DOC_USER), -REFUSAL_VERSION);
	T_EQ_INT(users_version(k), after);
	T_EQ_INT(kit_step(k, &step, &remove, 1), STORE_APPLIED);
	T_CHECK(users_version(k) != after);
	before = users_version(k);
	T_CHECK(DOC_PUT(k, .name = "d", .value = "x", .kind = DOC_DIRECTORY) > 0);
	T_CHECK(users_version(k) != before);
}

CONTRACT(a_purge_that_is_for_another_user_under_the_id_is_refused)
{
	struct move purge = { .kind = MOVE_PURGE, .purge = { .user = STR("u"), .max = 100 } };
	struct step step;
	int64_t v;

	v = DOC_PUT(k, .name = "u", .value = "x", .kind = DOC_USER);
	T_CHECK(DOC_PUT(k, .name = "d", .value = "x") > 0);
	purge.purge.version = v + 1;
	T_EQ_INT(kit_step(k, &step, &purge, 1), STORE_REFUSED);
	T_EQ_INT(step.refusal, REFUSAL_VERSION);
	T_CHECK(doc_get(k, "d") != NULL);
	purge.purge.version = v;
	T_EQ_INT(kit_step(k, &step, &purge, 1), STORE_APPLIED);
	T_CHECK(doc_get(k, "d") == NULL);
}
