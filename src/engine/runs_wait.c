/* runs_wait.c - steps that wait for events, and the end of the waiting time.
 *
 * They, and the events (runs_event.c), change a mailbox (core/mailbox.h) under its version, in the step that
 * puts what they lead to; so a wait that is notified and times out at once has one end, and none comes
 * between a wait and the notification that was kept for it.
 */
#include "base/check.h"
#include "base/log.h"
#include "engine/runs.h"

enum {
	TRIES_MAX = 20,
	MAILBOX_BYTES_MAX = 64 * 1024 * 1024,
	WAITS_BYTES_MAX = 32 * 1024 * 1024, /* of a mailbox that still takes another wait */
};

bool runs_was_overtaken(const struct work *w)
{
	const struct step *s = &w->step;

	return s->req.result == STORE_REFUSED && w->tries < TRIES_MAX &&
	       (s->refusal == REFUSAL_VERSION || s->refusal == REFUSAL_NOT_FOUND);
}

struct move *runs_write_mailbox(struct work *w, const struct mailbox *box)
{
	struct str value = STR_NULL;
	struct move *move;
	struct buf b;

	if (!mailbox_is_empty(box)) {
		buf_init(&b, MAILBOX_BYTES_MAX);
		mailbox_encode(&b, box);
		check(!b.overflow);
		value = arena_str(&w->arena, buf_str(&b));
		buf_done(&b);
	}
	move = work_write_doc(w, value, mailbox_due_ms(box));
	if (value.n > 0)
		move->doc_put.run = (struct run_ref){ w->ref.name, w->ref.created_ms };
	return move;
}

struct move *runs_put_waited(struct work *w, const struct mailbox_wait *wait, struct str event,
			     const struct str *bytes)
{
	bool late = bytes == NULL;

	return runs_put_answer(
		w, &(struct runs_answer){
			   .message = late ? wait->timeout_message : wait->message,
			   .step = &wait->step,
			   .body = runbody_waited(&w->arena, &wait->step, event,
						  late ? RUNBODY_TIMEOUT : RUNBODY_NOTIFIED,
						  late ? STR_NULL : *bytes),
		   });
}

/* ---- waiting --------------------------------------------------------------------------------- */

static void wait_finish(struct work *w)
{
	struct run_wait *op = w->arg;

	work_free(w);
	op->done(op);
}

static struct mailbox_wait make_wait(struct work *w)
{
	const struct run_wait *op = w->arg;
	const struct runanswer_wait *wait = op->wait;
	struct runanswer notified = wait->notified, late = wait->timed_out;

	run_apply_step(&w->arena, &w->run, &notified.ask, &notified.msg);
	run_apply_step(&w->arena, &w->run, &late.ask, &late.msg);
	return (struct mailbox_wait){
		.step = wait->step,
		.is_webhook = wait->is_webhook,
		.deadline_ms = wait->deadline_ms,
		.url = wait->url,
		.timeout_url = wait->timeout_url,
		.header = wait->header,
		.timeout_header = wait->timeout_header,
		.message = runs_answer_record(w, &notified.msg),
		.timeout_message = runs_answer_record(w, &late.msg),
	};
}

/* What the log shows of a step that waits. */
static struct str waiting_json(struct work *w)
{
	const struct run_wait *op = w->arg;
	const struct runanswer_wait *wait = op->wait;
	struct json_out j;
	struct str text;
	struct buf b;

	buf_init(&b, SIZE_MAX / 4);
	j = json_out(&b);
	json_open(&j, '{');
	json_kint(&j, STR("stepId"), wait->step.id);
	json_kstr(&j, STR("stepName"), wait->step.name);
	json_kstr(&j, STR("stepType"), wait->step.type);
	json_kint(&j, STR("concurrent"), wait->step.concurrent);
	json_kstr(&j, STR("waitEventId"), op->event);
	json_kstr_opt(&j, STR("waitTimeoutDuration"), wait->timeout);
	json_kint(&j, STR("waitTimeoutDeadline"), wait->deadline_ms);
	json_close(&j, '}');
	text = arena_str(&w->arena, buf_str(&b));
	buf_done(&b);
	return text;
}

static void wait_build(struct work *w)
{
	const struct run_wait *op = w->arg;
	struct mailbox_wait wait = make_wait(w);
	struct event ev = { .state = EVENT_RUN_STEP, .id = w->run.first };
	struct mailbox box = { 0 };
	struct move *move;
	size_t note;

	check(mailbox_decode(&w->arena, w->doc_value, &box));
	ev.response_body = waiting_json(w);
	note = mailbox_find_note(&box, wait.is_webhook);
	if (note == SIZE_MAX) {
		box.wait[box.waits++] = wait;
		move = runs_write_mailbox(w, &box);
		work_event(w, move, &ev);
		return;
	}
	runs_put_waited(w, &wait, op->event, &box.note[note].bytes);
	mailbox_take_note(&box, note);
	move = runs_write_mailbox(w, &box);
	work_event(w, move, &ev);
}

