#include "model.h"

#include <stdlib.h>

#include "base/check.h"

enum { FLOW_KEPT_MS = 60000 };

void model_init(struct model *w, struct kit *k)
{
	*w = (struct model){ .k = k };
	w->msg = xcalloc(MODEL_MSGS_MAX, sizeof(*w->msg));
	for (int u = 0; u < MODEL_USERS; u++)
		w->user[u].gate = (struct gate){ .kind = GATE_USER, .rate_period_ms = 1000 };
}

void model_done(struct model *w)
{
	free(w->msg);
}

const char *model_user_name(int user)
{
	static const char *const name[MODEL_USERS] = { "u", "v", "w" };

	return name[user];
}

const char *model_queue_name(int queue)
{
	static const char *const name[MODEL_QUEUES] = { "q", "r" };

	return queue < 0 ? NULL : name[queue];
}

const char *model_flow_name(int flow)
{
	static const char *const name[MODEL_FLOWS] = { "f", "g" };

	return flow < 0 ? NULL : name[flow];
}

const char *model_key_name(int key)
{
	static const char *const name[MODEL_KEYS] = { "k0", "k1", "k2", "k3", "k4", "k5" };

	return key < 0 ? NULL : name[key];
}

const char *model_doc_name(int doc)
{
	static const char *const name[MODEL_DOCS] = { "d0", "d1", "d2", "d3", "d4" };

	return name[doc];
}

/* ---- gates ----------------------------------------------------------------------------------- */

struct model_queue *model_queue(struct model *w, int user, int queue)
{
	struct model_queue *q = &w->user[user].queue[queue];

	if (!q->exists) {
		q->exists = true;
		q->paused = false;
		q->parallelism = 1;
	}
	return q;
}

static bool flow_has_messages(const struct model *w, const struct model_flow *f)
{
	for (int i = 0; i < w->msgs; i++) {
		const struct model_msg *m = &w->msg[i];

		if (!m->gone && m->flow >= 0 && &w->user[m->user].flow[m->flow] == f)
			return true;
	}
	return false;
}

bool model_flow_is_visible(const struct model *w, const struct model_flow *f)
{
	int64_t now_ms = w->k->now_ms;

	if (!f->exists)
		return false;
	return f->gate.paused || f->gate.pinned_parallelism || f->gate.pinned_rate ||
	       flow_has_messages(w, f) || now_ms < f->used_ms + FLOW_KEPT_MS ||
	       (f->gate.window_start_ms &&
		now_ms < f->gate.window_start_ms + f->gate.rate_period_ms);
}

struct model_flow *model_flow(struct model *w, int user, int flow)
{
	struct model_flow *f = &w->user[user].flow[flow];

	if (!model_flow_is_visible(w, f)) {
		check(!f->exists || f->gate.running == 0);
		*f = (struct model_flow){
			.gate = { .kind = GATE_FLOW, .rate_period_ms = 1000 },
		};
	}
	return f;
}

void model_flow_use(struct model *w, int user, int flow)
{
	struct model_flow *f = model_flow(w, user, flow);

	f->exists = true;
	f->used_ms = w->k->now_ms;
}

void model_flow_reset(struct model *w, int user, int flow)
{
	struct model_flow *f = &w->user[user].flow[flow];

	for (int i = 0; i < w->msgs; i++) {
		struct model_msg *m = &w->msg[i];

		if (m->flow_slot && m->user == user && m->flow == flow)
			m->flow_slot = false;
	}
	f->gate.running = 0;
	gate_reset_rate(&f->gate, w->k->now_ms);
}

static struct gate *flow_gate(struct model *w, const struct model_msg *m)
{
	return m->flow < 0 ? NULL : &w->user[m->user].flow[m->flow].gate;
}

/* ---- queue slots ----------------------------------------------------------------------------- */

/* A message, or a callback of one, that keeps its group's slot. */
static bool group_lives(const struct model *w, int root)
{
	if (!w->msg[root].gone)
		return true;
	for (int i = root + 1; i < w->msgs; i++) {
		if (w->msg[i].root == root && !w->msg[i].gone)
			return true;
	}
	return false;
}

