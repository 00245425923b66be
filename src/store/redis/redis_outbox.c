#include "store/redis/redis_int.h"

#include <stdio.h>

enum {
	EVENTS_BYTES_MAX = 1 << 30, /* no outbox entry can be longer */
	ENTRIES_MIN = 8,            /* asked for at once */
	ENTRIES_MAX = 1000,
};

/* ---- asking ---------------------------------------------------------------------------------- */

static bool append(redisContext *c, size_t n, const char *const args[])
{
	return redisAppendCommandArgv(c, (int)n, (const char **)args, NULL) == REDIS_OK;
}

/* How many entries to ask for: as many as mostly fit. What does not is read again. */
static size_t entries_wanted(const struct redis_handle *h, const struct tail *t)
{
	size_t n = t->bytes_max / (h->entry_bytes + 1) + 1;

	if (n < ENTRIES_MIN)
		return ENTRIES_MIN;
	return n < ENTRIES_MAX ? n : ENTRIES_MAX;
}

static bool ask_first(struct redis_handle *h, const struct tail *t)
{
	struct redis_args a;
	char trim[32];
	bool ok;

	if (t->reader.n == 0 && t->trim > 0 && t->trim < INT64_MAX) {
		snprintf(trim, sizeof(trim), "%llu", (unsigned long long)t->trim + 1);
		return append(h->conn, 4, (const char *const[]){ "XTRIM", "q:log", "MINID", trim });
	}
	redis_wire_init(&a);
	if (t->reader.n > 0)
		redis_wire_took(&a, t, h->outbox_bytes_max);
	else
		redis_wire_position(&a);
	ok = redisAppendCommandArgv(h->conn, (int)a.count, a.v, a.n) == REDIS_OK;
	redis_wire_done(&a);
	return ok;
}

bool redis_outbox_ask(struct redis_handle *h, struct tail *t, size_t *ret_wanted)
{
	char after[32], wanted[32];

	/* A reader that joins does not know yet where to read. */
	*ret_wanted = t->join ? 1 : entries_wanted(h, t);
	snprintf(after, sizeof(after), "(%llu-0", (unsigned long long)t->after);
	snprintf(wanted, sizeof(wanted), "%zu", *ret_wanted);
	return ask_first(h, t) &&
	       append(h->conn, 6,
		      (const char *const[]){ "XRANGE", "q:log", after, "+", "COUNT", wanted });
}

/* ---- events ---------------------------------------------------------------------------------- */

/* Pieces of an entry: a byte for what it is, the length, the bytes. See head.lua. */
enum { PIECE_PACKED = 1, PIECE_STATE = 2 };

static bool state_unpack(struct str piece, struct buf *out)
{
	struct redis_reader r = { .left = piece };
	struct event e = { .time_ms = redis_reply_number(&r) };
	size_t user_bytes;

	e.state = (enum event_state)redis_reply_byte(&r);
	e.id.seq = redis_reply_id(&r);
	e.id.nonce = redis_reply_id(&r);
	e.retried = redis_reply_number(&r);
	user_bytes = redis_reply_byte(&r);
	user_bytes |= (size_t)redis_reply_byte(&r) << 8;
	e.user = redis_reply_bytes(&r, user_bytes);
	e.record = r.left;
	if (r.broken || e.state == EVENT_NONE || e.state > EVENT_CANCELED)
		return false;
	event_encode(out, &e);
	return true;
}

static bool pieces_unpack(struct str pieces, struct buf *out)
{
	struct redis_reader r = { .left = pieces };

	while (r.left.n > 0) {
		uint8_t kind = redis_reply_byte(&r);
		struct str piece = redis_reply_bytes(&r, redis_reply_u32(&r));

		if (r.broken)
			return false;
		if (kind == PIECE_PACKED)
			buf_add(out, piece);
		else if (kind != PIECE_STATE || !state_unpack(piece, out))
			return false;
	}
	return true;
}

/* Every other field is a name. A piece may lie in several. */
static bool fields_unpack(const redisReply *fields, struct buf *whole, struct buf *out)
{
	buf_reset(whole);
	for (size_t i = 1; i < fields->elements; i += 2) {
		if (fields->element[i]->type != REDIS_REPLY_STRING)
			return false;
		buf_add(whole, str_n(fields->element[i]->str, fields->element[i]->len));
	}
	return !whole->overflow && pieces_unpack(buf_str(whole), out) && !out->overflow;
}

/* ---- answers --------------------------------------------------------------------------------- */

/* An entry is its id, "position-0", and its fields. */
static bool entry_read(const redisReply *entry, uint64_t *ret_at, const redisReply **ret_fields)
{
	struct str id;

	if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2 ||
	    entry->element[0]->type != REDIS_REPLY_STRING ||
	    entry->element[1]->type != REDIS_REPLY_ARRAY)
		return false;
	id = str_n(entry->element[0]->str, entry->element[0]->len);
	*ret_fields = entry->element[1];
	return str_u64(str_cut(&id, '-'), ret_at);
}

/* Unpacks whole entries, whose size shows only then, while they fit. */
static bool entries_read(const redisReply *list, struct tail *t, struct buf *whole,
			 struct buf *events)
{
	for (size_t i = 0; i < list->elements; i++) {
		const redisReply *fields;
		size_t before = events->n;
		uint64_t at;

		if (!entry_read(list->element[i], &at, &fields) ||
		    !fields_unpack(fields, whole, events))
			return false;
		if (i > 0 && events->n > t->bytes_max) {
			events->n = before;
			t->more = true;
			return true;
		}
		t->last = at;
	}
	return true;
}

/* How far the outbox goes as of now; read before the entries. */
static bool begin_reader(struct redis_handle *h, struct redis_reader *r, struct tail *t)
{
	int64_t at = redis_reply_number(r), last = redis_reply_number(r);
	int64_t dropped = redis_reply_number(r);

	if (r->broken || r->left.n > 0 || last < 0 || dropped < 0)
		return false;
	pthread_mutex_lock(&h->mutex);
	if ((uint64_t)last > h->outbox_last)
		h->outbox_last = (uint64_t)last;
	h->outbox_dropped = (uint64_t)dropped;
	pthread_mutex_unlock(&h->mutex);
	t->lost = at < 0;
	if (t->join && at > 0)
		t->last = (uint64_t)at;
	return true;
}

bool redis_outbox_begin(struct redis_handle *h, const redisReply *reply, struct tail *t)
{
	struct redis_reader r = { .left = str_n(reply->str, reply->len) };

	if (reply->type == REDIS_REPLY_INTEGER) /* of XTRIM */
		return true;
	return reply->type == REDIS_REPLY_STRING && begin_reader(h, &r, t);
}

bool redis_outbox_read(struct redis_handle *h, const redisReply *list, size_t wanted,
		       struct tail *t)
{
	struct buf whole, events;
	bool ok;

	if (list->type != REDIS_REPLY_ARRAY)
		return false;
	t->req.result = STORE_APPLIED;
	if (t->lost || t->join)
		return true;
	buf_init(&whole, EVENTS_BYTES_MAX);
	buf_init(&events, EVENTS_BYTES_MAX);
	ok = entries_read(list, t, &whole, &events);
	t->events = arena_str(&t->arena, buf_str(&events));
	if (list->elements > 0)
		h->entry_bytes = events.n / list->elements;
	buf_done(&whole);
	buf_done(&events);
	t->more = t->more || list->elements == wanted;
	/* Not every position has an entry. */
	if (!t->more && h->outbox_last > t->after && h->outbox_last > t->trim)
		t->last = h->outbox_last;
	return ok;
}
