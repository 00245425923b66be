/* judge_rows.c - the comparison of the model with the store's rows, and the end.
 */
#include <inttypes.h>

#include "base/check.h"
#include "judge_int.h"

/* ---- rows --------------------------------------------------------------------------------------------- */

void judge_rows_start(struct judge *j, int user)
{
	j->user[user].rows = 0;
}

void judge_row(struct judge *j, const struct scan_row *row)
{
	struct judge_msg *m = judge_find(j, row->id);

	if (m == NULL || m->state == JUDGE_OVER) {
		judge_fail(j, "the store has a message that is over or never was (seq %" PRIu64 ")",
			   row->id.seq);
		return;
	}
	j->user[m->user].rows++;
	if (row->retried != m->retried)
		judge_fail(j, "message %d: the store counts %" PRId64 " retries, the log %" PRId64,
			   m->tag, row->retried, m->retried);
	if (row->cancelled != m->cancel_requested)
		judge_fail(j, "message %d: the store and the log differ about a cancel", m->tag);
	if (row->state == ROW_LEASED && m->state != JUDGE_ACTIVE)
		judge_fail(j, "message %d is leased but not logged as active", m->tag);
	if (row->state != ROW_LEASED && m->state == JUDGE_ACTIVE && !m->excused)
		judge_fail(j, "message %d is logged as active but not leased", m->tag);
	if (row->state == ROW_SCHEDULED && m->state == JUDGE_PENDING && row->due_ms != m->due_ms)
		judge_fail(j, "message %d is due at %" PRId64 ", by the log at %" PRId64, m->tag,
			   row->due_ms, m->due_ms);
}

void judge_rows_end(struct judge *j, int user)
{
	const struct judge_user *u = &j->user[user];

	if (u->rows != u->pending)
		judge_fail(j,
			   "user %d has %" PRId64 " messages in the store, %" PRId64 " by the log",
			   user, u->rows, u->pending);
}

void judge_dead_row(struct judge *j, const struct scan_row *row)
{
	struct judge_msg *m = map_get(&j->by_seq, map_key_u64(&row->dlq.seq));

	if (m == NULL || !m->dead || m->dlq_ms != row->dlq.ms)
		judge_fail(j, "the dead letter queue holds what did not fail or was taken out");
	else
		m->seen = true;
}

void judge_dead_rows_end(struct judge *j, int user)
{
	struct list *it, *tmp;

	list_each(it, tmp, &j->dead) {
		struct judge_msg *m = list_entry(it, struct judge_msg, node);

		if (m->user == user && !m->seen)
			judge_fail(j, "message %d failed but is not in the dead letter queue",
				   m->tag);
		m->seen = false;
	}
}

int64_t judge_pending(const struct judge *j)
{
	int64_t n = 0;

	for (int u = 0; u < JUDGE_USERS; u++)
		n += j->user[u].pending;
	return n + judge_flow_pending(j);
}

void judge_end(struct judge *j)
{
	static const char *const state[] = { "waiting", "active", "erring", "over" };

	judge_flow_end(j);
	if (!list_is_empty(&j->pending)) {
		const struct judge_msg *m = list_entry(j->pending.next, struct judge_msg, node);

		judge_fail(j,
			   "%" PRId64
			   " messages never end; message %d (user %d, queue %d, key %d) is %s",
			   judge_pending(j), m->tag, m->user, m->queue, m->flow, state[m->state]);
	}
	for (int u = 0; u < JUDGE_USERS; u++) {
		for (int q = 0; q < JUDGE_NAMES; q++) {
			if (!list_is_empty(&j->user[u].queue[q].list))
				judge_fail(j, "queue %d of user %d is not empty", q, u);
		}
	}
}

struct judge_counts judge_counts(const struct judge *j)
{
	return j->counts;
}
