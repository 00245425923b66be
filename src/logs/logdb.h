/* logdb.h - one user's log file: an SQLite database in WAL mode.
 *
 *	logdb.c         opening, the schema, running statements, judging errors
 *	logdb_write.c   taking events in
 *	logdb_expire.c  letting old entries go
 *	logdb_read.c    segments, messages and trails for queries
 *
 * Positions. Every entry has one: an int64 that is (Unix ms << 20) or the former entry's + 1,
 * whichever is greater. So positions grow in the order of arrival, which keeps cause before effect
 * although clocks differ and step, and they grow with time. An entry's position is never before its
 * time; how far it has ever been after it is the file's skew.
 *
 * Segments. A row for every event would cost more than the rest of a message's life, so events that
 * arrive together are packed (event.h) into one row of about a third of a page. Only the position
 * of the first is stored; the others follow from the rule above. Segments do not overlap.
 *
 * Messages. The record of a message is in a row of its own, with the segment in which its first
 * entry is; `later` names the other segments that have entries of it. Most messages are over before
 * their events are committed, have all entries in one segment and nothing in `later`. A long body
 * is cut off from its record, so that a filter does not read it. A message of a workflow run also has a row that
 * says of which.
 *
 * Sources. What a segment says of the outbox belongs to the source of the file, which is the one of its last
 * batch. When another source takes over (the user has moved), the position of the former is put aside as a fact about the
 * file, and what was put aside for the new one counts again.
 *
 * All functions may be called from one thread at a time. An error is kept in the handle and makes
 * all that follows do nothing; logdb_result then says what to do about it.
 */
#ifndef LOGS_LOGDB_H
#define LOGS_LOGDB_H

#include <sqlite3.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "core/event.h"

enum {
	LOGDB_POS_BITS = 20, /* of a position, below the milliseconds */
	LOGDB_PAGE_BYTES = 8192,
	LOGDB_CACHE_KB = 1024,           /* page cache of one open file */
	LOGDB_CHECKPOINT_PAGES = 1000,   /* of WAL */
	LOGDB_WAL_BYTES_KEPT = 16 << 20, /* a longer WAL is cut after its checkpoint */
	LOGDB_BUSY_MS = 1000,            /* wait for a lock that somebody outside holds */
	LOGDB_SEGMENT_BYTES = 3600,      /* a segment that has as much is full */
	LOGDB_SEGMENT_EVENTS = 128,      /* or as many */
	LOGDB_RECORD_BYTES = 1024,       /* the body of a longer record is cut off from it */
	LOGDB_EXPIRE_SEGMENTS = 32,      /* let go in one transaction */
	LOGDB_VACUUM_PAGES = 128,        /* given back to the file system after it */
	LOGDB_KNOWN_MAX = 500 * 1000,    /* entries looked back at for events handed over twice */
	LOGDB_TRAIL_MAX = 10 * 1000,     /* segments of one message that are looked at */
};

#define LOGDB_TIME_MS_MAX ((int64_t)1 << 42) /* the year 2109; later times are cut to it */

enum logdb_result {
	LOGDB_OK,
	LOGDB_ABSENT,     /* reading: there is no file, or nothing in it yet */
	LOGDB_BROKEN,     /* what is there cannot be used: to be set aside */
	LOGDB_UNWRITABLE, /* disk full, no permission, no file handles, locked: perhaps later */
};

enum { LOGDB_INFO_BYTES = 96 }; /* of a fact's name, with the NUL */

#define LOGDB_NEW ".new" /* behind the name of a file that is being made */

enum logdb_sync {
	LOGDB_SYNC_NEVER,   /* nothing needs to survive the machine */
	LOGDB_SYNC_COMMITS, /* each commit is durable */
	LOGDB_SYNC_LATER,   /* a commit is durable once the caller has synced the file system */
};

enum logdb_sql {
	LOGDB_BEGIN_WRITE,
	LOGDB_BEGIN_READ,
	LOGDB_COMMIT,
	LOGDB_ROLLBACK,
	LOGDB_SEGMENT_ADD,
	LOGDB_SEGMENT_FIRST,
	LOGDB_SEGMENT_AT,
	LOGDB_SEGMENT_AFTER,
	LOGDB_SEGMENT_REMOVE,
	LOGDB_MESSAGE_ADD,
	LOGDB_MESSAGE_SEGMENT,
	LOGDB_MESSAGE_RECORD,
	LOGDB_MESSAGE_BODY,
	LOGDB_MESSAGE_REMOVE,
	LOGDB_LATER_ADD,
	LOGDB_LATER_LIST,
	LOGDB_LATER_REMOVE,
	LOGDB_LATER_ANY,
	LOGDB_RUN_ADD,
	LOGDB_RUN_REMOVE,
	LOGDB_RUN_HAS,
	LOGDB_RUN_ANY,
	LOGDB_RUN_BEFORE,
	LOGDB_RUN_NAMED_BEFORE,
	LOGDB_RUN_MESSAGES,
	LOGDB_INFO_GET,
	LOGDB_INFO_SET,
	LOGDB_LAST,
	LOGDB_PAGES,
	LOGDB_PAGES_FREE,
	LOGDB_VACUUM,
	LOGDB_STATEMENTS,
};

struct logdb {
	sqlite3 *sql;
	sqlite3_stmt *statement[LOGDB_STATEMENTS]; /* prepared when first used */
	int error;        /* SQLite's extended code of the first failure; SQLITE_OK = none */
	int error_system; /* errno that belongs to it */
	char error_text[160];
	int64_t last;    /* greatest position given; 0 = none yet */
	int64_t skew_ms; /* greatest distance of a position from its entry's time */
	char *source;    /* where the last batch came from; owned */
	uint64_t outbox; /* its outbox position taken in */
	enum logdb_sync sync;
	char *path; /* owned */
	dev_t dev;  /* which file it is, to see when another one has its name */
	ino_t ino;
	char *user; /* whose entries it holds; owned; NULL when reading */
};

