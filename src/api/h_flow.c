/* h_flow.c - flow-control keys and the global parallelism (spec 2.2.12, 5.8). */
#include "api/call.h"
#include "api/gates.h"
#include "api/handlers.h"
#include "core/limits.h"
#include "core/options.h"
#include "core/query.h"

#define NOT_FOUND "flow-control key not found"

/* False with the call answered. */
static bool key_is_good(struct call *c)
{
	if (c->id[0].n > 0 && c->id[0].n <= (size_t)LIMIT_FLOW_KEY_BYTES)
		return true;
	call_refuse(c, 400,
		    c->id[0].n == 0 ? "flowControlKey: must be given" : "flowControlKey: too long");
	return false;
}

/* ---- changing -------------------------------------------------------------------------------- */

static void change(struct call *c, enum gate_op what, bool create)
{
	struct gates_change *f;

	if (!key_is_good(c))
		return;
	f = gates_change(c, GATE_FLOW, what, NOT_FOUND);
	f->op.move.gate.create = create;
	gates_submit(c, f);
}

/* A key may be paused before its first message comes. */
void h_flow_pause(struct call *c)
{
	change(c, GATE_PAUSE, true);
}

void h_flow_resume(struct call *c)
{
	change(c, GATE_RESUME, false);
}

void h_flow_reset_rate(struct call *c)
{
	change(c, GATE_RESET_RATE, false);
}

void h_flow_reset(struct call *c)
{
	change(c, GATE_RESET, false);
}

/* Leaves *ret_value alone when the parameter is absent or empty. */
static bool take_number(struct call *c, const char *key, int64_t max, int64_t *ret_value,
			struct problem *p)
{
	struct str text;
	int64_t n;

	if (!query_get(call_arena(c), c->req->query, str_c(key), &text))
		return problem_set(p, 400, "%s: has a broken percent-escape", key);
	if (text.n == 0)
		return true;
	if (!str_i64(text, &n) || n < 1 || n > max)
		return problem_set(p, 400, "%s: must be a whole number from 1 to %lld", key,
				   (long long)max);
	*ret_value = n;
	return true;
}

static bool take_pins(struct call *c, struct gates_change *f)
{
	int64_t period_s = -1;

	if (!take_number(c, "parallelism", LIMIT_FLOW_COUNT, &f->op.move.gate.parallelism,
			 &f->problem) ||
	    !take_number(c, "rate", LIMIT_FLOW_COUNT, &f->op.move.gate.rate, &f->problem) ||
	    !take_number(c, "period", LIMIT_FLOW_PERIOD_S, &period_s, &f->problem))
		return false;
	if (period_s > 0 && f->op.move.gate.rate < 0)
		return problem_set(&f->problem, 400, "period: is of a rate, which is not given");
	if (f->op.move.gate.parallelism < 0 && f->op.move.gate.rate < 0)
		return problem_set(&f->problem, 400,
				   "parallelism or rate: one of them must be given");
	f->op.move.gate.period_ms = period_s > 0 ? period_s * 1000 : 1000;
	return true;
}

void h_flow_pin(struct call *c)
{
	struct gates_change *f;

	if (!key_is_good(c))
		return;
	f = gates_change(c, GATE_FLOW, GATE_PIN, NOT_FOUND);
	if (take_pins(c, f))
		gates_submit(c, f);
	else
		call_fail(c, &f->problem);
}

static bool take_flag(struct call *c, const char *key, bool *ret_value, struct problem *p)
{
	struct str text;

	if (!query_get(call_arena(c), c->req->query, str_c(key), &text))
		return problem_set(p, 400, "%s: has a broken percent-escape", key);
	if (text.n > 0 && !options_bool(text, ret_value))
		return problem_set(p, 400, "%s: must be true or false", key);
	return true;
}

void h_flow_unpin(struct call *c)
{
	struct gates_change *f;

	if (!key_is_good(c))
		return;
	f = gates_change(c, GATE_FLOW, GATE_UNPIN, NOT_FOUND);
	if (take_flag(c, "parallelism", &f->op.move.gate.unpin_parallelism, &f->problem) &&
	    take_flag(c, "rate", &f->op.move.gate.unpin_rate, &f->problem))
		gates_submit(c, f);
	else
		call_fail(c, &f->problem);
}

/* ---- looking --------------------------------------------------------------------------------- */

static void key_object(struct json_out *j, const struct scan_row *row)
{
	const struct gate *g = &row->gate;

	json_open(j, '{');
	json_kstr(j, STR("flowControlKey"), row->name);
	json_kint(j, STR("waitListSize"), row->waiting);
	json_kint(j, STR("parallelismMax"), g->parallelism_max);
	json_kint(j, STR("parallelismCount"), g->running);
	json_kint(j, STR("rateMax"), g->rate_max);
	json_kint(j, STR("rateCount"), g->rate_count);
	json_kint(j, STR("ratePeriod"), g->rate_period_ms / 1000);
	json_kint(j, STR("ratePeriodStart"), g->window_start_ms / 1000);
	json_kbool(j, STR("isPaused"), g->paused);
	json_kbool(j, STR("isPinnedParallelism"), g->pinned_parallelism);
	json_kbool(j, STR("isPinnedRate"), g->pinned_rate);
	json_close(j, '}');
}

void h_flow_list(struct call *c)
{
	struct gates_ask ask = { .kind = GATE_FLOW, .write = key_object };

	if (query_get(call_arena(c), c->req->query, STR("search"), &ask.part))
		gates_answer(c, &ask);
	else
		call_refuse(c, 400, "search: has a broken percent-escape");
}

void h_flow_get(struct call *c)
{
	if (key_is_good(c))
		gates_answer(c, &(struct gates_ask){ .kind = GATE_FLOW,
						     .name = c->id[0],
						     .missing = NOT_FOUND,
						     .write = key_object });
}

/* ---- all deliveries of the user -------------------------------------------------------------- */

struct global {
	struct call *call;
	struct gate_list list;
	int64_t running;
};

static void global_saw(struct gate_list *list, const struct scan_row *row)
{
	((struct global *)list->arg)->running = row->gate.running;
}

static void global_looked(struct gate_list *list)
{
	struct global *g = list->arg;
	struct call *c = g->call;
	struct json_out j;

	if (list->problem.status != 0) {
		call_fail(c, &list->problem);
		return;
	}
	j = call_json(c);
	json_open(&j, '{');
	json_kint(&j, STR("parallelismMax"), c->plan->parallelism_max);
	json_kint(&j, STR("parallelismCount"), g->running);
	json_close(&j, '}');
	call_answer(c, 200);
}

void h_flow_global(struct call *c)
{
	struct global *g = arena_new(call_arena(c), struct global);

	g->call = c;
	g->list.account = c->account;
	g->list.kind = GATE_USER;
	g->list.each = global_saw;
	g->list.done = global_looked;
	g->list.arg = g;
	engine_gate_list(c->engine, &g->list);
}
