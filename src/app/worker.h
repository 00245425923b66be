/* worker.h - one process as its supervisor sees it: its life, its channel, its numbers.
 *
 *	WAITING --(start_at_ms)--> STARTING --"ready"--> READY --told--> ENDING --> ended
 *	    ^__________________________|____________________|  (it ended by itself)
 */
#ifndef APP_WORKER_H
#define APP_WORKER_H

#include "app/inherit.h"
#include "app/scaling.h"
#include "base/list.h"
#include "engine/inhand.h"

struct loop;
struct child;
struct channel;
struct supervisor_role;

enum worker_state { WORKER_WAITING, WORKER_STARTING, WORKER_READY, WORKER_ENDING };

struct worker {
	struct list node;
	enum worker_state state;
	const struct supervisor_role *role;
	size_t role_index;
	int index;           /* within its role */
	int generation;      /* of rolling restarts, in which it was started */
	char name[32];       /* "compute-0" */
	struct child *child; /* NULL when it does not run */
	struct channel *channel;
	struct inhand *page;
	struct worker *replaces; /* this one, once ready */
	bool is_replaced;        /* there is one that is to replace it */
	bool is_last;            /* it is not started again after its end */
	int failures;            /* starts in a row that did not become ready */
	int64_t start_at_ms, started_ms, backoff_ms, kill_at_ms; /* mono */
	int64_t cpu_us, cpu_at_ms;                               /* as last told */
	struct scaling_sample sample;
	int64_t sample_ms; /* mono; when it came; 0 = none since the start */
	/* the supervisor's */
	void (*message)(struct worker *w, struct str what, struct str rest);
	void (*ended)(struct worker *w, int status, int signum);
	void *owner;
};

/* Starts the process. False with a reason: it stays WAITING. */
must_use bool worker_start(struct worker *w, struct loop *loop, const char *program,
			   const int socket[INHERIT_SOCKETS], int64_t now_ms);
/* Its numbers have come. */
void worker_take_numbers(struct worker *w, struct str numbers, int64_t now_ms);
void worker_tell(struct worker *w, struct str message);
void worker_signal(struct worker *w, int signum);
/* After its end, of which the page tells: frees what belonged to the process. */
void worker_clean(struct worker *w);

#endif
