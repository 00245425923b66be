// Workflow runs through the published SDK: results, and how often the endpoint is called.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Server, until } from "./lib.mjs";
import { App } from "./workflow_app.mjs";

let s, app, schedule;
before(async () => {
	s = await Server.start();
	app = await App.start(s);
	// Its tick comes within a minute, while the other tests run.
	app.workflow("/scheduled", async (context) => {
		const got = await context.run("one", () => [context.requestPayload, context.headers.get("mine")]);
		done("/scheduled", got);
		return "scheduled";
	}, { direct: true });
	schedule = await app.qstash.schedules.create({ destination: `${app.url}/scheduled`, cron: "* * * * *", body: "tick", headers: { mine: "yes" } });
});
after(async () => {
	await app.end();
	await s.stop();
});

const done = (path, value) => app.results.set(path, value);

test("path: steps one after the other, and the payload survives as it was", async () => {
	const payload = "“quotes” and ünïcode";
	app.workflow("/path", async (context) => {
		const input = context.requestPayload;
		const one = await context.run("step1", () => `one ${input}`);
		const two = await context.run("step2", () => `two ${one}`);
		await context.run("step3", () => done("/path", two));
	});
	await app.trigger("/path", { body: payload });
	const { result, calls } = await app.result("/path", 4);
	assert.equal(result, `two one ${payload}`);
	assert.equal(calls, 4);
});

test("sleep: until a time and for a while, and no payload stays no payload", async () => {
	const at = {};
	app.workflow("/sleep", async (context) => {
		assert.equal(context.requestPayload, undefined);
		at.start = await context.run("step1", () => Date.now());
		await context.sleepUntil("sleep1", at.start / 1000 + 1.5);
		at.middle = await context.run("step2", () => Date.now());
		await context.sleep("sleep2", 1);
		at.end = await context.run("step3", () => Date.now());
		done("/sleep", at);
	});
	await app.trigger("/sleep");
	const { result, calls } = await app.result("/sleep", 6);
	assert.equal(calls, 6);
	assert.ok(result.middle - result.start >= 1000, `slept ${result.middle - result.start} ms`);
	assert.ok(result.end - result.middle >= 1000, `slept ${result.end - result.middle} ms`);
});

test("sleepWithoutAwait: a parallel sleep beside two steps; every entry is delivered once", async () => {
	app.workflow("/sleepWithoutAwait", async (context) => {
		const first = await context.run("first", () => 1);
		const [a, , b] = await Promise.all([
			context.run("a", () => first + 1),
			context.sleep("pause", 1),
			context.run("b", () => first + 2),
		]);
		const last = await context.run("last", () => a + b);
		await context.sleep("again", "1s");
		await context.run("end", () => done("/sleepWithoutAwait", last));
	});
	await app.trigger("/sleepWithoutAwait");
	const { result, calls } = await app.result("/sleepWithoutAwait", 11);
	assert.equal(result, 5);
	// init, first, 3 plans, 3 results, last, again, end
	assert.equal(calls, 11);
});

test("async-sync-run: functions of both kinds", async () => {
	app.workflow("/async-sync-run", async (context) => {
		const a = await context.run("async", async () => "a");
		const b = await context.run("sync", () => a + "b");
		await context.run("end", () => done("/async-sync-run", b));
	});
	await app.trigger("/async-sync-run", { body: { any: "thing" } });
	assert.deepEqual(await app.result("/async-sync-run", 4), { result: "ab", calls: 4 });
});

test("auth/success: the user's headers are there on every delivery", async () => {
	app.workflow("/auth/success", async (context) => {
		if (context.headers.get("authentication") !== "Bearer secretPassword") return;
		await context.run("step1", () => 1);
		await context.run("step2", () => done("/auth/success", "ok"));
	});
	await app.trigger("/auth/success", { headers: { authentication: "Bearer secretPassword" } });
	assert.equal((await app.result("/auth/success", 3)).calls, 3);
});

test("a run may be many at once: a wide parallel block of slow and quick steps", async () => {
	app.workflow("/wide", async (context) => {
		const all = await Promise.all(Array.from({ length: 20 }, (_, i) => context.run(`s${i}`, () => i)));
		done("/wide", all.reduce((x, y) => x + y));
	});
	await app.trigger("/wide");
	const { result, calls } = await app.result("/wide", 41);
	assert.equal(result, 190);
	assert.equal(calls, 41);
});

test("a payload and results of several MB arrive whole", async () => {
	const big = "x".repeat(1_500_000);
	app.workflow("/large", async (context) => {
		const length = context.requestPayload.length;
		const more = await context.run("more", () => big);
		const sum = await context.run("sum", () => length + more.length);
		done("/large", sum);
	});
	await app.trigger("/large", { body: big });
	assert.deepEqual(await app.result("/large", 3), { result: 3_000_000, calls: 3 });
});

test("an id that is open is not started again; once it is over, it is", async () => {
	let runs = 0;
	let release;
	const gate = new Promise((r) => (release = r));
	app.workflow("/same-id", async (context) => {
		const n = await context.run("count", () => ++runs);
		await context.run("hold", () => gate);
		await context.run("end", () => done("/same-id", n));
	});
	const start = () => app.trigger("/same-id", { workflowRunId: "mine" });
	const id = await start();
	assert.equal(id, "wfr_mine");
	await start();
	release();
	assert.equal((await app.result("/same-id", 4)).result, 1);
	app.results.delete("/same-id");
	await until(async () => (await s.call("GET", `/v2/workflows/runs/${id}`)).status === 404);
	await start();
	assert.deepEqual(await app.result("/same-id", 8), { result: 2, calls: 8 });
});

