// The server on a Redis server: the same API, nothing lost when either of the two dies, and what is refused.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Client } from "@upstash/qstash";
import { installed, Redis } from "./redis.mjs";
import { BIN, Server, Sink, tempDir, until } from "./lib.mjs";

const options = { skip: !installed, timeout: 90_000 };

const MESSAGES = 500;
const AT_ONCE = 16;

const serve = (redis, { dir = null, args = [] } = {}) =>
	Server.start({ command: "serve", dir, args: ["-allow-private", "-redis", redis.url, ...args] });

/** Runs a command that ends by itself. */
const run = (args, env = {}) => spawnSync(BIN, args, { encoding: "utf8", env: { ...process.env, ...env }, timeout: 30_000 });
const refused = (dir, args, env) => {
	const r = run(["serve", "-port", "0", "-data-dir", dir, ...args], env);
	assert.equal(r.status, 1, r.stderr);
	assert.match(r.stderr, /^qstash: [^\n]*\n$/);
	return r.stderr;
};
const newUser = (dir, id) => JSON.parse(run(["users", "create", id, "--json", "--data-dir", dir]).stdout);

/** Publishes until so many are accepted, through what `now()` gives, whatever fails meanwhile. */
function publishing(now, token, sink) {
	const load = { accepted: new Map(), statuses: new Set(), next: 0 };
	const publish = async (body) => {
		try {
			const r = await now().call("POST", `/v2/publish/${sink.url}/load`, {
				token,
				body,
				headers: { "Upstash-Retry-Delay": "200" },
			});
			load.statuses.add(r.status);
			if (r.status === 200) load.accepted.set(r.json.messageId, body);
			return r.status === 200;
		} catch {
			return false; // the connection broke
		}
	};
	const worker = async () => {
		while (load.accepted.size < MESSAGES) {
			if (!(await publish(String(load.next++)))) await new Promise((r) => setTimeout(r, 10));
		}
	};
	load.done = Promise.all(Array.from({ length: AT_ONCE }, worker));
	load.reaches = (n) => until(() => load.accepted.size >= n, 30_000, "publishing stalled");
	return load;
}

async function allArrive(load, sink, server, token) {
	const missing = () => {
		const arrived = new Map(sink.requests.map((r) => [r.headers["upstash-message-id"], r.body.toString()]));
		return [...load.accepted].filter(([id, body]) => arrived.get(id) !== body);
	};
	await until(() => missing().length === 0, 30_000, "accepted messages are missing");
	const nothingLeft = async () => (await server.call("DELETE", "/v2/messages", { token })).json?.cancelled === 0;
	await until(nothingLeft, 15_000, "messages were left in the store");
}

