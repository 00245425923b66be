/* Forwarded headers, settings of callbacks, and which source wins. */
#include "kit.h"

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

static void parse(struct parsed *r, enum options_use use, const char *header, const char *query,
		  const char *group)
{
	struct options_source src = { .use = use, .plan = plan_find(STR("payg")), .now_ms = NOW };

	*r = (struct parsed){ .m = { .created_ms = NOW, .url = STR("http://x") } };
	arena_init(&r->a);
	src.header = kit_headers(&r->a, header);
	src.query = kit_headers(&r->a, query);
	src.group = kit_headers(&r->a, group);
	r->ok = options_parse(&r->a, &src, &r->m, &r->o, &r->p);
}

static const struct {
	const char *header, *query, *group, *want;
} forwards[] = {
	{ "", "", "", "" },
	{ "Content-Type: text/plain\nX: y\nAuthorization: z", "", "",
	  "Content-Type: text/plain\n" },
	{ "content-type: text/plain", "", "", "Content-Type: text/plain\n" },
	{ "Content-Type:", "", "", "" },
	{ "Upstash-Forward-Test-Header: test-value", "", "", "Test-Header: test-value\n" },
	{ "upstash-forward-test-header: test-value", "", "", "Test-Header: test-value\n" },
	{ "Upstash-Forward-Authorization: Bearer x", "", "", "Authorization: Bearer x\n" },
	{ "Upstash-Forward-User-Agent: x", "", "", "User-Agent: x\n" },
	{ "Upstash-Forward-X:", "", "", "X: \n" },
	{ "Upstash-Forward-X: 1\nUpstash-Forward-x: 2", "", "", "X: 1\nX: 2\n" },
	{ "Upstash-Forward-X: value-uppercase, value-lowercase", "", "",
	  "X: value-uppercase, value-lowercase\n" },
	{ "Upstash-Forward-B: 2\nUpstash-Forward-A: 1", "", "", "B: 2\nA: 1\n" },
	/* The prefixed one overrides. */
	{ "Content-Type: a\nUpstash-Forward-Content-Type: b", "", "", "Content-Type: b\n" },
	{ "Upstash-Forward-Content-Type: b\nContent-Type: a", "", "", "Content-Type: b\n" },
	/* What is not forwardable goes without a word. */
	{ "Upstash-Forward-Host: x\nUpstash-Forward-Content-Length: 5\nUpstash-Forward-Connection: "
	  "close\n"
	  "Upstash-Forward-Transfer-Encoding: chunked\nUpstash-Forward-Accept-Encoding: br\n"
	  "Upstash-Forward-TE: x\nUpstash-Forward-Upgrade: x\nUpstash-Forward-Expect: x\n"
	  "Upstash-Forward-Keep-Alive: x\nUpstash-Forward-A: b",
	  "", "", "A: b\n" },
	{ "Upstash-Forward-Upstash-Signature: x\nUpstash-Forward-Upstash-Message-Id: x\n"
	  "Upstash-Forward-Upstash-Retried: x\nUpstash-Forward-Upstash-Schedule-Id: x\n"
	  "Upstash-Forward-Upstash-Caller-Ip: x\nUpstash-Forward-Upstash-Region: x",
	  "", "", "" },
	{ "Upstash-Forward-Upstash-Workflow-Sdk-Version: 1\nUpstash-Forward-Upstash-Label: l\n"
	  "Upstash-Forward-Upstash-Retries: 5\nUpstash-Forward-Upstash-Forward-X: y",
	  "", "",
	  "Upstash-Workflow-Sdk-Version: 1\nUpstash-Label: l\nUpstash-Retries: "
	  "5\nUpstash-Forward-X: y\n" },
	/* Sources. */
	{ "", "upstash-forward-x: q", "", "X: q\n" },
	{ "Upstash-Forward-X: h", "upstash-forward-x: q", "Upstash-Forward-X: g", "X: h\n" },
	{ "", "upstash-forward-x: q", "Upstash-Forward-X: g", "X: q\n" },
	{ "Upstash-Forward-A: h", "upstash-forward-b: q", "Upstash-Forward-C: g",
	  "A: h\nB: q\nC: g\n" },
	{ "Upstash-Forward-A: h1\nUpstash-Forward-A: h2", "", "Upstash-Forward-A: g",
	  "A: h1\nA: h2\n" },
	{ "", "", "Upstash-Forward-A: g1\nUpstash-Forward-A: g2", "A: g1\nA: g2\n" },
	{ "Content-Type: h", "upstash-forward-content-type: q", "Content-Type: g",
	  "Content-Type: h\n" },
	{ "", "upstash-forward-content-type: q", "Content-Type: g", "Content-Type: q\n" },
	{ "", "", "Content-Type: g\nX: y", "Content-Type: g\n" },
	/* All headers of the request. */
	{ "Upstash-Header-Forward: true\nX-Hub-Signature: abc\nContent-Type: application/json\n"
	  "Authorization: Bearer t\nHost: h\nContent-Length: 7\nUser-Agent: curl\nAccept: */*\n"
	  "Upstash-Retries: 3\nUpstash-Foo: x",
	  "", "", "X-Hub-Signature: abc\nAccept: */*\nContent-Type: application/json\n" },
	{ "X: y", "upstash-header-forward: true", "", "X: y\n" },
	{ "X: y", "", "Upstash-Header-Forward: true", "X: y\n" },
	{ "X: y\nUpstash-Header-Forward: false", "upstash-header-forward: true", "", "" },
	{ "Upstash-Header-Forward: true\nX: plain\nUpstash-Forward-X: given", "", "",
	  "X: given\n" },
	{ "Upstash-Header-Forward: true\nX: plain", "upstash-forward-x: q", "", "X: plain\n" },
	{ "Upstash-Header-Forward: true\nX: 1\nX: 2", "", "", "X: 1\nX: 2\n" },
	{ "Upstash-Header-Forward: true\nConnection: close, X-Hop\nX-Hop: 1\nx-hop: 2\nX-Other: 3",
	  "", "", "X-Other: 3\n" },
	{ "Upstash-Header-Forward: true\nUpstash-Forward-Authorization: mine\nAuthorization: "
	  "qstash",
	  "", "", "Authorization: mine\n" },
};

