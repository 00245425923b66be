#include "zones.h"

#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "core/civil.h"
#include "core/cron.h"
#include "core/limits.h"

/* ---- what an expression may be --------------------------------------------------------------- */

#define ALL_MINUTES 0xfffffffffffffffull
#define ALL_HOURS 0xffffffu
#define ALL_DAYS 0xfffffffeu
#define ALL_MONTHS 0x1ffeu
#define ALL_WEEKDAYS 0x7fu

static const struct {
	const char *text;
	uint64_t minutes;
	uint32_t hours, days, months, weekdays;
	const char *zone;
} good[] = {
	{ "* * * * *", ALL_MINUTES, ALL_HOURS, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, "" },
	{ "*/1 */1 */1 */1 */1", ALL_MINUTES, ALL_HOURS, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, "" },
	{ "1 1 1 1 1", 2, 2, 2, 2, 2, "" },
	{ "0 0 31 12 6", 1, 1, 1u << 31, 1u << 12, 1u << 6, "" },
	{ "59 23 * * 0", 1ull << 59, 1u << 23, ALL_DAYS, ALL_MONTHS, 1, "" },
	{ "0 0 * * 7", 1, 1, ALL_DAYS, ALL_MONTHS, 1, "" },
	{ "0 0 * * 7/2", 1, 1, ALL_DAYS, ALL_MONTHS, 0x55, "" },
	{ "0 0 * * 7/7", 1, 1, ALL_DAYS, ALL_MONTHS, 1, "" },
	{ "0 0 * * SUN/2", 1, 1, ALL_DAYS, ALL_MONTHS, 0x55, "" },
	{ "0 0 * * 5-7", 1, 1, ALL_DAYS, ALL_MONTHS, 0x61, "" },
	{ "0 0 * * 0-7", 1, 1, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, "" },
	{ "*/15 * * * *", 1ull | 1ull << 15 | 1ull << 30 | 1ull << 45, ALL_HOURS, ALL_DAYS,
	  ALL_MONTHS, ALL_WEEKDAYS, "" },
	{ "10-20/5 * * * *", 1ull << 10 | 1ull << 15 | 1ull << 20, ALL_HOURS, ALL_DAYS, ALL_MONTHS,
	  ALL_WEEKDAYS, "" },
	{ "50/4 * * * *", 1ull << 50 | 1ull << 54 | 1ull << 58, ALL_HOURS, ALL_DAYS, ALL_MONTHS,
	  ALL_WEEKDAYS, "" },
	{ "*/59 * * * *", 1ull | 1ull << 59, ALL_HOURS, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, "" },
	{ "*/999 * * * *", 1, ALL_HOURS, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, "" },
	{ "1,2,1,40-42 3,5 * * *", 6ull | 7ull << 40, 1u << 3 | 1u << 5, ALL_DAYS, ALL_MONTHS,
	  ALL_WEEKDAYS, "" },
	{ "0 0 1 JAN,mar-May *", 1, 1, 2, 1u << 1 | 7u << 3, ALL_WEEKDAYS, "" },
	{ "0 0 * * MON-FRI", 1, 1, ALL_DAYS, ALL_MONTHS, 0x3e, "" },
	{ "0 0 * * sun,SAT", 1, 1, ALL_DAYS, ALL_MONTHS, 0x41, "" },
	{ "0 0 * * */2", 1, 1, ALL_DAYS, ALL_MONTHS, 0x55, "" },
	{ "0 0 * * 1/2", 1, 1, ALL_DAYS, ALL_MONTHS, 0x2a, "" },
	{ "00 007 * * *", 0, 0, 0, 0, 0, NULL },
	{ "00 07 01 02 *", 1, 1u << 7, 2, 4, ALL_WEEKDAYS, "" },
	{ "  0 \t 0  *   * *  ", 1, 1, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, "" },
	{ "CRON_TZ=America/New_York 0 4 * * *", 1, 1u << 4, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS,
	  "America/New_York" },
	{ "TZ=Europe/Berlin  0 4 * * *", 1, 1u << 4, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS,
	  "Europe/Berlin" },
	{ "CRON_TZ=UTC @daily", 1, 1, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, "UTC" },
	{ "@hourly", 1, ALL_HOURS, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, "" },
	{ "@daily", 1, 1, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, "" },
	{ "@midnight", 1, 1, ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, "" },
	{ "@weekly", 1, 1, ALL_DAYS, ALL_MONTHS, 1, "" },
	{ "@monthly", 1, 1, 2, ALL_MONTHS, ALL_WEEKDAYS, "" },
	{ "@yearly", 1, 1, 2, 2, ALL_WEEKDAYS, "" },
	{ " @Annually ", 1, 1, 2, 2, ALL_WEEKDAYS, "" },
};

