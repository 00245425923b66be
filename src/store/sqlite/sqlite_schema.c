#include "store/sqlite/sqlite_int.h"

#include <stdio.h>

enum { APPLICATION_ID = 0x71737468 }; /* "qsth", in the file's header */

/* migration[n] brings version n to version n + 1 and says so in user_version. Never change one that was
 * released: add another. */
static const char *const migration[] = {
	"CREATE TABLE message ("
	" seq INTEGER PRIMARY KEY,"
	" nonce INTEGER NOT NULL,"
	" user INTEGER NOT NULL," /* gate.id, as queue and flow */
	" lane INTEGER NOT NULL," /* see sqlite_int.h */
	" ord INTEGER NOT NULL,"
	" due_ms INTEGER NOT NULL,"
	" retried INTEGER NOT NULL,"
	" lease INTEGER NOT NULL,"
	" queue INTEGER,"
	" flow INTEGER,"
	" root INTEGER," /* seq of the message whose queue slot it shares */
	" flags INTEGER NOT NULL,"
	" record BLOB);" /* NULL: in `large` */
	"CREATE INDEX place ON message (lane, ord);"
	"CREATE INDEX kin ON message (root) WHERE root IS NOT NULL;"
	"CREATE TABLE large ("
	" seq INTEGER PRIMARY KEY,"
	" record BLOB NOT NULL);"
	"CREATE TABLE gate ("
	" id INTEGER PRIMARY KEY,"
	" user INTEGER NOT NULL," /* gate.id of the owner; 0 for a user's own gate */
	" kind INTEGER NOT NULL,"
	" name TEXT NOT NULL,"
	" parallelism INTEGER NOT NULL,"
	" rate INTEGER NOT NULL,"
	" period_ms INTEGER NOT NULL,"
	" rate_count INTEGER NOT NULL,"
	" window_ms INTEGER NOT NULL,"
	" running INTEGER NOT NULL," /* of queues; of the others it is counted in memory */
	" waiting INTEGER NOT NULL,"
	" messages INTEGER NOT NULL,"
	" flags INTEGER NOT NULL,"
	" created_ms INTEGER NOT NULL,"
	" updated_ms INTEGER NOT NULL,"
	" forget_ms INTEGER);" /* not needed from then on; NULL = needed */
	"CREATE UNIQUE INDEX gate_name ON gate (user, kind, name);"
	"CREATE INDEX gate_forget ON gate (forget_ms) WHERE forget_ms IS NOT NULL;"
	"CREATE TABLE dedup ("
	" user INTEGER NOT NULL,"
	" key BLOB NOT NULL,"
	" until_ms INTEGER NOT NULL,"
	" seq INTEGER NOT NULL,"
	" nonce INTEGER NOT NULL,"
	" PRIMARY KEY (user, key)) WITHOUT ROWID;"
	"CREATE INDEX dedup_until ON dedup (until_ms);"
	"CREATE TABLE dlq ("
	" user INTEGER NOT NULL,"
	" ms INTEGER NOT NULL,"
	" seq INTEGER NOT NULL,"
	" nonce INTEGER NOT NULL,"
	" retried INTEGER NOT NULL,"
	" response BLOB NOT NULL,"
	" record BLOB NOT NULL);"
	"CREATE UNIQUE INDEX dlq_id ON dlq (user, ms, seq);"
	"CREATE TABLE doc ("
	" kind INTEGER NOT NULL,"
	" user TEXT NOT NULL,"
	" name TEXT NOT NULL,"
	" version INTEGER NOT NULL,"
	" due_ms INTEGER," /* NULL = never */
	" value BLOB NOT NULL);"
	"CREATE UNIQUE INDEX doc_name ON doc (kind, user, name);"
	"CREATE INDEX doc_due ON doc (due_ms) WHERE due_ms IS NOT NULL;"
	/* One row for each batch that changed something: the outbox, with the counters as they stand after
	 * it. The last row always stays, its events emptied when they are trimmed. */
	"CREATE TABLE batch ("
	" pos INTEGER PRIMARY KEY,"
	" seq_max INTEGER NOT NULL,"
	" version INTEGER NOT NULL,"
	" messages INTEGER NOT NULL,"
	" events BLOB NOT NULL);"
	"CREATE TABLE holder (last INTEGER NOT NULL);"
	"INSERT INTO holder VALUES (0);"
	"PRAGMA application_id = 0x71737468;"
	"PRAGMA user_version = 1;",

	"CREATE TABLE usage ("
	" user INTEGER NOT NULL," /* gate.id */
	" day INTEGER NOT NULL,"  /* since 1970-01-01 */
	" messages INTEGER NOT NULL,"
	" bytes INTEGER NOT NULL,"
	" delivered INTEGER NOT NULL,"
	" retried INTEGER NOT NULL,"
	" errors INTEGER NOT NULL,"
	" failed INTEGER NOT NULL,"
	" cancelled INTEGER NOT NULL,"
	" PRIMARY KEY (user, day)) WITHOUT ROWID;"
	"CREATE INDEX usage_day ON usage (day);"
	"ALTER TABLE dlq ADD COLUMN until_ms INTEGER;" /* NULL = for ever */
	"CREATE INDEX dlq_until ON dlq (until_ms) WHERE until_ms IS NOT NULL;"
	"PRAGMA user_version = 2;",

	"CREATE TABLE run ("
	" id INTEGER PRIMARY KEY,"
	" user INTEGER NOT NULL," /* gate.id */
	" name TEXT NOT NULL,"
	" created_ms INTEGER NOT NULL,"
	" open INTEGER NOT NULL,"
	" kept INTEGER NOT NULL,"
	" version INTEGER NOT NULL,"
	" entries INTEGER NOT NULL,"
	" bytes INTEGER NOT NULL,"
	" last_seq INTEGER NOT NULL," /* of its last entry */
	" last_nonce INTEGER NOT NULL,"
	" until_ms INTEGER," /* when it is over: it is forgotten then */
	" sweep_ms INTEGER," /* there is something to remove then */
	" record BLOB NOT NULL);"
	"CREATE UNIQUE INDEX run_name ON run (user, name, created_ms);"
	"CREATE UNIQUE INDEX run_open ON run (user, name) WHERE open = 1;"
	"CREATE INDEX run_sweep ON run (sweep_ms) WHERE sweep_ms IS NOT NULL;"
	"CREATE TABLE run_entry ("
	" run INTEGER NOT NULL,"
	" seq INTEGER NOT NULL,"
	" nonce INTEGER NOT NULL,"
	" kind INTEGER NOT NULL,"
	" body BLOB NOT NULL);"
	"CREATE UNIQUE INDEX run_entry_seq ON run_entry (run, seq);"
	"CREATE TABLE run_key ("
	" run INTEGER NOT NULL,"
	" key BLOB NOT NULL,"
	" seq INTEGER NOT NULL,"
	" nonce INTEGER NOT NULL,"
	" PRIMARY KEY (run, key)) WITHOUT ROWID;"
	"CREATE TABLE run_message ("
	" seq INTEGER PRIMARY KEY,"
	" run INTEGER NOT NULL);"
	"CREATE INDEX run_message_run ON run_message (run);" /* ends with the row's key, seq */
	/* A document may go before its run does; then its row here means nothing. */
	"CREATE TABLE run_doc ("
	" run INTEGER NOT NULL,"
	" kind INTEGER NOT NULL,"
	" name TEXT NOT NULL,"
	" PRIMARY KEY (run, kind, name)) WITHOUT ROWID;"
	"PRAGMA user_version = 3;",
};

