/* Flow-control keys and the global parallelism. */
#include "rig.h"
#include "t.h"

#define READ_AUTH "Authorization: Bearer " RIG_READ_ONLY "\r\n"
#define OTHER_AUTH "Authorization: Bearer " RIG_OTHER_TOKEN "\r\n"

static struct answer get(struct rig *r, const char *key)
{
	return rig_do(r, "GET", arena_fmt(rig_arena(r), "/v2/flowControl/%s", key).p);
}

static int post(struct rig *r, const char *key_and_what)
{
	struct answer a =
		rig_do(r, "POST", arena_fmt(rig_arena(r), "/v2/flowControl/%s", key_and_what).p);

	T_CHECK(a.status != 200 || a.body.n == 0);
	return a.status;
}

static void publish(struct rig *r, const char *dest, const char *key, const char *value)
{
	struct str fields = arena_fmt(rig_arena(r),
				      "Upstash-Flow-Control-Key: %s\r\n"
				      "Upstash-Flow-Control-Value: %s\r\n",
				      key, value);

	rig_publish(r, dest, fields.p, "body");
}

static bool flag(struct answer a, const char *key)
{
	const struct json *v = json_get(a.json, str_c(key));

	if (v == NULL || v->kind != JSON_BOOL)
		T_FAIL("no %s in %.*s", key, STR_FMT(a.body));
	return v->boolean;
}

TEST(a_key_is_there_right_after_the_publish_with_all_its_members)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a;

	T_EQ_STR(rig_do(r, "GET", "/v2/flowControl").body, "[]");
	publish(r, "https://x.io/hold", "k", "parallelism=1, rate=5, period=1m");
	publish(r, "https://x.io/hold", "k", "parallelism=2, rate=7, period=2m");
	a = get(r, "k");
	T_EQ_INT(a.status, 200);
	T_UNTIL((a = get(r, "k"), answer_int(a, "parallelismCount")) == 2, 10);
	T_CHECK(answer_int(a, "ratePeriodStart") > 1500000000);
	T_EQ_STR(a.body,
		 arena_fmt(rig_arena(r),
			   "{\"flowControlKey\":\"k\",\"waitListSize\":0,\"parallelismMax\":2,"
			   "\"parallelismCount\":2,\"rateMax\":7,\"rateCount\":2,"
			   "\"ratePeriod\":120,\"ratePeriodStart\":%lld,\"isPaused\":false,"
			   "\"isPinnedParallelism\":false,\"isPinnedRate\":false}",
			   (long long)answer_int(a, "ratePeriodStart")));
	T_EQ_STR(rig_do(r, "GET", "/v2/flowControl/").body,
		 arena_fmt(rig_arena(r), "[%.*s]", STR_FMT(a.body)));
	T_EQ_STR(rig_ask(r, "GET", "/v2/flowControl", OTHER_AUTH, STR_NULL).body, "[]");
	rig_stop(r);
}

TEST(the_wait_list_is_counted)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });

	for (int i = 0; i < 4; i++)
		publish(r, "https://x.io/hold", "k", "parallelism=1");
	T_EQ_INT(answer_int(get(r, "k"), "waitListSize"), 3);
	T_EQ_INT(answer_int(get(r, "k"), "parallelismCount"), 1);
	T_EQ_INT(answer_int(get(r, "k"), "rateMax"), 0);
	T_EQ_INT(answer_int(get(r, "k"), "ratePeriod"), 1);
	T_EQ_INT(post(r, "k/pin?parallelism=3"), 200);
	T_UNTIL(answer_int(get(r, "k"), "parallelismCount") == 3, 10);
	T_EQ_INT(answer_int(get(r, "k"), "waitListSize"), 1);
	/* The three that run no longer count, so the last one starts. */
	T_EQ_INT(post(r, "k/reset"), 200);
	T_UNTIL(answer_int(get(r, "k"), "waitListSize") == 0, 10);
	T_EQ_INT(answer_int(get(r, "k"), "parallelismCount"), 1);
	rig_stop(r);
}

