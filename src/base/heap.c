#include "base/heap.h"

#include <stdlib.h>

#include "base/check.h"

enum { CAP_MIN = 16 };

void heap_init(struct heap *h)
{
	*h = (struct heap){ 0 };
}

void heap_done(struct heap *h)
{
	free(h->v);
	heap_init(h);
}

static void place(struct heap *h, struct heap_node *node, size_t i)
{
	h->v[i] = node;
	node->pos = i + 1;
}

/* Both sifts carry `node` along and write it once, at its final place. */
static void sift_up(struct heap *h, struct heap_node *node, size_t i)
{
	while (i > 0) {
		size_t parent = (i - 1) / 2;

		if (h->v[parent]->key <= node->key)
			break;
		place(h, h->v[parent], i);
		i = parent;
	}
	place(h, node, i);
}

static void sift_down(struct heap *h, struct heap_node *node, size_t i)
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= h->n)
			break;
		if (child + 1 < h->n && h->v[child + 1]->key < h->v[child]->key)
			child++;
		if (node->key <= h->v[child]->key)
			break;
		place(h, h->v[child], i);
		i = child;
	}
	place(h, node, i);
}

static void sift(struct heap *h, struct heap_node *node, size_t i)
{
	if (i > 0 && node->key < h->v[(i - 1) / 2]->key)
		sift_up(h, node, i);
	else
		sift_down(h, node, i);
}

void heap_insert(struct heap *h, struct heap_node *node, int64_t key)
{
	check(!node->pos);
	if (h->n == h->cap) {
		h->cap = h->cap ? h->cap * 2 : CAP_MIN;
		h->v = xrealloc(h->v, h->cap * sizeof(*h->v));
	}
	node->key = key;
	h->n++;
	sift_up(h, node, h->n - 1);
}

void heap_remove(struct heap *h, struct heap_node *node)
{
	size_t i = node->pos - 1;
	struct heap_node *last;

	if (!node->pos)
		return;
	check(i < h->n && h->v[i] == node);
	node->pos = 0;
	last = h->v[--h->n];
	if (last != node)
		sift(h, last, i);
}

void heap_rekey(struct heap *h, struct heap_node *node, int64_t key)
{
	if (!node->pos) {
		heap_insert(h, node, key);
		return;
	}
	check(node->pos <= h->n && h->v[node->pos - 1] == node);
	node->key = key;
	sift(h, node, node->pos - 1);
}

struct heap_node *heap_min(const struct heap *h)
{
	return h->n ? h->v[0] : NULL;
}
