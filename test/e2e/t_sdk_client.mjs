// The rows of the SDK's client tests: what its Client sends for each option, and what the server makes of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, Receiver, anthropic, custom, openai, resend } from "@upstash/qstash";
import { KEYS, Server, TOKEN, setup, tempDir, until } from "./lib.mjs";

const { s, sink, client, answers, to, arrived, states, message } = await setup();
const later = "1h"; // a delay that keeps a message from being delivered

/** The forwarded headers of a message, without the Content-Type that fetch adds to a text. */
async function forwarded(messageId) {
	const { "Content-Type": type, ...rest } = (await message(messageId)).header;
	return rest;
}

test("client: publish a message with a label", async () => {
	const { messageId } = await client.publish({ url: `${sink.url}/l1`, body: "x", label: "test-label" });
	assert.equal((await client.messages.get(messageId)).label, "test-label");
});

test("client: publish a message with multiple labels", async () => {
	const label = ["first", "second", "third"];
	const { messageId } = await client.publish({ url: `${sink.url}/l3`, body: "x", label });
	const m = await client.messages.get(messageId);
	assert.equal(m.label, "first");
	assert.deepEqual(m.labels, label);
});

test("client: publish a json message", async () => {
	const body = { hello: "world", list: [1, null, "ü"] };
	const { messageId } = await client.publishJSON({
		url: `${sink.url}/json`,
		body,
		headers: { "test-header": "test-value", "bypass-tunnel-reminder": "test" },
	});
	const m = await client.messages.get(messageId);
	assert.deepEqual(m.header, {
		"Bypass-Tunnel-Reminder": ["test"],
		"Content-Type": ["application/json"],
		"Test-Header": ["test-value"],
	});
	assert.equal(m.body, JSON.stringify(body));
});

test("client: the server removes the prefix of forwarded headers", async () => {
	const headers = { "X-Mine": "1", "Upstash-Forward-X-Yours": "2", "upstash-forward-x-third": "3" };
	const { messageId } = await client.publish({ url: `${sink.url}/prefix`, body: "x", headers });
	assert.deepEqual(await forwarded(messageId), { "X-Mine": ["1"], "X-Yours": ["2"], "X-Third": ["3"] });
	const got = await arrived("/prefix");
	assert.deepEqual([got.headers["x-mine"], got.headers["x-yours"], got.headers["x-third"]], ["1", "2", "3"]);
});

test("client: publish with a delay, and with notBefore", async () => {
	const now = Date.now();
	const delayed = await client.publish({ url: `${sink.url}/late`, body: "x", delay: 120 });
	assert.ok((await client.messages.get(delayed.messageId)).notBefore >= now + 120_000);
	const notBefore = Math.floor(now / 1000) + 300;
	const timed = await client.publish({ url: `${sink.url}/late`, body: "x", notBefore, delay: 5 });
	assert.equal((await client.messages.get(timed.messageId)).notBefore, notBefore * 1000);
	const past = await client.publish({ url: `${sink.url}/past`, body: "x", notBefore: 1 });
	const m = await client.messages.get(past.messageId);
	assert.equal(m.notBefore, m.createdAt);
	await arrived("/past");
});

test("client: publish with a callback, and with a failure callback", async () => {
	const callback = `${sink.url}/cb?foo=bar&x=%20y`;
	const failureCallback = `${sink.url}/fcb?foo=bar`;
	const { messageId } = await client.publish({ url: `${sink.url}/cbs`, body: "x", callback, failureCallback });
	const m = await client.messages.get(messageId);
	assert.equal(m.callback, callback);
	assert.equal(m.failureCallback, failureCallback);
	assert.ok(m.maxRetries >= 1);
	const got = await arrived("/cb?foo=bar&x=%20y");
	assert.equal(JSON.parse(got.body).sourceMessageId, messageId);
});

