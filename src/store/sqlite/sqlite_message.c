#include "store/sqlite/sqlite_int.h"

/* ---- events that only the store knows of ----------------------------------------------------- */

void sqlite_message_log(struct sqlite_db *db, const struct sqlite_row *r, enum event_state state,
			struct str record)
{
	event_encode(&db->events, &(struct event){
					  .time_ms = db->now_ms,
					  .state = state,
					  .user = r->user->name,
					  .id = { (uint64_t)r->seq, (uint64_t)r->nonce },
					  .record = record,
					  .retried = r->retried,
				  });
}

/* ---- the end --------------------------------------------------------------------------------- */

static void ended_add(struct sqlite_ended *e, struct msg_id id)
{
	struct msg_id *at = &e->id[e->next];

	/* It may be there already: its end was in a transaction that failed. */
	if (map_get(&e->by_seq, map_key_u64(&id.seq)) != NULL)
		return;
	if (at->seq != 0)
		map_remove(&e->by_seq, map_key_u64(&at->seq));
	*at = id;
	map_put(&e->by_seq, map_key_u64(&at->seq), at);
	e->next = (e->next + 1) % SQLITE_ENDED_KEPT;
}

static bool same_id(struct msg_id a, struct msg_id b)
{
	return a.seq == b.seq && a.nonce == b.nonce;
}

static bool has_ended(const struct sqlite_ended *e, struct msg_id id)
{
	const struct msg_id *at = map_get(&e->by_seq, map_key_u64(&id.seq));

	return at != NULL && same_id(*at, id);
}

static void ending_push(struct sqlite_db *db, struct sqlite_gate *queue, int64_t root)
{
	for (size_t i = 0; i < db->endings; i++) {
		if (db->ending[i].root == root)
			return;
	}
	if (db->endings == db->ending_cap) {
		db->ending_cap = db->ending_cap ? 2 * db->ending_cap : 16;
		db->ending = xrealloc(db->ending, db->ending_cap * sizeof(*db->ending));
	}
	db->ending[db->endings++] = (struct sqlite_ending){ queue, root };
}

void sqlite_message_end(struct sqlite_db *db, struct sqlite_row *r)
{
	if (r->lane < 0)
		sqlite_row_stop(db, r);
	sqlite_row_remove(db, r);
	if (r->queue != NULL && r->root == 0) {
		sqlite_gate_change(db, r->queue, true);
		check(r->queue->s.messages > 0);
		r->queue->s.messages--;
	}
	if (r->flow != NULL) {
		sqlite_gate_change(db, r->flow, true);
		check(r->flow->s.messages > 0);
		r->flow->s.messages--;
		r->flow->s.updated_ms = db->now_ms;
	}
	if (r->flags & ROW_QUEUE_SLOT)
		ending_push(db, r->queue, r->root ? r->root : r->seq);
	if (r->flags & ROW_RUN)
		sqlite_run_leave(db, r->seq);
	db->count.messages--;
	ended_add(&db->ended, (struct msg_id){ (uint64_t)r->seq, (uint64_t)r->nonce });
}

void sqlite_message_free_slots(struct sqlite_db *db)
{
	while (db->endings > 0) {
		struct sqlite_ending e = db->ending[--db->endings];
		sqlite3_stmt *s = sqlite_sql_start(db, SQL_SLOT_HELD);

		sqlite_sql_int(s, 1, e.root);
		if (sqlite_sql_value(db, s, 1))
			continue;
		check(e.queue->s.gate.running > 0);
		sqlite_gate_change(db, e.queue, true);
		gate_end(&e.queue->s.gate);
		sqlite_gate_refresh(db, e.queue);
	}
}

static void cancelled_end(struct sqlite_db *db, struct sqlite_row *r, int64_t bytes)
{
	sqlite_message_log(db, r, EVENT_CANCELED, STR_NULL);
	sqlite_message_end(db, r);
	sqlite_usage_count(db, r->user, &(struct usage){ .cancelled = 1, .bytes = bytes });
}

/* ---- put ------------------------------------------------------------------------------------- */

/* What the user has used, without it when it is new. */
static void put_used(struct sqlite_db *db, struct move *m, struct sqlite_gate *user)
{
	const struct sqlite_usage *used = user ? sqlite_usage_today(db, user) : NULL;

	m->put.used_messages = used ? used->day.messages : 0;
	m->put.used_bytes = used ? used->month_bytes + used->day.bytes : 0;
}

/* Is there such a message? Then the put is a repetition and answers what the first one got, or the id
 * has met another message's. */
