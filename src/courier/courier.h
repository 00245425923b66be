/* courier.h - the delivery port: one HTTP request out, one outcome back.
 *
 * The courier knows HTTP and nothing of messages. It sends exactly what it is given, follows no
 * redirect, keeps connections for reuse, and reports one outcome per request: a complete answer of
 * any status, or no answer and a sentence that says why in words an operator can act on
 * ("connection refused by 127.0.0.1:3000", "no such host: example.invalid", "certificate is not
 * valid for host x").
 *
 * The address guard applies to the address that is really connected to, after name resolution, in
 * whatever way it was spelled. Two tiers: never (unspecified, link-local, multicast, cloud metadata
 * and the like, also inside IPv4-mapped, NAT64, 6to4 and Teredo addresses), and private (loopback,
 * RFC 1918, CGNAT, unique local), which one setting allows.
 */
#ifndef COURIER_COURIER_H
#define COURIER_COURIER_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/str.h"
#include "core/outcome.h"

struct courier;

struct courier_req {
	/* filled by the caller; all memory lives until `done` */
	struct str method, url;
	struct headers header; /* sent in this order, besides Host and Content-Length */
	struct str body;
	int64_t timeout_ms;      /* whole exchange; > 0 */
	size_t answer_bytes_max; /* of the body kept; what is beyond is read no further and cut */
	void (*done)(struct courier_req *req);
	/* NULL, or asked before the first byte goes out, perhaps long after the start, and again when it has to be sent
	 * anew: false = not any more. It then ends without an attempt, its outcome says nothing. */
	bool (*may_begin)(struct courier_req *req);
	/* NULL, or told before and after the courier works on the bytes of this request or its answer. libcurl's
	 * own work is not told of. */
	void (*at_work)(struct courier_req *req, bool is);
	void *arg;
	/* result, in `arena` (initialised by the caller, who also ends it) */
	struct arena arena;
	struct outcome outcome;
	void *priv; /* the backend's */
};

struct courier_ops {
	void (*send)(struct courier *c, struct courier_req *req);
	void (*cancel)(struct courier *c, struct courier_req *req);
	void (*close)(struct courier *c);
};

struct courier {
	const struct courier_ops *ops;
};

/* Starts it. `done` is called later, never from inside this call. */
void courier_send(struct courier *c, struct courier_req *req);
/* Ends it now; `done` is not called. */
void courier_cancel(struct courier *c, struct courier_req *req);
/* Cancels what runs and frees all. */
void courier_close(struct courier *c);

#endif
