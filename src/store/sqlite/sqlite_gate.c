#include "store/sqlite/sqlite_int.h"

#include <stdlib.h>
#include <string.h>

enum { GATE_PAUSED = 1, GATE_PINNED_PARALLELISM = 2, GATE_PINNED_RATE = 4, GATE_REMOVED = 8 };
enum { KEY_PREFIX = sizeof(int64_t) + 1 };
enum { PERIOD_DEFAULT_MS = 1000 };

static struct str key_make(struct sqlite_db *db, int64_t user_id, enum gate_kind kind,
			   struct str name)
{
	buf_reset(&db->scratch);
	buf_add(&db->scratch, str_n(&user_id, sizeof(user_id)));
	buf_byte(&db->scratch, (char)kind);
	buf_add(&db->scratch, name);
	check(!db->scratch.overflow);
	return buf_str(&db->scratch);
}

static struct str id_key(const struct sqlite_gate *g)
{
	return map_key_u64((const uint64_t *)&g->id);
}

/* In memory, but in no map and without its user yet. */
static struct sqlite_gate *gate_new(struct sqlite_db *db, int64_t user_id, enum gate_kind kind,
				    struct str name)
{
	struct sqlite_gate *g = xcalloc(1, sizeof(*g) + KEY_PREFIX + name.n);
	char *key = (char *)(g + 1);
	struct str k = key_make(db, user_id, kind, name);

	memcpy(key, k.p, k.n);
	g->key = str_n(key, k.n);
	g->name = str_from(g->key, KEY_PREFIX);
	g->s.gate.kind = kind;
	g->s.gate.rate_period_ms = PERIOD_DEFAULT_MS;
	g->s.gate.parallelism_max = kind == GATE_QUEUE ? 1 : 0;
	g->s.head_ms = kind == GATE_USER ? INT64_MIN : INT64_MAX;
	list_init(&g->ready_lanes);
	list_init(&g->rotation);
	list_init(&g->ready);
	list_init(&g->dirty);
	return g;
}

static void gate_enter(struct sqlite_db *db, struct sqlite_gate *g, struct sqlite_gate *user)
{
	g->user = user;
	if (user != g)
		user->children++;
	check(map_put(&db->gates, g->key, g) == NULL);
	check(map_put(&db->gates_by_id, id_key(g), g) == NULL);
}

static void gate_drop(struct sqlite_db *db, struct sqlite_gate *g)
{
	check(g->children == 0);
	if (g->user != g)
		g->user->children--;
	list_remove(&g->rotation);
	list_remove(&g->ready);
	list_remove(&g->dirty);
	heap_remove(&db->wakes, &g->wake);
	sqlite_usage_drop(g);
	check(map_remove(&db->gates, g->key) == g);
	check(map_remove(&db->gates_by_id, id_key(g)) == g);
	free(g);
}

/* ---- what is ready --------------------------------------------------------------------------- */

static void list_set(struct list *list, struct list *node, bool in)
{
	if (in && list_is_empty(node))
		list_push(list, node);
	else if (!in)
		list_remove(node);
}

void sqlite_gate_refresh_user(struct sqlite_db *db, struct sqlite_gate *u)
{
	int64_t at;

	list_set(&db->rotation, &u->rotation,
		 !list_is_empty(&u->ready_lanes) && gate_may_start(&u->s.gate, db->now_ms, &at));
}

static void head_find(struct sqlite_db *db, struct sqlite_gate *u)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_LANE_FIRST);
	int64_t head_ms;

	sqlite_sql_int(s, 1, u->id);
	head_ms = sqlite_sql_value(db, s, INT64_MAX);
	if (db->error != SQLITE_OK)
		return;
	sqlite_gate_change(db, u, false);
	u->s.head_ms = head_ms;
	u->s.head_exact = true;
}

static bool lane_is_ready(struct sqlite_db *db, struct sqlite_gate *g, int64_t *ret_at_ms)
{
	if (g->s.gate.kind != GATE_USER)
		return g->s.waiting > 0 && gate_may_start(&g->s.gate, db->now_ms, ret_at_ms);
	if (!g->s.head_exact && g->s.head_ms <= db->now_ms && g != db->visited)
		head_find(db, g);
	*ret_at_ms = g->s.head_ms;
	return g->s.head_ms <= db->now_ms;
}

