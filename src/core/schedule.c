#include "core/schedule.h"

#include "base/check.h"
#include "base/codec.h"
#include "core/headers.h"

/* Never renumbered: stored documents carry them. */
enum schedule_tag {
	SCHEDULE_ID = 1,
	SCHEDULE_CRON,
	SCHEDULE_DESTINATION,
	SCHEDULE_FLAGS,
	SCHEDULE_CREATED,
	SCHEDULE_NEXT,
	SCHEDULE_LAST,
	SCHEDULE_DELAY,
	SCHEDULE_ERROR,
	SCHEDULE_SETTING,
	SCHEDULE_MSG,
	SCHEDULE_LAST_ID, /* one for each message, as text */
};

static void encode_id(struct buf *out, struct msg_id id)
{
	char text[MSG_ID_LEN + 1];

	msg_id_text(text, id);
	tlv_add(out, SCHEDULE_LAST_ID, str_n(text, MSG_ID_LEN));
}

void schedule_encode(struct buf *out, const struct schedule *s)
{
	struct buf msg;

	tlv_add(out, SCHEDULE_ID, s->id);
	tlv_add(out, SCHEDULE_CRON, s->cron);
	tlv_add(out, SCHEDULE_DESTINATION, s->destination);
	tlv_i64(out, SCHEDULE_FLAGS, s->flags);
	tlv_i64(out, SCHEDULE_CREATED, s->created_ms);
	tlv_i64(out, SCHEDULE_NEXT, s->next_ms);
	tlv_i64(out, SCHEDULE_LAST, s->last_ms);
	tlv_i64(out, SCHEDULE_DELAY, s->delay_ms);
	if (s->error.n > 0)
		tlv_add(out, SCHEDULE_ERROR, s->error);
	for (size_t i = 0; i < s->last_n; i++)
		encode_id(out, s->last[i]);
	headers_encode(out, SCHEDULE_SETTING, &s->setting);
	buf_init(&msg, out->max);
	msg_encode(&msg, &s->msg);
	if (msg.overflow)
		out->overflow = true;
	else
		tlv_add(out, SCHEDULE_MSG, buf_str(&msg));
	buf_done(&msg);
}

static bool take_flags(struct str value, uint32_t *ret_flags)
{
	int64_t v;

	if (!tlv_i64_value(value, &v))
		return false;
	*ret_flags = (uint32_t)v;
	return true;
}

static bool take(struct arena *a, struct schedule *s, uint8_t tag, struct str value)
{
	switch (tag) {
	case SCHEDULE_ID:
		s->id = value;
		return true;
	case SCHEDULE_CRON:
		s->cron = value;
		return true;
	case SCHEDULE_DESTINATION:
		s->destination = value;
		return true;
	case SCHEDULE_ERROR:
		s->error = value;
		return true;
	case SCHEDULE_FLAGS:
		return take_flags(value, &s->flags);
	case SCHEDULE_CREATED:
		return tlv_i64_value(value, &s->created_ms);
	case SCHEDULE_NEXT:
		return tlv_i64_value(value, &s->next_ms);
	case SCHEDULE_LAST:
		return tlv_i64_value(value, &s->last_ms);
	case SCHEDULE_LAST_ID:
		return msg_id_parse(value, &s->last[s->last_n++]);
	case SCHEDULE_DELAY:
		return tlv_i64_value(value, &s->delay_ms);
	case SCHEDULE_SETTING:
		return headers_take(&s->setting, value);
	case SCHEDULE_MSG:
		return msg_decode(a, value, &s->msg);
	default:
		return true;
	}
}

static size_t count_ids(struct str record)
{
	struct str value;
	uint8_t tag;
	size_t n = 0;

	while (tlv_next(&record, &tag, &value) == 1)
		n += tag == SCHEDULE_LAST_ID;
	return n;
}

bool schedule_decode(struct arena *a, struct str record, struct schedule *ret_schedule)
{
	struct schedule s = {
		.setting.v =
			arena_array(a, struct header, headers_count(record, SCHEDULE_SETTING) + 1),
		.last = arena_array(a, struct msg_id, count_ids(record)),
	};
	struct str value;
	uint8_t tag;
	int got;

	while ((got = tlv_next(&record, &tag, &value)) == 1) {
		if (!take(a, &s, tag, value))
			return false;
	}
	if (got < 0 || s.id.n == 0 || s.cron.n == 0 || s.destination.n == 0 || s.msg.user.n == 0)
		return false;
	*ret_schedule = s;
	return true;
}
