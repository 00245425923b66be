/* A user's parallelism, and turns between users and between what a user has. */
#include "kit.h"

#include "base/check.h"

CONTRACT(a_users_parallelism_bounds_all_that_runs)
{
	struct kit_msg m[6];

	for (int i = 0; i < 6; i++)
		m[i] = PUT(k, .user_parallelism = 2, .want_lease = true,
			   .queue = i == 3 ? "q" : NULL, .flow = i == 4 ? "f" : NULL);
	T_CHECK(m[0].leased && m[1].leased && !m[2].leased);
	T_EQ_INT(kit_gate(k, GATE_USER, "")->gate.running, 2);
	T_EQ_INT(kit_gate(k, GATE_USER, "")->gate.parallelism_max, 2);
	T_EQ_STR(kit_started(k, m, 6), "");
	T_EQ_INT(kit_claim(k, 10)->next_ms, INT64_MAX);
	for (int left = 6; left > 0; left--) {
		int i;

		for (i = 0; !m[i].leased; i++)
			T_CHECK(i < 5);
		SETTLE(k, &m[i], SETTLE_DELIVERED);
		m[i].leased = false;
		T_EQ_INT(kit_lease_all(k, m, 6), left > 2 ? 1 : 0);
	}
}

CONTRACT(the_plan_of_the_latest_put_counts)
{
	struct kit_msg m[4];

	for (int i = 0; i < 3; i++)
		m[i] = PUT(k, .user_parallelism = 1);
	T_EQ_INT(kit_lease_all(k, m, 3), 1);
	m[3] = PUT(k, .user_parallelism = 3);
	T_EQ_STR(kit_started(k, m, 4), "1 2");
	T_EQ_INT(kit_gate_op(k, GATE_USER, "", GATE_REMOVE), STORE_APPLIED);
	T_EQ_STR(kit_started(k, m, 4), "3");
}

CONTRACT(the_users_parallelism_can_be_set)
{
	struct kit_msg m[3] = { PUT(k), PUT(k), PUT(k) };
	struct move set = kit_gate_move(GATE_USER, "", GATE_SET);
	struct step step;

	set.gate.parallelism = 2;
	T_EQ_INT(kit_step(k, &step, &set, 1), STORE_APPLIED);
	T_EQ_STR(kit_started(k, m, 3), "0 1");
	set.gate.user = STR("new");
	T_EQ_INT(kit_step(k, &step, &set, 1), STORE_APPLIED);
}

CONTRACT(a_freed_slot_goes_to_those_who_wait_not_to_a_new_put)
{
	struct kit_msg m[3];

	m[0] = PUT(k, .user_parallelism = 1, .want_lease = true);
	m[1] = PUT(k, .user_parallelism = 1, .want_lease = true);
	SETTLE(k, &m[0], SETTLE_DELIVERED);
	m[2] = PUT(k, .user_parallelism = 1, .want_lease = true);
	T_CHECK(!m[2].leased);
	T_EQ_STR(kit_started(k, m, 3), "1");
}

/* ---- turns ----------------------------------------------------------------------------------- */

CONTRACT(a_users_backlog_delays_another_by_a_turn)
{
	enum { MANY = 200 };
	struct kit_msg other;
	size_t at = SIZE_MAX;
	struct claim *c;

	k->unchecked = true;
	for (int i = 0; i < MANY; i++)
		PUT(k);
	k->unchecked = false;
	other = PUT(k, .user = "v");
	c = kit_claim(k, 50);
	T_EQ_INT(c->n, 50);
	T_CHECK(c->more);
	for (size_t i = 0; i < c->n; i++) {
		if (c->leased[i].id.seq == other.id.seq)
			at = i;
	}
	T_CHECK(at < 20);
}

CONTRACT(users_take_equal_turns_across_claims)
{
	enum { USERS = 5, EACH = 40 };
	int count[USERS] = { 0 };
	static const char *const name[USERS] = { "a", "b", "c", "d", "e" };
	uint64_t owner[USERS][EACH];

	k->unchecked = true;
	for (int u = 0; u < USERS; u++) {
		for (int i = 0; i < EACH; i++)
			owner[u][i] = PUT(k, .user = name[u]).id.seq;
	}
	k->unchecked = false;
	for (int round = 0; round < 10; round++) {
		struct claim *c = kit_claim(k, 10);

		for (size_t i = 0; i < c->n * USERS * EACH; i++) {
			int u = (int)(i % (USERS * EACH)) / EACH;

			count[u] += owner[u][i % EACH] == c->leased[i / (USERS * EACH)].id.seq;
		}
	}
	for (int u = 0; u < USERS; u++)
		T_CHECK(count[u] >= 12 && count[u] <= 28);
}

