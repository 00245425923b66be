/* group.h - a URL group: a name for several endpoints, each of which gets every message (spec 5.2).
 *
 * Endpoints stand in the order in which they were added. A group without endpoints is none: it is
 * removed with its last one.
 */
#ifndef CORE_GROUP_H
#define CORE_GROUP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "core/msg.h"

struct group_endpoint {
	struct str url;
	struct str name; /* free text; empty = none */
};

struct group {
	struct str name;
	int64_t created_ms, updated_ms; /* Unix ms */
	struct headers header;          /* defaults for what is published to the group, as given */
	struct group_endpoint *endpoint;
	size_t n;
};

/* Adds endpoints or updates them, one after the other. One with the same URL gets the name, if one is given (and
 * whoever else had that name loses it); else one with the same name gets the URL; else it is appended. The
 * array is then the arena's. */
void group_upsert(struct arena *a, struct group *g, const struct group_endpoint *e, size_t n);
/* Takes out those with the URL or the name of one of `e`; others are passed over. */
void group_remove(struct group *g, const struct group_endpoint *e, size_t n);

/* The stored document of a group (store.h, DOC_TOPIC). */
void group_encode(struct buf *out, const struct group *g);
/* Views into `record`, arrays from the arena. False when it is broken. */
must_use bool group_decode(struct arena *a, struct str record, struct group *ret_group);

#endif
