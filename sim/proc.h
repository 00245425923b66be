/* proc.h - the processes of the world: they start, take their turns, stand still, stop and die.
 */
#ifndef SIM_PROC_H
#define SIM_PROC_H

#include "world.h"

void proc_init(struct world *w);
/* World time of this slot's next step. */
int64_t proc_next_ms(const struct proc *p);
/* Does what is due, a start included. */
void proc_turn(struct proc *p);
/* Can it be asked for something? */
bool proc_is_open(const struct proc *p);
void proc_stop(struct proc *p, int64_t grace_ms);
void proc_stall(struct proc *p, int64_t for_ms);
/* At once, wherever it is. */
void proc_kill(struct proc *p);
/* Has one been working normally for some seconds? */
bool proc_any_able(const struct world *w);

#endif
