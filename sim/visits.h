/* visits.h - the workflow endpoint: each request that reaches it is a visit, which replays the workflow, asks the server for what
 * comes next, and answers. It goes on when nobody waits for the answer any more.
 */
#ifndef SIM_VISITS_H
#define SIM_VISITS_H

#include "world.h"

struct exchange;
struct visit;

/* The answer comes by endpoints_answer. */
must_use struct visit *visit_new(struct world *w, struct exchange *x,
				 const struct courier_req *req);
/* Nobody waits for the answer any more. */
void visit_leave(struct visit *v);

int64_t visits_next_ms(const struct world *w);
void visits_turn(struct world *w);
void visits_done(struct world *w);

#endif
