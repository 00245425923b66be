// The log of workflow runs: steps in groups, states, failures, filters, pages.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createWorkflow, serveMany } from "@upstash/workflow/cloudflare";
import { Server, until } from "./lib.mjs";
import { App } from "./workflow_app.mjs";

let s, app;
before(async () => {
	s = await Server.start();
	app = await App.start(s);
});
after(async () => {
	await app.end();
	await s.stop();
});

const log = async (id) => (await app.client.logs({ workflowRunId: id })).runs[0];
const untilState = (id, state) => until(async () => {
	const run = await log(id);
	return run?.workflowState === state && run;
}, 90_000, `${id} did not come to ${state}`);
const shape = (run) => run.steps.map((g) => `${g.type}: ${g.steps.map((x) => `${x.stepName ?? ""} ${x.stepType ?? ""} ${x.state}`.trim()).join(", ")}`);

test("a run that succeeds: init, steps, a sleep, a parallel block, the result", async () => {
	app.workflow("/ok", async (context) => {
		await context.run("one", () => ({ a: 1 }));
		await context.sleep("pause", 1);
		await Promise.all([context.run("p", () => 5), context.run("q", () => 6)]);
		return { all: "done" };
	});
	const id = await app.trigger("/ok", { body: { n: 1 }, label: "lab", retryDelay: "1000" });
	const run = await untilState(id, "RUN_SUCCESS");
	assert.deepEqual(shape(run), [
		"sequential: init Initial STEP_SUCCESS",
		"sequential: one Run STEP_SUCCESS",
		"sequential: pause SleepFor STEP_SUCCESS",
		"parallel: p Run STEP_SUCCESS, q Run STEP_SUCCESS",
	]);
	const [init] = run.steps[0].steps;
	assert.equal(init.out, '{"n":1}');
	assert.equal(init.retries, 0);
	assert.equal(init.retryDelay, "1000");
	assert.equal(init.stepId, undefined);
	assert.deepEqual(init.headers["Content-Type"], ["application/json"]);
	assert.deepEqual(init.headers["Upstash-Workflow-Sdk-Version"], ["1"]);
	assert.deepEqual(init.headers["Ci-Test-Id"], ["test"]);
	assert.deepEqual(Object.keys(init.headers).sort(), ["Ci-Test-Id", "Ci-Test-Route", "Content-Type", "Upstash-Label", "Upstash-Workflow-Sdk-Version"]);
	const one = run.steps[1].steps[0];
	assert.equal(one.stepId, 1);
	assert.equal(one.out, '{"a":1}');
	assert.equal(run.steps[2].steps[0].sleepFor, 1000);
	assert.equal(run.steps[3].steps[1].out, "6");
	assert.equal(run.workflowUrl, `${app.url}/ok`);
	assert.equal(run.workflowRunResponse, '{"all":"done"}');
	assert.equal(run.label, "lab");
	assert.ok(run.workflowRunCompletedAt >= run.workflowRunCreatedAt);
	assert.equal(run.failureFunction, undefined);
	assert.equal(run.dlqId, undefined);
});

test("what is under way: a sleep, a wait, a call's step, a parallel block", async () => {
	app.workflow("/sleeping", async (context) => context.sleep("long", "1d"));
	const sleeping = await app.trigger("/sleeping");
	await until(async () => shape((await log(sleeping)) ?? { steps: [] })[1] === "sequential: long SleepFor STEP_PROGRESS");

	app.workflow("/waiting", async (context) => {
		await context.run("one", () => 1);
		await context.waitForEvent("wait", "log-event", { timeout: "1h" });
	});
	const waiting = await app.trigger("/waiting");
	const last = await until(async () => {
		const run = await log(waiting);
		return run?.steps.length === 3 && run.steps[2].steps[0].stepType === "Wait" && run.steps[2].steps[0];
	});
	assert.equal(last.state, "STEP_PROGRESS");
	assert.equal(last.waitEventId, "log-event");
	assert.equal(last.waitTimeoutDuration, "1h");
	assert.ok(last.waitTimeoutDeadline > Date.now());

	app.workflow("/block", async (context) =>
		Promise.all([context.run("quick", () => 1), context.sleep("long", "1d")]),
	);
	const block = await app.trigger("/block");
	await until(async () => shape((await log(block)) ?? { steps: [] })[1] === "parallel: quick Run STEP_SUCCESS, long SleepFor STEP_PROGRESS");
	const { cancelled } = await app.client.cancel({ ids: [sleeping, waiting, block] });
	assert.equal(cancelled, 3);
	const run = await untilState(waiting, "RUN_CANCELED");
	assert.equal(run.steps[2].steps[0].state, "STEP_CANCELED");
});

