/* Workflow runs: their names, their history, and what ends with them. */
#include "kit.h"

struct start {
	const char *name, *user, *record; /* "r", "u", "record" */
	int64_t created_ms;               /* 100 */
	const char *copy;
	int64_t copy_created_ms;
};

#define START(k, ...) start((k), &(struct start){ __VA_ARGS__ })
static struct move start_move(const struct start *s)
{
	struct move m = { .kind = MOVE_RUN_START };

	m.run_start.user = str_c(s->user ? s->user : "u");
	m.run_start.name = str_c(s->name ? s->name : "r");
	m.run_start.record = str_c(s->record ? s->record : "record");
	m.run_start.created_ms = s->created_ms ? s->created_ms : 100;
	if (s->copy != NULL)
		m.run_start.copy = (struct run_ref){ str_c(s->copy), s->copy_created_ms };
	return m;
}

static enum refusal start(struct kit *k, const struct start *s)
{
	struct move m = start_move(s);
	struct step step;

	return kit_step(k, &step, &m, 1) == STORE_REFUSED ? step.refusal : REFUSAL_NONE;
}

struct end {
	const char *name, *record;
	int64_t created_ms, kept_ms; /* kept_ms: 1000 */
	bool keep_entries;
};

static struct move end_move(struct kit *k, const struct end *e)
{
	struct move m = { .kind = MOVE_RUN_END };

	m.run_end.user = STR("u");
	m.run_end.run = (struct run_ref){ str_c(e->name ? e->name : "r"), e->created_ms };
	m.run_end.record = str_c(e->record);
	m.run_end.keep_entries = e->keep_entries;
	m.run_end.until_ms = k->now_ms + (e->kept_ms ? e->kept_ms : 1000);
	return m;
}

#define END(k, ...) end((k), &(struct end){ __VA_ARGS__ })
static enum refusal end(struct kit *k, const struct end *e)
{
	struct move m = end_move(k, e);
	struct step step;

	return kit_step(k, &step, &m, 1) == STORE_REFUSED ? step.refusal : REFUSAL_NONE;
}

static struct scan *look(struct kit *k, const char *name, int64_t created_ms, uint64_t until)
{
	return kit_scan(k, &(struct scan){ .kind = SCAN_RUN,
					   .user = STR("u"),
					   .run = { str_c(name), created_ms },
					   .run_until = until,
					   .max = 100,
					   .bytes_max = SIZE_MAX });
}

/* The entries' bytes with a space between. */
static struct str history(struct kit *k, const char *name, uint64_t until)
{
	struct scan *s = look(k, name, 0, until);
	struct str all = STR("");

	for (size_t i = 0; i < s->rows; i++)
		all = arena_fmt(&k->arena, "%.*s%s%.*s", STR_FMT(all), i ? " " : "",
				STR_FMT(s->row[i].record));
	return all;
}

CONTRACT(one_run_with_a_name_is_open_at_a_time)
{
	struct kit_msg m;

	T_EQ_INT(START(k), REFUSAL_NONE);
	m = PUT(k, .run = "r", .entry = "first");
	T_EQ_INT(START(k, .created_ms = 200), REFUSAL_DUPLICATE);
	T_EQ_INT(START(k, .name = "s"), REFUSAL_NONE);
	T_EQ_INT(START(k, .user = "v"), REFUSAL_NONE);
	T_EQ_INT(look(k, "r", 0, 0)->run_found.created_ms, 100);
	T_EQ_STR(look(k, "r", 0, 0)->run_found.record, "record");
	T_CHECK(look(k, "r", 0, 0)->run_found.open);
	T_EQ_INT(END(k, .created_ms = 99), REFUSAL_RUN_OVER);
	T_EQ_INT(END(k), REFUSAL_NONE);
	T_CHECK(!look(k, "r", 0, 0)->run_found.found);
	T_CHECK(look(k, "r", 100, 0)->run_found.found && !look(k, "r", 100, 0)->run_found.open);
	T_EQ_INT(START(k), REFUSAL_ID);
	T_EQ_INT(START(k, .created_ms = 200), REFUSAL_NONE);
	T_EQ_INT(look(k, "r", 0, 0)->run_found.created_ms, 200);
	T_CHECK(kit_find(k, &m) == NULL);
}

