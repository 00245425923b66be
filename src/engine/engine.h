/* engine.h - the shell of the core: it publishes, claims, sends, settles, and ships the log.
 *
 * The engine owns no thread and no timer. engine_turn, called once per loop turn, does everything that is
 * due and says when it wants to be called again; results come back through the ports' `done` calls in
 * between. So the simulator runs the same code over virtual time.
 *
 * Operations below are structs that the caller fills and keeps (with all they point to) until their
 * `done` is called, on the same thread, never from inside the call that started them. Each carries a
 * `struct problem`: status 0 means it went well.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/problem.h"
#include "base/rng.h"
#include "core/filter.h"
#include "core/group.h"
#include "core/msg.h"
#include "core/plan.h"
#include "core/schedule.h"
#include "core/user.h"
#include "engine/workflow.h"
#include "store/store.h"

struct engine;
struct account;
struct courier;
struct hmac_key;
struct inhand;

/* Takes log events out of the outbox; logs/ implements it, app/ wires it. Without `take`, events stay in the
 * outbox: others read it there, and with `forget` they are asked, too, or nobody does (simulator). */
struct engine_sink {
	/* Packed events behind outbox position `after` up to `pos`; false = busy, try again later. */
	bool (*take)(void *arg, struct str events, uint64_t after, uint64_t pos, int64_t now_ms);
	/* Everything up to this position is durable at the other end. */
	uint64_t (*committed)(void *arg);
	/* Removes what it has of a user, once it is done with what it took before. is_forgotten tells, by the
	 * number that `forget` gave, when that is done and durable. */
	uint64_t (*forget)(void *arg, struct str user);
	bool (*is_forgotten)(void *arg, uint64_t number);
	void *arg;
};

struct engine_settings {
	struct store *store;
	struct courier *courier;
	struct engine_sink sink; /* where log events go */
	uint64_t seed;           /* of ids and the like */
	/* It loads the users and keeps up with them, but takes no work: for a process that does something else for
	 * them. Nothing that changes something may be asked of it; there need be no courier. */
	bool observes;
	/* The two clocks between turns, Unix ms and mono ms. NULL: they stand still from turn to turn. */
	int64_t (*wall_ms)(void *arg);
	int64_t (*mono_ms)(void *arg);
	void *clock_arg;
	/* The wall clock read afresh, whatever the turn's says. NULL: the turn's is exact. */
	int64_t (*exact_wall_ms)(void);
	/* Fills n bytes with secret randomness (signing keys, tokens). */
	void (*secret)(void *arg, void *ret_bytes, size_t n);
	void *secret_arg;
	/* Appends the bytes of the TZif file of a time zone, whose name is safe as a path; false when there is none.
	 * NULL: UTC only. */
	bool (*zone)(void *arg, struct str name, struct buf *ret_bytes);
	void *zone_arg;
	struct str region; /* value of Upstash-Region; empty = not sent */
	/* What api/llm is delivered to, and the bearer token for it, which stands in no record. */
	struct str llm_url, llm_key;
	int deliveries_max; /* running at once in this process; default 4,096 */
	size_t memory_max; /* bytes of messages held for delivery; default 128 MiB. As it fills, less
				     * is claimed, down to nothing; publishing goes on */
	/* Between claims when nothing is known to be due; default 5,000. Other processes may have left work behind, or
	 * changed users. */
	int64_t claim_every_ms;
	size_t run_body_max; /* bytes of one delivery of a workflow's step; default 256 MiB. A run whose history does not
			      * fit has failed */
	const struct plans *plans; /* those that users may have; NULL = the built-in ones */
	const struct plan *plan;   /* overrides the users' own plans when not NULL (dev's -quota) */
	/* NULL, or where it says which message it is busy with (inhand.h). */
	struct inhand *inhand;
	/* A user is there, or has changed: its log, say, may be kept for another time. NULL: not told. */
	void (*on_account)(void *arg, const struct account *a);
	void *on_account_arg;
	/* Of the home database; a pool sets them (pool.h). A document of the directory is due. */
	void (*on_directory)(void *arg, const struct due_doc *doc);
	/* All users have been read (again): what this process knows of the directory may be old. */
	void (*on_users)(void *arg);
	void *pool;
};

