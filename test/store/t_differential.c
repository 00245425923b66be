/* The Redis backend against the embedded one: random moves on both, every answer and the full state compared.
 *
 * DIFFERENTIAL_MOVES=100000 in the environment plays more of them, DIFFERENTIAL_SEED=n others. */
#include "play.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

enum { MOVES = 3000, COMPARE_EVERY = 200, BATCH_MAX = 40 };
enum { QUEUES = 2, FLOWS = 2 };
enum { TIMES = 1 << 17 }; /* ms ahead that are looked at for being free */

const char *const play_user[PLAY_USERS] = { "u", "user-1", "{w}%", "user-12" };
const char *const play_key[PLAY_KEYS] = { "k0", "k1", "k2", "k3" };
const char *const play_doc[PLAY_DOCS] = { "", "a", "b", "c" };
static const char *const queue_name[QUEUES] = { "q", "queue" };
static const char *const flow_name[FLOWS] = { "f", "flow" };

int play_below(struct play *p, int n)
{
	return twins_below(&p->t, n);
}

bool play_chance(struct play *p, int percent)
{
	return twins_chance(&p->t, percent);
}

/* ---- time ------------------------------------------------------------------------------------ */

/* Each key has periods of its own, so that windows which begin together do not end together. */
static int64_t period_s(int user, int flow)
{
	return 1 + user * FLOWS + flow;
}

static int64_t pinned_period_ms(int user, int flow)
{
	return 500 + 37 * (user * FLOWS + flow);
}

static uint8_t *taken(struct play *p, int64_t ms)
{
	return &p->taken[ms % TIMES];
}

static bool windows_are_free(struct play *p, int64_t now_ms, bool take)
{
	bool is_free = *taken(p, now_ms) == 0;

	for (int i = 0; i < PLAY_USERS * FLOWS; i++) {
		int64_t at[] = { now_ms + period_s(i / FLOWS, i % FLOWS) * 1000,
				 now_ms + pinned_period_ms(i / FLOWS, i % FLOWS), now_ms + 1000 };

		for (size_t j = 0; j < countof(at); j++) {
			is_free = is_free && *taken(p, at[j]) == 0;
			if (take)
				*taken(p, at[j]) = 1;
		}
	}
	return is_free;
}

static void pass(struct play *p, int64_t ms)
{
	struct kit *gen = &p->t.gen;
	int64_t to_ms = gen->now_ms + ms;

	while (!windows_are_free(p, to_ms, false))
		to_ms++;
	for (; p->cleared_ms < to_ms; p->cleared_ms++)
		*taken(p, p->cleared_ms) = 0;
	gen->now_ms = to_ms;
	(void)windows_are_free(p, to_ms, true);
}

int64_t play_free_delay(struct play *p, int ms_max)
{
	int64_t at_ms = p->t.gen.now_ms + 1 + play_below(p, ms_max);

	while (*taken(p, at_ms) != 0)
		at_ms++;
	*taken(p, at_ms) = 1;
	return at_ms - p->t.gen.now_ms;
}

/* ---- messages -------------------------------------------------------------------------------- */

/* Numbers stand so far apart, for those that come out of order. */
enum { SEQ_STEP = 64 };

/* The number of a message, or one behind it that nobody has had: a queue's slot is told by the number of the message that took
 * it, which callbacks share when the message is long over. */
static uint64_t other_seq(struct play *p, const struct play_live *other)
{
	if (other->queue < 0 && play_chance(p, 50))
		return other->id.seq;
	return other->id.seq - other->id.seq % SEQ_STEP + 1 + p->odd++ % (SEQ_STEP - 1);
}

struct kit_put play_random_put(struct play *p, struct play_live *m)
{
	int flow = play_chance(p, 40) ? play_below(p, FLOWS) : -1,
	    key = play_chance(p, 15) ? play_below(p, PLAY_KEYS) : -1;
	/* Out of order, or the number of another message of the user, now and then. */
	const struct play_live *other =
		p->lives > 0 && play_chance(p, 3) ? &p->live[play_below(p, p->lives)] : NULL;
	struct kit_put put = { 0 };

