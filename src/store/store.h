/* store.h - the persistence port: what the engine may ask of a store, and what it may rely on.
 *
 * A store keeps messages, dead letters, documents (users, URL groups, schedules), gates, workflow runs and
 * the outbox of log events. It knows moves, not rules: core/ decides, the store applies each step atomically with its
 * preconditions. The one rule it applies by itself is admission (core/gate.h), because claiming must look
 * and act in one step.
 *
 * Everything is asynchronous in shape. A request is put into the present batch by store_submit and lives,
 * with all it points to, until its `done` is called from store_poll; store_flush hands the batch over as
 * one transaction (one pipeline). Requests of a batch act in the order in which they were submitted.
 * `done` is called only when the outcome is durable. Results that point to memory (rows, leased messages)
 * point into the request's own arena.
 *
 *	APPLIED      it is done and durable
 *	REFUSED      a precondition did not hold; nothing of the step was done (see `refusal`)
 *	UNAVAILABLE  nothing was done (disk full, database down); may be tried again later
 *	UNKNOWN      the answer was lost; it may or may not be done. The same request is to be submitted again
 *	             as it is: a step is then refused or has no effect the second time, and one with a put is
 *	             APPLIED if it had been; a claim (and a put with want_lease) answers with what its lost
 *	             self had leased
 *
 * Time comes in with store_flush; no store reads a clock.
 *
 * Leases. A handle (struct store) is a holder: what it claims is leased to it. A holder that does not
 * flush for lease_ms is dead: whoever claims next puts its leases back (they become READY, their slots are
 * returned) in one step, and a late settle of the dead holder is refused by its lease token. Opening the
 * embedded store ends all leases of former processes.
 *
 * Waiting and order. A due message waits at its first closed gate, in this order: queue, flow key, user.
 *  - Queue gate: messages stand in the order of acceptance (seq), whether due or not; the first one takes a slot
 *    when there is one and keeps it until it and the callbacks made from it (msg.root_seq) have all
 *    ended, through all its retries. A delayed head holds up the others. With parallelism n, the first n.
 *    A paused queue starts none of its messages, not even one that has a slot and waits for its retry;
 *    callbacks go on, for they finish what has started.
 *  - Flow gate: FIFO by the time of becoming due (a message that comes out of a queue is due then); the slot
 *    and the rate token are taken per attempt, together with the user's slot.
 *  - User gate: a slot per attempt. claim() rotates over users with ready work, a small quantum each, and
 *    within a user over its open queues, its open flow keys and the messages that have neither.
 * Nothing overtakes at a gate: while a user has due messages that could start, a new one stands behind them.
 * A new message is leased to its publisher by its own put when it is due, want_lease is set, all its gates
 * are open and nobody waits before it.
 *
 * Runs. A run is a record under (user, name, created_ms), open or over, a list of entries that only grows, and
 * messages and documents that are its members. At most one run with a name is open. An entry belongs to the
 * message whose put appends it: it has the message's id, and entries stand in the order of seq. The end of
 * a run removes its member documents and cancels its member messages, as MOVE_CANCEL would.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/str.h"
#include "core/event.h"
#include "core/gate.h"
#include "core/msg.h"

struct store;

enum store_result { STORE_PENDING, STORE_APPLIED, STORE_REFUSED, STORE_UNAVAILABLE, STORE_UNKNOWN };

enum refusal {
	REFUSAL_NONE,
	REFUSAL_NOT_FOUND, /* no such message, entry, document or gate */
	REFUSAL_DUPLICATE, /* put: the deduplication key is taken; `existing` tells by which message.
			    * run_start: a run of that name is open; `existing` is its first entry */
	REFUSAL_LEASE,   /* settle: it is not leased, or under another token (the lease ran out) */
	REFUSAL_VERSION, /* doc_put: the document is not at that version */
	REFUSAL_LIMIT,   /* a count limit given with the move is reached */
	REFUSAL_ID, /* put: another message has that seq (of another process), or the run has an entry behind it
		     * (`existing`): it needs a new id, a greater one. run_start: a run of that name began in that
		     * ms: it needs another created_ms */
	REFUSAL_QUOTA,    /* put: the user has day_messages_max messages today */
	REFUSAL_RUN_OVER, /* the run is not open (any more), or was never there */
	REFUSAL_MOVING,   /* the user is on its way to another database (MOVE_USER) */
};

