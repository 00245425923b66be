#include "store/sqlite/sqlite_int.h"

enum {
	MESSAGES_PER_LOOK = 256,
	COSTLY_BYTES = 64 * 1024, /* a record counts as one more row for each so many bytes */
	EXPIRED_BYTES_MAX = 8 << 20,
};

/* A purge in the making: how many rows it may still remove. */
struct purging {
	struct sqlite_db *db;
	struct str name; /* the user's */
	struct sqlite_gate *user;
	int64_t room;
};

static void spend(struct purging *p, int64_t bytes)
{
	p->room -= 1 + bytes / COSTLY_BYTES;
}

/* Removes the messages of one look. Returns how many. */
static size_t messages_remove_some(struct purging *p)
{
	int64_t seq[MESSAGES_PER_LOOK];
	size_t n = sqlite_row_of_user(p->db, p->user, 0, MESSAGES_PER_LOOK, seq);
	size_t i;

	for (i = 0; i < n && p->room > 0; i++) {
		struct sqlite_row r;

		if (!sqlite_row_get(p->db, (uint64_t)seq[i], &r))
			break;
		spend(p, r.flags & ROW_LARGE ? (int64_t)sqlite_row_record_bytes(p->db, &r) : 0);
		sqlite_message_end(p->db, &r);
	}
	return i;
}

static void messages_remove(struct purging *p)
{
	while (p->room > 0 && messages_remove_some(p) > 0)
		;
	/* While their queues are there. */
	sqlite_message_free_slots(p->db);
}

/* Removes the dead letter that a statement finds first. Returns its size; -1 = there was none. */
static int64_t dead_letter_drop(struct sqlite_db *db, enum sqlite_statement find, int64_t arg)
{
	sqlite3_stmt *s = sqlite_sql_start(db, find);
	int64_t id = 0, bytes = -1;

	sqlite_sql_int(s, 1, arg);
	if (sqlite_sql_row(db, s)) {
		id = sqlite3_column_int64(s, 0);
		bytes = sqlite3_column_int64(s, 1);
	}
	sqlite_sql_end(s);
	if (bytes < 0)
		return -1;
	s = sqlite_sql_start(db, SQL_DLQ_DROP);
	sqlite_sql_int(s, 1, id);
	sqlite_sql_run(db, s);
	return bytes;
}

static void dead_letters_remove(struct purging *p)
{
	while (p->room > 0) {
		int64_t bytes = dead_letter_drop(p->db, SQL_DLQ_OF_USER, p->user->id);

		if (bytes < 0)
			return;
		spend(p, bytes);
	}
}

static void docs_remove(struct purging *p)
{
	for (int kind = DOC_META; kind <= DOC_INVOKE && p->room > 0; kind++) {
		sqlite3_stmt *s = sqlite_sql_start(p->db, SQL_DOC_PURGE);

		if (kind == DOC_USER)
			continue;
		sqlite_sql_int(s, 1, kind);
		sqlite_sql_text(s, 2, p->name);
		sqlite_sql_int(s, 3, p->room);
		sqlite_sql_run(p->db, s);
		p->room -= sqlite3_changes(p->db->sql);
	}
}

/* With one of the statements that remove rows of a user's gate. */
static void rows_remove(struct purging *p, enum sqlite_statement id)
{
	sqlite3_stmt *s = sqlite_sql_start(p->db, id);

	if (p->room <= 0)
		return;
	sqlite_sql_int(s, 1, p->user->id);
	sqlite_sql_int(s, 2, p->room);
	sqlite_sql_run(p->db, s);
	p->room -= sqlite3_changes(p->db->sql);
}

static void gates_remove(struct purging *p)
{
	while (p->room > 0) {
		sqlite3_stmt *s = sqlite_sql_start(p->db, SQL_GATE_OF_USER);
		struct sqlite_gate *g;
		int64_t id;

		sqlite_sql_int(s, 1, p->user->id);
		id = sqlite_sql_value(p->db, s, 0);
		g = id ? sqlite_gate_by_id(p->db, id) : NULL;
		if (g == NULL)
			break;
		check(g->s.messages == 0 && g->s.waiting == 0 && g->s.gate.running == 0);
		sqlite_gate_remove(p->db, g);
		p->room--;
	}
}

enum refusal sqlite_purge_move(struct sqlite_db *db, struct move *m)
{
	struct purging p = { .db = db, .name = m->purge.user, .room = (int64_t)m->purge.max };

	check(m->purge.user.n > 0 && m->events.n == 0 && !db->undo_on);
	if (m->purge.version != 0 &&
	    sqlite_doc_version(db, DOC_USER, (const struct str[]){ p.name, p.name }) !=
		    m->purge.version)
		return REFUSAL_VERSION;
	docs_remove(&p);
	p.user = sqlite_gate_user(db, m->purge.user, false);
	if (p.user == NULL) {
		m->purge.left = p.room <= 0;
		return REFUSAL_NONE;
	}
	messages_remove(&p);
	dead_letters_remove(&p);
	rows_remove(&p, SQL_DEDUP_PURGE);
	if (p.room > 0)
		sqlite_usage_drop(p.user);
	rows_remove(&p, SQL_USAGE_PURGE);
	if (p.room > 0)
		p.room = sqlite_run_purge(db, p.user, p.room);
	gates_remove(&p);
	m->purge.left = p.room <= 0;
	if (db->error == SQLITE_OK && !m->purge.left)
		sqlite_gate_remove(db, p.user);
	return REFUSAL_NONE;
}

void sqlite_purge_expired(struct sqlite_db *db)
{
	int64_t bytes = 0;

	for (int i = 0; i < SQLITE_HOUSEKEEPING_ROWS && bytes < EXPIRED_BYTES_MAX; i++) {
		int64_t n = dead_letter_drop(db, SQL_DLQ_EXPIRED, db->now_ms);

		if (n < 0) {
			db->dlq_next_ms = db->now_ms + SQLITE_HOUSEKEEPING_MS;
			return;
		}
		bytes += n;
	}
}
