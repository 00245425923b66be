/* What destinations answer, well and badly. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "rig.h"
#include "server.h"
#include "t.h"

/* Answers each request with the bytes of `arg`, then closes. */
static void once(struct conn *c)
{
	struct request req;

	if (conn_request(c, &req))
		conn_send(c, *(const struct str *)c->arg);
}

static const struct {
	const char *method;
	struct str answer;
	int status; /* 0 = none, then `error` is part of the sentence */
	const char *error;
	const char *body;
	const char *header, *value; /* NULL = not looked at; value NULL = absent */
} answers[] = {
	{ "POST", STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), 200, NULL, "ok", NULL,
	  NULL },
	{ "POST", STR("HTTP/1.1 204 No Content\r\n\r\n"), 204, NULL, "", NULL, NULL },
	{ "POST", STR("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"), 304, NULL, "",
	  NULL, NULL },
	{ "HEAD", STR("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"), 200, NULL, "",
	  "Content-Length", "99" },
	{ "POST", STR("HTTP/1.1 201 \r\nContent-Length: 0\r\n\r\n"), 201, NULL, "", NULL, NULL },
	{ "POST", STR("HTTP/1.1 202\r\nContent-Length: 0\r\n\r\n"), 202, NULL, "", NULL, NULL },
	{ "POST",
	  STR("HTTP/1.1 489 Stop\r\nUpstash-NonRetryable-Error: true\r\nContent-Length: "
	      "1\r\n\r\nx"),
	  489, NULL, "x", "Upstash-Nonretryable-Error", "true" },
	{ "POST", STR("HTTP/1.1 500 Oh\r\nContent-Length: 3\r\n\r\nbad"), 500, NULL, "bad", NULL,
	  NULL },
	{ "POST", STR("HTTP/1.1 429 No\r\nretry-after: 7\r\nContent-Length: 0\r\n\r\n"), 429, NULL,
	  "", "Retry-After", "7" },
	{ "POST",
	  STR("HTTP/1.1 401 Who\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"),
	  401, NULL, "", "Www-Authenticate", "Basic realm=x" },
	/* Redirects are answers like others. */
	{ "POST", STR("HTTP/1.1 302 Found\r\nLocation: /else\r\nContent-Length: 0\r\n\r\n"), 302,
	  NULL, "", "Location", "/else" },
	{ "GET",
	  STR("HTTP/1.1 308 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"),
	  308, NULL, "", NULL, NULL },
	/* Interim answers, and what they do not leave behind. */
	{ "POST",
	  STR("HTTP/1.1 100 Continue\r\nX-A: interim\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
	      "2\r\n\r\nok"),
	  200, NULL, "ok", "X-A", NULL },
	{ "POST",
	  STR("HTTP/1.1 103 Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 404 "
	      "No\r\nX-A: b\r\n"
	      "Content-Length: 1\r\n\r\nz"),
	  404, NULL, "z", "X-A", "b" },
	/* How a body ends. */
	{ "POST",
	  STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: "
	      "chunked\r\n\r\n2\r\nab\r\n3;x=y\r\ncde\r\n0\r\n\r\n"),
	  200, NULL, "abcde", NULL, NULL },
	{ "POST",
	  STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nTrailer: "
	      "X-T\r\n\r\n1\r\na\r\n0\r\nX-T: 1\r\n\r\n"),
	  200, NULL, "a", "X-T", NULL },
	{ "POST", STR("HTTP/1.1 200 OK\r\n\r\nuntil the end"), 200, NULL, "until the end", NULL,
	  NULL },
	{ "POST", STR("HTTP/1.0 200 OK\r\nX-A: 1\r\n\r\nold"), 200, NULL, "old", "X-A", "1" },
	{ "POST", STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nmore than said"), 200, NULL,
	  "mo", NULL, NULL },
	/* Headers. */
	{ "POST", STR("HTTP/1.1 200 OK\r\nx-lower-case:\t v \t\r\nContent-Length: 0\r\n\r\n"), 200,
	  NULL, "", "X-Lower-Case", "v" },
	{ "POST", STR("HTTP/1.1 200 OK\r\nX-Empty:\r\nContent-Length: 0\r\n\r\n"), 200, NULL, "",
	  "X-Empty", "" },
	{ "POST", STR("HTTP/1.1 200 OK\r\nX-Two: a\r\nX-Two: b\r\nContent-Length: 0\r\n\r\n"), 200,
	  NULL, "", "X-Two", "a" },
	{ "POST", STR("HTTP/1.1 200 OK\r\nX-Long: a\r\n\tb\r\nContent-Length: 0\r\n\r\n"), 200,
	  NULL, "", "X-Long", "a b" },
	{ "POST", STR("HTTP/1.1 200 OK\nX-A: bare lines\nContent-Length: 1\n\nx"), 200, NULL, "x",
	  "X-A", "bare lines" },
	{ "POST",
	  STR("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: "
	      "4\r\n\r\n\x1f\x8b\x08!"),
	  200, NULL, "\x1f\x8b\x08!", "Content-Encoding", "gzip" },
	/* No answer, or none that can be trusted. */
	{ "POST", STR("HTTP/1.1 200 OK\r\n"), 0,
	  "before its answer was complete: status 200 and 0 bytes", "", NULL, NULL },
	{ "POST", STR("HTTP/1.1 200 OK\r\nX-A: b\r\nX-"), 0, "before its answer was complete", "",
	  NULL, NULL },
	{ "HEAD", STR("HTTP/1.1 200 OK\r\nX-A: b\r\n"), 0, "before its answer was complete", "",
	  NULL, NULL },
	{ "POST", STR("HTTP/1.1 100 Continue\r\n\r\n"), 0,
	  "before its answer was complete: status 100", "", NULL, NULL },
	{ "POST", STR("HTTP/1.1 1"), 0, "without an answer", "", NULL, NULL },
	{ "POST", STR(""), 0, "closed the connection without an answer", "", NULL, NULL },
	{ "POST", STR("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"), 0,
	  "closed the connection before its answer was complete: status 200 and 5 bytes", "", NULL,
	  NULL },
	{ "POST", STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"), 0,
	  "closed the connection before its answer was complete: status 200 and 2 bytes", "", NULL,
	  NULL },
	{ "POST", STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab"), 0,
	  "broken answer from", "", NULL, NULL },
	{ "POST", STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 0,
	  "transfer coding that was not asked for", "", NULL, NULL },
	{ "POST", STR("SSH-2.0-OpenSSH_9.2\r\n"), 0, "no HTTP answer from", "", NULL, NULL },
	{ "POST", STR("HTTP/1.1 20 OK\r\n\r\n"), 0, "no HTTP answer from", "", NULL, NULL },
	{ "POST", STR("HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 0\r\n\r\n"), 0,
	  "no HTTP answer from", "", NULL, NULL },
	{ "POST", STR("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"), 0, "no HTTP answer from",
	  "", NULL, NULL },
};

