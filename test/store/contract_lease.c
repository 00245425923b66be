/* Holders of leases: several, dying, coming back; claims whose answer was lost. */
#include "kit.h"

#include "base/check.h"

/* The others show that they live while only one dies. */
static void pass_alive(struct kit *k, struct store *other, int64_t ms)
{
	k->now_ms += ms;
	store_flush(k->s, k->now_ms);
	if (other != NULL)
		store_flush(other, k->now_ms);
}

CONTRACT_ON(holders_share_the_work, kit_shared)
{
	struct kit_msg m[4];
	struct store *b;

	b = k->backend->another(k);
	for (int i = 0; i < 4; i++)
		m[i] = PUT(k);
	T_EQ_STR(kit_order(k, kit_claim(k, 2), m, 4), "0 1");
	T_EQ_STR(kit_order(k, kit_claim_on(k, b, 10), m, 4), "2 3");
	store_close(b);
	/* Closing gives leases back. */
	T_EQ_INT(kit_find(k, &m[2])->state, ROW_READY);
	T_EQ_STR(kit_started(k, m, 4), "2 3");
}

CONTRACT_ON(a_lease_belongs_to_its_token_whoever_settles, kit_shared)
{
	struct kit_msg m = PUT(k, .want_lease = true);
	struct store *b;

	b = k->backend->another(k);
	T_EQ_INT(SETTLE(k, &m, SETTLE_DELIVERED, .on = b).result, STORE_APPLIED);
	T_CHECK(kit_find(k, &m) == NULL);
	store_close(b);
}

CONTRACT_ON(a_dead_holders_leases_come_back_and_not_before, kit_shared)
{
	struct kit_msg m[5];
	struct store *b;
	struct claim *c;

	b = k->backend->another(k);
	m[0] = PUT(k, .want_lease = true, .on = b);
	m[1] = PUT(k, .want_lease = true, .queue = "q", .on = b);
	m[2] = PUT(k, .want_lease = true, .flow = "f", .flow_parallelism = 1, .on = b);
	m[3] = PUT(k, .queue = "q");
	m[4] = PUT(k, .flow = "f", .flow_parallelism = 1);
	T_CHECK(m[0].leased && m[1].leased && m[2].leased);
	k->backend->kill_another(k, b);
	c = kit_claim(k, 10);
	T_EQ_INT(c->n, 0);
	T_EQ_INT(c->next_ms, k->now_ms + k->lease_ms);
	pass_alive(k, NULL, k->lease_ms - 1);
	T_EQ_STR(kit_started(k, m, 5), "");
	T_EQ_INT(kit_gate(k, GATE_FLOW, "f")->gate.running, 1);
	pass_alive(k, NULL, 1);
	/* Those that had a place have it still. */
	T_EQ_STR(kit_started(k, m, 5), "0 1 2");
	T_EQ_INT(kit_gate(k, GATE_FLOW, "f")->gate.running, 1);
	T_EQ_INT(kit_gate(k, GATE_QUEUE, "q")->gate.running, 1);
	T_EQ_INT(kit_find(k, &m[0])->retried, 0);
	T_EQ_STR(kit_events(k, &m[0]), "CREATED ACTIVE ACTIVE");
	T_EQ_INT(kit_claim(k, 10)->next_ms, INT64_MAX);
}

CONTRACT_ON(a_holder_that_flushes_is_not_dead, kit_shared)
{
	struct kit_msg m;
	struct store *b;

	b = k->backend->another(k);
	m = PUT(k, .want_lease = true, .on = b);
	for (int i = 0; i < 10; i++) {
		pass_alive(k, b, k->lease_ms / 3);
		T_EQ_STR(kit_started(k, &m, 1), "");
	}
	T_EQ_INT(SETTLE(k, &m, SETTLE_DELIVERED, .on = b).result, STORE_APPLIED);
	store_close(b);
}

CONTRACT_ON(a_late_settle_of_a_holder_taken_for_dead_is_refused, kit_shared)
{
	struct kit_msg m, old;
	struct store *b;

	b = k->backend->another(k);
	m = old = PUT(k, .want_lease = true, .on = b);
	pass_alive(k, NULL, k->lease_ms);
	T_EQ_INT(kit_lease_all(k, &m, 1), 1);
	T_EQ_INT(SETTLE(k, &old, SETTLE_DELIVERED, .on = b).refusal, REFUSAL_LEASE);
	T_EQ_INT(SETTLE(k, &m, SETTLE_DELIVERED).result, STORE_APPLIED);
	/* It goes on as if nothing had happened. */
	m = PUT(k, .want_lease = true, .on = b);
	T_CHECK(m.leased);
	T_EQ_INT(SETTLE(k, &m, SETTLE_DELIVERED, .on = b).result, STORE_APPLIED);
	store_close(b);
}

