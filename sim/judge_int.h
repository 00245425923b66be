/* judge_int.h - the judge's model, shared by judge*.c.
 */
#ifndef SIM_JUDGE_INT_H
#define SIM_JUDGE_INT_H

#include "base/arena.h"
#include "base/map.h"
#include "core/event.h"
#include "core/gate.h"
#include "judge.h"
#include "judge_flow.h"
#include "mark.h"

enum {
	JUDGE_TAGS_MAX = 4096,
	JUDGE_EXPECT_MAX = 2,
	JUDGE_BULKS_MAX = 64,
	JUDGE_GROUP_STATES_MAX = 16,
	JUDGE_EDITS_MAX = 256,
};

enum judge_state {
	JUDGE_PENDING, /* waits for its time or its gates */
	JUDGE_ACTIVE,  /* logged as being attempted */
	JUDGE_ERRED,   /* between ERROR and what follows in the same step */
	JUDGE_OVER,
};

enum judge_fate { JUDGE_KEPT, JUDGE_DELETED, JUDGE_RETRIED };

/* A message, from CREATED on; kept to the end. */
struct judge_msg {
	uint64_t seq;
	struct list node;      /* in judge.pending while not over; in judge.dead while in the DLQ */
	struct list in_queue;  /* in the queue's list until it and its callbacks are over */
	struct msg msg;        /* decoded from the record, all of it in the judge's arena */
	int user, queue, flow; /* -1 = none */
	int tag;               /* -1 = a callback, or made by a schedule */
	int64_t order;         /* of its CREATED among all events */
	enum judge_state state;
	int64_t retried;
	int64_t due_ms;  /* wall */
	int64_t time_ms; /* of its last event */
	bool cancel_asked, cancel_requested;
	int holder;    /* ACTIVE: whose; 0 = of one who is gone */
	bool excused;  /* was in flight when its process died or its lease may have run out */
	bool unheard;  /* an attempt was given up before it was answered */
	bool slot;     /* holds a slot of its user and its key, as far as anyone can tell */
	bool forgiven; /* ... but no longer its key's, by a reset */
	int actives, sends, acks;
	struct judge_outcome outcome; /* last one that its holder got */
	int64_t gone_ms;        /* ACTIVE of one who is gone: when it must run again; 0 = not so */
	int64_t able_ms;        /* since when nothing has kept it from that */
	struct judge_msg *root; /* whose queue slot it shares */
	int family;             /* itself and callbacks that are not over */
	bool started;
	bool may_start; /* it once stood so far in front that its queue may have given it a slot */
	bool dead, dead_asked;
	enum judge_fate fate; /* of a dead letter that was taken out */
	bool fate_told;       /* to one who asked for it */
	int64_t dlq_ms, dead_order;
	bool left_behind; /* by the delete of its queue */
	bool beat_ahead; /* gone; its holder's last sign of life may lie ahead, by a clock set back */
	bool seen;       /* in the present comparison */
};

struct judge_dedup {
	struct msg_id id;
	int64_t until_ms; /* wall; 0 = free */
};

struct judge_queue {
	struct list list;    /* messages by judge_msg.in_queue, in the order of the log */
	int64_t parallelism; /* now */
	int64_t cap; /* most slots that may be held, for a slot is kept when there are to be fewer */
	bool paused;
	int64_t changes; /* made to it by hand */
};

struct judge_flow {
	struct gate gate; /* its `running` counts the slots that are surely held */
	int64_t changes;
};

/* Actions of one kind on many things, whose answers count them: what was answered is compared with what was
 * logged as soon as nobody waits for an answer. */
struct judge_tally {
	int open;
	bool unsure; /* some answer got lost, or said that not all is known */
	int64_t logged, answered;
};

/* A URL group as it was for a while. */
struct judge_group_state {
	uint32_t endpoints;        /* bit n = endpoint n; 0 = there is no group */
	int64_t from_ms, until_ms; /* world */
};

