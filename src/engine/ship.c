/* ship.c - moves log events from the store's outbox to their sink, the logs.
 *
 * Events stay in the outbox until the logs say that they are durable; then the next reading trims them. When
 * the logs are behind, they wait where they are, and nothing else notices.
 */
#include "engine/engine_int.h"

static uint64_t committed(const struct engine *e)
{
	return e->set.sink.committed(e->set.sink.arg);
}

static void tail_done(struct store_req *req)
{
	struct tail *t = container_of(req, struct tail, req);
	struct engine *e = req->arg;

	engine_answered(e);
	e->tailing = false;
	if (req->result == STORE_APPLIED && t->last > e->shipped &&
	    e->set.sink.take(e->set.sink.arg, t->events, t->after, t->last, e->now_ms)) {
		e->shipped = t->last;
		if (t->more)
			e->tail_mono_ms = 0;
	}
	arena_done(&t->arena);
}

static bool has_something(const struct engine *e)
{
	return e->shipped < e->set.store->info.outbox_last || e->tail.trim < committed(e);
}

void ship_turn(struct engine *e)
{
	if (e->set.sink.take == NULL || e->tailing || !has_something(e) ||
	    e->mono_ms < e->tail_mono_ms + TAIL_EVERY_MS)
		return;
	e->tailing = true;
	e->tail_mono_ms = e->mono_ms;
	tail_init(&e->tail, e->shipped, TAIL_BYTES_MAX, tail_done, e);
	e->tail.trim = committed(e);
	arena_init(&e->tail.arena);
	engine_submit(e, &e->tail.req);
}

int64_t ship_next_mono_ms(const struct engine *e)
{
	if (e->set.sink.take == NULL || e->tailing || !has_something(e))
		return INT64_MAX;
	return e->tail_mono_ms + TAIL_EVERY_MS;
}

struct str engine_database(const struct engine *e)
{
	return str_c(e->set.store->info.database);
}

uint64_t engine_outbox_last(const struct engine *e)
{
	return e->set.store->info.outbox_last;
}
