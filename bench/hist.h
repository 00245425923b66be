/* hist.h - a histogram of times with a bounded relative error.
 *
 * Values are nanoseconds. Below HIST_SUB they are kept exactly; above, each power of two is cut
 * into HIST_SUB / 2 equal parts, so a percentile is off by at most 1/128 (0.8 %) of itself. That
 * covers every 64-bit value in a fixed 30 KB, and adding one value costs a few instructions.
 */
#ifndef BENCH_HIST_H
#define BENCH_HIST_H

#include <stdint.h>

enum {
	HIST_SUB_BITS = 7,
	HIST_SUB = 1 << HIST_SUB_BITS, /* values below are exact */
	HIST_HALF = HIST_SUB / 2,      /* parts of each further power of two */
	HIST_SLOTS = HIST_SUB + (64 - HIST_SUB_BITS) * HIST_HALF,
};

struct hist {
	uint64_t count;  /* values added */
	uint64_t max_ns; /* the largest of them, exact */
	uint64_t slot[HIST_SLOTS];
};

/* The slot that holds v. */
static inline unsigned hist_slot(uint64_t v)
{
	unsigned shift;

	if (v < HIST_SUB)
		return (unsigned)v;
	/* Leave the top HIST_SUB_BITS bits; the first of them is always 1. */
	shift = 63u - (unsigned)__builtin_clzll(v) - (HIST_SUB_BITS - 1);
	return HIST_SUB + (shift - 1) * HIST_HALF + (unsigned)(v >> shift) - HIST_HALF;
}

/* The middle of a slot: what all its values are reported as. */
static inline uint64_t hist_slot_middle(unsigned slot)
{
	unsigned shift;
	uint64_t top;

	if (slot < HIST_SUB)
		return slot;
	shift = (slot - HIST_SUB) / HIST_HALF + 1;
	top = (slot - HIST_SUB) % HIST_HALF + HIST_HALF;
	return (top << shift) + (1ull << (shift - 1));
}

static inline void hist_add(struct hist *h, uint64_t ns)
{
	h->count++;
	if (ns > h->max_ns)
		h->max_ns = ns;
	h->slot[hist_slot(ns)]++;
}

/* The value that per_mille / 1000 of all values do not exceed, in microseconds; 0 when there are
 * none. */
static inline double hist_percentile_us(const struct hist *h, unsigned per_mille)
{
	uint64_t rank = (h->count * per_mille + 999) / 1000;
	uint64_t seen = 0;

	for (unsigned i = 0; i < HIST_SLOTS && rank > 0; i++) {
		seen += h->slot[i];
		if (seen >= rank) {
			uint64_t ns = hist_slot_middle(i);

			return (double)(ns < h->max_ns ? ns : h->max_ns) / 1000.0;
		}
	}
	return 0;
}

#endif
