#include "store/sqlite/sqlite_int.h"

enum { SWEEP_ENTRIES = 32 }; /* of a run, removed at a time */

/* ---- finding --------------------------------------------------------------------------------- */

static bool run_read(struct sqlite_db *db, sqlite3_stmt *s, struct sqlite_run *ret_run)
{
	bool found = sqlite_sql_row(db, s);

	if (found)
		*ret_run = (struct sqlite_run){
			.id = sqlite3_column_int64(s, 0),
			.created_ms = sqlite3_column_int64(s, 1),
			.open = sqlite3_column_int64(s, 2),
			.kept = sqlite3_column_int64(s, 3),
			.version = sqlite3_column_int64(s, 4),
			.entries = sqlite3_column_int64(s, 5),
			.bytes = sqlite3_column_int64(s, 6),
			.last = { (uint64_t)sqlite3_column_int64(s, 7),
				  (uint64_t)sqlite3_column_int64(s, 8) },
		};
	return found;
}

/* A statement over the runs with a name; finds the open one, or the one that was created then. */
static sqlite3_stmt *run_start(struct sqlite_db *db, const struct sqlite_gate *user,
			       const struct run_ref *ref)
{
	sqlite3_stmt *s = sqlite_sql_start(db, ref->created_ms ? SQL_RUN_GET : SQL_RUN_GET_OPEN);

	sqlite_sql_int(s, 1, user->id);
	sqlite_sql_text(s, 2, ref->name);
	if (ref->created_ms)
		sqlite_sql_int(s, 3, ref->created_ms);
	return s;
}

static bool run_get(struct sqlite_db *db, const struct sqlite_gate *user, const struct run_ref *ref,
		    struct sqlite_run *ret_run)
{
	sqlite3_stmt *s;
	bool found;

	if (user == NULL)
		return false;
	s = run_start(db, user, ref);
	found = run_read(db, s, ret_run);
	sqlite_sql_end(s);
	return found;
}

bool sqlite_run_get_open(struct sqlite_db *db, const struct sqlite_gate *user,
			 const struct run_ref *ref, struct sqlite_run *ret_run)
{
	return run_get(db, user, ref, ret_run) && ret_run->open;
}

/* Was there ever one with that name, as far as is remembered? */
static bool run_is_known(struct sqlite_db *db, const struct sqlite_gate *user, struct str name)
{
	sqlite3_stmt *s;

	if (user == NULL)
		return false;
	s = sqlite_sql_start(db, SQL_RUN_KNOWN);
	sqlite_sql_int(s, 1, user->id);
	sqlite_sql_text(s, 2, name);
	return sqlite_sql_value(db, s, 0);
}

static sqlite3_stmt *run_statement(struct sqlite_db *db, enum sqlite_statement id,
				   const struct sqlite_run *r)
{
	sqlite3_stmt *s = sqlite_sql_start(db, id);

	sqlite_sql_int(s, 1, r->id);
	return s;
}

/* ---- members --------------------------------------------------------------------------------- */

static bool key_get(struct sqlite_db *db, const struct sqlite_run *r, struct str key,
		    struct msg_id *ret_id)
{
	sqlite3_stmt *s = run_statement(db, SQL_RUN_KEY_GET, r);
	bool found;

	sqlite_sql_blob(s, 2, key);
	found = sqlite_sql_row(db, s);
	if (found)
		*ret_id = (struct msg_id){ (uint64_t)sqlite3_column_int64(s, 0),
					   (uint64_t)sqlite3_column_int64(s, 1) };
	sqlite_sql_end(s);
	return found;
}

enum refusal sqlite_run_judge(struct sqlite_db *db, struct sqlite_gate *user, struct move *m,
			      struct sqlite_run *ret_run)
{
	const struct msg *msg = m->put.msg;

	if (!sqlite_run_get_open(db, user, &m->put.run, ret_run)) {
		if (!m->put.run_if_open)
			return REFUSAL_RUN_OVER;
		m->put.skipped = PUT_RUN_OVER;
		return REFUSAL_NONE;
	}
	if (m->put.run_key.n > 0 && key_get(db, ret_run, m->put.run_key, &m->put.existing)) {
		m->put.skipped = PUT_DUPLICATE;
		return REFUSAL_NONE;
	}
	if (m->put.run_entry == RUN_ENTRY_NONE)
		return REFUSAL_NONE;
	if (msg->id.seq <= ret_run->last.seq) {
		m->put.existing = ret_run->last;
		return REFUSAL_ID;
	}
	if ((m->put.run_entries_max > 0 && ret_run->entries >= m->put.run_entries_max) ||
	    (m->put.run_bytes_max > 0 && ret_run->entries > 0 &&
	     ret_run->bytes + (int64_t)m->put.run_body.n > m->put.run_bytes_max))
		return REFUSAL_LIMIT;
	return REFUSAL_NONE;
}

