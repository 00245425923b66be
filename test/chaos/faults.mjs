// faults.mjs - what is done to a world while it is under load. Each goes on until `until` (Unix ms) and returns what it
// did to messages, and when; `count` is how often it did it.

const pause = (ms) => new Promise((r) => setTimeout(r, ms));
const pick = (list) => list[Math.floor(Math.random() * list.length)];

function signal(pid, name) {
	try {
		process.kill(pid, name);
		return true;
	} catch {
		return false; // it has ended meanwhile
	}
}

async function every(ms, until, act) {
	const faults = [];
	while (Date.now() + ms < until) {
		await pause(ms);
		const fault = await act();
		if (fault) faults.push(fault);
	}
	return Object.assign(faults, { count: faults.length });
}

export const FAULTS = {
	/** Nothing. */
	none: async (w, until) => {
		await pause(Math.max(0, until - Date.now()));
		return Object.assign([], { count: 0 });
	},

	/** A compute process is killed every 2 s. */
	kill: (w, until) =>
		every(2000, until, async () => {
			const pid = pick(w.compute());
			return pid && signal(pid, "SIGKILL") ? { at: Date.now() } : null;
		}),

	/** A compute process is stopped for longer than a lease, goes on, and so does the next. */
	stop: (w, until) =>
		every(1000, until, async () => {
			const pid = pick(w.compute());
			const at = Date.now();
			if (!pid || !signal(pid, "SIGSTOP")) return null;
			await pause(w.lease_ms + 3000);
			signal(pid, "SIGCONT");
			return { at, end: Date.now() };
		}),

	/** A database is killed every 15 s, and started again at once. */
	database: async (w, until) => {
		let n = 0;
		return every(Math.min(15_000, Math.max(2000, (until - Date.now()) / 3)), until, async () => {
			const redis = w.redis[n++ % w.redis.length];
			const at = Date.now();
			await redis.kill();
			await redis.start();
			return { at, end: Date.now() };
		});
	},

	/** A log process is killed every 2 s: no reason for a message to come twice. */
	logs: async (w, until) => {
		let count = 0;
		await every(2000, until, async () => {
			const pid = pick(w.logs());
			if (pid && signal(pid, "SIGKILL")) count++;
		});
		return Object.assign([], { count });
	},

	/** All processes are replaced, one after the other, and again when that is done. */
	roll: async (w, until) => {
		let rolls = 0;
		while (Date.now() < until || rolls === 0) {
			const before = new Set(w.compute());
			signal(w.server.child.pid, "SIGHUP");
			const isDone = () => {
				const now = w.compute();
				return now.length === before.size && now.every((pid) => !before.has(pid));
			};
			for (let i = 0; !isDone(); i++) {
				if (i > 600) throw new Error("a rolling restart does not end");
				await pause(200);
			}
			rolls++;
			await pause(500);
		}
		return Object.assign([], { count: rolls });
	},
};
