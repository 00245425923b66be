#include "engine/pool_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/codec.h"

struct pool *pool_new(const struct pool_settings *settings)
{
	struct pool *p = xcalloc(1, sizeof(*p));

	p->set = *settings;
	list_init(&p->movers);
	buf_init(&p->name, DIRECTORY_BYTES_MAX);
	buf_init(&p->value, DIRECTORY_BYTES_MAX);
	p->read_wanted = true;
	return p;
}

void pool_free(struct pool *p)
{
	if (p == NULL)
		return;
	pool_move_free(p);
	for (size_t i = 0; i < p->n; i++)
		free(p->db[i].url);
	buf_done(&p->name);
	buf_done(&p->value);
	free(p);
}

void pool_add(struct pool *p, struct engine *e, struct str url)
{
	check(p->n < POOL_ENGINES_MAX);
	p->db[p->n] = (struct pool_db){ .engine = e, .url = str_dup(url) };
	if (p->n++ > 0 || p->set.open == NULL)
		return;
	e->set.on_directory = pool_move_due;
	e->set.on_users = pool_dir_read;
	e->set.pool = p;
}

size_t pool_engines(const struct pool *p)
{
	return p->n;
}

struct engine *pool_engine(const struct pool *p, size_t index)
{
	check(index < p->n);
	return p->db[index].engine;
}

int64_t pool_turn(struct pool *p, int64_t mono_ms)
{
	int64_t next, moves;

	if (p->set.open == NULL)
		return INT64_MAX;
	p->mono_ms = mono_ms;
	pool_dir_turn(p);
	next = pool_dir_next_mono_ms(p);
	if (p->set.observes)
		return next;
	pool_move_turn(p);
	moves = pool_move_next_mono_ms(p);
	return next < moves ? next : moves;
}

struct engine *pool_home(const struct pool *p)
{
	return p->db[0].engine;
}

bool pool_home_is_up(const struct pool *p, struct problem *ret_problem)
{
	const struct engine *home = pool_home(p);

	if (home->started && home->up && p->known && !home->stopping)
		return true;
	return problem_set(ret_problem, 503, "the home database is not available now; try again");
}

/* ---- users ------------------------------------------------------------------------------------------ */

bool pool_is_settled(const struct pool *p)
{
	if (p->set.open == NULL)
		return true;
	for (size_t i = 0; i < p->n; i++) {
		const struct pool_db *db = &p->db[i];

		if (db->engine->started && (!db->engine->up || *db->name == '\0'))
			return false;
	}
	return p->known;
}

bool pool_is_whole(const struct pool *p)
{
	if (p->set.open != NULL && !p->known)
		return false;
	for (size_t i = 0; i < p->n; i++) {
		if (!p->db[i].engine->started)
			return false;
	}
	return true;
}

enum token_kind pool_token(struct pool *p, struct str token, struct account **ret_account)
{
	enum token_kind moving = TOKEN_NONE;

	for (size_t i = 0; i < p->n; i++) {
		struct account *a;
		enum token_kind kind = engine_token(p->db[i].engine, token, &a);

		if (kind == TOKEN_NONE)
			continue;
		*ret_account = a;
		if (!a->user.moving)
			return kind;
		moving = kind;
	}
	return moving;
}

struct account *pool_account(struct pool *p, struct str user_id)
{
	struct account *found = NULL;

	for (size_t i = 0; i < p->n && (found == NULL || found->user.moving); i++) {
		struct account *a = engine_account(p->db[i].engine, user_id);

		found = a != NULL ? a : found;
	}
	return found;
}

/* ---- making one ------------------------------------------------------------------------------------- */

struct creation {
	struct pool *pool;
	struct user_new new;
	struct account_op *op;
	struct engine *engine; /* of its database to be */
	char id[5 + B58_U64_LEN];
	struct step step;
	struct move move;
	struct scan scan;
	struct buf name, value;
};

static void creation_end(struct creation *c)
{
	struct account_op *op = c->op;
	struct engine *e = c->engine;
	struct user_new n = c->new;
	char id[sizeof(c->id)];

	memcpy(id, c->id, sizeof(id));
	if (n.id.p == c->id)
		n.id.p = id;
	buf_done(&c->name);
	buf_done(&c->value);
	free(c);
	if (op->problem.status != 0)
		op->done(op);
	else
		engine_user_create(e, &n, op);
}

static void place_read(struct store_req *req);

static void placed(struct store_req *req)
{
	struct creation *c = req->arg;
	struct engine *home = pool_home(c->pool);

	engine_answered(home);
	if (req->result == STORE_REFUSED && c->step.refusal == REFUSAL_VERSION) {
		scan_init(&c->scan, SCAN_DOCS, place_read, c);
		c->scan.doc = DOC_DIRECTORY;
		c->scan.user = DIRECTORY_USER;
		c->scan.name = buf_str(&c->name);
		c->scan.exact = true;
		c->scan.max = 1;
		c->scan.bytes_max = SIZE_MAX;
		arena_init(&c->scan.arena);
		engine_submit(home, &c->scan.req);
		return;
	}
	engine_store_problem(&c->op->problem, req, c->step.refusal);
	creation_end(c);
}