/* The order of headers is no promise: compared as sets of lines. */
static void eq_lines(struct arena *a, const struct headers *have, const char *want_lines)
{
	struct headers want = kit_headers(a, want_lines);

	if (have->n != want.n)
		T_EQ_STR(kit_lines(a, have), want_lines);
	for (size_t i = 0; i < want.n; i++) {
		bool found = false;

		for (size_t k = 0; k < have->n && !found; k++)
			found = str_eq(have->v[k].name, want.v[i].name) &&
				str_eq(have->v[k].value, want.v[i].value);
		if (!found)
			T_EQ_STR(kit_lines(a, have), want_lines);
	}
}

TEST_EACH(what_is_forwarded, forwards)
{
	struct parsed r;

	parse(&r, OPTIONS_PUBLISH, row->header, row->query, row->group);
	if (!r.ok)
		T_FAIL("%s: %s", row->header, r.p.text);
	eq_lines(&r.a, &r.m.header, row->want);
	arena_done(&r.a);
}

TEST(repeated_headers_keep_their_order)
{
	struct parsed r;

	parse(&r, OPTIONS_PUBLISH,
	      "Upstash-Forward-A: 1\nUpstash-Forward-B: x\nUpstash-Forward-A: 2", "", "");
	T_CHECK(r.ok);
	T_EQ_STR(kit_lines(&r.a, &r.m.header), "A: 1\nB: x\nA: 2\n");
	arena_done(&r.a);
}

TEST(invalid_headers_matter_only_when_forwarded)
{
	struct header h[] = { H("bad name", "x"), H("X", "a\nb"),
			      H("Upstash-Header-Forward", "true") };
	struct options_source src = { .plan = plan_find(STR("payg")), .now_ms = NOW };
	struct problem p = { 0 };
	struct options o;
	struct msg m = { 0 };
	struct arena a;

	arena_init(&a);
	src.header = (struct headers){ h, 2 };
	T_CHECK(options_parse(&a, &src, &m, &o, &p));
	T_EQ_INT(m.header.n, 0);
	src.header.n = 3;
	T_CHECK(!options_parse(&a, &src, &m, &o, &p));
	T_EQ_STR(p.text, "bad name: not a valid header, it cannot be forwarded");
	h[0].name = STR("Good");
	T_CHECK(!options_parse(&a, &src, &m, &o, &p));
	T_EQ_STR(p.text, "X: not a valid header, it cannot be forwarded");
	arena_done(&a);
}

