/* h_workflow_logs.c - GET /v2/workflows/logs and /v2/workflows/events (workflow spec 8.4, 10.3). */
#include "api/call.h"
#include "api/handlers.h"
#include "core/limits.h"
#include "logs/logs.h"

static void answered(struct logs_query *q)
{
	struct call *c = q->arg;
	struct buf body = q->body;

	if (q->problem.status != 0)
		call_fail(c, &q->problem);
	else
		call_answer_text(c, 200, buf_str(&body));
	buf_done(&body);
}

static bool is_state(struct str s)
{
	static const char *const known[] = {
		"RUN_STARTED",       "RUN_SUCCESS",         "RUN_FAILED",       "RUN_CANCELED",
		"STEP_PROGRESS",     "STEP_SUCCESS",        "STEP_RETRY",       "STEP_FAILED",
		"STEP_CANCELED",     "CALLBACK_INPROGRESS", "CALLBACK_SUCCESS", "CALLBACK_FAIL",
		"CALLBACK_CANCELED",
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (str_eq(s, str_c(known[i])))
			return true;
	}
	return false;
}

static bool judge(struct logs_query *q)
{
	const struct runfilter *f = &q->run;

	for (size_t i = 0; i < f->field[RUNFILTER_STATE].n; i++) {
		if (!is_state(f->field[RUNFILTER_STATE].v[i]))
			return problem_set(&q->problem, 400,
					   "state: that of a run (RUN_STARTED and the like) or of "
					   "a step (STEP_PROGRESS and the like) is allowed");
	}
	for (size_t i = 0; i < f->field[RUNFILTER_URL].n; i++) {
		if (!str_istarts(f->field[RUNFILTER_URL].v[i], STR("http")))
			return problem_set(&q->problem, 400,
					   "workflowUrl: a URL that begins with http is allowed");
	}
	return true;
}

static void list(struct call *c, bool grouped)
{
	struct logs_query *q = arena_new(call_arena(c), struct logs_query);
	const struct str source[2] = { c->req->query, STR_NULL };

	if (!runfilter_parse(call_arena(c), RUNFILTER_LOGS, source, &q->run, &q->problem) ||
	    !judge(q)) {
		call_fail(c, &q->problem);
		return;
	}
	q->kind = grouped || q->run.group_by.n > 0 ? LOGS_RUNS : LOGS_RUN_EVENTS;
	q->filter = (struct filter){
		.use = FILTER_LOGS,
		.from_ms = q->run.from_ms,
		.to_ms = q->run.to_ms,
		.count = LIMIT_PAGE_LOGS,
		.cursor = q->run.cursor,
		.latest_first = true,
	};
	if (q->run.count > 0 && q->run.count < LIMIT_PAGE_LOGS)
		q->filter.count = q->run.count;
	q->done = answered;
	q->arg = c;
	call_ask_log(c, q);
}

void h_workflow_logs(struct call *c)
{
	list(c, true);
}

void h_workflow_events(struct call *c)
{
	list(c, false);
}
