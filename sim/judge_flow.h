/* judge_flow.h - the judge of workflow runs: what it is told, beside judge.h.
 *
 * All runs belong to the user "flows", of whom the other judge hears nothing. From the log it knows each run's history, entry
 * by entry, and the state of each of its messages; from the endpoints what deliveries carried. By these it finds out:
 * a delivery that carries anything but the slice that ends with its entry; two that see one parallel block complete; a
 * run that is over and goes on; one that ends otherwise than its history says; an answer to a step that waits which is
 * not what happened; a run that never ends.
 */
#ifndef SIM_JUDGE_FLOW_H
#define SIM_JUDGE_FLOW_H

#include "core/event.h"
#include "judge.h"

#define JUDGE_FLOW_USER STR("flows")

struct flow_judge;
struct judge_flow_msg;

must_use struct flow_judge *judge_flow_new(struct judge *j);
void judge_flow_free(struct flow_judge *f);

/* ---- what is asked and answered ------------------------------------------------------------------------ */

/* A run is about to be begun with this payload, which goes to the end of the world. */
void judge_flow_start_asked(struct judge *j, struct str run, struct str payload);
/* created_ms 0 = whichever is open now. */
void judge_flow_cancel_asked(struct judge *j, struct str run, int64_t created_ms);
void judge_flow_dlq_asked(struct judge *j);
/* "n<number>" is about to be told to all who wait, or to one run; the number is the result. */
int judge_flow_note_asked(struct judge *j, struct str event, struct str run);
/* That was done: if nobody waited, it is kept. */
void judge_flow_noted(struct judge *j, int note);
void judge_flow_accepted(struct judge *j, struct msg_id id);
/* As one for a run that is over. */
void judge_flow_refused(struct judge *j, struct str run, int64_t created_ms);
/* The answer says so. */
void judge_flow_is_over(struct judge *j, struct str run, int64_t created_ms);
/* Something to act upon: an open run. False when there is none. */
must_use bool judge_flow_pick(const struct judge *j, uint64_t dice, struct str *ret_run);

/* ---- what is seen -------------------------------------------------------------------------------------- */

void judge_flow_event(struct judge *j, const struct judge_turn *turn, const struct event *e);
/* NULL when it is no message of a run. */
struct judge_flow_msg *judge_flow_find(const struct judge *j, struct msg_id id);
void judge_flow_acked(struct judge_flow_msg *m);
void judge_flow_ended(struct judge_flow_msg *m, int holder, const struct judge_outcome *o);
/* A delivery of this message brought this body to the endpoint. */
void judge_flow_slice(struct judge *j, struct msg_id id, struct str body);
/* By it, the endpoint saw the block complete that begins with this step. */
void judge_flow_joined(struct judge *j, struct msg_id id, size_t step);
/* The failure callback came with this payload. */
void judge_flow_reported(struct judge *j, struct msg_id id, struct str payload);
/* An open run, as the store has it. */
void judge_flow_row(struct judge *j, struct str run, int64_t created_ms);
void judge_flow_rows_end(struct judge *j);

/* Runs that are open, and messages that are not over. */
int64_t judge_flow_pending(const struct judge *j);
void judge_flow_end(struct judge *j);

#endif