static bool put_is_known(struct sqlite_db *db, struct move *m, enum refusal *ret_refusal)
{
	struct msg_id id = m->put.msg->id;
	struct sqlite_row r;

	if (id.seq > (uint64_t)db->count.seq_max)
		return false;
	*ret_refusal = REFUSAL_NONE;
	put_used(db, m, sqlite_gate_user(db, m->put.msg->user, false));
	if (!sqlite_row_get(db, id.seq, &r))
		return db->again && has_ended(&db->ended, id);
	if (r.nonce != (int64_t)id.nonce)
		*ret_refusal = REFUSAL_ID;
	m->put.leased = r.lane == -db->holder->id && r.lease == db->token;
	m->put.lease = m->put.leased ? (uint64_t)r.lease : 0;
	return true;
}

bool sqlite_message_is_put(struct sqlite_db *db, struct move *m)
{
	enum refusal refusal = REFUSAL_NONE;

	return put_is_known(db, m, &refusal) && refusal == REFUSAL_NONE;
}

static bool dedup_get(struct sqlite_db *db, const struct sqlite_gate *user, struct str key,
		      struct msg_id *ret_id)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_DEDUP_GET);
	bool found;

	sqlite_sql_int(s, 1, user->id);
	sqlite_sql_blob(s, 2, key);
	sqlite_sql_int(s, 3, db->now_ms);
	found = sqlite_sql_row(db, s);
	if (found) {
		ret_id->seq = (uint64_t)sqlite3_column_int64(s, 0);
		ret_id->nonce = (uint64_t)sqlite3_column_int64(s, 1);
	}
	sqlite_sql_end(s);
	return found;
}

static void dedup_set(struct sqlite_db *db, const struct sqlite_gate *user, const struct move *m)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_DEDUP_SET);

	sqlite_sql_int(s, 1, user->id);
	sqlite_sql_blob(s, 2, m->put.dedup_key);
	sqlite_sql_int(s, 3, m->put.dedup_until_ms);
	sqlite_sql_int(s, 4, (int64_t)m->put.msg->id.seq);
	sqlite_sql_int(s, 5, (int64_t)m->put.msg->id.nonce);
	sqlite_sql_run(db, s);
}

/* The queue whose slot a callback shares: its message's, which may have ended in this very step. */
static struct sqlite_gate *slot_of(struct sqlite_db *db, int64_t root)
{
	static const enum sqlite_statement where[] = { SQL_SLOT_QUEUE, SQL_SLOT_KIN };

	for (size_t i = 0; i < db->endings; i++) {
		if (db->ending[i].root == root)
			return db->ending[i].queue;
	}
	for (size_t i = 0; i < countof(where); i++) {
		sqlite3_stmt *s = sqlite_sql_start(db, where[i]);
		int64_t id;

		sqlite_sql_int(s, 1, root);
		id = sqlite_sql_value(db, s, 0);
		if (id != 0)
			return sqlite_gate_by_id(db, id);
	}
	return NULL;
}

/* Finds, makes and configures the gates of a new message. */
static void put_gates(struct sqlite_db *db, const struct move *m, struct sqlite_row *r)
{
	const struct msg *msg = m->put.msg;
	struct gate *u = &r->user->s.gate;

	if (u->parallelism_max != m->put.user_parallelism) {
		sqlite_gate_change(db, r->user, true);
		u->parallelism_max = m->put.user_parallelism;
		sqlite_gate_refresh_user(db, r->user);
	}
	if (msg->root_seq != 0) {
		r->queue = slot_of(db, (int64_t)msg->root_seq);
		if (r->queue != NULL) {
			r->root = (int64_t)msg->root_seq;
			r->flags |= ROW_QUEUE_SLOT;
		}
	} else if (msg->queue.n) {
		r->queue = sqlite_gate_make(db, r->user, GATE_QUEUE, msg->queue);
	}
	if (msg->flow_key.n)
		r->flow = sqlite_gate_make(db, r->user, GATE_FLOW, msg->flow_key);
}

/* Counts it in its gates, and gives it a slot in its queue if nobody stands before it. */
static void put_count(struct sqlite_db *db, const struct msg *msg, struct sqlite_row *r)
{
	int64_t at_ms;

	if (r->queue != NULL && r->root == 0) {
		sqlite_gate_change(db, r->queue, true);
		r->queue->s.messages++;
		if (r->queue->s.waiting == 0 &&
		    gate_may_start(&r->queue->s.gate, db->now_ms, &at_ms)) {
			gate_start(&r->queue->s.gate, db->now_ms);
			r->flags |= ROW_QUEUE_SLOT;
		}
	}
	if (r->flow != NULL) {
		sqlite_gate_change(db, r->flow, true);
		r->flow->s.messages++;
		r->flow->s.updated_ms = db->now_ms;
		gate_configure(&r->flow->s.gate, msg->flow_parallelism, msg->flow_rate,
			       msg->flow_period_s * 1000);
		sqlite_gate_refresh(db, r->flow);
	}
	db->count.messages++;
	if (r->seq > db->count.seq_max)
		db->count.seq_max = r->seq;
}

