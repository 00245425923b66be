/* claim.c - when and how much due work to take from the store.
 *
 * A claim is wanted when something ended (a gate may have opened), when a put could not be leased, when
 * the last claim left work behind, when the time comes that the store named, and every few seconds in
 * any case. One claim is in flight at a time, and it asks for what there is room for. Without room for
 * messages it asks now and then all the same, for the documents that are due: a schedule is in time
 * although all deliveries hang.
 */
#include "base/check.h"
#include "base/log.h"
#include "engine/engine_int.h"

bool delivery_has_room(const struct engine *e)
{
	return !e->stopping && !e->set.observes &&
	       e->running + e->putting < e->set.deliveries_max &&
	       e->memory_bytes < e->set.memory_max;
}

/* A message that cannot be read any more is not lost silently: it goes to the dead letter queue. */
static void start_leased(struct engine *e, const struct leased *l, bool knows_all)
{
	struct delivery *d = delivery_new(e);

	buf_add(&d->record, l->record);
	check(!d->record.overflow);
	if (!msg_decode(&d->arena, buf_str(&d->record), &d->msg)) {
		log_error("claim",
			  "the record of message %llu is broken; it is left alone until the next "
			  "start",
			  (unsigned long long)l->id.seq);
		delivery_free(d);
		return;
	}
	d->account = engine_account(e, d->msg.user);
	/* Another process may have made it just now. */
	if (d->account == NULL && !knows_all)
		delivery_wait(d, l->retried, l->lease);
	else
		delivery_start(d, l->retried, l->lease);
}

/* What is due for a user who is not known yet comes again. */
static void trigger_due(struct engine *e, const struct due_doc *doc, bool knows_all)
{
	if (doc->kind != DOC_DIRECTORY && !knows_all && engine_account(e, doc->user) == NULL)
		return;
	if (doc->kind == DOC_SCHEDULE)
		schedules_trigger(e, doc);
	else if (doc->kind == DOC_META)
		schedules_forget(e, doc);
	else if (doc->kind == DOC_BULK)
		bulk_due(e, doc);
	else if (doc->kind == DOC_DIRECTORY && e->set.on_directory != NULL)
		e->set.on_directory(e->set.pool, doc);
	else if (doc->kind == DOC_MAILBOX)
		runs_timeout(e, doc);
}

static void claim_done(struct store_req *req)
{
	struct claim *c = container_of(req, struct claim, req);
	struct engine *e = req->arg;
	bool knows_all = e->users_loaded == c->users_version;

	engine_answered(e);
	/* As it is: the store answers with what the lost answer leased. */
	if (req->result == STORE_UNKNOWN || (e->claim_lost && req->result == STORE_UNAVAILABLE)) {
		e->claim_lost = true;
		e->claim_mono_ms = e->mono_ms + CLAIM_AGAIN_MS;
		return;
	}
	e->claim_lost = false;
	e->up = req->result == STORE_APPLIED;
	e->claiming = false;
	e->claim_mono_ms = e->mono_ms;
	if (req->result == STORE_APPLIED) {
		e->claim_at_ms = c->next_ms;
		e->claim_wanted = e->claim_wanted || c->more;
		accounts_look(e, c->users_version);
		for (size_t i = 0; i < c->n; i++)
			start_leased(e, &c->leased[i], knows_all);
		for (size_t i = 0; i < c->docs; i++)
			trigger_due(e, &c->doc[i], knows_all);
	} else {
		e->claim_wanted = true;
		e->claim_mono_ms = e->mono_ms + CLAIM_AGAIN_MS;
	}
	arena_done(&c->arena);
}

/* How many messages, when there is room for any. */
static size_t room_for(const struct engine *e)
{
	int room = e->set.deliveries_max - e->running - e->putting;

	return (size_t)(room < CLAIM_MAX ? room : CLAIM_MAX);
}

void claim_turn(struct engine *e)
{
	bool has_room = delivery_has_room(e);

	if (e->claim_lost && e->mono_ms >= e->claim_mono_ms) {
		e->claim_mono_ms = INT64_MAX;
		e->claim.req.result = STORE_UNKNOWN;
		engine_submit(e, &e->claim.req);
	}
	if (e->claiming || e->stopping || e->mono_ms < e->claim_mono_ms)
		return;
	if (!has_room && e->mono_ms < e->claimed_mono_ms + CLAIM_FULL_MS)
		return;
	if (has_room && !e->claim_wanted && e->now_ms < e->claim_at_ms &&
	    e->mono_ms < e->claimed_mono_ms + e->set.claim_every_ms)
		return;
	e->claim_wanted = false;
	e->claiming = true;
	e->claimed_mono_ms = e->mono_ms;
	claim_init(&e->claim, has_room ? room_for(e) : 0,
		   has_room ? e->set.memory_max - e->memory_bytes : 0, claim_done, e);
	e->claim.docs_max = e->set.observes ? 0 : CLAIM_DOCS_MAX;
	arena_init(&e->claim.arena);
	engine_submit(e, &e->claim.req);
}

int64_t claim_next_mono_ms(const struct engine *e)
{
	int64_t next = e->claimed_mono_ms + e->set.claim_every_ms;

	if (e->claim_lost)
		return e->claim_mono_ms;
	if (e->claiming || e->stopping)
		return INT64_MAX;
	if (!delivery_has_room(e)) {
		next = e->claimed_mono_ms + CLAIM_FULL_MS;
		return next < e->claim_mono_ms ? e->claim_mono_ms : next;
	}
	if (e->claim_wanted)
		return e->mono_ms < e->claim_mono_ms ? e->claim_mono_ms : e->mono_ms;
	if (e->claim_at_ms - e->now_ms < next - e->mono_ms)
		next = e->mono_ms + (e->claim_at_ms - e->now_ms);
	return next < e->claim_mono_ms ? e->claim_mono_ms : next;
}
