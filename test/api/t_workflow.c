/* Workflow runs over HTTP, without an SDK: "https://x.io/hold" never answers, so a run that is delivered there
 * stays open. */
#include "rig.h"
#include "t.h"

#define RUN "Upstash-Workflow-RunId: r1\r\n"
#define START RUN "Upstash-Workflow-Init: true\r\nContent-Type: text/plain\r\n"

static struct answer ask(struct rig *r, const char *method, const char *target,
			 const char *asked[2])
{
	struct str fields = arena_fmt(rig_arena(r), RIG_AUTH "%s", asked[0]);

	return rig_ask(r, method, target, fields.p, str_c(asked[1]));
}

#define ASK(r, method, target, fields, body) \
	ask((r), (method), (target), (const char *[2]){ (fields), (body) })

static struct str start(struct rig *r)
{
	struct answer a = ASK(r, "POST", "/v2/publish/https://x.io/hold", START, "payload");

	T_EQ_INT(a.status, 200);
	return answer_str(a, "messageId");
}

static struct answer step(struct rig *r, const char *body)
{
	return ASK(r, "POST", "/v2/publish/https://x.io/hold", RUN, body);
}

TEST(a_run_takes_steps_until_it_is_over)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct str first = start(r), second;
	struct answer a = step(r, "{\"stepId\":1}");

	T_EQ_INT(a.status, 200);
	second = answer_str(a, "messageId");
	a = rig_do(r, "GET", "/v2/workflows/runs/r1");
	T_EQ_STR(a.body, arena_fmt(rig_arena(r),
				   "[{\"messageId\":\"%.*s\",\"body\":\"cGF5bG9hZA==\","
				   "\"callType\":\"step\"},{\"messageId\":\"%.*s\","
				   "\"body\":\"eyJzdGVwSWQiOjF9\",\"callType\":\"step\"}]",
				   STR_FMT(first), STR_FMT(second)));
	a = step(r, "{\"stepId\":1}");
	T_CHECK(answer_has(a, "deduplicated"));
	T_EQ_STR(answer_str(a, "messageId"), second);
	a = rig_do(r, "DELETE", "/v2/workflows/runs/r1?cancel=false");
	T_EQ_STR(a.body, "{\"cancelled\":0}");
	a = step(r, "{\"stepId\":2}");
	T_EQ_INT(a.status, 400);
	T_CHECK(str_has(answer_str(a, "error"), STR("can not append")));
	T_EQ_INT(rig_do(r, "GET", "/v2/workflows/runs/r1").status, 404);
	T_EQ_INT(rig_do(r, "DELETE", "/v2/workflows/runs/r1?cancel=false").status, 200);
	T_EQ_INT(rig_do(r, "DELETE", "/v2/workflows/runs/r1").status, 200);
	rig_stop(r);
}

TEST(an_id_is_open_once_and_belongs_to_one_user)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct str first = start(r);
	struct answer a = ASK(r, "POST", "/v2/publish/https://x.io/hold", START, "other");

	T_CHECK(answer_has(a, "deduplicated"));
	T_EQ_STR(answer_str(a, "messageId"), first);
	a = rig_ask(r, "GET", "/v2/workflows/runs/r1",
		    "Authorization: Bearer " RIG_OTHER_TOKEN "\r\n", STR_NULL);
	T_EQ_INT(a.status, 404);
	a = rig_ask(r, "DELETE", "/v2/workflows/runs",
		    "Authorization: Bearer " RIG_OTHER_TOKEN "\r\n", STR_NULL);
	T_EQ_STR(a.body, "{\"cancelled\":0}");
	a = ASK(r, "POST", "/v2/publish/https://x.io/hold", RUN "Upstash-Workflow-CreatedAt: 5\r\n",
		"{}");
	T_EQ_INT(a.status, 400);
	T_EQ_STR(rig_do(r, "DELETE", "/v2/workflows/runs").body, "{\"cancelled\":1}");
	T_EQ_STR(rig_do(r, "DELETE", "/v2/workflows/runs").body, "{\"cancelled\":0}");
	rig_stop(r);
}

