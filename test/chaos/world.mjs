// world.mjs - a server of several processes over several databases, load on it, a destination that counts, and the judge.
//
// Every message is published once, with its own body. The destination keeps each for a moment, so that something is always
// under way, answers 200, and counts how many of a user, of a queue and of a flow-control key it has at once.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { Agent, createServer, request } from "node:http";
import { join } from "node:path";
import { BIN, Redis, Server, tempDir, until } from "../e2e/lib.mjs";

export const LIMITS = { user: 12, queue: 2, key: 3 };
const HOLD_MS = [2, 20]; // how long the destination keeps a request

/** The destination. `arrivals`: message id -> [{ at, end, kind }]. */
class Destination {
	static async start() {
		const d = new Destination();
		d.arrivals = new Map();
		d.running = { user: new Map(), queue: new Map(), key: new Map() };
		d.most = { user: 0, queue: 0, key: 0 };
		d.exceeded = [];
		d.agents = new Set();
		d.http = createServer((req, res) => d.#take(req, res));
		await new Promise((r) => d.http.listen(0, "127.0.0.1", r));
		d.url = `http://127.0.0.1:${d.http.address().port}`;
		return d;
	}

	#count(kind, name, by) {
		const n = (this.running[kind].get(name) ?? 0) + by;
		this.running[kind].set(name, n);
		if (n > this.most[kind]) this.most[kind] = n;
		if (n > LIMITS[kind]) this.exceeded.push(`${n} of ${kind} ${name}`);
	}

	#take(req, res) {
		const id = req.headers["upstash-message-id"];
		const [, user, kind] = req.url.split("/");
		const counted = [["user", user]];
		if (kind !== "plain") counted.push([kind, user]);
		const arrival = { at: Date.now(), end: Infinity, kind };
		if (!this.arrivals.has(id)) this.arrivals.set(id, []);
		this.arrivals.get(id).push(arrival);
		for (const [k, name] of counted) this.#count(k, name, 1);
		req.resume();
		const hold = HOLD_MS[0] + Math.random() * (HOLD_MS[1] - HOLD_MS[0]);
		setTimeout(() => {
			// Over before the answer is out, for with it the next one may come.
			for (const [k, name] of counted) this.#count(k, name, -1);
			arrival.end = Date.now();
			res.end();
		}, hold);
	}

	async stop() {
		this.http.closeAllConnections();
		await new Promise((r) => this.http.close(r));
	}
}

/** Children of a process, by command. */
export function children(pid, command) {
	const out = spawnSync("ps", ["--ppid", String(pid), "-o", "pid=,args="], { encoding: "utf8" }).stdout;
	return out
		.split("\n")
		.map((l) => l.trim().match(/^(\d+) \S+ (\w+)/))
		.filter((m) => m && m[2] === command)
		.map((m) => Number(m[1]));
}

export class World {
	/** A server with so many processes, databases and users; `lease` in seconds. */
	static async start({ processes, databases, users, lease, logs = 1, args = [] }) {
		const w = new World();
		w.lease_ms = lease * 1000;
		w.destination = await Destination.start();
		w.redis = [];
		for (let i = 0; i < databases; i++) w.redis.push(await Redis.start());
		w.dir = tempDir();
		const plans = join(w.dir, "plans.json");
		const plan = { extends: "enterprise", maxParallelism: LIMITS.user, burstPerSecond: 0 };
		writeFileSync(plans, JSON.stringify({ plans: { chaos: plan } }));
		const urls = w.redis.flatMap((r) => ["-redis", r.url]);
		w.args = ["-allow-private", "-plans", plans, "-lease", String(lease), "-log-processes", String(logs), ...urls, ...args];
		await w.#makeUsers(users);
		w.server = await w.#serve(processes);
		w.processes = processes;
		await w.#makeQueues();
		return w;
	}

	#serve(processes) {
		return Server.start({ command: "serve", dir: this.dir, args: [...this.args, "-processes", String(processes)] });
	}

	async #makeUsers(n) {
		const server = await this.#serve(1);
		this.users = [];
		for (let i = 0; i < n; i++) {
			const made = spawnSync(BIN, ["users", "create", `u${i}`, "--plan", "chaos", "--json", "--data-dir", this.dir], {
				encoding: "utf8",
			});
			this.users.push({ id: `u${i}`, token: JSON.parse(made.stdout).token });
		}
		await server.kill("SIGTERM");
	}

	async #makeQueues() {
		for (const { token } of this.users) {
			const body = JSON.stringify({ queueName: "q", parallelism: LIMITS.queue });
			const r = await this.server.call("POST", "/v2/queues", { token, body, headers: { "content-type": "application/json" } });
			if (r.status !== 200) throw new Error(`no queue: ${r.status} ${r.text}`);
		}
	}

	compute() {
		return children(this.server.child.pid, "compute");
	}

	logs() {
		return children(this.server.child.pid, "logs");
	}

	/** Publishes `rate` messages a second until stopped. */
	publish(rate) {
		return new Load(this, rate);
	}

	/** How often the log says of each message that it was delivered: id -> count. */
	async delivered() {
		const counts = new Map();
		for (const { token } of this.users) {
			let cursor;
			do {
				const path = `/v2/logs?state=DELIVERED&count=1000${cursor ? `&cursor=${cursor}` : ""}`;
				const r = await until(async () => {
					const r = await this.server.call("GET", path, { token }).catch(() => null);
					return r?.status === 200 && r;
				}, 60_000, "the log does not answer");
				for (const { messageId } of r.json.logs) counts.set(messageId, (counts.get(messageId) ?? 0) + 1);
				cursor = r.json.cursor;
			} while (cursor);
		}
		return counts;
	}

	async stop() {
		const end = await this.server.kill("SIGTERM");
		for (const r of this.redis) await r.kill();
		await this.destination.stop();
		return end;
	}
}

