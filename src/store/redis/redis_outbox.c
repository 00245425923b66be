#include "store/redis/redis_int.h"

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

bool redis_outbox_unpack(struct str entry, struct buf *out)
{
	struct redis_reader r = { .left = entry };

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
