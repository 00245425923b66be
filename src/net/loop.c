#include "net/loop.h"

#include <stdlib.h>
#include <time.h>
#include <uv.h>

#include "base/check.h"
#include "base/list.h"

enum { HOOKS_MAX = 16 };

struct hook {
	loop_turn_fn fn; /* NULL once forgotten, until the next sweep */
	void *arg;
};

struct hooks {
	struct hook v[HOOKS_MAX];
	size_t n;
};

struct loop {
	uv_loop_t uv;
	uv_prepare_t prepare;
	uv_timer_t timer;
	int64_t timer_at_ms; /* mono time the timer is set to; LOOP_NEVER = stopped */
	struct hooks turn, flush;
	struct list bells, signals;
	int64_t wall_ms, mono_ms; /* this turn's clocks */
	bool clocks_read;         /* they were read in this turn */
	bool running;
	bool in_hooks;
	bool leaving; /* loop_run is about to return */
};

struct loop_bell {
	uv_async_t async;
	loop_wake_fn fn;
	void *arg;
	struct list node;
};

struct signal_watch {
	uv_signal_t signal;
	loop_wake_fn fn;
	void *arg;
	struct list node;
};

static int64_t read_clock_ms(clockid_t id)
{
	struct timespec t;

	check(clock_gettime(id, &t) == 0);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void read_clocks(struct loop *l)
{
	l->wall_ms = read_clock_ms(CLOCK_REALTIME);
	l->mono_ms = read_clock_ms(CLOCK_MONOTONIC);
	l->clocks_read = true;
}

/* The reading is a cache: made by whoever asks first after the loop woke up. */
static const struct loop *with_clocks(const struct loop *l)
{
	if (!l->clocks_read || !l->running)
		read_clocks((struct loop *)l);
	return l;
}

int64_t loop_wall_ms(const struct loop *l)
{
	return with_clocks(l)->wall_ms;
}

int64_t loop_mono_ms(const struct loop *l)
{
	return with_clocks(l)->mono_ms;
}

int64_t loop_exact_wall_ms(void)
{
	return read_clock_ms(CLOCK_REALTIME);
}

static void add_hook(struct hooks *h, loop_turn_fn fn, void *arg)
{
	check(h->n < HOOKS_MAX);
	h->v[h->n++] = (struct hook){ fn, arg };
}

void loop_on_turn(struct loop *l, loop_turn_fn fn, void *arg)
{
	add_hook(&l->turn, fn, arg);
}

void loop_on_flush(struct loop *l, loop_turn_fn fn, void *arg)
{
	add_hook(&l->flush, fn, arg);
}

static void drop_forgotten(struct hooks *h)
{
	size_t kept = 0;

	for (size_t i = 0; i < h->n; i++)
		if (h->v[i].fn != NULL)
			h->v[kept++] = h->v[i];
	h->n = kept;
}

static void forget(struct hooks *h, const void *arg)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->v[i].arg == arg)
			h->v[i].fn = NULL;
}

void loop_forget(struct loop *l, const void *arg)
{
	forget(&l->turn, arg);
	forget(&l->flush, arg);
	if (!l->in_hooks) {
		drop_forgotten(&l->turn);
		drop_forgotten(&l->flush);
	}
}

/* Returns the earliest wish. */
static int64_t run_hooks(const struct hooks *h, int64_t wall_ms, int64_t mono_ms)
{
	int64_t least_ms = LOOP_NEVER;

	for (size_t i = 0; i < h->n; i++) {
		int64_t wish_ms;

		if (h->v[i].fn == NULL)
			continue;
		wish_ms = h->v[i].fn(h->v[i].arg, wall_ms, mono_ms);
		if (wish_ms < least_ms)
			least_ms = wish_ms;
	}
	return least_ms;
}

static int64_t end_turn(struct loop *l)
{
	int64_t wall_ms = loop_wall_ms(l), mono_ms = loop_mono_ms(l), turn_ms, flush_ms;

	check(!l->in_hooks);
	l->in_hooks = true;
	turn_ms = run_hooks(&l->turn, wall_ms, mono_ms);
	flush_ms = run_hooks(&l->flush, wall_ms, mono_ms);
	l->in_hooks = false;
	drop_forgotten(&l->turn);
	drop_forgotten(&l->flush);
	return turn_ms < flush_ms ? turn_ms : flush_ms;
}

