/* Bulk actions over the real engine and the real store, turned by hand in a time of the test's own. */
#include "core/bulk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "courier/courier.h"
#include "engine/engine.h"
#include "store/fault.h"
#include "store/sqlite/sqlite_store.h"
#include "t.h"

enum { HOUR_MS = 3600 * 1000, TURNS_MAX = 200 * 1000, SENT_MAX = 4096 };

struct world {
	struct sqlite_db *db;
	struct store *eye; /* looks at what is stored */
	int64_t now_ms;    /* of both clocks */
};

struct proc {
	struct world *w;
	struct store *store; /* a fault store */
	struct engine *e;
	struct courier courier;
	struct courier_req *sent[SENT_MAX];
	size_t sent_n;
	bool ready;
};

/* ---- the world ---------------------------------------------------------------------------------------- */

static void world_start(struct world *w)
{
	struct sqlite_settings set = { .path = ":memory:" };
	char error[200];

	w->now_ms = 1760000000000;
	w->db = sqlite_db_open(&set, w->now_ms, error);
	check(w->db != NULL);
	w->eye = sqlite_db_attach(w->db, w->now_ms);
	check(w->eye != NULL);
}

static void world_end(struct world *w)
{
	store_close(w->eye);
	sqlite_db_close(w->db);
}

static void looked(struct store_req *req)
{
	check(req->result == STORE_APPLIED);
}

static void look(struct world *w, struct scan *s)
{
	arena_init(&s->arena);
	s->user = STR("user");
	s->bytes_max = SIZE_MAX;
	store_submit(w->eye, &s->req);
	store_flush(w->eye, w->now_ms);
	store_poll(w->eye);
}

/* Messages that nobody has cancelled. */
static size_t messages_left(struct world *w)
{
	struct scan s = { 0 };
	size_t n = 0;

	do {
		struct msg_id after = s.at_id;

		scan_init(&s, SCAN_MESSAGES, looked, NULL);
		s.id = after;
		s.max = 1000;
		look(w, &s);
		for (size_t i = 0; i < s.rows; i++)
			n += !s.row[i].cancelled;
		arena_done(&s.arena);
	} while (s.more);
	return n;
}

