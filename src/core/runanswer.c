#include "core/runanswer.h"

#include "core/duration.h"
#include "core/headers.h"
#include "core/limits.h"
#include "core/options.h"
#include "core/runbody.h"
#include "core/url.h"

enum {
	VALUES_MAX = 100 * 1000,
	WAIT_DEFAULT_MS = 7 * 24 * 3600 * 1000,
	HEADER_BYTES_MAX = 256 * 1024, /* names and values */
	STEP_BYTES_MAX = 16 * 1024,    /* a step's name and type */
};

static struct str text(const struct json *v, struct str key)
{
	const struct json *m = json_get(v, key);

	return m != NULL && m->kind == JSON_STRING ? m->text : STR_NULL;
}

static struct headers canonical(struct arena *a, const struct headers *h)
{
	struct headers c = { arena_array(a, struct header, h->n + 1), h->n };

	for (size_t i = 0; i < h->n; i++)
		c.v[i] = (struct header){ header_canonical(a, h->v[i].name), h->v[i].value };
	return c;
}

/* The member of that name; none when it is absent. It is kept with whoever waits, so it has a limit. */
static bool headers_member(struct arena *a, const struct json *v, struct str key,
			   struct headers *ret_headers, struct problem *p)
{
	struct headers h;
	size_t bytes = 0;

	if (!headers_from_json(a, json_get(v, key), &h))
		return problem_set(p, 400,
				   "%.*s: an object of strings or arrays of them is allowed",
				   STR_FMT(key));
	for (size_t i = 0; i < h.n; i++)
		bytes += h.v[i].name.n + h.v[i].value.n;
	if (bytes > HEADER_BYTES_MAX)
		return problem_set(p, 412, "%.*s: %d bytes of names and values are allowed",
				   STR_FMT(key), HEADER_BYTES_MAX);
	*ret_headers = canonical(a, &h);
	return true;
}

/* The publish with these headers to that URL. */
static bool answer(struct arena *a, const struct runanswer_source *src, struct str url,
		   struct runanswer *r, struct problem *p)
{
	struct options_source os = {
		.header = src->header,
		.use = OPTIONS_BATCH_ITEM,
		.plan = src->plan,
		.now_ms = src->now_ms,
	};
	const char *why;
	struct options ignored;
	struct url u;

	if (!url_judge(url, &u, &why))
		return problem_set(p, 400, "invalid destination url: %s", why);
	r->msg = (struct msg){ .user = src->user, .url = u.whole, .created_ms = src->now_ms };
	if (!options_parse(a, &os, &r->msg, &ignored, p) || !runask_parse(&src->header, &r->ask, p))
		return false;
	r->msg.not_before_ms = src->now_ms;
	return true;
}

static bool parse(struct arena *a, const struct runanswer_source *src, const struct json **ret_json,
		  struct run_step *ret_step, struct problem *p)
{
	char error[96];
	const struct json *v = json_parse_bounded(a, src->body, VALUES_MAX, error);

	if (v == NULL || v->kind != JSON_OBJECT)
		return problem_set(p, 400, "the body must be a JSON object");
	if (!runbody_named_step(json_get(v, STR("step")), ret_step) || ret_step->id == 0)
		return problem_set(p, 400,
				   "step: an object with stepId, stepName and stepType is needed");
	if (ret_step->name.n + ret_step->type.n > STEP_BYTES_MAX)
		return problem_set(p, 412, "step: %d bytes of name and type are allowed",
				   STEP_BYTES_MAX);
	*ret_json = v;
	return true;
}

/* ---- waits ----------------------------------------------------------------------------------- */

static bool deadline(const struct json *v, const struct runanswer_source *src, int64_t *ret_ms,
		     struct problem *p)
{
	int64_t max_s = src->plan->delay_max_s ? src->plan->delay_max_s : LIMIT_DELAY_S;
	int64_t ms = WAIT_DEFAULT_MS;

