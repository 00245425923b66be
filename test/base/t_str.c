#include "t.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/str.h"

static const struct {
	const char *a, *b;
	int cmp, icmp;
} pairs[] = {
	{ "", "", 0, 0 },           { "", "a", -1, -1 },   { "a", "", 1, 1 },
	{ "a", "a", 0, 0 },         { "a", "A", 1, 0 },    { "abc", "ABD", 1, -1 },
	{ "ab", "abc", -1, -1 },    { "b", "abc", 1, 1 },  { "[", "a", -1, -1 },
	{ "Z", "[", -1, 1 },        { "\x80", "a", 1, 1 }, { "@", "`", -1, -1 },
	{ "\xc1", "\xe1", -1, -1 },
};

static int sign(int v)
{
	return (v > 0) - (v < 0);
}

TEST_EACH(compares, pairs)
{
	struct str a = str_c(row->a), b = str_c(row->b);

	T_EQ_INT(sign(str_cmp(a, b)), row->cmp);
	T_EQ_INT(sign(str_cmp(b, a)), -row->cmp);
	T_EQ_INT(sign(str_icmp(a, b)), row->icmp);
	T_EQ_INT(sign(str_icmp(b, a)), -row->icmp);
	T_CHECK(str_eq(a, b) == !row->cmp);
	T_CHECK(str_ieq(a, b) == !row->icmp);
}

TEST(null_is_the_empty_string)
{
	T_EQ_INT(str_c(NULL).n, 0);
	T_CHECK(str_eq(STR_NULL, STR("")));
	T_CHECK(str_ieq(STR(""), STR_NULL));
	T_EQ_INT(str_cmp(STR_NULL, STR_NULL), 0);
	T_CHECK(str_starts(STR_NULL, STR_NULL));
	T_CHECK(str_has(STR_NULL, STR_NULL));
	T_CHECK(!str_has(STR_NULL, STR("a")));
	T_CHECK(!str_has_byte(STR_NULL, '\0'));
	T_EQ_INT(str_find(STR_NULL, 'a', 0), SIZE_MAX);
	T_EQ_INT(str_trim(STR_NULL).n, 0);
	T_CHECK(str_is_utf8(STR_NULL));
	T_CHECK(str_hash(STR_NULL, 5) == str_hash(STR(""), 5));
}

TEST(bytes_beyond_nul_count)
{
	T_CHECK(!str_eq(str_n("a\0b", 3), str_n("a\0c", 3)));
	T_CHECK(str_has(str_n("a\0bc", 4), STR("bc")));
	T_CHECK(str_has_byte(str_n("a\0", 2), '\0'));
}

TEST(starts_and_has)
{
	struct str s = STR("Upstash-Delay");

	T_CHECK(str_starts(s, STR("Upstash-")));
	T_CHECK(!str_starts(s, STR("upstash-")));
	T_CHECK(str_istarts(s, STR("upSTASH-")));
	T_CHECK(!str_starts(STR("Up"), STR("Upstash")));
	T_CHECK(!str_istarts(STR("Up"), STR("Upstash")));
	T_CHECK(str_has(s, STR("Delay")));
	T_CHECK(!str_has(s, STR("delay")));
	T_CHECK(str_has_byte(s, '-'));
	T_CHECK(!str_has_byte(s, '+'));
}

TEST(parts)
{
	struct str s = STR("abcdef");

	T_EQ_STR(str_from(s, 0), "abcdef");
	T_EQ_STR(str_from(s, 4), "ef");
	T_EQ_STR(str_from(s, 6), "");
	T_EQ_STR(str_from(s, SIZE_MAX), "");
	T_EQ_STR(str_sub(s, 1, 2), "bc");
	T_EQ_STR(str_sub(s, 4, SIZE_MAX), "ef");
	T_EQ_STR(str_sub(s, 9, 1), "");
	T_EQ_STR(str_sub(s, 2, 0), "");
}

