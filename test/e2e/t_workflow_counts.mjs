// How often endpoints are called: applications of the shapes that the SDK's own tests have, with the counts that those
// expect, their results and their logs.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WorkflowMiddleware, WorkflowNonRetryableError } from "@upstash/workflow";
import { createWorkflow } from "@upstash/workflow/cloudflare";
import { Server, until } from "./lib.mjs";
import { App, shape } from "./workflow_app.mjs";

let s, app;
before(async () => {
	s = await Server.start();
	app = await App.start(s);
});
after(async () => {
	await app.end();
	await s.stop();
});

const done = (path, value) => app.results.set(path, value);

/** Invoked runs get no more headers than they are given. */
const passed = (context) => ({
	"Ci-Test-Id": context.headers.get("ci-test-id"),
	"Ci-Test-Route": context.headers.get("ci-test-route"),
});

/** The calls of a folder, once there are as many and nothing is on its way any more. */
async function calls(folder, n) {
	await until(() => app.countAll(folder) >= n, 120_000, `${folder} was not called ${n} times`);
	await s.idle();
	return app.countAll(folder);
}

test("sleepWithoutAwait: three attempts with sleeps between, then two steps beside a sleep: 12", async () => {
	let attempts = 0;
	app.workflow("/sleepWithoutAwait", async (context) => {
		for (let i = 0; i < 3; i++) {
			const success = await context.run("attempt", () => ++attempts === 3);
			if (success) {
				const all = await Promise.all([
					context.run("update", () => 10),
					context.run("receipt", () => "mail"),
					context.sleep("sleep", 1),
				]);
				done("/sleepWithoutAwait", all);
				return;
			}
			await context.sleep("again", 1);
		}
		await context.run("failed", () => true);
	});
	const id = await app.trigger("/sleepWithoutAwait", { body: { amount: 10 } });
	// init, (attempt, sleep) twice, attempt, 3 plans, 3 results
	assert.deepEqual(await app.result("/sleepWithoutAwait", 12), { result: [10, "mail", undefined], calls: 12 });
	assert.deepEqual(shape(await app.run(id, "RUN_SUCCESS")), [
		"sequential: init Initial STEP_SUCCESS",
		"sequential: attempt Run STEP_SUCCESS",
		"sequential: again SleepFor STEP_SUCCESS",
		"sequential: attempt Run STEP_SUCCESS",
		"sequential: again SleepFor STEP_SUCCESS",
		"sequential: attempt Run STEP_SUCCESS",
		"parallel: update Run STEP_SUCCESS, receipt Run STEP_SUCCESS, sleep SleepFor STEP_SUCCESS",
	]);
});

