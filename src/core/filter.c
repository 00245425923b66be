#include "core/filter.h"

#include "base/check.h"
#include "base/json.h"
#include "core/limits.h"
#include "core/query.h"
#include "core/url.h"

enum { CANCEL = 1 << FILTER_CANCEL, DLQ = 1 << FILTER_DLQ, LOGS = 1 << FILTER_LOGS };
enum { ALL = CANCEL | DLQ | LOGS };

/* Where a query's value is cut into several. A comma that a client has percent-encoded is part of a
 * value, unless no value of that field can hold one. */
enum commas {
	COMMAS_CUT,       /* at each */
	COMMAS_UNENCODED, /* at each that is not percent-encoded */
	COMMAS_URL,       /* at those, but only before another URL */
	COMMAS_PATH,      /* at those, but only before another path */
	COMMAS_KEEP,      /* one value only */
};

/* What a parameter sets. The texts of the FILTER_* fields come first, under their own numbers. */
enum target {
	TARGET_STATUS = FILTER_FIELDS,
	TARGET_STATES,
	TARGET_FROM,
	TARGET_TO,
	TARGET_COUNT,
	TARGET_CURSOR,
	TARGET_ORDER,
	TARGET_ASYNC,
	TARGET_SOURCE, /* must be what this is the list of */
	TARGET_NOTHING,
	TARGETS,
};

struct param {
	struct str name;
	int uses;
	int target;
	enum commas commas;
};

static const struct param params[] = {
	{ { "messageId", 9 }, DLQ | LOGS, FILTER_MESSAGE_ID, COMMAS_CUT },
	{ { "messageIds", 10 }, CANCEL | LOGS, FILTER_MESSAGE_ID, COMMAS_CUT },
	{ { "dlqIds", 6 }, DLQ, FILTER_DLQ_ID, COMMAS_CUT },
	{ { "url", 3 }, ALL, FILTER_URL, COMMAS_URL },
	{ { "host", 4 }, CANCEL | LOGS, FILTER_HOST, COMMAS_CUT },
	{ { "path", 4 }, CANCEL | LOGS, FILTER_PATH, COMMAS_PATH },
	{ { "topicName", 9 }, ALL, FILTER_TOPIC, COMMAS_CUT },
	{ { "queueName", 9 }, ALL, FILTER_QUEUE, COMMAS_CUT },
	{ { "scheduleId", 10 }, ALL, FILTER_SCHEDULE, COMMAS_CUT },
	{ { "callerIp", 8 }, ALL, FILTER_CALLER_IP, COMMAS_CUT },
	{ { "callerIP", 8 }, ALL, FILTER_CALLER_IP, COMMAS_CUT },
	{ { "label", 5 }, ALL, FILTER_LABEL, COMMAS_CUT },
	{ { "flowControlKey", 14 }, ALL, FILTER_FLOW_KEY, COMMAS_UNENCODED },
	{ { "responseStatus", 14 }, DLQ, TARGET_STATUS, COMMAS_CUT },
	{ { "state", 5 }, LOGS, TARGET_STATES, COMMAS_CUT },
	{ { "fromDate", 8 }, ALL, TARGET_FROM, COMMAS_KEEP },
	{ { "toDate", 6 }, ALL, TARGET_TO, COMMAS_KEEP },
	{ { "count", 5 }, ALL, TARGET_COUNT, COMMAS_KEEP },
	{ { "cursor", 6 }, DLQ | LOGS, TARGET_CURSOR, COMMAS_KEEP },
	{ { "cursor", 6 }, CANCEL, TARGET_NOTHING, COMMAS_KEEP },
	{ { "order", 5 }, DLQ | LOGS, TARGET_ORDER, COMMAS_KEEP },
	{ { "async", 5 }, CANCEL, TARGET_ASYNC, COMMAS_KEEP },
	{ { "api", 3 }, DLQ | LOGS, TARGET_NOTHING, COMMAS_KEEP },
	{ { "source", 6 }, DLQ, TARGET_SOURCE, COMMAS_KEEP },
	{ { "groupBy", 7 }, LOGS, TARGET_NOTHING, COMMAS_KEEP },
};

struct value {
	const struct param *param;
	struct str text;
};

struct parser {
	struct arena *a;
	enum filter_use use;
	struct value *value; /* all that was given, in order */
	size_t n, cap;
	uint32_t taken; /* targets that the query has set: bit 1 << target */
	struct problem *problem;
};

