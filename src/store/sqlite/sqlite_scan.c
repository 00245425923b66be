#include "store/sqlite/sqlite_int.h"

#include <stdlib.h>
#include <string.h>

enum {
	SCAN_ROWS_MAX = 1000,
	SCAN_LOOKED_FACTOR = 10, /* messages looked at per row asked for */
};

/* A scan in the making. */
struct listing {
	struct sqlite_db *db;
	struct scan *scan;
	size_t max;
	size_t cap;   /* of scan->row */
	size_t bytes; /* of records so far */
};

static struct listing listing_start(struct sqlite_db *db, struct scan *s)
{
	struct listing l = { .db = db, .scan = s };

	l.max = s->max < SCAN_ROWS_MAX ? s->max : SCAN_ROWS_MAX;
	if (s->exact)
		l.max = 1;
	return l;
}

/* Room for one more row with that many bytes? If not, there is more. */
static bool has_room(struct listing *l, size_t bytes)
{
	struct scan *s = l->scan;

	if (s->rows < l->max &&
	    (s->rows == 0 || (bytes <= s->bytes_max && l->bytes <= s->bytes_max - bytes)))
		return true;
	s->more = true;
	return false;
}

static struct scan_row *row_add(struct listing *l, size_t bytes)
{
	struct scan *s = l->scan;

	check(s->rows < l->max);
	s->row = sqlite_sql_grow(&s->arena, s->row, s->rows, &l->cap, sizeof(*s->row));
	l->bytes += bytes;
	return &s->row[s->rows++];
}

/* ---- messages -------------------------------------------------------------------------------- */

static enum row_state state_of(const struct sqlite_db *db, const struct sqlite_row *r)
{
	if (r->lane < 0)
		return ROW_LEASED;
	return r->due_ms > db->now_ms ? ROW_SCHEDULED : ROW_READY;
}

static void message_fill(struct listing *l, const struct sqlite_row *r, struct str record)
{
	*row_add(l, record.n) = (struct scan_row){
		.record = record,
		.id = { (uint64_t)r->seq, (uint64_t)r->nonce },
		.state = state_of(l->db, r),
		.cancelled = r->flags & ROW_CANCELLED,
		.retried = r->retried,
		.due_ms = r->due_ms,
	};
}

static void scan_message(struct listing *l)
{
	struct scan *s = l->scan;
	struct sqlite_row r;

	if (sqlite_row_get(l->db, s->id.seq, &r) && r.nonce == (int64_t)s->id.nonce &&
	    str_eq(r.user->name, s->user))
		message_fill(l, &r, sqlite_row_record(l->db, &r, &s->arena));
}

/* One row of SQL_MESSAGE_SCAN. Returns false when it has no room. */
static bool message_look(struct listing *l, sqlite3_stmt *q, int64_t user_id)
{
	struct sqlite_row r = {
		.seq = sqlite3_column_int64(q, 0),
		.nonce = sqlite3_column_int64(q, 1),
		.lane = sqlite3_column_int64(q, 3),
		.due_ms = sqlite3_column_int64(q, 5),
		.retried = sqlite3_column_int64(q, 6),
		.flags = sqlite3_column_int64(q, 11),
	};
	bool large = r.flags & ROW_LARGE;
	struct str record;

	if (sqlite3_column_int64(q, 2) != user_id)
		return true;
	record = sqlite_sql_str(q, 12);
	if (!has_room(l, large ? sqlite_row_record_bytes(l->db, &r) : record.n))
		return false;
	record = large ? sqlite_row_record(l->db, &r, &l->scan->arena)
		       : arena_str(&l->scan->arena, record);
	message_fill(l, &r, record);
	return true;
}

/* Looks at so many rows of the table after a seq, until there is no room. Returns how many it saw. */
static size_t messages_look(struct listing *l, int64_t user_id, int64_t after, size_t max)
{
	struct scan *s = l->scan;
	sqlite3_stmt *q = sqlite_sql_start(l->db, SQL_MESSAGE_SCAN);
	size_t seen = 0;

	sqlite_sql_int(q, 1, after);
	while (seen < max && sqlite_sql_row(l->db, q) && message_look(l, q, user_id)) {
		s->at_id.seq = (uint64_t)sqlite3_column_int64(q, 0);
		s->at_id.nonce = (uint64_t)sqlite3_column_int64(q, 1);
		seen++;
	}
	sqlite_sql_end(q);
	return seen;
}