TEST_EACH(reports_what_was_answered, answers)
{
	struct str answer = row->answer;
	struct server *s = server_start(once, &answer);
	struct rig r;
	struct call *c;
	struct outcome *o;

	rig_open(&r, rig_settings());
	c = call_new(&r, row->method, "http://127.0.0.1:%d/", server_port(s));
	rig_do(c);
	o = &c->req.outcome;
	if (row->status == 0)
		call_failed(c, row->error);
	else
		call_answered(c, row->status);
	T_EQ_STR(o->body, row->body);
	T_CHECK(!o->body_cut && o->duration_ms >= 0 && o->duration_ms < 10000);
	if (row->header != NULL)
		T_EQ_STR(call_answer_header(c, row->header), row->value);
	T_EQ_INT(server_requests(s), 1);
	call_free(c);
	rig_close(&r);
	server_stop(s);
}

static void many_fields(struct conn *c)
{
	struct request req;

	while (conn_request(c, &req)) {
		int n = str_eq(req.path, STR("/257")) ? 257 : 256;

		conn_fmt(c, "HTTP/1.1 200 OK\r\n");
		for (int i = 1; i < n; i++)
			conn_fmt(c, "X-%d: %d\r\n", i, i);
		conn_fmt(c, "Content-Length: 0\r\n\r\n");
	}
}

