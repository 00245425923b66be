/* arena.h - memory of one request or one step, released all at once.
 *
 * Allocation is a pointer bump; there is no free of a single piece. What an arena hands out is
 * aligned for any type. Whoever fills an arena from outside data bounds that data first.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/compiler.h"
#include "base/str.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *head; /* newest first; owned */
	char *p, *end;
	size_t bytes; /* allocated from the system, for the memory budget */
};

void arena_init(struct arena *a);
void arena_done(struct arena *a);
/* An empty arena gets a first chunk of n bytes. */
void arena_reserve(struct arena *a, size_t n);
/* Forgets everything but keeps the first chunk for reuse. */
void arena_reset(struct arena *a);

must_use void *arena_alloc(struct arena *a, size_t n); /* uninitialised */
/* The piece p of old_n bytes made n bytes long (n >= old_n); what it holds is kept, and it may move. A large
 * piece that was the last one allocated is grown without a copy being left behind. */
must_use void *arena_grow(struct arena *a, void *p, size_t old_n, size_t n);
must_use void *arena_zalloc(struct arena *a, size_t n);
#define arena_new(a, type) ((type *)arena_zalloc((a), sizeof(type)))
#define arena_array(a, type, count) ((type *)arena_zalloc((a), sizeof(type) * (count)))
/* A copy of s, NUL-terminated for convenience (the NUL is not counted). */
struct str arena_str(struct arena *a, struct str s);
struct str arena_fmt(struct arena *a, const char *fmt, ...) printf_like(2, 3);

#endif
