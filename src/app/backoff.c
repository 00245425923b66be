#include "app/backoff.h"

int64_t backoff_next_ms(int64_t last_ms, int64_t lived_ms)
{
	if (last_ms <= 0 || lived_ms >= BACKOFF_HEALTHY_TIMES * last_ms)
		return BACKOFF_FIRST_MS;
	return last_ms < BACKOFF_MAX_MS / 2 ? 2 * last_ms : BACKOFF_MAX_MS;
}
