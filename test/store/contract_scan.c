/* Listings of messages, dead letters, documents and gates. */
#include "kit.h"

#include <string.h>

#include "base/check.h"

/* Pages through all messages of a user and gives their places in `of`. */
static struct str list_messages(struct kit *k, const char *user, size_t page,
				const struct kit_msg *of, size_t n)
{
	struct scan s = { .kind = SCAN_MESSAGES, .user = str_c(user), .max = page };
	struct str all = STR("");
	bool more = true;

	for (int pages = 0; more; pages++) {
		struct scan *got = kit_scan(k, &s);

		T_CHECK(got->rows <= page && pages < 1000);
		for (size_t i = 0; i < got->rows; i++) {
			size_t at = 0;

			while (at < n && of[at].id.seq != got->row[i].id.seq)
				at++;
			T_CHECK(at < n);
			T_EQ_STR(got->row[i].record, of[at].record);
			all = arena_fmt(&k->arena, "%.*s%s%zu", STR_FMT(all), all.n ? " " : "", at);
		}
		T_CHECK(!got->more || got->at_id.seq > s.id.seq);
		s.id = got->at_id;
		more = got->more;
	}
	return all;
}

CONTRACT(messages_are_listed_by_user_in_order_of_acceptance)
{
	struct kit_msg m[9];

	for (int i = 0; i < 9; i++)
		m[i] = PUT(k, .user = i % 3 == 2 ? "v" : "u", .queue = i % 2 ? "q" : NULL,
			   .delay_ms = i > 4 ? 10 : 0, .record_bytes = i == 4 ? 5000 : 0);
	for (size_t page = 1; page < 8; page++) {
		T_EQ_STR(list_messages(k, "u", page, m, 9), "0 1 3 4 6 7");
		T_EQ_STR(list_messages(k, "v", page, m, 9), "2 5 8");
	}
	T_EQ_STR(list_messages(k, "w", 5, m, 9), "");
}

CONTRACT(a_listing_does_not_look_at_the_messages_of_others)
{
	enum { MANY = 100 };
	struct kit_msg m[2];
	struct scan *got;

	m[0] = PUT(k);
	k->unchecked = true;
	for (int i = 0; i < MANY; i++)
		PUT(k, .user = "v");
	k->unchecked = false;
	m[1] = PUT(k);
	got = kit_scan(k, &(struct scan){ .kind = SCAN_MESSAGES, .user = STR("u"), .max = 2 });
	T_EQ_INT(got->rows, 2);
	T_CHECK(!got->more && got->at_id.seq == m[1].id.seq);
	T_EQ_STR(list_messages(k, "u", 1, m, 2), "0 1");
}

CONTRACT(a_page_holds_no_more_bytes_than_it_may_but_always_one_row)
{
	struct kit_msg m[4];
	struct scan s = { .kind = SCAN_MESSAGES, .user = STR("u"), .max = 10, .bytes_max = 1000 };
	struct scan *got;

	for (int i = 0; i < 4; i++)
		m[i] = PUT(k, .record_bytes = i == 2 ? 4000 : 400);
	got = kit_scan(k, &s);
	T_EQ_INT(got->rows, 2);
	T_CHECK(got->more && got->at_id.seq == m[1].id.seq);
	s.id = got->at_id;
	got = kit_scan(k, &s);
	T_EQ_INT(got->rows, 1);
	T_EQ_STR(got->row->record, m[2].record);
	s.id = got->at_id;
	got = kit_scan(k, &s);
	T_EQ_INT(got->rows, 1);
	T_CHECK(!got->more);
}

CONTRACT(a_message_is_shown_to_its_user_only)
{
	struct kit_msg m = PUT(k), wrong = m;

	wrong.user = STR("v");
	T_CHECK(kit_find(k, &wrong) == NULL);
	wrong = m;
	wrong.id.nonce++;
	T_CHECK(kit_find(k, &wrong) == NULL);
	T_CHECK(kit_find(k, &m) != NULL);
}

CONTRACT(a_scan_sees_the_steps_before_it_in_its_batch)
{
	struct kit_msg m;
	struct move move = kit_put_move(k, &(struct kit_put){ .want_lease = true }, &m);
	struct step step;
	struct scan s = { .kind = SCAN_MESSAGE, .user = STR("u"), .id = m.id, .max = 1 };

	s.req = (struct store_req){ .kind = STORE_SCAN };
	arena_init(&s.arena);
	step_init(&step, &move, 1, NULL, NULL);
	step.req.done = kit_ignore;
	store_submit(k->s, &step.req);
	T_EQ_INT(kit_do(k, &s.req), STORE_APPLIED);
	T_EQ_INT(step.req.result, STORE_APPLIED);
	T_EQ_INT(s.rows, 1);
	T_EQ_INT(s.row->state, ROW_LEASED);
	arena_done(&s.arena);
}

/* ---- dead letters ---------------------------------------------------------------------------- */

static struct dlq_id die(struct kit *k, const char *user, size_t record_bytes)
{
	struct kit_msg m = PUT(k, .user = user, .want_lease = true, .record_bytes = record_bytes);

