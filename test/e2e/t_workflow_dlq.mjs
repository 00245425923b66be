// Runs that have failed: listed, resumed, restarted, deleted, and their failure callbacks.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WorkflowNonRetryableError } from "@upstash/workflow";
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

const done = (path, value) => app.results.set(path, value);
const list = async (query) => (await s.call("GET", `/v2/dlq?source=workflow&${query}`)).json.messages;
const failed = (id) => until(async () => (await list(`workflowRunId=${id}`))[0], 90_000, "no dead letter");

test("a failed run is listed among the workflows' and not among the plain ones", async () => {
	app.workflow("/fails", async (context) => {
		await context.run("ok", () => 1);
		await context.run("fails", () => {
			throw new Error("no");
		});
	});
	const id = await app.trigger("/fails", { body: { p: 1 }, label: "mine" });
	const m = await failed(id);
	assert.match(m.dlqId, /^\d+-\d+$/);
	assert.equal(m.workflowRunId, id);
	assert.equal(m.workflowUrl, `${app.url}/fails`);
	assert.equal(typeof m.workflowCreatedAt, "number");
	assert.equal(m.body, '{"p":1}');
	assert.equal(m.responseStatus, 500);
	assert.equal(JSON.parse(m.responseBody).message, "no");
	assert.equal(m.label, "mine");
	assert.equal(m.maxRetries, 0);
	// It has no failure function, which the failure callback has found out.
	await until(async () => !(await list(`workflowRunId=${id}`))[0].failureCallbackInfo);
	assert.deepEqual((await s.call("GET", "/v2/dlq")).json.messages, []);
	assert.equal((await s.call("GET", `/v2/dlq/${m.dlqId}`)).status, 404);
	assert.equal((await s.call("POST", `/v2/dlq/retry/${m.dlqId}`)).status, 404);
	const got = await s.call("GET", `/v2/workflows/dlq/${m.dlqId}`);
	assert.equal(got.json.dlqId, m.dlqId);
	const { messages } = await app.client.dlq.list();
	assert.equal(messages.length, 1);
	assert.deepEqual(await list("label=other"), []);
	assert.equal((await list(`workflowUrl=${encodeURIComponent(`${app.url}/fails`)}&responseStatus=500`)).length, 1);
	assert.equal((await s.call("GET", "/v2/workflows/dlq?nonsense=1")).status, 400);
	assert.deepEqual((await s.call("DELETE", `/v2/workflows/dlq/${m.dlqId}`)).json, { deleted: 1 });
	assert.equal((await s.call("DELETE", `/v2/workflows/dlq/${m.dlqId}`)).status, 404);
});

test("resume: what was done stays done, also beside a branch that failed", async () => {
	const runs = { first: 0, good: 0, bad: 0 };
	let broken = true;
	app.workflow("/resume", async (context) => {
		const first = await context.run("first", () => ++runs.first);
		const [good, bad, wait] = await Promise.all([
			context.run("good", () => ++runs.good),
			context.run("bad", async () => {
				await until(() => app.count("/resume") >= 5);
				runs.bad++;
				if (broken) throw new Error("broken");
				return "mended";
			}),
			context.waitForEvent("wait", "resume-event", { timeout: "1h" }),
		]);
		done("/resume", { first, good, bad, wait: wait.eventData, payload: context.requestPayload, label: context.label });
	});
	const id = await app.trigger("/resume", { body: "payload", label: "kept" });
	const m = await failed(id);
	assert.deepEqual((await s.call("GET", "/v2/waiters/resume-event")).json, []);
	broken = false;
	const { workflowRunId } = await app.client.dlq.resume({ dlqId: m.dlqId });
	assert.match(workflowRunId, /^wfr_/);
	assert.notEqual(workflowRunId, id);
	await until(async () => (await s.call("GET", "/v2/waiters/resume-event")).json.length === 1);
	await until(() => runs.bad === 2);
	await app.client.notify({ eventId: "resume-event", eventData: "late" });
	const { result } = await app.result("/resume", 1);
	assert.deepEqual(result, { first: 1, good: 1, bad: "mended", wait: "late", payload: "payload", label: "kept" });
	assert.deepEqual(runs, { first: 1, good: 1, bad: 2 });
	const run = await until(async () => {
		const r = (await app.client.logs({ workflowRunId })).runs[0];
		return r?.workflowState === "RUN_SUCCESS" && r;
	});
	const shape = run.steps.map((g) => `${g.type}: ${g.steps.map((x) => `${x.stepName} ${x.state}`).join(", ")}`);
	assert.deepEqual(shape, [
		"sequential: init STEP_SUCCESS",
		"sequential: first STEP_SUCCESS",
		"parallel: good STEP_SUCCESS, bad STEP_SUCCESS, wait STEP_SUCCESS",
	]);
	assert.equal(run.steps[0].steps[0].out, "payload");
	const old = (await app.client.logs({ workflowRunId: id })).runs[0];
	assert.equal(old.workflowState, "RUN_FAILED");
	assert.equal(old.steps[2].steps[1].state, "STEP_FAILED");
	assert.deepEqual(await list(`workflowRunId=${id}`), []);
});

