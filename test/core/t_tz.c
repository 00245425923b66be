/* The C library's own reader of time zones is the oracle. */
#include "zones.h"

#include <string.h>
#include <time.h>

#include "base/codec.h"
#include "core/civil.h"

static const char *const names[] = {
	"UTC",
	"Europe/Berlin",
	"Europe/London",
	"Europe/Dublin", /* winter time is the saving time */
	"America/New_York",
	"America/St_Johns",
	"America/Sao_Paulo", /* no longer any */
	"America/Caracas",
	"America/Scoresbysund",
	"America/Godthab", /* changes at a negative time of day */
	"Africa/Casablanca",
	"Africa/Monrovia", /* offsets with seconds */
	"Asia/Kolkata",
	"Asia/Kathmandu",
	"Asia/Gaza", /* a table to 2086 */
	"Asia/Tehran",
	"Asia/Jerusalem",
	"Asia/Manila",
	"Australia/Sydney",
	"Australia/Lord_Howe", /* half an hour */
	"Pacific/Apia",        /* a day left out */
	"Pacific/Auckland",
	"Pacific/Chatham",
	"Pacific/Kiritimati",
	"Antarctica/Troll", /* two hours */
	"Etc/GMT+12",
	"EST5EDT",
};

static int64_t oracle(int64_t unix_s)
{
	time_t t = (time_t)unix_s;
	struct tm tm;

	T_CHECK(localtime_r(&t, &tm));
	return tm.tm_gmtoff;
}

static void compare(const struct tz *tz, int64_t unix_s, const char *name)
{
	int64_t until_s, have = tz_offset_at(tz, unix_s, &until_s), want = oracle(unix_s);

	if (have != want)
		T_FAIL("%s at %lld: %lld, expected %lld", name, (long long)unix_s, (long long)have,
		       (long long)want);
	T_CHECK(until_s > unix_s);
}

/* Walks over the transitions of 1850 to 2200 and looks at both sides of each, and at what lies
 * between. */
TEST_EACH(the_c_library_agrees, names)
{
	int64_t at = civil_days(1850, 1, 1) * 86400, end = civil_days(2200, 1, 1) * 86400,
		until = 0;
	struct arena a;
	struct tz tz;

	arena_init(&a);
	tz = zones_load(&a, *row);
	setenv("TZ", *row, 1);
	tzset();
	for (; at < end; at = until) {
		tz_offset_at(&tz, at, &until);
		if (until > end)
			until = end;
		compare(&tz, at, *row);
		compare(&tz, until - 1, *row);
		compare(&tz, at + (until - at) / 2, *row);
	}
	for (at = civil_days(1900, 1, 1) * 86400; at < end; at += 5 * 86400 + 4321)
		compare(&tz, at, *row);
	arena_done(&a);
}

/* Nothing changes in between: the next transition is the very next. */
TEST_EACH(no_change_before_the_next_transition, names)
{
	int64_t at = civil_days(2020, 1, 1) * 86400, end = civil_days(2045, 1, 1) * 86400, until;
	struct arena a;
	struct tz tz;

	arena_init(&a);
	tz = zones_load(&a, *row);
	for (int64_t t = at; t < end; t += 1800) {
		int64_t ignored, offset = tz_offset_at(&tz, at, &until);

		if (t >= until)
			at = until;
		else
			T_EQ_INT(tz_offset_at(&tz, t, &ignored), offset);
	}
	arena_done(&a);
}

