// The rows of the Python client's tests: the requests as that client sends them, and the members that it reads
// without asking whether they are there.
import assert from "node:assert/strict";
import { test } from "node:test";
import { KEYS, setup, until } from "./lib.mjs";

const { s, sink, arrived } = await setup();

const json = { "Content-Type": "application/json" };
const bytes = (t) => Buffer.from(t); // a body without the Content-Type that fetch would give a text
const must = {
	message: ["messageId", "url", "method", "maxRetries", "notBefore", "createdAt"],
	dead: ["messageId", "url", "method", "maxRetries", "notBefore", "createdAt", "responseStatus"],
	log: ["time", "messageId", "state", "url"],
	schedule: ["scheduleId", "destination", "cron", "createdAt", "method", "retries"],
	queue: ["name", "createdAt", "updatedAt", "parallelism", "paused", "lag"],
	group: ["name", "createdAt", "updatedAt", "endpoints"],
	flow: ["flowControlKey", "waitListSize", "parallelismMax", "parallelismCount", "rateMax", "rateCount", "ratePeriod",
		"ratePeriodStart", "isPaused", "isPinnedParallelism", "isPinnedRate"],
};
const read = (value, kind) => {
	for (const k of must[kind]) assert.ok(value[k] !== undefined && value[k] !== null, `${kind} has no ${k}`);
	return value;
};

async function ask(method, path, { body, headers } = {}) {
	const r = await s.call(method, path, { body, headers: { Accept: "*/*", "User-Agent": "python-httpx/0.27", ...headers } });
	if (r.status < 200 || r.status > 299) throw new Error(r.text, { cause: r.status });
	return r.json;
}
const publish = (headers, body = bytes("test-body"), dest = sink.url) => ask("POST", `/v2/publish/${dest}`, { body, headers });
const message = async (id) => read(await ask("GET", `/v2/messages/${id}`), "message");
const logs = async (query) => (await ask("GET", `/v2/events?${query}`)).events.map((e) => read(e, "log"));
const deliveredOnce = (id) =>
	until(async () => (await logs(`messageId=${id}&state=DELIVERED`)).length === 1, 60_000, "no single DELIVERED entry");
/** Waits until the messages are dead; gives their entries. */
const dead = (...ids) =>
	until(async () => {
		const { messages } = await ask("GET", "/v2/dlq");
		const mine = messages.filter((m) => ids.includes(m.messageId));
		return mine.length === ids.length && mine.map((m) => read(m, "dead"));
	});
const cleanup = (path) => ask("DELETE", path);

test("py: test_publish_to_url, _json, _timeout: exactly one DELIVERED entry", async () => {
	const forward = { "Upstash-Forward-test-header": "test-value" };
	const sent = [
		await publish(forward),
		await publish({ ...json, "Upstash-Method": "POST", ...forward }, '{"ex_key": "ex_value"}'),
		await publish({ ...json, "Upstash-Timeout": "90s" }, '{"ex_key": "ex_value"}'),
	];
	for (const { messageId } of sent) await deliveredOnce(messageId);
});

test("py: test_publish booleans: True and False as Python writes them", async () => {
	const dedup = (value) => publish({ "Upstash-Content-Based-Deduplication": value }, bytes("same"), `${sink.url}/dedup`);
	const first = await dedup("True");
	const second = await dedup("True");
	assert.deepEqual([second.messageId, second.deduplicated], [first.messageId, true]);
	assert.equal((await dedup("False")).deduplicated, undefined);
});

test("py: test_message_log_retry_delay_expression: retryDelayExpr of the newest entry", async () => {
	const { messageId } = await publish({ "Upstash-Retry-Delay": "15000" });
	await deliveredOnce(messageId);
	const [newest] = await logs(`messageId=${messageId}`);
	assert.deepEqual([newest.state, newest.retryDelayExpr], ["DELIVERED", "15000"]);
});

/** Items of a batch: what was not given is null. */
const item = (n, headers, more) => ({
	destination: `${sink.url}/py/${n}`,
	headers: { "Upstash-Retries": "0", [`Upstash-Forward-test-header-${n}`]: `test-value-${n}`, ...headers },
	body: `hi ${n}`,
	queue: null,
	...more,
});
const batch = (...items) => ask("POST", "/v2/batch", { body: JSON.stringify(items), headers: json });

