/* groups.c - URL groups: changing one, and finding those that messages are for. */
#include "base/check.h"
#include "engine/engine_int.h"

enum {
	GROUP_BYTES_MAX = 4 * 1024 * 1024, /* of one group's document */
	GROUP_ENDPOINTS_MAX = 5000,        /* where the plan has no limit */
};

static int64_t endpoints_max(const struct group_op *op)
{
	int64_t max = accounts_plan(op->edit.engine, op->account)->endpoints_max;

	return max > 0 && max < GROUP_ENDPOINTS_MAX ? max : GROUP_ENDPOINTS_MAX;
}

static enum doc_verdict upsert(struct group_op *op, struct group *g, struct problem *p)
{
	int64_t max = endpoints_max(op);
	size_t had = g->n;

	group_upsert(op->arena, g, op->endpoint, op->n);
	/* A group that an earlier, larger plan let grow may still be changed, but not grow. */
	if (g->n > (size_t)max && g->n > had) {
		problem_set(p, 412, "quota maxEndpoints exceeded, current limit: %lld",
			    (long long)max);
		return DOC_REFUSE;
	}
	return DOC_WRITE;
}

static enum doc_verdict apply(struct group_op *op, struct group *g, struct problem *p)
{
	switch (op->what) {
	case GROUP_UPSERT:
		return upsert(op, g, p);
	case GROUP_REMOVE:
		group_remove(g, op->endpoint, op->n);
		return g->n > 0 ? DOC_WRITE : DOC_DROP;
	case GROUP_HEADERS:
		g->header = op->header;
		return DOC_WRITE;
	case GROUP_DELETE:
		return DOC_DROP;
	}
	unreachable();
}

static enum doc_verdict change(struct doc_edit *edit, bool exists, struct str old)
{
	struct group_op *op = container_of(edit, struct group_op, edit);
	/* Rounded up: to a client whose clock was read before the request, this is later. */
	int64_t now_ms = edit->engine->now_ms + 1;
	struct group g = { .name = op->name, .created_ms = now_ms };
	enum doc_verdict v;

	if (op->what == GROUP_DELETE)
		return DOC_DROP;
	if (!exists && op->what != GROUP_UPSERT) {
		problem_set(&edit->problem, 404, "topic %.*s not found", STR_FMT(op->name));
		return DOC_REFUSE;
	}
	if (exists && !group_decode(op->arena, old, &g)) {
		problem_set(&edit->problem, 500, "the record of this URL group is broken");
		return DOC_REFUSE;
	}
	v = apply(op, &g, &edit->problem);
	g.updated_ms = now_ms;
	if (v == DOC_WRITE)
		group_encode(&edit->value, &g);
	return v;
}

static void changed(struct doc_edit *edit)
{
	struct group_op *op = container_of(edit, struct group_op, edit);

	op->problem = edit->problem;
	op->done(op);
}

void engine_group_change(struct engine *e, struct group_op *op)
{
	op->edit = (struct doc_edit){
		.account = op->account,
		.doc = DOC_TOPIC,
		.name = op->name,
		.arena = op->arena,
		.count_max = accounts_plan(e, op->account)->topics_max,
		.quota = "maxTopics",
		.change = change,
		.done = changed,
	};
	docs_edit(e, &op->edit, GROUP_BYTES_MAX);
}

/* ---- finding ---------------------------------------------------------------------------------------- */

static void found(struct store_req *req)
{
	struct groups_find_one *one = req->arg;
	struct groups_find *op = one->owner;
	const struct scan *s = &one->scan;

	engine_answered(op->engine);
	if (req->result != STORE_APPLIED)
		engine_store_problem(&op->problem, req, REFUSAL_NONE);
	else if (s->rows > 0)
		one->exists = group_decode(op->arena, arena_str(op->arena, s->row[0].record),
					   &one->group);
	arena_done(&one->scan.arena);
	if (--op->pending == 0)
		op->done(op);
}

void engine_groups_find(struct engine *e, struct groups_find *op)
{
	check(op->n > 0);
	op->engine = e;
	op->pending = op->n;
	for (size_t i = 0; i < op->n; i++) {
		struct groups_find_one *one = &op->one[i];

		one->owner = op;
		one->exists = false;
		scan_init(&one->scan, SCAN_DOCS, found, one);
		one->scan.doc = DOC_TOPIC;
		one->scan.user = op->account->user.id;
		one->scan.name = one->name;
		one->scan.exact = true;
		one->scan.max = 1;
		one->scan.bytes_max = SIZE_MAX;
		arena_init(&one->scan.arena);
		engine_submit(e, &one->scan.req);
	}
}
