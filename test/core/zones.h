/* zones.h - time zones of the system, for tests.
 */
#ifndef TEST_CORE_ZONES_H
#define TEST_CORE_ZONES_H

#include <stdio.h>
#include <stdlib.h>

#include "core/tz.h"
#include "t.h"

enum { ZONE_BYTES_MAX = 256 * 1024 };

/* The bytes of a file, in the arena; skips the test when the system has no such zone. */
static inline struct str zones_read(struct arena *a, const char *name)
{
	struct str path = arena_fmt(a, "/usr/share/zoneinfo/%s", name);
	char *bytes = arena_alloc(a, ZONE_BYTES_MAX);
	FILE *f = fopen(path.p, "rb");
	size_t n;

	if (!f)
		T_SKIP("no %s", path.p);
	n = fread(bytes, 1, ZONE_BYTES_MAX, f);
	fclose(f);
	return str_n(bytes, n);
}

static inline struct tz zones_load(struct arena *a, const char *name)
{
	struct tz tz;

	if (!tz_parse(zones_read(a, name), &tz, a))
		T_FAIL("%s cannot be read", name);
	return tz;
}

#endif
