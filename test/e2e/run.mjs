// run.mjs - runs every t_*.mjs here against the built server, and those of workflows a second time against the server on
// Redis; the last line counts the tests.
// Usage: QSTASH_BIN=build/qstash node run.mjs [part of a file name]
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "node:test";

const here = dirname(fileURLToPath(import.meta.url));
const only = process.argv[2] ?? "";
const files = readdirSync(here)
	.filter((f) => f.startsWith("t_") && f.endsWith(".mjs") && f.includes(only))
	.sort()
	.map((f) => join(here, f));

let passed = 0;
let failed = 0;
const isFile = (name) => files.includes(name) || files.includes(join(process.cwd(), name));

/** Runs files; resolves when they have ended. */
function pass(files, label = "") {
	const stream = run({ files, concurrency: 3, timeout: 600_000 });
	stream.on("test:pass", (t) => {
		if (isFile(t.name) || t.skip !== undefined) return;
		passed++;
		console.log(`ok   ${label}${t.name}`);
	});
	stream.on("test:fail", (t) => {
		// A file that fails only because of its tests has been counted through them.
		if (isFile(t.name) && t.details?.error?.failureType === "subtestsFailed") return;
		failed++;
		console.log(`FAIL ${label}${t.name}\n${t.details?.error?.cause?.stack ?? t.details?.error?.stack}`);
	});
	// The SDKs tell there of every request that is refused, and many are meant to be.
	stream.on("test:stderr", (t) => {
		if (!/^\s*\[Upstash (QStash|Workflow)\]/.test(t.message)) process.stderr.write(t.message);
	});
	const end = new Promise((resolve) => stream.on("end", resolve));
	stream.resume();
	return end;
}

await pass(files);
const workflows = files.filter((f) => basename(f).startsWith("t_workflow"));
if (workflows.length > 0 && spawnSync("redis-server", ["--version"]).status === 0) {
	// The programs inherit it: see lib.mjs.
	process.env.E2E_STORE = "redis";
	await pass(workflows, "redis: ");
} else if (workflows.length > 0) {
	console.error("workflows on Redis: skipped, redis-server is not installed");
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed || !passed ? 1 : 0);
