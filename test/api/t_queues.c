/* Queues: making, changing, looking, pausing, deleting. */
#include "rig.h"
#include "t.h"

#define OTHER_AUTH "Authorization: Bearer " RIG_OTHER_TOKEN "\r\n"
#define READ_AUTH "Authorization: Bearer " RIG_READ_ONLY "\r\n"

static struct answer upsert(struct rig *r, const char *body)
{
	return rig_ask(r, "POST", "/v2/queues", RIG_AUTH, str_c(body));
}

static struct answer enqueue(struct rig *r, const char *queue, const char *dest)
{
	struct str target = arena_fmt(rig_arena(r), "/v2/enqueue/%s/%s", queue, dest);

	return rig_ask(r, "POST", target.p, RIG_AUTH, STR("body"));
}

static struct answer get(struct rig *r, const char *name)
{
	return rig_do(r, "GET", arena_fmt(rig_arena(r), "/v2/queues/%s", name).p);
}

static bool is_paused(struct answer a)
{
	const struct json *v = json_get(a.json, STR("paused"));

	if (v == NULL || v->kind != JSON_BOOL)
		T_FAIL("no paused in %.*s", STR_FMT(a.body));
	return v->boolean;
}

TEST(a_queue_is_made_shown_listed_and_deleted)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a;

	T_EQ_STR(rig_do(r, "GET", "/v2/queues").body, "[]");
	a = upsert(r, "{\"queueName\":\"q.1\",\"parallelism\":2,\"paused\":false}");
	T_EQ_INT(a.status, 200);
	T_EQ_INT(a.body.n, 0);
	a = get(r, "q.1");
	T_EQ_INT(a.status, 200);
	T_CHECK(answer_int(a, "createdAt") > 0);
	T_EQ_STR(a.body, arena_fmt(rig_arena(r),
				   "{\"name\":\"q.1\",\"createdAt\":%lld,\"updatedAt\":%lld,"
				   "\"parallelism\":2,\"paused\":false,\"lag\":0}",
				   (long long)answer_int(a, "createdAt"),
				   (long long)answer_int(a, "updatedAt")));
	T_EQ_STR(rig_do(r, "GET", "/v2/queues/").body,
		 arena_fmt(rig_arena(r), "[%.*s]", STR_FMT(a.body)));
	T_EQ_STR(rig_ask(r, "GET", "/v2/queues", OTHER_AUTH, STR_NULL).body, "[]");
	T_EQ_INT(rig_ask(r, "GET", "/v2/queues/q.1", OTHER_AUTH, STR_NULL).status, 404);
	a = rig_do(r, "DELETE", "/v2/queues/q.1");
	T_EQ_INT(a.status, 200);
	T_EQ_INT(a.body.n, 0);
	T_EQ_INT(get(r, "q.1").status, 404);
	T_EQ_STR(rig_do(r, "GET", "/v2/queues").body, "[]");
	T_EQ_INT(rig_do(r, "DELETE", "/v2/queues/q.1").status, 200);
	rig_stop(r);
}

static const struct {
	const char *body;
	int status;
	const char *part; /* of the answer */
} bodies[] = {
	{ "{\"queueName\":\"q\"}", 200, "" },
	{ "{\"queue\":\"q\"}", 200, "" },
	{ "{\"queueName\":\"q\",\"parallelism\":10}", 200, "" },
	{ "{\"queueName\":\"q\",\"parallelism\":null,\"paused\":null}", 200, "" },
	{ "{\"queueName\":\"q\",\"surprise\":1}", 200, "" },
	{ "{\"queueName\":\"q\",\"parallelism\":11}", 412,
	  "quota maxQueueParallelism exceeded, current limit: 10" },
	{ "{\"queueName\":\"q\",\"parallelism\":0}", 400, "parallelism" },
	{ "{\"queueName\":\"q\",\"parallelism\":-1}", 400, "parallelism" },
	{ "{\"queueName\":\"q\",\"parallelism\":1.5}", 400, "parallelism" },
	{ "{\"queueName\":\"q\",\"parallelism\":\"2\"}", 400, "parallelism" },
	{ "{\"queueName\":\"q\",\"paused\":1}", 400, "paused" },
	{ "{\"queueName\":\"\"}", 400, "queueName" },
	{ "{\"queueName\":\"a/b\"}", 400, "queueName" },
	{ "{\"queueName\":\"\xc3\xa9\"}", 400, "queueName" },
	{ "{\"queueName\":7}", 400, "queueName" },
	{ "{}", 400, "queueName" },
	{ "[]", 400, "object" },
	{ "", 400, "JSON" },
	{ "{\"queueName\":\"q\"", 400, "JSON" },
};

TEST_EACH(an_upsert_is_judged, bodies)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a = upsert(r, row->body);

	T_EQ_INT(a.status, row->status);
	T_CHECK(str_has(a.body, str_c(row->part)));
	T_EQ_INT(get(r, "q").status, row->status == 200 ? 200 : 404);
	rig_stop(r);
}

