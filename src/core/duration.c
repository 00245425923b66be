#include "core/duration.h"

#include <math.h>

/* A duration is at most this long, so that a sum of times never leaves int64: 10,000 years. */
#define DURATION_MS_MAX (10000 * 366.0 * 86400 * 1000)

enum { DIGITS_MAX = 30 };

struct unit {
	struct str name;
	double ms;
};

static const struct unit request_units[] = {
	{ { "s", 1 }, 1000 },
	{ { "m", 1 }, 60e3 },
	{ { "h", 1 }, 3600e3 },
	{ { "d", 1 }, 86400e3 },
};

/* "ms" stands before "m", because the first that fits is taken. The micro sign has two code
 * points. */
static const struct unit go_units[] = {
	{ { "ns", 2 }, 1e-6 },        { { "us", 2 }, 1e-3 },  { { "\xc2\xb5s", 3 }, 1e-3 },
	{ { "\xce\xbcs", 3 }, 1e-3 }, { { "ms", 2 }, 1 },     { { "s", 1 }, 1000 },
	{ { "m", 1 }, 60e3 },         { { "h", 1 }, 3600e3 },
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits with at most one point among them, at least one digit, off the front of *s. */
static bool take_number(struct str *s, double *ret_value)
{
	double v = 0, place = 1;
	size_t i = 0, digits = 0;
	bool fraction = false;

	for (; i < s->n && (is_digit(s->p[i]) || (s->p[i] == '.' && !fraction)); i++) {
		if (s->p[i] == '.') {
			fraction = true;
			continue;
		}
		v = v * 10 + (s->p[i] - '0');
		place *= fraction ? 10 : 1;
		digits++;
	}
	if (!digits || digits > DIGITS_MAX)
		return false;
	*s = str_from(*s, i);
	*ret_value = v / place;
	return true;
}

static const struct unit *take_unit(struct str *s, const struct unit *units, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (str_starts(*s, units[i].name)) {
			*s = str_from(*s, units[i].name.n);
			return &units[i];
		}
	}
	return NULL;
}

static bool sum(struct str s, const struct unit *units, size_t n, double *ret_ms)
{
	double total = 0, v;

	if (!s.n)
		return false;
	while (s.n) {
		const struct unit *u;

		if (!take_number(&s, &v))
			return false;
		u = take_unit(&s, units, n);
		if (!u)
			return false;
		total += v * u->ms;
	}
	*ret_ms = total;
	return total <= DURATION_MS_MAX;
}

bool duration_parse(struct str s, int64_t *ret_ms)
{
	struct str rest = s;
	double ms;

	if (take_number(&rest, &ms) && !rest.n)
		ms *= 1000;
	else if (!sum(s, request_units, countof(request_units), &ms))
		return false;
	if (ms > DURATION_MS_MAX)
		return false;
	*ret_ms = (int64_t)(ms + 0.5);
	return true;
}

bool duration_go_parse(struct str s, int64_t *ret_ms)
{
	double ms;

	if (str_starts(s, STR("+")))
		s = str_from(s, 1);
	/* Go knows one number without a unit. */
	if (str_eq(s, STR("0")))
		ms = 0;
	else if (!sum(s, go_units, countof(go_units), &ms))
		return false;
	*ret_ms = (int64_t)ceil(ms);
	return true;
}
