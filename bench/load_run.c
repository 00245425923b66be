#include "load.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "wire.h"

enum { IN_BYTES = 16384, EVENTS = 256, TICK_MS = 20 };

struct conn {
	int fd;                /* -1: lost, and could not be opened again */
	bool busy;             /* a request is outstanding */
	bool blocked;          /* the socket is full; epoll tells when to go on */
	bool in_body;          /* the answer's head was read */
	bool close;            /* the answer said so */
	int status;            /* of the answer; valid with in_body */
	size_t sent;           /* bytes of the request */
	uint64_t begin_ns;     /* latency counts from here; also the stamp */
	struct wire_body body; /* valid with in_body */
	size_t in_n;           /* bytes in the buffer */
	char in[IN_BYTES];
};

struct load {
	const struct load_settings *set;
	struct load_counts *n;
	int epoll_fd, tick_fd; /* a tick ends a wait, so that the clock is looked at */
	char *request;         /* the request; only the stamp differs */
	size_t request_n;
	char *stamp;        /* its place in the request, NULL if it has none */
	struct conn *conns; /* set->conns of them */
	struct conn **idle; /* stack of those that have no request; used by the open loop */
	int idle_count, busy_count, live_count;
	uint64_t stop_ns;       /* nothing is due after this */
	uint64_t total;         /* requests of the whole run, as far as the count bounds it */
	uint64_t progress_ns;   /* time of the next progress line */
	uint64_t progress_done; /* answers at the last one */
};

static void body_fill(char *to, size_t n)
{
	static const char text[] =
		"{\"event\":\"order.created\",\"id\":\"ord_48213077\",\"amount\":1299,"
		"\"currency\":\"EUR\",\"customer\":\"cus_5521\",\"note\":\"left at the door\"}";

	for (size_t i = 0; i < n; i++)
		to[i] = text[i % (sizeof(text) - 1)];
}

/* The whole file; it is sent as it is. */
static char *body_read(const char *path, size_t *ret_n)
{
	FILE *f = fopen(path, "rb");
	char *p = malloc(LOAD_BODY_BYTES_MAX);

	if (!f || !p)
		sock_die("%s: %s", path, strerror(errno));
	*ret_n = fread(p, 1, LOAD_BODY_BYTES_MAX, f);
	if (ferror(f) || getc(f) != EOF)
		sock_die("%s: cannot be read, or is over %d bytes", path, LOAD_BODY_BYTES_MAX);
	fclose(f);
	return p;
}

static void request_build(struct load *l)
{
	const struct load_settings *set = l->set;
	size_t head_max = strlen(set->path) + set->headers_n + 256;
	size_t body_n = set->body_bytes;
	char *body = set->body_file ? body_read(set->body_file, &body_n) : NULL;
	int head_n;

	l->request = malloc(head_max + body_n);
	if (!l->request)
		sock_die("no memory for the request");
	head_n = snprintf(l->request, head_max,
			  "%s %s HTTP/1.1\r\nHost: %s:%d\r\n%.*sContent-Length: %zu\r\n\r\n",
			  set->method, set->path, set->host, set->port, (int)set->headers_n,
			  set->headers, body_n);
	if (head_n < 0 || (size_t)head_n >= head_max)
		sock_die("the request's head is too long");
	l->request_n = (size_t)head_n + body_n;
	if (body) {
		memcpy(l->request + head_n, body, body_n);
	} else {
		body_fill(l->request + head_n, body_n);
		l->stamp = l->request + head_n;
	}
	free(body);
}

static void watch(const struct load *l, struct conn *c, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = c };

	if (epoll_ctl(l->epoll_fd, op, c->fd, &ev) < 0)
		sock_die("epoll_ctl: %s", strerror(errno));
}

static bool conn_open(struct load *l, struct conn *c)
{
	c->fd = sock_connect(l->set->host, l->set->port);
	c->in_n = 0;
	c->in_body = c->close = c->blocked = false;
	if (c->fd < 0)
		return false;
	watch(l, c, EPOLL_CTL_ADD, EPOLLIN);
	return true;
}

/* A closed connection is replaced by a new one. When that fails it stays away for the rest of the
 * run. */
static void conn_reopen(struct load *l, struct conn *c)
{
	close(c->fd);
	if (!conn_open(l, c))
		l->live_count--;
}

static void conn_set_idle(struct load *l, struct conn *c)
{
	if (c->busy)
		l->busy_count--;
	c->busy = false;
	if (c->fd >= 0)
		l->idle[l->idle_count++] = c;
}

/* The peer ended the connection or broke the protocol; a request that was outstanding is lost. */
static void conn_break(struct load *l, struct conn *c)
{
	bool was_busy = c->busy;

	if (was_busy)
		l->n->broken++;
	conn_reopen(l, c);
	if (was_busy) {
		conn_set_idle(l, c);
	} else if (c->fd < 0) {
		for (int i = 0; i < l->idle_count; i++)
			if (l->idle[i] == c)
				l->idle[i--] = l->idle[--l->idle_count];
	}
}

