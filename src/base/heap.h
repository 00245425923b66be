/* heap.h - intrusive binary min-heap of deadlines.
 *
 * An element embeds a struct heap_node and knows its own position, so removing or re-keying one
 * costs O(log n) without a search. Equal keys come out in no promised order.
 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include "base/compiler.h"

struct heap_node {
	int64_t key;
	size_t pos; /* index in the heap + 1; 0 = not in a heap */
};

struct heap {
	struct heap_node **v; /* owned; the nodes are the callers' */
	size_t n, cap;
};

void heap_init(struct heap *h);
void heap_done(struct heap *h);
void heap_insert(struct heap *h, struct heap_node *node, int64_t key); /* node not in a heap */
void heap_remove(struct heap *h, struct heap_node *node);             /* harmless when not in one */
void heap_rekey(struct heap *h, struct heap_node *node, int64_t key); /* inserts if needed */
struct heap_node *heap_min(const struct heap *h);                     /* NULL when empty */

#endif
