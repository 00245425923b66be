#include "visits.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/codec.h"
#include "base/json.h"
#include "endpoints.h"
#include "judge_flow.h"
#include "sdk.h"

/* What goes wrong at the endpoint. */
enum mishap {
	MISHAP_NONE,
	MISHAP_EARLY, /* it fails before it has done anything */
	MISHAP_LATE,  /* ... when all is done */
	MISHAP_MUTE,  /* it does all and never answers */
	MISHAP_BUSY,  /* 429 */
	MISHAP_FINAL, /* 489 */
	MISHAPS = 40, /* one in so many has each */
};

struct visit {
	struct heap_node due; /* in world.visits */
	struct list node;     /* in world.guests */
	struct world *world;
	struct exchange *x; /* NULL = nobody waits */
	struct arena arena;
	struct msg_id id;
	struct str run, body;
	int64_t created_ms;
	bool is_step, is_callback;
	struct str step_id, step_name, concurrent; /* of a callback */
	enum mishap mishap;
	struct flow flow;
	struct flow_next next;
	struct sdk_call *call; /* NULL = none is under way */
	bool notified;         /* of a step that notifies: that part is done */
	bool begun;            /* it has done its own part */
	int status;            /* of the answer; 0 = not known yet */
};

static void finish(struct visit *v)
{
	bool mute = v->mishap == MISHAP_MUTE;
	int status = v->mishap == MISHAP_LATE ? 500 : v->status;

	if (v->x != NULL && !mute)
		endpoints_answer(v->x, status, status == 429 ? 3 : -1);
	if (v->x != NULL && mute)
		endpoints_forget(v->x);
	list_remove(&v->node);
	arena_done(&v->arena);
	free(v);
}

static void go_on(struct visit *v, int64_t after_ms)
{
	heap_rekey(&v->world->visits, &v->due, v->world->now_ms + after_ms);
}

/* ---- asking the server -------------------------------------------------------------------------------- */

/* The SDK takes 400 for the end of the run, and 412 for a failure that no retry helps. */
static void answered(struct sdk_call *c)
{
	struct visit *v = c->arg;

	v->call = NULL;
	if (c->what == SDK_NOTIFY && (c->status == 200 || c->status == 404)) {
		v->notified = true;
		v->begun = false;
	} else if (c->status == 200 || c->status == 400) {
		v->status = 200;
	} else {
		v->status = c->status == 412 ? 489 : 500;
	}
	sdk_free(c);
	go_on(v, 0);
}

static struct sdk_call *ask(struct visit *v, enum sdk_what what)
{
	struct sdk_call *c = sdk_new(v->world, what);

	v->call = c;
	c->done = answered;
	c->arg = v;
	return c;
}

static int64_t dated(const struct visit *v)
{
	return v->flow.dated ? v->created_ms : 0;
}

static struct sdk_item *item(struct visit *v, struct str url)
{
	return sdk_item(v->call, url, v->run, dated(v));
}

/* ---- steps -------------------------------------------------------------------------------------------- */

/* {"stepId", "stepName", "stepType", "concurrent", ...}; a plan has the number 0. */
static struct str step_json(struct visit *v, size_t step, bool plan, const struct str *out)
{
	const struct flow_step *s = &v->flow.step[step];
	struct str text;
	struct json_out j;
	struct buf b;

	buf_init(&b, SIZE_MAX / 4);
	j = json_out(&b);
	json_open(&j, '{');
	json_kint(&j, STR("stepId"), plan ? 0 : (int64_t)step + 1);
	json_kstr(&j, STR("stepName"), arena_fmt(&v->arena, "s%zu", step + 1));
	json_kstr(&j, STR("stepType"), str_c(flow_type(s->kind)));
	if (out != NULL)
		json_kstr(&j, STR("out"), *out);
	json_kint(&j, STR("concurrent"), (int64_t)s->width);
	if (plan)
		json_kint(&j, STR("targetStep"), (int64_t)step + 1);
	json_close(&j, '}');
	text = arena_str(&v->call->arena, buf_str(&b));
	buf_done(&b);
	return text;
}