void sqlite_gate_refresh(struct sqlite_db *db, struct sqlite_gate *g)
{
	int64_t at_ms = INT64_MAX;
	bool ready = lane_is_ready(db, g, &at_ms);

	list_set(&g->user->ready_lanes, &g->ready, ready);
	if (ready || at_ms == INT64_MAX)
		heap_remove(&db->wakes, &g->wake);
	else if (g->wake.pos == 0 || g->wake.key != at_ms)
		heap_rekey(&db->wakes, &g->wake, at_ms);
	sqlite_gate_refresh_user(db, g->user);
}

static void refresh_all(struct sqlite_db *db)
{
	struct sqlite_gate *g;
	size_t pos = 0;

	while ((g = map_next(&db->gates, &pos)) != NULL)
		sqlite_gate_refresh(db, g);
}

void sqlite_gate_wake(struct sqlite_db *db, int64_t former_ms)
{
	struct heap_node *top;

	/* The clock was set back: what was ready may not be so any more. */
	if (db->now_ms < former_ms)
		refresh_all(db);
	while ((top = heap_min(&db->wakes)) != NULL && top->key <= db->now_ms) {
		struct sqlite_gate *g = container_of(top, struct sqlite_gate, wake);

		sqlite_gate_refresh(db, g);
		check(g->wake.pos == 0 || g->wake.key > db->now_ms);
	}
}

/* ---- changes --------------------------------------------------------------------------------- */

static void undo_push(struct sqlite_db *db, struct sqlite_gate *g, bool created)
{
	if (db->undos == db->undo_cap) {
		db->undo_cap = db->undo_cap ? 2 * db->undo_cap : 16;
		db->undo = xrealloc(db->undo, db->undo_cap * sizeof(*db->undo));
	}
	db->undo[db->undos++] = (struct sqlite_undo){
		.gate = g,
		.state = g->s,
		.usage = sqlite_usage_save(g),
		.created = created,
	};
	g->undo_mark = db->undo_mark;
}

void sqlite_gate_change(struct sqlite_db *db, struct sqlite_gate *g, bool write)
{
	if (db->undo_on && g->undo_mark != db->undo_mark)
		undo_push(db, g, false);
	if (write && list_is_empty(&g->dirty))
		list_push(&db->dirty, &g->dirty);
}

void sqlite_gate_undo_begin(struct sqlite_db *db)
{
	check(!db->undo_on && db->undos == 0);
	db->undo_on = true;
	db->undo_mark++;
}

