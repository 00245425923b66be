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
	struct sqlite_db *db; /* NULL: Redis */
};

/* ---- the directory --------------------------------------------------------------------------- */

static bool has_file(const char *dir, const char *name)
{
	char *path = dirs_join(dir, name);
	bool has = access(path, F_OK) == 0;

	free(path);
	return has;
}

bool stores_mark_dir(const char *dir, char ret_error[STORES_ERROR_BYTES])
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

static struct store *open_embedded(struct stores *s, const struct stores_settings *set,
				   char ret_error[STORES_ERROR_BYTES])
{
	int64_t now_ms = loop_wall_ms(set->loop);
	struct store *store = NULL;
	char *path;

	if (has_file(set->dir, REDIS_MARK)) {
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
int stores_take_dir(const char *dir, char ret_error[STORES_ERROR_BYTES])
{
	char *path = dirs_join(dir, DATABASE);
	int fd = lock_take(path, ret_error);

	free(path);
	if (fd < 0)
		return -1;
	if (!has_file(dir, DATABASE))
		return fd;
	snprintf(ret_error, STORES_ERROR_BYTES,
		 "the data directory %.200s has a database of its own, whose messages would not be "
		 "delivered with -redis: give another directory with -data-dir",
		 dir);
	close(fd);
	return -1;
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
		.lease_ms = set->conf->lease_s * 1000,
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

/* ---- either ---------------------------------------------------------------------------------- */

struct stores *stores_open(const struct stores_settings *set, struct store **ret_store,
			   char ret_error[STORES_ERROR_BYTES])
{
	struct stores *s = xcalloc(1, sizeof(*s));
	struct store *store;

	store = *set->conf->redis != '\0' ? wait_for_redis(set, ret_error)
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
	free(s);
}