TEST(a_batch_appends_all_or_nothing)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a;

	start(r);
	a = ASK(r, "POST", "/v2/batch", "",
		"[{\"destination\":\"https://x.io/hold\",\"body\":\"{\\\"stepId\\\":0}\","
		"\"headers\":{\"upstash-workflow-runid\":\"r1\"}},"
		"{\"destination\":\"https://x.io/hold\",\"body\":\"{\\\"stepId\\\":9}\","
		"\"headers\":{\"upstash-workflow-runid\":\"r1\",\"upstash-retries\":\"-1\"}}]");
	/* 400 would say that the run is over. */
	T_EQ_INT(a.status, 412);
	a = ASK(r, "POST", "/v2/batch", "",
		"[{\"destination\":\"https://x.io/hold\",\"body\":{\"an\":\"object\"},"
		"\"headers\":{\"upstash-workflow-runid\":\"r1\"}}]");
	T_EQ_INT(a.status, 412);
	T_EQ_INT(answer_count(rig_do(r, "GET", "/v2/workflows/runs/r1"), NULL), 1);
	a = ASK(r, "POST", "/v2/batch", "",
		"[{\"destination\":\"https://x.io/hold\",\"body\":\"a\","
		"\"headers\":{\"upstash-workflow-runid\":\"r1\"}},"
		"{\"destination\":\"https://x.io/hold\",\"body\":\"b\","
		"\"headers\":{\"upstash-workflow-runid\":\"r1\"}},"
		"{\"destination\":\"https://x.io/plain\"}]");
	T_EQ_INT(a.status, 200);
	T_EQ_INT(answer_count(a, NULL), 3);
	T_EQ_INT(answer_count(rig_do(r, "GET", "/v2/workflows/runs/r1"), NULL), 3);
	a = ASK(r, "POST", "/v2/batch", "",
		"[{\"destination\":\"https://x.io/plain\"},"
		"{\"destination\":\"https://x.io/hold\","
		"\"headers\":{\"upstash-workflow-runid\":\"unknown\"}}]");
	T_EQ_INT(a.status, 400);
	rig_stop(r);
}

TEST(a_destination_that_is_no_workflow_fails_the_run)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a = ASK(r, "POST", "/v2/trigger/https://x.io/ok?x=1",
			      "Upstash-Workflow-RunId: mine\r\nUpstash-Label: l\r\n", "payload");
	struct str id;

	T_EQ_INT(a.status, 200);
	T_EQ_STR(answer_str(a, "workflowRunId"), "mine");
	T_CHECK(answer_int(a, "workflowCreatedAt") > 0);
	T_UNTIL(answer_count(a = rig_do(r, "GET", "/v2/workflows/dlq?label=l"), "messages") > 0,
		10);
	T_EQ_STR(json_get(answer_at(a, "messages", 0), STR("workflowRunId"))->text, "mine");
	T_EQ_STR(json_get(answer_at(a, "messages", 0), STR("workflowUrl"))->text,
		 "https://x.io/ok?x=1");
	T_EQ_STR(json_get(answer_at(a, "messages", 0), STR("body"))->text, "payload");
	id = json_get(answer_at(a, "messages", 0), STR("dlqId"))->text;
	T_EQ_STR(rig_do(r, "GET", "/v2/dlq").body, "{\"messages\":[]}");
	a = rig_do(r, "POST",
		   arena_fmt(rig_arena(r), "/v2/workflows/dlq/restart?dlqIds=%.*s", STR_FMT(id)).p);
	T_EQ_INT(answer_count(a, "workflowRuns"), 1);
	a = rig_do(r, "DELETE", arena_fmt(rig_arena(r), "/v2/workflows/dlq/%.*s", STR_FMT(id)).p);
	T_EQ_INT(a.status, 404);
	rig_stop(r);
}

TEST(the_daily_quota_keeps_runs_from_beginning_not_from_going_on)
{
	static const struct plan plan = { .timeout_max_s = 900,
					  .messages_per_day = 1,
					  .messages_per_day_hard = true };
	struct rig *r = rig_start((struct rig_settings){ .plan = &plan });
	struct answer a;

	start(r);
	T_EQ_INT(step(r, "{\"stepId\":1}").status, 200);
	a = ASK(r, "POST", "/v2/publish/https://x.io/hold",
		"Upstash-Workflow-RunId: r2\r\nUpstash-Workflow-Init: true\r\n", "");
	T_EQ_INT(a.status, 429);
	T_CHECK(str_has(a.head, STR("RateLimit-Limit: 1\r\n")));
	T_EQ_INT(rig_do(r, "GET", "/v2/workflows/runs/r2").status, 404);
	rig_stop(r);
}

