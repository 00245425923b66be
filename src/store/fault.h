/* fault.h - a store that loses requests and answers: a decorator over any backend, for the simulator.
 *
 * With the given chances, a request is turned into one that was never done (UNAVAILABLE), or into one
 * whose answer is lost (UNKNOWN), done or not. It is all or nothing: a request is never done in part.
 * Submitting an UNKNOWN request again is treated like any other request.
 *
 * Chances are drawn when the request is submitted, from a generator of its own, so a simulation is
 * repeated exactly.
 */
#ifndef STORE_FAULT_H
#define STORE_FAULT_H

#include "base/compiler.h"
#include "store/store.h"

struct fault_chances {
	uint32_t unavailable_ppm; /* parts per million */
	uint32_t lost_ppm;        /* UNKNOWN, not done */
	uint32_t done_lost_ppm;   /* UNKNOWN, done */
};

/* Owns `inner` from now on: store_close closes both. */
must_use struct store *fault_wrap(struct store *inner, uint64_t seed);
/* No faults until chances are set. */
void fault_set(struct store *s, struct fault_chances chances);
/* Frees the decorator alone, for sqlite_db_kill: no `done` is called. Returns the inner store. */
must_use struct store *fault_unwrap(struct store *s);

struct fault_counts {
	uint64_t unavailable, lost, done_lost;
};
struct fault_counts fault_counts(const struct store *s);

#endif
