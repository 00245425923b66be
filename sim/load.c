#include "load_int.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "judge_flow.h"

struct load_op *load_new(struct proc *p, enum load_kind kind, int user)
{
	struct load_op *op = xcalloc(1, sizeof(*op));

	op->proc = p;
	op->kind = kind;
	op->user = user;
	op->asked_ms = p->world->now_ms;
	arena_init(&op->arena);
	list_push(&p->ops, &op->node);
	p->turn_at_ms = p->world->now_ms;
	return op;
}

void load_free(struct load_op *op)
{
	list_remove(&op->node);
	arena_done(&op->arena);
	if (op->kind == LOAD_DLQ)
		arena_done(&op->dlq.arena);
	free(op);
}

struct str load_user(struct arena *a, int user)
{
	return user == LOAD_FLOWS ? JUDGE_FLOW_USER : arena_fmt(a, "user%d", user);
}

struct account *load_account(struct load_op *op)
{
	struct account *a = engine_account(op->proc->engine, load_user(&op->arena, op->user));

	check(a != NULL);
	return a;
}

bool load_faults(const struct load_op *op)
{
	return !world_is_calm(op->proc->world);
}

int load_any_user(struct world *w)
{
	return (int)rng_below(&w->rng, (uint64_t)w->users);
}

/* ---- users -------------------------------------------------------------------------------------------- */

static void user_made(struct account_op *a)
{
	struct load_op *op = a->arg;

	if (a->problem.status != 0)
		judge_fail(op->proc->world->judge, "a user cannot be made: %s", a->problem.text);
	load_free(op);
}

void load_users(struct world *w, struct proc *p)
{
	for (int u = LOAD_FLOWS; u < w->users; u++) {
		struct load_op *op = load_new(p, LOAD_USER, u);
		struct user user = {
			.id = load_user(&op->arena, u),
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
						 .faults = load_faults(op),
					 });
	}
	load_free(op);
}

struct str load_any_url(struct load_op *op)
{
	return arena_fmt(&op->arena, "http://e%d.test/x",
			 (int)rng_below(&op->proc->world->rng, WORLD_ENDPOINTS));
}

