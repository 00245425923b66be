/* h_dlq.c - the dead letter queue (spec 2.2.8, 3.5). */
#include <string.h>

#include "api/dlqpage.h"
#include "api/handlers.h"
#include "api/item.h"
#include "api/quotas.h"
#include "base/check.h"
#include "core/dead.h"
#include "core/query.h"
#include "core/view.h"

struct dlq_call {
	struct dlq_op op;
	struct dlqpage page;
	struct filter filter;
	struct options_source overrides;
	struct problem problem;
	void (*answer)(struct dlqpage *p); /* of what went well */
};

static void dlq_done(struct dlq_op *op)
{
	struct dlq_call *d = op->arg;
	struct arena results = op->arena;

	d->page.n = op->n;
	d->page.more = op->more;
	d->page.last = op->last;
	if (op->problem.status != 0)
		quotas_fail(d->page.call, &op->problem);
	else
		d->answer(&d->page);
	arena_done(&results);
}

static struct dlq_id write_entry(struct dlqpage *p, struct json_out *j, size_t i)
{
	struct dlq_call *d = container_of(p, struct dlq_call, page);
	const struct dlq_found *f = &d->op.found[i];
	struct arena *a = &d->op.arena;
	struct outcome o = { 0 };
	struct msg m;

	if (!msg_decode(a, f->record, &m) || !dead_decode(a, f->response, &o))
		return f->id;
	json_open(j, '{');
	view_message(j, &m);
	view_dead(j, engine_dlq_id_text(a, f->id), &o);
	json_close(j, '}');
	return f->id;
}

static struct dlq_id write_response(struct dlqpage *p, struct json_out *j, size_t i)
{
	const struct dlq_found *f = &container_of(p, struct dlq_call, page)->op.found[i];
	char id[MSG_ID_LEN + 1];

	msg_id_text(id, f->new_id);
	json_open(j, '{');
	json_kstr(j, STR("messageId"), str_n(id, MSG_ID_LEN));
	json_close(j, '}');
	return f->id;
}

static bool override(struct dlq_op *op, struct arena *a, struct msg *m, struct problem *ret_problem)
{
	const struct dlq_call *d = op->arg;
	struct options o = { 0 };

	return options_parse(a, &d->overrides, m, &o, ret_problem);
}

/* What the request says of the settings of the new messages. False with the call answered. */
static bool take_overrides(struct dlq_call *d)
{
	struct call *c = d->page.call;
	struct str rest, token;

	d->overrides = (struct options_source){
		.header = item_request_headers(c),
		.use = OPTIONS_RETRY,
		.plan = c->plan,
		.now_ms = call_now_ms(c),
	};
	d->op.override = override;
	if (query_split_destination(call_arena(c), c->req->query, &rest, &d->overrides.query,
				    &token))
		return true;
	call_refuse(c, 400, "the query string has a broken percent-escape or too many settings");
	return false;
}

static struct dlq_call *dlq_call(struct call *c, enum dlq_what what,
				 void (*answer)(struct dlqpage *p))
{
	struct dlq_call *d = arena_new(call_arena(c), struct dlq_call);

	d->page.call = c;
	d->page.not_found = "dead letter not found";
	d->page.write = what == DLQ_RETRY ? write_response : write_entry;
	d->answer = answer;
	d->op.account = c->account;
	d->op.what = what;
	d->op.done = dlq_done;
	d->op.arg = d;
	return d;
}

static void submit(struct dlq_call *d)
{
	d->op.ids = d->page.ids;
	d->op.ids_n = d->page.ids_n;
	d->op.has_after = d->page.has_after;
	d->op.after = d->page.after;
	arena_init(&d->op.arena);
	engine_dlq(d->page.call->engine, &d->op);
}

/* On the one entry that the path names. */
static void submit_one(struct dlq_call *d)
{
	d->op.max = 1;
	if (dlqpage_take_path(&d->page))
		submit(d);
}

/* On those that the request selects. */
static void submit_selected(struct dlq_call *d)
{
	struct call *c = d->page.call;
	struct filter_source src = { FILTER_DLQ, c->req->query, STR_NULL };
	const struct filter_values *named = &d->filter.field[FILTER_DLQ_ID];

	if (d->op.what != DLQ_LIST)
		src.body = c->req->body;
	if (!filter_parse(call_arena(c), &src, &d->filter, &d->problem)) {
		call_fail(c, &d->problem);
		return;
	}
	if (!dlqpage_take_filter(&d->page, named->v, named->n, d->filter.cursor))
		return;
	d->op.filter = &d->filter;
	d->op.max = d->page.by_ids ? (int64_t)d->page.ids_n : d->filter.count;
	d->op.descending = !d->page.by_ids && d->filter.latest_first;
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

/* Runs that have failed are listed here, too, when they are asked for. */
static bool asks_for_workflows(struct call *c)
{
	struct str source = STR_NULL;

	return query_get(call_arena(c), c->req->query, STR("source"), &source) &&
	       str_eq(source, STR("workflow"));
}

void h_dlq_list(struct call *c)
{
	if (asks_for_workflows(c)) {
		h_workflow_dlq_list(c);
		return;
	}
	submit_selected(dlq_call(c, DLQ_LIST, answer_list));
}

static void answer_one(struct dlqpage *p)
{
	dlqpage_answer_one(p, 200);
}

void h_dlq_get(struct call *c)
{
	submit_one(dlq_call(c, DLQ_LIST, answer_one));
}

/* ---- deleting -------------------------------------------------------------------------------- */

void h_dlq_delete_one(struct call *c)
{
	submit_one(dlq_call(c, DLQ_DELETE, dlqpage_answer_deleted_one));
}

void h_dlq_delete(struct call *c)
{
	submit_selected(dlq_call(c, DLQ_DELETE, dlqpage_answer_deleted));
}

/* ---- retrying -------------------------------------------------------------------------------- */

static void answer_retried_one(struct dlqpage *p)
{
	dlqpage_answer_one(p, 201);
}

static void answer_retried(struct dlqpage *p)
{
	dlqpage_answer(p, 201, STR("responses"), "none of these dead letters was found");
}

void h_dlq_retry_one(struct call *c)
{
	struct dlq_call *d = dlq_call(c, DLQ_RETRY, answer_retried_one);

	if (take_overrides(d))
		submit_one(d);
}

void h_dlq_retry(struct call *c)
{
	struct dlq_call *d = dlq_call(c, DLQ_RETRY, answer_retried);

	if (take_overrides(d))
		submit_selected(d);
}
