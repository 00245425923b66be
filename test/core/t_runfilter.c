#include "core/runfilter.h"

#include "kit.h"

static const struct accepted {
	enum runfilter_use use;
	const char *query, *body;
	int status;
} accepted[] = {
	{ RUNFILTER_CANCEL, "workflowRunIds=a&workflowRunIds=b,c&count=5&cursor=x", "", 0 },
	{ RUNFILTER_CANCEL, "workflowUrl=http%3A%2F%2Fa&workflowUrlExactMatch=true", "", 0 },
	{ RUNFILTER_CANCEL, "", "{\"workflowRunIds\":[\"a\"],\"workflowUrl\":\"http://a\"}", 0 },
	{ RUNFILTER_CANCEL, "", "{}", 0 },
	{ RUNFILTER_CANCEL, "qstash_token=t", "", 0 },
	{ RUNFILTER_CANCEL, "workflowUrlExactMatch=maybe", "", 400 },
	{ RUNFILTER_CANCEL, "labels=x", "", 400 },
	{ RUNFILTER_CANCEL, "count=0", "", 400 },
	{ RUNFILTER_CANCEL, "fromDate=today", "", 400 },
	{ RUNFILTER_CANCEL, "", "[]", 400 },
	{ RUNFILTER_CANCEL, "", "{\"label\":{}}", 400 },
	{ RUNFILTER_CANCEL, "label=%zz", "", 400 },
	{ RUNFILTER_DLQ, "dlqIds=1-2&source=workflow&upstash-retries=3&cursor=1-2", "", 0 },
	{ RUNFILTER_DLQ, "failureFunctionState=CALLBACK_FAIL&responseStatus=500", "", 0 },
	{ RUNFILTER_DLQ, "trimBody=1", "", 400 },
	{ RUNFILTER_LOGS, "groupBy=workflowRunId&trimBody=-1&state=RUN_FAILED", "", 0 },
	{ RUNFILTER_LOGS, "groupBy=url", "", 400 },
	{ RUNFILTER_LOGS, "trimBody=-2", "", 400 },
	{ RUNFILTER_LOGS, "workflowCreatedAt=x", "", 400 },
};

TEST_EACH(judges_each_field, accepted)
{
	const struct str source[2] = { str_c(row->query), str_c(row->body) };
	struct problem p = { 0 };
	struct runfilter f;
	struct arena a;

	arena_init(&a);
	T_EQ_INT(runfilter_parse(&a, row->use, source, &f, &p), row->status == 0);
	T_EQ_INT(p.status, row->status);
	arena_done(&a);
}

static const struct matched {
	const char *query;
	bool yes;
} matched[] = {
	{ "", true },
	{ "workflowRunId=wfr_1", true },
	{ "workflowRunId=wfr_2", false },
	{ "workflowRunId=wfr_2&workflowRunId=wfr_1", true },
	{ "workflowUrl=http://app.example/w", true },
	{ "workflowUrl=http://app.example/wf?x", true },
	{ "workflowUrl=http://app.example/w&workflowUrlExactMatch=true", false },
	{ "workflowUrl=http://app.example/wf?x&workflowUrlExactMatch=true", true },
	{ "host=app.example", true },
	{ "host=example", false },
	{ "path=/wf", true },
	{ "path=/w", false },
	{ "label=two", true },
	{ "label=three,two", true },
	{ "label=tw", false },
	{ "label=one&callerIp=192.0.2.2", false },
	{ "flowControlKey=k,1", true },
	{ "workflowCreatedAt=100", true },
	{ "workflowCreatedAt=101", false },
	{ "fromDate=100&toDate=100", true },
	{ "fromDate=101", false },
	{ "toDate=99", false },
};

TEST_EACH(matches_what_a_run_was_started_with, matched)
{
	struct msg t = { .run = STR("wfr_1"),
			 .run_created_ms = 100,
			 .url = STR("http://app.example/wf?x"),
			 .labels = STR("one,two"),
			 .caller_ip = STR("192.0.2.1"),
			 .flow_key = STR("k,1") };
	const struct str source[2] = { str_c(row->query) };
	struct runfilter f;
	struct problem p;
	struct arena a;

	arena_init(&a);
	T_CHECK(runfilter_parse(&a, RUNFILTER_CANCEL, source, &f, &p));
	T_EQ_INT(runfilter_match(&f, &t), row->yes);
	arena_done(&a);
}

TEST(takes_many_values_but_not_any_number)
{
	struct runfilter f;
	struct problem p;
	struct buf b;
	struct arena a;

	arena_init(&a);
	buf_init(&b, 100000);
	buf_add(&b, STR("label=0"));
	for (int i = 1; i < 100; i++)
		buf_fmt(&b, ",%d", i);
	T_CHECK(runfilter_parse(&a, RUNFILTER_CANCEL, (struct str[2]){ buf_str(&b) }, &f, &p));
	T_EQ_INT(f.field[RUNFILTER_LABEL].n, 100);
	T_EQ_STR(f.field[RUNFILTER_LABEL].v[57], "57");
	for (int i = 100; i < 2000; i++)
		buf_fmt(&b, ",%d", i);
	T_CHECK(!runfilter_parse(&a, RUNFILTER_CANCEL, (struct str[2]){ buf_str(&b) }, &f, &p));
	T_EQ_INT(p.status, 400);
	buf_done(&b);
	arena_done(&a);
}
