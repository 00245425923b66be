/* child.h - a child process with descriptors to inherit, and word of its end.
 */
#ifndef NET_CHILD_H
#define NET_CHILD_H

#include "base/compiler.h"

struct loop;
struct child;

enum { CHILD_FDS_MAX = 16 };

struct child_settings {
	const char *path;  /* of the program */
	char *const *argv; /* NULL-terminated, as exec takes them */
	char *const *env;
	const int *
		fd; /* become 3, 4, ... in the child, besides standard output and error; -1 is left out. They
			* stay the caller's */
	size_t fds;
	/* It has ended, by this signal or, when that is 0, with this status; may free the child. */
	void (*ended)(void *arg, int status, int signum);
	void *arg;
};

/* NULL with a reason. */
must_use struct child *child_start(struct loop *loop, const struct child_settings *settings,
				   char ret_error[200]);
int child_pid(const struct child *c);
void child_signal(struct child *c, int signum); /* one that has ended gets none */
/* After its end; one that still runs goes on, and nobody is told of its end. NULL is fine. The loop must run once more
 * (loop_free does). */
void child_free(struct child *c);

#endif
