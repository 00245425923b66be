#include "kit.h"

#include <string.h>

#include "core/filter.h"
#include "core/limits.h"

/* What a filter asks for, as text: "url=a|b label=c states=1f from=1 count=5". */
static struct str describe(struct arena *a, const struct filter *f)
{
	static const char *const names[FILTER_FIELDS] = {
		[FILTER_MESSAGE_ID] = "id", [FILTER_DLQ_ID] = "dlq",     [FILTER_URL] = "url",
		[FILTER_HOST] = "host",     [FILTER_PATH] = "path",      [FILTER_TOPIC] = "topic",
		[FILTER_QUEUE] = "queue",   [FILTER_SCHEDULE] = "sched", [FILTER_CALLER_IP] = "ip",
		[FILTER_LABEL] = "label",   [FILTER_FLOW_KEY] = "flow",
	};
	struct str text = STR("");

	for (int i = 0; i < FILTER_FIELDS; i++) {
		for (size_t k = 0; k < f->field[i].n; k++)
			text = arena_fmt(a, "%.*s%s%s%.*s", STR_FMT(text),
					 k        ? "|"
					 : text.n ? " "
						  : "",
					 k ? "" : arena_fmt(a, "%s=", names[i]).p,
					 STR_FMT(f->field[i].v[k]));
	}
	for (size_t k = 0; k < f->statuses; k++)
		text = arena_fmt(a, "%.*s status=%lld", STR_FMT(text), (long long)f->status[k]);
	if (f->states)
		text = arena_fmt(a, "%.*s states=%x", STR_FMT(text), f->states);
	if (f->from_ms != INT64_MIN)
		text = arena_fmt(a, "%.*s from=%lld", STR_FMT(text), (long long)f->from_ms);
	if (f->to_ms != INT64_MAX)
		text = arena_fmt(a, "%.*s to=%lld", STR_FMT(text), (long long)f->to_ms);
	if (f->cursor.n)
		text = arena_fmt(a, "%.*s cursor=%.*s", STR_FMT(text), STR_FMT(f->cursor));
	return str_trim(arena_fmt(a, "%.*s count=%lld%s%s", STR_FMT(text), (long long)f->count,
				  f->latest_first ? " latest" : "", f->async ? " async" : ""));
}

