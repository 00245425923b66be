#include "app/supervise.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/dirs.h"
#include "app/serve.h"
#include "app/stores.h"
#include "app/supervisor.h"
#include "base/check.h"
#include "base/log.h"
#include "net/httpd.h"
#include "net/loop.h"

/* Beyond the grace: for idle connections, for a store that is away, and to spare. */
enum { END_SPARE_MS = 20 * 1000, PATH_BYTES = 4096 };

struct supervise {
	const struct conf *conf;
	char *dir;
	char *control_path;
	int lock_fd;
	int socket[INHERIT_SOCKETS];
};

static int *socket_of(struct supervise *s, int fd)
{
	return &s->socket[fd - INHERIT_PORT_FD];
}

static bool listen_on(struct supervise *s, int fd, int64_t port, char ret_error[STORES_ERROR_BYTES])
{
	char why[200];
	const char *flag = fd == INHERIT_PORT_FD ? "-port" : "-log-port";
	const struct httpd_settings set = { .host = s->conf->host, .port = (int)port };

	*socket_of(s, fd) = httpd_listen(&set, why);
	if (*socket_of(s, fd) < 0)
		snprintf(ret_error, STORES_ERROR_BYTES, "cannot listen; choose another %s: %s",
			 flag, why);
	return *socket_of(s, fd) >= 0;
}

static void listen_for_commands(struct supervise *s)
{
	char why[200];

	s->control_path = dirs_join(s->dir, DIRS_CONTROL);
	*socket_of(s, INHERIT_CONTROL_FD) =
		httpd_listen(&(struct httpd_settings){ .unix_path = s->control_path }, why);
	if (*socket_of(s, INHERIT_CONTROL_FD) < 0)
		log_warn("supervise", "'qstash users' cannot reach this server: %s", why);
}

static bool open_all(struct supervise *s, char ret_error[STORES_ERROR_BYTES])
{
	s->dir = dirs_data(s->conf, ret_error);
	if (s->dir == NULL)
		return false;
	s->lock_fd = stores_take_dir(s->dir, ret_error);
	if (s->lock_fd < 0 || !listen_on(s, INHERIT_PORT_FD, s->conf->port, ret_error))
		return false;
	if (s->conf->log_port != 0 &&
	    !listen_on(s, INHERIT_LOG_PORT_FD, s->conf->log_port, ret_error))
		return false;
	listen_for_commands(s);
	return true;
}

static void close_all(struct supervise *s)
{
	for (size_t i = 0; i < countof(s->socket); i++)
		if (s->socket[i] >= 0)
			close(s->socket[i]);
	if (s->control_path != NULL)
		(void)unlink(s->control_path);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	free(s->control_path);
	free(s->dir);
}

static void all_are_ready(void *arg)
{
	struct supervise *s = arg;
	int log_fd = *socket_of(s, INHERIT_LOG_PORT_FD);
	char why[STORES_ERROR_BYTES];

	if (!stores_mark_dir(s->dir, why))
		log_error("supervise", "%s", why);
	serve_print_banner(s->conf, s->dir, httpd_port_of(*socket_of(s, INHERIT_PORT_FD)),
			   log_fd >= 0 ? httpd_port_of(log_fd) : 0);
}

static int cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > CONF_PROCESSES_MAX ? CONF_PROCESSES_MAX : (int)n;
}

static int run(struct supervise *s, const char *program, char *const *args)
{
	const struct conf *conf = s->conf;
	bool is_auto = strcmp(conf->processes, "auto") == 0;
	struct supervisor_settings set = {
		.program = program,
		.role = {
			{ .command = "compute", .args = args },
			{ .command = "logs",
			  .args = args,
			  .index_flag = "-slot",
			  .n = (int)conf->log_processes,
			  .alone = true },
		},
		.roles = *conf->logs != '\0' ? 1 : 2, /* they may be elsewhere */
		.end_ms_max = conf->grace_s * 1000 + END_SPARE_MS,
		.scaling = {
			.least = 1,
			.most = is_auto ? cpus() : 0,
			.busy_percent = (int)conf->busy_percent,
			.busy_ms = conf->busy_s * 1000,
			.idle_percent = (int)conf->idle_percent,
			.idle_ms = conf->idle_s * 1000,
		},
		.ready = all_are_ready,
		.arg = s,
	};
	struct loop *loop = loop_new();
	struct supervisor *supervisor;
	int64_t n = 1;
	int status;

	check(loop != NULL);
	if (!is_auto)
		check(str_i64(str_c(conf->processes), &n));
	set.role[0].n = (int)n;
	memcpy(set.socket, s->socket, sizeof(set.socket));
	supervisor = supervisor_new(loop, &set);
	status = supervisor_run(supervisor);
	supervisor_free(supervisor);
	loop_free(loop);
	return status;
}

int supervise(const struct conf *conf, char *const *args)
{
	struct supervise s = { .conf = conf, .lock_fd = -1 };
	char error[STORES_ERROR_BYTES] = "", program[PATH_BYTES];
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	int status = 1;

	for (size_t i = 0; i < countof(s.socket); i++)
		s.socket[i] = -1;
	/* By its name: after an upgrade in place, a rolling restart runs what is there then. */
	if (n <= 0)
		snprintf(error, sizeof(error), "cannot find this program: /proc is not mounted");
	else
		program[n] = '\0';
	if (n > 0 && open_all(&s, error))
		status = run(&s, program, args);
	else
		fprintf(stderr, "qstash: %s\n", error);
	close_all(&s);
	return status;
}
