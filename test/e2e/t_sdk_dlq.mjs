// The rows of the SDK's dlq tests: what is listed, and what deleting and retrying take. Destinations answer 404.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setup, until } from "./lib.mjs";

const { s, sink, client, answers, to, states, dead } = await setup();
let paths = 0;

/** Publishes messages that fail at once; gives their dead letters, in the order of the requests. */
async function died(...requests) {
	const url = `${sink.url}/404/${++paths}`;
	const sent = await client.batch(requests.map((r) => ({ url, body: "x", retries: 0, ...r })));
	return Promise.all(sent.map((m) => dead(m.messageId)));
}
const ids = (entries) => entries.map((e) => e.dlqId);
/** The messages of the dead letters that a filter finds. */
const listed = async (filter) => new Set((await client.dlq.listMessages({ filter })).messages.map((m) => m.messageId));
const messages = (entries) => new Set(entries.map((e) => e.messageId));

test("dlq: a message whose destination fails is listed under its id", async () => {
	answers.set("/404/one?a=b", () => ({ status: 404, body: "404 Not Found", headers: { "X-Why": "gone" } }));
	const { messageId } = await client.publish({ url: `${sink.url}/404/one?a=b`, body: "body", retries: 0 });
	const entry = await dead(messageId);
	assert.match(entry.dlqId, /^\d+-\d+$/);
	assert.equal(entry.url, `${sink.url}/404/one?a=b`);
	assert.equal(entry.body, "body");
	assert.equal(entry.responseStatus, 404);
	assert.equal(entry.responseBody, "404 Not Found");
	assert.deepEqual(entry.responseHeader["X-Why"], ["gone"]);
});

test("dlq: delete one; the second time is an error", async () => {
	const [{ dlqId }] = await died({});
	assert.deepEqual(await client.dlq.delete(dlqId), { deleted: 1 });
	assert.equal((await s.call("GET", `/v2/dlq/${dlqId}`)).status, 404);
	await assert.rejects(client.dlq.delete(dlqId), (e) => e.status === 404);
});

test("dlq: a count of 1 lists one; by url group those of the group", async () => {
	const name = "dlq-group";
	const endpoints = [{ url: `${sink.url}/404/g1`, name: "e1" }, { url: `${sink.url}/404/g2` }];
	await client.urlGroups.addEndpoints({ name, endpoints });
	const sent = await client.publish({ urlGroup: name, body: "x", retries: 0 });
	const entries = await Promise.all(sent.map((m) => dead(m.messageId)));
	assert.deepEqual(entries.map((e) => [e.urlGroup, e.endpointName]), [[name, "e1"], [name, undefined]]);
	assert.deepEqual(await listed({ urlGroup: name }), messages(entries));
	const one = await client.dlq.listMessages({ count: 1, filter: { urlGroup: name } });
	assert.equal(one.messages.length, 1);
	assert.ok(one.cursor);
	assert.deepEqual(await client.dlq.delete({ filter: { urlGroup: name } }), { deleted: 2 });
	await client.urlGroups.delete(name);
});

test("dlq: flow control and the retry delay are kept", async () => {
	const flowControl = { key: "dlq-key", parallelism: 10, rate: 5, period: "1d" };
	const [e] = await died({ flowControl, retryDelay: "2000 * retried" });
	assert.deepEqual([e.flowControlKey, e.parallelism, e.rate, e.period], ["dlq-key", 10, 5, 86_400]);
	assert.equal(e.retryDelayExpression, "2000 * retried");
	assert.equal(e.ratePerSecond, 5);
});

test("dlq: filter by flow-control key, and delete by it", async () => {
	const [mine] = await died({ flowControl: { key: "dlq 1/2", rate: 100 } }, { flowControl: { key: "dlq-other", rate: 100 } });
	assert.deepEqual(await listed({ flowControlKey: "dlq 1/2" }), messages([mine]));
	assert.deepEqual(await client.dlq.delete({ filter: { flowControlKey: "dlq 1/2" } }), { deleted: 1 });
});

