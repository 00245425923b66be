// Messages of workflow runs, seen from the plain API: they are read, but cancelled, purged and deleted with their runs
// only; and what the server says of its limits.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
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

test("a pending delivery of a run is not cancelled as a message: by its id, in a list, by filter, with all", async () => {
	app.workflow("/pending", async (context) => {
		const n = await context.run("one", () => 1);
		done("/pending", n);
	});
	assert.equal((await s.call("POST", "/v2/flowControl/held/pause")).status, 200);
	const id = await app.trigger("/pending", { flowControl: { key: "held", parallelism: 9 }, label: "pending" });
	const [{ messageId }] = (await app.run(id, "RUN_STARTED")).steps[0].steps;
	assert.equal((await s.call("GET", `/v2/messages/${messageId}`)).json.url, `${app.url}/pending`);
	const plain = await s.call("POST", `/v2/publish/${app.url}/plain`, { headers: { "Upstash-Delay": "1h", "Upstash-Label": "pending" } });
	const refused = await s.call("DELETE", `/v2/messages/${messageId}`);
	assert.equal(refused.status, 400);
	assert.match(refused.json.error, new RegExp(`DELETE /v2/workflows/runs/${id} cancels the run`));
	const many = await s.call("DELETE", `/v2/messages?messageIds=${messageId}&messageIds=${plain.json.messageId}`);
	assert.deepEqual(many.json, { cancelled: 1 });
	await s.call("POST", `/v2/publish/${app.url}/plain`, { headers: { "Upstash-Delay": "1h", "Upstash-Label": "pending" } });
	assert.deepEqual((await s.call("DELETE", "/v2/messages?label=pending")).json, { cancelled: 1 });
	await s.call("POST", `/v2/publish/${app.url}/plain`, { headers: { "Upstash-Delay": "1h" } });
	assert.deepEqual((await s.call("DELETE", "/v2/messages")).json, { cancelled: 1 });
	assert.equal((await s.call("POST", "/v2/flowControl/held/resume")).status, 200);
	assert.deepEqual(await app.result("/pending", 2), { result: 1, calls: 2 });
	await app.run(id, "RUN_SUCCESS");
});

test("a run may queue for its beginning; the queue may be deleted meanwhile", async () => {
	app.workflow("/queued", async (context) => {
		await context.run("one", () => 1);
		done("/queued", context.workflowRunId);
	});
	const start = (run) =>
		s.call("POST", "/v2/batch", {
			body: JSON.stringify([
				{
					destination: `${app.url}/queued`,
					queue: "line",
					headers: {
						"upstash-workflow-init": "true",
						"upstash-workflow-runid": run,
						"upstash-forward-ci-test-id": "x",
						"upstash-feature-set": "WF_TriggerOnConfig",
					},
				},
			]),
		});
	assert.equal((await s.call("POST", "/v2/queues", { body: JSON.stringify({ queueName: "line", parallelism: 1, paused: true }) })).status, 200);
	assert.equal((await start("wfr_queued")).status, 200);
	assert.equal((await s.call("GET", "/v2/queues/line")).json.lag, 1);
	assert.equal(app.count("/queued"), 0);
	assert.equal((await s.call("DELETE", "/v2/queues/line")).status, 200);
	assert.deepEqual(await app.result("/queued", 2), { result: "wfr_queued", calls: 2 });
});

test("dead letters of runs are not deleted as plain ones", async () => {
	app.workflow("/dead", async (context) => {
		await context.run("fails", () => {
			throw new Error("no");
		});
	});
	const id = await app.trigger("/dead");
	const dead = async () => (await s.call("GET", `/v2/dlq?source=workflow&workflowRunId=${id}`)).json.messages;
	const [{ dlqId }] = await until(async () => (await dead()).length === 1 && dead());
	assert.equal((await s.call("DELETE", `/v2/dlq/${dlqId}`)).status, 404);
	assert.deepEqual((await s.call("DELETE", "/v2/dlq")).json.deleted, 0);
	assert.deepEqual((await s.call("DELETE", `/v2/dlq?dlqIds=${dlqId}`)).json.deleted, 0);
	assert.equal((await dead()).length, 1);
});

/** A run that stands still, for requests of our own. */
async function openRun(path) {
	app.workflow(path, async (context) => context.sleep("long", "1d"));
	const id = await app.trigger(path);
	await until(async () => (await s.call("GET", `/v2/workflows/runs/${id}`)).json.length === 2);
	return id;
}

