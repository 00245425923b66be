/* The dead letter queue. */
#include "rig.h"
#include "t.h"

static struct answer ask(struct rig *r, const char *method, const char *target, const char *body)
{
	return rig_ask(r, method, target, RIG_AUTH "Content-Type: application/json\r\n",
		       str_c(body));
}

static void kill_some(struct rig *r, int n)
{
	for (int i = 0; i < n; i++)
		rig_publish(r, "https://x.io/status/404",
			    i & 1 ? "Upstash-Retries: 0\r\nUpstash-Label: odd\r\nContent-Type: "
				    "text/plain\r\n"
				  : "Upstash-Retries: 0\r\nUpstash-Label: even\r\n",
			    "the body");
	rig_until_dead(r, (size_t)n);
}

static struct str member(const struct json *v, const char *key)
{
	const struct json *m = json_get(v, str_c(key));

	return m != NULL ? m->text : STR_NULL;
}

TEST(an_empty_list_has_messages_and_no_cursor)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });

	T_EQ_STR(rig_do(r, "GET", "/v2/dlq").body, "{\"messages\":[]}");
	T_EQ_STR(rig_do(r, "GET", "/v2/dlq/?dlqIds=1-1").body, "{\"messages\":[]}");
	T_EQ_STR(rig_do(r, "GET", "/v2/dlq?dlqIds=nonsense").body, "{\"messages\":[]}");
	T_EQ_STR(rig_do(r, "DELETE", "/v2/dlq").body, "{\"deleted\":0}");
	T_EQ_STR(rig_do(r, "POST", "/v2/dlq/retry").body, "{\"responses\":[]}");
	rig_stop(r);
}

TEST(a_dead_letter_shows_its_message_and_the_answer)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer list, one;
	const struct json *v;

	rig_publish(r, "https://x.io/status/404", "Upstash-Retries: 0\r\nUpstash-Method: PUT\r\n",
		    "b");
	list = rig_until_dead(r, 1);
	v = answer_at(list, "messages", 0);
	T_EQ_STR(member(v, "url"), "https://x.io/status/404");
	T_EQ_STR(member(v, "body"), "b");
	T_EQ_STR(member(v, "responseStatus"), "404");
	T_EQ_STR(member(v, "responseBody"), "404 PUT");
	T_EQ_STR(member(v, "maxRetries"), "0");
	T_CHECK(!answer_has(list, "cursor"));
	one = rig_do(r, "GET",
		     arena_fmt(rig_arena(r), "/v2/dlq/%.*s", STR_FMT(member(v, "dlqId"))).p);
	T_EQ_INT(one.status, 200);
	T_EQ_STR(arena_fmt(rig_arena(r), "{\"messages\":[%.*s]}", STR_FMT(one.body)), list.body);
	one = rig_ask(r, "GET", "/v2/dlq", "Authorization: Bearer " RIG_OTHER_TOKEN "\r\n",
		      STR_NULL);
	T_EQ_STR(one.body, "{\"messages\":[]}");
	rig_stop(r);
}

static const char *const strangers[] = { "1-1", "0-0", "nonsense", "1-", "-1-1", "%00" };

TEST_EACH(unknown_entries_are_not_found, strangers)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct arena *m = rig_arena(r);

	T_EQ_INT(rig_do(r, "GET", arena_fmt(m, "/v2/dlq/%s", *row).p).status, 404);
	T_EQ_INT(rig_do(r, "DELETE", arena_fmt(m, "/v2/dlq/%s", *row).p).status, 404);
	T_EQ_INT(rig_do(r, "POST", arena_fmt(m, "/v2/dlq/retry/%s", *row).p).status, 404);
	T_EQ_INT(rig_do(r, "POST", arena_fmt(m, "/v2/dlq/retry?dlqIds=%s", *row).p).status, 404);
	T_EQ_STR(rig_do(r, "DELETE", arena_fmt(m, "/v2/dlq?dlqIds=%s", *row).p).body,
		 "{\"deleted\":0}");
	rig_stop(r);
}

