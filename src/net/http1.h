/* http1.h - a strict HTTP/1.1 codec (RFC 9110, 9112), both directions, without I/O.
 *
 * The parser is fed bytes in any pieces and never looks at a byte twice. It refuses what lets two
 * parties disagree about where a message ends: two Content-Lengths, Content-Length with
 * Transfer-Encoding, a coding where chunked is not last or not alone, obs-fold, space before the
 * colon, bare CR or LF, NUL or other control bytes in names, values or the target, a missing or
 * double Host (requests), a version other than 1.0 and 1.1. After a refusal the connection is to be
 * closed. Stricter than RFC 9112 where it lets a recipient choose: equal Content-Lengths, LF alone,
 * obs-fold, and any coding but chunked are refused.
 *
 * Responses are read with more patience, since what old or hand-made servers answer is still an
 * answer: LF alone, obs-fold, blanks before the colon, equal Content-Lengths, Transfer-Encoding
 * beside a Content-Length (which it overrides) or in HTTP/1.0, and the coding "identity" are taken.
 * Except for the last and for equal lengths, keep_alive is then false: nothing after such a response
 * is believed.
 *
 * Strings it hands out point into the head buffer that the caller owns (see http1_request_head).
 */
#ifndef NET_HTTP1_H
#define NET_HTTP1_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

enum {
	HTTP1_HEAD_MAX = 64 * 1024,   /* bytes of request or status line and all fields */
	HTTP1_LINE_MAX = 32 * 1024,   /* bytes of one line */
	HTTP1_FIELDS_MAX = 256,       /* header fields in one head */
	HTTP1_CHUNK_LINE_MAX = 1024,  /* bytes of a chunk-size line with its extensions */
	HTTP1_TRAILER_MAX = 8 * 1024, /* bytes of all trailer fields; they are read and dropped */
};

struct http1_field {
	struct str name;  /* as sent */
	struct str value; /* trimmed; see has_folds */
};

/* How the body's end is found. */
enum http1_body { HTTP1_BODY_NONE, HTTP1_BODY_LENGTH, HTTP1_BODY_CHUNKED, HTTP1_BODY_CLOSE };

struct http1_head {
	bool is_response;
	int minor;         /* 0 or 1 of HTTP/1.x */
	struct str method; /* requests; case matters. Responses: the request's, set by the caller */
	struct str target; /* requests: path as sent (absolute-form is cut to it), or "*" */
	int status;        /* responses */
	struct http1_field field[HTTP1_FIELDS_MAX];
	size_t fields;
	bool has_folds; /* responses: some values have line ends in them, see http1_unfold */
	enum http1_body body;
	uint64_t body_bytes; /* when body == HTTP1_BODY_LENGTH */
	bool keep_alive;     /* by version and Connection; false when only closing ends the body */
	bool expects_continue; /* requests: the client waits for 100 before it sends the body */
};

enum http1_result {
	HTTP1_MORE, /* needs more bytes */
	HTTP1_DONE,
	HTTP1_REFUSED, /* see struct http1_refusal */
};

struct http1_refusal {
	/* Requests: the HTTP status to answer (400, 414, 417, 431, 501, 505). Responses: 431 when a
	 * limit was passed, 501 for a transfer coding, else of no meaning. */
	int status;
	const char *why; /* a constant sentence */
};

/* Parses a head at the start of `in`. HTTP1_MORE while the empty line has not arrived (the caller
 * calls again with more; *scan remembers how far it looked, start it at 0). HTTP1_DONE: *ret_bytes
 * is the length of the head including its empty line and `head` points into `in`, which must stay
 * in place. HTTP1_REFUSED: *ret_refusal says why. Empty lines before a request line are skipped (at
 * most two).
 *
 * What is done does not depend on how the bytes were cut into pieces. Only the fields that are
 * needed are written, so a struct http1_head needs no clearing before use. */
must_use enum http1_result http1_request_head(struct str in, size_t *scan, struct http1_head *head,
					      size_t *ret_bytes, struct http1_refusal *ret_refusal);

/* The same for a response. The caller puts the method of the request into head->method first, since
 * the response to HEAD (and 1xx, 204, 304 to any) has no body. */
must_use enum http1_result http1_response_head(struct str in, size_t *scan, struct http1_head *head,
					       size_t *ret_bytes,
					       struct http1_refusal *ret_refusal);

/* For an owner who copied the head's bytes: makes every string that points into the bytes at `from`
 * point to the same place in the copy at `to`. The method of a response is left alone. */
void http1_head_move(struct http1_head *head, const char *from, const char *to);

/* A response with has_folds: in the owner's copy of the head, makes one space of each line end in the
 * value and the blanks around it. Returns what is then the value's length. */
size_t http1_unfold(char *value, size_t n);

/* Value of the first field with that name (any case); STR_NULL with p == NULL when absent. */
struct str http1_field_get(const struct http1_head *head, struct str name);

/* Body reader: fed after the head, hands out pieces of the payload in place. */
struct http1_body_reader {
	enum http1_body kind;
	uint64_t left;            /* bytes of the body or the present chunk still to come */
	int state;                /* of the chunk parser; private */
	size_t line_bytes;        /* of the present chunk line or of all trailers; private */
	uint64_t extension_bytes; /* of all chunk lines; private */
	uint64_t total;           /* payload bytes handed out so far */
};

void http1_body_start(struct http1_body_reader *r, const struct http1_head *head);
/* Consumes from the front of *in. Returns HTTP1_MORE with *ret_piece a (possibly empty) piece of
 * payload; call again while in->n > 0. HTTP1_DONE when the body is complete (what is left in *in
 * belongs to the next message); *ret_piece may hold the last piece. HTTP1_REFUSED on bad framing,
 * which includes chunk extensions that together are longer than 16 KB plus twice the payload. */
must_use enum http1_result http1_body_read(struct http1_body_reader *r, struct str *in,
					   struct str *ret_piece);
/* The peer closed: true when that is a proper end (close-delimited), false when the body is cut
 * off. */
must_use bool http1_body_closed(const struct http1_body_reader *r);

/* True when every byte is a token character (names) / allowed in a field value. */
bool http1_is_token(struct str s);
bool http1_is_value(struct str s);

/* The reason phrase for a status ("OK"); "Unknown" otherwise. */
const char *http1_reason(int status);

#endif
