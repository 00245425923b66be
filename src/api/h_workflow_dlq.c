/* h_workflow_dlq.c - runs that have failed: listing, deleting, resuming, restarting them, and their failure
 * callbacks (workflow spec 7.3, 10.4). */
#include "api/handlers.h"
#include "api/item.h"
#include "base/check.h"
#include "core/dead.h"
#include "core/query.h"
#include "core/runfilter.h"
#include "core/view.h"

#define NOT_FOUND "failed workflow run not found"

enum {
	PAGE_MAX = 100,
	NEW_RUNS_MAX = 50, /* made by one request */
	PAGE_BYTES_MAX = 8 * 1024 * 1024,
};

struct dlq_call {
	struct run_dlq op;
	struct call *call;
	struct runfilter filter;
	struct options_source overrides;
	struct problem problem;
	void (*answer)(struct dlq_call *d); /* of what went well */
};

/* ---- selecting ------------------------------------------------------------------------------- */

static void dlq_done(struct run_dlq *op)
{
	struct dlq_call *d = op->arg;
	struct arena results = op->arena;

	if (op->problem.status != 0)
		call_fail(d->call, &op->problem);
	else
		d->answer(d);
	arena_done(&results);
}

static bool has_status(const struct runfilter *f, int64_t status)
{
	char text[24];
	struct buf b;
	bool ok;

	buf_init(&b, sizeof(text));
	buf_i64(&b, status);
	ok = runfilter_has(f, RUNFILTER_STATUS, buf_str(&b));
	buf_done(&b);
	return ok;
}

/* The times are those of the failure. */
static bool matches(struct run_dlq *op, const struct run_dead *dead)
{
	const struct dlq_call *d = op->arg;
	struct runfilter f = d->filter;
	bool in_time = dead->id.ms >= f.from_ms && dead->id.ms <= f.to_ms;

	f.from_ms = INT64_MIN;
	f.to_ms = INT64_MAX;
	f.exact_url = true;
	return in_time && runfilter_match(&f, &dead->run.trigger) &&
	       runfilter_has(&f, RUNFILTER_DEST, dead->msg.url) &&
	       runfilter_has(&f, RUNFILTER_REPORT, run_report_name(dead->run.report)) &&
	       has_status(&f, dead->outcome.status);
}

static bool override(struct run_dlq *op, struct arena *a, struct msg *m,
		     struct problem *ret_problem)
{
	const struct dlq_call *d = op->arg;
	struct options o = { 0 };

	return options_parse(a, &d->overrides, m, &o, ret_problem);
}

static struct dlq_call *dlq_call(struct call *c, enum run_dlq_what what,
				 void (*answer)(struct dlq_call *d))
{
	struct dlq_call *d = arena_new(call_arena(c), struct dlq_call);

	d->call = c;
	d->answer = answer;
	d->op.account = c->account;
	d->op.what = what;
	d->op.matches = matches;
	d->op.override = override;
	d->op.done = dlq_done;
	d->op.arg = d;
	d->overrides = (struct options_source){
		.header = item_request_headers(c),
		.use = OPTIONS_RETRY,
		.plan = c->plan,
		.now_ms = call_now_ms(c),
	};
	return d;
}

static void submit(struct dlq_call *d)
{
	arena_init(&d->op.arena);
	engine_run_dlq(d->call->engine, &d->op);
}

/* On the one that the path names. */
static void submit_one(struct dlq_call *d)
{
	struct call *c = d->call;
	struct dlq_id *id = arena_new(call_arena(c), struct dlq_id);

	if (!engine_dlq_id_parse(c->id[0], id)) {
		call_refuse(c, 404, NOT_FOUND);
		return;
	}
	d->op.ids = id;
	d->op.ids_n = 1;
	d->op.max = 1;
	submit(d);
}

static bool by_ids(const struct dlq_call *d)
{
	return d->filter.field[RUNFILTER_DLQ_ID].n > 0;
}