TEST(forwarding_has_limits)
{
	struct options_source src = { .plan = plan_find(STR("payg")), .now_ms = NOW };
	struct problem p = { 0 };
	struct options o;
	struct msg m = { 0 };
	struct arena a;
	static char big[LIMIT_FORWARD_BYTES];

	arena_init(&a);
	src.header.v = arena_array(&a, struct header, LIMIT_FORWARD_COUNT + 1);
	for (int i = 0; i <= LIMIT_FORWARD_COUNT; i++)
		src.header.v[i] =
			(struct header){ arena_fmt(&a, "Upstash-Forward-X%d", i), STR("v") };
	src.header.n = LIMIT_FORWARD_COUNT;
	T_CHECK(options_parse(&a, &src, &m, &o, &p));
	T_EQ_INT(m.header.n, LIMIT_FORWARD_COUNT);
	src.header.n++;
	m = (struct msg){ 0 };
	T_CHECK(!options_parse(&a, &src, &m, &o, &p));
	T_EQ_INT(p.status, 400);
	T_EQ_STR(p.text, "Upstash-Forward-*: at most 128 headers and 65536 bytes can be forwarded");
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = 'x';
	src.header.n = 1;
	src.header.v[0] = (struct header){ STR("Upstash-Forward-X"), { big, sizeof(big) - 1 } };
	m = (struct msg){ 0 };
	T_CHECK(options_parse(&a, &src, &m, &o, &p));
	src.header.v[0].value.n++;
	m = (struct msg){ 0 };
	T_CHECK(!options_parse(&a, &src, &m, &o, &p));
	arena_done(&a);
}

/* ---- which source wins ----------------------------------------------------------------------- */

static const struct {
	const char *header, *query, *group;
	int64_t retries;
} sources[] = {
	{ "", "", "", 3 },
	{ "Upstash-Retries: 1", "", "", 1 },
	{ "", "upstash-retries: 2", "", 2 },
	{ "", "", "Upstash-Retries: 4", 4 },
	{ "Upstash-Retries: 1", "upstash-retries: 2", "Upstash-Retries: 4", 1 },
	{ "", "upstash-retries: 2", "Upstash-Retries: 4", 2 },
	/* An empty one does not hide a weaker one. */
	{ "Upstash-Retries:", "upstash-retries: 2", "", 2 },
	/* A hidden one is not judged. */
	{ "Upstash-Retries: 1", "upstash-retries: broken", "Upstash-Retries: 99999", 1 },
};

TEST_EACH(the_strongest_source_decides, sources)
{
	struct parsed r;

	parse(&r, OPTIONS_PUBLISH, row->header, row->query, row->group);
	T_CHECK(r.ok);
	T_EQ_INT(r.m.retries_max, row->retries);
	arena_done(&r.a);
}

TEST(lists_are_joined_within_a_source_only)
{
	struct parsed r;

	parse(&r, OPTIONS_PUBLISH, "Upstash-Label: a\nUpstash-Label: b", "upstash-label: c",
	      "Upstash-Label: d");
	T_CHECK(r.ok);
	T_EQ_STR(r.m.labels, "a,b");
	arena_done(&r.a);
	parse(&r, OPTIONS_PUBLISH, "", "upstash-label: c\nupstash-label: e", "Upstash-Label: d");
	T_EQ_STR(r.m.labels, "c,e");
	arena_done(&r.a);
}

/* Many of them cost no more than their bytes. */
TEST(joining_is_linear)
{
	enum { COUNT = 500, VALUE_BYTES = 1000 };
	static struct header header[COUNT];
	static char value[VALUE_BYTES];
	struct options_source src = { .header = { header, COUNT },
				      .plan = plan_find(STR("payg")),
				      .now_ms = NOW };
	struct parsed r = { 0 };

	memset(value, ',', sizeof(value));
	value[0] = 'a';
	arena_init(&r.a);
	for (size_t i = 0; i < COUNT; i++)
		header[i] = (struct header){ STR("upstash-label"), str_n(value, VALUE_BYTES) };
	T_CHECK(!options_parse(&r.a, &src, &r.m, &r.o, &r.p));
	T_CHECK(str_has(str_c(r.p.text), STR("Upstash-Label: at most")));
	T_CHECK(r.a.bytes < 3 * COUNT * VALUE_BYTES);
	arena_done(&r.a);
	for (size_t i = 0; i < COUNT; i++)
		header[i].value = i < 100 ? str_n(value, VALUE_BYTES) : STR(",");
	T_CHECK(options_parse(&r.a, &src, &r.m, &r.o, &r.p));
	T_EQ_INT(r.m.labels.n, 199);
	T_CHECK(r.a.bytes < 3 * COUNT * VALUE_BYTES);
	arena_done(&r.a);
}

TEST(lists_of_callbacks_are_joined)
{
	struct parsed r;

	parse(&r, OPTIONS_PUBLISH,
	      "Upstash-Callback: http://c\nUpstash-Callback-Redact-Fields: body\n"
	      "Upstash-Callback-Redact-Fields: nonsense",
	      "", "");
	T_CHECK(!r.ok);
	T_CHECK(str_starts(str_c(r.p.text), STR("Upstash-Callback-Redact-Fields: ")));
	arena_done(&r.a);
}