TEST(takes_up_to_256_header_fields)
{
	struct server *s = server_start(many_fields, NULL);
	struct rig r;
	struct call *c;

	rig_open(&r, rig_settings());
	c = rig_get(&r, "http://127.0.0.1:%d/", server_port(s));
	T_EQ_INT(c->req.outcome.status, 200);
	T_EQ_INT(c->req.outcome.header.n, 256);
	T_EQ_STR(call_answer_header(c, "X-255"), "255");
	call_free(c);
	c = rig_get(&r, "http://127.0.0.1:%d/257", server_port(s));
	call_failed(c, "more than 256 header fields");
	call_free(c);
	rig_close(&r);
	server_stop(s);
}

struct flood {
	struct str first, piece; /* the piece is sent over and over */
	const char *error;
	const char *error_http; /* of our own client, which meets another of its limits first */
};

static void flood(struct conn *c)
{
	const struct flood *f = c->arg;
	struct request req;

	if (!conn_request(c, &req) || !conn_send(c, f->first))
		return;
	while (conn_send(c, f->piece))
		continue;
}

#define FORTY "0123456789012345678901234567890123456789"

static const struct flood floods[] = {
	{ STR("HTTP/1.1 200 OK\r\n"), STR("X-Flood: " FORTY "\r\n"), "more than 256 header fields",
	  "longer than 64 KB" },
	{ STR("HTTP/1.1 200 OK\r\n"),
	  STR("X: " FORTY FORTY FORTY FORTY FORTY FORTY FORTY FORTY "\r\n"), "longer than 64 KB",
	  NULL },
	{ STR("HTTP/1.1 200 OK\r\nX: "), STR("y\r\n "), "more than 64 folded header lines",
	  "longer than 64 KB" },
	{ STR("HTTP/1.1 200 OK\r\nX: "), STR(FORTY), "a line in the head of its answer is too long",
	  NULL },
	{ STR(FORTY), STR(FORTY), "no HTTP answer from", NULL },
	{ STR("HTTP/1.1 102 Processing\r\n"), STR("\r\nHTTP/1.1 102 Processing\r\n"),
	  "longer than 64 KB", NULL },
	{ STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"),
	  STR("X-T: " FORTY "\r\n"), "longer than 64 KB", "broken answer from" },
};

TEST_EACH(breaks_off_an_endless_head, floods)
{
	struct flood f = *row;
	struct server *s = server_start(flood, &f);
	struct rig r;
	struct call *c;

	rig_open(&r, rig_settings());
	c = rig_get(&r, "http://127.0.0.1:%d/", server_port(s));
	call_failed(c, rig_is_curl || row->error_http == NULL ? row->error : row->error_http);
	T_CHECK(c->req.outcome.duration_ms < 5000);
	T_CHECK(c->req.arena.bytes < 1 << 20);
	RIG_UNTIL(&r, server_open(s) == 0);
	call_free(c);
	rig_close(&r);
	server_stop(s);
}

struct large {
	size_t bytes; /* of the body */
	int kind;     /* 0 = Content-Length, 1 = chunked, 2 = until the end */
	size_t sent;  /* out, once the connection is over */
	char piece[64 * 1024];
};

