#include "sdk.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "core/options.h"
#include "judge_flow.h"
#include "load_int.h"
#include "proc.h"

enum { TRIES_MAX = 6, PAUSE_MS = 50, DLQ_MAX = 3 };

/* ---- asking ------------------------------------------------------------------------------------------- */

struct sdk_call *sdk_new(struct world *w, enum sdk_what what)
{
	struct sdk_call *c = xcalloc(1, sizeof(*c));

	c->world = w;
	c->what = what;
	arena_init(&c->arena);
	list_push(&w->sdk, &c->node);
	return c;
}

void sdk_free(struct sdk_call *c)
{
	heap_remove(&c->world->calls, &c->due);
	list_remove(&c->node);
	arena_done(&c->arena);
	free(c);
}

void sdk_header(struct sdk_item *item, struct str name, struct str value)
{
	check(item->headers < SDK_HEADERS_MAX);
	item->header[item->headers++] = (struct header){ name, value };
}

struct sdk_item *sdk_item(struct sdk_call *c, struct str url, struct str run, int64_t created_ms)
{
	struct sdk_item *item = &c->item[c->items++];

	check(c->items <= SDK_ITEMS_MAX);
	item->url = arena_str(&c->arena, url);
	sdk_header(item, STR("Upstash-Workflow-Init"), STR("false"));
	sdk_header(item, STR("Upstash-Workflow-RunId"), arena_str(&c->arena, run));
	sdk_header(item, STR("Upstash-Workflow-Url"), SDK_URL);
	sdk_header(item, STR("Upstash-Feature-Set"),
		   STR("LazyFetch,InitialBody,WF_DetectTrigger,WF_TriggerOnConfig"));
	sdk_header(item, STR("Upstash-Forward-Upstash-Workflow-Sdk-Version"), STR("1"));
	sdk_header(item, STR("Content-Type"), STR("application/json"));
	sdk_header(item, STR("Upstash-Method"), STR("POST"));
	if (created_ms > 0)
		sdk_header(item, STR("Upstash-Workflow-CreatedAt"),
			   arena_fmt(&c->arena, "%" PRId64, created_ms));
	return item;
}

struct sdk_item *sdk_start(struct sdk_call *c, struct str run, int64_t retries)
{
	struct sdk_item *item = sdk_item(c, SDK_URL, run, 0);

	item->header[0].value = STR("true");
	sdk_header(item, STR("Upstash-Retries"), arena_fmt(&c->arena, "%" PRId64, retries));
	sdk_header(item, STR("Upstash-Retry-Delay"), STR("1000"));
	sdk_header(item, STR("Upstash-Failure-Callback"), SDK_URL);
	sdk_header(item, STR("Upstash-Failure-Callback-Forward-Upstash-Workflow-Is-Failure"),
		   STR("true"));
	sdk_header(item, STR("Upstash-Failure-Callback-Retries"), STR("2"));
	sdk_header(item, STR("Upstash-Failure-Callback-Retry-Delay"), STR("1000"));
	return item;
}

/* ---- answers ------------------------------------------------------------------------------------------ */

/* Never from inside the engine: its turn is still going on. */
static void answered(struct load_op *op, const struct problem *p)
{
	struct sdk_call *c = op->arg;
	struct world *w = c->world;

	if (p->status == 503 && !load_faults(op))
		judge_fail(w->judge, "a request of a workflow failed: %s", p->text);
	c->answered = true;
	c->status = p->status == 0 ? 200 : p->status;
	load_free(op);
	heap_rekey(&w->calls, &c->due, w->now_ms + world_between(w, 0, 3));
}

/* The process has died with it. */
static void lost(struct load_op *op)
{
	struct sdk_call *c = op->arg;
	struct world *w = c->world;

	if (c->what == SDK_NOTIFY)
		arena_done(&op->run_event.arena);
	else if (c->what == SDK_DLQ)
		arena_done(&op->run_dlq.arena);
	heap_rekey(&w->calls, &c->due, w->now_ms + ((int64_t)PAUSE_MS << c->tries));
}