TEST(a_wait_is_listed_and_notified)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a;

	start(r);
	a = ASK(r, "POST", "/v2/wait/some%20event", RUN "Upstash-Workflow-Init: false\r\n",
		"{\"url\":\"https://x.io/hold\",\"timeout\":\"60s\",\"step\":{\"stepId\":1,"
		"\"stepName\":\"w\",\"stepType\":\"Wait\",\"concurrent\":1}}");
	T_EQ_INT(a.status, 200);
	a = rig_do(r, "GET", "/v2/waiters/some%20event");
	T_EQ_INT(answer_count(a, NULL), 1);
	T_CHECK(str_has(a.body, STR("\"Upstash-Workflow-Runid\":[\"r1\"]")));
	a = ASK(r, "POST", "/v2/notify/some%20event", "", "data");
	T_EQ_INT(a.status, 201);
	T_EQ_INT(answer_count(a, NULL), 1);
	T_CHECK(str_has(a.body, STR("\"workflowRunId\":\"r1\"")));
	T_EQ_STR(rig_do(r, "GET", "/v2/waiters/some%20event").body, "[]");
	a = rig_do(r, "GET", "/v2/workflows/runs/r1");
	T_EQ_INT(answer_count(a, NULL), 2);
	rig_stop(r);
}

static const struct refused {
	const char *method, *target, *fields, *body;
	int status;
	const char *text; /* a part of it */
} refused[] = {
	{ "POST", "/v2/publish/https://x.io/", RUN, "{}", 400, "can not append" },
	{ "POST", "/v2/publish/https://x.io/", RUN "Upstash-Workflow-Init: 7\r\n", "", 400,
	  "Upstash-Workflow-Init" },
	{ "POST", "/v2/publish/https://x.io/", RUN "Upstash-Workflow-CallType: toCallback\r\n", "",
	  400, "Upstash-Callback" },
	{ "POST", "/v2/publish/https://x.io/", RUN "Upstash-Retries: 1000001\r\n", "", 412,
	  "maxRetries" },
	{ "POST", "/v2/publish/https://x.io/",
	  START "Upstash-Forward-Upstash-Workflow-Invoke-Count: 101\r\n", "", 412,
	  "maxInvokeDepth" },
	{ "POST", "/v2/publish/https://x.io/", START "Upstash-Workflow-Invoke: true\r\n", "{}", 412,
	  "step" },
	{ "POST", "/v2/publish/group", START, "", 400, "needs a URL" },
	{ "POST", "/v2/trigger/nowhere", "", "", 400, "URL" },
	{ "POST", "/v2/batch/trigger", "", "[]", 400, "1 to 1000" },
	{ "POST", "/v2/batch/trigger", "", "[{}]", 400, "destination" },
	{ "POST", "/v2/batch/trigger", "", "[{\"destination\":\"https://x.io\",\"body\":1}]", 400,
	  "body" },
	{ "GET", "/v2/workflows/runs/never", "", "", 404, "not found" },
	{ "DELETE", "/v2/workflows/runs/never", "", "", 404, "not found" },
	{ "DELETE", "/v2/workflows/runs/never?cancel=x", "", "", 400, "cancel" },
	{ "DELETE", "/v2/workflows/runs?labels=x", "", "", 400, "labels" },
	{ "POST", "/v2/wait/e", RUN, "{}", 412, "step" },
	{ "POST", "/v2/wait/e", RUN,
	  "{\"url\":\"https://x.io\",\"step\":{\"stepId\":1,\"stepType\":\"Wait\"}}", 400,
	  "can not append" },
	{ "POST", "/v2/wait/e%0a", RUN, "{}", 400, "event id" },
	{ "POST", "/v2/notify/r1/e", "", "", 404, "no open workflow run" },
	{ "GET", "/v2/workflows/dlq/1-1", "", "", 404, "not found" },
	{ "POST", "/v2/workflows/dlq/resume/1-1", "", "", 404, "not found" },
	{ "POST", "/v2/workflows/dlq/restart/x", "", "", 404, "not found" },
	{ "POST", "/v2/workflows/dlq/resume?dlqIds=1-1", "", "", 404, "none of these" },
	{ "POST", "/v2/workflows/dlq/callback/1-1", "", "", 404, "not found" },
	{ "DELETE", "/v2/workflows/dlq?cursor=x", "", "", 400, "cursor" },
	{ "GET", "/v2/workflows/logs?state=GONE", "", "", 400, "state" },
	{ "GET", "/v2/workflows/events?groupBy=url", "", "", 400, "groupBy" },
	{ "DELETE", "/v2/dlq?source=workflow", "", "", 400, "source" },
};

