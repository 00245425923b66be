#include "core/options_int.h"

#include "base/check.h"
#include "core/deliver.h"
#include "core/headers.h"
#include "core/limits.h"

void options_list_init(struct arena *a, struct options_list *l, size_t cap)
{
	*l = (struct options_list){ .v = arena_array(a, struct options_entry, cap), .cap = cap };
}

static void add(struct options_list *l, struct str name, struct str value, enum rank rank)
{
	check(l->n < l->cap);
	l->v[l->n++] = (struct options_entry){ name, value, rank };
}

static bool refuse_name(struct options_parser *ps, const char *before, struct str name)
{
	return problem_set(ps->problem, 400, "%.*s%s%.*s: not a valid header name",
			   STR_FMT(ps->prefix), before, STR_FMT(str_sub(name, 0, 100)));
}

static bool is_forwardable(struct str name)
{
	return !deliver_is_hop(name) && !deliver_is_reserved(name);
}

bool options_list_forward(struct options_parser *ps, struct str rest, struct str value,
			  enum rank rank)
{
	if (!header_name_is_valid(rest))
		return refuse_name(ps, "Forward-", rest);
	if (is_forwardable(rest))
		add(&ps->forward, header_canonical(ps->a, rest), value, rank);
	return true;
}

bool options_list_callback(struct options_parser *ps, struct options_list *l, struct str rest,
			   struct str value, enum rank rank)
{
	if (!header_name_is_valid(rest))
		return refuse_name(ps, l == &ps->callback ? "Callback-" : "Failure-Callback-",
				   rest);
	if (!str_istarts(rest, STR("Telemetry-")))
		add(l, header_canonical(ps->a, rest), value, rank);
	return true;
}

/* ---- plain headers of the request ------------------------------------------------------------ */

/* The header Connection names headers that are for the next hop only. */
static bool is_connection_option(const struct headers *h, struct str name)
{
	for (size_t i = 0; i < h->n; i++) {
		struct str list = h->v[i].value;

		while (str_ieq(h->v[i].name, STR("Connection")) && list.n) {
			if (str_ieq(str_trim(str_cut(&list, ',')), name))
				return true;
		}
	}
	return false;
}

/* Authorization is ours; the publisher's user agent is not the sender of the delivery. */
static bool is_private(struct str name)
{
	return str_ieq(name, STR("Authorization")) || str_ieq(name, STR("User-Agent")) ||
	       str_ieq(name, STR("Content-Type")) || str_istarts(name, STR("Upstash-"));
}

static bool add_plain(struct options_parser *ps, const struct header *h, enum rank rank)
{
	struct str value = str_trim(h->value);

	if (!header_name_is_valid(h->name) || !header_value_is_valid(value))
		return problem_set(ps->problem, 400,
				   "%.*s: not a valid header, it cannot be forwarded",
				   STR_FMT(str_sub(h->name, 0, 100)));
	add(&ps->forward, header_canonical(ps->a, h->name), value, rank);
	return true;
}

static bool add_content_type(struct options_parser *ps, const struct headers *h, enum rank rank)
{
	struct str value = headers_get(h, STR("Content-Type"));

	return !value.n || add_plain(ps, &(struct header){ STR("Content-Type"), value }, rank);
}

static bool add_plain_all(struct options_parser *ps, const struct headers *h)
{
	for (size_t i = 0; i < h->n; i++) {
		struct str name = h->v[i].name;

		if (is_private(name) || deliver_is_hop(name))
			continue;
		/* The headers of a batch item have not come over a connection of their own. */
		if (ps->src->use != OPTIONS_BATCH_ITEM && is_connection_option(h, name))
			continue;
		if (!add_plain(ps, &h->v[i], RANK_REQUEST_PLAIN))
			return false;
	}
	return true;
}

/* ---- making the lists ------------------------------------------------------------------------ */

