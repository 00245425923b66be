// chaos.mjs - the proof of several processes: faults under load, and what must hold all the same.
//
// Usage: QSTASH_BIN=build/qstash node test/chaos/chaos.mjs [--seconds N] [--rate N] [--only kill,stop,database,logs,roll]
// [--lease S] [--processes N] [--databases N] [--users N] [--logs N]
//
// Lost 0 in each; duplicates 0 in the rolling restart, below 1 % otherwise and only of messages in flight; taken over
// within lease + 5 s; no parallelism exceeded. The numbers of each are printed as a line of JSON.
import { parseArgs } from "node:util";
import { test } from "node:test";
import { FAULTS } from "./faults.mjs";
import { World, complaints, judge, judgeLog } from "./world.mjs";

const { values } = parseArgs({
	options: {
		seconds: { type: "string", default: "180" },
		rate: { type: "string", default: "500" },
		lease: { type: "string", default: "15" },
		only: { type: "string", default: "kill,stop,database,logs,roll" },
		processes: { type: "string", default: "3" },
		databases: { type: "string", default: "2" },
		users: { type: "string", default: "20" },
		logs: { type: "string", default: "2" },
	},
});
const seconds = Number(values.seconds);

/** The rules that a scenario has broken, in words. */
function broken(name, r, lease_ms) {
	const rules = [
		[r.lost === 0, `${r.lost} messages are lost`],
		[r.running === 0, `${r.running} slots did not come back`],
		[r.exceeded === 0, `a parallelism was exceeded ${r.exceeded} times: ${JSON.stringify(r.most)}`],
		[r.unexplained === 0, `${r.unexplained} messages came twice for no reason`],
		[r.duplicates_percent < 1, `${r.duplicates_percent} % came twice`],
		[r.takeover_ms <= lease_ms + 5000, `taken over after ${r.takeover_ms} ms`],
		// So long after the end of load and faults, nothing is left of what the dead had at work.
		[r.settled_ms <= lease_ms + 5000, `all was settled only after ${r.settled_ms} ms`],
		[name !== "roll" || (r.failed === 0 && r.duplicates === 0), `${r.failed} requests failed, ${r.duplicates} came twice`],
		[r.not_logged === 0 && r.logged_twice === 0, `${r.not_logged} not in the log, ${r.logged_twice} twice`],
		[r.complaints === 0, `${r.complaints} complaints in the server's log`],
	];
	return rules.filter(([holds]) => !holds).map(([, text]) => text);
}

for (const name of values.only.split(",")) {
	test(`chaos: ${name}`, { timeout: (seconds + 300) * 1000 }, async () => {
		const world = await World.start({
			processes: Number(values.processes),
			databases: Number(values.databases),
			users: Number(values.users),
			lease: Number(values.lease),
			logs: Number(values.logs),
		});
		const load = world.publish(Number(values.rate));
		const faults = await FAULTS[name](world, Date.now() + seconds * 1000);
		await load.stop();
		const before = Date.now();
		const left = await load.settle(world.lease_ms + 120_000);
		const settled_ms = Date.now() - before;
		const r = { ...judge(world, load, faults, left), settled_ms };
		r.faults = faults.count;
		Object.assign(r, await judgeLog(world, load));
		r.complaints = complaints(world).length;
		if (name === "roll" && load.failures.length > 0) r.why = load.failures.slice(0, 5);
		console.log(JSON.stringify({ scenario: name, ...r }));
		const rules = broken(name, r, world.lease_ms);
		await world.stop();
		if (rules.length > 0) throw new Error(rules.join("; "));
	});
}
