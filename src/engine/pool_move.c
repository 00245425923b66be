/* pool_move.c - users on their way to another database.
 *
 * The directory's entry of the user says that it is moved, and where to; it is due when nobody has written of the move
 * for a while, and then a claim hands it out to a process, which takes it over. Writing the entry needs its version, so
 * two processes cannot both bring a move forward in the directory; the version with which a process took it over is
 * the move's number, by which the databases tell it from a former one that only slept.
 *
 *	TAKE      the entry is ours
 *	MARK      the user's document says so: the API answers 503 from then on
 *	FREEZE    nothing of it starts or changes; until the attempts that run have ended, or their leases
 *	LOGS      until the logs have taken what the old database has logged
 *	DETACH    BEGIN, WIPE, KEYS, DUMP, IMPORT, ENTER   all of it is copied (store.h, user_op)
 *	COMMIT    the entry says that it lives there
 *	ATTACH    THAW, UNMARK   it is served there
 *	LOOK      PURGE, LEAVE, REMOVE   nothing is left of it here
 *	FINISH    the entry says nothing more
 *
 * Each may be done again, so whoever takes over begins at the start, or, after COMMIT, at ATTACH.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "engine/pool_int.h"

enum {
	LOOK_AGAIN_MS = 50,
	LOGS_MS_MAX = 30 * 1000, /* to wait for the logs; what they take later is complete, too */
	PURGE_ROWS = 500,
	DUMP_BYTES = 1024 * 1024,
	NAMES_BYTES = 4096, /* of keys asked for at once */
};

void pool_mover_free(struct mover *m)
{
	list_remove(&m->node);
	if (m->scanned)
		arena_done(&m->scan.arena);
	arena_done(&m->arena);
	buf_done(&m->name);
	buf_done(&m->value);
	free(m->user);
	free(m);
}

static void enter_phase(struct mover *m, enum mover_phase phase)
{
	m->phase = phase;
	m->again_mono_ms = 0;
	m->at[0] = '\0';
}

static void again(struct mover *m, int64_t ms)
{
	m->again_mono_ms = m->pool->mono_ms + ms;
}

/* ---- asking ----------------------------------------------------------------------------------------- */

static void stepped(struct store_req *req);
static void scanned(struct store_req *req);
static void tailed(struct store_req *req);

static void ask_step(struct mover *m, struct engine *e)
{
	m->busy = true;
	m->asked = e;
	step_init(&m->step, &m->move, 1, stepped, m);
	engine_submit(e, &m->step.req);
}

static void ask_user(struct mover *m, struct engine *e, enum user_op op, int64_t version)
{
	m->move = (struct move){
		.kind = MOVE_USER,
		.user = {
			.op = op,
			.user = str_c(m->user),
			.version = version,
			.at = str_c(op == USER_BEGIN ? m->source : m->at),
			.key = op == USER_IMPORT ? m->row : NULL,
			.keys = op == USER_IMPORT ? m->rows : 0,
		},
	};
	ask_step(m, e);
}

static void ask_scan(struct mover *m, struct engine *e, enum scan_kind kind, struct str name)
{
	check(!m->scanned);
	m->busy = m->scanned = true;
	m->asked = e;
	scan_init(&m->scan, kind, scanned, m);
	m->scan.doc = DOC_USER;
	m->scan.user = str_c(m->user);
	m->scan.name = name;
	m->scan.exact = true;
	m->scan.max = 1;
	m->scan.bytes_max = DUMP_BYTES;
	arena_init(&m->scan.arena);
	engine_submit(e, &m->scan.req);
}

static void scan_end(struct mover *m)
{
	arena_done(&m->scan.arena);
	m->scanned = false;
}

/* The entry as it is to be now, due when we are silent. */
static void ask_entry(struct mover *m, bool committed, bool finished)
{
	struct directory_place place = {
		.database = str_c(committed ? m->to_name : m->from_name),
		.to = committed || finished ? STR_NULL : str_c(m->to_name),
		.from = committed && !finished ? str_c(m->from_name) : STR_NULL,
	};
	struct engine *home = pool_home(m->pool);

	buf_reset(&m->value);
	directory_place_encode(&m->value, &place);
	m->move = pool_dir_put(&m->name, &m->value, m->version);
	m->move.doc_put.due_ms = finished ? 0 : home->now_ms + POOL_LEASE_MS;
	ask_step(m, home);
}

