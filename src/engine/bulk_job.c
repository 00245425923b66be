/* bulk_job.c - what a job does in its turn: a page of messages, or something about the document of its action. */
#include "engine/bulk_int.h"

#include <stdlib.h>

#include "base/check.h"

enum {
	PAGE_ACTS = 50,                /* messages acted upon in one step */
	PAGE_ROWS_MAX = 250,           /* looked at where few match */
	PAGE_BYTES = 128 * 1024,       /* of records */
	PAGE_ARENA_BYTES = 256 * 1024, /* enough for nearly every page */
	BREATH_MS_MAX = 100,           /* between two pages while others publish */
	KEEP_MS = 5 * 1000,            /* a running action's document is due so far ahead */
	WRITE_MS = 1000,               /* it is written as often, if nothing matches either */
	AGAIN_MS = 500, /* pause when the store gave no clear answer or another was faster */
};
#define FORGET_MS (7 * 24 * 3600 * (int64_t)1000)

/* ---- its life --------------------------------------------------------------------------------------- */

struct bulk_job *bulk_job_new(struct engine *e, struct str user)
{
	struct bulk_job *job = xcalloc(1, sizeof(*job));

	job->engine = e;
	job->rows_max = PAGE_ACTS;
	arena_init(&job->arena);
	buf_init(&job->value, BULK_DOC_BYTES_MAX);
	job->user = arena_str(&job->arena, user);
	list_push(&e->bulks, &job->node);
	return job;
}

void bulk_job_free(struct bulk_job *job)
{
	struct engine *e = job->engine;

	list_remove(&job->node);
	if (list_is_empty(&e->bulks))
		arena_done(&e->bulk_arena);
	buf_done(&job->value);
	arena_done(&job->arena);
	free(job);
}

/* The page is over; the next job may have its turn. While others publish, the store is theirs for as long as the
 * page took. */
static void job_rest(struct bulk_job *job)
{
	struct engine *e = job->engine;
	int64_t took_ms = e->mono_ms - e->bulk_began_mono_ms;

	check(e->bulk_busy == job);
	arena_reset(&job->scan.arena);
	e->bulk_arena = job->scan.arena;
	e->bulk_busy = NULL;
	e->bulk_at_mono_ms = e->mono_ms;
	if (e->stats.published != e->bulk_published)
		e->bulk_at_mono_ms += took_ms < BREATH_MS_MAX ? took_ms : BREATH_MS_MAX;
	e->bulk_published = e->stats.published;
}

void bulk_job_answer(struct bulk_job *job, const struct problem *p)
{
	struct bulk_cancel *op = job->op;

	if (op == NULL)
		return;
	job->op = NULL;
	op->problem = *p;
	op->cancelled = job->bulk.processed;
	op->id = job->made ? job->bulk.id : STR_NULL;
	op->done(op);
}

static void job_end(struct bulk_job *job, const struct problem *p)
{
	job_rest(job);
	bulk_job_answer(job, p);
	bulk_job_free(job);
}

/* Without a document nothing is promised: say so and leave it. With one, see what it says now. */
static void job_trouble(struct bulk_job *job, const struct store_req *req, enum refusal refusal)
{
	bool may_exist =
		job->made || (job->does == BULK_DOES_MAKE && req->result != STORE_UNAVAILABLE);
	struct problem p = { 0 };

	if (!may_exist) {
		engine_store_problem(&p, req, refusal);
		job_end(job, &p);
		return;
	}
	job->does = BULK_DOES_READ;
	job->at_mono_ms = job->engine->mono_ms + AGAIN_MS;
	job_rest(job);
}

/* ---- the document ----------------------------------------------------------------------------------- */

