/* What is applied outlives a crash, exactly; leases do not. */
#include "kit.h"

#include <string.h>

#include "base/check.h"

CONTRACT_ON(messages_in_every_state_are_there_after_a_crash, kit_durable)
{
	struct kit_msg m[] = {
		PUT(k),
		PUT(k, .delay_ms = 1000, .record_bytes = 9000),
		PUT(k, .user = "v", .want_lease = true),
		PUT(k, .queue = "q"),
		PUT(k, .queue = "q"),
		PUT(k, .user = "w", .flow = "f", .flow_parallelism = 1, .want_lease = true),
		PUT(k, .user = "w", .flow = "f", .flow_parallelism = 1),
	};
	static const enum row_state state[] = { ROW_READY, ROW_SCHEDULED, ROW_READY, ROW_READY,
						ROW_READY, ROW_READY,     ROW_READY };

	T_CHECK(m[2].leased && m[5].leased);
	kit_crash(k);
	for (size_t i = 0; i < countof(m); i++) {
		T_EQ_INT(kit_find(k, &m[i])->state, state[i]);
		T_EQ_INT(kit_find(k, &m[i])->retried, 0);
	}
	T_EQ_INT(kit_gate(k, GATE_QUEUE, "q")->waiting, 2);
	T_EQ_INT(kit_lease_all(k, m, countof(m)), 4);
	T_CHECK(m[0].leased && m[2].leased && m[3].leased && m[5].leased);
	T_EQ_STR(kit_events(k, &m[2]), "CREATED ACTIVE ACTIVE");
}

CONTRACT_ON(a_token_of_before_the_crash_settles_nothing, kit_durable)
{
	struct kit_msg m = PUT(k, .want_lease = true), old = m;

	kit_crash(k);
	T_EQ_INT(SETTLE(k, &old, SETTLE_DELIVERED).refusal, REFUSAL_LEASE);
	T_EQ_INT(kit_lease_all(k, &m, 1), 1);
	T_CHECK(m.lease != old.lease);
	T_EQ_INT(SETTLE(k, &old, SETTLE_DELIVERED).refusal, REFUSAL_LEASE);
	T_EQ_INT(SETTLE(k, &m, SETTLE_DELIVERED).result, STORE_APPLIED);
	kit_crash(k);
	T_CHECK(kit_find(k, &m) == NULL);
}

CONTRACT_ON(queue_slots_outlive_a_crash, kit_durable)
{
	struct kit_msg m[] = { PUT(k, .queue = "q", .want_lease = true), PUT(k, .queue = "q"),
			       PUT(k, .queue = "r", .want_lease = true), PUT(k, .queue = "r") };
	struct kit_msg callback;
	struct move moves[2];
	struct step step;

	SETTLE(k, &m[0], SETTLE_RETRY, .delay_ms = 500);
	moves[0] = kit_settle_move(k, &m[2], &(struct kit_settle){ .to = SETTLE_DELIVERED });
	moves[1] = kit_put_move(k, &(struct kit_put){ .root = m[2].id.seq, .delay_ms = 100 },
				&callback);
	T_EQ_INT(kit_step(k, &step, moves, 2), STORE_APPLIED);
	kit_crash(k);
	T_EQ_STR(kit_started(k, m, 4), "");
	kit_pass(k, 100);
	T_EQ_INT(kit_lease_all(k, &callback, 1), 1);
	kit_crash(k);
	T_EQ_INT(kit_lease_all(k, &callback, 1), 1);
	SETTLE(k, &callback, SETTLE_DELIVERED);
	kit_crash(k);
	T_EQ_STR(kit_started(k, m, 4), "3");
	kit_pass(k, 400);
	T_EQ_STR(kit_started(k, m, 4), "0");
}

