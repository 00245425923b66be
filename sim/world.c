#include "world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "endpoints.h"
#include "load.h"
#include "observer.h"
#include "proc.h"
#include "sdk.h"
#include "visits.h"

enum {
	WALL_START_S = 1760000000,
	CALM_AFTER_MS = 20000,
	ROWS_EVERY_MS = 30000,
	DRAIN_MS = 12 * 3600 * 1000,
	WATCH_MS = 130 * 1000,
	TIDY_MS = 120 * 1000,
	DOWN_MS_MAX = 240 * 1000,
	MINUTE_MS = 60 * 1000,
	LULL_MS = 40000, /* longer than any attempt */
	SKEW_MS = 300,
	PPM_MAX = 150000,
};

void world_note(struct world *w, const char *fmt, ...)
{
	char *line = w->line[w->lines++ % WORLD_KEPT];
	int n = snprintf(line, WORLD_LINE_BYTES, "%9.3f ", (double)w->now_ms / 1000);
	va_list args;

	va_start(args, fmt);
	vsnprintf(line + n, WORLD_LINE_BYTES - (size_t)n, fmt, args);
	va_end(args);
	if (w->trace)
		puts(line);
}

bool world_one_in(struct world *w, uint64_t n)
{
	return rng_below(&w->rng, n) == 0;
}

int64_t world_between(struct world *w, int64_t least, int64_t most)
{
	return least + (int64_t)rng_below(&w->rng, (uint64_t)(most - least + 1));
}

int64_t world_wall_ms(const struct world *w)
{
	return WALL_START_S * 1000LL + w->now_ms + w->wall_step_ms;
}

bool world_is_calm(const struct world *w)
{
	return !w->faults_on && w->now_ms > w->stepped_ms + CALM_AFTER_MS &&
	       w->now_ms > w->faults_ms + CALM_AFTER_MS;
}

/* ---- faults ------------------------------------------------------------------------------------------- */

static void set_faults(struct world *w, bool on)
{
	struct fault_chances c = { 0 };

	if (on) {
		c.unavailable_ppm = (uint32_t)rng_below(&w->rng, PPM_MAX);
		c.lost_ppm = (uint32_t)rng_below(&w->rng, PPM_MAX);
		c.done_lost_ppm = (uint32_t)rng_below(&w->rng, PPM_MAX);
	}
	w->faults_on = on;
	w->faults_ms = w->now_ms > w->faults_ms ? w->now_ms : w->faults_ms;
	world_note(w, "the store %s", on ? "loses requests and answers" : "works again");
	for (int i = 0; i < WORLD_PROCS; i++) {
		if (w->proc[i].holder != 0)
			fault_set(w->proc[i].store, c);
	}
}

static void step_clock(struct world *w)
{
	int64_t most_ms = world_one_in(w, 3) ? 600 * 1000 : 3000;
	int64_t by_ms = world_between(w, -most_ms, most_ms);

	w->wall_step_ms += by_ms;
	w->stepped_ms = w->now_ms;
	world_note(w, "the clock steps by %" PRId64 " ms", by_ms);
	judge_stepped(w->judge, w->now_ms, by_ms);
	/* Whoever looks next may take the others for dead. */
	if (by_ms > 1000)
		judge_lapse(w->judge, 0);
}

static void change_plan(struct world *w)
{
	w->plan.parallelism_max = world_between(w, 1, 8);
	w->plan_told.parallelism_max = w->plan.parallelism_max + (w->broken == BREAK_SLOTS ? 2 : 0);
	world_note(w, "users may run %" PRId64 " at once from now on", w->plan.parallelism_max);
}

/* All processes at once, and what the store has in memory; some time, the ticks of several minutes are missed. */
static void restart_all(struct world *w)
{
	int64_t down_ms = world_one_in(w, 2) ? world_between(w, 0, DOWN_MS_MAX) : 0;

	world_note(w, "everything stops for %" PRId64 " ms", down_ms);
	for (int i = 0; i < WORLD_PROCS; i++) {
		if (w->proc[i].holder != 0)
			proc_kill(&w->proc[i]);
		w->proc[i].restart_at_ms += down_ms;
	}
	sqlite_db_forget(w->db);
}

