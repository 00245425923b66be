/* What comes to a log process as a query: it is refused, or it is one that the log may be asked, and is the same when it
 * is written and read again. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "logs/logwire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void answer(const struct logs_query *asked)
{
	struct logs_query q = *asked, back = *asked;
	struct buf out;

	q.found = true;
	buf_init(&q.body, 100);
	buf_add(&q.body, STR("{}"));
	buf_init(&out, LOGWIRE_ANSWER_BYTES_MAX);
	logwire_answer(&out, &q);
	check(logwire_answer_read(buf_str(&out), &back));
	check(back.found && str_eq(buf_str(&back.body), STR("{}")));
	buf_done(&back.body);
	buf_done(&q.body);
	buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct logs_query q, again;
	struct arena a;
	struct buf out, twice;
	const char *why;

	arena_init(&a);
	if (logwire_query_read(&a, str_n(data, n), &q, &why)) {
		check(q.kind != LOGS_LIST || q.filter.count > 0);
		check(q.ids_n <= LOGS_STATES_MAX && q.user.n > 0);
		buf_init(&out, 4 * LOGWIRE_QUERY_BYTES_MAX);
		buf_init(&twice, 4 * LOGWIRE_QUERY_BYTES_MAX);
		logwire_query(&out, &q);
		if (!out.overflow && out.n <= LOGWIRE_QUERY_BYTES_MAX) {
			check(logwire_query_read(&a, buf_str(&out), &again, &why));
			logwire_query(&twice, &again);
			check(str_eq(buf_str(&out), buf_str(&twice)));
		}
		buf_done(&out);
		buf_done(&twice);
		answer(&q);
	}
	memset(&q, 0, sizeof(q));
	if (logwire_answer_read(str_n(data, n), &q))
		check(q.problem.status == 0 || q.problem.status >= 400);
	buf_done(&q.body);
	arena_done(&a);
	return 0;
}
