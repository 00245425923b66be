/* cron.h - cron expressions: when a schedule is due (spec 5.4).
 *
 * Five fields: minute, hour, day of month, month, day of week; `*`, numbers, names (JAN-DEC,
 * SUN-SAT, 7 is Sunday, too), lists, ranges and steps. Or @yearly, @annually, @monthly, @weekly,
 * @daily, @midnight, @hourly. A prefix `CRON_TZ=<IANA name> ` or `TZ=<IANA name> ` gives the time
 * zone; without one it is UTC. If both day fields are restricted, either of them is enough.
 *
 * Daylight saving. When the hour is restricted, the expression means times of day: one that the
 * clock skips fires once, right after the gap, and one that the clock repeats fires once, the first
 * time. When every hour is allowed, it means an interval: it follows the real time, nothing is
 * added and nothing left out.
 */
#ifndef CORE_CRON_H
#define CORE_CRON_H

#include "base/compiler.h"
#include "base/problem.h"
#include "base/str.h"

struct tz;

struct cron {
	uint64_t minutes; /* bit n = minute n */
	uint32_t hours;
	uint32_t days;     /* of the month, bits 1 to 31 */
	uint32_t months;   /* bits 1 to 12 */
	uint32_t weekdays; /* bits 0 (Sunday) to 6 */
	bool any_day;      /* the day of the month was `*` */
	bool any_weekday;
	struct str tz_name; /* view into the text; empty = UTC */
};

/* Spaces around the text are passed over. 400 naming the field and what it allows. Whether the time
 * zone exists is for the caller to find out. */
must_use bool cron_parse(struct str text, struct cron *ret_cron, struct problem *ret_problem);

/* The first time after `after_ms` (Unix ms) at which it is due. `tz` NULL = UTC. False when it
 * never is (30 February), or not within CRON_YEARS_MAX years. */
must_use bool cron_next(const struct cron *c, const struct tz *tz, int64_t after_ms,
			int64_t *ret_ms);
enum { CRON_YEARS_MAX = 12 };

#endif
