/* The log over HTTP: both names of the endpoint, filters, pages. */
#include "rig.h"
#include "t.h"

TEST(both_endpoints_show_a_delivery)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a;

	T_EQ_STR(rig_do(r, "GET", "/v2/events").body, "{\"events\":[]}");
	rig_publish(r, "https://x.io/ok", "Upstash-Label: l\r\n", "");
	rig_until_logged(r, "DELIVERED", 1);
	a = rig_do(r, "GET", "/v2/events?order=earliestFirst");
	T_EQ_INT(answer_count(a, "events"), 3);
	T_EQ_STR(json_get(answer_at(a, "events", 0), STR("state"))->text, "CREATED");
	T_EQ_STR(json_get(answer_at(a, "events", 1), STR("state"))->text, "ACTIVE");
	T_EQ_STR(json_get(answer_at(a, "events", 2), STR("state"))->text, "DELIVERED");
	T_CHECK(!answer_has(a, "cursor") && !answer_has(a, "logs"));
	a = rig_do(r, "GET", "/v2/logs/?label=l");
	T_EQ_INT(answer_count(a, "events"), 3);
	T_EQ_INT(answer_count(a, "logs"), 3);
	T_EQ_INT(answer_count(rig_do(r, "GET", "/v2/events?label=m"), "events"), 0);
	a = rig_ask(r, "GET", "/v2/events", "Authorization: Bearer " RIG_OTHER_TOKEN "\r\n",
		    STR_NULL);
	T_EQ_STR(a.body, "{\"events\":[]}");
	rig_stop(r);
}

/* Spec 11.3: four entries for one failing attempt without retries. */
TEST(a_failure_has_four_entries_on_pages)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct str target = STR("/v2/events?count=3");
	size_t seen = 0;

	rig_publish(r, "https://x.io/status/500", "Upstash-Retries: 0\r\n", "");
	rig_until_logged(r, "FAILED", 1);
	for (int page = 0; page < 2; page++) {
		struct answer a = rig_do(r, "GET", target.p);

		seen += answer_count(a, "events");
		T_CHECK(answer_has(a, "cursor") == (page == 0));
		target = arena_fmt(rig_arena(r), "/v2/events?count=3&cursor=%.*s",
				   STR_FMT(answer_str(a, "cursor")));
	}
	T_EQ_INT(seen, 4);
	rig_stop(r);
}

/* An answered request is in the log that the next one reads. */
TEST(the_log_is_never_behind_an_answer)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });

	for (size_t i = 1; i <= 20; i++) {
		rig_publish(r, "https://x.io/ok", "Upstash-Delay: 1h\r\n", "");
		T_EQ_INT(answer_count(rig_do(r, "GET", "/v2/events?state=CREATED"), "events"), i);
	}
	rig_stop(r);
}

static const struct {
	const char *query, *error;
} mistakes[] = {
	{ "?labeel=a", "labeel" },  { "?count=0", "count" },  { "?messageId=%4", "messageId" },
	{ "?state=GONE", "state" }, { "?order=up", "order" }, { "?fromDate=now", "fromDate" },
	{ "?cursor=%4", "" },
};

TEST_EACH(a_mistake_is_named, mistakes)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a = rig_do(r, "GET", arena_fmt(rig_arena(r), "/v2/logs%s", row->query).p);

	T_EQ_INT(a.status, 400);
	T_CHECK(str_has(answer_str(a, "error"), str_c(row->error)));
	rig_stop(r);
}
