/* endpoints.h - destinations of several tempers, and the courier that reaches them, in virtual time.
 *
 * A request that is under way when its process dies may still arrive.
 */
#ifndef SIM_ENDPOINTS_H
#define SIM_ENDPOINTS_H

#include "world.h"

struct exchange; /* a request on its way there and back */

struct courier endpoints_courier(void);
/* The workflow endpoint's answer; retry_after_s -1 = none. The visit is over for the exchange. */
void endpoints_answer(struct exchange *x, int status, int retry_after_s);
/* It will never come. */
void endpoints_forget(struct exchange *x);
/* World time of the next thing that happens on the wire; INT64_MAX when nothing will. */
int64_t endpoints_next_ms(const struct world *w);
/* Lets happen what is due: requests arrive, answers come back. */
void endpoints_turn(struct world *w);
/* Forgets everything that is still under way. */
void endpoints_done(struct world *w);

#endif
