/* item.h - from what a publish, an enqueue or an element of a batch says to what the engine
 * publishes.
 */
#ifndef API_ITEM_H
#define API_ITEM_H

#include "api/call.h"
#include "core/options.h"

struct item_source {
	struct str destination; /* raw, without its query */
	struct str query;       /* raw: settings and the destination's own; without '?' */
	struct headers header;
	struct str body;
	struct str queue; /* empty = none, but for OPTIONS_ENQUEUE */
	enum options_use use;
};

/* The request's header fields as a list. */
struct headers item_request_headers(const struct call *c);
/* Fills in *ret_item. False with the reason when the item is not acceptable; nothing is stored
 * in any case. */
must_use bool item_make(struct call *c, const struct item_source *src,
			struct publish_item *ret_item, struct problem *ret_problem);
/* What the engine made of it: {"messageId": ...}, or {"error": ...} when it was refused. */
void item_write(struct json_out *j, const struct publish_item *item);
void item_write_problem(struct json_out *j, const struct problem *p);

#endif
