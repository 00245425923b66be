/* Enqueueing, and several messages in one call. */
#include "core/plan.h"
#include "rig.h"
#include "t.h"

static struct answer get(struct rig *r, struct str id)
{
	return rig_do(r, "GET", arena_fmt(rig_arena(r), "/v2/messages/%.*s", STR_FMT(id)).p);
}

static struct str member(const struct json *v, const char *key)
{
	const struct json *m = json_get(v, str_c(key));

	return m != NULL ? m->text : STR_NULL;
}

static struct answer batch(struct rig *r, const char *body)
{
	return rig_ask(r, "POST", "/v2/batch", RIG_AUTH "Content-Type: application/json\r\n",
		       str_c(body));
}

TEST(a_message_goes_through_a_queue)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a = rig_ask(r, "POST", "/v2/enqueue/my%2Dqueue.1/https://x.io/hold?a=b",
				  RIG_AUTH, STR("x"));
	struct answer m;

	T_EQ_INT(a.status, 200);
	T_EQ_STR(answer_str(a, "url"), "https://x.io/hold?a=b");
	m = get(r, answer_str(a, "messageId"));
	T_EQ_STR(answer_str(m, "queueName"), "my-queue.1");
	T_EQ_STR(rig_do(r, "DELETE", "/v2/messages?queueName=my-queue.1").body,
		 "{\"cancelled\":1}");
	rig_stop(r);
}

static const char *const bad_queues[] = {
	"/v2/enqueue/a%20b/https://x.io",
	"/v2/enqueue//https://x.io",
	"/v2/enqueue/a%2Fb/https://x.io",
	"/v2/enqueue/%C3%BC/https://x.io",
};

TEST_EACH(queues_have_plain_names, bad_queues)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a = rig_do(r, "POST", *row);

	T_EQ_INT(a.status, 400);
	T_CHECK(str_starts(answer_str(a, "error"), STR("invalid queue name: ")));
	rig_stop(r);
}

TEST(the_plan_bounds_the_number_of_queues)
{
	struct plan plan = *plan_find(STR("payg"));
	struct rig *r;
	struct answer a;

	plan.queues_max = 1;
	r = rig_start((struct rig_settings){ .plan = &plan });
	T_EQ_INT(rig_do(r, "POST", "/v2/enqueue/a/https://x.io/hold").status, 200);
	T_EQ_INT(rig_do(r, "POST", "/v2/enqueue/a/https://x.io/hold").status, 200);
	a = rig_do(r, "POST", "/v2/enqueue/b/https://x.io/hold");
	T_EQ_INT(a.status, 412);
	T_EQ_STR(answer_str(a, "error"), "quota maxQueues exceeded, current limit: 1");
	rig_stop(r);
}

TEST(a_batch_answers_item_by_item)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a = batch(
		r, "[{\"destination\":\"https://one.io/"
		   "hold?upstash-retries=4&x=y\",\"body\":\"b\\u0031\","
		   "  "
		   "\"headers\":{\"upstash-label\":\"l\",\"Upstash-Forward-A\":[\"1\",\"2\"],"
		   "\"upstash-delay\":null}},"
		   " {\"destination\":\"nowhere\"},"
		   " {\"destination\":\"https://"
		   "two.io\",\"headers\":{\"Upstash-Retries\":\"x\"},\"unknown\":1},"
		   " {\"destination\":\"https://three.io/hold\",\"queue\":\"q\",\"body\":null,"
		   "  \"headers\":{\"Upstash-Retries\":0,\"Content-Type\":\"a/b\"}},"
		   " {\"destination\":\"https://four.io/"
		   "hold\",\"queue\":\"\",\"headers\":null,\"body\":\"\"}]");
	struct answer m;

	T_EQ_INT(a.status, 200);
	T_EQ_INT(answer_count(a, NULL), 5);
	T_EQ_STR(member(answer_at(a, NULL, 1), "error"), "topic nowhere not found");
	T_CHECK(str_has(member(answer_at(a, NULL, 2), "error"), STR("Upstash-Retries")));
	m = get(r, member(answer_at(a, NULL, 0), "messageId"));
	T_EQ_STR(answer_str(m, "url"), "https://one.io/hold?x=y");
	T_EQ_STR(answer_str(m, "body"), "b1");
	T_EQ_STR(answer_str(m, "label"), "l");
	T_EQ_INT(answer_int(m, "maxRetries"), 4);
	T_CHECK(str_has(m.body, STR("\"header\":{\"A\":[\"1\",\"2\"]}")));
	m = get(r, member(answer_at(a, NULL, 3), "messageId"));
	T_EQ_STR(answer_str(m, "queueName"), "q");
	T_EQ_INT(answer_int(m, "maxRetries"), 0);
	T_CHECK(!answer_has(m, "body") && str_has(m.body, STR("\"Content-Type\":[\"a/b\"]")));
	m = get(r, member(answer_at(a, NULL, 4), "messageId"));
	T_CHECK(!answer_has(m, "queueName") && !answer_has(m, "header"));
	rig_stop(r);
}

