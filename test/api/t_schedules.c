/* Schedules: kept, changed, and triggered, once each time they are due. */
#include <unistd.h>

#include "rig.h"
#include "t.h"

#define EVERY_10 "Upstash-Cron: */10 * * * * \r\n"

enum { MINUTE_MS = 60 * 1000 };

static struct str create(struct rig *r, const char *dest, const char *fields, const char *body)
{
	struct arena *m = rig_arena(r);
	struct answer a = rig_ask(r, "POST", arena_fmt(m, "/v2/schedules/%s", dest).p,
				  arena_fmt(m, RIG_AUTH "%s", fields).p, str_c(body));

	if (a.status != 200)
		T_FAIL("answered %d %.*s", a.status, STR_FMT(a.body));
	return answer_str(a, "scheduleId");
}

static struct answer get(struct rig *r, struct str id)
{
	return rig_do(r, "GET", arena_fmt(rig_arena(r), "/v2/schedules/%.*s", STR_FMT(id)).p);
}

static bool flag(struct answer a, const char *key)
{
	const struct json *v = json_get(a.json, str_c(key));

	return v != NULL && v->kind == JSON_BOOL && v->boolean;
}

static size_t count_created(struct rig *r)
{
	return answer_count(rig_do(r, "GET", "/v2/events?state=CREATED"), "events");
}

/* The log is read only when it has all: a schedule that is triggered has its next time first. */
static void until_triggered(struct rig *r, struct str id, int64_t after_ms)
{
	struct answer a = { 0 };

	T_UNTIL((a = get(r, id), answer_int(a, "nextScheduleTime")) > after_ms, 10);
}

TEST(a_schedule_is_kept_as_it_was_made)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct str id = create(r, "https://x.io/hold?a=b",
			       EVERY_10
			       "Upstash-Method: PUT\r\nUpstash-Retries: 5\r\nUpstash-Delay: 10s\r\n"
			       "Upstash-Timeout: 30s\r\nContent-Type: text/plain\r\n"
			       "Upstash-Forward-test-header: v\r\nUpstash-Label: one,two\r\n"
			       "Upstash-Queue-Name: q\r\nUpstash-Callback: https://c.io/x?y\r\n",
			       "hello");
	struct answer a = get(r, id);

	T_CHECK(str_starts(id, STR("scd_")));
	T_EQ_STR(answer_str(a, "scheduleId"), id);
	T_EQ_STR(answer_str(a, "cron"), "*/10 * * * *");
	T_EQ_STR(answer_str(a, "destination"), "https://x.io/hold?a=b");
	T_EQ_STR(answer_str(a, "method"), "PUT");
	T_EQ_STR(answer_str(a, "body"), "hello");
	T_CHECK(str_has(a.body, STR("\"header\":{\"Content-Type\":[\"text/"
				    "plain\"],\"Test-Header\":[\"v\"]}")) ||
		str_has(a.body, STR("\"header\":{\"Test-Header\":[\"v\"],\"Content-Type\":[\"text/"
				    "plain\"]}")));
	T_EQ_INT(answer_int(a, "retries"), 5);
	T_EQ_INT(answer_int(a, "delay"), 10);
	T_EQ_INT(answer_int(a, "timeout"), 30);
	T_EQ_STR(answer_str(a, "callback"), "https://c.io/x?y");
	T_EQ_STR(answer_str(a, "queueName"), "q");
	T_EQ_STR(answer_str(a, "label"), "one");
	T_EQ_STR(answer_str(a, "callerIP"), "127.0.0.1");
	T_CHECK(answer_has(a, "isPaused") && !flag(a, "isPaused"));
	T_EQ_INT(answer_int(a, "nextScheduleTime") % (10 * MINUTE_MS), 0);
	T_CHECK(!answer_has(a, "lastScheduleTime") && !answer_has(a, "error"));
	T_EQ_INT(answer_count(rig_do(r, "GET", "/v2/Schedules"), NULL), 1);
	T_EQ_INT(count_created(r), 0);
	rig_stop(r);
}