static void published(struct run_publish *r)
{
	struct load_op *op = r->arg;
	struct judge *j = op->proc->world->judge;

	for (size_t i = 0; i < r->n && r->problem.status == 0; i++)
		judge_flow_accepted(j, r->item[i].id);
	if (r->problem.status == 400 && r->item[0].ask.kind != RUNASK_INVOKE)
		judge_flow_refused(j, r->item[0].ask.run, r->item[0].ask.created_ms);
	answered(op, &r->problem);
}

static void waits(struct run_wait *r)
{
	answered(r->arg, &r->problem);
}

static void finished(struct run_finish *r)
{
	struct load_op *op = r->arg;

	if (r->problem.status == 0)
		judge_flow_is_over(op->proc->world->judge, r->run.name, r->run.created_ms);
	answered(op, &r->problem);
}

static void cancelled(struct run_cancel *r)
{
	answered(r->arg, &r->problem);
}

static void notified(struct run_event *r)
{
	struct load_op *op = r->arg;
	struct sdk_call *c = op->arg;
	struct arena results = r->arena;

	if (r->problem.status == 0 && r->what == RUN_EVENT_KEEP)
		judge_flow_noted(op->proc->world->judge, c->note);
	answered(op, &r->problem);
	arena_done(&results);
}

static void dlq_done(struct run_dlq *r)
{
	struct arena results = r->arena;

	answered(r->arg, &r->problem);
	arena_done(&results);
}

/* ---- the requests ------------------------------------------------------------------------------------- */

static struct headers headers_of(struct sdk_item *item)
{
	return (struct headers){ item->header, item->headers };
}

static struct runanswer_source source_of(struct load_op *op, struct sdk_item *item)
{
	struct proc *p = op->proc;

	return (struct runanswer_source){
		.user = load_user(&op->arena, op->user),
		.plan = load_account(op)->plan,
		.now_ms = world_wall_ms(p->world) + p->skew_ms,
		.header = headers_of(item),
		.body = item->body,
	};
}

/* As the API makes it of the request. False = 400. */
static bool make_item(struct load_op *op, struct sdk_item *item, struct run_item *ret_item,
		      struct problem *p)
{
	struct runanswer_source src = source_of(op, item);
	struct options_source os = {
		.header = src.header,
		.use = OPTIONS_BATCH_ITEM,
		.plan = src.plan,
		.now_ms = src.now_ms,
	};
	struct run_item r = { .msg = {
				      .user = src.user,
				      .url = item->url,
				      .body = item->body,
				      .created_ms = src.now_ms,
			      } };
	struct runanswer_invoke *invoke = arena_new(&op->arena, struct runanswer_invoke);
	struct options ignored;

	if (!runask_parse(&src.header, &r.ask, p) ||
	    !options_parse(&op->arena, &os, &r.msg, &ignored, p))
		return false;
	if (r.ask.kind == RUNASK_INVOKE) {
		if (!runanswer_invoke(&op->arena, &src, invoke, p))
			return false;
		r.msg.body = invoke->body;
		r.invoke = invoke;
	}
	*ret_item = r;
	return true;
}

static void ask_publish(struct load_op *op, struct sdk_call *c)
{
	struct run_item *item = arena_array(&op->arena, struct run_item, c->items);

	op->run_publish = (struct run_publish){
		.account = load_account(op),
		.item = item,
		.n = c->items,
		.done = published,
		.arg = op,
	};
	for (size_t i = 0; i < c->items; i++) {
		if (!make_item(op, &c->item[i], &item[i], &op->run_publish.problem)) {
			judge_fail(c->world->judge, "a publish of a workflow is no good: %s",
				   op->run_publish.problem.text);
			answered(op, &op->run_publish.problem);
			return;
		}
	}
	engine_run_publish(op->proc->engine, &op->run_publish);
}

static void ask_wait(struct load_op *op, struct sdk_call *c)
{
	struct runanswer_source src = source_of(op, &c->item[0]);
	struct runanswer_wait *wait = arena_new(&op->arena, struct runanswer_wait);

	op->run_wait = (struct run_wait){
		.account = load_account(op),
		.event = c->event,
		.wait = wait,
		.done = waits,
		.arg = op,
	};
	if (!runanswer_wait(&op->arena, &src, wait, &op->run_wait.problem)) {
		judge_fail(c->world->judge, "a wait is no good: %s", op->run_wait.problem.text);
		answered(op, &op->run_wait.problem);
		return;
	}
	engine_run_wait(op->proc->engine, &op->run_wait);
}

