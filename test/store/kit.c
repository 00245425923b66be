#include "kit.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"

enum { RECORD_LEAST = 30, ANSWER_S = 20, BYTES = 64 << 20, DAY_MS = 24 * 60 * 60 * 1000 };

/* ---- life ------------------------------------------------------------------------------------ */

void kit_init(struct kit *k, const struct kit_backend *backend)
{
	*k = (struct kit){ .backend = backend, .now_ms = 1700000000000, .lease_ms = 15000 };
	k->last_seq = (uint64_t)k->now_ms << 20;
	rng_init(&k->rng, 1);
	arena_init(&k->arena);
	T_CHECK(sem_init(&k->bell, 0, 0) == 0);
	backend->open(k);
}

void kit_done(struct kit *k)
{
	struct kit_arena *a;

	if (k->s != NULL)
		k->backend->close(k);
	while ((a = k->arenas) != NULL) {
		k->arenas = a->next;
		arena_done(&a->a);
		free(a);
	}
	arena_done(&k->arena);
	sem_destroy(&k->bell);
}

void kit_run(const struct kit_backend *backend, void (*body)(struct kit *k))
{
	struct kit k;

	kit_init(&k, backend);
	body(&k);
	kit_done(&k);
}

void kit_pass(struct kit *k, int64_t ms)
{
	k->now_ms += ms;
	store_flush(k->s, k->now_ms);
}

void kit_crash(struct kit *k)
{
	k->backend->kill(k);
	k->backend->open(k);
	k->backend->verify(k);
}

void kit_restart(struct kit *k)
{
	k->backend->close(k);
	k->backend->open(k);
	k->backend->verify(k);
}

struct arena *kit_arena(struct kit *k)
{
	struct kit_arena *a = xmalloc(sizeof(*a));

	arena_init(&a->a);
	a->next = k->arenas;
	k->arenas = a;
	return &a->a;
}

void kit_ignore(struct store_req *req)
{
	T_CHECK(req->result != STORE_PENDING);
}

static void on_done(struct store_req *r)
{
	bool *done = r->arg;

	*done = true;
}

void kit_ring(void *kit)
{
	struct kit *k = kit;

	sem_post(&k->bell);
}

static void await(struct kit *k, struct store *s, const bool *done)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += ANSWER_S;
	for (store_poll(s); !*done; store_poll(s)) {
		if (sem_timedwait(&k->bell, &end) != 0)
			T_FAIL("no answer after %d s", ANSWER_S);
	}
}

enum store_result kit_do_on(struct kit *k, struct store *s, struct store_req *req)
{
	bool done = false;

	req->done = on_done;
	req->arg = &done;
	store_submit(s, req);
	store_flush(s, k->now_ms);
	await(k, s, &done);
	if (!k->unchecked)
		k->backend->verify(k);
	return req->result;
}

enum store_result kit_do(struct kit *k, struct store_req *req)
{
	return kit_do_on(k, k->s, req);
}

/* ---- messages -------------------------------------------------------------------------------- */

static struct str text(const char *s, const char *otherwise)
{
	return str_c(s ? s : otherwise);
}

static struct str one_event(struct kit *k, struct event e)
{
	struct str packed;
	struct buf b;

	e.time_ms = k->now_ms;
	buf_init(&b, BYTES);
	event_encode(&b, &e);
	T_CHECK(!b.overflow);
	packed = arena_str(&k->arena, buf_str(&b));
	buf_done(&b);
	return packed;
}

static struct str make_record(struct kit *k, struct msg_id id, size_t bytes)
{
	struct str head = arena_fmt(&k->arena, "record of %llu ", (unsigned long long)id.seq);
	char *p;

	if (bytes < head.n)
		bytes = head.n > RECORD_LEAST ? head.n : RECORD_LEAST;
	p = arena_alloc(&k->arena, bytes);
	memset(p, '.', bytes);
	memcpy(p, head.p, head.n);
	return str_n(p, bytes);
}

struct move kit_put_move(struct kit *k, const struct kit_put *p, struct kit_msg *ret_msg)
{
	struct msg *m = arena_new(&k->arena, struct msg);
	struct move move = { .kind = MOVE_PUT };

