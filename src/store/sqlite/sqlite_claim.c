#include "store/sqlite/sqlite_int.h"

#include <stdlib.h>

/* A claim in the making. */
struct taking {
	struct sqlite_db *db;
	struct claim *claim;
	size_t cap;   /* of claim->leased */
	size_t bytes; /* of records leased */
	size_t looked, looked_max;
	bool full; /* the next one has no room */
};

/* ---- leases of dead holders ------------------------------------------------------------------ */

void sqlite_claim_end_leases(struct sqlite_db *db, int64_t holder_id)
{
	const struct sqlite_stretch leased = { -holder_id, INT64_MIN, INT64_MAX };
	struct sqlite_row r;

	while (sqlite_row_head(db, leased, &r, NULL, NULL))
		sqlite_message_return(db, &r);
	sqlite_message_free_slots(db);
}

static bool holder_is_known(struct sqlite_db *db, int64_t id)
{
	struct list *node, *tmp;

	list_each(node, tmp, &db->holders) {
		if (list_entry(node, struct sqlite_holder, node)->id == id)
			return true;
	}
	return false;
}

void sqlite_claim_load_holders(struct sqlite_db *db)
{
	int64_t lane = 0;

	for (;;) {
		sqlite3_stmt *s = sqlite_sql_start(db, SQL_LANE_HOLDER);
		struct sqlite_holder *h;

		sqlite_sql_int(s, 1, lane);
		lane = sqlite_sql_value(db, s, 0);
		if (lane == 0)
			return;
		if (holder_is_known(db, -lane))
			continue;
		h = xcalloc(1, sizeof(*h));
		*h = (struct sqlite_holder){ .id = -lane, .beat_ms = 0, .gone = true };
		list_push(&db->holders, &h->node);
	}
}

static bool holds_any(struct sqlite_db *db, const struct sqlite_holder *h)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_MESSAGE_HELD);

	sqlite_sql_int(s, 1, -h->id);
	return sqlite_sql_value(db, s, 0);
}

static void holder_forget(struct sqlite_db *db, struct sqlite_holder *h)
{
	if (!h->gone || db->error != SQLITE_OK)
		return;
	list_remove(&h->node);
	free(h);
}

/* Ends the leases of the dead, and says in *next_ms when the next holder may turn out to be. */
static void holders_look(struct sqlite_db *db, int64_t *next_ms)
{
	struct list *node, *tmp;

	list_each(node, tmp, &db->holders) {
		struct sqlite_holder *h = list_entry(node, struct sqlite_holder, node);
		int64_t dead_ms;

		/* Ours may be giving a sign of life right now, on the loop's thread. */
		if (h == db->holder)
			continue;
		/* A sign of life from the future was given before the clock was set back. */
		if (h->beat_ms > db->now_ms)
			h->beat_ms = db->now_ms;
		dead_ms = h->beat_ms + db->lease_ms;
		if (!holds_any(db, h)) {
			holder_forget(db, h);
		} else if (dead_ms <= db->now_ms) {
			sqlite_claim_end_leases(db, h->id);
		} else if (dead_ms < *next_ms) {
			*next_ms = dead_ms;
		}
	}
}

void sqlite_claim_end_all(struct sqlite_db *db)
{
	struct list *node, *tmp;

	list_each(node, tmp, &db->holders) {
		struct sqlite_holder *h = list_entry(node, struct sqlite_holder, node);

		if (h->gone)
			sqlite_claim_end_leases(db, h->id);
	}
}

/* ---- taking ---------------------------------------------------------------------------------- */

static void hand_out(struct taking *t, const struct sqlite_row *r, struct str record)
{
	struct claim *c = t->claim;

	c->leased = sqlite_sql_grow(&c->arena, c->leased, c->n, &t->cap, sizeof(*c->leased));
	c->leased[c->n++] = (struct leased){
		.id = { (uint64_t)r->seq, (uint64_t)r->nonce },
		.record = record,
		.retried = r->retried,
		.lease = (uint64_t)r->lease,
	};
	t->bytes += record.n;
}

