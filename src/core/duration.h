/* duration.h - spans of time as people write them.
 */
#ifndef CORE_DURATION_H
#define CORE_DURATION_H

#include "base/compiler.h"
#include "base/str.h"

/* In requests (spec 3.1): numbers with the units s, m, h, d and nothing between ("1d10h30m",
 * "1.5s"); a bare number is seconds. Rounded to the nearest ms. False on anything else and beyond
 * int64. */
must_use bool duration_parse(struct str s, int64_t *ret_ms);
/* In answers (Retry-After and the like): Go's form, units ns, us, µs, ms, s, m, h. Never negative;
 * rounded up to a whole ms, so that nobody is asked again too early. */
must_use bool duration_go_parse(struct str s, int64_t *ret_ms);

#endif
