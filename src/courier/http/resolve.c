#include "courier/http/resolve.h"

#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/check.h"
#include "base/list.h"
#include "net/loop.h"

enum { STACK_BYTES = 256 * 1024 };

struct lookup {
	struct resolver *resolver;
	struct list node; /* in `waiting` or `ready` */
	resolve_fn *done;
	void *arg;
	struct addresses found;
	char name[RESOLVE_NAME_MAX + 1];
};

/* Outlives the courier while threads run. The loop's thread alone touches what is above the
 * mutex. */
struct resolver {
	struct list waiting; /* lookups without a thread yet */
	pthread_attr_t attr;
	uv_async_t bell;       /* sent to by threads, with the mutex held, unless is_closed */
	pthread_mutex_t mutex; /* guards what follows */
	struct list ready;     /* lookups that are answered */
	int running;           /* threads */
	int users;             /* threads, and the bell until libuv lets go of it */
	bool is_closed;
};

static void let_go(struct resolver *r)
{
	bool is_last;

	pthread_mutex_lock(&r->mutex);
	is_last = --r->users == 0;
	pthread_mutex_unlock(&r->mutex);
	if (!is_last)
		return;
	pthread_mutex_destroy(&r->mutex);
	pthread_attr_destroy(&r->attr);
	free(r);
}

static void free_all(struct list *lookups)
{
	struct list *node;

	while ((node = list_pop(lookups)) != NULL)
		free(list_entry(node, struct lookup, node));
}

static void look_up(struct lookup *l)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *all = NULL;

	if (getaddrinfo(l->name, NULL, &hints, &all) != 0)
		return;
	for (struct addrinfo *i = all; i != NULL && l->found.n < ADDRESS_MAX; i = i->ai_next) {
		struct address *a = &l->found.v[l->found.n];

		if ((i->ai_family != AF_INET && i->ai_family != AF_INET6) ||
		    i->ai_addrlen > sizeof(*a))
			continue;
		memcpy(a, i->ai_addr, i->ai_addrlen);
		l->found.n++;
	}
	freeaddrinfo(all);
	address_interleave(&l->found);
}

/* With the mutex held. */
static void hand_in(struct resolver *r, struct lookup *l)
{
	list_push(&r->ready, &l->node);
	check(uv_async_send(&r->bell) == 0);
}

static void *run(void *arg)
{
	struct lookup *l = arg;
	struct resolver *r = l->resolver;

	look_up(l);
	pthread_mutex_lock(&r->mutex);
	r->running--;
	if (r->is_closed)
		free(l);
	else
		hand_in(r, l);
	pthread_mutex_unlock(&r->mutex);
	let_go(r);
	return NULL;
}

/* Gives threads to those that wait, as far as there may be some. */
static void start_waiting(struct resolver *r)
{
	struct list *node;
	pthread_t thread;

	pthread_mutex_lock(&r->mutex);
	while (r->running < RESOLVE_LOOKUPS_MAX && (node = list_pop(&r->waiting)) != NULL) {
		struct lookup *l = list_entry(node, struct lookup, node);

		if (pthread_create(&thread, &r->attr, run, l) == 0) {
			r->running++;
			r->users++;
			continue;
		}
		/* Without a thread the name stays unresolved, which the caller is told. */
		hand_in(r, l);
	}
	pthread_mutex_unlock(&r->mutex);
}

static struct lookup *next_ready(struct resolver *r)
{
	struct list *node;

	pthread_mutex_lock(&r->mutex);
	node = list_pop(&r->ready);
	pthread_mutex_unlock(&r->mutex);
	return node != NULL ? list_entry(node, struct lookup, node) : NULL;
}

/* Any callback may close the resolver; then nothing is ready any more. */
static void on_bell(uv_async_t *bell)
{
	struct resolver *r = container_of(bell, struct resolver, bell);
	struct lookup *l;

	start_waiting(r);
	while ((l = next_ready(r)) != NULL) {
		l->done(l->arg, &l->found);
		free(l);
	}
}

struct resolver *resolve_open(struct loop *loop)
{
	struct resolver *r = xcalloc(1, sizeof(*r));

	list_init(&r->waiting);
	list_init(&r->ready);
	r->users = 1;
	check(uv_async_init(loop_uv(loop), &r->bell, on_bell) == 0);
	check(pthread_mutex_init(&r->mutex, NULL) == 0);
	check(pthread_attr_init(&r->attr) == 0);
	check(pthread_attr_setdetachstate(&r->attr, PTHREAD_CREATE_DETACHED) == 0);
	check(pthread_attr_setstacksize(&r->attr, STACK_BYTES) == 0);
	return r;
}

static void on_bell_closed(uv_handle_t *handle)
{
	let_go(container_of((uv_async_t *)(void *)handle, struct resolver, bell));
}

void resolve_close(struct resolver *r)
{
	free_all(&r->waiting);
	pthread_mutex_lock(&r->mutex);
	check(!r->is_closed);
	r->is_closed = true;
	free_all(&r->ready);
	pthread_mutex_unlock(&r->mutex);
	uv_close((uv_handle_t *)(void *)&r->bell, on_bell_closed);
}

void resolve_start(struct resolver *r, struct str name, resolve_fn *done, void *arg)
{
	struct lookup *l = xcalloc(1, sizeof(*l));

	check(name.n > 0 && name.n <= RESOLVE_NAME_MAX);
	l->resolver = r;
	l->done = done;
	l->arg = arg;
	memcpy(l->name, name.p, name.n);
	list_push(&r->waiting, &l->node);
	start_waiting(r);
}
