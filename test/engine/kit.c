#include "kit.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* ---- the world ---------------------------------------------------------------------------------------- */

void world_start(struct world *w)
{
	struct sqlite_settings set = { .path = ":memory:" };
	char error[200];

	w->now_ms = 1760000000000;
	w->run_body_max = 0;
	w->db = sqlite_db_open(&set, w->now_ms, error);
	check(w->db != NULL);
	w->eye = sqlite_db_attach(w->db, w->now_ms);
	check(w->eye != NULL);
}

void world_end(struct world *w)
{
	store_close(w->eye);
	sqlite_db_close(w->db);
}

void world_looked(struct store_req *req)
{
	check(req->result == STORE_APPLIED);
}

void world_look(struct world *w, struct scan *s)
{
	arena_init(&s->arena);
	s->user = STR("user");
	s->bytes_max = SIZE_MAX;
	store_submit(w->eye, &s->req);
	store_flush(w->eye, w->now_ms);
	store_poll(w->eye);
}

/* Messages that nobody has cancelled. */
size_t world_messages_left(struct world *w)
{
	struct scan s = { 0 };
	size_t n = 0;

	do {
		struct msg_id after = s.at_id;

		scan_init(&s, SCAN_MESSAGES, world_looked, NULL);
		s.id = after;
		s.max = 1000;
		world_look(w, &s);
		for (size_t i = 0; i < s.rows; i++)
			n += !s.row[i].cancelled;
		arena_done(&s.arena);
	} while (s.more);
	return n;
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

void proc_turn(struct proc *p)
{
	engine_turn(p->e, p->w->now_ms, p->w->now_ms);
	store_poll(p->store);
	p->w->now_ms++;
}

void proc_deliver_all(struct proc *p)
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

void proc_start(struct proc *p, struct world *w, uint64_t seed)
{
	static const struct courier_ops ops = { courier_take, courier_drop, NULL };
	struct engine_settings set = {
		.courier = &p->courier,
		.seed = seed,
		.wall_ms = clock_ms,
		.mono_ms = clock_ms,
		.clock_arg = w,
		.secret = secret,
		.run_body_max = w->run_body_max,
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
		proc_turn(p);
	engine_account_ensure(p->e, &u, &op);
	while (!made)
		proc_turn(p);
}

void proc_kill(struct proc *p)
{
	sqlite_db_kill(p->w->db, fault_unwrap(p->store));
	engine_free(p->e);
}

void proc_stop(struct proc *p)
{
	bool stopped = false;

	engine_stop(p->e, 0, set_flag, &stopped);
	for (int i = 0; i < TURNS_MAX && !stopped; i++)
		proc_turn(p);
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

void proc_publish(struct proc *p, size_t n, int64_t delay_ms, const char *label)
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
		proc_turn(p);
	free(item);
}
