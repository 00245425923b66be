// What an implementation of this API gets wrong most easily; one test for each, by plain requests.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { Client, QstashDailyRatelimitError, QstashRatelimitError, Receiver } from "@upstash/qstash";
import { KEYS, Server, TOKEN, setup, tempDir, until } from "./lib.mjs";

const { s, sink, answers, to, arrived, states, dead, message } = await setup();
const json = { "Content-Type": "application/json" };
const publish = async (path, headers, body = Buffer.from("x")) =>
	(await s.call("POST", `/v2/publish/${sink.url}${path}`, { body, headers })).json.messageId;

/** A request whose path is sent as it stands, where fetch would tidy it up. */
function raw(method, path, headers = {}, body = undefined) {
	return new Promise((resolve, reject) => {
		const all = { authorization: `Bearer ${TOKEN}`, ...headers };
		// Node gives the body of a DELETE no length of its own accord.
		if (body && !headers["Transfer-Encoding"]) all["Content-Length"] = body.length;
		const req = request({ port: s.port, host: "127.0.0.1", method, path, headers: all }, (res) => {
			let text = "";
			res.on("data", (d) => (text += d));
			res.on("end", () => resolve({ status: res.statusCode, text, json: text && JSON.parse(text) }));
		});
		req.on("error", reject);
		req.end(body);
	});
}

test("trap 1: the destination is the path as it stands; its query is what is left of the request's", async () => {
	const wild = "/a//b/../%2e/c%2Fd;x=1,2@3:4?u=http://y/?z&plus=a+b&empty=&&%E4";
	const ours = `&qstash_token=${encodeURIComponent(TOKEN)}&upstash-retries=1&UPSTASH-Forward-X=1%202`;
	const r = await raw("POST", `/v2/publish/${sink.url}${wild}${ours}`, { authorization: "" });
	assert.equal(r.status, 200, r.text);
	const got = await arrived(wild);
	assert.equal(got.headers.x, "1 2");
	assert.equal((await message(r.json.messageId)).url, sink.url + wild);
	const queued = await raw("POST", `/v2/enqueue/trap/${sink.url}/q${wild}${ours}`);
	assert.equal((await message(queued.json.messageId)).url, `${sink.url}/q${wild}`);
	const planned = await raw("POST", `/v2/schedules/${sink.url}${wild}${ours}`, { "Upstash-Cron": "0 0 1 1 *" });
	assert.equal((await raw("GET", `/v2/schedules/${planned.json.scheduleId}`)).json.destination, sink.url + wild);
	const item = { destination: `${sink.url}/i${wild}&upstash-retries=1`, headers: null };
	const [sent] = (await s.call("POST", "/v2/batch", { body: JSON.stringify([item]), headers: json })).json;
	assert.equal((await message(sent.messageId)).url, `${sink.url}/i${wild}`);
	await raw("DELETE", "/v2/queues/trap");
	await raw("DELETE", `/v2/schedules/${planned.json.scheduleId}`);
});

test("trap 2: fixed words of a path in any case, a slash at the end, an empty id for the collection", async () => {
	const lists = ["queues", "schedules", "topics", "urlGroups", "dlq", "flowControl", "events", "logs", "keys", "globalParallelism"];
	for (const name of lists) {
		for (const path of [`/v2/${name}`, `/V2/${name.toUpperCase()}`, `/v2/${name}/`]) {
			assert.equal((await raw("GET", path)).status, 200, path);
		}
	}
	const id = await publish("/case", { "Upstash-Delay": "1h" });
	assert.equal((await raw("GET", `/V2/MESSAGES/${id}`)).status, 200);
	assert.deepEqual((await raw("DELETE", "/v2/messages/")).json, { cancelled: 1 });
	assert.deepEqual((await raw("DELETE", "/v2/DLQ/")).json, { deleted: 0 });
});

