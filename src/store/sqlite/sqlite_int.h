/* sqlite_int.h - what the files of the SQLite backend share.
 *
 *	sqlite_db.c       opening, the lock, handles, closing
 *	sqlite_schema.c   tables, migrations and the text of every statement
 *	sqlite_sql.c      running statements; the batch's sticky error
 *	sqlite_writer.c   the threads: batches from the loop to the database and back, checkpoints
 *	sqlite_batch.c    one batch as one transaction
 *	sqlite_step.c     steps and their moves
 *	sqlite_message.c  the moves of messages
 *	sqlite_row.c      rows of messages and the lanes they stand in
 *	sqlite_gate.c     gates: in memory what is active, on disk all
 *	sqlite_gate_move.c  gates changed by hand
 *	sqlite_usage.c    what users have used, by day
 *	sqlite_purge.c    the end of a user
 *	sqlite_doc.c      documents
 *	sqlite_run.c      workflow runs, their entries and members
 *	sqlite_claim.c    who may start now
 *	sqlite_scan.c     listings and the outbox
 *	sqlite_db_check.c everything counted twice
 *
 * Lanes. Every message row has a place (lane, ord), and the one index over it answers every question that
 * a claim has:
 *
 *	lane                      who stands there                                  ord
 *	id of the user's gate     scheduled, or due and not held up by queue or key  time due
 *	id of a flow key's gate   due, the key was closed or others waited           time of becoming due
 *	id of a queue's gate      no slot in the queue yet, due or not               seq
 *	                          has a slot, due, but the queue is paused           seq + INT64_MIN
 *	- id of a holder          leased                                             seq
 *
 * A user's own messages are found in the lanes of its gates, too. An index by user would cost every message a
 * page of its own where there are many users (measured: 30 us of CPU with 1,000; 0.5 us with one), and those that
 * wait two even if what is leased were left out of it. Where a good part of the table is
 * the user's, or it has more than SQLITE_LISTED messages, the table is walked instead.
 *
 * So a message that waits in its user's lane becomes ready by the passing of time, without a write; ten
 * million of them cost neither memory nor start-up; and who leased what is found after a crash.
 *
 * Gates. What runs at user and flow gates is counted in memory only, for no lease outlives the process. The
 * other counts are in the gate's row, which is written once per batch. A user is in `rotation` when it has
 * a free slot and its list of ready lanes is not empty; a lane is in that list when its gate is open and
 * somebody stands there. Both are kept true at every change (sqlite_gate_refresh), so a claim looks at
 * nothing that it cannot start.
 */
#ifndef STORE_SQLITE_SQLITE_INT_H
#define STORE_SQLITE_SQLITE_INT_H

#include <pthread.h>
#include <sqlite3.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "store/sqlite/sqlite_store.h"

enum {
	SQLITE_RECORD_INLINE_BYTES = 2048, /* a longer record lives in a row of its own */
	SQLITE_BATCH_EVENT_BYTES =
		8 << 20,          /* events after which a batch is cut in two transactions */
	SQLITE_BATCH_REQS = 1024, /* the same for requests */
	SQLITE_BATCH_BYTES_MAX = 1 << 30,  /* no outbox entry can be longer */
	SQLITE_BATCH_KEEP_BYTES = 4 << 20, /* of the events' buffer, from one batch to the next */
	SQLITE_CHECKPOINT_PAGES = 2000,    /* of WAL, after which a checkpoint is begun */
	SQLITE_GATES_CACHED = 10000, /* above that many, unused ones are dropped from memory */
	SQLITE_QUANTUM = 8, /* messages of one user looked at before the next user's turn */
	SQLITE_HOUSEKEEPING_ROWS = 64,   /* removed by one claim, of each kind */
	SQLITE_HOUSEKEEPING_MS = 1000,   /* between looks when there was less than that */
	SQLITE_FLOW_KEPT_MS = 60 * 1000, /* an unused flow key is kept that long */
	SQLITE_LISTED = 20000, /* messages of a user that are gathered and sorted for one listing */
	SQLITE_ENDED_KEPT = 16384, /* ended messages whose repeated put is recognised */
	SQLITE_TICKET_BITS = 40,   /* of a lease token; the rest is the holder */
};

