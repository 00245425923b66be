#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
	LINE_BYTES_MAX = 2048,
	WINDOW_MS = 60 * 1000,
};

static _Atomic int least_level = LOG_INFO;

static const char *const level_names[] = { "debug", "info", "warn", "error" };

void log_setup(enum log_level least)
{
	atomic_store(&least_level, (int)least);
}

static size_t put_head(char *line, size_t cap, enum log_level level, const char *module)
{
	struct timespec now;
	struct tm tm;
	char when[32];
	int n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	n = snprintf(line, cap, "%s.%03dZ %s %s: ", when, (int)(now.tv_nsec / 1000000),
		     level_names[level], module);
	return n < 0 ? 0 : (size_t)n < cap ? (size_t)n : cap - 1;
}

void log_line(enum log_level level, const char *module, const char *fmt, ...)
{
	char line[LINE_BYTES_MAX];
	int former_errno = errno;
	va_list args;
	size_t head, n;
	int wrote;

	if ((int)level < atomic_load(&least_level) || level >= LOG_OFF)
		return;
	head = put_head(line, sizeof(line) - 1, level, module);
	va_start(args, fmt);
	wrote = vsnprintf(line + head, sizeof(line) - 1 - head, fmt, args);
	va_end(args);
	n = head + (wrote < 0 ? 0 : (size_t)wrote);
	if (n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	/* One event is one line, whatever text from outside is quoted in it. */
	for (size_t i = head; i < n; i++) {
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = ' ';
	}
	line[n++] = '\n';
	/* One write, so that lines of several threads or processes do not mix. There is nobody to
	 * tell when it fails. */
	if (write(STDERR_FILENO, line, n) < 0)
		errno = 0;
	errno = former_errno;
}

bool log_allowed(struct log_limit *l, int per_minute, int64_t now_ms)
{
	if (now_ms >= l->window_start_ms + WINDOW_MS || now_ms < l->window_start_ms || !l->count) {
		if (l->skipped)
			log_warn("log", "%d lines of the kind that follows were left out",
				 l->skipped);
		*l = (struct log_limit){ .window_start_ms = now_ms };
	}
	if (l->count >= per_minute) {
		l->skipped++;
		return false;
	}
	l->count++;
	return true;
}
