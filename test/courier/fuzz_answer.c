/* Any bytes as header lines and body, as libcurl would hand them over. */
#include "base/check.h"
#include "courier/curl/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct str next_line(struct str *s)
{
	size_t end = str_find(*s, '\n', 0);
	struct str line = str_sub(*s, 0, end == SIZE_MAX ? s->n : end + 1);

	*s = str_from(*s, line.n);
	return line;
}

static bool feed_head(struct answer *a, struct str *s)
{
	while (s->n > 0 && !(a->head_done && !answer_is_interim(a)))
		if (!answer_head_line(a, next_line(s)))
			return false;
	return true;
}

static void feed_body(struct answer *a, struct str s, size_t piece_n, int64_t total)
{
	while (s.n > 0) {
		struct str piece = str_sub(s, 0, piece_n);

		if (!body_add(&a->body, piece, total))
			return;
		s = str_from(s, piece.n);
	}
}

static void judge(const struct answer *a)
{
	check(a->header.n <= ANSWER_FIELDS_MAX);
	check(a->body.n <= a->body.max && a->body.n <= a->body.cap);
	check(!a->body.is_cut || a->body.n == a->body.max);
	check(a->arena->bytes < 16 << 20);
	check(!answer_is_whole(a) || a->head_done);
	for (size_t i = 0; i < a->header.n; i++) {
		check(a->header.v[i].name.n > 0);
		check(!str_has_byte(a->header.v[i].name, ':') &&
		      !str_has_byte(a->header.v[i].value, '\n'));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = str_n(data, size);
	struct arena arena;
	struct answer a;

	if (size < 3)
		return 0;
	arena_init(&arena);
	answer_init(&a, &arena, data[0] * 16);
	s = str_from(s, 3);
	if (feed_head(&a, &s))
		feed_body(&a, s, 1 + data[1], data[2] == 0 ? -1 : data[2] * 8);
	judge(&a);
	arena_done(&arena);
	return 0;
}
