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
	struct stores_settings set;
	struct sqlite_db *db; /* NULL: Redis, or not attached yet */
};

/* ---- the directory --------------------------------------------------------------------------- */

bool stores_mark_dir(const char *dir, char ret_error[STORES_ERROR_BYTES])
{
	return dirs_mark(dir, REDIS_MARK, ret_error);
}

/* ---- the embedded store ---------------------------------------------------------------------- */

static struct store *attach_embedded(struct stores *s, struct stores_wake wake,
				     char ret_error[STORES_ERROR_BYTES])
{
	int64_t now_ms = loop_wall_ms(s->set.loop);
	char *path = dirs_join(s->set.dir, DATABASE);
	struct store *store = NULL;

	check(s->db == NULL);
	s->db = sqlite_db_open(
		&(struct sqlite_settings){
			.path = path,
			.threaded = true,
			.ephemeral = s->set.conf->ephemeral,
			.wake = wake.wake,
			.wake_arg = wake.arg,
		},
		now_ms, ret_error);
	free(path);
	if (s->db == NULL)
		return NULL;
	store = sqlite_db_attach(s->db, now_ms);
	if (store == NULL)
		snprintf(ret_error, STORES_ERROR_BYTES,
			 "the database in the data directory %.200s cannot be written to",
			 s->set.dir);
	return store;
}

/* The embedded store locks the directory by itself. */
static bool may_be_embedded(const struct stores *s, char ret_error[STORES_ERROR_BYTES])
{
	if (!dirs_has(s->set.dir, REDIS_MARK))
		return true;
	snprintf(ret_error, STORES_ERROR_BYTES,
		 "the data directory %.200s is that of a server whose messages are in "
		 "Redis: name it with -redis, or give another directory with -data-dir",
		 s->set.dir);
	return false;
}

/* ---- Redis ----------------------------------------------------------------------------------- */

/* The same lock as the embedded store's, so that the two do not meet in a directory either. */
int stores_take_dir(const char *dir, char ret_error[STORES_ERROR_BYTES])
{
	char *path = dirs_join(dir, DATABASE);
	int fd = lock_take(path, ret_error);

	free(path);
	if (fd < 0)
		return -1;
	if (!dirs_has(dir, DATABASE))
		return fd;
	snprintf(ret_error, STORES_ERROR_BYTES,
		 "the data directory %.200s has a database of its own, whose messages would not be "
		 "delivered with -redis: give another directory with -data-dir",
		 dir);
	close(fd);
	return -1;
}

/* A server that has just started reads its files first, which may take long. */
static struct store *attach_redis(struct stores *s, const char *url, struct stores_wake wake,
				  struct stores_way *way, char ret_error[STORES_ERROR_BYTES])
{
	struct loop *loop = s->set.loop;
	int64_t give_up_ms = loop_mono_ms(loop) + s->set.wait_ms;
	bool loading = false;
	struct redis_settings redis = {
		.url = url,
		.threaded = true,
		.lease_ms = s->set.conf->lease_s * 1000,
		.allow_unsafe = s->set.conf->redis_unsafe,
		.ret_loading = &loading,
		.ret_away = &way->away,
		.deferred = way->deferred,
		.wake = wake.wake,
		.wake_arg = wake.arg,
	};

	for (bool told = false;; told = true) {
		struct store *store;

		loading = false;
		store = redis_store_open(&redis, loop_wall_ms(loop), ret_error);
		if (store != NULL || !loading)
			return store;
		if (!told)
			log_info("store", "%s; waiting for it", ret_error);
		if (loop_mono_ms(loop) >= give_up_ms)
			redis.ret_loading = NULL;
		nanosleep(&(struct timespec){ .tv_nsec = WAIT_STEP_MS * 1000 * 1000 }, NULL);
	}
}

/* ---- either ---------------------------------------------------------------------------------- */

struct stores *stores_open(const struct stores_settings *set, char ret_error[STORES_ERROR_BYTES])
{
	struct stores *s = xcalloc(1, sizeof(*s));

	s->set = *set;
	if (set->conf->redis.n > 0 || may_be_embedded(s, ret_error))
		return s;
	stores_close(s);
	return NULL;
}

struct store *stores_attach(struct stores *s, struct str url, struct stores_wake wake,
			    struct stores_way *way, char ret_error[STORES_ERROR_BYTES])
{
	struct store *store;
	char *text;

	way->away = false;
	if (url.n == 0)
		return attach_embedded(s, wake, ret_error);
	text = str_dup(url);
	store = attach_redis(s, text, wake, way, ret_error);
	free(text);
	return store;
}

void stores_close(struct stores *s)
{
	if (s == NULL)
		return;
	if (s->db != NULL)
		sqlite_db_close(s->db);
	free(s);
}
