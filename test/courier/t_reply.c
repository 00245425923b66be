/* Answers from bytes, cut in every way. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "courier/http/reply.h"
#include "t.h"

/* What a reply made of some bytes. */
struct seen {
	struct arena arena;
	struct reply reply;
	enum reply_result result;
	size_t left; /* bytes that are not the answer's */
};

/* Feeds pieces of n bytes (0 = all at once) from memory of exactly their size. */
static void feed(struct seen *s, struct str in, size_t first_n, size_t n)
{
	struct http1_head *head = xcalloc(1, sizeof(*head));

	s->result = REPLY_MORE;
	for (size_t piece_n = first_n; in.n > 0 && s->result == REPLY_MORE; piece_n = n) {
		struct str piece = str_sub(in, 0, piece_n > 0 ? piece_n : in.n), rest;
		char *exact = xmalloc(piece.n);

		memcpy(exact, piece.p, piece.n);
		rest = str_n(exact, piece.n);
		s->result = reply_feed(&s->reply, head, &rest);
		in = str_from(in, piece.n - rest.n);
		free(exact);
	}
	s->left = in.n;
	free(head);
}

static void begin(struct seen *s, const char *method, size_t body_max)
{
	*s = (struct seen){ 0 };
	arena_init(&s->arena);
	reply_init(&s->reply, &s->arena, str_c(method), body_max);
}

static void end(struct seen *s)
{
	reply_done(&s->reply);
	arena_done(&s->arena);
}

