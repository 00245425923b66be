// Bad input: every refusal names its field, has its status, and changes nothing.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { TOKEN, setup, until } from "./lib.mjs";

const { s, sink } = await setup({ args: ["-quota", "free"] });

/** Sends bytes as they are; resolves to what came back, when that is enough or the peer has closed. */
function raw(bytes, enough) {
	return new Promise((resolve, reject) => {
		const c = connect(s.port, "127.0.0.1");
		let out = "";
		const finish = () => {
			c.destroy();
			resolve(out);
		};
		c.setTimeout(10_000, finish);
		c.on("data", (d) => {
			out += d;
			if (enough?.test(out)) finish();
		});
		c.on("close", finish);
		c.on("error", reject);
		c.write(bytes);
	});
}

test("refused: tokens", async () => {
	for (const token of [null, "x", TOKEN.slice(0, -2), `${TOKEN}A`]) {
		const r = await s.call("POST", `/v2/publish/${sink.url}/`, { token, body: "x" });
		assert.deepEqual([r.status, r.json], [401, { error: "unable to authenticate: invalid token" }]);
	}
});

test("refused: destinations", async () => {
	const cases = [
		["", /a non-empty destination must be provided/],
		["https%3A%2F%2Fexample.com", /invalid destination url: endpoint has invalid scheme, add http:\/\/ or https:\/\//],
		["localhost:3000/x", /invalid scheme/],
		["ftp://x/", /invalid scheme/],
		["http://", /invalid destination url/],
		["http://x:99999/", /invalid destination url/],
		["no-such-group", /topic no-such-group not found/],
	];
	for (const [dest, words] of cases) {
		const r = await s.call("POST", `/v2/publish/${dest}`, { body: "x" });
		assert.ok(r.status === 400 || r.status === 404, `${dest}: ${r.status}`);
		assert.match(r.json.error, words, dest);
	}
});

test("refused: headers, each by its name", async () => {
	const cases = [
		["Upstash-Retries", "-1"],
		["Upstash-Retries", "many"],
		["Upstash-Delay", "10x"],
		["Upstash-Not-Before", "tomorrow"],
		["Upstash-Method", "BREW"],
		["Upstash-Timeout", "soon"],
		["Upstash-Retry-Delay", "retried *"],
		["Upstash-Retry-Delay", "system(1)"],
		["Upstash-Redact-Fields", "everything"],
		["Upstash-Callback", "not-a-url"],
		["Upstash-Failure-Callback", "ftp://x"],
		["Upstash-Header-Forward", "maybe"],
		["Upstash-Content-Based-Deduplication", "2"],
		["Upstash-Flow-Control-Value", "parallelism=0"],
	];
	for (const [name, value] of cases) {
		const r = await s.call("POST", `/v2/publish/${sink.url}/bad`, { body: "x", headers: { [name]: value } });
		assert.equal(r.status, 400, `${name}: ${value}: ${r.text}`);
		assert.ok(r.json.error.toLowerCase().includes(name.toLowerCase()), `${name}: ${r.json.error}`);
	}
	assert.equal(sink.requests.length, 0);
});

test("refused: quotas, with their name and value", async () => {
	const delay = await s.call("POST", `/v2/publish/${sink.url}/`, { body: "x", headers: { "Upstash-Delay": "8d" } });
	assert.deepEqual([delay.status, delay.json.error], [412, "quota maxDelay exceeded, current limit: 604800"]);
	const retries = await s.call("POST", `/v2/publish/${sink.url}/`, { body: "x", headers: { "Upstash-Retries": "1000" } });
	assert.deepEqual([retries.status, retries.json.error], [412, "quota maxRetries exceeded, current limit: 999"]);
	const size = await s.call("POST", `/v2/publish/${sink.url}/`, { body: Buffer.alloc(1024 * 1024 + 1) });
	assert.deepEqual([size.status, size.json.error], [412, "quota maxMessageSize exceeded, current limit: 1048576"]);
	const fits = await s.call("POST", `/v2/publish/${sink.url}/fits`, { body: Buffer.alloc(1024 * 1024) });
	assert.equal(fits.status, 200);
	await until(() => sink.requests.some((r) => r.path === "/fits" && r.body.length === 1024 * 1024));
});

test("refused: request smuggling, header injection and malformed heads; the next client is served", async () => {
	const head = `POST /v2/publish/${sink.url}/smuggled HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\n`;
	const before = sink.requests.length;
	const cases = [
		`${head}Content-Length: 1\r\nContent-Length: 1\r\n\r\nx`,
		`${head}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx`,
		`${head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
		`${head}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
		`${head}Transfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n`,
		`${head}Content-Length : 1\r\n\r\nx`,
		`${head}X-A: b\r\n c\r\nContent-Length: 1\r\n\r\nx`,
		`${head}X-A: a\0b\r\nContent-Length: 1\r\n\r\nx`,
		`${head}X-A: a\rb\r\nContent-Length: 1\r\n\r\nx`,
		head.replace("Host: x\r\n", "") + "Content-Length: 1\r\n\r\nx",
		head.replace("Host: x", "Host: x\r\nHost: y") + "Content-Length: 1\r\n\r\nx",
		head.replaceAll("\r\n", "\n") + "Content-Length: 1\n\nx",
		`${head}${"X-A: b\r\n".repeat(1000)}\r\n`,
		`${head}X-A: ${"b".repeat(100_000)}\r\n\r\n`,
		head.replace("HTTP/1.1", "HTTP/2.0") + "Content-Length: 1\r\n\r\nx",
	];
	for (const [i, bytes] of cases.entries()) {
		const out = await raw(bytes);
		assert.match(out, /^HTTP\/1\.1 (400|413|414|431|501|505) /, `case ${i}: ${out.slice(0, 80)}`);
		assert.match(out, /\{"error":"/, `case ${i}`);
		assert.match(out, /connection: close/i, `case ${i}`);
	}
	assert.equal((await s.call("GET", "/v2/keys")).status, 200);
	assert.equal(sink.requests.length, before);
});

test("refused: values that would inject headers into the delivery", async () => {
	for (const value of ["a%0D%0AX-Evil: 1", "a%0AX", "a%00b"]) {
		const r = await s.call("POST", `/v2/publish/${sink.url}/inject?upstash-forward-x=${value}`, { body: "x" });
		assert.equal(r.status, 400, value);
		assert.match(r.json.error, /upstash-forward-x/i);
	}
	assert.ok(!sink.requests.some((r) => r.path === "/inject"));
});

test("refused: unknown routes and methods", async () => {
	assert.equal((await s.call("GET", "/v2/nothing")).status, 404);
	assert.equal((await s.call("GET", "/")).status, 404);
	const r = await s.call("PUT", "/v2/keys");
	assert.equal(r.status, 405);
	assert.ok(r.json.error);
	assert.equal((await s.call("GET", "/v2/messages/msg_nope")).status, 404);
	assert.equal((await s.call("GET", "/v2/dlq/nope")).status, 404);
});

test("accepted: chunked bodies, pipelined requests, 100-continue, path words in any case", async () => {
	const auth = `Host: x\r\nAuthorization: bearer ${TOKEN}\r\n`;
	const chunked = await raw(
		`POST /V2/Publish/${sink.url}/chunked HTTP/1.1\r\n${auth}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n`,
		/messageId/,
	);
	assert.match(chunked, /^HTTP\/1\.1 200 /);
	const got = await until(() => sink.requests.find((r) => r.path === "/chunked"));
	assert.equal(got.body.toString(), "abcde");
	const two = await raw(`GET /v2/keys HTTP/1.1\r\n${auth}\r\n`.repeat(2), /(next.*){2}/s);
	assert.equal(two.match(/HTTP\/1\.1 200 /g).length, 2);
	const cont = await raw(
		`POST /v2/publish/${sink.url}/cont HTTP/1.1\r\n${auth}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n`,
		/\r\n\r\n/,
	);
	assert.match(cont, /^HTTP\/1\.1 100 /);
});
