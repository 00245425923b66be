/* Cron expressions: what is accepted is due at times that match it, in order and after the time
 * asked for. The first eight bytes are that time; the zone is UTC or one with a rule of its own. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "core/civil.h"
#include "core/cron.h"
#include "core/tz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TIMES = 5 };

static const struct tz zone = {
	.first_offset = 3600,
	.rule = {
		.present = true, .has_dst = true, .std_s = 3600, .dst_s = 7200,
		.start = { 'M', 3, 5, 0, 2 * 3600 }, .end = { 'M', 10, 5, 0, 3 * 3600 },
	},
};

static void check_match(const struct cron *c, int64_t ms)
{
	int64_t minutes = civil_div(ms, 60000), days = civil_div(minutes, 24 * 60);
	struct civil date = civil_date(days);
	int minute = (int)(minutes - days * 24 * 60);
	bool day = c->days >> date.day & 1, weekday = c->weekdays >> civil_weekday(days) & 1;

	check(ms % 60000 == 0);
	check(c->minutes >> minute % 60 & 1 && c->hours >> minute / 60 & 1 &&
	      c->months >> date.month & 1);
	check(c->any_day || c->any_weekday ? day && weekday : day || weekday);
}

static void check_times(const struct cron *c, const struct tz *tz, int64_t at_ms)
{
	int64_t next_ms;

	for (int i = 0; i < TIMES && cron_next(c, tz, at_ms, &next_ms); i++) {
		check(next_ms > at_ms);
		check(next_ms - at_ms <= (int64_t)(CRON_YEARS_MAX + 1) * 366 * 86400 * 1000);
		if (!tz)
			check_match(c, next_ms);
		at_ms = next_ms;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct problem p = { 0 };
	struct cron c;
	int64_t at_ms;

	if (size < sizeof(at_ms))
		return 0;
	memcpy(&at_ms, data, sizeof(at_ms));
	if (!cron_parse(str_n(data + sizeof(at_ms), size - sizeof(at_ms)), &c, &p)) {
		check(p.status == 400 && p.text[0]);
		return 0;
	}
	check(c.minutes && c.hours && c.days && c.months && c.weekdays);
	check(!c.tz_name.n || tz_name_is_safe(c.tz_name));
	check_times(&c, NULL, at_ms);
	check_times(&c, &zone, at_ms);
	return 0;
}
