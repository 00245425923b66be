// The server for production as a program: what it refuses, and what it says.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Client, QstashRatelimitError } from "@upstash/qstash";
import { BIN, Server, Sink, TOKEN, tempDir, until } from "./lib.mjs";

let sink;
before(async () => (sink = await Sink.start()));
after(() => sink.stop());

/** Runs a command that ends by itself. */
const run = (args, env = {}) => spawnSync(BIN, args, { encoding: "utf8", env: { ...process.env, ...env }, timeout: 30_000 });
const users = (s, ...args) => run(["users", ...args, "--data-dir", s.dir]);
const newUser = (s, ...args) => JSON.parse(users(s, "create", ...args, "--json").stdout);

test("serve: the banner says what listens where; there are no users, no log port, no CORS; it stops at once", async () => {
	const s = await Server.start({ command: "serve" });
	assert.match(s.out, /QStash server is running at http:\/\/127\.0\.0\.1:\d+\n/);
	assert.ok(s.out.includes(`State in ${s.dir}\n`));
	assert.ok(s.out.includes(`qstash users create --data-dir '${s.dir}'`));
	assert.match(s.out, /refused \(-allow-private\)/);
	assert.equal(s.logUrl, undefined);
	assert.equal((await s.call("GET", "/v2/keys")).status, 401);
	assert.equal((await s.call("GET", "/v2/health", { token: null })).status, 200);
	assert.equal((await s.call("GET", "/v2/admin/users")).status, 404);
	const pre = await s.call("OPTIONS", "/v2/keys", { headers: { origin: "https://x.io", "access-control-request-method": "GET" } });
	assert.equal(pre.headers.get("access-control-allow-origin"), null);
	assert.equal(statSync(join(s.dir, "qstash.db")).mode & 0o077, 0);
	assert.equal(statSync(join(s.dir, "control.sock")).mode & 0o777, 0o600);
	assert.deepEqual(await s.kill("SIGTERM"), { code: 0, signal: null });
	assert.ok(!existsSync(join(s.dir, "control.sock")));
});

test("serve: a private destination is refused in words that name the flag, and allowed with it", async () => {
	let s = await Server.start({ command: "serve" });
	const { token } = newUser(s, "ada");
	await s.call("POST", `/v2/publish/${sink.url}/no`, { token, headers: { "upstash-retries": "0" } });
	const dead = await until(async () => (await s.call("GET", "/v2/dlq", { token })).json.messages[0]);
	assert.match(JSON.stringify(dead), /allow-private/);
	await s.kill("SIGTERM");
	s = await Server.start({ command: "serve", dir: s.dir, args: ["-allow-private"] });
	await s.call("POST", `/v2/publish/${sink.url}/yes`, { token });
	await sink.count(1);
	assert.equal(sink.requests[0].path, "/yes");
	await s.kill("SIGTERM");
});

test("serve: a directory with the public users of dev is refused, until they are gone", async () => {
	const dev = await Server.start({ dir: tempDir() });
	const list = users(dev, "list").stdout;
	assert.match(list, /defaultUser/);
	await dev.kill("SIGTERM");
	const refused = run(["serve", "-port", "0", "-data-dir", dev.dir]);
	assert.equal(refused.status, 1);
	assert.match(refused.stderr, /used by 'qstash dev'.*defaultUser.*-data-dir/);
	const again = await Server.start({ dir: dev.dir });
	for (const id of ["defaultUser", "testUser1", "testUser2", "testUser3"])
		assert.equal(users(again, "delete", id, "--yes").status, 0);
	assert.equal((await again.call("GET", "/v2/keys")).status, 401);
	await again.kill("SIGTERM");
	const s = await Server.start({ command: "serve", dir: dev.dir });
	assert.equal((await s.call("GET", "/v2/keys", { token: TOKEN })).status, 401);
	await s.kill("SIGTERM");
});