static bool is_overridden(const struct options_list *l, const struct options_entry *e)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].rank < e->rank && str_ieq(l->v[i].name, e->name))
			return true;
	}
	return false;
}

/* The strongest of each name, in order. Returns the bytes of names and values. */
static size_t make(struct arena *a, const struct options_list *l, struct headers *ret_headers)
{
	struct headers h = { arena_alloc(a, l->n * sizeof(struct header)), 0 };
	size_t bytes = 0;

	for (size_t i = 0; i < l->n; i++) {
		const struct options_entry *e = &l->v[i];

		if (is_overridden(l, e))
			continue;
		h.v[h.n++] = (struct header){ e->name, e->value };
		bytes += e->name.n + e->value.n;
	}
	*ret_headers = h;
	return bytes;
}

static void add_message(struct options_list *l, const struct headers *h)
{
	for (size_t i = 0; i < h->n; i++)
		add(l, h->v[i].name, h->v[i].value, RANK_MESSAGE);
}

/* A retry keeps the dead letter's headers, and the Content-Type of the request is that of its own
 * body. */
static bool add_unnamed(struct options_parser *ps)
{
	const struct options_source *src = ps->src;

	if (ps->is_callback) {
		add(&ps->forward, STR("Content-Type"), STR("application/json"), RANK_MESSAGE);
		return true;
	}
	if (src->use == OPTIONS_RETRY) {
		add_message(&ps->forward, &ps->m->header);
		return true;
	}
	if (!add_content_type(ps, &src->header, RANK_REQUEST_PLAIN) ||
	    !add_content_type(ps, &src->group, RANK_GROUP_PLAIN))
		return false;
	return !ps->o.header_forward || add_plain_all(ps, &src->header);
}

bool options_list_headers(struct options_parser *ps)
{
	size_t bytes;

	if (!add_unnamed(ps))
		return false;
	bytes = make(ps->a, &ps->forward, &ps->m->header);
	if (ps->m->header.n > LIMIT_FORWARD_COUNT || bytes > LIMIT_FORWARD_BYTES)
		return problem_set(
			ps->problem, 400,
			"%.*sForward-*: at most %d headers and %d bytes can be forwarded",
			STR_FMT(ps->prefix), LIMIT_FORWARD_COUNT, LIMIT_FORWARD_BYTES);
	return true;
}

/* Reads the settings as the callback will read them, so that what could not be sent is refused
 * now. */
static bool judge_callback(struct options_parser *ps, struct str prefix, const struct headers *h)
{
	struct options_source src = { .header = *h,
				      .plan = ps->src->plan,
				      .now_ms = ps->src->now_ms };
	struct msg ignored = { .created_ms = ps->src->now_ms };

	return options_parse_callback(ps->a, &src, prefix, &ignored, ps->problem);
}

static bool make_callback(struct options_parser *ps, struct options_list *l, struct str prefix,
			  struct headers *h)
{
	size_t bytes;

	/* What a dead letter has was judged when it was new. */
	if (ps->src->use == OPTIONS_RETRY && !l->n)
		return true;
	if (ps->src->use == OPTIONS_RETRY)
		add_message(l, h);
	bytes = make(ps->a, l, h);
	if (h->n > LIMIT_CALLBACK_COUNT || bytes > LIMIT_FORWARD_BYTES)
		return problem_set(ps->problem, 400,
				   "%.*s*: at most %d settings and %d bytes are allowed",
				   STR_FMT(prefix), LIMIT_CALLBACK_COUNT, LIMIT_FORWARD_BYTES);
	return judge_callback(ps, prefix, h);
}

bool options_list_callbacks(struct options_parser *ps)
{
	struct msg *m = ps->m;

	if (m->callback.n &&
	    !make_callback(ps, &ps->callback, STR("Upstash-Callback-"), &m->callback_header))
		return false;
	return !m->failure_callback.n ||
	       make_callback(ps, &ps->failure, STR("Upstash-Failure-Callback-"),
			     &m->failure_callback_header);
}