static void add_delay(struct visit *v, struct sdk_item *to, const struct flow_step *s)
{
	struct arena *a = &v->call->arena;

	if (s->kind == FLOW_SLEEP)
		sdk_header(to, STR("Upstash-Delay"), arena_fmt(a, "%" PRId64 "s", s->arg));
	else if (s->kind == FLOW_SLEEP_UNTIL)
		sdk_header(to, STR("Upstash-Not-Before"),
			   arena_fmt(a, "%" PRId64, world_wall_ms(v->world) / 1000 + s->arg));
}

static void plan(struct visit *v)
{
	size_t first = v->next.step;

	ask(v, SDK_PUBLISH);
	for (size_t i = first; i < first + v->flow.step[first].width; i++) {
		struct sdk_item *to = item(v, SDK_URL);

		to->body = step_json(v, i, true, NULL);
		add_delay(v, to, &v->flow.step[i]);
	}
	sdk_send(v->call);
}

static struct str result(struct visit *v)
{
	if (v->flow.random)
		return arena_fmt(&v->arena, "\"%zu by %d\"", v->next.step, v->world->executions++);
	return arena_fmt(&v->arena, "\"%zu\"", v->next.step);
}

static void run(struct visit *v)
{
	const struct flow_step *s = &v->flow.step[v->next.step];
	struct str out = result(v);
	struct sdk_item *to;

	ask(v, SDK_PUBLISH);
	to = item(v, SDK_URL);
	to->body = step_json(v, v->next.step, false,
			     s->kind == FLOW_SLEEP || s->kind == FLOW_SLEEP_UNTIL ? NULL : &out);
	if (!v->next.planned)
		add_delay(v, to, s);
	sdk_send(v->call);
}

static void call(struct visit *v)
{
	const struct flow_step *s = &v->flow.step[v->next.step];
	struct sdk_call *c = ask(v, SDK_PUBLISH);
	struct sdk_item *to = item(v, arena_fmt(&v->arena, "http://e%" PRId64 ".test/x", s->arg));

	/* The version is not for a third party. */
	for (size_t i = 0; i < to->headers; i++) {
		if (str_starts(to->header[i].name, STR("Upstash-Forward-")))
			to->header[i] = to->header[--to->headers];
	}
	sdk_header(to, STR("Upstash-Workflow-CallType"), STR("toCallback"));
	sdk_header(to, STR("Upstash-Feature-Set"), STR("WF_NoDelete,InitialBody"));
	sdk_header(to, STR("Upstash-Retries"), STR("1"));
	sdk_header(to, STR("Upstash-Retry-Delay"), STR("1000"));
	sdk_header(to, STR("Upstash-Timeout"), STR("10"));
	sdk_header(to, STR("Upstash-Callback"), SDK_URL);
	sdk_header(to, STR("Upstash-Callback-Forward-Upstash-Workflow-Callback"), STR("true"));
	sdk_header(to, STR("Upstash-Callback-Forward-Upstash-Workflow-StepId"),
		   arena_fmt(&c->arena, "%zu", v->next.step + 1));
	sdk_header(to, STR("Upstash-Callback-Forward-Upstash-Workflow-StepName"),
		   arena_fmt(&c->arena, "s%zu", v->next.step + 1));
	sdk_header(to, STR("Upstash-Callback-Forward-Upstash-Workflow-Concurrent"),
		   arena_fmt(&c->arena, "%zu", s->width));
	to->body = STR("hello");
	sdk_send(c);
}

static void json_header(struct json_out *j, struct str name, struct str value)
{
	json_key(j, name);
	json_open(j, '[');
	json_str(j, value);
	json_close(j, ']');
}

static void put_headers(struct json_out *j, struct str key, const struct sdk_item *of)
{
	json_key(j, key);
	json_open(j, '{');
	for (size_t i = 0; i < of->headers; i++)
		json_header(j, of->header[i].name, of->header[i].value);
	json_close(j, '}');
}

