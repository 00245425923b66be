/* callback.h - the messages that report an attempt's outcome to a callback URL (spec 5.7).
 *
 * A callback is an ordinary message with its own id, retries, log entries and dead letter entry. It
 * has no callbacks of its own.
 */
#ifndef CORE_CALLBACK_H
#define CORE_CALLBACK_H

#include "core/outcome.h"
#include "core/plan.h"
#include "core/settle.h"

struct callback_source {
	const struct msg *msg;
	int64_t retried;
	const struct outcome *outcome;
	struct verdict verdict;
	struct str dlq_id;       /* text; set when the verdict is DEAD */
	const struct plan *plan; /* limits for the callback's own settings */
	int64_t now_ms;
	bool run_failed;    /* it reports that the message's workflow run has failed by it */
	bool has_payload;   /* ... and shows this in place of the message's body: */
	struct str payload; /* what the run was started with */
};

/* Builds the callback message that this outcome calls for, if any; `failure` asks for the failure
 * callback (only when DEAD), else the callback (after every attempt that had an outcome; for a call
 * of a workflow run only after the last one). Returns
 * false when none is due. Everything in *ret_msg lives in the arena; its id is left zero for the
 * caller. */
must_use bool callback_make(struct arena *a, const struct callback_source *src, bool failure,
			    struct msg *ret_msg);

#endif
