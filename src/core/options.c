#include "core/options_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/codec.h"
#include "base/digest.h"
#include "core/headers.h"
#include "core/limits.h"

enum { RETRIES_DEFAULT = 3, REFUSAL_BYTES = 400 };

bool options_refuse(struct options_parser *ps, enum setting s, int status, const char *fmt, ...)
{
	char text[REFUSAL_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return problem_set(ps->problem, status, "%.*s%.*s: %s", STR_FMT(ps->prefix),
			   STR_FMT(options_settings[s].name), text);
}

/* ---- collecting ------------------------------------------------------------------------------ */

static bool is_used(const struct options_parser *ps, enum setting s)
{
	unsigned use = ps->is_callback ? (unsigned)OPTIONS_IN_CALLBACK : 1u << ps->src->use;

	return options_settings[s].uses & use;
}

static void collect_value(struct options_parser *ps, enum setting s, struct str value,
			  enum rank rank)
{
	if (!value.n || !is_used(ps, s))
		return;
	if (!ps->value[s].p) {
		ps->value[s] = value;
		ps->rank[s] = rank;
	} else if (ps->rank[s] == rank && options_settings[s].is_list) {
		ps->repeated |= 1u << s;
	}
}

/* One header of ours, `rest` being its name without "Upstash-". */
static bool collect(struct options_parser *ps, struct str rest, struct str value, enum rank rank)
{
	for (int s = 0; s < SETTINGS; s++) {
		if (str_ieq(options_settings[s].name, rest)) {
			collect_value(ps, s, value, rank);
			return true;
		}
	}
	if (str_istarts(rest, STR("Forward-")))
		return options_list_forward(ps, str_from(rest, 8), value, rank);
	if (ps->is_callback)
		return true;
	if (str_istarts(rest, STR("Callback-")))
		return options_list_callback(ps, &ps->callback, str_from(rest, 9), value, rank);
	if (str_istarts(rest, STR("Failure-Callback-")))
		return options_list_callback(ps, &ps->failure, str_from(rest, 17), value, rank);
	return true;
}

static bool collect_all(struct options_parser *ps, const struct headers *h, enum rank rank)
{
	const struct str upstash = STR("Upstash-");

	for (size_t i = 0; i < h->n; i++) {
		struct str name = h->v[i].name, value = str_trim(h->v[i].value);

		if (!ps->is_callback && !str_istarts(name, upstash))
			continue;
		if (!header_value_is_valid(value))
			return problem_set(ps->problem, 400,
					   "%.*s: control characters are not allowed",
					   STR_FMT(str_sub(name, 0, 100)));
		if (!collect(ps, ps->is_callback ? name : str_from(name, upstash.n), value, rank))
			return false;
	}
	return true;
}

static bool collect_sources(struct options_parser *ps)
{
	const struct options_source *src = ps->src;
	size_t all = src->header.n + src->query.n + src->group.n;

	if (all > LIMIT_SETTINGS_COUNT)
		return problem_set(ps->problem, 400,
				   "at most %d headers and parameters are allowed",
				   LIMIT_SETTINGS_COUNT);
	/* Two more for the Content-Types of request and group. */
	options_list_init(ps->a, &ps->forward, all + ps->m->header.n + 2);
	if (!ps->is_callback) {
		options_list_init(ps->a, &ps->callback, all + ps->m->callback_header.n);
		options_list_init(ps->a, &ps->failure, all + ps->m->failure_callback_header.n);
	}
	return collect_all(ps, &src->header, RANK_REQUEST) &&
	       collect_all(ps, &src->query, RANK_QUERY) && collect_all(ps, &src->group, RANK_GROUP);
}

/* The value of a header if it is that setting; empty when it is another one. */
static struct str value_of(const struct options_parser *ps, const struct header *h, enum setting s)
{
	struct str name = h->name;

	if (!ps->is_callback)
		name = str_istarts(name, STR("Upstash-")) ? str_from(name, 8) : STR_NULL;
	return str_ieq(name, options_settings[s].name) ? str_trim(h->value) : STR_NULL;
}

/* All values of a list that its source repeats, with commas between them. They are put together at
 * once and not one by one as they are found, so that many of them cost no more than their bytes. */
static void join_repeated(struct options_parser *ps, enum setting s)
{
	const struct options_source *src = ps->src;
	const struct headers *h = ps->rank[s] == RANK_REQUEST ? &src->header
				  : ps->rank[s] == RANK_QUERY ? &src->query
							      : &src->group;
	char *text, *p;
	size_t n = 0;

	for (size_t i = 0; i < h->n; i++)
		n += value_of(ps, &h->v[i], s).n + 1;
	p = text = arena_alloc(ps->a, n);
	for (size_t i = 0; i < h->n; i++) {
		struct str value = value_of(ps, &h->v[i], s);

		if (!value.n)
			continue;
		memcpy(p, value.p, value.n);
		p += value.n;
		*p++ = ',';
	}
	check(p > text && (size_t)(p - text) <= n);
	ps->value[s] = str_n(text, (size_t)(p - text) - 1);
}

/* ---- parsing --------------------------------------------------------------------------------- */

static void set_defaults(struct options_parser *ps)
{
	const struct plan *plan = ps->src->plan;
	struct msg *m = ps->m;

	check(plan->timeout_max_s > 0);
	m->method = STR("POST");
	m->retries_max = RETRIES_DEFAULT;
	if (plan->retries_max && plan->retries_max < RETRIES_DEFAULT)
		m->retries_max = plan->retries_max;
	m->timeout_ms = plan->timeout_max_s * 1000;
	m->not_before_ms = m->created_ms;
}

static bool run(struct options_parser *ps)
{
	if (ps->is_callback || ps->src->use != OPTIONS_RETRY)
		set_defaults(ps);
	if (!collect_sources(ps))
		return false;
	for (int s = 0; s < SETTINGS; s++) {
		if (ps->repeated & 1u << s)
			join_repeated(ps, (enum setting)s);
		if (ps->value[s].p && !options_settings[s].apply(ps, ps->value[s]))
			return false;
	}
	return options_value_check(ps) && options_list_headers(ps) &&
	       (ps->is_callback || options_list_callbacks(ps));
}

bool options_parse(struct arena *a, const struct options_source *src, struct msg *m,
		   struct options *ret_options, struct problem *ret_problem)
{
	struct options_parser ps = {
		.a = a,
		.src = src,
		.prefix = STR("Upstash-"),
		.m = m,
		.problem = ret_problem,
	};

	if (!run(&ps))
		return false;
	*ret_options = ps.o;
	return true;
}

bool options_parse_callback(struct arena *a, const struct options_source *src, struct str prefix,
			    struct msg *m, struct problem *ret_problem)
{
	struct options_parser ps = {
		.a = a,
		.src = src,
		.is_callback = true,
		.prefix = prefix,
		.m = m,
		.problem = ret_problem,
	};

	return run(&ps);
}

/* ---- deduplication --------------------------------------------------------------------------- */

/* Every part with its length, so that no two contents run together alike; the body as its own hash,
 * so that it is not copied. */
static void content_hash(struct buf *out, const struct msg *m)
{
	unsigned char hash[SHA256_LEN];
	struct buf parts;

	buf_init(&parts, SIZE_MAX);
	sha256(hash, m->body);
	tlv_add(&parts, 1, m->topic);
	tlv_add(&parts, 2, m->url);
	tlv_add(&parts, 3, str_n(hash, sizeof(hash)));
	headers_encode(&parts, 4, &m->header);
	sha256(hash, buf_str(&parts));
	hex_encode(out, str_n(hash, sizeof(hash)));
	buf_done(&parts);
}

struct str options_dedup_key(struct arena *a, const struct msg *m, const struct options *o)
{
	struct str key;
	struct buf b;

	/* A URL holds no line break: nothing else can make the same key. */
	if (o->dedup_id.n && m->topic.n)
		return arena_fmt(a, "id:%.*s\n%.*s", STR_FMT(o->dedup_id), STR_FMT(m->url));
	if (o->dedup_id.n)
		return arena_fmt(a, "id:%.*s", STR_FMT(o->dedup_id));
	if (!o->dedup_by_content)
		return STR_NULL;
	buf_init(&b, 2 * SHA256_LEN);
	content_hash(&b, m);
	key = arena_fmt(a, "hash:%.*s", STR_FMT(buf_str(&b)));
	buf_done(&b);
	return key;
}
