#include "base/map.h"

#include <stdlib.h>

#include "base/check.h"

enum { CAP_MIN = 16 };

struct map_slot {
	struct str key;
	void *value; /* NULL = empty */
	uint64_t hash;
};

void map_init(struct map *m, uint64_t seed)
{
	*m = (struct map){ .seed = seed };
}

void map_done(struct map *m)
{
	free(m->v);
	map_init(m, m->seed);
}

/* The slot that holds the key, or the empty one where it would go. There always is an empty one. */
static struct map_slot *find(const struct map *m, struct str key, uint64_t hash)
{
	size_t i = hash & (m->cap - 1);

	while (m->v[i].value && (m->v[i].hash != hash || !str_eq(m->v[i].key, key)))
		i = (i + 1) & (m->cap - 1);
	return &m->v[i];
}

static void resize(struct map *m, size_t cap)
{
	struct map_slot *old = m->v;
	size_t old_cap = m->cap;

	check(cap > m->n);
	m->v = xcalloc(cap, sizeof(*m->v));
	m->cap = cap;
	for (size_t i = 0; i < old_cap; i++) {
		if (old[i].value)
			*find(m, old[i].key, old[i].hash) = old[i];
	}
	free(old);
}

void *map_get(const struct map *m, struct str key)
{
	return m->n ? find(m, key, str_hash(key, m->seed))->value : NULL;
}

void *map_put(struct map *m, struct str key, void *value)
{
	uint64_t hash = str_hash(key, m->seed);
	struct map_slot *slot;
	void *former;

	check(value != NULL);
	if (m->n + 1 > m->cap / 4 * 3)
		resize(m, m->cap ? m->cap * 2 : CAP_MIN);
	slot = find(m, key, hash);
	former = slot->value;
	if (!former)
		m->n++;
	*slot = (struct map_slot){ key, value, hash };
	return former;
}

/* Empties the slot at `hole`, moving back what a probe would no longer find behind an empty slot.
 * */
static void close_hole(struct map *m, size_t hole)
{
	size_t mask = m->cap - 1;
	size_t i = hole;

	for (;;) {
		size_t home;

		i = (i + 1) & mask;
		if (!m->v[i].value)
			break;
		home = m->v[i].hash & mask;
		if (((i - home) & mask) >= ((i - hole) & mask)) {
			m->v[hole] = m->v[i];
			hole = i;
		}
	}
	m->v[hole] = (struct map_slot){ 0 };
}

void *map_remove(struct map *m, struct str key)
{
	struct map_slot *slot;
	void *value;

	if (!m->n)
		return NULL;
	slot = find(m, key, str_hash(key, m->seed));
	value = slot->value;
	if (!value)
		return NULL;
	close_hole(m, (size_t)(slot - m->v));
	m->n--;
	if (m->cap > CAP_MIN && m->n < m->cap / 8)
		resize(m, m->cap / 2);
	return value;
}

void *map_next(const struct map *m, size_t *pos)
{
	while (*pos < m->cap) {
		void *value = m->v[(*pos)++].value;

		if (value)
			return value;
	}
	return NULL;
}
