#include "store/redis/redis_int.h"

#include <stdlib.h>
#include <string.h>

/* Room for any packed head. */
enum { HEAD_BYTES_MAX = 160 };

void redis_wire_init(struct redis_args *a)
{
	*a = (struct redis_args){ 0 };
	arena_init(&a->arena);
}

void redis_wire_done(struct redis_args *a)
{
	arena_done(&a->arena);
	free(a->v);
	free(a->n);
}

static void arg(struct redis_args *a, struct str s)
{
	if (a->count == a->cap) {
		a->cap = a->cap ? 2 * a->cap : 256;
		a->v = xrealloc(a->v, a->cap * sizeof(*a->v));
		a->n = xrealloc(a->n, a->cap * sizeof(*a->n));
	}
	a->v[a->count] = s.n ? s.p : "";
	a->n[a->count++] = s.n;
	a->bytes += s.n;
}

/* ---- packing --------------------------------------------------------------------------------- */

struct head {
	struct redis_args *args;
	char *p;
	size_t n, size;
};

static struct head head_start(struct redis_args *a)
{
	return (struct head){ .args = a,
			      .p = arena_alloc(&a->arena, HEAD_BYTES_MAX),
			      .size = HEAD_BYTES_MAX };
}

static void head_end(struct head *h)
{
	arg(h->args, str_n(h->p, h->n));
}

static void bytes(struct head *h, const void *p, size_t n)
{
	check(n <= h->size - h->n);
	if (n > 0)
		memcpy(h->p + h->n, p, n);
	h->n += n;
}

static void byte(struct head *h, unsigned v)
{
	uint8_t b = (uint8_t)v;

	check(v <= UINT8_MAX);
	bytes(h, &b, 1);
}

static void little(struct head *h, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		byte(h, (unsigned)(v >> 8 * i) & UINT8_MAX);
}

static void id(struct head *h, uint64_t v)
{
	for (int i = 7; i >= 0; i--)
		byte(h, (unsigned)(v >> 8 * i) & UINT8_MAX);
}

/* Numbers are doubles there. */
static void number(struct head *h, int64_t v)
{
	double d = (double)v;
	uint64_t bits;

	memcpy(&bits, &d, sizeof(bits));
	little(h, bits, sizeof(bits));
}

static void size(struct head *h, size_t v)
{
	number(h, v < INT64_MAX ? (int64_t)v : INT64_MAX);
}

/* A reference to a run; empty when there is none. */
static void run_arg(struct redis_args *a, const struct run_ref *ref)
{
	struct head h;

	if (ref->name.n == 0) {
		arg(a, STR_NULL);
		return;
	}
	h = (struct head){ .args = a, .size = 8 + ref->name.n };
	h.p = arena_alloc(&a->arena, h.size);
	id(&h, (uint64_t)ref->created_ms);
	bytes(&h, ref->name.p, ref->name.n);
	head_end(&h);
}

/* An entry as it is stored: its bytes behind the message's id; empty when there is none. */
static void entry_arg(struct redis_args *a, const struct move *m)
{
	struct head h;

	if (m->put.run_entry == RUN_ENTRY_NONE) {
		arg(a, STR_NULL);
		return;
	}
	h = (struct head){ .args = a, .size = 17 + m->put.run_body.n };
	h.p = arena_alloc(&a->arena, h.size);
	id(&h, m->put.msg->id.seq);
	id(&h, m->put.msg->id.nonce);
	byte(&h, m->put.run_entry);
	bytes(&h, m->put.run_body.p, m->put.run_body.n);
	head_end(&h);
}

/* ---- calls ----------------------------------------------------------------------------------- */

void redis_wire_begin(struct redis_args *a, struct str function)
{
	arena_reset(&a->arena);
	a->count = a->bytes = 0;
	arg(a, STR("FCALL"));
	arg(a, function);
	arg(a, STR("0"));
}