enum store_kind { STORE_STEP, STORE_CLAIM, STORE_SCAN, STORE_TAIL };

struct store_req {
	struct store_req *next; /* private */
	uint64_t ticket; /* private: names it among all requests of its handle; kept when repeated */
	bool again;      /* private: submitted again after UNKNOWN */
	enum store_kind kind; /* set by the *_init functions */
	enum store_result result;
	void (*done)(
		struct store_req *req); /* on the loop's thread; may submit again, may free req */
	void *arg;
};

/* ---- steps ----------------------------------------------------------------------------------- */

enum move_kind {
	MOVE_PUT,        /* a new message */
	MOVE_SETTLE,     /* the end of an attempt */
	MOVE_CANCEL,     /* a message, whatever its state */
	MOVE_DLQ_REMOVE, /* an entry of the dead letter queue */
	MOVE_DOC_PUT,
	MOVE_DOC_REMOVE,
	MOVE_GATE,      /* change a gate by hand */
	MOVE_PURGE,     /* everything a user has, a piece at a time */
	MOVE_RUN_START, /* a new run */
	MOVE_RUN_SET,   /* its record */
	MOVE_RUN_END,   /* it is over */
	MOVE_USER,      /* a piece of taking a user to another database */
};

/* How a user is taken from one database to another, while both are at work. FREEZE until nothing of it is leased,
 * DETACH, then at the other: BEGIN, WIPE, IMPORT what SCAN_USER_KEYS and SCAN_USER_DUMP read here, ENTER, ATTACH,
 * THAW; PURGE here, LEAVE. Walks are called again with their `next` as `at` until it is empty. Each may be repeated. */
enum user_op {
	USER_FREEZE, /* nothing of it starts, nothing changes it (REFUSAL_MOVING) but the end of an attempt */
	USER_DETACH, /* walk: no housekeeping meets it any more */
	USER_LEAVE,  /* what the purge leaves */
	USER_BEGIN,  /* takes the move over from whoever was at it under a smaller number */
	USER_WIPE,   /* walk: what a former attempt left */
	USER_IMPORT, /* keys */
	USER_ENTER,  /* walk: all is here, frozen */
	USER_ATTACH, /* walk: housekeeping may meet it again */
	USER_THAW,   /* it is at work here */
};
enum user_coming { USER_COMING = 1, USER_ENTERED, USER_HERE };

/* A key of a user, as its backend has it. */
struct user_key {
	struct str name, dump;
};

/* A run of a user. */
struct run_ref {
	struct str name;    /* empty = none */
	int64_t created_ms; /* 0 = whichever is open */
};

/* What a put appends to the run's history. */
enum run_entry { RUN_ENTRY_NONE, RUN_ENTRY_STEP, RUN_ENTRY_CONFIG };

/* Why a put did nothing although its step was applied. */
enum put_skipped {
	PUT_DONE,
	PUT_DUPLICATE, /* the run's key is taken; `existing` tells by which message */
	PUT_RUN_OVER,  /* with run_if_open */
};

struct dlq_id {
	int64_t ms;   /* Unix ms at which it was put there */
	uint64_t seq; /* of the dead message */
};

enum settle_to {
	SETTLE_DELIVERED, /* the message is over and gone */
	SETTLE_RETRY,     /* again at due_ms, retried + 1 */
	SETTLE_DEAD,      /* over; goes to the dead letter queue as `dlq`, with `response` */
	SETTLE_HANDBACK, /* the attempt did not happen (shutdown): READY again, retried unchanged */
};

enum gate_op {
	GATE_SET, /* queue: parallelism and paused; user: parallelism. Creates it if absent; a queue that
			  * nobody set has parallelism 1 */
	GATE_REMOVE, /* absent is fine. Queue: the engine cancels the messages in it first; those that are
			  * left are delivered in order, one at a time, out of sight; a put or GATE_SET makes
			  * it a new queue. Flow key: unpinned and resumed, so that it vanishes when unused.
			  * User: no cap */
	GATE_PAUSE,
	GATE_RESUME,
	GATE_PIN,   /* parallelism / rate / period_ms as in gate_pin; creates it if absent */
	GATE_UNPIN, /* flags */
	GATE_RESET_RATE,
	GATE_RESET, /* rate count to 0; a flow key's running attempts no longer count (legacy reset) */
};
/* A flow key exists from the first put or create with it, as long as it is pinned, paused, has messages, its
 * window is not over, or it was used in the last minute. */