TEST(pins_hold_against_messages_and_are_taken_off_one_by_one)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a;

	T_EQ_INT(post(r, "k/pin?parallelism=3&rate=20&period=120"), 200);
	publish(r, "https://x.io/", "k", "parallelism=1,rate=1");
	a = get(r, "k");
	T_EQ_INT(answer_int(a, "parallelismMax"), 3);
	T_EQ_INT(answer_int(a, "rateMax"), 20);
	T_EQ_INT(answer_int(a, "ratePeriod"), 120);
	T_CHECK(flag(a, "isPinnedParallelism") && flag(a, "isPinnedRate"));
	T_EQ_INT(post(r, "k/unpin"), 200);
	a = get(r, "k");
	T_CHECK(flag(a, "isPinnedParallelism") && flag(a, "isPinnedRate"));
	T_EQ_INT(post(r, "k/unpin?parallelism=true&rate=false"), 200);
	a = get(r, "k");
	T_CHECK(!flag(a, "isPinnedParallelism") && flag(a, "isPinnedRate"));
	T_EQ_INT(answer_int(a, "parallelismMax"), 3);
	publish(r, "https://x.io/", "k", "parallelism=4,rate=1");
	T_EQ_INT(answer_int(get(r, "k"), "parallelismMax"), 4);
	T_EQ_INT(answer_int(get(r, "k"), "rateMax"), 20);
	T_EQ_INT(post(r, "k/unpin?rate=True"), 200);
	T_CHECK(!flag(get(r, "k"), "isPinnedRate"));
	T_EQ_INT(post(r, "k/pin?rate=9"), 200);
	a = get(r, "k");
	T_CHECK(!flag(a, "isPinnedParallelism") && flag(a, "isPinnedRate"));
	T_EQ_INT(answer_int(a, "rateMax"), 9);
	T_EQ_INT(answer_int(a, "ratePeriod"), 1);
	rig_stop(r);
}

TEST(a_paused_key_keeps_its_messages_until_it_is_resumed)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });

	T_EQ_INT(post(r, "k/pause"), 200);
	T_CHECK(flag(get(r, "k"), "isPaused"));
	for (int i = 0; i < 3; i++)
		publish(r, "https://x.io/", "k", "rate=100,period=1h");
	rig_publish(r, "https://x.io/", "", "");
	rig_until_logged(r, "DELIVERED", 1);
	T_EQ_INT(answer_int(get(r, "k"), "waitListSize"), 3);
	T_EQ_INT(post(r, "k/resume"), 200);
	rig_until_logged(r, "DELIVERED", 4);
	T_CHECK(!flag(get(r, "k"), "isPaused"));
	T_EQ_INT(answer_int(get(r, "k"), "rateCount"), 3);
	T_EQ_INT(post(r, "k/pause"), 200);
	T_EQ_INT(answer_int(get(r, "k"), "rateCount"), 3);
	T_EQ_INT(post(r, "k/resetRate"), 200);
	T_EQ_INT(answer_int(get(r, "k"), "rateCount"), 0);
	rig_stop(r);
}

TEST(a_reset_of_the_rate_starts_what_waits_for_the_window)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });

	for (int i = 0; i < 3; i++)
		publish(r, "https://x.io/", "k", "rate=1,period=7d");
	rig_until_logged(r, "DELIVERED", 1);
	T_EQ_INT(answer_int(get(r, "k"), "waitListSize"), 2);
	T_EQ_INT(post(r, "k/resetRate"), 200);
	rig_until_logged(r, "DELIVERED", 2);
	T_EQ_INT(answer_int(get(r, "k"), "waitListSize"), 1);
	T_EQ_INT(post(r, "k/reset"), 200);
	rig_until_logged(r, "DELIVERED", 3);
	T_EQ_INT(answer_int(get(r, "k"), "waitListSize"), 0);
	rig_stop(r);
}

static const struct {
	const char *target; /* POST, behind /v2/flowControl/ */
	int status;
	const char *part; /* of the answer */
} posts[] = {
	{ "none/resume", 404, "not found" },
	{ "none/unpin?rate=true", 404, "not found" },
	{ "none/resetRate", 404, "not found" },
	{ "none/reset", 404, "not found" },
	{ "none/pause", 200, "" },
	{ "none/pin?rate=1", 200, "" },
	{ "none/pin?parallelism=1000000000", 200, "" },
	{ "none/pin?rate=1&period=604800", 200, "" },
	{ "/pause", 400, "flowControlKey" },
	{ "/resume", 400, "flowControlKey" },
	{ "/pin?rate=1", 400, "flowControlKey" },
	{ "/unpin", 400, "flowControlKey" },
	{ "none/pin", 400, "parallelism or rate" },
	{ "none/pin?parallelism=&rate=", 400, "parallelism or rate" },
	{ "none/pin?parallelism=0", 400, "parallelism" },
	{ "none/pin?parallelism=-1", 400, "parallelism" },
	{ "none/pin?parallelism=x", 400, "parallelism" },
	{ "none/pin?parallelism=1000000001", 400, "parallelism" },
	{ "none/pin?parallelism=1&rate=0", 400, "rate" },
	{ "none/pin?rate=99999999999999999999", 400, "rate" },
	{ "none/pin?rate=%zz", 400, "rate" },
	{ "none/pin?parallelism=1&period=5", 400, "period" },
	{ "none/pin?rate=1&period=0", 400, "period" },
	{ "none/pin?rate=1&period=604801", 400, "period" },
	{ "none/unpin?rate=maybe", 400, "rate" },
	{ "none/nothing", 404, "endpoint" },
};

