/* engine_int.h - what the engine's files share; nobody else includes it.
 *
 * A `struct delivery` carries one message through this process: from its put (publish.c) or its claim
 * (claim.c) over the attempt (delivery.c) to its settle. It owns its record and everything made for
 * the attempt. Its life:
 *
 *	PUTTING ──► SENDING ──► SETTLING ──► freed
 *	   │  │        ▲  │
 *	   │  │        │  └ stop: HANDBACK is a settle, too
 *	   │  └ READING: a workflow's step, its history is being read (run_deliver.c)
 *	   └ not leased to us (waits in the store, refused): freed; callbacks always
 *
 * A settle whose outcome is unknown or unavailable is submitted again until the store answers; the lease
 * token makes that harmless. So is a put or a claim whose answer was lost, for it may have leased something.
 */
#ifndef ENGINE_ENGINE_INT_H
#define ENGINE_ENGINE_INT_H

#include "base/list.h"
#include "base/map.h"
#include "core/outcome.h"
#include "core/settle.h"
#include "courier/courier.h"
#include "engine/engine.h"
#include "engine/inhand.h"

enum delivery_state { DELIVERY_PUTTING, DELIVERY_READING, DELIVERY_SENDING, DELIVERY_SETTLING };

enum {
	SETTLE_MOVES_MAX = 3, /* settle, callback, failure callback */
	DOUBT_MS_MAX = 2000,  /* for which an API call waits to learn what became of its put */
	ASK_AGAIN_MS = 500,   /* wait before a settle or a put without a clear answer is repeated */
	CLAIM_AGAIN_MS = 500, /* the same for a claim */
	CLAIM_MAX = 256,      /* messages of one claim */
	CLAIM_DOCS_MAX = 64,  /* due documents of one claim */
	ZONE_BYTES_MAX = 256 * 1024, /* of a time zone's file */
	CLAIM_EVERY_MS = 5 * 1000,   /* at the latest: other processes may have left work behind */
	USERS_AGAIN_MS = 500,        /* before the users are read again after a failure */
	USERS_EVERY_MS = 1000,       /* between two readings because of a change */
	CLAIM_FULL_MS = 1000,        /* between claims of documents alone */
	DELIVERY_POOL_MAX = 256,     /* finished deliveries kept for reuse */
	TAIL_EVERY_MS = 25,          /* between two readings of the outbox */
	TAIL_BYTES_MAX = 1024 * 1024,
	SEQ_SPREAD = 1 << 20,            /* where a process begins to count, at random */
	PUBLISH_BYTES_MAX = 1024 * 1024, /* records of one publish in the store's hands */
	SCRATCH_BYTES_KEPT = 1024 * 1024,
	RECORD_BYTES_MAX = 256 * 1024 * 1024, /* far above any plan's message size */
};

struct delivery {
	struct list node; /* in engine.deliveries, engine.ask_again or engine.pool */
	struct engine *engine;
	enum delivery_state state;
	struct arena arena;      /* of the attempt: headers, events, callbacks */
	struct buf record;       /* msg_encode of msg */
	struct buf response;     /* what a dead letter keeps of the answer */
	struct msg msg;          /* views into record */
	struct account *account; /* NULL when the user is gone */
	int64_t retried;
	uint64_t lease;
	bool lapsed;               /* it was not sent, for its lease may have run out */
	int64_t doubt_mono_ms;     /* PUTTING: since then no clear answer has come */
	bool asked_again;          /* PUTTING: an answer was lost, the step submitted again */
	struct publish_item *item; /* PUTTING on behalf of an API call; NULL for callbacks */
	struct step step;
	struct move move[SETTLE_MOVES_MAX];
	size_t moves;
	struct delivery *callback[SETTLE_MOVES_MAX]; /* own the records of move[1..] */
	struct courier_req req;
	size_t held_bytes;           /* counted in engine.memory_bytes */
	bool counted;                /* is one of engine.running */
	struct run_reading *reading; /* of a workflow's step: owns the body (run_deliver.c) */
};

struct engine {
	struct engine_settings set;
	struct rng rng;
	uint64_t last_seq;
	int64_t now_ms; /* wall, of this turn */
	int64_t mono_ms;
	struct engine_stats stats;
	struct buf scratch; /* for one thing at a time, see delivery.c */

