/* delivery.c - one attempt: from a lease to a settled outcome.
 */
#include "engine/engine_int.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "core/callback.h"
#include "core/dead.h"
#include "core/deliver.h"
#include "core/event.h"
#include "core/limits.h"
#include "core/redact.h"
#include "core/sign.h"

struct delivery *delivery_new(struct engine *e)
{
	struct list *node = list_pop(&e->pool);
	struct delivery *d;

	if (node != NULL) {
		e->pooled--;
		d = list_entry(node, struct delivery, node);
	} else {
		d = xcalloc(1, sizeof(*d));
		d->engine = e;
		list_init(&d->node);
		arena_init(&d->arena);
		arena_init(&d->req.arena);
		buf_init(&d->record, RECORD_BYTES_MAX);
		buf_init(&d->response, RECORD_BYTES_MAX);
	}
	d->state = DELIVERY_PUTTING;
	d->item = NULL;
	d->moves = 0;
	d->held_bytes = 0;
	d->counted = false;
	d->reading = NULL;
	d->lapsed = false;
	return d;
}

void delivery_count_bytes(struct delivery *d, size_t bytes)
{
	d->engine->memory_bytes += bytes - d->held_bytes;
	d->held_bytes = bytes;
}

static void count_running(struct delivery *d, bool counted)
{
	if (d->counted != counted)
		d->engine->running += counted ? 1 : -1;
	d->counted = counted;
}

void delivery_destroy(struct delivery *d)
{
	run_deliver_free(d);
	arena_done(&d->req.arena);
	arena_done(&d->arena);
	buf_done(&d->record);
	buf_done(&d->response);
	free(d);
}

/* A big one is not kept: the pool is for the common small message. */
static bool is_small(const struct delivery *d)
{
	return d->record.cap <= 16 * 1024 && d->response.cap <= 16 * 1024 &&
	       d->arena.bytes <= 64 * 1024 && d->req.arena.bytes <= 64 * 1024;
}

void delivery_free(struct delivery *d)
{
	struct engine *e = d->engine;

	delivery_count_bytes(d, 0);
	count_running(d, false);
	list_remove(&d->node);
	run_deliver_free(d);
	if (e->pooled < DELIVERY_POOL_MAX && is_small(d)) {
		arena_reset(&d->arena);
		arena_reset(&d->req.arena);
		buf_reset(&d->record);
		buf_reset(&d->response);
		list_push(&e->pool, &d->node);
		e->pooled++;
		return;
	}
	delivery_destroy(d);
}

/* The engine's scratch buffer, emptied, and what was written to it, kept with the delivery. */
static struct buf *scratch(struct delivery *d)
{
	buf_reset(&d->engine->scratch);
	return &d->engine->scratch;
}

static struct str keep(struct delivery *d)
{
	struct buf *b = &d->engine->scratch;
	struct str s;

	check(!b->overflow);
	s = arena_str(&d->arena, buf_str(b));
	if (b->cap > SCRATCH_BYTES_KEPT) {
		buf_done(b);
		buf_init(b, RECORD_BYTES_MAX);
	}
	return s;
}

/* The CREATED event of a new message, with its record, in the delivery's arena. */
static struct str created_event(struct delivery *d, struct str body)
{
	const struct msg *m = &d->msg;
	struct msg shown = *m;
	struct buf cut;
	struct str event;

	buf_init(&cut, RECORD_BYTES_MAX);
	/* The log shows no more of a body. A redacted one is shown as the hash of the whole, as far as an event
	 * can hold it. */
	shown.body =
		str_sub(body, 0, redact_body(m) ? RECORD_BYTES_MAX / 2 : LIMIT_EVENT_BODY_BYTES);
	if (shown.body.n != m->body.n)
		msg_encode(&cut, &shown);
	event_encode(
		scratch(d),
		&(struct event){
			.time_ms = d->engine->now_ms,
			.state = EVENT_CREATED,
			.user = m->user,
			.id = m->id,
			.record = cut.n > 0 ? buf_str(&cut) : buf_str(&d->record),
			.next_delivery_ms = m->not_before_ms > m->created_ms ? m->not_before_ms : 0,
		});
	event = keep(d);
	buf_done(&cut);
	return event;
}

