#include "judge_flow.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "judge_flow_int.h"

#define RUN "run %.*s (%" PRId64 ")"
#define RUN_OF(r) STR_FMT((r)->name), (r)->created_ms

struct flow_judge *judge_flow_new(struct judge *j)
{
	struct flow_judge *f = xcalloc(1, sizeof(*f));

	f->judge = j;
	arena_init(&f->arena);
	map_init(&f->by_id, 1);
	list_init(&f->runs);
	list_init(&f->msgs);
	return f;
}

void judge_flow_free(struct flow_judge *f)
{
	map_done(&f->by_id);
	arena_done(&f->arena);
	free(f);
}

struct flow_run *flow_find_run(const struct flow_judge *f, struct str name, int64_t created_ms)
{
	struct list *it, *tmp;

	list_each(it, tmp, &f->runs) {
		struct flow_run *r = list_entry(it, struct flow_run, node);

		if (str_eq(r->name, name) &&
		    (created_ms == 0 ? r->state == FLOW_IS_OPEN : r->created_ms == created_ms))
			return r;
	}
	return NULL;
}

struct judge_flow_msg *judge_flow_find(const struct judge *j, struct msg_id id)
{
	return map_get(&j->flows->by_id, str_n(&id, sizeof(id)));
}

/* ---- beginnings --------------------------------------------------------------------------------------- */

static void append(struct flow_judge *f, struct flow_run *r, struct msg_id id, struct str body)
{
	if (r->n > 0 && id.seq <= r->entry[r->n - 1].id.seq)
		judge_fail(f->judge, RUN " has an entry that is not behind all others", RUN_OF(r));
	if (r->n == r->cap) {
		size_t cap = r->cap ? 2 * r->cap : 8;

		r->entry = arena_grow(&f->arena, r->entry, r->cap * sizeof(*r->entry),
				      cap * sizeof(*r->entry));
		r->parsed = arena_grow(&f->arena, r->parsed, r->cap * sizeof(*r->parsed),
				       cap * sizeof(*r->parsed));
		r->cap = cap;
	}
	r->entry[r->n].id = id;
	r->entry[r->n].body = body;
	r->n++;
	if (r->n == 1) {
		r->payload = body;
		if (!flow_parse(body, &r->flow))
			judge_fail(f->judge, RUN " began with a payload of nobody's", RUN_OF(r));
	} else if (!flow_entry_parse(&f->arena, body, &r->parsed[r->n - 2])) {
		judge_fail(f->judge, RUN " has an entry that is none", RUN_OF(r));
	}
}

static bool start_is_asked(struct flow_judge *f, const struct msg *m)
{
	struct list *it, *tmp;

	for (size_t i = 0; i < f->starts; i++) {
		if (str_eq(f->start[i].name, m->run) && str_eq(f->start[i].payload, m->body))
			return true;
	}
	/* Restarted: a new name, the payload of one that has failed. */
	list_each(it, tmp, &f->runs) {
		const struct flow_run *r = list_entry(it, struct flow_run, node);

		if (f->dlq_asked && r->state == FLOW_HAS_FAILED && str_eq(r->payload, m->body)) {
			f->judge->counts.flow.again++;
			return true;
		}
	}
	return false;
}

static void as_invoked(struct flow_judge *f, struct flow_run *r, const struct msg *m)
{
	struct flow_run *parent = f->invoking;
	size_t step = (size_t)f->invoking_step - 1;

	f->invoking = NULL;
	r->parent = parent;
	r->parent_step = f->invoking_step;
	if (parent->state != FLOW_IS_OPEN)
		judge_fail(f->judge, RUN " has invoked though it is over", RUN_OF(parent));
	if (step >= parent->flow.n || parent->flow.step[step].kind != FLOW_INVOKE ||
	    !str_eq(m->body, flow_child_payload(&f->arena, &parent->flow, step)))
		judge_fail(f->judge, RUN " was invoked with another payload", RUN_OF(r));
}

static struct flow_run *begin(struct flow_judge *f, const struct msg *m)
{
	struct flow_run *r = arena_new(&f->arena, struct flow_run), *old = f->resuming;

