/* Filters: the first byte is the use, then up to a NUL the query, the rest the body. An empty
 * filter lets any message pass, and none is accepted that a bulk action should not see. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "core/filter.h"
#include "core/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct msg message = {
	.id = { 1, 2 },
	.url = { "https://a.example/x?y", 21 },
	.queue = { "q", 1 },
	.topic = { "t", 1 },
	.labels = { "l,m", 3 },
	.flow_key = { "k", 1 },
	.caller_ip = { "192.0.2.1", 9 },
	.created_ms = 1000,
};

static void check_filter(const struct filter *f)
{
	struct event e = { .state = EVENT_ERROR, .time_ms = 1000, .response_status = 500 };
	size_t values = f->statuses;
	bool match = filter_match_msg(f, &message);

	for (size_t i = 0; i < FILTER_FIELDS; i++)
		values += f->field[i].n;
	check(values <= (size_t)LIMIT_FILTER_VALUES);
	check(f->use == FILTER_CANCEL ? f->count >= 0 : f->count > 0);
	check(f->count <= LIMIT_PAGE_LOGS);
	if (filter_is_empty(f))
		check(match && filter_match_dlq(f, &message, 1000, 500) &&
		      filter_match_event(f, &message, &e));
	else
		check(values || f->states || f->from_ms != INT64_MIN || f->to_ms != INT64_MAX);
	if (filter_match_event(f, &message, &e))
		check(match);
	if (!match)
		check(!filter_match_dlq(f, &message, 1000, 500));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct filter_source src = { FILTER_CANCEL, STR_NULL, STR_NULL };
	struct problem p = { 0 };
	struct filter f;
	struct arena a;

	if (!size)
		return 0;
	src.use = (enum filter_use)(data[0] % 3);
	src.body = str_n(data + 1, size - 1);
	src.query = str_cut(&src.body, '\0');
	arena_init(&a);
	if (filter_parse(&a, &src, &f, &p))
		check_filter(&f);
	else
		check(p.status == 400 && p.text[0]);
	arena_done(&a);
	return 0;
}
