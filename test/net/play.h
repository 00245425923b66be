/* play.h - plays bytes to the HTTP codec, cut into pieces, and writes down what it said.
 *
 * The transcript does not show the pieces, so two ways of cutting the same bytes must give the same
 * transcript. Each call of the codec gets its bytes in a heap block of exactly their size, so that
 * the address sanitizer sees a read past the end.
 *
 *	POST /x 1.1 length 2     method, target, version, framing
 *	Host=a                   fields
 *	body hi                  payload, when it is complete
 *	end                      of the message; what follows is the next one
 *	refused 400 the reason
 *	more in head             the bytes ended here ("in body, cut off", "in body, complete")
 */
#ifndef TEST_NET_PLAY_H
#define TEST_NET_PLAY_H

#include "base/buf.h"
#include "base/str.h"

/* Pieces of `first` bytes, then `each` bytes; 0 = all the rest. */
struct play_cut {
	size_t first, each;
};

/* Appends to *ret. `method` is that of the request that a response answers. */
void play_requests(struct str in, struct play_cut cut, struct buf *ret);
void play_responses(struct str in, struct str method, struct play_cut cut, struct buf *ret);
/* The bytes are one chunked body and what follows it. */
void play_chunked(struct str in, struct play_cut cut, struct buf *ret);

#endif
