#include "store/sqlite/sqlite_int.h"

static enum refusal dlq_remove(struct sqlite_db *db, const struct move *m)
{
	struct sqlite_gate *user = sqlite_gate_user(db, m->dlq_remove.user, false);
	sqlite3_stmt *s = sqlite_sql_start(db, SQL_DLQ_REMOVE);

	if (user == NULL)
		return REFUSAL_NOT_FOUND;
	sqlite_sql_int(s, 1, user->id);
	sqlite_sql_int(s, 2, m->dlq_remove.id.ms);
	sqlite_sql_int(s, 3, (int64_t)m->dlq_remove.id.seq);
	sqlite_sql_run(db, s);
	return sqlite3_changes(db->sql) > 0 ? REFUSAL_NONE : REFUSAL_NOT_FOUND;
}

/* Moves that only the store knows the events of log them themselves, and so do those whose repetition is applied
 * without doing anything. */
static enum refusal logged(struct sqlite_db *db, const struct move *m, enum refusal refusal)
{
	if (refusal == REFUSAL_NONE)
		buf_add(&db->events, m->events);
	return refusal;
}

static enum refusal move_apply(struct sqlite_db *db, struct move *m)
{
	switch (m->kind) {
	case MOVE_PUT:
		return sqlite_message_put(db, m);
	case MOVE_SETTLE:
		return sqlite_message_settle(db, m);
	case MOVE_CANCEL:
		return sqlite_message_cancel(db, m);
	case MOVE_DLQ_REMOVE:
		return logged(db, m, dlq_remove(db, m));
	case MOVE_DOC_PUT:
		return logged(db, m, sqlite_doc_put(db, m));
	case MOVE_DOC_REMOVE:
		return logged(db, m, sqlite_doc_remove(db, m));
	case MOVE_GATE:
		return logged(db, m, sqlite_gate_move(db, m));
	case MOVE_USER: /* there is no other database to move to */
		return REFUSAL_NOT_FOUND;
	case MOVE_PURGE:
		return sqlite_purge_move(db, m);
	case MOVE_RUN_START:
		return sqlite_run_begin(db, m);
	case MOVE_RUN_SET:
		return logged(db, m, sqlite_run_set(db, m));
	case MOVE_RUN_END:
		return sqlite_run_end(db, m);
	}
	unreachable();
}

/* A seq that is greater than all before is surely nobody else's. */
static bool may_be_refused(const struct sqlite_db *db, const struct move *m)
{
	return m->kind != MOVE_PUT || m->put.dedup_key.n > 0 || m->put.queues_max > 0 ||
	       m->put.day_messages_max > 0 || m->put.run.name.n > 0 ||
	       m->put.msg->id.seq <= (uint64_t)db->count.seq_max;
}

/* A move refuses before it changes anything. So a step can only stop halfway when a move after the first
 * may be refused. */
static bool may_stop_halfway(const struct sqlite_db *db, const struct step *step)
{
	for (size_t i = 1; i < step->moves; i++) {
		if (may_be_refused(db, &step->move[i]))
			return true;
	}
	return false;
}

static struct move *find_settle(const struct step *step)
{
	struct move *found = NULL;

	for (size_t i = 0; i < step->moves; i++) {
		if (step->move[i].kind != MOVE_SETTLE)
			continue;
		check(found == NULL);
		found = &step->move[i];
	}
	return found;
}

static void moves_apply(struct sqlite_db *db, struct step *step)
{
	struct move *settle = find_settle(step);

	db->step_over = false;
	/* Nothing else of the step is done when its message is over. */
	if (settle != NULL && settle != step->move && sqlite_message_is_over(db, settle)) {
		step->refusal = sqlite_message_settle(db, settle);
		return;
	}
	for (size_t i = 0; i < step->moves && !db->step_over; i++) {
		step->refusal = move_apply(db, &step->move[i]);
		if (step->refusal != REFUSAL_NONE) {
			step->refused_move = i;
			return;
		}
	}
}

static void command(struct sqlite_db *db, enum sqlite_statement id)
{
	sqlite_sql_run(db, sqlite_sql_start(db, id));
}

/* What the undone moves answered is not so; what the refused one answered stays. */
static void results_undo(struct step *step)
{
	struct move *m = &step->move[step->refused_move];
	struct step refused = *step;
	struct move answered = *m;

	store_clear_results(&step->req);
	step->refusal = refused.refusal;
	step->refused_move = refused.refused_move;
	*m = answered;
}

static void moves_apply_or_undo(struct sqlite_db *db, struct step *step)
{
	struct sqlite_counts count = db->count;
	int64_t doc_next_ms = db->doc_next_ms;
	size_t events = db->events.n;
	bool undo;

	command(db, SQL_SAVEPOINT);
	sqlite_gate_undo_begin(db);
	moves_apply(db, step);
	undo = step->refusal != REFUSAL_NONE;
	if (undo) {
		command(db, SQL_SAVEPOINT_ROLLBACK);
		db->events.n = events;
		db->endings = 0;
		db->count = count;
		db->doc_next_ms = doc_next_ms;
		results_undo(step);
	} else {
		sqlite_message_free_slots(db);
	}
	sqlite_gate_undo_end(db, undo);
	command(db, SQL_SAVEPOINT_RELEASE);
}

/* Submitted again, and its message is there: so is all the rest of it. */
static bool is_done(struct sqlite_db *db, struct step *step)
{
	for (size_t i = 0; db->again && i < step->moves; i++) {
		if (step->move[i].kind == MOVE_PUT && sqlite_message_is_put(db, &step->move[i]))
			return true;
	}
	return false;
}

void sqlite_step_run(struct sqlite_db *db, struct step *step)
{
	check(db->endings == 0);
	if (is_done(db, step)) {
		step->req.result = STORE_APPLIED;
		return;
	}
	if (may_stop_halfway(db, step))
		moves_apply_or_undo(db, step);
	else
		moves_apply(db, step);
	sqlite_message_free_slots(db);
	step->req.result = step->refusal == REFUSAL_NONE ? STORE_APPLIED : STORE_REFUSED;
}