CONTRACT(an_open_run_of_that_name_is_told_by_its_first_entry)
{
	struct move move = start_move(&(struct start){ .created_ms = 200 });
	struct kit_msg m;
	struct step step;

	START(k);
	m = PUT(k, .run = "r", .entry = "first");
	PUT(k, .run = "r", .entry = "second");
	T_EQ_INT(kit_step(k, &step, &move, 1), STORE_REFUSED);
	T_EQ_INT(move.run_start.existing.seq, m.id.seq);
	T_EQ_INT(move.run_start.existing.nonce, m.id.nonce);
}

CONTRACT(entries_stand_in_order_and_a_slice_ends_with_the_one_that_is_named)
{
	struct kit_msg m[3];

	START(k);
	m[0] = PUT(k, .run = "r", .entry = "a");
	PUT(k, .run = "r"); /* a member without an entry */
	m[1] = PUT(k, .run = "r", .run_created_ms = 100, .entry = "b");
	m[2] = PUT(k, .run = "r", .entry = "");
	T_EQ_STR(history(k, "r", UINT64_MAX), "a b ");
	T_EQ_STR(history(k, "r", m[1].id.seq), "a b");
	T_EQ_STR(history(k, "r", m[0].id.seq), "a");
	T_EQ_STR(history(k, "r", 0), "");
	T_EQ_INT(look(k, "r", 0, UINT64_MAX)->row[2].id.nonce, m[2].id.nonce);
	T_EQ_INT(look(k, "r", 0, UINT64_MAX)->row[2].run_entry, RUN_ENTRY_STEP);
	SETTLE(k, &m[0], SETTLE_DELIVERED);
	T_EQ_STR(history(k, "r", m[1].id.seq), "a b");
}

CONTRACT(a_long_history_comes_in_pages)
{
	struct scan s = { .kind = SCAN_RUN, .user = STR("u"), .run = { STR("r"), 0 } };
	size_t n = 0, pages = 0;

	START(k);
	for (int i = 0; i < 7; i++)
		PUT(k, .run = "r", .entry = "0123456789");
	s.run_until = k->last_seq - 1;
	s.max = 3;
	s.bytes_max = 25;
	for (bool more = true; more; pages++) {
		struct scan *got = kit_scan(k, &s);

		T_EQ_INT(got->rows, 2);
		n += got->rows;
		s.id = got->row[got->rows - 1].id;
		more = got->more;
	}
	T_EQ_INT(n, 6);
	T_EQ_INT(pages, 3);
}

CONTRACT(an_entry_needs_an_id_behind_the_last_one)
{
	struct kit_msg m, late;

	START(k);
	k->last_seq += 10;
	m = PUT(k, .run = "r", .entry = "a");
	late = PUT(k, .run = "r", .entry = "b", .id = { m.id.seq - 5, 77 });
	T_EQ_INT(late.refusal, REFUSAL_ID);
	T_EQ_INT(late.existing.seq, m.id.seq);
	T_EQ_INT(PUT(k, .run = "r", .id = { m.id.seq - 5, 77 }).result, STORE_APPLIED);
	T_EQ_STR(history(k, "r", UINT64_MAX), "a");
}

CONTRACT(a_key_is_taken_for_the_life_of_the_run)
{
	struct kit_msg first, again;
	struct scan *s;

	START(k);
	first = PUT(k, .run = "r", .entry = "a", .run_key = "x", .want_lease = true);
	SETTLE(k, &first, SETTLE_DELIVERED);
	again = PUT(k, .run = "r", .entry = "b", .run_key = "x");
	T_EQ_INT(again.result, STORE_APPLIED);
	T_EQ_INT(again.skipped, PUT_DUPLICATE);
	T_EQ_INT(again.existing.seq, first.id.seq);
	T_CHECK(kit_find(k, &again) == NULL);
	T_EQ_STR(kit_events(k, &again), "");
	T_EQ_STR(history(k, "r", UINT64_MAX), "a");
	s = kit_scan(k, &(struct scan){ .kind = SCAN_RUN,
					.user = STR("u"),
					.run = { STR("r"), 0 },
					.run_key = STR("x") });
	T_CHECK(s->run_found.key_taken);
	T_EQ_INT(s->run_found.key_id.nonce, first.id.nonce);
	END(k);
	START(k, .created_ms = 200);
	T_EQ_INT(PUT(k, .run = "r", .entry = "c", .run_key = "x").skipped, PUT_DONE);
}