/* Texts that are no ids name no entry: they are left out. */
static void take_ids(struct dlq_call *d)
{
	size_t n = d->filter.field[RUNFILTER_DLQ_ID].n;
	struct dlq_id *ids = arena_array(call_arena(d->call), struct dlq_id, n + 1);

	for (size_t i = 0; i < n; i++) {
		if (engine_dlq_id_parse(d->filter.field[RUNFILTER_DLQ_ID].v[i], &ids[d->op.ids_n]))
			d->op.ids_n++;
	}
	d->op.ids = ids;
}

/* On those that the request selects; `max` of them at most. */
static void submit_selected(struct dlq_call *d, int64_t max)
{
	struct call *c = d->call;
	const struct str source[2] = { c->req->query,
				       d->op.what == RUN_DLQ_LIST ? STR_NULL : c->req->body };

	if (!runfilter_parse(call_arena(c), RUNFILTER_DLQ, source, &d->filter, &d->problem)) {
		call_fail(c, &d->problem);
		return;
	}
	d->op.max = d->filter.count > 0 && d->filter.count < max ? d->filter.count : max;
	d->op.has_after = d->filter.cursor.n > 0;
	if (d->op.has_after && !engine_dlq_id_parse(d->filter.cursor, &d->op.after)) {
		call_refuse(c, 400, "cursor: must be one that this server gave");
		return;
	}
	if (!by_ids(d)) {
		submit(d);
		return;
	}
	take_ids(d);
	if (d->op.ids_n == 0)
		d->answer(d);
	else
		submit(d);
}

static void cursor_member(const struct dlq_call *d, struct json_out *j)
{
	if (d->op.more && !by_ids(d))
		json_kstr(j, STR("cursor"), engine_dlq_id_text(call_arena(d->call), d->op.last));
}

/* ---- looking --------------------------------------------------------------------------------- */

static void report_members(struct arena *a, struct json_out *j, const struct run *r)
{
	struct outcome o = { 0 };

	if (r->report == RUN_REPORT_NONE)
		return;
	json_kstr(j, STR("failureFunctionState"), run_report_name(r->report));
	json_key(j, STR("failureCallbackInfo"));
	json_open(j, '{');
	json_kstr(j, STR("state"), run_report_name(r->report));
	if (r->report_outcome.n > 0 && dead_decode(a, r->report_outcome, &o)) {
		json_kint_opt(j, STR("responseStatus"), o.status);
		json_kstr_opt(j, STR("responseBody"), o.status ? o.body : o.error);
		view_headers(j, STR("responseHeaders"), &o.header, NULL);
	}
	json_close(j, '}');
}

static void dead_object(struct dlq_call *d, struct json_out *j, const struct run_dead *dead)
{
	struct arena *a = &d->op.arena;
	const struct run *r = &dead->run;
	struct msg m = dead->msg;

	m.body = dead->payload;
	m.failure_callback = r->trigger.failure_callback;
	m.failure_callback_header = r->trigger.failure_callback_header;
	json_open(j, '{');
	view_message(j, &m);
	json_kstr(j, STR("workflowRunId"), m.run);
	json_kint(j, STR("workflowCreatedAt"), m.run_created_ms);
	json_kstr(j, STR("workflowUrl"), r->trigger.url);
	report_members(a, j, r);
	view_dead(j, engine_dlq_id_text(a, dead->id), &dead->outcome);
	json_close(j, '}');
}

static void answer_list(struct dlq_call *d)
{
	struct json_out j = call_json(d->call);

	json_open(&j, '{');
	json_key(&j, STR("messages"));
	json_open(&j, '[');
	for (size_t i = 0; i < d->op.n; i++) {
		if (j.b->n > PAGE_BYTES_MAX && !by_ids(d)) {
			d->op.more = true;
			d->op.last = d->op.found[i - 1].id;
			break;
		}
		dead_object(d, &j, &d->op.found[i]);
	}
	json_close(&j, ']');
	cursor_member(d, &j);
	json_close(&j, '}');
	call_answer(d->call, 200);
}

void h_workflow_dlq_list(struct call *c)
{
	submit_selected(dlq_call(c, RUN_DLQ_LIST, answer_list), PAGE_MAX);
}

