#include "t.h"

#include "base/codec.h"
#include "base/rng.h"

static const struct {
	const char *plain, *std, *url;
} b64s[] = {
	{ "", "", "" },
	{ "f", "Zg==", "Zg" },
	{ "fo", "Zm8=", "Zm8" },
	{ "foo", "Zm9v", "Zm9v" },
	{ "foob", "Zm9vYg==", "Zm9vYg" },
	{ "fooba", "Zm9vYmE=", "Zm9vYmE" },
	{ "foobar", "Zm9vYmFy", "Zm9vYmFy" },
	{ "\xfb\xff\xbf", "+/+/", "-_-_" },
	{ "\xff", "/w==", "_w" },
};

TEST_EACH(base64_both_ways, b64s)
{
	struct buf b;

	buf_init(&b, 100);
	b64_encode(&b, str_c(row->plain));
	T_EQ_STR(buf_str(&b), row->std);
	buf_reset(&b);
	b64url_encode(&b, str_c(row->plain), false);
	T_EQ_STR(buf_str(&b), row->url);
	buf_reset(&b);
	T_CHECK(b64_decode(&b, str_c(row->std)));
	T_EQ_STR(buf_str(&b), row->plain);
	buf_reset(&b);
	T_CHECK(b64_decode(&b, str_c(row->url)));
	T_EQ_STR(buf_str(&b), row->plain);
	buf_done(&b);
}

TEST(base64url_with_padding)
{
	struct buf b;

	buf_init(&b, 100);
	b64url_encode(&b, STR("\xff"), true);
	T_EQ_STR(buf_str(&b), "_w==");
	buf_done(&b);
}

static const char *const b64_broken[] = {
	"Z",    "Zg=",      "Zg===", "Zm8==",  "Zm9v=", "Zm9v====", "=",    "==",          "====",
	"Z=g=", "Zg==Zg==", "Zm 9",  "Zm9v\n", "Zm9*",  "Zh==",     "Zm9=", "Z\xc3\xa9==", "A===",
};

TEST_EACH(base64_refuses, b64_broken)
{
	struct buf b;

	buf_init(&b, 100);
	T_CHECK(!b64_decode(&b, str_c(*row)));
	buf_done(&b);
}

TEST(base64_past_the_maximum_is_refused)
{
	struct buf b;

	buf_init(&b, 3);
	b64_encode(&b, STR("foo"));
	T_CHECK(b.overflow);
	T_EQ_INT(b.n, 0);
	buf_reset(&b);
	T_CHECK(!b64_decode(&b, STR("Zm9vYg==")));
	buf_reset(&b);
	T_CHECK(b64_decode(&b, STR("Zm9v")));
	buf_done(&b);
}

TEST(hex)
{
	struct buf b;

	buf_init(&b, 100);
	hex_encode(&b, str_n("\x00\x7f\x80\xff", 4));
	T_EQ_STR(buf_str(&b), "007f80ff");
	buf_done(&b);
}

static const struct {
	uint64_t v;
	const char *text;
} b58s[] = {
	{ 0, "11111111111" },  { 1, "11111111112" },          { 57, "1111111111z" },
	{ 58, "11111111121" }, { UINT64_MAX, "jpXCZedGfVQ" },
};

TEST_EACH(base58_both_ways, b58s)
{
	char text[B58_U64_LEN];
	uint64_t v;

	b58_u64(text, row->v);
	T_EQ_STR(str_n(text, sizeof(text)), row->text);
	T_CHECK(b58_u64_parse(str_c(row->text), &v));
	T_CHECK(v == row->v);
}

static const char *const b58_broken[] = {
	"",
	"1",
	"1111111111",
	"111111111111",
	"1111111111O",
	"1111111111l",
	"11111 11111",
	"jpXCZedGfVR",
	"zzzzzzzzzzz",
};

TEST_EACH(base58_refuses, b58_broken)
{
	uint64_t v;

	T_CHECK(!b58_u64_parse(str_c(*row), &v));
}

TEST(base58_sorts_like_the_numbers)
{
	struct rng r;

	rng_init(&r, 1);
	for (int i = 0; i < 10000; i++) {
		uint64_t a = rng_u64(&r) >> rng_below(&r, 64), b = rng_u64(&r) >> rng_below(&r, 64);
		char x[B58_U64_LEN], y[B58_U64_LEN];
		int order;

		b58_u64(x, a);
		b58_u64(y, b);
		order = str_cmp(str_n(x, sizeof(x)), str_n(y, sizeof(y)));
		T_CHECK((order < 0) == (a < b) && (order == 0) == (a == b));
	}
}

static const struct {
	const char *text, *plain; /* plain NULL = refused */
} percents[] = {
	{ "", "" },       { "abc", "abc" }, { "a%20b", "a b" },       { "%41%6a%6A", "Ajj" },
	{ "a+b", "a+b" }, { "%2B", "+" },   { "%c3%A9", "\xc3\xa9" }, { "%", NULL },
	{ "%4", NULL },   { "a%4", NULL },  { "%4g", NULL },          { "%g4", NULL },
	{ "%%41", NULL }, { "% 41", NULL },
};

TEST_EACH(percent_decoding, percents)
{
	struct buf b;

	buf_init(&b, 100);
	T_CHECK(percent_decode(&b, str_c(row->text)) == !!row->plain);
	if (row->plain)
		T_EQ_STR(buf_str(&b), row->plain);
	buf_done(&b);
}

