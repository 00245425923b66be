/* h_workflow.c - workflow runs: their history, their end (workflow spec 5.11 to 5.13, 10.2). */
#include "api/call.h"
#include "api/handlers.h"
#include "core/query.h"
#include "core/runfilter.h"

enum { CANCEL_DEFAULT = 100 };

/* ---- the history ----------------------------------------------------------------------------- */

static void history_read(struct run_history *op)
{
	struct call *c = op->arg;
	struct buf body = op->body;

	if (op->problem.status == 0 && body.overflow)
		problem_set(&op->problem, 413, "the history of this run is too long");
	if (op->problem.status != 0)
		call_fail(c, &op->problem);
	else
		call_answer_text(c, 200, buf_str(&body));
	buf_done(&body);
}

void h_workflow_history(struct call *c)
{
	struct run_history *op = arena_new(call_arena(c), struct run_history);

	op->account = c->account;
	op->id = c->id[0];
	op->done = history_read;
	op->arg = c;
	engine_run_history(c->engine, op);
}

/* ---- one ------------------------------------------------------------------------------------- */

/* That it was over before is no problem: the SDK may ask twice. */
static void ended(struct run_finish *op)
{
	struct call *c = op->arg;

	if (op->problem.status != 0)
		call_fail(c, &op->problem);
	else
		call_answer_count(c, STR("cancelled"), op->ended && op->cancel);
}

void h_workflow_end(struct call *c)
{
	struct run_finish *op = arena_new(call_arena(c), struct run_finish);
	struct str created = str_trim(httpd_field(c->req, STR("Upstash-Workflow-CreatedAt")));
	struct str cancel = STR_NULL;

	if (!query_get(call_arena(c), c->req->query, STR("cancel"), &cancel) ||
	    (cancel.n > 0 && !str_eq(cancel, STR("true")) && !str_eq(cancel, STR("false")))) {
		call_refuse(c, 400, "cancel: true and false are allowed");
		return;
	}
	op->run.name = c->id[0];
	if (created.n > 0 && !str_i64(created, &op->run.created_ms)) {
		call_refuse(c, 400, "Upstash-Workflow-CreatedAt: an integer is allowed");
		return;
	}
	op->account = c->account;
	op->cancel = !str_eq(cancel, STR("false"));
	op->result = op->cancel ? STR_NULL : c->req->body;
	op->done = ended;
	op->arg = c;
	engine_run_finish(c->engine, op);
}

/* ---- several --------------------------------------------------------------------------------- */

struct cancelling {
	struct run_cancel op;
	struct runfilter filter;
	struct problem problem;
};

static bool matches(struct run_cancel *op, struct str id, const struct run *r)
{
	const struct cancelling *k = op->arg;

	return runfilter_match(&k->filter, &r->trigger);
}

static void cancelled(struct run_cancel *op)
{
	struct call *c = op->priv;

	if (op->problem.status != 0)
		call_fail(c, &op->problem);
	else
		call_answer_count(c, STR("cancelled"), op->cancelled);
}

void h_workflow_cancel(struct call *c)
{
	struct cancelling *k = arena_new(call_arena(c), struct cancelling);
	const struct str source[2] = { c->req->query, c->req->body };

	if (!runfilter_parse(call_arena(c), RUNFILTER_CANCEL, source, &k->filter, &k->problem)) {
		call_fail(c, &k->problem);
		return;
	}
	k->op = (struct run_cancel){
		.account = c->account,
		.ids = k->filter.field[RUNFILTER_RUN].v,
		.ids_n = k->filter.field[RUNFILTER_RUN].n,
		.matches = matches,
		.max = k->filter.count > 0 ? k->filter.count : CANCEL_DEFAULT,
		.done = cancelled,
		.arg = k,
		.priv = c,
	};
	engine_run_cancel(c->engine, &k->op);
}
