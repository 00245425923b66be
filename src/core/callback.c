#include "core/callback.h"

#include "base/check.h"
#include "base/json.h"
#include "core/options.h"
#include "core/redact.h"
#include "core/view.h"

enum { SOURCE_BYTES_MAX = 144 * 1024 * 1024 }; /* with the answer */

static void put_headers(struct json_out *j, struct str key, const struct headers *h)
{
	if (h->n) {
		view_headers(j, key, h, NULL);
		return;
	}
	/* Receivers copy it without asking whether it is there. */
	json_key(j, key);
	json_raw(j, STR("{}"));
}

static void put_bytes(struct json_out *j, struct str key, struct str bytes)
{
	json_key(j, key);
	json_b64(j, bytes);
}

/* A workflow is told of a call without an answer as if a gateway had answered. */
static int64_t status_of(const struct callback_source *src)
{
	const struct outcome *o = src->outcome;

	if (o->status || src->msg->run_role != MSG_CALL)
		return o->status;
	return o->duration_ms >= src->msg->timeout_ms ? 504 : 502;
}

/* A workflow waits for the callback whose counts say that no attempt follows; a call may also end before it has
 * used up its retries. */
static int64_t retries_max_of(const struct callback_source *src)
{
	bool is_end = src->msg->run_role == MSG_CALL && src->verdict.kind == VERDICT_DEAD;

	return is_end ? src->retried : src->msg->retries_max;
}

static void put_outcome(struct json_out *j, const struct callback_source *src)
{
	const struct outcome *o = src->outcome;

	json_kint(j, STR("status"), status_of(src));
	put_headers(j, STR("header"), &o->header);
	/* Where nothing came back, the reason stands in for the body; but a failure function parses it. */
	put_bytes(j, STR("body"), o->status || o->body.n || src->run_failed ? o->body : o->error);
	json_kint(j, STR("retried"), src->retried);
	json_kint(j, STR("maxRetries"), retries_max_of(src));
	if (src->verdict.kind == VERDICT_DEAD)
		json_kstr_opt(j, STR("dlqId"), src->dlq_id);
}

/* Each may be as large as a plan allows, and base64 makes both a third larger. Where they do not fit into one
 * message together, the source is left out: who wants the callback has sent it. */
static struct str source_body(const struct callback_source *src)
{
	struct str body = src->has_payload ? src->payload : src->msg->body;

	return body.n + src->outcome->body.n <= SOURCE_BYTES_MAX ? body : STR_NULL;
}

static void put_source(struct json_out *j, const struct callback_source *src)
{
	const struct msg *m = src->msg;
	char id[MSG_ID_LEN + 1];

	msg_id_text(id, m->id);
	json_kstr(j, STR("sourceMessageId"), str_n(id, MSG_ID_LEN));
	json_kstr_opt(j, STR("topicName"), m->topic);
	json_kstr_opt(j, STR("endpointName"), m->endpoint);
	json_kstr(j, STR("url"), m->url);
	json_kstr(j, STR("method"), m->method);
	put_headers(j, STR("sourceHeader"), &m->header);
	put_bytes(j, STR("sourceBody"), source_body(src));
	if (src->run_failed) {
		json_kstr(j, STR("workflowRunId"), m->run);
		json_kint(j, STR("workflowCreatedAt"), m->run_created_ms);
	}
	json_kint(j, STR("notBefore"), m->not_before_ms);
	json_kint(j, STR("createdAt"), m->created_ms);
	json_kstr_opt(j, STR("scheduleId"), m->schedule_id);
	json_kstr_opt(j, STR("callerIP"), m->caller_ip);
}

static struct str body_text(struct arena *a, const struct callback_source *src)
{
	struct json_out j;
	struct str text;
	struct buf b;

	buf_init(&b, SIZE_MAX / 4);
	j = json_out(&b);
	json_open(&j, '{');
	put_outcome(&j, src);
	put_source(&j, src);
	json_close(&j, '}');
	text = arena_str(a, buf_str(&b));
	buf_done(&b);
	return text;
}

/* The settings were judged when the message was accepted. What has changed since, a smaller plan
 * say, must not keep the callback from being sent. False when it goes without its settings. */
static bool apply_settings(struct arena *a, const struct callback_source *src,
			   const struct headers *settings, struct msg *m)
{
	struct plan plan = *src->plan;
	struct options_source from = { .header = *settings, .plan = &plan, .now_ms = src->now_ms };
	struct problem ignored;
	struct msg given = *m;

	plan.retries_max = plan.delay_max_s = 0;
	if (options_parse_callback(a, &from, STR_NULL, m, &ignored))
		return true;
	*m = given;
	from.header.n = 0;
	check(options_parse_callback(a, &from, STR_NULL, m, &ignored));
	return false;
}

/* Hidden is what the source hides and what the callback's own settings hide; and its body, which
 * shows all of the source, when the source hides anything. */
static struct str redact_list(struct arena *a, const struct msg *source, struct str own)
{
	struct problem too_many;
	struct str list;

	if (!source->redact.n)
		return own;
	list = arena_fmt(a, "body,%.*s,%.*s", STR_FMT(source->redact), STR_FMT(own));
	if (!redact_parse(a, list, STR_NULL, &list, &too_many))
		return STR("body,header");
	return list;
}

static uint64_t root_of(const struct msg *source)
{
	if (source->root_seq)
		return source->root_seq;
	return source->queue.n ? source->id.seq : 0;
}

bool callback_make(struct arena *a, const struct callback_source *src, bool failure,
		   struct msg *ret_msg)
{
	const struct msg *source = src->msg;
	const struct headers *settings =
		failure ? &source->failure_callback_header : &source->callback_header;
	struct msg m = {
		.flags = MSG_IS_CALLBACK | (failure ? MSG_IS_FAILURE_CALLBACK : 0),
		.user = source->user,
		.url = failure ? source->failure_callback : source->callback,
		.created_ms = src->now_ms,
		.caller_ip = source->caller_ip,
		.root_seq = root_of(source),
	};

	if ((source->flags & MSG_IS_CALLBACK) || !m.url.n)
		return false;
	if (failure && src->verdict.kind != VERDICT_DEAD)
		return false;
	if (source->run_role == MSG_CALL && src->verdict.kind == VERDICT_RETRY)
		return false;
	if (!apply_settings(a, src, settings, &m) || !headers_get(settings, STR("Retries")).n)
		m.retries_max = source->retries_max;
	m.redact = redact_list(a, source, m.redact);
	m.body = body_text(a, src);
	*ret_msg = m;
	return true;
}
