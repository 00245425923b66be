#include "store/redis/redis_int.h"

#include <string.h>

/* ---- packed values --------------------------------------------------------------------------- */

struct str redis_reply_bytes(struct redis_reader *r, size_t n)
{
	struct str s;

	if (r->broken || r->left.n < n) {
		r->broken = true;
		return STR_NULL;
	}
	s = str_sub(r->left, 0, n);
	r->left = str_from(r->left, n);
	return s;
}

static uint64_t little(struct redis_reader *r, size_t n)
{
	struct str s = redis_reply_bytes(r, n);
	uint64_t v = 0;

	for (size_t i = s.n; i > 0; i--)
		v = v << 8 | (uint8_t)s.p[i - 1];
	return v;
}

uint8_t redis_reply_byte(struct redis_reader *r)
{
	return (uint8_t)little(r, 1);
}

uint32_t redis_reply_u32(struct redis_reader *r)
{
	return (uint32_t)little(r, 4);
}

uint64_t redis_reply_id(struct redis_reader *r)
{
	struct str s = redis_reply_bytes(r, 8);
	uint64_t v = 0;

	for (size_t i = 0; i < s.n; i++)
		v = v << 8 | (uint8_t)s.p[i];
	return v;
}

int64_t redis_reply_number(struct redis_reader *r)
{
	uint64_t bits = little(r, 8);
	double d;

	memcpy(&d, &bits, sizeof(d));
	if (d >= (double)INT64_MAX)
		return INT64_MAX;
	if (!(d >= (double)INT64_MIN))
		return INT64_MIN;
	return (int64_t)d;
}

static struct msg_id msg_id(struct redis_reader *r)
{
	struct msg_id id = { .seq = redis_reply_id(r) };

	id.nonce = redis_reply_id(r);
	return id;
}

/* ---- elements -------------------------------------------------------------------------------- */

static bool is_string(const redisReply *r)
{
	return r->type == REDIS_REPLY_STRING;
}

static bool is_array(const redisReply *r, size_t least)
{
	return r->type == REDIS_REPLY_ARRAY && r->elements >= least;
}

static struct str str_of(const redisReply *r)
{
	return str_n(r->str, r->len);
}

static struct redis_reader reader(const redisReply *r)
{
	return (struct redis_reader){ .left = is_string(r) ? str_of(r) : STR_NULL,
				      .broken = !is_string(r) };
}

static bool at_end(const struct redis_reader *r)
{
	return !r->broken && r->left.n == 0;
}

static bool all_strings(const redisReply *r)
{
	for (size_t i = 0; i < r->elements; i++) {
		if (!is_string(r->element[i]))
			return false;
	}
	return true;
}

