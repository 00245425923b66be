/* load_int.h - what the files of the load share: one thing asked of an engine, until it answers or dies.
 */
#ifndef SIM_LOAD_INT_H
#define SIM_LOAD_INT_H

#include "load.h"

enum load_kind {
	LOAD_USER,
	LOAD_PUBLISH,
	LOAD_FIND, /* looks at a group, to publish to it */
	LOAD_CANCEL,
	LOAD_BULK,
	LOAD_DLQ,
	LOAD_GATE,
	LOAD_QUEUE_DELETE,
	LOAD_GROUP,
	LOAD_SCHEDULE,
	LOAD_SDK, /* of a workflow (sdk.h) */
};
enum { LOAD_ITEMS_MAX = 10 };
/* The user of all workflows, whom none of the others' load is about. */
enum { LOAD_FLOWS = -1 };

struct load_op {
	struct list node; /* in proc.ops */
	struct proc *proc;
	enum load_kind kind;
	struct arena arena;
	int user;
	int tag[LOAD_ITEMS_MAX];
	struct msg_id id;
	struct dlq_id dlq_id;
	struct judge_dlq dead;
	int bulk;                 /* of judge_bulk_asked */
	struct judge_thing thing; /* to be changed or looked at */
	int64_t changes;          /* of it, when it was asked for */
	int64_t asked_ms;
	struct filter filter;
	struct groups_find_one group;
	/* LOAD_SDK: the process has died with it. */
	void (*lost)(struct load_op *op);
	void *arg;
	union {
		struct account_op account;
		struct publish publish;
		struct groups_find find;
		struct message_cancel cancel;
		struct bulk_cancel bulk_cancel;
		struct dlq_op dlq;
		struct gate_change gate;
		struct queue_delete queue_delete;
		struct group_op group_op;
		struct schedule_op schedule;
		struct run_publish run_publish;
		struct run_wait run_wait;
		struct run_finish run_finish;
		struct run_cancel run_cancel;
		struct run_event run_event;
		struct run_dlq run_dlq;
	};
};

must_use struct load_op *load_new(struct proc *p, enum load_kind kind, int user);
void load_free(struct load_op *op);
struct str load_user(struct arena *a, int user);
struct account *load_account(struct load_op *op);
/* Was there anything lately that excuses an engine for saying that the store is not there? */
bool load_faults(const struct load_op *op);
struct str load_any_url(struct load_op *op);
int load_any_user(struct world *w);
/* Of a group, bit n = endpoint n. */
uint32_t load_endpoints(const struct group *g);

/* load_act.c */
void load_cancel(struct proc *p);
void load_bulk(struct proc *p);
void load_queue_delete(struct proc *p);
void load_dlq(struct proc *p);

/* load_admin.c */
void load_gate(struct proc *p);
void load_group(struct proc *p);
void load_schedule(struct proc *p);

#endif
