/* runs_publish.c - messages of workflow runs: their starts, their steps, their calls. What is published for a
 * run at once becomes one step, so a batch of plans is appended whole and in order.
 */
#include <string.h>

#include "base/check.h"
#include "base/codec.h"
#include "base/digest.h"
#include "base/log.h"
#include "core/limits.h"
#include "core/view.h"
#include "engine/runs.h"

#define CONFIG_PAIR "a stepConfig cannot follow a stepConfig: no step has come between"

enum { TRIES_MAX = 20 };

static void finish(struct work *w)
{
	struct run_publish *op = w->arg;

	work_free(w);
	op->done(op);
}

static void fail(struct work *w, int status, const char *text)
{
	struct run_publish *op = w->arg;

	problem_set(&op->problem, status, "%s", text);
	finish(w);
}

/* What the step has made of the items: their puts come last, in their order. */
static void take_results(struct work *w)
{
	struct run_publish *op = w->arg;
	const struct move *put = &w->move[w->moves - op->n];

	for (size_t i = 0; i < op->n; i++) {
		op->item[i].duplicate = put[i].put.skipped == PUT_DUPLICATE;
		op->item[i].id = op->item[i].duplicate ? put[i].put.existing : put[i].put.msg->id;
	}
}

/* ---- starts ---------------------------------------------------------------------------------- */

/* The run with its first message. */
static void put_start(struct work *w, struct run_item *item)
{
	struct run_publish *op = w->arg;
	struct move *start = work_move(w, MOVE_RUN_START);
	size_t at = w->moves - 1;
	struct msg m = item->msg;
	struct move *put;

	/* Another run of this name may have begun in this very ms. */
	m.created_ms += w->tries;
	if (m.not_before_ms < m.created_ms)
		m.not_before_ms = m.created_ms;
	w->run.created_ms = op->created_ms = m.created_ms;
	w->run.trigger.run_created_ms = m.created_ms;
	run_apply_first(&w->arena, &w->run, &item->ask, &m);
	start->run_start.user = str_c(w->account->id);
	start->run_start.name = item->ask.run;
	start->run_start.created_ms = m.created_ms;
	put = work_put_entry(w, &m, m.body);
	/* Once a run has begun, what it does is not kept from going on; nor what it invokes. */
	if (item->ask.kind == RUNASK_START)
		usage_limit(w->engine, w->account, put);
	w->run.first = put->put.msg->id;
	w->move[at].run_start.record = runs_record(w);
}

static void build_start(struct work *w)
{
	struct run_publish *op = w->arg;

	put_start(w, &op->item[0]);
}

/* The run that is there, whose identity is also when it began. */
static void other_read(struct work *w)
{
	struct run_publish *op = w->arg;

	if (w->run.created_ms > 0)
		op->created_ms = w->run.created_ms;
	finish(w);
}

static void look_at_other(struct work *w)
{
	const struct run_ref ref = { w->run.trigger.run, 0 };

	w->read = other_read;
	w->done = finish;
	work_read(w, &ref, false);
}

static void start_done(struct work *w)
{
	struct run_publish *op = w->arg;
	const struct step *s = &w->step;

	if (s->req.result == STORE_REFUSED && s->refusal == REFUSAL_DUPLICATE) {
		op->item[0].duplicate = true;
		op->item[0].id = w->move[s->refused_move].run_start.existing;
	} else if (s->req.result != STORE_APPLIED) {
		work_problem(w, &op->problem);
	} else {
		take_results(w);
	}
	usage_notice(w->engine, w->account, &w->move[w->moves - 1]);
	if (op->item[0].duplicate)
		look_at_other(w);
	else
		finish(w);
}

static void start(struct work *w, struct run_item *item)
{
	w->run = run_new(&w->arena, &item->ask, &item->msg);
	if (item->rest)
		w->run.flags |= RUN_IS_REST;
	w->build = build_start;
	w->done = start_done;
	work_do(w);
}