void delivery_prepare_put(struct delivery *d, struct move *move, const struct msg *m)
{
	struct engine *e = d->engine;
	struct msg copy = *m;

	copy.id = msg_id_next(&e->last_seq, e->now_ms, &e->rng);
	/* The body of a workflow's step is an entry of the run's history. */
	if (m->run_role == MSG_STEP)
		copy.body = STR_NULL;
	msg_encode(&d->record, &copy);
	check(!d->record.overflow);
	check(msg_decode(&d->arena, buf_str(&d->record), &d->msg));
	d->account = engine_account(e, d->msg.user);
	*move = (struct move){
		.kind = MOVE_PUT,
		.events = created_event(d, m->body),
		.put = {
			.msg = &d->msg,
			.record = buf_str(&d->record),
			.due_ms = d->msg.not_before_ms,
			.user_parallelism =
				d->account ? accounts_plan(e, d->account)->parallelism_max : 0,
			.queues_max = d->account ? accounts_plan(e, d->account)->queues_max : 0,
		},
	};
	delivery_count_bytes(d, d->record.n);
}

static void submit_settle(struct delivery *d);

/* Another process has taken the number of callback i: the same message with the next one. */
static void renew_callback(struct delivery *d, size_t i)
{
	struct delivery *taken = d->callback[i];

	d->callback[i] = delivery_new(d->engine);
	delivery_prepare_put(d->callback[i], &d->move[i], &taken->msg);
	delivery_free(taken);
}

static void settle_done(struct store_req *req)
{
	struct step *s = container_of(req, struct step, req);
	struct delivery *d = req->arg;
	struct engine *e = d->engine;

	engine_answered(e);
	if (req->result == STORE_UNKNOWN || req->result == STORE_UNAVAILABLE) {
		delivery_ask_again(d);
		return;
	}
	if (req->result == STORE_REFUSED && s->refusal == REFUSAL_ID) {
		renew_callback(d, s->refused_move);
		submit_settle(d);
		return;
	}
	if (req->result == STORE_REFUSED && s->refusal != REFUSAL_LEASE &&
	    s->refusal != REFUSAL_NOT_FOUND)
		log_error("delivery", "the store refused an outcome: %s", refusal_name(s->refusal));
	e->claim_wanted = true;
	for (size_t i = 1; i < d->moves; i++)
		delivery_free(d->callback[i]);
	delivery_free(d);
}

static void submit_settle(struct delivery *d)
{
	struct engine *e = d->engine;

	d->state = DELIVERY_SETTLING;
	step_init(&d->step, d->move, d->moves, settle_done, d);
	engine_submit(e, &d->step.req);
}

void delivery_ask_again(struct delivery *d)
{
	struct engine *e = d->engine;

	list_push(&e->ask_again, &d->node);
	e->ask_again_mono_ms = e->mono_ms + ASK_AGAIN_MS;
}

/* A settle needs no memory of its former self, its lease token is enough; a put is repeated as it was. */
void delivery_ask_turn(struct engine *e)
{
	struct list *node;

	if (list_is_empty(&e->ask_again) || e->mono_ms < e->ask_again_mono_ms)
		return;
	while ((node = list_pop(&e->ask_again)) != NULL) {
		struct delivery *d = list_entry(node, struct delivery, node);

		if (d->state == DELIVERY_SETTLING) {
			submit_settle(d);
		} else if (d->state == DELIVERY_READING) {
			run_deliver(d);
		} else {
			d->step.req.result = STORE_UNKNOWN;
			engine_submit(e, &d->step.req);
		}
	}
}

static void add_callback(struct delivery *d, const struct callback_source *src, bool failure)
{
	struct engine *e = d->engine;
	struct msg m = { 0 };
	struct delivery *cb;

	if (!callback_make(&d->arena, src, failure, &m))
		return;
	check(d->moves < SETTLE_MOVES_MAX);
	cb = delivery_new(e);
	/* Not leased by this step: were its answer lost, the repeated settle would be refused, and the lease
	 * with it. The next claim takes it. */
	delivery_prepare_put(cb, &d->move[d->moves], &m);
	d->callback[d->moves++] = cb;
}

