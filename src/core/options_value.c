#include "core/options_int.h"

#include <string.h>

#include "base/check.h"
#include "core/cron.h"
#include "core/duration.h"
#include "core/expr.h"
#include "core/limits.h"
#include "core/names.h"
#include "core/redact.h"
#include "core/url.h"

#define DURATION_ALLOWED "a duration is allowed, like 90s, 1h30m or 7d"
#define BOOL_ALLOWED "true and false are allowed"

/* The last second of the year 9999. */
#define UNIX_S_MAX 253402300799

bool options_bool(struct str s, bool *ret_value)
{
	static const struct str yes[] = {
		{ "1", 1 }, { "t", 1 }, { "T", 1 }, { "TRUE", 4 }, { "true", 4 }, { "True", 4 },
	};
	static const struct str no[] = {
		{ "0", 1 }, { "f", 1 }, { "F", 1 }, { "FALSE", 5 }, { "false", 5 }, { "False", 5 },
	};

	for (size_t i = 0; i < countof(yes); i++) {
		if (str_eq(s, yes[i]) || str_eq(s, no[i])) {
			*ret_value = str_eq(s, yes[i]);
			return true;
		}
	}
	return false;
}

static bool method(struct options_parser *ps, struct str value)
{
	static const struct str allowed[] = {
		{ "GET", 3 }, { "POST", 4 }, { "PUT", 3 }, { "PATCH", 5 }, { "DELETE", 6 },
	};

	for (size_t i = 0; i < countof(allowed); i++) {
		if (str_ieq(value, allowed[i])) {
			ps->m->method = allowed[i];
			return true;
		}
	}
	return options_refuse(ps, SETTING_METHOD, 400,
			      "GET, POST, PUT, PATCH and DELETE are allowed");
}

/* What is longer than the plan's is the plan's: a timeout can only shorten. */
static bool timeout(struct options_parser *ps, struct str value)
{
	int64_t max_ms = ps->src->plan->timeout_max_s * 1000, ms;

	if (!duration_parse(value, &ms) || !ms)
		return options_refuse(ps, SETTING_TIMEOUT, 400, DURATION_ALLOWED ", not zero");
	ps->m->timeout_ms = ms < max_ms ? ms : max_ms;
	ps->o.has_timeout = true;
	return true;
}

static bool over_quota(struct options_parser *ps, const char *quota, int64_t limit)
{
	return problem_set(ps->problem, 412, "quota %s exceeded, current limit: %lld", quota,
			   (long long)limit);
}

static bool retries(struct options_parser *ps, struct str value)
{
	int64_t max = ps->src->plan->retries_max;
	uint64_t n;

	if (!str_u64(value, &n))
		return options_refuse(ps, SETTING_RETRIES, 400, "an integer from 0 is allowed");
	if (!max)
		max = LIMIT_RETRIES;
	if (n > (uint64_t)max)
		return over_quota(ps, "maxRetries", max);
	ps->m->retries_max = (int64_t)n;
	return true;
}

static bool retry_delay(struct options_parser *ps, struct str value)
{
	char why[96];

	if (!expr_check(value, why))
		return options_refuse(ps, SETTING_RETRY_DELAY, 400, "invalid expression: %s", why);
	ps->m->retry_delay = value;
	return true;
}

static bool set_due(struct options_parser *ps, int64_t ahead_ms)
{
	int64_t max_s = ps->src->plan->delay_max_s, at_ms = ps->src->now_ms + ahead_ms;

	if (!max_s)
		max_s = LIMIT_DELAY_S;
	if (ahead_ms > max_s * 1000)
		return over_quota(ps, "maxDelay", max_s);
	ps->m->not_before_ms = at_ms > ps->m->created_ms ? at_ms : ps->m->created_ms;
	return true;
}

static bool delay(struct options_parser *ps, struct str value)
{
	int64_t ms;

	if (!duration_parse(value, &ms))
		return options_refuse(ps, SETTING_DELAY, 400, DURATION_ALLOWED);
	ps->o.has_delay = true;
	ps->o.delay_s = (ms + 999) / 1000;
	return set_due(ps, ms);
}

static bool not_before(struct options_parser *ps, struct str value)
{
	uint64_t unix_s;

	if (!str_u64(value, &unix_s) || unix_s > UNIX_S_MAX)
		return options_refuse(ps, SETTING_NOT_BEFORE, 400,
				      "a Unix time in seconds is allowed");
	ps->o.has_not_before = true;
	return set_due(ps, (int64_t)unix_s * 1000 - ps->src->now_ms);
}

