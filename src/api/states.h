/* states.h - what has become of messages: the log tells, or else the store.
 *
 * The log is asked first, for it answers for all of them at once and knows how those ended that the store has
 * forgotten. What it does not know (it keeps entries for a time only) may still wait in the store.
 */
#ifndef API_STATES_H
#define API_STATES_H

#include "api/call.h"
#include "core/event.h"
#include "logs/logs.h"

enum { STATES_MAX = LOGS_STATES_MAX };

struct states {
	struct call *call;
	const struct msg_id *ids;
	size_t n; /* STATES_MAX at most */
	/* result, in the call's arena: the latest state of each; NONE = neither knows it */
	enum event_state *state;
	void (*done)(struct states *s);
	/* private */
	struct logs_query log;
	struct message_get get;
	size_t at;    /* the one that the store is asked for */
	size_t asked; /* how many it has been */
};

/* The caller fills in call, ids, n and done; with n = 0, done is called at once. */
void states_find(struct states *s);

#endif
