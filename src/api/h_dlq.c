/* h_dlq.c - the dead letter queue (spec 2.2.8, 3.5). */
#include <string.h>

#include "api/handlers.h"
#include "api/item.h"
#include "api/quotas.h"
#include "base/check.h"
#include "core/dead.h"
#include "core/query.h"
#include "core/view.h"

#define NOT_FOUND "dead letter not found"

enum { PAGE_BYTES_MAX = 8 * 1024 * 1024 }; /* of a list's JSON; then the page ends early */

struct dlq_call {
	struct dlq_op op;
	struct call *call;
	struct filter filter;
	struct options_source overrides;
	struct problem problem;
	void (*answer)(struct dlq_call *d); /* of what went well */
};

static void dlq_done(struct dlq_op *op)
{
	struct dlq_call *d = op->arg;
	struct arena results = op->arena;

	if (op->problem.status != 0)
		quotas_fail(d->call, &op->problem);
	else
		d->answer(d);
	arena_done(&results);
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
	struct call *c = d->call;
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
				 void (*answer)(struct dlq_call *d))
{
	struct dlq_call *d = arena_new(call_arena(c), struct dlq_call);

	d->call = c;
	d->answer = answer;
	d->op.account = c->account;
	d->op.what = what;
	d->op.done = dlq_done;
	d->op.arg = d;
	return d;
}

static void submit(struct dlq_call *d)
{
	arena_init(&d->op.arena);
	engine_dlq(d->call->engine, &d->op);
}

/* On the one entry that the path names. */
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

/* Texts that are no ids name no entry: they are left out. */
static void take_ids(struct dlq_call *d, const struct filter_values *named)
{
	struct dlq_id *ids = arena_array(call_arena(d->call), struct dlq_id, named->n + 1);

	for (size_t i = 0; i < named->n; i++) {
		if (engine_dlq_id_parse(named->v[i], &ids[d->op.ids_n]))
			d->op.ids_n++;
	}
	d->op.ids = ids;
	d->op.max = (int64_t)d->op.ids_n;
}

static bool take_page(struct dlq_call *d)
{
	d->op.max = d->filter.count;
	d->op.descending = d->filter.latest_first;
	d->op.has_after = d->filter.cursor.n > 0;
	if (d->op.has_after && !engine_dlq_id_parse(d->filter.cursor, &d->op.after)) {
		call_refuse(d->call, 400, "cursor: must be one that this server gave");
		return false;
	}
	return true;
}

/* On those that the request selects. */
static void submit_selected(struct dlq_call *d)
{
	struct call *c = d->call;
	struct filter_source src = { FILTER_DLQ, c->req->query, STR_NULL };
	const struct filter_values *named = &d->filter.field[FILTER_DLQ_ID];

	if (d->op.what != DLQ_LIST)
		src.body = c->req->body;
	if (!filter_parse(call_arena(c), &src, &d->filter, &d->problem)) {
		call_fail(c, &d->problem);
		return;
	}
	d->op.filter = &d->filter;
	if (named->n > 0)
		take_ids(d, named);
	else if (!take_page(d))
		return;
	if (named->n > 0 && d->op.ids_n == 0)
		d->answer(d);
	else
		submit(d);
}

static bool by_ids(const struct dlq_call *d)
{
	return d->filter.field[FILTER_DLQ_ID].n > 0;
}

static void cursor_member(const struct dlq_call *d, struct json_out *j)
{
	if (d->op.more && !by_ids(d))
		json_kstr(j, STR("cursor"), engine_dlq_id_text(call_arena(d->call), d->op.last));
}

/* ---- looking --------------------------------------------------------------------------------- */

static void entry_object(struct dlq_call *d, struct json_out *j, const struct dlq_found *f)
{
	struct arena *a = &d->op.arena;
	struct outcome o = { 0 };
	struct msg m;

	if (!msg_decode(a, f->record, &m) || !dead_decode(a, f->response, &o))
		return;
	json_open(j, '{');
	view_message(j, &m);
	view_dead(j, engine_dlq_id_text(a, f->id), &o);
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
		entry_object(d, &j, &d->op.found[i]);
	}
	json_close(&j, ']');
	cursor_member(d, &j);
	json_close(&j, '}');
	call_answer(d->call, 200);
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

static void answer_one(struct dlq_call *d)
{
	struct json_out j;

	if (d->op.n == 0) {
		call_refuse(d->call, 404, NOT_FOUND);
		return;
	}
	j = call_json(d->call);
	entry_object(d, &j, &d->op.found[0]);
	if (j.b->n == 0)
		call_refuse(d->call, 500, "the record of this dead letter is broken");
	else
		call_answer(d->call, 200);
}

void h_dlq_get(struct call *c)
{
	submit_one(dlq_call(c, DLQ_LIST, answer_one));
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

void h_dlq_delete_one(struct call *c)
{
	submit_one(dlq_call(c, DLQ_DELETE, answer_deleted_one));
}

void h_dlq_delete(struct call *c)
{
	submit_selected(dlq_call(c, DLQ_DELETE, answer_deleted));
}

/* ---- retrying -------------------------------------------------------------------------------- */

static void response_object(struct json_out *j, const struct dlq_found *f)
{
	char id[MSG_ID_LEN + 1];

	msg_id_text(id, f->new_id);
	json_open(j, '{');
	json_kstr(j, STR("messageId"), str_n(id, MSG_ID_LEN));
	json_close(j, '}');
}

static void answer_retried_one(struct dlq_call *d)
{
	struct json_out j;

	if (d->op.n == 0) {
		call_refuse(d->call, 404, NOT_FOUND);
		return;
	}
	j = call_json(d->call);
	response_object(&j, &d->op.found[0]);
	call_answer(d->call, 201);
}

static void answer_retried(struct dlq_call *d)
{
	struct json_out j;

	if (d->op.n == 0 && by_ids(d)) {
		call_refuse(d->call, 404, "none of these dead letters was found");
		return;
	}
	j = call_json(d->call);
	json_open(&j, '{');
	json_key(&j, STR("responses"));
	json_open(&j, '[');
	for (size_t i = 0; i < d->op.n; i++)
		response_object(&j, &d->op.found[i]);
	json_close(&j, ']');
	cursor_member(d, &j);
	json_close(&j, '}');
	call_answer(d->call, 201);
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
