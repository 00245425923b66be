/* What a user has used: counted with the transitions, by day (UTC), and the daily quota. */
#include "kit.h"

#include "base/check.h"
#include "core/civil.h"

enum { DAY_MS = 24 * 60 * 60 * 1000 };

/* The time of a date at noon. */
static void go_to(struct kit *k, int year, int month, int day)
{
	int64_t noon_ms = civil_days(year, month, day) * DAY_MS + DAY_MS / 2;

	kit_pass(k, noon_ms - k->now_ms);
}

static struct str usage(struct kit *k)
{
	return kit_usage(k, "u", 0);
}

static struct kit_msg put_leased(struct kit *k)
{
	struct kit_msg m = PUT(k, .want_lease = true);

	T_CHECK(m.leased);
	return m;
}

/* ---- counting -------------------------------------------------------------------------------- */

CONTRACT(who_has_used_nothing_has_no_usage)
{
	struct kit_msg m = PUT(k, .user = "v");

	T_EQ_INT(m.used_messages, 1);
	T_EQ_INT(m.used_bytes, 0);
	T_EQ_STR(usage(k), "");
	kit_gate_op(k, GATE_USER, "", GATE_SET);
	T_EQ_STR(usage(k), "");
}

CONTRACT(a_put_counts_a_message_whatever_becomes_of_it)
{
	struct kit_msg m[] = {
		PUT(k),
		PUT(k, .want_lease = true),
		PUT(k, .delay_ms = 1000),
		PUT(k, .queue = "q"),
		PUT(k, .flow = "f"),
	};

	T_EQ_STR(usage(k), "5 0 0 0 0 0 0");
	for (size_t i = 0; i < countof(m); i++)
		T_EQ_INT(m[i].used_messages, i + 1);
	T_EQ_INT(kit_claim(k, 10)->n, 4);
	T_EQ_STR(usage(k), "5 0 0 0 0 0 0");
}

CONTRACT(a_settle_counts_what_became_of_the_attempt_and_its_bytes)
{
	struct kit_msg m[4];

	for (int i = 0; i < 4; i++)
		m[i] = put_leased(k);
	SETTLE(k, &m[0], SETTLE_DELIVERED, .bytes = 100);
	T_EQ_STR(usage(k), "4 100 1 0 0 0 0");
	SETTLE(k, &m[1], SETTLE_RETRY, .bytes = 20, .delay_ms = 1000);
	T_EQ_STR(usage(k), "5 120 1 1 1 0 0");
	SETTLE(k, &m[2], SETTLE_DEAD, .bytes = 3);
	T_EQ_STR(usage(k), "5 123 1 1 2 1 0");
	SETTLE(k, &m[3], SETTLE_HANDBACK, .bytes = 50);
	T_EQ_STR(usage(k), "5 123 1 1 2 1 0");
	T_EQ_INT(PUT(k).used_bytes, 123);
}

CONTRACT(a_callback_counts_as_a_message)
{
	struct kit_msg m = put_leased(k), callback;
	struct move moves[2];
	struct step step;

	moves[0] =
		kit_settle_move(k, &m, &(struct kit_settle){ .to = SETTLE_DELIVERED, .bytes = 7 });
	moves[1] = kit_put_move(k, &(struct kit_put){ .root = m.id.seq }, &callback);
	T_EQ_INT(kit_step(k, &step, moves, 2), STORE_APPLIED);
	T_EQ_STR(usage(k), "2 7 1 0 0 0 0");
	T_EQ_INT(moves[1].put.used_messages, 2);
	T_EQ_INT(moves[1].put.used_bytes, 7);
}

CONTRACT(a_cancelled_message_counts_when_it_is_over)
{
	struct kit_msg waiting = PUT(k, .delay_ms = 1000);
	struct kit_msg running[3];

	for (int i = 0; i < 3; i++)
		running[i] = put_leased(k);
	kit_cancel(k, &waiting);
	T_EQ_STR(usage(k), "4 0 0 0 0 0 1");
	for (int i = 0; i < 3; i++)
		kit_cancel(k, &running[i]);
	T_EQ_STR(usage(k), "4 0 0 0 0 0 1");
	SETTLE(k, &running[0], SETTLE_RETRY, .bytes = 10);
	T_EQ_STR(usage(k), "4 10 0 0 0 0 2");
	SETTLE(k, &running[1], SETTLE_DEAD, .bytes = 10);
	T_EQ_STR(usage(k), "4 20 0 0 0 0 3");
	SETTLE(k, &running[2], SETTLE_DELIVERED, .bytes = 10);
	T_EQ_STR(usage(k), "4 30 1 0 0 0 3");
}

