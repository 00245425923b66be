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
	const struct group *group; /* the one that the destination names; NULL = none, or unknown */
};

/* The request's header fields as a list. */
struct headers item_request_headers(const struct call *c);
/* Makes it a message for the destination "api/llm"; false when that is not set up. */
must_use bool item_to_llm(const struct call *c, struct msg *m, struct problem *ret_problem);
/* The name of the URL group that it is for; empty when it is for a URL. */
struct str item_group_name(const struct item_source *src);
/* How many messages it becomes: one for each endpoint of the group, else one. */
size_t item_count(const struct item_source *src);
/* Fills in ret_item[0] to [item_count - 1]. False with the reason when the item is not
 * acceptable; nothing is stored in any case. */
must_use bool item_make(struct call *c, const struct item_source *src,
			struct publish_item *ret_item, struct problem *ret_problem);
/* What the engine made of one message: {"messageId": ...}, or {"error": ...} when it was refused. */
void item_write(struct json_out *j, const struct publish_item *item);
/* The same for all messages of an item: a bare array when they are those of a group. */
void item_write_all(struct json_out *j, const struct item_source *src,
		    const struct publish_item *item);
void item_write_problem(struct json_out *j, const struct problem *p);

#endif
