/* Any text as a cursor: what is accepted is a position, and its usual form means the same. */
#include <stdio.h>

#include "base/check.h"
#include "logs/logquery.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int64_t pos, again;
	char text[64];
	int n;

	if (!logquery_cursor_parse(str_n(data, size), &pos))
		return 0;
	check(pos >= 0 && pos < INT64_MAX);
	n = snprintf(text, sizeof(text), "%lld-%lld", (long long)(pos >> LOGDB_POS_BITS),
		     (long long)(pos & ((1 << LOGDB_POS_BITS) - 1)));
	check(logquery_cursor_parse(str_n(text, (size_t)n), &again) && again == pos);
	return 0;
}
