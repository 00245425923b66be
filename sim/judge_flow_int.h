/* judge_flow_int.h - the model of workflow runs, shared by judge_flow*.c.
 */
#ifndef SIM_JUDGE_FLOW_INT_H
#define SIM_JUDGE_FLOW_INT_H

#include "flow.h"
#include "judge_flow.h"
#include "judge_int.h"

enum flow_state { FLOW_IS_OPEN, FLOW_HAS_SUCCEEDED, FLOW_HAS_FAILED, FLOW_IS_CANCELED };

struct flow_run {
	struct list node; /* in flow_judge.runs */
	struct str name;
	int64_t created_ms;
	struct str payload;
	struct flow flow;
	enum flow_state state;
	struct {
		struct msg_id id;
		struct str body;
	} *entry;                  /* in the judge's arena; the first is the payload */
	struct flow_entry *parsed; /* of entry + 1 */
	size_t n, cap;
	struct flow_run *parent; /* whose step has invoked it; NULL = none */
	int64_t parent_step;
	struct str result;
	uint32_t waited;                         /* bit n = step n, which waited, has its answer */
	int64_t deadline_ms[FLOW_STEPS_MAX + 1]; /* of steps that wait */
	struct msg_id joined[FLOW_STEPS_MAX];    /* delivery that saw the block complete */
	bool cancel_asked, doomed;               /* doomed: a message of it has failed */
	bool reporting;                          /* its failure callback is there */
	bool seen;                               /* in the present comparison */
};

struct judge_flow_msg {
	struct list node; /* in flow_judge.msgs, while not over */
	struct flow_run *run;
	struct msg msg; /* in the judge's arena */
	bool active, over, cancelled, dead;
	int holder;
	int acks;
	struct judge_outcome outcome; /* that its holder got */
};

struct flow_note {
	struct str event, name;
	struct flow_run *asked; /* open when it was asked for */
	struct flow_run *run;   /* kept for it; NULL = for nobody, or nobody knows */
	bool used;
};

struct flow_start {
	struct str name, payload;
};

struct flow_judge {
	struct judge *judge;
	struct arena arena;
	struct map by_id; /* struct judge_flow_msg; its number alone may come again when it is over */
	struct list runs; /* of all times */
	struct list msgs;
	struct flow_start start[256];
	size_t starts;
	struct flow_note note[4096];
	int notes;
	bool dlq_asked;
	const struct judge_turn *turn;
	/* A step that has invoked, until the invoked run's first message comes. */
	struct flow_run *invoking;
	int64_t invoking_step;
	struct str invoked;
	int64_t invoked_ms;
	struct flow_run *resuming; /* until the new run's first message comes */
};

struct flow_run *flow_find_run(const struct flow_judge *f, struct str name, int64_t created_ms);
/* judge_flow_entry.c: an entry behind the first was appended. */
void flow_check_entry(struct flow_judge *f, struct flow_run *r, int64_t time_ms);

#endif