static struct str take(struct sdk_call *c, struct buf *b)
{
	struct str text = arena_str(&c->arena, buf_str(b));

	buf_done(b);
	return text;
}

static void await_event(struct visit *v)
{
	const struct flow_step *s = &v->flow.step[v->next.step];
	struct sdk_call *c = ask(v, SDK_WAIT);
	struct sdk_item *to = item(v, SDK_URL);
	struct json_out j;
	struct buf b;

	c->event = arena_fmt(&c->arena, "v%d", s->event);
	sdk_header(to, STR("Upstash-Workflow-CallType"), STR("step"));
	buf_init(&b, SIZE_MAX / 4);
	j = json_out(&b);
	json_open(&j, '{');
	json_kstr(&j, STR("url"), SDK_URL);
	json_kstr(&j, STR("timeout"), arena_fmt(&c->arena, "%" PRId64 "s", s->arg));
	json_kstr(&j, STR("timeoutUrl"), SDK_URL);
	put_headers(&j, STR("timeoutHeaders"), to);
	json_key(&j, STR("step"));
	json_raw(&j, step_json(v, v->next.step, false, NULL));
	json_close(&j, '}');
	to->body = take(c, &b);
	sdk_send(c);
}

/* By the id of its own run it may come before the wait. */
static void notify(struct visit *v)
{
	const struct flow_step *s = &v->flow.step[v->next.step];
	struct sdk_call *c = ask(v, SDK_NOTIFY);

	c->event = arena_fmt(&c->arena, "v%d", s->event);
	if (s->bound)
		c->run = arena_str(&c->arena, v->run);
	c->note = judge_flow_note_asked(v->world->judge, c->event, c->run);
	c->bytes = arena_fmt(&c->arena, "n%d", c->note);
	sdk_send(c);
}

static void invoke(struct visit *v)
{
	struct world *w = v->world;
	struct sdk_call *c = ask(v, SDK_PUBLISH);
	struct str child = arena_fmt(&c->arena, "wfr_%" PRIx64, rng_u64(&w->rng));
	struct sdk_item *parent = item(v, SDK_URL), *to = sdk_start(c, child, 1);
	struct str payload = flow_child_payload(&c->arena, &v->flow, v->next.step);
	struct json_out j;
	struct buf b;

	if (w->broken == BREAK_CHILD)
		payload = flow_payload(&c->arena, 1, v->flow.depth + 1, 0);
	sdk_header(to, STR("Upstash-Workflow-Invoke"), STR("true"));
	buf_init(&b, SIZE_MAX / 4);
	j = json_out(&b);
	json_open(&j, '{');
	json_kstr(&j, STR("body"), payload);
	put_headers(&j, STR("headers"), parent);
	json_kstr(&j, STR("workflowRunId"), v->run);
	json_kint(&j, STR("workflowRunCreatedAt"), v->created_ms);
	json_kstr(&j, STR("workflowUrl"), SDK_URL);
	json_key(&j, STR("step"));
	json_raw(&j, step_json(v, v->next.step, false, NULL));
	json_close(&j, '}');
	to->body = take(c, &b);
	c->item[0] = *to;
	c->items = 1;
	sdk_send(c);
}

static void execute(struct visit *v)
{
	size_t step = v->next.step;
	enum flow_kind kind = v->flow.step[step].kind;

	if (step == v->flow.fragile && v->world->now_ms < v->flow.mended_ms) {
		v->status = v->flow.fatal ? 489 : 500;
		go_on(v, 0);
	} else if (kind == FLOW_CALL) {
		call(v);
	} else if (kind == FLOW_WAIT) {
		await_event(v);
	} else if (kind == FLOW_NOTIFY && !v->notified) {
		notify(v);
	} else if (kind == FLOW_INVOKE) {
		invoke(v);
	} else {
		run(v);
	}
}

