/* h_messages.c - one message, and cancelling one or many (spec 2.2.3, 2.2.4). */
#include "api/call.h"
#include "api/handlers.h"
#include "core/view.h"
#include "logs/logs.h"

#define NOT_FOUND "message not found"

enum {
	GRACE_MS = 60 * 1000,       /* an ended message stays readable for this long */
	CANCEL_WAIT_MS = 60 * 1000, /* a bulk cancel that takes longer goes on without the caller */
};

/* ---- one message ----------------------------------------------------------------------------- */

struct lookup {
	struct call *call;
	struct message_get get;
	struct logs_query log;
};

static void answer_message(struct call *c, const struct msg *m)
{
	struct json_out j = call_json(c);

	json_open(&j, '{');
	view_message(&j, m);
	json_close(&j, '}');
	call_answer(c, 200);
}

static void log_answered(struct logs_query *q)
{
	struct call *c = q->arg;
	struct buf body = q->body;

	if (q->problem.status != 0)
		call_fail(c, &q->problem);
	else if (q->found)
		call_answer_text(c, 200, buf_str(&body));
	else
		call_refuse(c, 404, NOT_FOUND);
	buf_done(&body);
}

/* It may have ended a moment ago; then the log still knows it. */
static void ask_log(struct lookup *l)
{
	struct call *c = l->call;

	l->log.kind = LOGS_MESSAGE;
	l->log.id = l->get.id;
	l->log.grace_ms = GRACE_MS;
	l->log.done = log_answered;
	l->log.arg = c;
	call_ask_log(c, &l->log);
}

static void got(struct message_get *op)
{
	struct lookup *l = op->arg;
	struct arena a = op->arena;

	if (op->problem.status == 0)
		answer_message(l->call, &op->msg);
	else if (op->problem.status == 404)
		ask_log(l);
	else
		call_fail(l->call, &op->problem);
	arena_done(&a);
}

void h_messages_get(struct call *c)
{
	struct lookup *l = arena_new(call_arena(c), struct lookup);

	if (!msg_id_parse(c->id[0], &l->get.id)) {
		call_refuse(c, 404, NOT_FOUND);
		return;
	}
	l->call = c;
	l->get.account = c->account;
	l->get.done = got;
	l->get.arg = l;
	arena_init(&l->get.arena);
	engine_message_get(c->engine, &l->get);
}

/* ---- cancelling ------------------------------------------------------------------------------ */

struct cancelling {
	struct message_cancel by_id;
	struct bulk_cancel bulk;
	struct filter filter;
	struct problem problem;
};

static void cancelled(struct message_cancel *op)
{
	struct call *c = op->arg;

	if (op->problem.status != 0)
		call_fail(c, &op->problem);
	else
		call_answer_count(c, STR("cancelled"), op->cancelled);
}

static void cancelled_one(struct message_cancel *op)
{
	struct call *c = op->arg;

	if (op->problem.status == 0 && op->cancelled == 0)
		call_refuse(c, 404, NOT_FOUND);
	else
		cancelled(op);
}

void h_messages_cancel_one(struct call *c)
{
	struct message_cancel *op = arena_new(call_arena(c), struct message_cancel);
	struct msg_id *id = arena_new(call_arena(c), struct msg_id);

	if (!msg_id_parse(c->id[0], id)) {
		call_refuse(c, 404, NOT_FOUND);
		return;
	}
	op->account = c->account;
	op->ids = id;
	op->ids_n = 1;
	op->done = cancelled_one;
	op->arg = c;
	engine_message_cancel(c->engine, op);
}

/* Texts that are no ids name no message: they are left out. */
static size_t parse_ids(const struct filter_values *texts, struct msg_id *ids)
{
	size_t n = 0;

	for (size_t i = 0; i < texts->n; i++) {
		if (msg_id_parse(texts->v[i], &ids[n]))
			n++;
	}
	return n;
}

static void cancelled_bulk(struct bulk_cancel *op)
{
	struct call *c = op->arg;
	struct json_out j;

	if (op->problem.status != 0) {
		call_fail(c, &op->problem);
	} else if (op->wait_ms > 0) {
		call_answer_count(c, STR("cancelled"), op->cancelled);
	} else {
		j = call_json(c);
		json_open(&j, '{');
		json_kstr(&j, STR("actionId"), op->id);
		json_close(&j, '}');
		call_answer(c, 200);
	}
}

static void cancel_ids(struct call *c, struct cancelling *k)
{
	const struct filter_values *named = &k->filter.field[FILTER_MESSAGE_ID];
	struct msg_id *ids = arena_array(call_arena(c), struct msg_id, named->n);

	k->by_id = (struct message_cancel){
		.account = c->account,
		.ids = ids,
		.ids_n = parse_ids(named, ids),
		.done = cancelled,
		.arg = c,
	};
	if (k->by_id.ids_n == 0)
		call_answer_count(c, STR("cancelled"), 0);
	else
		engine_message_cancel(c->engine, &k->by_id);
}

/* Ids are exactly these messages, whatever else the request says. */
void h_messages_cancel(struct call *c)
{
	struct cancelling *k = arena_new(call_arena(c), struct cancelling);
	struct filter_source src = { FILTER_CANCEL, c->req->query, c->req->body };

	if (!filter_parse(call_arena(c), &src, &k->filter, &k->problem)) {
		call_fail(c, &k->problem);
		return;
	}
	if (k->filter.field[FILTER_MESSAGE_ID].n > 0) {
		cancel_ids(c, k);
		return;
	}
	k->bulk = (struct bulk_cancel){
		.account = c->account,
		.filter = &k->filter,
		.max = k->filter.count,
		.wait_ms = k->filter.async ? 0 : CANCEL_WAIT_MS,
		.done = cancelled_bulk,
		.arg = c,
	};
	engine_bulk_cancel(c->engine, &k->bulk);
}
