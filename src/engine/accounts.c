/* accounts.c - the users, as this process knows them.
 *
 * Read at the start and kept in memory; a change goes to the store first and is taken over when it is
 * durable. What other processes have changed is learned from claims, which tell that something has; then all users are
 * read again. An account is never freed while the engine lives, because deliveries point to it.
 */
#include "engine/engine_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/codec.h"
#include "base/digest.h"
#include "base/log.h"

enum { USER_BYTES_MAX = 64 * 1024 };

const struct plan *accounts_plan(const struct engine *e, const struct account *a)
{
	return a->plan;
}

struct account *engine_account(struct engine *e, struct str user_id)
{
	return map_get(&e->accounts, user_id);
}

static void forget_token(struct engine *e, struct account *a, struct str token)
{
	if (token.n > 0 && map_get(&e->tokens, token) == a)
		map_remove(&e->tokens, token);
}

static void forget_keys(struct engine *e, struct account *a)
{
	if (map_get(&e->accounts, a->user.id) == a)
		map_remove(&e->accounts, a->user.id);
	forget_token(e, a, a->user.token);
	forget_token(e, a, a->user.read_only_token);
}

enum token_kind engine_token(struct engine *e, struct str token, struct account **ret_account)
{
	struct account *a = token.n > 0 ? map_get(&e->tokens, token) : NULL;

	if (a == NULL || (a->removed && !(a->user.moving && a->left_ms > 0)))
		return TOKEN_NONE;
	if (a->removed && e->mono_ms > a->left_ms + ACCOUNTS_LEFT_MS) {
		forget_keys(e, a);
		return TOKEN_NONE;
	}
	*ret_account = a;
	return str_eq(a->user.token, token) ? TOKEN_FULL : TOKEN_READ_ONLY;
}

static void learn_keys(struct engine *e, struct account *a)
{
	map_put(&e->accounts, a->user.id, a);
	if (a->removed)
		return;
	map_put(&e->tokens, a->user.token, a);
	if (a->user.read_only_token.n > 0)
		map_put(&e->tokens, a->user.read_only_token, a);
}

/* The problem keeps a process from starting; one that runs already goes on. */
static void plan_is_missing(struct engine *e, struct account *a)
{
	a->plan = plan_in(e->set.plans, STR("payg"));
	check(a->plan != NULL);
	if (a->removed)
		return;
	problem_set(&e->problem, 500, "user %.*s has the plan '%.*s', which is not among the plans",
		    STR_FMT(a->user.id), STR_FMT(a->user.plan));
	log_error("accounts", "%s; payg counts instead", e->problem.text);
}

struct account *accounts_take_over(struct engine *e, struct str id, struct str value,
				   int64_t version)
{
	struct account *a = map_get(&e->accounts, id);
	bool was_removed = a != NULL && a->removed;
	struct buf record;
	struct user u;

	buf_init(&record, USER_BYTES_MAX);
	buf_add(&record, value);
	if (record.overflow || !user_decode(buf_str(&record), &u)) {
		log_error("accounts", "the document of user %.*s is broken", STR_FMT(id));
		buf_done(&record);
		return NULL;
	}
	if (a != NULL) {
		forget_keys(e, a);
		buf_done(&a->record);
		hmac_key_free(a->key);
	} else {
		a = xcalloc(1, sizeof(*a));
		a->engine = e;
		a->id = str_dup(u.id);
	}
	a->record = record;
	a->user = u;
	a->user.id = str_n(a->id, u.id.n);
	a->version = version;
	a->seen = e->scans;
	a->removed = u.deleting;
	a->key = hmac_key_new(u.key_current);
	a->plan = e->set.plan != NULL ? e->set.plan : plan_in(e->set.plans, u.plan);
	learn_keys(e, a);
	if (a->removed && !was_removed && !e->set.observes)
		deletions_begin(e, a);
	if (a->plan == NULL)
		plan_is_missing(e, a);
	if (e->set.on_account != NULL && !a->removed)
		e->set.on_account(e->set.on_account_arg, a);
	return a;
}

/* ---- reading all ------------------------------------------------------------------------------------ */

static void scan_page(struct engine *e);

static void take_row(struct engine *e, const struct scan_row *row)
{
	struct account *a = engine_account(e, row->user);

	/* An older one was read before our own change was done. */
	if (a == NULL || row->version > a->version)
		(void)accounts_take_over(e, row->user, row->record, row->version);
	else
		a->seen = e->scans;
}

/* What the reading has not met is gone; a deletion that is under way here comes to the same end by itself. */
static void drop_unseen(struct engine *e)
{
	struct account *a, *first = NULL;
	size_t pos = 0;

	while ((a = map_next(&e->accounts, &pos)) != NULL) {
		if (a->seen == e->scans || a->removed)
			continue;
		a->next_gone = first;
		first = a;
	}
	while ((a = first) != NULL) {
		first = a->next_gone;
		a->left_ms = e->mono_ms;
		/* Its tokens stay known for a while, see pool_token. */
		if (!a->user.moving)
			forget_keys(e, a);
		a->removed = true;
		map_put(&e->accounts, a->user.id, a);
		accounts_drop(e, a);
	}
}

