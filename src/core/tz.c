#include "core/tz.h"

#include "base/check.h"
#include "core/civil.h"

enum {
	HEAD_BYTES = 44,
	FILE_BYTES_MAX = 256 * 1024,
	TRANSITIONS_MAX = 8192,
	TYPES_MAX = 256,
	TYPE_BYTES = 6,
	RULE_BYTES_MAX = 128,
	OFFSET_S_MAX = 26 * 3600, /* RFC 8536 3.2 */
	NAME_BYTES_MAX = 128,
	DAY_S = 86400,
};

/* ---- the file -------------------------------------------------------------------------------- */

/* Big-endian, two's complement. */
static int64_t load_be(struct str s, size_t at, size_t n)
{
	uint64_t v = (unsigned char)s.p[at] & 0x80 ? UINT64_MAX : 0;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | (unsigned char)s.p[at + i];
	return (int64_t)v;
}

struct counts {
	int64_t utc, standard, leap, time, type, chars;
};

/* The header at the front of s, "TZif" and what follows; false when it is none. */
static bool take_head(struct str *s, struct counts *ret_counts)
{
	struct counts c;

	if (s->n < HEAD_BYTES || !str_starts(*s, STR("TZif")) || s->p[4] < '2')
		return false;
	c.utc = load_be(*s, 20, 4);
	c.standard = load_be(*s, 24, 4);
	c.leap = load_be(*s, 28, 4);
	c.time = load_be(*s, 32, 4);
	c.type = load_be(*s, 36, 4);
	c.chars = load_be(*s, 40, 4);
	if (c.utc < 0 || c.standard < 0 || c.leap != 0 || c.time < 0 || c.type < 1 || c.chars < 0 ||
	    c.time > TRANSITIONS_MAX || c.type > TYPES_MAX)
		return false;
	*s = str_from(*s, HEAD_BYTES);
	*ret_counts = c;
	return true;
}

static int64_t block_bytes(const struct counts *c, int64_t time_bytes)
{
	return c->time * (time_bytes + 1) + c->type * TYPE_BYTES + c->chars + c->standard + c->utc;
}

static bool read_types(struct str types, size_t n, int32_t ret_offset[TYPES_MAX])
{
	for (size_t i = 0; i < n; i++) {
		int64_t offset = load_be(types, i * TYPE_BYTES, 4);

		if (offset < -OFFSET_S_MAX || offset > OFFSET_S_MAX)
			return false;
		ret_offset[i] = (int32_t)offset;
	}
	return true;
}

static bool read_block(struct str s, const struct counts *c, struct tz *tz, struct arena *a)
{
	int64_t *at = arena_array(a, int64_t, (size_t)c->time);
	int32_t *offset = arena_array(a, int32_t, (size_t)c->time);
	struct str indices = str_from(s, (size_t)c->time * 8);
	int32_t types[TYPES_MAX];

	if (!read_types(str_from(indices, (size_t)c->time), (size_t)c->type, types))
		return false;
	for (size_t i = 0; i < (size_t)c->time; i++) {
		size_t type = (unsigned char)indices.p[i];

		at[i] = load_be(s, i * 8, 8);
		if (type >= (size_t)c->type || (i && at[i] <= at[i - 1]))
			return false;
		offset[i] = types[type];
	}
	tz->at = at;
	tz->offset = offset;
	tz->n = (size_t)c->time;
	tz->first_offset = types[0];
	return true;
}

/* ---- the rule in the footer, as in the variable TZ (POSIX) ----------------------------------- */

static bool take_byte(struct str *s, char c)
{
	if (!s->n || s->p[0] != c)
		return false;
	*s = str_from(*s, 1);
	return true;
}

static bool take_number(struct str *s, int64_t max, int64_t *ret_n)
{
	size_t digits = 0;
	uint64_t n;

	while (digits < s->n && digits < 4 && s->p[digits] >= '0' && s->p[digits] <= '9')
		digits++;
	if (!str_u64(str_sub(*s, 0, digits), &n) || n > (uint64_t)max)
		return false;
	*s = str_from(*s, digits);
	*ret_n = (int64_t)n;
	return true;
}

/* Letters, or anything between angle brackets. */
static bool take_zone_name(struct str *s)
{
	size_t n = 0;

	if (take_byte(s, '<')) {
		n = str_find(*s, '>', 0);
		if (n == SIZE_MAX)
			return false;
		*s = str_from(*s, n + 1);
		return true;
	}
	while (n < s->n &&
	       ((s->p[n] >= 'A' && s->p[n] <= 'Z') || (s->p[n] >= 'a' && s->p[n] <= 'z')))
		n++;
	*s = str_from(*s, n);
	return n > 0;
}

/* [+-]hh[:mm[:ss]] in seconds; hours up to 167, as newer files have them. */
static bool take_time(struct str *s, int64_t *ret_s)
{
	bool minus = take_byte(s, '-');
	int64_t h, m = 0, sec = 0;

	if (!minus)
		(void)take_byte(s, '+');
	if (!take_number(s, 167, &h))
		return false;
	if (take_byte(s, ':') && !take_number(s, 59, &m))
		return false;
	if (take_byte(s, ':') && !take_number(s, 59, &sec))
		return false;
	sec += h * 3600 + m * 60;
	*ret_s = minus ? -sec : sec;
	return true;
}

static bool take_day(struct str *s, struct tz_change *c)
{
	int64_t month, week, day;

	if (take_byte(s, 'M')) {
		if (!take_number(s, 12, &month) || !take_byte(s, '.') ||
		    !take_number(s, 5, &week) || !take_byte(s, '.') || !take_number(s, 6, &day) ||
		    !month || !week)
			return false;
		c->form = 'M';
		c->month = (int)month;
		c->week = (int)week;
	} else {
		c->form = take_byte(s, 'J') ? 'J' : 'N';
		if (!take_number(s, 365, &day) || (c->form == 'J' && !day))
			return false;
	}
	c->day = (int)day;
	return true;
}

