/* Bulk actions under deaths, faults and company. */
#include "core/bulk.h"

#include <stdio.h>
#include <string.h>

#include "kit.h"

/* The only action there is, without its texts; false when there is none. */
static bool action(struct world *w, struct bulk *ret_bulk)
{
	struct scan s = { 0 };
	size_t n;

	scan_init(&s, SCAN_DOCS, world_looked, NULL);
	s.doc = DOC_BULK;
	s.max = 2;
	world_look(w, &s);
	n = s.rows;
	T_CHECK(n <= 1);
	if (n > 0)
		T_CHECK(bulk_decode(&s.arena, s.row[0].record, ret_bulk));
	arena_done(&s.arena);
	return n > 0;
}

static bool is_finished(struct world *w)
{
	struct bulk b;

	return action(w, &b) && b.phase == BULK_FINISHED;
}

struct asked {
	struct bulk_cancel op;
	struct filter filter;
	char label[8];
	struct str labels;
	char id[BULK_ID_LEN + 1];
	bool done;
};

static void answered(struct bulk_cancel *op)
{
	struct asked *a = op->arg;

	T_CHECK(!a->done);
	a->done = true;
	if (op->id.n > 0)
		memcpy(a->id, op->id.p, op->id.n);
}

/* All, or those with a label. */
static void ask_for(struct proc *p, struct asked *a, const char *label, int64_t wait_ms,
		    int64_t max)
{
	*a = (struct asked){
		.filter = { .use = FILTER_CANCEL, .from_ms = INT64_MIN, .to_ms = INT64_MAX }
	};
	snprintf(a->label, sizeof(a->label), "%s", label);
	a->labels = str_c(a->label);
	a->filter.field[FILTER_LABEL] = (struct filter_values){ &a->labels, a->labels.n > 0 };
	a->op = (struct bulk_cancel){ .account = engine_account(p->e, STR("user")),
				      .filter = &a->filter,
				      .max = max,
				      .wait_ms = wait_ms,
				      .done = answered,
				      .arg = a };
	engine_bulk_cancel(p->e, &a->op);
}

static void ask(struct proc *p, struct asked *a, int64_t wait_ms, int64_t max)
{
	ask_for(p, a, "", wait_ms, max);
}

static void until_answered(struct proc *p, const struct asked *a)
{
	for (int i = 0; i < TURNS_MAX && !a->done; i++)
		proc_turn(p);
	T_CHECK(a->done);
}

static void until_finished(struct proc *p)
{
	for (int i = 0; i < TURNS_MAX && !is_finished(p->w); i++)
		proc_turn(p);
	T_CHECK(is_finished(p->w));
}

static void until_processed(struct proc *p, int64_t n)
{
	struct bulk b = { 0 };

	for (int i = 0; i < TURNS_MAX && b.processed < n; i++) {
		proc_turn(p);
		(void)!action(p->w, &b);
	}
	T_CHECK(b.processed >= n && b.phase == BULK_ACTING);
}

static void check_action(struct world *w, int64_t total, int64_t processed)
{
	struct bulk b;

	T_CHECK(action(w, &b));
	T_EQ_INT(b.phase, BULK_FINISHED);
	T_EQ_INT(b.total, total);
	T_EQ_INT(b.processed, processed);
	T_CHECK(b.completed_ms >= b.created_ms && b.completed_ms <= w->now_ms);
}

/* ---- waiting for the end -------------------------------------------------------------------------------- */

static const struct {
	size_t messages;
	int64_t max, cancelled;
	bool makes_action;
} waits[] = {
	{ 0, 0, 0, false },      { 1, 0, 1, false },      { 49, 0, 49, false },
	{ 50, 0, 50, false },    { 51, 0, 51, true },     { 350, 0, 350, true },
	{ 350, 1, 1, false },    { 350, 50, 50, false },  { 350, 51, 51, true },
	{ 350, 350, 350, true }, { 2500, 0, 2500, true },
};

TEST_EACH(all_or_as_many_as_asked_for_are_cancelled, waits)
{
	struct world w;
	struct proc p;
	struct asked a;

	world_start(&w);
	proc_start(&p, &w, 1);
	proc_publish(&p, row->messages, HOUR_MS, "");
	ask(&p, &a, INT64_MAX, row->max);
	until_answered(&p, &a);
	T_EQ_INT(a.op.problem.status, 0);
	T_EQ_INT(a.op.cancelled, row->cancelled);
	T_EQ_INT(world_messages_left(&w), (int64_t)row->messages - row->cancelled);
	T_CHECK((a.id[0] != '\0') == row->makes_action);
	if (row->makes_action)
		check_action(&w, row->cancelled, row->cancelled);
	else
		T_CHECK(!is_finished(&w));
	proc_stop(&p);
	world_end(&w);
}

