#include "kit.h"

#include <string.h>

#include "base/codec.h"
#include "core/headers.h"

static const struct {
	const char *name, *canonical;
} names[] = {
	{ "test-header", "Test-Header" },
	{ "TEST-HEADER", "Test-Header" },
	{ "Test-Header", "Test-Header" },
	{ "x", "X" },
	{ "x-", "X-" },
	{ "-x", "-X" },
	{ "a--b", "A--B" },
	{ "x_y-z", "X_y-Z" },
	{ "upstash-workflow-runid", "Upstash-Workflow-Runid" },
	{ "OpenAI-Organization", "Openai-Organization" },
	{ "1st-2nd", "1st-2nd" },
	{ "#!$%&'*+-.^_`|~", "#!$%&'*+-.^_`|~" },
	/* No tokens: as they are. */
	{ "bad name", "bad name" },
	{ "caf\xc3\xa9-au", "caf\xc3\xa9-au" },
	{ "a:b", "a:b" },
	{ "", "" },
};

TEST_EACH(names_take_their_canonical_form, names)
{
	struct arena a;

	arena_init(&a);
	T_EQ_STR(header_canonical(&a, str_c(row->name)), row->canonical);
	arena_done(&a);
}

TEST(a_canonical_name_is_not_copied)
{
	struct arena a;
	struct str name = STR("Content-Type");

	arena_init(&a);
	T_CHECK(header_canonical(&a, name).p == name.p);
	arena_done(&a);
}

TEST(get_finds_the_first_in_any_case)
{
	struct headers h =
		HEADERS(H("A", "1"), H("Content-Type", "x"), H("content-type", "y"), H("E", ""));

	T_EQ_STR(headers_get(&h, STR("CONTENT-TYPE")), "x");
	T_EQ_STR(headers_get(&h, STR("a")), "1");
	T_CHECK(!headers_get(&h, STR("Content")).p);
	T_CHECK(!headers_get(&h, STR("")).p);
}

TEST(get_tells_empty_from_absent)
{
	struct headers h = { (struct header[]){ { STR("E"), STR_NULL } }, 1 };
	struct headers none = { 0 };

	T_CHECK(headers_get(&h, STR("e")).p && !headers_get(&h, STR("e")).n);
	T_CHECK(!headers_get(&none, STR("e")).p);
}

static void round_trip(const struct headers *h)
{
	struct headers back = { 0 };
	struct str rest, value;
	struct arena a;
	struct buf b;
	uint8_t tag;

	arena_init(&a);
	buf_init(&b, 1 << 20);
	headers_encode(&b, 7, h);
	T_EQ_INT(headers_count(buf_str(&b), 7), h->n);
	T_EQ_INT(headers_count(buf_str(&b), 8), 0);
	back.v = arena_array(&a, struct header, h->n);
	for (rest = buf_str(&b); tlv_next(&rest, &tag, &value) == 1;)
		T_CHECK(headers_take(&back, value));
	kit_eq_headers(h, &back);
	buf_done(&b);
	arena_done(&a);
}

TEST(lists_come_back_as_they_were)
{
	static char big[3000];
	struct headers none = { 0 };
	struct headers h = HEADERS(H("A", "1"), H("A", "2"), H("Empty", ""),
				   { STR("Null"), STR_NULL }, { STR("Big"), { big, sizeof(big) } },
				   { { big, sizeof(big) }, STR("x") }, H("With-Nul", "a\0b"));

	memset(big, 'x', sizeof(big));
	round_trip(&none);
	round_trip(&h);
}

TEST(a_length_around_the_small_buffer)
{
	static char text[600];

	memset(text, 'v', sizeof(text));
	for (size_t n = 505; n < 520; n++) {
		struct headers h = HEADERS({ STR("Name"), { text, n } });

		round_trip(&h);
	}
}

TEST(a_value_without_a_nul_is_broken)
{
	struct header room[1];
	struct headers h = { room, 0 };

	T_CHECK(!headers_take(&h, STR("no nul in here")));
	T_EQ_INT(h.n, 0);
}

TEST(what_a_name_may_be)
{
	T_CHECK(header_name_is_valid(STR("X-Y_z.1~")));
	T_CHECK(!header_name_is_valid(STR("")));
	for (int c = 0; c < 256; c++) {
		char text[2] = { 'a', (char)c };
		bool token = c > 0x20 && c < 0x7f && !strchr("\"(),/:;<=>?@[\\]{}", c);

		T_EQ_INT(header_name_is_valid(str_n(text, 2)), token);
	}
}

TEST(what_a_value_may_be)
{
	T_CHECK(header_value_is_valid(STR("")));
	for (int c = 0; c < 256; c++) {
		char text[2] = { 'a', (char)c };

		T_EQ_INT(header_value_is_valid(str_n(text, 2)),
			 c == '\t' || (c >= 0x20 && c != 0x7f));
	}
}

static const struct {
	const char *json, *headers; /* NULL = refused */
} from_json[] = {
	{ "null", "" },
	{ "{}", "" },
	{ "{\"a\":\"1\",\"b\":[\"2\",\"3\"]}", "a: 1\nb: 2\nb: 3\n" },
	{ "{\"a\":1.50,\"b\":true,\"c\":[false,7]}", "a: 1.50\nb: true\nc: false\nc: 7\n" },
	{ "{\"a\":null,\"b\":[null,\"x\"],\"c\":[]}", "b: x\n" },
	{ "{\"a\":{}}", NULL },
	{ "{\"a\":[[\"x\"]]}", NULL },
	{ "[]", NULL },
	{ "\"a\"", NULL },
};

TEST_EACH(headers_as_json, from_json)
{
	struct headers h = { 0 };
	struct arena a;
	char error[96];
	bool ok;

	arena_init(&a);
	ok = headers_from_json(&a, json_parse(&a, str_c(row->json), error), &h);
	T_EQ_INT(ok, row->headers != NULL);
	if (ok)
		T_EQ_STR(kit_lines(&a, &h), row->headers);
	T_CHECK(headers_from_json(&a, NULL, &h) && h.n == 0);
	arena_done(&a);
}
