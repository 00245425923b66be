/* messages.c - looking at one message, and cancelling one, several or all that match.
 *
 * A bulk cancel walks the user's messages a page at a time, so that the store and this loop stay free
 * for others in between.
 */
#include "engine/engine_int.h"

#include <stdlib.h>

#include "base/check.h"

enum { CANCEL_PAGE = 500 };

/* ---- one message ------------------------------------------------------------------------------------ */

static void get_done(struct store_req *req)
{
	struct message_get *op = req->arg;

	engine_answered(op->engine);
	if (req->result != STORE_APPLIED)
		engine_store_problem(&op->problem, req, REFUSAL_NONE);
	else if (op->scan.rows == 0)
		problem_set(&op->problem, 404, "message not found");
	else if (!msg_decode(&op->arena, arena_str(&op->arena, op->scan.row[0].record), &op->msg))
		problem_set(&op->problem, 500, "the record of this message is broken");
	arena_done(&op->scan.arena);
	op->done(op);
}

void engine_message_get(struct engine *e, struct message_get *op)
{
	op->engine = e;
	scan_init(&op->scan, SCAN_MESSAGE, get_done, op);
	op->scan.user = op->account->user.id;
	op->scan.id = op->id;
	op->scan.max = 1;
	op->scan.bytes_max = SIZE_MAX;
	arena_init(&op->scan.arena);
	engine_submit(e, &op->scan.req);
}

/* ---- cancelling ------------------------------------------------------------------------------------- */

struct cancel_job {
	struct engine *engine;
	struct message_cancel *op;
	struct scan scan;
	struct step step[CANCEL_PAGE];
	struct move move[CANCEL_PAGE];
	size_t pending;
	size_t next_id; /* of op->ids */
	bool last_page;
};

static void cancel_page(struct cancel_job *job);

static void cancel_finish(struct cancel_job *job)
{
	struct message_cancel *op = job->op;

	free(job);
	op->done(op);
}

/* An attempt that runs here is let end; its settle finds the cancel (store.h, was_cancelled). */
static void cancel_done(struct store_req *req)
{
	struct cancel_job *job = req->arg;
	struct step *s = container_of(req, struct step, req);

	engine_answered(job->engine);
	if (req->result == STORE_APPLIED) {
		job->op->cancelled++;
		job->engine->stats.cancelled++;
		job->engine->claim_wanted = true;
	} else if (req->result != STORE_REFUSED) {
		engine_store_problem(&job->op->problem, req, s->refusal);
	}
	if (--job->pending > 0)
		return;
	if (job->last_page || job->op->problem.status != 0)
		cancel_finish(job);
	else
		cancel_page(job);
}

static void cancel_one(struct cancel_job *job, struct msg_id id)
{
	size_t i = job->pending++;

	job->move[i] = (struct move){
		.kind = MOVE_CANCEL,
		.cancel = { .user = job->op->account->user.id, .id = id },
	};
	step_init(&job->step[i], &job->move[i], 1, cancel_done, job);
}

/* Hands over what cancel_one collected, or goes on at once when that was nothing. */
static void cancel_submit(struct cancel_job *job)
{
	size_t n = job->pending;

	if (n == 0 && job->last_page)
		cancel_finish(job);
	else if (n == 0)
		cancel_page(job);
	for (size_t i = 0; i < n; i++)
		engine_submit(job->engine, &job->step[i].req);
}

static void cancel_ids(struct cancel_job *job)
{
	const struct message_cancel *op = job->op;

	while (job->next_id < op->ids_n && job->pending < CANCEL_PAGE)
		cancel_one(job, op->ids[job->next_id++]);
	job->last_page = job->next_id == op->ids_n;
	cancel_submit(job);
}

static bool cancel_enough(const struct cancel_job *job)
{
	const struct message_cancel *op = job->op;

	return op->max > 0 && op->cancelled + (int64_t)job->pending >= op->max;
}

static void cancel_scanned(struct store_req *req)
{
	struct cancel_job *job = req->arg;
	struct scan *s = &job->scan;

	engine_answered(job->engine);
	if (req->result != STORE_APPLIED) {
		engine_store_problem(&job->op->problem, req, REFUSAL_NONE);
		arena_done(&s->arena);
		cancel_finish(job);
		return;
	}
	for (size_t i = 0; i < s->rows && !cancel_enough(job); i++) {
		struct msg m;

		if (msg_decode(&s->arena, s->row[i].record, &m) &&
		    filter_match_msg(job->op->filter, &m))
			cancel_one(job, s->row[i].id);
	}
	job->last_page = !s->more || cancel_enough(job);
	s->id = s->at_id;
	arena_done(&s->arena);
	cancel_submit(job);
}

static void cancel_page(struct cancel_job *job)
{
	struct msg_id after = job->scan.id;

	if (job->op->ids_n > 0) {
		cancel_ids(job);
		return;
	}
	scan_init(&job->scan, SCAN_MESSAGES, cancel_scanned, job);
	job->scan.user = job->op->account->user.id;
	job->scan.id = after;
	job->scan.max = CANCEL_PAGE;
	job->scan.bytes_max = 8 * 1024 * 1024;
	arena_init(&job->scan.arena);
	engine_submit(job->engine, &job->scan.req);
}

void engine_message_cancel(struct engine *e, struct message_cancel *op)
{
	struct cancel_job *job = xcalloc(1, sizeof(*job));

	check(op->ids_n > 0 || op->filter != NULL);
	job->engine = e;
	job->op = op;
	op->cancelled = 0;
	cancel_page(job);
}