/* May it start at once, with nobody waiting before it? */
static bool put_may_start(struct sqlite_db *db, const struct sqlite_row *r)
{
	int64_t at_ms;

	if (r->due_ms > db->now_ms || !list_is_empty(&r->user->ready_lanes) ||
	    !gate_may_start(&r->user->s.gate, db->now_ms, &at_ms))
		return false;
	if (r->queue != NULL && !(r->flags & ROW_QUEUE_SLOT))
		return false;
	/* Had it a wait list that may move, its lane would be ready. */
	return r->flow == NULL || gate_may_start(&r->flow->s.gate, db->now_ms, &at_ms);
}

static void put_lease(struct sqlite_db *db, struct move *m, struct sqlite_row *r)
{
	sqlite_row_start(db, r);
	r->lease = db->token;
	r->lane = -db->holder->id;
	r->ord = r->seq;
	m->put.leased = true;
	m->put.lease = (uint64_t)r->lease;
}

static void put_apply(struct sqlite_db *db, struct move *m, struct sqlite_row *r)
{
	put_gates(db, m, r);
	if (db->error != SQLITE_OK)
		return;
	sqlite_usage_count(db, r->user, &(struct usage){ .messages = 1 });
	m->put.used_messages++;
	put_count(db, m->put.msg, r);
	if (m->put.dedup_key.n)
		dedup_set(db, r->user, m);
	if (m->put.want_lease && put_may_start(db, r)) {
		put_lease(db, m, r);
	} else {
		struct sqlite_place p = sqlite_row_where(db, r, false);

		r->lane = p.lane;
		r->ord = p.ord;
	}
	sqlite_row_add(db, r, m->put.record);
	buf_add(&db->events, m->events);
	if (m->put.leased)
		sqlite_message_log(db, r, EVENT_ACTIVE, STR_NULL);
}

static bool put_exceeds_queues(struct sqlite_db *db, const struct move *m, struct sqlite_gate *user)
{
	const struct msg *msg = m->put.msg;

	return msg->queue.n && msg->root_seq == 0 && m->put.queues_max > 0 &&
	       !sqlite_gate_is_visible(sqlite_gate_find(db, user, GATE_QUEUE, msg->queue),
				       db->now_ms) &&
	       sqlite_gate_is_full(db, user, GATE_QUEUE, m->put.queues_max);
}

enum refusal sqlite_message_put(struct sqlite_db *db, struct move *m)
{
	const struct msg *msg = m->put.msg;
	struct sqlite_row r = { .seq = (int64_t)msg->id.seq,
				.nonce = (int64_t)msg->id.nonce,
				.due_ms = m->put.due_ms };
	enum refusal refusal = REFUSAL_NONE;
	struct sqlite_run run;

	check(msg->id.seq > 0 && msg->id.seq <= INT64_MAX && m->put.record.n > 0);
	check(m->put.due_ms < INT64_MAX);
	if (put_is_known(db, m, &refusal))
		return refusal;
	r.user = sqlite_gate_user(db, msg->user, true);
	if (db->error != SQLITE_OK)
		return REFUSAL_NONE;
	put_used(db, m, r.user);
	/* Its own key: it was put before and has ended. */
	if (m->put.dedup_key.n && dedup_get(db, r.user, m->put.dedup_key, &m->put.existing))
		return same_id(m->put.existing, msg->id) ? REFUSAL_NONE : REFUSAL_DUPLICATE;
	if (m->put.day_messages_max > 0 && m->put.used_messages >= m->put.day_messages_max)
		return REFUSAL_QUOTA;
	if (put_exceeds_queues(db, m, r.user))
		return REFUSAL_LIMIT;
	if (m->put.run.name.n > 0) {
		refusal = sqlite_run_judge(db, r.user, m, &run);
		if (refusal != REFUSAL_NONE || m->put.skipped != PUT_DONE)
			return refusal;
		r.flags |= ROW_RUN;
		sqlite_run_join(db, &run, m);
	}
	put_apply(db, m, &r);
	return REFUSAL_NONE;
}

/* ---- settle ---------------------------------------------------------------------------------- */

static bool message_find(struct sqlite_db *db, struct str user, struct msg_id id,
			 struct sqlite_row *ret_row)
{
	return sqlite_row_get(db, id.seq, ret_row) && ret_row->nonce == (int64_t)id.nonce &&
	       str_eq(ret_row->user->name, user);
}

static enum refusal settle_find(struct sqlite_db *db, const struct move *m,
				struct sqlite_row *ret_row)
{
	if (!message_find(db, m->settle.user, m->settle.id, ret_row))
		return REFUSAL_NOT_FOUND;
	return ret_row->lane < 0 && ret_row->lease == (int64_t)m->settle.lease ? REFUSAL_NONE
									       : REFUSAL_LEASE;
}

