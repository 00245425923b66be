#include "store/sqlite/sqlite_int.h"

static bool makes(const struct move *m)
{
	return m->gate.create || m->gate.op == GATE_SET || m->gate.op == GATE_PIN;
}

/* Messages that stood aside because their queue was paused go on where they were. */
static void unpark(struct sqlite_db *db, struct sqlite_gate *queue)
{
	const struct sqlite_stretch parked = { queue->id, INT64_MIN, -1 };
	struct sqlite_row r;

	while (sqlite_row_head(db, parked, &r, NULL, NULL))
		sqlite_row_place(db, &r, sqlite_row_where(db, &r, true));
}

static void set_paused(struct sqlite_db *db, struct sqlite_gate *g, bool paused)
{
	g->s.gate.paused = paused;
	if (!paused && g->s.gate.kind == GATE_QUEUE)
		unpark(db, g);
}

static void set(struct sqlite_db *db, struct sqlite_gate *g, const struct move *m)
{
	if (m->gate.parallelism >= 0)
		g->s.gate.parallelism_max = m->gate.parallelism;
	if (m->gate.paused >= 0)
		set_paused(db, g, m->gate.paused);
}

static void remove_gate(struct sqlite_db *db, struct sqlite_gate *g)
{
	struct gate *c = &g->s.gate;

	switch (c->kind) {
	case GATE_USER:
		c->parallelism_max = 0;
		break;
	case GATE_QUEUE:
		c->parallelism_max = 1;
		set_paused(db, g, false);
		g->s.removed = true;
		break;
	case GATE_FLOW:
		c->paused = c->pinned_parallelism = c->pinned_rate = false;
		break;
	}
}

/* The attempts that run now are no longer counted, and will not be when they end. */
static void forgive_running(struct sqlite_db *db, struct sqlite_gate *flow)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_FLOW_FORGIVE);

	sqlite_sql_int(s, 1, flow->id);
	sqlite_sql_run(db, s);
	flow->s.gate.running = 0;
}

static void change(struct sqlite_db *db, struct sqlite_gate *g, const struct move *m)
{
	switch (m->gate.op) {
	case GATE_SET:
		set(db, g, m);
		break;
	case GATE_REMOVE:
		remove_gate(db, g);
		break;
	case GATE_PAUSE:
	case GATE_RESUME:
		set_paused(db, g, m->gate.op == GATE_PAUSE);
		break;
	case GATE_PIN:
		gate_pin(&g->s.gate, m->gate.parallelism, m->gate.rate, m->gate.period_ms,
			 db->now_ms);
		break;
	case GATE_UNPIN:
		gate_unpin(&g->s.gate, m->gate.unpin_parallelism, m->gate.unpin_rate);
		break;
	case GATE_RESET:
		if (g->s.gate.kind == GATE_FLOW)
			forgive_running(db, g);
		gate_reset_rate(&g->s.gate, db->now_ms);
		break;
	case GATE_RESET_RATE:
		gate_reset_rate(&g->s.gate, db->now_ms);
		break;
	}
}

enum refusal sqlite_gate_move(struct sqlite_db *db, struct move *m)
{
	struct sqlite_gate *user = sqlite_gate_user(db, m->gate.user, makes(m));
	struct sqlite_gate *g = NULL;

	if (db->error != SQLITE_OK)
		return REFUSAL_NONE;
	if (user != NULL)
		g = sqlite_gate_find(db, user, m->gate.gate, m->gate.name);
	if (!sqlite_gate_is_visible(g, db->now_ms)) {
		if (!makes(m))
			return m->gate.op == GATE_REMOVE ? REFUSAL_NONE : REFUSAL_NOT_FOUND;
		if (sqlite_gate_is_full(db, user, m->gate.gate, m->gate.count_max))
			return REFUSAL_LIMIT;
		g = sqlite_gate_make(db, user, m->gate.gate, m->gate.name);
		if (g == NULL)
			return REFUSAL_NONE;
	}
	sqlite_gate_change(db, g, true);
	g->s.updated_ms = db->now_ms;
	change(db, g, m);
	/* Now, because sqlite_gate_is_full counts rows. */
	sqlite_gate_write(db, g);
	sqlite_gate_refresh(db, g);
	return REFUSAL_NONE;
}
