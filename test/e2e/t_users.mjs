// Users of a server that runs: by the command, and by the admin API.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, before, test } from "node:test";
import { Client } from "@upstash/qstash";
import { BIN, Server, Sink, tempDir, until } from "./lib.mjs";

const ADMIN = "an-admin-token-of-the-e2e-tests";
let sink;
before(async () => (sink = await Sink.start((req) => (req.path.startsWith("/slow") ? { delay: 1500 } : {}))));
after(() => sink.stop());

const start = (dir = null, args = []) => Server.start({ command: "serve", dir, args: ["-allow-private", ...args] });
const run = (args, env = {}) => spawnSync(BIN, args, { encoding: "utf8", env: { ...process.env, ...env }, timeout: 60_000 });
const users = (s, ...args) => run(["users", ...args, "--data-dir", s.dir]);
const json = (r) => JSON.parse(r.stdout);

test("users: made by the command, used by the SDK, token reset, read-only token", async () => {
	const s = await start();
	const out = users(s, "create", "ada").stdout;
	const token = /^QSTASH_TOKEN=(.+)$/m.exec(out)[1];
	assert.equal(JSON.parse(Buffer.from(token, "base64")).UserID, "ada");
	assert.match(out, /^QSTASH_CURRENT_SIGNING_KEY=sig_\w{28}$/m);
	const n = sink.requests.length;
	const client = new Client({ baseUrl: s.url, token });
	await client.publish({ url: `${sink.url}/sdk`, body: "hello" });
	await sink.count(n + 1);

	const reset = json(users(s, "reset-token", "ada", "--json"));
	assert.equal((await s.call("GET", "/v2/keys", { token })).status, 401);
	assert.equal((await s.call("GET", "/v2/keys", { token: reset.token })).status, 200);

	const { readOnlyToken } = json(users(s, "read-only-token", "ada", "--json"));
	assert.equal((await s.call("GET", "/v2/logs", { token: readOnlyToken })).status, 200);
	assert.equal((await s.call("POST", `/v2/publish/${sink.url}`, { token: readOnlyToken })).status, 403);
	assert.equal(users(s, "read-only-token", "ada", "--remove").status, 0);
	assert.equal((await s.call("GET", "/v2/logs", { token: readOnlyToken })).status, 401);

	assert.equal(json(users(s, "plan", "ada", "free", "--json")).plan, "free");
	assert.match(users(s, "list").stdout, /^ada +free +active$/m);
	const twice = users(s, "create", "ada");
	assert.equal(twice.status, 1);
	assert.equal(twice.stderr, "qstash: user ada exists already\n");
	await s.kill("SIGTERM");
	// What was made is there after a restart; the old token is not.
	const again = await start(s.dir);
	assert.equal((await again.call("GET", "/v2/keys", { token: reset.token })).status, 200);
	assert.equal((await again.call("GET", "/v2/keys", { token })).status, 401);
	await again.kill("SIGTERM");
});

test("users: wrong use, and no server, are told in a line", async () => {
	const dir = tempDir();
	assert.equal(run(["users"]).status, 2);
	assert.equal(run(["users", "rename", "x"]).status, 2);
	assert.match(run(["users", "plan", "ada", "--data-dir", dir]).stderr, /use: qstash users plan ID PLAN/);
	assert.match(run(["users", "list", "--url", "http://127.0.0.1:1"]).stderr, /--url needs --admin-token/);
	const none = run(["users", "list", "--data-dir", dir]);
	assert.equal(none.status, 1);
	assert.match(none.stderr, /^qstash: no server runs on this data directory .*'qstash serve'.*\n$/);
});

test("users: a socket that a killed server left behind is in nobody's way", async () => {
	const s = await start(tempDir());
	await s.kill("SIGKILL");
	const dead = users(s, "list");
	assert.equal(dead.status, 1);
	assert.match(dead.stderr, /no server runs/);
	const again = await start(s.dir);
	assert.equal(users(again, "list").status, 0);
	await again.kill("SIGTERM");
});

test("users: the admin API, here and from the command elsewhere", async () => {
	const s = await Server.start({ command: "serve", args: ["-allow-private"], env: { QSTASH_ADMIN_TOKEN: ADMIN } });
	const made = await s.call("POST", "/v2/admin/users", { token: ADMIN, body: '{"id":"ada","plan":"free"}' });
	assert.equal(made.status, 201);
	assert.equal((await s.call("GET", "/v2/admin/users", { token: made.json.token })).status, 401);
	assert.equal((await s.call("GET", "/v2/keys", { token: ADMIN })).status, 401);
	const far = (token) => run(["users", "list", "--url", s.url + "/", "--admin-token", token]);
	assert.match(far(ADMIN).stdout, /ada/);
	assert.equal(far(ADMIN + "x").status, 1);
	assert.match(far(ADMIN + "x").stderr, /needs the admin token/);
	assert.equal(run(["users", "delete", "ada", "--url", s.url], { QSTASH_ADMIN_TOKEN: ADMIN }).status, 2);
	assert.equal((await s.call("DELETE", "/v2/admin/users/ada", { token: ADMIN })).status, 202);
	await until(async () => (await s.call("GET", "/v2/admin/users/ada", { token: ADMIN })).status === 404);
	await s.kill("SIGTERM");
	const off = await start(s.dir);
	const r = run(["users", "list", "--url", off.url, "--admin-token", ADMIN]);
	assert.match(r.stderr, /has no admin API/);
	await off.kill("SIGTERM");
});