test("trap 3: a DELETE has its selectors in the query, in a body, or in both", async () => {
	const delayed = (label) => publish("/del", { "Upstash-Delay": "1h", "Upstash-Label": label });
	const body = (o) => Buffer.from(JSON.stringify(o));
	const [a, b] = [await delayed("a"), await delayed("b")];
	await delayed("c");
	await delayed("c");
	await delayed("d");
	const del = (query, o) => raw("DELETE", `/v2/messages${query}`, json, o && body(o));
	assert.deepEqual((await del("?label=a")).json, { cancelled: 1 });
	assert.deepEqual((await del("", { messageIds: [a, b] })).json, { cancelled: 1 });
	assert.deepEqual((await del("?count=1", { label: "c" })).json, { cancelled: 1 });
	assert.deepEqual((await del("?label=d", { label: ["c"] })).json, { cancelled: 1 });
	// A body of unknown length, in pieces.
	const chunked = await raw("DELETE", "/v2/messages", { ...json, "Transfer-Encoding": "chunked" }, body({ label: "c" }));
	assert.deepEqual(chunked.json, { cancelled: 1 });
	assert.equal((await del("", { labeel: "c" })).status, 400);
	assert.equal((await raw("DELETE", "/v2/messages", json, Buffer.from("{"))).status, 400);
});

test("traps 4 and 5: counts stand alone; a cursor is there when there is more, and else there is no such key", async () => {
	for (let i = 0; i < 3; i++) await publish("/404/cursor", { "Upstash-Retries": "0" });
	const list = async (query) => (await s.call("GET", `/v2/dlq${query}`)).json;
	await until(async () => (await list("")).messages.length === 3);
	assert.deepEqual(Object.keys(await list("")), ["messages"]);
	assert.equal(typeof (await list("?count=2")).cursor, "string");
	const events = (await s.call("GET", "/v2/events?count=1000")).json;
	assert.deepEqual(Object.keys(events), ["events"]);
	assert.deepEqual(Object.keys((await s.call("GET", "/v2/logs?count=1000")).json).sort(), ["events", "logs"]);
	const one = (await s.call("DELETE", "/v2/dlq?count=1")).json;
	assert.deepEqual([one.deleted, typeof one.cursor], [1, "string"]);
	const [{ dlqId }] = (await list("")).messages;
	const body = JSON.stringify({ dlqIds: [dlqId, "0-0"] });
	assert.deepEqual((await s.call("DELETE", "/v2/dlq?count=1", { body, headers: json })).json, { deleted: 1 });
	const retried = (await s.call("POST", "/v2/dlq/retry?count=5")).json;
	assert.equal(retried.responses.length, 1);
	assert.ok(!retried.cursor);
});

test("trap 6: an integer that was not given is not there, but a flow-control key always has its period", async () => {
	const plain = await message(await publish("/six", {}));
	for (const k of ["parallelism", "rate", "period", "flowControlKey", "label", "labels", "queueName", "scheduleId", "callback"]) {
		assert.ok(!(k in plain), k);
	}
	const flow = await message(await publish("/six", { "Upstash-Flow-Control-Key": "six", "Upstash-Flow-Control-Value": "parallelism=2" }));
	assert.deepEqual([flow.parallelism, "rate" in flow, flow.period], [2, false, 1]);
	const [entry] = await states(flow.messageId, 1);
	assert.deepEqual([entry.parallelism, "rate" in entry, entry.period], [2, false, 1]);
	assert.ok(!Object.values(plain).includes(null) && !Object.values(plain).includes(""));
});

test("trap 7: header names in their canonical form, values in arrays", async () => {
	const headers = { "upstash-forward-x-one-two": "1", "UPSTASH-FORWARD-TEST-HEADER": "2", "content-type": "text/plain" };
	const id = await publish("/seven", headers);
	const shown = { "X-One-Two": ["1"], "Test-Header": ["2"], "Content-Type": ["text/plain"] };
	assert.deepEqual((await message(id)).header, shown);
	assert.deepEqual((await states(id, 3))[0].header, shown);
	answers.set("/seven-dead", () => ({ status: 500, headers: { "x-twice": ["a", "b"] } }));
	const entry = await dead(await publish("/seven-dead", { ...headers, "Upstash-Retries": "0" }));
	assert.deepEqual(entry.header, shown);
	assert.deepEqual(entry.responseHeader["X-Twice"], ["a", "b"]);
});

