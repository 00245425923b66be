// Several databases: where users live, one that is down, moves under traffic, a drain, and crashes in between.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { after, test } from "node:test";
import { BIN, Redis, Server, Sink, tempDir, until } from "./lib.mjs";

const installed = Redis.isInstalled();
if (!installed) console.error("t_pool: skipped, redis-server is not installed");
const options = { skip: !installed, timeout: 150_000 };
const WAIT = 60_000;
const ADMIN = "an-admin-token-of-32-characters!";
const admin = ["-admin-token", ADMIN];

const urls = (dbs) => dbs.flatMap((db) => ["-redis", db.url]);
const serve = (dbs, { dir = null, args = [] } = {}) =>
	Server.start({ command: "serve", dir, args: ["-allow-private", ...urls(dbs), ...args] });

function command(s, ...args) {
	const r = spawnSync(BIN, [...args, "--json", "--data-dir", s.dir], { encoding: "utf8", timeout: WAIT });
	return { status: r.status, err: r.stderr, json: r.status === 0 ? JSON.parse(r.stdout) : null };
}
/** The same beside everything else: what it waits for needs the destination, which is this process. */
function move(s, id, to) {
	const child = spawn(BIN, ["users", "move", id, to, "--json", "--data-dir", s.dir], { stdio: ["ignore", "ignore", "inherit"] });
	return new Promise((r) => child.on("exit", r));
}
const databases = (s) => command(s, "db", "list").json.databases;
const user = (s, id) => command(s, "users", "show", id).json;
/** The databases are in the directory only when they have been reached. */
const known = (s, n) =>
	until(() => databases(s).filter((d) => d.name && d.up).length === n, WAIT, "the databases are not known");
async function create(s, id) {
	const made = await until(() => command(s, "users", "create", id).json, WAIT, `${id} is not made`);
	return { id, token: made.token, database: user(s, id).database };
}

const loads = new Set();
after(() => {
	for (const load of loads) load.stop = true;
});

/** Publishes numbers into a FIFO queue, one after the other, until told to stop; a refused one is tried again. */
function stream(now, who, sink) {
	const load = { accepted: [], statuses: new Map(), stop: false };
	loads.add(load);
	load.done = (async () => {
		for (let n = 0; !load.stop; ) {
			let r;
			try {
				r = await now().call("POST", `/v2/enqueue/fifo/${sink.url}/${who.id}`, {
					token: who.token,
					body: String(n),
					headers: { "Upstash-Deduplication-Id": `n${n}` },
				});
			} catch {
				r = { status: 0 };
			}
			load.statuses.set(r.status, (load.statuses.get(r.status) ?? 0) + 1);
			if (r.status === 503) assert.ok(r.headers.get("retry-after"), "503 without Retry-After");
			// 202: it was accepted before, and the answer was lost.
			if (r.status === 200 || r.status === 202) {
				load.accepted.push(String(n));
				n++;
			} else await new Promise((r) => setTimeout(r, 20));
		}
	})();
	load.reaches = (n) => until(() => load.accepted.length >= n, WAIT, "publishing stalled");
	return load;
}

const arrived = (sink, who) => sink.requests.filter((r) => r.path === `/${who.id}`).map((r) => r.body.toString());

async function inOrderOnce(load, sink, who) {
	load.stop = true;
	await load.done;
	await until(() => arrived(sink, who).length >= load.accepted.length, WAIT, "accepted messages are missing");
	assert.deepEqual(arrived(sink, who), load.accepted);
}

test("pool: new users go to the database with the fewest; databases are listed, added and named", options, async () => {
	const [a, b] = [await Redis.start(), await Redis.start()];
	const s = await serve([a]);
	await known(s, 1);
	assert.equal((await create(s, "u1")).database, "db1");
	assert.equal(command(s, "db", "add", "http://nowhere").status, 1);
	assert.equal(command(s, "db", "add", b.url).json.database, "db2");
	assert.match(command(s, "db", "add", b.url).err, /there already/);
	await known(s, 2);
	const placed = [];
	for (const id of ["u2", "u3", "u4"]) placed.push((await create(s, id)).database);
	assert.equal(placed[0], "db2");
	assert.deepEqual(databases(s).map((d) => d.users), [2, 2]);
	assert.match(command(s, "users", "create", "u2").err, /exists already/);
	assert.match(command(s, "users", "move", "u1", "db9").err, /no database 'db9'/);
	await s.stop();
	// Another process, which is told of the home database alone.
	const other = await serve([a], { dir: tempDir() });
	await known(other, 2);
	assert.equal(user(other, "u2").database, "db2");
	await other.stop();
	for (const db of [a, b]) await db.kill();
});

