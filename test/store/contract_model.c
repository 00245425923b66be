/* Random verbs on a store, judged by a naive model after each (invariants I2, I3, I4, I5, I7). */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

enum { OTHERS = 2 };

struct play {
	struct kit *k;
	struct model w;
	struct rng rng;
	struct store *other[OTHERS]; /* further holders, where the backend has them */
	int64_t value;
};

static int below(struct play *p, int n)
{
	return (int)rng_below(&p->rng, (uint64_t)n);
}

static bool chance(struct play *p, int percent)
{
	return below(p, 100) < percent;
}

static struct store *some_holder(struct play *p)
{
	int at = below(p, OTHERS + 1);

	return at < OTHERS && p->other[at] != NULL ? p->other[at] : p->k->s;
}

/* A message that is not gone, leased or not; -1 when a few tries find none. */
static int some_message(struct play *p, bool leased)
{
	for (int tries = 0; tries < 20 && p->w.msgs > 0; tries++) {
		int from = p->w.msgs > 200 ? p->w.msgs - 200 : 0;
		int i = from + below(p, p->w.msgs - from);

		if (!p->w.msg[i].gone && p->w.msg[i].leased == leased)
			return i;
	}
	return -1;
}

/* ---- puts ------------------------------------------------------------------------------------ */

static void configure_flow(struct play *p, int user, const struct kit_put *put, int flow)
{
	struct model_flow *f;

	if (flow < 0)
		return;
	f = model_flow(&p->w, user, flow);
	gate_configure(&f->gate, put->flow_parallelism, put->flow_rate, put->flow_period_s * 1000);
	f->exists = true;
	f->used_ms = p->k->now_ms;
}

static struct kit_put random_put(struct play *p, struct model_msg *m)
{
	struct kit_put put = { 0 };

	m->user = below(p, MODEL_USERS);
	m->queue = chance(p, 35) ? below(p, MODEL_QUEUES) : -1;
	m->flow = chance(p, 40) ? below(p, MODEL_FLOWS) : -1;
	m->root = -1;
	put.user = model_user_name(m->user);
	put.queue = model_queue_name(m->queue);
	put.flow = model_flow_name(m->flow);
	put.flow_parallelism = chance(p, 50) ? 1 + below(p, 3) : 0;
	put.flow_rate = chance(p, 50) ? 1 + below(p, 3) : 0;
	put.flow_period_s = 1 + below(p, 3);
	put.delay_ms = chance(p, 40) ? below(p, 3000) : 0;
	put.record_bytes = chance(p, 5) ? 3000 : 0;
	put.want_lease = chance(p, 60);
	put.user_parallelism = p->w.user[m->user].gate.parallelism_max;
	if (chance(p, 3))
		put.user_parallelism = below(p, 7);
	put.on = some_holder(p);
	m->due_ms = p->k->now_ms + put.delay_ms;
	m->ord_ms = m->due_ms;
	return put;
}

static void applied_put(struct play *p, const struct kit_put *put, struct model_msg *m)
{
	m->event[m->events++] = EVENT_CREATED;
	p->w.user[m->user].gate.parallelism_max = put->user_parallelism;
	configure_flow(p, m->user, put, m->flow);
	model_put(&p->w, m);
	if (m->m.leased)
		model_start(&p->w, p->w.msgs - 1, put->on, m->m.lease, true);
	else if (put->want_lease && m->due_ms <= p->k->now_ms && m->queue < 0 && m->flow < 0) {
		/* Not leased though it wanted: somebody waits, or the user has no slot. */
		int64_t at_ms;
		bool any = !gate_may_start(&p->w.user[m->user].gate, p->k->now_ms, &at_ms);

		for (int i = 0; i < p->w.msgs - 1 && !any; i++)
			any = p->w.msg[i].user == m->user && !p->w.msg[i].gone &&
			      !p->w.msg[i].leased;
		T_CHECK(any);
	}
}