test("trap 8: what clients read without asking is always there", async () => {
	const has = (o, ...keys) => keys.forEach((k) => assert.ok(o[k] !== undefined, k));
	const common = ["messageId", "url", "method", "maxRetries", "notBefore", "createdAt"];
	has(await message(await publish("/eight", { "Upstash-Retries": "0" })), ...common);
	const refused = await s.call("POST", "/v2/publish/http://127.0.0.1:1/", { headers: { "Upstash-Retries": "0" } });
	const entry = await dead(refused.json.messageId);
	has(entry, ...common, "dlqId", "responseBody");
	assert.equal(entry.responseStatus, 0);
	const { scheduleId } = (await s.call("POST", "/v2/schedules/http://x", { headers: { "Upstash-Cron": "0 0 1 1 *", "Upstash-Retries": "0" } })).json;
	const schedule = (await s.call("GET", `/v2/schedules/${scheduleId}`)).json;
	assert.deepEqual([schedule.retries, schedule.isPaused, "body" in schedule], [0, false, false]);
	await s.call("DELETE", `/v2/schedules/${scheduleId}`);
	await s.call("POST", "/v2/queues", { body: '{"queueName":"eight"}', headers: json });
	has((await s.call("GET", "/v2/queues/eight")).json, "name", "createdAt", "updatedAt", "parallelism", "paused", "lag");
	await s.call("DELETE", "/v2/queues/eight");
});

test("trap 9: four entries for a single failing attempt, three for a success, one of them DELIVERED", async () => {
	const failed = await states(await publish("/404/nine", { "Upstash-Retries": "0" }), 4);
	assert.deepEqual(failed.map((e) => e.state), ["CREATED", "ACTIVE", "ERROR", "FAILED"]);
	const good = await states(await publish("/nine", {}), 3);
	assert.deepEqual(good.map((e) => e.state), ["CREATED", "ACTIVE", "DELIVERED"]);
});

test("trap 10: a message is readable after its delivery and its failure, a flow-control key at once", async () => {
	const headers = { "Upstash-Flow-Control-Key": "ten", "Upstash-Flow-Control-Value": "rate=9" };
	const id = await publish("/ten", headers);
	assert.equal((await s.call("GET", "/v2/flowControl/ten")).json.rateMax, 9);
	await states(id, 3);
	assert.equal((await message(id)).flowControlKey, "ten");
	const failed = await publish("/404/ten", { "Upstash-Retries": "0" });
	await dead(failed);
	assert.equal((await message(failed)).messageId, failed);
});

test("trap 11: a name that is no filter is refused everywhere, and nothing is touched", async () => {
	const id = await publish("/eleven", { "Upstash-Delay": "1h", "Upstash-Label": "eleven" });
	const calls = ["GET /v2/dlq", "DELETE /v2/dlq", "POST /v2/dlq/retry", "DELETE /v2/messages", "GET /v2/events", "GET /v2/logs"];
	for (const call of calls) {
		for (const query of ["labeel=eleven", "label=eleven&Label=x", "messageid=x"]) {
			const [method, path] = call.split(" ");
			const r = await s.call(method, `${path}?${query}`);
			assert.equal(r.status, 400, `${call}?${query}`);
			assert.match(r.json.error, /labeel|Label|messageid/);
		}
	}
	assert.equal((await message(id)).messageId, id);
	assert.deepEqual((await s.call("DELETE", "/v2/messages?label=eleven")).json, { cancelled: 1 });
});

test("trap 12: each attempt has its own signature, over the URL delivered to, with the whole key", async () => {
	answers.set("/twelve?a=%20b", (n) => ({ status: n === 1 ? 500 : 200, headers: { "Retry-After": "0" } }));
	await publish("/twelve?a=%20b", {});
	await until(() => to("/twelve?a=%20b").length === 2);
	const signatures = to("/twelve?a=%20b").map((r) => r.headers["upstash-signature"]);
	assert.notEqual(signatures[0], signatures[1]);
	const whole = new Receiver({ currentSigningKey: KEYS.current, nextSigningKey: KEYS.next });
	const cut = new Receiver({ currentSigningKey: KEYS.current.slice(4), nextSigningKey: KEYS.next.slice(4) });
	for (const signature of signatures) {
		assert.ok(await whole.verify({ signature, body: "x", url: `${sink.url}/twelve?a=%20b` }));
		await assert.rejects(cut.verify({ signature, body: "x" }));
	}
});

