/* load_act.c - cancels, one or many; deletes of queues; retries and deletes of dead letters.
 */
#include <inttypes.h>

#include "base/check.h"
#include "load_int.h"

/* ---- one ---------------------------------------------------------------------------------------------- */

static void problem_look(struct load_op *op, const struct problem *p, const char *what)
{
	if (p->status != 0 && !load_faults(op))
		judge_fail(op->proc->world->judge, "%s failed: %s", what, p->text);
}

static void cancelled(struct message_cancel *c)
{
	struct load_op *op = c->arg;

	problem_look(op, &c->problem, "a cancel");
	judge_cancel_answered(op->proc->world->judge, op->id, c->problem.status, c->cancelled);
	load_free(op);
}

void load_cancel(struct proc *p)
{
	struct world *w = p->world;
	struct load_op *op;
	struct msg_id id;
	int user;

	if (!judge_pick_pending(w->judge, rng_u64(&w->rng), &user, &id))
		return;
	op = load_new(p, LOAD_CANCEL, user);
	op->id = id;
	op->cancel = (struct message_cancel){
		.account = load_account(op),
		.ids = &op->id,
		.ids_n = 1,
		.done = cancelled,
		.arg = op,
	};
	world_note(w, "p%d is asked to cancel %" PRIx64, p->slot, id.seq);
	judge_cancel_asked(w->judge, id);
	engine_message_cancel(p->engine, &op->cancel);
}

/* ---- many --------------------------------------------------------------------------------------------- */

static void bulk_cancelled(struct bulk_cancel *c)
{
	struct load_op *op = c->arg;

	problem_look(op, &c->problem, "a bulk cancel");
	world_note(op->proc->world, "a bulk cancel is answered: status %d, %" PRId64 " cancelled",
		   c->problem.status, c->cancelled);
	judge_bulk_answered(op->proc->world->judge, op->bulk, c->problem.status, c->cancelled);
	load_free(op);
}

static void want(struct load_op *op, enum filter_field field, const char *fmt, int n)
{
	struct str *v = arena_new(&op->arena, struct str);

	*v = arena_fmt(&op->arena, "%s%d", fmt, n);
	op->filter.field[field] = (struct filter_values){ v, 1 };
}

void load_bulk(struct proc *p)
{
	struct world *w = p->world;
	struct load_op *op = load_new(p, LOAD_BULK, load_any_user(w));
	struct judge_bulk b = { op->user, -1, -1, -1, -1, false };
	int64_t dice = world_between(w, 0, 8);

	op->filter =
		(struct filter){ .use = FILTER_CANCEL, .from_ms = INT64_MIN, .to_ms = INT64_MAX };
	if (dice <= 2)
		want(op, FILTER_QUEUE, "q", b.queue = (int)rng_below(&w->rng, 2));
	if (dice == 2 || dice == 3 || dice == 4)
		want(op, FILTER_FLOW_KEY, "f", b.flow = (int)rng_below(&w->rng, 3));
	if (dice == 5 || dice == 6)
		want(op, FILTER_SCHEDULE, "s", b.schedule = (int)rng_below(&w->rng, 3));
	if (dice == 7)
		want(op, FILTER_TOPIC, "g", b.group = (int)rng_below(&w->rng, 2));
	op->bulk_cancel = (struct bulk_cancel){
		.account = load_account(op),
		.filter = &op->filter,
		.max = w->broken == BREAK_LEFT ? 1 : 0,
		.wait_ms = INT64_MAX,
		.done = bulk_cancelled,
		.arg = op,
	};
	world_note(w,
		   "p%d is asked to cancel all of user%d, queue %d, key %d, schedule %d, group %d",
		   p->slot, b.user, b.queue, b.flow, b.schedule, b.group);
	op->bulk = judge_bulk_asked(w->judge, &b);
	engine_bulk_cancel(p->engine, &op->bulk_cancel);
}

static void queue_deleted(struct queue_delete *d)
{
	struct load_op *op = d->arg;
	struct judge *j = op->proc->world->judge;

	problem_look(op, &d->problem, "the delete of a queue");
	judge_bulk_answered(j, op->bulk, d->problem.status,
			    d->has_messages ? d->cancel.cancelled : 0);
	load_free(op);
}

void load_queue_delete(struct proc *p)
{
	struct world *w = p->world;
	struct load_op *op = load_new(p, LOAD_QUEUE_DELETE, load_any_user(w));
	struct judge_bulk b = { op->user, (int)rng_below(&w->rng, 2), -1, -1, -1, true };

	/* The queue that messages are diverted to would not be meant. */
	if (w->broken == BREAK_ORDER) {
		load_free(op);
		return;
	}
	op->queue_delete = (struct queue_delete){
		.account = load_account(op),
		.name = arena_fmt(&op->arena, "q%d", b.queue),
		.done = queue_deleted,
		.arg = op,
	};
	world_note(w, "p%d is asked to delete queue q%d of user%d", p->slot, b.queue, b.user);
	op->bulk = judge_bulk_asked(w->judge, &b);
	engine_queue_delete(p->engine, &op->queue_delete);
}

/* ---- the dead letter queue ---------------------------------------------------------------------------- */

static void dlq_done(struct dlq_op *d)
{
	struct load_op *op = d->arg;
	enum world_break broken = op->proc->world->broken;
	struct judge *j = op->proc->world->judge;

	problem_look(op, &d->problem, "work on the dead letter queue");
	for (size_t i = 0; i < d->n; i++)
		judge_dlq_told(j, &op->dead, &d->found[i]);
	if (broken == BREAK_TOLD && d->n > 0)
		judge_dlq_told(j, &op->dead, &d->found[0]);
	judge_dlq_answered(j, &op->dead, d->problem.status, (int64_t)d->n,
			   !d->more || broken == BREAK_DEAD_LEFT);
	load_free(op);
}

void load_dlq(struct proc *p)
{
	struct world *w = p->world;
	bool group = world_one_in(w, 4);
	struct load_op *op;
	struct dlq_id id;
	int user;

	if (!judge_pick_dead(w->judge, rng_u64(&w->rng), &user, &id))
		return;
	op = load_new(p, LOAD_DLQ, user);
	op->dlq_id = id;
	op->dlq = (struct dlq_op){
		.account = load_account(op),
		.what = world_one_in(w, 3) ? DLQ_DELETE : DLQ_RETRY,
		.ids = &op->dlq_id,
		.ids_n = group ? 0 : 1,
		.max = world_between(w, 1, 20),
		.descending = world_one_in(w, 2),
		.done = dlq_done,
		.arg = op,
	};
	arena_init(&op->dlq.arena);
	world_note(w, "p%d is asked to %s dead letter %" PRIx64 "%s of user%d", p->slot,
		   op->dlq.what == DLQ_DELETE ? "delete" : "retry", id.seq,
		   group ? " and all others" : "", user);
	op->dead = (struct judge_dlq){
		.user = user,
		.retry = op->dlq.what == DLQ_RETRY,
		.id = group ? NULL : &op->dlq_id,
	};
	judge_dlq_asked(w->judge, &op->dead);
	engine_dlq(p->engine, &op->dlq);
}
