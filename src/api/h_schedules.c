/* h_schedules.c - schedules (spec 2.2.6, 2.3.3). */
#include "api/handlers.h"
#include "api/item.h"
#include "api/states.h"
#include "core/names.h"
#include "core/query.h"
#include "core/url.h"
#include "core/view.h"

/* ---- showing ---------------------------------------------------------------------------------------- */

struct showing {
	struct docs_read read;
	struct schedule *schedule; /* those that can be read */
	size_t n;
	struct states states;
};

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

static struct str state_name(enum event_state state)
{
	switch (state) {
	case EVENT_DELIVERED:
		return STR("SUCCESS");
	case EVENT_FAILED:
	case EVENT_CANCELED:
		return STR("FAIL");
	default:
		return STR("IN_PROGRESS");
	}
}

static void write_states(struct json_out *j, const struct schedule *s,
			 const enum event_state *state)
{
	char id[MSG_ID_LEN + 1];

	json_key(j, STR("lastScheduleStates"));
	json_open(j, '{');
	for (size_t i = 0; i < s->last_n; i++) {
		if (state[i] == EVENT_NONE)
			continue;
		msg_id_text(id, s->last[i]);
		json_kstr(j, str_n(id, MSG_ID_LEN), state_name(state[i]));
	}
	json_close(j, '}');
}

/* `state` is of its last messages; NULL = not looked up. */
static void write_schedule(struct json_out *j, const struct schedule *s,
			   const enum event_state *state)
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
	if (state != NULL && s->last_n > 0)
		write_states(j, s, state);
	json_kstr_opt(j, STR("error"), s->error);
	json_close(j, '}');
}

static void answer_shown(struct states *states)
{
	struct showing *w = container_of(states, struct showing, states);
	struct call *c = states->call;
	struct arena read = w->read.arena;
	struct json_out j = call_json(c);
	bool all = w->read.name.n == 0;
	size_t at = 0;

	if (all)
		json_open(&j, '[');
	for (size_t i = 0; i < w->n; i++) {
		const struct schedule *s = &w->schedule[i];
		bool known = at + s->last_n <= states->n;

		write_schedule(&j, s, known ? states->state + at : NULL);
		at += s->last_n;
	}
	if (all)
		json_close(&j, ']');
	call_answer(c, 200);
	arena_done(&read);
}

/* The messages of the last triggers of all that are shown, in their order, as far as there is room. */
static void find_states(struct showing *w, struct call *c)
{
	struct msg_id *ids;
	size_t n = 0, taken = 0;

	while (taken < w->n && n + w->schedule[taken].last_n <= STATES_MAX)
		n += w->schedule[taken++].last_n;
	ids = arena_array(call_arena(c), struct msg_id, n);
	w->states = (struct states){ .call = c, .ids = ids, .n = n, .done = answer_shown };
	for (size_t i = 0; i < taken; i++) {
		for (size_t k = 0; k < w->schedule[i].last_n; k++)
			*ids++ = w->schedule[i].last[k];
	}
	states_find(&w->states);
}

/* Broken ones are left out of a list: the others can still be seen. */
static void decode_all(struct showing *w)
{
	struct docs_read *op = &w->read;

	w->schedule = arena_array(&op->arena, struct schedule, op->n);
	for (size_t i = 0; i < op->n; i++)
		w->n += schedule_decode(&op->arena, op->row[i].value, &w->schedule[w->n]);
}

static void shown(struct docs_read *op)
{
	struct showing *w = container_of(op, struct showing, read);
	struct call *c = op->arg;
	bool one = op->name.n > 0;

	if (op->problem.status == 0)
		decode_all(w);
	if (op->problem.status == 0 && one && op->n == 0)
		problem_set(&op->problem, 404, "schedule %.*s not found",
			    STR_FMT(str_sub(op->name, 0, 256)));
	else if (op->problem.status == 0 && one && w->n == 0)
		problem_set(&op->problem, 500, "the record of this schedule is broken");
	if (op->problem.status == 0) {
		find_states(w, c);
		return;
	}
	arena_done(&op->arena);
	call_fail(c, &op->problem);
}

static void show(struct call *c, struct str id)
{
	struct showing *w = arena_new(call_arena(c), struct showing);

	w->read.account = c->account;
	w->read.doc = DOC_SCHEDULE;
	w->read.name = id;
	w->read.done = shown;
	w->read.arg = c;
	arena_init(&w->read.arena);
	engine_docs_read(c->engine, &w->read);
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
		if (op->duplicate)
			json_kbool(&j, STR("deduplicated"), true);
		json_close(&j, '}');
		call_answer(c, op->duplicate ? 202 : 200);
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
	engine_schedule_change(c->engine, op);
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
		return item_to_llm(c, m, p);
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

/* The content of a schedule is also when it is due; and one that is named is no duplicate of another. */
static struct str dedup_key(struct arena *a, const struct schedule *s, const struct options *o)
{
	struct str key = options_dedup_key(a, &s->msg, o);

	if (key.n > 0 && o->dedup_id.n == 0)
		key = arena_fmt(a, "%.*s\n%.*s", STR_FMT(key), STR_FMT(s->cron));
	if (key.n > 0 && o->schedule_id.n > 0)
		key = arena_fmt(a, "%.*s\n%.*s", STR_FMT(key), STR_FMT(o->schedule_id));
	return key;
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
	op->dedup_key = dedup_key(call_arena(c), s, &o);
	return true;
}

void h_schedules_create(struct call *c)
{
	struct schedule_op *op = change_new(c, SCHEDULE_CREATE);

	if (make_schedule(c, op, &op->problem))
		engine_schedule_change(c->engine, op);
	else
		call_fail(c, &op->problem);
}