static const struct {
	enum filter_use use;
	const char *query, *body, *want;
} good[] = {
	/* Nothing asked. */
	{ FILTER_CANCEL, "", "", "count=0" },
	{ FILTER_CANCEL, "", "{}", "count=0" },
	{ FILTER_CANCEL, "", " { } ", "count=0" },
	{ FILTER_CANCEL, "", "{\"messageIds\":[]}", "count=0" },
	{ FILTER_CANCEL, "", "{\"messageIds\":null}", "count=0" },
	{ FILTER_CANCEL, "count=100", "", "count=100" },
	{ FILTER_DLQ, "", "", "count=100" },
	{ FILTER_LOGS, "", "", "count=1000 latest" },
	/* Each field. */
	{ FILTER_CANCEL, "messageIds=a&messageIds=b", "", "id=a|b count=0" },
	{ FILTER_CANCEL, "messageIds=a,b", "", "id=a|b count=0" },
	{ FILTER_CANCEL,
	  "topicName=t&queueName=q&scheduleId=s&callerIp=1.2.3.4&label=l&flowControlKey=k", "",
	  "topic=t queue=q sched=s ip=1.2.3.4 label=l flow=k count=0" },
	{ FILTER_CANCEL, "callerIP=::1", "", "ip=::1 count=0" },
	{ FILTER_CANCEL, "host=example.org&path=/webhook", "",
	  "host=example.org path=/webhook count=0" },
	{ FILTER_CANCEL, "fromDate=1&toDate=2", "", "from=1 to=2 count=0" },
	{ FILTER_CANCEL, "cursor=anything", "", "count=0" },
	{ FILTER_CANCEL, "async=true", "", "count=0 async" },
	{ FILTER_CANCEL, "async=false", "", "count=0" },
	{ FILTER_DLQ, "dlqIds=1-1&dlqIds=2-2", "", "dlq=1-1|2-2 count=100" },
	{ FILTER_DLQ, "messageId=m", "", "id=m count=100" },
	{ FILTER_DLQ, "responseStatus=404&responseStatus=500,503", "",
	  "status=404 status=500 status=503 count=100" },
	{ FILTER_DLQ, "cursor=1-1&order=latestFirst&count=7", "", "cursor=1-1 count=7 latest" },
	{ FILTER_DLQ, "order=earliestFirst", "", "count=100" },
	{ FILTER_DLQ, "api=llm", "", "count=100" },
	{ FILTER_DLQ, "upstash-retries=0&label=x", "", "label=x count=100" },
	{ FILTER_LOGS, "messageId=m&messageIds=n", "", "id=m|n count=1000 latest" },
	{ FILTER_LOGS, "state=DELIVERED", "", "states=20 count=1000 latest" },
	{ FILTER_LOGS, "state=CANCELED", "", "states=100 count=1000 latest" },
	{ FILTER_LOGS, "state=CANCELLED", "", "states=100 count=1000 latest" },
	{ FILTER_LOGS, "state=IN_PROGRESS", "", "states=1c count=1000 latest" },
	{ FILTER_LOGS, "state=CREATED&state=FAILED", "", "states=42 count=1000 latest" },
	{ FILTER_LOGS, "order=earliestFirst&count=10&groupBy=url", "", "count=10" },
	{ FILTER_LOGS, "cursor=1686652644442-12", "", "cursor=1686652644442-12 count=1000 latest" },
	{ FILTER_LOGS, "qstash_token=t&label=x", "", "label=x count=1000 latest" },
	/* More than a page is a page. */
	{ FILTER_LOGS, "count=5000", "", "count=1000 latest" },
	{ FILTER_DLQ, "count=1000", "", "count=100" },
	{ FILTER_CANCEL, "count=1000", "", "count=500" },
	{ FILTER_DLQ, "count=1", "", "count=1" },
	/* Empty is absent. */
	{ FILTER_LOGS, "label=&url=&state=&count=&cursor=&fromDate", "", "count=1000 latest" },
	{ FILTER_LOGS, "label=,,a,", "", "label=a count=1000 latest" },
	/* Commas. */
	{ FILTER_LOGS, "label=a,b&label=c", "", "label=a|b|c count=1000 latest" },
	{ FILTER_LOGS, "label=a%2Cb", "", "label=a|b count=1000 latest" },
	{ FILTER_LOGS, "label=%20a%20,+b+", "", "label=a|b count=1000 latest" },
	{ FILTER_LOGS, "flowControlKey=a,b", "", "flow=a|b count=1000 latest" },
	{ FILTER_LOGS, "flowControlKey=a%2Cb", "", "flow=a,b count=1000 latest" },
	{ FILTER_LOGS, "url=https://x/?a=1,2", "", "url=https://x/?a=1,2 count=1000 latest" },
	{ FILTER_LOGS, "url=https://x/,https://y/", "",
	  "url=https://x/|https://y/ count=1000 latest" },
	{ FILTER_LOGS, "url=https%3A%2F%2Fx,https%3A%2F%2Fy", "",
	  "url=https://x|https://y count=1000 latest" },
	{ FILTER_LOGS, "url=https%3A%2F%2Fx%2F%3Fa%3D1%2C2", "",
	  "url=https://x/?a=1,2 count=1000 latest" },
	{ FILTER_LOGS, "path=/a,/b", "", "path=/a|/b count=1000 latest" },
	{ FILTER_LOGS, "path=/a,b", "", "path=/a,b count=1000 latest" },
	{ FILTER_LOGS, "path=%2Fa,%2Fb", "", "path=/a|/b count=1000 latest" },
	{ FILTER_LOGS, "cursor=a,b", "", "cursor=a,b count=1000 latest" },
	/* Encoded names. */
	{ FILTER_LOGS, "l%61bel=x", "", "label=x count=1000 latest" },
	/* Bodies. */
	{ FILTER_CANCEL, "", "{\"messageIds\":[\"a\",\"b\"]}", "id=a|b count=0" },
	{ FILTER_CANCEL, "", "{\"messageIds\":\"a,b\"}", "id=a|b count=0" },
	{ FILTER_CANCEL, "", "{\"queueName\":\"q\",\"url\":\"https://x/?a=1,2\"}",
	  "url=https://x/?a=1,2 queue=q count=0" },
	{ FILTER_CANCEL, "",
	  "{\"label\":[\"a\",\"b,c\"],\"fromDate\":5,\"count\":3,\"async\":true}",
	  "label=a|b|c from=5 count=3 async" },
	{ FILTER_CANCEL, "", "{\"flowControlKey\":\"a,b\"}", "flow=a,b count=0" },
	{ FILTER_DLQ, "", "{\"dlqIds\":[\"1-1\",\"2-2\"]}", "dlq=1-1|2-2 count=100" },
	{ FILTER_DLQ, "", "{\"responseStatus\":[404,500]}", "status=404 status=500 count=100" },
	/* The query wins, field by field. */
	{ FILTER_CANCEL, "label=q", "{\"label\":\"b\",\"queueName\":\"b\"}",
	  "queue=b label=q count=0" },
	{ FILTER_CANCEL, "callerIp=1", "{\"callerIP\":\"2\"}", "ip=1 count=0" },
	{ FILTER_CANCEL, "label=", "{\"label\":\"b\"}", "label=b count=0" },
};

