/* h_publish.c - POST /v2/publish and /v2/enqueue (spec 2.2.1). */
#include "api/handlers.h"
#include "api/item.h"

struct publication {
	struct publish publish;
	struct publish_item item;
	struct problem problem;
};

static void published(struct publish *p)
{
	struct call *c = p->arg;
	const struct publish_item *item = &p->item[0];
	struct json_out j;

	if (item->problem.status != 0) {
		call_fail(c, &item->problem);
		return;
	}
	j = call_json(c);
	item_write(&j, item);
	call_answer(c, item->duplicate ? 202 : 200);
}

static void publish_one(struct call *c, struct str queue, enum options_use use)
{
	struct publication *p = arena_new(call_arena(c), struct publication);
	struct item_source src = {
		.destination = c->rest,
		.query = c->req->query,
		.header = item_request_headers(c),
		.body = c->req->body,
		.queue = queue,
		.use = use,
	};

	if (!item_make(c, &src, &p->item, &p->problem)) {
		call_fail(c, &p->problem);
		return;
	}
	p->publish = (struct publish){
		.account = c->account,
		.item = &p->item,
		.n = 1,
		.done = published,
		.arg = c,
	};
	engine_publish(c->api->set.engine, &p->publish);
}

void h_publish(struct call *c)
{
	publish_one(c, STR_NULL, OPTIONS_PUBLISH);
}

void h_publish_enqueue(struct call *c)
{
	publish_one(c, c->id[0], OPTIONS_ENQUEUE);
}
