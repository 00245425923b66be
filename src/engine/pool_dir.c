/* pool_dir.c - reading and writing the directory.
 *
 * It is read when the home database has been reached, and again when its users have changed. Databases that are in it
 * and not known here are opened; those that are known by a URL alone are entered, under the next free name. The home
 * database is "db1".
 */
#include "engine/pool_int.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"

#define HOME_NAME "db1"

struct move pool_dir_put(struct buf *name, struct buf *value, int64_t version)
{
	check(!name->overflow && !value->overflow);
	return (struct move){
		.kind = MOVE_DOC_PUT,
		.doc_put = {
			.doc = DOC_DIRECTORY,
			.user = DIRECTORY_USER,
			.name = buf_str(name),
			.value = buf_str(value),
			.version = version,
		},
	};
}

/* ---- reading ---------------------------------------------------------------------------------------- */

static struct pool_db *by_url(struct pool *p, struct str url)
{
	for (size_t i = 0; i < p->n; i++) {
		if (str_eq(str_c(p->db[i].url), url))
			return &p->db[i];
	}
	return NULL;
}

static struct pool_db *meet(struct pool *p, const struct directory_database *d)
{
	struct pool_db *db = pool_db(p, d->name);
	struct engine *e;
	char why[200];

	if (db != NULL)
		return db;
	db = str_eq(d->name, STR(HOME_NAME)) ? &p->db[0] : by_url(p, d->url);
	if (db != NULL || p->n == POOL_ENGINES_MAX || pool_home(p)->stopping)
		return db;
	e = p->set.open(p->set.arg, d->url, why);
	if (e == NULL) {
		log_error("pool", "database %.*s: %s", STR_FMT(d->name), why);
		return NULL;
	}
	pool_add(p, e, d->url);
	return &p->db[p->n - 1];
}

static void take_row(struct pool *p, const struct scan_row *row)
{
	struct directory_database d;
	struct pool_db *db;

	if (row->name.n == 0 || row->name.p[0] != DIRECTORY_DATABASE)
		return;
	if (!directory_database_decode(row->record, &d) || d.name.n > DIRECTORY_NAME_MAX) {
		log_error("pool", "the directory's entry %.*s is broken", STR_FMT(row->name));
		return;
	}
	db = meet(p, &d);
	if (db == NULL)
		return;
	memcpy(db->name, d.name.p, d.name.n);
	db->name[d.name.n] = '\0';
	db->draining = d.draining;
}

static void read_done(struct store_req *req)
{
	struct pool *p = req->arg;

	engine_answered(pool_home(p));
	p->reading = false;
	if (req->result == STORE_APPLIED) {
		for (size_t i = 0; i < p->scan.rows; i++)
			take_row(p, &p->scan.row[i]);
		p->known = true;
	} else {
		p->read_wanted = true;
		p->read_mono_ms = p->mono_ms + POOL_AGAIN_MS;
	}
	arena_done(&p->scan.arena);
}

static void read_it(struct pool *p)
{
	p->reading = true;
	p->read_wanted = false;
	scan_init(&p->scan, SCAN_DOCS, read_done, p);
	p->scan.doc = DOC_DIRECTORY;
	p->scan.user = DIRECTORY_USER;
	p->scan.name = STR("d"); /* names behind it: databases stand before users */
	p->scan.max = POOL_ENGINES_MAX;
	p->scan.bytes_max = SIZE_MAX;
	arena_init(&p->scan.arena);
	engine_submit(pool_home(p), &p->scan.req);
}

void pool_dir_read(void *pool)
{
	struct pool *p = pool;

	p->read_wanted = true;
}

/* ---- entering those that are known by a URL --------------------------------------------------------- */

static void registered(struct store_req *req)
{
	struct pool *p = req->arg;

	engine_answered(pool_home(p));
	p->registering = 0;
	/* Whatever became of it, the directory says so. */
	p->read_wanted = true;
	if (req->result != STORE_APPLIED && req->result != STORE_REFUSED)
		p->read_mono_ms = p->mono_ms + POOL_AGAIN_MS;
}

