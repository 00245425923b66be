// workflow_app.mjs - an app with workflow endpoints: routes made by an SDK's `serve`, and what reached them.
import { createServer } from "node:http";
import { after } from "node:test";
import * as newest from "@upstash/workflow";
import { serveMany } from "@upstash/workflow/cloudflare";
import { Client as QStash } from "@upstash/qstash";
import { until } from "./lib.mjs";

const started = new Set();
after(async () => {
	for (const a of started) await a.end();
});

/** Whatever a request was, as the SDK wants it. */
async function toRequest(req, base) {
	const chunks = [];
	for await (const c of req) chunks.push(c);
	const body = Buffer.concat(chunks);
	const headers = new Headers();
	for (let i = 0; i < req.rawHeaders.length; i += 2) headers.append(req.rawHeaders[i], req.rawHeaders[i + 1]);
	const hasBody = req.method !== "GET" && req.method !== "HEAD";
	return { request: new Request(base + req.url, { method: req.method, headers, body: hasBody ? body : undefined }), body };
}

/** The groups of a run's log, in a line each. */
export const shape = (run) =>
	run.steps.map((g) => `${g.type}: ${g.steps.map((x) => `${x.stepName ?? ""} ${x.stepType ?? ""} ${x.state}`.trim()).join(", ")}`);

export class App {
	static async start(server, sdk = newest) {
		const a = new App();
		a.server = server;
		a.sdk = sdk;
		a.routes = new Map();
		a.calls = [];
		a.results = new Map();
		a.qstash = new QStash({ baseUrl: server.url, token: server.token });
		a.client = new sdk.Client({ baseUrl: server.url, token: server.token });
		started.add(a);
		a.http = createServer((req, res) => a.#take(req, res).catch((e) => res.writeHead(599).end(String(e.stack))));
		await new Promise((r) => a.http.listen(0, "127.0.0.1", r));
		a.url = `http://127.0.0.1:${a.http.address().port}`;
		return a;
	}

	async #take(req, res) {
		const path = req.url.split("?")[0];
		const { request, body } = await toRequest(req, this.url);
		this.calls.push({ path, headers: req.headers, body, at: Date.now() });
		const handler = this.routes.get(path);
		if (!handler) return res.writeHead(404).end("no such route");
		const answer = await handler(request);
		const bytes = Buffer.from(await answer.arrayBuffer());
		res.writeHead(answer.status, Object.fromEntries(answer.headers));
		res.end(bytes);
	}

	/** A workflow. Every delivery must carry the header that was given when the run was started. */
	workflow(path, fn, options = {}) {
		const checked = async (context) => {
			if (!options.direct && !context.headers.get("ci-test-id")) throw new Error("the user's header is missing");
			return fn(context);
		};
		const { direct, ...rest } = options;
		const { handler } = this.sdk.serve(checked, {
			qstashClient: this.qstash,
			env: {},
			url: this.url + path,
			receiver: undefined,
			...rest,
		});
		this.routes.set(path, handler);
		return this.url + path;
	}

	/** Workflows that invoke each other: a folder of routes, named as the SDK looks for them. */
	many(folder, workflows, options = {}) {
		const { fetch: handler } = serveMany(workflows, { qstashClient: this.qstash, receiver: undefined, ...options });
		for (const name of Object.keys(workflows)) this.routes.set(`${folder}/${name}`, (request) => handler(request, {}));
	}

	/** Anything else. */
	route(path, handler) {
		this.routes.set(path, handler);
		return this.url + path;
	}

	async trigger(path, options = {}) {
		const { headers, ...rest } = options;
		const { workflowRunId } = await this.client.trigger({
			url: this.url + path,
			headers: { "Ci-Test-Id": "test", "Ci-Test-Route": path, ...headers },
			retries: 0,
			...rest,
		});
		return workflowRunId;
	}

	count(path) {
		return this.calls.filter((c) => c.path === path).length;
	}

	/** Of all routes of a folder. */
	countAll(folder) {
		return this.calls.filter((c) => c.path.startsWith(`${folder}/`)).length;
	}

	/** The log of a run, once it has come to a state. */
	async run(id, state) {
		return until(async () => {
			const [run] = (await this.client.logs({ workflowRunId: id })).runs;
			return run?.workflowState === state && run;
		}, 90_000, `${id} did not come to ${state}`);
	}

	/** Until the function has set its result, and nothing else comes for a while: the number of calls is final. */
	async result(path, calls, ms = 90_000) {
		await until(() => this.results.has(path), ms, `no result of ${path}`);
		await until(() => this.count(path) >= calls, ms, `${path} was called ${this.count(path)} times, not ${calls}`);
		await this.server.idle();
		return { result: this.results.get(path), calls: this.count(path) };
	}

	async end() {
		if (!this.http.listening) return;
		this.http.closeAllConnections();
		await new Promise((r) => this.http.close(r));
	}
}