/* An item of a batch is no request: what it says of a connection is about none. */
TEST(connection_of_a_batch_item_names_nothing)
{
	struct parsed r;

	parse(&r, OPTIONS_BATCH_ITEM, "Upstash-Header-Forward: true\nConnection: X-A\nX-A: 1", "",
	      "");
	T_CHECK(r.ok);
	T_EQ_STR(kit_lines(&r.a, &r.m.header), "X-A: 1\n");
	arena_done(&r.a);
}

/* ---- callbacks ------------------------------------------------------------------------------- */

static const struct {
	const char *header, *group, *callback, *failure;
} callbacks[] = {
	{ "Upstash-Callback: http://h", "", "", "" },
	{ "Upstash-Callback: http://h\nupstash-callback-retries: 2\nUpstash-Callback-forward-x: y",
	  "", "Retries: 2\nForward-X: y\n", "" },
	{ "Upstash-Callback: http://h\nUpstash-Failure-Callback: http://f\nUpstash-Callback-Delay: "
	  "1s\n"
	  "Upstash-Failure-Callback-Delay: 2s",
	  "", "Delay: 1s\n", "Delay: 2s\n" },
	/* Without a callback its settings mean nothing. */
	{ "Upstash-Callback-Retries: x\nUpstash-Failure-Callback-Delay: x", "", "", "" },
	/* Kept for others to understand. */
	{ "Upstash-Callback: http://h\nUpstash-Callback-Workflow-RunId: "
	  "wfr_1\nUpstash-Callback-Feature-Set: a\n"
	  "Upstash-Callback-Failure-Callback-Retries: 1\nUpstash-Callback-Foo: "
	  "z\nUpstash-Callback-Telemetry-Sdk: t",
	  "", "Workflow-Runid: wfr_1\nFeature-Set: a\nFailure-Callback-Retries: 1\nFoo: z\n", "" },
	{ "Upstash-Callback: http://h\nUpstash-Callback-Forward-A: 1\nUpstash-Callback-Forward-A: "
	  "2",
	  "", "Forward-A: 1\nForward-A: 2\n", "" },
	{ "Upstash-Callback-Retries: 1",
	  "Upstash-Callback: http://g\nUpstash-Callback-Retries: 2\n"
	  "Upstash-Callback-Method: PUT",
	  "Retries: 1\nMethod: PUT\n", "" },
	/* What a callback cannot be told. */
	{ "Upstash-Callback: http://h\nUpstash-Callback-Queue-Name: not a "
	  "name\nUpstash-Callback-Callback: x",
	  "", "Queue-Name: not a name\nCallback: x\n", "" },
};

TEST_EACH(settings_of_callbacks, callbacks)
{
	struct parsed r;

	parse(&r, OPTIONS_PUBLISH, row->header, "", row->group);
	if (!r.ok)
		T_FAIL("%s: %s", row->header, r.p.text);
	eq_lines(&r.a, &r.m.callback_header, row->callback);
	eq_lines(&r.a, &r.m.failure_callback_header, row->failure);
	arena_done(&r.a);
}

TEST(settings_of_callbacks_have_limits)
{
	struct options_source src = { .plan = plan_find(STR("payg")), .now_ms = NOW };
	struct problem p = { 0 };
	struct options o;
	struct msg m = { 0 };
	struct arena a;

	arena_init(&a);
	src.header.v = arena_array(&a, struct header, LIMIT_CALLBACK_COUNT + 2);
	src.header.v[0] = (struct header)H("Upstash-Callback", "http://h");
	for (int i = 1; i <= LIMIT_CALLBACK_COUNT + 1; i++)
		src.header.v[i] =
			(struct header){ arena_fmt(&a, "Upstash-Callback-X%d", i), STR("v") };
	src.header.n = LIMIT_CALLBACK_COUNT + 1;
	T_CHECK(options_parse(&a, &src, &m, &o, &p));
	src.header.n++;
	m = (struct msg){ 0 };
	T_CHECK(!options_parse(&a, &src, &m, &o, &p));
	T_EQ_STR(p.text, "Upstash-Callback-*: at most 128 settings and 65536 bytes are allowed");
	arena_done(&a);
}

/* ---- retries of dead letters ----------------------------------------------------------------- */

