#include "t.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"

/* Writes the tree out again, so that a case can state what was understood. */

static const struct {
	const char *text, *again;
} good[] = {
	{ "null", "null" },
	{ " \t\r\n true \n", "true" },
	{ "false", "false" },
	{ "0", "0" },
	{ "-0", "-0" },
	{ "-12.50e+3", "-12.50e+3" },
	{ "1E400", "1E400" },
	{ "0.1", "0.1" },
	{ "\"\"", "\"\"" },
	{ "\"caf\xc3\xa9\"", "\"caf\xc3\xa9\"" },
	{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\"" },
	{ "\"\\u0041\\u00e9\\u20AC\"", "\"A\xc3\xa9\xe2\x82\xac\"" },
	{ "\"\\ud83d\\uDE00\"", "\"\xf0\x9f\x98\x80\"" },
	{ "\"\\udbff\\udfff\"", "\"\xf4\x8f\xbf\xbf\"" },
	{ "\"\\u0000\\u001f\"", "\"\\u0000\\u001f\"" },
	{ "\"\x7f\"", "\"\x7f\"" },
	{ "[]", "[]" },
	{ "[ ]", "[]" },
	{ "{ }", "{}" },
	{ "[1 , [ ] ,{},\"a\"]", "[1,[],{},\"a\"]" },
	{ "{ \"a\" : 1 , \"b\" : { \"c\" : [ null ] } }", "{\"a\":1,\"b\":{\"c\":[null]}}" },
	{ "{\"\":\"\"}", "{\"\":\"\"}" },
	{ "{\"\\u0061\\n\":1}", "{\"a\\n\":1}" },
};

TEST_EACH(understands, good)
{
	struct arena a;
	struct buf b;
	char error[96];
	struct json *v;
	struct json_out j;

	arena_init(&a);
	buf_init(&b, 1000);
	v = json_parse(&a, str_c(row->text), error);
	if (!v)
		T_FAIL("%s: %s", row->text, error);
	j = json_out(&b);
	json_value(&j, v);
	T_EQ_STR(buf_str(&b), row->again);
	buf_done(&b);
	arena_done(&a);
}