test("resume: goes on although the last entry tells what an earlier one has told", async () => {
	let broken = true;
	app.workflow("/repeated", async (context) => {
		const first = await context.run("first", () => 1);
		const second = await context.run("second", async () => {
			if (!broken) return 2;
			// As an endpoint does to which the delivery before came twice.
			const r = await s.call("POST", `/v2/publish/${app.url}/repeated`, {
				headers: { "upstash-workflow-runid": context.workflowRunId, "content-type": "application/json" },
				body: JSON.stringify({ stepId: 1, stepName: "first", stepType: "Run", out: "11", concurrent: 1 }),
			});
			assert.equal(r.status, 200);
			throw new Error("broken");
		});
		done("/repeated", { first, second });
	});
	const m = await failed(await app.trigger("/repeated", { body: "x", retries: 0 }));
	broken = false;
	await app.client.dlq.resume({ dlqId: m.dlqId });
	assert.deepEqual((await app.result("/repeated", 1)).result, { first: 1, second: 2 });
});

test("restart: the same from the beginning, with other settings", async () => {
	let n = 0;
	app.workflow("/restart", async (context) => {
		const first = await context.run("first", () => ++n);
		await context.run("second", () => {
			if (n === 1) throw new Error("first time");
		});
		done("/restart", { first, payload: context.requestPayload });
	});
	const id = await app.trigger("/restart", { body: { again: true } });
	const m = await failed(id);
	const all = await app.client.dlq.restart({ dlqId: [m.dlqId], retries: 2, flowControl: { key: "k", parallelism: 1 } });
	assert.equal(all.length ?? 1, 1);
	const { result } = await app.result("/restart", 5);
	assert.deepEqual(result, { first: 2, payload: { again: true } });
	const last = app.calls.filter((c) => c.path === "/restart").at(-1);
	assert.equal(last.headers["upstash-max-retries"], "2");
	assert.equal(last.headers["upstash-flow-control-key"], "k");
	assert.equal((await s.call("POST", `/v2/workflows/dlq/restart/${m.dlqId}`)).status, 404);
});

test("a failure callback that failed can be sent again", async () => {
	let broken = true;
	app.route("/report", async () => (broken ? new Response("broken", { status: 500 }) : new Response("thanks")));
	app.workflow("/reported", async (context) => {
		await context.run("fails", () => {
			throw new Error("no");
		});
	});
	const id = await app.trigger("/reported", { failureUrl: `${app.url}/report` });
	const m = await until(async () => (await list(`workflowRunId=${id}&failureFunctionState=CALLBACK_FAIL`))[0]);
	assert.equal(m.failureCallbackInfo.state, "CALLBACK_FAIL");
	assert.equal(m.failureCallbackInfo.responseStatus, 500);
	assert.equal(m.failureCallback, `${app.url}/report`);
	broken = false;
	const again = await s.call("POST", `/v2/workflows/dlq/callback/${m.dlqId}`);
	assert.deepEqual(again.json, { workflowRunId: id, workflowCreatedAt: m.workflowCreatedAt });
	await until(async () => (await list(`workflowRunId=${id}`))[0].failureFunctionState === "CALLBACK_SUCCESS");
	assert.equal(app.count("/report"), 2);
	const bodies = app.calls.filter((c) => c.path === "/report").map((c) => JSON.parse(c.body));
	assert.equal(bodies[1].body, bodies[0].body);
	assert.equal(bodies[1].dlqId, bodies[0].dlqId);
	assert.equal((await s.call("POST", `/v2/workflows/dlq/callback/${m.dlqId}`)).status, 400);
	assert.equal((await s.call("DELETE", `/v2/workflows/dlq/callback/${m.dlqId}`)).status, 400);
});

