#include "store/sqlite/sqlite_int.h"

#include <time.h>

#include "base/log.h"

/* A commit has costs that do not depend on its size. After one of at least this many requests, which is a sign of
 * load, the writer waits a little for more to gather; with less to do it does not wait. */
enum { GATHER_REQUESTS_MIN = 16, GATHER_NS = 300 * 1000 };

/* Who does what:
 *
 *	loop           submits, flushes: pending -> queued; polls: finished -> done()
 *	writer         queued -> one transaction -> finished; rings the bell
 *	checkpointer   copies the WAL into the database while the writer goes on writing
 *
 * A checkpoint beside a busy writer never catches up with it, so the WAL could not start again from its
 * beginning. Therefore the writer itself copies the small rest afterwards, between two batches. */

void sqlite_writer_checkpoint(struct sqlite_db *db, sqlite3 *sql)
{
	/* Busy, or a full disk: the WAL stays as it is and the next one does it. */
	(void)sqlite3_wal_checkpoint_v2(sql, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	check(db->on_disk);
}

static void ring(struct sqlite_db *db)
{
	if (db->wake != NULL)
		db->wake(db->wake_arg);
}

static bool is_load(const struct store_reqs *q)
{
	size_t n = 0;

	for (const struct store_req *r = q->head; r != NULL && n < GATHER_REQUESTS_MIN; r = r->next)
		n++;
	return n == GATHER_REQUESTS_MIN;
}

/* Called and returns with the mutex held. */
static void gather(struct sqlite_db *db)
{
	pthread_mutex_unlock(&db->mutex);
	(void)nanosleep(&(struct timespec){ .tv_nsec = GATHER_NS }, NULL);
	pthread_mutex_lock(&db->mutex);
}

/* Runs what is queued and leaves it finished. Called and returns with the mutex held. */
static void writer_work(struct sqlite_db *db, struct sqlite_handle *h)
{
	struct store_reqs reqs = h->queued;
	int64_t now_ms = db->queued_now_ms;

	h->queued = (struct store_reqs){ 0 };
	while (reqs.head != NULL) {
		struct store_reqs done;

		pthread_mutex_unlock(&db->mutex);
		done = sqlite_batch_run(db, h, &reqs, now_ms);
		pthread_mutex_lock(&db->mutex);
		store_reqs_concat(&h->finished, &done);
		ring(db);
	}
	if (db->wal_pages >= SQLITE_CHECKPOINT_PAGES && db->checkpointer_runs &&
	    !db->checkpoint_wanted && !db->checkpoint_rest) {
		db->checkpoint_wanted = true;
		pthread_cond_signal(&db->checkpoint);
	}
}

static void writer_checkpoint(struct sqlite_db *db)
{
	pthread_mutex_unlock(&db->mutex);
	sqlite_writer_checkpoint(db, db->sql);
	pthread_mutex_lock(&db->mutex);
	db->checkpoint_rest = false;
}

static void *writer_main(void *arg)
{
	struct sqlite_db *db = arg;
	struct sqlite_handle *h = db->handle;

	pthread_mutex_lock(&db->mutex);
	for (;;) {
		while (h->queued.head == NULL && !db->checkpoint_rest && !db->stop)
			pthread_cond_wait(&db->work, &db->mutex);
		if (db->drop || (db->stop && h->queued.head == NULL))
			break;
		if (h->queued.head != NULL) {
			bool loaded = is_load(&h->queued);

			writer_work(db, h);
			if (loaded && !db->stop)
				gather(db);
		}
		if (db->checkpoint_rest)
			writer_checkpoint(db);
	}
	pthread_mutex_unlock(&db->mutex);
	return NULL;
}

static void *checkpointer_main(void *arg)
{
	struct sqlite_db *db = arg;
	char error[200];
	sqlite3 *sql = sqlite_db_connect(db, error);

	if (sql == NULL)
		log_warn("store", "checkpoints are left to the writer: %s", error);

	pthread_mutex_lock(&db->mutex);
	while (!db->stop) {
		if (!db->checkpoint_wanted) {
			pthread_cond_wait(&db->checkpoint, &db->mutex);
			continue;
		}
		pthread_mutex_unlock(&db->mutex);
		/* Without a connection the rest is all of it. */
		if (sql != NULL)
			sqlite_writer_checkpoint(db, sql);
		pthread_mutex_lock(&db->mutex);
		db->checkpoint_wanted = false;
		db->checkpoint_rest = true;
		pthread_cond_signal(&db->work);
	}
	pthread_mutex_unlock(&db->mutex);
	sqlite3_close(sql);
	return NULL;
}

bool sqlite_writer_start(struct sqlite_db *db, struct sqlite_handle *h)
{
	db->handle = h;
	db->stop = db->drop = false;
	db->checkpoint_wanted = db->checkpoint_rest = false;
	db->checkpointer_runs =
		db->on_disk && pthread_create(&db->checkpointer, NULL, checkpointer_main, db) == 0;
	db->writer_runs = pthread_create(&db->writer, NULL, writer_main, db) == 0;
	if (!db->writer_runs)
		sqlite_writer_stop(db, true);
	return db->writer_runs;
}

void sqlite_writer_stop(struct sqlite_db *db, bool drop)
{
	pthread_mutex_lock(&db->mutex);
	db->stop = true;
	db->drop = drop;
	pthread_cond_signal(&db->work);
	pthread_cond_signal(&db->checkpoint);
	pthread_mutex_unlock(&db->mutex);
	if (db->writer_runs)
		check(pthread_join(db->writer, NULL) == 0);
	if (db->checkpointer_runs)
		check(pthread_join(db->checkpointer, NULL) == 0);
	db->writer_runs = db->checkpointer_runs = false;
	db->handle = NULL;
}

/* Without a writer the batch runs here and now. */
static void run_here(struct sqlite_handle *h, int64_t now_ms)
{
	struct sqlite_db *db = h->db;

	while (h->pending.head != NULL) {
		struct store_reqs done = sqlite_batch_run(db, h, &h->pending, now_ms);

		store_reqs_concat(&h->finished, &done);
	}
	if (db->wal_pages >= SQLITE_CHECKPOINT_PAGES)
		sqlite_writer_checkpoint(db, db->sql);
	ring(db);
}

void sqlite_writer_submit(struct sqlite_handle *h, int64_t now_ms)
{
	struct sqlite_db *db = h->db;

	if (h->pending.head == NULL)
		return;
	if (!db->threaded) {
		run_here(h, now_ms);
		return;
	}
	pthread_mutex_lock(&db->mutex);
	store_reqs_concat(&h->queued, &h->pending);
	db->queued_now_ms = now_ms;
	pthread_cond_signal(&db->work);
	pthread_mutex_unlock(&db->mutex);
}

struct store_reqs sqlite_writer_take(struct sqlite_handle *h)
{
	struct store_reqs done;

	pthread_mutex_lock(&h->db->mutex);
	done = h->finished;
	h->finished = (struct store_reqs){ 0 };
	h->store.info.outbox_last = (uint64_t)h->db->outbox_last;
	pthread_mutex_unlock(&h->db->mutex);
	return done;
}
