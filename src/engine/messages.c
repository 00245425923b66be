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

struct cancel_job {
	struct engine *engine;
	struct message_cancel *op;
	struct step step[CANCEL_PAGE];
	struct move move[CANCEL_PAGE];
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
	if (job->next_id == job->op->ids_n || job->op->problem.status != 0)
		cancel_finish(job);
	else
		cancel_page(job);
}

static void cancel_page(struct cancel_job *job)
{
	const struct message_cancel *op = job->op;
	size_t n = op->ids_n - job->next_id;

	job->pending = n < CANCEL_PAGE ? n : CANCEL_PAGE;
	for (size_t i = 0; i < job->pending; i++) {
		job->move[i] = (struct move){
			.kind = MOVE_CANCEL,
			.cancel = { .user = op->account->user.id, .id = op->ids[job->next_id++] },
		};
		step_init(&job->step[i], &job->move[i], 1, cancel_done, job);
		engine_submit(job->engine, &job->step[i].req);
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
