/* Flow-control keys: parallelism, rate, pause, pins, wait lists (spec 5.8). */
#include "kit.h"

#include "base/check.h"

static struct gate flow(struct kit *k)
{
	struct scan_row *row = kit_gate(k, GATE_FLOW, "f");

	T_CHECK(row != NULL);
	return row->gate;
}

static int64_t wait_list(struct kit *k)
{
	return kit_gate(k, GATE_FLOW, "f")->waiting;
}

static void pin(struct kit *k, int64_t parallelism, int64_t rate, int64_t period_ms)
{
	struct move m = kit_gate_move(GATE_FLOW, "f", GATE_PIN);
	struct step step;

	m.gate.parallelism = parallelism;
	m.gate.rate = rate;
	m.gate.period_ms = period_ms;
	T_EQ_INT(kit_step(k, &step, &m, 1), STORE_APPLIED);
}

static void unpin(struct kit *k, bool parallelism, bool rate)
{
	struct move m = kit_gate_move(GATE_FLOW, "f", GATE_UNPIN);
	struct step step;

	m.gate.unpin_parallelism = parallelism;
	m.gate.unpin_rate = rate;
	T_EQ_INT(kit_step(k, &step, &m, 1), STORE_APPLIED);
}

CONTRACT(parallelism_bounds_what_runs_with_a_key)
{
	struct kit_msg m[5];

	for (int i = 0; i < 5; i++)
		m[i] = PUT(k, .flow = "f", .flow_parallelism = 2, .want_lease = true);
	T_CHECK(m[0].leased && m[1].leased && !m[2].leased);
	T_EQ_INT(flow(k).running, 2);
	T_EQ_INT(wait_list(k), 3);
	T_EQ_STR(kit_started(k, m, 5), "");
	SETTLE(k, &m[1], SETTLE_DELIVERED);
	T_EQ_INT(kit_lease_all(k, m, 5), 1);
	T_CHECK(m[2].leased);
	SETTLE(k, &m[0], SETTLE_DEAD);
	SETTLE(k, &m[2], SETTLE_DELIVERED);
	T_EQ_STR(kit_started(k, m, 5), "3 4");
	T_EQ_INT(wait_list(k), 0);
}

CONTRACT(a_message_that_waits_for_its_retry_holds_no_slot_of_its_key)
{
	struct kit_msg m[] = { PUT(k, .flow = "f", .flow_parallelism = 1, .want_lease = true),
			       PUT(k, .flow = "f", .flow_parallelism = 1) };

	SETTLE(k, &m[0], SETTLE_RETRY, .delay_ms = 100);
	T_EQ_INT(kit_lease_all(k, m, 2), 1);
	T_CHECK(m[1].leased);
	kit_pass(k, 100);
	T_EQ_STR(kit_started(k, m, 2), "");
	T_EQ_INT(wait_list(k), 1);
	SETTLE(k, &m[1], SETTLE_DELIVERED);
	T_EQ_STR(kit_started(k, m, 2), "0");
}

CONTRACT(a_rate_starts_so_many_per_window)
{
	struct kit_msg m[7];
	struct claim *c;

	for (int i = 0; i < 7; i++)
		m[i] = PUT(k, .flow = "f", .flow_rate = 3, .flow_period_s = 2, .want_lease = true);
	T_CHECK(m[2].leased && !m[3].leased);
	T_EQ_INT(flow(k).rate_count, 3);
	T_EQ_INT(flow(k).rate_period_ms, 2000);
	c = kit_claim(k, 10);
	T_EQ_INT(c->n, 0);
	T_EQ_INT(c->next_ms, k->now_ms + 2000);
	/* That they end makes no room. */
	SETTLE(k, &m[0], SETTLE_DELIVERED);
	T_EQ_STR(kit_started(k, m, 7), "");
	kit_pass(k, 1999);
	T_EQ_STR(kit_started(k, m, 7), "");
	kit_pass(k, 1);
	T_EQ_STR(kit_started(k, m, 7), "3 4 5");
	kit_pass(k, 5000);
	T_EQ_STR(kit_started(k, m, 7), "6");
}