	struct map accounts;   /* by user id */
	struct map tokens;     /* by either token */
	struct account *gone;  /* no user's any more */
	struct list deletions; /* of users, under way */
	struct store_req
		*refused; /* requests that were not let through to the store; see deletions.c */
	struct scan account_scan;
	struct buf scan_after; /* the user that the next page begins behind */
	bool scanning;         /* `account_scan` is with the store */
	bool scan_wanted;      /* as soon as its time has come */
	uint64_t scans;        /* begun */
	int64_t scan_mono_ms;  /* not before this */
	int64_t scan_began_mono_ms;
	int64_t users_version; /* the store's, as far as is known */
	int64_t scan_version;  /* the same when the present scan was begun */
	int64_t users_loaded;  /* ... when the last complete one was */
	void (*ready)(void *arg);
	void *ready_arg;
	bool started;
	bool up;                /* the last claim was answered */
	struct problem problem; /* of the start */

	struct list deliveries; /* SENDING */
	struct list strangers;  /* leased, but their user is to be read yet */
	struct list ask_again;  /* SETTLING or PUTTING, waiting to be submitted again */
	struct list pool;
	size_t pooled;
	int running; /* deliveries that are SENDING or SETTLING, and leases asked for */
	int putting; /* puts in the store's hands that asked for a lease */
	size_t memory_bytes;
	int64_t ask_again_mono_ms;

	struct claim claim;
	bool claiming;   /* `claim` is with the store */
	bool claim_lost; /* its answer was lost: it is repeated at claim_mono_ms until one comes */
	bool claim_wanted;
	int64_t claim_at_ms;     /* wall: the store said something becomes due then */
	int64_t claim_mono_ms;   /* mono: not before this after a failure */
	int64_t claimed_mono_ms; /* mono: of the last claim */

	struct list bulks; /* bulk actions that this process works on, the next one first */
	struct bulk_job *bulk_busy; /* the one whose page is with the store */
	struct arena bulk_arena;    /* of the page, kept from one to the next */
	int64_t bulk_began_mono_ms; /* when that page was begun */
	int64_t bulk_at_mono_ms;    /* no page before this */
	uint64_t bulk_published;    /* stats.published as of the last page */
	struct list works;          /* on workflow runs, under way (work.h) */
	struct list works_again;    /* ... waiting to be submitted again at works_mono_ms */
	int64_t works_mono_ms;

	struct quarantined {
		char user[USER_ID_BYTES_MAX];
		size_t user_n;
		struct msg_id id;
	} *quarantined;     /* the last ones */
	size_t quarantines; /* ever */

	struct list triggers; /* of schedules, under way */
	struct map zones;     /* time zones that schedules have asked for, by name */

	struct tail tail;
	bool tailing;
	uint64_t shipped;     /* outbox position that the logs have taken */
	int64_t tail_mono_ms; /* mono: of the last reading */

	int requests; /* store requests in flight, of any kind */
	bool stopping;
	int64_t stop_mono_ms; /* mono: when to hand back what is left */
	void (*stopped)(void *arg);
	void *stopped_arg;
};

/* Looks at the clocks: first in everything that comes from outside a turn. */
void engine_look(struct engine *e);
/* Submits and counts; every `done` calls engine_answered first. */
void engine_submit(struct engine *e, struct store_req *req);
void engine_answered(struct engine *e);
/* The problem that a failed store request is for the caller: 503, or what the refusal means. */
void engine_store_problem(struct problem *p, const struct store_req *req, enum refusal refusal);
/* The same for a step that was refused because of a put: tells the quota. */
void engine_put_problem(struct problem *p, const struct step *s, const struct move *put);

/* Something becomes due at this time, Unix ms: claim then. */
void engine_expect(struct engine *e, int64_t due_ms);

/* docs.c */
/* Starts an edit; the document may have bytes_max bytes. */
void docs_edit(struct engine *e, struct doc_edit *op, size_t bytes_max);

/* May a user be changed? Else the operation is ended with the reason. */
must_use bool users_may_change(struct account_op *op);

/* accounts.c */
void accounts_load(struct engine *e);
void accounts_free(struct engine *e);
/* The store's users are at this version: reads them again if they have changed. */
void accounts_look(struct engine *e, int64_t users_version);
void accounts_turn(struct engine *e);
int64_t accounts_next_mono_ms(const struct engine *e);
/* Takes over a stored document; a broken one is told and left out. */
struct account *accounts_take_over(struct engine *e, struct str id, struct str value,
				   int64_t version);