/* For a new database. False when every name is taken. */
static bool free_name(struct pool *p, char name[DIRECTORY_NAME_MAX + 1])
{
	for (int i = 1; i <= POOL_ENGINES_MAX; i++) {
		snprintf(name, DIRECTORY_NAME_MAX + 1, "db%d", i);
		if (pool_db(p, str_c(name)) == NULL)
			return true;
	}
	return false;
}

static void register_one(struct pool *p)
{
	char name[DIRECTORY_NAME_MAX + 1];

	for (size_t i = 0; i < p->n && p->registering == 0; i++) {
		const struct pool_db *db = &p->db[i];

		if (*db->name != '\0' || !free_name(p, name))
			continue;
		p->registering = i + 1;
		buf_reset(&p->name);
		buf_reset(&p->value);
		directory_name(&p->name, DIRECTORY_DATABASE, str_c(name));
		directory_database_encode(
			&p->value,
			&(struct directory_database){ .name = str_c(name), .url = str_c(db->url) });
		p->move = pool_dir_put(&p->name, &p->value, 0);
		step_init(&p->step, &p->move, 1, registered, p);
		engine_submit(pool_home(p), &p->step.req);
	}
}

void pool_dir_turn(struct pool *p)
{
	const struct engine *home = pool_home(p);

	if (!home->started || home->stopping || p->reading || p->registering > 0 ||
	    p->mono_ms < p->read_mono_ms)
		return;
	if (p->read_wanted)
		read_it(p);
	else if (p->known && !p->set.observes)
		register_one(p);
}

int64_t pool_dir_next_mono_ms(const struct pool *p)
{
	const struct engine *home = pool_home(p);

	if (!home->started || home->stopping || p->reading || p->registering > 0 || !p->read_wanted)
		return INT64_MAX;
	return p->read_mono_ms > p->mono_ms ? p->read_mono_ms : p->mono_ms;
}

/* ---- changes ---------------------------------------------------------------------------------------- */

static void op_end(struct pool_op *op)
{
	buf_done(&op->name);
	buf_done(&op->value);
	op->done(op);
}

static void op_written(struct store_req *req)
{
	struct pool_op *op = req->arg;
	struct pool *p = op->pool;
	struct directory_place place;

	engine_answered(pool_home(p));
	engine_store_problem(&op->problem, req, op->step.refusal);
	p->read_wanted = true;
	/* Its name may be another's meanwhile; it will get the next one. */
	if (op->problem.status != 0 && op->what == POOL_ADD)
		by_url(p, op->url)->name[0] = '\0';
	if (op->problem.status == 0 && op->what == POOL_MOVE &&
	    directory_place_decode(buf_str(&op->value), &place))
		pool_move_begin(p, op->account->user.id, op->move.doc_put.new_version, &place);
	op_end(op);
}

static void op_write(struct pool_op *op, int64_t version, int64_t due_ms)
{
	op->move = pool_dir_put(&op->name, &op->value, version);
	op->move.doc_put.due_ms = due_ms;
	step_init(&op->step, &op->move, 1, op_written, op);
	engine_submit(pool_home(op->pool), &op->step.req);
}

/* False with the problem. */
static bool drain_change(struct pool_op *op, const struct scan_row *row)
{
	struct directory_database d;

	if (row == NULL || !directory_database_decode(row->record, &d))
		return problem_set(&op->problem, 404, "there is no database '%.*s'",
				   STR_FMT(str_sub(op->database, 0, DIRECTORY_NAME_MAX)));
	if (pool_least(op->pool, pool_db(op->pool, op->database)) == NULL)
		return problem_set(&op->problem, 409,
				   "no other open database is available to move its users to");
	d.draining = true;
	directory_database_encode(&op->value, &d);
	return true;
}

static bool move_change(struct pool_op *op, const struct scan_row *row)
{
	struct str here = pool_name(op->pool, op->account->engine);
	struct directory_place place = { .database = here };

	if (row != NULL && !directory_place_decode(row->record, &place))
		return problem_set(&op->problem, 500,
				   "the directory's entry of the user is broken");
	if (place.to.n > 0 || place.from.n > 0)
		return problem_set(&op->problem, 409, "the user is being moved already");
	if (here.n == 0)
		return problem_set(&op->problem, 503, "the directory is not read yet; try again");
	place.database = here;
	place.to = op->database;
	directory_place_encode(&op->value, &place);
	return true;
}