TEST_EACH(expressions, good)
{
	struct problem p = { 0 };
	struct cron c;

	if (!row->zone) {
		T_CHECK(!cron_parse(str_c(row->text), &c, &p));
		return;
	}
	if (!cron_parse(str_c(row->text), &c, &p))
		T_FAIL("%s: %s", row->text, p.text);
	T_EQ_INT(c.minutes, row->minutes);
	T_EQ_INT(c.hours, row->hours);
	T_EQ_INT(c.days, row->days);
	T_EQ_INT(c.months, row->months);
	T_EQ_INT(c.weekdays, row->weekdays);
	T_EQ_STR(c.tz_name, row->zone);
}

#define ANY_OF(list) "\"; allowed are " list ", *, lists, ranges and steps"

static const struct {
	const char *text, *why;
} bad[] = {
	{ "", "0 fields; 5 are allowed: minute, hour, day of month, month, day of week" },
	{ "   ", "0 fields; 5 are allowed: minute, hour, day of month, month, day of week" },
	{ "* * * *", "4 fields; 5 are allowed: minute, hour, day of month, month, day of week" },
	{ "0 * * * * *",
	  "6 fields; 5 are allowed: minute, hour, day of month, month, day of week" },
	{ "60 * * * *", "minute \"60" ANY_OF("0-59") },
	{ "-1 * * * *", "minute \"-1" ANY_OF("0-59") },
	{ "* 24 * * *", "hour \"24" ANY_OF("0-23") },
	{ "* * 0 * *", "day of month \"0" ANY_OF("1-31") },
	{ "* * 32 * *", "day of month \"32" ANY_OF("1-31") },
	{ "* * * 0 *", "month \"0" ANY_OF("1-12 or JAN-DEC") },
	{ "* * * 13 *", "month \"13" ANY_OF("1-12 or JAN-DEC") },
	{ "* * * * 8", "day of week \"8" ANY_OF("0-7 or SUN-SAT") },
	{ "* * * FOO *", "month \"FOO" ANY_OF("1-12 or JAN-DEC") },
	{ "* * * JANUARY *", "month \"JANUARY" ANY_OF("1-12 or JAN-DEC") },
	{ "* * * MON *", "month \"MON" ANY_OF("1-12 or JAN-DEC") },
	{ "* * * ANF *", "month \"ANF" ANY_OF("1-12 or JAN-DEC") },
	{ "MON * * * *", "minute \"MON" ANY_OF("0-59") },
	{ "*/0 * * * *", "minute \"*/0" ANY_OF("0-59") },
	{ "*/ * * * *", "minute \"*/" ANY_OF("0-59") },
	{ "/5 * * * *", "minute \"/5" ANY_OF("0-59") },
	{ "*/-5 * * * *", "minute \"*/-5" ANY_OF("0-59") },
	{ "*/5/5 * * * *", "minute \"*/5/5" ANY_OF("0-59") },
	{ "*/9999 * * * *", "minute \"*/9999" ANY_OF("0-59") },
	{ "5-1 * * * *", "minute \"5-1" ANY_OF("0-59") },
	{ "1-2-3 * * * *", "minute \"1-2-3" ANY_OF("0-59") },
	{ "1- * * * *", "minute \"1-" ANY_OF("0-59") },
	{ "- * * * *", "minute \"-" ANY_OF("0-59") },
	{ ", * * * *", "minute \"," ANY_OF("0-59") },
	{ "1, * * * *", "minute \"1," ANY_OF("0-59") },
	{ "1,,2 * * * *", "minute \"1,,2" ANY_OF("0-59") },
	{ "** * * * *", "minute \"**" ANY_OF("0-59") },
	{ "*-5 * * * *", "minute \"*-5" ANY_OF("0-59") },
	{ "? * * * *", "minute \"?" ANY_OF("0-59") },
	{ "* * L * *", "day of month \"L" ANY_OF("1-31") },
	{ "* * 15W * *", "day of month \"15W" ANY_OF("1-31") },
	{ "* * * * 5#3", "day of week \"5#3" ANY_OF("0-7 or SUN-SAT") },
	{ "* * * * FRI-MON", "day of week \"FRI-MON" ANY_OF("0-7 or SUN-SAT") },
	{ "1.5 * * * *", "minute \"1.5" ANY_OF("0-59") },
	{ "@every 1m", "\"@every 1m\"; allowed are @yearly, @annually, @monthly, @weekly, @daily, "
		       "@midnight and @hourly" },
	{ "@reboot", "\"@reboot\"; allowed are @yearly, @annually, @monthly, @weekly, @daily, "
		     "@midnight and @hourly" },
	{ "@", "\"@\"; allowed are @yearly, @annually, @monthly, @weekly, @daily, @midnight and "
	       "@hourly" },
	{ "CRON_TZ= 0 4 * * *", "time zone \"\"; allowed are IANA names like Europe/Berlin" },
	{ "CRON_TZ=../../etc/passwd 0 4 * * *",
	  "time zone \"../../etc/passwd\"; allowed are IANA names like Europe/Berlin" },
	{ "TZ=UTC", "0 fields; 5 are allowed: minute, hour, day of month, month, day of week" },
	{ "TZ=UTC TZ=UTC * * * * *",
	  "6 fields; 5 are allowed: minute, hour, day of month, month, day of week" },
	{ "cron_tz=UTC 0 4 * * *",
	  "6 fields; 5 are allowed: minute, hour, day of month, month, day of week" },
};

