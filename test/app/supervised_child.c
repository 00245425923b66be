/* supervised_child.c - a child of the supervisor's test: `supervised_child COMMAND MODE DIR [-slot=N]`.
 *
 * It writes its life into DIR/log, a line for each thing. The modes:
 *
 *	good     is ready, and ends when told
 *	fail     ends with status 7 before it is ready
 *	crash    is ready; the first one to find no DIR/crashed makes it and dies by SIGKILL
 *	fresh    like good, but like fail once there is DIR/bad
 *	poison   takes message 7-9 of user ada in hand and dies of it, unless it was told not to
 *	deaf     is ready, and does not end when told
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/supervised.h"
#include "base/check.h"
#include "engine/inhand.h"
#include "net/loop.h"

struct life {
	const char *dir, *mode, *name;
	struct loop *loop;
	struct supervised *supervised;
	bool is_told; /* not to attempt the message */
};

static void write_line(const struct life *l, const char *what)
{
	char path[512], line[256];
	int fd, n = snprintf(line, sizeof(line), "%s %s\n", what, l->name);

	snprintf(path, sizeof(path), "%s/log", l->dir);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
	check(fd >= 0 && write(fd, line, (size_t)n) == n);
	close(fd);
}

static bool has(const struct life *l, const char *file)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", l->dir, file);
	return access(path, F_OK) == 0;
}

static bool makes(const struct life *l, const char *file)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", l->dir, file);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void end(void *arg)
{
	struct life *l = arg;

	if (strcmp(l->mode, "deaf") != 0)
		loop_stop(l->loop);
}

static void retire(void *arg)
{
	write_line(arg, "retire");
	end(arg);
}

static void quarantine(void *arg, struct str user, struct msg_id id)
{
	struct life *l = arg;

	check(str_eq(user, STR("ada")) && id.seq == 7 && id.nonce == 9);
	l->is_told = true;
	write_line(l, "told");
}

static void live(struct life *l)
{
	static const struct supervised_ops ops = { retire, quarantine };

	supervised_open(l->supervised, l->loop, &ops, l);
	if (strcmp(l->mode, "poison") == 0 && !l->is_told) {
		inhand_take(supervised_inhand(l->supervised), STR("ada"), (struct msg_id){ 7, 9 });
		write_line(l, "dies");
		raise(SIGKILL);
	}
	loop_on_signal(l->loop, SIGTERM, end, l);
	write_line(l, "ready");
	supervised_ready(l->supervised);
	if (strcmp(l->mode, "crash") == 0 && makes(l, "crashed"))
		raise(SIGKILL);
	loop_run(l->loop);
	write_line(l, "end");
	supervised_close(l->supervised);
}

int main(int argc, char **argv)
{
	char error[200], name[64];
	struct life l = { .name = name };

	check(argc == 4 || argc == 5);
	l.mode = argv[2];
	l.dir = argv[3];
	snprintf(name, sizeof(name), "%s%s", getenv(INHERIT_NAME), argc == 5 ? argv[4] : "");
	write_line(&l, "start");
	if (strcmp(l.mode, "fail") == 0 || (strcmp(l.mode, "fresh") == 0 && has(&l, "bad")))
		return 7;
	if (!supervised_find(&l.supervised, error)) {
		write_line(&l, error);
		return 1;
	}
	l.loop = loop_new();
	live(&l);
	loop_free(l.loop);
	return 0;
}
