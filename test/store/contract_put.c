/* What a put does: lease or wait, deduplicate, refuse, repeat. */
#include "kit.h"

CONTRACT(leases_to_its_publisher_what_is_due)
{
	struct kit_msg m = PUT(k, .want_lease = true);

	T_EQ_INT(m.result, STORE_APPLIED);
	T_CHECK(m.leased && m.lease != 0);
	T_EQ_INT(kit_find(k, &m)->state, ROW_LEASED);
	T_EQ_INT(kit_claim(k, 10)->n, 0);
	T_EQ_STR(kit_events(k, &m), "CREATED ACTIVE");
}

CONTRACT(does_not_lease_what_nobody_wants_or_what_is_not_due)
{
	struct kit_msg m[] = { PUT(k), PUT(k, .want_lease = true, .delay_ms = 1000) };
	struct claim *c;

	T_CHECK(!m[0].leased && !m[1].leased);
	T_EQ_INT(kit_find(k, &m[0])->state, ROW_READY);
	T_EQ_INT(kit_find(k, &m[1])->state, ROW_SCHEDULED);
	T_EQ_INT(kit_find(k, &m[1])->due_ms, k->now_ms + 1000);
	T_EQ_STR(kit_events(k, &m[1]), "CREATED");
	c = kit_claim(k, 10);
	T_EQ_STR(kit_order(k, c, m, 2), "0");
	T_EQ_INT(c->next_ms, k->now_ms + 1000);
	T_EQ_INT(c->leased[0].retried, 0);
	kit_pass(k, 999);
	T_EQ_STR(kit_started(k, m, 2), "");
	kit_pass(k, 1);
	T_EQ_STR(kit_started(k, m, 2), "1");
	T_EQ_STR(kit_events(k, &m[1]), "CREATED ACTIVE");
}

CONTRACT(does_not_lease_past_those_who_wait)
{
	struct kit_msg m[3];

	m[0] = PUT(k);
	m[1] = PUT(k, .want_lease = true);
	T_CHECK(!m[1].leased);
	/* Another user has nothing to do with it. */
	m[2] = PUT(k, .user = "v", .want_lease = true);
	T_CHECK(m[2].leased);
	T_EQ_STR(kit_started(k, m, 2), "0 1");
	T_CHECK(PUT(k, .want_lease = true).leased);
}

CONTRACT(a_message_that_became_due_comes_before_a_new_one)
{
	struct kit_msg m[2];

	m[0] = PUT(k, .delay_ms = 100);
	kit_pass(k, 100);
	m[1] = PUT(k, .want_lease = true);
	T_CHECK(!m[1].leased);
	T_EQ_STR(kit_started(k, m, 2), "0 1");
}

CONTRACT(starts_in_the_order_of_becoming_due)
{
	struct kit_msg m[] = { PUT(k, .delay_ms = 300), PUT(k, .delay_ms = 100),
			       PUT(k, .delay_ms = 200), PUT(k, .delay_ms = 100) };

	kit_pass(k, 1000);
	T_EQ_STR(kit_started(k, m, 4), "1 3 2 0");
}

CONTRACT(a_time_in_the_past_does_not_jump_the_queue)
{
	struct kit_msg m[] = { PUT(k), PUT(k, .delay_ms = -1000000) };

	T_EQ_STR(kit_started(k, m, 2), "0 1");
}

CONTRACT(keeps_records_of_any_size)
{
	static const size_t bytes[] = { 40, 2048, 2049, 5000, 70000, 3000000 };
	struct kit_msg m[countof(bytes)];

	for (size_t i = 0; i < countof(bytes); i++) {
		m[i] = PUT(k, .record_bytes = bytes[i]);
		T_EQ_INT(kit_find(k, &m[i])->record.n, bytes[i]);
	}
	T_EQ_STR(kit_started(k, m, countof(bytes)), "0 1 2 3 4 5");
	T_EQ_STR(kit_events(k, &m[5]), "CREATED ACTIVE");
}

