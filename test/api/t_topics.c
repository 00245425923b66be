/* URL groups: kept, changed, and published to. */
#include <time.h>

#include "rig.h"
#include "t.h"

#define TWO                                                                       \
	"{\"endpoints\":[{\"url\":\"https://a.io/hold\",\"name\":\"First one\"}," \
	"{\"url\":\"https://b.io/hold\"}]}"

static struct answer ask(struct rig *r, const char *method, const char *target, const char *body)
{
	return rig_ask(r, method, target, RIG_AUTH, str_c(body));
}

static void add(struct rig *r, const char *name, const char *body)
{
	struct answer a =
		ask(r, "POST", arena_fmt(rig_arena(r), "/v2/topics/%s/endpoints", name).p, body);

	if (a.status != 200)
		T_FAIL("answered %d %.*s", a.status, STR_FMT(a.body));
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool shows(struct rig *r, const char *target, const char *part)
{
	struct answer a = rig_do(r, "GET", target);

	return a.status == 200 && str_has(a.body, str_c(part));
}

static struct str text(const struct json *v, const char *key)
{
	const struct json *m = json_get(v, str_c(key));

	return m != NULL && m->kind == JSON_STRING ? m->text : STR_NULL;
}

static struct answer message(struct rig *r, struct str id)
{
	return rig_do(r, "GET", arena_fmt(rig_arena(r), "/v2/messages/%.*s", STR_FMT(id)).p);
}

TEST(a_group_is_made_shown_changed_and_goes_with_its_last_endpoint)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a;

	T_EQ_STR(rig_do(r, "GET", "/v2/topics").body, "[]");
	add(r, "g", TWO);
	a = rig_do(r, "GET", "/v2/topics/g");
	T_EQ_STR(answer_str(a, "name"), "g");
	T_CHECK(answer_int(a, "createdAt") > 0 && answer_int(a, "updatedAt") > 0);
	T_CHECK(str_has(a.body,
			STR("\"endpoints\":[{\"name\":\"First one\",\"url\":\"https://a.io/hold\"},"
			    "{\"url\":\"https://b.io/hold\"}]")));
	add(r, "g", "{\"endpoints\":[{\"url\":\"https://c.io\",\"name\":\"First one\"}]}");
	T_CHECK(shows(r, "/v2/urlGroups/g", "[{\"name\":\"First one\",\"url\":\"https://c.io\"},"));
	add(r, "h", TWO);
	T_EQ_INT(answer_count(rig_do(r, "GET", "/v2/topics"), NULL), 2);
	a = ask(r, "DELETE", "/v2/topics/g/endpoints",
		"{\"endpoints\":[{\"name\":\"First one\"},{\"url\":\"https://nowhere.io\"}]}");
	T_EQ_INT(a.status, 200);
	T_CHECK(shows(r, "/v2/topics/g", "\"endpoints\":[{\"url\":\"https://b.io/hold\"}]"));
	ask(r, "DELETE", "/v2/topics/g/endpoints",
	    "{\"endpoints\":[{\"url\":\"https://b.io/hold\"}]}");
	T_EQ_INT(rig_do(r, "GET", "/v2/topics/g").status, 404);
	T_EQ_INT(rig_do(r, "DELETE", "/v2/topics/h").status, 200);
	T_EQ_INT(rig_do(r, "DELETE", "/v2/topics/h").status, 200);
	T_EQ_STR(rig_do(r, "GET", "/v2/topics").body, "[]");
	rig_stop(r);
}

/* A client compares the times with its own clock, read in the same millisecond perhaps. */
TEST(a_group_is_younger_than_the_request_that_made_it)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });

	for (int i = 0; i < 50; i++) {
		int64_t before_ms = now_ms();
		struct answer a;

		add(r, "g", TWO);
		a = rig_do(r, "GET", "/v2/topics/g");
		T_CHECK(answer_int(a, "updatedAt") > before_ms);
		T_CHECK(answer_int(a, "createdAt") > before_ms);
		T_CHECK(answer_int(a, "updatedAt") <= now_ms() + 1);
		ask(r, "DELETE", "/v2/topics/g", "");
	}
	rig_stop(r);
}