static const struct {
	const char *text, *trimmed;
} trims[] = {
	{ "", "" },   { " ", "" },          { " \t ", "" },
	{ "a", "a" }, { "  a b\t", "a b" }, { "\na\n", "\na\n" },
};

TEST_EACH(trims_spaces_and_tabs, trims)
{
	T_EQ_STR(str_trim(str_c(row->text)), row->trimmed);
}

TEST(cuts_at_each_separator)
{
	struct str s = STR("a,,b");

	T_EQ_STR(str_cut(&s, ','), "a");
	T_EQ_STR(str_cut(&s, ','), "");
	T_EQ_STR(s, "b");
	T_EQ_STR(str_cut(&s, ','), "b");
	T_EQ_INT(s.n, 0);
	T_EQ_STR(str_cut(&s, ','), "");
	s = STR("a,");
	T_EQ_STR(str_cut(&s, ','), "a");
	T_EQ_INT(s.n, 0);
}

TEST(finds_from_a_position)
{
	T_EQ_INT(str_find(STR("a.b.c"), '.', 0), 1);
	T_EQ_INT(str_find(STR("a.b.c"), '.', 1), 1);
	T_EQ_INT(str_find(STR("a.b.c"), '.', 2), 3);
	T_EQ_INT(str_find(STR("a.b.c"), '.', 4), SIZE_MAX);
	T_EQ_INT(str_find(STR("a.b.c"), '.', 50), SIZE_MAX);
}

static const struct {
	const char *text;
	bool u_ok, i_ok;
	uint64_t u;
	int64_t i;
} numbers[] = {
	{ "0", true, true, 0, 0 },
	{ "007", true, true, 7, 7 },
	{ "9223372036854775807", true, true, INT64_MAX, INT64_MAX },
	{ "9223372036854775808", true, false, (uint64_t)INT64_MAX + 1, 0 },
	{ "18446744073709551615", true, false, UINT64_MAX, 0 },
	{ "18446744073709551616", false, false, 0, 0 },
	{ "99999999999999999999999", false, false, 0, 0 },
	{ "-1", false, true, 0, -1 },
	{ "-0", false, true, 0, 0 },
	{ "-9223372036854775808", false, true, 0, INT64_MIN },
	{ "-9223372036854775809", false, false, 0, 0 },
	{ "", false, false, 0, 0 },
	{ "-", false, false, 0, 0 },
	{ "--1", false, false, 0, 0 },
	{ "+1", false, false, 0, 0 },
	{ " 1", false, false, 0, 0 },
	{ "1 ", false, false, 0, 0 },
	{ "1.0", false, false, 0, 0 },
	{ "0x1", false, false, 0, 0 },
	{ "1e3", false, false, 0, 0 },
};

TEST_EACH(reads_decimal_numbers, numbers)
{
	uint64_t u = 77;
	int64_t i = 77;

	T_CHECK(str_u64(str_c(row->text), &u) == row->u_ok);
	T_CHECK(u == (row->u_ok ? row->u : 77));
	T_CHECK(str_i64(str_c(row->text), &i) == row->i_ok);
	T_CHECK(i == (row->i_ok ? row->i : 77));
}

TEST(dup_terminates)
{
	char *p = str_dup(str_sub(STR("abcdef"), 0, 3));

	T_EQ_STR(p, "abc");
	free(p);
	p = str_dup(STR_NULL);
	T_EQ_STR(p, "");
	free(p);
}

