#include "t.h"

#include <stdlib.h>
#include <string.h>

#include "core/options.h"
#include "lines.h"

#define NOW_MS 1700000000123
#define NOW_S 1700000000

static const struct plan plan = {
	.message_bytes_max = 1000,
	.delay_max_s = 7 * 86400,
	.timeout_max_s = 900,
	.retries_max = 5,
};

struct ask {
	enum options_use use;
	const char *header, *query, *group;
};

static struct options_source source_of(struct arena *a, const struct ask *ask)
{
	return (struct options_source){
		.header = lines_headers(a, ask->header),
		.query = lines_headers(a, ask->query),
		.group = lines_headers(a, ask->group),
		.use = ask->use,
		.plan = &plan,
		.now_ms = NOW_MS,
	};
}

static struct msg fresh(void)
{
	return (struct msg){
		.user = STR("u"),
		.url = STR("https://a.example/x"),
		.body = STR("hello"),
		.caller_ip = STR("192.0.2.1"),
		.created_ms = NOW_MS,
		.not_before_ms = NOW_MS,
	};
}

/* ---- a message in words ------------------------------------------------------------------------------ */

static void put_text(struct buf *b, const char *name, struct str value)
{
	if (value.n)
		buf_fmt(b, "%s%s=%.*s", b->n ? "; " : "", name, STR_FMT(value));
}

static void put_number(struct buf *b, const char *name, int64_t value, int64_t usual)
{
	if (value != usual)
		buf_fmt(b, "%s%s=%lld", b->n ? "; " : "", name, (long long)value);
}

static void put_options(struct buf *b, const struct options *o)
{
	put_text(b, "dedup", o->dedup_id);
	put_number(b, "by_content", o->dedup_by_content, 0);
	put_text(b, "cron", o->cron);
	put_text(b, "id", o->schedule_id);
	put_number(b, "delay_s", o->delay_s, 0);
	put_number(b, "has_delay", o->has_delay, 0);
	put_number(b, "has_not_before", o->has_not_before, 0);
	put_number(b, "has_timeout", o->has_timeout, 0);
	put_number(b, "all", o->header_forward, 0);
}

/* Whatever is not as in a message without any settings. */
static struct str words(struct arena *a, const struct msg *m, const struct options *o)
{
	struct str text;
	struct buf b;

	buf_init(&b, 1 << 20);
	put_text(&b, "method", str_eq(m->method, STR("POST")) ? STR_NULL : m->method);
	put_number(&b, "timeout", m->timeout_ms, plan.timeout_max_s * 1000);
	put_number(&b, "retries", m->retries_max, 3);
	put_text(&b, "retry_delay", m->retry_delay);
	put_number(&b, "wait", m->not_before_ms - NOW_MS, 0);
	put_text(&b, "labels", m->labels);
	put_text(&b, "key", m->flow_key);
	put_number(&b, "parallelism", m->flow_parallelism, 0);
	put_number(&b, "rate", m->flow_rate, 0);
	put_number(&b, "period", m->flow_period_s, 0);
	put_text(&b, "redact", m->redact);
	put_text(&b, "queue", m->queue);
	put_text(&b, "callback", m->callback);
	put_text(&b, "callback_header", lines_text(a, &m->callback_header));
	put_text(&b, "failure", m->failure_callback);
	put_text(&b, "failure_header", lines_text(a, &m->failure_callback_header));
	put_options(&b, o);
	put_text(&b, "header", lines_text(a, &m->header));
	text = arena_str(a, buf_str(&b));
	buf_done(&b);
	return text;
}

static struct str parse_words(struct arena *a, const struct ask *ask, struct msg m)
{
	struct options_source src = source_of(a, ask);
	struct problem problem = { 0 };
	struct options o;

	if (!options_parse(a, &src, &m, &o, &problem))
		return arena_fmt(a, "%d %s", problem.status, problem.text);
	T_EQ_INT(problem.status, 0);
	return words(a, &m, &o);
}

/* ---- what is accepted -------------------------------------------------------------------------------- */

struct good {
	struct ask ask;
	const char *words;
};

#define H(text) { OPTIONS_PUBLISH, text, NULL, NULL }

