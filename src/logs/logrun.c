#include "logs/logrun.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum {
	MESSAGES_MAX = 30 * 1000, /* of one run */
	RESUMED_MAX = 20,         /* runs that go on from one another */
	SEGMENTS_MAX = 100 * 1000,
};

struct loading {
	struct logdb *db;
	struct arena *a;
	struct logrun *run;
	struct buf trail; /* int64 positions of segments */
	size_t step_cap;
};

struct str logrun_state_name(enum logrun_state s)
{
	static const struct str name[] = {
		[LOGRUN_STARTED] = { "RUN_STARTED", 11 },
		[LOGRUN_SUCCESS] = { "RUN_SUCCESS", 11 },
		[LOGRUN_FAILED] = { "RUN_FAILED", 10 },
		[LOGRUN_CANCELED] = { "RUN_CANCELED", 12 },
	};

	check((size_t)s < countof(name));
	return name[s];
}

/* ---- messages -------------------------------------------------------------------------------- */

/* Appends the numbers of a run's messages. */
static void list_messages(struct loading *l, struct str id, int64_t created_ms, struct buf *seqs)
{
	sqlite3_stmt *s = logdb_sql(l->db, LOGDB_RUN_MESSAGES);

	logdb_bind_blob(s, 1, id);
	logdb_bind_int(s, 2, created_ms);
	while (logdb_row(l->db, s)) {
		uint64_t seq = (uint64_t)sqlite3_column_int64(s, 0);

		buf_add(seqs, str_n(&seq, sizeof(seq)));
	}
}

static void load_messages(struct loading *l, const struct buf *seqs)
{
	struct logrun *run = l->run;
	size_t n = seqs->n / sizeof(uint64_t);

	run->msg = arena_array(l->a, struct logrun_msg, n + 1);
	for (size_t i = 0; i < n; i++) {
		uint64_t seq = ((const uint64_t *)seqs->p)[i];
		struct logrun_msg *m = &run->msg[run->msgs];

		if (!logdb_read_message(l->db, l->a, seq, &m->msg))
			continue;
		logdb_read_body(l->db, l->a, &m->msg);
		logdb_read_trail(l->db, seq, &l->trail);
		run->msgs++;
	}
}

static int compare_int64(const void *x, const void *y)
{
	int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;

	return a < b ? -1 : a > b;
}

static struct logrun_msg *find_msg(struct logrun *run, uint64_t seq)
{
	size_t from = 0, to = run->msgs;

	while (from < to) {
		size_t at = from + (to - from) / 2;

		if (run->msg[at].msg.id.seq == seq)
			return &run->msg[at];
		if (run->msg[at].msg.id.seq < seq)
			from = at + 1;
		else
			to = at;
	}
	return NULL;
}

static void add_event(struct arena *a, struct logrun_msg *m, const struct event *e)
{
	if (m->events % 8 == 0) {
		const struct event **v = arena_alloc(a, (m->events + 8) * sizeof(*v));

		if (m->events > 0)
			memcpy(v, m->event, m->events * sizeof(*v));
		m->event = v;
	}
	m->event[m->events++] = e;
}

/* ---- entries --------------------------------------------------------------------------------- */

static void take_msg_event(struct logrun_msg *m, const struct event *e)
{
	switch (e->state) {
	case EVENT_ACTIVE:
		m->active = true;
		m->next_ms = 0;
		break;
	case EVENT_RETRY:
		m->next_ms = e->next_delivery_ms;
		break;
	case EVENT_ERROR:
		m->last = e;
		break;
	case EVENT_DELIVERED:
		m->last = e;
		m->delivered = true;
		break;
	case EVENT_FAILED:
		m->failed = true;
		break;
	case EVENT_CANCELED:
		m->canceled = true;
		break;
	default:
		break;
	}
}

static struct logrun_step *step_at(struct loading *l, int64_t id)
{
	struct logrun *run = l->run;
	size_t at = run->steps;

	for (size_t i = run->steps; i > 0 && run->step[i - 1].id >= id; i--) {
		if (run->step[i - 1].id == id)
			return &run->step[i - 1];
		at = i - 1;
	}
	if (run->steps == l->step_cap) {
		size_t cap = l->step_cap ? 2 * l->step_cap : 16;
		struct logrun_step *v = arena_array(l->a, struct logrun_step, cap);

		if (run->steps > 0)
			memcpy(v, run->step, run->steps * sizeof(*v));
		run->step = v;
		l->step_cap = cap;
	}
	memmove(&run->step[at + 1], &run->step[at], (run->steps - at) * sizeof(*run->step));
	run->steps++;
	run->step[at] = (struct logrun_step){ .id = id };
	return &run->step[at];
}

static bool is_own(const struct logrun *run, const struct msg *m)
{
	return m->run_created_ms == run->created_ms && str_eq(m->run, run->id);
}

