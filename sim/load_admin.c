/* load_admin.c - changes of queues, flow-control keys, URL groups and schedules.
 */
#include "base/check.h"
#include "load_int.h"

enum { QUEUES = 2, FLOWS = 3, GROUPS = 2, SCHEDULES = 2 };

static struct load_op *change_new(struct proc *p, enum load_kind kind, struct judge_thing t)
{
	struct load_op *op = load_new(p, kind, t.user);

	op->thing = t;
	op->changes = judge_changes(p->world->judge, t);
	return op;
}

/* 404 is no wonder: it may be there or not. */
static void change_done(struct load_op *op, const struct problem *problem)
{
	struct judge *j = op->proc->world->judge;

	if (problem->status == 0)
		judge_change_answered(j, op->thing, op->changes);
	else if (problem->status != 404 && !load_faults(op))
		judge_fail(j, "a change failed: %s", problem->text);
	load_free(op);
}

/* ---- gates -------------------------------------------------------------------------------------------- */

static void gate_changed(struct gate_change *c)
{
	change_done(c->arg, &c->problem);
}

static void gate_submit(struct proc *p, struct judge_thing t, struct move m)
{
	struct load_op *op = change_new(p, LOAD_GATE, t);
	bool queue = t.what == JUDGE_QUEUE;

	m.gate.gate = queue ? GATE_QUEUE : GATE_FLOW;
	m.gate.name = arena_fmt(&op->arena, "%c%d", queue ? 'q' : 'f', t.n);
	op->gate = (struct gate_change){
		.account = load_account(op),
		.move = m,
		.done = gate_changed,
		.arg = op,
	};
	world_note(p->world,
		   "p%d is asked to change %.*s of user%d: op %d, parallelism %d, rate %d", p->slot,
		   STR_FMT(m.gate.name), t.user, (int)m.gate.op, (int)m.gate.parallelism,
		   (int)m.gate.rate);
	engine_gate_change(p->engine, &op->gate);
}

/* A gate change that leaves everything alone. */
static struct move any_move(enum gate_op op)
{
	return (struct move){
		.gate = { .op = op, .parallelism = -1, .rate = -1, .period_ms = -1, .paused = -1 },
	};
}

static void any_queue(struct proc *p, struct judge_thing t)
{
	struct world *w = p->world;
	int64_t dice = world_between(w, 0, 5);
	struct move m = any_move(dice <= 1 ? GATE_PAUSE : dice <= 3 ? GATE_RESUME : GATE_SET);

	if (m.gate.op == GATE_SET) {
		m.gate.parallelism = world_between(w, 1, 4);
		m.gate.paused = world_one_in(w, 4) ? (int)world_between(w, 0, 1) : -1;
	}
	gate_submit(p, t, m);
}

static void pin(struct proc *p, struct judge_thing t)
{
	struct world *w = p->world;
	struct move m = any_move(GATE_PIN);
	/* One kind alone only of a key that is there, for what the other is of a new one is not seen here. */
	int64_t kinds = judge_is_used(w->judge, t) ? world_between(w, 1, 3) : 3;

	if (kinds & 1)
		m.gate.parallelism = world_between(w, 1, 4);
	if (kinds & 2) {
		m.gate.rate = world_between(w, 1, 5);
		m.gate.period_ms = world_between(w, 1, 10) * 1000;
	}
	gate_submit(p, t, m);
}

static void any_flow(struct proc *p, struct judge_thing t)
{
	static const enum gate_op ops[] = { GATE_PAUSE,      GATE_PAUSE, GATE_RESUME, GATE_RESUME,
					    GATE_RESET_RATE, GATE_RESET, GATE_UNPIN };
	struct world *w = p->world;
	uint64_t dice = rng_below(&w->rng, countof(ops) + 2);
	struct move m;

	if (dice >= countof(ops)) {
		pin(p, t);
		return;
	}
	m = any_move(ops[dice]);
	if (m.gate.op == GATE_UNPIN) {
		m.gate.unpin_parallelism = !world_one_in(w, 3);
		m.gate.unpin_rate = !m.gate.unpin_parallelism || world_one_in(w, 2);
	}
	gate_submit(p, t, m);
}

void load_gate(struct proc *p)
{
	struct world *w = p->world;
	struct judge_thing t = { JUDGE_QUEUE, load_any_user(w), (int)rng_below(&w->rng, QUEUES) };

	if (world_one_in(w, 2)) {
		any_queue(p, t);
		return;
	}
	t.what = JUDGE_FLOW;
	t.n = (int)rng_below(&w->rng, FLOWS);
	any_flow(p, t);
}

/* ---- groups ------------------------------------------------------------------------------------------- */

uint32_t load_endpoints(const struct group *g)
{
	uint32_t all = 0;

	for (size_t i = 0; i < g->n; i++) {
		uint64_t n;
		struct str url = str_from(g->endpoint[i].url, sizeof("http://e") - 1);

		check(str_u64(str_cut(&url, '.'), &n) && n < WORLD_ENDPOINTS);
		all |= (uint32_t)1 << n;
	}
	return all;
}

static void group_changed(struct group_op *g)
{
	struct load_op *op = g->arg;

	/* Of one that is not there, a delete changes nothing. */
	if (g->what == GROUP_DELETE && g->problem.status == 0)
		load_free(op);
	else
		change_done(op, &g->problem);
}