/* The user is gone for good: its id is free. */
void accounts_drop(struct engine *e, struct account *a);
/* A user that was moved away may not be known at its new place yet. */
enum { ACCOUNTS_LEFT_MS = 60 * 1000 };
/* Submits u's document as the first move of op's step, with `moves` in all. */
void accounts_submit(struct engine *e, struct account_op *op, const struct user *u, size_t moves);
/* n characters of secret randomness, at most ACCOUNTS_SECRET_MAX. */
enum { ACCOUNTS_SECRET_MAX = 44 };
struct str accounts_secret(struct engine *e, char *ret_text, size_t n);
const struct plan *accounts_plan(const struct engine *e, const struct account *a);

/* usage.c */
/* The put counts against the hard quota of the plan, if it has one. */
void usage_limit(const struct engine *e, const struct account *a, struct move *put);
/* Logs that a soft quota is exceeded, once for each day or month. */
void usage_notice(const struct engine *e, struct account *a, const struct move *put);

/* deletions.c */
/* Goes on with the deletion of an account that is marked. */
void deletions_begin(struct engine *e, struct account *a);
void deletions_turn(struct engine *e);
int64_t deletions_next_mono_ms(const struct engine *e);
void deletions_free(struct engine *e);
/* Must this step not reach the store, because it would make something for a user that is being deleted? It is then
 * answered NOT_FOUND in the next turn. */
bool deletions_refuse(struct engine *e, struct store_req *req);

/* delivery.c */
must_use struct delivery *delivery_new(struct engine *e);
void delivery_free(struct delivery *d);
/* Of one that no list and no count knows any more: frees its memory. */
void delivery_destroy(struct delivery *d);
/* Counts what the delivery holds against the memory budget, in place of what was counted before. */
void delivery_count_bytes(struct delivery *d, size_t bytes);
/* Gives the message an id, takes over a copy of it, and fills the put move. */
void delivery_prepare_put(struct delivery *d, struct move *move, const struct msg *m);
/* It is leased to us: start the attempt. */
void delivery_start(struct delivery *d, int64_t retried, uint64_t lease);
/* It is leased to us, but its user is not known (yet): it waits until the users have been read. */
void delivery_wait(struct delivery *d, int64_t retried, uint64_t lease);
/* All users have been read: what waits for its user starts. `all`: who is not known now is gone. */
void delivery_meet(struct engine *e, bool all);
void delivery_hand_back(struct delivery *d);
/* Signs it and gives it to the courier. */
void delivery_send(struct delivery *d);
/* The attempt has come to this. */
void delivery_settle(struct delivery *d, const struct outcome *o);
/* It has come to an end without an attempt. */
void delivery_give_up(struct delivery *d, struct str why);
/* Gives it back to the store; for one that the courier does not have. */
void delivery_return(struct delivery *d);
/* The move that settles it, with its events. */
struct move delivery_settle_move(struct delivery *d, const struct outcome *o, struct verdict v);
/* The step has no clear answer: it will be submitted again. */
void delivery_ask_again(struct delivery *d);
void delivery_ask_turn(struct engine *e);
/* May another lease be asked for? */
bool delivery_has_room(const struct engine *e);

/* run_deliver.c */
/* Reads the run's history up to the message's entry, then sends it. */
void run_deliver(struct delivery *d);
void run_deliver_free(struct delivery *d);

/* run_settle.c */
/* Takes over what an end of this kind means for the message's run, and settles the message with it. False
 * when it means nothing to it. */
must_use bool run_settle(struct delivery *d, const struct outcome *o, struct verdict v);

/* runs_wait.c */
void runs_timeout(struct engine *e, const struct due_doc *doc);

/* quarantine.c */
must_use bool quarantine_has(const struct engine *e, const struct msg *m);

/* claim.c */
void claim_turn(struct engine *e);
int64_t claim_next_mono_ms(const struct engine *e);

/* bulk.c */
void bulk_due(struct engine *e, const struct due_doc *doc);
void bulk_turn(struct engine *e);
int64_t bulk_next_mono_ms(const struct engine *e);
void bulk_drop(struct engine *e);

/* schedules.c */
void schedules_trigger(struct engine *e, const struct due_doc *doc);
/* Removes what a deduplication key has stood for. */
void schedules_forget(struct engine *e, const struct due_doc *doc);
void schedules_drop(struct engine *e);
void schedules_free(struct engine *e);

/* ship.c */
void ship_turn(struct engine *e);
int64_t ship_next_mono_ms(const struct engine *e);

#endif
