#include "load.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"

enum load_kind { LOAD_USER, LOAD_PUBLISH, LOAD_CANCEL, LOAD_DLQ };
enum { ITEMS_MAX = 4 };

/* Something asked of an engine, until it answers or dies. */
struct load_op {
	struct list node; /* in proc.ops */
	struct proc *proc;
	enum load_kind kind;
	struct arena arena;
	int user;
	int tag[ITEMS_MAX];
	struct msg_id id;
	struct dlq_id dlq_id;
	union {
		struct account_op account;
		struct publish publish;
		struct message_cancel cancel;
		struct dlq_op dlq;
	};
};

static struct load_op *op_new(struct proc *p, enum load_kind kind, int user)
{
	struct load_op *op = xcalloc(1, sizeof(*op));

	op->proc = p;
	op->kind = kind;
	op->user = user;
	arena_init(&op->arena);
	list_push(&p->ops, &op->node);
	p->turn_at_ms = p->world->now_ms;
	return op;
}

static void op_free(struct load_op *op)
{
	list_remove(&op->node);
	arena_done(&op->arena);
	if (op->kind == LOAD_DLQ)
		arena_done(&op->dlq.arena);
	free(op);
}

static struct str user_name(struct arena *a, int user)
{
	return arena_fmt(a, "user%d", user);
}

static struct account *account_of(struct load_op *op)
{
	struct account *a = engine_account(op->proc->engine, user_name(&op->arena, op->user));

	check(a != NULL);
	return a;
}

/* Was there anything lately that excuses an engine for saying that the store is not there? */
static bool faults(const struct load_op *op)
{
	return !world_is_calm(op->proc->world);
}

/* ---- users -------------------------------------------------------------------------------------------- */

static void user_made(struct account_op *a)
{
	struct load_op *op = a->arg;

	if (a->problem.status != 0)
		judge_fail(op->proc->world->judge, "a user cannot be made: %s", a->problem.text);
	op_free(op);
}

void load_users(struct world *w, struct proc *p)
{
	for (int u = 0; u < w->users; u++) {
		struct load_op *op = op_new(p, LOAD_USER, u);
		struct user user = {
			.id = user_name(&op->arena, u),
			.token = arena_fmt(&op->arena, "token%d", u),
			.key_current = STR("sig_one"),
			.key_next = STR("sig_two"),
			.plan = STR("free"),
			.created_ms = world_wall_ms(w),
		};

		op->account.done = user_made;
		op->account.arg = op;
		engine_account_ensure(p->engine, &user, &op->account);
	}
}

/* ---- publishing --------------------------------------------------------------------------------------- */

static void published(struct publish *pub)
{
	struct load_op *op = pub->arg;
	struct world *w = op->proc->world;

	for (size_t i = 0; i < pub->n; i++) {
		const struct publish_item *item = &pub->item[i];

		world_note(w, "t%d %s (status %d, %" PRIx64 ")", op->tag[i],
			   item->duplicate ? "is a duplicate" : "answered", item->problem.status,
			   item->id.seq);
		judge_answered(w->judge, &(struct judge_answer){
						 .tag = op->tag[i],
						 .status = item->problem.status,
						 .duplicate = item->duplicate,
						 .id = item->id,
						 .faults = faults(op),
					 });
	}
	op_free(op);
}

static struct str any_url(struct load_op *op)
{
	return arena_fmt(&op->arena, "http://e%d.test/x",
			 (int)rng_below(&op->proc->world->rng, WORLD_ENDPOINTS));
}

static void any_gates(struct load_op *op, struct msg *m)
{
	struct world *w = op->proc->world;
	int key = (int)rng_below(&w->rng, 3);

	if (world_one_in(w, 3)) {
		m->queue = arena_fmt(&op->arena, "q%d", (int)rng_below(&w->rng, 2));
	} else if (world_one_in(w, 3)) {
		m->flow_key = arena_fmt(&op->arena, "f%d", key);
		m->flow_parallelism = w->flow_parallelism[key];
		m->flow_period_s = 1;
		if (key != 0) {
			m->flow_rate = world_between(w, 1, 4);
			m->flow_period_s = world_between(w, 1, 8);
		}
	}
}

static void any_msg(struct load_op *op, struct msg *m, int tag)
{
	static const struct str delay[] = {
		{ "1000", 4 },
		{ "pow(2, retried) * 1000", 22 },
		{ "max(3000, retried * 7000)", 25 },
	};
	struct world *w = op->proc->world;
	int64_t wall_ms = world_wall_ms(w) + op->proc->skew_ms;

	*m = (struct msg){
		.user = user_name(&op->arena, op->user),
		.url = any_url(op),
		.method = STR("POST"),
		.body = arena_fmt(&op->arena, "t%d", tag),
		.created_ms = wall_ms,
		.not_before_ms =
			wall_ms + (world_one_in(w, 3) ? world_between(w, 1, 90) * 1000 : 0),
		.timeout_ms = world_between(w, 1, 25) * 1000,
		.retries_max = world_between(w, 0, 3),
	};
	if (m->retries_max < 3 && world_one_in(w, 3))
		m->retries_max = world_between(w, 0, 2);
	else
		m->retry_delay = delay[rng_below(&w->rng, countof(delay))];
	if (world_one_in(w, 4))
		m->callback = any_url(op);
	if (world_one_in(w, 4))
		m->failure_callback = any_url(op);
	any_gates(op, m);
}

