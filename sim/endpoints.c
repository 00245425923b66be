#include "endpoints.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "judge_flow.h"
#include "sdk.h"
#include "visits.h"

/* A request on its way there and back. */
struct exchange {
	struct heap_node due;
	struct list node; /* in proc.exchanges or world.orphans */
	struct world *world;
	struct proc *proc;       /* NULL = it is gone */
	struct courier_req *req; /* NULL = nobody waits for the answer */
	struct judge_attempt attempt;
	struct msg_id id;
	int endpoint;        /* WORLD_ENDPOINTS = the workflow endpoint */
	struct visit *visit; /* NULL = none is under way */
	bool arrived, answered;
	int64_t sent_ms, timeout_ms;
	int64_t answer_ms; /* when it is there; INT64_MAX = never */
	int status;        /* 0 = refused to connect */
	int retry_after_s; /* -1 = none */
};

static struct proc *proc_of(struct courier *c)
{
	return container_of(c, struct proc, courier);
}

/* "http://e<n>.test/...", or the one of the workflows */
static int endpoint_of(struct str url)
{
	uint64_t n;

	if (str_eq(url, SDK_URL))
		return WORLD_ENDPOINTS;
	check(str_starts(url, STR("http://e")));
	url = str_from(url, sizeof("http://e") - 1);
	check(str_u64(str_cut(&url, '.'), &n) && n < WORLD_ENDPOINTS);
	return (int)n;
}

/* What this endpoint does with the request, and when. */
static void decide(struct exchange *x)
{
	struct world *w = x->world;
	enum temper temper = w->healthy ? TEMPER_FAST : w->temper[x->endpoint];
	int64_t takes_ms = world_between(w, 1, 40);

	x->status = 200 + (int)rng_below(&w->rng, 3);
	x->retry_after_s = -1;
	switch (temper) {
	case TEMPER_SLOW:
		takes_ms = world_between(w, 100, 20000);
		break;
	case TEMPER_FLAKY:
		x->status = world_one_in(w, 3) ? 503 : x->status;
		break;
	case TEMPER_BROKEN:
		x->status = 500;
		break;
	case TEMPER_MISSING:
		x->status = world_one_in(w, 4) ? x->status : 404;
		break;
	case TEMPER_FINAL:
		x->status = world_one_in(w, 2) ? x->status : 489;
		break;
	case TEMPER_BUSY:
		if (world_one_in(w, 2)) {
			x->status = 429;
			x->retry_after_s = (int)world_between(w, 0, 30);
		}
		break;
	case TEMPER_SILENT:
		takes_ms = world_one_in(w, 4) ? takes_ms : INT64_MAX / 2;
		break;
	default:
		break;
	}
	x->answer_ms = w->now_ms + takes_ms;
}

static void wait_for(struct exchange *x, int64_t at_ms)
{
	int64_t give_up_ms = x->sent_ms + x->timeout_ms;

	if (x->world->broken == BREAK_STUCK && x->req != NULL && x->id.seq % 50 == 0)
		give_up_ms = at_ms = INT64_MAX / 2;
	if (x->req != NULL && at_ms > give_up_ms)
		at_ms = give_up_ms;
	heap_rekey(&x->world->exchanges, &x->due, at_ms);
}

static void drop(struct exchange *x)
{
	if (x->visit != NULL)
		visit_leave(x->visit);
	heap_remove(&x->world->exchanges, &x->due);
	list_remove(&x->node);
	free(x);
}

static struct msg_id id_of(const struct courier_req *req)
{
	struct msg_id id;

	check(msg_id_parse(headers_get(&req->header, STR("Upstash-Message-Id")), &id));
	return id;
}

static void op_send(struct courier *c, struct courier_req *req)
{
	struct proc *p = proc_of(c);
	struct exchange *x = xcalloc(1, sizeof(*x));

	*x = (struct exchange){
		.world = p->world,
		.proc = p,
		.req = req,
		.id = id_of(req),
		.endpoint = endpoint_of(req->url),
		.sent_ms = p->world->now_ms,
		.timeout_ms = req->timeout_ms,
		.answer_ms = INT64_MAX,
		.retry_after_s = -1,
	};
	req->priv = x;
	list_push(&p->exchanges, &x->node);
	world_note(p->world, "p%d sends %" PRIx64 " to e%d", p->slot, x->id.seq, x->endpoint);
	judge_sent(p->world->judge, &x->attempt, p->holder, x->id);
	wait_for(x, p->world->now_ms + world_between(p->world, 0, 10));
}

/* Nobody waits any more; what is on the wire may still arrive. */
static void op_cancel(struct courier *c, struct courier_req *req)
{
	struct exchange *x = req->priv;
	struct world *w = x->world;

	judge_dropped(w->judge, &x->attempt);
	x->req = NULL;
	x->proc = NULL;
	list_remove(&x->node);
	list_push(&w->orphans, &x->node);
	if (x->answered || (!x->arrived && world_one_in(w, 2)))
		drop(x);
	else
		wait_for(x, x->arrived ? x->answer_ms : w->now_ms + 1);
}

static void op_close(struct courier *c)
{
}

struct courier endpoints_courier(void)
{
	static const struct courier_ops ops = { op_send, op_cancel, op_close };

	return (struct courier){ &ops };
}

/* ---- what happens on the wire ------------------------------------------------------------------------- */

