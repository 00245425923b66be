/* logrun.h - one workflow run, put together from its messages and their entries (workflow spec 8.2).
 *
 * A step shows in up to three places: the plan (of a parallel block), the message or event that says that it
 * is under way (a call, a wait, an invocation), and the entry with its result. They meet in one logrun_step
 * under the step's id.
 *
 * A run that was resumed begins with the history of the one that had failed: that one's messages are loaded,
 * too, without what had become of the run itself.
 */
#ifndef LOGS_LOGRUN_H
#define LOGS_LOGRUN_H

#include "core/runbody.h"
#include "logs/logdb.h"

/* A message of the run, and what its entries tell. */
struct logrun_msg {
	struct msg msg;
	const struct event **event; /* in order */
	size_t events;
	bool active, delivered, failed, canceled;
	int64_t next_ms;          /* of a retry that is to come; 0 = none */
	const struct event *last; /* DELIVERED or ERROR with an answer; NULL = none yet */
};

struct logrun_step {
	int64_t id;
	struct run_step step;
	const struct logrun_msg *plan, *result, *call; /* NULL = none */
	const struct logrun_msg *callback;
	struct runbody_step planned, done; /* parsed; json NULL = none */
	const struct json *waiting;        /* of a wait or an invocation */
	int64_t waiting_ms;                /* since */
};

enum logrun_state { LOGRUN_STARTED, LOGRUN_SUCCESS, LOGRUN_FAILED, LOGRUN_CANCELED };

struct logrun {
	struct str id;
	int64_t created_ms, completed_ms; /* completed_ms: 0 = not yet */
	enum logrun_state state;
	struct str response, dlq_id;
	const struct json *invoker;
	struct str resumed; /* id of the run that it goes on from; empty = none */
	int64_t resumed_ms;
	const struct logrun_msg *init; /* NULL = the log has lost it */
	const struct logrun_msg *failure;
	const struct logrun_msg *next; /* delivers what the next step will be; NULL = nothing does */
	struct logrun_msg *msg;
	size_t msgs;
	struct logrun_step *step; /* by id */
	size_t steps;
};

/* False when there is no such run. Everything is in the arena. */
must_use bool logrun_load(struct logdb *db, struct arena *a, struct str id, int64_t created_ms,
			  struct logrun *ret_run);

/* What it was started with, as its messages show it. One that goes on from another has labels and flow control of its
 * own. */
struct msg logrun_trigger(const struct logrun *run);

struct str logrun_state_name(enum logrun_state s); /* "RUN_STARTED" */

#endif
