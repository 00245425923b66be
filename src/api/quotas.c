#include "api/quotas.h"

#include "base/check.h"
#include "core/civil.h"
#include "core/quota.h"

enum { DAY_S = 24 * 60 * 60 };

void quotas_fail(struct call *c, const struct problem *p)
{
	int64_t today = civil_day(call_now_ms(c));
	struct json_out j;

	if (p->status != 429) {
		call_fail(c, p);
		return;
	}
	j = call_json(c);
	json_open(&j, '{');
	json_kstr(&j, STR("error"), str_c(p->text));
	json_close(&j, '}');
	call_answer_with(c, 429,
			 arena_fmt(call_arena(c),
				   "RateLimit-Limit: %lld\r\nRateLimit-Remaining: 0\r\n"
				   "RateLimit-Reset: %lld\r\n",
				   (long long)c->plan->messages_per_day,
				   (long long)((today + 1) * DAY_S)));
}

static struct str add(struct arena *a, struct str line, const char *quota, int64_t used,
		      int64_t limit)
{
	return arena_fmt(a, "%.*s%s%s; used=%lld; limit=%lld", STR_FMT(line),
			 line.n ? ", " : "Upstash-Quota-Warning: ", quota, (long long)used,
			 (long long)limit);
}

struct str quotas_warning(const struct call *c, const struct publish_item *item, size_t n)
{
	const struct plan *plan = c->plan;
	struct str line = STR_NULL;
	int64_t messages = 0, bytes = 0;

	check(plan != NULL);
	for (size_t i = 0; i < n; i++) {
		if (item[i].used_messages > messages)
			messages = item[i].used_messages;
		if (item[i].used_bytes > bytes)
			bytes = item[i].used_bytes;
	}
	if (quota_day_is_over(plan, messages))
		line = add(call_arena(c), line, "messagesPerDay", messages, plan->messages_per_day);
	if (quota_month_is_over(plan, bytes))
		line = add(call_arena(c), line, "bandwidthPerMonth", bytes,
			   plan->bandwidth_per_month_bytes);
	return line.n ? arena_fmt(call_arena(c), "%.*s\r\n", STR_FMT(line)) : line;
}
