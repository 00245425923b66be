#include "web.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "t.h"

enum { HELD_MAX = 4096, CEILING_MS = 10000 };

struct web {
	pthread_t thread;
	struct loop *loop;
	struct httpd *httpd;
	struct loop_bell *bell;
	struct httpd_req *held[HELD_MAX];
	int held_n;
	struct httpd_req *later[HELD_MAX];
	int later_n;
	int heads, handled;
	bool drained;
	int64_t patience_ms;
	struct snapshot {
		struct httpd_stats stats;
		int heads, handled, held;
		bool drained;
		int64_t cpu_ms;
	} seen; /* by the test's thread */
	/* A call from the test's thread to the loop's. */
	pthread_mutex_t mutex;
	pthread_cond_t called;
	void (*call)(struct web *w);
	struct peer *idle, *new;
	void (*stall)(void *arg);
	void *stall_arg;
};

static void answer(struct httpd_req *req, int status, struct str body)
{
	struct httpd_reply reply = { .status = status,
				     .content_type = STR("text/plain"),
				     .body = body };

	httpd_reply(req, &reply);
}

static void echo(struct httpd_req *req)
{
	struct buf b;

	buf_init(&b, 8 << 20);
	buf_add(&b, req->head->method);
	buf_byte(&b, ' ');
	buf_add(&b, req->path);
	if (req->query.p != NULL)
		buf_byte(&b, '?');
	buf_add(&b, req->query);
	buf_byte(&b, ' ');
	buf_add(&b, req->body);
	answer(req, 200, buf_str(&b));
	buf_done(&b);
}

static bool number_after(struct str path, struct str prefix, size_t *ret_n)
{
	uint64_t n;

	if (!str_starts(path, prefix) || !str_u64(str_from(path, prefix.n), &n))
		return false;
	*ret_n = (size_t)n;
	return true;
}

static void on_head(void *arg, struct httpd_req *req)
{
	struct web *w = arg;
	size_t max = 1000;

	w->heads++;
	check(req->body_max == 0 && req->data == NULL);
	check(str_eq(req->peer_ip, STR("127.0.0.1")) || str_eq(req->peer_ip, STR("::1")) ||
	      (req->peer_ip.n == 0 && httpd_port(w->httpd) == 0));
	check(httpd_field(req, STR("hOST")).p != NULL || req->head->minor == 0);
	(void)number_after(req->path, STR("/max/"), &max);
	req->body_max = max;
	req->data = arena_new(req->arena, int);
	if (str_eq(req->path, STR("/deny")))
		answer(req, 401, STR("denied"));
}

static void release(struct web *w)
{
	while (w->held_n > 0)
		echo(w->held[--w->held_n]);
}

static void send_bytes(struct httpd_req *req, size_t n)
{
	char *p = arena_alloc(req->arena, n ? n : 1);

	for (size_t i = 0; i < n; i++)
		p[i] = (char)('a' + i % 23);
	answer(req, 200, str_n(p, n));
}

static void on_request(void *arg, struct httpd_req *req)
{
	struct web *w = arg;
	char text[40];
	size_t n;

	w->handled++;
	check(req->data != NULL);
	if (str_eq(req->path, STR("/later"))) {
		w->later[w->later_n++] = req;
	} else if (str_eq(req->path, STR("/hold"))) {
		w->held[w->held_n++] = req;
	} else if (str_eq(req->path, STR("/release"))) {
		release(w);
		answer(req, 200, STR("released"));
	} else if (str_eq(req->path, STR("/empty"))) {
		answer(req, 204, STR("not sent"));
	} else if (number_after(req->path, STR("/bytes/"), &n)) {
		send_bytes(req, n);
	} else if (number_after(req->path, STR("/max/"), &n)) {
		snprintf(text, sizeof(text), "%zu", req->body.n);
		answer(req, 200, str_c(text));
	} else {
		echo(req);
	}
}

static void on_too_large(void *arg, struct httpd_req *req)
{
	struct web *w = arg;

	w->handled++;
	answer(req, 413, STR("too large"));
}

static void on_refused(void *arg, int status, const char *why, struct buf *ret_body)
{
	buf_fmt(ret_body, "{\"error\":\"%s\"}", why);
}

static int64_t on_turn(void *arg, int64_t wall_ms, int64_t mono_ms)
{
	struct web *w = arg;
	int n = w->later_n;

	w->later_n = 0;
	for (int i = 0; i < n; i++)
		echo(w->later[i]);
	return LOOP_NEVER;
}