CONTRACT(a_retry_takes_a_token_too)
{
	struct kit_msg m[] = { PUT(k, .flow = "f", .flow_rate = 2, .flow_period_s = 10,
				   .want_lease = true),
			       PUT(k, .flow = "f", .flow_rate = 2, .flow_period_s = 10) };

	SETTLE(k, &m[0], SETTLE_RETRY, .delay_ms = 1);
	T_EQ_STR(kit_started(k, m, 2), "1");
	kit_pass(k, 9999);
	T_EQ_STR(kit_started(k, m, 2), "");
	kit_pass(k, 1);
	T_EQ_STR(kit_started(k, m, 2), "0");
}

CONTRACT(the_wait_list_is_first_in_first_out)
{
	struct kit_msg m[5];

	m[0] = PUT(k, .flow = "f", .flow_parallelism = 1, .delay_ms = 30);
	m[1] = PUT(k, .flow = "f", .flow_parallelism = 1, .delay_ms = 20);
	m[2] = PUT(k, .flow = "f", .flow_parallelism = 1, .want_lease = true);
	T_CHECK(m[2].leased);
	kit_pass(k, 10);
	m[3] = PUT(k, .flow = "f", .flow_parallelism = 1);
	kit_pass(k, 90);
	m[4] = PUT(k, .flow = "f", .flow_parallelism = 1, .want_lease = true);
	T_EQ_STR(kit_started(k, m, 5), "");
	for (int i = 0; i < 4; i++) {
		static const int order[] = { 3, 1, 0, 4 };
		int before = i ? order[i - 1] : 2;

		SETTLE(k, &m[before], SETTLE_DELIVERED);
		T_EQ_INT(kit_lease_all(k, m, 5), 1);
		T_CHECK(m[order[i]].leased);
	}
}

CONTRACT(nobody_overtakes_the_wait_list)
{
	struct kit_msg m[3];

	m[0] = PUT(k, .flow = "f", .flow_parallelism = 1, .want_lease = true);
	m[1] = PUT(k, .flow = "f", .flow_parallelism = 1);
	SETTLE(k, &m[0], SETTLE_DELIVERED);
	m[2] = PUT(k, .flow = "f", .flow_parallelism = 1, .want_lease = true);
	T_CHECK(!m[2].leased);
	T_EQ_INT(kit_lease_all(k, m, 3), 1);
	T_CHECK(m[1].leased);
}

CONTRACT(a_handed_back_message_is_the_first_of_its_key_again)
{
	struct kit_msg m[] = { PUT(k, .flow = "f", .flow_parallelism = 1, .want_lease = true),
			       PUT(k, .flow = "f", .flow_parallelism = 1) };

	kit_pass(k, 100);
	SETTLE(k, &m[0], SETTLE_HANDBACK);
	T_EQ_INT(wait_list(k), 2);
	T_EQ_STR(kit_started(k, m, 2), "0");
}

CONTRACT(a_closed_key_does_not_hold_up_others)
{
	struct kit_msg m[] = { PUT(k, .flow = "f", .flow_parallelism = 1, .want_lease = true),
			       PUT(k, .flow = "f", .flow_parallelism = 1), PUT(k, .flow = "g"),
			       PUT(k) };

	T_EQ_STR(kit_started(k, m, 4), "2 3");
	T_CHECK(PUT(k, .want_lease = true).leased);
	T_CHECK(PUT(k, .flow = "g", .want_lease = true).leased);
}

CONTRACT(the_latest_message_configures_the_key)
{
	PUT(k, .flow = "f", .flow_parallelism = 3, .flow_rate = 5, .flow_period_s = 7);
	T_EQ_INT(flow(k).parallelism_max, 3);
	T_EQ_INT(flow(k).rate_max, 5);
	T_EQ_INT(flow(k).rate_period_ms, 7000);
	PUT(k, .flow = "f", .flow_parallelism = 4, .delay_ms = 1000);
	T_EQ_INT(flow(k).parallelism_max, 4);
	T_EQ_INT(flow(k).rate_max, 0);
}

CONTRACT(a_new_setting_acts_on_those_that_wait)
{
	struct kit_msg m[4];

	for (int i = 0; i < 3; i++)
		m[i] = PUT(k, .flow = "f", .flow_parallelism = 1, .want_lease = true);
	m[3] = PUT(k, .flow = "f", .flow_parallelism = 3, .want_lease = true);
	T_CHECK(!m[3].leased);
	T_EQ_STR(kit_started(k, m, 4), "1 2");
}

