/* user.h - a user and the plan that bounds it (spec 1.2, 7.2, 9.1).
 */
#ifndef CORE_USER_H
#define CORE_USER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

/* Limits of a plan. 0 means no limit unless said. */
struct plan {
	struct str name;          /* "free", "payg", "fixed1m", "fixed10m", "enterprise" */
	int64_t messages_per_day; /* hard on free, soft on the others */
	bool messages_per_day_hard;
	int64_t bandwidth_per_month_bytes; /* soft */
	int64_t message_bytes_max;
	int64_t topics_max, endpoints_max; /* URL groups, endpoints in one */
	int64_t delay_max_s;
	int64_t timeout_max_s; /* longest HTTP response time; never 0 */
	int64_t retries_max;
	int64_t dlq_retention_s, log_retention_s;
	int64_t schedules_max, queues_max, queue_parallelism_max;
	int64_t parallelism_max; /* deliveries running at once */
	int64_t burst_per_s;     /* management calls per second */
};

/* The built-in plan with that name; NULL when there is none. "pro" is an old name of fixed1m. */
const struct plan *plan_find(struct str name);
const struct plan *plan_at(size_t index); /* NULL past the end */

struct user {
	struct str id;
	struct str token;                 /* base64 of {"UserID":…,"Password":…} */
	struct str read_only_token;       /* empty = none */
	struct str key_current, key_next; /* signing keys, "sig_…" */
	struct str plan;                  /* name */
	int64_t created_ms;
};

/* The stored document of a user (store.h, DOC_USER). */
void user_encode(struct buf *out, const struct user *u);
must_use bool user_decode(struct str record, struct user *ret_user); /* views into record */

#endif
