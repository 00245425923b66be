/* answer.h - gathers a destination's answer into the request's arena, within limits.
 *
 * libcurl hands over header lines and pieces of the body; this is where hostile ones end: too many
 * or too long headers break the answer off. The body is body.h's.
 */
#ifndef COURIER_CURL_ANSWER_H
#define COURIER_CURL_ANSWER_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/str.h"
#include "core/msg.h"
#include "courier/body.h"

enum {
	ANSWER_HEAD_BYTES_MAX = 64 * 1024, /* of all heads, interim ones too, and trailers */
	ANSWER_FIELDS_MAX = 256,           /* header fields of one head */
	ANSWER_FOLDS_MAX = 64,             /* lines of one head that go on with the line before */
};

struct answer {
	struct arena *arena;   /* the request's */
	struct headers header; /* of the last head seen; names canonical */
	size_t fields_cap;
	int folds;
	size_t head_bytes;
	bool head_done;      /* the empty line came; what follows is another head or trailers */
	int status;          /* of this head; 0 when its first line has none */
	bool ends_with_head; /* set by the caller: no body is to be waited for */
	bool is_complete;    /* nothing more is read, whatever libcurl still means to do */
	struct body body;
	const char *broken; /* why it is read no further, a part of a sentence; NULL = fine */
};

void answer_init(struct answer *a, struct arena *arena, size_t body_max);
/* One header line with its line end, or a status line, or the empty line. False when nothing more
 * should be read: `broken` then says why, or is_complete is true. */
must_use bool answer_head_line(struct answer *a, struct str line);
/* An interim answer (1xx) is followed by another. */
bool answer_is_interim(const struct answer *a);
/* The head is there, and as much of the body as it declares; false when it declares nothing. */
bool answer_is_whole(const struct answer *a);

#endif