static void verb_put(struct play *p)
{
	struct model_msg m = { 0 };
	struct kit_put put = random_put(p, &m);
	int key = chance(p, 15) ? below(p, MODEL_KEYS) : -1;
	struct model_user *u = &p->w.user[m.user];
	bool taken = key >= 0 && u->key[key].until_ms > p->k->now_ms;

	put.dedup = model_key_name(key);
	put.dedup_ms = 2000;
	m.m = kit_put(p->k, &put);
	T_EQ_INT(m.m.result, taken ? STORE_REFUSED : STORE_APPLIED);
	if (taken) {
		T_EQ_INT(m.m.refusal, REFUSAL_DUPLICATE);
		T_CHECK(m.m.existing.seq == u->key[key].id.seq);
		return;
	}
	if (key >= 0) {
		u->key[key].until_ms = p->k->now_ms + 2000;
		u->key[key].id = m.m.id;
	}
	applied_put(p, &put, &m);
}

/* A step that is refused at its end leaves nothing behind. */
static void verb_refused_step(struct play *p)
{
	struct model_msg a = { 0 }, b = { 0 };
	struct kit_put put_a = random_put(p, &a), put_b = random_put(p, &b);
	struct move moves[3];
	struct step step;

	moves[0] = kit_put_move(p->k, &put_a, &a.m);
	moves[1] = kit_put_move(p->k, &put_b, &b.m);
	moves[2] = (struct move){ .kind = MOVE_CANCEL };
	moves[2].cancel.user = STR("u");
	moves[2].cancel.id = (struct msg_id){ 1, 1 };
	T_EQ_INT(kit_step(p->k, &step, moves, 3), STORE_REFUSED);
	T_EQ_INT(step.refused_move, 2);
	T_CHECK(!moves[0].put.leased && !moves[1].put.leased);
}

/* ---- claims and ends ------------------------------------------------------------------------- */

static void verb_claim(struct play *p)
{
	struct store *s = some_holder(p);
	size_t max = chance(p, 50) ? 1000 : (size_t)below(p, 4);
	struct claim *c = kit_claim_on(p->k, s, max);

	T_CHECK(c->n <= max);
	/* It may have given slots to those that it started, and to others that are not due. */
	for (size_t i = 0; i < c->n; i++) {
		int at = model_find(&p->w, c->leased[i].id);

		T_EQ_STR(c->leased[i].record, p->w.msg[at].m.record);
		T_EQ_INT(c->leased[i].retried, p->w.msg[at].retried);
		if (p->w.msg[at].queue >= 0 && !p->w.msg[at].slot)
			model_learn_slots(&p->w);
		model_start(&p->w, at, s, c->leased[i].lease, false);
	}
	model_learn_slots(&p->w);
	if (!c->more && c->n < max)
		model_nothing_can_start(&p->w, c->next_ms);
}

static void callback_put(struct play *p, int of, struct model_msg *m, struct kit_put *put)
{
	const struct model_msg *source = &p->w.msg[of];

	*put = random_put(p, m);
	m->user = source->user;
	m->flow = -1;
	m->queue = source->queue;
	m->root = source->root >= 0 ? source->root : of;
	m->slot = source->queue >= 0;
	put->user = model_user_name(m->user);
	put->queue = model_queue_name(m->queue);
	put->flow = NULL;
	put->root = p->w.msg[m->root].m.id.seq;
	put->user_parallelism = p->w.user[m->user].gate.parallelism_max;
}

static void verb_settle(struct play *p)
{
	static const enum settle_to to_list[] = { SETTLE_DELIVERED, SETTLE_DELIVERED,
						  SETTLE_DELIVERED, SETTLE_RETRY,
						  SETTLE_DEAD,      SETTLE_HANDBACK };
	int i = some_message(p, true);
	struct model_msg callback = { 0 };
	bool with, over, first;
	struct kit_settle how;
	struct kit_put put = { 0 };
	struct move moves[2];
	struct step step;
	size_t at;

	if (i < 0)
		return;
	how = (struct kit_settle){ .to = to_list[below(p, countof(to_list))],
				   .delay_ms = below(p, 1500) };
	if (p->w.msg[i].events > MODEL_EVENTS_MAX - 8)
		how.to = SETTLE_DELIVERED;
	with = how.to != SETTLE_HANDBACK && p->w.msg[i].root < 0 && chance(p, 30);
	first = chance(p, 50);
	at = with && !first ? 1 : 0;
	moves[at] = kit_settle_move(p->k, &p->w.msg[i].m, &how);
	if (with) {
		callback_put(p, i, &callback, &put);
		moves[1 - at] = kit_put_move(p->k, &put, &callback.m);
	}
	step_init(&step, moves, with ? 2 : 1, kit_ignore, NULL);
	T_EQ_INT(kit_do_on(p->k, put.on ? put.on : p->k->s, &step.req), STORE_APPLIED);
	T_EQ_INT(moves[at].settle.was_cancelled, p->w.msg[i].cancelled);
	over = p->w.msg[i].cancelled && how.to != SETTLE_DELIVERED;
	model_settled(&p->w, i, how.to, p->k->now_ms + how.delay_ms);
	if (!with || over)
		return;
	callback.m.leased = moves[1 - at].put.leased;
	callback.m.lease = moves[1 - at].put.lease;
	callback.event[callback.events++] = EVENT_CREATED;
	model_put(&p->w, &callback);
	if (callback.m.leased)
		model_start(&p->w, p->w.msgs - 1, put.on, callback.m.lease, false);
}

