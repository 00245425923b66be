#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { CAP_MIN = 128 };

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void buf_done(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ 0 };
}

void buf_reset(struct buf *b)
{
	b->n = 0;
	b->overflow = false;
}

/* Allocates for n bytes in all and a NUL, which `max` does not count. */
static void grow(struct buf *b, size_t n)
{
	size_t cap = b->cap < CAP_MIN ? CAP_MIN : b->cap;

	check(n < SIZE_MAX / 2);
	while (cap <= n)
		cap *= 2;
	if (b->max < SIZE_MAX && cap > b->max + 1)
		cap = b->max + 1;
	b->p = xrealloc(b->p, cap);
	b->cap = cap;
}

char *buf_room_slow(struct buf *b, size_t n)
{
	if (b->overflow)
		return NULL;
	if (n > b->max - b->n) {
		b->overflow = true;
		return NULL;
	}
	if (b->cap <= b->n + n)
		grow(b, b->n + n);
	return b->p + b->n;
}

void buf_grew(struct buf *b, size_t n)
{
	check(b->n + n < b->cap);
	b->n += n;
}

void buf_add(struct buf *b, struct str s)
{
	char *p = buf_room(b, s.n);

	if (!p || !s.n)
		return;
	memcpy(p, s.p, s.n);
	b->n += s.n;
}

void buf_byte(struct buf *b, char c)
{
	char *p = buf_room(b, 1);

	if (!p)
		return;
	*p = c;
	b->n++;
}

void buf_fmt(struct buf *b, const char *fmt, ...)
{
	size_t room = b->cap - b->n;
	va_list args;
	int n;

	if (b->overflow)
		return;
	va_start(args, fmt);
	n = vsnprintf(b->p ? b->p + b->n : NULL, room, fmt, args);
	va_end(args);
	check(n >= 0);
	if (!buf_room(b, (size_t)n))
		return;
	if ((size_t)n >= room) {
		va_start(args, fmt);
		vsnprintf(b->p + b->n, (size_t)n + 1, fmt, args);
		va_end(args);
	}
	b->n += (size_t)n;
}

void buf_u64(struct buf *b, uint64_t v)
{
	char digits[20];
	size_t i = sizeof(digits);

	do {
		digits[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	buf_add(b, str_n(digits + i, sizeof(digits) - i));
}

void buf_i64(struct buf *b, int64_t v)
{
	char digits[21];
	size_t i = sizeof(digits);
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

	do {
		digits[--i] = (char)('0' + u % 10);
		u /= 10;
	} while (u);
	if (v < 0)
		digits[--i] = '-';
	buf_add(b, str_n(digits + i, sizeof(digits) - i));
}

void buf_drop(struct buf *b, size_t n)
{
	check(n <= b->n);
	if (n && n < b->n)
		memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
}

struct str buf_str(const struct buf *b)
{
	return (struct str){ b->p, b->n };
}

char *buf_take(struct buf *b)
{
	char *p = xrealloc(b->p, b->n + 1);

	p[b->n] = '\0';
	buf_init(b, b->max);
	return p;
}
