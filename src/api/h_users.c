/* h_users.c - the users, for the administrator (docs/users.md).
 *
 * Tokens are shown once, in the answer of the call that made them.
 */
#include "api/call.h"
#include "api/handlers.h"
#include "core/query.h"

enum { PAGE_DEFAULT = 100, PAGE_MAX = 1000 };

static void user_members(struct json_out *j, const struct user *u)
{
	json_kstr(j, STR("id"), u->id);
	json_kstr(j, STR("plan"), u->plan);
	json_kint(j, STR("createdAt"), u->created_ms);
	json_kbool(j, STR("hasReadOnlyToken"), u->read_only_token.n > 0);
	json_kstr(j, STR("state"),
		  u->deleting ? STR("deleting")
		  : u->moving ? STR("moving")
			      : STR("active"));
}

/* NULL with the call answered. */
static struct account *account_of(struct call *c)
{
	struct account *a = pool_account(c->api->set.pool, c->id[0]);
	struct problem p = { 0 };

	if (a != NULL)
		return a;
	problem_set(&p, 404, "there is no user '%.*s'", STR_FMT(str_sub(c->id[0], 0, 100)));
	call_fail(c, &p);
	return NULL;
}

/* ---- changing --------------------------------------------------------------------------------- */

struct change {
	struct account_op op;
	int status; /* of the answer */
	/* Adds to the user's members what the call made. */
	void (*show)(struct json_out *j, const struct user *u);
	struct user_new new_user;
};

static void changed(struct account_op *op)
{
	struct change *x = container_of(op, struct change, op);
	struct call *c = op->arg;
	struct json_out j;

	if (op->problem.status != 0) {
		call_fail(c, &op->problem);
		return;
	}
	j = call_json(c);
	json_open(&j, '{');
	user_members(&j, &op->account->user);
	if (x->show != NULL)
		x->show(&j, &op->account->user);
	json_close(&j, '}');
	call_answer(c, x->status);
}

static struct change *change_new(struct call *c, struct account *a)
{
	struct change *x = arena_new(call_arena(c), struct change);

	x->status = 200;
	x->op.account = a;
	x->op.done = changed;
	x->op.arg = c;
	return x;
}

static void show_token(struct json_out *j, const struct user *u)
{
	json_kstr(j, STR("token"), u->token);
}

static void show_read_only_token(struct json_out *j, const struct user *u)
{
	json_kstr(j, STR("readOnlyToken"), u->read_only_token);
}

static void show_all(struct json_out *j, const struct user *u)
{
	show_token(j, u);
	if (u->read_only_token.n > 0)
		show_read_only_token(j, u);
	json_kstr(j, STR("currentSigningKey"), u->key_current);
	json_kstr(j, STR("nextSigningKey"), u->key_next);
}

static bool take_text(const struct json *v, struct str *ret_text, struct problem *p)
{
	if (v->kind != JSON_STRING || v->text.n == 0)
		return problem_set(p, 400, "%.*s: must be a string, not empty", STR_FMT(v->key));
	*ret_text = v->text;
	return true;
}

static bool take_member(const struct json *v, struct user_new *n, bool is_new, struct problem *p)
{
	if (str_eq(v->key, STR("plan")))
		return take_text(v, &n->plan, p);
	if (is_new && str_eq(v->key, STR("id")))
		return take_text(v, &n->id, p);
	if (is_new && str_eq(v->key, STR("readOnlyToken"))) {
		if (v->kind != JSON_BOOL)
			return problem_set(p, 400, "readOnlyToken: must be true or false");
		n->read_only = v->boolean;
		return true;
	}
	return problem_set(p, 400, "%.*s: is not known; allowed are %s",
			   STR_FMT(str_sub(v->key, 0, 60)),
			   is_new ? "id, plan and readOnlyToken" : "plan");
}

/* False with the call answered. An empty body is an empty object. */
static bool take_body(struct call *c, bool is_new, struct user_new *ret_new)
{
	struct str text = c->req->body.n > 0 ? c->req->body : STR("{}");
	struct problem p = { 0 };
	char why[96];
	const struct json *body = json_parse(call_arena(c), text, why);

	if (body == NULL)
		problem_set(&p, 400, "the body is not JSON: %s", why);
	else if (body->kind != JSON_OBJECT)
		problem_set(&p, 400, "the body must be a JSON object");
	for (const struct json *v = body != NULL ? body->child : NULL; v != NULL && p.status == 0;
	     v = v->next)
		(void)!take_member(v, ret_new, is_new, &p);
	if (p.status != 0)
		call_fail(c, &p);
	return p.status == 0;
}

