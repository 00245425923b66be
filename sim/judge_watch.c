/* judge_watch.c - attempts, faults, and what has to happen in time.
 */
#include <inttypes.h>

#include "base/check.h"
#include "judge_int.h"

enum { RETURN_MS = 5000, PATIENCE_MS = 5500, KEY_KEPT_MS = 60 * 1000 };

/* ---- attempts ----------------------------------------------------------------------------------------- */

void judge_sent(struct judge *j, struct judge_attempt *a, int holder, struct msg_id id)
{
	struct judge_msg *m = judge_find(j, id);

	list_init(&a->node);
	a->msg = m;
	a->holder = holder;
	a->flow = judge_flow_find(j, id);
	if (a->flow != NULL)
		return;
	if (m == NULL) {
		judge_fail(j, "holder %d sends a message that was never accepted", holder);
		return;
	}
	list_push(&j->attempts, &a->node);
	j->counts.attempts++;
	if (++m->sends > m->actives)
		judge_fail(j, "message %d was sent %d times, started %d times", m->tag, m->sends,
			   m->actives);
	if ((m->state != JUDGE_ACTIVE || m->holder != holder) && !m->excused)
		judge_fail(j, "holder %d sends message %d, which it does not hold", holder, m->tag);
}

void judge_endpoint_answered(struct judge *j, struct judge_attempt *a, int status)
{
	struct judge_msg *m = a->msg;

	if (status < 200 || status > 299)
		return;
	if (a->flow != NULL)
		judge_flow_acked(a->flow);
	if (m == NULL)
		return;
	if (++m->acks < 2)
		return;
	j->counts.duplicates++;
	if (!m->excused && !m->unheard)
		judge_fail(j, "message %d was delivered %d times without a reason", m->tag,
			   m->acks);
}

void judge_ended(struct judge *j, struct judge_attempt *a, const struct judge_outcome *o)
{
	struct judge_msg *m = a->msg;

	if (a->flow != NULL)
		judge_flow_ended(a->flow, a->holder, o);
	if (m == NULL)
		return;
	list_remove(&a->node);
	m->unheard = m->unheard || o->status == 0;
	if (m->state == JUDGE_ACTIVE && m->holder == a->holder)
		m->outcome = *o;
}

void judge_dropped(struct judge *j, struct judge_attempt *a)
{
	struct judge_msg *m = a->msg;

	if (m == NULL)
		return;
	list_remove(&a->node);
	/* By a dying process, or by one that stops and hands it back. */
	if (m->state == JUDGE_ACTIVE && m->holder == a->holder) {
		m->excused = true;
		judge_slot_end(j, m);
	}
}

/* ---- faults ------------------------------------------------------------------------------------------- */

void judge_holder_gone(struct judge *j, int holder, int64_t now_ms, bool orderly)
{
	int64_t lease_ms = orderly ? 0 : j->set.lease_ms;
	struct list *it, *tmp;

	/* A death just after the clock was set back is noticed later, see judge_stepped. */
	if (j->set_back_ms != 0 && now_ms < j->set_back_ms + RETURN_MS)
		lease_ms += RETURN_MS;
	list_each(it, tmp, &j->pending) {
		struct judge_msg *m = list_entry(it, struct judge_msg, node);

		if (m->state != JUDGE_ACTIVE || m->holder != holder)
			continue;
		m->excused = true;
		judge_slot_end(j, m);
		m->holder = 0;
		m->gone_ms = now_ms + RETURN_MS + lease_ms;
		m->able_ms = 0;
		m->beat_ahead = false;
	}
}

void judge_lapse(struct judge *j, int holder)
{
	struct list *it, *tmp;

	list_each(it, tmp, &j->pending) {
		struct judge_msg *m = list_entry(it, struct judge_msg, node);

		if (m->state != JUDGE_ACTIVE || (holder != 0 && m->holder != holder))
			continue;
		m->excused = true;
		judge_slot_end(j, m);
	}
}

void judge_stepped(struct judge *j, int64_t now_ms, int64_t by_ms)
{
	int64_t latest_ms = now_ms + j->set.lease_ms + 2 * RETURN_MS;
	struct list *it, *tmp;

	if (by_ms > 0)
		return;
	j->set_back_ms = now_ms;
	/* What is remembered until a wall time may have been forgotten before the clock went back: keys that were
	 * not used for a minute, deduplication ids. */
	for (int u = 0; u < JUDGE_USERS; u++) {
		for (int i = 0; i < JUDGE_NAMES; i++) {
			struct gate *g = &j->user[u].flow[i].gate;

			if (g->window_start_ms + KEY_KEPT_MS <= j->turn.wall_ms + RETURN_MS)
				g->window_start_ms = g->rate_count = 0;
			j->user[u].dedup[i].until_ms = 0;
		}
	}
	/* The last sign of life of the dead counts from when it is next looked at. */
	list_each(it, tmp, &j->pending) {
		struct judge_msg *m = list_entry(it, struct judge_msg, node);

		m->beat_ahead = m->gone_ms != 0;
		if (m->gone_ms != 0 && m->gone_ms < latest_ms)
			m->gone_ms = latest_ms;
	}
}

/* ---- in time ------------------------------------------------------------------------------------------ */

/* Messages of the user that hold one of its slots, as far as the log tells. */
static int64_t slots_held(const struct judge *j, int user, int64_t now_ms)
{
	struct list *it, *tmp;
	int64_t n = 0;

	list_each(it, tmp, &j->pending) {
		const struct judge_msg *m = list_entry(it, struct judge_msg, node);

		n += m->user == user && m->state == JUDGE_ACTIVE &&
		     (m->holder != 0 || now_ms < m->gone_ms);
	}
	return n;
}

/* What its process left behind must run again, unless something keeps it from that. */
static void check_returned(struct judge *j, struct judge_msg *m, int64_t now_ms,
			   int64_t able_wall_ms)
{
	bool stays;

	if (m->beat_ahead && able_wall_ms == INT64_MIN)
		m->gone_ms = now_ms + j->set.lease_ms + 2 * RETURN_MS;
	/* Messages with a flow key may have to wait for others of it. */
	if (m->gone_ms == 0 || now_ms < m->gone_ms || m->cancel_requested || m->flow >= 0)
		return;
	stays = m->queue >= 0 && m->root == NULL && j->user[m->user].queue[m->queue].paused;
	if (stays || m->due_ms > able_wall_ms ||
	    slots_held(j, m->user, now_ms) >= j->user[m->user].parallelism) {
		m->able_ms = 0;
		return;
	}
	if (m->able_ms == 0)
		m->able_ms = now_ms;
	if (now_ms > m->able_ms + PATIENCE_MS)
		judge_fail(j, "message %d has not run again %" PRId64 " ms after it should have",
			   m->tag, now_ms - m->gone_ms);
}

void judge_instant(struct judge *j, int64_t now_ms, int64_t able_wall_ms)
{
	struct list *it, *tmp;

	list_each(it, tmp, &j->pending)
		check_returned(j, list_entry(it, struct judge_msg, node), now_ms, able_wall_ms);
	judge_ticks_instant(j, now_ms, able_wall_ms);
}
