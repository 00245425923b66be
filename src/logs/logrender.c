#include "logs/logrender.h"

#include "core/view.h"

static void event_members(struct json_out *j, const struct event *e)
{
	char id[MSG_ID_LEN + 1];

	msg_id_text(id, e->id);
	json_kint(j, STR("time"), e->time_ms);
	json_kstr(j, STR("messageId"), str_n(id, MSG_ID_LEN));
	json_kstr(j, STR("state"), event_state_name(e->state));
	json_kstr_opt(j, STR("error"), e->error);
	json_kint_opt(j, STR("nextDeliveryTime"), e->next_delivery_ms);
}

static void response_members(struct json_out *j, const struct event *e)
{
	json_kint_opt(j, STR("responseStatus"), e->response_status);
	if (e->response_body.n) {
		json_key(j, STR("responseBody"));
		json_b64(j, e->response_body);
	}
	view_headers(j, STR("responseHeader"), &e->response_header, NULL);
	view_headers(j, STR("responseHeaders"), &e->response_header, NULL);
}

static void origin_members(struct json_out *j, const struct msg *m)
{
	json_kstr_opt(j, STR("topicName"), m->topic);
	json_kstr_opt(j, STR("endpointName"), m->endpoint);
	json_kstr_opt(j, STR("scheduleId"), m->schedule_id);
	json_kstr_opt(j, STR("queueName"), m->queue);
	json_kstr_opt(j, STR("callerIP"), m->caller_ip);
	view_labels(j, m);
	view_flow(j, m);
}

static void setting_members(struct json_out *j, const struct msg *m)
{
	json_kint(j, STR("timeout"), m->timeout_ms);
	json_kint(j, STR("maxRetries"), m->retries_max);
	json_kstr_opt(j, STR("retryDelayExpression"), m->retry_delay);
	json_kstr_opt(j, STR("retryDelayExpr"), m->retry_delay);
	json_kstr_opt(j, STR("callback"), m->callback);
	json_kstr_opt(j, STR("failureCallback"), m->failure_callback);
	view_headers(j, STR("callbackHeaders"), &m->callback_header, NULL);
	view_headers(j, STR("failureCallbackHeaders"), &m->failure_callback_header, NULL);
}

void logrender_entry(struct json_out *j, const struct event *e, const struct msg *m)
{
	json_open(j, '{');
	event_members(j, e);
	json_kstr(j, STR("url"), m ? m->url : STR_NULL);
	if (m) {
		json_kstr(j, STR("method"), m->method);
		view_headers(j, STR("header"), &m->header, m);
		view_body_b64(j, m);
		origin_members(j, m);
		setting_members(j, m);
	}
	response_members(j, e);
	json_close(j, '}');
}
