// The rows of the SDK's dev-server and multi-region tests, and of its receivers for web frameworks. The SDK takes
// its settings from the environment; where it starts a server it runs in a process of its own.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, symlinkSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Client, Receiver } from "@upstash/qstash";
import { verifySignatureAppRouter, verifySignatureEdge } from "@upstash/qstash/nextjs";
import { BIN, KEYS, Server, Sink, TOKEN, freePort, tempDir, until } from "./lib.mjs";

const sink = await Sink.start();
const plain = (s) => ({ QSTASH_URL: s.url, QSTASH_TOKEN: TOKEN });

/** Runs something with these variables in the environment; gives what the SDK then said on the console. */
async function inEnv(env, run) {
	const kept = { env: process.env, warn: console.warn, log: console.log };
	let said = "";
	process.env = { ...process.env, ...env };
	console.warn = console.log = (...words) => (said += `${words.join(" ")}\n`);
	try {
		await run();
	} finally {
		({ env: process.env, warn: console.warn, log: console.log } = kept);
	}
	return said;
}
/** Publishes with a client that has all its settings from there, and waits for the delivery. */
async function publishes(path, config) {
	const { messageId } = await new Client(config).publish({ url: sink.url + path, body: "text" });
	return until(() => sink.requests.find((q) => q.headers["upstash-message-id"] === messageId));
}

test("dev-server: a server that runs is taken for the SDK's own, by its exact keys", async () => {
	const s = await Server.start();
	const QSTASH_DEV_PORT = String(s.port);
	const said = await inEnv({ QSTASH_DEV: "true", QSTASH_DEV_PORT }, () => publishes("/dev"));
	assert.match(said, /Server already running/);
	await inEnv({ QSTASH_DEV: "1", QSTASH_DEV_PORT }, () => publishes("/dev"));
	// Development mode overrides what is configured, and its receiver verifies deliveries.
	await inEnv({ QSTASH_DEV_PORT }, async () => {
		const got = await publishes("/dev", { baseUrl: "http://127.0.0.1:1", token: "wrong", devMode: true });
		const receiver = new Receiver({ devMode: true, currentSigningKey: "sig_x", nextSigningKey: "sig_y" });
		assert.ok(await receiver.verify({ signature: got.headers["upstash-signature"], body: "text" }));
	});
	await s.stop();
});

test("dev-server: QSTASH_DEV off, and a value that it cannot have", async () => {
	const s = await Server.start();
	for (const QSTASH_DEV of ["false", "0", ""]) {
		await inEnv({ ...plain(s), QSTASH_DEV, QSTASH_DEV_PORT: "1" }, () => publishes("/off"));
	}
	await inEnv({ QSTASH_DEV: "yes" }, () => assert.rejects(publishes("/off"), /Invalid value for QSTASH_DEV/));
	await s.stop();
});

/** A script in a process that finds no name, so that the SDK takes the server in its cache: our program. */
async function script(code, env) {
	const home = tempDir();
	const cache = join(home, ".cache", "upstash", "qstash-dev");
	mkdirSync(cache, { recursive: true });
	symlinkSync(BIN, join(cache, "qstash"));
	const offline = `
		import dns from "node:dns";
		dns.lookup = (host, options, done) => (done ?? options)(new Error("offline"));
		import { Client } from "@upstash/qstash";
		const client = new Client();
		const { messageId } = await client.publish({ url: "${sink.url}/spawned", body: "x" });
	`;
	const child = spawn(process.execPath, ["--input-type=module", "--eval", offline + code], {
		cwd: fileURLToPath(new URL(".", import.meta.url)),
		env: { PATH: process.env.PATH, HOME: home, QSTASH_DEV: "true", QSTASH_DEV_LOG_PORT: "0", ...env },
		stdio: ["ignore", "pipe", "pipe"],
	});
	let out = "";
	child.stdout.on("data", (d) => (out += d));
	child.stderr.on("data", (d) => (out += d));
	const status = await new Promise((r) => child.on("close", r));
	return { status, out };
}
const listens = (port) =>
	new Promise((done) => {
		const probe = createServer();
		probe.on("error", () => done(false));
		probe.listen(port, "127.0.0.1", () => probe.close(() => done(true)));
	});

