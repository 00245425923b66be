/* check.h - assertions that stay on in every build.
 *
 * check(cond) is for what only a bug of ours can break. Outside data never reaches a check before a
 * parser has judged it. A failed check prints the condition and its place, then aborts: a process
 * that no longer knows its own state must not go on writing.
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#include "base/compiler.h"

no_return void check_failed(const char *cond, const char *file, int line, const char *func);

#define check(cond) ((cond) ? (void)0 : check_failed(#cond, __FILE__, __LINE__, __func__))
#define unreachable() check_failed("unreachable", __FILE__, __LINE__, __func__)

/* Allocation that aborts when memory is out. Sizes that an outsider controls are bounded before
 * they get here. The caller owns the result and releases it with free(). */
must_use void *xmalloc(size_t n);
must_use void *xcalloc(size_t count, size_t size);
must_use void *xrealloc(void *p, size_t n);

#endif
