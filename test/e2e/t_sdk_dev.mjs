// The rows of the SDK's dev-server and multi-region tests, and of its receivers for web frameworks. The SDK reads
// its settings from the environment, so each of these runs it in a process of its own.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, symlinkSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { BIN, KEYS, Server, Sink, TOKEN, freePort, tempDir, until } from "./lib.mjs";

const sink = await Sink.start();

/** Runs a script with the SDK; gives what it printed, and its exit code. */
async function script(code, env = {}) {
	const args = ["--input-type=module", "--eval", code];
	const child = spawn(process.execPath, args, {
		cwd: import.meta.dirname ?? new URL(".", import.meta.url).pathname,
		env: { PATH: process.env.PATH, HOME: tempDir(), ...env },
		stdio: ["ignore", "pipe", "pipe"],
	});
	let out = "";
	child.stdout.on("data", (d) => (out += d));
	child.stderr.on("data", (d) => (out += d));
	const status = await new Promise((r) => child.on("close", r));
	return { status, out };
}
const publish = (path) => `
	import { Client } from "@upstash/qstash";
	const { messageId } = await new Client().publishJSON({ url: "${sink.url}${path}", body: { a: 1 } });
	console.log("sent", messageId);
`;
// No name is found, so that the SDK cannot fetch another server than the one in its cache.
const offline = `
	import dns from "node:dns";
	dns.lookup = (host, options, done) => (done ?? options)(new Error("offline"));
`;
/** A home directory in whose cache the SDK finds our program as its server. */
function home() {
	const dir = tempDir();
	const cache = join(dir, ".cache", "upstash", "qstash-dev");
	mkdirSync(cache, { recursive: true });
	symlinkSync(BIN, join(cache, "qstash"));
	return dir;
}

test("dev-server: a server that runs is taken for the SDK's own, by its exact keys", async () => {
	const s = await Server.start();
	for (const [i, QSTASH_DEV] of ["true", "1"].entries()) {
		const r = await script(offline + publish(`/dev${i}`), { QSTASH_DEV, QSTASH_DEV_PORT: String(s.port) });
		assert.match(r.out, /Server already running/);
		assert.match(r.out, /sent msg_/);
		await until(() => sink.requests.some((q) => q.path === `/dev${i}`));
	}
	await s.stop();
});

test("dev-server: devMode overrides the configured credentials, and its receiver verifies deliveries", async () => {
	const s = await Server.start();
	process.env.QSTASH_DEV_PORT = String(s.port);
	const { Client, Receiver } = await import("@upstash/qstash");
	const client = new Client({ baseUrl: "http://127.0.0.1:1", token: "wrong", devMode: true });
	await client.publish({ url: `${sink.url}/devmode`, body: "x" });
	const got = await until(() => sink.requests.find((q) => q.path === "/devmode"));
	const receiver = new Receiver({ devMode: true, currentSigningKey: "sig_x", nextSigningKey: "sig_y" });
	assert.ok(await receiver.verify({ signature: got.headers["upstash-signature"], body: "x" }));
	delete process.env.QSTASH_DEV_PORT;
	await s.stop();
});

test("dev-server: QSTASH_DEV off, and a value that it cannot have", async () => {
	const s = await Server.start();
	const env = { QSTASH_URL: s.url, QSTASH_TOKEN: TOKEN, QSTASH_DEV_PORT: "1" };
	for (const QSTASH_DEV of ["false", "0", ""]) {
		assert.match((await script(publish("/off"), { ...env, QSTASH_DEV })).out, /sent msg_/);
	}
	assert.match((await script(publish("/off"), { ...env, QSTASH_DEV: "yes" })).out, /Invalid value for QSTASH_DEV/);
	await s.stop();
});

test("dev-server: the SDK starts our program, waits for its readiness line, and ends it", async () => {
	const port = await freePort();
	const env = { QSTASH_DEV: "true", QSTASH_DEV_PORT: String(port), QSTASH_DEV_LOG_PORT: "0", HOME: home() };
	const r = await script(`${offline + publish("/spawned")}
		const until = Date.now() + 10_000;
		const client = new Client();
		while ((await client.logs({ filter: { messageId, state: "DELIVERED" } })).logs.length === 0 && Date.now() < until);
	`, env);
	assert.match(r.out, /sent msg_/, r.out);
	assert.equal(r.status, 0, r.out);
	assert.ok(sink.requests.some((q) => q.path === "/spawned"));
	// The port is free again: nothing was left running.
	await until(async () => {
		const again = createServer();
		const listens = await new Promise((done) => {
			again.on("error", () => done(false));
			again.listen(port, "127.0.0.1", () => done(true));
		});
		again.close();
		return listens;
	});
});

