/* What was used of a plan: the listing, the hard quota of a day, and the soft ones. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "rig.h"
#include "t.h"

#define READ_AUTH "Authorization: Bearer " RIG_READ_ONLY "\r\n"
#define OTHER_AUTH "Authorization: Bearer " RIG_OTHER_TOKEN "\r\n"
#define OVER "{\"error\":\"quota maxMessagesPerDay exceeded, current limit: 2\"}"

enum { DAY_S = 24 * 60 * 60 };

static struct plan hard(int64_t messages)
{
	struct plan plan = *plan_find(STR("payg"));

	plan.messages_per_day = messages;
	plan.messages_per_day_hard = true;
	return plan;
}

static struct answer publish(struct rig *r, const char *dest)
{
	return rig_ask(r, "POST", arena_fmt(rig_arena(r), "/v2/publish/%s", dest).p, RIG_AUTH,
		       STR("body"));
}

static int64_t today(struct rig *r, const char *name)
{
	struct answer a = rig_do(r, "GET", "/v2/usage?days=1");
	const struct json *day = json_get(a.json, STR("today"));
	int64_t n = -1;

	T_CHECK(day != NULL && json_get(day, str_c(name)) != NULL);
	T_CHECK(str_i64(json_get(day, str_c(name))->text, &n));
	return n;
}

static bool has_field(struct answer a, const char *name)
{
	return str_has(a.head, str_c(name));
}

static int64_t field(struct answer a, const char *name)
{
	struct str rest = a.head, line;
	int64_t n = -1;

	while (rest.n > 0) {
		line = str_cut(&rest, '\r');
		rest = str_starts(rest, STR("\n")) ? str_from(rest, 1) : rest;
		if (!str_starts(line, str_c(name)))
			continue;
		T_CHECK(str_i64(str_trim(str_from(line, strlen(name) + 1)), &n));
		return n;
	}
	T_FAIL("no %s in %.*s", name, STR_FMT(a.head));
}

/* As the clients tell a daily limit from others. */
static void is_over_the_day(struct answer a, int64_t limit)
{
	T_EQ_INT(a.status, 429);
	T_EQ_INT(field(a, "RateLimit-Limit"), limit);
	T_EQ_INT(field(a, "RateLimit-Remaining"), 0);
	T_EQ_INT(field(a, "RateLimit-Reset") % DAY_S, 0);
	T_CHECK(field(a, "RateLimit-Reset") > t_now_ms() / 1000 - DAY_S);
	T_CHECK(!has_field(a, "Burst-"));
}

/* ---- the hard quota -------------------------------------------------------------------------- */

TEST(beyond_the_hard_quota_a_publish_is_refused_with_the_daily_headers)
{
	struct plan plan = hard(2);
	struct rig *r = rig_start((struct rig_settings){ .plan = &plan });
	struct answer a;

	for (int i = 0; i < 2; i++) {
		a = publish(r, "https://x.io/hold");
		T_EQ_INT(a.status, 200);
		T_CHECK(!has_field(a, "RateLimit-") && !has_field(a, "Upstash-Quota-Warning"));
	}
	a = publish(r, "https://x.io/hold");
	is_over_the_day(a, 2);
	T_EQ_STR(a.body, OVER);
	is_over_the_day(
		rig_ask(r, "POST", "/v2/enqueue/q/https://x.io/hold", RIG_AUTH, STR("body")), 2);
	T_EQ_INT(today(r, "messages"), 2);
	T_EQ_INT(rig_ask(r, "POST", "/v2/publish/https://x.io/hold", OTHER_AUTH, STR("")).status,
		 200);
	/* At midnight, UTC. */
	rig_advance(r, DAY_S * (int64_t)1000);
	T_EQ_INT(publish(r, "https://x.io/hold").status, 200);
	rig_stop(r);
}

