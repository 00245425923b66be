#include "core/view.h"

#include "core/redact.h"

/* A string that is shown as its hash. */
static void put_redacted(struct json_out *j, struct str value, bool base64)
{
	struct buf b;

	buf_init(&b, REDACT_LEN);
	redact_value(&b, value);
	if (base64)
		json_b64(j, buf_str(&b));
	else
		json_str(j, buf_str(&b));
	buf_done(&b);
}

/* Names are canonical, so two that differ only in case are none; a list made elsewhere may hold
 * such. */
static bool is_first(const struct headers *h, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (str_ieq(h->v[i].name, h->v[at].name))
			return false;
	}
	return true;
}

static void put_values(struct json_out *j, const struct headers *h, struct str name, bool redacted)
{
	json_open(j, '[');
	for (size_t i = 0; i < h->n; i++) {
		if (!str_ieq(h->v[i].name, name))
			continue;
		if (redacted)
			put_redacted(j, h->v[i].value, false);
		else
			json_str(j, h->v[i].value);
	}
	json_close(j, ']');
}

void view_headers(struct json_out *j, struct str key, const struct headers *h, const struct msg *m)
{
	if (!h->n)
		return;
	json_key(j, key);
	json_open(j, '{');
	for (size_t i = 0; i < h->n; i++) {
		struct str name = h->v[i].name;

		if (!is_first(h, i))
			continue;
		json_key(j, name);
		put_values(j, h, name, m && redact_header(m, name));
	}
	json_close(j, '}');
}

/* As text when it is text, else in base64 under another name; nothing when empty. */
static void put_bytes(struct json_out *j, struct str key, struct str key_b64, struct str bytes)
{
	if (!bytes.n)
		return;
	if (str_is_utf8(bytes)) {
		json_kstr(j, key, bytes);
		return;
	}
	json_key(j, key_b64);
	json_b64(j, bytes);
}

void view_body(struct json_out *j, const struct msg *m)
{
	if (!m->body.n)
		return;
	if (!redact_body(m)) {
		put_bytes(j, STR("body"), STR("bodyBase64"), m->body);
		return;
	}
	json_key(j, STR("body"));
	put_redacted(j, m->body, false);
}

void view_body_b64(struct json_out *j, const struct msg *m)
{
	if (!m->body.n)
		return;
	json_key(j, STR("body"));
	if (redact_body(m))
		put_redacted(j, m->body, true);
	else
		json_b64(j, m->body);
}

void view_labels(struct json_out *j, const struct msg *m)
{
	struct str rest = m->labels;

	if (!rest.n)
		return;
	json_kstr(j, STR("label"), str_cut(&rest, ','));
	json_key(j, STR("labels"));
	json_open(j, '[');
	for (rest = m->labels; rest.n;)
		json_str(j, str_cut(&rest, ','));
	json_close(j, ']');
}

void view_flow(struct json_out *j, const struct msg *m)
{
	if (!m->flow_key.n)
		return;
	json_kstr(j, STR("flowControlKey"), m->flow_key);
	json_kint_opt(j, STR("parallelism"), m->flow_parallelism);
	json_kint_opt(j, STR("rate"), m->flow_rate);
	json_kint(j, STR("period"), m->flow_period_s ? m->flow_period_s : 1);
}

void view_callbacks(struct json_out *j, const struct msg *m)
{
	json_kstr_opt(j, STR("callback"), m->callback);
	view_headers(j, STR("callbackHeader"), &m->callback_header, NULL);
	json_kstr_opt(j, STR("failureCallback"), m->failure_callback);
	view_headers(j, STR("failureCallbackHeader"), &m->failure_callback_header, NULL);
}

void view_message(struct json_out *j, const struct msg *m)
{
	char id[MSG_ID_LEN + 1];

	msg_id_text(id, m->id);
	json_kstr(j, STR("messageId"), str_n(id, MSG_ID_LEN));
	json_kstr(j, STR("url"), m->url);
	json_kstr_opt(j, STR("topicName"), m->topic);
	json_kstr_opt(j, STR("endpointName"), m->endpoint);
	json_kstr_opt(j, STR("api"), m->api);
	json_kstr(j, STR("method"), m->method);
	view_headers(j, STR("header"), &m->header, m);
	view_body(j, m);
	json_kint(j, STR("maxRetries"), m->retries_max);
	json_kstr_opt(j, STR("retryDelayExpression"), m->retry_delay);
	json_kint(j, STR("notBefore"), m->not_before_ms);
	json_kint(j, STR("createdAt"), m->created_ms);
	view_callbacks(j, m);
	json_kstr_opt(j, STR("queueName"), m->queue);
	json_kstr_opt(j, STR("scheduleId"), m->schedule_id);
	/* Both spellings are read by clients. */
	json_kstr_opt(j, STR("callerIP"), m->caller_ip);
	json_kstr_opt(j, STR("callerIp"), m->caller_ip);
	view_labels(j, m);
	view_flow(j, m);
}

void view_dead(struct json_out *j, struct str dlq_id, const struct outcome *o)
{
	/* Where nothing came back, the reason stands in for the body. */
	struct str body = o->status || o->body.n ? o->body : o->error;

	json_kstr(j, STR("dlqId"), dlq_id);
	json_kint(j, STR("responseStatus"), o->status);
	view_headers(j, STR("responseHeader"), &o->header, NULL);
	put_bytes(j, STR("responseBody"), STR("responseBodyBase64"), body);
}
