#include "core/query.h"

#include <string.h>

#include "base/check.h"
#include "core/limits.h"

bool query_next(struct str *q, struct str *ret_key, struct str *ret_raw_value)
{
	struct str value = STR_NULL;

	while (q->n && !value.n)
		value = str_cut(q, '&');
	if (!value.n)
		return false;
	*ret_key = str_cut(&value, '=');
	*ret_raw_value = value;
	return true;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool query_decode(struct arena *a, struct str raw, struct str *ret_value)
{
	size_t n = 0;
	char *p;

	if (!str_has_byte(raw, '%') && !str_has_byte(raw, '+')) {
		*ret_value = raw;
		return true;
	}
	p = arena_alloc(a, raw.n);
	for (size_t i = 0; i < raw.n; i++) {
		int hi, lo;

		if (raw.p[i] != '%') {
			p[n++] = raw.p[i] == '+' ? ' ' : raw.p[i];
			continue;
		}
		hi = i + 1 < raw.n ? hex_value(raw.p[i + 1]) : -1;
		lo = i + 2 < raw.n ? hex_value(raw.p[i + 2]) : -1;
		if (hi < 0 || lo < 0)
			return false;
		p[n++] = (char)(hi << 4 | lo);
		i += 2;
	}
	*ret_value = str_n(p, n);
	return true;
}

bool query_get(struct arena *a, struct str query, struct str key, struct str *ret_value)
{
	struct str k, raw;

	while (query_next(&query, &k, &raw)) {
		if (!str_eq(k, key))
			continue;
		if (!query_decode(a, raw, ret_value))
			return false;
		if (!ret_value->p)
			*ret_value = STR("");
		return true;
	}
	*ret_value = STR_NULL;
	return true;
}

static bool is_upstash(struct str key)
{
	return str_istarts(key, STR("upstash-"));
}

static bool is_token(struct str key)
{
	return str_eq(key, STR("qstash_token"));
}

/* Everything but our own pieces, in the arena; *q itself when none is ours. */
static struct str rest_of(struct arena *a, struct str query)
{
	char *p = arena_alloc(a, query.n), *end = p;
	struct str rest = query;

	while (rest.n) {
		struct str piece = str_cut(&rest, '&'), key = piece;

		key = str_cut(&key, '=');
		if (is_upstash(key) || is_token(key))
			continue;
		if (end > p)
			*end++ = '&';
		if (piece.n)
			memcpy(end, piece.p, piece.n);
		end += piece.n;
	}
	return str_n(p, (size_t)(end - p));
}

static size_t count_ours(struct str query, size_t *ret_upstash)
{
	struct str key, value;
	size_t tokens = 0, n = 0;

	while (query_next(&query, &key, &value)) {
		n += is_upstash(key);
		tokens += is_token(key);
	}
	*ret_upstash = n;
	return n + tokens;
}

bool query_split_destination(struct arena *a, struct str query, struct str *ret_rest,
			     struct headers *ret_upstash, struct str *ret_token)
{
	struct headers h = { 0 };
	struct str token = STR_NULL, rest = query, key, raw, value;
	size_t upstash;

	if (count_ours(query, &upstash) > 0)
		*ret_rest = rest_of(a, query);
	else
		*ret_rest = query;
	if (upstash > (size_t)LIMIT_SETTINGS_COUNT)
		return false;
	h.v = arena_array(a, struct header, upstash);
	while (query_next(&rest, &key, &raw)) {
		if (!is_upstash(key) && !is_token(key))
			continue;
		if (!query_decode(a, raw, &value))
			return false;
		if (is_upstash(key))
			h.v[h.n++] = (struct header){ key, value };
		else if (!token.p)
			token = value.p ? value : STR("");
	}
	check(h.n == upstash);
	*ret_upstash = h;
	*ret_token = token;
	return true;
}
