#include "kit.h"

#include <string.h>

#include "base/codec.h"
#include "base/json.h"
#include "core/callback.h"

#define NOW 1700000500000

static struct msg source(struct arena *a)
{
	return (struct msg){
		.id = { 1, 2 },
		.user = STR("user"),
		.url = STR("https://example.com/x?a=b"),
		.method = STR("PUT"),
		.header = kit_headers(a, "Content-Type: text/plain\nX: 1\nX: 2"),
		.body = STR("the body\xff"),
		.created_ms = 1700000000000,
		.not_before_ms = 1700000001000,
		.timeout_ms = 60000,
		.retries_max = 5,
		.callback = STR("https://example.com/cb"),
		.failure_callback = STR("https://example.com/fcb"),
		.topic = STR("group"),
		.endpoint = STR("First endpoint"),
		.schedule_id = STR("scd_1"),
		.caller_ip = STR("10.0.0.1"),
		.labels = STR("label"),
		.flow_key = STR("key"),
		.flow_rate = 1,
		.flow_period_s = 1,
	};
}

static struct header answered_header[] = { H("Content-Type", "text/html"), H("Set-Cookie", "a"),
					   H("Set-Cookie", "b") };

static const struct outcome answered = {
	.status = 500,
	.header = { answered_header, 3 },
	.body = { "sorry", 5 },
};

static struct callback_source from(const struct msg *m, enum verdict_kind kind)
{
	return (struct callback_source){
		.msg = m,
		.retried = 2,
		.outcome = &answered,
		.verdict = { .kind = kind, .at_ms = NOW + 5 },
		.dlq_id = STR("1700000500000-1"),
		.plan = plan_find(STR("payg")),
		.now_ms = NOW,
	};
}

TEST(the_message_that_reports)
{
	struct callback_source src;
	struct msg m, cb = { 0 };
	struct arena a;

	arena_init(&a);
	m = source(&a);
	src = from(&m, VERDICT_RETRY);
	T_CHECK(callback_make(&a, &src, false, &cb));
	T_EQ_INT(cb.id.seq, 0);
	T_EQ_INT(cb.flags, MSG_IS_CALLBACK);
	T_EQ_STR(cb.user, "user");
	T_EQ_STR(cb.url, "https://example.com/cb");
	T_EQ_STR(cb.method, "POST");
	T_EQ_STR(kit_lines(&a, &cb.header), "Content-Type: application/json\n");
	T_EQ_INT(cb.created_ms, NOW);
	T_EQ_INT(cb.not_before_ms, NOW);
	T_EQ_INT(cb.timeout_ms, 2 * 3600 * 1000);
	T_EQ_INT(cb.retries_max, 5);
	T_EQ_STR(cb.caller_ip, "10.0.0.1");
	T_CHECK(!cb.callback.n && !cb.failure_callback.n && !cb.queue.n && !cb.flow_key.n &&
		!cb.labels.n);
	T_CHECK(!cb.topic.n && !cb.schedule_id.n && !cb.redact.n && !cb.retry_delay.n &&
		!cb.root_seq);
	arena_done(&a);
}

TEST(the_report)
{
	struct callback_source src;
	struct msg m, cb = { 0 };
	struct arena a;

	arena_init(&a);
	m = source(&a);
	src = from(&m, VERDICT_RETRY);
	T_CHECK(callback_make(&a, &src, false, &cb));
	T_EQ_STR(cb.body,
		 "{\"status\":500,\"header\":{\"Content-Type\":[\"text/"
		 "html\"],\"Set-Cookie\":[\"a\",\"b\"]},"
		 "\"body\":\"c29ycnk=\",\"retried\":2,\"maxRetries\":5,"
		 "\"sourceMessageId\":\"msg_1111111111211111111113\",\"topicName\":\"group\","
		 "\"endpointName\":\"First "
		 "endpoint\",\"url\":\"https://example.com/x?a=b\",\"method\":\"PUT\","
		 "\"sourceHeader\":{\"Content-Type\":[\"text/plain\"],\"X\":[\"1\",\"2\"]},"
		 "\"sourceBody\":\"dGhlIGJvZHn/"
		 "\",\"notBefore\":1700000001000,\"createdAt\":1700000000000,"
		 "\"scheduleId\":\"scd_1\",\"callerIP\":\"10.0.0.1\"}");
	arena_done(&a);
}

