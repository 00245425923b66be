/* shards.h - the databases that this process works on: each a store handle and an engine; and their log.
 *
 * One is the embedded database, or there are as many as -redis names. A database that cannot be reached is opened all
 * the same: its users are not served until it comes, and then by themselves.
 */
#ifndef APP_SHARDS_H
#define APP_SHARDS_H

#include "app/conf.h"
#include "app/retention.h"
#include "base/compiler.h"
#include "core/plan.h"
#include "courier/courier.h"
#include "engine/pool.h"
#include "logs/logs.h"
#include "net/loop.h"

struct shards;

enum { SHARDS_ERROR_BYTES = 512 };

struct shards_settings {
	const struct conf *conf; /* all of these outlive the shards */
	const char *dir;
	struct loop *loop;
	struct courier *courier;
	struct retention *retention;
	const struct plans *plans;
	const struct plan *plan; /* of everybody, or NULL */
	const char *llm_url;
	struct inhand *inhand; /* engine_settings.inhand */
};

/* Opens stores, logs and engines; nothing runs yet. NULL with one line for the user in ret_error. */
must_use struct shards *shards_open(const struct shards_settings *settings,
				    char ret_error[SHARDS_ERROR_BYTES]);
struct pool *shards_pool(struct shards *s);
/* Whom to ask about what is logged. */
struct logs_port shards_logs(struct shards *s);

/* Loads the users; waits for the databases that are there. */
must_use bool shards_start(struct shards *s, char ret_error[SHARDS_ERROR_BYTES]);
/* Turns by hand until *flag or, then false, a ceiling: before the loop runs. */
must_use bool shards_turn_until(struct shards *s, const bool *flag);

/* One turn of each. Returns the mono ms of the next wish. */
int64_t shards_turn(struct shards *s, int64_t wall_ms, int64_t mono_ms);
/* `done` is called for each engine, as it comes to rest. Returns how many times that will be. */
int shards_stop(struct shards *s, int64_t grace_ms, void (*done)(void *arg), void *arg);
/* Closes stores and logs, which answers what they still hold, and frees the engines; everything that asked them must
 * still be there. Then shards_free. */
void shards_close(struct shards *s);
/* NULL is fine. */
void shards_free(struct shards *s);

#endif