test("pool: a database that is down, at the start too, stops its own users alone, and they go on by themselves", options, async () => {
	const [a, b] = [await Redis.start(), await Redis.start()];
	const sink = await Sink.start();
	let s = await serve([a, b]);
	await known(s, 2);
	const users = [await create(s, "x"), await create(s, "y")];
	const [on1, on2] = ["db1", "db2"].map((db) => users.find((u) => u.database === db));
	const publish = (who, body) => s.call("POST", `/v2/publish/${sink.url}/${who.id}`, { token: who.token, body });
	const works = (who, body) => until(async () => (await publish(who, body)).status === 200, WAIT, `${who.id} is refused`);

	for (const [down, their, others] of [[b, on2, on1], [a, on1, on2]]) {
		await down.kill();
		await until(async () => (await publish(their, "down")).status === 503, WAIT, "no 503");
		const refused = await publish(their, "down");
		assert.equal(refused.status, 503);
		assert.ok(refused.headers.get("retry-after"));
		const before = sink.requests.length;
		for (let n = 0; n < 5; n++) assert.equal((await publish(others, "up")).status, 200);
		await sink.count(before + 5);
		await down.start();
		await works(their, "back");
	}
	assert.equal(await s.kill("SIGTERM").then((e) => e.code), 0);

	await b.kill();
	s = await serve([a, b], { dir: s.dir });
	assert.equal((await publish(on1, "up")).status, 200);
	const refused = await publish(on2, "down");
	assert.equal(refused.status, 503);
	assert.ok(refused.headers.get("retry-after"));
	await b.start();
	await works(on2, "late");
	await until(() => arrived(sink, on2).includes("late"), WAIT);
	await s.stop();
	await sink.stop();
	for (const db of [a, b]) await db.kill();
});

test("pool: a user is moved to and fro under traffic: nothing of its queue is lost, doubled or reordered", options, async () => {
	const [a, b] = [await Redis.start(), await Redis.start()];
	const sink = await Sink.start(() => ({ delay: 2 }));
	const s = await serve([a, b]);
	await known(s, 2);
	const who = await create(s, "ada");
	const { scheduleId } = (await s.call("POST", `/v2/schedules/${sink.url}/tick`, { token: who.token, headers: { "Upstash-Cron": "0 0 1 1 *" } })).json;
	const later = (await s.call("POST", `/v2/publish/${sink.url}/later`, { token: who.token, body: "later", headers: { "Upstash-Delay": "1h" } })).json.messageId;
	const load = stream(() => s, who, sink);
	await load.reaches(100);
	for (const to of ["db2", "db1", "db2"].filter((db, i) => i > 0 || db !== who.database)) {
		assert.equal(await move(s, who.id, to), 0);
		assert.equal(user(s, who.id).database, to);
		await load.reaches(load.accepted.length + 100);
	}
	await inOrderOnce(load, sink, who);
	assert.ok(load.statuses.has(503), "no move was noticed");
	for (const status of load.statuses.keys()) assert.ok([200, 202, 503].includes(status), `status ${status}`);
	assert.equal((await s.call("GET", `/v2/schedules/${scheduleId}`, { token: who.token })).json.cron, "0 0 1 1 *");
	assert.equal((await s.call("GET", `/v2/messages/${later}`, { token: who.token })).status, 200);
	assert.equal((await s.call("DELETE", `/v2/messages/${later}`, { token: who.token })).status, 200);
	// Nothing is left at the old place.
	assert.equal(await a.ask("EXISTS q{ada}u q{ada}c q{ada}i q{ada}g"), ":0");
	assert.equal(command(s, "users", "delete", "ada", "--yes").status, 0);
	await s.stop();
	await sink.stop();
	for (const db of [a, b]) await db.kill();
});

