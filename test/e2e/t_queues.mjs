// What queues and flow control do to deliveries: order, parallelism, pause, rates, and what a restart keeps.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "@upstash/qstash";
import { Server, TOKEN, setup, tempDir, until } from "./lib.mjs";

const { sink, client, answers, to, bodies, delivered } = await setup();

/** Most requests to a path that were open at one time, when each takes `delay` ms. */
function gauge(path, delay) {
	const g = { now: 0, most: 0 };
	answers.set(path, () => {
		g.now++;
		g.most = Math.max(g.most, g.now);
		// The answer is sent at the end of the delay; the next may come at once after it.
		setTimeout(() => g.now--, delay - 1);
		return { delay };
	});
	return g;
}

test("queues: strictly one after the other, though the first is slow and fails once", async () => {
	const queue = client.queue({ queueName: "fifo" });
	answers.set("/fifo", (n) => {
		if (n === 1) return { status: 500, delay: 200 };
		if (n === 2) return { delay: 300 };
		return {};
	});
	const ids = [];
	for (let n = 0; n < 6; n++) {
		const { messageId } = await queue.enqueueJSON({
			url: `${sink.url}/fifo`,
			body: { n },
			retries: 1,
			retryDelay: "400",
		});
		ids.push(messageId);
	}
	assert.ok((await queue.get()).lag >= 5);
	await until(() => delivered(ids));
	assert.deepEqual(bodies("/fifo"), [0, 0, 1, 2, 3, 4, 5]);
	const [first, again, next] = to("/fifo");
	assert.ok(again.at - first.at >= 590, `the retry came after ${again.at - first.at} ms`);
	assert.ok(next.at - again.at >= 290, `the second came after ${next.at - again.at} ms`);
	await until(async () => (await queue.get()).lag === 0);
	await queue.delete();
});

test("queues: the next waits for the callback of the one before", async () => {
	const queue = client.queue({ queueName: "called" });
	answers.set("/called-back", () => ({ delay: 300 }));
	const ids = [];
	for (let n = 0; n < 2; n++) {
		const { messageId } = await queue.enqueueJSON({
			url: `${sink.url}/called`,
			body: { n },
			...(n === 0 ? { callback: `${sink.url}/called-back` } : {}),
		});
		ids.push(messageId);
	}
	await until(() => delivered(ids));
	const wait = to("/called")[1].at - to("/called-back")[0].at;
	assert.ok(wait >= 290, `it came ${wait} ms after the callback began`);
	await queue.delete();
});

test("queues: parallelism 2 is used and never exceeded; starts are in order", async () => {
	const queue = client.queue({ queueName: "two" });
	await queue.upsert({ parallelism: 2 });
	const g = gauge("/two", 60);
	const ids = [];
	for (let n = 0; n < 10; n++) {
		ids.push((await queue.enqueueJSON({ url: `${sink.url}/two`, body: { n } })).messageId);
	}
	await until(() => delivered(ids));
	assert.equal(g.most, 2);
	// Two that start together may arrive either way round.
	for (const [i, n] of bodies("/two").entries()) assert.ok(Math.abs(n - i) <= 1, String(bodies("/two")));
	await queue.delete();
});

test("queues: deleting one cancels what is in it", async () => {
	const queue = client.queue({ queueName: "dropped" });
	await queue.upsert({ parallelism: 1, paused: true });
	const ids = [];
	for (let n = 0; n < 3; n++) {
		ids.push((await queue.enqueueJSON({ url: `${sink.url}/dropped`, body: { n } })).messageId);
	}
	assert.equal((await queue.get()).lag, 3);
	await queue.delete();
	await until(async () => {
		const { logs } = await client.logs({ filter: { state: "CANCELED", messageIds: ids } });
		return logs.length === 3;
	});
	assert.deepEqual(await queue.list(), []);
	const { messageId } = await queue.enqueueJSON({ url: `${sink.url}/dropped`, body: { n: 9 } });
	await until(() => delivered([messageId]));
	assert.deepEqual(bodies("/dropped"), [9]);
	await queue.delete();
});