TEST_EACH(refusals, bad)
{
	struct problem p = { 0 };
	struct cron c;

	if (cron_parse(str_c(row->text), &c, &p))
		T_FAIL("%s was taken", row->text);
	T_EQ_INT(p.status, 400);
	T_CHECK(str_starts(str_c(p.text), STR("invalid cron expression: ")));
	T_EQ_STR(p.text + 25, row->why);
}

TEST(length_has_a_limit)
{
	struct str text = STR("11");
	struct problem p = { 0 };
	struct arena a;
	struct cron c;

	arena_init(&a);
	for (int i = 0; i < 123; i++)
		text = arena_fmt(&a, "%.*s,1", STR_FMT(text));
	text = arena_fmt(&a, "%.*s * * * *", STR_FMT(text));
	T_EQ_INT(text.n, LIMIT_CRON_BYTES);
	T_CHECK(cron_parse(text, &c, &p));
	T_EQ_INT(c.minutes, 1ull << 1 | 1ull << 11);
	T_CHECK(!cron_parse(arena_fmt(&a, "1%.*s", STR_FMT(text)), &c, &p));
	T_EQ_STR(p.text, "invalid cron expression: at most 256 bytes are allowed");
	arena_done(&a);
}

/* ---- the next time --------------------------------------------------------------------------- */

static struct cron parse(const char *text)
{
	struct problem p = { 0 };
	struct cron c = { 0 };

	if (!cron_parse(str_c(text), &c, &p))
		T_FAIL("%s: %s", text, p.text);
	return c;
}

/* "2024-03-31 01:30:05" as Unix seconds, in UTC. */
static int64_t utc(const char *text)
{
	int y, mo, d, h, mi, s = 0;

	T_CHECK(sscanf(text, "%d-%d-%d %d:%d:%d", &y, &mo, &d, &h, &mi, &s) >= 5);
	return civil_days(y, mo, d) * 86400 + h * 3600 + mi * 60 + s;
}

static struct str utc_text(struct arena *a, int64_t ms)
{
	int64_t s = civil_div(ms, 1000), days = civil_div(s, 86400);
	struct civil c = civil_date(days);
	int tod = (int)(s - days * 86400);

	return arena_fmt(a, "%04d-%02d-%02d %02d:%02d%s", (int)c.year, c.month, c.day, tod / 3600,
			 tod / 60 % 60, ms % 60000 ? " and more" : "");
}

