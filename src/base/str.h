/* str.h - a view of bytes: a pointer and a length, never owned, not NUL-terminated.
 *
 * A str never outlives what it points into; whoever keeps one says in a comment who owns the bytes.
 * The empty string is any str with n == 0; p may then be NULL. Case-insensitive functions fold
 * ASCII only, which is what header names and path words are made of.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include "base/compiler.h"

struct str {
	const char *p;
	size_t n; /* bytes */
};

#define STR(literal) ((struct str){ "" literal, sizeof(literal) - 1 })
#define STR_NULL ((struct str){ NULL, 0 })

/* For printf: "%.*s", STR_FMT(s) */
#define STR_FMT(s) (int)(s).n, (s).n ? (s).p : ""

struct str str_c(const char *cstr); /* NULL gives the empty string */
static inline struct str str_n(const void *p, size_t n)
{
	return (struct str){ p, n };
}

bool str_eq(struct str a, struct str b);
bool str_ieq(struct str a, struct str b);
int str_cmp(struct str a, struct str b);  /* bytewise, then by length; like strcmp */
int str_icmp(struct str a, struct str b); /* the same with ASCII case folded */
bool str_starts(struct str s, struct str prefix);
bool str_istarts(struct str s, struct str prefix);
bool str_has(struct str s, struct str part); /* true for an empty part */
bool str_has_byte(struct str s, char c);

/* From position `from` to the end; empty when from > n. */
static inline struct str str_from(struct str s, size_t from)
{
	return from < s.n ? (struct str){ s.p + from, s.n - from } : STR_NULL;
}

/* At most `n` bytes starting at `from`. */
static inline struct str str_sub(struct str s, size_t from, size_t n)
{
	s = str_from(s, from);
	return (struct str){ s.p, s.n < n ? s.n : n };
}

/* Without the spaces and tabs at both ends. */
struct str str_trim(struct str s);

/* Cuts `*s` at the first `sep`: returns what is before it and leaves in `*s` what is after. Without
 * a `sep`, returns all and leaves the empty string. Loop while (s.n). */
struct str str_cut(struct str *s, char sep);
/* Position of the first `c` at or after `from`, or SIZE_MAX. */
size_t str_find(struct str s, char c, size_t from);

/* Decimal digits only, no sign, no spaces, at least one digit; false on overflow or anything else.
 * */
must_use bool str_u64(struct str s, uint64_t *ret_value);
must_use bool str_i64(struct str s, int64_t *ret_value); /* the same with an optional leading '-' */

/* A NUL-terminated copy on the heap; the caller frees it. */
must_use char *str_dup(struct str s);

/* 64-bit hash (not secret; use map_init's seed against flooding). */
uint64_t str_hash(struct str s, uint64_t seed);

bool str_is_utf8(struct str s);
/* Length of the UTF-8 sequence that s begins with (1 to 4); 0 when s is empty or it is not a valid
 * one. */
size_t str_utf8_step(struct str s);

#endif
