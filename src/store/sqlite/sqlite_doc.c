#include "store/sqlite/sqlite_int.h"

static sqlite3_stmt *doc_start(struct sqlite_db *db, enum sqlite_statement id, enum doc_kind kind,
			       const struct str key[2])
{
	sqlite3_stmt *s = sqlite_sql_start(db, id);

	sqlite_sql_int(s, 1, kind);
	sqlite_sql_text(s, 2, key[0]);
	sqlite_sql_text(s, 3, key[1]);
	return s;
}

/* 0 = there is none. */
int64_t sqlite_doc_version(struct sqlite_db *db, enum doc_kind kind, const struct str key[2])
{
	sqlite3_stmt *s = doc_start(db, SQL_DOC_GET, kind, key);
	int64_t version = sqlite_sql_row(db, s) ? sqlite3_column_int64(s, 3) : 0;

	sqlite_sql_end(s);
	return version;
}

/* What every process wants to know of. */
static void doc_changed(struct sqlite_db *db, enum doc_kind kind)
{
	if (kind == DOC_USER || kind == DOC_DIRECTORY)
		db->users_version++;
}

static bool doc_is_full(struct sqlite_db *db, const struct move *m)
{
	sqlite3_stmt *s;

	if (m->doc_put.count_max <= 0)
		return false;
	s = sqlite_sql_start(db, SQL_DOC_COUNT);
	sqlite_sql_int(s, 1, m->doc_put.doc);
	sqlite_sql_text(s, 2, m->doc_put.user);
	return sqlite_sql_value(db, s, 0) >= m->doc_put.count_max;
}

enum refusal sqlite_doc_put(struct sqlite_db *db, struct move *m)
{
	const struct str key[2] = { m->doc_put.user, m->doc_put.name };
	int64_t present = sqlite_doc_version(db, m->doc_put.doc, key);
	bool is_member = m->doc_put.run.name.n > 0;
	struct sqlite_run run;
	sqlite3_stmt *s;

	if (is_member &&
	    !sqlite_run_get_open(db, sqlite_gate_user(db, key[0], false), &m->doc_put.run, &run))
		return REFUSAL_RUN_OVER;
	if (m->doc_put.version != -1 && m->doc_put.version != present)
		return REFUSAL_VERSION;
	if (present == 0 && doc_is_full(db, m))
		return REFUSAL_LIMIT;
	m->doc_put.new_version = ++db->count.version;
	s = doc_start(db, present ? SQL_DOC_SET : SQL_DOC_ADD, m->doc_put.doc, key);
	sqlite_sql_int(s, 4, m->doc_put.new_version);
	if (m->doc_put.due_ms)
		sqlite_sql_int(s, 5, m->doc_put.due_ms);
	else
		check(sqlite3_bind_null(s, 5) == SQLITE_OK);
	sqlite_sql_blob(s, 6, m->doc_put.value);
	sqlite_sql_run(db, s);
	doc_changed(db, m->doc_put.doc);
	if (is_member)
		sqlite_run_join_doc(db, &run, m);
	if (m->doc_put.due_ms && m->doc_put.due_ms < db->doc_next_ms)
		db->doc_next_ms = m->doc_put.due_ms;
	return REFUSAL_NONE;
}

enum refusal sqlite_doc_remove(struct sqlite_db *db, const struct move *m)
{
	const struct str key[2] = { m->doc_remove.user, m->doc_remove.name };
	int64_t present = sqlite_doc_version(db, m->doc_remove.doc, key);

	if (present == 0)
		return REFUSAL_NOT_FOUND;
	if (m->doc_remove.version != -1 && m->doc_remove.version != present)
		return REFUSAL_VERSION;
	sqlite_sql_run(db, doc_start(db, SQL_DOC_REMOVE, m->doc_remove.doc, key));
	doc_changed(db, m->doc_remove.doc);
	return REFUSAL_NONE;
}

static struct due_doc due_read(struct arena *a, sqlite3_stmt *s)
{
	return (struct due_doc){
		.kind = (enum doc_kind)sqlite3_column_int(s, 0),
		.user = arena_str(a, sqlite_sql_str(s, 1)),
		.name = arena_str(a, sqlite_sql_str(s, 2)),
		.version = sqlite3_column_int64(s, 3),
		.due_ms = sqlite3_column_int64(s, 4),
		.value = arena_str(a, sqlite_sql_str(s, 5)),
	};
}

static int64_t next_after(struct sqlite_db *db, int64_t ms)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_DOC_NEXT);

	sqlite_sql_int(s, 1, ms);
	return sqlite_sql_value(db, s, INT64_MAX);
}

void sqlite_doc_load(struct sqlite_db *db)
{
	db->doc_next_ms = next_after(db, INT64_MIN);
}

/* Hands out what is due. Returns whether anything is, handed out or not. */
static bool due_take(struct sqlite_db *db, struct claim *c)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_DOC_DUE);
	size_t cap = 0;
	bool any = false;

	sqlite_sql_int(s, 1, db->now_ms);
	while (sqlite_sql_row(db, s)) {
		any = true;
		if (c->docs == c->docs_max) {
			c->more = c->more || c->docs_max > 0;
			break;
		}
		c->doc = sqlite_sql_grow(&c->arena, c->doc, c->docs, &cap, sizeof(*c->doc));
		c->doc[c->docs++] = due_read(&c->arena, s);
	}
	sqlite_sql_end(s);
	return any;
}

void sqlite_doc_due(struct sqlite_db *db, struct claim *c)
{
	int64_t next_ms = db->doc_next_ms;

	if (next_ms <= db->now_ms) {
		bool any = due_take(db, c);

		next_ms = next_after(db, db->now_ms);
		if (!any && db->error == SQLITE_OK)
			db->doc_next_ms = next_ms;
	}
	if (next_ms < c->next_ms)
		c->next_ms = next_ms;
}