test("client: global headers, of which two that differ in case are joined", async () => {
	const global = new Client({
		baseUrl: s.url,
		token: TOKEN,
		headers: { "TEST-HEADER": "value-uppercase", "test-header": "value-lowercase", "Upstash-Retries": "1" },
	});
	const { messageId } = await global.publish({ url: `${sink.url}/global`, body: "x" });
	assert.deepEqual(await forwarded(messageId), { "Test-Header": ["value-uppercase, value-lowercase"] });
	assert.equal((await message(messageId)).maxRetries, 1);
	assert.equal((await arrived("/global")).headers["test-header"], "value-uppercase, value-lowercase");
});

test("client: a request's header overrides a global one (publish, publishJSON, batch, batchJSON)", async () => {
	const global = new Client({ baseUrl: s.url, token: TOKEN, headers: { "X-A": "global", "X-B": "global" } });
	const request = () => ({ url: `${sink.url}/override`, body: "x", headers: { "x-a": "own" }, delay: later });
	const sent = [
		await global.publish(request()),
		await global.publishJSON(request()),
		...(await global.batch([request()])),
		...(await global.batchJSON([request()])),
	];
	for (const { messageId } of sent) {
		const { header } = await message(messageId);
		assert.deepEqual([header["X-A"], header["X-B"]], [["own"], ["global"]]);
	}
});

test("client: a message to a url group has an id for each endpoint", async () => {
	const name = "client-group";
	await client.urlGroups.addEndpoints({ name, endpoints: [{ url: `${sink.url}/g1` }, { url: `${sink.url}/g2` }] });
	const sent = await client.publish({ urlGroup: name, body: "x" });
	assert.equal(sent.length, 2);
	for (const { messageId } of sent) assert.equal((await client.messages.get(messageId)).urlGroup, name);
	await client.urlGroups.delete(name);
});

test("client: create a queue, see it in a message, remove it", async () => {
	const queue = client.queue({ queueName: "client-queue" });
	await queue.upsert({ parallelism: 1 });
	const { messageId } = await queue.enqueueJSON({ url: `${sink.url}/q`, body: { a: 1 } });
	assert.equal((await client.messages.get(messageId)).queueName, "client-queue");
	await queue.delete();
});

test("client: a batch to a url group and to a url in a queue", async () => {
	const name = "client-batch";
	await client.urlGroups.addEndpoints({ name, endpoints: [{ url: `${sink.url}/b1` }, { url: `${sink.url}/b2` }] });
	const sent = await client.batch([
		{ urlGroup: name, queueName: "batch-queue", body: "1" },
		{ url: `${sink.url}/b3?asdasd=ooo`, queueName: "batch-queue", body: "2" },
	]);
	assert.deepEqual(sent[0].map((m) => m.url), [`${sink.url}/b1`, `${sink.url}/b2`]);
	assert.equal((await client.messages.get(sent[1].messageId)).queueName, "batch-queue");
	await arrived("/b3?asdasd=ooo");
	await client.queue({ queueName: "batch-queue" }).delete();
	await client.urlGroups.delete(name);
});

test("client: the answer to a batch is an array, also for a single item, in the order of the items", async () => {
	const one = await client.batch([{ url: `${sink.url}/one`, body: "x" }]);
	assert.equal(one.length, 1);
	const many = await client.batchJSON([1, 2, 3].map((n) => ({ url: `${sink.url}/n${n}`, body: { n }, label: `n${n}` })));
	for (const [i, { messageId }] of many.entries()) {
		const m = await client.messages.get(messageId);
		assert.deepEqual([m.label, m.body, m.url], [`n${i + 1}`, `{"n":${i + 1}}`, `${sink.url}/n${i + 1}`]);
	}
});