/* The only action there is, without its texts; false when there is none. */
static bool action(struct world *w, struct bulk *ret_bulk)
{
	struct scan s = { 0 };
	size_t n;

	scan_init(&s, SCAN_DOCS, looked, NULL);
	s.doc = DOC_BULK;
	s.max = 2;
	look(w, &s);
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

/* ---- a process ------------------------------------------------------------------------------------------ */

static void courier_take(struct courier *c, struct courier_req *req)
{
	struct proc *p = container_of(c, struct proc, courier);

	check(p->sent_n < SENT_MAX);
	p->sent[p->sent_n++] = req;
}

static void courier_drop(struct courier *c, struct courier_req *req)
{
	struct proc *p = container_of(c, struct proc, courier);

	for (size_t i = 0; i < p->sent_n; i++) {
		if (p->sent[i] == req)
			p->sent[i--] = p->sent[--p->sent_n];
	}
}

static int64_t clock_ms(void *arg)
{
	return ((struct world *)arg)->now_ms;
}

static void secret(void *arg, void *ret_bytes, size_t n)
{
	memset(ret_bytes, 7, n);
}

static void set_flag(void *arg)
{
	*(bool *)arg = true;
}

static void turn(struct proc *p)
{
	engine_turn(p->e, p->w->now_ms, p->w->now_ms);
	store_poll(p->store);
	p->w->now_ms++;
}

static void deliver_all(struct proc *p)
{
	while (p->sent_n > 0) {
		struct courier_req *req = p->sent[--p->sent_n];

		req->outcome = (struct outcome){ .status = 200, .duration_ms = 1 };
		req->done(req);
	}
}

static void account_made(struct account_op *op)
{
	check(op->problem.status == 0);
	*(bool *)op->arg = true;
}

static void proc_start(struct proc *p, struct world *w, uint64_t seed)
{
	static const struct courier_ops ops = { courier_take, courier_drop, NULL };
	struct engine_settings set = {
		.courier = &p->courier,
		.seed = seed,
		.wall_ms = clock_ms,
		.mono_ms = clock_ms,
		.clock_arg = w,
		.secret = secret,
	};
	struct user u = { .id = STR("user"),
			  .token = STR("token"),
			  .key_current = STR("sig_a"),
			  .key_next = STR("sig_b"),
			  .plan = STR("enterprise") };
	bool made = false;
	struct account_op op = { .done = account_made, .arg = &made };

	*p = (struct proc){ .w = w, .courier.ops = &ops };
	p->store = fault_wrap(sqlite_db_attach(w->db, w->now_ms), seed);
	set.store = p->store;
	p->e = engine_new(&set);
	engine_start(p->e, set_flag, &p->ready);
	while (!p->ready)
		turn(p);
	engine_account_ensure(p->e, &u, &op);
	while (!made)
		turn(p);
}

static void proc_kill(struct proc *p)
{
	sqlite_db_kill(p->w->db, fault_unwrap(p->store));
	engine_free(p->e);
}

static void proc_stop(struct proc *p)
{
	bool stopped = false;

	engine_stop(p->e, 0, set_flag, &stopped);
	for (int i = 0; i < TURNS_MAX && !stopped; i++)
		turn(p);
	T_CHECK(stopped);
	store_close(p->store);
	engine_free(p->e);
}

static void published(struct publish *p)
{
	for (size_t i = 0; i < p->n; i++)
		T_EQ_INT(p->item[i].problem.status, 0);
	*(bool *)p->arg = true;
}

static void publish(struct proc *p, size_t n, int64_t delay_ms, const char *label)
{
	struct publish_item *item = xcalloc(n, sizeof(*item));
	bool done = false;
	struct publish pub = { .account = engine_account(p->e, STR("user")),
			       .item = item,
			       .n = n,
			       .done = published,
			       .arg = &done };

	for (size_t i = 0; i < n; i++)
		item[i].msg = (struct msg){ .user = STR("user"),
					    .url = STR("http://x.io/"),
					    .method = STR("POST"),
					    .labels = str_c(label),
					    .created_ms = p->w->now_ms,
					    .not_before_ms = p->w->now_ms + delay_ms,
					    .timeout_ms = 1000 };
	if (n > 0)
		engine_publish(p->e, &pub);
	while (n > 0 && !done)
		turn(p);
	free(item);
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
		turn(p);
	T_CHECK(a->done);
}

static void until_finished(struct proc *p)
{
	for (int i = 0; i < TURNS_MAX && !is_finished(p->w); i++)
		turn(p);
	T_CHECK(is_finished(p->w));
}

static void until_processed(struct proc *p, int64_t n)
{
	struct bulk b = { 0 };

	for (int i = 0; i < TURNS_MAX && b.processed < n; i++) {
		turn(p);
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
	publish(&p, row->messages, HOUR_MS, "");
	ask(&p, &a, INT64_MAX, row->max);
	until_answered(&p, &a);
	T_EQ_INT(a.op.problem.status, 0);
	T_EQ_INT(a.op.cancelled, row->cancelled);
	T_EQ_INT(messages_left(&w), (int64_t)row->messages - row->cancelled);
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
		publish(&p, 50, HOUR_MS, "a,x");
		publish(&p, 170, HOUR_MS, "b");
	}
	ask_for(&p, &a, "x", 0, 0);
	until_answered(&p, &a);
	/* The caller's memory is its own again. */
	memcpy(a.label, "b", 2);
	until_finished(&p);
	check_action(&w, 20 * 50, 20 * 50);
	T_EQ_INT(messages_left(&w), 20 * 170);
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
	publish(&p, 1000, HOUR_MS, "");
	ask(&p, &a, 0, 0);
	until_answered(&p, &a);
	T_EQ_INT(a.op.problem.status, 0);
	T_CHECK(action(&w, &b));
	T_EQ_INT(b.processed, 0);
	T_EQ_INT(strlen(a.id), BULK_ID_LEN);
	publish(&p, 40, HOUR_MS, "");
	until_finished(&p);
	check_action(&w, 1000, 1000);
	T_EQ_INT(messages_left(&w), 40);
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
	publish(&p, 1000, HOUR_MS, "");
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
	T_EQ_INT(messages_left(&w), 0);
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
	publish(&p, 3, HOUR_MS, "");
	ask(&p, &a, 0, 0);
	until_finished(&p);
	w.now_ms += 7 * 24 * HOUR_MS - 5000;
	for (int i = 0; i < 10; i++)
		turn(&p);
	T_CHECK(action(&w, &b));
	w.now_ms += 5000;
	for (int i = 0; i < TURNS_MAX && action(&w, &b); i++)
		turn(&p);
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
		publish(&p, 1000, HOUR_MS, "");
		ask(&p, &a, 0, 900);
		until_processed(&p, at);
		proc_kill(&p);
		proc_start(&p, &w, 2);
		until_finished(&p);
		check_action(&w, 900, 900);
		T_EQ_INT(messages_left(&w), 100);
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
		publish(&p, 700, HOUR_MS, "");
		ask(&p, &a, 0, seed % 2 ? 650 : 0);
		until_answered(&p, &a);
		fault_set(p.store, (struct fault_chances){ 100000, 100000, 100000 });
		until_finished(&p);
		fault_set(p.store, (struct fault_chances){ 0 });
		check_action(&w, seed % 2 ? 650 : 700, seed % 2 ? 650 : 700);
		T_EQ_INT(messages_left(&w), seed % 2 ? 50 : 0);
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
		publish(&p, 250, HOUR_MS, "");
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
	publish(&p, 2000, HOUR_MS, "");
	proc_start(&q, &w, 2);
	ask(&p, &a, INT64_MAX, 0);
	until_processed(&p, 300);
	/* The first stands still; the second takes over; then both are at it. */
	w.now_ms += 6000;
	until_processed(&q, 600);
	for (int i = 0; i < TURNS_MAX && !is_finished(&w); i++) {
		turn(&p);
		turn(&q);
	}
	check_action(&w, 2000, 2000);
	until_answered(&p, &a);
	T_EQ_INT(a.op.cancelled, 2000);
	T_EQ_INT(messages_left(&w), 0);
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
		publish(&p, 300, HOUR_MS, "");
		publish(&p, 500, 1000, "");
		publish(&p, 300, HOUR_MS, "");
		w.now_ms += 1000;
		ask(&p, &a, 0, 0);
		for (int i = 0; i < TURNS_MAX && !is_finished(&w); i++) {
			turn(&p);
			if (i % seed == 0)
				deliver_all(&p);
		}
		for (int i = 0; i < 20; i++) {
			deliver_all(&p);
			turn(&p);
		}
		T_CHECK(action(&w, &b));
		T_EQ_INT(messages_left(&w), 0);
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
	publish(&p, 1000, HOUR_MS, "");
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
	step_init(&s, &m, 1, looked, NULL);
	store_submit(w.eye, &s.req);
	store_flush(w.eye, w.now_ms);
	store_poll(w.eye);
	for (int i = 0; i < TURNS_MAX && rows > 0; i++) {
		turn(&p);
		scan_init(&scan, SCAN_DOCS, looked, NULL);
		scan.doc = DOC_BULK;
		scan.max = 1;
		look(&w, &scan);
		rows = scan.rows;
		arena_done(&scan.arena);
	}
	T_EQ_INT(rows, 0);
	proc_stop(&p);
	world_end(&w);
}
