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

static void put_done(struct store_req *req)
{
	struct step *s = container_of(req, struct step, req);
	struct delivery *d = req->arg;
	struct engine *e = d->engine;
	struct publish_item *item = d->item;
	struct publish *p = item->owner;
	struct move *put = &d->move[d->moves - 1];
	size_t bytes = put->put.record.n;
	bool applied;

	engine_answered(e);
	/* Once an answer is lost, only a clear one tells what became of the put, and of its lease. */
	if (req->result == STORE_UNKNOWN || (d->asked_again && req->result == STORE_UNAVAILABLE)) {
		d->asked_again = true;
		delivery_ask_again(d);
		return;
	}
	e->putting -= put->put.want_lease;
	p->pending--;
	p->pending_bytes -= bytes;
	if (req->result == STORE_REFUSED && s->refusal == REFUSAL_ID) {
		/* Another process has taken this number: again, with the next one. */
		delivery_free(d);
		put_item(e, p, item);
		return;
	}
	/* Refused only because the lost answer was a yes. */
	applied = req->result == STORE_APPLIED ||
		  (d->asked_again && item->from_dlq && s->refused_move == 0 &&
		   s->refusal == REFUSAL_NOT_FOUND);
	item->used_messages = put->put.used_messages;
	item->used_bytes = put->put.used_bytes;
	if (d->account != NULL)
		usage_notice(e, d->account, put);
	if (applied)
		item->id = d->msg.id;
	else
		item_refused(item, s, put);
	d->item = NULL;
	item->delivery = NULL;
	if (applied) {
		e->stats.published++;
		if (put->put.leased)
			delivery_start(d, 0, put->put.lease);
		else if (d->msg.not_before_ms <= e->now_ms)
			e->claim_wanted = true;
		else
			engine_expect(e, d->msg.not_before_ms);
	}
	if (!applied || !put->put.leased)
		delivery_free(d);
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
