/* The end of an attempt, and cancelling. */
#include "kit.h"

#include "base/check.h"

CONTRACT(delivered_is_gone)
{
	struct kit_msg m = PUT(k, .want_lease = true, .queue = "q", .flow = "f");

	T_EQ_INT(SETTLE(k, &m, SETTLE_DELIVERED).result, STORE_APPLIED);
	T_CHECK(kit_find(k, &m) == NULL);
	T_EQ_STR(kit_events(k, &m), "CREATED ACTIVE DELIVERED");
	T_EQ_INT(kit_gate(k, GATE_USER, "")->gate.running, 0);
	T_EQ_INT(kit_gate(k, GATE_QUEUE, "q")->gate.running, 0);
	T_EQ_INT(kit_gate(k, GATE_FLOW, "f")->gate.running, 0);
}

CONTRACT(a_retry_waits_for_its_time)
{
	struct kit_msg m = PUT(k, .want_lease = true);
	struct scan_row *row;
	struct claim *c;

	T_EQ_INT(SETTLE(k, &m, SETTLE_RETRY, .delay_ms = 500).result, STORE_APPLIED);
	row = kit_find(k, &m);
	T_EQ_INT(row->state, ROW_SCHEDULED);
	T_EQ_INT(row->retried, 1);
	T_EQ_INT(row->due_ms, k->now_ms + 500);
	T_EQ_INT(kit_gate(k, GATE_USER, "")->gate.running, 0);
	kit_pass(k, 499);
	c = kit_claim(k, 10);
	T_EQ_INT(c->n, 0);
	T_EQ_INT(c->next_ms, k->now_ms + 1);
	kit_pass(k, 1);
	c = kit_claim(k, 10);
	T_EQ_INT(c->n, 1);
	T_EQ_INT(c->leased[0].retried, 1);
	T_CHECK(c->leased[0].lease != m.lease);
	m.lease = c->leased[0].lease;
	T_EQ_INT(SETTLE(k, &m, SETTLE_RETRY, .delay_ms = 0).result, STORE_APPLIED);
	T_EQ_INT(kit_find(k, &m)->retried, 2);
	T_EQ_STR(kit_started(k, &m, 1), "0");
	T_EQ_STR(kit_events(k, &m), "CREATED ACTIVE RETRY ACTIVE RETRY ACTIVE");
}

CONTRACT(a_hand_back_is_ready_at_once_and_not_a_retry)
{
	struct kit_msg m[2] = { PUT(k, .want_lease = true), PUT(k) };

	T_CHECK(m[0].leased);
	T_EQ_INT(SETTLE(k, &m[0], SETTLE_HANDBACK).result, STORE_APPLIED);
	T_EQ_INT(kit_find(k, &m[0])->state, ROW_READY);
	T_EQ_INT(kit_find(k, &m[0])->retried, 0);
	T_EQ_STR(kit_started(k, m, 2), "0 1");
	T_EQ_STR(kit_events(k, &m[0]), "CREATED ACTIVE ACTIVE");
}

CONTRACT(dead_goes_to_the_dead_letter_queue)
{
	struct kit_msg m = PUT(k, .want_lease = true, .record_bytes = 9000, .queue = "q");
	struct scan *s;

	SETTLE(k, &m, SETTLE_RETRY);
	T_EQ_INT(kit_lease_all(k, &m, 1), 1);
	T_EQ_INT(SETTLE(k, &m, SETTLE_DEAD).result, STORE_APPLIED);
	T_CHECK(kit_find(k, &m) == NULL);
	s = kit_scan(k, &(struct scan){ .kind = SCAN_DLQ, .user = STR("u") });
	T_EQ_INT(s->rows, 1);
	T_EQ_STR(s->row->record, m.record);
	T_EQ_STR(s->row->response, "response");
	T_EQ_INT(s->row->retried, 1);
	T_EQ_INT(s->row->dlq.ms, k->now_ms);
	T_CHECK(s->row->dlq.seq == m.id.seq && s->row->id.nonce == m.id.nonce);
	T_EQ_STR(kit_events(k, &m), "CREATED ACTIVE RETRY ACTIVE FAILED");
	T_EQ_INT(kit_gate(k, GATE_QUEUE, "q")->gate.running, 0);
}

