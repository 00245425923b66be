// Several compute processes on the same databases: each can die, stall and be replaced at any moment.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { request } from "node:http";
import { availableParallelism } from "node:os";
import { test } from "node:test";
import { children } from "../chaos/world.mjs";
import { BIN, Redis, Server, Sink, tempDir, until } from "./lib.mjs";

const installed = Redis.isInstalled();

if (!installed) console.error("t_processes: skipped, redis-server is not installed");
const options = { skip: !installed, timeout: 170_000 };
const LEASE_S = 5;
const TAKEOVER_MS = 90_000; // with a lease of 5 s, on a machine that has much else to do

const run = (args) => spawnSync(BIN, args, { encoding: "utf8", timeout: 30_000 });
const compute = (s) => children(s.child.pid, "compute");

/** A server of so many processes that knows the user "ada". */
async function serve(redis, processes, args = []) {
	const dir = tempDir();
	const start = (n, more) =>
		Server.start({ command: "serve", dir, args: ["-allow-private", "-redis", redis.url, "-lease", String(LEASE_S), "-processes", n, ...more] });
	const first = await start("1", []);
	const { token } = JSON.parse(run(["users", "create", "ada", "--json", "--data-dir", dir]).stdout);
	await first.kill("SIGTERM");
	const s = await start(String(processes), args);
	// On a connection of its own, which any of the processes may accept.
	const publish = (to, headers = {}) =>
		new Promise((resolve, reject) => {
			const path = `/v2/publish/${to}`;
			const all = { authorization: `Bearer ${token}`, ...headers };
			const req = request(s.url + path, { method: "POST", agent: false, headers: all }, async (res) => {
				let text = "";
				for await (const piece of res) text += piece;
				if (res.statusCode !== 200) return reject(new Error(`${res.statusCode} ${text}`));
				resolve(JSON.parse(text).messageId);
			});
			req.on("error", reject);
			req.end();
		});
	return { s, token, publish };
}

/** A destination that answers when told: `held`: [{ id, pid-giving port, answer(status) }]. */
async function holding() {
	const sink = await Sink.start();
	const held = [];
	sink.http.removeAllListeners("request");
	sink.http.on("request", (req, res) => {
		req.resume();
		held.push({
			id: req.headers["upstash-message-id"],
			port: req.socket.remotePort,
			answer: (status) => res.writeHead(status).end(),
		});
	});
	return { sink, held };
}

/** Which of the processes has the connection that comes from this local port. */
function ownerOf(port, pids) {
	const hex = port.toString(16).toUpperCase().padStart(4, "0");
	const line = readFileSync("/proc/net/tcp", "utf8")
		.split("\n")
		.map((l) => l.trim().split(/\s+/))
		.find((f) => f[1]?.endsWith(`:${hex}`) && f[9] !== "0");
	const wanted = `socket:[${line?.[9]}]`;
	return pids.find((pid) =>
		readdirSync(`/proc/${pid}/fd`).some((fd) => {
			try {
				return readlinkSync(`/proc/${pid}/fd/${fd}`) === wanted;
			} catch {
				return false;
			}
		}),
	);
}

/** Also when nobody has asked for its exit status yet. */
const isGone = (pid) => {
	try {
		return / Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
	} catch {
		return true;
	}
};

test("processes: what a killed process was at work on is taken over, and nothing else comes twice", options, async () => {
	const redis = await Redis.start();
	const { sink, held } = await holding();
	const { s, publish } = await serve(redis, 2);
	const victim = compute(s)[0];
	const owner = new Map();

	// Until both are at work on something; what is too much for that is let end.
	await until(async () => {
		await publish(`${sink.url}/x`);
		await until(() => held.length > owner.size, 15_000, "nothing was delivered");
		const { id, port, answer } = held.at(-1);
		owner.set(id, ownerOf(port, compute(s)));
		if (new Set(owner.values()).size === 2) return true;
		if (owner.size > 1) {
			held.pop();
			owner.delete(id);
			answer(200);
		}
		return false;
	}, 60_000, "one process does it all");
	const inHand = [...owner].filter(([, pid]) => pid === victim).map(([id]) => id);
	const before = held.length;
	process.kill(victim, "SIGKILL");
	await until(() => held.length === before + inHand.length, TAKEOVER_MS, "not taken over");
	assert.deepEqual(held.slice(before).map((h) => h.id).sort(), inHand.sort());
	await until(() => compute(s).length === 2, 30_000, "it was not started again");
	for (const h of held) h.answer(200);
	assert.deepEqual(await s.stop(), { code: 0, signal: null });
	assert.equal(held.length, before + inHand.length);
	await sink.stop();
	await redis.kill();
});

