// From an accepted publish to a signed delivery, through the published SDK and by hand.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Receiver } from "@upstash/qstash";
import { KEYS, TOKEN, setup, until } from "./lib.mjs";

const { s, sink, client, arrived } = await setup();
const receiver = new Receiver({ currentSigningKey: KEYS.current, nextSigningKey: KEYS.next });

test("publish: the destination gets body, headers and a signature that the SDK's Receiver accepts", async () => {
	const { messageId } = await client.publishJSON({
		url: `${sink.url}/json?a=b&c=%20d`,
		body: { hello: "wörld" },
		headers: { "Test-Header": "value", authorization: "Bearer destination" },
	});
	const got = await arrived("/json?a=b&c=%20d");
	assert.equal(got.method, "POST");
	assert.equal(got.body.toString(), JSON.stringify({ hello: "wörld" }));
	assert.equal(got.headers["content-type"], "application/json");
	assert.equal(got.headers["test-header"], "value");
	assert.equal(got.headers.authorization, "Bearer destination");
	assert.equal(got.headers["upstash-message-id"], messageId);
	assert.equal(got.headers["upstash-retried"], "0");
	assert.equal(got.headers["upstash-caller-ip"], "127.0.0.1");
	assert.equal(got.headers["user-agent"], "Upstash-QStash");
	assert.equal(got.headers["content-length"], String(got.body.length));
	for (const name of Object.keys(got.headers)) {
		assert.ok(!name.startsWith("upstash-forward-") && !name.startsWith("upstash-telemetry"), name);
	}
	assert.ok(
		await receiver.verify({
			signature: got.headers["upstash-signature"],
			body: got.body.toString(),
			url: `${sink.url}/json?a=b&c=%20d`,
		}),
	);
	await assert.rejects(
		receiver.verify({ signature: got.headers["upstash-signature"], body: "other" }),
	);
});

test("publish: any bytes arrive as they were sent, with any method, also without a body", async () => {
	const bytes = Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7) % 256));
	await s.call("POST", `/v2/publish/${sink.url}/bytes`, {
		body: bytes,
		headers: { "Upstash-Method": "PUT", "Content-Type": "application/octet-stream" },
	});
	const got = await arrived("/bytes");
	assert.equal(got.method, "PUT");
	assert.ok(got.body.equals(bytes));
	for (const method of ["GET", "DELETE", "PATCH", "POST"]) {
		await s.call("POST", `/v2/publish/${sink.url}/m-${method}`, { headers: { "Upstash-Method": method } });
		assert.equal((await arrived(`/m-${method}`)).method, method);
	}
	assert.equal((await arrived("/m-POST")).headers["content-length"], "0");
});

test("publish: settings may come by query string; a header wins; the rest is the destination's", async () => {
	const r = await s.call(
		"POST",
		`/v2/publish/${sink.url}/q?x=1&upstash-method=PUT&upstash-forward-a=b%20c&y=%2F&upstash-retries=5`,
		{ headers: { "Upstash-Retries": "2" } },
	);
	const got = await arrived("/q?x=1&y=%2F");
	assert.equal(got.method, "PUT");
	assert.equal(got.headers.a, "b c");
	const m = await s.call("GET", `/v2/messages/${r.json.messageId}`);
	assert.equal(m.json.maxRetries, 2);
});

test("publish: the token may come by query and does not reach the destination", async () => {
	const r = await s.call("POST", `/v2/publish/${sink.url}/t?qstash_token=${encodeURIComponent(TOKEN)}&z=1`, {
		token: null,
	});
	assert.equal(r.status, 200);
	await arrived("/t?z=1");
});

test("publish: the destination is taken raw, dots, slashes and escapes included", async () => {
	const { request } = await import("node:http");
	const path = `/v2/publish/${sink.url}/a//b/%2e%2e/c%2Fd`;
	const status = await new Promise((resolve, reject) => {
		const req = request(
			{ port: s.port, host: "127.0.0.1", method: "POST", path, headers: { authorization: `Bearer ${TOKEN}` } },
			(res) => resolve(res.resume().statusCode),
		);
		req.on("error", reject);
		req.end("x");
	});
	assert.equal(status, 200);
	await arrived("/a//b/%2e%2e/c%2Fd");
});

