/* The port: positions, waiting, limits, clocks, retention, many users, threads. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "logs/logfiles.h"
#include "t.h"

static const bool threaded_or_not[] = { false, true };

/* ---- hand-overs ------------------------------------------------------------------------------------- */

TEST_EACH(keeps_what_was_handed_over, threaded_or_not)
{
	struct fixture f;
	struct msg m;

	fixture_open(&f, (struct logs_settings){ .threaded = *row });
	T_EQ_INT(logs_committed(f.source), 0);
	m = fixture_msg(&f);
	fixture_life(&f, &m);
	fixture_give(&f);
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, ""), "3 2 1");
	fixture_reopen(&f);
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, "order=earliestFirst"), "1 2 3");
	T_EQ_INT(logs_stats(f.logs).backlog_bytes, 0);
	fixture_close(&f);
}

TEST(commits_what_was_taken_when_closed)
{
	struct fixture f;
	struct msg m;

	fixture_open(&f, (struct logs_settings){ .threaded = true });
	for (uint64_t i = 0; i < 50; i++) {
		m = fixture_msg(&f);
		fixture_put(&f, &m, EVENT_CREATED);
		T_CHECK(logs_take(f.source, buf_str(&f.events), i, i + 1, f.now_ms));
		buf_reset(&f.events);
	}
	fixture_reopen(&f);
	T_EQ_INT(fixture_count(fixture_list(&f, FIXTURE_USER, "")), 50);
	fixture_close(&f);
}

TEST(takes_an_empty_hand_over_as_progress)
{
	struct fixture f;

	fixture_open(&f, (struct logs_settings){ .threaded = true });
	fixture_give(&f);
	T_EQ_INT(logs_committed(f.source), 1);
	T_EQ_INT(fixture_files(&f, ".db"), 0);
	fixture_close(&f);
}

TEST(drops_what_is_no_event_and_goes_on)
{
	struct fixture f;
	struct msg m;

	fixture_open(&f, (struct logs_settings){ .ephemeral = true });
	m = fixture_msg(&f);
	fixture_put(&f, &m, EVENT_CREATED);
	buf_add(&f.events, STR("\x01\x7fnonsense"));
	fixture_give(&f);
	T_EQ_INT(logs_stats(f.logs).events_dropped, 1);
	fixture_put(&f, &m, EVENT_ACTIVE);
	fixture_give(&f);
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, ""), "2 1");
	T_EQ_INT(logs_stats(f.logs).events_written, 2);
	fixture_close(&f);
}

TEST(refuses_when_the_writer_is_behind)
{
	struct fixture f;
	struct msg m;
	int taken = 0;

	fixture_open(&f,
		     (struct logs_settings){ .threaded = true, .backlog_bytes_max = 200 * 1000 });
	m = fixture_msg(&f);
	m.body = str_n(arena_zalloc(&f.arena, 50 * 1000), 50 * 1000);
	fixture_put(&f, &m, EVENT_CREATED);
	/* Far faster than a disk: it must refuse sooner or later, and never hold more than it may.
	 */
	while (logs_take(f.source, buf_str(&f.events), (uint64_t)taken, (uint64_t)taken + 1,
			 f.now_ms)) {
		T_CHECK(logs_stats(f.logs).backlog_bytes <= 200 * 1000);
		T_CHECK(++taken < 1000 * 1000);
	}
	f.pos = (uint64_t)taken;
	fixture_wait(&f);
	T_UNTIL(logs_stats(f.logs).backlog_bytes == 0, 10);
	/* A single hand-over is taken however long it is. */
	buf_reset(&f.events);
	for (int i = 0; i < 10; i++)
		fixture_put(&f, &m, EVENT_CREATED);
	fixture_give(&f);
	fixture_close(&f);
}

/* ---- queries that wait ------------------------------------------------------------------------------ */

static void count_done(struct logs_query *q)
{
	++*(int *)q->arg;
}

TEST(a_query_waits_for_the_position_it_asks_for)
{
	struct fixture f;
	struct logs_query q;
	struct msg m;
	int done = 0;

	fixture_open(&f, (struct logs_settings){ .threaded = true });
	m = fixture_msg(&f);
	fixture_put(&f, &m, EVENT_CREATED);
	fixture_give(&f);
	q = fixture_query(&f, FIXTURE_USER, "");
	q.not_before_pos = 2;
	q.done = count_done;
	q.arg = &done;
	logs_query(f.logs, &q);
	/* Another query is not held up by the one that waits. */
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, ""), "1");
	T_EQ_INT(done, 0);
	fixture_put(&f, &m, EVENT_ACTIVE);
	fixture_give(&f);
	T_UNTIL((logs_poll(f.logs), done == 1), 10);
	T_CHECK(str_has(buf_str(&q.body), STR("ACTIVE")));
	buf_done(&q.body);
	fixture_close(&f);
}

