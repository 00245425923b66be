/* route_tbl.h - every endpoint: method, path, handler, who may, how long a body may be, what it
 * does.
 *
 * The first row that matches wins, so a fixed path stands before a variable one of the same
 * method. What is called most often comes first.
 */
#ifndef API_ROUTE_TBL_H
#define API_ROUTE_TBL_H

#define ROUTE_TABLE(X)                                                                            \
	X(POST, "/v2/publish/{destination...}", h_publish, SEND, MESSAGE, "publish a message")    \
	X(POST, "/v2/enqueue/{queue}/{destination...}", h_publish_enqueue, SEND, MESSAGE,         \
	  "publish a message through a queue")                                                    \
	X(POST, "/v2/batch", h_batch, SEND, BATCH, "publish several messages")                    \
	X(GET, "/v2/messages/{id}", h_messages_get, READ, SMALL, "one message")                   \
	X(DELETE, "/v2/messages/{id}", h_messages_cancel_one, WRITE, SMALL, "cancel a message")   \
	X(DELETE, "/v2/messages", h_messages_cancel, WRITE, SMALL, "cancel by ids or filter")     \
	X(GET, "/v2/bulkActions", h_bulk_list, READ, SMALL, "list the bulk actions")              \
	X(GET, "/v2/bulkActions/{id}", h_bulk_get, READ, SMALL, "one bulk action")                \
	X(POST, "/v2/schedules/{id}/pause", h_schedules_pause, WRITE, SMALL, "pause a schedule")  \
	X(PATCH, "/v2/schedules/{id}/pause", h_schedules_pause, WRITE, SMALL, "the same")         \
	X(POST, "/v2/schedules/{id}/resume", h_schedules_resume, WRITE, SMALL, "resume it")       \
	X(PATCH, "/v2/schedules/{id}/resume", h_schedules_resume, WRITE, SMALL, "the same")       \
	X(POST, "/v2/schedules/{destination...}", h_schedules_create, WRITE, MESSAGE,             \
	  "create a schedule")                                                                    \
	X(GET, "/v2/schedules", h_schedules_list, READ, SMALL, "list the schedules")              \
	X(GET, "/v2/schedules/{id}", h_schedules_get, READ, SMALL, "one schedule")                \
	X(DELETE, "/v2/schedules/{id}", h_schedules_delete, WRITE, SMALL, "delete a schedule")    \
	X(GET, "/v2/topics", h_topics_list, READ, SMALL, "list the URL groups")                   \
	X(GET, "/v2/topics/{name}", h_topics_get, READ, SMALL, "one URL group")                   \
	X(PATCH, "/v2/topics/{name}", h_topics_headers, WRITE, SMALL, "set its default headers")  \
	X(DELETE, "/v2/topics/{name}", h_topics_delete, WRITE, SMALL, "delete a URL group")       \
	X(POST, "/v2/topics/{name}/endpoints", h_topics_add, WRITE, SMALL, "add endpoints")       \
	X(DELETE, "/v2/topics/{name}/endpoints", h_topics_remove, WRITE, SMALL, "remove some")    \
	X(GET, "/v2/urlGroups", h_topics_list, READ, SMALL, "the same")                           \
	X(GET, "/v2/urlGroups/{name}", h_topics_get, READ, SMALL, "the same")                     \
	X(PATCH, "/v2/urlGroups/{name}", h_topics_headers, WRITE, SMALL, "the same")              \
	X(DELETE, "/v2/urlGroups/{name}", h_topics_delete, WRITE, SMALL, "the same")              \
	X(POST, "/v2/urlGroups/{name}/endpoints", h_topics_add, WRITE, SMALL, "the same")         \
	X(DELETE, "/v2/urlGroups/{name}/endpoints", h_topics_remove, WRITE, SMALL, "the same")    \
	X(GET, "/v2/dlq", h_dlq_list, READ, SMALL, "list the dead letters")                       \
	X(GET, "/v2/dlq/{id}", h_dlq_get, READ, SMALL, "one dead letter")                         \
	X(DELETE, "/v2/dlq/{id}", h_dlq_delete_one, WRITE, SMALL, "delete a dead letter")         \
	X(DELETE, "/v2/dlq", h_dlq_delete, WRITE, SMALL, "delete by ids or filter")               \
	X(POST, "/v2/dlq/retry", h_dlq_retry, WRITE, SMALL, "publish dead letters again")         \
	X(POST, "/v2/dlq/retry/{id}", h_dlq_retry_one, WRITE, SMALL, "publish one again")         \
	X(POST, "/v2/queues", h_queues_upsert, WRITE, SMALL, "make or change a queue")            \
	X(GET, "/v2/queues", h_queues_list, READ, SMALL, "list the queues")                       \
	X(GET, "/v2/queues/{name}", h_queues_get, READ, SMALL, "one queue")                       \
	X(DELETE, "/v2/queues/{name}", h_queues_delete, WRITE, SMALL, "delete a queue")           \
	X(POST, "/v2/queues/{name}/pause", h_queues_pause, WRITE, SMALL, "pause a queue")         \
	X(POST, "/v2/queues/{name}/resume", h_queues_resume, WRITE, SMALL, "resume a queue")      \
	X(POST, "/v2/queue", h_queues_upsert, WRITE, SMALL, "by its old name")                    \
	X(GET, "/v2/queue", h_queues_list, READ, SMALL, "by its old name")                        \
	X(GET, "/v2/queue/{name}", h_queues_get, READ, SMALL, "by its old name")                  \
	X(DELETE, "/v2/queue/{name}", h_queues_delete, WRITE, SMALL, "by its old name")           \
	X(POST, "/v2/queue/{name}/pause", h_queues_pause, WRITE, SMALL, "by its old name")        \
	X(POST, "/v2/queue/{name}/resume", h_queues_resume, WRITE, SMALL, "by its old name")      \
	X(GET, "/v2/flowControl", h_flow_list, READ, SMALL, "list the flow-control keys")         \
	X(GET, "/v2/flowControl/{key}", h_flow_get, READ, SMALL, "one flow-control key")          \
	X(POST, "/v2/flowControl/{key}/pause", h_flow_pause, WRITE, SMALL, "pause a key")         \
	X(POST, "/v2/flowControl/{key}/resume", h_flow_resume, WRITE, SMALL, "resume a key")      \
	X(POST, "/v2/flowControl/{key}/pin", h_flow_pin, WRITE, SMALL, "pin its limits")          \
	X(POST, "/v2/flowControl/{key}/unpin", h_flow_unpin, WRITE, SMALL, "unpin them")          \
	X(POST, "/v2/flowControl/{key}/resetRate", h_flow_reset_rate, WRITE, SMALL,               \
	  "begin a new window")                                                                   \
	X(POST, "/v2/flowControl/{key}/reset", h_flow_reset, WRITE, SMALL, "reset its counts")    \
	X(GET, "/v2/globalParallelism", h_flow_global, READ, SMALL, "deliveries running now")     \
	X(GET, "/v2/events", h_logs_events, LOG, SMALL, "the log, as the SDKs ask for it")        \
	X(GET, "/v2/logs", h_logs_list, LOG, SMALL, "the log")                                    \
	X(GET, "/v2/usage", h_usage, READ, SMALL, "the plan, and what was used of it")            \
	X(GET, "/v2/keys", h_keys_get, WRITE, SMALL, "the signing keys")                          \
	X(POST, "/v2/keys/rotate", h_keys_rotate, WRITE, SMALL, "rotate the signing keys")        \
	X(POST, "/v2/rotate", h_keys_rotate, WRITE, SMALL, "the same, by its old name")           \
	X(GET, "/v2/admin/users", h_users_list, ADMIN, SMALL, "list the users")                   \
	X(POST, "/v2/admin/users", h_users_create, ADMIN, SMALL, "make a user")                   \
	X(GET, "/v2/admin/users/{id}", h_users_get, ADMIN, SMALL, "one user")                     \
	X(PATCH, "/v2/admin/users/{id}", h_users_change, ADMIN, SMALL, "change the plan")         \
	X(DELETE, "/v2/admin/users/{id}", h_users_delete, ADMIN, SMALL, "delete a user")          \
	X(POST, "/v2/admin/users/{id}/token", h_users_token, ADMIN, SMALL, "reset the token")     \
	X(POST, "/v2/admin/users/{id}/readOnlyToken", h_users_read_only_token, ADMIN, SMALL,      \
	  "make or reset the read-only token")                                                    \
	X(DELETE, "/v2/admin/users/{id}/readOnlyToken", h_users_no_read_only_token, ADMIN, SMALL, \
	  "take it away")                                                                         \
	X(POST, "/v2/admin/users/{id}/move", h_users_move, ADMIN, SMALL,                          \
	  "move it to another database")                                                          \
	X(GET, "/v2/admin/databases", h_databases_list, ADMIN, SMALL, "the databases")            \
	X(POST, "/v2/admin/databases", h_databases_add, ADMIN, SMALL, "add a database")           \
	X(POST, "/v2/admin/databases/{name}/drain", h_databases_drain, ADMIN, SMALL,              \
	  "move all users of a database away")                                                    \
	X(POST, "/llm/v1/chat/completions", h_llm, WRITE, SMALL, "not offered; says what is")     \
	X(POST, "/v2/trigger/{destination...}", h_workflow_trigger, SEND, MESSAGE,                \
	  "start a workflow run")                                                                 \
	X(POST, "/v2/batch/trigger", h_workflow_trigger_batch, SEND, BATCH, "start several")      \
	X(GET, "/v2/workflows/runs/{id}", h_workflow_history, READ, SMALL,                        \
	  "the history of an open run")                                                           \
	X(DELETE, "/v2/workflows/runs/{id}", h_workflow_end, SEND, MESSAGE,                       \
	  "finish or cancel a run")                                                               \
	X(DELETE, "/v2/workflows/runs", h_workflow_cancel, WRITE, SMALL,                          \
	  "cancel runs by ids or filter")                                                         \
	X(POST, "/v2/wait/{event...}", h_workflow_wait, SEND, SMALL, "a step waits for it")       \
	X(POST, "/v2/notify/{event...}", h_workflow_notify, SEND, MESSAGE,                        \
	  "tell all who wait for it, or one run")                                                 \
	X(GET, "/v2/waiters/{event...}", h_workflow_waiters, READ, SMALL, "who waits for it")     \
	X(ANY, "/v2/workflows/hooks/{user}/{run}/{event}", h_workflow_hook, OPEN, MESSAGE,        \
	  "a webhook that a run waits for")                                                       \
	X(GET, "/v2/workflows/logs", h_workflow_logs, LOG, SMALL, "runs, step by step")           \
	X(GET, "/v2/workflows/events", h_workflow_events, LOG, SMALL,                             \
	  "the same, or their log entries")                                                       \
	X(GET, "/v2/workflows/dlq", h_workflow_dlq_list, READ, SMALL, "list the failed runs")     \
	X(GET, "/v2/workflows/dlq/{id}", h_workflow_dlq_get, READ, SMALL, "one failed run")       \
	X(DELETE, "/v2/workflows/dlq/{id}", h_workflow_dlq_delete_one, WRITE, SMALL,              \
	  "delete a failed run")                                                                  \
	X(DELETE, "/v2/workflows/dlq", h_workflow_dlq_delete, WRITE, SMALL,                       \
	  "delete by ids or filter")                                                              \
	X(POST, "/v2/workflows/dlq/resume", h_workflow_dlq_resume, WRITE, SMALL,                  \
	  "go on with failed runs")                                                               \
	X(POST, "/v2/workflows/dlq/resume/{id}", h_workflow_dlq_resume_one, WRITE, SMALL,         \
	  "go on with one")                                                                       \
	X(POST, "/v2/workflows/dlq/restart", h_workflow_dlq_restart, WRITE, SMALL,                \
	  "start failed runs again")                                                              \
	X(POST, "/v2/workflows/dlq/restart/{id}", h_workflow_dlq_restart_one, WRITE, SMALL,       \
	  "start one again")                                                                      \
	X(POST, "/v2/workflows/dlq/callback/{id}", h_workflow_report, WRITE, SMALL,               \
	  "send its failure callback again")                                                      \
	X(DELETE, "/v2/workflows/dlq/callback/{id}", h_workflow_report_stop, WRITE, SMALL,        \
	  "cancel its failure callback")                                                          \
	X(GET, "/v2/health", h_health, OPEN, SMALL, "is the server up?")                          \
	X(GET, "/health", h_health, OPEN, SMALL, "is the server up?")

#endif
