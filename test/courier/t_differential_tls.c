/* Both clients before the same TLS servers, good and bad: the same verdict. */
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "certs.h"
#include "courier/curl/curl_courier.h"
#include "rig.h"
#include "server.h"
#include "t.h"

#define OK "HTTP/1.1 200 OK\r\n"

static void answer_all(struct conn *c)
{
	struct request req;

	while (conn_request(c, &req) && conn_answer(c, STR("ok")))
		continue;
}

/* Ends without the goodbye of TLS. */
static void send_and_cut(struct conn *c, struct str s)
{
	struct request req;

	if (conn_request(c, &req))
		conn_send(c, s);
	SSL_set_quiet_shutdown(c->ssl, 1);
}

static void cut_whole(struct conn *c)
{
	send_and_cut(c, STR(OK "Content-Length: 2\r\n\r\nok"));
}

static void cut_half(struct conn *c)
{
	send_and_cut(c, STR(OK "Content-Length: 20\r\n\r\nok"));
}

static void cut_chunked(struct conn *c)
{
	send_and_cut(c, STR(OK "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"));
}

static void cut_head(struct conn *c)
{
	send_and_cut(c, STR(OK "X-A: b\r\n"));
}

static void cut_until_end(struct conn *c)
{
	send_and_cut(c, STR(OK "\r\nuntil the end"));
}

static void cut_at_once(struct conn *c)
{
	send_and_cut(c, STR(""));
}

static void end_properly(struct conn *c)
{
	struct request req;

	if (conn_request(c, &req))
		conn_send(c, STR(OK "\r\nuntil the end"));
}

static void answer_in_bytes(struct conn *c)
{
	struct str s = STR(OK "Content-Length: 10\r\nX-A: b\r\n\r\n0123456789");
	struct request req;

	while (conn_request(c, &req))
		for (size_t i = 0; i < s.n; i++)
			if (!conn_send(c, str_sub(s, i, 1)))
				return;
}

static void send_plain_within(struct conn *c)
{
	struct request req;

	if (conn_request(c, &req))
		send(c->fd, "not a record", 12, MSG_NOSIGNAL);
	SSL_set_quiet_shutdown(c->ssl, 1);
}

