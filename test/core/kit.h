/* kit.h - what the tests of core share: lists of headers in one line, and a message with everything
 * set.
 */
#ifndef TEST_CORE_KIT_H
#define TEST_CORE_KIT_H

#include "core/msg.h"
#include "t.h"

/* HEADERS({ STR("Name"), STR("value") }, ...) */
#define HEADERS(...)                                         \
	((struct headers){ (struct header[]){ __VA_ARGS__ }, \
			   countof(((struct header[]){ __VA_ARGS__ })) })
#define H(name, value) { STR(name), STR(value) }

/* A list of headers from lines "Name: value\n". The arena's. */
static inline struct headers kit_headers(struct arena *a, const char *lines)
{
	struct str rest = str_c(lines);
	struct headers h = { arena_array(a, struct header, rest.n + 1), 0 };

	while (rest.n) {
		struct str line = str_cut(&rest, '\n');
		struct str name = str_cut(&line, ':');

		h.v[h.n++] = (struct header){ name, str_trim(line) };
	}
	return h;
}

/* The other way: each header as "Name: value\n". */
static inline struct str kit_lines(struct arena *a, const struct headers *h)
{
	struct str text = STR("");

	for (size_t i = 0; i < h->n; i++)
		text = arena_fmt(a, "%.*s%.*s: %.*s\n", STR_FMT(text), STR_FMT(h->v[i].name),
				 STR_FMT(h->v[i].value));
	return text;
}

static inline void kit_eq_msg(const struct msg *a, const struct msg *b)
{
	T_EQ_INT(a->id.seq, b->id.seq);
	T_EQ_INT(a->id.nonce, b->id.nonce);
	T_EQ_INT(a->flags, b->flags);
	T_EQ_INT(a->root_seq, b->root_seq);
#define X(field) T_EQ_STR(a->field, b->field)
	X(user), X(url), X(method), X(body), X(retry_delay), X(callback), X(failure_callback),
		X(queue);
	X(flow_key), X(topic), X(endpoint), X(schedule_id), X(caller_ip), X(labels), X(redact),
		X(api);
#undef X
#define X(field) T_EQ_INT(a->field, b->field)
	X(created_ms), X(not_before_ms), X(timeout_ms), X(retries_max), X(flow_parallelism);
	X(flow_rate), X(flow_period_s);
#undef X
}

static inline void kit_eq_headers(const struct headers *a, const struct headers *b)
{
	T_EQ_INT(a->n, b->n);
	for (size_t i = 0; i < a->n; i++) {
		T_EQ_STR(a->v[i].name, b->v[i].name);
		T_EQ_STR(a->v[i].value, b->v[i].value);
	}
}

#endif