CONTRACT(several_entries_are_appended_together_or_not_at_all)
{
	struct kit_msg m[3];
	struct move move[3];
	struct step step;

	START(k);
	PUT(k, .run = "r", .entry = "a", .run_key = "b");
	for (int i = 0; i < 3; i++)
		move[i] = kit_put_move(
			k, &(struct kit_put){ .run = i == 2 ? "none" : "r", .entry = "x" }, &m[i]);
	T_EQ_INT(kit_step(k, &step, move, 3), STORE_REFUSED);
	T_EQ_INT(step.refusal, REFUSAL_RUN_OVER);
	T_EQ_INT(step.refused_move, 2);
	T_EQ_STR(history(k, "r", UINT64_MAX), "a");
	for (int i = 0; i < 3; i++)
		move[i] = kit_put_move(k,
				       &(struct kit_put){ .run = "r",
							  .entry = i == 1 ? "b" : "c",
							  .run_key = i == 1 ? "b" : NULL },
				       &m[i]);
	T_EQ_INT(kit_step(k, &step, move, 3), STORE_APPLIED);
	T_EQ_INT(move[1].put.skipped, PUT_DUPLICATE);
	T_EQ_STR(history(k, "r", UINT64_MAX), "a c c");
}

CONTRACT(a_run_that_is_over_accepts_nothing)
{
	struct move doc = { .kind = MOVE_DOC_PUT };
	struct kit_msg m;
	struct step step;

	T_EQ_INT(PUT(k, .run = "r", .entry = "a").refusal, REFUSAL_RUN_OVER);
	START(k);
	T_EQ_INT(PUT(k, .run = "r", .run_created_ms = 99).refusal, REFUSAL_RUN_OVER);
	END(k);
	T_EQ_INT(PUT(k, .run = "r", .entry = "a").refusal, REFUSAL_RUN_OVER);
	m = PUT(k, .run = "r", .entry = "a", .run_if_open = true);
	T_EQ_INT(m.result, STORE_APPLIED);
	T_EQ_INT(m.skipped, PUT_RUN_OVER);
	T_CHECK(kit_find(k, &m) == NULL);
	doc.doc_put.doc = DOC_MAILBOX;
	doc.doc_put.user = STR("u");
	doc.doc_put.name = STR("d");
	doc.doc_put.run = (struct run_ref){ STR("r"), 0 };
	T_EQ_INT(kit_step(k, &step, &doc, 1), STORE_REFUSED);
	T_EQ_INT(step.refusal, REFUSAL_RUN_OVER);
	T_EQ_INT(END(k), REFUSAL_RUN_OVER);
	T_EQ_INT(END(k, .created_ms = 100), REFUSAL_RUN_OVER);
	T_EQ_INT(END(k, .name = "never"), REFUSAL_NOT_FOUND);
}

static enum refusal put_doc(struct kit *k, const char *name, const char *run)
{
	struct move m = { .kind = MOVE_DOC_PUT };
	struct step step;

	m.doc_put.doc = DOC_MAILBOX;
	m.doc_put.user = STR("u");
	m.doc_put.name = str_c(name);
	m.doc_put.value = STR("v");
	m.doc_put.version = -1;
	m.doc_put.due_ms = k->now_ms + 50;
	m.doc_put.run = (struct run_ref){ str_c(run), 0 };
	return kit_step(k, &step, &m, 1) == STORE_REFUSED ? step.refusal : REFUSAL_NONE;
}

static size_t count_docs(struct kit *k)
{
	return kit_scan(k, &(struct scan){ .kind = SCAN_DOCS,
					   .user = STR("u"),
					   .doc = DOC_MAILBOX,
					   .max = 10 })
		->rows;
}

