/* How our own client gets a connection: names, several addresses, the other courier. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "certs.h"
#include "courier/http/address.h"
#include "names.h"
#include "rig.h"
#include "server.h"
#include "t.h"

static void answer_and_close(struct conn *c)
{
	struct request req;

	if (conn_request(c, &req))
		conn_send(c, STR("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n"
				 "ok"));
}

static void answer_all(struct conn *c)
{
	struct request req;

	while (conn_request(c, &req) && conn_answer(c, STR("ok")))
		continue;
}

static const struct {
	const char *host, *text; /* NULL = it is a name */
} hosts[] = {
	{ "127.0.0.1", "127.0.0.1" },
	{ "127.1", "127.0.0.1" },
	{ "2130706433", "127.0.0.1" },
	{ "0x7f000001", "127.0.0.1" },
	{ "0177.0.0.1", "127.0.0.1" },
	{ "::1", "::1" },
	{ "::ffff:1.2.3.4", "::ffff:1.2.3.4" },
	{ "abcd", NULL },
	{ "1.example", NULL },
	{ "1.2.3.4.", NULL },
	{ "1.2.3.4.5", NULL },
	{ "256.1.1.1", NULL },
	{ "", NULL },
	{ "localhost", NULL },
	{ "::g", NULL },
};

TEST_EACH(knows_addresses_from_names, hosts)
{
	struct address a;
	struct arena arena;

	arena_init(&arena);
	if (row->text == NULL) {
		T_CHECK(!address_parse(str_c(row->host), &a));
	} else {
		T_CHECK(address_parse(str_c(row->host), &a));
		T_EQ_STR(address_text(&arena, &a), row->text);
	}
	arena_done(&arena);
}

static const struct {
	const char *host;
	bool is_local;
} locals[] = {
	{ "localhost", true },    { "LocalHost.", true },   { "a.b.localhost", true },
	{ "a.localhost.", true }, { ".localhost", false },  { "notlocalhost", false },
	{ "localhost.a", false }, { "localhost..", false }, { "", false },
};

TEST_EACH(knows_what_means_this_machine, locals)
{
	struct addresses a = { .n = 0 };

	T_CHECK(address_of_localhost(str_c(row->host), &a) == row->is_local);
	T_EQ_INT(a.n, row->is_local ? 2 : 0);
}

static const struct {
	const char *given, *wanted; /* the families in order */
} orders[] = {
	{ "4", "4" },           { "666444", "646464" }, { "6664", "6466" },
	{ "444466", "464644" }, { "66", "66" },         { "46", "46" },
};

TEST_EACH(families_take_turns, orders)
{
	struct addresses a = { .n = (int)strlen(row->given) };

	for (int i = 0; i < a.n; i++) {
		a.v[i].any.sa_family = row->given[i] == '6' ? AF_INET6 : AF_INET;
		address_set_port(&a.v[i], (uint16_t)i);
	}
	address_interleave(&a);
	T_EQ_INT(a.n, strlen(row->given));
	for (int i = 0; i < a.n; i++)
		T_EQ_INT(a.v[i].any.sa_family, row->wanted[i] == '6' ? AF_INET6 : AF_INET);
}

TEST(looks_a_name_up_once_for_many_connections)
{
	struct server *s = server_start(answer_and_close, NULL);
	struct call *c[20];
	struct rig r;

	rig_open(&r, rig_settings());
	for (int i = 0; i < 20; i++) {
		c[i] = call_new(&r, "GET", "http://here.test:%d/", server_port(s));
		call_send(c[i]);
	}
	rig_wait(&r, 20);
	for (int i = 0; i < 20; i++) {
		call_answered(c[i], 200);
		call_free(c[i]);
	}
	for (int i = 0; i < 20; i++)
		call_free(rig_get(&r, "http://here.test:%d/", server_port(s)));
	T_EQ_INT(names_lookups(), 1);
	T_EQ_INT(server_connections(s), 40);
	rig_close(&r);
	server_stop(s);
}

TEST(looks_a_name_up_again_when_its_addresses_are_of_no_use)
{
	struct rig r;
	int port, fd = listen_only(1, &port);
	int64_t begin_ms = t_now_ms();

	close(fd);
	rig_open(&r, rig_settings());
	/* Though not each time. */
	while (names_lookups() < 2) {
		struct call *c = rig_get(&r, "http://here.test:%d/", port);

		call_failed(c, "connection refused by here.test:");
		call_free(c);
		T_CHECK(t_now_ms() - begin_ms < 20000);
		rig_run(&r, 10);
	}
	T_CHECK(t_now_ms() - begin_ms >= 1900);
	rig_close(&r);
}

