#include "net/child.h"

#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "base/check.h"
#include "net/loop.h"

enum { STANDARD_FDS = 3 };

struct child {
	uv_process_t process;
	void (*ended)(void *arg, int status, int signum);
	void *arg;
	bool gone;
};

static void on_ended(uv_process_t *process, int64_t status, int signum)
{
	struct child *c = container_of(process, struct child, process);

	c->gone = true;
	if (c->ended != NULL)
		c->ended(c->arg, (int)status, signum);
}

static void on_closed(uv_handle_t *handle)
{
	free(container_of((uv_process_t *)(void *)handle, struct child, process));
}

static uv_stdio_container_t inherit(int fd)
{
	if (fd < 0)
		return (uv_stdio_container_t){ .flags = UV_IGNORE };
	return (uv_stdio_container_t){ .flags = UV_INHERIT_FD, .data.fd = fd };
}

struct child *child_start(struct loop *loop, const struct child_settings *set, char ret_error[200])
{
	uv_stdio_container_t io[STANDARD_FDS + CHILD_FDS_MAX] = { inherit(-1), inherit(1),
								  inherit(2) };
	struct child *c = xcalloc(1, sizeof(*c));
	int error;

	check(set->fds <= CHILD_FDS_MAX);
	for (size_t i = 0; i < set->fds; i++)
		io[STANDARD_FDS + i] = inherit(set->fd[i]);
	c->ended = set->ended;
	c->arg = set->arg;
	error = uv_spawn(loop_uv(loop), &c->process,
			 &(uv_process_options_t){
				 .exit_cb = on_ended,
				 .file = set->path,
				 .args = (char **)set->argv,
				 .env = (char **)set->env,
				 .stdio_count = STANDARD_FDS + (int)set->fds,
				 .stdio = io,
			 });
	if (error == 0)
		return c;
	snprintf(ret_error, 200, "cannot start %.100s: %s", set->path, uv_strerror(error));
	c->gone = true;
	uv_close((uv_handle_t *)&c->process, on_closed);
	return NULL;
}

int child_pid(const struct child *c)
{
	return c->process.pid;
}

void child_signal(struct child *c, int signum)
{
	if (!c->gone)
		(void)uv_process_kill(&c->process, signum);
}

void child_free(struct child *c)
{
	if (c == NULL)
		return;
	c->ended = NULL;
	uv_close((uv_handle_t *)&c->process, on_closed);
}
