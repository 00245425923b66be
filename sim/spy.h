/* spy.h - a store that leaves a mark (mark.h) for the judge with each change that the log does not show, and that
 * does something else than it was told when the world is broken that way (world.h).
 */
#ifndef SIM_SPY_H
#define SIM_SPY_H

#include "world.h"

/* Owns `inner` from now on: store_close closes both. */
must_use struct store *spy_wrap(struct store *inner, struct world *w);
/* Frees the decorator alone; returns the inner store. */
must_use struct store *spy_unwrap(struct store *s);

#endif
