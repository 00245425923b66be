#include "courier/curl/answer.h"

#include <string.h>

#include "base/check.h"

enum { FIELDS_CAP_FIRST = 16 };

void answer_init(struct answer *a, struct arena *arena, size_t body_max)
{
	*a = (struct answer){ .arena = arena };
	body_init(&a->body, arena, body_max);
}

static bool break_off(struct answer *a, const char *why)
{
	a->broken = why;
	return false;
}

static struct header *new_field(struct answer *a)
{
	if (a->header.n == a->fields_cap) {
		size_t cap = a->fields_cap ? a->fields_cap * 2 : FIELDS_CAP_FIRST;
		struct header *v = arena_alloc(a->arena, cap * sizeof(*v));

		if (a->header.n > 0)
			memcpy(v, a->header.v, a->header.n * sizeof(*v));
		a->header.v = v;
		a->fields_cap = cap;
	}
	return &a->header.v[a->header.n++];
}

/* A line that begins with white space goes on with the value before it. Each copies what came
 * before. */
static bool continue_field(struct answer *a, struct str line)
{
	struct header *h;

	if (++a->folds > ANSWER_FOLDS_MAX)
		return break_off(a, "its answer has more than 64 folded header lines");
	if (a->header.n == 0)
		return true;
	h = &a->header.v[a->header.n - 1];
	h->value = arena_fmt(a->arena, "%.*s %.*s", STR_FMT(h->value), STR_FMT(str_trim(line)));
	return true;
}

/* libcurl undoes transfer codings by itself, compressed ones too, which nobody asked for here and
 * which would inflate a small answer into a huge one. */
static bool is_unasked_coding(struct str name, struct str value)
{
	return str_ieq(name, STR("Transfer-Encoding")) && !str_ieq(value, STR("chunked")) &&
	       !str_ieq(value, STR("identity"));
}

static bool add_field(struct answer *a, struct str line)
{
	size_t colon = str_find(line, ':', 0);
	struct str name, value;
	struct header *h;

	if (colon == SIZE_MAX)
		return true;
	name = str_trim(str_sub(line, 0, colon));
	value = str_trim(str_from(line, colon + 1));
	if (name.n == 0)
		return true;
	if (is_unasked_coding(name, value))
		return break_off(a, "its answer has a transfer coding that was not asked for");
	if (a->header.n == ANSWER_FIELDS_MAX)
		return break_off(a, "its answer has more than 256 header fields");
	h = new_field(a);
	h->name = header_canonical(a->arena, arena_str(a->arena, name));
	if (h->name.p == name.p) /* it was canonical already: still libcurl's memory */
		h->name = arena_str(a->arena, name);
	h->value = arena_str(a->arena, value);
	return true;
}

static struct str without_line_end(struct str line)
{
	while (line.n > 0 && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
		line.n--;
	return line;
}

/* The first line of the answer, or of what follows an interim one. */
static void begin_head(struct answer *a, struct str status_line)
{
	uint64_t status;

	str_cut(&status_line, ' ');
	a->status = str_u64(str_sub(status_line, 0, 3), &status) ? (int)status : 0;
	a->header.n = 0;
	a->folds = 0;
	a->head_done = false;
}

bool answer_is_interim(const struct answer *a)
{
	return a->status / 100 == 1;
}

bool answer_is_whole(const struct answer *a)
{
	struct str length = headers_get(&a->header, STR("Content-Length"));
	uint64_t n;

	if (!a->head_done || answer_is_interim(a))
		return false;
	if (a->status == 204 || a->status == 304)
		return true;
	return str_u64(length, &n) && a->body.n == n;
}

bool answer_head_line(struct answer *a, struct str line)
{
	a->head_bytes += line.n;
	if (a->head_bytes > ANSWER_HEAD_BYTES_MAX)
		return break_off(a, "the head of its answer is longer than 64 KB");
	line = without_line_end(line);
	if (str_starts(line, STR("HTTP/"))) {
		begin_head(a, line);
		return true;
	}
	if (a->head_done)
		return true; /* trailers are dropped */
	if (line.n == 0) {
		a->head_done = true;
		a->is_complete = a->ends_with_head && !answer_is_interim(a);
		return !a->is_complete;
	}
	if (line.p[0] == ' ' || line.p[0] == '\t')
		return continue_field(a, line);
	return add_field(a, line);
}