/* The user's document with or without the mark, on top of that version. */
static void ask_mark(struct mover *m, struct engine *e, const struct user *u, int64_t version)
{
	struct user marked = *u;

	marked.moving = e == m->from;
	buf_reset(&m->value);
	user_encode(&m->value, &marked);
	m->move = (struct move){
		.kind = MOVE_DOC_PUT,
		.doc_put = { .doc = DOC_USER,
			     .user = str_c(m->user),
			     .name = str_c(m->user),
			     .value = buf_str(&m->value),
			     .version = version },
	};
	ask_step(m, e);
}

/* ---- phases ----------------------------------------------------------------------------------------- */

static void mark(struct mover *m)
{
	struct account *a = engine_account(m->from, str_c(m->user));

	if (a != NULL && a->user.moving && !a->removed) {
		m->marked = a->version;
		enter_phase(m, MOVER_FREEZE);
	} else if (a != NULL && !a->removed) {
		ask_mark(m, m->from, &a->user, a->version);
	} else {
		log_warn("pool", "user %s is not moved: it is being deleted", m->user);
		enter_phase(m, MOVER_FINISH);
	}
}

static void tail_logs(struct mover *m)
{
	m->busy = true;
	m->asked = m->from;
	tail_init(&m->tail, 0, 1, tailed, m);
	arena_init(&m->tail.arena);
	engine_submit(m->from, &m->tail.req);
}

/* The next keys, as many names as fit. */
static void dump(struct mover *m)
{
	buf_reset(&m->value);
	for (size_t i = m->key_at; i < m->keys; i++) {
		struct str k = m->key[i];
		const char n[4] = { (char)(k.n >> 24), (char)(k.n >> 16), (char)(k.n >> 8),
				    (char)k.n };

		if (i > m->key_at && m->value.n + k.n + sizeof(n) > NAMES_BYTES)
			break;
		buf_add(&m->value, str_n(n, sizeof(n)));
		buf_add(&m->value, k);
	}
	check(!m->value.overflow);
	ask_scan(m, m->from, SCAN_USER_DUMP, buf_str(&m->value));
}

static void purge(struct mover *m)
{
	m->move = (struct move){
		.kind = MOVE_PURGE,
		.purge = { .user = str_c(m->user), .version = m->marked, .max = PURGE_ROWS },
	};
	ask_step(m, m->from);
}

static void remove_document(struct mover *m)
{
	m->move = (struct move){
		.kind = MOVE_DOC_REMOVE,
		.doc_remove = { .doc = DOC_USER,
				.user = str_c(m->user),
				.name = str_c(m->user),
				.version = m->marked },
	};
	ask_step(m, m->from);
}

void pool_mover_go(struct mover *m)
{
	switch (m->phase) {
	case MOVER_TAKE:
	case MOVER_BEAT:
		ask_entry(m, m->committed, false);
		return;
	case MOVER_MARK:
		mark(m);
		return;
	case MOVER_FREEZE:
		ask_user(m, m->from, USER_FREEZE, m->marked);
		return;
	case MOVER_LOGS:
		tail_logs(m);
		return;
	case MOVER_DETACH:
		ask_user(m, m->from, USER_DETACH, m->marked);
		return;
	case MOVER_BEGIN:
		ask_user(m, m->to, USER_BEGIN, m->number);
		return;
	case MOVER_WIPE:
		ask_user(m, m->to, USER_WIPE, m->number);
		return;
	case MOVER_KEYS:
		ask_scan(m, m->from, SCAN_USER_KEYS, str_c(*m->at != '\0' ? m->at : "0"));
		return;
	case MOVER_DUMP:
		dump(m);
		return;
	case MOVER_IMPORT:
		ask_user(m, m->to, USER_IMPORT, m->number);
		return;
	case MOVER_ENTER:
		ask_user(m, m->to, USER_ENTER, m->number);
		return;
	case MOVER_COMMIT:
		ask_entry(m, true, false);
		return;
	case MOVER_ATTACH:
		ask_user(m, m->to, USER_ATTACH, m->number);
		return;
	case MOVER_THAW:
		ask_user(m, m->to, USER_THAW, m->number);
		return;
	case MOVER_UNMARK:
		ask_scan(m, m->to, SCAN_DOCS, str_c(m->user));
		return;
	case MOVER_LOOK:
		ask_scan(m, m->from, SCAN_DOCS, str_c(m->user));
		return;
	case MOVER_PURGE:
		purge(m);
		return;
	case MOVER_LEAVE:
		ask_user(m, m->from, USER_LEAVE, m->marked);
		return;
	case MOVER_REMOVE:
		remove_document(m);
		return;
	case MOVER_FINISH:
		ask_entry(m, m->committed, true);
		return;
	case MOVER_UNMARK_PUT: /* asked for by UNMARK */
		break;
	}
	unreachable();
}