enum sqlite_statement {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_SAVEPOINT,
	SQL_SAVEPOINT_ROLLBACK,
	SQL_SAVEPOINT_RELEASE,
	SQL_BATCH_LAST,
	SQL_BATCH_ADD,
	SQL_BATCH_TRIM,
	SQL_BATCH_EMPTY,
	SQL_BATCH_SIZES,
	SQL_BATCH_EVENTS,
	SQL_BATCH_FIRST,
	SQL_HOLDER_NEXT,
	SQL_HOLDER_LAST,
	SQL_MESSAGE_ADD,
	SQL_MESSAGE_GET,
	SQL_MESSAGE_MOVE,
	SQL_MESSAGE_REMOVE,
	SQL_MESSAGE_HEAD,
	SQL_MESSAGE_RECORD,
	SQL_MESSAGE_SCAN,
	SQL_MESSAGE_OF_USER,
	SQL_MESSAGE_HELD,
	SQL_MESSAGE_LEASED,
	SQL_LARGE_ADD,
	SQL_LARGE_GET,
	SQL_LARGE_SIZE,
	SQL_LARGE_REMOVE,
	SQL_LANE_FIRST,
	SQL_LANE_NEXT,
	SQL_LANE_HOLDER,
	SQL_LANE_TICKET,
	SQL_SLOT_QUEUE,
	SQL_SLOT_KIN,
	SQL_SLOT_HELD,
	SQL_FLOW_FORGIVE,
	SQL_GATE_ADD,
	SQL_GATE_GET,
	SQL_GATE_FIND,
	SQL_GATE_WRITE,
	SQL_GATE_REMOVE,
	SQL_GATE_COUNT,
	SQL_GATE_FORGET,
	SQL_GATE_SCAN,
	SQL_GATE_OF_USER,
	SQL_DEDUP_GET,
	SQL_DEDUP_SET,
	SQL_DEDUP_EXPIRE,
	SQL_DEDUP_PURGE,
	SQL_DLQ_ADD,
	SQL_DLQ_REMOVE,
	SQL_DLQ_GET,
	SQL_DLQ_AFTER,
	SQL_DLQ_BEFORE,
	SQL_DLQ_EXPIRED,
	SQL_DLQ_OF_USER,
	SQL_DLQ_DROP,
	SQL_DOC_GET,
	SQL_DOC_ADD,
	SQL_DOC_SET,
	SQL_DOC_REMOVE,
	SQL_DOC_COUNT,
	SQL_DOC_DUE,
	SQL_DOC_NEXT,
	SQL_DOC_SCAN,
	SQL_DOC_SCAN_ALL,
	SQL_DOC_PURGE,
	SQL_USAGE_SCAN,
	SQL_USAGE_WRITE,
	SQL_USAGE_EXPIRE,
	SQL_USAGE_PURGE,
	SQL_RUN_ADD,
	SQL_RUN_GET,
	SQL_RUN_GET_OPEN,
	SQL_RUN_KNOWN,
	SQL_RUN_SET,
	SQL_RUN_GREW,
	SQL_RUN_COUNT,
	SQL_RUN_COPY,
	SQL_RUN_END,
	SQL_RUN_SCAN,
	SQL_RUN_OF_USER,
	SQL_RUN_REMOVE,
	SQL_RUN_SWEEP_FIRST,
	SQL_RUN_SWEPT,
	SQL_RUN_ENTRY_ADD,
	SQL_RUN_ENTRIES,
	SQL_RUN_ENTRY_SWEEP,
	SQL_RUN_KEY_GET,
	SQL_RUN_KEY_ADD,
	SQL_RUN_KEY_SWEEP,
	SQL_RUN_MESSAGE_ADD,
	SQL_RUN_MESSAGE_AFTER,
	SQL_RUN_MESSAGE_REMOVE,
	SQL_RUN_DOC_ADD,
	SQL_RUN_DOC_DROP,
	SQL_RUN_DOC_REMOVE,
	SQL_CHECK_LEASED,
	SQL_CHECK_LANES,
	SQL_CHECK_SLOTS,
	SQL_CHECK_QUEUES,
	SQL_CHECK_FLOWS,
	SQL_CHECK_KEYED,
	SQL_CHECK_GATES,
	SQL_CHECK_MESSAGES,
	SQL_CHECK_LARGE,
	SQL_CHECK_MEMBERS,
	SQL_STATEMENTS,
};