	*m = (struct play_live){ .user = other ? other->user : play_below(p, PLAY_USERS),
				 .queue = play_chance(p, 35) ? play_below(p, QUEUES) : -1 };
	if (other != NULL)
		put.id = (struct msg_id){ other_seq(p, other), rng_u64(&p->t.rng) };
	put.user = play_user[m->user];
	put.queue = m->queue >= 0 ? queue_name[m->queue] : NULL;
	put.flow = flow >= 0 ? flow_name[flow] : NULL;
	put.flow_parallelism = play_chance(p, 50) ? 1 + play_below(p, 3) : 0;
	put.flow_rate = play_chance(p, 50) ? 1 + play_below(p, 3) : 0;
	put.flow_period_s = flow >= 0 ? period_s(m->user, flow) : 1;
	put.delay_ms = play_chance(p, 40) ? play_free_delay(p, 3000) : -play_below(p, 2);
	put.record_bytes = play_chance(p, 5) ? 3000 : play_chance(p, 2) ? 9000 : 0;
	put.want_lease = play_chance(p, 60);
	put.user_parallelism = play_chance(p, 10) ? 1 + play_below(p, 6) : 30;
	put.queues_max = play_chance(p, 10) ? 1 : 0;
	put.day_messages_max = play_chance(p, 3) ? play_below(p, 2000) : 0;
	put.dedup = key >= 0 ? play_key[key] : NULL;
	put.dedup_ms = 2000;
	if (play_chance(p, 25))
		play_run_put(p, m->user, &put);
	return put;
}

struct move play_put_move(struct play *p, const struct kit_put *put, struct play_live *m)
{
	struct kit_msg made;
	struct move move;

	p->t.gen.last_seq += SEQ_STEP - 1;
	move = kit_put_move(&p->t.gen, put, &made);

	m->id = made.id;
	return move;
}

void play_add_live(struct play *p, const struct play_live *m, const struct move *put)
{
	check(p->lives < 2 * PLAY_LIVE_MAX);
	p->live[p->lives] = *m;
	p->live[p->lives++].lease = put->put.lease;
}

static void drop_live(struct play *p, int i)
{
	p->live[i] = p->live[--p->lives];
}

static void verb_put(struct play *p)
{
	struct play_live m;
	struct kit_put put = play_random_put(p, &m);
	struct move move;
	struct step s;

	if (p->lives >= PLAY_LIVE_MAX)
		return;
	move = play_put_move(p, &put, &m);
	if (twins_step(&p->t, twins_holder(&p->t), &s, &move, 1) == STORE_APPLIED)
		play_add_live(p, &m, &move);
}

static void verb_batch(struct play *p)
{
	struct play_live m[BATCH_MAX];
	struct move moves[BATCH_MAX];
	int n = 1 + play_below(p, BATCH_MAX);

	if (p->lives + n >= PLAY_LIVE_MAX)
		return;
	for (int i = 0; i < n; i++) {
		struct kit_put put = play_random_put(p, &m[i]);

		moves[i] = play_put_move(p, &put, &m[i]);
	}
	twins_batch(&p->t, twins_holder(&p->t), moves, (size_t)n);
	for (int i = 0; i < n; i++)
		play_add_live(p, &m[i], &moves[i]);
}

static void verb_claim(struct play *p)
{
	struct arena a;
	struct claim c;

	claim_init(&c, (size_t)(play_chance(p, 50) ? 50 : play_below(p, 5)),
		   play_chance(p, 80) ? 1 << 20 : 5000, NULL, NULL);
	c.docs_max = (size_t)play_below(p, 4);
	twins_claim(&p->t, twins_holder(&p->t), &c, &a);
	for (size_t i = 0; i < c.n; i++) {
		for (int j = 0; j < p->lives; j++) {
			if (p->live[j].id.seq == c.leased[i].id.seq)
				p->live[j].lease = c.leased[i].lease;
		}
	}
	arena_done(&a);
}

int play_some_live(struct play *p, bool leased)
{
	int i = 0;

	for (int tries = 0; tries < 20 && p->lives > 0; tries++) {
		i = play_below(p, p->lives);
		if (!leased || p->live[i].lease != 0)
			return i;
	}
	return p->lives > 0 ? i : -1;
}

struct move play_callback(struct play *p, const struct play_live *of, struct play_live *m)
{
	struct kit_put put = play_random_put(p, m);

	put.id = (struct msg_id){ 0 };
	m->user = of->user;
	m->queue = of->queue;
	m->root = of->root ? of->root : of->id.seq;
	put.user = play_user[m->user];
	put.queue = m->queue >= 0 ? queue_name[m->queue] : NULL;
	put.flow = NULL;
	put.root = m->root;
	return play_put_move(p, &put, m);
}