static const struct {
	const char *dest, *fields;
	int status;
	const char *error;
} refused[] = {
	{ "https://x.io", "", 400, "Upstash-Cron" },
	{ "https://x.io", "Upstash-Cron: * * * *\r\n", 400, "" },
	{ "https://x.io", "Upstash-Cron: * * * * * *\r\n", 400, "" },
	{ "https://x.io", "Upstash-Cron: 0 0 30 2 *\r\n", 400, "never due" },
	{ "https://x.io", "Upstash-Cron: CRON_TZ=Nowhere/Land * * * * *\r\n", 400, "time zone" },
	{ "https://x.io", "Upstash-Cron: CRON_TZ=../../etc/passwd * * * * *\r\n", 400, "" },
	{ "https://x.io", EVERY_10 "Upstash-Schedule-Id: a b\r\n", 400, "Upstash-Schedule-Id" },
	{ "https://x.io", EVERY_10 "Upstash-Retries: x\r\n", 400, "Upstash-Retries" },
	{ "x io", EVERY_10, 400, "" },
	{ "ftp://x.io", EVERY_10, 400, "invalid destination url" },
};

TEST_EACH(what_is_refused, refused)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct arena *m = rig_arena(r);
	struct answer a = rig_ask(r, "POST", arena_fmt(m, "/v2/schedules/%s", row->dest).p,
				  arena_fmt(m, RIG_AUTH "%s", row->fields).p, STR("x"));

	if (a.status != row->status || !str_has(a.body, str_c(row->error)))
		T_FAIL("answered %d %.*s", a.status, STR_FMT(a.body));
	T_EQ_STR(rig_do(r, "GET", "/v2/schedules").body, "[]");
	rig_stop(r);
}

TEST(what_is_unknown)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });

	T_EQ_INT(rig_do(r, "GET", "/v2/schedules/none").status, 404);
	T_EQ_INT(rig_do(r, "DELETE", "/v2/schedules/none").status, 404);
	T_EQ_INT(rig_do(r, "POST", "/v2/schedules/none/pause").status, 404);
	T_EQ_INT(rig_do(r, "PATCH", "/v2/schedules/none/resume").status, 404);
	rig_stop(r);
}

TEST(the_plan_limits_schedules_and_an_overwrite_is_free)
{
	struct plan plan = *plan_find(STR("free"));
	struct rig *r;
	struct answer a;

	plan.schedules_max = 1;
	r = rig_start((struct rig_settings){ .plan = &plan });
	create(r, "https://x.io/1", EVERY_10 "Upstash-Schedule-Id: mine\r\n", "body");
	a = rig_ask(r, "POST", "/v2/schedules/https://x.io", RIG_AUTH EVERY_10, STR_NULL);
	T_EQ_INT(a.status, 412);
	T_EQ_STR(answer_str(a, "error"), "quota maxSchedules exceeded, current limit: 1");
	create(r, "https://x.io/2", EVERY_10 "Upstash-Schedule-Id: mine\r\n", "");
	T_EQ_INT(answer_count(rig_do(r, "GET", "/v2/schedules"), NULL), 1);
	rig_stop(r);
}

TEST(an_overwrite_replaces_all_but_age_and_pause)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct str id =
		create(r, "https://x.io/1", EVERY_10 "Upstash-Schedule-Id: mine\r\n", "body");
	struct answer was, is;

	T_EQ_STR(id, "mine");
	T_EQ_INT(rig_do(r, "PATCH", "/v2/schedules/mine/pause").status, 200);
	was = get(r, id);
	T_CHECK(flag(was, "isPaused"));
	rig_advance(r, 5000);
	create(r, "https://x.io/2", "Upstash-Cron: 0 * * * *\r\nUpstash-Schedule-Id: mine\r\n", "");
	is = get(r, id);
	T_EQ_STR(answer_str(is, "destination"), "https://x.io/2");
	T_EQ_STR(answer_str(is, "cron"), "0 * * * *");
	T_CHECK(!answer_has(is, "body"));
	T_EQ_INT(answer_int(is, "createdAt"), answer_int(was, "createdAt"));
	T_CHECK(flag(is, "isPaused"));
	T_EQ_INT(rig_do(r, "POST", "/v2/schedules/mine/resume").status, 200);
	T_CHECK(!flag(get(r, id), "isPaused"));
	T_EQ_INT(rig_do(r, "DELETE", "/v2/schedules/mine").status, 200);
	T_EQ_INT(get(r, id).status, 404);
	rig_stop(r);
}