static void key_add(struct sqlite_db *db, const struct sqlite_run *r, const struct move *m)
{
	sqlite3_stmt *s = run_statement(db, SQL_RUN_KEY_ADD, r);

	sqlite_sql_blob(s, 2, m->put.run_key);
	sqlite_sql_int(s, 3, (int64_t)m->put.msg->id.seq);
	sqlite_sql_int(s, 4, (int64_t)m->put.msg->id.nonce);
	sqlite_sql_run(db, s);
}

static void entry_add(struct sqlite_db *db, const struct sqlite_run *r, const struct move *m)
{
	sqlite3_stmt *s = run_statement(db, SQL_RUN_ENTRY_ADD, r);

	sqlite_sql_int(s, 2, (int64_t)m->put.msg->id.seq);
	sqlite_sql_int(s, 3, (int64_t)m->put.msg->id.nonce);
	sqlite_sql_int(s, 4, m->put.run_entry);
	sqlite_sql_blob(s, 5, m->put.run_body);
	sqlite_sql_run(db, s);
	s = run_statement(db, SQL_RUN_GREW, r);
	sqlite_sql_int(s, 2, (int64_t)m->put.run_body.n);
	sqlite_sql_int(s, 3, (int64_t)m->put.msg->id.seq);
	sqlite_sql_int(s, 4, (int64_t)m->put.msg->id.nonce);
	sqlite_sql_run(db, s);
}

void sqlite_run_join(struct sqlite_db *db, const struct sqlite_run *r, const struct move *m)
{
	sqlite3_stmt *s = run_statement(db, SQL_RUN_MESSAGE_ADD, r);

	sqlite_sql_int(s, 2, (int64_t)m->put.msg->id.seq);
	sqlite_sql_run(db, s);
	if (m->put.run_key.n > 0)
		key_add(db, r, m);
	if (m->put.run_entry != RUN_ENTRY_NONE)
		entry_add(db, r, m);
}

void sqlite_run_leave(struct sqlite_db *db, int64_t seq)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_RUN_MESSAGE_REMOVE);

	sqlite_sql_int(s, 1, seq);
	sqlite_sql_run(db, s);
}

void sqlite_run_join_doc(struct sqlite_db *db, const struct sqlite_run *r, const struct move *m)
{
	sqlite3_stmt *s = run_statement(db, SQL_RUN_DOC_ADD, r);

	sqlite_sql_int(s, 2, m->doc_put.doc);
	sqlite_sql_text(s, 3, m->doc_put.name);
	sqlite_sql_run(db, s);
}

/* ---- the beginning --------------------------------------------------------------------------- */

static void first_entry(struct sqlite_db *db, const struct sqlite_run *r, struct msg_id *ret_id)
{
	sqlite3_stmt *s = run_statement(db, SQL_RUN_ENTRIES, r);

	sqlite_sql_int(s, 2, 0);
	sqlite_sql_int(s, 3, INT64_MAX);
	if (sqlite_sql_row(db, s))
		*ret_id = (struct msg_id){ (uint64_t)sqlite3_column_int64(s, 0),
					   (uint64_t)sqlite3_column_int64(s, 1) };
	sqlite_sql_end(s);
}

static void run_add(struct sqlite_db *db, const struct sqlite_gate *user, const struct move *m)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_RUN_ADD);

	sqlite_sql_int(s, 1, user->id);
	sqlite_sql_text(s, 2, m->run_start.name);
	sqlite_sql_int(s, 3, m->run_start.created_ms);
	sqlite_sql_int(s, 4, ++db->count.version);
	sqlite_sql_blob(s, 5, m->run_start.record);
	sqlite_sql_run(db, s);
}

/* The entries of another run become those of this one. */
static void entries_copy(struct sqlite_db *db, const struct sqlite_run *from,
			 const struct sqlite_run *to)
{
	sqlite3_stmt *s = run_statement(db, SQL_RUN_COPY, to);

	sqlite_sql_int(s, 2, from->id);
	sqlite_sql_run(db, s);
	s = run_statement(db, SQL_RUN_COUNT, to);
	sqlite_sql_int(s, 2, from->entries);
	sqlite_sql_int(s, 3, from->bytes);
	sqlite_sql_int(s, 4, (int64_t)from->last.seq);
	sqlite_sql_int(s, 5, (int64_t)from->last.nonce);
	sqlite_sql_run(db, s);
}