	m->id = p->id;
	if (m->id.seq == 0)
		m->id = (struct msg_id){ ++k->last_seq, rng_u64(&k->rng) };
	m->user = text(p->user, "u");
	m->queue = text(p->queue, NULL);
	m->flow_key = text(p->flow, NULL);
	m->flow_parallelism = p->flow_parallelism;
	m->flow_rate = p->flow_rate;
	m->flow_period_s = p->flow_period_s ? p->flow_period_s : 1;
	m->root_seq = p->root;
	*ret_msg = (struct kit_msg){ .id = m->id, .user = m->user };
	ret_msg->record = make_record(k, m->id, p->record_bytes);
	move.put.msg = m;
	move.put.record = ret_msg->record;
	move.put.due_ms = k->now_ms + p->delay_ms;
	move.put.want_lease = p->want_lease;
	move.put.dedup_key = text(p->dedup, NULL);
	move.put.dedup_until_ms = k->now_ms + (p->dedup_ms ? p->dedup_ms : 600000);
	move.put.user_parallelism = p->user_parallelism;
	move.put.queues_max = p->queues_max;
	move.put.day_messages_max = p->day_messages_max;
	move.put.run = (struct run_ref){ text(p->run, NULL), p->run_created_ms };
	move.put.run_if_open = p->run_if_open;
	move.put.run_entry = p->entry ? RUN_ENTRY_STEP : RUN_ENTRY_NONE;
	move.put.run_body = text(p->entry, NULL);
	move.put.run_key = text(p->run_key, NULL);
	move.put.run_entries_max = p->run_entries_max;
	move.put.run_bytes_max = p->run_bytes_max;
	move.events = one_event(k, (struct event){ .state = EVENT_CREATED,
						   .user = m->user,
						   .id = m->id,
						   .record = ret_msg->record });
	return move;
}

struct kit_msg kit_put(struct kit *k, const struct kit_put *p)
{
	struct kit_msg m;
	struct move move = kit_put_move(k, p, &m);
	struct step step;

	step_init(&step, &move, 1, on_done, NULL);
	m.result = kit_do_on(k, p->on ? p->on : k->s, &step.req);
	m.refusal = step.refusal;
	m.leased = move.put.leased;
	m.lease = move.put.lease;
	m.existing = move.put.existing;
	m.skipped = move.put.skipped;
	m.used_messages = move.put.used_messages;
	m.used_bytes = move.put.used_bytes;
	return m;
}

struct move kit_settle_move(struct kit *k, const struct kit_msg *m, const struct kit_settle *how)
{
	static const enum event_state state[] = {
		[SETTLE_DELIVERED] = EVENT_DELIVERED,
		[SETTLE_RETRY] = EVENT_RETRY,
		[SETTLE_DEAD] = EVENT_FAILED,
	};
	struct move move = { .kind = MOVE_SETTLE };

	move.settle.user = m->user;
	move.settle.id = m->id;
	move.settle.lease = m->lease;
	move.settle.to = how->to;
	move.settle.due_ms = k->now_ms + how->delay_ms;
	move.settle.dlq = (struct dlq_id){ k->now_ms, m->id.seq };
	move.settle.response = STR("response");
	move.settle.dlq_until_ms = how->dlq_kept_ms ? k->now_ms + how->dlq_kept_ms : 0;
	move.settle.bytes = how->bytes;
	if (how->to != SETTLE_HANDBACK)
		move.events = one_event(
			k, (struct event){ .state = state[how->to], .user = m->user, .id = m->id });
	return move;
}

struct kit_settled kit_settle(struct kit *k, const struct kit_msg *m, const struct kit_settle *how)
{
	struct move move = kit_settle_move(k, m, how);
	struct kit_settled s;
	struct step step;

	step_init(&step, &move, 1, on_done, NULL);
	s.result = kit_do_on(k, how->on ? how->on : k->s, &step.req);
	s.refusal = step.refusal;
	s.was_cancelled = move.settle.was_cancelled;
	return s;
}

struct kit_cancelled kit_cancel(struct kit *k, const struct kit_msg *m)
{
	struct move move = { .kind = MOVE_CANCEL };
	struct kit_cancelled c;
	struct step step;

	move.cancel.user = m->user;
	move.cancel.id = m->id;
	step_init(&step, &move, 1, on_done, NULL);
	c.result = kit_do(k, &step.req);
	c.refusal = step.refusal;
	c.was_leased = move.cancel.was_leased;
	return c;
}

enum store_result kit_step(struct kit *k, struct step *step, struct move *moves, size_t n)
{
	step_init(step, moves, n, on_done, NULL);
	return kit_do(k, &step->req);
}

/* ---- claims ---------------------------------------------------------------------------------- */

struct claim *kit_claim_on(struct kit *k, struct store *s, size_t max)
{
	struct claim *c = arena_new(&k->arena, struct claim);
	struct arena *a = kit_arena(k);

	claim_init(c, max, BYTES, on_done, NULL);
	c->docs_max = 10;
	arena_init(&c->arena);
	T_EQ_STR(store_result_name(kit_do_on(k, s, &c->req)), "applied");
	/* The kit ends what it gave. */
	*a = c->arena;
	return c;
}

struct claim *kit_claim(struct kit *k, size_t max)
{
	return kit_claim_on(k, k->s, max);
}

struct kit_msg kit_leased(struct kit *k, const struct claim *c, size_t index)
{
	T_CHECK(index < c->n && k->s != NULL);
	return (struct kit_msg){
		.id = c->leased[index].id,
		.user = STR("u"),
		.record = c->leased[index].record,
		.leased = true,
		.lease = c->leased[index].lease,
	};
}

static const struct kit_msg *which(const struct kit_msg *of, size_t n, struct msg_id id)
{
	for (size_t i = 0; i < n; i++) {
		if (of[i].id.seq == id.seq && of[i].id.nonce == id.nonce)
			return &of[i];
	}
	return NULL;
}

