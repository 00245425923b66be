/* mark.h - what the spy (spy.h) writes into the log, next to the events of messages, and the judge reads.
 *
 * The log tells of messages only. For the judge, each change of a gate or a document, each dead letter that is
 * taken out, and each put leaves a mark there as well, in the same step: so it is logged if and only if it was
 * done, and in its place among the starts of messages.
 */
#ifndef SIM_MARK_H
#define SIM_MARK_H

#include "base/compiler.h"
#include "core/event.h"
#include "store/store.h"

struct mark {
	enum move_kind kind; /* PUT, GATE, DOC_PUT, DOC_REMOVE or DLQ_REMOVE */
	struct str user, name;
	size_t puts; /* messages that its step makes */
	/* PUT */
	int64_t user_parallelism;
	/* GATE, as in struct move */
	enum gate_kind gate;
	enum gate_op op;
	int64_t parallelism, rate, period_ms;
	int paused;
	bool unpin_parallelism, unpin_rate;
	/* DOC_* */
	enum doc_kind doc;
	struct str value;
	/* DLQ_REMOVE */
	struct dlq_id dlq;
};

/* As one packed event, in front of the events that are there already. */
struct str mark_encode(struct arena *a, const struct mark *m, struct str events);
/* False when the event is none. Views into the event. */
must_use bool mark_decode(const struct event *e, struct mark *ret_mark);

#endif