struct judge_group {
	struct judge_group_state state[JUDGE_GROUP_STATES_MAX]; /* a ring */
	size_t at;                                              /* the present one */
	int64_t changes;
};

struct judge_schedule {
	bool exists, paused;
	struct schedule s; /* as stored last, all of it in the judge's arena */
	int64_t changes, pauses, resumes;
	int64_t able_ms; /* since when nothing has kept it from its due tick; 0 = something does */
};

struct judge_user {
	int64_t parallelism; /* now; 0 = no message yet */
	int64_t slots;       /* surely held */
	struct judge_queue queue[JUDGE_NAMES];
	struct judge_flow flow[JUDGE_NAMES];
	struct judge_group group[JUDGE_NAMES];
	struct judge_schedule schedule[JUDGE_NAMES];
	int64_t pending;
	int64_t rows;
	struct judge_dedup dedup[JUDGE_NAMES];
	struct judge_tally cancels, deletes, retries;
	int dlq_groups; /* bulk deletes and retries under way */
};

/* A change of a group that somebody asks for. */
struct judge_edit {
	int user, group;
	enum group_what what;
	uint32_t endpoints;
};

/* A bulk cancel under way. One without an answer may be an action that goes on, whoever was asked. */
struct judge_bulk_state {
	bool open;
	bool lost; /* open, and no answer will come */
	struct judge_bulk bulk;
	int64_t order; /* when it was asked for */
};

struct judge_tag {
	int user, dedup;
	struct judge_msg *first;
};

struct judge {
	struct judge_settings set;
	char verdict[512];
	struct arena arena;
	struct map by_seq;
	struct list pending, dead, over, attempts;
	struct judge_user user[JUDGE_USERS];
	struct judge_tag tag[JUDGE_TAGS_MAX];
	int tags;
	struct judge_edit edit[JUDGE_EDITS_MAX]; /* a ring */
	size_t edits;
	struct judge_bulk_state bulk[JUDGE_BULKS_MAX];
	int64_t order;       /* events so far */
	int64_t set_back_ms; /* when the clock was last set back; 0 = never */
	struct judge_turn turn;
	/* callbacks that have to follow in the same step */
	struct str expect_url[JUDGE_EXPECT_MAX];
	struct judge_msg *expect_source;
	int expects, expects_done;
	/* messages of a trigger that have to follow in the same step */
	const struct schedule *ticking;
	size_t ticks_left;
	uint32_t tick_endpoints;    /* of a group: not made yet */
	struct judge_msg *reviving; /* dead letter whose new message has to follow in the same step */
	struct judge_counts counts;
	struct flow_judge *flows;
};

struct judge_msg *judge_find(const struct judge *j, struct msg_id id);
/* A step is over: nothing that it had to log may be missing. */
void judge_step_end(struct judge *j);
/* Takes the message of a CREATED event into the model. */
void judge_created(struct judge *j, const struct event *e);

/* "q3" of prefix 'q' is 3; -1 when it is not of that form. */
int judge_number(struct str name, char prefix);

/* judge_act.c */
void judge_cancelled(struct judge *j, struct judge_msg *m);
void judge_on_dlq(struct judge *j, const struct mark *mark);
void judge_as_revived(struct judge *j, struct judge_msg *m);

/* judge_gate.c */
void judge_on_gate(struct judge *j, const struct mark *mark);
void judge_on_put(struct judge *j, const struct mark *mark);
void judge_gates_join(struct judge *j, struct judge_msg *m);
void judge_queue_leave(struct judge *j, struct judge_msg *m);
/* It starts: may it, and the slots that it takes. */
void judge_gates_start(struct judge *j, struct judge_msg *m, int64_t time_ms);
/* It holds its slots no longer, or perhaps no longer. */
void judge_slot_end(struct judge *j, struct judge_msg *m);

/* judge_doc.c */
void judge_on_doc(struct judge *j, const struct mark *mark);
void judge_as_ticked(struct judge *j, struct judge_msg *m);
void judge_ticks_instant(struct judge *j, int64_t now_ms, int64_t able_wall_ms);

#endif
