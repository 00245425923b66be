/* tls.h - TLS of connections: one OpenSSL context for all, a session per origin for the next one.
 *
 * TLS 1.2 or later, the peer verified by name or address against the roots, SNI for names, ALPN
 * "http/1.1" and nothing else.
 */
#ifndef COURIER_HTTP_TLS_H
#define COURIER_HTTP_TLS_H

#include "base/compiler.h"
#include "base/str.h"
#include "courier/words.h"

struct roots;
struct tls;         /* the context */
struct tls_wire;    /* of one connection */
struct tls_session; /* to resume */

enum tls_result {
	TLS_OK,
	TLS_WANT_READ,
	TLS_WANT_WRITE,
	TLS_CLOSED, /* the peer ended it */
	TLS_FAILED, /* see tls_explain */
};

struct tls *tls_open(struct roots *roots);
void tls_close(struct tls *t);

/* Over the connected, non-blocking socket, which stays the caller's. `host` has no brackets. What
 * *session holds is resumed; later ones replace it, for as long as the connection lives. */
struct tls_wire *tls_start(struct tls *t, int fd, struct str host, struct tls_session **session);
/* Says goodbye if that is possible at once, and frees it. NULL is fine. */
void tls_end(struct tls_wire *w);
void tls_session_free(struct tls_session *s); /* NULL is fine */

enum tls_result tls_handshake(struct tls_wire *w);
/* At least one byte when TLS_OK. */
enum tls_result tls_read(struct tls_wire *w, char *p, size_t n, size_t *ret_n);
enum tls_result tls_write(struct tls_wire *w, struct str s, size_t *ret_n);
/* Bytes were read from the socket that tls_read has not handed out: no event will tell of them. */
bool tls_has_more(const struct tls_wire *w);

/* After TLS_FAILED: cause, text, errno and verify_result. */
void tls_explain(struct tls_wire *w, struct failure *f);
/* The handshake failed because the peer speaks none of the protocols that were offered. */
bool tls_wants_other_protocol(const struct tls_wire *w);

#endif
