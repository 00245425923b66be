#include "judge.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "judge_int.h"

struct judge *judge_new(const struct judge_settings *settings)
{
	struct judge *j = xcalloc(1, sizeof(*j));

	j->set = *settings;
	arena_init(&j->arena);
	map_init(&j->by_seq, 1);
	list_init(&j->pending);
	list_init(&j->dead);
	list_init(&j->over);
	list_init(&j->attempts);
	j->flows = judge_flow_new(j);
	for (int u = 0; u < JUDGE_USERS; u++) {
		for (int i = 0; i < JUDGE_NAMES; i++) {
			list_init(&j->user[u].queue[i].list);
			j->user[u].queue[i].parallelism = j->user[u].queue[i].cap = 1;
			j->user[u].flow[i].gate =
				(struct gate){ .kind = GATE_FLOW, .rate_period_ms = 1000 };
			j->user[u].group[i].state[0].until_ms = INT64_MAX;
		}
	}
	return j;
}

void judge_free(struct judge *j)
{
	judge_flow_free(j->flows);
	map_done(&j->by_seq);
	arena_done(&j->arena);
	free(j);
}

const char *judge_verdict(const struct judge *j)
{
	return j->verdict[0] != '\0' ? j->verdict : NULL;
}

void judge_fail(struct judge *j, const char *fmt, ...)
{
	va_list args;

	if (j->verdict[0] != '\0')
		return;
	va_start(args, fmt);
	vsnprintf(j->verdict, sizeof(j->verdict), fmt, args);
	va_end(args);
}

struct judge_msg *judge_find(const struct judge *j, struct msg_id id)
{
	struct judge_msg *m = map_get(&j->by_seq, map_key_u64(&id.seq));

	return m != NULL && m->msg.id.nonce == id.nonce ? m : NULL;
}

/* ---- the life of a message ---------------------------------------------------------------------------- */

/* "%d" of a message in a verdict: its tag says more than its id. */
#define NAME "message %d (seq %" PRIu64 ")"
#define NAME_OF(m) (m)->tag, (m)->seq

static void over(struct judge *j, struct judge_msg *m)
{
	m->state = JUDGE_OVER;
	m->gone_ms = 0;
	m->holder = 0;
	judge_slot_end(j, m);
	list_remove(&m->node);
	list_push(&j->over, &m->node);
	j->user[m->user].pending--;
	judge_queue_leave(j, m);
}

static void on_active(struct judge *j, struct judge_msg *m, const struct event *e)
{
	if (m->state == JUDGE_ACTIVE && !m->excused)
		judge_fail(j, NAME " was started again while holder %d has it", NAME_OF(m),
			   m->holder);
	if (e->time_ms < m->due_ms)
		judge_fail(j, NAME " started %" PRId64 " ms before it was due", NAME_OF(m),
			   m->due_ms - e->time_ms);
	if (m->cancel_requested)
		judge_fail(j, NAME " was started although it is cancelled", NAME_OF(m));
	if (e->retried != m->retried)
		judge_fail(j, NAME " started as retry %" PRId64 ", not %" PRId64, NAME_OF(m),
			   e->retried, m->retried);
	judge_slot_end(j, m);
	judge_gates_start(j, m, e->time_ms);
	if (m->gone_ms != 0)
		j->counts.returned++;
	m->state = JUDGE_ACTIVE;
	m->started = true;
	m->holder = j->turn.holder;
	m->gone_ms = 0;
	m->actives++;
	m->outcome = (struct judge_outcome){ .status = -1, .retry_after_ms = -1 };
}

/* Callbacks are made by the step that settles; they come next in the log. */
static void expect_callbacks(struct judge *j, struct judge_msg *m, bool dead)
{
	j->expects = j->expects_done = 0;
	j->expect_source = m;
	if (m->msg.flags & MSG_IS_CALLBACK)
		return;
	if (m->msg.callback.n > 0)
		j->expect_url[j->expects++] = m->msg.callback;
	if (dead && m->msg.failure_callback.n > 0)
		j->expect_url[j->expects++] = m->msg.failure_callback;
	/* They share its queue slot, so they count before it is over. */
	if (m->queue >= 0)
		m->family += j->expects;
}