CONTRACT(within_a_user_every_lane_gets_its_turn)
{
	enum { MANY = 60 };
	struct kit_msg m[4];
	struct claim *c;

	m[0] = PUT(k, .queue = "q", .want_lease = true);
	m[1] = PUT(k, .queue = "q");
	m[2] = PUT(k, .flow = "f", .flow_parallelism = 1, .want_lease = true);
	m[3] = PUT(k, .flow = "f", .flow_parallelism = 1);
	T_CHECK(m[0].leased && m[2].leased);
	kit_pass(k, 1);
	k->unchecked = true;
	for (int i = 0; i < MANY; i++)
		PUT(k);
	k->unchecked = false;
	SETTLE(k, &m[0], SETTLE_DELIVERED);
	SETTLE(k, &m[2], SETTLE_DELIVERED);
	c = kit_claim(k, 30);
	T_EQ_INT(c->n, 30);
	T_EQ_INT(kit_find(k, &m[1])->state, ROW_LEASED);
	T_EQ_INT(kit_find(k, &m[3])->state, ROW_LEASED);
}

CONTRACT(a_mass_of_due_messages_with_a_closed_key_lets_others_through)
{
	enum { MANY = 2000 };
	struct kit_msg other;
	int claims = 0;

	k->unchecked = true;
	PUT(k, .flow = "f", .flow_parallelism = 1, .want_lease = true);
	for (int i = 0; i < MANY; i++)
		PUT(k, .flow = "f", .flow_parallelism = 1, .delay_ms = 10);
	other = PUT(k, .user = "v", .delay_ms = 10);
	kit_pass(k, 20);
	T_EQ_INT(kit_claim(k, 10)->leased[0].id.seq, other.id.seq);
	while (kit_claim(k, 10)->more)
		T_CHECK(++claims < MANY);
	k->unchecked = false;
	T_EQ_INT(kit_gate(k, GATE_FLOW, "f")->waiting, MANY);
}

/* ---- how much a claim takes ------------------------------------------------------------------ */

CONTRACT(a_claim_takes_no_more_than_it_may)
{
	struct kit_msg m[5];
	struct claim *c;

	for (int i = 0; i < 5; i++)
		m[i] = PUT(k);
	c = kit_claim(k, 0);
	T_EQ_INT(c->n, 0);
	T_CHECK(c->more);
	c = kit_claim(k, 3);
	T_EQ_STR(kit_order(k, c, m, 5), "0 1 2");
	T_CHECK(c->more);
	c = kit_claim(k, 3);
	T_EQ_STR(kit_order(k, c, m, 5), "3 4");
	T_CHECK(!c->more);
}

CONTRACT(a_claim_takes_no_more_bytes_than_it_may_but_always_one)
{
	static const size_t bytes[] = { 1000, 100000, 1000, 1000 };
	static const char *const expected[] = { "0", "1", "2 3", "" };
	struct kit_msg m[4];

	for (int i = 0; i < 4; i++)
		m[i] = PUT(k, .record_bytes = bytes[i]);
	for (int i = 0; i < 4; i++) {
		struct claim c;

		claim_init(&c, 10, 2500, NULL, NULL);
		arena_init(&c.arena);
		T_EQ_INT(kit_do(k, &c.req), STORE_APPLIED);
		T_EQ_STR(kit_order(k, &c, m, 4), expected[i]);
		T_CHECK(c.more == (i < 2));
		arena_done(&c.arena);
	}
}

CONTRACT(next_ms_is_the_earliest_of_all)
{
	PUT(k, .delay_ms = 5000);
	PUT(k, .user = "v", .delay_ms = 4000);
	T_EQ_INT(kit_claim(k, 10)->next_ms, k->now_ms + 4000);
	PUT(k, .flow = "f", .flow_rate = 1, .flow_period_s = 3, .want_lease = true);
	T_EQ_INT(kit_claim(k, 10)->next_ms, k->now_ms + 4000);
	PUT(k, .flow = "f", .flow_rate = 1, .flow_period_s = 3);
	T_EQ_INT(kit_claim(k, 10)->next_ms, k->now_ms + 3000);
	PUT(k, .user = "w", .delay_ms = 2000);
	T_EQ_INT(kit_claim(k, 10)->next_ms, k->now_ms + 2000);
}

CONTRACT(a_clock_that_is_set_back_delays_but_loses_nothing)
{
	struct kit_msg m[] = { PUT(k, .delay_ms = 1000), PUT(k, .flow = "f", .flow_rate = 1),
			       PUT(k, .flow = "f", .flow_rate = 1),
			       PUT(k, .queue = "q", .delay_ms = 500) };

	kit_pass(k, 1000);
	T_EQ_INT(kit_claim(k, 0)->n, 0);
	kit_pass(k, -900);
	T_EQ_STR(kit_started(k, m, 4), "1");
	kit_pass(k, 900);
	T_EQ_STR(kit_started(k, m, 4), "3 0");
	kit_pass(k, 500);
	T_EQ_STR(kit_started(k, m, 4), "2");
}
