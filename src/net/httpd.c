#include "net/httpd.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"
#include "net/httpd_int.h"
#include "net/loop.h"

enum {
	BACKLOG = 4096,        /* of the kernel; it cuts it to its own limit */
	ACCEPTS_PER_TURN = 64, /* so that a flood of connections does not keep requests waiting */
	SWEEP_MS_MIN = 20,
	SWEEP_MS_MAX = 1000,
};

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un local;
};

static struct httpd_settings with_defaults(const struct httpd_settings *given)
{
	struct httpd_settings s = *given;

	s.connections_max = s.connections_max ? s.connections_max : 10000;
	s.head_timeout_ms = s.head_timeout_ms ? s.head_timeout_ms : 10000;
	s.idle_timeout_ms = s.idle_timeout_ms ? s.idle_timeout_ms : 75000;
	s.body_rate_min = s.body_rate_min ? s.body_rate_min : 512;
	s.body_window_ms = s.body_window_ms ? s.body_window_ms : 10000;
	s.write_timeout_ms = s.write_timeout_ms ? s.write_timeout_ms : 30000;
	s.linger_ms = s.linger_ms ? s.linger_ms : 5000;
	s.body_memory_max = s.body_memory_max ? s.body_memory_max : (size_t)256 << 20;
	check(s.connections_max > 0 && s.head_timeout_ms > 0 && s.idle_timeout_ms > 0 &&
	      s.body_rate_min > 0 && s.body_window_ms > 0 && s.write_timeout_ms > 0 &&
	      s.linger_ms > 0);
	return s;
}

static bool parse_address(const char *host, int port, union address *ret_address)
{
	memset(ret_address, 0, sizeof(*ret_address));
	return uv_ip4_addr(host, port, &ret_address->v4) == 0 ||
	       uv_ip6_addr(host, port, &ret_address->v6) == 0;
}

static socklen_t address_bytes(const union address *a)
{
	return a->any.sa_family == AF_INET ? sizeof(a->v4) : sizeof(a->v6);
}

