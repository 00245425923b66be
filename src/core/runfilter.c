#include "core/runfilter.h"

#include <string.h>

#include "base/json.h"
#include "core/limits.h"
#include "core/query.h"
#include "core/url.h"

enum {
	CANCEL = 1 << RUNFILTER_CANCEL,
	DLQ = 1 << RUNFILTER_DLQ,
	LOGS = 1 << RUNFILTER_LOGS,
	ALL = CANCEL | DLQ | LOGS,
};

/* What a parameter sets besides the texts. */
enum target {
	TARGET_EXACT = RUNFILTER_FIELDS,
	TARGET_CREATED,
	TARGET_FROM,
	TARGET_TO,
	TARGET_COUNT,
	TARGET_TRIM,
	TARGET_CURSOR,
	TARGET_GROUP,
	TARGET_NOTHING,
};

static const struct param {
	struct str name;
	int uses, target;
	bool whole; /* commas belong to the value */
} params[] = {
	{ { "workflowRunId", 13 }, ALL, RUNFILTER_RUN, false },
	{ { "workflowRunIds", 14 }, ALL, RUNFILTER_RUN, false },
	{ { "workflowRuns", 12 }, LOGS, RUNFILTER_RUNS_AT, false },
	{ { "dlqIds", 6 }, DLQ, RUNFILTER_DLQ_ID, false },
	{ { "workflowUrl", 11 }, ALL, RUNFILTER_URL, true },
	{ { "url", 3 }, DLQ, RUNFILTER_DEST, true },
	{ { "host", 4 }, ALL, RUNFILTER_HOST, false },
	{ { "path", 4 }, ALL, RUNFILTER_PATH, true },
	{ { "label", 5 }, ALL, RUNFILTER_LABEL, false },
	{ { "callerIp", 8 }, ALL, RUNFILTER_CALLER, false },
	{ { "callerIP", 8 }, ALL, RUNFILTER_CALLER, false },
	{ { "flowControlKey", 14 }, ALL, RUNFILTER_FLOW_KEY, true },
	{ { "failureFunctionState", 20 }, DLQ, RUNFILTER_REPORT, false },
	{ { "failureCallbackState", 20 }, DLQ, RUNFILTER_REPORT, false },
	{ { "responseStatus", 14 }, DLQ, RUNFILTER_STATUS, false },
	{ { "state", 5 }, LOGS, RUNFILTER_STATE, false },
	{ { "messageId", 9 }, LOGS, RUNFILTER_MESSAGE, false },
	{ { "workflowUrlExactMatch", 21 }, CANCEL, TARGET_EXACT, true },
	{ { "workflowCreatedAt", 17 }, ALL, TARGET_CREATED, true },
	{ { "fromDate", 8 }, ALL, TARGET_FROM, true },
	{ { "toDate", 6 }, ALL, TARGET_TO, true },
	{ { "count", 5 }, ALL, TARGET_COUNT, true },
	{ { "trimBody", 8 }, LOGS, TARGET_TRIM, true },
	{ { "cursor", 6 }, DLQ | LOGS, TARGET_CURSOR, true },
	{ { "cursor", 6 }, CANCEL, TARGET_NOTHING, true },
	{ { "groupBy", 7 }, LOGS, TARGET_GROUP, true },
	{ { "source", 6 }, DLQ, TARGET_NOTHING, true },
};

struct parser {
	struct arena *a;
	enum runfilter_use use;
	struct runfilter *f;
	size_t n; /* values so far */
	struct problem *problem;
};

static const struct param *find(const struct parser *ps, struct str name)
{
	for (size_t i = 0; i < countof(params); i++) {
		if ((params[i].uses & 1 << ps->use) && str_eq(params[i].name, name))
			return &params[i];
	}
	return NULL;
}

static bool refuse(struct parser *ps, const struct param *p, const char *allowed)
{
	return problem_set(ps->problem, 400, "%.*s: %s is allowed", STR_FMT(p->name), allowed);
}

static bool add_text(struct parser *ps, int field, struct str text)
{
	struct str *v;
	size_t n = ps->f->field[field].n;

	if (ps->n++ == LIMIT_FILTER_VALUES)
		return problem_set(ps->problem, 400, "at most %d filter values are allowed",
				   LIMIT_FILTER_VALUES);
	if (n % 8 == 0) {
		v = arena_array(ps->a, struct str, n + 8);
		if (n > 0)
			memcpy(v, ps->f->field[field].v, n * sizeof(*v));
		ps->f->field[field].v = v;
	}
	ps->f->field[field].v[ps->f->field[field].n++] = text;
	return true;
}

static bool set_number(struct parser *ps, const struct param *p, struct str text)
{
	struct runfilter *f = ps->f;
	int64_t n;

	if (!str_i64(text, &n))
		return refuse(ps, p, "an integer");
	switch (p->target) {
	case TARGET_CREATED:
		f->created_ms = n;
		return true;
	case TARGET_FROM:
		f->from_ms = n;
		return true;
	case TARGET_TO:
		f->to_ms = n;
		return true;
	case TARGET_TRIM:
		f->trim_body = n;
		return n >= -1 || refuse(ps, p, "an integer from -1");
	default:
		f->count = n;
		return n > 0 || refuse(ps, p, "an integer from 1");
	}
}