CONTRACT(what_is_refused_counts_nothing)
{
	struct kit_msg first = PUT(k, .dedup = "key", .want_lease = true);
	struct kit_msg moves_m[2];
	struct move moves[2];
	struct step step;

	T_EQ_INT(PUT(k, .dedup = "key").refusal, REFUSAL_DUPLICATE);
	SETTLE(k, &first, SETTLE_DELIVERED, .bytes = 5);
	T_EQ_INT(SETTLE(k, &first, SETTLE_DELIVERED, .bytes = 5).refusal, REFUSAL_NOT_FOUND);
	T_EQ_STR(usage(k), "1 5 1 0 0 0 0");
	moves[0] = kit_put_move(k, &(struct kit_put){ 0 }, &moves_m[0]);
	moves[1] = kit_put_move(k, &(struct kit_put){ .dedup = "key" }, &moves_m[1]);
	T_EQ_INT(kit_step(k, &step, moves, 2), STORE_REFUSED);
	T_EQ_INT(moves[0].put.used_messages, 0);
	T_EQ_STR(usage(k), "1 5 1 0 0 0 0");
	moves[0] = kit_put_move(k, &(struct kit_put){ .user = "new" }, &moves_m[0]);
	moves[1] = kit_put_move(k, &(struct kit_put){ .dedup = "key" }, &moves_m[1]);
	T_EQ_INT(kit_step(k, &step, moves, 2), STORE_REFUSED);
	T_EQ_STR(kit_usage(k, "new", 0), "");
	T_EQ_INT(PUT(k, .user = "new").used_messages, 1);
	T_EQ_STR(kit_usage(k, "new", 0), "1 0 0 0 0 0 0");
}

/* As after UNKNOWN: the same step again. */
CONTRACT(a_repetition_counts_nothing)
{
	struct kit_msg m;
	struct move put = kit_put_move(k, &(struct kit_put){ .want_lease = true }, &m), settle;
	struct step step;

	step_init(&step, &put, 1, kit_ignore, NULL);
	for (int i = 0; i < 3; i++) {
		T_EQ_INT(kit_do(k, &step.req), STORE_APPLIED);
		T_EQ_INT(put.put.used_messages, 1);
		T_EQ_STR(usage(k), "1 0 0 0 0 0 0");
		step.req.result = STORE_UNKNOWN;
	}
	m.lease = put.put.lease;
	settle = kit_settle_move(k, &m, &(struct kit_settle){ .to = SETTLE_RETRY, .bytes = 9 });
	step_init(&step, &settle, 1, kit_ignore, NULL);
	for (int i = 0; i < 3; i++) {
		T_EQ_INT(kit_do(k, &step.req), i ? STORE_REFUSED : STORE_APPLIED);
		T_EQ_STR(usage(k), "2 9 0 1 1 0 0");
		step.req.result = STORE_UNKNOWN;
	}
}

/* ---- days and months ------------------------------------------------------------------------- */

CONTRACT(a_day_ends_at_midnight_utc)
{
	struct kit_msg m = put_leased(k);

	go_to(k, 2026, 11, 24);
	SETTLE(k, &m, SETTLE_RETRY, .bytes = 4);
	kit_pass(k, DAY_MS / 2 - 1);
	PUT(k);
	T_EQ_STR(usage(k), "2 4 0 1 1 0 0");
	kit_pass(k, 1);
	T_EQ_STR(usage(k), "");
	T_EQ_INT(PUT(k).used_messages, 1);
	T_EQ_STR(usage(k), "1 0 0 0 0 0 0");
	T_EQ_STR(kit_usage(k, "u", 1), "2 4 0 1 1 0 0");
	/* The clock may be set back: it is that day again. */
	kit_pass(k, -1);
	T_EQ_INT(PUT(k).used_messages, 3);
	T_EQ_STR(usage(k), "3 4 0 1 1 0 0");
	kit_pass(k, 1);
	T_EQ_STR(usage(k), "1 0 0 0 0 0 0");
}

CONTRACT(the_bytes_of_a_month_are_summed)
{
	struct kit_msg m;

	for (int day = 27; day <= 30; day++) {
		go_to(k, 2026, 11, day);
		m = put_leased(k);
		T_EQ_INT(m.used_bytes, (day - 27) * 1000);
		SETTLE(k, &m, SETTLE_DELIVERED, .bytes = 1000);
		T_EQ_INT(PUT(k, .delay_ms = 90 * (int64_t)DAY_MS).used_bytes, (day - 26) * 1000);
	}
	go_to(k, 2026, 12, 1);
	T_EQ_INT(PUT(k).used_bytes, 0);
	go_to(k, 2026, 11, 28);
	T_EQ_INT(PUT(k).used_bytes, 4000);
}

