/* Any bytes as requests. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_play(play_requests, str_n(data, size));
	return 0;
}
