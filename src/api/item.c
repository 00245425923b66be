#include "api/item.h"

#include "base/check.h"
#include "core/names.h"
#include "core/query.h"
#include "core/url.h"

struct headers item_request_headers(const struct call *c)
{
	const struct http1_head *head = c->req->head;
	struct headers h = {
		.v = arena_alloc(call_arena(c), (head->fields + 1) * sizeof(struct header)),
		.n = head->fields,
	};

	for (size_t i = 0; i < head->fields; i++)
		h.v[i] = (struct header){ head->field[i].name, head->field[i].value };
	return h;
}

/* Sets m->url to the destination with its own query. */
static bool resolve_url(struct call *c, struct str dest, struct str query, struct msg *m,
			struct problem *p)
{
	const char *why = NULL;
	struct url u;

	if (query.n > 0)
		dest = arena_fmt(call_arena(c), "%.*s?%.*s", STR_FMT(dest), STR_FMT(query));
	if (!url_judge(dest, &u, &why))
		return problem_set(p, 400, "invalid destination url: %s", why);
	m->url = u.whole;
	return true;
}

bool item_to_llm(const struct call *c, struct msg *m, struct problem *ret_problem)
{
	if (c->api->set.llm_url.n == 0)
		return problem_set(ret_problem, 400,
				   "invalid destination: api/llm is not configured on this server; "
				   "its operator can set -llm-url (QSTASH_LLM_URL)");
	m->api = STR("llm");
	m->url = c->api->set.llm_url;
	return true;
}

struct str item_group_name(const struct item_source *src)
{
	struct problem ignored = { 0 };
	enum dest_kind kind;

	if (!dest_classify(src->destination, &kind, &ignored) || kind != DEST_GROUP)
		return STR_NULL;
	return src->destination;
}

size_t item_count(const struct item_source *src)
{
	return src->group != NULL ? src->group->n : 1;
}

static bool resolve(struct call *c, const struct item_source *src, struct str query, struct msg *m,
		    struct problem *p)
{
	struct str dest = src->destination;
	enum dest_kind kind;

	if (!dest_classify(dest, &kind, p))
		return false;
	switch (kind) {
	case DEST_URL:
		return resolve_url(c, dest, query, m, p);
	case DEST_API:
		return item_to_llm(c, m, p);
	case DEST_GROUP:
		if (src->group == NULL)
			return problem_set(p, 404, "topic %.*s not found", STR_FMT(dest));
		m->topic = src->group->name;
		return true;
	}
	unreachable();
}

static bool fits_plan(const struct call *c, struct str body, struct problem *p)
{
	int64_t max = c->plan->message_bytes_max;

	if (max > 0 && body.n > (size_t)max)
		return problem_set(p, 412, "quota maxMessageSize exceeded, current limit: %lld",
				   (long long)max);
	return true;
}

static bool queue_is_named(const struct item_source *src, struct problem *p)
{
	bool wanted = src->queue.n > 0 || src->use == OPTIONS_ENQUEUE;

	if (wanted && !name_is_valid(src->queue))
		return problem_set(p, 400, "invalid queue name: " NAMES_ALLOWED);
	return true;
}

/* One message for each endpoint, alike but for where it goes. */
static void fan_out(struct arena *a, const struct item_source *src, const struct options *o,
		    struct publish_item *item)
{
	const struct publish_item first = item[0];

	for (size_t i = 0; i < item_count(src); i++) {
		item[i] = first;
		if (src->group != NULL) {
			item[i].msg.url = src->group->endpoint[i].url;
			item[i].msg.endpoint = src->group->endpoint[i].name;
		}
		item[i].dedup_key = options_dedup_key(a, &item[i].msg, o);
	}
}

bool item_make(struct call *c, const struct item_source *src, struct publish_item *ret_item,
	       struct problem *ret_problem)
{
	struct options_source os = {
		.header = src->header,
		.use = src->use,
		.plan = c->plan,
		.now_ms = call_now_ms(c),
	};
	struct options o = { 0 };
	struct publish_item item = { .msg = {
					     .user = c->account->user.id,
					     .body = src->body,
					     .caller_ip = c->req->peer_ip,
					     .queue = src->queue,
					     .created_ms = os.now_ms,
				     } };
	struct str own_query, token;

	if (!query_split_destination(call_arena(c), src->query, &own_query, &os.query, &token))
		return problem_set(
			ret_problem, 400,
			"the query string has a broken percent-escape or too many settings");
	if (src->group != NULL)
		os.group = src->group->header;
	if (!resolve(c, src, own_query, &item.msg, ret_problem) ||
	    !queue_is_named(src, ret_problem) || !fits_plan(c, src->body, ret_problem) ||
	    !options_parse(call_arena(c), &os, &item.msg, &o, ret_problem))
		return false;
	*ret_item = item;
	fan_out(call_arena(c), src, &o, ret_item);
	return true;
}

void item_write_problem(struct json_out *j, const struct problem *p)
{
	json_open(j, '{');
	json_kstr(j, STR("error"), str_c(p->text));
	json_close(j, '}');
}

void item_write(struct json_out *j, const struct publish_item *item)
{
	char id[MSG_ID_LEN + 1];

	if (item->problem.status != 0) {
		item_write_problem(j, &item->problem);
		return;
	}
	msg_id_text(id, item->id);
	json_open(j, '{');
	json_kstr(j, STR("messageId"), str_n(id, MSG_ID_LEN));
	json_kstr(j, STR("url"), item->msg.url);
	if (item->duplicate)
		json_kbool(j, STR("deduplicated"), true);
	json_close(j, '}');
}

void item_write_all(struct json_out *j, const struct item_source *src,
		    const struct publish_item *item)
{
	if (src->group == NULL) {
		item_write(j, item);
		return;
	}
	json_open(j, '[');
	for (size_t i = 0; i < item_count(src); i++)
		item_write(j, &item[i]);
	json_close(j, ']');
}