static const struct param *find_param(enum filter_use use, struct str name)
{
	for (size_t i = 0; i < countof(params); i++) {
		if ((params[i].uses & 1 << use) && str_eq(params[i].name, name))
			return &params[i];
	}
	return NULL;
}

static bool unknown(struct parser *ps, struct str name)
{
	return problem_set(ps->problem, 400, "unknown filter field: %.*s",
			   STR_FMT(str_sub(name, 0, 100)));
}

static bool add(struct parser *ps, const struct param *param, struct str text)
{
	text = str_trim(text);
	if (!text.n)
		return true;
	if (ps->n == LIMIT_FILTER_VALUES)
		return problem_set(ps->problem, 400, "at most %d filter values are allowed",
				   LIMIT_FILTER_VALUES);
	check(ps->n < ps->cap);
	ps->value[ps->n++] = (struct value){ param, text };
	return true;
}

static bool add_cut(struct parser *ps, const struct param *param, struct str text)
{
	while (text.n) {
		if (!add(ps, param, str_cut(&text, ',')))
			return false;
	}
	return true;
}

/* ---- the query ------------------------------------------------------------------------------- */

/* May the raw value be cut at a comma that stands before `rest`? */
static bool cuts_before(enum commas commas, struct str rest)
{
	switch (commas) {
	case COMMAS_UNENCODED:
		return true;
	case COMMAS_URL:
		return str_istarts(rest, STR("http"));
	case COMMAS_PATH:
		return str_starts(rest, STR("/")) || str_istarts(rest, STR("%2f"));
	default:
		return false;
	}
}

static struct str cut_raw(enum commas commas, struct str *raw)
{
	struct str all = *raw;
	size_t at = str_find(all, ',', 0);

	while (at != SIZE_MAX && !cuts_before(commas, str_from(all, at + 1)))
		at = str_find(all, ',', at + 1);
	*raw = at == SIZE_MAX ? STR_NULL : str_from(all, at + 1);
	return str_sub(all, 0, at);
}

static bool add_raw(struct parser *ps, const struct param *param, struct str raw)
{
	while (raw.n) {
		struct str text;

		if (!query_decode(ps->a, cut_raw(param->commas, &raw), &text))
			return problem_set(ps->problem, 400, "%.*s: broken percent escape",
					   STR_FMT(param->name));
		if (param->commas == COMMAS_CUT ? !add_cut(ps, param, text) : !add(ps, param, text))
			return false;
	}
	return true;
}

static bool is_foreign(enum filter_use use, struct str key)
{
	return str_eq(key, STR("qstash_token")) ||
	       (use == FILTER_DLQ && str_istarts(key, STR("upstash-")));
}

static bool take_query(struct parser *ps, struct str query)
{
	struct str key, raw, name;

	while (query_next(&query, &key, &raw)) {
		const struct param *param;
		size_t before = ps->n;

		if (is_foreign(ps->use, key))
			continue;
		if (!query_decode(ps->a, key, &name))
			return unknown(ps, key);
		param = find_param(ps->use, name);
		if (!param)
			return unknown(ps, name);
		if (!add_raw(ps, param, raw))
			return false;
		if (ps->n > before)
			ps->taken |= 1u << param->target;
	}
	return true;
}

/* ---- the body -------------------------------------------------------------------------------- */

static bool take_scalar(struct parser *ps, const struct param *param, const struct json *v)
{
	switch (v->kind) {
	case JSON_NULL:
		return true;
	case JSON_BOOL:
		return add(ps, param, v->boolean ? STR("true") : STR("false"));
	case JSON_NUMBER:
		return add(ps, param, v->text);
	case JSON_STRING:
		return param->commas == COMMAS_CUT ? add_cut(ps, param, v->text)
						   : add(ps, param, v->text);
	default:
		return problem_set(ps->problem, 400,
				   "%.*s: a string or an array of strings is allowed",
				   STR_FMT(param->name));
	}
}

static bool take_member(struct parser *ps, const struct json *v)
{
	const struct param *param = find_param(ps->use, v->key);

	if (!param)
		return unknown(ps, v->key);
	if (ps->taken & 1u << param->target)
		return true;
	if (v->kind != JSON_ARRAY)
		return take_scalar(ps, param, v);
	for (const struct json *c = v->child; c; c = c->next) {
		if (!take_scalar(ps, param, c))
			return false;
	}
	return true;
}

