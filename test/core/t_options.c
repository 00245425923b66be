#include "kit.h"

#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core/options.h"

#define NOW 1700000000000

struct parsed {
	struct arena a;
	struct msg m;
	struct options o;
	struct problem p;
	bool ok;
};

static struct options_source source(enum options_use use)
{
	return (struct options_source){ .use = use, .plan = plan_find(STR("free")), .now_ms = NOW };
}

static void run(struct parsed *r, const struct options_source *src)
{
	r->m.created_ms = NOW;
	r->m.url = STR("https://example.com");
	r->m.user = STR("u");
	r->ok = options_parse(&r->a, src, &r->m, &r->o, &r->p);
}

/* Parses headers given as lines. The caller ends r->a. */
static void parse(struct parsed *r, enum options_use use, const char *lines)
{
	struct options_source src = source(use);

	*r = (struct parsed){ 0 };
	arena_init(&r->a);
	src.header = kit_headers(&r->a, lines);
	run(r, &src);
}

TEST(the_defaults)
{
	struct parsed r;

	parse(&r, OPTIONS_PUBLISH, "");
	T_CHECK(r.ok);
	T_EQ_STR(r.m.method, "POST");
	T_EQ_INT(r.m.retries_max, 3);
	T_EQ_INT(r.m.timeout_ms, 15 * 60 * 1000);
	T_EQ_INT(r.m.not_before_ms, NOW);
	T_EQ_INT(r.m.header.n, 0);
	T_CHECK(!r.m.retry_delay.n && !r.m.callback.n && !r.m.failure_callback.n && !r.m.queue.n &&
		!r.m.flow_key.n);
	T_CHECK(!r.m.labels.n && !r.m.redact.n && !r.m.flow_period_s);
	T_CHECK(!r.o.dedup_id.n && !r.o.dedup_by_content && !r.o.has_delay && !r.o.header_forward);
	T_EQ_STR(r.m.url, "https://example.com");
	arena_done(&r.a);
}

TEST(a_plan_with_few_retries)
{
	struct plan plan = *plan_find(STR("free"));
	struct options_source src = source(OPTIONS_PUBLISH);
	struct parsed r = { 0 };

	plan.retries_max = 1;
	src.plan = &plan;
	arena_init(&r.a);
	run(&r, &src);
	T_CHECK(r.ok);
	T_EQ_INT(r.m.retries_max, 1);
	arena_done(&r.a);
}

/* What a message looks like after a parse, as text; only what is not default. */
static struct str describe(struct parsed *r)
{
	const struct msg *m = &r->m;
	struct arena *a = &r->a;
	struct str t = STR("");

#define ADD(...) \
	(t = arena_fmt(a, "%.*s%s%s", STR_FMT(t), t.n ? " " : "", arena_fmt(a, __VA_ARGS__).p))
	if (!str_eq(m->method, STR("POST")))
		ADD("method=%.*s", STR_FMT(m->method));
	if (m->timeout_ms != 900000)
		ADD("timeout=%lld", (long long)m->timeout_ms);
	if (m->retries_max != 3)
		ADD("retries=%lld", (long long)m->retries_max);
	if (m->retry_delay.n)
		ADD("expr=%.*s", STR_FMT(m->retry_delay));
	if (m->not_before_ms != NOW)
		ADD("due=+%lld", (long long)(m->not_before_ms - NOW));
	if (m->labels.n)
		ADD("labels=%.*s", STR_FMT(m->labels));
	if (m->flow_key.n)
		ADD("flow=%.*s/%lld/%lld/%lld", STR_FMT(m->flow_key),
		    (long long)m->flow_parallelism, (long long)m->flow_rate,
		    (long long)m->flow_period_s);
	if (m->redact.n)
		ADD("redact=%.*s", STR_FMT(m->redact));
	if (m->queue.n)
		ADD("queue=%.*s", STR_FMT(m->queue));
	if (m->callback.n)
		ADD("callback=%.*s", STR_FMT(m->callback));
	if (m->failure_callback.n)
		ADD("failure=%.*s", STR_FMT(m->failure_callback));
	if (r->o.dedup_id.n)
		ADD("dedup=%.*s", STR_FMT(r->o.dedup_id));
	if (r->o.dedup_by_content)
		ADD("content");
	if (r->o.cron.n)
		ADD("cron=%.*s", STR_FMT(r->o.cron));
	if (r->o.schedule_id.n)
		ADD("schedule=%.*s", STR_FMT(r->o.schedule_id));
	if (r->o.has_delay)
		ADD("delay=%lld", (long long)r->o.delay_s);
	if (r->o.has_not_before)
		ADD("not-before");
	if (r->o.has_timeout)
		ADD("has-timeout");
	if (r->o.header_forward)
		ADD("forward");
#undef ADD
	return t;
}

