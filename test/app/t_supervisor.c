/* The supervisor over real processes (supervised_child.c), whose lives are read from their log. */
#include "t.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/supervisor.h"
#include "base/check.h"
#include "base/log.h"
#include "net/loop.h"

enum { LINES_MAX = 200, LOOK_MS = 5 };

struct play {
	struct loop *loop;
	struct supervisor_settings set;
	char program[512];
	char *args[2][3]; /* of each role: mode, directory */
	int ready;        /* calls */
	char text[16 * 1024];
	const char *line[LINES_MAX];
	size_t lines;
	/* What is waited for, and what is done then; the next one. */
	struct stage {
		bool (*when)(struct play *p);
		int signum;
	} stage[4];
	size_t at;
};

static void read_log(struct play *p)
{
	char path[512];
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/log", t_tmpdir());
	fd = open(path, O_RDONLY);
	if (fd >= 0) {
		n = read(fd, p->text, sizeof(p->text) - 1);
		close(fd);
	}
	check(n >= 0);
	p->text[n] = '\0';
	p->lines = 0;
	for (char *s = p->text, *end; (end = strchr(s, '\n')) != NULL; s = end + 1) {
		*end = '\0';
		check(p->lines < LINES_MAX);
		p->line[p->lines++] = s;
	}
}

/* Lines that begin so. */
static int count(struct play *p, const char *what)
{
	int n = 0;

	read_log(p);
	for (size_t i = 0; i < p->lines; i++)
		n += strncmp(p->line[i], what, strlen(what)) == 0;
	return n;
}

static int64_t watch(void *arg, int64_t wall_ms, int64_t mono_ms)
{
	struct play *p = arg;
	const struct stage *s = &p->stage[p->at];

	if (s->when != NULL && s->when(p)) {
		p->at++;
		check(raise(s->signum) == 0);
	}
	return mono_ms + LOOK_MS;
}

static void all_ready(void *arg)
{
	((struct play *)arg)->ready++;
}

static void set_role(struct play *p, size_t i, struct supervisor_role role, const char *mode)
{
	p->args[i][0] = (char *)mode;
	p->args[i][1] = (char *)t_tmpdir();
	role.args = p->args[i];
	p->set.role[i] = role;
	p->set.roles = i + 1;
}

static void prepare(struct play *p, int n, const char *mode)
{
	ssize_t len;
	char *slash;

	*p = (struct play){ .loop = loop_new() };
	len = readlink("/proc/self/exe", p->program, sizeof(p->program) - 40);
	check(len > 0);
	p->program[len] = '\0';
	slash = strrchr(p->program, '/');
	snprintf(slash, 40, "/app/supervised_child");
	log_setup(LOG_OFF);
	p->set = (struct supervisor_settings){
		.program = p->program,
		.socket = { -1, -1, -1 },
		.end_ms_max = 20 * 1000,
		.ready = all_ready,
		.arg = p,
	};
	set_role(p, 0, (struct supervisor_role){ .command = "compute", .n = n }, mode);
}

static int play(struct play *p)
{
	struct supervisor *s = supervisor_new(p->loop, &p->set);
	int status;

	loop_on_turn(p->loop, watch, p);
	status = supervisor_run(s);
	supervisor_free(s);
	loop_free(p->loop);
	return status;
}

static bool is_ready(struct play *p)
{
	return p->ready > 0;
}

/* ---- starting and ending ---------------------------------------------------------------------------- */

TEST(all_start_and_all_end)
{
	struct play p;

	prepare(&p, 3, "good");
	set_role(&p, 1,
		 (struct supervisor_role){ .command = "logs", .n = 2, .index_flag = "-slot" },
		 "good");
	p.stage[0] = (struct stage){ is_ready, SIGTERM };
	T_EQ_INT(play(&p), 0);
	T_EQ_INT(p.ready, 1);
	T_EQ_INT(count(&p, "start"), 5);
	T_EQ_INT(count(&p, "ready"), 5);
	T_EQ_INT(count(&p, "end"), 5);
	T_EQ_INT(count(&p, "start logs-1-slot=1"), 1);
	/* The first role ends first, and the first process is alone at first. */
	T_EQ_STR(p.line[0], "start compute-0");
	T_EQ_STR(p.line[1], "ready compute-0");
	for (size_t i = p.lines - 2; i < p.lines; i++)
		T_CHECK(strncmp(p.line[i], "end logs", 8) == 0);
}

TEST(when_the_first_one_cannot_start_nothing_does)
{
	struct play p;

	prepare(&p, 3, "fail");
	T_EQ_INT(play(&p), 7);
	T_EQ_INT(count(&p, "start"), 1);
	T_EQ_INT(p.ready, 0);
}

TEST(a_program_that_is_not_there)
{
	struct play p;

	prepare(&p, 1, "good");
	p.set.program = "/nothing/here";
	T_CHECK(play(&p) != 0);
}

static bool is_ready_twice(struct play *p)
{
	return count(p, "ready compute-0") == 2 && count(p, "ready") >= 3;
}

