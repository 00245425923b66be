/* runs_dlq.c - dead letters of workflow runs: one for each run that has failed, while its history is kept.
 *
 * A walk goes over the dead letters, or over the given ids, and looks at one run after the other. What is
 * done to one is one step, which also takes the dead letter away where it has served its purpose.
 *
 * A resumed run begins with a copy of the history. Delivered again are the plans whose results it lacks, and
 * when there are none, its last entry that told something new: so nothing is lost that was under way when the run failed, and
 * what waited waits anew.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/codec.h"
#include "core/dead.h"
#include "engine/runs.h"

enum {
	PAGE = 50,
	PAGE_BYTES = 16 * 1024 * 1024,
	ENTRIES_PAGE = 500,
	RUN_ID_CHARS = 21,
};

/* What is known of an entry of the run that is resumed. */
struct seen {
	uint64_t seq;
	int64_t step, target; /* target 0 = a result */
};

struct walk {
	struct engine *engine;
	struct run_dlq *op;
	struct scan scan;
	size_t row;     /* of the page, to look at next */
	size_t next_id; /* of op->ids */
	size_t cap;     /* of op->found */
	/* the entry at hand */
	struct run_dead dead;
	struct scan entries; /* RESUME: a page of the run's history */
	struct buf seen;
};

static void look_on(struct walk *x);

static void walk_finish(struct walk *x)
{
	struct run_dlq *op = x->op;

	arena_done(&x->scan.arena);
	buf_done(&x->seen);
	free(x);
	op->done(op);
}

/* ---- what was found -------------------------------------------------------------------------- */

static struct headers copy_headers(struct arena *a, const struct headers *h)
{
	struct headers c = { arena_array(a, struct header, h->n + 1), h->n };

	for (size_t i = 0; i < h->n; i++)
		c.v[i] = (struct header){ arena_str(a, h->v[i].name), arena_str(a, h->v[i].value) };
	return c;
}

static bool copy_msg(struct arena *a, const struct msg *m, struct msg *ret_msg)
{
	struct buf b;
	bool ok;

	buf_init(&b, RECORD_BYTES_MAX);
	msg_encode(&b, m);
	ok = msg_decode(a, arena_str(a, buf_str(&b)), ret_msg);
	buf_done(&b);
	return ok;
}

static bool copy_run(struct arena *a, const struct run *r, struct run *ret_run)
{
	struct buf b;
	bool ok;

	buf_init(&b, RECORD_BYTES_MAX);
	run_encode(&b, r);
	ok = run_decode(a, arena_str(a, buf_str(&b)), ret_run);
	buf_done(&b);
	return ok;
}

static void found_add(struct walk *x)
{
	struct run_dlq *op = x->op;
	struct arena *a = &op->arena;
	struct run_dead *d;

	if (op->n == x->cap) {
		size_t cap = x->cap ? 2 * x->cap : 8;
		struct run_dead *v = arena_array(a, struct run_dead, cap);

		if (op->n > 0)
			memcpy(v, op->found, op->n * sizeof(*v));
		op->found = v;
		x->cap = cap;
	}
	d = &op->found[op->n++];
	*d = x->dead;
	check(copy_msg(a, &x->dead.msg, &d->msg) && copy_run(a, &x->dead.run, &d->run));
	d->outcome.header = copy_headers(a, &x->dead.outcome.header);
	d->outcome.body = arena_str(a, x->dead.outcome.body);
	d->outcome.error = arena_str(a, x->dead.outcome.error);
	d->payload = arena_str(a, x->dead.payload);
	d->run_id = arena_str(a, x->dead.run_id);
	op->last = d->id;
}

/* ---- acting ---------------------------------------------------------------------------------- */

static void acted(struct work *w)
{
	struct walk *x = w->arg;
	struct run_dlq *op = x->op;
	const struct step *s = &w->step;

	bool was_ours = w->asked_again && s->req.result == STORE_REFUSED && s->refused_move == 0 &&
			s->refusal == REFUSAL_NOT_FOUND;

	/* One that went meanwhile is passed over, unless it went by this: refused because the lost answer was
	 * a yes. */
	if (s->req.result == STORE_APPLIED || was_ours)
		found_add(x);
	else if (s->req.result != STORE_REFUSED)
		work_problem(w, &op->problem);
	work_free(w);
	look_on(x);
}

static void remove_entry(struct work *w)
{
	struct walk *x = w->arg;
	struct move *move = work_move(w, MOVE_DLQ_REMOVE);

	move->dlq_remove.user = str_c(w->account->id);
	move->dlq_remove.id = x->dead.id;
}

static struct move *set_run(struct work *w)
{
	struct move *move = work_move(w, MOVE_RUN_SET);

