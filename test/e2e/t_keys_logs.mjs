// Signing keys and their rotation; the log's filters, order and cursor.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Receiver } from "@upstash/qstash";
import { KEYS, Server, setup, tempDir, until } from "./lib.mjs";

const { s, sink, client } = await setup();

test("keys: rotation makes the next key current; receivers with the old pair still verify; it survives a restart", async () => {
	const dir = tempDir();
	let own = await Server.start({ dir });
	const r = await own.call("POST", "/v2/keys/rotate");
	assert.equal(r.status, 200);
	assert.equal(r.json.current, KEYS.next);
	assert.match(r.json.next, /^sig_[1-9A-HJ-NP-Za-km-z]{28}$/);
	await own.call("POST", `/v2/publish/${sink.url}/rotated`, { body: "b" });
	const got = await until(() => sink.requests.find((q) => q.path === "/rotated"));
	const old = new Receiver({ currentSigningKey: KEYS.current, nextSigningKey: KEYS.next });
	assert.ok(await old.verify({ signature: got.headers["upstash-signature"], body: "b" }));
	const alias = await own.call("POST", "/v2/rotate");
	assert.equal(alias.json.current, r.json.next);
	await own.stop();
	own = await Server.start({ dir });
	assert.deepEqual((await own.call("GET", "/v2/keys")).json, alias.json);
	await own.stop();
});

test("logs: states of a delivery in order, both endpoints, both key names", async () => {
	const { messageId } = await client.publish({ url: `${sink.url}/l`, body: "body", label: "lab" });
	await until(async () => (await client.logs({ filter: { messageId } })).logs.length === 3);
	const events = await s.call("GET", `/v2/events?messageId=${messageId}&order=earliestFirst`);
	assert.deepEqual(events.json.events.map((e) => e.state), ["CREATED", "ACTIVE", "DELIVERED"]);
	assert.equal(events.json.cursor, undefined);
	const logs = await s.call("GET", `/v2/logs?messageId=${messageId}`);
	assert.deepEqual(logs.json.logs, logs.json.events);
	const [e] = events.json.events;
	assert.equal(Buffer.from(e.body, "base64").toString(), "body");
	assert.equal(e.url, `${sink.url}/l`);
	assert.equal(e.method, "POST");
	assert.equal(e.maxRetries, 3);
	assert.equal(e.label, "lab");
	assert.ok(Math.abs(e.time - Date.now()) < 60_000);
});

test("logs: filters by state, url, host, path, label, ids; an unknown one is refused by name", async () => {
	const a = await client.publish({ url: `${sink.url}/fa`, body: "x", label: ["fa", "both"] });
	const b = await client.publish({ url: `${sink.url}/fb`, body: "x", label: ["fb", "both"] });
	const ids = [a.messageId, b.messageId];
	await until(async () => (await client.logs({ filter: { messageIds: ids } })).logs.length === 6);
	const of = async (filter) => (await client.logs({ filter })).logs.map((l) => l.messageId);
	assert.deepEqual(await of({ label: "fa", state: "DELIVERED" }), [a.messageId]);
	assert.equal((await of({ label: "both" })).length, 6);
	assert.equal((await of({ label: ["fa", "fb"], state: "CREATED" })).length, 2);
	assert.deepEqual(new Set(await of({ url: `${sink.url}/fb` })), new Set([b.messageId]));
	assert.deepEqual(new Set(await of({ path: "/fa" })), new Set([a.messageId]));
	assert.equal((await of({ host: "elsewhere.example" })).length, 0);
	assert.equal((await of({ messageId: a.messageId, fromDate: Date.now() + 60_000 })).length, 0);
	const typo = await s.call("GET", "/v2/events?lable=x");
	assert.equal(typo.status, 400);
	assert.match(typo.json.error, /lable/);
	const state = await s.call("GET", "/v2/events?state=DONE");
	assert.equal(state.status, 400);
});

test("logs: pages are complete and stable while new entries arrive", async () => {
	for (let i = 0; i < 10; i++) await client.publish({ url: `${sink.url}/page`, body: String(i) });
	await until(async () => (await client.logs({ filter: { path: "/page" } })).logs.length === 30);
	for (const order of ["latestFirst", "earliestFirst"]) {
		const seen = [];
		let cursor;
		do {
			const q = `/v2/events?path=/page&count=7&order=${order}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`;
			const page = (await s.call("GET", q)).json;
			seen.push(...page.events);
			cursor = page.cursor;
			if (order === "latestFirst") await client.publish({ url: `${sink.url}/noise`, body: "n" });
		} while (cursor);
		assert.equal(seen.length, 30);
		assert.equal(new Set(seen.map((e) => `${e.messageId} ${e.state}`)).size, 30);
		const times = seen.map((e) => e.time);
		assert.deepEqual(times, [...times].sort((x, y) => (order === "latestFirst" ? y - x : x - y)));
	}
});

test("logs: a broken log file stops nothing and is begun anew", async () => {
	const { readdirSync, writeFileSync, rmSync } = await import("node:fs");
	const { join } = await import("node:path");
	const dir = tempDir();
	let own = await Server.start({ dir });
	await own.call("POST", `/v2/publish/${sink.url}/x`, { body: "1" });
	await until(async () => (await own.call("GET", "/v2/events")).json.events.length === 3);
	await own.stop();
	for (const f of readdirSync(join(dir, "logs"))) {
		if (f.endsWith(".db")) writeFileSync(join(dir, "logs", f), Buffer.alloc(8192, 0x55));
		else rmSync(join(dir, "logs", f));
	}
	own = await Server.start({ dir });
	const before = sink.requests.length;
	const r = await own.call("POST", `/v2/publish/${sink.url}/x`, { body: "2" });
	assert.equal(r.status, 200);
	await until(() => sink.requests.length === before + 1);
	await until(async () => {
		const l = await own.call("GET", `/v2/events?messageId=${r.json.messageId}`);
		return l.json?.events?.length === 3;
	});
	await own.stop();
});
