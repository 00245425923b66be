/* What is true of the SQLite backend alone: its file, its lock, its errors, its memory. */
#include "kit.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "store/sqlite/sqlite_int.h"

enum { NOW_MS = 1000000 };

static const char *file_path(const char *name)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/%s", t_tmpdir(), name);
	return path;
}

static struct sqlite_db *open_path(const char *path, char ret_error[200])
{
	struct sqlite_settings set = { .path = path, .ephemeral = true };

	return sqlite_db_open(&set, NOW_MS, ret_error);
}

static void exec(const char *path, const char *text)
{
	sqlite3 *sql;

	T_EQ_INT(sqlite3_open(path, &sql), SQLITE_OK);
	T_EQ_INT(sqlite3_exec(sql, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(sql);
}

/* ---- opening --------------------------------------------------------------------------------- */

TEST(a_second_server_on_the_same_directory_is_refused_with_words)
{
	const char *path = file_path("store.db");
	char error[200];
	struct sqlite_db *db = open_path(path, error), *second;

	T_CHECK(db != NULL);
	T_CHECK(open_path(path, error) == NULL);
	T_CHECK(str_has(str_c(error), STR("in use by another server")));
	T_CHECK(str_has(str_c(error), str_c(t_tmpdir())));
	sqlite_db_close(db);
	second = open_path(path, error);
	T_CHECK(second != NULL);
	sqlite_db_close(second);
}

static void refused(const char *path, const char *word)
{
	char error[200] = "";

	T_CHECK(open_path(path, error) == NULL);
	if (!str_has(str_c(error), str_c(word)))
		T_FAIL("\"%s\" does not say \"%s\"", error, word);
	T_CHECK(!str_has_byte(str_c(error), '\n'));
}

TEST(a_newer_database_is_refused_with_words)
{
	const char *path = file_path("store.db");
	char error[200];

	sqlite_db_close(open_path(path, error));
	exec(path, "PRAGMA user_version = 99");
	refused(path, "version 99");
}

/* As version 1 left it. */
TEST(a_database_of_version_1_is_migrated_with_what_it_has)
{
	const char *path = file_path("store.db");
	struct kit_msg dead, waiting;
	struct kit k;

	kit_init(&k, &kit_disk);
	dead = PUT(&k, .want_lease = true);
	SETTLE(&k, &dead, SETTLE_DEAD);
	waiting = PUT(&k);
	k.backend->close(&k);
	exec(path,
	     "DROP TABLE run; DROP TABLE run_entry; DROP TABLE run_key; DROP TABLE run_message;"
	     "DROP TABLE run_doc; DROP TABLE usage; DROP INDEX dlq_until;"
	     "ALTER TABLE dlq DROP COLUMN until_ms; PRAGMA user_version = 1");
	k.backend->open(&k);
	T_CHECK(kit_find(&k, &waiting) != NULL);
	T_EQ_INT(kit_scan(&k, &(struct scan){ .kind = SCAN_DLQ, .user = STR("u") })->rows, 1);
	T_EQ_INT(PUT(&k).used_messages, 1);
	kit_pass(&k, 1000000000);
	kit_claim(&k, 0);
	T_EQ_INT(kit_scan(&k, &(struct scan){ .kind = SCAN_DLQ, .user = STR("u") })->rows, 1);
	kit_done(&k);
}

TEST(a_file_that_is_not_ours_is_refused)
{
	const char *path = file_path("other.db");
	FILE *f;

	exec(path, "CREATE TABLE message (x)");
	refused(path, "another program");
	path = file_path("text.db");
	f = fopen(path, "w");
	for (int i = 0; i < 1000; i++)
		fprintf(f, "this is no database\n");
	fclose(f);
	refused(path, "not a database");
	refused(file_path("no/such/directory/store.db"), "cannot write to the data directory");
}

TEST(an_empty_file_becomes_a_database)
{
	const char *path = file_path("empty.db");
	char error[200];
	struct sqlite_db *db;

	fclose(fopen(path, "w"));
	db = open_path(path, error);
	T_CHECK(db != NULL);
	sqlite_db_close(db);
	db = open_path(path, error);
	T_CHECK(db != NULL);
	sqlite_db_close(db);
}

/* ---- queries --------------------------------------------------------------------------------- */

static bool may_scan(size_t statement)
{
	switch (statement) {
	case SQL_BATCH_LAST: /* a walk along the key, cut by LIMIT or at the end of the work */
	case SQL_BATCH_FIRST:
	case SQL_HOLDER_NEXT: /* one row */
	case SQL_HOLDER_LAST:
		return true;
	default:
		/* Only tests count everything. */
		return statement >= SQL_CHECK_LEASED;
	}
}

TEST(every_statement_finds_its_rows_by_an_index)
{
	sqlite3 *sql;
	char error[200];

	T_EQ_INT(sqlite3_open(":memory:", &sql), SQLITE_OK);
	T_CHECK(sqlite_schema_migrate(sql, error));
	for (size_t i = 0; i < SQL_STATEMENTS; i++) {
		char text[2000];
		sqlite3_stmt *s;

		if (may_scan(i))
			continue;
		snprintf(text, sizeof(text), "EXPLAIN QUERY PLAN %s", sqlite_schema_statements[i]);
		T_EQ_INT(sqlite3_prepare_v2(sql, text, -1, &s, NULL), SQLITE_OK);
		while (sqlite3_step(s) == SQLITE_ROW) {
			const char *detail = (const char *)sqlite3_column_text(s, 3);

			if (strncmp(detail, "SCAN ", 5) == 0 &&
			    strcmp(detail, "SCAN CONSTANT ROW") != 0)
				T_FAIL("%s: %s", sqlite_schema_statements[i], detail);
			if (strstr(detail, "TEMP B-TREE"))
				T_FAIL("%s: %s", sqlite_schema_statements[i], detail);
		}
		sqlite3_finalize(s);
	}
	sqlite3_close(sql);
}

/* ---- errors ---------------------------------------------------------------------------------- */

/* Files cannot grow beyond that from here on. */
static void limit_files(rlim_t bytes)
{
	struct rlimit limit = { bytes, RLIM_INFINITY };

	signal(SIGXFSZ, SIG_IGN);
	T_EQ_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static const struct kit_backend *const sqlite_only[] = { &kit_memory, &kit_disk };
static const struct kit_backend *const disk_only[] = { &kit_disk };
static const struct kit_backend *const memory_only[] = { &kit_memory };

CONTRACT_ON(a_full_disk_answers_unavailable_and_the_store_goes_on, disk_only)
{
	enum { MANY = 400 };
	struct kit_msg m[MANY], delivered = PUT(k, .want_lease = true, .queue = "q");
	struct kit_msg waits = PUT(k, .queue = "q", .flow = "f");
	int failed = -1;

	limit_files(2 << 20);
	for (int i = 0; i < MANY && failed < 0; i++) {
		m[i] = PUT(k, .record_bytes = 20000, .want_lease = true, .flow = "f");
		if (m[i].result == STORE_UNAVAILABLE)
			failed = i;
		else
			T_EQ_INT(m[i].result, STORE_APPLIED);
	}
	T_CHECK(failed > 10);
	T_CHECK(!m[failed].leased);
	T_CHECK(kit_find(k, &m[failed]) == NULL);
	/* Time and again, and nothing is half done. */
	for (int i = 0; i < 3; i++) {
		T_EQ_INT(PUT(k, .record_bytes = 2000000, .want_lease = true).result,
			 STORE_UNAVAILABLE);
		T_CHECK(SETTLE(k, &m[0], SETTLE_RETRY, .delay_ms = 1000000).result !=
			STORE_PENDING);
	}
	limit_files(RLIM_INFINITY);
	for (int i = 1; i < failed; i++) {
		T_EQ_INT(kit_find(k, &m[i])->state, ROW_LEASED);
		T_EQ_INT(SETTLE(k, &m[i], SETTLE_DELIVERED).result, STORE_APPLIED);
	}
	T_EQ_INT(SETTLE(k, &delivered, SETTLE_DELIVERED).result, STORE_APPLIED);
	T_EQ_INT(kit_lease_all(k, &waits, 1), 1);
	kit_crash(k);
	T_CHECK(kit_find(k, &waits) != NULL && kit_find(k, &m[1]) == NULL);
}

CONTRACT_ON(one_failed_request_fails_its_whole_batch_and_no_other, disk_only)
{
	struct kit_msg m[3];
	struct move moves[3];
	struct step step[3];

	limit_files(1 << 20);
	for (int i = 0; i < 3; i++) {
		moves[i] = kit_put_move(k,
					&(struct kit_put){ .record_bytes = i == 1 ? 4000000 : 0,
							   .want_lease = true },
					&m[i]);
		step_init(&step[i], &moves[i], 1, kit_ignore, NULL);
	}
	store_submit(k->s, &step[0].req);
	store_submit(k->s, &step[1].req);
	T_EQ_INT(kit_do(k, &step[2].req), STORE_UNAVAILABLE);
	for (int i = 0; i < 3; i++) {
		T_EQ_INT(step[i].req.result, STORE_UNAVAILABLE);
		T_CHECK(!moves[i].put.leased);
		T_CHECK(kit_find(k, &m[i]) == NULL);
	}
	step_init(&step[0], &moves[0], 1, NULL, NULL);
	T_EQ_INT(kit_do(k, &step[0].req), STORE_APPLIED);
	T_CHECK(moves[0].put.leased);
	limit_files(RLIM_INFINITY);
}

/* ---- death ----------------------------------------------------------------------------------- */

struct report {
	struct msg_id id;
	char user[16];
	bool stays;
};

/* Puts and settles until it is killed; says what was answered. */
static no_return void child_works(const char *path, int fd)
{
	struct sqlite_settings set = { .path = path, .threaded = true, .wake = NULL };
	struct kit k = { .backend = &kit_disk, .now_ms = NOW_MS, .unchecked = true };
	char error[200];
	struct sqlite_db *db;

	set.wake = kit_ring;
	set.wake_arg = &k;
	sem_init(&k.bell, 0, 0);
	arena_init(&k.arena);
	rng_init(&k.rng, 1);
	db = sqlite_db_open(&set, NOW_MS, error);
	T_CHECK(db != NULL);
	k.s = sqlite_db_attach(db, NOW_MS);
	k.last_seq = k.s->info.seq_max;
	for (;;) {
		struct report r = { .stays = k.last_seq % 2 };
		struct kit_msg m;

		/* A user of its own, so that nobody waits before it. */
		snprintf(r.user, sizeof(r.user), "%d", (int)getpid());
		m = PUT(&k, .user = r.user, .want_lease = true, .record_bytes = 500);
		T_CHECK(m.leased);
		if (!r.stays)
			T_EQ_INT(SETTLE(&k, &m, SETTLE_DELIVERED).result, STORE_APPLIED);
		r.id = m.id;
		T_CHECK(write(fd, &r, sizeof(r)) == sizeof(r));
	}
}

/* Kills the child in the midst of its work, after `least` answers and whatever comes in the pipe's wake. */
static int kill_at_work(const char *path, struct report *report, int max, int least)
{
	int fds[2], n = 0;
	pid_t pid;

	T_EQ_INT(pipe(fds), 0);
	pid = fork();
	if (pid == 0)
		child_works(path, fds[1]);
	close(fds[1]);
	for (; n < least; n++) {
		if (read(fds[0], &report[n], sizeof(*report)) != sizeof(*report))
			T_FAIL("the child ended by itself");
	}
	kill(pid, SIGKILL);
	T_EQ_INT(waitpid(pid, NULL, 0), pid);
	while (n < max && read(fds[0], &report[n], sizeof(*report)) == sizeof(*report))
		n++;
	close(fds[0]);
	return n;
}

TEST(what_was_answered_is_there_after_sigkill)
{
	enum { MAX = 20000 };
	static struct report report[MAX];
	struct kit k;
	int n = 0;

	for (int round = 0; round < 4; round++)
		n += kill_at_work(file_path("store.db"), report + n, MAX - n, 15 + 11 * round);
	kit_init(&k, &kit_disk);
	k.unchecked = true;
	for (int i = 0; i < n; i++) {
		struct scan *s = kit_scan(&k, &(struct scan){ .kind = SCAN_MESSAGE,
							      .user = str_c(report[i].user),
							      .id = report[i].id });

		T_EQ_INT(s->rows, report[i].stays);
		if (s->rows)
			T_EQ_INT(s->row->state, ROW_READY);
	}
	k.backend->verify(&k);
	kit_done(&k);
}

/* ---- size ------------------------------------------------------------------------------------ */

static struct sqlite_stats stats(struct kit *k)
{
	return sqlite_db_stats(k->state);
}

CONTRACT_ON(the_log_is_written_from_its_start_again_after_checkpoints, disk_only)
{
	int64_t most = 0;

	k->unchecked = true;
	for (int i = 0; i < 600; i++) {
		struct kit_msg m = PUT(k, .want_lease = true, .record_bytes = 60000);

		SETTLE(k, &m, SETTLE_DELIVERED);
		most = stats(k).wal_pages > most ? stats(k).wal_pages : most;
	}
	/* 600 times 30 pages and more were written. */
	T_CHECK(most > SQLITE_CHECKPOINT_PAGES / 2 && most < 8 * SQLITE_CHECKPOINT_PAGES);
	T_EQ_INT(stats(k).messages, 0);
	T_EQ_INT(stats(k).commits_failed, 0);
	T_CHECK(stats(k).commits >= 1200 && stats(k).steps >= 1200);
}

CONTRACT_ON(gates_that_nobody_uses_leave_the_memory, sqlite_only)
{
	enum { MANY = SQLITE_GATES_CACHED + 2000, BATCH = 500 };
	struct kit_msg m[BATCH];
	static struct move moves[BATCH];
	struct step step;

	k->unchecked = true;
	for (int i = 0; i < MANY; i += BATCH) {
		for (int j = 0; j < BATCH; j++) {
			const char *name = arena_fmt(&k->arena, "%d", i + j).p;

			moves[j] = kit_put_move(k,
						&(struct kit_put){ .flow = name,
								   .queue = j % 50 ? NULL : name,
								   .delay_ms = 100000 },
						&m[j]);
		}
		T_EQ_INT(kit_step(k, &step, moves, BATCH), STORE_APPLIED);
	}
	T_EQ_INT(stats(k).messages, MANY);
	T_CHECK(stats(k).gates < SQLITE_GATES_CACHED / 2);
	/* They come back when they are needed. */
	T_EQ_INT(kit_gate(k, GATE_FLOW, "7")->waiting, 0);
	T_CHECK(PUT(k, .flow = "7", .want_lease = true).leased);
	T_EQ_INT(kit_gate(k, GATE_FLOW, "7")->gate.running, 1);
	T_CHECK(!PUT(k, .queue = "500", .want_lease = true).leased);
}

CONTRACT_ON(a_batch_too_big_for_one_transaction_is_cut, sqlite_only)
{
	enum { MANY = 40 };
	struct kit_msg m[MANY];
	struct move moves[MANY];
	struct step step[MANY];
	uint64_t before = stats(k).commits;

	for (int i = 0; i < MANY; i++) {
		moves[i] = kit_put_move(k, &(struct kit_put){ .record_bytes = 1 << 20 }, &m[i]);
		step_init(&step[i], &moves[i], 1, kit_ignore, NULL);
		if (i < MANY - 1)
			store_submit(k->s, &step[i].req);
	}
	T_EQ_INT(kit_do(k, &step[MANY - 1].req), STORE_APPLIED);
	for (int i = 0; i < MANY; i++)
		T_EQ_INT(step[i].req.result, STORE_APPLIED);
	T_CHECK(stats(k).commits - before >= 4 && stats(k).commits - before <= 8);
}

/* ---- listings -------------------------------------------------------------------------------- */

/* How many messages of "u" a listing of all pages gives; they come in order. */
static size_t count_listed(struct kit *k, size_t page)
{
	struct scan s = { .kind = SCAN_MESSAGES, .user = STR("u"), .max = page };
	uint64_t last = 0;
	size_t n = 0;
	bool more = true;

	while (more) {
		struct scan *got = kit_scan(k, &s);

		for (size_t i = 0; i < got->rows; i++) {
			T_CHECK(got->row[i].id.seq > last);
			last = got->row[i].id.seq;
		}
		T_CHECK(!got->more || got->at_id.seq > s.id.seq);
		n += got->rows;
		s.id = got->at_id;
		more = got->more;
	}
	return n;
}

CONTRACT_ON(a_user_with_more_messages_than_are_gathered_is_listed_too, memory_only)
{
	enum { MANY = SQLITE_LISTED + 2000, BATCH = 1000 };
	static struct kit_msg m[BATCH];
	static struct move moves[BATCH];
	struct step step;

	k->unchecked = true;
	for (int i = 0; i < MANY; i += BATCH) {
		for (int j = 0; j < BATCH; j++)
			moves[j] = kit_put_move(k,
						&(struct kit_put){ .user = j % 11 ? "u" : "v",
								   .queue = j % 3 ? NULL : "q",
								   .flow = j % 5 ? NULL : "f",
								   .delay_ms = j % 7 },
						&m[j]);
		T_EQ_INT(kit_step(k, &step, moves, BATCH), STORE_APPLIED);
	}
	T_EQ_INT(kit_claim(k, 100)->n, 100);
	T_EQ_INT(count_listed(k, 700), MANY / BATCH * (BATCH - 91));
}