void sqlite_gate_undo_end(struct sqlite_db *db, bool undo)
{
	check(db->undo_on);
	db->undo_on = false;
	while (undo && db->undos > 0) {
		struct sqlite_undo *u = &db->undo[--db->undos];

		if (u->created) {
			gate_drop(db, u->gate);
			continue;
		}
		u->gate->s = u->state;
		sqlite_usage_undo(u->gate, &u->usage);
		sqlite_gate_refresh(db, u->gate);
	}
	db->undos = 0;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static bool flow_is_needed(const struct sqlite_gate_state *s)
{
	return s->messages > 0 || s->gate.running > 0 || s->gate.paused ||
	       s->gate.pinned_parallelism || s->gate.pinned_rate;
}

static int64_t flow_kept_until_ms(const struct sqlite_gate_state *s)
{
	int64_t window_end =
		s->gate.window_start_ms ? s->gate.window_start_ms + s->gate.rate_period_ms : 0;
	int64_t unused = s->updated_ms + SQLITE_FLOW_KEPT_MS;

	return window_end > unused ? window_end : unused;
}

bool sqlite_gate_is_visible(const struct sqlite_gate *g, int64_t now_ms)
{
	if (g == NULL || g->s.removed)
		return false;
	return g->s.gate.kind != GATE_FLOW || flow_is_needed(&g->s) ||
	       now_ms < flow_kept_until_ms(&g->s);
}

/* From when on its row is not needed any more; INT64_MAX = not as things are. */
static int64_t forget_ms(const struct sqlite_gate *g)
{
	const struct sqlite_gate_state *s = &g->s;

	if (s->removed && s->messages == 0 && s->waiting == 0 && s->gate.running == 0)
		return s->updated_ms;
	if (s->gate.kind == GATE_FLOW && !flow_is_needed(s))
		return flow_kept_until_ms(s);
	return INT64_MAX;
}

static int64_t flags(const struct sqlite_gate_state *s)
{
	return (s->gate.paused ? GATE_PAUSED : 0) |
	       (s->gate.pinned_parallelism ? GATE_PINNED_PARALLELISM : 0) |
	       (s->gate.pinned_rate ? GATE_PINNED_RATE : 0) | (s->removed ? GATE_REMOVED : 0);
}

void sqlite_gate_write(struct sqlite_db *db, struct sqlite_gate *g)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_GATE_WRITE);
	const struct gate *c = &g->s.gate;
	int64_t forget = forget_ms(g);

	sqlite_sql_int(s, 1, g->id);
	sqlite_sql_int(s, 2, c->parallelism_max);
	sqlite_sql_int(s, 3, c->rate_max);
	sqlite_sql_int(s, 4, c->rate_period_ms);
	sqlite_sql_int(s, 5, c->rate_count);
	sqlite_sql_int(s, 6, c->window_start_ms);
	sqlite_sql_int(s, 7, c->kind == GATE_QUEUE ? c->running : 0);
	sqlite_sql_int(s, 8, g->s.waiting);
	sqlite_sql_int(s, 9, g->s.messages);
	sqlite_sql_int(s, 10, flags(&g->s));
	sqlite_sql_int(s, 11, g->s.created_ms);
	sqlite_sql_int(s, 12, g->s.updated_ms);
	if (forget == INT64_MAX)
		check(sqlite3_bind_null(s, 13) == SQLITE_OK);
	else
		sqlite_sql_int(s, 13, forget);
	sqlite_sql_run(db, s);
}

void sqlite_gate_flush(struct sqlite_db *db)
{
	struct list *node;

	/* What is written here could not be undone with the step. */
	check(!db->undo_on);
	while ((node = list_pop(&db->dirty)) != NULL)
		sqlite_gate_write(db, list_entry(node, struct sqlite_gate, dirty));
}

/* ---- finding --------------------------------------------------------------------------------- */

static void state_read(struct sqlite_gate *g, sqlite3_stmt *s)
{
	struct gate *c = &g->s.gate;
	int64_t f = sqlite3_column_int64(s, 12);

	c->parallelism_max = sqlite3_column_int64(s, 4);
	c->rate_max = sqlite3_column_int64(s, 5);
	c->rate_period_ms = sqlite3_column_int64(s, 6);
	c->rate_count = sqlite3_column_int64(s, 7);
	c->window_start_ms = sqlite3_column_int64(s, 8);
	c->running = sqlite3_column_int64(s, 9);
	c->paused = f & GATE_PAUSED;
	c->pinned_parallelism = f & GATE_PINNED_PARALLELISM;
	c->pinned_rate = f & GATE_PINNED_RATE;
	g->s.waiting = sqlite3_column_int64(s, 10);
	g->s.messages = sqlite3_column_int64(s, 11);
	g->s.removed = f & GATE_REMOVED;
	g->s.created_ms = sqlite3_column_int64(s, 13);
	g->s.updated_ms = sqlite3_column_int64(s, 14);
}

/* The gate in the first row of a statement over GATE_COLUMNS, now in memory. Ends the statement. */
static struct sqlite_gate *gate_read(struct sqlite_db *db, sqlite3_stmt *s)
{
	struct sqlite_gate *g, *user;
	int64_t user_id;

	if (!sqlite_sql_row(db, s)) {
		sqlite_sql_end(s);
		return NULL;
	}
	user_id = sqlite3_column_int64(s, 1);
	g = gate_new(db, user_id, (enum gate_kind)sqlite3_column_int(s, 2), sqlite_sql_str(s, 3));
	g->id = sqlite3_column_int64(s, 0);
	state_read(g, s);
	sqlite_sql_end(s);
	user = g->s.gate.kind == GATE_USER ? g : sqlite_gate_by_id(db, user_id);
	if (user == NULL) {
		check(db->error != SQLITE_OK);
		free(g);
		return NULL;
	}
	gate_enter(db, g, user);
	sqlite_gate_refresh(db, g);
	return g;
}

