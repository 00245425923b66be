/* loglink.h - the log as a server has it: in this process, fed by its engines, or with processes of their own
 * (-log-processes), which read the databases themselves and are asked over sockets or URLs.
 */
#ifndef APP_LOGLINK_H
#define APP_LOGLINK_H

#include "app/conf.h"
#include "app/retention.h"
#include "base/compiler.h"
#include "engine/engine.h"
#include "logs/logclient.h"
#include "logs/logs.h"
#include "net/loop.h"

#define LOGLINK_SOCKET \
	"logs-%u.sock" /* in the data directory: where the process of a slot is asked */

enum { LOGLINK_ERROR_BYTES = 256 };

struct loglink;

struct loglink_settings {
	const struct conf *conf; /* all of these outlive the link */
	const char *dir;
	struct loop *loop;
	struct retention *retention; /* for logs in this process */
};

/* Opens the log, or finds out where the log processes are. NULL with one line for the user in ret_error. */
must_use struct loglink *loglink_open(const struct loglink_settings *settings,
				      char ret_error[LOGLINK_ERROR_BYTES]);
struct logs_port loglink_port(struct loglink *l);
/* Where an engine's events go; the store is the engine's. Lives as long as the link. */
struct engine_sink loglink_sink(struct loglink *l, const struct store *store);
/* Lets time pass. Returns the mono ms of the next wish. */
int64_t loglink_turn(struct loglink *l, int64_t wall_ms, int64_t mono_ms);
/* When the stores are closed. Answers what is still asked; whoever asked must still be there. NULL is fine. */
void loglink_close(struct loglink *l);
/* After loop_free. NULL is fine. */
void loglink_free(struct loglink *l);

/* A client of all log processes that the settings name. NULL with one line. */
must_use struct logclient *loglink_client(const struct conf *conf, const char *dir,
					  struct loop_bell *bell,
					  char ret_error[LOGLINK_ERROR_BYTES]);

#endif
