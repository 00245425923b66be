/* judge.h - an independent model of what may happen to messages, fed with what the world observes.
 *
 * It knows no engine and no store. It is told what was asked and answered, reads the log events as they
 * become durable, with the marks (mark.h) of all other changes between them, and sees the attempts that endpoints see. From these it knows what each message is
 * doing, and says what is wrong the first time something is: a message lost, delivered twice without a
 * reason, out of its queue's order, beyond a limit, later than allowed, or with a history that cannot be.
 *
 * A holder is one life of one process, named by a number that is never used again. Times called `now` are
 * those of the world, which nobody can step; `wall` is what some process believes.
 */
#ifndef SIM_JUDGE_H
#define SIM_JUDGE_H

#include "base/compiler.h"
#include "base/list.h"
#include "core/msg.h"
#include "engine/engine.h"
#include "store/store.h"

enum { JUDGE_USERS = 4, JUDGE_NAMES = 10 };

struct judge;
struct judge_msg;
struct judge_flow_msg; /* judge_flow.h */

struct judge_settings {
	int64_t lease_ms; /* what a dead process may cost */
};

must_use struct judge *judge_new(const struct judge_settings *settings);
void judge_free(struct judge *j);
/* The first thing that was wrong; NULL while nothing is. */
const char *judge_verdict(const struct judge *j);
void judge_fail(struct judge *j, const char *fmt, ...) printf_like(2, 3);

/* ---- what was asked and answered ---------------------------------------------------------------------- */

/* A message is about to be published; its body is to be "t<tag>", user "user<n>". `dedup` < 0 = none. */
int judge_asked(struct judge *j, int user, int dedup);
struct judge_answer {
	int tag;
	int status; /* 0 = accepted */
	bool duplicate;
	struct msg_id id;
	bool faults; /* a refusal for want of a store is to be expected */
};
void judge_answered(struct judge *j, const struct judge_answer *a);

/* What a bulk cancel means: all that is of the user and of each part named. */
struct judge_bulk {
	int user;
	int queue, flow; /* -1 = any */
	int schedule, group;
	bool spares; /* it is the delete of a queue, which spares what a former delete has left in it */
};
void judge_cancel_asked(struct judge *j, struct msg_id id);
void judge_cancel_answered(struct judge *j, struct msg_id id, int status, int64_t cancelled);
/* Returns what names it in the answer, which must follow. */
int judge_bulk_asked(struct judge *j, const struct judge_bulk *b);
/* status < 0 = the answer got lost */
void judge_bulk_answered(struct judge *j, int bulk, int status, int64_t cancelled);

/* Retry or delete of dead letters; id == NULL: of all of the user's. Each must be ended. */
struct judge_dlq {
	int user;
	bool retry;
	const struct dlq_id *id;
	int64_t order; /* result of asking, for the answer */
};
void judge_dlq_asked(struct judge *j, struct judge_dlq *d);
void judge_dlq_told(struct judge *j, const struct judge_dlq *d, const struct dlq_found *found);
/* status < 0 = the answer got lost; all: it says that nothing is left */
void judge_dlq_answered(struct judge *j, const struct judge_dlq *d, int status, int64_t n,
			bool all);

/* Something to act upon: a message that is not over, a dead letter. False when there is none. */
must_use bool judge_pick_pending(const struct judge *j, uint64_t dice, int *ret_user,
				 struct msg_id *ret_id);
must_use bool judge_pick_dead(const struct judge *j, uint64_t dice, int *ret_user,
			      struct dlq_id *ret_id);

/* Gates, groups and schedules by user and number: "q<n>", "f<n>", "g<n>", "s<n>". The last two are those changes of
 * a schedule that leave it paused, or not. */
