#include "logs/logdb.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/map.h"
#include "core/redact.h"

enum { SEEN_SLOTS = 2 * LOGDB_SEGMENT_EVENTS };

/* The last entries that the file has, each by a hash of what tells it apart. */
struct known {
	uint64_t *key; /* owned */
	size_t n;
	struct map map; /* of the keys */
};

struct write {
	struct logdb *db;
	const struct logdb_batch *batch;
	struct arena arena;          /* for one event */
	struct buf record, redacted; /* of one event too */
	struct buf data;             /* of the segment being packed */
	struct logdb_segment segment;
	size_t events;             /* in it */
	uint64_t seen[SEEN_SLOTS]; /* messages that are linked to it; 0 = free */
	int64_t skew_ms;
	bool looked_back; /* `known` is loaded */
	struct known known;
	size_t written;
};

static struct str cut(struct str s, size_t bytes_max)
{
	return str_sub(s, 0, bytes_max);
}

/* ---- events that come again ------------------------------------------------------------------------- */

/* Events that are alike in all of this, the millisecond included, count as one when they come
 * again. */
static uint64_t identity(const struct event *e)
{
	int64_t parts[] = { logdb_time_cut(e->time_ms), (int64_t)e->state, (int64_t)e->id.seq,
			    (int64_t)e->id.nonce,       e->retried,        e->next_delivery_ms,
			    e->response_status,         e->duration_ms };

	return str_hash(e->error, str_hash(str_n(parts, sizeof(parts)), 0));
}

static void known_add(struct known *k, const struct event *e)
{
	uint64_t *key = &k->key[k->n++];

	*key = identity(e);
	map_put(&k->map, map_key_u64(key), key);
}

static bool known_has(const struct known *k, const struct event *e)
{
	uint64_t key = identity(e);

	return map_get(&k->map, map_key_u64(&key)) != NULL;
}

/* Loads the entries that may be events of this batch: none of those is at a position before its
 * time. */
static void look_back(struct write *w)
{
	int64_t pos = INT64_MAX, time_min_ms = INT64_MAX;
	struct known *k = &w->known;
	struct logdb_segment s;
	struct arena a;

	for (struct logdb_event *e = w->batch->first; e; e = e->next) {
		if (e->after < w->db->outbox && e->event.time_ms < time_min_ms)
			time_min_ms = logdb_time_cut(e->event.time_ms);
	}
	k->key = xcalloc(LOGDB_KNOWN_MAX, sizeof(*k->key));
	arena_init(&a);
	while (k->n <= LOGDB_KNOWN_MAX - LOGDB_SEGMENT_EVENTS &&
	       logdb_read_at(w->db, &a, pos, &s) && s.last >> LOGDB_POS_BITS >= time_min_ms) {
		size_t n;
		struct logdb_entry *v = logdb_unpack(w->db, &a, &s, &n);

		for (size_t i = 0; i < n; i++)
			known_add(k, &v[i].event);
		pos = s.pos - 1;
		arena_reset(&a);
	}
	arena_done(&a);
	w->looked_back = true;
}

static bool came_before(struct write *w, const struct logdb_event *e)
{
	if (e->after >= w->db->outbox)
		return false;
	if (!w->looked_back)
		look_back(w);
	return known_has(&w->known, &e->event);
}

/* ---- messages --------------------------------------------------------------------------------------- */

/* A body that is to be redacted is replaced by what is shown for it, because the hash is that of
 * the whole body. */
static void redact_for_good(struct write *w, struct msg *m)
{
	struct str list = m->redact;

	if (!redact_body(m))
		return;
	check(str_eq(str_cut(&list, ','), STR("body"))); /* it comes first in a canonical list */
	m->redact = list;
	buf_reset(&w->redacted);
	redact_value(&w->redacted, m->body);
	m->body = buf_str(&w->redacted);
}

/* The record as it is kept, and the body that is cut off from it. */
static void split_record(struct write *w, struct str *record, struct str *ret_body)
{
	struct msg m;

	*ret_body = STR_NULL;
	if (record->n <= LOGDB_RECORD_BYTES || !msg_decode(&w->arena, *record, &m) || !m.body.n)
		return;
	redact_for_good(w, &m);
	*ret_body = cut(m.body, w->batch->body_bytes_max);
	m.body = STR_NULL;
	buf_reset(&w->record);
	msg_encode(&w->record, &m);
	*record = buf_str(&w->record);
}

/* The run that the message belongs to, if it does. */
static void add_run(struct write *w, const struct event *e)
{
	sqlite3_stmt *s;
	struct msg m;

	if (!msg_decode(&w->arena, e->record, &m) || !m.run.n)
		return;
	s = logdb_sql(w->db, LOGDB_RUN_ADD);
	logdb_bind_int(s, 1, (int64_t)e->id.seq);
	logdb_bind_blob(s, 2, m.run);
	logdb_bind_int(s, 3, m.run_created_ms);
	while (logdb_row(w->db, s)) {
	}
}

