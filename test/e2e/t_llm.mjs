// Models and mail: what the published SDK sends for providers, and api/llm with the operator's key.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Client, anthropic, custom, openai, resend, upstash } from "@upstash/qstash";
import { Server, Sink, TOKEN, tempDir, until } from "./lib.mjs";

const KEY = "sk-operators-own-key-0123456789";
let s, sink, client;
const answers = new Map(); // path -> (nth request to it) => answer
const to = (path) => sink.requests.filter((r) => r.path === path);
const arrived = (path) => until(() => to(path)[0]);

before(async () => {
	sink = await Sink.start((req) => answers.get(req.path)?.(to(req.path).length) ?? { body: '{"ok":true}' });
	s = await Server.start({ args: ["-llm-url", `${sink.url}/model/v1`], env: { QSTASH_LLM_KEY: KEY } });
	client = new Client({ baseUrl: s.url, token: TOKEN });
});
after(async () => {
	await s.stop();
	await sink.stop();
});

/** A provider of the SDK that stands on our sink. */
function at(provider, path) {
	provider.baseUrl = `${sink.url}${path}`;
	return provider;
}

const body = { model: "m", messages: [{ role: "user", content: "hi" }] };

test("llm: openai's headers arrive, and the callback gets the answer", async () => {
	await client.publishJSON({
		api: { name: "llm", provider: at(openai({ token: "ok-1", organization: "org-1" }), "/openai") },
		body,
		callback: `${sink.url}/openai-callback`,
	});
	const got = await arrived("/openai/v1/chat/completions");
	assert.equal(got.method, "POST");
	assert.equal(got.headers.authorization, "Bearer ok-1");
	assert.equal(got.headers["openai-organization"], "org-1");
	assert.equal(got.headers["content-type"], "application/json");
	assert.deepEqual(JSON.parse(got.body), body);
	const back = JSON.parse((await arrived("/openai-callback")).body);
	assert.equal(Buffer.from(back.body, "base64").toString(), '{"ok":true}');
});

test("llm: anthropic's headers arrive", async () => {
	await client.publishJSON({
		api: { name: "llm", provider: at(anthropic({ token: "ak-1" }), "/anthropic") },
		body,
		callback: `${sink.url}/back`,
	});
	const got = await arrived("/anthropic/v1/messages");
	assert.equal(got.headers["x-api-key"], "ak-1");
	assert.equal(got.headers["anthropic-version"], "2023-06-01");
	assert.equal(got.headers.authorization, undefined);
});

test("llm: a custom provider is called below its base URL, from a batch, too", async () => {
	const provider = () => custom({ baseUrl: `${sink.url}/custom/v1/chat/completions`, token: "ck-1" });
	await client.publishJSON({ api: { name: "llm", provider: provider() }, body, callback: `${sink.url}/back` });
	await client.batchJSON([{ api: { name: "llm", provider: provider() }, body, callback: `${sink.url}/back` }]);
	await until(() => to("/custom/v1/chat/completions").length === 2);
	for (const got of to("/custom/v1/chat/completions")) assert.equal(got.headers.authorization, "Bearer ck-1");
});

test("llm: analytics go through the gateway that the SDK names, as forwarded headers", async () => {
	const sent = await client.publishJSON({
		api: {
			name: "llm",
			provider: at(openai({ token: "ok-2" }), "/openai2"),
			analytics: { name: "helicone", token: "hk-1" },
		},
		body,
		callback: `${sink.url}/back`,
		delay: 3600,
	});
	const message = await client.messages.get(sent.messageId);
	assert.match(message.url, /helicone\.ai\/v1\/chat\/completions$/);
	assert.deepEqual(message.header["Helicone-Auth"], ["Bearer hk-1"]);
	assert.deepEqual(message.header["Helicone-Target-Url"], [`${sink.url}/openai2`]);
	assert.deepEqual(message.header.Authorization, ["Bearer ok-2"]);
	await client.messages.cancel(sent.messageId);
});

test("email: resend gets its key, one mail or a batch of them", async () => {
	for (const batch of [false, true]) {
		await client.publishJSON({
			api: { name: "email", provider: at(resend({ token: "rk-1", batch }), "/resend") },
			body: { to: "a@x.io" },
		});
		const got = await arrived(batch ? "/resend/emails/batch" : "/resend/emails");
		assert.equal(got.method, "POST");
		assert.equal(got.headers.authorization, "Bearer rk-1");
		assert.equal(got.body.toString(), '{"to":"a@x.io"}');
	}
});

test("llm: a provider's rate-limit headers say when to try again", async () => {
	answers.set("/slow/v1/chat/completions", (n) =>
		n === 1 ? { status: 429, headers: { "x-ratelimit-reset-requests": "1.2s", "x-ratelimit-reset-tokens": "300ms" } } : {},
	);
	await client.publishJSON({
		api: { name: "llm", provider: at(openai({ token: "ok-3" }), "/slow") },
		body,
		callback: `${sink.url}/back`,
	});
	await until(() => to("/slow/v1/chat/completions").length === 2);
	const [a, b] = to("/slow/v1/chat/completions");
	assert.ok(b.at - a.at >= 1150, `again after ${b.at - a.at} ms`);
	assert.ok(b.at - a.at < 8000, "the default backoff was taken");
});

