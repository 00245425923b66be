// lib.mjs - a server under test, a destination that records what it receives, and what tests ask of both.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { Client } from "@upstash/qstash";

export const BIN = process.env.QSTASH_BIN ?? new URL("../../build/qstash", import.meta.url).pathname;
export const TOKEN = "eyJVc2VySUQiOiJkZWZhdWx0VXNlciIsIlBhc3N3b3JkIjoiZGVmYXVsdFBhc3N3b3JkIn0=";
export const KEYS = {
	current: "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r",
	next: "sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs",
};

const redisOf = new Map(); // by data directory: its Redis server, and the user's token
const dirs = new Set(); // go at the file's end

export function tempDir() {
	const dir = mkdtempSync(join(tmpdir(), "qstash-e2e-"));
	dirs.add(dir);
	return dir;
}

/** Polls until `what` gives something truthy; fails after `ms`, which a slow machine must not reach. */
export async function until(what, ms = 60_000, why = "it did not happen") {
	const end = Date.now() + ms;
	for (;;) {
		const got = await what();
		if (got) return got;
		if (Date.now() > end) throw new Error(`${why} within ${ms} ms`);
		await new Promise((r) => setTimeout(r, 20));
	}
}

// A failed test must not leave anything running: the file's end ends it all.
const started = new Set();
after(async () => {
	for (const s of started) await s.end();
	for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
});

/**
 * Starts `qstash dev`, or another command; resolves when its banner says that it runs. The port is one that it can have
 * again after a kill. With E2E_STORE=redis in the environment, `dev` means a server on Redis instead (run.mjs).
 */
export class Server {
	static start(options = {}) {
		const { command = "dev" } = options;
		return command === "dev" && process.env.E2E_STORE === "redis" ? Server.#onRedis(options) : Server.#start(options);
	}

	/** `qstash serve` with a user of the same id, and a Redis server that stays with the data directory. */
	static async #onRedis({ dir = tempDir(), args = [], ...options }) {
		const first = !redisOf.has(dir);
		if (first) redisOf.set(dir, { redis: await Redis.start() });
		const { redis, token } = redisOf.get(dir);
		const s = await Server.#start({ command: "serve", dir, args: ["-allow-private", "-redis", redis.url, ...args], ...options });
		Object.assign(s, { redis, token });
		if (!first) return s;
		const made = spawnSync(BIN, ["users", "create", "defaultUser", "--plan", "pro", "--json", "--data-dir", dir], { encoding: "utf8" });
		assert.equal(made.status, 0, made.stderr);
		s.token = redisOf.get(dir).token = JSON.parse(made.stdout).token;
		return s;
	}

	static async #start({ command = "dev", dir = null, port = null, logPort = 0, args = [], env = {} }) {
		const s = new Server();
		s.token = TOKEN;
		s.dir = dir ?? tempDir();
		s.ownsDir = dir === null;
		s.out = "";
		s.child = spawn(
			BIN,
			[command, `-port=${port ?? (await freePort())}`, `-log-port=${logPort}`, "--data-dir", s.dir, ...args],
			{ stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } },
		);
		started.add(s);
		s.exited = new Promise((r) => s.child.on("exit", (code, signal) => r({ code, signal })));
		s.child.stdout.on("data", (d) => (s.out += d));
		s.child.stderr.on("data", (d) => (s.out += d));
		let gone = false;
		s.exited.then(() => (gone = true));
		await until(() => gone || s.out.includes("Documentation:"), 30_000, "no banner");
		if (gone) throw new Error(`the server ended: ${s.out}`);
		s.url = /is running at (http:\S+)/.exec(s.out)[1];
		s.logUrl = /Logs at (http:[^\s,]+)/.exec(s.out)?.[1];
		s.port = Number(new URL(s.url).port);
		return s;
	}

	/** A plain request; gives { status, headers, text, json }. */
	async call(method, path, { body, headers = {}, token = this.token, base = this.url } = {}) {
		const res = await fetch(base + path, {
			method,
			body,
			headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers },
		});
		const text = await res.text();
		let json;
		try {
			json = JSON.parse(text);
		} catch {
			json = undefined;
		}
		return { status: res.status, headers: res.headers, text, json };
	}

	/** Until no message is on its way to anybody. */
	async idle() {
		await until(async () => (await this.call("GET", "/v2/globalParallelism")).json.parallelismCount === 0);
	}

	async kill(signal = "SIGKILL") {
		this.child.kill(signal);
		return this.exited;
	}

	async end() {
		if (this.child.exitCode === null && this.child.signalCode === null) await this.kill();
	}

	async stop() {
		const end = await this.kill("SIGTERM");
		if (this.ownsDir) rmSync(this.dir, { recursive: true, force: true });
		return end;
	}
}

/** A durable Redis server of a test's own, on a socket. */
export class Redis {
	static isInstalled() {
		return spawnSync("redis-server", ["--version"]).status === 0;
	}

	constructor() {
		this.dir = tempDir();
		this.socket = join(this.dir, "socket");
		this.url = `unix://${this.socket}`;
	}

	static async start(...args) {
		const redis = new Redis();
		await redis.start(...args);
		return redis;
	}