/* Trimmed, the empty ones dropped, joined with commas. */
static bool labels(struct options_parser *ps, struct str value)
{
	char *p = arena_alloc(ps->a, value.n), *end = p;
	size_t count = 0;

	while (value.n) {
		struct str label = str_trim(str_cut(&value, ','));

		if (!label.n)
			continue;
		if (label.n > LIMIT_LABEL_BYTES || count == LIMIT_LABEL_COUNT)
			return options_refuse(ps, SETTING_LABEL, 400,
					      "at most %d labels of at most %d bytes are allowed",
					      LIMIT_LABEL_COUNT, LIMIT_LABEL_BYTES);
		if (count++)
			*end++ = ',';
		memcpy(end, label.p, label.n);
		end += label.n;
	}
	ps->m->labels = str_n(p, (size_t)(end - p));
	return true;
}

static bool flow_key(struct options_parser *ps, struct str value)
{
	if (value.n > LIMIT_FLOW_KEY_BYTES)
		return options_refuse(ps, SETTING_FLOW_KEY, 400, "at most %d bytes are allowed",
				      LIMIT_FLOW_KEY_BYTES);
	ps->m->flow_key = value;
	return true;
}

static bool flow_number(struct str value, int64_t *ret_n)
{
	uint64_t n;

	if (!str_u64(value, &n) || !n || n > LIMIT_FLOW_COUNT)
		return false;
	*ret_n = (int64_t)n;
	return true;
}

/* Whole seconds, rounded up. */
static bool flow_period(struct str value, int64_t *ret_s)
{
	int64_t ms;

	if (!duration_parse(value, &ms) || !ms || ms > LIMIT_FLOW_PERIOD_S * 1000LL)
		return false;
	*ret_s = (ms + 999) / 1000;
	return true;
}

struct flow {
	int64_t parallelism, rate, period_s;
};

static bool flow_member(struct str name, struct str value, struct flow *f)
{
	if (str_ieq(name, STR("parallelism")))
		return flow_number(value, &f->parallelism);
	if (str_ieq(name, STR("rate")))
		return flow_number(value, &f->rate);
	if (str_ieq(name, STR("period")))
		return flow_period(value, &f->period_s);
	/* The name of former versions. */
	return str_ieq(name, STR("ratePerSecond")) && flow_number(value, &f->rate);
}

static bool flow_value(struct options_parser *ps, struct str value)
{
	struct flow f = { .period_s = 1 };

	while (value.n) {
		struct str member = str_trim(str_cut(&value, ',')), name;

		if (!member.n)
			continue;
		name = str_trim(str_cut(&member, '='));
		if (!flow_member(name, str_trim(member), &f))
			return options_refuse(
				ps, SETTING_FLOW_VALUE, 400,
				"invalid %.*s; allowed are parallelism and rate from 1, and "
				"period from 1s to 7d, like parallelism=3, rate=10, period=1m",
				STR_FMT(str_sub(name, 0, 100)));
	}
	if (!f.parallelism && !f.rate)
		return options_refuse(ps, SETTING_FLOW_VALUE, 400, "parallelism or rate is needed");
	ps->m->flow_parallelism = f.parallelism;
	ps->m->flow_rate = f.rate;
	ps->m->flow_period_s = f.period_s;
	return true;
}

static bool redact(struct options_parser *ps, struct str value)
{
	struct str header = arena_fmt(ps->a, "%.*sRedact-Fields", STR_FMT(ps->prefix));

	return redact_parse(ps->a, value, header, &ps->m->redact, ps->problem);
}

static bool queue(struct options_parser *ps, struct str value)
{
	/* The path of an enqueue, or the member of a batch item, has named one. */
	if (ps->m->queue.n && ps->src->use != OPTIONS_RETRY)
		return true;
	if (!name_is_valid(value))
		return options_refuse(ps, SETTING_QUEUE, 400, NAMES_ALLOWED);
	ps->m->queue = value;
	return true;
}

static bool dedup_id(struct options_parser *ps, struct str value)
{
	if (value.n > LIMIT_DEDUP_BYTES)
		return options_refuse(ps, SETTING_DEDUP_ID, 400, "at most %d bytes are allowed",
				      LIMIT_DEDUP_BYTES);
	ps->o.dedup_id = value;
	return true;
}

static bool dedup_content(struct options_parser *ps, struct str value)
{
	return options_bool(value, &ps->o.dedup_by_content) ||
	       options_refuse(ps, SETTING_DEDUP_CONTENT, 400, BOOL_ALLOWED);
}

static bool callback_url(struct options_parser *ps, enum setting s, struct str value,
			 struct str *ret_url)
{
	const char *why;
	struct url u;

	if (!url_judge(value, &u, &why))
		return options_refuse(ps, s, 400, "invalid url: %s", why);
	*ret_url = u.whole;
	return true;
}

