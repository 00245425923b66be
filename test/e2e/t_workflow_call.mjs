// context.call: requests to third parties, their answers, and their failures.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Receiver } from "@upstash/qstash";
import { Server } from "./lib.mjs";
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

test("call/workflow: five calls after a sleep, one of them retried: twelve deliveries", async () => {
	const seen = [];
	app.route("/third", async (request) => {
		seen.push({ method: request.method, headers: Object.fromEntries(request.headers), body: await request.text() });
		if (request.method === "PATCH") return new Response("failing patch", { status: 401, headers: { "fail-header-foo": "bar" } });
		if (request.method === "PUT") return new Response(null, { status: 300 });
		if (request.method === "DELETE") return Response.json({ error: "no" }, { status: 400 });
		return new Response(`got ${request.method} “${seen.at(-1).body}”`, { status: 201, headers: { "get-header": "x", "content-type": "text/plain" } });
	});
	app.workflow("/call", async (context) => {
		const url = `${app.url}/third`;
		await context.sleep("sleep", 1);
		const post = await context.call("post", { url, method: "POST", body: "hello", headers: { "content-type": "text/x-custom", "my-header": "mine" } });
		const get = await context.call("get", { url, method: "GET", headers: { "post-header": "y" } });
		const patch = await context.call("patch", { url, method: "PATCH", retries: 1, retryDelay: "100" });
		const put = await context.call("put", { url, method: "PUT" });
		const del = await context.call("delete", { url, method: "DELETE" });
		done("/call", { post, get, patch, put, del });
	});
	await app.trigger("/call", { retries: 3 });
	const { result, calls } = await app.result("/call", 12);
	assert.equal(calls, 12);
	assert.equal(result.post.status, 201);
	assert.equal(result.post.body, "got POST “hello”");
	assert.deepEqual(result.get.header["Get-Header"], ["x"]);
	assert.equal(result.patch.status, 401);
	assert.equal(result.patch.body, "failing patch");
	assert.equal(result.patch.header["Fail-Header-Foo"][0], "bar");
	assert.equal(result.put.status, 300);
	assert.equal(result.put.body, "");
	assert.equal(result.del.status, 400);
	assert.deepEqual(result.del.body, { error: "no" });
	assert.equal(seen.length, 6);
	assert.equal(seen[0].headers["content-type"], "text/x-custom");
	assert.equal(seen[0].headers["my-header"], "mine");
	for (const name of Object.keys(seen[0].headers)) assert.doesNotMatch(name, /workflow|ci-test/);
});

test("two calls that are alike are two calls", async () => {
	let n = 0;
	app.route("/counter", async () => Response.json({ n: ++n }));
	app.workflow("/twice", async (context) => {
		const a = await context.call("a", { url: `${app.url}/counter` });
		const b = await context.call("b", { url: `${app.url}/counter` });
		done("/twice", [a.body.n, b.body.n]);
	});
	await app.trigger("/twice");
	assert.deepEqual(await app.result("/twice", 5), { result: [1, 2], calls: 5 });
});

test("a call that gets no answer is a result, not a failure", async () => {
	let failed = false;
	app.workflow(
		"/dead",
		async (context) => {
			const r = await context.call("dead", { url: "http://127.0.0.1:1/none" });
			done("/dead", r);
		},
		{ failureFunction: async () => void (failed = true) },
	);
	await app.trigger("/dead");
	const { result, calls } = await app.result("/dead", 3);
	assert.equal(calls, 3);
	assert.equal(result.status, 502);
	assert.match(String(result.body), /refused/);
	assert.equal(failed, false);
});

test("calls in parallel", async () => {
	app.route("/echo", async (request) => Response.json({ got: await request.text() }));
	app.workflow("/parallel", async (context) => {
		const all = await Promise.all(["a", "b", "c"].map((x) => context.call(x, { url: `${app.url}/echo`, method: "POST", body: x })));
		done("/parallel", all.map((r) => r.body.got).join(""));
	});
	await app.trigger("/parallel");
	// init, 3 plans, 3 callbacks, 3 results
	assert.deepEqual(await app.result("/parallel", 10), { result: "abc", calls: 10 });
});

test("bytes that are no text come back as they were", async () => {
	const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
	app.route("/bytes", async () => new Response(bytes, { headers: { "content-type": "application/octet-stream" } }));
	app.workflow("/binary", async (context) => {
		const { body } = await context.call("bytes", { url: `${app.url}/bytes` });
		done("/binary", body);
	});
	await app.trigger("/binary");
	const { result } = await app.result("/binary", 3);
	assert.ok(Buffer.from(result, "latin1").equals(bytes));
});

test("a call that is told not to be retried is over, whatever retries it had", async () => {
	app.route("/final", async () => Response.json({ error: "final" }, { status: 489, headers: { "Upstash-NonRetryable-Error": "true" } }));
	app.workflow("/asks", async (context) => {
		const { status, body } = await context.call("call", { url: `${app.url}/final`, retries: 3 });
		done("/asks", [status, body]);
	});
	await app.trigger("/asks");
	assert.deepEqual(await app.result("/asks", 3), { result: [489, { error: "final" }], calls: 3 });
	assert.equal(app.count("/final"), 1);
});

test("each kind of delivery is signed: steps, a call's answer, the failure callback", async () => {
	const { current, next } = (await s.call("GET", "/v2/keys")).json;
	app.route("/third-signed", async () => new Response("ok"));
	const url = app.workflow(
		"/signed",
		async (context) => {
			await context.call("call", { url: `${app.url}/third-signed` });
			await context.run("fails", () => {
				throw new Error("on purpose");
			});
		},
		{
			receiver: new Receiver({ currentSigningKey: current, nextSigningKey: next }),
			failureFunction: async ({ failResponse }) => void done("/signed", failResponse),
		},
	);
	await app.trigger("/signed");
	// init, callback, result, failure
	assert.deepEqual(await app.result("/signed", 4), { result: "on purpose", calls: 4 });
	assert.equal((await fetch(url, { method: "POST", body: "unsigned" })).status, 500);
});