/* Schedules are due at the full minute: some die as they fire. */
static void die_at_tick(struct world *w)
{
	w->tick_at_ms = INT64_MAX;
	for (int i = 0; i < WORLD_PROCS; i++) {
		struct proc *p = &w->proc[i];

		if (p->holder != 0 && p->die_in == 0 && world_one_in(w, 2))
			p->die_in = (int)world_between(w, 1, 6);
	}
}

static void one_fault(struct world *w)
{
	struct proc *p = &w->proc[rng_below(&w->rng, WORLD_PROCS)];
	int64_t dice = world_between(w, 0, 12);

	w->fault_at_ms = w->now_ms + world_between(w, 500, 30000);
	if (dice <= 2 && p->holder != 0)
		p->die_in = (int)world_between(w, 1, 30);
	else if (dice == 3 && p->holder != 0 && p->ready && !p->stopping)
		proc_stop(p, world_between(w, 0, 10000));
	else if (dice == 4 && proc_is_open(p))
		proc_stall(p, world_between(w, 1000, 40000));
	else if (dice == 5)
		step_clock(w);
	else if (dice == 6)
		w->temper[rng_below(&w->rng, WORLD_ENDPOINTS)] =
			(enum temper)rng_below(&w->rng, TEMPER_COUNT);
	else if (dice == 10)
		restart_all(w);
	else if (dice == 11)
		change_plan(w);
	else if (dice == 12)
		w->tick_at_ms = w->now_ms + MINUTE_MS - world_wall_ms(w) % MINUTE_MS;
	else if (dice <= 8 && !w->faults_on) {
		set_faults(w, true);
		w->faults_until_ms = w->now_ms + world_between(w, 100, 15000);
	}
	observer_check(w, "a fault");
}

/* The end of all trouble: from here on, everything has to come to an end. */
static void get_well(struct world *w)
{
	world_note(w, "everything is well from now on");
	w->healthy = true;
	w->fault_at_ms = w->faults_until_ms = w->load_at_ms = w->tick_at_ms = INT64_MAX;
	set_faults(w, false);
	for (int i = 0; i < WORLD_PROCS; i++) {
		w->proc[i].die_in = 0;
		if (w->proc[i].holder == 0 && w->proc[i].restart_at_ms > w->now_ms + 1000)
			w->proc[i].restart_at_ms = w->now_ms + 1000;
	}
}

/* ---- going on ----------------------------------------------------------------------------------------- */

