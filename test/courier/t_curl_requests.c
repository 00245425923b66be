/* What destinations receive. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/check.h"
#include "rig.h"
#include "server.h"
#include "t.h"

/* Answers each request with what was received of it: head and body. */
static void mirror(struct conn *c)
{
	struct request req;

	while (conn_request(c, &req)) {
		bool is_head = str_eq(req.method, STR("HEAD"));

		conn_fmt(c, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n", req.head.n + req.body.n);
		/* For HEAD, whose answer has no body, the method and length go into headers. */
		conn_fmt(c, "X-Got: %.*s %zu\r\n\r\n", STR_FMT(req.method), req.body.n);
		if (!is_head && !(conn_send(c, req.head) && conn_send(c, req.body)))
			return;
	}
}

static void start(struct server **ret_server, struct rig *ret_rig)
{
	*ret_server = server_start(mirror, NULL);
	rig_open(ret_rig, rig_settings());
}

static void stop(struct server *s, struct rig *r)
{
	rig_close(r);
	server_stop(s);
}

static const struct {
	const char *method, *body, *want; /* after the Host line */
} methods[] = {
	{ "GET", "", "\r\n" },
	{ "GET", "abc", "Content-Length: 3\r\n\r\nabc" },
	{ "POST", "", "Content-Length: 0\r\n\r\n" },
	{ "POST", "abc", "Content-Length: 3\r\n\r\nabc" },
	{ "PUT", "", "Content-Length: 0\r\n\r\n" },
	{ "PUT", "abc", "Content-Length: 3\r\n\r\nabc" },
	{ "PATCH", "", "Content-Length: 0\r\n\r\n" },
	{ "PATCH", "abc", "Content-Length: 3\r\n\r\nabc" },
	{ "DELETE", "", "\r\n" },
	{ "DELETE", "abc", "Content-Length: 3\r\n\r\nabc" },
	{ "OPTIONS", "", "\r\n" },
};

TEST_EACH(sends_each_method_with_and_without_a_body, methods)
{
	struct server *s;
	struct rig r;
	struct call *c;
	char want[500];

	start(&s, &r);
	c = call_new(&r, row->method, "http://127.0.0.1:%d/a/../b/./c?x=%%20&y", server_port(s));
	c->req.body = str_c(row->body);
	snprintf(want, sizeof(want), "%s /a/../b/./c?x=%%20&y HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s",
		 row->method, server_port(s), row->want);
	rig_do(c);
	T_EQ_STR(c->req.outcome.body, want);
	T_EQ_INT(c->req.outcome.sent_bytes, strlen(want));
	call_free(c);
	stop(s, &r);
}

static const struct {
	const char *body, *want;
} heads[] = { { "", "HEAD 0" }, { "abc", "HEAD 3" } };

TEST_EACH(sends_head_with_and_without_a_body, heads)
{
	struct server *s;
	struct rig r;

	start(&s, &r);
	/* Twice: what comes after it must work too. */
	for (int i = 0; i < 2; i++) {
		struct call *c = call_new(&r, "HEAD", "http://127.0.0.1:%d/", server_port(s));

		c->req.body = str_c(row->body);
		rig_do(c);
		T_EQ_INT(c->req.outcome.status, 200);
		T_EQ_STR(c->req.outcome.body, "");
		T_EQ_STR(call_answer_header(c, "X-Got"), row->want);
		call_free(c);
	}
	stop(s, &r);
}

TEST(changes_between_all_methods_on_one_handle)
{
	static const char *const order[] = { "POST", "GET",  "HEAD",  "PUT", "DELETE",
					     "HEAD", "POST", "PATCH", "GET" };
	struct server *s;
	struct rig r;

	start(&s, &r);
	for (size_t i = 0; i < 100; i++) {
		struct call *c = call_new(&r, order[i * 7 % countof(order)], "http://127.0.0.1:%d/",
					  server_port(s));
		char want[40];

		c->req.body = i % 3 == 0 ? STR("body") : STR("");
		snprintf(want, sizeof(want), "%s %d", order[i * 7 % countof(order)],
			 i % 3 == 0 ? 4 : 0);
		rig_do(c);
		T_EQ_STR(call_answer_header(c, "X-Got"), want);
		call_free(c);
	}
	stop(s, &r);
}

TEST(sends_headers_as_given_and_no_others)
{
	struct server *s;
	struct rig r;
	struct call *c;
	char want[1000];

	start(&s, &r);
	c = call_new(&r, "POST", "http://127.0.0.1:%d/", server_port(s));
	call_header(c, "User-Agent", "Upstash-QStash");
	call_header(c, "Content-Type", "text/x-strange; a=\"b\"");
	call_header(c, "x-lower", "kept");
	call_header(c, "X-Empty", "");
	call_header(c, "X-Blank", "  ");
	call_header(c, "X-Twice", "1");
	call_header(c, "X-Twice", "2");
	call_header(c, "X-Colon", "a: b; c");
	call_header(c, "X-Bytes", "\xc3\xa9\xff");
	call_header(c, "Authorization", "Bearer t");
	call_header(c, "Cookie", "a=b");
	call_header(c, "Accept-Encoding", "gzip");
	c->req.body = STR("xy");
	rig_do(c);
	snprintf(want, sizeof(want),
		 "POST / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: Upstash-QStash\r\n"
		 "Content-Type: text/x-strange; a=\"b\"\r\nx-lower: "
		 "kept\r\nX-Empty:\r\nX-Blank:\r\nX-Twice: 1\r\n"
		 "X-Twice: 2\r\nX-Colon: a: b; c\r\nX-Bytes: \xc3\xa9\xff\r\nAuthorization: Bearer "
		 "t\r\n"
		 "Cookie: a=b\r\nAccept-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxy",
		 server_port(s));
	T_EQ_STR(c->req.outcome.body, want);
	call_free(c);
	stop(s, &r);
}

/* Two truths about where a message ends, or about its connection, must not get out. */
TEST(leaves_out_headers_that_are_its_own)
{
	static const char *const names[] = { "Host",       "content-length", "Transfer-Encoding",
					     "CONNECTION", "Keep-Alive",     "Proxy-Connection",
					     "TE",         "Trailer",        "Upgrade",
					     "Expect",     "HTTP2-Settings" };
	struct server *s;
	struct rig r;
	struct call *c;
	char want[300];

	start(&s, &r);
	c = call_new(&r, "POST", "http://127.0.0.1:%d/", server_port(s));
	for (size_t i = 0; i < countof(names); i++)
		call_header(c, names[i],
			    i == 1   ? "999"
			    : i == 2 ? "chunked"
			    : i == 9 ? "100-continue"
				     : "x");
	call_header(c, "X-Kept", "1");
	c->req.body = STR("xy");
	rig_do(c);
	snprintf(
		want, sizeof(want),
		"POST / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-Kept: 1\r\nContent-Length: 2\r\n\r\nxy",
		server_port(s));
	T_EQ_STR(c->req.outcome.body, want);
	call_free(c);
	stop(s, &r);
}

static const struct {
	struct str name, value;
	const char *error;
} bad_headers[] = {
	{ STR("X-A"), STR("a\r\nX-B: b"), "header X-A holds a line break" },
	{ STR("X-A"), STR("a\nb"), "header X-A holds a line break" },
	{ STR("X-A"), STR("a\rb"), "header X-A holds a line break" },
	{ STR("X-A"), STR("a\0b"), "header X-A holds a line break or a NUL" },
	{ STR("X A"), STR("a"), "a header's name is not valid" },
	{ STR("X-A:"), STR("a"), "a header's name is not valid" },
	{ STR("X-A\r\nX-B"), STR("a"), "a header's name is not valid" },
	{ STR("X;"), STR("a"), "a header's name is not valid" },
	{ STR(""), STR("a"), "a header's name is not valid" },
};

TEST_EACH(refuses_headers_that_would_break_the_request, bad_headers)
{
	struct server *s;
	struct rig r;
	struct call *c;

	start(&s, &r);
	c = call_new(&r, "POST", "http://127.0.0.1:%d/", server_port(s));
	c->req.header.v[0] = (struct header){ row->name, row->value };
	c->req.header.n = 1;
	rig_do(c);
	call_failed(c, row->error);
	T_EQ_INT(server_connections(s), 0);
	call_free(c);
	stop(s, &r);
}

static const struct {
	struct str method, url;
	const char *error;
} bad_targets[] = {
	{ STR("GET /x HTTP/1.1\r\n"), STR("http://127.0.0.1:1/"), "the method is not valid" },
	{ STR(""), STR("http://127.0.0.1:1/"), "the method is not valid" },
	{ STR("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJ"), STR("http://127.0.0.1:1/"),
	  "the method is not valid" },
	{ STR("GET"), STR(""), "does not begin with http://" },
	{ STR("GET"), STR("ftp://127.0.0.1/"), "does not begin with http://" },
	{ STR("GET"), STR("file:///etc/passwd"), "does not begin with http://" },
	{ STR("GET"), STR("//127.0.0.1/"), "does not begin with http://" },
	{ STR("GET"), STR("127.0.0.1"), "does not begin with http://" },
	{ STR("GET"), STR("http:127.0.0.1"), "does not begin with http://" },
	{ STR("GET"), STR("http://"), "the URL is not valid" },
	{ STR("GET"), STR("https:///x"), "the URL is not valid" },
	{ STR("GET"), STR("http://127.0.0.1:99999/"), "the URL is not valid" },
	{ STR("GET"), STR("http://127.0.0.1:x/"), "the URL is not valid" },
	{ STR("GET"), STR("http://[::1/"), "the URL is not valid" },
	{ STR("GET"), STR("http://a b/"), "a space or a control character" },
	{ STR("GET"), STR("http://127.0.0.1/a b"), "a space or a control character" },
	{ STR("GET"), STR("http://127.0.0.1/\r\nX: y"), "a space or a control character" },
	{ STR("GET"), STR("http://127.0.0.1/\0"), "a space or a control character" },
	{ STR("GET"), STR("http://user@/"), "the URL is not valid" },
};

TEST_EACH(refuses_what_cannot_be_requested, bad_targets)
{
	struct rig r;
	struct call *c;

	rig_open(&r, rig_settings());
	c = call_new(&r, "GET", "x");
	c->req.method = row->method;
	c->req.url = row->url;
	rig_do(c);
	call_failed(c, row->error);
	call_free(c);
	rig_close(&r);
}

TEST(refuses_a_url_of_more_than_64_kb)
{
	char *text = xmalloc(70000);
	struct rig r;
	struct call *c;

	memset(text, 'a', 70000);
	memcpy(text, "http://", 7);
	rig_open(&r, rig_settings());
	c = call_new(&r, "GET", "x");
	c->req.url = str_n(text, 70000);
	rig_do(c);
	call_failed(c, "longer than 64 KB");
	call_free(c);
	rig_close(&r);
	free(text);
}

static const struct {
	const char *before, *after, *path, *extra;
} urls[] = {
	{ "http://", "", "/", "" },
	{ "HTTP://", "/A?b#fragment", "/A?b", "" },
	{ "http://", "?q=1", "/?q=1", "" },
	{ "http://", "/%2e%2e/%00", "/%2e%2e/%00", "" },
	{ "http://", "//a//", "//a//", "" },
	{ "http://me:pw@", "/", "/", "Authorization: Basic bWU6cHc=\r\n" },
};

TEST_EACH(requests_the_url_as_it_is_written, urls)
{
	struct server *s;
	struct rig r;
	struct call *c;
	char want[300];

	start(&s, &r);
	c = rig_get(&r, "%s127.0.0.1:%d%s", row->before, server_port(s), row->after);
	snprintf(want, sizeof(want), "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n", row->path,
		 server_port(s), row->extra);
	T_EQ_STR(c->req.outcome.body, want);
	call_free(c);
	stop(s, &r);
}

TEST(sends_large_bodies_of_any_bytes)
{
	static const size_t sizes[] = { 1, 16383, 16384, 65535, 65536, 65537, 1 << 20, 5000001 };
	struct server *s;
	struct rig r;

	start(&s, &r);
	for (size_t i = 0; i < countof(sizes); i++) {
		struct call *c = call_new(&r, "POST", "http://127.0.0.1:%d/", server_port(s));
		char *body = xmalloc(sizes[i]);
		struct str got;

		for (size_t j = 0; j < sizes[i]; j++)
			body[j] = (char)(j * 131 >> 3);
		c->req.body = str_n(body, sizes[i]);
		c->req.answer_bytes_max = 10 << 20;
		rig_do(c);
		T_EQ_INT(c->req.outcome.status, 200);
		T_CHECK(c->req.outcome.body.n > sizes[i]);
		got = str_from(c->req.outcome.body, c->req.outcome.body.n - sizes[i]);
		T_CHECK(memcmp(got.p, body, sizes[i]) == 0);
		free(body);
		call_free(c);
	}
	T_EQ_INT(server_connections(s), 1);
	stop(s, &r);
}

/* Answers before the body is read, which then nobody reads. */
static void answer_early(struct conn *c)
{
	char piece[1000];
	size_t n = 0;

	while (n < sizeof(piece)) {
		ssize_t got = recv(c->fd, piece, sizeof(piece) - n, 0);

		if (got <= 0)
			return;
		n += (size_t)got;
	}
	conn_send(c, *(const struct str *)c->arg);
	while (conn_pause(c, 5))
		continue;
}

static const struct {
	struct str answer;
	int status;
	const char *body;
} early[] = {
	{ STR("HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge"), 413,
	  "large" },
	{ STR("HTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\nwhat?"), 404, "what?" },
	{ STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), 200, "ok" },
	{ STR("HTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\n"), 202, "" },
	{ STR("HTTP/1.1 204 OK\r\n\r\n"), 204, "" },
	{ STR("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), 200,
	  "ok" },
};

TEST_EACH(takes_an_answer_that_comes_before_the_body_is_sent, early)
{
	struct str answer = row->answer;
	struct server *s = server_start(answer_early, &answer);
	size_t n = 20 << 20;
	char *body = xcalloc(1, n);
	struct rig r;
	struct call *c;

	rig_open(&r, rig_settings());
	c = call_new(&r, "POST", "http://127.0.0.1:%d/", server_port(s));
	c->req.body = str_n(body, n);
	rig_do(c);
	call_answered(c, row->status);
	T_EQ_STR(c->req.outcome.body, row->body);
	call_free(c);
	rig_close(&r);
	server_stop(s);
	free(body);
}

/* Proxies, .netrc and the like in the environment are for people, not for a server's deliveries. */
TEST(ignores_the_environment)
{
	struct server *s, *proxy = server_start(mirror, NULL);
	struct rig r;
	struct call *c;
	char url[60], path[400], want[200];
	FILE *f;

	snprintf(url, sizeof(url), "http://127.0.0.1:%d", server_port(proxy));
	for (size_t i = 0; i < 6; i++) {
		static const char *const names[] = { "http_proxy",  "HTTP_PROXY", "https_proxy",
						     "HTTPS_PROXY", "all_proxy",  "ALL_PROXY" };

		setenv(names[i], url, 1);
	}
	unsetenv("no_proxy");
	unsetenv("NO_PROXY");
	setenv("HOME", t_tmpdir(), 1);
	snprintf(path, sizeof(path), "%s/.netrc", t_tmpdir());
	f = fopen(path, "w");
	T_CHECK(f != NULL);
	fputs("machine 127.0.0.1 login me password pw\ndefault login me password pw\n", f);
	fclose(f);
	chmod(path, 0600);
	start(&s, &r);
	c = rig_get(&r, "http://127.0.0.1:%d/", server_port(s));
	snprintf(want, sizeof(want), "GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n",
		 server_port(s));
	T_EQ_STR(c->req.outcome.body, want);
	T_EQ_INT(server_connections(proxy), 0);
	call_free(c);
	stop(s, &r);
	server_stop(proxy);
}
