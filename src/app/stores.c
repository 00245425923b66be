#include "app/stores.h"

#include <errno.h>
#include <fcntl.h>
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
	int lock_fd;          /* Redis: of the data directory; the embedded store locks by itself */
};

/* ---- the directory --------------------------------------------------------------------------- */

static bool has_file(const char *dir, const char *name)
{
	char *path = dirs_join(dir, name);
	bool has = access(path, F_OK) == 0;

	free(path);
	return has;
}

static bool make_mark(const char *dir, char ret_error[STORES_ERROR_BYTES])
{
	char *path = dirs_join(dir, REDIS_MARK);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		snprintf(ret_error, STORES_ERROR_BYTES, "cannot write %.300s: %s", path,
			 strerror(errno));
	else
		close(fd);
	free(path);
	return fd >= 0;
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
	if (!has_file(s->set.dir, REDIS_MARK))
		return true;
	snprintf(ret_error, STORES_ERROR_BYTES,
		 "the data directory %.200s is that of a server whose messages are in "
		 "Redis: name it with -redis, or give another directory with -data-dir",
		 s->set.dir);
	return false;
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
	if (!has_file(set->dir, DATABASE))
		return true;
	snprintf(ret_error, STORES_ERROR_BYTES,
		 "the data directory %.200s has a database of its own, whose messages would not be "
		 "delivered with -redis: give another directory with -data-dir",
		 set->dir);
	return false;
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
	s->lock_fd = -1;
	if (set->conf->redis.n > 0 ? lock_dir(s, set, ret_error) : may_be_embedded(s, ret_error))
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
	if (store == NULL || make_mark(s->set.dir, ret_error))
		return store;
	store_close(store);
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