#define P OPTIONS_PUBLISH
#define S OPTIONS_SCHEDULE

static const struct {
	enum options_use use;
	const char *lines, *want;
} good[] = {
	{ P, "Upstash-Method: GET", "method=GET" },
	{ P, "upstash-method: patch", "method=PATCH" },
	{ P, "UPSTASH-METHOD: PUT", "method=PUT" },
	{ P, "Upstash-Method: DELETE", "method=DELETE" },
	{ P, "Upstash-Method: POST", "" },
	{ P, "Upstash-Timeout: 30s", "timeout=30000 has-timeout" },
	{ P, "Upstash-Timeout: 30", "timeout=30000 has-timeout" },
	{ P, "Upstash-Timeout: 1.5s", "timeout=1500 has-timeout" },
	{ P, "Upstash-Timeout: 7d", "has-timeout" }, /* cut to the plan's */
	{ P, "Upstash-Retries: 0", "retries=0" },
	{ P, "Upstash-Retries: 999", "retries=999" },
	{ P, "Upstash-Retry-Delay: 1000 * (1 + retried)", "expr=1000 * (1 + retried)" },
	{ P, "Upstash-Delay: 10s", "due=+10000 delay=10" },
	{ P, "Upstash-Delay: 7d", "due=+604800000 delay=604800" },
	{ P, "Upstash-Delay: 1h30m3s", "due=+5403000 delay=5403" },
	{ P, "Upstash-Delay: 0s", "delay=0" },
	{ P, "Upstash-Delay: 1.2s", "due=+1200 delay=2" },
	{ P, "Upstash-Not-Before: 1700000060", "due=+60000 not-before" },
	{ P, "Upstash-Not-Before: 1600000000", "not-before" }, /* past: now */
	{ P, "Upstash-Not-Before: 0", "not-before" },
	{ P, "Upstash-Not-Before: 1700000060\nUpstash-Delay: 5s", "due=+60000 delay=5 not-before" },
	{ P, "Upstash-Not-Before: 1700000000\nUpstash-Delay: 5s", "delay=5 not-before" },
	{ P, "Upstash-Label: a", "labels=a" },
	{ P, "Upstash-Label: a, b ,, c d ,", "labels=a,b,c d" },
	{ P, "Upstash-Label: a\nUpstash-Label: b", "labels=a,b" },
	{ P, "Upstash-Label: ,", "" },
	{ P, "Upstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: parallelism=3, rate=5, period=1m",
	  "flow=k/3/5/60" },
	{ P, "Upstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: rate=10", "flow=k/0/10/1" },
	{ P, "Upstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: period=1d,parallelism=10",
	  "flow=k/10/0/86400" },
	{ P, "Upstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: Rate = 2 , PERIOD = 90",
	  "flow=k/0/2/90" },
	{ P, "Upstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: ratePerSecond=7",
	  "flow=k/0/7/1" },
	{ P, "Upstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: rate=1,period=7d",
	  "flow=k/0/1/604800" },
	{ P, "Upstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: rate=1,period=1.5s",
	  "flow=k/0/1/2" },
	{ P, "Upstash-Flow-Control-Key: a key, of any text\nUpstash-Flow-Control-Value: rate=1",
	  "flow=a key, of any text/0/1/1" },
	{ P, "Upstash-Redact-Fields: body,headers[authorization]",
	  "redact=body,header[Authorization]" },
	{ P, "Upstash-Redact-Fields: body\nUpstash-Redact-Fields: header", "redact=body,header" },
	{ P, "Upstash-Queue-Name: my-queue", "queue=my-queue" },
	{ P, "Upstash-Callback: https://example.com/cb?x=y",
	  "callback=https://example.com/cb?x=y" },
	{ P, "Upstash-Failure-Callback: http://localhost:3000", "failure=http://localhost:3000" },
	{ P, "Upstash-Deduplication-Id: any text", "dedup=any text" },
	{ P, "Upstash-Content-Based-Deduplication: True", "content" },
	{ P, "Upstash-Content-Based-Deduplication: f", "" },
	{ P, "Upstash-Header-Forward: true", "forward" },
	/* Empty is absent; of repeated ones the first counts. */
	{ P, "Upstash-Retries:\nUpstash-Delay:   \nUpstash-Method:", "" },
	{ P, "Upstash-Retries: 1\nUpstash-Retries: 2", "retries=1" },
	{ P, "Upstash-Retries:\nUpstash-Retries: 2", "retries=2" },
	{ P, "Upstash-Retries:  7  ", "retries=7" },
	/* What is not ours, or not of this use, is passed over. */
	{ P, "X-Retries: x\nUpstash-Unknown: x\nUpstash: x\nUpstash-: x", "" },
	{ P, "Upstash-Telemetry-Sdk: upstash-qstash-js@v2\nUpstash-Telemetry-Platform: vercel",
	  "" },
	{ P, "Upstash-Workflow-Init: true\nUpstash-Workflow-RunId: wfr_1\nUpstash-Feature-Set: LazyFetch",
	  "" },
	{ P, "Upstash-Failure-Callback-Workflow-Url: x\nUpstash-Callback-Telemetry-Sdk: y", "" },
	{ P, "Upstash-Message-Id: msg_x\nUpstash-Signature: x\nUpstash-Retried: 4", "" },
	{ P, "Upstash-Cron: broken\nUpstash-Schedule-Id: a b", "" },
	{ P, "Authorization: Bearer x\nHost: y\nContent-Length: 7", "" },
	/* Schedules. */
	{ S, "Upstash-Cron: */10 * * * *", "cron=*/10 * * * *" },
	{ S, "Upstash-Cron:  */10 * * * *  ", "cron=*/10 * * * *" },
	{ S, "Upstash-Cron: CRON_TZ=America/New_York 0 4 * * *\nUpstash-Schedule-Id: my.id",
	  "cron=CRON_TZ=America/New_York 0 4 * * * schedule=my.id" },
	{ S, "Upstash-Cron: @daily\nUpstash-Delay: 10s\nUpstash-Queue-Name: q",
	  "due=+10000 queue=q cron=@daily delay=10" },
	{ S, "Upstash-Cron: @daily\nUpstash-Not-Before: broken", "cron=@daily" },
	{ OPTIONS_ENQUEUE, "Upstash-Delay: 10s\nUpstash-Not-Before: 1700000001",
	  "due=+1000 delay=10 not-before" },
	{ OPTIONS_BATCH_ITEM, "upstash-retries: 5\nupstash-queue-name: q", "retries=5 queue=q" },
};

