/* httpd_int.h - what the files of the HTTP server share.
 *
 *	httpd.c        the server: listening, the turn's flush, deadlines, memory, drain and close
 *	httpd_conn.c   a connection: opening, reading, going on, deadlines, closing
 *	httpd_feed.c   what was read becomes requests
 *	httpd_state.c  the states of a connection
 *	httpd_reply.c  answers: writing them into a buffer and that buffer to the socket
 *	httpd_work.c   the memory of a request, lent to a connection while it has one
 */
#ifndef NET_HTTPD_INT_H
#define NET_HTTPD_INT_H

#include <netinet/in.h>
#include <uv.h>

#include "base/list.h"
#include "base/log.h"
#include "net/httpd.h"

enum {
	HTTPD_READ_BYTES = 64 * 1024,       /* read from a socket at once */
	HTTPD_READ_LEAN_BYTES = 8 * 1024,   /* the same while memory is short */
	HTTPD_PIPELINE_BYTES = 16 * 1024,   /* of input during a request; the rest stays unread */
	HTTPD_INPUT_BYTES = 256 * 1024,     /* limit of a connection's `in`; never reached */
	HTTPD_INPUT_FREE_BYTES = 8 * 1024,  /* unused input that any connection may keep */
	HTTPD_INPUT_MAX_BYTES = 64 << 20,   /* unused input over that, all connections together */
	HTTPD_BODY_SMALL_BYTES = 4 * 1024,  /* a body up to this never waits for memory */
	HTTPD_BODY_TRUST_BYTES = 64 * 1024, /* allocated on the word of a Content-Length */
	HTTPD_DROP_BYTES = 64 * 1024,       /* of an unwanted body, read to keep a connection */
	HTTPD_GATHER_BYTES = 64 * 1024,     /* of unsent answers, then no request is begun */
	HTTPD_ANSWER_BYTES = 16 << 20,      /* the longest body of an answer */
	HTTPD_REFUSED_EXTRA = 128,          /* connections over the limit that are still told so */
	HTTPD_POOL_BYTES_MAX = 32 << 20,    /* of unused works */
	HTTPD_WORK_KEEP_BYTES = 16 * 1024,  /* of each of a pooled work's buffers */
};

/* Of a connection. Each but GONE has a list of its connections in the server. */
enum httpd_state {
	HTTPD_FRESH,  /* nothing was received yet */
	HTTPD_IDLE,   /* between requests */
	HTTPD_HEAD,   /* a part of a head is in `in` */
	HTTPD_BODY,   /* the owner has seen the head; the body is being read */
	HTTPD_HOLD,   /* the same, paused until there is memory */
	HTTPD_WAIT,   /* the owner has the request */
	HTTPD_DROP,   /* answered before the body came: its rest is read and dropped */
	HTTPD_SEND,   /* answered; the answer is not sent yet, or not wholly */
	HTTPD_LINGER, /* all is said; gives the peer time to read it */
	HTTPD_GONE,   /* closed; freed once libuv lets go of the handle */
	HTTPD_STATES,
};

/* All memory that a request needs, from its head to its sent answer. */
struct httpd_work {
	struct httpd_req req; /* req.conn is NULL when the peer is gone */
	struct httpd *h;      /* NULL when the server was closed meanwhile */
	struct list node;     /* in the pool or among the orphans */
	struct buf body;      /* counted in h->body_bytes */
	struct buf out;       /* answers; sent up to `sent` */
	size_t sent;
	struct arena arena;
	struct http1_body_reader reader;
	struct http1_head head; /* points into the arena */
};

struct httpd_conn {
	uv_poll_t poll;
	struct httpd *h;
	int fd;
	int interest; /* UV_READABLE, UV_WRITABLE as given to libuv */
	enum httpd_state state;
	struct list in_state;    /* in h->in_state[state] */
	struct list dirty;       /* in h->dirty when there is something to send */
	int64_t deadline_ms;     /* mono; LOOP_NEVER in WAIT and HOLD */
	int64_t moved;           /* bytes of bodies read and of answers sent */
	int64_t mark;            /* `moved` when the present window of time began */
	struct httpd_work *work; /* NULL without a request or an unsent answer */
	struct buf in;           /* read and not used yet */
	size_t scan;             /* of http1_request_head over `in` */
	bool close_after;        /* the present answer is the last */
	bool linger;             /* the peer may be sending still when the last answer is out */
	bool eof;                /* the peer will send no more */
	bool blocked;            /* the socket did not take all of `out` */
	char peer_ip[INET6_ADDRSTRLEN];
};