test("dlq: filter by label; several labels come back in their order", async () => {
	const [a, b] = await died({ label: "dlq-a" }, { label: ["dlq-b", "dlq-c"] });
	assert.deepEqual(await listed({ label: "dlq-a" }), messages([a]));
	assert.deepEqual(await listed({ label: "dlq-c" }), messages([b]));
	assert.equal(b.label, "dlq-b");
	assert.deepEqual(b.labels, ["dlq-b", "dlq-c"]);
});

test("dlq: any of several labels or urls; others are left out", async () => {
	const url = (n) => `${sink.url}/404/any-${n}`;
	const [a, b, c] = await died(...[1, 2, 3].map((n) => ({ url: url(n), label: `any-${n}` })));
	assert.deepEqual(await listed({ label: ["any-1", "any-3"] }), messages([a, c]));
	assert.deepEqual(await listed({ url: [url(1), url(2)] }), messages([a, b]));
	assert.deepEqual(await listed({ url: [url(1), url(2)], label: ["any-2", "any-3"] }), messages([b]));
	assert.deepEqual(await listed({ responseStatus: 404, label: "any-1" }), messages([a]));
	assert.deepEqual(await listed({ responseStatus: 500, label: "any-1" }), new Set());
});

test("dlq: listing by ids", async () => {
	const [a, b] = await died({}, {}, {});
	const { messages: found } = await client.dlq.listMessages({ dlqIds: ids([a, b]) });
	assert.deepEqual(messages(found), messages([a, b]));
});

// Each way to name what is retried or deleted, given the entries and a label that only they have.
const ways = {
	"an object with ids": (entries) => ({ dlqIds: ids(entries) }),
	"an array of ids": (entries) => ids(entries),
	"a filter": (_, label) => ({ filter: { label } }),
};
for (const [how, request] of Object.entries(ways)) {
	test(`dlq: retry several by ${how}: a new message for each, and the entries are gone`, async () => {
		const label = `retried-${how.replaceAll(" ", "-")}`;
		const entries = await died({ label }, { label }, { label });
		const result = await client.dlq.retry(request(entries, label));
		assert.equal(result.responses.length, 3);
		assert.equal(result.cursor, undefined);
		for (const { messageId } of result.responses) {
			assert.match(messageId, /^msg_/);
			assert.ok(!messages(entries).has(messageId));
		}
		for (const e of entries) assert.equal((await s.call("GET", `/v2/dlq/${e.dlqId}`)).status, 404);
	});

	test(`dlq: delete several by ${how}`, async () => {
		const label = `deleted-${how.replaceAll(" ", "-")}`;
		const entries = await died({ label }, { label }, { label });
		const result = await client.dlq.delete(request(entries, label));
		assert.deepEqual(result, { deleted: 3 });
		assert.deepEqual(await listed({ label }), new Set());
	});
}

test("dlq: retry one by its id; a delete of that id is then an error", async () => {
	const [{ dlqId }] = await died({});
	assert.equal((await client.dlq.retry(dlqId)).responses.length, 1);
	await assert.rejects(client.dlq.delete(dlqId), (e) => e.status === 404);
	await assert.rejects(client.dlq.retry(dlqId), (e) => e.status === 404);
});

test("dlq: a retry keeps body, headers, queue and labels, and takes overrides by header", async () => {
	answers.set("/once", (n) => (n === 1 ? { status: 404 } : {}));
	const url = `${sink.url}/once`;
	const [e] = await died({ url, body: "kept", headers: { "X-Mine": "1" }, label: ["a", "b"], queueName: "dlq-q" });
	const r = await s.call("POST", `/v2/dlq/retry/${e.dlqId}`, { headers: { "Upstash-Retries": "1" } });
	assert.equal(r.status, 201);
	await until(() => to("/once").length === 2);
	const [, again] = to("/once");
	assert.equal(again.body.toString(), "kept");
	assert.equal(again.headers["x-mine"], "1");
	const m = (await s.call("GET", `/v2/messages/${r.json.messageId}`)).json;
	assert.deepEqual([m.maxRetries, m.labels, m.queueName], [1, ["a", "b"], "dlq-q"]);
	assert.equal((await states(r.json.messageId, 3)).at(-1).state, "DELIVERED");
	await client.queue({ queueName: "dlq-q" }).delete();
});

