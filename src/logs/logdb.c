#include "logs/logdb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "store/walfile.h"

#define SCHEMA_VERSION "2"

static const char create_text[] =
	"CREATE TABLE info(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
	"CREATE TABLE segment(pos INTEGER PRIMARY KEY, last INTEGER NOT NULL,"
	" outbox INTEGER NOT NULL, time_min INTEGER NOT NULL, time_max INTEGER NOT NULL,"
	" data BLOB NOT NULL);"
	"CREATE TABLE message(seq INTEGER PRIMARY KEY, segment INTEGER NOT NULL, record BLOB NOT "
	"NULL,"
	" body BLOB);"
	"CREATE TABLE later(seq INTEGER NOT NULL, segment INTEGER NOT NULL,"
	" PRIMARY KEY(seq, segment)) WITHOUT ROWID;"
	"CREATE TABLE run(seq INTEGER PRIMARY KEY, name BLOB NOT NULL, created INTEGER NOT NULL);"
	"CREATE INDEX run_created ON run(created, name);"
	"CREATE INDEX run_name ON run(name, created);"
	"PRAGMA user_version=" SCHEMA_VERSION ";";

#define SEGMENT_COLUMNS "SELECT pos, last, time_min, time_max, data FROM segment "

static const char *const sql_text[LOGDB_STATEMENTS] = {
	[LOGDB_BEGIN_WRITE] = "BEGIN IMMEDIATE",
	[LOGDB_BEGIN_READ] = "BEGIN",
	[LOGDB_COMMIT] = "COMMIT",
	[LOGDB_ROLLBACK] = "ROLLBACK",
	[LOGDB_SEGMENT_ADD] = "INSERT INTO segment VALUES(?, ?, ?, ?, ?, ?)",
	[LOGDB_SEGMENT_FIRST] = SEGMENT_COLUMNS "ORDER BY pos LIMIT 1",
	[LOGDB_SEGMENT_AT] = SEGMENT_COLUMNS "WHERE pos <= ? ORDER BY pos DESC LIMIT 1",
	[LOGDB_SEGMENT_AFTER] = SEGMENT_COLUMNS "WHERE pos > ? ORDER BY pos LIMIT 1",
	[LOGDB_SEGMENT_REMOVE] = "DELETE FROM segment WHERE pos = ?",
	[LOGDB_MESSAGE_ADD] = "INSERT INTO message VALUES(?, ?, ?, ?) ON CONFLICT DO NOTHING",
	[LOGDB_MESSAGE_SEGMENT] = "SELECT segment FROM message WHERE seq = ?",
	[LOGDB_MESSAGE_RECORD] = "SELECT record FROM message WHERE seq = ?",
	[LOGDB_MESSAGE_BODY] = "SELECT body FROM message WHERE seq = ?",
	[LOGDB_MESSAGE_REMOVE] = "DELETE FROM message WHERE seq = ?",
	[LOGDB_LATER_ADD] = "INSERT INTO later VALUES(?, ?) ON CONFLICT DO NOTHING",
	[LOGDB_LATER_LIST] =
		"SELECT segment FROM later WHERE seq = ? ORDER BY segment DESC LIMIT ?",
	[LOGDB_LATER_REMOVE] = "DELETE FROM later WHERE seq = ? AND segment = ?",
	[LOGDB_LATER_ANY] = "SELECT EXISTS(SELECT 1 FROM later WHERE seq = ?)",
	[LOGDB_RUN_ADD] = "INSERT INTO run VALUES(?, ?, ?) ON CONFLICT DO NOTHING",
	[LOGDB_RUN_REMOVE] = "DELETE FROM run WHERE seq = ?",
	[LOGDB_RUN_HAS] = "SELECT EXISTS(SELECT 1 FROM run WHERE seq = ?)",
	[LOGDB_RUN_ANY] = "SELECT EXISTS(SELECT 1 FROM run)",
	[LOGDB_RUN_BEFORE] = "SELECT created, name FROM run WHERE (created, name) < (?, ?)"
			     " ORDER BY created DESC, name DESC LIMIT 1",
	[LOGDB_RUN_NAMED_BEFORE] = "SELECT created, name FROM run WHERE name = ? AND created < ?"
				   " ORDER BY created DESC LIMIT 1",
	[LOGDB_RUN_MESSAGES] = "SELECT seq FROM run WHERE name = ? AND created = ? ORDER BY seq",
	[LOGDB_INFO_GET] = "SELECT value FROM info WHERE name = ?",
	[LOGDB_INFO_SET] = "INSERT OR REPLACE INTO info VALUES(?, ?)",
	[LOGDB_LAST] = "SELECT last, outbox, pos FROM segment ORDER BY pos DESC LIMIT 1",
	[LOGDB_PAGES] = "PRAGMA page_count",
	[LOGDB_PAGES_FREE] = "PRAGMA freelist_count",
	[LOGDB_VACUUM] = "PRAGMA incremental_vacuum(128)",
};