TEST(in_a_batch_each_item_has_its_own_error)
{
	static const char items[] = "[{\"destination\":\"https://x.io/hold\"},"
				    "{\"destination\":\"https://x.io/hold\"},"
				    "{\"destination\":\"https://x.io/hold\"}]";
	struct plan plan = hard(2);
	struct rig *r = rig_start((struct rig_settings){ .plan = &plan });
	struct answer a = rig_ask(r, "POST", "/v2/batch", RIG_AUTH, str_c(items));

	T_EQ_INT(a.status, 200);
	T_CHECK(!has_field(a, "RateLimit-"));
	T_CHECK(json_get(answer_at(a, NULL, 0), STR("messageId")) != NULL);
	T_CHECK(json_get(answer_at(a, NULL, 1), STR("messageId")) != NULL);
	T_CHECK(str_has(a.body, STR("," OVER "]")));
	is_over_the_day(rig_ask(r, "POST", "/v2/batch", RIG_AUTH, str_c(items)), 2);
	/* One item that is refused for something else: the batch tells of each. */
	a = rig_ask(r, "POST", "/v2/batch", RIG_AUTH,
		    STR("[{\"destination\":\"https://x.io\"},{\"destination\":\"none\"}]"));
	T_EQ_INT(a.status, 200);
	T_CHECK(str_starts(a.body, STR("[" OVER ",")));
	rig_stop(r);
}

TEST(in_a_group_each_message_has_its_own_error)
{
	struct plan plan = hard(2);
	struct rig *r = rig_start((struct rig_settings){ .plan = &plan });
	struct answer a;

	a = rig_ask(r, "POST", "/v2/topics/g/endpoints", RIG_AUTH,
		    STR("{\"endpoints\":[{\"url\":\"https://x.io/hold\"},"
			"{\"url\":\"https://y.io/hold\"},{\"url\":\"https://z.io/hold\"}]}"));
	T_EQ_INT(a.status, 200);
	a = publish(r, "g");
	T_EQ_INT(a.status, 200);
	T_EQ_INT(answer_count(a, NULL), 3);
	T_CHECK(str_has(a.body, STR("," OVER "]")));
	is_over_the_day(publish(r, "g"), 2);
	rig_stop(r);
}

static struct str dead_id(struct rig *r, size_t n, size_t at)
{
	return json_get(answer_at(rig_until_dead(r, n), "messages", at), STR("dlqId"))->text;
}

TEST(a_retry_of_a_dead_letter_obeys_the_quota_and_leaves_the_entry)
{
	struct plan plan = hard(3);
	struct rig *r = rig_start((struct rig_settings){ .plan = &plan });
	struct answer a;

	for (int i = 0; i < 2; i++)
		rig_publish(r, "https://x.io/status/503", "Upstash-Retries: 0\r\n", "");
	rig_until_dead(r, 2);
	/* Room for one of the two. */
	a = rig_ask(r, "POST", "/v2/dlq/retry", RIG_AUTH "Upstash-Delay: 1h\r\n", STR_NULL);
	T_EQ_INT(a.status, 201);
	T_EQ_INT(answer_count(a, "responses"), 1);
	T_CHECK(answer_has(a, "cursor"));
	is_over_the_day(rig_do(r, "POST", "/v2/dlq/retry"), 3);
	is_over_the_day(
		rig_do(r, "POST",
		       arena_fmt(rig_arena(r), "/v2/dlq/retry/%.*s", STR_FMT(dead_id(r, 1, 0))).p),
		3);
	T_EQ_INT(answer_count(rig_do(r, "GET", "/v2/dlq"), "messages"), 1);
	T_EQ_INT(today(r, "messages"), 3);
	rig_stop(r);
}

TEST(a_trigger_beyond_the_quota_makes_no_message_and_says_so)
{
	struct plan plan = hard(1);
	struct rig *r = rig_start((struct rig_settings){ .plan = &plan });
	struct answer a;

	a = rig_ask(r, "POST", "/v2/schedules/https://x.io/hold",
		    RIG_AUTH "Upstash-Cron: */1 * * * *\r\nUpstash-Schedule-Id: s\r\n", STR(""));
	T_EQ_INT(a.status, 200);
	rig_advance(r, 60 * 1000);
	T_UNTIL(answer_has(rig_do(r, "GET", "/v2/schedules/s"), "lastScheduleTime"), 10);
	T_CHECK(!answer_has(rig_do(r, "GET", "/v2/schedules/s"), "error"));
	rig_advance(r, 60 * 1000);
	T_UNTIL(answer_has(rig_do(r, "GET", "/v2/schedules/s"), "error"), 10);
	a = rig_do(r, "GET", "/v2/schedules/s");
	T_EQ_STR(answer_str(a, "error"), "quota maxMessagesPerDay exceeded, current limit: 1");
	T_EQ_STR(rig_do(r, "DELETE", "/v2/messages").body, "{\"cancelled\":1}");
	rig_stop(r);
}

