/* logwriter.h - what the writing side does with the files: takes events in by rounds, sets broken
 * files aside, forgets users, lets old entries go.
 *
 * It runs on one thread. Where events come from is not its business: a round is a list of
 * hand-overs, each a string of packed events that ends at a position of the source, and when the
 * round is over, all of them are in the files or given up. The position of a source only saves
 * looking whether events came before.
 */
#ifndef LOGS_LOGWRITER_H
#define LOGS_LOGWRITER_H

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/log.h"
#include "logs/logfiles.h"

enum {
	LOGWRITER_SWEEP_EVERY_MS = 10 * 60 * 1000, /* every file is looked at for old entries */
	LOGWRITER_ASIDE_KEPT_MS = 7 * 24 * 60 * 60 * 1000, /* a file that was set aside */
	LOGWRITER_RETENTION_DEFAULT_S = 3 * 24 * 60 * 60,
	LOGWRITER_LINES_PER_MINUTE = 10, /* about files that were set aside */
	LOGWRITER_SYNC_TOGETHER = 8,     /* files of a round that are synced by one call */
};

/* Longer retentions are cut to this, seconds: 100 years. */
#define LOGWRITER_RETENTION_MAX_S ((int64_t)100 * 366 * 24 * 60 * 60)

struct logwriter_counts {
	_Atomic uint64_t events_written, events_dropped, files_set_aside;
};

struct logwriter_settings {
	const char *dir;
	bool ephemeral;
	size_t files_open_max;
	size_t body_bytes_max;
	int64_t (*retention_s)(void *arg, struct str user); /* may be NULL */
	void *retention_arg;
	/* The reading side, which must let go of a file before it goes away. */
	struct logfiles *readers;
	pthread_mutex_t *reading; /* held by whoever uses `readers` */
};

struct logwriter {
	struct logwriter_settings settings;
	struct logfiles files;
	struct logwriter_counts counts;
	struct log_limit told_dropped, told_aside, told_sync;
	enum logdb_sync sync;                 /* of the present round */
	DIR *sweep;                           /* a pass over the files is under way */
	char sweep_name[LOGFILES_NAME_BYTES]; /* the file it is at; empty = the next one */
	int64_t sweep_next_ms;                /* when the next pass begins; 0 = not known yet */
};

/* A hand-over: the events of the source behind position `after` up to `pos`. */
struct logwriter_take {
	struct logwriter_take *next;
	struct str source; /* its name */
	struct str events;
	uint64_t after, pos;
};

void logwriter_init(struct logwriter *w, const struct logwriter_settings *settings);
void logwriter_done(struct logwriter *w);

/* Takes in all events of these hand-overs (at least one), one transaction per user. */
void logwriter_round(struct logwriter *w, const struct logwriter_take *takes, int64_t now_ms);

/* The user's file goes. */
void logwriter_forget(struct logwriter *w, struct str user);

/* A reader found the file broken: sets it aside, unless that was done meanwhile. */
struct logwriter_finding {
	char name[LOGFILES_NAME_BYTES];
	struct logfiles_trouble trouble;
};
void logwriter_found_broken(struct logwriter *w, const struct logwriter_finding *finding,
			    int64_t now_ms);

/* Does a small piece of a pass over all files that lets old entries go. True when there is more to
 * do now. */
bool logwriter_sweep(struct logwriter *w, int64_t now_ms);

#endif
