#include "courier/http/timers.h"

void timers_set(struct heap *timers, struct timer *t, int64_t at_ms)
{
	heap_rekey(timers, &t->node, at_ms);
}

void timers_stop(struct heap *timers, struct timer *t)
{
	heap_remove(timers, &t->node);
}

void timers_run(struct heap *timers, int64_t now_ms)
{
	struct heap_node *node;

	while ((node = heap_min(timers)) != NULL && node->key <= now_ms) {
		struct timer *t = container_of(node, struct timer, node);

		heap_remove(timers, node);
		t->fire(t);
	}
}

int64_t timers_next_ms(const struct heap *timers)
{
	const struct heap_node *node = heap_min(timers);

	return node != NULL ? node->key : INT64_MAX;
}
