#include "t.h"

#include "base/heap.h"
#include "base/rng.h"

TEST(empty)
{
	struct heap_node node = { 0 };
	struct heap h;

	heap_init(&h);
	T_CHECK(!heap_min(&h));
	heap_remove(&h, &node);
	T_CHECK(!heap_min(&h));
	heap_done(&h);
}

TEST(removed_node_can_be_inserted_again)
{
	struct heap_node node = { 0 };
	struct heap h;

	heap_init(&h);
	heap_insert(&h, &node, 5);
	T_CHECK(node.pos != 0);
	heap_remove(&h, &node);
	T_EQ_INT(node.pos, 0);
	heap_remove(&h, &node);
	heap_rekey(&h, &node, INT64_MIN);
	T_CHECK(heap_min(&h) == &node);
	T_EQ_INT(node.key, INT64_MIN);
	heap_done(&h);
}

TEST(comes_out_sorted)
{
	static struct heap_node nodes[1000];
	int64_t last = INT64_MIN;
	struct heap h;
	struct rng r;

	heap_init(&h);
	rng_init(&r, 1);
	for (size_t i = 0; i < countof(nodes); i++)
		heap_insert(&h, &nodes[i], (int64_t)rng_below(&r, 500) - 250);
	for (size_t i = 0; i < countof(nodes); i++) {
		struct heap_node *min = heap_min(&h);

		T_CHECK(min && min->key >= last);
		last = min->key;
		heap_remove(&h, min);
	}
	T_CHECK(!heap_min(&h));
	heap_done(&h);
}

static void check_order(const struct heap *h)
{
	for (size_t i = 0; i < h->n; i++) {
		T_EQ_INT(h->v[i]->pos, i + 1);
		T_CHECK(i == 0 || h->v[(i - 1) / 2]->key <= h->v[i]->key);
	}
}

/* Random verbs against a plain array of nodes, whose smallest key is found by looking at all. */
TEST(agrees_with_a_model)
{
	static struct heap_node nodes[60];
	struct heap h;
	struct rng r;

	heap_init(&h);
	rng_init(&r, 2);
	for (int step = 0; step < 20000; step++) {
		struct heap_node *node = &nodes[rng_below(&r, countof(nodes))];
		int64_t key = (int64_t)rng_below(&r, 40), least = INT64_MAX;
		size_t count = 0;

		switch (rng_below(&r, 3)) {
		case 0:
			heap_remove(&h, node);
			break;
		case 1:
			heap_rekey(&h, node, key);
			T_EQ_INT(node->key, key);
			break;
		default:
			if (!node->pos)
				heap_insert(&h, node, key);
		}
		for (size_t i = 0; i < countof(nodes); i++) {
			if (!nodes[i].pos)
				continue;
			count++;
			least = nodes[i].key < least ? nodes[i].key : least;
		}
		T_EQ_INT(h.n, count);
		T_CHECK(count ? heap_min(&h)->key == least : !heap_min(&h));
		check_order(&h);
	}
	heap_done(&h);
}
