#include "core/mailbox.h"

#include <string.h>

#include "base/check.h"
#include "base/codec.h"
#include "core/headers.h"

/* Never renumbered: stored documents carry them. */
enum box_tag { BOX_WAIT = 1, BOX_NOTE, BOX_HOOK_NOTE };

enum wait_tag {
	WAIT_STEP_ID = 1,
	WAIT_STEP_NAME,
	WAIT_STEP_TYPE,
	WAIT_CONCURRENT,
	WAIT_WEBHOOK,
	WAIT_DEADLINE,
	WAIT_URL,
	WAIT_TIMEOUT_URL,
	WAIT_HEADER,
	WAIT_TIMEOUT_HEADER,
	WAIT_MESSAGE,
	WAIT_TIMEOUT_MESSAGE,
};

static void encode_wait(struct buf *out, const struct mailbox_wait *w)
{
	tlv_i64(out, WAIT_STEP_ID, w->step.id);
	tlv_add(out, WAIT_STEP_NAME, w->step.name);
	tlv_add(out, WAIT_STEP_TYPE, w->step.type);
	tlv_i64(out, WAIT_CONCURRENT, w->step.concurrent);
	tlv_i64(out, WAIT_WEBHOOK, w->is_webhook);
	tlv_i64(out, WAIT_DEADLINE, w->deadline_ms);
	tlv_add(out, WAIT_URL, w->url);
	tlv_add(out, WAIT_TIMEOUT_URL, w->timeout_url);
	headers_encode(out, WAIT_HEADER, &w->header);
	headers_encode(out, WAIT_TIMEOUT_HEADER, &w->timeout_header);
	tlv_add(out, WAIT_MESSAGE, w->message);
	tlv_add(out, WAIT_TIMEOUT_MESSAGE, w->timeout_message);
}

void mailbox_encode(struct buf *out, const struct mailbox *m)
{
	struct buf one;

	buf_init(&one, out->max);
	for (size_t i = 0; i < m->waits; i++) {
		buf_reset(&one);
		encode_wait(&one, &m->wait[i]);
		if (one.overflow)
			out->overflow = true;
		tlv_add(out, BOX_WAIT, buf_str(&one));
	}
	for (size_t i = 0; i < m->notes; i++)
		tlv_add(out, m->note[i].is_webhook ? BOX_HOOK_NOTE : BOX_NOTE, m->note[i].bytes);
	buf_done(&one);
}

static bool take_field(struct mailbox_wait *w, uint8_t tag, struct str value)
{
	int64_t n = 0;

	switch (tag) {
	case WAIT_STEP_ID:
		return tlv_i64_value(value, &w->step.id);
	case WAIT_STEP_NAME:
		w->step.name = value;
		return true;
	case WAIT_STEP_TYPE:
		w->step.type = value;
		return true;
	case WAIT_CONCURRENT:
		return tlv_i64_value(value, &w->step.concurrent);
	case WAIT_WEBHOOK:
		if (!tlv_i64_value(value, &n))
			return false;
		w->is_webhook = n != 0;
		return true;
	case WAIT_DEADLINE:
		return tlv_i64_value(value, &w->deadline_ms);
	case WAIT_URL:
		w->url = value;
		return true;
	case WAIT_TIMEOUT_URL:
		w->timeout_url = value;
		return true;
	case WAIT_HEADER:
		return headers_take(&w->header, value);
	case WAIT_TIMEOUT_HEADER:
		return headers_take(&w->timeout_header, value);
	case WAIT_MESSAGE:
		w->message = value;
		return true;
	case WAIT_TIMEOUT_MESSAGE:
		w->timeout_message = value;
		return true;
	default:
		return true;
	}
}

static bool decode_wait(struct arena *a, struct str record, struct mailbox_wait *ret_wait)
{
	struct mailbox_wait w = {
		.header.v = arena_array(a, struct header, headers_count(record, WAIT_HEADER) + 1),
		.timeout_header.v = arena_array(a, struct header,
						headers_count(record, WAIT_TIMEOUT_HEADER) + 1),
	};
	struct str value;
	uint8_t tag;
	int got;

	while ((got = tlv_next(&record, &tag, &value)) == 1) {
		if (!take_field(&w, tag, value))
			return false;
	}
	*ret_wait = w;
	return got == 0;
}

