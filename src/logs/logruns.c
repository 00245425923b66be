#include "logs/logruns.h"

#include "base/check.h"
#include "core/limits.h"
#include "core/view.h"

enum { LOOKED_MAX = 1000 }; /* runs of one page; then it ends early */

struct listing {
	struct logdb *db;
	struct logs_query *q;
	struct arena a; /* the run at hand */
	struct json_out j;
	struct str name; /* of the last run looked at */
	int64_t created_ms;
	struct buf name_room;
	size_t count, count_max, looked;
	bool more;
};

/* ---- cursors --------------------------------------------------------------------------------- */

/* "<created>-<id>" of the last run shown. */
static bool take_cursor(struct listing *l)
{
	struct str rest = l->q->run.cursor, ms = str_cut(&rest, '-');

	l->created_ms = INT64_MAX;
	if (l->q->run.cursor.n == 0)
		return true;
	if (!str_i64(ms, &l->created_ms) || rest.n == 0)
		return problem_set(&l->q->problem, 400,
				   "cursor: must be one that this server gave");
	l->name = rest;
	return true;
}

static void put_cursor(struct listing *l)
{
	struct str text = arena_fmt(&l->a, "%lld-%.*s", (long long)l->created_ms, STR_FMT(l->name));

	json_kstr(&l->j, STR("cursor"), text);
}

/* ---- which runs ------------------------------------------------------------------------------ */

static bool next_run(struct listing *l)
{
	const struct runfilter *f = &l->q->run;
	bool named = f->field[RUNFILTER_RUN].n == 1;
	sqlite3_stmt *s = logdb_sql(l->db, named ? LOGDB_RUN_NAMED_BEFORE : LOGDB_RUN_BEFORE);
	bool found;

	logdb_bind_int(s, named ? 2 : 1, l->created_ms);
	logdb_bind_blob(s, named ? 1 : 2, named ? f->field[RUNFILTER_RUN].v[0] : l->name);
	found = logdb_row(l->db, s);
	if (!found)
		return false;
	l->created_ms = sqlite3_column_int64(s, 0);
	buf_reset(&l->name_room);
	buf_add(&l->name_room, logdb_column(s, 1));
	l->name = buf_str(&l->name_room);
	logdb_end(s);
	return l->created_ms >= f->from_ms;
}

/* "id@created" of the filter. */
static bool is_named_at(const struct listing *l)
{
	const struct runfilter *f = &l->q->run;

	for (size_t i = 0; i < f->field[RUNFILTER_RUNS_AT].n; i++) {
		struct str rest = f->field[RUNFILTER_RUNS_AT].v[i], id = str_cut(&rest, '@');
		int64_t created_ms;

		if (str_eq(id, l->name) &&
		    (rest.n == 0 || (str_i64(rest, &created_ms) && created_ms == l->created_ms)))
			return true;
	}
	return false;
}

static bool has_message(const struct runfilter *f, const struct logrun *run)
{
	char id[MSG_ID_LEN + 1];

	if (f->field[RUNFILTER_MESSAGE].n == 0)
		return true;
	for (size_t i = 0; i < run->msgs; i++) {
		msg_id_text(id, run->msg[i].msg.id);
		if (runfilter_has(f, RUNFILTER_MESSAGE, str_n(id, MSG_ID_LEN)))
			return true;
	}
	return false;
}

static bool has_state(const struct runfilter *f, const struct logrun *run)
{
	for (size_t i = 0; i < f->field[RUNFILTER_STATE].n; i++) {
		if (logrunview_has_state(run, f->field[RUNFILTER_STATE].v[i]))
			return true;
	}
	return f->field[RUNFILTER_STATE].n == 0;
}

static bool matches(struct listing *l, const struct logrun *run)
{
	struct runfilter f = l->q->run;
	const struct msg trigger = logrun_trigger(run);

	if (f.field[RUNFILTER_RUNS_AT].n > 0)
		return is_named_at(l);
	f.exact_url = true;
	return runfilter_match(&f, &trigger) && has_message(&f, run) && has_state(&f, run);
}

/* ---- the page -------------------------------------------------------------------------------- */