TEST_EACH(settings, good)
{
	struct parsed r;

	parse(&r, row->use, row->lines);
	if (!r.ok)
		T_FAIL("%s: %s", row->lines, r.p.text);
	T_EQ_STR(describe(&r), row->want);
	arena_done(&r.a);
}

#define FLOW_ALLOWED                                                                 \
	"; allowed are parallelism and rate from 1, and period from 1s to 7d, like " \
	"parallelism=3, "                                                            \
	"rate=10, period=1m"

static const struct {
	enum options_use use;
	const char *lines;
	int status;
	const char *text;
} bad[] = {
	{ P, "Upstash-Method: HEAD", 400,
	  "Upstash-Method: GET, POST, PUT, PATCH and DELETE are allowed" },
	{ P, "Upstash-Timeout: soon", 400,
	  "Upstash-Timeout: a duration is allowed, like 90s, 1h30m or 7d, not zero" },
	{ P, "Upstash-Timeout: 0", 400,
	  "Upstash-Timeout: a duration is allowed, like 90s, 1h30m or 7d, not zero" },
	{ P, "Upstash-Retries: -1", 400, "Upstash-Retries: an integer from 0 is allowed" },
	{ P, "Upstash-Retries: 1.0", 400, "Upstash-Retries: an integer from 0 is allowed" },
	{ P, "Upstash-Retries: 99999999999999999999", 400,
	  "Upstash-Retries: an integer from 0 is allowed" },
	{ P, "Upstash-Retries: 1000", 412, "quota maxRetries exceeded, current limit: 999" },
	{ P, "Upstash-Retry-Delay: 1 +", 400,
	  "Upstash-Retry-Delay: invalid expression: number, name or '(' expected at position 4" },
	{ P, "Upstash-Delay: 10ms", 400,
	  "Upstash-Delay: a duration is allowed, like 90s, 1h30m or 7d" },
	{ P, "Upstash-Delay: 8d", 412, "quota maxDelay exceeded, current limit: 604800" },
	{ P, "Upstash-Delay: 604801s", 412, "quota maxDelay exceeded, current limit: 604800" },
	{ P, "Upstash-Delay: 8d\nUpstash-Not-Before: 1700000000", 412,
	  "quota maxDelay exceeded, current limit: 604800" },
	{ P, "Upstash-Not-Before: 1700604801", 412,
	  "quota maxDelay exceeded, current limit: 604800" },
	{ P, "Upstash-Not-Before: 253402300799", 412,
	  "quota maxDelay exceeded, current limit: 604800" },
	{ P, "Upstash-Not-Before: 253402300800", 400,
	  "Upstash-Not-Before: a Unix time in seconds is allowed" },
	{ P, "Upstash-Not-Before: tomorrow", 400,
	  "Upstash-Not-Before: a Unix time in seconds is allowed" },
	{ P, "Upstash-Flow-Control-Key: k", 400,
	  "Upstash-Flow-Control-Value: is missing; Flow-Control-Key and Flow-Control-Value go "
	  "together" },
	{ P, "Upstash-Flow-Control-Value: rate=1", 400,
	  "Upstash-Flow-Control-Key: is missing; Flow-Control-Key and Flow-Control-Value go "
	  "together" },
	{ P, "Upstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: period=1s", 400,
	  "Upstash-Flow-Control-Value: parallelism or rate is needed" },
	{ P, "Upstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: ,", 400,
	  "Upstash-Flow-Control-Value: parallelism or rate is needed" },
	{ P, "Upstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: rate=0", 400,
	  "Upstash-Flow-Control-Value: invalid rate" FLOW_ALLOWED },
	{ P, "Upstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: parallelism=-1", 400,
	  "Upstash-Flow-Control-Value: invalid parallelism" FLOW_ALLOWED },
	{ P, "Upstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: rate=1000000001", 400,
	  "Upstash-Flow-Control-Value: invalid rate" FLOW_ALLOWED },
	{ P, "Upstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: rate=1,period=8d", 400,
	  "Upstash-Flow-Control-Value: invalid period" FLOW_ALLOWED },
	{ P, "Upstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: rate=1,period=0s", 400,
	  "Upstash-Flow-Control-Value: invalid period" FLOW_ALLOWED },
	{ P, "Upstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: speed=1", 400,
	  "Upstash-Flow-Control-Value: invalid speed" FLOW_ALLOWED },
	{ P, "Upstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: rate", 400,
	  "Upstash-Flow-Control-Value: invalid rate" FLOW_ALLOWED },
	{ P, "Upstash-Redact-Fields: bodies", 400,
	  "Upstash-Redact-Fields: unknown field \"bodies\"; allowed are body, header and "
	  "header[Name]" },
	{ P, "Upstash-Queue-Name: a b", 400,
	  "Upstash-Queue-Name: only letters, digits, '-', '_' and '.' are allowed, at most 256 of "
	  "them" },
	{ P, "Upstash-Content-Based-Deduplication: yes", 400,
	  "Upstash-Content-Based-Deduplication: true and false are allowed" },
	{ P, "Upstash-Header-Forward: 2", 400,
	  "Upstash-Header-Forward: true and false are allowed" },
	{ P, "Upstash-Callback: example.com", 400,
	  "Upstash-Callback: invalid url: endpoint has invalid scheme, add http:// or https://" },
	{ P, "Upstash-Callback: my-group", 400,
	  "Upstash-Callback: invalid url: endpoint has invalid scheme, add http:// or https://" },
	{ P, "Upstash-Failure-Callback: http://h:0/", 400,
	  "Upstash-Failure-Callback: invalid url: invalid port, 1 to 65535 is allowed" },
	{ P, "Upstash-Delay: 1s\x01", 400, "Upstash-Delay: control characters are not allowed" },
	{ P, "upstash-unknown: \x7f", 400, "upstash-unknown: control characters are not allowed" },
	{ S, "", 400, "Upstash-Cron: is missing; a schedule needs a cron expression" },
	{ S, "Upstash-Cron: * * * *", 400,
	  "invalid cron expression: 4 fields; 5 are allowed: minute, hour, day of month, month, "
	  "day of week" },
	{ S, "Upstash-Cron: @daily\nUpstash-Schedule-Id: a/b", 400,
	  "Upstash-Schedule-Id: only letters, digits, '-', '_' and '.' are allowed, at most 256 of "
	  "them" },
	/* Settings of callbacks are judged at once, under their own names. */
	{ P, "Upstash-Callback: http://h\nUpstash-Callback-Delay: 8d", 412,
	  "quota maxDelay exceeded, current limit: 604800" },
	{ P, "Upstash-Callback: http://h\nUpstash-Callback-Delay: x", 400,
	  "Upstash-Callback-Delay: a duration is allowed, like 90s, 1h30m or 7d" },
	{ P, "Upstash-Callback: http://h\nUpstash-Callback-Retries: 1000", 412,
	  "quota maxRetries exceeded, current limit: 999" },
	{ P, "Upstash-Failure-Callback: http://h\nUpstash-Failure-Callback-Method: HEAD", 400,
	  "Upstash-Failure-Callback-Method: GET, POST, PUT, PATCH and DELETE are allowed" },
	{ P, "Upstash-Callback: http://h\nUpstash-Callback-Flow-Control-Key: k", 400,
	  "Upstash-Callback-Flow-Control-Value: is missing; Flow-Control-Key and "
	  "Flow-Control-Value go together" },
	{ P, "Upstash-Callback: http://h\nUpstash-Callback-Retry-Delay: (", 400,
	  "Upstash-Callback-Retry-Delay: invalid expression: number, name or '(' expected at "
	  "position 2" },
	{ P, "Upstash-Callback: http://h\nUpstash-Callback-Redact-Fields: x", 400,
	  "Upstash-Callback-Redact-Fields: unknown field \"x\"; allowed are body, header and "
	  "header[Name]" },
	{ P, "Upstash-Callback: http://h\nUpstash-Callback-Forward-: x", 400,
	  "Upstash-Callback-Forward-: not a valid header name" },
	{ P, "Upstash-Callback-: x", 400, "Upstash-Callback-: not a valid header name" },
	{ P, "Upstash-Callback-Forward-X: \x02", 400,
	  "Upstash-Callback-Forward-X: control characters are not allowed" },
};

