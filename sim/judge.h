/* judge.h - an independent model of what may happen to messages, fed with what the world observes.
 *
 * It knows no engine and no store. It is told what was asked and answered, reads the log events as they
 * become durable, and sees the attempts that endpoints see. From these it knows what each message is
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
#include "store/store.h"

enum { JUDGE_USERS = 4, JUDGE_NAMES = 10 };

struct judge;
struct judge_msg;

struct judge_settings {
	int64_t lease_ms; /* what a dead process may cost */
	int64_t user_parallelism;
	int64_t flow_parallelism[JUDGE_NAMES]; /* of key "f<n>"; 0 = no cap */
	bool queues_are_one; /* takes all queues of a user for one (a broken world, to test the judge) */
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
void judge_cancel_asked(struct judge *j, struct msg_id id);
void judge_cancel_answered(struct judge *j, struct msg_id id, int status, int64_t cancelled);
/* Retry or delete; id == NULL: all of the user's may be meant. */
void judge_dlq_asked(struct judge *j, int user, const struct dlq_id *id);
/* Deletes that are under way: +1 when one is asked for, -1 when it is answered or forgotten. */
void judge_dlq_deleting(struct judge *j, int user, int by);
void judge_dlq_deleted(struct judge *j, int user, struct dlq_id id);
void judge_dlq_retried(struct judge *j, struct dlq_id id, struct msg_id new_id);
/* The answer was lost or was no: they may be gone or not. */
void judge_dlq_unsure(struct judge *j, int user, const struct dlq_id *id);
/* Something to act upon: a message that is not over, a dead letter. False when there is none. */
must_use bool judge_pick_pending(const struct judge *j, uint64_t dice, int *ret_user,
				 struct msg_id *ret_id);
must_use bool judge_pick_dead(const struct judge *j, uint64_t dice, int *ret_user,
			      struct dlq_id *ret_id);

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
	struct judge_msg *msg; /* NULL = not judged */
	int holder;
	bool counted; /* holds a slot as far as anyone can tell */
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
/* Messages not over yet. */
int64_t judge_pending(const struct judge *j);
/* Everything should be over: says what is not. */
void judge_end(struct judge *j);

struct judge_counts {
	int64_t created, delivered, failed, canceled, attempts, duplicates, callbacks, returned,
		deduplicated;
};
struct judge_counts judge_counts(const struct judge *j);

#endif
