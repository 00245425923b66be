/* Any bytes as a chunked body. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_play(play_chunked, str_n(data, size));
	return 0;
}
