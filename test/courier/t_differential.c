/* Both clients before the same servers: the same verdict, or a reason why not.
 *
 * Every row is sent to by both, each over a connection of its own, all rows at once. The verdict is
 * all that the courier reports: status, headers, body, or the sentence that says why there is none,
 * up to where a client adds words of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "courier/curl/curl_courier.h"
#include "rig.h"
#include "server.h"
#include "t.h"

struct row {
	const char *method;
	struct str answer;
	const char *why; /* why ours differs; NULL = it must not */
	int status;      /* what ours says then; 0 = `error` */
	const char *error;
};

#define OK "HTTP/1.1 200 OK\r\n"
#define TEN "0123456789"
#define SAME(method, answer) { method, STR(answer), NULL, 0, NULL }
#define OURS(method, answer, why, status, error) { method, STR(answer), why, status, error }

static const struct row answers[] = {
	/* Plain ones. */
	SAME("GET", OK "Content-Length: 2\r\n\r\nok"),
	SAME("POST", OK "Content-Length: 0\r\n\r\n"),
	SAME("PUT", OK "content-length: 3\r\nX-lower-Case: a\r\n\r\nabc"),
	SAME("DELETE", "HTTP/1.1 204 No Content\r\n\r\n"),
	SAME("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"),
	SAME("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n"),
	SAME("HEAD", OK "Content-Length: 10\r\n\r\n"),
	SAME("HEAD", OK "Transfer-Encoding: chunked\r\n\r\n"),
	SAME("HEAD", OK "\r\n"),
	SAME("GET", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok"),
	SAME("GET", "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok"),
	SAME("GET", "HTTP/1.1 599 What\r\nContent-Length: 2\r\n\r\nok"),
	SAME("GET", "HTTP/1.1 999 What\r\nContent-Length: 2\r\n\r\nok"),
	SAME("GET", "HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n"),
	SAME("GET", "HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"),
	SAME("POST", "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"),
	SAME("POST", "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"),
	SAME("POST", "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n"),
	SAME("GET", "HTTP/1.1 421 No\r\nContent-Length: 0\r\n\r\n"),
	/* Connection. */
	SAME("GET", OK "Connection: close\r\nContent-Length: 2\r\n\r\nok"),
	SAME("GET", OK "Connection: keep-alive\r\nContent-Length: 2\r\n\r\nok"),
	SAME("GET", OK "Connection: close, x\r\n\r\nok"),
	SAME("GET", OK "Keep-Alive: timeout=5, max=1\r\nContent-Length: 2\r\n\r\nok"),
	SAME("GET", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
	SAME("GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"),
	SAME("GET", OK "Upgrade: h2c\r\nContent-Length: 2\r\n\r\nok"),
	/* Interim answers. */
	SAME("POST", "HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 2\r\n\r\nok"),
	SAME("POST", "HTTP/1.1 102 P\r\nX-A: b\r\n\r\nHTTP/1.1 103 E\r\n\r\n" OK
		     "Content-Length: 2\r\n\r\nok"),
	SAME("POST", "HTTP/1.1 199 P\r\n\r\n" OK "Content-Length: 2\r\n\r\nok"),
	SAME("POST",
	     "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n" OK "Content-Length: 2\r\n\r\nok"),
	SAME("HEAD", "HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 2\r\n\r\n"),
	SAME("POST", "HTTP/1.1 100 Continue\r\n\r\n"),
	OURS("GET", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nabc",
	     "the sentence says at once what is wrong", 0, "it changes protocols"),
	/* Ends of bodies. */
	SAME("GET", OK "\r\nuntil the end"),
	SAME("GET", OK "\r\n"),
	SAME("GET", OK "Content-Length: 2\r\n\r\nok and more"),
	SAME("GET", OK "Content-Length: 20\r\n\r\nnot all"),
	SAME("GET", OK "Content-Length: 0020\r\n\r\n" TEN TEN),
	SAME("GET", OK "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok"),
	SAME("GET", OK "Content-Length: -1\r\n\r\nok"),
	SAME("GET", OK "Content-Length: x\r\n\r\nok"),
	SAME("GET", OK "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"),
	SAME("GET", OK "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
	SAME("GET", OK "Transfer-Encoding: chunked\r\n\r\n0000\r\n\r\n"),
	SAME("GET", OK "Transfer-Encoding: CHUNKED\r\n\r\n2;a=b\r\nok\r\n0;c\r\n\r\n"),
	SAME("GET", OK "Transfer-Encoding: chunked\r\n\r\n2 ;a=\"b\"\r\nok\r\n0\r\n\r\n"),
	SAME("GET", OK "Transfer-Encoding: chunked\r\n\r\nA\r\n" TEN "\r\n0\r\nX-T: 1\r\n\r\n"),
	SAME("GET",
	     OK "Transfer-Encoding: chunked\r\n\r\na\r\n" TEN "\r\n0\r\nX-T: 1\r\nX-U: 2\r\n\r\n"),
	SAME("GET", OK "Transfer-Encoding: chunked\r\nContent-Length: 99\r\n\r\n2\r\nok\r\n0\r\n"
		       "\r\n"),
	SAME("GET", OK "Content-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"
		       "\r\n"),
	SAME("GET", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
	SAME("GET", OK "Transfer-Encoding: identity\r\n\r\nok"),
	SAME("GET", OK "Transfer-Encoding: gzip\r\n\r\nok"),
	SAME("GET", OK "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
	SAME("GET", OK "Transfer-Encoding: chunked\r\n\r\nx\r\nok\r\n0\r\n\r\n"),
	SAME("GET", OK "Transfer-Encoding: chunked\r\n\r\n\r\nok\r\n0\r\n\r\n"),
	SAME("GET", OK "Transfer-Encoding: chunked\r\n\r\n2\r\nokay\r\n0\r\n\r\n"),
	SAME("GET", OK "Transfer-Encoding: chunked\r\n\r\n-2\r\nok\r\n0\r\n\r\n"),
	SAME("GET", OK "Transfer-Encoding: chunked\r\n\r\n0x2\r\nok\r\n0\r\n\r\n"),
	SAME("GET", OK "Transfer-Encoding: chunked\r\n\r\n11111111111111111\r\nok\r\n0\r\n\r\n"),
	SAME("GET", OK "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n"),
	SAME("GET", OK "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"),
	SAME("GET", OK "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok"),
	SAME("GET", "HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n"),
	/* Header lines. */
	SAME("GET", OK "X-A:b\r\nX-B:\t c \t\r\nX-C:\r\nContent-Length: 0\r\n\r\n"),
	SAME("GET", OK "X-A: 1\r\nX-A: 2\r\nx-a: 3\r\nContent-Length: 0\r\n\r\n"),
	SAME("GET", OK "X-A: b\r\n c\r\n\td\r\nContent-Length: 0\r\n\r\n"),
	SAME("GET", OK "X-A : b\r\nContent-Length: 0\r\n\r\n"),
	SAME("GET", OK "X-A: \xc3\xbc\xff\r\nContent-Length: 0\r\n\r\n"),
	SAME("GET", OK "X-A: a:b::c\r\nContent-Length: 0\r\n\r\n"),
	SAME("GET", "HTTP/1.1 200 OK\nX-A: b\nContent-Length: 2\n\nok"),
	SAME("GET", OK "X-A: b\n\r\nuntil the end"),
	SAME("GET", OK "X-A: a\0b\r\nContent-Length: 0\r\n\r\n"),
	SAME("GET", OK "Set-Cookie: a=b\r\nSet-Cookie: c=d\r\nContent-Length: 0\r\n\r\n"),
	SAME("GET", OK "no colon\r\nContent-Length: 0\r\n\r\n"),
	OURS("GET", OK ": b\r\nContent-Length: 0\r\n\r\n", "the same", 0, "no HTTP answer from"),
	OURS("GET", OK "X A: b\r\nContent-Length: 0\r\n\r\n", "a name is one word", 0,
	     "no HTTP answer from"),
	OURS("GET", OK "X-A: a\x01\r\nContent-Length: 0\r\n\r\n",
	     "control bytes in a value are refused, as they are everywhere here", 0,
	     "no HTTP answer from"),
	OURS("GET", OK "X-A: a\rb\r\nContent-Length: 0\r\n\r\n", "the same", 0,
	     "no HTTP answer from"),
	OURS("GET", OK " X-A: b\r\nContent-Length: 0\r\n\r\n",
	     "a first header line that goes on with nothing", 0, "no HTTP answer from"),
	OURS("GET", OK "Content-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
	     "two lengths are two truths about where the body ends (RFC 9112, 6.3)", 0,
	     "no HTTP answer from"),
	/* No HTTP. */
	SAME("GET", ""),
	SAME("GET", "\r\n"),
	SAME("GET", "SSH-2.0-OpenSSH_9.2\r\n"),
	SAME("GET", "<html>no head at all</html>"),
	OURS("GET", "HTTP/2 200 OK\r\n\r\n", "the version is a lie", 0, "no HTTP answer from"),
	SAME("GET", "HTTP/1.1 20 OK\r\n\r\n"),
	SAME("GET", "HTTP/1.1 2000 OK\r\n\r\n"),
	OURS("GET", "HTTP/1.1  200 OK\r\n\r\n", "the status comes after one space", 0,
	     "no HTTP answer from"),
	SAME("GET", "HTTP/9.9 200 OK\r\n\r\n"),
	SAME("GET", "HTTQ/1.1 200 OK\r\n\r\n"),
	OURS("GET", "http/1.1 200 OK\r\n\r\n", "the name is written HTTP", 0,
	     "no HTTP answer from"),
	SAME("GET", "ICY 200 OK\r\n\r\n"),
	SAME("GET", "\x15\x03\x01\x00\x02\x02\x28"),
	SAME("GET", "\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64"),
};

/* How a server says it. */
struct manner {
	size_t piece_bytes; /* sent at once; 0 = all */
	bool holds;         /* keeps the connection open afterwards */
};

struct play {
	const struct row *row;
	struct str answer;
	struct manner manner;
	struct server *server;
	struct call *own, *curl;
};

static void play(struct conn *c)
{
	const struct play *p = c->arg;
	struct str s = p->answer;
	struct request req;

	if (!conn_request(c, &req))
		return;
	while (s.n > 0) {
		size_t n = p->manner.piece_bytes > 0 ? p->manner.piece_bytes : s.n;

		if (!conn_send(c, str_sub(s, 0, n)))
			return;
		s = str_from(s, n);
	}
	if (p->manner.holds)
		conn_hold(c);
}

/* Both couriers on one loop. */
struct pair {
	struct rig r;
	struct courier *own, *curl;
};

static void pair_open(struct pair *p, struct courier_settings set)
{
	char error[200];

	rig_open(&p->r, set);
	p->own = p->r.courier;
	p->curl = curl_courier_open(p->r.loop, &set, error);
	T_CHECK(p->curl != NULL);
}

static void pair_close(struct pair *p)
{
	courier_close(p->curl);
	p->r.courier = p->own;
	rig_close(&p->r);
}

static struct call *start(struct pair *p, struct courier *courier, const char *method, int port,
			  int64_t timeout_ms)
{
	struct call *c = call_new(&p->r, method, "http://localhost:%d/path", port);

	p->r.courier = courier;
	c->req.timeout_ms = timeout_ms;
	if (strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0)
		c->req.body = STR("a body");
	call_send(c);
	return c;
}

static bool is_same_header(const struct headers *a, const struct headers *b)
{
	bool same = a->n == b->n;

	for (size_t i = 0; same && i < a->n; i++)
		same = str_eq(a->v[i].name, b->v[i].name) && str_eq(a->v[i].value, b->v[i].value);
	return same;
}

static bool is_same(const struct call *a, const struct call *b)
{
	const struct outcome *x = &a->req.outcome, *y = &b->req.outcome;

	return x->status == y->status && x->body_cut == y->body_cut && str_eq(x->body, y->body) &&
	       is_same_header(&x->header, &y->header) && str_eq(call_verdict(a), call_verdict(b));
}

static void show(const char *who, const struct call *c)
{
	const struct outcome *o = &c->req.outcome;

	fprintf(stderr, "  %s: status %d, %zu headers, %zu bytes, \"%.*s\"\n", who, (int)o->status,
		o->header.n, o->body.n, STR_FMT(o->error));
}

static bool is_as_documented(const struct row *row, const struct call *own)
{
	const struct outcome *o = &own->req.outcome;

	return o->status == row->status && (row->status != 0 || has_text(o->error, row->error));
}

/* 1 when the two differ without a reason, or do not differ though there is one. */
static int judge(const struct row *row, struct str answer, const struct call *own,
		 const struct call *curl)
{
	bool same = is_same(own, curl);

	if (row->why == NULL ? same : !same && is_as_documented(row, own))
		return 0;
	fprintf(stderr, "%s, answered with \"%.*s\":\n", row->method, STR_FMT(answer));
	show("own ", own);
	show("curl", curl);
	return 1;
}

/* Of those that hold, it decides whether the answer is complete; slow builds get more. */
static int64_t timeout_ms(const struct play *pl)
{
	const char *factor = getenv("T_TIMEOUT_FACTOR");

	if (!pl->manner.holds)
		return 15000;
	return 4000 * (factor != NULL ? strtol(factor, NULL, 10) : 1);
}

static void run_all(struct play *plays, size_t n)
{
	struct pair p;
	int wrong = 0;

	pair_open(&p, rig_settings());
	for (size_t i = 0; i < n; i++) {
		struct play *pl = &plays[i];

		pl->server = server_start(play, pl);
		pl->own =
			start(&p, p.own, pl->row->method, server_port(pl->server), timeout_ms(pl));
		pl->curl =
			start(&p, p.curl, pl->row->method, server_port(pl->server), timeout_ms(pl));
	}
	rig_wait(&p.r, (int)n * 2);
	for (size_t i = 0; i < n; i++) {
		wrong += judge(plays[i].row, plays[i].answer, plays[i].own, plays[i].curl);
		call_free(plays[i].own);
		call_free(plays[i].curl);
	}
	pair_close(&p);
	for (size_t i = 0; i < n; i++)
		server_stop(plays[i].server);
	T_EQ_INT(wrong, 0);
}

static const struct manner manners[] = { { 0, false }, { 1, false }, { 7, false }, { 0, true } };

TEST_EACH(answers_are_judged_alike, manners)
{
	struct play *plays = xcalloc(countof(answers), sizeof(*plays));

	for (size_t i = 0; i < countof(answers); i++)
		plays[i] = (struct play){ .row = &answers[i],
					  .answer = answers[i].answer,
					  .manner = *row };
	run_all(plays, countof(answers));
	free(plays);
}

static const struct row broken_off[] = {
	SAME("GET", OK "Content-Length: 10\r\nX-A: b\r\n\r\n" TEN),
	SAME("POST",
	     "HTTP/1.1 100 Continue\r\n\r\n" OK "Transfer-Encoding: chunked\r\n\r\na;x=y\r\n" TEN
	     "\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n"),
	SAME("GET", "HTTP/1.0 404 Not\r\nX-A: b\r\n\r\n" TEN),
	SAME("HEAD", OK "Content-Length: 10\r\n\r\n"),
};

static const struct row at_last_cr = OURS("POST", "", "libcurl takes the last CR for the end", 0,
					  "before its answer was complete");

/* Closed after each of its bytes. */
TEST_EACH(answers_that_break_off_are_judged_alike, broken_off)
{
	size_t n = row->answer.n;
	struct play *plays = xcalloc(n, sizeof(*plays));

	for (size_t i = 0; i < n; i++)
		plays[i] = (struct play){ .row = row, .answer = str_sub(row->answer, 0, i) };
	if (str_has(row->answer, STR("chunked")))
		plays[n - 1].row = &at_last_cr;
	run_all(plays, n);
	free(plays);
}

/* Two requests, one after the other: what becomes of the second. */
enum lie {
	KEEPS,
	CLOSES_AFTER_ANSWER,
	SAYS_CLOSE_AND_KEEPS,
	SAYS_CLOSE_AND_CLOSES,
	SENDS_MORE,
	SENDS_ANOTHER_ANSWER,
	SENDS_TIMEOUT_AND_CLOSES, /* as servers do that lose patience */
	DROPS_SECOND,
	RESETS_SECOND,
	HALF_ANSWERS_SECOND,
	SAYS_GARBAGE_TO_SECOND,
	IS_SILENT_TO_SECOND,
	SPEAKS_1_0,
	CHUNKED_THEN_KEEPS,
	NO_CONTENT_THEN_KEEPS,
	INTERIM_THEN_KEEPS,
};

static void answer_first(struct conn *c, enum lie lie)
{
	switch (lie) {
	case SAYS_CLOSE_AND_KEEPS:
	case SAYS_CLOSE_AND_CLOSES:
		conn_send(c, STR(OK "Connection: close\r\nContent-Length: 2\r\n\r\nok"));
		break;
	case SENDS_MORE:
		conn_send(c, STR(OK "Content-Length: 2\r\n\r\nok and more"));
		break;
	case SENDS_ANOTHER_ANSWER:
		conn_send(c,
			  STR(OK "Content-Length: 2\r\n\r\nok" OK "Content-Length: 4\r\n\r\nevil"));
		break;
	case SENDS_TIMEOUT_AND_CLOSES:
		conn_send(c, STR(OK "Content-Length: 2\r\n\r\nok"));
		conn_send(c, STR("HTTP/1.1 408 Timeout\r\nContent-Length: 0\r\n\r\n"));
		break;
	case SPEAKS_1_0:
		conn_send(c, STR("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"));
		break;
	case CHUNKED_THEN_KEEPS:
		conn_send(c, STR(OK "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"));
		break;
	case NO_CONTENT_THEN_KEEPS:
		conn_send(c, STR("HTTP/1.1 204 No\r\n\r\n"));
		break;
	case INTERIM_THEN_KEEPS:
		conn_send(c, STR("HTTP/1.1 100 C\r\n\r\n" OK "Content-Length: 2\r\n\r\nok"));
		break;
	default:
		conn_answer(c, STR("ok"));
		break;
	}
}

/* True when the connection goes on. */
static bool answer_second(struct conn *c, enum lie lie)
{
	switch (lie) {
	case DROPS_SECOND:
		return false;
	case RESETS_SECOND:
		conn_reset_on_close(c);
		return false;
	case HALF_ANSWERS_SECOND:
		conn_send(c, STR(OK "Content-Length: 10\r\n\r\nhalf"));
		return false;
	case SAYS_GARBAGE_TO_SECOND:
		conn_send(c, STR("what?\r\n"));
		return false;
	case IS_SILENT_TO_SECOND:
		conn_hold(c);
		return false;
	default:
		return conn_answer(c, STR("second"));
	}
}

static bool is_closing(enum lie lie)
{
	return lie == CLOSES_AFTER_ANSWER || lie == SAYS_CLOSE_AND_CLOSES ||
	       lie == SENDS_TIMEOUT_AND_CLOSES;
}

static void lie(struct conn *c)
{
	enum lie kind = *(const enum lie *)c->arg;
	struct request req;

	if (!conn_request(c, &req))
		return;
	answer_first(c, kind);
	if (is_closing(kind))
		return;
	while (conn_request(c, &req) && answer_second(c, kind))
		continue;
}

static const struct {
	const char *method;
	enum lie kind;
	bool waits; /* until the first connection is seen to be closed, if it is */
} lies[] = {
	{ "GET", KEEPS, false },
	{ "POST", KEEPS, false },
	{ "GET", CLOSES_AFTER_ANSWER, false },
	{ "POST", CLOSES_AFTER_ANSWER, false },
	{ "POST", CLOSES_AFTER_ANSWER, true },
	{ "POST", SAYS_CLOSE_AND_KEEPS, false },
	{ "POST", SAYS_CLOSE_AND_CLOSES, false },
	{ "POST", SAYS_CLOSE_AND_CLOSES, true },
	{ "POST", SENDS_MORE, false },
	{ "GET", SENDS_ANOTHER_ANSWER, false },
	{ "POST", SENDS_ANOTHER_ANSWER, true },
	{ "POST", SENDS_TIMEOUT_AND_CLOSES, true },
	{ "GET", DROPS_SECOND, false },
	{ "POST", DROPS_SECOND, false },
	{ "POST", RESETS_SECOND, false },
	{ "POST", HALF_ANSWERS_SECOND, false },
	{ "POST", SAYS_GARBAGE_TO_SECOND, false },
	{ "POST", IS_SILENT_TO_SECOND, false },
	{ "POST", SPEAKS_1_0, false },
	{ "POST", CHUNKED_THEN_KEEPS, false },
	{ "DELETE", NO_CONTENT_THEN_KEEPS, false },
	{ "POST", INTERIM_THEN_KEEPS, false },
};

/* What the two requests led to. */
struct history {
	struct call *first, *second;
	int connections, requests;
};

/* What the server does after its first answer has been done, and the courier has had time to see it.
 */
static void wait_for_lie(struct pair *p, struct server *s, enum lie kind)
{
	while (is_closing(kind) && server_open(s) > 0)
		rig_run(&p->r, 1);
	rig_run(&p->r, 20);
}

static struct history live_through(struct pair *p, struct courier *courier, const char *method,
				   enum lie kind, bool waits)
{
	struct server *s = server_start(lie, &kind);
	struct history h;
	int done = p->r.done;

	h.first = start(p, courier, method, server_port(s),
			kind == IS_SILENT_TO_SECOND ? 700 : 15000);
	rig_wait(&p->r, done + 1);
	if (waits)
		wait_for_lie(p, s, kind);
	h.second = start(p, courier, method, server_port(s),
			 kind == IS_SILENT_TO_SECOND ? 700 : 15000);
	rig_wait(&p->r, done + 2);
	h.connections = server_connections(s);
	h.requests = server_requests(s);
	server_stop(s);
	return h;
}

/* The port is not the same. */
static bool is_same_sentence(const struct call *a, const struct call *b)
{
	struct str x = call_verdict(a), y = call_verdict(b);

	str_cut(&x, ':');
	str_cut(&y, ':');
	while (x.n > 0 && x.p[0] >= '0' && x.p[0] <= '9')
		x = str_from(x, 1);
	while (y.n > 0 && y.p[0] >= '0' && y.p[0] <= '9')
		y = str_from(y, 1);
	return str_eq(x, y);
}

static void compare_calls(const struct call *own, const struct call *curl)
{
	if (own->req.outcome.status == curl->req.outcome.status &&
	    str_eq(own->req.outcome.body, curl->req.outcome.body) && is_same_sentence(own, curl))
		return;
	show("own ", own);
	show("curl", curl);
	T_FAIL("they differ");
}

TEST_EACH(kept_connections_are_judged_alike, lies)
{
	struct pair p;
	struct history own, curl;

	pair_open(&p, rig_settings());
	own = live_through(&p, p.own, row->method, row->kind, row->waits);
	curl = live_through(&p, p.curl, row->method, row->kind, row->waits);
	compare_calls(own.first, curl.first);
	compare_calls(own.second, curl.second);
	T_EQ_INT(own.connections, curl.connections);
	T_EQ_INT(own.requests, curl.requests);
	call_free(own.first);
	call_free(own.second);
	call_free(curl.first);
	call_free(curl.second);
	pair_close(&p);
}
