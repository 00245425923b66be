/* runs.h - what the engine's operations on workflow runs share; each adds moves to a work (work.h).
 */
#ifndef ENGINE_RUNS_H
#define ENGINE_RUNS_H

#include "core/runbody.h"
#include "engine/work.h"

/* What is said to a publish for a run that is over. */
#define RUNS_OVER "failed to publish to url: can not append to a cancelled workflow"

/* Unix ms until which a run that fails now is remembered, and its dead letter kept. */
int64_t runs_kept_until(const struct engine *e, const struct account *a);
/* The record of w->run, in the work's arena. */
struct str runs_record(struct work *w);

/* Does nothing when the run has no failure callback. */
struct runs_failure {
	const struct msg *msg; /* the one that failed */
	int64_t retried;
	const struct outcome *outcome;
	struct str payload; /* what the run was started with */
	struct str dlq_id;
};
void runs_put_failure(struct work *w, const struct runs_failure *f);

/* The run that was read is over: its end, its event, and the entry that its invoker waits for. */
struct runs_end {
	enum runbody_end how;
	struct str result;             /* SUCCESS: as the endpoint gave it */
	struct str dlq_id;             /* FAILED */
	const struct outcome *outcome; /* FAILED */
};
void runs_end(struct work *w, const struct runs_end *end);

/* An entry that the server writes for a step that has waited. `message` is the record of its delivery; it is
 * put only if that run is open, and once for each step. NULL when the record is broken. */
struct runs_answer {
	struct str message;
	const struct run_step *step;
	struct str body;
};
struct move *runs_put_answer(struct work *w, const struct runs_answer *answer);

/* The run's key under which the answer to a step is put. */
struct str runs_step_key(struct work *w, int64_t step_id);

/* The message that will take such an answer to the endpoint, as a record without body. */
struct str runs_answer_record(struct work *w, const struct msg *m);

/* ---- mailboxes (runs_wait.c): the document that the work has read ---- */

/* Was the step refused because somebody else has changed the mailbox? */
bool runs_was_overtaken(const struct work *w);
struct move *runs_write_mailbox(struct work *w, const struct mailbox *box);
/* The answer to a wait: the event's data, or that the time is over when `bytes` is NULL. */
struct move *runs_put_waited(struct work *w, const struct mailbox_wait *wait, struct str event,
			     const struct str *bytes);

#endif