test("invoke: six workflows, nested, in parallel, one that fails: 30", async () => {
	const seen = {};
	app.route("/called", async (request) => {
		seen.called = request.headers.get("upstash-workflow-invoke-count");
		return new Response("called");
	});
	const branchOne = createWorkflow(async (context) => {
		const first = await context.waitForEvent("never", "never-notified", { timeout: 1 });
		seen.branchOne = context.executor.invokeCount;
		const second = await context.waitForEvent("notified", "between-branches", { timeout: "1h" });
		await context.sleep("check", 1);
		return { timeouts: [first.timeout, second.timeout], data: second.eventData };
	});
	const branchTwo = createWorkflow(async (context) => {
		const { status } = await context.call("call", { url: `${app.url}/called`, method: "GET" });
		seen.branchTwo = context.executor.invokeCount;
		await context.run("the other waits", async () => {
			await until(async () => (await s.call("GET", "/v2/waiters/between-branches")).json.length === 1);
		});
		const { notifyResponse } = await context.notify("notify", "between-branches", "data");
		await context.sleep("check", 1);
		return { status, notified: notifyResponse.length };
	});
	const two = createWorkflow(async (context) => {
		await context.run("step 1", () => {});
		seen.two = [context.executor.invokeCount, context.label, context.workflowRunId, context.headers.get("mine")];
		await context.run("step 2", () => {});
		const all = await Promise.all([
			context.invoke("one", { workflow: branchOne, body: 1, headers: passed(context) }),
			context.invoke("two", { workflow: branchTwo, body: 2, headers: passed(context) }),
		]);
		return { payload: context.requestPayload, all: all.map((r) => r.body) };
	});
	const three = createWorkflow(async (context) => {
		seen.three = context.requestPayload;
		throw new Error("what");
	});
	const four = createWorkflow(async (context) => context.run("mock", () => {}));
	const one = createWorkflow(async (context) => {
		const workflowRunId = await context.run("step 1", () => `two-${Date.now()}`);
		const headers = { ...passed(context), mine: "yes" };
		const good = await context.invoke("invoke", { workflow: two, body: "payload", headers, workflowRunId, label: "kid" });
		const called = await context.call("call", { workflow: four, body: "payload", headers, retries: 0 });
		const bad = await context.invoke("failing", { workflow: three, body: "payload", headers, retries: 0 });
		await context.run("step 2", () => {});
		await context.sleep("until the other is over", 1);
		done("/invoke", { workflowRunId, good, called: called.body.workflowRunId, bad });
	});
	app.many("/invoke", { one, two, three, four, branchOne, branchTwo });
	const id = await app.trigger("/invoke/one", { body: 123 });
	assert.equal(await calls("/invoke", 30), 30);
	const per = ["one", "two", "three", "four", "branchOne", "branchTwo"].map((name) => app.count(`/invoke/${name}`));
	// three: the failing delivery, and a failure callback; four: a first one without a run, and two
	assert.deepEqual(per, [8, 7, 2, 3, 4, 6]);
	const got = app.results.get("/invoke");
	assert.deepEqual(got.good, {
		body: {
			payload: "payload",
			all: [{ timeouts: [true, false], data: "data" }, { status: 200, notified: 1 }],
		},
		isCanceled: false,
		isFailed: false,
	});
	assert.match(got.called, /^wfr_/);
	assert.deepEqual(got.bad, { body: undefined, isCanceled: false, isFailed: true });
	assert.deepEqual(seen, { two: [1, "kid", `wfr_${got.workflowRunId}`, "yes"], branchOne: 2, branchTwo: 2, called: "2", three: "payload" });
	assert.deepEqual(shape(await app.run(id, "RUN_SUCCESS")), [
		"sequential: init Initial STEP_SUCCESS",
		"sequential: step 1 Run STEP_SUCCESS",
		"sequential: invoke Invoke STEP_SUCCESS",
		"sequential: call Call STEP_SUCCESS",
		"sequential: failing Invoke STEP_SUCCESS",
		"sequential: step 2 Run STEP_SUCCESS",
		"sequential: until the other is over SleepFor STEP_SUCCESS",
	]);
	const kid = await app.run(`wfr_${got.workflowRunId}`, "RUN_SUCCESS");
	assert.equal(kid.invoker.workflowRunId, id);
	assert.equal(kid.label, "kid");
	assert.deepEqual(shape(kid).at(-1), "parallel: one Invoke STEP_SUCCESS, two Invoke STEP_SUCCESS");
	await app.run(got.called, "RUN_SUCCESS");
});

test("invoke-parent-failure: a child outlives the parent that has failed: 11", async () => {
	const child = createWorkflow(async (context) => {
		await context.sleep("sleep", 2);
		await context.run("child step", () => {});
	});
	const failing = createWorkflow(async (context) => {
		await Promise.all([
			context.invoke("invoke child", { workflow: child, body: undefined, headers: passed(context) }),
			context.run("failing step", async () => {
				await until(() => app.count("/parent-failure/child") === 1);
				throw new WorkflowNonRetryableError("step failed");
			}),
		]);
	});
	const main = createWorkflow(async (context) => {
		const workflowRunId = await context.run("step 1", () => `failing-${Date.now()}`);
		const { isFailed } = await context.invoke("invoke", { workflow: failing, body: undefined, headers: passed(context), workflowRunId });
		const steps = await context.run("verify", async () => {
			const group = await until(async () => {
				const g = (await app.run(`wfr_${workflowRunId}`, "RUN_FAILED")).steps[1];
				return g?.type === "parallel" && g.steps[0].state === "STEP_SUCCESS" && g;
			}, 90_000);
			return group.steps.map((x) => [x.stepName, x.state, x.errors?.[0].status]);
		});
		done("/parent-failure", { isFailed, steps });
	});
	app.many("/parent-failure", { main, failing, child });
	await app.trigger("/parent-failure/main");
	assert.equal(await calls("/parent-failure", 11), 11);
	assert.deepEqual(["main", "failing", "child"].map((name) => app.count(`/parent-failure/${name}`)), [4, 4, 3]);
	assert.deepEqual(app.results.get("/parent-failure"), {
		isFailed: true,
		steps: [["invoke child", "STEP_SUCCESS", null], ["failing step", "STEP_FAILED", 489]],
	});
});

