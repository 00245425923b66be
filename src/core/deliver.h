/* deliver.h - the headers that a destination receives (spec 3.6).
 */
#ifndef CORE_DELIVER_H
#define CORE_DELIVER_H

#include "base/arena.h"
#include "core/msg.h"

/* The message's headers and our own, which cannot be overridden. Host, Content-Length and the like
 * are the courier's. `region` empty = not sent. The list is the arena's; names and values are views
 * into the message and the arguments. */
struct headers deliver_headers(struct arena *a, const struct msg *m, int64_t retried,
			       struct str signature, struct str region);

/* Is it a name that only we may send (Upstash-Signature and the like)? Any case. */
bool deliver_is_reserved(struct str name);
/* Is it one that is about a connection and not about a message (Host, Content-Length,
 * hop-by-hop)? */
bool deliver_is_hop(struct str name);

#endif