static const struct {
	const char *cron, *after, *next; /* NULL = never */
} nexts[] = {
	{ "* * * * *", "2024-01-01 00:00:00", "2024-01-01 00:01" },
	{ "* * * * *", "2024-01-01 00:00:59", "2024-01-01 00:01" },
	{ "* * * * *", "2024-12-31 23:59:01", "2025-01-01 00:00" },
	{ "*/10 * * * *", "2024-01-01 00:01", "2024-01-01 00:10" },
	{ "*/10 * * * *", "2024-01-01 00:10", "2024-01-01 00:20" },
	{ "*/10 * * * *", "2024-01-01 00:50", "2024-01-01 01:00" },
	{ "0 4 * * *", "2024-01-01 04:00", "2024-01-02 04:00" },
	{ "0 4 * * *", "2024-01-01 03:59:59", "2024-01-01 04:00" },
	{ "30 3,15 * * *", "2024-01-01 03:30", "2024-01-01 15:30" },
	{ "0 0 29 2 *", "2024-03-01 00:00", "2028-02-29 00:00" },
	{ "0 0 29 2 *", "2096-03-01 00:00", "2104-02-29 00:00" },
	{ "0 0 31 * *", "2024-01-31 00:00", "2024-03-31 00:00" },
	{ "0 0 30 2 *", "2024-01-01 00:00", NULL },
	{ "0 0 31 4,6,9,11 *", "2024-01-01 00:00", NULL },
	{ "0 0 1 1 *", "2024-01-01 00:00", "2025-01-01 00:00" },
	{ "0 0 * * MON", "2024-01-01 00:00", "2024-01-08 00:00" },
	{ "0 0 * * 7", "2024-01-01 00:00", "2024-01-07 00:00" },
	/* Either of two restricted day fields is enough. */
	{ "0 0 13 * FRI", "2024-01-01 00:00", "2024-01-05 00:00" },
	{ "0 0 13 * FRI", "2024-01-12 00:00", "2024-01-13 00:00" },
	{ "0 0 13 * FRI", "2024-01-13 00:00", "2024-01-19 00:00" },
	{ "0 0 */10 * MON", "2024-01-01 00:00", "2024-01-08 00:00" },
	{ "0 0 */10 * MON", "2024-01-08 00:00", "2024-01-11 00:00" },
	/* One that is not restricted has no say. */
	{ "0 0 * * FRI", "2024-01-13 00:00", "2024-01-19 00:00" },
	{ "0 0 13 * *", "2024-01-13 00:00", "2024-02-13 00:00" },
	{ "0 0 30 2 MON", "2024-01-30 00:00", "2024-02-05 00:00" },
	{ "1 1 1 1 1", "2024-01-01 01:00", "2024-01-01 01:01" },
	{ "1 1 1 1 1", "2024-01-01 01:01", "2024-01-08 01:01" },
	{ "@hourly", "2024-01-01 00:00", "2024-01-01 01:00" },
	{ "@weekly", "2024-01-01 00:00", "2024-01-07 00:00" },
	{ "@monthly", "2024-01-01 00:00", "2024-02-01 00:00" },
	{ "@yearly", "2024-01-01 00:00", "2025-01-01 00:00" },
	{ "59 23 31 12 *", "1969-01-01 00:00", "1969-12-31 23:59" },
	{ "0 0 * * *", "1969-12-31 23:59:59", "1970-01-01 00:00" },
	{ "0 0 1 1 *", "9998-06-01 00:00", "9999-01-01 00:00" },
};

TEST_EACH(in_utc, nexts)
{
	struct cron c = parse(row->cron);
	int64_t next = -1;
	struct arena a;

	arena_init(&a);
	T_EQ_INT(cron_next(&c, NULL, utc(row->after) * 1000, &next), row->next != NULL);
	if (row->next)
		T_EQ_STR(utc_text(&a, next), row->next);
	arena_done(&a);
}