TEST(each_time_makes_one_message_and_missed_ones_make_one)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct str id = create(r, "https://x.io/hold",
			       EVERY_10 "Upstash-Delay: 10s\r\nUpstash-Label: l\r\n", "tick");
	int64_t first_ms = answer_int(get(r, id), "nextScheduleTime");
	struct answer a, m;

	rig_advance(r, 10 * MINUTE_MS);
	until_triggered(r, id, first_ms);
	rig_until_logged(r, "CREATED", 1);
	a = rig_do(r, "GET", "/v2/events?state=CREATED");
	T_EQ_INT(answer_count(a, "events"), 1);
	m = rig_do(r, "GET",
		   arena_fmt(rig_arena(r), "/v2/messages/%.*s",
			     STR_FMT(json_get(answer_at(a, "events", 0), STR("messageId"))->text))
			   .p);
	T_EQ_STR(answer_str(m, "scheduleId"), id);
	T_EQ_STR(answer_str(m, "body"), "tick");
	T_EQ_STR(answer_str(m, "label"), "l");
	T_EQ_INT(answer_int(m, "notBefore"), answer_int(m, "createdAt") + 10 * 1000);
	T_CHECK(answer_int(m, "createdAt") >= first_ms);
	a = get(r, id);
	T_CHECK(answer_int(a, "lastScheduleTime") >= first_ms);
	/* A day is missed: one message at once, and the next is in the future. */
	first_ms = answer_int(a, "nextScheduleTime");
	rig_advance(r, 24 * 60 * (int64_t)MINUTE_MS);
	until_triggered(r, id, first_ms);
	rig_until_logged(r, "CREATED", 2);
	T_EQ_INT(count_created(r), 2);
	a = get(r, id);
	T_CHECK(answer_int(a, "nextScheduleTime") >= answer_int(a, "lastScheduleTime"));
	T_CHECK(answer_int(a, "nextScheduleTime") <=
		answer_int(a, "lastScheduleTime") + 10 * MINUTE_MS);
	rig_stop(r);
}

TEST(a_paused_one_makes_none_and_does_not_make_up_for_it)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct str id = create(r, "https://x.io/hold", EVERY_10, "tick");
	struct str other = create(r, "https://x.io/hold", EVERY_10, "other");
	int64_t first_ms = answer_int(get(r, id), "nextScheduleTime");

	T_EQ_INT(rig_do(r, "PATCH",
			arena_fmt(rig_arena(r), "/v2/schedules/%.*s/pause", STR_FMT(id)).p)
			 .status,
		 200);
	rig_advance(r, 10 * MINUTE_MS);
	until_triggered(r, id, first_ms);
	until_triggered(r, other, first_ms);
	rig_until_logged(r, "CREATED", 1);
	T_EQ_INT(count_created(r), 1);
	T_CHECK(!answer_has(get(r, id), "lastScheduleTime"));
	T_EQ_INT(rig_do(r, "PATCH",
			arena_fmt(rig_arena(r), "/v2/schedules/%.*s/resume", STR_FMT(id)).p)
			 .status,
		 200);
	T_CHECK(answer_int(get(r, id), "nextScheduleTime") > first_ms);
	T_EQ_INT(count_created(r), 1);
	rig_stop(r);
}

