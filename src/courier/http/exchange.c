#include "base/check.h"
#include "courier/http/http_int.h"

/* A request that is with the other courier. Its arena is the copy's for so long. */
struct foreign {
	struct courier_req req;
	struct exchange *x;
};

static void finish(struct exchange *x)
{
	struct http_courier *c = x->courier;

	list_remove(&x->node);
	timers_stop(&c->timers, &x->deadline);
	reply_done(&x->reply);
	x->state = EXCHANGE_FINISHED;
	x->wire = NULL;
	x->req->outcome.duration_ms = c->now_ms - x->start_ms;
	list_push(&c->finished, &x->node);
}

void exchange_answered(struct exchange *x)
{
	struct outcome *o = &x->req->outcome;

	check(x->state == EXCHANGE_RUNNING);
	o->status = x->reply.status;
	o->header = x->reply.header;
	o->body = body_str(&x->reply.body);
	o->body_cut = x->reply.body.is_cut;
	finish(x);
}

void exchange_failed(struct exchange *x, struct failure f)
{
	check(x->state == EXCHANGE_WAITING || x->state == EXCHANGE_RUNNING);
	f.dest = x->origin->name;
	f.status = x->reply.status;
	f.body_bytes = x->reply.body.n;
	if (f.text == NULL)
		f.text = "";
	x->req->outcome.error = words_for(&x->req->arena, &f);
	finish(x);
}

void exchange_refused(struct exchange *x, struct str error)
{
	x->req->outcome.error = error;
	finish(x);
}

static enum phase phase_of(const struct exchange *x)
{
	const struct origin *o = x->origin;

	if (x->state == EXCHANGE_RUNNING)
		return x->reply.has_begun ? PHASE_READING : PHASE_WAITING;
	if (o->dials_n == 0)
		return PHASE_QUEUED;
	return o->lookup == LOOKUP_RUNNING ? PHASE_RESOLVING : PHASE_CONNECTING;
}

static void on_deadline(struct timer *t)
{
	struct exchange *x = container_of(t, struct exchange, deadline);
	struct failure f = { .cause = CAUSE_TIME,
			     .phase = phase_of(x),
			     .limit_ms = x->req->timeout_ms };
	struct origin *o = x->origin;

	if (x->state == EXCHANGE_RUNNING) {
		f.address = address_text(&x->req->arena, &x->wire->address);
		wire_close(x->wire);
	} else {
		if (o->dials_n > 0)
			f.address =
				address_text(&x->req->arena,
					     &list_entry(o->dials.next, struct dial, node)->tried);
		origin_leave(x);
	}
	exchange_failed(x, f);
	origin_give_up(o);
	origin_pump(o);
}

void exchange_start_deadline(struct exchange *x)
{
	x->deadline.fire = on_deadline;
	timers_set(&x->courier->timers, &x->deadline, x->start_ms + x->req->timeout_ms);
}

static void on_foreign_done(struct courier_req *req)
{
	struct foreign *f = container_of(req, struct foreign, req);
	struct exchange *x = f->x;

	x->req->arena = req->arena;
	x->req->outcome = req->outcome;
	http_courier_read_clock(x->courier);
	finish(x);
	http_courier_settle(x->courier);
}

void exchange_hand_over(struct exchange *x)
{
	struct http_courier *c = x->courier;
	char why[200];
	struct courier *other = http_courier_other(c, why);
	struct foreign *f = arena_new(&x->req->arena, struct foreign);
	int64_t left_ms = x->start_ms + x->req->timeout_ms - c->now_ms;

	check(x->state == EXCHANGE_WAITING && list_is_empty(&x->node));

	if (other == NULL) {
		exchange_refused(x, arena_fmt(&x->req->arena, "the request was not sent: %s", why));
		return;
	}
	timers_stop(&c->timers, &x->deadline);
	f->req = *x->req;
	f->req.timeout_ms = left_ms > 1 ? left_ms : 1;
	f->req.done = on_foreign_done;
	f->x = x;
	x->foreign = f;
	x->state = EXCHANGE_FOREIGN;
	list_push(&c->foreign, &x->node);
	courier_send(other, &f->req);
}

void exchange_cancel(struct exchange *x)
{
	struct origin *o = x->origin;

	timers_stop(&x->courier->timers, &x->deadline);
	switch (x->state) {
	case EXCHANGE_WAITING:
		origin_leave(x);
		break;
	case EXCHANGE_RUNNING:
		wire_close(x->wire);
		break;
	case EXCHANGE_FOREIGN:
		courier_cancel(x->courier->other, &x->foreign->req);
		x->req->arena = x->foreign->req.arena;
		break;
	case EXCHANGE_FINISHED:
		break;
	}
	list_remove(&x->node);
	reply_done(&x->reply);
	if (x->state == EXCHANGE_WAITING)
		origin_give_up(o);
}
