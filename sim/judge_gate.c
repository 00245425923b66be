/* judge_gate.c - the gates that messages pass: queues, flow-control keys, the user's own parallelism; and their
 * changes by hand.
 *
 * A slot that a process held when it died, or that it may have lost by standing still, is returned without an
 * event. So only slots that are surely held are counted (judge_msg.slot), and none of them too few.
 */
#include <inttypes.h>

#include "base/check.h"
#include "judge_int.h"

/* ---- queues ------------------------------------------------------------------------------------------- */

/* A queue gives its slots from the front. So a message can only have one if, at some time, fewer stood before it
 * than there are slots. With several processes, "before" means both by number and by the log. */
static void queue_look(struct judge_queue *q)
{
	struct list *it, *tmp, *before, *tmp2;

	list_each(it, tmp, &q->list) {
		struct judge_msg *m = list_entry(it, struct judge_msg, in_queue);
		int64_t ahead = 0;

		if (m->may_start)
			continue;
		list_each(before, tmp2, &q->list) {
			const struct judge_msg *n = list_entry(before, struct judge_msg, in_queue);

			if (n == m || ahead >= q->parallelism)
				break;
			ahead += n->seq < m->seq;
		}
		m->may_start = ahead < q->parallelism;
	}
}

static int64_t queue_length(const struct judge_queue *q)
{
	struct list *it, *tmp;
	int64_t n = 0;

	list_each(it, tmp, &q->list)
		n++;
	return n;
}

/* No more slots can be held than there are messages. */
static void queue_cap(struct judge_queue *q)
{
	int64_t length = queue_length(q);

	if (q->cap > length)
		q->cap = length;
	if (q->cap < q->parallelism)
		q->cap = q->parallelism;
	queue_look(q);
}

void judge_queue_leave(struct judge *j, struct judge_msg *m)
{
	struct judge_msg *root = m->root != NULL ? m->root : m;
	struct judge_queue *q;

	if (--root->family > 0 || root->queue < 0)
		return;
	q = &j->user[root->user].queue[root->queue];
	list_remove(&root->in_queue);
	q->cap -= root->started;
	queue_cap(q);
}

static void queue_start(struct judge *j, const struct judge_msg *m)
{
	struct judge_queue *q = &j->user[m->user].queue[m->queue];
	struct list *it, *tmp;
	int64_t started = 1;

	if (q->paused)
		judge_fail(j, "message %d started in queue q%d, which is paused", m->tag, m->queue);
	if (m->started)
		return;
	if (!m->may_start)
		judge_fail(j, "message %d started in queue q%d before its turn", m->tag, m->queue);
	list_each(it, tmp, &q->list)
		started += list_entry(it, struct judge_msg, in_queue)->started;
	if (started > q->cap)
		judge_fail(j, "message %d is one of %" PRId64 " in queue q%d, at most %" PRId64,
			   m->tag, started, m->queue, q->cap);
}

/* ---- slots -------------------------------------------------------------------------------------------- */

void judge_slot_end(struct judge *j, struct judge_msg *m)
{
	struct judge_user *u = &j->user[m->user];

	if (!m->slot)
		return;
	m->slot = false;
	u->slots--;
	if (m->flow >= 0 && !m->forgiven)
		u->flow[m->flow].gate.running--;
	check(u->slots >= 0 && (m->flow < 0 || u->flow[m->flow].gate.running >= 0));
}

static void flow_start(struct judge *j, const struct judge_msg *m, int64_t time_ms)
{
	struct gate *g = &j->user[m->user].flow[m->flow].gate;
	int64_t at_ms;

	if (gate_may_start(g, time_ms, &at_ms)) {
		gate_start(g, time_ms);
		return;
	}
	g->running++;
	if (g->paused)
		judge_fail(j, "message %d started under key f%d, which is paused", m->tag, m->flow);
	else if (at_ms == INT64_MAX)
		judge_fail(j, "message %d of key f%d started while %" PRId64 " of %" PRId64 " ran",
			   m->tag, m->flow, g->running, g->parallelism_max);
	else
		judge_fail(j, "message %d started beyond the rate of key f%d, %" PRId64 " ms early",
			   m->tag, m->flow, at_ms - time_ms);
}

void judge_gates_start(struct judge *j, struct judge_msg *m, int64_t time_ms)
{
	struct judge_user *u = &j->user[m->user];

	if (m->queue >= 0 && m->root == NULL)
		queue_start(j, m);
	if (m->flow >= 0)
		flow_start(j, m, time_ms);
	if (u->slots >= u->parallelism)
		judge_fail(j,
			   "message %d started while %" PRId64 " of user %d ran, at most %" PRId64,
			   m->tag, u->slots, m->user, u->parallelism);
	m->slot = true;
	m->forgiven = false;
	u->slots++;
}