/* ---- answers ---------------------------------------------------------------------------------------- */

static void let_go(struct mover *m, const char *why)
{
	log_warn("pool", "the move of user %s to %s is left to others: %s", m->user, m->to_name,
		 why);
	pool_mover_free(m);
}

/* After a piece of a walk: the next one, or the next phase. */
static void walked(struct mover *m, enum mover_phase next)
{
	if (*m->move.user.next == '\0')
		enter_phase(m, next);
	else
		memcpy(m->at, m->move.user.next, sizeof(m->at));
}

static void entry_written(struct mover *m)
{
	bool first = m->phase == MOVER_TAKE;

	m->version = m->move.doc_put.new_version;
	m->written_mono_ms = m->pool->mono_ms;
	if (m->phase == MOVER_COMMIT)
		m->committed = true;
	if (first)
		m->number = m->version;
	if (m->phase == MOVER_FINISH) {
		log_info("pool",
			 m->committed ? "user %s has been moved to %s"
				      : "user %s stays; %s is not needed",
			 m->user, m->to_name);
		pool_mover_free(m);
	} else if (m->phase == MOVER_BEAT) {
		m->phase = m->after_beat;
	} else {
		enter_phase(m, first && !m->committed ? MOVER_MARK : MOVER_ATTACH);
	}
}

static void frozen(struct mover *m)
{
	memcpy(m->source, m->move.user.next, sizeof(m->source));
	if (m->move.user.count > 0) {
		again(m, LOOK_AGAIN_MS);
		return;
	}
	m->log_pos = engine_outbox_last(m->from);
	m->began_mono_ms = m->pool->mono_ms;
	enter_phase(m, MOVER_LOGS);
}

static void imported(struct mover *m)
{
	m->key_at += m->rows;
	scan_end(m);
	if (m->key_at < m->keys)
		m->phase = MOVER_DUMP;
	else
		m->phase = strcmp(m->at, "0") == 0 ? MOVER_ENTER : MOVER_KEYS;
	if (m->phase == MOVER_ENTER)
		enter_phase(m, MOVER_ENTER);
}

static void applied(struct mover *m)
{
	switch (m->phase) {
	case MOVER_TAKE:
	case MOVER_BEAT:
	case MOVER_COMMIT:
	case MOVER_FINISH:
		entry_written(m);
		return;
	case MOVER_MARK:
		(void)accounts_take_over(m->from, str_c(m->user), buf_str(&m->value),
					 m->move.doc_put.new_version);
		return;
	case MOVER_FREEZE:
		frozen(m);
		return;
	case MOVER_DETACH:
		walked(m, MOVER_BEGIN);
		return;
	case MOVER_BEGIN:
		enter_phase(m, m->move.user.count == USER_COMING ? MOVER_WIPE : MOVER_COMMIT);
		return;
	case MOVER_WIPE:
		walked(m, MOVER_KEYS);
		return;
	case MOVER_IMPORT:
		imported(m);
		return;
	case MOVER_ENTER:
		walked(m, MOVER_COMMIT);
		return;
	case MOVER_ATTACH:
		walked(m, MOVER_THAW);
		return;
	case MOVER_THAW:
		enter_phase(m, MOVER_UNMARK);
		return;
	case MOVER_UNMARK_PUT:
		(void)accounts_take_over(m->to, str_c(m->user), buf_str(&m->value),
					 m->move.doc_put.new_version);
		m->to->claim_wanted = true;
		enter_phase(m, MOVER_LOOK);
		return;
	case MOVER_PURGE:
		if (!m->move.purge.left)
			enter_phase(m, MOVER_LEAVE);
		return;
	case MOVER_LEAVE:
		enter_phase(m, MOVER_REMOVE);
		return;
	case MOVER_REMOVE:
		accounts_look(m->from, -1);
		enter_phase(m, MOVER_FINISH);
		return;
	case MOVER_LOGS:
	case MOVER_KEYS:
	case MOVER_DUMP:
	case MOVER_UNMARK:
	case MOVER_LOOK:
		break;
	}
	unreachable();
}

