/* buf.h - a growable byte buffer that knows its maximum.
 *
 * The maximum is given at creation, so no buffer can grow by what an outsider sends. Failure is
 * sticky: an append that would pass the maximum changes nothing and sets `overflow`; later appends
 * do nothing. A caller appends everything and looks at `overflow` once, at the end.
 *
 *	struct buf b;
 *	buf_init(&b, 64 * 1024);
 *	buf_add(&b, STR("GET "));
 *	buf_fmt(&b, "/v2/keys HTTP/1.1\r\n");
 *	if (b.overflow) ...
 *	buf_done(&b);
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/compiler.h"
#include "base/str.h"

struct buf {
	char *p;    /* owned */
	size_t n;   /* bytes used */
	size_t cap; /* bytes allocated */
	size_t max; /* bytes it may ever hold */
	bool overflow;
};

void buf_init(struct buf *b, size_t max);
void buf_done(struct buf *b);  /* frees; the buffer may be initialised again */
void buf_reset(struct buf *b); /* empties and clears overflow; keeps the memory */

/* Room for `n` more bytes at the end, to be filled by the caller and then claimed with buf_grew;
 * NULL (and overflow) when the maximum does not allow it. */
must_use char *buf_room_slow(struct buf *b, size_t n);
must_use static inline char *buf_room(struct buf *b, size_t n)
{
	/* There is always room for a NUL, too. */
	if (likely(!b->overflow && n < b->cap - b->n && n <= b->max - b->n))
		return b->p + b->n;
	return buf_room_slow(b, n);
}

void buf_grew(struct buf *b, size_t n);

void buf_add(struct buf *b, struct str s);
void buf_byte(struct buf *b, char c);
void buf_fmt(struct buf *b, const char *fmt, ...) printf_like(2, 3);
void buf_u64(struct buf *b, uint64_t v); /* decimal */
void buf_i64(struct buf *b, int64_t v);
/* Removes `n` bytes from the front (n <= b->n). */
void buf_drop(struct buf *b, size_t n);

struct str buf_str(const struct buf *b);
/* Takes the memory out (NUL-terminated, caller frees) and leaves the buffer empty. */
must_use char *buf_take(struct buf *b);

#endif