test("a call shows what was asked and what came back", async () => {
	app.route("/third", async () => new Response("answer", { status: 202, headers: { "x-third": "y" } }));
	app.workflow("/calls", async (context) => void (await context.call("call", { url: `${app.url}/third`, method: "POST", body: "question" })));
	const id = await app.trigger("/calls");
	const run = await untilState(id, "RUN_SUCCESS");
	assert.deepEqual(shape(run)[1], "sequential: call Call STEP_SUCCESS");
	const step = run.steps[1].steps[0];
	assert.equal(step.callUrl, `${app.url}/third`);
	assert.equal(step.callMethod, "POST");
	assert.equal(step.callBody, "question");
	assert.equal(step.callResponseStatus, 202);
});

test("a run that fails: retries, errors, the failure function and its answer", async () => {
	app.workflow(
		"/fails",
		async (context) => {
			await context.run("bad", () => {
				throw new Error("my-error");
			});
		},
		{ failureFunction: async () => "response" },
	);
	const id = await app.trigger("/fails", { retries: 1, retryDelay: "1500" });
	const retrying = await until(async () => {
		const run = await log(id);
		return run?.steps[1]?.steps[0].state === "STEP_RETRY" && run;
	});
	assert.equal(retrying.steps[1].type, "next");
	assert.equal(retrying.steps[1].steps[0].errors.length, 1);
	assert.ok(retrying.steps[1].steps[0].nextDeliveryTime > 0);
	await untilState(id, "RUN_FAILED");
	const run = await until(async () => {
		const r = await log(id);
		return r.failureFunction?.state === "CALLBACK_SUCCESS" && r;
	});
	assert.deepEqual(run.steps.map((g) => g.type), ["sequential", "next"]);
	const step = run.steps[1].steps[0];
	assert.equal(step.state, "STEP_FAILED");
	assert.equal(step.stepName, "bad");
	assert.equal(step.errors.length, 2);
	assert.equal(step.errors[0].status, 500);
	assert.equal(step.errors[0].error, "500 Internal Server Error");
	assert.equal(JSON.parse(step.errors[0].body).message, "my-error");
	assert.match(run.dlqId, /^\d+-\d+$/);
	assert.equal(run.failureFunction.dlqId, run.dlqId);
	assert.equal(run.failureFunction.url, `${app.url}/fails`);
	assert.equal(run.failureFunction.failStatus, 500);
	assert.equal(JSON.parse(run.failureFunction.failResponse).message, "my-error");
	assert.equal(run.failureFunction.responseBody, '{"result":"response"}');
});

test("a destination that is no workflow, and an old SDK behind the REST trigger", async () => {
	app.route("/plain", async () => new Response("plain answer"));
	const id = await app.trigger("/plain", { retries: 3 });
	const run = await untilState(id, "RUN_FAILED");
	assert.deepEqual(run.steps.map((g) => g.type), ["sequential", "next"]);
	const [step] = run.steps[1].steps;
	assert.equal(step.state, "STEP_FAILED");
	assert.equal(step.errors.length, 1);
	assert.match(step.errors[0].error, /^detected a non-workflow destination for trigger\/invoke/);
	assert.equal(step.errors[0].body, "plain answer");

	app.route("/old", async () => new Response("{}", { headers: { "Upstash-Workflow-Sdk-Version": "1" } }));
	const old = (await s.call("POST", `/v2/trigger/${app.url}/old`)).json.workflowRunId;
	const failed = await untilState(old, "RUN_FAILED");
	assert.equal(failed.steps[1].steps[0].errors[0].error, "trigger rest api is only usable with sdk versions after v1.0.0 major version");
});