test("pool: a drain moves all users away, and new ones go elsewhere", options, async () => {
	const [a, b] = [await Redis.start(), await Redis.start()];
	const sink = await Sink.start();
	const s = await serve([a, b]);
	await known(s, 2);
	const users = [];
	for (let n = 0; n < 6; n++) users.push(await create(s, `u${n}`));
	const streams = users.slice(0, 2).map((u) => stream(() => s, u, sink));
	for (const load of streams) await load.reaches(20);
	assert.equal(command(s, "db", "drain", "db2").json.state, "draining");
	await until(() => databases(s).find((d) => d.name === "db2").users === 0, WAIT, "users are left");
	assert.equal((await create(s, "new")).database, "db1");
	for (const [i, load] of streams.entries()) await inOrderOnce(load, sink, users[i]);
	assert.match(command(s, "db", "drain", "db1").err, /no other open database/);
	await s.stop();
	await sink.stop();
	for (const db of [a, b]) await db.kill();
});

test("pool: the process is killed in the middle of a move; the move goes on, nothing is lost or reordered", options, async () => {
	const [a, b] = [await Redis.start(), await Redis.start()];
	const sink = await Sink.start();
	let s = await serve([a, b], { args: admin });
	await known(s, 2);
	const who = await create(s, "ada");
	const to = who.database === "db1" ? "db2" : "db1";
	const fill = async (n) => {
		const batch = Array.from({ length: n }, (_, i) => ({ destination: `${sink.url}/later`, body: String(i), headers: { "Upstash-Delay": "1h" } }));
		assert.equal((await s.call("POST", "/v2/batch", { token: who.token, body: JSON.stringify(batch) })).status, 200);
	};
	for (let n = 0; n < 5; n++) await fill(1000);
	const load = stream(() => s, who, sink);
	await load.reaches(50);
	// Killed as soon as the move is accepted, and on the way back when it has begun.
	for (const [target, begun] of [[to, () => true], [who.database, () => user(s, who.id)?.state !== "active"]]) {
		const body = JSON.stringify({ database: target });
		const asked = () => s.call("POST", `/v2/admin/users/${who.id}/move`, { token: ADMIN, body });
		// 409: what is left of it at the old place is still being removed.
		await until(async () => {
			const r = await asked();
			assert.ok(r.status === 202 || r.status === 409, r.text);
			return r.status === 202;
		}, WAIT, "the move is refused");
		await until(begun, WAIT, "the move does not begin");
		await s.kill();
		s = await serve([a, b], { dir: s.dir, args: admin });
		await until(() => {
			const u = user(s, who.id);
			return u?.database === target && u.state === "active";
		}, WAIT, "the move does not go on");
		await load.reaches(load.accepted.length + 20);
	}
	load.stop = true;
	await load.done;
	// What was in flight at the kill may come twice, and nothing else may.
	const once = () => [...new Set(arrived(sink, who))];
	await until(() => once().length >= load.accepted.length, WAIT, "accepted messages are missing");
	assert.deepEqual(once(), load.accepted);
	assert.ok(arrived(sink, who).length - load.accepted.length <= 2, "more than what was in flight came twice");
	assert.equal((await s.call("DELETE", "/v2/messages", { token: who.token })).json.cancelled, 5000);
	await s.stop();
	await sink.stop();
	for (const db of [a, b]) await db.kill();
});

test("pool: two servers on one database deliver each message once, and learn each other's users", options, async () => {
	const a = await Redis.start();
	const sink = await Sink.start();
	const [one, two] = [await serve([a]), await serve([a])];
	await known(one, 1);
	const who = await create(one, "ada");
	const publish = (s, body) => s.call("POST", `/v2/publish/${sink.url}/${who.id}`, { token: who.token, body });
	await until(async () => (await publish(two, "first")).status === 200, WAIT, "the other does not learn the user");
	for (let n = 0; n < 50; n++) assert.equal((await publish(n % 2 ? one : two, String(n))).status, 200);
	await until(() => arrived(sink, who).length >= 51, WAIT);
	assert.equal(new Set(arrived(sink, who)).size, 51);
	const token = command(one, "users", "reset-token", "ada").json.token;
	await until(async () => (await publish(two, "old")).status === 401, WAIT, "the old token is good elsewhere");
	who.token = token;
	assert.equal((await publish(two, "new")).status, 200);
	assert.equal(command(two, "users", "delete", "ada", "--yes").status, 0);
	await until(async () => (await publish(one, "gone")).status === 401, WAIT, "the deleted user is served elsewhere");
	for (const s of [one, two]) await s.stop();
	await sink.stop();
	await a.kill();
});
