/* map.h - hash map from bytes to a pointer.
 *
 * Keys are not copied: a key points into the value's own memory and must live as long as the entry.
 * Open addressing with backward-shift deletion, so no tombstones. The seed guards against flooding.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/compiler.h"
#include "base/str.h"

struct map_slot;

struct map {
	struct map_slot *v; /* owned */
	size_t n, cap;      /* cap is 0 or a power of two */
	uint64_t seed;
};

void map_init(struct map *m, uint64_t seed);
void map_done(struct map *m);                       /* frees the table, not the values */
void *map_get(const struct map *m, struct str key); /* NULL when absent */
/* Replaces and returns the former value, or NULL. value must not be NULL. */
void *map_put(struct map *m, struct str key, void *value);
void *map_remove(struct map *m, struct str key); /* returns what was there, or NULL */
/* Iteration in table order: start with *pos = 0; NULL at the end. No change to the map meanwhile.
 * */
void *map_next(const struct map *m, size_t *pos);

/* For 64-bit keys: a str over the caller's own uint64_t field. */
static inline struct str map_key_u64(const uint64_t *key)
{
	return (struct str){ (const char *)key, sizeof(*key) };
}

#endif
