/* supervised.h - a process as the child of a supervisor (supervisor.h): what it has inherited, what it tells and is told.
 *
 * A process that nobody supervises has none of this: pass NULL around.
 */
#ifndef APP_SUPERVISED_H
#define APP_SUPERVISED_H

#include "app/inherit.h"
#include "base/compiler.h"
#include "core/msg.h"

struct loop;
struct supervised;
struct inhand;

struct supervised_ops {
	void (*retire)(void *arg);
	void (*quarantine)(void *arg, struct str user, struct msg_id id);
};

struct supervised_numbers {
	bool waiting; /* there is work that it has no room for */
	int deliveries;
	size_t memory_bytes;
};

/* *ret_self stays NULL when the environment names no supervisor. False with one line for the user in ret_error when it
 * names one that is not there. A supervised process dies with its supervisor. */
must_use bool supervised_find(struct supervised **ret_self, char ret_error[200]);
/* From now on it is told things. `ops` and `arg` outlive it. */
void supervised_open(struct supervised *s, struct loop *loop, const struct supervised_ops *ops,
		     void *arg);
/* An inherited listening socket; 0 when there is none (or no supervisor). Once it is taken, it is the caller's. */
int supervised_take_socket(struct supervised *s, int fd);
struct inhand *supervised_inhand(struct supervised *s); /* NULL without a supervisor */
void supervised_ready(struct supervised *s);
/* Once in a turn: tells the numbers when it is time. Returns the mono ms of the next time. */
int64_t supervised_turn(struct supervised *s, const struct supervised_numbers *n, int64_t mono_ms);
/* Before loop_free. NULL is fine. */
void supervised_close(struct supervised *s);

#endif
