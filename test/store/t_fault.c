/* The decorator that loses requests and answers. */
#include "kit.h"

#include "base/check.h"
#include "store/fault.h"

/* The kit's store, wrapped for the time of a test. */
static void wrap(struct kit *k, struct fault_chances chances)
{
	k->s = fault_wrap(k->s, 7);
	fault_set(k->s, chances);
}

static void unwrap(struct kit *k)
{
	k->s = fault_unwrap(k->s);
}

static enum store_result repeat(struct kit *k, struct store_req *req)
{
	int tries = 1;

	while (kit_do(k, req) == STORE_UNKNOWN)
		T_CHECK(++tries < 1000);
	return req->result;
}

CONTRACT(without_chances_nothing_is_lost)
{
	wrap(k, (struct fault_chances){ 0 });
	for (int i = 0; i < 100; i++) {
		struct kit_msg m = PUT(k, .want_lease = true);

		T_EQ_INT(m.result, STORE_APPLIED);
		T_EQ_INT(SETTLE(k, &m, SETTLE_DELIVERED).result, STORE_APPLIED);
	}
	T_CHECK(k->s->info.outbox_last > 0);
	T_EQ_INT(fault_counts(k->s).lost, 0);
	unwrap(k);
}

CONTRACT(what_is_unavailable_was_not_done)
{
	struct kit_msg m;

	wrap(k, (struct fault_chances){ .unavailable_ppm = 1000000 });
	m = PUT(k, .want_lease = true);
	T_EQ_INT(m.result, STORE_UNAVAILABLE);
	T_CHECK(!m.leased);
	T_EQ_INT(fault_counts(k->s).unavailable, 1);
	unwrap(k);
	T_CHECK(kit_find(k, &m) == NULL);
}

CONTRACT(what_is_unknown_may_be_done_or_not_and_says_nothing)
{
	struct kit_msg m[2];

	wrap(k, (struct fault_chances){ .lost_ppm = 1000000 });
	m[0] = PUT(k, .want_lease = true);
	T_EQ_INT(m[0].result, STORE_UNKNOWN);
	T_CHECK(!m[0].leased);
	fault_set(k->s, (struct fault_chances){ .done_lost_ppm = 1000000 });
	m[1] = PUT(k, .want_lease = true);
	T_EQ_INT(m[1].result, STORE_UNKNOWN);
	T_CHECK(!m[1].leased && m[1].lease == 0);
	T_EQ_INT(fault_counts(k->s).lost, 1);
	T_EQ_INT(fault_counts(k->s).done_lost, 1);
	unwrap(k);
	T_CHECK(kit_find(k, &m[0]) == NULL);
	T_EQ_INT(kit_find(k, &m[1])->state, ROW_LEASED);
}

CONTRACT(lives_go_on_by_repeating_what_is_unknown)
{
	enum { MANY = 200 };

	wrap(k, (struct fault_chances){ .lost_ppm = 200000, .done_lost_ppm = 200000 });
	for (int i = 0; i < MANY; i++) {
		struct kit_msg m;
		bool want = i % 2;
		struct move move =
			kit_put_move(k, &(struct kit_put){ .want_lease = want, .queue = "q" }, &m);
		struct claim c;
		struct step step;

		step_init(&step, &move, 1, NULL, NULL);
		T_EQ_INT(repeat(k, &step.req), STORE_APPLIED);
		T_EQ_INT(move.put.leased, want);
		m.lease = move.put.lease;
		if (!want) {
			claim_init(&c, 10, 1 << 20, NULL, NULL);
			arena_init(&c.arena);
			T_EQ_INT(repeat(k, &c.req), STORE_APPLIED);
			T_EQ_INT(c.n, 1);
			m.lease = c.leased->lease;
			arena_done(&c.arena);
		}
		move = kit_settle_move(k, &m, &(struct kit_settle){ .to = SETTLE_DELIVERED });
		step_init(&step, &move, 1, NULL, NULL);
		/* The second time it may be refused: then the first time it was done. */
		if (repeat(k, &step.req) == STORE_REFUSED)
			T_EQ_INT(step.refusal, REFUSAL_NOT_FOUND);
	}
	T_CHECK(fault_counts(k->s).lost > 50 && fault_counts(k->s).done_lost > 50);
	unwrap(k);
	T_EQ_INT(kit_scan(k, &(struct scan){ .kind = SCAN_MESSAGES, .user = STR("u") })->rows, 0);
	T_EQ_INT(kit_gate(k, GATE_USER, "")->gate.running, 0);
}

static int answered;

static void count_answer(struct store_req *r)
{
	T_CHECK(r->result == STORE_UNAVAILABLE || r->result == STORE_UNKNOWN ||
		r->result == STORE_APPLIED);
	answered++;
}

/* Goes on submitting while the store is being closed. */
static void submit_more(struct store_req *r)
{
	struct store *s = r->arg;
	static struct step more;

	answered++;
	step_init(&more, NULL, 0, count_answer, NULL);
	store_submit(s, &more.req);
}

CONTRACT(closing_answers_what_was_held_back)
{
	struct step step[3];

	answered = 0;
	wrap(k, (struct fault_chances){ .unavailable_ppm = 1000000 });
	step_init(&step[0], NULL, 0, count_answer, NULL);
	store_submit(k->s, &step[0].req);
	fault_set(k->s, (struct fault_chances){ .done_lost_ppm = 1000000 });
	step_init(&step[1], NULL, 0, count_answer, NULL);
	store_submit(k->s, &step[1].req);
	fault_set(k->s, (struct fault_chances){ 0 });
	step_init(&step[2], NULL, 0, submit_more, k->s);
	store_submit(k->s, &step[2].req);
	k->backend->close(k);
	T_EQ_INT(answered, 4);
	k->backend->open(k);
}

CONTRACT(unwrapping_drops_what_is_under_way)
{
	struct step step[2];

	wrap(k, (struct fault_chances){ .done_lost_ppm = 1000000 });
	step_init(&step[0], NULL, 0, kit_ignore, NULL);
	store_submit(k->s, &step[0].req);
	fault_set(k->s, (struct fault_chances){ .unavailable_ppm = 1000000 });
	step_init(&step[1], NULL, 0, kit_ignore, NULL);
	store_submit(k->s, &step[1].req);
	unwrap(k);
	k->backend->kill(k);
	k->backend->open(k);
}