static void conn_send(struct load *l, struct conn *c)
{
	ssize_t n;

	if (l->stamp)
		sock_stamp_write(l->stamp, c->begin_ns);
	n = send(c->fd, l->request + c->sent, l->request_n - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN) {
		/* The reading side reports it: an answer may have come before the end. */
		c->blocked = false;
		watch(l, c, EPOLL_CTL_MOD, EPOLLIN);
		return;
	}
	c->sent += n > 0 ? (size_t)n : 0;
	if ((c->sent < l->request_n) != c->blocked) {
		c->blocked = !c->blocked;
		watch(l, c, EPOLL_CTL_MOD, c->blocked ? EPOLLIN | EPOLLOUT : EPOLLIN);
	}
}

static void conn_fire(struct load *l, struct conn *c, uint64_t begin_ns)
{
	if (l->n->issued++ == 0)
		l->n->start_ns = begin_ns;
	c->busy = true;
	l->busy_count++;
	c->begin_ns = begin_ns;
	c->sent = 0;
	conn_send(l, c);
}

static bool may_issue(const struct load *l, uint64_t now_ns)
{
	return l->n->issued < l->total && now_ns < l->stop_ns;
}

/* A whole answer was read at now_ns. */
static void conn_answered(struct load *l, struct conn *c, uint64_t now_ns)
{
	struct load_counts *n = l->n;

	hist_add(&n->hist, now_ns > c->begin_ns ? now_ns - c->begin_ns : 0);
	n->end_ns = now_ns;
	c->in_body = false;
	if (c->status >= 200 && c->status < 300) {
		n->ok++;
		n->stamp_sum += c->begin_ns;
	} else {
		if (n->refused++ == 0)
			n->first_refusal = c->status;
	}
	/* An answer before the end of the request leaves the connection in the middle of a body. */
	if (c->close || c->sent < l->request_n)
		conn_reopen(l, c);
	conn_set_idle(l, c);
}

/* Works off the buffer. False when the answer is not what HTTP allows here. */
static bool conn_parse(struct load *l, struct conn *c, uint64_t now_ns)
{
	size_t at = 0;

	while (at < c->in_n || (c->in_body && c->body.state == WIRE_DONE)) {
		const char *data;
		size_t data_n;
		struct wire_head h;
		ssize_t used;

		if (!c->busy)
			return false;
		if (c->in_body) {
			at += wire_body_take(&c->body, c->in + at, c->in_n - at, &data, &data_n);
			if (c->body.state == WIRE_BAD)
				return false;
			if (c->body.state != WIRE_DONE)
				continue;
			if (at != c->in_n)
				return false;
			c->in_n = 0;
			conn_answered(l, c, now_ns);
			return true;
		}
		used = wire_head_parse(c->in + at, c->in_n - at, &h);
		if (used < 0 || (used == 0 && c->in_n - at == IN_BYTES))
			return false;
		if (used == 0)
			break;
		at += (size_t)used;
		if (h.status < 200)
			continue;
		c->status = h.status;
		c->close = h.close;
		c->body = wire_body_start(&h);
		c->in_body = true;
	}
	memmove(c->in, c->in + at, c->in_n - at);
	c->in_n -= at;
	return true;
}

static void conn_read(struct load *l, struct conn *c)
{
	bool was_busy = c->busy;
	uint64_t now_ns;
	ssize_t n = recv(c->fd, c->in + c->in_n, IN_BYTES - c->in_n, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	now_ns = sock_now_ns();
	if (n > 0)
		c->in_n += (size_t)n;
	if (n <= 0 || !conn_parse(l, c, now_ns))
		conn_break(l, c);
	/* The closed loop goes on at once, on the connection whose buffers are warm. */
	if (l->set->rate_per_s == 0 && was_busy && !c->busy && c->fd >= 0 && may_issue(l, now_ns)) {
		l->idle_count--; /* it was put on top just now */
		conn_fire(l, c, now_ns);
	}
}

static uint64_t due_ns(const struct load *l)
{
	return l->n->start_ns + (uint64_t)((double)l->n->issued * 1e9 / (double)l->set->rate_per_s);
}

/* Sends what is due, as far as connections are free. Returns when to look again. */
static uint64_t issue_due(struct load *l, uint64_t now_ns)
{
	uint64_t due = due_ns(l);

	while (l->n->issued < l->total && due <= now_ns) {
		if (l->idle_count == 0)
			return l->stop_ns;
		conn_fire(l, l->idle[--l->idle_count], due);
		due = due_ns(l);
	}
	return l->n->issued < l->total ? due : l->stop_ns;
}

static void progress(struct load *l, uint64_t now_ns)
{
	const struct load_counts *n = l->n;
	uint64_t done = n->hist.count;

	if (l->set->progress_s == 0 || now_ns < l->progress_ns)
		return;
	fprintf(stderr, "%" PRIu64 " answers, %" PRIu64 "/s, %" PRIu64 " errors\n", done,
		(done - l->progress_done) / l->set->progress_s, n->refused + n->broken);
	l->progress_done = done;
	l->progress_ns = now_ns + l->set->progress_s * 1000000000u;
}

static void tick_start(struct load *l)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct timespec every = { 0, TICK_MS * 1000000 };
	struct itimerspec t = { every, every };

	l->tick_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (l->tick_fd < 0 || timerfd_settime(l->tick_fd, 0, &t, NULL) < 0 ||
	    epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->tick_fd, &ev) < 0)
		sock_die("timer: %s", strerror(errno));
}

