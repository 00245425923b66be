/* Bodies: chunked ones whole and cut at every byte, the other kinds by their ends. */
#include "t.h"

#include <string.h>

#include "net/http1.h"
#include "play.h"

struct row {
	struct str in;
	const char *want;
};

#define ROW(in, want) { STR(in), want }
/* What follows the chunks; all good rows end with it. */
#define LAST "0\r\n\r\n"

static const struct row good[] = {
	ROW(LAST, "body \nend\n"),
	ROW("5\r\nhello\r\n" LAST, "body hello\nend\n"),
	ROW("5\r\nhello\r\n6\r\n world\r\n" LAST, "body hello world\nend\n"),
	ROW("1\r\na\r\n1\r\nb\r\n01\r\nc\r\n" LAST, "body abc\nend\n"),
	ROW("a\r\n0123456789\r\nA\r\nabcdefghij\r\n" LAST, "body 0123456789abcdefghij\nend\n"),
	ROW("0000000000000003\r\nabc\r\n0000000000000000\r\n\r\n", "body abc\nend\n"),
	ROW("3\r\n\r\n0\r\n" LAST, "body \r\n0\nend\n"),
	/* Extensions. */
	ROW("3;a=b\r\nabc\r\n0;last\r\n\r\n", "body abc\nend\n"),
	ROW("3 \t;a=\"b;c\" ; d\r\nabc\r\n0 ;x\r\n\r\n", "body abc\nend\n"),
	ROW("3;\xff\r\nabc\r\n" LAST, "body abc\nend\n"),
	/* Trailers. */
	ROW("3\r\nabc\r\n0\r\nA: b\r\n\r\n", "body abc\nend\n"),
	ROW("0\r\nA:\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "body \nend\n"),
	/* Not at its end. */
	ROW("", "more in body, cut off\n"),
	ROW("3", "more in body, cut off\n"),
	ROW("3\r\nab", "more in body, cut off\nab"),
	ROW("3\r\nabc", "more in body, cut off\nabc"),
	ROW("3\r\nabc\r\n", "more in body, cut off\nabc"),
	ROW("3\r\nabc\r\n0\r\n", "more in body, cut off\nabc"),
	ROW("3\r\nabc\r\n0\r\n\r", "more in body, cut off\nabc"),
	ROW("ffffffffffffff\r\nabc", "more in body, cut off\nabc"),
	/* The next message is left alone. */
	ROW(LAST "GET / HTTP/1.0\r\n\r\n", "body \nend\nGET / 1.0 close\nend\n"),
};

/* clang-format off */
static const struct row bad[] = {
	/* Sizes. */
	ROW("\r\n", ""), ROW("x\r\n", ""), ROW("g\r\n", ""), ROW("-1\r\n", ""), ROW("+1\r\n", ""),
	ROW("0x1\r\n", ""), ROW(" 1\r\na\r\n", ""), ROW("\t1\r\na\r\n", ""), ROW(";a\r\n", ""),
	ROW("1 1\r\n", ""), ROW("1 \r\na\r\n", ""), ROW("1.0\r\n", ""), ROW("1h\r\n", ""),
	ROW("1\x00\r\n", ""), ROW("\xc3\xbc\r\n", ""),
	/* Sizes that would wrap, or that are padded. */
	ROW("100000000000000\r\n", ""), ROW("ffffffffffffffff\r\n", ""),
	ROW("10000000000000000\r\n", ""), ROW("fffffffffffffffff\r\n", ""),
	ROW("00000000000000001\r\n", ""),
	/* Line ends. */
	ROW("1\na\r\n", ""), ROW("1\r\ra\r\n", ""), ROW("1\ra\r\n", ""), ROW("1\r\na\n", ""),
	ROW("1\r\na\r1", ""), ROW("1\r\nab\r\n", ""), ROW("2\r\na\r\n0\r\n\r\n", ""),
	ROW("1\r\na0\r\n\r\n", ""), ROW("1\r\na\r\r\n", ""), ROW("0\r\n\n", ""),
	ROW("0\r\n\r\r", ""), ROW("0\n\r\n", ""), ROW("0\r\rX", ""),
	/* A bare CR or LF inside an extension, which others skip up to. */
	ROW("1;a\nb\r\na\r\n", ""), ROW("1;a\rb\r\na\r\n", ""), ROW("1;\n", ""),
	ROW("1;\x00\r\n", ""), ROW("1;\x7f\r\n", ""),
	/* Trailers. */
	ROW("0\r\nnocolon\r\n\r\n", ""), ROW("0\r\n: x\r\n\r\n", ""), ROW("0\r\nA : x\r\n\r\n", ""),
	ROW("0\r\n A: x\r\n\r\n", ""), ROW("0\r\nA: b\r\n c\r\n\r\n", ""),
	ROW("0\r\nA: b\n\r\n", ""), ROW("0\r\nA: b\rc\r\n\r\n", ""),
	ROW("0\r\nA: \x01\r\n\r\n", ""), ROW("0\r\n0\r\n\r\n", ""),
};
/* clang-format on */

static void play_row(const struct row *row, const char *want, bool exact)
{
	struct buf got;

	buf_init(&got, 1 << 16);
	for (size_t cut = 0; cut <= row->in.n; cut++) {
		buf_reset(&got);
		if (cut < row->in.n)
			play_chunked(row->in, (struct play_cut){ cut, 0 }, &got);
		else
			play_chunked(row->in, (struct play_cut){ 1, 1 }, &got);
		if (exact)
			T_EQ_STR(buf_str(&got), str_c(want));
		else
			T_CHECK(str_starts(buf_str(&got), str_c(want)));
	}
	buf_done(&got);
}

TEST(chunked_bodies_that_are_accepted)
{
	for (size_t i = 0; i < countof(good); i++)
		play_row(&good[i], good[i].want, true);
}

TEST(chunked_bodies_that_are_refused)
{
	for (size_t i = 0; i < countof(bad); i++)
		play_row(&bad[i], "refused 400 body", false);
}

static void repeat(struct buf *b, struct str s, size_t times)
{
	for (size_t i = 0; i < times; i++)
		buf_add(b, s);
}

static void expect_start(const struct buf *in, const char *want)
{
	static const struct play_cut cuts[] = { { 0, 0 }, { 1, 4000 }, { 700, 701 } };
	struct buf got;

	buf_init(&got, 4 << 20);
	for (size_t i = 0; i < countof(cuts); i++) {
		buf_reset(&got);
		play_chunked(buf_str(in), cuts[i], &got);
		T_EQ_STR(str_sub(buf_str(&got), 0, strlen(want)), str_c(want));
	}
	buf_done(&got);
}

TEST(limit_of_a_chunk_line)
{
	struct buf in;

	buf_init(&in, 1 << 20);
	for (int over = 0; over < 2; over++) {
		buf_reset(&in);
		buf_add(&in, STR("1;"));
		repeat(&in, STR("x"), HTTP1_CHUNK_LINE_MAX - strlen("1;\r") + (size_t)over);
		buf_add(&in, STR("\r\na\r\n" LAST));
		expect_start(&in, over ? "refused" : "body a\nend\n");
	}
	buf_done(&in);
}

/* 16 KB and twice the payload. */
TEST(limit_of_all_extensions)
{
	struct buf in;

	buf_init(&in, 1 << 20);
	for (size_t chunks = 16; chunks < 18; chunks++) {
		buf_reset(&in);
		for (size_t i = 0; i < chunks; i++) {
			buf_add(&in, STR("1;"));
			repeat(&in, STR("x"), 1000);
			buf_add(&in, STR("\r\na\r\n"));
		}
		buf_add(&in, STR(LAST));
		expect_start(&in, chunks == 16 ? "body aaaaaaaaaaaaaaaa\n" : "refused");
	}
	buf_done(&in);
}

TEST(small_chunks_without_extensions_have_no_limit)
{
	struct buf in;

	buf_init(&in, 1 << 20);
	repeat(&in, STR("1\r\na\r\n"), 50000);
	buf_add(&in, STR(LAST));
	expect_start(&in, "body aaaaaaa");
	buf_done(&in);
}

TEST(limit_of_the_trailers)
{
	struct buf in;

	buf_init(&in, 1 << 20);
	for (size_t over = 0; over < 2; over++) {
		buf_reset(&in);
		buf_add(&in, STR("0\r\n"));
		repeat(&in, STR("A: 3456789abcd\r\n"), HTTP1_TRAILER_MAX / 16 - 1);
		buf_add(&in, STR("A: 3456789"));
		repeat(&in, STR("x"), 2 + over);
		buf_add(&in, STR("\r\n\r\n"));
		T_EQ_INT(in.n - 3, HTTP1_TRAILER_MAX + over);
		expect_start(&in, over ? "refused" : "body \nend\n");
	}
	buf_done(&in);
}

static struct http1_body_reader reader_of(enum http1_body kind, uint64_t bytes)
{
	static struct http1_head head;
	struct http1_body_reader r;

	head.body = kind;
	head.body_bytes = bytes;
	http1_body_start(&r, &head);
	return r;
}

TEST(a_body_with_a_length)
{
	struct http1_body_reader r = reader_of(HTTP1_BODY_LENGTH, 5);
	struct str in = STR("hel"), piece;

	T_EQ_INT(http1_body_read(&r, &in, &piece), HTTP1_MORE);
	T_EQ_STR(piece, STR("hel"));
	T_EQ_INT(in.n, 0);
	T_CHECK(!http1_body_closed(&r));
	in = STR("lo and more");
	T_EQ_INT(http1_body_read(&r, &in, &piece), HTTP1_DONE);
	T_EQ_STR(piece, STR("lo"));
	T_EQ_STR(in, STR(" and more"));
	T_CHECK(http1_body_closed(&r));
	T_EQ_INT(r.total, 5);
}

TEST(a_body_without_bytes_is_done_at_once)
{
	struct http1_body_reader none = reader_of(HTTP1_BODY_NONE, 0),
				 zero = reader_of(HTTP1_BODY_LENGTH, 0);
	struct str in = STR("next"), piece;

	T_EQ_INT(http1_body_read(&none, &in, &piece), HTTP1_DONE);
	T_EQ_INT(piece.n, 0);
	T_CHECK(http1_body_closed(&none));
	T_EQ_INT(http1_body_read(&zero, &in, &piece), HTTP1_DONE);
	T_EQ_INT(piece.n, 0);
	T_EQ_STR(in, STR("next"));
	in = STR_NULL;
	zero = reader_of(HTTP1_BODY_LENGTH, 0);
	T_EQ_INT(http1_body_read(&zero, &in, &piece), HTTP1_DONE);
}

TEST(a_body_until_the_close)
{
	struct http1_body_reader r = reader_of(HTTP1_BODY_CLOSE, 0);
	struct str in = STR("abc"), piece;

	T_EQ_INT(http1_body_read(&r, &in, &piece), HTTP1_MORE);
	T_EQ_STR(piece, STR("abc"));
	in = STR("de");
	T_EQ_INT(http1_body_read(&r, &in, &piece), HTTP1_MORE);
	T_EQ_STR(piece, STR("de"));
	T_EQ_INT(r.total, 5);
	T_CHECK(http1_body_closed(&r));
}
