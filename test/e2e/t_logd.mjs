// Logs in processes of their own: nothing lost or doubled whatever becomes of them, nobody held up by them.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { after, test } from "node:test";
import { BIN, Redis, Server, Sink, tempDir, until } from "./lib.mjs";

const installed = Redis.isInstalled();

const options = { skip: !installed, timeout: 150_000 };

const running = new Set();
after(async () => {
	for (const p of running) await p.end();
});

/** `qstash logs` on a server's data directory. */
class LogProcess {
	static async start(redis, dir, { slot = 0, of = 1, args = [] } = {}) {
		const p = new LogProcess();
		p.socket = join(dir, `logs-${slot}.sock`);
		p.out = "";
		const which = ["-redis", redis.url, "-data-dir", dir, "-log-processes", String(of), "-slot", String(slot)];
		p.child = spawn(BIN, ["logs", ...which, ...args], { stdio: ["ignore", "pipe", "pipe"] });
		running.add(p);
		p.exited = new Promise((r) => p.child.on("exit", (code, signal) => r({ code, signal })));
		let gone = false;
		p.exited.then(() => (gone = true));
		p.child.stdout.on("data", (d) => (p.out += d));
		p.child.stderr.on("data", (d) => (p.out += d));
		await until(() => gone || p.out.includes("State in"), 30_000, "no banner");
		if (gone) throw new Error(`the log process ended: ${p.out}`);
		return p;
	}

	/** What it tells of itself. */
	status() {
		return new Promise((resolve, reject) => {
			const req = request({ socketPath: this.socket, path: "/status" }, (res) => {
				let text = "";
				res.on("data", (d) => (text += d));
				res.on("end", () => resolve(JSON.parse(text)));
			});
			req.on("error", reject);
			req.end();
		});
	}

	async kill(signal = "SIGKILL") {
		this.child.kill(signal);
		return this.exited;
	}

	async end() {
		if (this.child.exitCode === null && this.child.signalCode === null) await this.kill();
	}
}

const run = (args) => spawnSync(BIN, args, { encoding: "utf8", timeout: 30_000 });
/** The server starts no log processes, for it is told where those are that the test starts. */
const serveOn = (redis, dir, of, args = []) => {
	const logs = Array.from({ length: of }, (_, slot) => join(dir, `logs-${slot}.sock`)).join(",");
	const all = ["-allow-private", "-redis", redis.url, "-log-processes", String(of), "-logs", logs, ...args];
	return Server.start({ command: "serve", dir, args: all });
};
const serve = (redis, of, args) => serveOn(redis, tempDir(), of, args);
/** Waits for the directory of users, which a server may not have read yet. */
const newUser = (dir, id) =>
	until(() => {
		const r = run(["users", "create", id, "--json", "--data-dir", dir]);
		return r.status === 0 && JSON.parse(r.stdout);
	}, 30_000);

async function publish(s, token, url, body = "x") {
	const r = await s.call("POST", `/v2/publish/${url}`, { token, body });
	assert.equal(r.status, 200, r.text);
	return r.json.messageId;
}

/** All entries of a user, over all pages, as "state" by message. */
async function entries(s, token, base = s.url) {
	const of = new Map();
	let cursor = "";
	do {
		const r = await s.call("GET", `/v2/logs?order=earliestFirst${cursor}`, { token, base });
		assert.equal(r.status, 200, r.text);
		for (const e of r.json.logs) of.set(e.messageId, [...(of.get(e.messageId) ?? []), e.state]);
		cursor = r.json.cursor ? `&cursor=${r.json.cursor}` : "";
	} while (cursor);
	return of;
}

/** Each of the messages has its life in the log, once. */
async function whole(s, token, ids) {
	const life = "CREATED ACTIVE DELIVERED";
	const missing = async () => {
		const of = await entries(s, token).catch(() => new Map());
		return ids.filter((id) => of.get(id)?.join(" ") !== life).length;
	};
	await until(async () => (await missing()) === 0, 60_000, "the log lacks entries, or has some twice");
	const of = await entries(s, token);
	assert.equal(of.size, ids.length);
}

/** Publishes one after the other until it is told to stop. */
function publishing(s, token, url) {
	const load = { ids: [], stop: false };
	const worker = async () => {
		while (!load.stop) load.ids.push(await publish(s, token, url));
	};
	load.done = Promise.all([worker(), worker(), worker(), worker()]);
	load.more = (n) => {
		const goal = load.ids.length + n;
		return until(() => load.ids.length >= goal, 60_000, "publishing stalled");
	};
	load.end = async () => {
		load.stop = true;
		await load.done;
		return load.ids;
	};
	return load;
}

