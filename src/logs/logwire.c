#include "logs/logwire.h"

#include <string.h>

#include "base/check.h"
#include "base/codec.h"
#include "core/limits.h"

/* Tags are never renumbered: processes of different age speak with each other. */
enum query_tag {
	QUERY_KIND = 1,
	QUERY_USER,
	QUERY_SOURCE,
	QUERY_NOT_BEFORE,
	QUERY_NOW,
	QUERY_BOTH_KEYS,
	QUERY_ID,
	QUERY_GRACE,
	QUERY_IDS,
	QUERY_FILTER, /* tagged values themselves */
	QUERY_RUN,    /* the same */
};

/* Of either filter; the texts to compare with have the tags from FIELD_FIRST on, in the order of their enum. */
enum filter_tag {
	FILTER_TAG_FROM = 1,
	FILTER_TAG_TO,
	FILTER_TAG_COUNT,
	FILTER_TAG_CURSOR,
	FILTER_TAG_STATUS,
	FILTER_TAG_STATES,
	FILTER_TAG_LATEST_FIRST,
	FILTER_TAG_EXACT_URL,
	FILTER_TAG_CREATED,
	FILTER_TAG_TRIM_BODY,
	FILTER_TAG_GROUP_BY,
	FILTER_TAG_FIELD = 64,
};

enum answer_tag { ANSWER_STATUS = 1, ANSWER_TEXT, ANSWER_FOUND, ANSWER_STATES, ANSWER_BODY };

enum { ID_BYTES = 16, STATES_KNOWN = EVENT_RUN_STEP + 1 };

/* ---- writing ---------------------------------------------------------------------------------------- */

static void put_id(unsigned char *to, struct msg_id id)
{
	memcpy(to, &id.seq, 8);
	memcpy(to + 8, &id.nonce, 8);
}

static void put_values(struct buf *out, size_t field, const struct str *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		tlv_add(out, (uint8_t)(FILTER_TAG_FIELD + field), v[i]);
}

static void put_filter(struct buf *out, const struct filter *f)
{
	tlv_i64(out, FILTER_TAG_FROM, f->from_ms);
	tlv_i64(out, FILTER_TAG_TO, f->to_ms);
	tlv_i64(out, FILTER_TAG_COUNT, f->count);
	tlv_add(out, FILTER_TAG_CURSOR, f->cursor);
	for (size_t i = 0; i < f->statuses; i++)
		tlv_i64(out, FILTER_TAG_STATUS, f->status[i]);
	tlv_i64(out, FILTER_TAG_STATES, f->states);
	tlv_i64(out, FILTER_TAG_LATEST_FIRST, f->latest_first);
	for (size_t i = 0; i < FILTER_FIELDS; i++)
		put_values(out, i, f->field[i].v, f->field[i].n);
}

static void put_runfilter(struct buf *out, const struct runfilter *f)
{
	tlv_i64(out, FILTER_TAG_FROM, f->from_ms);
	tlv_i64(out, FILTER_TAG_TO, f->to_ms);
	tlv_i64(out, FILTER_TAG_COUNT, f->count);
	tlv_add(out, FILTER_TAG_CURSOR, f->cursor);
	tlv_i64(out, FILTER_TAG_EXACT_URL, f->exact_url);
	tlv_i64(out, FILTER_TAG_CREATED, f->created_ms);
	tlv_i64(out, FILTER_TAG_TRIM_BODY, f->trim_body);
	tlv_add(out, FILTER_TAG_GROUP_BY, f->group_by);
	for (size_t i = 0; i < RUNFILTER_FIELDS; i++)
		put_values(out, i, f->field[i].v, f->field[i].n);
}

static void put_ids(struct buf *out, const struct logs_query *q)
{
	struct buf ids;
	unsigned char id[ID_BYTES];

	check(q->ids_n <= LOGS_STATES_MAX);
	buf_init(&ids, LOGS_STATES_MAX * ID_BYTES);
	for (size_t i = 0; i < q->ids_n; i++) {
		put_id(id, q->ids[i]);
		buf_add(&ids, str_n(id, sizeof(id)));
	}
	tlv_add(out, QUERY_IDS, buf_str(&ids));
	buf_done(&ids);
}

static bool has_runfilter(enum logs_query_kind kind)
{
	return kind == LOGS_RUNS || kind == LOGS_RUN_EVENTS;
}

