#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "courier/http/http_int.h"

static void close_wires(struct dial *d)
{
	while (!list_is_empty(&d->wires))
		wire_close(list_entry(d->wires.next, struct wire, node));
}

static void free_dial(struct dial *d)
{
	struct http_courier *c = d->origin->courier;

	check(list_is_empty(&d->wires));
	timers_stop(&c->timers, &d->stagger);
	timers_stop(&c->timers, &d->deadline);
	list_remove(&d->node);
	d->origin->dials_n--;
	c->slots_n--;
	free(d);
}

void dial_cancel(struct dial *d)
{
	close_wires(d);
	free_dial(d);
}

/* Whoever waits first is told. */
static void fail(struct dial *d, struct failure f)
{
	struct origin *o = d->origin;
	struct exchange *x = origin_first(o);

	if (x != NULL) {
		f.address = address_text(&x->req->arena, &d->tried);
		origin_leave(x);
		exchange_failed(x, f);
	}
	dial_cancel(d);
}

static void fail_to_connect(struct dial *d)
{
	origin_doubts_name(d->origin);
	fail(d, (struct failure){
			.cause = CAUSE_CONNECT, .refused = d->refused, .os_errno = d->os_errno });
}

static void note_errno(struct dial *d, const struct address *a, int os_errno)
{
	d->tried = *a;
	d->os_errno = os_errno;
	d->refused = NULL;
}

/* The guard looks at the very address that the socket is then connected to. */
static bool is_allowed(struct dial *d, const struct address *a)
{
	const char *why;

	if (guard_allows(&d->origin->courier->settings.guard, &a->any, &why))
		return true;
	if (d->os_errno == 0) {
		d->tried = *a;
		d->refused = why;
	}
	return false;
}

static bool begin_connecting(struct dial *d, const struct address *a)
{
	int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		note_errno(d, a, errno);
		return false;
	}
	if (connect(fd, &a->any, address_bytes(a)) != 0 && errno != EINPROGRESS) {
		note_errno(d, a, errno);
		close(fd);
		return false;
	}
	d->tried = *a;
	wire_new(d, fd, a);
	return true;
}

/* Tries the next address, and sees to it that the one after it gets its turn. Frees the dial when
 * nothing is left to try. */
static void try_next(struct dial *d)
{
	struct http_courier *c = d->origin->courier;

	while (d->next < d->addresses.n) {
		const struct address *a = &d->addresses.v[d->next++];

		if (!is_allowed(d, a) || !begin_connecting(d, a))
			continue;
		if (d->next < d->addresses.n)
			timers_set(&c->timers, &d->stagger, c->now_ms + HTTP_STAGGER_MS);
		return;
	}
	if (list_is_empty(&d->wires))
		fail_to_connect(d);
}

static void on_stagger(struct timer *t)
{
	struct dial *d = container_of(t, struct dial, stagger);

	/* It is not the last try: that of an earlier address is still under way. */
	try_next(d);
}

static void on_deadline(struct timer *t)
{
	struct dial *d = container_of(t, struct dial, deadline);
	struct origin *o = d->origin;

	fail(d, (struct failure){ .cause = CAUSE_TIME,
				  .phase = d->is_resolving ? PHASE_RESOLVING : PHASE_CONNECTING,
				  .limit_ms = o->courier->settings.connect_timeout_ms });
	origin_pump(o);
}

void dial_go(struct dial *d)
{
	d->is_resolving = false;
	d->addresses = d->origin->addresses;
	if (d->origin->lookup == LOOKUP_FAILED)
		fail(d, (struct failure){ .cause = CAUSE_NAME });
	else
		try_next(d);
}

void dial_start(struct origin *o)
{
	struct http_courier *c = o->courier;
	struct dial *d = xcalloc(1, sizeof(*d));

	d->origin = o;
	list_init(&d->wires);
	d->stagger.fire = on_stagger;
	d->deadline.fire = on_deadline;
	list_push(&o->dials, &d->node);
	o->dials_n++;
	c->slots_n++;
	timers_set(&c->timers, &d->deadline, c->now_ms + c->settings.connect_timeout_ms);
	d->is_resolving = !origin_is_resolved(o);
	if (!d->is_resolving)
		dial_go(d);
}

static void fail_handshake(struct dial *d, struct wire *w)
{
	struct origin *o = d->origin;
	struct failure f = { .text = "" };

	if (tls_wants_other_protocol(w->tls)) {
		origin_belongs_to_other(o);
		return;
	}
	tls_explain(w->tls, &f);
	/* Nothing is resumed that may have been the cause. */
	tls_session_free(o->session);
	o->session = NULL;
	fail(d, f);
}

static void succeed(struct dial *d, struct wire *w)
{
	struct origin *o = d->origin;

	list_remove(&w->node);
	w->dial = NULL;
	o->wires_n++;
	o->courier->slots_n++;
	dial_cancel(d);
	wire_rest(w);
}

static void shake_hands(struct wire *w)
{
	switch (tls_handshake(w->tls)) {
	case TLS_OK:
		succeed(w->dial, w);
		return;
	case TLS_WANT_READ:
		wire_watch(w, UV_READABLE);
		return;
	case TLS_WANT_WRITE:
		wire_watch(w, UV_WRITABLE);
		return;
	case TLS_CLOSED:
	case TLS_FAILED:
		fail_handshake(w->dial, w);
		return;
	}
}

/* The first that is connected wins. */
static void connected(struct wire *w)
{
	struct dial *d = w->dial;
	struct origin *o = d->origin;

	list_remove(&w->node);
	close_wires(d);
	list_push(&d->wires, &w->node);
	timers_stop(&o->courier->timers, &d->stagger);
	origin_prefers(o, &w->address);
	d->tried = w->address;
	if (!o->is_tls) {
		succeed(d, w);
		return;
	}
	w->state = WIRE_HANDSHAKE;
	w->tls = tls_start(o->courier->tls, w->fd, o->host, &o->session);
	shake_hands(w);
}

void dial_event(struct wire *w)
{
	struct dial *d = w->dial;
	int os_errno = 0;
	socklen_t n = sizeof(os_errno);

	if (w->state == WIRE_HANDSHAKE) {
		shake_hands(w);
		return;
	}
	check(w->state == WIRE_CONNECTING);
	check(getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &os_errno, &n) == 0);
	if (os_errno == 0) {
		connected(w);
		return;
	}
	note_errno(d, &w->address, os_errno);
	wire_close(w);
	timers_stop(&d->origin->courier->timers, &d->stagger);
	try_next(d);
}
