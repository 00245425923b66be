#include "courier/body.h"

#include <string.h>

#include "base/check.h"

enum { CAP_FIRST = 16 * 1024 };

void body_init(struct body *b, struct arena *arena, size_t max)
{
	*b = (struct body){ .arena = arena, .max = max };
}

/* Makes room for `n` more bytes. What is declared is allocated at once while it is small; beyond
 * that memory follows what really arrives, since a declaration costs the sender nothing. */
static void grow(struct body *b, size_t n, int64_t total)
{
	size_t cap = b->cap * 2;

	if (b->cap - b->n >= n)
		return;
	if (cap < CAP_FIRST)
		cap = CAP_FIRST;
	if (cap < b->n + n)
		cap = b->n + n;
	if (total >= 0 && (uint64_t)total < cap)
		cap = (size_t)total;
	if (cap > b->max)
		cap = b->max;
	if (cap < b->n + n)
		cap = b->n + n;
	b->p = arena_grow(b->arena, b->p, b->n, cap);
	b->cap = cap;
}

bool body_add(struct body *b, struct str piece, int64_t total)
{
	size_t room = b->max - b->n;
	struct str kept = str_sub(piece, 0, room);

	check(b->n <= b->max);
	if (kept.n > 0) {
		grow(b, kept.n, total);
		memcpy(b->p + b->n, kept.p, kept.n);
		b->n += kept.n;
	}
	b->is_cut = piece.n > room;
	return !b->is_cut;
}

struct str body_str(const struct body *b)
{
	return str_n(b->p, b->n);
}
