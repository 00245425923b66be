#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/check.h"
#include "courier/http/compose.h"
#include "courier/http/http_int.h"
#include "net/loop.h"

/* How reading or writing went. */
enum io { IO_DONE, IO_AGAIN, IO_CLOSED, IO_FAILED };

static void on_poll_closed(uv_handle_t *handle)
{
	struct wire *w = container_of((uv_poll_t *)(void *)handle, struct wire, poll);

	http_courier_let_go(w->courier);
	free(w);
}

void wire_close(struct wire *w)
{
	check(w->state != WIRE_CLOSED);
	if (w->state == WIRE_IDLE || w->state == WIRE_BUSY) {
		w->origin->wires_n--;
		w->courier->slots_n--;
	}
	list_remove(&w->node);
	list_remove(&w->rest);
	w->x = NULL;
	w->state = WIRE_CLOSED;
	tls_end(w->tls);
	uv_poll_stop(&w->poll);
	close(w->fd);
	uv_close((uv_handle_t *)(void *)&w->poll, on_poll_closed);
}

static bool has_unsent(const struct wire *w)
{
	return w->unsent_head.n > 0 || w->unsent_body.n > 0;
}

static void watch_for_exchange(struct wire *w)
{
	bool writes = (has_unsent(w) && !w->cannot_write) || w->wants_write;

	wire_watch(w, UV_READABLE | (writes ? UV_WRITABLE : 0));
}

/* The connection is of no use. A kept one that died without a word gets the request a second
 * chance, see http_courier.h. */
static void lose(struct wire *w, struct failure f)
{
	struct exchange *x = w->x;
	bool may_resend =
		w->was_used && !x->reply.has_begun && !x->wants_fresh && f.cause == CAUSE_CLOSED;

	f.address = address_text(&x->req->arena, &w->address);
	wire_close(w);
	if (may_resend) {
		x->wire = NULL;
		x->wants_fresh = true;
		origin_wait_first(x->origin, x);
	} else {
		exchange_failed(x, f);
	}
}

static void answered(struct wire *w, bool has_more)
{
	struct exchange *x = w->x;
	bool is_kept = x->reply.keep_alive && !has_more && !has_unsent(w);

	exchange_answered(x);
	w->x = NULL;
	w->was_used = true;
	if (is_kept)
		wire_rest(w);
	else
		wire_close(w);
}

static void conclude(struct wire *w, enum reply_result result, bool has_more)
{
	const struct reply *r = &w->x->reply;

	if (result == REPLY_DONE)
		answered(w, has_more);
	else
		lose(w, (struct failure){ .cause = r->cause, .text = r->text });
}

static enum io read_plain(struct wire *w, size_t *ret_n, struct failure *ret_failure)
{
	ssize_t n = recv(w->fd, w->courier->in, HTTP_READ_BYTES, 0);

	if (n > 0) {
		*ret_n = (size_t)n;
		return IO_DONE;
	}
	if (n == 0)
		return IO_CLOSED;
	if (errno == EAGAIN || errno == EINTR)
		return IO_AGAIN;
	*ret_failure = (struct failure){ .cause = CAUSE_CLOSED, .os_errno = errno };
	return IO_FAILED;
}

static enum io read_tls(struct wire *w, size_t *ret_n, struct failure *ret_failure)
{
	w->wants_write = false;
	switch (tls_read(w->tls, w->courier->in, HTTP_READ_BYTES, ret_n)) {
	case TLS_OK:
		return IO_DONE;
	case TLS_CLOSED:
		return IO_CLOSED;
	case TLS_WANT_WRITE:
		w->wants_write = true;
		return IO_AGAIN;
	case TLS_WANT_READ:
		return IO_AGAIN;
	case TLS_FAILED:
		break;
	}
	*ret_failure = (struct failure){ .text = "" };
	tls_explain(w->tls, ret_failure);
	return IO_FAILED;
}

static enum io read_some(struct wire *w, size_t *ret_n, struct failure *ret_failure)
{
	return w->tls != NULL ? read_tls(w, ret_n, ret_failure) : read_plain(w, ret_n, ret_failure);
}

