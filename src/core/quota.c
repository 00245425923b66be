#include "core/quota.h"

#include "base/check.h"

bool quota_day_is_over(const struct plan *p, int64_t messages)
{
	check(messages >= 0);
	return !p->messages_per_day_hard && p->messages_per_day > 0 &&
	       messages > p->messages_per_day;
}

bool quota_month_is_over(const struct plan *p, int64_t bytes)
{
	check(bytes >= 0);
	return p->bandwidth_per_month_bytes > 0 && bytes > p->bandwidth_per_month_bytes;
}