struct sqlite_gate *sqlite_gate_by_id(struct sqlite_db *db, int64_t id)
{
	struct sqlite_gate *g = map_get(&db->gates_by_id, map_key_u64((const uint64_t *)&id));
	sqlite3_stmt *s;

	if (g != NULL)
		return g;
	s = sqlite_sql_start(db, SQL_GATE_GET);
	sqlite_sql_int(s, 1, id);
	g = gate_read(db, s);
	/* Rows only refer to gates that exist. */
	check(g != NULL || db->error != SQLITE_OK);
	return g;
}

static struct sqlite_gate *find(struct sqlite_db *db, int64_t user_id, enum gate_kind kind,
				struct str name)
{
	struct sqlite_gate *g = map_get(&db->gates, key_make(db, user_id, kind, name));
	sqlite3_stmt *s;

	if (g != NULL)
		return g;
	s = sqlite_sql_start(db, SQL_GATE_FIND);
	sqlite_sql_int(s, 1, user_id);
	sqlite_sql_int(s, 2, kind);
	sqlite_sql_text(s, 3, name);
	return gate_read(db, s);
}

static struct sqlite_gate *add(struct sqlite_db *db, struct sqlite_gate *user, enum gate_kind kind,
			       struct str name)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_GATE_ADD);
	int64_t user_id = user ? user->id : 0;
	struct sqlite_gate *g;

	sqlite_sql_int(s, 1, user_id);
	sqlite_sql_int(s, 2, kind);
	sqlite_sql_text(s, 3, name);
	sqlite_sql_int(s, 4, db->now_ms);
	sqlite_sql_run(db, s);
	if (db->error != SQLITE_OK)
		return NULL;
	g = gate_new(db, user_id, kind, name);
	g->id = sqlite3_last_insert_rowid(db->sql);
	g->s.created_ms = g->s.updated_ms = db->now_ms;
	g->s.head_ms = INT64_MAX;
	g->s.head_exact = true;
	gate_enter(db, g, user ? user : g);
	if (db->undo_on)
		undo_push(db, g, true);
	sqlite_gate_change(db, g, true);
	return g;
}

struct sqlite_gate *sqlite_gate_user(struct sqlite_db *db, struct str user, bool create)
{
	struct sqlite_gate *g = find(db, 0, GATE_USER, user);

	return g == NULL && create && db->error == SQLITE_OK ? add(db, NULL, GATE_USER, user) : g;
}

struct sqlite_gate *sqlite_gate_find(struct sqlite_db *db, struct sqlite_gate *user,
				     enum gate_kind kind, struct str name)
{
	return kind == GATE_USER ? user : find(db, user->id, kind, name);
}

struct sqlite_gate *sqlite_gate_make(struct sqlite_db *db, struct sqlite_gate *user,
				     enum gate_kind kind, struct str name)
{
	struct sqlite_gate *g = sqlite_gate_find(db, user, kind, name);
	int64_t running;

	if (db->error != SQLITE_OK || sqlite_gate_is_visible(g, db->now_ms))
		return g;
	if (g == NULL)
		return add(db, user, kind, name);
	sqlite_gate_change(db, g, true);
	running = g->s.gate.running;
	g->s.gate = (struct gate){ .kind = kind,
				   .parallelism_max = kind == GATE_QUEUE ? 1 : 0,
				   .running = running,
				   .rate_period_ms = PERIOD_DEFAULT_MS };
	g->s.removed = false;
	g->s.created_ms = g->s.updated_ms = db->now_ms;
	/* At once, because sqlite_gate_is_full counts rows. */
	sqlite_gate_write(db, g);
	sqlite_gate_refresh(db, g);
	return g;
}

bool sqlite_gate_is_full(struct sqlite_db *db, const struct sqlite_gate *user, enum gate_kind kind,
			 int64_t count_max)
{
	sqlite3_stmt *s;

	if (count_max <= 0)
		return false;
	s = sqlite_sql_start(db, SQL_GATE_COUNT);
	sqlite_sql_int(s, 1, user->id);
	sqlite_sql_int(s, 2, kind);
	return sqlite_sql_value(db, s, 0) >= count_max;
}

/* ---- memory ---------------------------------------------------------------------------------- */

