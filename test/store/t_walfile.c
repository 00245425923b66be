/* The WAL in one piece per transaction: the same bytes, fewer writes, and as safe. */
#include "store/walfile.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "t.h"

/* ---- a VFS below it that counts what is written to WALs, and may refuse it ------------------- */

struct counted {
	sqlite3_file base;
	sqlite3_io_methods methods; /* those of the file, but for xWrite */
	int (*write)(sqlite3_file *, const void *, int, sqlite3_int64);
	sqlite3_file *real;
};

static sqlite3_vfs below;
static int wal_writes;
static bool disk_is_full;

static int counted_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	/* The file's own method, kept behind everything that SQLite knows of the file. */
	struct counted *c = (struct counted *)(void *)((char *)f + below.szOsFile) - 1;

	wal_writes++;
	return disk_is_full ? SQLITE_FULL : c->write(f, p, n, at);
}

static int counted_open(sqlite3_vfs *self, const char *name, sqlite3_file *f, int flags,
			int *ret_flags)
{
	sqlite3_vfs *real = self->pAppData;
	struct counted *c = (struct counted *)(void *)((char *)f + below.szOsFile) - 1;
	int rc = real->xOpen(real, name, f, flags, ret_flags);

	if (rc != SQLITE_OK || !(flags & SQLITE_OPEN_WAL))
		return rc;
	c->methods = *f->pMethods;
	c->write = c->methods.xWrite;
	c->methods.xWrite = counted_write;
	f->pMethods = &c->methods;
	return rc;
}

static void count_writes(void)
{
	sqlite3_vfs *real = sqlite3_vfs_find(NULL);

	below = *real;
	below.zName = "counted";
	below.pAppData = real;
	below.szOsFile = (real->szOsFile + 15) / 16 * 16 + (int)sizeof(struct counted);
	below.xOpen = counted_open;
	check(sqlite3_vfs_register(&below, 1) == SQLITE_OK);
}

/* ---- databases ------------------------------------------------------------------------------- */

static const char *path_of(const char *name)
{
	static char path[500];

	snprintf(path, sizeof(path), "%s/%s", t_tmpdir(), name);
	return path;
}

static void run(sqlite3 *sql, const char *text)
{
	char *error = NULL;

	if (sqlite3_exec(sql, text, NULL, NULL, &error) != SQLITE_OK)
		T_FAIL("%s: %s", text, error);
}

static sqlite3 *open_with(const char *vfs, const char *synchronous)
{
	char text[100];
	sqlite3 *sql;

	T_EQ_INT(sqlite3_open_v2(path_of("x.db"), &sql, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
				 vfs),
		 SQLITE_OK);
	snprintf(text, sizeof(text), "PRAGMA journal_mode = WAL; PRAGMA synchronous = %s;",
		 synchronous);
	run(sql, text);
	return sql;
}

static sqlite3 *make(const char *synchronous)
{
	sqlite3 *sql = open_with(walfile_vfs(), synchronous);

	run(sql, "CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)");
	return sql;
}

/* Some 1,000 bytes a row. */
static void add_rows(sqlite3 *sql, int n)
{
	char text[200];

	snprintf(text, sizeof(text),
		 "WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < %d)"
		 " INSERT INTO t (v) SELECT randomblob(1000) FROM i",
		 n);
	run(sql, text);
}

static int64_t value(sqlite3 *sql, const char *text)
{
	sqlite3_stmt *s;
	int64_t v;

	T_EQ_INT(sqlite3_prepare_v2(sql, text, -1, &s, NULL), SQLITE_OK);
	T_EQ_INT(sqlite3_step(s), SQLITE_ROW);
	v = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return v;
}

static int64_t rows(sqlite3 *sql)
{
	T_EQ_INT(value(sql, "SELECT count(*) FROM pragma_integrity_check"
			    " WHERE integrity_check = 'ok'"),
		 1);
	return value(sql, "SELECT count(*) FROM t");
}

/* ---- tests ----------------------------------------------------------------------------------- */

