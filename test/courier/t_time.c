/* What takes too long, and what is given up. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "names.h"
#include "rig.h"
#include "server.h"
#include "t.h"

static void answer_all(struct conn *c)
{
	struct request req;

	while (conn_request(c, &req) && conn_answer(c, STR("ok")))
		continue;
}

static void never_answer(struct conn *c)
{
	conn_hold(c);
}

/* A socket buffer that fills. */
static void never_read(struct conn *c)
{
	conn_pause(c, 60000);
}

static void drip(struct conn *c, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!conn_send(c, str_sub(s, i, 1)) || !conn_pause(c, 20))
			return;
}

static void drip_head(struct conn *c)
{
	struct request req;

	if (conn_request(c, &req))
		drip(c,
		     STR("HTTP/1.1 200 \r\nX-Long: 0123456789012345678901234567890123456789\r\n"));
	conn_hold(c);
}

static void drip_body(struct conn *c)
{
	struct request req;

	if (conn_request(c, &req) && conn_fmt(c, "HTTP/1.1 201 OK\r\nContent-Length: 40\r\n\r\n"))
		drip(c, STR("0123456789012345678901234567890123456789"));
	conn_hold(c);
}

static void drip_interim(struct conn *c)
{
	struct request req;

	if (!conn_request(c, &req))
		return;
	while (conn_fmt(c, "HTTP/1.1 102 Processing\r\n\r\n") && conn_pause(c, 20))
		continue;
}

static const struct {
	script_fn script;
	size_t body_bytes;
	const char *error;
} slow[] = {
	{ never_answer, 0, "no answer from 127.0.0.1:" },
	{ never_answer, 10 << 20, "no answer from 127.0.0.1:" },
	{ never_read, 20 << 20, "no answer from 127.0.0.1:" },
	{ drip_head, 0, "no complete answer from 127.0.0.1:" },
	{ drip_interim, 0, "no complete answer from 127.0.0.1:" },
	{ drip_body, 0, "status 201 and" },
};

TEST_EACH(gives_up_when_the_time_is_over, slow)
{
	struct server *s = server_start(row->script, NULL);
	char *body = xcalloc(1, row->body_bytes);
	struct rig r;
	struct call *c;
	int64_t begin_ms;

	rig_open(&r, rig_settings());
	c = call_new(&r, "POST", "http://127.0.0.1:%d/", server_port(s));
	c->req.body = str_n(body, row->body_bytes);
	c->req.timeout_ms = 400;
	begin_ms = t_now_ms();
	rig_do(c);
	call_failed(c, row->error);
	call_failed(c, "within 400 ms");
	T_CHECK(c->done_ms - begin_ms >= 399 && c->done_ms - begin_ms < 2400);
	T_CHECK(c->req.outcome.duration_ms >= 399 && c->req.outcome.duration_ms < 2400);
	RIG_UNTIL(&r, row->script == never_read || server_open(s) == 0);
	call_free(c);
	rig_close(&r);
	server_stop(s);
	free(body);
}

/* Slow, yet in time. */
TEST(waits_as_long_as_it_may)
{
	struct server *s = server_start(drip_body, NULL);
	struct courier_settings set = rig_settings();
	struct rig r;
	struct call *c;

	/* The time for connecting must not count once there is a connection. */
	set.connect_timeout_ms = 100;
	rig_open(&r, set);
	c = rig_get(&r, "http://127.0.0.1:%d/", server_port(s));
	call_answered(c, 201);
	T_EQ_INT(c->req.outcome.body.n, 40);
	T_CHECK(c->req.outcome.duration_ms >= 700);
	call_free(c);
	rig_close(&r);
	server_stop(s);
}

/* A port on which connecting hangs: the kernel answers no more once the backlog is full. */
struct black_hole {
	int fd[10], n, port;
};

static struct black_hole black_hole_open(void)
{
	struct black_hole h = { .n = 1 };
	struct sockaddr_in a = { .sin_family = AF_INET };

	h.fd[0] = listen_only(0, &h.port);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.sin_port = htons((uint16_t)h.port);
	while (h.n < 10) {
		struct pollfd p = { .events = POLLOUT };

		p.fd = h.fd[h.n++] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		check(p.fd >= 0);
		if (connect(p.fd, (struct sockaddr *)(void *)&a, sizeof(a)) != 0 &&
		    errno == EINPROGRESS && poll(&p, 1, 100) == 0)
			return h;
	}
	T_FAIL("the backlog does not fill");
}

static void black_hole_close(struct black_hole *h)
{
	while (h->n > 0)
		close(h->fd[--h->n]);
}