test("client: flow control of a message and of the items of a batch", async () => {
	const flow = async ({ messageId }) => {
		const m = await message(messageId);
		return [m.flowControlKey, m.parallelism, m.rate, m.period];
	};
	const to = { url: `${sink.url}/flow`, body: "x", delay: later };
	const key = "client-key";
	const alone = await client.publish({ ...to, flowControl: { key, parallelism: 3, rate: 5 } });
	assert.deepEqual(await flow(alone), [key, 3, 5, 1]);
	const legacy = await client.publish({ ...to, flowControl: { key, ratePerSecond: 7 } });
	assert.deepEqual(await flow(legacy), [key, undefined, 7, 1]);
	const items = await client.batch([
		{ ...to, flowControl: { key, rate: 10 } },
		{ ...to, flowControl: { key, parallelism: 5 } },
		{ ...to, flowControl: { key, parallelism: 5, rate: 10, period: "1m" } },
		{ ...to, flowControl: { key, rate: 10, period: 90 } },
		{ ...to },
	]);
	assert.deepEqual(await Promise.all(items.map(flow)), [
		[key, undefined, 10, 1],
		[key, 5, undefined, 1],
		[key, 5, 10, 60],
		[key, undefined, 10, 90],
		[undefined, undefined, undefined, undefined],
	]);
});

test("client: a flow-control key alone is refused, by the SDK and by the server", async () => {
	const url = `${sink.url}/flow`;
	await assert.rejects(client.publish({ url, flowControl: { key: "k" } }), /parallelism or ratePerSecond/);
	for (const name of ["Upstash-Flow-Control-Key", "Upstash-Flow-Control-Value"]) {
		const r = await s.call("POST", `/v2/publish/${url}`, { headers: { [name]: "rate=1" } });
		assert.equal(r.status, 400);
		assert.match(r.json.error, /Flow-Control-Key and Flow-Control-Value go together/);
	}
});

test("client: telemetry headers are taken, and neither shown nor forwarded", async () => {
	const stacked = new Client({
		baseUrl: s.url,
		token: TOKEN,
		headers: { "Upstash-Telemetry-Sdk": "other-sdk@v1.0.0", "Upstash-Telemetry-Platform": "vercel" },
	});
	const request = (path) => ({ url: sink.url + path, body: "x", headers: { "X-Kept": "1" } });
	const sent = [await stacked.publish(request("/tel1")), (await stacked.batch([request("/tel2")]))[0]];
	for (const [i, { messageId }] of sent.entries()) {
		assert.deepEqual(await forwarded(messageId), { "X-Kept": ["1"] });
		const got = await arrived(`/tel${i + 1}`);
		assert.deepEqual(Object.keys(got.headers).filter((h) => h.includes("telemetry")), []);
	}
	const { scheduleId } = await stacked.schedules.create({ destination: `${sink.url}/tel3`, cron: "0 0 1 1 *" });
	assert.deepEqual((await client.schedules.get(scheduleId)).header, { "Content-Type": ["application/json"] });
	await client.schedules.delete(scheduleId);
});

// What is hidden by `redact`: [body, X-Secret, X-Api-Key, Content-Type].
const redactions = [
	["body", { body: true }, [true, false, false, false]],
	["all headers", { header: true }, [false, true, true, true]],
	["specific headers", { header: ["X-Secret", "x-api-key"] }, [false, true, true, false]],
	["body and all headers", { body: true, header: true }, [true, true, true, true]],
	["body and a specific header", { body: true, header: ["X-Secret"] }, [true, true, false, false]],
];
for (const [what, redact, hidden] of redactions) {
	test(`client: redact ${what}`, async () => {
		const path = `/redact-${what.replaceAll(" ", "-")}`;
		const headers = { "X-Secret": "secret-1", "X-Api-Key": "secret-2", "Content-Type": "text/secret-3" };
		const { messageId } = await client.publish({ url: sink.url + path, body: "secret-0", headers, redact });
		const m = await message(messageId);
		const shown = [m.body, m.header["X-Secret"][0], m.header["X-Api-Key"][0], m.header["Content-Type"][0]];
		assert.deepEqual(shown.map((v) => v.startsWith("REDACTED:")), hidden);
		for (const log of await states(messageId, 3)) {
			const text = Buffer.from(log.body, "base64").toString() + JSON.stringify(log.header);
			assert.deepEqual([0, 1, 2, 3].map((n) => !text.includes(`secret-${n}`)), hidden);
		}
		const got = await arrived(path);
		assert.equal(got.body.toString(), "secret-0");
		assert.deepEqual([got.headers["x-secret"], got.headers["content-type"]], ["secret-1", "text/secret-3"]);
	});
}

