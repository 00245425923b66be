#include "net/httpd_int.h"

#include <stdlib.h>

#include "base/check.h"

static size_t bytes_of(const struct httpd_work *w)
{
	return sizeof(*w) + w->body.cap + w->out.cap + w->arena.bytes;
}

static struct httpd_work *take_out(struct httpd *h, struct list *node)
{
	struct httpd_work *w = list_entry(node, struct httpd_work, node);

	check(h->pooled > 0 && h->pooled_bytes >= bytes_of(w));
	list_remove(node);
	h->pooled--;
	h->pooled_bytes -= bytes_of(w);
	if (h->pooled < h->pooled_least)
		h->pooled_least = h->pooled;
	return w;
}

struct httpd_work *httpd_work_get(struct httpd *h)
{
	struct httpd_work *w;

	/* The one used last is the one still in the processor's cache. */
	if (!list_is_empty(&h->pool))
		return take_out(h, h->pool.next);
	w = xmalloc(sizeof(*w));
	w->h = h;
	w->req = (struct httpd_req){ 0 };
	w->sent = 0;
	list_init(&w->node);
	arena_init(&w->arena);
	buf_init(&w->body, 0);
	buf_init(&w->out, HTTPD_ANSWER_BYTES + 4 * HTTPD_GATHER_BYTES);
	return w;
}

/* Empties a buffer for its next use; a large one gives its memory back. */
static void recycle(struct buf *b)
{
	size_t max = b->max;

	if (b->cap > HTTPD_WORK_KEEP_BYTES) {
		buf_done(b);
		buf_init(b, max);
	} else {
		buf_reset(b);
	}
}

void httpd_work_end(struct httpd_work *w)
{
	if (w->h != NULL) {
		check(w->h->stats.body_bytes >= w->body.n);
		w->h->stats.body_bytes -= w->body.n;
	}
	recycle(&w->body);
	if (w->arena.bytes > HTTPD_WORK_KEEP_BYTES) {
		arena_done(&w->arena);
		arena_init(&w->arena);
	} else {
		arena_reset(&w->arena);
	}
	w->req.conn = NULL;
}

void httpd_work_free(struct httpd_work *w)
{
	list_remove(&w->node);
	buf_done(&w->body);
	buf_done(&w->out);
	arena_done(&w->arena);
	free(w);
}

void httpd_work_put(struct httpd_work *w)
{
	struct httpd *h = w->h;

	httpd_work_end(w);
	recycle(&w->out);
	w->sent = 0;
	if (h == NULL || h->pooled_bytes + bytes_of(w) > HTTPD_POOL_BYTES_MAX) {
		httpd_work_free(w);
		return;
	}
	list_remove(&w->node);
	list_push_front(&h->pool, &w->node);
	h->pooled++;
	h->pooled_bytes += bytes_of(w);
}

void httpd_work_trim(struct httpd *h)
{
	for (size_t n = (h->pooled_least + 1) / 2; n > 0; n--)
		httpd_work_free(take_out(h, h->pool.prev));
	h->pooled_least = h->pooled;
}

void httpd_work_add_body(struct httpd_work *w, struct str piece)
{
	buf_add(&w->body, piece);
	check(!w->body.overflow);
	w->h->stats.body_bytes += piece.n;
}
