#include "engine/engine.h"

#include <stdlib.h>

#include "base/check.h"
#include "engine/engine_int.h"
#include "engine/work.h"

struct engine *engine_new(const struct engine_settings *settings)
{
	struct engine *e = xcalloc(1, sizeof(*e));

	check(settings->store != NULL && (settings->courier != NULL || settings->observes));
	e->set = *settings;
	if (e->set.deliveries_max <= 0)
		e->set.deliveries_max = 4096;
	if (e->set.claim_every_ms <= 0)
		e->set.claim_every_ms = CLAIM_EVERY_MS;
	if (e->set.memory_max == 0)
		e->set.memory_max = 128 * 1024 * 1024;
	if (e->set.run_body_max == 0)
		e->set.run_body_max = RECORD_BYTES_MAX;
	rng_init(&e->rng, settings->seed);
	map_init(&e->accounts, rng_u64(&e->rng));
	map_init(&e->tokens, rng_u64(&e->rng));
	list_init(&e->deliveries);
	list_init(&e->strangers);
	list_init(&e->ask_again);
	list_init(&e->pool);
	list_init(&e->bulks);
	list_init(&e->works);
	list_init(&e->works_again);
	list_init(&e->triggers);
	list_init(&e->deletions);
	map_init(&e->zones, rng_u64(&e->rng));
	buf_init(&e->scratch, RECORD_BYTES_MAX);
	buf_init(&e->scan_after, USER_ID_BYTES_MAX * 4);
	/* Somewhere behind it: after the clock was set back, several processes go on from the same number. */
	e->last_seq = settings->store->info.seq_max + rng_below(&e->rng, SEQ_SPREAD);
	e->claim_at_ms = INT64_MAX;
	e->claim_wanted = true;
	return e;
}

static void free_deliveries(struct list *head)
{
	struct list *it, *tmp;

	list_each(it, tmp, head) {
		struct delivery *d = list_entry(it, struct delivery, node);

		if (head == &d->engine->deliveries)
			courier_cancel(d->engine->set.courier, &d->req);
		list_remove(it);
		delivery_destroy(d);
	}
}

void engine_free(struct engine *e)
{
	if (e == NULL)
		return;
	bulk_drop(e);
	work_drop_all(e);
	schedules_drop(e);
	schedules_free(e);
	deletions_free(e);
	free_deliveries(&e->deliveries);
	free_deliveries(&e->strangers);
	free_deliveries(&e->ask_again);
	free_deliveries(&e->pool);
	accounts_free(e);
	free(e->quarantined);
	buf_done(&e->scratch);
	map_done(&e->accounts);
	map_done(&e->tokens);
	free(e);
}

void engine_start(struct engine *e, void (*ready)(void *arg), void *arg)
{
	e->ready = ready;
	e->ready_arg = arg;
	accounts_load(e);
}

void engine_look(struct engine *e)
{
	if (e->set.wall_ms == NULL)
		return;
	e->now_ms = e->set.wall_ms(e->set.clock_arg);
	e->mono_ms = e->set.mono_ms(e->set.clock_arg);
}

void engine_submit(struct engine *e, struct store_req *req)
{
	e->requests++;
	if (!deletions_refuse(e, req))
		store_submit(e->set.store, req);
}

void engine_answered(struct engine *e)
{
	check(e->requests > 0);
	e->requests--;
	engine_look(e);
}

uint64_t engine_random(struct engine *e)
{
	return rng_u64(&e->rng);
}

void engine_expect(struct engine *e, int64_t due_ms)
{
	if (due_ms < e->claim_at_ms)
		e->claim_at_ms = due_ms;
}

void engine_store_problem(struct problem *p, const struct store_req *req, enum refusal refusal)
{
	if (req->result == STORE_APPLIED)
		return;
	if (req->result != STORE_REFUSED)
		problem_set(
			p, 503,
			"the store is not available now; nothing is known to be lost, try again");
	else if (refusal == REFUSAL_NOT_FOUND)
		problem_set(p, 404, "not found");
	else if (refusal == REFUSAL_MOVING)
		problem_set(p, 503, "this user is being moved to another database; try again");
	else if (refusal == REFUSAL_VERSION)
		problem_set(p, 409, "changed by another request meanwhile; try again");
	else
		problem_set(p, 412, "refused: %s", refusal_name(refusal));
}

void engine_put_problem(struct problem *p, const struct step *s, const struct move *put)
{
	if (s->req.result == STORE_REFUSED && s->refusal == REFUSAL_LIMIT)
		problem_set(p, 412, "quota maxQueues exceeded, current limit: %lld",
			    (long long)put->put.queues_max);
	else if (s->req.result == STORE_REFUSED && s->refusal == REFUSAL_QUOTA)
		problem_set(p, 429, "quota maxMessagesPerDay exceeded, current limit: %lld",
			    (long long)put->put.day_messages_max);
	else
		engine_store_problem(p, &s->req, s->refusal);
}

/* Everything is at rest: tell the one who asked for the stop, once. */
static void stop_if_quiet(struct engine *e)
{
	void (*stopped)(void *arg) = e->stopped;

	if (!e->stopping || stopped == NULL || e->requests > 0 || e->running > 0 || e->claim_lost ||
	    !list_is_empty(&e->ask_again) || !list_is_empty(&e->works_again))
		return;
	e->stopped = NULL;
	stopped(e->stopped_arg);
}

static void stop_turn(struct engine *e)
{
	struct list *it, *tmp;

	if (!e->stopping)
		return;
	list_each(it, tmp, &e->strangers) {
		list_remove(it);
		delivery_return(list_entry(it, struct delivery, node));
	}
	if (e->mono_ms < e->stop_mono_ms)
		return;
	list_each(it, tmp, &e->deliveries)
		delivery_hand_back(list_entry(it, struct delivery, node));
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t engine_turn(struct engine *e, int64_t wall_ms, int64_t mono_ms)
{
	int64_t next = INT64_MAX;

	e->now_ms = wall_ms;
	e->mono_ms = mono_ms;
	accounts_turn(e);
	if (e->started) {
		stop_turn(e);
		deletions_turn(e);
		delivery_ask_turn(e);
		work_turn(e);
		claim_turn(e);
		bulk_turn(e);
		ship_turn(e);
		next = least(claim_next_mono_ms(e), ship_next_mono_ms(e));
		next = least(next, bulk_next_mono_ms(e));
		next = least(next, deletions_next_mono_ms(e));
		if (!list_is_empty(&e->ask_again))
			next = least(next, e->ask_again_mono_ms);
		if (!list_is_empty(&e->works_again))
			next = least(next, e->works_mono_ms);
		if (e->stopping && e->running > 0 && e->stop_mono_ms > mono_ms)
			next = least(next, e->stop_mono_ms);
	}
	next = least(next, accounts_next_mono_ms(e));
	/* The flush is also the sign of life that keeps our leases. */
	store_flush(e->set.store, wall_ms);
	stop_if_quiet(e);
	return least(next, mono_ms + e->set.store->info.lease_ms / 3);
}

void engine_stop(struct engine *e, int64_t grace_ms, void (*done)(void *arg), void *arg)
{
	engine_look(e);
	e->stopping = true;
	e->stop_mono_ms = e->mono_ms + grace_ms;
	e->stopped = done;
	e->stopped_arg = arg;
}

struct engine_stats engine_stats(const struct engine *e)
{
	struct engine_stats s = e->stats;

	s.deliveries = e->running;
	s.memory_bytes = e->memory_bytes;
	s.waiting = e->claim_wanted || !delivery_has_room(e);
	return s;
}