test("dev-server: a port that something else holds is told by its number", async () => {
	const other = createServer((_, res) => res.writeHead(200).end("{}"));
	await new Promise((r) => other.listen(0, "127.0.0.1", r));
	const { port } = other.address();
	const env = { QSTASH_DEV: "true", QSTASH_DEV_PORT: String(port), QSTASH_DEV_LOG_PORT: "0", HOME: home() };
	const r = await script(offline + publish("/never"), env);
	other.close();
	assert.notEqual(r.status, 0);
	assert.ok(r.out.includes(`Port already in use on port ${port}`), r.out);
});

test("multi-region: the client takes the region's address and token, and the delivery says where it is from", async () => {
	const s = await Server.start({ args: ["--region", "US-EAST-1"] });
	const region = { US_EAST_1_QSTASH_URL: s.url, US_EAST_1_QSTASH_TOKEN: TOKEN };
	const plain = { QSTASH_URL: s.url, QSTASH_TOKEN: TOKEN };
	const wrong = { QSTASH_URL: "http://127.0.0.1:1", QSTASH_TOKEN: "x" };
	assert.match((await script(publish("/region"), { QSTASH_REGION: "US_EAST_1", ...wrong, ...region })).out, /sent msg_/);
	assert.match((await script(publish("/region"), { QSTASH_REGION: "US_EAST_1", ...plain })).out, /Falling back[^]*sent msg_/);
	assert.match((await script(publish("/region"), { QSTASH_REGION: "MARS", ...plain })).out, /Invalid[^]*sent msg_/);
	const got = await until(() => sink.requests.find((q) => q.path === "/region"));
	assert.equal(got.headers["upstash-region"], "US-EAST-1");
	await s.stop();
});

/** Runs a real delivery through a framework's verifier, in a process with these settings. */
async function verified(got, { env, body = got.body.toString(), adapter = "verifySignatureAppRouter", headers = got.headers }) {
	const r = await script(`
		import { ${adapter} } from "@upstash/qstash/nextjs";
		const handler = ${adapter}(async () => new Response("handled", { status: 200 }));
		const request = new Request("http://app.example/", {
			method: "POST",
			headers: ${JSON.stringify(headers)},
			body: ${JSON.stringify(body)},
		});
		const response = await handler(request).catch((e) => new Response(e.name, { status: 500 }));
		console.log("answer", response.status, await response.text());
	`, env);
	return /answer (.*)/.exec(r.out)?.[1] ?? r.out;
}

test("multi-region: the receivers of web frameworks take the keys of the delivery's region", async () => {
	const s = await Server.start({ args: ["--region", "eu-central-1"] });
	await s.call("POST", `/v2/publish/${sink.url}/verified`, { body: "text" });
	const got = await until(() => sink.requests.find((q) => q.path === "/verified"));
	const { host, "content-length": _, ...headers } = got.headers;
	const plain = { QSTASH_CURRENT_SIGNING_KEY: KEYS.current, QSTASH_NEXT_SIGNING_KEY: KEYS.next };
	const region = {
		QSTASH_REGION: "EU_CENTRAL_1",
		EU_CENTRAL_1_QSTASH_CURRENT_SIGNING_KEY: KEYS.current,
		EU_CENTRAL_1_QSTASH_NEXT_SIGNING_KEY: KEYS.next,
	};
	const { "upstash-signature": __, ...unsigned } = headers;
	const answers = await Promise.all([
		verified(got, { env: plain, headers }),
		verified(got, { env: region, headers }),
		verified(got, { env: plain, headers, adapter: "verifySignatureEdge" }),
		verified(got, { env: plain, headers, body: "forged" }),
		verified(got, { env: { ...plain, QSTASH_CURRENT_SIGNING_KEY: "sig_x", QSTASH_NEXT_SIGNING_KEY: "sig_y" }, headers }),
		verified(got, { env: plain, headers: unsigned }),
	]);
	assert.deepEqual(answers.slice(0, 3), Array(3).fill("200 handled"));
	assert.match(answers[3], /SignatureError/);
	assert.match(answers[4], /SignatureError/);
	assert.match(answers[5], /^403 .*header is missing/);
	await s.stop();
});
