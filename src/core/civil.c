#include "core/civil.h"

#include "base/check.h"

enum { ERA_DAYS = 146097, ERA_YEARS = 400, EPOCH_DAYS = 719468 };

int64_t civil_div(int64_t a, int64_t b)
{
	return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

int64_t civil_day(int64_t unix_ms)
{
	return civil_div(unix_ms, 24 * 60 * 60 * 1000);
}

/* Years begin in March here, so that the leap day is a year's last; eras are the 400 years after
 * which the calendar repeats. EPOCH_DAYS lie between 0000-03-01 and 1970-01-01. */
int64_t civil_days(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = civil_div(y, ERA_YEARS);
	int64_t of_era = y - era * ERA_YEARS;
	int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	check(month >= 1 && month <= 12);
	return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH_DAYS;
}

struct civil civil_date(int64_t days)
{
	int64_t era = civil_div(days + EPOCH_DAYS, ERA_DAYS);
	int64_t day = days + EPOCH_DAYS - era * ERA_DAYS; /* of the era */
	int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	int64_t of_year = day - (365 * year + year / 4 - year / 100);
	int64_t march_month = (5 * of_year + 2) / 153;
	struct civil c;

	c.day = (int)(of_year - (153 * march_month + 2) / 5 + 1);
	c.month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
	c.year = era * ERA_YEARS + year + (c.month <= 2);
	return c;
}

int civil_weekday(int64_t days)
{
	return (int)(days + 4 - 7 * civil_div(days + 4, 7));
}

bool civil_is_leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int civil_month_days(int64_t year, int month)
{
	static const char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	check(month >= 1 && month <= 12);
	return days[month - 1] + (month == 2 && civil_is_leap(year));
}

static bool take_number(struct str s, size_t at, size_t n, uint64_t max, uint64_t *ret_value)
{
	return str_u64(str_sub(s, at, n), ret_value) && *ret_value <= max;
}

static int month_of(struct str s)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int i = 0; i < 12; i++) {
		if (str_ieq(s, str_n(names + 3 * i, 3)))
			return i + 1;
	}
	return 0;
}

/* Sun, 06 Nov 1994 08:49:37 GMT
 * 0    5  8   12   17 20 23 26	*/
bool civil_http_date(struct str s, int64_t *ret_unix_s)
{
	uint64_t day, year, hour, minute, second;
	int month;

	if (s.n != 29 || s.p[3] != ',' || s.p[4] != ' ' || s.p[7] != ' ' || s.p[11] != ' ' ||
	    s.p[16] != ' ' || s.p[19] != ':' || s.p[22] != ':' ||
	    !str_ieq(str_from(s, 25), STR(" GMT")))
		return false;
	month = month_of(str_sub(s, 8, 3));
	if (!month || !take_number(s, 5, 2, 31, &day) || !take_number(s, 12, 4, 9999, &year) ||
	    !take_number(s, 17, 2, 23, &hour) || !take_number(s, 20, 2, 59, &minute) ||
	    !take_number(s, 23, 2, 60, &second))
		return false;
	if (!day || (int)day > civil_month_days((int64_t)year, month))
		return false;
	*ret_unix_s = civil_days((int64_t)year, month, (int)day) * 86400 +
		      (int64_t)(hour * 3600 + minute * 60 + second);
	return true;
}
