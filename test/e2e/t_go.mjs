// The rows of the Go client's tests: the requests as that client sends them, and answers as strict as its decoder.
import assert from "node:assert/strict";
import { test } from "node:test";
import { KEYS, setup, until } from "./lib.mjs";

const { s, sink, to, arrived } = await setup();

// It decodes into these types: a member of another JSON type is an error to it.
const text = "string", number = "number", bool = "boolean";
const Header = { "*": [text] };
const Message = {
	messageId: text, endpointName: text, url: text, urlGroup: text, method: text, header: Header, body: text,
	bodyBase64: text, maxRetries: number, notBefore: number, createdAt: number, callback: text,
	failureCallback: text, scheduleId: text, callerIP: text, queueName: text, api: text,
};
const DlqMessage = {
	...Message, dlqId: text, responseStatus: number, responseHeader: Header, responseBody: text, responseBodyBase64: text,
};
const Event = {
	time: number, messageId: text, state: text, error: text, nextDeliveryTime: number, url: text, topicName: text,
	endpointName: text, api: text, queueName: text, scheduleId: text, header: Header, body: text,
};
const Published = { messageId: text, deduplicated: bool, url: text };
const Queue = { createdAt: number, updatedAt: number, name: text, parallelism: number, lag: number, paused: bool };
const Endpoint = { url: text, name: text };
const Group = { createdAt: number, updatedAt: number, name: text, endpoints: [Endpoint] };
const Schedule = {
	scheduleId: text, createdAt: number, cron: text, destination: text, method: text, header: Header, body: text,
	bodyBase64: text, retries: number, delay: number, callback: text, failureCallback: text, lastScheduleTime: number,
	nextScheduleTime: number, lastScheduleStates: { "*": text }, callerIP: text, isPaused: bool,
};
const Counts = { "*": number };

/** Decodes as the client does: what its types do not know is passed over, what they know must be of the type. */
function decoded(value, type, at = "answer") {
	if (Array.isArray(type)) {
		assert.ok(Array.isArray(value), `${at} is no array`);
		value.forEach((v, i) => decoded(v, type[0], `${at}[${i}]`));
	} else if (typeof type === "object") {
		assert.ok(value && typeof value === "object" && !Array.isArray(value), `${at} is no object`);
		for (const [k, v] of Object.entries(value)) {
			if (type[k] ?? type["*"]) decoded(v, type[k] ?? type["*"], `${at}.${k}`);
		}
	} else {
		assert.equal(typeof value, type, at);
		if (type === number) assert.ok(Number.isInteger(value), `${at} is no integer`);
	}
	return value;
}
/** A call whose answer must be of the type; its refusal must be {"error": text}. */
async function ask(method, path, type, { body, headers } = {}) {
	const r = await s.call(method, path, { body, headers });
	if (r.status >= 400) throw new Error(decoded(r.json, { error: text }).error, { cause: r.status });
	return type ? decoded(r.json, type) : undefined;
}
const json = { "Content-Type": "application/json" };
const forward = { "Upstash-Forward-test-header": "test-value" };
/** A body without the Content-Type that fetch would give a text. */
const bytes = (t) => Buffer.from(t);
const entries = (query) => ask("GET", `/v2/events?${query}`, { events: [Event], cursor: text });
const deliveredOnce = (id) =>
	until(async () => (await entries(`messageId=${id}&state=DELIVERED`)).events.length === 1, 30_000);

test("go: TestPublishToUrl, PublishToJson, Timeout: one DELIVERED entry", async () => {
	const cases = [
		["test-body", { ...forward, "Upstash-Retries": "0" }],
		['{"ex_key":"ex_value"}', { ...forward, ...json }],
		['{"ex_key":"ex_value"}', { ...json, "Upstash-Timeout": "1s" }],
	];
	for (const [body, headers] of cases) {
		const { messageId } = await ask("POST", `/v2/publish/${sink.url}`, Published, { body: bytes(body), headers });
		await deliveredOnce(messageId);
	}
});

