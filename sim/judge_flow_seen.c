/* judge_flow_seen.c - entries, and what endpoints see of workflow runs.
 */
#include <inttypes.h>

#include "base/check.h"
#include "base/codec.h"
#include "base/json.h"
#include "judge_flow_int.h"

#define RUN "run %.*s (%" PRId64 ")"
#define RUN_OF(r) STR_FMT((r)->name), (r)->created_ms

/* ---- entries that the server has written -------------------------------------------------------------- */

static struct str decoded(struct arena *a, struct str text)
{
	struct str bytes = STR_NULL;
	struct buf b;

	buf_init(&b, SIZE_MAX / 4);
	if (b64_decode(&b, text))
		bytes = arena_str(a, buf_str(&b));
	buf_done(&b);
	return bytes;
}

/* The child's end, told as it was. */
static void check_invoked(struct flow_judge *f, const struct flow_run *r,
			  const struct flow_entry *e)
{
	const struct flow_run *child = NULL;
	struct list *it, *tmp;
	struct str expected = STR_NULL;
	struct json_out o;
	struct buf b;

	list_each(it, tmp, &f->runs) {
		const struct flow_run *c = list_entry(it, struct flow_run, node);

		if (c->parent == r && c->parent_step == e->step)
			child = c;
	}
	if (child == NULL || child->state == FLOW_IS_OPEN) {
		judge_fail(f->judge, RUN ": step %" PRId64 " has a result before what it invoked",
			   RUN_OF(r), e->step);
		return;
	}
	buf_init(&b, SIZE_MAX / 4);
	o = json_out(&b);
	json_open(&o, '{');
	json_kstr_opt(&o, STR("body"), child->result);
	json_kbool(&o, STR("isCanceled"), child->state == FLOW_IS_CANCELED);
	json_kbool(&o, STR("isFailed"), child->state == FLOW_HAS_FAILED);
	json_close(&o, '}');
	expected = arena_str(&f->arena, buf_str(&b));
	buf_done(&b);
	if (!str_eq(e->out, expected))
		judge_fail(f->judge, RUN ": step %" PRId64 " was told %.*s, not %.*s", RUN_OF(r),
			   e->step, STR_FMT(e->out), STR_FMT(expected));
}

static void check_timeout(struct flow_judge *f, const struct flow_run *r,
			  const struct flow_entry *e, int64_t time_ms)
{
	if (time_ms < r->deadline_ms[e->step])
		judge_fail(f->judge,
			   RUN ": step %" PRId64 " gave up waiting %" PRId64 " ms too early",
			   RUN_OF(r), e->step, r->deadline_ms[e->step] - time_ms);
	for (int i = 0; i < f->notes; i++) {
		if (f->note[i].run == r && !f->note[i].used && str_eq(f->note[i].event, e->event))
			judge_fail(f->judge,
				   RUN ": step %" PRId64 " gave up waiting although it was told",
				   RUN_OF(r), e->step);
	}
}

static void check_notified(struct flow_judge *f, const struct flow_run *r,
			   const struct flow_entry *e)
{
	struct str data = decoded(&f->arena, e->out);
	int n = judge_number(data, 'n');
	struct flow_note *note = n >= 0 && n < f->notes ? &f->note[n] : NULL;

	if (note == NULL || !str_eq(note->event, e->event) ||
	    (note->name.n > 0 && !str_eq(note->name, r->name)))
		judge_fail(f->judge, RUN ": step %" PRId64 " was told %.*s, which is not for it",
			   RUN_OF(r), e->step, STR_FMT(data));
	else
		note->used = true;
}

void flow_check_entry(struct flow_judge *f, struct flow_run *r, int64_t time_ms)
{
	const struct flow_entry *e = &r->parsed[r->n - 2];
	bool wait = str_eq(e->type, STR("Wait")), invoke = str_eq(e->type, STR("Invoke"));

	if (e->target != 0 || (!wait && !invoke))
		return;
	if (e->step < 1 || e->step > FLOW_STEPS_MAX || (r->waited & 1U << e->step)) {
		judge_fail(f->judge, RUN ": step %" PRId64 " was answered twice", RUN_OF(r),
			   e->step);
		return;
	}
	r->waited |= 1U << e->step;
	f->judge->counts.flow.invoked += invoke;
	f->judge->counts.flow.timed_out += wait && e->timed_out;
	f->judge->counts.flow.told += wait && !e->timed_out;
	if (invoke)
		check_invoked(f, r, e);
	else if (e->timed_out)
		check_timeout(f, r, e, time_ms);
	else
		check_notified(f, r, e);
}

