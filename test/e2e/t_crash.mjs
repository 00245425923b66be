// Killed at full speed, five times: what was accepted arrives; only what was in flight may come twice.
import assert from "node:assert/strict";
import { Agent, request } from "node:http";
import { test } from "node:test";
import { Server, Sink, TOKEN, tempDir, until } from "./lib.mjs";

const MESSAGES = 2000;
const KILLS = 5;
const AT_ONCE = 32;

test("crash: 2,000 publishes, five SIGKILLs: every accepted message arrives", { timeout: 120_000 }, async () => {
	const sink = await Sink.start();
	const dir = tempDir();
	let server = await Server.start({ dir });
	const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
	const accepted = new Map(); // message id -> body
	let next = 0;
	let running = true;

	const publish = (i) =>
		new Promise((resolve) => {
			const req = request(
				{
					agent,
					port: server.port,
					host: "127.0.0.1",
					method: "POST",
					path: `/v2/publish/${sink.url}/crash`,
					headers: { authorization: `Bearer ${TOKEN}`, "Upstash-Retry-Delay": "200" },
				},
				(res) => {
					let text = "";
					res.on("data", (d) => (text += d));
					res.on("end", () => {
						if (res.statusCode === 200) accepted.set(JSON.parse(text).messageId, String(i));
						resolve(res.statusCode === 200);
					});
					res.on("error", () => resolve(false));
				},
			);
			req.on("error", () => resolve(false));
			req.end(String(i));
		});
	const worker = async () => {
		while (running && next < MESSAGES) {
			const i = next++;
			while (running && !(await publish(i))) await new Promise((r) => setTimeout(r, 10));
		}
	};
	const workers = Array.from({ length: AT_ONCE }, worker);

	for (let k = 1; k <= KILLS; k++) {
		await until(() => accepted.size >= (MESSAGES * k) / (KILLS + 1), 30_000, "publishing stalled");
		await server.kill();
		server = await Server.start({ dir, args: ["-region", `process-${k}`] });
	}
	await Promise.all(workers);
	running = false;

	const ids = () => sink.requests.map((r) => r.headers["upstash-message-id"]);
	const allArrived = () => {
		const arrived = new Set(ids());
		return [...accepted.keys()].every((id) => arrived.has(id));
	};
	await until(allArrived, 30_000, "accepted messages are missing");
	// Twice only by two processes: the first was killed before it had recorded the end.
	const arrived = new Set();
	for (const r of sink.requests) {
		const once = `${r.headers["upstash-message-id"]} by ${r.headers["upstash-region"]}`;
		assert.ok(!arrived.has(once), `${once} (attempt ${r.headers["upstash-retried"]})`);
		arrived.add(once);
	}
	for (const r of sink.requests) {
		const body = accepted.get(r.headers["upstash-message-id"]);
		if (body !== undefined) assert.equal(r.body.toString(), body);
	}
	assert.equal(accepted.size >= MESSAGES, true);
	await until(async () => {
		const left = await server.call("DELETE", "/v2/messages");
		return left.json?.cancelled === 0;
	}, 15_000, "messages were left in the store");
	agent.destroy();
	await server.stop();
	await sink.stop();
});