test("the history is there while the run is open, entry by entry", async () => {
	let release;
	const gate = new Promise((r) => (release = r));
	app.workflow("/history", async (context) => {
		await context.run("one", () => "result");
		await context.run("two", () => gate);
		done("/history", true);
	});
	const id = await app.trigger("/history", { body: "payload" });
	await until(() => app.count("/history") === 2);
	const got = (await s.call("GET", `/v2/workflows/runs/${id}`)).json;
	assert.equal(got.length, 2);
	assert.equal(Buffer.from(got[0].body, "base64").toString(), "payload");
	assert.deepEqual(JSON.parse(Buffer.from(got[1].body, "base64")), {
		stepId: 1,
		stepName: "one",
		stepType: "Run",
		out: '"result"',
		concurrent: 1,
	});
	const delivered = app.calls.filter((c) => c.path === "/history").at(-1);
	assert.deepEqual(JSON.parse(delivered.body), got);
	assert.equal(delivered.headers["upstash-message-id"], got[1].messageId);
	assert.equal(delivered.headers["upstash-workflow-runid"], id);
	assert.equal(delivered.headers["upstash-workflow-sdk-version"], "1");
	release();
	await app.result("/history", 3);
	assert.equal((await s.call("GET", `/v2/workflows/runs/${id}`)).status, 404);
});

test("a run that is cancelled accepts nothing, and ends once", async () => {
	app.workflow("/cancel", async (context) => {
		await context.sleep("long", "10d");
		done("/cancel", "never");
	});
	const id = await app.trigger("/cancel");
	await until(() => app.count("/cancel") === 1);
	assert.deepEqual(await app.client.cancel({ ids: [id] }), { cancelled: 1 });
	assert.deepEqual(await app.client.cancel({ ids: [id, "wfr_unknown"] }), { cancelled: 0 });
	const headers = { "Upstash-Workflow-RunId": id, "Upstash-Workflow-Init": "false" };
	const refused = await s.call("POST", `/v2/publish/${app.url}/cancel`, { headers, body: "{}" });
	assert.equal(refused.status, 400);
	assert.match(refused.json.error, /can not append/);
	assert.equal((await s.call("DELETE", `/v2/workflows/runs/${id}`)).status, 200);
	assert.equal((await s.call("DELETE", "/v2/workflows/runs/wfr_never")).status, 404);
});

test("runs are cancelled by URL, by its beginning, by label, and all of them", async () => {
	const sleeper = async (context) => context.sleep("long", "10d");
	for (const path of ["/bulk/a", "/bulk/b", "/bulk/b2"]) app.workflow(path, sleeper);
	const start = async (path, label) => {
		const before = app.count(path);
		await app.trigger(path, { label });
		await until(() => app.count(path) > before);
	};
	await start("/bulk/a", "one");
	await start("/bulk/b", "two");
	await start("/bulk/b2", "two");
	await app.trigger("/bulk/a", { delay: "5d" });
	const url = app.url;
	assert.deepEqual(await app.client.cancel({ filter: { workflowUrl: `${url}/bulk/b` } }), { cancelled: 1 });
	assert.deepEqual(await app.client.cancel({ filter: { label: "two", workflowUrl: `${url}/bulk/b2` } }), { cancelled: 1 });
	assert.deepEqual(await app.client.cancel({ filter: { workflowUrlStartingWith: `${url}/bulk/` } }), { cancelled: 2 });
	await start("/bulk/a", "one");
	assert.deepEqual(await app.client.cancel({ filter: { label: "none" } }), { cancelled: 0 });
	assert.deepEqual(await app.client.cancel({ all: true }), { cancelled: 1 });
});

test("a run that cancels itself is no failure", async () => {
	app.workflow(
		"/self",
		async (context) => {
			await context.run("one", () => 1);
			await context.cancel();
			await context.run("never", () => done("/self", "went on"));
		},
		{ failureFunction: async () => void done("/self", "failed") },
	);
	const run = await app.run(await app.trigger("/self"), "RUN_CANCELED");
	await s.idle();
	assert.deepEqual([app.count("/self"), app.results.get("/self"), run.dlqId], [2, undefined, undefined]);
});

test("the end of a run stays as it was: asked for again, asked for otherwise, or of another run of its name", async () => {
	app.workflow("/ends", async (context) => context.run("one", () => 1));
	const id = await app.trigger("/ends");
	const { workflowRunCreatedAt: created } = await app.run(id, "RUN_SUCCESS");
	for (const query of ["cancel=false", "cancel=true", ""]) {
		const again = await s.call("DELETE", `/v2/workflows/runs/${id}?${query}`, { body: '"other"' });
		assert.deepEqual([again.status, again.json], [200, { cancelled: 0 }]);
	}
	assert.equal((await app.run(id, "RUN_SUCCESS")).workflowRunResponse, "1");
	app.workflow("/again", async (context) => context.sleep("long", "1d"));
	assert.equal(await app.trigger("/again", { workflowRunId: id.slice(4) }), id);
	await until(() => app.count("/again") === 1);
	await s.call("DELETE", `/v2/workflows/runs/${id}`, { headers: { "Upstash-Workflow-CreatedAt": String(created) } });
	assert.equal((await s.call("GET", `/v2/workflows/runs/${id}`)).status, 200);
	assert.deepEqual(await app.client.cancel({ ids: [id] }), { cancelled: 1 });
});

test("schedule: a tick begins a run", async () => {
	const { result } = await app.result("/scheduled", 3);
	await app.qstash.schedules.delete(schedule.scheduleId);
	assert.deepEqual(result, ["tick", "yes"]);
	await until(async () => {
		const { runs } = await app.client.logs({ filter: { workflowUrl: `${app.url}/scheduled` } });
		return runs[0]?.workflowState === "RUN_SUCCESS" && runs[0].workflowRunResponse === '"scheduled"';
	});
});
