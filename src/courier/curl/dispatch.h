/* dispatch.h - which request starts next, and in which lane.
 *
 * Requests to one destination (scheme, host, port) start in the order in which they were sent, and
 * the destinations take turns. A request waits while
 *
 *	- as many run as may run in all, or to its destination;
 *	- DEST_OPENING_MAX requests to its destination have not got past name resolution yet.
 *	  libcurl resolves each name in a thread of its own, so this bounds the threads that one
 *	  dead name can hold, and lets a burst find the name in the cache;
 *	- OPENING_MAX requests in all have not, and its destination is not one that lately has.
 *	  So dead names cannot hold up destinations that work.
 *
 * libcurl looks through all connections of a host for each request, which at some hundred of them
 * costs more than everything else. Hence lanes: separate sets of connections, of which a
 * destination uses as few as it needs, each for a bounded number of its requests.
 */
#ifndef COURIER_CURL_DISPATCH_H
#define COURIER_CURL_DISPATCH_H

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "base/str.h"
#include "courier/curl/exchange.h"
#include "courier/curl/target.h"

enum { DISPATCH_LANES_MAX = 64, DISPATCH_DEST_OPENING_MAX = 8, DISPATCH_OPENING_MAX = 256 };

struct dest {
	char *text;            /* owned; "https://host:port", lower case */
	struct str key;        /* all of it */
	struct str name;       /* "host:port" */
	struct target *target; /* the last one asked for; a reference */
	uint64_t hash;
	int running;
	int opening;                          /* running, but not past name resolution */
	int64_t warm_until_ms;                /* mono; its name resolved lately */
	uint16_t in_lane[DISPATCH_LANES_MAX]; /* running, by lane */
	struct list waiting;                  /* of exchanges */
	struct list node;                     /* in one of these lists, or in none */
	bool avoids_http2;                    /* an answer got lost that way (easy.h) */
	bool is_idle;                         /* that list is `idle` */
};

struct dispatch_limits {
	int running_max, dest_running_max;
	int lanes;            /* lane numbers are below it */
	int lane_running_max; /* times lanes is at least running_max */
	int lane_dest_max;    /* preferred most of one destination in a lane */
};

struct dispatch {
	struct dispatch_limits limits;
	struct map dests;
	struct buf key;    /* where keys are made */
	struct list ready; /* destinations of which a request may start */
	struct list cold;  /* ready, but for OPENING_MAX */
	struct list idle;  /* destinations without requests, oldest first */
	int idle_n;
	int running, opening;
	int in_lane[DISPATCH_LANES_MAX];
};

void dispatch_init(struct dispatch *q, struct dispatch_limits limits);
/* No exchange may be in it any more. */
void dispatch_done(struct dispatch *q);

/* The URL, parsed, a reference for the caller, and its destination, which stays while it has
 * exchanges. NULL when the URL is not valid; *ret_why then says why (target.h). */
must_use struct target *dispatch_target(struct dispatch *q, struct str text, struct dest **ret_dest,
					const char **ret_why);
/* Puts it at the end of its destination's waiting ones; x->dest is set. */
void dispatch_put(struct dispatch *q, struct exchange *x);
/* The next one to start, now counted as running in x->lane; NULL when none may. */
struct exchange *dispatch_next(struct dispatch *q, int64_t now_ms);
/* A running one is past name resolution. Harmless when it was before. */
void dispatch_opened(struct dispatch *q, struct exchange *x, int64_t now_ms);
/* A waiting or running one is over. */
void dispatch_ended(struct dispatch *q, struct exchange *x);

#endif