static void answer_get(struct dlq_call *d)
{
	struct json_out j;

	if (d->op.n == 0) {
		call_refuse(d->call, 404, NOT_FOUND);
		return;
	}
	j = call_json(d->call);
	dead_object(d, &j, &d->op.found[0]);
	call_answer(d->call, 200);
}

void h_workflow_dlq_get(struct call *c)
{
	submit_one(dlq_call(c, RUN_DLQ_LIST, answer_get));
}

/* ---- deleting -------------------------------------------------------------------------------- */

static void answer_deleted(struct dlq_call *d)
{
	struct json_out j = call_json(d->call);

	json_open(&j, '{');
	json_kint(&j, STR("deleted"), (int64_t)d->op.n);
	cursor_member(d, &j);
	json_close(&j, '}');
	call_answer(d->call, 200);
}

static void answer_deleted_one(struct dlq_call *d)
{
	if (d->op.n == 0)
		call_refuse(d->call, 404, NOT_FOUND);
	else
		answer_deleted(d);
}

void h_workflow_dlq_delete_one(struct call *c)
{
	submit_one(dlq_call(c, RUN_DLQ_DELETE, answer_deleted_one));
}

void h_workflow_dlq_delete(struct call *c)
{
	submit_selected(dlq_call(c, RUN_DLQ_DELETE, answer_deleted), PAGE_MAX);
}

/* ---- new runs -------------------------------------------------------------------------------- */

static void run_object(struct json_out *j, const struct run_dead *dead)
{
	json_open(j, '{');
	json_kstr(j, STR("workflowRunId"), dead->run_id);
	json_kint(j, STR("workflowCreatedAt"), dead->created_ms);
	json_close(j, '}');
}

static void answer_run(struct dlq_call *d)
{
	struct json_out j;

	if (d->op.n == 0) {
		call_refuse(d->call, 404, NOT_FOUND);
		return;
	}
	j = call_json(d->call);
	run_object(&j, &d->op.found[0]);
	call_answer(d->call, 200);
}

static void answer_runs(struct dlq_call *d)
{
	struct json_out j;

	if (d->op.n == 0 && by_ids(d)) {
		call_refuse(d->call, 404, "none of these failed workflow runs was found");
		return;
	}
	j = call_json(d->call);
	json_open(&j, '{');
	json_key(&j, STR("workflowRuns"));
	json_open(&j, '[');
	for (size_t i = 0; i < d->op.n; i++)
		run_object(&j, &d->op.found[i]);
	json_close(&j, ']');
	cursor_member(d, &j);
	json_close(&j, '}');
	call_answer(d->call, 200);
}

void h_workflow_dlq_resume_one(struct call *c)
{
	submit_one(dlq_call(c, RUN_DLQ_RESUME, answer_run));
}

void h_workflow_dlq_resume(struct call *c)
{
	submit_selected(dlq_call(c, RUN_DLQ_RESUME, answer_runs), NEW_RUNS_MAX);
}

void h_workflow_dlq_restart_one(struct call *c)
{
	submit_one(dlq_call(c, RUN_DLQ_RESTART, answer_run));
}

void h_workflow_dlq_restart(struct call *c)
{
	submit_selected(dlq_call(c, RUN_DLQ_RESTART, answer_runs), NEW_RUNS_MAX);
}

/* ---- failure callbacks ----------------------------------------------------------------------- */

void h_workflow_report(struct call *c)
{
	submit_one(dlq_call(c, RUN_DLQ_REPORT, answer_run));
}

static void answer_report_cancelled(struct dlq_call *d)
{
	struct json_out j;

	if (d->op.n == 0) {
		call_refuse(d->call, 404, NOT_FOUND);
		return;
	}
	j = call_json(d->call);
	run_object(&j, &d->op.found[0]);
	call_answer(d->call, 302);
}

void h_workflow_report_stop(struct call *c)
{
	submit_one(dlq_call(c, RUN_DLQ_REPORT_CANCEL, answer_report_cancelled));
}
