/* Clocks that step, and entries that grow old. */
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "fixture.h"
#include "logs/logdb.h"
#include "t.h"

#define DAY_MS ((int64_t)24 * 60 * 60 * 1000)

static const bool threaded_or_not[] = { false, true };

/* ---- clocks ----------------------------------------------------------------------------------------- */

TEST(order_is_that_of_arrival_and_dates_are_exact_when_clocks_step)
{
	static const int64_t steps[] = {
		0, 5, -3000, 1, 0, 4000, -DAY_MS, 7, 2 * DAY_MS, -DAY_MS, 1
	};
	int64_t time_ms[countof(steps)];
	struct fixture f;
	struct msg m;

	fixture_open(&f, (struct logs_settings){ .ephemeral = true });
	m = fixture_msg(&f);
	for (size_t i = 0; i < countof(steps); i++) {
		f.now_ms += steps[i];
		time_ms[i] = f.now_ms;
		fixture_put(&f, &m, EVENT_ACTIVE);
		if (i % 2)
			fixture_give(&f);
	}
	fixture_give(&f);
	T_EQ_STR(fixture_all(&f, FIXTURE_USER, "order=earliestFirst&count=2"),
		 "1 2 3 4 5 6 7 8 9 10 11");
	fixture_reopen(&f);
	T_EQ_STR(fixture_all(&f, FIXTURE_USER, "count=3"), "11 10 9 8 7 6 5 4 3 2 1");
	for (size_t i = 0; i < countof(steps); i++) {
		for (size_t k = 0; k < countof(steps); k++) {
			struct str query = arena_fmt(
				&f.arena, "order=earliestFirst&count=2&fromDate=%lld&toDate=%lld",
				(long long)time_ms[i], (long long)time_ms[k]);
			struct buf want;

			buf_init(&want, 1000);
			for (size_t n = 0; n < countof(steps); n++) {
				if (time_ms[n] >= time_ms[i] && time_ms[n] <= time_ms[k])
					buf_fmt(&want, "%s%zu", want.n ? " " : "", n + 1);
			}
			T_EQ_STR(fixture_all(&f, FIXTURE_USER, query.p), buf_str(&want));
			buf_done(&want);
		}
	}
	fixture_close(&f);
}

TEST(a_time_outside_of_all_reason_is_kept_within_it)
{
	static const int64_t times[] = { INT64_MIN, -1, 0, INT64_MAX, 1700000000000 };
	struct fixture f;
	struct msg m;

	fixture_open(&f, (struct logs_settings){ .ephemeral = true });
	m = fixture_msg(&f);
	for (size_t i = 0; i < countof(times); i++) {
		struct event e = fixture_event(&f, &m, EVENT_ACTIVE);

		e.time_ms = times[i];
		fixture_add(&f, &e);
		fixture_give(&f);
	}
	T_EQ_STR(fixture_all(&f, FIXTURE_USER, "count=1"), "5 4 3 2 1");
	T_EQ_STR(fixture_all(&f, FIXTURE_USER, "count=1&fromDate=1"), "5 4");
	T_EQ_STR(fixture_all(&f, FIXTURE_USER, "count=1&toDate=0&order=earliestFirst"), "1 2 3");
	fixture_close(&f);
}

/* ---- retention -------------------------------------------------------------------------------------- */

static int64_t retention_of(void *arg, struct str user)
{
	++*(atomic_int *)arg;
	return str_eq(user, STR("forever")) ? 0
	       : str_eq(user, STR("short")) ? 60
					    : 7 * 24 * 60 * 60;
}

TEST_EACH(lets_old_entries_go, threaded_or_not)
{
	static const char *const users[] = { "forever", "short", "week" };
	struct fixture f;
	atomic_int asked = 0;

	fixture_open(&f, (struct logs_settings){ .ephemeral = true,
						 .threaded = *row,
						 .retention_s = retention_of,
						 .retention_arg = &asked });
	for (int day = 0; day < 3; day++) {
		for (size_t i = 0; i < countof(users); i++) {
			struct msg m = fixture_msg(&f);

			m.user = str_c(users[i]);
			fixture_life(&f, &m);
		}
		fixture_give(&f);
		f.now_ms += DAY_MS;
	}
	fixture_tick(&f, 0);
	T_UNTIL(fixture_count_all(&f, "short") == 0, 10);
	T_EQ_INT(fixture_count_all(&f, "week"), 9);
	fixture_tick(&f, 5 * DAY_MS);
	T_UNTIL(fixture_count_all(&f, "week") == 6, 10);
	fixture_tick(&f, 30 * DAY_MS);
	T_UNTIL(fixture_count_all(&f, "week") == 0, 10);
	T_EQ_INT(fixture_count_all(&f, "forever"), 9);
	T_CHECK(atomic_load(&asked) > 0);
	/* A file without entries goes too. */
	T_UNTIL(access(fixture_path(&f, "week", ""), F_OK) != 0, 10);
	T_CHECK(access(fixture_path(&f, "forever", ""), F_OK) == 0);
	fixture_close(&f);
}

