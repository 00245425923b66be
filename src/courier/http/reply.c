#include "courier/http/reply.h"

#include <string.h>

#include "base/check.h"

enum { PENDING_MAX = HTTP1_HEAD_MAX + 256 * 1024 }; /* a head and a piece; never reached */

void reply_init(struct reply *r, struct arena *arena, struct str method, size_t body_max)
{
	*r = (struct reply){ .arena = arena, .method = method, .declared = -1 };
	buf_init(&r->pending, PENDING_MAX);
	body_init(&r->body, arena, body_max);
}

void reply_done(struct reply *r)
{
	buf_done(&r->pending);
}

static enum reply_result broken(struct reply *r, enum cause cause, const char *text)
{
	r->cause = cause;
	r->text = text;
	return REPLY_BROKEN;
}

static enum reply_result refused(struct reply *r, const struct http1_refusal *no)
{
	if (no->status == 501)
		return broken(r, CAUSE_LIMIT,
			      "its answer has a transfer coding that was not asked for");
	if (no->status != 431)
		return broken(r, CAUSE_NOT_HTTP, no->why);
	if (str_has(str_c(no->why), STR("fields")))
		return broken(r, CAUSE_LIMIT, "its answer has more than 256 header fields");
	if (str_has(str_c(no->why), STR("line")))
		return broken(r, CAUSE_LIMIT, "a line in the head of its answer is too long");
	return broken(r, CAUSE_LIMIT, "the head of its answer is longer than 64 KB");
}

/* What is no HTTP need not be waited for until a line of it ends. */
static bool may_be_head(struct str s)
{
	return str_starts(STR("HTTP/"), str_sub(s, 0, 5));
}

/* So that a head which breaks off after its first line can be told by its status. */
static void read_early_status(struct reply *r)
{
	struct str s = buf_str(&r->pending);
	uint64_t status;

	if (s.n > 12 && memchr(s.p, '\n', s.n) != NULL && str_u64(str_sub(s, 9, 3), &status))
		r->status = (int)status;
}

/* Copies the head as one piece and makes its fields the answer's. */
static void keep_fields(struct reply *r, struct http1_head *head, struct str bytes)
{
	char *copy = arena_alloc(r->arena, bytes.n);
	struct header *v = arena_alloc(r->arena, (head->fields + 1) * sizeof(*v));

	memcpy(copy, bytes.p, bytes.n);
	http1_head_move(head, bytes.p, copy);
	for (size_t i = 0; i < head->fields; i++) {
		struct http1_field *f = &head->field[i];

		if (head->has_folds)
			f->value.n = http1_unfold(copy + (f->value.p - copy), f->value.n);
		v[i] = (struct header){ header_canonical(r->arena, f->name), f->value };
	}
	r->header = (struct headers){ .v = v, .n = head->fields };
}

/* A whole head, at the front of `bytes`. */
static enum reply_result take_head(struct reply *r, struct http1_head *head, struct str bytes)
{
	r->status = head->status;
	if (head->status == 101)
		return broken(r, CAUSE_NOT_HTTP, "it changes protocols, which was not asked for");
	if (head->status < 200) {
		r->interim_bytes += bytes.n;
		if (r->interim_bytes > REPLY_HEADS_BYTES_MAX)
			return broken(r, CAUSE_LIMIT,
				      "the head of its answer is longer than 64 KB");
		return REPLY_MORE;
	}
	keep_fields(r, head, bytes);
	r->has_head = true;
	r->keep_alive = head->keep_alive;
	if (head->body == HTTP1_BODY_LENGTH && head->body_bytes <= INT64_MAX)
		r->declared = (int64_t)head->body_bytes;
	http1_body_start(&r->reader, head);
	return REPLY_MORE;
}

/* Reads one head, from *in alone when it is whole there. */
static enum reply_result feed_head(struct reply *r, struct http1_head *head, struct str *in)
{
	size_t before = r->pending.n, used;
	struct str bytes = *in;
	struct http1_refusal no;
	enum http1_result result;

	if (before > 0) {
		buf_add(&r->pending, *in);
		bytes = buf_str(&r->pending);
	}
	if (!may_be_head(bytes))
		return broken(r, CAUSE_NOT_HTTP, "it does not begin with HTTP/");
	head->method = r->method;
	result = http1_response_head(bytes, &r->scan, head, &used, &no);
	if (result == HTTP1_REFUSED)
		return refused(r, &no);
	if (result == HTTP1_MORE) {
		if (before == 0)
			buf_add(&r->pending, *in);
		check(!r->pending.overflow);
		*in = str_from(*in, in->n);
		read_early_status(r);
		return REPLY_MORE;
	}
	check(used > before);
	*in = str_from(*in, used - before);
	r->scan = 0;
	buf_reset(&r->pending);
	return take_head(r, head, str_sub(bytes, 0, used));
}

static enum reply_result feed_body(struct reply *r, struct str *in)
{
	for (;;) {
		struct str piece;
		enum http1_result result = http1_body_read(&r->reader, in, &piece);

		if (result == HTTP1_REFUSED)
			return broken(r, CAUSE_BROKEN, "its chunked coding is malformed");
		if (piece.n > 0 && !body_add(&r->body, piece, r->declared)) {
			r->keep_alive = false;
			return REPLY_DONE;
		}
		if (result == HTTP1_DONE)
			return REPLY_DONE;
		if (in->n == 0)
			return REPLY_MORE;
	}
}

enum reply_result reply_feed(struct reply *r, struct http1_head *head, struct str *in)
{
	enum reply_result result = REPLY_MORE;

	r->has_begun |= in->n > 0;
	while (!r->has_head && result == REPLY_MORE && in->n > 0)
		result = feed_head(r, head, in);
	return r->has_head && result == REPLY_MORE ? feed_body(r, in) : result;
}

enum reply_result reply_closed(struct reply *r)
{
	if (r->has_head && http1_body_closed(&r->reader))
		return REPLY_DONE;
	return broken(r, CAUSE_CLOSED, "");
}