static bool has_filter(enum logs_query_kind kind)
{
	return kind == LOGS_LIST || kind == LOGS_RUN_EVENTS;
}

static void put_filters(struct buf *out, const struct logs_query *q)
{
	struct buf b;

	buf_init(&b, LOGWIRE_QUERY_BYTES_MAX);
	if (has_filter(q->kind)) {
		put_filter(&b, &q->filter);
		tlv_add(out, QUERY_FILTER, buf_str(&b));
		out->overflow |= b.overflow;
	}
	buf_reset(&b);
	if (has_runfilter(q->kind)) {
		put_runfilter(&b, &q->run);
		tlv_add(out, QUERY_RUN, buf_str(&b));
		out->overflow |= b.overflow;
	}
	buf_done(&b);
}

void logwire_query(struct buf *out, const struct logs_query *q)
{
	unsigned char id[ID_BYTES];

	tlv_i64(out, QUERY_KIND, q->kind);
	tlv_add(out, QUERY_USER, q->user);
	tlv_add(out, QUERY_SOURCE, q->source);
	tlv_i64(out, QUERY_NOT_BEFORE, (int64_t)q->not_before_pos);
	tlv_i64(out, QUERY_NOW, q->now_ms);
	tlv_i64(out, QUERY_BOTH_KEYS, q->both_keys);
	tlv_i64(out, QUERY_GRACE, q->grace_ms);
	put_id(id, q->id);
	tlv_add(out, QUERY_ID, str_n(id, sizeof(id)));
	if (q->kind == LOGS_STATES)
		put_ids(out, q);
	put_filters(out, q);
}

/* ---- reading ---------------------------------------------------------------------------------------- */

static bool take_id(struct str value, struct msg_id *ret_id)
{
	if (value.n != ID_BYTES)
		return false;
	memcpy(&ret_id->seq, value.p, 8);
	memcpy(&ret_id->nonce, value.p + 8, 8);
	return true;
}

static bool take_bool(struct str value, bool *ret_v)
{
	int64_t v;

	if (!tlv_i64_value(value, &v) || v < 0 || v > 1)
		return false;
	*ret_v = v == 1;
	return true;
}

/* How often each tag comes; false when the values are broken. */
static bool count_tags(struct str in, size_t ret_n[UINT8_MAX + 1])
{
	struct str value;
	uint8_t tag;
	int got;

	memset(ret_n, 0, (UINT8_MAX + 1) * sizeof(*ret_n));
	while ((got = tlv_next(&in, &tag, &value)) == 1)
		ret_n[tag]++;
	return got == 0;
}

static bool take_states(struct str value, uint32_t *ret_states)
{
	int64_t v;

	if (!tlv_i64_value(value, &v) || v < 0 || v >= 1 << STATES_KNOWN)
		return false;
	*ret_states = (uint32_t)v;
	return true;
}

static bool take_filter_value(struct filter *f, int64_t *status, uint8_t tag, struct str value)
{
	switch (tag) {
	case FILTER_TAG_FROM:
		return tlv_i64_value(value, &f->from_ms);
	case FILTER_TAG_TO:
		return tlv_i64_value(value, &f->to_ms);
	case FILTER_TAG_COUNT:
		return tlv_i64_value(value, &f->count);
	case FILTER_TAG_CURSOR:
		f->cursor = value;
		return true;
	case FILTER_TAG_STATUS:
		return tlv_i64_value(value, &status[f->statuses++]);
	case FILTER_TAG_STATES:
		return take_states(value, &f->states);
	case FILTER_TAG_LATEST_FIRST:
		return take_bool(value, &f->latest_first);
	default:
		break;
	}
	if (tag >= FILTER_TAG_FIELD && tag < FILTER_TAG_FIELD + FILTER_FIELDS) {
		struct filter_values *values = &f->field[tag - FILTER_TAG_FIELD];

		values->v[values->n++] = value;
	}
	return true;
}

