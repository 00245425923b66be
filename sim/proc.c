#include "proc.h"

#include <string.h>

#include "base/check.h"
#include "endpoints.h"
#include "load.h"
#include "observer.h"
#include "spy.h"

enum { ABLE_AFTER_MS = 6000 };

void proc_init(struct world *w)
{
	for (int i = 0; i < WORLD_PROCS; i++) {
		struct proc *p = &w->proc[i];

		p->world = w;
		p->slot = i;
		p->turn_at_ms = p->poll_at_ms = INT64_MAX;
		p->restart_at_ms = w->now_ms + i * 2000;
		list_init(&p->ops);
		list_init(&p->exchanges);
	}
}

static int64_t wall_ms(const struct proc *p)
{
	return world_wall_ms(p->world) + p->skew_ms;
}

static int64_t clock_wall_ms(void *arg)
{
	return wall_ms(arg);
}

static int64_t mono_ms(void *arg)
{
	const struct proc *p = arg;

	return p->world->now_ms + p->mono_offset_ms;
}

static void secret(void *arg, void *ret_bytes, size_t n)
{
	memset(ret_bytes, 7, n);
}

static void ready(void *arg)
{
	struct proc *p = arg;

	p->ready = true;
	p->able_since_ms = p->world->now_ms;
	load_users(p->world, p);
}

static struct store *attach(struct proc *p)
{
	struct store *s = sqlite_db_attach(p->world->db, wall_ms(p));

	check(s != NULL);
	s = fault_wrap(spy_wrap(s, p->world), rng_u64(&p->world->rng));
	return s;
}

static void start(struct proc *p)
{
	struct world *w = p->world;
	struct engine_settings set = { 0 };

	p->holder = ++w->holders;
	p->failures = 0;
	/* Often the same, so that several see a schedule due at the same instant. */
	p->skew_ms = world_one_in(w, 2) ? world_between(w, -300, 300) : 0;
	p->mono_offset_ms = world_between(w, 1, 1000000) - w->now_ms;
	p->ready = p->stopping = false;
	p->die_in = 0;
	p->stalled_until_ms = 0;
	p->able_since_ms = INT64_MAX;
	p->turn_at_ms = w->now_ms;
	p->poll_at_ms = INT64_MAX;
	p->store = attach(p);
	p->courier = endpoints_courier();
	set.store = p->store;
	set.courier = &p->courier;
	set.seed = rng_u64(&w->rng);
	set.wall_ms = clock_wall_ms;
	set.mono_ms = mono_ms;
	set.clock_arg = p;
	set.secret = secret;
	set.plan = &w->plan_told;
	set.deliveries_max = (int)world_between(w, 2, 64);
	set.memory_max = (size_t)world_between(w, 1000, 100000);
	p->engine = engine_new(&set);
	world_note(w, "p%d starts as holder %d", p->slot, p->holder);
	engine_start(p->engine, ready, p);
}

static void leave(struct proc *p)
{
	struct world *w = p->world;

	check(list_is_empty(&p->exchanges) && list_is_empty(&p->ops));
	p->holder = 0;
	p->engine = NULL;
	p->store = NULL;
	p->turn_at_ms = p->poll_at_ms = INT64_MAX;
	p->restart_at_ms = w->now_ms + world_between(w, 100, w->healthy ? 1000 : 30000);
}

void proc_kill(struct proc *p)
{
	struct world *w = p->world;

	world_note(w, "p%d dies", p->slot);
	judge_holder_gone(w->judge, p->holder, w->now_ms, false);
	sqlite_db_kill(w->db, spy_unwrap(fault_unwrap(p->store)));
	engine_free(p->engine);
	load_forget(p);
	leave(p);
	observer_check(w, "a death");
}

static void stopped(void *arg)
{
	struct proc *p = arg;

	/* Not here: the engine is still in its turn. */
	p->able_since_ms = INT64_MAX - 1;
}