static const struct {
	const char *text, *error;
} bad[] = {
	{ "", "value expected at byte 0" },
	{ "  ", "value expected at byte 2" },
	{ "nul", "value expected at byte 0" },
	{ "nullx", "nothing more expected at byte 4" },
	{ "True", "value expected at byte 0" },
	{ "NaN", "value expected at byte 0" },
	{ "Infinity", "value expected at byte 0" },
	{ "-", "digit expected at byte 1" },
	{ "-x", "digit expected at byte 1" },
	{ "+1", "value expected at byte 0" },
	{ "01", "nothing more expected at byte 1" },
	{ "-01", "nothing more expected at byte 2" },
	{ "1.", "digit expected at byte 2" },
	{ ".5", "value expected at byte 0" },
	{ "1e", "digit expected at byte 2" },
	{ "1e+", "digit expected at byte 3" },
	{ "1 2", "nothing more expected at byte 2" },
	{ "0x10", "nothing more expected at byte 1" },
	{ "'a'", "value expected at byte 0" },
	{ "\"", "string without an end at byte 1" },
	{ "\"abc", "string without an end at byte 4" },
	{ "\"abc\\", "string without an end at byte 5" },
	{ "\"abc\\\"", "string without an end at byte 6" },
	{ "\"a\nb\"", "control character in a string at byte 2" },
	{ "\"a\tb\"", "control character in a string at byte 2" },
	{ "\"\\x41\"", "unknown escape at byte 2" },
	{ "\"\\\x01\"", "unknown escape at byte 2" },
	{ "\"\\u12\"", "broken \\u escape at byte 2" },
	{ "\"\\u12g4\"", "broken \\u escape at byte 2" },
	{ "\"\\ud83d\"", "broken \\u escape at byte 2" },
	{ "\"\\ud83dx\"", "broken \\u escape at byte 2" },
	{ "\"\\ud83d\\u0041\"", "broken \\u escape at byte 2" },
	{ "\"\\ud83d\\ud83d\"", "broken \\u escape at byte 2" },
	{ "\"\\ude00\"", "broken \\u escape at byte 2" },
	{ "\"\\ud83d\\n\"", "broken \\u escape at byte 2" },
	{ "\"\xff\"", "string that is not UTF-8 at byte 1" },
	{ "\"\xc3\"", "string that is not UTF-8 at byte 1" },
	{ "\"\xed\xa0\xbd\"", "string that is not UTF-8 at byte 1" },
	{ "\xef\xbb\xbf{}", "value expected at byte 0" },
	{ "\xc2\xa0"
	  "1",
	  "value expected at byte 0" },
	{ "\f1", "value expected at byte 0" },
	{ "[", "value expected at byte 1" },
	{ "]", "value expected at byte 0" },
	{ "[1", "',' or ']' expected at byte 2" },
	{ "[1,", "value expected at byte 3" },
	{ "[1,]", "value expected at byte 3" },
	{ "[,1]", "value expected at byte 1" },
	{ "[1 2]", "',' or ']' expected at byte 3" },
	{ "[1}", "',' or ']' expected at byte 2" },
	{ "[1]]", "nothing more expected at byte 3" },
	{ "{", "name in quotes expected at byte 1" },
	{ "{a:1}", "name in quotes expected at byte 1" },
	{ "{1:1}", "name in quotes expected at byte 1" },
	{ "{\"a\"}", "':' expected at byte 4" },
	{ "{\"a\" 1}", "':' expected at byte 5" },
	{ "{\"a\":}", "value expected at byte 5" },
	{ "{\"a\":1", "',' or '}' expected at byte 6" },
	{ "{\"a\":1,}", "name in quotes expected at byte 7" },
	{ "{\"a\":1]", "',' or '}' expected at byte 6" },
	{ "{\"a\":1 \"b\":2}", "',' or '}' expected at byte 7" },
	{ "[1] // comment", "nothing more expected at byte 4" },
	{ "/* c */ 1", "value expected at byte 0" },
};

TEST_EACH(refuses, bad)
{
	struct arena a;
	char error[96];

	arena_init(&a);
	T_CHECK(!json_parse(&a, str_c(row->text), error));
	T_EQ_STR(error, row->error);
	arena_done(&a);
}

TEST(a_nul_byte_is_not_the_end)
{
	struct arena a;
	char error[96];

	arena_init(&a);
	T_CHECK(!json_parse(&a, str_n("1\0", 2), error));
	T_CHECK(!json_parse(&a, str_n("\"a\0b\"", 5), error));
	T_CHECK(!json_parse(&a, str_n("[\0]", 3), error));
	T_CHECK(!json_parse(&a, STR_NULL, error));
	arena_done(&a);
}

static bool parses_nested(int depth)
{
	char text[2 * JSON_DEPTH_MAX + 10];
	char error[96];
	struct arena a;
	bool ok;

	arena_init(&a);
	memset(text, '[', (size_t)depth);
	memset(text + depth, ']', (size_t)depth);
	ok = json_parse(&a, str_n(text, 2 * (size_t)depth), error) != NULL;
	arena_done(&a);
	return ok;
}

TEST(depth_is_limited)
{
	T_CHECK(parses_nested(JSON_DEPTH_MAX));
	T_CHECK(!parses_nested(JSON_DEPTH_MAX + 1));
}

TEST(get_finds_members_and_the_last_of_equal_names)
{
	struct arena a;
	char error[96];
	struct json *v;

	arena_init(&a);
	v = json_parse(&a, STR("{\"a\":1,\"b\":\"x\",\"a\":2,\"\\u0063\":true}"), error);
	T_CHECK(v != NULL);
	T_EQ_INT(v->count, 4);
	T_EQ_STR(json_get(v, STR("a"))->text, "2");
	T_EQ_STR(json_get(v, STR("b"))->text, "x");
	T_CHECK(json_get(v, STR("c"))->boolean);
	T_CHECK(!json_get(v, STR("A")));
	T_CHECK(!json_get(NULL, STR("a")));
	T_CHECK(!json_get(json_get(v, STR("b")), STR("a")));
	arena_done(&a);
}