static void give_load(struct world *w)
{
	struct proc *p = &w->proc[rng_below(&w->rng, WORLD_PROCS)];

	/* Half of the time between two is none, so that several come at once. */
	w->load_at_ms =
		w->now_ms +
		(world_one_in(w, 3) ? 0 : world_between(w, 1, 2 * (w->load_until_ms / 200)));
	if (proc_is_open(p))
		load_turn(w, p);
	if (w->flows > 0 && world_one_in(w, 3)) {
		w->flows--;
		load_flow(w);
	}
	if (w->to_publish <= 0)
		w->load_at_ms = INT64_MAX;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t next_ms(const struct world *w)
{
	int64_t next = least(least(w->load_at_ms, w->fault_at_ms), endpoints_next_ms(w));

	for (int i = 0; i < WORLD_PROCS; i++)
		next = least(next, proc_next_ms(&w->proc[i]));
	next = least(next, least(w->tick_at_ms, least(visits_next_ms(w), sdk_next_ms(w))));
	return least(next, least(w->faults_until_ms, w->rows_at_ms));
}

static void instant(struct world *w)
{
	int64_t next = next_ms(w);
	bool able;

	w->instants++;
	if (next > w->now_ms)
		w->now_ms = next;
	if (w->fault_at_ms <= w->now_ms)
		one_fault(w);
	if (w->tick_at_ms <= w->now_ms)
		die_at_tick(w);
	if (w->faults_until_ms <= w->now_ms) {
		w->faults_until_ms = INT64_MAX;
		set_faults(w, false);
	}
	if (w->load_at_ms <= w->now_ms)
		give_load(w);
	endpoints_turn(w);
	visits_turn(w);
	sdk_turn(w);
	for (int i = 0; i < WORLD_PROCS; i++)
		proc_turn(&w->proc[i]);
	if (w->rows_at_ms <= w->now_ms) {
		observer_compare(w);
		w->rows_at_ms = w->now_ms + ROWS_EVERY_MS;
	}
	able = proc_any_able(w) && !w->faults_on;
	judge_instant(w->judge, w->now_ms, able ? world_wall_ms(w) - SKEW_MS : INT64_MIN);
}

static bool fine(const struct world *w)
{
	return judge_verdict(w->judge) == NULL;
}

static void go_on_until(struct world *w, int64_t until_ms)
{
	while (fine(w) && w->now_ms < until_ms)
		instant(w);
}

/* Nothing new is made and nothing stays paused. */
static void tidy(struct world *w)
{
	int64_t give_up_ms = w->now_ms + TIDY_MS;

	while (fine(w) && w->now_ms < give_up_ms) {
		struct proc *p = &w->proc[rng_below(&w->rng, WORLD_PROCS)];

		if (proc_is_open(p) && !load_tidy(w, p))
			return;
		go_on_until(w, w->now_ms + 1000);
	}
	if (fine(w))
		judge_fail(w->judge, "it cannot be tidied up");
}

static void live(struct world *w)
{
	int64_t end_ms;

	while (fine(w) && w->to_publish > 0 && w->now_ms < 4 * w->load_until_ms)
		instant(w);
	go_on_until(w, w->now_ms + world_between(w, 0, 60000));
	if (!fine(w))
		return;
	get_well(w);
	/* Schedules go on for a while, to be judged with nothing in their way. */
	go_on_until(w, w->now_ms + WATCH_MS);
	tidy(w);
	end_ms = w->now_ms + DRAIN_MS;
	while (fine(w) && w->now_ms < end_ms && judge_pending(w->judge) > 0)
		instant(w);
	go_on_until(w, w->now_ms + LULL_MS);
	if (fine(w))
		judge_end(w->judge);
}

static void check_rest(struct world *w)
{
	for (int i = 0; i < WORLD_PROCS; i++) {
		struct engine_stats s = engine_stats(w->proc[i].engine);

		if (s.deliveries != 0 || s.memory_bytes != 0)
			judge_fail(w->judge, "p%d still holds %d deliveries, %zu bytes", i,
				   s.deliveries, s.memory_bytes);
	}
	observer_check(w, "the end");
	if (sqlite_db_stats(w->db).messages != 0)
		judge_fail(w->judge, "the store still counts %lld messages",
			   (long long)sqlite_db_stats(w->db).messages);
}

static void stop_all(struct world *w)
{
	int64_t give_up_ms = w->now_ms + 60000;
	bool left = true;

	for (int i = 0; i < WORLD_PROCS; i++) {
		if (proc_is_open(&w->proc[i]))
			proc_stop(&w->proc[i], 1000);
	}
	while (left && fine(w) && w->now_ms < give_up_ms) {
		left = false;
		instant(w);
		for (int i = 0; i < WORLD_PROCS; i++) {
			if (w->proc[i].holder == 0)
				w->proc[i].restart_at_ms = INT64_MAX;
			else
				left = true;
		}
	}
	if (left)
		judge_fail(w->judge, "a process does not stop");
}

/* ---- beginning and end -------------------------------------------------------------------------------- */

static void make_rules(struct world *w)
{
	w->plan = (struct plan){
		.name = STR("small"),
		.message_bytes_max = 1024 * 1024,
		.timeout_max_s = 30,
		.retries_max = 999,
		.parallelism_max = world_between(w, 1, 8),
	};
	w->plan_told = w->plan;
	if (w->broken == BREAK_SLOTS)
		w->plan_told.parallelism_max += 2;
	w->users = (int)world_between(w, 1, 3);
	w->flow_parallelism[0] = world_between(w, 1, 3);
	w->flow_parallelism[2] = world_between(w, 1, 2);
	for (int i = 0; i < WORLD_ENDPOINTS; i++)
		w->temper[i] = i < 3 ? TEMPER_FAST : (enum temper)rng_below(&w->rng, TEMPER_COUNT);
	w->to_publish = (int)world_between(w, 100, 200);
	w->flows = (int)world_between(w, 10, 60);
	w->load_until_ms = world_between(w, 20, world_one_in(w, 8) ? 2000 : 300) * 1000;
}

static void ring(void *arg)
{
	struct world *w = arg;

	w->rung = true;
}

static void make_store(struct world *w)
{
	struct sqlite_settings set = {
		.path = ":memory:",
		.lease_ms = WORLD_LEASE_MS,
		.wake = ring,
		.wake_arg = w,
	};
	char error[200];

	if (w->broken == BREAK_LEASE)
		set.lease_ms = 20 * WORLD_LEASE_MS;
	w->db = sqlite_db_open(&set, world_wall_ms(w), error);
	check(w->db != NULL);
	w->observer = sqlite_db_attach(w->db, world_wall_ms(w));
	check(w->observer != NULL);
}

static struct world *world_new(const struct world_settings *settings)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct judge_settings judge = { .lease_ms = WORLD_LEASE_MS };

	w->seed = settings->seed;
	w->broken = settings->broken;
	w->trace = settings->trace;
	rng_init(&w->rng, settings->seed);
	heap_init(&w->exchanges);
	heap_init(&w->visits);
	heap_init(&w->calls);
	list_init(&w->orphans);
	list_init(&w->guests);
	list_init(&w->sdk);
	make_rules(w);
	make_store(w);
	w->judge = judge_new(&judge);
	w->load_at_ms = 10000;
	w->fault_at_ms = 15000;
	w->faults_until_ms = w->tick_at_ms = INT64_MAX;
	w->rows_at_ms = ROWS_EVERY_MS;
	w->stepped_ms = -CALM_AFTER_MS;
	w->faults_ms = -CALM_AFTER_MS;
	proc_init(w);
	return w;
}