static bool goes_on_reading(const struct wire *w, int reads, size_t n)
{
	/* Of what OpenSSL holds back no event would tell. */
	if (w->tls != NULL)
		return reads < HTTP_READS_MAX || tls_has_more(w->tls);
	return n == HTTP_READ_BYTES && reads < HTTP_READS_MAX;
}

static void read_answer(struct wire *w)
{
	struct http_courier *c = w->courier;
	size_t n = 0;
	int reads = 0;

	do {
		struct failure f;
		enum io io = read_some(w, &n, &f);
		enum reply_result result;
		struct str in;

		if (io == IO_AGAIN)
			break;
		if (io == IO_FAILED) {
			lose(w, f);
			return;
		}
		in = str_n(c->in, io == IO_DONE ? n : 0);
		result = io == IO_DONE ? reply_feed(&w->x->reply, &c->head, &in)
				       : reply_closed(&w->x->reply);
		if (result != REPLY_MORE) {
			conclude(w, result, in.n > 0 || io == IO_CLOSED);
			return;
		}
	} while (goes_on_reading(w, ++reads, n));
	watch_for_exchange(w);
}

static void advance(struct wire *w, size_t n)
{
	size_t head_n = n < w->unsent_head.n ? n : w->unsent_head.n;

	w->unsent_head = str_from(w->unsent_head, head_n);
	w->unsent_body = str_from(w->unsent_body, n - head_n);
	w->x->req->outcome.sent_bytes += (int64_t)n;
}

static enum io write_plain(struct wire *w, size_t *ret_n)
{
	struct iovec v[2] = {
		{ (void *)(uintptr_t)w->unsent_head.p, w->unsent_head.n },
		{ (void *)(uintptr_t)w->unsent_body.p, w->unsent_body.n },
	};
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
	ssize_t n = sendmsg(w->fd, &m, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? IO_AGAIN : IO_FAILED;
	*ret_n = (size_t)n;
	return IO_DONE;
}

static enum io write_tls(struct wire *w, size_t *ret_n)
{
	struct str s = w->unsent_head.n > 0 ? w->unsent_head : w->unsent_body;

