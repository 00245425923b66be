/* httpd.h - the HTTP/1.1 server: connections, limits, time-outs, deferred answers.
 *
 * For each request the owner sees two calls. `head` when the head is complete: it decides how large
 * the body may be (req->body_max) and may answer at once, in which case the body is read and
 * dropped up to a small amount or the connection closed. `request` when the whole body is in
 * memory. The owner answers with httpd_reply, then or in any later turn, exactly once per request;
 * a request stays valid until then even when its peer is gone. Answers leave in the order of the
 * requests (pipelining), writes are gathered per turn.
 *
 * A body over body_max is refused while it streams in: `too_large` is called instead of `request`
 * and must answer, then or later; the connection is closed after that answer. A peer that sends its
 * head or body too slowly is answered 408 and closed. Expect: 100-continue is answered once `head`
 * has let the body in.
 *
 * Between a `head` that did not answer and `request` or `too_large` the request still belongs to
 * the server and can end without a further call (the peer went away or broke the protocol). So
 * `head` keeps what it needs in req->arena, and nobody keeps req before `request`.
 *
 * A connection is in one state at a time, and waits in that state's list, oldest first:
 *
 *	FRESH > HEAD > BODY > WAIT > SEND > IDLE > HEAD ...   (HOLD: the body waits for memory)
 *	any of these > SEND > LINGER > gone                   (refused, timed out, or closing)
 *
 * One request is handled at a time per connection; what a peer pipelines waits in the connection's
 * buffer (bounded), then in the kernel. An idle connection holds no buffers.
 */
#ifndef NET_HTTPD_H
#define NET_HTTPD_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"
#include "net/http1.h"

struct loop;
struct httpd;
struct httpd_conn;

struct httpd_req {
	const struct http1_head *head; /* method, target, fields */
	struct str path;               /* target up to '?', raw */
	struct str query;              /* after '?', raw; p == NULL when there is no '?' */
	struct str body;               /* complete when `request` is called; owned by the request */
	struct str peer_ip;            /* textual address of the peer; empty for a local one */
	size_t body_max;               /* set by `head`; bytes; default 0 = no body allowed */
	struct arena *arena;           /* lives until the reply */
	void *data;                    /* the owner's */
	struct httpd_conn *conn;       /* private */
};

struct httpd_ops {
	void (*head)(void *arg, struct httpd_req *req);
	void (*request)(void *arg, struct httpd_req *req);
	void (*too_large)(void *arg, struct httpd_req *req);
	/* A refusal by the codec or a time-out: gives the JSON error body for `status`. */
	void (*refused)(void *arg, int status, const char *why, struct buf *ret_body);
};

struct httpd_settings {
	const char *host;         /* address to bind, numeric; "0.0.0.0", "127.0.0.1", "::" */
	int port;                 /* 0 = any free one */
	const char *unix_path;    /* not NULL: listen on a socket with this path instead, which only
				     * the owner may open; a file that is there is replaced, and it
				     * stays after httpd_close */
	bool reuse_port;          /* SO_REUSEPORT, for several processes that bind by themselves */
	int listen_fd;            /* > 0: a socket that listens already, from httpd_listen; several
				     * processes may have the same one. It is the server's from then on */
	int connections_max;      /* default 10,000; over it a new connection gets 503 and is
				     * closed */
	int64_t head_timeout_ms;  /* default 10,000: whole head must arrive within */
	int64_t idle_timeout_ms;  /* default 75,000: between requests */
	int64_t body_rate_min;    /* bytes per second averaged over body_window_ms, default 512 */
	int64_t body_window_ms;   /* default 10,000 */
	int64_t write_timeout_ms; /* default 30,000: a peer reads its answers at body_rate_min at
				     * least, averaged over this, or is cut off */
	int64_t linger_ms;        /* default 5,000: time for a refused peer to read why */
	size_t body_memory_max;   /* bytes of bodies held by all connections together, default
				     * 256 MiB; over it bodies wait unread (the socket is paused),
				     * nothing is dropped. Bodies up to 4 KB do not wait, and one
				     * other always goes on */
};

struct httpd_reply {
	int status;
	struct str content_type; /* empty = none */
	struct str headers;      /* further complete lines, each ending in CRLF; may be empty */
	struct str body;         /* copied by httpd_reply; over 16 MB the answer becomes a 500 */
};

/* Binds and listens on what the settings name (host, port, unix_path), for a server that is opened later, in another
 * process perhaps. -1 with a reason like httpd_open's. */
must_use int httpd_listen(const struct httpd_settings *settings, char ret_error[200]);
int httpd_port_of(int listen_fd); /* 0 when it listens on a path */
/* Binds and listens. On failure returns NULL and puts a one-line reason into ret_error; a port in
 * use is told as "address already in use: HOST:PORT". ops and arg must outlive the server. */
must_use struct httpd *httpd_open(struct loop *loop, const struct httpd_settings *settings,
				  const struct httpd_ops *ops, void *arg, char ret_error[200]);
int httpd_port(const struct httpd *h); /* 0 when it listens on a path */

/* Ends the request: req and its arena are gone on return. HEAD, 204 and 304 are sent without a
 * body. */
void httpd_reply(struct httpd_req *req, const struct httpd_reply *reply);

/* Field by name (any case) of the request; p == NULL when absent. */
struct str httpd_field(const struct httpd_req *req, struct str name);

/* Graceful end: stop accepting, let running requests be answered (with Connection: close), close idle
 * connections, after patience_ms: who keeps one and is asking again and again learns of the end by an answer, not by
 * a close that crosses the next request. `done` is called once, from a hook of the loop, when the last connection is
 * gone and the last request answered; httpd_close cuts what is left. */
void httpd_drain(struct httpd *h, int64_t patience_ms, void (*done)(void *arg), void *arg);
/* Frees all; not from inside the ops, but `done` may call it. The loop must still run once
 * (loop_free does) to finish the handles. A request that is not answered yet stays valid until its
 * httpd_reply, which then sends nothing. */
void httpd_close(struct httpd *h);

struct httpd_stats {
	int connections;
	uint64_t accepted, requests, refused, timed_out;
	size_t body_bytes; /* held now */
};
struct httpd_stats httpd_stats(const struct httpd *h);

#endif