/* Puts job->next into move[0]. */
static void put_document(struct bulk_job *job)
{
	struct engine *e = job->engine;
	bool finished = job->next.phase == BULK_FINISHED;

	buf_reset(&job->value);
	bulk_encode(&job->value, &job->next);
	check(!job->value.overflow);
	job->move[0] = (struct move){
		.kind = MOVE_DOC_PUT,
		.doc_put = {
			.doc = DOC_BULK,
			.user = job->user,
			.name = job->bulk.id,
			.value = buf_str(&job->value),
			.version = job->version,
			.due_ms = e->now_ms + (finished ? FORGET_MS : KEEP_MS),
		},
	};
}

static void document_written(struct bulk_job *job)
{
	job->made = true;
	job->version = job->move[0].doc_put.new_version;
	job->written_mono_ms = job->engine->mono_ms;
}

static void made(struct store_req *req)
{
	struct bulk_job *job = req->arg;

	engine_answered(job->engine);
	if (req->result != STORE_APPLIED) {
		job_trouble(job, req, job->step.refusal);
		return;
	}
	document_written(job);
	job->bulk = job->next;
	job->does = BULK_DOES_WORK;
	job_rest(job);
	if (job->op != NULL && job->op->wait_ms == 0)
		bulk_job_answer(job, &(struct problem){ 0 });
}

static void job_make(struct bulk_job *job)
{
	job->next = job->bulk;
	job->next.phase = BULK_COUNTING;
	job->next.total = job->bulk.processed;
	job->next.at_seq = 0;
	job->move = arena_array(&job->scan.arena, struct move, 1);
	put_document(job);
	step_init(&job->step, job->move, 1, made, job);
	engine_submit(job->engine, &job->step.req);
}

bool bulk_job_take(struct bulk_job *job, struct str value, int64_t version)
{
	struct arena fresh;
	struct bulk b;

	arena_init(&fresh);
	if (!bulk_decode(&fresh, arena_str(&fresh, value), &b)) {
		arena_done(&fresh);
		return false;
	}
	job->user = arena_str(&fresh, job->user);
	arena_done(&job->arena);
	job->arena = fresh;
	job->bulk = b;
	job->version = version;
	job->made = true;
	job->does = BULK_DOES_WORK;
	return true;
}

static void read_done(struct store_req *req)
{
	struct bulk_job *job = req->arg;
	struct scan *s = &job->scan;
	struct problem p = { 0 };

	engine_answered(job->engine);
	if (req->result != STORE_APPLIED) {
		job_trouble(job, req, REFUSAL_NONE);
	} else if (s->rows > 0 && !bulk_job_take(job, s->row[0].record, s->row[0].version)) {
		problem_set(&p, 500, "the record of this bulk action is broken");
		job_end(job, &p);
	} else if (s->rows == 0 && job->made) {
		problem_set(&p, 404, "the bulk action is gone");
		job_end(job, &p);
	} else if (s->rows > 0 && job->bulk.phase == BULK_FINISHED) {
		job_end(job, &p);
	} else {
		if (s->rows == 0)
			job->does = BULK_DOES_MAKE;
		job_rest(job);
	}
}

/* The scan of this turn, in the turn's arena. */
static void job_scan_init(struct bulk_job *job, enum scan_kind kind,
			  void (*done)(struct store_req *))
{
	struct arena arena = job->scan.arena;

	scan_init(&job->scan, kind, done, job);
	job->scan.arena = arena;
	job->scan.user = job->user;
}

static void job_read(struct bulk_job *job)
{
	job_scan_init(job, SCAN_DOCS, read_done);
	job->scan.doc = DOC_BULK;
	job->scan.name = job->bulk.id;
	job->scan.exact = true;
	job->scan.max = 1;
	job->scan.bytes_max = SIZE_MAX;
	engine_submit(job->engine, &job->scan.req);
}

static void removed(struct store_req *req)
{
	struct bulk_job *job = req->arg;

	engine_answered(job->engine);
	job_end(job, &(struct problem){ 0 });
}

