/* Transport: who may do what, which errors have which shape, limits on bodies, CORS, keys. */
#include "core/plan.h"
#include "rig.h"
#include "t.h"

enum { KIB = 1024 };

static const struct {
	const char *method, *target, *fields;
	int status;
	const char *error; /* NULL = not an error */
} doors[] = {
	{ "GET", "/v2/keys", RIG_AUTH, 200, NULL },
	{ "GET", "/v2/keys", "authorization: BEARER " RIG_TOKEN "\r\n", 200, NULL },
	{ "GET", "/v2/keys?qstash_token=" RIG_TOKEN, "", 200, NULL },
	{ "GET", "/v2/keys?qstash_token=nobody", RIG_AUTH, 200, NULL },
	{ "HEAD", "/v2/keys/", RIG_AUTH, 200, NULL },
	{ "GET", "/v2/keys", "", 401, "unable to authenticate: invalid token" },
	{ "GET", "/v2/keys", "Authorization: " RIG_TOKEN "\r\n", 401,
	  "unable to authenticate: invalid token" },
	{ "GET", "/v2/keys?qstash_token=" RIG_TOKEN, "Authorization: Bearer nobody\r\n", 401,
	  "unable to authenticate: invalid token" },
	{ "POST", "/v2/publish/https://x.io", "", 401, "unable to authenticate: invalid token" },
	{ "GET", "/v2/dlq", "Authorization: Bearer " RIG_READ_ONLY "\r\n", 200, NULL },
	{ "GET", "/v2/events", "Authorization: Bearer " RIG_READ_ONLY "\r\n", 200, NULL },
	{ "GET", "/v2/keys", "Authorization: Bearer " RIG_READ_ONLY "\r\n", 403,
	  "this needs the full token; the read-only one may only read" },
	{ "DELETE", "/v2/messages", "Authorization: Bearer " RIG_READ_ONLY "\r\n", 403,
	  "this needs the full token; the read-only one may only read" },
	{ "POST", "/v2/publish/https://x.io", "Authorization: Bearer " RIG_READ_ONLY "\r\n", 403,
	  "this needs the full token; the read-only one may only read" },
	{ "POST", "/v2/dlq/retry?qstash_token=" RIG_READ_ONLY, "", 403,
	  "this needs the full token; the read-only one may only read" },
	{ "GET", "/", "", 404, "no such endpoint" },
	{ "GET", "/v1/publish/x", RIG_AUTH, 404, "no such endpoint" },
	{ "GET", "/v2/nothing", "", 404, "no such endpoint" },
	{ "GET", "/v2/publish/https://x.io", RIG_AUTH, 405, "method not allowed" },
	{ "OPTIONS", "/v2/keys", "Access-Control-Request-Method: GET\r\n", 405,
	  "method not allowed" },
	{ "GET", "/v2/messages/%zz", RIG_AUTH, 400, "the path has a broken percent-escape" },
	{ "GET", "/v2/health", "", 200, NULL },
	{ "GET", "/health", "", 200, NULL },
};

TEST_EACH(doors_open_for_the_right_ones, doors)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a = rig_ask(r, row->method, row->target, row->fields, STR_NULL);

	T_EQ_INT(a.status, row->status);
	T_CHECK(str_has(a.head, STR("Content-Type: application/json\r\n")));
	if (row->error != NULL)
		T_EQ_STR(answer_str(a, "error"), row->error);
	else
		T_CHECK(!answer_has(a, "error"));
	rig_stop(r);
}

TEST(other_methods_are_told_which_are_allowed)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });

	T_CHECK(str_has(rig_do(r, "PUT", "/v2/dlq/1-1").head, STR("\r\nAllow: GET, DELETE\r\n")));
	T_CHECK(str_has(rig_do(r, "GET", "/v2/rotate").head, STR("\r\nAllow: POST\r\n")));
	T_CHECK(str_has(rig_ask(r, "GET", "/v2/keys", "", STR_NULL).head,
			STR("\r\nWWW-Authenticate: Bearer\r\n")));
	rig_stop(r);
}

/* What the codec refuses has the shape of every other error. */
TEST(refusals_of_the_codec_are_json)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a = rig_raw(r, STR("GET /v2/keys HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n"));

	T_EQ_INT(a.status, 400);
	T_CHECK(answer_str(a, "error").n > 0);
	rig_stop(r);
}

static struct str bytes_of(struct rig *r, size_t n)
{
	char *p = arena_zalloc(rig_arena(r), n);

	return str_n(p, n);
}

TEST(bodies_have_limits)
{
	struct plan plan = *plan_find(STR("payg"));
	struct rig *r;
	struct answer a;

	plan.message_bytes_max = 100 * KIB;
	r = rig_start((struct rig_settings){ .plan = &plan });
	a = rig_ask(r, "POST", "/v2/publish/https://x.io", RIG_AUTH, bytes_of(r, 100 * KIB));
	T_EQ_INT(a.status, 200);
	a = rig_ask(r, "POST", "/v2/publish/https://x.io", RIG_AUTH, bytes_of(r, 100 * KIB + 1));
	T_EQ_INT(a.status, 412);
	T_EQ_STR(answer_str(a, "error"), "quota maxMessageSize exceeded, current limit: 102400");
	a = rig_ask(r, "DELETE", "/v2/dlq", RIG_AUTH "Content-Length: 1048577\r\n", STR_NULL);
	T_EQ_INT(a.status, 413);
	T_EQ_STR(answer_str(a, "error"), "the body of this request may have 1048576 bytes at most");
	rig_stop(r);
}

