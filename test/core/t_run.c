/* Runs: their record, the messages that are made for them, and what they ask for. */
#include "kit.h"

#include "core/options.h"
#include "core/run.h"

static const struct plan plan = { .timeout_max_s = 900, .message_bytes_max = 1000000 };

/* A message as a publish with these headers makes it, and what it asks of workflows. */
static struct msg parse(struct arena *a, const char *lines, struct runask *ask)
{
	struct options_source src = {
		.header = kit_headers(a, lines),
		.use = OPTIONS_BATCH_ITEM,
		.plan = &plan,
		.now_ms = 1000,
	};
	struct msg m = { .user = STR("u"),
			 .url = STR("http://app/wf"),
			 .body = STR("payload"),
			 .caller_ip = STR("192.0.2.1"),
			 .created_ms = 1000 };
	struct problem p = { 0 };
	struct options o;

	T_CHECK(options_parse(a, &src, &m, &o, &p));
	T_CHECK(runask_parse(&src.header, ask, &p));
	return m;
}

#define TRIGGER                                                             \
	"upstash-workflow-init: true\n"                                     \
	"upstash-workflow-runid: wfr_1\n"                                   \
	"upstash-feature-set: LazyFetch,InitialBody,WF_TriggerOnConfig,X\n" \
	"upstash-forward-upstash-workflow-sdk-version: 1\n"                 \
	"upstash-forward-authorization: Bearer user\n"                      \
	"upstash-forward-x-two: a\n"                                        \
	"upstash-forward-upstash-label: l\n"                                \
	"upstash-label: l,m\n"                                              \
	"content-type: text/plain\n"                                        \
	"upstash-retries: 7\n"                                              \
	"upstash-retry-delay: 1000\n"                                       \
	"upstash-timeout: 10s\n"                                            \
	"upstash-flow-control-key: k\n"                                     \
	"upstash-flow-control-value: parallelism=2, rate=5, period=1m\n"    \
	"upstash-failure-callback: http://app/failed\n"                     \
	"upstash-failure-callback-retries: 2\n"                             \
	"upstash-failure-callback-forward-x-two: b\n"
#define STEP                                                \
	"upstash-workflow-init: false\n"                    \
	"upstash-workflow-runid: wfr_1\n"                   \
	"upstash-feature-set: WF_TriggerOnConfig\n"         \
	"upstash-forward-upstash-workflow-sdk-version: 1\n" \
	"content-type: application/json\n"

static struct run make(struct arena *a)
{
	struct runask ask;
	struct msg m = parse(a, TRIGGER, &ask);

	return run_new(a, &ask, &m);
}

TEST(keeps_what_the_trigger_gave_but_what_is_of_one_message)
{
	struct run r;
	struct arena a;

	arena_init(&a);
	r = make(&a);
	T_EQ_INT(r.created_ms, 1000);
	T_EQ_INT(r.features, RUNASK_LAZY_FETCH | RUNASK_INITIAL_BODY | RUNASK_TRIGGER_CONFIG);
	T_EQ_STR(kit_lines(&a, &r.trigger.header), "Authorization: Bearer user\nX-Two: a\n");
	T_EQ_STR(r.content_type, "text/plain");
	T_EQ_STR(r.trigger.body, "");
	T_EQ_STR(r.trigger.run, "wfr_1");
	T_EQ_STR(r.trigger.failure_callback, "http://app/failed");
	arena_done(&a);
}