TEST(a_transaction_of_many_pages_is_one_write)
{
	sqlite3 *sql;

	count_writes();
	sql = make("FULL");
	wal_writes = 0;
	add_rows(sql, 60);
	T_EQ_INT(wal_writes, 1);
	add_rows(sql, 60);
	T_EQ_INT(wal_writes, 2);
	T_EQ_INT(rows(sql), 120);
	sqlite3_close(sql);
}

/* The default VFS does not write more than 128 KB at once. */
TEST(a_large_transaction_is_written_in_pieces)
{
	sqlite3 *sql;

	count_writes();
	sql = make("FULL");
	wal_writes = 0;
	add_rows(sql, 5000);
	T_CHECK(wal_writes >= 5000 * 1000 / (128 * 1024) && wal_writes < 100);
	T_EQ_INT(rows(sql), 5000);
	sqlite3_close(sql);
}

static const char *const levels[] = { "FULL", "NORMAL", "OFF" };

/* Others see what is committed at once, and it is in the file although nobody closes it. */
TEST_EACH(a_commit_is_in_the_file_when_it_returns, levels)
{
	sqlite3 *sql = make(*row), *other;
	pid_t child;
	int status;

	sqlite3_close(sql);
	child = fork();
	T_CHECK(child >= 0);
	if (child == 0) {
		sql = open_with(walfile_vfs(), *row);
		add_rows(sql, 70);
		run(sql, "BEGIN");
		add_rows(sql, 5);
		other = open_with(NULL, *row);
		_exit(value(other, "SELECT count(*) FROM t") == 70 ? 0 : 1);
	}
	T_EQ_INT(waitpid(child, &status, 0), child);
	T_EQ_INT(status, 0);
	sql = open_with(NULL, *row);
	T_EQ_INT(rows(sql), 70);
	sqlite3_close(sql);
}

/* Pages that do not fit the cache go to the WAL before the commit, are read from there, and written again. */
TEST_EACH(a_transaction_larger_than_the_cache, levels)
{
	sqlite3 *sql = make(*row), *other = open_with(NULL, *row);

	run(sql, "PRAGMA cache_size = 10; BEGIN");
	add_rows(sql, 300);
	run(sql, "UPDATE t SET v = randomblob(900)");
	run(sql, "SAVEPOINT s; DELETE FROM t WHERE id % 2; ROLLBACK TO s");
	T_EQ_INT(value(other, "SELECT count(*) FROM t"), 0);
	T_EQ_INT(rows(sql), 300);
	run(sql, "COMMIT");
	T_EQ_INT(rows(other), 300);
	run(sql, "BEGIN; DELETE FROM t");
	add_rows(sql, 400);
	run(sql, "ROLLBACK");
	T_EQ_INT(rows(sql), 300);
	add_rows(sql, 1);
	T_EQ_INT(rows(other), 301);
	sqlite3_close(other);
	sqlite3_close(sql);
}

/* After a checkpoint the WAL begins anew; another connection may have done it, and have written, too. */
TEST_EACH(the_log_begins_anew, levels)
{
	sqlite3 *sql = make(*row), *other = open_with(NULL, *row);

	for (int i = 1; i <= 6; i++) {
		add_rows(sql, 20);
		add_rows(i % 2 ? sql : other, 1);
		run(i % 3 ? other : sql, "PRAGMA wal_checkpoint(RESTART)");
		T_EQ_INT(rows(other), 21 * i);
	}
	run(sql, "PRAGMA wal_checkpoint(TRUNCATE)");
	add_rows(sql, 1);
	T_EQ_INT(rows(other), 127);
	sqlite3_close(other);
	sqlite3_close(sql);
}

TEST(a_full_disk_fails_the_commit_alone)
{
	sqlite3 *sql;

	count_writes();
	sql = make("FULL");
	add_rows(sql, 10);
	disk_is_full = true;
	T_EQ_INT(sqlite3_exec(sql, "UPDATE t SET v = randomblob(2000)", NULL, NULL, NULL),
		 SQLITE_FULL);
	T_EQ_INT(rows(sql), 10);
	disk_is_full = false;
	add_rows(sql, 10);
	T_EQ_INT(rows(sql), 20);
	T_EQ_INT(value(sql, "SELECT count(*) FROM t WHERE length(v) = 1000"), 20);
	sqlite3_close(sql);
}