static void any_gates(struct load_op *op, struct msg *m)
{
	struct world *w = op->proc->world;
	int key = (int)rng_below(&w->rng, 3);

	if (world_one_in(w, 3))
		m->queue = arena_fmt(&op->arena, "q%d", (int)rng_below(&w->rng, 2));
	else if (!world_one_in(w, 3))
		return;
	/* Some have both. */
	if (m->queue.n > 0 && !world_one_in(w, 6))
		return;
	m->flow_key = arena_fmt(&op->arena, "f%d", key);
	m->flow_parallelism =
		world_one_in(w, 8) ? world_between(w, 0, 3) : w->flow_parallelism[key];
	m->flow_period_s = 1;
	if (key != 0) {
		m->flow_rate = world_between(w, 1, 4);
		m->flow_period_s = world_between(w, 1, 8);
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
		.user = load_user(&op->arena, op->user),
		.url = load_any_url(op),
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
		m->callback = load_any_url(op);
	if (world_one_in(w, 4))
		m->failure_callback = load_any_url(op);
	any_gates(op, m);
}

/* One item of a publish; its destination may be overruled. */
static void item_make(struct load_op *op, size_t i, struct str url)
{
	struct publish_item *item = &op->publish.item[i];
	struct world *w = op->proc->world;
	int dedup = world_one_in(w, 8) ? (int)rng_below(&w->rng, JUDGE_NAMES) : -1;

	op->tag[i] = judge_asked(w->judge, op->user, dedup);
	any_msg(op, &item->msg, op->tag[i]);
	if (url.n > 0)
		item->msg.url = url;
	if (dedup >= 0 && w->broken != BREAK_DEDUP)
		item->dedup_key = arena_fmt(&op->arena, "d%d", dedup);
	world_note(w, "p%d is asked to publish t%d of user%d to %.*s%s%.*s%s%.*s", op->proc->slot,
		   op->tag[i], op->user, STR_FMT(item->msg.url), item->msg.queue.n ? " queue " : "",
		   STR_FMT(item->msg.queue), item->msg.flow_key.n ? " key " : "",
		   STR_FMT(item->msg.flow_key));
	w->to_publish--;
}

static void items_make(struct load_op *op, size_t n)
{
	op->publish = (struct publish){
		.account = load_account(op),
		.item = arena_array(&op->arena, struct publish_item, n),
		.n = n,
		.done = published,
		.arg = op,
	};
}

static void publish(struct proc *p)
{
	struct world *w = p->world;
	struct load_op *op = load_new(p, LOAD_PUBLISH, load_any_user(w));
	size_t n = world_one_in(w, 4) ? (size_t)world_between(w, 2, 4) : 1;

	items_make(op, n);
	for (size_t i = 0; i < n; i++)
		item_make(op, i, STR_NULL);
	engine_publish(p->engine, &op->publish);
}

/* ---- publishing to a group ---------------------------------------------------------------------------- */

/* As the API does it: the group as it is found, a message for each endpoint. */
static void group_found(struct groups_find *find)
{
	struct load_op *op = find->arg, *pub;
	const struct group *g = &op->group.group;
	struct proc *p = op->proc;
	struct judge *j = p->world->judge;

	if (find->problem.status != 0) {
		if (!load_faults(op))
			judge_fail(j, "a group cannot be looked at: %s", find->problem.text);
		load_free(op);
		return;
	}
	judge_group_seen(j, op->thing, op->group.exists ? load_endpoints(g) : 0, op->asked_ms);
	if (op->group.exists && !p->stopping) {
		pub = load_new(p, LOAD_PUBLISH, op->user);
		items_make(pub, g->n);
		for (size_t i = 0; i < g->n; i++) {
			item_make(pub, i, arena_str(&pub->arena, g->endpoint[i].url));
			pub->publish.item[i].msg.topic = arena_fmt(&pub->arena, "g%d", op->thing.n);
		}
		engine_publish(p->engine, &pub->publish);
	}
	load_free(op);
}

static void publish_to_group(struct proc *p)
{
	struct load_op *op = load_new(p, LOAD_FIND, load_any_user(p->world));

	op->thing =
		(struct judge_thing){ JUDGE_GROUP, op->user, (int)rng_below(&p->world->rng, 2) };
	op->group.name = arena_fmt(&op->arena, "g%d", op->thing.n);
	op->find = (struct groups_find){
		.account = load_account(op),
		.one = &op->group,
		.n = 1,
		.arena = &op->arena,
		.done = group_found,
		.arg = op,
	};
	engine_groups_find(p->engine, &op->find);
}

/* ---- taking turns ------------------------------------------------------------------------------------- */

void load_turn(struct world *w, struct proc *p)
{
	static void (*const rare[])(struct proc *p) = {
		load_gate,     load_gate,     load_gate,  load_gate,
		load_group,    load_group,    load_group, load_schedule,
		load_schedule, load_schedule, load_bulk,  load_queue_delete,
	};
	uint64_t dice = rng_below(&w->rng, 24);

	if (dice == 0)
		load_cancel(p);
	else if (dice <= 3)
		load_dlq(p);
	else if (dice <= 9)
		rare[rng_below(&w->rng, countof(rare))](p);
	else if (dice == 10)
		publish_to_group(p);
	else
		publish(p);
}

/* What was asked for may have been done or not. */
static void forget(struct load_op *op)
{
	struct judge *j = op->proc->world->judge;

	if (op->kind == LOAD_CANCEL)
		judge_cancel_answered(j, op->id, -1, 0);
	else if (op->kind == LOAD_BULK || op->kind == LOAD_QUEUE_DELETE)
		judge_bulk_answered(j, op->bulk, -1, 0);
	else if (op->kind == LOAD_DLQ)
		judge_dlq_answered(j, &op->dead, -1, 0, false);
	else if (op->kind == LOAD_SDK)
		op->lost(op);
	load_free(op);
}

void load_forget(struct proc *p)
{
	while (!list_is_empty(&p->ops)) {
		struct list *node = p->ops.next;

		forget(list_entry(node, struct load_op, node));
	}
}
