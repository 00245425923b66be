/* logpump.h - moves the events of one database from its outbox into the logs of this process.
 *
 * For a process of logs alone, which shares the users with others (logslot.h): it takes the events of its own users,
 * and lets the database forget what is durable in its files. It is a reader of the outbox (store.h); where it goes on
 * after a crash the database knows, and what comes again then the files have already.
 *
 * The store's handle is the pump's alone to flush. It owns no timer: logpump_turn does what is due and says when it
 * wants to be called again.
 */
#ifndef LOGS_LOGPUMP_H
#define LOGS_LOGPUMP_H

#include "logs/logs.h"
#include "store/store.h"

struct logpump;

struct logpump_settings {
	struct store *store;
	struct logs *logs;
	unsigned slot, slots; /* which of the processes this is */
};

must_use struct logpump *logpump_new(const struct logpump_settings *settings);
/* Once the store is closed. */
void logpump_free(struct logpump *p);

/* Returns the mono ms of its next wish. */
int64_t logpump_turn(struct logpump *p, int64_t wall_ms, int64_t mono_ms);
/* Somebody waits: reads as soon as it would while there are events. */
void logpump_hurry(struct logpump *p);

struct logpump_stats {
	struct str database; /* what it calls itself; empty: not known yet */
	bool joined;
	uint64_t last;      /* position of the outbox's last entry */
	uint64_t taken;     /* handed to the logs */
	uint64_t committed; /* durable in the files */
	uint64_t dropped;   /* events that the outbox has lost unread, ever */
	uint64_t reads;     /* that were answered; grows also when there is nothing */
	bool reading;       /* one is under way */
};
struct logpump_stats logpump_stats(const struct logpump *p);

#endif
