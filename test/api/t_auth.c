/* Where a token is taken from. */
#include "api/auth.h"
#include "t.h"

static const struct {
	const char *field, *query, *want; /* want NULL = none */
} cases[] = {
	{ "Bearer abc", NULL, "abc" },
	{ "bearer abc", NULL, "abc" },
	{ "BEARER   abc= ", NULL, "abc=" },
	{ "Bearer abc", "qstash_token=def", "abc" },
	{ "Bearer", "qstash_token=def", "def" },
	{ "Bearer ", NULL, NULL },
	{ "Bearerabc", NULL, NULL },
	{ "abc", NULL, NULL },
	{ "Basic abc", NULL, NULL },
	{ "Basic abc", "qstash_token=def", "def" },
	{ NULL, "qstash_token=def", "def" },
	{ NULL, "a=b&qstash_token=d%3D%3d&c", "d==" },
	{ NULL, "qstash_token=a&qstash_token=b", "a" },
	{ NULL, "QSTASH_TOKEN=def", NULL },
	{ NULL, "qstash_token=%4", NULL },
	{ NULL, "xqstash_token=a", NULL },
	{ NULL, "", NULL },
	{ NULL, NULL, NULL },
};

TEST_EACH(finds_the_token, cases)
{
	struct arena a;
	struct str got;

	arena_init(&a);
	got = auth_token(&a, str_c(row->field), str_c(row->query));
	T_CHECK(row->want != NULL || got.n == 0);
	T_EQ_STR(got, row->want);
	arena_done(&a);
}