TEST(percent_encoding)
{
	struct buf b;

	buf_init(&b, 100);
	percent_encode(&b, STR("AZaz09-._~ /%+\xc3\xa9"));
	T_EQ_STR(buf_str(&b), "AZaz09-._~%20%2F%25%2B%C3%A9");
	buf_done(&b);
}

TEST(percent_round_trip_of_all_bytes)
{
	struct buf b, c;
	char all[256];

	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	buf_init(&b, 1000);
	buf_init(&c, 1000);
	percent_encode(&b, str_n(all, 256));
	T_CHECK(percent_decode(&c, buf_str(&b)));
	T_EQ_STR(buf_str(&c), str_n(all, 256));
	buf_done(&b);
	buf_done(&c);
}

TEST(tlv_keeps_order_and_repeats)
{
	struct buf b;
	struct str s, value;
	uint8_t tag;

	buf_init(&b, 1000);
	tlv_add(&b, 3, STR("three"));
	tlv_add(&b, 0, STR_NULL);
	tlv_add(&b, 255, STR("x"));
	tlv_add(&b, 3, STR("again"));
	s = buf_str(&b);
	T_EQ_INT(tlv_next(&s, &tag, &value), 1);
	T_EQ_INT(tag, 3);
	T_EQ_STR(value, "three");
	T_EQ_INT(tlv_next(&s, &tag, &value), 1);
	T_EQ_INT(tag, 0);
	T_EQ_STR(value, "");
	T_EQ_INT(tlv_next(&s, &tag, &value), 1);
	T_EQ_INT(tag, 255);
	T_EQ_INT(tlv_next(&s, &tag, &value), 1);
	T_EQ_STR(value, "again");
	T_EQ_INT(tlv_next(&s, &tag, &value), 0);
	T_EQ_INT(tlv_next(&s, &tag, &value), 0);
	buf_done(&b);
}

TEST(tlv_lengths_around_each_varint_size)
{
	static const size_t lengths[] = { 0, 1, 127, 128, 16383, 16384, 100000 };
	static char bytes[100000];

	for (size_t i = 0; i < countof(lengths); i++) {
		struct str s, value;
		struct buf b;
		uint8_t tag;

		buf_init(&b, 200000);
		tlv_add(&b, 1, str_n(bytes, lengths[i]));
		tlv_add(&b, 2, STR("end"));
		s = buf_str(&b);
		T_EQ_INT(tlv_next(&s, &tag, &value), 1);
		T_EQ_INT(value.n, lengths[i]);
		T_EQ_INT(tlv_next(&s, &tag, &value), 1);
		T_EQ_STR(value, "end");
		buf_done(&b);
	}
}

static const struct {
	const char *bytes;
	size_t n;
} tlv_broken[] = {
	{ "\x01", 1 },     /* no length */
	{ "\x01\x01", 2 }, /* value missing */
	{ "\x01\x05"
	  "abcd",
	  6 },                                                      /* value cut */
	{ "\x01\x80", 2 },                                          /* length cut */
	{ "\x01\x80\x00", 3 },                                      /* not the shortest form */
	{ "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11 },     /* 2^64 - 1 bytes */
	{ "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11 },     /* beyond 64 bits */
	{ "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12 }, /* a varint too long */
};

TEST_EACH(tlv_refuses, tlv_broken)
{
	struct str s = str_n(row->bytes, row->n), value;
	uint8_t tag;

	T_EQ_INT(tlv_next(&s, &tag, &value), -1);
}

TEST(tlv_add_past_the_maximum_adds_nothing)
{
	struct buf b;

	buf_init(&b, 6);
	tlv_add(&b, 1, STR("12345"));
	T_CHECK(b.overflow);
	T_EQ_INT(b.n, 0);
	buf_reset(&b);
	tlv_add(&b, 1, STR("1234"));
	T_EQ_STR(buf_str(&b), "\x01\x04"
			      "1234");
	buf_done(&b);
}

static const struct {
	int64_t v;
	size_t bytes; /* of the value */
} integers[] = {
	{ 0, 1 },
	{ -1, 1 },
	{ 1, 1 },
	{ 63, 1 },
	{ -64, 1 },
	{ 64, 2 },
	{ -65, 2 },
	{ 1 << 20, 4 },
	{ INT64_MAX, 10 },
	{ INT64_MIN, 10 },
	{ 1700000000000, 6 },
};

TEST_EACH(tlv_integers, integers)
{
	struct str s, value;
	struct buf b;
	uint8_t tag;
	int64_t v;

	buf_init(&b, 100);
	tlv_i64(&b, 9, row->v);
	s = buf_str(&b);
	T_EQ_INT(tlv_next(&s, &tag, &value), 1);
	T_EQ_INT(value.n, row->bytes);
	T_CHECK(tlv_i64_value(value, &v));
	T_EQ_INT(v, row->v);
	buf_done(&b);
}

TEST(tlv_integer_refuses)
{
	int64_t v;

	T_CHECK(!tlv_i64_value(STR_NULL, &v));
	T_CHECK(!tlv_i64_value(STR("\x80"), &v));
	T_CHECK(!tlv_i64_value(STR("\x01\x01"), &v));
	T_CHECK(!tlv_i64_value(str_n("\x80\x00", 2), &v));
}