TEST_EACH(changes_are_judged, posts)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct str target = arena_fmt(rig_arena(r), "/v2/flowControl/%s", row->target);
	struct answer a = rig_do(r, "POST", target.p);

	T_EQ_INT(a.status, row->status);
	T_CHECK(str_has(a.body, str_c(row->part)));
	T_EQ_INT(get(r, "none").status, row->status == 200 ? 200 : 404);
	rig_stop(r);
}

TEST(a_key_may_hold_any_byte_up_to_its_length)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct buf b;

	T_EQ_INT(post(r, "a%2Fb%20%3F%C3%A9/pause"), 200);
	T_EQ_STR(answer_str(get(r, "a%2fb%20%3f%c3%a9"), "flowControlKey"), "a/b ?\xc3\xa9");
	buf_init(&b, 4096);
	for (int i = 0; i < 1024; i++)
		buf_byte(&b, 'k');
	T_EQ_INT(post(r, arena_fmt(rig_arena(r), "%.*s/pause", STR_FMT(buf_str(&b))).p), 200);
	T_EQ_INT(post(r, arena_fmt(rig_arena(r), "%.*sk/pause", STR_FMT(buf_str(&b))).p), 400);
	buf_done(&b);
	rig_stop(r);
}

static const struct {
	const char *query;
	size_t n;
} searches[] = {
	{ "", 4 },          { "?search=", 4 },     { "?search=a", 3 }, { "?search=ab", 2 },
	{ "?search=c", 1 }, { "?search=nope", 0 }, { "?search=A", 0 }, { "?search=%20", 1 },
};

TEST_EACH(a_search_is_a_part_of_the_key, searches)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	static const char *const keys[] = { "a", "ab", "cab", "x%20y" };

	for (size_t i = 0; i < countof(keys); i++)
		post(r, arena_fmt(rig_arena(r), "%s/pause", keys[i]).p);
	T_EQ_INT(answer_count(rig_do(r, "GET",
				     arena_fmt(rig_arena(r), "/v2/flowControl%s", row->query).p),
			      NULL),
		 row->n);
	T_EQ_INT(rig_do(r, "GET", "/v2/flowControl?search=%zz").status, 400);
	rig_stop(r);
}

TEST(the_global_parallelism_is_the_plans_and_counts_what_runs)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });

	T_EQ_STR(rig_do(r, "GET", "/v2/globalParallelism").body,
		 "{\"parallelismMax\":100,\"parallelismCount\":0}");
	for (int i = 0; i < 3; i++)
		rig_publish(r, "https://x.io/hold", "", "");
	rig_publish(r, "https://x.io/", "", "");
	rig_until_logged(r, "DELIVERED", 1);
	T_EQ_STR(rig_do(r, "GET", "/v2/globalParallelism").body,
		 "{\"parallelismMax\":100,\"parallelismCount\":3}");
	rig_stop(r);
}

TEST(the_read_only_token_may_only_look)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	static const char *const writes[] = { "pause", "resume",    "pin?rate=1",
					      "unpin", "resetRate", "reset" };

	T_EQ_INT(post(r, "k/pause"), 200);
	T_EQ_INT(rig_ask(r, "GET", "/v2/flowControl", READ_AUTH, STR_NULL).status, 200);
	T_EQ_INT(rig_ask(r, "GET", "/v2/flowControl/k", READ_AUTH, STR_NULL).status, 200);
	T_EQ_INT(rig_ask(r, "GET", "/v2/globalParallelism", READ_AUTH, STR_NULL).status, 200);
	for (size_t i = 0; i < countof(writes); i++) {
		struct str target = arena_fmt(rig_arena(r), "/v2/flowControl/k/%s", writes[i]);

		T_EQ_INT(rig_ask(r, "POST", target.p, READ_AUTH, STR_NULL).status, 403);
	}
	rig_stop(r);
}
