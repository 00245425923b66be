/* handlers.h - what the routes run, one file per resource. Each answers its call, then or
 * later.
 */
#ifndef API_HANDLERS_H
#define API_HANDLERS_H

struct call;

void h_publish(struct call *c);
void h_publish_enqueue(struct call *c);
void h_batch(struct call *c);
void h_workflow_trigger(struct call *c);
void h_workflow_trigger_batch(struct call *c);
void h_workflow_history(struct call *c);
void h_workflow_end(struct call *c);
void h_workflow_cancel(struct call *c);
void h_workflow_wait(struct call *c);
void h_workflow_notify(struct call *c);
void h_workflow_waiters(struct call *c);
void h_workflow_hook(struct call *c);
void h_workflow_logs(struct call *c);
void h_workflow_events(struct call *c);
void h_workflow_dlq_list(struct call *c);
void h_workflow_dlq_get(struct call *c);
void h_workflow_dlq_delete_one(struct call *c);
void h_workflow_dlq_delete(struct call *c);
void h_workflow_dlq_resume(struct call *c);
void h_workflow_dlq_resume_one(struct call *c);
void h_workflow_dlq_restart(struct call *c);
void h_workflow_dlq_restart_one(struct call *c);
void h_workflow_report(struct call *c);
void h_workflow_report_stop(struct call *c);
void h_messages_get(struct call *c);
void h_messages_cancel_one(struct call *c);
void h_messages_cancel(struct call *c);
void h_bulk_list(struct call *c);
void h_bulk_get(struct call *c);
void h_schedules_create(struct call *c);
void h_schedules_list(struct call *c);
void h_schedules_get(struct call *c);
void h_schedules_delete(struct call *c);
void h_schedules_pause(struct call *c);
void h_schedules_resume(struct call *c);
void h_topics_list(struct call *c);
void h_topics_get(struct call *c);
void h_topics_headers(struct call *c);
void h_topics_delete(struct call *c);
void h_topics_add(struct call *c);
void h_topics_remove(struct call *c);
void h_dlq_list(struct call *c);
void h_dlq_get(struct call *c);
void h_dlq_delete_one(struct call *c);
void h_dlq_delete(struct call *c);
void h_dlq_retry_one(struct call *c);
void h_dlq_retry(struct call *c);
void h_queues_upsert(struct call *c);
void h_queues_list(struct call *c);
void h_queues_get(struct call *c);
void h_queues_delete(struct call *c);
void h_queues_pause(struct call *c);
void h_queues_resume(struct call *c);
void h_flow_list(struct call *c);
void h_flow_get(struct call *c);
void h_flow_pause(struct call *c);
void h_flow_resume(struct call *c);
void h_flow_pin(struct call *c);
void h_flow_unpin(struct call *c);
void h_flow_reset_rate(struct call *c);
void h_flow_reset(struct call *c);
void h_flow_global(struct call *c);
void h_logs_list(struct call *c);
void h_logs_events(struct call *c);
void h_usage(struct call *c);
void h_keys_get(struct call *c);
void h_keys_rotate(struct call *c);
void h_llm(struct call *c);
void h_users_list(struct call *c);
void h_users_create(struct call *c);
void h_users_get(struct call *c);
void h_users_change(struct call *c);
void h_users_delete(struct call *c);
void h_users_move(struct call *c);
void h_databases_list(struct call *c);
void h_databases_add(struct call *c);
void h_databases_drain(struct call *c);
void h_users_token(struct call *c);
void h_users_read_only_token(struct call *c);
void h_users_no_read_only_token(struct call *c);
void h_health(struct call *c);

#endif
