/* runs_event.c - events that steps wait for: notifications to all who wait, or to one run, where they are kept
 * until somebody waits (see runs_wait.c).
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "core/limits.h"
#include "engine/runs.h"

enum { PAGE = 50, PAGE_BYTES = 16 * 1024 * 1024 };

struct notifying {
	struct engine *engine;
	struct run_event *op;
	struct scan scan;
	struct str prefix, after;
	size_t cap;     /* of op->found */
	size_t row;     /* of the page, to look at next */
	size_t found_n; /* op->n before the mailbox at hand */
	bool in_doubt;  /* an answer was lost: the mailbox may be what this has made of it */
};

static void look_on(struct notifying *x);

static void notify_finish(struct notifying *x)
{
	struct run_event *op = x->op;

	free(x);
	op->done(op);
}

static struct headers copy_headers(struct arena *a, const struct headers *h)
{
	struct headers c = { arena_array(a, struct header, h->n + 1), h->n };

	for (size_t i = 0; i < h->n; i++)
		c.v[i] = (struct header){ arena_str(a, h->v[i].name), arena_str(a, h->v[i].value) };
	return c;
}

static struct run_waiter *found_add(struct notifying *x, const struct run_ref *run,
				    const struct mailbox_wait *wait)
{
	struct run_event *op = x->op;
	struct arena *a = &op->arena;

	if (op->n == x->cap) {
		size_t cap = x->cap ? 2 * x->cap : 8;
		struct run_waiter *v = arena_array(a, struct run_waiter, cap);

		if (op->n > 0)
			memcpy(v, op->found, op->n * sizeof(*v));
		op->found = v;
		x->cap = cap;
	}
	op->found[op->n] = (struct run_waiter){
		.run = arena_str(a, run->name),
		.created_ms = run->created_ms,
		.wait = {
			.step.id = wait->step.id,
			.deadline_ms = wait->deadline_ms,
			.url = arena_str(a, wait->url),
			.timeout_url = arena_str(a, wait->timeout_url),
			.header = copy_headers(a, &wait->header),
			.timeout_header = copy_headers(a, &wait->timeout_header),
		},
	};
	return &op->found[op->n++];
}

/* Takes the waits out of the mailbox and puts what they lead to. */
static void take_waits(struct work *w, struct notifying *x, struct mailbox *box)
{
	struct run_event *op = x->op;
	size_t at;

	while ((at = mailbox_find_wait(box, op->is_webhook)) != SIZE_MAX) {
		struct mailbox_wait wait = box->wait[at];
		struct move *put = runs_put_waited(w, &wait, op->event, &op->bytes);

		mailbox_take_wait(box, at);
		if (put != NULL)
			found_add(x, &w->ref, &wait)->id = put->put.msg->id;
		if (op->is_webhook)
			return;
	}
}

static void notify_build(struct work *w)
{
	struct notifying *x = w->arg;
	struct run_event *op = x->op;
	struct mailbox box = { 0 };

	op->n = x->found_n;
	check(mailbox_decode(&w->arena, w->doc_value, &box));
	take_waits(w, x, &box);
	if (op->n == x->found_n)
		box.note[box.notes++] = (struct mailbox_note){ op->is_webhook, op->bytes };
	runs_write_mailbox(w, &box);
}

/* The puts and what was found are in the same order. */
static void take_results(struct work *w, struct notifying *x)
{
	size_t at = x->found_n;

	for (size_t i = 0; i < w->moves; i++) {
		if (w->move[i].kind != MOVE_PUT || at >= x->op->n)
			continue;
		x->op->found[at].duplicate = w->move[i].put.skipped == PUT_DUPLICATE;
		if (x->op->found[at].duplicate)
			x->op->found[at].id = w->move[i].put.existing;
		at++;
	}
}

static void notify_doc_read(struct work *w);

/* This mailbox is done with. */
static void notify_leave(struct work *w)
{
	struct notifying *x = w->arg;

	work_free(w);
	if (x->op->what == RUN_EVENT_KEEP || x->op->problem.status != 0)
		notify_finish(x);
	else
		look_on(x);
}

/* The step's answer may be there by what this has put before. */
static void notify_doubt_read(struct work *w)
{
	struct notifying *x = w->arg;
	const struct msg_id id = x->op->found[x->found_n].id, by = w->scan.run_found.key_id;

	if (w->scan.run_found.key_taken && by.seq == id.seq && by.nonce == id.nonce) {
		notify_leave(w);
		return;
	}
	w->read = notify_doc_read;
	work_read_doc(w, DOC_MAILBOX, w->doc_name);
}

/* Somebody has changed the mailbox; after a lost answer that may have been this. */
static void notify_again(struct work *w)
{
	struct notifying *x = w->arg;
	const struct run_ref ref = w->ref;

	x->in_doubt = w->asked_again;
	if (x->in_doubt && x->op->n > x->found_n) {
		w->read = notify_doubt_read;
		work_read_key(w, &ref, runs_step_key(w, x->op->found[x->found_n].wait.step.id));
		return;
	}
	work_read_doc(w, DOC_MAILBOX, w->doc_name);
}

static void notify_done(struct work *w)
{
	struct notifying *x = w->arg;
	struct run_event *op = x->op;
	bool keep = op->what == RUN_EVENT_KEEP;

	if (runs_was_overtaken(w)) {
		notify_again(w);
		return;
	}
	if (w->step.req.result == STORE_APPLIED)
		take_results(w, x);
	else
		op->n = x->found_n;
	/* Among all runs that wait, one that is over meanwhile does not count. */
	if (w->step.req.result != STORE_APPLIED && (keep || w->step.req.result != STORE_REFUSED))
		work_problem(w, &op->problem);
	notify_leave(w);
}

