/* logs.h - the log: takes events from the store's outbox into one SQLite file per user, and answers
 * every log query from there.
 *
 * Two threads of its own: one writes, one answers, so that neither a slow disk nor a heavy query
 * touches the path of publishing and delivery. A file that is broken or missing is set aside
 * (renamed, told once) and begun anew; the log then lacks entries, and nothing else happens.
 *
 * Events come from sources, the outboxes of databases. Each file remembers the position that it has taken in
 * of each source, and events that are handed over again
 * (after a crash, in whatever pieces) are compared with its last entries, so they are kept once.
 * (Two events of one message that are alike in state, numbers, error and millisecond are taken for
 * one then.)
 *
 * The owner (engine, or a process of logs alone) moves events: it reads an outbox, calls logs_take, and trims the
 * outbox up to the position that logs_committed reports. All functions are called from its thread; none of them
 * waits for a disk, except logs_open and logs_close.
 *
 *	logs.c       this: hand-overs and queries wait here, two threads serve them
 *	logwriter.c  the writing thread's work: rounds, files set aside, retention
 *	logreader.c  the answering thread's work
 *	logquery.c   one query over one open file
 *	logruns.c    the query for workflow runs: logrun.c puts one together, logrunview.c shows it
 *	logrender.c  entries and messages as JSON
 *	logfiles.c   the files of a thread, by user, and which of them are open
 *	logdb*.c     one file
 *	logsources.c the outboxes that events come from
 */
#ifndef LOGS_LOGS_H
#define LOGS_LOGS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/problem.h"
#include "base/str.h"
#include "core/event.h"
#include "core/filter.h"
#include "core/msg.h"
#include "core/runfilter.h"

struct logs;
struct logs_source;

enum { LOGS_SOURCE_BYTES_MAX = 64 };

struct logs_settings {
	const char *dir; /* one file per user below it; created when needed */
	bool threaded;   /* false: everything runs inside the calls (tests) */
	bool ephemeral;  /* synchronous=OFF */
	/* The files are written as often as ever although queries wait for what is on its way: each time costs a
	 * sync of the disk, which others may share. */
	bool patient;
	int read_nice; /* of the answering thread: 0 to 19, the last when the processor is short */
	size_t files_open_max; /* of each thread; the least recently used one is closed; 0 = 64 */
	size_t body_bytes_max; /* message and response bodies are cut to this in the log; 0 = 1 MiB */
	size_t backlog_bytes_max; /* of events handed over and not committed yet; 0 = 64 MiB */
	/* How long a user's entries are kept, seconds; 0 = for ever. Called on the writer thread,
	 * must be thread-safe; NULL = 3 days for all. */
	int64_t (*retention_s)(void *arg, struct str user);
	void *retention_arg;
	/* Rung from the log threads when logs_poll has something to do, logs_committed has grown, or a user
	 * is forgotten. */
	void (*wake)(void *arg);
	void *wake_arg;
};

/* NULL, and why in words, when the directory cannot be made or the threads not be started. */
must_use struct logs *logs_open(const struct logs_settings *settings, char ret_error[200]);
/* Commits what was taken; queries that are not answered yet are, with status 503 (their `done` is
 * called). */
void logs_close(struct logs *l);

/* The source of that name: what the database calls itself, so that another one in its place is not taken for it;
 * empty for the one that needs no name, because it has always been with these files. It is made when needed, and lives
 * as long as the log. At most LOGS_SOURCE_BYTES_MAX. */
struct logs_source *logs_source(struct logs *l, struct str name);

/* Hands over the packed events of the outbox behind position `after` up to `pos`; copied. Each call
 * goes on where the one before ended. False when the writer is behind (the caller keeps them in the
 * outbox and tries again later): never blocks. One hand-over is taken however long it is when
 * nothing else waits. */
must_use bool logs_take(struct logs_source *s, struct str events, uint64_t after, uint64_t pos,
			int64_t now_ms);
/* Everything up to this position is durable in the files (or was given up with a file that cannot
 * be written). 0 until something was committed. */
uint64_t logs_committed(const struct logs_source *s);
/* Lets time pass, for retention. To be called now and then, when there are no events too; once a
 * minute is enough. */
void logs_tick(struct logs *l, int64_t now_ms);

enum logs_query_kind {
	LOGS_LIST,    /* entries by filter, a page */
	LOGS_MESSAGE, /* one message, if it ended at most grace_ms ago (spec 2.2.3) */
	LOGS_STATES,  /* the latest state of each of some messages */
	LOGS_RUNS,    /* workflow runs by filter, a page, their steps in groups (workflow spec 8) */
	LOGS_RUN_EVENTS, /* entries of workflow runs, which LIST leaves out */
};

enum {
	LOGS_BARRIER_MS = 2000,    /* how long a query waits for not_before_pos */
	LOGS_PAGE_BYTES = 8 << 20, /* a page that has become as long ends, with a cursor */
	/* So does one for which as many entries were looked at; a message that must be looked up
	 * weighs as much as three of them. */
	LOGS_WORK_MAX = 200 * 1000,
	LOGS_STATES_MAX = 1000,
};

/* What the strings in here point to lives until `done` is called. */
struct logs_query {
	enum logs_query_kind kind;
	struct str user;
	struct filter filter; /* LIST; RUN_EVENTS: page, times and cursor */
	struct runfilter run; /* RUNS, RUN_EVENTS */
	bool both_keys;   /* LIST: the array as "logs" and "events" (GET /v2/logs), else "events" */
	struct msg_id id; /* MESSAGE */
	int64_t grace_ms;
	int64_t now_ms;
	const struct msg_id *ids; /* STATES: LOGS_STATES_MAX at most */
	size_t ids_n;
	enum event_state *states; /* STATES: results in the caller's memory; NONE = not known */
	/* Answer only when entries up to this position of this source are in (0 = at once); after
	 * LOGS_BARRIER_MS it answers with what there is. */
	uint64_t not_before_pos;
	struct str source;
	void (*done)(struct logs_query *q); /* from logs_poll, on the owner's thread */
	void *arg;
	/* results */
	struct problem problem;   /* status 0 = fine */
	struct buf body;          /* the complete JSON answer; freed by the caller. STATES: empty */
	bool found;               /* MESSAGE */
	struct logs_query *next;  /* private */
	int64_t deadline_ms;      /* private */
	struct logs_source *from; /* private */
};

void logs_query(struct logs *l, struct logs_query *q);
void logs_poll(struct logs *l);

/* Whom to ask: a log in this process, or those of others (logclient.h). A query is answered once, later, on the
 * thread that asked; that nobody can be reached is an answer, too. */
struct logs_port {
	void (*query)(void *arg, struct logs_query *q);
	void *arg;
};
struct logs_port logs_port(struct logs *l);

/* Forgets a user: its files go, with the events that were handed over before. Returns a number by which
 * logs_is_forgotten tells whether that is done, and durable. */
uint64_t logs_forget_user(struct logs *l, struct str user);
bool logs_is_forgotten(const struct logs *l, uint64_t number);

struct logs_stats {
	uint64_t events_written, events_dropped, files_set_aside;
	size_t backlog_bytes;
};
struct logs_stats logs_stats(struct logs *l);

#endif