static bool read_filter(struct arena *a, struct str in, struct filter *f)
{
	size_t n[UINT8_MAX + 1];
	struct str value;
	int64_t *status;
	uint8_t tag;

	if (!count_tags(in, n))
		return false;
	f->use = FILTER_LOGS;
	for (size_t i = 0; i < FILTER_FIELDS; i++)
		f->field[i].v = arena_array(a, struct str, n[FILTER_TAG_FIELD + i]);
	f->status = status = arena_array(a, int64_t, n[FILTER_TAG_STATUS]);
	while (tlv_next(&in, &tag, &value) == 1) {
		if (!take_filter_value(f, status, tag, value))
			return false;
	}
	return f->count > 0 && f->count <= LIMIT_PAGE_LOGS;
}

static bool take_runfilter_value(struct runfilter *f, uint8_t tag, struct str value)
{
	switch (tag) {
	case FILTER_TAG_FROM:
		return tlv_i64_value(value, &f->from_ms);
	case FILTER_TAG_TO:
		return tlv_i64_value(value, &f->to_ms);
	case FILTER_TAG_COUNT:
		return tlv_i64_value(value, &f->count);
	case FILTER_TAG_CURSOR:
		f->cursor = value;
		return true;
	case FILTER_TAG_EXACT_URL:
		return take_bool(value, &f->exact_url);
	case FILTER_TAG_CREATED:
		return tlv_i64_value(value, &f->created_ms);
	case FILTER_TAG_TRIM_BODY:
		return tlv_i64_value(value, &f->trim_body);
	case FILTER_TAG_GROUP_BY:
		f->group_by = value;
		return true;
	default:
		break;
	}
	if (tag >= FILTER_TAG_FIELD && tag < FILTER_TAG_FIELD + RUNFILTER_FIELDS) {
		size_t field = tag - (size_t)FILTER_TAG_FIELD;

		f->field[field].v[f->field[field].n++] = value;
	}
	return true;
}

static bool read_runfilter(struct arena *a, struct str in, struct runfilter *f)
{
	size_t n[UINT8_MAX + 1];
	struct str value;
	uint8_t tag;

	if (!count_tags(in, n))
		return false;
	for (size_t i = 0; i < RUNFILTER_FIELDS; i++)
		f->field[i].v = arena_array(a, struct str, n[FILTER_TAG_FIELD + i]);
	while (tlv_next(&in, &tag, &value) == 1) {
		if (!take_runfilter_value(f, tag, value))
			return false;
	}
	return f->count >= 0 && f->trim_body >= -1;
}

static bool read_ids(struct arena *a, struct str in, struct logs_query *q)
{
	struct msg_id *ids;

	if (in.n % ID_BYTES != 0 || in.n / ID_BYTES > LOGS_STATES_MAX)
		return false;
	q->ids_n = in.n / ID_BYTES;
	q->ids = ids = arena_array(a, struct msg_id, q->ids_n);
	q->states = arena_array(a, enum event_state, q->ids_n);
	for (size_t i = 0; i < q->ids_n; i++) {
		if (!take_id(str_sub(in, i * ID_BYTES, ID_BYTES), &ids[i]))
			return false;
	}
	return true;
}

static bool take_kind(struct str value, enum logs_query_kind *ret_kind)
{
	int64_t v;

	if (!tlv_i64_value(value, &v) || v < LOGS_LIST || v > LOGS_RUN_EVENTS)
		return false;
	*ret_kind = (enum logs_query_kind)v;
	return true;
}

static bool take_text(struct str value, size_t bytes_max, struct str *ret_text)
{
	*ret_text = value;
	return value.n <= bytes_max;
}

static bool take_position(struct str value, uint64_t *ret_pos)
{
	int64_t v;

	if (!tlv_i64_value(value, &v) || v < 0)
		return false;
	*ret_pos = (uint64_t)v;
	return true;
}

static bool take_query_value(struct arena *a, struct logs_query *q, uint8_t tag, struct str value)
{
	switch (tag) {
	case QUERY_KIND:
		return take_kind(value, &q->kind);
	case QUERY_USER:
		return take_text(value, LOGWIRE_USER_BYTES_MAX, &q->user);
	case QUERY_SOURCE:
		return take_text(value, LOGS_SOURCE_BYTES_MAX, &q->source);
	case QUERY_NOT_BEFORE:
		return take_position(value, &q->not_before_pos);
	case QUERY_NOW:
		return tlv_i64_value(value, &q->now_ms);
	case QUERY_BOTH_KEYS:
		return take_bool(value, &q->both_keys);
	case QUERY_GRACE:
		return tlv_i64_value(value, &q->grace_ms);
	case QUERY_ID:
		return take_id(value, &q->id);
	case QUERY_IDS:
		return read_ids(a, value, q);
	case QUERY_FILTER:
		return read_filter(a, value, &q->filter);
	case QUERY_RUN:
		return read_runfilter(a, value, &q->run);
	default:
		return true;
	}
}