static bool callback(struct options_parser *ps, struct str value)
{
	return callback_url(ps, SETTING_CALLBACK, value, &ps->m->callback);
}

static bool failure_callback(struct options_parser *ps, struct str value)
{
	return callback_url(ps, SETTING_FAILURE_CALLBACK, value, &ps->m->failure_callback);
}

static bool cron(struct options_parser *ps, struct str value)
{
	struct cron ignored;

	ps->o.cron = value;
	return cron_parse(value, &ignored, ps->problem);
}

static bool schedule_id(struct options_parser *ps, struct str value)
{
	if (!name_is_valid(value))
		return options_refuse(ps, SETTING_SCHEDULE_ID, 400, NAMES_ALLOWED);
	ps->o.schedule_id = value;
	return true;
}

static bool header_forward(struct options_parser *ps, struct str value)
{
	return options_bool(value, &ps->o.header_forward) ||
	       options_refuse(ps, SETTING_HEADER_FORWARD, 400, BOOL_ALLOWED);
}

enum {
	RETRY = 1 << OPTIONS_RETRY,
	SCHEDULE = 1 << OPTIONS_SCHEDULE,
	NEW = 1 << OPTIONS_PUBLISH | 1 << OPTIONS_ENQUEUE | 1 << OPTIONS_BATCH_ITEM | SCHEDULE,
	ALWAYS = NEW | RETRY | OPTIONS_IN_CALLBACK,
};

const struct options_setting options_settings[SETTINGS] = {
	[SETTING_METHOD] = { { "Method", 6 }, method, ALWAYS, false },
	[SETTING_TIMEOUT] = { { "Timeout", 7 }, timeout, ALWAYS, false },
	[SETTING_RETRIES] = { { "Retries", 7 }, retries, ALWAYS, false },
	[SETTING_RETRY_DELAY] = { { "Retry-Delay", 11 }, retry_delay, ALWAYS, false },
	[SETTING_DELAY] = { { "Delay", 5 }, delay, ALWAYS, false },
	[SETTING_NOT_BEFORE] = { { "Not-Before", 10 }, not_before, ALWAYS & ~SCHEDULE, false },
	[SETTING_LABEL] = { { "Label", 5 }, labels, ALWAYS, true },
	[SETTING_FLOW_KEY] = { { "Flow-Control-Key", 16 }, flow_key, ALWAYS, false },
	[SETTING_FLOW_VALUE] = { { "Flow-Control-Value", 18 }, flow_value, ALWAYS, false },
	[SETTING_REDACT] = { { "Redact-Fields", 13 }, redact, ALWAYS, true },
	[SETTING_QUEUE] = { { "Queue-Name", 10 }, queue, NEW | RETRY, false },
	[SETTING_DEDUP_ID] = { { "Deduplication-Id", 16 }, dedup_id, NEW, false },
	[SETTING_DEDUP_CONTENT] = { { "Content-Based-Deduplication", 27 },
				    dedup_content,
				    NEW,
				    false },
	[SETTING_CALLBACK] = { { "Callback", 8 }, callback, NEW | RETRY, false },
	[SETTING_FAILURE_CALLBACK] = { { "Failure-Callback", 16 },
				       failure_callback,
				       NEW | RETRY,
				       false },
	[SETTING_CRON] = { { "Cron", 4 }, cron, SCHEDULE, false },
	[SETTING_SCHEDULE_ID] = { { "Schedule-Id", 11 }, schedule_id, SCHEDULE, false },
	[SETTING_HEADER_FORWARD] = { { "Header-Forward", 14 }, header_forward, NEW, false },
};

bool options_value_check(struct options_parser *ps)
{
	const struct msg *m = ps->m;
	int64_t bytes_max = ps->src->plan->message_bytes_max;

	if (!m->flow_key.n != !m->flow_period_s)
		return options_refuse(
			ps, m->flow_key.n ? SETTING_FLOW_VALUE : SETTING_FLOW_KEY, 400,
			"is missing; Flow-Control-Key and Flow-Control-Value go together");
	if (ps->is_callback)
		return true;
	if (ps->src->use == OPTIONS_SCHEDULE && !ps->o.cron.n)
		return options_refuse(ps, SETTING_CRON, 400,
				      "is missing; a schedule needs a cron expression");
	if (m->api.n && !m->callback.n)
		return options_refuse(ps, SETTING_CALLBACK, 400,
				      "is missing; api/%.*s needs a callback", STR_FMT(m->api));
	if (bytes_max && m->body.n > (uint64_t)bytes_max)
		return over_quota(ps, "maxMessageSize", bytes_max);
	return true;
}