struct move play_settle_move(struct play *p, const struct play_live *m)
{
	static const enum settle_to to[] = { SETTLE_DELIVERED, SETTLE_DELIVERED, SETTLE_DELIVERED,
					     SETTLE_DELIVERED, SETTLE_RETRY,     SETTLE_DEAD,
					     SETTLE_HANDBACK };
	struct kit_settle how = { .to = to[play_below(p, countof(to))],
				  .bytes = play_below(p, 1000) };
	struct kit_msg msg = { .id = m->id, .user = str_c(play_user[m->user]), .lease = m->lease };
	struct move move;

	if (how.to == SETTLE_RETRY)
		how.delay_ms = play_chance(p, 80) ? play_free_delay(p, 1500) : 0;
	if (how.to == SETTLE_DEAD && play_chance(p, 70))
		how.dlq_kept_ms = 1 + play_below(p, 20000);
	msg.lease ^= play_chance(p, 2);
	move = kit_settle_move(&p->t.gen, &msg, &how);
	if (how.to == SETTLE_DEAD && play_chance(p, 20))
		move.settle.dlq.ms = 0;
	return move;
}

void play_settled(struct play *p, int i, const struct move *m, enum refusal refusal)
{
	enum settle_to to = m->settle.to;

	if (to == SETTLE_DEAD && refusal == REFUSAL_NONE && !m->settle.was_cancelled &&
	    m->settle.dlq.ms > 0) {
		p->dead = m->settle.dlq;
		p->dead_user = p->live[i].user;
	}
	if (refusal == REFUSAL_NOT_FOUND || m->settle.was_cancelled ||
	    (refusal == REFUSAL_NONE && (to == SETTLE_DELIVERED || to == SETTLE_DEAD)))
		drop_live(p, i);
	else
		p->live[i].lease = 0;
}

static void verb_settle(struct play *p)
{
	int i = play_some_live(p, true);
	struct move moves[2];
	struct play_live callback;
	bool with = p->lives < PLAY_LIVE_MAX && play_chance(p, 20);
	size_t at = with && play_chance(p, 50) ? 1 : 0;
	struct step s;

	if (i < 0)
		return;
	moves[at] = play_settle_move(p, &p->live[i]);
	if (with)
		moves[1 - at] = play_callback(p, &p->live[i], &callback);
	twins_step(&p->t, twins_holder(&p->t), &s, moves, with ? 2 : 1);
	if (with && s.refusal == REFUSAL_NONE)
		play_add_live(p, &callback, &moves[1 - at]);
	play_settled(p, i, &moves[at], s.refused_move == at ? s.refusal : REFUSAL_LEASE);
}

static void verb_cancel(struct play *p)
{
	int n = 1 + play_below(p, TWINS_MOVES_MAX);
	struct move moves[TWINS_MOVES_MAX] = { 0 };
	struct step s;

	if (p->lives == 0)
		return;
	for (int i = 0; i < n; i++) {
		const struct play_live *m = &p->live[play_some_live(p, play_chance(p, 30))];

		moves[i].kind = MOVE_CANCEL;
		moves[i].cancel.user = str_c(play_user[m->user]);
		moves[i].cancel.id = m->id;
	}
	twins_step(&p->t, twins_holder(&p->t), &s, moves, (size_t)n);
}

static void verb_dead_remove(struct play *p)
{
	struct move moves[2] = { { .kind = MOVE_DLQ_REMOVE } };
	struct play_live m;
	struct kit_put put = play_random_put(p, &m);
	struct step s;

	moves[0].dlq_remove.user = str_c(play_user[p->dead_user]);
	moves[0].dlq_remove.id = p->dead;
	moves[1] = play_put_move(p, &put, &m);
	if (twins_step(&p->t, 0, &s, moves, 2) == STORE_APPLIED && p->lives < PLAY_LIVE_MAX)
		play_add_live(p, &m, &moves[1]);
}

/* ---- gates and documents --------------------------------------------------------------------- */

static struct move gate_move(struct play *p)
{
	enum gate_kind kind = play_chance(p, 10)   ? GATE_USER
			      : play_chance(p, 40) ? GATE_QUEUE
						   : GATE_FLOW;
	int user = play_below(p, PLAY_USERS), which = play_below(p, FLOWS);
	const char *name = kind == GATE_USER    ? ""
			   : kind == GATE_QUEUE ? queue_name[which]
						: flow_name[which];
	struct move m;