static bool take_body(struct parser *ps, struct str body)
{
	char error[96];
	const struct json *root = json_parse(ps->a, body, error);

	if (!root)
		return problem_set(ps->problem, 400, "the body is not valid JSON: %s", error);
	if (root->kind != JSON_OBJECT)
		return problem_set(ps->problem, 400,
				   "the body must be a JSON object with filter fields");
	for (const struct json *c = root->child; c; c = c->next) {
		if (!take_member(ps, c))
			return false;
	}
	return true;
}

/* ---- from texts to the filter ---------------------------------------------------------------- */

static bool refuse(struct parser *ps, const struct value *v, const char *allowed)
{
	return problem_set(ps->problem, 400, "%.*s: invalid value \"%.*s\", allowed: %s",
			   STR_FMT(v->param->name), STR_FMT(str_sub(v->text, 0, 100)), allowed);
}

static bool set_states(struct parser *ps, struct filter *f, const struct value *v)
{
	enum event_state s = event_state_parse(v->text);

	if (str_eq(v->text, STR("IN_PROGRESS")))
		f->states |= 1u << EVENT_ACTIVE | 1u << EVENT_RETRY | 1u << EVENT_ERROR;
	else if (s != EVENT_NONE)
		f->states |= 1u << s;
	else
		return refuse(ps, v,
			      "CREATED, ACTIVE, RETRY, ERROR, IN_PROGRESS, DELIVERED, FAILED, "
			      "CANCEL_REQUESTED, CANCELED");
	return true;
}

static int64_t count_max(enum filter_use use)
{
	static const int64_t most[] = {
		[FILTER_CANCEL] = LIMIT_CANCEL_COUNT,
		[FILTER_DLQ] = LIMIT_PAGE_DLQ,
		[FILTER_LOGS] = LIMIT_PAGE_LOGS,
	};

	return most[use];
}

static bool set_count(struct parser *ps, struct filter *f, const struct value *v)
{
	uint64_t n;

	if (!str_u64(v->text, &n) || !n)
		return refuse(ps, v, "an integer from 1");
	/* More than a page is a page. */
	f->count = n < (uint64_t)count_max(ps->use) ? (int64_t)n : count_max(ps->use);
	return true;
}

static bool set_order(struct parser *ps, struct filter *f, const struct value *v)
{
	f->latest_first = str_eq(v->text, STR("latestFirst"));
	return f->latest_first || str_eq(v->text, STR("earliestFirst")) ||
	       refuse(ps, v, "earliestFirst, latestFirst");
}

static bool set_time(struct parser *ps, int64_t *ret_ms, const struct value *v)
{
	return str_i64(v->text, ret_ms) || refuse(ps, v, "Unix time in milliseconds");
}

static bool set_status(struct parser *ps, struct filter *f, const struct value *v, int64_t *room)
{
	if (!str_i64(v->text, &room[f->statuses]))
		return refuse(ps, v, "an HTTP status");
	f->status = room;
	f->statuses++;
	return true;
}

static bool set_async(struct parser *ps, struct filter *f, const struct value *v)
{
	f->async = str_eq(v->text, STR("true"));
	return f->async || str_eq(v->text, STR("false")) || refuse(ps, v, "true, false");
}

static bool set_value(struct parser *ps, struct filter *f, const struct value *v,
		      int64_t *status_room)
{
	struct filter_values *list;

	switch (v->param->target) {
	case TARGET_STATUS:
		return set_status(ps, f, v, status_room);
	case TARGET_STATES:
		return set_states(ps, f, v);
	case TARGET_FROM:
		return set_time(ps, &f->from_ms, v);
	case TARGET_TO:
		return set_time(ps, &f->to_ms, v);
	case TARGET_COUNT:
		return set_count(ps, f, v);
	case TARGET_CURSOR:
		f->cursor = v->text;
		return true;
	case TARGET_ORDER:
		return set_order(ps, f, v);
	case TARGET_ASYNC:
		return set_async(ps, f, v);
	case TARGET_SOURCE:
		return str_eq(v->text, STR("qstash")) || refuse(ps, v, "qstash");
	case TARGET_NOTHING:
		return true;
	default:
		check(v->param->target < FILTER_FIELDS);
		list = &f->field[v->param->target];
		list->v[list->n++] = v->text;
		return true;
	}
}

