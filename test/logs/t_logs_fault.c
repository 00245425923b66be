/* Files that are broken, missing or not writable. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "fixture.h"
#include "logs/logdb.h"
#include "t.h"

/* ---- broken files ----------------------------------------------------------------------------------- */

static void write_at(const char *path, off_t at, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	T_CHECK(fd >= 0);
	T_CHECK(pwrite(fd, text, strlen(text), at) == (ssize_t)strlen(text));
	close(fd);
}

static void as_text(const char *path)
{
	T_CHECK(truncate(path, 0) == 0);
	write_at(
		path, 0,
		"Dear diary, this is not a database, but longer than a header of one would be, and "
		"so it goes on for a while.\n");
}

static void empty(const char *path)
{
	T_CHECK(truncate(path, 0) == 0);
}

static void cut_off(const char *path)
{
	T_CHECK(truncate(path, LOGDB_PAGE_BYTES + 100) == 0);
}

static void scribble(const char *path)
{
	struct stat st;

	T_CHECK(stat(path, &st) == 0);
	for (off_t at = 100; at < st.st_size; at += 64)
		write_at(path, at, "SCRIBBLE");
}

static void other_version(const char *path)
{
	char version[] = { 0, 0, 0, 77 };
	int fd = open(path, O_WRONLY);

	T_CHECK(pwrite(fd, version, 4, 60) == 4);
	close(fd);
}

static void to_directory(const char *path)
{
	T_CHECK(unlink(path) == 0 && mkdir(path, 0700) == 0);
}

static const struct breakage {
	void (*harm)(const char *path);
	bool told_on_reading; /* else only the writer can tell: there is nothing to read */
} breakages[] = {
	{ as_text, true },  { empty, false },        { cut_off, true },
	{ scribble, true }, { other_version, true }, { to_directory, true },
};

/* A closed log with 300 entries. */
static struct msg fill(struct fixture *f)
{
	struct msg m;

	fixture_open(f, (struct logs_settings){ .ephemeral = true });
	log_setup(LOG_OFF);
	for (int i = 0; i < 100; i++) {
		m = fixture_msg(f);
		fixture_life(f, &m);
	}
	fixture_give(f);
	logs_close(f->logs);
	return m;
}

TEST_EACH(the_writer_sets_a_broken_file_aside_and_begins_anew, breakages)
{
	struct fixture f;
	struct msg m = fill(&f);

	row->harm(fixture_path(&f, FIXTURE_USER, ""));
	fixture_start(&f);
	fixture_life(&f, &m);
	fixture_give(&f);
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, ""), "303 302 301");
	T_EQ_INT(logs_stats(f.logs).files_set_aside, 1);
	T_EQ_INT(logs_stats(f.logs).events_dropped, 0);
	T_CHECK(fixture_files(&f, ".broken-") >= 1);
	fixture_close(&f);
}

TEST_EACH(a_reader_that_finds_a_file_broken_has_it_set_aside, breakages)
{
	struct fixture f;
	struct msg m = fill(&f);

	row->harm(fixture_path(&f, FIXTURE_USER, ""));
	f.settings.threaded = true;
	fixture_start(&f);
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, "order=earliestFirst"), "");
	if (row->told_on_reading)
		T_UNTIL(logs_stats(f.logs).files_set_aside == 1, 10);
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, ""), "");
	fixture_life(&f, &m);
	fixture_give(&f);
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, ""), "303 302 301");
	T_EQ_INT(logs_stats(f.logs).files_set_aside, 1);
	fixture_close(&f);
}

TEST_EACH(a_pass_over_the_files_sets_a_broken_one_aside, breakages)
{
	struct fixture f;
	struct msg m = fill(&f);

	row->harm(fixture_path(&f, FIXTURE_USER, ""));
	fixture_start(&f);
	fixture_tick(&f, (int64_t)4 * 24 * 60 * 60 * 1000);
	T_EQ_INT(logs_stats(f.logs).files_set_aside, 1);
	fixture_life(&f, &m);
	fixture_give(&f);
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, ""), "303 302 301");
	T_EQ_INT(logs_stats(f.logs).files_set_aside, 1);
	fixture_close(&f);
}

TEST(a_broken_segment_is_a_broken_file)
{
	struct fixture f;
	struct msg m = fill(&f);
	sqlite3 *sql;

	T_EQ_INT(sqlite3_open(fixture_path(&f, FIXTURE_USER, ""), &sql), SQLITE_OK);
	T_EQ_INT(sqlite3_exec(sql, "UPDATE segment SET data = substr(data, 1, 100)", NULL, NULL,
			      NULL),
		 SQLITE_OK);
	sqlite3_close(sql);
	fixture_start(&f);
	fixture_life(&f, &m);
	fixture_give(&f);
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, ""), "");
	T_EQ_INT(logs_stats(f.logs).files_set_aside, 1);
	fixture_life(&f, &m);
	fixture_give(&f);
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, ""), "306 305 304");
	fixture_close(&f);
}