	do {
		m = kit_gate_move(kind, name, (enum gate_op)play_below(p, GATE_RESET + 1));
	} while ((kind != GATE_FLOW && m.gate.op >= GATE_PIN) ||
		 (kind == GATE_USER && m.gate.op != GATE_SET && m.gate.op != GATE_REMOVE) ||
		 (kind == GATE_FLOW && m.gate.op == GATE_SET));
	m.gate.user = str_c(play_user[user]);
	m.gate.create = play_chance(p, 20);
	m.gate.parallelism = play_chance(p, 50) ? 1 + play_below(p, 4) : -1;
	m.gate.rate = play_chance(p, 50) ? play_below(p, 4) : -1;
	m.gate.period_ms = pinned_period_ms(user, which);
	m.gate.paused = play_chance(p, 60) ? -1 : play_below(p, 2);
	m.gate.unpin_parallelism = play_chance(p, 70);
	m.gate.unpin_rate = play_chance(p, 70);
	if (kind == GATE_QUEUE && play_chance(p, 20))
		m.gate.count_max = 1;
	/* Pauses end, or nothing would go on. */
	if (m.gate.op == GATE_PAUSE && play_chance(p, 60))
		m.gate.op = GATE_RESUME;
	return m;
}

struct move play_doc_move(struct play *p)
{
	struct move m = { .kind = play_chance(p, 75) ? MOVE_DOC_PUT : MOVE_DOC_REMOVE };
	enum doc_kind kind = (enum doc_kind)(DOC_META + play_below(p, DOC_INVOKE));
	int owner = play_below(p, PLAY_USERS);
	struct str user = str_c(play_user[owner]), name = str_c(play_doc[play_below(p, PLAY_DOCS)]);
	int64_t version = play_chance(p, 70) ? -1 : play_chance(p, 50) ? 0 : p->doc_version;

	if (m.kind == MOVE_DOC_REMOVE) {
		m.doc_remove.doc = kind;
		m.doc_remove.user = user;
		m.doc_remove.name = name;
		m.doc_remove.version = version;
		return m;
	}
	m.doc_put.doc = kind;
	m.doc_put.user = user;
	m.doc_put.name = name;
	m.doc_put.version = version;
	m.doc_put.value = arena_fmt(&p->t.gen.arena, "value %d", play_below(p, 1000));
	m.doc_put.due_ms = play_chance(p, 40) ? p->t.gen.now_ms + play_free_delay(p, 5000) : 0;
	m.doc_put.count_max = play_chance(p, 20) ? 2 : 0;
	if (play_chance(p, 30))
		m.doc_put.run = play_run_ref(p, owner);
	return m;
}