/* ---- by hand --------------------------------------------------------------------------------- */

CONTRACT(a_paused_key_starts_nothing_and_its_window_goes_on)
{
	struct kit_msg m[4];

	m[0] = PUT(k, .flow = "f", .flow_rate = 2, .flow_period_s = 10, .want_lease = true);
	T_EQ_INT(kit_gate_op(k, GATE_FLOW, "f", GATE_PAUSE), STORE_APPLIED);
	for (int i = 1; i < 4; i++)
		m[i] = PUT(k, .flow = "f", .flow_rate = 2, .flow_period_s = 10, .want_lease = true);
	T_CHECK(!m[1].leased);
	T_EQ_INT(kit_claim(k, 10)->next_ms, INT64_MAX);
	T_CHECK(flow(k).paused);
	T_EQ_INT(flow(k).rate_count, 1);
	T_EQ_INT(SETTLE(k, &m[0], SETTLE_DELIVERED).result, STORE_APPLIED);
	kit_pass(k, 4000);
	T_EQ_INT(kit_gate_op(k, GATE_FLOW, "f", GATE_RESUME), STORE_APPLIED);
	T_EQ_STR(kit_started(k, m, 4), "1");
	kit_pass(k, 6000);
	T_EQ_STR(kit_started(k, m, 4), "2 3");
}

CONTRACT(pause_and_pin_may_make_a_key)
{
	struct move m = kit_gate_move(GATE_FLOW, "f", GATE_PAUSE);
	struct step step;

	T_EQ_INT(kit_step(k, &step, &m, 1), STORE_REFUSED);
	T_EQ_INT(step.refusal, REFUSAL_NOT_FOUND);
	T_EQ_INT(kit_gate_op(k, GATE_FLOW, "f", GATE_UNPIN), STORE_REFUSED);
	T_EQ_INT(kit_gate_op(k, GATE_FLOW, "f", GATE_RESET_RATE), STORE_REFUSED);
	m.gate.create = true;
	T_EQ_INT(kit_step(k, &step, &m, 1), STORE_APPLIED);
	T_CHECK(!PUT(k, .flow = "f", .want_lease = true).leased);
	T_EQ_INT(kit_gate_op(k, GATE_FLOW, "g", GATE_PIN), STORE_APPLIED);
	T_CHECK(kit_gate(k, GATE_FLOW, "g") != NULL);
}

CONTRACT(a_pinned_setting_is_not_changed_by_messages)
{
	pin(k, 3, 20, 120000);
	T_CHECK(flow(k).pinned_parallelism && flow(k).pinned_rate);
	PUT(k, .flow = "f", .flow_parallelism = 1, .flow_rate = 1);
	T_EQ_INT(flow(k).parallelism_max, 3);
	T_EQ_INT(flow(k).rate_max, 20);
	T_EQ_INT(flow(k).rate_period_ms, 120000);
	unpin(k, true, false);
	T_CHECK(!flow(k).pinned_parallelism && flow(k).pinned_rate);
	T_EQ_INT(flow(k).parallelism_max, 3);
	PUT(k, .flow = "f", .flow_parallelism = 1, .flow_rate = 1);
	T_EQ_INT(flow(k).parallelism_max, 1);
	T_EQ_INT(flow(k).rate_max, 20);
}

CONTRACT(a_pin_acts_at_once)
{
	struct kit_msg m[4];

	for (int i = 0; i < 4; i++)
		m[i] = PUT(k, .flow = "f", .flow_parallelism = 1);
	T_EQ_INT(kit_lease_all(k, m, 4), 1);
	pin(k, 3, -1, -1);
	T_EQ_INT(kit_lease_all(k, m, 4), 2);
	T_CHECK(!flow(k).pinned_rate);
}

