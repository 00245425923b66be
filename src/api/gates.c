#include "api/gates.h"

static void changed(struct gate_change *op)
{
	struct gates_change *g = container_of(op, struct gates_change, op);
	struct call *c = op->arg;

	if (op->problem.status == 404)
		call_refuse(c, 404, g->missing);
	else if (op->problem.status != 0)
		call_fail(c, &op->problem);
	else
		call_answer_text(c, 200, STR_NULL);
}

struct gates_change *gates_change(struct call *c, enum gate_kind kind, enum gate_op what,
				  const char *missing)
{
	struct gates_change *g = arena_new(call_arena(c), struct gates_change);

	g->missing = missing;
	g->op.account = c->account;
	g->op.move.gate.gate = kind;
	g->op.move.gate.name = c->id[0];
	g->op.move.gate.op = what;
	g->op.move.gate.parallelism = g->op.move.gate.rate = g->op.move.gate.period_ms = -1;
	g->op.move.gate.paused = -1;
	g->op.done = changed;
	g->op.arg = c;
	return g;
}

void gates_submit(struct call *c, struct gates_change *g)
{
	engine_gate_change(c->engine, &g->op);
}

/* The list comes in pages and other calls are answered in between, so it has a buffer of its own. */
struct showing {
	struct call *call;
	struct gates_ask ask;
	struct gate_list list;
	struct buf text;
	struct json_out json;
};

static void show(struct gate_list *list, const struct scan_row *row)
{
	struct showing *s = list->arg;

	if (str_has(row->name, s->ask.part))
		s->ask.write(&s->json, row);
}

static void shown(struct gate_list *list)
{
	struct showing *s = list->arg;
	struct buf text;

	if (s->ask.name.n == 0)
		json_close(&s->json, ']');
	text = s->text;
	if (list->problem.status != 0)
		call_fail(s->call, &list->problem);
	else if (text.overflow)
		call_refuse(s->call, 500, "the answer is too long");
	else if (text.n == 0)
		call_refuse(s->call, 404, s->ask.missing);
	else
		call_answer_text(s->call, 200, buf_str(&text));
	buf_done(&text);
}

void gates_answer(struct call *c, const struct gates_ask *ask)
{
	struct showing *s = arena_new(call_arena(c), struct showing);

	s->call = c;
	s->ask = *ask;
	buf_init(&s->text, API_ANSWER_BYTES_MAX);
	s->json = json_out(&s->text);
	if (ask->name.n == 0)
		json_open(&s->json, '[');
	s->list.account = c->account;
	s->list.kind = ask->kind;
	s->list.name = ask->name;
	s->list.each = show;
	s->list.done = shown;
	s->list.arg = s;
	engine_gate_list(c->engine, &s->list);
}
