#include "spy.h"

#include <stdlib.h>

#include "base/check.h"
#include "judge_flow.h"
#include "mark.h"

struct spy {
	struct store store; /* first */
	struct store *inner;
	struct world *world;
	struct arena arena; /* marks, until this life of the process ends */
};

enum { EARLY_MS = 20000, LATE_MS = 150000, CRON_MINUTE_MS = 60000, DAYS_MS = 1000000000 };

static struct spy *spy_of(struct store *s)
{
	return container_of(s, struct spy, store);
}

/* ---- marks -------------------------------------------------------------------------------------------- */

static size_t count_puts(const struct step *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->moves; i++)
		n += s->move[i].kind == MOVE_PUT;
	return n;
}

static bool is_marked(struct spy *spy, struct str events)
{
	struct event e;
	struct mark m;

	return event_next(&spy->arena, &events, &e) == 1 && mark_decode(&e, &m);
}

static struct mark mark_of_gate(const struct move *m)
{
	return (struct mark){
		.user = m->gate.user,
		.name = m->gate.name,
		.gate = m->gate.gate,
		.op = m->gate.op,
		.parallelism = m->gate.parallelism,
		.rate = m->gate.rate,
		.period_ms = m->gate.period_ms,
		.paused = m->gate.paused,
		.unpin_parallelism = m->gate.unpin_parallelism,
		.unpin_rate = m->gate.unpin_rate,
	};
}

static struct mark mark_of(const struct spy *spy, const struct move *m)
{
	switch (m->kind) {
	case MOVE_PUT:
		return (struct mark){
			.user = m->put.msg->user,
			.user_parallelism = m->put.user_parallelism -
					    (spy->world->broken == BREAK_SLOTS ? 2 : 0),
		};
	case MOVE_GATE:
		return mark_of_gate(m);
	case MOVE_DOC_PUT:
		return (struct mark){
			.user = m->doc_put.user,
			.name = m->doc_put.name,
			.doc = m->doc_put.doc,
			.value = m->doc_put.value,
		};
	case MOVE_DOC_REMOVE:
		return (struct mark){
			.user = m->doc_remove.user,
			.name = m->doc_remove.name,
			.doc = m->doc_remove.doc,
		};
	default:
		check(m->kind == MOVE_DLQ_REMOVE);
		return (struct mark){ .user = m->dlq_remove.user, .dlq = m->dlq_remove.id };
	}
}

/* Of workflows there are no marks: the log has all of it. */
static bool is_of_workflows(const struct move *m)
{
	switch (m->kind) {
	case MOVE_PUT:
		return str_eq(m->put.msg->user, JUDGE_FLOW_USER);
	case MOVE_DOC_PUT:
		return str_eq(m->doc_put.user, JUDGE_FLOW_USER);
	case MOVE_DOC_REMOVE:
		return str_eq(m->doc_remove.user, JUDGE_FLOW_USER);
	case MOVE_DLQ_REMOVE:
		return str_eq(m->dlq_remove.user, JUDGE_FLOW_USER);
	case MOVE_RUN_START:
	case MOVE_RUN_SET:
	case MOVE_RUN_END:
		return true;
	default:
		return false;
	}
}

static void mark_move(struct spy *spy, struct move *m, size_t puts)
{
	struct mark mark;
	struct str own = STR_NULL;

	if (m->kind == MOVE_SETTLE || m->kind == MOVE_CANCEL || is_of_workflows(m))
		return;
	/* A put that is submitted again has its mark; the others have no events of their own. */
	if (m->kind == MOVE_PUT) {
		if (is_marked(spy, m->events))
			return;
		own = m->events;
	}
	mark = mark_of(spy, m);
	mark.kind = m->kind;
	mark.puts = puts;
	m->events = mark_encode(&spy->arena, &mark, own);
}

/* ---- breaks ------------------------------------------------------------------------------------------- */

static struct str encode_schedule(struct spy *spy, const struct schedule *s)
{
	struct buf b;
	struct str value;

