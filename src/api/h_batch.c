/* h_batch.c - POST /v2/batch (spec 2.2.2).
 *
 * What is no array of items refuses the whole call, and nothing is sent. An item that is well
 * formed but cannot be sent has an error in its place, and the others are sent.
 */
#include "api/handlers.h"
#include "api/item.h"
#include "api/quotas.h"
#include "base/map.h"

enum {
	ITEMS_MAX = 10 * 1000,
	MESSAGES_MAX = 20 * 1000, /* URL groups make several of one item */
	VALUES_MAX = 500 * 1000,  /* JSON values in the whole body */
};

struct slot {
	struct problem *problem;   /* why it was not handed to the engine; NULL = it was */
	struct publish_item *item; /* the first of its messages */
};

struct batch {
	struct publish publish;
	struct publish_item *item; /* those that go to the engine */
	struct item_source *src;   /* one for each item of the request */
	struct slot *slot;         /* the same */
	size_t n;
	struct groups_find find;
	struct map groups;      /* of find.one, by name */
	struct problem problem; /* of the whole call */
};

/* ---- reading --------------------------------------------------------------------------------- */

static bool parse(struct call *c, struct problem *p, const struct json **ret_array)
{
	char error[96];
	const struct json *v;

	v = json_parse_bounded(call_arena(c), c->req->body, VALUES_MAX, error);
	if (v == NULL)
		return problem_set(p, 400, "the body is not valid JSON with at most %d values: %s",
				   VALUES_MAX, error);
	if (v->kind != JSON_ARRAY)
		return problem_set(p, 400, "the body must be a JSON array of messages");
	if (v->count > ITEMS_MAX)
		return problem_set(p, 400, "a batch may have %d messages at most", ITEMS_MAX);
	*ret_array = v;
	return true;
}

/* A member that is a string, null or absent. */
static bool string_member(const struct json *v, struct str key, struct str *ret_text)
{
	const struct json *m = json_get(v, key);

	*ret_text = STR_NULL;
	if (m == NULL || m->kind == JSON_NULL)
		return true;
	if (m->kind != JSON_STRING)
		return false;
	*ret_text = m->text;
	return true;
}

/* False with p telling what is wrong with the shape of item number `at`. */
static bool read_item(struct arena *a, const struct json *v, size_t at, struct item_source *src,
		      struct problem *p)
{
	if (v->kind != JSON_OBJECT)
		return problem_set(p, 400, "item %zu of the batch must be an object", at);
	if (!string_member(v, STR("destination"), &src->query) || src->query.n == 0)
		return problem_set(p, 400, "item %zu of the batch needs a destination, a string",
				   at);
	if (!string_member(v, STR("body"), &src->body))
		return problem_set(p, 400, "item %zu of the batch: body must be a string", at);
	if (!string_member(v, STR("queue"), &src->queue))
		return problem_set(p, 400, "item %zu of the batch: queue must be a string", at);
	if (!item_read_headers(a, json_get(v, STR("headers")), &src->header))
		return problem_set(
			p, 400, "item %zu of the batch: headers must be an object of strings", at);
	src->destination = str_cut(&src->query, '?');
	src->use = OPTIONS_BATCH_ITEM;
	return true;
}

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
		else
			item_write_all(&j, &b->src[i], b->slot[i].item);
	}
	json_close(&j, ']');
	call_answer_with(c, 200, warning);
}

static void published(struct publish *p)
{
	answer(p->arg, container_of(p, struct batch, publish));
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

static void make_item(struct call *c, struct batch *b, size_t at)
{
	struct publish_item *item = &b->item[b->publish.n];
	struct problem p = { 0 };

	if (b->slot[at].problem != NULL)
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
	for (size_t i = 0; i < b->n; i++)
		make_item(c, b, i);
	b->publish.account = c->account;
	b->publish.item = b->item;
	b->publish.done = published;
	b->publish.arg = c;
	if (b->publish.n == 0)
		answer(c, b);
	else
		engine_publish(c->api->set.engine, &b->publish);
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
		engine_groups_find(c->api->set.engine, find);
}

/* Judges the shape of all items before any is made. */
static bool read_items(struct call *c, const struct json *array, struct item_source *src,
		       struct problem *p)
{
	size_t at = 0;

	for (const struct json *v = array->child; v != NULL; v = v->next, at++) {
		if (!read_item(call_arena(c), v, at, &src[at], p))
			return false;
	}
	return true;
}

void h_batch(struct call *c)
{
	struct batch *b = arena_new(call_arena(c), struct batch);
	const struct json *array = NULL;

	if (!parse(c, &b->problem, &array)) {
		call_fail(c, &b->problem);
		return;
	}
	b->src = arena_array(call_arena(c), struct item_source, array->count + 1);
	if (!read_items(c, array, b->src, &b->problem)) {
		call_fail(c, &b->problem);
		return;
	}
	b->n = array->count;
	find_groups(c, b);
}