static const struct good values[] = {
	{ H(""), "" },
	{ H("Accept: */*\nUser-Agent: x\nAuthorization: Bearer t\nHost: h"), "" },
	{ H("Content-Type: text/plain"), "header=Content-Type: text/plain" },
	{ H("content-type:   text/plain \t"), "header=Content-Type: text/plain" },
	{ H("Content-Type: a\nContent-Type: b"), "header=Content-Type: a" },
	{ H("Upstash-Method: GET"), "method=GET" },
	{ H("Upstash-Method: POST"), "" },
	{ H("Upstash-Method: PUT"), "method=PUT" },
	{ H("Upstash-Method: PATCH"), "method=PATCH" },
	{ H("Upstash-Method: delete"), "method=DELETE" },
	{ H("Upstash-Method:  GET "), "method=GET" },
	{ H("uPSTASH-mETHOD: GET"), "method=GET" },
	{ H("Upstash-Method:"), "" },
	{ H("Upstash-Method:\nUpstash-Method: GET\nUpstash-Method: PUT"), "method=GET" },
	{ H("Upstash-Timeout: 30s"), "timeout=30000; has_timeout=1" },
	{ H("Upstash-Timeout: 1.5s"), "timeout=1500; has_timeout=1" },
	{ H("Upstash-Timeout: 20"), "timeout=20000; has_timeout=1" },
	{ H("Upstash-Timeout: 15m"), "has_timeout=1" },
	{ H("Upstash-Timeout: 10d"), "has_timeout=1" },
	{ H("Upstash-Retries: 0"), "retries=0" },
	{ H("Upstash-Retries: 5"), "retries=5" },
	{ H("Upstash-Retries: 0005"), "retries=5" },
	{ H("Upstash-Retry-Delay: pow(2, retried) * 1000"), "retry_delay=pow(2, retried) * 1000" },
	{ H("Upstash-Delay: 0s"), "has_delay=1" },
	{ H("Upstash-Delay: 1h30m3s"), "wait=5403000; delay_s=5403; has_delay=1" },
	{ H("Upstash-Delay: 7d"), "wait=604800000; delay_s=604800; has_delay=1" },
	{ H("Upstash-Not-Before: 1700000010"), "wait=9877; has_not_before=1" },
	{ H("Upstash-Not-Before: 1700604800"), "wait=604799877; has_not_before=1" },
	{ H("Upstash-Not-Before: 1699999999"), "has_not_before=1" },
	{ H("Upstash-Not-Before: 0"), "has_not_before=1" },
	{ H("Upstash-Not-Before: 1700000010\nUpstash-Delay: 100s"),
	  "wait=9877; delay_s=100; has_delay=1; has_not_before=1" },
	{ H("Upstash-Label: one"), "labels=one" },
	{ H("Upstash-Label: one , two words,, three,"), "labels=one,two words,three" },
	{ H("Upstash-Label: one\nUpstash-Label: two"), "labels=one,two" },
	{ H("Upstash-Label: ,"), "" },
	{ H("Upstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: parallelism=3, rate=5, period=1m"),
	  "key=k; parallelism=3; rate=5; period=60" },
	{ H("Upstash-Flow-Control-Key: a key/with ,=\nUpstash-Flow-Control-Value: rate=10"),
	  "key=a key/with ,=; rate=10; period=1" },
	{ H("Upstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: period=7d,parallelism=1"),
	  "key=k; parallelism=1; period=604800" },
	{ H("Upstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: rate = 2 , period = 30"),
	  "key=k; rate=2; period=30" },
	{ H("Upstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: ratePerSecond=4"),
	  "key=k; rate=4; period=1" },
	{ H("Upstash-Redact-Fields: body, headers"), "redact=body,header" },
	{ H("Upstash-Redact-Fields: header[authorization], header[X-a]"),
	  "redact=header[Authorization],header[X-A]" },
	{ H("Upstash-Redact-Fields: header[a]\nUpstash-Redact-Fields: body"), "redact=body,header[A]" },
	{ H("Upstash-Queue-Name: my_queue-1.x"), "queue=my_queue-1.x" },
	{ H("Upstash-Deduplication-Id: order 1"), "dedup=order 1" },
	{ H("Upstash-Content-Based-Deduplication: True"), "by_content=1" },
	{ H("Upstash-Content-Based-Deduplication: f"), "" },
	{ H("Upstash-Callback: HTTPS://cb.example/x?y=z"), "callback=HTTPS://cb.example/x?y=z" },
	{ H("Upstash-Callback: http://localhost:3000/a#frag"), "callback=http://localhost:3000/a" },
	{ H("Upstash-Failure-Callback: http://f"), "failure=http://f" },
	{ H("Upstash-Callback: http://c\nUpstash-Callback-Method: GET\nUpstash-Callback-retries: 2\n"
	    "Upstash-Callback-Timeout: 3s\nUpstash-Callback-Retry-Delay: 1000\nUpstash-Callback-Delay: 7d\n"
	    "Upstash-Callback-Forward-x-y: z"),
	  "callback=http://c; callback_header=Method: GET | Retries: 2 | Timeout: 3s | Retry-Delay: 1000 | "
	  "Delay: 7d | Forward-X-Y: z" },
	{ H("Upstash-Failure-Callback: http://c\nUpstash-Failure-Callback-Retries: 1\n"
	    "Upstash-Failure-Callback-Forward-Authorization: Bearer x"),
	  "failure=http://c; failure_header=Retries: 1 | Forward-Authorization: Bearer x" },
	{ H("Upstash-Callback-Retries: 2\nUpstash-Failure-Callback-Method: GET"), "" },
	{ H("Upstash-Telemetry-Sdk: js\nUpstash-Telemetry-Runtime: node\nUpstash-Feature-Set: a\n"
	    "Upstash-Workflow-Init: true\nUpstash-Whatever: 1\nUpstash-: 2\nUpstash: 3"), "" },
	{ H("Upstash-Cron: not a cron\nUpstash-Schedule-Id: not a name"), "" },
};