test("auth/custom: the headers that switch the SDK into other modes go to a third party as they are: 7", async () => {
	app.workflow("/guarded", async () => {}, { direct: true, failureFunction: async () => {} });
	app.workflow("/auth/custom", async (context) => {
		const told = [];
		const call = async (name, headers) => {
			const body = { status: 200, header: "", body: "", url: "", sourceHeader: {}, sourceBody: "", workflowRunId: "", sourceMessageId: "" };
			const got = await context.call(name, { url: `${app.url}/guarded`, method: "POST", body: JSON.stringify(body), headers });
			told.push([got.status, got.body.message]);
		};
		await call("failure", { "Upstash-Workflow-Is-Failure": "true" });
		await call("callback", { "Upstash-Workflow-Callback": "true" });
		await call("init", {});
		done("/auth/custom", told);
	});
	await app.trigger("/auth/custom", { body: "my-payload" });
	const { result, calls: n } = await app.result("/auth/custom", 7);
	assert.equal(n, 7);
	assert.deepEqual(result.map((r) => r[0]), [500, 400, 400]);
	assert.match(result[0][1], /Not authorized to run the failure function/);
	assert.match(result[1][1], /Failed to authenticate Workflow request/);
	for (const c of app.calls.filter((x) => x.path === "/guarded")) assert.equal(c.headers["upstash-workflow-sdk-version"], undefined);
});

test("wait-for-event: a timeout, a text and an object, from a client and from another run: 16", async () => {
	app.route("/notifier", async (request) => {
		const { event } = await request.json();
		await until(async () => (await s.call("GET", `/v2/waiters/${event}`)).json.length === 1);
		await app.client.notify({ eventId: event, eventData: "from client" });
		return new Response("notifying");
	});
	app.workflow(
		"/notifier-workflow",
		async (context) => {
			const { text, object } = context.requestPayload;
			const notified = async (event) => {
				await context.run("waits", () => until(async () => (await s.call("GET", `/v2/waiters/${event}`)).json.length === 1));
				return (await context.notify("notify", event, event === text ? "text" : { an: "object" })).notifyResponse.length;
			};
			done("/notifier-workflow", [await notified(text), await notified(object)]);
		},
		{ direct: true },
	);
	app.workflow("/wait", async (context) => {
		const late = await context.waitForEvent("late", "wait-never", { timeout: 1 });
		const config = await context.run("config", () => ({ event: "wait-client", text: "wait-text", object: "wait-object" }));
		const a = await Promise.all([
			context.call("notifier", { url: `${app.url}/notifier`, method: "POST", body: JSON.stringify(config) }),
			context.waitForEvent("from client", config.event, { timeout: 3600 }),
		]);
		const b = await Promise.all([
			context.call("workflow", { url: `${app.url}/notifier-workflow`, method: "POST", body: JSON.stringify(config) }),
			context.waitForEvent("text", config.text, { timeout: "1h" }),
		]);
		const c = await context.waitForEvent("object", config.object, { timeout: "1h" });
		await context.sleep("pause", 1);
		await context.run("check", () => until(() => app.results.get("/notifier-workflow")));
		done("/wait", { late, a: [a[0].body, a[1].eventData], b: [typeof b[0].body.workflowRunId, b[1].eventData], c });
	});
	const id = await app.trigger("/wait", { body: "my-payload" });
	const { result, calls: n } = await app.result("/wait", 16);
	assert.equal(n, 16);
	assert.deepEqual(result, {
		late: { eventData: undefined, timeout: true },
		a: ["notifying", "from client"],
		b: ["string", "text"],
		c: { eventData: { an: "object" }, timeout: false },
	});
	const run = await app.run(id, "RUN_SUCCESS");
	const late = run.steps[1].steps[0];
	assert.equal(late.waitTimeout, true);
	assert.equal(run.steps[5].steps[0].out, '{"an":"object"}');
	assert.deepEqual(shape(run)[3], "parallel: notifier Call STEP_SUCCESS, from client Wait STEP_SUCCESS");
});

