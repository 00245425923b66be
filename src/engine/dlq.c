/* dlq.c - the dead letter queue: listing, deleting, retrying; by ids or by filter.
 *
 * A job walks the entries a page at a time (or the given ids one by one), acts on those that match until
 * op->max are done, and looks on for one more match only to know whether there is more.
 */
#include "engine/engine_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "core/dead.h"

enum { DLQ_PAGE = 100, DLQ_PAGE_BYTES = 16 * 1024 * 1024 };

struct dlq_job {
	struct engine *engine;
	struct dlq_op *op;
	struct scan scan;
	size_t next_id; /* of op->ids */
	size_t found_cap;
	bool finished; /* nothing further is to be looked at */
	/* the present page's actions */
	struct arena arena;
	struct publish publish;
	struct publish_item *item;
	struct step step[DLQ_PAGE];
	struct move move[DLQ_PAGE];
	struct dlq_id acted[DLQ_PAGE];
	size_t acts;
	size_t pending;
};

struct str engine_dlq_id_text(struct arena *a, struct dlq_id id)
{
	return arena_fmt(a, "%lld-%llu", (long long)id.ms, (unsigned long long)id.seq);
}

bool engine_dlq_id_parse(struct str text, struct dlq_id *ret_id)
{
	struct str rest = text;
	struct str ms = str_cut(&rest, '-');
	struct dlq_id id;
	uint64_t v;

	if (!str_u64(ms, &v) || v > INT64_MAX || !str_u64(rest, &id.seq) || id.seq > INT64_MAX)
		return false;
	id.ms = (int64_t)v;
	*ret_id = id;
	return true;
}

static void job_page(struct dlq_job *job);

static void job_finish(struct dlq_job *job)
{
	struct dlq_op *op = job->op;

	free(job);
	op->done(op);
}

static void job_next(struct dlq_job *job)
{
	arena_done(&job->arena);
	arena_done(&job->scan.arena);
	if (job->finished || job->op->problem.status != 0)
		job_finish(job);
	else
		job_page(job);
}

static struct dlq_found *found_add(struct dlq_job *job, struct dlq_id id)
{
	struct dlq_op *op = job->op;

	if (op->n == job->found_cap) {
		size_t cap = job->found_cap ? 2 * job->found_cap : 16;
		struct dlq_found *v = arena_array(&op->arena, struct dlq_found, cap);

		if (op->n > 0)
			memcpy(v, op->found, op->n * sizeof(*v));
		op->found = v;
		job->found_cap = cap;
	}
	op->found[op->n] = (struct dlq_found){ .id = id };
	op->last = id;
	return &op->found[op->n++];
}

/* ---- acting ----------------------------------------------------------------------------------------- */

static void removed(struct store_req *req)
{
	struct dlq_job *job = req->arg;
	struct step *s = container_of(req, struct step, req);

	engine_answered(job->engine);
	if (req->result == STORE_APPLIED)
		found_add(job, s->move[0].dlq_remove.id);
	else if (req->result != STORE_REFUSED)
		engine_store_problem(&job->op->problem, req, s->refusal);
	if (--job->pending == 0)
		job_next(job);
}

static void remove_all(struct dlq_job *job)
{
	job->pending = job->acts;
	for (size_t i = 0; i < job->acts; i++) {
		job->move[i] = (struct move){
			.kind = MOVE_DLQ_REMOVE,
			.dlq_remove = { job->op->account->user.id, job->acted[i] },
		};
		step_init(&job->step[i], &job->move[i], 1, removed, job);
		engine_submit(job->engine, &job->step[i].req);
	}
}

/* No more today. What was done before is answered, and that there is more; nothing at all is a problem. */
static void quota_reached(struct dlq_job *job, const struct problem *p)
{
	job->finished = true;
	if (job->op->n > 0)
		job->op->more = true;
	else if (job->op->problem.status == 0)
		job->op->problem = *p;
}

/* An entry that went meanwhile is passed over, as if it had not been found. */
static void republished(struct publish *p)
{
	struct dlq_job *job = p->arg;
	const struct publish_item *over_quota = NULL;

	for (size_t i = 0; i < p->n; i++) {
		const struct publish_item *item = &p->item[i];

		if (item->problem.status == 0)
			found_add(job, item->dlq)->new_id = item->id;
		else if (item->problem.status == 429)
			over_quota = item;
		else if (item->problem.status != 404)
			job->op->problem = item->problem;
	}
	if (over_quota != NULL)
		quota_reached(job, &over_quota->problem);
	job_next(job);
}

static void republish_all(struct dlq_job *job)
{
	job->publish = (struct publish){
		.account = job->op->account,
		.item = job->item,
		.n = job->acts,
		.done = republished,
		.arg = job,
	};
	engine_publish(job->engine, &job->publish);
}

