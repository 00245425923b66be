#include "base/problem.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/str.h"

/* Takes off the sequence at the end that the cut left incomplete. */
static void cut_at_character(char *text, size_t n)
{
	size_t back = 0;

	while (back < 3 && back < n && (text[n - 1 - back] & 0xc0) == 0x80)
		back++;
	if (back < n && !str_utf8_step(str_n(text + n - 1 - back, back + 1)))
		text[n - 1 - back] = '\0';
}

bool problem_set(struct problem *p, int status, const char *fmt, ...)
{
	va_list args;
	int n;

	check(status >= 400 && status < 600);
	p->status = status;
	va_start(args, fmt);
	n = vsnprintf(p->text, sizeof(p->text), fmt, args);
	va_end(args);
	check(n >= 0);
	if ((size_t)n >= sizeof(p->text))
		cut_at_character(p->text, sizeof(p->text) - 1);
	return false;
}
