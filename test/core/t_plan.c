#include "t.h"

#include <string.h>

#include "core/plan.h"

static const struct {
	const char *name;
	int64_t per_day, message_mib, topics, endpoints, delay_days, timeout_min, dlq_days,
		log_days;
	int64_t schedules, queues, queue_parallelism, parallelism;
} plans[] = {
	{ "free", 1000, 1, 1, 100, 7, 15, 3, 3, 10, 10, 2, 10 },
	{ "payg", 0, 10, 100, 100, 365, 120, 7, 7, 1000, 100, 10, 100 },
	{ "fixed1m", 1000000, 50, 1000, 1000, 0, 360, 30, 14, 10000, 1000, 10, 200 },
	{ "fixed10m", 10000000, 50, 2000, 2000, 0, 720, 90, 14, 50000, 1000, 10, 1000 },
};

TEST_EACH(the_price_list, plans)
{
	const struct plan *p = plan_find(str_c(row->name));

	T_CHECK(p);
	T_EQ_STR(p->name, row->name);
	T_EQ_INT(p->messages_per_day, row->per_day);
	T_EQ_INT(p->message_bytes_max, row->message_mib * 1024 * 1024);
	T_EQ_INT(p->topics_max, row->topics);
	T_EQ_INT(p->endpoints_max, row->endpoints);
	T_EQ_INT(p->delay_max_s, row->delay_days * 86400);
	T_EQ_INT(p->timeout_max_s, row->timeout_min * 60);
	T_EQ_INT(p->dlq_retention_s, row->dlq_days * 86400);
	T_EQ_INT(p->log_retention_s, row->log_days * 86400);
	T_EQ_INT(p->schedules_max, row->schedules);
	T_EQ_INT(p->queues_max, row->queues);
	T_EQ_INT(p->queue_parallelism_max, row->queue_parallelism);
	T_EQ_INT(p->parallelism_max, row->parallelism);
	T_EQ_INT(p->messages_per_day_hard, str_eq(p->name, STR("free")));
}

TEST(every_plan_is_usable)
{
	size_t n = 0;

	for (const struct plan *p; (p = plan_at(n)); n++) {
		T_CHECK(p->timeout_max_s > 0);
		T_EQ_INT(p->retries_max, 999);
		T_EQ_INT(p->burst_per_s, 100);
		T_CHECK(plan_find(p->name) == p);
	}
	T_EQ_INT(n, 5);
	T_CHECK(!plan_at(SIZE_MAX));
}

TEST(custom_means_no_limit)
{
	const struct plan *p = plan_find(STR("enterprise"));

	T_CHECK(p);
	T_EQ_INT(p->delay_max_s, 0);
	T_EQ_INT(p->queues_max, 0);
	T_EQ_INT(p->schedules_max, 0);
	T_EQ_INT(p->topics_max, 0);
	T_EQ_INT(p->parallelism_max, 0);
	T_EQ_INT(p->queue_parallelism_max, 0);
}

TEST(names_of_plans)
{
	T_CHECK(plan_find(STR("pro")) == plan_find(STR("fixed1m")));
	T_CHECK(!plan_find(STR("Free")));
	T_CHECK(!plan_find(STR("")));
	T_CHECK(!plan_find(STR("paid")));
}

/* ---- a file of plans -------------------------------------------------------------------------------- */

static bool parse(const char *text, struct plans *ret_plans, struct problem *p)
{
	static struct arena a; /* of the test's process */

	if (a.head == NULL)
		arena_init(&a);
	return plan_parse(&a, str_c(text), ret_plans, p);
}

static struct plans parsed(const char *text)
{
	struct plans set = { 0 };
	struct problem p = { 0 };

	if (!parse(text, &set, &p))
		T_FAIL("refused: %s", p.text);
	return set;
}

TEST(an_empty_file_leaves_the_built_in_plans)
{
	struct plans set = parsed("{\"plans\": {}}");

	T_EQ_INT(set.n, 5);
	for (size_t i = 0; i < set.n; i++)
		T_CHECK(memcmp(&set.v[i], plan_at(i), sizeof(set.v[i])) == 0);
	T_CHECK(plan_in(&set, STR("pro")) == plan_in(&set, STR("fixed1m")));
	T_CHECK(!plan_in(&set, STR("team")));
}

TEST(an_entry_changes_single_limits_of_a_built_in_plan)
{
	struct plans set = parsed("{\"plans\": {\"free\": {\"maxQueues\": 20, \"maxDelay\": null, "
				  "\"messagesPerDayHard\": false}}}");
	const struct plan *p = plan_in(&set, STR("free"));

	T_EQ_INT(set.n, 5);
	T_EQ_INT(p->queues_max, 20);
	T_EQ_INT(p->delay_max_s, 0);
	T_CHECK(!p->messages_per_day_hard);
	T_EQ_INT(p->messages_per_day, 1000);
	T_EQ_INT(p->schedules_max, 10);
	T_EQ_INT(plan_find(STR("free"))->queues_max, 10);
}