static void lease(struct taking *t, struct sqlite_row *r, struct str record)
{
	struct sqlite_db *db = t->db;

	if (r->flags & ROW_LARGE)
		record = sqlite_row_record(db, r, &t->claim->arena);
	sqlite_row_start(db, r);
	r->lease = db->token;
	sqlite_row_place(db, r, (struct sqlite_place){ -db->holder->id, r->seq });
	sqlite_message_log(db, r, EVENT_ACTIVE, record);
	hand_out(t, r, record);
}

static bool has_room(struct taking *t, const struct sqlite_row *r, struct str record)
{
	size_t n = r->flags & ROW_LARGE ? sqlite_row_record_bytes(t->db, r) : record.n;

	return t->claim->n == 0 ||
	       (n <= t->claim->bytes_max && t->bytes <= t->claim->bytes_max - n);
}

enum way { WAY_START, WAY_SCHEDULE, WAY_FLOW, WAY_PARK };

/* Where the first message of a ready lane goes now. */
static enum way way_of(struct sqlite_db *db, const struct sqlite_gate *lane,
		       const struct sqlite_row *r)
{
	int64_t at_ms;

	if (sqlite_row_is_paused(r))
		return WAY_PARK;
	if (r->due_ms > db->now_ms)
		return WAY_SCHEDULE;
	if (r->flow == NULL || r->flow == lane)
		return WAY_START;
	if (r->flow->s.waiting > 0 || !gate_may_start(&r->flow->s.gate, db->now_ms, &at_ms))
		return WAY_FLOW;
	return WAY_START;
}

static void go(struct taking *t, struct sqlite_row *r, enum way way, struct str record)
{
	struct sqlite_db *db = t->db;
	/* Out of a queue it comes to its key now. */
	int64_t ord = r->queue != NULL && r->lane == r->queue->id ? db->now_ms : r->ord;

	switch (way) {
	case WAY_START:
		lease(t, r, record);
		break;
	case WAY_SCHEDULE:
		sqlite_row_place(db, r, (struct sqlite_place){ r->user->id, r->due_ms });
		break;
	case WAY_FLOW:
		sqlite_row_place(db, r, (struct sqlite_place){ r->flow->id, ord });
		break;
	case WAY_PARK:
		sqlite_row_place(db, r, (struct sqlite_place){ r->queue->id, r->seq + INT64_MIN });
		break;
	}
}

/* Who may be moved on: in a user's lane the due, in a queue's those that are not parked. */
static struct sqlite_stretch stretch_of(const struct taking *t, const struct sqlite_gate *lane)
{
	enum gate_kind kind = lane->s.gate.kind;

	return (struct sqlite_stretch){
		.lane = lane->id,
		.from = kind == GATE_QUEUE ? 0 : INT64_MIN,
		.to = kind == GATE_USER ? t->db->now_ms : INT64_MAX,
	};
}

/* Moves the first message of a lane on. Returns false when there is none, or no room for it. */
static bool take(struct taking *t, struct sqlite_gate *lane)
{
	enum gate_kind kind = lane->s.gate.kind;
	struct sqlite_row r;
	struct str record;
	enum way way;

	if (!sqlite_row_head(t->db, stretch_of(t, lane), &r, &t->claim->arena, &record)) {
		/* Only a user's lane may turn out to have nobody who is due. */
		check(kind == GATE_USER || t->db->error != SQLITE_OK);
		return false;
	}
	way = way_of(t->db, lane, &r);
	if (way == WAY_START && !has_room(t, &r, record)) {
		t->full = true;
		return false;
	}
	t->looked++;
	if (kind == GATE_QUEUE) {
		sqlite_gate_change(t->db, lane, true);
		gate_start(&lane->s.gate, t->db->now_ms);
		r.flags |= ROW_QUEUE_SLOT;
	}
	go(t, &r, way, record);
	return true;
}

static bool may_go_on(const struct taking *t)
{
	return !t->full && t->claim->n < t->claim->max && t->looked < t->looked_max &&
	       t->db->error == SQLITE_OK;
}

static void rotate(struct list *head, struct list *node)
{
	if (list_is_empty(node))
		return;
	list_remove(node);
	list_push(head, node);
}

