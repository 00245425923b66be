// The last 0.2 release of the SDK: each message says for itself what it needs.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as old from "workflow-0.2";
import { Server, until } from "./lib.mjs";
import { App } from "./workflow_app.mjs";

let s, app;
before(async () => {
	s = await Server.start();
	app = await App.start(s, old);
});
after(async () => {
	await app.end();
	await s.stop();
});

const done = (path, value) => app.results.set(path, value);

test("steps, a sleep and a parallel block", async () => {
	app.workflow("/path", async (context) => {
		const one = await context.run("one", () => `one ${context.requestPayload}`);
		await context.sleep("pause", 1);
		const all = await Promise.all([context.run("a", () => 1), context.run("b", () => 2)]);
		await context.run("end", () => done("/path", [one, ...all]));
	});
	await app.trigger("/path", { body: "“payload”" });
	// init, one, pause, 2 plans, 2 results, end
	assert.deepEqual(await app.result("/path", 8), { result: ["one “payload”", 1, 2], calls: 8 });
});

test("a call, an event, and a run that is cancelled", async () => {
	app.route("/third", async (request) => Response.json({ got: await request.text() }, { status: 201 }));
	app.workflow("/call", async (context) => {
		const { status, body } = await context.call("call", { url: `${app.url}/third`, method: "POST", body: "hi" });
		const { eventData, timeout } = await context.waitForEvent("wait", "old-event", { timeout: "1h" });
		done("/call", { status, body, eventData, timeout });
	});
	await app.trigger("/call");
	await until(async () => (await s.call("GET", "/v2/waiters/old-event")).json.length === 1);
	assert.equal((await app.client.notify({ eventId: "old-event", eventData: "data" })).length, 1);
	assert.deepEqual(await app.result("/call", 4), {
		result: { status: 201, body: { got: '"hi"' }, eventData: "data", timeout: false },
		calls: 4,
	});
	app.workflow("/cancel", async (context) => context.sleep("long", "1d"));
	const id = await app.trigger("/cancel");
	await until(() => app.count("/cancel") === 1);
	assert.deepEqual(await app.client.cancel({ ids: [id] }), { cancelled: 1 });
});

test("a failure: the function that each message names is told", async () => {
	app.workflow(
		"/fails",
		async (context) => {
			// The first message is the client's, which does not know the failure function.
			await context.run("works", () => 1);
			await context.run("fails", () => {
				throw new Error("old-message");
			});
		},
		{
			failureFunction: async ({ context, failStatus, failResponse }) => {
				done("/fails", { failStatus, failResponse, payload: context.requestPayload, header: context.headers.get("ci-test-id") });
			},
			retries: 0,
		},
	);
	await app.trigger("/fails", { body: { a: 1 } });
	assert.deepEqual((await app.result("/fails", 3)).result, { failStatus: 500, failResponse: "old-message", payload: { a: 1 }, header: "test" });
});

test("a run that begins with a plain request", async () => {
	app.workflow(
		"/plain",
		async (context) => {
			const n = await context.run("one", () => 1);
			done("/plain", [n, context.requestPayload]);
		},
		{ direct: true },
	);
	await app.qstash.publish({ url: `${app.url}/plain`, body: "published" });
	assert.deepEqual(await app.result("/plain", 3), { result: [1, "published"], calls: 3 });
});

test("a call's answer that the endpoint refuses: the failure function that the call names is told", async () => {
	app.route("/fine", async () => new Response("fine"));
	app.workflow("/refuses", async (context) => void (await context.call("call", { url: `${app.url}/fine` })), {
		failureFunction: async ({ failStatus, context }) => void done("/refuses", [failStatus, context.requestPayload]),
		retries: 0,
	});
	const serve = app.routes.get("/refuses");
	app.route("/refuses", (request) => (request.headers.get("upstash-workflow-callback") ? new Response("{}", { status: 503 }) : serve(request)));
	await app.trigger("/refuses", { body: "payload" });
	// init, callback, failure
	assert.deepEqual(await app.result("/refuses", 3), { result: [503, "payload"], calls: 3 });
});