static void job_remove(struct bulk_job *job)
{
	job->move = arena_array(&job->scan.arena, struct move, 1);
	job->move[0] = (struct move){
		.kind = MOVE_DOC_REMOVE,
		.doc_remove = { DOC_BULK, job->user, job->bulk.id, job->version },
	};
	step_init(&job->step, job->move, 1, removed, job);
	engine_submit(job->engine, &job->step.req);
}

/* ---- a page ----------------------------------------------------------------------------------------- */

static void page_done(struct bulk_job *job)
{
	job->bulk = job->next;
	job->engine->stats.cancelled += job->acts;
	job->engine->claim_wanted = job->engine->claim_wanted || job->acts > 0;
	if (job->bulk.phase == BULK_FINISHED) {
		job_end(job, &(struct problem){ 0 });
		return;
	}
	if (job->does == BULK_DOES_TRY)
		job->does = BULK_DOES_BOUND;
	job_rest(job);
}

static void page_write(struct bulk_job *job);

static void page_written(struct store_req *req)
{
	struct bulk_job *job = req->arg;
	struct step *s = &job->step;
	size_t act = s->refused_move + (job->made ? 0 : 1);

	engine_answered(job->engine);
	if (req->result == STORE_APPLIED) {
		if (job->made)
			document_written(job);
		page_done(job);
	} else if (req->result == STORE_REFUSED && act > 0) {
		/* That one ended meanwhile: those before it make a page, what is behind it the next. */
		job->next = job->bulk;
		job->next.processed += (int64_t)act - 1;
		job->next.at_seq = job->move[act].cancel.id.seq;
		job->acts = act - 1;
		page_write(job);
	} else {
		job_trouble(job, req, s->refusal);
	}
}

/* Hands over the acts, with the document if there is one; what is not worth a step is kept in mind. */
static void page_write(struct bulk_job *job)
{
	struct engine *e = job->engine;
	size_t first = job->made ? 0 : 1;
	bool due = job->made && (job->next.phase != job->bulk.phase ||
				 e->mono_ms >= job->written_mono_ms + WRITE_MS);

	if (job->acts == 0 && !due) {
		page_done(job);
		return;
	}
	if (job->made)
		put_document(job);
	step_init(&job->step, job->move + first, job->acts + 1 - first, page_written, job);
	engine_submit(e, &job->step.req);
}

/* A message of a workflow run is cancelled with its run, and not without it: the run would wait for ever. One that
 * cannot be read goes when all are to go. */
static bool row_matches(struct bulk_job *job, const struct scan_row *row)
{
	struct msg m;

	if (row->cancelled)
		return false;
	if (!msg_decode(&job->scan.arena, row->record, &m))
		return filter_is_empty(&job->bulk.filter);
	return m.run.n == 0 && filter_match_msg(&job->bulk.filter, &m);
}

static bool is_enough(const struct bulk_job *job)
{
	const struct bulk *b = &job->next;

	return b->max > 0 && (b->phase == BULK_COUNTING ? b->total : b->processed) >= b->max;
}

/* Counts it, or makes it one of the page's acts. */
static void take_row(struct bulk_job *job, const struct scan_row *row)
{
	if (job->next.phase == BULK_COUNTING) {
		job->next.total++;
		return;
	}
	job->next.processed++;
	job->move[++job->acts] = (struct move){
		.kind = MOVE_CANCEL,
		.cancel = { .user = job->user, .id = row->id },
	};
}

/* Takes the rows as far as a page goes. Returns whether there is nothing behind them for this phase. */
static bool take_rows(struct bulk_job *job)
{
	const struct scan *s = &job->scan;
	struct bulk *b = &job->next;

	for (size_t i = 0; i < s->rows; i++) {
		if (s->row[i].id.seq > b->until_seq || is_enough(job))
			return true;
		if (job->acts == PAGE_ACTS)
			return false;
		b->at_seq = s->row[i].id.seq;
		if (row_matches(job, &s->row[i]))
			take_row(job, &s->row[i]);
	}
	b->at_seq = s->at_id.seq;
	return !s->more || b->at_seq >= b->until_seq || is_enough(job);
}