static void lane_visit(struct taking *t, struct sqlite_gate *lane, size_t looked_max)
{
	struct sqlite_db *db = t->db;

	/* A window that lies ahead, because the clock was set back, closes its gate when its time comes. */
	sqlite_gate_refresh(db, lane);
	db->visited = lane;
	while (may_go_on(t) && t->looked < looked_max && !list_is_empty(&lane->ready) &&
	       !list_is_empty(&lane->user->rotation)) {
		if (!take(t, lane))
			break;
	}
	db->visited = NULL;
	sqlite_gate_refresh(db, lane);
}

static void user_visit(struct taking *t, struct sqlite_gate *user)
{
	size_t looked_max = t->looked + SQLITE_QUANTUM;

	while (may_go_on(t) && t->looked < looked_max && !list_is_empty(&user->rotation)) {
		struct sqlite_gate *lane =
			list_entry(user->ready_lanes.next, struct sqlite_gate, ready);
		size_t looked = t->looked;

		lane_visit(t, lane, looked_max);
		rotate(&user->ready_lanes, &lane->ready);
		/* A lane that is ready has somebody to move, unless there is no room or the database fails. */
		check(t->looked > looked || list_is_empty(&lane->ready) || !may_go_on(t));
	}
	rotate(&t->db->rotation, &user->rotation);
}

static void take_all(struct sqlite_db *db, struct claim *c)
{
	struct taking t = { .db = db, .claim = c, .looked_max = 4 * c->max + 256 };

	while (may_go_on(&t) && !list_is_empty(&db->rotation))
		user_visit(&t, list_entry(db->rotation.next, struct sqlite_gate, rotation));
	c->more = !list_is_empty(&db->rotation);
}

/* What the lost answer to this claim had leased. */
static void take_again(struct sqlite_db *db, struct claim *c)
{
	struct taking t = { .db = db, .claim = c };
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_LANE_TICKET);

	sqlite_sql_int(s, 1, -db->holder->id);
	sqlite_sql_int(s, 2, db->token);
	while (sqlite_sql_row(db, s)) {
		struct sqlite_row r;

		if (sqlite_row_get(db, (uint64_t)sqlite3_column_int64(s, 0), &r))
			hand_out(&t, &r, sqlite_row_record(db, &r, &c->arena));
	}
	sqlite_sql_end(s);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void dedup_expire(struct sqlite_db *db)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_DEDUP_EXPIRE);

	sqlite_sql_int(s, 1, db->now_ms);
	sqlite_sql_int(s, 2, SQLITE_HOUSEKEEPING_ROWS);
	sqlite_sql_run(db, s);
	if (sqlite3_changes(db->sql) < SQLITE_HOUSEKEEPING_ROWS)
		db->dedup_next_ms = db->now_ms + SQLITE_HOUSEKEEPING_MS;
}

static void housekeeping(struct sqlite_db *db)
{
	if (db->dedup_next_ms <= db->now_ms)
		dedup_expire(db);
	if (db->forget_next_ms <= db->now_ms)
		sqlite_gate_forget(db);
	if (db->dlq_next_ms <= db->now_ms)
		sqlite_purge_expired(db);
	if (db->usage_next_ms <= db->now_ms)
		sqlite_usage_expire(db);
	if (db->run_next_ms <= db->now_ms)
		sqlite_run_sweep(db);
}

void sqlite_claim_run(struct sqlite_db *db, struct claim *c)
{
	const struct heap_node *wake;
	int64_t holders_ms = INT64_MAX;

	holders_look(db, &holders_ms);
	housekeeping(db);
	if (db->again)
		take_again(db, c);
	if (c->n == 0)
		take_all(db, c);
	else
		c->more = !list_is_empty(&db->rotation);
	wake = heap_min(&db->wakes);
	c->next_ms = wake ? wake->key : INT64_MAX;
	if (holders_ms < c->next_ms)
		c->next_ms = holders_ms;
	sqlite_doc_due(db, c);
	c->users_version = db->users_version;
	c->req.result = STORE_APPLIED;
}