TEST(keeps_three_days_unless_told_otherwise)
{
	struct fixture f;
	struct msg m;

	fixture_open(&f, (struct logs_settings){ .ephemeral = true });
	m = fixture_msg(&f);
	fixture_put(&f, &m, EVENT_CREATED);
	fixture_give(&f);
	fixture_tick(&f, 3 * DAY_MS);
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, ""), "1");
	fixture_tick(&f, 1);
	fixture_tick(&f, 10 * 60 * 1000);
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, ""), "");
	fixture_close(&f);
}

TEST(a_message_is_known_as_long_as_it_has_entries)
{
	struct fixture f;
	struct msg m;

	fixture_open(&f, (struct logs_settings){ .ephemeral = true });
	m = fixture_msg(&f);
	m.labels = STR("red");
	fixture_put(&f, &m, EVENT_CREATED);
	fixture_give(&f);
	f.now_ms += 2 * DAY_MS;
	fixture_put(&f, &m, EVENT_ACTIVE);
	fixture_give(&f);
	f.now_ms += 2 * DAY_MS;
	fixture_put(&f, &m, EVENT_DELIVERED);
	fixture_give(&f);
	fixture_tick(&f, 0);
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, "label=red"), "3 2");
	fixture_tick(&f, 2 * DAY_MS);
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, "label=red"), "3");
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER,
				 arena_fmt(&f.arena, "messageId=%s", fixture_id(&f, &m)).p),
		 "3");
	fixture_tick(&f, 2 * DAY_MS);
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, ""), "");
	fixture_close(&f);
}

TEST(lets_entries_of_a_wrong_clock_go_instead_of_waiting_for_their_time)
{
	struct fixture f;
	struct msg m;

	fixture_open(&f, (struct logs_settings){ .ephemeral = true });
	m = fixture_msg(&f);
	f.now_ms += 400 * DAY_MS;
	fixture_put(&f, &m, EVENT_CREATED);
	fixture_give(&f);
	f.now_ms -= 400 * DAY_MS;
	fixture_put(&f, &m, EVENT_ACTIVE);
	fixture_give(&f);
	fixture_tick(&f, 0);
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, ""), "2");
	fixture_tick(&f, 4 * DAY_MS);
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, ""), "");
	fixture_close(&f);
}

TEST(looks_for_old_entries_although_the_clock_was_set_back)
{
	struct fixture f;
	struct msg m;

	fixture_open(&f, (struct logs_settings){ .ephemeral = true });
	fixture_tick(&f, 1000 * DAY_MS);
	f.now_ms -= 1000 * DAY_MS;
	m = fixture_msg(&f);
	fixture_life(&f, &m);
	fixture_give(&f);
	fixture_tick(&f, 0);
	fixture_tick(&f, 4 * DAY_MS);
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, ""), "");
	fixture_close(&f);
}

static int64_t bytes_of(struct fixture *f, const char *user)
{
	const char *path = fixture_path(f, user, "");
	struct logdb db;
	int64_t pages;

	T_EQ_INT(logdb_open_write(&db, str_dup(str_c(path)), STR_NULL, true), LOGDB_OK);
	pages = logdb_value(&db, logdb_sql(&db, LOGDB_PAGES));
	logdb_close(&db, false);
	return pages * LOGDB_PAGE_BYTES;
}

TEST(gives_room_back_to_the_file_system)
{
	struct fixture f;
	struct msg m;
	int64_t before;

	fixture_open(&f, (struct logs_settings){ .ephemeral = true });
	for (int i = 0; i < 20000; i++) {
		m = fixture_msg(&f);
		fixture_life(&f, &m);
	}
	fixture_give(&f);
	before = bytes_of(&f, FIXTURE_USER);
	f.now_ms += 4 * DAY_MS;
	m = fixture_msg(&f);
	fixture_life(&f, &m);
	fixture_give(&f);
	fixture_tick(&f, 0);
	T_EQ_INT(fixture_count(fixture_list(&f, FIXTURE_USER, "")), 3);
	T_CHECK(bytes_of(&f, FIXTURE_USER) < before / 2);
	fixture_close(&f);
}