TEST(pages_hold_each_entry_once)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	const char *orders[] = { "earliestFirst", "latestFirst" };

	kill_some(r, 5);
	for (size_t k = 0; k < 2; k++) {
		struct str target = arena_fmt(rig_arena(r), "/v2/dlq?count=2&order=%s", orders[k]);
		struct str last = STR_NULL;
		int seen = 0;

		for (int page = 0; page < 3; page++) {
			struct answer a = rig_do(r, "GET", target.p);

			for (size_t i = 0; i < answer_count(a, "messages"); i++, seen++) {
				struct str id = member(answer_at(a, "messages", i), "messageId");

				T_CHECK(seen == 0 || (str_cmp(id, last) > 0) == (k == 0));
				last = id;
			}
			T_CHECK(answer_has(a, "cursor") == (page < 2));
			target = arena_fmt(rig_arena(r), "/v2/dlq?count=2&order=%s&cursor=%.*s",
					   orders[k], STR_FMT(answer_str(a, "cursor")));
		}
		T_EQ_INT(seen, 5);
	}
	rig_stop(r);
}

TEST(one_entry_is_deleted_once)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct str id, target;

	kill_some(r, 2);
	id = member(answer_at(rig_do(r, "GET", "/v2/dlq"), "messages", 0), "dlqId");
	target = arena_fmt(rig_arena(r), "/v2/dlq/%.*s", STR_FMT(id));
	T_EQ_INT(rig_do(r, "DELETE", target.p).status, 200);
	T_EQ_INT(rig_do(r, "DELETE", target.p).status, 404);
	T_EQ_INT(answer_count(rig_do(r, "GET", "/v2/dlq"), "messages"), 1);
	rig_stop(r);
}

/* Five entries, two of them labelled odd. */
static const struct {
	const char *query, *body;
	int want;
	bool more;
} deletions[] = {
	{ "", "", 5, false },
	{ "", "{}", 5, false },
	{ "?count=100", "", 5, false },
	{ "?label=odd", "", 2, false },
	{ "?label=odd&count=1", "", 1, true },
	{ "?label=odd,even", "", 5, false },
	{ "?label=none", "", 0, false },
	{ "?count=1", "", 1, true },
	{ "?count=5", "", 5, false },
	{ "?responseStatus=404", "", 5, false },
	{ "?responseStatus=999", "", 0, false },
	{ "?url=https://x.io/status/404&label=even", "", 3, false },
	{ "", "{\"label\":\"odd\"}", 2, false },
	{ "?toDate=1", "", 0, false },
};

TEST_EACH(a_bulk_delete_selects, deletions)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a;

	kill_some(r, 5);
	a = ask(r, "DELETE", arena_fmt(rig_arena(r), "/v2/dlq%s", row->query).p, row->body);
	T_EQ_INT(a.status, 200);
	T_EQ_INT(answer_int(a, "deleted"), row->want);
	T_CHECK(answer_has(a, "cursor") == row->more);
	T_CHECK(a.json->count == (row->more ? 2 : 1));
	T_EQ_INT(answer_count(rig_do(r, "GET", "/v2/dlq"), "messages"), 5 - row->want);
	rig_stop(r);
}

TEST(ids_in_a_body_are_deleted)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer list;
	struct str body;

	kill_some(r, 3);
	list = rig_do(r, "GET", "/v2/dlq");
	body = arena_fmt(rig_arena(r), "{\"dlqIds\":[\"%.*s\",\"%.*s\",\"1-1\",\"no\"]}",
			 STR_FMT(member(answer_at(list, "messages", 0), "dlqId")),
			 STR_FMT(member(answer_at(list, "messages", 2), "dlqId")));
	/* Ids are exactly these entries: no other selector counts. */
	T_EQ_STR(ask(r, "DELETE", "/v2/dlq?count=1&label=none&responseStatus=1&toDate=1", body.p)
			 .body,
		 "{\"deleted\":2}");
	T_EQ_STR(ask(r, "DELETE", "/v2/dlq", body.p).body, "{\"deleted\":0}");
	rig_until_dead(r, 1);
	list = rig_do(r, "GET", "/v2/dlq");
	T_EQ_INT(answer_count(
			 rig_do(r, "GET",
				arena_fmt(rig_arena(r), "/v2/dlq?messageId=x&dlqIds=%.*s",
					  STR_FMT(member(answer_at(list, "messages", 0), "dlqId")))
					.p),
			 "messages"),
		 1);
	rig_stop(r);
}

