#include "t.h"

#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/rng.h"

TEST(empty)
{
	struct map m;
	size_t pos = 0;

	map_init(&m, 1);
	T_CHECK(!map_get(&m, STR("a")));
	T_CHECK(!map_remove(&m, STR("a")));
	T_CHECK(!map_next(&m, &pos));
	map_done(&m);
}

TEST(put_get_replace_remove)
{
	int one = 1, two = 2, three = 3;
	struct map m;

	map_init(&m, 1);
	T_CHECK(!map_put(&m, STR("a"), &one));
	T_CHECK(!map_put(&m, STR(""), &two));
	T_CHECK(map_get(&m, STR("a")) == &one);
	T_CHECK(map_get(&m, STR_NULL) == &two);
	T_CHECK(!map_get(&m, STR("A")));
	T_CHECK(map_put(&m, STR("a"), &three) == &one);
	T_EQ_INT(m.n, 2);
	T_CHECK(map_remove(&m, STR("a")) == &three);
	T_CHECK(!map_remove(&m, STR("a")));
	T_EQ_INT(m.n, 1);
	T_CHECK(map_remove(&m, STR("")) == &two);
	map_done(&m);
}

/* The key points into the value, so replacing the value must replace the key as well. */
TEST(replacing_takes_the_new_key)
{
	char first[] = "key", second[] = "key";
	struct map m;

	map_init(&m, 1);
	T_CHECK(!map_put(&m, str_c(first), first));
	T_CHECK(map_put(&m, str_c(second), second) == first);
	memset(first, 'x', 3);
	T_CHECK(map_get(&m, STR("key")) == second);
	map_done(&m);
}

TEST(number_keys)
{
	static uint64_t ids[1000];
	struct map m;

	map_init(&m, 99);
	for (uint64_t i = 0; i < countof(ids); i++) {
		ids[i] = i << 32;
		T_CHECK(!map_put(&m, map_key_u64(&ids[i]), &ids[i]));
	}
	for (uint64_t i = 0; i < countof(ids); i++) {
		uint64_t key = i << 32;

		T_CHECK(map_get(&m, map_key_u64(&key)) == &ids[i]);
	}
	map_done(&m);
}

enum { KEYS = 300 };

static struct {
	char key[8];
	bool in;
	int seen;
} model[KEYS];

static void check_same(const struct map *m)
{
	size_t count = 0, pos = 0;
	char *key;

	for (int i = 0; i < KEYS; i++) {
		T_CHECK(map_get(m, str_c(model[i].key)) == (model[i].in ? model[i].key : NULL));
		count += model[i].in;
		model[i].seen = 0;
	}
	T_EQ_INT(m->n, count);
	while ((key = map_next(m, &pos)) != NULL) {
		model[container_of(key, __typeof__(model[0]), key[0]) - model].seen++;
		count--;
	}
	T_EQ_INT(count, 0);
	for (int i = 0; i < KEYS; i++)
		T_EQ_INT(model[i].seen, model[i].in);
}

/* Random verbs, in waves that fill the map and empty it, so that it grows and shrinks. */
TEST(agrees_with_a_model)
{
	struct map m;
	struct rng r;

	map_init(&m, 4);
	rng_init(&r, 4);
	for (int i = 0; i < KEYS; i++)
		snprintf(model[i].key, sizeof(model[i].key), "k%d", i);
	for (int step = 0; step < 40000; step++) {
		size_t i = rng_below(&r, KEYS);
		char *former = model[i].in ? model[i].key : NULL;

		if (rng_below(&r, 10) < (step / 2000 % 2 ? 2 : 8)) {
			T_CHECK(map_put(&m, str_c(model[i].key), model[i].key) == former);
			model[i].in = true;
		} else {
			T_CHECK(map_remove(&m, str_c(model[i].key)) == former);
			model[i].in = false;
		}
		if (step % 97 == 0)
			check_same(&m);
	}
	check_same(&m);
	map_done(&m);
}

TEST(gives_memory_back_when_it_empties)
{
	static char keys[5000][8];
	struct map m;
	size_t full;

	map_init(&m, 4);
	for (int i = 0; i < 5000; i++) {
		snprintf(keys[i], sizeof(keys[i]), "%d", i);
		map_put(&m, str_c(keys[i]), keys[i]);
	}
	full = m.cap;
	for (int i = 0; i < 5000; i++)
		T_CHECK(map_remove(&m, str_c(keys[i])) == keys[i]);
	T_CHECK(m.cap < full / 100);
	map_done(&m);
}

TEST(order_depends_on_the_seed)
{
	static char keys[100][4];
	struct map a, b;
	size_t pos_a = 0, pos_b = 0;
	int differ = 0;

	map_init(&a, 1);
	map_init(&b, 2);
	for (int i = 0; i < 100; i++) {
		snprintf(keys[i], sizeof(keys[i]), "%d", i);
		map_put(&a, str_c(keys[i]), keys[i]);
		map_put(&b, str_c(keys[i]), keys[i]);
	}
	for (int i = 0; i < 100; i++)
		differ += map_next(&a, &pos_a) != map_next(&b, &pos_b);
	T_CHECK(differ > 50);
	map_done(&a);
	map_done(&b);
}