TEST_EACH(filters, good)
{
	struct filter_source src = { row->use, str_c(row->query), str_c(row->body) };
	struct problem p = { 0 };
	struct filter f;
	struct arena a;

	arena_init(&a);
	if (!filter_parse(&a, &src, &f, &p))
		T_FAIL("%s %s: %s", row->query, row->body, p.text);
	T_EQ_INT(f.use, row->use);
	T_EQ_STR(describe(&a, &f), row->want);
	arena_done(&a);
}

static const struct {
	enum filter_use use;
	const char *query, *body, *text;
} bad[] = {
	{ FILTER_DLQ, "labeel=x&count=100", "", "unknown filter field: labeel" },
	{ FILTER_DLQ, "host=x", "", "unknown filter field: host" },
	{ FILTER_DLQ, "path=/x", "", "unknown filter field: path" },
	{ FILTER_DLQ, "messageIds=x", "", "unknown filter field: messageIds" },
	{ FILTER_DLQ, "state=FAILED", "", "unknown filter field: state" },
	{ FILTER_DLQ, "source=workflow", "",
	  "source: invalid value \"workflow\", allowed: qstash" },
	{ FILTER_CANCEL, "messageId=x", "", "unknown filter field: messageId" },
	{ FILTER_CANCEL, "dlqIds=x", "", "unknown filter field: dlqIds" },
	{ FILTER_CANCEL, "order=latestFirst", "", "unknown filter field: order" },
	{ FILTER_CANCEL, "upstash-retries=1", "", "unknown filter field: upstash-retries" },
	{ FILTER_CANCEL, "Label=x", "", "unknown filter field: Label" },
	{ FILTER_CANCEL, "=x", "", "unknown filter field: " },
	{ FILTER_CANCEL, "%zz=x", "", "unknown filter field: %zz" },
	{ FILTER_CANCEL, "", "{\"labeel\":\"x\"}", "unknown filter field: labeel" },
	{ FILTER_CANCEL, "", "{\"\":1}", "unknown filter field: " },
	{ FILTER_LOGS, "responseStatus=404", "", "unknown filter field: responseStatus" },
	{ FILTER_LOGS, "async=true", "", "unknown filter field: async" },
	{ FILTER_LOGS, "label=%", "", "label: broken percent escape" },
	{ FILTER_LOGS, "label=a,%4", "", "label: broken percent escape" },
	{ FILTER_LOGS, "state=delivered", "",
	  "state: invalid value \"delivered\", allowed: CREATED, ACTIVE, RETRY, ERROR, "
	  "IN_PROGRESS, DELIVERED, "
	  "FAILED, CANCEL_REQUESTED, CANCELED" },
	{ FILTER_LOGS, "fromDate=yesterday", "",
	  "fromDate: invalid value \"yesterday\", allowed: Unix time in milliseconds" },
	{ FILTER_LOGS, "toDate=1.5", "",
	  "toDate: invalid value \"1.5\", allowed: Unix time in milliseconds" },
	{ FILTER_LOGS, "count=0", "", "count: invalid value \"0\", allowed: an integer from 1" },
	{ FILTER_LOGS, "count=-1", "", "count: invalid value \"-1\", allowed: an integer from 1" },
	{ FILTER_LOGS, "count=x", "", "count: invalid value \"x\", allowed: an integer from 1" },
	{ FILTER_LOGS, "order=up", "",
	  "order: invalid value \"up\", allowed: earliestFirst, latestFirst" },
	{ FILTER_DLQ, "responseStatus=4xx", "",
	  "responseStatus: invalid value \"4xx\", allowed: an HTTP status" },
	{ FILTER_CANCEL, "async=yes", "", "async: invalid value \"yes\", allowed: true, false" },
	{ FILTER_CANCEL, "", "[]", "the body must be a JSON object with filter fields" },
	{ FILTER_CANCEL, "", "\"label\"", "the body must be a JSON object with filter fields" },
	{ FILTER_CANCEL, "", "{", "the body is not valid JSON: name in quotes expected at byte 1" },
	{ FILTER_CANCEL, "", "{\"label\":{}}",
	  "label: a string or an array of strings is allowed" },
	{ FILTER_CANCEL, "", "{\"label\":[[\"a\"]]}",
	  "label: a string or an array of strings is allowed" },
};

