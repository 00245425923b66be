/* Publishing to a URL, and the message that is then there. */
#include <string.h>

#include "rig.h"
#include "t.h"

TEST(a_message_is_accepted_and_shown)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a =
		rig_ask(r, "POST", "/v2/publish/https://x.io/hold",
			RIG_AUTH "Upstash-Forward-test-header: test-value\r\n", STR("{\"a\": 1}"));
	struct str id = answer_str(a, "messageId");
	struct answer m;

	T_EQ_INT(a.status, 200);
	T_CHECK(str_starts(id, STR("msg_")));
	T_EQ_STR(answer_str(a, "url"), "https://x.io/hold");
	T_CHECK(!answer_has(a, "deduplicated"));
	m = rig_do(r, "GET", arena_fmt(rig_arena(r), "/v2/messages/%.*s", STR_FMT(id)).p);
	T_EQ_INT(m.status, 200);
	T_EQ_STR(answer_str(m, "messageId"), id);
	T_EQ_STR(answer_str(m, "url"), "https://x.io/hold");
	T_EQ_STR(answer_str(m, "method"), "POST");
	T_EQ_STR(answer_str(m, "body"), "{\"a\": 1}");
	T_CHECK(str_has(m.body, STR("\"header\":{\"Test-Header\":[\"test-value\"]}")));
	T_CHECK(answer_int(m, "notBefore") == answer_int(m, "createdAt"));
	T_EQ_STR(answer_str(m, "callerIP"), "127.0.0.1");
	T_CHECK(!answer_has(m, "queueName") && !answer_has(m, "label"));
	rig_stop(r);
}

static const struct {
	const char *dest, *url;
} destinations[] = {
	{ "https://x.io/hold", "https://x.io/hold" },
	{ "https://x.io/hold/", "https://x.io/hold/" },
	{ "HTTP://x.io:8080/hold//a/../b%2fc%20d", "HTTP://x.io:8080/hold//a/../b%2fc%20d" },
	{ "http://localhost:3000/hold?a=b&c", "http://localhost:3000/hold?a=b&c" },
	{ "https://x.io/hold?a=%20&qstash_token=t&upstash-retries=1&a=%20",
	  "https://x.io/hold?a=%20&a=%20" },
	{ "https://x.io/hold?Upstash-Retries=1", "https://x.io/hold" },
	{ "https://[::1]:99/hold?x", "https://[::1]:99/hold?x" },
	{ "https://u:p@x.io/hold", "https://u:p@x.io/hold" },
};

TEST_EACH(the_destination_is_taken_as_it_comes, destinations)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct str id = rig_publish(r, row->dest, "", "");
	struct answer m =
		rig_do(r, "GET", arena_fmt(rig_arena(r), "/v2/messages/%.*s", STR_FMT(id)).p);

	T_EQ_STR(answer_str(m, "url"), row->url);
	rig_stop(r);
}

static const struct {
	const char *dest, *fields;
	int status;
	const char *error; /* part of it */
} refused[] = {
	{ "", "", 400, "a non-empty destination must be provided" },
	{ "https%3A%2F%2Fx.io", "", 400,
	  "invalid destination url: endpoint has invalid scheme, add http:// or https://" },
	{ "localhost:3000/x", "", 400,
	  "invalid destination url: endpoint has invalid scheme, add http:// or https://" },
	{ "ftp://x.io", "", 400, "invalid scheme" },
	{ "https://", "", 400, "invalid destination url" },
	{ "https://a b", "", 400, "" },
	{ "some-group", "", 404, "topic some-group not found" },
	{ "api/llm", "Upstash-Callback: https://c.io\r\n", 400, "-llm-url" },
	{ "api/other", "", 400, "unknown api" },
	{ "https://x.io", "Upstash-Retries: many\r\n", 400, "Upstash-Retries" },
	{ "https://x.io", "Upstash-Delay: 10y\r\n", 400, "Upstash-Delay" },
	{ "https://x.io", "Upstash-Delay: 9999d\r\n", 412, "maxDelay" },
	{ "https://x.io", "Upstash-Callback: nowhere\r\n", 400, "Upstash-Callback" },
	{ "https://x.io?upstash-retries=many", "", 400, "Upstash-Retries" },
	{ "https://x.io?upstash-retries=%4", "", 400, "percent-escape" },
};

TEST_EACH(what_cannot_be_published_is_refused, refused)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct arena *m = rig_arena(r);
	struct answer a = rig_ask(r, "POST", arena_fmt(m, "/v2/publish/%s", row->dest).p,
				  arena_fmt(m, RIG_AUTH "%s", row->fields).p, STR("x"));
	struct answer after;

	T_EQ_INT(a.status, row->status);
	if (strchr(row->dest, ' ') == NULL && !str_has(answer_str(a, "error"), str_c(row->error)))
		T_FAIL("answered %.*s", STR_FMT(a.body));
	/* Nothing is stored: a cancel of everything finds nothing. */
	after = rig_do(r, "DELETE", "/v2/messages");
	T_EQ_STR(after.body, "{\"cancelled\":0}");
	rig_stop(r);
}

