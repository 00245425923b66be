#include "t.h"

#include <time.h>

#include "core/civil.h"

TEST(every_day_of_eight_centuries)
{
	int64_t before = civil_days(1599, 12, 31);

	for (int64_t year = 1600; year < 2400; year++) {
		for (int month = 1; month <= 12; month++) {
			for (int day = 1; day <= civil_month_days(year, month); day++) {
				int64_t days = civil_days(year, month, day);
				struct civil c = civil_date(days);

				T_EQ_INT(days, before + 1);
				T_CHECK(c.year == year && c.month == month && c.day == day);
				before = days;
			}
		}
	}
}

TEST(the_c_library_agrees)
{
	for (int64_t days = -200000; days < 400000; days += 37) {
		time_t t = (time_t)(days * 86400);
		struct civil c = civil_date(days);
		struct tm tm;

		T_CHECK(gmtime_r(&t, &tm));
		T_EQ_INT(c.year, tm.tm_year + 1900);
		T_EQ_INT(c.month, tm.tm_mon + 1);
		T_EQ_INT(c.day, tm.tm_mday);
		T_EQ_INT(civil_weekday(days), tm.tm_wday);
	}
}

TEST(leap_years)
{
	T_CHECK(civil_is_leap(2000) && civil_is_leap(2024) && civil_is_leap(1600) &&
		civil_is_leap(0));
	T_CHECK(!civil_is_leap(1900) && !civil_is_leap(2100) && !civil_is_leap(2023));
	T_EQ_INT(civil_month_days(2024, 2), 29);
	T_EQ_INT(civil_month_days(2100, 2), 28);
	T_EQ_INT(civil_month_days(2023, 12), 31);
}

TEST(division_rounds_down)
{
	T_EQ_INT(civil_div(7, 2), 3);
	T_EQ_INT(civil_div(-7, 2), -4);
	T_EQ_INT(civil_div(-8, 2), -4);
	T_EQ_INT(civil_div(0, 5), 0);
	T_EQ_INT(civil_div(-1, 86400), -1);
	T_EQ_INT(civil_div(INT64_MIN, 1000), INT64_MIN / 1000 - 1);
}

TEST(the_day_of_a_time)
{
	T_EQ_INT(civil_day(0), 0);
	T_EQ_INT(civil_day(86399999), 0);
	T_EQ_INT(civil_day(86400000), 1);
	T_EQ_INT(civil_day(-1), -1);
}

static const struct {
	const char *text;
	int64_t unix_s; /* -1 = refused */
} dates[] = {
	{ "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
	{ "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
	{ "Fri, 31 Dec 9999 23:59:59 GMT", 253402300799 },
	{ "Thu, 29 Feb 2024 12:00:00 GMT", 1709208000 },
	{ "sun, 06 nov 1994 08:49:37 gmt", 784111777 },
	/* The weekday is not looked at. */
	{ "Mon, 06 Nov 1994 08:49:37 GMT", 784111777 },
	{ "Sat, 31 Dec 2016 23:59:60 GMT", 1483228800 },
	{ "Sun, 06 Nov 1994 08:49:37 UTC", -1 },
	{ "Sun, 06 Nov 1994 08:49:37", -1 },
	{ "Sunday, 06-Nov-94 08:49:37 GMT", -1 },
	{ "Sun Nov  6 08:49:37 1994", -1 },
	{ "Sun, 6 Nov 1994 08:49:37 GMT", -1 },
	{ "Wed, 29 Feb 2023 12:00:00 GMT", -1 },
	{ "Sun, 31 Apr 1994 08:49:37 GMT", -1 },
	{ "Sun, 00 Nov 1994 08:49:37 GMT", -1 },
	{ "Sun, 32 Nov 1994 08:49:37 GMT", -1 },
	{ "Sun, 06 Nov 1994 24:00:00 GMT", -1 },
	{ "Sun, 06 Nov 1994 08:60:37 GMT", -1 },
	{ "Sun, 06 Nov 1994 08:49:61 GMT", -1 },
	{ "Sun, 06 Foo 1994 08:49:37 GMT", -1 },
	{ "Sun, 06 Nov 19x4 08:49:37 GMT", -1 },
	{ "Sun; 06 Nov 1994 08:49:37 GMT", -1 },
	{ "Sun, 06-Nov-1994 08:49:37 GMT", -1 },
	{ "Sun, 06 Nov 1994 08.49.37 GMT", -1 },
	{ "Sun, +6 Nov 1994 08:49:37 GMT", -1 },
	{ "", -1 },
	{ "120", -1 },
};

TEST_EACH(dates_of_http, dates)
{
	int64_t s = -1;

	T_EQ_INT(civil_http_date(str_c(row->text), &s), row->unix_s >= 0);
	T_EQ_INT(s, row->unix_s);
}
