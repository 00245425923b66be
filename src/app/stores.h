/* stores.h - the stores of a server: the embedded database in its data directory, or Redis servers (-redis).
 *
 * Either way the data directory is locked, by the server or by its supervisor, for it also has the logs and the control
 * socket. It belongs to one kind of
 * store for good: the logs remember how far they have read the outbox of the store, and messages that are left in the
 * other store would wait unseen.
 */
#ifndef APP_STORES_H
#define APP_STORES_H

#include "app/conf.h"
#include "base/compiler.h"
#include "net/loop.h"
#include "store/store.h"

enum { STORES_ERROR_BYTES = 512 };

struct stores;

struct stores_settings {
	const struct conf *conf;
	const char *dir;
	struct loop *loop; /* for its clocks */
	int64_t wait_ms;   /* for a Redis server that reads its files */
};

/* Locks the data directory of a server whose messages are in Redis, until the descriptor that it returns is closed. -1
 * with one line for the user in ret_error. */
must_use int stores_take_dir(const char *dir, char ret_error[STORES_ERROR_BYTES]);
/* ... and makes it one of that kind for good. */
must_use bool stores_mark_dir(const char *dir, char ret_error[STORES_ERROR_BYTES]);

struct stores_wake {
	void (*wake)(void *arg); /* completions wait for store_poll; from any thread */
	void *arg;
};

/* How a Redis server is met. */
struct stores_way {
	bool deferred; /* later: nothing is asked of it now */
	bool away;     /* result: it could not be reached */
};

/* With -redis the directory has been taken already, by the one who has started us. NULL with one line for the user in
 * ret_error. */
must_use struct stores *stores_open(const struct stores_settings *settings,
				    char ret_error[STORES_ERROR_BYTES]);
/* The store in the directory, or the Redis server at `url`, when that is not empty. One that cannot be reached is
 * opened all the same, and goes to work when it comes (way->away says so); one that is not fit is refused. NULL with
 * one line for the user in ret_error. The handle is closed by store_close, before stores_close. */
must_use struct store *stores_attach(struct stores *s, struct str url, struct stores_wake wake,
				     struct stores_way *way, char ret_error[STORES_ERROR_BYTES]);
/* Unlocks the directory. NULL is fine. */
void stores_close(struct stores *s);

#endif