/* The first of the queue without a slot; -1 = none. */
static int line_head(const struct model *w, int user, int queue)
{
	for (int i = 0; i < w->msgs; i++) {
		const struct model_msg *m = &w->msg[i];

		if (!m->gone && m->user == user && m->queue == queue && m->root < 0 && !m->slot)
			return i;
	}
	return -1;
}

static int64_t slots_held(const struct model *w, int user, int queue)
{
	int64_t n = 0;

	for (int i = 0; i < w->msgs; i++) {
		const struct model_msg *m = &w->msg[i];

		n += m->root < 0 && m->slot && m->user == user && m->queue == queue &&
		     group_lives(w, i);
	}
	return n;
}

static struct scan_row *gate_row(struct model *w, int user, enum gate_kind kind, const char *name)
{
	struct scan *s = kit_scan(w->k, &(struct scan){ .kind = SCAN_GATES,
							.user = str_c(model_user_name(user)),
							.gate = kind,
							.name = str_c(name),
							.exact = true });

	T_CHECK(s->rows <= 1);
	return s->rows ? s->row : NULL;
}

static void learn_queue(struct model *w, int user, int queue)
{
	struct model_queue *q = &w->user[user].queue[queue];
	struct scan_row *row = gate_row(w, user, GATE_QUEUE, model_queue_name(queue));
	int64_t held = slots_held(w, user, queue);

	T_CHECK((row != NULL) == q->exists);
	if (row == NULL)
		return;
	T_CHECK(row->gate.running >= held);
	for (; held < row->gate.running; held++) {
		int head = line_head(w, user, queue);

		/* Slots are given from the head of the line, while there are some, and not in a pause. */
		T_CHECK(head >= 0 && !q->paused && held < q->parallelism);
		w->msg[head].slot = true;
	}
	q->slots = held;
}

void model_learn_slots(struct model *w)
{
	for (int u = 0; u < MODEL_USERS; u++) {
		for (int q = 0; q < MODEL_QUEUES; q++)
			learn_queue(w, u, q);
	}
}

/* ---- who may start --------------------------------------------------------------------------- */

static bool passes_queue(const struct model *w, int i)
{
	const struct model_msg *m = &w->msg[i];
	const struct model_queue *q;

	if (m->queue < 0 || m->root >= 0)
		return true;
	q = &w->user[m->user].queue[m->queue];
	if (q->exists && q->paused)
		return false;
	if (m->slot)
		return true;
	return line_head(w, m->user, m->queue) == i &&
	       slots_held(w, m->user, m->queue) < (q->exists ? q->parallelism : 1);
}

static bool may_start(struct model *w, int i)
{
	struct model_msg *m = &w->msg[i];
	struct gate *flow = flow_gate(w, m);
	int64_t at_ms, now_ms = w->k->now_ms;

	return !m->gone && !m->leased && m->due_ms <= now_ms && passes_queue(w, i) &&
	       (flow == NULL || gate_may_start(flow, now_ms, &at_ms)) &&
	       gate_may_start(&w->user[m->user].gate, now_ms, &at_ms);
}

/* Nobody of the same key who came before is left behind. Those from queues are not judged: when they came
 * out of it is not seen. */
static void check_order(struct model *w, int i)
{
	struct model_msg *m = &w->msg[i];

	if (m->flow < 0 || m->queue >= 0)
		return;
	for (int j = 0; j < w->msgs; j++) {
		struct model_msg *o = &w->msg[j];

		if (o->flow == m->flow && o->user == m->user && o->queue < 0 &&
		    o->ord_ms < m->ord_ms && may_start(w, j))
			T_FAIL("message %d of a flow key started before %d", i, j);
	}
}