static void verb_late_settle(struct play *p)
{
	int i = some_message(p, chance(p, 50));
	struct kit_settled s;
	struct kit_msg m;

	if (i < 0)
		return;
	m = p->w.msg[i].m;
	m.lease ^= 1;
	s = SETTLE(p->k, &m, SETTLE_DELIVERED);
	T_EQ_INT(s.result, STORE_REFUSED);
	T_EQ_INT(s.refusal, REFUSAL_LEASE);
}

static void verb_cancel(struct play *p)
{
	int i = some_message(p, chance(p, 30));
	struct kit_cancelled c;

	if (i < 0)
		return;
	c = kit_cancel(p->k, &p->w.msg[i].m);
	T_EQ_INT(c.result, p->w.msg[i].cancelled ? STORE_REFUSED : STORE_APPLIED);
	if (c.result == STORE_REFUSED)
		return;
	T_EQ_INT(c.was_leased, p->w.msg[i].leased);
	model_cancelled(&p->w, i);
}

static void verb_dlq_remove(struct play *p)
{
	for (int i = 0; i < p->w.msgs; i++) {
		struct move m = { .kind = MOVE_DLQ_REMOVE };
		struct step step;

		if (!p->w.msg[i].dead)
			continue;
		m.dlq_remove.user = str_c(model_user_name(p->w.msg[i].user));
		m.dlq_remove.id = p->w.msg[i].dlq;
		T_EQ_INT(kit_step(p->k, &step, &m, 1), STORE_APPLIED);
		p->w.msg[i].dead = false;
		return;
	}
}

/* ---- gates and documents --------------------------------------------------------------------- */

static void verb_queue(struct play *p)
{
	int user = below(p, MODEL_USERS), queue = below(p, MODEL_QUEUES);
	struct model_queue *q = &p->w.user[user].queue[queue];
	struct move m = kit_gate_move(GATE_QUEUE, model_queue_name(queue), GATE_SET);
	enum store_result expected = STORE_APPLIED;
	struct step step;

	m.gate.user = str_c(model_user_name(user));
	switch (below(p, 5)) {
	case 0:
		m.gate.parallelism = 1 + below(p, 3);
		break;
	case 1:
		m.gate.parallelism = 1 + below(p, 2);
		m.gate.paused = below(p, 2);
		break;
	case 2:
		m.gate.op = GATE_PAUSE;
		break;
	default:
		m.gate.op = GATE_RESUME;
		break;
	}
	if (m.gate.op != GATE_SET && !q->exists)
		expected = STORE_REFUSED;
	T_EQ_INT(kit_step(p->k, &step, &m, 1), expected);
	if (expected == STORE_REFUSED)
		return;
	q = model_queue(&p->w, user, queue);
	if (m.gate.op != GATE_SET)
		q->paused = m.gate.op == GATE_PAUSE;
	if (m.gate.parallelism >= 0)
		q->parallelism = m.gate.parallelism;
	if (m.gate.paused >= 0)
		q->paused = m.gate.paused;
}