test("a stepConfig is an entry that the log hides; a second one in a row is refused", async () => {
	const id = await openRun("/config");
	const publish = (body, type = "stepConfig") =>
		s.call("POST", `/v2/publish/${app.url}/nowhere`, {
			headers: { "Upstash-Workflow-RunId": id, "Upstash-Workflow-CallType": type, "Upstash-Feature-Set": "WF_StepConfig", "Upstash-Retries": "7" },
			body: JSON.stringify(body),
		});
	const first = await publish({ targetStep: 2, invokeCount: 0 });
	assert.equal(first.status, 200);
	const again = await publish({ targetStep: 2, invokeCount: 0 });
	assert.deepEqual([again.status, again.json.deduplicated, again.json.messageId], [200, true, first.json.messageId]);
	const second = await publish({ targetStep: 3, invokeCount: 0 });
	assert.equal(second.status, 400);
	assert.match(second.json.error, /stepConfig/);
	assert.equal((await publish({ stepId: 2, stepName: "x", stepType: "Run", concurrent: 1 }, "step")).status, 200);
	assert.equal((await publish({ targetStep: 3, invokeCount: 0 })).status, 200);
	const history = (await s.call("GET", `/v2/workflows/runs/${id}`)).json;
	assert.deepEqual(history.map((e) => e.callType), ["step", "step", "stepConfig", "step", "stepConfig"]);
	const got = await until(() => app.calls.find((c) => c.path === "/nowhere"));
	assert.equal(got.headers["upstash-workflow-step-config"], "true");
	assert.equal(got.headers["upstash-max-retries"], "7");
	await app.client.cancel({ ids: [id] });
});

test("a history that grows too long is refused whole, with 412", async () => {
	const id = await openRun("/long");
	const item = (i) => ({
		destination: `${app.url}/long`,
		headers: { "upstash-workflow-runid": id },
		body: JSON.stringify({ stepId: i, stepName: "s", stepType: "Run", concurrent: 1 }),
	});
	const refused = await s.call("POST", "/v2/batch", { body: JSON.stringify(Array.from({ length: 9_999 }, (_, i) => item(i + 2))) });
	assert.equal(refused.status, 412);
	assert.match(refused.json.error, /maxEntriesPerRun/);
	assert.equal((await s.call("GET", `/v2/workflows/runs/${id}`)).json.length, 2);
	await app.client.cancel({ ids: [id] });
});

test("deliveries tell of the attempts and the limit; retries of a step carry the counts", async () => {
	let failed = false;
	app.workflow("/echo", async (context) => {
		await context.run("one", () => {
			if (failed) return;
			failed = true;
			throw new Error("once");
		});
		done("/echo", true);
	});
	await app.trigger("/echo", { retries: 2, retryDelay: "100", flowControl: { key: "echo", rate: 100, period: "1m", parallelism: 5 } });
	await app.result("/echo", 3);
	const got = app.calls.filter((c) => c.path === "/echo").map((c) => c.headers);
	assert.deepEqual(got.map((h) => [h["upstash-retried"], h["upstash-retries"], h["upstash-max-retries"]]), [["0", "0", "2"], ["1", "1", "2"], ["0", "0", "2"]]);
	for (const h of got) {
		assert.equal(h["upstash-retry-delay"], "100");
		assert.equal(h["upstash-flow-control-key"], "echo");
		assert.equal(h["upstash-flow-control-value"], "parallelism=5,rate=100,period=60");
	}
});

test("redaction: payload, results, a call's answer and what an invoked run was given are hidden in the log", async () => {
	app.route("/secret", async () => new Response("the answer"));
	const child = createWorkflow(async (context) => context.run("step", () => "x"));
	const parent = createWorkflow(async (context) => {
		await context.call("call", { url: `${app.url}/secret`, method: "POST", body: "the question" });
		await context.invoke("invoke", { workflow: child, body: "the body", headers: { mine: "the header" } });
		return "the result";
	});
	app.many("/redact", { parent, child });
	const id = await app.trigger("/redact/parent", { body: "the payload", redact: { body: true, header: ["Mine"] } });
	const run = await app.run(id, "RUN_SUCCESS");
	const text = JSON.stringify(run);
	for (const hidden of ["the payload", "the question", "the answer", "the body", "the header", "the result"]) {
		assert.ok(!text.includes(hidden), hidden);
	}
	const open = await app.run(await app.trigger("/redact/parent", { body: "the payload" }), "RUN_SUCCESS");
	assert.deepEqual(shape(open).slice(1), ["sequential: call Call STEP_SUCCESS", "sequential: invoke Invoke STEP_SUCCESS"]);
	const [invoke] = open.steps[2].steps;
	assert.equal(invoke.invokedWorkflowRunBody, "the body");
	assert.deepEqual(invoke.invokedWorkflowRunHeaders.Mine ?? invoke.invokedWorkflowRunHeaders.mine, ["the header"]);
	assert.equal(open.steps[1].steps[0].callResponseBody, "the answer");
});
