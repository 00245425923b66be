#include "engine/runs.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "core/event.h"
#include "core/limits.h"

enum {
	MOVES_FIRST = 8,
	ENTRIES_PAGE = 500,
	ENTRIES_PAGE_BYTES = 8 * 1024 * 1024,
	TRIES_MAX = 100,
};

struct work *work_new(struct engine *e, struct account *a, void *arg)
{
	struct work *w = xcalloc(1, sizeof(*w));

	engine_look(e);
	w->engine = e;
	w->account = a;
	w->arg = arg;
	arena_init(&w->arena);
	arena_init(&w->scan.arena);
	list_push(&e->works, &w->node);
	return w;
}

static void unmake(struct work *w)
{
	for (size_t i = 0; i < w->made_n; i++) {
		if (w->made[i] != NULL)
			delivery_free(w->made[i]);
	}
	w->made_n = w->moves = 0;
	w->leases = false;
}

void work_free(struct work *w)
{
	unmake(w);
	list_remove(&w->node);
	arena_done(&w->scan.arena);
	arena_done(&w->arena);
	free(w);
}

void work_drop_all(struct engine *e)
{
	struct list *heads[] = { &e->works, &e->works_again };

	for (size_t i = 0; i < countof(heads); i++) {
		while (!list_is_empty(heads[i])) {
			struct work *w = list_entry(heads[i]->next, struct work, node);

			if (w->settles != NULL)
				delivery_destroy(w->settles);
			work_free(w);
		}
	}
}

static void again_later(struct work *w)
{
	struct engine *e = w->engine;

	list_remove(&w->node);
	list_push(&e->works_again, &w->node);
	e->works_mono_ms = e->mono_ms + ASK_AGAIN_MS;
}

static bool is_unclear(const struct work *w, enum store_result result)
{
	return result == STORE_UNKNOWN ||
	       (result == STORE_UNAVAILABLE && (w->must || w->asked_again));
}

/* ---- reading --------------------------------------------------------------------------------- */

static void submit_scan(struct work *w)
{
	struct scan *s = &w->scan;

	s->req.result = STORE_PENDING;
	w->reading = true;
	engine_submit(w->engine, &s->req);
}

/* Notes the kind of the page's last entry; true when another page is on its way. */
static bool look_on(struct work *w)
{
	struct scan *s = &w->scan;
	bool more = s->more && s->rows > 0;

	if (s->rows > 0) {
		w->last_entry = s->row[s->rows - 1].run_entry;
		s->id = s->row[s->rows - 1].id;
	}
	w->looks_for_last = more;
	if (!more)
		return false;
	arena_done(&s->arena);
	arena_init(&s->arena);
	submit_scan(w);
	return true;
}

static void was_read(struct store_req *req)
{
	struct work *w = req->arg;
	struct scan *s = &w->scan;

	engine_answered(w->engine);
	if (req->result == STORE_UNKNOWN || (req->result != STORE_APPLIED && w->must)) {
		again_later(w);
		return;
	}
	w->reading = false;
	if (req->result != STORE_APPLIED) {
		w->step.req.result = STORE_UNAVAILABLE;
		w->done(w);
		return;
	}
	if (w->looks_for_last && look_on(w))
		return;
	w->open = s->run_found.found && s->run_found.open;
	/* It outlives the next reading. */
	if (s->run_found.found &&
	    !run_decode(&w->arena, arena_str(&w->arena, s->run_found.record), &w->run)) {
		log_error("runs", "the record of run %.*s is broken", STR_FMT(w->ref.name));
		w->open = false;
	}
	w->read(w);
}

static void start_read(struct work *w, const struct run_ref *ref, size_t entries, struct str key)
{
	struct str user = str_c(w->account->id);

	w->ref = (struct run_ref){ arena_str(&w->arena, ref->name), ref->created_ms };
	arena_done(&w->scan.arena);
	scan_init(&w->scan, SCAN_RUN, was_read, w);
	arena_init(&w->scan.arena);
	w->scan.user = user;
	w->scan.run = w->ref;
	w->scan.run_key = key;
	w->scan.run_until = UINT64_MAX;
	w->scan.max = entries;
	w->scan.bytes_max = entries > 1 ? ENTRIES_PAGE_BYTES : entries;
	w->run = (struct run){ 0 };
	submit_scan(w);
}

void work_read(struct work *w, const struct run_ref *ref, bool first)
{
	start_read(w, ref, first, STR_NULL);
}