static void count_verdict(struct engine_stats *s, enum verdict_kind kind)
{
	if (kind == VERDICT_DELIVERED)
		s->delivered++;
	else if (kind == VERDICT_RETRY)
		s->retried++;
	else
		s->failed++;
}

struct move delivery_settle_move(struct delivery *d, const struct outcome *o, struct verdict v)
{
	static const enum settle_to to[] = {
		[VERDICT_DELIVERED] = SETTLE_DELIVERED,
		[VERDICT_RETRY] = SETTLE_RETRY,
		[VERDICT_DEAD] = SETTLE_DEAD,
	};
	struct engine *e = d->engine;
	int64_t kept_s = d->account ? accounts_plan(e, d->account)->dlq_retention_s : 0;
	struct move move;

	settle_events(scratch(d), &(struct attempt){ &d->msg, d->retried, o, e->now_ms }, v);
	move = (struct move){
		.kind = MOVE_SETTLE,
		.events = keep(d),
		.settle = {
			.user = d->msg.user,
			.id = d->msg.id,
			.lease = d->lease,
			.to = to[v.kind],
			.due_ms = v.at_ms,
			.dlq = { e->now_ms, d->msg.id.seq },
			.dlq_until_ms = kept_s > 0 ? e->now_ms + kept_s * 1000 : 0,
			.bytes = o->sent_bytes,
		},
	};
	if (v.kind == VERDICT_DEAD) {
		buf_reset(&d->response);
		dead_encode(&d->response, o);
		check(!d->response.overflow);
		move.settle.response = buf_str(&d->response);
	}
	return move;
}

/* Is this process busy with the message? */
static void hold(struct delivery *d, bool is)
{
	if (is)
		inhand_take(d->engine->set.inhand, d->msg.user, d->msg.id);
	else
		inhand_drop(d->engine->set.inhand);
}

/* The outcome is known: decide, and put decision, events and callbacks into one step. */
static void decide(struct delivery *d, const struct outcome *o)
{
	struct engine *e = d->engine;
	struct verdict v = settle(&d->msg, d->retried, o, e->now_ms);
	struct callback_source src = {
		.msg = &d->msg,
		.retried = d->retried,
		.outcome = o,
		.verdict = v,
		.now_ms = e->now_ms,
	};

	count_verdict(&e->stats, v.kind);
	if (run_settle(d, o, v))
		return;
	d->moves = 1;
	d->move[0] = delivery_settle_move(d, o, v);
	if (d->account != NULL && !d->account->removed) {
		src.plan = accounts_plan(e, d->account);
		if (v.kind == VERDICT_DEAD)
			src.dlq_id = engine_dlq_id_text(&d->arena, d->move[0].settle.dlq);
		add_callback(d, &src, false);
		add_callback(d, &src, true);
	}
	submit_settle(d);
}

void delivery_settle(struct delivery *d, const struct outcome *o)
{
	struct engine *e = d->engine;

	hold(d, true);
	decide(d, o);
	inhand_drop(e->set.inhand);
}

static void sent(struct courier_req *req)
{
	struct delivery *d = req->arg;

	engine_look(d->engine);
	list_remove(&d->node);
	if (d->lapsed)
		delivery_return(d);
	else
		delivery_settle(d, &req->outcome);
}

static void at_work(struct courier_req *req, bool is)
{
	hold(req->arg, is);
}

/* A process that was held up may have lost its leases meanwhile, and others do what it was about to do. Outcomes that
 * come too late are refused by the store; here it is about not even beginning. So that nobody's clock need be exact,
 * half of the lease is left unused. */
static bool may_begin(struct courier_req *req)
{
	struct delivery *d = req->arg;
	const struct engine *e = d->engine;
	const struct store_info *info = &e->set.store->info;
	int64_t now_ms = e->set.exact_wall_ms != NULL ? e->set.exact_wall_ms() : e->now_ms;

	d->lapsed = info->alive_ms != 0 && now_ms > info->alive_ms + info->lease_ms / 2;
	return !d->lapsed;
}

static struct str signature(struct delivery *d)
{
	struct engine *e = d->engine;