/* By a version, in all cases: something is not as it was. */
static void refused(struct mover *m)
{
	switch (m->phase) {
	case MOVER_MARK:
	case MOVER_FREEZE:
	case MOVER_DETACH:
		/* The user was changed; its new document will be read. */
		accounts_look(m->from, -1);
		enter_phase(m, MOVER_MARK);
		again(m, POOL_AGAIN_MS);
		return;
	case MOVER_UNMARK_PUT:
		enter_phase(m, MOVER_UNMARK);
		return;
	case MOVER_PURGE:
	case MOVER_LEAVE:
	case MOVER_REMOVE:
		enter_phase(m, MOVER_FINISH);
		return;
	case MOVER_TAKE:
	case MOVER_BEAT:
	case MOVER_COMMIT:
	case MOVER_FINISH:
		let_go(m, "another process has it");
		return;
	case MOVER_LOGS:
	case MOVER_BEGIN:
	case MOVER_WIPE:
	case MOVER_KEYS:
	case MOVER_DUMP:
	case MOVER_IMPORT:
	case MOVER_ENTER:
	case MOVER_ATTACH:
	case MOVER_THAW:
	case MOVER_UNMARK:
	case MOVER_LOOK:
		let_go(m,
		       "the new database knows of another move, or of another user under the id");
		return;
	}
	unreachable();
}

static void stepped(struct store_req *req)
{
	struct mover *m = req->arg;

	engine_answered(m->asked);
	m->busy = false;
	if (req->result == STORE_APPLIED)
		applied(m);
	else if (req->result == STORE_REFUSED)
		refused(m);
	else
		again(m, POOL_AGAIN_MS);
}

static void take_keys(struct mover *m)
{
	const struct scan *s = &m->scan;

	arena_reset(&m->arena);
	check(s->rows > 0 && s->row[0].name.n < sizeof(m->at));
	memcpy(m->at, s->row[0].name.p, s->row[0].name.n);
	m->at[s->row[0].name.n] = '\0';
	m->keys = s->rows - 1;
	m->key = arena_array(&m->arena, struct str, m->keys + 1);
	for (size_t i = 0; i < m->keys; i++)
		m->key[i] = arena_str(&m->arena, s->row[i + 1].name);
	m->key_at = 0;
	scan_end(m);
	if (m->keys > 0)
		m->phase = MOVER_DUMP;
	else if (strcmp(m->at, "0") == 0)
		enter_phase(m, MOVER_ENTER);
}

static void take_dumps(struct mover *m)
{
	const struct scan *s = &m->scan;

	check(s->rows > 0);
	m->rows = s->rows;
	m->row = arena_array(&m->scan.arena, struct user_key, s->rows);
	for (size_t i = 0; i < s->rows; i++)
		m->row[i] = (struct user_key){ s->row[i].name, s->row[i].record };
	m->phase = MOVER_IMPORT;
}

/* UNMARK: the document at the new place. LOOK: the one at the old. */
static void take_document(struct mover *m)
{
	const struct scan *s = &m->scan;
	struct user u;
	bool is = s->rows > 0 && user_decode(s->row[0].record, &u) && u.moving;

	if (m->phase == MOVER_UNMARK && is) {
		m->phase = MOVER_UNMARK_PUT;
		ask_mark(m, m->to, &u, s->row[0].version);
	} else if (m->phase == MOVER_UNMARK) {
		enter_phase(m, MOVER_LOOK);
	} else if (is) {
		m->marked = s->row[0].version;
		enter_phase(m, MOVER_PURGE);
	} else {
		enter_phase(m, MOVER_FINISH);
	}
	scan_end(m);
}

static void scanned(struct store_req *req)
{
	struct mover *m = req->arg;

	engine_answered(m->asked);
	m->busy = false;
	if (req->result != STORE_APPLIED) {
		scan_end(m);
		again(m, POOL_AGAIN_MS);
	} else if (m->phase == MOVER_KEYS) {
		take_keys(m);
	} else if (m->phase == MOVER_DUMP) {
		take_dumps(m);
	} else {
		take_document(m);
	}
}

static void tailed(struct store_req *req)
{
	struct mover *m = req->arg;
	int64_t waited_ms = m->pool->mono_ms - m->began_mono_ms;

	engine_answered(m->asked);
	m->busy = false;
	if (req->result != STORE_APPLIED)
		again(m, POOL_AGAIN_MS);
	else if (m->tail.events.n == 0 || m->tail.last > m->log_pos || waited_ms > LOGS_MS_MAX)
		enter_phase(m, MOVER_DETACH);
	else
		again(m, LOOK_AGAIN_MS);
	arena_done(&m->tail.arena);
}