CONTRACT(the_end_of_a_run_ends_its_members_and_nothing_else)
{
	struct kit_msg waiting, running, other;

	START(k);
	START(k, .name = "s");
	running = PUT(k, .run = "r", .entry = "a", .want_lease = true);
	waiting = PUT(k, .run = "r", .entry = "b", .delay_ms = 1000);
	other = PUT(k, .run = "s", .entry = "c");
	T_EQ_INT(put_doc(k, "d", "r"), REFUSAL_NONE);
	T_EQ_INT(put_doc(k, "d", "r"), REFUSAL_NONE);
	T_EQ_INT(put_doc(k, "e", "s"), REFUSAL_NONE);
	T_EQ_INT(END(k), REFUSAL_NONE);
	T_CHECK(kit_find(k, &waiting) == NULL && kit_find(k, &other) != NULL);
	T_EQ_STR(kit_events(k, &waiting), "CREATED CANCEL_REQUESTED CANCELED");
	T_CHECK(kit_find(k, &running)->cancelled);
	T_EQ_INT(count_docs(k), 1);
	T_EQ_INT(SETTLE(k, &running, SETTLE_RETRY).was_cancelled, true);
	T_CHECK(kit_find(k, &running) == NULL);
	T_EQ_STR(kit_events(k, &running), "CREATED ACTIVE CANCEL_REQUESTED CANCELED");
}

CONTRACT(an_attempt_that_outlives_its_run_may_still_succeed)
{
	struct kit_msg m;

	START(k);
	m = PUT(k, .run = "r", .entry = "a", .want_lease = true);
	END(k);
	T_EQ_INT(SETTLE(k, &m, SETTLE_DELIVERED).result, STORE_APPLIED);
	T_EQ_STR(kit_events(k, &m), "CREATED ACTIVE CANCEL_REQUESTED DELIVERED");
}

CONTRACT(a_run_fails_in_the_step_of_its_messages_end)
{
	struct kit_msg m, other, report;
	struct move move[3];
	struct step step;

	START(k);
	m = PUT(k, .run = "r", .entry = "a", .want_lease = true);
	other = PUT(k, .run = "r", .entry = "b", .delay_ms = 9);
	move[0] = kit_settle_move(k, &m, &(struct kit_settle){ .to = SETTLE_DEAD });
	move[1] = end_move(k, &(struct end){ .record = "failed", .keep_entries = true });
	move[2] = kit_put_move(k, &(struct kit_put){ 0 }, &report);
	T_EQ_INT(kit_step(k, &step, move, 3), STORE_APPLIED);
	T_CHECK(kit_find(k, &m) == NULL && kit_find(k, &other) == NULL);
	T_CHECK(kit_find(k, &report) != NULL);
	T_EQ_STR(look(k, "r", 100, 0)->run_found.record, "failed");
	T_EQ_INT(look(k, "r", 100, UINT64_MAX)->rows, 2);
}

CONTRACT(a_message_can_die_without_a_dead_letter)
{
	struct kit_msg m = PUT(k, .want_lease = true);
	struct move move = kit_settle_move(k, &m, &(struct kit_settle){ .to = SETTLE_DEAD });
	struct step step;

	move.settle.dlq.ms = 0;
	T_EQ_INT(kit_step(k, &step, &move, 1), STORE_APPLIED);
	T_CHECK(kit_find(k, &m) == NULL);
	T_EQ_INT(kit_scan(k, &(struct scan){ .kind = SCAN_DLQ, .user = STR("u"), .max = 9 })->rows,
		 0);
}

CONTRACT(a_run_that_is_over_is_forgotten_in_time)
{
	START(k);
	START(k, .name = "s");
	for (int i = 0; i < 100; i++)
		PUT(k, .run = "r", .entry = "a", .run_key = i == 5 ? "key" : NULL);
	PUT(k, .run = "s", .entry = "b");
	END(k, .keep_entries = true, .kept_ms = 5000);
	END(k, .name = "s", .kept_ms = 9000);
	kit_pass(k, 4000);
	for (int i = 0; i < 10; i++)
		kit_claim(k, 1);
	T_EQ_INT(look(k, "r", 100, UINT64_MAX)->rows, 100);
	T_CHECK(look(k, "s", 100, 0)->run_found.found);
	T_EQ_INT(look(k, "s", 100, UINT64_MAX)->rows, 0);
	kit_pass(k, 2000);
	for (int i = 0; i < 10; i++)
		kit_claim(k, 1);
	T_CHECK(!look(k, "r", 100, 0)->run_found.found);
	T_EQ_INT(END(k, .name = "r"), REFUSAL_NOT_FOUND);
	T_EQ_INT(END(k, .name = "s"), REFUSAL_RUN_OVER);
}

