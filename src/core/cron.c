#include "core/cron.h"

#include "base/check.h"
#include "core/civil.h"
#include "core/limits.h"
#include "core/tz.h"

enum { DAY_MIN = 24 * 60, HOURS_ALL = 0xffffff };

/* The end of the year 9999: no schedule lasts longer. */
#define UNIX_MS_MAX 253402300799999

/* ---- parsing --------------------------------------------------------------------------------- */

struct field {
	const char *name;
	int min, max;
	const char *names;   /* of three letters each; NULL = none */
	int names_from;      /* the value of the first name */
	const char *allowed; /* for error texts */
};

static const struct field fields[] = {
	{ "minute", 0, 59, NULL, 0, "0-59" },
	{ "hour", 0, 23, NULL, 0, "0-23" },
	{ "day of month", 1, 31, NULL, 0, "1-31" },
	{ "month", 1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC", 1, "1-12 or JAN-DEC" },
	{ "day of week", 0, 7, "SUNMONTUEWEDTHUFRISAT", 0, "0-7 or SUN-SAT" },
};

enum { FIELDS = 5 };

static const struct {
	struct str name, fields;
} descriptors[] = {
	{ { "@yearly", 7 }, { "0 0 1 1 *", 9 } },  { { "@annually", 9 }, { "0 0 1 1 *", 9 } },
	{ { "@monthly", 8 }, { "0 0 1 * *", 9 } }, { { "@weekly", 7 }, { "0 0 * * 0", 9 } },
	{ { "@daily", 6 }, { "0 0 * * *", 9 } },   { { "@midnight", 9 }, { "0 0 * * *", 9 } },
	{ { "@hourly", 7 }, { "0 * * * *", 9 } },
};

static bool parse_value(const struct field *f, struct str s, int *ret_value)
{
	uint64_t v;

	for (int i = 0; f->names && s.n == 3 && f->names[3 * i]; i++) {
		if (str_ieq(s, str_n(f->names + 3 * i, 3))) {
			*ret_value = f->names_from + i;
			return true;
		}
	}
	if (s.n > 2 || !str_u64(s, &v) || (int)v < f->min || (int)v > f->max)
		return false;
	*ret_value = (int)v;
	return true;
}

/* `*`, a value, or a range; with a step, a value means "from there on". */
static bool parse_range(const struct field *f, struct str s, bool step, int *ret_from, int *ret_to)
{
	struct str to = s, from = str_cut(&to, '-');

	if (str_eq(s, STR("*"))) {
		*ret_from = f->min;
		*ret_to = f->max;
		return true;
	}
	if (!parse_value(f, from, ret_from))
		return false;
	if (from.n == s.n) {
		*ret_to = step ? f->max : *ret_from;
		return true;
	}
	return parse_value(f, to, ret_to) && *ret_from <= *ret_to;
}

/* One element of a list, as bits. */
static bool parse_element(const struct field *f, struct str s, uint64_t *ret_bits)
{
	struct str step_text = s, range = str_cut(&step_text, '/');
	bool stepped = range.n < s.n;
	uint64_t step = 1, bits = 0;
	int from, to;

	if (stepped && (step_text.n > 3 || !str_u64(step_text, &step) || !step))
		return false;
	if (!parse_range(f, range, stepped, &from, &to))
		return false;
	/* Sunday comes once in a week, so what has no end does not reach its second number, and is
	 * not begun with it either. */
	if (f->max == 7 && range.n &&
	    (range.p[0] == '*' || (stepped && to == 7 && !str_has_byte(range, '-')))) {
		from = from == 7 ? 0 : from;
		to = 6;
	}
	for (int v = from; v <= to; v += (int)step)
		bits |= 1ull << v;
	*ret_bits |= bits;
	return true;
}

static bool parse_field(const struct field *f, struct str s, uint64_t *ret_bits, struct problem *p)
{
	struct str rest = s;
	uint64_t bits = 0;

	do {
		bool last = !str_has_byte(rest, ',');
		struct str element = str_cut(&rest, ',');

		if (!parse_element(f, element, &bits))
			return problem_set(
				p, 400,
				"invalid cron expression: %s \"%.*s\"; allowed are %s, *, lists, "
				"ranges and steps",
				f->name, STR_FMT(str_sub(s, 0, 60)), f->allowed);
		if (last)
			break;
	} while (true);
	*ret_bits = bits;
	return true;
}

static struct str take_word(struct str *s)
{
	struct str word;
	size_t n = 0;

	*s = str_trim(*s);
	while (n < s->n && s->p[n] != ' ' && s->p[n] != '\t')
		n++;
	word = str_sub(*s, 0, n);
	*s = str_trim(str_from(*s, n));
	return word;
}

/* Takes "CRON_TZ=Zone" or "TZ=Zone" off the front. */
static bool take_zone(struct str *s, struct str *ret_zone, struct problem *p)
{
	struct str rest = *s, word = take_word(&rest), zone = STR_NULL;

	if (str_starts(word, STR("CRON_TZ=")))
		zone = str_from(word, 8);
	else if (str_starts(word, STR("TZ=")))
		zone = str_from(word, 3);
	else
		return true;
	if (!tz_name_is_safe(zone))
		return problem_set(
			p, 400,
			"invalid cron expression: time zone \"%.*s\"; allowed are IANA names like "
			"Europe/Berlin",
			STR_FMT(str_sub(zone, 0, 60)));
	*s = rest;
	*ret_zone = zone;
	return true;
}

static bool take_descriptor(struct str *s, struct problem *p)
{
	if (!str_starts(*s, STR("@")))
		return true;
	for (size_t i = 0; i < countof(descriptors); i++) {
		if (str_ieq(*s, descriptors[i].name)) {
			*s = descriptors[i].fields;
			return true;
		}
	}
	return problem_set(p, 400,
			   "invalid cron expression: \"%.*s\"; allowed are @yearly, @annually, "
			   "@monthly, @weekly, "
			   "@daily, @midnight and @hourly",
			   STR_FMT(str_sub(*s, 0, 60)));
}

static bool split_fields(struct str s, struct str ret_word[FIELDS], struct problem *p)
{
	size_t n = 0;

	while (s.n) {
		struct str word = take_word(&s);

		if (n < FIELDS)
			ret_word[n] = word;
		n++;
	}
	return n == FIELDS || problem_set(p, 400,
					  "invalid cron expression: %zu fields; 5 are allowed: "
					  "minute, hour, day of month, month, "
					  "day of week",
					  n);
}

/* Is the field `*`, in one of the ways to say so? */
static bool is_any(struct str word)
{
	return str_eq(word, STR("*")) || str_eq(word, STR("*/1"));
}

bool cron_parse(struct str text, struct cron *ret_cron, struct problem *ret_problem)
{
	struct str s = str_trim(text), word[FIELDS], zone = STR_NULL;
	uint64_t bits[FIELDS];

	if (s.n > LIMIT_CRON_BYTES)
		return problem_set(ret_problem, 400,
				   "invalid cron expression: at most %d bytes are allowed",
				   LIMIT_CRON_BYTES);
	if (!take_zone(&s, &zone, ret_problem) || !take_descriptor(&s, ret_problem) ||
	    !split_fields(s, word, ret_problem))
		return false;
	for (size_t i = 0; i < FIELDS; i++) {
		if (!parse_field(&fields[i], word[i], &bits[i], ret_problem))
			return false;
	}
	*ret_cron = (struct cron){
		.minutes = bits[0],
		.hours = (uint32_t)bits[1],
		.days = (uint32_t)bits[2],
		.months = (uint32_t)bits[3],
		/* 7 is 0. */
		.weekdays = (uint32_t)((bits[4] | bits[4] >> 7) & 0x7f),
		.any_day = is_any(word[2]),
		.any_weekday = is_any(word[4]),
		.tz_name = zone,
	};
	return true;
}

/* ---- the next time --------------------------------------------------------------------------- */

static bool day_matches(const struct cron *c, int64_t days)
{
	struct civil date = civil_date(days);
	bool day = c->days >> date.day & 1;
	bool weekday = c->weekdays >> civil_weekday(days) & 1;

	if (!(c->months >> date.month & 1))
		return false;
	if (c->any_day || c->any_weekday)
		return (c->any_day || day) && (c->any_weekday || weekday);
	return day || weekday;
}

/* The first minute of the day at or after `minute` that matches; DAY_MIN when there is none. */
static int minute_of_day(const struct cron *c, int minute)
{
	int hour = minute / 60;
	uint64_t minutes = c->minutes & UINT64_MAX << (minute % 60);

	for (; hour < 24; hour++, minutes = c->minutes) {
		if ((c->hours >> hour & 1) && minutes)
			return hour * 60 + __builtin_ctzll(minutes);
	}
	return DAY_MIN;
}

/* Local time as minutes since 1970, as if there were no time zones. The first match in [from,
 * until), or INT64_MAX. */
static int64_t next_local(const struct cron *c, int64_t from, int64_t until)
{
	int64_t days = civil_div(from, DAY_MIN);
	int minute = (int)(from - days * DAY_MIN);

	for (; days * DAY_MIN < until; days++, minute = 0) {
		int64_t at;

		if (!day_matches(c, days))
			continue;
		minute = minute_of_day(c, minute);
		at = days * DAY_MIN + minute;
		if (minute < DAY_MIN)
			return at < until ? at : INT64_MAX;
	}
	return INT64_MAX;
}

/* Rounded up to a whole minute. */
static int64_t minutes_up(int64_t seconds)
{
	return civil_div(seconds + 59, 60);
}

/* A stretch of time with one offset from UTC, and what came before it. */
struct stretch {
	int64_t from_s, until_s; /* Unix; until_s may be INT64_MAX */
	int64_t offset_s;
	int64_t offset_before_s;
};

/* The first match within [from_s, end_s) of the stretch, Unix seconds; INT64_MAX = none. When times
 * of day are meant, those that the clock has shown already before the stretch began are passed
 * over, and those that it skipped happen at once, at its beginning. */
static int64_t next_within(const struct cron *c, const struct stretch *s, int64_t from_s,
			   int64_t end_s)
{
	bool times_of_day = c->hours != HOURS_ALL;
	int64_t shift = s->offset_s - s->offset_before_s;
	int64_t local_from = from_s + s->offset_s, at;

	if (times_of_day && shift > 0 && from_s == s->from_s &&
	    next_local(c, minutes_up(local_from - shift), minutes_up(local_from)) != INT64_MAX)
		return s->from_s;
	if (times_of_day && shift < 0 && from_s < s->from_s - shift)
		local_from = s->from_s + s->offset_before_s;
	at = next_local(c, minutes_up(local_from), minutes_up(end_s + s->offset_s));
	return at == INT64_MAX ? INT64_MAX : at * 60 - s->offset_s;
}

static struct stretch stretch_at(const struct tz *tz, int64_t unix_s)
{
	struct stretch s = { .from_s = unix_s, .until_s = INT64_MAX };

	if (tz)
		s.offset_s = tz_offset_at(tz, unix_s, &s.until_s);
	s.offset_before_s = s.offset_s;
	return s;
}

/* The stretch that holds unix_s began at the latest transition before; a day back is far enough to
 * see what a clock can show twice. */
static struct stretch stretch_around(const struct tz *tz, int64_t unix_s)
{
	struct stretch s = stretch_at(tz, unix_s - 26 * 3600), next;

	while (s.until_s <= unix_s) {
		next = stretch_at(tz, s.until_s);
		next.offset_before_s = s.offset_s;
		s = next;
	}
	return s;
}

bool cron_next(const struct cron *c, const struct tz *tz, int64_t after_ms, int64_t *ret_ms)
{
	/* Strictly after: the next whole second is early enough. */
	int64_t from_s = civil_div(after_ms, 1000) + 1;
	int64_t give_up_s = from_s + CRON_YEARS_MAX * 366LL * 86400;
	struct stretch s;

	check(c->minutes && c->hours && c->months);
	if (after_ms > UNIX_MS_MAX || after_ms < -UNIX_MS_MAX)
		return false;
	s = stretch_around(tz, from_s);
	while (from_s < give_up_s) {
		int64_t end_s = s.until_s < give_up_s ? s.until_s : give_up_s;
		int64_t at_s = next_within(c, &s, from_s, end_s);
		struct stretch next;

		if (at_s != INT64_MAX) {
			*ret_ms = at_s * 1000;
			return true;
		}
		from_s = end_s;
		if (end_s < s.until_s)
			break;
		next = stretch_at(tz, s.until_s);
		next.offset_before_s = s.offset_s;
		s = next;
	}
	return false;
}