TEST_EACH(refusals, bad)
{
	struct parsed r;

	parse(&r, row->use, row->lines);
	if (r.ok)
		T_FAIL("%s was taken", row->lines);
	T_EQ_STR(r.p.text, row->text);
	T_EQ_INT(r.p.status, row->status);
	arena_done(&r.a);
}

#undef P
#undef S

TEST(line_breaks_cannot_be_smuggled_in)
{
	static const struct header evil[] = {
		H("Upstash-Forward-X", "a\r\nY: b"),
		H("Upstash-Forward-X", "a\nb"),
		H("Upstash-Label", "a\rb"),
		H("Upstash-Forward-X", "a\0b"),
		H("Upstash-Callback", "http://h/\r\n"),
		H("Upstash-Forward-X\r\nY", "a"),
		H("Upstash-Forward-X Y", "a"),
		H("Upstash-Forward-X:", "a"),
		H("Upstash-Forward-", "a"),
		H("Upstash-Callback-Forward-X\n", "a"),
	};

	for (size_t i = 0; i < countof(evil); i++) {
		struct header h = evil[i];
		struct options_source src = source(OPTIONS_BATCH_ITEM);
		struct parsed r = { 0 };

		src.header = (struct headers){ &h, 1 };
		arena_init(&r.a);
		run(&r, &src);
		T_CHECK(!r.ok);
		T_EQ_INT(r.p.status, 400);
		arena_done(&r.a);
	}
}

