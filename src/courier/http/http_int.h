/* http_int.h - what the files of the HTTP client share, and how it works.
 *
 *	courier_send ──► exchange ──► origin ──► wire ──► reply ──► exchange ──► done()
 *	                 checked      waits for  a        in the    finished
 *	                              a wire     socket   request's
 *	                                ▲                 arena
 *	                              dial ◄── resolve
 *
 *	http_courier.c  opening, closing, sending, cancelling; the end of each turn
 *	exchange.c      one request under way: its deadline, its end, its way to the other courier
 *	origin.c        scheme, host and port: who waits, which wires rest, what its name means
 *	dial.c          the attempt to get one wire: addresses in turn, the guard, then TLS
 *	wire.c          a connection: writing a request, reading its answer, resting
 *	tls.c, reply.c, compose.c, resolve.c, address.c, timers.c
 *	                pieces that know nothing of the rest
 *
 * An origin brings exchanges and wires together (origin_pump): the oldest that waits gets the wire
 * that rested last; for those that remain, wires are dialled, one for each, within the limits. A
 * dial is nobody's own: whichever wire is free first takes whoever waits first, and a dial that
 * fails fails the one that waits first.
 *
 * What is where: an exchange lives in its request's arena. A wire lives until libuv lets go of its
 * watcher, which stays armed for reading from the connection's beginning to its end: a request costs
 * one write and one read, no timer and no change of what is watched. All reads go into one buffer
 * and are parsed in place. All deadlines are in one heap.
 *
 * Who may call whom: wires, dials and origins change each other freely but never call `done`, and
 * never origin_pump. The entry points (an event, a timer, a lookup's end, send, cancel) do what they
 * are for, then call origin_pump for the origin they touched; those that come from the loop end with
 * http_courier_settle, which calls `done` for all that finished. So nothing that is in use is freed
 * under its user, and no recursion is as deep as a queue is long.
 */
#ifndef COURIER_HTTP_INT_H
#define COURIER_HTTP_INT_H

#include <uv.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "courier/courier.h"
#include "courier/http/address.h"
#include "courier/http/reply.h"
#include "courier/http/resolve.h"
#include "courier/http/timers.h"
#include "courier/http/tls.h"
#include "courier/settings.h"

enum {
	HTTP_READ_BYTES = 64 * 1024,       /* at once from a connection */
	HTTP_READS_MAX = 16,               /* in a row, then others get their turn */
	HTTP_HEAD_BYTES_MAX = 4 << 20,     /* of a request */
	HTTP_GATHER_BYTES_MAX = 16 * 1024, /* of a body, written together with its head over TLS */
	HTTP_IDLE_MS = 90 * 1000,          /* a wire rests no longer */
	HTTP_KEEPALIVE_S = 60,             /* of silence, then TCP asks whether the peer lives */
	HTTP_STAGGER_MS = 250,             /* then the next address is tried as well (RFC 8305) */
	HTTP_NAME_MS = 30 * 1000,          /* what a name means is believed that long */
	HTTP_NO_NAME_MS = 2 * 1000,        /* and that it means nothing */
	HTTP_OTHER_MS = 60 * 60 * 1000,    /* an origin is left to the other courier that long */
	HTTP_IDLE_ORIGINS_MAX = 1024,      /* remembered without requests or wires */
};

struct http_courier {
	struct courier courier;
	struct loop *loop;
	struct courier_settings settings; /* with the defaults filled in; ca_file is owned */
	int64_t now_ms;                   /* mono, of this turn */
	struct heap timers;
	struct tls *tls;
	struct roots *roots;
	struct resolver *resolver;
	struct map origins;
	struct list idle_origins; /* oldest first */
	int idle_origins_n;
	struct list hungry;     /* origins that would dial but for connections_max */
	struct list idle_wires; /* of all origins, longest at rest first */
	int slots_n;            /* wires at rest or with an exchange, and dials */
	struct list running, foreign, finished; /* exchanges by state */
	struct courier *other;                  /* on libcurl; NULL until needed */
	struct buf key, out;                    /* where keys and heads of requests are made */
	struct http1_head head;                 /* where heads of answers are taken apart */
	char *in;                               /* HTTP_READ_BYTES */
	uv_idle_t anchor; /* never started; keeps this until the end of the closing turn */
	int handles;      /* of libuv, not let go of yet */
	bool is_closed;
};

enum exchange_state {
	EXCHANGE_WAITING,  /* in its origin's list */
	EXCHANGE_RUNNING,  /* on a wire */
	EXCHANGE_FOREIGN,  /* with the other courier */
	EXCHANGE_FINISHED, /* its outcome is written; `done` is still to be called */
};

struct exchange {
	struct courier_req *req;
	struct http_courier *courier;
	struct origin *origin; /* NULL when it failed before that was known */
	struct wire *wire;     /* RUNNING */
	struct foreign *foreign;
	struct list node; /* in origin->waiting, or in the courier's list of its state */
	struct timer deadline;
	int64_t start_ms;
	struct str path; /* and query; a view of the request's URL */
	enum exchange_state state;
	bool wants_fresh; /* a kept wire failed it: the next one must be new, and is the last */
	struct reply reply;
};

enum lookup_state {
	LOOKUP_NONE,
	LOOKUP_RUNNING,
	LOOKUP_FOUND,  /* until known_until_ms */
	LOOKUP_FAILED, /* the same */
};