TEST(settings_come_by_header_or_query_and_the_header_wins)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct str id = rig_publish(r, "https://x.io/hold?upstash-retries=7&upstash-delay=1h",
				    "Upstash-Retries: 2\r\n", "");
	struct answer m =
		rig_do(r, "GET", arena_fmt(rig_arena(r), "/v2/messages/%.*s", STR_FMT(id)).p);

	T_EQ_INT(answer_int(m, "maxRetries"), 2);
	T_EQ_INT(answer_int(m, "notBefore"), answer_int(m, "createdAt") + 3600 * 1000);
	rig_stop(r);
}

TEST(a_duplicate_is_accepted_and_not_stored)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	const char *fields = RIG_AUTH "Upstash-Deduplication-Id: once\r\nUpstash-Delay: 1h\r\n";
	struct answer a = rig_ask(r, "POST", "/v2/publish/https://x.io/hold", fields, STR("1"));
	struct answer b = rig_ask(r, "POST", "/v2/publish/https://x.io/other", fields, STR("2"));

	T_EQ_INT(a.status, 200);
	T_EQ_INT(b.status, 202);
	T_EQ_STR(answer_str(b, "messageId"), answer_str(a, "messageId"));
	T_CHECK(json_get(b.json, STR("deduplicated"))->boolean);
	T_EQ_STR(rig_do(r, "DELETE", "/v2/messages").body, "{\"cancelled\":1}");
	rig_stop(r);
}

TEST(a_body_that_is_no_text_is_shown_in_base64)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a =
		rig_ask(r, "POST", "/v2/publish/https://x.io/hold", RIG_AUTH, STR("\xff\x00\x01"));
	struct str id = answer_str(a, "messageId");
	struct answer m =
		rig_do(r, "GET", arena_fmt(rig_arena(r), "/v2/messages/%.*s", STR_FMT(id)).p);

	T_EQ_STR(answer_str(m, "bodyBase64"), "/wAB");
	T_CHECK(!answer_has(m, "body"));
	rig_stop(r);
}

/* ---- api/llm ---------------------------------------------------------------------------------------- */

#define LLM "https://llm.io/hold/v1/chat/completions"
#define CALLBACK "Upstash-Callback: https://c.io\r\n"

TEST(api_llm_stands_for_the_server_that_is_set_up)
{
	struct rig *r = rig_start((struct rig_settings){ .llm_url = STR(LLM) });
	struct str id = rig_publish(r, "api/llm", CALLBACK, "{}");
	struct answer a =
		rig_do(r, "GET", arena_fmt(rig_arena(r), "/v2/messages/%.*s", STR_FMT(id)).p);

	T_EQ_STR(answer_str(a, "api"), "llm");
	T_EQ_STR(answer_str(a, "url"), LLM);
	a = rig_ask(r, "POST", "/v2/publish/api/llm", RIG_AUTH, STR("{}"));
	T_EQ_INT(a.status, 400);
	T_EQ_STR(answer_str(a, "error"), "Upstash-Callback: is missing; api/llm needs a callback");
	a = rig_ask(r, "POST", "/v2/batch", RIG_AUTH,
		    STR("[{\"destination\":\"api/llm\",\"body\":\"{}\",\"headers\":{"
			"\"Upstash-Callback\":\"https://c.io\"}},{\"destination\":\"api/llm\"}]"));
	T_EQ_INT(a.status, 200);
	T_CHECK(json_get(answer_at(a, NULL, 0), STR("messageId")) != NULL);
	T_CHECK(json_get(answer_at(a, NULL, 1), STR("error")) != NULL);
	a = rig_ask(r, "POST", "/v2/schedules/api/llm",
		    RIG_AUTH CALLBACK "Upstash-Cron: 0 * * * *\r\n", STR("{}"));
	T_EQ_INT(a.status, 200);
	a = rig_do(r, "GET", "/v2/schedules");
	T_EQ_STR(json_get(answer_at(a, NULL, 0), STR("destination"))->text, "api/llm");
	rig_stop(r);
}

TEST(no_models_are_hosted)
{
	struct rig *r = rig_start((struct rig_settings){ .llm_url = STR(LLM) });
	struct answer a = rig_ask(r, "POST", "/llm/v1/chat/completions", RIG_AUTH, STR("{}"));

	T_EQ_INT(a.status, 400);
	T_CHECK(str_has(answer_str(a, "error"), STR("api/llm")));
	T_EQ_INT(rig_ask(r, "POST", "/llm/v1/chat/completions", "", STR("{}")).status, 401);
	rig_stop(r);
}
