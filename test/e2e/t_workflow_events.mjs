// Steps that wait: for events, for webhooks, for runs that they invoke.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Server, until } from "./lib.mjs";
import { createWorkflow, serveMany } from "@upstash/workflow/cloudflare";
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
const waiters = async (event) => (await s.call("GET", `/v2/waiters/${event}`)).json;
const untilWaiting = (event, n = 1) => until(async () => (await waiters(event)).length === n);

test("waitForEvent: notified from outside, with data", async () => {
	app.workflow("/wait", async (context) => {
		const { eventData, timeout } = await context.waitForEvent("wait", "my-event", { timeout: "1h" });
		done("/wait", { eventData, timeout });
	});
	const id = await app.trigger("/wait");
	await untilWaiting("my-event");
	const [w] = await waiters("my-event");
	assert.equal(w.url, `${app.url}/wait`);
	assert.deepEqual(w.headers["Upstash-Workflow-Runid"], [id]);
	assert.ok(Math.abs(w.deadline - (Date.now() / 1000 + 3600)) < 60);
	const told = await app.client.notify({ eventId: "my-event", eventData: { a: "ü" } });
	assert.equal(told.length, 1);
	assert.match(told[0].messageId, /^msg_/);
	assert.equal(told[0].workflowRunId, id);
	assert.equal(told[0].waiter.url, `${app.url}/wait`);
	assert.deepEqual(await app.result("/wait", 2), { result: { eventData: { a: "ü" }, timeout: false }, calls: 2 });
	assert.deepEqual(await waiters("my-event"), []);
	assert.deepEqual(await app.client.notify({ eventId: "my-event" }), []);
});

test("waitForEvent: the time runs out, for a number and for a text", async () => {
	app.workflow("/timeout", async (context) => {
		const a = await context.waitForEvent("a", "never-a", { timeout: 1 });
		const b = await context.waitForEvent("b", "never-b", { timeout: "1s" });
		done("/timeout", [a, b]);
	});
	await app.trigger("/timeout");
	const { result, calls } = await app.result("/timeout", 3);
	assert.deepEqual(result, [
		{ eventData: undefined, timeout: true },
		{ eventData: undefined, timeout: true },
	]);
	assert.equal(calls, 3);
});

test("waitForEvent in a parallel block, notified by another run", async () => {
	app.workflow("/notifier", async (context) => {
		const { notifyResponse } = await context.notify("notify", "from-run", "data");
		done("/notifier", notifyResponse.length);
	});
	app.route("/quick", async () => new Response("quick"));
	app.workflow("/waits", async (context) => {
		const [wait, call, run] = await Promise.all([
			context.waitForEvent("wait", "from-run"),
			context.call("call", { url: `${app.url}/quick` }),
			context.run("run", () => 7),
		]);
		done("/waits", [wait.eventData, call.body, run]);
	});
	await app.trigger("/waits");
	await untilWaiting("from-run");
	await app.trigger("/notifier");
	assert.deepEqual(await app.result("/notifier", 2), { result: 1, calls: 2 });
	// init, 3 plans, 3 results, a callback
	assert.deepEqual(await app.result("/waits", 8), { result: ["data", "quick", 7], calls: 8 });
});

test("all runs that wait for an event are notified", async () => {
	const got = [];
	app.workflow("/both", async (context) => {
		const { eventData } = await context.waitForEvent("wait", "both");
		got.push(eventData);
		done("/both", got.length);
	});
	await app.trigger("/both");
	await app.trigger("/both");
	await untilWaiting("both", 2);
	assert.equal((await app.client.notify({ eventId: "both", eventData: "x" })).length, 2);
	await until(() => got.length === 2);
});

test("a notification for one run is kept until it waits", async () => {
	let release;
	const gate = new Promise((r) => (release = r));
	app.workflow("/lookback", async (context) => {
		await context.run("slow", () => gate);
		const a = await context.waitForEvent("a", "early");
		const b = await context.waitForEvent("b", "early");
		done("/lookback", [a.eventData, b.eventData]);
	});
	const id = await app.trigger("/lookback");
	await until(() => app.count("/lookback") === 1);
	const notify = (run, body) => s.call("POST", `/v2/notify/${run}/early`, { body });
	assert.deepEqual((await notify(id, "one")).json, []);
	assert.deepEqual((await notify(id, "two")).json, []);
	assert.equal((await notify("wfr_none", "x")).status, 404);
	release();
	assert.deepEqual((await app.result("/lookback", 4)).result, ["one", "two"]);
});