/* What the documents are. A document is bytes under (kind, user, name); those with a due time come back
 * from claim when it is reached. */
enum doc_kind {
	DOC_META = 1,
	DOC_USER,
	DOC_TOPIC,
	DOC_SCHEDULE,
	DOC_BULK,
	DOC_MAILBOX, /* where steps of a run wait for an event */
	DOC_INVOKE,  /* a step of a run has invoked another run */
	DOC_DIRECTORY, /* of the home database: databases, and where users live (engine/directory.h) */
};

/* What a user has used on one day (UTC). The store counts with the transitions, in the same step:
 *	put                 messages + 1 (also a callback's, and what a schedule makes)
 *	settle DELIVERED    delivered + 1, bytes
 *	settle RETRY        retried + 1, errors + 1, messages + 1 (for the attempt to come), bytes
 *	settle DEAD         failed + 1, errors + 1, bytes
 *	CANCELED is logged  cancelled + 1 (bytes, too, if it was by a settle)
 * A repetition counts nothing; a duplicate was never put. Days are kept for USAGE_DAYS_KEPT. */
struct usage {
	int64_t day; /* days since 1970-01-01 */
	int64_t messages, bytes, delivered, retried, errors, failed, cancelled;
};

enum { USAGE_DAYS_KEPT = 400 };

