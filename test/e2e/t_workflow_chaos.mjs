// 200 workflows of five steps while the server is killed (SIGKILL) and started again, over and over: all end correctly.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Server, tempDir, until } from "./lib.mjs";
import { App } from "./workflow_app.mjs";

const RUNS = 200;
const STEPS = 5;
const KILLS = 6;
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

/** A trigger whose answer got lost is repeated; the run's id makes it one run. */
async function trigger(n) {
	for (;;) {
		try {
			return await app.trigger("/five", { body: { n }, workflowRunId: `chaos-${n}`, retries: 100, retryDelay: "100" });
		} catch (e) {
			if (e.status !== undefined && e.status < 500) throw e;
		}
	}
}

const outOf = (n, step) => `${n}:${step}`;
const resultOf = (n) => Array.from({ length: STEPS }, (_, i) => outOf(n, i + 1)).join(" ");

async function allRuns(query) {
	const runs = [];
	let cursor;
	do {
		const page = (await s.call("GET", `/v2/workflows/logs?${query}&count=50${cursor ? `&cursor=${cursor}` : ""}`)).json;
		runs.push(...page.runs);
		cursor = page.cursor;
	} while (cursor);
	return runs;
}

test("200 workflows of five steps end correctly while the server is killed again and again", async () => {
	const ended = new Set();
	app.workflow("/five", async (context) => {
		const { n } = context.requestPayload;
		const outs = [];
		for (let step = 1; step <= STEPS; step++) outs.push(await context.run(`step ${step}`, () => outOf(n, step)));
		ended.add(n);
		return outs.join(" ");
	});
	const triggers = (async () => {
		for (let n = 0; n < RUNS; n += 10) await Promise.all(Array.from({ length: 10 }, (_, i) => trigger(n + i)));
	})();
	// Kills are spread over the work: the endpoint is called once for each step and once for the end, or more often.
	const share = (RUNS * (STEPS + 1)) / (KILLS + 1);
	for (let kill = 1; kill <= KILLS; kill++) {
		await until(() => app.calls.length >= kill * share || ended.size === RUNS, 120_000);
		const { port } = s;
		await s.kill();
		s = await Server.start({ dir, port });
		app.server = s;
	}
	await triggers;
	await until(() => ended.size === RUNS, 120_000, `${ended.size} of ${RUNS} runs ended`);
	await s.idle();

	// An end that was asked for and not answered before a kill is asked for again.
	await until(async () => (await allRuns("state=RUN_STARTED")).length === 0, 90_000, "runs are left open");
	const runs = await allRuns("state=RUN_SUCCESS");
	assert.deepEqual(
		runs.map((r) => r.workflowRunId).sort(),
		Array.from({ length: RUNS }, (_, n) => `wfr_chaos-${n}`).sort(),
	);
	for (const r of runs) {
		const n = Number(r.workflowRunId.split("-")[1]);
		assert.equal(r.workflowRunResponse, JSON.stringify(resultOf(n)));
		const steps = r.steps.flatMap((g) => g.steps).filter((step) => step.stepType === "Run");
		assert.deepEqual(steps.map((step) => step.out), Array.from({ length: STEPS }, (_, i) => JSON.stringify(outOf(n, i + 1))));
	}
	assert.deepEqual((await s.call("GET", "/v2/dlq?source=workflow")).json.messages, []);
});
