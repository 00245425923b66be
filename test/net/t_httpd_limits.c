/* The server against slow, greedy and many peers. */
#include "t.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "web.h"

/* Deadlines are looked at once a second at the latest, so short limits end within little more. */
static const struct httpd_settings short_limits = { .head_timeout_ms = 400,
						    .idle_timeout_ms = 400,
						    .body_window_ms = 400,
						    .write_timeout_ms = 400,
						    .linger_ms = 400,
						    .body_rate_min = 10000 };

static void expect(struct peer *p, int status, const char *body)
{
	T_EQ_INT(peer_status(p, "GET"), status);
	if (body != NULL)
		T_EQ_STR(buf_str(&p->body), str_c(body));
}

static struct str zeros(struct buf *b, size_t n)
{
	char *room;

	buf_init(b, n);
	room = buf_room(b, n);
	check(room != NULL);
	memset(room, '0', n);
	buf_grew(b, n);
	return buf_str(b);
}

extern void __asan_init(void) __attribute__((weak));
extern void __tsan_init(void) __attribute__((weak));

/* 0 under a sanitizer, which keeps freed memory. */
static long resident_kb(void)
{
	long pages = 0, ignored = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (__asan_init != NULL || __tsan_init != NULL) {
		fclose(f);
		return 0;
	}
	check(f != NULL && fscanf(f, "%ld %ld", &ignored, &pages) == 2);
	fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

TEST(a_head_that_drips_gets_408)
{
	struct httpd_settings set = short_limits;
	struct web *w;
	struct peer p;
	int64_t start_ms = t_now_ms();

	set.head_timeout_ms = 300;
	w = web_start(set);
	p = peer_open(w);
	peer_fmt(&p, "GET / HTTP/1.1\r\n");
	/* Each header line that arrives does not buy more time. */
	while (peer_is_silent(&p, 20) && t_now_ms() - start_ms < 5000)
		peer_fmt(&p, "A: b\r\n");
	T_CHECK(t_now_ms() - start_ms >= 300);
	expect(&p, 408, "{\"error\":\"the head of the request took too long\"}");
	T_CHECK(!p.keep_alive && peer_is_closed(&p));
	T_EQ_INT(web_stats(w).timed_out, 1);
	peer_close(&p);
	web_stop(w);
}

TEST(a_body_that_drips_gets_408_and_a_fast_enough_one_does_not)
{
	struct web *w = web_start(short_limits);
	struct peer slow = peer_open(w), fast = peer_open(w);
	int64_t start_ms = t_now_ms();

	peer_fmt(&slow, "POST /max/1000000 HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");
	peer_fmt(&fast, "POST /max/1000000 HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n");
	/* 3,000 bytes each ten milliseconds against one. */
	for (int i = 0; i < 100; i++) {
		peer_fmt(&fast, "%03000d", i);
		peer_fmt(&slow, "x");
		usleep(10000);
	}
	T_CHECK(t_now_ms() - start_ms > 900);
	expect(&fast, 200, "300000");
	expect(&slow, 408, "{\"error\":\"the body of the request came too slowly\"}");
	T_CHECK(!slow.keep_alive && peer_is_closed(&slow));
	T_EQ_INT(web_stats(w).body_bytes, 0);
	peer_close(&slow);
	peer_close(&fast);
	web_stop(w);
}

TEST(an_unwanted_body_that_drips_is_cut_off)
{
	struct web *w = web_start(short_limits);
	struct peer p = peer_open(w);

	peer_fmt(&p, "POST /deny HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\n\r\nx");
	expect(&p, 401, "denied");
	T_CHECK(peer_is_closed(&p));
	peer_close(&p);
	web_stop(w);
}

TEST(idle_connections_are_closed_without_a_word)
{
	struct web *w = web_start(short_limits);
	struct peer fresh = peer_open(w), used = peer_open(w);

	peer_fmt(&used, "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
	expect(&used, 200, "GET /echo ");
	T_CHECK(peer_is_closed(&fresh));
	T_CHECK(peer_is_closed(&used));
	T_EQ_INT(web_stats(w).connections, 0);
	peer_close(&fresh);
	peer_close(&used);
	web_stop(w);
}

TEST(a_request_may_be_handled_for_longer_than_any_limit)
{
	struct web *w = web_start(short_limits);
	struct peer p = peer_open(w);

	peer_fmt(&p, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
	T_CHECK(peer_is_silent(&p, 1500));
	T_EQ_INT(peer_ask(w, "/release"), 200);
	expect(&p, 200, "GET /hold ");
	peer_close(&p);
	web_stop(w);
}

TEST(a_refused_peer_that_never_closes_is_closed)
{
	struct web *w = web_start(short_limits);
	struct peer p = peer_open(w);

	peer_fmt(&p, "bad\r\n\r\n");
	expect(&p, 400, NULL);
	T_UNTIL(web_stats(w).connections == 0, 10);
	peer_close(&p);
	web_stop(w);
}

TEST(a_peer_that_does_not_read_its_answer_is_cut_off)
{
	struct web *w = web_start(short_limits);
	struct peer p = peer_open(w), other = peer_open(w);

	peer_fmt(&p, "GET /bytes/16000000 HTTP/1.1\r\nHost: h\r\n\r\n");
	/* The others do not notice. */
	peer_fmt(&other, "GET /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	expect(&other, 200, "GET /echo ");
	T_UNTIL(web_stats(w).timed_out == 1 && web_stats(w).connections == 0, 10);
	T_EQ_INT(peer_status(&p, "GET"), 0);
	peer_close(&p);
	peer_close(&other);
	web_stop(w);
}

TEST(a_peer_that_reads_slowly_gets_its_answer)
{
	struct httpd_settings set = short_limits;
	struct web *w;
	struct peer p;
	int bytes = 16 << 20;

	set.idle_timeout_ms = 5000;
	w = web_start(set);
	p = peer_open(w);
	peer_fmt(&p,
		 "GET /bytes/%d HTTP/1.1\r\nHost: h\r\n\r\nGET /echo HTTP/1.1\r\nHost: h\r\n\r\n",
		 bytes);
	/* Longer than the limit without reading, but each window sees progress. */
	for (int i = 0; i < 20; i++) {
		char *room = buf_room(&p.in, 200000);
		ssize_t n = recv(p.fd, room, 200000, 0);

		T_CHECK(n > 0);
		buf_grew(&p.in, n > 0 ? (size_t)n : 0);
		usleep(50000);
	}
	T_EQ_INT(peer_status(&p, "GET"), 200);
	T_EQ_INT(p.body.n, bytes);
	for (int i = 0; i < bytes; i++)
		if (p.body.p[i] != 'a' + i % 23) {
			T_EQ_INT(p.body.p[i], 'a' + i % 23);
			break;
		}
	expect(&p, 200, "GET /echo ");
	peer_close(&p);
	web_stop(w);
}

TEST(an_answer_over_the_limit_becomes_a_500)
{
	struct web *w = web_start(short_limits);
	struct peer p = peer_open(w);

	peer_fmt(&p, "GET /bytes/16777217 HTTP/1.1\r\nHost: h\r\n\r\nGET /echo HTTP/1.1\r\nHost: "
		     "h\r\n\r\n");
	expect(&p, 500, "{\"error\":\"the answer is too long\"}");
	expect(&p, 200, "GET /echo ");
	peer_close(&p);
	web_stop(w);
}

TEST(connections_over_the_limit_get_503)
{
	enum { MAX = 5 };
	struct web *w =
		web_start((struct httpd_settings){ .connections_max = MAX, .linger_ms = 200 });
	struct peer p[MAX], more;

	for (int i = 0; i < MAX; i++) {
		p[i] = peer_open(w);
		peer_fmt(&p[i], "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
		expect(&p[i], 200, "GET /echo ");
	}
	for (int i = 0; i < 3; i++) {
		more = peer_open(w);
		peer_fmt(&more, "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
		expect(&more, 503, "{\"error\":\"the server has too many connections\"}");
		T_CHECK(!more.keep_alive && peer_is_closed(&more));
		peer_close(&more);
	}
	peer_fmt(&p[0], "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
	expect(&p[0], 200, "GET /echo ");
	T_EQ_INT(web_handled(w), MAX + 1);
	for (int i = 0; i < MAX; i++)
		peer_close(&p[i]);
	T_UNTIL(web_stats(w).connections == 0, 10);
	T_EQ_INT(peer_ask(w, "/echo"), 200);
	web_stop(w);
}

TEST(connections_far_over_the_limit_are_closed)
{
	enum { MANY = 400 };
	struct web *w = web_start((struct httpd_settings){ .connections_max = 1 });
	struct peer p[MANY];
	int told = 0, closed = 0;

	for (int i = 0; i < MANY; i++)
		p[i] = peer_open(w);
	T_UNTIL(web_stats(w).refused == MANY - 1, 10);
	T_CHECK(web_stats(w).connections <= 1 + 128);
	for (int i = 1; i < MANY; i++) {
		int status = peer_status(&p[i], "GET");

		told += status == 503;
		closed += status == 0;
	}
	T_CHECK(told >= 128 && told + closed == MANY - 1);
	for (int i = 0; i < MANY; i++)
		peer_close(&p[i]);
	web_stop(w);
}

struct crowd {
	const struct web *w;
	struct peer p[20];
};

/* Fills the server's backlog, then leaves three descriptors for it to accept with. */
static void crowd_in(void *arg)
{
	struct crowd *crowd = arg;
	struct rlimit limit;
	int next;

	for (size_t i = 0; i < countof(crowd->p); i++) {
		crowd->p[i] = peer_open(crowd->w);
		peer_fmt(&crowd->p[i], "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
	}
	next = dup(0);
	check(next >= 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0);
	close(next);
	limit.rlim_cur = (rlim_t)(next + 3);
	check(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

TEST(without_descriptors_the_server_waits_and_does_not_spin)
{
	struct web *w = web_start((struct httpd_settings){ 0 });
	struct crowd crowd = { .w = w };
	const int peers = countof(crowd.p);
	struct peer *last = &crowd.p[peers - 1];
	int64_t cpu_ms;

	web_stall(w, crowd_in, &crowd);
	cpu_ms = web_cpu_ms(w);
	T_CHECK(peer_is_silent(last, 500));
	T_CHECK(web_cpu_ms(w) - cpu_ms < 100);
	T_EQ_INT(web_stats(w).accepted, 3);
	/* Descriptors come back: the server catches up by itself. */
	for (int i = 0; i < peers / 2 + 1; i++)
		peer_close(&crowd.p[i]);
	expect(last, 200, "GET /echo ");
	T_UNTIL(web_stats(w).accepted == (uint64_t)peers, 10);
	for (int i = peers / 2 + 1; i < peers; i++)
		peer_close(&crowd.p[i]);
	web_stop(w);
}

TEST(a_peer_that_pipelines_without_end_is_not_read)
{
	struct web *w = web_start((struct httpd_settings){ 0 });
	struct peer p = peer_open(w);
	struct buf b;
	struct str flood = zeros(&b, 32 << 20);
	long before_kb;
	size_t sent;

	peer_fmt(&p, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
	T_UNTIL(web_held(w) == 1, 10);
	before_kb = resident_kb();
	sent = peer_flood(&p, flood, 300);
	/* The kernel's buffers fill, ours do not. */
	T_CHECK(sent < flood.n);
	T_CHECK(resident_kb() - before_kb < 2048);
	T_EQ_INT(peer_ask(w, "/release"), 200);
	expect(&p, 200, "GET /hold ");
	expect(&p, 414, NULL);
	buf_done(&b);
	peer_close(&p);
	web_stop(w);
}

TEST(unused_input_of_all_connections_is_bounded)
{
	enum { PEERS = 1400 };
	static struct peer p[PEERS];
	struct web *w = web_start((struct httpd_settings){ .linger_ms = 60000 });
	struct buf b, head;
	struct str filler = zeros(&b, 30000);
	int refused = 0, waiting = 0;

	/* Heads of 60 KB that never end, 84 MB in all. */
	buf_init(&head, 1 << 16);
	buf_add(&head, STR("GET / HTTP/1.1\r\nA: "));
	buf_add(&head, filler);
	buf_add(&head, STR("\r\nB: "));
	buf_add(&head, filler);
	for (int i = 0; i < PEERS; i++) {
		p[i] = peer_open(w);
		peer_send(&p[i], buf_str(&head));
	}
	T_UNTIL(web_stats(w).refused > 0, 10);
	/* A short request still gets through. */
	T_EQ_INT(peer_ask(w, "/echo"), 200);
	for (int i = 0; i < PEERS; i++) {
		if (peer_is_silent(&p[i], 0))
			waiting++;
		else
			refused += peer_status(&p[i], "GET") == 503;
		peer_close(&p[i]);
	}
	T_CHECK(refused > 0 && waiting > 900);
	T_EQ_INT(refused + waiting, PEERS);
	T_UNTIL(web_stats(w).connections == 0, 10);
	buf_done(&b);
	buf_done(&head);
	web_stop(w);
}

TEST(bodies_wait_when_memory_is_full)
{
	enum { PEERS = 10, BYTES = 1 << 20 };
	struct httpd_settings set = { .body_memory_max = 3 << 20,
				      .body_window_ms = 500,
				      .body_rate_min = 1000 };
	struct web *w = web_start(set);
	struct peer p[PEERS], q;
	struct buf b;
	struct str body = zeros(&b, BYTES);

	/* All send half of their bodies: 5 MB, of which 3 MB fit. */
	for (int i = 0; i < PEERS; i++) {
		p[i] = peer_open(w);
		peer_fmt(&p[i], "POST /max/%d HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n",
			 BYTES, BYTES);
		(void)peer_flood(&p[i], str_sub(body, 0, BYTES / 2), 20);
	}
	T_UNTIL(web_stats(w).body_bytes >= set.body_memory_max, 10);
	T_CHECK(web_stats(w).body_bytes < set.body_memory_max + PEERS * 64 * 1024 + BYTES);
	/* Short bodies do not wait. */
	q = peer_open(w);
	peer_fmt(&q, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n");
	peer_fmt(&q, "abc");
	expect(&q, 200, "POST /echo abc");
	peer_close(&q);
	/* One that goes on gets through in the end, though all the others have stopped. */
	peer_send(&p[PEERS - 1], str_sub(body, 0, BYTES / 2));
	expect(&p[PEERS - 1], 200, "1048576");
	for (int i = 0; i < PEERS - 1; i++)
		expect(&p[i], 408, NULL);
	for (int i = 0; i < PEERS; i++)
		peer_close(&p[i]);
	T_UNTIL(web_stats(w).connections == 0, 10);
	T_EQ_INT(web_stats(w).body_bytes, 0);
	buf_done(&b);
	web_stop(w);
}

/* Sends what is left of the bodies, to whoever takes some; returns how many bytes are still to
 * go. */
static size_t push(struct peer *p, size_t *left, int peers, struct str body)
{
	size_t total = 0;

	for (int i = 0; i < peers; i++) {
		size_t most = left[i] < 50000 ? left[i] : 50000;
		ssize_t n = send(p[i].fd, body.p, most, MSG_DONTWAIT | MSG_NOSIGNAL);

		left[i] -= n > 0 ? (size_t)n : 0;
		total += left[i];
	}
	return total;
}

TEST(bodies_of_many_times_the_memory_all_arrive)
{
	enum { PEERS = 40, BYTES = 1 << 20 };
	struct httpd_settings set = { .body_memory_max = 2 << 20,
				      .body_window_ms = 5000,
				      .body_rate_min = 1000 };
	struct web *w = web_start(set);
	struct peer p[PEERS];
	size_t left[PEERS], most = 0;
	struct buf b;
	struct str body = zeros(&b, BYTES);

	for (int i = 0; i < PEERS; i++) {
		left[i] = BYTES;
		p[i] = peer_open(w);
		peer_fmt(&p[i], "POST /max/%d HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n",
			 BYTES, BYTES);
	}
	for (int64_t until_ms = t_now_ms() + 10000; t_now_ms() < until_ms;) {
		size_t to_go = push(p, left, PEERS, body), held = web_stats(w).body_bytes;

		most = held > most ? held : most;
		if (to_go == 0)
			break;
	}
	for (int i = 0; i < PEERS; i++) {
		expect(&p[i], 200, "1048576");
		peer_close(&p[i]);
	}
	T_CHECK(most > 0 && most < set.body_memory_max + PEERS * 64 * 1024 + BYTES);
	T_EQ_INT(web_stats(w).timed_out, 0);
	buf_done(&b);
	web_stop(w);
}

/* Opens 2,000 connections and makes a request with a body on each; returns what remains of
 * memory. */
static long idle_crowd_kb(size_t body_bytes)
{
	enum { PEERS = 2000 };
	static struct peer p[PEERS];
	struct web *w = web_start((struct httpd_settings){ 0 });
	struct buf b;
	struct str body = zeros(&b, body_bytes);
	char want[20];
	long kb;

	snprintf(want, sizeof(want), "%zu", body_bytes);
	T_EQ_INT(peer_ask(w, "/echo"), 200);
	kb = resident_kb();
	for (int i = 0; i < PEERS; i++) {
		p[i] = peer_open(w);
		peer_fmt(&p[i], "POST /max/%s HTTP/1.1\r\nHost: h\r\nContent-Length: %s\r\n\r\n",
			 want, want);
		peer_send(&p[i], body);
	}
	for (int i = 0; i < PEERS; i++) {
		expect(&p[i], 200, want);
		peer_trim(&p[i]);
	}
	T_EQ_INT(web_stats(w).connections, PEERS);
	kb = resident_kb() - kb;
	for (int i = 0; i < PEERS; i++) {
		peer_fmt(&p[i], "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
		expect(&p[i], 200, "GET /echo ");
		peer_close(&p[i]);
	}
	buf_done(&b);
	T_UNTIL(web_stats(w).connections == 0, 10);
	web_stop(w);
	return kb;
}

TEST(idle_connections_hold_little)
{
	T_CHECK(idle_crowd_kb(500) < 4 * 1024);
}

/* Needs an allocator that gives large blocks back, which glibc's does only with a fixed
 * threshold. */
TEST(large_bodies_leave_nothing_behind)
{
	(void)mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	T_CHECK(idle_crowd_kb(200000) < 20 * 1024);
}

TEST(a_crowd_of_slow_peers_does_not_slow_the_others)
{
	enum { PEERS = 500, ROUNDS = 40 };
	static struct peer p[PEERS];
	struct web *w = web_start(
		(struct httpd_settings){ .head_timeout_ms = 60000, .body_window_ms = 60000 });
	struct peer q = peer_open(w);
	int64_t worst_ms = 0;

	for (int i = 0; i < PEERS; i++) {
		p[i] = peer_open(w);
		peer_fmt(&p[i],
			 i % 2 ? "GET / HTTP/1.1\r\n"
			       : "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 900\r\n\r\n");
	}
	for (int round = 0; round < ROUNDS; round++) {
		int64_t start_ms;

		for (int i = 0; i < PEERS; i++)
			peer_fmt(&p[i], i % 2 ? "A: %d\r\n" : "%d", round);
		start_ms = t_now_ms();
		peer_fmt(&q, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
		expect(&q, 200, "GET /later ");
		worst_ms = t_now_ms() - start_ms > worst_ms ? t_now_ms() - start_ms : worst_ms;
	}
	T_CHECK(worst_ms < 5000);
	T_EQ_INT(web_stats(w).timed_out, 0);
	for (int i = 0; i < PEERS; i++)
		peer_close(&p[i]);
	peer_close(&q);
	web_stop(w);
}