TEST(strictly_after_to_the_millisecond)
{
	struct cron c = parse("0 4 * * *");
	int64_t at = utc("2024-01-01 04:00") * 1000, next;

	T_CHECK(cron_next(&c, NULL, at - 1, &next) && next == at);
	T_CHECK(cron_next(&c, NULL, at, &next) && next == at + 86400000);
	T_CHECK(cron_next(&c, NULL, at + 1, &next) && next == at + 86400000);
	T_CHECK(cron_next(&c, NULL, at - 999, &next) && next == at);
	T_CHECK(cron_next(&c, NULL, at - 1000, &next) && next == at);
}

TEST(the_ends_of_time)
{
	struct cron c = parse("* * * * *");
	int64_t next;

	T_CHECK(!cron_next(&c, NULL, INT64_MAX, &next));
	T_CHECK(!cron_next(&c, NULL, INT64_MIN, &next));
	T_CHECK(cron_next(&c, NULL, 0, &next) && next == 60000);
	T_CHECK(cron_next(&c, NULL, -1, &next) && next == 0);
}

/* All times after `from` and up to `to`, each in UTC without its date, joined with spaces. */
static struct str times_between(struct arena *a, const char *zone, const char *cron,
				const char *from, const char *to)
{
	int64_t at = utc(from) * 1000, end = utc(to) * 1000;
	struct tz tz = zones_load(a, zone);
	struct str text = STR("");
	struct cron c = parse(cron);

	while (cron_next(&c, &tz, at, &at) && at <= end)
		text = arena_fmt(a, "%.*s%s%.*s", STR_FMT(text), text.n ? " " : "",
				 STR_FMT(str_from(utc_text(a, at), 11)));
	return text;
}

