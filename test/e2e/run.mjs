// run.mjs - runs every t_*.mjs here against the built server; the last line counts the tests.
// Usage: QSTASH_BIN=build/qstash node run.mjs [part of a file name]
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
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
const stream = run({ files, concurrency: 3, timeout: 180_000 });

stream.on("test:pass", (t) => {
	if (isFile(t.name) || t.skip !== undefined) return;
	passed++;
	console.log(`ok   ${t.name}`);
});
stream.on("test:fail", (t) => {
	// A file that fails only because of its tests has been counted through them.
	if (isFile(t.name) && t.details?.error?.failureType === "subtestsFailed") return;
	failed++;
	console.log(`FAIL ${t.name}\n${t.details?.error?.cause?.stack ?? t.details?.error?.stack}`);
});
// The SDKs tell there of every request that is refused, and many are meant to be.
stream.on("test:stderr", (t) => {
	if (!/^\s*\[Upstash (QStash|Workflow)\]/.test(t.message)) process.stderr.write(t.message);
});
stream.on("end", () => {
	console.log(`${passed} passed, ${failed} failed`);
	process.exit(failed || !passed ? 1 : 0);
});
stream.resume();
