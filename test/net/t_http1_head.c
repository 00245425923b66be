/* Heads, good and bad, each whole and cut at every byte. */
#include "t.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "net/http1.h"
#include "play.h"

struct row {
	struct str in;
	const char *want; /* a good head's transcript; the start of a bad one's */
};

#define ROW(in, want) { STR(in), want }

/* Everything but the target, so that a row shows what it is about. */
#define GET(target) "GET " target " HTTP/1.1\r\nHost: h\r\n\r\n"
#define WITH(fields) "POST / HTTP/1.1\r\nHost: h\r\n" fields "\r\n\r\n"
#define BARE(fields) "POST / HTTP/1.1\r\n" fields "\r\n\r\n"
#define LINE(line) line "\r\nHost: h\r\n\r\n"

static const struct row good_requests[] = {
	ROW(GET("/"), "GET / 1.1\nHost=h\nend\n"),
	ROW(GET("/a?b=c&d=%20"), "GET /a?b=c&d=%20 1.1\nHost=h\nend\n"),
	ROW(GET("/v2/publish/https://e.com/a//../b?x=y"),
	    "GET /v2/publish/https://e.com/a//../b?x=y 1.1\nHost=h\nend\n"),
	ROW(GET("/{a}|\"<>\\^`"), "GET /{a}|\"<>\\^` 1.1\nHost=h\nend\n"),
	ROW(GET("/\xc3\xbc"), "GET /\xc3\xbc 1.1\nHost=h\nend\n"),
	ROW(GET("http://other/p?q"), "GET /p?q 1.1\nHost=h\nend\n"),
	ROW(GET("HTTPS://other:8080/"), "GET / 1.1\nHost=h\nend\n"),
	ROW(GET("http://other"), "GET / 1.1\nHost=h\nend\n"),
	ROW(GET("http://[::1]:80/x"), "GET /x 1.1\nHost=h\nend\n"),
	ROW("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "OPTIONS * 1.1\nHost=h\nend\n"),
	ROW("M-SEARCH! / HTTP/1.1\r\nHost: h\r\n\r\n", "M-SEARCH! / 1.1\nHost=h\nend\n"),
	ROW("\r\n" GET("/"), "GET / 1.1\nHost=h\nend\n"),
	ROW("\r\n\r\n" GET("/"), "GET / 1.1\nHost=h\nend\n"),
	/* Two in one go, and a body that looks like a request. */
	ROW(GET("/1") GET("/2"), "GET /1 1.1\nHost=h\nend\nGET /2 1.1\nHost=h\nend\n"),
	ROW(WITH("Content-Length: 4") "GET " GET("/2"),
	    "POST / 1.1 length 4\nHost=h\nContent-Length=4\nbody GET \nend\nGET /2 "
	    "1.1\nHost=h\nend\n"),
	/* Fields. */
	ROW(WITH("A:"), "POST / 1.1\nHost=h\nA=\nend\n"),
	ROW(WITH("A: \t "), "POST / 1.1\nHost=h\nA=\nend\n"),
	ROW(WITH("A:b"), "POST / 1.1\nHost=h\nA=b\nend\n"),
	ROW(WITH("A: \t b \t c \t "), "POST / 1.1\nHost=h\nA=b \t c\nend\n"),
	ROW(WITH("A: 1\r\na: 2\r\nA: 1"), "POST / 1.1\nHost=h\nA=1\na=2\nA=1\nend\n"),
	ROW(WITH("!#$%&'*+-.^_`|~0aZ: x"), "POST / 1.1\nHost=h\n!#$%&'*+-.^_`|~0aZ=x\nend\n"),
	ROW(WITH("A: \xff\x80 0123456\xc3\xbc"),
	    "POST / 1.1\nHost=h\nA=\xff\x80 0123456\xc3\xbc\nend\n"),
	ROW(WITH("A: {\"a\": \"b:c,d;e\"}"), "POST / 1.1\nHost=h\nA={\"a\": \"b:c,d;e\"}\nend\n"),
	ROW(WITH("Content_Length: 5"), "POST / 1.1\nHost=h\nContent_Length=5\nend\n"),
	/* Host. */
	ROW(BARE("hOST:example.com:8080"), "POST / 1.1\nhOST=example.com:8080\nend\n"),
	ROW(BARE("Host: [2001:db8::1]:80"), "POST / 1.1\nHost=[2001:db8::1]:80\nend\n"),
	ROW(BARE("Host:"), "POST / 1.1\nHost=\nend\n"),
	ROW("GET / HTTP/1.0\r\n\r\n", "GET / 1.0 close\nend\n"),
	/* Framing. */
	ROW(WITH("Content-Length: 0"),
	    "POST / 1.1 length 0\nHost=h\nContent-Length=0\nbody \nend\n"),
	ROW(WITH("content-LENGTH:3") "abc",
	    "POST / 1.1 length 3\nHost=h\ncontent-LENGTH=3\nbody abc\nend\n"),
	ROW(WITH("Content-Length: 0003") "abc",
	    "POST / 1.1 length 3\nHost=h\nContent-Length=0003\nbody abc\nend\n"),
	ROW(WITH("Content-Length: 18446744073709551615") "a",
	    "POST / 1.1 length 18446744073709551615\nHost=h\nContent-Length=18446744073709551615\n"
	    "more in body, cut off\na"),
	ROW(WITH("Transfer-Encoding: chunked") "3\r\nabc\r\n0\r\n\r\n",
	    "POST / 1.1 chunked\nHost=h\nTransfer-Encoding=chunked\nbody abc\nend\n"),
	ROW(WITH("transfer-encoding:CHUNKED ") "0\r\n\r\n",
	    "POST / 1.1 chunked\nHost=h\ntransfer-encoding=CHUNKED\nbody \nend\n"),
	ROW("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi",
	    "GET / 1.1 length 2\nHost=h\nContent-Length=2\nbody hi\nend\n"),
	/* The end of the connection. */
	ROW(WITH("Connection: close"), "POST / 1.1 close\nHost=h\nConnection=close\nend\n"),
	ROW(WITH("Connection: Keep-Alive"), "POST / 1.1\nHost=h\nConnection=Keep-Alive\nend\n"),
	ROW(WITH("Connection: upgrade , CLOSE\t,x"),
	    "POST / 1.1 close\nHost=h\nConnection=upgrade , CLOSE\t,x\nend\n"),
	ROW(WITH("Connection: x-close, closed"),
	    "POST / 1.1\nHost=h\nConnection=x-close, closed\nend\n"),
	ROW(WITH("Connection: keep-alive\r\nConnection: close"),
	    "POST / 1.1 close\nHost=h\nConnection=keep-alive\nConnection=close\nend\n"),
	ROW("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	    "GET / 1.0\nConnection=keep-alive\nend\n"),
	ROW("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
	    "GET / 1.0 close\nConnection=keep-alive, close\nend\n"),
	/* Expect. */
	ROW(WITH("Expect: 100-Continue\r\nContent-Length: 1") "x",
	    "POST / 1.1 length 1 continue\nHost=h\nExpect=100-Continue\nContent-Length=1\nbody "
	    "x\nend\n"),
	ROW(WITH("Expect: 100-continue"), "POST / 1.1\nHost=h\nExpect=100-continue\nend\n"),
	ROW(WITH("Expect: 100-continue\r\nContent-Length: 0"),
	    "POST / 1.1 length 0\nHost=h\nExpect=100-continue\nContent-Length=0\nbody \nend\n"),
	ROW("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
	    "POST / 1.0 length 1 close\nExpect=100-continue\nContent-Length=1\nbody x\nend\n"),
	/* Not all there yet. */
	ROW("", ""),
	ROW("\r", "more in head\n"),
	ROW("\r\n\r\n", "more in head\n"),
	ROW("G", "more in head\n"),
	ROW("GET / HTTP/1.1\r\nHost: h\r\n", "more in head\n"),
	ROW("GET / HTTP/1.1\r\nHost: h\r\n\r", "more in head\n"),
	ROW(WITH("Content-Length: 3") "ab",
	    "POST / 1.1 length 3\nHost=h\nContent-Length=3\nmore in body, cut off\nab"),
};

static const struct row bad_requests[] = {
	/* Two lengths, of any kind. */
	ROW(WITH("Content-Length: 5\r\nContent-Length: 6"),
	    "refused 400 there are two Content-Length"),
	ROW(WITH("Content-Length: 5\r\ncontent-length: 5"),
	    "refused 400 there are two Content-Length"),
	ROW(WITH("Content-Length: 5, 5"), "refused 400 Content-Length must be one decimal"),
	ROW(WITH("Content-Length: 5 5"), "refused 400 Content-Length must be one decimal"),
	ROW(WITH("Content-Length: 5\r\nTransfer-Encoding: chunked"),
	    "refused 400 Content-Length and Transfer"),
	ROW(WITH("Transfer-Encoding: chunked\r\nContent-Length: 0"),
	    "refused 400 Content-Length and Transfer"),
	/* Lengths that are none. */
	ROW(WITH("Content-Length:"), "refused 400 Content-Length must be one decimal"),
	ROW(WITH("Content-Length: -1"), "refused 400 Content-Length must be one decimal"),
	ROW(WITH("Content-Length: +1"), "refused 400 Content-Length must be one decimal"),
	ROW(WITH("Content-Length: 0x1"), "refused 400 Content-Length must be one decimal"),
	ROW(WITH("Content-Length: 1.0"), "refused 400 Content-Length must be one decimal"),
	ROW(WITH("Content-Length: 1e1"), "refused 400 Content-Length must be one decimal"),
	ROW(WITH("Content-Length: \"1\""), "refused 400 Content-Length must be one decimal"),
	ROW(WITH("Content-Length: 18446744073709551616"),
	    "refused 400 Content-Length must be one decimal"),
	ROW(WITH("Content-Length: 184467440737095516150"),
	    "refused 400 Content-Length must be one decimal"),
	/* Codings. */
	ROW(WITH("Transfer-Encoding: gzip"), "refused 400 Transfer-Encoding must be chunked"),
	ROW(WITH("Transfer-Encoding:"), "refused 400 Transfer-Encoding must be chunked"),
	ROW(WITH("Transfer-Encoding: identity"), "refused 400 Transfer-Encoding must be chunked"),
	ROW(WITH("Transfer-Encoding: xchunked"), "refused 400 Transfer-Encoding must be chunked"),
	ROW(WITH("Transfer-Encoding: chunked, identity"),
	    "refused 400 Transfer-Encoding must be chunked"),
	ROW(WITH("Transfer-Encoding: chunked,"), "refused 400 Transfer-Encoding must be chunked"),
	ROW(WITH("Transfer-Encoding: \"chunked\""),
	    "refused 400 Transfer-Encoding must be chunked"),
	ROW(WITH("Transfer-Encoding: chunked;q=1"),
	    "refused 400 Transfer-Encoding must be chunked"),
	ROW(WITH("Transfer-Encoding: chunked chunked"),
	    "refused 400 Transfer-Encoding must be chunked"),
	ROW(WITH("Transfer-Encoding: gzip, chunked"), "refused 501 no transfer coding but chunked"),
	ROW(WITH("Transfer-Encoding: chunked, chunked"),
	    "refused 501 no transfer coding but chunked"),
	ROW(WITH("Transfer-Encoding: ,chunked"), "refused 501 no transfer coding but chunked"),
	ROW(WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
	    "refused 400 there are two Transfer-Encoding"),
	ROW(WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
	    "refused 400 there are two Transfer-Encoding"),
	ROW("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	    "refused 400 Transfer-Encoding needs HTTP/1.1"),
	ROW(WITH("Transfer-Encoding: \x0b"
		 "chunked"),
	    "refused 400 a header value must have no control"),
	ROW(WITH("Transfer-Encoding: chunked\x0b"),
	    "refused 400 a header value must have no control"),
	ROW(WITH("Transfer-Encoding\x0b: chunked"), "refused 400 a header name must be a word"),
	/* Space before the colon, names that are none, lines without a colon. */
	ROW(WITH("Transfer-Encoding : chunked"), "refused 400 a header name must be a word"),
	ROW(WITH("Content-Length\t: 5"), "refused 400 a header name must be a word"),
	ROW(WITH(": x"), "refused 400 a header name must be a word"),
	ROW(WITH("no colon"), "refused 400 a header name must be a word"),
	ROW(WITH("nocolon"), "refused 400 a header name must be a word"),
	ROW(WITH("A(b): x"), "refused 400 a header name must be a word"),
	ROW(WITH("A\x00: x"), "refused 400 a header name must be a word"),
	ROW(WITH("A\xc3\xbc: x"), "refused 400 a header name must be a word"),
	ROW(WITH("\x7f: x"), "refused 400 a header name must be a word"),
	/* obs-fold, also as the first line. */
	ROW(WITH("A: b\r\n c: d"), "refused 400 a header line must not start with a space"),
	ROW(WITH("A: b\r\n\tc"), "refused 400 a header line must not start with a space"),
	ROW("GET / HTTP/1.1\r\n Host: h\r\n\r\n",
	    "refused 400 a header line must not start with a space"),
	/* Line ends. */
	ROW("GET / HTTP/1.1\nHost: h\n\n", "refused 400 a line must end in CR LF"),
	ROW("GET / HTTP/1.1\r\nHost: h\n\r\n", "refused 400 a line must end in CR LF"),
	ROW("GET / HTTP/1.1\r\nHost: h\r\n\n", "refused 400 a line must end in CR LF"),
	ROW(WITH("A: b\nTransfer-Encoding: chunked"), "refused 400 a line must end in CR LF"),
	ROW(WITH("A: b\rTransfer-Encoding: chunked"),
	    "refused 400 a header value must have no control"),
	ROW(WITH("A: b\r\rB: c"), "refused 400 a header value must have no control"),
	ROW(WITH("A: b\r"), "refused 400 a header value must have no control"),
	ROW(WITH("\rA: b"), "refused 400 a header name must be a word"),
	ROW("GET / HTTP/1.1\r\r\nHost: h\r\n\r\n",
	    "refused 400 the version must end the request line"),
	ROW("\n" GET("/"), "refused 400 this is not HTTP/1.1"),
	ROW("\r" GET("/"), "refused 400 a line must end in CR LF"),
	ROW("\r\n\r\n\r\n" GET("/"), "refused 400 too many empty lines"),
	/* Control bytes in values. */
	ROW(WITH("A: b\x00"
		 "c"),
	    "refused 400 a header value must have no control"),
	ROW(WITH("A: \x01"), "refused 400 a header value must have no control"),
	ROW(WITH("A: 0123456789\x7f"), "refused 400 a header value must have no control"),
	ROW(WITH("A: 01234567\x1f"
		 "012345678"),
	    "refused 400 a header value must have no control"),
	ROW(WITH("A: \x1b[31m"), "refused 400 a header value must have no control"),
	/* The target. */
	ROW(GET(""), "refused 400 the target must"),
	ROW(GET("/\x00"), "refused 400 the target must"),
	ROW(GET("/a b"), "refused 400 the version must be"),
	ROW(GET("/a\tb"), "refused 400 the target must"),
	ROW(GET("/\x7f"), "refused 400 the target must"),
	ROW(GET("/a\rb"), "refused 400 the target must"),
	ROW(GET("/a#b"), "refused 400 the target must"),
	ROW(GET(" /a"), "refused 400 the target must"),
	ROW(GET("a/b"), "refused 400 the target must be a path"),
	ROW(GET("*"), "refused 400 the target must be a path"),
	ROW(GET("?a"), "refused 400 the target must be a path"),
	ROW(GET("example.com:80"), "refused 400 the target must be a path"),
	ROW(GET("ftp://h/"), "refused 400 the target must be a path"),
	ROW(GET("http:///x"), "refused 400 the target must be a path"),
	ROW(GET("http://"), "refused 400 the target must be a path"),
	ROW(GET("http://u@h/"), "refused 400 the target must be a path"),
	ROW(GET("http://h?x"), "refused 400 the target must be a path"),
	ROW("CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", "refused 501 CONNECT is not supported"),
	/* The request line. */
	ROW(LINE("GET /"), "refused 400 the target must"),
	ROW(LINE("GET / "), "refused 400 the version must be"),
	ROW(LINE("GET"), "refused 400 the method must be a word"),
	ROW(LINE(" GET / HTTP/1.1"), "refused 400 this is not HTTP/1.1"),
	ROW(LINE("GET  / HTTP/1.1"), "refused 400 the target must"),
	ROW(LINE("GET\t/ HTTP/1.1"), "refused 400 the method must be a word"),
	ROW(LINE("GET /  HTTP/1.1"), "refused 400 the version must be"),
	ROW(LINE("GET / HTTP/1.1 "), "refused 400 the version must end"),
	ROW(LINE("G\x00T / HTTP/1.1"), "refused 400 the method must be a word"),
	ROW(LINE("G{T / HTTP/1.1"), "refused 400 the method must be a word"),
	ROW(LINE("GET / http/1.1"), "refused 400 the version must be"),
	ROW(LINE("GET / HTTP/1."), "refused 400 the version must be"),
	ROW(LINE("GET / HTTP/11"), "refused 400 the version must be"),
	ROW(LINE("GET / HTTP/1.10"), "refused 400 the version must end"),
	ROW(LINE("GET / HTTP/ 1.1"), "refused 400 the version must be"),
	ROW(LINE("GET / HTTP/1.2"), "refused 505 the version must be"),
	ROW(LINE("GET / HTTP/0.9"), "refused 505 the version must be"),
	ROW(LINE("GET / HTTP/2.0"), "refused 505 the version must be"),
	ROW("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "refused 505 the version must be"),
	ROW("GET / HTTP/1.\r\n\r\n", "refused 400 the version must be"),
	ROW("GET / \r\n\r\n", "refused 400 the version must be"),
	/* Host. */
	ROW("GET / HTTP/1.1\r\n\r\n", "refused 400 the Host field is missing"),
	ROW(BARE("Hosts: h"), "refused 400 the Host field is missing"),
	ROW(BARE("Host: a\r\nHost: a"), "refused 400 there are two Host fields"),
	ROW(BARE("Host: a\r\nhost: b"), "refused 400 there are two Host fields"),
	ROW("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
	    "refused 400 there are two Host fields"),
	ROW(BARE("Host: a, b"), "refused 400 Host must be"),
	ROW(BARE("Host: a b"), "refused 400 Host must be"),
	ROW(BARE("Host: u@a"), "refused 400 Host must be"),
	ROW(BARE("Host: a/b"), "refused 400 Host must be"),
	/* Expect. */
	ROW(WITH("Expect: 100-continue, x"), "refused 417 Expect must be"),
	ROW(WITH("Expect: "), "refused 417 Expect must be"),
	/* No HTTP at all: refused by the first byte. */
	ROW("\x16\x03\x01", "refused 400 this is not HTTP/1.1"),
	ROW("\x00", "refused 400 this is not HTTP/1.1"),
};

static const struct row good_responses[] = {
	ROW("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
	    "200 1.1 length 2\nContent-Length=2\nbody hi\nend\n"),
	ROW("HTTP/1.1 404 Not \xc3\xbc Found\r\nContent-Length: 0\r\n\r\n",
	    "404 1.1 length 0\nContent-Length=0\nbody \nend\n"),
	ROW("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
	    "200 1.1 length 0\nContent-Length=0\nbody \nend\n"),
	ROW("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
	    "200 1.1 length 0\nContent-Length=0\nbody \nend\n"),
	ROW("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 x\r\n\r\n", "100 1.1\nend\n204 1.1\nend\n"),
	ROW("HTTP/1.1 304 x\r\nContent-Length: 9\r\n\r\n", "304 1.1\nContent-Length=9\nend\n"),
	ROW("HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n",
	    "204 1.1\nTransfer-Encoding=chunked\nend\n"),
	ROW("HTTP/1.1 200 OK\r\n\r\nabc", "200 1.1 until-close close\nmore in body, complete\nabc"),
	ROW("HTTP/1.0 200 OK\r\n\r\n", "200 1.0 until-close close\nmore in body, complete\n"),
	ROW("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
	    "200 1.0 length 0\nConnection=keep-alive\nContent-Length=0\nbody \nend\n"),
	ROW("HTTP/1.1 999 x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
	    "999 1.1 chunked\nTransfer-Encoding=chunked\nbody a\nend\n"),
	ROW("HTTP/1.1 200 OK\r\nHost: a\r\nHost: b\r\nExpect: x\r\nContent-Length: 0\r\n\r\n",
	    "200 1.1 length 0\nHost=a\nHost=b\nExpect=x\nContent-Length=0\nbody \nend\n"),
	ROW("HTTP/1.1 200 O", "more in head\n"),
	/* What is tolerated. */
	ROW("HTTP/1.1 200 OK\nA: b\nContent-Length: 1\n\nx",
	    "200 1.1 length 1 close\nA=b\nContent-Length=1\nbody x\nend\n"),
	ROW("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\nx",
	    "200 1.1 length 1 close\nContent-Length=1\nbody x\nend\n"),
	ROW("HTTP/1.1 200 OK\nContent-Length: 1\r\n\r\nx",
	    "200 1.1 length 1 close\nContent-Length=1\nbody x\nend\n"),
	ROW("HTTP/1.1 200 OK\r\nA: b \r\n\t c\r\nContent-Length: 0\r\n\r\n",
	    "200 1.1 length 0 close\nA=b c\nContent-Length=0\nbody \nend\n"),
	ROW("HTTP/1.1 200 OK\r\nA:\r\n b\r\n  \r\n c\r\n \r\nContent-Length: 0\r\n\r\n",
	    "200 1.1 length 0 close\nA=b c\nContent-Length=0\nbody \nend\n"),
	ROW("HTTP/1.1 200 OK\r\nA \t: b\r\nContent-Length: 0\r\n\r\n",
	    "200 1.1 length 0 close\nA=b\nContent-Length=0\nbody \nend\n"),
	ROW("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
	    "200 1.1 length 1\nContent-Length=1\nContent-Length=1\nbody a\nend\n"),
	ROW("HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "1\r\na\r\n0\r\n\r\n",
	    "200 1.1 chunked close\nContent-Length=9\nTransfer-Encoding=chunked\nbody a\nend\n"),
	ROW("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n"
	    "1\r\na\r\n0\r\n\r\n",
	    "200 1.0 chunked close\nTransfer-Encoding=chunked\nConnection=keep-alive\nbody "
	    "a\nend\n"),
	ROW("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 1\r\n\r\na",
	    "200 1.1 length 1\nTransfer-Encoding=identity\nContent-Length=1\nbody a\nend\n"),
};

static const struct row bad_responses[] = {
	ROW("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
	    "refused 0 there are two Content-L"),
	ROW("HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\na", "refused 0 Content-Length must be"),
	ROW("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\na", "refused 0 Content-Length must be"),
	ROW("HTTP/1.1 200 OK\r\nContent-Length:\r\n 2\r\n\r\nhi",
	    "refused 0 Content-Length must be"),
	ROW("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 2\r\n\r\na",
	    "refused 0 Content-Length must be"),
	ROW("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
	    "refused 0 no transfer coding but"),
	ROW("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
	    "chunked\r\n\r\n",
	    "refused 0 there are two Transfer-Encoding"),
	ROW("HTTP/1.1 200 OK\r\n A: b\r\n\r\n", "refused 0 a header line must not start"),
	ROW("HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n", "refused 0 a header value must have"),
	ROW("HTTP/1.1 200 OK\r\nA: b\r\r\n\r\n", "refused 0 a header value must have"),
	ROW("HTTP/1.1 200 OK\r\nA b\r\n\r\n", "refused 0 a header name must be a word"),
	ROW("HTTP/1.1 200 O\x01\r\n\r\n", "refused 0 the reason phrase"),
	ROW("HTTP/1.1 2000 OK\r\n\r\n", "refused 0 the reason phrase"),
	ROW("HTTP/1.1 20 OK\r\n\r\n", "refused 0 the status must be"),
	ROW("HTTP/1.1 099 OK\r\n\r\n", "refused 0 the status must be"),
	ROW("HTTP/1.1  200 OK\r\n\r\n", "refused 0 the status must be"),
	ROW("HTTP/1.1\r\n\r\n", "refused 0 the status must be"),
	ROW("HTTP/2 200 OK\r\n\r\n", "refused 0 the version must be"),
	ROW("HTTP/2.0 200 OK\r\n\r\n", "refused 0 the version must be"),
	ROW("ICY 200 OK\r\n\r\n", "refused 0 the version must be"),
	ROW("\r\nHTTP/1.1 200 OK\r\n\r\n", "refused 0 this is not HTTP/1.1"),
	ROW("<html>", "refused 0 this is not HTTP/1.1"),
};

typedef void play_fn(struct str in, struct play_cut cut, struct buf *ret);

static void play_get_responses(struct str in, struct play_cut cut, struct buf *ret)
{
	play_responses(in, STR("GET"), cut, ret);
}

static void play_head_responses(struct str in, struct play_cut cut, struct buf *ret)
{
	play_responses(in, STR("HEAD"), cut, ret);
}

/* Whole, then cut once at every place, then byte by byte; all transcripts start with `want` (are
 * `want`). */
static void play_row(play_fn *play, const struct row *row, bool exact)
{
	struct buf got;

	buf_init(&got, 1 << 20);
	for (size_t cut = 0; cut <= row->in.n; cut++) {
		struct play_cut c = { cut, cut == row->in.n ? 1 : 0 };

		if (cut == row->in.n)
			c.first = 1;
		buf_reset(&got);
		play(row->in, c, &got);
		if (exact)
			T_EQ_STR(buf_str(&got), str_c(row->want));
		else
			T_EQ_STR(str_sub(buf_str(&got), 0, strlen(row->want)), str_c(row->want));
	}
	buf_done(&got);
}

TEST(requests_that_are_accepted)
{
	for (size_t i = 0; i < countof(good_requests); i++)
		play_row(play_requests, &good_requests[i], true);
}

TEST(requests_that_are_refused)
{
	for (size_t i = 0; i < countof(bad_requests); i++)
		play_row(play_requests, &bad_requests[i], false);
}

TEST(responses_that_are_accepted)
{
	for (size_t i = 0; i < countof(good_responses); i++)
		play_row(play_get_responses, &good_responses[i], true);
}

TEST(responses_that_are_refused)
{
	for (size_t i = 0; i < countof(bad_responses); i++)
		play_row(play_get_responses, &bad_responses[i], false);
}

TEST(a_response_to_head_has_no_body)
{
	static const struct row rows[] = {
		ROW("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
		    "200 1.1\nContent-Length=9\nend\n"),
		ROW("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		    "200 1.1\nTransfer-Encoding=chunked\nend\n"),
		ROW("HTTP/1.1 200 OK\r\n\r\n", "200 1.1\nend\n"),
	};

	for (size_t i = 0; i < countof(rows); i++)
		play_row(play_head_responses, &rows[i], true);
}

/* Every byte in every place that has a grammar. */
TEST(each_byte_value_in_name_value_and_target)
{
	for (int c = 0; c < 256; c++) {
		struct buf in, got;
		bool control = c < 0x20 || c == 0x7f;
		char byte = (char)c;
		bool name_ok =
			c != 0 && (strchr("!#$%&'*+-.^_`|~", c) != NULL || (c >= '0' && c <= '9') ||
				   (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'));
		bool value_ok = !control || c == '\t';
		bool target_ok = !control && c != ' ' && c != '#';

		T_EQ_INT(http1_is_token(str_n(&byte, 1)), name_ok);
		T_EQ_INT(http1_is_value(str_n(&byte, 1)), value_ok);
		for (int place = 0; place < 4; place++) {
			bool ok = place == 0 ? name_ok : place == 3 ? target_ok : value_ok;

			buf_init(&in, 1000);
			buf_init(&got, 1000);
			buf_add(&in, STR("GET /a"));
			if (place == 3)
				buf_byte(&in, byte);
			buf_add(&in, STR("b HTTP/1.1\r\nHost: h\r\nA"));
			if (place == 0)
				buf_byte(&in, byte);
			buf_add(&in, STR("b: v"));
			/* In the first word of eight bytes and after it. */
			if (place == 1)
				buf_byte(&in, byte);
			buf_add(&in, STR("xxxxxxxxx"));
			if (place == 2)
				buf_byte(&in, byte);
			buf_add(&in, STR("y\r\n\r\n"));
			play_requests(buf_str(&in), (struct play_cut){ 0, 0 }, &got);
			/* A colon ends the name, which makes another header of it. */
			if (!(place == 0 && c == ':'))
				T_EQ_INT(str_starts(buf_str(&got), STR("GET /a")), ok);
			buf_done(&in);
			buf_done(&got);
		}
	}
	T_CHECK(!http1_is_token(STR("")));
	T_CHECK(http1_is_value(STR("")));
}

/* A request whose line and fields are filled up to given lengths. */
static void fill(struct buf *in, size_t target_bytes, size_t value_bytes, size_t fields)
{
	buf_reset(in);
	buf_add(in, STR("GET /"));
	for (size_t i = 1; i < target_bytes; i++)
		buf_byte(in, 'a');
	buf_add(in, STR(" HTTP/1.1\r\nHost: h\r\n"));
	for (size_t f = 1; f < fields; f++) {
		buf_add(in, STR("a: "));
		for (size_t i = 0; i < value_bytes; i++)
			buf_byte(in, 'b');
		buf_add(in, STR("\r\n"));
	}
	buf_add(in, STR("\r\n"));
}

static void expect_limit(struct str in, const char *want)
{
	static const struct play_cut cuts[] = {
		{ 0, 0 }, { 1, 1000 }, { 30000, 1 }, { 16 * 1024, 16 * 1024 }
	};
	struct buf got;

	buf_init(&got, 1 << 20);
	for (size_t i = 0; i < countof(cuts); i++) {
		if (cuts[i].each == 1 && in.n > 34000)
			continue;
		buf_reset(&got);
		play_requests(in, cuts[i], &got);
		T_EQ_STR(str_sub(buf_str(&got), 0, strlen(want)), str_c(want));
	}
	buf_done(&got);
}

TEST(limits_of_a_head)
{
	const size_t line = HTTP1_LINE_MAX - strlen("GET  HTTP/1.1\r");
	struct buf in;

	buf_init(&in, 1 << 20);
	fill(&in, line, 1, 2);
	expect_limit(buf_str(&in), "GET /aaa");
	fill(&in, line + 1, 1, 2);
	expect_limit(buf_str(&in), "refused 414 a line is too long");
	/* The line need not even end. */
	expect_limit(str_sub(buf_str(&in), 0, HTTP1_LINE_MAX + 1), "refused 414");
	expect_limit(str_sub(buf_str(&in), 0, HTTP1_LINE_MAX), "more in head");

	fill(&in, 1, HTTP1_LINE_MAX - strlen("a: \r"), 2);
	expect_limit(buf_str(&in), "GET / ");
	fill(&in, 1, HTTP1_LINE_MAX - strlen("a: \r") + 1, 2);
	expect_limit(buf_str(&in), "refused 431 a line is too long");

	fill(&in, 1, 1, HTTP1_FIELDS_MAX);
	expect_limit(buf_str(&in), "GET / ");
	fill(&in, 1, 1, HTTP1_FIELDS_MAX + 1);
	expect_limit(buf_str(&in), "refused 431 there are too many header fields");

	/* 64 fields of 1 KB, and the same to the byte. */
	fill(&in, 1, 1019, 65);
	expect_limit(buf_str(&in), "refused 431 the head is too long");
	fill(&in, HTTP1_HEAD_MAX - 63 * 1024 - strlen("GET  HTTP/1.1\r\nHost: h\r\n\r\n"), 1019,
	     64);
	T_EQ_INT(in.n, HTTP1_HEAD_MAX);
	expect_limit(buf_str(&in), "GET /a");
	fill(&in, HTTP1_HEAD_MAX - 63 * 1024 - strlen("GET  HTTP/1.1\r\nHost: h\r\n\r\n") + 1, 1019,
	     64);
	expect_limit(buf_str(&in), "refused 431 the head is too long");
	buf_done(&in);
}

TEST(a_moved_head_points_into_the_copy)
{
	static const char text[] = "GET http://x/a?b HTTP/1.1\r\nHost: h\r\nA: b\r\nEmpty:\r\n\r\n";
	char copy[sizeof(text)];
	struct http1_head *head = xcalloc(1, sizeof(*head));
	size_t scan = 0, n = 0;
	struct http1_refusal no;

	T_EQ_INT(http1_request_head(str_n(text, sizeof(text) - 1), &scan, head, &n, &no),
		 HTTP1_DONE);
	T_EQ_INT(n, sizeof(text) - 1);
	memcpy(copy, text, sizeof(text));
	http1_head_move(head, text, copy);
	T_CHECK(head->method.p == copy);
	T_CHECK(head->target.p == copy + strlen("GET http://x"));
	T_EQ_STR(head->target, STR("/a?b"));
	T_EQ_STR(http1_field_get(head, STR("a")), STR("b"));
	T_CHECK(http1_field_get(head, STR("A")).p > copy &&
		http1_field_get(head, STR("A")).p < copy + n);
	T_CHECK(http1_field_get(head, STR("EMPTY")).p != NULL);
	T_CHECK(http1_field_get(head, STR("Absent")).p == NULL);
	free(head);
}

TEST(a_moved_response_keeps_its_method)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
	char copy[sizeof(text)];
	struct http1_head *head = xcalloc(1, sizeof(*head));
	size_t scan = 0, n = 0;
	struct http1_refusal no;

	head->method = STR("HEAD");
	T_EQ_INT(http1_response_head(str_n(text, sizeof(text) - 1), &scan, head, &n, &no),
		 HTTP1_DONE);
	T_EQ_INT(head->body, HTTP1_BODY_NONE);
	memcpy(copy, text, sizeof(text));
	http1_head_move(head, text, copy);
	T_EQ_STR(head->method, STR("HEAD"));
	T_CHECK(head->target.p == NULL);
	T_CHECK(head->field[0].value.p == copy + strlen("HTTP/1.1 200 OK\r\nA: "));
	free(head);
}

TEST(reason_phrases)
{
	T_EQ_STR(str_c(http1_reason(200)), STR("OK"));
	T_EQ_STR(str_c(http1_reason(431)), STR("Request Header Fields Too Large"));
	T_EQ_STR(str_c(http1_reason(299)), STR("Unknown"));
}
