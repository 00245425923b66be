/* judge_act.c - cancels and dead letters: what was asked for, what was done, and what the answers say.
 */
#include <inttypes.h>

#include "base/check.h"
#include "judge_int.h"

/* ---- tallies ------------------------------------------------------------------------------------------ */

static void tally_answer(struct judge *j, struct judge_tally *t, const char *what, int64_t n)
{
	t->answered += n > 0 ? n : 0;
	t->unsure = t->unsure || n < 0;
	check(t->open > 0);
	if (--t->open > 0)
		return;
	if (!t->unsure && t->answered != t->logged)
		judge_fail(j, "%" PRId64 " are said to be %s, by the log %" PRId64, t->answered,
			   what, t->logged);
	*t = (struct judge_tally){ 0 };
}

static int user_of(const struct judge *j, struct msg_id id)
{
	const struct judge_msg *m = judge_find(j, id);

	check(m != NULL);
	return m->user;
}

/* ---- cancels ------------------------------------------------------------------------------------------ */

void judge_cancel_asked(struct judge *j, struct msg_id id)
{
	struct judge_msg *m = judge_find(j, id);

	check(m != NULL);
	m->cancel_asked = true;
	j->user[m->user].cancels.open++;
}

void judge_cancel_answered(struct judge *j, struct msg_id id, int status, int64_t cancelled)
{
	const struct judge_msg *m = judge_find(j, id);

	if (status == 0 && cancelled == 0 && m->state != JUDGE_OVER && !m->cancel_requested)
		judge_fail(j, "message %d could not be cancelled", m->tag);
	tally_answer(j, &j->user[user_of(j, id)].cancels, "cancelled", status ? -1 : cancelled);
}

static bool bulk_means(const struct judge_bulk *b, const struct judge_msg *m)
{
	return m->user == b->user && (b->queue < 0 || (m->queue == b->queue && m->root == NULL)) &&
	       (b->flow < 0 || m->flow == b->flow) &&
	       (b->schedule < 0 || judge_number(m->msg.schedule_id, 's') == b->schedule) &&
	       (b->group < 0 || judge_number(m->msg.topic, 'g') == b->group);
}

/* Can it cancel this message? */
static bool bulk_reaches(const struct judge_bulk_state *b, const struct judge_msg *m)
{
	return b->open && bulk_means(&b->bulk, m) && (!b->lost || m->order < b->order);
}

static bool bulk_has_work(const struct judge *j, const struct judge_bulk_state *b)
{
	struct list *it, *tmp;

	list_each(it, tmp, &j->pending) {
		const struct judge_msg *m = list_entry(it, struct judge_msg, node);

		if (!m->cancel_requested && bulk_reaches(b, m))
			return true;
	}
	return false;
}

/* The actions without an answer that can do nothing any more are over. */
static void bulks_sweep(struct judge *j)
{
	for (int i = 0; i < JUDGE_BULKS_MAX; i++) {
		struct judge_bulk_state *b = &j->bulk[i];

		if (!b->lost || bulk_has_work(j, b))
			continue;
		*b = (struct judge_bulk_state){ .bulk.user = b->bulk.user };
		tally_answer(j, &j->user[b->bulk.user].cancels, "cancelled", -1);
	}
}

int judge_bulk_asked(struct judge *j, const struct judge_bulk *b)
{
	int i = 0;

	bulks_sweep(j);
	while (j->bulk[i].open)
		check(++i < JUDGE_BULKS_MAX);
	j->bulk[i] = (struct judge_bulk_state){ .open = true, .bulk = *b, .order = j->order };
	j->user[b->user].cancels.open++;
	return i;
}

void judge_bulk_answered(struct judge *j, int bulk, int status, int64_t cancelled)
{
	struct judge_bulk_state *b = &j->bulk[bulk];
	struct list *it, *tmp;

	check(b->open);
	if (status != 0) {
		b->lost = true;
		return;
	}
	b->open = false;
	tally_answer(j, &j->user[b->bulk.user].cancels, "cancelled", cancelled);
	list_each(it, tmp, &j->pending) {
		const struct judge_msg *m = list_entry(it, struct judge_msg, node);

		if (m->order < b->order && bulk_means(&b->bulk, m) && !m->cancel_requested &&
		    !(b->bulk.spares && m->left_behind))
			judge_fail(j, "message %d was left by a bulk cancel", m->tag);
	}
}

