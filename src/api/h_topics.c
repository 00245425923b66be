/* h_topics.c - URL groups (spec 2.2.7): /v2/topics, and the same as /v2/urlGroups. */
#include "api/body.h"
#include "api/handlers.h"
#include "core/headers.h"
#include "core/limits.h"
#include "core/names.h"

/* ---- showing ---------------------------------------------------------------------------------------- */

static void write_group(struct json_out *j, const struct group *g)
{
	json_open(j, '{');
	json_kstr(j, STR("name"), g->name);
	json_kint(j, STR("createdAt"), g->created_ms);
	json_kint(j, STR("updatedAt"), g->updated_ms);
	json_key(j, STR("endpoints"));
	json_open(j, '[');
	for (size_t i = 0; i < g->n; i++) {
		json_open(j, '{');
		json_kstr_opt(j, STR("name"), g->endpoint[i].name);
		json_kstr(j, STR("url"), g->endpoint[i].url);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_close(j, '}');
}

/* Broken ones are left out of a list: the others can still be seen. */
static void answer_groups(struct docs_read *op)
{
	struct call *c = op->arg;
	struct json_out j = call_json(c);
	struct group g;

	json_open(&j, '[');
	for (size_t i = 0; i < op->n; i++) {
		if (group_decode(&op->arena, op->row[i].value, &g))
			write_group(&j, &g);
	}
	json_close(&j, ']');
}

static void answer_group(struct docs_read *op, struct problem *p)
{
	struct json_out j;
	struct group g;

	if (op->n == 0) {
		problem_set(p, 404, "topic %.*s not found", STR_FMT(op->name));
	} else if (!group_decode(&op->arena, op->row[0].value, &g)) {
		problem_set(p, 500, "the record of this URL group is broken");
	} else {
		j = call_json(op->arg);
		write_group(&j, &g);
	}
}

static void shown(struct docs_read *op)
{
	struct call *c = op->arg;

	if (op->problem.status == 0 && op->name.n == 0)
		answer_groups(op);
	else if (op->problem.status == 0)
		answer_group(op, &op->problem);
	arena_done(&op->arena);
	if (op->problem.status != 0)
		call_fail(c, &op->problem);
	else
		call_answer(c, 200);
}

static void show(struct call *c, struct str name)
{
	struct docs_read *op = arena_new(call_arena(c), struct docs_read);

	op->account = c->account;
	op->doc = DOC_TOPIC;
	op->name = name;
	op->done = shown;
	op->arg = c;
	arena_init(&op->arena);
	engine_docs_read(c->engine, op);
}

void h_topics_list(struct call *c)
{
	show(c, STR_NULL);
}

void h_topics_get(struct call *c)
{
	if (c->id[0].n == 0)
		call_refuse(c, 400, "the name of the URL group is empty");
	else
		show(c, c->id[0]);
}

/* ---- changing --------------------------------------------------------------------------------------- */

static void changed(struct group_op *op)
{
	struct call *c = op->arg;

	if (op->problem.status != 0)
		call_fail(c, &op->problem);
	else
		call_answer_text(c, 200, STR("{}"));
}

static struct group_op *change_new(struct call *c, enum group_what what)
{
	struct group_op *op = arena_new(call_arena(c), struct group_op);

	op->account = c->account;
	op->what = what;
	op->name = c->id[0];
	op->arena = call_arena(c);
	op->done = changed;
	op->arg = c;
	return op;
}

static bool name_is_good(const struct call *c, struct problem *p)
{
	return name_is_valid(c->id[0]) || problem_set(p, 400, "invalid topic name: " NAMES_ALLOWED);
}

static void change_endpoints(struct call *c, enum group_what what)
{
	struct group_op *op = change_new(c, what);
	struct body_endpoints e;

	if (!name_is_good(c, &op->problem) ||
	    !body_read_endpoints(call_arena(c), c->req->body, what == GROUP_UPSERT, &e,
				 &op->problem)) {
		call_fail(c, &op->problem);
		return;
	}
	op->endpoint = e.v;
	op->n = e.n;
	engine_group_change(c->engine, op);
}

void h_topics_add(struct call *c)
{
	change_endpoints(c, GROUP_UPSERT);
}

void h_topics_remove(struct call *c)
{
	change_endpoints(c, GROUP_REMOVE);
}

/* One that cannot be a group is none. */
void h_topics_delete(struct call *c)
{
	struct group_op *op = change_new(c, GROUP_DELETE);

	if (name_is_valid(op->name))
		engine_group_change(c->engine, op);
	else
		call_answer_text(c, 200, STR("{}"));
}

static bool headers_are_good(const struct headers *h, struct problem *p)
{
	if (h->n > LIMIT_SETTINGS_COUNT / 2)
		return problem_set(p, 400, "at most %d headers are allowed",
				   LIMIT_SETTINGS_COUNT / 2);
	for (size_t i = 0; i < h->n; i++) {
		if (!header_name_is_valid(h->v[i].name) || !header_value_is_valid(h->v[i].value))
			return problem_set(p, 400, "header %.*s: invalid name or value",
					   STR_FMT(str_sub(h->v[i].name, 0, 100)));
	}
	return true;
}

/* What would be refused at every publish is refused here. */
static bool settings_are_good(struct call *c, const struct headers *h, struct problem *p)
{
	struct options_source os = {
		.group = *h,
		.use = OPTIONS_PUBLISH,
		.plan = c->plan,
		.now_ms = call_now_ms(c),
	};
	struct msg m = { .user = c->account->user.id, .topic = c->id[0], .created_ms = os.now_ms };
	struct options o;

	return options_parse(call_arena(c), &os, &m, &o, p);
}

void h_topics_headers(struct call *c)
{
	struct group_op *op = change_new(c, GROUP_HEADERS);

	if (!name_is_good(c, &op->problem) ||
	    !body_read_headers(call_arena(c), c->req->body, &op->header, &op->problem) ||
	    !headers_are_good(&op->header, &op->problem) ||
	    !settings_are_good(c, &op->header, &op->problem))
		call_fail(c, &op->problem);
	else
		engine_group_change(c->engine, op);
}