/* The new message that a retry of this entry makes: the same but for its times and what the request
 * overrides. */
static bool retry_item(struct dlq_job *job, const struct scan_row *row)
{
	struct publish_item *item = &job->item[job->acts];
	struct dlq_op *op = job->op;

	*item = (struct publish_item){ .from_dlq = true, .dlq = row->dlq };
	if (!msg_decode(&job->arena, row->record, &item->msg))
		return problem_set(&op->problem, 500,
				   "the record of dead letter %lld-%llu is broken",
				   (long long)row->dlq.ms, (unsigned long long)row->dlq.seq);
	item->msg.created_ms = job->engine->now_ms;
	item->msg.not_before_ms = job->engine->now_ms;
	item->msg.root_seq = 0;
	return op->override == NULL || op->override(op, &job->arena, &item->msg, &op->problem);
}

static void list_row(struct dlq_job *job, const struct scan_row *row)
{
	struct dlq_found *f = found_add(job, row->dlq);

	f->record = arena_str(&job->op->arena, row->record);
	f->response = arena_str(&job->op->arena, row->response);
}

/* ---- looking ---------------------------------------------------------------------------------------- */

static bool row_matches(struct dlq_job *job, const struct scan_row *row)
{
	const struct dlq_op *op = job->op;
	struct outcome o;
	struct msg m;

	if (!msg_decode(&job->scan.arena, row->record, &m))
		return op->ids_n > 0;
	/* Of a workflow run: see engine_run_dlq. */
	if (m.run.n > 0)
		return false;
	if (op->ids_n > 0 || op->filter == NULL)
		return true;
	return dead_decode(&job->scan.arena, row->response, &o) &&
	       filter_match_dlq(op->filter, &m, row->dlq.ms, o.status);
}

/* Collects one matching row for the page's action; false when the job must stop. */
static bool take_row(struct dlq_job *job, const struct scan_row *row)
{
	if (job->op->what == DLQ_LIST) {
		list_row(job, row);
		return true;
	}
	if (job->op->what == DLQ_RETRY && !retry_item(job, row))
		return false;
	job->acted[job->acts++] = row->dlq;
	return true;
}

static void take_rows(struct dlq_job *job)
{
	struct dlq_op *op = job->op;

	for (size_t i = 0; i < job->scan.rows; i++) {
		const struct scan_row *row = &job->scan.row[i];

		if (!row_matches(job, row))
			continue;
		if ((int64_t)(op->n + job->acts) >= op->max) {
			op->more = true;
			job->finished = true;
			return;
		}
		if (!take_row(job, row)) {
			job->finished = true;
			job->acts = 0;
			return;
		}
	}
}

static void scanned(struct store_req *req)
{
	struct dlq_job *job = req->arg;
	struct scan *s = &job->scan;

	engine_answered(job->engine);
	if (req->result != STORE_APPLIED) {
		engine_store_problem(&job->op->problem, req, REFUSAL_NONE);
		job_next(job);
		return;
	}
	job->acts = 0;
	job->item = arena_array(&job->arena, struct publish_item, s->rows + 1);
	if (job->op->ids_n > 0)
		job->finished = job->next_id == job->op->ids_n;
	else
		job->finished = !s->more;
	take_rows(job);
	if (s->rows > 0)
		s->dlq = s->row[s->rows - 1].dlq;
	if (job->acts == 0)
		job_next(job);
	else if (job->op->what == DLQ_DELETE)
		remove_all(job);
	else
		republish_all(job);
}

static void job_page(struct dlq_job *job)
{
	const struct dlq_op *op = job->op;
	struct dlq_id at = job->scan.dlq;

	scan_init(&job->scan, SCAN_DLQ, scanned, job);
	job->scan.user = op->account->user.id;
	job->scan.max = DLQ_PAGE;
	job->scan.bytes_max = DLQ_PAGE_BYTES;
	job->scan.descending = op->descending;
	job->scan.exact = op->ids_n > 0;
	job->scan.dlq = job->scan.exact ? op->ids[job->next_id++] : at;
	arena_init(&job->scan.arena);
	arena_init(&job->arena);
	engine_submit(job->engine, &job->scan.req);
}

void engine_dlq(struct engine *e, struct dlq_op *op)
{
	struct dlq_job *job = xcalloc(1, sizeof(*job));

	check(op->max > 0);
	engine_look(e);
	job->engine = e;
	job->op = op;
	op->n = 0;
	op->more = false;
	if (op->has_after)
		job->scan.dlq = op->after;
	else if (op->descending)
		job->scan.dlq = (struct dlq_id){ INT64_MAX, INT64_MAX };
	job_page(job);
}
