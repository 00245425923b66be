#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum {
	CHUNK_BYTES_MIN = 4 * 1024,
	CHUNK_BYTES_MAX = 256 * 1024,
};

struct arena_chunk {
	struct arena_chunk *next;
	size_t cap; /* bytes of data */
	alignas(max_align_t) char data[];
};

void arena_init(struct arena *a)
{
	*a = (struct arena){ 0 };
}

void arena_done(struct arena *a)
{
	struct arena_chunk *c, *next;

	for (c = a->head; c; c = next) {
		next = c->next;
		free(c);
	}
	arena_init(a);
}

static void use_chunk(struct arena *a, struct arena_chunk *c)
{
	a->p = c->data;
	a->end = c->data + c->cap;
}

void arena_reset(struct arena *a)
{
	while (a->head && a->head->next) {
		struct arena_chunk *c = a->head;

		a->head = c->next;
		a->bytes -= sizeof(*c) + c->cap;
		free(c);
	}
	if (a->head)
		use_chunk(a, a->head);
}

static struct arena_chunk *new_chunk(struct arena *a, size_t cap)
{
	struct arena_chunk *c = xmalloc(sizeof(*c) + cap);

	c->cap = cap;
	c->next = a->head;
	a->head = c;
	a->bytes += sizeof(*c) + cap;
	return c;
}

void arena_reserve(struct arena *a, size_t n)
{
	check(a->head == NULL);
	use_chunk(a, new_chunk(a, n));
}

/* The current chunk is too small for n. A big piece gets a chunk of its own, so that what is left
 * of the current one stays in use; otherwise chunks double in size with what the arena holds. */
static void *alloc_slow(struct arena *a, size_t n)
{
	size_t cap = a->bytes < CHUNK_BYTES_MIN ? CHUNK_BYTES_MIN : a->bytes;
	struct arena_chunk *c;

	if (cap > CHUNK_BYTES_MAX)
		cap = CHUNK_BYTES_MAX;
	if (a->p && n > cap / 4)
		return new_chunk(a, n)->data;
	c = new_chunk(a, n > cap ? n : cap);
	use_chunk(a, c);
	a->p += n;
	return c->data;
}

void *arena_alloc(struct arena *a, size_t n)
{
	const size_t align = alignof(max_align_t);
	void *p;

	check(n <= SIZE_MAX / 2);
	n = (n + align - 1) & ~(align - 1);
	if (n > (size_t)(a->end - a->p) || !a->p)
		return alloc_slow(a, n);
	p = a->p;
	a->p += n;
	return p;
}

void *arena_grow(struct arena *a, void *p, size_t old_n, size_t n)
{
	struct arena_chunk *c = a->head;

	check(n >= old_n && n <= SIZE_MAX / 2);
	/* In a chunk of its own, which is not the one that pieces are cut from. */
	if (c && p == c->data && a->end != c->data + c->cap) {
		a->bytes += n - c->cap;
		c = xrealloc(c, sizeof(*c) + n);
		c->cap = n;
		a->head = c;
		return c->data;
	}
	return old_n ? memcpy(arena_alloc(a, n), p, old_n) : arena_alloc(a, n);
}

void *arena_zalloc(struct arena *a, size_t n)
{
	return memset(arena_alloc(a, n), 0, n);
}

struct str arena_str(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return (struct str){ p, s.n };
}

struct str arena_fmt(struct arena *a, const char *fmt, ...)
{
	va_list args;
	char *p;
	int n;

	check(fmt != NULL);
	va_start(args, fmt);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	check(n >= 0);
	p = arena_alloc(a, (size_t)n + 1);
	va_start(args, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, args);
	va_end(args);
	return (struct str){ p, (size_t)n };
}
