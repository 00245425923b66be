/* Settings of a message: the first byte is the use; then lines "Name: value" for the header, and
 * after a NUL each for the query and the group. What is accepted keeps all limits, survives a round
 * trip through the record, and makes a stable deduplication key. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "core/deliver.h"
#include "core/headers.h"
#include "core/limits.h"
#include "core/names.h"
#include "core/options.h"
#include "core/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINES_MAX = 600, RECORD_BYTES_MAX = 1 << 24 };

static const int64_t now_ms = 1700000000000;
static const struct plan plan = {
	.message_bytes_max = 1000,
	.delay_max_s = 604800,
	.timeout_max_s = 900,
	.retries_max = 5,
};

static struct headers lines(struct arena *a, struct str text)
{
	struct headers h = { arena_array(a, struct header, LINES_MAX), 0 };

	while (text.n && h.n < LINES_MAX) {
		struct str value = str_cut(&text, '\n'), name = str_cut(&value, ':');

		h.v[h.n++] = (struct header){ name, value };
	}
	return h;
}

static void check_headers(const struct headers *h)
{
	size_t bytes = 0;

	check(h->n <= (size_t)LIMIT_FORWARD_COUNT);
	for (size_t i = 0; i < h->n; i++) {
		struct str name = h->v[i].name;

		check(header_name_is_valid(name) && header_value_is_valid(h->v[i].value));
		check(!deliver_is_reserved(name) && !deliver_is_hop(name));
		bytes += name.n + h->v[i].value.n;
	}
	check(bytes <= (size_t)LIMIT_FORWARD_BYTES);
}

static void check_callback(struct str callback, const struct headers *h)
{
	struct url u;

	if (callback.n)
		check(url_parse(callback, &u));
	else
		check(!h->n);
	check(h->n <= (size_t)LIMIT_CALLBACK_COUNT);
}

static void check_msg(const struct msg *m)
{
	check(m->method.n);
	check(m->timeout_ms > 0 && m->timeout_ms <= plan.timeout_max_s * 1000);
	check(m->retries_max >= 0 && m->retries_max <= plan.retries_max);
	check(m->not_before_ms >= now_ms && m->not_before_ms <= now_ms + plan.delay_max_s * 1000);
	check(!m->queue.n || name_is_valid(m->queue));
	check(!m->flow_key.n == !(m->flow_parallelism || m->flow_rate));
	check(!m->flow_key.n || (m->flow_period_s > 0 && m->flow_period_s <= LIMIT_FLOW_PERIOD_S));
	check(!str_has(m->labels, STR(",,")) && !str_starts(m->labels, STR(",")));
	check_headers(&m->header);
	check_callback(m->callback, &m->callback_header);
	check_callback(m->failure_callback, &m->failure_callback_header);
}

static void check_round_trip(struct arena *a, const struct msg *m, const struct options *o)
{
	struct buf record, again;
	struct msg copy;

	buf_init(&record, RECORD_BYTES_MAX);
	buf_init(&again, RECORD_BYTES_MAX);
	msg_encode(&record, m);
	check(msg_decode(a, buf_str(&record), &copy));
	msg_encode(&again, &copy);
	check(str_eq(buf_str(&record), buf_str(&again)));
	check(str_eq(options_dedup_key(a, m, o), options_dedup_key(a, &copy, o)));
	buf_done(&record);
	buf_done(&again);
}

static void fuzz(struct arena *a, enum options_use use, struct str text)
{
	struct options_source src = { .use = use, .plan = &plan, .now_ms = now_ms };
	struct msg m = {
		.id = { 1, 2 },
		.user = STR("u"),
		.url = STR("https://a.example/x"),
		.body = STR("b"),
		.created_ms = now_ms,
		.not_before_ms = now_ms,
	};
	struct problem p = { 0 };
	struct options o;

	src.header = lines(a, str_cut(&text, '\0'));
	src.query = lines(a, str_cut(&text, '\0'));
	src.group = lines(a, text);
	if (use == OPTIONS_RETRY) {
		m.method = STR("PUT");
		m.timeout_ms = 1000;
		m.callback = STR("http://c");
		m.header = lines(a, STR("X-A: 1\nContent-Type: t"));
		m.callback_header = lines(a, STR("Retries: 1"));
	}
	if (!options_parse(a, &src, &m, &o, &p)) {
		check((p.status == 400 || p.status == 412) && p.text[0]);
		return;
	}
	check(use != OPTIONS_SCHEDULE || o.cron.n);
	check_msg(&m);
	check_round_trip(a, &m, &o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;

	if (!size)
		return 0;
	arena_init(&a);
	fuzz(&a, (enum options_use)(data[0] % 5), str_n(data + 1, size - 1));
	arena_done(&a);
	return 0;
}
