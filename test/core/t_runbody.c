/* Bodies of a run: entries, what the server writes itself, requests of steps that wait. */
#include "kit.h"

#include "core/plan.h"
#include "core/runanswer.h"
#include "core/runbody.h"

static const struct run_step step = { 3, { "w", 1 }, { "Wait", 4 }, 2 };

TEST(an_entry_is_its_bytes_in_base64)
{
	struct json_out j;
	struct buf b;

	buf_init(&b, 1000);
	j = json_out(&b);
	json_open(&j, '[');
	runbody_entry(&j, &(struct runbody_entry){ { 1, 2 }, STR(""), false });
	runbody_entry(&j, &(struct runbody_entry){ { 1, 3 }, STR("\0\xff{}"), true });
	json_close(&j, ']');
	T_EQ_STR(buf_str(&b), "[{\"messageId\":\"msg_1111111111211111111113\",\"body\":\"\","
			      "\"callType\":\"step\"},"
			      "{\"messageId\":\"msg_1111111111211111111114\",\"body\":\"AP97fQ==\","
			      "\"callType\":\"stepConfig\"}]");
	buf_done(&b);
}

TEST(the_end_of_a_wait_is_an_entry)
{
	struct arena a;

	arena_init(&a);
	T_EQ_STR(runbody_waited(&a, &step, STR("evt"), RUNBODY_NOTIFIED, STR("{\"a\":1}")),
		 "{\"stepId\":3,\"stepName\":\"w\",\"stepType\":\"Wait\",\"out\":\"eyJhIjoxfQ==\","
		 "\"waitEventId\":\"evt\",\"waitTimeout\":false,\"concurrent\":2}");
	T_EQ_STR(runbody_waited(&a, &step, STR("evt"), RUNBODY_NOTIFIED, STR_NULL),
		 "{\"stepId\":3,\"stepName\":\"w\",\"stepType\":\"Wait\",\"out\":\"\","
		 "\"waitEventId\":\"evt\",\"waitTimeout\":false,\"concurrent\":2}");
	T_EQ_STR(runbody_waited(&a, &step, STR("evt"), RUNBODY_TIMEOUT, STR_NULL),
		 "{\"stepId\":3,\"stepName\":\"w\",\"stepType\":\"Wait\","
		 "\"waitEventId\":\"evt\",\"waitTimeout\":true,\"concurrent\":2}");
	arena_done(&a);
}

TEST(the_end_of_an_invoked_run_is_an_entry)
{
	struct arena a;

	arena_init(&a);
	T_EQ_STR(runbody_invoked(&a, &step, RUNBODY_SUCCESS, STR("\"x\"")),
		 "{\"stepId\":3,\"stepName\":\"w\",\"stepType\":\"Wait\","
		 "\"out\":\"{\\\"body\\\":\\\"\\\\\\\"x\\\\\\\"\\\",\\\"isCanceled\\\":false,"
		 "\\\"isFailed\\\":false}\",\"concurrent\":2}");
	T_EQ_STR(runbody_invoked(&a, &step, RUNBODY_FAILED, STR("ignored")),
		 "{\"stepId\":3,\"stepName\":\"w\",\"stepType\":\"Wait\","
		 "\"out\":\"{\\\"isCanceled\\\":false,\\\"isFailed\\\":true}\",\"concurrent\":2}");
	T_EQ_STR(runbody_invoked(&a, &step, RUNBODY_CANCELED, STR_NULL),
		 "{\"stepId\":3,\"stepName\":\"w\",\"stepType\":\"Wait\","
		 "\"out\":\"{\\\"isCanceled\\\":true,\\\"isFailed\\\":false}\",\"concurrent\":2}");
	arena_done(&a);
}

TEST(a_webhook_is_kept_as_it_came)
{
	struct runbody_request r = {
		.method = STR("PUT"),
		.proto = STR("https"),
		.host = STR("h:1"),
		.url = STR("/p?q"),
		.header = HEADERS(H("x-a", "1"), H("content-type", "t"), H("X-A", "2")),
		.body = STR("hi"),
	};
	struct arena a;

	arena_init(&a);
	T_EQ_STR(runbody_webhook(&a, &r),
		 "{\"method\":\"PUT\",\"header\":{\"X-A\":[\"1\",\"2\"],\"Content-Type\":[\"t\"]},"
		 "\"body\":\"aGk=\",\"proto\":\"https\",\"host\":\"h:1\",\"url\":\"/p?q\"}");
	r.body = STR_NULL;
	T_CHECK(!str_has(runbody_webhook(&a, &r), STR("body")));
	arena_done(&a);
}

static const struct parsed {
	const char *body;
	bool ok;
	int64_t id, target;
} parsed[] = {
	{ "{\"stepId\":1,\"stepName\":\"s\",\"stepType\":\"Run\",\"concurrent\":1}", true, 1, 0 },
	{ "{\"stepId\":0,\"stepType\":\"SleepFor\",\"targetStep\":4,\"concurrent\":2}", true, 0,
	  4 },
	{ "{\"stepId\":2,\"stepType\":\"Run\",\"targetStep\":null,\"out\":null}", true, 2, 0 },
	{ "{\"stepId\":-1,\"stepType\":\"Run\"}", false, 0, 0 },
	{ "{\"stepId\":1}", false, 0, 0 },
	{ "[]", false, 0, 0 },
	{ "", false, 0, 0 },
	{ "\"stepId\"", false, 0, 0 },
};

