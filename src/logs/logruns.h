/* logruns.h - the query for workflow runs, and the entries of their messages one by one.
 */
#ifndef LOGS_LOGRUNS_H
#define LOGS_LOGRUNS_H

#include "base/json.h"
#include "core/event.h"
#include "logs/logdb.h"
#include "logs/logrun.h"
#include "logs/logs.h"

/* Fills the query's body: {"runs": [...], "cursor"?}, newest first. */
void logruns_list(struct logdb *db, struct logs_query *q);

/* For LOGS_RUN_EVENTS: does the entry's message match the filter? `room` is for working in. */
must_use bool logruns_match_event(struct logdb *db, struct arena *room, const struct logs_query *q,
				  const struct event *e);
/* `m` NULL = the log does not know the message any more. */
void logruns_event(struct json_out *j, const struct logs_query *q, const struct event *e,
		   const struct msg *m);

/* logrunview.c: one run as JSON; bodies are cut to trim_body bytes, -1 leaves them out. */
struct logrunview {
	struct logdb *db;
	struct arena *a; /* for working in */
	int64_t trim_body;
};
void logrunview_write(const struct logrunview *v, struct json_out *j, const struct logrun *run);
struct str logrunview_event_state(const struct event *e, const struct msg *m);
/* Of a run or of any of its steps. */
bool logrunview_has_state(const struct logrun *run, struct str state);

#endif