static const enum settle_to endings[] = { SETTLE_DELIVERED, SETTLE_RETRY, SETTLE_DEAD,
					  SETTLE_HANDBACK };

CONTRACT(a_settle_needs_its_lease)
{
	for (size_t i = 0; i < countof(endings); i++) {
		struct kit_msg m = PUT(k, .want_lease = true), wrong;
		struct kit_settled s;

		wrong = m;
		wrong.lease++;
		s = SETTLE(k, &wrong, endings[i]);
		T_EQ_INT(s.result, STORE_REFUSED);
		T_EQ_INT(s.refusal, REFUSAL_LEASE);
		T_EQ_INT(kit_find(k, &m)->state, ROW_LEASED);
		wrong = m;
		wrong.id.nonce++;
		T_EQ_INT(SETTLE(k, &wrong, endings[i]).refusal, REFUSAL_NOT_FOUND);
		wrong = m;
		wrong.user = STR("v");
		T_EQ_INT(SETTLE(k, &wrong, endings[i]).refusal, REFUSAL_NOT_FOUND);
		wrong = m;
		wrong.id.seq++;
		T_EQ_INT(SETTLE(k, &wrong, endings[i]).refusal, REFUSAL_NOT_FOUND);
		T_EQ_STR(kit_events(k, &m), "CREATED ACTIVE");
		T_EQ_INT(SETTLE(k, &m, SETTLE_DELIVERED).result, STORE_APPLIED);
	}
}

CONTRACT(a_second_settle_is_refused)
{
	for (size_t i = 0; i < countof(endings); i++) {
		struct kit_msg m = PUT(k, .want_lease = true);
		bool stays = endings[i] == SETTLE_RETRY || endings[i] == SETTLE_HANDBACK;

		T_EQ_INT(SETTLE(k, &m, endings[i], .delay_ms = 1000).result, STORE_APPLIED);
		T_EQ_INT(SETTLE(k, &m, endings[i], .delay_ms = 1000).refusal,
			 stays ? REFUSAL_LEASE : REFUSAL_NOT_FOUND);
		if (stays)
			T_EQ_INT(kit_cancel(k, &m).result, STORE_APPLIED);
	}
}

CONTRACT(a_late_settle_is_refused_after_a_new_lease)
{
	struct kit_msg m = PUT(k, .want_lease = true), old = m;

	SETTLE(k, &m, SETTLE_HANDBACK);
	T_EQ_INT(kit_lease_all(k, &m, 1), 1);
	T_EQ_INT(SETTLE(k, &old, SETTLE_DELIVERED).refusal, REFUSAL_LEASE);
	T_EQ_INT(SETTLE(k, &m, SETTLE_DELIVERED).result, STORE_APPLIED);
}

CONTRACT(a_settle_brings_other_moves_with_it)
{
	struct kit_msg m = PUT(k, .want_lease = true), callback;
	struct move moves[] = {
		kit_settle_move(k, &m, &(struct kit_settle){ .to = SETTLE_DELIVERED }),
		kit_put_move(k, &(struct kit_put){ .want_lease = true }, &callback),
	};
	struct step step;

	T_EQ_INT(kit_step(k, &step, moves, 2), STORE_APPLIED);
	T_CHECK(moves[1].put.leased);
	T_CHECK(kit_find(k, &m) == NULL);
	T_EQ_INT(kit_find(k, &callback)->state, ROW_LEASED);
	/* The lease is gone, so all of it is refused. */
	T_EQ_INT(kit_step(k, &step, moves, 2), STORE_REFUSED);
	T_EQ_STR(kit_events(k, &callback), "CREATED ACTIVE");
}