static const struct {
	const char *zone, *cron, *from, *to; /* UTC */
	const char *times;                   /* UTC */
} savings[] = {
	/* Berlin, 2024-03-31: at 01:00 UTC it becomes 03:00 instead of 02:00. */
	{ "Europe/Berlin", "30 1 * * *", "2024-03-30 23:00", "2024-03-31 23:30", "00:30 23:30" },
	{ "Europe/Berlin", "0 2 * * *", "2024-03-30 23:00", "2024-03-31 23:00", "01:00" },
	{ "Europe/Berlin", "30 2 * * *", "2024-03-30 23:00", "2024-03-31 23:00", "01:00" },
	{ "Europe/Berlin", "59 2 * * *", "2024-03-30 23:00", "2024-03-31 23:00", "01:00" },
	{ "Europe/Berlin", "*/10 2 * * *", "2024-03-30 23:00", "2024-03-31 23:00", "01:00" },
	{ "Europe/Berlin", "0 3 * * *", "2024-03-30 23:00", "2024-03-31 23:00", "01:00" },
	{ "Europe/Berlin", "0 2,3 * * *", "2024-03-30 23:00", "2024-03-31 23:00", "01:00" },
	{ "Europe/Berlin", "30 2,3 * * *", "2024-03-30 23:00", "2024-03-31 23:00", "01:00 01:30" },
	{ "Europe/Berlin", "30 2 * * *", "2024-03-31 01:00", "2024-04-01 23:00", "00:30" },
	{ "Europe/Berlin", "0 2 30 3 *", "2024-03-30 23:00", "2024-03-31 23:00", "" },
	/* An interval goes on. */
	{ "Europe/Berlin", "0 * * * *", "2024-03-30 23:30", "2024-03-31 03:30",
	  "00:00 01:00 02:00 03:00" },
	{ "Europe/Berlin", "30 * * * *", "2024-03-30 23:59", "2024-03-31 03:00",
	  "00:30 01:30 02:30" },
	{ "Europe/Berlin", "*/20 * * * *", "2024-03-31 00:30", "2024-03-31 01:30",
	  "00:40 01:00 01:20" },
	/* Berlin, 2024-10-27: at 01:00 UTC it becomes 02:00 instead of 03:00; 02:00 to 02:59 comes
	 * twice. */
	{ "Europe/Berlin", "30 2 * * *", "2024-10-26 22:00", "2024-10-27 22:00", "00:30" },
	{ "Europe/Berlin", "0 2 * * *", "2024-10-26 22:00", "2024-10-27 22:00", "00:00" },
	{ "Europe/Berlin", "*/30 2 * * *", "2024-10-26 22:00", "2024-10-27 22:00", "00:00 00:30" },
	{ "Europe/Berlin", "0 3 * * *", "2024-10-26 22:00", "2024-10-27 22:00", "02:00" },
	{ "Europe/Berlin", "0 1 * * *", "2024-10-26 22:00", "2024-10-27 22:00", "23:00" },
	{ "Europe/Berlin", "30 2 * * *", "2024-10-27 01:00", "2024-10-28 01:30", "01:30" },
	{ "Europe/Berlin", "30 2 * * *", "2024-10-27 01:15", "2024-10-28 01:30", "01:30" },
	{ "Europe/Berlin", "0 * * * *", "2024-10-26 23:30", "2024-10-27 03:30",
	  "00:00 01:00 02:00 03:00" },
	{ "Europe/Berlin", "30 * * * *", "2024-10-26 23:59", "2024-10-27 03:00",
	  "00:30 01:30 02:30" },
	{ "Europe/Berlin", "*/30 * * * *", "2024-10-27 00:00", "2024-10-27 02:00",
	  "00:30 01:00 01:30 02:00" },
	/* New York, 2024-03-10 07:00 UTC, 2024-11-03 06:00 UTC. */
	{ "America/New_York", "30 2 * * *", "2024-03-10 00:00", "2024-03-11 00:00", "07:00" },
	{ "America/New_York", "30 1 * * *", "2024-11-03 00:00", "2024-11-04 00:00", "05:30" },
	{ "America/New_York", "0 4 * * *", "2024-07-01 00:00", "2024-07-02 00:00", "08:00" },
	{ "America/New_York", "0 4 * * *", "2024-12-01 00:00", "2024-12-02 00:00", "09:00" },
	/* Lord Howe turns the clock by half an hour: 2024-10-05 15:30 UTC on, 2024-04-06 15:00 UTC
	 * back. */
	{ "Australia/Lord_Howe", "15 2 * * *", "2024-10-05 12:00", "2024-10-06 12:00", "15:30" },
	{ "Australia/Lord_Howe", "30 2 * * *", "2024-10-05 12:00", "2024-10-06 12:00", "15:30" },
	{ "Australia/Lord_Howe", "45 1 * * *", "2024-04-06 12:00", "2024-04-07 12:00", "14:45" },
	{ "Australia/Lord_Howe", "45 * * * *", "2024-04-06 14:00", "2024-04-06 16:30",
	  "14:45 15:15 16:15" },
	/* Apia left out 2011-12-30. */
	{ "Pacific/Apia", "0 12 30 12 *", "2011-12-29 00:00", "2012-01-02 00:00", "10:00" },
	{ "Pacific/Apia", "0 12 * * *", "2011-12-29 00:00", "2012-01-01 00:00",
	  "22:00 10:00 22:00 22:00" },
	/* Midnight itself is skipped in Havana, and repeated. */
	{ "America/Havana", "0 0 * * *", "2024-03-09 12:00", "2024-03-10 12:00", "05:00" },
	{ "America/Havana", "0 0 * * *", "2024-11-02 12:00", "2024-11-03 12:00", "04:00" },
	{ "Asia/Kolkata", "0 9 * * *", "2024-01-01 00:00", "2024-01-02 00:00", "03:30" },
	{ "Asia/Kathmandu", "*/30 * * * *", "2024-01-01 00:00", "2024-01-01 01:00", "00:15 00:45" },
	{ "Pacific/Kiritimati", "0 0 1 * *", "2024-01-15 00:00", "2024-02-15 00:00", "10:00" },
	/* By the rule, beyond the table. */
	{ "Europe/Berlin", "30 2 * * *", "2100-03-27 12:00", "2100-03-28 12:00", "01:00" },
};

TEST_EACH(in_other_time_zones, savings)
{
	struct arena a;

	arena_init(&a);
	T_EQ_STR(times_between(&a, row->zone, row->cron, row->from, row->to), row->times);
	arena_done(&a);
}

TEST(never_stays_never_in_every_zone)
{
	struct cron c = parse("0 0 30 2 *");
	int64_t next;
	struct arena a;
	struct tz tz;

	arena_init(&a);
	tz = zones_load(&a, "Europe/Berlin");
	T_CHECK(!cron_next(&c, &tz, utc("2024-01-01 00:00") * 1000, &next));
	arena_done(&a);
}