static void on_bell(void *arg)
{
	struct web *w = arg;

	pthread_mutex_lock(&w->mutex);
	w->call(w);
	w->call = NULL;
	pthread_cond_signal(&w->called);
	pthread_mutex_unlock(&w->mutex);
}

static void call(struct web *w, void (*fn)(struct web *w))
{
	pthread_mutex_lock(&w->mutex);
	w->call = fn;
	loop_bell_ring(w->bell);
	while (w->call != NULL)
		pthread_cond_wait(&w->called, &w->mutex);
	pthread_mutex_unlock(&w->mutex);
}

static void *run(void *arg)
{
	struct web *w = arg;

	loop_run(w->loop);
	return NULL;
}

struct web *web_start(struct httpd_settings set)
{
	static const struct httpd_ops ops = { on_head, on_request, on_too_large, on_refused };
	struct web *w = xcalloc(1, sizeof(*w));
	char error[200];

	if (set.host == NULL)
		set.host = "127.0.0.1";
	pthread_mutex_init(&w->mutex, NULL);
	pthread_cond_init(&w->called, NULL);
	w->loop = loop_new();
	check(w->loop != NULL);
	w->bell = loop_bell_new(w->loop, on_bell, w);
	loop_on_turn(w->loop, on_turn, w);
	w->httpd = httpd_open(w->loop, &set, &ops, w, error);
	check(w->httpd != NULL);
	check(pthread_create(&w->thread, NULL, run, w) == 0);
	return w;
}

int web_port(const struct web *w)
{
	return httpd_port(w->httpd);
}

static void stop(struct web *w)
{
	httpd_close(w->httpd);
	/* A request outlives its server. */
	release(w);
	loop_stop(w->loop);
}

void web_stop(struct web *w)
{
	call(w, stop);
	pthread_join(w->thread, NULL);
	loop_free(w->loop);
	free(w);
}

static void take_snapshot(struct web *w)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	w->seen = (struct snapshot){ .stats = httpd_stats(w->httpd),
				     .heads = w->heads,
				     .handled = w->handled,
				     .held = w->held_n,
				     .drained = w->drained,
				     .cpu_ms = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 };
}

static const struct snapshot *look(struct web *w)
{
	call(w, take_snapshot);
	return &w->seen;
}

struct httpd_stats web_stats(struct web *w)
{
	return look(w)->stats;
}

int64_t web_cpu_ms(struct web *w)
{
	return look(w)->cpu_ms;
}

int web_heads(struct web *w)
{
	return look(w)->heads;
}

int web_handled(struct web *w)
{
	return look(w)->handled;
}

int web_held(struct web *w)
{
	return look(w)->held;
}

static void stalled(struct web *w)
{
	w->stall(w->stall_arg);
}

void web_stall(struct web *w, void (*fn)(void *arg), void *arg)
{
	w->stall = fn;
	w->stall_arg = arg;
	call(w, stalled);
}

static void on_drained(void *arg)
{
	((struct web *)arg)->drained = true;
}

static void drain(struct web *w)
{
	httpd_drain(w->httpd, w->patience_ms, on_drained, w);
}

void web_drain_patiently(struct web *w, int64_t patience_ms)
{
	w->patience_ms = patience_ms;
	call(w, drain);
}

void web_drain(struct web *w)
{
	call(w, drain);
}

bool web_is_drained(struct web *w)
{
	return look(w)->drained;
}

static void send_and_drain(struct web *w)
{
	static const char request[] = "GET /later HTTP/1.1\r\nHost: h\r\n\r\n";

	check(peer_try_open(w, w->new));
	check(send(w->idle->fd, request, strlen(request), 0) > 0);
	check(send(w->new->fd, request, strlen(request), 0) > 0);
	drain(w);
}

void web_drain_at_a_bad_moment(struct web *w, struct peer *idle, struct peer *ret_new)
{
	w->idle = idle;
	w->new = ret_new;
	call(w, send_and_drain);
}

static void init_buffers(struct peer *p)
{
	buf_init(&p->in, 64 << 20);
	buf_init(&p->body, 64 << 20);
	buf_init(&p->head, 1 << 20);
}

struct peer peer_of(int fd)
{
	struct peer p = { .fd = fd };

	init_buffers(&p);
	return p;
}

bool peer_try_open(const struct web *w, struct peer *ret_peer)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)web_port(w)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (const struct sockaddr *)(const void *)&a, sizeof(a)) != 0) {
		close(fd);
		return false;
	}
	*ret_peer = peer_of(fd);
	return true;
}

