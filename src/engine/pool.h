/* pool.h - the databases that a process works on, and the users of all of them.
 *
 * Each database has an engine of its own, and a user lives on one database. So one that is down stops its own users
 * alone. The first is the home database (directory.h).
 */
#ifndef ENGINE_POOL_H
#define ENGINE_POOL_H

#include "base/compiler.h"
#include "engine/engine.h"

struct pool;

enum { POOL_ENGINES_MAX = 64 };

must_use struct pool *pool_new(void);
/* NULL is fine. The engines stay the caller's. */
void pool_free(struct pool *p);
void pool_add(struct pool *p, struct engine *e);
size_t pool_engines(const struct pool *p);
struct engine *pool_engine(const struct pool *p, size_t index);

/* Are the users of every database known? One that has been away since the start may have any. */
bool pool_is_whole(const struct pool *p);
/* Who the token belongs to. */
enum token_kind pool_token(struct pool *p, struct str token, struct account **ret_account);
struct account *pool_account(struct pool *p, struct str user_id); /* NULL when unknown or gone */

/* As engine_user_create, on the database that has least to do. */
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

#endif