	switch (tls_write(w->tls, s, ret_n)) {
	case TLS_OK:
		return IO_DONE;
	case TLS_WANT_READ:
	case TLS_WANT_WRITE:
		return IO_AGAIN;
	case TLS_CLOSED:
	case TLS_FAILED:
		break;
	}
	return IO_FAILED;
}

static void lose_in_tls(struct wire *w)
{
	struct failure f = { .text = "" };

	tls_explain(w->tls, &f);
	lose(w, f);
}

/* Writes what it can. When the peer takes no more, there may be an answer all the same, so what
 * becomes of the exchange is for reading to find out. Over TLS it is lost here. */
static void write_request(struct wire *w)
{
	enum io io = IO_DONE;
	size_t n = 0;

	while (has_unsent(w) && io == IO_DONE) {
		io = w->tls != NULL ? write_tls(w, &n) : write_plain(w, &n);
		if (io == IO_DONE)
			advance(w, n);
	}
	w->cannot_write = io == IO_FAILED;
	if (w->cannot_write && w->tls != NULL)
		lose_in_tls(w);
}

/* The courier's buffer is for the next request. */
static void keep_unsent_head(struct wire *w)
{
	w->unsent_head = arena_str(&w->x->req->arena, w->unsent_head);
}

static bool compose(struct wire *w, struct exchange *x)
{
	struct buf *out = &w->courier->out;

	buf_reset(out);
	compose_head(out, x->req, x->origin->authority, x->path);
	w->unsent_body = x->req->body;
	/* One record instead of two. */
	if (w->tls != NULL && x->req->body.n <= HTTP_GATHER_BYTES_MAX) {
		buf_add(out, x->req->body);
		w->unsent_body = STR_NULL;
	}
	w->unsent_head = buf_str(out);
	return !out->overflow;
}

static void tell_work(struct exchange *x, bool is)
{
	if (x != NULL && x->req->at_work != NULL)
		x->req->at_work(x->req, is);
}

static void begin(struct wire *w, struct exchange *x)
{
	check(w->state == WIRE_IDLE && w->x == NULL);
	if (x->req->may_begin != NULL && !x->req->may_begin(x->req)) {
		exchange_failed(x, (struct failure){ .cause = CAUSE_OTHER,
						     .text = "it may not begin any more" });
		return;
	}
	if (!compose(w, x)) {
		exchange_failed(
			x, (struct failure){ .cause = CAUSE_OTHER,
					     .text = "its headers are longer than 4 MB together" });
		return;
	}
	list_remove(&w->node);
	list_remove(&w->rest);
	w->state = WIRE_BUSY;
	w->x = x;
	w->cannot_write = w->wants_write = false;
	x->wire = w;
	x->state = EXCHANGE_RUNNING;
	list_push(&w->courier->running, &x->node);
	write_request(w);
	if (w->state != WIRE_BUSY || !has_unsent(w))
		return;
	keep_unsent_head(w);
	watch_for_exchange(w);
}

void wire_begin(struct wire *w, struct exchange *x)
{
	tell_work(x, true);
	begin(w, x);
	tell_work(x, false);
}

/* At rest nothing is to come but the end, and over TLS what concerns TLS alone. */
static void look_at_rest(struct wire *w)
{
	struct failure f;
	size_t n;

	if (w->tls == NULL || read_tls(w, &n, &f) != IO_AGAIN)
		wire_close(w);
	else
		wire_watch(w, UV_READABLE);
}

void wire_rest(struct wire *w)
{
	struct http_courier *c = w->courier;

	w->state = WIRE_IDLE;
	w->idle_since_ms = c->now_ms;
	list_push_front(&w->origin->idle, &w->node);
	list_push(&c->idle_wires, &w->rest);
	wire_watch(w, UV_READABLE);
	/* At the limit, those who have no wire get their turn before others have theirs again. */
	if (w->was_used && !list_is_empty(&c->hungry) && c->slots_n >= c->settings.connections_max)
		wire_close(w);
	else if (w->tls != NULL && tls_has_more(w->tls))
		look_at_rest(w);
}

static void go_on(struct wire *w, int events)
{
	if ((events & UV_WRITABLE) && has_unsent(w) && !w->cannot_write)
		write_request(w);
	if (w->state != WIRE_BUSY)
		return;
	if ((events & UV_READABLE) || w->wants_write)
		read_answer(w);
	else
		watch_for_exchange(w);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct wire *w = container_of(poll, struct wire, poll);
	struct http_courier *c = w->courier;
	struct origin *o = w->origin;
	struct exchange *x;

	http_courier_read_clock(c);
	/* An error of the socket has stopped the watcher; trying to read tells what it is. */
	if (status < 0) {
		w->watched = 0;
		events = UV_READABLE;
	}
	switch (w->state) {
	case WIRE_CONNECTING:
	case WIRE_HANDSHAKE:
		dial_event(w);
		break;
	case WIRE_IDLE:
		look_at_rest(w);
		break;
	case WIRE_BUSY:
		x = w->x;
		tell_work(x, true);
		go_on(w, events);
		tell_work(x, false);
		break;
	case WIRE_CLOSED:
		unreachable();
	}
	origin_pump(o);
	http_courier_settle(c);
}

void wire_watch(struct wire *w, int events)
{
	if (w->watched == events)
		return;
	w->watched = events;
	check(uv_poll_start(&w->poll, events, on_poll) == 0);
}

/* No waiting for more to send; and a word now and then while an answer takes long, lest something on
 * the way forget the connection. They are wishes, which may fail. */
static void set_manners(int fd)
{
	const int on = 1, idle_s = HTTP_KEEPALIVE_S;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &idle_s, sizeof(idle_s));
}

struct wire *wire_new(struct dial *d, int fd, const struct address *a)
{
	struct http_courier *c = d->origin->courier;
	struct wire *w = xcalloc(1, sizeof(*w));

	w->courier = c;
	w->origin = d->origin;
	w->dial = d;
	w->fd = fd;
	w->address = *a;
	list_init(&w->rest);
	list_push(&d->wires, &w->node);
	set_manners(fd);
	check(uv_poll_init(loop_uv(c->loop), &w->poll, fd) == 0);
	c->handles++;
	wire_watch(w, UV_WRITABLE);
	return w;
}
