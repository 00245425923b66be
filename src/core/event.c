#include "core/event.h"

#include "base/check.h"
#include "base/codec.h"
#include "core/headers.h"

/* Never renumbered: outbox entries and log files carry them. An event is one value
 * (EVENT_TAG_WHOLE) whose bytes are tagged values themselves. */
enum event_tag {
	EVENT_TAG_WHOLE = 1,
	EVENT_TAG_TIME,
	EVENT_TAG_STATE,
	EVENT_TAG_USER,
	EVENT_TAG_SEQ,
	EVENT_TAG_NONCE,
	EVENT_TAG_RECORD,
	EVENT_TAG_RETRIED,
	EVENT_TAG_NEXT_DELIVERY,
	EVENT_TAG_STATUS,
	EVENT_TAG_HEADER,
	EVENT_TAG_BODY,
	EVENT_TAG_ERROR,
	EVENT_TAG_DURATION,
};

static const struct str state_names[] = { [EVENT_NONE] = { "", 0 },
#define X(name) [EVENT_##name] = { #name, sizeof(#name) - 1 },
					  EVENT_STATES(X)
#undef X
};

static void add_text(struct buf *out, uint8_t tag, struct str s)
{
	if (s.n > 0)
		tlv_add(out, tag, s);
}

static void add_number(struct buf *out, uint8_t tag, int64_t v)
{
	if (v != 0)
		tlv_i64(out, tag, v);
}

static void encode_fields(struct buf *out, const struct event *e)
{
	tlv_i64(out, EVENT_TAG_TIME, e->time_ms);
	tlv_i64(out, EVENT_TAG_STATE, e->state);
	tlv_add(out, EVENT_TAG_USER, e->user);
	tlv_i64(out, EVENT_TAG_SEQ, (int64_t)e->id.seq);
	tlv_i64(out, EVENT_TAG_NONCE, (int64_t)e->id.nonce);
	add_text(out, EVENT_TAG_RECORD, e->record);
	add_number(out, EVENT_TAG_RETRIED, e->retried);
	add_number(out, EVENT_TAG_NEXT_DELIVERY, e->next_delivery_ms);
	add_number(out, EVENT_TAG_STATUS, e->response_status);
	headers_encode(out, EVENT_TAG_HEADER, &e->response_header);
	add_text(out, EVENT_TAG_BODY, e->response_body);
	add_text(out, EVENT_TAG_ERROR, e->error);
	add_number(out, EVENT_TAG_DURATION, e->duration_ms);
}

/* More than the fields of e can take when coded: values, plus tag and length of each. */
static size_t bytes_bound(const struct event *e)
{
	size_t n = 256 + e->user.n + e->record.n + e->response_body.n + e->error.n;

	for (size_t i = 0; i < e->response_header.n; i++)
		n += e->response_header.v[i].name.n + e->response_header.v[i].value.n + 16;
	return n;
}

void event_encode(struct buf *out, const struct event *e)
{
	struct buf whole;

	check(e->state != EVENT_NONE);
	buf_init(&whole, bytes_bound(e));
	encode_fields(&whole, e);
	check(!whole.overflow);
	tlv_add(out, EVENT_TAG_WHOLE, buf_str(&whole));
	buf_done(&whole);
}

/* Where a text or a number of the event goes; NULL when the tag is of another kind or unknown. */
static struct str *text_field(struct event *e, uint8_t tag)
{
	switch (tag) {
	case EVENT_TAG_USER:
		return &e->user;
	case EVENT_TAG_RECORD:
		return &e->record;
	case EVENT_TAG_BODY:
		return &e->response_body;
	case EVENT_TAG_ERROR:
		return &e->error;
	default:
		return NULL;
	}
}

static int64_t *number_field(struct event *e, uint8_t tag)
{
	switch (tag) {
	case EVENT_TAG_TIME:
		return &e->time_ms;
	case EVENT_TAG_RETRIED:
		return &e->retried;
	case EVENT_TAG_NEXT_DELIVERY:
		return &e->next_delivery_ms;
	case EVENT_TAG_STATUS:
		return &e->response_status;
	case EVENT_TAG_DURATION:
		return &e->duration_ms;
	default:
		return NULL;
	}
}

static bool take_state(struct event *e, struct str value)
{
	int64_t v;

	if (!tlv_i64_value(value, &v) || v <= 0 || v >= (int64_t)countof(state_names))
		return false;
	e->state = (enum event_state)v;
	return true;
}

static bool take_id(uint64_t *half, struct str value)
{
	int64_t v;

	if (!tlv_i64_value(value, &v))
		return false;
	*half = (uint64_t)v;
	return true;
}

static bool take_field(struct event *e, uint8_t tag, struct str value)
{
	struct str *text = text_field(e, tag);
	int64_t *number = number_field(e, tag);

	if (text)
		*text = value;
	else if (number)
		return tlv_i64_value(value, number);
	else if (tag == EVENT_TAG_STATE)
		return take_state(e, value);
	else if (tag == EVENT_TAG_SEQ)
		return take_id(&e->id.seq, value);
	else if (tag == EVENT_TAG_NONCE)
		return take_id(&e->id.nonce, value);
	else if (tag == EVENT_TAG_HEADER)
		return headers_take(&e->response_header, value);
	return true;
}

int event_next(struct arena *a, struct str *events, struct event *ret_event)
{
	struct event e = { 0 };
	struct str whole, value;
	size_t headers;
	uint8_t tag;
	int got;

	do {
		got = tlv_next(events, &tag, &whole);
	} while (got == 1 && tag != EVENT_TAG_WHOLE);
	if (got != 1)
		return got;
	headers = headers_count(whole, EVENT_TAG_HEADER);
	if (headers > 0)
		e.response_header.v = arena_array(a, struct header, headers);
	while ((got = tlv_next(&whole, &tag, &value)) == 1) {
		if (!take_field(&e, tag, value))
			return -1;
	}
	if (got < 0 || e.state == EVENT_NONE)
		return -1;
	*ret_event = e;
	return 1;
}

struct str event_state_name(enum event_state s)
{
	check((size_t)s < countof(state_names));
	return state_names[s];
}

enum event_state event_state_parse(struct str name)
{
	if (str_eq(name, STR("CANCELLED")))
		return EVENT_CANCELED;
	for (size_t i = 1; i < countof(state_names); i++) {
		if (str_eq(name, state_names[i]))
			return (enum event_state)i;
	}
	return EVENT_NONE;
}