TEST_EACH(what_cannot_be_done_is_told, refused)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a = ASK(r, row->method, row->target, row->fields, row->body);

	T_EQ_INT(a.status, row->status);
	if (!str_has(answer_str(a, "error"), str_c(row->text)))
		T_FAIL("%.*s", STR_FMT(a.body));
	rig_stop(r);
}

TEST(a_webhook_needs_no_token_but_an_open_run)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });

	T_EQ_INT(rig_ask(r, "POST", "/v2/workflows/hooks/nobody/r1/e", "", STR("x")).status, 404);
	T_EQ_INT(rig_ask(r, "GET", "/v2/workflows/runs/r1", "", STR_NULL).status, 401);
	T_EQ_STR(rig_do(r, "GET", "/v2/waiters/e").body, "[]");
	T_EQ_STR(ASK(r, "POST", "/v2/notify/e", "", "x").body, "[]");
	T_EQ_STR(rig_do(r, "GET", "/v2/workflows/logs").body, "{\"runs\":[]}");
	T_EQ_STR(rig_do(r, "GET", "/v2/workflows/events").body, "{\"events\":[]}");
	rig_stop(r);
}

/* ---- a store that loses answers ------------------------------------------------------------- */

static const struct seed {
	uint64_t seed;
} seeds[] = { { 1 }, { 2 }, { 6 } };

/* Until it is answered with something else than "try again". */
static struct answer persist(struct rig *r, const char *method, const char *target,
			     const char *asked[2])
{
	struct answer a;

	T_UNTIL((a = ask(r, method, target, asked)).status != 503, 20);
	return a;
}

#define PERSIST(r, method, target, fields, body) \
	persist((r), (method), (target), (const char *[2]){ (fields), (body) })

static size_t entries(struct rig *r)
{
	return answer_count(PERSIST(r, "GET", "/v2/workflows/runs/r1", "", ""), NULL);
}

TEST_EACH(lost_answers_neither_lose_nor_repeat_a_step, seeds)
{
	struct rig *r = rig_start((struct rig_settings){ .lost_ppm = 150000, .seed = row->seed });
	struct answer a;

	a = PERSIST(r, "POST", "/v2/publish/https://x.io/hold", START, "payload");
	T_EQ_INT(a.status, 200);
	for (int i = 1; i <= 6; i++) {
		const char *body = arena_fmt(rig_arena(r), "{\"stepId\":%d}", i).p;

		a = PERSIST(r, "POST", "/v2/publish/https://x.io/hold", RUN, body);
		T_EQ_INT(a.status, 200);
		T_EQ_INT(entries(r), 1 + i);
	}
	a = PERSIST(r, "POST", "/v2/wait/e", RUN,
		    "{\"url\":\"https://x.io/hold\",\"timeout\":\"60s\",\"step\":{\"stepId\":7,"
		    "\"stepName\":\"w\",\"stepType\":\"Wait\",\"concurrent\":1}}");
	T_EQ_INT(a.status, 200);
	T_EQ_INT(answer_count(PERSIST(r, "GET", "/v2/waiters/e", "", ""), NULL), 1);
	a = PERSIST(r, "POST", "/v2/notify/e", "", "data");
	T_EQ_INT(a.status, 201);
	T_EQ_INT(answer_count(PERSIST(r, "GET", "/v2/waiters/e", "", ""), NULL), 0);
	T_EQ_INT(entries(r), 8);
	for (int i = 0; i < 6; i++) {
		a = PERSIST(r, "POST", "/v2/notify/r1/early", "",
			    arena_fmt(rig_arena(r), "note %d", i).p);
		T_EQ_INT(a.status, 201);
	}
	for (int i = 0; i < 6; i++) {
		const char *body = arena_fmt(rig_arena(r),
					     "{\"url\":\"https://x.io/hold\",\"step\":{\"stepId\":"
					     "%d,\"stepName\":\"w\",\"stepType\":\"Wait\"}}",
					     8 + i)
					   .p;

		T_EQ_INT(PERSIST(r, "POST", "/v2/wait/early", RUN, body).status, 200);
		T_EQ_INT(entries(r), 9 + i);
	}
	T_EQ_INT(answer_count(PERSIST(r, "GET", "/v2/waiters/early", "", ""), NULL), 0);
	a = PERSIST(r, "DELETE", "/v2/workflows/runs/r1?cancel=false", "", "");
	T_EQ_INT(a.status, 200);
	T_EQ_INT(PERSIST(r, "GET", "/v2/workflows/runs/r1", "", "").status, 404);
	rig_stop(r);
}