static bool make_filter(struct parser *ps, struct filter *f)
{
	int64_t *status_room = arena_array(ps->a, int64_t, ps->n);
	size_t n[TARGETS] = { 0 };

	for (size_t i = 0; i < ps->n; i++)
		n[ps->value[i].param->target]++;
	for (size_t i = 0; i < FILTER_FIELDS; i++)
		f->field[i].v = arena_array(ps->a, struct str, n[i]);
	for (size_t i = 0; i < ps->n; i++) {
		if (!set_value(ps, f, &ps->value[i], status_room))
			return false;
	}
	return true;
}

bool filter_parse(struct arena *a, const struct filter_source *src, struct filter *ret_filter,
		  struct problem *ret_problem)
{
	struct str body = str_trim(src->body);
	struct parser ps = { .a = a, .use = src->use, .problem = ret_problem };
	struct filter f = {
		.use = src->use,
		.from_ms = INT64_MIN,
		.to_ms = INT64_MAX,
		.count = src->use == FILTER_CANCEL ? 0 : count_max(src->use),
		.latest_first = src->use == FILTER_LOGS,
	};

	/* Each value takes a byte at least. */
	ps.cap = src->query.n + body.n;
	if (ps.cap > LIMIT_FILTER_VALUES)
		ps.cap = LIMIT_FILTER_VALUES;
	ps.value = arena_array(a, struct value, ps.cap);
	if (!take_query(&ps, src->query) || (body.n && !take_body(&ps, body)) ||
	    !make_filter(&ps, &f))
		return false;
	*ret_filter = f;
	return true;
}

/* ---- asking the filter ----------------------------------------------------------------------- */

bool filter_is_empty(const struct filter *f)
{
	for (size_t i = 0; i < FILTER_FIELDS; i++) {
		if (f->field[i].n)
			return false;
	}
	return !f->statuses && !f->states && f->from_ms == INT64_MIN && f->to_ms == INT64_MAX;
}

static bool any(const struct filter_values *values, struct str text)
{
	for (size_t i = 0; i < values->n; i++) {
		if (str_eq(values->v[i], text))
			return true;
	}
	return !values->n;
}

static bool any_part(const struct filter_values *values,
		     bool (*holds)(struct str whole, struct str part), struct str whole)
{
	for (size_t i = 0; i < values->n; i++) {
		if (holds(whole, values->v[i]))
			return true;
	}
	return !values->n;
}

static bool has_label(struct str labels, struct str label)
{
	while (labels.n) {
		if (str_eq(str_cut(&labels, ','), label))
			return true;
	}
	return false;
}

static bool any_id(const struct filter_values *values, struct msg_id id)
{
	char text[MSG_ID_LEN + 1];

	if (!values->n)
		return true;
	msg_id_text(text, id);
	return any(values, str_n(text, MSG_ID_LEN));
}

static bool match_fields(const struct filter *f, const struct msg *m)
{
	const struct filter_values *v = f->field;

	/* Messages of workflow runs have lists of their own. */
	if (m->run.n)
		return false;
	return any_id(&v[FILTER_MESSAGE_ID], m->id) && any(&v[FILTER_URL], m->url) &&
	       any(&v[FILTER_TOPIC], m->topic) && any(&v[FILTER_QUEUE], m->queue) &&
	       any(&v[FILTER_SCHEDULE], m->schedule_id) &&
	       any(&v[FILTER_CALLER_IP], m->caller_ip) && any(&v[FILTER_FLOW_KEY], m->flow_key) &&
	       any_part(&v[FILTER_LABEL], has_label, m->labels) &&
	       any_part(&v[FILTER_HOST], url_has_host, m->url) &&
	       any_part(&v[FILTER_PATH], url_has_path, m->url);
}

static bool in_time(const struct filter *f, int64_t ms)
{
	return ms >= f->from_ms && ms <= f->to_ms;
}

static bool any_status(const struct filter *f, int64_t status)
{
	for (size_t i = 0; i < f->statuses; i++) {
		if (f->status[i] == status)
			return true;
	}
	return !f->statuses;
}

bool filter_match_msg(const struct filter *f, const struct msg *m)
{
	return in_time(f, m->created_ms) && match_fields(f, m);
}

bool filter_match_dlq(const struct filter *f, const struct msg *m, int64_t dead_ms, int64_t status)
{
	return in_time(f, dead_ms) && any_status(f, status) && match_fields(f, m);
}

bool filter_match_event(const struct filter *f, const struct msg *m, const struct event *e)
{
	return in_time(f, e->time_ms) && any_status(f, e->response_status) &&
	       (!f->states || (f->states & 1u << e->state)) && match_fields(f, m);
}
