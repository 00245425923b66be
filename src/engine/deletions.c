/* deletions.c - users deleted, with all they have.
 *
 * First the user's document is marked: from then on its tokens are void and nothing of it starts, whatever else
 * happens. The rest takes as long as it takes, and begins again where a crash has cut it off:
 *
 *	PURGE    the store removes what it has of the user, a bite at a time
 *	DRAIN    the log has taken in the last event of it, and the outbox has forgotten it
 *	FORGET   the log removes the user's file
 *	REMOVE   the document goes, and the id is free
 *
 * So nothing can bring anything back: neither an attempt that still runs (its settle finds no message), nor
 * events that a crash lets the log see again. What others submit for the user meanwhile, a put that was under way or
 * has lost its answer, is kept from the store.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "engine/engine_int.h"

enum {
	PURGE_ROWS = 500,      /* of one bite, so that others wait little */
	LOOK_AGAIN_MS = 30,    /* for what the log does */
	DELETE_AGAIN_MS = 500, /* after a store that was not available */
};

enum phase { PURGE, DRAIN, FORGET, REMOVE };

struct deletion {
	struct list node; /* in engine.deletions */
	struct engine *engine;
	struct account *account;
	int64_t version; /* of the document that is marked: another one under the id is another user */
	enum phase phase;
	bool busy; /* the store has a request */
	int64_t again_mono_ms;
	uint64_t last;   /* outbox position with all events of the user before it */
	uint64_t number; /* of the forgetting */
	struct step step;
	struct move move;
	struct tail tail;
};

void deletions_begin(struct engine *e, struct account *a)
{
	struct deletion *d = xcalloc(1, sizeof(*d));

	check(a->removed && !e->set.observes);
	d->engine = e;
	d->account = a;
	d->version = a->version;
	list_push(&e->deletions, &d->node);
}

void deletions_free(struct engine *e)
{
	struct list *node;

	while ((node = list_pop(&e->deletions)) != NULL)
		free(list_entry(node, struct deletion, node));
}

void engine_user_delete(struct engine *e, struct account_op *op)
{
	struct user u = op->account->user;

	if (op->account->removed) {
		op->done(op);
		return;
	}
	if (!users_may_change(op))
		return;
	engine_look(e);
	u.deleting = true;
	accounts_submit(e, op, &u, 1);
}

/* ---- phases ----------------------------------------------------------------------------------------- */

static void enter(struct deletion *d, enum phase phase)
{
	struct engine_sink *sink = &d->engine->set.sink;

	d->phase = phase;
	d->again_mono_ms = 0;
	if (phase == FORGET)
		d->number = sink->forget(sink->arg, d->account->user.id);
}

/* Another process may have done it all, and the id may be another user's since. */
static void finish(struct deletion *d)
{
	struct account *a = d->account;

	if (a->removed && a->version == d->version) {
		log_info("users", "user %.*s is deleted", STR_FMT(a->user.id));
		accounts_drop(d->engine, a);
	} else if (a->removed) {
		deletions_begin(d->engine, a);
	}
	list_remove(&d->node);
	free(d);
}

/* False when it is to be tried again. */
static bool answered(struct deletion *d, const struct store_req *req)
{
	struct engine *e = d->engine;

	engine_answered(e);
	d->busy = false;
	if (req->result == STORE_APPLIED || req->result == STORE_REFUSED)
		return true;
	d->again_mono_ms = e->mono_ms + DELETE_AGAIN_MS;
	return false;
}

static void purged(struct store_req *req)
{
	struct deletion *d = req->arg;
	struct engine *e = d->engine;

	if (!answered(d, req))
		return;
	if (req->result == STORE_REFUSED) {
		finish(d);
		return;
	}
	if (d->move.purge.left)
		return;
	d->last = engine_outbox_last(e);
	enter(d, e->set.sink.forget != NULL ? DRAIN : REMOVE);
}

/* The read began at the first entry that the outbox has. */
static void drained(struct store_req *req)
{
	struct deletion *d = req->arg;

	if (answered(d, req)) {
		if (d->tail.events.n == 0 || d->tail.last > d->last)
			enter(d, FORGET);
		else
			d->again_mono_ms = d->engine->mono_ms + LOOK_AGAIN_MS;
	}
	arena_done(&d->tail.arena);
}