/* ---- against the slow way -------------------------------------------------------------------- */

static bool matches(const struct cron *c, const struct tm *tm)
{
	bool day = c->days >> tm->tm_mday & 1, weekday = c->weekdays >> tm->tm_wday & 1;

	return (c->minutes >> tm->tm_min & 1) && (c->hours >> tm->tm_hour & 1) &&
	       (c->months >> (tm->tm_mon + 1) & 1) &&
	       (c->any_day || c->any_weekday ? day && weekday : day || weekday);
}

/* Field texts for random expressions. */
static const char *const minutes[] = { "*", "0", "30", "*/7", "15-45/10", "59", "1,2,58" };
static const char *const hours[] = { "*", "*", "2", "1-3", "*/5", "0,23" };
static const char *const days[] = { "*", "*", "1", "31", "*/2", "10-20", "29,30,31" };
static const char *const months[] = { "*", "*", "3,10", "2", "JAN-JUN" };
static const char *const weekdays[] = { "*", "*", "SUN", "1-5", "*/3" };

#define PICK(list) list[rng_below(r, countof(list))]

static struct cron random_cron(struct arena *a, struct rng *r)
{
	return parse(arena_fmt(a, "%s %s %s %s %s", PICK(minutes), PICK(hours), PICK(days),
			       PICK(months), PICK(weekdays))
			     .p);
}

/* Minute by minute, with the C library's calendar; NULL zone = UTC. Where the clock is turned, only
 * intervals are compared, for which it tells the same. */
static void compare_with_slow(const char *zone, uint64_t seed)
{
	struct arena a;
	struct rng rng, *r = &rng;
	struct tz tz;

	arena_init(&a);
	rng_init(r, seed);
	tz = zones_load(&a, zone);
	setenv("TZ", zone, 1);
	tzset();
	for (int run = 0; run < 60; run++) {
		struct cron c = random_cron(&a, r);
		int64_t at = utc("2024-01-01 00:00") + (int64_t)rng_below(r, 2 * 365 * 86400), next;

		if (!str_eq(str_c(zone), STR("UTC")))
			c.hours = 0xffffff;
		for (int i = 0; i < 20; i++) {
			time_t t = (time_t)(at / 60 * 60);
			struct tm tm;

			do {
				t += 60;
				T_CHECK(localtime_r(&t, &tm));
			} while (!matches(&c, &tm) && t < at + 86400 * 40);
			if (t >= at + 86400 * 40)
				break;
			T_CHECK(cron_next(&c, &tz, at * 1000, &next));
			T_EQ_INT(next / 1000, t);
			at = t;
		}
	}
	arena_done(&a);
}

TEST(agrees_with_the_slow_way_in_utc)
{
	compare_with_slow("UTC", 1);
}

TEST(agrees_with_the_slow_way_in_berlin)
{
	compare_with_slow("Europe/Berlin", 2);
}

TEST(agrees_with_the_slow_way_in_lord_howe)
{
	compare_with_slow("Australia/Lord_Howe", 3);
}

/* A time of day fires exactly once a day, every day of the year, in zones that turn the clock at
 * night. */
TEST(every_time_of_day_once_a_day)
{
	static const char *const zones[] = { "Europe/Berlin", "America/New_York", "America/Havana",
					     "Australia/Lord_Howe", "Antarctica/Troll" };

	for (size_t z = 0; z < countof(zones); z++) {
		struct arena a;
		struct tz tz;

		arena_init(&a);
		tz = zones_load(&a, zones[z]);
		for (int minute = 0; minute < 24 * 60; minute += 7) {
			struct cron c =
				parse(arena_fmt(&a, "%d %d * * *", minute % 60, minute / 60).p);
			int64_t at = utc("2024-01-05 00:00") * 1000, fired = 0, before = at;

			while (cron_next(&c, &tz, at, &at) &&
			       at <= utc("2025-01-05 00:00") * 1000) {
				T_CHECK(at > before);
				before = at;
				fired++;
			}
			T_EQ_INT(fired, 366);
		}
		arena_done(&a);
	}
}
