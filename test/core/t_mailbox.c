#include "core/mailbox.h"

#include "kit.h"

static struct mailbox sample(struct arena *a)
{
	struct mailbox m = {
		.wait = arena_array(a, struct mailbox_wait, 4),
		.note = arena_array(a, struct mailbox_note, 4),
	};

	m.wait[m.waits++] = (struct mailbox_wait){
		.step = { 3, STR("w"), STR("Wait"), 1 },
		.deadline_ms = 500,
		.url = STR("http://a"),
		.timeout_url = STR("http://t"),
		.header = kit_headers(a, "A: 1\nA: 2"),
		.timeout_header = kit_headers(a, "B:"),
		.message = STR("one"),
		.timeout_message = STR("two"),
	};
	m.wait[m.waits++] = (struct mailbox_wait){
		.step = { 4, STR("h"), STR("WaitForWebhook"), 2 },
		.is_webhook = true,
		.deadline_ms = 300,
	};
	m.note[m.notes++] = (struct mailbox_note){ true, STR("hook") };
	m.note[m.notes++] = (struct mailbox_note){ false, STR("") };
	return m;
}

TEST(survives_a_round_trip)
{
	struct mailbox m, got;
	struct buf b;
	struct arena a;

	arena_init(&a);
	buf_init(&b, 10000);
	m = sample(&a);
	mailbox_encode(&b, &m);
	T_CHECK(mailbox_decode(&a, buf_str(&b), &got));
	T_EQ_INT(got.waits, 2);
	T_EQ_INT(got.notes, 2);
	T_EQ_INT(got.wait[0].step.id, 3);
	T_EQ_STR(got.wait[0].step.type, "Wait");
	T_EQ_STR(got.wait[0].timeout_url, "http://t");
	T_EQ_STR(got.wait[0].message, "one");
	T_EQ_STR(got.wait[0].timeout_message, "two");
	kit_eq_headers(&got.wait[0].header, &m.wait[0].header);
	kit_eq_headers(&got.wait[0].timeout_header, &m.wait[0].timeout_header);
	T_CHECK(got.wait[1].is_webhook && !got.wait[0].is_webhook);
	T_EQ_INT(got.wait[1].step.concurrent, 2);
	T_EQ_STR(got.note[0].bytes, "hook");
	T_CHECK(got.note[0].is_webhook && !got.note[1].is_webhook);
	T_CHECK(!mailbox_decode(&a, str_n(b.p, b.n - 1), &got));
	T_CHECK(mailbox_decode(&a, STR(""), &got) && mailbox_is_empty(&got));
	buf_done(&b);
	arena_done(&a);
}

TEST(finds_and_takes_by_kind_step_and_time)
{
	struct mailbox m;
	struct arena a;

	arena_init(&a);
	m = sample(&a);
	T_EQ_INT(mailbox_due_ms(&m), 300);
	T_EQ_INT(mailbox_note_bytes(&m), 4);
	T_EQ_INT(mailbox_find_wait(&m, true), 1);
	T_EQ_INT(mailbox_find_wait(&m, false), 0);
	T_EQ_INT(mailbox_find_step(&m, 4), 1);
	T_CHECK(mailbox_find_step(&m, 5) == SIZE_MAX);
	T_CHECK(mailbox_find_due(&m, 299) == SIZE_MAX);
	T_EQ_INT(mailbox_find_due(&m, 300), 1);
	T_EQ_INT(mailbox_find_note(&m, false), 1);
	mailbox_take_note(&m, 0);
	T_CHECK(mailbox_find_note(&m, true) == SIZE_MAX);
	mailbox_take_note(&m, 0);
	mailbox_take_wait(&m, 0);
	T_EQ_INT(m.wait[0].step.id, 4);
	T_CHECK(!mailbox_is_empty(&m));
	mailbox_take_wait(&m, 0);
	T_CHECK(mailbox_is_empty(&m));
	T_EQ_INT(mailbox_due_ms(&m), 0);
	arena_done(&a);
}

TEST(is_named_by_event_and_run)
{
	struct str name, event, run;
	struct arena a;
	int64_t created_ms;

	arena_init(&a);
	name = mailbox_name(&a, STR("e/1"), STR("wfr_x"), 99);
	T_CHECK(str_starts(name, mailbox_prefix(&a, STR("e/1"))));
	T_CHECK(!str_starts(name, mailbox_prefix(&a, STR("e/"))));
	T_CHECK(mailbox_name_parse(name, &event, &run, &created_ms));
	T_EQ_STR(event, "e/1");
	T_EQ_STR(run, "wfr_x");
	T_EQ_INT(created_ms, 99);
	T_CHECK(!mailbox_name_parse(STR("e\nr"), &event, &run, &created_ms));
	T_CHECK(!mailbox_name_parse(STR(""), &event, &run, &created_ms));
	arena_done(&a);
}
