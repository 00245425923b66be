/* What clients send of workflows: lines "Name: value" of headers, then a NUL, then a body, which is taken for
 * a step, a wait, an invocation and a filter. What is accepted makes messages that survive their record. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "core/limits.h"
#include "core/mailbox.h"
#include "core/plan.h"
#include "core/runanswer.h"
#include "core/runbody.h"
#include "core/runfilter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINES_MAX = 600, RECORD_BYTES_MAX = 1 << 24 };

static const struct plan plan = { .timeout_max_s = 900, .delay_max_s = 604800 };

static struct headers lines(struct arena *a, struct str text)
{
	struct headers h = { arena_array(a, struct header, LINES_MAX), 0 };

	while (text.n && h.n < LINES_MAX) {
		struct str value = str_cut(&text, '\n'), name = str_cut(&value, ':');

		h.v[h.n++] = (struct header){ name, str_trim(value) };
	}
	return h;
}

static void check_record(struct arena *a, const struct run *r)
{
	struct buf first, second;
	struct run again;

	buf_init(&first, RECORD_BYTES_MAX);
	buf_init(&second, RECORD_BYTES_MAX);
	run_encode(&first, r);
	check(!first.overflow && run_decode(a, buf_str(&first), &again));
	run_encode(&second, &again);
	check(str_eq(buf_str(&first), buf_str(&second)));
	buf_done(&first);
	buf_done(&second);
}

static void make_run(struct arena *a, const struct runanswer *r)
{
	struct msg m = r->msg;
	struct run run;

	if (r->ask.kind == RUNASK_NONE)
		return;
	m.created_ms = 1;
	run = run_new(a, &r->ask, &m);
	run_apply_first(a, &run, &r->ask, &m);
	check(headers_get(&m.header, STR("Upstash-Workflow-Sdk-Version")).n == 1);
	m = r->msg;
	run_apply_step(a, &run, &r->ask, &m);
	check(m.run_role == MSG_STEP && m.run.n > 0 && m.run.n <= LIMIT_RUN_ID_BYTES);
	run_apply_callback(a, &run, &m.callback_header, &m, true);
	check(headers_get(&m.header, STR("Upstash-Workflow-Sdk-Version")).p == NULL);
	check_record(a, &run);
}

static void check_filter(struct arena *a, struct str query, struct str body)
{
	const struct str source[2] = { query, body };
	struct msg trigger = { .url = STR("http://a/b"), .run = STR("r") };
	struct runfilter f;
	struct problem p;

	for (int use = RUNFILTER_CANCEL; use <= RUNFILTER_LOGS; use++) {
		if (runfilter_parse(a, (enum runfilter_use)use, source, &f, &p))
			(void)runfilter_match(&f, &trigger);
	}
}

static void check_mailbox(struct arena *a, struct str bytes)
{
	struct mailbox m, again;
	struct buf b;

	if (!mailbox_decode(a, bytes, &m))
		return;
	buf_init(&b, RECORD_BYTES_MAX);
	mailbox_encode(&b, &m);
	check(mailbox_decode(a, buf_str(&b), &again));
	check(again.waits == m.waits && again.notes == m.notes);
	check(mailbox_due_ms(&m) == mailbox_due_ms(&again));
	buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str body = str_n(data, size), head = str_cut(&body, '\0');
	struct runanswer_source src = { .user = STR("u"), .plan = &plan, .now_ms = 1, .body = body };
	struct runanswer_wait wait;
	struct runanswer_invoke invoke;
	struct runbody_step step;
	struct problem p = { 0 };
	struct run run;
	struct arena a;

	arena_init(&a);
	src.header = lines(&a, head);
	if (runanswer_wait(&a, &src, &wait, &p)) {
		check(wait.deadline_ms >= 1 && wait.step.id > 0);
		make_run(&a, &wait.notified);
		make_run(&a, &wait.timed_out);
	}
	if (runanswer_invoke(&a, &src, &invoke, &p))
		make_run(&a, &invoke.parent);
	if (runbody_step(&a, body, &step))
		check(step.step.id >= 0 && step.step.type.n > 0);
	check_filter(&a, head, body);
	check_mailbox(&a, body);
	if (run_decode(&a, body, &run))
		check_record(&a, &run);
	arena_done(&a);
	return 0;
}