/* ---- deduplication --------------------------------------------------------------------------- */

CONTRACT(a_taken_key_names_the_first_message)
{
	struct kit_msg first = PUT(k, .dedup = "key"), second;

	second = PUT(k, .dedup = "key");
	T_EQ_INT(second.result, STORE_REFUSED);
	T_EQ_INT(second.refusal, REFUSAL_DUPLICATE);
	T_CHECK(second.existing.seq == first.id.seq && second.existing.nonce == first.id.nonce);
	T_CHECK(kit_find(k, &second) == NULL);
	T_EQ_STR(kit_events(k, &second), "");
	T_EQ_INT(PUT(k, .dedup = "other").result, STORE_APPLIED);
	T_EQ_INT(PUT(k, .user = "v", .dedup = "key").result, STORE_APPLIED);
}

CONTRACT(a_key_is_free_again_after_its_window_and_not_before)
{
	PUT(k, .dedup = "key", .dedup_ms = 1000);
	kit_pass(k, 999);
	T_EQ_INT(PUT(k, .dedup = "key").result, STORE_REFUSED);
	kit_pass(k, 1);
	T_EQ_INT(PUT(k, .dedup = "key", .dedup_ms = 500).result, STORE_APPLIED);
	kit_pass(k, 499);
	T_EQ_INT(PUT(k, .dedup = "key").result, STORE_REFUSED);
}

CONTRACT(a_key_stays_taken_when_the_message_ends)
{
	struct kit_msg first = PUT(k, .dedup = "key", .want_lease = true), second;
	struct kit_msg cancelled = PUT(k, .dedup = "cancelled");

	SETTLE(k, &first, SETTLE_DELIVERED);
	kit_cancel(k, &cancelled);
	second = PUT(k, .dedup = "key");
	T_EQ_INT(second.refusal, REFUSAL_DUPLICATE);
	T_CHECK(second.existing.seq == first.id.seq);
	T_EQ_INT(PUT(k, .dedup = "cancelled").refusal, REFUSAL_DUPLICATE);
	/* By its own message it is taken, too: this is not a second one. */
	T_EQ_INT(PUT(k, .dedup = "key", .id = first.id).result, STORE_APPLIED);
	T_CHECK(kit_find(k, &first) == NULL);
}

CONTRACT(expired_keys_are_removed_by_claims)
{
	for (int i = 0; i < 200; i++) {
		struct str key = arena_fmt(&k->arena, "key %d", i);

		PUT(k, .dedup = key.p, .dedup_ms = 1000 + i, .delay_ms = 1000000);
	}
	kit_pass(k, 1100);
	for (int i = 0; i < 10; i++)
		T_EQ_INT(kit_claim(k, 0)->n, 0);
	/* From 1,100 on they are still taken. */
	T_EQ_INT(PUT(k, .dedup = "key 101").refusal, REFUSAL_DUPLICATE);
	T_EQ_INT(PUT(k, .dedup = "key 100").result, STORE_APPLIED);
	T_EQ_INT(PUT(k, .dedup = "key 0").result, STORE_APPLIED);
}

/* ---- limits and repetition ------------------------------------------------------------------- */

CONTRACT(a_new_queue_over_the_limit_is_refused)
{
	struct kit_msg m;

	PUT(k, .queue = "a", .queues_max = 2);
	PUT(k, .queue = "b", .queues_max = 2);
	m = PUT(k, .queue = "c", .queues_max = 2);
	T_EQ_INT(m.result, STORE_REFUSED);
	T_EQ_INT(m.refusal, REFUSAL_LIMIT);
	T_CHECK(kit_find(k, &m) == NULL);
	T_CHECK(kit_gate(k, GATE_QUEUE, "c") == NULL);
	T_EQ_INT(PUT(k, .queue = "b", .queues_max = 2).result, STORE_APPLIED);
	T_EQ_INT(PUT(k, .user = "v", .queue = "c", .queues_max = 2).result, STORE_APPLIED);
	T_EQ_INT(kit_gate_op(k, GATE_QUEUE, "a", GATE_REMOVE), STORE_APPLIED);
	T_EQ_INT(PUT(k, .queue = "c", .queues_max = 2).result, STORE_APPLIED);
}