test("processes: the outcome of a process that was stopped for longer than a lease does not count", options, async () => {
	const redis = await Redis.start();
	const { sink, held } = await holding();
	const { s, token, publish } = await serve(redis, 2);

	const id = await publish(`${sink.url}/x`, { "Upstash-Retries": "0" });
	await until(() => held.length === 1);
	const stopped = ownerOf(held[0].port, compute(s));
	process.kill(stopped, "SIGSTOP");
	held[0].answer(500); // which would end it, in the dead letter queue
	await until(() => held.length === 2, TAKEOVER_MS, "not taken over");
	assert.equal(held[1].id, id);
	process.kill(stopped, "SIGCONT");
	// It says all that it has to say before it ends.
	process.kill(stopped, "SIGTERM");
	await until(() => isGone(stopped), 60_000, "the process does not end");
	held[1].answer(200);
	const running = async () => (await s.call("GET", "/v2/globalParallelism", { token })).json.parallelismCount;
	await until(async () => (await running()) === 0, 30_000, "its slot did not come back");
	assert.deepEqual((await s.call("GET", "/v2/dlq", { token })).json.messages, []);
	assert.equal(held.length, 2);
	await s.stop();
	await sink.stop();
	await redis.kill();
});

test("processes: auto starts another when the CPU is what limits, and retires it when there is nothing to do", options, async (t) => {
	if (availableParallelism() < 2) return t.skip("one CPU");
	const redis = await Redis.start();
	// However slow the machine, more is published than delivered; and on what counts as busy here every machine agrees.
	const sink = await Sink.start(() => ({ delay: 1000 }));
	const limits = ["-deliveries", "1", "-busy-cpu", "2", "-busy-seconds", "1", "-idle-cpu", "1", "-idle-seconds", "1"];
	const { s, publish } = await serve(redis, "auto", limits);

	assert.equal(compute(s).length, 1);
	let loading = true;
	const load = Promise.all(
		Array.from({ length: 16 }, async () => {
			while (loading) await publish(`${sink.url}/x`);
		}),
	);
	await until(() => compute(s).length === 2, 60_000, "no process was added").finally(() => (loading = false));
	await load;
	await until(() => compute(s).length === 1, 90_000, "no process was retired");
	await s.stop();
	await sink.stop();
	await redis.kill();
});

test("processes: all die with their supervisor", options, async () => {
	const redis = await Redis.start();
	const { s } = await serve(redis, 2);
	const pids = compute(s);

	assert.equal(pids.length, 2);
	await s.kill("SIGKILL");
	await until(() => pids.every(isGone), 30_000, "they live on");
	await redis.kill();
});

test("processes: wrong numbers of them are refused in a line", options, () => {
	const refused = (...args) => {
		const r = run(args);
		assert.equal(r.status, 2, r.stderr);
		assert.match(r.stderr, /^qstash: [^\n]*\n$/);
		return r.stderr;
	};
	const url = ["-redis", "unix:///nothing/here"];
	for (const n of ["0", "65", "-1", "many", ""]) assert.match(refused("serve", ...url, `-processes=${n}`), /-processes must be auto, or 1 to 64/);
	assert.match(refused("serve", "-processes", "2"), /several processes need a Redis server/);
	assert.match(refused("compute"), /a compute process needs a Redis server \(-redis\)/);
	assert.match(refused("serve", ...url, "-lease", "1"), /-lease must be 2 to 600/);
	assert.match(refused("serve", ...url, "-busy-cpu", "30"), /-idle-cpu less than -busy-cpu/);
});