TEST(what_dies_is_started_again)
{
	struct play p;

	prepare(&p, 2, "crash");
	p.stage[0] = (struct stage){ is_ready_twice, SIGTERM };
	T_EQ_INT(play(&p), 0);
	T_EQ_INT(count(&p, "ready"), 3);
	T_EQ_INT(count(&p, "end"), 2);
}

TEST(who_does_not_end_is_killed)
{
	struct play p;

	prepare(&p, 2, "deaf");
	p.set.end_ms_max = 100;
	p.stage[0] = (struct stage){ is_ready, SIGTERM };
	T_EQ_INT(play(&p), 0);
	T_EQ_INT(count(&p, "end"), 0);
}

static bool at_once(struct play *p)
{
	return true;
}

TEST(a_second_signal_kills)
{
	struct play p;

	prepare(&p, 2, "deaf");
	p.stage[0] = (struct stage){ is_ready, SIGTERM };
	p.stage[1] = (struct stage){ at_once, SIGINT };
	T_EQ_INT(play(&p), 0);
	T_EQ_INT(count(&p, "end"), 0);
}

/* ---- rolling restarts ------------------------------------------------------------------------------- */

static bool have_three_ended(struct play *p)
{
	return count(p, "end") == 3;
}

TEST(a_rolling_restart_replaces_each_and_never_has_fewer)
{
	int ready = 0, ended = 0;
	struct play p;

	prepare(&p, 3, "good");
	p.stage[0] = (struct stage){ is_ready, SIGHUP };
	p.stage[1] = (struct stage){ have_three_ended, SIGTERM };
	T_EQ_INT(play(&p), 0);
	T_EQ_INT(count(&p, "start"), 6);
	T_EQ_INT(count(&p, "retire"), 3);
	T_EQ_INT(count(&p, "end"), 6);
	/* One is replaced at a time: there are three or four, from the first readiness to the last end by retirement. */
	for (size_t i = 0; i < p.lines && ended < 3; i++) {
		ready += strncmp(p.line[i], "ready", 5) == 0;
		ended += strncmp(p.line[i], "end", 3) == 0;
		T_CHECK(ended == 0 || ready - ended == 3 || ready - ended == 4);
	}
}

static bool has_one_ended(struct play *p)
{
	return count(p, "ready logs") == 2;
}

TEST(of_a_role_whose_processes_are_alone_the_old_one_ends_first)
{
	static const char *const lives[] = { "start", "ready", "retire", "end", "start", "ready" };
	size_t at = 0;
	struct play p;

	prepare(&p, 1, "good");
	set_role(&p, 1, (struct supervisor_role){ .command = "logs", .n = 1, .alone = true },
		 "good");
	p.stage[0] = (struct stage){ is_ready, SIGHUP };
	p.stage[1] = (struct stage){ has_one_ended, SIGTERM };
	T_EQ_INT(play(&p), 0);
	read_log(&p);
	for (size_t i = 0; i < p.lines && at < countof(lives); i++) {
		if (strstr(p.line[i], "logs-0") == NULL)
			continue;
		T_CHECK(strncmp(p.line[i], lives[at], strlen(lives[at])) == 0);
		at++;
	}
	T_EQ_INT(at, countof(lives));
}

static bool is_ready_for_bad_news(struct play *p)
{
	char path[512];
	int fd;

	if (!is_ready(p))
		return false;
	snprintf(path, sizeof(path), "%s/bad", t_tmpdir());
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	check(fd >= 0);
	close(fd);
	return true;
}

static bool have_three_failed(struct play *p)
{
	return count(p, "start") == 5;
}

TEST(when_the_fresh_ones_do_not_become_ready_the_old_ones_stay)
{
	struct play p;

	prepare(&p, 2, "fresh");
	p.stage[0] = (struct stage){ is_ready_for_bad_news, SIGHUP };
	p.stage[1] = (struct stage){ have_three_failed, SIGTERM };
	T_EQ_INT(play(&p), 0);
	T_EQ_INT(count(&p, "start"), 5);
	T_EQ_INT(count(&p, "ready"), 2);
	T_EQ_INT(count(&p, "retire"), 0);
	T_EQ_INT(count(&p, "end"), 2);
}

/* ---- poison ----------------------------------------------------------------------------------------- */

/* The very first process may not die before it is ready, or the supervisor would give up: so the poison is in the
 * second role. */
TEST(three_die_of_a_message_and_then_nobody)
{
	struct play p;

	prepare(&p, 1, "good");
	set_role(&p, 1, (struct supervisor_role){ .command = "work", .n = 1 }, "poison");
	p.stage[0] = (struct stage){ is_ready, SIGTERM };
	T_EQ_INT(play(&p), 0);
	T_EQ_INT(count(&p, "dies"), 3);
	T_EQ_INT(count(&p, "told work-0"), 1);
	T_EQ_INT(count(&p, "told compute-0"), 1);
	T_EQ_INT(count(&p, "ready work-0"), 1);
	T_EQ_INT(count(&p, "end"), 2);
}
