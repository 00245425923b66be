/* h_databases.c - the databases of the pool, and moving users between them, for the administrator
 * (docs/operations.md).
 */
#include "api/call.h"
#include "api/handlers.h"

struct change {
	struct pool_op op;
	int status; /* of the answer */
};

static void changed(struct pool_op *op)
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
	if (op->what == POOL_MOVE)
		json_kstr(&j, STR("id"), op->account->user.id);
	json_kstr(&j, STR("database"), op->database);
	json_kstr(&j, STR("state"),
		  op->what == POOL_ADD    ? STR("open")
		  : op->what == POOL_MOVE ? STR("moving")
					  : STR("draining"));
	json_close(&j, '}');
	call_answer(c, x->status);
}

static struct change *change_new(struct call *c, enum pool_what what, int status)
{
	struct change *x = arena_new(call_arena(c), struct change);

	x->status = status;
	x->op.what = what;
	x->op.done = changed;
	x->op.arg = c;
	return x;
}

/* The one member that the body has. False with the call answered. */
static bool take_member(struct call *c, const char *key, struct str *ret_text)
{
	struct problem p = { 0 };
	char why[96];
	const struct json *body = json_parse(call_arena(c), c->req->body, why);
	const struct json *v = body != NULL ? json_get(body, str_c(key)) : NULL;

	if (body == NULL)
		problem_set(&p, 400, "the body is not JSON: %s", why);
	else if (body->kind != JSON_OBJECT || v == NULL || v->kind != JSON_STRING || v->text.n == 0)
		problem_set(&p, 400, "%s: must be given, as a string that is not empty", key);
	else if (body->child->next != NULL)
		problem_set(&p, 400, "%s: is the only member allowed", key);
	if (p.status != 0) {
		call_fail(c, &p);
		return false;
	}
	*ret_text = v->text;
	return true;
}

void h_databases_add(struct call *c)
{
	struct change *x = change_new(c, POOL_ADD, 201);

	if (take_member(c, "url", &x->op.url))
		pool_change(c->api->set.pool, &x->op);
}

void h_databases_drain(struct call *c)
{
	struct change *x = change_new(c, POOL_DRAIN, 202);

	x->op.database = c->id[0];
	pool_change(c->api->set.pool, &x->op);
}

void h_users_move(struct call *c)
{
	struct change *x = change_new(c, POOL_MOVE, 202);
	struct problem p = { 0 };

	x->op.account = pool_account(c->api->set.pool, c->id[0]);
	if (x->op.account == NULL) {
		problem_set(&p, 404, "there is no user '%.*s'", STR_FMT(str_sub(c->id[0], 0, 100)));
		call_fail(c, &p);
		return;
	}
	if (take_member(c, "database", &x->op.database))
		pool_change(c->api->set.pool, &x->op);
}

/* ---- looking ---------------------------------------------------------------------------------- */

/* Without user and password. */
static struct str url_shown(struct call *c, struct str url)
{
	struct str rest = url, last = url;
	struct str scheme = str_cut(&rest, ':');
	size_t at = 0;

	for (size_t i = 0; i < rest.n; i++)
		at = rest.p[i] == '@' ? i + 1 : at;
	last = str_from(rest, at);
	if (at == 0)
		return url;
	return arena_fmt(call_arena(c), "%.*s://%.*s", STR_FMT(scheme), STR_FMT(last));
}

static void show(struct call *c, struct json_out *j, const struct pool_database *d)
{
	json_open(j, '{');
	json_kstr(j, STR("name"), d->name);
	json_kstr(j, STR("url"), url_shown(c, d->url));
	json_kstr(j, STR("state"), d->draining ? STR("draining") : STR("open"));
	json_kbool(j, STR("up"), d->up);
	json_kint(j, STR("users"), (int64_t)d->users);
	json_kint(j, STR("moving"), (int64_t)d->moving);
	json_close(j, '}');
}

void h_databases_list(struct call *c)
{
	struct pool *p = c->api->set.pool;
	struct json_out j = call_json(c);

	json_open(&j, '{');
	json_key(&j, STR("databases"));
	json_open(&j, '[');
	for (size_t i = 0; i < pool_databases(p); i++) {
		struct pool_database d;

		pool_database(p, i, &d);
		show(c, &j, &d);
	}
	json_close(&j, ']');
	json_close(&j, '}');
	call_answer(c, 200);
}
