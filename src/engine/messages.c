/* messages.c - looking at one message, and cancelling messages by their ids. */
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

/* Each message is looked at first: one of a workflow run is cancelled with its run, and not without it, for
 * the run would wait for ever. */
struct cancel_job {
	struct engine *engine;
	struct message_cancel *op;
	struct cancel_one {
		struct cancel_job *job;
		struct scan scan;
		struct step step;
		struct move move;
	} one[CANCEL_PAGE];
	size_t pending;
	size_t next_id; /* of op->ids */
};

static void cancel_page(struct cancel_job *job);

static void cancel_finish(struct cancel_job *job)
{
	struct message_cancel *op = job->op;

	free(job);
	op->done(op);
}

static void cancel_one_over(struct cancel_job *job)
{
	if (--job->pending > 0)
		return;
	if (job->next_id == job->op->ids_n || job->op->problem.status != 0)
		cancel_finish(job);
	else
		cancel_page(job);
}

/* An attempt that runs here is let end; its settle finds the cancel (store.h, was_cancelled). */
static void cancel_done(struct store_req *req)
{
	struct cancel_one *one = req->arg;
	struct cancel_job *job = one->job;

	engine_answered(job->engine);
	if (req->result == STORE_APPLIED) {
		job->op->cancelled++;
		job->engine->stats.cancelled++;
		job->engine->claim_wanted = true;
	} else if (req->result != STORE_REFUSED) {
		engine_store_problem(&job->op->problem, req, one->step.refusal);
	}
	cancel_one_over(job);
}

/* False when it is a message of a run; of one alone that is said, among many it is passed over. */
static bool is_plain(struct cancel_one *one)
{
	struct message_cancel *op = one->job->op;
	struct msg m;

	if (!msg_decode(&one->scan.arena, one->scan.row[0].record, &m) || m.run.n == 0)
		return true;
	if (op->ids_n == 1)
		problem_set(&op->problem, 400,
			    "this message is part of workflow run %.*s and cannot be cancelled "
			    "without it; DELETE /v2/workflows/runs/%.*s cancels the run",
			    STR_FMT(m.run), STR_FMT(m.run));
	return false;
}

static void cancel_looked(struct store_req *req)
{
	struct cancel_one *one = req->arg;
	struct cancel_job *job = one->job;
	bool plain = false;

	engine_answered(job->engine);
	if (req->result != STORE_APPLIED)
		engine_store_problem(&job->op->problem, req, REFUSAL_NONE);
	else
		plain = one->scan.rows > 0 && is_plain(one);
	arena_done(&one->scan.arena);
	if (!plain) {
		cancel_one_over(job);
		return;
	}
	step_init(&one->step, &one->move, 1, cancel_done, one);
	engine_submit(job->engine, &one->step.req);
}

static void cancel_page(struct cancel_job *job)
{
	const struct message_cancel *op = job->op;
	size_t n = op->ids_n - job->next_id;

	job->pending = n < CANCEL_PAGE ? n : CANCEL_PAGE;
	for (size_t i = 0; i < job->pending; i++) {
		struct cancel_one *one = &job->one[i];

		one->job = job;
		one->move = (struct move){
			.kind = MOVE_CANCEL,
			.cancel = { .user = op->account->user.id, .id = op->ids[job->next_id++] },
		};
		scan_init(&one->scan, SCAN_MESSAGE, cancel_looked, one);
		one->scan.user = op->account->user.id;
		one->scan.id = one->move.cancel.id;
		one->scan.max = 1;
		one->scan.bytes_max = SIZE_MAX;
		arena_init(&one->scan.arena);
		engine_submit(job->engine, &one->scan.req);
	}
}

void engine_message_cancel(struct engine *e, struct message_cancel *op)
{
	struct cancel_job *job = xcalloc(1, sizeof(*job));

	check(op->ids_n > 0);
	job->engine = e;
	job->op = op;
	op->cancelled = 0;
	cancel_page(job);
}
