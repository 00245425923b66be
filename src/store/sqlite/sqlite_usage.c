#include "store/sqlite/sqlite_int.h"

#include <stdlib.h>

#include "core/civil.h"

enum { NO_DAY = -1 };

int64_t sqlite_usage_day(const struct sqlite_db *db)
{
	return civil_day(db->now_ms);
}

sqlite3_stmt *sqlite_usage_start(struct sqlite_db *db, const struct sqlite_gate *user, int64_t day)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_USAGE_SCAN);

	sqlite_sql_int(s, 1, user->id);
	sqlite_sql_int(s, 2, day);
	return s;
}

bool sqlite_usage_next(struct sqlite_db *db, sqlite3_stmt *s, struct usage *ret_row)
{
	if (!sqlite_sql_row(db, s))
		return false;
	*ret_row = (struct usage){
		.day = sqlite3_column_int64(s, 0),
		.messages = sqlite3_column_int64(s, 1),
		.bytes = sqlite3_column_int64(s, 2),
		.delivered = sqlite3_column_int64(s, 3),
		.retried = sqlite3_column_int64(s, 4),
		.errors = sqlite3_column_int64(s, 5),
		.failed = sqlite3_column_int64(s, 6),
		.cancelled = sqlite3_column_int64(s, 7),
	};
	return true;
}

void sqlite_usage_read(struct sqlite_db *db, const struct sqlite_gate *user, int64_t day,
		       struct sqlite_usage *ret_usage)
{
	struct civil date = civil_date(day);
	int64_t first = civil_days(date.year, date.month, 1);
	int64_t end = first + civil_month_days(date.year, date.month);
	sqlite3_stmt *s = sqlite_usage_start(db, user, first);
	struct usage row;

	ret_usage->day = (struct usage){ .day = day };
	ret_usage->month_bytes = 0;
	while (sqlite_usage_next(db, s, &row) && row.day < end) {
		if (row.day == day)
			ret_usage->day = row;
		else
			ret_usage->month_bytes += row.bytes;
	}
	sqlite_sql_end(s);
}

const struct sqlite_usage *sqlite_usage_today(struct sqlite_db *db, struct sqlite_gate *user)
{
	int64_t day = sqlite_usage_day(db);
	struct sqlite_usage *u = user->usage;

	check(user->user == user);
	if (u == NULL) {
		u = user->usage = xcalloc(1, sizeof(*u));
		u->user_id = user->id;
		u->day.day = NO_DAY;
		list_init(&u->dirty);
	}
	if (u->day.day != day) {
		/* A batch has one time, so what it has counted was on that day. */
		check(list_is_empty(&u->dirty));
		sqlite_usage_read(db, user, day, u);
	}
	return u;
}

void sqlite_usage_count(struct sqlite_db *db, struct sqlite_gate *user, const struct usage *more)
{
	struct sqlite_usage *u;

	(void)sqlite_usage_today(db, user);
	/* Known now, so that an undone step gives back today's numbers. */
	sqlite_gate_change(db, user, false);
	u = user->usage;
	u->day.messages += more->messages;
	u->day.bytes += more->bytes;
	u->day.delivered += more->delivered;
	u->day.retried += more->retried;
	u->day.errors += more->errors;
	u->day.failed += more->failed;
	u->day.cancelled += more->cancelled;
	if (list_is_empty(&u->dirty))
		list_push(&db->usage_dirty, &u->dirty);
}

struct usage sqlite_usage_save(const struct sqlite_gate *g)
{
	return g->usage ? g->usage->day : (struct usage){ .day = NO_DAY };
}

void sqlite_usage_undo(struct sqlite_gate *g, const struct usage *saved)
{
	struct sqlite_usage *u = g->usage;

	check(saved->day == NO_DAY || u != NULL);
	if (u == NULL)
		return;
	if (u->day.day == saved->day) {
		u->day = *saved;
		return;
	}
	/* Only today's can have been dirty before the step. The bytes of the former day's month are not known any more: they
	 * are read when it is looked at. */
	list_remove(&u->dirty);
	u->day = (struct usage){ .day = NO_DAY };
}

void sqlite_usage_drop(struct sqlite_gate *g)
{
	if (g->usage == NULL)
		return;
	list_remove(&g->usage->dirty);
	free(g->usage);
	g->usage = NULL;
}

/* Nothing at all: what was counted has been undone. */
static bool is_empty(const struct usage *u)
{
	return u->messages == 0 && u->delivered == 0 && u->errors == 0 && u->cancelled == 0;
}

static void write(struct sqlite_db *db, const struct sqlite_usage *u)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_USAGE_WRITE);

	if (is_empty(&u->day))
		return;
	sqlite_sql_int(s, 1, u->user_id);
	sqlite_sql_int(s, 2, u->day.day);
	sqlite_sql_int(s, 3, u->day.messages);
	sqlite_sql_int(s, 4, u->day.bytes);
	sqlite_sql_int(s, 5, u->day.delivered);
	sqlite_sql_int(s, 6, u->day.retried);
	sqlite_sql_int(s, 7, u->day.errors);
	sqlite_sql_int(s, 8, u->day.failed);
	sqlite_sql_int(s, 9, u->day.cancelled);
	sqlite_sql_run(db, s);
}

void sqlite_usage_flush(struct sqlite_db *db)
{
	struct list *node;

	/* What is written here could not be undone with the step. */
	check(!db->undo_on);
	while ((node = list_pop(&db->usage_dirty)) != NULL)
		write(db, list_entry(node, struct sqlite_usage, dirty));
}

void sqlite_usage_expire(struct sqlite_db *db)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_USAGE_EXPIRE);

	sqlite_sql_int(s, 1, sqlite_usage_day(db) - USAGE_DAYS_KEPT);
	sqlite_sql_int(s, 2, SQLITE_HOUSEKEEPING_ROWS);
	sqlite_sql_run(db, s);
	if (sqlite3_changes(db->sql) < SQLITE_HOUSEKEEPING_ROWS)
		db->usage_next_ms = db->now_ms + SQLITE_HOUSEKEEPING_MS;
}