TEST(unlimited_plans_still_have_an_end)
{
	struct options_source src = source(OPTIONS_PUBLISH);
	struct plan plan = *plan_find(STR("enterprise"));
	static const struct {
		const char *lines, *text;
	} rows[] = {
		{ "Upstash-Delay: 3650d", NULL },
		{ "Upstash-Delay: 36501d", "quota maxDelay exceeded, current limit: 3153600000" },
		{ "Upstash-Retries: 1000000", NULL },
		{ "Upstash-Retries: 1000001", "quota maxRetries exceeded, current limit: 1000000" },
	};

	plan.retries_max = 0;
	src.plan = &plan;
	for (size_t i = 0; i < countof(rows); i++) {
		struct parsed r = { 0 };

		arena_init(&r.a);
		src.header = kit_headers(&r.a, rows[i].lines);
		run(&r, &src);
		T_EQ_INT(r.ok, !rows[i].text);
		if (rows[i].text)
			T_EQ_STR(r.p.text, rows[i].text);
		arena_done(&r.a);
	}
}

TEST(message_size)
{
	struct options_source src = source(OPTIONS_PUBLISH);
	struct parsed r = { 0 };
	char *body = calloc(1, 1024 * 1024 + 1);

	arena_init(&r.a);
	r.m.body = str_n(body, 1024 * 1024);
	run(&r, &src);
	T_CHECK(r.ok);
	r.m.body.n++;
	run(&r, &src);
	T_CHECK(!r.ok);
	T_EQ_INT(r.p.status, 412);
	T_EQ_STR(r.p.text, "quota maxMessageSize exceeded, current limit: 1048576");
	free(body);
	arena_done(&r.a);
}

