/* Query strings: what is split off and what is left make up the whole; decoding never makes
 * anything longer. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "core/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count_pieces(struct str query)
{
	struct str key, value;
	size_t n = 0;

	while (query_next(&query, &key, &value)) {
		check(!str_has_byte(key, '&') && !str_has_byte(value, '&') &&
		      !str_has_byte(key, '='));
		n++;
	}
	check(!query.n);
	return n;
}

static void check_left(struct arena *a, struct str rest)
{
	struct headers none;
	struct str again, token;

	check(query_split_destination(a, rest, &again, &none, &token));
	check(str_eq(again, rest) && !none.n && !token.p);
}

static void fuzz_split(struct arena *a, struct str s)
{
	struct headers ours;
	struct str rest, token;

	if (!query_split_destination(a, s, &rest, &ours, &token))
		return;
	check(rest.n <= s.n);
	check(count_pieces(rest) + ours.n <= count_pieces(s));
	for (size_t i = 0; i < ours.n; i++)
		check(str_istarts(ours.v[i].name, STR("upstash-")));
	check_left(a, rest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = str_n(data, size), value;
	struct arena a;

	arena_init(&a);
	fuzz_split(&a, s);
	if (query_decode(&a, s, &value))
		check(value.n <= s.n && s.n <= 3 * value.n);
	if (query_get(&a, s, STR("a"), &value) && value.p)
		check(value.n < s.n);
	arena_done(&a);
	return 0;
}
