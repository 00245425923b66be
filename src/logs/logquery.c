#include "logs/logquery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "core/limits.h"
#include "core/view.h"
#include "logs/logrender.h"
#include "logs/logruns.h"

enum {
	VERDICTS = 2048,         /* messages whose match is remembered */
	TRAILS_MAX = 100 * 1000, /* segments looked up for all message ids of a query */
	BYTES_PER_WORK = 512,    /* of a segment, that weigh as much as an entry */
	MESSAGE_WORK = 3,        /* what looking up a message weighs */
};

struct verdict {
	uint64_t seq; /* 0 = none */
	bool match;
};

/* The order in which segments are visited, and the positions that count. */
struct walk {
	bool descending;
	int64_t first, last; /* inclusive; first <= last unless nothing can match */
	bool started;
	int64_t at;       /* position of the segment visited last */
	bool by_trail;    /* only the segments in `trail` */
	struct buf trail; /* int64 positions, ascending, each once */
	size_t trail_at;  /* how many of them were visited */
};

struct page {
	struct logdb *db;
	struct logs_query *q;
	struct filter of_event; /* what the filter asks of the event itself */
	struct filter of_msg;   /* what it asks of the message */
	bool asks_msg;
	bool has_runs;   /* there are entries of workflow runs, which only RUN_EVENTS shows */
	struct buf seqs; /* uint64 of the message ids that are asked for, ascending, each once */
	struct walk walk;
	struct arena segment; /* the present segment */
	struct arena msg;     /* the message looked at */
	struct verdict *verdict;
	struct json_out j;
	size_t bytes_max, count_max, count;
	size_t work;
	int64_t looked_at; /* position of the latest entry that was shown or did not match */
	bool more;         /* behind it is a match, or there may be one */
};

/* ---- cursors ---------------------------------------------------------------------------------------- */

static void put_cursor(struct json_out *j, int64_t pos)
{
	char text[48];
	int n = snprintf(text, sizeof(text), "%lld-%lld", (long long)(pos >> LOGDB_POS_BITS),
			 (long long)(pos & ((1 << LOGDB_POS_BITS) - 1)));

	json_kstr(j, STR("cursor"), str_n(text, (size_t)n));
}

bool logquery_cursor_parse(struct str text, int64_t *ret_pos)
{
	struct str rest = text, ms_text = str_cut(&rest, '-');
	uint64_t ms, n;

	if (!str_u64(ms_text, &ms) || !str_u64(rest, &n) ||
	    ms > (uint64_t)LOGDB_TIME_MS_MAX * 2 - 2 || n >> LOGDB_POS_BITS)
		return false;
	*ret_pos = (int64_t)(ms << LOGDB_POS_BITS | n);
	return true;
}

/* ---- which segments --------------------------------------------------------------------------------- */

/* The first and the last position whose entries may have a time in that range. */
static void walk_range(struct walk *w, const struct filter *f, int64_t skew_ms)
{
	w->first = logdb_time_cut(f->from_ms) << LOGDB_POS_BITS;
	w->last = INT64_MAX;
	if (f->to_ms < 0 || f->from_ms > LOGDB_TIME_MS_MAX)
		w->last = -1;
	else if (f->to_ms < LOGDB_TIME_MS_MAX && f->to_ms + skew_ms < LOGDB_TIME_MS_MAX)
		w->last = ((f->to_ms + skew_ms + 1) << LOGDB_POS_BITS) - 1;
}

