/* judge_create.c - where messages come from (publishes, callbacks, retries of dead letters), and the gates
 * that they pass.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "judge_int.h"

enum { DEDUP_MS = 10 * 60 * 1000 };

/* The n of "user<n>", "q<n>", "f<n>", "t<n>"; -1 when it is not of that form. */
static int number_of(struct str name, struct str prefix)
{
	uint64_t n;

	if (!str_starts(name, prefix) || !str_u64(str_from(name, prefix.n), &n) || n > INT32_MAX)
		return -1;
	return (int)n;
}

int judge_asked(struct judge *j, int user, int dedup)
{
	check(j->tags < JUDGE_TAGS_MAX && user < JUDGE_USERS && dedup < JUDGE_NAMES);
	j->tag[j->tags] = (struct judge_tag){ .user = user, .dedup = dedup };
	return j->tags++;
}

static struct judge_msg *msg_new(struct judge *j, const struct event *e)
{
	struct judge_msg *m = arena_new(&j->arena, struct judge_msg);

	if (!msg_decode(&j->arena, arena_str(&j->arena, e->record), &m->msg)) {
		judge_fail(j, "the record of a new message is broken");
		return NULL;
	}
	m->seq = m->msg.id.seq;
	m->user = number_of(m->msg.user, STR("user"));
	m->queue = number_of(m->msg.queue, STR("q"));
	m->flow = number_of(m->msg.flow_key, STR("f"));
	m->tag = (m->msg.flags & MSG_IS_CALLBACK) ? -1 : number_of(m->msg.body, STR("t"));
	if (m->user < 0 || m->user >= JUDGE_USERS || m->queue >= JUDGE_NAMES ||
	    m->flow >= JUDGE_NAMES || m->tag >= j->tags || m->msg.id.nonce != e->id.nonce ||
	    m->seq != e->id.seq) {
		judge_fail(j, "a message that nobody can have published");
		return NULL;
	}
	if (j->set.queues_are_one && m->queue > 0)
		m->queue = 0;
	m->due_ms = m->msg.not_before_ms;
	m->time_ms = e->time_ms;
	m->order = j->order++;
	m->family = 1;
	list_init(&m->in_queue);
	return m;
}

static void add(struct judge *j, struct judge_msg *m)
{
	struct judge_user *u = &j->user[m->user];

	if (map_put(&j->by_seq, map_key_u64(&m->seq), m) != NULL)
		judge_fail(j, "two messages share the number %" PRIu64, m->seq);
	list_push(&j->pending, &m->node);
	u->pending++;
	j->counts.created++;
	if (m->queue >= 0 && m->root == NULL)
		list_push(&u->queue[m->queue], &m->in_queue);
	if (m->flow >= 0)
		gate_configure(&u->flow[m->flow], 0, m->msg.flow_rate, m->msg.flow_period_s * 1000);
}

static void as_callback(struct judge *j, struct judge_msg *m)
{
	struct judge_msg *source = j->expect_source;
	uint64_t root = source->queue >= 0 ? source->seq : 0;

	if (!(m->msg.flags & MSG_IS_CALLBACK) ||
	    !str_eq(m->msg.url, j->expect_url[j->expects_done]) || m->msg.root_seq != root)
		judge_fail(j, "the callback of message %d is not what it should be", source->tag);
	if (source->queue >= 0)
		m->root = source;
	j->expects_done++;
	j->counts.callbacks++;
}

/* The same message again: only the retry of a dead letter makes one. */
static void as_revived(struct judge *j, struct judge_msg *m)
{
	struct list *it, *tmp;

	list_each(it, tmp, &j->dead) {
		struct judge_msg *d = list_entry(it, struct judge_msg, node);

		if (d->user != m->user || d->tag != m->tag || d->msg.flags != m->msg.flags ||
		    !str_eq(d->msg.url, m->msg.url) || !str_eq(d->msg.body, m->msg.body) ||
		    !(d->dead_asked || j->user[m->user].dlq_group))
			continue;
		list_remove(&d->node);
		list_push(&j->over, &d->node);
		d->dead = false;
		return;
	}
	judge_fail(j, "message %d was created a second time", m->tag);
}

