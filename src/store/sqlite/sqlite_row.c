#include "store/sqlite/sqlite_int.h"

static bool row_read(struct sqlite_db *db, sqlite3_stmt *s, struct sqlite_row *r,
		     int64_t ret_gate_id[3])
{
	if (!sqlite_sql_row(db, s))
		return false;
	r->seq = sqlite3_column_int64(s, 0);
	r->nonce = sqlite3_column_int64(s, 1);
	ret_gate_id[0] = sqlite3_column_int64(s, 2);
	r->lane = sqlite3_column_int64(s, 3);
	r->ord = sqlite3_column_int64(s, 4);
	r->due_ms = sqlite3_column_int64(s, 5);
	r->retried = sqlite3_column_int64(s, 6);
	r->lease = sqlite3_column_int64(s, 7);
	ret_gate_id[1] = sqlite3_column_int64(s, 8);
	ret_gate_id[2] = sqlite3_column_int64(s, 9);
	r->root = sqlite3_column_int64(s, 10);
	r->flags = sqlite3_column_int64(s, 11);
	return true;
}

static bool gates_find(struct sqlite_db *db, struct sqlite_row *r, const int64_t id[3])
{
	r->user = sqlite_gate_by_id(db, id[0]);
	r->queue = id[1] ? sqlite_gate_by_id(db, id[1]) : NULL;
	r->flow = id[2] ? sqlite_gate_by_id(db, id[2]) : NULL;
	return db->error == SQLITE_OK;
}

bool sqlite_row_get(struct sqlite_db *db, uint64_t seq, struct sqlite_row *ret_row)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_MESSAGE_GET);
	int64_t id[3];
	bool found;

	if (seq > INT64_MAX)
		return false;
	sqlite_sql_int(s, 1, (int64_t)seq);
	found = row_read(db, s, ret_row, id);
	sqlite_sql_end(s);
	return found && gates_find(db, ret_row, id);
}

bool sqlite_row_head(struct sqlite_db *db, struct sqlite_stretch where, struct sqlite_row *ret_row,
		     struct arena *a, struct str *ret_record)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_MESSAGE_HEAD);
	int64_t id[3];
	bool found;

	sqlite_sql_int(s, 1, where.lane);
	sqlite_sql_int(s, 2, where.from);
	sqlite_sql_int(s, 3, where.to);
	found = row_read(db, s, ret_row, id);
	if (found && a != NULL)
		*ret_record = arena_str(a, sqlite_sql_str(s, 12));
	sqlite_sql_end(s);
	return found && gates_find(db, ret_row, id);
}

struct str sqlite_row_record(struct sqlite_db *db, const struct sqlite_row *r, struct arena *a)
{
	sqlite3_stmt *s =
		sqlite_sql_start(db, r->flags & ROW_LARGE ? SQL_LARGE_GET : SQL_MESSAGE_RECORD);
	struct str record = STR_NULL;

	sqlite_sql_int(s, 1, r->seq);
	if (sqlite_sql_row(db, s))
		record = arena_str(a, sqlite_sql_str(s, 0));
	sqlite_sql_end(s);
	return record;
}

size_t sqlite_row_of_user(struct sqlite_db *db, const struct sqlite_gate *user, int64_t after,
			  size_t max, int64_t *ret_seq)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_MESSAGE_OF_USER);
	size_t n = 0;

	sqlite_sql_int(s, 1, user->id);
	sqlite_sql_int(s, 2, after);
	sqlite_sql_int(s, 3, (int64_t)max);
	while (sqlite_sql_row(db, s))
		ret_seq[n++] = sqlite3_column_int64(s, 0);
	sqlite_sql_end(s);
	check(n <= max);
	return n;
}

size_t sqlite_row_record_bytes(struct sqlite_db *db, const struct sqlite_row *r)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_LARGE_SIZE);

	sqlite_sql_int(s, 1, r->seq);
	return (size_t)sqlite_sql_value(db, s, 0);
}