static void flow_change(struct play *p, const struct move *m, int user, int flow)
{
	struct gate *g = &p->w.user[user].flow[flow].gate;

	switch (m->gate.op) {
	case GATE_PIN:
		gate_pin(g, m->gate.parallelism, m->gate.rate, m->gate.period_ms, p->k->now_ms);
		break;
	case GATE_UNPIN:
		gate_unpin(g, m->gate.unpin_parallelism, m->gate.unpin_rate);
		break;
	case GATE_RESET:
		model_flow_reset(&p->w, user, flow);
		break;
	case GATE_RESET_RATE:
		gate_reset_rate(g, p->k->now_ms);
		break;
	default:
		g->paused = m->gate.op == GATE_PAUSE;
		break;
	}
}

static void verb_flow(struct play *p)
{
	static const enum gate_op ops[] = { GATE_PIN,    GATE_UNPIN,  GATE_UNPIN,      GATE_PAUSE,
					    GATE_RESUME, GATE_RESUME, GATE_RESET_RATE, GATE_RESET };
	int user = below(p, MODEL_USERS), flow = below(p, MODEL_FLOWS);
	struct model_flow *f = model_flow(&p->w, user, flow);
	struct move m =
		kit_gate_move(GATE_FLOW, model_flow_name(flow), ops[below(p, countof(ops))]);
	bool there = model_flow_is_visible(&p->w, f);
	struct step step;

	m.gate.user = str_c(model_user_name(user));
	m.gate.create = chance(p, 20);
	m.gate.parallelism = chance(p, 50) ? below(p, 4) : -1;
	m.gate.rate = chance(p, 50) ? below(p, 4) : -1;
	m.gate.period_ms = 500 + below(p, 1000);
	m.gate.unpin_parallelism = chance(p, 70);
	m.gate.unpin_rate = chance(p, 70);
	there = there || m.gate.create || m.gate.op == GATE_PIN;
	T_EQ_INT(kit_step(p->k, &step, &m, 1), there ? STORE_APPLIED : STORE_REFUSED);
	if (!there)
		return;
	model_flow_use(&p->w, user, flow);
	flow_change(p, &m, user, flow);
}

static void verb_doc(struct play *p)
{
	int user = below(p, MODEL_USERS), doc = below(p, MODEL_DOCS);
	int64_t present = p->w.user[user].doc[doc].version;
	bool put = chance(p, 70), right = chance(p, 80);
	int64_t version = right ? (chance(p, 50) ? present : -1) : present + 1;
	struct move m = { .kind = put ? MOVE_DOC_PUT : MOVE_DOC_REMOVE };
	bool applied = right && (put || present > 0);
	struct step step;

	if (put) {
		m.doc_put.doc = DOC_TOPIC;
		m.doc_put.user = str_c(model_user_name(user));
		m.doc_put.name = str_c(model_doc_name(doc));
		m.doc_put.value = arena_fmt(&p->k->arena, "%lld", (long long)++p->value);
		m.doc_put.version = version;
	} else {
		m.doc_remove.doc = DOC_TOPIC;
		m.doc_remove.user = str_c(model_user_name(user));
		m.doc_remove.name = str_c(model_doc_name(doc));
		m.doc_remove.version = version;
	}
	T_EQ_INT(kit_step(p->k, &step, &m, 1), applied ? STORE_APPLIED : STORE_REFUSED);
	if (!applied)
		return;
	p->w.user[user].doc[doc].version = put ? m.doc_put.new_version : 0;
	p->w.user[user].doc[doc].value = p->value;
}

/* ---- time and death -------------------------------------------------------------------------- */

static void verb_pass(struct play *p)
{
	int64_t ms = chance(p, 5) ? 70000 : chance(p, 50) ? below(p, 10) : below(p, 1500);

	p->k->now_ms += ms;
	store_flush(p->k->s, p->k->now_ms);
	for (int i = 0; i < OTHERS; i++) {
		if (p->other[i] != NULL)
			store_flush(p->other[i], p->k->now_ms);
	}
}

static void all_returned(struct play *p, const struct store *holder)
{
	for (int i = 0; i < p->w.msgs; i++) {
		if (p->w.msg[i].leased && (holder == NULL || p->w.msg[i].holder == holder))
			model_returned(&p->w, i);
	}
}

