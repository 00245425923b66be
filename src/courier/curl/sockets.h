/* sockets.h - the sockets that libcurl wants to be told about, in an epoll set of their own.
 *
 * libcurl asks for a socket when a request begins and drops it when the request ends, though the
 * connection stays open. Here a dropped socket stays in the set, so that the next request on it
 * finds it there: no system call per request. If an idle socket becomes readable (the other end
 * closed it, as a rule), it is taken out then.
 *
 * The set's descriptor is itself what the project's loop watches.
 */
#ifndef COURIER_CURL_SOCKETS_H
#define COURIER_CURL_SOCKETS_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct lane;
struct watched;

struct sockets {
	int epoll_fd;
	struct watched *v; /* by descriptor; owned */
	size_t cap;
};

/* What to do with an event: `bits` are CURL_CSELECT_IN and CURL_CSELECT_OUT. */
typedef void (*sockets_fn)(struct lane *lane, int fd, int bits);

must_use bool sockets_init(struct sockets *w); /* false when the system has no descriptors left */
void sockets_done(struct sockets *w);

/* The lane wants events of the descriptor; bits as in CURL_POLL_IN, _OUT, _INOUT. */
void sockets_want(struct sockets *w, int fd, int bits, struct lane *lane);
/* Nobody wants its events for now. */
void sockets_rest(struct sockets *w, int fd);

/* The descriptor is that of an established connection, of which libcurl will tell when it closes
 * it; of resolvers and of attempts to connect it does not always. Only such ones stay in the set at
 * rest. */
void sockets_keep(struct sockets *w, int fd);
/* libcurl closes a connection. */
void sockets_close(struct sockets *w, int fd);

/* Hands all events that are there to fn. */
void sockets_poll(struct sockets *w, sockets_fn fn);

#endif
