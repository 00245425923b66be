// The rows of the SDK's queue tests: managing queues, and what enqueue takes. What queues do is in t_queues.mjs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setup, until } from "./lib.mjs";

const { s, sink, client, to, message } = await setup();

test("queue: upsert, get, list, pause, resume, delete", async () => {
	const queue = client.queue({ queueName: "manage" });
	await queue.upsert({ parallelism: 2 });
	const q = await queue.get();
	assert.equal(typeof q.createdAt, "number");
	assert.ok(q.updatedAt >= q.createdAt);
	assert.deepEqual(
		{ ...q, createdAt: 0, updatedAt: 0 },
		{ name: "manage", createdAt: 0, updatedAt: 0, parallelism: 2, paused: false, lag: 0 },
	);
	await queue.upsert({ parallelism: 1, paused: true });
	assert.equal((await queue.get()).paused, true);
	assert.equal((await queue.get()).parallelism, 1);
	await queue.upsert({ parallelism: 1 });
	assert.equal((await queue.get()).paused, false);
	await queue.pause();
	assert.equal((await queue.get()).paused, true);
	await queue.resume();
	assert.equal((await queue.get()).paused, false);
	assert.deepEqual((await queue.list()).map((x) => x.name), ["manage"]);
	await assert.rejects(queue.upsert({ parallelism: 11 }), /maxQueueParallelism exceeded, current limit: 10/);
	await queue.delete();
	assert.deepEqual(await queue.list(), []);
	await assert.rejects(queue.get(), (e) => e.status === 404);
	await queue.delete();
});

test("queue: a queue that enqueue made is listed, and gone when it is deleted", async () => {
	const queue = client.queue({ queueName: "implicit" });
	await queue.enqueueJSON({ url: `${sink.url}/implicit`, body: { a: 1 } });
	assert.deepEqual((await queue.list()).map((q) => [q.name, q.parallelism]), [["implicit", 1]]);
	await queue.delete();
	assert.deepEqual(await queue.list(), []);
});

test("queue: enqueue and enqueueJSON take what publish takes, redaction included", async () => {
	const queue = client.queue({ queueName: "options" });
	const { messageId } = await queue.enqueue({
		url: `${sink.url}/options?x=1`,
		body: "secret",
		headers: { "X-A": "1" },
		retries: 1,
		label: "queued",
		redact: { body: true },
	});
	const m = await message(messageId);
	assert.deepEqual([m.queueName, m.maxRetries, m.label, m.header["X-A"]], ["options", 1, "queued", ["1"]]);
	assert.match(m.body, /^REDACTED:[0-9a-f]{64}$/);
	await until(() => to("/options?x=1").length === 1);
	assert.equal(to("/options?x=1")[0].body.toString(), "secret");
	await queue.delete();
});

test("queue: a bad name and a parallelism below 1 are refused by their names", async () => {
	await assert.rejects(client.queue({ queueName: "no spaces" }).upsert({}), (e) => e.status === 400 && /queueName/.test(e.message));
	await assert.rejects(client.queue({ queueName: "q" }).upsert({ parallelism: 0 }), (e) => e.status === 400 && /parallelism/.test(e.message));
	assert.equal((await s.call("POST", `/v2/enqueue/a%20b/${sink.url}/`)).status, 400);
	assert.deepEqual(await client.queue().list(), []);
});
