/* The server's protocol: what it answers, in which order, and when it closes. */
#include "t.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "web.h"

static const struct httpd_settings plain;

static void expect(struct peer *p, int status, const char *body)
{
	T_EQ_INT(peer_status(p, "GET"), status);
	T_EQ_STR(buf_str(&p->body), str_c(body));
}

TEST(answers_on_one_connection)
{
	struct web *w = web_start(plain);
	struct peer p = peer_open(w);

	peer_fmt(&p, "GET /echo?a=b HTTP/1.1\r\nHost: h\r\n\r\n");
	expect(&p, 200, "GET /echo?a=b ");
	T_EQ_STR(buf_str(&p.head), STR("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
				       "Content-Length: 14\r\n\r\n"));
	peer_fmt(&p, "POST /echo? HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
	expect(&p, 200, "POST /echo? hello");
	peer_fmt(&p, "PUT /later HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
		     "3;x\r\nabc\r\n2\r\nde\r\n0\r\nA: b\r\n\r\n");
	expect(&p, 200, "PUT /later abcde");
	peer_fmt(&p, "DELETE /empty HTTP/1.1\r\nHost: h\r\n\r\n");
	expect(&p, 204, "");
	T_EQ_STR(buf_str(&p.head),
		 STR("HTTP/1.1 204 No Content\r\nContent-Type: text/plain\r\n\r\n"));
	T_CHECK(p.keep_alive);
	T_EQ_INT(web_stats(w).accepted, 1);
	T_EQ_INT(web_stats(w).requests, 4);
	T_EQ_INT(web_stats(w).body_bytes, 0);
	peer_close(&p);
	T_UNTIL(web_stats(w).connections == 0, 10);
	web_stop(w);
}

TEST(head_has_the_length_but_no_body)
{
	struct web *w = web_start(plain);
	struct peer p = peer_open(w);

	peer_fmt(&p, "HEAD /bytes/5 HTTP/1.1\r\nHost: h\r\n\r\nGET /bytes/3 HTTP/1.1\r\nHost: "
		     "h\r\n\r\n");
	T_EQ_INT(peer_status(&p, "HEAD"), 200);
	T_CHECK(str_has(buf_str(&p.head), STR("Content-Length: 5\r\n")));
	expect(&p, 200, "abc");
	peer_close(&p);
	web_stop(w);
}

TEST(the_end_of_a_connection)
{
	static const struct {
		const char *request;
		const char *says; /* in the answer's head */
		bool closes;
	} rows[] = {
		{ "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n", "", false },
		{ "GET /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
		  "Connection: close\r\n", true },
		{ "GET /later HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\n",
		  "Connection: close\r\n", true },
		{ "GET /echo HTTP/1.0\r\n\r\n", "Connection: close\r\n", true },
		{ "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
		  "Connection: keep-alive\r\n", false },
		/* What follows a last request is not looked at. */
		{ "GET /echo HTTP/1.0\r\n\r\nGET /2 HTTP/1.0\r\n\r\n", "Connection: close\r\n",
		  true },
	};
	struct web *w = web_start(plain);

	for (size_t i = 0; i < countof(rows); i++) {
		struct peer p = peer_open(w);

		peer_send(&p, str_c(rows[i].request));
		T_EQ_INT(peer_status(&p, "GET"), 200);
		T_CHECK(str_has(buf_str(&p.head), str_c(rows[i].says)));
		T_EQ_INT(p.keep_alive, !rows[i].closes);
		T_CHECK(rows[i].closes ? peer_is_closed(&p) : peer_is_silent(&p, 20));
		peer_close(&p);
	}
	T_EQ_INT(web_handled(w), (int)countof(rows));
	web_stop(w);
}

TEST(requests_that_come_byte_by_byte)
{
	static const char text[] =
		"\r\nPOST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
		"POST /later HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
		"3\r\nabc\r\n0\r\n\r\n";
	struct web *w = web_start(plain);
	struct peer p = peer_open(w);

	for (size_t i = 0; i < strlen(text); i++) {
		peer_send(&p, str_n(text + i, 1));
		usleep(200); /* so that most bytes come alone */
	}
	expect(&p, 200, "POST /echo abc");
	expect(&p, 200, "POST /later abc");
	peer_close(&p);
	web_stop(w);
}

TEST(pipelined_requests_are_answered_in_order)
{
	enum { REQUESTS = 300 };
	struct web *w = web_start(plain);
	struct peer p = peer_open(w);
	struct buf all;
	char want[40];

	buf_init(&all, 1 << 20);
	for (int i = 0; i < REQUESTS; i++)
		buf_fmt(&all, "POST /%s?%d HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx",
			i % 3 == 0 ? "later" : "echo", i);
	peer_send(&p, buf_str(&all));
	for (int i = 0; i < REQUESTS; i++) {
		snprintf(want, sizeof(want), "POST /%s?%d x", i % 3 == 0 ? "later" : "echo", i);
		expect(&p, 200, want);
	}
	T_EQ_INT(web_stats(w).accepted, 1);
	buf_done(&all);
	peer_close(&p);
	web_stop(w);
}

TEST(deferred_answers_in_any_order)
{
	enum { PEERS = 20 };
	struct web *w = web_start(plain);
	struct peer p[PEERS];
	char want[40];

	for (int i = 0; i < PEERS; i++) {
		p[i] = peer_open(w);
		/* The second request must wait for the answer to the first. */
		peer_fmt(&p[i],
			 "GET /hold?%d HTTP/1.1\r\nHost: h\r\n\r\nGET /echo?%d HTTP/1.1\r\nHost: "
			 "h\r\n\r\n",
			 i, i);
	}
	T_UNTIL(web_held(w) == PEERS, 10);
	T_EQ_INT(web_handled(w), PEERS);
	T_CHECK(peer_is_silent(&p[0], 20));
	T_EQ_INT(peer_ask(w, "/release"), 200);
	for (int i = 0; i < PEERS; i++) {
		snprintf(want, sizeof(want), "GET /hold?%d ", i);
		expect(&p[i], 200, want);
		snprintf(want, sizeof(want), "GET /echo?%d ", i);
		expect(&p[i], 200, want);
		peer_close(&p[i]);
	}
	web_stop(w);
}

TEST(expect_100_continue)
{
	struct web *w = web_start(plain);
	struct peer p = peer_open(w);

	peer_fmt(&p, "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: "
		     "3\r\n\r\n");
	T_EQ_INT(peer_status(&p, "POST"), 100);
	T_EQ_STR(buf_str(&p.head), STR("HTTP/1.1 100 Continue\r\n\r\n"));
	T_CHECK(peer_is_silent(&p, 20));
	peer_fmt(&p, "abc");
	expect(&p, 200, "POST /echo abc");
	/* No need for it when the body is there already. */
	peer_fmt(&p, "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: "
		     "3\r\n\r\nabc");
	expect(&p, 200, "POST /echo abc");
	/* Chunked too. */
	peer_fmt(&p, "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nTransfer-Encoding: "
		     "chunked\r\n\r\n");
	T_EQ_INT(peer_status(&p, "POST"), 100);
	peer_fmt(&p, "1\r\na\r\n0\r\n\r\n");
	expect(&p, 200, "POST /echo a");
	/* Too large: the answer comes instead, and the connection ends. */
	peer_fmt(&p, "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: "
		     "1001\r\n\r\n");
	expect(&p, 413, "too large");
	T_CHECK(!p.keep_alive && peer_is_closed(&p));
	peer_close(&p);
	/* Denied: whether the body comes is unknown, so the connection ends as well. */
	p = peer_open(w);
	peer_fmt(&p, "POST /deny HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: "
		     "3\r\n\r\n");
	expect(&p, 401, "denied");
	T_CHECK(!p.keep_alive && peer_is_closed(&p));
	peer_close(&p);
	web_stop(w);
}

TEST(an_answer_before_the_body)
{
	struct web *w = web_start(plain);
	struct peer p = peer_open(w);

	/* A short body is read and dropped, even when it comes late. */
	peer_fmt(&p, "POST /deny HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n\r\n");
	expect(&p, 401, "denied");
	T_CHECK(p.keep_alive);
	for (int i = 0; i < 50; i++)
		peer_fmt(&p, "%0100d", 0);
	peer_fmt(&p, "GET /deny HTTP/1.1\r\nHost: h\r\n\r\nGET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
	expect(&p, 401, "denied");
	expect(&p, 200, "GET /echo ");
	/* A long one or one of unknown length is not worth it. */
	peer_fmt(&p, "POST /deny HTTP/1.1\r\nHost: h\r\nContent-Length: 70000\r\n\r\n");
	expect(&p, 401, "denied");
	T_CHECK(!p.keep_alive && peer_is_closed(&p));
	peer_close(&p);
	p = peer_open(w);
	peer_fmt(&p,
		 "POST /deny HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
	expect(&p, 401, "denied");
	T_CHECK(!p.keep_alive && peer_is_closed(&p));
	peer_close(&p);
	T_EQ_INT(web_handled(w), 1);
	web_stop(w);
}

TEST(a_body_up_to_its_limit)
{
	struct web *w = web_start(plain);
	struct peer p = peer_open(w);

	peer_fmt(&p, "POST /max/5 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabcde");
	expect(&p, 200, "5");
	peer_fmt(&p, "POST /max/5 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
		     "chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n");
	expect(&p, 200, "5");
	peer_fmt(&p, "POST /max/0 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
	expect(&p, 200, "0");
	peer_fmt(&p,
		 "POST /max/0 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
	expect(&p, 200, "0");
	peer_close(&p);
	web_stop(w);
}

TEST(a_body_over_its_limit)
{
	static const char *const requests[] = {
		"POST /max/5 HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n",
		"POST /max/5 HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabcdef",
		"POST /max/0 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n",
		"POST /max/5 HTTP/1.1\r\nHost: h\r\nContent-Length: 10000000000\r\n\r\nabc",
		"POST /max/5 HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551615\r\n\r\n",
		"POST /max/5 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef",
		("PUT /max/2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
		 "2\r\nab\r\n1\r\nc"),
	};
	struct web *w = web_start(plain);

	for (size_t i = 0; i < countof(requests); i++) {
		struct peer p = peer_open(w);

		peer_send(&p, str_c(requests[i]));
		expect(&p, 413, "too large");
		T_CHECK(!p.keep_alive && peer_is_closed(&p));
		peer_close(&p);
	}
	T_EQ_INT(web_stats(w).body_bytes, 0);
	web_stop(w);
}

TEST(one_who_sends_on_sees_why_he_was_refused)
{
	static const char megabyte[1 << 20];
	struct web *w = web_start(plain);
	struct peer p = peer_open(w);

	peer_fmt(&p, "POST /max/5 HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n");
	for (int i = 0; i < 20; i++)
		peer_flood(&p, str_n(megabyte, sizeof(megabyte)), 100);
	expect(&p, 413, "too large");
	peer_close(&p);
	web_stop(w);
}

TEST(malformed_requests_are_refused_and_nothing_after_them_is_seen)
{
	static const struct {
		const char *text;
		int status;
	} rows[] = {
		{ "GET / HTTP/1.1\r\n\r\n", 400 },
		{ "GET / HTTP/3.0\r\n\r\n", 505 },
		{ "\x16\x03\x01", 400 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: "
		  "chunked\r\n\r\n0\r\n\r\n",
		  400 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nContent-Length: "
		  "4\r\n\r\nabcd",
		  400 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		  400 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		  501 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
		  400 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nA: b\r\n Transfer-Encoding: "
		  "chunked\r\n\r\n0\r\n\r\n",
		  400 },
		{ "POST / HTTP/1.1\nHost: h\n\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
		  "chunked\r\n\r\n1\na\r\n0\r\n\r\n",
		  400 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
		  "chunked\r\n\r\nfffffffffffffffff\r\n",
		  400 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nExpect: magic\r\nContent-Length: 1\r\n\r\n", 417 },
	};
	struct web *w = web_start(plain);
	int refused = 0;

	for (size_t i = 0; i < countof(rows); i++)
		for (int after = 0; after < 2; after++) {
			struct peer p = peer_open(w);

			/* Alone, and behind a good request in the same packet. */
			if (after)
				peer_fmt(&p,
					 "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n%sGET /2 "
					 "HTTP/1.1\r\nHost: h\r\n\r\n",
					 rows[i].text);
			else
				peer_fmt(&p, "%sGET /2 HTTP/1.1\r\nHost: h\r\n\r\n", rows[i].text);
			if (after)
				expect(&p, 200, "GET /1 ");
			T_EQ_INT(peer_status(&p, "GET"), rows[i].status);
			T_CHECK(str_starts(buf_str(&p.body), STR("{\"error\":\"")));
			T_CHECK(str_has(buf_str(&p.head),
					STR("Content-Type: application/json\r\n")));
			T_CHECK(!p.keep_alive && peer_is_closed(&p));
			peer_close(&p);
			refused++;
		}
	T_EQ_INT(web_stats(w).refused, refused);
	T_EQ_INT(web_handled(w), (int)countof(rows));
	web_stop(w);
}

TEST(a_peer_that_closes_its_side)
{
	static const struct {
		const char *text;
		int status; /* 0 = closed without an answer */
	} rows[] = {
		{ "", 0 },
		{ "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n", 200 },
		{ "GET /later HTTP/1.1\r\nHost: h\r\n\r\n", 200 },
		{ "GET /echo HTTP/1.1\r\nHost: h\r\n", 400 },
		{ "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab", 400 },
		{ "POST /deny HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab", 401 },
		{ "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
		  400 },
	};
	struct web *w = web_start(plain);
	struct peer p;

	for (size_t i = 0; i < countof(rows); i++) {
		p = peer_open(w);
		peer_send(&p, str_c(rows[i].text));
		peer_half_close(&p);
		T_EQ_INT(peer_status(&p, "GET"), rows[i].status);
		T_CHECK(peer_is_closed(&p));
		peer_close(&p);
	}
	/* Pipelined ones are answered to the last, which is cut off. */
	p = peer_open(w);
	peer_fmt(&p, "GET /later?1 HTTP/1.1\r\nHost: h\r\n\r\nGET /later?2 HTTP/1.1\r\nHost: "
		     "h\r\n\r\nGET /");
	peer_half_close(&p);
	expect(&p, 200, "GET /later?1 ");
	expect(&p, 200, "GET /later?2 ");
	expect(&p, 400, "{\"error\":\"the request is cut off\"}");
	T_CHECK(peer_is_closed(&p));
	peer_close(&p);
	p = peer_open(w);
	peer_fmt(&p, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n"
		     "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab");
	peer_half_close(&p);
	T_UNTIL(web_held(w) == 1, 10);
	T_EQ_INT(peer_ask(w, "/release"), 200);
	expect(&p, 200, "GET /hold ");
	expect(&p, 400, "{\"error\":\"the request is cut off\"}");
	T_CHECK(peer_is_closed(&p));
	peer_close(&p);
	T_UNTIL(web_stats(w).connections == 0, 10);
	web_stop(w);
}

TEST(a_peer_that_is_gone_before_its_answer)
{
	struct web *w = web_start(plain);

	for (int i = 0; i < 10; i++) {
		struct peer p = peer_open(w);

		peer_fmt(&p, "POST /hold HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
		T_UNTIL(web_held(w) == i + 1, 10);
		if (i % 2)
			peer_reset(&p);
		else
			peer_close(&p);
	}
	/* A reset is seen at once; a close only looks like one side's, until the answer fails. */
	T_UNTIL(web_stats(w).connections == 5, 10);
	T_EQ_INT(web_stats(w).body_bytes, 30);
	T_EQ_INT(peer_ask(w, "/release"), 200);
	T_UNTIL(web_stats(w).connections == 0, 10);
	T_EQ_INT(web_stats(w).body_bytes, 0);
	T_EQ_INT(peer_ask(w, "/echo"), 200);
	web_stop(w);
}

TEST(requests_outlive_the_server)
{
	struct web *w = web_start(plain);
	struct peer p = peer_open(w), q = peer_open(w);

	peer_fmt(&p, "POST /hold HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
	peer_fmt(&q, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
	T_UNTIL(web_held(w) == 2, 10);
	peer_reset(&q);
	T_UNTIL(web_stats(w).connections == 1, 10);
	web_stop(w); /* answers both afterwards */
	T_EQ_INT(peer_status(&p, "POST"), 0);
	peer_close(&p);
}

TEST(drain)
{
	struct web *w = web_start(plain);
	struct peer held = peer_open(w), idle = peer_open(w), fresh = peer_open(w),
		    part = peer_open(w), late;

	peer_fmt(&idle, "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
	expect(&idle, 200, "GET /echo ");
	peer_fmt(&held, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
	peer_fmt(&part, "GET /release HTTP/1.1\r\nHost:");
	T_UNTIL(web_held(w) == 1 && web_stats(w).connections == 4, 10);
	web_drain(w);
	T_CHECK(peer_is_closed(&idle));
	T_CHECK(peer_is_closed(&fresh));
	T_CHECK(!peer_try_open(w, &late));
	T_CHECK(!web_is_drained(w));
	/* What was begun is finished. */
	peer_fmt(&part, " h\r\n\r\n");
	expect(&part, 200, "released");
	T_CHECK(!part.keep_alive && peer_is_closed(&part));
	expect(&held, 200, "GET /hold ");
	T_CHECK(!held.keep_alive && peer_is_closed(&held));
	T_UNTIL(web_is_drained(w), 10);
	peer_close(&held);
	peer_close(&idle);
	peer_close(&fresh);
	peer_close(&part);
	web_stop(w);
}

TEST(requests_that_have_arrived_when_the_drain_begins_are_answered)
{
	struct web *w = web_start(plain);
	struct peer idle = peer_open(w), new;

	peer_fmt(&idle, "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
	expect(&idle, 200, "GET /echo ");
	web_drain_at_a_bad_moment(w, &idle, &new);
	expect(&idle, 200, "GET /later ");
	T_CHECK(!idle.keep_alive && peer_is_closed(&idle));
	expect(&new, 200, "GET /later ");
	T_CHECK(!new.keep_alive &&peer_is_closed(&new));
	T_UNTIL(web_is_drained(w), 10);
	peer_close(&idle);
	peer_close(&new);
	web_stop(w);
}

TEST(drain_waits_for_a_request_whose_peer_is_gone)
{
	struct web *w = web_start(plain);
	struct peer p = peer_open(w), q = peer_open(w);

	peer_fmt(&p, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
	T_UNTIL(web_held(w) == 1, 10);
	peer_reset(&p);
	T_UNTIL(web_stats(w).connections == 1, 10);
	/* On a connection that has begun a request, so that it outlasts the drain. */
	peer_fmt(&q, "GET /release HTTP/1.1\r\n");
	T_UNTIL(peer_is_silent(&q, 10), 10);
	web_drain(w);
	T_CHECK(!web_is_drained(w));
	peer_fmt(&q, "Host: h\r\n\r\n");
	expect(&q, 200, "released");
	T_UNTIL(web_is_drained(w), 10);
	peer_close(&q);
	web_stop(w);
}

static void ask_over_ipv6(const struct web *w)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6,
				  .sin6_port = htons((uint16_t)web_port(w)),
				  .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct peer p = peer_of(socket(AF_INET6, SOCK_STREAM, 0));

	T_EQ_INT(connect(p.fd, (const struct sockaddr *)(const void *)&a, sizeof(a)), 0);
	peer_fmt(&p, "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
	expect(&p, 200, "GET /echo ");
	peer_close(&p);
}

TEST(an_ipv6_server_and_a_taken_port)
{
	struct web *w = web_start((struct httpd_settings){ .host = "::" });
	struct httpd_settings again = { .host = "127.0.0.1", .port = web_port(w) };
	static const struct httpd_ops ops;
	struct loop *loop = loop_new();
	char error[200] = "", want[100];

	/* A listener on :: takes IPv4 too, and its peers look like IPv4. */
	T_EQ_INT(peer_ask(w, "/echo"), 200);
	ask_over_ipv6(w);
	T_CHECK(httpd_open(loop, &again, &ops, NULL, error) == NULL);
	snprintf(want, sizeof(want), "address already in use: 127.0.0.1:%d", again.port);
	T_EQ_STR(str_c(error), str_c(want));
	again.host = "localhost";
	T_CHECK(httpd_open(loop, &again, &ops, NULL, error) == NULL);
	T_CHECK(str_starts(str_c(error), STR("not a numeric address and port: localhost:")));
	again = (struct httpd_settings){ .host = "127.0.0.1", .port = 65536 };
	T_CHECK(httpd_open(loop, &again, &ops, NULL, error) == NULL);
	again = (struct httpd_settings){ .host = "192.0.2.1" };
	T_CHECK(httpd_open(loop, &again, &ops, NULL, error) == NULL);
	T_CHECK(str_starts(str_c(error), STR("cannot listen on 192.0.2.1:0: ")));
	loop_free(loop);
	web_stop(w);
}