for (const kind of ["all", "filter"]) {
	test(`dlq: a count of 1 deletes one and retries one (${kind})`, async () => {
		const label = `count-${kind}`;
		await died({ label }, { label }, { label });
		const request = kind === "all" ? { all: true, count: 1 } : { filter: { label }, count: 1 };
		const deleted = await client.dlq.delete(request);
		assert.equal(deleted.deleted, 1);
		assert.ok(deleted.cursor);
		const retried = await client.dlq.retry(request);
		assert.equal(retried.responses.length, 1);
		assert.ok(retried.cursor);
	});
}

test("dlq: following the cursor of a delete takes every entry that matches", async () => {
	const label = "cursor-delete";
	await died(...Array(7).fill({ label }));
	let [cursor, deleted, calls] = [undefined, 0, 0];
	do {
		const r = await client.dlq.delete({ filter: { label }, count: 3, cursor });
		deleted += r.deleted;
		cursor = r.cursor;
		calls++;
	} while (cursor);
	assert.deepEqual([deleted, calls], [7, 3]);
});

test("dlq: empty arrays do nothing, by the SDK's own guards", async () => {
	assert.deepEqual(await client.dlq.retry([]), { responses: [] });
	assert.deepEqual(await client.dlq.delete([]), { deleted: 0 });
	await assert.rejects(client.dlq.delete({ dlqIds: [] }), /Empty dlqIds/);
	await assert.rejects(client.dlq.retry({ dlqIds: [] }), /Empty dlqIds/);
});

test("dlq: no cursor key on the last page of a list, nor from a delete that matches nothing", async () => {
	await died({});
	const list = await s.call("GET", "/v2/dlq?count=100");
	assert.ok(!("cursor" in list.json));
	const none = await s.call("DELETE", "/v2/dlq?label=none-has-this&count=100");
	assert.deepEqual([none.status, none.json], [200, { deleted: 0 }]);
});

test("dlq: a retry takes every filter field", async () => {
	const filter = {
		messageId: "msg_none",
		url: "https://example.com/?a=b,c",
		urlGroup: "g",
		scheduleId: "s",
		queueName: "q",
		callerIp: "192.0.2.1",
		label: "l",
		flowControlKey: "k",
		responseStatus: 999,
		fromDate: 1,
		toDate: Date.now(),
	};
	const r = await client.dlq.retry({ filter });
	assert.deepEqual([r.responses, r.cursor], [[], undefined]);
	assert.deepEqual((await client.dlq.listMessages({ filter })).messages, []);
	assert.deepEqual(await client.dlq.delete({ filter }), { deleted: 0 });
});

test("dlq: a misspelt filter, and one that only messages have, is refused and touches nothing", async () => {
	const [e] = await died({ label: "typo" });
	for (const filter of [{ labeel: "typo" }, { host: "127.0.0.1" }, { path: "/" }]) {
		const name = Object.keys(filter)[0];
		const refused = (err) => err.status === 400 && err.message.includes(name);
		await assert.rejects(client.dlq.delete({ filter }), refused);
		await assert.rejects(client.dlq.retry({ filter }), refused);
		await assert.rejects(client.dlq.listMessages({ filter }), refused);
	}
	assert.equal((await s.call("GET", `/v2/dlq/${e.dlqId}`)).status, 200);
});

test("dlq: pages in both orders hold each entry once, oldest first unless asked", async () => {
	const label = "pages";
	const entries = await died(...[0, 1, 2, 3, 4].map((n) => ({ label, body: String(n) })));
	const oldestFirst = ids(entries).sort((a, b) => Number(a.split("-")[0]) - Number(b.split("-")[0]) || a.localeCompare(b));
	for (const order of ["", "&order=earliestFirst", "&order=latestFirst"]) {
		const seen = [];
		let cursor = "";
		do {
			const { json } = await s.call("GET", `/v2/dlq?label=${label}&count=2${order}${cursor && `&cursor=${cursor}`}`);
			seen.push(...ids(json.messages));
			cursor = json.cursor;
		} while (cursor);
		if (order.endsWith("latestFirst")) seen.reverse();
		assert.deepEqual(new Set(seen), new Set(oldestFirst));
		assert.equal(seen.length, 5);
		assert.deepEqual(seen, [...seen].sort((a, b) => Number(a.split("-")[0]) - Number(b.split("-")[0])));
	}
});