	f->judge->counts.flow.runs++;
	r->name = m->run;
	r->created_ms = m->run_created_ms;
	if (flow_find_run(f, r->name, 0) != NULL)
		judge_fail(f->judge, RUN " began while there is another open one", RUN_OF(r));
	list_push(&f->runs, &r->node);
	if (m->run_until != 0) {
		f->resuming = NULL;
		f->judge->counts.flow.again++;
		if (old == NULL || old->state != FLOW_HAS_FAILED || !f->dlq_asked) {
			judge_fail(f->judge, RUN " goes on from nowhere", RUN_OF(r));
			return r;
		}
		for (size_t i = 0; i < old->n; i++)
			append(f, r, old->entry[i].id, old->entry[i].body);
		r->waited = old->waited;
	} else if (f->invoking != NULL && str_eq(f->invoked, m->run) &&
		   f->invoked_ms == m->run_created_ms) {
		as_invoked(f, r, m);
	} else if (!start_is_asked(f, m)) {
		judge_fail(f->judge, RUN " was begun by nobody", RUN_OF(r));
	}
	return r;
}

/* ---- messages ----------------------------------------------------------------------------------------- */

static void accept(struct flow_judge *f, struct judge_flow_msg *m, const struct event *e)
{
	struct flow_run *r = m->run;
	bool report = m->msg.run_role == MSG_FAILURE;

	if (report ? r->state != FLOW_HAS_FAILED && !r->doomed : r->state != FLOW_IS_OPEN)
		judge_fail(f->judge, RUN " is over and has a new message of role %d", RUN_OF(r),
			   (int)m->msg.run_role);
	r->reporting = r->reporting || report;
	if (m->msg.run_role != MSG_STEP || m->msg.run_until != 0)
		return;
	append(f, r, m->msg.id, m->msg.body);
	f->judge->counts.flow.entries++;
	if (r->n > 1)
		flow_check_entry(f, r, e->time_ms);
}

static void on_created(struct flow_judge *f, const struct event *e)
{
	struct judge_flow_msg *m = arena_new(&f->arena, struct judge_flow_msg);

	if (!msg_decode(&f->arena, arena_str(&f->arena, e->record), &m->msg) || m->msg.run.n == 0) {
		judge_fail(f->judge, "a message that is none of a workflow's");
		return;
	}
	m->run = flow_find_run(f, m->msg.run, m->msg.run_created_ms);
	if (m->run == NULL)
		m->run = begin(f, &m->msg);
	if (map_put(&f->by_id, str_n(&m->msg.id, sizeof(m->msg.id)), m) != NULL)
		judge_fail(f->judge, "two messages have one id");
	list_push(&f->msgs, &m->node);
	accept(f, m, e);
}

static void over(struct judge_flow_msg *m)
{
	m->over = true;
	list_remove(&m->node);
}

static void on_failed(struct flow_judge *f, struct judge_flow_msg *m, const struct event *e)
{
	bool last = e->retried >= m->msg.retries_max || m->outcome.non_retryable;

	if (m->outcome.status < 0 || (m->outcome.status >= 200 && m->outcome.status <= 299) ||
	    !last)
		judge_fail(f->judge,
			   RUN ": a message has failed after %" PRId64
			       " retries although its last answer was %" PRId64,
			   RUN_OF(m->run), e->retried, m->outcome.status);
	if (m->run->state == FLOW_IS_OPEN &&
	    (m->msg.run_role == MSG_STEP || m->msg.run_role == MSG_CALLBACK))
		m->run->doomed = true;
	m->dead = true;
	over(m);
}

static void on_active(struct flow_judge *f, struct judge_flow_msg *m)
{
	if (m->run->state != FLOW_IS_OPEN && m->msg.run_role != MSG_FAILURE)
		judge_fail(f->judge, RUN " is over and a message of it is delivered",
			   RUN_OF(m->run));
	if (m->cancelled)
		judge_fail(f->judge, RUN ": a cancelled message is delivered", RUN_OF(m->run));
	m->active = true;
	m->holder = f->turn->holder;
	m->outcome = (struct judge_outcome){ .status = -1, .retry_after_ms = -1 };
}

