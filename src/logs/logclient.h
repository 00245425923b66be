/* logclient.h - asks log processes: the port of the log (logs.h) for a process that has no log of its own.
 *
 * A user's log is with one of them (logslot.h). Requests run on a thread of their own. One that cannot be reached makes
 * its queries answer 503 at once, with the reason; one that does not answer, after a while. Nothing else waits for
 * them.
 */
#ifndef LOGS_LOGCLIENT_H
#define LOGS_LOGCLIENT_H

#include "logs/logs.h"

struct logclient;

struct logclient_settings {
	/* One for each slot, in order: the path of a socket, or the URL of a server elsewhere. Copied. */
	const char *const *peers;
	unsigned slots;
	struct str secret;   /* sent as a bearer token; empty = none */
	const char *ca_file; /* trusted roots for https; NULL = the system's */
	int64_t timeout_ms;  /* 0 = 15,000 */
	/* Rung from the thread when logclient_poll has something to do. */
	void (*wake)(void *arg);
	void *wake_arg;
};

/* NULL with why in words. */
must_use struct logclient *logclient_open(const struct logclient_settings *settings,
					  char ret_error[200]);
struct logs_port logclient_port(struct logclient *c);
/* Calls `done` of the queries that are answered. */
void logclient_poll(struct logclient *c);
/* Has a user forgotten by its log process, as often as it takes. Returns a number by which logclient_is_forgotten tells
 * whether that is done. */
uint64_t logclient_forget(struct logclient *c, struct str user);
bool logclient_is_forgotten(struct logclient *c, uint64_t number);
/* Queries that are not answered yet are, with 503. */
void logclient_close(struct logclient *c);

#endif
