/* sqlite_store.h - the embedded store backend: one SQLite database.
 *
 * On disk: WAL, synchronous=FULL, one process at a time (a lock beside the database), a writer thread
 * that executes each batch as one transaction, so that the loop's thread never waits for the disk, and a
 * second thread for checkpoints, so that a commit does not wait for them either.
 * In memory (path ":memory:"): for the simulator and as the oracle of differential tests; batches run
 * inside store_flush, and several handles (holders) may share one database.
 *
 * Memory grows with what is active (messages in flight, gates with waiting messages, users that have
 * messages), not with the number of stored messages; neither does the time to open.
 *
 * A transaction that fails (disk full, I/O error) answers UNAVAILABLE to all of its requests; the next
 * one starts from what the database says. This backend never answers UNKNOWN.
 */
#ifndef STORE_SQLITE_STORE_H
#define STORE_SQLITE_STORE_H

#include "base/compiler.h"
#include "store/store.h"

struct sqlite_db;

struct sqlite_settings {
	const char *path; /* of the database file, or ":memory:" */
	bool threaded;    /* false: batches run inside store_flush */
	bool ephemeral;   /* synchronous=OFF: state need not survive the machine */
	int64_t lease_ms; /* 0 = 15,000 */
	/* Rung when completions wait for store_poll; from the writer thread when there is one. NULL is fine. */
	void (*wake)(void *arg);
	void *wake_arg;
};

/* Opens or creates the database (the directory must exist), migrates its schema to ours; refuses one that is
 * newer than we know, is not ours, or is in use by another process. All leases of former processes are
 * ended. NULL with a one-line reason in ret_error on failure. The path is copied. */
must_use struct sqlite_db *sqlite_db_open(const struct sqlite_settings *settings, int64_t now_ms,
					  char ret_error[200]);
/* A handle on it: one holder of leases. On-disk databases have at most one at a time. Closed by
 * store_close. NULL when the disk refuses the holder's row. */
must_use struct store *sqlite_db_attach(struct sqlite_db *db, int64_t now_ms);
/* As if the process of that handle had died: the handle is freed, nothing is given back, no `done` is
 * called (simulator, tests). A batch that is being executed is finished first. */
void sqlite_db_kill(struct sqlite_db *db, struct store *s);
/* Forgets what is kept in memory: the next batch starts from what the rows say, as after a failed transaction
 * (simulator, tests). */
void sqlite_db_forget(struct sqlite_db *db);
/* After all handles are closed or killed. */
void sqlite_db_close(struct sqlite_db *db);

struct sqlite_stats {
	uint64_t commits, steps;  /* since opening */
	uint64_t commit_us_total; /* spent in COMMIT, which is mostly the disk's time */
	uint64_t commits_failed;
	int64_t messages;       /* not ended */
	int64_t outbox_entries; /* not trimmed; approximate */
	int64_t wal_pages;      /* in the write-ahead log */
	int64_t gates;          /* in memory */
};
struct sqlite_stats sqlite_db_stats(struct sqlite_db *db);

/* Recomputes from the rows what the gates count and what the claim knows to be ready, and compares: false
 * with the first difference in ret_error. Reads the whole database: for tests and the simulator, while no
 * batch is being executed. `now_ms` is that of the last flush. */
must_use bool sqlite_db_check(struct sqlite_db *db, int64_t now_ms, char ret_error[200]);

#endif