static bool cancel_is_asked(const struct judge *j, const struct judge_msg *m)
{
	for (int i = 0; i < JUDGE_BULKS_MAX; i++) {
		if (bulk_reaches(&j->bulk[i], m))
			return true;
	}
	return m->cancel_asked;
}

void judge_cancelled(struct judge *j, struct judge_msg *m)
{
	if (m->cancel_requested || !cancel_is_asked(j, m))
		judge_fail(j, "message %d has a cancel that nobody asked for", m->tag);
	m->cancel_requested = true;
	j->user[m->user].cancels.logged++;
}

/* ---- dead letters ------------------------------------------------------------------------------------- */

static struct judge_msg *find_dead(struct judge *j, struct dlq_id id)
{
	struct judge_msg *m = map_get(&j->by_seq, map_key_u64(&id.seq));

	return m != NULL && m->dlq_ms == id.ms ? m : NULL;
}

static struct judge_tally *tally_of(struct judge *j, int user, bool retry)
{
	return retry ? &j->user[user].retries : &j->user[user].deletes;
}

void judge_dlq_asked(struct judge *j, struct judge_dlq *d)
{
	struct judge_msg *m = d->id != NULL ? find_dead(j, *d->id) : NULL;

	if (m != NULL)
		m->dead_asked = true;
	else
		j->user[d->user].dlq_groups++;
	tally_of(j, d->user, d->retry)->open++;
	d->order = j->order;
}

/* Taken out, and by a retry replaced by the message that comes next in the log. */
void judge_on_dlq(struct judge *j, const struct mark *mark)
{
	struct judge_msg *m = find_dead(j, mark->dlq);

	if (m == NULL || !m->dead) {
		judge_fail(j, "a dead letter was taken out that is none");
		return;
	}
	if (!m->dead_asked && j->user[m->user].dlq_groups == 0)
		judge_fail(j, "dead letter %d was taken out and nobody asked for it", m->tag);
	tally_of(j, m->user, mark->puts > 0)->logged++;
	m->dead = false;
	m->fate = mark->puts > 0 ? JUDGE_RETRIED : JUDGE_DELETED;
	list_remove(&m->node);
	list_push(&j->over, &m->node);
	if (mark->puts > 0)
		j->reviving = m;
}

void judge_as_revived(struct judge *j, struct judge_msg *m)
{
	const struct judge_msg *d = j->reviving;

	if (d->user != m->user || d->tag != m->tag || d->msg.flags != m->msg.flags ||
	    !str_eq(d->msg.url, m->msg.url) || !str_eq(d->msg.body, m->msg.body) ||
	    !str_eq(d->msg.queue, m->msg.queue) || !str_eq(d->msg.flow_key, m->msg.flow_key))
		judge_fail(j, "the retry of dead letter %d is another message", d->tag);
	j->reviving = NULL;
	j->counts.revived++;
}

void judge_dlq_told(struct judge *j, const struct judge_dlq *d, const struct dlq_found *found)
{
	struct judge_msg *m = find_dead(j, found->id);

	if (m == NULL || m->user != d->user ||
	    m->fate != (d->retry ? JUDGE_RETRIED : JUDGE_DELETED))
		judge_fail(j, "a dead letter is said to be %s but is not",
			   d->retry ? "retried" : "deleted");
	else if (m->fate_told)
		judge_fail(j, "two were told to have taken out dead letter %d", m->tag);
	else if (d->retry && judge_find(j, found->new_id) == NULL)
		judge_fail(j, "the retry of dead letter %d is said to have an id that nobody has",
			   m->tag);
	else
		m->fate_told = true;
}

void judge_dlq_answered(struct judge *j, const struct judge_dlq *d, int status, int64_t n, bool all)
{
	struct list *it, *tmp;

	if (d->id == NULL || find_dead(j, *d->id) == NULL)
		j->user[d->user].dlq_groups--;
	tally_answer(j, tally_of(j, d->user, d->retry), d->retry ? "retried" : "deleted",
		     status ? -1 : n);
	list_each(it, tmp, &j->dead) {
		const struct judge_msg *m = list_entry(it, struct judge_msg, node);

		if (status == 0 && all && d->id == NULL && m->user == d->user &&
		    m->dead_order < d->order)
			judge_fail(j, "dead letter %d was left although all were meant", m->tag);
	}
}

/* ---- choosing ----------------------------------------------------------------------------------------- */

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
