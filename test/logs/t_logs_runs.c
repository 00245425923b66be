/* Workflow runs in the log: their steps in groups, pages, what plain lists leave out, and the end of it. */
#include "fixture.h"
#include "t.h"

#include "core/run.h"

enum { DAY_MS = 24 * 3600 * 1000 };

/* A message of run `id`; `role` MSG_STEP with flags for the first one. */
static struct msg run_msg(struct fixture *f, const char *id, enum msg_role role, const char *body)
{
	struct msg m = fixture_msg(f);

	m.run = arena_str(&f->arena, str_c(id));
	m.run_created_ms = 1000;
	m.run_role = role;
	m.url = STR("https://app.example/wf");
	m.body = str_c(body);
	m.queue = m.topic = m.schedule_id = m.redact = m.labels = STR_NULL;
	return m;
}

static struct msg init(struct fixture *f, const char *id)
{
	struct msg m = run_msg(f, id, MSG_STEP, "payload");

	m.flags = MSG_RUN_FIRST;
	m.labels = STR("red");
	return m;
}

static struct msg step(struct fixture *f, const char *id, const char *text)
{
	return run_msg(f, id, MSG_STEP, text);
}

#define RUN(id, name, concurrent)                                                    \
	"{\"stepId\":" id ",\"stepName\":\"" name "\",\"stepType\":\"Run\",\"out\":" \
	"\"1\",\"concurrent\":" concurrent "}"
#define PLAN(target, name, concurrent)                                                            \
	"{\"stepId\":0,\"stepName\":\"" name "\",\"stepType\":\"Run\",\"concurrent\":" concurrent \
	",\"targetStep\":" target "}"

static void run_event(struct fixture *f, const struct msg *m, enum event_state state,
		      const char *text)
{
	struct event e = fixture_event(f, m, state);

	e.response_body = str_c(text);
	fixture_add(f, &e);
}

static const struct json *ask(struct fixture *f, const char *query)
{
	const struct str source[2] = { arena_str(&f->arena, str_c(query)) };
	struct logs_query q = { .kind = LOGS_RUNS, .user = STR(FIXTURE_USER), .now_ms = f->now_ms };
	struct problem problem;
	const struct json *answer;
	char error[96];

	if (!runfilter_parse(&f->arena, RUNFILTER_LOGS, source, &q.run, &problem))
		T_FAIL("%s: %s", query, problem.text);
	fixture_ask(f, &q);
	T_EQ_INT(q.problem.status, 0);
	answer = json_parse(&f->arena, arena_str(&f->arena, buf_str(&q.body)), error);
	buf_done(&q.body);
	T_CHECK(answer != NULL);
	return answer;
}

static struct str text_of(const struct json *v, const char *key)
{
	const struct json *m = json_get(v, str_c(key));

	return m != NULL ? m->text : STR_NULL;
}

/* "RUN_STARTED sequential(init STEP_SUCCESS) next( STEP_PROGRESS)" */
static struct str shape(struct fixture *f, const char *query)
{
	const struct json *run = json_get(ask(f, query), STR("runs"))->child;
	struct str text;

	if (run == NULL)
		return STR("none");
	text = text_of(run, "workflowState");
	for (const struct json *g = json_get(run, STR("steps"))->child; g != NULL; g = g->next) {
		text = arena_fmt(&f->arena, "%.*s %.*s(", STR_FMT(text),
				 STR_FMT(text_of(g, "type")));
		for (const struct json *s = json_get(g, STR("steps"))->child; s; s = s->next)
			text = arena_fmt(&f->arena, "%.*s%.*s %.*s%s", STR_FMT(text),
					 STR_FMT(text_of(s, "stepName")),
					 STR_FMT(text_of(s, "state")), s->next ? ", " : "");
		text = arena_fmt(&f->arena, "%.*s)", STR_FMT(text));
	}
	return text;
}

