#include "api/body.h"

#include "core/headers.h"
#include "core/names.h"
#include "core/url.h"

enum {
	ITEMS_MAX = 10 * 1000,
	VALUES_MAX = 500 * 1000, /* JSON values in a whole batch */
	ENDPOINTS_MAX = 5000,    /* of one request */
	ENDPOINT_NAME_BYTES = 1024,
};

/* ---- members --------------------------------------------------------------------------------- */

/* NULL also when it is null. */
static const struct json *member(const struct json *object, struct str key)
{
	const struct json *v = json_get(object, key);

	return v != NULL && v->kind != JSON_NULL ? v : NULL;
}

/* Empty when it is absent; false when it is something else than a string. */
static bool text_member(const struct json *object, struct str key, struct str *ret_text)
{
	const struct json *v = member(object, key);

	if (v != NULL && v->kind != JSON_STRING)
		return false;
	*ret_text = v != NULL ? v->text : STR_NULL;
	return true;
}

static bool read_object(struct arena *a, struct str body, const struct json **ret_object,
			struct problem *p)
{
	char error[96];
	const struct json *v = json_parse(a, body, error);

	if (v == NULL)
		return problem_set(p, 400, "the body is not valid JSON: %s", error);
	if (v->kind != JSON_OBJECT)
		return problem_set(p, 400, "the body must be a JSON object");
	*ret_object = v;
	return true;
}

/* ---- headers --------------------------------------------------------------------------------- */

/* None when there is no such member. */
static bool headers_member(struct arena *a, const struct json *whole, struct headers *ret_headers)
{
	return headers_from_json(a, json_get(whole, STR("headers")), ret_headers);
}

bool body_read_headers(struct arena *a, struct str body, struct headers *ret_headers,
		       struct problem *ret_problem)
{
	const struct json *object = NULL;

	if (!read_object(a, body, &object, ret_problem))
		return false;
	return headers_member(a, object, ret_headers) ||
	       problem_set(ret_problem, 400,
			   "headers must be an object of strings, or arrays of strings");
}

/* ---- a batch --------------------------------------------------------------------------------- */

static bool read_array(struct arena *a, struct str body, const struct json **ret_array,
		       struct problem *p)
{
	char error[96];
	const struct json *v = json_parse_bounded(a, body, VALUES_MAX, error);

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

/* A message of a run that is refused with 400 would be taken for one of a run that is over, by its SDK, which then
 * says nothing. */
static int item_status(const struct item_source *src)
{
	return headers_get(&src->header, STR("Upstash-Workflow-RunId")).n > 0 ? 412 : 400;
}

/* The item number `at`. */
static bool read_item(struct arena *a, const struct json *v, size_t at, struct item_source *src,
		      struct problem *p)
{
	if (v->kind != JSON_OBJECT)
		return problem_set(p, 400, "item %zu of the batch must be an object", at);
	if (!text_member(v, STR("destination"), &src->query) || src->query.n == 0)
		return problem_set(p, 400, "item %zu of the batch needs a destination, a string",
				   at);
	if (!headers_member(a, v, &src->header))
		return problem_set(
			p, 400, "item %zu of the batch: headers must be an object of strings", at);
	if (!text_member(v, STR("body"), &src->body))
		return problem_set(p, item_status(src),
				   "item %zu of the batch: body must be a string", at);
	if (!text_member(v, STR("queue"), &src->queue))
		return problem_set(p, item_status(src),
				   "item %zu of the batch: queue must be a string", at);
	src->destination = str_cut(&src->query, '?');
	src->use = OPTIONS_BATCH_ITEM;
	return true;
}

bool body_read_batch(struct arena *a, struct str body, struct body_batch *ret_batch,
		     struct problem *ret_problem)
{
	const struct json *array = NULL;
	struct body_batch b = { 0 };