static void world_free(struct world *w)
{
	for (int i = 0; i < WORLD_PROCS; i++) {
		if (w->proc[i].holder != 0)
			proc_kill(&w->proc[i]);
	}
	endpoints_done(w);
	visits_done(w);
	sdk_done(w);
	heap_done(&w->exchanges);
	heap_done(&w->visits);
	heap_done(&w->calls);
	store_close(w->observer);
	sqlite_db_close(w->db);
	judge_free(w->judge);
	free(w);
}

static void report(const struct world *w)
{
	int64_t first = w->lines > WORLD_KEPT ? w->lines - WORLD_KEPT : 0;

	if (w->broken != BREAK_NONE) {
		printf("  %s\n", judge_verdict(w->judge));
		return;
	}
	printf("seed %" PRIu64 " failed: %s\n", w->seed, judge_verdict(w->judge));
	for (int64_t i = first; !w->trace && i < w->lines; i++)
		printf("  %s\n", w->line[i % WORLD_KEPT]);
	printf("  replay with: sim --seed %" PRIu64 " --trace\n", w->seed);
}

bool world_run(const struct world_settings *settings, struct judge_counts *ret_counts)
{
	struct world *w = world_new(settings);
	bool well;

	live(w);
	if (fine(w))
		check_rest(w);
	if (fine(w))
		stop_all(w);
	well = fine(w);
	*ret_counts = judge_counts(w->judge);
	if (!well)
		report(w);
	if (w->trace) {
		struct judge_counts c = judge_counts(w->judge);

		printf("%" PRId64 " instants, %.0f s: %" PRId64 " events, %" PRId64
		       " messages (%" PRId64 " callbacks), %" PRId64 " attempts, %" PRId64
		       " delivered, %" PRId64 " failed, %" PRId64 " cancelled, %" PRId64
		       " duplicates, %" PRId64 " returned by death, %" PRId64 " deduplicated\n",
		       w->instants, (double)w->now_ms / 1000, c.events, c.created, c.callbacks,
		       c.attempts, c.delivered, c.failed, c.canceled, c.duplicates, c.returned,
		       c.deduplicated);
		printf("%" PRId64 " changes by hand, %" PRId64 " triggers (%" PRId64
		       " of groups), %" PRId64 " dead letters retried\n",
		       c.changes, c.ticks, c.fan_outs, c.revived);
		if (!well)
			printf("verdict: %s\n", judge_verdict(w->judge));
	}
	world_free(w);
	return well;
}
