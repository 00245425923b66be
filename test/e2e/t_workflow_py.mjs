// The Python SDK's wire format, by requests of our own: all that a step needs stands on each message, bodies name every
// member, and what it reads of a delivery it reads without asking whether it is there.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
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
const version = { "Upstash-Workflow-Sdk-Version": "1" };
const answer = (id) => Response.json({ workflowRunId: id }, { headers: version });
const text = (b64) => Buffer.from(b64, "base64").toString();
const USER = { authorization: "Bearer user", "x-mine": "m" };
const prefixed = (prefix, headers) => Object.fromEntries(Object.entries(headers).map(([k, v]) => [`${prefix}${k}`, v]));

/** The headers of a publish for a run; `call` for one whose destination is a third party. */
function messageHeaders({ url, id, init = "false", call, step }) {
	const run = (prefix) => prefixed(prefix, { RunId: id, Init: "false", Url: url });
	const failure = (prefix) => ({
		[`${prefix}Failure-Callback`]: url,
		...run(`${prefix}Failure-Callback-Workflow-`),
		[`${prefix}Failure-Callback-Workflow-Calltype`]: "failureCall",
		[`${prefix}Failure-Callback-Feature-Set`]: "LazyFetch,InitialBody",
		[`${prefix}Failure-Callback-Forward-Upstash-Workflow-Is-Failure`]: "true",
		[`${prefix}Failure-Callback-Forward-Upstash-Workflow-Failure-Callback`]: "true",
		[`${prefix}Failure-Callback-Retries`]: "0",
		...prefixed(`${prefix}Failure-Callback-Forward-`, USER),
	});
	const common = {
		...prefixed("Upstash-Workflow-", { Init: init, RunId: id, Url: url }),
		"Upstash-Feature-Set": call ? "WF_NoDelete,InitialBody" : "LazyFetch,InitialBody,WF_DetectTrigger",
		"Content-Type": "application/json",
		"Upstash-Retries": "0",
	};
	if (!call) return { ...common, ...prefixed("Upstash-Forward-", { ...version, ...USER }), ...failure("Upstash-") };
	return {
		...common,
		"Upstash-Method": "POST",
		"Upstash-Workflow-CallType": "toCallback",
		"Upstash-Callback": url,
		...run("Upstash-Callback-Workflow-"),
		"Upstash-Callback-Workflow-CallType": "fromCallback",
		"Upstash-Callback-Feature-Set": "LazyFetch,InitialBody",
		"Upstash-Callback-Retries": "0",
		"Upstash-Callback-Forward-Upstash-Workflow-Callback": "true",
		...prefixed("Upstash-Callback-Forward-Upstash-Workflow-", {
			StepId: String(step.id),
			StepName: step.name,
			StepType: "Call",
			Concurrent: "1",
			ContentType: "application/json",
		}),
		...prefixed("Upstash-Callback-Forward-", USER),
		...failure("Upstash-Callback-"),
	};
}

const NONE = { out: null, sleepFor: null, sleepUntil: null, targetStep: null, method: null, callUrl: null, callMethod: null, callBody: null, callHeaders: null };
const stepBody = (step, more) => JSON.stringify({ stepId: step.id, stepName: step.name, stepType: step.type, concurrent: 1, ...NONE, ...more });

async function ok(promise) {
	const r = await promise;
	assert.ok(r.status === 200 || r.status === 201, r.text);
	return r.json;
}

/** An endpoint as that SDK serves it: `steps` one after the other, each { name, type, run | sleepFor | url }. */
function endpoint(path, steps, told) {
	const url = app.url + path;
	const publish = (headers, body) => ok(s.call("POST", `/v2/publish/${url}`, { headers, body }));
	const batch = (destination, headers, body) => ok(s.call("POST", "/v2/batch", { headers: { "Content-Type": "application/json" }, body: JSON.stringify([{ destination, headers, body }]) }));
	const next = (id, step) => {
		if (step.type === "Call") return batch(step.url, messageHeaders({ url, id, call: true, step }), step.body);
		const headers = messageHeaders({ url, id });
		if (step.type === "SleepFor") return batch(url, { ...headers, "Upstash-Delay": `${step.sleepFor}s` }, stepBody(step, { sleepFor: step.sleepFor }));
		return batch(url, headers, stepBody(step, { out: JSON.stringify(step.run()) }));
	};
	steps.forEach((step, i) => (step.id = i + 1));
	app.route(path, async (request) => {
		const h = (name) => request.headers.get(`upstash-workflow-${name}`);
		const body = await request.text();
		const id = h("runid") ?? `wfr_py-${path.slice(1)}`;
		if (request.headers.get("authorization") !== USER.authorization) return new Response("auth", { status: 401 });
		if (h("callback")) {
			assert.equal(h("sdk-version"), null);
			const got = JSON.parse(body);
			assert.ok(got.header && h("contenttype"));
			const step = { id: Number(h("stepid")), name: h("stepname"), type: h("steptype") };
			const out = JSON.stringify({ status: got.status, body: text(got.body), header: got.header });
			await publish(messageHeaders({ url, id }), stepBody(step, { out, concurrent: Number(h("concurrent")) }));
			return answer(id);
		}
		if (h("is-failure")) {
			assert.equal(h("sdk-version"), null);
			const got = JSON.parse(body);
			for (const k of ["status", "header", "body", "url", "sourceBody", "workflowRunId"]) assert.ok(k in got, k);
			told?.({ status: got.status, message: JSON.parse(text(got.body)).message, payload: text(got.sourceBody), id: got.workflowRunId, mine: request.headers.get("x-mine") });
			return answer(id);
		}
		if (!h("sdk-version")) {
			await publish(messageHeaders({ url, id, init: "true" }), body);
			return answer(id);
		}
		const entries = JSON.parse(body).filter((e) => {
			assert.ok(e.callType, "each element has its callType");
			return e.callType === "step";
		});
		const results = entries.slice(1).map((e) => JSON.parse(text(e.body)));
		assert.deepEqual(results.map((r) => [r.stepId, r.stepName]), steps.slice(0, results.length).map((step) => [step.id, step.name]));
		try {
			if (results.length < steps.length) await next(id, steps[results.length]);
			else {
				done(path, { payload: text(entries[0].body), outs: results.map((r) => r.out) });
				await ok(s.call("DELETE", `/v2/workflows/runs/${id}?cancel=false`));
			}
		} catch (e) {
			return Response.json({ error: "WorkflowError", message: e.message }, { status: 500 });
		}
		return answer(id);
	});
	return url;
}