struct str kit_order(struct kit *k, const struct claim *c, const struct kit_msg *of, size_t n)
{
	struct str order = STR("");

	for (size_t i = 0; i < c->n; i++) {
		const struct kit_msg *m = which(of, n, c->leased[i].id);

		if (m != NULL)
			T_EQ_STR(c->leased[i].record, m->record);
		order = m ? arena_fmt(&k->arena, "%.*s%s%d", STR_FMT(order), i ? " " : "",
				      (int)(m - of))
			  : arena_fmt(&k->arena, "%.*s%s-", STR_FMT(order), i ? " " : "");
	}
	return order;
}

struct str kit_started(struct kit *k, const struct kit_msg *of, size_t n)
{
	struct claim *c = kit_claim(k, 1000);

	T_CHECK(!c->more);
	return kit_order(k, c, of, n);
}

size_t kit_lease_all(struct kit *k, struct kit_msg *of, size_t n)
{
	struct claim *c = kit_claim(k, 1000);

	T_CHECK(!c->more);
	for (size_t i = 0; i < c->n; i++) {
		struct kit_msg *m = (struct kit_msg *)which(of, n, c->leased[i].id);

		T_CHECK(m != NULL);
		m->leased = true;
		m->lease = c->leased[i].lease;
	}
	return c->n;
}

/* ---- looking --------------------------------------------------------------------------------- */

struct scan *kit_scan(struct kit *k, struct scan *s)
{
	struct scan *copy = arena_new(&k->arena, struct scan);
	struct arena *a = kit_arena(k);

	*copy = *s;
	copy->req = (struct store_req){ .kind = STORE_SCAN };
	if (copy->max == 0)
		copy->max = 1000;
	if (copy->bytes_max == 0)
		copy->bytes_max = BYTES;
	arena_init(&copy->arena);
	T_EQ_STR(store_result_name(kit_do(k, &copy->req)), "applied");
	*a = copy->arena;
	return copy;
}

struct scan_row *kit_find(struct kit *k, const struct kit_msg *m)
{
	struct scan *s =
		kit_scan(k, &(struct scan){ .kind = SCAN_MESSAGE, .user = m->user, .id = m->id });

	T_CHECK(s->rows <= 1);
	if (s->rows == 1)
		T_EQ_STR(s->row->record, m->record);
	return s->rows ? s->row : NULL;
}

struct str kit_usage(struct kit *k, const char *user, int64_t days_ago)
{
	int64_t day = k->now_ms / DAY_MS - days_ago;
	struct scan *s = kit_scan(
		k, &(struct scan){
			   .kind = SCAN_USAGE, .user = str_c(user), .usage_day = day, .max = 1 });
	const struct usage *u;

	if (s->rows == 0 || s->row->usage.day != day)
		return STR_NULL;
	u = &s->row->usage;
	return arena_fmt(&k->arena, "%lld %lld %lld %lld %lld %lld %lld", (long long)u->messages,
			 (long long)u->bytes, (long long)u->delivered, (long long)u->retried,
			 (long long)u->errors, (long long)u->failed, (long long)u->cancelled);
}

struct scan_row *kit_gate(struct kit *k, enum gate_kind kind, const char *name)
{
	struct scan *s = kit_scan(k, &(struct scan){ .kind = SCAN_GATES,
						     .user = STR("u"),
						     .gate = kind,
						     .name = str_c(name),
						     .exact = true });

	T_CHECK(s->rows <= 1);
	return s->rows ? s->row : NULL;
}

struct move kit_gate_move(enum gate_kind kind, const char *name, enum gate_op op)
{
	struct move m = { .kind = MOVE_GATE };

	m.gate.user = STR("u");
	m.gate.gate = kind;
	m.gate.name = str_c(name);
	m.gate.op = op;
	m.gate.parallelism = m.gate.rate = m.gate.period_ms = -1;
	m.gate.paused = -1;
	return m;
}

enum store_result kit_gate_op(struct kit *k, enum gate_kind kind, const char *name, enum gate_op op)
{
	struct move m = kit_gate_move(kind, name, op);
	struct step step;

	return kit_step(k, &step, &m, 1);
}

struct str kit_events(struct kit *k, const struct kit_msg *m)
{
	struct str all = STR(""), left;
	struct arena *a = kit_arena(k);
	struct event e;
	struct tail t;
	int rc;

	tail_init(&t, 0, BYTES, on_done, NULL);
	arena_init(&t.arena);
	T_EQ_STR(store_result_name(kit_do(k, &t.req)), "applied");
	*a = t.arena;
	T_CHECK(!t.more);
	left = t.events;
	while ((rc = event_next(&k->arena, &left, &e)) == 1) {
		if (e.id.seq != m->id.seq)
			continue;
		T_EQ_STR(e.user, m->user);
		T_CHECK(e.id.nonce == m->id.nonce);
		all = arena_fmt(&k->arena, "%.*s%s%.*s", STR_FMT(all), all.n ? " " : "",
				STR_FMT(event_state_name(e.state)));
	}
	T_EQ_INT(rc, 0);
	return all;
}
