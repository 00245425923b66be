/* event.h - log events: one per change of a message's state (spec 6).
 *
 * Events are made where the change is decided and travel in the same atomic step (store.h). They
 * are packed one after the other into a byte string; readers take them off with event_next. An
 * event carries the message's record (msg.h) when the log may not have it yet: on CREATED, and on
 * an ACTIVE that is not in the same step as its CREATED. So every log entry can show url, headers
 * and body although the log may have dropped the early entries.
 *
 * What happens to a workflow run as a whole hangs on its first message: RUN_SUCCESS with the result in
 * response_body, RUN_FAILED with the dead letter's id in `error`, RUN_CANCELED; and RUN_STEP, whose
 * response_body is the JSON of a step that waits without a message of its own.
 */
#ifndef CORE_EVENT_H
#define CORE_EVENT_H

#include "core/msg.h"

#define EVENT_STATES(X)     \
	X(CREATED)          \
	X(ACTIVE)           \
	X(RETRY)            \
	X(ERROR)            \
	X(DELIVERED)        \
	X(FAILED)           \
	X(CANCEL_REQUESTED) \
	X(CANCELED)         \
	X(RUN_SUCCESS)      \
	X(RUN_FAILED)       \
	X(RUN_CANCELED)     \
	X(RUN_STEP)

enum event_state {
	EVENT_NONE,
#define X(name) EVENT_##name,
	EVENT_STATES(X)
#undef X
};

struct event {
	int64_t time_ms;
	enum event_state state;
	struct str user;
	struct msg_id id;
	struct str record;        /* message record; empty = the log has it */
	int64_t retried;          /* attempts made before this one */
	int64_t next_delivery_ms; /* RETRY, and CREATED when delayed; 0 = none */
	int64_t response_status;  /* ERROR, FAILED, DELIVERED; 0 = no answer */
	struct headers response_header;
	struct str response_body; /* trimmed by the sender */
	struct str error;         /* words, on ERROR and FAILED */
	int64_t duration_ms;      /* of the attempt, on DELIVERED and ERROR */
};

void event_encode(struct buf *out, const struct event *e);
/* Takes one off the front of *events: 1 = got one, 0 = end, -1 = broken. Header array from the
 * arena. */
must_use int event_next(struct arena *a, struct str *events, struct event *ret_event);

struct str event_state_name(enum event_state s);
/* By name in capitals; accepts CANCELLED for CANCELED; EVENT_NONE when unknown. */
enum event_state event_state_parse(struct str name);

#endif
