// Attempts that fail: retries, their timing, and the log of it all.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setup, until } from "./lib.mjs";

const { s, sink, client, answers, to, states, dead } = await setup();

test("retry: fail, then succeed: the same id, a count, a fresh signature, exact log entries", async () => {
	answers.set("/flaky", (n) => (n === 1 ? { status: 500, body: "oops", headers: { "X-Why": "tired" } } : {}));
	const { messageId } = await client.publish({
		url: `${sink.url}/flaky`,
		body: "x",
		retries: 3,
		retryDelay: "100 * (1 + retried)",
	});
	await until(() => to("/flaky").length === 2);
	const [a, b] = to("/flaky");
	assert.equal(b.headers["upstash-retried"], "1");
	assert.equal(b.headers["upstash-message-id"], a.headers["upstash-message-id"]);
	assert.notEqual(b.headers["upstash-signature"], a.headers["upstash-signature"]);
	assert.ok(b.at - a.at >= 95);
	const logs = await states(messageId, 6);
	assert.deepEqual(logs.map((l) => l.state), ["CREATED", "ACTIVE", "ERROR", "RETRY", "ACTIVE", "DELIVERED"]);
	assert.equal(logs[2].responseStatus, 500);
	assert.equal(Buffer.from(logs[2].responseBody, "base64").toString(), "oops");
	assert.deepEqual(logs[2].responseHeaders["X-Why"], ["tired"]);
	assert.ok(logs[3].nextDeliveryTime > logs[3].time);
	assert.equal(logs[0].retryDelayExpression, "100 * (1 + retried)");
});

test("retry: the default backoff begins with 12 seconds", async () => {
	answers.set("/default", () => ({ status: 503 }));
	const { messageId } = await client.publish({ url: `${sink.url}/default`, body: "x" });
	const logs = await states(messageId, 4);
	const wait = logs[3].nextDeliveryTime - logs[3].time;
	assert.ok(wait >= 11_900 && wait <= 12_300, String(wait));
	await s.call("DELETE", `/v2/messages/${messageId}`);
});

test("retry: Retry-After and its relatives decide when", async () => {
	const cases = [
		[{ "Retry-After": "3" }, 3000],
		[{ "X-RateLimit-Reset": "1m5s" }, 65_000],
		[{ "X-RateLimit-Reset-Requests": "2", "X-RateLimit-Reset-Tokens": "4" }, 4000],
		[{ "Retry-After": "999999" }, 12_000],
	];
	for (const [i, [headers, expected]] of cases.entries()) {
		answers.set(`/after${i}`, () => ({ status: 429, headers }));
		const { messageId } = await client.publish({ url: `${sink.url}/after${i}`, body: "x" });
		const logs = await states(messageId, 4);
		const wait = logs[3].nextDeliveryTime - logs[3].time;
		assert.ok(Math.abs(wait - expected) < 400, `${JSON.stringify(headers)}: ${wait}`);
		await s.call("DELETE", `/v2/messages/${messageId}`);
	}
	answers.set("/date", () => ({
		status: 503,
		headers: { "Retry-After": new Date(Date.now() + 30_000).toUTCString() },
	}));
	const { messageId } = await client.publish({ url: `${sink.url}/date`, body: "x" });
	const logs = await states(messageId, 4);
	const wait = logs[3].nextDeliveryTime - logs[3].time;
	assert.ok(wait > 27_000 && wait < 31_000, String(wait));
	await s.call("DELETE", `/v2/messages/${messageId}`);
});

test("retry: Retry-After 0 is at once, and retries end", async () => {
	answers.set("/zero", () => ({ status: 500, headers: { "Retry-After": "0" } }));
	const { messageId } = await client.publish({ url: `${sink.url}/zero`, body: "x", retries: 2 });
	const logs = await states(messageId, 10);
	assert.deepEqual(
		logs.map((l) => l.state),
		["CREATED", "ACTIVE", "ERROR", "RETRY", "ACTIVE", "ERROR", "RETRY", "ACTIVE", "ERROR", "FAILED"],
	);
	await until(() => to("/zero").length === 3);
});

test("retry: 489 with the header ends it at once, without the header it does not", async () => {
	answers.set("/never", () => ({ status: 489, headers: { "Upstash-NonRetryable-Error": "true" } }));
	const { messageId } = await client.publish({ url: `${sink.url}/never`, body: "x" });
	const logs = await states(messageId, 4);
	assert.deepEqual(logs.map((l) => l.state), ["CREATED", "ACTIVE", "ERROR", "FAILED"]);
	assert.equal((await dead(messageId)).responseStatus, 489);
	answers.set("/maybe", () => ({ status: 489 }));
	const again = await client.publish({ url: `${sink.url}/maybe`, body: "x" });
	assert.equal((await states(again.messageId, 4))[3].state, "RETRY");
	await s.call("DELETE", `/v2/messages/${again.messageId}`);
});

test("retry: a redirect is a failure and is not followed", async () => {
	answers.set("/moved", () => ({ status: 302, headers: { Location: `${sink.url}/elsewhere` } }));
	const { messageId } = await client.publish({ url: `${sink.url}/moved`, body: "x", retries: 0 });
	assert.equal((await dead(messageId)).responseStatus, 302);
	assert.equal(to("/elsewhere").length, 0);
});

test("retry: no answer within the timeout, no listener and no such host are told in words", async () => {
	answers.set("/slow", () => ({ delay: 5000 }));
	const cases = [
		[`${sink.url}/slow`, { timeout: 1 }, /no answer .* within 1000 ms/],
		["http://127.0.0.1:1/", {}, /refused/i],
		["http://name.invalid/", {}, /name\.invalid/],
	];
	for (const [url, more, words] of cases) {
		const { messageId } = await client.publish({ url, body: "x", retries: 0, ...more });
		const logs = await states(messageId, 4);
		assert.match(logs[2].error, words, url);
		assert.equal(logs.at(-1).state, "FAILED");
		assert.equal((await dead(messageId)).responseStatus, 0);
	}
});