/* A workflow's SDK passes over a report of a failure that leaves retries. */
TEST(a_call_that_ends_early_has_no_retries_left)
{
	struct callback_source src;
	struct msg m, cb = { 0 };
	struct arena a;

	arena_init(&a);
	m = source(&a);
	m.run_role = MSG_CALL;
	src = from(&m, VERDICT_DEAD);
	T_CHECK(callback_make(&a, &src, false, &cb));
	T_CHECK(str_has(cb.body, STR("\"retried\":2,\"maxRetries\":2,")));
	src.verdict.kind = VERDICT_DELIVERED;
	T_CHECK(callback_make(&a, &src, false, &cb));
	T_CHECK(str_has(cb.body, STR("\"retried\":2,\"maxRetries\":5,")));
	src.verdict.kind = VERDICT_RETRY;
	T_CHECK(!callback_make(&a, &src, false, &cb));
	arena_done(&a);
}

TEST(the_report_of_the_end)
{
	struct outcome silent = { .error = STR("connection refused") };
	struct callback_source src;
	struct msg m, cb = { 0 };
	struct arena a;

	arena_init(&a);
	m = (struct msg){ .id = { 1, 2 },
			  .url = STR("http://x"),
			  .method = STR("POST"),
			  .failure_callback = STR("http://f") };
	src = from(&m, VERDICT_DEAD);
	src.outcome = &silent;
	src.retried = 0;
	T_CHECK(callback_make(&a, &src, true, &cb));
	T_EQ_INT(cb.flags, MSG_IS_CALLBACK | MSG_IS_FAILURE_CALLBACK);
	T_EQ_STR(cb.url, "http://f");
	/* What receivers read without asking is there, even when it is empty. */
	T_EQ_STR(cb.body,
		 "{\"status\":0,\"header\":{},\"body\":\"Y29ubmVjdGlvbiByZWZ1c2Vk\",\"retried\":0,"
		 "\"maxRetries\":0,"
		 "\"dlqId\":\"1700000500000-1\",\"sourceMessageId\":\"msg_1111111111211111111113\","
		 "\"url\":\"http://x\",\"method\":\"POST\",\"sourceHeader\":{},\"sourceBody\":\"\","
		 "\"notBefore\":0,\"createdAt\":0}");
	arena_done(&a);
}

static const struct {
	const char *what;
	enum verdict_kind kind;
	bool has_callback, has_failure, is_callback;
	bool callback, failure; /* due? */
} dues[] = {
	{ "success", VERDICT_DELIVERED, true, true, false, true, false },
	{ "an attempt that failed", VERDICT_RETRY, true, true, false, true, false },
	{ "the end", VERDICT_DEAD, true, true, false, true, true },
	{ "the end, only a callback", VERDICT_DEAD, true, false, false, true, false },
	{ "the end, only a failure callback", VERDICT_DEAD, false, true, false, false, true },
	{ "neither", VERDICT_DEAD, false, false, false, false, false },
	{ "callbacks have none", VERDICT_DEAD, true, true, true, false, false },
};

TEST_EACH(when_one_is_due, dues)
{
	struct callback_source src;
	struct msg m, cb;
	struct arena a;

	arena_init(&a);
	m = source(&a);
	if (!row->has_callback)
		m.callback = STR_NULL;
	if (!row->has_failure)
		m.failure_callback = STR_NULL;
	m.flags = row->is_callback ? MSG_IS_CALLBACK : 0;
	src = from(&m, row->kind);
	T_EQ_INT(callback_make(&a, &src, false, &cb), row->callback);
	T_EQ_INT(callback_make(&a, &src, true, &cb), row->failure);
	arena_done(&a);
}

TEST(only_the_end_has_a_dead_letter)
{
	struct callback_source src;
	struct msg m, cb = { 0 };
	struct arena a;

	arena_init(&a);
	m = source(&a);
	src = from(&m, VERDICT_RETRY);
	T_CHECK(callback_make(&a, &src, false, &cb));
	T_CHECK(!str_has(cb.body, STR("dlqId")));
	src = from(&m, VERDICT_DEAD);
	T_CHECK(callback_make(&a, &src, false, &cb));
	T_CHECK(str_has(cb.body, STR("\"dlqId\":\"1700000500000-1\"")));
	arena_done(&a);
}

