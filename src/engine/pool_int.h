/* pool_int.h - what the files of the pool share.
 */
#ifndef ENGINE_POOL_INT_H
#define ENGINE_POOL_INT_H

#include "base/list.h"
#include "engine/directory.h"
#include "engine/engine_int.h"
#include "engine/pool.h"

enum {
	POOL_AGAIN_MS = 500,   /* after a store that was not available */
	POOL_LEASE_MS = 10000, /* a move that nobody has written of for so long is taken over */
	POOL_BEAT_MS = 3000,
	POOL_DRAIN_MOVES = 2, /* of one process at once */
};

struct pool_db {
	struct engine *engine;
	char *url;                         /* empty: embedded */
	char name[DIRECTORY_NAME_MAX + 1]; /* empty: not in the directory, as far as is known */
	bool draining;
};

struct pool {
	struct pool_settings set;
	struct pool_db db[POOL_ENGINES_MAX];
	size_t n;
	int64_t mono_ms; /* of this turn */

	/* pool_dir.c: the reading of the directory */
	struct scan scan;
	bool reading, read_wanted;
	bool known; /* it has been read */
	int64_t read_mono_ms;
	size_t registering; /* index of the database that is being entered + 1; 0 = none */
	struct step step;
	struct move move;
	struct buf name, value;

	struct list movers; /* pool_move.c */
	int64_t drain_mono_ms;
};

struct engine *pool_home(const struct pool *p);
/* Can the directory be asked? Else the problem says why not. */
must_use bool pool_home_is_up(const struct pool *p, struct problem *ret_problem);
struct pool_db *pool_db(struct pool *p, struct str name); /* NULL when there is none */
/* Where to put a user: NULL when no database is open and up. */
struct pool_db *pool_least(struct pool *p, const struct pool_db *but);

/* pool_dir.c */
void pool_dir_read(void *pool); /* soon */
void pool_dir_turn(struct pool *p);
int64_t pool_dir_next_mono_ms(const struct pool *p);
/* The move that writes an entry; the strings are in the buffers. */
struct move pool_dir_put(struct buf *name, struct buf *value, int64_t version);

/* pool_move.c */
void pool_move_due(void *pool, const struct due_doc *doc);
void pool_move_turn(struct pool *p);
int64_t pool_move_next_mono_ms(const struct pool *p);
void pool_move_free(struct pool *p);
/* Takes the move of a user into its hands, if nobody has it. */
void pool_move_begin(struct pool *p, struct str user, int64_t version,
		     const struct directory_place *place);

#endif
