/* kit.h - a store under test: a backend to open, and verbs that wait for their answer.
 *
 * A contract case is written once and runs on every backend in kit_backends:
 *
 *	CONTRACT(delivers_what_was_put)
 *	{
 *		struct kit_msg m = PUT(k, .want_lease = true);
 *
 *		T_CHECK(m.leased);
 *		SETTLE(k, &m, SETTLE_DELIVERED);
 *		T_EQ_STR(kit_events(k, &m), "CREATED ACTIVE DELIVERED");
 *	}
 *
 * Time stands still but for kit_pass. After every request the backend checks its own counts. All that the
 * verbs return lives until the end of the test.
 */
#ifndef TEST_STORE_KIT_H
#define TEST_STORE_KIT_H

#include <semaphore.h>

#include "base/rng.h"
#include "store/store.h"
#include "t.h"

struct kit;

struct kit_backend {
	const char *name;
	void (*open)(struct kit *k);
	void (*kill)(
		struct kit *k); /* as if the process had died; durable ones: `open` may follow */
	void (*close)(struct kit *k);
	struct store *(*another)(struct kit *k); /* a second holder; NULL = there can only be one */
	void (*kill_another)(struct kit *k, struct store *s);
	void (*verify)(struct kit *k); /* fails the test when the store's counts are wrong */
};

extern const struct kit_backend kit_memory, kit_disk, kit_redis, kit_redis_durable;
static const struct kit_backend *const kit_backends[] = { &kit_memory, &kit_disk, &kit_redis };
static const struct kit_backend *const kit_durable[] = {
	&kit_disk, &kit_redis_durable
}; /* what was applied outlives a crash */
static const struct kit_backend *const kit_shared[] = {
	&kit_memory, &kit_redis
}; /* several holders at a time */

struct kit_arena {
	struct arena a;
	struct kit_arena *next;
};

struct kit {
	const struct kit_backend *backend;
	void *state; /* the backend's */
	struct store *s;
	sem_t bell; /* posted by the backend when answers wait */
	int64_t now_ms;
	int64_t lease_ms;
	uint64_t last_seq;
	struct rng rng;
	struct arena arena;
	struct kit_arena *arenas;
	const char *name; /* of the database, in the test's directory; NULL = "store.db" */
	bool unchecked;   /* leave out the check after every request */
};

#define CONTRACT(name) CONTRACT_ON(name, kit_backends)
#define CONTRACT_ON(name, backends)                 \
	static void contract_##name(struct kit *k); \
	TEST_EACH(name, backends)                   \
	{                                           \
		kit_run(*row, contract_##name);     \
	}                                           \
	static void contract_##name(struct kit *k)

void kit_run(const struct kit_backend *backend, void (*body)(struct kit *k));
/* The parts of it. */
void kit_init(struct kit *k, const struct kit_backend *backend);
void kit_done(struct kit *k);

void kit_ring(void *kit);                 /* a backend's wake */
void kit_pass(struct kit *k, int64_t ms); /* time passes, and the store hears of it */
/* The process dies and another one starts; durable backends only. */
void kit_crash(struct kit *k);
/* The handle is closed and the store opened again; durable backends only. */
void kit_restart(struct kit *k);

/* Submits, flushes and polls until it is answered. */
enum store_result kit_do(struct kit *k, struct store_req *req);
enum store_result kit_do_on(struct kit *k, struct store *s, struct store_req *req);
void kit_ignore(struct store_req *req); /* a `done` for what nobody waits for */
struct arena *kit_arena(struct kit *k); /* a new one, ended with the test */

/* ---- messages -------------------------------------------------------------------------------- */

struct kit_put {
	const char *user; /* "u" */
	const char *queue, *flow, *dedup;
	int64_t flow_parallelism, flow_rate, flow_period_s;
	int64_t delay_ms, dedup_ms; /* dedup_ms: 600,000 */
	int64_t user_parallelism, queues_max, day_messages_max;
	uint64_t root;
	size_t record_bytes; /* at least some 30 */
	bool want_lease;
	struct store *on; /* another holder */
	struct msg_id id; /* seq 0: a new one */
	const char *run;  /* its member */
	int64_t run_created_ms;
	bool run_if_open;
	const char *entry, *run_key; /* entry: bytes of the one that it appends */
	int64_t run_entries_max, run_bytes_max;
};

struct kit_msg {
	struct msg_id id;
	struct str user;
	struct str record;
	bool leased;
	uint64_t lease;
	enum store_result result;
	enum refusal refusal;
	struct msg_id existing;
	enum put_skipped skipped;
	int64_t used_messages, used_bytes;
};

#define PUT(k, ...) kit_put((k), &(struct kit_put){ __VA_ARGS__ })
struct kit_msg kit_put(struct kit *k, const struct kit_put *p);
/* The move alone, for steps of several; its message, record and events are in the kit's arena. */
struct move kit_put_move(struct kit *k, const struct kit_put *p, struct kit_msg *ret_msg);

struct kit_settle {
	enum settle_to to;
	int64_t delay_ms;
	int64_t bytes;       /* sent */
	int64_t dlq_kept_ms; /* 0 = for ever */
	struct store *on;
};

struct kit_settled {
	enum store_result result;
	enum refusal refusal;
	bool was_cancelled;
};

#define SETTLE(k, m, ...) kit_settle((k), (m), &(struct kit_settle){ .to = __VA_ARGS__ })
struct kit_settled kit_settle(struct kit *k, const struct kit_msg *m, const struct kit_settle *how);
struct move kit_settle_move(struct kit *k, const struct kit_msg *m, const struct kit_settle *how);

struct kit_cancelled {
	enum store_result result;
	enum refusal refusal;
	bool was_leased;
};
struct kit_cancelled kit_cancel(struct kit *k, const struct kit_msg *m);

struct claim *kit_claim(struct kit *k, size_t max);
struct claim *kit_claim_on(struct kit *k, struct store *s, size_t max);
struct kit_msg kit_leased(struct kit *k, const struct claim *c, size_t index);
/* Claims everything that may start and says in what order, by the index of each in `of`; "-" for others. */
struct str kit_started(struct kit *k, const struct kit_msg *of, size_t n);
/* The same for one claim. */
struct str kit_order(struct kit *k, const struct claim *c, const struct kit_msg *of, size_t n);
/* Claims until nothing is left and takes the lease over into the messages of `of`. Returns how many. */
size_t kit_lease_all(struct kit *k, struct kit_msg *of, size_t n);

enum store_result kit_step(struct kit *k, struct step *step, struct move *moves, size_t n);

/* ---- looking --------------------------------------------------------------------------------- */

struct scan *kit_scan(struct kit *k, struct scan *s); /* results in an arena of the kit */
struct scan_row *kit_find(struct kit *k, const struct kit_msg *m); /* NULL = gone */
/* What a user has used on a day (0 = today, 1 = yesterday ...), as "messages bytes delivered retried errors
 * failed cancelled"; empty = there is no row. */
struct str kit_usage(struct kit *k, const char *user, int64_t days_ago);
struct scan_row *kit_gate(struct kit *k, enum gate_kind kind, const char *name); /* of user "u" */
enum store_result kit_gate_op(struct kit *k, enum gate_kind kind, const char *name,
			      enum gate_op op);
/* Any gate move of user "u"; fields that are not to be changed are -1 by kit_gate_move. */
struct move kit_gate_move(enum gate_kind kind, const char *name, enum gate_op op);
/* The states that were logged for a message, in order, with a space between. */
struct str kit_events(struct kit *k, const struct kit_msg *m);

#endif