struct peer peer_open(const struct web *w)
{
	struct peer p;

	check(peer_try_open(w, &p));
	return p;
}

void peer_close(struct peer *p)
{
	close(p->fd);
	buf_done(&p->in);
	buf_done(&p->body);
	buf_done(&p->head);
}

void peer_trim(struct peer *p)
{
	check(p->in.n == 0);
	buf_done(&p->in);
	buf_done(&p->body);
	buf_done(&p->head);
	init_buffers(p);
}

void peer_reset(struct peer *p)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	check(setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)) == 0);
	peer_close(p);
}

void peer_half_close(struct peer *p)
{
	/* Fails when the server has reset the connection, which the next read tells as well. */
	(void)shutdown(p->fd, SHUT_WR);
}

size_t peer_flood(struct peer *p, struct str s, int64_t ms)
{
	int64_t until_ms = t_now_ms() + ms;
	size_t sent = 0;

	while (sent < s.n && t_now_ms() < until_ms) {
		struct pollfd pf = { .fd = p->fd, .events = POLLOUT };
		ssize_t n;

		if (poll(&pf, 1, 10) <= 0)
			continue;
		n = send(p->fd, s.p + sent, s.n - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN)
			break;
		sent += n > 0 ? (size_t)n : 0;
	}
	return sent;
}

void peer_send(struct peer *p, struct str s)
{
	/* The server may have closed already; then the answer tells. */
	(void)peer_flood(p, s, CEILING_MS);
}

void peer_fmt(struct peer *p, const char *fmt, ...)
{
	char text[4096];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	check(n >= 0 && (size_t)n < sizeof(text));
	peer_send(p, str_n(text, (size_t)n));
}

/* 1 = got bytes, 0 = closed, -1 = nothing within the time. */
static int receive(struct peer *p, int64_t ms)
{
	struct pollfd pf = { .fd = p->fd, .events = POLLIN };
	char *room;
	ssize_t n;

	if (poll(&pf, 1, (int)ms) <= 0)
		return -1;
	room = buf_room(&p->in, 64 * 1024);
	check(room != NULL);
	n = recv(p->fd, room, 64 * 1024, 0);
	if (n <= 0)
		return 0;
	buf_grew(&p->in, (size_t)n);
	return 1;
}

static int take_head(struct peer *p, struct http1_head *head, const char *method)
{
	size_t scan = 0, used = 0;
	struct http1_refusal no;
	enum http1_result r;

	head->method = str_c(method);
	for (;;) {
		int got;

		r = http1_response_head(buf_str(&p->in), &scan, head, &used, &no);
		check(r != HTTP1_REFUSED);
		if (r == HTTP1_DONE)
			break;
		got = receive(p, CEILING_MS);
		if (got <= 0)
			return got;
	}
	buf_reset(&p->head);
	buf_add(&p->head, str_sub(buf_str(&p->in), 0, used));
	buf_drop(&p->in, used);
	p->keep_alive = head->keep_alive;
	return head->status;
}

/* False when the connection ended before the body. */
static bool take_body(struct peer *p, const struct http1_head *head)
{
	struct http1_body_reader reader;
	enum http1_result r;

	buf_reset(&p->body);
	http1_body_start(&reader, head);
	do {
		struct str in = buf_str(&p->in), piece;
		size_t n = in.n;

		r = http1_body_read(&reader, &in, &piece);
		check(r != HTTP1_REFUSED);
		buf_add(&p->body, piece);
		buf_drop(&p->in, n - in.n);
		if (r == HTTP1_MORE && p->in.n == 0 && receive(p, CEILING_MS) <= 0)
			return false;
	} while (r == HTTP1_MORE);
	return true;
}

int peer_status(struct peer *p, const char *method)
{
	struct http1_head *head = xmalloc(sizeof(*head));
	int status = take_head(p, head, method);

	if (status > 0 && !take_body(p, head))
		status = 0;
	free(head);
	return status;
}

bool peer_is_closed(struct peer *p)
{
	return p->in.n == 0 && receive(p, CEILING_MS) == 0;
}

bool peer_is_silent(struct peer *p, int64_t ms)
{
	return p->in.n == 0 && receive(p, ms) == -1;
}

int peer_ask(const struct web *w, const char *path)
{
	struct peer p = peer_open(w);
	int status;

	peer_fmt(&p, "GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", path);
	status = peer_status(&p, "GET");
	peer_close(&p);
	return status;
}