	/* A number is seconds, as in text. */
	if (v != NULL && v->kind != JSON_NULL &&
	    ((v->kind != JSON_STRING && v->kind != JSON_NUMBER) || !duration_parse(v->text, &ms)))
		return problem_set(p, 400, "timeout: a duration is allowed, like 90s, 1h30m or 7d");
	if (ms > max_s * 1000)
		return problem_set(p, 412, "quota maxDelay exceeded, current limit: %lld",
				   (long long)max_s);
	*ret_ms = src->now_ms + ms;
	return true;
}

/* Only what is ours: the rest is about the connection. */
static struct headers own_headers(struct arena *a, const struct headers *h)
{
	struct headers own = { arena_array(a, struct header, h->n + 1), 0 };

	for (size_t i = 0; i < h->n; i++) {
		if (str_istarts(h->v[i].name, STR("Upstash-")) ||
		    str_ieq(h->v[i].name, STR("Content-Type")))
			own.v[own.n++] = h->v[i];
	}
	return canonical(a, &own);
}

static bool timed_out(struct arena *a, const struct runanswer_source *src, const struct json *v,
		      struct runanswer_wait *w, struct problem *p)
{
	struct runanswer_source late = *src;

	if (!headers_member(a, v, STR("timeoutHeaders"), &w->timeout_header, p))
		return false;
	late.header = w->timeout_header.n > 0 ? w->timeout_header : w->header;
	return answer(a, &late, w->timeout_url.n > 0 ? w->timeout_url : w->url, &w->timed_out, p);
}

bool runanswer_wait(struct arena *a, const struct runanswer_source *src,
		    struct runanswer_wait *ret_wait, struct problem *ret_problem)
{
	struct runanswer_wait w = { .header = own_headers(a, &src->header) };
	struct runanswer_source now = *src;
	const struct json *v = NULL;

	if (!parse(a, src, &v, &w.step, ret_problem) ||
	    !deadline(json_get(v, STR("timeout")), src, &w.deadline_ms, ret_problem))
		return false;
	w.url = text(v, STR("url"));
	w.timeout_url = text(v, STR("timeoutUrl"));
	if (json_get(v, STR("timeout")) != NULL)
		w.timeout = json_get(v, STR("timeout"))->text;
	w.is_webhook = str_eq(w.step.type, STR("WaitForWebhook"));
	now.header = w.header;
	if (!answer(a, &now, w.url, &w.notified, ret_problem) ||
	    !timed_out(a, src, v, &w, ret_problem))
		return false;
	if (w.notified.ask.kind == RUNASK_NONE)
		return problem_set(ret_problem, 400,
				   "Upstash-Workflow-RunId: is missing; " RUNASK_ID_ALLOWED);
	*ret_wait = w;
	return true;
}

/* ---- invocations ----------------------------------------------------------------------------- */

bool runanswer_invoke(struct arena *a, const struct runanswer_source *src,
		      struct runanswer_invoke *ret_invoke, struct problem *ret_problem)
{
	struct runanswer_invoke r = { 0 };
	struct runanswer_source parent = *src;
	const struct json *v = NULL, *created;
	int64_t created_ms;

	if (!parse(a, src, &v, &r.step, ret_problem))
		return false;
	if (!headers_member(a, v, STR("headers"), &parent.header, ret_problem))
		return false;
	if (!answer(a, &parent, text(v, STR("workflowUrl")), &r.parent, ret_problem))
		return false;
	r.body = text(v, STR("body"));
	r.parent.ask.run = text(v, STR("workflowRunId"));
	if (!runask_id_is_valid(r.parent.ask.run))
		return problem_set(ret_problem, 400, "workflowRunId: " RUNASK_ID_ALLOWED);
	created = json_get(v, STR("workflowRunCreatedAt"));
	if (created != NULL && json_i64(created, &created_ms) && created_ms > 0)
		r.parent.ask.created_ms = created_ms;
	*ret_invoke = r;
	return true;
}