static void publish(struct proc *p)
{
	struct world *w = p->world;
	struct load_op *op = op_new(p, LOAD_PUBLISH, (int)rng_below(&w->rng, (uint64_t)w->users));
	size_t n = world_one_in(w, 4) ? (size_t)world_between(w, 2, ITEMS_MAX) : 1;

	op->publish = (struct publish){
		.account = account_of(op),
		.item = arena_array(&op->arena, struct publish_item, n),
		.n = n,
		.done = published,
		.arg = op,
	};
	for (size_t i = 0; i < n; i++) {
		struct publish_item *item = &op->publish.item[i];
		int dedup = world_one_in(w, 8) ? (int)rng_below(&w->rng, JUDGE_NAMES) : -1;

		op->tag[i] = judge_asked(w->judge, op->user, dedup);
		any_msg(op, &item->msg, op->tag[i]);
		if (dedup >= 0 && w->broken != BREAK_DEDUP)
			item->dedup_key = arena_fmt(&op->arena, "d%d", dedup);
		world_note(w, "p%d is asked to publish t%d of user%d to %.*s%s%.*s%s%.*s", p->slot,
			   op->tag[i], op->user, STR_FMT(item->msg.url),
			   item->msg.queue.n ? " queue " : "", STR_FMT(item->msg.queue),
			   item->msg.flow_key.n ? " key " : "", STR_FMT(item->msg.flow_key));
		w->to_publish--;
	}
	engine_publish(p->engine, &op->publish);
}

/* ---- cancelling --------------------------------------------------------------------------------------- */

static void cancelled(struct message_cancel *c)
{
	struct load_op *op = c->arg;
	struct world *w = op->proc->world;

	if (c->problem.status != 0 && !faults(op))
		judge_fail(w->judge, "a cancel failed: %s", c->problem.text);
	judge_cancel_answered(w->judge, op->id, c->problem.status, c->cancelled);
	op_free(op);
}

static void cancel(struct proc *p)
{
	struct world *w = p->world;
	struct load_op *op;
	struct msg_id id;
	int user;

	if (!judge_pick_pending(w->judge, rng_u64(&w->rng), &user, &id))
		return;
	op = op_new(p, LOAD_CANCEL, user);
	op->id = id;
	op->cancel = (struct message_cancel){
		.account = account_of(op),
		.ids = &op->id,
		.ids_n = 1,
		.done = cancelled,
		.arg = op,
	};
	world_note(w, "p%d is asked to cancel %" PRIx64, p->slot, id.seq);
	judge_cancel_asked(w->judge, id);
	engine_message_cancel(p->engine, &op->cancel);
}

/* ---- the dead letter queue ---------------------------------------------------------------------------- */

static void dlq_done(struct dlq_op *d)
{
	struct load_op *op = d->arg;
	struct judge *j = op->proc->world->judge;

	if (d->problem.status != 0) {
		if (!faults(op))
			judge_fail(j, "work on the dead letter queue failed: %s", d->problem.text);
		judge_dlq_unsure(j, op->user, d->ids_n > 0 ? &op->dlq_id : NULL);
	}
	for (size_t i = 0; i < d->n; i++) {
		if (d->what == DLQ_DELETE)
			judge_dlq_deleted(j, op->user, d->found[i].id);
		else if (!faults(op))
			judge_dlq_retried(j, d->found[i].id, d->found[i].new_id);
	}
	judge_dlq_deleting(j, op->user, d->what == DLQ_DELETE ? -1 : 0);
	op_free(op);
}

static void dlq(struct proc *p)
{
	struct world *w = p->world;
	bool group = world_one_in(w, 6);
	struct load_op *op;
	struct dlq_id id;
	int user;

	if (!judge_pick_dead(w->judge, rng_u64(&w->rng), &user, &id))
		return;
	op = op_new(p, LOAD_DLQ, user);
	op->dlq_id = id;
	op->dlq = (struct dlq_op){
		.account = account_of(op),
		.what = world_one_in(w, 3) ? DLQ_DELETE : DLQ_RETRY,
		.ids = &op->dlq_id,
		.ids_n = group ? 0 : 1,
		.max = world_between(w, 1, 20),
		.descending = world_one_in(w, 2),
		.done = dlq_done,
		.arg = op,
	};
	arena_init(&op->dlq.arena);
	world_note(w, "p%d is asked to %s dead letters of user%d", p->slot,
		   op->dlq.what == DLQ_DELETE ? "delete" : "retry", user);
	judge_dlq_asked(w->judge, user, group ? NULL : &id);
	judge_dlq_deleting(w->judge, user, op->dlq.what == DLQ_DELETE ? 1 : 0);
	engine_dlq(p->engine, &op->dlq);
}

void load_turn(struct world *w, struct proc *p)
{
	uint64_t dice = rng_below(&w->rng, 20);

	if (dice == 0)
		cancel(p);
	else if (dice <= 2)
		dlq(p);
	else
		publish(p);
}

void load_forget(struct proc *p)
{
	struct list *node;

	while (!list_is_empty(&p->ops)) {
		struct load_op *op;

		node = p->ops.next;
		op = list_entry(node, struct load_op, node);
		if (op->kind == LOAD_DLQ) {
			struct judge *j = p->world->judge;

			judge_dlq_unsure(j, op->user, op->dlq.ids_n > 0 ? &op->dlq_id : NULL);
			judge_dlq_deleting(j, op->user, op->dlq.what == DLQ_DELETE ? -1 : 0);
		}
		op_free(op);
	}
}
