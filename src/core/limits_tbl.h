/* limits_tbl.h - limits of the domain that no plan changes: name, value, what for. See limits.h.
 */
#define LIMITS(X)                                                                                 \
	X(LIMIT_NAME_BYTES, 256, "name of a queue, URL group or schedule")                        \
	X(LIMIT_URL_BYTES, 16 * 1024, "URL of a destination or callback")                         \
	X(LIMIT_FORWARD_COUNT, 128, "headers forwarded with one message")                         \
	X(LIMIT_FORWARD_BYTES, 64 * 1024, "headers forwarded with one message, names and values") \
	X(LIMIT_SETTINGS_COUNT, 512, "headers and parameters looked at in one request or item")   \
	X(LIMIT_CALLBACK_COUNT, 128, "settings of one callback")                                  \
	X(LIMIT_LABEL_COUNT, 100, "labels of one message")                                        \
	X(LIMIT_LABEL_BYTES, 1024, "one label")                                                   \
	X(LIMIT_FLOW_KEY_BYTES, 1024, "flow-control key")                                         \
	X(LIMIT_FLOW_PERIOD_S, 7 * 24 * 3600, "period of a flow-control rate")                    \
	X(LIMIT_FLOW_COUNT, 1000 * 1000 * 1000, "parallelism or rate of a flow-control key")      \
	X(LIMIT_DEDUP_BYTES, 1024, "deduplication id")                                            \
	X(LIMIT_DEDUP_WINDOW_MS, 10 * 60 * 1000, "time for which a deduplication id is taken")    \
	X(LIMIT_REDACT_COUNT, 100, "header names in a redact list")                               \
	X(LIMIT_EXPR_BYTES, 1024, "retry-delay expression")                                       \
	X(LIMIT_EXPR_DEPTH, 32, "nesting of a retry-delay expression")                            \
	X(LIMIT_RETRIES, 1000 * 1000, "retries where the plan has no limit")                      \
	X(LIMIT_RETRY_DELAY_MS, 24 * 3600 * 1000, "wait before a retry")                          \
	X(LIMIT_DELAY_S, 100 * 365 * 24 * 3600LL, "delay where the plan has no limit")            \
	X(LIMIT_CRON_BYTES, 256, "cron expression")                                               \
	X(LIMIT_EVENT_BODY_BYTES, 1024 * 1024, "body of a message or an answer in a log event")   \
	X(LIMIT_FILTER_VALUES, 1000, "values of all fields of a filter")                          \
	X(LIMIT_PAGE_LOGS, 1000, "entries of a page of logs")                                     \
	X(LIMIT_PAGE_DLQ, 100, "entries of a page of the dead letter queue")                      \
	X(LIMIT_CANCEL_COUNT, 500, "value of `count` of a bulk cancel")                           \
	X(LIMIT_RUN_ID_BYTES, 256, "id of a workflow run or of an event")                         \
	X(LIMIT_RUN_ENTRIES, 10 * 1000, "entries of one workflow run")                            \
	X(LIMIT_RUN_BYTES, 100 * 1024 * 1024, "history of one workflow run")                      \
	X(LIMIT_RUN_INVOKE_DEPTH, 100, "workflow runs that invoke each other")                    \
	X(LIMIT_RUN_KEPT_MS, 90LL * 24 * 3600 * 1000,                                             \
	  "history of a run that failed, without a plan's limit")                                 \
	X(LIMIT_RUN_OVER_MS, 24 * 3600 * 1000,                                                    \
	  "memory of a run that is over, but for failed ones")                                    \
	X(LIMIT_RUN_NOTES_BYTES, 16 * 1024 * 1024, "notifications kept for one event of a run")   \
	X(LIMIT_PAGE_RUNS, 10, "runs of a page of the workflow log")