const KINDS = ["plain", "plain", "queue", "key"];

class Load {
	constructor(world, rate) {
		this.world = world;
		// As fetch does: whoever keeps idle connections for longer than a server does may lose a request on one.
		this.agent = new Agent({ keepAlive: true, maxSockets: 64, timeout: 4000 });
		this.accepted = new Set(); // ids
		this.failures = []; // { at, why }
		this.asked = 0;
		this.inFlight = new Set();
		this.began = Date.now();
		const step = () => {
			// What the machine could not keep up with is made up for, within reason.
			const due = Math.min(Math.floor(((Date.now() - this.began) * rate) / 1000), this.asked + rate / 4);
			while (this.asked < due && this.inFlight.size < 500) this.#one(this.asked++);
		};
		this.timer = setInterval(step, 10);
	}

	#one(n) {
		const { users, destination, server } = this.world;
		const user = users[n % users.length];
		const kind = KINDS[Math.floor(n / users.length) % KINDS.length];
		const to = `${destination.url}/${user.id}/${kind}`;
		const headers = { authorization: `Bearer ${user.token}`, "Upstash-Retry-Delay": "1000" };
		if (kind === "key") {
			headers["Upstash-Flow-Control-Key"] = "k";
			headers["Upstash-Flow-Control-Value"] = `parallelism=${LIMITS.key}`;
		}
		const path = kind === "queue" ? `/v2/enqueue/q/${to}` : `/v2/publish/${to}`;
		const done = new Promise((resolve) => {
			const fail = (why) => {
				this.failures.push({ at: Date.now(), why });
				resolve();
			};
			const req = request({ agent: this.agent, port: server.port, host: "127.0.0.1", method: "POST", path, headers }, (res) => {
				let text = "";
				res.on("data", (d) => (text += d));
				res.on("end", () => {
					if (res.statusCode !== 200) return fail(`${res.statusCode} ${text}`);
					this.accepted.add(JSON.parse(text).messageId);
					resolve();
				});
				res.on("error", (e) => fail(e.message));
			});
			req.on("error", (e) => fail(e.message));
			req.end(String(n));
		});
		this.inFlight.add(done);
		done.then(() => this.inFlight.delete(done));
	}

	/** Publishes no more, and waits for the answers. */
	async stop() {
		clearInterval(this.timer);
		await Promise.all(this.inFlight);
		this.agent.destroy();
	}

	missing() {
		const { arrivals } = this.world.destination;
		return [...this.accepted].filter((id) => !arrivals.has(id));
	}

	/** Waits until every accepted message has arrived and nobody has a slot any more, or gives up. Returns what is left. */
	async settle(ms) {
		const { server, users } = this.world;
		const running = async () => {
			let n = 0;
			for (const { token } of users) {
				const r = await server.call("GET", "/v2/globalParallelism", { token }).catch(() => null);
				n += r?.json?.parallelismCount ?? 1;
			}
			return n;
		};
		await until(async () => this.missing().length === 0 && (await running()) === 0, ms).catch(() => {});
		return { lost: this.missing().length, running: await running() };
	}
}

/**
 * What happened, in numbers. `faults`: { at, end } of each, in order. A message came twice for a reason when a fault came
 * while it was under way: after its first arrival and before its end was on record. How long it took until it was taken over is
 * known where there was no other fault in between, which may have hit the one that took it over.
 */
export function judge(world, load, faults, left) {
	const RECORD_MS = 5000; // an end is on record in milliseconds, or seconds where the machine has much else to do
	const r = { accepted: load.accepted.size, failed: load.failures.length, ...left, duplicates: 0, unexplained: 0 };
	r.takeover_ms = 0;
	for (const [first, ...again] of world.destination.arrivals.values()) {
		if (first.at < load.began) continue; // another load's
		for (const a of again) {
			r.duplicates++;
			const why = faults.filter((f) => first.at - 1000 < (f.end ?? f.at) && f.at < Math.min(first.end + RECORD_MS, a.at + 500));
			if (why.length === 0) r.unexplained++;
			else if (a.kind === "plain" && faults.filter((f) => f.at >= why[0].at && f.at < a.at).length === 1)
				r.takeover_ms = Math.max(r.takeover_ms, a.at - why[0].at);
		}
	}
	r.duplicates_percent = Number(((100 * r.duplicates) / Math.max(1, r.accepted)).toFixed(3));
	r.most = world.destination.most;
	r.exceeded = world.destination.exceeded.length;
	return r;
}

/** What is wrong with the log: deliveries of accepted messages that are not in it, and those that are in it twice. */
export async function judgeLog(world, load) {
	const counts = await world.delivered();
	return {
		not_logged: [...load.accepted].filter((id) => !counts.has(id)).length,
		logged_twice: [...counts.values()].filter((n) => n > 1).length,
	};
}

/** Lines of the server's own that say that something is wrong with it. */
export function complaints(world) {
	return world.server.out.split("\n").filter((l) => /check failed|halfway|is broken|not that of our|refused an outcome/.test(l));
}