extern const char *const sqlite_schema_statements[SQL_STATEMENTS];

/* ---- gates ----------------------------------------------------------------------------------- */

/* What a refused step must give back. */
struct sqlite_gate_state {
	struct gate gate;
	int64_t waiting; /* queue: messages without a slot in its lane; flow: messages in its lane */
	int64_t messages; /* queue: messages not ended, callbacks not counted; flow: messages not ended */
	int64_t created_ms;
	int64_t updated_ms; /* flow: last used */
	int64_t head_ms; /* user: no row of its lane is due before; INT64_MAX = the lane is empty */
	bool head_exact; /* user: the first row is due at head_ms */
	bool removed;    /* its row only lives because messages refer to it */
};

struct sqlite_gate {
	struct sqlite_gate_state s;
	int64_t id;
	struct sqlite_gate *user; /* whose gate it is; a user's own gate points to itself */
	size_t children;          /* user: gates in memory that point to it, itself not counted */
	struct list ready_lanes;  /* user: its gates (itself among them) where somebody may start */
	struct list rotation;     /* user: in db->rotation */
	struct list ready;        /* in user->ready_lanes */
	struct heap_node wake;    /* in db->wakes, when it opens by itself */
	struct list dirty;        /* in db->dirty, when its row is to be written */
	struct sqlite_usage *usage; /* user: NULL = not looked at yet */
	uint64_t undo_mark;         /* the step that has saved its state */
	struct str name;            /* in `key`; a user's gate: the user's id */
	struct str key;             /* user's gate id, kind, name; allocated behind this struct */
};

struct sqlite_undo {
	struct sqlite_gate *gate;
	struct sqlite_gate_state state;
	struct usage usage; /* of a user; see sqlite_usage_save */
	bool created;       /* by the step itself */
};

/* What a user has used. Of a present day, and counted here; its row is written once per batch. */
struct sqlite_usage {
	struct usage day;    /* of the day on which it was last looked at */
	int64_t month_bytes; /* of the rest of that day's month */
	int64_t user_id;
	struct list dirty; /* in db->usage_dirty, when the row is to be written */
};

/* ---- messages -------------------------------------------------------------------------------- */

enum sqlite_row_flags {
	ROW_QUEUE_SLOT = 1, /* it, or the message whose callback it is, has a slot in its queue */
	ROW_FLOW_SLOT = 2,  /* leased, and counted by its flow key */
	ROW_CANCELLED = 4,  /* leased, and over when the attempt ends */
	ROW_LARGE = 8,      /* the record is in `large` */
	ROW_RUN = 16,       /* is a member of a run */
};

struct sqlite_place {
	int64_t lane, ord;
};

/* A part of a lane. */
struct sqlite_stretch {
	int64_t lane, from, to; /* ord, both included */
};

struct sqlite_row {
	int64_t seq, nonce;
	int64_t lane, ord; /* 0, 0: not in the table yet */
	int64_t due_ms, retried, lease;
	int64_t root;                            /* shares that message's queue slot; 0 = none */
	int64_t flags;                           /* enum sqlite_row_flags */
	struct sqlite_gate *user, *queue, *flow; /* queue, flow: NULL = none */
};

/* A run as its row says, without the record. */
struct sqlite_run {
	int64_t id, created_ms;
	bool open;
	bool kept; /* over, but its entries are kept */
	int64_t version, entries, bytes;
	struct msg_id last; /* entry; seq 0 = none */
};

/* A queue slot that may have become free in this step: it has, unless the step puts a callback. */
struct sqlite_ending {
	struct sqlite_gate *queue;
	int64_t root;
};

/* Messages that have ended lately, so that the repetition of a put whose answer was lost is recognised. */
struct sqlite_ended {
	struct msg_id id[SQLITE_ENDED_KEPT]; /* ring; seq 0 = not used yet */
	size_t next;
	struct map by_seq; /* to its place in the ring */
};

/* ---- handles --------------------------------------------------------------------------------- */

struct sqlite_holder {
	int64_t id;
	int64_t beat_ms; /* its last flush */
	bool gone;       /* has no handle any more: killed */
	struct list node;
};