void judge_gates_join(struct judge *j, struct judge_msg *m)
{
	struct judge_user *u = &j->user[m->user];

	if (m->queue >= 0 && m->root == NULL) {
		list_push(&u->queue[m->queue].list, &m->in_queue);
		queue_cap(&u->queue[m->queue]);
	}
	if (m->flow >= 0)
		gate_configure(&u->flow[m->flow].gate, m->msg.flow_parallelism, m->msg.flow_rate,
			       m->msg.flow_period_s * 1000);
}

/* ---- by hand ------------------------------------------------------------------------------------------ */

void judge_on_put(struct judge *j, const struct mark *mark)
{
	int user = judge_number(str_from(mark->user, 3), 'r');

	if (user >= 0 && user < JUDGE_USERS)
		j->user[user].parallelism = mark->user_parallelism;
}

static void leave_behind(struct judge_queue *q)
{
	struct list *it, *tmp;

	list_each(it, tmp, &q->list)
		list_entry(it, struct judge_msg, in_queue)->left_behind = true;
}

static void on_queue(struct judge_queue *q, const struct mark *mark)
{
	switch (mark->op) {
	case GATE_SET:
		if (mark->parallelism >= 0)
			q->parallelism = mark->parallelism;
		if (mark->paused >= 0)
			q->paused = mark->paused;
		break;
	case GATE_REMOVE:
		q->parallelism = 1;
		q->paused = false;
		leave_behind(q);
		break;
	default:
		check(mark->op == GATE_PAUSE || mark->op == GATE_RESUME);
		q->paused = mark->op == GATE_PAUSE;
		break;
	}
	queue_cap(q);
	q->changes++;
}

static void forgive(struct judge *j, int user, int flow)
{
	struct list *it, *tmp;

	list_each(it, tmp, &j->pending) {
		struct judge_msg *m = list_entry(it, struct judge_msg, node);

		m->forgiven = m->forgiven || (m->user == user && m->flow == flow && m->slot);
	}
	j->user[user].flow[flow].gate.running = 0;
}

static void on_flow(struct judge *j, int user, int flow, const struct mark *mark)
{
	struct judge_flow *f = &j->user[user].flow[flow];

	f->changes++;
	switch (mark->op) {
	case GATE_PAUSE:
	case GATE_RESUME:
		f->gate.paused = mark->op == GATE_PAUSE;
		break;
	case GATE_PIN:
		gate_pin(&f->gate, mark->parallelism, mark->rate, mark->period_ms, j->turn.wall_ms);
		break;
	case GATE_UNPIN:
		gate_unpin(&f->gate, mark->unpin_parallelism, mark->unpin_rate);
		break;
	case GATE_RESET:
		forgive(j, user, flow);
		gate_reset_rate(&f->gate, j->turn.wall_ms);
		break;
	case GATE_RESET_RATE:
		gate_reset_rate(&f->gate, j->turn.wall_ms);
		break;
	default:
		check(mark->op == GATE_REMOVE);
		f->gate.paused = f->gate.pinned_parallelism = f->gate.pinned_rate = false;
	}
}

void judge_on_gate(struct judge *j, const struct mark *mark)
{
	int user = judge_number(str_from(mark->user, 3), 'r');
	int n = judge_number(mark->name, mark->gate == GATE_QUEUE ? 'q' : 'f');

	check(user >= 0 && user < JUDGE_USERS && n >= 0 && n < JUDGE_NAMES);
	if (mark->gate == GATE_QUEUE)
		on_queue(&j->user[user].queue[n], mark);
	else
		on_flow(j, user, n, mark);
}

void judge_gate_row(struct judge *j, int user, const struct scan_row *row)
{
	const struct gate *g = &row->gate;
	bool queue = g->kind == GATE_QUEUE;
	int n = judge_number(row->name, queue ? 'q' : 'f');
	const struct judge_queue *q;
	const struct gate *f;

	check(n >= 0 && n < JUDGE_NAMES);
	q = &j->user[user].queue[n];
	f = &j->user[user].flow[n].gate;
	if (g->paused != (queue ? q->paused : f->paused))
		judge_fail(j, "%c%d of user %d is%s paused", queue ? 'q' : 'f', n, user,
			   g->paused ? "" : " not");
	if (g->parallelism_max != (queue ? q->parallelism : f->parallelism_max))
		judge_fail(j, "%c%d of user %d has parallelism %" PRId64, queue ? 'q' : 'f', n,
			   user, g->parallelism_max);
	if (!queue &&
	    (g->rate_max != f->rate_max || g->rate_period_ms != f->rate_period_ms ||
	     g->pinned_parallelism != f->pinned_parallelism || g->pinned_rate != f->pinned_rate))
		judge_fail(j, "key f%d of user %d has another rate or other pins", n, user);
}