void work_read_key(struct work *w, const struct run_ref *ref, struct str key)
{
	start_read(w, ref, 0, key);
}

void work_read_last(struct work *w, const struct run_ref *ref, struct str key)
{
	w->last_entry = RUN_ENTRY_NONE;
	w->looks_for_last = true;
	start_read(w, ref, ENTRIES_PAGE, key);
}

static void doc_was_read(struct store_req *req)
{
	struct work *w = req->arg;
	const struct scan *s = &w->scan;

	engine_answered(w->engine);
	if (req->result == STORE_UNKNOWN || (req->result != STORE_APPLIED && w->must)) {
		again_later(w);
		return;
	}
	w->reading = false;
	if (req->result != STORE_APPLIED) {
		w->step.req.result = STORE_UNAVAILABLE;
		w->done(w);
		return;
	}
	w->doc_version = s->rows > 0 ? s->row[0].version : 0;
	w->doc_value = s->rows > 0 ? arena_str(&w->arena, s->row[0].record) : STR_NULL;
	w->read(w);
}

void work_read_doc(struct work *w, enum doc_kind kind, struct str name)
{
	w->doc_kind = kind;
	w->doc_name = name;
	arena_done(&w->scan.arena);
	scan_init(&w->scan, SCAN_DOCS, doc_was_read, w);
	arena_init(&w->scan.arena);
	w->scan.doc = kind;
	w->scan.user = str_c(w->account->id);
	w->scan.name = name;
	w->scan.exact = true;
	w->scan.max = 1;
	w->scan.bytes_max = SIZE_MAX;
	submit_scan(w);
}

struct str work_first(const struct work *w)
{
	return w->scan.rows > 0 ? w->scan.row[0].record : STR_NULL;
}

/* ---- building -------------------------------------------------------------------------------- */

struct move *work_move(struct work *w, enum move_kind kind)
{
	if (w->moves == w->moves_max) {
		size_t max = w->moves_max ? 2 * w->moves_max : MOVES_FIRST;
		struct move *move = arena_array(&w->arena, struct move, max);
		struct delivery **made = arena_array(&w->arena, struct delivery *, max);

		if (w->moves > 0)
			memcpy(move, w->move, w->moves * sizeof(*move));
		if (w->made_n > 0)
			memcpy(made, w->made, w->made_n * sizeof(*made));
		w->move = move;
		w->made = made;
		w->moves_max = max;
	}
	w->move[w->moves] = (struct move){ .kind = kind };
	return &w->move[w->moves++];
}

struct move *work_put(struct work *w, const struct msg *m)
{
	struct move *move = work_move(w, MOVE_PUT);
	struct delivery *d = delivery_new(w->engine);

	delivery_prepare_put(d, move, m);
	/* Else not leased by this step, as with callbacks: the next claim takes it. */
	move->put.want_lease = w->leases && delivery_has_room(w->engine);
	w->engine->putting += move->put.want_lease;
	w->leasing += move->put.want_lease;
	w->made[w->made_n++] = d;
	return move;
}

struct move *work_put_entry(struct work *w, const struct msg *m, struct str body)
{
	struct msg copy = *m;
	struct move *move;

	copy.body = body;
	move = work_put(w, &copy);
	move->put.run = (struct run_ref){ move->put.msg->run, move->put.msg->run_created_ms };
	move->put.run_entry = RUN_ENTRY_STEP;
	move->put.run_body = body;
	move->put.run_entries_max = LIMIT_RUN_ENTRIES;
	move->put.run_bytes_max = LIMIT_RUN_BYTES;
	return move;
}

struct move *work_write_doc(struct work *w, struct str value, int64_t due_ms)
{
	struct move *move = work_move(w, value.n > 0 ? MOVE_DOC_PUT : MOVE_DOC_REMOVE);

	if (value.n == 0) {
		move->doc_remove.doc = w->doc_kind;
		move->doc_remove.user = str_c(w->account->id);
		move->doc_remove.name = w->doc_name;
		move->doc_remove.version = w->doc_version;
		return move;
	}
	move->doc_put.doc = w->doc_kind;
	move->doc_put.user = str_c(w->account->id);
	move->doc_put.name = w->doc_name;
	move->doc_put.value = value;
	move->doc_put.version = w->doc_version;
	move->doc_put.due_ms = due_ms;
	return move;
}