static int bind_and_listen(const struct httpd_settings *set, const union address *a)
{
	int on = 1, fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	/* The connections inherit TCP_NODELAY. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
	    (set->reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0) ||
	    bind(fd, &a->any, address_bytes(a)) != 0 || listen(fd, BACKLOG) != 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

/* The mode of the file is that of the socket, so nobody else can open it, not even at first. */
static int bind_local(const union address *a)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if ((unlink(a->local.sun_path) != 0 && errno != ENOENT) || fchmod(fd, 0600) != 0 ||
	    bind(fd, &a->any, sizeof(a->local)) != 0 || listen(fd, BACKLOG) != 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

/* Returns -1 with a reason. */
static int listen_local(const char *path, char ret_error[200])
{
	union address a = { .local = { .sun_family = AF_UNIX } };
	int fd;

	if (strlen(path) >= sizeof(a.local.sun_path)) {
		snprintf(ret_error, 200,
			 "the path of the socket is longer than %zu bytes: %.80s...",
			 sizeof(a.local.sun_path) - 1, path);
		return -1;
	}
	memcpy(a.local.sun_path, path, strlen(path));
	fd = bind_local(&a);
	if (fd < 0)
		snprintf(ret_error, 200, "cannot listen on %.108s: %s", path, strerror(errno));
	return fd;
}

/* Returns -1 with a reason. */
static int listen_on(const struct httpd_settings *set, char ret_error[200])
{
	const char *host = set->host ? set->host : "";
	union address a;
	int fd = -1;

	if (!parse_address(host, set->port, &a) || set->port < 0 || set->port > 65535) {
		snprintf(ret_error, 200, "not a numeric address and port: %.64s:%d", host,
			 set->port);
		return -1;
	}
	fd = bind_and_listen(set, &a);
	if (fd < 0 && errno == EADDRINUSE)
		snprintf(ret_error, 200, "address already in use: %.64s:%d", host, set->port);
	else if (fd < 0)
		snprintf(ret_error, 200, "cannot listen on %.64s:%d: %s", host, set->port,
			 strerror(errno));
	return fd;
}

int httpd_port_of(int listen_fd)
{
	union address a;
	socklen_t n = sizeof(a);

	check(getsockname(listen_fd, &a.any, &n) == 0);
	if (a.any.sa_family == AF_UNIX)
		return 0;
	return ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
}

/* One more connection; over the limit it is only told so, and over that closed. */
static void admit(struct httpd *h, int fd, const struct sockaddr *peer)
{
	struct httpd_conn *c;
	int max = h->set.connections_max;

	if (h->stats.connections >= max + HTTPD_REFUSED_EXTRA) {
		h->stats.refused++;
		close(fd);
		return;
	}
	c = httpd_conn_open(h, fd, peer);
	if (c == NULL)
		return;
	if (h->stats.connections > max)
		httpd_reply_refuse(c, 503, "the server has too many connections");
	else
		h->stats.accepted++;
}

/* Errors that a connection had before it was accepted; see accept(2). */
static bool is_of_one_connection(int error)
{
	switch (error) {
	case ECONNABORTED:
	case EINTR:
	case EPERM:
	case EPROTO:
	case ENETDOWN:
	case ENETUNREACH:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case ENOPROTOOPT:
	case EOPNOTSUPP:
		return true;
	default:
		return false;
	}
}

/* Returns false when there is nothing more to accept now. */
static bool accept_one(struct httpd *h)
{
	union address peer;
	socklen_t n = sizeof(peer);
	int fd = accept4(h->listen_fd, &peer.any, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		admit(h, fd, &peer.any);
		return true;
	}
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return false;
	if (is_of_one_connection(errno))
		return true;
	if (log_allowed(&h->accept_log, 1, loop_wall_ms(h->loop)))
		log_warn("httpd", "cannot accept connections: %s", strerror(errno));
	/* The listener stays readable, so waiting for it would spin. */
	check(uv_poll_stop(&h->listener) == 0);
	h->accept_paused = true;
	return false;
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
	struct httpd *h = container_of(poll, struct httpd, listener);

	for (int i = 0; i < ACCEPTS_PER_TURN; i++)
		if (!accept_one(h))
			break;
}

static void start_accepting(struct httpd *h)
{
	h->accept_paused = false;
	check(uv_poll_start(&h->listener, UV_READABLE, on_acceptable) == 0);
}

/* The parked connections get what memory there is, a read each; and one goes on even without
 * memory, or else a memory full of half bodies would never empty. */
static void resume_held(struct httpd *h, int64_t mono_ms)
{
	struct list *held = &h->in_state[HTTPD_HOLD];
	size_t reads;

	if (h->favoured != NULL && mono_ms >= h->favoured_until_ms)
		h->favoured = NULL;
	if (list_is_empty(held))
		return;
	if (httpd_state_memory_is_full(h)) {
		if (h->favoured != NULL)
			return;
		h->favoured = list_entry(held->next, struct httpd_conn, in_state);
		h->favoured_until_ms = mono_ms + h->set.body_window_ms / 2;
		httpd_conn_resume(h->favoured);
		return;
	}
	reads = (h->set.body_memory_max - h->stats.body_bytes) / HTTPD_READ_BYTES + 1;
	for (; reads > 0 && !list_is_empty(held); reads--)
		httpd_conn_resume(list_entry(held->next, struct httpd_conn, in_state));
}

/* Each state has one time limit, so each list is in the order of its deadlines. */
static void sweep(struct httpd *h, int64_t mono_ms)
{
	int64_t next_ms = mono_ms + SWEEP_MS_MAX;

	for (int state = 0; state < HTTPD_GONE; state++) {
		struct list *list = &h->in_state[state];

		while (!list_is_empty(list)) {
			struct httpd_conn *c = list_entry(list->next, struct httpd_conn, in_state);

			if (c->deadline_ms > mono_ms) {
				next_ms = c->deadline_ms < next_ms ? c->deadline_ms : next_ms;
				break;
			}
			httpd_conn_late(c);
		}
	}
	if (mono_ms >= h->trim_at_ms) {
		httpd_work_trim(h);
		h->trim_at_ms = mono_ms + SWEEP_MS_MAX;
	}
	h->sweep_at_ms = next_ms < mono_ms + SWEEP_MS_MIN ? mono_ms + SWEEP_MS_MIN : next_ms;
	if (h->accept_paused)
		start_accepting(h);
}

static void on_listener_closed(uv_handle_t *handle)
{
	httpd_release_handle(container_of((uv_poll_t *)handle, struct httpd, listener));
}

static void stop_listening(struct httpd *h)
{
	if (h->listen_fd < 0)
		return;
	h->accept_paused = false;
	uv_close((uv_handle_t *)&h->listener, on_listener_closed);
	close(h->listen_fd);
	h->listen_fd = -1;
}

/* The connections at rest get so much longer to begin another request. Their deadlines stay in order. */
static void end_rest(struct httpd *h, struct list *at_rest)
{
	int64_t end_ms = loop_mono_ms(h->loop) + h->patience_ms;
	struct list *it, *tmp;

	list_each(it, tmp, at_rest) {
		struct httpd_conn *c = list_entry(it, struct httpd_conn, in_state);

		if (h->patience_ms <= 0)
			httpd_conn_last_call(c);
		else if (c->deadline_ms > end_ms)
			c->deadline_ms = end_ms;
	}
}

/* Ends the idle connections, those that the kernel has accepted for us included. */
static void begin_drain(struct httpd *h)
{
	h->drained = true;
	if (h->listen_fd >= 0)
		while (!h->accept_paused && accept_one(h))
			;
	stop_listening(h);
	end_rest(h, &h->in_state[HTTPD_FRESH]);
	end_rest(h, &h->in_state[HTTPD_IDLE]);
	h->sweep_at_ms = 0;
}

static void flush_dirty(struct httpd *h)
{
	struct list batch, *node;

	/* What becomes dirty meanwhile waits for the next turn, so that this ends. */
	list_init(&batch);
	while ((node = list_pop(&h->dirty)) != NULL)
		list_push(&batch, node);
	while ((node = list_pop(&batch)) != NULL)
		httpd_conn_flush(list_entry(node, struct httpd_conn, dirty));
}

static int64_t on_flush(void *arg, int64_t wall_ms, int64_t mono_ms)
{
	struct httpd *h = arg;
	void (*done)(void *) = h->done;

	h->delivered = false;
	flush_dirty(h);
	resume_held(h, mono_ms);
	if (mono_ms >= h->sweep_at_ms)
		sweep(h, mono_ms);
	if (h->draining && !h->drained)
		begin_drain(h);
	if (!list_is_empty(&h->dirty) || h->delivered)
		return mono_ms;
	if (h->stats.connections > 0 || h->accept_paused)
		return h->sweep_at_ms;
	if (done != NULL && list_is_empty(&h->orphans)) {
		h->done = NULL;
		done(h->done_arg); /* may close the server */
	}
	return LOOP_NEVER;
}

static struct httpd *new_server(struct loop *loop, const struct httpd_settings *set)
{
	struct httpd *h = xcalloc(1, sizeof(*h));

	h->loop = loop;
	h->set = with_defaults(set);
	h->set.host = h->set.unix_path = NULL; /* the caller's, and not needed any more */
	for (int state = 0; state < HTTPD_GONE; state++)
		list_init(&h->in_state[state]);
	list_init(&h->dirty);
	list_init(&h->pool);
	list_init(&h->orphans);
	return h;
}

int httpd_listen(const struct httpd_settings *settings, char ret_error[200])
{
	return settings->unix_path != NULL ? listen_local(settings->unix_path, ret_error)
					   : listen_on(settings, ret_error);
}

struct httpd *httpd_open(struct loop *loop, const struct httpd_settings *settings,
			 const struct httpd_ops *ops, void *arg, char ret_error[200])
{
	int fd = settings->listen_fd > 0 ? settings->listen_fd : httpd_listen(settings, ret_error);
	struct httpd *h;

	if (fd < 0)
		return NULL;
	h = new_server(loop, settings);
	if (uv_poll_init(loop_uv(loop), &h->listener, fd) != 0) {
		snprintf(ret_error, 200, "cannot watch the listening socket");
		close(fd);
		free(h);
		return NULL;
	}
	h->handles = 1;
	h->listen_fd = fd;
	h->port = httpd_port_of(fd);
	h->ops = ops;
	h->arg = arg;
	loop_on_flush(loop, on_flush, h);
	start_accepting(h);
	return h;
}

int httpd_port(const struct httpd *h)
{
	return h->port;
}

struct str httpd_field(const struct httpd_req *req, struct str name)
{
	return http1_field_get(req->head, name);
}

void httpd_drain(struct httpd *h, int64_t patience_ms, void (*done)(void *arg), void *arg)
{
	check(!h->draining);
	h->draining = true;
	h->patience_ms = patience_ms;
	h->done = done;
	h->done_arg = arg;
}

static void free_when_closed(struct httpd *h)
{
	if (h->closing && h->handles == 0)
		free(h);
}

void httpd_release_handle(struct httpd *h)
{
	check(h->handles > 0);
	h->handles--;
	free_when_closed(h);
}

void httpd_close(struct httpd *h)
{
	struct list *node;

	check(!h->closing);
	loop_forget(h->loop, h);
	for (int state = 0; state < HTTPD_GONE; state++)
		while (!list_is_empty(&h->in_state[state]))
			httpd_conn_close(
				list_entry(h->in_state[state].next, struct httpd_conn, in_state));
	while ((node = list_pop(&h->orphans)) != NULL)
		list_entry(node, struct httpd_work, node)->h = NULL;
	while ((node = list_pop(&h->pool)) != NULL)
		httpd_work_free(list_entry(node, struct httpd_work, node));
	stop_listening(h);
	h->closing = true;
	free_when_closed(h);
}

struct httpd_stats httpd_stats(const struct httpd *h)
{
	return h->stats;
}