/* Did this very move begin the run of that name and ms? The record tells, for the first message's id is in it. */
static bool was_begun(struct sqlite_db *db, const struct sqlite_gate *user,
		      const struct run_ref *own, struct str record)
{
	sqlite3_stmt *s = run_start(db, user, own);
	bool begun = sqlite_sql_row(db, s) && str_eq(sqlite_sql_str(s, 9), record);

	sqlite_sql_end(s);
	return begun;
}

enum refusal sqlite_run_begin(struct sqlite_db *db, struct move *m)
{
	struct sqlite_gate *user = sqlite_gate_user(db, m->run_start.user, true);
	const struct run_ref open = { m->run_start.name, 0 };
	const struct run_ref own = { m->run_start.name, m->run_start.created_ms };
	struct sqlite_run r, from;

	check(own.name.n > 0 && own.created_ms > 0);
	if (db->error != SQLITE_OK)
		return REFUSAL_NONE;
	if (db->again && was_begun(db, user, &own, m->run_start.record))
		return REFUSAL_NONE;
	if (run_get(db, user, &open, &r)) {
		first_entry(db, &r, &m->run_start.existing);
		return REFUSAL_DUPLICATE;
	}
	if (run_get(db, user, &own, &r))
		return REFUSAL_ID;
	if (m->run_start.copy.name.n > 0 && (!run_get(db, user, &m->run_start.copy, &from) ||
					     !(from.open || from.kept) || from.entries == 0))
		return REFUSAL_NOT_FOUND;
	run_add(db, user, m);
	if (m->run_start.copy.name.n > 0 && run_get(db, user, &own, &r))
		entries_copy(db, &from, &r);
	buf_add(&db->events, m->events);
	return REFUSAL_NONE;
}

enum refusal sqlite_run_set(struct sqlite_db *db, struct move *m)
{
	struct sqlite_gate *user = sqlite_gate_user(db, m->run_set.user, false);
	struct sqlite_run r;
	sqlite3_stmt *s;

	if (!run_get(db, user, &m->run_set.run, &r))
		return REFUSAL_NOT_FOUND;
	if (r.version != m->run_set.version)
		return REFUSAL_VERSION;
	s = run_statement(db, SQL_RUN_SET, &r);
	sqlite_sql_int(s, 2, ++db->count.version);
	sqlite_sql_blob(s, 3, m->run_set.record);
	sqlite_sql_run(db, s);
	return REFUSAL_NONE;
}

/* ---- the end --------------------------------------------------------------------------------- */

/* The next member message after a seq; 0 = none. */
static int64_t member_after(struct sqlite_db *db, const struct sqlite_run *r, int64_t seq)
{
	sqlite3_stmt *s = run_statement(db, SQL_RUN_MESSAGE_AFTER, r);

	sqlite_sql_int(s, 2, seq);
	return sqlite_sql_value(db, s, 0);
}

static void members_cancel(struct sqlite_db *db, const struct sqlite_run *r)
{
	int64_t seq = 0;
	struct sqlite_row row;

	while ((seq = member_after(db, r, seq)) != 0) {
		if (sqlite_row_get(db, (uint64_t)seq, &row))
			sqlite_message_stop(db, &row);
	}
}

static void docs_remove(struct sqlite_db *db, const struct sqlite_run *r, struct str user)
{
	sqlite3_stmt *s = run_statement(db, SQL_RUN_DOC_DROP, r);

	sqlite_sql_text(s, 2, user);
	sqlite_sql_run(db, s);
	sqlite_sql_run(db, run_statement(db, SQL_RUN_DOC_REMOVE, r));
}

enum refusal sqlite_run_end(struct sqlite_db *db, struct move *m)
{
	struct sqlite_gate *user = sqlite_gate_user(db, m->run_end.user, false);
	struct sqlite_run r;
	sqlite3_stmt *s;

	if (!run_get(db, user, &m->run_end.run, &r))
		return run_is_known(db, user, m->run_end.run.name) ? REFUSAL_RUN_OVER
								   : REFUSAL_NOT_FOUND;
	if (!r.open)
		return db->again ? REFUSAL_NONE : REFUSAL_RUN_OVER;
	members_cancel(db, &r);
	docs_remove(db, &r, m->run_end.user);
	s = run_statement(db, SQL_RUN_END, &r);
	sqlite_sql_int(s, 2, m->run_end.keep_entries);
	sqlite_sql_int(s, 3, m->run_end.until_ms);
	/* Its keys go soon in any case. */
	sqlite_sql_int(s, 4, db->now_ms);
	sqlite_sql_int(s, 5, ++db->count.version);
	sqlite_sql_run(db, s);
	if (m->run_end.record.n > 0) {
		s = run_statement(db, SQL_RUN_SET, &r);
		sqlite_sql_int(s, 2, db->count.version);
		sqlite_sql_blob(s, 3, m->run_end.record);
		sqlite_sql_run(db, s);
	}
	buf_add(&db->events, m->events);
	return REFUSAL_NONE;
}