void redis_wire_turn(struct redis_args *a, struct str function, const struct redis_handle *h,
		     int64_t now_ms)
{
	struct head head;

	redis_wire_begin(a, function);
	head = head_start(a);
	little(&head, REDIS_LIBRARY_VERSION, 4);
	number(&head, now_ms);
	bytes(&head, h->holder, REDIS_HOLDER_BYTES);
	head_end(&head);
}

void redis_wire_open(struct redis_args *a, int64_t now_ms, bool sole)
{
	struct head head;

	redis_wire_begin(a, STR("qstash_open"));
	head = head_start(a);
	number(&head, now_ms);
	byte(&head, sole);
	head_end(&head);
}

void redis_wire_close(struct redis_args *a, const char holder[REDIS_HOLDER_BYTES], int64_t now_ms)
{
	struct head head;

	redis_wire_begin(a, STR("qstash_close"));
	head = head_start(a);
	number(&head, now_ms);
	bytes(&head, holder, REDIS_HOLDER_BYTES);
	head_end(&head);
}

void redis_wire_check(struct redis_args *a, int64_t now_ms)
{
	struct head head;

	redis_wire_begin(a, STR("qstash_check"));
	head = head_start(a);
	number(&head, now_ms);
	head_end(&head);
}

void redis_wire_took(struct redis_args *a, const struct tail *t, size_t bytes_max)
{
	struct head head;

	redis_wire_begin(a, STR("qstash_took"));
	head = head_start(a);
	little(&head, REDIS_LIBRARY_VERSION, 4);
	size(&head, t->trim);
	size(&head, bytes_max);
	byte(&head, t->join);
	head_end(&head);
	arg(a, t->reader);
}

void redis_wire_position(struct redis_args *a)
{
	redis_wire_begin(a, STR("qstash_position"));
}

/* ---- moves ----------------------------------------------------------------------------------- */

static void put(struct redis_args *a, const struct move *m)
{
	const struct msg *msg = m->put.msg;
	bool in_run = m->put.run.name.n > 0;
	struct head h = head_start(a);

	check(msg->id.seq > 0 && msg->id.seq <= INT64_MAX && m->put.record.n > 0);
	check(m->put.due_ms < INT64_MAX);
	byte(&h, 'P');
	id(&h, msg->id.seq);
	id(&h, msg->id.nonce);
	id(&h, msg->root_seq);
	byte(&h, (m->put.want_lease ? 1U : 0) | (in_run ? 2U : 0) |
			 (in_run && m->put.run_if_open ? 4U : 0));
	number(&h, m->put.due_ms);
	number(&h, m->put.dedup_until_ms);
	number(&h, m->put.user_parallelism);
	number(&h, m->put.queues_max);
	number(&h, m->put.day_messages_max);
	number(&h, msg->flow_parallelism);
	number(&h, msg->flow_rate);
	number(&h, msg->flow_period_s * 1000);
	if (in_run) {
		number(&h, m->put.run_entries_max);
		number(&h, m->put.run_bytes_max);
	}
	head_end(&h);
	arg(a, msg->user);
	arg(a, m->put.record);
	arg(a, m->events);
	arg(a, msg->queue);
	arg(a, msg->flow_key);
	arg(a, m->put.dedup_key);
	if (in_run) {
		run_arg(a, &m->put.run);
		entry_arg(a, m);
		arg(a, m->put.run_key);
	}
}

static void settle(struct redis_args *a, const struct move *m)
{
	bool dead = m->settle.to == SETTLE_DEAD;
	struct head h = head_start(a);

	check(m->settle.bytes >= 0);
	check(!dead || m->settle.dlq.ms == 0 || m->settle.dlq.seq == m->settle.id.seq);
	byte(&h, 'S');
	id(&h, m->settle.id.seq);
	id(&h, m->settle.id.nonce);
	id(&h, m->settle.lease);
	byte(&h, m->settle.to);
	number(&h, m->settle.due_ms);
	id(&h, dead ? (uint64_t)m->settle.dlq.ms : 0);
	number(&h, m->settle.dlq_until_ms);
	number(&h, m->settle.bytes);
	head_end(&h);
	arg(a, m->settle.user);
	arg(a, m->events);
	arg(a, dead ? m->settle.response : STR_NULL);
}

