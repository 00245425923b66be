/* gates.c - looking at gates and changing them by hand.
 *
 * A list walks all gates of a kind, a page of the store at a time, and hands each to the caller at once, so that no
 * more than a page is held here.
 */
#include "base/check.h"
#include "engine/engine_int.h"

enum { GATES_PAGE = 1000 };

/* ---- changing --------------------------------------------------------------------------------------- */

static void change_refused(struct gate_change *op)
{
	const struct step *s = &op->step;

	if (s->req.result == STORE_REFUSED && s->refusal == REFUSAL_LIMIT)
		problem_set(&op->problem, 412, "quota maxQueues exceeded, current limit: %lld",
			    (long long)op->move.gate.count_max);
	else
		engine_store_problem(&op->problem, &s->req, s->refusal);
}

static void changed(struct store_req *req)
{
	struct gate_change *op = req->arg;

	engine_answered(op->engine);
	if (req->result == STORE_APPLIED)
		op->engine->claim_wanted = true;
	else
		change_refused(op);
	op->done(op);
}

void engine_gate_change(struct engine *e, struct gate_change *op)
{
	check(op->move.gate.gate == GATE_USER || op->move.gate.name.n > 0);
	engine_look(e);
	op->engine = e;
	op->move.kind = MOVE_GATE;
	op->move.gate.user = op->account->user.id;
	step_init(&op->step, &op->move, 1, changed, op);
	engine_submit(e, &op->step.req);
}

/* ---- looking ---------------------------------------------------------------------------------------- */

static void list_page(struct gate_list *op, struct str after);

static void listed(struct store_req *req)
{
	struct gate_list *op = req->arg;
	struct arena page = op->scan.arena;

	engine_answered(op->engine);
	if (req->result != STORE_APPLIED)
		engine_store_problem(&op->problem, req, REFUSAL_NONE);
	for (size_t i = 0; i < op->scan.rows; i++)
		op->each(op, &op->scan.row[i]);
	/* The next page starts behind a name in this one, which therefore lives until it is asked for. */
	if (op->problem.status == 0 && op->scan.more && op->scan.rows > 0 && !op->scan.exact) {
		list_page(op, op->scan.row[op->scan.rows - 1].name);
		arena_done(&page);
		return;
	}
	arena_done(&page);
	op->done(op);
}

static void list_page(struct gate_list *op, struct str after)
{
	scan_init(&op->scan, SCAN_GATES, listed, op);
	arena_init(&op->scan.arena);
	op->scan.user = op->account->user.id;
	op->scan.gate = op->kind;
	op->scan.exact = op->name.n > 0;
	op->scan.name = op->scan.exact ? op->name : arena_str(&op->scan.arena, after);
	op->scan.max = GATES_PAGE;
	op->scan.bytes_max = SIZE_MAX;
	engine_submit(op->engine, &op->scan.req);
}

void engine_gate_list(struct engine *e, struct gate_list *op)
{
	check(op->each != NULL);
	engine_look(e);
	op->engine = e;
	list_page(op, STR_NULL);
}

/* ---- deleting a queue ------------------------------------------------------------------------------- */

static void delete_end(struct queue_delete *op, const struct problem *p)
{
	op->problem = *p;
	op->done(op);
}

static void delete_removed(struct gate_change *remove)
{
	delete_end(remove->arg, &remove->problem);
}

static void delete_gate(struct queue_delete *op, struct engine *e)
{
	op->remove =
		(struct gate_change){ .account = op->account, .done = delete_removed, .arg = op };
	op->remove.move.gate.gate = GATE_QUEUE;
	op->remove.move.gate.name = op->name;
	op->remove.move.gate.op = GATE_REMOVE;
	engine_gate_change(e, &op->remove);
}

static void delete_cancelled(struct bulk_cancel *cancel)
{
	struct queue_delete *op = cancel->arg;

	if (cancel->problem.status != 0)
		delete_end(op, &cancel->problem);
	else
		delete_gate(op, op->look.engine);
}

static void delete_saw(struct gate_list *look, const struct scan_row *row)
{
	struct queue_delete *op = look->arg;

	op->has_messages = row->waiting > 0;
}

static void delete_looked(struct gate_list *look)
{
	struct queue_delete *op = look->arg;

	if (look->problem.status != 0) {
		delete_end(op, &look->problem);
	} else if (!op->has_messages) {
		delete_gate(op, look->engine);
	} else {
		op->filter = (struct filter){ .use = FILTER_CANCEL,
					      .from_ms = INT64_MIN,
					      .to_ms = INT64_MAX };
		op->filter.field[FILTER_QUEUE] = (struct filter_values){ &op->name, 1 };
		op->cancel = (struct bulk_cancel){
			.account = op->account,
			.filter = &op->filter,
			.wait_ms = INT64_MAX,
			.done = delete_cancelled,
			.arg = op,
		};
		engine_bulk_cancel(look->engine, &op->cancel);
	}
}

/* A cancel by queue walks all messages of the user, so an empty queue is spared it. */
void engine_queue_delete(struct engine *e, struct queue_delete *op)
{
	check(op->name.n > 0);
	op->has_messages = false;
	op->look = (struct gate_list){
		.account = op->account,
		.kind = GATE_QUEUE,
		.name = op->name,
		.each = delete_saw,
		.done = delete_looked,
		.arg = op,
	};
	engine_gate_list(e, &op->look);
}
