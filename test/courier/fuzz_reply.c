/* Any bytes as an answer: within limits, and the same however they are cut. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "courier/http/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY_MAX = 4096 };

struct outcome_seen {
	enum reply_result result, at_end;
	int status;
	enum cause cause;
	bool keep_alive;
	uint64_t hash; /* of headers and body */
	size_t left;
};

static enum reply_result feed_exactly(struct reply *r, struct http1_head *head, struct str piece,
				      size_t *ret_left)
{
	char *exact = xmalloc(piece.n);
	struct str in = str_n(exact, piece.n);
	enum reply_result result;

	memcpy(exact, piece.p, piece.n);
	result = reply_feed(r, head, &in);
	*ret_left = in.n;
	free(exact);
	return result;
}

static uint64_t hash_of(const struct reply *r)
{
	uint64_t h = str_hash(body_str(&r->body), 1);

	for (size_t i = 0; i < r->header.n; i++) {
		const struct header *f = &r->header.v[i];

		check(http1_is_token(f->name) && http1_is_value(f->value));
		h = str_hash(f->value, str_hash(f->name, h));
	}
	return h;
}

static struct outcome_seen run(struct str in, struct str method, size_t piece_n)
{
	struct http1_head *head = xmalloc(sizeof(*head));
	struct outcome_seen seen = { .result = REPLY_MORE };
	struct arena arena;
	struct reply r;

	arena_init(&arena);
	reply_init(&r, &arena, method, BODY_MAX);
	while (in.n > 0 && seen.result == REPLY_MORE) {
		struct str piece = str_sub(in, 0, piece_n);

		seen.result = feed_exactly(&r, head, piece, &seen.left);
		in = str_from(in, piece.n - seen.left);
		check(seen.result != REPLY_MORE || seen.left == 0);
		check(r.body.n <= BODY_MAX && r.pending.n <= HTTP1_HEAD_MAX + piece_n);
	}
	seen.left = in.n;
	seen.at_end = seen.result == REPLY_MORE ? reply_closed(&r) : seen.result;
	seen.status = r.status;
	seen.cause = r.cause;
	seen.keep_alive = r.keep_alive;
	seen.hash = hash_of(&r);
	check((seen.at_end == REPLY_BROKEN) == (r.text != NULL));
	reply_done(&r);
	arena_done(&arena);
	free(head);
	return seen;
}

/* How much is left after a refusal, or of a body that is cut, depends on the pieces. */
static bool is_same(const struct outcome_seen *a, const struct outcome_seen *b)
{
	if (a->result == REPLY_BROKEN)
		return b->result == REPLY_BROKEN && a->cause == b->cause;
	return a->result == b->result && a->at_end == b->at_end && a->status == b->status &&
	       a->keep_alive == b->keep_alive && a->hash == b->hash &&
	       (a->left == b->left || a->result != REPLY_DONE || !a->keep_alive);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_n(data, size),
		   method = size > 0 && data[size - 1] % 4 == 0 ? STR("HEAD") : STR("POST");
	struct outcome_seen whole, pieces;

	if (size == 0 || size > 256 * 1024)
		return 0;
	whole = run(in, method, size);
	pieces = run(in, method, size > 4096 ? 61 : 1);
	check(is_same(&whole, &pieces));
	pieces = run(in, method, 1 + size / 3);
	check(is_same(&whole, &pieces));
	return 0;
}