struct move {
	enum move_kind kind;
	struct str events; /* packed events (event.h) appended to the outbox if the step is applied */
	union {
		struct {
			const struct msg *msg;
			struct str record; /* msg_encode(msg) */
			int64_t due_ms;    /* not before; < INT64_MAX */
			bool want_lease;   /* logs ACTIVE after `events` when it gets the lease */
			struct str dedup_key;   /* empty = none */
			int64_t dedup_until_ms; /* the key is taken until then */
			int64_t user_parallelism; /* the plan's; becomes the user gate's; 0 = no cap */
			int64_t queues_max; /* REFUSAL_LIMIT if the queue is new and there are that many; 0 = no limit */
			int64_t day_messages_max; /* REFUSAL_QUOTA if today's usage.messages is that many; 0 = no limit */
			struct run_ref
				run; /* it is a member of; REFUSAL_RUN_OVER unless that is open */
			bool run_if_open; /* PUT_RUN_OVER in place of REFUSAL_RUN_OVER */
			enum run_entry run_entry;
			struct str run_body; /* of the entry */
			struct str
				run_key; /* PUT_DUPLICATE when taken; it is for the run's life. Empty = none */
			int64_t run_entries_max,
				run_bytes_max; /* REFUSAL_LIMIT beyond, for entries; 0 = no limit */
			/* results */
			enum put_skipped skipped;
			int64_t used_messages; /* today's usage.messages, with this one; also with REFUSAL_QUOTA */
			int64_t used_bytes; /* usage.bytes of this month (UTC) */
			bool leased;
			uint64_t lease; /* token when leased */
			struct msg_id
				existing; /* with REFUSAL_DUPLICATE, PUT_DUPLICATE; REFUSAL_ID: the last entry */
		} put; /* repeating a put whose message is already there is APPLIED and changes nothing */
		struct {
			struct str user;
			struct msg_id id;
			uint64_t lease;
			enum settle_to to;
			int64_t due_ms;    /* RETRY */
			struct dlq_id dlq; /* DEAD; dlq.seq is id.seq. ms 0 = without a dead letter */
			struct str response; /* DEAD: bytes kept with the entry (core's business) */
			int64_t dlq_until_ms; /* DEAD: the entry goes by itself then (housekeeping); 0 = never */
			int64_t bytes; /* sent to the destination in this attempt, for the usage */
			/* result: a cancel had come meanwhile. With RETRY, DEAD or HANDBACK the message is then
			 * over: CANCELED was logged in place of `events` and nothing else of the step was done.
			 * DELIVERED is done like any other */
			bool was_cancelled;
		} settle; /* at most one in a step */
		struct {
			struct str user;
			struct msg_id id;
			/* result: it is being attempted now; the attempt may end, then it is over */
			bool was_leased;
			uint64_t lease;
		} cancel; /* logs CANCEL_REQUESTED, and CANCELED when it is over; `events` stays empty. NOT_FOUND
			   * also when it is already cancelled and only waits for its attempt's end */
		struct {
			struct str user;
			struct dlq_id id;
		} dlq_remove;
		struct {
			enum doc_kind doc;
			struct str user, name;
			struct str value;
			int64_t version; /* must be the present one; 0 = must not exist; -1 = any */
			int64_t count_max; /* REFUSAL_LIMIT if new and the user has that many of the kind; 0 = none */
			int64_t due_ms; /* 0 = never due */
			struct run_ref
				run; /* it is a member of; REFUSAL_RUN_OVER unless that is open */
			int64_t new_version; /* result; no document ever had it before */
		} doc_put;
		struct {
			enum doc_kind doc;
			struct str user, name; /* REFUSAL_NOT_FOUND when absent */
			int64_t version;       /* as above; -1 = any */
		} doc_remove;
		struct {
			struct str user;
			enum gate_kind gate;
			struct str name; /* empty for GATE_USER */
			enum gate_op op;
			int64_t parallelism, rate, period_ms; /* < 0 = leave alone */
			int paused; /* GATE_SET: 0, 1, or -1 = leave alone */
			bool unpin_parallelism, unpin_rate;
			bool create; /* create it if absent, else REFUSAL_NOT_FOUND */
			int64_t count_max; /* REFUSAL_LIMIT if new and the user has that many of the kind; 0 = none */
		} gate;
		struct {
			struct str user, name;
			int64_t created_ms;
			struct str record;
			struct run_ref
				copy; /* begins with the entries of this one, ids and all. NOT_FOUND when
					      * it is not there or has none */
			struct msg_id existing; /* result: with REFUSAL_DUPLICATE */
		} run_start;
		struct {
			struct str user;
			struct run_ref run; /* open or over; NOT_FOUND when it is not there */
			struct str record;
			int64_t version; /* must be the present one */
		} run_set;
		struct {
			struct str user;
			struct run_ref run; /* NOT_FOUND when no such run is known */
			struct str record;  /* empty = stays as it is */
			bool keep_entries;
			int64_t until_ms; /* it is remembered until then (housekeeping), with what was kept */
		} run_end;
		struct {
			struct str user;
			/* REFUSAL_VERSION unless the user's DOC_USER (under its id) is at this version; 0 = whatever */
			int64_t version;
			size_t max; /* rows to remove at most, of whatever kind, in any order */
			bool left;  /* result: there may be more to remove */
		} purge; /* alone in its step; `events` stays empty. Removes messages in any state (a late settle is then NOT_FOUND), dead letters, gates,
			  * deduplication keys, usage, and documents but for DOC_USER, and runs. Logs nothing. The user's
			  * gate goes last, so that it can be repeated after a crash */
		struct {
			enum user_op op;
			struct str user;
			/* FREEZE, DETACH: of its DOC_USER, which must be the present one. WIPE to THAW: the move's
			 * number; REFUSAL_VERSION when another one counts, or the user is here for another reason */
			int64_t version;
			struct str at;              /* walks; BEGIN: what FREEZE gave as `next` */
			const struct user_key *key; /* IMPORT */
			size_t keys;
			/* results */
			int64_t count; /* FREEZE: what is leased; BEGIN: enum user_coming */
			char next[32];
		} user; /* alone in its step; a backend that cannot refuses with NOT_FOUND */
	};
};

/* Several moves that happen together or not at all, in their order. */
struct step {
	struct store_req req;
	struct move *move;
	size_t moves;
	/* results */
	enum refusal refusal;
	size_t refused_move; /* index */
};

void step_init(struct step *s, struct move *moves, size_t n, void (*done)(struct store_req *),
	       void *arg);

