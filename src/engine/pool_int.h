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

/* pool_move.c tells what they are. */
enum mover_phase {
	MOVER_TAKE,
	MOVER_MARK,
	MOVER_FREEZE,
	MOVER_LOGS,
	MOVER_DETACH,
	MOVER_BEGIN,
	MOVER_WIPE,
	MOVER_KEYS,
	MOVER_DUMP,
	MOVER_IMPORT,
	MOVER_ENTER,
	MOVER_COMMIT,
	MOVER_ATTACH,
	MOVER_THAW,
	MOVER_UNMARK,
	MOVER_UNMARK_PUT,
	MOVER_LOOK,
	MOVER_PURGE,
	MOVER_LEAVE,
	MOVER_REMOVE,
	MOVER_FINISH,
	MOVER_BEAT
};

struct mover {
	struct list node; /* in pool.movers */
	struct pool *pool;
	char *user;
	struct engine *from, *to, *asked; /* asked: has the present request */
	char from_name[DIRECTORY_NAME_MAX + 1], to_name[DIRECTORY_NAME_MAX + 1];
	bool committed;
	enum mover_phase phase, after_beat;
	bool busy;
	int64_t again_mono_ms, written_mono_ms, began_mono_ms;
	int64_t version; /* of the entry */
	int64_t number;  /* of the move */
	int64_t marked;  /* version of the marked document at the old database */
	uint64_t log_pos;
	char source[32];    /* what FREEZE gives to BEGIN */
	char at[32];        /* of a walk */
	struct arena arena; /* of the keys */
	struct str *key;
	size_t keys, key_at;
	struct user_key *row; /* in scan.arena */
	size_t rows;
	bool scanned; /* scan.arena is in use */
	struct step step;
	struct move move;
	struct scan scan;
	struct tail tail;
	struct buf name, value;
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
void pool_mover_free(struct mover *m);
/* The next piece of work of one that nothing is under way for. */
void pool_mover_go(struct mover *m);

/* pool_moves.c */
void pool_move_due(void *pool, const struct due_doc *doc);
void pool_move_turn(struct pool *p);
int64_t pool_move_next_mono_ms(const struct pool *p);
void pool_move_free(struct pool *p);
/* Takes the move of a user into its hands, if nobody has it. */
void pool_move_begin(struct pool *p, struct str user, int64_t version,
		     const struct directory_place *place);

#endif
