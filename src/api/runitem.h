/* runitem.h - publishes that are messages of workflow runs, handed to the engine run by run.
 */
#ifndef API_RUNITEM_H
#define API_RUNITEM_H

#include "api/item.h"

/* What a request makes for runs. In the call's arena. */
struct runitems {
	struct call *call;
	struct run_item *item;
	size_t n, max;
	struct run_publish *publish; /* one for each run and start */
	size_t publishes, pending;
	void (*done)(struct runitems *r); /* with the first problem that there was, if any */
	void *arg;
	struct problem problem;
};

/* Room for `max` items. */
void runitem_init(struct runitems *r, struct call *c, size_t max);
/* What the item asks of workflows. */
must_use bool runitem_ask(const struct item_source *src, struct runask *ret_ask,
			  struct problem *ret_problem);
/* Takes in one that asks for something; *ret_index is its place in r->item. False with the problem when it
 * is not acceptable. */
must_use bool runitem_add(struct runitems *r, const struct item_source *src,
			  const struct runask *ask, size_t *ret_index, struct problem *ret_problem);
/* What a step says wrongly is told with 412 in place of 400, which its SDK takes for the end of the run: it would
 * say nothing, and the run would stand still. */
void runitem_judge(struct problem *p);
/* Hands all of them over; there is one at least, and r->done is called later. */
void runitem_send(struct runitems *r);
/* {"messageId": ..., "deduplicated"?} */
void runitem_write(struct json_out *j, const struct run_item *item);

#endif