/* A page in which little matches may look at more. */
static void tune_page(struct bulk_job *job)
{
	bool sparse = job->next.phase == BULK_COUNTING || job->acts < job->rows_max / 4;

	job->rows_max = !sparse                             ? PAGE_ACTS
			: 2 * job->rows_max < PAGE_ROWS_MAX ? 2 * job->rows_max
							    : PAGE_ROWS_MAX;
}

static void page_scanned(struct store_req *req)
{
	struct bulk_job *job = req->arg;
	struct bulk *b = &job->next;
	bool ends;

	engine_answered(job->engine);
	if (req->result != STORE_APPLIED) {
		job_trouble(job, req, REFUSAL_NONE);
		return;
	}
	*b = job->bulk;
	job->acts = 0;
	job->move = arena_array(&job->scan.arena, struct move, PAGE_ACTS + 1);
	ends = take_rows(job);
	tune_page(job);
	if (ends && b->phase == BULK_COUNTING) {
		b->phase = BULK_ACTING;
		b->at_seq = 0;
	} else if (ends) {
		b->phase = BULK_FINISHED;
		b->completed_ms = job->engine->now_ms;
	}
	page_write(job);
}

static void job_page(struct bulk_job *job)
{
	job_scan_init(job, SCAN_MESSAGES, page_scanned);
	job->scan.id.seq = job->bulk.at_seq;
	job->scan.max = job->rows_max;
	job->scan.bytes_max = PAGE_BYTES;
	engine_submit(job->engine, &job->scan.req);
}

/* ---- the last message ------------------------------------------------------------------------------- */

static void bound_scanned(struct store_req *req)
{
	struct bulk_job *job = req->arg;
	struct scan *s = &job->scan;

	engine_answered(job->engine);
	if (req->result != STORE_APPLIED) {
		job_trouble(job, req, REFUSAL_NONE);
		return;
	}
	if (s->at_id.seq > job->bulk.until_seq)
		job->bulk.until_seq = s->at_id.seq;
	if (!s->more)
		job->does = BULK_DOES_MAKE;
	job_rest(job);
}

/* This process gave no greater id than its last; another one's clock may be ahead. */
static void job_bound(struct bulk_job *job)
{
	struct engine *e = job->engine;

	if (job->bulk.until_seq == INT64_MAX)
		job->bulk.until_seq = e->last_seq;
	job_scan_init(job, SCAN_MESSAGES, bound_scanned);
	job->scan.id.seq = job->bulk.until_seq;
	job->scan.max = PAGE_ROWS_MAX;
	job->scan.bytes_max = PAGE_BYTES;
	engine_submit(e, &job->scan.req);
}

/* ---- its turn --------------------------------------------------------------------------------------- */

void bulk_job_go(struct bulk_job *job)
{
	struct engine *e = job->engine;

	list_remove(&job->node);
	list_push(&e->bulks, &job->node);
	e->bulk_busy = job;
	e->bulk_began_mono_ms = e->mono_ms;
	/* Memory that is given back after each page is asked for again at once, which costs more than the page. */
	if (e->bulk_arena.head == NULL)
		arena_reserve(&e->bulk_arena, PAGE_ARENA_BYTES);
	job->scan.arena = e->bulk_arena;
	arena_init(&e->bulk_arena);
	switch (job->does) {
	case BULK_DOES_BOUND:
		job_bound(job);
		break;
	case BULK_DOES_MAKE:
		job_make(job);
		break;
	case BULK_DOES_READ:
		job_read(job);
		break;
	case BULK_DOES_TRY:
	case BULK_DOES_WORK:
		job_page(job);
		break;
	case BULK_DOES_REMOVE:
		job_remove(job);
		break;
	}
}