/* Works off what there is, after waiting for it until `until_ns` or the next tick. */
static void turn(struct load *l, uint64_t until_ns)
{
	struct epoll_event ev[EVENTS];
	int n = sock_wait(l->epoll_fd, ev, EVENTS, until_ns);

	for (int i = 0; i < n; i++) {
		struct conn *c = ev[i].data.ptr;
		uint64_t ticks;

		if (!c) {
			if (read(l->tick_fd, &ticks, sizeof(ticks)) < 0 && errno != EAGAIN)
				sock_die("timer: %s", strerror(errno));
			continue;
		}
		if (ev[i].events & EPOLLOUT && c->busy)
			conn_send(l, c);
		if (ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			conn_read(l, c);
	}
}

static void open_all(struct load *l)
{
	l->conns = calloc((size_t)l->set->conns, sizeof(*l->conns));
	l->idle = calloc((size_t)l->set->conns, sizeof(struct conn *));
	if (!l->conns || !l->idle)
		sock_die("no memory for %d connections", l->set->conns);
	for (int i = 0; i < l->set->conns; i++) {
		struct conn *c = &l->conns[i];

		if (!conn_open(l, c))
			sock_die("%s:%d: %s", l->set->host, l->set->port, strerror(errno));
		l->live_count++;
		conn_set_idle(l, c);
	}
}

static void run_closed(struct load *l)
{
	uint64_t now_ns = sock_now_ns();

	l->stop_ns = now_ns + l->set->seconds_max * 1000000000u;
	while (l->idle_count > 0 && may_issue(l, now_ns))
		conn_fire(l, l->idle[--l->idle_count], sock_now_ns());
	while (l->live_count > 0 && may_issue(l, now_ns)) {
		turn(l, SOCK_FOREVER);
		now_ns = sock_now_ns();
		progress(l, now_ns);
	}
}

static void run_open(struct load *l)
{
	uint64_t now_ns = sock_now_ns();

	if (l->set->seconds_max * l->set->rate_per_s < l->total)
		l->total = l->set->seconds_max * l->set->rate_per_s;
	l->n->start_ns = now_ns;
	l->stop_ns = now_ns + (uint64_t)((double)l->total * 1e9 / (double)l->set->rate_per_s) +
		     l->set->drain_ms * 1000000u;
	while (l->live_count > 0 && l->n->issued < l->total && now_ns < l->stop_ns) {
		turn(l, issue_due(l, now_ns));
		now_ns = sock_now_ns();
		progress(l, now_ns);
	}
	l->n->unsent = l->total - l->n->issued;
	l->n->issued = l->total;
}

/* Waits for the last answers. */
static void drain(struct load *l)
{
	uint64_t until_ns = sock_now_ns() + l->set->drain_ms * 1000000u;

	l->total = l->n->issued;
	while (l->busy_count > 0 && sock_now_ns() < until_ns)
		turn(l, SOCK_FOREVER);
	l->n->unanswered = (uint64_t)l->busy_count;
}

void load_run(const struct load_settings *set, struct load_counts *ret)
{
	struct load l = { .set = set, .n = ret, .total = set->requests_max };
	uint64_t cpu_us;

	memset(ret, 0, sizeof(*ret));
	/* Wake when a request is due, not up to 50 us later. */
	prctl(PR_SET_TIMERSLACK, 1);
	l.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l.epoll_fd < 0)
		sock_die("epoll: %s", strerror(errno));
	request_build(&l);
	open_all(&l);
	tick_start(&l);
	cpu_us = sock_cpu_us();
	l.progress_ns = sock_now_ns() + set->progress_s * 1000000000u;
	if (set->rate_per_s > 0)
		run_open(&l);
	else
		run_closed(&l);
	drain(&l);
	ret->cpu_us = sock_cpu_us() - cpu_us;
	for (int i = 0; i < set->conns; i++)
		if (l.conns[i].fd >= 0)
			close(l.conns[i].fd);
	close(l.tick_fd);
	close(l.epoll_fd);
	free(l.conns);
	free(l.idle);
	free(l.request);
}