TEST_EACH(refusals, bad)
{
	struct filter_source src = { row->use, str_c(row->query), str_c(row->body) };
	struct problem p = { 0 };
	struct filter f;
	struct arena a;

	arena_init(&a);
	if (filter_parse(&a, &src, &f, &p))
		T_FAIL("%s %s was taken", row->query, row->body);
	T_EQ_INT(p.status, 400);
	T_EQ_STR(p.text, row->text);
	arena_done(&a);
}

TEST(a_thousand_values_are_the_most)
{
	static char query[6 + 2 * (LIMIT_FILTER_VALUES + 1)];
	struct filter_source src = { FILTER_LOGS, { query, sizeof(query) - 2 }, STR_NULL };
	struct problem p = { 0 };
	struct filter f;
	struct arena a;

	arena_init(&a);
	memcpy(query, "label=", 6);
	for (size_t i = 6; i < sizeof(query); i += 2)
		memcpy(query + i, "x,", 2);
	T_CHECK(filter_parse(&a, &src, &f, &p));
	T_EQ_INT(f.field[FILTER_LABEL].n, LIMIT_FILTER_VALUES);
	src.query.n += 2;
	T_CHECK(!filter_parse(&a, &src, &f, &p));
	T_EQ_STR(p.text, "at most 1000 filter values are allowed");
	arena_done(&a);
}

static const struct {
	enum filter_use use;
	const char *query;
	bool empty;
} emptiness[] = {
	{ FILTER_CANCEL, "", true },
	{ FILTER_CANCEL, "count=5&async=true&cursor=x", true },
	{ FILTER_CANCEL, "label=", true },
	{ FILTER_DLQ, "order=latestFirst&api=llm", true },
	{ FILTER_CANCEL, "label=x", false },
	{ FILTER_CANCEL, "messageIds=x", false },
	{ FILTER_CANCEL, "fromDate=0", false },
	{ FILTER_CANCEL, "toDate=0", false },
	{ FILTER_DLQ, "responseStatus=404", false },
	{ FILTER_LOGS, "state=FAILED", false },
};

TEST_EACH(what_selects_everything, emptiness)
{
	struct filter_source src = { row->use, str_c(row->query), STR_NULL };
	struct problem p;
	struct filter f;
	struct arena a;

	arena_init(&a);
	T_CHECK(filter_parse(&a, &src, &f, &p));
	T_EQ_INT(filter_is_empty(&f), row->empty);
	arena_done(&a);
}

/* ---- matching -------------------------------------------------------------------------------- */

static const struct msg sample = {
	.id = { 1, 2 },
	.url = { "https://example.org/webhook?a=b", 31 },
	.topic = { "group", 5 },
	.queue = { "queue", 5 },
	.schedule_id = { "scd_1", 5 },
	.caller_ip = { "10.0.0.1", 8 },
	.labels = { "red,dark green", 14 },
	.flow_key = { "key,1", 5 },
	.created_ms = 1000,
};