static int by_seq(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* The rest of them, by the lanes they stand in; of a user with very many, nothing. */
static void messages_gather(struct listing *l, const struct sqlite_gate *user)
{
	struct scan *s = l->scan;
	int64_t *seq = xmalloc((SQLITE_LISTED + 1) * sizeof(*seq));
	size_t n = sqlite_row_of_user(l->db, user, (int64_t)s->at_id.seq, SQLITE_LISTED + 1, seq);

	if (n > SQLITE_LISTED) {
		s->more = true;
	} else {
		qsort(seq, n, sizeof(*seq), by_seq);
		for (size_t i = 0; i < n && !s->more; i++)
			(void)messages_look(l, user->id, seq[i] - 1, 1);
	}
	free(seq);
}

/* Gathering costs the same however few are asked for. So the table is walked as long as a good part of it is the
 * user's. Returns whether the listing is complete. */
static bool messages_walk(struct listing *l, int64_t user_id)
{
	struct scan *s = l->scan;
	size_t look = l->max + 1;

	for (int part = 0; part < 2; part++) {
		if (messages_look(l, user_id, (int64_t)s->at_id.seq, look) < look)
			return true;
		if (s->rows < look / SCAN_LOOKED_FACTOR)
			break;
		look = SCAN_LOOKED_FACTOR * l->max;
	}
	return false;
}

static void scan_messages(struct listing *l)
{
	struct scan *s = l->scan;
	const struct sqlite_gate *user = sqlite_gate_user(l->db, s->user, false);

	s->at_id = s->id;
	if (user != NULL && s->id.seq < INT64_MAX && !messages_walk(l, user->id))
		messages_gather(l, user);
}

/* ---- dead letters ---------------------------------------------------------------------------- */

static sqlite3_stmt *dlq_start(struct sqlite_db *db, const struct scan *s, int64_t user_id)
{
	bool from_end = s->descending && s->dlq.ms == 0 && s->dlq.seq == 0;
	enum sqlite_statement id = s->exact        ? SQL_DLQ_GET
				   : s->descending ? SQL_DLQ_BEFORE
						   : SQL_DLQ_AFTER;
	sqlite3_stmt *q = sqlite_sql_start(db, id);

	sqlite_sql_int(q, 1, user_id);
	sqlite_sql_int(q, 2, from_end ? INT64_MAX : s->dlq.ms);
	sqlite_sql_int(q, 3, from_end ? INT64_MAX : (int64_t)s->dlq.seq);
	return q;
}

static void scan_dlq(struct listing *l)
{
	struct scan *s = l->scan;
	struct sqlite_gate *user = sqlite_gate_user(l->db, s->user, false);
	sqlite3_stmt *q;

	if (user == NULL)
		return;
	q = dlq_start(l->db, s, user->id);
	while (sqlite_sql_row(l->db, q)) {
		struct str response = sqlite_sql_str(q, 4);
		struct str record = sqlite_sql_str(q, 5);

		if (!has_room(l, response.n + record.n))
			break;
		*row_add(l, response.n + record.n) = (struct scan_row){
			.dlq = { sqlite3_column_int64(q, 0), (uint64_t)sqlite3_column_int64(q, 1) },
			.id = { (uint64_t)sqlite3_column_int64(q, 1),
				(uint64_t)sqlite3_column_int64(q, 2) },
			.retried = sqlite3_column_int64(q, 3),
			.response = arena_str(&s->arena, response),
			.record = arena_str(&s->arena, record),
		};
	}
	sqlite_sql_end(q);
}

/* ---- documents ------------------------------------------------------------------------------- */

static sqlite3_stmt *docs_start(struct sqlite_db *db, const struct scan *s)
{
	bool all = !s->exact && s->user.n == 0;
	sqlite3_stmt *q = sqlite_sql_start(db, s->exact ? SQL_DOC_GET
					       : all    ? SQL_DOC_SCAN_ALL
							: SQL_DOC_SCAN);

	sqlite_sql_int(q, 1, s->doc);
	sqlite_sql_text(q, 2, all ? s->after_user : s->user);
	sqlite_sql_text(q, 3, s->name);
	return q;
}

static void scan_docs(struct listing *l)
{
	struct scan *s = l->scan;
	sqlite3_stmt *q = docs_start(l->db, s);

	while (sqlite_sql_row(l->db, q)) {
		struct str value = sqlite_sql_str(q, 5);

		if (!has_room(l, value.n))
			break;
		*row_add(l, value.n) = (struct scan_row){
			.user = arena_str(&s->arena, sqlite_sql_str(q, 1)),
			.name = arena_str(&s->arena, sqlite_sql_str(q, 2)),
			.version = sqlite3_column_int64(q, 3),
			.due_ms = sqlite3_column_int64(q, 4),
			.record = arena_str(&s->arena, value),
		};
	}
	sqlite_sql_end(q);
}

/* ---- gates ----------------------------------------------------------------------------------- */

static void gate_fill(struct listing *l, const struct sqlite_gate *g)
{
	struct scan *s = l->scan;
	bool user = g->s.gate.kind == GATE_USER;

	*row_add(l, 0) = (struct scan_row){
		.user = arena_str(&s->arena, s->user),
		.name = user ? STR_NULL : arena_str(&s->arena, g->name),
		.gate = g->s.gate,
		.waiting = g->s.gate.kind == GATE_QUEUE ? g->s.messages : g->s.waiting,
		.created_ms = g->s.created_ms,
		.updated_ms = g->s.updated_ms,
	};
}

static void gates_list(struct listing *l, int64_t user_id)
{
	struct scan *s = l->scan;
	sqlite3_stmt *q = sqlite_sql_start(l->db, SQL_GATE_SCAN);

	sqlite_sql_int(q, 1, user_id);
	sqlite_sql_int(q, 2, s->gate);
	sqlite_sql_text(q, 3, s->name);
	while (sqlite_sql_row(l->db, q)) {
		struct sqlite_gate *g = sqlite_gate_by_id(l->db, sqlite3_column_int64(q, 0));

		if (!sqlite_gate_is_visible(g, l->db->now_ms))
			continue;
		if (!has_room(l, 0))
			break;
		gate_fill(l, g);
	}
	sqlite_sql_end(q);
}

static void scan_gates(struct listing *l)
{
	struct scan *s = l->scan;
	struct sqlite_gate *user = sqlite_gate_user(l->db, s->user, false);
	struct sqlite_gate *g;

	if (user == NULL)
		return;
	if (!s->exact && s->gate != GATE_USER) {
		gates_list(l, user->id);
		return;
	}
	g = sqlite_gate_find(l->db, user, s->gate, s->name);
	if (sqlite_gate_is_visible(g, l->db->now_ms) && has_room(l, 0))
		gate_fill(l, g);
}

/* ---- usage ----------------------------------------------------------------------------------- */

static void scan_usage(struct listing *l)
{
	struct sqlite_gate *user = sqlite_gate_user(l->db, l->scan->user, false);
	struct usage row;
	sqlite3_stmt *q;

	if (user == NULL)
		return;
	sqlite_usage_flush(l->db);
	q = sqlite_usage_start(l->db, user, l->scan->usage_day);
	while (sqlite_usage_next(l->db, q, &row) && has_room(l, 0))
		*row_add(l, 0) = (struct scan_row){ .usage = row };
	sqlite_sql_end(q);
}

/* ---- runs ------------------------------------------------------------------------------------ */

static void scan_entries(struct listing *l)
{
	struct scan *s = l->scan;
	struct sqlite_gate *user = sqlite_gate_user(l->db, s->user, false);
	struct sqlite_run run;
	sqlite3_stmt *q;

	if (!sqlite_run_find(l->db, user, s, &run) || !(run.open || run.kept) || l->max == 0)
		return;
	q = sqlite_run_entries(l->db, &run, s->id.seq, s->run_until);
	while (sqlite_sql_row(l->db, q)) {
		struct str body = sqlite_sql_str(q, 3);

		if (!has_room(l, body.n))
			break;
		*row_add(l, body.n) = (struct scan_row){
			.id = { (uint64_t)sqlite3_column_int64(q, 0),
				(uint64_t)sqlite3_column_int64(q, 1) },
			.run_entry = (enum run_entry)sqlite3_column_int64(q, 2),
			.record = arena_str(&s->arena, body),
		};
	}
	sqlite_sql_end(q);
}

static void scan_runs(struct listing *l)
{
	struct scan *s = l->scan;
	struct sqlite_gate *user = sqlite_gate_user(l->db, s->user, false);
	sqlite3_stmt *q;

	if (user == NULL)
		return;
	q = sqlite_sql_start(l->db, SQL_RUN_SCAN);
	sqlite_sql_int(q, 1, user->id);
	sqlite_sql_text(q, 2, s->name);
	while (sqlite_sql_row(l->db, q)) {
		struct str record = sqlite_sql_str(q, 3);

		if (!has_room(l, record.n))
			break;
		*row_add(l, record.n) = (struct scan_row){
			.name = arena_str(&s->arena, sqlite_sql_str(q, 0)),
			.created_ms = sqlite3_column_int64(q, 1),
			.version = sqlite3_column_int64(q, 2),
			.record = arena_str(&s->arena, record),
		};
	}
	sqlite_sql_end(q);
}

void sqlite_scan_run(struct sqlite_db *db, struct scan *s)
{
	struct listing l = listing_start(db, s);

	switch (s->kind) {
	case SCAN_MESSAGE:
		if (l.max > 0)
			scan_message(&l);
		break;
	case SCAN_MESSAGES:
		scan_messages(&l);
		break;
	case SCAN_DLQ:
		scan_dlq(&l);
		break;
	case SCAN_DOCS:
		scan_docs(&l);
		break;
	case SCAN_GATES:
		scan_gates(&l);
		break;
	case SCAN_USER_KEYS:
	case SCAN_USER_DUMP:
		break;
	case SCAN_USAGE:
		scan_usage(&l);
		break;
	case SCAN_RUN:
		scan_entries(&l);
		break;
	case SCAN_RUNS:
		scan_runs(&l);
		break;
	}
	s->req.result = STORE_APPLIED;
}

/* ---- the outbox ------------------------------------------------------------------------------ */

void sqlite_scan_trim(struct sqlite_db *db)
{
	int64_t last = db->count.outbox_last;
	sqlite3_stmt *s;

	if (db->trim <= db->trim_done)
		return;
	s = sqlite_sql_start(db, SQL_BATCH_TRIM);
	sqlite_sql_int(s, 1, db->trim);
	sqlite_sql_int(s, 2, last);
	sqlite_sql_run(db, s);
	/* The last row keeps the counters. */
	if (db->trim >= last) {
		s = sqlite_sql_start(db, SQL_BATCH_EMPTY);
		sqlite_sql_int(s, 1, last);
		sqlite_sql_run(db, s);
	}
}

/* Whole entries after `after` that fit, counted: their end and their bytes. */
static size_t entries_measure(struct sqlite_db *db, struct tail *t, int64_t after,
			      int64_t *ret_last)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_BATCH_SIZES);
	size_t bytes = 0;

	sqlite_sql_int(s, 1, after);
	while (sqlite_sql_row(db, s)) {
		size_t n = (size_t)sqlite3_column_int64(s, 1);

		if (bytes > 0 && (n > t->bytes_max || bytes > t->bytes_max - n)) {
			t->more = true;
			break;
		}
		bytes += n;
		*ret_last = sqlite3_column_int64(s, 0);
	}
	sqlite_sql_end(s);
	return bytes;
}

