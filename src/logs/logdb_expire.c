#include "logs/logdb.h"

#include "base/check.h"

struct expire {
	int64_t before_ms; /* entries of before then are too old */
	int64_t after_ms;  /* a clock that showed a later time was wrong: they go too */
};

static bool is_over(const struct expire *x, int64_t time_ms)
{
	return time_ms < x->before_ms || time_ms > x->after_ms;
}

/* Unlinks the message from a segment that goes; without another it goes as well. */
static void unlink_message(struct logdb *db, uint64_t seq, int64_t segment)
{
	sqlite3_stmt *s = logdb_sql(db, LOGDB_LATER_REMOVE);

	logdb_bind_int(s, 1, (int64_t)seq);
	logdb_bind_int(s, 2, segment);
	while (logdb_row(db, s)) {
	}
	s = logdb_sql(db, LOGDB_LATER_ANY);
	logdb_bind_int(s, 1, (int64_t)seq);
	if (logdb_value(db, s))
		return;
	s = logdb_sql(db, LOGDB_MESSAGE_REMOVE);
	logdb_bind_int(s, 1, (int64_t)seq);
	while (logdb_row(db, s)) {
	}
	s = logdb_sql(db, LOGDB_RUN_REMOVE);
	logdb_bind_int(s, 1, (int64_t)seq);
	while (logdb_row(db, s)) {
	}
}

static bool is_first_of_its_message(const struct logdb_entry *v, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (v[i].event.id.seq == v[at].event.id.seq)
			return false;
	}
	return true;
}

static void remove_segment(struct logdb *db, struct arena *a, const struct logdb_segment *segment)
{
	sqlite3_stmt *s = logdb_sql(db, LOGDB_SEGMENT_REMOVE);
	size_t n;
	struct logdb_entry *v = logdb_unpack(db, a, segment, &n);

	for (size_t i = 0; i < n; i++) {
		if (is_first_of_its_message(v, i))
			unlink_message(db, v[i].event.id.seq, segment->pos);
	}
	logdb_bind_int(s, 1, segment->pos);
	while (logdb_row(db, s)) {
	}
}

/* Gives pages back when they are more than new entries will soon fill. */
static void vacuum(struct logdb *db)
{
	int64_t free_pages = logdb_value(db, logdb_sql(db, LOGDB_PAGES_FREE));
	int64_t pages = logdb_value(db, logdb_sql(db, LOGDB_PAGES));

	if (free_pages > LOGDB_VACUUM_PAGES && free_pages > pages / 4)
		logdb_run(db, LOGDB_VACUUM);
}

enum logdb_result logdb_expire(struct logdb *db, int64_t now_ms, int64_t retention_ms,
			       struct logdb_expired *ret_expired)
{
	struct expire x = { now_ms - retention_ms, now_ms + retention_ms };
	struct logdb_segment segment;
	bool more = true, empty = false;
	struct arena a;

	arena_init(&a);
	logdb_run(db, LOGDB_BEGIN_WRITE);
	for (int i = 0; i < LOGDB_EXPIRE_SEGMENTS && more && db->error == SQLITE_OK; i++) {
		empty = !logdb_read_first(db, &a, &segment);
		more = !empty && is_over(&x, segment.time_min_ms) &&
		       is_over(&x, segment.time_max_ms);
		if (more)
			remove_segment(db, &a, &segment);
		arena_reset(&a);
	}
	logdb_run(db, LOGDB_COMMIT);
	vacuum(db);
	arena_done(&a);
	if (db->error == SQLITE_OK)
		*ret_expired = (struct logdb_expired){ .more = more, .empty = empty };
	return logdb_result(db);
}
