#include "core/bulk.h"

#include "base/codec.h"

/* Never renumbered: stored documents carry them. */
enum bulk_tag {
	TAG_ID = 1,
	TAG_KIND,
	TAG_PHASE,
	TAG_CREATED,
	TAG_COMPLETED,
	TAG_TOTAL,
	TAG_PROCESSED,
	TAG_MAX,
	TAG_UNTIL,
	TAG_AT,
	TAG_FROM,
	TAG_TO,
	/* The texts of the filter's fields. */
	TAG_FIELD = 32,
	TAG_MESSAGE_ID = TAG_FIELD,
	TAG_DLQ_ID,
	TAG_URL,
	TAG_HOST,
	TAG_PATH,
	TAG_TOPIC,
	TAG_QUEUE,
	TAG_SCHEDULE,
	TAG_CALLER_IP,
	TAG_LABEL,
	TAG_FLOW_KEY,
};

static const uint8_t field_tag[FILTER_FIELDS] = {
	[FILTER_MESSAGE_ID] = TAG_MESSAGE_ID,
	[FILTER_DLQ_ID] = TAG_DLQ_ID,
	[FILTER_URL] = TAG_URL,
	[FILTER_HOST] = TAG_HOST,
	[FILTER_PATH] = TAG_PATH,
	[FILTER_TOPIC] = TAG_TOPIC,
	[FILTER_QUEUE] = TAG_QUEUE,
	[FILTER_SCHEDULE] = TAG_SCHEDULE,
	[FILTER_CALLER_IP] = TAG_CALLER_IP,
	[FILTER_LABEL] = TAG_LABEL,
	[FILTER_FLOW_KEY] = TAG_FLOW_KEY,
};

struct str bulk_id(struct arena *a, struct msg_id unique)
{
	char text[2 * B58_U64_LEN];

	b58_u64(text, unique.seq);
	b58_u64(text + B58_U64_LEN, unique.nonce);
	return arena_fmt(a, "bulk_%.*s", 2 * B58_U64_LEN, text);
}

void bulk_encode(struct buf *out, const struct bulk *b)
{
	tlv_add(out, TAG_ID, b->id);
	tlv_i64(out, TAG_KIND, b->kind);
	tlv_i64(out, TAG_PHASE, b->phase);
	tlv_i64(out, TAG_CREATED, b->created_ms);
	tlv_i64(out, TAG_COMPLETED, b->completed_ms);
	tlv_i64(out, TAG_TOTAL, b->total);
	tlv_i64(out, TAG_PROCESSED, b->processed);
	tlv_i64(out, TAG_MAX, b->max);
	tlv_i64(out, TAG_UNTIL, (int64_t)b->until_seq);
	tlv_i64(out, TAG_AT, (int64_t)b->at_seq);
	tlv_i64(out, TAG_FROM, b->filter.from_ms);
	tlv_i64(out, TAG_TO, b->filter.to_ms);
	for (size_t i = 0; i < FILTER_FIELDS; i++) {
		for (size_t k = 0; k < b->filter.field[i].n; k++)
			tlv_add(out, field_tag[i], b->filter.field[i].v[k]);
	}
}

static bool take_seq(struct str value, uint64_t *ret_seq)
{
	int64_t v;

	if (!tlv_i64_value(value, &v) || v < 0)
		return false;
	*ret_seq = (uint64_t)v;
	return true;
}

/* Kind and phase; values that this program does not know are broken. */
static bool take_enum(struct str value, int64_t last, int64_t *ret_v)
{
	return tlv_i64_value(value, ret_v) && *ret_v >= 1 && *ret_v <= last;
}

static bool take_kind(struct bulk *b, uint8_t tag, struct str value)
{
	int64_t v;

	if (!take_enum(value, tag == TAG_KIND ? BULK_CANCEL : BULK_FINISHED, &v))
		return false;
	if (tag == TAG_KIND)
		b->kind = (enum bulk_kind)v;
	else
		b->phase = (enum bulk_phase)v;
	return true;
}

/* Tags of a newer program are passed over. */
static bool take_text(struct bulk *b, uint8_t tag, struct str value)
{
	for (size_t i = 0; i < FILTER_FIELDS; i++) {
		if (field_tag[i] == tag)
			b->filter.field[i].v[b->filter.field[i].n++] = value;
	}
	return true;
}

static bool take(struct bulk *b, uint8_t tag, struct str value)
{
	switch (tag) {
	case TAG_ID:
		b->id = value;
		return true;
	case TAG_KIND:
	case TAG_PHASE:
		return take_kind(b, tag, value);
	case TAG_CREATED:
		return tlv_i64_value(value, &b->created_ms);
	case TAG_COMPLETED:
		return tlv_i64_value(value, &b->completed_ms);
	case TAG_TOTAL:
		return tlv_i64_value(value, &b->total);
	case TAG_PROCESSED:
		return tlv_i64_value(value, &b->processed);
	case TAG_MAX:
		return tlv_i64_value(value, &b->max);
	case TAG_UNTIL:
		return take_seq(value, &b->until_seq);
	case TAG_AT:
		return take_seq(value, &b->at_seq);
	case TAG_FROM:
		return tlv_i64_value(value, &b->filter.from_ms);
	case TAG_TO:
		return tlv_i64_value(value, &b->filter.to_ms);
	default:
		return take_text(b, tag, value);
	}
}

static void make_room(struct arena *a, struct str record, struct filter *f)
{
	size_t n[UINT8_MAX + 1] = { 0 };
	struct str value;
	uint8_t tag;

	while (tlv_next(&record, &tag, &value) == 1)
		n[tag]++;
	for (size_t i = 0; i < FILTER_FIELDS; i++)
		f->field[i].v = arena_array(a, struct str, n[field_tag[i]]);
}

bool bulk_decode(struct arena *a, struct str record, struct bulk *ret_bulk)
{
	struct bulk b = {
		.filter = { .use = FILTER_CANCEL, .from_ms = INT64_MIN, .to_ms = INT64_MAX }
	};
	struct str value;
	uint8_t tag;
	int got;

	make_room(a, record, &b.filter);
	while ((got = tlv_next(&record, &tag, &value)) == 1) {
		if (!take(&b, tag, value))
			return false;
	}
	if (got < 0 || b.id.n == 0 || b.kind == 0 || b.phase == 0)
		return false;
	*ret_bulk = b;
	return true;
}
