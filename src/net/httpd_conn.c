#include "net/httpd_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "net/loop.h"

static bool is_reading(const struct httpd_conn *c)
{
	if (c->eof)
		return false;
	switch (c->state) {
	case HTTPD_HOLD:
	case HTTPD_GONE:
		return false;
	case HTTPD_WAIT:
	case HTTPD_SEND:
		return !c->close_after && c->in.n < HTTPD_PIPELINE_BYTES;
	default:
		return true;
	}
}

static void on_event(uv_poll_t *poll, int status, int events);

/* Tells libuv what to wait for, when that has changed. */
static void watch(struct httpd_conn *c)
{
	int want = (is_reading(c) ? UV_READABLE : 0) | (c->blocked ? UV_WRITABLE : 0);

	if (want == c->interest || c->state == HTTPD_GONE)
		return;
	c->interest = want;
	if (want == 0)
		check(uv_poll_stop(&c->poll) == 0);
	else
		check(uv_poll_start(&c->poll, want, on_event) == 0);
}

/* A request outlives its connection when the owner has it. */
static void part_with_work(struct httpd_conn *c)
{
	struct httpd_work *w = c->work;

	c->work = NULL;
	if (w == NULL)
		return;
	if (c->state == HTTPD_WAIT) {
		w->req.peer_ip = arena_str(&w->arena, w->req.peer_ip);
		w->req.conn = NULL;
		list_push(&c->h->orphans, &w->node);
	} else {
		httpd_work_put(w);
	}
}

static void on_closed(uv_handle_t *handle)
{
	struct httpd_conn *c = container_of((uv_poll_t *)handle, struct httpd_conn, poll);
	struct httpd *h = c->h;

	free(c);
	httpd_release_handle(h);
}

void httpd_conn_close(struct httpd_conn *c)
{
	struct httpd *h = c->h;

	check(c->state != HTTPD_GONE);
	httpd_state_lose_favour(c);
	part_with_work(c);
	httpd_state_drop_input(c);
	buf_done(&c->in);
	list_remove(&c->in_state);
	list_remove(&c->dirty);
	c->state = HTTPD_GONE;
	h->stats.connections--;
	/* Every close may free the descriptor that the listener was short of. */
	h->sweep_at_ms = h->accept_paused ? 0 : h->sweep_at_ms;
	uv_close((uv_handle_t *)&c->poll, on_closed);
	close(c->fd);
}

static void refuse_part(struct httpd_conn *c)
{
	httpd_state_drop_input(c);
	httpd_reply_refuse(c, 400, "the request is cut off");
}

/* The peer has closed its side. What is complete is still answered. */
static void meet_eof(struct httpd_conn *c)
{
	c->eof = true;
	switch (c->state) {
	case HTTPD_FRESH:
	case HTTPD_IDLE:
	case HTTPD_LINGER:
		httpd_conn_close(c);
		break;
	case HTTPD_HEAD:
	case HTTPD_BODY:
		refuse_part(c);
		break;
	case HTTPD_DROP:
		c->close_after = true;
		httpd_state_enter(c, HTTPD_SEND);
		httpd_state_mark_dirty(c);
		break;
	default:
		break;
	}
}

/* How much may be read now; 0 = nothing. */
static size_t read_room(const struct httpd_conn *c)
{
	switch (c->state) {
	case HTTPD_WAIT:
	case HTTPD_SEND:
		return c->in.n < HTTPD_PIPELINE_BYTES ? HTTPD_PIPELINE_BYTES - c->in.n : 0;
	case HTTPD_FRESH:
	case HTTPD_IDLE:
	case HTTPD_HEAD:
		return httpd_state_memory_is_full(c->h) ? HTTPD_READ_LEAN_BYTES : HTTPD_READ_BYTES;
	default:
		return HTTPD_READ_BYTES;
	}
}

static bool must_hold(const struct httpd_conn *c)
{
	const struct httpd_work *w = c->work;

	return c->state == HTTPD_BODY && httpd_state_memory_is_full(c->h) && c->h->favoured != c &&
	       !(w->head.body == HTTP1_BODY_LENGTH && w->head.body_bytes <= HTTPD_BODY_SMALL_BYTES);
}

/* One read per turn: the others have their turn too. */
static void read_some(struct httpd_conn *c)
{
	size_t room = read_room(c);
	ssize_t n;

	if (must_hold(c)) {
		httpd_state_enter(c, HTTPD_HOLD);
		return;
	}
	if (room == 0)
		return;
	n = recv(c->fd, c->h->read_buf, room, 0);
	if (n == 0)
		meet_eof(c);
	else if (n > 0 && c->state != HTTPD_LINGER)
		httpd_feed(c, str_n(c->h->read_buf, (size_t)n));
	else if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
		httpd_conn_close(c);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
	struct httpd_conn *c = container_of(poll, struct httpd_conn, poll);

	if (status < 0) {
		httpd_conn_close(c);
		return;
	}
	if (events & UV_WRITABLE)
		httpd_state_mark_dirty(c);
	if (events & UV_READABLE)
		read_some(c);
	watch(c);
}

static void set_peer_ip(struct httpd_conn *c, const struct sockaddr *peer)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)peer;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)peer;

	if (peer->sa_family == AF_UNIX)
		return;
	if (peer->sa_family == AF_INET)
		inet_ntop(AF_INET, &v4->sin_addr, c->peer_ip, sizeof(c->peer_ip));
	else if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], c->peer_ip, sizeof(c->peer_ip));
	else
		inet_ntop(AF_INET6, &v6->sin6_addr, c->peer_ip, sizeof(c->peer_ip));
}

