#include "app/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "app/supervisor.h"
#include "base/check.h"
#include "base/log.h"
#include "net/channel.h"
#include "net/child.h"

static void message(void *arg, struct str m)
{
	struct worker *w = arg;
	struct str what = str_cut(&m, ' ');

	w->message(w, what, m);
}

/* Word of its end comes another way. */
static void channel_ended(void *arg)
{
}

static void child_ended(void *arg, int status, int signum)
{
	struct worker *w = arg;

	w->ended(w, status, signum);
}

static int make_page(struct inhand **ret_page)
{
	int fd = memfd_create("qstash-page", MFD_CLOEXEC);
	void *page;

	if (fd < 0)
		return -1;
	if (ftruncate(fd, sizeof(struct inhand)) == 0) {
		page = mmap(NULL, sizeof(struct inhand), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (page != MAP_FAILED) {
			*ret_page = page;
			return fd;
		}
	}
	close(fd);
	return -1;
}

/* Our environment, and in it the child's name. The caller frees the array. */
static char **environment(char *name)
{
	size_t n = 0, out = 0;
	char **env;

	while (environ[n] != NULL)
		n++;
	env = xcalloc(n + 2, sizeof(*env));
	for (size_t i = 0; i < n; i++)
		if (strncmp(environ[i], INHERIT_NAME "=", strlen(INHERIT_NAME "=")) != 0)
			env[out++] = environ[i];
	env[out] = name;
	return env;
}

/* The caller frees the array. */
static char **arguments(const struct supervisor_role *role, const char *program, char *index)
{
	size_t n = 0;
	char **argv;

	while (role->args[n] != NULL)
		n++;
	argv = xcalloc(n + 4, sizeof(*argv));
	argv[0] = (char *)program;
	argv[1] = (char *)role->command;
	memcpy(argv + 2, role->args, n * sizeof(*argv));
	argv[n + 2] = role->index_flag != NULL ? index : NULL;
	return argv;
}

static struct child *spawn(struct worker *w, struct loop *loop, const char *program, const int *fd,
			   char ret_error[200])
{
	char name[64], index[64];
	char **argv, **env;
	struct child *child;

	snprintf(name, sizeof(name), INHERIT_NAME "=%s", w->name);
	snprintf(index, sizeof(index), "%s=%d", w->role->index_flag ? w->role->index_flag : "",
		 w->index);
	argv = arguments(w->role, program, index);
	env = environment(name);
	child = child_start(loop,
			    &(struct child_settings){
				    .path = program,
				    .argv = argv,
				    .env = env,
				    .fd = fd,
				    .fds = INHERIT_FDS_END - INHERIT_CHANNEL_FD,
				    .ended = child_ended,
				    .arg = w,
			    },
			    ret_error);
	free(argv);
	free(env);
	return child;
}

bool worker_start(struct worker *w, struct loop *loop, const char *program,
		  const int socket[INHERIT_SOCKETS], int64_t now_ms)
{
	static const struct channel_ops ops = { message, channel_ended };
	int fd[INHERIT_FDS_END - INHERIT_CHANNEL_FD], pair[2];
	char why[200];

	check(w->state == WORKER_WAITING && w->child == NULL);
	if (!channel_pair(pair)) {
		log_error("supervisor", "%s cannot be started: %s", w->name, strerror(errno));
		return false;
	}
	fd[0] = pair[1];
	fd[1] = make_page(&w->page);
	memcpy(fd + INHERIT_PORT_FD - INHERIT_CHANNEL_FD, socket, INHERIT_SOCKETS * sizeof(*fd));
	snprintf(why, sizeof(why), "%s", strerror(errno));
	if (fd[1] >= 0)
		w->child = spawn(w, loop, program, fd, why);
	w->channel = channel_open(loop, pair[0], &ops, w);
	close(fd[0]);
	if (fd[1] >= 0)
		close(fd[1]);
	if (w->child == NULL) {
		log_error("supervisor", "%s cannot be started: %s", w->name, why);
		worker_clean(w);
		return false;
	}
	w->state = WORKER_STARTING;
	w->started_ms = now_ms;
	return true;
}

void worker_take_numbers(struct worker *w, struct str numbers, int64_t now_ms)
{
	int64_t at_ms = 0, cpu_us = 0, waiting = 0;

	while (numbers.n > 0) {
		struct str value = str_cut(&numbers, ' '), name = str_cut(&value, '=');
		int64_t *to = str_eq(name, STR("at_ms"))     ? &at_ms
			      : str_eq(name, STR("cpu_us"))  ? &cpu_us
			      : str_eq(name, STR("waiting")) ? &waiting
							     : NULL;

		if (to != NULL && !str_i64(value, to))
			return;
	}
	if (w->cpu_at_ms != 0 && at_ms > w->cpu_at_ms) {
		w->sample.cpu_percent = (int)((cpu_us - w->cpu_us) / 10 / (at_ms - w->cpu_at_ms));
		w->sample.waiting = waiting != 0;
		w->sample_ms = now_ms;
	}
	w->cpu_us = cpu_us;
	w->cpu_at_ms = at_ms;
}

void worker_tell(struct worker *w, struct str m)
{
	if (w->channel != NULL && !channel_send(w->channel, m))
		log_warn("supervisor", "%s could not be told: %.*s", w->name, STR_FMT(m));
}

void worker_signal(struct worker *w, int signum)
{
	if (w->child != NULL)
		child_signal(w->child, signum);
}

void worker_clean(struct worker *w)
{
	channel_close(w->channel);
	child_free(w->child);
	if (w->page != NULL)
		munmap(w->page, sizeof(*w->page));
	w->channel = NULL;
	w->child = NULL;
	w->page = NULL;
	w->cpu_at_ms = w->cpu_us = w->sample_ms = 0;
	w->sample = (struct scaling_sample){ 0 };
}