	move->run_set.user = str_c(w->account->id);
	move->run_set.run = w->ref;
	move->run_set.record = runs_record(w);
	move->run_set.version = w->scan.run_found.version;
	return move;
}

static void build_report(struct work *w)
{
	struct walk *x = w->arg;

	w->run = x->dead.run;
	runs_put_failure(w, &(struct runs_failure){
				    .msg = &x->dead.msg,
				    .retried = x->dead.msg.retries_max,
				    .outcome = &x->dead.outcome,
				    .payload = x->dead.payload,
				    .dlq_id = engine_dlq_id_text(&w->arena, x->dead.id),
			    });
	set_run(w);
}

static void build_report_cancel(struct work *w)
{
	struct walk *x = w->arg;
	struct move *move = work_move(w, MOVE_CANCEL);

	move->cancel.user = str_c(w->account->id);
	move->cancel.id = x->dead.run.report_id;
	w->run = x->dead.run;
	w->run.report = RUN_REPORT_CANCELED;
	set_run(w);
}

/* ---- new runs -------------------------------------------------------------------------------- */

/* "wfr_" and 21 characters. */
static struct str new_run_id(struct work *w)
{
	char text[2 * B58_U64_LEN];

	b58_u64(text, rng_u64(&w->engine->rng));
	b58_u64(text + B58_U64_LEN, rng_u64(&w->engine->rng));
	return arena_fmt(&w->arena, "wfr_%.*s", RUN_ID_CHARS, text);
}

/* The run that takes the failed one's place, with what the request overrides. */
static bool make_run(struct work *w, struct msg *ret_first)
{
	struct walk *x = w->arg;
	struct run_dlq *op = x->op;
	struct msg m = run_again(&w->arena, &x->dead.run, w->engine->now_ms);
	struct runask ask = { .kind = RUNASK_START, .features = x->dead.run.features };

	if (op->override != NULL && !op->override(op, &w->arena, &m, &op->problem))
		return false;
	ask.run = new_run_id(w);
	w->run = run_new(&w->arena, &ask, &m);
	w->run.flags = x->dead.run.flags;
	x->dead.run_id = ask.run;
	x->dead.created_ms = m.created_ms;
	*ret_first = m;
	return true;
}

static struct move *start_run(struct work *w)
{
	struct move *move = work_move(w, MOVE_RUN_START);

	move->run_start.user = str_c(w->account->id);
	move->run_start.name = w->run.trigger.run;
	move->run_start.created_ms = w->run.created_ms;
	return move;
}

static void build_restart(struct work *w)
{
	struct walk *x = w->arg;
	struct msg m = *(struct msg *)w->priv;
	struct runask ask = { .kind = RUNASK_START };
	size_t at;

	remove_entry(w);
	start_run(w);
	at = w->moves - 1;
	run_apply_first(&w->arena, &w->run, &ask, &m);
	w->run.first = work_put_entry(w, &m, x->dead.payload)->put.msg->id;
	w->move[at].run_start.record = runs_record(w);
}

static bool is_done(const struct walk *x, int64_t step)
{
	const struct seen *v = (const struct seen *)x->seen.p;

	for (size_t i = 0; i < x->seen.n / sizeof(*v); i++) {
		if (v[i].target == 0 && v[i].step == step)
			return true;
	}
	return false;
}

/* Does it tell what an earlier entry has told? Deliveries are at least once, so an endpoint may do a step twice; what it
 * makes of such an entry is nothing. */
static bool is_repeat(const struct seen *v, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (v[k].step == v[i].step && v[k].target == v[i].target)
			return true;
	}
	return false;
}

static struct move *deliver_again(struct work *w, uint64_t until)
{
	struct walk *x = w->arg;
	struct msg m = *(struct msg *)w->priv;
	struct runask ask = { .kind = RUNASK_STEP, .features = RUNASK_TRIGGER_CONFIG };
	struct move *put;

	m.header = (struct headers){ 0 };
	m.failure_callback = STR_NULL;
	m.failure_callback_header = (struct headers){ 0 };
	if (x->dead.msg.run_role == MSG_STEP)
		m.url = x->dead.msg.url;
	if (w->run.content_type.n > 0)
		m.header = (struct headers){
			.v = memcpy(arena_new(&w->arena, struct header),
				    &(struct header){ STR("Content-Type"), w->run.content_type },
				    sizeof(struct header)),
			.n = 1,
		};
	run_apply_step(&w->arena, &w->run, &ask, &m);
	m.run_until = until;
	put = work_put(w, &m);
	put->put.run = (struct run_ref){ m.run, m.run_created_ms };
	return put;
}