test("a wait ends with its run, and is the only one for its step", async () => {
	app.workflow("/ends", async (context) => void (await context.waitForEvent("wait", "ends")));
	const id = await app.trigger("/ends");
	await untilWaiting("ends");
	const again = await s.call("POST", "/v2/wait/ends", {
		headers: { "Upstash-Workflow-RunId": id, "Upstash-Workflow-Init": "false" },
		body: JSON.stringify({ url: `${app.url}/ends`, timeout: "1h", step: { stepId: 1, stepName: "wait", stepType: "Wait", concurrent: 1 } }),
	});
	assert.equal(again.status, 200);
	assert.equal((await waiters("ends")).length, 1);
	await app.client.cancel({ ids: [id] });
	assert.deepEqual(await waiters("ends"), []);
});

test("webhooks: called while the run waits, called before, and not called in time", async () => {
	app.workflow("/webhook", async (context) => {
		const one = await context.createWebhook("create1");
		const two = await context.createWebhook("create2");
		done("/webhook-urls", [one, two]);
		const early = await context.waitForWebhook("wait early", two, "1h");
		const first = await context.waitForWebhook("wait", one, "1h");
		const late = await context.waitForWebhook("wait late", one, "1s");
		const text = first.request && (await first.request.text());
		done("/webhook", {
			url: first.request.url === one.webhookUrl,
			method: first.request.method,
			header: first.request.headers.get("x-mine"),
			text,
			early: early.request.method,
			late: late.timeout,
		});
	});
	await app.trigger("/webhook");
	await until(() => app.results.has("/webhook-urls"));
	const [one, two] = app.results.get("/webhook-urls");
	assert.ok(one.webhookUrl.startsWith(`${s.url}/v2/workflows/hooks/defaultUser/`));
	assert.equal((await fetch(two.webhookUrl)).status, 200);
	const call = await fetch(one.webhookUrl, { method: "PUT", body: "body ü", headers: { "x-mine": "yes" } });
	assert.equal(call.status, 200);
	const { result } = await app.result("/webhook", 6);
	assert.deepEqual(result, { url: true, method: "PUT", header: "yes", text: "body ü", early: "GET", late: true });
	await until(async () => (await fetch(one.webhookUrl)).status === 404);
});

test("webhooks: any method of HTTP is one that the run is told of", async () => {
	const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"];
	app.workflow("/methods", async (context) => {
		const hook = await context.createWebhook("create");
		done("/methods-url", hook.webhookUrl);
		const told = [];
		for (const method of METHODS) told.push((await context.waitForWebhook(method, hook, "1h")).request.method);
		done("/methods", told);
	});
	await app.trigger("/methods");
	await until(() => app.results.has("/methods-url"));
	for (const method of METHODS) assert.equal((await fetch(app.results.get("/methods-url"), { method })).status, 200, method);
	const { result } = await app.result("/methods", 2 + METHODS.length);
	assert.deepEqual(result, METHODS);
});

