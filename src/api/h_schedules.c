/* h_schedules.c - schedules (spec 2.2.6, 2.3.3). */
#include "api/handlers.h"
#include "api/item.h"
#include "core/names.h"
#include "core/query.h"
#include "core/url.h"
#include "core/view.h"

/* ---- showing ---------------------------------------------------------------------------------------- */

static void write_settings(struct json_out *j, const struct schedule *s)
{
	const struct msg *m = &s->msg;

	json_kint(j, STR("retries"), m->retries_max);
	json_kstr_opt(j, STR("retryDelayExpression"), m->retry_delay);
	if (s->flags & SCHEDULE_HAS_DELAY)
		json_kint(j, STR("delay"), (s->delay_ms + 999) / 1000);
	if (s->flags & SCHEDULE_HAS_TIMEOUT)
		json_kint(j, STR("timeout"), (m->timeout_ms + 999) / 1000);
	view_callbacks(j, m);
	json_kstr_opt(j, STR("queueName"), m->queue);
	view_flow(j, m);
	view_labels(j, m);
}

static void write_schedule(struct json_out *j, const struct schedule *s)
{
	const struct msg *m = &s->msg;

	json_open(j, '{');
	json_kstr(j, STR("scheduleId"), s->id);
	json_kstr(j, STR("destination"), s->destination);
	json_kstr(j, STR("cron"), s->cron);
	json_kstr(j, STR("method"), m->method);
	json_kint(j, STR("createdAt"), s->created_ms);
	view_headers(j, STR("header"), &m->header, m);
	view_body(j, m);
	write_settings(j, s);
	json_kbool(j, STR("isPaused"), s->flags & SCHEDULE_IS_PAUSED);
	/* Both spellings are read by clients. */
	json_kstr_opt(j, STR("callerIP"), m->caller_ip);
	json_kstr_opt(j, STR("callerIp"), m->caller_ip);
	json_kint_opt(j, STR("lastScheduleTime"), s->last_ms);
	json_kint_opt(j, STR("nextScheduleTime"), s->next_ms);
	json_kstr_opt(j, STR("error"), s->error);
	json_close(j, '}');
}

/* Broken ones are left out of a list: the others can still be seen. */
static void answer_all(struct docs_read *op)
{
	struct json_out j = call_json(op->arg);
	struct schedule s;

	json_open(&j, '[');
	for (size_t i = 0; i < op->n; i++) {
		if (schedule_decode(&op->arena, op->row[i].value, &s))
			write_schedule(&j, &s);
	}
	json_close(&j, ']');
}

static void answer_one(struct docs_read *op, struct problem *p)
{
	struct json_out j;
	struct schedule s;

	if (op->n == 0) {
		problem_set(p, 404, "schedule %.*s not found", STR_FMT(str_sub(op->name, 0, 256)));
	} else if (!schedule_decode(&op->arena, op->row[0].value, &s)) {
		problem_set(p, 500, "the record of this schedule is broken");
	} else {
		j = call_json(op->arg);
		write_schedule(&j, &s);
	}
}

static void shown(struct docs_read *op)
{
	struct call *c = op->arg;

	if (op->problem.status == 0 && op->name.n == 0)
		answer_all(op);
	else if (op->problem.status == 0)
		answer_one(op, &op->problem);
	arena_done(&op->arena);
	if (op->problem.status != 0)
		call_fail(c, &op->problem);
	else
		call_answer(c, 200);
}

static void show(struct call *c, struct str id)
{
	struct docs_read *op = arena_new(call_arena(c), struct docs_read);

	op->account = c->account;
	op->doc = DOC_SCHEDULE;
	op->name = id;
	op->done = shown;
	op->arg = c;
	arena_init(&op->arena);
	engine_docs_read(c->api->set.engine, op);
}

void h_schedules_list(struct call *c)
{
	show(c, STR_NULL);
}

void h_schedules_get(struct call *c)
{
	if (c->id[0].n == 0)
		call_refuse(c, 400, "the id of the schedule is empty");
	else
		show(c, c->id[0]);
}

/* ---- changing --------------------------------------------------------------------------------------- */

static void changed(struct schedule_op *op)
{
	struct call *c = op->arg;
	struct json_out j;

	if (op->problem.status != 0) {
		call_fail(c, &op->problem);
	} else if (op->what != SCHEDULE_CREATE) {
		call_answer_text(c, 200, STR("{}"));
	} else {
		j = call_json(c);
		json_open(&j, '{');
		json_kstr(&j, STR("scheduleId"), op->id);
		json_close(&j, '}');
		call_answer(c, 200);
	}
}