static void fail(struct logdb *db, int error, const char *text)
{
	check(error != SQLITE_OK);
	if (db->error != SQLITE_OK)
		return;
	db->error = error;
	db->error_system = sqlite3_system_errno(db->sql);
	/* SQLite does not keep it in all cases. Each call begins with errno cleared. */
	if (!db->error_system)
		db->error_system = errno;
	snprintf(db->error_text, sizeof(db->error_text), "%s", text);
}

static void fail_sqlite(struct logdb *db)
{
	fail(db, sqlite3_extended_errcode(db->sql), sqlite3_errmsg(db->sql));
}

void logdb_fail_broken(struct logdb *db, const char *text)
{
	fail(db, SQLITE_CORRUPT, text);
}

/* ---- statements ------------------------------------------------------------------------------------- */

sqlite3_stmt *logdb_sql(struct logdb *db, enum logdb_sql which)
{
	sqlite3_stmt **s = &db->statement[which];

	check(which < LOGDB_STATEMENTS && sql_text[which] != NULL);
	if (db->error != SQLITE_OK)
		return NULL;
	errno = 0;
	if (!*s && sqlite3_prepare_v3(db->sql, sql_text[which], -1, SQLITE_PREPARE_PERSISTENT, s,
				      NULL) != SQLITE_OK)
		fail_sqlite(db);
	return *s;
}

bool logdb_row(struct logdb *db, sqlite3_stmt *s)
{
	int rc;

	if (!s || db->error != SQLITE_OK)
		return false;
	errno = 0;
	rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		return true;
	if (rc != SQLITE_DONE)
		fail_sqlite(db);
	logdb_end(s);
	return false;
}

void logdb_end(sqlite3_stmt *s)
{
	/* Repeats the error of the last step, which is known already. */
	(void)sqlite3_reset(s);
}

void logdb_run(struct logdb *db, enum logdb_sql which)
{
	sqlite3_stmt *s = logdb_sql(db, which);

	while (logdb_row(db, s)) {
	}
}

int64_t logdb_value(struct logdb *db, sqlite3_stmt *s)
{
	int64_t v = 0;

	if (logdb_row(db, s)) {
		v = sqlite3_column_int64(s, 0);
		logdb_end(s);
	}
	return v;
}

void logdb_bind_int(sqlite3_stmt *s, int index, int64_t v)
{
	if (s)
		check(sqlite3_bind_int64(s, index, v) == SQLITE_OK);
}

void logdb_bind_blob(sqlite3_stmt *s, int index, struct str v)
{
	if (s)
		check(sqlite3_bind_blob64(s, index, v.n ? v.p : "", v.n, SQLITE_STATIC) ==
		      SQLITE_OK);
}

struct str logdb_column(sqlite3_stmt *s, int column)
{
	const void *p = sqlite3_column_blob(s, column);

	return str_n(p, (size_t)sqlite3_column_bytes(s, column));
}

sqlite3_stmt *logdb_info(struct logdb *db, const char *name)
{
	sqlite3_stmt *s = logdb_sql(db, LOGDB_INFO_GET);

	if (s)
		check(sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC) == SQLITE_OK);
	return s;
}

sqlite3_stmt *logdb_info_set(struct logdb *db, const char *name)
{
	sqlite3_stmt *s = logdb_sql(db, LOGDB_INFO_SET);

	if (s)
		check(sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC) == SQLITE_OK);
	return s;
}

void logdb_set_number(struct logdb *db, const char *name, int64_t v)
{
	sqlite3_stmt *s = logdb_info_set(db, name);

	logdb_bind_int(s, 2, v);
	while (logdb_row(db, s)) {
	}
}

/* ---- opening ---------------------------------------------------------------------------------------- */

static void exec(struct logdb *db, const char *text)
{
	errno = 0;
	if (db->error == SQLITE_OK && sqlite3_exec(db->sql, text, NULL, NULL, NULL) != SQLITE_OK)
		fail_sqlite(db);
}

/* The schema's version; 0 = there is none yet. */
static int64_t version(struct logdb *db)
{
	sqlite3_stmt *s = NULL;
	int64_t v;

	if (db->error != SQLITE_OK)
		return 0;
	errno = 0;
	if (sqlite3_prepare_v2(db->sql, "PRAGMA user_version", -1, &s, NULL) != SQLITE_OK)
		fail_sqlite(db);
	v = logdb_value(db, s);
	sqlite3_finalize(s);
	if (v != 0 && v != strtol(SCHEMA_VERSION, NULL, 10))
		fail(db, SQLITE_NOTADB, "it is of another version");
	return v;
}

