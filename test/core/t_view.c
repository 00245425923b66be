#include "t.h"

#include "core/view.h"
#include "lines.h"

typedef void put_fn(struct json_out *j, const struct msg *m);

static struct str object(struct arena *a, put_fn *put, const struct msg *m)
{
	struct json_out j;
	struct str text;
	struct buf b;

	buf_init(&b, 1 << 20);
	j = json_out(&b);
	json_open(&j, '{');
	put(&j, m);
	json_close(&j, '}');
	text = arena_str(a, buf_str(&b));
	buf_done(&b);
	return text;
}

static struct msg plain(void)
{
	return (struct msg){
		.id = { 1, 2 },
		.url = STR("https://a.example/x"),
		.method = STR("POST"),
		.created_ms = 1700000000000,
		.not_before_ms = 1700000005000,
		.retries_max = 3,
	};
}

#define ID "\"messageId\":\"msg_1111111111211111111113\""

TEST(plain_message_shows_little)
{
	struct msg m = plain();
	struct arena a;

	arena_init(&a);
	T_EQ_STR(object(&a, view_message, &m),
		 "{" ID ",\"url\":\"https://a.example/x\",\"method\":\"POST\",\"maxRetries\":3,"
		 "\"notBefore\":1700000005000,\"createdAt\":1700000000000}");
	m.retries_max = 0;
	T_EQ_STR(object(&a, view_message, &m),
		 "{" ID ",\"url\":\"https://a.example/x\",\"method\":\"POST\",\"maxRetries\":0,"
		 "\"notBefore\":1700000005000,\"createdAt\":1700000000000}");
	arena_done(&a);
}

static struct msg full(struct arena *a)
{
	struct msg m = plain();

	m.topic = STR("group");
	m.endpoint = STR("First endpoint");
	m.api = STR("llm");
	m.header = lines_headers(a, "Content-Type: text/plain\nX-A: 1\nX-B: 3\nX-A: 2");
	m.body = STR("a \"body\"\n");
	m.retry_delay = STR("1000 * retried");
	m.callback = STR("http://c");
	m.callback_header = lines_headers(a, "Retries: 1\nForward-X: y");
	m.failure_callback = STR("http://f");
	m.failure_callback_header = lines_headers(a, "Method: GET");
	m.queue = STR("q");
	m.schedule_id = STR("scd_1");
	m.caller_ip = STR("192.0.2.1");
	m.labels = STR("one,two words");
	m.flow_key = STR("k");
	m.flow_parallelism = 3;
	m.flow_rate = 5;
	m.flow_period_s = 60;
	return m;
}

TEST(full_message_shows_all)
{
	struct arena a;
	struct msg m;

	arena_init(&a);
	m = full(&a);
	T_EQ_STR(
		object(&a, view_message, &m),
		"{" ID ",\"url\":\"https://a.example/x\",\"topicName\":\"group\","
		"\"endpointName\":\"First endpoint\",\"api\":\"llm\",\"method\":\"POST\","
		"\"header\":{\"Content-Type\":[\"text/"
		"plain\"],\"X-A\":[\"1\",\"2\"],\"X-B\":[\"3\"]},"
		"\"body\":\"a \\\"body\\\"\\n\",\"maxRetries\":3,\"retryDelayExpression\":\"1000 * "
		"retried\","
		"\"notBefore\":1700000005000,\"createdAt\":1700000000000,\"callback\":\"http://c\","
		"\"callbackHeader\":{\"Retries\":[\"1\"],\"Forward-X\":[\"y\"]},"
		"\"failureCallback\":\"http://f\","
		"\"failureCallbackHeader\":{\"Method\":[\"GET\"]},\"queueName\":\"q\","
		"\"scheduleId\":\"scd_1\","
		"\"callerIP\":\"192.0.2.1\",\"callerIp\":\"192.0.2.1\",\"label\":\"one\","
		"\"labels\":[\"one\",\"two "
		"words\"],\"flowControlKey\":\"k\",\"parallelism\":3,\"rate\":5,"
		"\"period\":60}");
	arena_done(&a);
}

/* SHA-256 of "text/plain", "1", "2" and the body. */
TEST(redacted_values_are_hashes)
{
	struct arena a;
	struct msg m;

	arena_init(&a);
	m = plain();
	m.header = lines_headers(&a, "Content-Type: text/plain\nX-A: 1\nX-A: 2");
	m.body = STR("hello");
	m.redact = STR("body,header[x-a]");
	T_EQ_STR(object(&a, view_message, &m),
		 "{" ID ",\"url\":\"https://a.example/x\",\"method\":\"POST\","
		 "\"header\":{\"Content-Type\":[\"text/plain\"],\"X-A\":["
		 "\"REDACTED:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b\","
		 "\"REDACTED:d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35\"]},"
		 "\"body\":\"REDACTED:"
		 "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\","
		 "\"maxRetries\":3,\"notBefore\":1700000005000,\"createdAt\":1700000000000}");
	arena_done(&a);
}