test("llm: api/llm is the operator's server with the operator's key, which is shown nowhere", async () => {
	answers.set("/model/v1/chat/completions", (n) => (n === 2 ? { status: 500, body: "no" } : {}));
	const first = await client.publishJSON({
		api: { name: "llm", provider: upstash() },
		body,
		callback: `${sink.url}/llm-callback`,
		headers: { authorization: "Bearer of-the-publisher" },
	});
	const got = await arrived("/model/v1/chat/completions");
	assert.equal(got.headers.authorization, `Bearer ${KEY}`);
	assert.equal(got.rawHeaders.filter((h) => h.toLowerCase() === "authorization").length, 1);
	assert.deepEqual(JSON.parse(got.body), body);
	const back = await arrived("/llm-callback");
	const message = await s.call("GET", `/v2/messages/${first.messageId}`);
	assert.equal(message.json.api, "llm");

	const second = await client.publishJSON({
		api: { name: "llm", provider: upstash() },
		body,
		callback: `${sink.url}/llm-callback2`,
		retries: 0,
	});
	const dead = await until(async () => {
		const { messages } = await client.dlq.listMessages({ filter: { messageId: second.messageId } });
		return messages[0];
	});
	assert.equal(dead.api, "llm");
	const logs = await s.call("GET", "/v2/logs");
	const back2 = await arrived("/llm-callback2");
	const seen = [message.text, logs.text, JSON.stringify(dead), back.body, back2.body, s.out].join("\n");
	assert.ok(seen.includes(second.messageId) && !seen.includes(KEY));
	for (const file of readdirSync(s.dir, { recursive: true, withFileTypes: true })) {
		if (file.isFile()) assert.ok(!readFileSync(join(file.parentPath ?? file.path, file.name)).includes(KEY), file.name);
	}
});

test("llm: what is not there is refused in words", async () => {
	const refusals = [
		["/v2/publish/api/llm", 400, "Upstash-Callback"],
		["/v2/publish/api/other", 400, "unknown api"],
		["/llm/v1/chat/completions", 400, "api/llm"],
	];
	for (const [path, status, part] of refusals) {
		const r = await s.call("POST", path, { body: "{}" });
		assert.equal(r.status, status);
		assert.ok(r.json.error.includes(part), r.text);
	}
	await assert.rejects(client.chat().create({ provider: upstash(), model: "m", messages: [] }), /hosts no models/);
});

test("llm: the setting takes a server with or without its path; without it api/llm is refused", async () => {
	for (const [ending, path] of [["/", "/v1/chat/completions"], ["/b/v1/chat/completions", "/b/v1/chat/completions"]]) {
		const other = await Server.start({ args: [`-llm-url=${sink.url}${ending}`] });
		const r = await other.call("POST", "/v2/publish/api/llm", {
			body: "{}",
			headers: { "Upstash-Callback": `${sink.url}/back`, "Upstash-Forward-Authorization": "Bearer mine" },
		});
		assert.equal(r.status, 200, r.text);
		const got = await arrived(path);
		assert.equal(got.headers.authorization, "Bearer mine");
		await other.stop();
	}
	const none = await Server.start({ args: ["-region", "EU-CENTRAL-1"] });
	const r = await none.call("POST", "/v2/publish/api/llm", { headers: { "Upstash-Callback": "https://x.io" } });
	assert.equal(r.status, 400);
	assert.match(r.json.error, /-llm-url.*QSTASH_LLM_URL/);
	// The region that was set is told to every destination.
	await none.call("POST", `/v2/publish/${sink.url}/region`);
	assert.equal((await arrived("/region")).headers["upstash-region"], "EU-CENTRAL-1");
	await none.stop();
	await assert.rejects(Server.start({ dir: tempDir(), args: ["-llm-url=ftp://x"] }), /llm-url/);
});

test("cors: a web page may call every route with any method", async () => {
	const routes = [
		["DELETE", "/v2/messages"],
		["DELETE", "/v2/dlq/1-1"],
		["PATCH", "/v2/schedules/x/pause"],
		["PATCH", "/v2/topics/g"],
		["POST", "/v2/publish/https://x.io"],
		["GET", "/v2/bulkActions"],
	];
	for (const [method, path] of routes) {
		for (const base of [s.url, s.logUrl]) {
			const r = await fetch(base + path, {
				method: "OPTIONS",
				headers: {
					Origin: "https://page.io",
					"Access-Control-Request-Method": method,
					"Access-Control-Request-Headers": "authorization,upstash-delay",
				},
			});
			assert.equal(r.status, 204);
			assert.equal(r.headers.get("access-control-allow-origin"), "*");
			assert.ok(r.headers.get("access-control-allow-methods").split(", ").includes(method));
			assert.match(r.headers.get("access-control-allow-headers"), /authorization.*upstash-delay/);
		}
	}
	const r = await s.call("DELETE", "/v2/dlq/1-1", { headers: { Origin: "https://page.io" } });
	assert.equal(r.headers.get("access-control-allow-origin"), "*");
});
