#include "engine/runs.h"

#include "base/check.h"
#include "core/callback.h"
#include "core/limits.h"

int64_t runs_kept_until(const struct engine *e, const struct account *a)
{
	int64_t kept_s = accounts_plan(e, a)->dlq_retention_s;

	return e->now_ms + (kept_s > 0 ? kept_s * 1000 : (int64_t)LIMIT_RUN_KEPT_MS);
}

struct str runs_record(struct work *w)
{
	struct str record;
	struct buf b;

	buf_init(&b, RECORD_BYTES_MAX);
	run_encode(&b, &w->run);
	check(!b.overflow);
	record = arena_str(&w->arena, buf_str(&b));
	buf_done(&b);
	return record;
}

/* Of a run that has not failed, nothing but its name is asked for again. */
static struct str bare_record(struct work *w)
{
	const struct run full = w->run;
	struct str record;

	w->run = (struct run){ .created_ms = full.created_ms, .trigger.url = full.trigger.url };
	record = runs_record(w);
	w->run = full;
	return record;
}

void runs_put_failure(struct work *w, const struct runs_failure *f)
{
	struct msg source = run_failure_source(&w->run, f->msg), m = { 0 };
	struct callback_source src = {
		.msg = &source,
		.retried = f->retried,
		.outcome = f->outcome,
		.verdict = { .kind = VERDICT_DEAD },
		.dlq_id = f->dlq_id,
		.plan = accounts_plan(w->engine, w->account),
		.now_ms = w->engine->now_ms,
		.run_failed = true,
		.has_payload = w->run.features & RUNASK_INITIAL_BODY,
		.payload = f->payload,
	};

	w->run.report = RUN_REPORT_NONE;
	w->run.report_outcome = STR_NULL;
	if (!callback_make(&w->arena, &src, true, &m))
		return;
	run_apply_callback(&w->arena, &w->run, &source.failure_callback_header, &m, true);
	/* No member: it goes on when the run is over. */
	w->run.report_id = work_put(w, &m)->put.msg->id;
	w->run.report = RUN_REPORT_INPROGRESS;
}

static struct event end_event(const struct work *w, const struct runs_end *end)
{
	static const enum event_state state[] = {
		[RUNBODY_SUCCESS] = EVENT_RUN_SUCCESS,
		[RUNBODY_FAILED] = EVENT_RUN_FAILED,
		[RUNBODY_CANCELED] = EVENT_RUN_CANCELED,
	};

	return (struct event){
		.state = state[end->how],
		.id = w->run.first,
		.response_body = end->result,
		.error = end->dlq_id,
		.response_status = end->outcome != NULL ? end->outcome->status : 0,
	};
}

void runs_end(struct work *w, const struct runs_end *end)
{
	struct move *move = work_move(w, MOVE_RUN_END);
	const struct run_invoker *in = &w->run.invoker;
	struct event ev = end_event(w, end);

	move->run_end.user = str_c(w->account->id);
	move->run_end.run = (struct run_ref){ w->ref.name, w->run.created_ms };
	move->run_end.keep_entries = end->how == RUNBODY_FAILED;
	if (end->how == RUNBODY_FAILED) {
		move->run_end.record = runs_record(w);
		move->run_end.until_ms = runs_kept_until(w->engine, w->account);
	} else {
		move->run_end.record = bare_record(w);
		move->run_end.until_ms = w->engine->now_ms + LIMIT_RUN_OVER_MS;
	}
	work_event(w, move, &ev);
	if (in->run.n == 0)
		return;
	(void)runs_put_answer(
		w, &(struct runs_answer){
			   .message = in->message,
			   .step = &in->step,
			   .body = runbody_invoked(&w->arena, &in->step, end->how, end->result),
		   });
}

struct str runs_step_key(struct work *w, int64_t step_id)
{
	return arena_fmt(&w->arena, "step:%lld", (long long)step_id);
}

struct move *runs_put_answer(struct work *w, const struct runs_answer *answer)
{
	struct move *move;
	struct msg m;

	if (!msg_decode(&w->arena, answer->message, &m))
		return NULL;
	m.created_ms = m.not_before_ms = w->engine->now_ms;
	move = work_put_entry(w, &m, answer->body);
	move->put.run_if_open = true;
	move->put.run_entries_max = move->put.run_bytes_max = 0;
	move->put.run_key = runs_step_key(w, answer->step->id);
	return move;
}

struct str runs_answer_record(struct work *w, const struct msg *m)
{
	struct msg copy = *m;
	struct str record;
	struct buf b;

	copy.body = STR_NULL;
	buf_init(&b, RECORD_BYTES_MAX);
	msg_encode(&b, &copy);
	check(!b.overflow);
	record = arena_str(&w->arena, buf_str(&b));
	buf_done(&b);
	return record;
}