/* ---- deliveries --------------------------------------------------------------------------------------- */

void judge_flow_acked(struct judge_flow_msg *m)
{
	m->acks++;
}

void judge_flow_ended(struct judge_flow_msg *m, int holder, const struct judge_outcome *o)
{
	if (!m->over && m->holder == holder)
		m->outcome = *o;
}

static bool is_entry(struct arena *a, const struct json *v, struct msg_id id, struct str body)
{
	const struct json *own = json_get(v, STR("messageId")), *text = json_get(v, STR("body"));
	struct msg_id got;

	return own != NULL && text != NULL && msg_id_parse(own->text, &got) && got.seq == id.seq &&
	       got.nonce == id.nonce && str_eq(decoded(a, text->text), body);
}

void judge_flow_slice(struct judge *j, struct msg_id id, struct str body)
{
	const struct judge_flow_msg *m = judge_flow_find(j, id);
	const struct flow_run *r = m != NULL ? m->run : NULL;
	const struct json *list, *v;
	uint64_t until;
	struct arena a;
	char error[96];
	size_t n = 0;

	if (m == NULL || m->msg.run_role != MSG_STEP) {
		judge_fail(j, "a history was delivered by a message that is not to carry one");
		return;
	}
	until = m->msg.run_until ? m->msg.run_until : m->msg.id.seq;
	arena_init(&a);
	list = json_parse(&a, body, error);
	for (v = list != NULL ? list->child : NULL; v != NULL; v = v->next, n++) {
		if (n >= r->n || r->entry[n].id.seq > until ||
		    !is_entry(&a, v, r->entry[n].id, r->entry[n].body)) {
			judge_fail(j, RUN ": entry %zu was delivered as another", RUN_OF(r), n);
			break;
		}
	}
	if (n == 0 || (v == NULL && r->entry[n - 1].id.seq != until))
		judge_fail(j, RUN ": a delivery ended before its own entry", RUN_OF(r));
	arena_done(&a);
}

void judge_flow_joined(struct judge *j, struct msg_id id, size_t step)
{
	const struct judge_flow_msg *m = judge_flow_find(j, id);
	struct msg_id *by = &m->run->joined[step];

	if (by->seq != 0 && by->seq != id.seq)
		judge_fail(j, RUN ": two deliveries saw the block of step %zu complete",
			   RUN_OF(m->run), step + 1);
	j->counts.flow.joined += by->seq == 0;
	*by = id;
}

void judge_flow_reported(struct judge *j, struct msg_id id, struct str payload)
{
	const struct judge_flow_msg *m = judge_flow_find(j, id);

	j->counts.flow.reported++;
	if (m == NULL || m->msg.run_role != MSG_FAILURE || m->run->state != FLOW_HAS_FAILED)
		judge_fail(j, "a failure was reported of a run that has not failed");
	else if (!str_eq(payload, m->run->payload))
		judge_fail(j, RUN ": its failure was reported with another payload",
			   RUN_OF(m->run));
}

/* ---- rows --------------------------------------------------------------------------------------------- */

void judge_flow_row(struct judge *j, struct str run, int64_t created_ms)
{
	struct flow_run *r = flow_find_run(j->flows, run, created_ms);

	if (r == NULL || r->state != FLOW_IS_OPEN)
		judge_fail(j, "the store has an open run %.*s, by the log it is not", STR_FMT(run));
	else
		r->seen = true;
}

void judge_flow_rows_end(struct judge *j)
{
	struct list *it, *tmp;

	list_each(it, tmp, &j->flows->runs) {
		struct flow_run *r = list_entry(it, struct flow_run, node);

		if (r->state == FLOW_IS_OPEN && !r->seen)
			judge_fail(j, RUN " is open by the log, but not in the store", RUN_OF(r));
		r->seen = false;
	}
}