TEST(an_upsert_without_paused_leaves_it_alone)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	int64_t created;

	upsert(r, "{\"queueName\":\"q\",\"parallelism\":3,\"paused\":true}");
	created = answer_int(get(r, "q"), "createdAt");
	T_CHECK(is_paused(get(r, "q")));
	upsert(r, "{\"queueName\":\"q\",\"parallelism\":4}");
	T_CHECK(is_paused(get(r, "q")));
	T_EQ_INT(answer_int(get(r, "q"), "parallelism"), 4);
	upsert(r, "{\"queueName\":\"q\",\"paused\":false}");
	T_CHECK(!is_paused(get(r, "q")));
	T_EQ_INT(answer_int(get(r, "q"), "parallelism"), 1);
	T_EQ_INT(answer_int(get(r, "q"), "createdAt"), created);
	T_CHECK(answer_int(get(r, "q"), "updatedAt") >= created);
	rig_stop(r);
}

TEST(pause_and_resume_may_be_repeated)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });

	upsert(r, "{\"queueName\":\"q\"}");
	for (int i = 0; i < 2; i++) {
		T_EQ_INT(rig_do(r, "POST", "/v2/queues/q/pause").status, 200);
		T_CHECK(is_paused(get(r, "q")));
	}
	for (int i = 0; i < 2; i++) {
		T_EQ_INT(rig_do(r, "POST", "/v2/queues/q/resume").status, 200);
		T_CHECK(!is_paused(get(r, "q")));
	}
	rig_stop(r);
}

static const struct {
	const char *method, *target;
	int status;
} misses[] = {
	{ "GET", "/v2/queues/none", 404 },         { "POST", "/v2/queues/none/pause", 404 },
	{ "POST", "/v2/queues/none/resume", 404 }, { "DELETE", "/v2/queues/none", 200 },
	{ "GET", "/v2/queues/a%2Fb", 400 },        { "DELETE", "/v2/queues/a%2Fb", 400 },
	{ "POST", "/v2/queues/a%2Fb/pause", 400 }, { "POST", "/v2/queues//resume", 400 },
	{ "DELETE", "/v2/queues/", 405 },          { "PUT", "/v2/queues/q", 405 },
};

TEST_EACH(what_is_not_there, misses)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });

	T_EQ_INT(rig_do(r, row->method, row->target).status, row->status);
	T_EQ_STR(rig_do(r, "GET", "/v2/queues").body, "[]");
	rig_stop(r);
}

TEST(the_old_names_of_the_paths_work)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });

	T_EQ_INT(rig_ask(r, "POST", "/v2/queue", RIG_AUTH, STR("{\"queue\":\"q\"}")).status, 200);
	T_EQ_INT(rig_do(r, "POST", "/v2/queue/q/pause").status, 200);
	T_CHECK(is_paused(rig_do(r, "GET", "/v2/queue/q")));
	T_EQ_INT(rig_do(r, "POST", "/v2/queue/q/resume").status, 200);
	T_EQ_INT(answer_count(rig_do(r, "GET", "/v2/queue"), NULL), 1);
	T_EQ_INT(rig_do(r, "DELETE", "/v2/queue/q").status, 200);
	T_EQ_STR(rig_do(r, "GET", "/v2/queue").body, "[]");
	rig_stop(r);
}

TEST(the_read_only_token_may_only_look)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });

	upsert(r, "{\"queueName\":\"q\"}");
	T_EQ_INT(rig_ask(r, "GET", "/v2/queues", READ_AUTH, STR_NULL).status, 200);
	T_EQ_INT(rig_ask(r, "GET", "/v2/queues/q", READ_AUTH, STR_NULL).status, 200);
	T_EQ_INT(rig_ask(r, "POST", "/v2/queues", READ_AUTH, STR("{}")).status, 403);
	T_EQ_INT(rig_ask(r, "DELETE", "/v2/queues/q", READ_AUTH, STR_NULL).status, 403);
	T_EQ_INT(rig_ask(r, "POST", "/v2/queues/q/pause", READ_AUTH, STR_NULL).status, 403);
	T_EQ_INT(rig_ask(r, "POST", "/v2/queues/q/resume", READ_AUTH, STR_NULL).status, 403);
	rig_stop(r);
}

TEST(the_plan_limits_how_many_but_not_changing_one)
{
	struct plan plan = *plan_at(0);
	struct rig *r;
	struct answer a;

	plan.burst_per_s = 0;
	plan.queues_max = 2;
	plan.queue_parallelism_max = 0;
	r = rig_start((struct rig_settings){ .plan = &plan });
	T_EQ_INT(upsert(r, "{\"queueName\":\"a\"}").status, 200);
	T_EQ_INT(enqueue(r, "b", "https://x.io/hold").status, 200);
	a = upsert(r, "{\"queueName\":\"c\"}");
	T_EQ_INT(a.status, 412);
	T_EQ_STR(answer_str(a, "error"), "quota maxQueues exceeded, current limit: 2");
	T_EQ_INT(enqueue(r, "c", "https://x.io/").status, 412);
	T_EQ_INT(upsert(r, "{\"queueName\":\"b\",\"parallelism\":5000}").status, 200);
	T_EQ_INT(rig_do(r, "DELETE", "/v2/queues/a").status, 200);
	T_EQ_INT(upsert(r, "{\"queueName\":\"c\"}").status, 200);
	rig_stop(r);
}

