/* TZif files: what is accepted gives an offset for any time, and leads from transition to
 * transition without end. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "core/tz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEPS = 100, OFFSET_S_MAX = 26 * 3600 };

static void check_walk(const struct tz *tz, int64_t at_s)
{
	for (int i = 0; i < STEPS; i++) {
		int64_t until_s, offset = tz_offset_at(tz, at_s, &until_s);

		check(offset >= -OFFSET_S_MAX && offset <= OFFSET_S_MAX + 3600);
		check(until_s > at_s || until_s == INT64_MAX);
		if (until_s > INT64_MAX / 4)
			return;
		at_s = until_s;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	struct tz tz;

	arena_init(&a);
	if (tz_parse(str_n(data, size), &tz, &a)) {
		check_walk(&tz, -100000000000);
		check_walk(&tz, 0);
		check_walk(&tz, 1700000000);
		check_walk(&tz, 100000000000);
	}
	arena_done(&a);
	return 0;
}