static void on_timer(uv_timer_t *timer)
{
	struct loop *l = container_of(timer, struct loop, timer);

	/* Waking up is all it is for: the hooks run before the next sleep. */
	l->timer_at_ms = LOOP_NEVER;
}

static void set_timer(struct loop *l, int64_t at_ms)
{
	int64_t uv_now_ms = (int64_t)uv_now(&l->uv);

	if (at_ms == l->timer_at_ms)
		return;
	l->timer_at_ms = at_ms;
	if (at_ms == LOOP_NEVER)
		check(uv_timer_stop(&l->timer) == 0);
	else
		check(uv_timer_start(&l->timer, on_timer,
				     at_ms > uv_now_ms ? (uint64_t)(at_ms - uv_now_ms) : 0,
				     0) == 0);
}

/* Runs in each turn just before libuv computes how long it may sleep. */
static void on_prepare(uv_prepare_t *prepare)
{
	struct loop *l = container_of(prepare, struct loop, prepare);

	set_timer(l, end_turn(l));
	l->clocks_read = false;
}

struct loop *loop_new(void)
{
	struct loop *l = xcalloc(1, sizeof(*l));

	if (uv_loop_init(&l->uv) != 0) {
		free(l);
		return NULL;
	}
	list_init(&l->bells);
	list_init(&l->signals);
	l->timer_at_ms = LOOP_NEVER;
	check(uv_timer_init(&l->uv, &l->timer) == 0);
	check(uv_prepare_init(&l->uv, &l->prepare) == 0);
	check(uv_prepare_start(&l->prepare, on_prepare) == 0);
	return l;
}

static void on_bell(uv_async_t *async)
{
	struct loop_bell *b = container_of(async, struct loop_bell, async);

	b->fn(b->arg);
}

struct loop_bell *loop_bell_new(struct loop *l, loop_wake_fn fn, void *arg)
{
	struct loop_bell *b = xcalloc(1, sizeof(*b));

	b->fn = fn;
	b->arg = arg;
	check(uv_async_init(&l->uv, &b->async, on_bell) == 0);
	list_push(&l->bells, &b->node);
	return b;
}

void loop_bell_ring(struct loop_bell *b)
{
	check(uv_async_send(&b->async) == 0);
}

static void on_signal(uv_signal_t *signal, int signum)
{
	struct signal_watch *s = container_of(signal, struct signal_watch, signal);

	s->fn(s->arg);
}

void loop_on_signal(struct loop *l, int signum, loop_wake_fn fn, void *arg)
{
	struct signal_watch *s = xcalloc(1, sizeof(*s));

	s->fn = fn;
	s->arg = arg;
	check(uv_signal_init(&l->uv, &s->signal) == 0);
	check(uv_signal_start(&s->signal, on_signal, signum) == 0);
	list_push(&l->signals, &s->node);
}

void loop_run(struct loop *l)
{
	check(!l->running);
	l->running = true;
	uv_run(&l->uv, UV_RUN_DEFAULT);
	/* The stop came in the middle of a turn: what that turn gathered still goes out. */
	l->leaving = true;
	end_turn(l);
	l->leaving = false;
	l->running = false;
	l->clocks_read = false;
}

void loop_stop(struct loop *l)
{
	if (!l->leaving)
		uv_stop(&l->uv);
}

void *loop_uv(struct loop *l)
{
	return &l->uv;
}

static void on_bell_closed(uv_handle_t *handle)
{
	free(container_of((uv_async_t *)handle, struct loop_bell, async));
}

static void on_signal_closed(uv_handle_t *handle)
{
	free(container_of((uv_signal_t *)handle, struct signal_watch, signal));
}

void loop_free(struct loop *l)
{
	struct list *node;

	if (l == NULL)
		return;
	check(!l->running);
	uv_close((uv_handle_t *)&l->prepare, NULL);
	uv_close((uv_handle_t *)&l->timer, NULL);
	while ((node = list_pop(&l->bells)) != NULL)
		uv_close((uv_handle_t *)&list_entry(node, struct loop_bell, node)->async,
			 on_bell_closed);
	while ((node = list_pop(&l->signals)) != NULL)
		uv_close((uv_handle_t *)&list_entry(node, struct signal_watch, node)->signal,
			 on_signal_closed);
	/* The first run calls what was closed; a handle that somebody left open fails the check. */
	uv_run(&l->uv, UV_RUN_NOWAIT);
	check(uv_loop_close(&l->uv) == 0);
	free(l);
}