	buf_init(&b, SIZE_MAX / 4);
	schedule_encode(&b, s);
	value = arena_str(&spy->arena, buf_str(&b));
	buf_done(&b);
	return value;
}

static struct str unpaused(struct spy *spy, struct str value)
{
	struct schedule s;

	check(schedule_decode(&spy->arena, value, &s));
	s.flags &= ~(uint32_t)SCHEDULE_IS_PAUSED;
	return encode_schedule(spy, &s);
}

static struct str encode_group(struct spy *spy, const struct group *g)
{
	struct buf b;
	struct str value;

	buf_init(&b, SIZE_MAX / 4);
	group_encode(&b, g);
	value = arena_str(&spy->arena, buf_str(&b));
	buf_done(&b);
	return value;
}

/* What is done wrong, and seen by the judge as it is done. */
static void break_before(struct spy *spy, struct step *s)
{
	enum world_break broken = spy->world->broken;
	struct move *m = &s->move[0];
	struct schedule sch;
	struct group g;

	if (m->kind == MOVE_DOC_PUT && m->doc_put.doc == DOC_SCHEDULE && s->moves == 1 &&
	    broken == (spy->world->overwriting ? BREAK_OVERWRITE : BREAK_RESUME)) {
		m->doc_put.value = unpaused(spy, m->doc_put.value);
	} else if (m->kind == MOVE_DOC_PUT && m->doc_put.doc == DOC_SCHEDULE && s->moves > 1 &&
		   broken == BREAK_MAKEUP) {
		check(schedule_decode(&spy->arena, m->doc_put.value, &sch));
		sch.next_ms -= CRON_MINUTE_MS;
		m->doc_put.due_ms = sch.next_ms;
		m->doc_put.value = encode_schedule(spy, &sch);
	} else if (m->kind == MOVE_DOC_PUT && m->doc_put.doc == DOC_TOPIC &&
		   broken == BREAK_GROUP) {
		check(group_decode(&spy->arena, m->doc_put.value, &g));
		g.n -= g.n > 1;
		m->doc_put.value = encode_group(spy, &g);
	} else if (m->kind == MOVE_GATE && broken == BREAK_FORGET) {
		s->moves = 0;
	} else if (m->kind == MOVE_CANCEL && broken == BREAK_CANCEL &&
		   world_one_in(spy->world, 3)) {
		s->moves = 0;
	} else if (m->kind == MOVE_DLQ_REMOVE && s->moves == 1 && broken == BREAK_BURY) {
		s->moves = 0;
	}
}

static void break_gate(enum world_break broken, struct move *m)
{
	bool key = m->gate.gate == GATE_FLOW;

	if (m->gate.op == GATE_PAUSE && broken == BREAK_ROWS)
		m->gate.op = GATE_RESUME;
	else if (m->gate.op == GATE_PAUSE && broken == (key ? BREAK_KEY_PAUSE : BREAK_PAUSE))
		m->gate.op = GATE_RESUME;
	else if (m->gate.op == GATE_SET && broken == BREAK_QUEUE)
		m->gate.parallelism += 3;
	else if (m->gate.op == GATE_PIN && broken == BREAK_PIN && m->gate.parallelism > 0)
		m->gate.parallelism += 3;
	else if (m->gate.op == GATE_PIN && broken == BREAK_RATE && m->gate.rate > 0)
		m->gate.rate += 5;
}

static void break_schedule(struct spy *spy, struct step *s)
{
	struct move *m = &s->move[0];

	switch (spy->world->broken) {
	case BREAK_TWICE:
		m->doc_put.version = s->moves > 1 ? -1 : m->doc_put.version;
		break;
	case BREAK_EARLY:
		m->doc_put.due_ms -= EARLY_MS;
		break;
	case BREAK_LATE:
		m->doc_put.due_ms += LATE_MS;
		break;
	case BREAK_FAN_OUT:
		s->moves -= s->moves > 2;
		break;
	case BREAK_UNPAUSE:
		m->doc_put.value = unpaused(spy, m->doc_put.value);
		break;
	default:
		break;
	}
}