TEST(a_file_that_breaks_while_it_is_open_does_not_stop_others)
{
	struct fixture f;
	struct msg m = fill(&f), other = m;

	other.user = STR("other");
	f.settings.threaded = true;
	fixture_start(&f);
	for (int i = 0; i < 20; i++) {
		if (i == 5)
			scribble(fixture_path(&f, FIXTURE_USER, ""));
		for (int k = 0; k < 200; k++)
			fixture_life(&f, &m);
		fixture_life(&f, &other);
		fixture_give(&f);
		fixture_list(&f, FIXTURE_USER, "state=FAILED");
	}
	T_EQ_INT(fixture_count(fixture_list(&f, "other", "")), 60);
	T_EQ_INT(fixture_count(fixture_list(&f, FIXTURE_USER, "")), 1000);
	fixture_close(&f);
}

TEST(keeps_files_that_were_set_aside_for_a_week)
{
	struct fixture f;
	struct msg m = fill(&f);

	as_text(fixture_path(&f, FIXTURE_USER, ""));
	fixture_start(&f);
	fixture_life(&f, &m);
	fixture_give(&f);
	f.now_ms += (int64_t)7 * 24 * 60 * 60 * 1000;
	logs_tick(f.logs, f.now_ms);
	T_EQ_INT(fixture_files(&f, ".broken-"), 1);
	f.now_ms += 60 * 60 * 1000;
	logs_tick(f.logs, f.now_ms);
	T_EQ_INT(fixture_files(&f, ".broken-"), 0);
	fixture_close(&f);
}

/* ---- missing files ---------------------------------------------------------------------------------- */

static const struct {
	bool all;      /* the WAL and its index as well */
	bool replaced; /* by another log file */
} losses[] = { { false, false }, { true, false }, { true, true } };

TEST_EACH(a_file_that_vanishes_while_it_is_open_is_begun_anew, losses)
{
	static const char *const endings[] = { "", "-wal", "-shm" };
	struct fixture f;
	struct msg m = fill(&f);

	if (row->replaced)
		fixture_copy(fixture_path(&f, FIXTURE_USER, ""),
			     fixture_path(&f, FIXTURE_USER, ".copy"));
	f.settings.threaded = true;
	fixture_start(&f);
	fixture_life(&f, &m);
	fixture_give(&f);
	T_EQ_INT(fixture_count(fixture_list(&f, FIXTURE_USER, "")), 303);
	for (size_t i = 0; i < (row->all ? countof(endings) : 1); i++)
		T_CHECK(unlink(fixture_path(&f, FIXTURE_USER, endings[i])) == 0);
	if (row->replaced)
		fixture_copy(fixture_path(&f, FIXTURE_USER, ".copy"),
			     fixture_path(&f, FIXTURE_USER, ""));
	T_EQ_INT(fixture_count(fixture_list(&f, FIXTURE_USER, "")), row->replaced ? 300 : 0);
	fixture_life(&f, &m);
	fixture_give(&f);
	T_EQ_INT(fixture_count(fixture_list(&f, FIXTURE_USER, "")), row->replaced ? 303 : 3);
	fixture_reopen(&f);
	T_EQ_INT(fixture_count(fixture_list(&f, FIXTURE_USER, "")), row->replaced ? 303 : 3);
	fixture_close(&f);
}

/* ---- files that cannot be written ------------------------------------------------------------------- */

/* The log is in a directory that can be taken away, with one message in it. */
static void in_own_dir(struct fixture *f, struct msg *ret_msg)
{
	char dir[300];

	snprintf(dir, sizeof(dir), "%s/a/b", t_tmpdir());
	log_setup(LOG_OFF);
	fixture_open(f, (struct logs_settings){ .ephemeral = true, .threaded = true, .dir = dir });
	f->settings.dir = arena_str(&f->arena, str_c(dir)).p;
	*ret_msg = fixture_msg(f);
	fixture_life(f, ret_msg);
	fixture_give(f);
}

TEST(makes_the_directory_again_when_it_is_gone)
{
	struct fixture f;
	struct msg m;

	in_own_dir(&f, &m);
	T_CHECK(rename(arena_fmt(&f.arena, "%s/a", t_tmpdir()).p,
		       arena_fmt(&f.arena, "%s/gone", t_tmpdir()).p) == 0);
	fixture_life(&f, &m);
	fixture_give(&f);
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, ""), "6 5 4");
	T_EQ_INT(logs_stats(f.logs).events_dropped, 0);
	fixture_close(&f);
}