static struct schedule_op *change_new(struct call *c, enum schedule_what what)
{
	struct schedule_op *op = arena_new(call_arena(c), struct schedule_op);

	op->account = c->account;
	op->what = what;
	op->arena = call_arena(c);
	op->done = changed;
	op->arg = c;
	return op;
}

static void change(struct call *c, enum schedule_what what)
{
	struct schedule_op *op = change_new(c, what);

	op->id = c->id[0];
	engine_schedule_change(c->api->set.engine, op);
}

void h_schedules_pause(struct call *c)
{
	change(c, SCHEDULE_PAUSE);
}

void h_schedules_resume(struct call *c)
{
	change(c, SCHEDULE_RESUME);
}

void h_schedules_delete(struct call *c)
{
	change(c, SCHEDULE_DELETE);
}

/* ---- creating --------------------------------------------------------------------------------------- */

static bool is_secret(struct str name)
{
	return str_ieq(name, STR("Authorization"));
}

/* What a group's trigger needs to know of the request; the strongest first. */
static struct headers settings(struct call *c, const struct options_source *os)
{
	struct headers h = {
		arena_array(call_arena(c), struct header, os->header.n + os->query.n + 1), 0
	};

	for (size_t i = 0; i < os->header.n; i++) {
		if (!is_secret(os->header.v[i].name))
			h.v[h.n++] = os->header.v[i];
	}
	for (size_t i = 0; i < os->query.n; i++) {
		if (!headers_get(&os->header, os->query.v[i].name).p)
			h.v[h.n++] = os->query.v[i];
	}
	return h;
}

/* The fields that options do not decide; the group, if it is one, need not exist yet. */
static bool start_schedule(struct call *c, struct str own_query, struct schedule *s,
			   struct problem *p)
{
	struct msg *m = &s->msg;
	enum dest_kind kind;
	const char *why = NULL;
	struct url u;

	m->user = c->account->user.id;
	m->body = c->req->body;
	m->caller_ip = c->req->peer_ip;
	m->created_ms = call_now_ms(c);
	s->destination = c->rest;
	if (!dest_classify(c->rest, &kind, p))
		return false;
	if (kind == DEST_API)
		return problem_set(p, 400,
				   "invalid destination: %.*s is not configured on this server",
				   STR_FMT(c->rest));
	if (kind == DEST_GROUP) {
		m->topic = c->rest;
		return true;
	}
	if (own_query.n > 0)
		s->destination =
			arena_fmt(call_arena(c), "%.*s?%.*s", STR_FMT(c->rest), STR_FMT(own_query));
	if (!url_judge(s->destination, &u, &why))
		return problem_set(p, 400, "invalid destination url: %s", why);
	m->url = u.whole;
	return true;
}

static void take_options(struct schedule *s, const struct options *o)
{
	s->cron = str_trim(o->cron);
	s->delay_ms = s->msg.not_before_ms - s->msg.created_ms;
	if (o->has_delay)
		s->flags |= SCHEDULE_HAS_DELAY;
	if (o->has_timeout)
		s->flags |= SCHEDULE_HAS_TIMEOUT;
}

static bool make_schedule(struct call *c, struct schedule_op *op, struct problem *p)
{
	struct options_source os = {
		.header = item_request_headers(c),
		.use = OPTIONS_SCHEDULE,
		.plan = c->plan,
		.now_ms = call_now_ms(c),
	};
	struct schedule *s = &op->schedule;
	struct str own_query, token;
	struct options o = { 0 };

	if (!query_split_destination(call_arena(c), c->req->query, &own_query, &os.query, &token))
		return problem_set(
			p, 400,
			"the query string has a broken percent-escape or too many settings");
	if (!start_schedule(c, own_query, s, p) ||
	    !options_parse(call_arena(c), &os, &s->msg, &o, p))
		return false;
	take_options(s, &o);
	if (s->msg.topic.n > 0)
		s->setting = settings(c, &os);
	op->id = o.schedule_id;
	return true;
}

void h_schedules_create(struct call *c)
{
	struct schedule_op *op = change_new(c, SCHEDULE_CREATE);

	if (make_schedule(c, op, &op->problem))
		engine_schedule_change(c->api->set.engine, op);
	else
		call_fail(c, &op->problem);
}