TEST(settings_of_its_own)
{
	struct callback_source src;
	struct msg m, cb = { 0 };
	struct arena a;

	arena_init(&a);
	m = source(&a);
	m.callback_header = kit_headers(&a, "Method: PATCH\nRetries: 1\nDelay: 10s\nTimeout: "
					    "5s\nRetry-Delay: 100\nForward-X: y\n"
					    "Forward-Content-Type: text/json\nForward-Host: "
					    "evil\nLabel: l\nFlow-Control-Key: k\n"
					    "Flow-Control-Value: rate=3\nRedact-Fields: "
					    "header[X]\nQueue-Name: q\nCallback: http://z\n"
					    "Workflow-Runid: wfr_1");
	src = from(&m, VERDICT_DELIVERED);
	T_CHECK(callback_make(&a, &src, false, &cb));
	T_EQ_STR(cb.method, "PATCH");
	T_EQ_INT(cb.retries_max, 1);
	T_EQ_INT(cb.not_before_ms, NOW + 10000);
	T_EQ_INT(cb.timeout_ms, 5000);
	T_EQ_STR(cb.retry_delay, "100");
	T_EQ_STR(kit_lines(&a, &cb.header), "X: y\nContent-Type: text/json\n");
	T_EQ_STR(cb.labels, "l");
	T_EQ_STR(cb.flow_key, "k");
	T_EQ_INT(cb.flow_rate, 3);
	T_EQ_STR(cb.redact, "header[X]");
	T_CHECK(!cb.queue.n && !cb.callback.n);
	arena_done(&a);
}

TEST(each_kind_has_its_settings)
{
	struct callback_source src;
	struct msg m, cb = { 0 };
	struct arena a;

	arena_init(&a);
	m = source(&a);
	m.callback_header = kit_headers(&a, "Retries: 1");
	m.failure_callback_header = kit_headers(&a, "Retries: 2\nMethod: GET");
	src = from(&m, VERDICT_DEAD);
	T_CHECK(callback_make(&a, &src, false, &cb));
	T_EQ_INT(cb.retries_max, 1);
	T_CHECK(callback_make(&a, &src, true, &cb));
	T_EQ_INT(cb.retries_max, 2);
	T_EQ_STR(cb.method, "GET");
	arena_done(&a);
}

TEST(a_smaller_plan_does_not_lose_it)
{
	struct callback_source src;
	struct msg m, cb = { 0 };
	struct arena a;

	arena_init(&a);
	m = source(&a);
	m.callback_header = kit_headers(&a, "Delay: 30d\nRetries: 4\nTimeout: 1h");
	src = from(&m, VERDICT_DEAD);
	src.plan = plan_find(STR("free"));
	T_CHECK(callback_make(&a, &src, false, &cb));
	T_EQ_INT(cb.not_before_ms, NOW + 30ll * 86400 * 1000);
	T_EQ_INT(cb.retries_max, 4);
	T_EQ_INT(cb.timeout_ms, 15 * 60 * 1000);
	/* Nor does a record that nobody understands. */
	m.callback_header = kit_headers(&a, "Delay: 30 fortnights\nMethod: GET");
	T_CHECK(callback_make(&a, &src, false, &cb));
	T_EQ_STR(cb.method, "POST");
	T_EQ_INT(cb.not_before_ms, NOW);
	T_EQ_STR(cb.url, "https://example.com/cb");
	/* Then it has the retries of its source, as without settings. */
	m.callback_header = kit_headers(&a, "Retries: many");
	T_CHECK(callback_make(&a, &src, false, &cb));
	T_EQ_INT(cb.retries_max, 5);
	arena_done(&a);
}

static const struct {
	const char *source, *own, *want;
} redacts[] = {
	{ "", "", "" },
	{ "", "body", "body" },
	{ "", "header[A]", "header[A]" },
	{ "body", "", "body" },
	{ "header", "", "body,header" },
	{ "header[Authorization]", "", "body,header[Authorization]" },
	{ "body,header[A]", "header[B]", "body,header[A],header[B]" },
	{ "header[A]", "header", "body,header" },
};