test("py: a run from a plain request: steps, a sleep, a call", async () => {
	app.route("/third", async (request) => Response.json({ got: await request.text() }, { status: 201, headers: { "x-third": "y" } }));
	const url = endpoint("/plain", [
		{ name: "one", type: "Run", run: () => "ü" },
		{ name: "none", type: "Run", run: () => null },
		{ name: "pause", type: "SleepFor", sleepFor: 1 },
		{ name: "call", type: "Call", url: `${app.url}/third`, body: '"question"' },
	]);
	await ok(s.call("POST", `/v2/publish/${url}`, { headers: prefixed("Upstash-Forward-", USER), body: '{"p":1}' }));
	// plain, init, three steps, callback, result
	const { result, calls } = await app.result("/plain", 7);
	assert.equal(calls, 7);
	assert.equal(result.payload, '{"p":1}');
	assert.deepEqual(result.outs.slice(0, 3), ['"ü"', "null", null]);
	const call = JSON.parse(result.outs[3]);
	assert.deepEqual([call.status, call.body, call.header["X-Third"]], [201, '{"got":"\\"question\\""}', ["y"]]);
	const run = await app.run("wfr_py-plain", "RUN_SUCCESS");
	assert.deepEqual(run.steps.map((g) => `${g.type} ${g.steps[0].stepName} ${g.steps[0].state}`), [
		"sequential init STEP_SUCCESS",
		"sequential one STEP_SUCCESS",
		"sequential none STEP_SUCCESS",
		"sequential pause STEP_SUCCESS",
		"sequential call STEP_SUCCESS",
	]);
	assert.equal(run.steps[3].steps[0].sleepFor, 1000);
	assert.equal(run.workflowRunResponse, undefined);
	const third = app.calls.find((c) => c.path === "/third");
	assert.deepEqual(Object.keys(third.headers).filter((k) => /workflow|x-mine|authorization/.test(k)), []);
});

test("py: a step that fails, and a call's answer that is refused: the failure function is told of both", async () => {
	let told;
	const fails = endpoint("/fails", [
		{ name: "one", type: "Run", run: () => 1 },
		{
			name: "two",
			type: "Run",
			run: () => {
				throw new Error("no");
			},
		},
	], (got) => done("/fails", got));
	const start = (url) => ok(s.call("POST", `/v2/publish/${url}`, { headers: prefixed("Upstash-Forward-", USER), body: "payload" }));
	await start(fails);
	told = (await app.result("/fails", 4)).result;
	assert.deepEqual(told, { status: 500, message: "no", payload: "payload", id: "wfr_py-fails", mine: "m" });

	app.route("/fine", async () => new Response("fine"));
	const refuses = endpoint("/refuses", [{ name: "call", type: "Call", url: `${app.url}/fine` }], (got) => done("/refuses", got));
	const serve = app.routes.get("/refuses");
	app.route("/refuses", (request) =>
		request.headers.get("upstash-workflow-callback") ? Response.json({ message: "refused" }, { status: 500 }) : serve(request),
	);
	await start(refuses);
	told = (await app.result("/refuses", 4)).result;
	assert.deepEqual(told, { status: 500, message: "refused", payload: "payload", id: "wfr_py-refuses", mine: "m" });
	await app.run("wfr_py-refuses", "RUN_FAILED");
});

test("py: a run that is over answers 400, which the SDK takes for its end", async () => {
	const url = `${app.url}/over`;
	app.route("/over", async () => answer("x"));
	const id = "wfr_py-over";
	await ok(s.call("POST", `/v2/publish/${url}`, { headers: messageHeaders({ url, id, init: "true" }), body: "" }));
	await ok(s.call("DELETE", `/v2/workflows/runs/${id}?cancel=true`));
	const item = { destination: url, headers: messageHeaders({ url, id }), body: stepBody({ id: 1, name: "x", type: "Run" }, { out: "1" }) };
	const refused = await s.call("POST", "/v2/batch", { headers: { "Content-Type": "application/json" }, body: JSON.stringify([item]) });
	assert.deepEqual([refused.status, typeof refused.json.error], [400, "string"]);
});
