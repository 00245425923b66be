#include "api/router.h"

#include "base/check.h"
#include "base/codec.h"

static const struct str method_names[] = { [ROUTE_NO_METHOD] = { NULL, 0 },
#define X(name) [ROUTE_##name] = { #name, sizeof(#name) - 1 },
					   ROUTE_METHODS(X)
#undef X
};

enum route_method router_method(struct str text)
{
	if (str_eq(text, STR("HEAD")))
		return ROUTE_GET;
	for (size_t i = 1; i < countof(method_names); i++) {
		if (str_eq(text, method_names[i]))
			return (enum route_method)i;
	}
	return ROUTE_NO_METHOD;
}

static bool is_variable(struct str segment)
{
	return segment.n > 0 && segment.p[0] == '{';
}

static bool is_rest(struct str segment)
{
	return is_variable(segment) && str_has(segment, STR("...}"));
}

/* One segment of the pattern against one of the path; `left` is what follows it in the path. */
static bool match_segment(struct str want, struct str got, struct str left, struct route_match *m)
{
	if (!is_variable(want))
		return str_ieq(want, got);
	if (got.n == 0 && left.n == 0)
		return false;
	check(m->ids < ROUTE_IDS_MAX);
	m->id[m->ids++] = got;
	return true;
}

/* Leaves the ids raw. */
static bool match_path(struct str pattern, struct str path, struct route_match *m)
{
	check(pattern.n > 1 && pattern.p[0] == '/');
	if (path.n == 0 || path.p[0] != '/')
		return false;
	pattern = str_from(pattern, 1);
	path = str_from(path, 1);
	m->ids = 0;
	while (pattern.n > 0) {
		struct str want = str_cut(&pattern, '/');
		struct str got;

		if (is_rest(want)) {
			m->rest = path;
			return true;
		}
		got = str_cut(&path, '/');
		if (!match_segment(want, got, path, m))
			return false;
	}
	return path.n == 0;
}

static bool decode_id(struct arena *a, struct str *id)
{
	struct buf b;
	bool ok;

	if (!str_has_byte(*id, '%'))
		return true;
	buf_init(&b, id->n);
	ok = percent_decode(&b, *id);
	if (ok)
		*id = arena_str(a, buf_str(&b));
	buf_done(&b);
	return ok;
}

static enum route_result found(struct arena *a, const struct route *r, struct route_match *m)
{
	m->route = r;
	for (size_t i = 0; i < m->ids; i++) {
		if (!decode_id(a, &m->id[i]))
			return ROUTE_BAD_ID;
	}
	return ROUTE_FOUND;
}

static struct str allow_text(struct arena *a, unsigned methods)
{
	struct str text = STR_NULL;

	for (size_t i = 1; i < countof(method_names); i++) {
		if (!(methods & 1u << i))
			continue;
		text = arena_fmt(a, "%.*s%s%.*s", STR_FMT(text), text.n > 0 ? ", " : "",
				 STR_FMT(method_names[i]));
	}
	return text;
}

enum route_result router_find(struct arena *a, struct route_table table, enum route_method method,
			      struct str path, struct route_match *ret_match)
{
	struct route_match m = { 0 };
	unsigned methods = 0;

	for (size_t i = 0; i < table.n; i++) {
		const struct route *r = &table.v[i];

		if (!match_path(r->pattern, path, &m))
			continue;
		if (r->method == method || r->method == ROUTE_ANY) {
			enum route_result result = found(a, r, &m);

			*ret_match = m;
			return result;
		}
		methods |= 1u << r->method;
	}
	if (methods == 0)
		return ROUTE_UNKNOWN;
	ret_match->allow = allow_text(a, methods);
	return ROUTE_OTHER_METHOD;
}
