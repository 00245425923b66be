// A user is moved to another database while its workflow runs are at all kinds of steps.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { test } from "node:test";
import { createWorkflow } from "@upstash/workflow/cloudflare";
import { BIN, Redis, Server, until } from "./lib.mjs";
import { App, shape } from "./workflow_app.mjs";

const installed = Redis.isInstalled();
if (!installed) console.error("t_pool_workflow: skipped, redis-server is not installed");

function command(s, ...args) {
	const r = spawnSync(BIN, [...args, "--json", "--data-dir", s.dir], { encoding: "utf8" });
	return r.status === 0 ? JSON.parse(r.stdout) : null;
}

/** A server over two databases, and the token of a user on one of them. */
async function start(databases) {
	const urls = databases.flatMap((db) => ["-redis", db.url]);
	const s = await Server.start({ command: "serve", args: ["-allow-private", ...urls] });
	await until(() => command(s, "db", "list")?.databases.filter((d) => d.name && d.up).length === databases.length);
	s.token = (await until(() => command(s, "users", "create", "ada"))).token;
	return s;
}

/** Moves the user to the other database; the destinations are in this process, so it must not wait for that. */
async function move(s, begun) {
	const from = command(s, "users", "show", "ada").database;
	const to = from === "db1" ? "db2" : "db1";
	const child = spawn(BIN, ["users", "move", "ada", to, "--data-dir", s.dir], { stdio: ["ignore", "ignore", "inherit"] });
	const end = new Promise((r) => child.on("exit", r));
	begun();
	assert.equal(await end, 0);
	assert.equal(command(s, "users", "show", "ada").database, to);
}

test("pool: runs that sleep, wait, call, invoke, are in parallel or have failed go on after their user's move", { skip: !installed }, async () => {
	const databases = [await Redis.start(), await Redis.start()];
	const s = await start(databases);
	const app = await App.start(s);
	const done = (path, value) => app.results.set(path, value);
	const steps = []; // that have run, by name
	const step = (name) => {
		steps.push(name);
		return name;
	};
	let release;
	const released = new Promise((r) => (release = r));
	let broken = true;

	app.workflow("/sleeps", async (context) => {
		await context.run("before", () => step("sleeps: before"));
		await context.sleep("sleep", 8);
		done("/sleeps", await context.run("after", () => step("sleeps: after")));
	});
	app.workflow("/waits", async (context) => {
		const { eventData } = await context.waitForEvent("wait", "moved", { timeout: "1h" });
		done("/waits", eventData);
	});
	app.route("/slow", async () => released.then(() => new Response("slow")));
	app.workflow("/calls", async (context) => {
		const { body } = await context.call("call", { url: `${app.url}/slow`, retries: 3, retryDelay: "200" });
		done("/calls", body);
	});
	app.workflow("/parallel", async (context) => {
		const [run, wait] = await Promise.all([
			context.run("run", () => step("parallel: run")),
			context.waitForEvent("wait", "moved-parallel", { timeout: "1h" }),
			context.sleep("sleep", 8),
		]);
		done("/parallel", [run, wait.eventData]);
	});
	app.workflow("/hook", async (context) => {
		const hook = await context.createWebhook("create");
		done("/hook-url", hook.webhookUrl);
		await context.waitForEvent("gate", "moved-hook", { timeout: "1h" });
		const { request } = await context.waitForWebhook("wait", hook, "1h");
		done("/hook", await request.text());
	});
	const child = createWorkflow(async (context) => {
		return (await context.waitForEvent("wait", "moved-child", { timeout: "1h" })).eventData;
	});
	const parent = createWorkflow(async (context) => {
		done("/parent", await context.invoke("invoke", { workflow: child, body: {}, retries: 3, retryDelay: "200" }));
	});
	app.many("/family", { parent, child });
	app.workflow("/fails", async (context) => {
		const kept = await context.run("kept", () => step("fails: kept"));
		done("/fails", await context.run("fails", () => {
			if (broken) throw new Error("broken");
			return `${kept}, mended`;
		}));
	});

	const patient = { retries: 3, retryDelay: "200" }; // what is under way is refused with 503 meanwhile
	const ids = {};
	for (const path of ["/sleeps", "/waits", "/calls", "/parallel", "/hook", "/family/parent"]) ids[path] = await app.trigger(path, patient);
	ids["/fails"] = await app.trigger("/fails");
	const waiters = (event) => s.call("GET", `/v2/waiters/${event}`).then((r) => r.json);
	for (const event of ["moved", "moved-parallel", "moved-hook", "moved-child"]) await until(async () => (await waiters(event)).length === 1);
	await until(() => ["sleeps: before", "parallel: run"].every((name) => steps.includes(name)));
	assert.equal((await fetch(app.results.get("/hook-url"), { method: "POST", body: "kept" })).status, 200);
	const failed = await until(async () => (await app.client.dlq.list()).messages[0]);
	await until(() => app.count("/slow") === 1);

	await move(s, release);

	for (const event of ["moved", "moved-parallel", "moved-hook", "moved-child"]) {
		const told = await app.client.notify({ eventId: event, eventData: event });
		assert.equal(told.length, 1, event);
	}
	assert.equal((await app.client.dlq.list()).messages[0].dlqId, failed.dlqId);
	broken = false;
	const resumed = await app.client.dlq.resume({ dlqId: failed.dlqId });
	const states = Object.entries({ ...ids, "/fails": resumed.workflowRunId });
	const runs = Object.fromEntries(await Promise.all(states.map(async ([path, id]) => [path, await app.run(id, "RUN_SUCCESS")])));
	assert.equal(app.results.get("/sleeps"), "sleeps: after");
	assert.equal(app.results.get("/waits"), "moved");
	assert.equal(app.results.get("/calls"), "slow");
	assert.deepEqual(app.results.get("/parallel"), ["parallel: run", "moved-parallel"]);
	assert.equal(app.results.get("/hook"), "kept");
	assert.deepEqual(app.results.get("/parent"), { body: "moved-child", isCanceled: false, isFailed: false });
	assert.equal(app.results.get("/fails"), "fails: kept, mended");
	// What had ended before the move has not run again, and the log holds what was before it and after.
	for (const name of ["sleeps: before", "parallel: run", "fails: kept"]) assert.equal(steps.filter((n) => n === name).length, 1, name);
	const successes = (path) => shape(runs[path]).join("\n");
	assert.match(successes("/sleeps"), /before Run STEP_SUCCESS[^]*sleep SleepFor STEP_SUCCESS[^]*after Run STEP_SUCCESS/);
	assert.match(successes("/waits"), /wait Wait STEP_SUCCESS/);
	await app.end();
	await s.stop();
	for (const db of databases) await db.kill();
});