TEST_EACH(takes_values, values)
{
	struct arena a;

	arena_init(&a);
	T_EQ_STR(parse_words(&a, &row->ask, fresh()), row->words);
	arena_done(&a);
}

static const struct good forwards[] = {
	{ H("Upstash-Forward-test-header: v"), "header=Test-Header: v" },
	{ H("Upstash-Forward-Authorization: Bearer x\nAuthorization: Bearer t"), "header=Authorization: Bearer x" },
	{ H("Upstash-Forward-X: 1\nUpstash-Forward-X: 2"), "header=X: 1 | X: 2" },
	{ H("Upstash-Forward-X:"), "header=X: " },
	{ H("Upstash-Forward-X: a, b"), "header=X: a, b" },
	{ H("Upstash-Forward-Content-Type: b\nContent-Type: a"), "header=Content-Type: b" },
	{ H("Upstash-Forward-User-Agent: me"), "header=User-Agent: me" },
	{ H("Upstash-Forward-Upstash-Signature: x\nUpstash-Forward-Upstash-Message-Id: x\n"
	    "Upstash-Forward-Upstash-Retried: 9\nUpstash-Forward-Upstash-Topic-Name: x\n"
	    "Upstash-Forward-Upstash-Caller-Ip: x\nUpstash-Forward-Upstash-Schedule-Id: x\n"
	    "Upstash-Forward-Upstash-Region: x"), "" },
	{ H("Upstash-Forward-Host: x\nUpstash-Forward-Content-Length: 1\nUpstash-Forward-Connection: x\n"
	    "Upstash-Forward-Transfer-Encoding: chunked"), "" },
	{ H("Upstash-Forward-Upstash-Workflow-RunId: r"), "header=Upstash-Workflow-Runid: r" },
	{ H("Upstash-Header-Forward: false\nX-A: 1"), "" },
	{ H("Upstash-Header-Forward: true\nX-a: 1\nHost: h\nAuthorization: t\nUser-Agent: u\nContent-Length: 3\n"
	    "Connection: close, X-Hop\nX-Hop: 1\nTE: x\nCookie: c\nUpstash-Retries: 1\nContent-Type: t"),
	  "retries=1; all=1; header=Content-Type: t | X-A: 1 | Cookie: c" },
	{ H("Upstash-Header-Forward: 1\nX-A: plain\nUpstash-Forward-x-a: named"), "all=1; header=X-A: named" },
	{ H("Upstash-Header-Forward: 1\nX-A: 1\nX-A: 2"), "all=1; header=X-A: 1 | X-A: 2" },
};

TEST_EACH(forwards_headers, forwards)
{
	struct arena a;

	arena_init(&a);
	T_EQ_STR(parse_words(&a, &row->ask, fresh()), row->words);
	arena_done(&a);
}

static const struct good strengths[] = {
	{ { OPTIONS_PUBLISH, "", "upstash-retries: 1", "" }, "retries=1" },
	{ { OPTIONS_PUBLISH, "Upstash-Retries: 2", "upstash-retries: 1", "" }, "retries=2" },
	{ { OPTIONS_PUBLISH, "Upstash-Retries:", "upstash-retries: 1", "Upstash-Retries: 0" }, "retries=1" },
	{ { OPTIONS_PUBLISH, "", "", "upstash-retries: 0" }, "retries=0" },
	{ { OPTIONS_PUBLISH, "", "upstash-retries:", "Upstash-Retries: 0" }, "retries=0" },
	{ { OPTIONS_PUBLISH, "Upstash-Label: a\nUpstash-Label: b", "upstash-label: c", "" }, "labels=a,b" },
	{ { OPTIONS_PUBLISH, "", "upstash-label: c\nupstash-label: d", "Upstash-Label: e" }, "labels=c,d" },
	{ { OPTIONS_PUBLISH, "Upstash-Forward-A: 1", "upstash-forward-a: 2\nupstash-forward-b: 3",
	    "Upstash-Forward-B: 4\nUpstash-Forward-C: 5" }, "header=A: 1 | B: 3 | C: 5" },
	{ { OPTIONS_PUBLISH, "Content-Type: a", "", "Upstash-Forward-Content-Type: b" }, "header=Content-Type: a" },
	{ { OPTIONS_PUBLISH, "", "", "Upstash-Forward-Content-Type: b\nContent-Type: c" },
	  "header=Content-Type: b" },
	{ { OPTIONS_PUBLISH, "", "", "Content-Type: c" }, "header=Content-Type: c" },
	{ { OPTIONS_PUBLISH, "X-A: 1", "upstash-header-forward: true", "" }, "all=1; header=X-A: 1" },
	{ { OPTIONS_PUBLISH, "X-A: 1\nUpstash-Header-Forward: false", "upstash-header-forward: true", "" }, "" },
	{ { OPTIONS_PUBLISH, "X-A: 1", "", "Upstash-Header-Forward: true\nUpstash-Forward-X-A: 2" },
	  "all=1; header=X-A: 1" },
	{ { OPTIONS_PUBLISH, "Upstash-Callback: http://c\nUpstash-Callback-Retries: 1", "",
	    "Upstash-Callback-Retries: 2\nUpstash-Callback-Method: PUT" },
	  "callback=http://c; callback_header=Retries: 1 | Method: PUT" },
	{ { OPTIONS_PUBLISH, "", "", "Upstash-Callback: http://c\nUpstash-Callback-Retries: 2" },
	  "callback=http://c; callback_header=Retries: 2" },
	{ { OPTIONS_PUBLISH, "Upstash-Flow-Control-Key: k", "upstash-flow-control-value: rate=1", "" },
	  "key=k; rate=1; period=1" },
};