CONTRACT(the_same_put_twice_is_one_message)
{
	struct kit_msg first = PUT(k, .queue = "q", .flow = "f", .dedup = "key"), again;

	again = PUT(k, .queue = "q", .flow = "f", .dedup = "key", .id = first.id);
	T_EQ_INT(again.result, STORE_APPLIED);
	T_CHECK(!again.leased);
	T_EQ_INT(kit_gate(k, GATE_QUEUE, "q")->waiting, 1);
	T_EQ_STR(kit_events(k, &first), "CREATED");
	T_EQ_STR(kit_started(k, &first, 1), "0");
}

/* The answer was lost: the same request again, as it is. */
static enum store_result put_again(struct kit *k, struct step *step)
{
	step->req.result = STORE_UNKNOWN;
	return kit_do(k, &step->req);
}

CONTRACT(a_put_repeated_after_a_lost_answer_gets_the_lease_it_had)
{
	struct kit_msg m;
	struct move move = kit_put_move(k, &(struct kit_put){ .want_lease = true }, &m);
	struct step step;
	uint64_t lease;

	T_EQ_INT(kit_step(k, &step, &move, 1), STORE_APPLIED);
	T_CHECK(move.put.leased);
	lease = move.put.lease;
	T_EQ_INT(put_again(k, &step), STORE_APPLIED);
	T_CHECK(move.put.leased && move.put.lease == lease);
	T_EQ_STR(kit_events(k, &m), "CREATED ACTIVE");
	m.lease = lease;
	T_EQ_INT(SETTLE(k, &m, SETTLE_DELIVERED).result, STORE_APPLIED);
}

CONTRACT(a_put_repeated_when_the_message_is_over_does_nothing)
{
	struct kit_msg m;
	struct move move = kit_put_move(k, &(struct kit_put){ .dedup = NULL }, &m);
	struct step step;

	T_EQ_INT(kit_step(k, &step, &move, 1), STORE_APPLIED);
	T_EQ_INT(kit_lease_all(k, &m, 1), 1);
	T_EQ_INT(SETTLE(k, &m, SETTLE_DELIVERED).result, STORE_APPLIED);
	T_EQ_INT(put_again(k, &step), STORE_APPLIED);
	T_CHECK(!move.put.leased);
	T_CHECK(kit_find(k, &m) == NULL);
	T_EQ_STR(kit_events(k, &m), "CREATED ACTIVE DELIVERED");
}

CONTRACT(a_put_that_never_arrived_is_done_when_repeated)
{
	struct kit_msg m;
	struct move move = kit_put_move(k, &(struct kit_put){ .want_lease = true }, &m);
	struct step step;

	step_init(&step, &move, 1, NULL, NULL);
	step.req.result = STORE_UNKNOWN;
	step.req.ticket = 12345;
	T_EQ_INT(kit_do(k, &step.req), STORE_APPLIED);
	T_CHECK(move.put.leased);
}

/* ---- steps of several moves ------------------------------------------------------------------ */

CONTRACT(a_step_happens_as_a_whole)
{
	struct kit_msg m[3];
	struct move moves[] = {
		kit_put_move(k, &(struct kit_put){ .want_lease = true, .queue = "q", .flow = "f" },
			     &m[0]),
		kit_put_move(k, &(struct kit_put){ .dedup = "key" }, &m[1]),
		kit_put_move(k, &(struct kit_put){ .user = "v" }, &m[2]),
	};
	struct step step;

	T_EQ_INT(kit_step(k, &step, moves, 3), STORE_APPLIED);
	T_CHECK(moves[0].put.leased);
	for (int i = 0; i < 3; i++)
		T_CHECK(kit_find(k, &m[i]) != NULL);
}

