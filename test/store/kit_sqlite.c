/* The embedded backend as the kit opens it: in memory with batches inside flush, and on disk with its threads. */
#include "kit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "store/sqlite/sqlite_store.h"

static struct sqlite_db *db_open(struct kit *k, const char *path, bool threaded)
{
	struct sqlite_settings set = {
		.path = path,
		.threaded = threaded,
		.ephemeral = true,
		.lease_ms = k->lease_ms,
		.wake = threaded ? kit_ring : NULL,
		.wake_arg = k,
	};
	char error[200];
	struct sqlite_db *db = sqlite_db_open(&set, k->now_ms, error);

	if (db == NULL)
		T_FAIL("%s", error);
	return db;
}

static void attach(struct kit *k, struct sqlite_db *db)
{
	k->state = db;
	k->s = sqlite_db_attach(db, k->now_ms);
	T_CHECK(k->s != NULL);
}

static void memory_open(struct kit *k)
{
	attach(k, db_open(k, ":memory:", false));
}

static void disk_open(struct kit *k)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", t_tmpdir(), k->name ? k->name : "store.db");
	attach(k, db_open(k, path, true));
}

static void kill_it(struct kit *k)
{
	sqlite_db_kill(k->state, k->s);
	sqlite_db_close(k->state);
	k->s = NULL;
}

static void close_it(struct kit *k)
{
	store_close(k->s);
	sqlite_db_close(k->state);
	k->s = NULL;
}

static struct store *another(struct kit *k)
{
	struct store *s = sqlite_db_attach(k->state, k->now_ms);

	T_CHECK(s != NULL);
	return s;
}

static void kill_another(struct kit *k, struct store *s)
{
	sqlite_db_kill(k->state, s);
}

static void check_it(struct kit *k)
{
	char error[200];

	if (!sqlite_db_check(k->state, k->now_ms, error))
		T_FAIL("%s", error);
}

const struct kit_backend kit_memory = {
	.name = "memory",
	.open = memory_open,
	.kill = kill_it,
	.close = close_it,
	.another = another,
	.kill_another = kill_another,
	.verify = check_it,
};

const struct kit_backend kit_disk = {
	.name = "disk",
	.open = disk_open,
	.kill = kill_it,
	.close = close_it,
	.verify = check_it,
};
