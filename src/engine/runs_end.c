/* runs_end.c - runs that are finished or cancelled from outside, and the history of one that is open. */
#include <stdlib.h>

#include "base/check.h"
#include "engine/runs.h"

/* ---- one ------------------------------------------------------------------------------------- */

static void end_finish(struct work *w)
{
	struct run_finish *op = w->arg;

	work_free(w);
	op->done(op);
}

static void end_build(struct work *w)
{
	const struct run_finish *op = w->arg;

	runs_end(w, &(struct runs_end){
			    .how = op->cancel ? RUNBODY_CANCELED : RUNBODY_SUCCESS,
			    .result = op->result,
		    });
}

/* Whether an id that is not open was ever used, only the end itself can tell; it must not meet a run that has
 * begun meanwhile. */
static void end_build_bare(struct work *w)
{
	const struct run_finish *op = w->arg;
	struct move *move = work_move(w, MOVE_RUN_END);

	move->run_end.user = str_c(w->account->id);
	move->run_end.run =
		(struct run_ref){ op->run.name, op->run.created_ms ? op->run.created_ms : 1 };
	move->run_end.until_ms = runs_kept_until(w->engine, w->account);
}

static void end_done(struct work *w)
{
	struct run_finish *op = w->arg;
	const struct step *s = &w->step;

	if (s->req.result == STORE_APPLIED)
		op->ended = true;
	else if (s->req.result != STORE_REFUSED || s->refusal != REFUSAL_RUN_OVER)
		work_problem(w, &op->problem);
	if (op->problem.status == 404)
		problem_set(&op->problem, 404, "workflow run not found");
	end_finish(w);
}

static void end_read(struct work *w)
{
	w->build = w->open ? end_build : end_build_bare;
	work_do(w);
}

void engine_run_finish(struct engine *e, struct run_finish *op)
{
	struct work *w = work_new(e, op->account, op);

	op->ended = false;
	w->read = end_read;
	w->done = end_done;
	work_read(w, &op->run, false);
}

/* ---- several --------------------------------------------------------------------------------- */

enum { CANCEL_PAGE = 100, CANCEL_PAGE_BYTES = 8 * 1024 * 1024 };

struct cancel_job {
	struct engine *engine;
	struct run_cancel *op;
	struct scan scan;
	struct arena names; /* of the page's runs */
	struct run_finish end[CANCEL_PAGE];
	size_t n, pending;
	size_t next_id; /* of op->ids */
	struct str after;
	bool last_page;
};

static void cancel_page(struct cancel_job *job);

static void cancel_finish(struct cancel_job *job)
{
	struct run_cancel *op = job->op;

	arena_done(&job->names);
	free(job);
	op->done(op);
}

static void cancel_next(struct cancel_job *job)
{
	if (job->last_page || job->op->problem.status != 0)
		cancel_finish(job);
	else
		cancel_page(job);
}

/* One that is over, or never was, is none. */
static void cancelled_one(struct run_finish *end)
{
	struct cancel_job *job = end->arg;

	if (end->problem.status == 0)
		job->op->cancelled += end->ended;
	else if (end->problem.status != 404)
		job->op->problem = end->problem;
	if (--job->pending == 0)
		cancel_next(job);
}

static void cancel_add(struct cancel_job *job, struct str id, int64_t created_ms)
{
	check(job->n < CANCEL_PAGE);
	job->end[job->n++] = (struct run_finish){
		.account = job->op->account,
		.run = { id, created_ms },
		.cancel = true,
		.done = cancelled_one,
		.arg = job,
	};
}

static void cancel_submit(struct cancel_job *job)
{
	size_t n = job->n;

	job->pending = n;
	if (n == 0)
		cancel_next(job);
	for (size_t i = 0; i < n; i++)
		engine_run_finish(job->engine, &job->end[i]);
}

static bool cancel_enough(const struct cancel_job *job)
{
	const struct run_cancel *op = job->op;

	return op->max > 0 && op->cancelled + (int64_t)job->n >= op->max;
}