static void check_attempt(struct judge *j, struct judge_msg *m, const struct event *e)
{
	if (m->state != JUDGE_ACTIVE)
		judge_fail(j, NAME " has an outcome but was not being attempted", NAME_OF(m));
	else if (m->holder != j->turn.holder)
		judge_fail(j, NAME " is held by %d but settled by %d", NAME_OF(m), m->holder,
			   j->turn.holder);
	else if (e->response_status != m->outcome.status && !m->excused)
		judge_fail(j, NAME " was settled with status %" PRId64 ", its holder got %" PRId64,
			   NAME_OF(m), e->response_status, m->outcome.status);
	else if (e->retried != m->retried)
		judge_fail(j, NAME " was settled as retry %" PRId64 ", not %" PRId64, NAME_OF(m),
			   e->retried, m->retried);
}

static void on_delivered(struct judge *j, struct judge_msg *m, const struct event *e)
{
	check_attempt(j, m, e);
	if (m->acks == 0)
		judge_fail(j, NAME " is called delivered, but no endpoint said so", NAME_OF(m));
	if (e->response_status < 200 || e->response_status > 299)
		judge_fail(j, NAME " is called delivered with status %" PRId64, NAME_OF(m),
			   e->response_status);
	j->counts.delivered++;
	expect_callbacks(j, m, false);
	over(j, m);
}

static void on_error(struct judge *j, struct judge_msg *m, const struct event *e)
{
	check_attempt(j, m, e);
	if (e->response_status >= 200 && e->response_status <= 299)
		judge_fail(j, NAME " failed with status %" PRId64, NAME_OF(m), e->response_status);
	m->state = JUDGE_ERRED;
}

/* The delay rules, written a second time. */
static int64_t expected_delay_ms(const struct judge_msg *m)
{
	static const int64_t backoff_ms[] = { 12000, 148000, 1808000 };
	struct str expr = m->msg.retry_delay;

	if (m->outcome.retry_after_ms >= 0)
		return m->outcome.retry_after_ms;
	if (str_eq(expr, STR("1000")))
		return 1000;
	if (str_eq(expr, STR("pow(2, retried) * 1000")))
		return (int64_t)pow(2, (double)m->retried) * 1000;
	if (str_eq(expr, STR("max(3000, retried * 7000)")))
		return m->retried > 0 ? m->retried * 7000 : 3000;
	check(expr.n == 0 && m->retried < (int64_t)countof(backoff_ms));
	return backoff_ms[m->retried];
}

static void on_retry(struct judge *j, struct judge_msg *m, const struct event *e)
{
	if (m->state != JUDGE_ERRED)
		judge_fail(j, NAME " has RETRY without ERROR", NAME_OF(m));
	if (m->retried >= m->msg.retries_max || m->outcome.non_retryable)
		judge_fail(j, NAME " is retried although it must not be", NAME_OF(m));
	else if (e->next_delivery_ms - e->time_ms != expected_delay_ms(m))
		judge_fail(j, NAME " is retried after %" PRId64 " ms instead of %" PRId64,
			   NAME_OF(m), e->next_delivery_ms - e->time_ms, expected_delay_ms(m));
	m->due_ms = e->next_delivery_ms;
	m->state = JUDGE_PENDING;
	m->holder = 0;
	judge_slot_end(j, m);
	expect_callbacks(j, m, false);
	m->retried++;
}

static void on_failed(struct judge *j, struct judge_msg *m, const struct event *e)
{
	if (m->state != JUDGE_ERRED)
		judge_fail(j, NAME " has FAILED without ERROR", NAME_OF(m));
	if (m->retried < m->msg.retries_max && !m->outcome.non_retryable)
		judge_fail(j, NAME " failed with %" PRId64 " of %" PRId64 " retries made",
			   NAME_OF(m), m->retried, m->msg.retries_max);
	j->counts.failed++;
	expect_callbacks(j, m, true);
	over(j, m);
	list_remove(&m->node);
	list_push(&j->dead, &m->node);
	m->dead = true;
	m->dlq_ms = e->time_ms;
	m->dead_order = j->order;
}