test("dev-server: the SDK starts our program, waits for its readiness line, and ends it", async () => {
	const port = await freePort();
	const code = `
		const end = Date.now() + 10_000;
		const delivered = async () => (await client.logs({ filter: { messageId, state: "DELIVERED" } })).logs.length;
		while (Date.now() < end && !(await delivered())) await new Promise((r) => setTimeout(r, 20));
	`;
	const r = await script(code, { QSTASH_DEV_PORT: String(port) });
	assert.equal(r.status, 0, r.out);
	assert.match(r.out, /is running at/);
	assert.ok(sink.requests.some((q) => q.path === "/spawned"));
	await until(() => listens(port), 10_000, "the server that the SDK started was left running");
});

test("dev-server: a port that something else holds is told by its number", async () => {
	const other = createServer((_, res) => res.writeHead(200).end("{}"));
	await new Promise((r) => other.listen(0, "127.0.0.1", r));
	const { port } = other.address();
	const r = await script("", { QSTASH_DEV_PORT: String(port) });
	other.close();
	assert.notEqual(r.status, 0);
	assert.ok(r.out.includes(`Port already in use on port ${port}`), r.out);
});

test("multi-region: the client takes the region's address and token, and the delivery says where it is from", async () => {
	const s = await Server.start({ args: ["--region", "US-EAST-1"] });
	const wrong = { QSTASH_URL: "http://127.0.0.1:1", QSTASH_TOKEN: "x" };
	const region = { US_EAST_1_QSTASH_URL: s.url, US_EAST_1_QSTASH_TOKEN: TOKEN };
	await inEnv({ QSTASH_REGION: "US_EAST_1", ...wrong, ...region }, async () => {
		assert.equal((await publishes("/region")).headers["upstash-region"], "US-EAST-1");
	});
	const missing = await inEnv({ QSTASH_REGION: "US_EAST_1", ...plain(s) }, () => publishes("/region"));
	assert.match(missing, /Falling back/);
	assert.match(await inEnv({ QSTASH_REGION: "MARS", ...plain(s) }, () => publishes("/region")), /Invalid/);
	await s.stop();
});

test("multi-region: the receivers of web frameworks take the keys of the delivery's region", async () => {
	const s = await Server.start({ args: ["--region", "eu-central-1"] });
	await s.call("POST", `/v2/publish/${sink.url}/verified`, { body: "text" });
	const got = await until(() => sink.requests.find((q) => q.path === "/verified"));
	const { host, "content-length": length, ...headers } = got.headers;
	const { "upstash-signature": signature, ...unsigned } = headers;
	const keys = { QSTASH_CURRENT_SIGNING_KEY: KEYS.current, QSTASH_NEXT_SIGNING_KEY: KEYS.next };
	const otherKeys = { QSTASH_CURRENT_SIGNING_KEY: "sig_x", QSTASH_NEXT_SIGNING_KEY: "sig_y" };
	const region = {
		QSTASH_REGION: "EU_CENTRAL_1",
		EU_CENTRAL_1_QSTASH_CURRENT_SIGNING_KEY: KEYS.current,
		EU_CENTRAL_1_QSTASH_NEXT_SIGNING_KEY: KEYS.next,
	};
	const cases = [
		[keys, headers, "text", "200 handled"],
		[region, headers, "text", "200 handled"],
		[keys, headers, "forged", "SignatureError"],
		[otherKeys, headers, "text", "SignatureError"],
		[keys, unsigned, "text", "403 `Upstash-Signature` header is missing"],
	];
	for (const adapter of [verifySignatureAppRouter, verifySignatureEdge]) {
		for (const [env, sent, body, expected] of cases) {
			await inEnv(env, async () => {
				const handler = adapter(() => new Response("handled"));
				const request = new Request("http://app.example/", { method: "POST", headers: sent, body });
				const answer = await handler(request).then(
					async (r) => `${r.status} ${await r.text()}`,
					(e) => e.name,
				);
				assert.equal(answer, expected);
			});
		}
	}
	await s.stop();
});