test("logd: a log process that is killed under load loses and doubles nothing, and holds nobody up", options, async () => {
	const redis = await Redis.start();
	const sink = await Sink.start();
	const s = await serve(redis, 1);
	const { token } = await newUser(s.dir, "ada");
	let logs = await LogProcess.start(redis, s.dir);
	const load = publishing(s, token, sink.url);
	for (let i = 0; i < 4; i++) {
		await load.more(100);
		await logs.kill();
		await load.more(50);
		logs = await LogProcess.start(redis, s.dir);
		await load.more(20);
		assert.ok((await s.call("GET", "/v2/logs?count=1", { token })).json.logs.length === 1);
	}
	const ids = await load.end();
	await sink.count(ids.length);
	await whole(s, token, ids);
	assert.deepEqual(await logs.kill("SIGTERM"), { code: 0, signal: null });
	await s.stop();
});

test("logd: while no log process is there, all but the log goes on, which says why", options, async () => {
	const redis = await Redis.start();
	const sink = await Sink.start();
	const s = await serve(redis, 1);
	const { token } = await newUser(s.dir, "ada");
	const ids = [];
	for (let i = 0; i < 60; i++) ids.push(await publish(s, token, sink.url));
	await sink.count(60);
	for (const path of ["/v2/logs", "/v2/events", "/v2/workflows/logs", "/v2/workflows/events", `/v2/messages/${ids[0]}`]) {
		const r = await s.call("GET", path, { token });
		assert.equal(r.status, 503, path);
		assert.match(r.json.error, /the log cannot be read at the moment: log process 1 of 1 is not running/);
		assert.ok(r.headers.get("retry-after"));
	}
	const logs = await LogProcess.start(redis, s.dir);
	await whole(s, token, ids);
	// What was answered before is seen at once.
	for (let i = 0; i < 10; i++) {
		const id = await publish(s, token, sink.url);
		assert.ok((await entries(s, token)).get(id).includes("CREATED"));
	}
	await logs.end();
	await s.stop();
});

const USERS = ["ada", "bob", "cy", "dan", "eve", "fay"];

test("logd: log processes share the users, and others may take over with another number of them", options, async () => {
	const redis = await Redis.start();
	const sink = await Sink.start();
	let s = await serve(redis, 1);
	const { dir } = s;
	const tokens = [];
	for (const id of USERS) tokens.push((await newUser(dir, id)).token);
	const ids = USERS.map(() => []);
	const someFor = async (n) => {
		for (let u = 0; u < USERS.length; u++) {
			for (let i = 0; i < n; i++) ids[u].push(await publish(s, tokens[u], sink.url));
		}
	};
	const all = async () => {
		for (let u = 0; u < USERS.length; u++) await whole(s, tokens[u], ids[u]);
	};

	let logs = [await LogProcess.start(redis, dir)];
	await someFor(5);
	await all();
	await logs[0].kill();
	await someFor(5); // which nobody has read
	assert.deepEqual(await s.kill("SIGTERM"), { code: 0, signal: null });

	s = await serveOn(redis, dir, 2);
	logs = [await LogProcess.start(redis, dir, { of: 2 })];
	await assert.rejects(LogProcess.start(redis, dir, { of: 1 }), /another number of them/);
	await assert.rejects(LogProcess.start(redis, dir, { of: 2 }), /slot 0 runs already/);
	await someFor(3);
	logs.push(await LogProcess.start(redis, dir, { of: 2, slot: 1 }));
	await all();
	for (const l of logs) assert.ok((await l.status()).eventsWritten > 0);
	// One of the two is behind when it becomes one again.
	await logs[1].kill();
	await someFor(3);
	const mine = await until(async () => {
		const { databases } = await logs[0].status();
		return databases[0].lag === 0 && databases;
	});
	assert.equal(mine[0].dropped, 0);
	await logs[0].kill("SIGTERM");
	await s.kill("SIGTERM");

	s = await serveOn(redis, dir, 1);
	logs = [await LogProcess.start(redis, dir)];
	await all();
	await logs[0].end();
	await s.end();
});