TEST(a_record_survives_a_round_trip)
{
	struct run r, got;
	struct buf b;
	struct arena a;

	arena_init(&a);
	buf_init(&b, 100000);
	r = make(&a);
	r.flags = RUN_IS_REST;
	r.first = (struct msg_id){ 5, UINT64_MAX };
	r.invoker = (struct run_invoker){ STR("wfr_p"),
					  77,
					  STR("http://app/parent"),
					  { 3, STR("inv"), STR("Invoke"), 2 },
					  STR("message") };
	r.report = RUN_REPORT_FAIL;
	r.report_id = (struct msg_id){ 9, 10 };
	r.report_outcome = STR("outcome");
	run_encode(&b, &r);
	T_CHECK(run_decode(&a, buf_str(&b), &got));
	kit_eq_msg(&got.trigger, &r.trigger);
	kit_eq_headers(&got.trigger.header, &r.trigger.header);
	T_EQ_STR(got.trigger.run, "wfr_1");
	T_EQ_INT(got.features, r.features);
	T_EQ_INT(got.flags, r.flags);
	T_CHECK(got.first.nonce == UINT64_MAX && got.first.seq == 5);
	T_EQ_STR(got.invoker.run, "wfr_p");
	T_EQ_INT(got.invoker.step.id, 3);
	T_EQ_STR(got.invoker.step.name, "inv");
	T_EQ_INT(got.invoker.step.concurrent, 2);
	T_EQ_STR(got.invoker.message, "message");
	T_EQ_INT(got.report, RUN_REPORT_FAIL);
	T_EQ_INT(got.report_id.nonce, 10);
	T_EQ_STR(got.report_outcome, "outcome");
	T_EQ_STR(got.content_type, "text/plain");
	for (size_t n = 0; n < b.n; n++)
		T_CHECK(!run_decode(&a, str_n(b.p, n), &got) || n > 0);
	T_CHECK(!run_decode(&a, STR(""), &got));
	buf_done(&b);
	arena_done(&a);
}

TEST(a_step_takes_the_triggers_configuration_field_by_field)
{
	struct runask ask;
	struct run r;
	struct msg m;
	struct arena a;

	arena_init(&a);
	r = make(&a);
	m = parse(&a, STEP "upstash-callback: http://x\n", &ask);
	run_apply_step(&a, &r, &ask, &m);
	T_EQ_STR(m.callback, "");
	T_EQ_INT(m.run_role, MSG_STEP);
	T_EQ_STR(m.run, "wfr_1");
	T_EQ_INT(m.run_created_ms, 1000);
	T_EQ_INT(m.retries_max, 7);
	T_EQ_STR(m.retry_delay, "1000");
	T_EQ_INT(m.timeout_ms, 10000);
	T_EQ_STR(m.flow_key, "k");
	T_EQ_INT(m.flow_rate, 5);
	T_EQ_STR(m.labels, "l,m");
	T_EQ_STR(kit_lines(&a, &m.header),
		 "Content-Type: application/json\n"
		 "Authorization: Bearer user\nX-Two: a\n"
		 "Upstash-Workflow-Runid: wfr_1\nUpstash-Workflow-Createdat: 1000\n"
		 "Upstash-Workflow-Url: http://app/wf\nUpstash-Label: l,m\n"
		 "Upstash-Workflow-Sdk-Version: 1\nUpstash-Max-Retries: 7\n"
		 "Upstash-Retry-Delay: 1000\nUpstash-Flow-Control-Key: k\n"
		 "Upstash-Flow-Control-Value: parallelism=2,rate=5,period=60\n");
	arena_done(&a);
}

TEST(a_step_keeps_what_it_says_itself_but_for_the_triggers_headers)
{
	struct runask ask;
	struct run r;
	struct msg m;
	struct arena a;

	arena_init(&a);
	r = make(&a);
	m = parse(&a,
		  STEP "upstash-retries: 1\nupstash-flow-control-key: own\n"
		       "upstash-flow-control-value: rate=1\nupstash-forward-x-two: mine\n"
		       "upstash-forward-x-three: c\n"
		       "upstash-forward-upstash-workflow-invoke-count: 2\n",
		  &ask);
	run_apply_step(&a, &r, &ask, &m);
	T_EQ_INT(m.retries_max, 1);
	T_EQ_STR(m.retry_delay, "1000");
	T_EQ_STR(m.flow_key, "own");
	T_EQ_INT(m.flow_parallelism, 0);
	T_EQ_STR(headers_get(&m.header, STR("x-two")), "a");
	T_EQ_STR(headers_get(&m.header, STR("x-three")), "c");
	T_EQ_STR(headers_get(&m.header, STR("upstash-workflow-invoke-count")), "2");
	T_CHECK(headers_get(&m.header, STR("Upstash-Workflow-Step-Config")).p == NULL);
	ask.features |= RUNASK_STEP_CONFIG;
	run_apply_step(&a, &r, &ask, &m);
	T_EQ_STR(headers_get(&m.header, STR("Upstash-Workflow-Step-Config")), "true");
	arena_done(&a);
}