test("py: test_batch, test_batch_json: three results with ids; null is none", async () => {
	const sent = await batch(
		item(0, { "Upstash-Forward-content-type": "text/plain" }),
		item(1, { "Content-Type": "application/json" }, { body: '{"hi": 1}' }),
		item(2, {}, { body: null }),
	);
	assert.equal(sent.length, 3);
	for (const [n, r] of sent.entries()) {
		const got = await arrived(`/py/${n}`);
		assert.equal(got.headers["upstash-message-id"], r.messageId);
		assert.equal(got.headers["content-type"], ["text/plain", "application/json", undefined][n]);
		assert.equal(got.body.toString(), ["hi 0", '{"hi": 1}', ""][n]);
	}
});

test("py: test_batch_with_flow_control: unset is absent, the period is in seconds and 1 by default", async () => {
	const flow = (key, value) => ({ "Upstash-Flow-Control-Key": key, "Upstash-Flow-Control-Value": value, "Upstash-Delay": "1h" });
	const sent = await batch(
		item(0, flow("f1", "parallelism=1")),
		item(1, flow("f2", "rate=2, period=1h30m3s")),
		item(2, flow("f3", "parallelism=3, rate=4, period=2s")),
	);
	const shown = await Promise.all(sent.map((r) => message(r.messageId)));
	assert.deepEqual(shown.map((m) => [m.flowControlKey, m.parallelism, m.rate, m.period]), [
		["f1", 1, undefined, 1],
		["f2", undefined, 2, 5403],
		["f3", 3, 4, 2],
	]);
	assert.ok(!("rate" in shown[0]) && !("parallelism" in shown[1]));
	await ask("DELETE", "/v2/messages");
});

test("py: test_publish_with_flow_control, test_enqueue_with_label, test_publish_with_label, test_batch_with_label", async () => {
	const flow = { "Upstash-Flow-Control-Key": "f", "Upstash-Flow-Control-Value": "parallelism=3, rate=4, period=2s" };
	const m = await message((await publish(flow)).messageId);
	assert.deepEqual([m.parallelism, m.rate, m.period], [3, 4, 2]);
	const label = { "Upstash-Label": "py-label" };
	const sent = [
		await publish(label),
		await ask("POST", `/v2/enqueue/py-q/${sink.url}`, { body: bytes("x"), headers: label }),
		...(await batch(item(9, label))),
	];
	for (const { messageId } of sent) assert.equal((await message(messageId)).label, "py-label");
	await until(async () => (await logs("label=py-label")).length === 9);
	for (const entry of await logs("label=py-label")) assert.equal(entry.label, "py-label");
	await cleanup("/v2/queues/py-q");
});

test("py: test_enqueue, test_enqueue_json: an object with an id", async () => {
	for (const headers of [{ "Upstash-Forward-test-header": "v" }, { ...json, "Upstash-Forward-test-header": "v" }]) {
		const r = await ask("POST", `/v2/enqueue/test_queue/${sink.url}`, { body: bytes('{"test": "body"}'), headers });
		assert.match(r.messageId, /^msg_/);
	}
	await cleanup("/v2/queues/test_queue");
});

test("py: test_publish_to_url_group: two results, each with its url", async () => {
	await cleanup("/v2/topics/python_url_group");
	const endpoints = [{ url: `${sink.url}/pg/1` }, { url: `${sink.url}/pg/2` }];
	await ask("POST", "/v2/topics/python_url_group/endpoints", { body: JSON.stringify({ endpoints }), headers: json });
	const sent = await publish({}, bytes("test-body"), "python_url_group");
	assert.deepEqual(sent.map((r) => r.url), endpoints.map((e) => e.url));
	for (const { messageId } of sent) await deliveredOnce(messageId);
	await cleanup("/v2/topics/python_url_group");
});

test("py: test_publish callback headers: configuration and forwarding by prefix", async () => {
	await publish(
		{
			"Upstash-Callback": `${sink.url}/pycb`,
			"Upstash-Callback-Method": "PUT",
			"Upstash-Callback-forward-x-mine": "1",
			"Upstash-Callback-Upstash-Callback-x": "passed over",
			"Upstash-Failure-Callback": `${sink.url}/pyfcb`,
			"Upstash-Failure-Callback-Retries": "0",
			"Upstash-Retries": "0",
		},
		bytes("x"),
		`${sink.url}/404/py`,
	);
	const [called, failed] = [await arrived("/pycb"), await arrived("/pyfcb")];
	assert.deepEqual([called.method, called.headers["x-mine"], failed.method], ["PUT", "1", "POST"]);
	assert.match(JSON.parse(failed.body).dlqId, /^\d+-\d+$/);
});