TEST(duplicates_within_a_batch_are_told)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a = batch(r, "[{\"destination\":\"https://x.io/"
				   "hold\",\"headers\":{\"upstash-deduplication-id\":\"d\"}},"
				   " {\"destination\":\"https://x.io/"
				   "hold\",\"headers\":{\"upstash-deduplication-id\":\"d\"}}]");

	T_EQ_INT(a.status, 200);
	T_EQ_STR(member(answer_at(a, NULL, 0), "messageId"),
		 member(answer_at(a, NULL, 1), "messageId"));
	T_CHECK(json_get(answer_at(a, NULL, 0), STR("deduplicated")) == NULL);
	T_CHECK(json_get(answer_at(a, NULL, 1), STR("deduplicated"))->boolean);
	rig_stop(r);
}

TEST(the_message_size_counts_for_each_item)
{
	struct plan plan = *plan_find(STR("payg"));
	struct rig *r;
	struct answer a;

	plan.message_bytes_max = 4;
	r = rig_start((struct rig_settings){ .plan = &plan });
	a = batch(r, "[{\"destination\":\"https://x.io/hold\",\"body\":\"12345\"},"
		     " {\"destination\":\"https://x.io/hold\",\"body\":\"1234\"}]");
	T_EQ_INT(a.status, 200);
	T_EQ_STR(member(answer_at(a, NULL, 0), "error"),
		 "quota maxMessageSize exceeded, current limit: 4");
	T_CHECK(member(answer_at(a, NULL, 1), "messageId").n > 0);
	rig_stop(r);
}

TEST(an_empty_batch_has_an_empty_answer)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a = batch(r, "[]");

	T_EQ_INT(a.status, 200);
	T_EQ_STR(a.body, "[]");
	T_EQ_STR(batch(r, "[{\"destination\":\"%\"}]").body,
		 "[{\"error\":\"invalid destination url: endpoint has invalid scheme, add http:// "
		 "or https://\"}]");
	rig_stop(r);
}

static const struct {
	const char *item, *error;
} malformed[] = {
	{ "1", "must be an object" },
	{ "{}", "needs a destination" },
	{ "{\"destination\":\"\"}", "needs a destination" },
	{ "{\"destination\":7}", "needs a destination" },
	{ "{\"destination\":\"https://x.io\",\"body\":{}}", "body must be a string" },
	{ "{\"destination\":\"https://x.io\",\"queue\":[]}", "queue must be a string" },
	{ "{\"destination\":\"https://x.io\",\"headers\":\"a\"}", "headers must be an object" },
	{ "{\"destination\":\"https://x.io\",\"headers\":{\"a\":{}}}",
	  "headers must be an object" },
	{ "{\"destination\":\"https://x.io\",\"headers\":{\"a\":[[]]}}",
	  "headers must be an object" },
	{ "{", "not valid JSON" },
};

TEST_EACH(a_malformed_item_sends_nothing, malformed)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a =
		batch(r, arena_fmt(rig_arena(r), "[{\"destination\":\"https://x.io/hold\"},%s]",
				   row->item)
				 .p);

	T_EQ_INT(a.status, 400);
	T_CHECK(str_has(answer_str(a, "error"), str_c(row->error)));
	T_EQ_STR(rig_do(r, "DELETE", "/v2/messages").body, "{\"cancelled\":0}");
	rig_stop(r);
}

static const struct {
	const char *body, *error;
} no_arrays[] = {
	{ "", "not valid JSON" },
	{ "{}", "must be a JSON array" },
	{ "\"https://x.io\"", "must be a JSON array" },
	{ "[1", "not valid JSON" },
};

TEST_EACH(a_batch_is_an_array, no_arrays)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a = batch(r, row->body);

	T_EQ_INT(a.status, 400);
	T_CHECK(str_has(answer_str(a, "error"), str_c(row->error)));
	rig_stop(r);
}

static struct str repeat(struct rig *r, const char *first, const char *each, size_t n)
{
	struct buf b;
	struct str text;

	buf_init(&b, 64 << 20);
	buf_add(&b, STR("["));
	for (size_t i = 0; i < n; i++)
		buf_add(&b, str_c(i ? each : first));
	buf_add(&b, STR("]"));
	text = arena_str(rig_arena(r), buf_str(&b));
	buf_done(&b);
	return text;
}

TEST(a_batch_has_limits)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a = rig_ask(r, "POST", "/v2/batch", RIG_AUTH, repeat(r, "1", ",1", 10001));

	T_EQ_INT(a.status, 400);
	T_EQ_STR(answer_str(a, "error"), "a batch may have 10000 messages at most");
	a = rig_ask(r, "POST", "/v2/batch", RIG_AUTH, repeat(r, "1", ",1", 500001));
	T_EQ_INT(a.status, 400);
	T_CHECK(str_starts(answer_str(a, "error"),
			   STR("the body is not valid JSON with at most 500000 values: too many")));
	a = rig_ask(r, "POST", "/v2/batch", RIG_AUTH,
		    repeat(r, "{\"destination\":\"no%\"}", ",{\"destination\":\"no%\"}", 10000));
	T_EQ_INT(a.status, 200);
	T_EQ_INT(answer_count(a, NULL), 10000);
	rig_stop(r);
}
