#include "core/msg.h"

#include <string.h>

#include "base/check.h"
#include "base/codec.h"
#include "core/headers.h"

/* Never renumbered: stored records carry them. */
enum msg_tag {
	TAG_SEQ = 1,
	TAG_NONCE,
	TAG_FLAGS,
	TAG_USER,
	TAG_URL,
	TAG_METHOD,
	TAG_HEADER,
	TAG_BODY,
	TAG_CREATED,
	TAG_NOT_BEFORE,
	TAG_TIMEOUT,
	TAG_RETRIES_MAX,
	TAG_RETRY_DELAY,
	TAG_CALLBACK,
	TAG_CALLBACK_HEADER,
	TAG_FAILURE_CALLBACK,
	TAG_FAILURE_CALLBACK_HEADER,
	TAG_QUEUE,
	TAG_FLOW_KEY,
	TAG_FLOW_PARALLELISM,
	TAG_FLOW_RATE,
	TAG_FLOW_PERIOD,
	TAG_TOPIC,
	TAG_ENDPOINT,
	TAG_SCHEDULE_ID,
	TAG_CALLER_IP,
	TAG_LABELS,
	TAG_REDACT,
	TAG_API,
	TAG_ROOT_SEQ,
	TAG_RUN,
	TAG_RUN_CREATED,
	TAG_RUN_ROLE,
	TAG_RUN_UNTIL,
	TAGS,
};

enum slot_kind { SLOT_NONE, SLOT_TEXT, SLOT_NUMBER, SLOT_HEADER };

/* Where each tag's value lives in struct msg; the one table drives both directions. */
struct slot {
	uint8_t kind;
	uint16_t offset;
};

#define TEXT(tag, name) [tag] = { SLOT_TEXT, offsetof(struct msg, name) }
#define NUMBER(tag, name) [tag] = { SLOT_NUMBER, offsetof(struct msg, name) }
#define HEADER(tag, name) [tag] = { SLOT_HEADER, offsetof(struct msg, name) }

static const struct slot slots[TAGS] = {
	NUMBER(TAG_SEQ, id.seq),
	NUMBER(TAG_NONCE, id.nonce),
	TEXT(TAG_USER, user),
	TEXT(TAG_URL, url),
	TEXT(TAG_METHOD, method),
	HEADER(TAG_HEADER, header),
	TEXT(TAG_BODY, body),
	NUMBER(TAG_CREATED, created_ms),
	NUMBER(TAG_NOT_BEFORE, not_before_ms),
	NUMBER(TAG_TIMEOUT, timeout_ms),
	NUMBER(TAG_RETRIES_MAX, retries_max),
	TEXT(TAG_RETRY_DELAY, retry_delay),
	TEXT(TAG_CALLBACK, callback),
	HEADER(TAG_CALLBACK_HEADER, callback_header),
	TEXT(TAG_FAILURE_CALLBACK, failure_callback),
	HEADER(TAG_FAILURE_CALLBACK_HEADER, failure_callback_header),
	TEXT(TAG_QUEUE, queue),
	TEXT(TAG_FLOW_KEY, flow_key),
	NUMBER(TAG_FLOW_PARALLELISM, flow_parallelism),
	NUMBER(TAG_FLOW_RATE, flow_rate),
	NUMBER(TAG_FLOW_PERIOD, flow_period_s),
	TEXT(TAG_TOPIC, topic),
	TEXT(TAG_ENDPOINT, endpoint),
	TEXT(TAG_SCHEDULE_ID, schedule_id),
	TEXT(TAG_CALLER_IP, caller_ip),
	TEXT(TAG_LABELS, labels),
	TEXT(TAG_REDACT, redact),
	TEXT(TAG_API, api),
	NUMBER(TAG_ROOT_SEQ, root_seq),
	TEXT(TAG_RUN, run),
	NUMBER(TAG_RUN_CREATED, run_created_ms),
	NUMBER(TAG_RUN_ROLE, run_role),
	NUMBER(TAG_RUN_UNTIL, run_until),
};

