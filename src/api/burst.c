#include "api/burst.h"

bool burst_admit(struct call *c)
{
	int64_t second = call_now_ms(c) / 1000, max = c->plan->burst_per_s;
	struct account *a = c->account;
	struct problem p = { 0 };

	if (max == 0)
		return true;
	if (a->burst_second != second) {
		a->burst_second = second;
		a->burst_calls = 0;
	}
	if (a->burst_calls < max) {
		a->burst_calls++;
		return true;
	}
	problem_set(
		&p, 429,
		"more than %lld calls in a second; try again in the next one (publish, enqueue and "
		"batch are not limited)",
		(long long)max);
	call_fail_with(c, &p,
		       arena_fmt(call_arena(c),
				 "Burst-RateLimit-Limit: %lld\r\n"
				 "Burst-RateLimit-Remaining: 0\r\n"
				 "Burst-RateLimit-Reset: %lld\r\n",
				 (long long)max, (long long)second + 1));
	return false;
}