void h_users_create(struct call *c)
{
	struct change *x = change_new(c, NULL);

	if (!take_body(c, true, &x->new_user))
		return;
	x->status = 201;
	x->show = show_all;
	pool_user_create(c->api->set.pool, &x->new_user, &x->op);
}

void h_users_change(struct call *c)
{
	struct account *a = account_of(c);
	struct change *x;

	if (a == NULL)
		return;
	x = change_new(c, a);
	if (!take_body(c, false, &x->new_user))
		return;
	if (x->new_user.plan.n == 0) {
		call_refuse(c, 400, "plan: must be given");
		return;
	}
	engine_user_set_plan(a->engine, x->new_user.plan, &x->op);
}

void h_users_token(struct call *c)
{
	struct account *a = account_of(c);
	struct change *x;

	if (a == NULL)
		return;
	x = change_new(c, a);
	x->show = show_token;
	engine_user_reset_token(a->engine, &x->op);
}

static void read_only_token(struct call *c, bool none)
{
	struct account *a = account_of(c);
	struct change *x;

	if (a == NULL)
		return;
	x = change_new(c, a);
	x->show = none ? NULL : show_read_only_token;
	engine_user_read_only_token(a->engine, none, &x->op);
}

void h_users_read_only_token(struct call *c)
{
	read_only_token(c, false);
}

void h_users_no_read_only_token(struct call *c)
{
	read_only_token(c, true);
}

/* 202: the user is locked out, and what it had goes bit by bit. */
void h_users_delete(struct call *c)
{
	struct account *a = account_of(c);
	struct change *x;

	if (a == NULL)
		return;
	x = change_new(c, a);
	x->status = 202;
	engine_user_delete(a->engine, &x->op);
}

/* ---- looking ---------------------------------------------------------------------------------- */

void h_users_get(struct call *c)
{
	struct account *a = account_of(c);
	struct json_out j;

	if (a == NULL)
		return;
	j = call_json(c);
	json_open(&j, '{');
	user_members(&j, &a->user);
	if (pool_databases(c->api->set.pool) > 0)
		json_kstr(&j, STR("database"), pool_name(c->api->set.pool, a->engine));
	if (a->plan != NULL) {
		json_key(&j, STR("limits"));
		json_open(&j, '{');
		plan_render(&j, a->plan);
		json_close(&j, '}');
	}
	json_close(&j, '}');
	call_answer(c, 200);
}

struct listing {
	struct users_list list;
	struct json_out json;
	struct str last;
};

static void list_one(struct users_list *list, const struct account *a)
{
	struct listing *l = list->arg;

	json_open(&l->json, '{');
	user_members(&l->json, &a->user);
	json_close(&l->json, '}');
	l->last = a->user.id;
}

void h_users_list(struct call *c)
{
	struct listing *l = arena_new(call_arena(c), struct listing);
	struct str count;
	int64_t n = PAGE_DEFAULT;

	if (!query_get(call_arena(c), c->req->query, STR("count"), &count) ||
	    (count.p != NULL && !str_i64(count, &n)) || n < 1 || n > PAGE_MAX) {
		call_refuse(c, 400, "count: must be a whole number from 1 to 1000");
		return;
	}
	if (!query_get(call_arena(c), c->req->query, STR("cursor"), &l->list.after)) {
		call_refuse(c, 400, "cursor: has a broken percent-escape");
		return;
	}
	l->list.max = (size_t)n;
	l->list.each = list_one;
	l->list.arg = l;
	l->json = call_json(c);
	json_open(&l->json, '{');
	json_key(&l->json, STR("users"));
	json_open(&l->json, '[');
	pool_users_list(c->api->set.pool, &l->list);
	json_close(&l->json, ']');
	if (l->list.more)
		json_kstr(&l->json, STR("cursor"), l->last);
	json_close(&l->json, '}');
	call_answer(c, 200);
}