static void cancel_scanned(struct store_req *req)
{
	struct cancel_job *job = req->arg;
	struct scan *s = &job->scan;

	engine_answered(job->engine);
	job->last_page = true;
	if (req->result != STORE_APPLIED)
		engine_store_problem(&job->op->problem, req, REFUSAL_NONE);
	for (size_t i = 0; i < s->rows && !cancel_enough(job); i++) {
		struct str id = arena_str(&job->names, s->row[i].name);
		struct run r;

		job->last_page = !s->more;
		job->after = id;
		if (run_decode(&s->arena, s->row[i].record, &r) &&
		    job->op->matches(job->op, id, &r))
			cancel_add(job, id, r.created_ms);
	}
	job->last_page = job->last_page || cancel_enough(job);
	arena_done(&s->arena);
	cancel_submit(job);
}

static void cancel_page(struct cancel_job *job)
{
	const struct run_cancel *op = job->op;
	struct arena former = job->names;

	job->n = 0;
	if (op->ids_n > 0) {
		while (job->next_id < op->ids_n && job->n < CANCEL_PAGE)
			cancel_add(job, op->ids[job->next_id++], 0);
		job->last_page = job->next_id == op->ids_n;
		cancel_submit(job);
		return;
	}
	arena_init(&job->names);
	job->after = arena_str(&job->names, job->after);
	arena_done(&former);
	scan_init(&job->scan, SCAN_RUNS, cancel_scanned, job);
	job->scan.user = str_c(op->account->id);
	job->scan.name = job->after;
	job->scan.max = CANCEL_PAGE;
	job->scan.bytes_max = CANCEL_PAGE_BYTES;
	arena_init(&job->scan.arena);
	engine_submit(job->engine, &job->scan.req);
}

void engine_run_cancel(struct engine *e, struct run_cancel *op)
{
	struct cancel_job *job = xcalloc(1, sizeof(*job));

	check(op->ids_n > 0 || op->matches != NULL);
	engine_look(e);
	job->engine = e;
	job->op = op;
	arena_init(&job->names);
	op->cancelled = 0;
	cancel_page(job);
}

/* ---- the history ----------------------------------------------------------------------------- */

enum { HISTORY_PAGE = 500, HISTORY_PAGE_BYTES = 8 * 1024 * 1024 };

struct history_job {
	struct engine *engine;
	struct run_history *op;
	struct scan scan;
	struct json_out json;
	struct run_ref run;
	struct msg_id after;
};

static void history_page(struct history_job *job);

static void history_finish(struct history_job *job)
{
	struct run_history *op = job->op;

	free(job);
	op->done(op);
}

static bool history_take(struct history_job *job)
{
	struct run_history *op = job->op;
	const struct scan *s = &job->scan;

	if (!s->run_found.open)
		return problem_set(&op->problem, 404, "workflow run not found");
	job->run.created_ms = s->run_found.created_ms;
	for (size_t i = 0; i < s->rows; i++) {
		runbody_entry(&job->json,
			      &(struct runbody_entry){
				      .id = s->row[i].id,
				      .body = s->row[i].record,
				      .is_config = s->row[i].run_entry == RUN_ENTRY_CONFIG,
			      });
		job->after = s->row[i].id;
	}
	return s->more;
}

static void history_read(struct store_req *req)
{
	struct history_job *job = req->arg;
	bool more = false;

	engine_answered(job->engine);
	if (req->result != STORE_APPLIED)
		engine_store_problem(&job->op->problem, req, REFUSAL_NONE);
	else
		more = history_take(job);
	arena_done(&job->scan.arena);
	if (more) {
		history_page(job);
		return;
	}
	json_close(&job->json, ']');
	history_finish(job);
}

static void history_page(struct history_job *job)
{
	scan_init(&job->scan, SCAN_RUN, history_read, job);
	job->scan.user = str_c(job->op->account->id);
	job->scan.run = job->run;
	job->scan.id = job->after;
	job->scan.run_until = UINT64_MAX;
	job->scan.max = HISTORY_PAGE;
	job->scan.bytes_max = HISTORY_PAGE_BYTES;
	arena_init(&job->scan.arena);
	engine_submit(job->engine, &job->scan.req);
}

void engine_run_history(struct engine *e, struct run_history *op)
{
	struct history_job *job = xcalloc(1, sizeof(*job));

	job->engine = e;
	job->op = op;
	job->run.name = op->id;
	buf_init(&op->body, RECORD_BYTES_MAX);
	job->json = json_out(&op->body);
	json_open(&job->json, '[');
	history_page(job);
}
