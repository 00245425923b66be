/* Queues: order, slots through retries and callbacks, parallelism, pause, lag (spec 5.1). */
#include "kit.h"

#include "base/check.h"

static enum store_result set_queue(struct kit *k, int64_t parallelism, int paused)
{
	struct move m = kit_gate_move(GATE_QUEUE, "q", GATE_SET);
	struct step step;

	m.gate.parallelism = parallelism;
	m.gate.paused = paused;
	return kit_step(k, &step, &m, 1);
}

CONTRACT(a_queue_made_by_a_put_starts_one_at_a_time)
{
	struct kit_msg m[] = { PUT(k, .queue = "q"), PUT(k, .queue = "q"), PUT(k, .queue = "q") };
	struct scan_row *row = kit_gate(k, GATE_QUEUE, "q");

	T_EQ_INT(row->gate.parallelism_max, 1);
	T_EQ_INT(row->created_ms, k->now_ms);
	T_EQ_INT(row->waiting, 3);
	for (int i = 0; i < 3; i++) {
		T_EQ_INT(kit_lease_all(k, m, 3), 1);
		T_CHECK(m[i].leased);
		T_EQ_INT(kit_gate(k, GATE_QUEUE, "q")->waiting, 3 - i);
		SETTLE(k, &m[i], SETTLE_DELIVERED);
	}
	T_EQ_INT(kit_gate(k, GATE_QUEUE, "q")->waiting, 0);
}

CONTRACT(a_put_into_an_empty_queue_is_leased_and_the_next_is_not)
{
	struct kit_msg m[] = { PUT(k, .queue = "q", .want_lease = true),
			       PUT(k, .queue = "q", .want_lease = true),
			       PUT(k, .queue = "r", .want_lease = true) };

	T_CHECK(m[0].leased && !m[1].leased && m[2].leased);
	T_EQ_STR(kit_started(k, m, 3), "");
	T_EQ_INT(kit_find(k, &m[1])->state, ROW_READY);
}

CONTRACT(a_retried_message_holds_its_place)
{
	struct kit_msg m[] = { PUT(k, .queue = "q", .want_lease = true), PUT(k, .queue = "q") };

	SETTLE(k, &m[0], SETTLE_RETRY, .delay_ms = 1000);
	T_EQ_STR(kit_started(k, m, 2), "");
	T_CHECK(!PUT(k, .queue = "q", .want_lease = true).leased);
	kit_pass(k, 1000);
	T_EQ_INT(kit_lease_all(k, m, 2), 1);
	SETTLE(k, &m[0], SETTLE_DEAD);
	T_EQ_STR(kit_started(k, m, 2), "1");
}

CONTRACT(a_handed_back_message_holds_its_place)
{
	struct kit_msg m[] = { PUT(k, .queue = "q", .want_lease = true), PUT(k, .queue = "q") };

	SETTLE(k, &m[0], SETTLE_HANDBACK);
	T_EQ_STR(kit_started(k, m, 2), "0");
}

CONTRACT(a_delayed_head_holds_up_the_others)
{
	struct kit_msg m[] = { PUT(k, .queue = "q", .delay_ms = 1000), PUT(k, .queue = "q"),
			       PUT(k, .queue = "q", .delay_ms = 5000), PUT(k, .queue = "q") };

	T_EQ_INT(kit_find(k, &m[2])->state, ROW_SCHEDULED);
	T_EQ_INT(kit_find(k, &m[3])->state, ROW_READY);
	T_EQ_INT(kit_claim(k, 10)->next_ms, k->now_ms + 1000);
	kit_pass(k, 1000);
	T_EQ_INT(kit_lease_all(k, m, 4), 1);
	SETTLE(k, &m[0], SETTLE_DELIVERED);
	T_EQ_INT(kit_lease_all(k, m, 4), 1);
	SETTLE(k, &m[1], SETTLE_DELIVERED);
	/* Now the second delayed one is the head. */
	T_EQ_STR(kit_started(k, m, 4), "");
	T_EQ_INT(kit_claim(k, 10)->next_ms, k->now_ms + 4000);
	kit_pass(k, 4000);
	T_EQ_STR(kit_started(k, m, 4), "2");
}