/* Has it all that its kind needs, each once? */
static bool is_whole(enum logs_query_kind kind, const size_t n[UINT8_MAX + 1])
{
	for (int tag = QUERY_KIND; tag <= QUERY_RUN; tag++) {
		if (n[tag] > 1)
			return false;
	}
	return n[QUERY_KIND] && n[QUERY_USER] && (!has_filter(kind) || n[QUERY_FILTER]) &&
	       (!has_runfilter(kind) || n[QUERY_RUN]) && (kind != LOGS_STATES || n[QUERY_IDS]) &&
	       (kind != LOGS_MESSAGE || n[QUERY_ID]);
}

bool logwire_query_read(struct arena *a, struct str in, struct logs_query *ret_q,
			const char **ret_why)
{
	struct logs_query q = { 0 };
	size_t n[UINT8_MAX + 1];
	struct str rest = in, value;
	uint8_t tag;

	*ret_why = "it is not a log query";
	if (in.n > LOGWIRE_QUERY_BYTES_MAX || !count_tags(in, n))
		return false;
	while (tlv_next(&rest, &tag, &value) == 1) {
		if (n[tag] == 1 && !take_query_value(a, &q, tag, value)) {
			*ret_why = "a value of the log query is not allowed";
			return false;
		}
	}
	if (!is_whole(q.kind, n) || q.user.n == 0)
		return false;
	*ret_q = q;
	return true;
}

/* ---- answers ---------------------------------------------------------------------------------------- */

void logwire_answer(struct buf *out, const struct logs_query *q)
{
	unsigned char states[LOGS_STATES_MAX];

	tlv_i64(out, ANSWER_STATUS, q->problem.status);
	if (q->problem.status != 0) {
		tlv_add(out, ANSWER_TEXT, str_c(q->problem.text));
		return;
	}
	tlv_i64(out, ANSWER_FOUND, q->found);
	if (q->kind == LOGS_STATES) {
		for (size_t i = 0; i < q->ids_n; i++)
			states[i] = (unsigned char)q->states[i];
		tlv_add(out, ANSWER_STATES, str_n(states, q->ids_n));
	}
	tlv_add(out, ANSWER_BODY, buf_str(&q->body));
}

static bool take_answer_states(struct str value, struct logs_query *q)
{
	if (value.n != q->ids_n)
		return false;
	for (size_t i = 0; i < value.n; i++) {
		if ((unsigned char)value.p[i] >= STATES_KNOWN)
			return false;
		q->states[i] = (enum event_state)(unsigned char)value.p[i];
	}
	return true;
}

static bool take_status(struct str value, int *ret_status)
{
	int64_t v;

	if (!tlv_i64_value(value, &v) || (v != 0 && (v < 400 || v > 599)))
		return false;
	*ret_status = (int)v;
	return true;
}

bool logwire_answer_read(struct str in, struct logs_query *q)
{
	struct str value, body = STR_NULL, text = STR_NULL;
	int status = -1, got = 0;
	bool ok = true, found = false, states = false;
	uint8_t tag;

	while (ok && (got = tlv_next(&in, &tag, &value)) == 1) {
		if (tag == ANSWER_STATUS)
			ok = take_status(value, &status);
		else if (tag == ANSWER_TEXT)
			text = value;
		else if (tag == ANSWER_FOUND)
			ok = take_bool(value, &found);
		else if (tag == ANSWER_STATES)
			ok = states = q->kind == LOGS_STATES && take_answer_states(value, q);
		else if (tag == ANSWER_BODY)
			body = value;
	}
	if (!ok || got < 0 || status < 0 || (status == 0 && q->kind == LOGS_STATES && !states))
		return false;
	q->problem = (struct problem){ 0 };
	if (status != 0)
		problem_set(&q->problem, status, "%.*s", STR_FMT(text));
	q->found = found;
	buf_init(&q->body, LOGWIRE_ANSWER_BYTES_MAX);
	buf_add(&q->body, body);
	return !q->body.overflow;
}