test("client: a base URL with a slash at its end works", async () => {
	const c = new Client({ baseUrl: `${s.url}/`, token: TOKEN });
	assert.match((await c.publish({ url: `${sink.url}/slash`, body: "x" })).messageId, /^msg_/);
});

test("http: the SDK repeats what finds no server, and bridges a restart; a refusal it does not repeat", async () => {
	const dir = tempDir();
	const first = await Server.start({ dir });
	const c = new Client({ baseUrl: first.url, token: TOKEN, retry: { retries: 50, backoff: () => 100 } });
	await first.kill();
	const sent = c.publish({ url: `${sink.url}/bridged`, body: "x" });
	const again = await Server.start({ dir, port: first.port });
	assert.match((await sent).messageId, /^msg_/);
	await arrived("/bridged");
	await assert.rejects(c.publish({ url: `${sink.url}/x`, retries: -1 }), (e) => e.status === 400);
	await again.stop();
});

test("utils: filters of the SDK: urlGroup is topicName, dates are milliseconds, and count is 100 unless given", async () => {
	const name = "utils-group";
	await client.urlGroups.addEndpoints({ name, endpoints: [{ url: `${sink.url}/u1` }, { url: `${sink.url}/u2` }] });
	await client.publish({ urlGroup: name, body: "x", delay: later });
	await client.publish({ url: `${sink.url}/u1`, body: "x", delay: later });
	const day = { fromDate: new Date(Date.now() - 60_000), toDate: Date.now() + 60_000 };
	assert.deepEqual(await client.messages.cancel({ filter: { urlGroup: name, fromDate: Date.now() + 60_000 } }), { cancelled: 0 });
	assert.deepEqual(await client.messages.cancel({ filter: { urlGroup: name, ...day } }), { cancelled: 2 });
	await client.urlGroups.delete(name);
});

test("receiver: a delivery verifies with the current key, and with it as the next one", async () => {
	await client.publish({ url: `${sink.url}/signed`, body: "signed" });
	const got = await arrived("/signed");
	const request = { signature: got.headers["upstash-signature"], body: "signed", url: `${sink.url}/signed` };
	const pairs = [
		[KEYS.current, KEYS.next],
		["sig_other", KEYS.current],
	];
	for (const [currentSigningKey, nextSigningKey] of pairs) {
		assert.equal(await new Receiver({ currentSigningKey, nextSigningKey }).verify(request), true);
	}
	const good = new Receiver({ currentSigningKey: KEYS.current, nextSigningKey: KEYS.next });
	const strange = new Receiver({ currentSigningKey: "sig_a", nextSigningKey: "sig_b" });
	const signatureError = { name: "SignatureError" };
	await assert.rejects(strange.verify(request), signatureError);
	await assert.rejects(good.verify({ ...request, body: "else" }), signatureError);
	await assert.rejects(good.verify({ ...request, url: "http://else" }), signatureError);
});

