#include "net/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/check.h"
#include "net/loop.h"

enum { MESSAGES_PER_TURN = 64 };

struct channel {
	uv_poll_t poll;
	int fd;
	const struct channel_ops *ops;
	void *arg;
};

bool channel_pair(int ret_fd[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ret_fd) == 0;
}

/* False when there is nothing more to read now, or ever. */
static bool read_one(struct channel *c, bool *ret_ended)
{
	char text[CHANNEL_BYTES_MAX];
	ssize_t n = recv(c->fd, text, sizeof(text), 0);

	if (n > 0) {
		c->ops->message(c->arg, str_n(text, (size_t)n));
		return true;
	}
	*ret_ended = n == 0 || (errno != EAGAIN && errno != EINTR);
	return false;
}

void channel_read(struct channel *c)
{
	bool ended = false;

	for (int i = 0; i < MESSAGES_PER_TURN; i++)
		if (!read_one(c, &ended))
			break;
	if (!ended)
		return;
	uv_poll_stop(&c->poll);
	c->ops->ended(c->arg);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	channel_read(container_of(poll, struct channel, poll));
}

struct channel *channel_open(struct loop *loop, int fd, const struct channel_ops *ops, void *arg)
{
	struct channel *c = xcalloc(1, sizeof(*c));

	c->fd = fd;
	c->ops = ops;
	c->arg = arg;
	check(uv_poll_init(loop_uv(loop), &c->poll, fd) == 0);
	check(uv_poll_start(&c->poll, UV_READABLE, on_readable) == 0);
	return c;
}

bool channel_send(struct channel *c, struct str m)
{
	check(m.n > 0 && m.n <= CHANNEL_BYTES_MAX);
	return send(c->fd, m.p, m.n, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)m.n;
}

static void on_closed(uv_handle_t *handle)
{
	struct channel *c = container_of((uv_poll_t *)(void *)handle, struct channel, poll);

	close(c->fd);
	free(c);
}

void channel_close(struct channel *c)
{
	if (c != NULL)
		uv_close((uv_handle_t *)&c->poll, on_closed);
}