static struct msg dead_letter(struct arena *a)
{
	return (struct msg){
		.url = STR("http://x"),
		.method = STR("PUT"),
		.header = kit_headers(a, "Content-Type: text/plain\nX: old\nY: old"),
		.created_ms = NOW,
		.not_before_ms = NOW,
		.timeout_ms = 5000,
		.retries_max = 7,
		.retry_delay = STR("1000"),
		.callback = STR("http://cb"),
		.callback_header = kit_headers(a, "Retries: 1\nForward-A: old"),
		.queue = STR("queue"),
		.flow_key = STR("key"),
		.flow_rate = 2,
		.flow_period_s = 60,
		.labels = STR("l"),
		.redact = STR("body"),
		.api = STR(""),
	};
}

static void retry(struct parsed *r, const char *lines)
{
	struct options_source src = { .use = OPTIONS_RETRY,
				      .plan = plan_find(STR("payg")),
				      .now_ms = NOW };

	*r = (struct parsed){ 0 };
	arena_init(&r->a);
	r->m = dead_letter(&r->a);
	src.header = kit_headers(&r->a, lines);
	r->ok = options_parse(&r->a, &src, &r->m, &r->o, &r->p);
}

TEST(a_retry_keeps_what_is_not_overridden)
{
	struct parsed r;
	struct msg before;

	/* The request's own Content-Type, and deduplication, mean nothing here. */
	retry(&r, "Content-Type: application/json\nAuthorization: Bearer "
		  "t\nUpstash-Header-Forward: true\n"
		  "Upstash-Deduplication-Id: x");
	T_CHECK(r.ok);
	before = dead_letter(&r.a);
	kit_eq_msg(&before, &r.m);
	kit_eq_headers(&before.header, &r.m.header);
	kit_eq_headers(&before.callback_header, &r.m.callback_header);
	T_CHECK(!r.o.dedup_id.n);
	arena_done(&r.a);
}

TEST(a_retry_overrides)
{
	struct parsed r;

	retry(&r,
	      "Upstash-Retries: 0\nUpstash-Method: GET\nUpstash-Delay: 10s\nUpstash-Timeout: 1s\n"
	      "Upstash-Retry-Delay: 5\nUpstash-Label: new\nUpstash-Queue-Name: other\n"
	      "Upstash-Flow-Control-Value: parallelism=1\nUpstash-Forward-X: "
	      "new\nUpstash-Forward-Z: new\n"
	      "Upstash-Callback-Forward-A: new\nUpstash-Callback-Delay: 1s\nUpstash-Redact-Fields: "
	      "header");
	if (!r.ok)
		T_FAIL("%s", r.p.text);
	T_EQ_INT(r.m.retries_max, 0);
	T_EQ_STR(r.m.method, "GET");
	T_EQ_INT(r.m.not_before_ms, NOW + 10000);
	T_EQ_INT(r.m.timeout_ms, 1000);
	T_EQ_STR(r.m.retry_delay, "5");
	T_EQ_STR(r.m.labels, "new");
	T_EQ_STR(r.m.queue, "other");
	T_EQ_STR(r.m.flow_key, "key");
	T_EQ_INT(r.m.flow_parallelism, 1);
	T_EQ_INT(r.m.flow_rate, 0);
	T_EQ_INT(r.m.flow_period_s, 1);
	T_EQ_STR(r.m.redact, "header");
	T_EQ_STR(r.m.callback, "http://cb");
	eq_lines(&r.a, &r.m.header, "Content-Type: text/plain\nX: new\nY: old\nZ: new\n");
	eq_lines(&r.a, &r.m.callback_header, "Retries: 1\nForward-A: new\nDelay: 1s\n");
	arena_done(&r.a);
}

TEST(a_retry_can_be_refused)
{
	struct parsed r;

	retry(&r, "Upstash-Retries: many");
	T_CHECK(!r.ok);
	T_EQ_STR(r.p.text, "Upstash-Retries: an integer from 0 is allowed");
	arena_done(&r.a);
	retry(&r, "Upstash-Callback-Delay: x");
	T_CHECK(!r.ok);
	arena_done(&r.a);
}

TEST(a_retry_under_a_smaller_plan)
{
	struct options_source src = { .use = OPTIONS_RETRY,
				      .plan = plan_find(STR("free")),
				      .now_ms = NOW };
	struct problem p = { 0 };
	struct options o;
	struct arena a;
	struct msg m;

	arena_init(&a);
	m = dead_letter(&a);
	/* Accepted when the plan allowed a month. */
	m.callback_header = kit_headers(&a, "Delay: 30d");
	T_CHECK(options_parse(&a, &src, &m, &o, &p));
	T_EQ_INT(m.retries_max, 7);
	arena_done(&a);
}
