/* h_logs.c - GET /v2/logs and /v2/events (spec 2.2.10). */
#include "api/call.h"
#include "api/handlers.h"
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

static void list(struct call *c, bool both_keys)
{
	struct logs_query *q = arena_new(call_arena(c), struct logs_query);
	struct filter_source src = { FILTER_LOGS, c->req->query, STR_NULL };

	if (!filter_parse(call_arena(c), &src, &q->filter, &q->problem)) {
		call_fail(c, &q->problem);
		return;
	}
	q->kind = LOGS_LIST;
	q->both_keys = both_keys;
	q->done = answered;
	q->arg = c;
	call_ask_log(c, q);
}

void h_logs_list(struct call *c)
{
	list(c, true);
}

void h_logs_events(struct call *c)
{
	list(c, false);
}