CONTRACT(a_run_can_begin_with_the_history_of_another)
{
	struct kit_msg m;

	START(k);
	PUT(k, .run = "r", .entry = "a", .run_key = "x");
	m = PUT(k, .run = "r", .entry = "b");
	END(k, .keep_entries = true);
	T_EQ_INT(START(k, .name = "t", .copy = "none", .copy_created_ms = 1), REFUSAL_NOT_FOUND);
	T_EQ_INT(START(k, .name = "t", .copy = "r", .copy_created_ms = 100), REFUSAL_NONE);
	T_EQ_STR(history(k, "t", UINT64_MAX), "a b");
	T_EQ_INT(PUT(k, .run = "t", .entry = "x", .id = { m.id.seq, 5 }).refusal, REFUSAL_ID);
	T_EQ_INT(PUT(k, .run = "t", .entry = "c", .run_key = "x").skipped, PUT_DONE);
	T_EQ_STR(history(k, "t", UINT64_MAX), "a b c");
	T_EQ_INT(look(k, "r", 100, UINT64_MAX)->rows, 2);
	END(k, .name = "t");
	T_EQ_INT(START(k, .name = "w", .copy = "t", .copy_created_ms = 100), REFUSAL_NOT_FOUND);
}

CONTRACT(the_record_of_a_run_changes_from_the_version_that_is_there)
{
	struct move m = { .kind = MOVE_RUN_SET };
	struct step step;

	m.run_set.user = STR("u");
	m.run_set.run = (struct run_ref){ STR("r"), 100 };
	m.run_set.record = STR("new");
	m.run_set.version = 1;
	T_EQ_INT(kit_step(k, &step, &m, 1), STORE_REFUSED);
	T_EQ_INT(step.refusal, REFUSAL_NOT_FOUND);
	START(k);
	m.run_set.version = look(k, "r", 0, 0)->run_found.version;
	T_EQ_INT(kit_step(k, &step, &m, 1), STORE_APPLIED);
	T_EQ_STR(look(k, "r", 0, 0)->run_found.record, "new");
	T_EQ_INT(kit_step(k, &step, &m, 1), STORE_REFUSED);
	T_EQ_INT(step.refusal, REFUSAL_VERSION);
	END(k);
	m.run_set.version = look(k, "r", 100, 0)->run_found.version;
	T_EQ_INT(kit_step(k, &step, &m, 1), STORE_APPLIED);
}

CONTRACT(the_entries_of_a_run_can_be_limited)
{
	START(k);
	T_EQ_INT(PUT(k, .run = "r", .entry = "0123456789", .run_bytes_max = 5).result,
		 STORE_APPLIED);
	T_EQ_INT(PUT(k, .run = "r", .entry = "0123456789", .run_bytes_max = 20).result,
		 STORE_APPLIED);
	T_EQ_INT(PUT(k, .run = "r", .entry = "0", .run_bytes_max = 20).refusal, REFUSAL_LIMIT);
	T_EQ_INT(PUT(k, .run = "r", .entry = "0", .run_entries_max = 2).refusal, REFUSAL_LIMIT);
	T_EQ_INT(PUT(k, .run = "r", .run_entries_max = 2).result, STORE_APPLIED);
}

CONTRACT(open_runs_are_listed_by_name)
{
	struct scan s = { .kind = SCAN_RUNS, .user = STR("u"), .max = 2, .bytes_max = SIZE_MAX };
	struct scan *got;

	START(k, .name = "c", .record = "3");
	START(k, .name = "a", .record = "1");
	START(k, .name = "b", .record = "2");
	START(k, .name = "d");
	START(k, .name = "e", .user = "v");
	END(k, .name = "d");
	got = kit_scan(k, &s);
	T_EQ_INT(got->rows, 2);
	T_CHECK(got->more);
	T_EQ_STR(got->row[0].name, "a");
	T_EQ_STR(got->row[1].record, "2");
	T_EQ_INT(got->row[1].created_ms, 100);
	s.name = STR("b");
	got = kit_scan(k, &s);
	T_EQ_INT(got->rows, 1);
	T_CHECK(!got->more);
	T_EQ_STR(got->row[0].name, "c");
}