TEST(gives_up_when_no_connection_comes_about)
{
	struct black_hole h = black_hole_open();
	struct courier_settings set = rig_settings();
	struct rig r;
	struct call *c;

	set.connect_timeout_ms = 300;
	rig_open(&r, set);
	c = call_new(&r, "GET", "http://here.test:%d/", h.port);
	rig_do(c);
	call_failed(c, "no connection to here.test:");
	call_failed(c, "(127.0.0.1) within 300 ms");
	T_CHECK(c->req.outcome.duration_ms >= 299 && c->req.outcome.duration_ms < 2300);
	call_free(c);
	c = call_new(&r, "GET", "http://127.0.0.1:%d/", h.port);
	c->req.timeout_ms = 100;
	rig_do(c);
	call_failed(c, "within 100 ms");
	call_free(c);
	rig_close(&r);
	black_hole_close(&h);
}

TEST(gives_up_on_a_name_that_is_not_resolved)
{
	struct courier_settings set = rig_settings();
	struct rig r;
	struct call *c;
	int64_t begin_ms = t_now_ms();

	set.connect_timeout_ms = 300;
	rig_open(&r, set);
	c = rig_get(&r, "http://slow.test/");
	call_failed(c, "the name of slow.test:80 was not resolved within 300 ms");
	/* Nobody waits for the resolver. */
	T_CHECK(t_now_ms() - begin_ms < 2300);
	T_EQ_INT(names_waiting(), 1);
	call_free(c);
	rig_close(&r);
	names_release();
	T_UNTIL(names_waiting() == 0, 10);
}

TEST(counts_the_time_of_waiting_for_others)
{
	struct server *s = server_start(never_answer, NULL);
	struct courier_settings set = rig_settings();
	struct call *c[3];
	struct rig r;

	set.host_connections_max = 1;
	rig_open(&r, set);
	for (int i = 0; i < 3; i++) {
		c[i] = call_new(&r, "GET", "http://127.0.0.1:%d/%d", server_port(s), i);
		c[i]->req.timeout_ms = 300 + 200 * (2 - i);
		call_send(c[i]);
	}
	rig_wait(&r, 3);
	call_failed(c[2], "within 300 ms: too many requests were running for this one to start");
	call_failed(c[1], "within 500 ms: too many requests were running for this one to start");
	call_failed(c[0], "within 700 ms");
	T_CHECK(c[2]->done_ms <= c[1]->done_ms && c[1]->done_ms <= c[0]->done_ms);
	T_EQ_INT(server_connections(s), 1);
	for (int i = 0; i < 3; i++)
		call_free(c[i]);
	rig_close(&r);
	server_stop(s);
}

/* Dead names must hold up neither other names nor what needs no name. */
TEST(dead_names_hold_up_nobody_else)
{
	enum { DEAD = 300 };
	struct server *s = server_start(answer_all, NULL);
	struct call *dead[DEAD * 2], *c;
	struct rig r;

	rig_open(&r, rig_settings());
	call_free(rig_get(&r, "http://here.test:%d/", server_port(s)));
	for (int i = 0; i < DEAD * 2; i++) {
		dead[i] = call_new(&r, "GET", "http://slow-%d.test/", i % DEAD);
		call_send(dead[i]);
	}
	RIG_UNTIL(&r, names_waiting() >= 200);
	for (int i = 0; i < 20; i++) {
		c = rig_get(&r, "http://here.test:%d/", server_port(s));
		call_answered(c, 200);
		T_CHECK(c->req.outcome.duration_ms < 1000);
		call_free(c);
	}
	T_CHECK(names_waiting() <= 256);
	names_release();
	rig_wait(&r, 1 + 20 + DEAD * 2);
	for (int i = 0; i < DEAD * 2; i++) {
		call_failed(dead[i], "no such host: slow-");
		call_free(dead[i]);
	}
	rig_close(&r);
	server_stop(s);
}

TEST(looks_up_a_name_a_few_times_at_once_at_most)
{
	struct call *c[100];
	struct rig r;

	rig_open(&r, rig_settings());
	for (int i = 0; i < 100; i++) {
		c[i] = call_new(&r, "GET", "http://slow.test/");
		call_send(c[i]);
	}
	RIG_UNTIL(&r, names_waiting() > 0);
	rig_run(&r, 50);
	T_CHECK(names_waiting() <= 8);
	names_release();
	rig_wait(&r, 100);
	for (int i = 0; i < 100; i++) {
		call_failed(c[i], "no such host: slow.test:80");
		call_free(c[i]);
	}
	rig_close(&r);
}
