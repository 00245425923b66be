/* h_bulk.c - looking at bulk actions (spec 2.2.4). What starts them is in h_messages.c. */
#include "api/call.h"
#include "api/handlers.h"
#include "core/bulk.h"
#include "core/query.h"

enum { PAGE_DEFAULT = 100, PAGE_MAX = 1000 };

enum state { STATE_ANY, STATE_IN_PROGRESS, STATE_FINISHED };

struct listing {
	struct docs_read op;
	enum state state; /* what is asked for; applied to each page */
	struct problem problem;
};

/* ---- showing --------------------------------------------------------------------------------- */

static const char *const field_name[FILTER_FIELDS] = {
	[FILTER_URL] = "url",
	[FILTER_HOST] = "host",
	[FILTER_PATH] = "path",
	[FILTER_TOPIC] = "topicName",
	[FILTER_QUEUE] = "queueName",
	[FILTER_SCHEDULE] = "scheduleId",
	[FILTER_CALLER_IP] = "callerIp",
	[FILTER_LABEL] = "label",
	[FILTER_FLOW_KEY] = "flowControlKey",
};

static void write_values(struct json_out *j, const char *name, const struct str *v, size_t n)
{
	if (n == 0 || name == NULL)
		return;
	json_key(j, str_c(name));
	json_open(j, '[');
	for (size_t i = 0; i < n; i++)
		json_str(j, v[i]);
	json_close(j, ']');
}

static void write_filter(struct json_out *j, struct arena *a, const struct filter *f)
{
	struct str from = arena_fmt(a, "%lld", (long long)f->from_ms);
	struct str to = arena_fmt(a, "%lld", (long long)f->to_ms);

	json_key(j, STR("filter"));
	json_open(j, '{');
	for (size_t i = 0; i < FILTER_FIELDS; i++)
		write_values(j, field_name[i], f->field[i].v, f->field[i].n);
	write_values(j, "fromDate", &from, f->from_ms != INT64_MIN);
	write_values(j, "toDate", &to, f->to_ms != INT64_MAX);
	json_close(j, '}');
}

static enum state state_of(const struct bulk *b)
{
	return b->phase == BULK_FINISHED ? STATE_FINISHED : STATE_IN_PROGRESS;
}

static void write_action(struct json_out *j, struct arena *a, const struct bulk *b)
{
	bool finished = state_of(b) == STATE_FINISHED;

	json_open(j, '{');
	json_kstr(j, STR("actionId"), b->id);
	json_kstr(j, STR("kind"), STR("cancel"));
	json_kstr(j, STR("state"), finished ? STR("FINISHED") : STR("IN_PROGRESS"));
	json_kint(j, STR("total"), b->total);
	json_kint(j, STR("processed"), b->processed);
	json_kint(j, STR("createdAt"), b->created_ms);
	if (finished)
		json_kint(j, STR("completedAt"), b->completed_ms);
	write_filter(j, a, &b->filter);
	json_close(j, '}');
}

static struct listing *listing_new(struct call *c, void (*done)(struct docs_read *op))
{
	struct listing *l = arena_new(call_arena(c), struct listing);

	l->op.account = c->account;
	l->op.doc = DOC_BULK;
	l->op.done = done;
	l->op.arg = c;
	arena_init(&l->op.arena);
	return l;
}

/* ---- one ------------------------------------------------------------------------------------- */

static void got(struct docs_read *op)
{
	struct call *c = op->arg;
	struct arena a = op->arena;
	struct json_out j;
	struct bulk b;

	if (op->problem.status == 0 && op->n == 0)
		problem_set(&op->problem, 404, "bulk action not found");
	else if (op->problem.status == 0 && !bulk_decode(&a, op->row[0].value, &b))
		problem_set(&op->problem, 500, "the record of this bulk action is broken");
	if (op->problem.status != 0) {
		call_fail(c, &op->problem);
	} else {
		j = call_json(c);
		write_action(&j, &a, &b);
		call_answer(c, 200);
	}
	arena_done(&a);
}

void h_bulk_get(struct call *c)
{
	struct listing *l;

	if (c->id[0].n == 0) {
		call_refuse(c, 400, "the id of the bulk action is empty");
		return;
	}
	l = listing_new(c, got);
	l->op.name = c->id[0];
	engine_docs_read(c->engine, &l->op);
}

/* ---- all ------------------------------------------------------------------------------------- */

static void write_page(struct json_out *j, struct listing *l)
{
	struct docs_read *op = &l->op;
	struct bulk b;

	json_open(j, '{');
	json_key(j, STR("bulkActions"));
	json_open(j, '[');
	for (size_t i = 0; i < op->n; i++) {
		if (!bulk_decode(&op->arena, op->row[i].value, &b))
			continue;
		if (l->state == STATE_ANY || l->state == state_of(&b))
			write_action(j, &op->arena, &b);
	}
	json_close(j, ']');
	if (op->more)
		json_kstr(j, STR("cursor"), op->row[op->n - 1].name);
	json_close(j, '}');
}

static void listed(struct docs_read *op)
{
	struct listing *l = container_of(op, struct listing, op);
	struct call *c = op->arg;
	struct arena a = op->arena;
	struct json_out j;

	if (op->problem.status != 0) {
		call_fail(c, &op->problem);
	} else {
		j = call_json(c);
		write_page(&j, l);
		call_answer(c, 200);
	}
	arena_done(&a);
}

static bool take_count(struct listing *l, struct str value)
{
	uint64_t n;

	if (!str_u64(value, &n) || n == 0)
		return problem_set(&l->problem, 400, "count: must be a whole number, at least 1");
	l->op.page = n < PAGE_MAX ? (size_t)n : PAGE_MAX;
	return true;
}

static bool take_state(struct listing *l, struct str value)
{
	if (str_eq(value, STR("IN_PROGRESS")))
		l->state = STATE_IN_PROGRESS;
	else if (str_eq(value, STR("FINISHED")))
		l->state = STATE_FINISHED;
	else
		return problem_set(&l->problem, 400, "state: must be IN_PROGRESS or FINISHED");
	return true;
}

static bool take_parameter(struct listing *l, struct str key, struct str value)
{
	if (str_eq(key, STR("qstash_token")) || value.n == 0)
		return true;
	if (str_eq(key, STR("count")))
		return take_count(l, value);
	if (str_eq(key, STR("state")))
		return take_state(l, value);
	if (!str_eq(key, STR("cursor")))
		return problem_set(&l->problem, 400, "unknown parameter: %.*s",
				   STR_FMT(str_sub(key, 0, 100)));
	l->op.after = value;
	return true;
}

static bool take_query(struct call *c, struct listing *l)
{
	struct str query = c->req->query, key, raw, value;

	while (query_next(&query, &key, &raw)) {
		if (!query_decode(call_arena(c), raw, &value))
			return problem_set(&l->problem, 400, "%.*s: broken percent escape",
					   STR_FMT(str_sub(key, 0, 100)));
		if (!take_parameter(l, key, value))
			return false;
	}
	return true;
}

void h_bulk_list(struct call *c)
{
	struct listing *l = listing_new(c, listed);

	l->op.page = PAGE_DEFAULT;
	if (take_query(c, l))
		engine_docs_read(c->engine, &l->op);
	else
		call_fail(c, &l->problem);
}