CONTRACT(resetting_the_rate_opens_the_window)
{
	struct kit_msg m[3];

	for (int i = 0; i < 3; i++)
		m[i] = PUT(k, .flow = "f", .flow_rate = 1, .flow_period_s = 100);
	T_EQ_STR(kit_started(k, m, 3), "0");
	T_EQ_INT(kit_gate_op(k, GATE_FLOW, "f", GATE_RESET_RATE), STORE_APPLIED);
	T_EQ_INT(flow(k).rate_count, 0);
	T_EQ_INT(flow(k).running, 1);
	T_EQ_STR(kit_started(k, m, 3), "1");
}

CONTRACT(a_reset_forgives_what_runs)
{
	struct kit_msg m[4];

	for (int i = 0; i < 4; i++)
		m[i] = PUT(k, .flow = "f", .flow_parallelism = 1);
	T_EQ_INT(kit_lease_all(k, m, 4), 1);
	T_EQ_INT(kit_gate_op(k, GATE_FLOW, "f", GATE_RESET), STORE_APPLIED);
	T_EQ_INT(flow(k).running, 0);
	T_EQ_INT(kit_lease_all(k, m, 4), 1);
	T_EQ_INT(flow(k).running, 1);
	/* The forgiven one gives no slot back when it ends. */
	SETTLE(k, &m[0], SETTLE_DELIVERED);
	T_EQ_INT(flow(k).running, 1);
	T_EQ_STR(kit_started(k, m, 4), "");
	SETTLE(k, &m[1], SETTLE_RETRY, .delay_ms = 1);
	kit_pass(k, 1);
	T_EQ_STR(kit_started(k, m, 4), "2");
}

/* ---- how long a key is known ----------------------------------------------------------------- */

CONTRACT(an_unused_key_vanishes_after_a_while)
{
	struct kit_msg m = PUT(k, .flow = "f", .flow_parallelism = 9, .want_lease = true);

	kit_pass(k, 1000000);
	T_CHECK(kit_gate(k, GATE_FLOW, "f") != NULL);
	SETTLE(k, &m, SETTLE_DELIVERED);
	kit_pass(k, 59999);
	T_CHECK(kit_gate(k, GATE_FLOW, "f") != NULL);
	kit_pass(k, 1);
	T_CHECK(kit_gate(k, GATE_FLOW, "f") == NULL);
	T_EQ_INT(kit_gate_op(k, GATE_FLOW, "f", GATE_PAUSE), STORE_REFUSED);
	/* As good as new, whether its row is still there or not. */
	PUT(k, .flow = "f", .delay_ms = 1);
	T_EQ_INT(flow(k).parallelism_max, 0);
	T_EQ_INT(kit_gate(k, GATE_FLOW, "f")->created_ms, k->now_ms);
}

CONTRACT(a_key_whose_window_is_not_over_is_known)
{
	struct kit_msg m =
		PUT(k, .flow = "f", .flow_rate = 1, .flow_period_s = 3600, .want_lease = true);

	SETTLE(k, &m, SETTLE_DELIVERED);
	for (int i = 0; i < 59; i++) {
		kit_pass(k, 60000);
		T_EQ_INT(kit_claim(k, 1)->n, 0);
	}
	T_EQ_INT(flow(k).rate_count, 1);
	T_CHECK(!PUT(k, .flow = "f", .flow_rate = 1, .flow_period_s = 3600, .want_lease = true)
			 .leased);
}

CONTRACT(keys_that_are_pinned_paused_or_scheduled_are_kept)
{
	struct kit_msg m = PUT(k, .flow = "scheduled", .flow_rate = 5, .delay_ms = 100000000);

	pin(k, 1, -1, -1);
	PUT(k, .flow = "paused");
	kit_gate_op(k, GATE_FLOW, "paused", GATE_PAUSE);
	for (int i = 0; i < 5; i++) {
		kit_pass(k, 10000000);
		T_EQ_INT(kit_claim(k, 1)->n, 0);
	}
	T_CHECK(kit_gate(k, GATE_FLOW, "f") != NULL && kit_gate(k, GATE_FLOW, "paused") != NULL);
	T_EQ_INT(kit_gate(k, GATE_FLOW, "scheduled")->gate.rate_max, 5);
	kit_cancel(k, &m);
	unpin(k, true, true);
	kit_gate_op(k, GATE_FLOW, "paused", GATE_REMOVE);
	T_EQ_INT(kit_claim(k, 1)->n, 1);
	kit_pass(k, 60000);
	T_CHECK(kit_gate(k, GATE_FLOW, "f") == NULL && kit_gate(k, GATE_FLOW, "scheduled") == NULL);
}

