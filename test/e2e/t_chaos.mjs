// The short form of test/chaos: rolling restarts, kills, stops and dying databases under load.
import assert from "node:assert/strict";
import { test } from "node:test";
import { FAULTS } from "../chaos/faults.mjs";
import { World, complaints, judge, judgeLog } from "../chaos/world.mjs";
import { Redis } from "./lib.mjs";

const installed = Redis.isInstalled();

if (!installed) console.error("t_chaos: skipped, redis-server is not installed");
const options = { skip: !installed, timeout: 170_000 };
const LEASE_S = 5;

test("processes: chaos in short: rolling restarts, then kills, stops and a database that dies", options, async () => {
	const w = await World.start({ processes: 3, databases: 2, users: 4, lease: LEASE_S, logs: 2 });
	const phase = async (names, seconds) => {
		const load = w.publish(80);
		const faults = [];
		for (const name of names) faults.push(...(await FAULTS[name](w, Date.now() + seconds * 1000)));
		await load.stop();
		const r = judge(w, load, faults, await load.settle(60_000));
		return Object.assign(r, await judgeLog(w, load));
	};
	const must = (r) => {
		assert.equal(r.lost, 0, JSON.stringify(r));
		assert.equal(r.running, 0, JSON.stringify(r));
		assert.equal(r.unexplained, 0, JSON.stringify(r));
		assert.equal(r.exceeded, 0, JSON.stringify(r));
		assert.equal(r.not_logged, 0, JSON.stringify(r));
		assert.equal(r.logged_twice, 0, JSON.stringify(r));
	};

	const rolled = await phase(["roll"], 1);
	must(rolled);
	assert.equal(rolled.failed, 0, JSON.stringify(rolled));
	assert.equal(rolled.duplicates, 0, JSON.stringify(rolled));
	must(await phase(["kill", "stop", "database", "logs"], 6));
	assert.deepEqual(complaints(w), []);
	assert.deepEqual(await w.stop(), { code: 0, signal: null });
});