/* ---- once more ------------------------------------------------------------------------------- */

/* The SDK has answered the question what it is by asking for the run that is there. */
static void build_again(struct work *w)
{
	struct run_publish *op = w->arg;
	struct run_item *item = &op->item[0];
	struct msg m = item->msg;
	struct move *set = work_move(w, MOVE_RUN_SET), *put;

	run_renew(&w->arena, &w->run, &item->ask, &m);
	set->run_set.user = str_c(w->account->id);
	set->run_set.run = (struct run_ref){ w->ref.name, w->run.created_ms };
	set->run_set.record = runs_record(w);
	set->run_set.version = w->scan.run_found.version;
	run_apply_step(&w->arena, &w->run, &item->ask, &m);
	m.flags |= MSG_RUN_FIRST | MSG_RUN_DETECT;
	m.run_until = w->run.first.seq;
	m.body = STR_NULL;
	put = work_put(w, &m);
	put->put.run = set->run_set.run;
	put->put.run_key = STR("again");
}

/* ---- steps and calls ------------------------------------------------------------------------- */

/* What makes two publishes the same. A call's body does not say for which step it is. */
static struct str content_key(struct arena *a, const struct run_item *item)
{
	unsigned char hash[SHA256_LEN];
	struct str key;
	struct buf b;

	buf_init(&b, SIZE_MAX / 4);
	sha256(hash, item->msg.body);
	tlv_i64(&b, 1, item->ask.kind);
	tlv_add(&b, 2, item->msg.url);
	tlv_add(&b, 3, item->msg.method);
	tlv_add(&b, 4, str_n(hash, sizeof(hash)));
	tlv_add(&b, 5, item->ask.kind == RUNASK_CALL ? item->ask.call_step : STR_NULL);
	sha256(hash, buf_str(&b));
	buf_done(&b);
	buf_init(&b, 2 * SHA256_LEN);
	hex_encode(&b, str_n(hash, sizeof(hash)));
	key = arena_fmt(a, "content:%.*s", STR_FMT(buf_str(&b)));
	buf_done(&b);
	return key;
}

static void put_item(struct work *w, const struct run_item *item)
{
	struct msg m = item->msg;
	struct move *put;

	if (item->ask.kind == RUNASK_CALL) {
		run_apply_call(&w->run, &m);
		put = work_put(w, &m);
		put->put.run = (struct run_ref){ m.run, m.run_created_ms };
	} else {
		run_apply_step(&w->arena, &w->run, &item->ask, &m);
		put = work_put_entry(w, &m, m.body);
		if (item->ask.kind == RUNASK_CONFIG)
			put->put.run_entry = RUN_ENTRY_CONFIG;
	}
	put->put.run_key = content_key(&w->arena, item);
}

/* A step that is alone in its step of the store is leased by it, as a plain message would be. Of several, a lost
 * answer would tell but one lease. */
static void build_items(struct work *w)
{
	struct run_publish *op = w->arg;

	w->leases = op->n == 1;
	for (size_t i = 0; i < op->n; i++)
		put_item(w, &op->item[i]);
}

/* ---- invocations ----------------------------------------------------------------------------- */

/* What the parent's log shows of the step. */
static struct str step_json(struct work *w, const struct run_item *item)
{
	const struct run_step *step = &item->invoke->step;
	struct json_out j;
	struct str text;
	struct buf b;

	buf_init(&b, SIZE_MAX / 4);
	j = json_out(&b);
	json_open(&j, '{');
	json_kint(&j, STR("stepId"), step->id);
	json_kstr(&j, STR("stepName"), step->name);
	json_kstr(&j, STR("stepType"), step->type);
	json_kint(&j, STR("concurrent"), step->concurrent);
	json_kstr(&j, STR("invokedWorkflowRunId"), item->ask.run);
	json_kstr(&j, STR("invokedWorkflowUrl"), item->msg.url);
	json_kint(&j, STR("invokedWorkflowCreatedAt"), w->run.created_ms);
	json_kstr_opt(&j, STR("invokedWorkflowRunBody"),
		      str_sub(item->msg.body, 0, LIMIT_EVENT_BODY_BYTES));
	view_headers(&j, STR("invokedWorkflowRunHeaders"), &item->msg.header, NULL);
	json_close(&j, '}');
	text = arena_str(&w->arena, buf_str(&b));
	buf_done(&b);
	return text;
}