static const struct {
	const char *query;
	bool match;
} matches[] = {
	{ "", true },
	{ "messageIds=msg_1111111111211111111113", true },
	{ "messageIds=msg_1111111111211111111114", false },
	{ "messageIds=x&messageIds=msg_1111111111211111111113", true },
	{ "url=https://example.org/webhook?a=b", true },
	{ "url=https://example.org/webhook", false },
	{ "host=example.org", true },
	{ "host=EXAMPLE.ORG", true },
	{ "host=example.com", false },
	{ "host=example.com,example.org", true },
	{ "path=/webhook", true },
	{ "path=/other,/webhook", true },
	{ "path=/web", false },
	{ "topicName=group", true },
	{ "topicName=Group", false },
	{ "queueName=queue", true },
	{ "queueName=q", false },
	{ "scheduleId=scd_1", true },
	{ "scheduleId=scd_2", false },
	{ "callerIp=10.0.0.1", true },
	{ "callerIp=10.0.0.2", false },
	{ "label=red", true },
	{ "label=dark+green", true },
	{ "label=dark", false },
	{ "label=blue,red", true },
	{ "label=blue", false },
	{ "flowControlKey=key%2C1", true },
	{ "flowControlKey=key", false },
	/* And across fields. */
	{ "label=red&queueName=queue&host=example.org", true },
	{ "label=red&queueName=other", false },
	/* Times are inclusive. */
	{ "fromDate=1000", true },
	{ "fromDate=1001", false },
	{ "toDate=1000", true },
	{ "toDate=999", false },
	{ "fromDate=1000&toDate=1000", true },
};

static void parse(struct arena *a, enum filter_use use, const char *query, struct filter *f)
{
	struct filter_source src = { use, str_c(query), STR_NULL };
	struct problem p;

	if (!filter_parse(a, &src, f, &p))
		T_FAIL("%s: %s", query, p.text);
}

TEST_EACH(which_messages, matches)
{
	struct filter f;
	struct arena a;

	arena_init(&a);
	parse(&a, FILTER_CANCEL, row->query, &f);
	T_EQ_INT(filter_match_msg(&f, &sample), row->match);
	arena_done(&a);
}

TEST(a_message_without_anything_matches_no_field)
{
	struct msg m = { .url = STR("https://example.org"), .created_ms = 5 };
	static const char *const queries[] = { "label=x",          "queueName=x",  "topicName=x",
					       "flowControlKey=x", "scheduleId=x", "callerIp=x" };
	struct filter f;
	struct arena a;

	arena_init(&a);
	for (size_t i = 0; i < countof(queries); i++) {
		parse(&a, FILTER_CANCEL, queries[i], &f);
		T_CHECK(!filter_match_msg(&f, &m));
	}
	arena_done(&a);
}

TEST(which_dead_letters)
{
	struct filter f;
	struct arena a;

	arena_init(&a);
	parse(&a, FILTER_DLQ, "responseStatus=404,500&fromDate=2000", &f);
	T_CHECK(filter_match_dlq(&f, &sample, 2000, 404));
	T_CHECK(filter_match_dlq(&f, &sample, 2001, 500));
	T_CHECK(!filter_match_dlq(&f, &sample, 1999, 404));
	T_CHECK(!filter_match_dlq(&f, &sample, 2000, 0));
	parse(&a, FILTER_DLQ, "responseStatus=0", &f);
	T_CHECK(filter_match_dlq(&f, &sample, 1, 0));
	parse(&a, FILTER_DLQ, "label=blue", &f);
	T_CHECK(!filter_match_dlq(&f, &sample, 1, 0));
	arena_done(&a);
}

TEST(which_log_entries)
{
	struct event e = { .time_ms = 5000, .state = EVENT_ERROR };
	struct filter f;
	struct arena a;

	arena_init(&a);
	parse(&a, FILTER_LOGS, "state=IN_PROGRESS&fromDate=5000&toDate=5000&label=red", &f);
	T_CHECK(filter_match_event(&f, &sample, &e));
	e.state = EVENT_DELIVERED;
	T_CHECK(!filter_match_event(&f, &sample, &e));
	e.state = EVENT_RETRY;
	T_CHECK(filter_match_event(&f, &sample, &e));
	e.time_ms = 5001;
	T_CHECK(!filter_match_event(&f, &sample, &e));
	parse(&a, FILTER_LOGS, "", &f);
	T_CHECK(filter_match_event(&f, &sample, &e));
	arena_done(&a);
}
