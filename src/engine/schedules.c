/* schedules.c - schedules: kept as documents with a due time, and triggered when claims hand them out.
 *
 * A trigger is one step: the document with its next time, on top of the version that was handed out, and the
 * messages. So it happens once, whoever does it and however often it is tried; were its answer lost, the next claim
 * hands the document out again if, and only if, nothing was done. The next time is counted from now: of what was
 * missed while no server ran, one trigger is made up for, at once.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/codec.h"
#include "base/log.h"
#include "core/cron.h"
#include "core/limits.h"
#include "core/options.h"
#include "core/tz.h"
#include "engine/engine_int.h"

enum {
	SCHEDULE_BYTES_MAX = 128 * 1024 * 1024,
	ONCE_BYTES_MAX = 4096,
	TRIGGER_BYTES_MAX = 64 * 1024 * 1024, /* of all messages of one trigger */
	TRIGGER_AGAIN_MS = 1000,
};

/* ---- time zones ------------------------------------------------------------------------------------- */

struct zone {
	char *name;
	struct tz tz;
	struct arena arena;
};

void schedules_free(struct engine *e)
{
	size_t pos = 0;
	struct zone *z;

	while ((z = map_next(&e->zones, &pos)) != NULL) {
		arena_done(&z->arena);
		free(z->name);
		free(z);
	}
	map_done(&e->zones);
}

static struct zone *zone_load(struct engine *e, struct str name)
{
	struct zone *z = xcalloc(1, sizeof(*z));
	struct buf bytes;
	bool ok;

	arena_init(&z->arena);
	buf_init(&bytes, ZONE_BYTES_MAX);
	ok = e->set.zone != NULL && tz_name_is_safe(name) &&
	     e->set.zone(e->set.zone_arg, name, &bytes) && !bytes.overflow &&
	     tz_parse(buf_str(&bytes), &z->tz, &z->arena);
	buf_done(&bytes);
	if (!ok) {
		arena_done(&z->arena);
		free(z);
		return NULL;
	}
	z->name = str_dup(name);
	map_put(&e->zones, str_c(z->name), z);
	return z;
}

/* *ret_tz NULL = UTC. False when there is no such zone. */
static bool zone_find(struct engine *e, struct str name, const struct tz **ret_tz)
{
	struct zone *z = NULL;

	if (name.n > 0) {
		z = map_get(&e->zones, name);
		if (z == NULL)
			z = zone_load(e, name);
		if (z == NULL)
			return false;
	}
	*ret_tz = z != NULL ? &z->tz : NULL;
	return true;
}

/* The first time after now; 400 when the zone is unknown or the expression never due. */
static bool next_time(struct engine *e, struct str text, int64_t *ret_ms, struct problem *p)
{
	const struct tz *tz = NULL;
	struct cron cron;

	if (!cron_parse(text, &cron, p))
		return false;
	if (!zone_find(e, cron.tz_name, &tz))
		return problem_set(p, 400, "invalid cron: unknown time zone %.*s",
				   STR_FMT(str_sub(cron.tz_name, 0, 100)));
	if (!cron_next(&cron, tz, e->now_ms, ret_ms))
		return problem_set(p, 400, "invalid cron: it is never due");
	return true;
}

/* ---- creating and changing -------------------------------------------------------------------------- */

/* What the new one keeps of the one that it replaces. */
static bool keep_old(struct schedule_op *op, struct str old, struct schedule *s, struct problem *p)
{
	struct schedule was;

	if (!schedule_decode(op->arena, old, &was))
		return problem_set(p, 500, "the record of this schedule is broken");
	s->created_ms = was.created_ms;
	s->last_ms = was.last_ms;
	s->last = was.last;
	s->last_n = was.last_n;
	s->flags |= was.flags & SCHEDULE_IS_PAUSED;
	return true;
}

static bool change_old(struct schedule_op *op, struct str old, struct schedule *s,
		       struct problem *p)
{
	if (!schedule_decode(op->arena, old, s))
		return problem_set(p, 500, "the record of this schedule is broken");
	if (op->what == SCHEDULE_PAUSE)
		s->flags |= SCHEDULE_IS_PAUSED;
	else
		s->flags &= ~(uint32_t)SCHEDULE_IS_PAUSED;
	return true;
}

static enum doc_verdict change(struct doc_edit *edit, bool exists, struct str old)
{
	struct schedule_op *op = container_of(edit, struct schedule_op, edit);
	struct problem *p = &edit->problem;
	struct schedule s = op->schedule;

