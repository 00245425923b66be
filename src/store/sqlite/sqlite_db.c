#include "store/sqlite/sqlite_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "store/lock.h"
#include "store/walfile.h"

enum { LEASE_DEFAULT_MS = 15000, BUSY_MS = 5000 };

/* ---- opening --------------------------------------------------------------------------------- */

static bool pragmas(sqlite3 *sql, bool ephemeral)
{
	/* The distribution's library wipes deleted rows unless told otherwise, which costs a write of each. */
	static const char text[] = "PRAGMA page_size = 8192;"
				   "PRAGMA auto_vacuum = NONE;"
				   "PRAGMA journal_mode = WAL;"
				   "PRAGMA wal_autocheckpoint = 0;"
				   "PRAGMA journal_size_limit = 67108864;"
				   "PRAGMA cache_size = -8192;"
				   "PRAGMA mmap_size = 0;"
				   "PRAGMA temp_store = MEMORY;"
				   "PRAGMA secure_delete = OFF;"
				   "PRAGMA trusted_schema = OFF;";
	const char *sync = ephemeral ? "PRAGMA synchronous = OFF" : "PRAGMA synchronous = FULL";

	return sqlite3_busy_timeout(sql, BUSY_MS) == SQLITE_OK &&
	       sqlite3_exec(sql, text, NULL, NULL, NULL) == SQLITE_OK &&
	       sqlite3_exec(sql, sync, NULL, NULL, NULL) == SQLITE_OK;
}

sqlite3 *sqlite_db_connect(const struct sqlite_db *db, char ret_error[200])
{
	const int how = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
	sqlite3 *sql;

	if (sqlite3_open_v2(db->path, &sql, how, db->on_disk ? walfile_vfs() : NULL) == SQLITE_OK &&
	    pragmas(sql, db->ephemeral))
		return sql;
	snprintf(ret_error, 200, "cannot open the database %.120s: %s", db->path,
		 sqlite3_errmsg(sql));
	sqlite3_close(sql);
	return NULL;
}

static int on_wal(void *arg, sqlite3 *sql, const char *name, int pages)
{
	struct sqlite_db *db = arg;

	check(sql == db->sql && name != NULL);
	db->wal_pages = pages;
	return SQLITE_OK;
}

static struct sqlite_db *db_new(const struct sqlite_settings *set, int64_t now_ms)
{
	struct sqlite_db *db = xcalloc(1, sizeof(*db));
	uint64_t seed = (uint64_t)now_ms;

	db->path = str_dup(str_c(set->path));
	db->on_disk = strcmp(set->path, ":memory:") != 0;
	db->threaded = set->threaded;
	db->ephemeral = set->ephemeral;
	db->lease_ms = set->lease_ms ? set->lease_ms : LEASE_DEFAULT_MS;
	db->wake = set->wake;
	db->wake_arg = set->wake_arg;
	db->lock_fd = -1;
	db->gates_sweep = SQLITE_GATES_CACHED;
	buf_init(&db->events, SQLITE_BATCH_BYTES_MAX);
	buf_init(&db->scratch, SQLITE_BATCH_BYTES_MAX);
	/* In memory, a simulation is repeated exactly. */
	if (db->on_disk)
		sqlite3_randomness(sizeof(seed), &seed);
	map_init(&db->gates, seed);
	map_init(&db->gates_by_id, seed);
	map_init(&db->ended.by_seq, seed);
	list_init(&db->rotation);
	list_init(&db->dirty);
	list_init(&db->usage_dirty);
	list_init(&db->holders);
	heap_init(&db->wakes);
	pthread_mutex_init(&db->mutex, NULL);
	pthread_cond_init(&db->work, NULL);
	pthread_cond_init(&db->checkpoint, NULL);
	return db;
}

static void db_free(struct sqlite_db *db)
{
	struct list *node;

	sqlite_gate_drop_all(db);
	while ((node = list_pop(&db->holders)) != NULL)
		free(list_entry(node, struct sqlite_holder, node));
	sqlite_sql_finalize(db);
	sqlite3_close(db->sql);
	if (db->lock_fd >= 0)
		close(db->lock_fd);
	buf_done(&db->events);
	buf_done(&db->scratch);
	map_done(&db->gates);
	map_done(&db->gates_by_id);
	map_done(&db->ended.by_seq);
	heap_done(&db->wakes);
	pthread_mutex_destroy(&db->mutex);
	pthread_cond_destroy(&db->work);
	pthread_cond_destroy(&db->checkpoint);
	free(db->undo);
	free(db->ending);
	free(db->path);
	free(db);
}

static bool db_open(struct sqlite_db *db, int64_t now_ms, char ret_error[200])
{
	int64_t first;

	if (db->on_disk) {
		db->lock_fd = lock_take(db->path, ret_error);
		if (db->lock_fd < 0)
			return false;
	}
	db->sql = sqlite_db_connect(db, ret_error);
	if (db->sql == NULL || !sqlite_schema_migrate(db->sql, ret_error))
		return false;
	sqlite3_wal_hook(db->sql, on_wal, db);
	if (!sqlite_sql_prepare(db)) {
		snprintf(ret_error, 200, "cannot use the database: %s", sqlite3_errmsg(db->sql));
		return false;
	}
	sqlite_batch_begin(db, NULL, now_ms);
	sqlite_claim_end_all(db);
	first = sqlite_sql_value(db, sqlite_sql_start(db, SQL_BATCH_FIRST), 0);
	if (!sqlite_batch_end(db)) {
		snprintf(ret_error, 200, "cannot read the database: %s", sqlite3_errstr(db->error));
		return false;
	}
	db->trim = db->trim_done = first > 0 ? first - 1 : 0;
	db->outbox_last = db->count.outbox_last;
	return true;
}

