// The rows of the SDK's schedules tests. That they are triggered in time is tested where time can be set.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Server, setup, tempDir } from "./lib.mjs";

const { s, client } = await setup();

test("schedules: create, get, list, delete", async () => {
	const { scheduleId } = await client.schedules.create({
		destination: "https://example.com/",
		cron: "*/10 * * * * ",
		method: "GET",
		headers: { "Content-Type": "text/plain", "test-header": "value", "bypass-tunnel-reminder": "test" },
		body: "hello",
		retries: 5,
		delay: 10,
		callback: "https://example.com/cb",
		failureCallback: "https://example.com/fcb?x=y",
		queueName: "sched-q",
		label: "schedule-label",
		flowControl: { key: "k", parallelism: 10, rate: 5, period: "1d" },
		retryDelay: "1000 * retried",
	});
	assert.match(scheduleId, /^scd_/);
	const got = await client.schedules.get(scheduleId);
	assert.equal(got.scheduleId, scheduleId);
	assert.equal(got.cron, "*/10 * * * *");
	assert.equal(got.destination, "https://example.com/");
	assert.equal(got.method, "GET");
	assert.equal(got.body, "hello");
	assert.equal(got.retries, 5);
	assert.equal(got.delay, 10);
	assert.equal(got.callback, "https://example.com/cb");
	assert.equal(got.failureCallback, "https://example.com/fcb?x=y");
	assert.equal(got.queueName, "sched-q");
	assert.equal(got.label, "schedule-label");
	assert.equal(got.isPaused, false);
	assert.deepEqual(got.header, {
		"Bypass-Tunnel-Reminder": ["test"],
		"Content-Type": ["text/plain"],
		"Test-Header": ["value"],
	});
	assert.equal(got.flowControlKey, "k");
	assert.deepEqual([got.parallelism, got.rate, got.period], [10, 5, 86400]);
	assert.equal(got.retryDelayExpression, "1000 * retried");
	assert.deepEqual((await client.schedules.list()).map((x) => x.scheduleId), [scheduleId]);
	await client.schedules.delete(scheduleId);
	await assert.rejects(client.schedules.get(scheduleId), /not found/);
	assert.equal((await client.schedules.list()).length, 0);
});

test("schedules: pause and resume", async () => {
	const { scheduleId } = await client.schedules.create({ destination: "https://example.com", cron: "* * * * *" });
	const paused = async () => (await client.schedules.get(scheduleId)).isPaused;
	assert.equal(await paused(), false);
	await client.schedules.pause({ schedule: scheduleId });
	assert.equal(await paused(), true);
	await client.schedules.pause({ schedule: scheduleId });
	await client.schedules.resume({ schedule: scheduleId });
	assert.equal(await paused(), false);
	await client.schedules.delete(scheduleId);
});

test("schedules: an id that exists is overwritten", async () => {
	const scheduleId = "my-schedule";
	const one = { destination: "https://example.com/1", cron: "0 4 * * *", scheduleId, body: "old" };
	assert.equal((await client.schedules.create(one)).scheduleId, scheduleId);
	await client.schedules.create({ destination: "https://example.com/2", cron: "0 5 * * *", scheduleId });
	const list = await client.schedules.list();
	assert.equal(list.length, 1);
	assert.equal(list[0].destination, "https://example.com/2");
	assert.equal(list[0].body, undefined);
	await client.schedules.delete(scheduleId);
});

test("schedules: time zones by name, and errors", async () => {
	const cron = "CRON_TZ=America/New_York 0 4 * * *";
	const { scheduleId } = await client.schedules.create({ destination: "https://example.com", cron });
	const got = await client.schedules.get(scheduleId);
	assert.equal(got.cron, cron);
	const hour = new Intl.DateTimeFormat("en-US", { timeZone: "America/New_York", hour: "numeric", hourCycle: "h23" });
	assert.equal(Number(hour.format(new Date(got.nextScheduleTime))), 4);
	await client.schedules.delete(scheduleId);
	for (const bad of ["CRON_TZ=No/Where * * * * *", "61 * * * *", "* * * * * *", "nonsense"])
		await assert.rejects(client.schedules.create({ destination: "https://example.com", cron: bad }), /400|cron|invalid/i);
	assert.equal((await s.call("DELETE", "/v2/schedules/none")).status, 404);
});

test("schedules: they survive a restart, paused ones paused", async () => {
	const dir = tempDir();
	let own = await Server.start({ dir });
	const headers = { "Upstash-Cron": "0 0 1 1 *", "Upstash-Schedule-Id": "kept" };
	assert.equal((await own.call("POST", "/v2/schedules/https://example.com", { headers, body: "b" })).status, 200);
	assert.equal((await own.call("POST", "/v2/schedules/kept/pause")).status, 200);
	const was = (await own.call("GET", "/v2/schedules/kept")).json;
	assert.equal(was.isPaused, true);
	await own.stop();
	own = await Server.start({ dir });
	assert.deepEqual((await own.call("GET", "/v2/schedules/kept")).json, was);
	await own.stop();
});

test("schedules: a list holds exactly what was made", async () => {
	const make = (cron) => client.schedules.create({ destination: "https://example.com/", cron });
	const made = [await make("*/10 * * * *"), await make("0 0 * * MON")].map((r) => r.scheduleId);
	assert.deepEqual(new Set((await client.schedules.list()).map((x) => x.scheduleId)), new Set(made));
	for (const id of made) await client.schedules.delete(id);
	assert.deepEqual(await client.schedules.list(), []);
});

test("schedules: defaults are shown, and what was not given is absent", async () => {
	const { scheduleId } = await client.schedules.create({ destination: "https://example.com", cron: "1 1 1 1 1" });
	const { createdAt, nextScheduleTime, ...rest } = await client.schedules.get(scheduleId);
	assert.ok(Math.abs(createdAt - Date.now()) < 60_000 && nextScheduleTime > createdAt);
	assert.deepEqual(rest, {
		scheduleId,
		destination: "https://example.com",
		cron: "1 1 1 1 1",
		method: "POST",
		header: { "Content-Type": ["application/json"] },
		retries: 3,
		isPaused: false,
		callerIP: "127.0.0.1",
		callerIp: "127.0.0.1",
	});
	await client.schedules.delete(scheduleId);
});

test("schedules: several labels, redaction, and a url group that need not exist yet", async () => {
	const { scheduleId } = await client.schedules.create({
		destination: "some-group",
		cron: "0 0 1 1 *",
		label: ["s1", "s2"],
		body: "secret",
		headers: { "X-Secret": "secret", "X-Open": "open" },
		redact: { body: true, header: ["X-Secret"] },
	});
	const got = await client.schedules.get(scheduleId);
	assert.deepEqual([got.label, got.labels, got.destination], ["s1", ["s1", "s2"], "some-group"]);
	assert.match(got.body, /^REDACTED:/);
	assert.match(got.header["X-Secret"][0], /^REDACTED:/);
	assert.deepEqual(got.header["X-Open"], ["open"]);
	await client.schedules.delete(scheduleId);
});

test("schedules: empty ids are refused by the SDK", async () => {
	await assert.rejects(client.schedules.get(""), /cannot be empty/);
	await assert.rejects(client.schedules.delete(""), /cannot be empty/);
});