TEST(a_query_that_waits_makes_the_writer_hurry)
{
	struct fixture f;
	struct logs_query q;
	struct msg m;
	int64_t start_ms;

	fixture_open(&f, (struct logs_settings){ .threaded = true, .ephemeral = true });
	m = fixture_msg(&f);
	start_ms = t_now_ms();
	/* Without hurry, each round but the first would wait 50 ms. */
	for (uint64_t i = 0; i < 40; i++) {
		fixture_put(&f, &m, EVENT_ACTIVE);
		T_CHECK(logs_take(f.source, buf_str(&f.events), i, i + 1, f.now_ms));
		buf_reset(&f.events);
		q = fixture_query(&f, FIXTURE_USER, "");
		q.not_before_pos = i + 1;
		fixture_ask(&f, &q);
		T_CHECK(str_has(buf_str(&q.body),
				arena_fmt(&f.arena, "\"nextDeliveryTime\":%d,", (int)i + 1)));
		buf_done(&q.body);
	}
	T_CHECK(t_now_ms() - start_ms < 39 * 50);
	fixture_close(&f);
}

TEST(a_query_waits_for_two_seconds_at_most)
{
	struct fixture f;
	struct logs_query q;
	int64_t start_ms, took_ms;

	fixture_open(&f, (struct logs_settings){ .threaded = true });
	q = fixture_query(&f, FIXTURE_USER, "");
	q.not_before_pos = 1;
	start_ms = t_now_ms();
	fixture_ask(&f, &q);
	took_ms = t_now_ms() - start_ms;
	T_CHECK(took_ms >= LOGS_BARRIER_MS - 1 && took_ms < LOGS_BARRIER_MS + 3000);
	T_EQ_INT(q.problem.status, 0);
	T_EQ_STR(buf_str(&q.body), "{\"events\":[]}");
	buf_done(&q.body);
	fixture_close(&f);
}

TEST(closing_answers_the_queries_that_wait)
{
	struct fixture f;
	struct logs_query q[3];
	int done = 0;

	fixture_open(&f, (struct logs_settings){ .threaded = true });
	for (size_t i = 0; i < countof(q); i++) {
		q[i] = fixture_query(&f, FIXTURE_USER, "");
		q[i].not_before_pos = 99;
		q[i].done = count_done;
		q[i].arg = &done;
		logs_query(f.logs, &q[i]);
	}
	fixture_close(&f);
	T_EQ_INT(done, 3);
	T_EQ_INT(q[2].problem.status, 503);
}

static void ring(void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
}

TEST_EACH(wakes_its_owner, threaded_or_not)
{
	struct fixture f;
	struct msg m;
	atomic_int rung = 0;
	int before;

	fixture_open(&f,
		     (struct logs_settings){ .threaded = *row, .wake = ring, .wake_arg = &rung });
	m = fixture_msg(&f);
	fixture_life(&f, &m);
	fixture_give(&f);
	T_UNTIL(atomic_load(&rung) > 0, 10);
	before = atomic_load(&rung);
	fixture_list(&f, FIXTURE_USER, "");
	T_UNTIL(atomic_load(&rung) > before, 10);
	fixture_close(&f);
}

/* ---- pages ------------------------------------------------------------------------------------------ */

TEST(a_page_ends_when_it_has_become_long)
{
	struct fixture f;
	const struct json *answer;
	struct logs_query q;

	fixture_open(&f, (struct logs_settings){ .ephemeral = true });
	for (int i = 0; i < 20; i++) {
		struct msg m = fixture_msg(&f);

		m.body = str_n(arena_zalloc(&f.arena, 1 << 20), 1 << 20);
		fixture_put(&f, &m, EVENT_CREATED);
	}
	fixture_give(&f);
	answer = fixture_list(&f, FIXTURE_USER, "");
	T_CHECK(fixture_cursor(answer).n > 0);
	T_EQ_INT(fixture_count(answer), 6); /* of 1.4 MB each */
	T_EQ_STR(fixture_all(&f, FIXTURE_USER, "api=x"),
		 "20 19 18 17 16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1");
	q = fixture_query(&f, FIXTURE_USER, "");
	q.both_keys = true;
	fixture_ask(&f, &q);
	T_CHECK(q.body.n < 16 << 20);
	buf_done(&q.body);
	fixture_close(&f);
}

TEST(a_search_ends_when_it_has_looked_at_much)
{
	struct fixture f;
	struct msg needle, m;
	const struct json *answer;
	struct str query;
	int pages = 0;

	fixture_open(&f, (struct logs_settings){ .ephemeral = true });
	needle = fixture_msg(&f);
	needle.labels = STR("needle");
	fixture_put(&f, &needle, EVENT_CREATED);
	m = fixture_msg(&f);
	fixture_put(&f, &m, EVENT_CREATED);
	for (int i = 0; i < LOGS_WORK_MAX + LOGS_WORK_MAX / 2; i++)
		fixture_put(&f, &m, EVENT_ACTIVE);
	fixture_give(&f);
	answer = fixture_list(&f, FIXTURE_USER, "label=needle");
	while (!fixture_count(answer)) {
		T_CHECK(++pages < 5);
		query = arena_fmt(&f.arena, "label=needle&cursor=%.*s",
				  STR_FMT(fixture_cursor(answer)));
		answer = fixture_list(&f, FIXTURE_USER, query.p);
	}
	T_EQ_INT(pages, 1);
	T_EQ_STR(fixture_serials_of(&f, answer), "1");
	fixture_close(&f);
}