must_use struct engine *engine_new(const struct engine_settings *settings);
/* After engine_stop's done, or to drop everything as a dying process would. The ports stay the caller's. */
void engine_free(struct engine *e);

/* Loads the users, then calls ready. Nothing else may be asked before. A problem then means that nothing else may
 * be asked at all: a user has a plan that is not among the plans. */
void engine_start(struct engine *e, void (*ready)(void *arg), void *arg);
const struct problem *engine_problem(const struct engine *e);
/* Does what is due. Returns the mono ms of the next wish (LOOP_NEVER as INT64_MAX). */
int64_t engine_turn(struct engine *e, int64_t wall_ms, int64_t mono_ms);
/* Starts nothing new, lets running attempts finish for grace_ms, then hands back what is left; `done`
 * when nothing is in flight any more. */
void engine_stop(struct engine *e, int64_t grace_ms, void (*done)(void *arg), void *arg);

/* ---- users ------------------------------------------------------------------------------------------ */

/* A user as the process knows it; lives as long as the engine, also when the user is gone: what is under way points
 * to it. */
struct account {
	struct engine *engine; /* which serves it */
	struct user user;      /* strings in `record`, but for the id */
	char *id; /* of `user`; stays where it is, for requests under way point to it */
	const struct plan *plan; /* its own, or what overrides it */
	struct hmac_key *key;    /* of user.key_current */
	int64_t version;         /* of the stored document */
	uint64_t seen;           /* private: the last reading of all users that met it */
	int64_t over_day,
		over_month; /* for which it was last logged that a soft quota is exceeded */
	struct buf record;
	int64_t left_ms; /* mono: when it was found gone while it was moved away; then for a while it is to be expected
			   * elsewhere */
	bool removed; /* being deleted, or gone: its tokens are void, nothing of it may start */
	struct account *next_gone;         /* private */
	int64_t burst_second, burst_calls; /* the API's count of calls in that Unix second */
};

enum token_kind { TOKEN_NONE, TOKEN_FULL, TOKEN_READ_ONLY };

/* Who the token belongs to. */
enum token_kind engine_token(struct engine *e, struct str token, struct account **ret_account);
struct account *engine_account(struct engine *e,
			       struct str user_id); /* NULL when unknown or gone */

struct account_op {
	struct engine *engine;
	struct problem problem;
	struct account *account; /* whom it is about; of a new user, the result */
	void (*done)(struct account_op *op);
	void *arg;
	/* private */
	struct step step;
	struct move move[2];
	struct buf value;
};

/* Stores a user as given if there is none with that id (otherwise it stays as it is, and done is called
 * at once). */
void engine_account_ensure(struct engine *e, const struct user *u, struct account_op *op);
/* current := next, next := fresh. op->account says whose. */
void engine_keys_rotate(struct engine *e, struct account_op *op);

struct user_new {
	struct str id;   /* empty = one is made */
	struct str plan; /* empty = payg */
	bool read_only;  /* has a read-only token, too */
};

/* 409 when there is a user with that id, or one is still being deleted; 400 for an id or a plan that is none. */
void engine_user_create(struct engine *e, const struct user_new *n, struct account_op *op);
/* The limits that count from now on, for what is stored, too. 400 when there is no such plan. */
void engine_user_set_plan(struct engine *e, struct str plan, struct account_op *op);
/* A fresh token; the old one is void when `done` is called. */
void engine_user_reset_token(struct engine *e, struct account_op *op);
/* A fresh read-only token, or none. */
void engine_user_read_only_token(struct engine *e, bool none, struct account_op *op);
/* `done` is called when it is certain, across crashes too, that nothing of the user starts any more. Then its
 * messages, schedules, queues, log and all else go, in small bites; until that is through the account can be found,
 * with `removed` set. A deletion that is under way is no problem. */
void engine_user_delete(struct engine *e, struct account_op *op);