CONTRACT(a_cancelled_head_lets_the_next_one_go)
{
	struct kit_msg m[] = { PUT(k, .queue = "q", .delay_ms = 100000), PUT(k, .queue = "q"),
			       PUT(k, .queue = "q", .want_lease = true) };

	T_EQ_INT(kit_cancel(k, &m[0]).result, STORE_APPLIED);
	T_EQ_INT(kit_lease_all(k, m, 3), 1);
	T_CHECK(m[1].leased);
	/* One that runs keeps the slot until its attempt ends. */
	T_CHECK(kit_cancel(k, &m[1]).was_leased);
	T_EQ_STR(kit_started(k, m, 3), "");
	T_CHECK(SETTLE(k, &m[1], SETTLE_RETRY).was_cancelled);
	T_EQ_STR(kit_started(k, m, 3), "2");
}

CONTRACT(parallelism_n_starts_the_first_n)
{
	struct kit_msg m[5];

	set_queue(k, 3, 0);
	for (int i = 0; i < 5; i++)
		m[i] = PUT(k, .queue = "q", .delay_ms = i == 1 ? 1000 : 0);
	/* The delayed one is among the first three. */
	T_EQ_INT(kit_lease_all(k, m, 5), 2);
	T_CHECK(m[0].leased && m[2].leased);
	SETTLE(k, &m[2], SETTLE_DELIVERED);
	T_EQ_INT(kit_lease_all(k, m, 5), 1);
	T_CHECK(m[3].leased);
	kit_pass(k, 1000);
	T_EQ_INT(kit_lease_all(k, m, 5), 1);
	T_CHECK(m[1].leased);
	T_EQ_INT(kit_gate(k, GATE_QUEUE, "q")->gate.running, 3);
}

CONTRACT(parallelism_can_be_raised_and_lowered)
{
	struct kit_msg m[6];

	for (int i = 0; i < 6; i++)
		m[i] = PUT(k, .queue = "q");
	T_EQ_INT(kit_lease_all(k, m, 6), 1);
	set_queue(k, 4, -1);
	T_EQ_INT(kit_lease_all(k, m, 6), 3);
	set_queue(k, 2, -1);
	SETTLE(k, &m[0], SETTLE_DELIVERED);
	SETTLE(k, &m[1], SETTLE_DELIVERED);
	T_EQ_STR(kit_started(k, m, 6), "");
	SETTLE(k, &m[2], SETTLE_DELIVERED);
	T_EQ_STR(kit_started(k, m, 6), "4");
}

/* ---- pause ----------------------------------------------------------------------------------- */

CONTRACT(a_paused_queue_starts_nothing)
{
	struct kit_msg m[3];

	T_EQ_INT(kit_gate_op(k, GATE_QUEUE, "q", GATE_PAUSE), STORE_REFUSED);
	set_queue(k, 2, 1);
	m[0] = PUT(k, .queue = "q", .want_lease = true);
	m[1] = PUT(k, .queue = "q", .delay_ms = 10);
	m[2] = PUT(k, .queue = "q");
	T_CHECK(!m[0].leased);
	kit_pass(k, 1000);
	T_EQ_STR(kit_started(k, m, 3), "");
	T_CHECK(kit_gate(k, GATE_QUEUE, "q")->gate.paused);
	T_EQ_INT(kit_gate(k, GATE_QUEUE, "q")->waiting, 3);
	T_EQ_INT(kit_gate_op(k, GATE_QUEUE, "q", GATE_RESUME), STORE_APPLIED);
	T_EQ_INT(kit_gate_op(k, GATE_QUEUE, "q", GATE_RESUME), STORE_APPLIED);
	T_EQ_STR(kit_started(k, m, 3), "0 1");
}

CONTRACT(a_retry_waits_while_its_queue_is_paused)
{
	struct kit_msg m[] = { PUT(k, .queue = "q", .want_lease = true), PUT(k, .queue = "q") };

	T_EQ_INT(kit_gate_op(k, GATE_QUEUE, "q", GATE_PAUSE), STORE_APPLIED);
	SETTLE(k, &m[0], SETTLE_RETRY, .delay_ms = 100);
	kit_pass(k, 100);
	T_EQ_STR(kit_started(k, m, 2), "");
	T_EQ_INT(kit_find(k, &m[0])->state, ROW_READY);
	kit_pass(k, 100);
	T_EQ_STR(kit_started(k, m, 2), "");
	set_queue(k, -1, 0);
	T_EQ_STR(kit_started(k, m, 2), "0");
}

CONTRACT(what_ran_when_its_queue_was_paused_finishes)
{
	struct kit_msg m[] = { PUT(k, .queue = "q", .want_lease = true), PUT(k, .queue = "q") };

	kit_gate_op(k, GATE_QUEUE, "q", GATE_PAUSE);
	T_EQ_INT(SETTLE(k, &m[0], SETTLE_DELIVERED).result, STORE_APPLIED);
	T_EQ_STR(kit_started(k, m, 2), "");
	kit_gate_op(k, GATE_QUEUE, "q", GATE_RESUME);
	T_EQ_STR(kit_started(k, m, 2), "1");
}

