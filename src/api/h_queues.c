/* h_queues.c - queues (spec 2.2.5, 5.1). */
#include "api/body.h"
#include "api/gates.h"
#include "api/handlers.h"
#include "core/names.h"

#define NOT_FOUND "queue not found"

/* False with the call answered. */
static bool name_is_good(struct call *c, struct str name)
{
	if (name_is_valid(name))
		return true;
	call_refuse(c, 400, "queueName: " NAMES_ALLOWED);
	return false;
}

/* ---- changing -------------------------------------------------------------------------------- */

static bool parallelism_fits(const struct plan *plan, int64_t n, struct problem *p)
{
	if (plan->queue_parallelism_max > 0 && n > plan->queue_parallelism_max)
		return problem_set(p, 412,
				   "quota maxQueueParallelism exceeded, current limit: %lld",
				   (long long)plan->queue_parallelism_max);
	return true;
}

void h_queues_upsert(struct call *c)
{
	struct gates_change *q = gates_change(c, GATE_QUEUE, GATE_SET, NOT_FOUND);
	struct body_queue body;

	if (!body_read_queue(call_arena(c), c->req->body, &body, &q->problem) ||
	    !parallelism_fits(c->plan, body.parallelism, &q->problem)) {
		call_fail(c, &q->problem);
		return;
	}
	q->op.move.gate.name = body.name;
	q->op.move.gate.parallelism = body.parallelism;
	q->op.move.gate.paused = body.paused;
	q->op.move.gate.count_max = c->plan->queues_max;
	gates_submit(c, q);
}

void h_queues_pause(struct call *c)
{
	if (name_is_good(c, c->id[0]))
		gates_submit(c, gates_change(c, GATE_QUEUE, GATE_PAUSE, NOT_FOUND));
}

void h_queues_resume(struct call *c)
{
	if (name_is_good(c, c->id[0]))
		gates_submit(c, gates_change(c, GATE_QUEUE, GATE_RESUME, NOT_FOUND));
}

static void deleted(struct queue_delete *op)
{
	struct call *c = op->arg;

	if (op->problem.status != 0)
		call_fail(c, &op->problem);
	else
		call_answer_text(c, 200, STR_NULL);
}

void h_queues_delete(struct call *c)
{
	struct queue_delete *op;

	if (!name_is_good(c, c->id[0]))
		return;
	op = arena_new(call_arena(c), struct queue_delete);
	op->account = c->account;
	op->name = c->id[0];
	op->done = deleted;
	op->arg = c;
	engine_queue_delete(c->engine, op);
}

/* ---- looking --------------------------------------------------------------------------------- */

static void queue_object(struct json_out *j, const struct scan_row *row)
{
	json_open(j, '{');
	json_kstr(j, STR("name"), row->name);
	json_kint(j, STR("createdAt"), row->created_ms);
	json_kint(j, STR("updatedAt"), row->updated_ms);
	json_kint(j, STR("parallelism"), row->gate.parallelism_max);
	json_kbool(j, STR("paused"), row->gate.paused);
	json_kint(j, STR("lag"), row->waiting);
	json_close(j, '}');
}

void h_queues_list(struct call *c)
{
	gates_answer(c, &(struct gates_ask){ .kind = GATE_QUEUE, .write = queue_object });
}

void h_queues_get(struct call *c)
{
	if (name_is_good(c, c->id[0]))
		gates_answer(c, &(struct gates_ask){ .kind = GATE_QUEUE,
						     .name = c->id[0],
						     .missing = NOT_FOUND,
						     .write = queue_object });
}
