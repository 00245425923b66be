/* pool_moves.c - which moves this process works on: those that it was asked for, those that others have left, and
 * those that empty a database that is drained.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "engine/pool_int.h"

enum { DRAIN_EVERY_MS = 1000 };

void pool_move_free(struct pool *p)
{
	struct list *it, *tmp;

	list_each(it, tmp, &p->movers)
		pool_mover_free(list_entry(it, struct mover, node));
}

/* ---- which moves there are -------------------------------------------------------------------------- */

static struct mover *find(const struct pool *p, struct str user)
{
	struct list *it, *tmp;

	list_each(it, tmp, (struct list *)(uintptr_t)&p->movers) {
		struct mover *m = list_entry(it, struct mover, node);

		if (str_eq(str_c(m->user), user))
			return m;
	}
	return NULL;
}

void pool_move_begin(struct pool *p, struct str user, int64_t version,
		     const struct directory_place *place)
{
	bool committed = place->from.n > 0;
	struct pool_db *from = pool_db(p, committed ? place->from : place->database);
	struct pool_db *to = pool_db(p, committed ? place->database : place->to);
	struct mover *m;

	if (from == NULL || to == NULL || find(p, user) != NULL || pool_home(p)->stopping)
		return;
	m = xcalloc(1, sizeof(*m));
	m->pool = p;
	m->user = str_dup(user);
	m->from = from->engine;
	m->to = to->engine;
	memcpy(m->from_name, from->name, sizeof(m->from_name));
	memcpy(m->to_name, to->name, sizeof(m->to_name));
	m->committed = committed;
	m->version = version;
	arena_init(&m->arena);
	buf_init(&m->name, DIRECTORY_BYTES_MAX);
	buf_init(&m->value, 64 * 1024);
	directory_name(&m->name, DIRECTORY_PLACE, user);
	list_push(&p->movers, &m->node);
	log_info("pool", "user %s is being moved from %s to %s", m->user, m->from_name, m->to_name);
}

void pool_move_due(void *pool, const struct due_doc *doc)
{
	struct directory_place place;

	if (doc->name.n > 1 && doc->name.p[0] == DIRECTORY_PLACE &&
	    directory_place_decode(doc->value, &place) && (place.to.n > 0 || place.from.n > 0))
		pool_move_begin(pool, str_from(doc->name, 1), doc->version, &place);
}

/* ---- draining --------------------------------------------------------------------------------------- */

static void drain_begun(struct pool_op *op)
{
	if (op->problem.status != 0)
		log_warn("pool", "draining: user %.*s: %s", STR_FMT(op->account->user.id),
			 op->problem.text);
	free(op);
}

static void drain_one(struct pool *p, const struct pool_db *db, struct account *a)
{
	struct pool_db *to = pool_least(p, db);
	struct pool_op *op;

	if (to == NULL)
		return;
	op = xcalloc(1, sizeof(*op));
	op->what = POOL_MOVE;
	op->database = str_c(to->name);
	op->account = a;
	op->done = drain_begun;
	pool_change(p, op);
}

static size_t movers(const struct pool *p)
{
	struct list *it, *tmp;
	size_t n = 0;

	list_each(it, tmp, (struct list *)(uintptr_t)&p->movers)
		n++;
	return n;
}

/* A few users at a time; who else drains the database is told by their entries. */
static void drain(struct pool *p, const struct pool_db *db, size_t room)
{
	struct account *a;
	size_t pos = 0;

	while (room > 0 && (a = map_next(&db->engine->accounts, &pos)) != NULL) {
		if (a->removed || a->user.moving || find(p, a->user.id) != NULL)
			continue;
		drain_one(p, db, a);
		room--;
	}
}

static void drain_turn(struct pool *p)
{
	struct problem ignored = { 0 };
	size_t n = movers(p);

	if (p->mono_ms < p->drain_mono_ms)
		return;
	p->drain_mono_ms = p->mono_ms + DRAIN_EVERY_MS;
	for (size_t i = 0; i < p->n && n < POOL_DRAIN_MOVES; i++) {
		const struct pool_db *db = &p->db[i];

		if (db->draining && db->engine->started && db->engine->up &&
		    pool_home_is_up(p, &ignored))
			drain(p, db, POOL_DRAIN_MOVES - n);
	}
}

/* ---- turns ------------------------------------------------------------------------------------------ */

static bool may_go(const struct mover *m)
{
	return !m->busy && !pool_home(m->pool)->stopping && m->pool->mono_ms >= m->again_mono_ms;
}

/* A sign of life that keeps others from taking over. Not while a scan's rows wait to be imported. */
static bool beat_is_due(const struct mover *m)
{
	return m->phase != MOVER_TAKE && m->phase != MOVER_COMMIT && m->phase != MOVER_FINISH &&
	       m->phase != MOVER_BEAT && m->phase != MOVER_UNMARK_PUT &&
	       m->pool->mono_ms >= m->written_mono_ms + POOL_BEAT_MS;
}

void pool_move_turn(struct pool *p)
{
	struct list *it, *tmp;

	drain_turn(p);
	list_each(it, tmp, &p->movers) {
		struct mover *m = list_entry(it, struct mover, node);

		if (!may_go(m))
			continue;
		if (beat_is_due(m)) {
			m->after_beat = m->phase;
			m->phase = MOVER_BEAT;
		}
		pool_mover_go(m);
	}
}

int64_t pool_move_next_mono_ms(const struct pool *p)
{
	int64_t next = INT64_MAX;
	struct list *it, *tmp;

	for (size_t i = 0; i < p->n; i++) {
		if (p->db[i].draining)
			next = p->drain_mono_ms;
	}
	list_each(it, tmp, (struct list *)(uintptr_t)&p->movers) {
		const struct mover *m = list_entry(it, struct mover, node);

		if (!m->busy && !pool_home(p)->stopping && m->again_mono_ms < next)
			next = m->again_mono_ms > p->mono_ms ? m->again_mono_ms : p->mono_ms;
	}
	return next;
}