/** How many requests have come from what giveEverything made. */
const countOf = (mark) => sink.requests.filter((r) => r.path.includes(`/${mark}`)).length;

/** Attempts that run, a queue with a tail, a schedule, and what is due in a second or two. */
async function giveEverything(s, token, mark) {
	const call = (method, path, options = {}) => s.call(method, path, { token, ...options });
	const later = { "upstash-delay": "2s" };
	for (let i = 0; i < 3; i++) {
		await call("POST", `/v2/publish/${sink.url}/slow/${mark}`, { headers: { "upstash-callback": `${sink.url}/${mark}/cb` } });
		await call("POST", `/v2/enqueue/q/${sink.url}/slow/${mark}/q`);
		await call("POST", `/v2/publish/${sink.url}/${mark}/later`, { headers: later });
	}
	await call("POST", `/v2/schedules/${sink.url}/${mark}/cron`, { headers: { "upstash-cron": "* * * * *" } });
	await until(() => sink.requests.some((r) => r.path === `/slow/${mark}/q`));
}

test("users: a deleted one is gone with what runs, waits and is scheduled; the id is free and empty", async () => {
	const s = await start();
	const { token } = json(users(s, "create", "ada", "--json"));
	await giveEverything(s, token, "gone");
	const r = users(s, "delete", "ada", "--yes");
	assert.equal(r.stdout, "User ada is deleted with all it had.\n");
	const before = countOf("gone");
	assert.equal((await s.call("GET", "/v2/keys", { token })).status, 401);
	const again = json(users(s, "create", "ada", "--json"));
	for (const path of ["/v2/logs", "/v2/dlq", "/v2/schedules", "/v2/queues", "/v2/topics"]) {
		const got = await s.call("GET", path, { token: again.token });
		assert.equal(got.status, 200);
		const list = Array.isArray(got.json) ? got.json : (got.json.logs ?? got.json.messages);
		assert.deepEqual(list, [], path);
	}
	// A message of the new one, due after all that the old one had waiting.
	const { requests } = sink;
	await s.call("POST", `/v2/publish/${sink.url}/mine`, { token: again.token, headers: { "upstash-delay": "4s" } });
	await until(() => requests.some((q) => q.path === "/mine"));
	assert.equal(countOf("gone"), before);
	assert.doesNotMatch(s.out, /error|warn/i);
	await s.kill("SIGTERM");
});

test("users: a deletion that a crash cuts off goes on at the next start", async () => {
	const s = await start(tempDir(), ["-admin-token", ADMIN]);
	const { token } = json(users(s, "create", "ada", "--json"));
	const many = Array.from({ length: 2000 }, () => ({
		destination: `${sink.url}/cut/later`,
		headers: { "Upstash-Delay": "1h" },
	}));
	for (let i = 0; i < 10; i++) await s.call("POST", "/v2/batch", { token, body: JSON.stringify(many) });
	// Killed as soon as the deletion is accepted: 20,000 messages are 40 bites.
	await giveEverything(s, token, "cut");
	assert.equal((await s.call("DELETE", "/v2/admin/users/ada", { token: ADMIN })).status, 202);
	await s.kill("SIGKILL");
	const before = countOf("cut");
	assert.doesNotMatch(s.out, /user ada is deleted/);

	const again = await start(s.dir);
	assert.equal((await again.call("GET", "/v2/keys", { token })).status, 401);
	await until(() => users(again, "show", "ada").status === 1, 30_000);
	await until(() => again.out.includes("user ada is deleted"));
	const { token: fresh } = json(users(again, "create", "ada", "--json"));
	await again.call("POST", `/v2/publish/${sink.url}/after`, { token: fresh, headers: { "upstash-delay": "4s" } });
	await until(() => sink.requests.some((q) => q.path === "/after"));
	assert.equal(countOf("cut"), before);
	const log = await again.call("GET", "/v2/logs", { token: fresh });
	assert.ok(log.json.logs.every((e) => e.url === `${sink.url}/after`));
	await again.kill("SIGTERM");
});