/* ---- logdb.c ---------------------------------------------------------------------------------------- */

/* Opens the file for writing, making it first when there is none and the user is given, or for
 * reading. Takes the path and frees it in the end. Whatever the result, the handle must be closed.
 */
must_use enum logdb_result logdb_open_write(struct logdb *db, char *path, struct str user,
					    bool ephemeral);
must_use enum logdb_result logdb_open_read(struct logdb *db, char *path);
/* Rolls back what is not committed. With `checkpoint`, what is in the WAL is moved into the file
 * and the WAL is removed (if nobody else has it open); not for a file with an error, or one that
 * may not be the one of its name any more. */
void logdb_close(struct logdb *db, bool checkpoint);

/* For the transactions that follow. A file is opened with LOGDB_SYNC_COMMITS, or NEVER, which
 * stays. */
void logdb_sync(struct logdb *db, enum logdb_sync sync);

enum logdb_result logdb_result(const struct logdb *db);
void logdb_fail_broken(struct logdb *db, const char *text); /* what was read makes no sense */

/* Statements: get one, bind, then step with logdb_row until it is false, or logdb_end before. */
sqlite3_stmt *logdb_sql(struct logdb *db, enum logdb_sql which); /* NULL once there was an error */
/* True when there is a row; false at the end, which also resets, and on an error. */
bool logdb_row(struct logdb *db, sqlite3_stmt *s);
void logdb_end(sqlite3_stmt *s);
void logdb_run(struct logdb *db, enum logdb_sql which); /* one without parameters */
/* The first column of the only row; 0 when there is none. */
int64_t logdb_value(struct logdb *db, sqlite3_stmt *s);
void logdb_bind_int(sqlite3_stmt *s, int index, int64_t v); /* s may be NULL */
void logdb_bind_blob(sqlite3_stmt *s, int index, struct str v);
struct str logdb_column(sqlite3_stmt *s, int column); /* valid until the next step */
/* Facts about the file by name, with the name bound; setting one takes the value as parameter 2. */
sqlite3_stmt *logdb_info(struct logdb *db, const char *name);
sqlite3_stmt *logdb_info_set(struct logdb *db, const char *name);
void logdb_set_number(struct logdb *db, const char *name, int64_t v);

/* In a transaction: what follows comes from this source. When it fails, the handle is of no use any more. */
void logdb_change_source(struct logdb *db, struct str source);

/* ---- segments --------------------------------------------------------------------------------------- */

/* The position of an entry with that time behind one at `former`. */
int64_t logdb_position(int64_t former, int64_t time_ms);
int64_t logdb_time_cut(int64_t time_ms); /* into 0..LOGDB_TIME_MS_MAX */

/* An entry of a segment. */
struct logdb_entry {
	int64_t pos;
	struct event event; /* points into the segment */
};

struct logdb_segment {
	int64_t pos, last; /* of its first and last entry */
	int64_t time_min_ms, time_max_ms;
	struct str data; /* in the arena it was read into */
};

/* Unpacks a segment into the arena. Broken data is an error of the file. */
struct logdb_entry *logdb_unpack(struct logdb *db, struct arena *a, const struct logdb_segment *s,
				 size_t *ret_n);

/* ---- logdb_write.c ---------------------------------------------------------------------------------- */

/* An event that was handed over. */
struct logdb_event {
	struct logdb_event *next;
	struct event event;
	uint64_t after; /* outbox position before the hand-over that it came with */
};

struct logdb_batch {
	struct str source; /* where they come from */
	struct logdb_event *first;
	uint64_t outbox;       /* position of the last hand-over in the batch */
	size_t body_bytes_max; /* message and response bodies are cut to this */
};

/* Takes in a batch as one transaction. Events that the file has already are left out. */
must_use enum logdb_result logdb_write(struct logdb *db, const struct logdb_batch *batch,
				       size_t *ret_written);

/* ---- logdb_expire.c --------------------------------------------------------------------------------- */

struct logdb_expired {
	bool more;  /* entries that are too old are left */
	bool empty; /* there are no entries at all */
};

/* Lets entries go that are older than that, and the messages without entries; a small bite of them.
 */
must_use enum logdb_result logdb_expire(struct logdb *db, int64_t now_ms, int64_t retention_ms,
					struct logdb_expired *ret_expired);

/* ---- logdb_read.c ----------------------------------------------------------------------------------- */

/* The first segment; the one that holds `pos` or else is the nearest before it; the nearest that
 * begins after it. Its data is read into the arena; false when there is none. */
bool logdb_read_first(struct logdb *db, struct arena *a, struct logdb_segment *ret_segment);
bool logdb_read_at(struct logdb *db, struct arena *a, int64_t pos,
		   struct logdb_segment *ret_segment);
bool logdb_read_after(struct logdb *db, struct arena *a, int64_t pos,
		      struct logdb_segment *ret_segment);
/* The message's record, without a body that was cut off from it; false when the file has none. The
 * message points into the arena. */
bool logdb_read_message(struct logdb *db, struct arena *a, uint64_t seq, struct msg *ret_msg);
/* The body that was cut off from the record, if one was: fills msg->body. */
void logdb_read_body(struct logdb *db, struct arena *a, struct msg *msg);
/* Appends the positions (int64) of the segments that may have entries of the message, the latest
 * LOGDB_TRAIL_MAX of them, in no order. */
void logdb_read_trail(struct logdb *db, uint64_t seq, struct buf *positions);

#endif