TEST(a_runs_steps_stand_in_groups_from_its_first_message_on)
{
	struct fixture f;
	struct msg first, one, plan[2], result;

	fixture_open(&f, (struct logs_settings){ .ephemeral = true });
	first = init(&f, "r");
	fixture_put(&f, &first, EVENT_CREATED);
	fixture_give(&f);
	T_EQ_STR(shape(&f, ""), "RUN_STARTED sequential(init STEP_SUCCESS) next( STEP_PROGRESS)");
	fixture_put(&f, &first, EVENT_ACTIVE);
	one = step(&f, "r", RUN("1", "one", "1"));
	fixture_put(&f, &one, EVENT_CREATED);
	fixture_put(&f, &first, EVENT_DELIVERED);
	fixture_life(&f, &one);
	plan[0] = step(&f, "r", PLAN("2", "a", "2"));
	plan[1] = step(&f, "r", PLAN("3", "b", "2"));
	fixture_put(&f, &plan[0], EVENT_CREATED);
	fixture_put(&f, &plan[1], EVENT_CREATED);
	fixture_give(&f);
	T_EQ_STR(shape(&f, ""),
		 "RUN_STARTED sequential(init STEP_SUCCESS) sequential(one STEP_SUCCESS) "
		 "parallel(a STEP_PROGRESS, b STEP_PROGRESS)");
	fixture_put(&f, &plan[0], EVENT_ACTIVE);
	result = step(&f, "r", RUN("2", "a", "2"));
	fixture_put(&f, &result, EVENT_CREATED);
	fixture_put(&f, &plan[0], EVENT_DELIVERED);
	run_event(&f, &plan[1], EVENT_ERROR, "no");
	fixture_put(&f, &plan[1], EVENT_RETRY);
	fixture_give(&f);
	T_EQ_STR(shape(&f, ""),
		 "RUN_STARTED sequential(init STEP_SUCCESS) sequential(one STEP_SUCCESS) "
		 "parallel(a STEP_SUCCESS, b STEP_RETRY)");
	fixture_put(&f, &plan[1], EVENT_FAILED);
	run_event(&f, &first, EVENT_RUN_FAILED, "");
	fixture_give(&f);
	T_EQ_STR(shape(&f, "workflowRunId=r"),
		 "RUN_FAILED sequential(init STEP_SUCCESS) sequential(one STEP_SUCCESS) "
		 "parallel(a STEP_SUCCESS, b STEP_FAILED)");
	fixture_close(&f);
}

static const struct out {
	const char *given, *shown;
} outs[] = {
	{ "\"text\"", "text" },
	{ "7", "7" },
	{ "true", "true" },
	{ "[1, {\"b\":[]}, null]", "[1,{\"b\":[]},null]" },
	{ "{\"a\": {\"b\": \"c\"}, \"d\": false}", "{\"a\":{\"b\":\"c\"},\"d\":false}" },
};

/* A result is shown as text, also when its SDK has not made it one. */
TEST_EACH(a_result_is_text, outs)
{
	struct fixture f;
	struct msg first, one;
	const struct json *run, *group;

	fixture_open(&f, (struct logs_settings){ .ephemeral = true });
	first = init(&f, "r");
	fixture_life(&f, &first);
	one = step(&f, "r",
		   arena_fmt(&f.arena,
			     "{\"stepId\":1,\"stepName\":\"one\",\"stepType\":\"Run\",\"out\":%s}",
			     row->given)
			   .p);
	fixture_life(&f, &one);
	fixture_give(&f);
	run = json_get(ask(&f, ""), STR("runs"))->child;
	group = json_get(run, STR("steps"))->child->next;
	T_EQ_STR(text_of(json_get(group, STR("steps"))->child, "out"), row->shown);
	fixture_close(&f);
}

TEST(a_step_that_waits_without_a_message_is_shown_until_its_result_comes)
{
	struct fixture f;
	struct msg first, result;

	fixture_open(&f, (struct logs_settings){ .ephemeral = true });
	first = init(&f, "r");
	fixture_life(&f, &first);
	run_event(&f, &first, EVENT_RUN_STEP,
		  "{\"stepId\":1,\"stepName\":\"w\",\"stepType\":\"Wait\",\"concurrent\":1}");
	fixture_give(&f);
	T_EQ_STR(shape(&f, ""), "RUN_STARTED sequential(init STEP_SUCCESS) "
				"sequential(w STEP_PROGRESS)");
	result = step(&f, "r", RUN("1", "w", "1"));
	fixture_put(&f, &result, EVENT_CREATED);
	fixture_give(&f);
	T_EQ_STR(shape(&f, ""), "RUN_STARTED sequential(init STEP_SUCCESS) "
				"sequential(w STEP_SUCCESS) next( STEP_PROGRESS)");
	run_event(&f, &first, EVENT_RUN_SUCCESS, "\"result\"");
	fixture_give(&f);
	T_EQ_STR(shape(&f, ""), "RUN_SUCCESS sequential(init STEP_SUCCESS) "
				"sequential(w STEP_SUCCESS)");
	T_EQ_STR(text_of(json_get(ask(&f, ""), STR("runs"))->child, "workflowRunResponse"),
		 "\"result\"");
	/* What makes no sense is passed over. */
	run_event(&f, &first, EVENT_RUN_STEP, "{\"stepId\":");
	run_event(&f, &first, EVENT_RUN_STEP, "[]");
	result = step(&f, "r", "no step");
	fixture_put(&f, &result, EVENT_CREATED);
	fixture_give(&f);
	T_EQ_STR(shape(&f, ""), "RUN_SUCCESS sequential(init STEP_SUCCESS) "
				"sequential(w STEP_SUCCESS)");
	fixture_close(&f);
}

