/* body.h - request bodies that are JSON: read and judged before anything is done about them.
 *
 * Members that are not known are passed over; one that is null counts as absent. Strings are views into
 * the body or the arena. False with 400, naming what is wrong and what is allowed; nothing is returned
 * then.
 */
#ifndef API_BODY_H
#define API_BODY_H

#include "api/item.h"

/* The items of a batch: well formed, which does not mean that they can be sent. */
struct body_batch {
	struct item_source *item;
	size_t n;
};

struct body_endpoints {
	struct group_endpoint *v;
	size_t n;
};

struct body_queue {
	struct str name;     /* a valid one */
	int64_t parallelism; /* 1 when it is not given */
	int paused;          /* 1, 0; -1 = not given */
};

must_use bool body_read_batch(struct arena *a, struct str body, struct body_batch *ret_batch,
			      struct problem *ret_problem);
/* To be added, with `needs_url`; else to be removed, then a URL or a name is enough, and the URL may be any. */
must_use bool body_read_endpoints(struct arena *a, struct str body, bool needs_url,
				  struct body_endpoints *ret_endpoints,
				  struct problem *ret_problem);
must_use bool body_read_queue(struct arena *a, struct str body, struct body_queue *ret_queue,
			      struct problem *ret_problem);
/* The member "headers": strings or arrays of strings. What they say is not judged here. */
must_use bool body_read_headers(struct arena *a, struct str body, struct headers *ret_headers,
				struct problem *ret_problem);

#endif