/* ---- many users ------------------------------------------------------------------------------------- */

static const struct {
	size_t open_max;
	bool ephemeral;
} limits[] = { { 1, true }, { 3, true }, { 64, true }, { 20, false } };

TEST_EACH(serves_more_users_than_files_may_be_open, limits)
{
	enum { USERS = 40, ROUNDS = 4 };
	struct fixture f;
	size_t fds;

	fixture_open(&f, (struct logs_settings){ .ephemeral = row->ephemeral,
						 .threaded = true,
						 .files_open_max = row->open_max });
	for (int round = 0; round < ROUNDS; round++) {
		for (int u = 0; u < USERS; u++) {
			struct msg m = fixture_msg(&f);

			m.user = arena_fmt(&f.arena, "user %d", u);
			fixture_life(&f, &m);
		}
		fixture_give(&f);
	}
	for (int u = 0; u < USERS; u++) {
		struct str user = arena_fmt(&f.arena, "user %d", u);

		T_EQ_INT(fixture_count_all(&f, user.p), 3 * ROUNDS);
	}
	T_EQ_INT(fixture_count_all(&f, "user 99"), 0);
	/* Each open file takes three descriptors at most; there are two sides. */
	f.settings.dir = "/proc/self/fd";
	fds = fixture_files(&f, "");
	T_CHECK(fds < 20 + 2 * 3 * row->open_max);
	f.settings.dir = t_tmpdir();
	T_EQ_INT(fixture_files(&f, "user%20"), fixture_files(&f, "user"));
	fixture_close(&f);
}

TEST(users_do_not_see_each_other)
{
	static const char *const users[] = { "a",    "A",        "a/b", "a%2fb", "..",
					     "a.db", "\xc3\xa9", "a b", "~0",    "x\x01y" };
	struct fixture f;
	char *name;

	fixture_open(&f, (struct logs_settings){ .ephemeral = true });
	name = arena_alloc(&f.arena, 400);
	memset(name, '/', 400);
	for (size_t i = 0; i < countof(users); i++) {
		struct msg m = fixture_msg(&f);

		m.user = str_c(users[i]);
		fixture_put(&f, &m, EVENT_CREATED);
	}
	for (size_t n = 398; n < 400; n++) {
		struct msg m = fixture_msg(&f);

		m.user = str_n(name, n);
		fixture_put(&f, &m, EVENT_CREATED);
	}
	fixture_give(&f);
	for (size_t i = 0; i < countof(users); i++)
		T_EQ_STR(fixture_serials(&f, users[i], ""), arena_fmt(&f.arena, "%zu", i + 1));
	for (size_t n = 398; n < 400; n++)
		T_EQ_STR(fixture_serials(&f, arena_str(&f.arena, str_n(name, n)).p, ""),
			 arena_fmt(&f.arena, "%zu", countof(users) + n - 397));
	fixture_tick(&f, (int64_t)4 * 24 * 60 * 60 * 1000);
	T_EQ_INT(fixture_files(&f, ".db"), 0);
	fixture_close(&f);
}

/* A file of the user that was broken once. */
static void put_aside(const struct fixture *f)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/" FIXTURE_USER ".db.broken-1700000000000",
		 f->settings.dir);
	file = fopen(path, "we");
	T_CHECK(file != NULL && fclose(file) == 0);
}

TEST_EACH(forgets_a_user, threaded_or_not)
{
	struct fixture f;
	uint64_t first;
	struct msg m, other;

	fixture_open(&f, (struct logs_settings){ .threaded = *row });
	m = fixture_msg(&f);
	other = fixture_msg(&f);
	other.user = STR("other");
	fixture_life(&f, &m);
	fixture_life(&f, &other);
	fixture_give(&f);
	T_EQ_INT(fixture_count_all(&f, FIXTURE_USER), 3); /* a reader has it open, too */
	put_aside(&f);
	first = logs_forget_user(f.logs, STR(FIXTURE_USER));
	T_CHECK(logs_forget_user(f.logs, STR("nobody")) == first + 1);
	T_CHECK(!logs_is_forgotten(f.logs, first + 2));
	T_UNTIL(logs_is_forgotten(f.logs, first + 1), 10);
	T_CHECK(logs_is_forgotten(f.logs, first));
	T_EQ_INT(fixture_files(&f, FIXTURE_USER), 0);
	T_EQ_INT(fixture_count_all(&f, FIXTURE_USER), 0);
	T_EQ_INT(fixture_count_all(&f, "other"), 3);
	m = fixture_msg(&f);
	fixture_life(&f, &m);
	fixture_give(&f);
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, ""), "9 8 7");
	fixture_reopen(&f);
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, ""), "9 8 7");
	fixture_close(&f);
}

TEST(tells_why_it_cannot_open)
{
	struct logs_settings settings = { .dir = "/proc/nothing/here" };
	char error[200] = "";

	T_CHECK(logs_open(&settings, error) == NULL);
	T_CHECK(strstr(error, "/proc/nothing/here") != NULL);
}