/* ---- publishing ------------------------------------------------------------------------------------- */

struct publish_item {
	struct msg msg;       /* complete but for its id */
	struct str dedup_key; /* empty = none */
	bool from_dlq;        /* retry: this dead letter goes when the message is stored */
	struct dlq_id dlq;
	/* results */
	struct problem problem; /* of this item alone; 429 = over the messages of a day */
	struct msg_id id;       /* of the message, or of the one it duplicates */
	bool duplicate;
	int64_t used_messages; /* of the user on this day (UTC), with this one */
	int64_t used_bytes;    /* in this month, sent to destinations */
	/* private */
	struct publish *owner;
	struct delivery *delivery;
};

struct publish {
	struct account *account;
	struct publish_item *item;
	size_t n;
	void (*done)(struct publish *p); /* when every item has its result */
	void *arg;
	/* private */
	size_t pending; /* in the store's hands */
	size_t next;    /* item to hand over next */
	size_t pending_bytes;
};

/* Items are handed over as many at a time as fit into a bounded amount of memory. */
void engine_publish(struct engine *e, struct publish *p);

/* ---- messages --------------------------------------------------------------------------------------- */

struct message_get {
	struct account *account;
	struct msg_id id;
	struct problem problem; /* 404 when unknown or over (the log may still know it) */
	struct msg msg;         /* in `arena`, which the caller initialises and ends */
	struct arena arena;
	void (*done)(struct message_get *op);
	void *arg;
	/* private */
	struct engine *engine;
	struct scan scan;
};

void engine_message_get(struct engine *e, struct message_get *op);

struct message_cancel {
	struct account *account;
	const struct msg_id *ids;
	size_t ids_n;
	struct problem problem;
	int64_t cancelled; /* result: cancelled now */
	void (*done)(struct message_cancel *op);
	void *arg;
	void *priv;
};

/* Cancels the messages with these ids; unknown ones are passed over. */
void engine_message_cancel(struct engine *e, struct message_cancel *op);

/* ---- bulk actions ----------------------------------------------------------------------------------- */

struct bulk_cancel {
	struct account *account;
	const struct filter *filter;
	int64_t max;            /* most messages to cancel; 0 = all */
	int64_t wait_ms;        /* 0 = only until it is sure to be done; INT64_MAX = to the end */
	struct problem problem; /* 429 when it takes longer; it goes on then */
	/* results */
	int64_t cancelled;
	struct str id; /* of the action; empty when none was made of it. As long as `done` runs */
	void (*done)(struct bulk_cancel *op);
	void *arg;
};

/* Cancels what the filter matches of the messages accepted before. What is more than a page becomes a bulk
 * action, which goes on whatever happens to the caller or to this process (core/bulk.h, DOC_BULK). */
void engine_bulk_cancel(struct engine *e, struct bulk_cancel *op);

/* ---- the dead letter queue -------------------------------------------------------------------------- */

/* "<ms>-<seq>" */
struct str engine_dlq_id_text(struct arena *a, struct dlq_id id);
must_use bool engine_dlq_id_parse(struct str text, struct dlq_id *ret_id);

enum dlq_what { DLQ_LIST, DLQ_DELETE, DLQ_RETRY };

struct dlq_op {
	struct account *account;
	enum dlq_what what;
	const struct dlq_id *ids; /* these, when ids_n > 0; else what the filter matches */
	size_t ids_n;
	const struct filter *filter;
	int64_t max;    /* entries listed or acted upon */
	bool has_after; /* go on after this one (the cursor) */
	struct dlq_id after;
	bool descending;
	/* RETRY: lets the request override settings of the message; false with problem refuses all. */
	bool (*override)(struct dlq_op *op, struct arena *a, struct msg *m,
			 struct problem *ret_problem);
	struct problem problem;
	/* results, in `arena`, which the caller initialises and ends */
	struct arena arena;
	struct dlq_found *found; /* in order; DELETE: those deleted */
	size_t n;
	bool more; /* entries are left after the last one */
	struct dlq_id last;
	void (*done)(struct dlq_op *op);
	void *arg;
	void *priv;
};

