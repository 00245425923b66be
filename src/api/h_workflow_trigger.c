/* h_workflow_trigger.c - runs that the server starts on request: POST /v2/trigger and /v2/batch/trigger
 * (workflow spec 4.2, 4.3).
 *
 * The request says what is to run and how; what an SDK would have said of the run itself the server adds.
 */
#include <string.h>

#include "api/body.h"
#include "api/handlers.h"
#include "api/quotas.h"
#include "api/runitem.h"
#include "base/check.h"
#include "base/codec.h"

enum { ITEMS_MAX = 1000, RUN_ID_CHARS = 21 };

struct trigger {
	struct call *call;
	struct runitems runs;
	bool is_batch;
	struct problem problem;
};

/* ---- answering ------------------------------------------------------------------------------- */

static void write_run(struct json_out *j, const struct run_publish *p, bool is_batch)
{
	const struct run_item *item = &p->item[0];

	json_open(j, '{');
	json_kstr(j, STR("workflowRunId"), item->ask.run);
	json_kint(j, STR("workflowCreatedAt"), p->created_ms);
	if (is_batch)
		json_kbool(j, STR("deduplicated"), item->duplicate);
	json_close(j, '}');
}

static void triggered(struct runitems *r)
{
	struct trigger *t = container_of(r, struct trigger, runs);
	struct json_out j;

	if (r->problem.status != 0) {
		quotas_fail(t->call, &r->problem);
		return;
	}
	j = call_json(t->call);
	if (t->is_batch)
		json_open(&j, '[');
	for (size_t i = 0; i < r->publishes; i++)
		write_run(&j, &r->publish[i], t->is_batch);
	if (t->is_batch)
		json_close(&j, ']');
	call_answer(t->call, t->is_batch ? 201 : 200);
}

/* ---- making a run ---------------------------------------------------------------------------- */

/* "wfr_" and 21 characters. */
static struct str new_id(struct call *c)
{
	uint64_t random[2] = { engine_random(c->engine), engine_random(c->engine) };
	char text[2 * B58_U64_LEN];

	b58_u64(text, random[0]);
	b58_u64(text + B58_U64_LEN, random[1]);
	return arena_fmt(call_arena(c), "wfr_%.*s", RUN_ID_CHARS, text);
}

static struct headers with_defaults(struct arena *a, const struct item_source *src)
{
	static const struct header defaults[] = {
		{ { "Upstash-Workflow-Init", 21 }, { "true", 4 } },
		{ { "Upstash-Workflow-Runid", 22 }, { NULL, 0 } },
		{ { "Upstash-Feature-Set", 19 },
		  { "LazyFetch,InitialBody,WF_DetectTrigger,WF_TriggerOnConfig", 57 } },
		{ { "Upstash-Failure-Callback", 24 }, { NULL, 0 } },
	};
	struct headers h = { arena_array(a, struct header, src->header.n + countof(defaults)), 0 };

	for (size_t i = 0; i < src->header.n; i++) {
		bool is_default = false;

		for (size_t k = 0; k < countof(defaults); k++)
			is_default = is_default || str_ieq(src->header.v[i].name, defaults[k].name);
		/* It asks for no step, whatever it says. */
		if (!is_default && !str_istarts(src->header.v[i].name, STR("Upstash-Workflow-")))
			h.v[h.n++] = src->header.v[i];
	}
	for (size_t k = 0; k < countof(defaults); k++)
		h.v[h.n++] = defaults[k];
	return h;
}

static void set(struct headers *h, struct str name, struct str value)
{
	for (size_t i = 0; i < h->n; i++) {
		if (str_ieq(h->v[i].name, name))
			h->v[i].value = value;
	}
}

/* Makes it what the SDK's own trigger would have sent. */
static bool add_run(struct trigger *t, struct item_source *src)
{
	struct call *c = t->call;
	struct headers given = src->header;
	struct str id = str_trim(headers_get(&given, STR("Upstash-Workflow-RunId")));
	struct str failure = str_trim(headers_get(&given, STR("Upstash-Failure-Callback")));
	struct str unknown = str_trim(headers_get(&given, STR("Upstash-Workflow-Unknown-Sdk")));
	struct str url = src->destination;
	struct runask ask;
	size_t index;

	if (src->query.n > 0)
		url = arena_fmt(call_arena(c), "%.*s?%.*s", STR_FMT(url), STR_FMT(src->query));
	src->header = with_defaults(call_arena(c), src);
	set(&src->header, STR("Upstash-Workflow-Runid"), id.n > 0 ? id : new_id(c));
	set(&src->header, STR("Upstash-Failure-Callback"), failure.n > 0 ? failure : url);
	if (!runitem_ask(src, &ask, &t->problem))
		return false;
	ask.unknown_sdk = ask.unknown_sdk || str_ieq(unknown, STR("true"));
	if (!runitem_add(&t->runs, src, &ask, &index, &t->problem))
		return false;
	t->runs.item[index].rest = true;
	return true;
}

static struct trigger *trigger_new(struct call *c, size_t items, bool is_batch)
{
	struct trigger *t = arena_new(call_arena(c), struct trigger);

	t->call = c;
	t->is_batch = is_batch;
	runitem_init(&t->runs, c, items);
	t->runs.done = triggered;
	return t;
}

void h_workflow_trigger(struct call *c)
{
	struct trigger *t = trigger_new(c, 1, false);
	struct item_source src = {
		.destination = c->rest,
		.query = c->req->query,
		.header = item_request_headers(c),
		.body = c->req->body,
		.use = OPTIONS_PUBLISH,
	};

	if (add_run(t, &src))
		runitem_send(&t->runs);
	else
		call_fail(c, &t->problem);
}

/* ---- several --------------------------------------------------------------------------------- */

void h_workflow_trigger_batch(struct call *c)
{
	struct trigger *t = trigger_new(c, ITEMS_MAX, true);
	struct body_batch batch;

	if (!body_read_batch(call_arena(c), c->req->body, &batch, &t->problem)) {
		call_fail(c, &t->problem);
		return;
	}
	if (batch.n == 0 || batch.n > ITEMS_MAX) {
		call_refuse(c, 400, "the body must be a JSON array of 1 to 1000 runs to start");
		return;
	}
	for (size_t i = 0; i < batch.n; i++) {
		if (!add_run(t, &batch.item[i])) {
			call_fail(c, &t->problem);
			return;
		}
	}
	runitem_send(&t->runs);
}