/* Text that holds no escape is not copied. */
TEST(plain_strings_point_into_the_text)
{
	struct str text = STR("[\"plain\",\"esc\\n\"]");
	struct arena a;
	char error[96];
	struct json *v;

	arena_init(&a);
	v = json_parse(&a, text, error);
	T_CHECK(v && v->child->text.p == text.p + 2);
	T_EQ_STR(v->child->next->text, "esc\n");
	arena_done(&a);
}

static const struct {
	const char *text;
	bool ok;
	int64_t value;
} integers[] = {
	{ "0", true, 0 },
	{ "-0", true, 0 },
	{ "0e999999999999999999999999", true, 0 },
	{ "0.000", true, 0 },
	{ "12", true, 12 },
	{ "-12", true, -12 },
	{ "12.0", true, 12 },
	{ "12.5", false, 0 },
	{ "1.25e2", true, 125 },
	{ "1.25E1", false, 0 },
	{ "1200e-2", true, 12 },
	{ "1200e-3", false, 0 },
	{ "1e18", true, 1000000000000000000 },
	{ "1e19", false, 0 },
	{ "1e-1", false, 0 },
	{ "0.0001e4", true, 1 },
	{ "9223372036854775807", true, INT64_MAX },
	{ "9223372036854775808", false, 0 },
	{ "-9223372036854775808", true, INT64_MIN },
	{ "-9223372036854775809", false, 0 },
	{ "9223372036854775.807e3", true, INT64_MAX },
	{ "1e99999999999999999999999999", false, 0 },
	{ "1e-99999999999999999999999999", false, 0 },
	{ "\"12\"", false, 0 },
	{ "true", false, 0 },
	{ "null", false, 0 },
	{ "[1]", false, 0 },
};

TEST_EACH(integers_are_exact, integers)
{
	struct arena a;
	char error[96];
	int64_t value = 77;
	struct json *v;

	arena_init(&a);
	v = json_parse(&a, str_c(row->text), error);
	T_CHECK(v != NULL);
	T_CHECK(json_i64(v, &value) == row->ok);
	T_EQ_INT(value, row->ok ? row->value : 77);
	arena_done(&a);
}

TEST(no_value_is_no_integer)
{
	int64_t value;

	T_CHECK(!json_i64(NULL, &value));
}

TEST(writes_with_commas_where_they_belong)
{
	struct json_out j;
	struct buf b;

	buf_init(&b, 1000);
	j = json_out(&b);
	json_open(&j, '{');
	json_kstr(&j, STR("a"), STR("x"));
	json_kint(&j, STR("b"), -5);
	json_kbool(&j, STR("c"), true);
	json_kstr_opt(&j, STR("absent"), STR_NULL);
	json_kint_opt(&j, STR("absent"), 0);
	json_kstr_opt(&j, STR("d"), STR("y"));
	json_kint_opt(&j, STR("e"), 1);
	json_key(&j, STR("f"));
	json_open(&j, '[');
	json_null(&j);
	json_b64(&j, STR("foob"));
	json_raw(&j, STR("{\"raw\":0}"));
	json_open(&j, '{');
	json_close(&j, '}');
	json_bool(&j, false);
	json_close(&j, ']');
	json_key(&j, STR("g"));
	json_int(&j, INT64_MIN);
	json_close(&j, '}');
	T_EQ_STR(buf_str(&b),
		 "{\"a\":\"x\",\"b\":-5,\"c\":true,\"d\":\"y\",\"e\":1,\"f\":[null,\"Zm9vYg==\","
		 "{\"raw\":0},{},false],\"g\":-9223372036854775808}");
	buf_done(&b);
}

