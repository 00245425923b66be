/* load.h - what users ask for: publishes with random options, cancels, work on dead letters, queues, keys, URL
 * groups and schedules.
 */
#ifndef SIM_LOAD_H
#define SIM_LOAD_H

#include "world.h"

/* Asks one thing of this process, which is ready. */
void load_turn(struct world *w, struct proc *p);
/* The same of a workflow, of whatever process. */
void load_flow(struct world *w);
/* Has the users made by this process, which has just got ready. */
void load_users(struct world *w, struct proc *p);
/* Asks for the next thing that lets everything come to an end: a schedule's delete, a resume. False when nothing
 * keeps anything from that. */
must_use bool load_tidy(struct world *w, struct proc *p);
/* The process is gone, and the answers with it. */
void load_forget(struct proc *p);

#endif
