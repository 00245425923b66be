/* docs.c - reading documents of a user, and changing one on top of what it is: read, change, write with
 * the version that was read, and once more when somebody was faster.
 */
#include <string.h>

#include "base/check.h"
#include "engine/engine_int.h"

enum {
	EDIT_TRIES = 8,
	PAGE_DOCS = 500,
	PAGE_BYTES = 8 * 1024 * 1024,
	READ_BYTES_MAX = 64 * 1024 * 1024, /* of one user's documents of a kind */
};

/* ---- reading ---------------------------------------------------------------------------------------- */

static void read_page(struct docs_read *op);

static void take_rows(struct docs_read *op)
{
	const struct scan *s = &op->scan;
	size_t n = op->n + s->rows;
	struct doc_row *all = arena_array(&op->arena, struct doc_row, n + 1);

	if (op->n > 0)
		memcpy(all, op->row, op->n * sizeof(*all));
	for (size_t i = 0; i < s->rows; i++) {
		all[op->n + i] = (struct doc_row){
			.name = arena_str(&op->arena, s->row[i].name),
			.value = arena_str(&op->arena, s->row[i].record),
		};
		op->bytes += s->row[i].record.n;
	}
	op->row = all;
	op->n = n;
}

static void read_done(struct store_req *req)
{
	struct docs_read *op = req->arg;
	bool more = false;

	engine_answered(op->engine);
	if (req->result != STORE_APPLIED) {
		engine_store_problem(&op->problem, req, REFUSAL_NONE);
	} else {
		take_rows(op);
		op->more = op->name.n == 0 && op->scan.more && op->scan.rows > 0;
		more = op->more && op->page == 0;
		if (op->bytes > READ_BYTES_MAX)
			more = problem_set(&op->problem, 413, "the list is longer than %d bytes",
					   READ_BYTES_MAX);
	}
	arena_done(&op->scan.arena);
	if (more)
		read_page(op);
	else
		op->done(op);
}

static void read_page(struct docs_read *op)
{
	scan_init(&op->scan, SCAN_DOCS, read_done, op);
	op->scan.doc = op->doc;
	op->scan.user = op->account->user.id;
	op->scan.exact = op->name.n > 0;
	op->scan.name = op->name.n > 0 ? op->name : op->n > 0 ? op->row[op->n - 1].name : op->after;
	op->scan.max = op->name.n > 0 ? 1 : op->page > 0 ? op->page : PAGE_DOCS;
	op->scan.bytes_max = PAGE_BYTES;
	arena_init(&op->scan.arena);
	engine_submit(op->engine, &op->scan.req);
}

void engine_docs_read(struct engine *e, struct docs_read *op)
{
	op->engine = e;
	op->n = op->bytes = 0;
	read_page(op);
}

/* ---- changing --------------------------------------------------------------------------------------- */

static void edit_read(struct doc_edit *op);

static void edit_finish(struct doc_edit *op)
{
	buf_done(&op->value);
	op->done(op);
	/* Nothing may be touched here: the caller's memory may be gone. */
}

static void edit_written(struct store_req *req)
{
	struct doc_edit *op = req->arg;
	enum refusal refusal = op->step.refusal;
	bool gone = req->result == STORE_REFUSED && refusal == REFUSAL_NOT_FOUND;

	engine_answered(op->engine);
	if (req->result == STORE_REFUSED && (refusal == REFUSAL_VERSION || gone) &&
	    ++op->tries < EDIT_TRIES) {
		edit_read(op);
		return;
	}
	if (req->result == STORE_REFUSED && refusal == REFUSAL_LIMIT)
		problem_set(&op->problem, 412, "quota %s exceeded, current limit: %lld", op->quota,
			    (long long)op->count_max);
	else
		engine_store_problem(&op->problem, req, refusal);
	if (req->result == STORE_APPLIED && op->due_ms > 0)
		engine_expect(op->engine, op->due_ms);
	edit_finish(op);
}

static void edit_write(struct doc_edit *op, bool drop, int64_t version)
{
	struct str user = op->account->user.id;

	if (drop)
		op->move = (struct move){
			.kind = MOVE_DOC_REMOVE,
			.doc_remove = { .doc = op->doc,
					.user = user,
					.name = op->name,
					.version = version },
		};
	else
		op->move = (struct move){
			.kind = MOVE_DOC_PUT,
			.doc_put = {
				.doc = op->doc,
				.user = user,
				.name = op->name,
				.value = buf_str(&op->value),
				.version = version,
				.count_max = op->count_max,
				.due_ms = op->due_ms,
			},
		};
	step_init(&op->step, &op->move, 1, edit_written, op);
	engine_submit(op->engine, &op->step.req);
}

/* Takes what was read to the caller's function, and does what that says. */
static void edit_change(struct doc_edit *op)
{
	const struct scan *s = &op->scan;
	bool exists = s->rows > 0;
	int64_t version = exists ? s->row[0].version : 0;
	enum doc_verdict v;

	buf_reset(&op->value);
	op->due_ms = 0;
	v = op->change(op, exists, exists ? arena_str(op->arena, s->row[0].record) : STR_NULL);
	arena_done(&op->scan.arena);
	check(v != DOC_REFUSE || op->problem.status != 0);
	if (v == DOC_WRITE && op->value.overflow) {
		problem_set(&op->problem, 412, "it would be longer than %zu bytes", op->value.max);
		v = DOC_REFUSE;
	}
	if (v == DOC_WRITE || (v == DOC_DROP && exists))
		edit_write(op, v == DOC_DROP, version);
	else
		edit_finish(op);
}

static void edit_scanned(struct store_req *req)
{
	struct doc_edit *op = req->arg;

	engine_answered(op->engine);
	if (req->result == STORE_APPLIED) {
		edit_change(op);
		return;
	}
	engine_store_problem(&op->problem, req, REFUSAL_NONE);
	arena_done(&op->scan.arena);
	edit_finish(op);
}

static void edit_read(struct doc_edit *op)
{
	scan_init(&op->scan, SCAN_DOCS, edit_scanned, op);
	op->scan.doc = op->doc;
	op->scan.user = op->account->user.id;
	op->scan.name = op->name;
	op->scan.exact = true;
	op->scan.max = 1;
	op->scan.bytes_max = SIZE_MAX;
	arena_init(&op->scan.arena);
	engine_submit(op->engine, &op->scan.req);
}

void docs_edit(struct engine *e, struct doc_edit *op, size_t bytes_max)
{
	engine_look(e);
	op->engine = e;
	op->tries = 0;
	buf_init(&op->value, bytes_max);
	edit_read(op);
}
