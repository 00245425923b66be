/* Reading and cancelling messages. */
#include "rig.h"
#include "t.h"

static struct answer get(struct rig *r, struct str id)
{
	return rig_do(r, "GET", arena_fmt(rig_arena(r), "/v2/messages/%.*s", STR_FMT(id)).p);
}

static struct answer cancel(struct rig *r, const char *query, const char *body)
{
	struct str target = arena_fmt(rig_arena(r), "/v2/messages%s", query);

	return rig_ask(r, "DELETE", target.p, RIG_AUTH, str_c(body));
}

static int64_t cancelled(struct rig *r, const char *query, const char *body)
{
	struct answer a = cancel(r, query, body);

	T_EQ_INT(a.status, 200);
	T_EQ_INT(a.json->count, 1); /* numbers only, for the Go SDK */
	return answer_int(a, "cancelled");
}

TEST(a_delivered_message_stays_readable)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct str id = rig_publish(r, "https://x.io/ok", "Upstash-Label: l\r\n", "hi");
	struct answer a;

	rig_until_logged(r, "DELIVERED", 1);
	a = get(r, id);
	T_EQ_INT(a.status, 200);
	T_EQ_STR(answer_str(a, "messageId"), id);
	T_EQ_STR(answer_str(a, "body"), "hi");
	T_EQ_STR(answer_str(a, "label"), "l");
	rig_stop(r);
}

static const char *const strangers[] = {
	"/v2/messages/msg_1111111111111111111111",
	"/v2/messages/msg_",
	"/v2/messages/nonsense",
	"/v2/messages/%00",
};

TEST_EACH(unknown_messages_are_not_found, strangers)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });

	for (int i = 0; i < 2; i++) {
		struct answer a = rig_do(r, i ? "DELETE" : "GET", *row);

		T_EQ_INT(a.status, 404);
		T_EQ_STR(answer_str(a, "error"), "message not found");
	}
	rig_stop(r);
}

TEST(one_message_is_cancelled_once)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct str id = rig_publish(r, "https://x.io", "Upstash-Delay: 1h\r\n", "");
	struct str target = arena_fmt(rig_arena(r), "/v2/messages/%.*s", STR_FMT(id));
	struct answer a;

	a = rig_ask(r, "DELETE", target.p, "Authorization: Bearer " RIG_OTHER_TOKEN "\r\n",
		    STR_NULL);
	T_EQ_INT(a.status, 404);
	a = rig_do(r, "DELETE", target.p);
	T_EQ_INT(a.status, 200);
	T_EQ_STR(a.body, "{\"cancelled\":1}");
	T_EQ_INT(rig_do(r, "DELETE", target.p).status, 404);
	rig_until_logged(r, "CANCELED", 1);
	rig_stop(r);
}

TEST(many_are_cancelled_by_id_then_all)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct arena *m = rig_arena(r);
	struct str id[5];

	for (int i = 0; i < 5; i++)
		id[i] = rig_publish(r, "https://x.io", "Upstash-Delay: 1h\r\n", "");
	T_EQ_INT(cancelled(r, "?messageIds=nonsense", ""), 0);
	T_EQ_INT(cancelled(r, "?count=100", "{\"messageIds\":[\"msg_1111111111111111111111\"]}"),
		 0);
	T_EQ_INT(cancelled(r, "",
			   arena_fmt(m, "{\"messageIds\":[\"%.*s\",\"%.*s\",\"no\"]}",
				     STR_FMT(id[0]), STR_FMT(id[1]))
				   .p),
		 2);
	T_EQ_INT(cancelled(r, arena_fmt(m, "?messageIds=%.*s", STR_FMT(id[0])).p, ""), 0);
	/* Ids are exactly these messages: no other selector, no count, no async. */
	T_EQ_INT(cancelled(r,
			   arena_fmt(m, "?messageIds=%.*s,%.*s&count=1&label=x&toDate=1&async=true",
				     STR_FMT(id[2]), STR_FMT(id[3]))
				   .p,
			   ""),
		 2);
	T_EQ_INT(cancelled(r, "/", "{}"), 1);
	T_EQ_INT(cancelled(r, "", ""), 0);
	rig_stop(r);
}

/* Four messages: two labels on two hosts. */
static const struct {
	const char *query, *body;
	int want;
} selections[] = {
	{ "?label=a", "", 2 },
	{ "?label=a&label=b", "", 4 },
	{ "?label=a,b&count=3", "", 3 },
	{ "?label=a&host=one.io", "", 1 },
	{ "?host=one.io", "", 2 },
	{ "?path=/p", "", 4 },
	{ "?url=https://one.io/p", "", 2 },
	{ "?label=c", "", 0 },
	{ "", "{\"label\":\"a\"}", 2 },
	{ "", "{\"label\":[\"a\",\"b\"]}", 4 },
	{ "?label=b", "{\"label\":\"a\",\"host\":\"one.io\"}", 1 },
	{ "?fromDate=1", "", 4 },
	{ "?toDate=1", "", 0 },
	{ "?count=1", "", 1 },
};

TEST_EACH(a_filter_selects, selections)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });

	for (int i = 0; i < 4; i++)
		rig_publish(r, i & 1 ? "https://one.io/p" : "https://two.io/p",
			    i & 2 ? "Upstash-Delay: 1h\r\nUpstash-Label: a\r\n"
				  : "Upstash-Delay: 1h\r\nUpstash-Label: b\r\n",
			    "");
	T_EQ_INT(cancelled(r, row->query, row->body), row->want);
	T_EQ_INT(cancelled(r, "", ""), 4 - row->want);
	rig_stop(r);
}

/* A request that is not understood acts on nothing. */
static const struct {
	const char *query, *body, *error;
} mistakes[] = {
	{ "?labeel=a", "", "labeel" }, { "", "{\"labeel\":\"a\"}", "labeel" },
	{ "", "[\"a\"]", "" },         { "", "{\"label\":", "" },
	{ "?count=0", "", "count" },   { "?fromDate=x", "", "fromDate" },
	{ "?label=%4", "", "" },       { "?async=maybe", "", "async" },
};

TEST_EACH(a_mistake_cancels_nothing, mistakes)
{
	struct rig *r = rig_start((struct rig_settings){ 0 });
	struct answer a;

	rig_publish(r, "https://x.io", "Upstash-Delay: 1h\r\n", "");
	a = cancel(r, row->query, row->body);
	T_EQ_INT(a.status, 400);
	T_CHECK(str_has(answer_str(a, "error"), str_c(row->error)));
	T_EQ_INT(cancelled(r, "", ""), 1);
	rig_stop(r);
}