struct sqlite_handle {
	struct store store; /* first */
	struct sqlite_db *db;
	struct sqlite_holder *holder;
	struct store_reqs pending;  /* the loop's: submitted */
	struct store_reqs queued;   /* under db->mutex: flushed */
	struct store_reqs finished; /* under db->mutex: to be polled */
};

/* ---- the database ---------------------------------------------------------------------------- */

/* The counters that live in the last row of `batch`. */
struct sqlite_counts {
	int64_t outbox_last;
	int64_t seq_max;
	int64_t version; /* last one given to a document */
	int64_t messages;
};

struct sqlite_db {
	char *path;
	bool on_disk, threaded, ephemeral;
	int64_t lease_ms;
	void (*wake)(void *arg);
	void *wake_arg;
	int lock_fd; /* -1 = none */

	/* From here on: of the thread that runs batches. */
	sqlite3 *sql;
	sqlite3_stmt *statement[SQL_STATEMENTS];
	int error;                    /* the batch's first, sticky; SQLITE_OK = none */
	bool loaded;                  /* memory agrees with the database */
	int64_t now_ms;               /* of this batch, or the last one */
	struct sqlite_holder *holder; /* of this batch's handle; NULL at open */
	int64_t token;                /* of what this request leases */
	bool again;                   /* this request is a repetition */
	bool step_over;               /* the step ended early: its message was cancelled */
	const struct sqlite_gate
		*visited;  /* the claim is reading this lane: it counts as ready meanwhile */
	struct buf events; /* of this batch */
	struct sqlite_counts count;
	struct sqlite_counts count_before; /* this batch */
	int changes_before;                /* rows changed before this batch */
	int64_t wal_pages;
	int64_t trim;      /* outbox entries up to here are forgotten */
	int64_t trim_done; /* ... and removed */
	struct map gates;  /* by key */
	struct map gates_by_id;
	size_t gates_sweep;      /* look for unused ones when there are that many */
	struct list rotation;    /* users that could start something */
	struct heap wakes;       /* gates that open by themselves */
	struct list dirty;       /* gates whose row is to be written */
	struct list usage_dirty; /* the same of usage */
	bool undo_on;
	uint64_t undo_mark;
	struct sqlite_undo *undo;
	size_t undos, undo_cap;
	struct sqlite_ending *ending;
	size_t endings, ending_cap;
	struct sqlite_ended ended;
	int64_t users_version;  /* of this opening */
	int64_t doc_next_ms;    /* no document is due before */
	int64_t dedup_next_ms;  /* when to look for expired keys again */
	int64_t forget_next_ms; /* when to look for unused gates again */
	int64_t dlq_next_ms;    /* when to look for expired dead letters again */
	int64_t run_next_ms;    /* when to look for runs to sweep again */
	int64_t usage_next_ms;  /* when to look for old usage again */
	struct list holders;
	struct buf scratch;

	/* From here on: under `mutex`. */
	pthread_mutex_t mutex;
	pthread_cond_t work;          /* for the writer */
	pthread_cond_t checkpoint;    /* for the checkpointer */
	struct sqlite_handle *handle; /* the writer's; NULL = none */
	pthread_t writer, checkpointer;
	bool writer_runs, checkpointer_runs;
	bool stop;              /* the writer ends when nothing is queued */
	bool drop;              /* ... at once */
	bool checkpoint_wanted; /* the checkpointer's to do */
	bool checkpoint_rest;   /* the writer's: what was written meanwhile */
	int64_t queued_now_ms;  /* latest flush */
	int64_t outbox_last;
	struct sqlite_stats stats;
};

/* sqlite_sql.c. After the first error in a batch, queries find nothing and commands do nothing. */
must_use bool sqlite_sql_prepare(struct sqlite_db *db);
void sqlite_sql_finalize(struct sqlite_db *db);
sqlite3_stmt *sqlite_sql_start(struct sqlite_db *db, enum sqlite_statement id);
void sqlite_sql_int(sqlite3_stmt *s, int index, int64_t v);
void sqlite_sql_text(sqlite3_stmt *s, int index,
		     struct str v); /* not copied: must live until the end */
