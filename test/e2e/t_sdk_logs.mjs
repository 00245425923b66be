// The rows of the SDK's logs tests: filters of the log, and the shape of its pages.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setup, until } from "./lib.mjs";

const { s, sink, client } = await setup();

/** Publishes, and waits until the log has all of it; gives the ids. */
async function logged(...requests) {
	const sent = await client.batch(requests.map((r) => ({ url: `${sink.url}/ok`, body: "x", ...r })));
	const messageIds = sent.map((m) => m.messageId);
	await until(async () => (await client.logs({ messageIds })).logs.length === 3 * messageIds.length);
	return messageIds;
}
/** The messages that a filter finds, each once. */
const found = async (filter) => new Set((await client.logs({ filter })).logs.map((l) => l.messageId));

test("logs: by label, and each entry carries it", async () => {
	const [a] = await logged({ label: "one-label" }, { label: "another" });
	const { logs, events } = await client.logs({ filter: { label: "one-label" } });
	assert.deepEqual(logs, events);
	assert.deepEqual(logs.map((l) => [l.messageId, l.label]), Array(3).fill([a, "one-label"]));
});

test("logs: several labels come back in their order, and any of them finds the message", async () => {
	const labels = ["multi-1", "multi-2", "multi-3"];
	const [id] = await logged({ label: labels });
	for (const label of labels) {
		const { logs } = await client.logs({ filter: { label } });
		assert.equal(logs.length, 3);
		for (const l of logs) assert.deepEqual([l.messageId, l.label, l.labels], [id, labels[0], labels]);
	}
});

test("logs: any of several labels or urls matches; others do not", async () => {
	const url = (n) => `${sink.url}/or${n}`;
	const [a, b, c] = await logged(...[1, 2, 3].map((n) => ({ url: url(n), label: `or-${n}` })));
	assert.deepEqual(await found({ label: ["or-1", "or-2"] }), new Set([a, b]));
	assert.deepEqual(await found({ url: [url(2), url(3)] }), new Set([b, c]));
	assert.deepEqual(await found({ label: ["or-1", "or-2"], url: [url(2), url(3)] }), new Set([b]));
});

test("logs: by host and by path, one and several", async () => {
	const { host } = new URL(sink.url);
	const [a, b, c] = await logged(...["/hp/a", "/hp/b", "/hp/c?q=1"].map((p) => ({ url: sink.url + p })));
	assert.deepEqual(await found({ path: "/hp/a" }), new Set([a]));
	assert.deepEqual(await found({ path: ["/hp/b", "/hp/c"] }), new Set([b, c]));
	assert.deepEqual(await found({ host, path: "/hp/a" }), new Set([a]));
	assert.deepEqual(await found({ host: "127.0.0.1", path: "/hp/a" }), new Set([a]));
	assert.deepEqual(await found({ host: ["example.org", "example.com"], path: "/hp/a" }), new Set());
});

test("logs: a count of 1 is one entry and a cursor; following it gives all, and no cursor at the end", async () => {
	const [messageId] = await logged({});
	const states = [];
	let cursor;
	do {
		const page = await client.logs({ filter: { messageId }, count: 1, cursor });
		assert.ok(page.logs.length <= 1);
		states.push(...page.logs.map((l) => l.state));
		assert.ok(!("cursor" in page) || page.cursor === undefined || page.cursor.length > 0);
		cursor = page.cursor;
	} while (cursor);
	assert.deepEqual(states, ["DELIVERED", "ACTIVE", "CREATED"]);
});

test("logs: an empty result has its arrays and no cursor key", async () => {
	for (const path of ["/v2/events?messageId=msg_none", "/v2/logs?label=none-has-this"]) {
		const { json } = await s.call("GET", path);
		assert.deepEqual(json.events, []);
		assert.ok(!("cursor" in json));
	}
});

test("logs: repeated keys, one value with commas, and both spellings of a state", async () => {
	const [a, b, c] = await logged({ label: "rep-1" }, { label: "rep-2" }, { label: "rep-3" });
	for (const query of ["label=rep-1&label=rep-2", "label=rep-1,rep-2", "label=rep-1%2Crep-2", `messageIds=${a}&messageIds=${b}`]) {
		const { events } = (await s.call("GET", `/v2/events?${query}`)).json;
		assert.deepEqual(new Set(events.map((e) => e.messageId)), new Set([a, b]), query);
	}
	await client.publish({ url: `${sink.url}/404/states`, body: "x", retryDelay: "3600000", label: "states" });
	await until(async () => (await client.logs({ filter: { label: "states" } })).logs.length === 4);
	const states = async (state) => (await client.logs({ filter: { label: "states", state } })).logs.map((l) => l.state);
	assert.deepEqual(await states("IN_PROGRESS"), ["RETRY", "ERROR", "ACTIVE"]);
	await client.messages.cancel({ filter: { label: "states" } });
	for (const spelling of ["CANCELED", "CANCELLED"]) {
		await until(async () => (await states(spelling)).length === 1);
		assert.deepEqual(await states(spelling), ["CANCELED"]);
	}
	assert.ok(c);
});

test("logs: an entry has every field that a message gives it", async () => {
	const [messageId] = await logged({
		queueName: "logged-queue",
		label: ["f1", "f2"],
		headers: { "X-H": "1" },
		retries: 2,
		retryDelay: "1000 * retried",
		timeout: 30,
		callback: `${sink.url}/cb`,
		failureCallback: `${sink.url}/fcb`,
		flowControl: { key: "logged", parallelism: 2, rate: 3, period: "1m" },
	});
	const { events } = (await s.call("GET", `/v2/events?messageId=${messageId}&state=CREATED`)).json;
	const { time, ...rest } = events[0];
	assert.equal(typeof time, "number");
	assert.deepEqual(rest, {
		messageId,
		state: "CREATED",
		url: `${sink.url}/ok`,
		method: "POST",
		header: { "X-H": ["1"] },
		body: Buffer.from("x").toString("base64"),
		queueName: "logged-queue",
		callerIP: "127.0.0.1",
		label: "f1",
		labels: ["f1", "f2"],
		flowControlKey: "logged",
		parallelism: 2,
		rate: 3,
		period: 60,
		timeout: 30_000,
		maxRetries: 2,
		retryDelayExpression: "1000 * retried",
		retryDelayExpr: "1000 * retried",
		callback: `${sink.url}/cb`,
		failureCallback: `${sink.url}/fcb`,
	});
});