TEST(a_run_without_the_feature_has_each_message_say_what_it_needs)
{
	struct runask ask;
	struct run r;
	struct msg m;
	struct arena a;

	arena_init(&a);
	r = make(&a);
	r.features = RUNASK_LAZY_FETCH;
	m = parse(&a, "upstash-workflow-runid: wfr_1\nupstash-retries: 2\n", &ask);
	run_apply_step(&a, &r, &ask, &m);
	T_EQ_INT(m.retries_max, 2);
	T_EQ_STR(m.retry_delay, "");
	T_EQ_STR(m.flow_key, "");
	arena_done(&a);
}

TEST(the_first_delivery_may_ask_the_sdk_what_it_is_and_no_later_one)
{
	struct runask ask;
	struct run r;
	struct msg m;
	struct arena a;

	arena_init(&a);
	m = parse(&a, TRIGGER "upstash-forward-upstash-workflow-unknown-sdk: true\n", &ask);
	T_CHECK(ask.unknown_sdk);
	r = run_new(&a, &ask, &m);
	run_apply_first(&a, &r, &ask, &m);
	T_EQ_STR(headers_get(&m.header, STR("Upstash-Workflow-Unknown-Sdk")), "true");
	T_EQ_STR(headers_get(&m.header, STR("Content-Type")), "text/plain");
	T_CHECK(m.flags & MSG_RUN_REST && m.flags & MSG_RUN_FIRST);
	m = parse(&a, STEP, &ask);
	run_apply_step(&a, &r, &ask, &m);
	T_CHECK(headers_get(&m.header, STR("Upstash-Workflow-Unknown-Sdk")).p == NULL);
	T_EQ_INT(m.flags, 0);
	arena_done(&a);
}

TEST(a_call_takes_nothing_of_the_trigger_along)
{
	struct runask ask;
	struct run r;
	struct msg m;
	struct arena a;

	arena_init(&a);
	r = make(&a);
	m = parse(&a,
		  "upstash-workflow-runid: wfr_1\nupstash-workflow-calltype: toCallback\n"
		  "upstash-retries: 0\nupstash-callback: http://app/wf\n"
		  "upstash-forward-x: y\n",
		  &ask);
	T_EQ_INT(ask.kind, RUNASK_CALL);
	run_apply_call(&r, &m);
	T_EQ_INT(m.run_role, MSG_CALL);
	T_EQ_INT(m.retries_max, 0);
	T_EQ_STR(m.flow_key, "");
	T_EQ_STR(kit_lines(&a, &m.header), "X: y\n");
	T_EQ_STR(m.failure_callback, "");
	arena_done(&a);
}

TEST(callbacks_carry_the_users_headers_and_no_version)
{
	struct headers settings = HEADERS(H("Retries", "2"));
	struct msg m = { .retries_max = 2, .redact = STR("body") };
	struct run r;
	struct arena a;

	arena_init(&a);
	r = make(&a);
	m.header = (struct headers)HEADERS(H("Content-Type", "application/json"),
					   H("Upstash-Workflow-Sdk-Version", "1"),
					   H("Upstash-Workflow-Stepid", "4"));
	run_apply_callback(&a, &r, &settings, &m, false);
	T_EQ_INT(m.run_role, MSG_CALLBACK);
	T_EQ_INT(m.retries_max, 2);
	T_EQ_STR(m.redact, "body");
	T_EQ_STR(m.flow_key, "k");
	T_EQ_STR(kit_lines(&a, &m.header),
		 "Content-Type: application/json\nUpstash-Workflow-Stepid: 4\n"
		 "Authorization: Bearer user\nX-Two: a\n"
		 "Upstash-Workflow-Runid: wfr_1\nUpstash-Workflow-Createdat: 1000\n"
		 "Upstash-Workflow-Url: http://app/wf\nUpstash-Label: l,m\n"
		 "Upstash-Workflow-Callback: true\n");
	settings.n = 0;
	run_apply_callback(&a, &r, &settings, &m, true);
	T_EQ_INT(m.run_role, MSG_FAILURE);
	T_EQ_INT(m.retries_max, 7);
	T_EQ_STR(headers_get(&m.header, STR("Upstash-Workflow-Is-Failure")), "true");
	T_EQ_STR(headers_get(&m.header, STR("Upstash-Workflow-Failure-Callback")), "true");
	arena_done(&a);
}

