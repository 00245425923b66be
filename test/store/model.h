/* model.h - what a store must do, told naively: arrays, no order kept but what the contract promises.
 *
 * The driver (contract_model.c) plays random verbs on a store and tells the model of each and its answer.
 * The model says whether the answer was allowed (model_* fail the test when not), and after a claim that
 * had room, that nothing was left that could have started. It takes the gates' arithmetic from core/gate.h
 * and everything else from store.h.
 *
 * When a waiting message of a queue takes its slot is the store's business (nobody can see it), so the
 * model learns the number of slots taken from the listing of gates and checks that it is possible.
 */
#ifndef TEST_STORE_MODEL_H
#define TEST_STORE_MODEL_H

#include "kit.h"

enum { MODEL_USERS = 3, MODEL_QUEUES = 2, MODEL_FLOWS = 2, MODEL_KEYS = 6, MODEL_DOCS = 5 };
enum { MODEL_MSGS_MAX = 20000, MODEL_EVENTS_MAX = 400 };

struct model_msg {
	struct kit_msg m;
	int user, queue, flow; /* index; -1 = none */
	int root;              /* index of the message whose slot it shares; -1 = none */
	bool gone, leased, cancelled, slot, flow_slot, dead;
	int64_t due_ms, ord_ms; /* ord: when it came to its flow key, or will */
	int64_t retried;
	struct store *holder;
	struct dlq_id dlq;
	uint8_t event[MODEL_EVENTS_MAX]; /* enum event_state, all that must have been logged */
	int events, events_seen;
};

struct model_queue {
	bool exists;
	bool paused;
	int64_t parallelism;
	int64_t slots; /* held */
};

struct model_flow {
	bool exists;
	struct gate gate;
	int64_t used_ms;
};

struct model_user {
	struct gate gate;
	struct usage used; /* over all days */
	struct model_queue queue[MODEL_QUEUES];
	struct model_flow flow[MODEL_FLOWS];
	struct {
		int64_t until_ms;
		struct msg_id id;
	} key[MODEL_KEYS];
	struct {
		int64_t version; /* 0 = none */
		int64_t value;
	} doc[MODEL_DOCS];
};

struct model {
	struct kit *k;
	struct model_user user[MODEL_USERS];
	struct model_msg *msg; /* by order of acceptance, gone ones too */
	int msgs;
	uint64_t tail_at;
	int starts; /* how much has happened */
};

void model_init(struct model *w, struct kit *k);
void model_done(struct model *w);

const char *model_user_name(int user);
const char *model_queue_name(int queue);
const char *model_flow_name(int flow);
const char *model_key_name(int key);
const char *model_doc_name(int doc);

/* The queue or key as it is now: one that has vanished is as good as new. */
struct model_queue *model_queue(struct model *w, int user, int queue);
struct model_flow *model_flow(struct model *w, int user, int flow);
bool model_flow_is_visible(const struct model *w, const struct model_flow *f);
void model_flow_use(struct model *w, int user, int flow); /* exists from now on */

/* A put was applied. */
void model_put(struct model *w, const struct model_msg *m);
/* It was started: by its put, or by a claim. */
void model_start(struct model *w, int index, struct store *holder, uint64_t lease, bool by_put);
void model_settled(struct model *w, int index, enum settle_to to, int64_t due_ms);
void model_cancelled(struct model *w, int index);
void model_returned(struct model *w, int index); /* handed back, or its holder died */
void model_flow_reset(struct model *w, int user, int flow);
int model_find(const struct model *w, struct msg_id id); /* index; fails when unknown */

/* To be called after every verb: learns who has a slot. */
void model_learn_slots(struct model *w);
/* After a claim with room left: nothing can start, and the store knows when something will. */
void model_nothing_can_start(struct model *w, int64_t next_ms);
/* Listings and events tell the same as the model. */
void model_compare(struct model *w);

#endif
