/* judge_int.h - the judge's model, shared by judge*.c.
 */
#ifndef SIM_JUDGE_INT_H
#define SIM_JUDGE_INT_H

#include "base/arena.h"
#include "base/map.h"
#include "core/event.h"
#include "core/gate.h"
#include "judge.h"

enum { JUDGE_TAGS_MAX = 4096, JUDGE_EXPECT_MAX = 2 };

enum judge_state {
	JUDGE_PENDING, /* waits for its time or its gates */
	JUDGE_ACTIVE,  /* logged as being attempted */
	JUDGE_ERRED,   /* between ERROR and what follows in the same step */
	JUDGE_OVER,
};

/* A message, from CREATED on; kept to the end. */
struct judge_msg {
	uint64_t seq;
	struct list node;      /* in judge.pending while not over; in judge.dead while in the DLQ */
	struct list in_queue;  /* in the queue's list until it and its callbacks are over */
	struct msg msg;        /* decoded from the record, all of it in the judge's arena */
	int user, queue, flow; /* -1 = none */
	int tag;               /* -1 = a callback */
	int64_t order;         /* of its CREATED among all */
	enum judge_state state;
	int64_t retried;
	int64_t due_ms;  /* wall */
	int64_t time_ms; /* of its last event */
	bool cancel_asked, cancel_requested;
	int holder;   /* ACTIVE: whose; 0 = of one who is gone */
	bool excused; /* was in flight when its process died or its lease may have run out */
	bool unheard; /* an attempt was given up before it was answered */
	int actives, sends, acks;
	struct judge_outcome outcome; /* last one that its holder got */
	int64_t gone_ms;        /* ACTIVE of one who is gone: when it must run again; 0 = not so */
	int64_t able_ms;        /* since when nothing has kept it from that */
	struct judge_msg *root; /* whose queue slot it shares */
	int family;             /* itself and callbacks that are not over */
	bool started;
	bool dead, dead_unsure, dead_asked;
	int64_t dlq_ms;
	bool seen; /* in the present comparison */
};

struct judge_dedup {
	struct msg_id id;
	int64_t until_ms; /* wall; 0 = free */
};

struct judge_user {
	struct list queue[JUDGE_NAMES];
	struct gate flow[JUDGE_NAMES];
	int64_t flow_running[JUDGE_NAMES];
	int64_t running;
	int64_t pending;
	int64_t rows;
	struct judge_dedup dedup[JUDGE_NAMES];
	int deleting;   /* deletes of dead letters that are not answered */
	bool dlq_group; /* a whole group was once acted upon */
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
	int64_t order;
	int64_t set_back_ms; /* when the clock was last set back; 0 = never */
	struct judge_turn turn;
	/* callbacks that have to follow in the same step */
	struct str expect_url[JUDGE_EXPECT_MAX];
	struct judge_msg *expect_source;
	int expects, expects_done;
	struct judge_counts counts;
};

struct judge_msg *judge_find(const struct judge *j, struct msg_id id);
/* A step is over: nothing that it had to log may be missing. */
void judge_step_end(struct judge *j);
/* Takes the message of a CREATED event into the model. */
void judge_created(struct judge *j, const struct event *e);
void judge_queue_leave(struct judge *j, struct judge_msg *m);
/* May this message start, as far as queue and rate are concerned? */
void judge_gates(struct judge *j, struct judge_msg *m, int64_t time_ms);
void judge_uncount(struct judge *j, struct judge_attempt *a);

#endif