void model_start(struct model *w, int i, struct store *holder, uint64_t lease, bool by_put)
{
	struct model_msg *m = &w->msg[i];
	struct gate *flow = flow_gate(w, m);

	if (!may_start(w, i))
		T_FAIL("message %d was started, but may not", i);
	check_order(w, i);
	for (int j = 0; by_put && j < i; j++) {
		if (w->msg[j].user == m->user && may_start(w, j))
			T_FAIL("message %d was leased by its put before %d", i, j);
	}
	gate_start(&w->user[m->user].gate, w->k->now_ms);
	if (flow != NULL) {
		gate_start(flow, w->k->now_ms);
		w->user[m->user].flow[m->flow].used_ms = w->k->now_ms;
		m->flow_slot = true;
	}
	if (m->queue >= 0)
		m->slot = true;
	m->leased = true;
	m->holder = holder;
	m->m.lease = lease;
	m->event[m->events++] = EVENT_ACTIVE;
	check(m->events < MODEL_EVENTS_MAX);
	w->starts++;
}

/* ---- what happens to messages ---------------------------------------------------------------- */

int model_find(const struct model *w, struct msg_id id)
{
	for (int i = w->msgs - 1; i >= 0; i--) {
		if (w->msg[i].m.id.seq == id.seq)
			return i;
	}
	T_FAIL("message %llu is not known", (unsigned long long)id.seq);
}

void model_put(struct model *w, const struct model_msg *m)
{
	check(w->msgs < MODEL_MSGS_MAX);
	w->msg[w->msgs++] = *m;
	w->user[m->user].used.messages++;
	if (m->queue >= 0 && m->root < 0)
		(void)model_queue(w, m->user, m->queue);
}

static void stop(struct model *w, struct model_msg *m)
{
	struct gate *flow = flow_gate(w, m);

	if (!m->leased)
		return;
	gate_end(&w->user[m->user].gate);
	if (m->flow_slot)
		gate_end(flow);
	if (flow != NULL)
		w->user[m->user].flow[m->flow].used_ms = w->k->now_ms;
	m->leased = m->flow_slot = false;
}

static void end(struct model *w, struct model_msg *m, enum event_state last)
{
	stop(w, m);
	m->gone = true;
	w->user[m->user].used.cancelled += last == EVENT_CANCELED;
	w->user[m->user].used.delivered += last == EVENT_DELIVERED;
	w->user[m->user].used.failed += last == EVENT_FAILED;
	w->user[m->user].used.errors += last == EVENT_FAILED;
	if (m->flow >= 0)
		w->user[m->user].flow[m->flow].used_ms = w->k->now_ms;
	m->event[m->events++] = (uint8_t)last;
}

void model_returned(struct model *w, int i)
{
	struct model_msg *m = &w->msg[i];

	check(m->leased);
	if (m->cancelled) {
		end(w, m, EVENT_CANCELED);
		return;
	}
	stop(w, m);
	m->ord_ms = m->due_ms;
}

void model_settled(struct model *w, int i, enum settle_to to, int64_t due_ms)
{
	struct model_msg *m = &w->msg[i];

	check(m->leased);
	if (to == SETTLE_HANDBACK || (m->cancelled && to != SETTLE_DELIVERED)) {
		model_returned(w, i);
	} else if (to == SETTLE_RETRY) {
		stop(w, m);
		m->retried++;
		m->due_ms = due_ms;
		m->ord_ms = due_ms > w->k->now_ms ? due_ms : w->k->now_ms;
		m->event[m->events++] = EVENT_RETRY;
		w->user[m->user].used.messages++;
		w->user[m->user].used.retried++;
		w->user[m->user].used.errors++;
	} else {
		m->dead = to == SETTLE_DEAD;
		m->dlq = (struct dlq_id){ w->k->now_ms, m->m.id.seq };
		end(w, m, m->dead ? EVENT_FAILED : EVENT_DELIVERED);
	}
}

void model_cancelled(struct model *w, int i)
{
	struct model_msg *m = &w->msg[i];

	check(!m->gone && !m->cancelled);
	m->event[m->events++] = EVENT_CANCEL_REQUESTED;
	if (m->leased)
		m->cancelled = true;
	else
		end(w, m, EVENT_CANCELED);
}