/* It is also over when there is no document any more: the answer to a former try was lost. */
static void removed(struct store_req *req)
{
	struct deletion *d = req->arg;

	if (answered(d, req))
		finish(d);
}

static void submit_move(struct deletion *d, void (*done)(struct store_req *))
{
	d->busy = true;
	step_init(&d->step, &d->move, 1, done, d);
	engine_submit(d->engine, &d->step.req);
}

static void submit_purge(struct deletion *d)
{
	d->move = (struct move){
		.kind = MOVE_PURGE,
		.purge = { .user = d->account->user.id, .version = d->version, .max = PURGE_ROWS },
	};
	submit_move(d, purged);
}

static void submit_remove(struct deletion *d)
{
	d->move = (struct move){
		.kind = MOVE_DOC_REMOVE,
		.doc_remove = {
			.doc = DOC_USER,
			.user = d->account->user.id,
			.name = d->account->user.id,
			.version = d->version,
		},
	};
	submit_move(d, removed);
}

static void look_at_outbox(struct deletion *d)
{
	d->busy = true;
	tail_init(&d->tail, 0, 1, drained, d);
	arena_init(&d->tail.arena);
	engine_submit(d->engine, &d->tail.req);
}

static void look_at_log(struct deletion *d)
{
	struct engine *e = d->engine;
	struct engine_sink *sink = &e->set.sink;

	if (sink->is_forgotten(sink->arg, d->number))
		enter(d, REMOVE);
	else
		d->again_mono_ms = e->mono_ms + LOOK_AGAIN_MS;
}

static void go_on(struct deletion *d)
{
	switch (d->phase) {
	case PURGE:
		submit_purge(d);
		return;
	case DRAIN:
		look_at_outbox(d);
		return;
	case FORGET:
		look_at_log(d);
		return;
	case REMOVE:
		submit_remove(d);
		return;
	}
	unreachable();
}

/* ---- what others submit ----------------------------------------------------------------------------- */

/* Whom it would make something for; empty when it makes nothing. */
static struct str makes_for(const struct move *m)
{
	switch (m->kind) {
	case MOVE_PUT:
		return m->put.msg->user;
	case MOVE_DOC_PUT:
		return m->doc_put.doc != DOC_USER ? m->doc_put.user : STR_NULL;
	case MOVE_GATE:
		return m->gate.user;
	default:
		return STR_NULL;
	}
}

static bool is_deleted(struct engine *e, struct str user)
{
	const struct account *a = user.n > 0 ? engine_account(e, user) : NULL;

	return a != NULL && a->removed;
}

bool deletions_refuse(struct engine *e, struct store_req *req)
{
	struct step *s = container_of(req, struct step, req);

	if (list_is_empty(&e->deletions) || req->kind != STORE_STEP)
		return false;
	for (size_t i = 0; i < s->moves; i++) {
		if (!is_deleted(e, makes_for(&s->move[i])))
			continue;
		store_clear_results(req);
		req->result = STORE_REFUSED;
		s->refusal = REFUSAL_NOT_FOUND;
		s->refused_move = i;
		req->next = e->refused;
		e->refused = req;
		return true;
	}
	return false;
}

static void answer_refused(struct engine *e)
{
	struct store_req *req = e->refused;

	e->refused = NULL;
	while (req != NULL) {
		struct store_req *next = req->next;

		req->done(req);
		req = next;
	}
}

/* ---- turns ------------------------------------------------------------------------------------------ */

static bool is_due(const struct deletion *d)
{
	return !d->busy && !d->engine->stopping && d->engine->mono_ms >= d->again_mono_ms;
}

void deletions_turn(struct engine *e)
{
	struct list *it, *tmp;

	answer_refused(e);
	list_each(it, tmp, &e->deletions) {
		struct deletion *d = list_entry(it, struct deletion, node);

		if (is_due(d))
			go_on(d);
	}
}

int64_t deletions_next_mono_ms(const struct engine *e)
{
	int64_t next = e->refused != NULL ? e->mono_ms : INT64_MAX;
	struct list *it, *tmp;

	list_each(it, tmp, (struct list *)(uintptr_t)&e->deletions) {
		const struct deletion *d = list_entry(it, struct deletion, node);

		if (!d->busy && !e->stopping && d->again_mono_ms < next)
			next = d->again_mono_ms > e->mono_ms ? d->again_mono_ms : e->mono_ms;
	}
	return next;
}