TEST(remembers_for_a_while_that_there_is_no_such_host)
{
	struct rig r;
	int64_t begin_ms = t_now_ms();

	rig_open(&r, rig_settings());
	while (names_lookups() < 2) {
		struct call *c = rig_get(&r, "http://dead.test/");

		call_failed(c, "no such host: dead.test:80");
		call_free(c);
		T_CHECK(t_now_ms() - begin_ms < 20000);
		rig_run(&r, 10);
	}
	T_CHECK(t_now_ms() - begin_ms >= 1900);
	rig_close(&r);
}

/* A socket of 127.0.0.2 on which connecting hangs, at the port of a server on 127.0.0.1. */
struct hole {
	int fd[20], n;
};

static void hole_open(struct hole *h, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	*h = (struct hole){ .n = 1 };
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	h->fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	check(h->fd[0] >= 0);
	check(bind(h->fd[0], (struct sockaddr *)(void *)&a, sizeof(a)) == 0);
	check(listen(h->fd[0], 0) == 0);
	while (h->n < 20) {
		struct pollfd p = { .events = POLLOUT };

		p.fd = h->fd[h->n++] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		check(p.fd >= 0);
		if (connect(p.fd, (struct sockaddr *)(void *)&a, sizeof(a)) != 0 &&
		    errno == EINPROGRESS && poll(&p, 1, 100) == 0)
			return;
	}
	T_FAIL("the backlog does not fill");
}

static void hole_close(struct hole *h)
{
	while (h->n > 0)
		close(h->fd[--h->n]);
}

TEST(tries_the_next_address_when_the_first_hangs)
{
	struct server *s = server_start(answer_and_close, NULL);
	struct hole h;
	struct rig r;
	struct call *c;
	int fds;

	hole_open(&h, server_port(s));
	rig_open(&r, rig_settings());
	c = rig_get(&r, "http://two.test:%d/", server_port(s));
	call_answered(c, 200);
	T_CHECK(c->req.outcome.duration_ms >= 249 && c->req.outcome.duration_ms < 5000);
	call_free(c);
	RIG_UNTIL(&r, server_open(s) == 0);
	fds = open_fds();
	/* The one that answered comes first from then on. */
	for (int i = 0; i < 3; i++) {
		c = rig_get(&r, "http://two.test:%d/", server_port(s));
		call_answered(c, 200);
		T_CHECK(c->req.outcome.duration_ms < 240);
		call_free(c);
	}
	RIG_UNTIL(&r, server_open(s) == 0 && open_fds() <= fds);
	rig_close(&r);
	hole_close(&h);
	server_stop(s);
}

/* They must not lead each other astray. */
TEST(tries_the_next_address_for_each_of_many)
{
	struct server *s = server_start(answer_and_close, NULL);
	struct call *c[10];
	struct hole h;
	struct rig r;

	hole_open(&h, server_port(s));
	rig_open(&r, rig_settings());
	for (int i = 0; i < 10; i++) {
		c[i] = call_new(&r, "GET", "http://two.test:%d/", server_port(s));
		call_send(c[i]);
	}
	rig_wait(&r, 10);
	for (int i = 0; i < 10; i++) {
		call_answered(c[i], 200);
		T_CHECK(c[i]->req.outcome.duration_ms < 5000);
		call_free(c[i]);
	}
	rig_close(&r);
	hole_close(&h);
	server_stop(s);
}

TEST(tries_the_next_address_at_once_when_the_first_refuses)
{
	struct server *s = server_start(answer_and_close, NULL);
	static const char *const names[] = { "two.test", "six.test" };
	struct rig r;

	rig_open(&r, rig_settings());
	for (size_t i = 0; i < countof(names); i++) {
		struct call *c = rig_get(&r, "http://%s:%d/", names[i], server_port(s));

		call_answered(c, 200);
		T_CHECK(c->req.outcome.duration_ms < 240);
		call_free(c);
	}
	rig_close(&r);
	server_stop(s);
}

TEST(gives_both_addresses_up_when_the_time_is_over)
{
	struct courier_settings set = rig_settings();
	struct server *s = server_start(answer_all, NULL);
	struct hole h;
	struct rig r;
	struct call *c;
	int port = server_port(s), fds;

	hole_open(&h, port);
	set.connect_timeout_ms = 400;
	rig_open(&r, set);
	server_stop(s);
	fds = open_fds();
	/* The second one refuses, the first still hangs. */
	c = rig_get(&r, "http://two.test:%d/", port);
	call_failed(c, "no connection to two.test:");
	call_failed(c, "within 400 ms");
	T_EQ_INT(open_fds(), fds);
	call_free(c);
	rig_close(&r);
	hole_close(&h);
}