CONTRACT_ON(gates_are_as_they_were_after_a_crash, kit_durable)
{
	struct move pin = kit_gate_move(GATE_FLOW, "pinned", GATE_PIN);
	struct move set = kit_gate_move(GATE_QUEUE, "paused", GATE_SET);
	struct scan_row *row;
	struct kit_msg m;
	struct step step;
	int64_t created_ms = k->now_ms;

	pin.gate.parallelism = 3;
	pin.gate.rate = 20;
	pin.gate.period_ms = 120000;
	T_EQ_INT(kit_step(k, &step, &pin, 1), STORE_APPLIED);
	set.gate.parallelism = 4;
	set.gate.paused = 1;
	T_EQ_INT(kit_step(k, &step, &set, 1), STORE_APPLIED);
	m = PUT(k, .queue = "paused", .user_parallelism = 9);
	kit_pass(k, 1000);
	kit_crash(k);
	row = kit_gate(k, GATE_FLOW, "pinned");
	T_EQ_INT(row->gate.parallelism_max, 3);
	T_EQ_INT(row->gate.rate_max, 20);
	T_EQ_INT(row->gate.rate_period_ms, 120000);
	T_CHECK(row->gate.pinned_parallelism && row->gate.pinned_rate && !row->gate.paused);
	row = kit_gate(k, GATE_QUEUE, "paused");
	T_EQ_INT(row->gate.parallelism_max, 4);
	T_EQ_INT(row->created_ms, created_ms);
	T_CHECK(row->gate.paused);
	T_EQ_INT(kit_gate(k, GATE_USER, "")->gate.parallelism_max, 9);
	T_EQ_STR(kit_started(k, &m, 1), "");
	kit_gate_op(k, GATE_QUEUE, "paused", GATE_RESUME);
	T_EQ_STR(kit_started(k, &m, 1), "0");
}

CONTRACT_ON(a_retry_parked_in_a_paused_queue_is_found_after_a_crash, kit_durable)
{
	struct kit_msg m[] = { PUT(k, .queue = "q", .want_lease = true), PUT(k, .queue = "q") };

	kit_gate_op(k, GATE_QUEUE, "q", GATE_PAUSE);
	SETTLE(k, &m[0], SETTLE_RETRY);
	T_EQ_STR(kit_started(k, m, 2), "");
	kit_crash(k);
	T_EQ_STR(kit_started(k, m, 2), "");
	kit_gate_op(k, GATE_QUEUE, "q", GATE_RESUME);
	kit_crash(k);
	T_EQ_STR(kit_started(k, m, 2), "0");
}

CONTRACT_ON(a_rate_window_goes_on_after_a_crash, kit_durable)
{
	struct kit_msg m[5];

	for (int i = 0; i < 5; i++)
		m[i] = PUT(k, .flow = "f", .flow_rate = 2, .flow_period_s = 100,
			   .want_lease = true);
	SETTLE(k, &m[0], SETTLE_DELIVERED);
	SETTLE(k, &m[1], SETTLE_DELIVERED);
	kit_pass(k, 99999);
	kit_crash(k);
	T_EQ_INT(kit_gate(k, GATE_FLOW, "f")->gate.rate_count, 2);
	T_EQ_INT(kit_claim(k, 10)->next_ms, k->now_ms + 1);
	T_EQ_STR(kit_started(k, m, 5), "");
	kit_pass(k, 1);
	T_EQ_STR(kit_started(k, m, 5), "2 3");
}

CONTRACT_ON(a_cancel_is_remembered_through_a_crash, kit_durable)
{
	struct kit_msg m = PUT(k, .want_lease = true, .queue = "q"), next = PUT(k, .queue = "q");

	T_CHECK(kit_cancel(k, &m).was_leased);
	kit_crash(k);
	T_CHECK(kit_find(k, &m) == NULL);
	T_EQ_STR(kit_events(k, &m), "CREATED ACTIVE CANCEL_REQUESTED CANCELED");
	T_EQ_STR(kit_started(k, &next, 1), "0");
}

CONTRACT_ON(deduplication_outlives_a_crash, kit_durable)
{
	struct kit_msg first = PUT(k, .dedup = "key"), second;

	kit_crash(k);
	second = PUT(k, .dedup = "key");
	T_EQ_INT(second.refusal, REFUSAL_DUPLICATE);
	T_CHECK(second.existing.seq == first.id.seq && second.existing.nonce == first.id.nonce);
}

static int64_t put_doc(struct kit *k, const char *name, int64_t due_ms)
{
	struct move m = { .kind = MOVE_DOC_PUT };
	struct step step;

	m.doc_put.doc = DOC_SCHEDULE;
	m.doc_put.user = STR("u");
	m.doc_put.name = str_c(name);
	m.doc_put.value = STR("value");
	m.doc_put.version = -1;
	m.doc_put.due_ms = due_ms;
	T_EQ_INT(kit_step(k, &step, &m, 1), STORE_APPLIED);
	return m.doc_put.new_version;
}