TEST(known_transitions)
{
	static const struct {
		const char *name;
		int64_t at_s, before_s, after_s;
	} rows[] = {
		{ "Europe/Berlin", 1711846800, 3600, 7200 },         /* 2024-03-31 01:00 UTC */
		{ "Europe/Berlin", 1729990800, 7200, 3600 },         /* 2024-10-27 01:00 UTC */
		{ "America/New_York", 1710054000, -18000, -14400 },  /* 2024-03-10 07:00 UTC */
		{ "America/New_York", 1730613600, -14400, -18000 },  /* 2024-11-03 06:00 UTC */
		{ "Australia/Lord_Howe", 1712415600, 39600, 37800 }, /* 2024-04-06 15:00 UTC */
		{ "Pacific/Apia", 1325239200, -36000, 50400 },       /* 2011-12-30 10:00 UTC */
		/* By the rule, far beyond the table. */
		{ "Europe/Berlin", 4109878800, 3600, 7200 }, /* 2100-03-28 01:00 UTC */
	};
	struct arena a;

	arena_init(&a);
	for (size_t i = 0; i < countof(rows); i++) {
		struct tz tz = zones_load(&a, rows[i].name);
		int64_t until;

		T_EQ_INT(tz_offset_at(&tz, rows[i].at_s - 1, &until), rows[i].before_s);
		T_EQ_INT(until, rows[i].at_s);
		T_EQ_INT(tz_offset_at(&tz, rows[i].at_s, &until), rows[i].after_s);
	}
	arena_done(&a);
}

/* ---- files made here ------------------------------------------------------------------------- */

static void put_be(struct buf *b, int64_t v, int bytes)
{
	for (int i = bytes - 1; i >= 0; i--)
		buf_byte(b, (char)((uint64_t)v >> (8 * i) & 0xff));
}

struct made {
	char version;
	int64_t leap;
	const int64_t *at;
	const char *type_of; /* index of each transition's type */
	size_t n;
	const int32_t *offset;
	size_t types;
	const char *footer; /* NULL = none at all */
};

static void put_head(struct buf *b, const struct made *f, bool empty)
{
	buf_add(b, STR("TZif"));
	buf_byte(b, f->version);
	put_be(b, 0, 8);
	put_be(b, 0, 7);
	put_be(b, 0, 4); /* UTC indicators */
	put_be(b, 0, 4); /* standard indicators */
	put_be(b, empty ? 0 : f->leap, 4);
	put_be(b, empty ? 0 : (int64_t)f->n, 4);
	put_be(b, empty ? 1 : (int64_t)f->types, 4);
	put_be(b, 1, 4); /* bytes of names */
}

static void put_file(struct buf *b, const struct made *f)
{
	put_head(b, f, true);
	put_be(b, 0, 6);
	put_be(b, 0, 1);
	put_head(b, f, false);
	for (size_t i = 0; i < f->n; i++)
		put_be(b, f->at[i], 8);
	for (size_t i = 0; i < f->n; i++)
		buf_byte(b, f->type_of[i]);
	for (size_t i = 0; i < f->types; i++) {
		put_be(b, f->offset[i], 4);
		put_be(b, 0, 2);
	}
	put_be(b, 0, 1);
	if (f->footer)
		buf_fmt(b, "\n%s\n", f->footer);
}

static const int32_t zero[] = { 0 };

static bool try(struct arena *a, const struct made *f, struct tz *ret_tz)
{
	struct str bytes;
	struct buf b;

	buf_init(&b, 1 << 20);
	put_file(&b, f);
	bytes = arena_str(a, buf_str(&b));
	buf_done(&b);
	return tz_parse(bytes, ret_tz, a);
}