/* ---- housekeeping ---------------------------------------------------------------------------- */

/* Removes some rows of a run. Returns how many. */
static int64_t rows_remove(struct sqlite_db *db, enum sqlite_statement id, int64_t run)
{
	sqlite3_stmt *s = sqlite_sql_start(db, id);

	sqlite_sql_int(s, 1, run);
	sqlite_sql_int(s, 2, SWEEP_ENTRIES);
	sqlite_sql_run(db, s);
	return sqlite3_changes(db->sql);
}

/* Nothing but the record is left then. */
static bool is_swept(struct sqlite_db *db, int64_t run, bool keep_entries)
{
	if (rows_remove(db, SQL_RUN_KEY_SWEEP, run) > 0)
		return false;
	return keep_entries || rows_remove(db, SQL_RUN_ENTRY_SWEEP, run) == 0;
}

/* Removes some of the run that has waited longest. False when there is none. */
static bool sweep_first(struct sqlite_db *db)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_RUN_SWEEP_FIRST);
	int64_t run = 0, until_ms = 0;
	bool kept = false;

	sqlite_sql_int(s, 1, db->now_ms);
	if (sqlite_sql_row(db, s)) {
		run = sqlite3_column_int64(s, 0);
		until_ms = sqlite3_column_int64(s, 1);
		kept = sqlite3_column_int64(s, 2);
	}
	sqlite_sql_end(s);
	if (run == 0)
		return false;
	if (!is_swept(db, run, kept && until_ms > db->now_ms))
		return true;
	s = sqlite_sql_start(db, until_ms > db->now_ms ? SQL_RUN_SWEPT : SQL_RUN_REMOVE);
	sqlite_sql_int(s, 1, run);
	sqlite_sql_run(db, s);
	return true;
}

void sqlite_run_sweep(struct sqlite_db *db)
{
	for (int i = 0; i < SQLITE_HOUSEKEEPING_ROWS; i++) {
		if (!sweep_first(db)) {
			db->run_next_ms = db->now_ms + SQLITE_HOUSEKEEPING_MS;
			return;
		}
	}
}

int64_t sqlite_run_purge(struct sqlite_db *db, const struct sqlite_gate *user, int64_t room)
{
	while (room > 0) {
		sqlite3_stmt *s = sqlite_sql_start(db, SQL_RUN_OF_USER);
		int64_t run;

		sqlite_sql_int(s, 1, user->id);
		run = sqlite_sql_value(db, s, 0);
		if (run == 0)
			break;
		room -= SWEEP_ENTRIES;
		if (!is_swept(db, run, false))
			continue;
		s = sqlite_sql_start(db, SQL_RUN_DOC_REMOVE);
		sqlite_sql_int(s, 1, run);
		sqlite_sql_run(db, s);
		s = sqlite_sql_start(db, SQL_RUN_REMOVE);
		sqlite_sql_int(s, 1, run);
		sqlite_sql_run(db, s);
	}
	return room;
}

/* ---- looking --------------------------------------------------------------------------------- */

sqlite3_stmt *sqlite_run_entries(struct sqlite_db *db, const struct sqlite_run *r, uint64_t after,
				 uint64_t until)
{
	sqlite3_stmt *s = run_statement(db, SQL_RUN_ENTRIES, r);

	sqlite_sql_int(s, 2, (int64_t)after);
	sqlite_sql_int(s, 3, until < INT64_MAX ? (int64_t)until : INT64_MAX);
	return s;
}

bool sqlite_run_find(struct sqlite_db *db, const struct sqlite_gate *user, struct scan *scan,
		     struct sqlite_run *ret_run)
{
	sqlite3_stmt *s;

	if (user == NULL)
		return false;
	s = run_start(db, user, &scan->run);
	if (!run_read(db, s, ret_run)) {
		sqlite_sql_end(s);
		return false;
	}
	scan->run_found.found = true;
	scan->run_found.open = ret_run->open;
	scan->run_found.created_ms = ret_run->created_ms;
	scan->run_found.version = ret_run->version;
	scan->run_found.record = arena_str(&scan->arena, sqlite_sql_str(s, 9));
	sqlite_sql_end(s);
	if (scan->run_key.n > 0)
		scan->run_found.key_taken =
			key_get(db, ret_run, scan->run_key, &scan->run_found.key_id);
	return true;
}