#define MESSAGE_COLUMNS \
	"seq, nonce, user, lane, ord, due_ms, retried, lease, queue, flow, root, flags"
#define GATE_COLUMNS                                                                           \
	"id, user, kind, name, parallelism, rate, period_ms, rate_count, window_ms, running, " \
	"waiting,"                                                                             \
	" messages, flags, created_ms, updated_ms"

#define RUN_COLUMNS \
	"id, created_ms, open, kept, version, entries, bytes, last_seq, last_nonce, record"

const char *const sqlite_schema_statements[SQL_STATEMENTS] = {
	[SQL_BEGIN] = "BEGIN",
	[SQL_COMMIT] = "COMMIT",
	[SQL_SAVEPOINT] = "SAVEPOINT step",
	[SQL_SAVEPOINT_ROLLBACK] = "ROLLBACK TO step",
	[SQL_SAVEPOINT_RELEASE] = "RELEASE step",

	[SQL_BATCH_LAST] =
		"SELECT pos, seq_max, version, messages FROM batch ORDER BY pos DESC LIMIT 1",
	[SQL_BATCH_ADD] = "INSERT INTO batch VALUES (?1, ?2, ?3, ?4, ?5)",
	[SQL_BATCH_TRIM] = "DELETE FROM batch WHERE pos <= ?1 AND pos < ?2",
	[SQL_BATCH_EMPTY] = "UPDATE batch SET events = x'' WHERE pos = ?1",
	[SQL_BATCH_SIZES] = "SELECT pos, length(events) FROM batch WHERE pos > ?1 ORDER BY pos",
	[SQL_BATCH_EVENTS] = "SELECT events FROM batch WHERE pos > ?1 AND pos <= ?2 ORDER BY pos",
	[SQL_BATCH_FIRST] = "SELECT pos FROM batch ORDER BY pos LIMIT 1",
	[SQL_HOLDER_NEXT] = "UPDATE holder SET last = last + 1",
	[SQL_HOLDER_LAST] = "SELECT last FROM holder",

	[SQL_MESSAGE_ADD] = "INSERT INTO message (" MESSAGE_COLUMNS ", record)"
			    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
	[SQL_MESSAGE_GET] = "SELECT " MESSAGE_COLUMNS " FROM message WHERE seq = ?1",
	[SQL_MESSAGE_MOVE] = "UPDATE message SET lane = ?2, ord = ?3, due_ms = ?4, retried = ?5,"
			     " lease = ?6, flags = ?7 WHERE seq = ?1",
	[SQL_MESSAGE_REMOVE] = "DELETE FROM message WHERE seq = ?1",
	[SQL_MESSAGE_HEAD] =
		"SELECT " MESSAGE_COLUMNS ", record FROM message"
		" WHERE lane = ?1 AND ord >= ?2 AND ord <= ?3 ORDER BY ord, seq LIMIT 1",
	[SQL_MESSAGE_RECORD] = "SELECT record FROM message WHERE seq = ?1",
	[SQL_MESSAGE_SCAN] = "SELECT " MESSAGE_COLUMNS ", record FROM message"
			     " WHERE seq > ?1 ORDER BY seq",
	/* All of it but what is leased is in the index. */
	[SQL_MESSAGE_OF_USER] =
		"SELECT seq FROM message INDEXED BY place WHERE lane = ?1 AND +seq > ?2"
		" UNION ALL SELECT m.seq FROM gate g CROSS JOIN message m INDEXED BY place"
		" ON m.lane = g.id WHERE g.user = ?1 AND +m.seq > ?2"
		" UNION ALL SELECT seq FROM message INDEXED BY place"
		" WHERE lane < 0 AND user = ?1 AND +seq > ?2 LIMIT ?3",
	[SQL_MESSAGE_HELD] = "SELECT 1 FROM message WHERE lane = ?1 LIMIT 1",
	[SQL_MESSAGE_LEASED] = "SELECT user, flow, flags FROM message WHERE lane < 0",

	[SQL_LARGE_ADD] = "INSERT INTO large VALUES (?1, ?2)",
	[SQL_LARGE_GET] = "SELECT record FROM large WHERE seq = ?1",
	[SQL_LARGE_SIZE] = "SELECT length(record) FROM large WHERE seq = ?1",
	[SQL_LARGE_REMOVE] = "DELETE FROM large WHERE seq = ?1",

	[SQL_LANE_FIRST] = "SELECT ord FROM message WHERE lane = ?1 ORDER BY ord LIMIT 1",
	[SQL_LANE_NEXT] = "SELECT lane FROM message WHERE lane > ?1 ORDER BY lane LIMIT 1",
	[SQL_LANE_HOLDER] = "SELECT lane FROM message WHERE lane < ?1 ORDER BY lane DESC LIMIT 1",
	[SQL_LANE_TICKET] = "SELECT seq FROM message WHERE lane = ?1 AND lease = ?2",

	[SQL_SLOT_QUEUE] = "SELECT queue FROM message WHERE seq = ?1 AND flags & 1",
	[SQL_SLOT_KIN] = "SELECT queue FROM message WHERE root = ?1 LIMIT 1",
	[SQL_SLOT_HELD] = "SELECT EXISTS (SELECT 1 FROM message WHERE seq = ?1 AND flags & 1)"
			  " OR EXISTS (SELECT 1 FROM message WHERE root = ?1)",

	[SQL_FLOW_FORGIVE] = "UPDATE message SET flags = flags & ~2 WHERE lane < 0 AND flow = ?1",

	[SQL_GATE_ADD] =
		"INSERT INTO gate VALUES (NULL, ?1, ?2, ?3, 0, 0, 1000, 0, 0, 0, 0, 0, 0, ?4, ?4,"
		" NULL)",
	[SQL_GATE_GET] = "SELECT " GATE_COLUMNS " FROM gate WHERE id = ?1",
	[SQL_GATE_FIND] =
		"SELECT " GATE_COLUMNS " FROM gate WHERE user = ?1 AND kind = ?2 AND name = ?3",
	[SQL_GATE_WRITE] =
		"UPDATE gate SET parallelism = ?2, rate = ?3, period_ms = ?4, rate_count = ?5,"
		" window_ms = ?6, running = ?7, waiting = ?8, messages = ?9, flags = ?10,"
		" created_ms = ?11, updated_ms = ?12, forget_ms = ?13 WHERE id = ?1",
	[SQL_GATE_REMOVE] = "DELETE FROM gate WHERE id = ?1",
	/* Bit 8 of flags: removed. */
	[SQL_GATE_COUNT] =
		"SELECT count(*) FROM gate WHERE user = ?1 AND kind = ?2 AND NOT flags & 8",
	[SQL_GATE_FORGET] = "SELECT id FROM gate WHERE forget_ms <= ?1 ORDER BY forget_ms LIMIT 1",
	[SQL_GATE_SCAN] =
		"SELECT " GATE_COLUMNS " FROM gate WHERE user = ?1 AND kind = ?2 AND name > ?3"
		" ORDER BY name",
	[SQL_GATE_OF_USER] = "SELECT id FROM gate WHERE user = ?1 LIMIT 1",

	[SQL_DEDUP_GET] =
		"SELECT seq, nonce FROM dedup WHERE user = ?1 AND key = ?2 AND until_ms > ?3",
	[SQL_DEDUP_SET] = "INSERT OR REPLACE INTO dedup VALUES (?1, ?2, ?3, ?4, ?5)",
	[SQL_DEDUP_EXPIRE] =
		"DELETE FROM dedup WHERE (user, key) IN"
		" (SELECT user, key FROM dedup WHERE until_ms <= ?1 ORDER BY until_ms LIMIT ?2)",

	[SQL_DEDUP_PURGE] = "DELETE FROM dedup WHERE user = ?1 AND key IN"
			    " (SELECT key FROM dedup WHERE user = ?1 LIMIT ?2)",

	[SQL_DLQ_ADD] = "INSERT OR IGNORE INTO dlq VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[SQL_DLQ_REMOVE] = "DELETE FROM dlq WHERE user = ?1 AND ms = ?2 AND seq = ?3",
	[SQL_DLQ_GET] = "SELECT ms, seq, nonce, retried, response, record FROM dlq"
			" WHERE user = ?1 AND ms = ?2 AND seq = ?3",
	[SQL_DLQ_AFTER] = "SELECT ms, seq, nonce, retried, response, record FROM dlq"
			  " WHERE user = ?1 AND (ms, seq) > (?2, ?3) ORDER BY ms, seq",
	[SQL_DLQ_BEFORE] = "SELECT ms, seq, nonce, retried, response, record FROM dlq"
			   " WHERE user = ?1 AND (ms, seq) < (?2, ?3) ORDER BY ms DESC, seq DESC",
	[SQL_DLQ_EXPIRED] = "SELECT rowid, length(response) + length(record) FROM dlq"
			    " WHERE until_ms <= ?1 ORDER BY until_ms LIMIT 1",
	[SQL_DLQ_OF_USER] = "SELECT rowid, length(response) + length(record) FROM dlq"
			    " WHERE user = ?1 LIMIT 1",
	[SQL_DLQ_DROP] = "DELETE FROM dlq WHERE rowid = ?1",

	[SQL_DOC_GET] = "SELECT kind, user, name, version, due_ms, value FROM doc"
			" WHERE kind = ?1 AND user = ?2 AND name = ?3",
	[SQL_DOC_ADD] = "INSERT INTO doc VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[SQL_DOC_SET] = "UPDATE doc SET version = ?4, due_ms = ?5, value = ?6"
			" WHERE kind = ?1 AND user = ?2 AND name = ?3",
	[SQL_DOC_REMOVE] = "DELETE FROM doc WHERE kind = ?1 AND user = ?2 AND name = ?3",
	[SQL_DOC_COUNT] = "SELECT count(*) FROM doc WHERE kind = ?1 AND user = ?2",
	[SQL_DOC_DUE] = "SELECT kind, user, name, version, due_ms, value FROM doc"
			" WHERE due_ms <= ?1 ORDER BY due_ms",
	[SQL_DOC_NEXT] = "SELECT min(due_ms) FROM doc WHERE due_ms > ?1",
	[SQL_DOC_SCAN] = "SELECT kind, user, name, version, due_ms, value FROM doc"
			 " WHERE kind = ?1 AND user = ?2 AND name > ?3 ORDER BY name",
	[SQL_DOC_SCAN_ALL] = "SELECT kind, user, name, version, due_ms, value FROM doc"
			     " WHERE kind = ?1 AND (user, name) > (?2, ?3) ORDER BY user, name",
	[SQL_DOC_PURGE] = "DELETE FROM doc WHERE rowid IN"
			  " (SELECT rowid FROM doc WHERE kind = ?1 AND user = ?2 LIMIT ?3)",

	[SQL_USAGE_SCAN] = "SELECT day, messages, bytes, delivered, retried, errors, failed,"
			   " cancelled FROM usage WHERE user = ?1 AND day >= ?2 ORDER BY day",
	[SQL_USAGE_WRITE] =
		"INSERT INTO usage VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
		" ON CONFLICT (user, day) DO UPDATE SET messages = ?3, bytes = ?4,"
		" delivered = ?5, retried = ?6, errors = ?7, failed = ?8, cancelled = ?9",
	[SQL_USAGE_EXPIRE] = "DELETE FROM usage WHERE (user, day) IN"
			     " (SELECT user, day FROM usage WHERE day <= ?1 ORDER BY day LIMIT ?2)",
	[SQL_USAGE_PURGE] = "DELETE FROM usage WHERE user = ?1 AND day IN"
			    " (SELECT day FROM usage WHERE user = ?1 LIMIT ?2)",

	[SQL_RUN_ADD] =
		"INSERT INTO run VALUES (NULL, ?1, ?2, ?3, 1, 0, ?4, 0, 0, 0, 0, NULL, NULL,"
		" ?5)",
	[SQL_RUN_GET] = "SELECT " RUN_COLUMNS " FROM run"
			" WHERE user = ?1 AND name = ?2 AND created_ms = ?3",
	[SQL_RUN_GET_OPEN] = "SELECT " RUN_COLUMNS " FROM run"
			     " WHERE user = ?1 AND name = ?2 AND open = 1",
	[SQL_RUN_KNOWN] = "SELECT EXISTS (SELECT 1 FROM run WHERE user = ?1 AND name = ?2)",
	[SQL_RUN_SET] = "UPDATE run SET version = ?2, record = ?3 WHERE id = ?1",
	[SQL_RUN_GREW] = "UPDATE run SET entries = entries + 1, bytes = bytes + ?2, last_seq = ?3,"
			 " last_nonce = ?4 WHERE id = ?1",
	[SQL_RUN_COUNT] = "UPDATE run SET entries = ?2, bytes = ?3, last_seq = ?4, last_nonce = ?5"
			  " WHERE id = ?1",
	[SQL_RUN_COPY] = "INSERT INTO run_entry SELECT ?1, seq, nonce, kind, body FROM run_entry"
			 " WHERE run = ?2 ORDER BY seq",
	[SQL_RUN_END] = "UPDATE run SET open = 0, kept = ?2, until_ms = ?3, sweep_ms = ?4,"
			" version = ?5 WHERE id = ?1",
	[SQL_RUN_SCAN] = "SELECT name, created_ms, version, record FROM run"
			 " WHERE user = ?1 AND name > ?2 AND open = 1 ORDER BY name",
	[SQL_RUN_OF_USER] = "SELECT id FROM run WHERE user = ?1 LIMIT 1",
	[SQL_RUN_REMOVE] = "DELETE FROM run WHERE id = ?1",
	[SQL_RUN_SWEEP_FIRST] = "SELECT id, until_ms, kept FROM run WHERE sweep_ms <= ?1"
				" ORDER BY sweep_ms LIMIT 1",
	[SQL_RUN_SWEPT] = "UPDATE run SET sweep_ms = until_ms WHERE id = ?1",
	[SQL_RUN_ENTRY_ADD] = "INSERT INTO run_entry VALUES (?1, ?2, ?3, ?4, ?5)",
	[SQL_RUN_ENTRIES] = "SELECT seq, nonce, kind, body FROM run_entry"
			    " WHERE run = ?1 AND seq > ?2 AND seq <= ?3 ORDER BY seq",
	[SQL_RUN_ENTRY_SWEEP] = "DELETE FROM run_entry WHERE rowid IN"
				" (SELECT rowid FROM run_entry WHERE run = ?1 LIMIT ?2)",
	[SQL_RUN_KEY_GET] = "SELECT seq, nonce FROM run_key WHERE run = ?1 AND key = ?2",
	[SQL_RUN_KEY_ADD] = "INSERT INTO run_key VALUES (?1, ?2, ?3, ?4)",
	[SQL_RUN_KEY_SWEEP] = "DELETE FROM run_key WHERE (run, key) IN"
			      " (SELECT run, key FROM run_key WHERE run = ?1 LIMIT ?2)",
	[SQL_RUN_MESSAGE_ADD] = "INSERT INTO run_message (run, seq) VALUES (?1, ?2)",
	[SQL_RUN_MESSAGE_AFTER] = "SELECT seq FROM run_message WHERE run = ?1 AND seq > ?2"
				  " ORDER BY seq LIMIT 1",
	[SQL_RUN_MESSAGE_REMOVE] = "DELETE FROM run_message WHERE seq = ?1",
	[SQL_RUN_DOC_ADD] = "INSERT OR IGNORE INTO run_doc VALUES (?1, ?2, ?3)",
	[SQL_RUN_DOC_DROP] = "DELETE FROM doc WHERE user = ?2 AND (kind, name) IN"
			     " (SELECT kind, name FROM run_doc WHERE run = ?1)",
	[SQL_RUN_DOC_REMOVE] = "DELETE FROM run_doc WHERE run = ?1",

	[SQL_CHECK_LEASED] = "SELECT count(*) FROM message WHERE lane < 0 AND user = ?1",
	[SQL_CHECK_FLOWS] =
		"SELECT count(*) FROM message WHERE lane < 0 AND flow = ?1 AND flags & 2",
	[SQL_CHECK_SLOTS] = "SELECT count(DISTINCT coalesce(root, seq)) FROM message"
			    " WHERE queue = ?1 AND flags & 1",
	[SQL_CHECK_LANES] = "SELECT count(*) FROM message WHERE lane = ?1 AND ord >= ?2",
	[SQL_CHECK_QUEUES] = "SELECT count(*) FROM message WHERE queue = ?1 AND root IS NULL",
	[SQL_CHECK_KEYED] = "SELECT count(*) FROM message WHERE flow = ?1",
	[SQL_CHECK_GATES] = "SELECT id FROM gate",
	[SQL_CHECK_MESSAGES] = "SELECT count(*) FROM message",
	[SQL_CHECK_LARGE] = "SELECT (SELECT count(*) FROM message WHERE record IS NULL)"
			    " - (SELECT count(*) FROM large)",
	[SQL_CHECK_MEMBERS] = "SELECT (SELECT count(*) FROM message WHERE flags & 16)"
			      " - (SELECT count(*) FROM run_message)",
};