static const struct {
	const char *method;
	struct str in;
	enum reply_result result;
	int status;
	const char *body; /* or the text, when it is broken */
	size_t fields, left;
	bool keep_alive;
	enum cause cause;
} rows[] = {
	{ "GET", STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), REPLY_DONE, 200, "ok", 1, 0,
	  true, 0 },
	{ "GET", STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 "), REPLY_DONE, 200,
	  "ok", 1, 9, true, 0 },
	{ "GET", STR("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
	  REPLY_DONE, 200, "", 2, 0, false, 0 },
	{ "HEAD", STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"), REPLY_DONE, 200, "", 1, 0,
	  true, 0 },
	{ "GET", STR("HTTP/1.1 204 No\r\n\r\nx"), REPLY_DONE, 204, "", 0, 1, true, 0 },
	{ "GET",
	  STR("HTTP/1.1 100 C\r\nX-A: b\r\n\r\nHTTP/1.1 103 E\r\n\r\nHTTP/1.1 201 "
	      "C\r\nX-C: d\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\na\r\n2\r\nbc\r\n0\r\nT: "
	      "u\r\n\r\n"),
	  REPLY_DONE, 201, "abc", 2, 0, true, 0 },
	{ "GET", STR("HTTP/1.1 200 OK\r\n\r\nuntil the end"), REPLY_MORE, 200, "until the end", 0,
	  0, false, 0 },
	{ "GET", STR("HTTP/1.1 200 OK\nX: a\n\tb\nContent-Length: 1\n\nx"), REPLY_DONE, 200, "x", 2,
	  0, false, 0 },
	{ "GET", STR("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n0123456789ABCDEF!"), REPLY_DONE,
	  200, "0123456789ABCDEF", 1, 0, false, 0 },
	{ "GET", STR("HTTP/1.1 200 OK\r\nX"), REPLY_MORE, 200, "", 0, 0, false, 0 },
	{ "GET", STR("HTTP/1.1 200 OK"), REPLY_MORE, 0, "", 0, 0, false, 0 },
	{ "GET", STR("HTTP/1.1 101 S\r\n\r\n"), REPLY_BROKEN, 101, "changes protocols", 0, 0, false,
	  CAUSE_NOT_HTTP },
	{ "GET", STR("HTTQ"), REPLY_BROKEN, 0, "does not begin with HTTP/", 0, 0, false,
	  CAUSE_NOT_HTTP },
	{ "GET", STR("HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), REPLY_BROKEN, 0, "a header name", 0, 0,
	  false, CAUSE_NOT_HTTP },
	{ "GET", STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"), REPLY_BROKEN,
	  0, "not asked for", 0, 0, false, CAUSE_LIMIT },
	{ "GET", STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx"), REPLY_BROKEN, 200,
	  "malformed", 1, 0, false, CAUSE_BROKEN },
};

static void compare(const struct seen *s, size_t row)
{
	const struct reply *r = &s->reply;

	T_EQ_INT(s->result, rows[row].result);
	if (rows[row].result == REPLY_BROKEN) {
		T_CHECK(str_has(str_c(r->text), str_c(rows[row].body)));
		T_EQ_INT(r->cause, rows[row].cause);
		return;
	}
	T_EQ_INT(r->status, rows[row].status);
	T_EQ_STR(body_str(&r->body), rows[row].body);
	T_EQ_INT(r->header.n, rows[row].fields);
	T_EQ_INT(s->left, rows[row].left);
	T_CHECK(r->has_begun);
	if (s->result == REPLY_DONE)
		T_CHECK(r->keep_alive == rows[row].keep_alive);
}

/* Whole, in two pieces, and in equal ones. */
TEST(reads_the_same_however_it_is_cut)
{
	for (size_t i = 0; i < countof(rows); i++) {
		for (size_t first = 0; first < rows[i].in.n; first++) {
			struct seen s;

			begin(&s, rows[i].method, 16);
			feed(&s, rows[i].in, first, 0);
			compare(&s, i);
			end(&s);
			begin(&s, rows[i].method, 16);
			feed(&s, rows[i].in, first, first);
			compare(&s, i);
			end(&s);
		}
	}
}

static const struct {
	struct str in;
	enum reply_result result;
	int status;
} closings[] = {
	{ STR(""), REPLY_BROKEN, 0 },
	{ STR("HTTP/1.1 200"), REPLY_BROKEN, 0 },
	{ STR("HTTP/1.1 200 OK\r\n"), REPLY_BROKEN, 200 },
	{ STR("HTTP/1.1 100 C\r\n\r\n"), REPLY_BROKEN, 100 },
	{ STR("HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\nX"), REPLY_BROKEN, 200 },
	{ STR("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab"), REPLY_BROKEN, 200 },
	{ STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n"),
	  REPLY_BROKEN, 200 },
	{ STR("HTTP/1.1 200 OK\r\n\r\n"), REPLY_DONE, 200 },
	{ STR("HTTP/1.1 200 OK\r\n\r\nab"), REPLY_DONE, 200 },
};

TEST_EACH(knows_whether_the_end_is_the_end, closings)
{
	struct seen s;

	begin(&s, "GET", 100);
	feed(&s, row->in, 0, 0);
	T_EQ_INT(s.result, REPLY_MORE);
	T_EQ_INT(reply_closed(&s.reply), row->result);
	T_EQ_INT(s.reply.status, row->status);
	if (row->result == REPLY_BROKEN)
		T_EQ_INT(s.reply.cause, CAUSE_CLOSED);
	end(&s);
}

TEST(names_are_canonical_and_folds_are_one_space)
{
	struct seen s;

	begin(&s, "GET", 100);
	feed(&s,
	     STR("HTTP/1.1 200 OK\r\nx-lower: a\r\n  b\r\nX-UPPER:\r\n c\r\nContent-Length: "
		 "0\r\n\r\n"),
	     0, 0);
	T_EQ_INT(s.result, REPLY_DONE);
	T_EQ_STR(s.reply.header.v[0].name, "X-Lower");
	T_EQ_STR(s.reply.header.v[0].value, "a b");
	T_EQ_STR(s.reply.header.v[1].name, "X-Upper");
	T_EQ_STR(s.reply.header.v[1].value, "c");
	end(&s);
}

/* One head may be 64 KB long, and so may all interim ones together. */
TEST(limits_heads)
{
	static const struct str interim = { "HTTP/1.1 102 P\r\n\r\n", 18 };
	size_t n = REPLY_HEADS_BYTES_MAX / interim.n;
	char *many = xmalloc((n + 2) * interim.n);
	struct seen s;

	for (size_t i = 0; i < n + 2; i++)
		memcpy(many + i * interim.n, interim.p, interim.n);
	begin(&s, "GET", 100);
	feed(&s, str_n(many, n * interim.n), 0, 0);
	T_EQ_INT(s.result, REPLY_MORE);
	feed(&s, interim, 0, 0);
	T_EQ_INT(s.result, REPLY_BROKEN);
	T_EQ_INT(s.reply.cause, CAUSE_LIMIT);
	end(&s);
	memset(many, 'a', n * interim.n);
	begin(&s, "GET", 100);
	feed(&s, STR("HTTP/1.1 200 OK\r\nX: "), 0, 0);
	feed(&s, str_n(many, HTTP1_LINE_MAX + 1), 4096, 4096);
	T_EQ_INT(s.result, REPLY_BROKEN);
	T_CHECK(str_has(str_c(s.reply.text), STR("a line in the head")));
	end(&s);
	free(many);
}
