/* usage.c - what a user has used, and the quotas on it.
 *
 * The store counts (store.h); here its numbers are compared with the plan's. The hard quota goes with each put that a
 * user asks for, and the store refuses what is beyond it in the step itself, so it is exact over all processes.
 * Callbacks are put without it: what was accepted is reported. The soft ones are only told of.
 */
#include "base/check.h"
#include "base/log.h"
#include "core/civil.h"
#include "core/quota.h"
#include "engine/engine_int.h"

static int64_t today(const struct engine *e)
{
	return civil_day(e->now_ms);
}

void usage_limit(const struct engine *e, const struct account *a, struct move *put)
{
	const struct plan *plan = accounts_plan(e, a);

	check(put->kind == MOVE_PUT);
	put->put.day_messages_max = plan->messages_per_day_hard ? plan->messages_per_day : 0;
}

static void tell(const struct account *a, const char *quota, int64_t used, int64_t max)
{
	log_warn("usage", "user %.*s is over the soft quota %s: used %lld, limit %lld",
		 STR_FMT(a->user.id), quota, (long long)used, (long long)max);
}

void usage_notice(const struct engine *e, struct account *a, const struct move *put)
{
	const struct plan *plan = accounts_plan(e, a);
	int64_t messages = put->put.used_messages, bytes = put->put.used_bytes;
	int64_t day = today(e);
	struct civil date;

	check(put->kind == MOVE_PUT);
	if (quota_day_is_over(plan, messages) && a->over_day != day) {
		a->over_day = day;
		tell(a, "messagesPerDay", messages, plan->messages_per_day);
	}
	if (!quota_month_is_over(plan, bytes))
		return;
	date = civil_date(day);
	if (a->over_month == date.year * 12 + date.month)
		return;
	a->over_month = date.year * 12 + date.month;
	tell(a, "bandwidthPerMonth", bytes, plan->bandwidth_per_month_bytes);
}

/* ---- reading ---------------------------------------------------------------------------------------- */

static void fill(struct usage_read *op, const struct scan *s)
{
	int64_t first = op->today - op->days + 1;
	struct civil date = civil_date(op->today);
	int64_t month = civil_days(date.year, date.month, 1);

	op->day = arena_array(&op->arena, struct usage, (size_t)op->days);
	for (int64_t i = 0; i < op->days; i++)
		op->day[i].day = first + i;
	for (size_t i = 0; i < s->rows; i++) {
		const struct usage *u = &s->row[i].usage;

		/* After today, if the clock was set back. */
		if (u->day > op->today)
			break;
		if (u->day >= first)
			op->day[u->day - first] = *u;
		if (u->day >= month)
			op->month_bytes += u->bytes;
	}
}

static void scanned(struct store_req *req)
{
	struct usage_read *op = req->arg;

	engine_answered(op->engine);
	engine_store_problem(&op->problem, req, REFUSAL_NONE);
	if (op->problem.status == 0)
		fill(op, &op->scan);
	arena_done(&op->scan.arena);
	op->done(op);
}

void engine_usage_read(struct engine *e, struct usage_read *op)
{
	struct civil date;
	int64_t month;

	check(op->days > 0 && op->days <= USAGE_DAYS_KEPT);
	engine_look(e);
	op->engine = e;
	op->today = today(e);
	op->month_bytes = 0;
	date = civil_date(op->today);
	month = civil_days(date.year, date.month, 1);
	scan_init(&op->scan, SCAN_USAGE, scanned, op);
	op->scan.user = op->account->user.id;
	op->scan.usage_day = op->today - op->days + 1;
	if (month < op->scan.usage_day)
		op->scan.usage_day = month;
	op->scan.max = USAGE_DAYS_KEPT + 31;
	arena_init(&op->scan.arena);
	engine_submit(e, &op->scan.req);
}