TEST_EACH(what_the_source_hides_stays_hidden, redacts)
{
	struct callback_source src;
	struct msg m, cb = { 0 };
	struct arena a;

	arena_init(&a);
	m = source(&a);
	m.redact = str_c(row->source);
	if (*row->own)
		m.callback_header = kit_headers(&a, arena_fmt(&a, "Redact-Fields: %s", row->own).p);
	src = from(&m, VERDICT_DELIVERED);
	T_CHECK(callback_make(&a, &src, false, &cb));
	T_EQ_STR(cb.redact, row->want);
	/* It is delivered in full. */
	T_CHECK(str_has(cb.body, STR("\"sourceBody\":\"dGhlIGJvZHn/\"")));
	arena_done(&a);
}

TEST(two_hundred_hidden_names_hide_all)
{
	struct str list = STR("header[a0]"), own = STR("Redact-Fields: header[b0]");
	struct callback_source src;
	struct msg m, cb = { 0 };
	struct arena a;

	arena_init(&a);
	for (int i = 1; i < 100; i++) {
		list = arena_fmt(&a, "%.*s,header[a%d]", STR_FMT(list), i);
		own = arena_fmt(&a, "%.*s,header[b%d]", STR_FMT(own), i);
	}
	m = source(&a);
	m.redact = list;
	m.callback_header = kit_headers(&a, own.p);
	src = from(&m, VERDICT_DELIVERED);
	T_CHECK(callback_make(&a, &src, false, &cb));
	T_EQ_STR(cb.redact, "body,header");
	arena_done(&a);
}

TEST(the_slot_of_the_queue)
{
	struct callback_source src;
	struct msg m, cb = { 0 };
	struct arena a;

	arena_init(&a);
	m = source(&a);
	m.queue = STR("queue");
	src = from(&m, VERDICT_DELIVERED);
	T_CHECK(callback_make(&a, &src, false, &cb));
	T_EQ_INT(cb.root_seq, 1);
	T_CHECK(!cb.queue.n);
	m.queue = STR_NULL;
	m.root_seq = 99;
	T_CHECK(callback_make(&a, &src, false, &cb));
	T_EQ_INT(cb.root_seq, 99);
	arena_done(&a);
}

TEST(the_report_is_json)
{
	struct outcome odd = { .status = 200,
			       .header = HEADERS(H("A\"B", "\xff\"\\\n")),
			       .body = STR("\0\xff") };
	struct callback_source src;
	struct msg m, cb = { 0 };
	struct arena a;
	struct buf body;
	char error[96];
	const struct json *v;

	arena_init(&a);
	buf_init(&body, 100);
	m = source(&a);
	m.url = STR("https://example.com/\"\\");
	src = from(&m, VERDICT_DELIVERED);
	src.outcome = &odd;
	T_CHECK(callback_make(&a, &src, false, &cb));
	v = json_parse(&a, cb.body, error);
	T_CHECK(v);
	T_EQ_STR(json_get(v, STR("url"))->text, "https://example.com/\"\\");
	T_CHECK(b64_decode(&body, json_get(v, STR("body"))->text));
	T_EQ_STR(buf_str(&body), STR("\0\xff"));
	buf_done(&body);
	arena_done(&a);
}

/* As large as plans allow, both: a third more in base64, they would be no message any more. */
TEST(a_source_without_room_beside_the_answer_is_left_out)
{
	enum { SOURCE = 100 * 1024 * 1024, ANSWER = 60 * 1024 * 1024 };
	struct outcome o = answered;
	struct callback_source src;
	struct msg m, cb = { 0 };
	const struct json *v;
	struct arena a;
	char error[96];
	char *bytes;

	arena_init(&a);
	bytes = arena_alloc(&a, SOURCE);
	memset(bytes, 'x', SOURCE);
	m = source(&a);
	m.body = str_n(bytes, SOURCE);
	o.body = str_n(bytes, ANSWER);
	src = from(&m, VERDICT_DEAD);
	src.outcome = &o;
	T_CHECK(callback_make(&a, &src, false, &cb));
	v = json_parse(&a, cb.body, error);
	T_EQ_STR(json_get(v, STR("sourceBody"))->text, "");
	T_EQ_INT(json_get(v, STR("body"))->text.n, ANSWER / 3 * 4);
	o.body = str_n(bytes, 3);
	T_CHECK(callback_make(&a, &src, false, &cb));
	v = json_parse(&a, cb.body, error);
	T_EQ_INT(json_get(v, STR("sourceBody"))->text.n, (SOURCE + 2) / 3 * 4);
	arena_done(&a);
}
