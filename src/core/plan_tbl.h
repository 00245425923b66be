/* plan_tbl.h - the plans and their limits (spec 9.1). 0 means no limit.
 *
 * What the price list calls "custom" has no limit here, but for three things: the HTTP response
 * time, which must end some day, the message size, for a message is held in memory, and the
 * retention times.
 */
#ifndef CORE_PLAN_TBL_H
#define CORE_PLAN_TBL_H

#define PLAN_MIB (1024LL * 1024)
#define PLAN_GB (1000LL * 1000 * 1000)
#define PLAN_HOUR_S 3600LL
#define PLAN_DAY_S (24 * PLAN_HOUR_S)

static const struct plan plan_table[] = {
	{
		.name = { "payg", 4 },
		.bandwidth_per_month_bytes = 50 * PLAN_GB,
		.message_bytes_max = 10 * PLAN_MIB,
		.topics_max = 100,
		.endpoints_max = 100,
		.delay_max_s = 365 * PLAN_DAY_S,
		.timeout_max_s = 2 * PLAN_HOUR_S,
		.retries_max = 999,
		.dlq_retention_s = 7 * PLAN_DAY_S,
		.log_retention_s = 7 * PLAN_DAY_S,
		.schedules_max = 1000,
		.queues_max = 100,
		.queue_parallelism_max = 10,
		.parallelism_max = 100,
		.burst_per_s = 100,
	},
	{
		.name = { "free", 4 },
		.messages_per_day = 1000,
		.messages_per_day_hard = true,
		.bandwidth_per_month_bytes = 50 * PLAN_GB,
		.message_bytes_max = 1 * PLAN_MIB,
		.topics_max = 1,
		.endpoints_max = 100,
		.delay_max_s = 7 * PLAN_DAY_S,
		.timeout_max_s = 15 * 60,
		.retries_max = 999,
		.dlq_retention_s = 3 * PLAN_DAY_S,
		.log_retention_s = 3 * PLAN_DAY_S,
		.schedules_max = 10,
		.queues_max = 10,
		.queue_parallelism_max = 2,
		.parallelism_max = 10,
		.burst_per_s = 100,
	},
	{
		.name = { "fixed1m", 7 },
		.messages_per_day = 1000 * 1000,
		.bandwidth_per_month_bytes = 1000 * PLAN_GB,
		.message_bytes_max = 50 * PLAN_MIB,
		.topics_max = 1000,
		.endpoints_max = 1000,
		.timeout_max_s = 6 * PLAN_HOUR_S,
		.retries_max = 999,
		.dlq_retention_s = 30 * PLAN_DAY_S,
		.log_retention_s = 14 * PLAN_DAY_S,
		.schedules_max = 10 * 1000,
		.queues_max = 1000,
		.queue_parallelism_max = 10,
		.parallelism_max = 200,
		.burst_per_s = 100,
	},
	{
		.name = { "fixed10m", 8 },
		.messages_per_day = 10 * 1000 * 1000,
		.bandwidth_per_month_bytes = 5000 * PLAN_GB,
		.message_bytes_max = 50 * PLAN_MIB,
		.topics_max = 2000,
		.endpoints_max = 2000,
		.timeout_max_s = 12 * PLAN_HOUR_S,
		.retries_max = 999,
		.dlq_retention_s = 90 * PLAN_DAY_S,
		.log_retention_s = 14 * PLAN_DAY_S,
		.schedules_max = 50 * 1000,
		.queues_max = 1000,
		.queue_parallelism_max = 10,
		.parallelism_max = 1000,
		.burst_per_s = 100,
	},
	{
		.name = { "enterprise", 10 },
		.message_bytes_max = 100 * PLAN_MIB,
		.timeout_max_s = 12 * PLAN_HOUR_S,
		.retries_max = 999,
		.dlq_retention_s = 90 * PLAN_DAY_S,
		.log_retention_s = 14 * PLAN_DAY_S,
		.burst_per_s = 100,
	},
};

#endif
