/* bulk.c - bulk actions: a cancel of all messages that a filter selects.
 *
 * A job walks the user's messages a page at a time. Each page is one step: the cancels, and the action's document
 * with how far it has come, on top of the version that this process knows. So a page counts once, whoever does it
 * and however often it is tried. The document is due a few seconds ahead: when its process has died, a claim hands
 * it out to another, and that goes on (bulk_due). A finished one is due when it is to be forgotten.
 *
 *	TRY ──► BOUND ──► MAKE ──► WORK ──► ended
 *	 │                 │        │ ▲
 *	 └ nothing left:   └──► READ ─┘   when it is not known what became of the last write
 *	   ended
 *
 * One page is in flight in the whole process, and the jobs take turns: so a bulk action holds up neither the loop
 * nor the store nor another action, however many there are.
 */
#include "engine/bulk_int.h"

#include "base/check.h"
#include "base/log.h"

enum {
	JOBS_MAX = 64, /* of API calls, at once */
	USER_JOBS_MAX = 16,
};

void bulk_drop(struct engine *e)
{
	struct list *it, *tmp;

	list_each(it, tmp, &e->bulks) {
		struct bulk_job *job = list_entry(it, struct bulk_job, node);

		if (e->bulk_busy == job)
			arena_done(&job->scan.arena);
		bulk_job_free(job);
	}
	e->bulk_busy = NULL;
	arena_done(&e->bulk_arena);
}

/* ---- turns ------------------------------------------------------------------------------------------ */

/* The one who waits has waited long enough, or the process ends. True when the job is gone. */
static bool job_give_up(struct bulk_job *job)
{
	struct engine *e = job->engine;
	bool idle = e->bulk_busy != job;
	struct problem p = { 0 };

	if (e->stopping)
		problem_set(
			&p, 503, "the server is shutting down; %lld messages were cancelled%s%.*s",
			(long long)job->bulk.processed,
			job->made ? ", and the rest will be after its start, by bulk action " : "",
			STR_FMT(job->made ? job->bulk.id : STR_NULL));
	else if (job->op == NULL || e->mono_ms < job->give_up_mono_ms)
		return false;
	else if (job->made)
		problem_set(&p, 429,
			    "the cancel goes on as bulk action %.*s: see GET /v2/bulkActions/%.*s",
			    STR_FMT(job->bulk.id), STR_FMT(job->bulk.id));
	else
		problem_set(&p, 503, "the store is too slow; try again");
	if (!idle && (e->stopping || !job->made))
		return false;
	bulk_job_answer(job, &p);
	if (job->made && !e->stopping)
		return false;
	bulk_job_free(job);
	return true;
}

void bulk_turn(struct engine *e)
{
	struct list *it, *tmp;

	list_each(it, tmp, &e->bulks) {
		struct bulk_job *job = list_entry(it, struct bulk_job, node);

		if (!job_give_up(job) && e->bulk_busy == NULL && job->at_mono_ms <= e->mono_ms &&
		    e->bulk_at_mono_ms <= e->mono_ms)
			bulk_job_go(job);
	}
}

int64_t bulk_next_mono_ms(const struct engine *e)
{
	int64_t next = INT64_MAX;
	struct list *it, *tmp;

	list_each(it, tmp, &e->bulks) {
		const struct bulk_job *job = list_entry(it, struct bulk_job, node);
		int64_t at = job->at_mono_ms;

		if (at < e->bulk_at_mono_ms)
			at = e->bulk_at_mono_ms;
		if (e->bulk_busy == NULL && at < next)
			next = at;
		if (job->op != NULL && job->give_up_mono_ms < next)
			next = job->give_up_mono_ms;
	}
	return next;
}

/* ---- the beginning of a job ------------------------------------------------------------------------- */

static bool has_room(const struct engine *e, struct str user)
{
	size_t all = 0, own = 0;
	struct list *it, *tmp;

	list_each(it, tmp, &e->bulks) {
		const struct bulk_job *job = list_entry(it, struct bulk_job, node);

		if (job->does == BULK_DOES_REMOVE)
			continue;
		all++;
		own += str_eq(job->user, user);
	}
	return all < JOBS_MAX && own < USER_JOBS_MAX;
}

/* The filter in memory of its own: the caller's may go before the job does. */
static bool take_filter(struct bulk_job *job, const struct filter *f)
{
	struct bulk b = {
		.id = bulk_id(&job->arena, msg_id_next(&job->engine->last_seq, job->engine->now_ms,
						       &job->engine->rng)),
		.kind = BULK_CANCEL,
		.phase = BULK_ACTING,
		.created_ms = job->engine->now_ms,
		.max = job->op->max,
		.until_seq = INT64_MAX,
		.filter = *f,
	};

	bulk_encode(&job->value, &b);
	return job->value.n <= BULK_FILTER_BYTES_MAX && !job->value.overflow &&
	       bulk_decode(&job->arena, arena_str(&job->arena, buf_str(&job->value)), &job->bulk);
}

void engine_bulk_cancel(struct engine *e, struct bulk_cancel *op)
{
	struct bulk_job *job;

	engine_look(e);
	if (!has_room(e, op->account->user.id)) {
		problem_set(
			&op->problem, 429,
			"too many bulk actions are running (%d of a user at most); try again later",
			USER_JOBS_MAX);
		op->done(op);
		return;
	}
	job = bulk_job_new(e, op->account->user.id);
	job->op = op;
	job->does = op->wait_ms > 0 ? BULK_DOES_TRY : BULK_DOES_BOUND;
	job->give_up_mono_ms =
		op->wait_ms < INT64_MAX - e->mono_ms ? e->mono_ms + op->wait_ms : INT64_MAX;
	if (op->wait_ms == 0)
		job->give_up_mono_ms = INT64_MAX;
	if (take_filter(job, op->filter))
		return;
	problem_set(&op->problem, 400, "the filter is longer than %d bytes", BULK_FILTER_BYTES_MAX);
	bulk_job_free(job);
	op->done(op);
}

static bool is_known(const struct engine *e, const struct due_doc *doc)
{
	struct list *it, *tmp;

	list_each(it, tmp, &e->bulks) {
		const struct bulk_job *job = list_entry(it, struct bulk_job, node);

		if (str_eq(job->user, doc->user) && str_eq(job->bulk.id, doc->name))
			return true;
	}
	return false;
}

void bulk_due(struct engine *e, const struct due_doc *doc)
{
	const struct account *account = engine_account(e, doc->user);
	struct bulk_job *job;

	if (e->stopping || is_known(e, doc))
		return;
	job = bulk_job_new(e, doc->user);
	if (!bulk_job_take(job, doc->value, doc->version)) {
		log_error("bulk", "bulk action %.*s is broken; it is removed", STR_FMT(doc->name));
		job->bulk.id = arena_str(&job->arena, doc->name);
		job->version = doc->version;
		job->does = BULK_DOES_REMOVE;
	} else if (job->bulk.phase == BULK_FINISHED || account == NULL || account->removed) {
		job->does = BULK_DOES_REMOVE;
	}
}
