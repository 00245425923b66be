#include "store/store.h"

#include <string.h>

#include "base/check.h"

static void req_init(struct store_req *r, enum store_kind kind, void (*done)(struct store_req *),
		     void *arg)
{
	*r = (struct store_req){ .kind = kind, .done = done, .arg = arg };
}

void step_init(struct step *s, struct move *moves, size_t n, void (*done)(struct store_req *),
	       void *arg)
{
	*s = (struct step){ .move = moves, .moves = n };
	req_init(&s->req, STORE_STEP, done, arg);
}

void claim_init(struct claim *c, size_t max, size_t bytes_max, void (*done)(struct store_req *),
		void *arg)
{
	*c = (struct claim){ .max = max, .bytes_max = bytes_max, .next_ms = INT64_MAX };
	req_init(&c->req, STORE_CLAIM, done, arg);
}

void scan_init(struct scan *s, enum scan_kind kind, void (*done)(struct store_req *), void *arg)
{
	*s = (struct scan){ .kind = kind };
	req_init(&s->req, STORE_SCAN, done, arg);
}

void tail_init(struct tail *t, uint64_t after, size_t bytes_max, void (*done)(struct store_req *),
	       void *arg)
{
	*t = (struct tail){ .after = after, .bytes_max = bytes_max };
	req_init(&t->req, STORE_TAIL, done, arg);
}

static void clear_step(struct step *s)
{
	s->refusal = REFUSAL_NONE;
	s->refused_move = 0;
	for (size_t i = 0; i < s->moves; i++) {
		struct move *m = &s->move[i];

		if (m->kind == MOVE_PUT) {
			m->put.leased = false;
			m->put.lease = 0;
			m->put.existing = (struct msg_id){ 0 };
			m->put.skipped = PUT_DONE;
			m->put.used_messages = m->put.used_bytes = 0;
		} else if (m->kind == MOVE_SETTLE) {
			m->settle.was_cancelled = false;
		} else if (m->kind == MOVE_CANCEL) {
			m->cancel.was_leased = false;
			m->cancel.lease = 0;
		} else if (m->kind == MOVE_DOC_PUT) {
			m->doc_put.new_version = 0;
		} else if (m->kind == MOVE_RUN_START) {
			m->run_start.existing = (struct msg_id){ 0 };
		} else if (m->kind == MOVE_PURGE) {
			m->purge.left = false;
		}
	}
}

static void clear_claim(struct claim *c)
{
	c->leased = NULL;
	c->doc = NULL;
	c->n = c->docs = 0;
	c->more = false;
	c->users_version = 0;
	c->next_ms = INT64_MAX;
}

static void clear_scan(struct scan *s)
{
	s->row = NULL;
	s->rows = 0;
	s->more = false;
	s->at_id = (struct msg_id){ 0 };
	memset(&s->run_found, 0, sizeof(s->run_found));
}

static void clear_tail(struct tail *t)
{
	t->events = STR_NULL;
	t->last = t->after;
	t->more = t->lost = false;
}

void store_clear_results(struct store_req *req)
{
	switch (req->kind) {
	case STORE_STEP:
		clear_step(container_of(req, struct step, req));
		break;
	case STORE_CLAIM:
		clear_claim(container_of(req, struct claim, req));
		break;
	case STORE_SCAN:
		clear_scan(container_of(req, struct scan, req));
		break;
	case STORE_TAIL:
		clear_tail(container_of(req, struct tail, req));
		break;
	}
}

void store_submit(struct store *s, struct store_req *req)
{
	check(req->done != NULL);
	req->again = req->result == STORE_UNKNOWN;
	if (!req->again)
		req->ticket = ++s->ticket_last;
	check(req->ticket != 0);
	store_clear_results(req);
	req->result = STORE_PENDING;
	s->ops->submit(s, req);
}

void store_flush(struct store *s, int64_t now_ms)
{
	s->ops->flush(s, now_ms);
}

void store_poll(struct store *s)
{
	s->ops->poll(s);
}

void store_close(struct store *s)
{
	s->ops->close(s);
}

void store_reqs_append(struct store_reqs *q, struct store_req *r)
{
	r->next = NULL;
	if (q->head == NULL)
		q->head = r;
	else
		q->tail->next = r;
	q->tail = r;
}

struct store_req *store_reqs_pop(struct store_reqs *q)
{
	struct store_req *r = q->head;

	if (r != NULL)
		q->head = r->next;
	return r;
}

void store_reqs_concat(struct store_reqs *to, struct store_reqs *from)
{
	if (from->head == NULL)
		return;
	if (to->head == NULL)
		to->head = from->head;
	else
		to->tail->next = from->head;
	to->tail = from->tail;
	*from = (struct store_reqs){ 0 };
}

const char *store_result_name(enum store_result r)
{
	static const char *const name[] = { "pending", "applied", "refused", "unavailable",
					    "unknown" };

	check((size_t)r < countof(name));
	return name[r];
}

const char *refusal_name(enum refusal r)
{
	static const char *const name[] = { "none",     "not found", "duplicate", "lease",
					    "version",  "limit",     "id",        "quota",
					    "run over", "moving",    "no runs" };

	check((size_t)r < countof(name));
	return name[r];
}