bool mailbox_decode(struct arena *a, struct str record, struct mailbox *ret_mailbox)
{
	size_t waits = headers_count(record, BOX_WAIT);
	size_t notes = headers_count(record, BOX_NOTE) + headers_count(record, BOX_HOOK_NOTE);
	struct mailbox m = {
		.wait = arena_array(a, struct mailbox_wait, waits + 1),
		.note = arena_array(a, struct mailbox_note, notes + 1),
	};
	struct str value;
	uint8_t tag;
	int got;

	while ((got = tlv_next(&record, &tag, &value)) == 1) {
		if (tag == BOX_WAIT && !decode_wait(a, value, &m.wait[m.waits++]))
			return false;
		if (tag == BOX_NOTE || tag == BOX_HOOK_NOTE)
			m.note[m.notes++] = (struct mailbox_note){ tag == BOX_HOOK_NOTE, value };
	}
	if (got < 0)
		return false;
	*ret_mailbox = m;
	return true;
}

struct str mailbox_name(struct arena *a, struct str event, struct str run, int64_t created_ms)
{
	return arena_fmt(a, "%.*s\n%.*s\n%lld", STR_FMT(event), STR_FMT(run),
			 (long long)created_ms);
}

struct str mailbox_prefix(struct arena *a, struct str event)
{
	return arena_fmt(a, "%.*s\n", STR_FMT(event));
}

bool mailbox_name_parse(struct str name, struct str *ret_event, struct str *ret_run,
			int64_t *ret_created_ms)
{
	struct str event = str_cut(&name, '\n'), run = str_cut(&name, '\n');
	int64_t created_ms;

	if (event.n == 0 || run.n == 0 || !str_i64(name, &created_ms))
		return false;
	*ret_event = event;
	*ret_run = run;
	*ret_created_ms = created_ms;
	return true;
}

size_t mailbox_find_wait(const struct mailbox *m, bool is_webhook)
{
	for (size_t i = 0; i < m->waits; i++) {
		if (m->wait[i].is_webhook == is_webhook)
			return i;
	}
	return SIZE_MAX;
}

size_t mailbox_find_step(const struct mailbox *m, int64_t step_id)
{
	for (size_t i = 0; i < m->waits; i++) {
		if (m->wait[i].step.id == step_id)
			return i;
	}
	return SIZE_MAX;
}

size_t mailbox_find_note(const struct mailbox *m, bool is_webhook)
{
	for (size_t i = 0; i < m->notes; i++) {
		if (m->note[i].is_webhook == is_webhook)
			return i;
	}
	return SIZE_MAX;
}

size_t mailbox_find_due(const struct mailbox *m, int64_t now_ms)
{
	for (size_t i = 0; i < m->waits; i++) {
		if (m->wait[i].deadline_ms <= now_ms)
			return i;
	}
	return SIZE_MAX;
}

void mailbox_take_wait(struct mailbox *m, size_t at)
{
	check(at < m->waits);
	m->waits--;
	memmove(&m->wait[at], &m->wait[at + 1], (m->waits - at) * sizeof(*m->wait));
}

void mailbox_take_note(struct mailbox *m, size_t at)
{
	check(at < m->notes);
	m->notes--;
	memmove(&m->note[at], &m->note[at + 1], (m->notes - at) * sizeof(*m->note));
}

size_t mailbox_note_bytes(const struct mailbox *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->notes; i++)
		n += m->note[i].bytes.n;
	return n;
}

bool mailbox_is_empty(const struct mailbox *m)
{
	return m->waits == 0 && m->notes == 0;
}

int64_t mailbox_due_ms(const struct mailbox *m)
{
	int64_t due = 0;

	for (size_t i = 0; i < m->waits; i++) {
		if (due == 0 || m->wait[i].deadline_ms < due)
			due = m->wait[i].deadline_ms;
	}
	return due;
}