/* ---- claims ---------------------------------------------------------------------------------- */

struct leased {
	struct msg_id id;
	struct str record;
	int64_t retried;
	uint64_t lease;
};

struct due_doc {
	enum doc_kind kind;
	struct str user, name, value;
	int64_t version, due_ms;
};

/* Leases up to `max` messages (0 = none) whose time has come and whose gates are open, at most bytes_max of records
 * (one is always allowed). Logs ACTIVE, with the record, for each. Also hands out due documents, the longest
 * due first (not leased: every claim hands them out until a step removes them or makes them due later; that
 * step carries the version). Also does the housekeeping of the store: dead holders, expired deduplication
 * keys and dead letters, old usage, in small bites. */
struct claim {
	struct store_req req;
	size_t max;
	size_t bytes_max;
	size_t docs_max;
	/* results, in `arena`, which the caller initialises and ends */
	struct arena arena;
	struct leased *leased;
	size_t n;
	struct due_doc *doc;
	size_t docs;
	bool more; /* work is left that this claim had no room for: messages that could start, or due
			     * documents beyond docs_max when that is not 0 */
	int64_t users_version; /* grows with each change of a DOC_USER or DOC_DIRECTORY, by whomever */
	int64_t next_ms; /* Unix ms at which something will become due or open by itself; INT64_MAX = nothing known */
};

void claim_init(struct claim *c, size_t max, size_t bytes_max, void (*done)(struct store_req *),
		void *arg);

/* ---- scans ----------------------------------------------------------------------------------- */

enum scan_kind {
	SCAN_MESSAGE,  /* one message: user, id */
	SCAN_MESSAGES, /* of a user, by seq, after id.seq */
	SCAN_DLQ,      /* of a user, after dlq; `descending` allowed; one entry with exact */
	SCAN_DOCS, /* of a kind; of a user, names after `name`; of all users when user is empty, by user and
			* name, after (after_user, name); one document with exact */
	SCAN_GATES, /* of a user and kind, names after `name`; one with exact */
	SCAN_USAGE, /* of a user, days from `usage_day` on, in order; days without usage have no row */
	SCAN_RUN,  /* one run: user, run; and its entries after id.seq up to run_until, as rows */
	SCAN_RUNS, /* open ones of a user, names after `name` */
	SCAN_USER_KEYS, /* names of a user's keys from cursor `name` ("0") on; the first row is the next cursor */
	SCAN_USER_DUMP, /* the keys in `name` (each its length, 4 bytes big-endian, and its bytes), not all of them */
};

enum row_state { ROW_SCHEDULED, ROW_READY, ROW_LEASED };

struct scan_row {
	struct str user, name; /* docs, gates, runs */
	struct str record;     /* message record, document value, run record */
	struct str response;   /* dead letters */
	struct msg_id id;      /* messages, dead letters, entries */
	struct dlq_id dlq;
	enum row_state state; /* messages: READY = due but waiting at a gate or for a claim */
	bool cancelled;       /* messages: leased, and over when the attempt ends */
	int64_t retried, due_ms;
	int64_t version; /* docs */
	struct gate gate;
	int64_t waiting; /* gates: queue: lag (all messages not ended); flow: wait list size, which a due
				 * message joins when it is put or when a claim comes to it: not while the
				 * user has no slot for it anyway */
	int64_t created_ms, updated_ms; /* gates; created_ms: runs */
	enum run_entry run_entry;       /* entries; their bytes are `record` */
	struct usage usage;
};

struct scan {
	struct store_req req;
	enum scan_kind kind;
	struct str user, name;
	struct msg_id id;
	struct str after_user; /* DOCS of all users */
	struct dlq_id dlq;     /* {0, 0} = from the start (the end when descending) */
	enum doc_kind doc;
	enum gate_kind gate;
	int64_t usage_day;
	struct run_ref run;
	uint64_t run_until; /* RUN: entries up to this seq */
	struct str run_key; /* RUN: is it taken? */
	bool exact, descending;
	size_t max;       /* rows, at most 1,000; SCAN_MESSAGES may give fewer and have more */
	size_t bytes_max; /* of records; one row is always allowed */
	/* results, in `arena`, which the caller initialises and ends */
	struct arena arena;
	struct scan_row *row;
	size_t rows;
	bool more; /* not at the end: go on after the last row, or, for messages, after at_id */
	struct msg_id at_id; /* MESSAGES: where it stopped looking (may be past the last row) */
	struct {
		bool found, open;
		int64_t created_ms, version;
		struct str record;
		bool key_taken;
		struct msg_id key_id; /* by the put of this message */
	} run_found;                  /* RUN */
};