test("invoke: children that succeed, fail and are cancelled tell their parent", async () => {
	const child = createWorkflow(async (context) => {
		await context.run("step", () => {});
		return { got: context.requestPayload, label: context.label };
	});
	const failing = createWorkflow(async (context) => {
		await context.run("fail", () => {
			throw new Error("no");
		});
	});
	const sleeping = createWorkflow(async (context) => context.sleep("long", "1d"));
	let sleepingId;
	const parent = createWorkflow(async (context) => {
		const ok = await context.invoke("ok", { workflow: child, body: { p: 1 }, headers: { "Ci-Test-Id": "c" }, workflowRunId: "child", label: "kid" });
		const bad = await context.invoke("bad", { workflow: failing, body: undefined, retries: 0, headers: { "Ci-Test-Id": "c" } });
		const gone = await context.invoke("gone", { workflow: sleeping, body: undefined, workflowRunId: "gone", headers: { "Ci-Test-Id": "c" } });
		done("/many/parent", { ok, bad, gone });
	});
	const many = serveMany({ parent, child, failing, sleeping }, { qstashClient: app.qstash });
	for (const name of ["parent", "child", "failing", "sleeping"]) app.route(`/many/${name}`, (request) => many.fetch(request, {}));
	const id = await app.trigger("/many/parent");
	await until(() => app.count("/many/sleeping") === 1);
	sleepingId = "wfr_gone";
	assert.deepEqual(await app.client.cancel({ ids: [sleepingId] }), { cancelled: 1 });
	const { result } = await app.result("/many/parent", 4);
	assert.deepEqual(result.ok, { body: { got: { p: 1 }, label: "kid" }, isCanceled: false, isFailed: false });
	assert.deepEqual(result.bad, { body: undefined, isCanceled: false, isFailed: true });
	assert.deepEqual(result.gone, { body: undefined, isCanceled: true, isFailed: false });
	assert.equal(app.count("/many/parent"), 4);
	const childs = app.calls.filter((c) => c.path === "/many/child");
	assert.deepEqual(childs.map((c) => c.headers["upstash-workflow-invoke-count"]), ["1", "1"]);
	assert.equal((await s.call("GET", `/v2/workflows/runs/${id}`)).status, 404);
});

test("an invocation that is published twice invokes once", async () => {
	app.workflow("/open", async (context) => context.sleep("long", "1d"));
	app.workflow("/invoked", async (context) => context.sleep("long", "1d"));
	const id = await app.trigger("/open");
	await until(() => app.count("/open") === 1);
	const invoke = (run) =>
		s.call("POST", `/v2/publish/${app.url}/invoked`, {
			headers: {
				"Upstash-Workflow-Init": "true",
				"Upstash-Workflow-Invoke": "true",
				"Upstash-Workflow-RunId": run,
				"Upstash-Forward-Ci-Test-Id": "x",
				"Upstash-Forward-Upstash-Workflow-Sdk-Version": "1",
			},
			body: JSON.stringify({
				body: "p",
				headers: { "Upstash-Workflow-RunId": [id] },
				workflowRunId: id,
				workflowUrl: `${app.url}/open`,
				step: { stepId: 5, stepName: "i", stepType: "Invoke", concurrent: 1 },
			}),
		});
	const first = await invoke("wfr_first");
	const second = await invoke("wfr_second");
	assert.equal(first.status, 200);
	assert.equal(second.json.deduplicated, true);
	assert.equal(second.json.messageId, first.json.messageId);
	await until(() => app.count("/invoked") === 1);
	assert.deepEqual(await app.client.cancel({ ids: ["wfr_first", "wfr_second", id] }), { cancelled: 2 });
	assert.equal((await invoke("wfr_third")).status, 400);
});

test("the REST trigger: a run without the client, and only for SDKs that can cope", async () => {
	app.workflow("/rest", async (context) => {
		const n = await context.run("one", () => context.requestPayload.n);
		done("/rest", n);
	});
	const trigger = (path, headers = {}) =>
		s.call("POST", `/v2/trigger/${app.url}${path}`, {
			headers: { "Upstash-Forward-Ci-Test-Id": "x", "Upstash-Retries": "0", "Content-Type": "application/json", ...headers },
			body: '{"n":5}',
		});
	const got = await trigger("/rest", { "Upstash-Workflow-RunId": "my-own-id" });
	assert.equal(got.status, 200);
	assert.equal(got.json.workflowRunId, "my-own-id");
	assert.ok(got.json.workflowCreatedAt > 1.7e12);
	assert.deepEqual(await app.result("/rest", 2), { result: 5, calls: 2 });

	app.results.delete("/rest");
	const unknown = await trigger("/rest", { "Upstash-Workflow-Unknown-Sdk": "true" });
	assert.match(unknown.json.workflowRunId, /^wfr_.{21}$/);
	// One more, which asks the SDK what it is.
	assert.deepEqual(await app.result("/rest", 5), { result: 5, calls: 5 });

	app.route("/old", async () => new Response("{}", { headers: { "Upstash-Workflow-Sdk-Version": "1" } }));
	const old = await trigger("/old");
	await until(async () => (await s.call("GET", `/v2/workflows/runs/${old.json.workflowRunId}`)).status === 404);
});

