// A bulk cancel goes on after kill -9: it ends, its counts are exact, nothing cancelled is delivered.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Server, Sink, tempDir, until } from "./lib.mjs";

const MESSAGES = 6000;
const KEPT = 50;

test("bulk: an asynchronous cancel survives SIGKILLs in its middle", { timeout: 120_000 }, async () => {
	const sink = await Sink.start();
	const dir = tempDir();
	let server = await Server.start({ dir });
	// A paused queue holds them all, however long this takes.
	const queue = { queueName: "held", parallelism: 10, paused: true };
	assert.equal((await server.call("POST", "/v2/queues", { body: JSON.stringify(queue) })).status, 200);
	const publish = async (n, label) => {
		const item = {
			destination: `${sink.url}/${label}`,
			queue: "held",
			headers: { "Upstash-Label": label },
		};
		const r = await server.call("POST", "/v2/batch", {
			body: JSON.stringify(Array(n).fill(item)),
			headers: { "content-type": "application/json" },
		});
		assert.equal(r.status, 200);
	};
	for (let i = 0; i < 10; i++) {
		await publish(MESSAGES / 10, "gone");
		await publish(KEPT / 10, "kept");
	}

	const started = await server.call("DELETE", "/v2/messages?label=gone&async=true");
	assert.equal(started.status, 200, started.text);
	const path = `/v2/bulkActions/${started.json.actionId}`;
	const read = async () => (await server.call("GET", path)).json;
	let kills = 0;
	for (const part of [0.1, 0.5]) {
		const at = await until(async () => {
			const a = await read();
			return a.processed >= MESSAGES * part && a;
		}, 30_000, "the action does not go on");
		if (at.state === "FINISHED") break;
		await server.kill();
		kills++;
		server = await Server.start({ dir });
		assert.ok((await read()).processed >= at.processed, "it forgot what it had done");
	}
	assert.ok(kills > 0, "it was over before it could be killed");
	const end = await until(async () => {
		const a = await read();
		return a.state === "FINISHED" && a;
	}, 30_000, "it does not end");
	assert.equal(end.total, MESSAGES);
	assert.equal(end.processed, MESSAGES);
	assert.equal((await server.call("POST", "/v2/queues/held/resume")).status, 200);
	await until(() => sink.requests.length >= KEPT, 30_000, "what was not cancelled is missing");
	await until(async () => (await server.call("DELETE", "/v2/messages")).json.cancelled === 0);
	assert.deepEqual([...new Set(sink.requests.map((r) => r.path))], ["/kept"]);
	assert.equal(sink.requests.length, KEPT);
	await server.stop();
	await sink.stop();
});
