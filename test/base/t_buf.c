#include "t.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

TEST(appends_in_order)
{
	struct buf b;

	buf_init(&b, 1000);
	buf_add(&b, STR("GET "));
	buf_byte(&b, '/');
	buf_fmt(&b, "v%d/%s", 2, "keys");
	buf_byte(&b, ' ');
	buf_u64(&b, 0);
	buf_i64(&b, -12);
	buf_add(&b, STR_NULL);
	T_EQ_STR(buf_str(&b), "GET /v2/keys 0-12");
	T_CHECK(!b.overflow);
	buf_done(&b);
}

TEST(numbers_at_their_limits)
{
	struct buf b;

	buf_init(&b, 1000);
	buf_u64(&b, UINT64_MAX);
	buf_byte(&b, ' ');
	buf_i64(&b, INT64_MIN);
	buf_byte(&b, ' ');
	buf_i64(&b, INT64_MAX);
	T_EQ_STR(buf_str(&b), "18446744073709551615 -9223372036854775808 9223372036854775807");
	buf_done(&b);
}

/* Every length of formatted text at every fill of the buffer, around the places where it grows. */
TEST(fmt_grows_to_any_length)
{
	for (int before = 0; before < 300; before += 7) {
		for (int n = 0; n < 600; n += 13) {
			struct buf b;

			buf_init(&b, 2000);
			buf_fmt(&b, "%*s", before, "");
			buf_fmt(&b, "%*s", n, "");
			buf_byte(&b, '.');
			T_EQ_INT(b.n, before + n + 1);
			T_EQ_INT(b.p[before + n], '.');
			T_CHECK(!str_has_byte(buf_str(&b), '\0'));
			buf_done(&b);
		}
	}
}

TEST(holds_exactly_its_maximum)
{
	for (size_t max = 0; max < 300; max++) {
		struct buf b;

		buf_init(&b, max);
		for (size_t i = 0; i < max; i++)
			buf_byte(&b, 'x');
		T_CHECK(!b.overflow);
		T_EQ_INT(b.n, max);
		T_CHECK(b.cap <= max + 1);
		buf_fmt(&b, "%s", "");
		T_CHECK(!b.overflow);
		buf_byte(&b, 'y');
		T_CHECK(b.overflow);
		T_EQ_INT(b.n, max);
		buf_done(&b);
	}
}

TEST(overflow_sticks_and_changes_nothing)
{
	struct buf b;

	buf_init(&b, 5);
	buf_add(&b, STR("abc"));
	buf_add(&b, STR("def"));
	T_CHECK(b.overflow);
	T_EQ_STR(buf_str(&b), "abc");
	buf_byte(&b, 'd');
	buf_fmt(&b, "e");
	buf_u64(&b, 1);
	T_CHECK(!buf_room(&b, 0));
	T_EQ_STR(buf_str(&b), "abc");
	buf_reset(&b);
	T_CHECK(!b.overflow);
	buf_fmt(&b, "%s", "12345");
	T_EQ_STR(buf_str(&b), "12345");
	buf_fmt(&b, "%d", 6);
	T_CHECK(b.overflow);
	T_EQ_STR(buf_str(&b), "12345");
	buf_done(&b);
}

TEST(room_is_filled_and_claimed)
{
	struct buf b;
	char *p;

	buf_init(&b, 100000);
	p = buf_room(&b, 70000);
	T_CHECK(p != NULL);
	memset(p, 'r', 70000);
	T_EQ_INT(b.n, 0);
	buf_grew(&b, 10);
	T_EQ_STR(buf_str(&b), "rrrrrrrrrr");
	T_CHECK(!buf_room(&b, 100000));
	T_CHECK(b.overflow);
	buf_done(&b);
}

TEST(no_maximum_at_all)
{
	struct buf b;

	buf_init(&b, SIZE_MAX);
	buf_add(&b, STR("x"));
	T_EQ_STR(buf_str(&b), "x");
	buf_done(&b);
}

TEST(drops_from_the_front)
{
	struct buf b;

	buf_init(&b, 100);
	buf_drop(&b, 0);
	buf_add(&b, STR("abcdef"));
	buf_drop(&b, 2);
	T_EQ_STR(buf_str(&b), "cdef");
	buf_drop(&b, 4);
	T_EQ_STR(buf_str(&b), "");
	buf_add(&b, STR("gh"));
	T_EQ_STR(buf_str(&b), "gh");
	buf_done(&b);
}

TEST(take_hands_the_memory_over)
{
	struct buf b;
	char *p;

	buf_init(&b, 4);
	p = buf_take(&b);
	T_EQ_STR(p, "");
	free(p);
	buf_add(&b, STR("abcd"));
	p = buf_take(&b);
	T_EQ_STR(p, "abcd");
	free(p);
	T_EQ_INT(b.n, 0);
	buf_add(&b, STR("efghi"));
	T_CHECK(b.overflow);
	buf_done(&b);
}
