#include "logs/logdb.h"

/* The segment of the statement's row, if it has one. */
static bool take_segment(struct logdb *db, struct arena *a, sqlite3_stmt *s,
			 struct logdb_segment *ret_segment)
{
	if (!logdb_row(db, s))
		return false;
	*ret_segment = (struct logdb_segment){
		.pos = sqlite3_column_int64(s, 0),
		.last = sqlite3_column_int64(s, 1),
		.time_min_ms = sqlite3_column_int64(s, 2),
		.time_max_ms = sqlite3_column_int64(s, 3),
		.data = arena_str(a, logdb_column(s, 4)),
	};
	logdb_end(s);
	return true;
}

bool logdb_read_first(struct logdb *db, struct arena *a, struct logdb_segment *ret_segment)
{
	return take_segment(db, a, logdb_sql(db, LOGDB_SEGMENT_FIRST), ret_segment);
}

bool logdb_read_at(struct logdb *db, struct arena *a, int64_t pos,
		   struct logdb_segment *ret_segment)
{
	sqlite3_stmt *s = logdb_sql(db, LOGDB_SEGMENT_AT);

	logdb_bind_int(s, 1, pos);
	return take_segment(db, a, s, ret_segment);
}

bool logdb_read_after(struct logdb *db, struct arena *a, int64_t pos,
		      struct logdb_segment *ret_segment)
{
	sqlite3_stmt *s = logdb_sql(db, LOGDB_SEGMENT_AFTER);

	logdb_bind_int(s, 1, pos);
	return take_segment(db, a, s, ret_segment);
}

bool logdb_read_message(struct logdb *db, struct arena *a, uint64_t seq, struct msg *ret_msg)
{
	sqlite3_stmt *s = logdb_sql(db, LOGDB_MESSAGE_RECORD);
	struct str record;

	logdb_bind_int(s, 1, (int64_t)seq);
	if (!logdb_row(db, s))
		return false;
	record = arena_str(a, logdb_column(s, 0));
	logdb_end(s);
	return msg_decode(a, record, ret_msg);
}

void logdb_read_body(struct logdb *db, struct arena *a, struct msg *msg)
{
	sqlite3_stmt *s = logdb_sql(db, LOGDB_MESSAGE_BODY);

	if (msg->body.n)
		return;
	logdb_bind_int(s, 1, (int64_t)msg->id.seq);
	if (!logdb_row(db, s))
		return;
	msg->body = arena_str(a, logdb_column(s, 0));
	logdb_end(s);
}

static void add_position(struct buf *positions, int64_t pos)
{
	buf_add(positions, str_n(&pos, sizeof(pos)));
}

void logdb_read_trail(struct logdb *db, uint64_t seq, struct buf *positions)
{
	sqlite3_stmt *s = logdb_sql(db, LOGDB_MESSAGE_SEGMENT);

	logdb_bind_int(s, 1, (int64_t)seq);
	if (logdb_row(db, s)) {
		add_position(positions, sqlite3_column_int64(s, 0));
		logdb_end(s);
	}
	s = logdb_sql(db, LOGDB_LATER_LIST);
	logdb_bind_int(s, 1, (int64_t)seq);
	logdb_bind_int(s, 2, LOGDB_TRAIL_MAX);
	while (logdb_row(db, s))
		add_position(positions, sqlite3_column_int64(s, 0));
}
