#include "logs/logserver.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/json.h"
#include "base/list.h"
#include "logs/logwire.h"

enum { STATUS_BYTES_MAX = 64 * 1024 };

struct logserver {
	struct logserver_settings set;
	char *secret; /* owned */
	struct list forgetting;
};

enum path { PATH_NONE, PATH_QUERY, PATH_FORGET, PATH_STATUS };

/* A request that waits; in its own arena. */
struct asked {
	struct httpd_req *req;
	struct logs_query query;
	struct list node; /* in logserver.forgetting */
	uint64_t number;
};

static void reply(struct httpd_req *req, int status, struct str body)
{
	httpd_reply(req, &(struct httpd_reply){
				 .status = status,
				 .content_type = STR("application/octet-stream"),
				 .body = body,
			 });
}

static enum path path_of(const struct httpd_req *req)
{
	bool is_post = str_eq(req->head->method, STR("POST"));

	if (is_post && str_eq(req->path, STR("/query")))
		return PATH_QUERY;
	if (is_post && str_eq(req->path, STR("/forget")))
		return PATH_FORGET;
	if (str_eq(req->head->method, STR("GET")) && str_eq(req->path, STR("/status")))
		return PATH_STATUS;
	return PATH_NONE;
}

/* Takes as long wherever the two differ. */
static bool is_same_secret(struct str a, struct str b)
{
	unsigned differ = a.n != b.n;

	for (size_t i = 0; i < a.n && i < b.n; i++)
		differ |= (unsigned)(a.p[i] ^ b.p[i]);
	return differ == 0;
}

static bool may_ask(const struct logserver *s, const struct httpd_req *req)
{
	struct str secret = str_c(s->secret), field = httpd_field(req, STR("Authorization"));

	if (secret.n == 0)
		return true;
	return str_starts(field, STR("Bearer ")) && is_same_secret(str_from(field, 7), secret);
}

static void on_head(void *arg, struct httpd_req *req)
{
	static const size_t body_max[] = {
		[PATH_QUERY] = LOGWIRE_QUERY_BYTES_MAX,
		[PATH_FORGET] = LOGWIRE_USER_BYTES_MAX,
		[PATH_STATUS] = 0,
	};
	enum path path = path_of(req);

	if (!may_ask(arg, req))
		reply(req, 401, STR("the secret of the log processes is wrong or missing"));
	else if (path == PATH_NONE)
		reply(req, 404, STR("not found"));
	else
		req->body_max = body_max[path];
}

/* ---- queries ---------------------------------------------------------------------------------------- */

static void answered(struct logs_query *q)
{
	struct asked *a = q->arg;
	struct buf out, body = q->body;

	buf_init(&out, LOGWIRE_ANSWER_BYTES_MAX);
	logwire_answer(&out, q);
	if (out.overflow)
		reply(a->req, 500, STR("the answer is too long"));
	else
		reply(a->req, 200, buf_str(&out));
	buf_done(&out);
	buf_done(&body);
}

static void query(struct logserver *s, struct httpd_req *req)
{
	struct asked *a = arena_new(req->arena, struct asked);
	const char *why;

	if (!logwire_query_read(req->arena, req->body, &a->query, &why)) {
		reply(req, 400, str_c(why));
		return;
	}
	a->req = req;
	a->query.done = answered;
	a->query.arg = a;
	logs_query(s->set.logs, &a->query);
	if (a->query.not_before_pos > 0)
		s->set.hurry(s->set.arg);
}

/* ---- forgetting ------------------------------------------------------------------------------------- */

static void forget(struct logserver *s, struct httpd_req *req)
{
	struct asked *a = arena_new(req->arena, struct asked);

	if (req->body.n == 0) {
		reply(req, 400, STR("the body must be the id of a user"));
		return;
	}
	a->req = req;
	a->number = s->set.forget(s->set.arg, req->body);
	list_push(&s->forgetting, &a->node);
	logserver_poll(s);
}

void logserver_poll(struct logserver *s)
{
	struct list *it, *tmp;

	list_each(it, tmp, &s->forgetting) {
		struct asked *a = list_entry(it, struct asked, node);

		if (!s->set.is_forgotten(s->set.arg, a->number))
			continue;
		list_remove(&a->node);
		reply(a->req, 200, STR_NULL);
	}
}

/* ---- the server ------------------------------------------------------------------------------------- */

static void status(struct logserver *s, struct httpd_req *req)
{
	struct buf out;

	buf_init(&out, STATUS_BYTES_MAX);
	s->set.status(s->set.arg, &out);
	httpd_reply(req, &(struct httpd_reply){
				 .status = out.overflow ? 500 : 200,
				 .content_type = STR("application/json"),
				 .body = buf_str(&out),
			 });
	buf_done(&out);
}

static void on_request(void *arg, struct httpd_req *req)
{
	switch (path_of(req)) {
	case PATH_QUERY:
		query(arg, req);
		return;
	case PATH_FORGET:
		forget(arg, req);
		return;
	case PATH_STATUS:
		status(arg, req);
		return;
	case PATH_NONE:
		break;
	}
	unreachable();
}

static void on_too_large(void *arg, struct httpd_req *req)
{
	reply(req, 413, STR("the body is too long"));
}

static void on_refused(void *arg, int status_code, const char *why, struct buf *ret_body)
{
	buf_add(ret_body, str_c(why));
}

const struct httpd_ops *logserver_ops(void)
{
	static const struct httpd_ops ops = {
		.head = on_head,
		.request = on_request,
		.too_large = on_too_large,
		.refused = on_refused,
	};

	return &ops;
}

struct logserver *logserver_new(const struct logserver_settings *settings)
{
	struct logserver *s = xcalloc(1, sizeof(*s));

	s->set = *settings;
	s->secret = str_dup(settings->secret);
	list_init(&s->forgetting);
	return s;
}

void logserver_free(struct logserver *s)
{
	struct list *node;

	if (!s)
		return;
	while ((node = list_pop(&s->forgetting)) != NULL)
		reply(list_entry(node, struct asked, node)->req, 503,
		      STR("the log process is stopping"));
	free(s->secret);
	free(s);
}