/* One move, or several together, of which the last may take the others along. */
static void verb_hand(struct play *p)
{
	int n = play_chance(p, 60) ? 1 : 1 + play_below(p, TWINS_MOVES_MAX);
	struct move moves[TWINS_MOVES_MAX];
	struct play_live m[TWINS_MOVES_MAX];
	bool is_put[TWINS_MOVES_MAX];
	struct step s;

	for (int i = 0; i < n; i++) {
		struct kit_put put = play_random_put(p, &m[i]);

		is_put[i] = n > 1 && p->lives + n < PLAY_LIVE_MAX && play_chance(p, 40);
		moves[i] = is_put[i]            ? play_put_move(p, &put, &m[i])
			   : play_chance(p, 60) ? gate_move(p)
						: play_doc_move(p);
	}
	twins_step(&p->t, twins_holder(&p->t), &s, moves, (size_t)n);
	for (int i = 0; i < n && s.refusal == REFUSAL_NONE; i++) {
		if (is_put[i])
			play_add_live(p, &m[i], &moves[i]);
		else if (moves[i].kind == MOVE_DOC_PUT)
			p->doc_version = moves[i].doc_put.new_version;
	}
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void verb_pass(struct play *p)
{
	pass(p, play_chance(p, 3) ? 70000 : play_below(p, 1000));
}

static void verb_day(struct play *p)
{
	pass(p, play_chance(p, 90) ? 3600000 : 86400000);
	p->cleared_ms = p->t.gen.now_ms;
}

static void verb_holder(struct play *p)
{
	int i = 1 + play_below(p, TWINS_HOLDERS - 1);

	if (p->t.holder[i][0] == NULL)
		twins_attach(&p->t, i);
	else if (play_chance(p, 50))
		twins_close(&p->t, i);
	else
		twins_kill(&p->t, i);
}

static void verb_purge(struct play *p)
{
	struct move m = { .kind = MOVE_PURGE };
	struct step s;

	m.purge.user = str_c(play_user[play_below(p, PLAY_USERS)]);
	do {
		m.purge.max = (size_t)(1 + play_below(p, 20));
		T_EQ_INT(twins_step(&p->t, 0, &s, &m, 1), STORE_APPLIED);
	} while (m.purge.left);
}

static void verb_scan(struct play *p)
{
	struct scan s = { .kind = (enum scan_kind)play_below(p, SCAN_USAGE + 1),
			  .max = (size_t)play_below(p, 8) };

	s.bytes_max = play_chance(p, 50) ? 1 << 20 : 3000;
	s.user = str_c(play_user[play_below(p, PLAY_USERS)]);
	s.exact = play_chance(p, 20);
	s.descending = s.kind == SCAN_DLQ && play_chance(p, 50);
	s.doc = (enum doc_kind)(DOC_META + play_below(p, DOC_INVOKE));
	s.gate = (enum gate_kind)play_below(p, GATE_FLOW + 1);
	s.usage_day = p->t.gen.now_ms / 86400000 - play_below(p, 3);
	if (s.kind == SCAN_DOCS && play_chance(p, 30)) {
		s.after_user = s.user;
		s.user = STR("");
	}
	s.name = s.kind == SCAN_DOCS ? str_c(play_doc[play_below(p, PLAY_DOCS)])
				     : str_c(flow_name[play_below(p, FLOWS)]);
	if (p->lives > 0 && play_chance(p, 70))
		s.id = p->live[play_below(p, p->lives)].id;
	s.dlq = play_chance(p, 50) || s.exact ? p->dead : (struct dlq_id){ 0 };
	/* Nothing can be asked for exactly without a name. */
	if (s.exact && (s.kind == SCAN_MESSAGES || s.kind == SCAN_USAGE))
		s.exact = false;
	twins_scan(&p->t, &s);
}

static const struct {
	int weight;
	void (*play)(struct play *p);
} verbs[] = {
	{ 24, verb_put },        { 1, verb_batch },     { 20, verb_claim },
	{ 36, verb_settle },     { 4, verb_cancel },    { 5, verb_hand },
	{ 10, verb_pass },       { 4, verb_scan },      { 1, verb_holder },
	{ 1, verb_dead_remove }, { 10, play_run_verb }, { 4, play_run_settle },
	{ 4, play_run_scan },
};

static void play_one(struct play *p)
{
	int dice = play_below(p, 124);

	for (size_t i = 0; i < countof(verbs); i++) {
		dice -= verbs[i].weight;
		if (dice < 0) {
			verbs[i].play(p);
			return;
		}
	}
}

static int64_t from_environment(const char *name, int64_t otherwise)
{
	int64_t v;

	return str_i64(str_c(getenv(name)), &v) ? v : otherwise;
}

static void compare(struct play *p)
{
	twins_compare(&p->t, play_user, PLAY_USERS);
	play_run_compare(p);
}

static void play(uint64_t seed, int64_t moves)
{
	struct play p = { .live = xcalloc(2 * PLAY_LIVE_MAX, sizeof(struct play_live)),
			  .taken = xcalloc(TIMES, 1) };

	twins_init(&p.t, seed);
	p.cleared_ms = p.t.gen.now_ms;
	for (int64_t i = 1; i <= moves; i++) {
		fprintf(stderr, "seed %llu, move %lld\n", (unsigned long long)seed, (long long)i);
		pass(&p, 1 + play_below(&p, 60));
		play_one(&p);
		if (play_below(&p, 3000) == 0)
			verb_purge(&p);
		if (play_below(&p, 2000) == 0)
			verb_day(&p);
		if (i % COMPARE_EVERY == 0 || i == moves)
			compare(&p);
		arena_reset(&p.t.gen.arena);
	}
	twins_done(&p.t);
	free(p.live);
	free(p.taken);
}

TEST_TIMEOUT(random_moves_are_answered_alike, 3600)
{
	play((uint64_t)from_environment("DIFFERENTIAL_SEED", 1),
	     from_environment("DIFFERENTIAL_MOVES", MOVES));
}
