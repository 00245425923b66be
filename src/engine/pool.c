#include "engine/pool.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "engine/engine_int.h"

struct pool {
	struct engine *engine[POOL_ENGINES_MAX];
	size_t n;
};

struct pool *pool_new(void)
{
	return xcalloc(1, sizeof(struct pool));
}

void pool_free(struct pool *p)
{
	free(p);
}

void pool_add(struct pool *p, struct engine *e)
{
	check(p->n < POOL_ENGINES_MAX);
	p->engine[p->n++] = e;
}

size_t pool_engines(const struct pool *p)
{
	return p->n;
}

struct engine *pool_engine(const struct pool *p, size_t index)
{
	check(index < p->n);
	return p->engine[index];
}

/* ---- users ------------------------------------------------------------------------------------------ */

bool pool_is_whole(const struct pool *p)
{
	for (size_t i = 0; i < p->n; i++) {
		if (!p->engine[i]->started)
			return false;
	}
	return true;
}

enum token_kind pool_token(struct pool *p, struct str token, struct account **ret_account)
{
	for (size_t i = 0; i < p->n; i++) {
		enum token_kind kind = engine_token(p->engine[i], token, ret_account);

		if (kind != TOKEN_NONE)
			return kind;
	}
	return TOKEN_NONE;
}

struct account *pool_account(struct pool *p, struct str user_id)
{
	for (size_t i = 0; i < p->n; i++) {
		struct account *a = engine_account(p->engine[i], user_id);

		if (a != NULL)
			return a;
	}
	return NULL;
}

void pool_user_create(struct pool *p, const struct user_new *n, struct account_op *op)
{
	engine_user_create(p->engine[0], n, op);
}

/* ---- listing ---------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	return str_cmp((*(struct account *const *)a)->user.id,
		       (*(struct account *const *)b)->user.id);
}

static size_t known(const struct pool *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		n += p->engine[i]->accounts.n;
	return n;
}

void pool_users_list(struct pool *p, struct users_list *op)
{
	struct account **v = xcalloc(known(p) + 1, sizeof(*v));
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++) {
		struct account *a;
		size_t pos = 0;

		while ((a = map_next(&p->engine[i]->accounts, &pos)) != NULL) {
			if (str_cmp(a->user.id, op->after) > 0)
				v[n++] = a;
		}
	}
	qsort(v, n, sizeof(*v), compare);
	op->more = n > op->max;
	for (size_t i = 0; i < n && i < op->max; i++)
		op->each(op, v[i]);
	free(v);
}