/* An array of strings, so many at a time. */
static bool is_list(const redisReply *r, size_t group)
{
	return is_array(r, 0) && r->elements % group == 0 && all_strings(r);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void user_next(struct redis_reader *r, struct move *m)
{
	struct str next = redis_reply_bytes(r, redis_reply_byte(r));

	if (next.n >= sizeof(m->user.next)) {
		r->broken = true;
		return;
	}
	memcpy(m->user.next, next.n ? next.p : "", next.n);
	m->user.next[next.n] = '\0';
}

static void move_read(struct redis_reader *r, struct move *m)
{
	switch (m->kind) {
	case MOVE_PUT:
		m->put.used_messages = redis_reply_number(r);
		m->put.used_bytes = redis_reply_number(r);
		m->put.skipped = (enum put_skipped)redis_reply_byte(r);
		m->put.leased = redis_reply_byte(r);
		m->put.lease = redis_reply_id(r);
		m->put.existing = msg_id(r);
		break;
	case MOVE_SETTLE:
		m->settle.was_cancelled = redis_reply_byte(r);
		break;
	case MOVE_CANCEL:
		m->cancel.was_leased = redis_reply_byte(r);
		m->cancel.lease = redis_reply_id(r);
		break;
	case MOVE_DOC_PUT:
		m->doc_put.new_version = redis_reply_number(r);
		break;
	case MOVE_PURGE:
		m->purge.left = redis_reply_byte(r);
		break;
	case MOVE_RUN_START:
		m->run_start.existing = msg_id(r);
		break;
	case MOVE_USER:
		m->user.count = redis_reply_number(r);
		user_next(r, m);
		break;
	case MOVE_DLQ_REMOVE:
	case MOVE_DOC_REMOVE:
	case MOVE_GATE:
	case MOVE_RUN_SET:
	case MOVE_RUN_END:
		break;
	}
}

static bool step_read(const redisReply *reply, struct step *s)
{
	struct redis_reader r = reader(reply);
	uint8_t refusal = redis_reply_byte(&r);
	uint32_t index = redis_reply_u32(&r); /* from 1 */

	if (r.broken || refusal > REFUSAL_MOVING || (refusal && (index == 0 || index > s->moves)))
		return false;
	s->refusal = (enum refusal)refusal;
	s->refused_move = refusal ? index - 1 : 0;
	for (size_t i = 0; i < s->moves; i++) {
		if (!refusal || i == s->refused_move)
			move_read(&r, &s->move[i]);
	}
	s->req.result = refusal ? STORE_REFUSED : STORE_APPLIED;
	return at_end(&r);
}

/* ---- claims ---------------------------------------------------------------------------------- */

static bool leased_read(const redisReply *reply, struct claim *c)
{
	if (!is_list(reply, 2))
		return false;
	c->n = reply->elements / 2;
	c->leased = arena_array(&c->arena, struct leased, c->n);
	for (size_t i = 0; i < c->n; i++) {
		struct redis_reader r = reader(reply->element[2 * i]);
		struct leased *l = &c->leased[i];

		l->id = msg_id(&r);
		l->lease = redis_reply_id(&r);
		l->retried = redis_reply_u32(&r);
		l->record = arena_str(&c->arena, str_of(reply->element[2 * i + 1]));
		if (!at_end(&r))
			return false;
	}
	return true;
}

static bool docs_read(const redisReply *reply, struct claim *c)
{
	if (!is_list(reply, 4))
		return false;
	c->docs = reply->elements / 4;
	c->doc = arena_array(&c->arena, struct due_doc, c->docs);
	for (size_t i = 0; i < c->docs; i++) {
		redisReply **e = &reply->element[4 * i];
		struct redis_reader r = reader(e[0]);
		struct due_doc *d = &c->doc[i];

		d->kind = (enum doc_kind)redis_reply_byte(&r);
		d->version = redis_reply_number(&r);
		d->due_ms = redis_reply_number(&r);
		d->user = arena_str(&c->arena, str_of(e[1]));
		d->name = arena_str(&c->arena, str_of(e[2]));
		d->value = arena_str(&c->arena, str_of(e[3]));
		if (!at_end(&r))
			return false;
	}
	return true;
}

static bool claim_read(const redisReply *reply, struct claim *c)
{
	struct redis_reader r;

	if (!is_array(reply, 3))
		return false;
	r = reader(reply->element[0]);
	c->more = redis_reply_byte(&r);
	c->next_ms = redis_reply_number(&r);
	c->users_version = redis_reply_number(&r);
	c->req.result = STORE_APPLIED;
	return at_end(&r) && leased_read(reply->element[1], c) && docs_read(reply->element[2], c);
}

/* ---- scans ----------------------------------------------------------------------------------- */

struct row_reader {
	struct scan *scan;
	struct scan_row *row;
	struct redis_reader head;
	redisReply **element;
};

static struct str field(const struct row_reader *r, size_t index)
{
	return arena_str(&r->scan->arena, str_of(r->element[index]));
}

static void message_row(struct row_reader *r)
{
	r->row->id = msg_id(&r->head);
	r->row->state = (enum row_state)redis_reply_byte(&r->head);
	r->row->cancelled = redis_reply_byte(&r->head);
	r->row->retried = redis_reply_number(&r->head);
	r->row->due_ms = redis_reply_number(&r->head);
	r->row->record = field(r, 1);
}

static void dead_row(struct row_reader *r)
{
	r->row->dlq.ms = (int64_t)redis_reply_id(&r->head);
	r->row->dlq.seq = redis_reply_id(&r->head);
	r->row->id = (struct msg_id){ r->row->dlq.seq, redis_reply_id(&r->head) };
	r->row->retried = redis_reply_number(&r->head);
	r->row->response = field(r, 1);
	r->row->record = field(r, 2);
}

static void doc_row(struct row_reader *r)
{
	r->row->version = redis_reply_number(&r->head);
	r->row->due_ms = redis_reply_number(&r->head);
	r->row->user = field(r, 1);
	r->row->name = field(r, 2);
	r->row->record = field(r, 3);
}

static void gate_row(struct row_reader *r)
{
	struct gate *g = &r->row->gate;

	r->row->user = arena_str(&r->scan->arena, r->scan->user);
	g->kind = r->scan->gate;
	g->parallelism_max = redis_reply_number(&r->head);
	g->running = redis_reply_number(&r->head);
	g->rate_max = redis_reply_number(&r->head);
	g->rate_period_ms = redis_reply_number(&r->head);
	g->rate_count = redis_reply_number(&r->head);
	g->window_start_ms = redis_reply_number(&r->head);
	r->row->waiting = redis_reply_number(&r->head);
	r->row->created_ms = redis_reply_number(&r->head);
	r->row->updated_ms = redis_reply_number(&r->head);
	g->paused = redis_reply_byte(&r->head);
	g->pinned_parallelism = redis_reply_byte(&r->head);
	g->pinned_rate = redis_reply_byte(&r->head);
	r->row->name = g->kind == GATE_USER ? STR_NULL : field(r, 1);
}

static void usage_row(struct row_reader *r)
{
	struct usage *u = &r->row->usage;

	u->day = redis_reply_number(&r->head);
	u->messages = redis_reply_number(&r->head);
	u->bytes = redis_reply_number(&r->head);
	u->delivered = redis_reply_number(&r->head);
	u->retried = redis_reply_number(&r->head);
	u->errors = redis_reply_number(&r->head);
	u->failed = redis_reply_number(&r->head);
	u->cancelled = redis_reply_number(&r->head);
}

static void entry_row(struct row_reader *r)
{
	r->row->id = msg_id(&r->head);
	r->row->run_entry = (enum run_entry)redis_reply_byte(&r->head);
	r->row->record = arena_str(&r->scan->arena, redis_reply_bytes(&r->head, r->head.left.n));
}

static void run_row(struct row_reader *r)
{
	r->row->version = redis_reply_number(&r->head);
	r->row->created_ms = (int64_t)redis_reply_id(&r->head);
	r->row->name = field(r, 1);
	r->row->record = field(r, 2);
}

static void key_row(struct row_reader *r)
{
	r->row->name = field(r, 1);
	r->row->record = field(r, 2);
}

static const struct {
	void (*read)(struct row_reader *r);
	size_t elements;
} rows[] = {
	[SCAN_MESSAGE] = { message_row, 2 }, [SCAN_MESSAGES] = { message_row, 2 },
	[SCAN_DLQ] = { dead_row, 3 },        [SCAN_DOCS] = { doc_row, 4 },
	[SCAN_GATES] = { gate_row, 2 },      [SCAN_USAGE] = { usage_row, 1 },
	[SCAN_RUN] = { entry_row, 1 },       [SCAN_RUNS] = { run_row, 3 },
	[SCAN_USER_KEYS] = { key_row, 3 },   [SCAN_USER_DUMP] = { key_row, 3 },
};

static bool row_read(const redisReply *reply, struct scan *s, struct scan_row *row)
{
	struct row_reader r = { .scan = s, .row = row };

	if (!is_array(reply, rows[s->kind].elements) || !all_strings(reply))
		return false;
	r.element = reply->element;
	r.head = reader(reply->element[0]);
	rows[s->kind].read(&r);
	return at_end(&r.head);
}

static bool run_found_read(const redisReply *reply, struct scan *s)
{
	struct redis_reader r;

	if (!is_array(reply, 2) || !all_strings(reply))
		return false;
	r = reader(reply->element[0]);
	s->run_found.found = true;
	s->run_found.open = redis_reply_byte(&r);
	s->run_found.key_taken = redis_reply_byte(&r);
	s->run_found.version = redis_reply_number(&r);
	s->run_found.created_ms = (int64_t)redis_reply_id(&r);
	s->run_found.key_id = msg_id(&r);
	s->run_found.record = arena_str(&s->arena, str_of(reply->element[1]));
	return at_end(&r);
}

static bool scan_read(const redisReply *reply, struct scan *s)
{
	const redisReply *list;

	if (!is_array(reply, 2) || !is_array(reply->element[1], 0))
		return false;
	s->more = str_eq(str_of(reply->element[0]), STR("\1"));
	list = reply->element[1];
	s->rows = list->elements;
	s->row = arena_array(&s->arena, struct scan_row, s->rows);
	for (size_t i = 0; i < s->rows; i++) {
		if (!row_read(list->element[i], s, &s->row[i]))
			return false;
	}
	if (reply->elements > 2 && !run_found_read(reply->element[2], s))
		return false;
	if (s->kind == SCAN_MESSAGES)
		s->at_id = s->rows ? s->row[s->rows - 1].id : s->id;
	s->req.result = STORE_APPLIED;
	return true;
}

/* ---- turns ----------------------------------------------------------------------------------- */

bool redis_reply_turn(const redisReply *reply, uint64_t *ret_outbox_last)
{
	struct redis_reader r;

	if (!is_array(reply, 1))
		return false;
	r = reader(reply->element[0]);
	*ret_outbox_last = (uint64_t)redis_reply_number(&r);
	return at_end(&r);
}

bool redis_reply_req(const redisReply *reply, struct store_req *r)
{
	switch (r->kind) {
	case STORE_STEP:
		return step_read(reply, container_of(r, struct step, req));
	case STORE_CLAIM:
		return claim_read(reply, container_of(r, struct claim, req));
	case STORE_SCAN:
		return scan_read(reply, container_of(r, struct scan, req));
	case STORE_TAIL:
		break; /* read from the stream: redis_outbox.c */
	}
	unreachable();
}

bool redis_reply_open(const redisReply *reply, char ret_holder[REDIS_HOLDER_BYTES],
		      struct store_info *ret_info)
{
	struct redis_reader r = reader(reply);
	struct str holder = redis_reply_bytes(&r, REDIS_HOLDER_BYTES);

	ret_info->seq_max = redis_reply_id(&r);
	ret_info->outbox_last = (uint64_t)redis_reply_number(&r);
	if (!at_end(&r))
		return false;
	memcpy(ret_holder, holder.p, holder.n);
	return true;
}
