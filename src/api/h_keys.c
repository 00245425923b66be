/* h_keys.c - the signing keys (spec 2.2.11). */
#include "api/call.h"
#include "api/handlers.h"

static void answer_keys(struct call *c, const struct user *u)
{
	struct json_out j = call_json(c);

	json_open(&j, '{');
	json_kstr(&j, STR("current"), u->key_current);
	json_kstr(&j, STR("next"), u->key_next);
	json_close(&j, '}');
	call_answer(c, 200);
}

void h_keys_get(struct call *c)
{
	answer_keys(c, &c->account->user);
}

static void rotated(struct account_op *op)
{
	struct call *c = op->arg;

	if (op->problem.status != 0)
		call_fail(c, &op->problem);
	else
		answer_keys(c, &op->account->user);
}

void h_keys_rotate(struct call *c)
{
	struct account_op *op = arena_new(call_arena(c), struct account_op);

	op->account = c->account;
	op->done = rotated;
	op->arg = c;
	engine_keys_rotate(c->engine, op);
}
