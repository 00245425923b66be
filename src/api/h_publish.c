/* h_publish.c - POST /v2/publish and /v2/enqueue (spec 2.2.1). */
#include "api/handlers.h"
#include "api/quotas.h"
#include "api/runitem.h"

struct publication {
	struct call *call;
	struct item_source src;
	struct groups_find find;
	struct groups_find_one group;
	struct publish publish;
	struct runitems runs; /* when it is for a workflow run */
	struct problem problem;
};

/* Refused when nothing of it was accepted; 202 when there was nothing new in it. */
static void published(struct publish *p)
{
	struct publication *pub = container_of(p, struct publication, publish);
	struct call *c = pub->call;
	size_t refused = 0, duplicates = 0;
	struct str warning;
	struct json_out j;

	for (size_t i = 0; i < p->n; i++) {
		refused += p->item[i].problem.status != 0;
		duplicates += p->item[i].duplicate;
	}
	if (refused == p->n) {
		quotas_fail(c, &p->item[0].problem);
		return;
	}
	warning = quotas_warning(c, p->item, p->n);
	j = call_json(c);
	item_write_all(&j, &pub->src, p->item);
	call_answer_with(c, duplicates == p->n ? 202 : 200, warning);
}

static void publish(struct publication *pub)
{
	struct call *c = pub->call;
	size_t n = item_count(&pub->src);
	struct publish_item *item = arena_array(call_arena(c), struct publish_item, n);

	if (!item_make(c, &pub->src, item, &pub->problem)) {
		call_fail(c, &pub->problem);
		return;
	}
	pub->publish = (struct publish){
		.account = c->account,
		.item = item,
		.n = n,
		.done = published,
	};
	engine_publish(c->engine, &pub->publish);
}

static void group_found(struct groups_find *find)
{
	struct publication *pub = container_of(find, struct publication, find);

	if (find->problem.status != 0) {
		call_fail(pub->call, &find->problem);
		return;
	}
	if (pub->group.exists)
		pub->src.group = &pub->group.group;
	publish(pub);
}

static void run_published(struct runitems *r)
{
	struct json_out j;

	if (r->problem.status != 0) {
		quotas_fail(r->call, &r->problem);
		return;
	}
	j = call_json(r->call);
	runitem_write(&j, &r->item[0]);
	call_answer(r->call, 200);
}

/* True when that is what it is; then the call is taken care of. */
static bool publish_to_run(struct publication *pub)
{
	struct runask ask = { 0 };
	size_t index;

	if (!runitem_ask(&pub->src, &ask, &pub->problem)) {
		call_fail(pub->call, &pub->problem);
		return true;
	}
	if (ask.kind == RUNASK_NONE)
		return false;
	runitem_init(&pub->runs, pub->call, 1);
	pub->runs.done = run_published;
	if (runitem_add(&pub->runs, &pub->src, &ask, &index, &pub->problem))
		runitem_send(&pub->runs);
	else
		call_fail(pub->call, &pub->problem);
	return true;
}

static void publish_to(struct call *c, struct str queue, enum options_use use)
{
	struct publication *pub = arena_new(call_arena(c), struct publication);

	pub->call = c;
	pub->src = (struct item_source){
		.destination = c->rest,
		.query = c->req->query,
		.header = item_request_headers(c),
		.body = c->req->body,
		.queue = queue,
		.use = use,
	};
	if (publish_to_run(pub))
		return;
	pub->group.name = item_group_name(&pub->src);
	if (pub->group.name.n == 0) {
		publish(pub);
		return;
	}
	pub->find = (struct groups_find){
		.account = c->account,
		.one = &pub->group,
		.n = 1,
		.arena = call_arena(c),
		.done = group_found,
	};
	engine_groups_find(c->engine, &pub->find);
}

void h_publish(struct call *c)
{
	publish_to(c, STR_NULL, OPTIONS_PUBLISH);
}

void h_publish_enqueue(struct call *c)
{
	publish_to(c, c->id[0], OPTIONS_ENQUEUE);
}
