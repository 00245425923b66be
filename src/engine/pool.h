/* pool.h - the databases that a process works on, and the users of all of them.
 *
 * Each database has an engine of its own, and a user lives on one database. So one that is down stops its own users
 * alone. The first is the home database: it has the directory (directory.h), from which this process learns of
 * databases that were added elsewhere. When it is down, users on others are served as before; only making and moving
 * users and changing databases has to wait.
 *
 *	pool.c        the databases, users over all of them
 *	pool_dir.c    reading and writing the directory
 *	pool_move.c   a user on its way to another database
 *	pool_moves.c  which users are, and draining
 */
#ifndef ENGINE_POOL_H
#define ENGINE_POOL_H

#include "base/compiler.h"
#include "engine/engine.h"

struct pool;

enum { POOL_ENGINES_MAX = 64 };

struct pool_settings {
	/* Gives the engine of a database that this process has not met, and starts it; NULL with the reason when the
	 * URL is none. `open` NULL: there is one database alone, and no directory. */
	struct engine *(*open)(void *arg, struct str url, char ret_error[200]);
	void *arg;
	bool observes; /* its engines do: it learns of databases, and neither enters any nor moves users */
};

must_use struct pool *pool_new(const struct pool_settings *settings);
/* NULL is fine. The engines stay the caller's. */
void pool_free(struct pool *p);
/* `url` is empty for the embedded database. The first one is the home database; it is to be added before it starts. */
void pool_add(struct pool *p, struct engine *e, struct str url);
size_t pool_engines(const struct pool *p);
struct engine *pool_engine(const struct pool *p, size_t index);
/* What is due. Returns the mono ms of the next wish. */
int64_t pool_turn(struct pool *p, int64_t mono_ms);

/* ---- users ------------------------------------------------------------------------------------------ */

/* Has the directory been read, and is every database that has been reached in it and at work? */
bool pool_is_settled(const struct pool *p);
/* Are the users of every database known? One that has been away since the start may have any. */
bool pool_is_whole(const struct pool *p);
/* Who the token belongs to. An account that is being moved (user.moving) is given when there is no other. */
enum token_kind pool_token(struct pool *p, struct str token, struct account **ret_account);
struct account *pool_account(struct pool *p, struct str user_id); /* NULL when unknown or gone */
/* As engine_user_create, on the open database with the fewest users. 503 when the home database is down. */
void pool_user_create(struct pool *p, const struct user_new *n, struct account_op *op);

struct users_list {
	struct str after; /* ids behind this one; empty = from the start */
	size_t max;
	/* Called for each in the order of ids. */
	void (*each)(struct users_list *op, const struct account *a);
	void *arg;
	bool more; /* result: there are more behind the last one */
};

/* Those that the process knows, at once. */
void pool_users_list(struct pool *p, struct users_list *op);

/* ---- databases -------------------------------------------------------------------------------------- */

struct pool_database {
	struct str name; /* empty = not known yet */
	struct str url;
	bool draining, up;
	size_t users, moving;
};

size_t pool_databases(const struct pool *p);
void pool_database(const struct pool *p, size_t index, struct pool_database *ret_d);
/* The name of the database that an engine serves; empty when not known, or when there is one alone. */
struct str pool_name(const struct pool *p, const struct engine *e);

enum pool_what { POOL_ADD, POOL_DRAIN, POOL_MOVE };

struct pool_op {
	enum pool_what what;
	struct str url;          /* ADD */
	struct str database;     /* DRAIN; MOVE: where to. ADD: result, as long as the pool lives */
	struct account *account; /* MOVE */
	struct problem problem;
	void (*done)(struct pool_op *op);
	void *arg;
	/* private */
	struct pool *pool;
	struct scan scan;
	struct step step;
	struct move move;
	struct buf name, value;
};

/* Writes it into the directory. A move, and what a drain moves, then goes on by itself, across crashes too. */
void pool_change(struct pool *p, struct pool_op *op);

#endif