TEST(what_does_not_match_is_left)
{
	struct world w;
	struct proc p;
	struct asked a;

	world_start(&w);
	proc_start(&p, &w, 1);
	for (int i = 0; i < 20; i++) {
		proc_publish(&p, 50, HOUR_MS, "a,x");
		proc_publish(&p, 170, HOUR_MS, "b");
	}
	ask_for(&p, &a, "x", 0, 0);
	until_answered(&p, &a);
	/* The caller's memory is its own again. */
	memcpy(a.label, "b", 2);
	until_finished(&p);
	check_action(&w, 20 * 50, 20 * 50);
	T_EQ_INT(world_messages_left(&w), 20 * 170);
	proc_stop(&p);
	world_end(&w);
}

/* ---- not waiting ---------------------------------------------------------------------------------------- */

TEST(an_action_is_answered_at_once_and_leaves_what_comes_later)
{
	struct world w;
	struct proc p;
	struct asked a;
	struct bulk b;

	world_start(&w);
	proc_start(&p, &w, 1);
	proc_publish(&p, 1000, HOUR_MS, "");
	ask(&p, &a, 0, 0);
	until_answered(&p, &a);
	T_EQ_INT(a.op.problem.status, 0);
	T_CHECK(action(&w, &b));
	T_EQ_INT(b.processed, 0);
	T_EQ_INT(strlen(a.id), BULK_ID_LEN);
	proc_publish(&p, 40, HOUR_MS, "");
	until_finished(&p);
	check_action(&w, 1000, 1000);
	T_EQ_INT(world_messages_left(&w), 40);
	proc_stop(&p);
	world_end(&w);
}

TEST(one_that_waits_too_long_is_told_where_it_goes_on)
{
	struct world w;
	struct proc p;
	struct asked a;

	world_start(&w);
	proc_start(&p, &w, 1);
	proc_publish(&p, 1000, HOUR_MS, "");
	ask(&p, &a, 60 * 1000, 0);
	until_processed(&p, 300);
	T_CHECK(!a.done);
	w.now_ms += 60 * 1000;
	until_answered(&p, &a);
	T_EQ_INT(a.op.problem.status, 429);
	T_CHECK(str_has(str_c(a.op.problem.text), str_c(a.id)));
	T_EQ_INT(strlen(a.id), BULK_ID_LEN);
	until_finished(&p);
	check_action(&w, 1000, 1000);
	T_EQ_INT(world_messages_left(&w), 0);
	proc_stop(&p);
	world_end(&w);
}

TEST(a_user_has_a_bounded_number_of_them)
{
	struct world w;
	struct proc p;
	struct asked a[17];

	world_start(&w);
	proc_start(&p, &w, 1);
	for (int i = 0; i < 17; i++)
		ask(&p, &a[i], 0, 0);
	T_CHECK(a[16].done);
	T_EQ_INT(a[16].op.problem.status, 429);
	for (int i = 0; i < 16; i++) {
		until_answered(&p, &a[i]);
		T_EQ_INT(a[i].op.problem.status, 0);
	}
	proc_stop(&p);
	world_end(&w);
}

TEST(a_finished_one_is_forgotten_after_a_week)
{
	struct world w;
	struct proc p;
	struct asked a;
	struct bulk b;

	world_start(&w);
	proc_start(&p, &w, 1);
	proc_publish(&p, 3, HOUR_MS, "");
	ask(&p, &a, 0, 0);
	until_finished(&p);
	w.now_ms += 7 * 24 * HOUR_MS - 5000;
	for (int i = 0; i < 10; i++)
		proc_turn(&p);
	T_CHECK(action(&w, &b));
	w.now_ms += 5000;
	for (int i = 0; i < TURNS_MAX && action(&w, &b); i++)
		proc_turn(&p);
	T_CHECK(!action(&w, &b));
	proc_stop(&p);
	world_end(&w);
}

/* ---- deaths, faults and company ------------------------------------------------------------------------- */

TEST(another_process_goes_on_where_one_died)
{
	for (int64_t at = 100; at < 1000; at += 300) {
		struct world w;
		struct proc p;
		struct asked a;

		world_start(&w);
		proc_start(&p, &w, 1);
		proc_publish(&p, 1000, HOUR_MS, "");
		ask(&p, &a, 0, 900);
		until_processed(&p, at);
		proc_kill(&p);
		proc_start(&p, &w, 2);
		until_finished(&p);
		check_action(&w, 900, 900);
		T_EQ_INT(world_messages_left(&w), 100);
		proc_stop(&p);
		world_end(&w);
	}
}

/* A lost answer, done or not, counts nothing twice and nothing too little. */
TEST(faults_of_the_store_change_no_count)
{
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct world w;
		struct proc p;
		struct asked a;

		world_start(&w);
		proc_start(&p, &w, seed);
		proc_publish(&p, 700, HOUR_MS, "");
		ask(&p, &a, 0, seed % 2 ? 650 : 0);
		until_answered(&p, &a);
		fault_set(p.store, (struct fault_chances){ 100000, 100000, 100000 });
		until_finished(&p);
		fault_set(p.store, (struct fault_chances){ 0 });
		check_action(&w, seed % 2 ? 650 : 700, seed % 2 ? 650 : 700);
		T_EQ_INT(world_messages_left(&w), seed % 2 ? 50 : 0);
		proc_stop(&p);
		world_end(&w);
	}
}

