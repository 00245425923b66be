/* Many requests under way at once, as the loop has them: for the writer thread, and for TSan. */
#include "kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { LIVES = 64, ROUNDS = 60 };

struct crowd;

struct life {
	struct crowd *crowd;
	struct step step;
	struct move move;
	struct kit_msg m;
	int left; /* messages it still has to bring through */
};

struct crowd {
	struct kit *k;
	struct life life[LIVES];
	struct claim claim;
	struct tail tail;
	bool claiming, tailing;
	uint64_t tail_at;
	int running, delivered, claimed;
	struct kit_msg waiting[LIVES * ROUNDS]; /* put, not leased */
	int waits;
};

static void life_put(struct life *l);
static void settle(struct life *l);

static void on_settled(struct store_req *r)
{
	struct life *l = r->arg;

	T_EQ_INT(r->result, STORE_APPLIED);
	l->crowd->delivered++;
	life_put(l);
}

static void settle(struct life *l)
{
	l->move =
		kit_settle_move(l->crowd->k, &l->m, &(struct kit_settle){ .to = SETTLE_DELIVERED });
	step_init(&l->step, &l->move, 1, on_settled, l);
	store_submit(l->crowd->k->s, &l->step.req);
}

static void on_put(struct store_req *r)
{
	struct life *l = r->arg;

	T_EQ_INT(r->result, STORE_APPLIED);
	if (l->move.put.leased) {
		l->m.lease = l->move.put.lease;
		settle(l);
		return;
	}
	l->crowd->waiting[l->crowd->waits++] = l->m;
	life_put(l);
}

static void life_put(struct life *l)
{
	struct crowd *c = l->crowd;
	int n = l->left--;

	if (n == 0) {
		c->running--;
		return;
	}
	l->move = kit_put_move(c->k,
			       &(struct kit_put){ .user = n % 3 ? "u" : "v",
						  .queue = n % 5 ? NULL : "q",
						  .flow = n % 7 ? NULL : "f",
						  .flow_parallelism = 3,
						  .want_lease = n % 4 != 0,
						  .user_parallelism = 40 },
			       &l->m);
	step_init(&l->step, &l->move, 1, on_put, l);
	store_submit(c->k->s, &l->step.req);
}

/* What a claim leases is settled by a step of its own. */
struct ending {
	struct crowd *crowd;
	struct step step;
	struct move move;
};

static void on_ended(struct store_req *r)
{
	struct ending *e = r->arg;

	T_EQ_INT(r->result, STORE_APPLIED);
	e->crowd->delivered++;
	e->crowd->running--;
	free(e);
}

static const struct kit_msg *find(const struct crowd *c, struct msg_id id)
{
	for (int i = 0; i < c->waits; i++) {
		if (c->waiting[i].id.seq == id.seq)
			return &c->waiting[i];
	}
	T_FAIL("a claim brought what was not put");
}

static void on_claimed(struct store_req *r)
{
	struct crowd *c = r->arg;

	T_EQ_INT(r->result, STORE_APPLIED);
	for (size_t i = 0; i < c->claim.n; i++) {
		struct ending *e = xcalloc(1, sizeof(*e));
		struct kit_msg m = *find(c, c->claim.leased[i].id);

		e->crowd = c;
		m.lease = c->claim.leased[i].lease;
		e->move = kit_settle_move(c->k, &m, &(struct kit_settle){ .to = SETTLE_DELIVERED });
		step_init(&e->step, &e->move, 1, on_ended, e);
		store_submit(c->k->s, &e->step.req);
		c->running++;
		c->claimed++;
	}
	arena_done(&c->claim.arena);
	c->claiming = false;
}

static void on_tailed(struct store_req *r)
{
	struct crowd *c = r->arg;

	T_EQ_INT(r->result, STORE_APPLIED);
	c->tail_at = c->tail.last;
	arena_done(&c->tail.arena);
	c->tailing = false;
}

static void turn(struct crowd *c)
{
	struct kit *k = c->k;

	if (!c->claiming) {
		claim_init(&c->claim, 20, 1 << 20, on_claimed, c);
		arena_init(&c->claim.arena);
		c->claiming = true;
		store_submit(k->s, &c->claim.req);
	}
	if (!c->tailing) {
		tail_init(&c->tail, c->tail_at, 1 << 20, on_tailed, c);
		c->tail.trim = c->tail_at;
		arena_init(&c->tail.arena);
		c->tailing = true;
		store_submit(k->s, &c->tail.req);
	}
	k->now_ms++;
	store_flush(k->s, k->now_ms);
	store_poll(k->s);
}

CONTRACT(many_lives_at_once_all_end)
{
	struct crowd *c = xcalloc(1, sizeof(*c));

	c->k = k;
	for (int i = 0; i < LIVES; i++) {
		c->life[i].crowd = c;
		c->life[i].left = ROUNDS;
		c->running++;
		life_put(&c->life[i]);
	}
	for (int64_t end_ms = t_now_ms() + 20000; c->delivered < LIVES * ROUNDS; turn(c)) {
		if (t_now_ms() > end_ms)
			T_FAIL("%d of %d ended, %d by claims", c->delivered, LIVES * ROUNDS,
			       c->claimed);
	}
	while (c->claiming || c->tailing || c->running > 0) {
		store_flush(k->s, k->now_ms);
		store_poll(k->s);
	}
	k->backend->verify(k);
	T_EQ_INT(c->delivered, LIVES * ROUNDS);
	T_CHECK(c->claimed > LIVES);
	T_EQ_INT(kit_gate(k, GATE_USER, "")->gate.running, 0);
	free(c);
}

/* The owner dies with requests under way, again and again. */
CONTRACT_ON(a_writer_can_be_stopped_at_any_time, kit_durable)
{
	enum { BATCH = 100 };
	static struct step step[BATCH];
	static struct move moves[BATCH];
	struct kit_msg m;

	k->unchecked = true;
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < BATCH; i++) {
			moves[i] = kit_put_move(k, &(struct kit_put){ .record_bytes = 5000 }, &m);
			step_init(&step[i], &moves[i], 1, kit_ignore, NULL);
			store_submit(k->s, &step[i].req);
			if (i % (1 + round) == 0)
				store_flush(k->s, k->now_ms);
			if (i % 7 == 0)
				store_poll(k->s);
		}
		if (round % 2)
			kit_crash(k);
		else
			kit_restart(k);
	}
}
