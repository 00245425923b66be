/* kit.h - real engines over one real store in memory, turned by hand in a time of the test's own.
 *
 * Several processes may share a world. Each has a fault store and a courier that keeps what it is given until
 * proc_deliver_all.
 */
#ifndef TEST_ENGINE_KIT_H
#define TEST_ENGINE_KIT_H

#include "courier/courier.h"
#include "engine/engine.h"
#include "store/fault.h"
#include "store/sqlite/sqlite_store.h"
#include "t.h"

enum { HOUR_MS = 3600 * 1000, TURNS_MAX = 200 * 1000, SENT_MAX = 4096 };

struct world {
	struct sqlite_db *db;
	struct store *eye;   /* looks at what is stored */
	int64_t now_ms;      /* of both clocks */
	size_t run_body_max; /* 0 = the engine's own */
};

struct proc {
	struct world *w;
	struct store *store; /* a fault store */
	struct engine *e;
	struct courier courier;
	struct courier_req *sent[SENT_MAX];
	size_t sent_n;
	bool ready;
};

void world_start(struct world *w);
void world_end(struct world *w);
/* Asks the store, behind the engines' backs; the caller has scan_init'ed it with world_looked as its `done`, and ends
 * the arena. */
void world_look(struct world *w, struct scan *s);
void world_looked(struct store_req *req);
/* Messages that nobody has cancelled. */
size_t world_messages_left(struct world *w);

/* Starts it and makes the user "user". */
void proc_start(struct proc *p, struct world *w, uint64_t seed);
/* One turn; a millisecond goes by. */
void proc_turn(struct proc *p);
/* Answers 200 to all that was sent. */
void proc_deliver_all(struct proc *p);
void proc_publish(struct proc *p, size_t n, int64_t delay_ms, const char *label);
/* As if it had died. */
void proc_kill(struct proc *p);
void proc_stop(struct proc *p);

#endif