static void on_state(struct flow_judge *f, struct judge_flow_msg *m, const struct event *e)
{
	switch (e->state) {
	case EVENT_ACTIVE:
		on_active(f, m);
		break;
	case EVENT_DELIVERED:
		if (m->acks == 0)
			judge_fail(f->judge, RUN ": delivered, but no endpoint said so",
				   RUN_OF(m->run));
		over(m);
		break;
	case EVENT_FAILED:
		on_failed(f, m, e);
		break;
	case EVENT_CANCEL_REQUESTED:
		m->cancelled = true;
		break;
	case EVENT_CANCELED:
		over(m);
		break;
	default:
		break;
	}
}

/* ---- the run as a whole ------------------------------------------------------------------------------- */

static void has_succeeded(struct flow_judge *f, struct flow_run *r, struct str result)
{
	struct str expected = flow_result(&f->arena, &r->flow, r->parsed, r->n - 1);

	r->state = FLOW_HAS_SUCCEEDED;
	f->judge->counts.flow.succeeded++;
	r->result = arena_str(&f->arena, result);
	if (expected.n == 0 || r->flow.cancels)
		judge_fail(f->judge, RUN " has succeeded before its end", RUN_OF(r));
	else if (!str_eq(expected, result))
		judge_fail(f->judge, RUN " ended with %.*s, its history says %.*s", RUN_OF(r),
			   STR_FMT(result), STR_FMT(expected));
}

static void on_run(struct flow_judge *f, struct flow_run *r, const struct event *e)
{
	if (r->state != FLOW_IS_OPEN) {
		judge_fail(f->judge, RUN " ended twice", RUN_OF(r));
	} else if (e->state == EVENT_RUN_SUCCESS) {
		has_succeeded(f, r, e->response_body);
	} else if (e->state == EVENT_RUN_FAILED) {
		r->state = FLOW_HAS_FAILED;
		f->judge->counts.flow.failed++;
		if (!r->doomed)
			judge_fail(f->judge, RUN " failed, but no message of it", RUN_OF(r));
		if (!r->reporting)
			judge_fail(f->judge, RUN " failed, and nobody is told", RUN_OF(r));
	} else {
		r->state = FLOW_IS_CANCELED;
		f->judge->counts.flow.canceled++;
		if (!r->cancel_asked)
			judge_fail(f->judge, RUN " was cancelled by nobody", RUN_OF(r));
	}
}

static struct str text(const struct json *v, struct str key)
{
	const struct json *m = json_get(v, key);

	return m != NULL && m->kind == JSON_STRING ? m->text : STR_NULL;
}

static int64_t number(const struct json *v, struct str key)
{
	const struct json *m = json_get(v, key);
	int64_t n = 0;

	return m != NULL && json_i64(m, &n) ? n : 0;
}

/* A step that waits, one that invokes, or where a run that begins comes from. */
static void on_run_step(struct flow_judge *f, struct flow_run *r, const struct event *e)
{
	char error[96];
	const struct json *v = json_parse(&f->arena, arena_str(&f->arena, e->response_body), error);
	const struct json *resumed = v != NULL ? json_get(v, STR("resumed")) : NULL;
	int64_t step = v != NULL ? number(v, STR("stepId")) : 0;

	if (resumed != NULL) {
		f->resuming = flow_find_run(f, text(resumed, STR("workflowRunId")),
					    number(resumed, STR("workflowCreatedAt")));
	} else if (r != NULL && step > 0 && step <= FLOW_STEPS_MAX) {
		r->deadline_ms[step] = number(v, STR("waitTimeoutDeadline"));
		if (text(v, STR("invokedWorkflowRunId")).n == 0)
			return;
		f->invoking = r;
		f->invoking_step = step;
		f->invoked = text(v, STR("invokedWorkflowRunId"));
		f->invoked_ms = number(v, STR("invokedWorkflowCreatedAt"));
	}
}

void judge_flow_event(struct judge *j, const struct judge_turn *turn, const struct event *e)
{
	struct flow_judge *f = j->flows;
	struct judge_flow_msg *m = judge_flow_find(j, e->id);

	f->turn = turn;
	if (e->state == EVENT_CREATED)
		on_created(f, e);
	else if (e->state == EVENT_RUN_STEP)
		on_run_step(f, m != NULL ? m->run : NULL, e);
	else if (m == NULL)
		judge_fail(j, "an event %.*s of a workflow's message that was never created",
			   STR_FMT(event_state_name(e->state)));
	else if (e->state == EVENT_RUN_SUCCESS || e->state == EVENT_RUN_FAILED ||
		 e->state == EVENT_RUN_CANCELED)
		on_run(f, m->run, e);
	else if (m->over)
		judge_fail(j, RUN ": a message that is over has an event %.*s", RUN_OF(m->run),
			   STR_FMT(event_state_name(e->state)));
	else
		on_state(f, m, e);
}