static void place(struct creation *c, struct pool_db *db, int64_t version)
{
	c->engine = db->engine;
	buf_reset(&c->value);
	directory_place_encode(&c->value, &(struct directory_place){ .database = str_c(db->name) });
	c->move = pool_dir_put(&c->name, &c->value, version);
	step_init(&c->step, &c->move, 1, placed, c);
	engine_submit(pool_home(c->pool), &c->step.req);
}

/* Somebody had the id before, or a creation was cut off. That nobody has it now is judged by its database. */
static void place_again(struct creation *c, const struct scan_row *row)
{
	struct problem *problem = &c->op->problem;
	struct directory_place place_now;
	struct pool_db *db, *other;

	if (!directory_place_decode(row->record, &place_now)) {
		problem_set(problem, 500, "the directory's entry of this user is broken");
		creation_end(c);
		return;
	}
	db = pool_db(c->pool, place_now.database);
	other = db != NULL && db->draining ? pool_least(c->pool, db) : NULL;
	if (place_now.to.n > 0 || place_now.from.n > 0 || db == NULL || !db->engine->up) {
		problem_set(problem, 503,
			    "the database of the user that had this id is not "
			    "available now; try again");
		creation_end(c);
	} else if (other != NULL) {
		place(c, other, row->version);
	} else {
		c->engine = db->engine;
		creation_end(c);
	}
}

static void place_read(struct store_req *req)
{
	struct creation *c = req->arg;
	struct scan *s = &c->scan;
	struct arena arena = s->arena;

	engine_answered(pool_home(c->pool));
	if (req->result == STORE_APPLIED && s->rows == 1) {
		place_again(c, s->row);
	} else {
		problem_set(&c->op->problem, 503,
			    "the home database is not available now; try again");
		creation_end(c);
	}
	arena_done(&arena);
}

void pool_user_create(struct pool *p, const struct user_new *n, struct account_op *op)
{
	struct account *there = n->id.n > 0 ? pool_account(p, n->id) : NULL;
	struct engine *home = pool_home(p);
	struct pool_db *db;
	struct creation *c;

	/* What is refused is refused there. */
	if (p->set.open == NULL || there != NULL || (n->id.n > 0 && !user_id_is_valid(n->id)) ||
	    (n->plan.n > 0 && plan_in(home->set.plans, n->plan) == NULL)) {
		engine_user_create(there != NULL ? there->engine : home, n, op);
		return;
	}
	db = pool_least(p, NULL);
	if (!pool_home_is_up(p, &op->problem) || db == NULL) {
		if (op->problem.status == 0)
			problem_set(&op->problem, 503,
				    "no open database is available now; try again");
		op->done(op);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	c->pool = p;
	c->new = *n;
	c->op = op;
	if (n->id.n == 0) {
		memcpy(c->id, "user_", 5);
		(void)accounts_secret(home, c->id + 5, B58_U64_LEN);
		c->new.id = str_n(c->id, sizeof(c->id));
	}
	buf_init(&c->name, DIRECTORY_BYTES_MAX);
	buf_init(&c->value, DIRECTORY_BYTES_MAX);
	directory_name(&c->name, DIRECTORY_PLACE, c->new.id);
	place(c, db, 0);
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
		n += p->db[i].engine->accounts.n;
	return n;
}

void pool_users_list(struct pool *p, struct users_list *op)
{
	struct account **v = xcalloc(known(p) + 1, sizeof(*v));
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++) {
		struct account *a;
		size_t pos = 0;

		while ((a = map_next(&p->db[i].engine->accounts, &pos)) != NULL) {
			/* One that is being moved may be at both places. */
			if (str_cmp(a->user.id, op->after) > 0 && pool_account(p, a->user.id) == a)
				v[n++] = a;
		}
	}
	qsort(v, n, sizeof(*v), compare);
	op->more = n > op->max;
	for (size_t i = 0; i < n && i < op->max; i++)
		op->each(op, v[i]);
	free(v);
}

/* ---- databases -------------------------------------------------------------------------------------- */

struct pool_db *pool_db(struct pool *p, struct str name)
{
	for (size_t i = 0; i < p->n && name.n > 0; i++) {
		if (str_eq(str_c(p->db[i].name), name))
			return &p->db[i];
	}
	return NULL;
}

struct pool_db *pool_least(struct pool *p, const struct pool_db *but)
{
	struct pool_db *least = NULL;

	for (size_t i = 0; i < p->n; i++) {
		struct pool_db *db = &p->db[i];

		if (db != but && *db->name != '\0' && !db->draining && db->engine->started &&
		    db->engine->up &&
		    (least == NULL || db->engine->accounts.n < least->engine->accounts.n))
			least = db;
	}
	return least;
}

size_t pool_databases(const struct pool *p)
{
	return p->set.open != NULL ? p->n : 0;
}

void pool_database(const struct pool *p, size_t index, struct pool_database *ret_d)
{
	const struct pool_db *db = &p->db[index];
	struct pool_database d = {
		.name = str_c(db->name),
		.url = str_c(db->url),
		.draining = db->draining,
		.up = db->engine->started && db->engine->up,
	};
	struct account *a;
	size_t pos = 0;

	check(index < p->n);
	while ((a = map_next(&db->engine->accounts, &pos)) != NULL) {
		d.users++;
		d.moving += a->user.moving;
	}
	*ret_d = d;
}

struct str pool_name(const struct pool *p, const struct engine *e)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->db[i].engine == e)
			return str_c(p->db[i].name);
	}
	return STR_NULL;
}