struct dlq_found {
	struct dlq_id id;
	struct str record;    /* LIST */
	struct str response;  /* LIST: as kept (core/dead.h) */
	struct msg_id new_id; /* RETRY: of the new message */
};

void engine_dlq(struct engine *e, struct dlq_op *op);

/* ---- usage ------------------------------------------------------------------------------------------ */

struct usage_read {
	struct account *account;
	int64_t days; /* with today; at most USAGE_DAYS_KEPT */
	struct problem problem;
	/* results, in `arena`, which the caller initialises and ends */
	struct arena arena;
	struct usage *day; /* `days` of them, the last one is today */
	int64_t month_bytes;
	void (*done)(struct usage_read *op);
	void *arg;
	/* private */
	struct engine *engine;
	int64_t today;
	struct scan scan;
};

void engine_usage_read(struct engine *e, struct usage_read *op);

/* ---- gates: queues, flow-control keys, the user's own ------------------------------------------------ */

struct gate_change {
	struct account *account;
	struct move move; /* its `gate` member says what is to change; the user is filled in */
	struct problem problem; /* 404 when there is none and none is to be made; 412 at count_max */
	void (*done)(struct gate_change *op);
	void *arg;
	/* private */
	struct engine *engine;
	struct step step;
};

/* GATE_SET of a queue is an upsert. To remove a queue, see engine_queue_delete. */
void engine_gate_change(struct engine *e, struct gate_change *op);

struct gate_list {
	struct account *account;
	enum gate_kind kind;
	struct str name; /* that one alone; empty = all, in the order of names */
	/* Called for each as it is found; the row does not outlive the call. */
	void (*each)(struct gate_list *op, const struct scan_row *row);
	struct problem problem; /* that none has the name is no problem */
	void (*done)(struct gate_list *op);
	void *arg;
	/* private */
	struct engine *engine;
	struct scan scan;
};

/* GATE_USER has one at most, and none before the user's first message. */
void engine_gate_list(struct engine *e, struct gate_list *op);

struct queue_delete {
	struct account *account;
	struct str name;
	struct problem problem; /* an absent queue is no problem */
	void (*done)(struct queue_delete *op);
	void *arg;
	/* private */
	struct gate_list look;
	struct filter filter;
	struct bulk_cancel cancel;
	struct gate_change remove;
	bool has_messages;
};

/* Cancels the messages in the queue, then removes it. An attempt that runs is let end; what is put into
 * the queue meanwhile is still delivered (store.h, GATE_REMOVE). */
void engine_queue_delete(struct engine *e, struct queue_delete *op);

/* ---- documents -------------------------------------------------------------------------------------- */

/* All documents of a kind that a user has, by name, or the one with this name, or a page of them. */
struct docs_read {
	struct account *account;
	enum doc_kind doc;
	struct str name;  /* empty = all */
	size_t page;      /* most to read; 0 = all */
	struct str after; /* a page begins behind this name */
	struct problem problem;
	/* results, in `arena`, which the caller initialises and ends; n = 0 when the one named is absent */
	struct arena arena;
	struct doc_row {
		struct str name, value;
	} *row;
	size_t n;
	bool more; /* there are more behind the page */
	void (*done)(struct docs_read *op);
	void *arg;
	/* private */
	struct engine *engine;
	struct scan scan;
	size_t bytes;
};

void engine_docs_read(struct engine *e, struct docs_read *op);

/* What becomes of a document that is looked at to be changed. */
enum doc_verdict { DOC_WRITE, DOC_DROP, DOC_REFUSE, DOC_KEEP /* as it is, which is fine */ };