static struct str invoke_name(struct work *w)
{
	struct run_publish *op = w->arg;

	return arena_fmt(&w->arena, "%.*s\n%lld\n%lld", STR_FMT(w->ref.name),
			 (long long)w->run.invoker.created_ms,
			 (long long)op->item[0].invoke->step.id);
}

/* What the child's own log shows of who has invoked it. */
static struct str invoker_json(struct work *w)
{
	const struct run_invoker *in = &w->run.invoker;
	struct json_out j;
	struct str text;
	struct buf b;

	buf_init(&b, SIZE_MAX / 4);
	j = json_out(&b);
	json_open(&j, '{');
	json_key(&j, STR("invoker"));
	json_open(&j, '{');
	json_kstr(&j, STR("workflowRunId"), in->run);
	json_kstr(&j, STR("workflowUrl"), in->url);
	json_kint(&j, STR("workflowRunCreatedAt"), in->created_ms);
	json_close(&j, '}');
	json_close(&j, '}');
	text = arena_str(&w->arena, buf_str(&b));
	buf_done(&b);
	return text;
}

/* The document says, for the parent's life, that the step has invoked. */
static void build_invoke(struct work *w)
{
	struct run_publish *op = w->arg;
	struct event ev = { .state = EVENT_RUN_STEP };
	char id[MSG_ID_LEN + 1];
	struct move *doc;

	(void)work_move(w, MOVE_DOC_PUT);
	put_start(w, &op->item[0]);
	doc = &w->move[0];
	msg_id_text(id, w->run.first);
	doc->doc_put.doc = DOC_INVOKE;
	doc->doc_put.user = str_c(w->account->id);
	doc->doc_put.name = invoke_name(w);
	doc->doc_put.value = arena_str(&w->arena, str_n(id, MSG_ID_LEN));
	doc->doc_put.run = (struct run_ref){ w->ref.name, w->run.invoker.created_ms };
	ev.id = w->invoker_first;
	ev.response_body = step_json(w, &op->item[0]);
	work_event(w, doc, &ev);
	ev.id = w->run.first;
	ev.response_body = invoker_json(w);
	work_event(w, &w->move[1], &ev);
}

/* The step has invoked before: it is told by the first message of what it invoked then. */
static void invoked_before(struct store_req *req)
{
	struct work *w = req->arg;
	struct run_publish *op = w->arg;
	const struct scan *s = &w->scan;

	engine_answered(w->engine);
	if (req->result != STORE_APPLIED)
		engine_store_problem(&op->problem, req, REFUSAL_NONE);
	else if (s->rows > 0 && msg_id_parse(s->row[0].record, &op->item[0].id))
		op->item[0].duplicate = true;
	else
		problem_set(&op->problem, 503, "the invocation is being changed; try again");
	finish(w);
}

static void look_invoked(struct work *w)
{
	arena_done(&w->scan.arena);
	scan_init(&w->scan, SCAN_DOCS, invoked_before, w);
	arena_init(&w->scan.arena);
	w->scan.doc = DOC_INVOKE;
	w->scan.user = str_c(w->account->id);
	w->scan.name = invoke_name(w);
	w->scan.exact = true;
	w->scan.max = 1;
	w->scan.bytes_max = SIZE_MAX;
	engine_submit(w->engine, &w->scan.req);
}