static void op_read(struct store_req *req)
{
	struct pool_op *op = req->arg;
	struct scan *s = &op->scan;
	const struct scan_row *row = s->rows > 0 ? s->row : NULL;
	struct engine *home = pool_home(op->pool);
	bool ok = false;

	engine_answered(home);
	if (req->result != STORE_APPLIED)
		engine_store_problem(&op->problem, req, REFUSAL_NONE);
	else
		ok = op->what == POOL_DRAIN ? drain_change(op, row) : move_change(op, row);
	if (ok)
		op_write(op, row != NULL ? row->version : 0,
			 op->what == POOL_MOVE ? home->now_ms + POOL_LEASE_MS : 0);
	arena_done(&s->arena);
	if (!ok)
		op_end(op);
}

static void op_look(struct pool_op *op)
{
	scan_init(&op->scan, SCAN_DOCS, op_read, op);
	op->scan.doc = DOC_DIRECTORY;
	op->scan.user = DIRECTORY_USER;
	op->scan.name = buf_str(&op->name);
	op->scan.exact = true;
	op->scan.max = 1;
	op->scan.bytes_max = SIZE_MAX;
	arena_init(&op->scan.arena);
	engine_submit(pool_home(op->pool), &op->scan.req);
}

/* False with the problem. */
static bool add(struct pool_op *op)
{
	struct pool *p = op->pool;
	char name[DIRECTORY_NAME_MAX + 1], why[200];
	struct engine *e;

	if (op->url.n == 0 || op->url.n > DIRECTORY_URL_MAX)
		return problem_set(&op->problem, 400, "url: must have 1 to %d bytes",
				   DIRECTORY_URL_MAX);
	if (by_url(p, op->url) != NULL)
		return problem_set(&op->problem, 409, "url: that database is there already");
	if (p->n == POOL_ENGINES_MAX || !free_name(p, name))
		return problem_set(&op->problem, 409, "there may be %d databases at most",
				   POOL_ENGINES_MAX);
	e = p->set.open(p->set.arg, op->url, why);
	if (e == NULL)
		return problem_set(&op->problem, 400, "url: %s", why);
	pool_add(p, e, op->url);
	directory_name(&op->name, DIRECTORY_DATABASE, str_c(name));
	directory_database_encode(
		&op->value, &(struct directory_database){ .name = str_c(name), .url = op->url });
	memcpy(p->db[p->n - 1].name, name, sizeof(name));
	op->database = str_c(p->db[p->n - 1].name);
	op_write(op, 0, 0);
	return true;
}

static bool may_move(struct pool_op *op)
{
	struct pool_db *to = pool_db(op->pool, op->database);

	if (to == NULL)
		return problem_set(&op->problem, 404, "there is no database '%.*s'",
				   STR_FMT(str_sub(op->database, 0, DIRECTORY_NAME_MAX)));
	op->database = str_c(to->name);
	if (op->account->engine == to->engine)
		return problem_set(&op->problem, 409, "the user is on database %s already",
				   to->name);
	if (op->account->removed)
		return problem_set(&op->problem, 409, "the user is being deleted");
	if (!to->engine->started || !to->engine->up)
		return problem_set(&op->problem, 503, "database %s is not available now; try again",
				   to->name);
	return true;
}

void pool_change(struct pool *p, struct pool_op *op)
{
	op->pool = p;
	buf_init(&op->name, DIRECTORY_BYTES_MAX);
	buf_init(&op->value, DIRECTORY_BYTES_MAX);
	if (p->set.open == NULL) {
		problem_set(&op->problem, 409,
			    "this server has one database of its own; -redis gives others");
	} else if (pool_home_is_up(p, &op->problem)) {
		if (op->what == POOL_ADD ? add(op) : op->what == POOL_DRAIN || may_move(op)) {
			if (op->what == POOL_ADD)
				return;
			directory_name(&op->name,
				       op->what == POOL_MOVE ? DIRECTORY_PLACE : DIRECTORY_DATABASE,
				       op->what == POOL_MOVE ? op->account->user.id : op->database);
			op_look(op);
			return;
		}
	}
	op_end(op);
}