test("serve: its directory is refused to dev, which leaves it as it is", async () => {
	const s = await Server.start({ command: "serve", dir: tempDir() });
	const { token } = newUser(s, "ada");
	await s.kill("SIGTERM");
	const refused = run(["dev", "-port", "0", "-log-port", "0", "-data-dir", s.dir]);
	assert.equal(refused.status, 1);
	assert.match(refused.stderr, /^qstash: the data directory .* is that of 'qstash serve'.*-data-dir\n$/);
	const again = await Server.start({ command: "serve", dir: s.dir });
	assert.equal((await again.call("GET", "/v2/keys", { token })).status, 200);
	assert.equal((await again.call("GET", "/v2/keys", { token: TOKEN })).status, 401);
	await again.kill("SIGTERM");
});

test("serve: dev and serve have directories of their own when none is given", () => {
	const env = { XDG_DATA_HOME: tempDir(), QSTASH_DATA_DIR: "" };
	const r = run(["users", "list"], env);
	assert.equal(r.status, 1);
	assert.ok(r.stderr.includes(join(env.XDG_DATA_HOME, "qstash-server", "control.sock")), r.stderr);
});

test("serve: wrong settings end with 2, a taken port or directory with 1", async () => {
	const bad = join(tempDir(), "plans.json");
	writeFileSync(bad, '{"plans":{"team":{"maxRetries":-1}}}');
	for (const [args, text] of [
		[["-quota", "free"], /unknown flag '-quota'/],
		[["-ephemeral"], /unknown flag/],
		[["-admin-token", "short"], /-admin-token .*at least 24 characters/],
		[["-plans", bad], /plans\.team\.maxRetries: must be a whole number from 0 to 1000000/],
		[["-plans", "/nothing/here"], /-plans: cannot read/],
	]) {
		const r = run(["serve", ...args]);
		assert.equal(r.status, 2, args.join(" "));
		assert.match(r.stderr, text);
		assert.equal(r.stderr.trim().split("\n").length, 1);
	}
	const s = await Server.start({ command: "serve" });
	const port = run(["serve", "-port", String(s.port), "-data-dir", tempDir()]);
	assert.equal(port.status, 1);
	assert.match(port.stderr, /address already in use/);
	assert.equal(run(["serve", "-port", "0", "-data-dir", s.dir]).status, 1);
	assert.equal(users(s, "list").status, 0); // the one that runs keeps its socket
	await s.kill("SIGTERM");
	const help = run(["serve", "--help"]);
	assert.equal(help.status, 0);
	assert.ok(help.stdout.includes("-plans") && !help.stdout.includes("-quota"));
});

test("serve: plans of a file bound the users that have them; without the file it does not start", async () => {
	const plans = join(tempDir(), "plans.json");
	writeFileSync(plans, '{"plans":{"team":{"extends":"free","maxDelay":60,"burstPerSecond":5}}}');
	const s = await Server.start({ command: "serve", args: ["-plans", plans] });
	const { token } = newUser(s, "ada", "--plan", "team");
	const late = await s.call("POST", "/v2/publish/https://example.com", { token, headers: { "upstash-delay": "61s" } });
	assert.deepEqual([late.status, late.json.error], [412, "quota maxDelay exceeded, current limit: 60"]);
	assert.match(users(s, "show", "ada").stdout, /maxDelay: 60\n/);

	// The burst limit, as the published SDK sees it.
	const client = new Client({ baseUrl: s.url, token, retry: false });
	const calls = await Promise.allSettled(Array.from({ length: 40 }, () => client.queue().list()));
	const errors = calls.filter((c) => c.status === "rejected").map((c) => c.reason);
	assert.ok(errors.length > 0 && errors.length < 40);
	for (const e of errors) {
		assert.ok(e instanceof QstashRatelimitError, String(e));
		assert.equal(e.limit, "5");
		assert.equal(e.remaining, "0");
	}
	await s.kill("SIGTERM");
	const r = run(["serve", "-port", "0", "-data-dir", s.dir]);
	assert.equal(r.status, 1);
	assert.match(r.stderr, /user ada has the plan 'team', which is not among the plans/);
});