TEST_EACH(prefers_header_then_query_then_group, strengths)
{
	struct arena a;

	arena_init(&a);
	T_EQ_STR(parse_words(&a, &row->ask, fresh()), row->words);
	arena_done(&a);
}

static const struct good uses[] = {
	{ { OPTIONS_SCHEDULE, "Upstash-Cron: * * * * *", "", "" }, "cron=* * * * *" },
	{ { OPTIONS_SCHEDULE, "Upstash-Cron: CRON_TZ=Europe/Berlin 0 9 * * MON\nUpstash-Schedule-Id: a.b-c_1\n"
	    "Upstash-Delay: 5s\nUpstash-Queue-Name: q\nUpstash-Timeout: 2s", "", "" },
	  "timeout=2000; wait=5000; queue=q; cron=CRON_TZ=Europe/Berlin 0 9 * * MON; id=a.b-c_1; delay_s=5; "
	  "has_delay=1; has_timeout=1" },
	{ { OPTIONS_SCHEDULE, "Upstash-Cron: @daily\nUpstash-Not-Before: x", "", "" }, "cron=@daily" },
	{ { OPTIONS_SCHEDULE, "", "upstash-cron: @hourly", "" }, "cron=@hourly" },
	{ { OPTIONS_ENQUEUE, "Upstash-Delay: 1s\nUpstash-Cron: x", "", "" }, "wait=1000; delay_s=1; has_delay=1" },
	{ { OPTIONS_BATCH_ITEM, "content-type: a\nupstash-forward-b: c\nupstash-retries: 1", "", "" },
	  "retries=1; header=B: c | Content-Type: a" },
};

TEST_EACH(knows_what_each_use_knows, uses)
{
	struct arena a;

	arena_init(&a);
	T_EQ_STR(parse_words(&a, &row->ask, fresh()), row->words);
	arena_done(&a);
}

TEST(path_names_the_queue)
{
	struct ask ask = { OPTIONS_ENQUEUE, "Upstash-Queue-Name: other", NULL, NULL };
	struct msg m = fresh();
	struct arena a;

	arena_init(&a);
	m.queue = STR("mine");
	T_EQ_STR(parse_words(&a, &ask, m), "queue=mine");
	arena_done(&a);
}

/* ---- retries of dead letters ------------------------------------------------------------------------- */

static const struct good retries[] = {
	{ { OPTIONS_RETRY, "", "", "" },
	  "method=PUT; timeout=7000; retries=1; retry_delay=5; labels=l; key=k; rate=2; period=9; redact=body; "
	  "queue=q; callback=http://c; callback_header=Retries: 2; failure=http://f; "
	  "header=X-A: 1 | Content-Type: t" },
	{ { OPTIONS_RETRY, "Content-Type: application/json\nUpstash-Header-Forward: true\nX-B: 1\n"
	    "Upstash-Deduplication-Id: d", "", "" },
	  "method=PUT; timeout=7000; retries=1; retry_delay=5; labels=l; key=k; rate=2; period=9; redact=body; "
	  "queue=q; callback=http://c; callback_header=Retries: 2; failure=http://f; "
	  "header=X-A: 1 | Content-Type: t" },
	{ { OPTIONS_RETRY, "Upstash-Retries: 0\nUpstash-Method: GET\nUpstash-Timeout: 1s\nUpstash-Retry-Delay: 6\n"
	    "Upstash-Delay: 2s\nUpstash-Label: m\nUpstash-Flow-Control-Key: j\nUpstash-Redact-Fields: header\n"
	    "Upstash-Queue-Name: r", "upstash-callback-retries: 4\nupstash-callback-method: GET",
	    "" },
	  "method=GET; timeout=1000; retries=0; retry_delay=6; wait=2000; labels=m; key=j; rate=2; period=9; "
	  "redact=header; queue=r; callback=http://c; callback_header=Retries: 4 | Method: GET; "
	  "failure=http://f; delay_s=2; has_delay=1; has_timeout=1; header=X-A: 1 | Content-Type: t" },
	{ { OPTIONS_RETRY, "Upstash-Forward-X-A: 2\nUpstash-Callback: http://d\n"
	    "Upstash-Flow-Control-Value: parallelism=5", "", "" },
	  "method=PUT; timeout=7000; retries=1; retry_delay=5; labels=l; key=k; parallelism=5; period=1; "
	  "redact=body; queue=q; callback=http://d; callback_header=Retries: 2; failure=http://f; "
	  "header=X-A: 2 | Content-Type: t" },
};