test("redis: publish, delay, queue, schedule, dead letter, logs and users, by the SDK, and kept over a restart", options, async () => {
	const redis = await Redis.start();
	const sink = await Sink.start((req) => (req.path.startsWith("/404") ? { status: 404 } : {}));
	let s = await serve(redis);
	assert.match(s.out, /Messages are kept by the Redis server/);
	const { token } = newUser(s.dir, "ada");
	let client = new Client({ baseUrl: s.url, token });

	const { messageId } = await client.publishJSON({ url: `${sink.url}/now`, body: { n: 1 } });
	await client.publish({ url: `${sink.url}/later`, body: "later", delay: 1 });
	const queue = client.queue({ queueName: "q" });
	await queue.upsert({ parallelism: 1 });
	for (const n of [1, 2, 3]) await queue.enqueueJSON({ url: `${sink.url}/queue`, body: { n } });
	await sink.count(5);
	assert.deepEqual(sink.requests.filter((r) => r.path === "/queue").map((r) => JSON.parse(r.body).n), [1, 2, 3]);
	assert.ok(sink.requests.some((r) => r.path === "/later" && r.body.toString() === "later"));
	await until(async () => (await client.logs({ filter: { messageId } })).logs.some((l) => l.state === "DELIVERED"));

	const sent = await client.publish({ url: `${sink.url}/404`, body: "x", retries: 0 });
	const dead = await until(async () => (await client.dlq.listMessages({ filter: { messageId: sent.messageId } })).messages[0]);
	const { scheduleId } = await client.schedules.create({ destination: `${sink.url}/tick`, cron: "0 0 1 1 *" });
	await queue.pause();
	const { messageId: waits } = await queue.enqueueJSON({ url: `${sink.url}/waits`, body: {} });
	assert.ok(!existsSync(join(s.dir, "qstash.db")));

	assert.deepEqual(await s.kill("SIGTERM"), { code: 0, signal: null });
	s = await serve(redis, { dir: s.dir });
	client = new Client({ baseUrl: s.url, token });
	assert.equal((await client.schedules.get(scheduleId)).cron, "0 0 1 1 *");
	assert.deepEqual(await client.dlq.delete(dead.dlqId), { deleted: 1 });
	assert.equal((await client.messages.get(waits)).queueName, "q");
	await client.queue({ queueName: "q" }).resume();
	await until(() => sink.requests.some((r) => r.path === "/waits"));
	assert.equal((await client.logs({ filter: { messageId } })).logs.length, 3);
	assert.match(run(["users", "list", "--data-dir", s.dir]).stdout, /^ada +payg +active$/m);
	assert.equal(run(["users", "delete", "ada", "--yes", "--data-dir", s.dir]).status, 0);
	assert.equal((await s.call("GET", "/v2/keys", { token })).status, 401);
	assert.equal(await redis.ask("EXISTS q{ada}c"), ":0");
	await s.stop();
	await sink.stop();
	await redis.kill();
});

test("redis: the server is killed twice under load: every accepted message arrives", options, async () => {
	const redis = await Redis.start();
	const sink = await Sink.start();
	let s = await serve(redis);
	const { token } = newUser(s.dir, "ada");
	const load = publishing(() => s, token, sink);

	for (const part of [0.3, 0.6]) {
		await load.reaches(MESSAGES * part);
		await s.kill();
		s = await serve(redis, { dir: s.dir });
	}
	await load.done;
	await allArrive(load, sink, s, token);
	await s.stop();
	await sink.stop();
	await redis.kill();
});

test("redis: redis-server is killed twice under load: 503 meanwhile, and every accepted message arrives", options, async () => {
	const redis = await Redis.start();
	const sink = await Sink.start((req) => (req.path === "/slow" ? { delay: 500 } : {}));
	const s = await serve(redis);
	const { token } = newUser(s.dir, "ada");
	const load = publishing(() => s, token, sink);
	const call = (method, path) => s.call(method, path, { token, body: method === "POST" ? "x" : undefined });

	for (const part of [0.3, 0.6]) {
		await load.reaches(MESSAGES * part);
		// One is under way when the store goes, so its outcome has to wait.
		const slow = await call("POST", `/v2/publish/${sink.url}/slow`);
		assert.equal(slow.status, 200);
		await redis.kill();
		await until(async () => (await call("POST", `/v2/publish/${sink.url}/none`)).status === 503, 5_000, "no 503");
		const before = Date.now();
		const r = await call("POST", `/v2/publish/${sink.url}/none`);
		assert.equal(r.status, 503, r.text);
		assert.match(r.json.error, /store is not available now/);
		assert.equal((await call("GET", "/v2/schedules")).status, 503);
		assert.equal((await s.call("GET", "/v2/health", { token: null })).status, 200);
		assert.ok(Date.now() - before < 2_000, "asking hung");
		await redis.start();
	}
	await load.done;
	assert.deepEqual([...load.statuses].sort(), [200, 503]);
	await allArrive(load, sink, s, token);
	await until(() => sink.requests.filter((r) => r.path === "/slow").length >= 2);
	assert.ok(!sink.requests.some((r) => r.path === "/none"), "what was refused was delivered");
	await s.stop();
	await sink.stop();
	await redis.kill();
});