CONTRACT(thousands_of_keys_come_and_go)
{
	enum { MANY = 1200 };
	struct scan *s;

	k->unchecked = true;
	for (int i = 0; i < MANY; i++) {
		struct kit_msg m =
			PUT(k, .flow = arena_fmt(&k->arena, "key %05d", i).p, .want_lease = true);

		T_EQ_INT(SETTLE(k, &m, SETTLE_DELIVERED).result, STORE_APPLIED);
	}
	s = kit_scan(k, &(struct scan){ .kind = SCAN_GATES, .user = STR("u"), .gate = GATE_FLOW });
	T_EQ_INT(s->rows, 1000);
	T_CHECK(s->more);
	for (int i = 0; i < MANY / 50; i++) {
		kit_pass(k, 60000);
		T_EQ_INT(kit_claim(k, 1)->n, 0);
	}
	k->unchecked = false;
	s = kit_scan(k, &(struct scan){ .kind = SCAN_GATES, .user = STR("u"), .gate = GATE_FLOW });
	T_EQ_INT(s->rows, 0);
}

/* ---- with a queue, with the user's limit ----------------------------------------------------- */

CONTRACT(a_message_passes_its_queue_and_then_its_key)
{
	struct kit_msg m[4];

	m[0] = PUT(k, .flow = "f", .flow_parallelism = 1, .want_lease = true);
	m[1] = PUT(k, .queue = "q", .flow = "f", .flow_parallelism = 1);
	m[2] = PUT(k, .queue = "q");
	m[3] = PUT(k, .flow = "f", .flow_parallelism = 1);
	T_EQ_STR(kit_started(k, m, 4), "");
	SETTLE(k, &m[0], SETTLE_DELIVERED);
	T_EQ_INT(kit_lease_all(k, m, 4), 1);
	T_CHECK(m[1].leased);
	SETTLE(k, &m[1], SETTLE_DELIVERED);
	T_EQ_STR(kit_started(k, m, 4), "3 2");
}

CONTRACT(out_of_a_queue_a_message_joins_the_end_of_its_keys_list)
{
	struct kit_msg m[4];

	m[0] = PUT(k, .queue = "q", .want_lease = true);
	m[1] = PUT(k, .queue = "q", .flow = "f", .flow_parallelism = 1);
	kit_pass(k, 10);
	m[2] = PUT(k, .flow = "f", .flow_parallelism = 1, .want_lease = true);
	m[3] = PUT(k, .flow = "f", .flow_parallelism = 1);
	kit_pass(k, 10);
	SETTLE(k, &m[0], SETTLE_DELIVERED);
	T_EQ_STR(kit_started(k, m, 4), "");
	SETTLE(k, &m[2], SETTLE_DELIVERED);
	T_EQ_INT(kit_lease_all(k, m, 4), 1);
	T_CHECK(m[3].leased);
	SETTLE(k, &m[3], SETTLE_DELIVERED);
	T_EQ_STR(kit_started(k, m, 4), "1");
}

CONTRACT(a_token_is_only_taken_with_the_users_slot)
{
	struct kit_msg m[4];

	m[0] = PUT(k, .user_parallelism = 1, .want_lease = true);
	for (int i = 1; i < 4; i++)
		m[i] = PUT(k, .user_parallelism = 1, .flow = "f", .flow_rate = 2,
			   .flow_period_s = 10, .want_lease = true);
	T_CHECK(m[0].leased && !m[1].leased);
	T_EQ_INT(flow(k).rate_count, 0);
	kit_pass(k, 60000);
	SETTLE(k, &m[0], SETTLE_DELIVERED);
	T_EQ_INT(kit_lease_all(k, m, 4), 1);
	SETTLE(k, &m[1], SETTLE_DELIVERED);
	T_EQ_INT(kit_lease_all(k, m, 4), 1);
	SETTLE(k, &m[2], SETTLE_DELIVERED);
	T_EQ_STR(kit_started(k, m, 4), "");
	kit_pass(k, 10000);
	T_EQ_STR(kit_started(k, m, 4), "3");
}
