/* compiler.h - the attributes we use, and the only home of feature #if.
 *
 * Everything here is a name for something the compiler offers, so that the rest of the tree reads
 * as plain C.
 */
#ifndef BASE_COMPILER_H
#define BASE_COMPILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define must_use __attribute__((warn_unused_result))
#define printf_like(fmt, args) __attribute__((format(printf, fmt, args)))
#define no_return __attribute__((noreturn))
#define may_be_unused __attribute__((unused)) /* not `unused`: uv.h has a field of that name */
#define hot_path __attribute__((hot))

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Built with ThreadSanitizer, which needs several times the memory. */
#ifdef __SANITIZE_THREAD__
#define IS_TSAN 1
#else
#define IS_TSAN 0
#endif

/* Number of elements of an array (not of a pointer). */
#define countof(a) (sizeof(a) / sizeof((a)[0]))

/* The struct that embeds `member`, given a pointer to that member. */
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

#endif