/* The record, which the judge reads, goes on to say q0. */
static void break_order(struct spy *spy, struct move *m)
{
	struct msg *msg = arena_new(&spy->arena, struct msg);

	*msg = *m->put.msg;
	if (str_eq(msg->queue, STR("q0")) && msg->id.seq % 2)
		msg->queue = STR("q9");
	m->put.msg = msg;
}

/* Of workflows. In place of a run's end comes a document with the end's events. */
static void break_run(struct spy *spy, struct move *m)
{
	enum world_break broken = spy->world->broken;
	struct str events = m->events;

	if (m->kind == MOVE_RUN_END && broken == BREAK_UNDEAD) {
		*m = (struct move){
			.kind = MOVE_DOC_PUT,
			.events = events,
			.doc_put = { .doc = DOC_META, .name = STR("over"), .version = -1 },
		};
	} else if (m->kind == MOVE_PUT && m->put.run_entry != RUN_ENTRY_NONE) {
		if (broken == BREAK_STALL && m->put.msg->id.seq % 8 == 0)
			m->put.due_ms += DAYS_MS;
		else if (broken == BREAK_REWRITE && m->put.msg->id.seq % 8 == 0)
			m->put.run_body = STR("{\"stepId\":1,\"stepType\":\"Run\"}");
	}
}

/* What is done otherwise than the judge is told. */
static void break_after(struct spy *spy, struct step *s)
{
	struct move *m = &s->move[0];

	for (size_t i = 0; i < s->moves; i++)
		break_run(spy, &s->move[i]);
	if (s->moves == 0 || is_of_workflows(m))
		return;
	if (m->kind == MOVE_GATE)
		break_gate(spy->world->broken, m);
	else if (m->kind == MOVE_DOC_PUT && m->doc_put.doc == DOC_SCHEDULE)
		break_schedule(spy, s);
	else if (m->kind == MOVE_PUT && spy->world->broken == BREAK_ORDER)
		break_order(spy, m);
	else if (m->kind == MOVE_DLQ_REMOVE && s->moves > 1 && spy->world->broken == BREAK_REVIVE)
		s->moves = 1;
}

/* ---- the store ---------------------------------------------------------------------------------------- */

static void op_submit(struct store *store, struct store_req *r)
{
	struct spy *spy = spy_of(store);

	if (r->kind == STORE_STEP) {
		struct step *s = container_of(r, struct step, req);

		break_before(spy, s);
		for (size_t i = 0; i < s->moves; i++)
			mark_move(spy, &s->move[i], count_puts(s));
		break_after(spy, s);
	}
	/* Not by store_submit: the ticket is the one that it has here. */
	spy->inner->ops->submit(spy->inner, r);
}

static void op_flush(struct store *store, int64_t now_ms)
{
	store_flush(spy_of(store)->inner, now_ms);
}

static void op_poll(struct store *store)
{
	struct spy *spy = spy_of(store);

	store_poll(spy->inner);
	spy->store.info.outbox_last = spy->inner->info.outbox_last;
}

struct store *spy_unwrap(struct store *store)
{
	struct spy *spy = spy_of(store);
	struct store *inner = spy->inner;

	arena_done(&spy->arena);
	free(spy);
	return inner;
}

static void op_close(struct store *store)
{
	/* First what it has to answer, for that may point to marks. */
	store_close(spy_of(store)->inner);
	(void)!spy_unwrap(store);
}

struct store *spy_wrap(struct store *inner, struct world *w)
{
	static const struct store_ops ops = {
		.submit = op_submit,
		.flush = op_flush,
		.poll = op_poll,
		.close = op_close,
	};
	struct spy *spy = xcalloc(1, sizeof(*spy));

	spy->store = (struct store){ .ops = &ops, .info = inner->info };
	spy->inner = inner;
	spy->world = w;
	arena_init(&spy->arena);
	return &spy->store;
}