CONTRACT(a_refused_settle_takes_its_step_along)
{
	struct kit_msg m = PUT(k, .want_lease = true), callback;
	struct move moves[] = {
		kit_put_move(k, &(struct kit_put){ .want_lease = true }, &callback),
		kit_settle_move(k, &m, &(struct kit_settle){ .to = SETTLE_DELIVERED }),
	};
	struct step step;

	moves[1].settle.lease++;
	T_EQ_INT(kit_step(k, &step, moves, 2), STORE_REFUSED);
	T_EQ_INT(step.refused_move, 1);
	T_EQ_INT(step.refusal, REFUSAL_LEASE);
	T_CHECK(kit_find(k, &callback) == NULL);
	T_CHECK(!moves[0].put.leased);
}

/* ---- cancelling ------------------------------------------------------------------------------ */

CONTRACT(a_cancelled_message_that_waits_is_over)
{
	struct kit_msg m[] = { PUT(k, .delay_ms = 1000, .flow = "f"), PUT(k, .flow = "f"),
			       PUT(k, .queue = "q", .delay_ms = 50), PUT(k, .queue = "q") };

	for (size_t i = 0; i < countof(m); i++) {
		struct kit_cancelled c = kit_cancel(k, &m[i]);

		T_EQ_INT(c.result, STORE_APPLIED);
		T_CHECK(!c.was_leased);
		T_CHECK(kit_find(k, &m[i]) == NULL);
		T_EQ_STR(kit_events(k, &m[i]), "CREATED CANCEL_REQUESTED CANCELED");
		c = kit_cancel(k, &m[i]);
		T_EQ_INT(c.result, STORE_REFUSED);
		T_EQ_INT(c.refusal, REFUSAL_NOT_FOUND);
	}
	kit_pass(k, 5000);
	T_EQ_STR(kit_started(k, m, countof(m)), "");
	T_EQ_INT(kit_gate(k, GATE_QUEUE, "q")->waiting, 0);
}

CONTRACT(a_cancel_of_another_users_message_is_refused)
{
	struct kit_msg m = PUT(k), wrong;

	wrong = m;
	wrong.user = STR("v");
	T_EQ_INT(kit_cancel(k, &wrong).refusal, REFUSAL_NOT_FOUND);
	wrong = m;
	wrong.id.nonce ^= 1;
	T_EQ_INT(kit_cancel(k, &wrong).refusal, REFUSAL_NOT_FOUND);
	wrong = m;
	wrong.id.seq = UINT64_MAX;
	T_EQ_INT(kit_cancel(k, &wrong).refusal, REFUSAL_NOT_FOUND);
	T_CHECK(kit_find(k, &m) != NULL);
}

CONTRACT(a_cancel_during_an_attempt_waits_for_its_end)
{
	for (size_t i = 0; i < countof(endings); i++) {
		struct kit_msg m = PUT(k, .want_lease = true, .queue = "q", .flow = "f");
		struct kit_cancelled c = kit_cancel(k, &m);
		struct kit_settled s;

		T_EQ_INT(c.result, STORE_APPLIED);
		T_CHECK(c.was_leased);
		T_EQ_INT(kit_find(k, &m)->state, ROW_LEASED);
		T_CHECK(kit_find(k, &m)->cancelled);
		T_EQ_INT(kit_cancel(k, &m).refusal, REFUSAL_NOT_FOUND);
		s = SETTLE(k, &m, endings[i], .delay_ms = 10);
		T_EQ_INT(s.result, STORE_APPLIED);
		T_CHECK(s.was_cancelled);
		T_CHECK(kit_find(k, &m) == NULL);
		T_EQ_STR(kit_events(k, &m), endings[i] == SETTLE_DELIVERED
						    ? "CREATED ACTIVE CANCEL_REQUESTED DELIVERED"
						    : "CREATED ACTIVE CANCEL_REQUESTED CANCELED");
	}
	T_EQ_INT(kit_scan(k, &(struct scan){ .kind = SCAN_DLQ, .user = STR("u") })->rows, 0);
	T_EQ_INT(kit_gate(k, GATE_QUEUE, "q")->gate.running, 0);
	T_EQ_INT(kit_gate(k, GATE_FLOW, "f")->gate.running, 0);
}