	if (!exists && op->what != SCHEDULE_CREATE) {
		problem_set(p, 404, "schedule %.*s not found", STR_FMT(str_sub(op->id, 0, 256)));
		return DOC_REFUSE;
	}
	if (op->what == SCHEDULE_DELETE)
		return DOC_DROP;
	if (op->what == SCHEDULE_CREATE) {
		/* One that was deleted meanwhile is made again, under its id. */
		op->duplicate = op->duplicate && exists;
		if (op->duplicate)
			return DOC_KEEP;
		if (exists && !keep_old(op, old, &s, p))
			return DOC_REFUSE;
	} else if (!change_old(op, old, &s, p)) {
		return DOC_REFUSE;
	}
	/* Resumed: what was missed meanwhile stays missed. Paused: the time is shown, and goes on. */
	if (!next_time(edit->engine, s.cron, &s.next_ms, p))
		return DOC_REFUSE;
	edit->due_ms = s.next_ms;
	schedule_encode(&edit->value, &s);
	return DOC_WRITE;
}

static void changed(struct doc_edit *edit)
{
	struct schedule_op *op = container_of(edit, struct schedule_op, edit);

	op->problem = edit->problem;
	op->done(op);
}

/* "scd_" and 22 characters. */
static struct str new_id(struct engine *e, struct arena *a)
{
	char text[2 * B58_U64_LEN];

	b58_u64(text, rng_u64(&e->rng));
	b58_u64(text + B58_U64_LEN, rng_u64(&e->rng));
	return arena_fmt(a, "scd_%.*s", 2 * B58_U64_LEN, text);
}

static void start_edit(struct engine *e, struct schedule_op *op)
{
	if (op->what == SCHEDULE_CREATE) {
		op->schedule.id = op->schedule.msg.schedule_id = op->id;
		op->schedule.created_ms = e->now_ms;
	}
	op->edit = (struct doc_edit){
		.account = op->account,
		.doc = DOC_SCHEDULE,
		.name = op->id,
		.arena = op->arena,
		.count_max = accounts_plan(e, op->account)->schedules_max,
		.quota = "maxSchedules",
		.change = change,
		.done = changed,
	};
	docs_edit(e, &op->edit, SCHEDULE_BYTES_MAX);
}

/* ---- deduplication ---------------------------------------------------------------------------------- */

/* A document under the key names the schedule that was made with it. It is written before the schedule is, so two
 * requests at once make the same one. */
enum once_tag { ONCE_UNTIL = 1, ONCE_ID };

static bool once_decode(struct str record, int64_t *ret_until_ms, struct str *ret_id)
{
	struct str value;
	uint8_t tag;

	return tlv_next(&record, &tag, &value) == 1 && tag == ONCE_UNTIL &&
	       tlv_i64_value(value, ret_until_ms) && tlv_next(&record, &tag, ret_id) == 1 &&
	       tag == ONCE_ID && ret_id->n > 0;
}

static enum doc_verdict once_change(struct doc_edit *once, bool exists, struct str old)
{
	struct schedule_op *op = container_of(once, struct schedule_op, once);
	int64_t now_ms = once->engine->now_ms, until_ms;
	struct str id;

	if (exists && once_decode(old, &until_ms, &id) && until_ms > now_ms) {
		op->id = id;
		op->duplicate = true;
		return DOC_KEEP;
	}
	once->due_ms = now_ms + LIMIT_DEDUP_WINDOW_MS;
	tlv_i64(&once->value, ONCE_UNTIL, once->due_ms);
	tlv_add(&once->value, ONCE_ID, op->id);
	return DOC_WRITE;
}

static void once_done(struct doc_edit *once)
{
	struct schedule_op *op = container_of(once, struct schedule_op, once);

	op->problem = once->problem;
	if (op->problem.status != 0)
		op->done(op);
	else
		start_edit(once->engine, op);
}

void engine_schedule_change(struct engine *e, struct schedule_op *op)
{
	engine_look(e);
	op->duplicate = false;
	if (op->what == SCHEDULE_CREATE && op->id.n == 0)
		op->id = new_id(e, op->arena);
	if (op->dedup_key.n == 0) {
		start_edit(e, op);
		return;
	}
	op->once = (struct doc_edit){
		.account = op->account,
		.doc = DOC_META,
		.name = arena_fmt(op->arena, "schedule:%.*s", STR_FMT(op->dedup_key)),
		.arena = op->arena,
		.change = once_change,
		.done = once_done,
	};
	docs_edit(e, &op->once, ONCE_BYTES_MAX);
}

/* ---- triggers --------------------------------------------------------------------------------------- */

struct trigger {
	struct list node; /* in engine.triggers */
	struct engine *engine;
	struct account *account;
	struct arena arena; /* all of the following */
	struct str user, name, value;
	int64_t version;
	struct schedule s;
	struct groups_find find;
	struct groups_find_one group;
	struct step step;
	struct move *move;
	size_t moves;
	struct delivery **made; /* own the records of move[1..] */
	size_t made_n;
	struct buf record;
};