struct msg logrun_trigger(const struct logrun *run)
{
	struct msg t = run->init != NULL ? run->init->msg : run->msg[0].msg;

	t.run = run->id;
	t.run_created_ms = run->created_ms;
	for (size_t i = 0; i < run->msgs; i++) {
		const struct msg *own = &run->msg[i].msg;

		if (!is_own(run, own))
			continue;
		t.labels = own->labels;
		t.flow_key = own->flow_key;
		break;
	}
	return t;
}

static void take_resumed(struct logrun *run, const struct json *resumed)
{
	const struct json *id = json_get(resumed, STR("workflowRunId"));
	const struct json *created = json_get(resumed, STR("workflowCreatedAt"));
	int64_t ms;

	if (id == NULL || created == NULL || !json_i64(created, &ms))
		return;
	run->resumed = id->text;
	run->resumed_ms = ms;
}

/* A step that is under way without a message, or who has invoked the run, or what it goes on from. */
static void take_waiting(struct loading *l, const struct event *e, bool own)
{
	char error[96];
	const struct json *v = json_parse(l->a, e->response_body, error);
	struct run_step named;
	struct logrun_step *s;

	if (json_get(v, STR("invoker")) != NULL || json_get(v, STR("resumed")) != NULL) {
		if (own && json_get(v, STR("invoker")) != NULL)
			l->run->invoker = json_get(v, STR("invoker"));
		/* The eldest's entries come first. */
		if (json_get(v, STR("resumed")) != NULL && l->run->resumed.n == 0)
			take_resumed(l->run, json_get(v, STR("resumed")));
		return;
	}
	if (v == NULL || !runbody_named_step(v, &named))
		return;
	s = step_at(l, named.id);
	s->step = named;
	s->waiting = v;
	s->waiting_ms = e->time_ms;
}

static void end_run(struct logrun *run, enum logrun_state state, const struct event *e)
{
	run->state = state;
	run->completed_ms = e->time_ms;
	run->response = e->response_body;
	run->dlq_id = e->error;
}

static void take_event(struct loading *l, const struct event *e)
{
	struct logrun *run = l->run;
	struct logrun_msg *m = find_msg(run, e->id.seq);

	if (m == NULL || m->msg.id.nonce != e->id.nonce)
		return;
	switch (e->state) {
	case EVENT_RUN_SUCCESS:
		end_run(run, LOGRUN_SUCCESS, e);
		break;
	case EVENT_RUN_FAILED:
		if (is_own(run, &m->msg))
			end_run(run, LOGRUN_FAILED, e);
		break;
	case EVENT_RUN_CANCELED:
		end_run(run, LOGRUN_CANCELED, e);
		break;
	case EVENT_RUN_STEP:
		take_waiting(l, e, is_own(run, &m->msg));
		break;
	default:
		add_event(l->a, m, e);
		take_msg_event(m, e);
	}
}

