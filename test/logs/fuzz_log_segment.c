/* Any bytes as a segment that was read from a file: it is refused, or its entries are in order. */
#include <string.h>

#include "base/check.h"
#include "logs/logdb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first eight bytes are the position of the last entry, or zero for the right one. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct logdb_segment s = { .pos = 1000 };
	struct logdb_entry *v;
	struct logdb db = { 0 };
	struct arena a;
	size_t n;

	if (size < sizeof(s.last))
		return 0;
	memcpy(&s.last, data, sizeof(s.last));
	s.data = str_n(data + sizeof(s.last), size - sizeof(s.last));
	arena_init(&a);
	v = logdb_unpack(&db, &a, &s, &n);
	if (!s.last && n) {
		db.error = SQLITE_OK;
		s.last = v[n - 1].pos;
		v = logdb_unpack(&db, &a, &s, &n);
	}
	check(n <= LOGDB_SEGMENT_EVENTS);
	for (size_t i = 1; i < n; i++)
		check(v[i].pos > v[i - 1].pos);
	check(db.error != SQLITE_OK || n == 0 || v[n - 1].pos == s.last);
	arena_done(&a);
	return 0;
}