/* Whether the settle stands first or last in its step. */
static const bool settle_first[] = { true, false };

CONTRACT(nothing_else_of_the_step_is_done_when_the_message_was_cancelled)
{
	for (size_t i = 0; i < countof(settle_first); i++) {
		struct kit_msg m = PUT(k, .want_lease = true), callback;
		size_t at = settle_first[i] ? 0 : 1;
		struct move moves[2];
		struct step step;

		moves[at] = kit_settle_move(k, &m, &(struct kit_settle){ .to = SETTLE_DEAD });
		moves[1 - at] = kit_put_move(k, &(struct kit_put){ .want_lease = true }, &callback);
		kit_cancel(k, &m);
		T_EQ_INT(kit_step(k, &step, moves, 2), STORE_APPLIED);
		T_CHECK(moves[at].settle.was_cancelled);
		T_CHECK(!moves[1 - at].put.leased);
		T_CHECK(kit_find(k, &callback) == NULL);
		T_EQ_STR(kit_events(k, &callback), "");
		T_EQ_STR(kit_events(k, &m), "CREATED ACTIVE CANCEL_REQUESTED CANCELED");
	}
}

CONTRACT(all_of_the_step_is_done_when_a_cancelled_message_was_delivered)
{
	for (size_t i = 0; i < countof(settle_first); i++) {
		struct kit_msg m = PUT(k, .want_lease = true), callback;
		size_t at = settle_first[i] ? 0 : 1;
		struct move moves[2];
		struct step step;

		moves[at] = kit_settle_move(k, &m, &(struct kit_settle){ .to = SETTLE_DELIVERED });
		moves[1 - at] = kit_put_move(k, &(struct kit_put){ .delay_ms = 1000 }, &callback);
		kit_cancel(k, &m);
		T_EQ_INT(kit_step(k, &step, moves, 2), STORE_APPLIED);
		T_CHECK(moves[at].settle.was_cancelled);
		T_CHECK(kit_find(k, &callback) != NULL);
	}
}

CONTRACT(many_cancels_are_one_step)
{
	enum { MANY = 500 };
	struct kit_msg m[MANY];
	struct move *moves = arena_array(&k->arena, struct move, MANY);
	struct step step;

	k->unchecked = true;
	for (int i = 0; i < MANY; i++) {
		m[i] = PUT(k, .delay_ms = i % 3 ? 1000 : 0, .queue = i % 2 ? "q" : NULL,
			   .flow = i % 5 ? NULL : "f");
		moves[i].kind = MOVE_CANCEL;
		moves[i].cancel.user = m[i].user;
		moves[i].cancel.id = m[i].id;
	}
	k->unchecked = false;
	T_EQ_INT(kit_step(k, &step, moves, MANY), STORE_APPLIED);
	T_EQ_INT(kit_scan(k, &(struct scan){ .kind = SCAN_MESSAGES, .user = STR("u") })->rows, 0);
	T_EQ_INT(kit_gate(k, GATE_QUEUE, "q")->waiting, 0);
	T_EQ_STR(kit_events(k, &m[MANY - 1]), "CREATED CANCEL_REQUESTED CANCELED");
}

CONTRACT(one_unknown_id_refuses_a_step_of_cancels)
{
	struct kit_msg m[2] = { PUT(k), PUT(k) };
	struct move moves[2] = { { .kind = MOVE_CANCEL }, { .kind = MOVE_CANCEL } };
	struct step step;

	moves[0].cancel.user = moves[1].cancel.user = STR("u");
	moves[0].cancel.id = m[0].id;
	moves[1].cancel.id = (struct msg_id){ m[1].id.seq, m[1].id.nonce + 1 };
	T_EQ_INT(kit_step(k, &step, moves, 2), STORE_REFUSED);
	T_EQ_INT(step.refused_move, 1);
	T_EQ_STR(kit_started(k, m, 2), "0 1");
	T_EQ_STR(kit_events(k, &m[0]), "CREATED ACTIVE");
}