test("py: test_cancel_many, test_cancel_all: messages that wait for a retry count", async () => {
	const failing = async () => {
		const { messageId } = await publish({ "Upstash-Retry-Delay": "3600000" }, bytes("x"), `${sink.url}/404/cancel`);
		await until(async () => (await logs(`messageId=${messageId}&state=RETRY`)).length === 1);
		return messageId;
	};
	const messageIds = [await failing(), await failing()];
	const many = await ask("DELETE", "/v2/messages", { body: JSON.stringify({ messageIds }), headers: json });
	assert.deepEqual(many, { cancelled: 2 });
	await failing();
	await failing();
	assert.ok((await ask("DELETE", "/v2/messages")).cancelled >= 2);
});

test("py: test_dlq_get_and_delete(_many): the body of the answer exactly, in list and get", async () => {
	const fail = () => publish({ "Upstash-Retries": "0", "Upstash-Retry-Delay": "7000 * retried" }, bytes("x"), `${sink.url}/404/dlq`);
	const ids = [(await fail()).messageId, (await fail()).messageId, (await fail()).messageId];
	const listed = await dead(...ids);
	for (const m of listed) {
		assert.deepEqual([m.responseStatus, m.responseBody, m.retryDelayExpression], [404, "404 Not Found", "7000 * retried"]);
		assert.deepEqual(read(await ask("GET", `/v2/dlq/${m.dlqId}`), "dead"), m);
	}
	await ask("DELETE", `/v2/dlq/${listed[0].dlqId}`);
	await assert.rejects(ask("GET", `/v2/dlq/${listed[0].dlqId}`), { cause: 404 });
	const body = JSON.stringify({ dlqIds: listed.slice(1).map((m) => m.dlqId) });
	assert.equal((await ask("DELETE", "/v2/dlq", { body, headers: json })).deleted, 2);
});

test("py: test_dlq_filter: a count of 1 and a message id", async () => {
	const { messageId } = await publish({ "Upstash-Retries": "0" }, bytes("x"), `${sink.url}/404/filter`);
	await dead(messageId);
	const { messages } = await ask("GET", `/v2/dlq?count=1&messageId=${messageId}`);
	assert.deepEqual(messages.map((m) => m.messageId), [messageId]);
});

test("py: test_schedule_lifecycle, _pause_resume, _with_flow_control, _enqueue, _with_label", async () => {
	const headers = {
		...json,
		"Upstash-Cron": "1 1 1 1 1",
		"Upstash-Retry-Delay": "5000 * retried",
		"Upstash-Queue-Name": "py-scheduled",
		"Upstash-Label": "py-schedule",
		"Upstash-Flow-Control-Key": "f",
		"Upstash-Flow-Control-Value": "parallelism=2",
	};
	const { scheduleId } = await ask("POST", "/v2/schedules/https://example.com", { body: '{"ex_key": "ex_value"}', headers });
	const get = async () => read(await ask("GET", `/v2/schedules/${scheduleId}`), "schedule");
	const got = await get();
	assert.deepEqual(
		[got.destination, got.cron, got.retryDelayExpression, got.queueName, got.label, got.parallelism, got.rate, got.period],
		["https://example.com", "1 1 1 1 1", "5000 * retried", "py-scheduled", "py-schedule", 2, undefined, 1],
	);
	assert.ok((await ask("GET", "/v2/schedules")).map((x) => read(x, "schedule")).some((x) => x.scheduleId === scheduleId));
	for (const [what, paused] of [["pause", true], ["resume", false]]) {
		await ask("PATCH", `/v2/schedules/${scheduleId}/${what}`);
		assert.equal((await get()).isPaused, paused);
	}
	const again = await ask("POST", "/v2/schedules/https://example.com", { headers: { "Upstash-Cron": "2 2 2 2 2", "Upstash-Schedule-Id": scheduleId } });
	assert.equal(again.scheduleId, scheduleId);
	assert.equal((await get()).cron, "2 2 2 2 2");
	await cleanup(`/v2/schedules/${scheduleId}`);
});

