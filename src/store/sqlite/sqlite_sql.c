#include "store/sqlite/sqlite_int.h"

#include <string.h>

bool sqlite_sql_prepare(struct sqlite_db *db)
{
	for (size_t i = 0; i < SQL_STATEMENTS; i++) {
		check(sqlite_schema_statements[i] != NULL);
		if (sqlite3_prepare_v3(db->sql, sqlite_schema_statements[i], -1,
				       SQLITE_PREPARE_PERSISTENT, &db->statement[i],
				       NULL) != SQLITE_OK)
			return false;
	}
	return true;
}

void sqlite_sql_finalize(struct sqlite_db *db)
{
	for (size_t i = 0; i < SQL_STATEMENTS; i++) {
		sqlite3_finalize(db->statement[i]);
		db->statement[i] = NULL;
	}
}

sqlite3_stmt *sqlite_sql_start(struct sqlite_db *db, enum sqlite_statement id)
{
	sqlite3_stmt *s = db->statement[id];

	check(!sqlite3_stmt_busy(s));
	return s;
}

void sqlite_sql_int(sqlite3_stmt *s, int index, int64_t v)
{
	check(sqlite3_bind_int64(s, index, v) == SQLITE_OK);
}

void sqlite_sql_text(sqlite3_stmt *s, int index, struct str v)
{
	check(sqlite3_bind_text64(s, index, v.n ? v.p : "", v.n, SQLITE_STATIC, SQLITE_UTF8) ==
	      SQLITE_OK);
}

void sqlite_sql_blob(sqlite3_stmt *s, int index, struct str v)
{
	check(sqlite3_bind_blob64(s, index, v.n ? v.p : "", v.n, SQLITE_STATIC) == SQLITE_OK);
}

bool sqlite_sql_row(struct sqlite_db *db, sqlite3_stmt *s)
{
	int rc;

	if (unlikely(db->error != SQLITE_OK))
		return false;
	rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		return true;
	if (unlikely(rc != SQLITE_DONE))
		sqlite_sql_fail(db, rc);
	return false;
}

void sqlite_sql_end(sqlite3_stmt *s)
{
	/* Repeats the error of the last step, which is known already. */
	(void)sqlite3_reset(s);
}

void sqlite_sql_run(struct sqlite_db *db, sqlite3_stmt *s)
{
	check(!sqlite_sql_row(db, s));
	sqlite_sql_end(s);
}

int64_t sqlite_sql_value(struct sqlite_db *db, sqlite3_stmt *s, int64_t otherwise)
{
	int64_t v = otherwise;

	if (sqlite_sql_row(db, s) && sqlite3_column_type(s, 0) != SQLITE_NULL)
		v = sqlite3_column_int64(s, 0);
	sqlite_sql_end(s);
	return v;
}

struct str sqlite_sql_str(sqlite3_stmt *s, int column)
{
	const void *p = sqlite3_column_blob(s, column);

	return str_n(p, (size_t)sqlite3_column_bytes(s, column));
}

void sqlite_sql_fail(struct sqlite_db *db, int error)
{
	check(error != SQLITE_OK);
	if (db->error == SQLITE_OK)
		db->error = error;
}

void *sqlite_sql_grow(struct arena *a, void *v, size_t n, size_t *cap, size_t size)
{
	void *bigger;

	check(n <= *cap);
	if (n < *cap)
		return v;
	*cap = *cap ? 2 * *cap : 8;
	bigger = arena_alloc(a, *cap * size);
	if (n > 0)
		memcpy(bigger, v, n * size);
	return bigger;
}
