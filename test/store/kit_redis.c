/* The Redis backend as the kit opens it, each on a server of its own, which ends with the test: without
 * persistence and with batches inside flush, and durable, with its thread. Killed or closed, the server goes, too. */
#include "kit_redis.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

enum { START_S = 20 };

/* ---- servers --------------------------------------------------------------------------------- */

static bool answers(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char answer[5] = "";
	bool ok;

	T_CHECK(fd >= 0 && strlen(path) < sizeof(to.sun_path));
	memcpy(to.sun_path, path, strlen(path));
	/* While it reads its files it answers with an error. */
	ok = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
	     write(fd, "PING\r\n", 6) == 6 && recv(fd, answer, sizeof(answer), MSG_WAITALL) == 5 &&
	     memcmp(answer, "+PONG", 5) == 0;
	close(fd);
	return ok;
}

static no_return void become_server(const struct redis_server *s)
{
	const char *aof = s->durable ? "yes" : "no";
	const char *args[] = {
		"redis-server", "--port",    "0",    "--unixsocket", s->socket, "--dir",
		s->dir,         "--save",    "",     "--appendonly", aof,       "--appendfsync",
		"always",       "--logfile", s->log, "--loglevel",   "warning", NULL
	};

	/* However the test ends, so does the server. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execvp(args[0], (char *const *)args);
	_exit(127);
}

static bool has_ended(struct redis_server *s)
{
	int status;

	if (waitpid(s->pid, &status, WNOHANG) != s->pid)
		return false;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		T_SKIP("redis-server is not installed");
	T_FAIL("redis-server ended at its start, see %s", s->log);
}

void redis_server_start(struct redis_server *s)
{
	(void)unlink(s->socket);
	s->pid = fork();
	T_CHECK(s->pid >= 0);
	if (s->pid == 0)
		become_server(s);
	T_UNTIL(has_ended(s) || answers(s->socket), START_S);
}

void redis_server_init(struct redis_server *s, const char *name, bool durable)
{
	*s = (struct redis_server){ .durable = durable };
	snprintf(s->dir, sizeof(s->dir), "%s/%s", t_tmpdir(), name);
	snprintf(s->socket, sizeof(s->socket), "%s/socket", s->dir);
	snprintf(s->log, sizeof(s->log), "%s/log", s->dir);
	snprintf(s->url, sizeof(s->url), "unix://%s", s->socket);
	T_CHECK(mkdir(s->dir, 0700) == 0);
}

void redis_server_kill(struct redis_server *s)
{
	T_CHECK(kill(s->pid, SIGKILL) == 0);
	T_CHECK(waitpid(s->pid, NULL, 0) == s->pid);
}

/* ---- backends -------------------------------------------------------------------------------- */

static struct store *attach(struct kit *k)
{
	struct redis_server *server = k->state;
	struct redis_settings set = {
		.url = server->url,
		.threaded = server->durable,
		.sole = server->durable,
		.allow_unsafe = !server->durable,
		.lease_ms = k->lease_ms,
		.wake = server->durable ? kit_ring : NULL,
		.wake_arg = k,
	};
	char error[REDIS_ERROR_LEN];
	struct store *s = redis_store_open(&set, k->now_ms, error);

	if (s == NULL)
		T_FAIL("%s", error);
	return s;
}

static void start(struct kit *k, bool durable)
{
	struct redis_server *server = k->state;

	if (server == NULL) {
		server = k->state = arena_new(&k->arena, struct redis_server);
		redis_server_init(server, k->name ? k->name : "redis", durable);
	}
	redis_server_start(server);
	k->s = server->store = attach(k);
}

static void open_volatile(struct kit *k)
{
	start(k, false);
}

static void open_durable(struct kit *k)
{
	start(k, true);
}

static void kill_it(struct kit *k)
{
	redis_server_kill(k->state);
	redis_store_kill(k->s);
	k->s = NULL;
}

static void close_it(struct kit *k)
{
	store_close(k->s);
	redis_server_kill(k->state);
	k->s = NULL;
}

static void kill_another(struct kit *k, struct store *s)
{
	T_CHECK(s != k->s);
	redis_store_kill(s);
}

static void check_it(struct kit *k)
{
	struct redis_server *server = k->state;
	char error[REDIS_ERROR_LEN];

	if (!redis_store_check(server->store, k->now_ms, error))
		T_FAIL("%s", error);
}

const struct kit_backend kit_redis = {
	.name = "redis",
	.open = open_volatile,
	.kill = kill_it,
	.close = close_it,
	.another = attach,
	.kill_another = kill_another,
	.verify = check_it,
};

const struct kit_backend kit_redis_durable = {
	.name = "redis, durable",
	.open = open_durable,
	.kill = kill_it,
	.close = close_it,
	.verify = check_it,
};