static const struct {
	const char *method, *target, *body;
	int status;
	const char *error;
} refused[] = {
	{ "POST", "/v2/topics/a%20b/endpoints", TWO, 400, "invalid topic name" },
	{ "POST", "/v2/topics/g/endpoints", "[]", 400, "must be a JSON object" },
	{ "POST", "/v2/topics/g/endpoints", "{\"endpoints\":[]}", 400, "endpoints" },
	{ "POST", "/v2/topics/g/endpoints", "{\"endpoints\":[{\"name\":\"x\"}]}", 400,
	  "invalid url" },
	{ "POST", "/v2/topics/g/endpoints", "{\"endpoints\":[{\"url\":\"ftp://x\"}]}", 400,
	  "invalid url" },
	{ "DELETE", "/v2/topics/g/endpoints", "{\"endpoints\":[{}]}", 400, "a url or a name" },
	{ "DELETE", "/v2/topics/g/endpoints", TWO, 404, "topic g not found" },
	{ "GET", "/v2/topics/g", "", 404, "topic g not found" },
	{ "PATCH", "/v2/topics/g", "{\"headers\":{\"Upstash-Retries\":\"3\"}}", 404,
	  "topic g not found" },
	{ "PATCH", "/v2/topics/g", "{\"headers\":{\"Upstash-Retries\":\"x\"}}", 400,
	  "Upstash-Retries" },
	{ "PATCH", "/v2/topics/g", "{\"headers\":[]}", 400, "headers" },
	{ "POST", "/v2/publish/g", "x", 404, "topic g not found" },
};

TEST_EACH(what_is_refused, refused)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a = ask(r, row->method, row->target, row->body);

	if (a.status != row->status || !str_has(answer_str(a, "error"), str_c(row->error)))
		T_FAIL("answered %d %.*s", a.status, STR_FMT(a.body));
	T_EQ_STR(rig_do(r, "GET", "/v2/topics").body, "[]");
	rig_stop(r);
}

TEST(groups_are_the_users_own)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });

	add(r, "g", TWO);
	T_EQ_INT(rig_ask(r, "GET", "/v2/topics/g", "Authorization: Bearer " RIG_OTHER_TOKEN "\r\n",
			 STR_NULL)
			 .status,
		 404);
	T_EQ_INT(rig_ask(r, "GET", "/v2/topics/g", "Authorization: Bearer " RIG_READ_ONLY "\r\n",
			 STR_NULL)
			 .status,
		 200);
	T_EQ_INT(rig_ask(r, "DELETE", "/v2/topics/g", "Authorization: Bearer " RIG_READ_ONLY "\r\n",
			 STR_NULL)
			 .status,
		 403);
	rig_stop(r);
}

TEST(the_plan_limits_groups_and_endpoints)
{
	struct plan plan = *plan_find(STR("free"));
	struct rig *r;
	struct answer a;

	plan.endpoints_max = 2;
	r = rig_start((struct rig_settings){ .plan = &plan });
	add(r, "g", TWO);
	a = ask(r, "POST", "/v2/topics/h/endpoints", TWO);
	T_EQ_INT(a.status, 412);
	T_EQ_STR(answer_str(a, "error"), "quota maxTopics exceeded, current limit: 1");
	a = ask(r, "POST", "/v2/topics/g/endpoints",
		"{\"endpoints\":[{\"url\":\"https://c.io\"}]}");
	T_EQ_INT(a.status, 412);
	T_EQ_STR(answer_str(a, "error"), "quota maxEndpoints exceeded, current limit: 2");
	add(r, "g", TWO);
	rig_stop(r);
}