/* ---- deliveries --------------------------------------------------------------------------------------- */

static struct str decoded(struct arena *a, struct str text)
{
	struct str bytes;
	struct buf b;

	buf_init(&b, SIZE_MAX / 4);
	check(b64_decode(&b, text));
	bytes = arena_str(a, buf_str(&b));
	buf_done(&b);
	return bytes;
}

static struct str member(const struct json *v, struct str key)
{
	const struct json *m = json_get(v, key);

	return m != NULL ? m->text : STR_NULL;
}

static void end(struct visit *v, const struct flow_entry *entry, size_t n)
{
	struct world *w = v->world;
	struct sdk_call *c = ask(v, v->flow.cancels ? SDK_CANCEL : SDK_FINISH);

	c->run = arena_str(&c->arena, v->run);
	c->created_ms = v->created_ms;
	if (v->flow.cancels)
		judge_flow_cancel_asked(w->judge, v->run, v->created_ms);
	else
		c->bytes = flow_result(&c->arena, &v->flow, entry,
				       w->broken == BREAK_RESULT && n > 0 ? n - 1 : n);
	if (w->broken == BREAK_RESULT && c->bytes.n == 0)
		c->bytes = STR("\"wrong\"");
	sdk_send(c);
}

static struct flow_entry *read_history(struct visit *v, size_t *ret_n)
{
	char error[96];
	const struct json *list = json_parse(&v->arena, v->body, error), *e;
	struct flow_entry *entry = arena_array(&v->arena, struct flow_entry, list->count + 1);
	size_t n = 0;

	check(list->count > 0 &&
	      flow_parse(decoded(&v->arena, member(list->child, STR("body"))), &v->flow));
	for (e = list->child->next; e != NULL; e = e->next)
		check(flow_entry_parse(&v->arena, decoded(&v->arena, member(e, STR("body"))),
				       &entry[n++]));
	*ret_n = n;
	return entry;
}

static void on_step(struct visit *v)
{
	struct judge *j = v->world->judge;
	struct flow_entry *entry;
	size_t n;

	entry = read_history(v, &n);
	v->next = flow_replay(&v->arena, &v->flow, entry, n);
	if (v->next.joined)
		judge_flow_joined(j, v->id, v->next.joined_at);
	else if (v->world->broken == BREAK_JOIN && v->next.what == FLOW_DISCARD &&
		 v->next.step < v->flow.n)
		judge_flow_joined(j, v->id, v->next.step);
	switch (v->next.what) {
	case FLOW_DISCARD:
		v->status = 200;
		go_on(v, 0);
		break;
	case FLOW_PLAN:
		plan(v);
		break;
	case FLOW_EXECUTE:
		execute(v);
		break;
	case FLOW_END:
		end(v, entry, n);
		break;
	case FLOW_BROKEN:
		judge_fail(j, "run %.*s was delivered a history that cannot be its own",
			   STR_FMT(v->run));
		v->status = 500;
		go_on(v, 0);
	}
}

/* A call's answer becomes its step's result. */
static void on_callback(struct visit *v)
{
	char error[96];
	const struct json *body = json_parse(&v->arena, v->body, error);
	struct sdk_call *c = ask(v, SDK_PUBLISH);
	struct sdk_item *to;

	check(body != NULL);
	v->flow.dated = true;
	to = item(v, SDK_URL);
	to->body = arena_fmt(&c->arena,
			     "{\"stepId\":%.*s,\"stepName\":\"%.*s\",\"stepType\":\"Call\","
			     "\"out\":\"{\\\"status\\\":%.*s}\",\"concurrent\":%.*s}",
			     STR_FMT(v->step_id), STR_FMT(v->step_name),
			     STR_FMT(member(body, STR("status"))), STR_FMT(v->concurrent));
	sdk_send(c);
}

