/* TLS: who is believed, and what is said of the others. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "certs.h"
#include "rig.h"
#include "server.h"
#include "t.h"

static void answer_all(struct conn *c)
{
	struct request req;

	while (conn_request(c, &req) && conn_answer(c, STR("ok")))
		continue;
}

static void hold(struct conn *c)
{
	conn_hold(c);
}

static const struct cert_spec good = { "DNS:localhost,IP:127.0.0.1", SIGNED_BY_CA, -1, 5 };

static const struct {
	struct cert_spec spec;
	const char *host, *error; /* NULL = it is believed */
} servers[] = {
	{ { "DNS:localhost", SIGNED_BY_CA, -1, 5 }, "localhost", NULL },
	{ { "IP:127.0.0.1", SIGNED_BY_CA, -1, 5 }, "127.0.0.1", NULL },
	{ { "DNS:*.x.localhost", SIGNED_BY_CA, -1, 5 }, "a.x.localhost", NULL },
	{ { "DNS:*.x.localhost", SIGNED_BY_CA, -1, 5 },
	  "a.b.x.localhost",
	  " is not valid for host a.b.x.localhost" },
	{ { "DNS:example.com", SIGNED_BY_CA, -1, 5 },
	  "localhost",
	  " is not valid for host localhost" },
	{ { "DNS:localhost", SIGNED_BY_CA, -1, 5 },
	  "127.0.0.1",
	  " is not valid for host 127.0.0.1" },
	{ { "DNS:127.0.0.1", SIGNED_BY_CA, -1, 5 },
	  "127.0.0.1",
	  " is not valid for host 127.0.0.1" },
	{ { "DNS:localhost", SIGNED_BY_CA, -5, -1 }, "localhost", " has expired" },
	{ { "DNS:localhost", SIGNED_BY_CA, 1, 5 }, "localhost", " is not valid yet" },
	{ { "DNS:localhost", SIGNED_BY_ITSELF, -1, 5 },
	  "localhost",
	  " is self-signed and not trusted here" },
	{ { "DNS:localhost", SIGNED_BY_OTHER, -1, 5 },
	  "localhost",
	  " is from an authority that is not trusted here" },
};

TEST_EACH(believes_only_certificates_that_are_good, servers)
{
	struct courier_settings set = rig_settings();
	struct certs certs;
	SSL_CTX *ctx;
	struct server *s;
	struct rig r;

	certs_init(&certs);
	ctx = certs_context(&certs, &row->spec);
	s = server_start_tls(answer_all, NULL, ctx);
	set.ca_file = certs.ca_file;
	rig_open(&r, set);
	/* Twice: what a failure leaves behind must not make the next attempt succeed. */
	for (int i = 0; i < 2; i++) {
		struct call *c = rig_get(&r, "https://%s:%d/", row->host, server_port(s));

		if (row->error == NULL) {
			call_answered(c, 200);
		} else {
			call_failed(c, "the certificate of ");
			call_failed(c, row->error);
		}
		call_free(c);
	}
	T_EQ_INT(server_requests(s), row->error == NULL ? 2 : 0);
	rig_close(&r);
	server_stop(s);
	SSL_CTX_free(ctx);
	certs_done(&certs);
}

/* Without a file the system's roots count, and no test authority is among them. */
TEST(trusts_the_system_when_no_file_is_given)
{
	struct courier_settings set;
	struct certs certs;
	SSL_CTX *ctx;
	struct server *s;
	struct rig r;
	struct call *c;

	set = rig_settings();
	unsetenv("SSL_CERT_FILE");
	certs_init(&certs);
	ctx = certs_context(&certs, &good);
	s = server_start_tls(answer_all, NULL, ctx);
	rig_open(&r, set);
	c = rig_get(&r, "https://localhost:%d/", server_port(s));
	call_failed(c, "is from an authority that is not trusted here");
	call_free(c);
	rig_close(&r);
	server_stop(s);
	SSL_CTX_free(ctx);
	certs_done(&certs);
}

TEST(refuses_tls_below_1_2)
{
	struct courier_settings set = rig_settings();
	struct certs certs;
	SSL_CTX *ctx;
	struct server *s;
	struct rig r;
	struct call *c;

	certs_init(&certs);
	ctx = certs_context(&certs, &good);
	SSL_CTX_set_security_level(ctx, 0);
	T_CHECK(SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION) == 1);
	T_CHECK(SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION) == 1);
	s = server_start_tls(answer_all, NULL, ctx);
	set.ca_file = certs.ca_file;
	rig_open(&r, set);
	c = rig_get(&r, "https://localhost:%d/", server_port(s));
	call_failed(c, "the TLS handshake with localhost:");
	call_free(c);
	T_EQ_INT(server_requests(s), 0);
	rig_close(&r);
	server_stop(s);
	SSL_CTX_free(ctx);
	certs_done(&certs);
}

