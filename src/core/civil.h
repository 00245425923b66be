/* civil.h - the proleptic Gregorian calendar: days since 1970-01-01 and dates.
 */
#ifndef CORE_CIVIL_H
#define CORE_CIVIL_H

#include "base/compiler.h"
#include "base/str.h"

struct civil {
	int64_t year;
	int month; /* 1 to 12 */
	int day;   /* 1 to 31 */
};

int64_t civil_days(int64_t year, int month, int day);
struct civil civil_date(int64_t days);
int civil_weekday(int64_t days); /* 0 = Sunday */
int civil_month_days(int64_t year, int month);
bool civil_is_leap(int64_t year);
/* The day (UTC) of a time. */
int64_t civil_day(int64_t unix_ms);
/* Division that rounds down, for times before 1970. */
int64_t civil_div(int64_t a, int64_t b);

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 1123) as Unix seconds. */
must_use bool civil_http_date(struct str s, int64_t *ret_unix_s);

#endif
