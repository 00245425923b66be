// The rows of the SDK's url-groups tests, and deliveries to groups.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Server, setup, tempDir, until } from "./lib.mjs";

const { s, sink, client } = await setup();

test("groups: add, list, get, remove and delete endpoints", async () => {
	const name = "sdk-group";
	await client.urlGroups.delete(name);
	await client.urlGroups.addEndpoints({ name, endpoints: [{ name: "one", url: `${sink.url}/1` }] });
	await client.urlGroups.addEndpoints({ name, endpoints: [{ name: "two", url: `${sink.url}/2` }] });
	const group = await client.urlGroups.get(name);
	assert.equal(group.name, name);
	assert.deepEqual(group.endpoints, [
		{ name: "one", url: `${sink.url}/1` },
		{ name: "two", url: `${sink.url}/2` },
	]);
	assert.ok((await client.urlGroups.list()).some((g) => g.name === name));
	await client.urlGroups.removeEndpoints({ name, endpoints: [{ name: "one" }] });
	assert.deepEqual((await client.urlGroups.get(name)).endpoints, [{ name: "two", url: `${sink.url}/2` }]);
	await client.urlGroups.delete(name);
	await assert.rejects(client.urlGroups.get(name), /not found/);
	await assert.rejects(client.publish({ urlGroup: name, body: "x" }), /topic sdk-group not found/);
});

test("groups: a message reaches every endpoint, signed, named, each with its own id", async () => {
	const name = "fan-out";
	const endpoints = ["a", "b", "c"].map((n) => ({ name: n, url: `${sink.url}/fan/${n}` }));
	await client.urlGroups.addEndpoints({ name, endpoints });
	const sent = await client.publishJSON({ urlGroup: name, body: { hello: 1 } });
	assert.deepEqual(sent.map((m) => m.url), endpoints.map((e) => e.url));
	const got = await until(() => {
		const r = sink.requests.filter((q) => q.path.startsWith("/fan/"));
		return r.length === 3 && r;
	});
	assert.deepEqual(new Set(got.map((q) => q.headers["upstash-message-id"])), new Set(sent.map((m) => m.messageId)));
	for (const q of got) {
		assert.equal(q.headers["upstash-topic-name"], name);
		assert.equal(q.body.toString(), '{"hello":1}');
		assert.ok(q.headers["upstash-signature"]);
	}
	const logs = await until(async () => {
		const { logs } = await client.logs({ filter: { urlGroup: name, state: "DELIVERED" } });
		return logs.length === 3 && logs;
	});
	assert.deepEqual(new Set(logs.map((l) => l.endpointName)), new Set(["a", "b", "c"]));
});

test("groups: queue and batch", async () => {
	const name = "batch-group";
	await client.urlGroups.addEndpoints({ name, endpoints: [{ url: `${sink.url}/bg` }] });
	const queued = await client.queue({ queueName: "gq" }).enqueueJSON({ urlGroup: name, body: {} });
	assert.equal(queued.length, 1);
	const batch = await client.batchJSON([{ urlGroup: name, body: {} }, { url: `${sink.url}/single`, body: {} }]);
	assert.equal(batch[0].length, 1);
	assert.match(batch[1].messageId, /^msg_/);
	await until(() => sink.requests.filter((q) => q.path === "/bg").length === 2);
});

test("groups: they survive a restart", async () => {
	const dir = tempDir();
	let own = await Server.start({ dir });
	const body = JSON.stringify({ endpoints: [{ url: "https://example.com/x", name: "n" }] });
	assert.equal((await own.call("POST", "/v2/topics/kept/endpoints", { body })).status, 200);
	const was = (await own.call("GET", "/v2/topics/kept")).json;
	await own.stop();
	own = await Server.start({ dir });
	assert.deepEqual((await own.call("GET", "/v2/topics/kept")).json, was);
	await own.stop();
});

test("groups: an endpoint without a name has none; a second add appends; the same url is not added twice", async () => {
	const name = "exact";
	const add = (...endpoints) => client.urlGroups.addEndpoints({ name, endpoints });
	await add({ url: "https://example.com/1" });
	assert.deepEqual((await client.urlGroups.get(name)).endpoints, [{ url: "https://example.com/1" }]);
	await add({ url: "https://example.com/2", name: "second" }, { url: "https://example.com/1", name: "now named" });
	assert.deepEqual((await client.urlGroups.get(name)).endpoints, [
		{ name: "now named", url: "https://example.com/1" },
		{ name: "second", url: "https://example.com/2" },
	]);
	await client.urlGroups.removeEndpoints({ name, endpoints: [{ url: "https://example.com/1" }, { name: "second" }] });
	await assert.rejects(client.urlGroups.get(name), (e) => e.status === 404);
	assert.ok(!(await client.urlGroups.list()).some((g) => g.name === name));
});

test("groups: an empty name is refused, as is an endpoint that is no url", async () => {
	await assert.rejects(client.urlGroups.addEndpoints({ name: "", endpoints: [{ url: "https://example.com" }] }));
	await assert.rejects(client.urlGroups.addEndpoints({ name: "g", endpoints: [{ url: "example.com" }] }), (e) => e.status === 400 && /endpoint 0/.test(e.message));
	assert.equal((await s.call("GET", "/v2/topics/")).status, 200);
});