void msg_encode(struct buf *out, const struct msg *m)
{
	const char *base = (const char *)m;

	if (m->flags != 0)
		tlv_i64(out, TAG_FLAGS, m->flags);
	for (uint8_t tag = 1; tag < countof(slots); tag++) {
		const void *field = base + slots[tag].offset;

		if (slots[tag].kind == SLOT_TEXT && ((const struct str *)field)->n > 0)
			tlv_add(out, tag, *(const struct str *)field);
		else if (slots[tag].kind == SLOT_NUMBER && *(const int64_t *)field != 0)
			tlv_i64(out, tag, *(const int64_t *)field);
		else if (slots[tag].kind == SLOT_HEADER)
			headers_encode(out, tag, field);
	}
}

/* The arrays a record needs: how many values each header tag has. */
static bool count_headers(struct str record, size_t count[countof(slots)])
{
	struct str value;
	uint8_t tag;
	int got;

	while ((got = tlv_next(&record, &tag, &value)) == 1) {
		if (tag < countof(slots) && slots[tag].kind == SLOT_HEADER)
			count[tag]++;
	}
	return got == 0;
}

static bool take_value(struct msg *m, uint8_t tag, struct str value)
{
	int64_t flags;
	void *field;

	if (tag == TAG_FLAGS) {
		if (!tlv_i64_value(value, &flags) || flags < 0 || flags > UINT32_MAX)
			return false;
		m->flags = (uint32_t)flags;
		return true;
	}
	if (tag >= countof(slots) || slots[tag].kind == SLOT_NONE)
		return true;
	field = (char *)m + slots[tag].offset;
	if (slots[tag].kind == SLOT_NUMBER)
		return tlv_i64_value(value, field);
	if (slots[tag].kind == SLOT_HEADER)
		return headers_take(field, value);
	*(struct str *)field = value;
	return true;
}

bool msg_decode(struct arena *a, struct str record, struct msg *ret_msg)
{
	size_t count[countof(slots)] = { 0 };
	struct msg m = { 0 };
	struct str value;
	uint8_t tag;

	if (!count_headers(record, count))
		return false;
	for (size_t i = 0; i < countof(slots); i++) {
		if (count[i] > 0)
			((struct headers *)((char *)&m + slots[i].offset))->v =
				arena_array(a, struct header, count[i]);
	}
	while (tlv_next(&record, &tag, &value) == 1) {
		if (!take_value(&m, tag, value))
			return false;
	}
	*ret_msg = m;
	return true;
}

/* ---- ids ------------------------------------------------------------------------------------- */

/* A seq is 42 bits of milliseconds and 21 bits that count within one. */
enum { SEQ_COUNT_BITS = 21 };

uint64_t msg_id_seq_at(int64_t ms)
{
	if (ms > INT64_MAX >> SEQ_COUNT_BITS)
		return INT64_MAX;
	return ms <= 0 ? 0 : (uint64_t)ms << SEQ_COUNT_BITS;
}

int64_t msg_id_ms(uint64_t seq)
{
	return (int64_t)(seq >> SEQ_COUNT_BITS);
}

struct msg_id msg_id_next(uint64_t *last_seq, int64_t now_ms, struct rng *rng)
{
	uint64_t at = msg_id_seq_at(now_ms);
	struct msg_id id;

	/* Each millisecond is begun somewhere in its first half, so that two processes do not
	 * meet. */
	id.seq = at > *last_seq ? at + rng_below(rng, 1 << (SEQ_COUNT_BITS - 1)) : *last_seq + 1;
	if (id.seq == 0)
		id.seq = 1;
	id.nonce = rng_u64(rng);
	*last_seq = id.seq;
	return id;
}

void msg_id_text(char ret_text[MSG_ID_LEN + 1], struct msg_id id)
{
	memcpy(ret_text, "msg_", 4);
	b58_u64(ret_text + 4, id.seq);
	b58_u64(ret_text + 4 + B58_U64_LEN, id.nonce);
	ret_text[MSG_ID_LEN] = '\0';
}

bool msg_id_parse(struct str text, struct msg_id *ret_id)
{
	struct msg_id id;

	if (text.n != MSG_ID_LEN || !str_starts(text, STR("msg_")) ||
	    !b58_u64_parse(str_sub(text, 4, B58_U64_LEN), &id.seq) ||
	    !b58_u64_parse(str_from(text, 4 + B58_U64_LEN), &id.nonce))
		return false;
	if (!id.seq || id.seq > INT64_MAX)
		return false;
	*ret_id = id;
	return true;
}