static void ask_finish(struct load_op *op, struct sdk_call *c)
{
	op->run_finish = (struct run_finish){
		.account = load_account(op),
		.run = { c->run, c->created_ms },
		.cancel = c->what == SDK_CANCEL,
		.result = c->bytes,
		.done = finished,
		.arg = op,
	};
	engine_run_finish(op->proc->engine, &op->run_finish);
}

/* By its id alone, as one of a bulk cancel. */
static void ask_cancel(struct load_op *op, struct sdk_call *c)
{
	op->run_cancel = (struct run_cancel){
		.account = load_account(op),
		.ids = &c->run,
		.ids_n = 1,
		.done = cancelled,
		.arg = op,
	};
	engine_run_cancel(op->proc->engine, &op->run_cancel);
}

static void ask_notify(struct load_op *op, struct sdk_call *c)
{
	op->run_event = (struct run_event){
		.account = load_account(op),
		.what = c->run.n > 0 ? RUN_EVENT_KEEP : RUN_EVENT_NOTIFY,
		.event = c->event,
		.run = c->run,
		.bytes = c->bytes,
		.done = notified,
		.arg = op,
	};
	arena_init(&op->run_event.arena);
	if (c->world->broken == BREAK_DEAF && c->run.n > 0) {
		notified(&op->run_event);
		return;
	}
	engine_run_event(op->proc->engine, &op->run_event);
}

static bool any_dead(struct run_dlq *op, const struct run_dead *dead)
{
	return true;
}

static void ask_dlq(struct load_op *op, struct sdk_call *c)
{
	op->run_dlq = (struct run_dlq){
		.account = load_account(op),
		.what = c->dlq_what,
		.matches = any_dead,
		.max = DLQ_MAX,
		.done = dlq_done,
		.arg = op,
	};
	arena_init(&op->run_dlq.arena);
	engine_run_dlq(op->proc->engine, &op->run_dlq);
}

static void ask(struct load_op *op, struct sdk_call *c)
{
	switch (c->what) {
	case SDK_PUBLISH:
		ask_publish(op, c);
		break;
	case SDK_WAIT:
		ask_wait(op, c);
		break;
	case SDK_FINISH:
		ask_finish(op, c);
		break;
	case SDK_CANCEL:
		if (c->created_ms > 0)
			ask_finish(op, c);
		else
			ask_cancel(op, c);
		break;
	case SDK_NOTIFY:
		ask_notify(op, c);
		break;
	case SDK_DLQ:
		ask_dlq(op, c);
		break;
	}
}

/* Some process takes it, if there is one. */
void sdk_send(struct sdk_call *c)
{
	struct world *w = c->world;
	struct proc *p = &w->proc[rng_below(&w->rng, WORLD_PROCS)];
	struct load_op *op;

	if (c->tries++ >= TRIES_MAX) {
		c->answered = true;
		heap_rekey(&w->calls, &c->due, w->now_ms);
		return;
	}
	if (!proc_is_open(p)) {
		heap_rekey(&w->calls, &c->due, w->now_ms + ((int64_t)PAUSE_MS << c->tries));
		return;
	}
	op = load_new(p, LOAD_SDK, LOAD_FLOWS);
	op->arg = c;
	op->lost = lost;
	ask(op, c);
}

/* ---- time --------------------------------------------------------------------------------------------- */

int64_t sdk_next_ms(const struct world *w)
{
	const struct heap_node *first = heap_min(&w->calls);

	return first != NULL ? first->key : INT64_MAX;
}

void sdk_turn(struct world *w)
{
	struct heap_node *first;

	while ((first = heap_min(&w->calls)) != NULL && first->key <= w->now_ms) {
		struct sdk_call *c = container_of(first, struct sdk_call, due);

		heap_remove(&w->calls, first);
		if (c->answered)
			c->done(c);
		else
			sdk_send(c);
	}
}

void sdk_done(struct world *w)
{
	while (!list_is_empty(&w->sdk))
		sdk_free(list_entry(w->sdk.next, struct sdk_call, node));
}