	/** Resolves when it answers: anything, if it need not have read its files. */
	async start({ args = [], loaded = true } = {}) {
		rmSync(this.socket, { force: true });
		const files = ["--dir", this.dir, "--save", "", "--appendonly", "yes", "--appendfsync", "always"];
		const where = ["--port", "0", "--unixsocket", this.socket, "--loglevel", "warning"];
		this.child = spawn("redis-server", [...where, ...files, ...args], { stdio: "ignore" });
		started.add(this);
		this.exited = new Promise((r) => this.child.on("exit", r));
		const answer = () => this.ask("PING").catch(() => "");
		await until(async () => (loaded ? /^(\+PONG|-NOAUTH)/ : /^[+-]/).test(await answer()), 20_000, "redis-server does not answer");
	}

	/** The first line of its answer to a command. */
	ask(command) {
		return new Promise((resolve, reject) => {
			const conn = connect(this.socket, () => conn.write(`${command}\r\n`));
			let text = "";
			conn.on("data", (d) => {
				text += d;
				if (!text.includes("\r\n")) return;
				resolve(text.split("\r\n")[0]);
				conn.destroy();
			});
			conn.on("error", reject);
			conn.on("end", () => reject(new Error("no answer")));
		});
	}

	async kill() {
		if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill("SIGKILL");
		await this.exited;
	}

	async end() {
		await this.kill();
	}
}

/** A destination. `answer(req, n)`, n counting the requests to a path, may return { status, headers, body, delay }. */
export class Sink {
	static async start(answer = () => ({})) {
		const s = new Sink();
		s.requests = [];
		s.perPath = new Map();
		s.pending = new Set(); // timers of answers to come
		s.answer = answer;
		started.add(s);
		s.http = createServer((req, res) => s.#take(req, res));
		await new Promise((r) => s.http.listen(0, "127.0.0.1", r));
		s.url = `http://127.0.0.1:${s.http.address().port}`;
		return s;
	}

	#take(req, res) {
		const chunks = [];
		req.on("data", (c) => chunks.push(c));
		req.on("end", () => {
			const got = {
				method: req.method,
				path: req.url,
				headers: req.headers,
				rawHeaders: req.rawHeaders,
				body: Buffer.concat(chunks),
				at: Date.now(),
			};
			this.requests.push(got);
			const n = (this.perPath.get(req.url) ?? 0) + 1;
			this.perPath.set(req.url, n);
			const a = this.answer(got, n) ?? {};
			const send = () => {
				this.pending.delete(timer);
				res.writeHead(a.status ?? 200, a.headers ?? {});
				res.end(a.body ?? "");
			};
			const timer = a.delay ? setTimeout(send, a.delay) : undefined;
			if (timer) this.pending.add(timer);
			else send();
		});
		req.on("error", () => {});
	}

	count(n, ms) {
		return until(() => this.requests.length >= n && this.requests, ms, `${n} requests did not arrive`);
	}

	async end() {
		if (this.http.listening) await this.stop();
	}

	async stop() {
		for (const timer of this.pending) clearTimeout(timer);
		this.http.closeAllConnections();
		await new Promise((r) => this.http.close(r));
	}
}

/** A port that is free now, and the next one, for a program that cannot be asked which ones it took. */
export async function freePort() {
	for (;;) {
		// Below the range from which the system takes ports for everybody else.
		const port = 12_000 + Math.floor(Math.random() * 20_000);
		const free = await Promise.all([port, port + 1].map(isFree));
		if (free[0] && free[1]) return port;
	}
}

function isFree(port) {
	return new Promise((resolve) => {
		const probe = createServer();
		probe.once("error", () => resolve(false));
		probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
	});
}

/**
 * What the tests of a file share: a server, the SDK's client for it, and a destination whose paths can be told
 * what to answer; those that begin with /404 answer `404 Not Found`.
 */
export async function setup(options) {
	const s = await Server.start(options);
	const answers = new Map(); // path -> (nth request to it, request) => answer
	const sink = await Sink.start((req, n) => {
		if (answers.has(req.path)) return answers.get(req.path)(n, req);
		return req.path.startsWith("/404") ? { status: 404, body: "404 Not Found" } : {};
	});
	const client = new Client({ baseUrl: s.url, token: TOKEN });
	return { s, sink, client, answers, ...asking(s, sink, client) };
}

function asking(s, sink, client) {
	const to = (path) => sink.requests.filter((r) => r.path === path);
	const states = async (messageId, n) => {
		const logs = await until(async () => {
			const { logs } = await client.logs({ filter: { messageId } });
			return logs.length >= n && logs;
		});
		return logs.reverse();
	};
	return {
		/** The requests to a path, so far. */
		to,
		/** The first request to a path. */
		arrived: (path) => until(() => to(path)[0], 15_000, `nothing came to ${path}`),
		/** The log of a message, oldest first, when it has n entries. */
		states,
		/** Have all of them been delivered? */
		delivered: async (ids) => {
			const { logs } = await client.logs({ filter: { state: "DELIVERED", messageIds: ids } });
			return new Set(logs.map((l) => l.messageId)).size >= ids.length;
		},
		/** The dead letter of a message. */
		dead: (messageId) =>
			until(async () => (await client.dlq.listMessages({ filter: { messageId } })).messages[0]),
		/** A message as the server shows it. */
		message: async (messageId) => {
			const r = await s.call("GET", `/v2/messages/${messageId}`);
			assert.equal(r.status, 200, r.text);
			return r.json;
		},
		/** Bodies of messages to a path that hold {"n":...}. */
		bodies: (path) => to(path).map((r) => JSON.parse(r.body.toString()).n),
	};
}