TEST(a_run_that_was_resumed_shows_what_it_began_with)
{
	struct fixture f;
	struct msg first, one, again;

	fixture_open(&f, (struct logs_settings){ .ephemeral = true });
	first = init(&f, "old");
	fixture_life(&f, &first);
	one = step(&f, "old", RUN("1", "one", "1"));
	fixture_put(&f, &one, EVENT_CREATED);
	fixture_put(&f, &one, EVENT_FAILED);
	run_event(&f, &first, EVENT_RUN_FAILED, "");
	again = step(&f, "new", "");
	again.run_until = one.id.seq;
	fixture_put(&f, &again, EVENT_CREATED);
	run_event(&f, &again, EVENT_RUN_STEP,
		  "{\"resumed\":{\"workflowRunId\":\"old\",\"workflowCreatedAt\":1000}}");
	fixture_give(&f);
	T_EQ_STR(shape(&f, "workflowRunId=old"),
		 "RUN_FAILED sequential(init STEP_SUCCESS) sequential(one STEP_SUCCESS) "
		 "next( STEP_FAILED)");
	T_EQ_STR(shape(&f, "workflowRunId=new"),
		 "RUN_STARTED sequential(init STEP_SUCCESS) sequential(one STEP_SUCCESS) "
		 "next( STEP_PROGRESS)");
	/* One that goes on from itself does not end the world. */
	run_event(&f, &first, EVENT_RUN_STEP,
		  "{\"resumed\":{\"workflowRunId\":\"new\",\"workflowCreatedAt\":1000}}");
	fixture_give(&f);
	T_CHECK(!str_eq(shape(&f, "workflowRunId=new"), STR("none")));
	fixture_close(&f);
}

TEST(runs_come_newest_first_in_pages)
{
	struct fixture f;
	struct str all = STR(""), cursor = STR("");
	size_t pages = 0;

	fixture_open(&f, (struct logs_settings){ .ephemeral = true });
	for (int i = 0; i < 25; i++) {
		struct msg m = init(&f, arena_fmt(&f.arena, "r%02d", i).p);

		m.run_created_ms = 1000 + i / 2;
		m.labels = i % 5 ? STR("red") : STR("blue");
		fixture_life(&f, &m);
	}
	fixture_give(&f);
	do {
		const struct json *answer = ask(
			&f,
			arena_fmt(&f.arena, "label=red&count=7&cursor=%.*s", STR_FMT(cursor)).p);

		for (const struct json *r = json_get(answer, STR("runs"))->child; r; r = r->next)
			all = arena_fmt(
				&f.arena, "%.*s%s", STR_FMT(all),
				arena_fmt(&f.arena, "%.*s ", STR_FMT(text_of(r, "workflowRunId")))
					.p);
		cursor = text_of(answer, "cursor");
		pages++;
	} while (cursor.n > 0);
	T_EQ_STR(all, "r24 r23 r22 r21 r19 r18 r17 r16 r14 r13 r12 r11 r09 r08 r07 r06 r04 r03 "
		      "r02 r01 ");
	T_EQ_INT(pages, 3);
	fixture_close(&f);
}

TEST(plain_lists_and_those_of_runs_have_nothing_in_common)
{
	struct fixture f;
	struct msg plain, of_run;

	fixture_open(&f, (struct logs_settings){ .ephemeral = true });
	plain = fixture_msg(&f);
	of_run = init(&f, "r");
	fixture_put(&f, &plain, EVENT_CREATED);
	fixture_put(&f, &of_run, EVENT_CREATED);
	fixture_put(&f, &of_run, EVENT_DELIVERED);
	fixture_put(&f, &plain, EVENT_DELIVERED);
	fixture_give(&f);
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, ""), "4 1");
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, "state=DELIVERED"), "4");
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER,
				 arena_fmt(&f.arena, "messageId=%s", fixture_id(&f, &of_run)).p),
		 "");
	T_EQ_INT(json_get(ask(&f, ""), STR("runs"))->count, 1);
	fixture_close(&f);
}

TEST(runs_go_with_their_last_entry)
{
	struct fixture f;
	struct msg m;

	fixture_open(&f, (struct logs_settings){ .ephemeral = true });
	m = init(&f, "r");
	fixture_life(&f, &m);
	fixture_give(&f);
	T_CHECK(!str_eq(shape(&f, ""), STR("none")));
	fixture_tick(&f, 4 * DAY_MS);
	m = fixture_msg(&f);
	fixture_life(&f, &m);
	fixture_give(&f);
	fixture_tick(&f, 10 * 60 * 1000);
	T_EQ_STR(shape(&f, ""), "none");
	fixture_close(&f);
}