TEST(the_llm_api_needs_a_callback)
{
	struct options_source src = source(OPTIONS_PUBLISH);
	struct parsed r = { 0 };

	arena_init(&r.a);
	r.m.api = STR("llm");
	run(&r, &src);
	T_CHECK(!r.ok);
	T_EQ_STR(r.p.text, "Upstash-Callback: is missing; api/llm needs a callback");
	src.header = kit_headers(&r.a, "Upstash-Callback: http://h");
	run(&r, &src);
	T_CHECK(r.ok);
	arena_done(&r.a);
}

TEST(a_queue_that_the_caller_knows)
{
	struct options_source src = source(OPTIONS_ENQUEUE);
	struct parsed r = { 0 };

	arena_init(&r.a);
	r.m.queue = STR("path");
	src.header = kit_headers(&r.a, "Upstash-Queue-Name: header");
	run(&r, &src);
	T_CHECK(r.ok);
	T_EQ_STR(r.m.queue, "path");
	arena_done(&r.a);
}

TEST(labels_have_limits)
{
	static char text[LIMIT_LABEL_BYTES + 2];
	struct options_source src = source(OPTIONS_PUBLISH);
	struct parsed r = { 0 };
	struct header h = { STR("Upstash-Label"), { text, LIMIT_LABEL_BYTES } };

	memset(text, 'x', sizeof(text));
	arena_init(&r.a);
	src.header = (struct headers){ &h, 1 };
	run(&r, &src);
	T_CHECK(r.ok);
	h.value.n++;
	run(&r, &src);
	T_CHECK(!r.ok);
	T_EQ_STR(r.p.text, "Upstash-Label: at most 100 labels of at most 1024 bytes are allowed");
	for (int i = 0; i < 100; i++)
		memcpy(text + 2 * i, "x,", 2);
	h.value.n = 200;
	run(&r, &src);
	T_CHECK(r.ok);
	T_EQ_INT(r.m.labels.n, 199);
	text[200] = 'x';
	h.value.n = 201;
	run(&r, &src);
	T_CHECK(!r.ok);
	arena_done(&r.a);
}

