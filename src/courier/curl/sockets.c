#include "courier/curl/sockets.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/check.h"

enum { EVENTS_MAX = 256, CAP_FIRST = 64 };

struct watched {
	struct lane *lane;   /* who wants events; NULL = nobody, it rests */
	uint32_t registered; /* the events the kernel was told; 0 = not in the set */
	bool is_kept;        /* see sockets_keep */
};

bool sockets_init(struct sockets *w)
{
	*w = (struct sockets){ .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
	return w->epoll_fd >= 0;
}

void sockets_done(struct sockets *w)
{
	close(w->epoll_fd);
	free(w->v);
}

static struct watched *at(struct sockets *w, int fd)
{
	size_t cap = w->cap ? w->cap : CAP_FIRST;

	check(fd >= 0);
	if ((size_t)fd < w->cap)
		return &w->v[fd];
	while (cap <= (size_t)fd)
		cap *= 2;
	w->v = xrealloc(w->v, cap * sizeof(*w->v));
	memset(w->v + w->cap, 0, (cap - w->cap) * sizeof(*w->v));
	w->cap = cap;
	return &w->v[fd];
}

static void take_out(struct sockets *w, int fd)
{
	/* Fails when the descriptor is closed already, which did the same. */
	(void)epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	w->v[fd].registered = 0;
}

/* libcurl closes some descriptors without telling. So what is known of a number may be of the one
 * that had it before; the kernel's word counts. */
static void put_in(struct sockets *w, int fd, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.fd = fd };
	int op = w->v[fd].registered != 0 ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	int rc = epoll_ctl(w->epoll_fd, op, fd, &e);

	if (rc != 0 && errno == ENOENT)
		rc = epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &e);
	else if (rc != 0 && errno == EEXIST)
		rc = epoll_ctl(w->epoll_fd, EPOLL_CTL_MOD, fd, &e);
	check(rc == 0);
	w->v[fd].registered = events;
}

void sockets_want(struct sockets *w, int fd, int bits, struct lane *lane)
{
	struct watched *s = at(w, fd);
	uint32_t events = 0;

	if (bits & CURL_POLL_IN)
		events |= EPOLLIN;
	if (bits & CURL_POLL_OUT)
		events |= EPOLLOUT;
	if (!s->is_kept || s->registered != events)
		put_in(w, fd, events);
	s->lane = lane;
}

void sockets_rest(struct sockets *w, int fd)
{
	struct watched *s = at(w, fd);

	s->lane = NULL;
	if (!s->is_kept)
		take_out(w, fd);
}

void sockets_keep(struct sockets *w, int fd)
{
	at(w, fd)->is_kept = true;
}

void sockets_close(struct sockets *w, int fd)
{
	/* Closing takes it out of the set. */
	*at(w, fd) = (struct watched){ 0 };
	close(fd);
}

static void handle(struct sockets *w, const struct epoll_event *e, sockets_fn fn)
{
	int fd = e->data.fd, bits = 0;
	struct lane *lane = w->v[fd].lane;

	if (lane == NULL) {
		take_out(w, fd);
		return;
	}
	/* An error is reported as both, so that libcurl tries and gets the errno. */
	if (e->events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		bits |= CURL_CSELECT_IN;
	if (e->events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		bits |= CURL_CSELECT_OUT;
	fn(lane, fd, bits);
}

void sockets_poll(struct sockets *w, sockets_fn fn)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(w->epoll_fd, events, EVENTS_MAX, 0);

	for (int i = 0; i < n; i++)
		handle(w, &events[i], fn);
}