TEST(a_group_is_looked_up_at_each_trigger)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct str id = create(
		r, "g", EVERY_10 "Upstash-Forward-X-Mine: 1\r\nUpstash-Queue-Name: q\r\n", "tick");
	int64_t next_ms = answer_int(get(r, id), "nextScheduleTime");
	struct answer a, m;

	rig_advance(r, 10 * MINUTE_MS);
	until_triggered(r, id, next_ms);
	a = get(r, id);
	T_EQ_STR(answer_str(a, "destination"), "g");
	T_EQ_STR(answer_str(a, "error"), "topic g not found");
	T_EQ_INT(count_created(r), 0);
	a = rig_ask(r, "POST", "/v2/topics/g/endpoints", RIG_AUTH,
		    STR("{\"endpoints\":[{\"url\":\"https://a.io/hold\",\"name\":\"n\"},"
			"{\"url\":\"https://b.io/hold\"}]}"));
	T_EQ_INT(a.status, 200);
	next_ms = answer_int(get(r, id), "nextScheduleTime");
	rig_advance(r, 10 * MINUTE_MS);
	until_triggered(r, id, next_ms);
	rig_until_logged(r, "CREATED", 2);
	a = rig_do(r, "GET", "/v2/events?state=CREATED&order=earliestFirst");
	T_EQ_INT(answer_count(a, "events"), 2);
	m = rig_do(r, "GET",
		   arena_fmt(rig_arena(r), "/v2/messages/%.*s",
			     STR_FMT(json_get(answer_at(a, "events", 0), STR("messageId"))->text))
			   .p);
	T_EQ_STR(answer_str(m, "url"), "https://a.io/hold");
	T_EQ_STR(answer_str(m, "topicName"), "g");
	T_EQ_STR(answer_str(m, "endpointName"), "n");
	T_EQ_STR(answer_str(m, "scheduleId"), id);
	T_EQ_STR(answer_str(m, "queueName"), "q");
	T_CHECK(str_has(m.body, STR("\"X-Mine\":[\"1\"]")));
	T_CHECK(!answer_has(get(r, id), "error"));
	rig_stop(r);
}

TEST(a_groups_headers_of_today_apply)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct str id =
		create(r, "g", EVERY_10 "Upstash-Retries: 2\r\nUpstash-Delay: 1m\r\n", "tick");
	int64_t next_ms = answer_int(get(r, id), "nextScheduleTime");
	struct answer a, m;

	rig_ask(r, "POST", "/v2/topics/g/endpoints", RIG_AUTH,
		STR("{\"endpoints\":[{\"url\":\"https://a.io/hold\"}]}"));
	a = rig_ask(r, "PATCH", "/v2/topics/g", RIG_AUTH,
		    STR("{\"headers\":{\"Upstash-Retries\":\"9\",\"Upstash-Label\":\"l\"}}"));
	T_EQ_INT(a.status, 200);
	rig_advance(r, 10 * MINUTE_MS);
	until_triggered(r, id, next_ms);
	rig_until_logged(r, "CREATED", 1);
	a = rig_do(r, "GET", "/v2/events?state=CREATED");
	m = rig_do(r, "GET",
		   arena_fmt(rig_arena(r), "/v2/messages/%.*s",
			     STR_FMT(json_get(answer_at(a, "events", 0), STR("messageId"))->text))
			   .p);
	T_EQ_INT(answer_int(m, "maxRetries"), 2);
	T_EQ_STR(answer_str(m, "label"), "l");
	T_EQ_STR(answer_str(m, "scheduleId"), id);
	T_EQ_INT(answer_int(m, "notBefore"), answer_int(m, "createdAt") + MINUTE_MS);
	rig_stop(r);
}

TEST(the_time_of_day_is_the_zones)
{
	struct rig *r;
	struct answer tokyo, utc;

	if (access("/usr/share/zoneinfo/Asia/Tokyo", R_OK) != 0)
		T_SKIP("no time zones on this machine");
	r = rig_start((struct rig_settings){ 0 });
	tokyo = get(r, create(r, "https://x.io", "Upstash-Cron: CRON_TZ=Asia/Tokyo 30 12 * * *\r\n",
			      ""));
	utc = get(r, create(r, "https://x.io", "Upstash-Cron: 30 3 * * *\r\n", ""));
	T_EQ_STR(answer_str(tokyo, "cron"), "CRON_TZ=Asia/Tokyo 30 12 * * *");
	T_EQ_INT(answer_int(tokyo, "nextScheduleTime"), answer_int(utc, "nextScheduleTime"));
	rig_stop(r);
}

/* ---- what became of the last messages --------------------------------------------------------------- */

static const struct json *states(struct answer schedule)
{
	return json_get(schedule.json, STR("lastScheduleStates"));
}