test("go: TestPublishToUrlWithDelay: url, body and the exact headers of the message", async () => {
	const headers = { ...forward, "Upstash-Retries": "0", "Upstash-Delay": "10s" };
	const { messageId } = await ask("POST", `/v2/publish/${sink.url}`, Published, { body: bytes("test-body"), headers });
	const m = await ask("GET", `/v2/messages/${messageId}`, Message);
	assert.equal(m.body, "test-body");
	assert.equal(m.url, sink.url);
	assert.deepEqual(m.header, { "Test-Header": ["test-value"] });
	await ask("DELETE", `/v2/messages/${messageId}`);
});

/** Items of a batch: headers are arrays of values, and queue and body are empty texts when there is none. */
const item = (destination, n, more) => ({
	destination,
	headers: { [`Upstash-Forward-test-header-${n}`]: [`test-value-${n}`], "Upstash-Retries": ["0"], ...more },
	body: `hi ${n}`,
	queue: "",
});
const upsert = (name, endpoints) =>
	ask("POST", `/v2/topics/${name}/endpoints`, undefined, { body: JSON.stringify({ endpoints }), headers: json });
const pair = (path) => [
	{ url: `${sink.url}/${path}/1`, name: "First endpoint" },
	{ url: `${sink.url}/${path}/2`, name: "Second endpoint" },
];

test("go: TestBatch, BatchJSON: one object for each item, headers given as arrays", async () => {
	const typed = { "Upstash-Forward-Content-Type": ["text/plain"] };
	const body = JSON.stringify([0, 1, 2].map((n) => item(`${sink.url}/batch/${n}`, n, typed)));
	const sent = await ask("POST", "/v2/batch", [Published], { body, headers: json });
	assert.equal(sent.length, 3);
	for (const n of [0, 1, 2]) {
		const got = await arrived(`/batch/${n}`);
		assert.equal(got.headers[`test-header-${n}`], `test-value-${n}`);
		assert.equal(got.headers["content-type"], "text/plain");
		assert.equal(got.body.toString(), `hi ${n}`);
		assert.equal(got.headers["upstash-message-id"], sent[n].messageId);
	}
});

test("go: TestBatchMixed, BatchJSONMixed: an array for a group, an object for a url", async () => {
	const name = "go_url_group";
	await ask("DELETE", `/v2/topics/${name}`);
	await upsert(name, pair("mixed"));
	const body = JSON.stringify([item(name, 0), item(`${sink.url}/mixed/3`, 1), item(name, 2)]);
	const sent = await ask("POST", "/v2/batch", ["object"], { body, headers: json });
	decoded(sent[0], [Published]);
	decoded(sent[1], Published);
	decoded(sent[2], [Published]);
	assert.deepEqual(sent.map((x) => (Array.isArray(x) ? x.length : 0)), [2, 0, 2]);
	await ask("DELETE", `/v2/topics/${name}`);
});

test("go: TestEnqueue, EnqueueJSON", async () => {
	for (const headers of [forward, { ...forward, ...json }]) {
		const r = await ask("POST", `/v2/enqueue/test-queue/${sink.url}`, Published, { body: bytes("{}"), headers });
		await deliveredOnce(r.messageId);
	}
	await ask("DELETE", "/v2/queues/test-queue");
});

test("go: TestCancelMany, CancelAll: counts are the only members, and integers", async () => {
	await ask("DELETE", "/v2/messages", Counts, { headers: json });
	const ids = [];
	for (let i = 0; i < 10; i++) {
		const headers = { ...json, "Upstash-Delay": "60s" };
		ids.push((await ask("POST", `/v2/publish/${sink.url}`, Published, { body: "{}", headers })).messageId);
	}
	const messageIds = ids.filter((_, i) => i % 2 === 0);
	const many = await ask("DELETE", "/v2/messages", Counts, { body: JSON.stringify({ messageIds }), headers: json });
	assert.deepEqual(many, { cancelled: 5 });
	// Neither a body nor a query, and yet a Content-Type.
	assert.deepEqual(await ask("DELETE", "/v2/messages", Counts, { headers: json }), { cancelled: 5 });
});

