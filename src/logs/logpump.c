#include "logs/logpump.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "logs/logslot.h"

enum {
	READ_BYTES_MAX = 2 * 1024 * 1024,
	READ_EVERY_MS = 25, /* while there are events */
	READ_IDLE_MS = 200, /* without any, at the end */
	AGAIN_MS = 500,     /* when the database is not there, or the logs are behind */
	DROPPED_LINES = 2,  /* a minute */
};

struct logpump {
	struct logpump_settings set;
	char reader[16];
	struct logs_source *source; /* NULL: not joined */
	struct tail tail;
	bool reading, hurry;
	uint64_t taken, dropped, reads;
	bool knows_dropped; /* `dropped` is what the database has said */
	int64_t wall_ms, mono_ms, read_mono_ms;
	int64_t wait_ms; /* between readings now */
	struct log_limit told_dropped;
};

struct logpump *logpump_new(const struct logpump_settings *settings)
{
	struct logpump *p = xcalloc(1, sizeof(*p));

	check(settings->slot < settings->slots && settings->slots <= LOGSLOT_MAX);
	p->set = *settings;
	snprintf(p->reader, sizeof(p->reader), "%u/%u", settings->slot, settings->slots);
	return p;
}

void logpump_free(struct logpump *p)
{
	if (!p)
		return;
	check(!p->reading);
	free(p);
}

void logpump_hurry(struct logpump *p)
{
	p->hurry = true;
}

/* ---- what comes ------------------------------------------------------------------------------------- */

/* The events of this slot's users, in the arena. False when what follows is no event. */
static bool choose(const struct logpump *p, struct arena *a, struct str events,
		   struct str *ret_mine)
{
	struct str rest = events, from = events;
	struct buf mine;
	struct event e;
	struct arena room;
	int got;

	if (p->set.slots == 1) {
		*ret_mine = events;
		return true;
	}
	arena_init(&room);
	buf_init(&mine, events.n);
	while ((got = event_next(&room, &rest, &e)) == 1) {
		if (logslot_of(e.user, p->set.slots) == p->set.slot)
			buf_add(&mine, str_sub(from, 0, from.n - rest.n));
		from = rest;
		arena_reset(&room);
	}
	*ret_mine = arena_str(a, buf_str(&mine));
	buf_done(&mine);
	arena_done(&room);
	return got == 0;
}

static void joined(struct logpump *p)
{
	struct str database = str_c(p->set.store->info.database);

	p->source = logs_source(p->set.logs, database);
	p->taken = p->tail.last;
	p->wait_ms = 0;
	/* What is behind it is in the files: who waits for that need not wait. */
	if (!logs_take(p->source, STR_NULL, p->taken, p->taken, p->wall_ms))
		log_info("logs", "the files are behind; queries may wait for a moment");
	log_info("logs", "reads the events of database %.*s behind position %llu as %s",
		 STR_FMT(database), (unsigned long long)p->taken, p->reader);
}

static void take(struct logpump *p)
{
	struct tail *t = &p->tail;
	struct str mine;

	if (!choose(p, &t->arena, t->events, &mine))
		log_error("logs", "events up to position %llu are broken; some are left out",
			  (unsigned long long)t->last);
	if (t->last > p->taken && !logs_take(p->source, mine, t->after, t->last, p->wall_ms)) {
		p->wait_ms = AGAIN_MS;
		return;
	}
	if (t->last > p->taken)
		p->wait_ms = t->more ? 0 : READ_EVERY_MS;
	else
		p->wait_ms = p->wait_ms < READ_EVERY_MS ? READ_EVERY_MS : 2 * p->wait_ms;
	if (p->wait_ms > READ_IDLE_MS)
		p->wait_ms = READ_IDLE_MS;
	p->taken = t->last;
}

/* The database gives events up rather than wait. */
static void look_at_dropped(struct logpump *p)
{
	const struct store_info *info = &p->set.store->info;

	if (p->knows_dropped && info->outbox_dropped > p->dropped &&
	    log_allowed(&p->told_dropped, DROPPED_LINES, p->wall_ms))
		log_error(
			"logs",
			"database %s had more events waiting than -log-backlog allows: the oldest "
			"are dropped, %llu so far",
			info->database, (unsigned long long)info->outbox_dropped);
	p->knows_dropped = true;
	p->dropped = info->outbox_dropped;
}

static void tail_done(struct store_req *req)
{
	struct tail *t = container_of(req, struct tail, req);
	struct logpump *p = req->arg;

	p->reading = false;
	p->reads++;
	p->wait_ms = p->wait_ms ? p->wait_ms : READ_EVERY_MS;
	if (req->result != STORE_APPLIED) {
		p->wait_ms = AGAIN_MS;
	} else if (t->lost) {
		if (p->source)
			log_warn("logs", "the database knows no reader %s any more; joins again",
				 p->reader);
		p->source = NULL;
		p->wait_ms = AGAIN_MS;
	} else if (t->join) {
		joined(p);
	} else {
		look_at_dropped(p);
		take(p);
	}
	arena_done(&t->arena);
}

/* ---- turns ------------------------------------------------------------------------------------------ */

static bool is_due(const struct logpump *p)
{
	return !p->reading && (p->mono_ms >= p->read_mono_ms + p->wait_ms ||
			       (p->hurry && p->mono_ms >= p->read_mono_ms + READ_EVERY_MS));
}

int64_t logpump_turn(struct logpump *p, int64_t wall_ms, int64_t mono_ms)
{
	struct store *store = p->set.store;

	p->wall_ms = wall_ms;
	p->mono_ms = mono_ms;
	if (is_due(p)) {
		p->reading = true;
		p->hurry = false;
		p->read_mono_ms = mono_ms;
		tail_init(&p->tail, p->taken, READ_BYTES_MAX, tail_done, p);
		p->tail.reader = str_c(p->reader);
		p->tail.join = p->source == NULL;
		if (p->source)
			p->tail.trim = logs_committed(p->source);
		else
			p->tail.after = 0;
		arena_init(&p->tail.arena);
		store_submit(store, &p->tail.req);
	}
	store_flush(store, wall_ms);
	if (p->reading)
		return INT64_MAX;
	return p->read_mono_ms +
	       (p->hurry && p->wait_ms > READ_EVERY_MS ? READ_EVERY_MS : p->wait_ms);
}

struct logpump_stats logpump_stats(const struct logpump *p)
{
	const struct store_info *info = &p->set.store->info;

	return (struct logpump_stats){
		.database = str_c(info->database),
		.joined = p->source != NULL,
		.last = info->outbox_last,
		.taken = p->taken,
		.committed = p->source ? logs_committed(p->source) : 0,
		.dropped = info->outbox_dropped,
		.reads = p->reads,
		.reading = p->reading,
	};
}
