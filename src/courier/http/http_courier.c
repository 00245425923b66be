#include "courier/http/http_courier.h"

#include <signal.h>
#include <stdlib.h>

#include "base/check.h"
#include "courier/curl/curl_courier.h"
#include "courier/http/http_int.h"
#include "courier/request.h"
#include "courier/roots.h"
#include "net/loop.h"

static struct http_courier *of(struct courier *base)
{
	return container_of(base, struct http_courier, courier);
}

void http_courier_read_clock(struct http_courier *c)
{
	c->now_ms = loop_mono_ms(c->loop);
}

struct courier *http_courier_other(struct http_courier *c, char ret_error[200])
{
	if (c->other == NULL)
		c->other = curl_courier_open(c->loop, &c->settings, ret_error);
	return c->other;
}

/* Any `done` may send, cancel, or close the courier. Returns whether there were any. */
static bool deliver(struct http_courier *c)
{
	struct list *node;
	bool any = false;

	while ((node = list_pop(&c->finished)) != NULL) {
		struct courier_req *req = list_entry(node, struct exchange, node)->req;

		any = true;
		req->priv = NULL;
		req->done(req);
	}
	return any;
}

void http_courier_settle(struct http_courier *c)
{
	origin_feed_hungry(c);
	deliver(c);
}

static void send_request(struct courier *base, struct courier_req *req)
{
	struct http_courier *c = of(base);
	struct exchange *x = arena_alloc(&req->arena, sizeof(*x));
	struct str error;
	const char *why;
	bool is_foreign;

	check(!c->is_closed);
	http_courier_read_clock(c);
	*x = (struct exchange){ .req = req, .courier = c, .start_ms = c->now_ms };
	list_init(&x->node);
	reply_init(&x->reply, &req->arena, req->method, req->answer_bytes_max);
	req->priv = x;
	req->outcome = (struct outcome){ 0 };
	if (!request_judge(req, &error)) {
		exchange_refused(x, error);
	} else if (!origin_find(x, &is_foreign, &why)) {
		exchange_refused(x, request_url_refused(&req->arena, why));
	} else if (is_foreign) {
		exchange_hand_over(x);
	} else {
		exchange_start_deadline(x);
		origin_wait(x->origin, x);
		origin_pump(x->origin);
	}
}

static void cancel_request(struct courier *base, struct courier_req *req)
{
	struct http_courier *c = of(base);
	struct exchange *x = req->priv;
	bool is_in_origin;

	check(x != NULL && x->req == req);
	http_courier_read_clock(c);
	is_in_origin = x->state == EXCHANGE_WAITING || x->state == EXCHANGE_RUNNING;
	exchange_cancel(x);
	req->priv = NULL;
	if (is_in_origin)
		origin_pump(x->origin);
}

/* Returns when it wants to be called again. */
static int64_t close_old_wires(struct http_courier *c)
{
	while (!list_is_empty(&c->idle_wires)) {
		struct wire *w = list_entry(c->idle_wires.next, struct wire, rest);
		struct origin *o = w->origin;

		if (w->idle_since_ms + HTTP_IDLE_MS > c->now_ms)
			return w->idle_since_ms + HTTP_IDLE_MS;
		wire_close(w);
		origin_place(o);
	}
	return LOOP_NEVER;
}

static int64_t on_flush(void *arg, int64_t wall_ms, int64_t mono_ms)
{
	struct http_courier *c = arg;
	int64_t old_ms, due_ms;

	c->now_ms = mono_ms;
	timers_run(&c->timers, mono_ms);
	old_ms = close_old_wires(c);
	origin_feed_hungry(c);
	/* What `done` led to is the next turn's, which must not wait. */
	if (deliver(c))
		return mono_ms;
	due_ms = timers_next_ms(&c->timers);
	return old_ms < due_ms ? old_ms : due_ms;
}

void http_courier_let_go(struct http_courier *c)
{
	check(c->handles > 0);
	if (--c->handles > 0)
		return;
	check(c->is_closed);
	free(c);
}

static void on_anchor_closed(uv_handle_t *handle)
{
	http_courier_let_go(container_of((uv_idle_t *)(void *)handle, struct http_courier, anchor));
}

static void cancel_all(struct list *exchanges)
{
	struct list *node;

	while ((node = exchanges->next) != exchanges) {
		struct exchange *x = list_entry(node, struct exchange, node);

		exchange_cancel(x);
		x->req->priv = NULL;
	}
}

static void close_origins(struct http_courier *c)
{
	struct origin *o;
	size_t pos = 0;

	while (!list_is_empty(&c->idle_wires))
		wire_close(list_entry(c->idle_wires.next, struct wire, rest));
	while ((o = map_next(&c->origins, &pos)) != NULL) {
		cancel_all(&o->waiting);
		while (!list_is_empty(&o->dials))
			dial_cancel(list_entry(o->dials.next, struct dial, node));
		pos = 0;
		origin_free(o);
	}
}

static void close_courier(struct courier *base)
{
	struct http_courier *c = of(base);

	check(!c->is_closed);
	c->is_closed = true;
	loop_forget(c->loop, c);
	cancel_all(&c->running);
	cancel_all(&c->foreign);
	cancel_all(&c->finished);
	close_origins(c);
	check(c->slots_n == 0);
	if (c->other != NULL)
		courier_close(c->other);
	resolve_close(c->resolver);
	tls_close(c->tls);
	roots_free(c->roots);
	map_done(&c->origins);
	heap_done(&c->timers);
	buf_done(&c->key);
	buf_done(&c->out);
	free(c->in);
	free((void *)(uintptr_t)c->settings.ca_file);
	uv_close((uv_handle_t *)(void *)&c->anchor, on_anchor_closed);
}

static struct courier_settings whole(struct courier_settings s)
{
	if (s.connections_max <= 0)
		s.connections_max = SETTINGS_CONNECTIONS;
	if (s.host_connections_max <= 0)
		s.host_connections_max = SETTINGS_HOST_CONNECTIONS;
	if (s.connect_timeout_ms <= 0)
		s.connect_timeout_ms = SETTINGS_CONNECT_TIMEOUT_MS;
	if (s.ca_file != NULL)
		s.ca_file = str_dup(str_c(s.ca_file));
	return s;
}

static void init_lists(struct http_courier *c)
{
	list_init(&c->idle_origins);
	list_init(&c->hungry);
	list_init(&c->idle_wires);
	list_init(&c->running);
	list_init(&c->foreign);
	list_init(&c->finished);
	heap_init(&c->timers);
	map_init(&c->origins, (uint64_t)(uintptr_t)c);
	buf_init(&c->key, REQUEST_URL_BYTES_MAX + 16);
	buf_init(&c->out, HTTP_HEAD_BYTES_MAX);
	c->in = xmalloc(HTTP_READ_BYTES);
}

struct courier *http_courier_open(struct loop *loop, const struct courier_settings *settings,
				  char ret_error[200])
{
	static const struct courier_ops ops = { send_request, cancel_request, close_courier };
	struct roots *roots = roots_load(settings->ca_file, ret_error);
	struct http_courier *c;

	if (roots == NULL)
		return NULL;
	signal(SIGPIPE, SIG_IGN);
	c = xcalloc(1, sizeof(*c));
	c->courier.ops = &ops;
	c->loop = loop;
	c->settings = whole(*settings);
	c->roots = roots;
	c->tls = tls_open(roots);
	init_lists(c);
	check(uv_idle_init(loop_uv(loop), &c->anchor) == 0);
	c->handles = 1;
	c->resolver = resolve_open(loop);
	loop_on_flush(loop, on_flush, c);
	return &c->courier;
}