/* The making of it, too: an answer that names an action is kept, any other promises nothing. */
TEST(an_action_is_promised_only_once_it_is_stored)
{
	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct world w;
		struct proc p;
		struct asked a;

		world_start(&w);
		proc_start(&p, &w, seed);
		proc_publish(&p, 250, HOUR_MS, "");
		fault_set(p.store, (struct fault_chances){ 200000, 200000, 200000 });
		ask(&p, &a, 0, 0);
		until_answered(&p, &a);
		fault_set(p.store, (struct fault_chances){ 0 });
		if (a.op.problem.status == 0) {
			until_finished(&p);
			check_action(&w, 250, 250);
		} else {
			T_EQ_INT(a.op.problem.status, 503);
		}
		proc_stop(&p);
		world_end(&w);
	}
}

TEST(two_processes_that_both_work_on_it_count_once)
{
	struct world w;
	struct proc p, q;
	struct asked a;

	world_start(&w);
	proc_start(&p, &w, 1);
	proc_publish(&p, 2000, HOUR_MS, "");
	proc_start(&q, &w, 2);
	ask(&p, &a, INT64_MAX, 0);
	until_processed(&p, 300);
	/* The first stands still; the second takes over; then both are at it. */
	w.now_ms += 6000;
	until_processed(&q, 600);
	for (int i = 0; i < TURNS_MAX && !is_finished(&w); i++) {
		proc_turn(&p);
		proc_turn(&q);
	}
	check_action(&w, 2000, 2000);
	until_answered(&p, &a);
	T_EQ_INT(a.op.cancelled, 2000);
	T_EQ_INT(world_messages_left(&w), 0);
	proc_stop(&q);
	proc_stop(&p);
	world_end(&w);
}

/* Deliveries go on beside it: each message ends once, as delivered or as cancelled. */
TEST(what_is_delivered_meanwhile_is_not_counted)
{
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct world w;
		struct proc p;
		struct asked a;
		struct bulk b;

		world_start(&w);
		proc_start(&p, &w, seed);
		proc_publish(&p, 300, HOUR_MS, "");
		proc_publish(&p, 500, 1000, "");
		proc_publish(&p, 300, HOUR_MS, "");
		w.now_ms += 1000;
		ask(&p, &a, 0, 0);
		for (int i = 0; i < TURNS_MAX && !is_finished(&w); i++) {
			proc_turn(&p);
			if (i % seed == 0)
				proc_deliver_all(&p);
		}
		for (int i = 0; i < 20; i++) {
			proc_deliver_all(&p);
			proc_turn(&p);
		}
		T_CHECK(action(&w, &b));
		T_EQ_INT(world_messages_left(&w), 0);
		T_EQ_INT(b.processed, engine_stats(p.e).cancelled);
		T_CHECK(engine_stats(p.e).delivered > 0);
		T_CHECK(b.processed + (int64_t)engine_stats(p.e).delivered >= 1100);
		T_CHECK(b.processed <= b.total);
		proc_stop(&p);
		world_end(&w);
	}
}

TEST(a_stop_answers_and_the_next_start_goes_on)
{
	struct world w;
	struct proc p;
	struct asked a;

	world_start(&w);
	proc_start(&p, &w, 1);
	proc_publish(&p, 1000, HOUR_MS, "");
	ask(&p, &a, INT64_MAX, 0);
	until_processed(&p, 300);
	proc_stop(&p);
	T_CHECK(a.done);
	T_EQ_INT(a.op.problem.status, 503);
	T_CHECK(str_has(str_c(a.op.problem.text), str_c(a.id)));
	proc_start(&p, &w, 2);
	until_finished(&p);
	check_action(&w, 1000, 1000);
	proc_stop(&p);
	world_end(&w);
}

TEST(a_broken_document_is_removed)
{
	struct world w;
	struct proc p;
	struct move m = { .kind = MOVE_DOC_PUT };
	struct step s;
	struct scan scan = { 0 };
	size_t rows = 1;

	world_start(&w);
	proc_start(&p, &w, 1);
	m.doc_put.doc = DOC_BULK;
	m.doc_put.user = STR("user");
	m.doc_put.name = STR("bulk_x");
	m.doc_put.value = STR("nonsense");
	m.doc_put.due_ms = w.now_ms;
	step_init(&s, &m, 1, world_looked, NULL);
	store_submit(w.eye, &s.req);
	store_flush(w.eye, w.now_ms);
	store_poll(w.eye);
	for (int i = 0; i < TURNS_MAX && rows > 0; i++) {
		proc_turn(&p);
		scan_init(&scan, SCAN_DOCS, world_looked, NULL);
		scan.doc = DOC_BULK;
		scan.max = 1;
		world_look(&w, &scan);
		rows = scan.rows;
		arena_done(&scan.arena);
	}
	T_EQ_INT(rows, 0);
	proc_stop(&p);
	world_end(&w);
}