/* All of them are in that state. */
static bool all_are(struct answer schedule, size_t n, const char *state)
{
	const struct json *v = states(schedule);

	if (v == NULL || v->kind != JSON_OBJECT || v->count != n)
		return false;
	for (v = v->child; v != NULL; v = v->next) {
		if (!str_starts(v->key, STR("msg_")) || !str_eq(v->text, str_c(state)))
			return false;
	}
	return true;
}

static const struct {
	const char *url, *state;
} ends[] = {
	{ "https://x.io/ok", "SUCCESS" },
	{ "https://x.io/status/500", "FAIL" },
	{ "https://x.io/hold", "IN_PROGRESS" },
};

TEST_EACH(it_tells_what_became_of_its_last_message, ends)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct str id = create(r, row->url, EVERY_10 "Upstash-Retries: 0\r\n", "tick");
	struct answer a = get(r, id), list;
	int64_t next_ms = answer_int(a, "nextScheduleTime");

	T_CHECK(states(a) == NULL);
	rig_advance(r, 10 * MINUTE_MS);
	until_triggered(r, id, next_ms);
	T_UNTIL(all_are(get(r, id), 1, row->state), 10);
	list = rig_do(r, "GET", "/v2/schedules");
	T_CHECK(str_has(list.body, STR("lastScheduleStates")) &&
		str_has(list.body, str_c(row->state)));
	/* Kept through a pause and an overwrite; of the last trigger only. */
	T_EQ_INT(rig_do(r, "PATCH",
			arena_fmt(rig_arena(r), "/v2/schedules/%.*s/pause", STR_FMT(id)).p)
			 .status,
		 200);
	create(r, "https://x.io/hold",
	       arena_fmt(rig_arena(r), EVERY_10 "Upstash-Schedule-Id: %.*s\r\n", STR_FMT(id)).p,
	       "");
	a = get(r, id);
	T_CHECK(all_are(a, 1, row->state));
	rig_stop(r);
}

TEST(a_cancelled_message_has_failed)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct str id = create(r, "https://x.io/ok", EVERY_10 "Upstash-Delay: 1h\r\n", "tick");
	int64_t next_ms = answer_int(get(r, id), "nextScheduleTime");

	rig_advance(r, 10 * MINUTE_MS);
	until_triggered(r, id, next_ms);
	T_CHECK(all_are(get(r, id), 1, "IN_PROGRESS"));
	T_EQ_STR(rig_do(r, "DELETE", "/v2/messages").body, "{\"cancelled\":1}");
	T_CHECK(all_are(get(r, id), 1, "FAIL"));
	rig_stop(r);
}

TEST(all_messages_of_a_group_have_a_state)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct str id = create(r, "g", EVERY_10 "Upstash-Retries: 0\r\n", "tick");
	int64_t next_ms = answer_int(get(r, id), "nextScheduleTime");
	struct answer a;

	rig_ask(r, "POST", "/v2/topics/g/endpoints", RIG_AUTH,
		STR("{\"endpoints\":[{\"url\":\"https://a.io/ok\"},"
		    "{\"url\":\"https://b.io/ok\"},{\"url\":\"https://c.io/ok\"}]}"));
	rig_advance(r, 10 * MINUTE_MS);
	until_triggered(r, id, next_ms);
	T_UNTIL(all_are(get(r, id), 3, "SUCCESS"), 10);
	/* A trigger that made nothing has nothing to tell. */
	T_EQ_INT(rig_do(r, "DELETE", "/v2/topics/g").status, 200);
	next_ms = answer_int(get(r, id), "nextScheduleTime");
	rig_advance(r, 10 * MINUTE_MS);
	until_triggered(r, id, next_ms);
	a = get(r, id);
	T_CHECK(answer_has(a, "error") && states(a) == NULL);
	rig_stop(r);
}