static void load_entries(struct loading *l)
{
	int64_t *pos = (int64_t *)l->trail.p;
	size_t n = l->trail.n / sizeof(*pos);

	if (n > 0)
		qsort(pos, n, sizeof(*pos), compare_int64);
	for (size_t i = 0; i < n; i++) {
		struct logdb_segment segment;
		struct logdb_entry *v;
		size_t entries;

		if ((i > 0 && pos[i] == pos[i - 1]) ||
		    !logdb_read_at(l->db, l->a, pos[i], &segment) || segment.pos != pos[i])
			continue;
		v = logdb_unpack(l->db, l->a, &segment, &entries);
		for (size_t k = 0; k < entries; k++)
			take_event(l, &v[k].event);
	}
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void take_entry(struct loading *l, const struct logrun_msg *m)
{
	struct runbody_step parsed;
	struct logrun_step *s;

	if (!runbody_step(l->a, m->msg.body, &parsed))
		return;
	s = step_at(l, parsed.target ? parsed.target : parsed.step.id);
	s->step = parsed.step;
	s->step.id = s->id;
	if (parsed.target) {
		s->plan = m;
		s->planned = parsed;
	} else if (s->result == NULL) {
		/* What comes twice counts the first time. */
		s->result = m;
		s->done = parsed;
	}
}

static struct str forwarded(const struct msg *m, struct str name)
{
	return headers_get(&m->callback_header, name);
}

/* The step of a call is named in what its callback will carry. */
static void take_call(struct loading *l, const struct logrun_msg *m)
{
	struct logrun_step *s;
	int64_t id, concurrent = 1;

	if (!str_i64(forwarded(&m->msg, STR("Forward-Upstash-Workflow-Stepid")), &id))
		return;
	s = step_at(l, id);
	if (str_i64(forwarded(&m->msg, STR("Forward-Upstash-Workflow-Concurrent")), &concurrent))
		s->step.concurrent = concurrent;
	s->call = m;
	s->step.id = id;
	s->step.name = forwarded(&m->msg, STR("Forward-Upstash-Workflow-Stepname"));
	s->step.type = forwarded(&m->msg, STR("Forward-Upstash-Workflow-Steptype"));
}

static void take_callback(struct loading *l, const struct logrun_msg *m)
{
	int64_t id;

	if (str_i64(headers_get(&m->msg.header, STR("Upstash-Workflow-Stepid")), &id))
		step_at(l, id)->callback = m;
}

static bool is_entry(const struct msg *m)
{
	return m->run_role == MSG_STEP && m->run_until == 0;
}

/* A plan that is delivered once more. */
static void take_again(struct logrun *run, const struct logrun_msg *m)
{
	for (size_t i = 0; i < run->steps; i++) {
		struct logrun_step *s = &run->step[i];

		if (s->plan == NULL || s->plan->msg.id.seq != m->msg.run_until)
			continue;
		s->plan = m;
		s->callback = s->call = NULL;
	}
}

static void take_message(struct loading *l, const struct logrun_msg *m)
{
	struct logrun *run = l->run;

	switch ((enum msg_role)m->msg.run_role) {
	case MSG_STEP:
		if ((m->msg.flags & MSG_RUN_FIRST) && is_entry(&m->msg))
			run->init = m;
		else if (is_entry(&m->msg))
			take_entry(l, m);
		else
			take_again(run, m);
		break;
	case MSG_CALL:
		take_call(l, m);
		break;
	case MSG_CALLBACK:
		take_callback(l, m);
		break;
	case MSG_FAILURE:
		if (is_own(run, &m->msg))
			run->failure = m;
		break;
	case MSG_PLAIN:
		break;
	}
}

static bool is_plan(const struct logrun *run, const struct logrun_msg *m)
{
	for (size_t i = 0; i < run->steps; i++) {
		if (run->step[i].plan == m)
			return true;
	}
	return false;
}

static bool is_sleeping(const struct logrun *run, const struct logrun_msg *m)
{
	return m != run->init && !m->active && m->msg.not_before_ms > m->msg.created_ms;
}

static bool is_under_way(const struct logrun_step *s)
{
	return s->result == NULL;
}

/* The delivery that leads to the step after all that are known; none while one of them is under way. */
static void find_next(struct logrun *run)
{
	for (size_t i = run->msgs; i > 0; i--) {
		const struct logrun_msg *m = &run->msg[i - 1];

		if (m->msg.run_role != MSG_STEP || is_plan(run, m))
			continue;
		if (!m->delivered && !is_sleeping(run, m) && run->state != LOGRUN_SUCCESS)
			run->next = m;
		break;
	}
	for (size_t i = 0; i < run->steps; i++) {
		if (is_under_way(&run->step[i]))
			run->next = NULL;
	}
}

/* The run that the messages are of, with those that it goes on from: the eldest first. */
struct chain {
	struct str id[RESUMED_MAX];
	int64_t created_ms[RESUMED_MAX];
	size_t n;
};

/* Everything from the messages and entries of the chain. Told in run->resumed: there is one more. */
static void load(struct loading *l, const struct chain *chain)
{
	struct logrun *run = l->run;
	struct buf seqs;

	*run = (struct logrun){ .id = chain->id[0], .created_ms = chain->created_ms[0] };
	l->step_cap = 0;
	buf_reset(&l->trail);
	buf_init(&seqs, MESSAGES_MAX * sizeof(uint64_t));
	for (size_t i = chain->n; i > 0; i--)
		list_messages(l, chain->id[i - 1], chain->created_ms[i - 1], &seqs);
	load_messages(l, &seqs);
	buf_done(&seqs);
	load_entries(l);
}

bool logrun_load(struct logdb *db, struct arena *a, struct str id, int64_t created_ms,
		 struct logrun *ret_run)
{
	struct logrun run;
	struct loading l = { .db = db, .a = a, .run = &run };
	struct chain chain = { { arena_str(a, id) }, { created_ms }, 1 };

	buf_init(&l.trail, SEGMENTS_MAX * sizeof(int64_t));
	load(&l, &chain);
	while (run.resumed.n > 0 && chain.n < RESUMED_MAX) {
		struct str eldest = chain.id[chain.n - 1];

		if (str_eq(run.resumed, eldest) && run.resumed_ms == chain.created_ms[chain.n - 1])
			break;
		chain.id[chain.n] = run.resumed;
		chain.created_ms[chain.n++] = run.resumed_ms;
		load(&l, &chain);
	}
	buf_done(&l.trail);
	for (size_t i = 0; i < run.msgs; i++)
		take_message(&l, &run.msg[i]);
	find_next(&run);
	*ret_run = run;
	return run.msgs > 0;
}