TEST(retries_and_callbacks_are_never_refused)
{
	struct plan plan = hard(1);
	struct rig *r = rig_start((struct rig_settings){ .plan = &plan });

	rig_publish(r, "https://x.io/status/503",
		    "Upstash-Retries: 2\r\nUpstash-Retry-Delay: 0\r\n"
		    "Upstash-Failure-Callback: https://cb.io/x\r\n",
		    "");
	rig_until_dead(r, 1);
	/* The message, two retries, and the callback. */
	T_UNTIL(today(r, "delivered") == 1, 10);
	T_EQ_INT(today(r, "messages"), 4);
	T_EQ_INT(today(r, "retried"), 2);
	T_EQ_INT(today(r, "failed"), 1);
	T_EQ_INT(today(r, "errors"), 3);
	is_over_the_day(publish(r, "https://x.io/hold"), 1);
	rig_stop(r);
}

/* ---- soft quotas ----------------------------------------------------------------------------- */

TEST(beyond_a_soft_quota_of_messages_the_answer_warns)
{
	struct plan plan = hard(2);
	struct rig *r;
	struct answer a;

	plan.messages_per_day_hard = false;
	r = rig_start((struct rig_settings){ .plan = &plan });
	for (int i = 0; i < 2; i++)
		T_CHECK(!has_field(publish(r, "https://x.io/hold"), "Upstash-Quota-Warning"));
	a = publish(r, "https://x.io/hold");
	T_EQ_INT(a.status, 200);
	T_CHECK(has_field(a, "Upstash-Quota-Warning: messagesPerDay; used=3; limit=2\r\n"));
	T_CHECK(!has_field(a, "RateLimit-"));
	a = rig_ask(r, "POST", "/v2/enqueue/q/https://x.io/hold", RIG_AUTH, STR(""));
	T_CHECK(has_field(a, "Upstash-Quota-Warning: messagesPerDay; used=4; limit=2\r\n"));
	a = rig_ask(r, "POST", "/v2/batch", RIG_AUTH,
		    STR("[{\"destination\":\"https://x.io/hold\"},"
			"{\"destination\":\"https://x.io/hold\"}]"));
	T_EQ_INT(a.status, 200);
	T_CHECK(has_field(a, "Upstash-Quota-Warning: messagesPerDay; used=6; limit=2\r\n"));
	rig_advance(r, DAY_S * (int64_t)1000);
	T_CHECK(!has_field(publish(r, "https://x.io/hold"), "Upstash-Quota-Warning"));
	rig_stop(r);
}

TEST(beyond_the_bandwidth_of_a_month_the_answer_warns)
{
	struct plan plan = hard(1);
	struct rig *r;
	struct answer a;

	plan.messages_per_day_hard = false;
	plan.bandwidth_per_month_bytes = 2 * RIG_HEAD_BYTES;
	r = rig_start((struct rig_settings){ .plan = &plan });
	for (int i = 1; i <= 2; i++) {
		a = publish(r, "https://x.io/");
		T_CHECK(!has_field(a, "bandwidthPerMonth"));
		T_UNTIL(today(r, "delivered") == i, 10);
	}
	T_EQ_INT(today(r, "bytes"), 2 * RIG_HEAD_BYTES + 2 * 4);
	a = publish(r, "https://x.io/");
	T_EQ_INT(a.status, 200);
	T_CHECK(has_field(a, "Upstash-Quota-Warning: messagesPerDay; used=3; limit=1, "
			     "bandwidthPerMonth; used=208; limit=200\r\n"));
	rig_stop(r);
}

/* How often the log says so. */
static int told(FILE *log, const char *text)
{
	char line[1000];
	int n = 0;

	rewind(log);
	while (fgets(line, sizeof(line), log) != NULL)
		n += strstr(line, text) != NULL;
	return n;
}

TEST(a_soft_quota_is_told_once_a_day_in_the_log)
{
	static const char over[] = "is over the soft quota messagesPerDay: used 2, limit 1\n";
	struct plan plan = hard(1);
	FILE *log = tmpfile();
	struct rig *r;

	plan.messages_per_day_hard = false;
	r = rig_start((struct rig_settings){ .plan = &plan });
	T_CHECK(log != NULL && dup2(fileno(log), STDERR_FILENO) == STDERR_FILENO);
	log_setup(LOG_WARN);
	publish(r, "https://x.io/hold");
	T_EQ_INT(told(log, "soft quota"), 0);
	for (int i = 0; i < 3; i++)
		publish(r, "https://x.io/hold");
	T_EQ_INT(told(log, over), 1);
	T_EQ_INT(told(log, "soft quota"), 1);
	rig_advance(r, DAY_S * (int64_t)1000);
	for (int i = 0; i < 3; i++)
		publish(r, "https://x.io/hold");
	T_EQ_INT(told(log, over), 2);
	T_EQ_INT(told(log, "soft quota"), 2);
	log_setup(LOG_OFF);
	rig_stop(r);
	fclose(log);
}

