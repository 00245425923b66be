#include "twins.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { BYTES = 64 << 20, AGAIN_PERCENT = 5 };

void twins_init(struct twins *t, uint64_t seed)
{
	*t = (struct twins){ 0 };
	rng_init(&t->rng, seed);
	kit_init(&t->k[0], &kit_memory);
	kit_init(&t->k[1], &kit_redis);
	t->gen = (struct kit){ .now_ms = t->k[0].now_ms, .last_seq = t->k[0].last_seq };
	rng_init(&t->gen.rng, seed + 1);
	arena_init(&t->gen.arena);
	for (int side = 0; side < 2; side++) {
		t->k[side].unchecked = true;
		t->holder[0][side] = t->k[side].s;
	}
}

void twins_done(struct twins *t)
{
	for (int i = 1; i < TWINS_HOLDERS; i++) {
		if (t->holder[i][0] != NULL)
			twins_close(t, i);
	}
	kit_done(&t->k[0]);
	kit_done(&t->k[1]);
	arena_done(&t->gen.arena);
}

int twins_below(struct twins *t, int n)
{
	return (int)rng_below(&t->rng, (uint64_t)n);
}

bool twins_chance(struct twins *t, int percent)
{
	return twins_below(t, 100) < percent;
}

int twins_holder(struct twins *t)
{
	int i = twins_below(t, TWINS_HOLDERS);

	return t->holder[i][0] != NULL ? i : 0;
}

