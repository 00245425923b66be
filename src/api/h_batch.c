/* h_batch.c - POST /v2/batch (spec 2.2.2).
 *
 * What is no array of items refuses the whole call, and nothing is sent. An item that is well
 * formed but cannot be sent has an error in its place, and the others are sent.
 */
#include "api/handlers.h"
#include "api/item.h"

enum {
	ITEMS_MAX = 10 * 1000,
	VALUES_MAX =
		500 * 1000, /* JSON values in the whole body, which bounds the memory of the tree */
};

struct slot {
	struct problem *problem; /* why it was not handed to the engine; NULL = it was */
	struct publish_item *item;
};

struct batch {
	struct publish publish;
	struct publish_item *item; /* those that go to the engine */
	struct slot *slot;         /* one for each item of the request */
	size_t n;
	struct problem problem; /* of the whole call */
};

/* ---- reading
 * ---------------------------------------------------------------------------------------- */

/* At most this many values are in the text, whether it is JSON or not. */
static size_t count_values(struct str text)
{
	size_t n = 1;

	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == ',' || text.p[i] == '[' || text.p[i] == '{';
	return n;
}

static bool parse(struct call *c, struct problem *p, const struct json **ret_array)
{
	char error[96];
	const struct json *v;

	if (count_values(c->req->body) > VALUES_MAX)
		return problem_set(p, 400, "a batch may have %d JSON values at most", VALUES_MAX);
	v = json_parse(call_arena(c), c->req->body, error);
	if (v == NULL)
		return problem_set(p, 400, "the body is not valid JSON: %s", error);
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

/* A value of a header; null has none. */
static bool add_value(struct headers *h, struct str name, const struct json *v)
{
	struct str text = v->text;

	if (v->kind == JSON_NULL)
		return true;
	if (v->kind == JSON_BOOL)
		text = v->boolean ? STR("true") : STR("false");
	else if (v->kind != JSON_STRING && v->kind != JSON_NUMBER)
		return false;
	h->v[h->n++] = (struct header){ name, text };
	return true;
}

static size_t count_headers(const struct json *object)
{
	size_t n = 0;

	for (const struct json *v = object->child; v != NULL; v = v->next)
		n += v->kind == JSON_ARRAY ? v->count : 1;
	return n;
}

static bool take_headers(struct arena *a, const struct json *object, struct headers *ret_headers)
{
	struct headers h = { 0 };
	bool ok = true;

	if (object == NULL || object->kind == JSON_NULL)
		return true;
	if (object->kind != JSON_OBJECT)
		return false;
	h.v = arena_array(a, struct header, count_headers(object) + 1);
	for (const struct json *v = object->child; v != NULL; v = v->next) {
		if (v->kind != JSON_ARRAY) {
			ok = ok && add_value(&h, v->key, v);
			continue;
		}
		for (const struct json *each = v->child; each != NULL; each = each->next)
			ok = ok && add_value(&h, v->key, each);
	}
	*ret_headers = h;
	return ok;
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
	if (!take_headers(a, json_get(v, STR("headers")), &src->header))
		return problem_set(
			p, 400, "item %zu of the batch: headers must be an object of strings", at);
	src->destination = str_cut(&src->query, '?');
	src->use = OPTIONS_BATCH_ITEM;
	return true;
}

/* ---- sending
 * ---------------------------------------------------------------------------------------- */

static void answer(struct call *c, const struct batch *b)
{
	struct json_out j = call_json(c);

	json_open(&j, '[');
	for (size_t i = 0; i < b->n; i++) {
		if (b->slot[i].problem != NULL)
			item_write_problem(&j, b->slot[i].problem);
		else
			item_write(&j, b->slot[i].item);
	}
	json_close(&j, ']');
	call_answer(c, 200);
}

static void published(struct publish *p)
{
	answer(p->arg, container_of(p, struct batch, publish));
}

static void make_item(struct call *c, struct batch *b, const struct item_source *src)
{
	struct slot *slot = &b->slot[b->n++];
	struct publish_item *item = &b->item[b->publish.n];
	struct problem p = { 0 };

	if (item_make(c, src, item, &p)) {
		slot->item = item;
		b->publish.n++;
	} else {
		slot->problem = arena_new(call_arena(c), struct problem);
		*slot->problem = p;
	}
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
	struct arena *a = call_arena(c);
	struct batch *b = arena_new(a, struct batch);
	const struct json *array = NULL;
	struct item_source *src;

	if (!parse(c, &b->problem, &array)) {
		call_fail(c, &b->problem);
		return;
	}
	src = arena_array(a, struct item_source, array->count + 1);
	if (!read_items(c, array, src, &b->problem)) {
		call_fail(c, &b->problem);
		return;
	}
	b->slot = arena_array(a, struct slot, array->count + 1);
	b->item = arena_array(a, struct publish_item, array->count + 1);
	for (size_t i = 0; i < array->count; i++)
		make_item(c, b, &src[i]);
	b->publish.account = c->account;
	b->publish.item = b->item;
	b->publish.done = published;
	b->publish.arg = c;
	if (b->publish.n == 0)
		answer(c, b);
	else
		engine_publish(c->api->set.engine, &b->publish);
}
