/* body.h - the body of an answer, gathered in the request's arena up to a limit.
 */
#ifndef COURIER_BODY_H
#define COURIER_BODY_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/str.h"

struct body {
	struct arena *arena; /* the request's */
	char *p;
	size_t n, cap, max;
	bool is_cut; /* there was more than max */
};

void body_init(struct body *b, struct arena *arena, size_t max);
/* A piece of it. `total` is the declared length of all of it, -1 when unknown. False when the limit
 * is passed and nothing more should be read; is_cut is then true. */
must_use bool body_add(struct body *b, struct str piece, int64_t total);
struct str body_str(const struct body *b);

#endif
