/* router.h - from a method and a raw path to a row of the table of routes. Pure.
 *
 * A pattern is a path of segments. A fixed segment matches in any case. `{id}` matches one
 * segment and hands it out percent-decoded. `{destination...}`, only at the end, takes all the
 * rest as it arrived: "://", "//", "..", percent signs and all. One slash at the end of a path
 * does not count, so an empty id means the collection. The first row that matches wins.
 */
#ifndef API_ROUTER_H
#define API_ROUTER_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/str.h"

struct call;

/* HEAD is taken for GET. */
#define ROUTE_METHODS(X) X(GET) X(POST) X(PATCH) X(DELETE)

enum route_method {
	ROUTE_NO_METHOD, /* none that the names below have */
#define X(name) ROUTE_##name,
	ROUTE_METHODS(X)
#undef X
		ROUTE_ANY, /* of a row: whatever the method is */
};

/* Who may. */
enum route_scope {
	ROUTE_OPEN,  /* anybody, without a token */
	ROUTE_READ,  /* either token */
	ROUTE_LOG,   /* either token; also served by a process of logs alone */
	ROUTE_WRITE, /* the full token only */
	ROUTE_SEND,  /* the same, and not counted against the burst limit (burst.h) */
	ROUTE_ADMIN, /* the admin token, or anybody on the control socket */
};

/* How long a body may be. */
enum route_body {
	ROUTE_SMALL,   /* API_SMALL_BYTES_MAX */
	ROUTE_MESSAGE, /* the plan's message size; API_OPEN_BYTES_MAX on open routes */
	ROUTE_BATCH,   /* API_BATCH_BYTES_MAX */
};

struct route {
	enum route_method method;
	struct str pattern;
	void (*run)(struct call *c);
	enum route_scope scope;
	enum route_body body;
	const char *doc; /* what it does, in a few words */
};

struct route_table {
	const struct route *v;
	size_t n;
};

enum { ROUTE_IDS_MAX = 3 };

struct route_match {
	const struct route *route;
	struct str id[ROUTE_IDS_MAX]; /* decoded, in order; views into the path or the arena */
	size_t ids;
	struct str rest;  /* raw */
	struct str allow; /* OTHER_METHOD: "GET, DELETE" */
};

enum route_result {
	ROUTE_FOUND,
	ROUTE_UNKNOWN,      /* no row has that path */
	ROUTE_OTHER_METHOD, /* a row has that path, but not with this method; see `allow` */
	ROUTE_BAD_ID,       /* a broken percent-escape in an id */
};

enum route_method router_method(struct str text); /* case matters; never ROUTE_ANY */
enum route_result router_find(struct arena *a, struct route_table table, enum route_method method,
			      struct str path, struct route_match *ret_match);

#endif