/* Is the last notification that was kept this very one? */
static bool was_kept(const struct notifying *x, const struct mailbox *box)
{
	const struct mailbox_note *last = box->notes > 0 ? &box->note[box->notes - 1] : NULL;

	return x->in_doubt && last != NULL && last->is_webhook == x->op->is_webhook &&
	       str_eq(last->bytes, x->op->bytes);
}

static void notify_doc_read(struct work *w)
{
	struct notifying *x = w->arg;
	struct run_event *op = x->op;
	struct mailbox box;
	bool broken = !mailbox_decode(&w->arena, w->doc_value, &box);
	bool none = broken || mailbox_find_wait(&box, op->is_webhook) == SIZE_MAX;

	if ((op->what == RUN_EVENT_NOTIFY && none) || (!broken && was_kept(x, &box))) {
		op->n = x->found_n;
		notify_leave(w);
		return;
	}
	if (broken)
		w->doc_value = STR_NULL;
	else if (none && mailbox_note_bytes(&box) + op->bytes.n > LIMIT_RUN_NOTES_BYTES) {
		problem_set(&op->problem, 412,
			    "quota maxNotificationBytes exceeded, current limit: %d",
			    LIMIT_RUN_NOTES_BYTES);
		work_free(w);
		notify_finish(x);
		return;
	}
	work_do(w);
}

static struct work *notify_work(struct notifying *x)
{
	struct work *w = work_new(x->engine, x->op->account, x);

	w->read = notify_doc_read;
	w->build = notify_build;
	w->done = notify_done;
	x->found_n = x->op->n;
	x->in_doubt = false;
	return w;
}

/* ---- of one run ------------------------------------------------------------------------------ */

static void keep_run_read(struct work *w)
{
	struct notifying *x = w->arg;
	struct run_event *op = x->op;

	if (!w->open) {
		problem_set(&op->problem, 404, "no open workflow run has this id");
		work_free(w);
		notify_finish(x);
		return;
	}
	w->ref.created_ms = w->run.created_ms;
	w->read = notify_doc_read;
	work_read_doc(w, DOC_MAILBOX,
		      mailbox_name(&w->arena, op->event, w->ref.name, w->run.created_ms));
}

/* ---- of all runs ----------------------------------------------------------------------------- */

static void list_row(struct notifying *x, const struct scan_row *row, const struct run_ref *run)
{
	struct mailbox box;

	if (!mailbox_decode(&x->scan.arena, row->record, &box))
		return;
	for (size_t i = 0; i < box.waits; i++) {
		if (!box.wait[i].is_webhook)
			found_add(x, run, &box.wait[i]);
	}
}

static void notify_row(struct notifying *x, const struct scan_row *row, const struct run_ref *run)
{
	struct work *w = notify_work(x);

	w->ref = (struct run_ref){ arena_str(&w->arena, run->name), run->created_ms };
	work_read_doc(w, DOC_MAILBOX, arena_str(&w->arena, row->name));
}

static void page_read(struct store_req *req)
{
	struct notifying *x = req->arg;

	engine_answered(x->engine);
	x->row = 0;
	if (req->result != STORE_APPLIED) {
		engine_store_problem(&x->op->problem, req, REFUSAL_NONE);
		arena_done(&x->scan.arena);
		notify_finish(x);
		return;
	}
	look_on(x);
}

static void read_page(struct notifying *x)
{
	scan_init(&x->scan, SCAN_DOCS, page_read, x);
	x->scan.doc = DOC_MAILBOX;
	x->scan.user = str_c(x->op->account->id);
	x->scan.name = x->after;
	x->scan.max = PAGE;
	x->scan.bytes_max = PAGE_BYTES;
	arena_init(&x->scan.arena);
	engine_submit(x->engine, &x->scan.req);
}

/* Looks at the rows of the page from x->row on, until one needs a step of its own. */
static void look_on(struct notifying *x)
{
	struct run_event *op = x->op;
	bool more = x->scan.more, end = false;

	while (!end && x->row < x->scan.rows) {
		const struct scan_row *row = &x->scan.row[x->row++];
		struct str event;
		struct run_ref run;

		end = !str_starts(row->name, x->prefix);
		if (end || !mailbox_name_parse(row->name, &event, &run.name, &run.created_ms))
			continue;
		if (op->what == RUN_EVENT_NOTIFY) {
			notify_row(x, row, &run);
			return;
		}
		list_row(x, row, &run);
	}
	if (x->scan.rows > 0)
		x->after = arena_str(&op->arena, x->scan.row[x->scan.rows - 1].name);
	arena_done(&x->scan.arena);
	if (more && !end)
		read_page(x);
	else
		notify_finish(x);
}

void engine_run_event(struct engine *e, struct run_event *op)
{
	struct notifying *x = xcalloc(1, sizeof(*x));

	engine_look(e);
	x->engine = e;
	x->op = op;
	op->n = 0;
	if (op->what == RUN_EVENT_KEEP) {
		struct work *w = notify_work(x);

		w->read = keep_run_read;
		work_read(w, &(struct run_ref){ op->run, 0 }, false);
		return;
	}
	x->prefix = x->after = mailbox_prefix(&op->arena, op->event);
	read_page(x);
}