void sqlite_sql_blob(sqlite3_stmt *s, int index, struct str v); /* the same */
must_use bool sqlite_sql_row(struct sqlite_db *db,
			     sqlite3_stmt *s);              /* the next row; false = end or error */
void sqlite_sql_end(sqlite3_stmt *s);                       /* after the last row of interest */
void sqlite_sql_run(struct sqlite_db *db, sqlite3_stmt *s); /* a command, with its end */
/* The first column of the first row, or `otherwise`; with its end. */
int64_t sqlite_sql_value(struct sqlite_db *db, sqlite3_stmt *s, int64_t otherwise);
struct str sqlite_sql_str(sqlite3_stmt *s, int column); /* until the next row or the end */
void sqlite_sql_fail(struct sqlite_db *db, int error);
/* Room for one more in a list of results: the array itself, or a bigger copy of it. *cap starts at 0. */
must_use void *sqlite_sql_grow(struct arena *a, void *v, size_t n, size_t *cap, size_t size);

/* sqlite_db.c. A connection with our settings; NULL with the reason in ret_error. */
must_use sqlite3 *sqlite_db_connect(const struct sqlite_db *db, char ret_error[200]);

/* sqlite_schema.c. Brings the tables to our version; false with the reason in ret_error. */
must_use bool sqlite_schema_migrate(sqlite3 *sql, char ret_error[200]);

/* sqlite_writer.c */
must_use bool sqlite_writer_start(struct sqlite_db *db, struct sqlite_handle *h);
/* `drop`: what is queued is left undone. Waits for the threads. */
void sqlite_writer_stop(struct sqlite_db *db, bool drop);
void sqlite_writer_submit(struct sqlite_handle *h, int64_t now_ms); /* takes h->pending */
struct store_reqs sqlite_writer_take(struct sqlite_handle *h);      /* what is finished */
void sqlite_writer_checkpoint(struct sqlite_db *db,
			      sqlite3 *sql); /* as much as goes without waiting */

/* sqlite_batch.c */
/* Runs requests off the front of the list in one transaction, as many as the limits allow, sets their
 * results and returns them. */
struct store_reqs sqlite_batch_run(struct sqlite_db *db, struct sqlite_handle *h,
				   struct store_reqs *reqs, int64_t now_ms);
/* The parts of it, for what happens outside a batch (opening, closing). */
void sqlite_batch_begin(struct sqlite_db *db, struct sqlite_holder *holder, int64_t now_ms);
must_use bool sqlite_batch_end(struct sqlite_db *db); /* false: rolled back */

/* sqlite_step.c */
void sqlite_step_run(struct sqlite_db *db, struct step *step);

/* sqlite_message.c. Each applies one move, or refuses it before anything is changed. */
enum refusal sqlite_message_put(struct sqlite_db *db, struct move *m);
enum refusal sqlite_message_settle(struct sqlite_db *db, struct move *m);
enum refusal sqlite_message_cancel(struct sqlite_db *db, struct move *m);
/* Is its message there, or has it just ended? Then the put was done before, and its results are set. */
bool sqlite_message_is_put(struct sqlite_db *db, struct move *m);
/* Would this settle find its message cancelled and end it? */
bool sqlite_message_is_over(struct sqlite_db *db, const struct move *m);
/* The message is cancelled: over now, or when its attempt ends. */
void sqlite_message_stop(struct sqlite_db *db, struct sqlite_row *row);
/* A leased message is READY again where it was, or over if it was cancelled. */
void sqlite_message_return(struct sqlite_db *db, struct sqlite_row *row);
/* It is gone, and with it its place in its gates; nothing is logged. */
void sqlite_message_end(struct sqlite_db *db, struct sqlite_row *row);
/* Frees the queue slots of those that ended in this step and left no callback. */
void sqlite_message_free_slots(struct sqlite_db *db);
/* The events of a message that only the store knows of; `record` may be empty. */
void sqlite_message_log(struct sqlite_db *db, const struct sqlite_row *row, enum event_state state,
			struct str record);

/* sqlite_row.c */
must_use bool sqlite_row_get(struct sqlite_db *db, uint64_t seq, struct sqlite_row *ret_row);
/* The first one of a stretch. A record that is not large is copied to the arena (NULL: not asked for). */
must_use bool sqlite_row_head(struct sqlite_db *db, struct sqlite_stretch where,
			      struct sqlite_row *ret_row, struct arena *a, struct str *ret_record);
