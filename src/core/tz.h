/* tz.h - time zones, from the bytes of a TZif file (RFC 8536).
 *
 * Finding the file is the caller's affair; tz_name_is_safe says whether a name may become part of a
 * path.
 */
#ifndef CORE_TZ_H
#define CORE_TZ_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/str.h"

/* One end of daylight saving time: a day of the year in one of three forms, and a time of day.
 *
 *	'M'	month, week (5 = last) and weekday
 *	'J'	`day` 1 to 365; 29 February is never counted
 *	'N'	`day` 0 to 365
 */
struct tz_change {
	char form;
	int month, week, day;
	int64_t time_s; /* since midnight, local; may be negative or beyond a day */
};

/* What goes for all times after the table: the TZ string in the file's footer. */
struct tz_rule {
	bool present;
	bool has_dst;
	int64_t std_s, dst_s; /* offsets from UTC, east positive */
	struct tz_change start, end;
};

struct tz {
	const int64_t *at;     /* Unix s of each transition, ascending; the arena's */
	const int32_t *offset; /* s from UTC from then on; the arena's */
	size_t n;
	int32_t first_offset; /* before the first transition */
	struct tz_rule rule;
};

/* Versions 2 and later, without leap seconds. False when the bytes are no such file. */
must_use bool tz_parse(struct str bytes, struct tz *ret_tz, struct arena *a);

/* Offset from UTC in seconds at a Unix time; *ret_until_s is when the next transition comes
 * (INT64_MAX: never). */
int64_t tz_offset_at(const struct tz *tz, int64_t unix_s, int64_t *ret_until_s);

/* An IANA name: parts of letters, digits, '_', '+', '-' between slashes; no dots, so it leads
 * nowhere else. */
bool tz_name_is_safe(struct str name);

#endif