struct origin {
	struct http_courier *courier;
	char *text;           /* owned; "https://host:port", lower case */
	struct str key;       /* all of it */
	struct str name;      /* "host:port", for people */
	struct str host;      /* without brackets */
	struct str authority; /* name, but without the scheme's own port: the value of Host */
	uint16_t port;
	bool is_tls;
	int64_t other_until_ms; /* mono; it is the other courier's until then */
	struct list waiting;    /* exchanges, oldest first */
	int waiting_n;
	struct list idle;  /* wires at rest, the last used first */
	int wires_n;       /* at rest or with an exchange */
	struct list dials; /* oldest first */
	int dials_n;
	struct list node; /* in courier->hungry or courier->idle_origins, or in none */
	bool is_idle;     /* that is courier->idle_origins */
	enum lookup_state lookup;
	int64_t known_since_ms, known_until_ms;
	struct addresses
		addresses; /* LOOKUP_FOUND, with the port; the one that answered last first */
	struct tls_session *session;
};

struct dial {
	struct origin *origin;
	struct list node;  /* origin->dials */
	struct list wires; /* that are being connected */
	bool is_resolving;
	struct addresses addresses; /* as they were when it began */
	int next;                   /* index of the one to try next */
	struct timer stagger, deadline;
	/* Of what failed last; a refusal by the guard only when nothing else did. */
	struct address tried;
	const char *refused;
	int os_errno;
};

enum wire_state {
	WIRE_CONNECTING, /* in dial->wires */
	WIRE_HANDSHAKE,  /* the same */
	WIRE_IDLE,       /* in origin->idle and courier->idle_wires */
	WIRE_BUSY,       /* has an exchange */
	WIRE_CLOSED,     /* freed once libuv lets go of it */
};

struct wire {
	uv_poll_t poll;
	struct http_courier *courier;
	struct origin *origin;
	struct dial *dial;  /* CONNECTING, HANDSHAKE */
	struct exchange *x; /* BUSY */
	struct tls_wire *tls;
	struct list node; /* dial->wires or origin->idle */
	struct list rest; /* courier->idle_wires */
	int64_t idle_since_ms;
	struct str unsent_head, unsent_body; /* of the exchange */
	struct address address;
	int fd;
	int watched; /* events of libuv's */
	enum wire_state state;
	bool was_used;     /* an exchange was answered on it */
	bool cannot_write; /* writing failed; there may be an answer to read all the same. Not
			    * over TLS, where nothing can be read after that */
	bool wants_write;  /* TLS has to write before it can read */
};

/* http_courier.c: what an entry point from the loop ends with. The courier may be closed after
 * it. */
void http_courier_read_clock(struct http_courier *c);
void http_courier_settle(struct http_courier *c);
/* A handle of libuv's is gone; frees a closed courier with the last. */
void http_courier_let_go(struct http_courier *c);
/* NULL, with a reason, when it cannot be opened. */
struct courier *http_courier_other(struct http_courier *c, char ret_error[200]);

/* exchange.c: each of the first three ends with the exchange in courier->finished. */
void exchange_answered(struct exchange *x); /* with what x->reply holds */
/* `f` without what is known of the exchange: dest, status, body_bytes. */
void exchange_failed(struct exchange *x, struct failure f);
void exchange_refused(struct exchange *x, struct str error); /* before it had an origin */
void exchange_hand_over(struct exchange *x);                 /* to the other courier */
/* Takes it out of everything, silently. */
void exchange_cancel(struct exchange *x);
void exchange_start_deadline(struct exchange *x);

/* origin.c */
/* The origin of a URL, which stays while it has exchanges, wires, dials or a lookup; it is made when
 * needed. Sets x->origin and x->path. False when the URL is not valid; *ret_why then says why. With
 * *ret_is_foreign the URL is the other courier's, and x->origin is not set. */
must_use bool origin_find(struct exchange *x, bool *ret_is_foreign, const char **ret_why);
void origin_wait(struct origin *o, struct exchange *x);       /* as the newest */
void origin_wait_first(struct origin *o, struct exchange *x); /* as the oldest */
void origin_leave(struct exchange *x);                        /* waits no more */
/* An exchange of it was given up; so is a dial that nobody waits for then. */
void origin_give_up(struct origin *o);
/* The first that waits; NULL when nobody does. */
struct exchange *origin_first(const struct origin *o);
/* Brings those who wait and wires together. */
void origin_pump(struct origin *o);
/* Lets the hungry dial, one wire each in turn, while there is room. */
void origin_feed_hungry(struct http_courier *c);
/* Something that keeps it, or that it waits for, is gone: puts it into the list where it belongs. May
 * free origins that nothing keeps. */
void origin_place(struct origin *o);
/* Is it known what its name means? If not, a lookup is under way now, which calls dial_go. */
bool origin_is_resolved(struct origin *o);
/* A connection to that address came about: it is tried first from now on. */
void origin_prefers(struct origin *o, const struct address *a);
/* None came about to any: the name is looked up anew soon. */
void origin_doubts_name(struct origin *o);
/* It only speaks what the other courier speaks: all that wait go there, and all that come. */
void origin_belongs_to_other(struct origin *o);
void origin_free(struct origin *o); /* of a courier that is being closed */

/* dial.c */
void dial_start(struct origin *o);
void dial_go(struct dial *d);    /* the name's meaning is known, or that it has none */
void dial_event(struct wire *w); /* of a wire that is being connected */
void dial_cancel(struct dial *d);

/* wire.c */
/* A new one of that socket, watched for being connected. Takes the descriptor. */
struct wire *wire_new(struct dial *d, int fd, const struct address *a);
void wire_watch(struct wire *w, int events);
void wire_rest(struct wire *w); /* connected, or done with an exchange */
/* Begins an exchange on a wire at rest. It may end at once, in whatever way. */
void wire_begin(struct wire *w, struct exchange *x);
/* Whatever state it is in. An exchange on it is the caller's to care for. */
void wire_close(struct wire *w);

#endif
