/* lines.h - lists of headers as text, and back, for tests in tables. Values are taken as they
 * stand, spaces and all.
 */
#ifndef TEST_CORE_LINES_H
#define TEST_CORE_LINES_H

#include "base/arena.h"
#include "core/msg.h"

/* "Name: value" lines, separated by '\n'; NULL and "" give none. Views into `text`. */
static inline struct headers lines_headers(struct arena *a, const char *text)
{
	struct str rest = str_c(text), lines = rest;
	struct headers h = { 0 };
	size_t n = 0;

	while (lines.n) {
		str_cut(&lines, '\n');
		n++;
	}
	h.v = arena_array(a, struct header, n);
	while (rest.n) {
		struct str value = str_cut(&rest, '\n'), name = str_cut(&value, ':');

		h.v[h.n++] = (struct header){ name, str_from(value, 1) };
	}
	return h;
}

/* The same the other way, separated by " | ". */
static inline struct str lines_text(struct arena *a, const struct headers *h)
{
	struct str text = STR("");

	for (size_t i = 0; i < h->n; i++)
		text = arena_fmt(a, "%.*s%s%.*s: %.*s", STR_FMT(text), i ? " | " : "",
				 STR_FMT(h->v[i].name), STR_FMT(h->v[i].value));
	return text;
}

#endif
