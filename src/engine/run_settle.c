/* run_settle.c - what the end of an attempt means for the workflow run that its message belongs to; all of it
 * in the step that settles the message.
 *
 *	step, callback   dead: the run has failed. It is over, its failure callback is sent, its invoker is told
 *	call             over, one way or the other: its callback takes the answer to the workflow
 *	failure          over: the run's record says how the failure callback fared
 */
#include "base/check.h"
#include "core/callback.h"
#include "core/dead.h"
#include "core/limits.h"
#include "core/runbody.h"
#include "engine/runs.h"

struct ending {
	struct work *work;
	struct delivery *delivery;
	struct outcome outcome;
	struct verdict verdict;
};

static struct callback_source callback_source(const struct ending *x, const struct msg *m)
{
	return (struct callback_source){
		.msg = m,
		.retried = x->delivery->retried,
		.outcome = &x->outcome,
		.verdict = x->verdict,
		.plan = accounts_plan(x->work->engine, x->work->account),
		.now_ms = x->work->engine->now_ms,
	};
}

static struct move *put_settle(struct ending *x)
{
	struct move *move = work_move(x->work, MOVE_SETTLE);

	*move = delivery_settle_move(x->delivery, &x->outcome, x->verdict);
	move->settle.dlq.ms = 0;
	return move;
}

/* ---- a run fails ----------------------------------------------------------------------------- */

static void build_failed(struct work *w)
{
	struct ending *x = w->arg;
	struct delivery *d = x->delivery;
	struct engine *e = w->engine;
	struct move *move = put_settle(x);
	struct str dlq_id;

	/* It was over before. */
	if (!w->open)
		return;
	move->settle.dlq = (struct dlq_id){ e->now_ms, d->msg.id.seq };
	move->settle.dlq_until_ms = runs_kept_until(e, w->account);
	dlq_id = engine_dlq_id_text(&w->arena, move->settle.dlq);
	runs_put_failure(w, &(struct runs_failure){
				    .msg = &d->msg,
				    .retried = d->retried,
				    .outcome = &x->outcome,
				    .payload = work_first(w),
				    .dlq_id = dlq_id,
			    });
	runs_end(w, &(struct runs_end){
			    .how = RUNBODY_FAILED,
			    .dlq_id = dlq_id,
			    .outcome = &x->outcome,
		    });
}

/* ---- a call is over -------------------------------------------------------------------------- */

static void build_called(struct work *w)
{
	struct ending *x = w->arg;
	struct callback_source src = callback_source(x, &x->delivery->msg);
	struct msg m = { 0 };
	struct move *move;

	put_settle(x);
	if (!w->open || !callback_make(&w->arena, &src, false, &m))
		return;
	run_apply_callback(&w->arena, &w->run, &src.msg->callback_header, &m, false);
	move = work_put(w, &m);
	move->put.run = (struct run_ref){ m.run, m.run_created_ms };
	move->put.run_if_open = true;
}

/* ---- a failure callback is over -------------------------------------------------------------- */

static void build_reported(struct work *w)
{
	struct ending *x = w->arg;
	struct buf b;
	struct move *move;

	put_settle(x);
	if (!w->scan.run_found.found || w->run.created_ms == 0 ||
	    w->run.report_id.seq != x->delivery->msg.id.seq)
		return;
	w->run.report = x->verdict.kind == VERDICT_DELIVERED ? RUN_REPORT_SUCCESS : RUN_REPORT_FAIL;
	/* It has told that there is no failure function. */
	if (headers_get(&x->outcome.header, STR("Upstash-Workflow-Failure-Callback-Notfound")).p !=
	    NULL)
		w->run.report = RUN_REPORT_NONE;
	buf_init(&b, RECORD_BYTES_MAX);
	dead_encode(&b, &x->outcome);
	check(!b.overflow);
	w->run.report_outcome = arena_str(&w->arena, buf_str(&b));
	buf_done(&b);
	move = work_move(w, MOVE_RUN_SET);
	move->run_set.user = str_c(w->account->id);
	move->run_set.run = w->ref;
	move->run_set.record = runs_record(w);
	move->run_set.version = w->scan.run_found.version;
}

/* ---- all three ------------------------------------------------------------------------------- */

static void was_read(struct work *w)
{
	work_do(w);
}

static void done(struct work *w)
{
	struct ending *x = w->arg;
	struct delivery *d = x->delivery;
	const struct run_ref ref = w->ref;

	/* Somebody else has changed the run's record: on top of that. */
	if (w->step.req.result == STORE_REFUSED && w->step.refusal == REFUSAL_VERSION) {
		work_read(w, &ref, false);
		return;
	}
	/* Over meanwhile, or changed otherwise: what is left is to settle the message. */
	if (w->step.req.result == STORE_REFUSED && w->step.refused_move > 0) {
		work_read(w, &ref, d->msg.run_role == MSG_STEP);
		return;
	}
	w->engine->claim_wanted = true;
	w->settles = NULL;
	work_free(w);
	delivery_free(d);
}

static bool concerns(const struct delivery *d, struct verdict v)
{
	if (d->account == NULL || v.kind == VERDICT_RETRY)
		return false;
	switch ((enum msg_role)d->msg.run_role) {
	case MSG_STEP:
	case MSG_CALLBACK:
		return v.kind == VERDICT_DEAD;
	case MSG_CALL:
	case MSG_FAILURE:
		return true;
	case MSG_PLAIN:
		return false;
	}
	return false;
}

static void (*build_of(const struct delivery *d))(struct work *w)
{
	if (d->msg.run_role == MSG_CALL)
		return build_called;
	return d->msg.run_role == MSG_FAILURE ? build_reported : build_failed;
}

bool run_settle(struct delivery *d, const struct outcome *o, struct verdict v)
{
	const char *wrong = run_detect(&d->msg, o);
	struct ending *x;
	struct work *w;

	if (wrong != NULL)
		v = (struct verdict){ .kind = VERDICT_DEAD };
	if (!concerns(d, v))
		return false;
	w = work_new(d->engine, d->account, NULL);
	x = arena_new(&w->arena, struct ending);
	*x = (struct ending){ w, d, *o, v };
	if (wrong != NULL)
		x->outcome.error = str_c(wrong);
	w->arg = x;
	w->settles = d;
	w->must = true;
	w->read = was_read;
	w->build = build_of(d);
	w->done = done;
	d->state = DELIVERY_SETTLING;
	work_read(w, &(struct run_ref){ d->msg.run, d->msg.run_created_ms },
		  d->msg.run_role == MSG_STEP || d->msg.run_role == MSG_CALLBACK);
	return true;
}
