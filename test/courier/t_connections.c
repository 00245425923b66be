/* Which connection a request goes over: reuse, and what becomes of it when the other end closed. */
#include <stdatomic.h>
#include <stdlib.h>

#include "rig.h"
#include "server.h"
#include "t.h"

static void answer_all(struct conn *c)
{
	struct request req;

	while (conn_request(c, &req) && conn_answer(c, STR("ok")))
		continue;
}

TEST(uses_one_connection_for_one_request_after_the_other)
{
	struct server *s = server_start(answer_all, NULL);
	struct rig r;

	rig_open(&r, rig_settings());
	for (int i = 0; i < 50; i++) {
		struct call *c = call_new(&r, "POST", "http://127.0.0.1:%d/%d", server_port(s), i);

		c->req.body = STR("x");
		rig_do(c);
		call_answered(c, 200);
		call_free(c);
	}
	T_EQ_INT(server_connections(s), 1);
	rig_close(&r);
	T_UNTIL(server_open(s) == 0, 10);
	server_stop(s);
}

TEST(uses_its_connections_again_for_the_next_burst)
{
	struct server *s = server_start(answer_all, NULL);
	struct call *c[100];
	struct rig r;

	rig_open(&r, rig_settings());
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 100; i++) {
			c[i] = call_new(&r, "GET", "http://127.0.0.1:%d/", server_port(s));
			call_send(c[i]);
		}
		rig_wait(&r, 100 * (round + 1));
		for (int i = 0; i < 100; i++) {
			call_answered(c[i], 200);
			call_free(c[i]);
		}
	}
	T_CHECK(server_connections(s) <= 100);
	rig_close(&r);
	server_stop(s);
}

TEST(opens_no_more_connections_than_allowed)
{
	struct server *s = server_start(answer_all, NULL);
	struct courier_settings set = rig_settings();
	struct call *c[100];
	struct rig r;

	set.host_connections_max = 7;
	rig_open(&r, set);
	for (int i = 0; i < 100; i++) {
		c[i] = call_new(&r, "GET", "http://127.0.0.1:%d/", server_port(s));
		call_send(c[i]);
	}
	rig_wait(&r, 100);
	for (int i = 0; i < 100; i++) {
		call_answered(c[i], 200);
		call_free(c[i]);
	}
	T_CHECK(server_connections(s) <= 7);
	rig_close(&r);
	server_stop(s);
}

/* Idle connections count too: the oldest makes place for a new one. */
TEST(keeps_all_open_connections_below_the_limit)
{
	enum { HOSTS = 40, MAX = 10 };
	struct server *s[HOSTS];
	struct courier_settings set = rig_settings();
	struct rig r;
	int before, open = 0;

	for (int i = 0; i < HOSTS; i++)
		s[i] = server_start(answer_all, NULL);
	set.connections_max = MAX;
	rig_open(&r, set);
	call_free(rig_get(&r, "http://127.0.0.1:%d/", server_port(s[0])));
	before = open_fds();
	for (int i = 1; i < HOSTS; i++) {
		struct call *c = rig_get(&r, "http://127.0.0.1:%d/", server_port(s[i]));

		call_answered(c, 200);
		call_free(c);
		/* Each has two ends here. */
		T_UNTIL(open_fds() <= before + 2 * (MAX - 1), 10);
	}
	for (int i = 0; i < HOSTS; i++)
		open += server_open(s[i]);
	T_CHECK(open <= MAX);
	rig_close(&r);
	for (int i = 0; i < HOSTS; i++)
		server_stop(s[i]);
}

static void say_close(struct conn *c)
{
	struct request req;

	if (conn_request(c, &req))
		conn_send(
			c,
			STR("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"));
}

static void close_silently(struct conn *c)
{
	struct request req;

	if (conn_request(c, &req))
		conn_answer(c, STR("ok"));
}

/* Once the answer is known to have arrived; earlier, a reset would take the answer with it. */
static void reset_silently(struct conn *c)
{
	close_silently(c);
	while (atomic_load((atomic_int *)c->arg) <= c->number && conn_pause(c, 1))
		continue;
	conn_reset_on_close(c);
}

static const struct {
	script_fn script;
	bool waits; /* for the close to be seen before the next request */
} closers[] = { { say_close, false },
		{ close_silently, false },
		{ close_silently, true },
		{ reset_silently, false },
		{ reset_silently, true } };

TEST_EACH(goes_on_when_the_server_closes_between_requests, closers)
{
	atomic_int answered = 0;
	struct server *s = server_start(row->script, &answered);
	struct rig r;
	int before;

	rig_open(&r, rig_settings());
	before = open_fds();
	for (int i = 0; i < 30; i++) {
		struct call *c = call_new(&r, "POST", "http://127.0.0.1:%d/", server_port(s));

		c->req.body = STR("x");
		rig_do(c);
		call_answered(c, 200);
		call_free(c);
		atomic_fetch_add(&answered, 1);
		if (row->waits)
			RIG_UNTIL(&r, server_open(s) == 0);
	}
	T_EQ_INT(server_requests(s), 30);
	T_EQ_INT(server_connections(s), 30);
	T_CHECK(open_fds() <= before + 8);
	rig_close(&r);
	server_stop(s);
}