static void scan_finish(struct engine *e)
{
	bool was_started = e->started;

	e->scanning = false;
	drop_unseen(e);
	/* Many users and many changes must not keep the store busy with this alone. */
	e->scan_mono_ms = e->mono_ms + USERS_EVERY_MS + 10 * (e->mono_ms - e->scan_began_mono_ms);
	e->started = true;
	e->users_loaded = e->scan_version;
	delivery_meet(e, !e->scan_wanted);
	if (e->set.on_users != NULL)
		e->set.on_users(e->set.pool);
	if (was_started)
		return;
	/* What the store knew when it was opened, or when it was reached at last. */
	if (e->last_seq < e->set.store->info.seq_max)
		e->last_seq = e->set.store->info.seq_max + rng_below(&e->rng, SEQ_SPREAD);
	e->ready(e->ready_arg);
}

static void scan_done(struct store_req *req)
{
	struct scan *s = container_of(req, struct scan, req);
	struct engine *e = req->arg;
	bool more = s->more && s->rows > 0;

	engine_answered(e);
	if (req->result != STORE_APPLIED) {
		arena_done(&s->arena);
		e->scanning = false;
		e->scan_wanted = true;
		e->scan_mono_ms = e->mono_ms + USERS_AGAIN_MS;
		return;
	}
	for (size_t i = 0; i < s->rows; i++)
		take_row(e, &s->row[i]);
	if (more)
		buf_reset(&e->scan_after);
	if (more)
		buf_add(&e->scan_after, s->row[s->rows - 1].user);
	arena_done(&s->arena);
	if (more)
		scan_page(e);
	else
		scan_finish(e);
}

static void scan_page(struct engine *e)
{
	scan_init(&e->account_scan, SCAN_DOCS, scan_done, e);
	e->account_scan.doc = DOC_USER;
	e->account_scan.name = e->account_scan.after_user = buf_str(&e->scan_after);
	e->account_scan.max = 1000;
	e->account_scan.bytes_max = 16 * 1024 * 1024;
	arena_init(&e->account_scan.arena);
	engine_submit(e, &e->account_scan.req);
}

void accounts_load(struct engine *e)
{
	e->scan_wanted = true;
}

void accounts_look(struct engine *e, int64_t users_version)
{
	if (users_version == e->users_version)
		return;
	e->users_version = users_version;
	e->scan_wanted = true;
}

void accounts_turn(struct engine *e)
{
	if (e->scanning || !e->scan_wanted || e->stopping || e->mono_ms < e->scan_mono_ms)
		return;
	e->scanning = true;
	e->scan_wanted = false;
	e->scan_version = e->users_version;
	e->scans++;
	e->scan_began_mono_ms = e->mono_ms;
	buf_reset(&e->scan_after);
	scan_page(e);
}

int64_t accounts_next_mono_ms(const struct engine *e)
{
	if (e->scanning || !e->scan_wanted || e->stopping)
		return INT64_MAX;
	return e->scan_mono_ms > e->mono_ms ? e->scan_mono_ms : e->mono_ms;
}

const struct problem *engine_problem(const struct engine *e)
{
	return &e->problem;
}

static void account_free(struct account *a)
{
	hmac_key_free(a->key);
	buf_done(&a->record);
	free(a->id);
	free(a);
}

void accounts_drop(struct engine *e, struct account *a)
{
	check(a->removed && map_get(&e->accounts, a->user.id) == a);
	map_remove(&e->accounts, a->user.id);
	a->next_gone = e->gone;
	e->gone = a;
}

void accounts_free(struct engine *e)
{
	size_t pos = 0;
	struct account *a;

	while ((a = map_next(&e->accounts, &pos)) != NULL)
		account_free(a);
	buf_done(&e->scan_after);
	while ((a = e->gone) != NULL) {
		e->gone = a->next_gone;
		account_free(a);
	}
}

static void user_done(struct store_req *req)
{
	struct account_op *op = req->arg;
	struct move *put = &op->move[0];

	engine_answered(op->engine);
	if (req->result == STORE_APPLIED)
		op->account = accounts_take_over(op->engine, put->doc_put.user, buf_str(&op->value),
						 put->doc_put.new_version);
	else
		engine_store_problem(&op->problem, req, op->step.refusal);
	buf_done(&op->value);
	op->done(op);
}

/* A user's document lives under (DOC_USER, id, id). */
void accounts_submit(struct engine *e, struct account_op *op, const struct user *u, size_t moves)
{
	op->engine = e;
	buf_init(&op->value, USER_BYTES_MAX);
	user_encode(&op->value, u);
	check(!op->value.overflow);
	op->move[0] = (struct move){
		.kind = MOVE_DOC_PUT,
		.doc_put = {
			.doc = DOC_USER,
			.user = u->id,
			.name = u->id,
			.value = buf_str(&op->value),
			.version = op->account != NULL ? op->account->version : 0,
		},
	};
	step_init(&op->step, op->move, moves, user_done, op);
	engine_submit(e, &op->step.req);
}

void engine_account_ensure(struct engine *e, const struct user *u, struct account_op *op)
{
	op->account = engine_account(e, u->id);
	if (op->account != NULL) {
		op->done(op);
		return;
	}
	accounts_submit(e, op, u, 1);
}

struct str accounts_secret(struct engine *e, char *ret_text, size_t n)
{
	char text[ACCOUNTS_SECRET_MAX];
	uint64_t random[ACCOUNTS_SECRET_MAX / B58_U64_LEN];

	check(n <= sizeof(text));
	e->set.secret(e->set.secret_arg, random, sizeof(random));
	for (size_t i = 0; i < countof(random); i++)
		b58_u64(text + i * B58_U64_LEN, random[i]);
	memcpy(ret_text, text, n);
	return str_n(ret_text, n);
}
