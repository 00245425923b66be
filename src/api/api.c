#include "api/api.h"

#include <stdlib.h>

#include "api/auth.h"
#include "api/burst.h"
#include "api/call.h"
#include "api/cors.h"
#include "api/handlers.h"
#include "api/routes.h"
#include "base/check.h"

struct api *api_new(const struct api_settings *settings)
{
	struct api *api = xcalloc(1, sizeof(*api));

	check(settings->pool != NULL && settings->logs.query != NULL && settings->loop != NULL);
	api->set = *settings;
	buf_init(&api->out, API_ANSWER_BYTES_MAX);
	return api;
}

void api_free(struct api *api)
{
	if (api == NULL)
		return;
	buf_done(&api->out);
	free(api);
}

static bool is_under_admin(struct str path)
{
	struct str prefix = STR("/v2/admin");

	return str_istarts(path, prefix) && (path.n == prefix.n || path.p[prefix.n] == '/');
}

static bool is_served(const struct call *c)
{
	if (c->api->set.logs_only)
		return c->route->scope == ROUTE_LOG || c->route->run == h_health;
	return !c->api->set.control || c->route->scope == ROUTE_ADMIN ||
	       c->route->scope == ROUTE_OPEN;
}

/* False when the call is answered. */
static bool find_route(struct call *c)
{
	struct route_match m = { 0 };
	enum route_method method = router_method(c->req->head->method);

	if (is_under_admin(c->req->path) && !c->api->set.control &&
	    c->api->set.admin_token.n == 0) {
		call_refuse(c, 404, "no such endpoint");
		return false;
	}
	switch (router_find(call_arena(c), routes_table(), method, c->req->path, &m)) {
	case ROUTE_FOUND:
		c->route = m.route;
		for (size_t i = 0; i < m.ids; i++)
			c->id[i] = m.id[i];
		c->rest = m.rest;
		if (is_served(c))
			return true;
		call_refuse(c, 404, "no such endpoint");
		return false;
	case ROUTE_UNKNOWN:
		call_refuse(c, 404, "no such endpoint");
		return false;
	case ROUTE_OTHER_METHOD:
		call_refuse_method(c, m.allow);
		return false;
	case ROUTE_BAD_ID:
		call_refuse(c, 400, "the path has a broken percent-escape");
		return false;
	}
	unreachable();
}

/* False when the call is answered. */
static bool admit_admin(struct call *c, struct str token)
{
	if (auth_is_equal(token, c->api->set.admin_token))
		return true;
	call_refuse(c, 401, "unable to authenticate: this needs the admin token");
	return false;
}

/* It may be that of a user whom a database knows that has been away since the start. */
static void refuse_token(struct call *c)
{
	if (pool_is_whole(c->api->set.pool))
		call_refuse(c, 401, "unable to authenticate: invalid token");
	else
		call_refuse(c, 503,
			    "this token is not known, but one of the databases has not been "
			    "reached yet; try again");
}

/* False when the call is answered. */
static bool admit(struct call *c)
{
	struct str field = httpd_field(c->req, STR("Authorization"));
	struct str token;
	enum token_kind kind;

	if (c->route->scope == ROUTE_OPEN || c->api->set.control)
		return true;
	token = auth_token(call_arena(c), field, c->req->query);
	if (c->route->scope == ROUTE_ADMIN)
		return admit_admin(c, token);
	kind = pool_token(c->api->set.pool, token, &c->account);
	if (kind == TOKEN_NONE) {
		refuse_token(c);
		return false;
	}
	if (c->account->user.moving) {
		call_refuse(c, 503, "this user is being moved to another database; try again");
		return false;
	}
	if (kind == TOKEN_READ_ONLY && c->route->scope != ROUTE_READ &&
	    c->route->scope != ROUTE_LOG) {
		call_refuse(c, 403, "this needs the full token; the read-only one may only read");
		return false;
	}
	c->engine = c->account->engine;
	c->plan = c->account->plan;
	return c->route->scope == ROUTE_SEND || burst_admit(c);
}

static size_t body_max(const struct call *c)
{
	switch (c->route->body) {
	case ROUTE_SMALL:
		return API_SMALL_BYTES_MAX;
	case ROUTE_BATCH:
		return API_BATCH_BYTES_MAX;
	case ROUTE_MESSAGE:
		if (c->plan == NULL)
			return API_OPEN_BYTES_MAX;
		if (c->plan->message_bytes_max > 0 &&
		    c->plan->message_bytes_max < API_MESSAGE_BYTES_MAX)
			return (size_t)c->plan->message_bytes_max;
		return API_MESSAGE_BYTES_MAX;
	}
	unreachable();
}

static void on_head(void *arg, struct httpd_req *req)
{
	struct call *c = arena_new(req->arena, struct call);

	c->api = arg;
	c->req = req;
	req->data = c;
	if (c->api->set.cors && cors_is_preflight(req)) {
		cors_answer_preflight(c);
		return;
	}
	if (!find_route(c) || !admit(c))
		return;
	c->body_max = body_max(c);
	req->body_max = c->body_max;
}

static void on_request(void *arg, struct httpd_req *req)
{
	struct call *c = req->data;

	/* Deleted while the body came. */
	if (c->account != NULL && c->account->removed)
		call_refuse(c, 401, "unable to authenticate: invalid token");
	else
		c->route->run(c);
}

static void on_too_large(void *arg, struct httpd_req *req)
{
	struct call *c = req->data;
	struct problem p = { 0 };

	if (c->route->body == ROUTE_MESSAGE)
		problem_set(&p, 412, "quota maxMessageSize exceeded, current limit: %zu",
			    c->body_max);
	else
		problem_set(&p, 413, "the body of this request may have %zu bytes at most",
			    c->body_max);
	call_fail(c, &p);
}

static void on_refused(void *arg, int status, const char *why, struct buf *ret_body)
{
	struct json_out j = json_out(ret_body);

	json_open(&j, '{');
	json_kstr(&j, STR("error"), str_c(why));
	json_close(&j, '}');
}

const struct httpd_ops *api_ops(void)
{
	static const struct httpd_ops ops = { on_head, on_request, on_too_large, on_refused };

	return &ops;
}