CONTRACT(a_step_whose_last_move_is_refused_leaves_no_trace)
{
	struct kit_msg other = PUT(k, .dedup = "taken"), m[4];
	struct move moves[] = {
		kit_put_move(k, &(struct kit_put){ .want_lease = true, .queue = "q", .flow = "f" },
			     &m[0]),
		kit_put_move(k, &(struct kit_put){ .dedup = "free", .user = "new" }, &m[1]),
		kit_gate_move(GATE_FLOW, "g", GATE_PIN),
		kit_put_move(k, &(struct kit_put){ .queue = "q", .user_parallelism = 7 }, &m[2]),
		kit_put_move(k, &(struct kit_put){ .dedup = "taken" }, &m[3]),
	};
	struct step step;

	T_EQ_INT(kit_step(k, &step, moves, 5), STORE_REFUSED);
	T_EQ_INT(step.refusal, REFUSAL_DUPLICATE);
	T_EQ_INT(step.refused_move, 4);
	T_CHECK(moves[4].put.existing.seq == other.id.seq);
	T_CHECK(!moves[0].put.leased && moves[0].put.lease == 0);
	for (int i = 0; i < 4; i++) {
		T_CHECK(kit_find(k, &m[i]) == NULL);
		T_EQ_STR(kit_events(k, &m[i]), "");
	}
	T_CHECK(kit_gate(k, GATE_QUEUE, "q") == NULL);
	T_CHECK(kit_gate(k, GATE_FLOW, "f") == NULL);
	T_CHECK(kit_gate(k, GATE_FLOW, "g") == NULL);
	T_EQ_INT(kit_gate(k, GATE_USER, "")->gate.parallelism_max, 0);
	T_EQ_INT(PUT(k, .dedup = "free", .user = "new").result, STORE_APPLIED);
	T_EQ_STR(kit_started(k, &other, 1), "0 -");
}

CONTRACT(two_puts_of_a_step_with_one_key_are_refused)
{
	struct kit_msg m[2];
	struct move moves[] = {
		kit_put_move(k, &(struct kit_put){ .dedup = "key" }, &m[0]),
		kit_put_move(k, &(struct kit_put){ .dedup = "key" }, &m[1]),
	};
	struct step step;

	T_EQ_INT(kit_step(k, &step, moves, 2), STORE_REFUSED);
	T_EQ_INT(step.refused_move, 1);
	T_CHECK(kit_find(k, &m[0]) == NULL);
	T_EQ_INT(PUT(k, .dedup = "key").result, STORE_APPLIED);
}

CONTRACT(an_empty_step_is_applied)
{
	struct step step;

	T_EQ_INT(kit_step(k, &step, NULL, 0), STORE_APPLIED);
}

CONTRACT(an_id_that_meets_another_messages_is_refused)
{
	struct kit_msg first = PUT(k, .want_lease = true), second, later;
	struct move moves[2];
	struct step step;

	second = PUT(k, .id = { first.id.seq, first.id.nonce + 1 }, .want_lease = true);
	T_EQ_INT(second.result, STORE_REFUSED);
	T_EQ_INT(second.refusal, REFUSAL_ID);
	T_CHECK(!second.leased);
	T_EQ_STR(kit_events(k, &first), "CREATED ACTIVE");
	/* As the second move of a step, it takes the first along. */
	moves[0] = kit_put_move(k, &(struct kit_put){ .want_lease = true }, &later);
	moves[1] = kit_put_move(k, &(struct kit_put){ .id = second.id }, &second);
	T_EQ_INT(kit_step(k, &step, moves, 2), STORE_REFUSED);
	T_EQ_INT(step.refused_move, 1);
	T_CHECK(kit_find(k, &later) == NULL);
	T_EQ_INT(SETTLE(k, &first, SETTLE_DELIVERED).result, STORE_APPLIED);
}