test("webhook: one that times out, one that is called by a third party: 8", async () => {
	app.route("/caller", async (request) => {
		const { url } = await request.json();
		const answer = await fetch(url, { method: "PUT", body: '{"test":"body"}', headers: { "content-type": "application/json", "x-test": "yes" } });
		return new Response("called", { status: answer.ok ? 200 : 500 });
	});
	app.workflow("/webhook", async (context) => {
		const first = await context.createWebhook("first");
		const late = await context.waitForWebhook("late", first, "1s");
		const webhook = await context.createWebhook("webhook");
		const called = await context.call("caller", { url: `${app.url}/caller`, method: "POST", body: JSON.stringify({ url: webhook.webhookUrl }) });
		const { request, timeout } = await context.waitForWebhook("wait", webhook, "1h");
		const body = await request.json();
		await context.run("verify", () => {});
		done("/webhook", [late.timeout, called.status, timeout, request.url === webhook.webhookUrl, request.method, request.headers.get("x-test"), body.test]);
	});
	const id = await app.trigger("/webhook", { body: { test: "payload" } });
	assert.deepEqual(await app.result("/webhook", 8), { result: [true, 200, false, true, "PUT", "yes", "body"], calls: 8 });
	assert.deepEqual(shape(await app.run(id, "RUN_SUCCESS")).slice(1), [
		"sequential: first CreateWebhook STEP_SUCCESS",
		"sequential: late WaitForWebhook STEP_SUCCESS",
		"sequential: webhook CreateWebhook STEP_SUCCESS",
		"sequential: caller Call STEP_SUCCESS",
		"sequential: wait WaitForWebhook STEP_SUCCESS",
		"sequential: verify Run STEP_SUCCESS",
	]);
});

test("middleware-logs: each run's life, as the SDK's own hooks see it: 15", async () => {
	const lines = new Map();
	const log = (id, line) => id && lines.set(id, [...(lines.get(id) ?? []), line]);
	const middleware = new WorkflowMiddleware({
		name: "log",
		callbacks: {
			runStarted: async ({ context }) => log(context.workflowRunId, "started"),
			runCompleted: async ({ context }) => log(context.workflowRunId, "completed"),
			beforeExecution: async ({ context, stepName }) => log(context.workflowRunId, `before ${stepName}`),
			afterExecution: async ({ context, stepName }) => log(context.workflowRunId, `after ${stepName}`),
			onError: async ({ workflowRunId, error }) => log(workflowRunId, `error ${error.message}`),
			onWarning: async ({ workflowRunId, warning }) => log(workflowRunId, `warning ${warning}`),
			onInfo: async () => {},
		},
	});
	const steps = createWorkflow(async (context) => {
		await context.run("run", () => 1);
		await context.sleep("sleep", 1);
		return context.workflowRunId;
	});
	const call = createWorkflow(async (context) => {
		await context.call("call", { url: `${app.url}/ok`, method: "GET" });
		return context.workflowRunId;
	});
	const wait = createWorkflow(async (context) => {
		await context.waitForEvent("wait", "middleware-never", { timeout: 1 });
		return context.workflowRunId;
	});
	app.route("/ok", async () => new Response("ok"));
	const main = createWorkflow(async (context) => {
		const all = {};
		for (const [name, workflow] of Object.entries({ steps, call, wait })) {
			const { body } = await context.invoke(`invoke ${name}`, { workflow, body: "x", headers: passed(context) });
			all[name] = await context.run(`check ${name}`, () => until(() => lines.get(body)?.includes("completed") && lines.get(body)));
		}
		done("/middleware", all);
	});
	app.many("/middleware", { main, steps, call, wait }, { middlewares: [middleware] });
	await app.trigger("/middleware/main");
	assert.equal(await calls("/middleware", 15), 15);
	assert.deepEqual(app.results.get("/middleware"), {
		steps: ["started", "before run", "after run", "before sleep", "after sleep", "completed"],
		call: ["started", "before call", "after call", "completed"],
		wait: ["started", "before wait", "after wait", "completed"],
	});
});