test("queues: a pause, the order and the parallelism survive a kill", async () => {
	const dir = tempDir();
	let server = await Server.start({ dir });
	const at = () => new Client({ baseUrl: server.url, token: TOKEN });
	let queue = at().queue({ queueName: "kept" });
	await queue.upsert({ parallelism: 1, paused: true });
	await at().flowControl.pin("kept", { parallelism: 3, rate: 20, period: 120 });
	for (let n = 0; n < 5; n++) await queue.enqueueJSON({ url: `${sink.url}/kept`, body: { n } });
	await server.kill();
	server = await Server.start({ dir });
	queue = at().queue({ queueName: "kept" });
	const q = await queue.get();
	assert.equal(q.paused, true);
	assert.equal(q.lag, 5);
	assert.equal((await at().flowControl.get("kept")).parallelismMax, 3);
	// Something else gets through, so that the pause is what holds the others.
	await at().publish({ url: `${sink.url}/kept-other`, body: "x" });
	await until(() => to("/kept-other").length === 1);
	assert.equal(to("/kept").length, 0);
	await queue.resume();
	await until(() => to("/kept").length === 5);
	assert.deepEqual(bodies("/kept"), [0, 1, 2, 3, 4]);
	await until(async () => (await queue.get()).lag === 0);
	await server.stop();
});

test("flow control: 15 messages at 5 a second take two whole windows, never 6 starts in one", async () => {
	const flowControl = { key: "rate", rate: 5, period: "1s" };
	const ids = [];
	for (let n = 0; n < 15; n++) {
		ids.push((await client.publishJSON({ url: `${sink.url}/rate`, body: { n }, flowControl })).messageId);
	}
	await until(() => delivered(ids));
	assert.deepEqual([...bodies("/rate")].sort((a, b) => a - b), [...Array(15).keys()]);
	const at = to("/rate").map((r) => r.at);
	assert.ok(at[14] - at[0] >= 1900, `all came within ${at[14] - at[0]} ms`);
	assert.ok(at[14] - at[0] < 4000, `they took ${at[14] - at[0]} ms`);
	// Windows are fixed and begin with a start: 5 at once, then 5 more when the window is over.
	for (const i of [5, 10]) assert.ok(at[i] - at[i - 5] >= 900, `${i}: ${at.map((t) => t - at[0])}`);
});

test("flow control: parallelism is used and never exceeded, across URLs and a queue", async () => {
	const g = gauge("/par", 50);
	const h = gauge("/par?2", 50);
	const flowControl = { key: "par", parallelism: 3 };
	const queue = client.queue({ queueName: "par" });
	let most = 0;
	const watch = setInterval(() => (most = Math.max(most, g.now + h.now)), 2);
	const published = Array.from({ length: 12 }, (_, n) => {
		const request = { url: `${sink.url}/par${n & 1 ? "?2" : ""}`, body: { n }, flowControl };
		return n % 4 ? client.publishJSON(request) : queue.enqueueJSON(request);
	});
	const ids = (await Promise.all(published)).map((m) => m.messageId);
	await until(() => delivered(ids));
	clearInterval(watch);
	assert.equal(most, 3);
	assert.ok(g.most <= 3 && h.most <= 3);
	assert.equal(to("/par").length + to("/par?2").length, 12);
	await queue.delete();
});

test("queues: a delayed message holds back those behind it", async () => {
	const queue = client.queue({ queueName: "delayed" });
	const ids = [];
	for (const [n, delay] of [[0, 1], [1, undefined]]) {
		ids.push((await queue.enqueueJSON({ url: `${sink.url}/delayed`, body: { n }, delay })).messageId);
	}
	await until(() => delivered(ids));
	assert.deepEqual(bodies("/delayed"), [0, 1]);
	await queue.delete();
});
