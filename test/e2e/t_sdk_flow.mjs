// The rows of the SDK's flow-control tests: looking at keys and changing them. What limits do is in t_queues.mjs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setup, until } from "./lib.mjs";

const { s, sink, client, answers, to, delivered } = await setup();

test("flow: get right after publish, pause, pin, unpin, resetRate, resume", async () => {
	const key = "user/1 two";
	const path = encodeURIComponent(key);
	const { messageId } = await client.publishJSON({
		url: `${sink.url}/flow`,
		body: { n: 0 },
		flowControl: { key, parallelism: 5, rate: 10, period: "1m" },
	});
	let info = await client.flowControl.get(path);
	assert.equal(info.flowControlKey, key);
	assert.deepEqual([info.parallelismMax, info.rateMax, info.ratePeriod], [5, 10, 60]);
	for (const k of ["waitListSize", "parallelismCount", "rateCount", "ratePeriodStart"]) {
		assert.equal(typeof info[k], "number", k);
	}
	assert.deepEqual([info.isPaused, info.isPinnedParallelism, info.isPinnedRate], [false, false, false]);
	await until(() => delivered([messageId]));
	assert.equal((await client.flowControl.get(path)).rateCount, 1);
	await client.flowControl.pause(path);
	const more = await client.publishJSON({
		url: `${sink.url}/flow`,
		body: { n: 1 },
		flowControl: { key, parallelism: 5, rate: 10, period: "1m" },
	});
	info = await client.flowControl.get(path);
	assert.deepEqual([info.isPaused, info.waitListSize, info.rateCount], [true, 1, 1]);
	await client.flowControl.resetRate(path);
	assert.equal((await client.flowControl.get(path)).rateCount, 0);
	await client.flowControl.pin(path, { parallelism: 3, rate: 20, period: 120 });
	info = await client.flowControl.get(path);
	assert.deepEqual([info.parallelismMax, info.rateMax, info.ratePeriod], [3, 20, 120]);
	assert.deepEqual([info.isPinnedParallelism, info.isPinnedRate], [true, true]);
	await client.flowControl.unpin(path, { parallelism: true });
	info = await client.flowControl.get(path);
	assert.deepEqual([info.isPinnedParallelism, info.isPinnedRate], [false, true]);
	await client.flowControl.unpin(path, { rate: true });
	assert.equal((await client.flowControl.get(path)).isPinnedRate, false);
	assert.equal(to("/flow").length, 1);
	await client.flowControl.resume(path);
	await until(() => delivered([more.messageId]));
	assert.equal((await s.call("GET", "/v2/flowControl?search=1%20t")).json.length, 1);
	await assert.rejects(client.flowControl.get("nobody"), (e) => e.status === 404);
});

test("flow: every field has its type at once, for a key with a rate only", async () => {
	const flowControl = { key: "typed", rate: 5 };
	await client.publish({ url: `${sink.url}/typed`, body: "x", flowControl });
	const info = await client.flowControl.get("typed");
	const types = Object.fromEntries(Object.entries(info).map(([k, v]) => [k, typeof v]));
	assert.deepEqual(types, {
		flowControlKey: "string",
		waitListSize: "number",
		parallelismMax: "number",
		parallelismCount: "number",
		rateMax: "number",
		rateCount: "number",
		ratePeriod: "number",
		ratePeriodStart: "number",
		isPaused: "boolean",
		isPinnedParallelism: "boolean",
		isPinnedRate: "boolean",
	});
	assert.deepEqual([info.parallelismMax, info.rateMax, info.ratePeriod], [0, 5, 1]);
	const seconds = Date.now() / 1000;
	await until(async () => (await client.flowControl.get("typed")).ratePeriodStart > seconds - 60);
	assert.ok((await client.flowControl.get("typed")).ratePeriodStart <= seconds + 60);
});

test("flow: a paused key keeps a message waiting; after resetRate and resume it starts", async () => {
	const flowControl = { key: "held", rate: 1, period: "1h" };
	const publish = (n) => client.publishJSON({ url: `${sink.url}/held`, body: { n }, flowControl });
	const first = await publish(1);
	await until(() => delivered([first.messageId]));
	await client.flowControl.pause("held");
	const second = await publish(2);
	const info = await client.flowControl.get("held");
	assert.deepEqual([info.isPaused, info.waitListSize, info.rateCount], [true, 1, 1]);
	await client.flowControl.resetRate("held");
	assert.equal((await client.flowControl.get("held")).rateCount, 0);
	assert.equal(to("/held").length, 1);
	await client.flowControl.resume("held");
	assert.equal((await client.flowControl.get("held")).isPaused, false);
	await until(() => delivered([second.messageId]));
});

test("flow: pinned numbers hold against messages until they are unpinned, one kind at a time", async () => {
	const publish = (parallelism, rate) =>
		client.publish({ url: `${sink.url}/pinned`, body: "x", flowControl: { key: "pinned", parallelism, rate } });
	const limits = async () => {
		const i = await client.flowControl.get("pinned");
		return [i.parallelismMax, i.rateMax, i.ratePeriod];
	};
	await client.flowControl.pin("pinned", { parallelism: 3, rate: 20, period: 120 });
	await publish(7, 8);
	assert.deepEqual(await limits(), [3, 20, 120]);
	await client.flowControl.unpin("pinned", { parallelism: true });
	await publish(7, 8);
	assert.deepEqual(await limits(), [7, 20, 120]);
	await client.flowControl.unpin("pinned", { rate: true });
	await publish(7, 8);
	assert.deepEqual(await limits(), [7, 8, 1]);
});

test("flow: values that cannot be are refused by their names", async () => {
	const cases = [
		["pin?parallelism=0", /parallelism/],
		["pin?rate=x", /rate/],
		["pin?rate=1&period=604801", /period/],
		["pin?period=5", /period/],
		["pin", /parallelism or rate/],
		["unpin?rate=maybe", /rate/],
	];
	for (const [what, words] of cases) {
		const r = await s.call("POST", `/v2/flowControl/k/${what}`);
		assert.equal(r.status, 400, what);
		assert.match(r.json.error, words);
	}
	for (const what of ["resume", "resetRate", "reset", "unpin?rate=true"]) {
		assert.equal((await s.call("POST", `/v2/flowControl/never-seen/${what}`)).status, 404, what);
	}
});

test("flow: the global parallelism: the plan's number, and what runs now", async () => {
	answers.set("/long", () => ({ delay: 400 }));
	const none = await client.flowControl.getGlobalParallelism();
	assert.deepEqual(none, { parallelismMax: 100, parallelismCount: 0 });
	const { messageId } = await client.publish({ url: `${sink.url}/long`, body: "x" });
	await until(() => to("/long").length === 1);
	assert.equal((await client.flowControl.getGlobalParallelism()).parallelismCount, 1);
	await until(() => delivered([messageId]));
	assert.equal((await client.flowControl.getGlobalParallelism()).parallelismCount, 0);
});
