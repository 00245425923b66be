/* Retry-delay expressions: checking and evaluating agree, and a wait computed from one has its
 * bounds. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "core/expr.h"
#include "core/limits.h"
#include "core/settle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct msg m = { .retry_delay = str_n(data, size) };
	struct outcome o = { .status = 500 };
	char why[96] = "";
	bool ok = expr_check(m.retry_delay, why);

	check(ok == (why[0] == '\0'));
	check(strnlen(why, sizeof(why)) < sizeof(why));
	for (int64_t retried = 0; retried < 3; retried++) {
		double ms;
		int64_t wait_ms = settle_retry_delay_ms(&m, retried, &o, 0);

		check(expr_eval(m.retry_delay, retried, &ms) == ok);
		check(wait_ms >= 0 && wait_ms <= LIMIT_RETRY_DELAY_MS);
	}
	return 0;
}
