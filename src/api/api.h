/* api.h - the REST API over HTTP: one object that answers what any number of listeners hand it.
 *
 * It is wired to a server by passing api_ops() and the api itself to httpd_open; several
 * servers (the main port, the log port) may share one api. Everything runs on the loop's
 * thread. A request is judged in two steps: route, token and permitted body size when its head
 * is there, the rest when its body is complete.
 */
#ifndef API_API_H
#define API_API_H

#include "base/compiler.h"
#include "logs/logs.h"
#include "net/httpd.h"

struct api;
struct engine;
struct loop;
struct pool;

struct api_settings {
	struct pool *pool;      /* who may call, and what serves them */
	struct logs_port logs;  /* who answers for the log */
	struct loop *loop;      /* for the time of day */
	struct str admin_token; /* of /v2/admin; empty = there is no such thing */
	/* Whoever gets here is an administrator (a socket that only its owner may open); nothing else is
	 * served then but the health check. */
	bool control;
	/* Nothing but reading logs is served, and the health check: a process of logs alone. */
	bool logs_only;
	struct str llm_url; /* the engine's; empty = api/llm is refused */
	bool cors;          /* any web page may call (development) */
};

must_use struct api *api_new(const struct api_settings *settings);
/* After the servers are closed, and when engine and logs have no request of ours any more. */
void api_free(struct api *api);

/* For httpd_open, with the api as `arg`. */
const struct httpd_ops *api_ops(void);

#endif