test("trap 13: the headers alone tell a burst of calls from a spent day", async () => {
	const plans = join(tempDir(), "plans.json");
	writeFileSync(plans, '{"plans":{"tiny":{"messagesPerDay":2,"messagesPerDayHard":true,"burstPerSecond":1}}}');
	const ADMIN = "an-admin-token-of-the-e2e-tests";
	const other = await Server.start({ command: "serve", args: ["-plans", plans, "-admin-token", ADMIN, "-allow-private"] });
	const made = await other.call("POST", "/v2/admin/users", { token: ADMIN, body: '{"id":"tiny","plan":"tiny"}' });
	const { token } = made.json;
	const client = new Client({ baseUrl: other.url, token, retry: false });

	// The day: two messages are within it, however they come; nothing of a third request is accepted.
	await client.publish({ url: `${sink.url}/day` });
	const [first, second] = await client.batch([{ url: `${sink.url}/day` }, { url: `${sink.url}/day` }]);
	assert.ok(first.messageId && second.error.includes("maxMessagesPerDay"), JSON.stringify(second));
	const midnight = (Math.floor(Date.now() / 86_400_000) + 1) * 86_400;
	for (const call of [
		() => client.publish({ url: `${sink.url}/day` }),
		() => client.batch([{ url: `${sink.url}/day` }]),
		() => client.queue({ queueName: "q" }).enqueue({ url: `${sink.url}/day` }),
	]) {
		await assert.rejects(call, (e) => {
			assert.ok(e instanceof QstashDailyRatelimitError, String(e));
			assert.deepEqual([e.limit, e.remaining], ["2", "0"]);
			assert.ok(Math.abs(Number(e.reset) - midnight) <= 86_400);
			return true;
		});
	}
	// A burst of calls that publish nothing.
	const calls = await Promise.allSettled(Array.from({ length: 20 }, () => client.queue().list()));
	const refused = calls.filter((c) => c.status === "rejected").map((c) => c.reason);
	assert.ok(refused.length > 0);
	for (const e of refused) assert.ok(e instanceof QstashRatelimitError && !(e instanceof QstashDailyRatelimitError), String(e));
	await until(() => to("/day").length === 2);
	await other.kill("SIGTERM");
});

test("trap 14: booleans as any client writes them, compound durations, seconds in and milliseconds out", async () => {
	for (const yes of ["true", "True", "TRUE", "t", "T", "1"]) {
		await publish(`/yes-${yes}`, { "Upstash-Header-Forward": yes, "X-Plain": "1" });
		assert.equal((await arrived(`/yes-${yes}`)).headers["x-plain"], "1", yes);
	}
	for (const no of ["false", "False", "FALSE", "f", "F", "0"]) {
		await publish(`/no-${no}`, { "Upstash-Header-Forward": no, "X-Plain": "1" });
		assert.equal((await arrived(`/no-${no}`)).headers["x-plain"], undefined, no);
	}
	for (const [delay, seconds] of [["1h30m3s", 5403], ["1d10h30m", 124_200], ["90s", 90], ["7d", 604_800]]) {
		const m = await message(await publish("/fourteen", { "Upstash-Delay": delay }));
		assert.equal(m.notBefore - m.createdAt, seconds * 1000, delay);
	}
	const at = Math.floor(Date.now() / 1000) + 1000;
	const m = await message(await publish("/fourteen", { "Upstash-Not-Before": String(at), "Upstash-Delay": "1s" }));
	assert.equal(m.notBefore, at * 1000);
	await s.call("DELETE", "/v2/messages");
});

test("trap 15: POST and PATCH pause and resume a schedule; the aliases of other paths", async () => {
	const id = "fifteen";
	await s.call("POST", "/v2/schedules/http://x", { headers: { "Upstash-Cron": "0 0 1 1 *", "Upstash-Schedule-Id": id } });
	for (const method of ["POST", "PATCH"]) {
		for (const [what, paused] of [["pause", true], ["resume", false]]) {
			assert.equal((await s.call(method, `/v2/schedules/${id}/${what}`)).status, 200);
			assert.equal((await s.call("GET", `/v2/schedules/${id}`)).json.isPaused, paused);
		}
	}
	await s.call("DELETE", `/v2/schedules/${id}`);
	const events = (await s.call("GET", "/v2/events?count=1")).json.events;
	assert.equal(events.length, 1);
	assert.equal((await s.call("POST", "/v2/rotate")).json.current, KEYS.next);
});