/* False when the page is full. */
static bool visit(struct listing *l)
{
	const struct logrunview view = { l->db, &l->a, l->q->run.trim_body };
	struct logrun run;

	if (l->looked++ == LOOKED_MAX) {
		l->more = true;
		return false;
	}
	if (!logrun_load(l->db, &l->a, l->name, l->created_ms, &run) || !matches(l, &run))
		return true;
	if (l->count == l->count_max || l->q->body.n > LOGS_PAGE_BYTES) {
		l->more = true;
		return false;
	}
	logrunview_write(&view, &l->j, &run);
	l->count++;
	return true;
}

void logruns_list(struct logdb *db, struct logs_query *q)
{
	struct listing l = { .db = db, .q = q, .j = json_out(&q->body) };
	struct buf shown;
	int64_t shown_ms = 0;

	l.count_max = LIMIT_PAGE_RUNS;
	if (q->run.count > 0 && q->run.count < LIMIT_PAGE_RUNS)
		l.count_max = (size_t)q->run.count;
	if (!take_cursor(&l))
		return;
	arena_init(&l.a);
	buf_init(&l.name_room, LIMIT_RUN_ID_BYTES);
	buf_init(&shown, LIMIT_RUN_ID_BYTES);
	json_open(&l.j, '{');
	json_key(&l.j, STR("runs"));
	json_open(&l.j, '[');
	while (next_run(&l) && visit(&l)) {
		shown_ms = l.created_ms;
		buf_reset(&shown);
		buf_add(&shown, l.name);
		arena_reset(&l.a);
	}
	json_close(&l.j, ']');
	l.created_ms = shown_ms;
	l.name = buf_str(&shown);
	if (l.more)
		put_cursor(&l);
	json_close(&l.j, '}');
	buf_done(&shown);
	buf_done(&l.name_room);
	arena_done(&l.a);
}

/* ---- entries --------------------------------------------------------------------------------- */

bool logruns_match_event(struct logdb *db, struct arena *room, const struct logs_query *q,
			 const struct event *e)
{
	struct runfilter f = q->run;
	char id[MSG_ID_LEN + 1];
	struct msg m;

	arena_reset(room);
	if (!logdb_read_message(db, room, e->id.seq, &m))
		return false;
	msg_id_text(id, e->id);
	f.from_ms = INT64_MIN;
	f.to_ms = INT64_MAX;
	f.exact_url = true;
	return runfilter_match(&f, &m) &&
	       runfilter_has(&f, RUNFILTER_MESSAGE, str_n(id, MSG_ID_LEN)) &&
	       runfilter_has(&f, RUNFILTER_STATE, logrunview_event_state(e, &m));
}

static void put_bytes(struct json_out *j, const struct logs_query *q, struct str key,
		      struct str bytes)
{
	if (q->run.trim_body < 0)
		return;
	json_kstr_opt(j, key, str_sub(bytes, 0, (size_t)q->run.trim_body));
}

void logruns_event(struct json_out *j, const struct logs_query *q, const struct event *e,
		   const struct msg *m)
{
	char id[MSG_ID_LEN + 1];

	msg_id_text(id, e->id);
	json_open(j, '{');
	json_kint(j, STR("time"), e->time_ms);
	json_kstr(j, STR("messageId"), str_n(id, MSG_ID_LEN));
	json_kstr(j, STR("state"), logrunview_event_state(e, m));
	if (m != NULL) {
		json_kstr(j, STR("workflowRunId"), m->run);
		json_kstr(j, STR("workflowUrl"), m->url);
		json_kint(j, STR("workflowCreatedAt"), m->run_created_ms);
		view_headers(j, STR("headers"), &m->header, m);
		view_labels(j, m);
		json_kstr_opt(j, STR("callerIP"), m->caller_ip);
	}
	json_kint_opt(j, STR("nextDeliveryTime"), e->next_delivery_ms);
	if (e->state == EVENT_RUN_FAILED)
		json_kstr_opt(j, STR("dlqId"), e->error);
	else
		json_kstr_opt(j, STR("error"), e->error);
	json_kint_opt(j, STR("responseStatus"), e->response_status);
	view_headers(j, STR("responseHeaders"), &e->response_header, NULL);
	put_bytes(j, q,
		  e->state == EVENT_RUN_SUCCESS ? STR("workflowRunResponse") : STR("responseBody"),
		  e->response_body);
	json_close(j, '}');
}