static void on_cancel(struct judge *j, struct judge_msg *m, const struct event *e)
{
	if (e->state == EVENT_CANCEL_REQUESTED) {
		judge_cancelled(j, m);
		return;
	}
	if (!m->cancel_requested)
		judge_fail(j, NAME " was cancelled without a request", NAME_OF(m));
	j->counts.canceled++;
	over(j, m);
}

static void on_state(struct judge *j, struct judge_msg *m, const struct event *e)
{
	switch (e->state) {
	case EVENT_ACTIVE:
		on_active(j, m, e);
		break;
	case EVENT_DELIVERED:
		on_delivered(j, m, e);
		break;
	case EVENT_ERROR:
		on_error(j, m, e);
		break;
	case EVENT_RETRY:
		on_retry(j, m, e);
		break;
	case EVENT_FAILED:
		on_failed(j, m, e);
		break;
	case EVENT_CANCEL_REQUESTED:
	case EVENT_CANCELED:
		on_cancel(j, m, e);
		break;
	default:
		judge_fail(j, NAME " has an event of no known state", NAME_OF(m));
	}
}

static void on_mark(struct judge *j, const struct mark *mark)
{
	/* Those of puts stand before the CREATED that they belong to. */
	if (mark->kind != MOVE_PUT)
		judge_step_end(j);
	j->counts.changes += mark->kind == MOVE_GATE || mark->kind == MOVE_DOC_PUT;
	if (mark->kind == MOVE_PUT)
		judge_on_put(j, mark);
	else if (mark->kind == MOVE_GATE)
		judge_on_gate(j, mark);
	else if (mark->kind == MOVE_DLQ_REMOVE)
		judge_on_dlq(j, mark);
	else
		judge_on_doc(j, mark);
}

static void on_event(struct judge *j, const struct event *e)
{
	struct judge_msg *m = judge_find(j, e->id);
	int64_t lag_ms = j->turn.wall_ms - e->time_ms;

	if (e->state != EVENT_CREATED)
		judge_step_end(j);
	if (j->turn.lag_ms > 0 && (lag_ms < -j->turn.lag_ms || lag_ms > j->turn.lag_ms))
		judge_fail(j, "an event %.*s carries a time that is %" PRId64 " ms behind",
			   STR_FMT(event_state_name(e->state)), lag_ms);
	if (e->state == EVENT_CREATED) {
		if (m != NULL)
			judge_fail(j, NAME " was created twice", NAME_OF(m));
		else
			judge_created(j, e);
		return;
	}
	if (m == NULL) {
		judge_fail(j, "an event %.*s of a message that was never created (seq %" PRIu64 ")",
			   STR_FMT(event_state_name(e->state)), e->id.seq);
		return;
	}
	if (m->state == JUDGE_OVER)
		judge_fail(j, NAME " is over and has an event %.*s", NAME_OF(m),
			   STR_FMT(event_state_name(e->state)));
	else
		on_state(j, m, e);
	m->time_ms = e->time_ms;
}

void judge_step_end(struct judge *j)
{
	if (j->expects_done < j->expects)
		judge_fail(j, "the callback of " NAME " is missing", NAME_OF(j->expect_source));
	if (j->ticking != NULL)
		judge_fail(j, "%zu messages of schedule %.*s are missing", j->ticks_left,
			   STR_FMT(j->ticking->id));
	if (j->reviving != NULL)
		judge_fail(j, "the retry of " NAME " is missing", NAME_OF(j->reviving));
	j->expects = j->expects_done = 0;
	j->ticking = NULL;
	j->reviving = NULL;
}

void judge_events(struct judge *j, const struct judge_turn *turn, struct str events)
{
	struct arena a;
	struct event e;
	struct mark mark;
	int got = 0;

	j->turn = *turn;
	arena_init(&a);
	while (judge_verdict(j) == NULL && (got = event_next(&a, &events, &e)) == 1) {
		j->order++;
		j->counts.events++;
		if (mark_decode(&e, &mark))
			on_mark(j, &mark);
		else if (str_eq(e.user, JUDGE_FLOW_USER))
			judge_flow_event(j, turn, &e);
		else
			on_event(j, &e);
	}
	if (got < 0)
		judge_fail(j, "the log of events is broken");
	judge_step_end(j);
	arena_done(&a);
}
