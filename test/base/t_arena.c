#include "t.h"

#include <string.h>

#include "base/arena.h"
#include "base/rng.h"

TEST(pieces_are_aligned_and_apart)
{
	struct arena a;
	struct rng r;
	char *piece[500];
	size_t size[500];

	arena_init(&a);
	rng_init(&r, 3);
	for (int i = 0; i < 500; i++) {
		size[i] = rng_below(&r, i % 50 ? 300 : 100 * 1000);
		piece[i] = arena_alloc(&a, size[i]);
		T_EQ_INT((uintptr_t)piece[i] % 16, 0);
		memset(piece[i], i & 0xff, size[i]);
	}
	for (int i = 0; i < 500; i++) {
		for (size_t k = 0; k < size[i]; k++)
			T_EQ_INT((unsigned char)piece[i][k], i & 0xff);
	}
	arena_done(&a);
	T_EQ_INT(a.bytes, 0);
}

TEST(zalloc_clears_reused_memory)
{
	struct arena a;
	char *p;

	arena_init(&a);
	memset(arena_alloc(&a, 1000), 'x', 1000);
	arena_reset(&a);
	p = arena_zalloc(&a, 1000);
	for (int i = 0; i < 1000; i++)
		T_EQ_INT(p[i], 0);
	arena_done(&a);
}

TEST(reset_keeps_one_chunk_and_reuses_it)
{
	struct arena a;
	size_t first_bytes;
	void *p;

	arena_init(&a);
	p = arena_alloc(&a, 10);
	first_bytes = a.bytes;
	for (int i = 0; i < 100; i++)
		(void)!arena_alloc(&a, 5000);
	T_CHECK(a.bytes >= 100 * 5000);
	arena_reset(&a);
	T_EQ_INT(a.bytes, first_bytes);
	T_CHECK(arena_alloc(&a, 10) == p);
	arena_done(&a);
}

TEST(a_big_piece_leaves_the_current_chunk_in_use)
{
	struct arena a;
	char *p, *q;

	arena_init(&a);
	p = arena_alloc(&a, 16);
	memset(arena_alloc(&a, 1000 * 1000), 1, 1000 * 1000);
	q = arena_alloc(&a, 16);
	T_CHECK(q == p + 16);
	T_CHECK(a.bytes < 1000 * 1000 + 10 * 1000);
	arena_done(&a);
}

TEST(unused_arena_can_be_reset_and_done)
{
	struct arena a;

	arena_init(&a);
	arena_reset(&a);
	T_EQ_INT(a.bytes, 0);
	arena_done(&a);
	arena_done(&a);
}

TEST(str_copies_and_terminates)
{
	struct arena a;
	char text[] = "hello";
	struct str s;

	arena_init(&a);
	s = arena_str(&a, str_c(text));
	text[0] = 'j';
	T_EQ_STR(s, "hello");
	T_EQ_INT(s.p[5], '\0');
	s = arena_str(&a, STR_NULL);
	T_EQ_INT(s.n, 0);
	T_EQ_INT(s.p[0], '\0');
	arena_done(&a);
}

TEST(fmt_of_any_length)
{
	struct arena a;

	arena_init(&a);
	T_EQ_STR(arena_fmt(&a, "%s-%d", "a", 7), "a-7");
	T_EQ_STR(arena_fmt(&a, "%s", ""), "");
	for (int n = 1; n < 20000; n = n * 3 + 1) {
		struct str s = arena_fmt(&a, "%0*d", n, 5);

		T_EQ_INT(s.n, n);
		T_EQ_INT(s.p[n - 1], '5');
		T_EQ_INT(s.p[n], '\0');
	}
	arena_done(&a);
}

/* Small and large, alone and with others in between; what it holds is kept, and a large one leaves no copy. */
TEST(grows_a_piece)
{
	struct arena a;
	char *p = NULL, *other;

	arena_init(&a);
	other = arena_alloc(&a, 100);
	memset(other, 'o', 100);
	for (size_t n = 1, old = 0; n < 4000000; old = n, n *= 3) {
		p = arena_grow(&a, p, old, n);
		for (size_t i = 0; i < old; i++)
			T_CHECK(p[i] == 'p');
		memset(p, 'p', n);
		if (n < 10000)
			memset(arena_alloc(&a, 50), 'x', 50);
	}
	T_CHECK(a.bytes < 2 * 4000000);
	T_CHECK(other[0] == 'o' && other[99] == 'o');
	memset(arena_alloc(&a, 1000), 'y', 1000);
	T_CHECK(p[0] == 'p');
	arena_done(&a);
}
