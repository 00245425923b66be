/* fuzz.h - what the fuzz targets of the codec share: one input, cut in several ways, one answer. */
#ifndef TEST_NET_FUZZ_H
#define TEST_NET_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "play.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef void fuzz_play_fn(struct str in, struct play_cut cut, struct buf *ret);

/* Whole, byte by byte, and in pieces whose sizes come from the input itself. */
static inline void fuzz_play(fuzz_play_fn *play, struct str in)
{
	uint64_t hash = str_hash(in, 1);
	struct play_cut cuts[] = { { 1, 1 },
				   { in.n ? hash % in.n : 0, 0 },
				   { 1 + hash % 7, 1 + (hash >> 8) % 61 } };
	struct buf want, got;

	buf_init(&want, 4 << 20);
	buf_init(&got, 4 << 20);
	play(in, (struct play_cut){ 0, 0 }, &want);
	for (size_t i = in.n > 4096; i < countof(cuts); i++) {
		buf_reset(&got);
		play(in, cuts[i], &got);
		check(str_eq(buf_str(&got), buf_str(&want)));
	}
	buf_done(&want);
	buf_done(&got);
}

#endif
