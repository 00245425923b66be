/* Durations and dates: never negative, and a sum of parts is the parts' sum. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "core/civil.h"
#include "core/duration.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { YEARS_MAX = 10000 };

static void check_span(int64_t ms)
{
	check(ms >= 0 && ms <= YEARS_MAX * 366ll * 86400 * 1000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = str_n(data, size);
	int64_t ms, go_ms, unix_s;

	if (duration_parse(s, &ms))
		check_span(ms);
	if (duration_go_parse(s, &go_ms)) {
		check_span(go_ms);
		/* What both forms know means the same, but for the rounding. */
		if (duration_parse(s, &ms))
			check(go_ms - ms <= 1 && ms - go_ms <= 1);
	}
	if (civil_http_date(s, &unix_s)) {
		struct civil c = civil_date(civil_div(unix_s, 86400));

		check(c.year >= 0 && c.year <= YEARS_MAX &&
		      c.day <= civil_month_days(c.year, c.month));
	}
	return 0;
}
