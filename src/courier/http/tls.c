#include "courier/http/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "courier/http/address.h"
#include "courier/roots.h"

enum { HOST_MAX = 255 };

struct tls_wire {
	SSL *ssl;
	struct tls_session **session;
	unsigned long error; /* OpenSSL's, of the last failure; 0 = see os_errno */
	int os_errno;
	bool is_up;     /* hands were shaken */
	bool is_broken; /* no goodbye is possible any more */
};

static SSL_CTX *ctx_of(struct tls *t)
{
	return (SSL_CTX *)(void *)t;
}

static SSL_SESSION *session_of(struct tls_session *s)
{
	return (SSL_SESSION *)(void *)s;
}

void tls_session_free(struct tls_session *s)
{
	SSL_SESSION_free(session_of(s));
}

/* Also called after the handshake: TLS 1.3 sends tickets when it likes. Keeps the reference. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_wire *w = SSL_get_app_data(ssl);

	tls_session_free(*w->session);
	*w->session = (struct tls_session *)(void *)session;
	return 1;
}

struct tls *tls_open(struct roots *roots)
{
	static const unsigned char alpn[] = "\x08http/1.1";
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	check(ctx != NULL);
	check(SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1);
	check(SSL_CTX_set_alpn_protos(ctx, alpn, sizeof(alpn) - 1) == 0);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	/* An end without a goodbye is an end: where it comes too early, HTTP tells, and what has no
	 * length is not worth a second delivery. */
	SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* Record and header come with one read. */
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_session);
	roots_use(roots, ctx);
	return (struct tls *)(void *)ctx;
}

void tls_close(struct tls *t)
{
	SSL_CTX_free(ctx_of(t));
}

/* Whom the certificate must be of. Addresses are no names: no SNI for them (RFC 6066). */
static void expect(SSL *ssl, struct str host)
{
	char name[HOST_MAX + 1];
	struct address a;

	check(host.n <= HOST_MAX);
	memcpy(name, host.p, host.n);
	if (host.n > 1 && name[host.n - 1] == '.')
		host.n--;
	name[host.n] = '\0';
	if (address_parse(host, &a)) {
		const unsigned char *p = a.any.sa_family == AF_INET6
						 ? a.v6.sin6_addr.s6_addr
						 : (const unsigned char *)&a.v4.sin_addr;

		check(X509_VERIFY_PARAM_set1_ip(SSL_get0_param(ssl), p,
						a.any.sa_family == AF_INET6 ? 16 : 4) == 1);
		return;
	}
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	check(SSL_set1_host(ssl, name) == 1);
	check(SSL_set_tlsext_host_name(ssl, name) == 1);
}

struct tls_wire *tls_start(struct tls *t, int fd, struct str host, struct tls_session **session)
{
	struct tls_wire *w = xcalloc(1, sizeof(*w));

	w->ssl = SSL_new(ctx_of(t));
	w->session = session;
	check(w->ssl != NULL && SSL_set_fd(w->ssl, fd) == 1);
	SSL_set_app_data(w->ssl, w);
	SSL_set_connect_state(w->ssl);
	expect(w->ssl, host);
	if (*session != NULL)
		check(SSL_set_session(w->ssl, session_of(*session)) == 1);
	return w;
}

void tls_end(struct tls_wire *w)
{
	if (w == NULL)
		return;
	ERR_clear_error();
	if (w->is_up && !w->is_broken)
		(void)SSL_shutdown(w->ssl);
	/* Without a goodbye OpenSSL would take the session for spoilt. */
	SSL_set_shutdown(w->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(w->ssl);
	ERR_clear_error();
	free(w);
}

static enum tls_result judge(struct tls_wire *w, int rc)
{
	int os_errno = errno;

	switch (SSL_get_error(w->ssl, rc)) {
	case SSL_ERROR_NONE:
		return TLS_OK;
	case SSL_ERROR_WANT_READ:
		return TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_CLOSED;
	case SSL_ERROR_SYSCALL:
		w->is_broken = true;
		w->os_errno = os_errno;
		return TLS_FAILED;
	default:
		w->is_broken = true;
		w->error = ERR_peek_error();
		return TLS_FAILED;
	}
}

/* The error queue is the thread's, and what another connection left there would be taken for
 * ours. */
static void begin(struct tls_wire *w)
{
	ERR_clear_error();
	errno = 0;
	check(!w->is_broken);
}

enum tls_result tls_handshake(struct tls_wire *w)
{
	enum tls_result result;

	begin(w);
	result = judge(w, SSL_do_handshake(w->ssl));
	w->is_up = result == TLS_OK;
	return result;
}

enum tls_result tls_read(struct tls_wire *w, char *p, size_t n, size_t *ret_n)
{
	begin(w);
	return judge(w, SSL_read_ex(w->ssl, p, n, ret_n));
}

enum tls_result tls_write(struct tls_wire *w, struct str s, size_t *ret_n)
{
	begin(w);
	return judge(w, SSL_write_ex(w->ssl, s.p, s.n, ret_n));
}

bool tls_has_more(const struct tls_wire *w)
{
	return SSL_has_pending(w->ssl);
}

static bool has_reason(const struct tls_wire *w, int reason)
{
	return w->error != 0 && ERR_GET_LIB(w->error) == ERR_LIB_SSL &&
	       ERR_GET_REASON(w->error) == reason;
}

void tls_explain(struct tls_wire *w, struct failure *f)
{
	const char *reason = w->error != 0 ? ERR_reason_error_string(w->error) : NULL;

	f->os_errno = w->os_errno;
	f->verify_result = SSL_get_verify_result(w->ssl);
	f->text = reason != NULL ? reason : "";
	if (has_reason(w, SSL_R_CERTIFICATE_VERIFY_FAILED))
		f->cause = CAUSE_CERTIFICATE;
	else if (!w->is_up)
		f->cause = CAUSE_TLS;
	else if (w->error == 0)
		f->cause = CAUSE_CLOSED;
	else
		f->cause = CAUSE_BROKEN;
	if (w->error == 0 && w->os_errno != 0)
		f->text = strerror(w->os_errno);
}

bool tls_wants_other_protocol(const struct tls_wire *w)
{
	return has_reason(w, SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
}
