#include "courier/curl/curl_courier.h"

#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/check.h"
#include "courier/curl/dispatch.h"
#include "courier/curl/easy.h"
#include "courier/curl/lane.h"
#include "courier/curl/outgoing.h"
#include "courier/curl/sockets.h"
#include "courier/roots.h"
#include "net/loop.h"

enum {
	LANE_CONNECTIONS_MIN = 64, /* fewer in a lane would make many small caches of connections */
	LANE_DEST_MIN = 32,
	POOL_MAX = 1024, /* handles kept for reuse */
};

struct curl_courier {
	struct courier courier;
	struct loop *loop;
	int64_t now_ms; /* mono, of this turn */
	int64_t connect_timeout_ms;
	struct easy_env env;
	struct sockets sockets;
	uv_poll_t poll;                        /* of the epoll set in it */
	struct lane *lane[DISPATCH_LANES_MAX]; /* made when first used */
	struct dispatch dispatch;
	struct heap deadlines; /* of WAITING and RUNNING exchanges */
	struct list finished;  /* exchanges; `done` is still to be called */
	struct list pool;      /* of struct easy */
	int pool_n;
	bool has_changed; /* since the hook ran */
	bool is_closed;
};

static struct curl_courier *of(struct courier *base)
{
	return container_of(base, struct curl_courier, courier);
}

static void read_clock(struct curl_courier *c)
{
	c->now_ms = loop_mono_ms(c->loop);
}

static struct easy *take_easy(struct curl_courier *c)
{
	struct list *node = list_pop(&c->pool);

	if (node == NULL)
		return easy_new(&c->env);
	c->pool_n--;
	return list_entry(node, struct easy, node);
}

static void give_back(struct curl_courier *c, struct easy *e)
{
	easy_unload(e);
	if (e->is_spent || c->pool_n >= POOL_MAX) {
		easy_free(e);
		return;
	}
	list_push_front(&c->pool, &e->node);
	c->pool_n++;
}

static struct lane *lane_of(struct curl_courier *c, int i)
{
	if (c->lane[i] == NULL)
		c->lane[i] = lane_new(&c->sockets, &c->now_ms, c->dispatch.limits.lane_running_max);
	return c->lane[i];
}

static void finish(struct curl_courier *c, struct exchange *x)
{
	x->state = EXCHANGE_FINISHED;
	x->req->outcome.duration_ms = c->now_ms - x->start_ms;
	list_push(&c->finished, &x->node);
	c->has_changed = true;
}

/* Takes a running or waiting exchange out of everything. */
static void stop(struct curl_courier *c, struct exchange *x)
{
	struct easy *e = x->easy;

	heap_remove(&c->deadlines, &x->deadline);
	dispatch_ended(&c->dispatch, x);
	c->has_changed = true;
	if (e != NULL) {
		lane_remove(c->lane[x->lane], e);
		give_back(c, e);
	}
}

static void detach(struct curl_courier *c, struct exchange *x)
{
	stop(c, x);
	target_unref(x->target);
}

static void wait_for_turn(struct curl_courier *c, struct exchange *x)
{
	answer_init(&x->answer, &x->req->arena, x->req->answer_bytes_max);
	dispatch_put(&c->dispatch, x);
	heap_insert(&c->deadlines, &x->deadline, x->start_ms + x->req->timeout_ms);
	c->has_changed = true;
}

