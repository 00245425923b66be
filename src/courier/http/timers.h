/* timers.h - the deadlines of one courier, in one heap; no timer of libuv's per request.
 */
#ifndef COURIER_HTTP_TIMERS_H
#define COURIER_HTTP_TIMERS_H

#include "base/compiler.h"
#include "base/heap.h"

struct timer;

/* Called once it is due; it is no longer set then. */
typedef void timer_fn(struct timer *t);

struct timer {
	struct heap_node node; /* key: mono ms */
	timer_fn *fire;
};

/* Sets it, or sets it anew. */
void timers_set(struct heap *timers, struct timer *t, int64_t at_ms);
void timers_stop(struct heap *timers, struct timer *t); /* harmless when not set */
void timers_run(struct heap *timers, int64_t now_ms);
/* When the first one is due; INT64_MAX when none is set. */
int64_t timers_next_ms(const struct heap *timers);

#endif