bool sqlite_message_is_over(struct sqlite_db *db, const struct move *m)
{
	struct sqlite_row r;

	return m->settle.to != SETTLE_DELIVERED && settle_find(db, m, &r) == REFUSAL_NONE &&
	       (r.flags & ROW_CANCELLED);
}

static void dlq_add(struct sqlite_db *db, const struct move *m, const struct sqlite_row *r)
{
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_DLQ_ADD);
	struct arena a;

	check(m->settle.dlq.seq == m->settle.id.seq);
	arena_init(&a);
	sqlite_sql_int(s, 1, r->user->id);
	sqlite_sql_int(s, 2, m->settle.dlq.ms);
	sqlite_sql_int(s, 3, r->seq);
	sqlite_sql_int(s, 4, r->nonce);
	sqlite_sql_int(s, 5, r->retried);
	sqlite_sql_blob(s, 6, m->settle.response);
	sqlite_sql_blob(s, 7, sqlite_row_record(db, r, &a));
	if (m->settle.dlq_until_ms)
		sqlite_sql_int(s, 8, m->settle.dlq_until_ms);
	else
		check(sqlite3_bind_null(s, 8) == SQLITE_OK);
	sqlite_sql_run(db, s);
	arena_done(&a);
}

static void settle_retry(struct sqlite_db *db, struct sqlite_row *r, int64_t due_ms)
{
	check(due_ms < INT64_MAX);
	sqlite_row_stop(db, r);
	r->retried++;
	r->due_ms = due_ms;
	r->lease = 0;
	sqlite_row_place(db, r, sqlite_row_where(db, r, false));
}

void sqlite_message_return(struct sqlite_db *db, struct sqlite_row *r)
{
	if (r->flags & ROW_CANCELLED) {
		cancelled_end(db, r, 0);
		return;
	}
	sqlite_row_stop(db, r);
	r->lease = 0;
	sqlite_row_place(db, r, sqlite_row_where(db, r, true));
}

static void settle_count(struct sqlite_db *db, const struct move *m, struct sqlite_gate *user)
{
	static const struct usage of[] = {
		[SETTLE_DELIVERED] = { .delivered = 1 },
		[SETTLE_RETRY] = { .messages = 1, .retried = 1, .errors = 1 },
		[SETTLE_DEAD] = { .errors = 1, .failed = 1 },
	};
	struct usage more;

	check(m->settle.bytes >= 0);
	if (m->settle.to == SETTLE_HANDBACK)
		return;
	more = of[m->settle.to];
	more.bytes = m->settle.bytes;
	sqlite_usage_count(db, user, &more);
}

enum refusal sqlite_message_settle(struct sqlite_db *db, struct move *m)
{
	struct sqlite_row r;
	enum refusal refusal = settle_find(db, m, &r);

	if (refusal != REFUSAL_NONE)
		return refusal;
	m->settle.was_cancelled = r.flags & ROW_CANCELLED;
	if (m->settle.was_cancelled && m->settle.to != SETTLE_DELIVERED) {
		cancelled_end(db, &r, m->settle.bytes);
		db->step_over = true;
		return REFUSAL_NONE;
	}
	buf_add(&db->events, m->events);
	settle_count(db, m, r.user);
	switch (m->settle.to) {
	case SETTLE_DEAD:
		if (m->settle.dlq.ms > 0)
			dlq_add(db, m, &r);
		sqlite_message_end(db, &r);
		break;
	case SETTLE_DELIVERED:
		sqlite_message_end(db, &r);
		break;
	case SETTLE_RETRY:
		settle_retry(db, &r, m->settle.due_ms);
		break;
	case SETTLE_HANDBACK:
		sqlite_message_return(db, &r);
		break;
	}
	return REFUSAL_NONE;
}

/* ---- cancel ---------------------------------------------------------------------------------- */

void sqlite_message_stop(struct sqlite_db *db, struct sqlite_row *r)
{
	if (r->flags & ROW_CANCELLED)
		return;
	sqlite_message_log(db, r, EVENT_CANCEL_REQUESTED, STR_NULL);
	if (r->lane >= 0) {
		cancelled_end(db, r, 0);
		return;
	}
	r->flags |= ROW_CANCELLED;
	sqlite_row_place(db, r, (struct sqlite_place){ r->lane, r->ord });
}

enum refusal sqlite_message_cancel(struct sqlite_db *db, struct move *m)
{
	struct sqlite_row r;

	if (!message_find(db, m->cancel.user, m->cancel.id, &r) || (r.flags & ROW_CANCELLED))
		return REFUSAL_NOT_FOUND;
	m->cancel.was_leased = r.lane < 0;
	m->cancel.lease = m->cancel.was_leased ? (uint64_t)r.lease : 0;
	sqlite_message_stop(db, &r);
	return REFUSAL_NONE;
}
