#include "t.h"

#include "base/rng.h"

TEST(same_seed_same_sequence)
{
	struct rng a, b;

	rng_init(&a, 42);
	rng_init(&b, 42);
	for (int i = 0; i < 1000; i++)
		T_CHECK(rng_u64(&a) == rng_u64(&b));
}

TEST(different_seeds_differ)
{
	struct rng a, b;

	rng_init(&a, 1);
	rng_init(&b, 2);
	T_CHECK(rng_u64(&a) != rng_u64(&b));
}

TEST(seed_zero_is_not_stuck)
{
	struct rng r;
	uint64_t seen = 0;

	rng_init(&r, 0);
	for (int i = 0; i < 10; i++)
		seen |= rng_u64(&r);
	T_CHECK(seen != 0);
	T_CHECK(rng_u64(&r) != rng_u64(&r));
}

TEST(below_stays_below)
{
	static const uint64_t bounds[] = { 1, 2, 3, 7, 1000, UINT64_MAX / 2 + 2, UINT64_MAX };
	struct rng r;

	rng_init(&r, 7);
	for (size_t i = 0; i < countof(bounds); i++) {
		for (int k = 0; k < 1000; k++)
			T_CHECK(rng_below(&r, bounds[i]) < bounds[i]);
	}
}

/* 60000 draws over 6 values: each count is within ten standard deviations (about 91) of 10000. */
TEST(below_is_even)
{
	int counts[6] = { 0 };
	struct rng r;

	rng_init(&r, 11);
	for (int i = 0; i < 60000; i++)
		counts[rng_below(&r, 6)]++;
	for (int i = 0; i < 6; i++)
		T_CHECK(counts[i] > 9000 && counts[i] < 11000);
}

/* The reference sequence of xoshiro256** from the state 1, 2, 3, 4. */
TEST(is_xoshiro256_starstar)
{
	static const uint64_t want[] = { 11520, 0, 1509978240, 1215971899390074240 };
	struct rng r = { { 1, 2, 3, 4 } };

	for (size_t i = 0; i < countof(want); i++)
		T_CHECK(rng_u64(&r) == want[i]);
}