static void invoke_done(struct work *w)
{
	struct run_publish *op = w->arg;
	const struct step *s = &w->step;

	if (s->req.result == STORE_REFUSED && s->refusal == REFUSAL_VERSION) {
		look_invoked(w);
		return;
	}
	if (s->req.result == STORE_REFUSED && s->refusal == REFUSAL_DUPLICATE)
		problem_set(&op->problem, 412, "a run with the id %.*s is open",
			    STR_FMT(op->item[0].ask.run));
	else if (s->req.result != STORE_APPLIED)
		work_problem(w, &op->problem);
	else
		op->item[0].id = w->run.first;
	finish(w);
}

/* The parent has been read. */
static void invoke(struct work *w)
{
	struct run_publish *op = w->arg;
	const struct run_item *item = &op->item[0];
	struct runanswer parent = item->invoke->parent;
	const struct run was = w->run;

	if (!w->open) {
		fail(w, 400, RUNS_OVER);
		return;
	}
	w->invoker_first = was.first;
	run_apply_step(&w->arena, &was, &parent.ask, &parent.msg);
	w->run = run_new(&w->arena, &item->ask, &item->msg);
	w->run.invoker = (struct run_invoker){
		.run = w->ref.name,
		.created_ms = was.created_ms,
		.url = was.trigger.url,
		.step = item->invoke->step,
		.message = runs_answer_record(w, &parent.msg),
	};
	work_do(w);
}

/* ---- on a run that is there ------------------------------------------------------------------ */

static void items_done(struct work *w)
{
	struct run_publish *op = w->arg;
	const struct step *s = &w->step;

	if (s->req.result == STORE_REFUSED && s->refusal == REFUSAL_VERSION &&
	    w->tries < TRIES_MAX) {
		const struct run_ref ref = w->ref;

		work_read(w, &ref, false);
		return;
	}
	if (s->req.result != STORE_APPLIED)
		work_problem(w, &op->problem);
	else
		take_results(w);
	finish(w);
}

/* Two configurations in a row never come of a correct SDK: they would go on for ever, unseen. */
static bool has_config_pair(const struct run_publish *op)
{
	for (size_t i = 1; i < op->n; i++) {
		if (op->item[i - 1].ask.kind == RUNASK_CONFIG &&
		    op->item[i].ask.kind == RUNASK_CONFIG)
			return true;
	}
	return false;
}

/* The last entry, unless this very configuration was published before. */
static void last_read(struct work *w)
{
	if (!w->open)
		fail(w, 400, RUNS_OVER);
	else if (w->last_entry == RUN_ENTRY_CONFIG && !w->scan.run_found.key_taken)
		fail(w, 400, CONFIG_PAIR);
	else
		work_do(w);
}

static void run_read(struct work *w)
{
	struct run_publish *op = w->arg;
	const struct run_ref ref = { w->ref.name, w->run.created_ms };

	op->created_ms = w->run.created_ms;
	if (!w->open) {
		fail(w, 400, RUNS_OVER);
	} else if (has_config_pair(op)) {
		fail(w, 400, CONFIG_PAIR);
	} else if (op->item[0].ask.kind == RUNASK_CONFIG) {
		w->read = last_read;
		work_read_last(w, &ref, content_key(&w->arena, &op->item[0]));
	} else {
		work_do(w);
	}
}

void engine_run_publish(struct engine *e, struct run_publish *op)
{
	struct work *w = work_new(e, op->account, op);
	const struct run_item *item = &op->item[0];
	struct run_ref ref = { item->ask.run, item->ask.created_ms };

	check(op->n > 0);
	if (item->ask.kind == RUNASK_START) {
		start(w, &op->item[0]);
		return;
	}
	w->read = run_read;
	w->build = item->ask.kind == RUNASK_AGAIN ? build_again : build_items;
	w->done = items_done;
	if (item->ask.kind == RUNASK_INVOKE) {
		w->read = invoke;
		w->build = build_invoke;
		w->done = invoke_done;
		ref = (struct run_ref){ item->invoke->parent.ask.run,
					item->invoke->parent.ask.created_ms };
	}
	work_read(w, &ref, false);
}