/* Without Content-Length the limit shows itself only while the body streams in. */
TEST(a_chunked_body_is_refused_while_it_comes)
{
	struct plan plan = *plan_find(STR("payg"));
	struct rig *r;
	struct answer a;

	plan.message_bytes_max = 4;
	r = rig_start((struct rig_settings){ .plan = &plan });
	a = rig_raw(r, STR("POST /v2/publish/https://x.io HTTP/1.1\r\nHost: h\r\n" RIG_AUTH
			   "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n"));
	T_EQ_INT(a.status, 412);
	T_EQ_STR(answer_str(a, "error"), "quota maxMessageSize exceeded, current limit: 4");
	rig_stop(r);
}

TEST(pages_may_call_in_development)
{
	struct rig *r = rig_start((struct rig_settings){ .cors = true });
	struct answer a = rig_ask(r, "OPTIONS", "/v2/publish/https://x.io",
				  "Origin: https://console.example\r\n"
				  "Access-Control-Request-Method: POST\r\n"
				  "Access-Control-Request-Headers: authorization,upstash-delay\r\n"
				  "Access-Control-Request-Private-Network: true\r\n",
				  STR_NULL);

	T_EQ_INT(a.status, 204);
	T_CHECK(str_has(a.head, STR("\r\nAccess-Control-Allow-Origin: *\r\n")));
	T_CHECK(str_has(a.head,
			STR("\r\nAccess-Control-Allow-Headers: authorization,upstash-delay\r\n")));
	T_CHECK(str_has(
		a.head,
		STR("\r\nAccess-Control-Allow-Methods: GET, POST, PUT, PATCH, DELETE\r\n")));
	T_CHECK(str_has(a.head, STR("\r\nAccess-Control-Allow-Private-Network: true\r\n")));
	T_CHECK(str_has(rig_do(r, "GET", "/v2/keys").head,
			STR("\r\nAccess-Control-Allow-Origin: *\r\n")));
	a = rig_do(r, "PUT", "/v2/keys");
	T_CHECK(str_has(a.head, STR("\r\nAccess-Control-Allow-Origin: *\r\n")));
	T_CHECK(str_has(a.head, STR("\r\nAllow: GET\r\n")));
	rig_stop(r);
	r = rig_start((struct rig_settings){ 0 });
	T_CHECK(!str_has(rig_do(r, "GET", "/v2/keys").head, STR("Access-Control")));
	rig_stop(r);
}

/* Spec 2.2.11: current := next, next := fresh; nobody else's keys change. */
TEST(keys_rotate)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a = rig_do(r, "GET", "/v2/keys"), b;

	T_EQ_STR(a.body, "{\"current\":\"sig_current\",\"next\":\"sig_next\"}");
	a = rig_do(r, "POST", "/v2/keys/rotate");
	T_EQ_INT(a.status, 200);
	T_EQ_STR(answer_str(a, "current"), "sig_next");
	T_CHECK(str_starts(answer_str(a, "next"), STR("sig_")) && answer_str(a, "next").n >= 28);
	T_EQ_STR(rig_do(r, "GET", "/v2/keys").body, a.body);
	b = rig_do(r, "POST", "/v2/rotate");
	T_EQ_STR(answer_str(b, "current"), answer_str(a, "next"));
	b = rig_ask(r, "GET", "/v2/keys?qstash_token=" RIG_OTHER_TOKEN, "", STR_NULL);
	T_EQ_STR(b.body, "{\"current\":\"sig_a\",\"next\":\"sig_b\"}");
	rig_stop(r);
}

/* Requests of the same account are under way while its keys change. */
TEST(keys_rotate_under_load)
{
	static const char *const lines[] = {
		"POST /v2/keys/rotate", "GET /v2/messages/msg_1111111111111111111111",
		"GET /v2/dlq",          "GET /v2/events?count=1",
		"DELETE /v2/messages",  "POST /v2/publish/https://x.io",
	};
	enum { ROUNDS = 50 };
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct peer p[countof(lines)];

	for (size_t i = 0; i < countof(lines); i++)
		p[i] = rig_dial(r);
	for (int k = 0; k < ROUNDS; k++) {
		for (size_t i = 0; i < countof(lines); i++)
			peer_fmt(&p[i], "%s HTTP/1.1\r\nHost: h\r\n" RIG_AUTH "\r\n", lines[i]);
	}
	for (size_t i = 0; i < countof(lines); i++) {
		for (int k = 0; k < ROUNDS; k++) {
			int status = peer_status(&p[i], "GET");

			T_CHECK(status == (i == 1 ? 404 : 200) || (i == 0 && status == 409));
		}
		peer_close(&p[i]);
	}
	rig_stop(r);
}