TEST(the_failing_messages_own_failure_callback_wins)
{
	struct msg m = { .run_role = MSG_STEP,
			 .flags = MSG_RUN_FIRST,
			 .callback = STR("http://x"),
			 .failure_callback = STR("http://own") };
	struct run r;
	struct arena a;

	arena_init(&a);
	r = make(&a);
	T_EQ_STR(run_failure_source(&r, &m).failure_callback, "http://own");
	T_EQ_STR(run_failure_source(&r, &m).callback, "");
	T_EQ_INT(run_failure_source(&r, &m).flags, 0);
	m.run_role = MSG_CALLBACK;
	T_EQ_STR(run_failure_source(&r, &m).failure_callback, "http://own");
	m.failure_callback = STR_NULL;
	T_EQ_STR(run_failure_source(&r, &m).failure_callback, "http://app/failed");
	arena_done(&a);
}

/* What SDKs say with each message, for want of a configuration of the run. */
TEST(a_callback_may_have_a_failure_callback_of_its_own)
{
	struct headers settings =
		HEADERS(H("Retries", "2"), H("Failure-Callback", "http://app/own"),
			H("Failure-Callback-Retries", "1"), H("Failure-Callback-Forward-X", "y"));
	struct msg m = { .retries_max = 2 }, failing;
	struct run r;
	struct arena a;

	arena_init(&a);
	r = make(&a);
	run_apply_callback(&a, &r, &settings, &m, false);
	failing = run_failure_source(&r, &m);
	T_EQ_STR(failing.failure_callback, "http://app/own");
	T_EQ_STR(kit_lines(&a, &failing.failure_callback_header), "Retries: 1\nForward-X: y\n");
	settings.v[1].value = STR("nowhere");
	m = (struct msg){ 0 };
	run_apply_callback(&a, &r, &settings, &m, false);
	T_EQ_STR(run_failure_source(&r, &m).failure_callback, "http://app/failed");
	arena_done(&a);
}

TEST(a_second_beginning_changes_what_the_sdk_knows_better)
{
	struct runask ask;
	struct run r;
	struct msg m;
	struct arena a;

	arena_init(&a);
	r = make(&a);
	r.features = 0;
	m = parse(&a,
		  "upstash-workflow-init: true\nupstash-workflow-runid: wfr_1\n"
		  "upstash-workflow-trigger-by-sdk: true\n"
		  "upstash-feature-set: InitialBody\nupstash-forward-x-new: n\n",
		  &ask);
	T_EQ_INT(ask.kind, RUNASK_AGAIN);
	run_renew(&a, &r, &ask, &m);
	T_EQ_INT(r.features, RUNASK_INITIAL_BODY);
	T_EQ_STR(kit_lines(&a, &r.trigger.header), "X-New: n\n");
	T_EQ_INT(r.trigger.retries_max, 7);
	T_EQ_STR(r.trigger.labels, "l,m");
	arena_done(&a);
}

TEST(a_run_begins_again_as_it_did)
{
	struct run r;
	struct msg m;
	struct arena a;

	arena_init(&a);
	r = make(&a);
	m = run_again(&a, &r, 5000);
	T_EQ_INT(m.created_ms, 5000);
	T_EQ_INT(m.not_before_ms, 5000);
	T_EQ_STR(kit_lines(&a, &m.header),
		 "Content-Type: text/plain\nAuthorization: Bearer user\nX-Two: a\n");
	T_EQ_STR(m.run, "");
	T_EQ_INT(m.retries_max, 7);
	T_EQ_STR(m.failure_callback, "http://app/failed");
	arena_done(&a);
}

/* ---- the answer to the first delivery -------------------------------------------------------- */

static const struct detect {
	uint32_t flags;
	int64_t status;
	const char *header; /* name */
	bool fine;
} detects[] = {
	{ MSG_RUN_FIRST | MSG_RUN_DETECT, 200, "Upstash-Workflow-Sdk-Version", true },
	{ MSG_RUN_FIRST | MSG_RUN_DETECT, 204, "X", false },
	{ MSG_RUN_FIRST | MSG_RUN_DETECT, 500, "X", true },
	{ MSG_RUN_FIRST, 200, "X", true },
	{ MSG_RUN_DETECT, 200, "X", true },
	{ MSG_RUN_FIRST | MSG_RUN_DETECT | MSG_RUN_REST, 200, "Upstash-Workflow-Sdk-Version",
	  false },
	{ MSG_RUN_FIRST | MSG_RUN_REST, 200, "upstash-workflow-sdk", true },
	{ MSG_RUN_FIRST | MSG_RUN_REST, 404, "X", true },
	{ 0, 200, "X", true },
};

