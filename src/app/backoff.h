/* backoff.h - how long to wait before what has ended is started again.
 */
#ifndef APP_BACKOFF_H
#define APP_BACKOFF_H

#include "base/compiler.h"

enum {
	BACKOFF_FIRST_MS = 100,
	BACKOFF_MAX_MS = 10 * 1000,
	BACKOFF_HEALTHY_TIMES = 10 /* who has lived for so many times its wait is in good health */
};

/* The wait after a life of lived_ms, when the wait before that life was last_ms (0 = none): twice as long, unless it was
 * in good health. A process that is killed now and then is back at once, and one that dies as it starts costs little. */
int64_t backoff_next_ms(int64_t last_ms, int64_t lived_ms);

#endif
