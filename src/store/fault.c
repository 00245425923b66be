#include "store/fault.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/list.h"
#include "base/rng.h"

enum { PPM = 1000000 };

struct fault {
	struct store store; /* first */
	struct store *inner;
	struct rng rng;
	struct fault_chances chances;
	struct fault_counts counts;
	struct list watched;      /* requests whose answer will be lost */
	struct store_req *failed; /* not passed on; answered by the next poll */
	struct store_req **failed_end;
};

/* A request that is passed on and whose answer is then taken away. */
struct watch {
	struct fault *fault;
	struct list node;
	void (*done)(struct store_req *req);
	void *arg;
};

static struct fault *fault_of(const struct store *s)
{
	return container_of(s, struct fault, store);
}

static void watch_free(struct watch *w)
{
	list_remove(&w->node);
	free(w);
}

static void answer_lost(struct store_req *r)
{
	struct watch *w = r->arg;

	r->done = w->done;
	r->arg = w->arg;
	watch_free(w);
	/* UNAVAILABLE would tell that it was not done. */
	store_clear_results(r);
	r->result = STORE_UNKNOWN;
	r->done(r);
}

static void watch(struct fault *f, struct store_req *r)
{
	struct watch *w = xmalloc(sizeof(*w));

	*w = (struct watch){ .fault = f, .done = r->done, .arg = r->arg };
	list_push(&f->watched, &w->node);
	r->done = answer_lost;
	r->arg = w;
}

static void fail(struct fault *f, struct store_req *r, enum store_result result)
{
	r->result = result;
	r->next = NULL;
	*f->failed_end = r;
	f->failed_end = &r->next;
}

static void op_submit(struct store *s, struct store_req *r)
{
	struct fault *f = fault_of(s);
	uint64_t dice = rng_below(&f->rng, PPM);
	uint64_t unavailable = f->chances.unavailable_ppm;
	uint64_t lost = unavailable + f->chances.lost_ppm;

	if (f->inner == NULL) {
		fail(f, r, STORE_UNAVAILABLE);
		return;
	}
	if (dice < unavailable) {
		f->counts.unavailable++;
		fail(f, r, STORE_UNAVAILABLE);
		return;
	}
	if (dice < lost) {
		f->counts.lost++;
		fail(f, r, STORE_UNKNOWN);
		return;
	}
	if (dice < lost + f->chances.done_lost_ppm) {
		f->counts.done_lost++;
		watch(f, r);
	}
	/* Not by store_submit: the ticket is the one that it has here. */
	f->inner->ops->submit(f->inner, r);
}

static void op_flush(struct store *s, int64_t now_ms)
{
	store_flush(fault_of(s)->inner, now_ms);
}

static void answer_failed(struct fault *f)
{
	struct store_req *r = f->failed, *next;

	f->failed = NULL;
	f->failed_end = &f->failed;
	for (; r != NULL; r = next) {
		next = r->next;
		r->done(r);
	}
}

static void op_poll(struct store *s)
{
	struct fault *f = fault_of(s);

	store_poll(f->inner);
	f->store.info.outbox_last = f->inner->info.outbox_last;
	answer_failed(f);
}

static void op_close(struct store *s)
{
	struct fault *f = fault_of(s);

	f->chances = (struct fault_chances){ 0 };
	store_close(f->inner);
	f->inner = NULL;
	while (f->failed != NULL)
		answer_failed(f);
	check(list_is_empty(&f->watched));
	free(f);
}

static const struct store_ops ops = {
	.submit = op_submit,
	.flush = op_flush,
	.poll = op_poll,
	.close = op_close,
};

struct store *fault_wrap(struct store *inner, uint64_t seed)
{
	struct fault *f = xcalloc(1, sizeof(*f));

	f->store = (struct store){ .ops = &ops, .info = inner->info };
	f->inner = inner;
	f->failed_end = &f->failed;
	list_init(&f->watched);
	rng_init(&f->rng, seed);
	return &f->store;
}

void fault_set(struct store *s, struct fault_chances chances)
{
	check(chances.unavailable_ppm <= PPM && chances.lost_ppm <= PPM &&
	      chances.done_lost_ppm <= PPM);
	fault_of(s)->chances = chances;
}

struct store *fault_unwrap(struct store *s)
{
	struct fault *f = fault_of(s);
	struct store *inner = f->inner;
	struct list *node;

	while ((node = list_pop(&f->watched)) != NULL)
		free(list_entry(node, struct watch, node));
	free(f);
	return inner;
}

struct fault_counts fault_counts(const struct store *s)
{
	return fault_of(s)->counts;
}
