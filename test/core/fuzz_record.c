/* Stored records: the first byte says of what. Whatever is read is written again, and that reads
 * the same. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "core/bulk.h"
#include "core/dead.h"
#include "core/event.h"
#include "core/msg.h"
#include "core/user.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BYTES_MAX = 1 << 24 };

static void fuzz_msg(struct arena *a, struct str s, struct buf *first, struct buf *second)
{
	struct msg m, again;

	if (!msg_decode(a, s, &m))
		return;
	msg_encode(first, &m);
	check(msg_decode(a, buf_str(first), &again));
	msg_encode(second, &again);
}

static void fuzz_events(struct arena *a, struct str s, struct buf *first, struct buf *second)
{
	struct event e;
	struct str rest;

	while (event_next(a, &s, &e) == 1)
		event_encode(first, &e);
	rest = buf_str(first);
	while (event_next(a, &rest, &e) == 1)
		event_encode(second, &e);
	check(!rest.n);
}

static void fuzz_dead(struct arena *a, struct str s, struct buf *first, struct buf *second)
{
	struct outcome o, again;

	if (!dead_decode(a, s, &o))
		return;
	dead_encode(first, &o);
	check(dead_decode(a, buf_str(first), &again));
	dead_encode(second, &again);
}

static void fuzz_user(struct arena *a, struct str s, struct buf *first, struct buf *second)
{
	struct user u, again;

	if (!user_decode(s, &u))
		return;
	user_encode(first, &u);
	check(user_decode(buf_str(first), &again));
	user_encode(second, &again);
}

static void fuzz_bulk(struct arena *a, struct str s, struct buf *first, struct buf *second)
{
	struct bulk b, again;

	if (!bulk_decode(a, s, &b))
		return;
	bulk_encode(first, &b);
	check(bulk_decode(a, buf_str(first), &again));
	bulk_encode(second, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const kinds[])(struct arena *, struct str, struct buf *, struct buf *) = {
		fuzz_msg, fuzz_events, fuzz_dead, fuzz_user, fuzz_bulk,
	};
	struct buf first, second;
	struct arena a;

	if (!size)
		return 0;
	arena_init(&a);
	buf_init(&first, BYTES_MAX);
	buf_init(&second, BYTES_MAX);
	kinds[data[0] % countof(kinds)](&a, str_n(data + 1, size - 1), &first, &second);
	check(!first.overflow && !second.overflow);
	check(str_eq(buf_str(&first), buf_str(&second)));
	buf_done(&first);
	buf_done(&second);
	arena_done(&a);
	return 0;
}