static const struct {
	const char *bytes, *text;
} escapes[] = {
	{ "a\"b\\c/d", "\"a\\\"b\\\\c/d\"" },
	{ "\b\f\n\r\t\x01\x1f\x7f", "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"" },
	{ "\xc3\xa9\xf0\x9f\x98\x80", "\"\xc3\xa9\xf0\x9f\x98\x80\"" },
	{ "a\xff"
	  "b",
	  "\"a\xef\xbf\xbd"
	  "b\"" },
	{ "\xc3", "\"\xef\xbf\xbd\"" },
	{ "\xc3\"", "\"\xef\xbf\xbd\\\"\"" },
	{ "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
};

TEST_EACH(strings_are_escaped, escapes)
{
	struct json_out j;
	struct buf b;

	buf_init(&b, 1000);
	j = json_out(&b);
	json_str(&j, str_c(row->bytes));
	T_EQ_STR(buf_str(&b), row->text);
	buf_done(&b);
}

TEST(nul_is_escaped)
{
	struct json_out j;
	struct buf b;

	buf_init(&b, 1000);
	j = json_out(&b);
	json_str(&j, str_n("a\0b", 3));
	T_EQ_STR(buf_str(&b), "\"a\\u0000b\"");
	buf_done(&b);
}

/* A tree takes one node of memory per value and nothing per plain string. */
TEST(the_tree_is_compact)
{
	char error[96];
	struct arena a;
	struct buf b;

	buf_init(&b, 100000);
	buf_add(&b, STR("[0"));
	for (int i = 1; i < 10000; i++)
		buf_add(&b, STR(",\"a\""));
	buf_byte(&b, ']');
	arena_init(&a);
	T_CHECK(json_parse(&a, buf_str(&b), error) != NULL);
	T_CHECK(a.bytes < 10001 * sizeof(struct json) + 512 * 1024);
	arena_done(&a);
	buf_done(&b);
}

TEST(bounds_the_number_of_values)
{
	struct arena a;
	char why[96];

	arena_init(&a);
	T_CHECK(json_parse_bounded(&a, STR("[1,{\"a\":2}]"), 3, why) != NULL);
	T_CHECK(json_parse_bounded(&a, STR("[1,{\"a\":2}]"), 2, why) == NULL);
	T_CHECK(str_starts(str_c(why), STR("too many values at byte ")));
	T_CHECK(json_parse_bounded(&a, STR("7"), 0, why) != NULL);
	arena_done(&a);
}

/* Strings are looked through eight bytes at a time: what matters is found at every place, also behind
 * bytes that look alike but for their high bit. */
TEST(finds_what_ends_or_breaks_a_string_at_every_place)
{
	static const char filler[] = "a\x80"
				     "b\xff"
				     "z";
	struct arena a;
	char text[64], why[96];

	arena_init(&a);
	for (size_t at = 0; at < 40; at++) {
		const struct json *v;

		memset(text, 'x', sizeof(text));
		text[0] = '"';
		for (size_t i = 1; i <= at; i++)
			text[i] = "a~!#[]^ \x7f"[i % 9];
		text[at + 1] = '"';
		v = json_parse(&a, str_n(text, at + 2), why);
		T_CHECK(v != NULL && v->text.n == at);
		T_CHECK(json_parse(&a, str_n(text, at + 1), why) == NULL);
		text[at + 2] = '"';
		for (int c = 0; c < 0x20; c++) {
			text[at + 1] = (char)c;
			T_CHECK(json_parse(&a, str_n(text, at + 3), why) == NULL);
		}
		text[at + 1] = '\\';
		T_CHECK(json_parse(&a, str_n(text, at + 3), why) == NULL);
		text[at + 3] = '"';
		v = json_parse(&a, str_n(text, at + 4), why);
		T_CHECK(v != NULL && v->text.n == at + 1 && v->text.p[at] == '"');
	}
	T_CHECK(json_parse(&a, arena_fmt(&a, "\"%s%s\"", filler, filler), why) == NULL);
	arena_done(&a);
}