struct str sqlite_row_record(struct sqlite_db *db, const struct sqlite_row *row, struct arena *a);
size_t sqlite_row_record_bytes(struct sqlite_db *db,
			       const struct sqlite_row *row); /* of a large one */
/* The seq of a user's messages, at most `max` of them that are greater than `after`, in no order, from the lanes
 * of its gates and what is leased. Returns how many. */
size_t sqlite_row_of_user(struct sqlite_db *db, const struct sqlite_gate *user, int64_t after,
			  size_t max, int64_t *ret_seq);
/* Where a message that is not leased has to wait. `first`: it was there before, nobody is older. */
struct sqlite_place sqlite_row_where(struct sqlite_db *db, const struct sqlite_row *row,
				     bool first);
void sqlite_row_add(struct sqlite_db *db, struct sqlite_row *row,
		    struct str record); /* lane, ord set */
void sqlite_row_place(struct sqlite_db *db, struct sqlite_row *row, struct sqlite_place to);
void sqlite_row_remove(struct sqlite_db *db, struct sqlite_row *row);
/* The slots of an attempt: taken and given back. The caller places or removes the row afterwards. */
void sqlite_row_start(struct sqlite_db *db, struct sqlite_row *row);
void sqlite_row_stop(struct sqlite_db *db, struct sqlite_row *row);
bool sqlite_row_is_paused(const struct sqlite_row *row); /* has a slot, but its queue is paused */

/* sqlite_gate.c. NULL: absent, or the database failed. */
struct sqlite_gate *sqlite_gate_user(struct sqlite_db *db, struct str user, bool create);
struct sqlite_gate *sqlite_gate_find(struct sqlite_db *db, struct sqlite_gate *user,
				     enum gate_kind kind, struct str name);
struct sqlite_gate *sqlite_gate_by_id(struct sqlite_db *db, int64_t id);
/* The gate, made if it is not there or not visible. */
struct sqlite_gate *sqlite_gate_make(struct sqlite_db *db, struct sqlite_gate *user,
				     enum gate_kind kind, struct str name);
/* NULL counts as not visible. */
bool sqlite_gate_is_visible(const struct sqlite_gate *g, int64_t now_ms);
/* Has the user that many of the kind? */
bool sqlite_gate_is_full(struct sqlite_db *db, const struct sqlite_gate *user, enum gate_kind kind,
			 int64_t count_max);
/* To be called before every change of g->s, and `refresh` after it. `write`: its row is to be written. */
void sqlite_gate_change(struct sqlite_db *db, struct sqlite_gate *g, bool write);
void sqlite_gate_refresh(struct sqlite_db *db, struct sqlite_gate *g);
void sqlite_gate_refresh_user(struct sqlite_db *db,
			      struct sqlite_gate *u);                /* when only slots changed */
void sqlite_gate_write(struct sqlite_db *db, struct sqlite_gate *g); /* now */
void sqlite_gate_flush(struct sqlite_db *db); /* all that are to be written */
/* To be called when now_ms has changed: those that open by it are open. */
void sqlite_gate_wake(struct sqlite_db *db, int64_t former_ms);
void sqlite_gate_undo_begin(struct sqlite_db *db);
void sqlite_gate_undo_end(struct sqlite_db *db, bool undo);
/* Reads what is active from the database. */
void sqlite_gate_load(struct sqlite_db *db);
void sqlite_gate_drop_all(struct sqlite_db *db);
void sqlite_gate_drop_unused(struct sqlite_db *db);
void sqlite_gate_forget(struct sqlite_db *db); /* removes the rows of gates that nobody needs */
void sqlite_gate_remove(struct sqlite_db *db, struct sqlite_gate *g); /* its row, and from memory */

/* sqlite_gate_move.c */
enum refusal sqlite_gate_move(struct sqlite_db *db, struct move *m);