/* At a workflow. When the process is gone, nobody can say any more what it sent. */
static void arrive_there(struct exchange *x)
{
	struct world *w = x->world;

	if (x->req == NULL) {
		drop(x);
		return;
	}
	x->answer_ms = INT64_MAX / 2;
	if (!w->healthy && world_one_in(w, 30)) {
		x->answered = true;
		x->answer_ms = w->now_ms;
	} else {
		x->arrived = true;
		x->visit = visit_new(w, x, x->req);
	}
	wait_for(x, x->answer_ms);
}

void endpoints_forget(struct exchange *x)
{
	x->visit = NULL;
	if (x->req == NULL)
		drop(x);
}

void endpoints_answer(struct exchange *x, int status, int retry_after_s)
{
	x->visit = NULL;
	x->status = status;
	x->retry_after_s = retry_after_s;
	x->answer_ms = x->world->now_ms;
	wait_for(x, x->answer_ms);
}

static void arrive(struct exchange *x)
{
	struct world *w = x->world;

	if (x->endpoint == WORLD_ENDPOINTS) {
		arrive_there(x);
		return;
	}
	if (!w->healthy && w->temper[x->endpoint] == TEMPER_DOWN && !world_one_in(w, 4)) {
		x->answered = true;
		x->answer_ms = w->now_ms;
		wait_for(x, w->now_ms);
		return;
	}
	x->arrived = true;
	decide(x);
	if (w->broken == BREAK_LIE && world_one_in(w, 30))
		x->answered = true, x->status = 200, x->answer_ms = w->now_ms + 5;
	wait_for(x, x->answer_ms);
}

static void answer(struct exchange *x)
{
	x->answered = true;
	world_note(x->world, "e%d answers %d to %" PRIx64 "%s", x->endpoint, x->status, x->id.seq,
		   x->req == NULL ? ", which nobody hears" : "");
	judge_endpoint_answered(x->world->judge, &x->attempt, x->status);
	wait_for(x, x->world->now_ms + world_between(x->world, 0, 5));
}

static void add_header(struct exchange *x, const char *name, struct str value)
{
	struct outcome *o = &x->req->outcome;

	o->header.v = arena_new(&x->req->arena, struct header);
	o->header.v[0] = (struct header){ str_c(name), value };
	o->header.n = 1;
}

static void fill_outcome(struct exchange *x, bool in_time)
{
	struct outcome *o = &x->req->outcome;

	*o = (struct outcome){ .duration_ms = x->world->now_ms - x->sent_ms };
	if (!in_time) {
		o->error = STR("no answer in time");
		return;
	}
	o->status = x->status;
	if (x->status == 0)
		o->error = STR("connection refused");
	else
		o->body = arena_fmt(&x->req->arena, "answer %d", x->status);
	if (x->status == 489)
		add_header(x, "Upstash-Nonretryable-Error", STR("true"));
	else if (x->retry_after_s >= 0)
		add_header(x, "Retry-After", arena_fmt(&x->req->arena, "%d", x->retry_after_s));
	else if (x->endpoint == WORLD_ENDPOINTS)
		add_header(x, "Upstash-Workflow-Sdk-Version", STR("1"));
}

/* The process hears of it. */
static void finish(struct exchange *x)
{
	bool in_time = x->answered;
	struct courier_req *req = x->req;
	struct proc *p = x->proc;
	struct world *w = x->world;

	fill_outcome(x, in_time);
	world_note(w, "p%d gets %d for %" PRIx64, p->slot, in_time ? x->status : 0, x->id.seq);
	judge_ended(w->judge, &x->attempt,
		    &(struct judge_outcome){
			    .status = req->outcome.status,
			    .retry_after_ms = in_time && x->retry_after_s >= 0
						      ? x->retry_after_s * 1000LL
						      : -1,
			    .non_retryable = in_time && x->status == 489,
		    });
	p->turn_at_ms = w->now_ms;
	if (w->broken == BREAK_DOOM && x->endpoint == WORLD_ENDPOINTS && world_one_in(w, 20)) {
		req->outcome.status = 489;
		add_header(x, "Upstash-Nonretryable-Error", STR("true"));
	}
	if (in_time) {
		drop(x);
	} else {
		/* The endpoint goes on with it, unheard. */
		x->req = NULL;
		x->proc = NULL;
		list_remove(&x->node);
		list_push(&w->orphans, &x->node);
		if (x->arrived)
			wait_for(x, x->answer_ms);
		else
			drop(x);
	}
	req->done(req);
}

static void step(struct exchange *x)
{
	struct world *w = x->world;

	if (x->proc != NULL && x->proc->stalled_until_ms > w->now_ms && x->answered)
		heap_rekey(&w->exchanges, &x->due, x->proc->stalled_until_ms);
	else if (x->req != NULL && !x->answered && w->now_ms >= x->sent_ms + x->timeout_ms)
		finish(x);
	else if (!x->arrived && !x->answered)
		arrive(x);
	else if (!x->answered)
		answer(x);
	else if (x->req != NULL && w->now_ms >= x->answer_ms)
		finish(x);
	else if (x->req == NULL)
		drop(x);
	else
		wait_for(x, x->answer_ms);
}

int64_t endpoints_next_ms(const struct world *w)
{
	const struct heap_node *first = heap_min(&w->exchanges);

	return first != NULL ? first->key : INT64_MAX;
}

void endpoints_turn(struct world *w)
{
	struct heap_node *first;

	while ((first = heap_min(&w->exchanges)) != NULL && first->key <= w->now_ms)
		step(container_of(first, struct exchange, due));
}

void endpoints_done(struct world *w)
{
	struct list *node;

	while (!list_is_empty(&w->orphans)) {
		node = w->orphans.next;
		drop(list_entry(node, struct exchange, node));
	}
}