static struct str entries_read(struct sqlite_db *db, struct tail *t, int64_t after, int64_t last,
			       size_t bytes)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_BATCH_EVENTS);
	char *p = arena_alloc(&t->arena, bytes);
	size_t n = 0;

	sqlite_sql_int(s, 1, after);
	sqlite_sql_int(s, 2, last);
	while (sqlite_sql_row(db, s)) {
		struct str events = sqlite_sql_str(s, 0);

		check(events.n <= bytes - n);
		if (events.n)
			memcpy(p + n, events.p, events.n);
		n += events.n;
	}
	sqlite_sql_end(s);
	return str_n(p, n);
}

void sqlite_scan_tail(struct sqlite_db *db, struct tail *t)
{
	int64_t last, after;
	size_t bytes;

	if ((int64_t)t->trim > db->trim)
		db->trim = (int64_t)t->trim < db->count.outbox_last ? (int64_t)t->trim
								    : db->count.outbox_last;
	after = (int64_t)t->after > db->trim ? (int64_t)t->after : db->trim;
	last = (int64_t)t->after;
	bytes = entries_measure(db, t, after, &last);
	if (bytes > 0)
		t->events = entries_read(db, t, after, last, bytes);
	t->last = (uint64_t)last;
	t->req.result = STORE_APPLIED;
}
