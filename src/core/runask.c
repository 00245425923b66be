#include "core/runask.h"

#include "core/limits.h"
#include "core/options.h"

uint32_t runask_features(struct str list)
{
	static const struct {
		struct str name;
		uint32_t bit;
	} known[] = {
		{ { "LazyFetch", 9 }, RUNASK_LAZY_FETCH },
		{ { "InitialBody", 11 }, RUNASK_INITIAL_BODY },
		{ { "WF_NoDelete", 11 }, RUNASK_NO_DELETE },
		{ { "WF_DetectTrigger", 16 }, RUNASK_DETECT_TRIGGER },
		{ { "WF_TriggerOnConfig", 18 }, RUNASK_TRIGGER_CONFIG },
		{ { "WF_StepConfig", 13 }, RUNASK_STEP_CONFIG },
	};
	uint32_t features = 0;

	while (list.n) {
		struct str name = str_trim(str_cut(&list, ','));

		for (size_t i = 0; i < countof(known); i++) {
			if (str_ieq(name, known[i].name))
				features |= known[i].bit;
		}
	}
	return features;
}

bool runask_id_is_valid(struct str id)
{
	for (size_t i = 0; i < id.n; i++) {
		unsigned char c = (unsigned char)id.p[i];

		if (c < 0x20 || c == 0x7f)
			return false;
	}
	return id.n > 0 && id.n <= LIMIT_RUN_ID_BYTES;
}

static bool get_bool(const struct headers *h, struct str name, bool *ret_value, struct problem *p)
{
	struct str text = str_trim(headers_get(h, name));

	*ret_value = false;
	if (!text.n || options_bool(text, ret_value))
		return true;
	return problem_set(p, 400, "%.*s: true and false are allowed", STR_FMT(name));
}

static bool get_count(const struct headers *h, struct str name, int64_t *ret_value,
		      struct problem *p)
{
	struct str text = str_trim(headers_get(h, name));
	uint64_t n = 0;

	if (text.n && (!str_u64(text, &n) || n > INT64_MAX))
		return problem_set(p, 400, "%.*s: an integer from 0 is allowed", STR_FMT(name));
	*ret_value = (int64_t)n;
	return true;
}

/* Given more than once or with commas, they add up. */
static uint32_t all_features(const struct headers *h)
{
	uint32_t features = 0;

	for (size_t i = 0; i < h->n; i++) {
		if (str_ieq(h->v[i].name, STR("Upstash-Feature-Set")))
			features |= runask_features(h->v[i].value);
	}
	return features;
}

static enum runask_kind step_kind(struct str call_type)
{
	if (str_ieq(call_type, STR("toCallback")))
		return RUNASK_CALL;
	return str_ieq(call_type, STR("stepConfig")) ? RUNASK_CONFIG : RUNASK_STEP;
}

static bool get_kind(const struct headers *h, struct runask *ask, struct problem *p)
{
	bool init, invoke, again;

	if (!get_bool(h, STR("Upstash-Workflow-Init"), &init, p) ||
	    !get_bool(h, STR("Upstash-Workflow-Invoke"), &invoke, p) ||
	    !get_bool(h, STR("Upstash-Workflow-Trigger-By-Sdk"), &again, p))
		return false;
	if (init && invoke)
		ask->kind = RUNASK_INVOKE;
	else if (init)
		ask->kind = again ? RUNASK_AGAIN : RUNASK_START;
	else
		ask->kind = step_kind(str_trim(headers_get(h, STR("Upstash-Workflow-CallType"))));
	return true;
}

bool runask_parse(const struct headers *h, struct runask *ret_ask, struct problem *ret_problem)
{
	struct runask ask = {
		.run = str_trim(headers_get(h, STR("Upstash-Workflow-RunId"))),
		.url = str_trim(headers_get(h, STR("Upstash-Workflow-Url"))),
		.features = all_features(h),
		.has_retries = str_trim(headers_get(h, STR("Upstash-Retries"))).n > 0,
		.has_timeout = str_trim(headers_get(h, STR("Upstash-Timeout"))).n > 0,
		.call_step = str_trim(
			headers_get(h, STR("Upstash-Callback-Forward-Upstash-Workflow-StepId"))),
	};

	if (!ask.run.n) {
		*ret_ask = (struct runask){ .kind = RUNASK_NONE };
		return true;
	}
	if (!runask_id_is_valid(ask.run))
		return problem_set(ret_problem, 400, "Upstash-Workflow-RunId: " RUNASK_ID_ALLOWED);
	if (!get_kind(h, &ask, ret_problem) ||
	    !get_count(h, STR("Upstash-Workflow-CreatedAt"), &ask.created_ms, ret_problem) ||
	    !get_count(h, STR("Upstash-Forward-Upstash-Workflow-Invoke-Count"), &ask.invoke_count,
		       ret_problem) ||
	    !get_bool(h, STR("Upstash-Forward-Upstash-Workflow-Unknown-Sdk"), &ask.unknown_sdk,
		      ret_problem))
		return false;
	if (ask.invoke_count > LIMIT_RUN_INVOKE_DEPTH)
		return problem_set(ret_problem, 412,
				   "quota maxInvokeDepth exceeded, current limit: %d",
				   LIMIT_RUN_INVOKE_DEPTH);
	if (ask.kind == RUNASK_CALL && !str_trim(headers_get(h, STR("Upstash-Callback"))).n)
		return problem_set(
			ret_problem, 400,
			"Upstash-Callback: is missing; a call of a workflow needs a callback");
	*ret_ask = ask;
	return true;
}
