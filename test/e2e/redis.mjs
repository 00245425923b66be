// redis.mjs - Redis servers of a test's own.
import { spawn, spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after } from "node:test";
import { tempDir, until } from "./lib.mjs";

export const installed = spawnSync("redis-server", ["--version"]).status === 0;
if (!installed) console.error("skipped, redis-server is not installed");

const running = new Set();
after(async () => {
	for (const redis of running) await redis.kill();
});

/** A durable Redis server of a test's own, on a socket. */
export class Redis {
	constructor() {
		this.dir = tempDir();
		this.socket = join(this.dir, "socket");
		this.url = `unix://${this.socket}`;
	}

	static async start(...args) {
		const redis = new Redis();
		await redis.start(...args);
		return redis;
	}

	/** Resolves when it answers: anything, if it need not have read its files. */
	async start({ args = [], loaded = true } = {}) {
		rmSync(this.socket, { force: true });
		const files = ["--dir", this.dir, "--save", "", "--appendonly", "yes", "--appendfsync", "always"];
		const where = ["--port", "0", "--unixsocket", this.socket, "--loglevel", "warning"];
		this.child = spawn("redis-server", [...where, ...files, ...args], { stdio: "ignore" });
		running.add(this);
		this.exited = new Promise((r) => this.child.on("exit", r));
		const answer = () => this.ask("PING").catch(() => "");
		await until(async () => (loaded ? /^(\+PONG|-NOAUTH)/ : /^[+-]/).test(await answer()), 20_000, "redis-server does not answer");
	}

	/** The first line of its answer to a command. */
	ask(command) {
		return new Promise((resolve, reject) => {
			const conn = connect(this.socket, () => conn.write(`${command}\r\n`));
			let text = "";
			conn.on("data", (d) => {
				text += d;
				if (!text.includes("\r\n")) return;
				resolve(text.split("\r\n")[0]);
				conn.destroy();
			});
			conn.on("error", reject);
			conn.on("end", () => reject(new Error("no answer")));
		});
	}

	async kill() {
		if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill("SIGKILL");
		await this.exited;
		running.delete(this);
	}
}