/* ,date[/time] */
static bool take_change(struct str *s, struct tz_change *ret_change)
{
	struct tz_change c = { .time_s = 2 * 3600 };

	if (!take_byte(s, ',') || !take_day(s, &c))
		return false;
	if (take_byte(s, '/') && !take_time(s, &c.time_s))
		return false;
	*ret_change = c;
	return true;
}

/* The offset in the text counts west of Greenwich. */
static bool take_offset(struct str *s, int64_t *ret_offset_s)
{
	int64_t west;

	if (!take_time(s, &west) || west < -OFFSET_S_MAX || west > OFFSET_S_MAX)
		return false;
	*ret_offset_s = -west;
	return true;
}

static bool parse_rule(struct str s, struct tz_rule *ret_rule)
{
	struct tz_rule r = { .present = true };

	if (!take_zone_name(&s) || !take_offset(&s, &r.std_s))
		return false;
	if (s.n) {
		r.has_dst = true;
		r.dst_s = r.std_s + 3600;
		if (!take_zone_name(&s))
			return false;
		if (s.n && s.p[0] != ',' && !take_offset(&s, &r.dst_s))
			return false;
		if (!take_change(&s, &r.start) || !take_change(&s, &r.end))
			return false;
	}
	*ret_rule = r;
	return !s.n;
}

static bool read_footer(struct str s, struct tz_rule *ret_rule)
{
	struct str text;

	if (!take_byte(&s, '\n') || !str_has_byte(s, '\n'))
		return false;
	text = str_cut(&s, '\n');
	/* None: the last transition goes on for ever. */
	if (!text.n)
		return true;
	return text.n <= RULE_BYTES_MAX && parse_rule(text, ret_rule);
}

bool tz_parse(struct str bytes, struct tz *ret_tz, struct arena *a)
{
	struct tz tz = { 0 };
	struct counts c;
	int64_t n;

	/* A block with 32-bit times for old readers, then the same with 64 bits. */
	if (bytes.n > FILE_BYTES_MAX || !take_head(&bytes, &c))
		return false;
	n = block_bytes(&c, 4);
	if (n > (int64_t)bytes.n)
		return false;
	bytes = str_from(bytes, (size_t)n);
	if (!take_head(&bytes, &c))
		return false;
	n = block_bytes(&c, 8);
	if (n > (int64_t)bytes.n || !read_block(bytes, &c, &tz, a) ||
	    !read_footer(str_from(bytes, (size_t)n), &tz.rule))
		return false;
	*ret_tz = tz;
	return true;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static int64_t change_day(const struct tz_change *c, int64_t year)
{
	int64_t first, day;

	switch (c->form) {
	case 'J':
		/* 29 February is never counted. */
		return civil_days(year, 1, 1) + c->day - 1 + (civil_is_leap(year) && c->day >= 60);
	case 'N':
		return civil_days(year, 1, 1) + c->day;
	default:
		first = civil_days(year, c->month, 1);
		day = (c->day - civil_weekday(first) + 7) % 7 + 7 * (c->week - 1);
		while (day >= civil_month_days(year, c->month))
			day -= 7;
		return first + day;
	}
}

/* Unix seconds: the time of day is local, under the offset that goes until then. */
static int64_t change_at(const struct tz_change *c, int64_t year, int64_t offset_s)
{
	return change_day(c, year) * DAY_S + c->time_s - offset_s;
}

/* Looks at the changes of the years around; of two at the same instant the beginning of daylight
 * saving time counts (which is how a zone says that it lasts all year). */
static int64_t rule_offset_at(const struct tz_rule *r, int64_t unix_s, int64_t *ret_until_s)
{
	int64_t year = civil_date(civil_div(unix_s, DAY_S)).year;
	int64_t last = INT64_MIN, next = INT64_MAX, offset = r->std_s;

	for (int64_t y = year - 1; r->has_dst && y <= year + 1; y++) {
		int64_t at[2] = { change_at(&r->end, y, r->dst_s),
				  change_at(&r->start, y, r->std_s) };

		for (int i = 0; i < 2; i++) {
			if (at[i] > unix_s && at[i] < next)
				next = at[i];
			if (at[i] <= unix_s && (at[i] > last || (at[i] == last && i))) {
				last = at[i];
				offset = i ? r->dst_s : r->std_s;
			}
		}
	}
	*ret_until_s = next;
	return offset;
}

int64_t tz_offset_at(const struct tz *tz, int64_t unix_s, int64_t *ret_until_s)
{
	size_t low = 0, high = tz->n; /* the first transition after unix_s lies in [low, high] */

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (tz->at[mid] <= unix_s)
			low = mid + 1;
		else
			high = mid;
	}
	check(low <= tz->n);
	if (low < tz->n) {
		*ret_until_s = tz->at[low];
		return low ? tz->offset[low - 1] : tz->first_offset;
	}
	if (tz->rule.present)
		return rule_offset_at(&tz->rule, unix_s, ret_until_s);
	*ret_until_s = INT64_MAX;
	return tz->n ? tz->offset[tz->n - 1] : tz->first_offset;
}

bool tz_name_is_safe(struct str name)
{
	char before = '/';

	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			     (c >= 'A' && c <= 'Z') || c == '_' || c == '+' || c == '-';

		if (!plain && (c != '/' || before == '/'))
			return false;
		before = c;
	}
	return before != '/' && name.n <= NAME_BYTES_MAX;
}
