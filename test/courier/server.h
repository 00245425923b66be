/* server.h - destinations that behave as a test wants: a script per connection, on raw sockets.
 *
 * Each connection runs the script in a thread of its own, with blocking calls that end when the
 * server is stopped. It listens on 127.0.0.1, on a port that the system chose.
 */
#ifndef TEST_COURIER_SERVER_H
#define TEST_COURIER_SERVER_H

#include <openssl/ssl.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

struct server;

struct conn {
	struct server *server;
	int fd;
	SSL *ssl;   /* NULL for plain */
	int number; /* of this connection, from 0 */
	void *arg;  /* as given to server_start */
	struct buf in;
	size_t taken; /* bytes of `in` that the last request had */
};

struct request {
	struct str head; /* with its empty line */
	struct str method, path;
	struct str body;
};

typedef void (*script_fn)(struct conn *c);

struct server *server_start(script_fn script, void *arg);
/* TLS with the context, which the caller keeps. A failed handshake ends the connection. */
struct server *server_start_tls(script_fn script, void *arg, SSL_CTX *tls);
int server_port(const struct server *s);
int server_connections(struct server *s); /* accepted so far */
int server_open(struct server *s);        /* of those, not closed yet */
int server_requests(struct server *s);    /* read so far */
void server_stop(struct server *s);

/* The next request with its body, as views that last until the next call; false at the end. */
bool conn_request(struct conn *c, struct request *ret_request);
/* False when the other end is gone. */
bool conn_send(struct conn *c, struct str s);
bool conn_fmt(struct conn *c, const char *fmt, ...) printf_like(2, 3);
/* "200 OK" with a body. */
bool conn_answer(struct conn *c, struct str body);
/* The script's return closes with a FIN; after this, with a reset. */
void conn_reset_on_close(struct conn *c);
/* Blocks until the other end closes or the server stops. */
void conn_hold(struct conn *c);
/* A pause of that many ms; false when the server stops. */
bool conn_pause(struct conn *c, int ms);

/* A socket that listens and never accepts; *ret_port. */
int listen_only(int backlog, int *ret_port);

#endif
