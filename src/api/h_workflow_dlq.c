/* h_workflow_dlq.c - runs that have failed: listing, deleting, resuming, restarting them, and their failure
 * callbacks (workflow spec 7.3, 10.4). */
#include "api/dlqpage.h"
#include "api/handlers.h"
#include "api/item.h"
#include "base/check.h"
#include "core/dead.h"
#include "core/query.h"
#include "core/runfilter.h"
#include "core/view.h"

enum {
	PAGE_MAX = 100,
	NEW_RUNS_MAX = 50, /* made by one request */
};

struct dlq_call {
	struct run_dlq op;
	struct dlqpage page;
	struct runfilter filter;
	struct options_source overrides;
	struct problem problem;
	void (*answer)(struct dlqpage *p); /* of what went well */
};

/* ---- selecting ------------------------------------------------------------------------------- */

static void dlq_done(struct run_dlq *op)
{
	struct dlq_call *d = op->arg;
	struct arena results = op->arena;

	d->page.n = op->n;
	d->page.more = op->more;
	d->page.last = op->last;
	if (op->problem.status != 0)
		call_fail(d->page.call, &op->problem);
	else
		d->answer(&d->page);
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

static struct dlq_id write_dead(struct dlqpage *p, struct json_out *j, size_t i)
{
	struct dlq_call *d = container_of(p, struct dlq_call, page);
	const struct run_dead *dead = &d->op.found[i];
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
	return dead->id;
}

static struct dlq_id write_run(struct dlqpage *p, struct json_out *j, size_t i)
{
	const struct run_dead *dead = &container_of(p, struct dlq_call, page)->op.found[i];

	json_open(j, '{');
	json_kstr(j, STR("workflowRunId"), dead->run_id);
	json_kint(j, STR("workflowCreatedAt"), dead->created_ms);
	json_close(j, '}');
	return dead->id;
}

static struct dlq_call *dlq_call(struct call *c, enum run_dlq_what what,
				 void (*answer)(struct dlqpage *p))
{
	struct dlq_call *d = arena_new(call_arena(c), struct dlq_call);

	d->page.call = c;
	d->page.not_found = "failed workflow run not found";
	d->page.write = what == RUN_DLQ_LIST ? write_dead : write_run;
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
	d->op.ids = d->page.ids;
	d->op.ids_n = d->page.ids_n;
	d->op.has_after = d->page.has_after;
	d->op.after = d->page.after;
	arena_init(&d->op.arena);
	engine_run_dlq(d->page.call->engine, &d->op);
}

/* On the one that the path names. */
static void submit_one(struct dlq_call *d)
{
	d->op.max = 1;
	if (dlqpage_take_path(&d->page))
		submit(d);
}

/* On those that the request selects; `max` of them at most. */
static void submit_selected(struct dlq_call *d, int64_t max)
{
	struct call *c = d->page.call;
	const struct str source[2] = { c->req->query,
				       d->op.what == RUN_DLQ_LIST ? STR_NULL : c->req->body };

	if (!runfilter_parse(call_arena(c), RUNFILTER_DLQ, source, &d->filter, &d->problem)) {
		call_fail(c, &d->problem);
		return;
	}
	if (!dlqpage_take_filter(&d->page, d->filter.field[RUNFILTER_DLQ_ID].v,
				 d->filter.field[RUNFILTER_DLQ_ID].n, d->filter.cursor))
		return;
	d->op.max = d->filter.count > 0 && d->filter.count < max ? d->filter.count : max;
	if (d->page.by_ids && d->page.ids_n == 0)
		d->answer(&d->page);
	else
		submit(d);
}

/* ---- looking --------------------------------------------------------------------------------- */

static void answer_list(struct dlqpage *p)
{
	dlqpage_answer(p, 200, STR("messages"), NULL);
}

void h_workflow_dlq_list(struct call *c)
{
	submit_selected(dlq_call(c, RUN_DLQ_LIST, answer_list), PAGE_MAX);
}

static void answer_one(struct dlqpage *p)
{
	dlqpage_answer_one(p, 200);
}

void h_workflow_dlq_get(struct call *c)
{
	submit_one(dlq_call(c, RUN_DLQ_LIST, answer_one));
}

/* ---- deleting -------------------------------------------------------------------------------- */

void h_workflow_dlq_delete_one(struct call *c)
{
	submit_one(dlq_call(c, RUN_DLQ_DELETE, dlqpage_answer_deleted_one));
}

void h_workflow_dlq_delete(struct call *c)
{
	submit_selected(dlq_call(c, RUN_DLQ_DELETE, dlqpage_answer_deleted), PAGE_MAX);
}

/* ---- new runs -------------------------------------------------------------------------------- */

static void answer_runs(struct dlqpage *p)
{
	dlqpage_answer(p, 200, STR("workflowRuns"), "none of these failed workflow runs was found");
}

void h_workflow_dlq_resume_one(struct call *c)
{
	submit_one(dlq_call(c, RUN_DLQ_RESUME, answer_one));
}

void h_workflow_dlq_resume(struct call *c)
{
	submit_selected(dlq_call(c, RUN_DLQ_RESUME, answer_runs), NEW_RUNS_MAX);
}

void h_workflow_dlq_restart_one(struct call *c)
{
	submit_one(dlq_call(c, RUN_DLQ_RESTART, answer_one));
}

void h_workflow_dlq_restart(struct call *c)
{
	submit_selected(dlq_call(c, RUN_DLQ_RESTART, answer_runs), NEW_RUNS_MAX);
}

/* ---- failure callbacks ----------------------------------------------------------------------- */

void h_workflow_report(struct call *c)
{
	submit_one(dlq_call(c, RUN_DLQ_REPORT, answer_one));
}

static void answer_report_cancelled(struct dlqpage *p)
{
	dlqpage_answer_one(p, 302);
}

void h_workflow_report_stop(struct call *c)
{
	submit_one(dlq_call(c, RUN_DLQ_REPORT_CANCEL, answer_report_cancelled));
}
