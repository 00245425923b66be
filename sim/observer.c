#include "observer.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "core/event.h"
#include "judge_flow.h"
#include "mark.h"

static void observed(struct store_req *req)
{
	bool *done = req->arg;

	check(req->result == STORE_APPLIED);
	*done = true;
}

static void observe(struct world *w, struct store_req *req, const bool *done)
{
	store_submit(w->observer, req);
	store_flush(w->observer, world_wall_ms(w));
	store_poll(w->observer);
	check(*done);
}

static void note_mark(struct world *w, const struct mark *m, int slot)
{
	static const char *const doc[] = { "-", "meta", "user", "group", "schedule" };

	if (m->kind == MOVE_GATE)
		world_note(w, "p%d: %.*s of %.*s: op %d", slot, STR_FMT(m->name), STR_FMT(m->user),
			   (int)m->op);
	else if (m->kind == MOVE_DLQ_REMOVE)
		world_note(w, "p%d: dead letter %" PRIx64 " %s", slot, m->dlq.seq,
			   m->puts > 0 ? "retried" : "deleted");
	else if (m->kind != MOVE_PUT && m->doc < countof(doc))
		world_note(w, "p%d: %s %.*s of %.*s %s, %zu messages", slot, doc[m->doc],
			   STR_FMT(m->name), STR_FMT(m->user),
			   m->kind == MOVE_DOC_PUT ? "stored" : "removed", m->puts);
}

static void trace_events(struct world *w, struct str events, int slot)
{
	struct arena a;
	struct event e;
	struct mark m;

	arena_init(&a);
	while (event_next(&a, &events, &e) == 1) {
		if (mark_decode(&e, &m)) {
			note_mark(w, &m, slot);
			continue;
		}
		world_note(w, "p%d: %" PRIx64 " %.*s retried %" PRId64 " status %" PRId64, slot,
			   e.id.seq, STR_FMT(event_state_name(e.state)), e.retried,
			   e.response_status);
	}
	arena_done(&a);
}

/* BREAK_LOSE: takes away the first event, now and then. */
static struct str lose_one(struct world *w, struct str events)
{
	struct str rest = events;
	struct arena a;
	struct event e;
	struct mark m;

	if (w->broken != BREAK_LOSE || w->lost_one || w->now_ms < 30000)
		return events;
	arena_init(&a);
	/* Marks stand before what they belong to; a step without events is passed over. */
	do {
		w->lost_one = event_next(&a, &rest, &e) == 1;
	} while (w->lost_one && mark_decode(&e, &m));
	arena_done(&a);
	return w->lost_one ? rest : events;
}

void observer_read_log(struct world *w, const struct proc *p)
{
	struct judge_turn turn = {
		.holder = p->holder,
		.now_ms = w->now_ms,
		.wall_ms = world_wall_ms(w) + p->skew_ms,
		.lag_ms = world_is_calm(w) ? 1000 : 0,
	};
	bool more = true;

	while (more) {
		bool done = false;
		struct tail t;

		tail_init(&t, w->tail_pos, 1024 * 1024, observed, &done);
		arena_init(&t.arena);
		observe(w, &t.req, &done);
		w->tail_pos = t.last;
		trace_events(w, t.events, p->slot);
		judge_events(w->judge, &turn, lose_one(w, t.events));
		more = t.more;
		arena_done(&t.arena);
	}
}

static void compare_user(struct world *w, int user, enum scan_kind kind)
{
	char name[16];
	bool done = false;
	struct scan s;

	scan_init(&s, kind, observed, &done);
	s.user = str_n(name, (size_t)snprintf(name, sizeof(name), "user%d", user));
	s.max = 1000;
	s.bytes_max = SIZE_MAX;
	arena_init(&s.arena);
	observe(w, &s.req, &done);
	if (s.more)
		judge_fail(w->judge, "user%d has more than %zu rows", user, s.max);
	if (kind == SCAN_MESSAGES) {
		judge_rows_start(w->judge, user);
		for (size_t i = 0; i < s.rows; i++)
			judge_row(w->judge, &s.row[i]);
		judge_rows_end(w->judge, user);
	} else {
		for (size_t i = 0; i < s.rows; i++)
			judge_dead_row(w->judge, &s.row[i]);
		judge_dead_rows_end(w->judge, user);
	}
	arena_done(&s.arena);
}

static void compare_gates(struct world *w, int user, enum gate_kind kind)
{
	char name[16];
	bool done = false;
	struct scan s;

	scan_init(&s, SCAN_GATES, observed, &done);
	s.user = str_n(name, (size_t)snprintf(name, sizeof(name), "user%d", user));
	s.gate = kind;
	s.max = 100;
	s.bytes_max = SIZE_MAX;
	arena_init(&s.arena);
	observe(w, &s.req, &done);
	for (size_t i = 0; i < s.rows; i++)
		judge_gate_row(w->judge, user, &s.row[i]);
	arena_done(&s.arena);
}

static void compare_runs(struct world *w)
{
	bool done = false;
	struct scan s;

	scan_init(&s, SCAN_RUNS, observed, &done);
	s.user = JUDGE_FLOW_USER;
	s.max = 1000;
	s.bytes_max = SIZE_MAX;
	arena_init(&s.arena);
	observe(w, &s.req, &done);
	check(!s.more);
	for (size_t i = 0; i < s.rows; i++)
		judge_flow_row(w->judge, s.row[i].name, s.row[i].created_ms);
	judge_flow_rows_end(w->judge);
	arena_done(&s.arena);
}

void observer_compare(struct world *w)
{
	/* Otherwise a gate that is broken on purpose is noticed here before anything starts that must not. */
	bool gates = w->broken < BREAK_PAUSE || w->broken > BREAK_RATE;

	for (int u = 0; u < w->users; u++) {
		if (gates) {
			compare_gates(w, u, GATE_QUEUE);
			compare_gates(w, u, GATE_FLOW);
		}
		compare_user(w, u, SCAN_MESSAGES);
		compare_user(w, u, SCAN_DLQ);
	}
	/* Otherwise one that goes on after its end is noticed here first. */
	if (w->broken != BREAK_UNDEAD)
		compare_runs(w);
}

void observer_check(struct world *w, const char *after)
{
	char error[200];

	observer_compare(w);
	if (!sqlite_db_check(w->db, world_wall_ms(w), error))
		judge_fail(w->judge, "the store contradicts itself after %s: %s", after, error);
}