static int64_t pragma(sqlite3 *sql, const char *text)
{
	sqlite3_stmt *s;
	int64_t v = -1;

	if (sqlite3_prepare_v2(sql, text, -1, &s, NULL) != SQLITE_OK)
		return -1;
	if (sqlite3_step(s) == SQLITE_ROW)
		v = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return v;
}

static bool migrate_one(sqlite3 *sql, const char *text)
{
	return sqlite3_exec(sql, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK &&
	       sqlite3_exec(sql, text, NULL, NULL, NULL) == SQLITE_OK &&
	       sqlite3_exec(sql, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
}

bool sqlite_schema_migrate(sqlite3 *sql, char ret_error[200])
{
	int64_t version = pragma(sql, "PRAGMA user_version");
	int64_t tables = pragma(sql, "SELECT count(*) FROM sqlite_schema");

	if (version < 0 || tables < 0) {
		snprintf(ret_error, 200, "cannot read the database: %s", sqlite3_errmsg(sql));
		return false;
	}
	if (tables > 0 && pragma(sql, "PRAGMA application_id") != APPLICATION_ID) {
		snprintf(ret_error, 200, "the database file belongs to another program");
		return false;
	}
	if (version > (int64_t)countof(migration)) {
		snprintf(ret_error, 200,
			 "the database has version %lld, but this program only knows versions up "
			 "to %zu; "
			 "use a newer program",
			 (long long)version, countof(migration));
		return false;
	}
	for (size_t i = (size_t)version; i < countof(migration); i++) {
		if (!migrate_one(sql, migration[i])) {
			snprintf(ret_error, 200, "cannot migrate the database from version %zu: %s",
				 i, sqlite3_errmsg(sql));
			return false;
		}
	}
	return true;
}