static void on_failure(struct visit *v)
{
	char error[96];
	const struct json *body = json_parse(&v->arena, v->body, error);

	check(body != NULL);
	judge_flow_reported(v->world->judge, v->id,
			    decoded(&v->arena, member(body, STR("sourceBody"))));
	v->status = 200;
	go_on(v, 0);
}

static void begin(struct visit *v)
{
	v->begun = true;
	if (v->mishap == MISHAP_EARLY || v->mishap >= MISHAP_BUSY) {
		v->status = v->mishap == MISHAP_BUSY ? 429 : v->mishap == MISHAP_FINAL ? 489 : 500;
		go_on(v, 0);
	} else if (v->is_step) {
		on_step(v);
	} else if (v->is_callback) {
		on_callback(v);
	} else {
		on_failure(v);
	}
}

/* ---- coming and going --------------------------------------------------------------------------------- */

/* BREAK_SLICE: an entry in the middle gets lost on the way. */
static struct str lose_entry(struct visit *v, struct str body)
{
	size_t at = str_find(body, '{', 0), next, after;

	next = str_find(body, '{', at + 1);
	after = next < body.n ? str_find(body, '{', next + 1) : body.n;
	if (after >= body.n)
		return body;
	return arena_fmt(&v->arena, "%.*s%.*s", (int)next, body.p, STR_FMT(str_from(body, after)));
}

struct visit *visit_new(struct world *w, struct exchange *x, const struct courier_req *req)
{
	struct visit *v = xcalloc(1, sizeof(*v));
	const struct headers *h = &req->header;
	int64_t takes_ms =
		world_one_in(w, 10) ? world_between(w, 100, 20000) : world_between(w, 1, 40);

	*v = (struct visit){ .world = w, .x = x };
	arena_init(&v->arena);
	check(msg_id_parse(headers_get(h, STR("Upstash-Message-Id")), &v->id) &&
	      str_i64(headers_get(h, STR("Upstash-Workflow-CreatedAt")), &v->created_ms));
	v->run = arena_str(&v->arena, headers_get(h, STR("Upstash-Workflow-RunId")));
	v->body = arena_str(&v->arena, req->body);
	v->is_step = str_eq(headers_get(h, STR("Upstash-Workflow-Sdk-Version")), STR("1"));
	v->is_callback = headers_get(h, STR("Upstash-Workflow-Callback")).n > 0;
	v->step_id = arena_str(&v->arena, headers_get(h, STR("Upstash-Workflow-StepId")));
	v->step_name = arena_str(&v->arena, headers_get(h, STR("Upstash-Workflow-StepName")));
	v->concurrent = arena_str(&v->arena, headers_get(h, STR("Upstash-Workflow-Concurrent")));
	if (!w->healthy)
		v->mishap = (enum mishap)world_between(w, 0, MISHAPS);
	if (v->mishap > MISHAP_FINAL)
		v->mishap = MISHAP_NONE;
	if (w->broken == BREAK_SLICE)
		v->body = lose_entry(v, v->body);
	if (v->is_step)
		judge_flow_slice(w->judge, v->id, v->body);
	list_push(&w->guests, &v->node);
	go_on(v, w->healthy ? 1 : takes_ms);
	return v;
}

void visit_leave(struct visit *v)
{
	v->x = NULL;
}

int64_t visits_next_ms(const struct world *w)
{
	const struct heap_node *first = heap_min(&w->visits);

	return first != NULL ? first->key : INT64_MAX;
}

void visits_turn(struct world *w)
{
	struct heap_node *first;

	while ((first = heap_min(&w->visits)) != NULL && first->key <= w->now_ms) {
		struct visit *v = container_of(first, struct visit, due);

		heap_remove(&w->visits, first);
		if (!v->begun)
			begin(v);
		else
			finish(v);
	}
}

void visits_done(struct world *w)
{
	while (!list_is_empty(&w->guests)) {
		struct visit *v = list_entry(w->guests.next, struct visit, node);

		heap_remove(&w->visits, &v->due);
		v->x = NULL;
		v->mishap = MISHAP_MUTE;
		finish(v);
	}
}