/* ---- lanes ----------------------------------------------------------------------------------- */

static struct sqlite_gate *lane_gate(const struct sqlite_row *r, int64_t lane)
{
	if (lane == r->user->id)
		return r->user;
	if (r->queue != NULL && lane == r->queue->id)
		return r->queue;
	check(r->flow != NULL && lane == r->flow->id);
	return r->flow;
}

static bool is_counted(const struct sqlite_gate *g, int64_t ord)
{
	return g->s.gate.kind == GATE_FLOW || (g->s.gate.kind == GATE_QUEUE && ord >= 0);
}

static void lane_leave(struct sqlite_db *db, const struct sqlite_row *r)
{
	struct sqlite_gate *g;

	if (r->lane <= 0)
		return;
	g = lane_gate(r, r->lane);
	sqlite_gate_change(db, g, g != r->user);
	if (is_counted(g, r->ord)) {
		check(g->s.waiting > 0);
		g->s.waiting--;
	} else if (g == r->user && r->ord <= g->s.head_ms) {
		g->s.head_exact = false;
	}
}

static void lane_enter(struct sqlite_db *db, const struct sqlite_row *r)
{
	struct sqlite_gate *g;

	if (r->lane <= 0)
		return;
	g = lane_gate(r, r->lane);
	sqlite_gate_change(db, g, g != r->user);
	if (is_counted(g, r->ord)) {
		g->s.waiting++;
	} else if (g == r->user && r->ord <= g->s.head_ms) {
		g->s.head_ms = r->ord;
		g->s.head_exact = true;
	}
}

/* After the row is where it is to be, because it may look at the lane. */
static void lane_refresh(struct sqlite_db *db, const struct sqlite_row *r, int64_t lane)
{
	if (lane > 0)
		sqlite_gate_refresh(db, lane_gate(r, lane));
}

static void bind_or_null(sqlite3_stmt *s, int index, int64_t v)
{
	if (v)
		sqlite_sql_int(s, index, v);
	else
		check(sqlite3_bind_null(s, index) == SQLITE_OK);
}

static void large_add(struct sqlite_db *db, int64_t seq, struct str record)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_LARGE_ADD);

	sqlite_sql_int(s, 1, seq);
	sqlite_sql_blob(s, 2, record);
	sqlite_sql_run(db, s);
}

void sqlite_row_add(struct sqlite_db *db, struct sqlite_row *r, struct str record)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_MESSAGE_ADD);
	bool large = record.n > SQLITE_RECORD_INLINE_BYTES;

	check(r->seq > 0 && r->lane != 0);
	if (large)
		r->flags |= ROW_LARGE;
	lane_enter(db, r);
	sqlite_sql_int(s, 1, r->seq);
	sqlite_sql_int(s, 2, r->nonce);
	sqlite_sql_int(s, 3, r->user->id);
	sqlite_sql_int(s, 4, r->lane);
	sqlite_sql_int(s, 5, r->ord);
	sqlite_sql_int(s, 6, r->due_ms);
	sqlite_sql_int(s, 7, r->retried);
	sqlite_sql_int(s, 8, r->lease);
	bind_or_null(s, 9, r->queue ? r->queue->id : 0);
	bind_or_null(s, 10, r->flow ? r->flow->id : 0);
	bind_or_null(s, 11, r->root);
	sqlite_sql_int(s, 12, r->flags);
	if (large)
		check(sqlite3_bind_null(s, 13) == SQLITE_OK);
	else
		sqlite_sql_blob(s, 13, record);
	sqlite_sql_run(db, s);
	if (large)
		large_add(db, r->seq, record);
	lane_refresh(db, r, r->lane);
}