enum death { DIES_AT_ONCE, DIES_WITH_RESET, DIES_IN_THE_ANSWER };

struct mortal {
	enum death death;
	int lives; /* connections up to this number die of their second request; later ones never */
};

static void die(struct conn *c)
{
	const struct mortal *m = c->arg;
	struct request req;

	for (int i = 0; conn_request(c, &req); i++) {
		if (i > 0 && c->number < m->lives) {
			if (m->death == DIES_WITH_RESET)
				conn_reset_on_close(c);
			if (m->death == DIES_IN_THE_ANSWER)
				conn_send(c, STR("HTTP/1.1 200 OK\r\n"));
			return;
		}
		if (!conn_answer(c, str_eq(req.method, STR("HEAD")) ? STR("") : STR("ok")))
			return;
	}
}

static const struct {
	enum death death;
	const char *method, *body;
} deaths[] = {
	{ DIES_AT_ONCE, "POST", "x" },    { DIES_AT_ONCE, "POST", "" },
	{ DIES_AT_ONCE, "GET", "" },      { DIES_AT_ONCE, "HEAD", "" },
	{ DIES_WITH_RESET, "POST", "x" }, { DIES_WITH_RESET, "DELETE", "" },
};

TEST_EACH(sends_again_when_a_kept_connection_dies_without_an_answer, deaths)
{
	struct mortal m = { row->death, 1 };
	struct server *s = server_start(die, &m);
	struct rig r;

	rig_open(&r, rig_settings());
	for (int i = 0; i < 4; i++) {
		struct call *c = call_new(&r, row->method, "http://127.0.0.1:%d/", server_port(s));

		c->req.body = str_c(row->body);
		rig_do(c);
		call_answered(c, 200);
		call_free(c);
	}
	/* One more than calls; and the second connection is kept and used like the first. */
	T_EQ_INT(server_requests(s), 5);
	T_EQ_INT(server_connections(s), 2);
	rig_close(&r);
	server_stop(s);
}

static void send_large_again(struct rig *r, int port)
{
	size_t n = 3 << 20;
	char *body = calloc(1, n);
	struct call *c = call_new(r, "POST", "http://127.0.0.1:%d/", port);

	c->req.body = str_n(body, n);
	rig_do(c);
	call_answered(c, 200);
	call_free(c);
	free(body);
}

TEST(sends_a_large_body_again_from_its_beginning)
{
	struct mortal m = { DIES_AT_ONCE, 1 };
	struct server *s = server_start(die, &m);
	struct rig r;

	rig_open(&r, rig_settings());
	send_large_again(&r, server_port(s));
	send_large_again(&r, server_port(s));
	T_EQ_INT(server_requests(s), 3);
	rig_close(&r);
	server_stop(s);
}

/* Answers one request on each of the first `arg` connections, once all of them are there; then
 * nothing ever again. */
static void die_out(struct conn *c)
{
	int n = *(const int *)c->arg;
	struct request req;

	if (c->number < n && conn_request(c, &req)) {
		while (server_requests(c->server) < n && conn_pause(c, 1))
			continue;
		conn_answer(c, STR("ok"));
	}
	conn_request(c, &req);
}

static const struct {
	int connections;
} pools[] = { { 1 }, { 5 } };

TEST_EACH(sends_again_only_once, pools)
{
	int n = row->connections;
	struct server *s = server_start(die_out, &n);
	struct call *c[5], *last;
	struct rig r;

	rig_open(&r, rig_settings());
	for (int i = 0; i < n; i++) {
		c[i] = call_new(&r, "POST", "http://127.0.0.1:%d/", server_port(s));
		call_send(c[i]);
	}
	rig_wait(&r, n);
	T_EQ_INT(server_connections(s), n);
	last = call_new(&r, "POST", "http://127.0.0.1:%d/", server_port(s));
	rig_do(last);
	call_failed(last, "closed the connection without an answer");
	T_EQ_INT(server_requests(s), n + 2);
	T_EQ_INT(server_connections(s), n + 1);
	for (int i = 0; i < n; i++)
		call_free(c[i]);
	call_free(last);
	rig_close(&r);
	server_stop(s);
}

TEST(does_not_send_again_once_an_answer_has_begun)
{
	struct mortal m = { DIES_IN_THE_ANSWER, 1 };
	struct server *s = server_start(die, &m);
	struct rig r;
	struct call *c;

	rig_open(&r, rig_settings());
	call_free(rig_get(&r, "http://127.0.0.1:%d/", server_port(s)));
	c = rig_get(&r, "http://127.0.0.1:%d/", server_port(s));
	call_failed(c, "closed the connection before its answer was complete: status 200");
	T_EQ_INT(server_requests(s), 2);
	call_free(c);
	rig_close(&r);
	server_stop(s);
}
