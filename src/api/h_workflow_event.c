/* h_workflow_event.c - events that workflow runs wait for: waits, notifications, webhooks (workflow spec 5.6 to
 * 5.8). */
#include "api/handlers.h"
#include "api/runitem.h"
#include "base/codec.h"
#include "core/runbody.h"
#include "core/view.h"

#define EVENT_ID_ALLOWED "the event id: " RUNASK_ID_ALLOWED

/* An id out of the path, where it may hold slashes. False with the call answered. */
static bool take_id(struct call *c, struct str raw, struct str *ret_id)
{
	struct buf b;
	bool ok;

	buf_init(&b, raw.n + 1);
	ok = percent_decode(&b, raw) && runask_id_is_valid(buf_str(&b));
	if (ok)
		*ret_id = arena_str(call_arena(c), buf_str(&b));
	buf_done(&b);
	if (!ok)
		call_refuse(c, 400, EVENT_ID_ALLOWED);
	return ok;
}

/* ---- waiting --------------------------------------------------------------------------------- */

struct waiting {
	struct run_wait op;
	struct runanswer_wait wait;
	struct problem problem;
};

static void waits(struct run_wait *op)
{
	struct call *c = op->arg;

	if (op->problem.status != 0)
		call_fail(c, &op->problem);
	else
		call_answer_text(c, 200, STR("{}"));
}

void h_workflow_wait(struct call *c)
{
	struct waiting *k = arena_new(call_arena(c), struct waiting);
	struct runanswer_source src = {
		.user = c->account->user.id,
		.plan = c->plan,
		.now_ms = call_now_ms(c),
		.header = item_request_headers(c),
		.body = c->req->body,
	};

	if (!take_id(c, c->rest, &k->op.event))
		return;
	if (!runanswer_wait(call_arena(c), &src, &k->wait, &k->problem)) {
		runitem_judge(&k->problem);
		call_fail(c, &k->problem);
		return;
	}
	k->op.account = c->account;
	k->op.wait = &k->wait;
	k->op.done = waits;
	k->op.arg = c;
	engine_run_wait(c->engine, &k->op);
}

/* ---- who waits ------------------------------------------------------------------------------- */

static void waiter_members(struct json_out *j, const struct mailbox_wait *w)
{
	json_kstr(j, STR("url"), w->url);
	view_headers(j, STR("headers"), &w->header, NULL);
	json_kint(j, STR("deadline"), w->deadline_ms / 1000);
	json_kstr_opt(j, STR("timeoutUrl"), w->timeout_url);
	view_headers(j, STR("timeoutHeaders"), &w->timeout_header, NULL);
}

static void answer_waiters(struct call *c, const struct run_event *op)
{
	struct json_out j = call_json(c);

	json_open(&j, '[');
	for (size_t i = 0; i < op->n; i++) {
		json_open(&j, '{');
		waiter_members(&j, &op->found[i].wait);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	call_answer(c, 200);
}

static void answer_notified(struct call *c, const struct run_event *op)
{
	struct json_out j = call_json(c);

	json_open(&j, '[');
	for (size_t i = 0; i < op->n; i++) {
		const struct run_waiter *f = &op->found[i];
		char id[MSG_ID_LEN + 1];

		msg_id_text(id, f->id);
		json_open(&j, '{');
		json_key(&j, STR("waiter"));
		json_open(&j, '{');
		waiter_members(&j, &f->wait);
		json_close(&j, '}');
		json_kstr(&j, STR("messageId"), str_n(id, MSG_ID_LEN));
		json_kbool(&j, STR("deduplicated"), f->duplicate);
		json_kstr(&j, STR("workflowRunId"), f->run);
		json_kint(&j, STR("workflowCreatedAt"), f->created_ms);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	call_answer(c, 201);
}

static void event_done(struct run_event *op)
{
	struct call *c = op->arg;
	struct arena results = op->arena;

	if (op->problem.status != 0)
		call_fail(c, &op->problem);
	else if (op->what == RUN_EVENT_LIST)
		answer_waiters(c, op);
	else if (op->is_webhook)
		call_answer_text(c, 200, STR("{}"));
	else
		answer_notified(c, op);
	arena_done(&results);
}

static struct run_event *event_new(struct call *c, enum run_event_what what)
{
	struct run_event *op = arena_new(call_arena(c), struct run_event);

	op->account = c->account;
	op->what = what;
	op->bytes = c->req->body;
	op->done = event_done;
	op->arg = c;
	return op;
}

static void submit(struct call *c, struct run_event *op)
{
	arena_init(&op->arena);
	engine_run_event(c->engine, op);
}

void h_workflow_waiters(struct call *c)
{
	struct run_event *op = event_new(c, RUN_EVENT_LIST);

	if (take_id(c, c->rest, &op->event))
		submit(c, op);
}

/* ---- notifying ------------------------------------------------------------------------------- */

/* Two segments are a run and an event; one, or more than two, an event. */
void h_workflow_notify(struct call *c)
{
	struct str event = c->rest, run = str_cut(&event, '/');
	bool of_run = event.n > 0 && !str_has_byte(event, '/');
	struct run_event *op = event_new(c, of_run ? RUN_EVENT_KEEP : RUN_EVENT_NOTIFY);

	if (of_run && !take_id(c, run, &op->run))
		return;
	if (take_id(c, of_run ? event : c->rest, &op->event))
		submit(c, op);
}

/* ---- webhooks -------------------------------------------------------------------------------- */

static struct str forwarded(struct call *c, struct str name, struct str otherwise)
{
	struct str list = httpd_field(c->req, name);
	struct str value = str_trim(str_cut(&list, ','));

	return value.n > 0 ? value : otherwise;
}

/* The URL is put together again as the sender used it. */
static struct str webhook_data(struct call *c)
{
	struct str url = c->req->path;

	if (c->req->query.n > 0)
		url = arena_fmt(call_arena(c), "%.*s?%.*s", STR_FMT(url), STR_FMT(c->req->query));
	return runbody_webhook(call_arena(c),
			       &(struct runbody_request){
				       .method = c->req->head->method,
				       .proto = forwarded(c, STR("X-Forwarded-Proto"), STR("http")),
				       .host = forwarded(c, STR("X-Forwarded-Host"),
							 httpd_field(c->req, STR("Host"))),
				       .url = url,
				       .header = item_request_headers(c),
				       .body = c->req->body,
			       });
}

void h_workflow_hook(struct call *c)
{
	struct run_event *op = event_new(c, RUN_EVENT_KEEP);

	op->account = pool_account(c->api->set.pool, c->id[0]);
	if (op->account == NULL || op->account->removed) {
		call_refuse(c, 404, "no open workflow run has this id");
		return;
	}
	if (!runask_id_is_valid(c->id[1]) || !runask_id_is_valid(c->id[2])) {
		call_refuse(c, 400, "the ids of run and event: " RUNASK_ID_ALLOWED);
		return;
	}
	c->engine = op->account->engine;
	op->is_webhook = true;
	op->run = c->id[1];
	op->event = c->id[2];
	op->bytes = webhook_data(c);
	submit(c, op);
}