test("logd: a database drops the oldest events rather than grow, counts and tells them", options, async () => {
	const redis = await Redis.start();
	const sink = await Sink.start();
	const s = await serve(redis, 1);
	const { token } = await newUser(s.dir, "ada");
	const cap = { args: ["-log-backlog", "1"] };
	let logs = await LogProcess.start(redis, s.dir, cap);
	const first = await publish(s, token, sink.url);
	await until(async () => (await entries(s, token)).get(first)?.length === 3);
	await until(async () => (await redis.ask("XLEN q:log")) === ":0");
	await logs.kill();

	const body = "b".repeat(20_000);
	const ids = [];
	for (let i = 0; i < 120; i++) ids.push(await publish(s, token, sink.url, body));
	await sink.count(121);
	logs = await LogProcess.start(redis, s.dir, cap);
	const dropped = await until(async () => (await logs.status()).databases[0].dropped);
	await until(async () => (await logs.status()).databases[0].lag === 0, 30_000);
	const of = await entries(s, token);
	const known = [...of.values()].flat().length;
	assert.equal(known + dropped, 3 * 121);
	assert.equal(of.get(first).length, 3);
	assert.ok(of.has(ids.at(-1)) && !of.has(ids[0]));
	await logs.end();
	await s.stop();
});

test("logd: the file of a deleted user goes, and waits for a log process that is not there", options, async () => {
	const redis = await Redis.start();
	const sink = await Sink.start();
	const s = await serve(redis, 2);
	let logs = [await LogProcess.start(redis, s.dir, { of: 2 }), await LogProcess.start(redis, s.dir, { of: 2, slot: 1 })];
	const file = (id) => join(s.dir, "logs", `${id}.db`);
	const users = [];
	for (const id of USERS) users.push(await newUser(s.dir, id));
	for (const u of users) await publish(s, u.token, sink.url);
	await until(() => USERS.every((id) => existsSync(file(id))));
	const del = run(["users", "delete", "ada", "--yes", "--data-dir", s.dir]);
	assert.equal(del.status, 0, del.stderr);
	assert.ok(!existsSync(file("ada")) && existsSync(file("bob")));

	for (const l of logs) await l.kill();
	const late = spawn(BIN, ["users", "delete", "bob", "--yes", "--data-dir", s.dir], { stdio: "ignore" });
	running.add({ end: async () => late.kill("SIGKILL") });
	const gone = new Promise((r) => late.on("exit", r));
	await until(async () => (await s.call("GET", "/v2/queues", { token: users[1].token })).status === 401);
	assert.ok(existsSync(file("bob")));
	logs = [await LogProcess.start(redis, s.dir, { of: 2 }), await LogProcess.start(redis, s.dir, { of: 2, slot: 1 })];
	await gone;
	await until(() => !existsSync(file("bob")), 30_000);
	assert.ok(existsSync(file("cy")));
	const { token } = await newUser(s.dir, "bob");
	assert.equal((await entries(s, token)).size, 0);
	for (const l of logs) await l.end();
	await s.stop();
});

test("logd: the log port is served by any log process, for everybody; processes elsewhere are asked with a secret", options, async () => {
	const redis = await Redis.start();
	const sink = await Sink.start();
	const secret = "a secret of twenty-four chars";
	const at = ["-logs-secret", secret];
	const s = await serve(redis, 2, at);
	const users = [];
	for (const id of USERS.slice(0, 4)) users.push(await newUser(s.dir, id));
	const logs = [];
	for (const slot of [0, 1]) {
		const { port } = new URL((await Sink.start()).url); // a number to begin with
		logs.push(await LogProcess.start(redis, s.dir, { of: 2, slot, args: [...at, "-log-port", String(Number(port)), "-host", `127.0.0.${2 + slot}`] }));
	}
	const bases = logs.map((l) => /Logs at (http:\S+)/.exec(l.out)[1]);
	for (const { token } of users) {
		const id = await publish(s, token, sink.url);
		for (const base of bases) {
			await until(async () => {
				const r = await s.call("GET", "/v2/logs", { token, base });
				return r.status === 200 && r.json.logs.some((e) => e.messageId === id && e.state === "DELIVERED");
			}, 30_000);
			assert.equal((await s.call("POST", `/v2/publish/${sink.url}`, { token, base, body: "x" })).status, 404);
			assert.equal((await s.call("GET", "/v2/health", { token: "", base })).status, 200);
			assert.equal((await s.call("GET", "/v2/logs", { token: "wrong", base })).status, 401);
		}
	}
	for (const l of logs) await l.end();
	await s.stop();
});