static const struct {
	const char *bytes;
	bool ok;
} utf8[] = {
	{ "plain ascii, longer than eight bytes", true },
	{ "\x7f", true },
	{ "\xc2\x80", true },
	{ "\xdf\xbf", true },
	{ "\xe0\xa0\x80", true },
	{ "\xed\x9f\xbf", true },
	{ "\xee\x80\x80", true },
	{ "\xf0\x90\x80\x80", true },
	{ "\xf4\x8f\xbf\xbf", true },
	{ "ascii before \xe2\x82\xac and after, and more", true },
	{ "\x80", false },
	{ "\xc0\x80", false },
	{ "\xc1\xbf", false },
	{ "\xc2", false },
	{ "\xc2\x41", false },
	{ "\xe0\x9f\xbf", false },
	{ "\xe2\x82", false },
	{ "\xe2\x28\xa1", false },
	{ "\xed\xa0\x80", false },
	{ "\xed\xbf\xbf", false },
	{ "\xf0\x8f\xbf\xbf", false },
	{ "\xf0\x9f\x98", false },
	{ "\xf4\x90\x80\x80", false },
	{ "\xf5\x80\x80\x80", false },
	{ "\xff", false },
	{ "12345678\xff", false },
	{ "1234567\xc3\xa9"
	  "12345678\xc3",
	  false },
};

TEST_EACH(judges_utf8, utf8)
{
	T_CHECK(str_is_utf8(str_c(row->bytes)) == row->ok);
}

TEST(utf8_step_gives_the_length)
{
	T_EQ_INT(str_utf8_step(STR_NULL), 0);
	T_EQ_INT(str_utf8_step(STR("ab")), 1);
	T_EQ_INT(str_utf8_step(str_n("\0", 1)), 1);
	T_EQ_INT(str_utf8_step(STR("\xc3\xa9x")), 2);
	T_EQ_INT(str_utf8_step(STR("\xe2\x82\xacx")), 3);
	T_EQ_INT(str_utf8_step(STR("\xf0\x9f\x98\x80x")), 4);
	T_EQ_INT(str_utf8_step(STR("\x80x")), 0);
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* All prefixes of two texts that differ in one byte, and a run of counters: no two hashes alike. */
TEST(hash_tells_similar_keys_apart)
{
	static uint64_t hashes[128 + 128 + 20000];
	char text[128];
	size_t n = 0;

	memset(text, 'a', sizeof(text));
	for (size_t len = 0; len < 128; len++)
		hashes[n++] = str_hash(str_n(text, len), 9);
	for (size_t i = 0; i < 128; i++) {
		text[i] = 'b';
		hashes[n++] = str_hash(str_n(text, 128), 9);
		text[i] = 'a';
	}
	for (uint64_t i = 0; i < 20000; i++)
		hashes[n++] = str_hash(str_n(&i, sizeof(i)), 9);
	qsort(hashes, n, sizeof(*hashes), compare_u64);
	for (size_t i = 1; i < n; i++)
		T_CHECK(hashes[i - 1] != hashes[i]);
}

TEST(hash_depends_on_the_seed_and_not_on_the_place)
{
	char copy[64] = { 0 };

	for (size_t len = 0; len < 40; len++) {
		static const char text[] = "0123456789012345678901234567890123456789";

		memcpy(copy + 3, text, len);
		T_CHECK(str_hash(str_n(text, len), 1) == str_hash(str_n(copy + 3, len), 1));
		T_CHECK(str_hash(str_n(text, len), 1) != str_hash(str_n(text, len), 2));
	}
}

/* Flipping one bit of a key flips about half of the 64 bits of the hash. */
TEST(hash_spreads_every_bit)
{
	struct rng r;

	rng_init(&r, 5);
	for (size_t len = 1; len <= 40; len++) {
		int flipped = 0, trials = 0;

		for (int round = 0; round < 20; round++) {
			unsigned char key[40];

			for (size_t i = 0; i < len; i++)
				key[i] = (unsigned char)rng_u64(&r);
			for (size_t bit = 0; bit < len * 8; bit++, trials++) {
				uint64_t before = str_hash(str_n(key, len), 3);

				key[bit / 8] ^= (unsigned char)(1 << bit % 8);
				flipped +=
					__builtin_popcountll(before ^ str_hash(str_n(key, len), 3));
			}
		}
		T_CHECK(flipped > trials * 30 && flipped < trials * 34);
	}
}