void scan_init(struct scan *s, enum scan_kind kind, void (*done)(struct store_req *), void *arg);

/* ---- the outbox ------------------------------------------------------------------------------ */

/* Reads packed events after position `after` (0 = from the start), whole entries up to bytes_max (one is
 * always allowed), and first forgets those up to `trim` for good.
 *
 * Several readers, "slot/slots" each, may keep the outbox together (the embedded store has none of them): it forgets
 * what none of them needs any more. A reader joins before anything else: such a tail gives no events, but `last` says
 * after which position to go on, `lost` false. When readers of another number of slots have all joined, it is out.
 * Then, or when it never joined, its tails give nothing but `lost`. */
struct tail {
	struct store_req req;
	uint64_t trim;
	uint64_t after;
	size_t bytes_max;
	struct str reader; /* "slot/slots"; empty = the only one, or one that looks only */
	bool join;
	/* results, in `arena`, which the caller initialises and ends */
	struct arena arena;
	struct str events; /* concatenated */
	uint64_t last;     /* position of the last entry read; = after when there was none */
	bool more;
	bool lost; /* the reader must join (again) */
};

void tail_init(struct tail *t, uint64_t after, size_t bytes_max, void (*done)(struct store_req *),
	       void *arg);

/* ---- the port -------------------------------------------------------------------------------- */

enum { STORE_DATABASE_BYTES = 33 };

struct store_info {
	/* What the database calls itself, to tell it from every other one: letters and digits, NUL-terminated.
	 * Empty: the embedded one. Outbox positions are its own. */
	char database[STORE_DATABASE_BYTES];
	uint64_t seq_max; /* greatest seq ever stored, for msg_id_next */
	int64_t lease_ms;
	uint64_t outbox_last; /* position of the last outbox entry */
	/* Unix ms of the last sign of life that is known to have arrived: nobody takes our leases before lease_ms
	 * later. 0 = nobody would. */
	int64_t alive_ms;
	uint64_t outbox_dropped; /* events that went unread, because the outbox had become too long */
};

/* A backend embeds struct store as the first member of its own handle. */
struct store_ops {
	void (*submit)(struct store *s, struct store_req *req);
	void (*flush)(struct store *s, int64_t now_ms);
	void (*poll)(struct store *s);
	void (*close)(struct store *s);
};

struct store {
	const struct store_ops *ops;
	/* As of opening, or of reaching the database at last; poll keeps database, outbox_* and alive_ms up to date. */
	struct store_info info;
	uint64_t ticket_last; /* private */
};

/* Puts a request into the present batch; its results are cleared. */
void store_submit(struct store *s, struct store_req *req);
/* Hands the batch over, if there is one, unless the backend is still busy with the former (then it waits and
 * grows: group commit). Also the holder's sign of life: call it at least every lease_ms / 3. */
void store_flush(struct store *s, int64_t now_ms);
/* Calls `done` of finished requests, on the caller's thread. */
void store_poll(struct store *s);
/* Finishes what was flushed, answers UNAVAILABLE to the rest (and to what is submitted meanwhile), gives leases
 * back and frees the handle. */
void store_close(struct store *s);

/* For backends: the results of a request as they are before an answer. */
void store_clear_results(struct store_req *req);

/* For backends: requests in their order; all zero is empty. */
struct store_reqs {
	struct store_req *head, *tail;
};

void store_reqs_append(struct store_reqs *q, struct store_req *r);
struct store_req *store_reqs_pop(struct store_reqs *q); /* NULL when empty */
/* Moves all of `from` behind those of `to`. */
void store_reqs_concat(struct store_reqs *to, struct store_reqs *from);

const char *store_result_name(enum store_result r);
const char *refusal_name(enum refusal r);

#endif