static void trigger_free(struct trigger *t)
{
	for (size_t i = 0; i < t->made_n; i++)
		delivery_free(t->made[i]);
	list_remove(&t->node);
	buf_done(&t->record);
	arena_done(&t->arena);
	free(t);
}

void schedules_drop(struct engine *e)
{
	struct list *it, *tmp;

	list_each(it, tmp, &e->triggers)
		trigger_free(list_entry(it, struct trigger, node));
}

static void trigger_write(struct trigger *t);

static void trigger_done(struct store_req *req)
{
	struct trigger *t = req->arg;
	struct engine *e = t->engine;
	size_t refused = t->step.refused_move;

	engine_answered(e);
	if (req->result == STORE_APPLIED) {
		e->stats.published += t->made_n;
		if (t->made_n > 0)
			usage_notice(e, t->account, &t->move[t->moves - 1]);
		e->claim_wanted = true;
		if (t->s.next_ms > 0)
			engine_expect(e, t->s.next_ms);
	} else if (req->result == STORE_REFUSED && t->step.refusal == REFUSAL_ID) {
		/* Another process has taken the number of one: the next claim hands it out again. */
		engine_expect(e, e->now_ms + TRIGGER_AGAIN_MS);
	} else if (req->result == STORE_REFUSED && refused > 0) {
		struct problem p = { 0 };

		/* One of the messages, not the document: tell it there, and go on. */
		engine_put_problem(&p, &t->step, &t->move[refused]);
		t->s.error = arena_str(&t->arena, str_c(p.text));
		trigger_write(t);
		return;
	} else if (req->result != STORE_REFUSED) {
		engine_expect(e, e->now_ms + TRIGGER_AGAIN_MS);
	}
	trigger_free(t);
}

/* The document, and the messages that are made. */
static void submit_step(struct trigger *t, struct str value)
{
	t->move[0] = (struct move){
		.kind = MOVE_DOC_PUT,
		.doc_put = {
			.doc = DOC_SCHEDULE,
			.user = t->user,
			.name = t->name,
			.value = value,
			.version = t->version,
			.due_ms = t->s.next_ms,
		},
	};
	step_init(&t->step, t->move, t->moves, trigger_done, t);
	engine_submit(t->engine, &t->step.req);
}

/* Hands the step over; without messages when there is an error. */
static void trigger_write(struct trigger *t)
{
	if (t->s.error.n > 0) {
		while (t->made_n > 0)
			delivery_free(t->made[--t->made_n]);
		t->moves = 1;
		t->s.last_n = 0;
	}
	buf_reset(&t->record);
	schedule_encode(&t->record, &t->s);
	check(!t->record.overflow);
	submit_step(t, buf_str(&t->record));
}

static void add_message(struct trigger *t, const struct msg *m)
{
	struct delivery *d = delivery_new(t->engine);
	struct move *put = &t->move[t->moves++];

	/* Not leased by this step, as with callbacks: the next claim takes it. */
	delivery_prepare_put(d, put, m);
	usage_limit(t->engine, t->account, put);
	t->made[t->made_n++] = d;
}

static void make_room(struct trigger *t, size_t messages)
{
	t->move = arena_array(&t->arena, struct move, messages + 1);
	t->made = arena_array(&t->arena, struct delivery *, messages + 1);
	t->moves = 1;
}

/* The message as the group's default headers make it today. */
static bool apply_group_headers(struct trigger *t, struct msg *m, struct problem *p)
{
	struct msg fresh = {
		.user = m->user,
		.topic = m->topic,
		.body = m->body,
		.caller_ip = m->caller_ip,
		.schedule_id = m->schedule_id,
		.created_ms = m->created_ms,
	};
	struct options_source src = {
		.header = t->s.setting,
		.group = t->group.group.header,
		.use = OPTIONS_SCHEDULE,
		.plan = accounts_plan(t->engine, t->account),
		.now_ms = m->created_ms,
	};
	struct options o;

	if (src.group.n == 0)
		return true;
	if (!options_parse(&t->arena, &src, &fresh, &o, p))
		return false;
	*m = fresh;
	return true;
}

static bool fan_out(struct trigger *t, struct msg *m, struct problem *p)
{
	const struct group *g = &t->group.group;

	if (t->find.problem.status != 0 || !t->group.exists)
		return problem_set(p, 404, "topic %.*s not found", STR_FMT(m->topic));
	if (!apply_group_headers(t, m, p))
		return false;
	if (m->body.n > TRIGGER_BYTES_MAX / g->n)
		return problem_set(p, 412, "the messages of one trigger are over %d bytes",
				   TRIGGER_BYTES_MAX);
	make_room(t, g->n);
	for (size_t i = 0; i < g->n; i++) {
		m->url = g->endpoint[i].url;
		m->endpoint = g->endpoint[i].name;
		add_message(t, m);
	}
	return true;
}