/* What the new run's log says of where its history comes from. */
static struct str resumed_json(struct work *w)
{
	const struct walk *x = w->arg;
	struct json_out j;
	struct str text;
	struct buf b;

	buf_init(&b, SIZE_MAX / 4);
	j = json_out(&b);
	json_open(&j, '{');
	json_key(&j, STR("resumed"));
	json_open(&j, '{');
	json_kstr(&j, STR("workflowRunId"), x->dead.msg.run);
	json_kint(&j, STR("workflowCreatedAt"), x->dead.msg.run_created_ms);
	json_close(&j, '}');
	json_close(&j, '}');
	text = arena_str(&w->arena, buf_str(&b));
	buf_done(&b);
	return text;
}

static void build_resume(struct work *w)
{
	struct walk *x = w->arg;
	const struct seen *v = (const struct seen *)x->seen.p;
	size_t n = x->seen.n / sizeof(*v), puts = 0, at;
	struct event ev = { .state = EVENT_RUN_STEP };
	struct move *start, *put;

	remove_entry(w);
	start = start_run(w);
	start->run_start.copy = (struct run_ref){ x->dead.msg.run, x->dead.msg.run_created_ms };
	at = w->moves - 1;
	for (size_t i = 0; i < n; i++) {
		if (v[i].target == 0 || is_done(x, v[i].target) || is_repeat(v, i))
			continue;
		put = deliver_again(w, v[i].seq);
		if (puts++ == 0)
			w->run.first = put->put.msg->id;
	}
	while (n > 1 && is_repeat(v, n - 1))
		n--;
	if (puts == 0)
		w->run.first = deliver_again(w, v[n - 1].seq)->put.msg->id;
	w->move[at].run_start.record = runs_record(w);
	ev.id = w->run.first;
	ev.response_body = resumed_json(w);
	work_event(w, &w->move[at], &ev);
}

/* ---- the history of a run that is resumed ---------------------------------------------------- */

static void read_entries(struct work *w);

static void entries_take(struct walk *x, struct work *w)
{
	for (size_t i = 0; i < x->entries.rows; i++) {
		const struct scan_row *row = &x->entries.row[i];
		struct seen s = { .seq = row->id.seq };
		struct runbody_step step;
		struct arena a;

		arena_init(&a);
		if (row->run_entry == RUN_ENTRY_STEP && runbody_step(&a, row->record, &step)) {
			s.step = step.step.id;
			s.target = step.target;
		}
		arena_done(&a);
		x->entries.id = row->id;
		if (row->run_entry == RUN_ENTRY_STEP)
			buf_add(&x->seen, str_n(&s, sizeof(s)));
	}
}

static void entries_read(struct store_req *req)
{
	struct work *w = req->arg;
	struct walk *x = w->arg;
	bool more = x->entries.more;

	engine_answered(w->engine);
	if (req->result == STORE_APPLIED)
		entries_take(x, w);
	else
		engine_store_problem(&x->op->problem, req, REFUSAL_NONE);
	arena_done(&x->entries.arena);
	if (x->op->problem.status == 0 && more) {
		read_entries(w);
		return;
	}
	if (x->op->problem.status == 0 && x->seen.n > 0) {
		work_do(w);
		return;
	}
	/* Nothing of it is kept any more. */
	work_free(w);
	look_on(x);
}

static void read_entries(struct work *w)
{
	struct walk *x = w->arg;
	struct msg_id after = x->entries.id;

	scan_init(&x->entries, SCAN_RUN, entries_read, w);
	x->entries.user = str_c(w->account->id);
	x->entries.run = (struct run_ref){ x->dead.msg.run, x->dead.msg.run_created_ms };
	x->entries.id = after;
	x->entries.run_until = UINT64_MAX;
	x->entries.max = ENTRIES_PAGE;
	x->entries.bytes_max = PAGE_BYTES;
	arena_init(&x->entries.arena);
	engine_submit(w->engine, &x->entries.req);
}

/* ---- one entry ------------------------------------------------------------------------------- */

static void begin_again(struct work *w)
{
	struct walk *x = w->arg;
	struct msg *first = arena_new(&w->arena, struct msg);

	/* A history that is not kept cannot go on. */
	if (w->scan.rows == 0 || !make_run(w, first)) {
		work_free(w);
		look_on(x);
		return;
	}
	w->priv = first;
	if (x->op->what == RUN_DLQ_RESTART) {
		w->build = build_restart;
		work_do(w);
		return;
	}
	w->build = build_resume;
	buf_reset(&x->seen);
	x->entries.id = (struct msg_id){ 0 };
	read_entries(w);
}

