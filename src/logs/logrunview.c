#include "base/check.h"
#include "base/codec.h"
#include "core/duration.h"
#include "core/headers.h"
#include "core/redact.h"
#include "core/view.h"
#include "logs/logruns.h"

/* ---- states ---------------------------------------------------------------------------------- */

static struct str msg_state(const struct logrun_msg *m)
{
	if (m->delivered)
		return STR("STEP_SUCCESS");
	if (m->failed)
		return STR("STEP_FAILED");
	if (m->canceled)
		return STR("STEP_CANCELED");
	return m->last != NULL ? STR("STEP_RETRY") : STR("STEP_PROGRESS");
}

/* Has the run that the step has invoked succeeded? Its parent may be over by then. */
static bool child_succeeded(const struct logrunview *v, const struct logrun_step *s)
{
	const struct json *id = json_get(s->waiting, STR("invokedWorkflowRunId"));
	const struct json *created = json_get(s->waiting, STR("invokedWorkflowCreatedAt"));
	struct logrun child;
	int64_t created_ms;

	return id != NULL && created != NULL && json_i64(created, &created_ms) &&
	       logrun_load(v->db, v->a, id->text, created_ms, &child) &&
	       child.state == LOGRUN_SUCCESS;
}

/* The message whose fate is the step's as long as it has no result. */
static const struct logrun_msg *pending(const struct logrun_step *s)
{
	if (s->callback != NULL)
		return s->callback;
	return s->plan != NULL && !s->plan->delivered ? s->plan : NULL;
}

static struct str step_state(const struct logrunview *v, const struct logrun *run,
			     const struct logrun_step *s)
{
	const struct logrun_msg *m = pending(s);
	bool sleeps = s->result != NULL && s->plan == NULL && !s->result->active &&
		      s->result->msg.not_before_ms > s->result->msg.created_ms;

	if (s->result != NULL && !sleeps)
		return STR("STEP_SUCCESS");
	if (m != NULL && m->failed)
		return STR("STEP_FAILED");
	if (run->state != LOGRUN_STARTED)
		return child_succeeded(v, s) ? STR("STEP_SUCCESS") : STR("STEP_CANCELED");
	return m != NULL && m->last != NULL && !m->delivered ? STR("STEP_RETRY")
							     : STR("STEP_PROGRESS");
}

bool logrunview_has_state(const struct logrun *run, struct str state)
{
	const struct logrunview none = { 0 };

	if (str_eq(logrun_state_name(run->state), state))
		return true;
	if (run->next != NULL && str_eq(msg_state(run->next), state))
		return true;
	if (run->init != NULL && str_eq(state, STR("STEP_SUCCESS")))
		return true;
	for (size_t i = 0; i < run->steps; i++) {
		struct logrun_step s = run->step[i];

		s.waiting = NULL;
		if (str_eq(step_state(&none, run, &s), state))
			return true;
	}
	return false;
}

struct str logrunview_event_state(const struct event *e, const struct msg *m)
{
	static const struct str failure[] = {
		{ "CALLBACK_INPROGRESS", 19 },
		{ "CALLBACK_SUCCESS", 16 },
		{ "CALLBACK_FAIL", 13 },
		{ "CALLBACK_CANCELED", 17 },
	};
	static const struct str step[] = {
		{ "STEP_PROGRESS", 13 },
		{ "STEP_SUCCESS", 12 },
		{ "STEP_FAILED", 11 },
		{ "STEP_CANCELED", 13 },
	};
	const struct str *name = m != NULL && m->run_role == MSG_FAILURE ? failure : step;

	switch (e->state) {
	case EVENT_CREATED:
		return m != NULL && (m->flags & MSG_RUN_FIRST) ? STR("RUN_STARTED") : name[0];
	case EVENT_DELIVERED:
		return name[1];
	case EVENT_FAILED:
		return name[2];
	case EVENT_CANCELED:
		return name[3];
	case EVENT_ERROR:
	case EVENT_RETRY:
		return name == failure ? name[0] : STR("STEP_RETRY");
	case EVENT_RUN_SUCCESS:
	case EVENT_RUN_FAILED:
	case EVENT_RUN_CANCELED:
		return event_state_name(e->state);
	default:
		return name[0];
	}
}

/* ---- parts ----------------------------------------------------------------------------------- */