static enum store_result ask(struct twins *t, int side, int holder, struct store_req *r)
{
	t->k[side].now_ms = t->gen.now_ms;
	return kit_do_on(&t->k[side], t->holder[holder][side], r);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void same_move(const struct move *a, const struct move *b)
{
	switch (a->kind) {
	case MOVE_PUT:
		T_EQ_INT(a->put.leased, b->put.leased);
		T_EQ_INT(a->put.lease, b->put.lease);
		T_EQ_INT(a->put.used_messages, b->put.used_messages);
		T_EQ_INT(a->put.used_bytes, b->put.used_bytes);
		T_EQ_INT(a->put.existing.seq, b->put.existing.seq);
		T_EQ_INT(a->put.existing.nonce, b->put.existing.nonce);
		T_EQ_INT(a->put.skipped, b->put.skipped);
		break;
	case MOVE_SETTLE:
		T_EQ_INT(a->settle.was_cancelled, b->settle.was_cancelled);
		break;
	case MOVE_CANCEL:
		T_EQ_INT(a->cancel.was_leased, b->cancel.was_leased);
		T_EQ_INT(a->cancel.lease, b->cancel.lease);
		break;
	case MOVE_DOC_PUT:
		T_EQ_INT(a->doc_put.new_version, b->doc_put.new_version);
		break;
	case MOVE_RUN_START:
		T_EQ_INT(a->run_start.existing.seq, b->run_start.existing.seq);
		T_EQ_INT(a->run_start.existing.nonce, b->run_start.existing.nonce);
		break;
	case MOVE_PURGE:
		T_EQ_INT(a->purge.left, b->purge.left);
		break;
	default:
		break;
	}
}

static void same_step(const struct step *a, const struct step *b)
{
	T_EQ_STR(refusal_name(a->refusal), refusal_name(b->refusal));
	T_EQ_STR(store_result_name(a->req.result), store_result_name(b->req.result));
	T_EQ_INT(a->refused_move, b->refused_move);
	for (size_t i = 0; i < a->moves; i++)
		same_move(&a->move[i], &b->move[i]);
}

enum store_result twins_step(struct twins *t, int holder, struct step *s, struct move *moves,
			     size_t n)
{
	struct move copy[TWINS_MOVES_MAX];
	struct step other;
	bool again;

	check(n <= TWINS_MOVES_MAX);
	if (n > 0)
		memcpy(copy, moves, n * sizeof(*moves));
	step_init(s, moves, n, NULL, NULL);
	step_init(&other, copy, n, NULL, NULL);
	do {
		ask(t, 0, holder, &s->req);
		ask(t, 1, holder, &other.req);
		same_step(s, &other);
		again = twins_chance(t, AGAIN_PERCENT) && s->req.result == STORE_APPLIED;
		if (again)
			s->req.result = other.req.result = STORE_UNKNOWN;
	} while (again);
	return s->req.result;
}

void twins_batch(struct twins *t, int holder, struct move *moves, size_t n)
{
	struct move *copy = arena_array(&t->gen.arena, struct move, n);
	struct step *s[2];

	memcpy(copy, moves, n * sizeof(*moves));
	for (int side = 0; side < 2; side++) {
		s[side] = arena_array(&t->gen.arena, struct step, n);
		for (size_t i = 0; i < n; i++) {
			step_init(&s[side][i], side ? &copy[i] : &moves[i], 1, kit_ignore, NULL);
			if (i + 1 < n)
				store_submit(t->holder[holder][side], &s[side][i].req);
		}
		ask(t, side, holder, &s[side][n - 1].req);
	}
	for (size_t i = 0; i < n; i++)
		same_step(&s[0][i], &s[1][i]);
}

/* ---- claims ---------------------------------------------------------------------------------- */

static void same_claim(struct twins *t, const struct claim *a, const struct claim *b)
{
	T_EQ_INT(a->n, b->n);
	T_EQ_INT(a->docs, b->docs);
	for (size_t i = 0; i < a->n; i++) {
		T_EQ_INT(a->leased[i].id.seq, b->leased[i].id.seq);
		T_EQ_INT(a->leased[i].id.nonce, b->leased[i].id.nonce);
		T_EQ_INT(a->leased[i].lease, b->leased[i].lease);
		T_EQ_INT(a->leased[i].retried, b->leased[i].retried);
		T_EQ_STR(a->leased[i].record, b->leased[i].record);
	}
	for (size_t i = 0; i < a->docs; i++) {
		T_EQ_INT(a->doc[i].kind, b->doc[i].kind);
		T_EQ_STR(a->doc[i].user, b->doc[i].user);
		T_EQ_STR(a->doc[i].name, b->doc[i].name);
		T_EQ_STR(a->doc[i].value, b->doc[i].value);
		T_EQ_INT(a->doc[i].version, b->doc[i].version);
		T_EQ_INT(a->doc[i].due_ms, b->doc[i].due_ms);
	}
	T_EQ_INT(a->more, b->more);
	T_EQ_INT(a->next_ms, b->next_ms);
	/* Their numbers are their own. */
	if (b->users_version != t->users_version[1])
		T_CHECK(a->users_version != t->users_version[0]);
	t->users_version[0] = a->users_version;
	t->users_version[1] = b->users_version;
}

void twins_claim(struct twins *t, int holder, struct claim *c, struct arena *a)
{
	struct claim other = *c;
	bool again;

	do {
		arena_init(&c->arena);
		arena_init(&other.arena);
		T_EQ_INT(ask(t, 0, holder, &c->req), STORE_APPLIED);
		T_EQ_INT(ask(t, 1, holder, &other.req), STORE_APPLIED);
		same_claim(t, c, &other);
		arena_done(&other.arena);
		again = twins_chance(t, AGAIN_PERCENT);
		if (again) {
			arena_done(&c->arena);
			c->req.result = other.req.result = STORE_UNKNOWN;
		}
	} while (again);
	*a = c->arena;
}

/* ---- holders --------------------------------------------------------------------------------- */

void twins_attach(struct twins *t, int holder)
{
	for (int side = 0; side < 2; side++) {
		t->k[side].now_ms = t->gen.now_ms;
		t->holder[holder][side] = t->k[side].backend->another(&t->k[side]);
	}
}

void twins_close(struct twins *t, int holder)
{
	struct step s;

	/* What is given back is given back at the time of the last request. */
	twins_step(t, holder, &s, NULL, 0);
	for (int side = 0; side < 2; side++) {
		store_close(t->holder[holder][side]);
		t->holder[holder][side] = NULL;
	}
}

void twins_kill(struct twins *t, int holder)
{
	for (int side = 0; side < 2; side++) {
		t->k[side].backend->kill_another(&t->k[side], t->holder[holder][side]);
		t->holder[holder][side] = NULL;
	}
}

/* ---- the whole state ------------------------------------------------------------------------- */

static void same_gate(const struct gate *a, const struct gate *b)
{
	T_EQ_INT(a->kind, b->kind);
	T_EQ_INT(a->parallelism_max, b->parallelism_max);
	T_EQ_INT(a->running, b->running);
	T_EQ_INT(a->rate_max, b->rate_max);
	T_EQ_INT(a->rate_period_ms, b->rate_period_ms);
	T_EQ_INT(a->rate_count, b->rate_count);
	T_EQ_INT(a->window_start_ms, b->window_start_ms);
	T_EQ_INT(a->paused, b->paused);
	T_EQ_INT(a->pinned_parallelism, b->pinned_parallelism);
	T_EQ_INT(a->pinned_rate, b->pinned_rate);
}

static void same_usage(const struct usage *a, const struct usage *b)
{
	T_EQ_INT(a->day, b->day);
	T_EQ_INT(a->messages, b->messages);
	T_EQ_INT(a->bytes, b->bytes);
	T_EQ_INT(a->delivered, b->delivered);
	T_EQ_INT(a->retried, b->retried);
	T_EQ_INT(a->errors, b->errors);
	T_EQ_INT(a->failed, b->failed);
	T_EQ_INT(a->cancelled, b->cancelled);
}

static void same_row(const struct scan_row *a, const struct scan_row *b)
{
	T_EQ_STR(a->user, b->user);
	T_EQ_STR(a->name, b->name);
	T_EQ_STR(a->record, b->record);
	T_EQ_STR(a->response, b->response);
	T_EQ_INT(a->id.seq, b->id.seq);
	T_EQ_INT(a->id.nonce, b->id.nonce);
	T_EQ_INT(a->dlq.ms, b->dlq.ms);
	T_EQ_INT(a->dlq.seq, b->dlq.seq);
	T_EQ_INT(a->state, b->state);
	T_EQ_INT(a->cancelled, b->cancelled);
	T_EQ_INT(a->retried, b->retried);
	T_EQ_INT(a->due_ms, b->due_ms);
	T_EQ_INT(a->version, b->version);
	T_EQ_INT(a->waiting, b->waiting);
	T_EQ_INT(a->created_ms, b->created_ms);
	T_EQ_INT(a->updated_ms, b->updated_ms);
	T_EQ_INT(a->run_entry, b->run_entry);
	same_gate(&a->gate, &b->gate);
	same_usage(&a->usage, &b->usage);
}

static void same_run(const struct scan *a, const struct scan *b)
{
	T_EQ_INT(a->run_found.found, b->run_found.found);
	T_EQ_INT(a->run_found.open, b->run_found.open);
	T_EQ_INT(a->run_found.created_ms, b->run_found.created_ms);
	T_EQ_INT(a->run_found.version, b->run_found.version);
	T_EQ_STR(a->run_found.record, b->run_found.record);
	T_EQ_INT(a->run_found.key_taken, b->run_found.key_taken);
	T_EQ_INT(a->run_found.key_id.seq, b->run_found.key_id.seq);
	T_EQ_INT(a->run_found.key_id.nonce, b->run_found.key_id.nonce);
}

void twins_scan(struct twins *t, struct scan *s)
{
	struct scan got[2] = { *s, *s };

	for (int side = 0; side < 2; side++) {
		got[side].req = (struct store_req){ .kind = STORE_SCAN };
		arena_init(&got[side].arena);
		T_EQ_INT(ask(t, side, 0, &got[side].req), STORE_APPLIED);
	}
	T_EQ_INT(got[0].rows, got[1].rows);
	T_EQ_INT(got[0].more, got[1].more);
	/* How far each has looked beyond the rows that it found (at_id) is its own affair. */
	for (size_t i = 0; i < got[0].rows; i++)
		same_row(&got[0].row[i], &got[1].row[i]);
	same_run(&got[0], &got[1]);
	s->run_found = got[0].run_found;
	s->run_found.record = STR_NULL;
	arena_done(&got[0].arena);
	arena_done(&got[1].arena);
}

static void same_tail(struct twins *t)
{
	struct tail got[2];

	for (int side = 0; side < 2; side++) {
		tail_init(&got[side], t->tail_at, BYTES, NULL, NULL);
		got[side].trim = t->tail_at;
		arena_init(&got[side].arena);
		T_EQ_INT(ask(t, side, 0, &got[side].req), STORE_APPLIED);
	}
	T_EQ_STR(got[0].events, got[1].events);
	T_EQ_INT(got[0].last, got[1].last);
	T_EQ_INT(got[0].more, got[1].more);
	t->tail_at = got[0].last;
	arena_done(&got[0].arena);
	arena_done(&got[1].arena);
}

static void compare_user(struct twins *t, struct str user)
{
	struct scan s = { .user = user, .max = 1000, .bytes_max = BYTES };

	for (int kind = SCAN_MESSAGES; kind <= SCAN_USAGE; kind++) {
		s.kind = (enum scan_kind)kind;
		for (int doc = DOC_META; kind == SCAN_DOCS && doc <= DOC_INVOKE; doc++) {
			s.doc = (enum doc_kind)doc;
			twins_scan(t, &s);
		}
		for (int gate = GATE_USER; kind == SCAN_GATES && gate <= GATE_FLOW; gate++) {
			s.gate = (enum gate_kind)gate;
			twins_scan(t, &s);
		}
		if (kind != SCAN_DOCS && kind != SCAN_GATES)
			twins_scan(t, &s);
	}
}

void twins_compare(struct twins *t, const char *const users[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		compare_user(t, str_c(users[i]));
	same_tail(t);
	for (int side = 0; side < 2; side++)
		t->k[side].backend->verify(&t->k[side]);
}
