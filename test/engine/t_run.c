/* What a workflow run costs in the store. */
#include "kit.h"

#include <string.h>

#include "base/check.h"

enum { STEPS = 1000, RESULT_BYTES = 1024, PAGE = 500 };

#define URL STR("http://x.test/flow")

static void published(struct run_publish *op)
{
	check(op->problem.status == 0);
	*(bool *)op->arg = true;
}

/* The start of run "r", or a step of it. */
static void publish(struct proc *p, enum runask_kind kind, struct str body)
{
	bool made = false;
	struct run_item item = {
		.ask = { .kind = kind, .run = STR("r") },
		.msg = {
			.user = STR("user"),
			.url = URL,
			.method = STR("POST"),
			.body = body,
			.created_ms = p->w->now_ms,
			.not_before_ms = p->w->now_ms,
			.timeout_ms = 10000,
			.retries_max = 3,
			.failure_callback = STR("http://x.test/failed"),
		},
	};
	struct run_publish op = {
		.account = engine_account(p->e, STR("user")),
		.item = &item,
		.n = 1,
		.done = published,
		.arg = &made,
	};

	engine_run_publish(p->e, &op);
	for (int turns = 0; !made; turns++) {
		T_CHECK(turns < TURNS_MAX);
		proc_turn(p);
	}
}

static void until_sent(struct proc *p)
{
	for (int turns = 0; p->sent_n == 0; turns++) {
		T_CHECK(turns < TURNS_MAX);
		proc_turn(p);
	}
}

/* Publishes it, and waits until it is delivered. Returns the bytes of that delivery. */
static size_t append(struct proc *p, enum runask_kind kind, struct str body)
{
	size_t bytes;

	publish(p, kind, body);
	until_sent(p);
	bytes = p->sent[0]->body.n;
	proc_deliver_all(p);
	return bytes;
}

static size_t run_bytes(struct world *w)
{
	struct msg_id after = { 0 };
	size_t bytes = 0;
	struct scan s;
	bool more;

	do {
		scan_init(&s, SCAN_RUN, world_looked, NULL);
		s.run.name = STR("r");
		s.id = after;
		s.run_until = UINT64_MAX;
		s.max = PAGE;
		world_look(w, &s);
		for (size_t i = 0; i < s.rows; i++) {
			bytes += s.row[i].record.n;
			after = s.row[i].id;
		}
		more = s.more;
		arena_done(&s.arena);
	} while (more);
	return bytes;
}

static size_t message_bytes(struct world *w)
{
	size_t bytes = 0;
	struct scan s;

	scan_init(&s, SCAN_MESSAGES, world_looked, NULL);
	s.max = PAGE;
	world_look(w, &s);
	T_CHECK(!s.more);
	for (size_t i = 0; i < s.rows; i++)
		bytes += s.row[i].record.n;
	arena_done(&s.arena);
	return bytes;
}

/* Of the log's events that nobody has taken out. */
static size_t outbox_bytes(struct world *w)
{
	size_t bytes = 0;
	struct tail t;
	uint64_t at = 0;
	bool more;

	do {
		tail_init(&t, at, 1024 * 1024, world_looked, NULL);
		arena_init(&t.arena);
		store_submit(w->eye, &t.req);
		store_flush(w->eye, w->now_ms);
		store_poll(w->eye);
		bytes += t.events.n;
		at = t.last;
		more = t.more;
		arena_done(&t.arena);
	} while (more);
	return bytes;
}

static size_t stored_bytes(struct world *w)
{
	return run_bytes(w) + message_bytes(w) + outbox_bytes(w);
}

TEST(a_thousand_steps_cost_linear_storage)
{
	char result[RESULT_BYTES];
	size_t delivered = 0, half = 0, whole;
	struct world w;
	struct proc p;

	world_start(&w);
	proc_start(&p, &w, 1);
	memset(result, 'x', sizeof(result));
	append(&p, RUNASK_START, STR("payload"));
	for (int i = 1; i <= STEPS; i++) {
		/* Equal ones would be one. */
		memcpy(result, &i, sizeof(i));
		delivered = append(&p, RUNASK_STEP, str_n(result, sizeof(result)));
		if (i == STEPS / 2)
			half = stored_bytes(&w);
	}
	whole = stored_bytes(&w);
	/* Each delivery carries the history ... */
	T_CHECK(delivered > (size_t)STEPS * RESULT_BYTES);
	/* ... which is stored but once, and told the log but once. */
	T_CHECK(whole < 2 * half + half / 20);
	T_CHECK(whole < (size_t)STEPS * 4 * RESULT_BYTES);
	T_CHECK(run_bytes(&w) < (size_t)(STEPS + 1) * RESULT_BYTES);
	proc_stop(&p);
	world_end(&w);
}

TEST(a_history_too_long_to_be_sent_fails_the_run)
{
	char result[4096];
	struct world w;
	struct proc p;

	world_start(&w);
	w.run_body_max = sizeof(result);
	proc_start(&p, &w, 1);
	memset(result, 'x', sizeof(result));
	append(&p, RUNASK_START, STR("payload"));
	publish(&p, RUNASK_STEP, str_n(result, sizeof(result)));
	/* The workflow is not asked; what is sent is the failure callback. */
	until_sent(&p);
	T_EQ_INT(p.sent_n, 1);
	T_EQ_STR(p.sent[0]->url, "http://x.test/failed");
	T_CHECK(str_has(p.sent[0]->body, STR("{\"status\":429,")));
	T_CHECK(str_has(p.sent[0]->body, STR("\"retried\":0,\"maxRetries\":0,")));
	proc_deliver_all(&p);
	proc_stop(&p);
	world_end(&w);
}