static const struct {
	struct str body, redact;
	const char *json, *b64;
} bodies[] = {
	{ { "", 0 }, { "", 0 }, "{}", "{}" },
	{ { "", 0 }, { "body", 4 }, "{}", "{}" },
	{ { "hello", 5 }, { "", 0 }, "{\"body\":\"hello\"}", "{\"body\":\"aGVsbG8=\"}" },
	{ { "\xff\x00", 2 }, { "", 0 }, "{\"bodyBase64\":\"/wA=\"}", "{\"body\":\"/wA=\"}" },
	{ { "a\0", 2 }, { "", 0 }, "{\"body\":\"a\\u0000\"}", "{\"body\":\"YQA=\"}" },
	{ { "\xff", 1 },
	  { "body", 4 },
	  "{\"body\":\"REDACTED:"
	  "a8100ae6aa1940d0b663bb31cd466142ebbdbd5187131b92d93818987832eb89\"}",
	  "{\"body\":"
	  "\"UkVEQUNURUQ6YTgxMDBhZTZhYTE5NDBkMGI2NjNiYjMxY2Q0NjYxNDJlYmJkYmQ1MTg3MTMxYjkyZDkzODE4OT"
	  "g3"
	  "ODMyZWI4OQ==\"}" },
};

TEST_EACH(shows_bodies, bodies)
{
	struct msg m = { .body = row->body, .redact = row->redact };
	struct arena a;

	arena_init(&a);
	T_EQ_STR(object(&a, view_body, &m), row->json);
	T_EQ_STR(object(&a, view_body_b64, &m), row->b64);
	arena_done(&a);
}

static const struct {
	struct msg m;
	const char *json;
} flows[] = {
	{ { .flow_parallelism = 3 }, "{}" },
	{ { .flow_key = { "k", 1 }, .flow_rate = 2 },
	  "{\"flowControlKey\":\"k\",\"rate\":2,\"period\":1}" },
	{ { .flow_key = { "k", 1 }, .flow_parallelism = 2, .flow_period_s = 9 },
	  "{\"flowControlKey\":\"k\",\"parallelism\":2,\"period\":9}" },
};

TEST_EACH(shows_flow_control, flows)
{
	struct arena a;

	arena_init(&a);
	T_EQ_STR(object(&a, view_flow, &row->m), row->json);
	arena_done(&a);
}

static void put_labels(struct json_out *j, const struct msg *m)
{
	json_kint(j, STR("before"), 1);
	view_labels(j, m);
	json_kint(j, STR("after"), 2);
}

static const struct {
	const char *labels, *json;
} labels[] = {
	{ "", "{\"before\":1,\"after\":2}" },
	{ "a", "{\"before\":1,\"label\":\"a\",\"labels\":[\"a\"],\"after\":2}" },
	{ "a,b,c", "{\"before\":1,\"label\":\"a\",\"labels\":[\"a\",\"b\",\"c\"],\"after\":2}" },
};

TEST_EACH(shows_labels, labels)
{
	struct msg m = { .labels = str_c(row->labels) };
	struct arena a;

	arena_init(&a);
	T_EQ_STR(object(&a, put_labels, &m), row->json);
	arena_done(&a);
}

static void put_headers_redacted(struct json_out *j, const struct msg *m)
{
	view_headers(j, STR("h"), &m->header, m);
}

static void put_headers_open(struct json_out *j, const struct msg *m)
{
	view_headers(j, STR("h"), &m->header, NULL);
}

TEST(headers_are_lists_of_values)
{
	struct msg m = { .redact = STR("header") };
	struct arena a;

	arena_init(&a);
	T_EQ_STR(object(&a, put_headers_open, &m), "{}");
	m.header = lines_headers(&a, "X-A: 1\nX-B: \nx-a: 2");
	T_EQ_STR(object(&a, put_headers_open, &m),
		 "{\"h\":{\"X-A\":[\"1\",\"2\"],\"X-B\":[\"\"]}}");
	T_EQ_STR(object(&a, put_headers_redacted, &m),
		 "{\"h\":{\"X-A\":[\"REDACTED:"
		 "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b\","
		 "\"REDACTED:d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35\"],"
		 "\"X-B\":[\"REDACTED:"
		 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"]}}");
	arena_done(&a);
}

/* ---- dead letters ---------------------------------------------------------------------------- */

static struct str dead(struct arena *a, const struct outcome *o)
{
	struct json_out j;
	struct str text;
	struct buf b;

	buf_init(&b, 1 << 20);
	j = json_out(&b);
	json_open(&j, '{');
	view_dead(&j, STR("1-2"), o);
	json_close(&j, '}');
	text = arena_str(a, buf_str(&b));
	buf_done(&b);
	return text;
}

static const struct {
	struct outcome o;
	const char *header, *json;
} deads[] = {
	{ { .status = 500, .body = { "oops", 4 } },
	  "Content-Type: t",
	  "{\"dlqId\":\"1-2\",\"responseStatus\":500,\"responseHeader\":{\"Content-Type\":[\"t\"]},"
	  "\"responseBody\":\"oops\"}" },
	{ { .status = 500 }, "", "{\"dlqId\":\"1-2\",\"responseStatus\":500}" },
	{ { .status = 500, .body = { "\xff", 1 } },
	  "",
	  "{\"dlqId\":\"1-2\",\"responseStatus\":500,\"responseBodyBase64\":\"/w==\"}" },
	{ { .error = { "connection refused", 18 } },
	  "",
	  "{\"dlqId\":\"1-2\",\"responseStatus\":0,\"responseBody\":\"connection refused\"}" },
};

TEST_EACH(shows_dead_letters, deads)
{
	struct outcome o = row->o;
	struct arena a;

	arena_init(&a);
	o.header = lines_headers(&a, row->header);
	T_EQ_STR(dead(&a, &o), row->json);
	arena_done(&a);
}