test("a failure callback in progress can be cancelled", async () => {
	app.route("/never", async () => new Response("no", { status: 500 }));
	app.workflow("/report-cancel", async (context) => {
		await context.run("fails", () => {
			throw new WorkflowNonRetryableError("no");
		});
	});
	const id = await app.trigger("/report-cancel", { failureUrl: `${app.url}/never`, retries: 1, retryDelay: "600000" });
	await until(() => app.count("/never") === 1);
	const m = await failed(id);
	await until(async () => (await s.call("GET", "/v2/globalParallelism")).json.parallelismCount === 0);
	const res = await fetch(`${s.url}/v2/workflows/dlq/callback/${m.dlqId}`, {
		method: "DELETE",
		redirect: "manual",
		headers: { authorization: `Bearer ${s.token}` },
	});
	assert.equal(res.status, 302);
	assert.equal((await list(`workflowRunId=${id}`))[0].failureFunctionState, "CALLBACK_CANCELED");
});

test("bulk: resumed, restarted and deleted by filter, page by page", async () => {
	let broken = true;
	const ok = new Map();
	for (const path of ["/bulk/a", "/bulk/b"]) {
		app.workflow(path, async (context) => {
			const { n } = context.requestPayload;
			await context.run("ok", () => void ok.set(n, (ok.get(n) ?? 0) + 1));
			await context.run("fails", () => {
				if (broken) throw new Error("broken");
			});
			return n;
		});
	}
	const fail = async (path, label, ...all) => {
		for (const n of all) await app.trigger(path, { body: { n }, label });
		await until(async () => (await list(`label=${label}`)).length === all.length);
	};
	await fail("/bulk/a", "bulk-a", 1, 2, 3);
	await fail("/bulk/b", "bulk-b", 4, 5);
	broken = false;
	const results = async (runs) => {
		const all = [];
		for (const r of runs) all.push((await app.run(r.workflowRunId, "RUN_SUCCESS")).workflowRunResponse);
		return all.sort();
	};
	const first = await app.client.dlq.resume({ filter: { label: "bulk-a" }, count: 2 });
	assert.equal(first.workflowRuns.length, 2);
	const query = `label=bulk-a&cursor=${first.cursor}`;
	const second = (await s.call("POST", `/v2/workflows/dlq/resume?${query}`, { headers: { "Upstash-Label": "mended" } })).json;
	assert.deepEqual([second.workflowRuns.length, second.cursor], [1, undefined]);
	assert.deepEqual(await results([...first.workflowRuns, ...second.workflowRuns]), ["1", "2", "3"]);
	assert.equal((await app.run(second.workflowRuns[0].workflowRunId, "RUN_SUCCESS")).label, "mended");
	const filter = { workflowUrl: `${app.url}/bulk/b` };
	const again = await app.client.dlq.restart({ filter });
	assert.deepEqual(await results(again.workflowRuns), ["4", "5"]);
	// What was resumed has not done again what it had done.
	assert.deepEqual([...ok], [[1, 1], [2, 1], [3, 1], [4, 2], [5, 2]]);
	assert.deepEqual((await app.client.dlq.restart({ filter })).workflowRuns, []);
	broken = true;
	await fail("/bulk/a", "bulk-a", 6, 7);
	await fail("/bulk/b", "bulk-b", 8);
	assert.equal((await app.client.dlq.delete({ filter: { label: "bulk-a" } })).deleted, 2);
	assert.deepEqual((await list("label=bulk-a")).concat(await list("label=bulk-b")).map((m) => m.body), ['{"n":8}']);
});