/* Another holder comes, leaves in order, or dies and is found dead. */
static void verb_holder(struct play *p)
{
	struct store **at = &p->other[below(p, OTHERS)];
	struct store *s = *at;

	if (p->k->backend->another == NULL)
		return;
	*at = NULL;
	if (s == NULL) {
		*at = p->k->backend->another(p->k);
		return;
	}
	if (chance(p, 50)) {
		store_close(s);
	} else {
		p->k->backend->kill_another(p->k, s);
		/* Whoever claims when its time is over gives its leases back. */
		for (int i = 0; i < 3; i++) {
			p->k->now_ms += p->k->lease_ms / 2;
			store_flush(p->k->s, p->k->now_ms);
			for (int j = 0; j < OTHERS; j++) {
				if (p->other[j] != NULL)
					store_flush(p->other[j], p->k->now_ms);
			}
		}
		T_EQ_INT(kit_claim(p->k, 0)->n, 0);
	}
	all_returned(p, s);
}

static void verb_crash(struct play *p)
{
	if (p->k->backend->another != NULL)
		return;
	if (chance(p, 50))
		kit_crash(p->k);
	else
		kit_restart(p->k);
	all_returned(p, NULL);
}

/* ---- the play -------------------------------------------------------------------------------- */

static const struct {
	int weight;
	void (*play)(struct play *p);
} verbs[] = {
	{ 30, verb_put },       { 22, verb_claim },      { 26, verb_settle },
	{ 4, verb_cancel },     { 2, verb_late_settle }, { 3, verb_queue },
	{ 4, verb_flow },       { 3, verb_doc },         { 10, verb_pass },
	{ 1, verb_dlq_remove }, { 1, verb_holder },      { 1, verb_refused_step },
	{ 1, verb_crash },
};

static void play_one(struct play *p)
{
	int sum = 0, dice;

	for (size_t i = 0; i < countof(verbs); i++)
		sum += verbs[i].weight;
	dice = below(p, sum);
	for (size_t i = 0; i < countof(verbs); i++) {
		dice -= verbs[i].weight;
		if (dice < 0) {
			verbs[i].play(p);
			return;
		}
	}
}

/* The kit keeps all results until its end; here that would be too much. */
static void forget_results(struct kit *k)
{
	struct kit_arena *a;

	while ((a = k->arenas) != NULL) {
		k->arenas = a->next;
		arena_done(&a->a);
		free(a);
	}
}

/* One play: so many verbs from a seed, with a crash or restart after so many percent of them. */
struct script {
	const struct kit_backend *backend;
	uint64_t seed;
	int verbs;
	int crash_percent;
};

static void play(struct kit *k, const struct script *script)
{
	struct play p = { .k = k };

	rng_init(&p.rng, script->seed);
	model_init(&p.w, k);
	k->unchecked = true;
	for (int i = 0; i < script->verbs; i++) {
		fprintf(stderr, "seed %llu, verb %d\n", (unsigned long long)script->seed, i);
		play_one(&p);
		if (chance(&p, script->crash_percent))
			verb_crash(&p);
		k->backend->verify(k);
		model_learn_slots(&p.w);
		if (i % 20 == 19)
			model_compare(&p.w);
		forget_results(k);
	}
	model_compare(&p.w);
	T_CHECK(p.w.starts > script->verbs / 20);
	for (int i = 0; i < OTHERS; i++) {
		if (p.other[i] != NULL)
			store_close(p.other[i]);
	}
	model_done(&p.w);
}

static const struct script scripts[] = {
	{ &kit_memory, 1, 1500, 0 },  { &kit_memory, 2, 1500, 0 },
	{ &kit_memory, 3, 1500, 0 },  { &kit_memory, 4, 1500, 0 },
	{ &kit_memory, 5, 1500, 0 },  { &kit_memory, 6, 1500, 0 },
	{ &kit_memory, 7, 1500, 0 },  { &kit_memory, 8, 1500, 0 },
	{ &kit_memory, 9, 1500, 0 },  { &kit_disk, 101, 1000, 0 },
	{ &kit_disk, 102, 1000, 2 },  { &kit_disk, 103, 500, 20 },
	{ &kit_disk, 104, 300, 100 }, { &kit_redis, 201, 800, 0 },
	{ &kit_redis, 202, 800, 0 },  { &kit_redis_durable, 203, 200, 10 },
};

TEST_EACH(random_verbs_agree_with_the_model, scripts)
{
	struct kit k;

	kit_init(&k, row->backend);
	play(&k, row);
	kit_done(&k);
}
