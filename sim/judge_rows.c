/* judge_rows.c - cancels and dead letters, and the comparison of the model with the store's rows.
 */
#include <inttypes.h>

#include "base/check.h"
#include "judge_int.h"

void judge_cancel_asked(struct judge *j, struct msg_id id)
{
	struct judge_msg *m = judge_find(j, id);

	check(m != NULL);
	m->cancel_asked = true;
}

void judge_cancel_answered(struct judge *j, struct msg_id id, int status, int64_t cancelled)
{
	const struct judge_msg *m = judge_find(j, id);

	if (status != 0)
		return;
	if (cancelled > 1 || (cancelled == 1 && !m->cancel_requested))
		judge_fail(j, "message %d is said to be cancelled but is not", m->tag);
	else if (cancelled == 0 && m->state != JUDGE_OVER && !m->cancel_requested)
		judge_fail(j, "message %d could not be cancelled", m->tag);
}

static struct judge_msg *find_dead(struct judge *j, struct dlq_id id)
{
	struct judge_msg *m = map_get(&j->by_seq, map_key_u64(&id.seq));

	return m != NULL && m->dlq_ms == id.ms ? m : NULL;
}

void judge_dlq_asked(struct judge *j, int user, const struct dlq_id *id)
{
	struct judge_msg *m = id != NULL ? find_dead(j, *id) : NULL;

	if (m != NULL)
		m->dead_asked = true;
	else
		j->user[user].dlq_group = true;
}

static void bury(struct judge *j, struct judge_msg *m)
{
	m->dead = false;
	list_remove(&m->node);
	list_push(&j->over, &m->node);
}

void judge_dlq_deleting(struct judge *j, int user, int by)
{
	j->user[user].deleting += by;
}

void judge_dlq_deleted(struct judge *j, int user, struct dlq_id id)
{
	struct judge_msg *m = find_dead(j, id);

	if (m == NULL || !m->dead || m->user != user)
		judge_fail(j, "a dead letter was deleted that is none");
	else
		bury(j, m);
}

void judge_dlq_retried(struct judge *j, struct dlq_id id, struct msg_id new_id)
{
	const struct judge_msg *m = judge_find(j, new_id);
	const struct judge_msg *d = find_dead(j, id);

	if (m == NULL || d == NULL || d->dead || m->tag != d->tag)
		judge_fail(j, "the retry of a dead letter did not become a message");
}

void judge_dlq_unsure(struct judge *j, int user, const struct dlq_id *id)
{
	struct list *it, *tmp;

	list_each(it, tmp, &j->dead) {
		struct judge_msg *m = list_entry(it, struct judge_msg, node);

		if (m->user == user && (id == NULL || (m->seq == id->seq && m->dlq_ms == id->ms)))
			m->dead_unsure = true;
	}
}

/* The one that the dice fall on, among those of a list. */
static struct judge_msg *pick(const struct list *head, uint64_t dice)
{
	struct list *it, *tmp;
	uint64_t n = 0;

	list_each(it, tmp, head)
		n++;
	if (n == 0)
		return NULL;
	n = dice % n;
	list_each(it, tmp, head) {
		if (n-- == 0)
			return list_entry(it, struct judge_msg, node);
	}
	unreachable();
}

bool judge_pick_pending(const struct judge *j, uint64_t dice, int *ret_user, struct msg_id *ret_id)
{
	const struct judge_msg *m = pick(&j->pending, dice);

	if (m == NULL)
		return false;
	*ret_user = m->user;
	*ret_id = m->msg.id;
	return true;
}

bool judge_pick_dead(const struct judge *j, uint64_t dice, int *ret_user, struct dlq_id *ret_id)
{
	const struct judge_msg *m = pick(&j->dead, dice);

	if (m == NULL)
		return false;
	*ret_user = m->user;
	*ret_id = (struct dlq_id){ m->dlq_ms, m->seq };
	return true;
}

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
	struct judge_msg *m = find_dead(j, row->dlq);

	if (m == NULL || !m->dead)
		judge_fail(j, "the dead letter queue holds what did not fail or was taken out");
	else
		m->seen = true;
}

void judge_dead_rows_end(struct judge *j, int user)
{
	struct list *it, *tmp;

	list_each(it, tmp, &j->dead) {
		struct judge_msg *m = list_entry(it, struct judge_msg, node);

		if (m->user == user && !m->seen && !m->dead_unsure && j->user[user].deleting == 0)
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
	return n;
}

void judge_end(struct judge *j)
{
	static const char *const state[] = { "waiting", "active", "erring", "over" };

	if (!list_is_empty(&j->pending)) {
		const struct judge_msg *m = list_entry(j->pending.next, struct judge_msg, node);

		judge_fail(j,
			   "%" PRId64
			   " messages never end; message %d (user %d, queue %d, key %d) is %s",
			   judge_pending(j), m->tag, m->user, m->queue, m->flow, state[m->state]);
	}
	for (int u = 0; u < JUDGE_USERS; u++) {
		for (int q = 0; q < JUDGE_NAMES; q++) {
			if (!list_is_empty(&j->user[u].queue[q]))
				judge_fail(j, "queue %d of user %d is not empty", q, u);
		}
	}
}

struct judge_counts judge_counts(const struct judge *j)
{
	return j->counts;
}