/* sqlite_usage.c. `user` is a user's gate. */
int64_t sqlite_usage_day(const struct sqlite_db *db); /* today */
/* Today's, and the rest of the month. */
const struct sqlite_usage *sqlite_usage_today(struct sqlite_db *db, struct sqlite_gate *user);
/* Adds the counts of `more` to today's. */
void sqlite_usage_count(struct sqlite_db *db, struct sqlite_gate *user, const struct usage *more);
/* What the rows say of a day and the rest of its month. */
void sqlite_usage_read(struct sqlite_db *db, const struct sqlite_gate *user, int64_t day,
		       struct sqlite_usage *ret_usage);
/* The rows of a user from a day on; what is counted but not written yet is not among them. */
sqlite3_stmt *sqlite_usage_start(struct sqlite_db *db, const struct sqlite_gate *user, int64_t day);
must_use bool sqlite_usage_next(struct sqlite_db *db, sqlite3_stmt *s, struct usage *ret_row);
void sqlite_usage_flush(struct sqlite_db *db); /* writes what was counted */
/* For a step that may be undone. Any gate may be given; only a user's has something to save. */
struct usage sqlite_usage_save(const struct sqlite_gate *g);
void sqlite_usage_undo(struct sqlite_gate *g, const struct usage *saved);
void sqlite_usage_drop(struct sqlite_gate *g);  /* from memory, written or not */
void sqlite_usage_expire(struct sqlite_db *db); /* removes some old rows */

/* sqlite_purge.c */
enum refusal sqlite_purge_move(struct sqlite_db *db, struct move *m);
void sqlite_purge_expired(struct sqlite_db *db); /* removes some dead letters whose time is over */

/* sqlite_doc.c */
/* 0 = there is none. `key` is user and name. */
int64_t sqlite_doc_version(struct sqlite_db *db, enum doc_kind kind, const struct str key[2]);
enum refusal sqlite_doc_put(struct sqlite_db *db, struct move *m);
enum refusal sqlite_doc_remove(struct sqlite_db *db, const struct move *m);
void sqlite_doc_due(struct sqlite_db *db, struct claim *c);
void sqlite_doc_load(struct sqlite_db *db);

/* sqlite_run.c */
must_use bool sqlite_run_get_open(struct sqlite_db *db, const struct sqlite_gate *user,
				  const struct run_ref *ref, struct sqlite_run *ret_run);
/* May this put have its run? Sets put.skipped when it is to do nothing, else ret_run. */
enum refusal sqlite_run_judge(struct sqlite_db *db, struct sqlite_gate *user, struct move *m,
			      struct sqlite_run *ret_run);
void sqlite_run_join(struct sqlite_db *db, const struct sqlite_run *r, const struct move *m);
void sqlite_run_join_doc(struct sqlite_db *db, const struct sqlite_run *r, const struct move *m);
void sqlite_run_leave(struct sqlite_db *db, int64_t seq);
enum refusal sqlite_run_begin(struct sqlite_db *db, struct move *m);
enum refusal sqlite_run_set(struct sqlite_db *db, struct move *m);
enum refusal sqlite_run_end(struct sqlite_db *db, struct move *m);
void sqlite_run_sweep(struct sqlite_db *db); /* removes some of what is over */
/* Removes some of what a user has; returns what is left of the room for rows. */
int64_t sqlite_run_purge(struct sqlite_db *db, const struct sqlite_gate *user, int64_t room);
/* Fills scan->run_found. */
must_use bool sqlite_run_find(struct sqlite_db *db, const struct sqlite_gate *user,
			      struct scan *scan, struct sqlite_run *ret_run);
/* Rows: seq, nonce, kind, body. */
sqlite3_stmt *sqlite_run_entries(struct sqlite_db *db, const struct sqlite_run *r, uint64_t after,
				 uint64_t until);

/* sqlite_claim.c */
void sqlite_claim_run(struct sqlite_db *db, struct claim *c);
void sqlite_claim_end_leases(struct sqlite_db *db, int64_t holder_id);
void sqlite_claim_end_all(struct sqlite_db *db); /* of holders without a handle */
/* Whoever holds leases but is not known is a dead holder. */
void sqlite_claim_load_holders(struct sqlite_db *db);

/* sqlite_scan.c */
void sqlite_scan_run(struct sqlite_db *db, struct scan *s);
void sqlite_scan_tail(struct sqlite_db *db, struct tail *t);
void sqlite_scan_trim(struct sqlite_db *db); /* removes what tails have forgotten */

#endif