static void again_logs_nothing(struct kit *k, struct move *of_run)
{
	struct kit_msg m;
	struct step step;

	/* Any events will do. */
	of_run->events = kit_put_move(k, &(struct kit_put){ 0 }, &m).events;
	T_EQ_INT(kit_step(k, &step, of_run, 1), STORE_APPLIED);
	step.req.result = STORE_UNKNOWN;
	T_EQ_INT(kit_do(k, &step.req), STORE_APPLIED);
	T_EQ_STR(kit_events(k, &m), "CREATED");
}

/* As after UNKNOWN: the same step again. */
CONTRACT(a_step_of_a_run_whose_answer_was_lost_is_done_once)
{
	struct kit_msg m;
	struct move begin[2], last;
	struct step step;

	begin[0] = start_move(&(struct start){ 0 });
	begin[1] =
		kit_put_move(k, &(struct kit_put){ .run = "r", .entry = "a", .run_key = "x" }, &m);
	T_EQ_INT(kit_step(k, &step, begin, 2), STORE_APPLIED);
	for (int i = 0; i < 2; i++) {
		step.req.result = STORE_UNKNOWN;
		T_EQ_INT(kit_do(k, &step.req), STORE_APPLIED);
		T_EQ_INT(begin[1].put.skipped, PUT_DONE);
		T_EQ_STR(history(k, "r", UINT64_MAX), "a");
		m = kit_leased(k, kit_claim(k, 5), 0);
		SETTLE(k, &m, i ? SETTLE_DELIVERED : SETTLE_HANDBACK);
	}
	last = end_move(k, &(struct end){ .created_ms = 100 });
	again_logs_nothing(k, &last);
	last = start_move(&(struct start){ .created_ms = 200 });
	again_logs_nothing(k, &last);
}

/* Two processes begin one run in the same ms; one of them got no answer, and nothing was done. */
CONTRACT(a_start_that_is_repeated_does_not_take_the_run_of_another_for_its_own)
{
	struct kit_msg m;
	struct move begin[2];
	struct step step;

	START(k, .record = "theirs");
	PUT(k, .run = "r", .entry = "a");
	begin[0] = start_move(&(struct start){ .record = "ours" });
	begin[1] = kit_put_move(k, &(struct kit_put){ .run = "r", .entry = "b" }, &m);
	T_EQ_INT(kit_step(k, &step, begin, 2), STORE_REFUSED);
	step.req.result = STORE_UNKNOWN;
	T_EQ_INT(kit_do(k, &step.req), STORE_REFUSED);
	T_EQ_INT(step.refusal, REFUSAL_DUPLICATE);
	T_EQ_STR(history(k, "r", UINT64_MAX), "a");
}

CONTRACT(a_purge_takes_the_runs_too)
{
	struct move m = { .kind = MOVE_PURGE };
	struct step step;
	int pieces = 0;

	START(k);
	for (int i = 0; i < 100; i++)
		PUT(k, .run = "r", .entry = "a", .run_key = i ? NULL : "x");
	put_doc(k, "d", "r");
	START(k, .name = "s");
	END(k, .name = "s", .keep_entries = true);
	m.purge.user = STR("u");
	m.purge.max = 40;
	do {
		T_EQ_INT(kit_step(k, &step, &m, 1), STORE_APPLIED);
		T_CHECK(++pieces < 50);
	} while (m.purge.left);
	T_CHECK(pieces > 1);
	T_CHECK(!look(k, "r", 100, 0)->run_found.found);
	T_EQ_INT(START(k, .created_ms = 100), REFUSAL_NONE);
	T_EQ_STR(history(k, "r", UINT64_MAX), "");
}

CONTRACT_ON(a_run_outlives_a_crash, kit_durable)
{
	struct kit_msg m;

	START(k);
	m = PUT(k, .run = "r", .entry = "a", .run_key = "x", .want_lease = true);
	kit_crash(k);
	T_EQ_STR(history(k, "r", UINT64_MAX), "a");
	T_EQ_INT(PUT(k, .run = "r", .entry = "b", .run_key = "x").skipped, PUT_DUPLICATE);
	END(k);
	T_CHECK(kit_find(k, &m) == NULL);
	kit_crash(k);
	T_EQ_INT(END(k), REFUSAL_RUN_OVER);
}
