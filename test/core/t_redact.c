#include "t.h"

#include <string.h>

#include "core/redact.h"

static const struct {
	const char *list, *canonical; /* NULL = refused */
} lists[] = {
	{ "", "" },
	{ " , ,", "" },
	{ "body", "body" },
	{ "Body", "body" },
	{ "header", "header" },
	{ "headers", "header" },
	{ "header,body", "body,header" },
	{ " body ,  headers ", "body,header" },
	{ "body,body,header,headers", "body,header" },
	{ "header[x-a]", "header[X-A]" },
	{ "headers[ authorization ]", "header[Authorization]" },
	{ "HEADER[X-A]", "header[X-A]" },
	{ "header [X-A]", "header[X-A]" },
	{ "header[b],header[A],header[B]", "header[B],header[A]" },
	{ "header[a],body", "body,header[A]" },
	{ "header[a],header", "header" },
	{ "header[],body", NULL },
	{ "header[", NULL },
	{ "header[a", NULL },
	{ "header]a[", NULL },
	{ "header[a]b", NULL },
	{ "header[a b]", NULL },
	{ "header[a]]", NULL },
	{ "headerss", NULL },
	{ "body[a]", NULL },
	{ "url", NULL },
	{ "[a]", NULL },
	{ "body;header", NULL },
};

TEST_EACH(reads_lists, lists)
{
	struct problem p = { 0 };
	struct str redact;
	struct arena a;
	bool ok;

	arena_init(&a);
	ok = redact_parse(&a, str_c(row->list), STR("Upstash-Redact-Fields"), &redact, &p);
	T_CHECK(ok == (row->canonical != NULL));
	if (ok)
		T_EQ_STR(redact, row->canonical);
	else
		T_CHECK(p.status == 400 && strstr(p.text, "Upstash-Redact-Fields"));
	arena_done(&a);
}

TEST(canonical_form_reads_back_to_itself)
{
	struct problem p;
	struct str redact;
	struct arena a;

	arena_init(&a);
	for (size_t i = 0; i < countof(lists); i++) {
		if (!lists[i].canonical)
			continue;
		T_CHECK(redact_parse(&a, str_c(lists[i].canonical), STR("X"), &redact, &p));
		T_EQ_STR(redact, lists[i].canonical);
	}
	arena_done(&a);
}

static struct str names(struct arena *a, int count)
{
	struct str list = STR("");

	for (int i = 0; i < count; i++)
		list = arena_fmt(a, "%.*s,header[X-%d]", STR_FMT(list), i);
	return list;
}

TEST(names_are_limited)
{
	struct problem p = { 0 };
	struct str redact;
	struct arena a;

	arena_init(&a);
	T_CHECK(redact_parse(&a, names(&a, 100), STR("X"), &redact, &p));
	T_CHECK(!redact_parse(&a, names(&a, 101), STR("X"), &redact, &p));
	T_EQ_INT(p.status, 400);
	arena_done(&a);
}

static const struct {
	const char *redact, *name;
	bool body, header;
} hidden[] = {
	{ "", "X-A", false, false },
	{ "body", "X-A", true, false },
	{ "header", "X-A", false, true },
	{ "body,header", "Content-Type", true, true },
	{ "header[X-A]", "X-A", false, true },
	{ "header[X-A]", "x-a", false, true },
	{ "header[X-A]", "X-B", false, false },
	{ "header[X-A]", "X", false, false },
	{ "header[X]", "X-A", false, false },
	{ "body,header[X-B],header[X-A]", "X-A", true, true },
	{ "header[Body]", "Body", false, true },
	{ "header[X-A]", "", false, false },
};

TEST_EACH(knows_what_is_hidden, hidden)
{
	struct msg m = { .redact = str_c(row->redact) };

	T_CHECK(redact_body(&m) == row->body);
	T_CHECK(redact_header(&m, str_c(row->name)) == row->header);
}

TEST(shows_the_hash)
{
	struct buf b;

	buf_init(&b, REDACT_LEN);
	redact_value(&b, STR("abc"));
	T_EQ_STR(buf_str(&b),
		 "REDACTED:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	T_EQ_INT(b.n, REDACT_LEN);
	buf_reset(&b);
	redact_value(&b, STR(""));
	T_EQ_STR(buf_str(&b),
		 "REDACTED:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	buf_done(&b);
}

TEST(long_names_cost_no_more_than_their_bytes)
{
	enum { COUNT = 100, NAME_BYTES = 2000 };
	struct problem p = { 0 };
	struct str redact;
	struct arena a;
	struct buf list;

	arena_init(&a);
	buf_init(&list, 1 << 20);
	for (int i = 0; i < COUNT; i++) {
		char name[NAME_BYTES];

		memset(name, 'X', sizeof(name));
		buf_fmt(&list, "header[%d", i);
		buf_add(&list, str_n(name, sizeof(name)));
		buf_add(&list, STR("],"));
	}
	T_CHECK(redact_parse(&a, buf_str(&list), STR("X"), &redact, &p));
	T_EQ_INT(redact.n, list.n - 1);
	T_CHECK(a.bytes < 5 * list.n);
	buf_done(&list);
	arena_done(&a);
}