CONTRACT(a_parked_retry_can_be_cancelled)
{
	struct kit_msg m[] = { PUT(k, .queue = "q", .want_lease = true), PUT(k, .queue = "q") };

	kit_gate_op(k, GATE_QUEUE, "q", GATE_PAUSE);
	SETTLE(k, &m[0], SETTLE_RETRY);
	T_EQ_STR(kit_started(k, m, 2), "");
	T_EQ_INT(kit_cancel(k, &m[0]).result, STORE_APPLIED);
	kit_gate_op(k, GATE_QUEUE, "q", GATE_RESUME);
	T_EQ_STR(kit_started(k, m, 2), "1");
}

/* ---- callbacks ------------------------------------------------------------------------------- */

/* Ends an attempt and puts its callback in the same step. */
static struct kit_msg settle_with_callback(struct kit *k, const struct kit_msg *m,
					   enum settle_to to, bool settle_first)
{
	struct kit_msg callback;
	size_t at = settle_first ? 0 : 1;
	struct move moves[2];
	struct step step;

	moves[at] = kit_settle_move(k, m, &(struct kit_settle){ .to = to, .delay_ms = 100 });
	moves[1 - at] = kit_put_move(
		k, &(struct kit_put){ .queue = "q", .root = m->id.seq, .want_lease = true },
		&callback);
	T_EQ_INT(kit_step(k, &step, moves, 2), STORE_APPLIED);
	callback.leased = moves[1 - at].put.leased;
	callback.lease = moves[1 - at].put.lease;
	return callback;
}

static const bool orders[] = { true, false };

CONTRACT(the_next_one_waits_for_the_callback)
{
	for (size_t i = 0; i < countof(orders); i++) {
		struct kit_msg m[] = { PUT(k, .queue = "q", .want_lease = true),
				       PUT(k, .queue = "q") };
		struct kit_msg callback;

		T_CHECK(m[0].leased);
		callback = settle_with_callback(k, &m[0], SETTLE_DELIVERED, orders[i]);
		T_CHECK(callback.leased);
		T_CHECK(kit_find(k, &m[0]) == NULL);
		/* The callback is no message of the queue. */
		T_EQ_INT(kit_gate(k, GATE_QUEUE, "q")->waiting, 1);
		T_EQ_INT(kit_gate(k, GATE_QUEUE, "q")->gate.running, 1);
		T_EQ_STR(kit_started(k, m, 2), "");
		SETTLE(k, &callback, SETTLE_RETRY, .delay_ms = 100);
		T_EQ_STR(kit_started(k, m, 2), "");
		kit_pass(k, 100);
		T_EQ_INT(kit_lease_all(k, &callback, 1), 1);
		SETTLE(k, &callback, SETTLE_DEAD);
		T_EQ_INT(kit_lease_all(k, m, 2), 1);
		T_CHECK(m[1].leased);
		SETTLE(k, &m[1], SETTLE_DELIVERED);
	}
}

CONTRACT(a_slot_is_free_when_the_last_of_message_and_callbacks_has_ended)
{
	struct kit_msg m[] = { PUT(k, .queue = "q", .want_lease = true), PUT(k, .queue = "q") };
	struct kit_msg first = settle_with_callback(k, &m[0], SETTLE_RETRY, true), second;

	kit_pass(k, 100);
	T_EQ_INT(kit_lease_all(k, m, 2), 1);
	second = settle_with_callback(k, &m[0], SETTLE_DEAD, true);
	T_EQ_STR(kit_started(k, m, 2), "");
	T_EQ_INT(SETTLE(k, &second, SETTLE_DELIVERED).result, STORE_APPLIED);
	T_EQ_STR(kit_started(k, m, 2), "");
	T_EQ_INT(kit_cancel(k, &first).was_leased, true);
	T_CHECK(SETTLE(k, &first, SETTLE_RETRY).was_cancelled);
	T_EQ_STR(kit_started(k, m, 2), "1");
}

CONTRACT(the_slot_stays_when_the_message_outlives_its_callback)
{
	struct kit_msg m[] = { PUT(k, .queue = "q", .want_lease = true), PUT(k, .queue = "q") };
	struct kit_msg callback = settle_with_callback(k, &m[0], SETTLE_RETRY, false);

	SETTLE(k, &callback, SETTLE_DELIVERED);
	T_EQ_INT(kit_gate(k, GATE_QUEUE, "q")->gate.running, 1);
	kit_pass(k, 100);
	T_EQ_INT(kit_lease_all(k, m, 2), 1);
	T_CHECK(m[0].leased);
	SETTLE(k, &m[0], SETTLE_DELIVERED);
	T_EQ_STR(kit_started(k, m, 2), "1");
}