test("a branch that fails, beside one that has succeeded", async () => {
	app.workflow("/branches", async (context) => {
		await Promise.all([
			context.run("good", () => 1),
			context.run("bad", async () => {
				await until(() => app.count("/branches") >= 4);
				throw new Error("no");
			}),
		]);
	});
	const run = await untilState(await app.trigger("/branches"), "RUN_FAILED");
	assert.deepEqual(shape(run), ["sequential: init Initial STEP_SUCCESS", "parallel: good Run STEP_SUCCESS, bad Run STEP_FAILED"]);
	assert.equal(run.steps[1].steps[1].errors[0].status, 500);
});

test("an invocation, seen from both sides", async () => {
	const child = createWorkflow(async (context) => context.run("step", () => "x"));
	const parent = createWorkflow(async (context) => {
		await context.invoke("inv", { workflow: child, body: "for the child", workflowRunId: "log-child" });
	});
	const many = serveMany({ parent, child }, { qstashClient: app.qstash });
	for (const name of ["parent", "child"]) app.route(`/inv/${name}`, (r) => many.fetch(r, {}));
	const id = await app.trigger("/inv/parent");
	const run = await untilState(id, "RUN_SUCCESS");
	const [step] = run.steps[1].steps;
	assert.equal(step.stepType, "Invoke");
	assert.equal(step.invokedWorkflowRunId, "wfr_log-child");
	assert.equal(step.invokedWorkflowUrl, `${app.url}/inv/child`);
	assert.equal(step.invokedWorkflowRunBody, "for the child");
	const kid = await untilState("wfr_log-child", "RUN_SUCCESS");
	assert.deepEqual(kid.invoker, { workflowRunId: id, workflowUrl: `${app.url}/inv/parent`, workflowRunCreatedAt: run.workflowRunCreatedAt });
	assert.equal(kid.workflowRunCreatedAt, step.invokedWorkflowCreatedAt);
});

test("filters and pages; flat events; and none of it among the plain events", async () => {
	app.workflow("/many", async (context) => context.run("one", () => 1));
	for (let i = 0; i < 13; i++) await app.trigger("/many", { label: i % 2 ? "odd" : "even" });
	await until(async () => (await app.client.logs({ filter: { label: "even", workflowUrl: `${app.url}/many` } })).runs.filter((r) => r.workflowState === "RUN_SUCCESS").length === 7);
	const first = await app.client.logs({ filter: { workflowUrl: `${app.url}/many` } });
	assert.equal(first.runs.length, 10);
	assert.ok(first.cursor);
	const second = await app.client.logs({ filter: { workflowUrl: `${app.url}/many` }, cursor: first.cursor });
	assert.equal(second.runs.length, 3);
	assert.equal(second.cursor, undefined);
	const ids = [...first.runs, ...second.runs].map((r) => r.workflowRunId);
	assert.equal(new Set(ids).size, 13);
	assert.ok(first.runs[0].workflowRunCreatedAt >= second.runs[2].workflowRunCreatedAt);
	assert.equal((await app.client.logs({ state: "RUN_SUCCESS", count: 2 })).runs.length, 2);
	const one = first.runs[0];
	const at = `${one.workflowRunId}@${one.workflowRunCreatedAt}`;
	assert.equal((await s.call("GET", `/v2/workflows/logs?workflowRuns=${at}`)).json.runs.length, 1);
	assert.equal((await s.call("GET", `/v2/workflows/logs?workflowRunId=${one.workflowRunId}&workflowCreatedAt=1`)).json.runs.length, 0);
	const trimmed = (await s.call("GET", `/v2/workflows/logs?workflowRunId=${one.workflowRunId}&trimBody=-1`)).json.runs[0];
	assert.equal(trimmed.steps[1].steps[0].out, undefined);
	for (const bad of ["groupBy=x", "state=NO", "cursor=x", "nonsense=1", "workflowUrl=ftp"]) {
		assert.equal((await s.call("GET", `/v2/workflows/events?${bad}`)).status, 400, bad);
	}
	const { events } = (await s.call("GET", `/v2/workflows/events?workflowRunId=${one.workflowRunId}`)).json;
	const states = events.map((e) => e.state);
	assert.equal(states.at(-1), "RUN_STARTED");
	assert.ok(states.includes("RUN_SUCCESS") && states.includes("STEP_SUCCESS"));
	assert.equal(events[0].workflowRunId, one.workflowRunId);
	assert.deepEqual((await s.call("GET", "/v2/events")).json.events, []);
});
