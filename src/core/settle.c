#include "core/settle.h"

#include <math.h>

#include "base/check.h"
#include "core/civil.h"
#include "core/duration.h"
#include "core/event.h"
#include "core/expr.h"
#include "core/limits.h"

enum { STATUS_NON_RETRYABLE = 489 };

static bool is_success(const struct outcome *o)
{
	return o->status >= 200 && o->status <= 299;
}

/* A number of seconds, a duration in Go's form, or a date. Not more than a day ahead: such an
 * answer is taken for a mistake (an absolute time, say) and passed over. */
static bool answer_ms(struct str value, int64_t now_ms, int64_t *ret_ms)
{
	int64_t ms, unix_s;

	value = str_trim(value);
	if (civil_http_date(value, &unix_s))
		ms = unix_s * 1000 > now_ms ? unix_s * 1000 - now_ms : 0;
	else if (!duration_go_parse(value, &ms) && !duration_parse(value, &ms))
		return false;
	if (ms > LIMIT_RETRY_DELAY_MS)
		return false;
	*ret_ms = ms;
	return true;
}

/* The longest wait that the answer asks for; -1 when it asks for none. */
static int64_t asked_ms(const struct outcome *o, int64_t now_ms)
{
	static const struct str names[] = {
		{ "Retry-After", 11 },
		{ "X-RateLimit-Reset", 17 },
		{ "X-RateLimit-Reset-Requests", 26 },
		{ "X-RateLimit-Reset-Tokens", 24 },
	};
	int64_t longest = -1, ms;

	for (size_t i = 0; i < countof(names); i++) {
		if (answer_ms(headers_get(&o->header, names[i]), now_ms, &ms) && ms > longest)
			longest = ms;
	}
	return longest;
}

/* Nothing but a number above 0 is a wait: negative and "not a number" are none. */
static int64_t bounded_ms(double ms)
{
	if (!(ms > 0))
		return 0;
	return ms < LIMIT_RETRY_DELAY_MS ? (int64_t)ms : LIMIT_RETRY_DELAY_MS;
}

int64_t settle_retry_delay_ms(const struct msg *m, int64_t retried, const struct outcome *o,
			      int64_t now_ms)
{
	int64_t asked = asked_ms(o, now_ms);
	double ms;

	check(retried >= 0);
	if (asked >= 0)
		return asked;
	if (m->retry_delay.n && expr_eval(m->retry_delay, retried, &ms))
		return bounded_ms(ms);
	/* e^(2.5 n) seconds before the n-th retry: 12 s, 2 m 28 s, 30 m 8 s, 6 h 7 m 6 s, a day. */
	return bounded_ms(floor(exp(2.5 * (double)(retried + 1))) * 1000);
}

static bool is_non_retryable(const struct outcome *o)
{
	struct str value = headers_get(&o->header, STR("Upstash-NonRetryable-Error"));

	return o->status == STATUS_NON_RETRYABLE && str_ieq(str_trim(value), STR("true"));
}

struct verdict settle(const struct msg *m, int64_t retried, const struct outcome *o, int64_t now_ms)
{
	check(retried >= 0 && m->retries_max >= 0);
	if (is_success(o))
		return (struct verdict){ .kind = VERDICT_DELIVERED };
	if (is_non_retryable(o) || retried >= m->retries_max)
		return (struct verdict){ .kind = VERDICT_DEAD };
	return (struct verdict){
		.kind = VERDICT_RETRY,
		.at_ms = now_ms + settle_retry_delay_ms(m, retried, o, now_ms),
	};
}

/* The sentence for a log entry; `room` holds it when it has to be made. */
static struct str error_text(const struct outcome *o, struct buf *room)
{
	if (o->error.n)
		return o->error;
	buf_fmt(room, "the destination answered with status %lld", (long long)o->status);
	if (is_non_retryable(o))
		buf_add(room, STR(" and said not to retry"));
	return buf_str(room);
}

static void failed_events(struct buf *out, struct event e, const struct outcome *o,
			  struct verdict v)
{
	struct buf room;

	buf_init(&room, 128);
	e.error = error_text(o, &room);
	e.state = EVENT_ERROR;
	e.response_header = o->header;
	e.response_body = str_sub(o->body, 0, LIMIT_EVENT_BODY_BYTES);
	event_encode(out, &e);
	e.response_header = (struct headers){ 0 };
	e.response_body = STR_NULL;
	e.duration_ms = 0;
	if (v.kind == VERDICT_RETRY) {
		e.state = EVENT_RETRY;
		e.next_delivery_ms = v.at_ms;
		e.response_status = 0;
		e.error = STR_NULL;
	} else {
		e.state = EVENT_FAILED;
	}
	event_encode(out, &e);
	buf_done(&room);
}

void settle_events(struct buf *out, const struct attempt *a, struct verdict v)
{
	const struct outcome *o = a->outcome;
	struct event e = {
		.time_ms = a->now_ms,
		.state = EVENT_DELIVERED,
		.user = a->msg->user,
		.id = a->msg->id,
		.retried = a->retried,
		.response_status = o->status,
		.duration_ms = o->duration_ms,
	};

	/* A success may still be none for the message's run. */
	check(is_success(o) || v.kind != VERDICT_DELIVERED);
	/* What a failure function or a called party has answered is shown with its run. */
	if (a->msg->run_role == MSG_FAILURE || a->msg->run_role == MSG_CALL) {
		e.response_header = o->header;
		e.response_body = str_sub(o->body, 0, LIMIT_EVENT_BODY_BYTES);
	}
	if (v.kind == VERDICT_DELIVERED)
		event_encode(out, &e);
	else
		failed_events(out, e, o, v);
}