static void end_running(struct curl_courier *c, struct exchange *x, CURLcode code, int64_t limit_ms)
{
	if (easy_lost_answer(x->easy, code) && !x->is_resent) {
		x->is_resent = true;
		x->dest->avoids_http2 = true;
		stop(c, x);
		wait_for_turn(c, x);
		return;
	}
	easy_judge(x->easy, code, limit_ms);
	detach(c, x);
	finish(c, x);
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void start(struct curl_courier *c, struct exchange *x)
{
	struct easy *e = take_easy(c);

	easy_load(e, x);
	heap_rekey(&c->deadlines, &x->deadline,
		   least(x->start_ms + x->req->timeout_ms, c->now_ms + c->connect_timeout_ms));
	lane_add(lane_of(c, x->lane), e);
}

static void run_due_lanes(struct curl_courier *c)
{
	for (int i = 0; i < c->dispatch.limits.lanes; i++)
		if (c->lane[i] != NULL && c->lane[i]->due_ms <= c->now_ms)
			lane_run(c->lane[i]);
}

static bool start_waiting(struct curl_courier *c)
{
	struct exchange *x;
	bool any = false;

	while ((x = dispatch_next(&c->dispatch, c->now_ms)) != NULL) {
		start(c, x);
		any = true;
	}
	return any;
}

/* Running makes room: what was started, or waited for its name, gets past name resolution. */
static void run(struct curl_courier *c)
{
	do
		run_due_lanes(c);
	while (start_waiting(c));
}

static void collect(struct curl_courier *c)
{
	for (int i = 0; i < c->dispatch.limits.lanes; i++) {
		struct lane *l = c->lane[i];
		struct easy *e;
		CURLcode code;

		if (l == NULL || !l->has_news)
			continue;
		while ((e = lane_finished(l, &code)) != NULL)
			end_running(c, e->x, code, e->x->req->timeout_ms);
	}
}

static void expire_waiting(struct curl_courier *c, struct exchange *x)
{
	struct failure f = { .cause = CAUSE_TIME,
			     .dest = x->dest->name,
			     .text = "",
			     .phase = PHASE_QUEUED,
			     .limit_ms = x->req->timeout_ms };

	x->req->outcome.error = words_for(&x->req->arena, &f);
	detach(c, x);
	finish(c, x);
}

/* The first deadline of a running exchange is that of its connection. */
static void expire_running(struct curl_courier *c, struct exchange *x)
{
	int64_t end_ms = x->start_ms + x->req->timeout_ms;

	if (c->now_ms >= end_ms)
		end_running(c, x, CURLE_OPERATION_TIMEDOUT, x->req->timeout_ms);
	else if (easy_phase(x->easy) < PHASE_WAITING)
		end_running(c, x, CURLE_OPERATION_TIMEDOUT, c->connect_timeout_ms);
	else
		heap_rekey(&c->deadlines, &x->deadline, end_ms);
}

static void expire(struct curl_courier *c)
{
	struct heap_node *node;

	while ((node = heap_min(&c->deadlines)) != NULL && node->key <= c->now_ms) {
		struct exchange *x = container_of(node, struct exchange, deadline);

		if (x->state == EXCHANGE_WAITING)
			expire_waiting(c, x);
		else
			expire_running(c, x);
	}
}

/* Calls `done` for all that finished. Any of them may send, cancel, or close the courier. Returns
 * whether there were any. */
static bool deliver(struct curl_courier *c)
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

static int64_t next_wish(const struct curl_courier *c)
{
	const struct heap_node *node = heap_min(&c->deadlines);
	int64_t wish_ms = node != NULL ? node->key : LOOP_NEVER;

	for (int i = 0; i < c->dispatch.limits.lanes; i++)
		if (c->lane[i] != NULL)
			wish_ms = least(wish_ms, c->lane[i]->due_ms);
	return wish_ms;
}

static int64_t on_flush(void *arg, int64_t wall_ms, int64_t mono_ms)
{
	struct curl_courier *c = arg;

	c->now_ms = mono_ms;
	expire(c);
	c->has_changed = false;
	run(c);
	collect(c);
	/* What `done` led to (new requests, results to store) is the next turn's, which must not
	 * wait. */
	if (deliver(c))
		return mono_ms;
	return c->has_changed ? mono_ms : next_wish(c);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct curl_courier *c = container_of(poll, struct curl_courier, poll);

	read_clock(c);
	sockets_poll(&c->sockets, lane_event);
	collect(c);
	deliver(c);
}

static void send_request(struct courier *base, struct courier_req *req)
{
	struct curl_courier *c = of(base);
	struct exchange *x = arena_new(&req->arena, struct exchange);

	check(!c->is_closed);
	read_clock(c);
	x->req = req;
	x->start_ms = c->now_ms;
	list_init(&x->node);
	req->priv = x;
	req->outcome = (struct outcome){ 0 };
	if (!outgoing_prepare(x, &c->dispatch, &req->outcome.error)) {
		finish(c, x);
		return;
	}
	wait_for_turn(c, x);
}

static void cancel_request(struct courier *base, struct courier_req *req)
{
	struct curl_courier *c = of(base);
	struct exchange *x = req->priv;

	check(x != NULL && x->req == req);
	read_clock(c);
	if (x->state == EXCHANGE_FINISHED)
		list_remove(&x->node);
	else
		detach(c, x);
	req->priv = NULL;
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct curl_courier *c =
		container_of((uv_poll_t *)(void *)handle, struct curl_courier, poll);

	sockets_done(&c->sockets);
	free(c);
}

static void free_curl_things(struct curl_courier *c)
{
	struct list *node;

	while ((node = list_pop(&c->pool)) != NULL)
		easy_free(list_entry(node, struct easy, node));
	for (int i = 0; i < c->dispatch.limits.lanes; i++)
		if (c->lane[i] != NULL)
			lane_free(c->lane[i]);
	check(curl_share_cleanup(c->env.share) == CURLSHE_OK);
	roots_free(c->env.roots);
	curl_global_cleanup();
}

static void close_courier(struct courier *base)
{
	struct curl_courier *c = of(base);
	struct heap_node *node;
	struct list *done;

	check(!c->is_closed);
	c->is_closed = true;
	loop_forget(c->loop, c);
	read_clock(c);
	while ((node = heap_min(&c->deadlines)) != NULL)
		cancel_request(base, container_of(node, struct exchange, deadline)->req);
	while ((done = list_pop(&c->finished)) != NULL)
		list_entry(done, struct exchange, node)->req->priv = NULL;
	dispatch_done(&c->dispatch);
	heap_done(&c->deadlines);
	free_curl_things(c);
	/* The rest goes at the end of a turn, when nothing of it can be in use. */
	uv_poll_stop(&c->poll);
	uv_close((uv_handle_t *)(void *)&c->poll, on_poll_closed);
}

static struct dispatch_limits limits_of(const struct courier_settings *set)
{
	struct dispatch_limits l = {
		.running_max =
			set->connections_max > 0 ? set->connections_max : SETTINGS_CONNECTIONS,
		.dest_running_max = set->host_connections_max > 0 ? set->host_connections_max
								  : SETTINGS_HOST_CONNECTIONS,
	};

	l.lanes = l.running_max / LANE_CONNECTIONS_MIN;
	l.lanes = l.lanes < 1 ? 1 : l.lanes > 32 ? 32 : l.lanes;
	l.lane_running_max = (l.running_max + l.lanes - 1) / l.lanes;
	l.lane_dest_max = l.dest_running_max / l.lanes;
	if (l.lane_dest_max < LANE_DEST_MIN)
		l.lane_dest_max = LANE_DEST_MIN;
	return l;
}

static CURLSH *new_share(void)
{
	CURLSH *share = curl_share_init();

	check(share != NULL);
	check(curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS) == CURLSHE_OK);
	check(curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) == CURLSHE_OK);
	return share;
}