CONTRACT(callbacks_go_on_while_their_queue_is_paused)
{
	struct kit_msg m[] = { PUT(k, .queue = "q", .want_lease = true), PUT(k, .queue = "q") };
	struct kit_msg callback;

	kit_gate_op(k, GATE_QUEUE, "q", GATE_PAUSE);
	callback = settle_with_callback(k, &m[0], SETTLE_DELIVERED, true);
	T_CHECK(callback.leased);
	SETTLE(k, &callback, SETTLE_DELIVERED);
	T_EQ_STR(kit_started(k, m, 2), "");
	kit_gate_op(k, GATE_QUEUE, "q", GATE_RESUME);
	T_EQ_STR(kit_started(k, m, 2), "1");
}

CONTRACT(a_callback_of_a_message_without_a_queue_waits_for_nobody)
{
	struct kit_msg m = PUT(k, .want_lease = true), callback;
	struct move moves[] = {
		kit_settle_move(k, &m, &(struct kit_settle){ .to = SETTLE_DELIVERED }),
		kit_put_move(k, &(struct kit_put){ .root = m.id.seq, .want_lease = true },
			     &callback),
	};
	struct step step;

	T_EQ_INT(kit_step(k, &step, moves, 2), STORE_APPLIED);
	T_CHECK(moves[1].put.leased);
	callback.lease = moves[1].put.lease;
	T_EQ_INT(SETTLE(k, &callback, SETTLE_DELIVERED).result, STORE_APPLIED);
}

CONTRACT(a_message_and_its_callback_cancelled_in_one_step_free_one_slot)
{
	struct kit_msg m[] = { PUT(k, .queue = "q", .want_lease = true), PUT(k, .queue = "q"),
			       PUT(k, .queue = "q") };
	struct kit_msg callback = settle_with_callback(k, &m[0], SETTLE_RETRY, true);
	struct move moves[2] = { { .kind = MOVE_CANCEL }, { .kind = MOVE_CANCEL } };
	struct step step;

	SETTLE(k, &callback, SETTLE_RETRY, .delay_ms = 1000);
	moves[0].cancel.user = moves[1].cancel.user = STR("u");
	moves[0].cancel.id = m[0].id;
	moves[1].cancel.id = callback.id;
	set_queue(k, 2, 0);
	T_EQ_INT(kit_lease_all(k, m, 3), 1);
	T_EQ_INT(kit_step(k, &step, moves, 2), STORE_APPLIED);
	T_EQ_INT(kit_gate(k, GATE_QUEUE, "q")->gate.running, 1);
	T_EQ_STR(kit_started(k, m, 3), "2");
}

CONTRACT(a_new_message_takes_no_slot_past_the_line)
{
	struct kit_msg m[4];

	m[0] = PUT(k, .queue = "q", .want_lease = true);
	m[1] = PUT(k, .queue = "q");
	SETTLE(k, &m[0], SETTLE_DELIVERED);
	/* The slot is free, but no claim has given it to the next one yet. */
	m[2] = PUT(k, .queue = "q", .want_lease = true);
	m[3] = PUT(k, .queue = "q", .delay_ms = 10);
	T_CHECK(!m[2].leased);
	T_EQ_STR(kit_started(k, m, 4), "1");
}

/* ---- the queue itself ------------------------------------------------------------------------ */

CONTRACT(setting_a_queue_creates_and_changes_it)
{
	struct scan_row *row;
	int64_t created_ms = k->now_ms;

	T_CHECK(kit_gate(k, GATE_QUEUE, "q") == NULL);
	set_queue(k, 5, 1);
	row = kit_gate(k, GATE_QUEUE, "q");
	T_EQ_INT(row->gate.parallelism_max, 5);
	T_CHECK(row->gate.paused);
	kit_pass(k, 50);
	set_queue(k, 2, -1);
	row = kit_gate(k, GATE_QUEUE, "q");
	T_EQ_INT(row->gate.parallelism_max, 2);
	T_CHECK(row->gate.paused);
	T_EQ_INT(row->created_ms, created_ms);
	T_EQ_INT(row->updated_ms, created_ms + 50);
	set_queue(k, -1, 0);
	row = kit_gate(k, GATE_QUEUE, "q");
	T_EQ_INT(row->gate.parallelism_max, 2);
	T_CHECK(!row->gate.paused);
	/* A message does not change it. */
	kit_pass(k, 50);
	PUT(k, .queue = "q");
	T_EQ_INT(kit_gate(k, GATE_QUEUE, "q")->gate.parallelism_max, 2);
	T_EQ_INT(kit_gate(k, GATE_QUEUE, "q")->updated_ms, created_ms + 50);
}