enum judge_what {
	JUDGE_QUEUE,
	JUDGE_FLOW,
	JUDGE_GROUP,
	JUDGE_SCHEDULE,
	JUDGE_PAUSES,
	JUDGE_RESUMES
};
struct judge_thing {
	enum judge_what what;
	int user, n;
};
/* Changes made to it so far, for judge_change_answered. */
int64_t judge_changes(const struct judge *j, struct judge_thing t);
/* The change was answered with a yes, so it must be there. */
void judge_change_answered(struct judge *j, struct judge_thing t, int64_t changes_before);
bool judge_is_paused(const struct judge *j, struct judge_thing t); /* not of groups */
/* Are there messages under this key? */
bool judge_is_used(const struct judge *j, struct judge_thing t);
bool judge_exists(const struct judge *j, struct judge_thing t); /* groups, schedules */
/* A change of a group is about to be asked for. */
void judge_group_asked(struct judge *j, struct judge_thing t, enum group_what what,
		       uint32_t endpoints);
/* The group was looked at since then, and had these endpoints; 0 = there was none. */
void judge_group_seen(struct judge *j, struct judge_thing t, uint32_t endpoints, int64_t since_ms);

/* ---- what became durable ------------------------------------------------------------------------------ */

struct judge_turn {
	int holder; /* whose turn made these events */
	int64_t now_ms, wall_ms;
	int64_t lag_ms; /* most that an event's time may lie behind */
};
void judge_events(struct judge *j, const struct judge_turn *turn, struct str events);

/* ---- what endpoints saw ------------------------------------------------------------------------------- */

/* Embedded in the world's exchange. */
struct judge_attempt {
	struct list node;
	struct judge_msg *msg;       /* NULL = not judged */
	struct judge_flow_msg *flow; /* a workflow's; msg is NULL then */
	int holder;
};

/* The courier was asked to send it. */
void judge_sent(struct judge *j, struct judge_attempt *a, int holder, struct msg_id id);
/* An endpoint answered with this status. */
void judge_endpoint_answered(struct judge *j, struct judge_attempt *a, int status);
struct judge_outcome {
	int64_t status;         /* 0 = none */
	int64_t retry_after_ms; /* -1 = none */
	bool non_retryable;
};
/* The process got to know this outcome. */
void judge_ended(struct judge *j, struct judge_attempt *a, const struct judge_outcome *o);
/* Taken back by the process, or forgotten with it. */
void judge_dropped(struct judge *j, struct judge_attempt *a);

/* ---- faults ------------------------------------------------------------------------------------------- */

/* The process is gone (or has stopped in order: its leases should be free at once). */
void judge_holder_gone(struct judge *j, int holder, int64_t now_ms, bool orderly);
/* Its leases may run out although it lives. holder 0 = everybody's. */
void judge_lapse(struct judge *j, int holder);
/* The wall clock of all was stepped. */
void judge_stepped(struct judge *j, int64_t now_ms, int64_t by_ms);

/* ---- looking ------------------------------------------------------------------------------------------ */

/* Once per instant. able_wall_ms: what is due by this wall time can be run, because for several seconds there
 * has been a process that works normally; INT64_MIN when there is none. */
void judge_instant(struct judge *j, int64_t now_ms, int64_t able_wall_ms);
/* The rows of one user as the store has them, compared with the model. */
void judge_rows_start(struct judge *j, int user);
void judge_row(struct judge *j, const struct scan_row *row);
void judge_rows_end(struct judge *j, int user);
void judge_dead_row(struct judge *j, const struct scan_row *row);
void judge_dead_rows_end(struct judge *j, int user);
void judge_gate_row(struct judge *j, int user, const struct scan_row *row);
/* Messages not over yet. */
int64_t judge_pending(const struct judge *j);
/* Everything should be over: says what is not. */
void judge_end(struct judge *j);

struct judge_counts {
	int64_t created, delivered, failed, canceled, attempts, duplicates, callbacks, returned,
		deduplicated, events, changes, ticks, fan_outs, revived;
	struct judge_flow_counts {
		int64_t runs, again, succeeded, failed, canceled, entries, joined, told, timed_out,
			invoked, reported;
	} flow;
};
struct judge_counts judge_counts(const struct judge *j);

#endif
