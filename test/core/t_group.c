#include "core/group.h"

#include "base/codec.h"
#include "kit.h"

/* "url name\n" for each endpoint. */
static struct str lines(struct arena *a, const struct group *g)
{
	struct str text = STR("");

	for (size_t i = 0; i < g->n; i++)
		text = arena_fmt(a, "%.*s%.*s %.*s\n", STR_FMT(text), STR_FMT(g->endpoint[i].url),
				 STR_FMT(g->endpoint[i].name));
	return text;
}

/* The other way; a line may have no name, or no URL. */
static size_t endpoints(struct arena *a, const char *from, struct group_endpoint **ret_e)
{
	struct str rest = str_c(from);
	size_t n = 0;

	*ret_e = arena_array(a, struct group_endpoint, rest.n + 1);
	while (rest.n > 0) {
		struct str name = str_cut(&rest, '\n');

		(*ret_e)[n].url = str_cut(&name, ' ');
		(*ret_e)[n++].name = name;
	}
	return n;
}

static const struct {
	const char *before, *change, *after;
} upserts[] = {
	{ "", "u1 a\nu2\n", "u1 a\nu2 \n" },
	{ "u1 a\n", "u2 b\n", "u1 a\nu2 b\n" },
	{ "u1 a\nu2 b\n", "u1 c\n", "u1 c\nu2 b\n" },
	{ "u1 a\n", "u1\n", "u1 a\n" },
	{ "u1 a\nu2 b\n", "u3 a\n", "u3 a\nu2 b\n" },
	{ "u1 a\nu2 b\n", "u1 b\n", "u1 b\nu2 \n" },
	{ "u1\nu2\n", "u3\n", "u1 \nu2 \nu3 \n" },
	{ "", "u1 a\nu1 b\nu2 b\n", "u2 b\n" },
}, removals[] = {
	{ "u1 a\nu2 b\nu3\n", "u2\n", "u1 a\nu3 \n" },
	{ "u1 a\nu2 b\nu3\n", " a\n", "u2 b\nu3 \n" },
	{ "u1 a\nu2\n", "u3 c\n", "u1 a\nu2 \n" },
	{ "u1 a\nu2\n", "u1\nu2\n", "" },
};

TEST(endpoints_are_known_by_url_then_by_name)
{
	struct group_endpoint *e;
	struct arena a;

	arena_init(&a);
	for (size_t i = 0; i < countof(upserts); i++) {
		struct group g = { 0 };
		size_t n;

		g.n = endpoints(&a, upserts[i].before, &g.endpoint);
		n = endpoints(&a, upserts[i].change, &e);
		group_upsert(&a, &g, e, n);
		T_EQ_STR(lines(&a, &g), upserts[i].after);
	}
	arena_done(&a);
}

TEST(endpoints_are_removed_by_url_or_name)
{
	struct group_endpoint *e;
	struct arena a;

	arena_init(&a);
	for (size_t i = 0; i < countof(removals); i++) {
		struct group g = { 0 };
		size_t n;

		g.n = endpoints(&a, removals[i].before, &g.endpoint);
		n = endpoints(&a, removals[i].change, &e);
		group_remove(&g, e, n);
		T_EQ_STR(lines(&a, &g), removals[i].after);
	}
	arena_done(&a);
}

TEST(a_document_gives_the_group_back)
{
	struct group g = { .name = STR("g"), .created_ms = 5, .updated_ms = 7 }, back;
	struct arena a;
	struct buf b;

	arena_init(&a);
	buf_init(&b, 1 << 16);
	g.n = endpoints(&a, "u1 a\nu2\nu3 c\n", &g.endpoint);
	g.header = HEADERS(H("Upstash-Retries", "3"), H("Upstash-Forward-X", ""));
	group_encode(&b, &g);
	T_CHECK(group_decode(&a, buf_str(&b), &back));
	T_EQ_STR(back.name, "g");
	T_EQ_INT(back.created_ms, 5);
	T_EQ_INT(back.updated_ms, 7);
	kit_eq_headers(&back.header, &g.header);
	T_EQ_STR(lines(&a, &back), "u1 a\nu2 \nu3 c\n");
	for (size_t n = 0; n < b.n; n++) {
		/* Cut short it is broken or smaller, and never read beyond its end. */
		struct str part = arena_str(&a, str_sub(buf_str(&b), 0, n));

		T_CHECK(!group_decode(&a, part, &back) || back.n < 3 ||
			back.endpoint[2].name.n == 0);
	}
	buf_done(&b);
	arena_done(&a);
}

TEST(what_is_no_group)
{
	struct group back;
	struct arena a;
	struct buf b;

	arena_init(&a);
	buf_init(&b, 1 << 16);
	T_CHECK(!group_decode(&a, STR(""), &back));
	tlv_add(&b, 1, STR("g"));
	T_CHECK(!group_decode(&a, buf_str(&b), &back));
	tlv_add(&b, 6, STR("a name before any URL"));
	T_CHECK(!group_decode(&a, buf_str(&b), &back));
	buf_done(&b);
	arena_done(&a);
}