static void open_file(struct logdb *db, char *path, int flags)
{
	struct stat st;

	*db = (struct logdb){ .path = path };
	errno = 0;
	if (sqlite3_open_v2(path, &db->sql, flags | SQLITE_OPEN_NOMUTEX, walfile_vfs()) !=
	    SQLITE_OK)
		fail_sqlite(db);
	sqlite3_extended_result_codes(db->sql, 1);
	sqlite3_busy_timeout(db->sql, LOGDB_BUSY_MS);
	if (stat(path, &st) == 0) {
		db->dev = st.st_dev;
		db->ino = st.st_ino;
	}
}

static void set_pragmas(struct logdb *db, bool ephemeral)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "PRAGMA synchronous=%s; PRAGMA cache_size=-%d; PRAGMA wal_autocheckpoint=%d;"
		 "PRAGMA journal_size_limit=%d;",
		 ephemeral ? "OFF" : "FULL", LOGDB_CACHE_KB, LOGDB_CHECKPOINT_PAGES,
		 LOGDB_WAL_BYTES_KEPT);
	exec(db, text);
	db->sync = ephemeral ? LOGDB_SYNC_NEVER : LOGDB_SYNC_COMMITS;
}

/* A fact that is a text; owned by the caller. NULL when it is not there. */
static char *info_text(struct logdb *db, const char *name)
{
	sqlite3_stmt *s = logdb_info(db, name);
	char *text;

	if (!logdb_row(db, s))
		return NULL;
	text = str_dup(logdb_column(s, 0));
	logdb_end(s);
	return text;
}

static void position_name(char ret_name[LOGDB_INFO_BYTES], const char *source)
{
	snprintf(ret_name, LOGDB_INFO_BYTES, "outbox %s", source);
}

/* What is known of the file and its entries so far. */
static void load_state(struct logdb *db)
{
	int64_t since = logdb_value(db, logdb_info(db, "source_since"));
	char name[LOGDB_INFO_BYTES];
	sqlite3_stmt *s;

	db->source = info_text(db, "source");
	if (!db->source)
		db->source = str_dup(STR_NULL);
	position_name(name, db->source);
	db->outbox = (uint64_t)logdb_value(db, logdb_info(db, name));
	s = logdb_sql(db, LOGDB_LAST);
	if (logdb_row(db, s)) {
		db->last = sqlite3_column_int64(s, 0);
		if (sqlite3_column_int64(s, 2) > since)
			db->outbox = (uint64_t)sqlite3_column_int64(s, 1);
		logdb_end(s);
	}
	db->skew_ms = logdb_value(db, logdb_info(db, "skew_ms"));
	db->user = info_text(db, "user");
}

void logdb_change_source(struct logdb *db, struct str source)
{
	char name[LOGDB_INFO_BYTES];
	sqlite3_stmt *s;

	position_name(name, db->source);
	logdb_set_number(db, name, (int64_t)db->outbox);
	s = logdb_info_set(db, "source");
	logdb_bind_blob(s, 2, source);
	while (logdb_row(db, s)) {
	}
	logdb_set_number(db, "source_since", db->last);
	free(db->source);
	db->source = str_dup(source);
	position_name(name, db->source);
	db->outbox = (uint64_t)logdb_value(db, logdb_info(db, name));
}

static void create_schema(struct logdb *db, struct str user)
{
	char text[128];
	sqlite3_stmt *s;

	snprintf(text, sizeof(text),
		 "PRAGMA synchronous=OFF; PRAGMA page_size=%d; PRAGMA auto_vacuum=INCREMENTAL;"
		 "PRAGMA journal_mode=WAL; BEGIN;",
		 LOGDB_PAGE_BYTES);
	exec(db, text);
	exec(db, create_text);
	s = logdb_info_set(db, "user");
	logdb_bind_blob(s, 2, user);
	while (logdb_row(db, s)) {
	}
	exec(db, "COMMIT");
}

static bool sync_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	bool ok = fd >= 0 && fdatasync(fd) == 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

/* Makes the file under another name first, so that it is complete and on the disk or not there:
 * what SQLite would sync in between to the same end takes ten times as long. The name itself
 * becomes durable with the WAL's. */