CONTRACT_ON(a_dead_holders_cancelled_message_is_over, kit_shared)
{
	struct kit_msg m[2];
	struct store *b;

	b = k->backend->another(k);
	m[0] = PUT(k, .want_lease = true, .queue = "q", .on = b);
	m[1] = PUT(k, .queue = "q");
	T_CHECK(kit_cancel(k, &m[0]).was_leased);
	k->backend->kill_another(k, b);
	pass_alive(k, NULL, k->lease_ms);
	T_EQ_STR(kit_started(k, m, 2), "1");
	T_CHECK(kit_find(k, &m[0]) == NULL);
	T_EQ_STR(kit_events(k, &m[0]), "CREATED ACTIVE CANCEL_REQUESTED CANCELED");
}

CONTRACT_ON(a_closing_holder_ends_its_cancelled_message, kit_shared)
{
	struct kit_msg m;
	struct store *b;

	b = k->backend->another(k);
	m = PUT(k, .want_lease = true, .on = b);
	kit_cancel(k, &m);
	store_close(b);
	T_CHECK(kit_find(k, &m) == NULL);
	T_EQ_STR(kit_events(k, &m), "CREATED ACTIVE CANCEL_REQUESTED CANCELED");
}

CONTRACT_ON(several_holders_die_at_once, kit_shared)
{
	enum { HOLDERS = 4, EACH = 30 };
	struct store *b[HOLDERS];
	struct kit_msg m[HOLDERS * EACH];

	k->unchecked = true;
	for (int h = 0; h < HOLDERS; h++) {
		b[h] = k->backend->another(k);
		for (int i = 0; i < EACH; i++)
			m[h * EACH + i] = PUT(k, .want_lease = true, .on = b[h]);
	}
	for (int h = 0; h < HOLDERS; h++)
		k->backend->kill_another(k, b[h]);
	k->unchecked = false;
	pass_alive(k, NULL, k->lease_ms);
	T_EQ_INT(kit_lease_all(k, m, HOLDERS * EACH), HOLDERS * EACH);
	T_EQ_INT(kit_gate(k, GATE_USER, "")->gate.running, HOLDERS * EACH);
}

/* ---- lost answers ---------------------------------------------------------------------------- */

CONTRACT(a_claim_repeated_after_a_lost_answer_gets_what_it_had)
{
	struct kit_msg m[4];
	struct claim *c;
	uint64_t lease;

	for (int i = 0; i < 4; i++)
		m[i] = PUT(k, .record_bytes = i == 1 ? 9000 : 0);
	c = kit_claim(k, 2);
	T_EQ_STR(kit_order(k, c, m, 4), "0 1");
	lease = c->leased[1].lease;
	/* The kit has taken the first one's memory. */
	arena_init(&c->arena);
	c->req.result = STORE_UNKNOWN;
	T_EQ_INT(kit_do(k, &c->req), STORE_APPLIED);
	T_EQ_STR(kit_order(k, c, m, 4), "0 1");
	T_CHECK(c->leased[1].lease == lease);
	T_CHECK(c->more);
	arena_done(&c->arena);
	T_EQ_STR(kit_events(k, &m[0]), "CREATED ACTIVE");
	T_EQ_STR(kit_started(k, m, 4), "2 3");
}

CONTRACT(a_claim_that_never_arrived_claims_when_repeated)
{
	struct kit_msg m = PUT(k);
	struct claim c;

	claim_init(&c, 5, 1 << 20, NULL, NULL);
	arena_init(&c.arena);
	c.req.result = STORE_UNKNOWN;
	c.req.ticket = 777;
	T_EQ_INT(kit_do(k, &c.req), STORE_APPLIED);
	T_EQ_STR(kit_order(k, &c, &m, 1), "0");
	arena_done(&c.arena);
}

CONTRACT(a_new_claim_gets_nothing_that_an_old_one_has)
{
	struct kit_msg m[2] = { PUT(k), PUT(k) };
	struct claim *c = kit_claim(k, 1);

	/* The same struct, but its answer had come. */
	arena_init(&c->arena);
	T_EQ_INT(kit_do(k, &c->req), STORE_APPLIED);
	T_EQ_STR(kit_order(k, c, m, 2), "1");
	arena_done(&c->arena);
}
