/* Any bytes as the responses to GET and to HEAD. */
#include "fuzz.h"

static void play_get(struct str in, struct play_cut cut, struct buf *ret)
{
	play_responses(in, STR("GET"), cut, ret);
}

static void play_head(struct str in, struct play_cut cut, struct buf *ret)
{
	play_responses(in, STR("HEAD"), cut, ret);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_play(play_get, str_n(data, size));
	fuzz_play(play_head, str_n(data, size));
	return 0;
}