/* The failure callback's state must be the one that the action is for. */
static void report(struct work *w, enum run_report state, void (*build)(struct work *w))
{
	struct walk *x = w->arg;

	if (x->dead.run.report != state) {
		problem_set(&x->op->problem, 400, "the state of the failure callback is not %.*s",
			    STR_FMT(run_report_name(state)));
		work_free(w);
		look_on(x);
		return;
	}
	x->dead.run_id = x->dead.msg.run;
	x->dead.created_ms = x->dead.msg.run_created_ms;
	w->build = build;
	work_do(w);
}

static void act(struct work *w)
{
	struct walk *x = w->arg;

	w->done = acted;
	switch (x->op->what) {
	case RUN_DLQ_LIST:
		found_add(x);
		work_free(w);
		look_on(x);
		break;
	case RUN_DLQ_DELETE:
		w->build = remove_entry;
		work_do(w);
		break;
	case RUN_DLQ_RESTART:
	case RUN_DLQ_RESUME:
		begin_again(w);
		break;
	case RUN_DLQ_REPORT:
		report(w, RUN_REPORT_FAIL, build_report);
		break;
	case RUN_DLQ_REPORT_CANCEL:
		report(w, RUN_REPORT_INPROGRESS, build_report_cancel);
		break;
	}
}

static void run_read(struct work *w)
{
	struct walk *x = w->arg;
	struct run_dlq *op = x->op;
	bool found = w->run.created_ms != 0;

	x->dead.run = w->run;
	x->dead.payload = work_first(w);
	if (!found) {
		x->dead.run.trigger = x->dead.msg;
		x->dead.run.created_ms = x->dead.msg.run_created_ms;
	}
	if (op->ids_n == 0 && !op->matches(op, &x->dead)) {
		work_free(w);
		look_on(x);
		return;
	}
	if ((int64_t)op->n >= op->max) {
		op->more = true;
		work_free(w);
		walk_finish(x);
		return;
	}
	act(w);
}

static void not_read(struct work *w)
{
	struct walk *x = w->arg;

	work_problem(w, &x->op->problem);
	work_free(w);
	look_on(x);
}

/* False when the row is none of a workflow's. */
static bool look_at(struct walk *x, const struct scan_row *row)
{
	struct arena *a = &x->scan.arena;
	struct work *w;

	x->dead = (struct run_dead){ .id = row->dlq };
	if (!msg_decode(a, row->record, &x->dead.msg) || x->dead.msg.run.n == 0 ||
	    !dead_decode(a, row->response, &x->dead.outcome))
		return false;
	w = work_new(x->engine, x->op->account, x);
	w->read = run_read;
	w->done = not_read;
	work_read(w, &(struct run_ref){ x->dead.msg.run, x->dead.msg.run_created_ms }, true);
	return true;
}

/* ---- the walk -------------------------------------------------------------------------------- */

static void page_read(struct store_req *req)
{
	struct walk *x = req->arg;

	engine_answered(x->engine);
	x->row = 0;
	if (req->result != STORE_APPLIED)
		engine_store_problem(&x->op->problem, req, REFUSAL_NONE);
	look_on(x);
}

static void read_page(struct walk *x)
{
	const struct run_dlq *op = x->op;
	struct dlq_id at = x->scan.dlq;

	arena_done(&x->scan.arena);
	scan_init(&x->scan, SCAN_DLQ, page_read, x);
	arena_init(&x->scan.arena);
	x->scan.user = str_c(op->account->id);
	x->scan.max = PAGE;
	x->scan.bytes_max = PAGE_BYTES;
	x->scan.exact = op->ids_n > 0;
	x->scan.dlq = x->scan.exact ? op->ids[x->next_id++] : at;
	engine_submit(x->engine, &x->scan.req);
}

static void look_on(struct walk *x)
{
	struct run_dlq *op = x->op;

	while (op->problem.status == 0 && x->row < x->scan.rows) {
		const struct scan_row *row = &x->scan.row[x->row++];

		x->scan.dlq = row->dlq;
		if (look_at(x, row))
			return;
	}
	if (op->problem.status == 0 && (op->ids_n > 0 ? x->next_id < op->ids_n : x->scan.more))
		read_page(x);
	else
		walk_finish(x);
}

void engine_run_dlq(struct engine *e, struct run_dlq *op)
{
	struct walk *x = xcalloc(1, sizeof(*x));

	check(op->max > 0 && (op->ids_n > 0 || op->matches != NULL));
	engine_look(e);
	x->engine = e;
	x->op = op;
	arena_init(&x->scan.arena);
	buf_init(&x->seen, SIZE_MAX / 4);
	op->n = 0;
	op->more = false;
	if (op->has_after)
		x->scan.dlq = op->after;
	read_page(x);
}