static void wait_look(struct work *w);

/* Overtaken, it looks at the run again, too: the step may have its answer by now, by this very work if an
 * answer of the store was lost. */
static void wait_done(struct work *w)
{
	struct run_wait *op = w->arg;

	if (runs_was_overtaken(w)) {
		wait_look(w);
		return;
	}
	if (w->step.req.result != STORE_APPLIED)
		work_problem(w, &op->problem);
	wait_finish(w);
}

static void wait_doc_read(struct work *w)
{
	struct run_wait *op = w->arg;
	struct mailbox box;

	if (!mailbox_decode(&w->arena, w->doc_value, &box)) {
		log_error("runs", "mailbox %.*s is broken; it is begun anew", STR_FMT(w->doc_name));
		w->doc_value = STR_NULL;
	} else if (mailbox_find_step(&box, op->wait->step.id) != SIZE_MAX) {
		wait_finish(w);
		return;
	} else if (w->doc_value.n > WAITS_BYTES_MAX) {
		problem_set(&op->problem, 412,
			    "quota maxWaitBytes exceeded, current limit: %d for one event of a run",
			    WAITS_BYTES_MAX);
		wait_finish(w);
		return;
	}
	work_do(w);
}

static void wait_run_read(struct work *w)
{
	struct run_wait *op = w->arg;

	if (!w->open) {
		problem_set(&op->problem, 400, "%s", RUNS_OVER);
		wait_finish(w);
		return;
	}
	/* The step has its answer: this is a delivery that came twice. */
	if (w->scan.run_found.key_taken) {
		wait_finish(w);
		return;
	}
	w->ref.created_ms = w->run.created_ms;
	w->read = wait_doc_read;
	work_read_doc(w, DOC_MAILBOX,
		      mailbox_name(&w->arena, op->event, w->ref.name, w->run.created_ms));
}

static void wait_look(struct work *w)
{
	const struct run_wait *op = w->arg;
	const struct runask *ask = &op->wait->notified.ask;

	w->read = wait_run_read;
	work_read_key(w, &(struct run_ref){ ask->run, ask->created_ms },
		      runs_step_key(w, op->wait->step.id));
}

void engine_run_wait(struct engine *e, struct run_wait *op)
{
	struct work *w = work_new(e, op->account, op);

	w->build = wait_build;
	w->done = wait_done;
	wait_look(w);
}

/* ---- the end of the waiting time ------------------------------------------------------------- */

static void timeout_build(struct work *w)
{
	struct mailbox box = { 0 };
	struct str event = w->doc_name;
	size_t at;

	event = str_cut(&event, '\n');
	/* A broken one goes; nobody could be told. */
	if (!mailbox_decode(&w->arena, w->doc_value, &box))
		box = (struct mailbox){ 0 };
	while ((at = mailbox_find_due(&box, w->engine->now_ms)) != SIZE_MAX) {
		runs_put_waited(w, &box.wait[at], event, NULL);
		mailbox_take_wait(&box, at);
	}
	runs_write_mailbox(w, &box);
}

/* Whatever came of it: if there is still something due, the next claim hands it out again. */
static void timeout_done(struct work *w)
{
	if (w->step.req.result != STORE_APPLIED)
		engine_expect(w->engine, w->engine->now_ms + ASK_AGAIN_MS);
	work_free(w);
}

static bool is_timing_out(struct engine *e, const struct due_doc *doc)
{
	struct list *it, *tmp, *heads[] = { &e->works, &e->works_again };

	for (size_t i = 0; i < countof(heads); i++) {
		list_each(it, tmp, heads[i]) {
			struct work *w = list_entry(it, struct work, node);

			if (w->build == timeout_build && str_eq(w->doc_name, doc->name) &&
			    str_eq(str_c(w->account->id), doc->user))
				return true;
		}
	}
	return false;
}

void runs_timeout(struct engine *e, const struct due_doc *doc)
{
	struct account *a = engine_account(e, doc->user);
	struct str event, run;
	struct work *w;
	int64_t created_ms;

	if (a == NULL || e->stopping || is_timing_out(e, doc) ||
	    !mailbox_name_parse(doc->name, &event, &run, &created_ms))
		return;
	w = work_new(e, a, NULL);
	w->doc_kind = doc->kind;
	w->doc_name = arena_str(&w->arena, doc->name);
	w->doc_value = arena_str(&w->arena, doc->value);
	w->doc_version = doc->version;
	w->ref = (struct run_ref){ arena_str(&w->arena, run), created_ms };
	w->build = timeout_build;
	w->done = timeout_done;
	work_do(w);
}
