/* Bulk actions over HTTP. */
#include "rig.h"
#include "t.h"

/* Delayed messages with a label, by batches. */
static void publish(struct rig *r, int n, const char *label)
{
	while (n > 0) {
		struct buf b;
		int some = n < 500 ? n : 500;

		buf_init(&b, 1 << 20);
		buf_byte(&b, '[');
		for (int i = 0; i < some; i++)
			buf_fmt(&b,
				"%s{\"destination\":\"https://x.io/p\",\"headers\":{"
				"\"Upstash-Delay\":\"1h\",\"Upstash-Label\":\"%s\"}}",
				i ? "," : "", label);
		buf_byte(&b, ']');
		T_EQ_INT(rig_ask(r, "POST", "/v2/batch", RIG_AUTH, buf_str(&b)).status, 200);
		buf_done(&b);
		n -= some;
	}
}

static struct answer cancel(struct rig *r, const char *query)
{
	return rig_do(r, "DELETE", arena_fmt(rig_arena(r), "/v2/messages%s", query).p);
}

static struct answer action(struct rig *r, struct str id)
{
	return rig_do(r, "GET", arena_fmt(rig_arena(r), "/v2/bulkActions/%.*s", STR_FMT(id)).p);
}

static struct str start(struct rig *r, const char *query)
{
	struct answer a = cancel(r, query);

	T_EQ_INT(a.status, 200);
	T_EQ_INT(a.json->count, 1);
	return answer_str(a, "actionId");
}

static struct answer until_finished(struct rig *r, struct str id)
{
	struct answer a;

	T_UNTIL((a = action(r, id), str_eq(answer_str(a, "state"), STR("FINISHED"))), 20);
	return a;
}

static struct answer list(struct rig *r, const char *query)
{
	return rig_do(r, "GET", arena_fmt(rig_arena(r), "/v2/bulkActions%s", query).p);
}

TEST(an_asynchronous_cancel_can_be_followed)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	const struct json *filter, *label;
	struct str id;
	struct answer a;

	publish(r, 300, "a");
	publish(r, 50, "b");
	id = start(r, "?label=a&label=c&fromDate=5&async=true");
	a = until_finished(r, id);
	T_EQ_INT(a.status, 200);
	T_EQ_INT(a.json->count, 8);
	T_EQ_STR(answer_str(a, "actionId"), id);
	T_EQ_STR(answer_str(a, "kind"), "cancel");
	T_EQ_INT(answer_int(a, "total"), 300);
	T_EQ_INT(answer_int(a, "processed"), 300);
	T_CHECK(answer_int(a, "completedAt") >= answer_int(a, "createdAt"));
	filter = json_get(a.json, STR("filter"));
	T_EQ_INT(filter->count, 2);
	label = json_get(filter, STR("label"));
	T_EQ_INT(label->count, 2);
	T_EQ_STR(label->child->text, "a");
	T_EQ_STR(label->child->next->text, "c");
	T_EQ_STR(json_get(filter, STR("fromDate"))->child->text, "5");
	T_EQ_INT(answer_int(cancel(r, ""), "cancelled"), 50);
	rig_stop(r);
}

/* In a body, too, and with a count. */
TEST(a_body_may_ask_for_an_action)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a;

	publish(r, 250, "a");
	a = rig_ask(r, "DELETE", "/v2/messages", RIG_AUTH,
		    STR("{\"async\":true,\"queueName\":[],\"count\":220}"));
	T_EQ_INT(a.status, 200);
	a = until_finished(r, answer_str(a, "actionId"));
	T_EQ_INT(answer_int(a, "total"), 220);
	T_EQ_INT(answer_int(a, "processed"), 220);
	T_EQ_INT(json_get(a.json, STR("filter"))->count, 0);
	T_EQ_INT(answer_int(cancel(r, "?count=1"), "cancelled"), 1);
	T_EQ_INT(answer_int(cancel(r, ""), "cancelled"), 29);
	rig_stop(r);
}