CONTRACT(setting_a_new_queue_respects_the_limit)
{
	struct move m = kit_gate_move(GATE_QUEUE, "b", GATE_SET);
	struct step step;

	set_queue(k, 1, 0);
	m.gate.count_max = 1;
	T_EQ_INT(kit_step(k, &step, &m, 1), STORE_REFUSED);
	T_EQ_INT(step.refusal, REFUSAL_LIMIT);
	m.gate.name = STR("q");
	T_EQ_INT(kit_step(k, &step, &m, 1), STORE_APPLIED);
	T_EQ_INT(kit_gate_op(k, GATE_QUEUE, "q", GATE_REMOVE), STORE_APPLIED);
	m.gate.name = STR("b");
	T_EQ_INT(kit_step(k, &step, &m, 1), STORE_APPLIED);
}

CONTRACT(a_removed_queue_is_gone_and_can_be_made_again)
{
	T_EQ_INT(kit_gate_op(k, GATE_QUEUE, "q", GATE_REMOVE), STORE_APPLIED);
	set_queue(k, 5, 1);
	T_EQ_INT(kit_gate_op(k, GATE_QUEUE, "q", GATE_REMOVE), STORE_APPLIED);
	T_CHECK(kit_gate(k, GATE_QUEUE, "q") == NULL);
	T_EQ_INT(kit_gate_op(k, GATE_QUEUE, "q", GATE_PAUSE), STORE_REFUSED);
	for (int i = 0; i < 3; i++) {
		kit_pass(k, 2000);
		T_EQ_INT(kit_claim(k, 10)->n, 0);
	}
	T_CHECK(PUT(k, .queue = "q", .want_lease = true).leased);
	T_EQ_INT(kit_gate(k, GATE_QUEUE, "q")->gate.parallelism_max, 1);
	T_EQ_INT(kit_gate(k, GATE_QUEUE, "q")->created_ms, k->now_ms);
}

CONTRACT(messages_of_a_removed_queue_are_still_delivered)
{
	struct kit_msg m[] = { PUT(k, .queue = "q", .want_lease = true), PUT(k, .queue = "q"),
			       PUT(k, .queue = "q") };

	set_queue(k, 2, 1);
	T_EQ_INT(kit_gate_op(k, GATE_QUEUE, "q", GATE_REMOVE), STORE_APPLIED);
	T_CHECK(kit_gate(k, GATE_QUEUE, "q") == NULL);
	SETTLE(k, &m[0], SETTLE_DELIVERED);
	T_EQ_INT(kit_lease_all(k, m, 3), 1);
	SETTLE(k, &m[1], SETTLE_DELIVERED);
	T_EQ_INT(kit_lease_all(k, m, 3), 1);
	/* It comes back with what is left in it. */
	set_queue(k, 3, 0);
	T_EQ_INT(kit_gate(k, GATE_QUEUE, "q")->waiting, 1);
	SETTLE(k, &m[2], SETTLE_DELIVERED);
	T_EQ_INT(kit_gate(k, GATE_QUEUE, "q")->gate.running, 0);
}

CONTRACT(queues_of_one_name_belong_to_their_users)
{
	struct kit_msg m[] = { PUT(k, .queue = "q", .want_lease = true),
			       PUT(k, .user = "v", .queue = "q", .want_lease = true) };

	T_CHECK(m[0].leased && m[1].leased);
	T_EQ_INT(kit_gate(k, GATE_QUEUE, "q")->waiting, 1);
}

CONTRACT(a_long_queue_goes_through_in_order)
{
	enum { MANY = 300 };
	struct kit_msg m[MANY];

	k->unchecked = true;
	for (int i = 0; i < MANY; i++)
		m[i] = PUT(k, .queue = "q", .delay_ms = i % 7 == 3 ? 5 : 0);
	for (int i = 0; i < MANY; i++) {
		if (kit_lease_all(k, m, MANY) == 0) {
			kit_pass(k, 5);
			T_EQ_INT(kit_lease_all(k, m, MANY), 1);
		}
		T_CHECK(m[i].leased);
		SETTLE(k, &m[i], SETTLE_DELIVERED);
	}
	k->unchecked = false;
	T_EQ_INT(kit_gate(k, GATE_QUEUE, "q")->waiting, 0);
}