TEST_EACH(the_first_answer_tells_whether_it_is_a_workflow, detects)
{
	struct header h = { str_c(row->header), STR("1") };
	struct outcome o = { .status = row->status, .header = { &h, 1 } };
	struct msg m = { .flags = row->flags };

	T_EQ_INT(run_detect(&m, &o) == NULL, row->fine);
}

/* ---- what is asked for ----------------------------------------------------------------------- */

static const struct ask {
	const char *lines;
	enum runask_kind kind;
	int status;
} asks[] = {
	{ "upstash-retries: 3", RUNASK_NONE, 0 },
	{ "upstash-workflow-init: true", RUNASK_NONE, 0 },
	{ "Upstash-Workflow-RunId: a\nUpstash-Workflow-Init: true", RUNASK_START, 0 },
	{ "Upstash-Workflow-Runid: a\nUpstash-Workflow-Init: false", RUNASK_STEP, 0 },
	{ "Upstash-Workflow-Runid: a", RUNASK_STEP, 0 },
	{ "Upstash-Workflow-Runid: a\nUpstash-Workflow-CallType: step", RUNASK_STEP, 0 },
	{ "Upstash-Workflow-Runid: a\nUpstash-Workflow-CallType: stepConfig", RUNASK_CONFIG, 0 },
	{ "Upstash-Workflow-Runid: a\nUpstash-Workflow-CallType: toCallback", RUNASK_NONE, 400 },
	{ "Upstash-Workflow-Runid: a\nUpstash-Workflow-CallType: toCallback\n"
	  "Upstash-Callback: http://a",
	  RUNASK_CALL, 0 },
	{ "Upstash-Workflow-Runid: a\nUpstash-Workflow-Init: true\n"
	  "Upstash-Workflow-Invoke: true",
	  RUNASK_INVOKE, 0 },
	{ "Upstash-Workflow-Runid: a\nUpstash-Workflow-Init: true\n"
	  "upstash-workflow-trigger-by-sdk: true",
	  RUNASK_AGAIN, 0 },
	{ "Upstash-Workflow-Runid: a\nUpstash-Workflow-Init: maybe", RUNASK_NONE, 400 },
	{ "Upstash-Workflow-Runid: a\x01", RUNASK_NONE, 400 },
	{ "Upstash-Workflow-Runid: a\nUpstash-Workflow-CreatedAt: x", RUNASK_NONE, 400 },
	{ "Upstash-Workflow-Runid: a\nUpstash-Forward-Upstash-Workflow-Invoke-Count: 100",
	  RUNASK_STEP, 0 },
	{ "Upstash-Workflow-Runid: a\nUpstash-Forward-Upstash-Workflow-Invoke-Count: 101",
	  RUNASK_NONE, 412 },
};

TEST_EACH(headers_say_what_a_message_is_to_a_run, asks)
{
	struct problem p = { 0 };
	struct headers h;
	struct runask ask;
	struct arena a;
	bool ok;

	arena_init(&a);
	h = kit_headers(&a, row->lines);
	ok = runask_parse(&h, &ask, &p);
	T_EQ_INT(p.status, row->status);
	T_EQ_INT(ok, row->status == 0);
	if (ok)
		T_EQ_INT(ask.kind, row->kind);
	arena_done(&a);
}

TEST(features_come_in_one_list_or_several)
{
	struct headers h =
		HEADERS(H("Upstash-Workflow-Runid", "a"), H("Upstash-Feature-Set", "LazyFetch"),
			H("upstash-feature-set", " InitialBody , wf_nodelete,New"),
			H("Upstash-Workflow-CreatedAt", "17"), H("Upstash-Timeout", "1s"));
	struct problem p = { 0 };
	struct runask ask;

	T_CHECK(runask_parse(&h, &ask, &p));
	T_EQ_INT(ask.features, RUNASK_LAZY_FETCH | RUNASK_INITIAL_BODY | RUNASK_NO_DELETE);
	T_EQ_INT(ask.created_ms, 17);
	T_CHECK(ask.has_timeout && !ask.has_retries);
}
