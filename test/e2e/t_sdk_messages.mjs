// The rows of the SDK's messages tests: looking at messages, and cancelling one, several, or all that match.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setup } from "./lib.mjs";

const { s, sink, client, states, message } = await setup();
const flow = (key) => ({ key, parallelism: 10, rate: 5, period: "1d" });

/** Publishes messages that stay for an hour; gives their ids. */
const waiting = async (...requests) =>
	(await client.batch(requests.map((r) => ({ url: `${sink.url}/wait`, body: "x", delay: "1h", ...r })))).map(
		(m) => m.messageId,
	);
const gone = async (id) => (await s.call("GET", `/v2/messages/${id}`)).status === 404;

test("messages: empty ids are refused by the SDK; the server takes the empty path for the collection", async () => {
	await assert.rejects(client.messages.get(""), /cannot be empty/);
	await assert.rejects(client.messages.cancel(""), /cannot be empty/);
	assert.deepEqual(await client.messages.cancel([]), { cancelled: 0 });
	const [kept] = await waiting({ label: "kept" });
	const r = await s.call("DELETE", "/v2/messages/?label=nothing-has-this");
	assert.deepEqual([r.status, r.json], [200, { cancelled: 0 }]);
	assert.ok(!(await gone(kept)));
});

test("messages: send a message, cancel it, verify the cancel", async () => {
	const retryDelay = "7000 * retried";
	const { messageId } = await client.publish({ url: `${sink.url}/wait`, body: "x", delay: "1h", retryDelay });
	assert.equal((await client.messages.get(messageId)).retryDelayExpression, retryDelay);
	assert.equal(typeof (await client.messages.cancel(messageId)), "object");
	await assert.rejects(client.messages.get(messageId), (e) => e.status === 404);
	assert.deepEqual((await states(messageId, 3)).map((l) => l.state), ["CREATED", "CANCEL_REQUESTED", "CANCELED"]);
});

test("messages: a timeout in seconds is accepted and shown in the log in milliseconds", async () => {
	for (const timeout of [90, "1m30s", 89.5]) {
		const { messageId } = await client.publishJSON({ url: `${sink.url}/ok`, body: {}, timeout });
		assert.equal((await states(messageId, 3))[0].timeout, timeout === 89.5 ? 89_500 : 90_000);
	}
});

test("messages: cancelling a single message counts 1, a second time it is not found", async () => {
	const [id] = await waiting({});
	assert.deepEqual(await client.messages.cancel(id), { cancelled: 1 });
	await assert.rejects(client.messages.cancel(id), (e) => e.status === 404);
	await client.messages.delete((await waiting({}))[0]);
});

test("messages: cancel many, then all", async () => {
	await client.messages.cancel({ all: true });
	const [a, b, c] = await waiting({}, {}, {});
	assert.deepEqual(await client.messages.cancel([a, b]), { cancelled: 2 });
	assert.deepEqual(await client.messages.cancel([a, b, "msg_unknown"]), { cancelled: 0 });
	assert.equal(await client.messages.deleteAll(), 1);
	assert.ok(await gone(c));
	assert.equal(await client.messages.deleteMany(await waiting({}, {})), 2);
});

test("messages: flow control is shown with its numbers, the period in seconds", async () => {
	const [id] = await waiting({ flowControl: flow("shown") });
	const m = await message(id);
	assert.deepEqual([m.flowControlKey, m.parallelism, m.rate, m.period], ["shown", 10, 5, 86_400]);
	assert.equal((await client.messages.get(id)).ratePerSecond, 5);
});

test("messages: cancel by flow-control key", async () => {
	await waiting({ flowControl: flow("mine") }, { flowControl: flow("mine") }, { flowControl: flow("other") });
	assert.deepEqual(await client.messages.cancel({ filter: { flowControlKey: "mine" } }), { cancelled: 2 });
	assert.deepEqual(await client.messages.cancel({ filter: { flowControlKey: "other" } }), { cancelled: 1 });
});

test("messages: cancel by several flow-control keys, which may hold anything", async () => {
	const keys = ["k 1/ä", "k,2", "k&3=4"];
	await waiting(...["k2", "k3"].map((k) => ({ flowControl: flow(k) })), { flowControl: flow("rest") });
	assert.deepEqual(await client.messages.cancel({ filter: { flowControlKey: ["k2", "k3"] } }), { cancelled: 2 });
	assert.deepEqual(await client.messages.cancel({ filter: { flowControlKey: "rest" } }), { cancelled: 1 });
	// A header's value is bytes: what is not ASCII goes in a batch.
	await waiting(...keys.map((k) => ({ flowControl: { key: k, rate: 1 } })));
	assert.deepEqual(await client.messages.cancel({ filter: { flowControlKey: keys } }), { cancelled: 3 });
});

test("messages: cancel by path, one and several", async () => {
	const at = (path) => ({ url: `https://example.com${path}` });
	await waiting(at("/a"), at("/b?x=1"), at("/c"), at("/c/d"));
	assert.deepEqual(await client.messages.cancel({ filter: { path: ["/a", "/b"] } }), { cancelled: 2 });
	assert.deepEqual(await client.messages.cancel({ filter: { path: "/c" } }), { cancelled: 1 });
	assert.deepEqual(await client.messages.cancel({ filter: { path: "/c/d" } }), { cancelled: 1 });
});

test("messages: cancel by host leaves those of other hosts", async () => {
	const [kept] = await waiting({ url: "https://example.com/h" });
	await waiting({ url: "https://example.org/h" }, { url: "https://example.org:8443/h" });
	assert.deepEqual(await client.messages.cancel({ filter: { host: "example.org" } }), { cancelled: 2 });
	assert.ok(!(await gone(kept)));
	assert.deepEqual(await client.messages.cancel({ filter: { host: ["example.org", "example.com"] } }), { cancelled: 1 });
});

test("messages: filters of different kinds all have to match", async () => {
	const url = "https://example.com/and";
	await waiting({ url, label: "a" }, { url, label: "b" }, { url: `${url}/2`, label: "a" }, { url, label: ["c", "a"] });
	assert.deepEqual(await client.messages.cancel({ filter: { url, label: "a" } }), { cancelled: 2 });
	assert.deepEqual(await client.messages.cancel({ filter: { label: ["a", "b"] } }), { cancelled: 2 });
});

test("messages: messages in a paused queue and in retry are cancelled, too", async () => {
	const queue = client.queue({ queueName: "cancelled" });
	await queue.upsert({ parallelism: 1, paused: true });
	await queue.enqueue({ url: `${sink.url}/ok`, body: "x" });
	assert.deepEqual(await client.messages.cancel({ filter: { queueName: "cancelled" } }), { cancelled: 1 });
	assert.equal((await queue.get()).lag, 0);
	await queue.delete();
	const { messageId } = await client.publish({ url: `${sink.url}/404/retry`, body: "x", retryDelay: "3600000" });
	await states(messageId, 4);
	assert.deepEqual(await client.messages.cancel([messageId]), { cancelled: 1 });
	assert.deepEqual((await client.dlq.listMessages({ filter: { messageId } })).messages, []);
});

test("messages: an unknown filter is refused by its name and cancels nothing", async () => {
	const [id] = await waiting({ label: "typo" });
	await assert.rejects(client.messages.cancel({ filter: { labeel: "typo" } }), (e) => e.status === 400 && /labeel/.test(e.message));
	assert.ok(!(await gone(id)));
	await client.messages.cancel({ all: true });
});
