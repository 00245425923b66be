/* publish.c - new messages into the store; each item is a step of its own, so one refusal does not sink
 * the others.
 */
#include "base/check.h"
#include "core/limits.h"
#include "engine/engine_int.h"

static void item_refused(struct publish_item *item, const struct step *s, const struct move *put)
{
	if (s->req.result == STORE_REFUSED && s->refusal == REFUSAL_DUPLICATE) {
		item->duplicate = true;
		item->id = put->put.existing;
	} else {
		engine_put_problem(&item->problem, s, put);
	}
}

static void put_item(struct engine *e, struct publish *p, struct publish_item *item);
static void hand_over(struct engine *e, struct publish *p);

static void let_item_go(struct delivery *d, const struct move *put)
{
	struct publish *p = d->item->owner;

	p->pending--;
	p->pending_bytes -= put->put.record.n;
	d->item->delivery = NULL;
	d->item = NULL;
}

static void answer_item(struct delivery *d, struct move *put)
{
	struct publish_item *item = d->item;

	item->used_messages = put->put.used_messages;
	item->used_bytes = put->put.used_bytes;
	if (d->account != NULL)
		usage_notice(d->engine, d->account, put);
	if (d->step.req.result == STORE_APPLIED)
		item->id = d->msg.id;
	else
		item_refused(item, &d->step, put);
}

/* Nobody shall wait for as long as a database is away. What became of the message, and of its lease, is found out all
 * the same. */
static void leave_in_doubt(struct delivery *d, const struct move *put)
{
	struct publish_item *item = d->item;
	struct publish *p = item->owner;

	problem_set(&item->problem, 503,
		    "the store is not available now, and whether it has taken the message is not "
		    "known; "
		    "try again");
	let_item_go(d, put);
	hand_over(d->engine, p);
	if (p->pending == 0)
		p->done(p);
}

/* It is sent if it was leased. */
static void go_on_after_put(struct delivery *d, const struct move *put)
{
	struct engine *e = d->engine;

	if (d->step.req.result == STORE_APPLIED) {
		e->stats.published++;
		if (put->put.leased) {
			delivery_start(d, 0, put->put.lease);
			return;
		}
		if (d->msg.not_before_ms <= e->now_ms)
			e->claim_wanted = true;
		else
			engine_expect(e, d->msg.not_before_ms);
	}
	delivery_free(d);
}

static void put_done(struct store_req *req)
{
	struct step *s = container_of(req, struct step, req);
	struct delivery *d = req->arg;
	struct engine *e = d->engine;
	struct publish_item *item = d->item;
	struct publish *p = item != NULL ? item->owner : NULL;
	struct move *put = &d->move[d->moves - 1];

	engine_answered(e);
	/* Once an answer is lost, only a clear one tells what became of the put, and of its lease. */
	if (req->result == STORE_UNKNOWN || (d->asked_again && req->result == STORE_UNAVAILABLE)) {
		if (!d->asked_again)
			d->doubt_mono_ms = e->mono_ms;
		d->asked_again = true;
		delivery_ask_again(d);
		if (item != NULL && e->mono_ms >= d->doubt_mono_ms + DOUBT_MS_MAX)
			leave_in_doubt(d, put);
		return;
	}
	e->putting -= put->put.want_lease;
	if (item != NULL && req->result == STORE_REFUSED && s->refusal == REFUSAL_ID) {
		/* Another process has taken this number: again, with the next one. */
		let_item_go(d, put);
		delivery_free(d);
		put_item(e, p, item);
		return;
	}
	if (item != NULL) {
		answer_item(d, put);
		let_item_go(d, put);
	}
	go_on_after_put(d, put);
	if (p == NULL)
		return;
	hand_over(e, p);
	if (p->pending == 0)
		p->done(p);
}

static void put_item(struct engine *e, struct publish *p, struct publish_item *item)
{
	struct delivery *d = delivery_new(e);
	struct move *put;

	d->item = item;
	item->owner = p;
	item->delivery = d;
	if (item->from_dlq)
		d->move[d->moves++] = (struct move){
			.kind = MOVE_DLQ_REMOVE,
			.dlq_remove = { item->msg.user, item->dlq },
		};
	put = &d->move[d->moves++];
	delivery_prepare_put(d, put, &item->msg);
	if (item->dedup_key.n > 0) {
		put->put.dedup_key = arena_str(&d->arena, item->dedup_key);
		put->put.dedup_until_ms = e->now_ms + LIMIT_DEDUP_WINDOW_MS;
	}
	if (d->account != NULL)
		usage_limit(e, d->account, put);
	/* A retry of a dead letter is left to the next claim: see add_callback in delivery.c. */
	put->put.want_lease = !item->from_dlq && delivery_has_room(e);
	e->putting += put->put.want_lease;
	d->asked_again = false;
	p->pending++;
	p->pending_bytes += put->put.record.n;
	step_init(&d->step, d->move, d->moves, put_done, d);
	engine_submit(e, &d->step.req);
}

/* A message to a group with many endpoints is one body and many records, which are not all made at once. */
static void hand_over(struct engine *e, struct publish *p)
{
	while (p->next < p->n && p->pending_bytes < PUBLISH_BYTES_MAX)
		put_item(e, p, &p->item[p->next++]);
}

void engine_publish(struct engine *e, struct publish *p)
{
	check(p->n > 0);
	engine_look(e);
	p->next = p->pending = p->pending_bytes = 0;
	hand_over(e, p);
}