TEST(a_message_to_a_group_goes_to_each_endpoint)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a, m;

	add(r, "g", TWO);
	a = ask(r, "POST", "/v2/publish/g", "body");
	T_EQ_INT(a.status, 200);
	T_EQ_INT(answer_count(a, NULL), 2);
	T_EQ_STR(text(answer_at(a, NULL, 0), "url"), "https://a.io/hold");
	T_EQ_STR(text(answer_at(a, NULL, 1), "url"), "https://b.io/hold");
	m = message(r, text(answer_at(a, NULL, 0), "messageId"));
	T_EQ_STR(answer_str(m, "topicName"), "g");
	T_EQ_STR(answer_str(m, "endpointName"), "First one");
	T_EQ_STR(answer_str(m, "url"), "https://a.io/hold");
	T_EQ_STR(answer_str(m, "body"), "body");
	m = message(r, text(answer_at(a, NULL, 1), "messageId"));
	T_CHECK(!answer_has(m, "endpointName"));
	a = ask(r, "POST", "/v2/enqueue/q/g", "body");
	T_EQ_INT(answer_count(a, NULL), 2);
	m = message(r, text(answer_at(a, NULL, 1), "messageId"));
	T_EQ_STR(answer_str(m, "queueName"), "q");
	rig_stop(r);
}

TEST(duplicates_are_told_for_each_endpoint)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	const char *fields = RIG_AUTH "Upstash-Deduplication-Id: once\r\n";
	struct answer a, b;

	add(r, "g", TWO);
	a = rig_ask(r, "POST", "/v2/publish/g", fields, STR("1"));
	T_EQ_INT(a.status, 200);
	b = rig_ask(r, "POST", "/v2/publish/g", fields, STR("1"));
	T_EQ_INT(b.status, 202);
	T_EQ_STR(text(answer_at(b, NULL, 1), "messageId"),
		 text(answer_at(a, NULL, 1), "messageId"));
	add(r, "g", "{\"endpoints\":[{\"url\":\"https://c.io/hold\"}]}");
	b = rig_ask(r, "POST", "/v2/publish/g", fields, STR("1"));
	T_EQ_INT(b.status, 200);
	T_EQ_INT(answer_count(b, NULL), 3);
	T_CHECK(json_get(answer_at(b, NULL, 0), STR("deduplicated")) != NULL);
	T_CHECK(json_get(answer_at(b, NULL, 2), STR("deduplicated")) == NULL);
	rig_stop(r);
}

TEST(a_groups_headers_are_the_weakest)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a, m;

	add(r, "g", TWO);
	a = ask(r, "PATCH", "/v2/topics/g",
		"{\"headers\":{\"Upstash-Retries\":\"7\",\"Upstash-Forward-X-One\":[\"1\"],"
		"\"Upstash-Label\":\"l\"}}");
	T_EQ_INT(a.status, 200);
	a = rig_ask(r, "POST", "/v2/publish/g?upstash-label=mine",
		    RIG_AUTH "Upstash-Retries: 1\r\n", STR("x"));
	m = message(r, text(answer_at(a, NULL, 0), "messageId"));
	T_EQ_INT(answer_int(m, "maxRetries"), 1);
	T_EQ_STR(answer_str(m, "label"), "mine");
	T_CHECK(str_has(m.body, STR("\"X-One\":[\"1\"]")));
	ask(r, "PATCH", "/v2/topics/g", "{\"headers\":{}}");
	a = ask(r, "POST", "/v2/publish/g", "x");
	m = message(r, text(answer_at(a, NULL, 0), "messageId"));
	T_EQ_INT(answer_int(m, "maxRetries"), 3);
	T_CHECK(!answer_has(m, "header") && !answer_has(m, "label"));
	rig_stop(r);
}

TEST(a_batch_may_mix_groups_and_urls)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a;

	add(r, "g", TWO);
	a = ask(r, "POST", "/v2/batch",
		"[{\"destination\":\"g\",\"body\":\"1\"},{\"destination\":\"https://x.io/hold\"},"
		"{\"destination\":\"gone\"},{\"destination\":\"g\",\"queue\":\"q\"}]");
	T_EQ_INT(a.status, 200);
	T_EQ_INT(answer_count(a, NULL), 4);
	T_EQ_INT(answer_at(a, NULL, 0)->kind, JSON_ARRAY);
	T_EQ_INT(answer_at(a, NULL, 0)->count, 2);
	T_EQ_STR(text(answer_at(a, NULL, 1), "url"), "https://x.io/hold");
	T_EQ_STR(text(answer_at(a, NULL, 2), "error"), "topic gone not found");
	T_EQ_INT(answer_at(a, NULL, 3)->count, 2);
	T_EQ_STR(rig_do(r, "DELETE", "/v2/messages").body, "{\"cancelled\":5}");
	rig_stop(r);
}
