/* rng.h - a seeded generator passed by pointer; the only source of randomness below app/.
 *
 * xoshiro256**: fast, good, not for secrets. Secrets (tokens, signing keys) come from the operating
 * system and are passed in by app/.
 */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include "base/compiler.h"

struct rng {
	uint64_t s[4];
};

void rng_init(struct rng *r, uint64_t seed);
uint64_t rng_u64(struct rng *r);
/* Uniform in [0, n); n > 0. */
uint64_t rng_below(struct rng *r, uint64_t n);

#endif