test("go: TestEvents: 100 messages that fail once are 400 entries, without a count", async () => {
	const fromDate = Date.now();
	const headers = { ...json, "Upstash-Retries": "0" };
	await Promise.all(
		Array.from({ length: 100 }, () => ask("POST", `/v2/publish/${sink.url}/404/events`, Published, { body: "{}", headers })),
	);
	const url = encodeURIComponent(`${sink.url}/404/events`);
	const all = await until(async () => {
		const page = await entries(`fromDate=${fromDate}&url=${url}`);
		return page.events.length >= 400 && page;
	}, 10_000);
	assert.equal(all.events.length, 400);
	assert.ok(!("cursor" in all));
});

test("go: TestDlqGetAndDelete(Many): get is as listed; the count of a delete is the only member", async () => {
	const headers = { ...json, "Upstash-Retries": "1", "Upstash-Retry-Delay": "10" };
	const publish = () => ask("POST", `/v2/publish/${sink.url}/404/go`, Published, { body: "{}", headers });
	const sent = [await publish(), await publish(), await publish()].map((m) => m.messageId);
	const listed = await until(async () => {
		const mine = [];
		for (let page = {}; page; page = page.cursor && page) {
			const query = page.cursor ? `?cursor=${page.cursor}` : "";
			page = await ask("GET", `/v2/dlq${query}`, { messages: [DlqMessage], cursor: text });
			mine.push(...page.messages.filter((m) => sent.includes(m.messageId)));
		}
		return mine.length === 3 && mine;
	});
	for (const m of listed) {
		assert.deepEqual([m.responseStatus, m.responseBody], [404, "404 Not Found"]);
		assert.deepEqual(await ask("GET", `/v2/dlq/${m.dlqId}`, DlqMessage), m);
	}
	await ask("DELETE", `/v2/dlq/${listed[0].dlqId}`);
	await assert.rejects(ask("GET", `/v2/dlq/${listed[0].dlqId}`, DlqMessage), { cause: 404 });
	const body = JSON.stringify({ dlqIds: listed.map((m) => m.dlqId) });
	assert.deepEqual(await ask("DELETE", "/v2/dlq", Counts, { body, headers: json }), { deleted: 2 });
	// The filters that it sends, one of which no server knows any more.
	const query = `api=llm&callerIp=127.0.0.1&count=10&fromDate=1&messageId=${sent[0]}&order=earliestFirst&toDate=${Date.now()}`;
	assert.deepEqual(await ask("GET", `/v2/dlq?${query}`, { messages: [DlqMessage], cursor: text }), { messages: [] });
});

test("go: TestQueue, QueuePauseAndResume: exactly one in the list, none after the delete", async () => {
	const set = (parallelism) =>
		ask("POST", "/v2/queues", undefined, { body: JSON.stringify({ queueName: "go-q", parallelism }), headers: json });
	await set(1);
	assert.equal((await ask("GET", "/v2/queues/go-q", Queue)).parallelism, 1);
	await set(5);
	const list = await ask("GET", "/v2/queues", [Queue]);
	assert.deepEqual(list.map((q) => [q.name, q.parallelism]), [["go-q", 5]]);
	for (const [what, paused] of [["pause", true], ["resume", false]]) {
		await ask("POST", `/v2/queues/go-q/${what}`);
		assert.equal((await ask("GET", "/v2/queues/go-q", Queue)).paused, paused);
	}
	await ask("DELETE", "/v2/queues/go-q");
	assert.deepEqual(await ask("GET", "/v2/queues", [Queue]), []);
});

