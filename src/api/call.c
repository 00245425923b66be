#include "api/call.h"

#include "base/check.h"
#include "net/loop.h"

/* What lets a web page of any origin read an answer. */
#define CORS_LINES "Access-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: *\r\n"

struct arena *call_arena(const struct call *c)
{
	return c->req->arena;
}

int64_t call_now_ms(const struct call *c)
{
	return loop_wall_ms(c->api->set.loop);
}

void call_ask_log(struct call *c, struct logs_query *q)
{
	q->user = c->account->user.id;
	q->now_ms = call_now_ms(c);
	q->not_before_pos = engine_outbox_last(c->engine);
	q->source = engine_database(c->engine);
	c->api->set.logs.query(c->api->set.logs.arg, q);
}

struct json_out call_json(struct call *c)
{
	buf_reset(&c->api->out);
	return json_out(&c->api->out);
}

static struct str header_lines(const struct call *c, struct str own)
{
	if (!c->api->set.cors)
		return own;
	if (own.n == 0)
		return STR(CORS_LINES);
	return arena_fmt(c->req->arena, "%s%.*s", CORS_LINES, STR_FMT(own));
}

static void reply(struct call *c, int status, struct str headers, struct str json)
{
	struct httpd_reply r = {
		.status = status,
		.content_type = STR("application/json"),
		.headers = header_lines(c, headers),
		.body = json,
	};

	httpd_reply(c->req, &r);
}

void call_answer_with(struct call *c, int status, struct str headers)
{
	struct api *api = c->api;

	if (api->out.overflow)
		reply(c, 500, STR_NULL, STR("{\"error\":\"the answer is too long\"}"));
	else
		reply(c, status, headers, buf_str(&api->out));
	if (api->out.cap > API_ANSWER_KEEP_BYTES) {
		buf_done(&api->out);
		buf_init(&api->out, API_ANSWER_BYTES_MAX);
	}
}

void call_answer(struct call *c, int status)
{
	call_answer_with(c, status, STR_NULL);
}

void call_answer_count(struct call *c, struct str key, int64_t n)
{
	struct json_out j = call_json(c);

	json_open(&j, '{');
	json_kint(&j, key, n);
	json_close(&j, '}');
	call_answer(c, 200);
}

void call_answer_text(struct call *c, int status, struct str json)
{
	reply(c, status, STR_NULL, json);
}

static void error_json(struct call *c, struct str text)
{
	struct json_out j = call_json(c);

	json_open(&j, '{');
	json_kstr(&j, STR("error"), text);
	json_close(&j, '}');
}

void call_fail_with(struct call *c, const struct problem *p, struct str headers)
{
	check(p->status >= 400);
	error_json(c, str_c(p->text));
	call_answer_with(c, p->status, headers);
}

/* What a status asks the client to do. */
static struct str status_headers(int status)
{
	if (status == 401)
		return STR("WWW-Authenticate: Bearer\r\n");
	return status == 503 ? STR("Retry-After: 1\r\n") : STR_NULL;
}

void call_fail(struct call *c, const struct problem *p)
{
	call_fail_with(c, p, status_headers(p->status));
}

void call_refuse(struct call *c, int status, const char *text)
{
	check(status >= 400);
	error_json(c, str_c(text));
	call_answer_with(c, status, status_headers(status));
}

void call_refuse_method(struct call *c, struct str allow)
{
	error_json(c, STR("method not allowed"));
	call_answer_with(c, 405, arena_fmt(c->req->arena, "Allow: %.*s\r\n", STR_FMT(allow)));
}

void call_answer_empty(struct call *c, struct str headers)
{
	struct httpd_reply r = { .status = 204, .headers = header_lines(c, headers) };

	httpd_reply(c->req, &r);
}