TEST_EACH(overrides_only_what_is_given, retries)
{
	struct msg m = fresh();
	struct arena a;

	arena_init(&a);
	m.method = STR("PUT");
	m.timeout_ms = 7000;
	m.retries_max = 1;
	m.retry_delay = STR("5");
	m.labels = STR("l");
	m.flow_key = STR("k");
	m.flow_rate = 2;
	m.flow_period_s = 9;
	m.redact = STR("body");
	m.queue = STR("q");
	m.callback = STR("http://c");
	m.callback_header = lines_headers(&a, "Retries: 2");
	m.failure_callback = STR("http://f");
	m.header = lines_headers(&a, "X-A: 1\nContent-Type: t");
	T_EQ_STR(parse_words(&a, &row->ask, m), row->words);
	arena_done(&a);
}

/* ---- what is refused --------------------------------------------------------------------------------- */

struct bad {
	enum options_use use;
	const char *header;
	int status;
	const char *part; /* that the text has */
};

static const struct bad refusals[] = {
	{ OPTIONS_PUBLISH, "Upstash-Method: HEAD", 400, "Upstash-Method: GET, POST, PUT, PATCH and DELETE" },
	{ OPTIONS_PUBLISH, "Upstash-Timeout: 0", 400, "Upstash-Timeout: " },
	{ OPTIONS_PUBLISH, "Upstash-Timeout: 0.0001s", 400, "Upstash-Timeout: " },
	{ OPTIONS_PUBLISH, "Upstash-Timeout: 1w", 400, "Upstash-Timeout: a duration is allowed" },
	{ OPTIONS_PUBLISH, "Upstash-Timeout: -1s", 400, "Upstash-Timeout: " },
	{ OPTIONS_PUBLISH, "Upstash-Retries: -1", 400, "Upstash-Retries: an integer" },
	{ OPTIONS_PUBLISH, "Upstash-Retries: 1.5", 400, "Upstash-Retries: " },
	{ OPTIONS_PUBLISH, "Upstash-Retries: many", 400, "Upstash-Retries: " },
	{ OPTIONS_PUBLISH, "Upstash-Retries: 99999999999999999999", 400, "Upstash-Retries: " },
	{ OPTIONS_PUBLISH, "Upstash-Retries: 6", 412, "quota maxRetries exceeded, current limit: 5" },
	{ OPTIONS_PUBLISH, "Upstash-Retry-Delay: 1 +", 400, "Upstash-Retry-Delay: " },
	{ OPTIONS_PUBLISH, "Upstash-Retry-Delay: system(1)", 400, "Upstash-Retry-Delay: " },
	{ OPTIONS_PUBLISH, "Upstash-Delay: soon", 400, "Upstash-Delay: a duration" },
	{ OPTIONS_PUBLISH, "Upstash-Delay: 10ms", 400, "Upstash-Delay: " },
	{ OPTIONS_PUBLISH, "Upstash-Delay: 1h 30m", 400, "Upstash-Delay: " },
	{ OPTIONS_PUBLISH, "Upstash-Delay: 7d1s", 412, "quota maxDelay exceeded, current limit: 604800" },
	{ OPTIONS_PUBLISH, "Upstash-Not-Before: tomorrow", 400, "Upstash-Not-Before: a Unix time in seconds" },
	{ OPTIONS_PUBLISH, "Upstash-Not-Before: -5", 400, "Upstash-Not-Before: " },
	{ OPTIONS_PUBLISH, "Upstash-Not-Before: 1700604801", 412,
	  "quota maxDelay exceeded, current limit: 604800" },
	{ OPTIONS_PUBLISH, "Upstash-Not-Before: 18446744073709551615", 400, "Upstash-Not-Before: " },
	{ OPTIONS_PUBLISH, "Upstash-Flow-Control-Key: k", 400, "Upstash-Flow-Control-Value: is missing" },
	{ OPTIONS_PUBLISH, "Upstash-Flow-Control-Value: rate=1", 400, "Upstash-Flow-Control-Key: is missing" },
	{ OPTIONS_PUBLISH, "Upstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: period=1s", 400,
	  "Upstash-Flow-Control-Value: parallelism or rate is needed" },
	{ OPTIONS_PUBLISH, "Upstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: rate=0", 400, "invalid rate" },
	{ OPTIONS_PUBLISH, "Upstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: parallelism=-1", 400,
	  "invalid parallelism" },
	{ OPTIONS_PUBLISH, "Upstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: rate=1,period=7d1s", 400,
	  "invalid period" },
	{ OPTIONS_PUBLISH, "Upstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: rate=1,period=0s", 400,
	  "invalid period" },
	{ OPTIONS_PUBLISH, "Upstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: rate=1,burst=3", 400,
	  "invalid burst" },
	{ OPTIONS_PUBLISH, "Upstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: rate", 400, "invalid rate" },
	{ OPTIONS_PUBLISH, "Upstash-Flow-Control-Key: k\nUpstash-Flow-Control-Value: rate=1000000001", 400,
	  "invalid rate" },
	{ OPTIONS_PUBLISH, "Upstash-Redact-Fields: everything", 400, "Upstash-Redact-Fields: unknown field" },
	{ OPTIONS_PUBLISH, "Upstash-Redact-Fields: header[]", 400, "Upstash-Redact-Fields: " },
	{ OPTIONS_PUBLISH, "Upstash-Queue-Name: my queue", 400, "Upstash-Queue-Name: only letters" },
	{ OPTIONS_PUBLISH, "Upstash-Content-Based-Deduplication: yes", 400,
	  "Upstash-Content-Based-Deduplication: true and false" },
	{ OPTIONS_PUBLISH, "Upstash-Header-Forward: on", 400, "Upstash-Header-Forward: true and false" },
	{ OPTIONS_PUBLISH, "Upstash-Callback: cb.example", 400, "Upstash-Callback: invalid url" },
	{ OPTIONS_PUBLISH, "Upstash-Callback: ftp://cb.example", 400, "Upstash-Callback: invalid url" },
	{ OPTIONS_PUBLISH, "Upstash-Failure-Callback: http://", 400, "Upstash-Failure-Callback: invalid url" },
	{ OPTIONS_PUBLISH, "Upstash-Callback: http://c\nUpstash-Callback-Retries: x", 400,
	  "Upstash-Callback-Retries: " },
	{ OPTIONS_PUBLISH, "Upstash-Callback: http://c\nUpstash-Callback-Retries: 6", 412, "quota maxRetries" },
	{ OPTIONS_PUBLISH, "Upstash-Callback: http://c\nUpstash-Callback-Delay: 8d", 412,
	  "quota maxDelay exceeded, current limit: 604800" },
	{ OPTIONS_PUBLISH, "Upstash-Failure-Callback: http://c\nUpstash-Failure-Callback-Method: TRACE", 400,
	  "Upstash-Failure-Callback-Method: " },
	{ OPTIONS_PUBLISH, "Upstash-Callback: http://c\nUpstash-Callback-Flow-Control-Key: x", 400,
	  "Upstash-Callback-Flow-Control-Value: is missing" },
	{ OPTIONS_PUBLISH, "Upstash-Callback: http://c\nUpstash-Callback-Redact-Fields: x", 400,
	  "Upstash-Callback-Redact-Fields: " },
	{ OPTIONS_PUBLISH, "Upstash-Callback: http://c\nUpstash-Callback-Forward-A b: x", 400,
	  "Upstash-Callback-Forward-A b: " },
	{ OPTIONS_PUBLISH, "Upstash-Forward-: x", 400, "Upstash-Forward-: not a valid header name" },
	{ OPTIONS_PUBLISH, "Upstash-Forward-A b: x", 400, "Upstash-Forward-A b: not a valid header name" },
	{ OPTIONS_PUBLISH, "Upstash-Forward-A: x\ry", 400, "Upstash-Forward-A: control characters" },
	{ OPTIONS_PUBLISH, "Upstash-Retries: 1\x01", 400, "Upstash-Retries: control characters" },
	{ OPTIONS_PUBLISH, "Content-Type: a\x7f", 400, "Content-Type: " },
	{ OPTIONS_PUBLISH, "Upstash-Header-Forward: true\nX-A: a\rb", 400, "X-A: " },
	{ OPTIONS_PUBLISH, "Upstash-Header-Forward: true\nX A: a", 400, "X A: " },
	{ OPTIONS_SCHEDULE, "", 400, "Upstash-Cron: is missing" },
	{ OPTIONS_SCHEDULE, "Upstash-Cron: * * * *", 400, "ron" },
	{ OPTIONS_SCHEDULE, "Upstash-Cron: @daily\nUpstash-Schedule-Id: a/b", 400, "Upstash-Schedule-Id: only" },
	{ OPTIONS_RETRY, "Upstash-Retries: 6", 412, "quota maxRetries exceeded, current limit: 5" },
};