static void as_published(struct judge *j, struct judge_msg *m, const struct event *e)
{
	struct judge_tag *t = &j->tag[m->tag];
	struct judge_dedup *d;

	if (t->user != m->user)
		judge_fail(j, "message %d belongs to the wrong user", m->tag);
	t->first = m;
	if (t->dedup < 0)
		return;
	d = &j->user[m->user].dedup[t->dedup];
	if (e->time_ms < d->until_ms)
		judge_fail(j, "message %d duplicates one that was accepted %" PRId64 " ms ago",
			   m->tag, e->time_ms + DEDUP_MS - d->until_ms);
	*d = (struct judge_dedup){ .id = m->msg.id, .until_ms = e->time_ms + DEDUP_MS };
}

void judge_created(struct judge *j, const struct event *e)
{
	struct judge_msg *m = msg_new(j, e);

	if (m == NULL)
		return;
	if (j->expects_done < j->expects)
		as_callback(j, m);
	else if (m->tag < 0 || j->tag[m->tag].first != NULL)
		as_revived(j, m);
	else
		as_published(j, m, e);
	add(j, m);
}

void judge_answered(struct judge *j, const struct judge_answer *a)
{
	const struct judge_tag *t = &j->tag[a->tag];
	const struct judge_msg *m = judge_find(j, a->id);

	if (a->status == 503 && a->faults)
		return;
	if (a->status != 0) {
		judge_fail(j, "message %d was refused with %d", a->tag, a->status);
	} else if (m == NULL) {
		judge_fail(j, "message %d was accepted but is not there", a->tag);
	} else if (!a->duplicate) {
		if (t->first != m)
			judge_fail(j, "message %d was accepted under the id of another", a->tag);
	} else {
		j->counts.deduplicated++;
		if (t->dedup < 0 || m->user != t->user || j->tag[m->tag].dedup != t->dedup)
			judge_fail(j, "message %d was taken for a duplicate of %d", a->tag, m->tag);
	}
}

/* ---- gates -------------------------------------------------------------------------------------------- */

void judge_queue_leave(struct judge *j, struct judge_msg *m)
{
	struct judge_msg *root = m->root != NULL ? m->root : m;

	if (--root->family == 0)
		list_remove(&root->in_queue);
}

/* No other may have begun in its queue and not ended, and none that was accepted before it may still
 * stand there. With several processes, "before" means both by number and by the log. */
static void check_order(struct judge *j, const struct judge_msg *m)
{
	struct list *head = &j->user[m->user].queue[m->queue];
	struct list *it, *tmp;

	list_each(it, tmp, head) {
		const struct judge_msg *n = list_entry(it, struct judge_msg, in_queue);

		if (n == m)
			continue;
		if (n->started)
			judge_fail(j, "message %d started in queue %d while %d has not ended",
				   m->tag, m->queue, n->tag);
		else if (!m->started && n->order < m->order && n->seq < m->seq)
			judge_fail(j, "message %d started in queue %d before %d", m->tag, m->queue,
				   n->tag);
	}
}

void judge_gates(struct judge *j, struct judge_msg *m, int64_t time_ms)
{
	struct gate *flow;
	int64_t at_ms;

	if (m->queue >= 0 && m->root == NULL)
		check_order(j, m);
	if (m->flow < 0)
		return;
	flow = &j->user[m->user].flow[m->flow];
	if (gate_may_start(flow, time_ms, &at_ms))
		gate_start(flow, time_ms);
	else
		judge_fail(j, "message %d started beyond the rate of key f%d, %" PRId64 " ms early",
			   m->tag, m->flow, at_ms - time_ms);
}
