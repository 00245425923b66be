/* logserver.h - answers other processes for the logs of this one, over HTTP.
 *
 *	POST /query    a query as logwire.h has it; answered likewise, with 200 whatever the query's own result
 *	POST /forget   the body is a user: 200 once nothing of it is left
 *	GET  /status   numbers, as JSON
 *
 * It is handed to httpd_open (logserver_ops, with the server as `arg`), on a socket that only its owner may open, or
 * on a port, where a secret is asked for. All on the loop's thread.
 */
#ifndef LOGS_LOGSERVER_H
#define LOGS_LOGSERVER_H

#include "logs/logs.h"
#include "net/httpd.h"

struct logserver;

struct logserver_settings {
	struct logs *logs;
	struct str secret; /* of the bearer token; empty = whoever gets here may ask. Copied */
	/* Removes what there is of a user; told by the number when that is done, as with logs_forget_user. */
	uint64_t (*forget)(void *arg, struct str user);
	bool (*is_forgotten)(void *arg, uint64_t number);
	/* A query waits for events that may be in the outbox yet. */
	void (*hurry)(void *arg);
	void (*status)(void *arg, struct buf *json);
	void *arg;
};

must_use struct logserver *logserver_new(const struct logserver_settings *settings);
const struct httpd_ops *logserver_ops(void);
/* Answers who waits for a user to be forgotten. To be called when the log has rung. */
void logserver_poll(struct logserver *s);
/* After logs_close. What still waits is answered 503. */
void logserver_free(struct logserver *s);

#endif