CONTRACT_ON(documents_and_dead_letters_outlive_a_crash, kit_durable)
{
	struct kit_msg m = PUT(k, .want_lease = true);
	int64_t v = put_doc(k, "d", k->now_ms + 100);
	struct claim *c;

	SETTLE(k, &m, SETTLE_DEAD);
	kit_crash(k);
	T_EQ_INT(kit_scan(k, &(struct scan){ .kind = SCAN_DLQ, .user = STR("u") })->rows, 1);
	c = kit_claim(k, 10);
	T_EQ_INT(c->next_ms, k->now_ms + 100);
	kit_pass(k, 100);
	c = kit_claim(k, 10);
	T_EQ_INT(c->docs, 1);
	T_EQ_INT(c->doc->version, v);
	T_CHECK(put_doc(k, "d", 0) > v);
	kit_crash(k);
	T_EQ_INT(kit_claim(k, 10)->docs, 0);
	T_CHECK(put_doc(k, "e", 0) > v + 1);
}

CONTRACT_ON(positions_and_numbers_go_on_after_a_crash, kit_durable)
{
	struct kit_msg m = PUT(k, .want_lease = true);
	uint64_t last;
	struct tail t;

	SETTLE(k, &m, SETTLE_DELIVERED);
	last = k->s->info.outbox_last;
	for (int i = 0; i < 2; i++) {
		kit_crash(k);
		T_CHECK(k->s->info.seq_max == m.id.seq);
		T_CHECK(k->s->info.outbox_last >= last);
		T_EQ_INT(k->s->info.lease_ms, k->lease_ms);
		T_EQ_STR(kit_events(k, &m), "CREATED ACTIVE DELIVERED");
	}
	/* All of it trimmed, and something written after that, so that the trim is on disk. */
	last = k->s->info.outbox_last;
	tail_init(&t, last, 1 << 20, NULL, NULL);
	t.trim = last;
	arena_init(&t.arena);
	T_EQ_INT(kit_do(k, &t.req), STORE_APPLIED);
	arena_done(&t.arena);
	put_doc(k, "d", 0);
	kit_crash(k);
	T_EQ_STR(kit_events(k, &m), "");
	T_CHECK(k->s->info.outbox_last > last);
	T_CHECK(k->s->info.seq_max == m.id.seq);
}

CONTRACT_ON(closing_gives_leases_back_and_keeps_the_rest, kit_durable)
{
	struct kit_msg m[] = { PUT(k, .want_lease = true), PUT(k, .delay_ms = 10) };
	uint64_t last;

	last = k->s->info.outbox_last;
	kit_restart(k);
	T_EQ_INT(kit_find(k, &m[0])->state, ROW_READY);
	T_EQ_STR(kit_started(k, m, 2), "0");
	T_CHECK(k->s->info.outbox_last >= last);
	kit_pass(k, 10);
	T_EQ_STR(kit_started(k, m, 2), "1");
}

/* Submitted, flushed and not yet answered, or not even flushed: there as a whole, or not at all. */
CONTRACT_ON(a_crash_with_unanswered_requests_leaves_whole_steps, kit_durable)
{
	enum { MANY = 50 };
	struct kit_msg m[MANY][2];
	struct move moves[MANY][2];
	struct step step[MANY];

	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < MANY; i++) {
			moves[i][0] = kit_put_move(k, &(struct kit_put){ .queue = "q" }, &m[i][0]);
			moves[i][1] = kit_put_move(k, &(struct kit_put){ .flow = "f" }, &m[i][1]);
			step_init(&step[i], moves[i], 2, kit_ignore, NULL);
			store_submit(k->s, &step[i].req);
			if (i % (10 + round) == 0)
				store_flush(k->s, k->now_ms);
		}
		kit_crash(k);
		for (int i = 0; i < MANY; i++)
			T_CHECK((kit_find(k, &m[i][0]) == NULL) == (kit_find(k, &m[i][1]) == NULL));
	}
}

CONTRACT(closing_answers_everything)
{
	struct kit_msg m[3];
	struct move moves[3];
	struct step step[3];

	for (int i = 0; i < 3; i++) {
		moves[i] = kit_put_move(k, &(struct kit_put){ .want_lease = true }, &m[i]);
		step_init(&step[i], &moves[i], 1, kit_ignore, NULL);
	}
	store_submit(k->s, &step[0].req);
	store_flush(k->s, k->now_ms);
	store_submit(k->s, &step[1].req);
	k->backend->close(k);
	T_EQ_INT(step[0].req.result, STORE_APPLIED);
	T_EQ_INT(step[1].req.result, STORE_UNAVAILABLE);
	T_CHECK(!moves[1].put.leased);
	k->backend->open(k);
}