TEST(events_are_dropped_and_counted_while_there_is_no_directory)
{
	struct fixture f;
	struct msg m;
	const char *dir, *gone;

	in_own_dir(&f, &m);
	dir = arena_fmt(&f.arena, "%s/a", t_tmpdir()).p;
	gone = arena_fmt(&f.arena, "%s/gone", t_tmpdir()).p;
	T_CHECK(rename(dir, gone) == 0);
	write_at(dir, 0, "a file");
	for (int i = 0; i < 3; i++) {
		fixture_life(&f, &m);
		fixture_give(&f); /* what is dropped counts as committed */
	}
	T_EQ_INT(logs_stats(f.logs).events_dropped, 9);
	T_EQ_INT(logs_stats(f.logs).files_set_aside, 0);
	T_CHECK(unlink(dir) == 0 && rename(gone, dir) == 0);
	fixture_life(&f, &m);
	fixture_give(&f);
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, ""), "15 14 13 3 2 1");
	T_EQ_INT(logs_stats(f.logs).events_dropped, 9);
	fixture_close(&f);
}

TEST(a_full_disk_costs_entries_but_no_file)
{
	struct rlimit small = { 1 << 20, RLIM_INFINITY },
		      unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	struct fixture f;
	struct msg m;

	in_own_dir(&f, &m);
	signal(SIGXFSZ, SIG_IGN);
	T_CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
	m.body = str_n(arena_zalloc(&f.arena, 300 * 1000), 300 * 1000);
	for (int i = 0; i < 10; i++) {
		m.id = msg_id_next(&f.seq, f.now_ms, &f.rng);
		fixture_put(&f, &m, EVENT_CREATED);
		fixture_give(&f);
	}
	T_CHECK(logs_stats(f.logs).events_dropped > 0);
	T_EQ_INT(logs_stats(f.logs).files_set_aside, 0);
	T_CHECK(setrlimit(RLIMIT_FSIZE, &unlimited) == 0);
	m.body = STR_NULL;
	fixture_put(&f, &m, EVENT_DELIVERED);
	fixture_give(&f);
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, "count=1"), "14 more");
	T_EQ_INT(fixture_count(fixture_list(&f, FIXTURE_USER, "")) +
			 logs_stats(f.logs).events_dropped,
		 14);
	fixture_close(&f);
}

TEST(without_descriptors_it_says_so_and_keeps_the_file)
{
	struct rlimit usual, none;
	struct logs_query q;
	struct fixture f;
	struct msg m;

	in_own_dir(&f, &m);
	fixture_reopen(&f);
	T_CHECK(getrlimit(RLIMIT_NOFILE, &usual) == 0);
	none = (struct rlimit){ 0, usual.rlim_max };
	T_CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
	q = fixture_query(&f, FIXTURE_USER, "");
	fixture_ask(&f, &q);
	T_EQ_INT(q.problem.status, 503);
	buf_done(&q.body);
	fixture_life(&f, &m);
	fixture_give(&f);
	T_EQ_INT(logs_stats(f.logs).events_dropped, 3);
	T_CHECK(setrlimit(RLIMIT_NOFILE, &usual) == 0);
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, ""), "3 2 1");
	T_EQ_INT(logs_stats(f.logs).files_set_aside, 0);
	fixture_close(&f);
}

static int lock_for_long(const char *path, sqlite3 **ret_sql)
{
	if (sqlite3_open(path, ret_sql) != SQLITE_OK)
		return SQLITE_ERROR;
	return sqlite3_exec(*ret_sql, "BEGIN IMMEDIATE", NULL, NULL, NULL);
}

TEST(a_file_that_somebody_locks_costs_entries_but_no_file)
{
	struct fixture f;
	struct msg m, other;
	sqlite3 *sql;

	in_own_dir(&f, &m);
	other = m;
	other.user = STR("other");
	T_EQ_INT(lock_for_long(fixture_path(&f, FIXTURE_USER, ""), &sql), SQLITE_OK);
	fixture_life(&f, &m);
	fixture_life(&f, &other);
	fixture_give(&f);
	T_EQ_INT(logs_stats(f.logs).events_dropped, 3);
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, ""), "3 2 1");
	sqlite3_close(sql);
	fixture_life(&f, &m);
	fixture_give(&f);
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, ""), "12 11 10 3 2 1");
	T_EQ_STR(fixture_serials(&f, "other", ""), "9 8 7");
	T_EQ_INT(logs_stats(f.logs).files_set_aside, 0);
	fixture_close(&f);
}
