/* gate.h - what a message must pass before an attempt may start: the admission rule (spec 5.1,
 * 5.8).
 *
 * Three kinds of gate share one rule: the user's (max parallelism of the plan), a queue's
 * (parallelism, order, pause) and a flow-control key's (parallelism, rate per period, pause, pins).
 * A gate counts what runs and what started in the present window; it never decides which message is
 * next (the store keeps the waiting lists: FIFO within a gate).
 *
 * This file is the specification; a backend that must decide elsewhere (Lua) is tested against it.
 *
 * Windows are fixed: a window of period_ms begins when a message starts and the former window is
 * over.
 */
#ifndef CORE_GATE_H
#define CORE_GATE_H

#include "base/compiler.h"

enum gate_kind { GATE_USER, GATE_QUEUE, GATE_FLOW };

struct gate {
	enum gate_kind kind;
	int64_t parallelism_max; /* 0 = no cap */
	int64_t running;         /* attempts (queue: messages) that hold a slot */
	int64_t rate_max;        /* starts per window; 0 = no cap */
	int64_t rate_period_ms;  /* > 0 */
	int64_t rate_count;      /* starts in the present window */
	int64_t window_start_ms; /* Unix ms; 0 = no window yet */
	bool paused;
	bool pinned_parallelism; /* a message's settings do not change it */
	bool pinned_rate;
};

/* May one more start now? If not, *ret_at_ms is the time at which to ask again without anything
 * else happening (the window's end), or INT64_MAX when only an end, a resume or a new setting can
 * help. */
bool gate_may_start(const struct gate *g, int64_t now_ms, int64_t *ret_at_ms);
void gate_start(struct gate *g, int64_t now_ms); /* only after gate_may_start said yes */
void gate_end(struct gate *g);                   /* gives the slot back */

/* What a message's own settings do to its key: the latest message wins, a cap not given is cleared,
 * pinned ones stay (spec 5.8 rules 2 and 8). */
void gate_configure(struct gate *g, int64_t parallelism, int64_t rate, int64_t period_ms);
/* Pinning; a negative number leaves that kind alone. Pinning a rate starts a new window. */
void gate_pin(struct gate *g, int64_t parallelism, int64_t rate, int64_t period_ms, int64_t now_ms);
void gate_unpin(struct gate *g, bool parallelism, bool rate);
void gate_reset_rate(struct gate *g, int64_t now_ms);

#endif