static void expect_refusal(const struct options_source *src, struct msg m, int status, const char *part)
{
	struct options o = { .delay_s = -7 };
	struct problem problem = { 0 };
	struct arena a;

	arena_init(&a);
	T_CHECK(!options_parse(&a, src, &m, &o, &problem));
	T_EQ_INT(problem.status, status);
	if (!strstr(problem.text, part))
		T_FAIL("\"%s\" does not have \"%s\"", problem.text, part);
	T_EQ_INT(o.delay_s, -7);
	arena_done(&a);
}

TEST_EACH(refuses_and_names_the_header, refusals)
{
	struct ask ask = { row->use, row->header, NULL, NULL };
	struct options_source src;
	struct arena a;

	arena_init(&a);
	src = source_of(&a, &ask);
	expect_refusal(&src, fresh(), row->status, row->part);
	arena_done(&a);
}

TEST(refuses_a_nul_in_a_value)
{
	struct header h = { STR("Upstash-Forward-A"), STR("a\0b") };
	struct options_source src = { .header = { &h, 1 }, .plan = &plan, .now_ms = NOW_MS };

	expect_refusal(&src, fresh(), 400, "Upstash-Forward-A: control characters");
	h.value = STR("a\nb");
	expect_refusal(&src, fresh(), 400, "Upstash-Forward-A: control characters");
}