void sqlite_row_place(struct sqlite_db *db, struct sqlite_row *r, struct sqlite_place to)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_MESSAGE_MOVE);
	int64_t former = r->lane;

	lane_leave(db, r);
	r->lane = to.lane;
	r->ord = to.ord;
	lane_enter(db, r);
	sqlite_sql_int(s, 1, r->seq);
	sqlite_sql_int(s, 2, r->lane);
	sqlite_sql_int(s, 3, r->ord);
	sqlite_sql_int(s, 4, r->due_ms);
	sqlite_sql_int(s, 5, r->retried);
	sqlite_sql_int(s, 6, r->lease);
	sqlite_sql_int(s, 7, r->flags);
	sqlite_sql_run(db, s);
	lane_refresh(db, r, former);
	if (r->lane != former)
		lane_refresh(db, r, r->lane);
}

void sqlite_row_remove(struct sqlite_db *db, struct sqlite_row *r)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_MESSAGE_REMOVE);

	lane_leave(db, r);
	sqlite_sql_int(s, 1, r->seq);
	sqlite_sql_run(db, s);
	if (r->flags & ROW_LARGE) {
		s = sqlite_sql_start(db, SQL_LARGE_REMOVE);
		sqlite_sql_int(s, 1, r->seq);
		sqlite_sql_run(db, s);
	}
	lane_refresh(db, r, r->lane);
}

/* ---- slots ----------------------------------------------------------------------------------- */

static void flow_count(struct sqlite_db *db, struct sqlite_row *r, bool start)
{
	struct sqlite_gate *f = r->flow;

	check(start || f->s.gate.running > 0);
	sqlite_gate_change(db, f, true);
	if (start)
		gate_start(&f->s.gate, db->now_ms);
	else
		gate_end(&f->s.gate);
	r->flags ^= ROW_FLOW_SLOT;
	f->s.updated_ms = db->now_ms;
	sqlite_gate_refresh(db, f);
}

void sqlite_row_start(struct sqlite_db *db, struct sqlite_row *r)
{
	check(!(r->flags & ROW_FLOW_SLOT));
	sqlite_gate_change(db, r->user, false);
	gate_start(&r->user->s.gate, db->now_ms);
	sqlite_gate_refresh_user(db, r->user);
	if (r->flow != NULL)
		flow_count(db, r, true);
}

void sqlite_row_stop(struct sqlite_db *db, struct sqlite_row *r)
{
	check(r->lane < 0 && r->user->s.gate.running > 0);
	sqlite_gate_change(db, r->user, false);
	gate_end(&r->user->s.gate);
	sqlite_gate_refresh_user(db, r->user);
	/* Not set after a reset of the key. */
	if (r->flags & ROW_FLOW_SLOT)
		flow_count(db, r, false);
}

/* ---- where to wait --------------------------------------------------------------------------- */

bool sqlite_row_is_paused(const struct sqlite_row *r)
{
	return r->queue != NULL && r->root == 0 && (r->flags & ROW_QUEUE_SLOT) &&
	       r->queue->s.gate.paused;
}

static bool stands_at_flow(struct sqlite_db *db, const struct sqlite_row *r, bool first)
{
	int64_t at_ms;

	if (r->flow == NULL || r->due_ms > db->now_ms)
		return false;
	/* Due ones with this key that no claim has come to yet go before a newer one. */
	if (!first && !list_is_empty(&r->user->ready))
		return false;
	return r->flow->s.waiting > 0 || !gate_may_start(&r->flow->s.gate, db->now_ms, &at_ms);
}

struct sqlite_place sqlite_row_where(struct sqlite_db *db, const struct sqlite_row *r, bool first)
{
	struct sqlite_place p = { r->user->id, r->due_ms };

	if (r->queue != NULL && !(r->flags & ROW_QUEUE_SLOT))
		return (struct sqlite_place){ r->queue->id, r->seq };
	if (stands_at_flow(db, r, first))
		p.lane = r->flow->id;
	if (!first && r->due_ms < db->now_ms)
		p.ord = db->now_ms;
	return p;
}
