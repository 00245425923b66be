/* wire.h - just enough HTTP/1.1 to find where a message ends, for a load generator and a sink that
 * must cost next to nothing.
 *
 * It reads framing and nothing else: status, Content-Length, chunked, Connection: close, Expect. It
 * is lenient where the server's own codec is strict, because its peers are programs under
 * measurement, not strangers.
 */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What the head of a message says about its framing. */
struct wire_head {
	int status;      /* of an answer; 0 for a request */
	bool has_length; /* Content-Length was given */
	bool chunked;    /* Transfer-Encoding names chunked */
	bool close;      /* Connection: close, or HTTP/1.0 */
	bool expect;     /* Expect: 100-continue */
	uint64_t length; /* valid with has_length */
};

enum wire_state {
	WIRE_DATA,      /* inside a body of known length; `left` bytes to come */
	WIRE_SIZE,      /* in a chunk's size; `left` is the number read so far */
	WIRE_EXT,       /* behind a chunk's size, up to the line's end */
	WIRE_CHUNK,     /* inside a chunk; `left` bytes to come */
	WIRE_CHUNK_END, /* in the line end behind a chunk */
	WIRE_TRAILER,   /* behind the last chunk; `left` is the bytes in this line so far */
	WIRE_DONE,      /* the whole body was read */
	WIRE_BAD,       /* the framing is broken */
};

/* A body that is being read. */
struct wire_body {
	enum wire_state state;
	uint64_t left;
};

/* Finds the end of the head at p[0..n). Returns its length with the empty line, 0 when it is not
 * complete yet, or -1 when it is not HTTP/1. */
ssize_t wire_head_parse(const char *p, size_t n, struct wire_head *ret);

/* The body that follows a head. Without length and chunked it is empty. */
struct wire_body wire_body_start(const struct wire_head *h);

/* Takes bytes of the body from p[0..n) and returns how many it took. Each call finds at most one
 * piece of content, named by ret_data and ret_data_n (0: none). Call again with the rest until
 * nothing is left, or the state is WIRE_DONE or WIRE_BAD. */
size_t wire_body_take(struct wire_body *b, const char *p, size_t n, const char **ret_data,
		      size_t *ret_data_n);

#endif