/* Names are resolved without blocking, TLS is OpenSSL's: both are properties of the libcurl
 * found. */
static bool check_libcurl(char ret_error[200])
{
	const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);

	const int needed = CURL_VERSION_ASYNCHDNS | CURL_VERSION_HTTP2;

	if ((v->features & needed) != needed || v->ssl_version == NULL ||
	    strstr(v->ssl_version, "OpenSSL") == NULL) {
		snprintf(ret_error, 200,
			 "libcurl %s cannot be used: it must be built with OpenSSL, HTTP/2 and an "
			 "asynchronous resolver",
			 v->version);
		return false;
	}
	return true;
}

static void watch_loop(struct curl_courier *c)
{
	check(uv_poll_init(loop_uv(c->loop), &c->poll, c->sockets.epoll_fd) == 0);
	check(uv_poll_start(&c->poll, UV_READABLE, on_poll) == 0);
	loop_on_flush(c->loop, on_flush, c);
}

static void set_up(struct curl_courier *c, const struct courier_settings *set, struct roots *roots)
{
	static const struct courier_ops ops = { send_request, cancel_request, close_courier };

	c->courier.ops = &ops;
	c->connect_timeout_ms =
		set->connect_timeout_ms > 0 ? set->connect_timeout_ms : SETTINGS_CONNECT_TIMEOUT_MS;
	c->env = (struct easy_env){ .guard = set->guard,
				    .roots = roots,
				    .sockets = &c->sockets,
				    .dispatch = &c->dispatch,
				    .share = new_share(),
				    .now_ms = &c->now_ms };
	dispatch_init(&c->dispatch, limits_of(set));
	heap_init(&c->deadlines);
	list_init(&c->finished);
	list_init(&c->pool);
}

struct courier *curl_courier_open(struct loop *loop, const struct courier_settings *settings,
				  char ret_error[200])
{
	struct curl_courier *c;
	struct roots *roots;

	signal(SIGPIPE, SIG_IGN);
	check(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
	if (!check_libcurl(ret_error) ||
	    (roots = roots_load(settings->ca_file, ret_error)) == NULL) {
		curl_global_cleanup();
		return NULL;
	}
	c = xcalloc(1, sizeof(*c));
	c->loop = loop;
	if (!sockets_init(&c->sockets)) {
		snprintf(ret_error, 200, "no file descriptors left");
		roots_free(roots);
		curl_global_cleanup();
		free(c);
		return NULL;
	}
	set_up(c, settings, roots);
	watch_loop(c);
	return &c->courier;
}