TEST_EACH(entries_are_parsed_as_far_as_they_are_steps, parsed)
{
	struct runbody_step s;
	struct arena a;

	arena_init(&a);
	T_EQ_INT(runbody_step(&a, str_c(row->body), &s), row->ok);
	if (row->ok) {
		T_EQ_INT(s.step.id, row->id);
		T_EQ_INT(s.target, row->target);
	}
	arena_done(&a);
}

/* ---- requests of steps that wait ------------------------------------------------------------- */

#define STEP_JSON \
	"\"step\":{\"stepId\":3,\"stepName\":\"w\",\"stepType\":\"Wait\",\"concurrent\":1}"

static const struct plan plan = { .timeout_max_s = 900, .delay_max_s = 7 * 86400 };

static struct runanswer_source source(struct arena *a, const char *body)
{
	return (struct runanswer_source){
		.user = STR("u"),
		.plan = &plan,
		.now_ms = 1000,
		.header = kit_headers(a, "host: x\nupstash-workflow-runid: wfr_1\n"
					 "upstash-workflow-init: false\n"
					 "content-type: application/json\n"),
		.body = str_c(body),
	};
}

static const struct wait {
	const char *body;
	int status;
	int64_t deadline_ms;
} waits[] = {
	{ "{\"url\":\"http://a/w\",\"timeout\":\"2s\"," STEP_JSON "}", 0, 3000 },
	{ "{\"url\":\"http://a/w\",\"timeout\":2," STEP_JSON "}", 0, 3000 },
	{ "{\"url\":\"http://a/w\"," STEP_JSON "}", 0, 1000 + 7 * 86400000LL },
	{ "{\"url\":\"http://a/w\",\"timeout\":\"8d\"," STEP_JSON "}", 412, 0 },
	{ "{\"url\":\"http://a/w\",\"timeout\":\"soon\"," STEP_JSON "}", 400, 0 },
	{ "{\"url\":\"nowhere\",\"timeout\":\"2s\"," STEP_JSON "}", 400, 0 },
	{ "{\"url\":\"http://a/w\",\"timeout\":\"2s\"}", 400, 0 },
	{ "{\"url\":\"http://a/w\",\"timeoutHeaders\":[]," STEP_JSON "}", 400, 0 },
	{ "{\"url\":\"http://a/w\",\"timeoutHeaders\":{\"Upstash-Retries\":[\"x\"]}," STEP_JSON "}",
	  400, 0 },
	{ "[1]", 400, 0 },
	{ "", 400, 0 },
};

TEST_EACH(a_wait_says_how_long_and_for_whom, waits)
{
	struct runanswer_source src;
	struct runanswer_wait w;
	struct problem p = { 0 };
	struct arena a;
	bool ok;

	arena_init(&a);
	src = source(&a, row->body);
	ok = runanswer_wait(&a, &src, &w, &p);
	T_EQ_INT(p.status, row->status);
	T_EQ_INT(ok, row->status == 0);
	if (ok) {
		T_EQ_INT(w.deadline_ms, row->deadline_ms);
		T_EQ_INT(w.step.id, 3);
		T_EQ_STR(w.notified.msg.url, "http://a/w");
		T_EQ_STR(w.timed_out.msg.url, "http://a/w");
		T_EQ_STR(w.notified.ask.run, "wfr_1");
		T_CHECK(headers_get(&w.header, STR("host")).p == NULL);
		T_EQ_STR(w.header.v[0].name, "Upstash-Workflow-Runid");
	}
	arena_done(&a);
}

TEST(a_timeout_has_its_own_url_and_headers)
{
	struct runanswer_source src;
	struct runanswer_wait w;
	struct problem p = { 0 };
	struct arena a;

	arena_init(&a);
	src = source(&a, "{\"url\":\"http://a/w\",\"timeout\":\"2s\",\"timeoutUrl\":\"http://a/t\","
			 "\"timeoutHeaders\":{\"upstash-forward-x\":[\"1\"],"
			 "\"Upstash-Workflow-RunId\":\"wfr_1\"}," STEP_JSON "}");
	T_CHECK(runanswer_wait(&a, &src, &w, &p));
	T_EQ_STR(w.timed_out.msg.url, "http://a/t");
	T_EQ_STR(headers_get(&w.timed_out.msg.header, STR("X")), "1");
	T_CHECK(headers_get(&w.notified.msg.header, STR("X")).p == NULL);
	src.header.n = 1;
	T_CHECK(!runanswer_wait(&a, &src, &w, &p));
	T_EQ_INT(p.status, 400);
	arena_done(&a);
}

TEST(an_invocation_is_unwrapped)
{
	struct runanswer_source src;
	struct runanswer_invoke r;
	struct problem p = { 0 };
	struct arena a;

	arena_init(&a);
	src = source(&a,
		     "{\"body\":\"pay\\nload\",\"headers\":{\"Upstash-Retries\":[\"5\"],"
		     "\"Upstash-Workflow-RunId\":[\"wfr_p\"]},\"workflowRunId\":\"wfr_p\","
		     "\"workflowRunCreatedAt\":77,\"workflowUrl\":\"http://a/p\"," STEP_JSON "}");
	T_CHECK(runanswer_invoke(&a, &src, &r, &p));
	T_EQ_STR(r.body, "pay\nload");
	T_EQ_STR(r.parent.ask.run, "wfr_p");
	T_EQ_INT(r.parent.ask.created_ms, 77);
	T_EQ_STR(r.parent.msg.url, "http://a/p");
	T_EQ_INT(r.parent.msg.retries_max, 5);
	src.body = STR("{\"workflowUrl\":\"http://a/p\"," STEP_JSON "}");
	T_CHECK(!runanswer_invoke(&a, &src, &r, &p));
	T_EQ_INT(p.status, 400);
	arena_done(&a);
}