static void name_messages(struct trigger *t)
{
	t->s.last = arena_array(&t->arena, struct msg_id, t->made_n);
	t->s.last_n = t->made_n;
	for (size_t i = 0; i < t->made_n; i++)
		t->s.last[i] = t->made[i]->msg.id;
}

/* The next time, and the messages, if any. */
static void trigger_make(struct trigger *t)
{
	struct engine *e = t->engine;
	struct msg m = t->s.msg;
	struct problem p = { 0 };
	struct problem never = { 0 };
	bool paused = t->s.flags & SCHEDULE_IS_PAUSED;

	make_room(t, 1);
	m.created_ms = e->now_ms;
	m.not_before_ms = e->now_ms + t->s.delay_ms;
	t->s.error = STR_NULL;
	if (!paused)
		t->s.last_ms = e->now_ms;
	if (!paused && m.topic.n > 0)
		(void)!fan_out(t, &m, &p);
	else if (!paused)
		add_message(t, &m);
	if (p.status != 0)
		t->s.error = arena_str(&t->arena, str_c(p.text));
	if (!paused)
		name_messages(t);
	/* Its time zone may be gone, or there is no such day any more. */
	if (!next_time(e, t->s.cron, &t->s.next_ms, &never)) {
		log_error("schedules", "schedule %.*s will not be due again: %s", STR_FMT(t->name),
			  never.text);
		t->s.next_ms = 0;
	}
	trigger_write(t);
}

static void group_found(struct groups_find *find)
{
	struct trigger *t = container_of(find, struct trigger, find);

	/* Not to be known now: the next claim hands it out again. */
	if (find->problem.status != 0) {
		engine_expect(t->engine, t->engine->now_ms + TRIGGER_AGAIN_MS);
		trigger_free(t);
		return;
	}
	trigger_make(t);
}

static bool is_running(struct engine *e, const struct due_doc *doc)
{
	struct list *it, *tmp;

	list_each(it, tmp, &e->triggers) {
		struct trigger *t = list_entry(it, struct trigger, node);

		if (str_eq(t->user, doc->user) && str_eq(t->name, doc->name))
			return true;
	}
	return false;
}

/* It stays as it is, but is never due again. */
static void trigger_rest(struct trigger *t)
{
	t->s.next_ms = 0;
	make_room(t, 0);
	submit_step(t, t->value);
}

static struct trigger *trigger_new(struct engine *e, const struct due_doc *doc)
{
	struct trigger *t = xcalloc(1, sizeof(*t));

	t->engine = e;
	arena_init(&t->arena);
	buf_init(&t->record, SCHEDULE_BYTES_MAX + 1024);
	t->user = arena_str(&t->arena, doc->user);
	t->name = arena_str(&t->arena, doc->name);
	t->value = arena_str(&t->arena, doc->value);
	t->version = doc->version;
	t->account = engine_account(e, t->user);
	list_push(&e->triggers, &t->node);
	return t;
}

void schedules_trigger(struct engine *e, const struct due_doc *doc)
{
	struct trigger *t;

	if (e->stopping || is_running(e, doc))
		return;
	t = trigger_new(e, doc);
	if (t->account == NULL || !schedule_decode(&t->arena, t->value, &t->s)) {
		log_error("schedules",
			  "schedule %.*s is broken, or its user is gone; it is put to rest",
			  STR_FMT(t->name));
		trigger_rest(t);
		return;
	}
	if (t->s.msg.topic.n == 0 || t->s.flags & SCHEDULE_IS_PAUSED) {
		trigger_make(t);
		return;
	}
	t->group.name = t->s.msg.topic;
	t->find = (struct groups_find){
		.account = t->account,
		.one = &t->group,
		.n = 1,
		.arena = &t->arena,
		.done = group_found,
	};
	engine_groups_find(e, &t->find);
}

static void forgotten(struct store_req *req)
{
	struct trigger *t = req->arg;

	engine_answered(t->engine);
	trigger_free(t);
}

void schedules_forget(struct engine *e, const struct due_doc *doc)
{
	struct trigger *t;

	if (e->stopping || is_running(e, doc))
		return;
	t = trigger_new(e, doc);
	make_room(t, 0);
	t->move[0] = (struct move){
		.kind = MOVE_DOC_REMOVE,
		.doc_remove = { DOC_META, t->user, t->name, t->version },
	};
	step_init(&t->step, t->move, 1, forgotten, t);
	engine_submit(e, &t->step.req);
}
