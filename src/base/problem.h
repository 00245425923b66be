/* problem.h - why a request is refused, in words for the one who sent it.
 *
 * One fixed buffer that lives in whatever was asked (a request, a batch item). The text names the
 * field and what is allowed; it becomes {"error": "<text>"} with `status` as the HTTP status (spec
 * 1.5). A function that can refuse takes a `struct problem *` as its last parameter, returns false
 * and fills it; on success it leaves it alone.
 */
#ifndef BASE_PROBLEM_H
#define BASE_PROBLEM_H

#include "base/compiler.h"

struct problem {
	int status;     /* HTTP status, 4xx or 5xx; 0 = none */
	char text[512]; /* NUL-terminated, always valid UTF-8 or cut */
};

/* Sets both and returns false, so that `return problem_set(...)` reads well. */
bool problem_set(struct problem *p, int status, const char *fmt, ...) printf_like(3, 4);

#endif
