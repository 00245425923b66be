#include "store/sqlite/sqlite_int.h"

#include <stdio.h>

struct checking {
	struct sqlite_db *db;
	char *error; /* 200 bytes; empty = no difference so far */
};

static void differ(struct checking *c, const struct sqlite_gate *g, const char *what,
		   int64_t expected, int64_t found)
{
	static const char *const kind[] = { "user", "queue", "flow" };

	if (c->error[0] != '\0' || expected == found)
		return;
	if (g == NULL)
		snprintf(c->error, 200, "%s is %lld, the rows say %lld", what, (long long)found,
			 (long long)expected);
	else
		snprintf(c->error, 200, "%s gate %.*s (%lld): %s is %lld, the rows say %lld",
			 kind[g->s.gate.kind], STR_FMT(str_sub(g->name, 0, 60)), (long long)g->id,
			 what, (long long)found, (long long)expected);
}

static int64_t count(struct checking *c, enum sqlite_statement id, const struct sqlite_gate *g)
{
	sqlite3_stmt *s = sqlite_sql_start(c->db, id);

	if (g != NULL)
		sqlite_sql_int(s, 1, g->id);
	return sqlite_sql_value(c->db, s, 0);
}

static int64_t lane_count(struct checking *c, const struct sqlite_gate *g, int64_t from)
{
	sqlite3_stmt *s = sqlite_sql_start(c->db, SQL_CHECK_LANES);

	sqlite_sql_int(s, 1, g->id);
	sqlite_sql_int(s, 2, from);
	return sqlite_sql_value(c->db, s, 0);
}

static int64_t lane_first(struct checking *c, const struct sqlite_gate *g)
{
	sqlite3_stmt *s = sqlite_sql_start(c->db, SQL_LANE_FIRST);

	sqlite_sql_int(s, 1, g->id);
	return sqlite_sql_value(c->db, s, INT64_MAX);
}

static void check_counts(struct checking *c, const struct sqlite_gate *g)
{
	switch (g->s.gate.kind) {
	case GATE_USER:
		differ(c, g, "running", count(c, SQL_CHECK_LEASED, g), g->s.gate.running);
		break;
	case GATE_QUEUE:
		differ(c, g, "running", count(c, SQL_CHECK_SLOTS, g), g->s.gate.running);
		differ(c, g, "waiting", lane_count(c, g, 0), g->s.waiting);
		differ(c, g, "messages", count(c, SQL_CHECK_QUEUES, g), g->s.messages);
		break;
	case GATE_FLOW:
		differ(c, g, "running", count(c, SQL_CHECK_FLOWS, g), g->s.gate.running);
		differ(c, g, "waiting", lane_count(c, g, INT64_MIN), g->s.waiting);
		differ(c, g, "messages", count(c, SQL_CHECK_KEYED, g), g->s.messages);
		break;
	}
}

/* The first of a user's lane, and who is ready. */
static void check_ready(struct checking *c, const struct sqlite_gate *g)
{
	int64_t now_ms = c->db->now_ms, at_ms;
	bool open = gate_may_start(&g->s.gate, now_ms, &at_ms);
	bool ready;

	if (g->s.gate.kind == GATE_USER) {
		int64_t first = lane_first(c, g);

		if (g->s.head_exact || g->s.head_ms > first)
			differ(c, g, "head", first, g->s.head_ms);
		ready = first <= now_ms;
		differ(c, g, "being in the rotation", open && !list_is_empty(&g->ready_lanes),
		       !list_is_empty(&g->rotation));
	} else {
		/* A window that lay ahead, because the clock was set back, closes its gate when a claim comes
		 * to it (sqlite_claim.c). */
		if (!open && at_ms != INT64_MAX && !list_is_empty(&g->ready))
			return;
		ready = open && g->s.waiting > 0;
		/* Nobody would ever wake it. */
		if (!ready && g->s.waiting > 0 && at_ms != INT64_MAX)
			differ(c, g, "wake-up", at_ms, g->wake.pos ? g->wake.key : INT64_MAX);
	}
	differ(c, g, "being ready", ready, !list_is_empty(&g->ready));
}

static void check_usage(struct checking *c, const struct sqlite_gate *g)
{
	int64_t kept = sqlite_usage_day(c->db) - USAGE_DAYS_KEPT + 31;
	const struct usage *u;
	struct sqlite_usage rows;

	/* The rows of days long past may have been removed. */
	if (g->usage == NULL || g->usage->day.day < kept)
		return;
	u = &g->usage->day;
	sqlite_usage_read(c->db, g, u->day, &rows);
	differ(c, g, "usage: messages", rows.day.messages, u->messages);
	differ(c, g, "usage: bytes", rows.day.bytes, u->bytes);
	differ(c, g, "usage: delivered", rows.day.delivered, u->delivered);
	differ(c, g, "usage: retried", rows.day.retried, u->retried);
	differ(c, g, "usage: errors", rows.day.errors, u->errors);
	differ(c, g, "usage: failed", rows.day.failed, u->failed);
	differ(c, g, "usage: cancelled", rows.day.cancelled, u->cancelled);
	differ(c, g, "usage: the month's other bytes", rows.month_bytes, g->usage->month_bytes);
}

static void check_gates(struct checking *c)
{
	sqlite3_stmt *s = sqlite_sql_start(c->db, SQL_CHECK_GATES);
	int64_t n = 0;

	while (c->error[0] == '\0' && sqlite_sql_row(c->db, s)) {
		struct sqlite_gate *g = sqlite_gate_by_id(c->db, sqlite3_column_int64(s, 0));

		if (g == NULL)
			break;
		check_counts(c, g);
		check_ready(c, g);
		check_usage(c, g);
		n++;
	}
	sqlite_sql_end(s);
	differ(c, NULL, "number of gates", n, (int64_t)c->db->gates.n);
}

bool sqlite_db_check(struct sqlite_db *db, int64_t now_ms, char ret_error[200])
{
	struct checking c = { .db = db, .error = ret_error };

	ret_error[0] = '\0';
	sqlite_batch_begin(db, NULL, now_ms);
	differ(&c, NULL, "number of messages", count(&c, SQL_CHECK_MESSAGES, NULL),
	       db->count.messages);
	differ(&c, NULL, "number of large records", count(&c, SQL_CHECK_LARGE, NULL), 0);
	differ(&c, NULL, "number of members of runs", count(&c, SQL_CHECK_MEMBERS, NULL), 0);
	differ(&c, NULL, "number of half-done ends", 0, (int64_t)db->endings);
	check_gates(&c);
	if (!sqlite_batch_end(db) && ret_error[0] == '\0')
		snprintf(ret_error, 200, "the database cannot be read: %s",
			 sqlite3_errstr(db->error));
	return ret_error[0] == '\0';
}
