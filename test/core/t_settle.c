#include "kit.h"

#include "core/event.h"
#include "core/settle.h"

#define NOW 1700000000000
#define DAY_MS 86400000

static const struct {
	const char *what;
	int64_t status, retried, retries_max;
	const char *header;
	enum verdict_kind kind;
} verdicts[] = {
	{ "200", 200, 0, 3, "", VERDICT_DELIVERED },
	{ "299", 299, 3, 3, "", VERDICT_DELIVERED },
	{ "199 is no success", 199, 0, 3, "", VERDICT_RETRY },
	{ "a redirect is not followed", 302, 0, 3, "Location: http://x", VERDICT_RETRY },
	{ "400", 400, 0, 3, "", VERDICT_RETRY },
	{ "500", 500, 2, 3, "", VERDICT_RETRY },
	{ "the last one", 500, 3, 3, "", VERDICT_DEAD },
	{ "no retries at all", 500, 0, 0, "", VERDICT_DEAD },
	{ "no answer", 0, 0, 1, "", VERDICT_RETRY },
	{ "no answer, the last one", 0, 1, 1, "", VERDICT_DEAD },
	{ "489 with the header", 489, 0, 3, "Upstash-NonRetryable-Error: true", VERDICT_DEAD },
	{ "in any case", 489, 0, 3, "upstash-nonretryable-error:  TRUE ", VERDICT_DEAD },
	{ "489 without", 489, 0, 3, "", VERDICT_RETRY },
	{ "489 with another value", 489, 0, 3, "Upstash-NonRetryable-Error: false", VERDICT_RETRY },
	{ "500 with the header", 500, 0, 3, "Upstash-NonRetryable-Error: true", VERDICT_RETRY },
	{ "200 with the header", 200, 0, 3, "Upstash-NonRetryable-Error: true", VERDICT_DELIVERED },
};

TEST_EACH(what_becomes_of_it, verdicts)
{
	struct outcome o = { .status = row->status };
	struct msg m = { .retries_max = row->retries_max };
	struct verdict v;
	struct arena a;

	arena_init(&a);
	o.header = kit_headers(&a, row->header);
	v = settle(&m, row->retried, &o, NOW);
	T_EQ_INT(v.kind, row->kind);
	if (v.kind == VERDICT_RETRY)
		T_EQ_INT(v.at_ms, NOW + settle_retry_delay_ms(&m, row->retried, &o, NOW));
	else
		T_EQ_INT(v.at_ms, 0);
	arena_done(&a);
}

static const struct {
	const char *expr;
	int64_t retried;
	const char *header;
	int64_t ms;
} delays[] = {
	/* The default: 12 s, 2 m 28 s, 30 m 8 s, 6 h 7 m 6 s, a day. */
	{ "", 0, "", 12000 },
	{ "", 1, "", 148000 },
	{ "", 2, "", 1808000 },
	{ "", 3, "", 22026000 },
	{ "", 4, "", DAY_MS },
	{ "", 5, "", DAY_MS },
	{ "", 998, "", DAY_MS },
	/* The message's own. */
	{ "1000", 0, "", 1000 },
	{ "1000 * (1 + retried)", 0, "", 1000 },
	{ "1000 * (1 + retried)", 2, "", 3000 },
	{ "0", 0, "", 0 },
	{ "-5", 0, "", 0 },
	{ "0/0", 0, "", 0 },
	{ "1/0", 0, "", DAY_MS },
	{ "-1/0", 0, "", 0 },
	{ "pow(10,30)", 0, "", DAY_MS },
	{ "86400000", 0, "", DAY_MS },
	{ "86399999.9", 0, "", DAY_MS - 1 },
	{ "1.9", 0, "", 1 },
	{ "broken (", 0, "", 12000 },
	/* What the answer asks for. */
	{ "", 0, "Retry-After: 5", 5000 },
	{ "", 3, "retry-after:  5 ", 5000 },
	{ "1000", 0, "Retry-After: 5", 5000 },
	{ "", 0, "Retry-After: 0", 0 },
	{ "", 0, "Retry-After: 1.5", 1500 },
	{ "", 0, "Retry-After: 6m5s", 365000 },
	{ "", 0, "Retry-After: 250ms", 250 },
	{ "", 0, "Retry-After: 86400", DAY_MS },
	{ "", 0, "Retry-After: 86401", 12000 },
	{ "1000", 0, "Retry-After: 86401", 1000 },
	{ "", 0, "Retry-After: 25h", 12000 },
	{ "", 0, "Retry-After: Tue, 14 Nov 2023 22:13:50 GMT", 30000 },
	{ "", 0, "Retry-After: Tue, 14 Nov 2023 22:13:20 GMT", 0 },
	{ "", 0, "Retry-After: Tue, 14 Nov 2023 20:00:00 GMT", 0 },
	{ "", 0, "Retry-After: Fri, 17 Nov 2023 00:00:00 GMT", 12000 },
	{ "", 0, "Retry-After: -1", 12000 },
	{ "", 0, "Retry-After: soon", 12000 },
	{ "", 0, "Retry-After:", 12000 },
	{ "", 0, "X-RateLimit-Reset: 7", 7000 },
	{ "", 0, "X-RateLimit-Reset-Requests: 1m0s", 60000 },
	{ "", 0, "X-RateLimit-Reset-Tokens: 20ms", 20 },
	/* An absolute time looks like a span of decades. */
	{ "", 0, "X-RateLimit-Reset: 1700000060", 12000 },
	{ "", 0, "X-RateLimit-Reset: 1700000060\nRetry-After: 3", 3000 },
	/* The longest of several. */
	{ "", 0, "Retry-After: 3\nX-RateLimit-Reset-Tokens: 7s\nX-RateLimit-Reset: 5", 7000 },
	{ "", 0, "Retry-After: 9\nX-RateLimit-Reset-Tokens: 7s", 9000 },
};