/* Part of the operations below; private but for its place. */
struct doc_edit {
	struct engine *engine;
	struct account *account;
	enum doc_kind doc;
	struct str name;
	struct arena *arena;
	int64_t count_max; /* of documents of the kind; 0 = no limit */
	const char *quota; /* what that limit is called */
	/* Looks at the document and puts the new one into `value`, with `due_ms`; or sets the problem. May be
	 * called again with what somebody else has made of it meanwhile. */
	enum doc_verdict (*change)(struct doc_edit *op, bool exists, struct str old);
	void (*done)(struct doc_edit *op);
	struct buf value;
	int64_t due_ms;
	struct problem problem;
	struct scan scan;
	struct step step;
	struct move move;
	int tries;
};

/* ---- URL groups ------------------------------------------------------------------------------------- */

enum group_what {
	GROUP_UPSERT,  /* endpoints, and the group if there is none */
	GROUP_REMOVE,  /* endpoints, and the group with its last one */
	GROUP_HEADERS, /* sets the default headers */
	GROUP_DELETE,  /* absent is fine */
};

struct group_op {
	struct account *account;
	enum group_what what;
	struct str name;
	const struct group_endpoint *endpoint; /* UPSERT (with URL), REMOVE */
	size_t n;
	struct headers header;  /* HEADERS */
	struct arena *arena;    /* for working in */
	struct problem problem; /* 404 when absent, 412 beyond the plan's limits */
	void (*done)(struct group_op *op);
	void *arg;
	/* private */
	struct doc_edit edit;
};

void engine_group_change(struct engine *e, struct group_op *op);

/* The groups with certain names. */
struct groups_find {
	struct account *account;
	struct groups_find_one {
		struct str name;
		bool exists;        /* result */
		struct group group; /* result, in `arena` */
		/* private */
		struct groups_find *owner;
		struct scan scan;
	} *one;
	size_t n; /* > 0 */
	struct arena *arena;
	struct problem problem;
	void (*done)(struct groups_find *op);
	void *arg;
	/* private */
	struct engine *engine;
	size_t pending;
};

void engine_groups_find(struct engine *e, struct groups_find *op);

/* ---- schedules -------------------------------------------------------------------------------------- */

enum schedule_what { SCHEDULE_CREATE, SCHEDULE_PAUSE, SCHEDULE_RESUME, SCHEDULE_DELETE };

struct schedule_op {
	struct account *account;
	enum schedule_what what;
	struct str
		id; /* CREATE: one with this id is overwritten, but stays paused; empty = a new one,
				    * which is the result */
	struct schedule schedule; /* CREATE: all but id, created_ms and the times of triggers */
	/* CREATE: with the same key, a schedule that is there is not made again for LIMIT_DEDUP_WINDOW_MS; empty = no
	 * such thing */
	struct str dedup_key;
	bool duplicate;      /* result: nothing was done; `id` is the one that is there */
	struct arena *arena; /* for working in */
	struct problem
		problem; /* 404 when absent, 412 beyond the plan's limit, 400 for the cron expression */
	void (*done)(struct schedule_op *op);
	void *arg;
	/* private */
	struct doc_edit once;
	struct doc_edit edit;
};

void engine_schedule_change(struct engine *e, struct schedule_op *op);

/* ---- the log ---------------------------------------------------------------------------------------- */

/* Outbox position that covers everything answered so far: a log query that waits for it sees it. */
uint64_t engine_outbox_last(const struct engine *e);
/* What the database calls itself whose position that is (store.h). */
struct str engine_database(const struct engine *e);

/* A random number for an id; not secret. */
uint64_t engine_random(struct engine *e);

/* ---- poison ------------------------------------------------------------------------------------------ */

/* Processes have died of this message: from now on it is not attempted, but goes to the dead letter queue when it is
 * due. Of many, the last ENGINE_QUARANTINE_MAX are known. */
enum { ENGINE_QUARANTINE_MAX = 64 };
void engine_quarantine(struct engine *e, struct str user, struct msg_id id);

/* ---- numbers ---------------------------------------------------------------------------------------- */

struct engine_stats {
	uint64_t published, delivered, failed, retried, cancelled;
	int deliveries; /* running now */
	bool waiting;   /* the last claim left work behind, or there was no room to ask for any */
	size_t memory_bytes; /* of messages held */
};
struct engine_stats engine_stats(const struct engine *e);

#endif