/* ---- judging --------------------------------------------------------------------------------- */

void model_nothing_can_start(struct model *w, int64_t next_ms)
{
	int64_t now_ms = w->k->now_ms;

	T_CHECK(next_ms > now_ms);
	for (int i = 0; i < w->msgs; i++) {
		struct model_msg *m = &w->msg[i];
		struct gate *flow = flow_gate(w, m);
		int64_t at_ms;

		if (m->gone || m->leased)
			continue;
		if (may_start(w, i))
			T_FAIL("message %d could start, but the claim did not take it", i);
		if (!gate_may_start(&w->user[m->user].gate, now_ms, &at_ms) || !passes_queue(w, i))
			continue;
		if (m->due_ms > now_ms)
			T_CHECK(next_ms <= m->due_ms);
		else if (!gate_may_start(flow, now_ms, &at_ms) && at_ms != INT64_MAX)
			T_CHECK(next_ms <= at_ms);
	}
}

static void compare_messages(struct model *w, int user)
{
	struct scan *s = kit_scan(w->k, &(struct scan){ .kind = SCAN_MESSAGES,
							.user = str_c(model_user_name(user)) });
	size_t at = 0;

	T_CHECK(!s->more);
	for (int i = 0; i < w->msgs; i++) {
		struct model_msg *m = &w->msg[i];
		struct scan_row *row;
		enum row_state state = m->leased                  ? ROW_LEASED
				       : m->due_ms > w->k->now_ms ? ROW_SCHEDULED
								  : ROW_READY;

		if (m->gone || m->user != user)
			continue;
		T_CHECK(at < s->rows);
		row = &s->row[at++];
		T_CHECK(row->id.seq == m->m.id.seq && row->id.nonce == m->m.id.nonce);
		T_EQ_STR(row->record, m->m.record);
		T_EQ_INT(row->state, state);
		T_EQ_INT(row->retried, m->retried);
		T_EQ_INT(row->due_ms, m->due_ms);
		T_EQ_INT(row->cancelled, m->cancelled);
	}
	T_EQ_INT(at, s->rows);
}

static void compare_dlq(struct model *w, int user)
{
	struct scan *s = kit_scan(
		w->k, &(struct scan){ .kind = SCAN_DLQ, .user = str_c(model_user_name(user)) });
	size_t n = 0;

	for (int i = 0; i < w->msgs; i++) {
		struct model_msg *m = &w->msg[i];
		size_t at = 0;

		if (!m->dead || m->user != user)
			continue;
		while (at < s->rows && s->row[at].dlq.seq != m->m.id.seq)
			at++;
		T_CHECK(at < s->rows);
		T_EQ_INT(s->row[at].dlq.ms, m->dlq.ms);
		T_EQ_INT(s->row[at].retried, m->retried);
		n++;
	}
	T_EQ_INT(s->rows, n);
	for (size_t i = 1; i < n; i++)
		T_CHECK(s->row[i - 1].dlq.ms <= s->row[i].dlq.ms);
}

static void compare_gates(struct model *w, int user)
{
	struct model_user *u = &w->user[user];
	struct scan_row *row = gate_row(w, user, GATE_USER, "");

	if (row != NULL)
		T_EQ_INT(row->gate.running, u->gate.running);
	for (int q = 0; q < MODEL_QUEUES; q++) {
		int64_t lag = 0;

		for (int i = 0; i < w->msgs; i++) {
			struct model_msg *m = &w->msg[i];

			lag += !m->gone && m->user == user && m->queue == q && m->root < 0;
		}
		row = gate_row(w, user, GATE_QUEUE, model_queue_name(q));
		if (row == NULL)
			continue;
		T_EQ_INT(row->waiting, lag);
		T_EQ_INT(row->gate.parallelism_max, u->queue[q].parallelism);
		T_EQ_INT(row->gate.paused, u->queue[q].paused);
	}
	for (int f = 0; f < MODEL_FLOWS; f++) {
		struct gate *g = &u->flow[f].gate;

		row = gate_row(w, user, GATE_FLOW, model_flow_name(f));
		T_EQ_INT(row != NULL, model_flow_is_visible(w, &u->flow[f]));
		if (row == NULL)
			continue;
		T_EQ_INT(row->gate.running, g->running);
		T_EQ_INT(row->gate.parallelism_max, g->parallelism_max);
		T_EQ_INT(row->gate.rate_max, g->rate_max);
		T_EQ_INT(row->gate.rate_count, g->rate_count);
		T_EQ_INT(row->gate.window_start_ms, g->window_start_ms);
		T_EQ_INT(row->gate.rate_period_ms, g->rate_period_ms);
		T_EQ_INT(row->gate.paused, g->paused);
		T_EQ_INT(row->gate.pinned_rate, g->pinned_rate);
		T_EQ_INT(row->gate.pinned_parallelism, g->pinned_parallelism);
	}
}