CONTRACT(a_step_that_is_taken_back_takes_the_new_month_back_too)
{
	struct move moves[2] = { { .kind = MOVE_CANCEL }, { .kind = MOVE_DLQ_REMOVE } };
	struct kit_msg m;
	struct step s;

	go_to(k, 2026, 7, 1);
	m = put_leased(k);
	SETTLE(k, &m, SETTLE_DELIVERED, .bytes = 1000);
	go_to(k, 2026, 7, 2);
	m = PUT(k, .delay_ms = 90 * (int64_t)DAY_MS);
	go_to(k, 2026, 8, 1);
	moves[0].cancel.user = m.user;
	moves[0].cancel.id = m.id;
	moves[1].dlq_remove.user = m.user;
	/* After which the store's own counts are checked, like after every request. */
	T_EQ_INT(kit_step(k, &s, moves, 2), STORE_REFUSED);
	T_EQ_INT(PUT(k).used_bytes, 0);
}

CONTRACT(days_are_listed_in_order_from_any_on)
{
	static const int days[] = { 1, 2, 5, 6 };
	struct scan s = { .kind = SCAN_USAGE, .user = STR("u"), .max = 2 };
	struct scan *got;

	for (size_t i = 0; i < countof(days); i++) {
		go_to(k, 2026, 11, days[i]);
		for (size_t n = 0; n <= i; n++)
			PUT(k);
		PUT(k, .user = "v");
	}
	s.usage_day = civil_days(2026, 11, 2);
	got = kit_scan(k, &s);
	T_EQ_INT(got->rows, 2);
	T_CHECK(got->more);
	T_EQ_INT(got->row[0].usage.day, civil_days(2026, 11, 2));
	T_EQ_INT(got->row[0].usage.messages, 2);
	T_EQ_INT(got->row[1].usage.day, civil_days(2026, 11, 5));
	s.usage_day = got->row[1].usage.day + 1;
	got = kit_scan(k, &s);
	T_EQ_INT(got->rows, 1);
	T_CHECK(!got->more);
	T_EQ_INT(got->row[0].usage.messages, 4);
	s.usage_day++;
	T_EQ_INT(kit_scan(k, &s)->rows, 0);
}

CONTRACT(old_usage_goes)
{
	struct scan s = { .kind = SCAN_USAGE, .user = STR("u") };

	go_to(k, 2026, 11, 1);
	PUT(k);
	PUT(k, .user = "v");
	kit_pass(k, DAY_MS);
	PUT(k);
	kit_pass(k, (USAGE_DAYS_KEPT - 2) * (int64_t)DAY_MS);
	kit_claim(k, 0);
	T_EQ_INT(kit_scan(k, &s)->rows, 2);
	kit_pass(k, DAY_MS);
	kit_claim(k, 0);
	T_EQ_INT(kit_scan(k, &s)->rows, 1);
	T_EQ_STR(kit_usage(k, "u", USAGE_DAYS_KEPT - 1), "1 0 0 0 0 0 0");
	T_EQ_STR(kit_usage(k, "v", USAGE_DAYS_KEPT), "");
	kit_pass(k, DAY_MS);
	kit_claim(k, 0);
	T_EQ_INT(kit_scan(k, &s)->rows, 0);
}

CONTRACT_ON(usage_outlives_a_crash, kit_durable)
{
	struct kit_msg m = put_leased(k);

	SETTLE(k, &m, SETTLE_DELIVERED, .bytes = 11);
	for (int i = 0; i < 2; i++) {
		kit_crash(k);
		T_EQ_STR(usage(k), i ? "2 11 1 0 0 0 0" : "1 11 1 0 0 0 0");
		m = PUT(k);
		T_EQ_INT(m.used_messages, 2 + i);
		T_EQ_INT(m.used_bytes, 11);
		kit_restart(k);
		T_EQ_STR(usage(k), i ? "3 11 1 0 0 0 0" : "2 11 1 0 0 0 0");
	}
	T_EQ_INT(PUT(k, .day_messages_max = 3).refusal, REFUSAL_QUOTA);
}

/* ---- the quota ------------------------------------------------------------------------------- */