static const struct {
	const char *query, *body, *error;
} mistakes[] = {
	{ "?labeel=odd&count=100", "", "labeel" },
	{ "?host=x.io", "", "host" },
	{ "?path=/x", "", "path" },
	{ "?count=0", "", "count" },
	{ "?cursor=nonsense", "", "cursor" },
	{ "?order=sideways", "", "order" },
	{ "?responseStatus=x", "", "responseStatus" },
	{ "", "{\"dlqIds\":{}}", "dlqIds" },
	{ "", "nonsense", "" },
};

TEST_EACH(a_mistake_touches_nothing, mistakes)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct arena *m = rig_arena(r);
	struct answer a;

	kill_some(r, 1);
	a = ask(r, "DELETE", arena_fmt(m, "/v2/dlq%s", row->query).p, row->body);
	T_EQ_INT(a.status, 400);
	T_CHECK(str_has(answer_str(a, "error"), str_c(row->error)));
	a = ask(r, "POST", arena_fmt(m, "/v2/dlq/retry%s", row->query).p, row->body);
	T_EQ_INT(a.status, 400);
	rig_until_dead(r, 1);
	rig_stop(r);
}

TEST(a_retry_makes_a_new_message_and_takes_the_entry)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct arena *m = rig_arena(r);
	struct str old, id;
	struct answer a;

	old = rig_publish(r, "https://x.io/status/404",
			  "Upstash-Retries: 0\r\nContent-Type: text/x\r\n"
			  "Upstash-Forward-A: b\r\n",
			  "the body");
	a = rig_until_dead(r, 1);
	id = member(answer_at(a, "messages", 0), "dlqId");
	a = rig_ask(r, "POST", arena_fmt(m, "/v2/dlq/retry/%.*s", STR_FMT(id)).p,
		    RIG_AUTH
		    "Upstash-Delay: 1h\r\nUpstash-Retries: 1\r\nContent-Type: application/json\r\n",
		    STR_NULL);
	T_EQ_INT(a.status, 201);
	id = answer_str(a, "messageId");
	T_CHECK(str_starts(id, STR("msg_")) && !str_eq(id, old));
	T_EQ_STR(rig_do(r, "GET", "/v2/dlq").body, "{\"messages\":[]}");
	a = rig_do(r, "GET", arena_fmt(m, "/v2/messages/%.*s", STR_FMT(id)).p);
	T_EQ_STR(answer_str(a, "body"), "the body");
	T_EQ_INT(answer_int(a, "maxRetries"), 1);
	T_CHECK(str_has(a.body, STR("\"Content-Type\":[\"text/x\"]")));
	T_CHECK(str_has(a.body, STR("\"A\":[\"b\"]")));
	T_CHECK(answer_int(a, "notBefore") > answer_int(a, "createdAt"));
	rig_stop(r);
}

TEST(many_are_retried)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a;

	kill_some(r, 5);
	a = rig_ask(r, "POST", "/v2/dlq/retry?label=odd&upstash-delay=1h", RIG_AUTH, STR_NULL);
	T_EQ_INT(a.status, 201);
	T_EQ_INT(answer_count(a, "responses"), 2);
	T_CHECK(member(answer_at(a, "responses", 1), "messageId").n > 0);
	T_CHECK(!answer_has(a, "cursor"));
	a = rig_ask(r, "POST", "/v2/dlq/retry?count=2", RIG_AUTH "Upstash-Delay: 1h\r\n", STR_NULL);
	T_EQ_INT(answer_count(a, "responses"), 2);
	T_CHECK(answer_has(a, "cursor"));
	rig_until_dead(r, 1);
	T_EQ_STR(rig_do(r, "DELETE", "/v2/messages").body, "{\"cancelled\":4}");
	rig_stop(r);
}

TEST(a_bad_override_retries_nothing)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a;

	kill_some(r, 2);
	a = rig_ask(r, "POST", "/v2/dlq/retry", RIG_AUTH "Upstash-Retries: some\r\n", STR_NULL);
	T_EQ_INT(a.status, 400);
	T_CHECK(str_has(answer_str(a, "error"), STR("Upstash-Retries")));
	rig_until_dead(r, 2);
	rig_stop(r);
}
