/* h_usage.c - GET /v2/usage: the plan, its limits, and what was used of them by day. */
#include <stdio.h>

#include "api/call.h"
#include "api/handlers.h"
#include "core/civil.h"
#include "core/query.h"

enum { DAYS_DEFAULT = 30 };

struct usage_call {
	struct usage_read op;
	struct call *call;
};

static void day_object(struct json_out *j, const struct usage *u)
{
	struct civil date = civil_date(u->day);
	char text[48];

	snprintf(text, sizeof(text), "%04lld-%02d-%02d", (long long)date.year, date.month,
		 date.day);
	json_open(j, '{');
	json_kstr(j, STR("day"), str_c(text));
	json_kint(j, STR("messages"), u->messages);
	json_kint(j, STR("bytes"), u->bytes);
	json_kint(j, STR("delivered"), u->delivered);
	json_kint(j, STR("retried"), u->retried);
	json_kint(j, STR("errors"), u->errors);
	json_kint(j, STR("failed"), u->failed);
	json_kint(j, STR("cancelled"), u->cancelled);
	json_close(j, '}');
}

static void answer(struct call *c, struct usage_read *op)
{
	struct json_out j = call_json(c);

	json_open(&j, '{');
	json_kstr(&j, STR("plan"), c->plan->name);
	json_key(&j, STR("limits"));
	json_open(&j, '{');
	plan_render(&j, c->plan);
	json_close(&j, '}');
	json_key(&j, STR("today"));
	day_object(&j, &op->day[op->days - 1]);
	json_key(&j, STR("month"));
	json_open(&j, '{');
	json_kint(&j, STR("bandwidth"), op->month_bytes);
	json_close(&j, '}');
	json_key(&j, STR("days"));
	json_open(&j, '[');
	for (int64_t i = 0; i < op->days; i++)
		day_object(&j, &op->day[i]);
	json_close(&j, ']');
	json_close(&j, '}');
	call_answer(c, 200);
}

static void read_done(struct usage_read *op)
{
	struct usage_call *u = container_of(op, struct usage_call, op);
	struct arena results = op->arena;

	if (op->problem.status != 0)
		call_fail(u->call, &op->problem);
	else
		answer(u->call, op);
	arena_done(&results);
}

/* False with the problem set. */
static bool take_days(struct call *c, int64_t *ret_days, struct problem *p)
{
	struct str text;

	if (!query_get(call_arena(c), c->req->query, STR("days"), &text))
		return problem_set(p, 400, "days: has a broken percent-escape");
	*ret_days = DAYS_DEFAULT;
	if (text.n > 0 &&
	    (!str_i64(text, ret_days) || *ret_days < 1 || *ret_days > USAGE_DAYS_KEPT))
		return problem_set(p, 400, "days: must be a whole number from 1 to %d",
				   USAGE_DAYS_KEPT);
	return true;
}

void h_usage(struct call *c)
{
	struct usage_call *u = arena_new(call_arena(c), struct usage_call);

	u->call = c;
	if (!take_days(c, &u->op.days, &u->op.problem)) {
		call_fail(c, &u->op.problem);
		return;
	}
	u->op.account = c->account;
	u->op.done = read_done;
	arena_init(&u->op.arena);
	engine_usage_read(c->engine, &u->op);
}