test("py: test_queue, test_queue_pause_resume", async () => {
	const set = (more) => ask("POST", "/v2/queues", { body: JSON.stringify({ queueName: "py-q", ...more }), headers: json });
	const get = async () => read(await ask("GET", "/v2/queues/py-q"), "queue");
	for (const parallelism of [1, 2]) {
		await set({ parallelism, paused: false });
		assert.equal((await get()).parallelism, parallelism);
	}
	assert.ok((await ask("GET", "/v2/queues")).map((q) => read(q, "queue")).some((q) => q.name === "py-q"));
	await ask("POST", "/v2/queues/py-q/pause");
	assert.equal((await get()).paused, true);
	await ask("POST", "/v2/queues/py-q/resume");
	assert.equal((await get()).paused, false);
	await set({ parallelism: 1, paused: true });
	assert.equal((await get()).paused, true);
	await set({ parallelism: 1, paused: false });
	assert.equal((await get()).paused, false);
	await cleanup("/v2/queues/py-q");
});

test("py: test_url_group: a missing group is deleted without complaint; endpoints go by url", async () => {
	await cleanup("/v2/topics/py-none");
	const endpoints = [{ url: "https://example.com" }, { url: "https://example.net", name: "n" }];
	await ask("POST", "/v2/topics/py-g/endpoints", { body: JSON.stringify({ endpoints }), headers: json });
	assert.deepEqual(read(await ask("GET", "/v2/topics/py-g"), "group").endpoints, [endpoints[0], { name: "n", url: "https://example.net" }]);
	assert.ok((await ask("GET", "/v2/topics")).map((g) => read(g, "group")).some((g) => g.name === "py-g"));
	const gone = { endpoints: [{ url: "https://example.net" }] };
	await ask("DELETE", "/v2/topics/py-g/endpoints", { body: JSON.stringify(gone), headers: json });
	assert.deepEqual((await ask("GET", "/v2/topics/py-g")).endpoints, [endpoints[0]]);
	await cleanup("/v2/topics/py-g");
});

test("py: test_get (signing keys): the two that deliveries are signed with", async () => {
	assert.deepEqual(await ask("GET", "/v2/keys"), KEYS);
});

test("py: test_flow_control_*: get, pin, unpin, pause, resume, reset_rate, global parallelism", async () => {
	const key = "py-flow";
	const at = `/v2/flowControl/${key}`;
	await publish({ "Upstash-Flow-Control-Key": key, "Upstash-Flow-Control-Value": "parallelism=5, rate=10, period=60s" });
	const get = async () => read(await ask("GET", at), "flow");
	const info = await get();
	assert.deepEqual([info.parallelismMax, info.rateMax, info.ratePeriod], [5, 10, 60]);
	await ask("POST", `${at}/pin?parallelism=3&rate=20&period=120`);
	const pinned = await get();
	assert.deepEqual([pinned.parallelismMax, pinned.rateMax, pinned.ratePeriod], [3, 20, 120]);
	assert.deepEqual([pinned.isPinnedParallelism, pinned.isPinnedRate], [true, true]);
	await ask("POST", `${at}/unpin?parallelism=true&rate=false`);
	const unpinned = await get();
	assert.deepEqual([unpinned.isPinnedParallelism, unpinned.isPinnedRate], [false, true]);
	await ask("POST", `${at}/pause`);
	assert.equal((await get()).isPaused, true);
	await ask("POST", `${at}/resetRate`);
	assert.equal((await get()).rateCount, 0);
	await ask("POST", `${at}/resume`);
	assert.equal((await get()).isPaused, false);
	assert.ok((await ask("GET", "/v2/flowControl")).map((f) => read(f, "flow")).some((f) => f.flowControlKey === key));
	assert.equal(typeof (await ask("GET", "/v2/globalParallelism")).parallelismMax, "number");
});

test("py: test_receiver: the claims that PyJWT requires, as the types that it requires", async () => {
	await publish({}, bytes("signed"), `${sink.url}/pysigned`);
	const [header, claims] = (await arrived("/pysigned")).headers["upstash-signature"]
		.split(".")
		.slice(0, 2)
		.map((part) => JSON.parse(Buffer.from(part, "base64url")));
	assert.deepEqual(header, { alg: "HS256", typ: "JWT" });
	assert.deepEqual([claims.iss, claims.sub, claims.nbf], ["Upstash", `${sink.url}/pysigned`, 0]);
	assert.deepEqual([typeof claims.jti, typeof claims.body], ["string", "string"]);
	assert.ok(claims.iat <= Date.now() / 1000 && claims.exp > Date.now() / 1000);
});