test("the batch trigger: answers in order; an id that is open begins nothing", async () => {
	let release;
	const gate = new Promise((r) => (release = r));
	const got = [];
	app.workflow("/batch", async (context) => {
		await context.run("hold", () => gate);
		got.push([context.requestPayload.n, context.label, context.headers.get("mine")]);
	});
	const item = (n, headers) => ({
		destination: `${app.url}/batch`,
		body: JSON.stringify({ n }),
		headers: { "Upstash-Forward-Ci-Test-Id": "x", "Upstash-Forward-mine": `m${n}`, ...headers },
	});
	const trigger = (...items) => s.call("POST", "/v2/batch/trigger", { body: JSON.stringify(items) });
	const batch = await trigger(item(1, { "Upstash-Workflow-RunId": "own", "Upstash-Label": "first" }), item(2));
	assert.equal(batch.status, 201);
	assert.deepEqual(batch.json.map((r) => r.deduplicated), [false, false]);
	assert.equal(batch.json[0].workflowRunId, "own");
	assert.match(batch.json[1].workflowRunId, /^wfr_.{21}$/);
	const again = await trigger(item(3), item(4, { "Upstash-Workflow-RunId": "own" }));
	assert.deepEqual(again.json[1], { ...batch.json[0], deduplicated: true });
	release();
	await until(() => got.length === 3);
	assert.deepEqual(got.sort(), [[1, "first", "m1"], [2, undefined, "m2"], [3, undefined, "m3"]]);
	for (const r of [...batch.json, again.json[0]]) assert.equal((await app.run(r.workflowRunId, "RUN_SUCCESS")).workflowRunCreatedAt, r.workflowCreatedAt);
});

test("path with the header of an unknown SDK: one call more", async () => {
	app.workflow("/unknown", async (context) => {
		await context.run("one", () => 1);
		await context.run("two", () => 2);
		await context.run("three", () => done("/unknown", context.requestPayload));
	});
	await app.trigger("/unknown", { headers: { "Upstash-Workflow-Unknown-Sdk": "true" }, body: "payload" });
	assert.deepEqual(await app.result("/unknown", 5), { result: "payload", calls: 5 });
});

test("a plain publish, and a plain request, start a run of their own", async () => {
	app.workflow(
		"/plain",
		async (context) => {
			await context.run("one", () => 1);
			done("/plain", context.requestPayload);
		},
		{ direct: true },
	);
	await app.qstash.publish({ url: `${app.url}/plain`, body: "published" });
	assert.deepEqual(await app.result("/plain", 3), { result: "published", calls: 3 });
	app.results.delete("/plain");
	await fetch(`${app.url}/plain`, { method: "POST", body: "direct" });
	assert.deepEqual(await app.result("/plain", 6), { result: "direct", calls: 6 });
});

test("waits and timeouts survive a kill", async () => {
	const dir = (await import("./lib.mjs")).tempDir();
	let server = await Server.start({ dir });
	const crashed = await App.start(server);
	crashed.workflow("/survive", async (context) => {
		await context.run("one", () => 1);
		const { timeout } = await context.waitForEvent("wait", "none", { timeout: "2s" });
		crashed.results.set("/survive", timeout);
	});
	await crashed.trigger("/survive");
	const waits = async () => (await server.call("GET", "/v2/waiters/none")).json.length === 1;
	await until(async () => crashed.results.has("/survive") || (await waits()));
	await server.kill();
	server = await Server.start({ dir, port: server.port });
	assert.equal(await until(() => crashed.results.get("/survive")), true);
	await server.idle();
	// One whose end was not recorded before the kill has come again.
	const ids = crashed.calls.map((c) => c.headers["upstash-message-id"]);
	assert.equal(new Set(ids).size, 3);
	await crashed.end();
	await server.stop();
});