	if (!read_array(a, body, &array, ret_problem))
		return false;
	b.item = arena_array(a, struct item_source, array->count + 1);
	for (const struct json *v = array->child; v != NULL; v = v->next, b.n++) {
		if (!read_item(a, v, b.n, &b.item[b.n], ret_problem))
			return false;
	}
	*ret_batch = b;
	return true;
}

/* ---- endpoints of a URL group ---------------------------------------------------------------- */

static bool read_endpoint(const struct json *v, size_t at, bool needs_url, struct group_endpoint *e,
			  struct problem *p)
{
	const char *why = NULL;
	struct url u;

	if (v->kind != JSON_OBJECT || !text_member(v, STR("url"), &e->url) ||
	    !text_member(v, STR("name"), &e->name))
		return problem_set(p, 400,
				   "endpoint %zu must be an object with strings url and name", at);
	if (e->name.n > ENDPOINT_NAME_BYTES)
		return problem_set(p, 400, "endpoint %zu: a name may have %d bytes at most", at,
				   ENDPOINT_NAME_BYTES);
	if (!needs_url)
		return e->url.n > 0 || e->name.n > 0 ||
		       problem_set(p, 400, "endpoint %zu needs a url or a name", at);
	if (!url_judge(e->url, &u, &why))
		return problem_set(p, 400, "endpoint %zu: invalid url: %s", at, why);
	e->url = u.whole;
	return true;
}

bool body_read_endpoints(struct arena *a, struct str body, bool needs_url,
			 struct body_endpoints *ret_endpoints, struct problem *ret_problem)
{
	const struct json *object = NULL, *list;
	struct body_endpoints e = { 0 };

	if (!read_object(a, body, &object, ret_problem))
		return false;
	list = json_get(object, STR("endpoints"));
	if (list == NULL || list->kind != JSON_ARRAY || list->count == 0 ||
	    list->count > ENDPOINTS_MAX)
		return problem_set(ret_problem, 400,
				   "endpoints must be an array of 1 to %d endpoints",
				   ENDPOINTS_MAX);
	e.v = arena_array(a, struct group_endpoint, list->count);
	for (const struct json *v = list->child; v != NULL; v = v->next, e.n++) {
		if (!read_endpoint(v, e.n, needs_url, &e.v[e.n], ret_problem))
			return false;
	}
	*ret_endpoints = e;
	return true;
}

/* ---- a queue --------------------------------------------------------------------------------- */

/* A client of 2024 calls the name "queue". */
static bool take_name(const struct json *object, struct body_queue *q, struct problem *p)
{
	const struct json *v = member(object, STR("queueName"));

	if (v == NULL)
		v = member(object, STR("queue"));
	if (v == NULL || v->kind != JSON_STRING)
		return problem_set(p, 400, "queueName: must be given, as a string");
	q->name = v->text;
	return name_is_valid(v->text) || problem_set(p, 400, "queueName: " NAMES_ALLOWED);
}

static bool take_parallelism(const struct json *object, struct body_queue *q, struct problem *p)
{
	const struct json *v = member(object, STR("parallelism"));

	q->parallelism = 1;
	if (v != NULL && (!json_i64(v, &q->parallelism) || q->parallelism < 1))
		return problem_set(p, 400, "parallelism: must be a whole number, at least 1");
	return true;
}

static bool take_paused(const struct json *object, struct body_queue *q, struct problem *p)
{
	const struct json *v = member(object, STR("paused"));

	q->paused = v != NULL ? v->boolean : -1;
	if (v != NULL && v->kind != JSON_BOOL)
		return problem_set(p, 400, "paused: must be true or false");
	return true;
}

bool body_read_queue(struct arena *a, struct str body, struct body_queue *ret_queue,
		     struct problem *ret_problem)
{
	const struct json *object = NULL;
	struct body_queue q;

	if (!read_object(a, body, &object, ret_problem) || !take_name(object, &q, ret_problem) ||
	    !take_parallelism(object, &q, ret_problem) || !take_paused(object, &q, ret_problem))
		return false;
	*ret_queue = q;
	return true;
}