struct httpd_conn *httpd_conn_open(struct httpd *h, int fd, const struct sockaddr *peer)
{
	struct httpd_conn *c = xcalloc(1, sizeof(*c));

	if (uv_poll_init(loop_uv(h->loop), &c->poll, fd) != 0) {
		close(fd);
		free(c);
		return NULL;
	}
	c->h = h;
	c->fd = fd;
	c->state = HTTPD_FRESH;
	list_init(&c->in_state);
	list_init(&c->dirty);
	list_push(&h->in_state[HTTPD_FRESH], &c->in_state);
	c->deadline_ms = loop_mono_ms(h->loop) + h->set.head_timeout_ms;
	buf_init(&c->in, HTTPD_INPUT_BYTES);
	set_peer_ip(c, peer);
	h->stats.connections++;
	h->handles++;
	watch(c);
	return c;
}

static bool has_unread_input(const struct httpd_conn *c)
{
	int n = 0;

	return ioctl(c->fd, FIONREAD, &n) == 0 && n > 0;
}

/* Everything is sent, nothing more will be. Closing with unread input would make the kernel reset
 * the connection, perhaps before the peer has read its answer; so the peer gets time to do that. */
static void say_goodbye(struct httpd_conn *c)
{
	if (c->eof || (!c->linger && !has_unread_input(c))) {
		httpd_conn_close(c);
		return;
	}
	httpd_work_put(c->work);
	c->work = NULL;
	httpd_state_drop_input(c);
	httpd_state_enter(c, HTTPD_LINGER);
	if (shutdown(c->fd, SHUT_WR) != 0)
		httpd_conn_close(c);
}

static void wait_for_next(struct httpd_conn *c)
{
	httpd_work_put(c->work);
	c->work = NULL;
	httpd_state_enter(c, c->in.n > 0 ? HTTPD_HEAD : HTTPD_IDLE);
}

/* The answer is sent: the next request, when it is there already, or waiting for it. */
static void go_on(struct httpd_conn *c)
{
	if (c->in.n > 0 && !c->close_after)
		httpd_feed_kept(c);
	if (c->eof && c->state != HTTPD_SEND)
		meet_eof(c);
	if (c->state != HTTPD_SEND || !list_is_empty(&c->dirty))
		return;
	if (c->close_after)
		say_goodbye(c);
	else if (c->eof && c->in.n > 0)
		refuse_part(c);
	else if (c->eof || (c->h->draining && c->in.n == 0))
		httpd_conn_close(c);
	else
		wait_for_next(c);
}

void httpd_conn_flush(struct httpd_conn *c)
{
	enum httpd_sent sent = httpd_reply_send(c);

	if (sent == HTTPD_BROKEN) {
		httpd_conn_close(c);
		return;
	}
	c->blocked = sent == HTTPD_BLOCKED;
	if (!c->blocked && c->state == HTTPD_SEND)
		go_on(c);
	watch(c);
}

void httpd_conn_resume(struct httpd_conn *c)
{
	check(c->state == HTTPD_HOLD);
	httpd_state_enter(c, HTTPD_BODY);
	watch(c);
}

void httpd_conn_last_call(struct httpd_conn *c)
{
	check(c->state == HTTPD_FRESH || c->state == HTTPD_IDLE);
	read_some(c);
	if (c->state == HTTPD_FRESH || c->state == HTTPD_IDLE)
		httpd_conn_close(c);
	watch(c);
}

/* Bytes that came or were taken by the peer. What is sent counts only once the peer has
 * acknowledged it, since the kernel's own buffer takes megabytes at once and then nothing for
 * long. */
static int64_t progress(const struct httpd_conn *c)
{
	int queued = 0;

	if (c->state == HTTPD_SEND && ioctl(c->fd, SIOCOUTQ, &queued) != 0)
		queued = 0;
	return c->moved - queued;
}

/* Starts a new window when enough has moved in the last one. */
static bool is_fast_enough(struct httpd_conn *c)
{
	int64_t moved = progress(c);

	if ((moved - c->mark) * 1000 <
	    c->h->set.body_rate_min * httpd_state_time_limit_ms(&c->h->set, c->state))
		return false;
	httpd_state_enter(c, c->state);
	c->mark = moved;
	return true;
}

/* Closes without leaving unsent bytes to the kernel. */
static void cut_off(struct httpd_conn *c)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	c->h->stats.timed_out++;
	(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	httpd_conn_close(c);
}

void httpd_conn_late(struct httpd_conn *c)
{
	switch (c->state) {
	case HTTPD_HEAD:
		httpd_reply_refuse(c, 408, "the head of the request took too long");
		break;
	case HTTPD_BODY:
		if (!is_fast_enough(c))
			httpd_reply_refuse(c, 408, "the body of the request came too slowly");
		break;
	case HTTPD_DROP:
	case HTTPD_SEND:
		if (!is_fast_enough(c))
			cut_off(c);
		break;
	case HTTPD_FRESH:
	case HTTPD_IDLE:
		httpd_conn_last_call(c);
		break;
	default:
		check(c->state == HTTPD_LINGER);
		httpd_conn_close(c);
		break;
	}
	watch(c);
}