static void speak_plainly(struct conn *c)
{
	conn_send(c, STR("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
	conn_hold(c);
}

static void hang_up(struct conn *c)
{
}

TEST(says_what_is_wrong_with_a_handshake)
{
	struct courier_settings set = rig_settings();
	struct server *plain = server_start(speak_plainly, NULL), *stall = server_start(hold, NULL),
		      *gone = server_start(hang_up, NULL);
	struct rig r;
	struct call *c;

	set.connect_timeout_ms = 300;
	rig_open(&r, set);
	c = rig_get(&r, "https://127.0.0.1:%d/", server_port(plain));
	call_failed(c, " does not speak TLS: is it an http:// destination?");
	call_free(c);
	c = rig_get(&r, "https://127.0.0.1:%d/", server_port(stall));
	call_failed(c, "no connection to 127.0.0.1:");
	call_failed(c, "within 300 ms");
	call_free(c);
	c = rig_get(&r, "https://127.0.0.1:%d/", server_port(gone));
	call_failed(c, "the TLS handshake with 127.0.0.1:");
	call_free(c);
	rig_close(&r);
	server_stop(plain);
	server_stop(stall);
	server_stop(gone);
}

TEST(keeps_tls_connections)
{
	struct courier_settings set = rig_settings();
	struct certs certs;
	SSL_CTX *ctx;
	struct server *s;
	struct call *calls[60];
	struct rig r;

	certs_init(&certs);
	ctx = certs_context(&certs, &good);
	s = server_start_tls(answer_all, NULL, ctx);
	set.ca_file = certs.ca_file;
	rig_open(&r, set);
	for (int i = 0; i < 20; i++) {
		struct call *c = call_new(&r, "POST", "https://localhost:%d/", server_port(s));

		c->req.body = STR("x");
		rig_do(c);
		call_answered(c, 200);
		call_free(c);
	}
	T_EQ_INT(server_connections(s), 1);
	/* A burst: they wait for nobody's answer, only to see that there is no HTTP/2. */
	for (int i = 0; i < 60; i++) {
		calls[i] = call_new(&r, "GET", "https://localhost:%d/", server_port(s));
		call_send(calls[i]);
	}
	rig_wait(&r, 20 + 60);
	for (int i = 0; i < 60; i++) {
		call_answered(calls[i], 200);
		call_free(calls[i]);
	}
	T_CHECK(server_connections(s) <= 60);
	rig_close(&r);
	server_stop(s);
	SSL_CTX_free(ctx);
	certs_done(&certs);
}

/* One answer, then the connection closes; counts handshakes that went on with an earlier
 * session. */
static void answer_once(struct conn *c)
{
	struct request req;

	if (!conn_request(c, &req))
		return;
	if (SSL_session_reused(c->ssl))
		atomic_fetch_add((atomic_int *)c->arg, 1);
	conn_send(c, STR("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"));
}

static const struct {
	int version;
} versions[] = { { TLS1_2_VERSION }, { TLS1_3_VERSION } };

TEST_EACH(resumes_tls_sessions_on_new_connections, versions)
{
	struct courier_settings set = rig_settings();
	atomic_int resumed = 0;
	struct certs certs;
	SSL_CTX *ctx;
	struct server *s;
	struct rig r;

	certs_init(&certs);
	ctx = certs_context(&certs, &good);
	T_CHECK(SSL_CTX_set_max_proto_version(ctx, row->version) == 1);
	s = server_start_tls(answer_once, &resumed, ctx);
	set.ca_file = certs.ca_file;
	rig_open(&r, set);
	for (int i = 0; i < 10; i++) {
		struct call *c = rig_get(&r, "https://localhost:%d/", server_port(s));

		call_answered(c, 200);
		call_free(c);
	}
	T_EQ_INT(server_connections(s), 10);
	T_EQ_INT(atomic_load(&resumed), 9);
	rig_close(&r);
	server_stop(s);
	SSL_CTX_free(ctx);
	certs_done(&certs);
}

static void answer_forever(struct conn *c)
{
	struct request req;

	if (!conn_request(c, &req) || !conn_fmt(c, "HTTP/1.1 200 OK\r\n\r\n"))
		return;
	while (conn_send(c, STR("0123456789012345678901234567890123456789")))
		continue;
}

TEST(cuts_and_cancels_over_tls)
{
	struct courier_settings set = rig_settings();
	struct certs certs;
	SSL_CTX *ctx;
	struct server *s, *quiet;
	struct rig r;
	struct call *c;

	certs_init(&certs);
	ctx = certs_context(&certs, &good);
	s = server_start_tls(answer_forever, NULL, ctx);
	quiet = server_start_tls(hold, NULL, ctx);
	set.ca_file = certs.ca_file;
	rig_open(&r, set);
	c = call_new(&r, "GET", "https://localhost:%d/", server_port(s));
	c->req.answer_bytes_max = 1000;
	rig_do(c);
	call_answered(c, 200);
	T_CHECK(c->req.outcome.body_cut && c->req.outcome.body.n == 1000);
	call_free(c);
	c = call_new(&r, "GET", "https://localhost:%d/", server_port(quiet));
	call_send(c);
	RIG_UNTIL(&r, server_connections(quiet) == 1);
	rig_run(&r, 30);
	courier_cancel(r.courier, &c->req);
	call_free(c);
	RIG_UNTIL(&r, server_open(s) == 0 && server_open(quiet) == 0);
	rig_close(&r);
	server_stop(s);
	server_stop(quiet);
	SSL_CTX_free(ctx);
	certs_done(&certs);
}

/* Answers one request, then says goodbye or, with `arg`, resets. */
static void answer_one(struct conn *c)
{
	struct request req;

	if (!conn_request(c, &req))
		return;
	conn_answer(c, STR("ok"));
	if (c->arg == NULL)
		return;
	/* The answer must have arrived before. */
	conn_request(c, &req);
	conn_reset_on_close(c);
	SSL_set_quiet_shutdown(c->ssl, 1);
}

static const struct {
	bool resets;
	size_t body_bytes;
} ends[] = { { false, 0 }, { false, 100 }, { true, 100 }, { false, 1 << 20 }, { true, 1 << 20 } };

TEST_EACH(sends_again_when_a_kept_tls_connection_is_closed, ends)
{
	struct courier_settings set = rig_settings();
	char *body = xcalloc(1, row->body_bytes + 1);
	struct certs certs;
	SSL_CTX *ctx;
	struct server *s;
	struct rig r;

	/* libcurl may be in the middle of a large body when it hears of the end. It then sometimes reports the
	 * reset that its writing brought about, an ordinary failed attempt. */
	if (rig_is_curl && !row->resets && row->body_bytes > 100) {
		free(body);
		return;
	}
	certs_init(&certs);
	ctx = certs_context(&certs, &good);
	s = server_start_tls(answer_one, row->resets ? body : NULL, ctx);
	set.ca_file = certs.ca_file;
	rig_open(&r, set);
	for (int i = 0; i < 4; i++) {
		struct call *c = call_new(&r, "POST", "https://localhost:%d/", server_port(s));

		c->req.body = str_n(body, row->body_bytes);
		rig_do(c);
		call_answered(c, 200);
		call_free(c);
	}
	T_EQ_INT(server_connections(s), 4);
	rig_close(&r);
	server_stop(s);
	SSL_CTX_free(ctx);
	certs_done(&certs);
	free(body);
}

static void refuse_and_close(struct conn *c)
{
	char piece[1000];

	if (SSL_read(c->ssl, piece, sizeof(piece)) > 0)
		conn_send(c, STR("HTTP/1.1 413 Large\r\nContent-Length: 2\r\n\r\nno"));
	while (conn_pause(c, 5))
		continue;
}

TEST(takes_an_answer_that_comes_before_the_body_is_sent_over_tls)
{
	struct courier_settings set = rig_settings();
	size_t n = 20 << 20;
	char *body = xcalloc(1, n);
	struct certs certs;
	SSL_CTX *ctx;
	struct server *s;
	struct rig r;
	struct call *c;

	certs_init(&certs);
	ctx = certs_context(&certs, &good);
	s = server_start_tls(refuse_and_close, NULL, ctx);
	set.ca_file = certs.ca_file;
	rig_open(&r, set);
	c = call_new(&r, "POST", "https://localhost:%d/", server_port(s));
	c->req.body = str_n(body, n);
	rig_do(c);
	call_answered(c, 413);
	T_EQ_STR(c->req.outcome.body, "no");
	call_free(c);
	rig_close(&r);
	server_stop(s);
	SSL_CTX_free(ctx);
	certs_done(&certs);
	free(body);
}

/* Sends the request's body back. */
static void echo(struct conn *c)
{
	struct request req;

	while (conn_request(c, &req) && conn_answer(c, req.body))
		continue;
}

TEST(sends_and_gets_large_bodies_over_tls)
{
	static const size_t sizes[] = { 1, 16383, 16384, 16385, 100000, 5000001 };
	struct courier_settings set = rig_settings();
	struct certs certs;
	SSL_CTX *ctx;
	struct server *s;
	struct rig r;

	certs_init(&certs);
	ctx = certs_context(&certs, &good);
	s = server_start_tls(echo, NULL, ctx);
	set.ca_file = certs.ca_file;
	rig_open(&r, set);
	for (size_t i = 0; i < countof(sizes); i++) {
		struct call *c = call_new(&r, "POST", "https://localhost:%d/", server_port(s));
		char *body = xmalloc(sizes[i]);

		for (size_t j = 0; j < sizes[i]; j++)
			body[j] = (char)(j * 131 >> 3);
		c->req.body = str_n(body, sizes[i]);
		c->req.answer_bytes_max = 10 << 20;
		rig_do(c);
		call_answered(c, 200);
		T_CHECK(str_eq(c->req.outcome.body, c->req.body));
		free(body);
		call_free(c);
	}
	T_EQ_INT(server_connections(s), 1);
	rig_close(&r);
	server_stop(s);
	SSL_CTX_free(ctx);
	certs_done(&certs);
}