static void close_down(struct proc *p)
{
	struct world *w = p->world;

	world_note(w, "p%d has stopped", p->slot);
	if (engine_stats(p->engine).deliveries != 0 || engine_stats(p->engine).memory_bytes != 0)
		judge_fail(w->judge, "a stopped engine still holds %d deliveries, %zu bytes",
			   engine_stats(p->engine).deliveries,
			   engine_stats(p->engine).memory_bytes);
	if (!list_is_empty(&p->ops)) {
		judge_fail(w->judge, "an engine stopped and left a request unanswered");
		load_forget(p);
	}
	store_close(p->store);
	judge_holder_gone(w->judge, p->holder, w->now_ms, true);
	observer_read_log(w, p);
	engine_free(p->engine);
	leave(p);
	observer_check(w, "a stop");
}

void proc_stop(struct proc *p, int64_t grace_ms)
{
	struct world *w = p->world;

	world_note(w, "p%d is told to stop within %lld ms", p->slot, (long long)grace_ms);
	p->stopping = true;
	p->turn_at_ms = w->now_ms;
	engine_stop(p->engine, grace_ms, stopped, p);
}

void proc_stall(struct proc *p, int64_t for_ms)
{
	struct world *w = p->world;

	world_note(w, "p%d stands still for %lld ms", p->slot, (long long)for_ms);
	p->stalled_until_ms = w->now_ms + for_ms;
	p->able_since_ms = p->ready ? p->stalled_until_ms : INT64_MAX;
	if (p->stalled_until_ms > w->faults_ms)
		w->faults_ms = p->stalled_until_ms;
	judge_lapse(w->judge, p->holder);
}

bool proc_is_open(const struct proc *p)
{
	return p->holder != 0 && p->ready && !p->stopping &&
	       p->stalled_until_ms <= p->world->now_ms;
}

bool proc_any_able(const struct world *w)
{
	for (int i = 0; i < WORLD_PROCS; i++) {
		const struct proc *p = &w->proc[i];

		if (proc_is_open(p) && p->able_since_ms + ABLE_AFTER_MS < w->now_ms)
			return w->faults_ms + ABLE_AFTER_MS < w->now_ms;
	}
	return false;
}

int64_t proc_next_ms(const struct proc *p)
{
	int64_t next = p->turn_at_ms < p->poll_at_ms ? p->turn_at_ms : p->poll_at_ms;

	if (p->holder == 0)
		return p->restart_at_ms;
	return next < p->stalled_until_ms ? p->stalled_until_ms : next;
}

/* A place where a planned death may strike. True when it did. */
static bool dies_here(struct proc *p)
{
	if (p->die_in == 0 || --p->die_in > 0)
		return false;
	proc_kill(p);
	return true;
}

static uint64_t failures(const struct proc *p)
{
	struct fault_counts c = fault_counts(p->store);

	return c.unavailable + c.lost;
}

static void poll(struct proc *p)
{
	p->poll_at_ms = INT64_MAX;
	p->failures = failures(p);
	store_poll(p->store);
}

static void turn(struct proc *p)
{
	struct world *w = p->world;
	int64_t wish_ms;

	w->rung = false;
	wish_ms = engine_turn(p->engine, wall_ms(p), mono_ms(p));
	/* A turn takes time, so the next one is later in any case. */
	if (wish_ms <= mono_ms(p))
		wish_ms = mono_ms(p) + 1;
	p->turn_at_ms = w->now_ms + (wish_ms - mono_ms(p));
	if (w->rung || failures(p) > p->failures)
		p->poll_at_ms = w->now_ms + (world_one_in(w, 2) ? 0 : world_between(w, 1, 20));
	if (w->rung)
		observer_read_log(w, p);
}

void proc_turn(struct proc *p)
{
	struct world *w = p->world;

	if (proc_next_ms(p) > w->now_ms)
		return;
	if (p->holder == 0)
		start(p);
	if (p->poll_at_ms <= w->now_ms) {
		poll(p);
		p->turn_at_ms = w->now_ms;
		if (dies_here(p))
			return;
	}
	if (p->turn_at_ms <= w->now_ms) {
		turn(p);
		if (dies_here(p))
			return;
	}
	if (p->able_since_ms == INT64_MAX - 1) {
		close_down(p);
	} else if (p->poll_at_ms <= w->now_ms) {
		poll(p);
		p->turn_at_ms = w->now_ms + 1;
		(void)dies_here(p);
	}
}