test("redis: a stop while redis-server is away waits for it no longer than the grace and some seconds", options, async () => {
	const redis = await Redis.start();
	const sink = await Sink.start(() => ({ delay: 1000 }));
	const s = await serve(redis, { args: ["-grace", "1"] });
	const { token } = newUser(s.dir, "ada");
	assert.equal((await s.call("POST", `/v2/publish/${sink.url}/twice`, { token })).status, 200);
	await redis.kill();
	await sink.count(1);
	const before = Date.now();
	assert.deepEqual(await s.kill("SIGTERM"), { code: 0, signal: null });
	assert.ok(Date.now() - before < 15_000, "the stop hung");
	// Its outcome was never stored.
	await redis.start();
	const again = await serve(redis, { dir: s.dir });
	await sink.count(2);
	await again.kill("SIGTERM");
	await sink.stop();
	await redis.kill();
});

test("redis: a server that only reads its files yet is waited for", options, async () => {
	const redis = await Redis.start();
	const first = await serve(redis);
	const { token } = newUser(first.dir, "ada");
	await first.kill("SIGTERM");
	for (let i = 0; i < 300; i++) await redis.ask(`SET filler${i} ${"x".repeat(100)}`);
	// A snapshot is read key by key; a log of commands, a thousand at a time without a look at the clients.
	await redis.ask("BGREWRITEAOF");
	const manifest = join(redis.dir, "appendonlydir", "appendonly.aof.manifest");
	await until(() => readFileSync(manifest, "utf8").includes(".2.base.rdb"), 15_000, "no snapshot");
	await redis.kill();
	// Five milliseconds for each key, and it answers in between.
	const slowly = ["--key-load-delay", "5000", "--loading-process-events-interval-bytes", "1024"];
	await redis.start({ args: slowly, loaded: false });
	assert.match(await redis.ask("GET x"), /^-LOADING/);
	const s = await serve(redis, { dir: first.dir });
	assert.match(s.out, /still reading its files; waiting for it/);
	assert.equal((await s.call("GET", "/v2/keys", { token })).status, 200);
	await s.kill("SIGTERM");
	await redis.kill();
});

test("redis: a server that may lose messages is refused with the fix in words, and used with -redis-unsafe", options, async () => {
	const redis = await Redis.start({ args: ["--appendonly", "no", "--requirepass", "sesame"] });
	const dir = tempDir();
	const env = { QSTASH_REDIS: `unix://:sesame@${redis.socket}` };
	const why = refused(dir, [], env);
	assert.match(why, /appendonly is "no".*set "appendonly yes".*allow an unsafe server/);
	assert.ok(!why.includes("sesame"));
	assert.match(refused(dir, ["-redis", redis.url]), /NOAUTH/);
	const s = await Server.start({ command: "serve", dir, args: ["-redis-unsafe"], env });
	assert.ok(!s.out.includes("sesame"));
	assert.equal((await s.call("GET", "/v2/health", { token: null })).status, 200);
	await s.kill("SIGTERM");
	await redis.kill();
});

test("redis: a bad URL, and a directory that is another's are refused in a line", options, async () => {
	const redis = await Redis.start();
	assert.match(refused(tempDir(), ["-redis", "http://localhost"]), /the Redis URL has another scheme/);

	const s = await serve(redis);
	assert.match(refused(s.dir, ["-redis", redis.url]), /is in use by another server/);
	await s.kill("SIGTERM");
	assert.match(refused(s.dir, []), /messages are in Redis: name it with -redis/);

	const embedded = await Server.start({ command: "serve" });
	assert.match(refused(embedded.dir, ["-redis", redis.url]), /is in use by another server/);
	await embedded.kill("SIGTERM");
	assert.match(refused(embedded.dir, ["-redis", redis.url]), /has a database of its own/);
	await redis.kill();
});