	T_CHECK(m.leased);
	T_EQ_INT(SETTLE(k, &m, SETTLE_DEAD).result, STORE_APPLIED);
	return (struct dlq_id){ k->now_ms, m.id.seq };
}

static struct str list_dlq(struct kit *k, size_t page, bool descending, const struct dlq_id *of,
			   size_t n)
{
	struct scan s = {
		.kind = SCAN_DLQ, .user = STR("u"), .max = page, .descending = descending
	};
	struct str all = STR("");
	bool more = true;

	for (int pages = 0; more; pages++) {
		struct scan *got = kit_scan(k, &s);

		T_CHECK(pages < 100);
		for (size_t i = 0; i < got->rows; i++) {
			size_t at = 0;

			while (at < n && (of[at].seq != got->row[i].dlq.seq ||
					  of[at].ms != got->row[i].dlq.ms))
				at++;
			T_CHECK(at < n);
			all = arena_fmt(&k->arena, "%.*s%s%zu", STR_FMT(all), all.n ? " " : "", at);
			s.dlq = got->row[i].dlq;
		}
		more = got->more;
	}
	return all;
}

CONTRACT(dead_letters_are_listed_in_both_directions)
{
	struct dlq_id id[5];

	for (int i = 0; i < 5; i++) {
		if (i % 2)
			kit_pass(k, 1);
		id[i] = die(k, "u", i == 3 ? 6000 : 0);
	}
	die(k, "v", 0);
	for (size_t page = 1; page < 7; page++) {
		T_EQ_STR(list_dlq(k, page, false, id, 5), "0 1 2 3 4");
		T_EQ_STR(list_dlq(k, page, true, id, 5), "4 3 2 1 0");
	}
}

CONTRACT(one_dead_letter_is_found_and_removed)
{
	struct dlq_id id = die(k, "u", 0);
	struct scan one = { .kind = SCAN_DLQ, .user = STR("u"), .dlq = id, .exact = true };
	struct move m = { .kind = MOVE_DLQ_REMOVE };
	struct step step;

	die(k, "u", 0);
	T_EQ_INT(kit_scan(k, &one)->rows, 1);
	m.dlq_remove.user = STR("v");
	m.dlq_remove.id = id;
	T_EQ_INT(kit_step(k, &step, &m, 1), STORE_REFUSED);
	PUT(k, .user = "v");
	T_EQ_INT(kit_step(k, &step, &m, 1), STORE_REFUSED);
	T_EQ_INT(step.refusal, REFUSAL_NOT_FOUND);
	m.dlq_remove.user = STR("u");
	T_EQ_INT(kit_step(k, &step, &m, 1), STORE_APPLIED);
	T_EQ_INT(kit_scan(k, &one)->rows, 0);
	T_EQ_INT(kit_step(k, &step, &m, 1), STORE_REFUSED);
	one.exact = false;
	one.dlq = (struct dlq_id){ 0 };
	T_EQ_INT(kit_scan(k, &one)->rows, 1);
}

CONTRACT(a_retry_from_the_dead_letter_queue_is_one_step)
{
	struct dlq_id id = die(k, "u", 0);
	struct kit_msg m;
	struct move moves[2] = { { .kind = MOVE_DLQ_REMOVE } };
	struct step step;

	moves[0].dlq_remove.user = STR("u");
	moves[0].dlq_remove.id = id;
	moves[1] = kit_put_move(k, &(struct kit_put){ .want_lease = true }, &m);
	T_EQ_INT(kit_step(k, &step, moves, 2), STORE_APPLIED);
	T_CHECK(moves[1].put.leased);
	moves[1] = kit_put_move(k, &(struct kit_put){ .want_lease = true }, &m);
	T_EQ_INT(kit_step(k, &step, moves, 2), STORE_REFUSED);
	T_CHECK(kit_find(k, &m) == NULL);
}

/* ---- gates ----------------------------------------------------------------------------------- */

CONTRACT(gates_are_listed_by_name)
{
	static const char *const name[] = { "b", "a", "c", "B", "aa" };
	static const char *const sorted[] = { "B", "a", "aa", "b", "c" };

	for (size_t i = 0; i < countof(name); i++) {
		PUT(k, .queue = name[i], .flow = name[i], .want_lease = true);
		PUT(k, .user = "v", .queue = "x");
	}
	for (int kind = GATE_QUEUE; kind <= GATE_FLOW; kind++) {
		struct scan s = {
			.kind = SCAN_GATES, .user = STR("u"), .gate = (enum gate_kind)kind, .max = 2
		};
		size_t at = 0;
		bool more = true;

		while (more) {
			struct scan *got = kit_scan(k, &s);

			for (size_t i = 0; i < got->rows; i++) {
				T_EQ_STR(got->row[i].name, sorted[at++]);
				T_EQ_STR(got->row[i].user, "u");
				T_EQ_INT(got->row[i].gate.running, 1);
				s.name = got->row[i].name;
			}
			more = got->more;
		}
		T_EQ_INT(at, countof(sorted));
	}
	T_EQ_INT(
		kit_scan(k,
			 &(struct scan){ .kind = SCAN_GATES, .user = STR("w"), .gate = GATE_QUEUE })
			->rows,
		0);
}
