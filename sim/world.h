/* world.h - a small world in virtual time: processes, endpoints, a clock that can be stepped, and one seed.
 *
 * The world goes from instant to instant. At each, it lets happen what is due: faults, load, answers of
 * endpoints, and the turns of the processes, each the real engine over its own handle of one shared
 * store. After each turn it reads the new log events and gives them to the judge.
 *
 * Beside the plain load, workflows run: the load begins, cancels, notifies and resumes them (load_flow.c), the workflow endpoint
 * replays them as the SDK does and asks the server for each next step (visits.h, sdk.h, flow.h), and a judge of their own
 * follows them (judge_flow.h).
 *
 * `now` is the world's own time in ms. A process sees it through two clocks: wall (all share the steps of
 * the machine's clock, each with a small error of its own) and mono.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "base/compiler.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/rng.h"
#include "core/plan.h"
#include "courier/courier.h"
#include "engine/engine.h"
#include "judge.h"
#include "store/fault.h"
#include "store/sqlite/sqlite_store.h"

enum {
	WORLD_PROCS = 3,
	WORLD_ENDPOINTS = 10,
	WORLD_KEPT = 30, /* lines of what happened, for a failure */
	WORLD_LINE_BYTES = 160,
	WORLD_LEASE_MS = 15000,
};

/* Ways to make the world misbehave, to prove that the judge notices. */
enum world_break {
	BREAK_NONE,
	BREAK_LEASE, /* leases of the dead end much too late */
	BREAK_DEDUP, /* the deduplication id does not reach the store */
	BREAK_LOSE,  /* the first event of some message gets lost */
	BREAK_LIE,   /* the courier reports a success that no endpoint gave */
	BREAK_SLOTS, /* the engines know a higher limit than the user has */
	BREAK_STUCK, /* some answers never come, not even a time-out */
	/* By the load, which tells the judge of something else than it asks for or hears. */
	BREAK_LEFT,      /* bulk cancels stop after the first */
	BREAK_DEAD_LEFT, /* work on all dead letters stops early and says that nothing is left */
	BREAK_TOLD,      /* two are told to have taken out one dead letter */
	/* By the spy: what is asked of the store is something else than what the judge is told. */
	BREAK_ORDER,     /* two queues are what the publisher takes for one */
	BREAK_ROWS,      /* gates are paused and the rows do not say so */
	BREAK_PAUSE,     /* a queue is resumed instead */
	BREAK_KEY_PAUSE, /* a key is */
	BREAK_QUEUE,     /* a queue gets more slots */
	BREAK_PIN,       /* a key does */
	BREAK_RATE,      /* a key starts more in a period */
	BREAK_TWICE,     /* a trigger does not look at the schedule's version */
	BREAK_EARLY,     /* schedules are due too early */
	BREAK_LATE,      /* ... or too late */
	BREAK_FAN_OUT,   /* a trigger leaves one endpoint of a group out */
	BREAK_UNPAUSE,   /* a paused schedule is stored as one that is not */
	BREAK_REVIVE,    /* the retry of a dead letter makes no message */
	/* ... and what the engine believes to be done. */
	BREAK_MAKEUP,    /* a trigger makes up for more than one that was missed */
	BREAK_OVERWRITE, /* a schedule that is overwritten is no longer paused */
	BREAK_RESUME,    /* pausing a schedule resumes it */
	BREAK_GROUP,     /* a change of a group loses an endpoint */
	BREAK_FORGET,    /* changes of gates are not done */
	BREAK_CANCEL,    /* some cancels are not */
	BREAK_BURY,      /* deletes of dead letters are not */
	/* Of workflows. By the endpoint, or on the way to it. */
	BREAK_SLICE,  /* a delivery lacks an entry of its history */
	BREAK_JOIN,   /* a parallel block seems complete to more than one delivery */
	BREAK_RESULT, /* a run returns something else than its steps make */
	BREAK_CHILD,  /* a step invokes something else */
	BREAK_DEAF,   /* what a run is told is neither kept nor heard */
	BREAK_DOOM,   /* a run fails although no endpoint said so */
	/* By the load. */
	BREAK_UNASKED, /* runs are cancelled, and nobody has asked for that */
	/* By the spy. */
	BREAK_REWRITE, /* a step's result is stored as another */
	BREAK_UNDEAD,  /* runs that are over take messages on */
	BREAK_STALL,   /* some entries are never delivered */
	BREAK_COUNT,
};