static void compare_docs(struct model *w, int user)
{
	struct scan *s = kit_scan(w->k, &(struct scan){ .kind = SCAN_DOCS,
							.doc = DOC_TOPIC,
							.user = str_c(model_user_name(user)) });
	size_t at = 0;

	for (int d = 0; d < MODEL_DOCS; d++) {
		int64_t version = w->user[user].doc[d].version, value = -1;

		if (version == 0)
			continue;
		T_CHECK(at < s->rows);
		T_EQ_STR(s->row[at].name, model_doc_name(d));
		T_EQ_INT(s->row[at].version, version);
		T_CHECK(str_i64(s->row[at].record, &value));
		T_EQ_INT(value, w->user[user].doc[d].value);
		at++;
	}
	T_EQ_INT(at, s->rows);
}

static void compare_usage(struct model *w, int user)
{
	struct scan *s = kit_scan(
		w->k, &(struct scan){ .kind = SCAN_USAGE, .user = str_c(model_user_name(user)) });
	const struct usage *u = &w->user[user].used;
	struct usage sum = { 0 };

	for (size_t i = 0; i < s->rows; i++) {
		sum.messages += s->row[i].usage.messages;
		sum.delivered += s->row[i].usage.delivered;
		sum.retried += s->row[i].usage.retried;
		sum.errors += s->row[i].usage.errors;
		sum.failed += s->row[i].usage.failed;
		sum.cancelled += s->row[i].usage.cancelled;
	}
	T_EQ_INT(sum.messages, u->messages);
	T_EQ_INT(sum.delivered, u->delivered);
	T_EQ_INT(sum.retried, u->retried);
	T_EQ_INT(sum.errors, u->errors);
	T_EQ_INT(sum.failed, u->failed);
	T_EQ_INT(sum.cancelled, u->cancelled);
}

/* Every state was logged once, in order (I4). */
static void compare_events(struct model *w)
{
	struct arena a;
	struct event e;
	struct tail t;
	int rc;

	arena_init(&a);
	tail_init(&t, w->tail_at, 64 << 20, NULL, NULL);
	t.trim = w->tail_at;
	arena_init(&t.arena);
	T_EQ_INT(kit_do(w->k, &t.req), STORE_APPLIED);
	w->tail_at = t.last;
	while ((rc = event_next(&a, &t.events, &e)) == 1) {
		struct model_msg *m = &w->msg[model_find(w, e.id)];

		T_CHECK(m->events_seen < m->events);
		T_EQ_STR(event_state_name(e.state),
			 event_state_name((enum event_state)m->event[m->events_seen]));
		m->events_seen++;
	}
	T_EQ_INT(rc, 0);
	for (int i = 0; i < w->msgs; i++)
		T_EQ_INT(w->msg[i].events_seen, w->msg[i].events);
	arena_done(&t.arena);
	arena_done(&a);
}

void model_compare(struct model *w)
{
	for (int u = 0; u < MODEL_USERS; u++) {
		compare_messages(w, u);
		compare_dlq(w, u);
		compare_gates(w, u);
		compare_docs(w, u);
		compare_usage(w, u);
	}
	compare_events(w);
}