test("REST triggers out of a run, of a known and of an unknown SDK, with payloads of 1 MB: 8 + 3 + 4", async () => {
	const large = "l".repeat(1_000_000);
	const hooked = createWorkflow(async (context) => {
		const { webhookUrl, large: got } = context.requestPayload;
		assert.equal(context.headers.get("mine"), "yes");
		await context.run("work", () => {});
		await context.run("webhook", async () => {
			const { ok } = await fetch(webhookUrl, { method: "POST", body: JSON.stringify({ length: got.length }) });
			assert.ok(ok);
		});
	});
	app.route("/post", async () => new Response("{}", { headers: { "Upstash-Workflow-Sdk-Version": "1" } }));
	const main = createWorkflow(async (context) => {
		const webhook = await context.createWebhook("webhook");
		const trigger = async (path, more = {}) => {
			const headers = {
				"Content-Type": "application/json",
				"Upstash-Forward-mine": "yes",
				"Upstash-Forward-Ci-Test-Id": "x",
				"Upstash-Retries": "0",
				...more,
			};
			const body = JSON.stringify({ webhookUrl: webhook.webhookUrl, large });
			return (await s.call("POST", `/v2/trigger/${app.url}${path}`, { headers, body })).json;
		};
		await context.run("known", () => trigger("/fetch/hooked"));
		await context.run("unknown", () => trigger("/fetch/hooked", { "Upstash-Workflow-Unknown-Sdk": "true" }));
		const old = await context.run("old", () => trigger("/post"));
		const lengths = [];
		for (let i = 0; i < 2; i++) {
			const { request } = await context.waitForWebhook("wait", webhook, "1h");
			lengths.push((await request.json()).length);
		}
		const failed = await context.run("verify", () => app.run(old.workflowRunId, "RUN_FAILED"));
		done("/fetch", { lengths, groups: shape(failed), error: failed.steps[1].steps[0].errors[0].error });
	});
	app.many("/fetch", { main, hooked });
	await app.trigger("/fetch/main");
	assert.equal(await calls("/fetch", 15), 15);
	assert.deepEqual(app.results.get("/fetch"), {
		lengths: [1_000_000, 1_000_000],
		groups: ["sequential: init Initial STEP_SUCCESS", "next: STEP_FAILED"],
		error: "trigger rest api is only usable with sdk versions after v1.0.0 major version",
	});
});

test("quota-error: a limit fails a step alone and a branch beside a good one, with 489: 16", async () => {
	app.route("/fine", async () => new Response("fine"));
	const huge = { method: "GET", retries: 1_000_000 };
	const single = createWorkflow(async (context) => void (await context.call("huge", { url: `${app.url}/fine`, ...huge })));
	const parallel = createWorkflow(async (context) => {
		await Promise.all([
			context.call("normal", { url: `${app.url}/slow`, method: "GET", retries: 0 }),
			context.call("huge", { url: `${app.url}/fine`, ...huge }),
		]);
	});
	// Its answer comes when the run is over.
	app.route("/slow", async () => {
		await until(() => app.results.has("/quota"), 120_000);
		return new Response("late");
	});
	const main = createWorkflow(async (context) => {
		const start = (name, workflow) => context.call(name, { workflow, body: "test", headers: passed(context), retries: 0 });
		const all = await Promise.all([start("start single", single), start("start parallel", parallel)]);
		await context.sleep("pause", 1);
		const runs = [];
		for (const [i, { body }] of all.entries()) {
			runs.push(await context.run(`check ${i}`, async () => {
				const run = await app.run(body.workflowRunId, "RUN_FAILED");
				return [shape(run)[1], run.steps[1].steps.find((x) => x.state === "STEP_FAILED").errors[0].status];
			}));
		}
		done("/quota", runs);
	});
	app.many("/quota", { main, single, parallel });
	await app.trigger("/quota/main");
	assert.equal(await calls("/quota", 16), 16);
	const [alone, branch] = app.results.get("/quota");
	assert.deepEqual(alone, ["next: STEP_FAILED", 489]);
	assert.match(branch[0], /^parallel: normal Call STEP_CANCELED, huge Call STEP_FAILED$/);
	assert.equal(branch[1], 489);
});
