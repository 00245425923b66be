/* resolve.h - names become addresses, each lookup in a thread of its own.
 *
 * The C library's resolver blocks, for half a minute and more when a name's servers are dead, and
 * cannot be stopped. In a pool of a few threads (libuv's has four) a few dead names would hold up
 * all others; so a lookup gets a thread, up to LOOKUPS_MAX, and whoever asked may go before it
 * ends. Answers are kept by the origins (origin.c), which also see to it that one name is not looked
 * up twice at once.
 */
#ifndef COURIER_HTTP_RESOLVE_H
#define COURIER_HTTP_RESOLVE_H

#include "base/str.h"
#include "courier/http/address.h"

enum { RESOLVE_LOOKUPS_MAX = 256, RESOLVE_NAME_MAX = 255 };

struct loop;
struct resolver;
struct lookup;

/* On the loop's thread, with what was found; n == 0 when there is no such host. */
typedef void resolve_fn(void *arg, const struct addresses *found);

struct resolver *resolve_open(struct loop *loop);
/* Forgets all lookups; threads that still wait for an answer end by themselves. */
void resolve_close(struct resolver *r);
/* `done` is called later, never from inside this call. The name has at most RESOLVE_NAME_MAX
 * bytes. */
void resolve_start(struct resolver *r, struct str name, resolve_fn *done, void *arg);

#endif