TEST(a_new_plan_starts_from_another)
{
	struct plans set = parsed(
		"{\"plans\": {\"mine\": {}, \"team\": {\"maxTopics\": 7, \"extends\": \"free\"},"
		"\"team.2\": {\"extends\": \"team\", \"maxRetries\": 5}}}");

	T_EQ_INT(set.n, 8);
	T_EQ_INT(plan_in(&set, STR("mine"))->topics_max, 100);
	T_EQ_STR(plan_in(&set, STR("mine"))->name, "mine");
	T_EQ_INT(plan_in(&set, STR("team"))->topics_max, 7);
	T_EQ_INT(plan_in(&set, STR("team"))->queues_max, 10);
	T_EQ_INT(plan_in(&set, STR("team.2"))->topics_max, 7);
	T_EQ_INT(plan_in(&set, STR("team.2"))->retries_max, 5);
}

TEST(a_plan_may_start_from_one_that_the_file_has_changed)
{
	struct plans set =
		parsed("{\"plans\": {\"payg\": {\"maxQueues\": 3}, \"a\": {}, "
		       "\"pro\": {\"maxQueues\": 4}, \"fixed1m\": {\"extends\": \"free\"}}}");

	T_EQ_INT(plan_in(&set, STR("a"))->queues_max, 3);
	T_EQ_INT(plan_in(&set, STR("pro"))->queues_max, 4);
	T_EQ_INT(plan_in(&set, STR("fixed1m"))->queues_max, 10);
}

static const struct {
	const char *text, *error;
} refused[] = {
	{ "", "it is not JSON: " },
	{ "[]", "it must be an object with one member, \"plans\", which is an object" },
	{ "{}", "it must be an object with one member" },
	{ "{\"plans\": []}", "it must be an object with one member" },
	{ "{\"plans\": {}, \"more\": 1}", "it must be an object with one member" },
	{ "{\"plans\": {\"a b\": {}}}", "plans: 'a b' is no name for a plan; letters, digits" },
	{ "{\"plans\": {\"\": {}}}", "plans: '' is no name for a plan" },
	{ "{\"plans\": {\"team\": 5}}", "plans.team: must be an object of limits" },
	{ "{\"plans\": {\"team\": {\"maxRetries\": -1}}}",
	  "plans.team.maxRetries: must be a whole number from 0 to 1000000 (0 or null: no limit)" },
	{ "{\"plans\": {\"team\": {\"maxRetries\": 1000001}}}",
	  "plans.team.maxRetries: must be a whole number from 0 to 1000000" },
	{ "{\"plans\": {\"team\": {\"maxRetries\": 1.5}}}",
	  "plans.team.maxRetries: must be a whole number" },
	{ "{\"plans\": {\"team\": {\"maxRetries\": \"5\"}}}",
	  "plans.team.maxRetries: must be a whole number" },
	{ "{\"plans\": {\"team\": {\"maxTimeout\": 0}}}",
	  "plans.team.maxTimeout: must be a whole number from 1 to 604800" },
	{ "{\"plans\": {\"team\": {\"maxMessageSize\": null}}}",
	  "plans.team.maxMessageSize: must be a whole number from 1 to 104857600" },
	{ "{\"plans\": {\"team\": {\"maxMessageSize\": 104857601}}}",
	  "plans.team.maxMessageSize: must be a whole number from 1 to 104857600" },
	{ "{\"plans\": {\"team\": {\"messagesPerDayHard\": 1}}}",
	  "plans.team.messagesPerDayHard: must be true or false" },
	{ "{\"plans\": {\"team\": {\"messagesPerDayHard\": true}}}",
	  "plans.team.messagesPerDayHard: needs messagesPerDay" },
	{ "{\"plans\": {\"team\": {\"maxretries\": 1}}}",
	  "plans.team.maxretries: is not known; allowed are extends, messagesPerDay, " },
	{ "{\"plans\": {\"team\": {\"extends\": \"later\"}, \"later\": {}}}",
	  "plans.team.extends: must be the name of a built-in plan or of one that stands before" },
	{ "{\"plans\": {\"team\": {\"extends\": \"team\"}}}",
	  "plans.team.extends: must be the name" },
	{ "{\"plans\": {\"team\": {\"extends\": null}}}", "plans.team.extends: must be the name" },
};

TEST_EACH(what_a_file_may_not_say, refused)
{
	struct problem p = { 0 };
	struct plans set = { 0 };

	T_CHECK(!parse(row->text, &set, &p));
	T_EQ_INT(p.status, 400);
	if (!str_starts(str_c(p.text), str_c(row->error)))
		T_FAIL("%s: %s", row->text, p.text);
	T_CHECK(set.v == NULL);
}

/* What is shown can be read again, and is then the same. */
TEST(shown_and_read_again)
{
	for (size_t i = 0; i < 5; i++) {
		struct plan p = *plan_at(i), back;
		struct json_out j;
		struct plans set;
		struct buf b;

		buf_init(&b, 4096);
		buf_add(&b, STR("{\"plans\":{\"x\":"));
		j = json_out(&b);
		json_open(&j, '{');
		plan_render(&j, &p);
		json_close(&j, '}');
		buf_add(&b, STR("}}"));
		buf_byte(&b, '\0');
		set = parsed(b.p);
		back = *plan_in(&set, STR("x"));
		back.name = p.name;
		T_CHECK(memcmp(&back, &p, sizeof(p)) == 0);
		buf_done(&b);
	}
}
