/* logd.h - `qstash logs`: a process that keeps the logs of the users of its slot, for the compute processes of one or
 * several hosts.
 *
 * It reads the outboxes of all databases, writes the files below DATA-DIR/logs, and answers: the compute processes on a
 * socket in the data directory, or at -logs-port; users at -log-port.
 *
 *	logd.c        starting and stopping, and its turns
 *	logd_serve.c  who asks it: listeners, users to be forgotten
 */
#ifndef APP_LOGD_H
#define APP_LOGD_H

#include "api/api.h"
#include "app/conf.h"
#include "app/retention.h"
#include "base/compiler.h"
#include "base/list.h"
#include "core/plan.h"
#include "engine/engine.h"
#include "engine/pool.h"
#include "logs/logclient.h"
#include "logs/logpump.h"
#include "logs/logserver.h"
#include "net/httpd.h"
#include "net/loop.h"
#include "store/store.h"

struct supervised;

/* Runs the command; returns its exit status. */
int logd_main(int argc, char **argv);

/* ---- what its two files share ----------------------------------------------------------------------- */

enum { LOGD_ERROR_BYTES = 1024, LOGD_BASES_MAX = POOL_ENGINES_MAX };

/* A database: its events, and its users for retention and tokens. */
struct logd_base {
	struct store *store; /* a reader; both of the others use it */
	struct engine *engine;
	struct logpump *pump;
};

struct logd {
	const struct conf *conf;
	struct supervised *supervised; /* NULL: started by hand */
	const struct plans *plans;
	char *dir;
	int lock_fd;
	struct loop *loop;
	struct loop_bell *store_bell, *logs_bell, *client_bell;
	struct retention *retention;
	struct logs *logs;
	struct logd_base base[LOGD_BASES_MAX];
	size_t bases;
	struct pool *pool; /* of their engines */
	struct logserver *server;
	struct list forgetting; /* struct logd_forget, in logd_serve.c */
	uint64_t forgets, forgotten;
	struct httpd *local_http, *remote_http, *log_http;
	char *local_path;
	struct api *api;
	struct logclient *client; /* the other slots, for users who come to this one; NULL: none */
	int64_t tick_ms, give_up_ms; /* mono */
	bool stopping;
	int draining;
};

/* Opens the listeners. False with one line for the user. */
must_use bool logd_serve_open(struct logd *d, char ret_error[LOGD_ERROR_BYTES]);
/* Goes on with users to be forgotten. */
void logd_serve_turn(struct logd *d);
void logd_serve_drain(struct logd *d, void (*done)(void *arg));
/* Once the logs are closed. */
void logd_serve_close(struct logd *d);

#endif
