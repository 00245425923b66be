/* users.c - users made and changed. Their end is in deletions.c.
 */
#include <string.h>

#include "base/check.h"
#include "base/codec.h"
#include "engine/engine_int.h"

enum {
	KEY_CHARS = 28,      /* of a signing key behind "sig_" */
	PASSWORD_CHARS = 33, /* 192 bits */
	TOKEN_BYTES = 256,   /* at most, of a token: an id of 64 and a password */
};

static struct str new_key(struct engine *e, char text[4 + KEY_CHARS])
{
	memcpy(text, "sig_", 4);
	(void)accounts_secret(e, text + 4, KEY_CHARS);
	return str_n(text, 4 + KEY_CHARS);
}

static struct str new_token(struct engine *e, struct str id, struct buf *b)
{
	char password[PASSWORD_CHARS];

	user_token(b, id, accounts_secret(e, password, sizeof(password)));
	check(!b->overflow);
	return buf_str(b);
}

void engine_keys_rotate(struct engine *e, struct account_op *op)
{
	char text[4 + KEY_CHARS];
	struct user u = op->account->user;

	if (!users_may_change(op))
		return;
	engine_look(e);
	u.key_current = u.key_next;
	u.key_next = new_key(e, text);
	accounts_submit(e, op, &u, 1);
}

/* ---- making ----------------------------------------------------------------------------------------- */

static bool judge_new(struct engine *e, const struct user *u, struct problem *p)
{
	struct account *there = engine_account(e, u->id);

	if (!user_id_is_valid(u->id))
		return problem_set(p, 400, "id: " USER_ID_ALLOWED);
	if (plan_in(e->set.plans, u->plan) == NULL)
		return problem_set(p, 400, "plan: there is no plan '%.*s'",
				   STR_FMT(str_sub(u->plan, 0, PLAN_NAME_BYTES_MAX)));
	if (there != NULL && there->removed)
		return problem_set(p, 409, "user %.*s is still being deleted; try again later",
				   STR_FMT(u->id));
	if (there != NULL)
		return problem_set(p, 409, "user %.*s exists already", STR_FMT(u->id));
	return true;
}

void engine_user_create(struct engine *e, const struct user_new *n, struct account_op *op)
{
	char id[5 + B58_U64_LEN] = "user_", current[4 + KEY_CHARS], next[4 + KEY_CHARS];
	struct user u = { .id = n->id, .plan = n->plan };
	struct buf token, read_only;

	engine_look(e);
	if (u.id.n == 0) {
		(void)accounts_secret(e, id + 5, B58_U64_LEN);
		u.id = str_n(id, sizeof(id));
	}
	if (u.plan.n == 0)
		u.plan = STR("payg");
	if (!judge_new(e, &u, &op->problem)) {
		op->done(op);
		return;
	}
	buf_init(&token, TOKEN_BYTES);
	buf_init(&read_only, TOKEN_BYTES);
	u.token = new_token(e, u.id, &token);
	if (n->read_only)
		u.read_only_token = new_token(e, u.id, &read_only);
	u.key_current = new_key(e, current);
	u.key_next = new_key(e, next);
	u.created_ms = e->now_ms;
	op->account = NULL;
	accounts_submit(e, op, &u, 1);
	buf_done(&token);
	buf_done(&read_only);
}

/* ---- changing --------------------------------------------------------------------------------------- */

bool users_may_change(struct account_op *op)
{
	const struct account *a = op->account;

	if (!a->removed && !a->user.moving)
		return true;
	if (a->removed)
		problem_set(&op->problem, 409, "user %.*s is being deleted", STR_FMT(a->user.id));
	else
		problem_set(&op->problem, 503,
			    "user %.*s is being moved to another database; try again",
			    STR_FMT(a->user.id));
	op->done(op);
	return false;
}

/* Its messages carry the number of deliveries at once into the store when they are put; those that are there already
 * get it from here. */
void engine_user_set_plan(struct engine *e, struct str plan, struct account_op *op)
{
	const struct plan *p = plan_in(e->set.plans, plan);
	struct user u = op->account->user;

	if (!users_may_change(op))
		return;
	if (p == NULL) {
		problem_set(&op->problem, 400, "plan: there is no plan '%.*s'",
			    STR_FMT(str_sub(plan, 0, PLAN_NAME_BYTES_MAX)));
		op->done(op);
		return;
	}
	engine_look(e);
	u.plan = p->name;
	op->move[1] = (struct move){
		.kind = MOVE_GATE,
		.gate = {
			.user = u.id,
			.gate = GATE_USER,
			.op = GATE_SET,
			.parallelism = e->set.plan != NULL ? e->set.plan->parallelism_max
							    : p->parallelism_max,
			.rate = -1,
			.period_ms = -1,
			.paused = -1,
		},
	};
	e->claim_wanted = true;
	accounts_submit(e, op, &u, 2);
}

void engine_user_reset_token(struct engine *e, struct account_op *op)
{
	struct user u = op->account->user;
	struct buf token;

	if (!users_may_change(op))
		return;
	engine_look(e);
	buf_init(&token, TOKEN_BYTES);
	u.token = new_token(e, u.id, &token);
	accounts_submit(e, op, &u, 1);
	buf_done(&token);
}

void engine_user_read_only_token(struct engine *e, bool none, struct account_op *op)
{
	struct user u = op->account->user;
	struct buf token;

	if (!users_may_change(op))
		return;
	engine_look(e);
	buf_init(&token, TOKEN_BYTES);
	u.read_only_token = none ? STR_NULL : new_token(e, u.id, &token);
	accounts_submit(e, op, &u, 1);
	buf_done(&token);
}
