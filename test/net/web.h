/* web.h - an HTTP server on a thread of its own, and plain sockets to talk to it.
 *
 * What the server does with a request depends on the path:
 *
 *	/echo       answers "METHOD path?query body" at once
 *	/later      the same in the next turn
 *	/hold       keeps the request until /release
 *	/release    answers all kept ones, the newest first, then itself
 *	/deny       is answered 401 before its body
 *	/empty      is answered 204
 *	/bytes/N    is answered with N bytes
 *	/max/N      may have a body of N bytes (all others: 1,000), answered with its length
 */
#ifndef TEST_NET_WEB_H
#define TEST_NET_WEB_H

#include "base/buf.h"
#include "net/httpd.h"
#include "net/loop.h"

struct web;
struct peer;

struct web *web_start(struct httpd_settings set); /* on 127.0.0.1 unless set.host is given */
int web_port(const struct web *w);
/* Closes the server and frees everything; held requests are answered after the server is gone. */
void web_stop(struct web *w);
struct httpd_stats web_stats(struct web *w);
/* Requests whose `head`, and whose `request` or `too_large`, was seen. */
int web_heads(struct web *w);
int web_handled(struct web *w);
int web_held(struct web *w); /* waiting for /release */
/* Runs fn on the server's thread, so that the server does nothing else meanwhile. */
void web_stall(struct web *w, void (*fn)(void *arg), void *arg);
void web_drain(struct web *w);
void web_drain_patiently(struct web *w, int64_t patience_ms);
/* The same, but first a request is sent on `idle`, and one on a new connection, before the server
 * can see them. */
void web_drain_at_a_bad_moment(struct web *w, struct peer *idle, struct peer *ret_new);
bool web_is_drained(struct web *w);
/* Milliseconds of CPU that the server's thread has used. */
int64_t web_cpu_ms(struct web *w);

/* One connection of a client; every wait has a ceiling of some seconds. */
struct peer {
	int fd;
	struct buf in;   /* received and not used yet */
	struct buf body; /* of the last answer */
	struct buf head; /* of the last answer, from the status line to the empty line */
	bool keep_alive; /* by the last answer */
};

struct peer peer_open(const struct web *w);
struct peer peer_of(int fd); /* takes over a connected socket */
/* False instead of a failure when the server does not accept. */
bool peer_try_open(const struct web *w, struct peer *ret_peer);
void peer_close(struct peer *p);
void peer_trim(struct peer *p);  /* frees its buffers, keeps the connection */
void peer_reset(struct peer *p); /* closes with RST */
void peer_half_close(struct peer *p);
void peer_send(struct peer *p, struct str s);
void peer_fmt(struct peer *p, const char *fmt, ...) printf_like(2, 3);
/* Sends as much as the server takes within the time; returns the number of bytes. */
size_t peer_flood(struct peer *p, struct str s, int64_t ms);
/* Reads the next answer and returns its status; 0 when the server closed instead, -1 when nothing
 * came. */
int peer_status(struct peer *p, const char *method);
/* True when the server closes without sending anything. */
bool peer_is_closed(struct peer *p);
/* True when the server sends nothing within the time. */
bool peer_is_silent(struct peer *p, int64_t ms);
/* One request on a connection of its own. */
int peer_ask(const struct web *w, const char *path);

#endif
