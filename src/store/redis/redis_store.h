/* redis_store.h - the store backend for a Redis server (7.0 or newer, or a compatible one).
 *
 * All that must happen at once happens in one Lua function library (*.lua), which the server runs; a batch of
 * requests travels as few calls of it in one pipeline. Several processes may use one database: each open handle is
 * a holder of leases (store.h).
 *
 * A lost connection answers UNKNOWN to what was sent and not answered, and UNAVAILABLE to the rest; the handle
 * connects again by itself, and while that fails it answers UNAVAILABLE at once. So does an error that the server answers a call with, having done nothing of it (out of
 * memory, disk full, read-only replica): UNAVAILABLE.
 *
 * The data may be lost by the server's own settings. They are read at opening, and what would lose accepted
 * messages is refused in words, unless `allow_unsafe`.
 */
#ifndef STORE_REDIS_STORE_H
#define STORE_REDIS_STORE_H

#include "base/compiler.h"
#include "store/store.h"

enum { REDIS_ERROR_LEN = 400 };

struct redis_settings {
	/* redis://[user:password@]host[:port][/database], rediss:// the same over TLS,
	 * unix://[user:password@]/path[?db=database] */
	const char *url;
	bool threaded; /* false: batches run inside store_flush */
	bool sole; /* no other process uses the database: leases of former ones end at opening */
	bool allow_unsafe; /* use a server that may lose accepted messages */
	bool reader;       /* only tails and scans are asked: no leases, no sign of life */
	size_t outbox_bytes_max; /* tails of readers say: the outbox forgets its oldest events beyond; 0 = it
				  * stays as it is (at first 1 GiB) */
	int64_t lease_ms; /* 0 = 15,000 */
	/* NULL, or told when opening fails: the server only has to read its files yet, so try again. */
	bool *ret_loading;
	/* NULL, or told: the server cannot be reached (or reads its files, without ret_loading), and the handle was
	 * given all the same. It answers UNAVAILABLE until it has connected; store_info is known from then on. */
	bool *ret_away;
	bool deferred; /* do not try to connect at once: as if it could not be reached */
	/* Rung when completions wait for store_poll; from the connection's thread when there is one. NULL is fine. */
	void (*wake)(void *arg);
	void *wake_arg;
};

/* Connects, loads the function library or brings an older one up to ours, and becomes a holder. Refuses a library or
 * data that are newer than ours, and a server that is not fit. NULL with a one-line reason in ret_error on failure,
 * which never contains the password. The process ignores SIGPIPE from then on. */
must_use struct store *redis_store_open(const struct redis_settings *settings, int64_t now_ms,
					char ret_error[REDIS_ERROR_LEN]);

/* As if the process had died: the handle is freed, nothing is given back, no `done` is called (tests). A batch that
 * is being executed is finished first. */
void redis_store_kill(struct store *s);

struct redis_stats {
	uint64_t turns, requests; /* answered, since opening */
	uint64_t connections;     /* made */
};
struct redis_stats redis_store_stats(struct store *s);

/* Recomputes from the messages what the gates count and what is known to be ready: false with the differences in
 * ret_error. Reads the whole database: for tests, while no batch is being executed. */
must_use bool redis_store_check(struct store *s, int64_t now_ms, char ret_error[REDIS_ERROR_LEN]);

#endif