TEST(refuses_a_body_beyond_the_plan)
{
	struct options_source src = { .plan = &plan, .now_ms = NOW_MS };
	static const char body[1001];
	struct msg m = fresh();

	m.body = str_n(body, sizeof(body));
	expect_refusal(&src, m, 412, "quota maxMessageSize exceeded, current limit: 1000");
}

TEST(api_needs_a_callback)
{
	struct options_source src = { .plan = &plan, .now_ms = NOW_MS };
	struct msg m = fresh();

	m.api = STR("llm");
	expect_refusal(&src, m, 400, "Upstash-Callback: is missing");
}

/* `count` headers with the same name, each value `value_bytes` long. */
static struct headers many(struct arena *a, struct str name, size_t count, size_t value_bytes)
{
	struct headers h = { arena_array(a, struct header, count), count };
	char *value = arena_alloc(a, value_bytes);

	memset(value, 'x', value_bytes);
	for (size_t i = 0; i < count; i++)
		h.v[i] = (struct header){ name, str_n(value, value_bytes) };
	return h;
}

static const struct {
	const char *name;
	size_t ok_count, ok_bytes, bad_count, bad_bytes;
	const char *part;
} limits[] = {
	{ "Upstash-Forward-A", 128, 10, 129, 10, "Upstash-Forward-*: at most 128 headers" },
	{ "Upstash-Forward-A", 1, 65535, 1, 65536, "Upstash-Forward-*: at most 128 headers" },
	{ "Upstash-Label", 100, 1024, 101, 1, "Upstash-Label: at most 100 labels" },
	{ "Upstash-Label", 1, 1024, 1, 1025, "Upstash-Label: at most 100 labels" },
	{ "Upstash-Deduplication-Id", 1, 1024, 1, 1025, "Upstash-Deduplication-Id: at most 1024" },
	{ "Upstash-Queue-Name", 1, 256, 1, 257, "Upstash-Queue-Name: only letters" },
	{ "Accept", 512, 10, 513, 10, "at most 512 headers and parameters" },
};

TEST_EACH(keeps_limits, limits)
{
	struct options_source src = { .plan = &plan, .now_ms = NOW_MS };
	struct problem problem;
	struct msg m = fresh();
	struct options o;
	struct arena a;

	arena_init(&a);
	src.header = many(&a, str_c(row->name), row->ok_count, row->ok_bytes);
	T_CHECK(options_parse(&a, &src, &m, &o, &problem));
	src.header = many(&a, str_c(row->name), row->bad_count, row->bad_bytes);
	expect_refusal(&src, fresh(), 400, row->part);
	arena_done(&a);
}

TEST(callback_settings_are_limited)
{
	struct headers with_url = { 0 }, all;
	struct options_source src = { .plan = &plan, .now_ms = NOW_MS };
	struct arena a;

	arena_init(&a);
	with_url = lines_headers(&a, "Upstash-Callback: http://c");
	all = many(&a, STR("Upstash-Callback-Forward-A"), 130, 1);
	all.v[0] = with_url.v[0];
	src.header = all;
	expect_refusal(&src, fresh(), 400, "Upstash-Callback-*: at most 128");
	arena_done(&a);
}

TEST(flow_key_is_limited)
{
	struct options_source src = { .plan = &plan, .now_ms = NOW_MS };
	struct arena a;

	arena_init(&a);
	src.header = many(&a, STR("Upstash-Flow-Control-Key"), 1, 1025);
	expect_refusal(&src, fresh(), 400, "Upstash-Flow-Control-Key: at most 1024");
	arena_done(&a);
}

/* ---- plans ------------------------------------------------------------------------------------------- */

TEST(unlimited_plan_has_the_limits_of_the_domain)
{
	static const struct plan open = { .timeout_max_s = 60 };
	struct options_source src = { .plan = &open, .now_ms = NOW_MS };
	struct problem problem;
	struct msg m = fresh();
	struct options o;
	struct arena a;

	arena_init(&a);
	src.header = lines_headers(&a, "Upstash-Retries: 1000000\nUpstash-Delay: 36500d");
	T_CHECK(options_parse(&a, &src, &m, &o, &problem));
	T_EQ_INT(m.retries_max, 1000000);
	T_EQ_INT(m.not_before_ms, NOW_MS + 36500LL * 86400 * 1000);
	src.header = lines_headers(&a, "Upstash-Retries: 1000001");
	expect_refusal(&src, fresh(), 412, "current limit: 1000000");
	src.header = lines_headers(&a, "Upstash-Delay: 36501d");
	expect_refusal(&src, fresh(), 412, "current limit: 3153600000");
	arena_done(&a);
}

