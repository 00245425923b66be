#include "app/stores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/dirs.h"
#include "base/check.h"
#include "base/log.h"
#include "store/lock.h"
#include "store/redis/redis_store.h"
#include "store/sqlite/sqlite_store.h"

/* In the data directory: the embedded database, and what says that a Redis server stands for it. */
#define DATABASE "qstash.db"
#define REDIS_MARK "redis"

enum { WAIT_STEP_MS = 50 };

struct stores {
	struct sqlite_db *db; /* NULL: Redis */
	int lock_fd;          /* Redis: of the data directory; the embedded store locks by itself */
};

/* ---- the embedded store ---------------------------------------------------------------------- */

static struct store *open_embedded(struct stores *s, const struct stores_settings *set,
				   char ret_error[STORES_ERROR_BYTES])
{
	int64_t now_ms = loop_wall_ms(set->loop);
	struct store *store = NULL;
	char *path;

	if (dirs_has(set->dir, REDIS_MARK)) {
		snprintf(ret_error, STORES_ERROR_BYTES,
			 "the data directory %.200s is that of a server whose messages are in "
			 "Redis: name it with -redis, or give another directory with -data-dir",
			 set->dir);
		return NULL;
	}
	path = dirs_join(set->dir, DATABASE);
	s->db = sqlite_db_open(
		&(struct sqlite_settings){
			.path = path,
			.threaded = true,
			.ephemeral = set->conf->ephemeral,
			.wake = set->wake,
			.wake_arg = set->wake_arg,
		},
		now_ms, ret_error);
	free(path);
	if (s->db == NULL)
		return NULL;
	store = sqlite_db_attach(s->db, now_ms);
	if (store == NULL)
		snprintf(ret_error, STORES_ERROR_BYTES,
			 "the database in the data directory %.200s cannot be written to",
			 set->dir);
	return store;
}

/* ---- Redis ----------------------------------------------------------------------------------- */

/* The same lock as the embedded store's, so that the two do not meet in a directory either. */
static bool lock_dir(struct stores *s, const struct stores_settings *set,
		     char ret_error[STORES_ERROR_BYTES])
{
	char *path = dirs_join(set->dir, DATABASE);

	s->lock_fd = lock_take(path, ret_error);
	free(path);
	if (s->lock_fd < 0)
		return false;
	if (!dirs_has(set->dir, DATABASE))
		return true;
	snprintf(ret_error, STORES_ERROR_BYTES,
		 "the data directory %.200s has a database of its own, whose messages would not be "
		 "delivered with -redis: give another directory with -data-dir",
		 set->dir);
	return false;
}

/* A server that has just started reads its files first, which may take long. */
static struct store *wait_for_redis(const struct stores_settings *set,
				    char ret_error[STORES_ERROR_BYTES])
{
	int64_t give_up_ms = loop_mono_ms(set->loop) + set->wait_ms;
	bool loading = false;
	const struct redis_settings redis = {
		.url = set->conf->redis,
		.threaded = true,
		.sole = true,
		.allow_unsafe = set->conf->redis_unsafe,
		.ret_loading = &loading,
		.wake = set->wake,
		.wake_arg = set->wake_arg,
	};

	for (bool told = false;; told = true) {
		struct store *store = redis_store_open(&redis, loop_wall_ms(set->loop), ret_error);

		if (store != NULL || !loading || loop_mono_ms(set->loop) >= give_up_ms)
			return store;
		if (!told)
			log_info("store", "%s; waiting for it", ret_error);
		nanosleep(&(struct timespec){ .tv_nsec = WAIT_STEP_MS * 1000 * 1000 }, NULL);
	}
}

static struct store *open_redis(struct stores *s, const struct stores_settings *set,
				char ret_error[STORES_ERROR_BYTES])
{
	struct store *store;

	if (!lock_dir(s, set, ret_error))
		return NULL;
	store = wait_for_redis(set, ret_error);
	if (store == NULL || dirs_mark(set->dir, REDIS_MARK, ret_error))
		return store;
	store_close(store);
	return NULL;
}

/* ---- either ---------------------------------------------------------------------------------- */

struct stores *stores_open(const struct stores_settings *set, struct store **ret_store,
			   char ret_error[STORES_ERROR_BYTES])
{
	struct stores *s = xcalloc(1, sizeof(*s));
	struct store *store;

	s->lock_fd = -1;
	store = *set->conf->redis != '\0' ? open_redis(s, set, ret_error)
					  : open_embedded(s, set, ret_error);
	if (store != NULL) {
		*ret_store = store;
		return s;
	}
	stores_close(s);
	return NULL;
}

void stores_close(struct stores *s)
{
	if (s == NULL)
		return;
	if (s->db != NULL)
		sqlite_db_close(s->db);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	free(s);
}
