/* plan.h - plans: what bounds a user (spec 9.1), the built-in ones and those of a file.
 *
 * A file of plans is JSON, {"plans": {"free": {"maxQueues": 20}, "team": {"extends": "payg", ...}}}. An entry
 * changes single limits of the plan with its name, or makes a new plan from the one that `extends` names (payg
 * if none), which is built in or stands before it in the file. plan_fields_tbl.h names the limits.
 */
#ifndef CORE_PLAN_H
#define CORE_PLAN_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/json.h"
#include "base/problem.h"
#include "base/str.h"

/* Limits of a plan. 0 means no limit unless said. */
struct plan {
	struct str name; /* "free", "payg", "fixed1m", "fixed10m", "enterprise", or its own */
	int64_t messages_per_day;          /* see messages_per_day_hard */
	bool messages_per_day_hard;        /* more are refused; else they are only told about */
	int64_t bandwidth_per_month_bytes; /* soft */
	int64_t message_bytes_max;         /* never 0 */
	int64_t topics_max, endpoints_max; /* URL groups, endpoints in one */
	int64_t delay_max_s;
	int64_t timeout_max_s; /* longest HTTP response time; never 0 */
	int64_t retries_max;
	int64_t dlq_retention_s, log_retention_s; /* 0 = kept for ever */
	int64_t schedules_max, queues_max, queue_parallelism_max;
	int64_t parallelism_max; /* deliveries running at once */
	int64_t burst_per_s;     /* calls per second, but for those that publish */
};

struct plans {
	const struct plan *v;
	size_t n;
};

enum { PLAN_NAME_BYTES_MAX = 64, PLAN_COUNT_MAX = 1000 };

/* The built-in plan with that name; NULL when there is none. "pro" is an old name of fixed1m. */
const struct plan *plan_find(struct str name);
const struct plan *plan_at(size_t index); /* NULL past the end */

/* The same among those of a set; NULL stands for the built-in ones. */
const struct plan *plan_in(const struct plans *set, struct str name);

/* The built-in plans as a file changes and adds to them, in the arena. False with a problem that names the
 * member and what is allowed. */
must_use bool plan_parse(struct arena *a, struct str text, struct plans *ret_plans,
			 struct problem *ret_problem);

/* All limits as members of the object that is open, under the names that a file gives them; null = none. */
void plan_render(struct json_out *j, const struct plan *p);

#endif