/* ---- the listing ----------------------------------------------------------------------------- */

TEST(usage_is_listed_by_day_with_the_plan_and_its_limits)
{
	struct plan plan = hard(1000);
	struct rig *r;
	struct answer a;
	const struct json *limits;

	plan.bandwidth_per_month_bytes = 0;
	r = rig_start((struct rig_settings){ .plan = &plan });
	T_EQ_INT(publish(r, "https://x.io/").status, 200);
	T_UNTIL(today(r, "delivered") == 1, 10);
	rig_advance(r, DAY_S * (int64_t)1000);
	T_EQ_INT(publish(r, "https://x.io/hold").status, 200);
	rig_do(r, "DELETE", "/v2/messages");
	a = rig_ask(r, "GET", "/v2/usage?days=3", READ_AUTH, STR_NULL);
	T_EQ_INT(a.status, 200);
	T_EQ_STR(answer_str(a, "plan"), "payg");
	limits = json_get(a.json, STR("limits"));
	T_EQ_STR(json_get(limits, STR("messagesPerDay"))->text, "1000");
	T_CHECK(json_get(limits, STR("messagesPerDayHard"))->boolean);
	T_CHECK(json_get(limits, STR("bandwidthPerMonth"))->kind == JSON_NULL);
	T_EQ_STR(json_get(limits, STR("maxQueues"))->text, "100");
	T_EQ_INT(answer_count(a, "days"), 3);
	T_EQ_STR(json_get(answer_at(a, "days", 0), STR("messages"))->text, "0");
	T_EQ_STR(json_get(answer_at(a, "days", 1), STR("messages"))->text, "1");
	T_EQ_STR(json_get(answer_at(a, "days", 1), STR("bytes"))->text, "104");
	T_EQ_STR(json_get(answer_at(a, "days", 1), STR("delivered"))->text, "1");
	T_EQ_STR(json_get(answer_at(a, "days", 2), STR("messages"))->text, "1");
	T_EQ_STR(json_get(answer_at(a, "days", 2), STR("bytes"))->text, "0");
	T_EQ_STR(json_get(answer_at(a, "days", 2), STR("day"))->text,
		 json_get(json_get(a.json, STR("today")), STR("day"))->text);
	T_CHECK(json_get(json_get(a.json, STR("month")), STR("bandwidth")) != NULL);
	T_EQ_INT(answer_count(rig_do(r, "GET", "/v2/usage"), "days"), 30);
	T_EQ_INT(answer_count(rig_do(r, "GET", "/v2/usage?days=400"), "days"), 400);
	/* Of others nothing is seen. */
	a = rig_ask(r, "GET", "/v2/usage?days=2", OTHER_AUTH, STR_NULL);
	T_EQ_STR(json_get(answer_at(a, "days", 1), STR("messages"))->text, "0");
	rig_stop(r);
}

static const char *const bad_days[] = { "0", "-1", "401", "x", "1.5", "99999999999999999999" };

TEST_EACH(days_that_cannot_be_listed_are_refused, bad_days)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a = rig_do(r, "GET", arena_fmt(rig_arena(r), "/v2/usage?days=%s", *row).p);

	T_EQ_INT(a.status, 400);
	T_EQ_STR(answer_str(a, "error"), "days: must be a whole number from 1 to 400");
	T_EQ_INT(rig_ask(r, "GET", "/v2/usage", "", STR_NULL).status, 401);
	rig_stop(r);
}

TEST(dead_letters_go_when_the_plan_keeps_them_no_longer)
{
	struct plan plan = hard(10);
	struct rig *r;

	plan.dlq_retention_s = 3600;
	plan.burst_per_s = 0;
	r = rig_start((struct rig_settings){ .plan = &plan });
	rig_publish(r, "https://x.io/status/503", "Upstash-Retries: 0\r\n", "");
	rig_until_dead(r, 1);
	rig_advance(r, 3590 * 1000);
	rig_until_dead(r, 1);
	rig_advance(r, 20 * 1000);
	T_UNTIL(answer_count(rig_do(r, "GET", "/v2/dlq"), "messages") == 0, 20);
	rig_stop(r);
}