test("receiver: callbacks, empty bodies, UTF-8, retries and group endpoints are signed for what they are", async () => {
	const receiver = new Receiver({ currentSigningKey: KEYS.current, nextSigningKey: KEYS.next });
	answers.set("/again?x=1", (n) => ({ status: n === 1 ? 500 : 200, headers: { "Retry-After": "0" } }));
	await client.publish({ url: `${sink.url}/again?x=1`, body: "ü", callback: `${sink.url}/called?y=2` });
	await client.publish({ url: `${sink.url}/empty` });
	await client.urlGroups.addEndpoints({ name: "signed", endpoints: [{ url: `${sink.url}/member` }] });
	await client.publish({ urlGroup: "signed", body: "x" });
	await until(() => to("/again?x=1").length === 2 && to("/called?y=2").length === 2);
	await arrived("/empty");
	await arrived("/member");
	for (const path of ["/again?x=1", "/called?y=2", "/empty", "/member"]) {
		for (const got of to(path)) {
			const signature = got.headers["upstash-signature"];
			assert.ok(await receiver.verify({ signature, body: got.body.toString(), url: sink.url + path }), path);
			const claims = JSON.parse(Buffer.from(signature.split(".")[1], "base64url"));
			assert.equal(claims.iss, "Upstash");
			assert.equal(claims.nbf, 0);
			assert.equal(claims.exp - claims.iat, 300);
			assert.match(claims.jti, /^jwt_/);
			assert.match(claims.body, /^[\w-]{43}=$/);
		}
	}
	await client.urlGroups.delete("signed");
});

// The SDK turns its providers into URLs and headers; they are not called here: the messages are delayed.
const providers = [
	[
		"openai",
		openai({ token: "tok", organization: "org" }),
		"https://api.openai.com/v1/chat/completions",
		{ Authorization: ["Bearer tok"], "Openai-Organization": ["org"] },
	],
	[
		"anthropic",
		anthropic({ token: "tok" }),
		"https://api.anthropic.com/v1/messages",
		{ "X-Api-Key": ["tok"], "Anthropic-Version": ["2023-06-01"] },
	],
	[
		"custom",
		custom({ token: "tok", baseUrl: "https://llm.example" }),
		"https://llm.example/v1/chat/completions",
		{ Authorization: ["Bearer tok"] },
	],
];
for (const [name, provider, url, header] of providers) {
	test(`api/llm: ${name} is a message to its URL, alone, in a queue and in a batch`, async () => {
		const request = () => ({
			api: { name: "llm", provider },
			body: { model: "m", messages: [] },
			callback: "https://example.com/cb",
			delay: later,
		});
		const sent = [
			await client.publishJSON(request()),
			await client.queue({ queueName: "llm" }).enqueueJSON(request()),
			...(await client.batchJSON([request()])),
		];
		for (const { messageId } of sent) {
			const m = await message(messageId);
			assert.equal(m.url, url);
			assert.deepEqual(m.header, { ...header, "Content-Type": ["application/json"] });
			assert.equal(m.callback, "https://example.com/cb");
		}
		await client.queue({ queueName: "llm" }).delete();
	});
}

test("api/llm: with helicone the gateway is the destination", async () => {
	const { messageId } = await client.publishJSON({
		api: { name: "llm", provider: openai({ token: "tok" }), analytics: { name: "helicone", token: "hel" } },
		body: { model: "m", messages: [] },
		callback: "https://example.com/cb",
		delay: later,
	});
	const m = await message(messageId);
	assert.equal(m.url, "https://gateway.helicone.ai/v1/chat/completions");
	assert.deepEqual(m.header["Helicone-Auth"], ["Bearer hel"]);
	assert.deepEqual(m.header["Helicone-Target-Url"], ["https://api.openai.com"]);
});

test("api/email: resend is a message to its URL, single and batch", async () => {
	for (const batch of [false, true]) {
		const { messageId } = await client.publishJSON({
			api: { name: "email", provider: resend({ token: "tok", batch }) },
			body: { to: "a@example.com" },
			delay: later,
		});
		const m = await message(messageId);
		assert.equal(m.url, `https://api.resend.com/emails${batch ? "/batch" : ""}`);
		assert.deepEqual(m.header.Authorization, ["Bearer tok"]);
		assert.equal(m.method, "POST");
	}
});
