// Workflow runs go on through kill -9 of the server, and of the store's: no step is lost, none counts twice.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Server, tempDir, until } from "./lib.mjs";
import { App } from "./workflow_app.mjs";

const RUNS = 25;
let dir, s, app;
before(async () => {
	dir = tempDir();
	s = await Server.start({ dir });
	app = await App.start(s);
});
after(async () => {
	await app.end();
	await s.stop();
});

async function killServer() {
	const { port } = s;
	await s.kill();
	s = await Server.start({ dir, port });
	app.server = s;
}

async function killStore() {
	await s.redis.kill();
	const refused = async () => (await s.call("POST", "/v2/publish/http://127.0.0.1:1/none", { body: "x" })).status === 503;
	await until(refused, 60_000, "no 503");
	await s.redis.start();
}

/** Runs of a workflow while `kill` comes three times. */
async function survive(kill) {
	const before = app.calls.length;
	const finished = new Map();
	const third = new Map();
	app.route("/third", async (request) => {
		const id = await request.text();
		third.set(id, (third.get(id) ?? 0) + 1);
		return Response.json({ id });
	});
	app.workflow("/work", async (context) => {
		const n = context.requestPayload.n;
		const one = await context.run("one", () => n);
		const [a, , b] = await Promise.all([context.run("a", () => one + 1), context.sleep("pause", 1), context.run("b", () => one + 2)]);
		const call = await context.call("call", { url: `${app.url}/third`, method: "POST", body: `id-${n}`, retries: 5, retryDelay: "100" });
		const wait = await context.waitForEvent("wait", `event-${n}`, { timeout: "1s" });
		const last = await context.run("last", () => a + b);
		finished.set(n, { last, called: call.body.id, timeout: wait.timeout, history: context.workflowRunId });
	});
	for (let n = 0; n < RUNS; n++) await app.trigger("/work", { body: { n }, retries: 50, retryDelay: "200" });
	for (let n = 0; n < 3; n++) {
		const calls = app.calls.length;
		await until(() => app.calls.length > calls + 2 * RUNS || finished.size === RUNS);
		await kill();
	}
	await until(() => finished.size === RUNS, 120_000, `${finished.size} of ${RUNS} runs finished`);
	await s.idle();
	for (let n = 0; n < RUNS; n++) {
		const { last, called, timeout } = finished.get(n);
		assert.deepEqual({ last, called, timeout }, { last: 2 * n + 3, called: `id-${n}`, timeout: true });
	}
	const { runs, cursor } = (await s.call("GET", "/v2/workflows/logs?state=RUN_SUCCESS")).json;
	assert.equal(runs.length, 10);
	assert.ok(cursor);
	assert.deepEqual((await s.call("GET", "/v2/dlq?source=workflow")).json.messages, []);
	// Whatever came twice, each step has one result in the history that its run was told last.
	const last = new Map();
	for (const c of app.calls.slice(before)) {
		if (c.path !== "/work" || c.headers["upstash-workflow-callback"] || !c.headers["upstash-workflow-sdk-version"]) continue;
		last.set(c.headers["upstash-workflow-runid"], JSON.parse(c.body));
	}
	for (const entries of last.values()) {
		const results = entries.slice(1).map((e) => JSON.parse(Buffer.from(e.body, "base64"))).filter((e) => !e.targetStep);
		const ids = results.map((e) => e.stepId);
		assert.equal(new Set(ids).size, ids.length, `step ids ${ids}`);
	}
}

test("runs with steps, calls, parallel blocks and waits survive three kills", () => survive(killServer));

if (process.env.E2E_STORE === "redis") test("they survive three kills of redis-server", () => survive(killStore));