static const struct {
	const char *rule;
	int64_t std_s, dst_s;   /* -1 = no daylight saving time; std -1 = refused */
	int64_t start_s, end_s; /* in 2023, Unix s */
} rules[] = {
	{ "", 0, -1, 0, 0 },
	{ "UTC0", 0, -1, 0, 0 },
	{ "EST5", -18000, -1, 0, 0 },
	{ "<+0330>-3:30", 12600, -1, 0, 0 },
	{ "<-03>3", -10800, -1, 0, 0 },
	{ "ABC-1:02:03", 3723, -1, 0, 0 },
	{ "EST5EDT,M3.2.0,M11.1.0", -18000, -14400, 1678604400, 1699164000 },
	{ "CET-1CEST,M3.5.0,M10.5.0/3", 3600, 7200, 1679792400, 1698541200 },
	{ "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 37800, 39600, 1696087800, 1680361200 },
	{ "IST-1GMT0,M10.5.0,M3.5.0/1", 3600, 0, 1698541200, 1679792400 },
	{ "A0B,J60/0,J300/0", 0, 3600, 1677628800, 1698361200 }, /* 1 March, 27 October */
	{ "A0B,59/0,299/0", 0, 3600, 1677628800, 1698361200 },
	{ "A0B,M3.1.3/-24,M11.1.3/48", 0, 3600, 1677542400, 1698966000 },
	{ "A0B,M1.1.0,M1.1.1/25", 0, 3600, 1672538400, 1672704000 },
	{ "EST", -1, 0, 0, 0 },
	{ "5", -1, 0, 0, 0 },
	{ "EST5EDT", -1, 0, 0, 0 },
	{ "EST5EDT,M3.2.0", -1, 0, 0, 0 },
	{ "EST5EDT,M3.2.0,M11.1.0x", -1, 0, 0, 0 },
	{ "EST5EDT,M0.2.0,M11.1.0", -1, 0, 0, 0 },
	{ "EST5EDT,M13.2.0,M11.1.0", -1, 0, 0, 0 },
	{ "EST5EDT,M3.0.0,M11.1.0", -1, 0, 0, 0 },
	{ "EST5EDT,M3.6.0,M11.1.0", -1, 0, 0, 0 },
	{ "EST5EDT,M3.2.7,M11.1.0", -1, 0, 0, 0 },
	{ "EST5EDT,J0,J10", -1, 0, 0, 0 },
	{ "EST5EDT,J366,J10", -1, 0, 0, 0 },
	{ "EST5EDT,366,10", -1, 0, 0, 0 },
	{ "EST5EDT,M3.2.0/168,M11.1.0", -1, 0, 0, 0 },
	{ "EST5EDT,M3.2.0/2:60,M11.1.0", -1, 0, 0, 0 },
	{ "EST27", -1, 0, 0, 0 },
	{ "<EST5", -1, 0, 0, 0 },
	{ "EST-", -1, 0, 0, 0 },
};

TEST_EACH(rules_in_the_footer, rules)
{
	struct made f = { .version = '2', .offset = zero, .types = 1, .footer = row->rule };
	int64_t until;
	struct arena a;
	struct tz tz;

	arena_init(&a);
	T_EQ_INT(try(&a, &f, &tz), row->std_s != -1);
	if (row->std_s == -1) {
		arena_done(&a);
		return;
	}
	T_EQ_INT(tz.rule.has_dst, row->dst_s != -1);
	if (row->dst_s == -1) {
		T_EQ_INT(tz_offset_at(&tz, 1700000000, &until), row->std_s);
		T_EQ_INT(until, INT64_MAX);
	} else {
		T_EQ_INT(tz_offset_at(&tz, row->start_s - 1, &until), row->std_s);
		T_EQ_INT(until, row->start_s);
		T_EQ_INT(tz_offset_at(&tz, row->start_s, &until), row->dst_s);
		T_EQ_INT(tz_offset_at(&tz, row->end_s - 1, &until), row->dst_s);
		T_EQ_INT(until, row->end_s);
		T_EQ_INT(tz_offset_at(&tz, row->end_s, &until), row->std_s);
	}
	arena_done(&a);
}

TEST(daylight_saving_time_all_year)
{
	struct made f = {
		.version = '3', .offset = zero, .types = 1, .footer = "XXX3EDT4,0/0,J365/23"
	};
	int64_t until, day = civil_days(2023, 1, 1) * 86400;
	struct arena a;
	struct tz tz;

	arena_init(&a);
	T_CHECK(try(&a, &f, &tz));
	for (int i = 0; i < 800; i++)
		T_EQ_INT(tz_offset_at(&tz, day + i * 43200, &until), -14400);
	arena_done(&a);
}

TEST(the_table_then_the_last_entry_for_ever)
{
	static const int64_t at[] = { -100, 100, 200 };
	static const int32_t offset[] = { 1, 2, 3 };
	struct made f = { .version = '2',
			  .at = at,
			  .type_of = "\1\2\1",
			  .n = 3,
			  .offset = offset,
			  .types = 3,
			  .footer = "" };
	static const struct {
		int64_t at_s, offset_s, until_s;
	} rows[] = {
		{ -1000, 1, -100 },
		{ -101, 1, -100 },
		{ -100, 2, 100 },
		{ 99, 2, 100 },
		{ 100, 3, 200 },
		{ 200, 2, INT64_MAX },
		{ INT64_MAX, 2, INT64_MAX },
		{ INT64_MIN, 1, -100 },
	};
	struct arena a;
	struct tz tz;

	arena_init(&a);
	T_CHECK(try(&a, &f, &tz));
	for (size_t i = 0; i < countof(rows); i++) {
		int64_t until;

		T_EQ_INT(tz_offset_at(&tz, rows[i].at_s, &until), rows[i].offset_s);
		T_EQ_INT(until, rows[i].until_s);
	}
	arena_done(&a);
}

TEST(files_that_are_none)
{
	static const int64_t at[] = { 100, 100 };
	static const int32_t wild[] = { 100000 };
	struct made good = { .version = '2',
			     .at = at,
			     .type_of = "\0\0",
			     .n = 1,
			     .offset = zero,
			     .types = 1,
			     .footer = "UTC0" };
	struct made f = good;
	struct arena a;
	struct tz tz;

	arena_init(&a);
	T_CHECK(try(&a, &f, &tz));
	f.version = '4';
	T_CHECK(try(&a, &f, &tz));
	f.version = '\0'; /* the first version has 32-bit times only */
	T_CHECK(!try(&a, &f, &tz));
	f = good;
	f.leap = 1;
	T_CHECK(!try(&a, &f, &tz));
	f = good;
	f.n = 2; /* not ascending */
	T_CHECK(!try(&a, &f, &tz));
	f = good;
	f.type_of = "\1"; /* no such type */
	T_CHECK(!try(&a, &f, &tz));
	f = good;
	f.offset = wild;
	T_CHECK(!try(&a, &f, &tz));
	f = good;
	f.footer = NULL;
	T_CHECK(!try(&a, &f, &tz));
	f = good;
	f.types = 0;
	T_CHECK(!try(&a, &f, &tz));
	T_CHECK(!tz_parse(STR(""), &tz, &a));
	T_CHECK(!tz_parse(STR("TZif2"), &tz, &a));
	arena_done(&a);
}

TEST(a_cut_file_is_none)
{
	struct arena a, b;
	struct str bytes;
	struct tz tz;

	arena_init(&a);
	bytes = zones_read(&a, "Europe/Berlin");
	for (size_t n = 0; n < bytes.n; n += n < 100 || n + 100 > bytes.n ? 1 : 37) {
		char *copy = str_dup(str_sub(bytes, 0, n));

		arena_init(&b);
		T_CHECK(!tz_parse(str_n(copy, n), &tz, &b));
		arena_done(&b);
		free(copy);
	}
	arena_done(&a);
}

static const struct {
	const char *name;
	bool safe;
} safe_names[] = {
	{ "UTC", true },
	{ "Europe/Berlin", true },
	{ "America/Argentina/Buenos_Aires", true },
	{ "Etc/GMT+12", true },
	{ "America/Port-au-Prince", true },
	{ "", false },
	{ "/etc/passwd", false },
	{ "../../etc/passwd", false },
	{ "Europe/../UTC", false },
	{ "Europe//Berlin", false },
	{ "Europe/", false },
	{ ".", false },
	{ "Europe/Berlin\n", false },
	{ "a b", false },
	{ "a\\b", false },
};

TEST_EACH(names_that_lead_nowhere_else, safe_names)
{
	T_EQ_INT(tz_name_is_safe(str_c(row->name)), row->safe);
}

TEST(names_with_a_nul_or_too_long)
{
	static char longest[129];

	memset(longest, 'a', sizeof(longest));
	T_CHECK(!tz_name_is_safe(STR("UTC\0")));
	T_CHECK(tz_name_is_safe(str_n(longest, 128)));
	T_CHECK(!tz_name_is_safe(str_n(longest, 129)));
}
