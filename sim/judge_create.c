/* judge_create.c - where messages come from: publishes and callbacks here, retries of dead letters in judge_act.c,
 * triggers of schedules in judge_doc.c.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "judge_int.h"

enum { DEDUP_MS = 10 * 60 * 1000 };

int judge_number(struct str name, char prefix)
{
	uint64_t n;

	if (name.n == 0 || name.p[0] != prefix || !str_u64(str_from(name, 1), &n) || n > INT32_MAX)
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
	m->user = judge_number(str_from(m->msg.user, 3), 'r');
	m->queue = judge_number(m->msg.queue, 'q');
	m->flow = judge_number(m->msg.flow_key, 'f');
	m->tag = (m->msg.flags & MSG_IS_CALLBACK) ? -1 : judge_number(m->msg.body, 't');
	if (m->user < 0 || m->user >= JUDGE_USERS || m->queue >= JUDGE_NAMES ||
	    m->flow >= JUDGE_NAMES || m->tag >= j->tags || m->msg.id.nonce != e->id.nonce ||
	    m->seq != e->id.seq) {
		judge_fail(j, "a message that nobody can have published");
		return NULL;
	}
	m->due_ms = m->msg.not_before_ms;
	m->time_ms = e->time_ms;
	m->order = j->order;
	m->family = 1;
	list_init(&m->in_queue);
	return m;
}

static void add(struct judge *j, struct judge_msg *m)
{
	if (map_put(&j->by_seq, map_key_u64(&m->seq), m) != NULL)
		judge_fail(j, "two messages share the number %" PRIu64, m->seq);
	list_push(&j->pending, &m->node);
	j->user[m->user].pending++;
	j->counts.created++;
	judge_gates_join(j, m);
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
	else if (j->ticking != NULL)
		judge_as_ticked(j, m);
	else if (j->reviving != NULL)
		judge_as_revived(j, m);
	else if (m->tag < 0 || j->tag[m->tag].first != NULL)
		judge_fail(j, "message %d was created a second time", m->tag);
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