static void cancel(struct redis_args *a, const struct move *m)
{
	struct head h = head_start(a);

	byte(&h, 'C');
	id(&h, m->cancel.id.seq);
	id(&h, m->cancel.id.nonce);
	head_end(&h);
	arg(a, m->cancel.user);
}

static void dlq_remove(struct redis_args *a, const struct move *m)
{
	struct head h = head_start(a);

	byte(&h, 'L');
	id(&h, (uint64_t)m->dlq_remove.id.ms);
	id(&h, m->dlq_remove.id.seq);
	head_end(&h);
	arg(a, m->dlq_remove.user);
	arg(a, m->events);
}

static void doc_put(struct redis_args *a, const struct move *m)
{
	struct head h = head_start(a);

	byte(&h, 'D');
	byte(&h, m->doc_put.doc);
	number(&h, m->doc_put.version);
	number(&h, m->doc_put.count_max);
	number(&h, m->doc_put.due_ms);
	head_end(&h);
	arg(a, m->doc_put.user);
	arg(a, m->doc_put.name);
	arg(a, m->doc_put.value);
	arg(a, m->events);
	run_arg(a, &m->doc_put.run);
}

static void doc_remove(struct redis_args *a, const struct move *m)
{
	struct head h = head_start(a);

	byte(&h, 'R');
	byte(&h, m->doc_remove.doc);
	number(&h, m->doc_remove.version);
	head_end(&h);
	arg(a, m->doc_remove.user);
	arg(a, m->doc_remove.name);
	arg(a, m->events);
}

static void gate(struct redis_args *a, const struct move *m)
{
	struct head h = head_start(a);

	byte(&h, 'G');
	byte(&h, m->gate.gate);
	byte(&h, m->gate.op);
	byte(&h, (m->gate.create ? 1U : 0) | (m->gate.unpin_parallelism ? 2U : 0) |
			 (m->gate.unpin_rate ? 4U : 0));
	number(&h, m->gate.parallelism);
	number(&h, m->gate.rate);
	number(&h, m->gate.period_ms);
	number(&h, m->gate.paused);
	number(&h, m->gate.count_max);
	head_end(&h);
	arg(a, m->gate.user);
	arg(a, m->gate.name);
	arg(a, m->events);
}

static void run_start(struct redis_args *a, const struct move *m)
{
	const struct run_ref own = { m->run_start.name, m->run_start.created_ms };
	struct head h = head_start(a);

	check(own.name.n > 0 && own.created_ms > 0);
	byte(&h, 'B');
	head_end(&h);
	arg(a, m->run_start.user);
	run_arg(a, &own);
	arg(a, m->run_start.record);
	run_arg(a, &m->run_start.copy);
	arg(a, m->events);
}

static void run_set(struct redis_args *a, const struct move *m)
{
	struct head h = head_start(a);

	byte(&h, 'V');
	number(&h, m->run_set.version);
	head_end(&h);
	arg(a, m->run_set.user);
	run_arg(a, &m->run_set.run);
	arg(a, m->run_set.record);
	arg(a, m->events);
}

static void run_end(struct redis_args *a, const struct move *m)
{
	struct head h = head_start(a);

	byte(&h, 'E');
	byte(&h, m->run_end.keep_entries);
	number(&h, m->run_end.until_ms);
	head_end(&h);
	arg(a, m->run_end.user);
	run_arg(a, &m->run_end.run);
	arg(a, m->run_end.record);
	arg(a, m->events);
}

static void purge(struct redis_args *a, const struct move *m)
{
	struct head h = head_start(a);

	check(m->purge.user.n > 0 && m->events.n == 0);
	byte(&h, 'X');
	size(&h, m->purge.max);
	number(&h, m->purge.version);
	head_end(&h);
	arg(a, m->purge.user);
}