/* ---- what is asked ------------------------------------------------------------------------------------ */

void judge_flow_start_asked(struct judge *j, struct str run, struct str payload)
{
	struct flow_judge *f = j->flows;

	check(f->starts < countof(f->start));
	f->start[f->starts++] =
		(struct flow_start){ arena_str(&f->arena, run), arena_str(&f->arena, payload) };
}

void judge_flow_cancel_asked(struct judge *j, struct str run, int64_t created_ms)
{
	struct flow_run *r = flow_find_run(j->flows, run, created_ms);

	if (r != NULL)
		r->cancel_asked = true;
}

void judge_flow_dlq_asked(struct judge *j)
{
	j->flows->dlq_asked = true;
}

int judge_flow_note_asked(struct judge *j, struct str event, struct str run)
{
	struct flow_judge *f = j->flows;

	check(f->notes < (int)countof(f->note));
	f->note[f->notes] = (struct flow_note){
		.event = arena_str(&f->arena, event),
		.name = arena_str(&f->arena, run),
		.asked = run.n > 0 ? flow_find_run(f, run, 0) : NULL,
	};
	return f->notes++;
}

void judge_flow_noted(struct judge *j, int note)
{
	struct flow_note *n = &j->flows->note[note];

	/* When one of that name has ended meanwhile, nobody knows which it was for. */
	if (flow_find_run(j->flows, n->name, 0) == n->asked)
		n->run = n->asked;
}

void judge_flow_accepted(struct judge *j, struct msg_id id)
{
	if (judge_flow_find(j, id) == NULL)
		judge_fail(j, "a message of a workflow was accepted but is not there");
}

void judge_flow_refused(struct judge *j, struct str run, int64_t created_ms)
{
	struct flow_run *r = flow_find_run(j->flows, run, created_ms);

	if (r != NULL && r->state == FLOW_IS_OPEN)
		judge_fail(j, RUN " is open, but took no message", RUN_OF(r));
}

void judge_flow_is_over(struct judge *j, struct str run, int64_t created_ms)
{
	struct flow_run *r = flow_find_run(j->flows, run, created_ms);

	if (created_ms > 0 && (r == NULL || r->state == FLOW_IS_OPEN))
		judge_fail(j, "run %.*s is said to be over", STR_FMT(run));
}

bool judge_flow_pick(const struct judge *j, uint64_t dice, struct str *ret_run)
{
	struct list *it, *tmp;
	uint64_t n = 0;

	list_each(it, tmp, &j->flows->runs)
		n += list_entry(it, struct flow_run, node)->state == FLOW_IS_OPEN;
	if (n == 0)
		return false;
	dice %= n;
	list_each(it, tmp, &j->flows->runs) {
		const struct flow_run *r = list_entry(it, struct flow_run, node);

		if (r->state == FLOW_IS_OPEN && dice-- == 0) {
			*ret_run = r->name;
			return true;
		}
	}
	unreachable();
}

/* ---- the end ------------------------------------------------------------------------------------------ */

int64_t judge_flow_pending(const struct judge *j)
{
	struct list *it, *tmp;
	int64_t n = 0;

	list_each(it, tmp, &j->flows->runs)
		n += list_entry(it, struct flow_run, node)->state == FLOW_IS_OPEN;
	list_each(it, tmp, &j->flows->msgs)
		n++;
	return n;
}

void judge_flow_end(struct judge *j)
{
	struct list *it, *tmp;

	list_each(it, tmp, &j->flows->runs) {
		const struct flow_run *r = list_entry(it, struct flow_run, node);

		if (r->state == FLOW_IS_OPEN)
			judge_fail(j, RUN " never ends; it has %zu entries%s", RUN_OF(r), r->n,
				   r->doomed ? ", and a message of it has failed" : "");
	}
	if (!list_is_empty(&j->flows->msgs))
		judge_fail(j, "a message of a workflow never ends");
}