struct sqlite_db *sqlite_db_open(const struct sqlite_settings *settings, int64_t now_ms,
				 char ret_error[200])
{
	struct sqlite_db *db;

	/* Counting its memory would cost the library a lock around every allocation. Refused, and as well,
	 * when the process uses SQLite already. */
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	db = db_new(settings, now_ms);
	if (db_open(db, now_ms, ret_error))
		return db;
	db_free(db);
	return NULL;
}

void sqlite_db_close(struct sqlite_db *db)
{
	struct list *node, *tmp;

	list_each(node, tmp, &db->holders)
		check(list_entry(node, struct sqlite_holder, node)->gone);
	check(!db->writer_runs);
	if (db->trim > db->trim_done) {
		sqlite_batch_begin(db, NULL, db->now_ms);
		sqlite_scan_trim(db);
		if (!sqlite_batch_end(db))
			log_warn("store", "what the outbox has forgotten will be seen again");
	}
	db_free(db);
}

void sqlite_db_forget(struct sqlite_db *db)
{
	check(!db->writer_runs);
	sqlite_gate_drop_all(db);
	db->loaded = false;
}

struct sqlite_stats sqlite_db_stats(struct sqlite_db *db)
{
	struct sqlite_stats stats;

	pthread_mutex_lock(&db->mutex);
	stats = db->stats;
	pthread_mutex_unlock(&db->mutex);
	return stats;
}

/* ---- the port -------------------------------------------------------------------------------- */

static struct sqlite_handle *handle_of(struct store *s)
{
	return container_of(s, struct sqlite_handle, store);
}

static void answer(struct store_reqs *reqs)
{
	struct store_req *r;

	while ((r = store_reqs_pop(reqs)) != NULL)
		r->done(r);
}

static void op_submit(struct store *s, struct store_req *r)
{
	store_reqs_append(&handle_of(s)->pending, r);
}

static void op_flush(struct store *s, int64_t now_ms)
{
	struct sqlite_handle *h = handle_of(s);

	h->holder->beat_ms = now_ms;
	sqlite_writer_submit(h, now_ms);
}

static void op_poll(struct store *s)
{
	struct store_reqs done = sqlite_writer_take(handle_of(s));

	answer(&done);
}

static void leases_end(struct sqlite_db *db, struct sqlite_holder *holder)
{
	sqlite_batch_begin(db, holder, db->now_ms);
	sqlite_claim_end_leases(db, holder->id);
	/* If the disk refuses, they end when somebody claims, or at the next opening. */
	holder->gone = true;
	if (!sqlite_batch_end(db))
		return;
	list_remove(&holder->node);
	free(holder);
}

static void op_close(struct store *s)
{
	struct sqlite_handle *h = handle_of(s);

	if (h->db->threaded)
		sqlite_writer_stop(h->db, false);
	op_poll(s);
	while (h->pending.head != NULL) {
		struct store_reqs rest = h->pending;

		h->pending = (struct store_reqs){ 0 };
		for (struct store_req *r = rest.head; r != NULL; r = r->next)
			r->result = STORE_UNAVAILABLE;
		answer(&rest);
	}
	leases_end(h->db, h->holder);
	free(h);
}

static const struct store_ops ops = {
	.submit = op_submit,
	.flush = op_flush,
	.poll = op_poll,
	.close = op_close,
};

/* ---- handles --------------------------------------------------------------------------------- */

static struct sqlite_holder *holder_new(struct sqlite_db *db, int64_t now_ms)
{
	struct sqlite_holder *holder;
	int64_t id;

	sqlite_batch_begin(db, NULL, now_ms);
	sqlite_sql_run(db, sqlite_sql_start(db, SQL_HOLDER_NEXT));
	id = sqlite_sql_value(db, sqlite_sql_start(db, SQL_HOLDER_LAST), 0);
	if (!sqlite_batch_end(db))
		return NULL;
	check(id > 0);
	holder = xcalloc(1, sizeof(*holder));
	holder->id = id;
	holder->beat_ms = now_ms;
	list_push(&db->holders, &holder->node);
	return holder;
}

struct store *sqlite_db_attach(struct sqlite_db *db, int64_t now_ms)
{
	struct sqlite_handle *h;
	struct sqlite_holder *holder;

	check(!db->writer_runs);
	holder = holder_new(db, now_ms);
	if (holder == NULL)
		return NULL;
	h = xcalloc(1, sizeof(*h));
	h->db = db;
	h->holder = holder;
	h->store = (struct store){
		.ops = &ops,
		.info = { .seq_max = (uint64_t)db->count.seq_max,
			  .lease_ms = db->lease_ms,
			  .outbox_last = (uint64_t)db->count.outbox_last },
	};
	if (!db->threaded || sqlite_writer_start(db, h))
		return &h->store;
	leases_end(db, holder);
	free(h);
	return NULL;
}

void sqlite_db_kill(struct sqlite_db *db, struct store *s)
{
	struct sqlite_handle *h = handle_of(s);

	check(h->db == db);
	if (db->threaded)
		sqlite_writer_stop(db, true);
	h->holder->gone = true;
	free(h);
}