/* The log keeps entries for a time only; a message may wait longer. */
TEST(the_store_tells_what_the_log_does_not_know)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct str id = create(r, "https://x.io/ok", EVERY_10 "Upstash-Delay: 1h\r\n", "tick");
	int64_t next_ms = answer_int(get(r, id), "nextScheduleTime");

	rig_advance(r, 10 * MINUTE_MS);
	until_triggered(r, id, next_ms);
	rig_until_logged(r, "CREATED", 1);
	rig_forget_log(r);
	T_UNTIL(answer_count(rig_do(r, "GET", "/v2/events"), "events") == 0, 10);
	T_CHECK(all_are(get(r, id), 1, "IN_PROGRESS"));
	T_EQ_STR(rig_do(r, "DELETE", "/v2/messages").body, "{\"cancelled\":1}");
	T_UNTIL(all_are(get(r, id), 1, "FAIL"), 10);
	rig_stop(r);
}

/* ---- deduplication ---------------------------------------------------------------------------------- */

static struct answer create_once(struct rig *r, const char *dest, const char *fields,
				 const char *body)
{
	struct arena *m = rig_arena(r);

	return rig_ask(r, "POST", arena_fmt(m, "/v2/schedules/%s", dest).p,
		       arena_fmt(m, RIG_AUTH "%s", fields).p, str_c(body));
}

#define BY_ID EVERY_10 "Upstash-Deduplication-Id: once\r\n"
#define BY_CONTENT EVERY_10 "Upstash-Content-Based-Deduplication: true\r\n"

static const struct {
	const char *first, *first_body, *then, *then_body;
	bool same;
} creations[] = {
	{ BY_ID, "a", BY_ID, "b", true },
	{ BY_ID, "a", EVERY_10 "Upstash-Deduplication-Id: other\r\n", "a", false },
	{ BY_ID, "a", EVERY_10, "a", false },
	{ BY_CONTENT, "a", BY_CONTENT, "a", true },
	{ BY_CONTENT, "a", BY_CONTENT, "b", false },
	{ BY_CONTENT, "a",
	  "Upstash-Cron: 0 * * * *\r\nUpstash-Content-Based-Deduplication: true\r\n", "a", false },
	{ BY_ID "Upstash-Schedule-Id: x\r\n", "a", BY_ID "Upstash-Schedule-Id: x\r\n", "a", true },
	{ BY_ID "Upstash-Schedule-Id: x\r\n", "a", BY_ID "Upstash-Schedule-Id: y\r\n", "a", false },
};

TEST_EACH(a_second_creation_may_be_a_duplicate, creations)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a = create_once(r, "https://x.io", row->first, row->first_body);
	struct answer b = create_once(r, "https://x.io", row->then, row->then_body);

	T_EQ_INT(a.status, 200);
	T_CHECK(!answer_has(a, "deduplicated"));
	T_EQ_INT(b.status, row->same ? 202 : 200);
	T_CHECK(answer_has(b, "deduplicated") == row->same);
	T_CHECK(str_eq(answer_str(a, "scheduleId"), answer_str(b, "scheduleId")) == row->same);
	T_EQ_INT(answer_count(rig_do(r, "GET", "/v2/schedules"), NULL), row->same ? 1 : 2);
	/* Nothing of a duplicate is taken over. */
	T_EQ_STR(answer_str(get(r, answer_str(a, "scheduleId")), "body"), row->first_body);
	rig_stop(r);
}

TEST(a_duplicate_is_one_for_a_time_and_while_the_schedule_is_there)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct str id = answer_str(create_once(r, "https://x.io/hold", BY_ID, "a"), "scheduleId");
	struct answer a;

	rig_do(r, "DELETE", arena_fmt(rig_arena(r), "/v2/schedules/%.*s", STR_FMT(id)).p);
	a = create_once(r, "https://x.io/hold", BY_ID, "b");
	T_EQ_INT(a.status, 200);
	T_EQ_STR(answer_str(get(r, answer_str(a, "scheduleId")), "body"), "b");
	rig_advance(r, 10 * MINUTE_MS - 5000);
	T_EQ_INT(create_once(r, "https://x.io/hold", BY_ID, "c").status, 202);
	rig_advance(r, 5000);
	a = create_once(r, "https://x.io/hold", BY_ID, "d");
	T_EQ_INT(a.status, 200);
	T_EQ_INT(answer_count(rig_do(r, "GET", "/v2/schedules"), NULL), 2);
	rig_stop(r);
}