TEST(the_lag_counts_what_has_not_ended)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a;

	for (int i = 0; i < 3; i++)
		T_EQ_INT(enqueue(r, "q", "https://x.io/hold").status, 200);
	a = get(r, "q");
	T_EQ_INT(answer_int(a, "lag"), 3);
	T_EQ_INT(answer_int(a, "parallelism"), 1);
	rig_until_logged(r, "ACTIVE", 1);
	T_EQ_INT(answer_int(get(r, "q"), "lag"), 3);
	T_EQ_INT(enqueue(r, "other", "https://x.io/").status, 200);
	T_UNTIL(answer_int(get(r, "other"), "lag") == 0, 10);
	T_EQ_INT(answer_int(get(r, "q"), "lag"), 3);
	T_EQ_INT(answer_count(rig_do(r, "GET", "/v2/events?state=ACTIVE&queueName=q"), "events"),
		 1);
	rig_stop(r);
}

TEST(a_paused_queue_accepts_and_starts_nothing_until_it_is_resumed)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });

	upsert(r, "{\"queueName\":\"q\",\"paused\":true}");
	for (int i = 0; i < 3; i++)
		T_EQ_INT(enqueue(r, "q", "https://x.io/").status, 200);
	/* What is published after them overtakes. */
	rig_publish(r, "https://x.io/", "", "");
	rig_until_logged(r, "DELIVERED", 1);
	T_EQ_INT(answer_int(get(r, "q"), "lag"), 3);
	T_EQ_INT(rig_do(r, "POST", "/v2/queues/q/resume").status, 200);
	rig_until_logged(r, "DELIVERED", 4);
	T_UNTIL(answer_int(get(r, "q"), "lag") == 0, 10);
	rig_stop(r);
}

TEST(deleting_a_queue_cancels_its_messages_and_no_others)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct str id, other;

	upsert(r, "{\"queueName\":\"q\",\"paused\":true}");
	upsert(r, "{\"queueName\":\"q2\",\"paused\":true}");
	id = answer_str(enqueue(r, "q", "https://x.io/"), "messageId");
	for (int i = 0; i < 4; i++)
		enqueue(r, "q", "https://x.io/");
	other = answer_str(enqueue(r, "q2", "https://x.io/"), "messageId");
	T_EQ_INT(rig_do(r, "DELETE", "/v2/queues/q").status, 200);
	rig_until_logged(r, "CANCELED", 5);
	T_EQ_INT(get(r, "q").status, 404);
	T_EQ_INT(rig_do(r, "DELETE", arena_fmt(rig_arena(r), "/v2/messages/%.*s", STR_FMT(id)).p)
			 .status,
		 404);
	T_EQ_INT(answer_int(get(r, "q2"), "lag"), 1);
	/* A queue of the same name is a new one: not paused, one at a time, empty. */
	T_EQ_INT(enqueue(r, "q", "https://x.io/").status, 200);
	rig_until_logged(r, "DELIVERED", 1);
	T_CHECK(!is_paused(get(r, "q")));
	T_EQ_INT(rig_do(r, "DELETE", arena_fmt(rig_arena(r), "/v2/messages/%.*s", STR_FMT(other)).p)
			 .status,
		 200);
	rig_stop(r);
}

TEST(deleting_a_queue_does_not_wait_for_a_running_attempt)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });

	T_EQ_INT(enqueue(r, "q", "https://x.io/hold").status, 200);
	T_EQ_INT(enqueue(r, "q", "https://x.io/").status, 200);
	rig_until_logged(r, "ACTIVE", 1);
	T_EQ_INT(rig_do(r, "DELETE", "/v2/queues/q").status, 200);
	T_EQ_STR(rig_do(r, "GET", "/v2/queues").body, "[]");
	rig_until_logged(r, "CANCELED", 1);
	rig_stop(r);
}

TEST(all_queues_are_listed_in_the_order_of_their_names)
{
	struct plan plan = *plan_at(0);
	struct rig *r;
	struct answer a;
	enum { N = 1003 };

	plan.burst_per_s = 0;
	plan.queues_max = 0;
	r = rig_start((struct rig_settings){ .plan = &plan });
	for (int i = 0; i < N; i++)
		upsert(r, arena_fmt(rig_arena(r), "{\"queueName\":\"q%04d\"}", (i * 7) % N).p);
	a = rig_do(r, "GET", "/v2/queues");
	T_EQ_INT(answer_count(a, NULL), N);
	for (int i = 0; i < N; i += 17)
		T_EQ_STR(json_get(answer_at(a, NULL, (size_t)i), STR("name"))->text,
			 arena_fmt(rig_arena(r), "q%04d", i));
	rig_stop(r);
}
