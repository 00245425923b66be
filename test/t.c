#include "t.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_SKIPPED = 77 };

static struct t_case *first_case, **last_case = &first_case;
static char tmp_root[PATH_MAX / 2]; /* holds one directory per test that asked for it */
static int tmp_count;

struct tally {
	int passed, failed, skipped;
};

void t_register(struct t_case *c)
{
	*last_case = c;
	last_case = &c->next;
}

int64_t t_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void t_pause(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

void t_fail(const char *file, int line, const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "%s:%d: ", file, line);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	/* Without the handlers of exit: a leak report would only hide the reason. */
	_exit(1);
}

void t_skip(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	_exit(EXIT_SKIPPED);
}

void t_eq_int(long long a, long long b, const char *what, const char *file, int line)
{
	if (a != b)
		t_fail(file, line, "%s is %lld, expected %lld", what, a, b);
}

static void print_bytes(struct str s)
{
	fputc('"', stderr);
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20 || c == 0x7f || c == '"' || c == '\\')
			fprintf(stderr, "\\x%02x", c);
		else
			fputc(c, stderr);
	}
	fputs("\"\n", stderr);
}

void t_eq_str(struct str a, struct str b, const char *what, const char *file, int line)
{
	if (str_eq(a, b))
		return;
	fprintf(stderr, "     got ");
	print_bytes(a);
	fprintf(stderr, "expected ");
	print_bytes(b);
	t_fail(file, line, "%s differs", what);
}

const char *t_tmpdir(void)
{
	static char path[PATH_MAX];

	if (!path[0]) {
		snprintf(path, sizeof(path), "%s/%d", tmp_root, tmp_count);
		if (mkdir(path, 0700))
			T_FAIL("mkdir %s: %s", path, strerror(errno));
	}
	return path;
}

static void make_tmp_root(void)
{
	const char *base = getenv("TMPDIR");

	snprintf(tmp_root, sizeof(tmp_root), "%s/qstash-test-XXXXXX",
		 base && *base ? base : "/tmp");
	if (!mkdtemp(tmp_root)) {
		perror(tmp_root);
		exit(1);
	}
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	remove(path);
	return 0;
}

static void remove_tree(const char *path)
{
	nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void run_body(const struct t_case *c, const void *row)
{
	c->run(row);
	fflush(NULL);
	exit(0);
}

/* The child leads a process group, so that whatever it starts can be ended with it, and goes when
 * we go. */
static pid_t start(const struct t_case *c, const void *row, int out_fd, const sigset_t *mask)
{
	pid_t parent = getpid(), pid;

	fflush(NULL);
	pid = fork();
	if (pid)
		return pid;
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	sigprocmask(SIG_SETMASK, mask, NULL);
	dup2(out_fd, STDOUT_FILENO);
	dup2(out_fd, STDERR_FILENO);
	close(out_fd);
	run_body(c, row);
	return 0;
}

/* The exit status once it ends, or -1 when it had to be killed. SIGCHLD is blocked, so none is
 * missed. */
static int await(pid_t pid, int64_t timeout_ms)
{
	int64_t end_ms = t_now_ms() + timeout_ms;
	bool late = false;
	sigset_t child;
	int status;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	while (waitpid(pid, &status, late ? 0 : WNOHANG) != pid) {
		int64_t left_ms = end_ms - t_now_ms();

		late = left_ms <= 0;
		if (late)
			kill(pid, SIGKILL);
		else
			sigtimedwait(
				&child, NULL,
				&(struct timespec){ left_ms / 1000, left_ms % 1000 * 1000000 });
	}
	kill(-pid, SIGKILL); /* what it left running */
	return late ? -1 : status;
}

static void show_output(int fd)
{
	char block[4096];
	ssize_t n;

	lseek(fd, 0, SEEK_SET);
	while ((n = read(fd, block, sizeof(block))) > 0)
		fwrite(block, 1, (size_t)n, stdout);
}

static void judge(struct tally *t, const char *name, int status, int out_fd)
{
	if (status != -1 && WIFEXITED(status) && !WEXITSTATUS(status)) {
		t->passed++;
		return;
	}
	if (status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED) {
		t->skipped++;
		printf("SKIP %s: ", name);
		show_output(out_fd);
		return;
	}
	t->failed++;
	if (status == -1)
		printf("FAIL %s (time limit)\n", name);
	else if (WIFSIGNALED(status))
		printf("FAIL %s (signal %d, %s)\n", name, WTERMSIG(status),
		       strsignal(WTERMSIG(status)));
	else
		printf("FAIL %s (exit status %d)\n", name, WEXITSTATUS(status));
	show_output(out_fd);
}

static void run_one(struct tally *t, const struct t_case *c, const void *row, const char *name)
{
	const char *factor = getenv("T_TIMEOUT_FACTOR");
	int64_t timeout_ms = (int64_t)c->timeout_s * 1000 * (factor ? strtol(factor, NULL, 10) : 1);
	int out_fd = memfd_create("output", MFD_CLOEXEC);
	sigset_t child, mask;
	char dir[PATH_MAX];
	pid_t pid;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, &mask);
	tmp_count++;
	pid = out_fd < 0 ? -1 : start(c, row, out_fd, &mask);
	if (pid < 0) {
		perror("starting a test");
		exit(1);
	}
	judge(t, name, await(pid, timeout_ms), out_fd);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	close(out_fd);
	snprintf(dir, sizeof(dir), "%s/%d", tmp_root, tmp_count);
	remove_tree(dir);
}

struct settings {
	const char *filter;
	bool list, foreground;
};

static void run_case(struct tally *t, const struct t_case *c, const struct settings *s)
{
	size_t count = c->row_count ? c->row_count : 1;

	for (size_t i = 0; i < count; i++) {
		const void *row = c->rows ? (const char *)c->rows + i * c->row_size : NULL;
		char name[256];

		snprintf(name, sizeof(name), c->rows ? "%s[%zu]" : "%s", c->name, i);
		if (s->filter && !strstr(name, s->filter))
			continue;
		if (s->list) {
			puts(name);
		} else if (s->foreground) {
			tmp_count++;
			c->run(row);
			t->passed++;
		} else {
			run_one(t, c, row, name);
		}
	}
}

int main(int argc, char **argv)
{
	struct settings s = { 0 };
	struct tally t = { 0 };

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "-l"))
			s.list = true;
		else if (!strcmp(argv[i], "-f"))
			s.foreground = true;
		else
			s.filter = argv[i];
	}
	if (!s.list)
		make_tmp_root();
	for (const struct t_case *c = first_case; c; c = c->next)
		run_case(&t, c, &s);
	if (s.list)
		return 0;
	remove_tree(tmp_root);
	if (t.skipped)
		printf("%d skipped\n", t.skipped);
	printf("%d passed, %d failed\n", t.passed, t.failed);
	return t.failed || !t.passed;
}
