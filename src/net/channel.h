/* channel.h - messages between two processes of one machine, over a pair of sockets.
 *
 * A message is some bytes that arrive whole, in order, or not at all. Nobody waits: a message that the other end
 * has left no room for is refused, and it is for the owner to say whether that matters.
 */
#ifndef NET_CHANNEL_H
#define NET_CHANNEL_H

#include "base/compiler.h"
#include "base/str.h"

enum { CHANNEL_BYTES_MAX = 4096 };

struct loop;
struct channel;

struct channel_ops {
	void (*message)(void *arg, struct str m); /* as long as the call runs */
	void (*ended)(void *arg);                 /* the other end is gone; may close the channel */
};

/* Two connected descriptors, closed on exec. False when the system has none left. */
must_use bool channel_pair(int ret_fd[2]);
/* Takes over fd. `ops` and `arg` outlive the channel. */
must_use struct channel *channel_open(struct loop *loop, int fd, const struct channel_ops *ops,
				      void *arg);
/* Takes the messages that have come by now, before the loop does. */
void channel_read(struct channel *c);
/* False when it was not sent. */
bool channel_send(struct channel *c, struct str m);
/* Not from inside `message`. NULL is fine. The loop must run once more (loop_free does). */
void channel_close(struct channel *c);

#endif
