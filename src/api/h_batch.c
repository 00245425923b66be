/* h_batch.c - POST /v2/batch (spec 2.2.2).
 *
 * What is no array of items refuses the whole call, and nothing is sent. An item that is well
 * formed but cannot be sent has an error in its place, and the others are sent. An item of a workflow run
 * that cannot be sent refuses the whole call: its SDK looks at the status alone.
 */
#include "api/body.h"
#include "api/handlers.h"
#include "api/quotas.h"
#include "api/runitem.h"
#include "base/map.h"

enum { MESSAGES_MAX = 20 * 1000 }; /* URL groups make several of one item */

struct slot {
	struct problem *problem;    /* why it was not handed to the engine; NULL = it was */
	struct publish_item *item;  /* the first of its messages */
	const struct run_item *run; /* it is a message of a workflow run */
};

struct batch {
	struct publish publish;
	struct publish_item *item; /* those that go to the engine */
	struct item_source *src;   /* one for each item of the request */
	struct slot *slot;         /* the same */
	size_t n;
	struct groups_find find;
	struct map groups; /* of find.one, by name */
	struct runitems runs;
	size_t pending;         /* of publish and runs */
	struct problem problem; /* of the whole call */
};

/* ---- sending --------------------------------------------------------------------------------- */

/* Nothing of it was published, all for the quota of the day; the problem of any of it. */
static const struct problem *over_quota(const struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		if (b->slot[i].problem != NULL)
			return NULL;
	}
	for (size_t i = 0; i < b->publish.n; i++) {
		if (b->item[i].problem.status != 429)
			return NULL;
	}
	return b->publish.n > 0 ? &b->item[0].problem : NULL;
}

static void answer(struct call *c, const struct batch *b)
{
	const struct problem *all = over_quota(b);
	struct str warning = quotas_warning(c, b->item, b->publish.n);
	struct json_out j;

	if (all != NULL) {
		quotas_fail(c, all);
		return;
	}
	j = call_json(c);
	json_open(&j, '[');
	for (size_t i = 0; i < b->n; i++) {
		if (b->slot[i].problem != NULL)
			item_write_problem(&j, b->slot[i].problem);
		else if (b->slot[i].run != NULL)
			runitem_write(&j, b->slot[i].run);
		else
			item_write_all(&j, &b->src[i], b->slot[i].item);
	}
	json_close(&j, ']');
	call_answer_with(c, 200, warning);
}

static void sent(struct call *c, struct batch *b)
{
	if (--b->pending > 0)
		return;
	if (b->runs.problem.status != 0)
		quotas_fail(c, &b->runs.problem);
	else
		answer(c, b);
}

static void published(struct publish *p)
{
	sent(p->arg, container_of(p, struct batch, publish));
}

static void runs_published(struct runitems *r)
{
	sent(r->call, container_of(r, struct batch, runs));
}

/* Reserves room for each item's messages; an item that there is no room for is refused. */
static size_t place_items(struct batch *b, struct arena *a)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++) {
		size_t count = item_count(&b->src[i]);

		if (n + count <= MESSAGES_MAX) {
			n += count;
			continue;
		}
		b->slot[i].problem = arena_new(a, struct problem);
		problem_set(b->slot[i].problem, 412, "a batch may make %d messages at most",
			    MESSAGES_MAX);
	}
	return n;
}

/* False with b->problem when the whole call is refused. */
static bool make_run_items(struct call *c, struct batch *b)
{
	struct runask ask;
	size_t index;

	runitem_init(&b->runs, c, b->n);
	b->runs.done = runs_published;
	for (size_t i = 0; i < b->n; i++) {
		if (!runitem_ask(&b->src[i], &ask, &b->problem))
			return false;
		if (ask.kind == RUNASK_NONE)
			continue;
		if (!runitem_add(&b->runs, &b->src[i], &ask, &index, &b->problem))
			return false;
		b->slot[i].run = &b->runs.item[index];
	}
	return true;
}

static void make_item(struct call *c, struct batch *b, size_t at)
{
	struct publish_item *item = &b->item[b->publish.n];
	struct problem p = { 0 };

	if (b->slot[at].problem != NULL || b->slot[at].run != NULL)
		return;
	if (item_make(c, &b->src[at], item, &p)) {
		b->slot[at].item = item;
		b->publish.n += item_count(&b->src[at]);
	} else {
		b->slot[at].problem = arena_new(call_arena(c), struct problem);
		*b->slot[at].problem = p;
	}
}

static void send_items(struct call *c, struct batch *b)
{
	struct arena *a = call_arena(c);

	b->slot = arena_array(a, struct slot, b->n + 1);
	b->item = arena_array(a, struct publish_item, place_items(b, a) + 1);
	if (!make_run_items(c, b)) {
		call_fail(c, &b->problem);
		return;
	}
	for (size_t i = 0; i < b->n; i++)
		make_item(c, b, i);
	b->publish.account = c->account;
	b->publish.item = b->item;
	b->publish.done = published;
	b->publish.arg = c;
	b->pending = (b->publish.n > 0) + (b->runs.n > 0);
	if (b->pending == 0) {
		answer(c, b);
		return;
	}
	if (b->publish.n > 0)
		engine_publish(c->engine, &b->publish);
	if (b->runs.n > 0)
		runitem_send(&b->runs);
}

/* ---- groups ---------------------------------------------------------------------------------- */

static void groups_found(struct groups_find *find)
{
	struct batch *b = container_of(find, struct batch, find);

	if (find->problem.status != 0) {
		call_fail(find->arg, &find->problem);
		return;
	}
	for (size_t i = 0; i < b->n; i++) {
		struct str name = item_group_name(&b->src[i]);
		struct groups_find_one *one = name.n > 0 ? map_get(&b->groups, name) : NULL;

		if (one != NULL && one->exists)
			b->src[i].group = &one->group;
	}
	map_done(&b->groups);
	send_items(find->arg, b);
}

/* Each group that is named is looked up once. */
static void find_groups(struct call *c, struct batch *b)
{
	struct groups_find *find = &b->find;

	find->one = arena_array(call_arena(c), struct groups_find_one, b->n + 1);
	map_init(&b->groups, (uint64_t)call_now_ms(c));
	for (size_t i = 0; i < b->n; i++) {
		struct str name = item_group_name(&b->src[i]);

		if (name.n == 0 || map_get(&b->groups, name) != NULL)
			continue;
		find->one[find->n].name = name;
		map_put(&b->groups, name, &find->one[find->n++]);
	}
	find->account = c->account;
	find->arena = call_arena(c);
	find->done = groups_found;
	find->arg = c;
	if (find->n == 0)
		groups_found(find);
	else
		engine_groups_find(c->engine, find);
}

void h_batch(struct call *c)
{
	struct batch *b = arena_new(call_arena(c), struct batch);
	struct body_batch body;

	if (!body_read_batch(call_arena(c), c->req->body, &body, &b->problem)) {
		call_fail(c, &b->problem);
		return;
	}
	b->src = body.item;
	b->n = body.n;
	find_groups(c, b);
}