	sign_token(scratch(d), d->account->key,
		   &(struct sign_claims){
			   .sub = d->msg.url,
			   .body = d->msg.body,
			   .now_s = e->now_ms / 1000,
			   .jti = { rng_u64(&e->rng), rng_u64(&e->rng) },
		   });
	return keep(d);
}

/* The key goes to the server that it is for, and nowhere else: a message may have been accepted when api/llm stood
 * for another one. */
static void add_llm_key(struct delivery *d)
{
	const struct engine_settings *set = &d->engine->set;
	struct headers *h = &d->req.header;
	struct header *v;
	size_t n = 0;

	if (d->msg.api.n == 0 || set->llm_key.n == 0 || !str_eq(d->msg.url, set->llm_url))
		return;
	v = arena_array(&d->arena, struct header, h->n + 1);
	for (size_t i = 0; i < h->n; i++) {
		if (!str_ieq(h->v[i].name, STR("Authorization")))
			v[n++] = h->v[i];
	}
	v[n++] = (struct header){ STR("Authorization"),
				  arena_fmt(&d->arena, "Bearer %.*s", STR_FMT(set->llm_key)) };
	*h = (struct headers){ v, n };
}

void delivery_send(struct delivery *d)
{
	struct engine *e = d->engine;
	const struct plan *plan = accounts_plan(e, d->account);

	hold(d, true);
	d->state = DELIVERY_SENDING;
	d->req.method = d->msg.method;
	d->req.url = d->msg.url;
	d->req.body = d->msg.body;
	d->req.header =
		deliver_headers(&d->arena, &d->msg, d->retried, signature(d), e->set.region);
	add_llm_key(d);
	d->req.timeout_ms = d->msg.timeout_ms;
	d->req.answer_bytes_max = (size_t)plan->message_bytes_max;
	if (d->req.answer_bytes_max == 0)
		d->req.answer_bytes_max = 64 * 1024 * 1024;
	d->req.done = sent;
	d->req.may_begin = may_begin;
	d->req.at_work = e->set.inhand != NULL ? at_work : NULL;
	d->req.arg = d;
	list_push(&e->deliveries, &d->node);
	courier_send(e->set.courier, &d->req);
	inhand_drop(e->set.inhand);
}

void delivery_give_up(struct delivery *d, struct str why)
{
	d->msg.retries_max = 0;
	delivery_settle(d, &(struct outcome){ .error = why });
}

static void attempt(struct delivery *d)
{
	if (d->account != NULL && d->account->removed)
		delivery_free(d); /* its row goes with all else that the user had (deletions.c) */
	else if (d->account == NULL)
		delivery_give_up(d, STR("the user of this message is gone"));
	else if (quarantine_has(d->engine, &d->msg))
		delivery_give_up(d, STR("quarantined: processes of this server have died while "
					"they were at work on this message"));
	else if (d->msg.run_role == MSG_STEP)
		run_deliver(d);
	else
		delivery_send(d);
}

void delivery_start(struct delivery *d, int64_t retried, uint64_t lease)
{
	d->retried = retried;
	d->lease = lease;
	count_running(d, true);
	delivery_count_bytes(d, d->record.n);
	attempt(d);
}

void delivery_wait(struct delivery *d, int64_t retried, uint64_t lease)
{
	d->retried = retried;
	d->lease = lease;
	count_running(d, true);
	delivery_count_bytes(d, d->record.n);
	list_push(&d->engine->strangers, &d->node);
}

void delivery_meet(struct engine *e, bool all)
{
	struct list *it, *tmp;

	list_each(it, tmp, &e->strangers) {
		struct delivery *d = list_entry(it, struct delivery, node);

		d->account = engine_account(e, d->msg.user);
		if (d->account == NULL && !all)
			continue;
		list_remove(it);
		delivery_start(d, d->retried, d->lease);
	}
}

void delivery_return(struct delivery *d)
{
	d->moves = 1;
	d->move[0] = (struct move){
		.kind = MOVE_SETTLE,
		.settle = {
			.user = d->msg.user,
			.id = d->msg.id,
			.lease = d->lease,
			.to = SETTLE_HANDBACK,
		},
	};
	submit_settle(d);
}

void delivery_hand_back(struct delivery *d)
{
	courier_cancel(d->engine->set.courier, &d->req);
	list_remove(&d->node);
	delivery_return(d);
}