TEST_EACH(when_to_try_again, delays)
{
	struct msg m = { .retries_max = 999, .retry_delay = str_c(row->expr) };
	struct outcome o = { .status = 429 };
	struct arena a;

	arena_init(&a);
	o.header = kit_headers(&a, row->header);
	T_EQ_INT(settle_retry_delay_ms(&m, row->retried, &o, NOW), row->ms);
	arena_done(&a);
}

/* The events of an outcome, read back. Returns how many. */
static size_t events_of(struct arena *a, const struct outcome *o, int64_t retried,
			int64_t retries_max, struct event ret_event[3])
{
	struct msg m = { .id = { 5, 6 }, .user = STR("u"), .retries_max = retries_max };
	struct verdict v = settle(&m, retried, o, NOW);
	struct str rest;
	struct buf b;
	size_t n = 0;

	buf_init(&b, 1 << 16);
	settle_events(&b, &(struct attempt){ &m, retried, o, NOW }, v);
	rest = arena_str(a, buf_str(&b));
	buf_done(&b);
	while (event_next(a, &rest, &ret_event[n]) == 1) {
		T_EQ_INT(ret_event[n].time_ms, NOW);
		T_EQ_STR(ret_event[n].user, "u");
		T_EQ_INT(ret_event[n].id.seq, 5);
		T_EQ_INT(ret_event[n].id.nonce, 6);
		T_EQ_INT(ret_event[n].retried, retried);
		T_CHECK(!ret_event[n].record.n);
		n++;
	}
	return n;
}

TEST(the_log_of_a_success)
{
	struct outcome o = {
		.status = 201, .header = HEADERS(H("A", "b")), .body = STR("x"), .duration_ms = 8
	};
	struct event e[3];
	struct arena a;

	arena_init(&a);
	T_EQ_INT(events_of(&a, &o, 1, 3, e), 1);
	T_EQ_INT(e[0].state, EVENT_DELIVERED);
	T_EQ_INT(e[0].response_status, 201);
	T_EQ_INT(e[0].duration_ms, 8);
	T_CHECK(!e[0].response_header.n && !e[0].response_body.n && !e[0].error.n);
	arena_done(&a);
}

TEST(the_log_of_a_failure_with_retries_left)
{
	struct outcome o = {
		.status = 500, .header = HEADERS(H("A", "b")), .body = STR("x"), .duration_ms = 8
	};
	struct event e[3];
	struct arena a;

	arena_init(&a);
	T_EQ_INT(events_of(&a, &o, 0, 3, e), 2);
	T_EQ_INT(e[0].state, EVENT_ERROR);
	T_EQ_INT(e[0].response_status, 500);
	T_EQ_INT(e[0].duration_ms, 8);
	T_EQ_STR(kit_lines(&a, &e[0].response_header), "A: b\n");
	T_EQ_STR(e[0].response_body, "x");
	T_EQ_STR(e[0].error, "the destination answered with status 500");
	T_EQ_INT(e[0].next_delivery_ms, 0);
	T_EQ_INT(e[1].state, EVENT_RETRY);
	T_EQ_INT(e[1].next_delivery_ms, NOW + 12000);
	T_CHECK(!e[1].response_status && !e[1].response_header.n && !e[1].response_body.n &&
		!e[1].error.n);
	arena_done(&a);
}

TEST(the_log_of_the_last_failure)
{
	struct outcome o = { .error = STR("connection refused"), .duration_ms = 8 };
	struct event e[3];
	struct arena a;

	arena_init(&a);
	T_EQ_INT(events_of(&a, &o, 3, 3, e), 2);
	T_EQ_INT(e[0].state, EVENT_ERROR);
	T_EQ_INT(e[0].response_status, 0);
	T_EQ_STR(e[0].error, "connection refused");
	T_EQ_INT(e[1].state, EVENT_FAILED);
	T_EQ_STR(e[1].error, "connection refused");
	T_EQ_INT(e[1].next_delivery_ms, 0);
	arena_done(&a);
}

TEST(the_log_of_a_refusal_for_good)
{
	struct outcome o = { .status = 489,
			     .header = HEADERS(H("Upstash-NonRetryable-Error", "true")) };
	struct event e[3];
	struct arena a;

	arena_init(&a);
	T_EQ_INT(events_of(&a, &o, 0, 3, e), 2);
	T_EQ_INT(e[1].state, EVENT_FAILED);
	T_EQ_INT(e[1].response_status, 489);
	T_EQ_STR(e[1].error, "the destination answered with status 489 and said not to retry");
	arena_done(&a);
}