/* One slot, two origins that both want it all the time. */
TEST(origins_take_turns_when_connections_are_few)
{
	struct courier_settings set = rig_settings();
	struct server *s[2] = { server_start(answer_all, NULL), server_start(answer_all, NULL) };
	struct call *c[40];
	struct rig r;

	set.connections_max = 1;
	rig_open(&r, set);
	for (int i = 0; i < 40; i++) {
		c[i] = call_new(&r, "GET", "http://127.0.0.1:%d/", server_port(s[i / 20]));
		call_send(c[i]);
	}
	RIG_UNTIL(&r, server_requests(s[1]) > 0);
	/* The second origin did not wait until the first had had all of its own. */
	T_CHECK(server_requests(s[0]) < 20);
	rig_wait(&r, 40);
	for (int i = 0; i < 40; i++) {
		call_answered(c[i], 200);
		call_free(c[i]);
	}
	rig_close(&r);
	server_stop(s[0]);
	server_stop(s[1]);
}

/* Turns away whoever does not offer HTTP/2, as a server that speaks nothing else does. */
static int insist_on_h2(SSL *ssl, int *ret_alert, void *arg)
{
	const unsigned char *p;
	size_t n;

	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &p,
				      &n) == 1 &&
	    str_has(str_n(p, n), STR("\x02h2")))
		return SSL_CLIENT_HELLO_SUCCESS;
	*ret_alert = SSL_AD_NO_APPLICATION_PROTOCOL;
	return SSL_CLIENT_HELLO_ERROR;
}

static const struct cert_spec good = { "DNS:localhost,IP:127.0.0.1", SIGNED_BY_CA, -1, 5 };

TEST(leaves_origins_that_speak_only_http_2_to_the_other_courier)
{
	struct courier_settings set = rig_settings();
	struct certs certs;
	SSL_CTX *ctx;
	struct server *s;
	struct call *c[10];
	struct rig r;
	int connections;

	certs_init(&certs);
	ctx = certs_context(&certs, &good);
	SSL_CTX_set_client_hello_cb(ctx, insist_on_h2, NULL);
	s = server_start_tls(answer_all, NULL, ctx);
	set.ca_file = certs.ca_file;
	rig_open(&r, set);
	c[0] = rig_get(&r, "https://localhost:%d/", server_port(s));
	call_answered(c[0], 200);
	/* One of ours that failed, one of the other's. */
	T_EQ_INT(server_connections(s), 2);
	call_free(c[0]);
	/* The origin is remembered: ours does not try again. */
	connections = server_connections(s);
	c[0] = rig_get(&r, "https://localhost:%d/", server_port(s));
	call_answered(c[0], 200);
	T_EQ_INT(server_connections(s), connections);
	call_free(c[0]);
	c[0] = call_new(&r, "GET", "https://localhost:%d/", server_port(s));
	call_send(c[0]);
	courier_cancel(r.courier, &c[0]->req);
	call_free(c[0]);
	/* Closed with some under way, of which the arenas must come back. */
	for (int i = 0; i < 10; i++) {
		c[i] = call_new(&r, "GET", "https://localhost:%d/", server_port(s));
		call_send(c[i]);
	}
	rig_close(&r);
	for (int i = 0; i < 10; i++) {
		T_EQ_INT(c[i]->done, 0);
		call_free(c[i]);
	}
	server_stop(s);
	SSL_CTX_free(ctx);
	certs_done(&certs);
}

TEST(all_that_wait_for_an_origin_go_with_it)
{
	struct courier_settings set = rig_settings();
	struct certs certs;
	SSL_CTX *ctx;
	struct server *s;
	struct call *c[20];
	struct rig r;

	certs_init(&certs);
	ctx = certs_context(&certs, &good);
	SSL_CTX_set_client_hello_cb(ctx, insist_on_h2, NULL);
	s = server_start_tls(answer_all, NULL, ctx);
	set.ca_file = certs.ca_file;
	rig_open(&r, set);
	for (int i = 0; i < 20; i++) {
		c[i] = call_new(&r, "GET", "https://localhost:%d/", server_port(s));
		call_send(c[i]);
	}
	rig_wait(&r, 20);
	for (int i = 0; i < 20; i++) {
		call_answered(c[i], 200);
		call_free(c[i]);
	}
	rig_close(&r);
	server_stop(s);
	SSL_CTX_free(ctx);
	certs_done(&certs);
}
