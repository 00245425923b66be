// Workflow runs that fail: what is retried, what the failure function and the failure URL are told.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WorkflowNonRetryableError, WorkflowRetryAfterError } from "@upstash/workflow";
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
const failure = (path) => ({
	failureFunction: async ({ context, failStatus, failResponse, failHeaders }) => {
		done(path, {
			failStatus,
			failResponse,
			header: context.headers.get("ci-test-id"),
			label: context.label,
			payload: context.requestPayload,
			hasVersion: failHeaders["Upstash-Workflow-Sdk-Version"],
		});
	},
});

test("auth/fail: an endpoint that does not know the caller fails the run", async () => {
	app.workflow("/auth/fail", async (context) => {
		if (context.headers.get("authentication") !== "right") return;
		await context.run("step1", () => done("/auth/fail", "never"));
	});
	const id = await app.trigger("/auth/fail", { headers: { authentication: "wrong" } });
	await until(async () => (await s.call("GET", `/v2/workflows/runs/${id}`)).status === 404);
	await s.idle();
	// The failure callback is sent, too; it has no failure function.
	assert.equal(app.calls.filter((c) => c.path === "/auth/fail" && !c.headers["upstash-workflow-is-failure"]).length, 1);
	assert.ok(!app.results.has("/auth/fail"));
});

test("returns-before-step: 400, then the failure function", async () => {
	let armed = false;
	app.workflow(
		"/returns",
		async (context) => {
			if (!context.headers.get("upstash-workflow-is-failure") && !armed) {
				armed = true;
				return;
			}
			await context.run("step", () => {});
		},
		failure("/returns"),
	);
	await app.trigger("/returns", { body: "payload" });
	const { result, calls } = await app.result("/returns", 2);
	assert.equal(result.failStatus, 400);
	assert.equal(calls, 2);
});

test("failureFunction: it is told status, message, payload, headers and label, and nothing is retried", async () => {
	app.workflow(
		"/failureFunction",
		async (context) => {
			assert.equal(context.label, "my-label");
			await context.run("step1", () => {
				throw new Error("my-message");
			});
		},
		failure("/failureFunction"),
	);
	await app.trigger("/failureFunction", { label: "my-label" });
	const { result, calls } = await app.result("/failureFunction", 2);
	assert.equal(calls, 2);
	assert.deepEqual(result, {
		failStatus: 500,
		failResponse: "my-message",
		header: "test",
		label: "my-label",
		payload: undefined,
		hasVersion: ["1"],
	});
});

test("failureFunction-retry: a retry with its delay, then the failure function once", async () => {
	app.workflow(
		"/retry",
		async (context) => {
			await context.run("step1", () => {
				throw new Error(`retried ${context.retried ?? "?"}`);
			});
		},
		failure("/retry"),
	);
	await app.trigger("/retry", { retries: 1, retryDelay: "100 * (1 + retried)", body: { a: 1 } });
	const { result, calls } = await app.result("/retry", 3);
	assert.equal(calls, 3);
	assert.equal(result.failStatus, 500);
	assert.deepEqual(result.payload, { a: 1 });
	const got = app.calls.filter((c) => c.path === "/retry");
	assert.deepEqual(got.slice(0, 2).map((c) => c.headers["upstash-retried"]), ["0", "1"]);
	assert.ok(got[0].body.equals(got[1].body), "a retry carries the same slice");
});

test("failureFunction-nonRetryable: 489 at once", async () => {
	app.workflow(
		"/nonRetryable",
		async (context) => {
			await context.run("step1", () => {
				throw new WorkflowNonRetryableError("my-message");
			});
		},
		failure("/nonRetryable"),
	);
	await app.trigger("/nonRetryable", { retries: 3 });
	const { result, calls } = await app.result("/nonRetryable", 2);
	assert.equal(calls, 2);
	assert.equal(result.failStatus, 489);
	assert.equal(result.failResponse, "my-message");
});

test("retry after: the endpoint says when", async () => {
	let n = 0;
	app.workflow("/retryAfter", async (context) => {
		await context.run("step1", () => {
			if (n++ === 0) throw new WorkflowRetryAfterError("later", 1);
		});
		done("/retryAfter", n);
	});
	await app.trigger("/retryAfter", { retries: 1, retryDelay: "100000" });
	const { result, calls } = await app.result("/retryAfter", 3);
	assert.equal(result, 2);
	assert.equal(calls, 3);
});

test("failureUrl: the failing answer goes there, and to the workflow nothing more", async () => {
	app.route("/failure-url", async (request) => {
		const told = await request.json();
		done("/failure-url", { told, header: request.headers.get("ci-test-id") });
		return new Response("thanks");
	});
	app.workflow("/failureUrl", async (context) => {
		await context.run("step1", () => {
			throw new Error("my-message");
		});
	});
	const id = await app.trigger("/failureUrl", { failureUrl: `${app.url}/failure-url`, body: { x: 1 } });
	const { result } = await app.result("/failure-url", 1);
	assert.equal(app.count("/failureUrl"), 1);
	const body = JSON.parse(Buffer.from(result.told.body, "base64"));
	assert.equal(body.error, "Error");
	assert.equal(body.message, "my-message");
	assert.equal(result.told.status, 500);
	assert.equal(result.told.workflowRunId, id);
	assert.equal(Buffer.from(result.told.sourceBody, "base64").toString(), '{"x":1}');
	assert.equal(result.header, "test");
});

test("trigger-non-workflow: an answer without the SDK's header fails the run at once", async () => {
	app.route("/other", async () => new Response("hello"));
	const id = await app.trigger("/other", { retries: 3 });
	await until(async () => (await s.call("GET", `/v2/workflows/runs/${id}`)).status === 404);
	await s.idle();
	assert.equal(app.calls.filter((c) => c.path === "/other" && !c.headers["upstash-workflow-is-failure"]).length, 1);
});

test("one branch that fails ends the run with all its branches", async () => {
	app.workflow(
		"/branch",
		async (context) => {
			await Promise.all([
				context.run("good", () => 1),
				context.sleep("long", "1d"),
				context.run("bad", () => {
					throw new Error("bad");
				}),
			]);
			done("/branch", "never");
		},
		failure("/branch"),
	);
	const id = await app.trigger("/branch");
	assert.match((await app.result("/branch", 3)).result.failResponse, /: bad$/);
	assert.deepEqual(await app.client.cancel({ ids: [id] }), { cancelled: 0 });
});

test("too many retries of a call: 412, which fails the run without a retry", async () => {
	app.workflow(
		"/quota",
		async (context) => {
			await context.call("call", { url: `${app.url}/other`, retries: 1_000_000 });
		},
		failure("/quota"),
	);
	await app.trigger("/quota", { retries: 3 });
	const { result, calls } = await app.result("/quota", 2);
	assert.equal(result.failStatus, 489);
	assert.match(result.failResponse, /maxRetries/);
	assert.equal(calls, 2);
});