/* Bytes as text, hidden or cut as asked for. */
static void put_text(const struct logrunview *v, struct json_out *j, struct str key,
		     const struct msg *m, struct str text)
{
	struct buf b;

	if (v->trim_body < 0 || text.n == 0)
		return;
	if (m == NULL || !redact_body(m)) {
		json_kstr(j, key, str_sub(text, 0, (size_t)v->trim_body));
		return;
	}
	buf_init(&b, REDACT_LEN);
	redact_value(&b, text);
	json_kstr(j, key, buf_str(&b));
	buf_done(&b);
}

static struct str reason(int64_t status)
{
	static const struct {
		int64_t status;
		struct str text;
	} known[] = {
		{ 400, { "400 Bad Request", 15 } },
		{ 401, { "401 Unauthorized", 16 } },
		{ 403, { "403 Forbidden", 13 } },
		{ 404, { "404 Not Found", 13 } },
		{ 408, { "408 Request Timeout", 19 } },
		{ 429, { "429 Too Many Requests", 21 } },
		{ 500, { "500 Internal Server Error", 25 } },
		{ 502, { "502 Bad Gateway", 15 } },
		{ 503, { "503 Service Unavailable", 23 } },
		{ 504, { "504 Gateway Timeout", 19 } },
	};

	for (size_t i = 0; i < countof(known); i++) {
		if (known[i].status == status)
			return known[i].text;
	}
	return STR_NULL;
}

/* What an answer of a failing attempt is called: its status, unless it was no failure by itself. */
static struct str error_text(const struct logrunview *v, const struct event *e)
{
	if (e->response_status < 300)
		return e->error;
	if (reason(e->response_status).n > 0)
		return reason(e->response_status);
	return arena_fmt(v->a, "%lld", (long long)e->response_status);
}

static void put_errors(const struct logrunview *v, struct json_out *j, const struct logrun_msg *m)
{
	bool any = false;

	for (size_t i = 0; i < m->events; i++) {
		const struct event *e = m->event[i];

		if (e->state != EVENT_ERROR)
			continue;
		if (!any) {
			json_key(j, STR("errors"));
			json_open(j, '[');
		}
		any = true;
		json_open(j, '{');
		json_kstr(j, STR("error"), error_text(v, e));
		put_text(v, j, STR("body"), NULL, e->response_body);
		view_headers(j, STR("headers"), &e->response_header, NULL);
		json_kint(j, STR("status"), e->response_status);
		json_kint(j, STR("time"), e->time_ms);
		json_close(j, '}');
	}
	if (any)
		json_close(j, ']');
}

static void put_id(struct json_out *j, const struct logrun_msg *m)
{
	char id[MSG_ID_LEN + 1];

	msg_id_text(id, m->msg.id);
	json_kstr(j, STR("messageId"), str_n(id, MSG_ID_LEN));
}

static void put_retries(struct json_out *j, const struct msg *m)
{
	json_kint(j, STR("retries"), m->retries_max);
	json_kstr_opt(j, STR("retryDelay"), m->retry_delay);
}

/* What the trigger has given, without what the server adds to each delivery. */
static bool is_shown(struct str name)
{
	return !str_istarts(name, STR("Upstash-")) ||
	       str_ieq(name, STR("Upstash-Workflow-Sdk-Version")) ||
	       str_ieq(name, STR("Upstash-Workflow-Invoke-Count")) ||
	       str_ieq(name, STR("Upstash-Label"));
}

