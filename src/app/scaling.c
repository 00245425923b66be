#include "app/scaling.h"

#include "base/check.h"

static bool are_busy(const struct scaling_settings *set, const struct scaling_sample *v, size_t n)
{
	int64_t sum = 0;
	bool waiting = false;

	for (size_t i = 0; i < n; i++) {
		sum += v[i].cpu_percent;
		waiting = waiting || v[i].waiting;
	}
	return waiting && sum >= (int64_t)n * set->busy_percent;
}

static bool are_idle(const struct scaling_settings *set, const struct scaling_sample *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].cpu_percent > set->idle_percent)
			return false;
	return true;
}

/* Has it been so for long enough? */
static bool holds(int64_t *since_ms, bool is_so, int64_t for_ms, int64_t now_ms)
{
	if (!is_so)
		*since_ms = 0;
	else if (*since_ms == 0)
		*since_ms = now_ms;
	return is_so && now_ms - *since_ms >= for_ms;
}

enum scaling_verdict scaling_look(struct scaling *s, const struct scaling_settings *set,
				  const struct scaling_sample *v, size_t n, int64_t now_ms)
{
	bool more = holds(&s->busy_since_ms, n > 0 && are_busy(set, v, n), set->busy_ms, now_ms);
	bool fewer = holds(&s->idle_since_ms, n > 0 && are_idle(set, v, n), set->idle_ms, now_ms);

	check(now_ms > 0);
	if (more && (int64_t)n < set->most) {
		scaling_reset(s);
		return SCALING_MORE;
	}
	if (fewer && (int64_t)n > set->least) {
		scaling_reset(s);
		return SCALING_FEWER;
	}
	return SCALING_KEEP;
}

void scaling_reset(struct scaling *s)
{
	*s = (struct scaling){ 0 };
}
