/* settle.h - what becomes of a leased message, given how its attempt went (spec 4.3, 4.4).
 */
#ifndef CORE_SETTLE_H
#define CORE_SETTLE_H

#include "core/msg.h"
#include "core/outcome.h"

enum verdict_kind {
	VERDICT_DELIVERED, /* 2xx */
	VERDICT_RETRY,     /* again at at_ms */
	VERDICT_DEAD,      /* no retries left, or the destination said so (489) */
};

struct verdict {
	enum verdict_kind kind;
	int64_t at_ms; /* RETRY: Unix ms */
};

/* `retried` is the number of retries made before this attempt (0 on the first). */
struct verdict settle(const struct msg *m, int64_t retried, const struct outcome *o,
		      int64_t now_ms);

/* The wait in ms before retry number `retried + 1`: Retry-After and its relatives in the answer,
 * else the message's expression, else the default backoff. */
int64_t settle_retry_delay_ms(const struct msg *m, int64_t retried, const struct outcome *o,
			      int64_t now_ms);

/* An attempt that has ended. */
struct attempt {
	const struct msg *msg;
	int64_t retried;
	const struct outcome *outcome;
	int64_t now_ms;
};

/* Appends the log events of the verdict, in order: ERROR+RETRY, ERROR+FAILED, or DELIVERED. */
void settle_events(struct buf *out, const struct attempt *a, struct verdict v);

#endif