static const struct {
	const char *name, *text;
	size_t most;
} lengths[] = {
	{ "Upstash-Deduplication-Id", "Upstash-Deduplication-Id: at most 1024 bytes are allowed",
	  LIMIT_DEDUP_BYTES },
	{ "Upstash-Flow-Control-Key", "Upstash-Flow-Control-Key: at most 1024 bytes are allowed",
	  LIMIT_FLOW_KEY_BYTES },
	{ "Upstash-Queue-Name",
	  "Upstash-Queue-Name: only letters, digits, '-', '_' and '.' are allowed, at most 256 of "
	  "them",
	  LIMIT_NAME_BYTES },
};

TEST_EACH(texts_have_limits, lengths)
{
	static char text[2000];
	struct header h[2] = { { str_c(row->name), { text, row->most } },
			       H("Upstash-Flow-Control-Value", "rate=1") };
	struct options_source src = source(OPTIONS_PUBLISH);
	struct parsed r = { 0 };

	memset(text, 'x', sizeof(text));
	arena_init(&r.a);
	src.header =
		(struct headers){ h, str_eq(h[0].name, STR("Upstash-Flow-Control-Key")) ? 2 : 1 };
	run(&r, &src);
	T_CHECK(r.ok);
	h[0].value.n++;
	r.m = (struct msg){ 0 };
	run(&r, &src);
	T_CHECK(!r.ok);
	T_EQ_STR(r.p.text, row->text);
	arena_done(&r.a);
}

TEST(settings_are_not_without_end)
{
	struct options_source src = source(OPTIONS_PUBLISH);
	struct parsed r = { 0 };

	arena_init(&r.a);
	src.header.n = LIMIT_SETTINGS_COUNT;
	src.header.v = arena_array(&r.a, struct header, src.header.n + 1);
	run(&r, &src);
	T_CHECK(r.ok);
	src.header.n++;
	run(&r, &src);
	T_CHECK(!r.ok);
	T_EQ_STR(r.p.text, "at most 512 headers and parameters are allowed");
	arena_done(&r.a);
}

static const struct {
	const char *text;
	int value; /* -1 = refused */
} bools[] = {
	{ "1", 1 }, { "t", 1 },     { "T", 1 },    { "TRUE", 1 },  { "true", 1 },   { "True", 1 },
	{ "0", 0 }, { "f", 0 },     { "F", 0 },    { "FALSE", 0 }, { "false", 0 },  { "False", 0 },
	{ "", -1 }, { "tRUE", -1 }, { "yes", -1 }, { "2", -1 },    { "true ", -1 },
};

TEST_EACH(booleans, bools)
{
	bool value = false;

	T_EQ_INT(options_bool(str_c(row->text), &value), row->value >= 0);
	T_EQ_INT(value, row->value > 0);
}
