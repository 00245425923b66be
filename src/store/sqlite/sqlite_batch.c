#include "store/sqlite/sqlite_int.h"

#include <string.h>
#include <time.h>

#include "base/log.h"

static void command(struct sqlite_db *db, enum sqlite_statement id)
{
	sqlite_sql_run(db, sqlite_sql_start(db, id));
}

static void counts_load(struct sqlite_db *db)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_BATCH_LAST);

	db->count = (struct sqlite_counts){ 0 };
	if (sqlite_sql_row(db, s)) {
		db->count.outbox_last = sqlite3_column_int64(s, 0);
		db->count.seq_max = sqlite3_column_int64(s, 1);
		db->count.version = sqlite3_column_int64(s, 2);
		db->count.messages = sqlite3_column_int64(s, 3);
	}
	sqlite_sql_end(s);
}

static void load(struct sqlite_db *db)
{
	counts_load(db);
	sqlite_gate_load(db);
	sqlite_claim_load_holders(db);
	sqlite_doc_load(db);
	db->loaded = db->error == SQLITE_OK;
}

void sqlite_batch_begin(struct sqlite_db *db, struct sqlite_holder *holder, int64_t now_ms)
{
	int64_t former_ms = db->now_ms;

	db->error = SQLITE_OK;
	db->holder = holder;
	db->now_ms = now_ms;
	if (db->events.cap > SQLITE_BATCH_KEEP_BYTES) {
		buf_done(&db->events);
		buf_init(&db->events, SQLITE_BATCH_BYTES_MAX);
	}
	buf_reset(&db->events);
	command(db, SQL_BEGIN);
	if (!db->loaded)
		load(db);
	db->count_before = db->count;
	db->changes_before = sqlite3_total_changes(db->sql);
	sqlite_gate_wake(db, former_ms);
}

static void row_add(struct sqlite_db *db)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_BATCH_ADD);

	sqlite_sql_int(s, 1, ++db->count.outbox_last);
	sqlite_sql_int(s, 2, db->count.seq_max);
	sqlite_sql_int(s, 3, db->count.version);
	sqlite_sql_int(s, 4, db->count.messages);
	sqlite_sql_blob(s, 5, buf_str(&db->events));
	sqlite_sql_run(db, s);
}

static void roll_back(struct sqlite_db *db)
{
	static struct log_limit limit;

	if (log_allowed(&limit, 6, db->now_ms))
		log_error("store", "a transaction failed and was rolled back: %s",
			  sqlite3_errstr(db->error));
	/* Some errors have rolled back already. */
	if (!sqlite3_get_autocommit(db->sql))
		(void)sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
	db->count = db->count_before;
	db->endings = 0;
	db->loaded = false;
	sqlite_gate_drop_all(db);
}

bool sqlite_batch_end(struct sqlite_db *db)
{
	int64_t trimmed = db->trim_done;

	if (db->events.overflow)
		sqlite_sql_fail(db, SQLITE_TOOBIG);
	sqlite_gate_flush(db);
	sqlite_usage_flush(db);
	if (db->events.n > 0 || memcmp(&db->count, &db->count_before, sizeof(db->count)) != 0)
		row_add(db);
	/* Forgotten entries are removed when something is written anyway. */
	if (sqlite3_total_changes(db->sql) != db->changes_before) {
		sqlite_scan_trim(db);
		trimmed = db->trim;
	}
	command(db, SQL_COMMIT);
	if (db->error != SQLITE_OK) {
		roll_back(db);
		return false;
	}
	db->trim_done = trimmed;
	sqlite_gate_drop_unused(db);
	return true;
}

static void run(struct sqlite_db *db, struct sqlite_handle *h, struct store_req *r)
{
	check(r->ticket < (uint64_t)1 << SQLITE_TICKET_BITS);
	db->token = (h->holder->id << SQLITE_TICKET_BITS) | (int64_t)r->ticket;
	db->again = r->again;
	switch (r->kind) {
	case STORE_STEP:
		sqlite_step_run(db, container_of(r, struct step, req));
		break;
	case STORE_CLAIM:
		sqlite_claim_run(db, container_of(r, struct claim, req));
		break;
	case STORE_SCAN:
		sqlite_scan_run(db, container_of(r, struct scan, req));
		break;
	case STORE_TAIL:
		check(container_of(r, struct tail, req)->reader.n == 0);
		sqlite_scan_tail(db, container_of(r, struct tail, req));
		break;
	}
	check(r->result == STORE_APPLIED || r->result == STORE_REFUSED);
}

static void answer_unavailable(struct store_reqs reqs)
{
	for (struct store_req *r = reqs.head; r != NULL; r = r->next) {
		store_clear_results(r);
		r->result = STORE_UNAVAILABLE;
	}
}

/* For the statistics only: nothing is decided by it. */
static uint64_t mono_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void count_stats(struct sqlite_db *db, bool ok, size_t reqs, uint64_t commit_us)
{
	pthread_mutex_lock(&db->mutex);
	db->stats.commits += ok;
	db->stats.commits_failed += !ok;
	db->stats.steps += ok ? reqs : 0;
	db->stats.commit_us_total += commit_us;
	db->stats.messages = db->count.messages;
	db->stats.outbox_entries = db->count.outbox_last - db->trim;
	db->stats.wal_pages = db->wal_pages;
	db->stats.gates = (int64_t)db->gates.n;
	db->outbox_last = db->count.outbox_last;
	pthread_mutex_unlock(&db->mutex);
}

struct store_reqs sqlite_batch_run(struct sqlite_db *db, struct sqlite_handle *h,
				   struct store_reqs *reqs, int64_t now_ms)
{
	struct store_reqs done = { 0 };
	struct store_req *r;
	uint64_t start_us;
	size_t n = 0;
	bool ok;

	sqlite_batch_begin(db, h->holder, now_ms);
	while (n < SQLITE_BATCH_REQS && db->events.n < SQLITE_BATCH_EVENT_BYTES &&
	       (r = store_reqs_pop(reqs)) != NULL) {
		run(db, h, r);
		store_reqs_append(&done, r);
		n++;
	}
	start_us = mono_us();
	ok = sqlite_batch_end(db);
	if (!ok)
		answer_unavailable(done);
	count_stats(db, ok, n, mono_us() - start_us);
	return done;
}
