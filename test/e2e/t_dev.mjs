// The development server as a program: banner, flags, state, stop (spec 8).
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { closeSync, constants, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BIN, KEYS, Server, Sink, TOKEN, tempDir, until } from "./lib.mjs";

const sink = await Sink.start();

test("dev: the banner's first line is what the SDK waits for, and the rest can be copied", async () => {
	const s = await Server.start();
	const lines = s.out.split("\n");
	assert.match(lines[0], /runn+ing( at|\.)/i);
	assert.ok(lines.includes(`QSTASH_URL=${s.url}`));
	assert.ok(lines.includes(`QSTASH_TOKEN=${TOKEN}`));
	assert.ok(lines.includes(`QSTASH_CURRENT_SIGNING_KEY=${KEYS.current}`));
	assert.ok(lines.includes(`QSTASH_NEXT_SIGNING_KEY=${KEYS.next}`));
	assert.deepEqual(await s.stop(), { code: 0, signal: null });
});

/** A pipe that takes nothing more until it is read: whoever writes to `end` waits. */
function fullPipe() {
	const path = join(tempDir(), "pipe");
	assert.equal(spawnSync("mkfifo", [path]).status, 0);
	const own = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
	for (const bytes of [Buffer.alloc(4096), Buffer.alloc(1)]) {
		assert.throws(() => {
			for (;;) writeSync(own, bytes);
		}, { code: "EAGAIN" });
	}
	return { own, end: openSync(path, constants.O_WRONLY) };
}

test("dev: SIGTERM is obeyed from the banner's first byte on", async () => {
	const { own, end } = fullPipe();
	const child = spawn(BIN, ["dev", "-port=0", "-log-port=0", "--data-dir", tempDir()], { stdio: ["ignore", end, "inherit"] });
	const exited = new Promise((r) => child.on("exit", (code, signal) => r({ code, signal })));
	closeSync(end);
	await until(() => / 0x1 /.test(readFileSync(`/proc/${child.pid}/syscall`, "utf8").slice(0, 8)), 60_000, "it does not write its banner");
	child.kill("SIGTERM");
	readSync(own, Buffer.alloc(1 << 20));
	assert.deepEqual(await exited, { code: 0, signal: null });
	closeSync(own);
});

test("dev: the four users have their keys, and the SDK's health check is satisfied exactly", async () => {
	const s = await Server.start();
	const users = {
		defaultUser: ["defaultPassword", KEYS.current, KEYS.next],
		testUser1: ["testPassword", "sig_7GVPjvuwsfqF65iC8fSrs1dfYruM", "sig_5NoELc3EFnZn4DVS5bDs2Nk4b7Ua"],
		testUser2: ["testPassword", "sig_6jWGaWRxHsw4vMSPJprXadyvrybF", "sig_7qHbvhmahe5GwfePDiS5Lg3pi6Qx"],
		testUser3: ["testPassword", "sig_5T8FcSsynBjn9mMLBsXhpacRovJf", "sig_7GFR4YaDshFcqsxWRZpRB161jguD"],
	};
	for (const [UserID, [Password, current, next]] of Object.entries(users)) {
		const token = Buffer.from(JSON.stringify({ UserID, Password })).toString("base64");
		const r = await s.call("GET", "/v2/keys", { token });
		assert.equal(r.status, 200);
		assert.deepEqual(r.json, { current, next });
	}
	await s.stop();
});

test("dev: a taken port is one line that names the port and the flag, and ends the program", async () => {
	const s = await Server.start();
	const r = spawnSync(BIN, ["dev", "--port", String(s.port), "--ephemeral"], { encoding: "utf8" });
	const out = (r.stdout + r.stderr).trim();
	assert.notEqual(r.status, 0);
	assert.equal(out.split("\n").length, 1);
	assert.match(out, /address already in use/i);
	assert.match(out, /-port/);
	assert.ok(out.endsWith(`:${s.port}`), out);
	await s.stop();
});

test("dev: wrong flags are refused by name", () => {
	for (const args of [["-port=x"], ["--port", "70000"], ["-quota", "gold"], ["--nonsense"], ["-port"]]) {
		const r = spawnSync(BIN, ["dev", ...args], { encoding: "utf8" });
		assert.equal(r.status, 2, args.join(" "));
		assert.match(r.stderr, /port|quota|nonsense/);
	}
	const help = spawnSync(BIN, ["dev", "--help"], { encoding: "utf8" });
	assert.equal(help.status, 0);
	for (const flag of ["-port", "-log-port", "-quota"]) assert.ok(help.stdout.includes(flag));
});

test("dev: state survives a restart; a second server on the same directory is refused", async () => {
	const dir = tempDir();
	let s = await Server.start({ dir });
	const r = await s.call("POST", `/v2/publish/${sink.url}/later`, {
		body: "kept",
		headers: { "Upstash-Delay": "1h" },
	});
	assert.equal(r.status, 200);
	const second = spawnSync(BIN, ["dev", "-port=0", "--data-dir", dir], { encoding: "utf8" });
	assert.notEqual(second.status, 0);
	assert.ok(second.stderr.includes(dir), second.stderr);
	await s.stop();
	s = await Server.start({ dir });
	const m = await s.call("GET", `/v2/messages/${r.json.messageId}`);
	assert.equal(m.json.body, "kept");
	await s.stop();
});

test("dev: SIGTERM hands back what is in flight, and the next start delivers it", async () => {
	let slow = true;
	const target = await Sink.start(() => (slow ? { delay: 60_000 } : {}));
	const dir = tempDir();
	let s = await Server.start({ dir, args: ["--grace", "0"] });
	await s.call("POST", `/v2/publish/${target.url}/slow`, { body: "x" });
	await target.count(1);
	assert.deepEqual(await s.stop(), { code: 0, signal: null });
	slow = false;
	s = await Server.start({ dir });
	const [first, again] = await target.count(2);
	assert.equal(again.headers["upstash-message-id"], first.headers["upstash-message-id"]);
	assert.equal(again.headers["upstash-retried"], "0");
	await s.stop();
	await target.stop();
});

test("dev: SIGTERM lets a running delivery end", async () => {
	const target = await Sink.start(() => ({ delay: 500 }));
	const dir = tempDir();
	let s = await Server.start({ dir });
	await s.call("POST", `/v2/publish/${target.url}/slow`, { body: "x" });
	await target.count(1);
	await s.stop();
	s = await Server.start({ dir });
	const logs = await until(async () => {
		const r = await s.call("GET", "/v2/logs?state=DELIVERED");
		return r.json.logs.length && r.json.logs;
	});
	assert.equal(logs.length, 1);
	assert.equal(target.requests.length, 1);
	await s.stop();
	await target.stop();
});

test("dev: the log server answers log queries, too", async () => {
	const s = await Server.start();
	const r = await s.call("POST", `/v2/publish/${sink.url}/`, { body: "x" });
	await until(async () => {
		const l = await s.call("GET", `/v2/events?messageId=${r.json.messageId}`, { base: s.logUrl });
		return l.json.events.length === 3;
	});
	await s.stop();
});