static bool set(struct parser *ps, const struct param *p, struct str text)
{
	text = str_trim(text);
	if (!text.n)
		return true;
	if (p->target < RUNFILTER_FIELDS)
		return add_text(ps, p->target, text);
	switch (p->target) {
	case TARGET_EXACT:
		ps->f->exact_url = str_eq(text, STR("true"));
		return ps->f->exact_url || str_eq(text, STR("false")) ||
		       refuse(ps, p, "true or false");
	case TARGET_CURSOR:
		ps->f->cursor = text;
		return true;
	case TARGET_GROUP:
		ps->f->group_by = text;
		return str_eq(text, STR("workflowRunId")) || refuse(ps, p, "workflowRunId");
	case TARGET_NOTHING:
		return true;
	default:
		return set_number(ps, p, text);
	}
}

static bool set_all(struct parser *ps, struct str name, struct str text)
{
	const struct param *p = find(ps, name);

	if (p == NULL)
		return problem_set(ps->problem, 400, "unknown filter field: %.*s",
				   STR_FMT(str_sub(name, 0, 100)));
	if (p->whole)
		return set(ps, p, text);
	while (text.n) {
		if (!set(ps, p, str_cut(&text, ',')))
			return false;
	}
	return true;
}

static bool is_foreign(const struct parser *ps, struct str key)
{
	return str_eq(key, STR("qstash_token")) ||
	       (ps->use == RUNFILTER_DLQ && str_istarts(key, STR("upstash-")));
}

static bool take_query(struct parser *ps, struct str query)
{
	struct str key, raw, name, text;

	while (query_next(&query, &key, &raw)) {
		if (is_foreign(ps, key))
			continue;
		if (!query_decode(ps->a, key, &name) || !query_decode(ps->a, raw, &text))
			return problem_set(ps->problem, 400, "%.*s: broken percent escape",
					   STR_FMT(str_sub(key, 0, 100)));
		if (!set_all(ps, name, text))
			return false;
	}
	return true;
}

static bool take_value(struct parser *ps, struct str key, const struct json *v)
{
	switch (v->kind) {
	case JSON_NULL:
		return true;
	case JSON_BOOL:
		return set_all(ps, key, v->boolean ? STR("true") : STR("false"));
	case JSON_NUMBER:
	case JSON_STRING:
		return set_all(ps, key, v->text);
	default:
		return problem_set(ps->problem, 400,
				   "%.*s: a string or an array of strings is allowed",
				   STR_FMT(str_sub(key, 0, 100)));
	}
}

static bool take_body(struct parser *ps, struct str body)
{
	char error[96];
	const struct json *root = json_parse(ps->a, body, error);

	if (root == NULL || root->kind != JSON_OBJECT)
		return problem_set(ps->problem, 400,
				   "the body must be a JSON object with filter fields");
	for (const struct json *v = root->child; v != NULL; v = v->next) {
		if (v->kind != JSON_ARRAY && !take_value(ps, v->key, v))
			return false;
		if (v->kind != JSON_ARRAY)
			continue;
		for (const struct json *each = v->child; each != NULL; each = each->next) {
			if (!take_value(ps, v->key, each))
				return false;
		}
	}
	return true;
}

bool runfilter_parse(struct arena *a, enum runfilter_use use, const struct str source[2],
		     struct runfilter *ret_filter, struct problem *ret_problem)
{
	struct runfilter f = {
		.from_ms = INT64_MIN,
		.to_ms = INT64_MAX,
		.trim_body = INT64_MAX,
	};
	struct parser ps = { .a = a, .use = use, .f = &f, .problem = ret_problem };
	struct str body = str_trim(source[1]);

	if (!take_query(&ps, source[0]) || (body.n > 0 && !take_body(&ps, body)))
		return false;
	*ret_filter = f;
	return true;
}

bool runfilter_has(const struct runfilter *f, enum runfilter_field field, struct str value)
{
	for (size_t i = 0; i < f->field[field].n; i++) {
		if (str_eq(f->field[field].v[i], value))
			return true;
	}
	return f->field[field].n == 0;
}

static bool has_part(const struct runfilter *f, enum runfilter_field field,
		     bool (*holds)(struct str whole, struct str part), struct str whole)
{
	for (size_t i = 0; i < f->field[field].n; i++) {
		if (holds(whole, f->field[field].v[i]))
			return true;
	}
	return f->field[field].n == 0;
}

static bool has_label(struct str labels, struct str label)
{
	while (labels.n) {
		if (str_eq(str_cut(&labels, ','), label))
			return true;
	}
	return false;
}

bool runfilter_match(const struct runfilter *f, const struct msg *t)
{
	bool (*same_url)(struct str, struct str) = f->exact_url ? str_eq : str_starts;

	return runfilter_has(f, RUNFILTER_RUN, t->run) &&
	       has_part(f, RUNFILTER_URL, same_url, t->url) &&
	       has_part(f, RUNFILTER_HOST, url_has_host, t->url) &&
	       has_part(f, RUNFILTER_PATH, url_has_path, t->url) &&
	       has_part(f, RUNFILTER_LABEL, has_label, t->labels) &&
	       runfilter_has(f, RUNFILTER_CALLER, t->caller_ip) &&
	       runfilter_has(f, RUNFILTER_FLOW_KEY, t->flow_key) &&
	       (f->created_ms == 0 || f->created_ms == t->run_created_ms) &&
	       t->run_created_ms >= f->from_ms && t->run_created_ms <= f->to_ms;
}