void load_group(struct proc *p)
{
	static const enum group_what whats[] = { GROUP_UPSERT, GROUP_UPSERT, GROUP_UPSERT,
						 GROUP_REMOVE, GROUP_REMOVE, GROUP_DELETE };
	struct world *w = p->world;
	struct judge_thing t = { JUDGE_GROUP, load_any_user(w), (int)rng_below(&w->rng, GROUPS) };
	struct load_op *op = change_new(p, LOAD_GROUP, t);
	size_t n = (size_t)world_between(w, 1, 3);
	struct group_endpoint *e = arena_array(&op->arena, struct group_endpoint, n);
	struct group view = { .endpoint = e, .n = n };

	for (size_t i = 0; i < n; i++)
		e[i] = (struct group_endpoint){ load_any_url(op), STR_NULL };
	op->group_op = (struct group_op){
		.account = load_account(op),
		.what = whats[rng_below(&w->rng, countof(whats))],
		.name = arena_fmt(&op->arena, "g%d", t.n),
		.endpoint = e,
		.n = n,
		.arena = &op->arena,
		.done = group_changed,
		.arg = op,
	};
	world_note(w, "p%d is asked to change g%d of user%d: %d, endpoints %x", p->slot, t.n,
		   t.user, (int)op->group_op.what, load_endpoints(&view));
	judge_group_asked(w->judge, t, op->group_op.what, load_endpoints(&view));
	engine_group_change(p->engine, &op->group_op);
}

/* ---- schedules ---------------------------------------------------------------------------------------- */

static void schedule_changed(struct schedule_op *s)
{
	change_done(s->arg, &s->problem);
}

static void any_schedule(struct load_op *op, struct schedule *s)
{
	static const struct str cron[] = { { "* * * * *", 9 },
					   { "*/2 * * * *", 11 },
					   { "*/5 * * * *", 11 } };
	struct world *w = op->proc->world;
	struct msg *m = &s->msg;

	*s = (struct schedule){
		.cron = cron[rng_below(&w->rng, countof(cron))],
		.delay_ms = world_one_in(w, 4) ? world_between(w, 1, 100) * 1000 : 0,
		.msg = {
			.user = load_user(&op->arena, op->user),
			.method = STR("POST"),
			/* A number of its own, which no publish has. */
			.body = arena_fmt(&op->arena, "s%d", w->schedules++),
			.timeout_ms = world_between(w, 1, 25) * 1000,
			.retries_max = world_between(w, 0, 1),
			.retry_delay = STR("1000"),
		},
	};
	if (world_one_in(w, 2)) {
		m->topic = arena_fmt(&op->arena, "g%d", (int)rng_below(&w->rng, GROUPS));
		s->destination = m->topic;
	} else {
		m->url = s->destination = load_any_url(op);
	}
	if (world_one_in(w, 3))
		m->queue = arena_fmt(&op->arena, "q%d", (int)rng_below(&w->rng, QUEUES));
	if (world_one_in(w, 6))
		m->callback = load_any_url(op);
}

static void schedule_submit(struct proc *p, struct judge_thing t, enum schedule_what what)
{
	struct world *w = p->world;
	struct load_op *op;

	if (what == SCHEDULE_PAUSE || what == SCHEDULE_RESUME)
		t.what = what == SCHEDULE_PAUSE ? JUDGE_PAUSES : JUDGE_RESUMES;
	op = change_new(p, LOAD_SCHEDULE, t);
	op->schedule = (struct schedule_op){
		.account = load_account(op),
		.what = what,
		.id = arena_fmt(&op->arena, "s%d", t.n),
		.arena = &op->arena,
		.done = schedule_changed,
		.arg = op,
	};
	w->overwriting = what == SCHEDULE_CREATE;
	if (what == SCHEDULE_CREATE)
		any_schedule(op, &op->schedule.schedule);
	world_note(w, "p%d is asked to change s%d of user%d: %d %.*s %.*s", p->slot, t.n, t.user,
		   (int)what, STR_FMT(op->schedule.schedule.destination),
		   STR_FMT(op->schedule.schedule.cron));
	engine_schedule_change(p->engine, &op->schedule);
}

void load_schedule(struct proc *p)
{
	static const enum schedule_what whats[] = { SCHEDULE_CREATE, SCHEDULE_CREATE,
						    SCHEDULE_PAUSE,  SCHEDULE_PAUSE,
						    SCHEDULE_RESUME, SCHEDULE_DELETE };
	struct world *w = p->world;
	struct judge_thing t = { JUDGE_SCHEDULE, load_any_user(w),
				 (int)rng_below(&w->rng, SCHEDULES) };
	enum schedule_what what = whats[rng_below(&w->rng, countof(whats))];

	/* Overwriting one that is not paused in truth would tell before it fires. */
	if (w->broken == BREAK_UNPAUSE && what == SCHEDULE_CREATE)
		what = SCHEDULE_PAUSE;
	if (!judge_exists(w->judge, t))
		what = SCHEDULE_CREATE;
	schedule_submit(p, t, what);
}

/* ---- tidying up --------------------------------------------------------------------------------------- */

static bool tidy_user(struct world *w, struct proc *p, int user)
{
	struct judge_thing t = { JUDGE_SCHEDULE, user, 0 };

	for (t.n = 0; t.n < SCHEDULES; t.n++) {
		if (judge_exists(w->judge, t)) {
			schedule_submit(p, t, SCHEDULE_DELETE);
			return true;
		}
	}
	for (t.n = 0, t.what = JUDGE_QUEUE; t.n < QUEUES; t.n++) {
		if (judge_is_paused(w->judge, t)) {
			gate_submit(p, t, any_move(GATE_RESUME));
			return true;
		}
	}
	for (t.n = 0, t.what = JUDGE_FLOW; t.n < FLOWS; t.n++) {
		if (judge_is_paused(w->judge, t)) {
			gate_submit(p, t, any_move(GATE_RESUME));
			return true;
		}
	}
	return false;
}

bool load_tidy(struct world *w, struct proc *p)
{
	for (int u = 0; u < w->users; u++) {
		if (tidy_user(w, p, u))
			return true;
	}
	return false;
}