static void put_headers(const struct logrunview *v, struct json_out *j, const struct msg *m)
{
	struct headers h = { arena_array(v->a, struct header, m->header.n + 1), 0 };

	for (size_t i = 0; i < m->header.n; i++) {
		if (is_shown(m->header.v[i].name))
			h.v[h.n++] = m->header.v[i];
	}
	view_headers(j, STR("headers"), &h, m);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static const struct json *member(const struct logrun_step *s, struct str key)
{
	const struct json *v = json_get(s->done.json, key);

	if (v == NULL || v->kind == JSON_NULL)
		v = json_get(s->planned.json, key);
	if (v == NULL || v->kind == JSON_NULL)
		v = json_get(s->waiting, key);
	return v != NULL && v->kind != JSON_NULL ? v : NULL;
}

/* SDKs of old give the value itself and not its JSON text. */
static void put_out(const struct logrunview *v, struct json_out *j, const struct logrun_step *s)
{
	const struct json *out = json_get(s->done.json, STR("out"));
	struct json_out j_text;
	struct str text;
	struct buf b;

	if (out == NULL || out->kind == JSON_NULL)
		return;
	buf_init(&b, SIZE_MAX / 4);
	if (out->kind == JSON_STRING) {
		text = out->text;
	} else {
		j_text = json_out(&b);
		json_value(&j_text, out);
		text = arena_str(v->a, buf_str(&b));
		buf_reset(&b);
	}
	if ((str_eq(s->step.type, STR("Wait")) || str_eq(s->step.type, STR("WaitForWebhook"))) &&
	    b64_decode(&b, text))
		text = arena_str(v->a, buf_str(&b));
	buf_done(&b);
	put_text(v, j, STR("out"), &s->result->msg, text);
}

static void put_sleep(struct json_out *j, const struct logrun_step *s)
{
	const struct json *ms = member(s, STR("sleepFor")), *at = member(s, STR("sleepUntil"));
	int64_t n;

	if (ms != NULL && duration_parse(ms->text, &n))
		json_kint_opt(j, STR("sleepFor"), n);
	if (at != NULL && at->kind == JSON_NUMBER && duration_parse(at->text, &n))
		json_kint_opt(j, STR("sleepUntil"), n);
}

static void put_json_text(const struct logrunview *v, struct json_out *j, struct str key,
			  const struct json *m)
{
	if (m != NULL && m->kind == JSON_STRING)
		put_text(v, j, key, NULL, m->text);
}

/* What an invoked run was given; hidden as the trigger of this one has it. */
static void put_invoked(const struct logrunview *v, struct json_out *j, const struct logrun *run,
			const struct logrun_step *s)
{
	const struct msg *m = run->init != NULL ? &run->init->msg : NULL;
	const struct json *body = member(s, STR("invokedWorkflowRunBody"));
	struct headers h = { 0 };

	if (body != NULL && body->kind == JSON_STRING)
		put_text(v, j, STR("invokedWorkflowRunBody"), m, body->text);
	if (headers_from_json(v->a, member(s, STR("invokedWorkflowRunHeaders")), &h) && h.n > 0)
		view_headers(j, STR("invokedWorkflowRunHeaders"), &h, m);
}

static void put_call(const struct logrunview *v, struct json_out *j, const struct logrun_step *s)
{
	const struct logrun_msg *call = s->call;

	if (call == NULL)
		return;
	json_kstr(j, STR("callUrl"), call->msg.url);
	json_kstr(j, STR("callMethod"), call->msg.method);
	put_text(v, j, STR("callBody"), &call->msg, call->msg.body);
	view_headers(j, STR("callHeaders"), &call->msg.header, &call->msg);
	if (call->last == NULL || !(call->delivered || call->failed))
		return;
	json_kint_opt(j, STR("callResponseStatus"), call->last->response_status);
	put_text(v, j, STR("callResponseBody"), &call->msg, call->last->response_body);
	view_headers(j, STR("callResponseHeaders"), &call->last->response_header, &call->msg);
}

static void put_wait(const struct logrunview *v, struct json_out *j, const struct logrun_step *s)
{
	static const struct str text[] = {
		{ "waitEventId", 11 },
		{ "waitTimeoutDuration", 19 },
		{ "invokedWorkflowRunId", 20 },
		{ "invokedWorkflowUrl", 18 },
	};
	static const struct str number[] = {
		{ "waitTimeoutDeadline", 19 },
		{ "invokedWorkflowCreatedAt", 24 },
	};
	const struct json *timeout = member(s, STR("waitTimeout"));
	int64_t n;

	for (size_t i = 0; i < countof(text); i++)
		put_json_text(v, j, text[i], member(s, text[i]));
	for (size_t i = 0; i < countof(number); i++) {
		const struct json *m = member(s, number[i]);

		if (m != NULL && json_i64(m, &n))
			json_kint_opt(j, number[i], n);
	}
	if (timeout != NULL && timeout->kind == JSON_BOOL)
		json_kbool(j, STR("waitTimeout"), timeout->boolean);
}

/* The message that stands for the step. */
static const struct logrun_msg *shown_msg(const struct logrun_step *s)
{
	const struct logrun_msg *by_age[] = { s->result, s->callback, s->call, s->plan };

	for (size_t i = 0; i < countof(by_age); i++) {
		if (by_age[i] != NULL)
			return by_age[i];
	}
	return NULL;
}

static void put_step(const struct logrunview *v, struct json_out *j, const struct logrun *run,
		     const struct logrun_step *s)
{
	const struct logrun_msg *m = shown_msg(s), *waits = pending(s);
	const struct logrun_msg *setting = m != NULL ? m : run->init;

	json_open(j, '{');
	json_kint_opt(j, STR("stepId"), s->id);
	json_kstr_opt(j, STR("stepName"), s->step.name);
	json_kstr_opt(j, STR("stepType"), s->step.type);
	json_kstr(j, STR("callType"),
		  s->call != NULL && s->result == NULL ? STR("toCallback") : STR("step"));
	if (m != NULL)
		put_id(j, m);
	if (s->result == NULL && s->plan != NULL)
		json_kint(j, STR("targetStep"), s->id);
	put_out(v, j, s);
	json_kint_opt(j, STR("concurrent"), s->step.concurrent);
	json_kstr(j, STR("state"), step_state(v, run, s));
	json_kint(j, STR("createdAt"), m != NULL ? m->msg.created_ms : s->waiting_ms);
	put_sleep(j, s);
	put_call(v, j, s);
	put_wait(v, j, s);
	put_invoked(v, j, run, s);
	if (setting != NULL)
		put_retries(j, &setting->msg);
	if (s->result == NULL && waits != NULL) {
		put_errors(v, j, waits);
		json_kint_opt(j, STR("nextDeliveryTime"), waits->next_ms);
	}
	json_close(j, '}');
}

static void open_group(struct json_out *j, struct str type)
{
	json_open(j, '{');
	json_kstr(j, STR("type"), type);
	json_key(j, STR("steps"));
	json_open(j, '[');
}

static void close_group(struct json_out *j)
{
	json_close(j, ']');
	json_close(j, '}');
}

static void put_init(const struct logrunview *v, struct json_out *j, const struct logrun_msg *m)
{
	open_group(j, STR("sequential"));
	json_open(j, '{');
	json_kstr(j, STR("stepName"), STR("init"));
	json_kstr(j, STR("stepType"), STR("Initial"));
	json_kstr(j, STR("callType"), STR("step"));
	put_id(j, m);
	put_text(v, j, STR("out"), &m->msg, m->msg.body);
	json_kint(j, STR("concurrent"), 1);
	json_kstr(j, STR("state"), STR("STEP_SUCCESS"));
	json_kint(j, STR("createdAt"), m->msg.created_ms);
	put_retries(j, &m->msg);
	put_headers(v, j, &m->msg);
	json_close(j, '}');
	close_group(j);
}

/* The steps of one parallel block, from `at` on: their ids follow each other. */
static size_t block(const struct logrun *run, size_t at)
{
	const struct logrun_step *s = &run->step[at];
	size_t n = 1;

	if (s->step.concurrent <= 1)
		return 1;
	while (at + n < run->steps && run->step[at + n].id < s->id + s->step.concurrent)
		n++;
	return n;
}

static void put_next(const struct logrunview *v, struct json_out *j, const struct logrun_msg *m)
{
	struct str name = STR_NULL;

	if (m->last != NULL)
		name = headers_get(&m->last->response_header, STR("Upstash-Error-Step-Name"));
	open_group(j, STR("next"));
	json_open(j, '{');
	put_id(j, m);
	json_kstr(j, STR("state"), msg_state(m));
	json_kstr_opt(j, STR("stepName"), name);
	put_retries(j, &m->msg);
	put_errors(v, j, m);
	json_kint_opt(j, STR("nextDeliveryTime"), m->next_ms);
	json_close(j, '}');
	close_group(j);
}

static void put_groups(const struct logrunview *v, struct json_out *j, const struct logrun *run)
{
	size_t n;

	json_key(j, STR("steps"));
	json_open(j, '[');
	if (run->init != NULL)
		put_init(v, j, run->init);
	for (size_t at = 0; at < run->steps; at += n) {
		n = block(run, at);
		open_group(j,
			   run->step[at].step.concurrent > 1 ? STR("parallel") : STR("sequential"));
		for (size_t i = 0; i < n; i++)
			put_step(v, j, run, &run->step[at + i]);
		close_group(j);
	}
	if (run->next != NULL)
		put_next(v, j, run->next);
	json_close(j, ']');
}

/* ---- the failure function -------------------------------------------------------------------- */

static struct str report_state(const struct logrun_msg *m)
{
	if (m->delivered)
		return STR("CALLBACK_SUCCESS");
	if (m->failed)
		return STR("CALLBACK_FAIL");
	return m->canceled ? STR("CALLBACK_CANCELED") : STR("CALLBACK_INPROGRESS");
}

/* The failing answer, out of what the callback tells. */
static void put_failing(const struct logrunview *v, struct json_out *j, const struct msg *m)
{
	char error[96];
	const struct json *told = json_parse(v->a, m->body, error);
	const struct json *status = json_get(told, STR("status"));
	const struct json *body = json_get(told, STR("body"));
	const struct json *dlq = json_get(told, STR("dlqId"));
	struct headers h = { 0 };
	struct buf b;
	int64_t n;

	if (status != NULL && json_i64(status, &n))
		json_kint(j, STR("failStatus"), n);
	buf_init(&b, SIZE_MAX / 4);
	if (body != NULL && body->kind == JSON_STRING && b64_decode(&b, body->text))
		put_text(v, j, STR("failResponse"), m, buf_str(&b));
	buf_done(&b);
	if (headers_from_json(v->a, json_get(told, STR("header")), &h))
		view_headers(j, STR("failHeaders"), &h, NULL);
	if (dlq != NULL && dlq->kind == JSON_STRING)
		json_kstr(j, STR("dlqId"), dlq->text);
}

static void put_failure(const struct logrunview *v, struct json_out *j, const struct logrun_msg *m)
{
	/* The endpoint has told that it has no failure function. */
	if (m == NULL ||
	    (m->last != NULL && headers_get(&m->last->response_header,
					    STR("Upstash-Workflow-Failure-Callback-Notfound"))
						.p != NULL))
		return;
	json_key(j, STR("failureFunction"));
	json_open(j, '{');
	put_id(j, m);
	json_kstr(j, STR("url"), m->msg.url);
	json_kstr(j, STR("state"), report_state(m));
	put_failing(v, j, &m->msg);
	put_errors(v, j, m);
	if (m->last != NULL) {
		json_kint_opt(j, STR("responseStatus"), m->last->response_status);
		put_text(v, j, STR("responseBody"), NULL, m->last->response_body);
		view_headers(j, STR("responseHeaders"), &m->last->response_header, NULL);
	}
	json_kint(j, STR("maxRetries"), m->msg.retries_max);
	json_close(j, '}');
}

/* ---- the run --------------------------------------------------------------------------------- */

static void put_invoker(struct json_out *j, const struct json *invoker)
{
	const struct json *created = json_get(invoker, STR("workflowRunCreatedAt"));
	const struct json *id = json_get(invoker, STR("workflowRunId"));
	const struct json *url = json_get(invoker, STR("workflowUrl"));
	int64_t ms;

	if (created == NULL || id == NULL || url == NULL || !json_i64(created, &ms))
		return;
	json_key(j, STR("invoker"));
	json_open(j, '{');
	json_kstr(j, STR("workflowRunId"), id->text);
	json_kstr(j, STR("workflowUrl"), url->text);
	json_kint(j, STR("workflowRunCreatedAt"), ms);
	json_close(j, '}');
}

void logrunview_write(const struct logrunview *v, struct json_out *j, const struct logrun *run)
{
	const struct msg trigger = logrun_trigger(run), *m = &trigger;

	check(run->msgs > 0);
	json_open(j, '{');
	json_kstr(j, STR("workflowRunId"), run->id);
	json_kstr(j, STR("workflowUrl"), m->url);
	json_kstr(j, STR("workflowState"), logrun_state_name(run->state));
	json_kint(j, STR("workflowRunCreatedAt"), run->created_ms);
	json_kint_opt(j, STR("workflowRunCompletedAt"), run->completed_ms);
	json_kstr_opt(j, STR("workflowRunCallerIp"), m->caller_ip);
	put_groups(v, j, run);
	put_text(v, j, STR("workflowRunResponse"), m, run->response);
	put_invoker(j, run->invoker);
	put_failure(v, j, run->failure);
	json_kstr_opt(j, STR("dlqId"), run->dlq_id);
	view_labels(j, m);
	json_kstr_opt(j, STR("flowControlKey"), m->flow_key);
	json_close(j, '}');
}