enum temper {
	TEMPER_FAST,
	TEMPER_SLOW,
	TEMPER_FLAKY,
	TEMPER_BROKEN,  /* 500 */
	TEMPER_MISSING, /* 404 */
	TEMPER_FINAL,   /* 489 with the header that forbids retries */
	TEMPER_BUSY,    /* 429 with Retry-After, then well */
	TEMPER_SILENT,  /* until the time-out */
	TEMPER_DOWN,    /* refuses connections */
	TEMPER_COUNT,
};

struct world;

/* One life of one process. */
struct proc {
	struct world *world;
	int slot;
	int holder;          /* for the judge; 0 = this slot is empty */
	struct store *store; /* with faults */
	struct courier courier;
	struct engine *engine;
	bool ready, stopping;
	int64_t skew_ms; /* error of its wall clock */
	int64_t mono_offset_ms;
	int64_t turn_at_ms, poll_at_ms; /* world time; INT64_MAX = not */
	int64_t stalled_until_ms;       /* it does nothing until then */
	int64_t able_since_ms; /* it has been working normally since; INT64_MAX = it is not */
	uint64_t failures;     /* requests that its store had lost when it last polled */
	int die_in;            /* steps until it dies; 0 = not planned */
	int64_t restart_at_ms; /* of an empty slot */
	struct list ops;       /* struct load_op in the engine's hands */
	struct list exchanges; /* in flight, of this process */
};

struct world {
	uint64_t seed;
	enum world_break broken;
	bool trace;
	struct rng rng;
	int64_t now_ms;
	int64_t wall_step_ms; /* of the machine's clock */
	int64_t stepped_ms;   /* when it was last stepped */
	int64_t faults_ms;    /* when the store last misbehaved, or some process stood still */
	struct sqlite_db *db;
	bool rung; /* the store has answers since this was cleared */
	struct store *observer;
	uint64_t tail_pos;
	struct proc proc[WORLD_PROCS];
	int holders;
	enum temper temper[WORLD_ENDPOINTS];
	bool healthy; /* faults are over and all endpoints are well */
	struct heap exchanges;
	struct list orphans; /* exchanges whose process is gone */
	struct heap visits;  /* what the workflow endpoint does next (visits.h) */
	struct list guests;  /* all visits */
	struct heap calls;   /* when requests of workflows go on (sdk.h) */
	struct list sdk;     /* all of these */
	int executions;      /* of steps */
	int flows;           /* things left to ask of workflows */
	struct judge *judge;
	struct plan plan;
	struct plan plan_told; /* what engines get to know */
	int users;
	int64_t flow_parallelism[JUDGE_NAMES];
	int64_t load_at_ms, load_until_ms;
	int to_publish;   /* messages left to publish */
	int schedules;    /* asked for so far */
	bool overwriting; /* the last that was asked of a schedule is to be made anew */
	int64_t fault_at_ms;
	int64_t tick_at_ms; /* some processes are to die then, as schedules fire */
	int64_t rows_at_ms; /* next comparison of all rows */
	bool faults_on;     /* the store loses answers now */
	int64_t faults_until_ms;
	bool lost_one; /* BREAK_LOSE has done its deed */
	int64_t instants;
	char line[WORLD_KEPT][WORLD_LINE_BYTES];
	int64_t lines;
};

struct world_settings {
	uint64_t seed;
	bool trace;
	enum world_break broken;
};

/* Lives through one seed. False when something was wrong; the reason and the last events have been printed
 * to standard output then, unless a break was asked for. */
must_use bool world_run(const struct world_settings *settings, struct judge_counts *ret_counts);

/* For the world's other files. */
void world_note(struct world *w, const char *fmt, ...) printf_like(2, 3);
/* One in n. */
bool world_one_in(struct world *w, uint64_t n);
int64_t world_between(struct world *w, int64_t least, int64_t most);
int64_t world_wall_ms(const struct world *w);
bool world_is_calm(const struct world *w);

#endif