test("publish: header forwarding without the prefix keeps the token and our own headers back", async () => {
	await s.call("POST", `/v2/publish/${sink.url}/webhook`, {
		body: "{}",
		headers: { "Upstash-Header-Forward": "True", "X-Source": "github", "Content-Type": "application/json" },
	});
	const got = await arrived("/webhook");
	assert.equal(got.headers["x-source"], "github");
	assert.equal(got.headers.authorization, undefined);
	assert.equal(got.headers["upstash-header-forward"], undefined);
});

test("publish: a delayed message waits, shows its time, and can be cancelled", async () => {
	const before = Date.now();
	const { messageId } = await client.publish({ url: `${sink.url}/late`, body: "x", delay: 60 });
	const m = await client.messages.get(messageId);
	assert.ok(m.notBefore >= before + 60_000 && m.notBefore < before + 62_000);
	assert.equal(m.body, "x");
	assert.equal(m.maxRetries, 3);
	const cancelled = await s.call("DELETE", `/v2/messages/${messageId}`);
	assert.deepEqual([cancelled.status, cancelled.json], [200, { cancelled: 1 }]);
	assert.equal((await s.call("GET", `/v2/messages/${messageId}`)).status, 404);
	assert.equal((await s.call("DELETE", `/v2/messages/${messageId}`)).status, 404);
	const logs = await until(async () => {
		const { logs } = await client.logs({ filter: { messageId } });
		return logs.length === 3 && logs;
	});
	assert.deepEqual(logs.map((l) => l.state).reverse(), ["CREATED", "CANCEL_REQUESTED", "CANCELED"]);
	assert.ok(!sink.requests.some((r) => r.path === "/late"));
});

test("publish: a short delay is kept to", async () => {
	const before = Date.now();
	await client.publish({ url: `${sink.url}/soon`, body: "x", delay: 1 });
	const got = await arrived("/soon");
	assert.ok(got.at >= before + 1000 && got.at < before + 4000, `after ${got.at - before} ms`);
});

test("publish: a message is readable right after its delivery, with labels and exact headers", async () => {
	const r = await s.call("POST", `/v2/publish/${sink.url}/read`, {
		body: Buffer.from("hi"),
		headers: { "Upstash-Forward-test-header": "test-value", "Upstash-Label": "one, two" },
	});
	await arrived("/read");
	const m = await s.call("GET", `/v2/messages/${r.json.messageId}`);
	assert.equal(m.status, 200);
	assert.deepEqual(m.json.header, { "Test-Header": ["test-value"] });
	assert.equal(m.json.label, "one");
	assert.deepEqual(m.json.labels, ["one", "two"]);
	assert.equal(m.json.body, "hi");
	assert.equal(m.json.url, `${sink.url}/read`);
});

test("publish: redacted fields are hidden in logs and messages and delivered in clear", async () => {
	const { messageId } = await client.publish({
		url: `${sink.url}/redact`,
		body: "secret-body",
		headers: { "X-Secret": "secret-header", "X-Open": "open" },
		redact: { body: true, header: ["X-Secret"] },
	});
	const got = await arrived("/redact");
	assert.equal(got.body.toString(), "secret-body");
	assert.equal(got.headers["x-secret"], "secret-header");
	const m = await s.call("GET", `/v2/messages/${messageId}`);
	assert.match(m.json.body, /^REDACTED:[0-9a-f]{64}$/);
	assert.match(m.json.header["X-Secret"][0], /^REDACTED:/);
	assert.deepEqual(m.json.header["X-Open"], ["open"]);
	const logs = await until(async () => {
		const { logs } = await client.logs({ filter: { messageId } });
		return logs.length === 3 && logs;
	});
	assert.ok(!JSON.stringify(logs).includes("secret"));
	assert.ok(!JSON.stringify(logs).includes(Buffer.from("secret-body").toString("base64")));
});

test("publish: many at once all arrive, each once", async () => {
	const n = 500;
	const ids = await Promise.all(
		Array.from({ length: n }, (_, i) => client.publish({ url: `${sink.url}/many`, body: String(i) })),
	);
	await until(() => sink.requests.filter((r) => r.path === "/many").length >= n);
	const seen = sink.requests.filter((r) => r.path === "/many").map((r) => r.headers["upstash-message-id"]);
	assert.equal(seen.length, n);
	assert.deepEqual(new Set(seen), new Set(ids.map((r) => r.messageId)));
});