test("go: TestSchedule, SchedulePauseAndResume: /v2/Schedules, PATCH to pause", async () => {
	const headers = { ...forward, "Upstash-Cron": "1 1 1 1 1" };
	const created = await ask("POST", "/v2/Schedules/https://example.com", { scheduleId: text }, { body: bytes("b"), headers });
	const id = created.scheduleId;
	const got = await ask("GET", `/v2/Schedules/${id}`, Schedule);
	assert.deepEqual([got.scheduleId, got.destination, got.cron, got.body], [id, "https://example.com", "1 1 1 1 1", "b"]);
	assert.deepEqual(got.header, { "Test-Header": ["test-value"] });
	assert.equal((await ask("GET", "/v2/schedules", [Schedule])).length, 1);
	for (const [what, paused] of [["pause", true], ["resume", false]]) {
		await ask("PATCH", `/v2/schedules/${id}/${what}`);
		assert.equal((await ask("GET", `/v2/Schedules/${id}`, Schedule)).isPaused, paused);
	}
	await ask("DELETE", `/v2/schedules/${id}`);
	assert.deepEqual(await ask("GET", "/v2/schedules", [Schedule]), []);
});

test("go: TestUrlGroup: exact endpoints in their order, and times after the clock of two requests ago", async () => {
	const name = "go_url_group";
	const before = Date.now();
	await ask("DELETE", `/v2/topics/${name}`);
	await upsert(name, pair("order"));
	const group = await ask("GET", `/v2/topics/${name}`, Group);
	assert.deepEqual(group.endpoints, pair("order"));
	assert.ok(group.createdAt > before, `${group.createdAt} is not after ${before}`);
	assert.ok(group.updatedAt > before);
	assert.ok((await ask("GET", "/v2/topics", [Group])).some((g) => g.name === name));
	const rest = { endpoints: [{ name: "First endpoint" }] };
	await ask("DELETE", `/v2/topics/${name}/endpoints`, undefined, { body: JSON.stringify(rest), headers: json });
	assert.deepEqual((await ask("GET", `/v2/topics/${name}`, Group)).endpoints, pair("order").slice(1));
	await ask("DELETE", `/v2/topics/${name}`);
	await ask("DELETE", `/v2/topics/${name}`);
});

test("go: TestUrlGroup_Error, _Empty: the words of the refusals", async () => {
	await assert.rejects(ask("POST", "/v2/publish/no-such-group", [Published], { body: "x" }), /topic no-such-group not found/);
	await assert.rejects(ask("POST", "/v2/enqueue/q/no-such-group", [Published], { body: "x" }), /topic no-such-group not found/);
	await assert.rejects(ask("POST", "/v2/publish/", [Published], { body: "x" }), /a non-empty destination must be provided/);
	assert.deepEqual(await ask("GET", "/v2/queues", [Queue]), []);
});

test("go: TestPublishToUrlGroup, EnqueueToUrlGroup: two results, delivered", async () => {
	await upsert("go_pub", pair("pub"));
	for (const path of ["publish/go_pub", "enqueue/go-q/go_pub"]) {
		const sent = await ask("POST", `/v2/${path}`, [Published], { body: bytes("x"), headers: forward });
		assert.deepEqual(sent.map((m) => m.url), pair("pub").map((e) => e.url));
		for (const m of sent) await deliveredOnce(m.messageId);
	}
	assert.equal(to("/pub/1").length, 2);
	await ask("DELETE", "/v2/topics/go_pub");
	await ask("DELETE", "/v2/queues/go-q");
});

test("go: TestKeysGet, rotate: /v2/rotate", async () => {
	assert.deepEqual(await ask("GET", "/v2/keys", { current: text, next: text }), KEYS);
	const rotated = await ask("POST", "/v2/rotate", { current: text, next: text });
	assert.equal(rotated.current, KEYS.next);
});

test("go: every refusal is {\"error\": text}", async () => {
	const paths = ["GET /v2/messages/x", "GET /v2/dlq/x", "GET /v2/queues/x", "GET /v2/schedules/x", "GET /v2/topics/x", "GET /v2/flowControl/x",
		"DELETE /v2/messages/x", "DELETE /v2/dlq/x", "DELETE /v2/schedules/x", "POST /v2/dlq/retry/x", "GET /none", "PUT /v2/keys", "GET /v2/events?x=1"];
	for (const path of paths) {
		const r = await s.call(...path.split(" "));
		assert.ok(r.status >= 400, path);
		assert.deepEqual(Object.keys(decoded(r.json, { error: text })), ["error"]);
		assert.equal(r.headers.get("content-type"), "application/json");
	}
});
