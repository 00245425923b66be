/* workflow.h - the engine's operations on workflow runs, in the manner of engine.h, which is what to include.
 */
#ifndef ENGINE_WORKFLOW_H
#define ENGINE_WORKFLOW_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/problem.h"
#include "core/mailbox.h"
#include "core/msg.h"
#include "core/run.h"
#include "core/runanswer.h"
#include "store/store.h"

struct account;
struct engine;

/* ---- workflow runs ---------------------------------------------------------------------------------- */

/* A message that the API has made for a run: the start of one, a step, a call. */
struct run_item {
	struct runask ask;
	struct msg
		msg; /* as options_parse has left it; with the payload, the step or the call's body */
	bool rest;   /* the server itself starts the run: no SDK has asked for it */
	const struct runanswer_invoke
		*invoke; /* RUNASK_INVOKE; msg.body is then the child's payload */
	/* results */
	struct msg_id id; /* of the message, or of the one that it duplicates */
	bool duplicate;
};

/* What goes to one run in one step, in order: all of it or nothing. A start (RUNASK_START, _AGAIN, _INVOKE) is
 * alone. */
struct run_publish {
	struct account *account;
	struct run_item *item;
	size_t n;
	struct problem problem; /* 400 when the run is over; 412 for limits */
	int64_t created_ms;     /* result: of the run */
	void (*done)(struct run_publish *op);
	void *arg;
};

void engine_run_publish(struct engine *e, struct run_publish *op);

struct run_finish {
	struct account *account;
	struct run_ref run;
	bool cancel;            /* else the run has succeeded */
	struct str result;      /* of success */
	struct problem problem; /* 404 when there never was such a run */
	bool ended;             /* result: by this; false when it was over before */
	void (*done)(struct run_finish *op);
	void *arg;
};

void engine_run_finish(struct engine *e, struct run_finish *op);

struct run_cancel {
	struct account *account;
	const struct str *ids; /* these, when ids_n > 0; else those that `matches` says yes to */
	size_t ids_n;
	bool (*matches)(struct run_cancel *op, struct str id, const struct run *r);
	int64_t max; /* most runs to cancel; 0 = all */
	struct problem problem;
	int64_t cancelled; /* result */
	void (*done)(struct run_cancel *op);
	void *arg;
	void *priv;
};

void engine_run_cancel(struct engine *e, struct run_cancel *op);

/* The history of an open run. */
struct run_history {
	struct account *account;
	struct str id;
	struct problem problem; /* 404 when it is not open */
	struct buf body; /* result: the JSON array; the caller's to free, also with a problem */
	void (*done)(struct run_history *op);
	void *arg;
	void *priv;
};

void engine_run_history(struct engine *e, struct run_history *op);

/* Dead letters of runs that have failed. The plain operations (engine_dlq) do not see them. */
enum run_dlq_what {
	RUN_DLQ_LIST,
	RUN_DLQ_DELETE,
	RUN_DLQ_RESTART,       /* a new run from the beginning; the entry goes */
	RUN_DLQ_RESUME,        /* a new run that goes on from the failure; the entry goes */
	RUN_DLQ_REPORT,        /* the failure callback again, which has failed */
	RUN_DLQ_REPORT_CANCEL, /* the failure callback, which is in progress */
};

struct run_dead {
	struct dlq_id id;
	struct msg msg;         /* that has failed */
	struct outcome outcome; /* of its last attempt */
	struct run run;
	struct str payload; /* what the run was started with; STR_NULL when it is not kept */
	/* RESTART, RESUME: the new run; REPORT: this one */
	struct str run_id;
	int64_t created_ms;
};

struct run_dlq {
	struct account *account;
	enum run_dlq_what what;
	const struct dlq_id *ids; /* these, when ids_n > 0; else what `matches` says yes to */
	size_t ids_n;
	bool (*matches)(struct run_dlq *op, const struct run_dead *dead);
	int64_t max; /* entries listed or acted upon */
	bool has_after;
	struct dlq_id after;
	/* RESTART, RESUME: changes settings of the run; may be NULL. False with problem stops it all. */
	bool (*override)(struct run_dlq *op, struct arena *a, struct msg *trigger,
			 struct problem *ret_problem);
	struct problem problem; /* REPORT: 400 when its state does not allow it */
	/* results, in `arena`, which the caller initialises and ends */
	struct arena arena;
	struct run_dead *found;
	size_t n;
	bool more; /* entries are left after the last one */
	struct dlq_id last;
	void (*done)(struct run_dlq *op);
	void *arg;
	void *priv;
};

void engine_run_dlq(struct engine *e, struct run_dlq *op);

/* ---- events that runs wait for ---------------------------------------------------------------------- */

struct run_wait {
	struct account *account;
	struct str event;
	const struct runanswer_wait *wait;
	struct problem problem; /* 400 when the run is over */
	void (*done)(struct run_wait *op);
	void *arg;
};

/* A step waits, unless it does so already, or has an answer, or a notification was kept for it. */
void engine_run_wait(struct engine *e, struct run_wait *op);

/* A wait that was found, or notified. */
struct run_waiter {
	struct str run;
	int64_t created_ms;
	struct mailbox_wait wait;
	struct msg_id id; /* NOTIFY: of the message that takes the event to the endpoint */
	bool duplicate;   /* NOTIFY: the step had an answer already */
};

enum run_event_what {
	RUN_EVENT_LIST,   /* who waits */
	RUN_EVENT_NOTIFY, /* tells all who wait */
	RUN_EVENT_KEEP,   /* tells the waits of one run, or keeps it for the first that will come */
};

struct run_event {
	struct account *account;
	enum run_event_what what;
	bool is_webhook; /* for waits of that kind, the first one only */
	struct str event;
	struct str run;         /* KEEP: id of the run */
	struct str bytes;       /* data of the event */
	struct problem problem; /* KEEP: 404 when there is no such run, 400 when it is over */
	/* results, in `arena`, which the caller initialises and ends */
	struct arena arena;
	struct run_waiter *found;
	size_t n;
	void (*done)(struct run_event *op);
	void *arg;
	void *priv;
};

void engine_run_event(struct engine *e, struct run_event *op);

#endif