TEST(a_large_cancel_is_counted_exactly)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a;

	publish(r, 1234, "a");
	a = cancel(r, "?count=345");
	T_EQ_STR(a.body, "{\"cancelled\":345}");
	T_EQ_STR(cancel(r, "").body, "{\"cancelled\":889}");
	T_EQ_STR(cancel(r, "").body, "{\"cancelled\":0}");
	/* The two that took more than a page. */
	T_EQ_INT(answer_count(list(r, ""), "bulkActions"), 2);
	rig_until_logged(r, "CANCELED", 1000);
	rig_stop(r);
}

TEST(actions_are_listed_in_pages)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct str id[5], cursor;
	struct answer a;

	T_EQ_STR(list(r, "").body, "{\"bulkActions\":[]}");
	for (int i = 0; i < 5; i++)
		until_finished(r, id[i] = start(r, "?async=true"));
	a = list(r, "?count=2");
	T_EQ_INT(answer_count(a, "bulkActions"), 2);
	T_EQ_STR(json_get(answer_at(a, "bulkActions", 1), STR("actionId"))->text, id[1]);
	cursor = answer_str(a, "cursor");
	a = list(r, arena_fmt(rig_arena(r), "?count=3&cursor=%.*s", STR_FMT(cursor)).p);
	T_EQ_INT(answer_count(a, "bulkActions"), 3);
	T_EQ_STR(json_get(answer_at(a, "bulkActions", 0), STR("actionId"))->text, id[2]);
	T_CHECK(!answer_has(a, "cursor"));
	/* The state is looked at page by page, so a page may be empty and not the last. */
	a = list(r, "?count=2&state=IN_PROGRESS");
	T_EQ_INT(answer_count(a, "bulkActions"), 0);
	T_CHECK(answer_has(a, "cursor"));
	T_EQ_INT(answer_count(list(r, "?state=FINISHED&count=5000"), "bulkActions"), 5);
	rig_stop(r);
}

TEST(actions_are_their_users_own)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	const char *other = "Authorization: Bearer " RIG_OTHER_TOKEN "\r\n";
	const char *reader = "Authorization: Bearer " RIG_READ_ONLY "\r\n";
	struct str id, target;

	publish(r, 1, "a");
	id = start(r, "?async=true");
	target = arena_fmt(rig_arena(r), "/v2/bulkActions/%.*s", STR_FMT(id));
	T_EQ_INT(rig_ask(r, "GET", target.p, other, STR_NULL).status, 404);
	T_EQ_INT(rig_ask(r, "GET", target.p, reader, STR_NULL).status, 200);
	T_EQ_STR(rig_ask(r, "GET", "/v2/bulkActions", other, STR_NULL).body,
		 "{\"bulkActions\":[]}");
	T_EQ_INT(rig_ask(r, "GET", "/v2/bulkActions", reader, STR_NULL).status, 200);
	T_EQ_INT(action(r, STR("bulk_no")).status, 404);
	rig_stop(r);
}

static const struct {
	const char *query, *error;
} mistakes[] = {
	{ "?count=0", "count" }, { "?count=x", "count" },    { "?state=DONE", "state" },
	{ "?label=a", "label" }, { "?cursor=%4", "cursor" },
};

TEST_EACH(a_mistake_is_named, mistakes)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a = list(r, row->query);

	T_EQ_INT(a.status, 400);
	T_CHECK(str_has(answer_str(a, "error"), str_c(row->error)));
	rig_stop(r);
}

/* A queue with more messages than a page goes with all of them. */
TEST(a_queue_is_deleted_with_its_messages)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });

	publish(r, 200, "a");
	for (int i = 0; i < 5; i++) {
		struct str lines = STR(RIG_AUTH "Upstash-Delay: 1h\r\n");

		T_EQ_INT(rig_ask(r, "POST", "/v2/enqueue/q/https://x.io", lines.p, STR_NULL).status,
			 200);
	}
	T_EQ_INT(rig_do(r, "DELETE", "/v2/queues/q").status, 200);
	T_EQ_INT(rig_do(r, "GET", "/v2/queues/q").status, 404);
	T_EQ_INT(answer_int(cancel(r, ""), "cancelled"), 200);
	rig_stop(r);
}