/* Without TLS, in its place. */
static void talk_plainly(struct conn *c)
{
	conn_send(c, STR("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
	conn_hold(c);
}

static void hang_up(struct conn *c)
{
}

static void hang_up_after_hello(struct conn *c)
{
	char hello[16];

	recv(c->fd, hello, sizeof(hello), 0);
}

static void send_alert(struct conn *c)
{
	/* handshake_failure */
	conn_send(c, STR("\x15\x03\x03\x00\x02\x02\x28"));
	conn_hold(c);
}

static void send_zeros(struct conn *c)
{
	conn_send(c, STR("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"));
	conn_hold(c);
}

static void hold(struct conn *c)
{
	conn_hold(c);
}

static int refuse_protocols(SSL *ssl, int *ret_alert, void *arg)
{
	*ret_alert = SSL_AD_NO_APPLICATION_PROTOCOL;
	return SSL_CLIENT_HELLO_ERROR;
}

enum quirk { NONE, TLS_1_1_ONLY, TLS_1_2_ONLY, TLS_1_3_ONLY, NO_ALPN_OVERLAP, WANTS_CLIENT_CERT };

#define GOOD { "DNS:localhost,IP:127.0.0.1", SIGNED_BY_CA, -1, 5 }

static const struct {
	const char *name;
	struct cert_spec spec; /* names == NULL = no TLS at all */
	script_fn script;
	enum quirk quirk;
	const char *host;
} servers[] = {
	{ "good", GOOD, answer_all, NONE, "localhost" },
	{ "by address", GOOD, answer_all, NONE, "127.0.0.1" },
	{ "byte by byte", GOOD, answer_in_bytes, NONE, "localhost" },
	{ "1.2", GOOD, answer_all, TLS_1_2_ONLY, "localhost" },
	{ "1.3", GOOD, answer_all, TLS_1_3_ONLY, "localhost" },
	{ "1.1", GOOD, answer_all, TLS_1_1_ONLY, "localhost" },
	{ "no protocol in common", GOOD, answer_all, NO_ALPN_OVERLAP, "localhost" },
	{ "client certificate, 1.2", GOOD, answer_all, WANTS_CLIENT_CERT, "localhost" },
	{ "wildcard", { "DNS:*.localhost", SIGNED_BY_CA, -1, 5 }, answer_all, NONE, "a.localhost" },
	{ "wildcard, too deep",
	  { "DNS:*.localhost", SIGNED_BY_CA, -1, 5 },
	  answer_all,
	  NONE,
	  "a.b.localhost" },
	{ "partial wildcard",
	  { "DNS:a*.localhost", SIGNED_BY_CA, -1, 5 },
	  answer_all,
	  NONE,
	  "ab.localhost" },
	{ "other name", { "DNS:example.com", SIGNED_BY_CA, -1, 5 }, answer_all, NONE, "localhost" },
	{ "name instead of address",
	  { "DNS:127.0.0.1", SIGNED_BY_CA, -1, 5 },
	  answer_all,
	  NONE,
	  "127.0.0.1" },
	{ "expired", { "DNS:localhost", SIGNED_BY_CA, -5, -1 }, answer_all, NONE, "localhost" },
	{ "not yet valid", { "DNS:localhost", SIGNED_BY_CA, 1, 5 }, answer_all, NONE, "localhost" },
	{ "self-signed",
	  { "DNS:localhost", SIGNED_BY_ITSELF, -1, 5 },
	  answer_all,
	  NONE,
	  "localhost" },
	{ "unknown authority",
	  { "DNS:localhost", SIGNED_BY_OTHER, -1, 5 },
	  answer_all,
	  NONE,
	  "localhost" },
	{ "properly until the end", GOOD, end_properly, NONE, "localhost" },
	{ "cut after a whole answer", GOOD, cut_whole, NONE, "localhost" },
	{ "cut in what only the end ends", GOOD, cut_until_end, NONE, "localhost" },
	{ "cut in a body", GOOD, cut_half, NONE, "localhost" },
	{ "cut in chunks", GOOD, cut_chunked, NONE, "localhost" },
	{ "cut in a head", GOOD, cut_head, NONE, "localhost" },
	{ "cut before an answer", GOOD, cut_at_once, NONE, "localhost" },
	{ "plain text within", GOOD, send_plain_within, NONE, "localhost" },
	{ "silent after the handshake", GOOD, hold, NONE, "localhost" },
	{ "plain server", { NULL, 0, 0, 0 }, talk_plainly, NONE, "localhost" },
	{ "hangs up", { NULL, 0, 0, 0 }, hang_up, NONE, "localhost" },
	{ "hangs up after the hello", { NULL, 0, 0, 0 }, hang_up_after_hello, NONE, "localhost" },
	{ "alert", { NULL, 0, 0, 0 }, send_alert, NONE, "localhost" },
	{ "zeros", { NULL, 0, 0, 0 }, send_zeros, NONE, "localhost" },
	{ "silent", { NULL, 0, 0, 0 }, hold, NONE, "localhost" },
};

static void apply(SSL_CTX *ctx, enum quirk quirk)
{
	SSL_CTX_set_security_level(ctx, quirk == TLS_1_1_ONLY ? 0 : 1);
	if (quirk == TLS_1_1_ONLY)
		check(SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION) == 1 &&
		      SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION) == 1);
	if (quirk == TLS_1_2_ONLY || quirk == WANTS_CLIENT_CERT)
		check(SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION) == 1);
	if (quirk == TLS_1_3_ONLY)
		check(SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1);
	if (quirk == NO_ALPN_OVERLAP)
		SSL_CTX_set_client_hello_cb(ctx, refuse_protocols, NULL);
	if (quirk == WANTS_CLIENT_CERT)
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
}

static struct call *get(struct rig *r, struct courier *courier, const char *host, int port,
			int64_t timeout_ms)
{
	struct call *c = call_new(r, "GET", "https://%s:%d/", host, port);

	r->courier = courier;
	c->req.timeout_ms = timeout_ms;
	rig_do(c);
	return c;
}

static void compare(const char *name, const struct call *own, const struct call *curl)
{
	const struct outcome *a = &own->req.outcome, *b = &curl->req.outcome;

	if (a->status == b->status && str_eq(a->body, b->body) &&
	    str_eq(call_verdict(own), call_verdict(curl)))
		return;
	T_FAIL("%s:\n  own : %d \"%.*s\"\n  curl: %d \"%.*s\"", name, (int)a->status,
	       STR_FMT(a->error), (int)b->status, STR_FMT(b->error));
}

TEST_EACH(tls_servers_are_judged_alike, servers)
{
	struct courier_settings set = rig_settings();
	struct courier *own, *curl;
	struct certs certs;
	SSL_CTX *ctx = NULL;
	struct server *s;
	struct rig r;
	char error[200];

	certs_init(&certs);
	set.ca_file = certs.ca_file;
	if (row->spec.names != NULL) {
		ctx = certs_context(&certs, &row->spec);
		apply(ctx, row->quirk);
	}
	s = server_start_tls(row->script, NULL, ctx);
	rig_open(&r, set);
	own = r.courier;
	curl = curl_courier_open(r.loop, &set, error);
	T_CHECK(curl != NULL);
	/* The second time with what the first left behind. */
	for (int i = 0; i < 2; i++) {
		int64_t ms = row->script == hold ? 500 : 10000;
		struct call *a = get(&r, own, row->host, server_port(s), ms);
		struct call *b = get(&r, curl, row->host, server_port(s), ms);

		compare(row->name, a, b);
		call_free(a);
		call_free(b);
	}
	courier_close(curl);
	r.courier = own;
	rig_close(&r);
	server_stop(s);
	SSL_CTX_free(ctx);
	certs_done(&certs);
}
