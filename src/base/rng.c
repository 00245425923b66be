#include "base/rng.h"

#include "base/check.h"

static uint64_t rotl(uint64_t v, int by)
{
	return v << by | v >> (64 - by);
}

/* splitmix64: spreads one word over the state, which must not be all zero. */
void rng_init(struct rng *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++) {
		uint64_t z = seed += 0x9e3779b97f4a7c15u;

		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
		z = (z ^ z >> 27) * 0x94d049bb133111ebu;
		r->s[i] = z ^ z >> 31;
	}
}

uint64_t rng_u64(struct rng *r)
{
	uint64_t *s = r->s;
	uint64_t result = rotl(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

/* The high half of a product is uniform once the few low halves that would favour some values are
 * refused (Lemire's method). */
uint64_t rng_below(struct rng *r, uint64_t n)
{
	unsigned __int128 product;

	check(n > 0);
	do {
		product = (unsigned __int128)rng_u64(r) * n;
	} while ((uint64_t)product < n && (uint64_t)product < (0 - n) % n);
	return (uint64_t)(product >> 64);
}
