/* loop.h - one event loop: sockets through libuv, one clock reading per turn, one deadline.
 *
 * The loop knows no domain. Everything that should happen once per turn (hand the turn's batch to
 * the store, run what is due) is a hook: it is called after the events of a turn are handled and
 * before the loop sleeps, and answers when it wants to be called again at the latest. Timers are
 * pulled that way, so nothing below app/ ever waits by itself and a simulator can drive the same
 * functions.
 *
 *	events, bells, signals > turn hooks > flush hooks > sleep until an event or the first wish
 *
 * A hook that made work for another one asks for "now" (any time not in the future): the loop then
 * looks for events without sleeping and calls all hooks again.
 *
 * Two clocks that never mix: wall (Unix ms, for everything stored or shown) and mono (ms that never
 * step back, for time-outs). Both are read once per turn, after waking up; only this file reads
 * them.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include "base/compiler.h"

#define LOOP_NEVER INT64_MAX

struct loop;

/* Called once per turn with the turn's times. Returns the mono time in ms at which it wants to be
 * called again even if nothing happens; LOOP_NEVER for no wish. */
typedef int64_t (*loop_turn_fn)(void *arg, int64_t wall_ms, int64_t mono_ms);
/* Called on the loop's thread after loop_wake. */
typedef void (*loop_wake_fn)(void *arg);

must_use struct loop *loop_new(void); /* NULL when the system has no descriptors left */
/* After loop_run has returned (or without it) and everything that uses loop_uv is closed; NULL is
 * fine. */
void loop_free(struct loop *l);

/* Up to 16 hooks, called in the order of registration. */
void loop_on_turn(struct loop *l, loop_turn_fn fn, void *arg);
/* The same, called after all of those: for what sends a turn's gathered output. */
void loop_on_flush(struct loop *l, loop_turn_fn fn, void *arg);
/* Removes all hooks that were registered with `arg`. A hook may do it, even for itself. */
void loop_forget(struct loop *l, const void *arg);

/* A doorbell that other threads may ring: fn runs soon after on the loop's thread, once for any
 * number of rings in between. The doorbell lives as long as the loop. */
struct loop_bell;
must_use struct loop_bell *loop_bell_new(struct loop *l, loop_wake_fn fn, void *arg);
void loop_bell_ring(struct loop_bell *b); /* thread-safe, async-signal-safe */

/* SIGTERM/SIGINT and the like, on the loop's thread. */
void loop_on_signal(struct loop *l, int signum, loop_wake_fn fn, void *arg);

void loop_run(struct loop *l);  /* until loop_stop */
void loop_stop(struct loop *l); /* leave loop_run at the end of this turn, after its hooks */

/* The clocks as read at the start of this turn (read afresh when the loop is not running). */
int64_t loop_wall_ms(const struct loop *l);
int64_t loop_mono_ms(const struct loop *l);

/* The wall clock as it is now, for what must not be done too late however long this turn takes. */
int64_t loop_exact_wall_ms(void);

/* The uv_loop_t, for net/ and courier/ only. */
void *loop_uv(struct loop *l);

#endif