void sqlite_gate_load(struct sqlite_db *db)
{
	int64_t lane = 0;
	sqlite3_stmt *s;

	check(db->gates.n == 0);
	do {
		s = sqlite_sql_start(db, SQL_LANE_NEXT);
		sqlite_sql_int(s, 1, lane);
		lane = sqlite_sql_value(db, s, 0);
	} while (lane != 0 && sqlite_gate_by_id(db, lane) != NULL);
	s = sqlite_sql_start(db, SQL_MESSAGE_LEASED);
	while (sqlite_sql_row(db, s)) {
		struct sqlite_gate *user = sqlite_gate_by_id(db, sqlite3_column_int64(s, 0));
		struct sqlite_gate *flow = NULL;

		if (sqlite3_column_int64(s, 2) & ROW_FLOW_SLOT)
			flow = sqlite_gate_by_id(db, sqlite3_column_int64(s, 1));
		if (db->error != SQLITE_OK)
			break;
		user->s.gate.running++;
		sqlite_gate_refresh(db, user);
		if (flow != NULL) {
			flow->s.gate.running++;
			sqlite_gate_refresh(db, flow);
		}
	}
	sqlite_sql_end(s);
}

/* Gates of queues and keys first, then users, because a user may only go after its children. */
static void drop_where(struct sqlite_db *db, bool users,
		       bool (*may_go)(const struct sqlite_gate *g))
{
	struct sqlite_gate **found = xmalloc(db->gates.n * sizeof(struct sqlite_gate *));
	struct sqlite_gate *g;
	size_t pos = 0, n = 0;

	while ((g = map_next(&db->gates, &pos)) != NULL) {
		if ((g->user == g) == users && may_go(g))
			found[n++] = g;
	}
	for (size_t i = 0; i < n; i++)
		gate_drop(db, found[i]);
	free(found);
}

static bool always(const struct sqlite_gate *g)
{
	check(g->user != NULL);
	return true;
}

static bool is_unused(const struct sqlite_gate *g)
{
	bool counts = g->s.gate.kind != GATE_QUEUE && g->s.gate.running > 0;
	bool empty = g->s.gate.kind != GATE_USER || (g->s.head_ms == INT64_MAX && g->s.head_exact);

	return !counts && empty && g->s.waiting == 0 && g->children == 0 &&
	       list_is_empty(&g->dirty);
}

void sqlite_gate_drop_all(struct sqlite_db *db)
{
	drop_where(db, false, always);
	drop_where(db, true, always);
	check(list_is_empty(&db->rotation) && list_is_empty(&db->dirty));
	db->undos = 0;
	db->undo_on = false;
}

void sqlite_gate_drop_unused(struct sqlite_db *db)
{
	if (db->gates.n < db->gates_sweep)
		return;
	drop_where(db, false, is_unused);
	drop_where(db, true, is_unused);
	db->gates_sweep = 2 * db->gates.n;
	if (db->gates_sweep < SQLITE_GATES_CACHED)
		db->gates_sweep = SQLITE_GATES_CACHED;
}

void sqlite_gate_remove(struct sqlite_db *db, struct sqlite_gate *g)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_GATE_REMOVE);

	/* A step that is undone would want it back. */
	check(!db->undo_on);
	sqlite_sql_int(s, 1, g->id);
	sqlite_sql_run(db, s);
	gate_drop(db, g);
}

void sqlite_gate_forget(struct sqlite_db *db)
{
	for (int i = 0; i < SQLITE_HOUSEKEEPING_ROWS; i++) {
		sqlite3_stmt *s = sqlite_sql_start(db, SQL_GATE_FORGET);
		struct sqlite_gate *g;
		int64_t id;

		sqlite_sql_int(s, 1, db->now_ms);
		id = sqlite_sql_value(db, s, 0);
		g = id ? sqlite_gate_by_id(db, id) : NULL;
		if (g == NULL) {
			db->forget_next_ms = db->now_ms + SQLITE_HOUSEKEEPING_MS;
			return;
		}
		if (forget_ms(g) > db->now_ms) {
			/* Used since the row was written: this moves it out of the way. */
			sqlite_gate_write(db, g);
			continue;
		}
		sqlite_gate_remove(db, g);
	}
}
