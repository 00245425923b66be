/* observer.h - what the judge gets to see of the store: the log, by a handle of the world's own, and now and then all
 * rows.
 */
#ifndef SIM_OBSERVER_H
#define SIM_OBSERVER_H

#include "world.h"

/* Reads what has been logged since the last time, as the doing of that process. */
void observer_read_log(struct world *w, const struct proc *p);
/* Compares all rows with what the judge knows. */
void observer_compare(struct world *w);
/* The same, and has the store look for contradictions within itself. */
void observer_check(struct world *w, const char *after);

#endif