static void send_large(struct conn *c)
{
	struct large *l = c->arg;
	struct request req;

	if (!conn_request(c, &req))
		return;
	conn_fmt(c, "HTTP/1.1 200 OK\r\n");
	if (l->kind == 0)
		conn_fmt(c, "Content-Length: %zu\r\n", l->bytes);
	conn_fmt(c, l->kind == 1 ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n");
	for (l->sent = 0; l->sent < l->bytes;) {
		size_t n = l->bytes - l->sent < sizeof(l->piece) ? l->bytes - l->sent
								 : sizeof(l->piece);

		if ((l->kind == 1 && !conn_fmt(c, "%zx\r\n", n)) ||
		    !conn_send(c, str_n(l->piece, n)) ||
		    (l->kind == 1 && !conn_send(c, STR("\r\n"))))
			return;
		l->sent += n;
	}
	if (l->kind == 1)
		conn_send(c, STR("0\r\n\r\n"));
}

static struct large *large_new(size_t bytes, int kind)
{
	struct large *l = xcalloc(1, sizeof(*l));

	l->bytes = bytes;
	l->kind = kind;
	for (size_t i = 0; i < sizeof(l->piece); i++)
		l->piece[i] = (char)(i * 31 % 251);
	return l;
}

static void check_pattern(const struct large *l, struct str body)
{
	for (size_t i = 0; i < body.n; i++)
		if (body.p[i] != l->piece[i % sizeof(l->piece)])
			T_FAIL("byte %zu of the body is wrong", i);
}

static const struct {
	size_t bytes, max, kept;
	int kind;
} bodies[] = {
	{ 5, 4, 4, 0 },
	{ 5, 5, 5, 0 },
	{ 5, 6, 5, 0 },
	{ 5, 0, 0, 0 },
	{ 0, 0, 0, 0 },
	{ 5, 4, 4, 1 },
	{ 5, 5, 5, 1 },
	{ 5, 0, 0, 1 },
	{ 5, 4, 4, 2 },
	{ 5, 5, 5, 2 },
	{ 0, 0, 0, 2 },
	{ 100000, 99999, 99999, 0 },
	{ 100000, 100000, 100000, 0 },
	{ 3000000, 5000000, 3000000, 0 },
	{ 3000000, 5000000, 3000000, 1 },
	{ 3000000, 5000000, 3000000, 2 },
	{ 3000000, 2000000, 2000000, 1 },
	{ 16384, 16384, 16384, 1 },
	{ 16385, 16384, 16384, 1 },
};

TEST_EACH(keeps_a_body_up_to_the_limit, bodies)
{
	struct large *l = large_new(row->bytes, row->kind);
	struct server *s = server_start(send_large, l);
	struct rig r;
	struct call *c;

	rig_open(&r, rig_settings());
	c = call_new(&r, "GET", "http://127.0.0.1:%d/", server_port(s));
	c->req.answer_bytes_max = row->max;
	rig_do(c);
	call_answered(c, 200);
	T_EQ_INT(c->req.outcome.body.n, row->kept);
	T_CHECK(c->req.outcome.body_cut == (row->kept < row->bytes));
	check_pattern(l, c->req.outcome.body);
	call_free(c);
	rig_close(&r);
	server_stop(s);
	free(l);
}

static const struct {
	int kind;
} kinds[] = { { 0 }, { 1 }, { 2 } };

TEST_EACH(reads_no_further_than_needed_of_a_gigabyte, kinds)
{
	struct large *l = large_new((size_t)1 << 30, row->kind);
	struct server *s = server_start(send_large, l);
	struct rig r;
	struct call *c;

	rig_open(&r, rig_settings());
	c = call_new(&r, "GET", "http://127.0.0.1:%d/", server_port(s));
	c->req.answer_bytes_max = 100 * 1000;
	rig_do(c);
	T_EQ_INT(c->req.outcome.status, 200);
	T_CHECK(c->req.outcome.body_cut);
	T_EQ_INT(c->req.outcome.body.n, 100 * 1000);
	check_pattern(l, c->req.outcome.body);
	T_CHECK(c->req.arena.bytes < 512 * 1024);
	RIG_UNTIL(&r, server_open(s) == 0);
	/* What the kernel's buffers took. */
	T_CHECK(l->sent < 32 << 20);
	call_free(c);
	rig_close(&r);
	server_stop(s);
	free(l);
}

/* A declared length alone must not cost memory. */
static void promise(struct conn *c)
{
	struct request req;

	if (conn_request(c, &req) &&
	    conn_fmt(c, "HTTP/1.1 200 OK\r\nContent-Length: 40000000\r\n\r\nx"))
		conn_hold(c);
}

TEST(allocates_what_came_not_what_was_promised)
{
	struct server *s = server_start(promise, NULL);
	struct rig r;
	struct call *c;

	rig_open(&r, rig_settings());
	c = call_new(&r, "GET", "http://127.0.0.1:%d/", server_port(s));
	c->req.answer_bytes_max = 50 << 20;
	c->req.timeout_ms = 300;
	rig_do(c);
	call_failed(c, "no complete answer from 127.0.0.1:");
	call_failed(c, "within 300 ms: status 200 and 1 bytes of the body had come");
	T_CHECK(c->req.arena.bytes < 64 * 1024);
	call_free(c);
	rig_close(&r);
	server_stop(s);
}