struct httpd {
	struct loop *loop;
	struct httpd_settings set; /* with the defaults filled in */
	const struct httpd_ops *ops;
	void *arg;
	uv_poll_t listener;
	int listen_fd; /* -1 when not listening any more */
	int port;
	int handles; /* of libuv, not closed yet */
	bool draining, drained, closing;
	int64_t patience_ms; /* of the drain */
	void (*done)(void *arg);
	void *done_arg;
	struct list in_state[HTTPD_GONE]; /* connections, oldest deadline first */
	struct list dirty;
	struct list pool, orphans;   /* works: unused; whose peer is gone */
	size_t pooled, pooled_bytes; /* in the pool */
	size_t pooled_least;         /* fewest in the pool since it was trimmed */
	struct httpd_conn *favoured; /* may read its body though memory is full */
	int64_t favoured_until_ms;
	int64_t sweep_at_ms; /* when to look at the deadlines again */
	int64_t trim_at_ms;  /* when to trim the pool again */
	bool accept_paused;  /* no descriptors left; tried again at the next sweep */
	bool delivered;      /* the owner got a request in this flush */
	size_t input_bytes;  /* in all `in` buffers */
	struct httpd_stats stats;
	struct log_limit refused_log, accept_log;
	char read_buf[HTTPD_READ_BYTES];
};

/* httpd.c */
void httpd_release_handle(struct httpd *h); /* one of h->handles is closed */

/* httpd_state.c */
/* The only way to change the state; also starts a new deadline. */
void httpd_state_enter(struct httpd_conn *c, enum httpd_state state);
int64_t httpd_state_time_limit_ms(const struct httpd_settings *set, enum httpd_state state);
void httpd_state_mark_dirty(struct httpd_conn *c); /* to be flushed at the end of the turn */
void httpd_state_drop_input(struct httpd_conn *c); /* what was read and not used */
void httpd_state_lose_favour(struct httpd_conn *c);
bool httpd_state_memory_is_full(const struct httpd *h); /* of bodies */

/* httpd_work.c */
must_use struct httpd_work *httpd_work_get(struct httpd *h);
/* Ends the request's own memory (body, arena); the answer's stays. */
void httpd_work_end(struct httpd_work *w);
void httpd_work_put(struct httpd_work *w); /* back to the pool, or freed */
void httpd_work_free(struct httpd_work *w);
/* Frees half of the works that were not needed since the last call. */
void httpd_work_trim(struct httpd *h);
void httpd_work_add_body(struct httpd_work *w, struct str piece);

/* httpd_reply.c */
enum httpd_sent { HTTPD_SENT, HTTPD_BLOCKED, HTTPD_BROKEN };
/* Sends what `out` holds, as far as the socket takes it. */
must_use enum httpd_sent httpd_reply_send(struct httpd_conn *c);
/* Answers with an error and closes afterwards. */
void httpd_reply_refuse(struct httpd_conn *c, int status, const char *why);
void httpd_reply_continue(struct httpd_conn *c);

/* httpd_feed.c */
/* Uses up bytes that were just read: heads, bodies, one request after the other as far as they may
 * begin. What cannot be used yet is kept in c->in. The connection stays open. */
void httpd_feed(struct httpd_conn *c, struct str in);
void httpd_feed_kept(struct httpd_conn *c); /* the same with what was kept */

/* httpd_conn.c */
/* Takes over fd. NULL when the system refused it; fd is closed then. */
struct httpd_conn *httpd_conn_open(struct httpd *h, int fd, const struct sockaddr *peer);
void httpd_conn_close(struct httpd_conn *c);
void httpd_conn_flush(struct httpd_conn *c);     /* sends, and goes on when all is sent */
void httpd_conn_late(struct httpd_conn *c);      /* its deadline has passed */
void httpd_conn_resume(struct httpd_conn *c);    /* from HOLD */
void httpd_conn_last_call(struct httpd_conn *c); /* takes what has arrived, or closes */

#endif