static void create(struct logdb *db, struct str user, bool ephemeral)
{
	size_t n = strlen(db->path) + sizeof(LOGDB_NEW);
	char *made = xmalloc(n);
	struct logdb new;

	snprintf(made, n, "%s%s", db->path, LOGDB_NEW);
	(void)unlink(made);
	open_file(&new, str_dup(str_c(made)), SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
	create_schema(&new, user);
	db->error = new.error;
	db->error_system = new.error_system;
	snprintf(db->error_text, sizeof(db->error_text), "%s", new.error_text);
	logdb_close(&new, true);
	if (db->error == SQLITE_OK &&
	    ((!ephemeral && !sync_file(made)) || rename(made, db->path) < 0)) {
		int error_system = errno;

		fail(db, SQLITE_IOERR, "it cannot be made");
		db->error_system = error_system;
	}
	free(made);
}

static bool is_absent(const struct logdb *db)
{
	return (db->error & 0xff) == SQLITE_CANTOPEN && db->error_system == ENOENT;
}

enum logdb_result logdb_open_write(struct logdb *db, char *path, struct str user, bool ephemeral)
{
	open_file(db, path, SQLITE_OPEN_READWRITE);
	if (is_absent(db) && user.n) {
		create(db, user, ephemeral);
		if (db->error == SQLITE_OK) {
			sqlite3_close(db->sql);
			open_file(db, path, SQLITE_OPEN_READWRITE);
		}
	}
	set_pragmas(db, ephemeral);
	exec(db, "BEGIN");
	if (version(db) == 0)
		fail(db, SQLITE_NOTADB, "there is nothing in it");
	load_state(db);
	exec(db, "COMMIT");
	return logdb_result(db);
}

void logdb_sync(struct logdb *db, enum logdb_sync sync)
{
	check(sync != LOGDB_SYNC_NEVER);
	if (db->sync == sync || db->sync == LOGDB_SYNC_NEVER)
		return;
	exec(db,
	     sync == LOGDB_SYNC_COMMITS ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
	db->sync = sync;
}

enum logdb_result logdb_open_read(struct logdb *db, char *path)
{
	char text[64];

	/* Not read-only: a reader of a WAL takes part in its index. */
	open_file(db, path, SQLITE_OPEN_READWRITE);
	if (is_absent(db))
		return LOGDB_ABSENT;
	snprintf(text, sizeof(text), "PRAGMA query_only=1; PRAGMA cache_size=-%d", LOGDB_CACHE_KB);
	exec(db, text);
	if (version(db) == 0 && db->error == SQLITE_OK)
		return LOGDB_ABSENT;
	return logdb_result(db);
}

void logdb_close(struct logdb *db, bool checkpoint)
{
	/* Besides, what SQLite does at the end of a file it does by name, and that may be another
	 * one's now. */
	if (db->sql && !checkpoint)
		sqlite3_db_config(db->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	for (size_t i = 0; i < LOGDB_STATEMENTS; i++)
		sqlite3_finalize(db->statement[i]);
	check(sqlite3_close(db->sql) == SQLITE_OK);
	free(db->path);
	free(db->source);
	free(db->user);
	*db = (struct logdb){ 0 };
}

/* ---- judging errors --------------------------------------------------------------------------------- */

/* Is this a trouble of the surroundings, not of the file? */
static bool is_outside(int error_system)
{
	switch (error_system) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
	case EACCES:
	case EPERM:
	case EROFS:
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOENT:
	case ENOTDIR:
		return true;
	default:
		return false;
	}
}

enum logdb_result logdb_result(const struct logdb *db)
{
	switch (db->error & 0xff) {
	case SQLITE_OK:
		return LOGDB_OK;
	case SQLITE_FULL:
	case SQLITE_READONLY:
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_NOMEM:
	case SQLITE_PERM:
		return LOGDB_UNWRITABLE;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return is_outside(db->error_system) ? LOGDB_UNWRITABLE : LOGDB_BROKEN;
	default:
		return LOGDB_BROKEN;
	}
}

/* ---- segments --------------------------------------------------------------------------------------- */

int64_t logdb_time_cut(int64_t time_ms)
{
	return time_ms < 0 ? 0 : time_ms > LOGDB_TIME_MS_MAX ? LOGDB_TIME_MS_MAX : time_ms;
}

int64_t logdb_position(int64_t former, int64_t time_ms)
{
	int64_t at = logdb_time_cut(time_ms) << LOGDB_POS_BITS;

	return at > former ? at : former + 1;
}

struct logdb_entry *logdb_unpack(struct logdb *db, struct arena *a, const struct logdb_segment *s,
				 size_t *ret_n)
{
	struct logdb_entry *v = arena_alloc(a, LOGDB_SEGMENT_EVENTS * sizeof(*v));
	struct str rest = s->data;
	int64_t pos = s->pos - 1;
	size_t n = 0;
	int got = 0;

	while (n < LOGDB_SEGMENT_EVENTS && (got = event_next(a, &rest, &v[n].event)) == 1) {
		pos = logdb_position(pos, v[n].event.time_ms);
		v[n++].pos = pos;
	}
	if (got < 0 || rest.n || pos != s->last)
		logdb_fail_broken(db, "a segment is broken");
	*ret_n = n;
	return v;
}