/* False when the file has the message. */
static bool add_message(struct write *w, const struct event *e)
{
	struct str record = e->record, body;
	sqlite3_stmt *s = logdb_sql(w->db, LOGDB_MESSAGE_ADD);

	split_record(w, &record, &body);
	logdb_bind_int(s, 1, (int64_t)e->id.seq);
	logdb_bind_int(s, 2, w->segment.pos);
	logdb_bind_blob(s, 3, record);
	logdb_bind_blob(s, 4, body);
	while (logdb_row(w->db, s)) {
	}
	if (sqlite3_changes(w->db->sql) == 0)
		return false;
	add_run(w, e);
	return true;
}

static void add_later(struct write *w, uint64_t seq)
{
	sqlite3_stmt *s = logdb_sql(w->db, LOGDB_LATER_ADD);

	logdb_bind_int(s, 1, (int64_t)seq);
	logdb_bind_int(s, 2, w->segment.pos);
	while (logdb_row(w->db, s)) {
	}
}

/* False when it was marked before. */
static bool mark_seen(struct write *w, uint64_t seq)
{
	size_t i = str_hash(map_key_u64(&seq), 0) % SEEN_SLOTS;

	while (w->seen[i] && w->seen[i] != seq)
		i = (i + 1) % SEEN_SLOTS;
	if (w->seen[i])
		return false;
	w->seen[i] = seq;
	return true;
}

/* Makes the message lead to the present segment. */
static void link_message(struct write *w, const struct event *e)
{
	bool first = mark_seen(w, e->id.seq);

	if (!(e->record.n && add_message(w, e)) && first)
		add_later(w, e->id.seq);
}

/* ---- segments --------------------------------------------------------------------------------------- */

static void begin_segment(struct write *w, int64_t pos, int64_t time_ms)
{
	w->segment = (struct logdb_segment){ .pos = pos,
					     .time_min_ms = time_ms,
					     .time_max_ms = time_ms };
	w->events = 0;
	memset(w->seen, 0, sizeof(w->seen));
	buf_reset(&w->data);
}

static void end_segment(struct write *w)
{
	uint64_t outbox = w->batch->outbox > w->db->outbox ? w->batch->outbox : w->db->outbox;
	sqlite3_stmt *s;

	if (!w->events)
		return;
	s = logdb_sql(w->db, LOGDB_SEGMENT_ADD);
	check(!w->data.overflow);
	logdb_bind_int(s, 1, w->segment.pos);
	logdb_bind_int(s, 2, w->segment.last);
	logdb_bind_int(s, 3, (int64_t)outbox);
	logdb_bind_int(s, 4, w->segment.time_min_ms);
	logdb_bind_int(s, 5, w->segment.time_max_ms);
	logdb_bind_blob(s, 6, buf_str(&w->data));
	while (logdb_row(w->db, s)) {
	}
	w->events = 0;
}

static void pack(struct write *w, const struct event *e)
{
	struct event kept = *e;

	kept.user = STR_NULL;
	kept.record = STR_NULL;
	kept.time_ms = logdb_time_cut(e->time_ms);
	kept.response_body = cut(e->response_body, w->batch->body_bytes_max);
	event_encode(&w->data, &kept);
}

static void add_event(struct write *w, const struct event *e)
{
	int64_t time_ms = logdb_time_cut(e->time_ms);
	int64_t pos = logdb_position(w->db->last, time_ms);

	if (!w->events)
		begin_segment(w, pos, time_ms);
	link_message(w, e);
	pack(w, e);
	w->segment.last = w->db->last = pos;
	if (time_ms < w->segment.time_min_ms)
		w->segment.time_min_ms = time_ms;
	if (time_ms > w->segment.time_max_ms)
		w->segment.time_max_ms = time_ms;
	if ((pos >> LOGDB_POS_BITS) - time_ms > w->skew_ms)
		w->skew_ms = (pos >> LOGDB_POS_BITS) - time_ms;
	w->written++;
	if (++w->events == LOGDB_SEGMENT_EVENTS || w->data.n >= LOGDB_SEGMENT_BYTES)
		end_segment(w);
	arena_reset(&w->arena);
}

static void save_skew(struct write *w)
{
	if (w->skew_ms == w->db->skew_ms)
		return;
	logdb_set_number(w->db, "skew_ms", w->skew_ms);
	w->db->skew_ms = w->skew_ms;
}

enum logdb_result logdb_write(struct logdb *db, const struct logdb_batch *batch,
			      size_t *ret_written)
{
	struct write w = { .db = db, .batch = batch, .skew_ms = db->skew_ms };

	arena_init(&w.arena);
	buf_init(&w.record, SIZE_MAX / 4);
	buf_init(&w.redacted, REDACT_LEN);
	buf_init(&w.data, SIZE_MAX / 4);
	logdb_run(db, LOGDB_BEGIN_WRITE);
	if (!str_eq(str_c(db->source), batch->source))
		logdb_change_source(db, batch->source);
	for (struct logdb_event *e = batch->first; e && db->error == SQLITE_OK; e = e->next) {
		if (!came_before(&w, e))
			add_event(&w, &e->event);
	}
	end_segment(&w);
	save_skew(&w);
	logdb_run(db, LOGDB_COMMIT);
	if (db->outbox < batch->outbox)
		db->outbox = batch->outbox;
	map_done(&w.known.map);
	free(w.known.key);
	buf_done(&w.data);
	buf_done(&w.redacted);
	buf_done(&w.record);
	arena_done(&w.arena);
	if (db->error == SQLITE_OK)
		*ret_written = w.written;
	return logdb_result(db);
}