static void user(struct redis_args *a, const struct move *m)
{
	struct head h = head_start(a);

	byte(&h, 'U');
	byte(&h, m->user.op);
	number(&h, m->user.version);
	little(&h, m->user.keys, 4);
	head_end(&h);
	arg(a, m->user.user);
	arg(a, m->user.at);
	for (size_t i = 0; i < m->user.keys; i++) {
		arg(a, m->user.key[i].name);
		arg(a, m->user.key[i].dump);
	}
}

static void move(struct redis_args *a, const struct move *m)
{
	static void (*const as[])(struct redis_args *, const struct move *) = {
		[MOVE_PUT] = put,
		[MOVE_SETTLE] = settle,
		[MOVE_CANCEL] = cancel,
		[MOVE_DLQ_REMOVE] = dlq_remove,
		[MOVE_DOC_PUT] = doc_put,
		[MOVE_DOC_REMOVE] = doc_remove,
		[MOVE_GATE] = gate,
		[MOVE_PURGE] = purge,
		[MOVE_RUN_START] = run_start,
		[MOVE_RUN_SET] = run_set,
		[MOVE_RUN_END] = run_end,
		[MOVE_USER] = user,
	};

	check((size_t)m->kind < countof(as));
	as[m->kind](a, m);
}

/* ---- requests -------------------------------------------------------------------------------- */

static struct head req_start(struct redis_args *a, const struct redis_handle *h,
			     const struct store_req *r, char kind)
{
	struct head head = head_start(a);

	check(r->ticket < (uint64_t)1 << REDIS_TICKET_BITS);
	byte(&head, (unsigned char)kind);
	bytes(&head, h->holder, REDIS_HOLDER_BYTES);
	for (int i = 4; i >= 0; i--)
		byte(&head, (unsigned)(r->ticket >> 8 * i) & UINT8_MAX);
	byte(&head, r->again);
	return head;
}

static void step(struct redis_args *a, const struct redis_handle *h, const struct step *s)
{
	struct head head = req_start(a, h, &s->req, 's');

	check(s->moves <= UINT32_MAX);
	little(&head, s->moves, 4);
	head_end(&head);
	for (size_t i = 0; i < s->moves; i++)
		move(a, &s->move[i]);
}

static void claim(struct redis_args *a, const struct redis_handle *h, const struct claim *c)
{
	struct head head = req_start(a, h, &c->req, 'c');

	size(&head, c->max);
	size(&head, c->bytes_max);
	size(&head, c->docs_max);
	number(&head, h->lease_ms);
	head_end(&head);
}

static void scan(struct redis_args *a, const struct redis_handle *h, const struct scan *s)
{
	struct head head = req_start(a, h, &s->req, 'n');

	byte(&head, s->kind);
	byte(&head, s->exact);
	byte(&head, s->descending);
	byte(&head, s->doc);
	byte(&head, s->gate);
	size(&head, s->max);
	size(&head, s->bytes_max);
	number(&head, s->usage_day);
	id(&head, s->id.seq);
	id(&head, s->id.nonce);
	id(&head, (uint64_t)s->dlq.ms);
	id(&head, s->dlq.seq);
	head_end(&head);
	arg(a, s->user);
	arg(a, s->name);
	arg(a, s->after_user);
	if (s->kind != SCAN_RUN)
		return;
	head = head_start(a);
	id(&head, s->run_until);
	head_end(&head);
	run_arg(a, &s->run);
	arg(a, s->run_key);
}

void redis_wire_req(struct redis_args *a, const struct redis_handle *h, struct store_req *r)
{
	switch (r->kind) {
	case STORE_STEP:
		step(a, h, container_of(r, struct step, req));
		break;
	case STORE_CLAIM:
		claim(a, h, container_of(r, struct claim, req));
		break;
	case STORE_SCAN:
		scan(a, h, container_of(r, struct scan, req));
		break;
	case STORE_TAIL:
		unreachable(); /* asked of the stream: redis_outbox.c */
	}
}