void work_event(struct work *w, struct move *move, const struct event *ev)
{
	struct event event = *ev;
	struct buf b;

	buf_init(&b, RECORD_BYTES_MAX);
	event.time_ms = w->engine->now_ms;
	event.user = str_c(w->account->id);
	/* What tells of a step is JSON, whose parts have limits of their own. */
	if (ev->state != EVENT_RUN_STEP)
		event.response_body = str_sub(ev->response_body, 0, LIMIT_EVENT_BODY_BYTES);
	event_encode(&b, &event);
	check(!b.overflow);
	move->events = arena_str(&w->arena, buf_str(&b));
	buf_done(&b);
}

/* ---- the step -------------------------------------------------------------------------------- */

static void build(struct work *w);

/* Takes the deliveries that the step has leased. They begin when the owner has read the results, which are theirs. */
static void was_applied(struct work *w, struct list *leased)
{
	struct engine *e = w->engine;
	struct delivery **made = w->made;

	for (size_t i = 0; i < w->moves; i++) {
		const struct move *m = &w->move[i];
		struct delivery *d = m->kind == MOVE_PUT ? *made++ : NULL;

		if (m->kind != MOVE_PUT || !m->put.leased)
			e->claim_wanted = true;
		if (m->kind == MOVE_DOC_PUT && m->doc_put.due_ms > 0)
			engine_expect(e, m->doc_put.due_ms);
		if (m->kind != MOVE_PUT || m->put.skipped != PUT_DONE)
			continue;
		e->stats.published++;
		if (!m->put.leased) {
			engine_expect(e, m->put.due_ms);
			continue;
		}
		made[-1] = NULL;
		d->lease = m->put.lease;
		list_push(leased, &d->node);
	}
}

static void was_done(struct store_req *req)
{
	struct work *w = req->arg;
	struct engine *e = w->engine;
	struct list leased, *node;

	engine_answered(e);
	if (is_unclear(w, req->result)) {
		w->asked_again = true;
		again_later(w);
		return;
	}
	e->putting -= w->leasing;
	w->leasing = 0;
	if (req->result == STORE_REFUSED && w->step.refusal == REFUSAL_ID && w->tries < TRIES_MAX) {
		const struct move *m = &w->move[w->step.refused_move];

		/* Not right behind it: its process may go on counting there, and a number is to be one message's. */
		if (m->kind == MOVE_PUT && m->put.existing.seq > e->last_seq)
			e->last_seq = m->put.existing.seq + rng_below(&e->rng, SEQ_SPREAD);
		build(w);
		return;
	}
	list_init(&leased);
	if (req->result == STORE_APPLIED)
		was_applied(w, &leased);
	w->done(w);
	while ((node = list_pop(&leased)) != NULL) {
		struct delivery *d = list_entry(node, struct delivery, node);

		delivery_start(d, 0, d->lease);
	}
}

static void submit_step(struct work *w)
{
	step_init(&w->step, w->move, w->moves, was_done, w);
	engine_submit(w->engine, &w->step.req);
}

static void build(struct work *w)
{
	unmake(w);
	w->asked_again = false;
	w->build(w);
	w->tries++;
	check(w->moves > 0);
	submit_step(w);
}

void work_do(struct work *w)
{
	build(w);
}

void work_turn(struct engine *e)
{
	struct list taken;

	if (list_is_empty(&e->works_again) || e->mono_ms < e->works_mono_ms)
		return;
	list_init(&taken);
	for (struct list *node; (node = list_pop(&e->works_again)) != NULL;)
		list_push(&taken, node);
	for (struct list *node; (node = list_pop(&taken)) != NULL;) {
		struct work *w = list_entry(node, struct work, node);

		list_push(&e->works, &w->node);
		if (w->reading) {
			submit_scan(w);
			continue;
		}
		w->step.req.result = STORE_UNKNOWN;
		engine_submit(e, &w->step.req);
	}
}

void work_problem(const struct work *w, struct problem *p)
{
	const struct step *s = &w->step;

	if (s->req.result == STORE_REFUSED && s->refusal == REFUSAL_RUN_OVER)
		problem_set(p, 400, "%s", RUNS_OVER);
	else if (s->req.result == STORE_REFUSED && s->refusal == REFUSAL_LIMIT)
		problem_set(p, 412,
			    "quota maxEntriesPerRun exceeded, current limits: %d entries, "
			    "%d bytes",
			    LIMIT_RUN_ENTRIES, LIMIT_RUN_BYTES);
	else if (s->req.result == STORE_REFUSED && s->refusal == REFUSAL_QUOTA)
		engine_put_problem(p, s, &w->move[s->refused_move]);
	else
		engine_store_problem(p, &s->req, s->refusal);
}