static int compare_int64(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* Sorts an array of int64 (or of uint64, in some order) and leaves each value once. */
static void sort_numbers(struct buf *b)
{
	int64_t *v = (int64_t *)b->p;
	size_t n = b->n / sizeof(*v), kept = 0;

	if (!n)
		return;
	qsort(v, n, sizeof(*v), compare_int64);
	for (size_t i = 0; i < n; i++) {
		if (!kept || v[kept - 1] != v[i])
			v[kept++] = v[i];
	}
	b->n = kept * sizeof(*v);
}

static bool has_number(const struct buf *b, int64_t v)
{
	return b->n && bsearch(&v, b->p, b->n / sizeof(v), sizeof(v), compare_int64);
}

/* Where messages are asked for by id, only their segments are visited. */
static void set_trails(struct page *p)
{
	const struct filter_values *ids = &p->q->filter.field[FILTER_MESSAGE_ID];

	p->walk.by_trail = ids->n > 0;
	for (size_t i = 0; i < ids->n; i++) {
		struct msg_id id;

		if (!msg_id_parse(ids->v[i], &id))
			continue;
		buf_add(&p->seqs, str_n(&id.seq, sizeof(id.seq)));
		logdb_read_trail(p->db, id.seq, &p->walk.trail);
	}
	sort_numbers(&p->seqs);
	sort_numbers(&p->walk.trail);
}

/* The segment a walk over all begins with. */
static bool first_segment(struct page *p, struct logdb_segment *s)
{
	const struct walk *w = &p->walk;

	if (w->descending)
		return logdb_read_at(p->db, &p->segment, w->last, s);
	return (logdb_read_at(p->db, &p->segment, w->first, s) && s->last >= w->first) ||
	       logdb_read_after(p->db, &p->segment, w->first, s);
}

static bool next_of_trail(struct page *p, struct logdb_segment *s)
{
	struct walk *w = &p->walk;
	const int64_t *v = (const int64_t *)w->trail.p;
	size_t n = w->trail.n / sizeof(*v);

	while (w->trail_at < n) {
		int64_t pos = v[w->descending ? n - 1 - w->trail_at : w->trail_at];

		w->trail_at++;
		if (pos <= w->last && logdb_read_at(p->db, &p->segment, pos, s) && s->pos == pos &&
		    s->last >= w->first)
			return true;
	}
	return false;
}

static bool next_segment(struct page *p, struct logdb_segment *s)
{
	struct walk *w = &p->walk;
	bool got;

	arena_reset(&p->segment);
	if (w->first > w->last)
		return false;
	if (w->by_trail)
		return next_of_trail(p, s);
	if (!w->started)
		got = first_segment(p, s);
	else if (w->descending)
		got = logdb_read_at(p->db, &p->segment, w->at - 1, s);
	else
		got = logdb_read_after(p->db, &p->segment, w->at, s);
	w->started = true;
	if (got)
		w->at = s->pos;
	return got && s->pos <= w->last && s->last >= w->first;
}

/* ---- which entries ---------------------------------------------------------------------------------- */

static struct msg nameless(struct msg_id id)
{
	return (struct msg){ .id = id };
}

static bool match_msg(struct page *p, struct msg_id id)
{
	struct verdict *v = &p->verdict[id.seq % VERDICTS];
	struct msg m;

	if (v->seq == id.seq)
		return v->match;
	arena_reset(&p->msg);
	p->work += MESSAGE_WORK;
	if (!logdb_read_message(p->db, &p->msg, id.seq, &m))
		m = nameless(id);
	*v = (struct verdict){ id.seq, filter_match_msg(&p->of_msg, &m) };
	return v->match;
}

static bool is_of_run(struct logdb *db, struct msg_id id)
{
	sqlite3_stmt *s = logdb_sql(db, LOGDB_RUN_HAS);

	logdb_bind_int(s, 1, (int64_t)id.seq);
	return logdb_value(db, s) != 0;
}

static bool match(struct page *p, const struct event *e)
{
	struct msg m = nameless(e->id);

	if (p->walk.by_trail && !has_number(&p->seqs, (int64_t)e->id.seq))
		return false;
	if (p->q->kind == LOGS_RUN_EVENTS)
		return p->has_runs && filter_match_event(&p->of_event, &m, e) &&
		       is_of_run(p->db, e->id) && logruns_match_event(p->db, &p->msg, p->q, e);
	if (p->has_runs && is_of_run(p->db, e->id))
		return false;
	return filter_match_event(&p->of_event, &m, e) && (!p->asks_msg || match_msg(p, e->id));
}

static void show(struct page *p, const struct event *e)
{
	struct msg m;
	bool known;

	arena_reset(&p->msg);
	known = logdb_read_message(p->db, &p->msg, e->id.seq, &m);
	if (known)
		logdb_read_body(p->db, &p->msg, &m);
	if (p->q->kind == LOGS_RUN_EVENTS)
		logruns_event(&p->j, p->q, e, known ? &m : NULL);
	else
		logrender_entry(&p->j, e, known ? &m : NULL);
	p->count++;
}

static bool is_full(const struct page *p)
{
	return p->count >= p->count_max || p->q->body.n >= p->bytes_max;
}

/* False when the page is full and there is more. */
static bool visit_entry(struct page *p, const struct logdb_entry *entry)
{
	if (entry->pos >= p->walk.first && entry->pos <= p->walk.last && match(p, &entry->event)) {
		if (is_full(p)) {
			p->more = true;
			return false;
		}
		show(p, &entry->event);
	}
	p->looked_at = entry->pos;
	return true;
}

static bool visit_segment(struct page *p, const struct logdb_segment *s)
{
	size_t n;
	struct logdb_entry *v = logdb_unpack(p->db, &p->segment, s, &n);

	for (size_t i = 0; i < n; i++) {
		if (!visit_entry(p, &v[p->walk.descending ? n - 1 - i : i]))
			return false;
	}
	p->work += n + s->data.n / BYTES_PER_WORK;
	if (p->work < LOGS_WORK_MAX)
		return true;
	p->more = true;
	return false;
}

/* ---- a page ----------------------------------------------------------------------------------------- */

static bool asks_anything(const struct filter *f)
{
	for (size_t i = 0; i < FILTER_FIELDS; i++) {
		if (f->field[i].n)
			return true;
	}
	return false;
}

/* What a filter asks of an event is known from the event; the rest is asked of its message, once.
 */
static void split_filter(struct page *p)
{
	const struct filter *f = &p->q->filter;

	p->of_event = *f;
	memset(p->of_event.field, 0, sizeof(p->of_event.field));
	p->of_event.field[FILTER_MESSAGE_ID] = f->field[FILTER_MESSAGE_ID];
	p->of_msg = *f;
	p->of_msg.field[FILTER_MESSAGE_ID] = (struct filter_values){ 0 };
	p->of_msg.from_ms = INT64_MIN;
	p->of_msg.to_ms = INT64_MAX;
	p->asks_msg = asks_anything(&p->of_msg);
}

static bool set_walk(struct page *p)
{
	const struct filter *f = &p->q->filter;
	struct walk *w = &p->walk;
	int64_t cursor;

	w->descending = f->latest_first;
	walk_range(w, f, logdb_value(p->db, logdb_info(p->db, "skew_ms")));
	if (f->cursor.n) {
		if (!logquery_cursor_parse(f->cursor, &cursor))
			return problem_set(&p->q->problem, 400,
					   "cursor must be one that an earlier answer gave");
		if (w->descending && cursor - 1 < w->last)
			w->last = cursor - 1;
		else if (!w->descending && cursor + 1 > w->first)
			w->first = cursor + 1;
	}
	set_trails(p);
	return true;
}

/* The array is written once and copied for its second name. */
static void repeat_array(struct page *p, size_t from)
{
	struct buf *b = &p->q->body;
	size_t n = b->n - from;
	char *room;

	json_key(&p->j, STR("events"));
	room = buf_room(b, n);
	check(room != NULL);
	memcpy(room, b->p + from, n);
	buf_grew(b, n);
	p->j.comma = true;
}

static void write_page(struct page *p)
{
	struct logdb_segment s;
	size_t from;

	json_open(&p->j, '{');
	json_key(&p->j, p->q->both_keys ? STR("logs") : STR("events"));
	from = p->q->body.n;
	json_open(&p->j, '[');
	while (next_segment(p, &s) && visit_segment(p, &s)) {
	}
	json_close(&p->j, ']');
	if (p->q->both_keys)
		repeat_array(p, from);
	if (p->more)
		put_cursor(&p->j, p->looked_at);
	json_close(&p->j, '}');
}

static void list(struct logdb *db, struct logs_query *q)
{
	struct page p = { .db = db, .q = q, .j = json_out(&q->body) };

	p.bytes_max = q->both_keys ? LOGS_PAGE_BYTES / 2 : LOGS_PAGE_BYTES;
	p.count_max = q->filter.count > LIMIT_PAGE_LOGS ? LIMIT_PAGE_LOGS : (size_t)q->filter.count;
	p.verdict = xcalloc(VERDICTS, sizeof(*p.verdict));
	arena_init(&p.segment);
	arena_init(&p.msg);
	buf_init(&p.walk.trail, TRAILS_MAX * sizeof(int64_t));
	buf_init(&p.seqs, LIMIT_FILTER_VALUES * sizeof(uint64_t));
	split_filter(&p);
	p.has_runs = logdb_value(db, logdb_sql(db, LOGDB_RUN_ANY)) != 0;
	if (set_walk(&p))
		write_page(&p);
	buf_done(&p.seqs);
	buf_done(&p.walk.trail);
	arena_done(&p.msg);
	arena_done(&p.segment);
	free(p.verdict);
}

/* ---- one message ------------------------------------------------------------------------------------ */

/* The message's latest entry. */
static bool read_latest(struct logdb *db, struct arena *a, struct msg_id id,
			struct event *ret_event)
{
	struct logdb_segment s;
	struct logdb_entry *v;
	struct buf trail;
	bool got;
	size_t n;

	buf_init(&trail, TRAILS_MAX * sizeof(int64_t));
	logdb_read_trail(db, id.seq, &trail);
	sort_numbers(&trail);
	got = trail.n &&
	      logdb_read_at(db, a, ((int64_t *)trail.p)[trail.n / sizeof(int64_t) - 1], &s);
	buf_done(&trail);
	if (!got)
		return false;
	v = logdb_unpack(db, a, &s, &n);
	while (n && (v[n - 1].event.id.seq != id.seq || v[n - 1].event.id.nonce != id.nonce))
		n--;
	if (n)
		*ret_event = v[n - 1].event;
	return n > 0;
}

static bool ended_lately(const struct logs_query *q, const struct event *e)
{
	return (e->state == EVENT_DELIVERED || e->state == EVENT_FAILED) &&
	       e->time_ms >= q->now_ms - q->grace_ms;
}

static void find_message(struct logdb *db, struct logs_query *q)
{
	struct json_out j = json_out(&q->body);
	struct event latest;
	struct arena a;
	struct msg m;

	arena_init(&a);
	if (read_latest(db, &a, q->id, &latest) && ended_lately(q, &latest) &&
	    logdb_read_message(db, &a, q->id.seq, &m)) {
		logdb_read_body(db, &a, &m);
		json_open(&j, '{');
		view_message(&j, &m);
		json_close(&j, '}');
		q->found = true;
	}
	arena_done(&a);
}

static void find_states(struct logdb *db, struct logs_query *q)
{
	struct event latest;
	struct arena a;

	check(q->ids_n <= LOGS_STATES_MAX);
	arena_init(&a);
	for (size_t i = 0; i < q->ids_n; i++) {
		arena_reset(&a);
		if (read_latest(db, &a, q->ids[i], &latest))
			q->states[i] = latest.state;
	}
	arena_done(&a);
}

/* ---- a query ---------------------------------------------------------------------------------------- */

void logquery_run(struct logdb *db, struct logs_query *q)
{
	check(q->kind != LOGS_LIST || q->filter.count > 0);
	buf_init(&q->body, SIZE_MAX / 4);
	logdb_run(db, LOGDB_BEGIN_READ);
	switch (q->kind) {
	case LOGS_LIST:
	case LOGS_RUN_EVENTS:
		list(db, q);
		break;
	case LOGS_RUNS:
		logruns_list(db, q);
		break;
	case LOGS_MESSAGE:
		find_message(db, q);
		break;
	case LOGS_STATES:
		find_states(db, q);
		break;
	}
	logdb_run(db, LOGDB_COMMIT);
	check(!q->body.overflow);
}

void logquery_nothing(struct logs_query *q)
{
	buf_done(&q->body);
	buf_init(&q->body, SIZE_MAX / 4);
	q->found = false;
	for (size_t i = 0; i < q->ids_n; i++)
		q->states[i] = EVENT_NONE;
	q->problem = (struct problem){ 0 };
	if (q->kind == LOGS_RUNS)
		buf_add(&q->body, STR("{\"runs\":[]}"));
	else if (q->kind != LOGS_MESSAGE)
		buf_add(&q->body,
			q->both_keys ? STR("{\"logs\":[],\"events\":[]}") : STR("{\"events\":[]}"));
}