CONTRACT(the_daily_quota_is_exact_and_changes_nothing)
{
	struct kit_msg m;

	for (int i = 0; i < 3; i++)
		T_EQ_INT(PUT(k, .day_messages_max = 3).result, STORE_APPLIED);
	m = PUT(k, .day_messages_max = 3, .queue = "q", .flow = "f", .dedup = "key");
	T_EQ_INT(m.result, STORE_REFUSED);
	T_EQ_INT(m.refusal, REFUSAL_QUOTA);
	T_EQ_INT(m.used_messages, 3);
	T_CHECK(kit_find(k, &m) == NULL);
	T_CHECK(kit_gate(k, GATE_QUEUE, "q") == NULL);
	T_CHECK(kit_gate(k, GATE_FLOW, "f") == NULL);
	T_EQ_STR(kit_events(k, &m), "");
	T_EQ_STR(usage(k), "3 0 0 0 0 0 0");
	/* Others, and those without a limit, go on; so does the same user when the limit is higher. */
	T_EQ_INT(PUT(k, .user = "v", .day_messages_max = 3).result, STORE_APPLIED);
	T_EQ_INT(PUT(k, .day_messages_max = 4, .dedup = "key").result, STORE_APPLIED);
	T_EQ_INT(PUT(k).result, STORE_APPLIED);
	T_EQ_INT(PUT(k, .day_messages_max = 4).used_messages, 5);
	kit_pass(k, DAY_MS);
	T_EQ_INT(PUT(k, .day_messages_max = 1).result, STORE_APPLIED);
	T_EQ_INT(PUT(k, .day_messages_max = 1).refusal, REFUSAL_QUOTA);
}

CONTRACT(retries_use_the_quota_but_are_never_refused)
{
	struct kit_msg m = PUT(k, .want_lease = true, .day_messages_max = 2);

	for (int i = 0; i < 3; i++) {
		T_EQ_INT(SETTLE(k, &m, SETTLE_RETRY).result, STORE_APPLIED);
		T_EQ_INT(kit_lease_all(k, &m, 1), 1);
	}
	T_EQ_STR(usage(k), "4 0 0 3 3 0 0");
	T_EQ_INT(PUT(k, .day_messages_max = 4).refusal, REFUSAL_QUOTA);
	T_EQ_INT(PUT(k, .day_messages_max = 5).result, STORE_APPLIED);
}

CONTRACT(a_step_over_the_quota_is_refused_whole)
{
	struct kit_msg m[3];
	struct move moves[3];
	struct step step;

	for (int i = 0; i < 3; i++)
		moves[i] = kit_put_move(k, &(struct kit_put){ .day_messages_max = 2 }, &m[i]);
	T_EQ_INT(kit_step(k, &step, moves, 3), STORE_REFUSED);
	T_EQ_INT(step.refusal, REFUSAL_QUOTA);
	T_EQ_INT(step.refused_move, 2);
	T_EQ_STR(usage(k), "");
	T_EQ_INT(kit_step(k, &step, moves, 2), STORE_APPLIED);
	T_EQ_INT(moves[1].put.used_messages, 2);
	T_EQ_STR(usage(k), "2 0 0 0 0 0 0");
}

CONTRACT(a_duplicate_over_the_quota_is_a_duplicate)
{
	PUT(k, .dedup = "key", .day_messages_max = 1);
	T_EQ_INT(PUT(k, .dedup = "key", .day_messages_max = 1).refusal, REFUSAL_DUPLICATE);
	T_EQ_INT(PUT(k, .dedup = "other", .day_messages_max = 1).refusal, REFUSAL_QUOTA);
}

/* Requests of one batch see each other. */
CONTRACT(a_batch_counts_exactly)
{
	enum { MANY = 20, QUOTA = 7 };
	struct kit_msg m[MANY];
	struct move moves[MANY];
	struct step step[MANY];
	int applied = 0;

	for (int i = 0; i < MANY; i++) {
		moves[i] = kit_put_move(k, &(struct kit_put){ .day_messages_max = QUOTA }, &m[i]);
		step_init(&step[i], &moves[i], 1, kit_ignore, NULL);
		if (i < MANY - 1)
			store_submit(k->s, &step[i].req);
	}
	T_EQ_INT(kit_do(k, &step[MANY - 1].req), STORE_REFUSED);
	for (int i = 0; i < MANY; i++) {
		applied += step[i].req.result == STORE_APPLIED;
		T_EQ_INT(moves[i].put.used_messages, i < QUOTA ? i + 1 : QUOTA);
	}
	T_EQ_INT(applied, QUOTA);
	T_EQ_STR(usage(k), "7 0 0 0 0 0 0");
}
