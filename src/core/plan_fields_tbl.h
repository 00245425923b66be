/* plan_fields_tbl.h - the limits of a plan, as files of plans and answers name them, and what a file may set.
 *
 * Times are seconds, sizes bytes. Where the least value is 0, 0 and null mean no limit. The names are those of
 * the quotas in errors ("quota maxDelay exceeded").
 *
 *	X(kind, field, name, least, most)
 */
#ifndef CORE_PLAN_FIELDS_TBL_H
#define CORE_PLAN_FIELDS_TBL_H

#define PLAN_COUNT (1000LL * 1000)
#define PLAN_BYTES (1000LL * 1000 * 1000 * 1000 * 1000)
#define PLAN_YEARS_S (100 * 365 * 24 * 3600LL)

/* clang-format off */
#define PLAN_FIELDS(X)                                                                        \
	X(INT,  messages_per_day,          "messagesPerDay",      0, 1000 * PLAN_COUNT * PLAN_COUNT) \
	X(BOOL, messages_per_day_hard,     "messagesPerDayHard",  0, 1)                               \
	X(INT,  bandwidth_per_month_bytes, "bandwidthPerMonth",   0, PLAN_BYTES)                      \
	X(INT,  message_bytes_max,         "maxMessageSize",      1, 100 * 1024 * 1024LL)             \
	X(INT,  topics_max,                "maxTopics",           0, PLAN_COUNT)                      \
	X(INT,  endpoints_max,             "maxEndpoints",        0, 5000)                            \
	X(INT,  delay_max_s,               "maxDelay",            0, PLAN_YEARS_S)                    \
	X(INT,  timeout_max_s,             "maxTimeout",          1, 7 * 24 * 3600LL)                 \
	X(INT,  retries_max,               "maxRetries",          0, PLAN_COUNT)                      \
	X(INT,  dlq_retention_s,           "dlqRetention",        0, PLAN_YEARS_S)                    \
	X(INT,  log_retention_s,           "logRetention",        0, PLAN_YEARS_S)                    \
	X(INT,  schedules_max,             "maxSchedules",        0, PLAN_COUNT)                      \
	X(INT,  queues_max,                "maxQueues",           0, PLAN_COUNT)                      \
	X(INT,  queue_parallelism_max,     "maxQueueParallelism", 0, PLAN_COUNT)                      \
	X(INT,  parallelism_max,           "maxParallelism",      0, PLAN_COUNT)                      \
	X(INT,  burst_per_s,               "burstPerSecond",      0, PLAN_COUNT)
/* clang-format on */

#endif
