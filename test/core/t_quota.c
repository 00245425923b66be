#include "t.h"

#include "core/quota.h"

static const struct {
	int64_t max;
	bool hard;
	int64_t used;
	bool over_day, over_month;
} cases[] = {
	{ 0, false, 0, false, false },       { 0, false, INT64_MAX, false, false },
	{ 10, false, 0, false, false },      { 10, false, 10, false, false },
	{ 10, false, 11, true, true },       { 10, true, 11, false, true },
	{ 10, true, 10, false, false },      { INT64_MAX, false, INT64_MAX, false, false },
	{ 1, false, INT64_MAX, true, true },
};

TEST_EACH(a_soft_quota_is_over_when_more_is_used, cases)
{
	struct plan plan = {
		.messages_per_day = row->max,
		.messages_per_day_hard = row->hard,
		.bandwidth_per_month_bytes = row->max,
	};

	T_EQ_INT(quota_day_is_over(&plan, row->used), row->over_day);
	T_EQ_INT(quota_month_is_over(&plan, row->used), row->over_month);
}