TEST(few_retries_of_a_plan_are_the_default)
{
	static const struct plan small = { .timeout_max_s = 60, .retries_max = 2 };
	struct options_source src = { .plan = &small, .now_ms = NOW_MS };
	struct problem problem;
	struct msg m = fresh();
	struct options o;
	struct arena a;

	arena_init(&a);
	T_CHECK(options_parse(&a, &src, &m, &o, &problem));
	T_EQ_INT(m.retries_max, 2);
	T_EQ_INT(m.timeout_ms, 60000);
	arena_done(&a);
}

/* ---- booleans ---------------------------------------------------------------------------------------- */

static const struct {
	const char *text;
	int value; /* -1 = none */
} booleans[] = {
	{ "1", 1 },     { "t", 1 },     { "T", 1 },     { "TRUE", 1 },  { "true", 1 },  { "True", 1 },
	{ "0", 0 },     { "f", 0 },     { "F", 0 },     { "FALSE", 0 }, { "false", 0 }, { "False", 0 },
	{ "", -1 },     { "yes", -1 },  { "tRUE", -1 }, { "2", -1 },    { "true ", -1 }, { "fals", -1 },
};

TEST_EACH(reads_booleans, booleans)
{
	bool value = row->value == 0;

	T_CHECK(options_bool(str_c(row->text), &value) == (row->value >= 0));
	T_CHECK(value == (row->value != 0) || row->value < 0);
}

/* ---- deduplication ----------------------------------------------------------------------------------- */

static struct str key_of(struct arena *a, const struct msg *m, const char *id, bool by_content)
{
	struct options o = { .dedup_id = str_c(id), .dedup_by_content = by_content };

	return options_dedup_key(a, m, &o);
}

TEST(explicit_id_wins_and_is_the_whole_key)
{
	struct msg m = fresh(), other = fresh();
	struct arena a;

	arena_init(&a);
	other.url = STR("https://b.example");
	other.body = STR("other");
	T_EQ_INT(key_of(&a, &m, "", false).n, 0);
	T_CHECK(key_of(&a, &m, "x", false).n > 0);
	T_EQ_STR(key_of(&a, &m, "x", true), key_of(&a, &other, "x", false));
	T_CHECK(!str_eq(key_of(&a, &m, "x", false), key_of(&a, &m, "y", false)));
	arena_done(&a);
}

TEST(group_deduplicates_per_endpoint)
{
	struct msg m = fresh(), other = fresh();
	struct arena a;

	arena_init(&a);
	m.topic = other.topic = STR("g");
	T_EQ_STR(key_of(&a, &m, "x", false), key_of(&a, &other, "x", false));
	other.url = STR("https://b.example");
	T_CHECK(!str_eq(key_of(&a, &m, "x", false), key_of(&a, &other, "x", false)));
	T_CHECK(!str_eq(key_of(&a, &m, "", true), key_of(&a, &other, "", true)));
	arena_done(&a);
}

/* Each of these changes the content; `same` says that it is none. */
static void other_url(struct msg *m)
{
	m->url = STR("https://a.example/y");
}

static void other_body(struct msg *m)
{
	m->body = STR("hello!");
}

static void other_topic(struct msg *m)
{
	m->topic = STR("g");
}

static void other_value(struct msg *m)
{
	m->header.v[0].value = STR("2");
}

static void other_name(struct msg *m)
{
	m->header.v[0].name = STR("X-B");
}

static void less_headers(struct msg *m)
{
	m->header.n = 1;
}

/* "X-A", "1" and "X-A1", "" are the same bytes one after the other. */
static void shifted(struct msg *m)
{
	m->header.v[0] = (struct header){ STR("X-A1"), STR("") };
}

static void settings(struct msg *m)
{
	m->retries_max = 9;
	m->labels = STR("l");
	m->caller_ip = STR("192.0.2.9");
	m->not_before_ms++;
	m->created_ms++;
	m->method = STR("PUT");
}

static const struct {
	void (*change)(struct msg *m);
	bool same;
} changes[] = {
	{ other_url, false },  { other_body, false },   { other_topic, false }, { other_value, false },
	{ other_name, false }, { less_headers, false }, { shifted, false },     { settings, true },
};

TEST_EACH(content_is_destination_body_and_headers, changes)
{
	struct msg m = fresh(), changed = fresh();
	struct arena a;

	arena_init(&a);
	m.header = lines_headers(&a, "X-A: 1\nContent-Type: t");
	changed.header = lines_headers(&a, "X-A: 1\nContent-Type: t");
	T_EQ_STR(key_of(&a, &m, "", true), key_of(&a, &changed, "", true));
	row->change(&changed);
	T_CHECK(str_eq(key_of(&a, &m, "", true), key_of(&a, &changed, "", true)) == row->same);
	arena_done(&a);
}
