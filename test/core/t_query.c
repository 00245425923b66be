#include "kit.h"

#include <string.h>

#include "core/limits.h"
#include "core/query.h"

static const struct {
	const char *query, *pieces; /* "key|value;" each */
} walks[] = {
	{ "", "" },
	{ "a=b", "a|b;" },
	{ "a=b&c=d", "a|b;c|d;" },
	{ "a", "a|;" },
	{ "a=", "a|;" },
	{ "=b", "|b;" },
	{ "=", "|;" },
	{ "a=b=c", "a|b=c;" },
	{ "&&a=b&&&c&", "a|b;c|;" },
	{ "&", "" },
	{ "a=%26&b", "a|%26;b|;" },
	{ "a=b?c=d", "a|b?c=d;" },
};

TEST_EACH(walking, walks)
{
	struct str q = str_c(row->query), key, value, text = STR("");
	struct arena a;

	arena_init(&a);
	while (query_next(&q, &key, &value))
		text = arena_fmt(&a, "%.*s%.*s|%.*s;", STR_FMT(text), STR_FMT(key), STR_FMT(value));
	T_EQ_STR(text, row->pieces);
	arena_done(&a);
}

static const struct {
	const char *raw, *value; /* NULL = broken */
} values[] = {
	{ "", "" },         { "plain", "plain" }, { "a+b", "a b" },         { "a%20b", "a b" },
	{ "%2B%2b", "++" }, { "%41%6a", "Aj" },   { "%C3%A9", "\xc3\xa9" }, { "%25", "%" },
	{ "%2525", "%25" }, { "%", NULL },        { "%2", NULL },           { "a%", NULL },
	{ "%zz", NULL },    { "%2g", NULL },      { "%g2", NULL },          { "% 2", NULL },
	{ "%-1", NULL },
};

TEST_EACH(decoding, values)
{
	struct str value = STR("untouched");
	struct arena a;

	arena_init(&a);
	T_EQ_INT(query_decode(&a, str_c(row->raw), &value), row->value != NULL);
	T_EQ_STR(value, row->value ? row->value : "untouched");
	arena_done(&a);
}

TEST(a_nul_can_be_decoded)
{
	struct str value;
	struct arena a;

	arena_init(&a);
	T_CHECK(query_decode(&a, STR("a%00b"), &value));
	T_EQ_STR(value, STR("a\0b"));
	arena_done(&a);
}

TEST(getting_one)
{
	struct str q = STR("a=1&b=%32&a=3&e=&f"), value;
	struct arena a;

	arena_init(&a);
	T_CHECK(query_get(&a, q, STR("a"), &value));
	T_EQ_STR(value, "1");
	T_CHECK(query_get(&a, q, STR("b"), &value));
	T_EQ_STR(value, "2");
	T_CHECK(query_get(&a, q, STR("e"), &value));
	T_CHECK(value.p && !value.n);
	T_CHECK(query_get(&a, q, STR("f"), &value));
	T_CHECK(value.p && !value.n);
	T_CHECK(query_get(&a, q, STR("A"), &value));
	T_CHECK(!value.p);
	T_CHECK(!query_get(&a, STR("x=%"), STR("x"), &value));
	/* What is broken elsewhere is no concern. */
	T_CHECK(query_get(&a, STR("y=%&x=1"), STR("x"), &value));
	arena_done(&a);
}

static const struct {
	const char *query, *rest, *upstash, *token; /* token NULL = none */
} splits[] = {
	{ "", "", "", NULL },
	{ "asdasd=ooo", "asdasd=ooo", "", NULL },
	{ "a=b&c=%20d&a=b", "a=b&c=%20d&a=b", "", NULL },
	{ "qstash_token=abc", "", "", "abc" },
	{ "qstash_token=a%3D%3D&x=y", "x=y", "", "a==" },
	{ "x=y&qstash_token=abc&z", "x=y&z", "", "abc" },
	{ "qstash_token=", "", "", "" },
	{ "qstash_token", "", "", "" },
	{ "qstash_token=a&qstash_token=b", "", "", "a" },
	{ "QSTASH_TOKEN=abc", "QSTASH_TOKEN=abc", "", NULL },
	{ "upstash-retries=3&upstash-delay=100s&upstash-header-forward=true", "",
	  "upstash-retries: 3\nupstash-delay: 100s\nupstash-header-forward: true\n", NULL },
	{ "a=1&upstash-retries=3&b=2", "a=1&b=2", "upstash-retries: 3\n", NULL },
	{ "Upstash-Retries=3&b", "b", "Upstash-Retries: 3\n", NULL },
	{ "upstash-callback=https%3A%2F%2Fx.y%2F%3Fa%3Db&q", "q",
	  "upstash-callback: https://x.y/?a=b\n", NULL },
	{ "upstash-forward-x=a+b", "", "upstash-forward-x: a b\n", NULL },
	{ "upstash-label=a&upstash-label=b", "", "upstash-label: a\nupstash-label: b\n", NULL },
	{ "upstash=1&xupstash-a=2", "upstash=1&xupstash-a=2", "", NULL },
	/* What is the destination's is not touched, broken or not. */
	{ "a=%&b=%zz", "a=%&b=%zz", "", NULL },
	{ "a=%&upstash-retries=1", "a=%", "upstash-retries: 1\n", NULL },
	{ "a&&b", "a&&b", "", NULL },
};

TEST_EACH(splitting_a_destinations_query, splits)
{
	struct headers upstash;
	struct str rest, token;
	struct arena a;

	arena_init(&a);
	T_CHECK(query_split_destination(&a, str_c(row->query), &rest, &upstash, &token));
	T_EQ_STR(rest, row->rest);
	T_EQ_STR(kit_lines(&a, &upstash), row->upstash);
	T_EQ_INT(token.p != NULL, row->token != NULL);
	T_EQ_STR(token, row->token ? row->token : "");
	arena_done(&a);
}

TEST(ours_must_be_whole)
{
	struct headers upstash;
	struct str rest, token;
	struct arena a;

	arena_init(&a);
	T_CHECK(!query_split_destination(&a, STR("upstash-delay=%"), &rest, &upstash, &token));
	T_CHECK(!query_split_destination(&a, STR("qstash_token=%4"), &rest, &upstash, &token));
	arena_done(&a);
}

TEST(ours_are_not_without_end)
{
	struct str one = STR("upstash-a=1&"), rest, token;
	static char text[12 * (LIMIT_SETTINGS_COUNT + 1)];
	struct headers upstash;
	struct arena a;

	for (size_t i = 0; i < sizeof(text); i += one.n)
		memcpy(text + i, one.p, one.n);
	arena_init(&a);
	T_CHECK(query_split_destination(&a, str_n(text, sizeof(text) - one.n), &rest, &upstash,
					&token));
	T_EQ_INT(upstash.n, LIMIT_SETTINGS_COUNT);
	T_CHECK(!query_split_destination(&a, str_n(text, sizeof(text)), &rest, &upstash, &token));
	arena_done(&a);
}
