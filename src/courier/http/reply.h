/* reply.h - bytes from a connection become an answer, in the request's arena and within limits.
 *
 * Without I/O, and the same however the bytes are cut. Interim answers (1xx) are passed over.
 */
#ifndef COURIER_HTTP_REPLY_H
#define COURIER_HTTP_REPLY_H

#include "base/buf.h"
#include "core/msg.h"
#include "courier/body.h"
#include "courier/words.h"
#include "net/http1.h"

enum { REPLY_HEADS_BYTES_MAX = HTTP1_HEAD_MAX }; /* of interim heads and the last one together */

enum reply_result {
	REPLY_MORE,
	REPLY_DONE,
	REPLY_BROKEN, /* see cause and text; nothing more is to be read */
};

struct reply {
	struct arena *arena;
	struct str method;  /* of the request; the caller's */
	struct buf pending; /* of a head that is not complete; owned */
	size_t scan;        /* how far `pending` was looked through */
	size_t interim_bytes;
	bool has_begun; /* at least one byte came */
	bool has_head;
	bool keep_alive; /* once it is done: the connection may be used again */
	int status;      /* of the last head, or status line, that is complete; 0 = none yet */
	struct headers header; /* names canonical */
	struct http1_body_reader reader;
	int64_t declared; /* length of the body; -1 = not known */
	struct body body;
	enum cause cause; /* REPLY_BROKEN */
	const char *text;
};

void reply_init(struct reply *r, struct arena *arena, struct str method, size_t body_max);
/* Frees what is not in the arena; more than once is harmless. */
void reply_done(struct reply *r);
/* Takes what came off the front of *in. What is left of it after REPLY_DONE is not the answer's.
 * `head` is room to work in, whose content does not matter. */
must_use enum reply_result reply_feed(struct reply *r, struct http1_head *head, struct str *in);
/* The peer closed: REPLY_DONE when that is how the answer ends. */
must_use enum reply_result reply_closed(struct reply *r);

#endif
