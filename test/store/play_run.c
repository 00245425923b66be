#include "play.h"

#include "base/check.h"

/* Few enough that one claim of the embedded backend removes all of a run: it does so in bites, the other at once. */
enum { ENTRIES_MAX = 30 };
enum { BYTES = 64 << 20 };

static const char *const run_name[PLAY_RUNS] = { "r", "run", "run.1" };

/* ---- runs ------------------------------------------------------------------------------------ */

static const struct play_run *some_run(struct play *p)
{
	size_t n = p->runs < PLAY_RUNS_KNOWN ? p->runs : PLAY_RUNS_KNOWN;

	return n > 0 ? &p->run[play_below(p, (int)n)] : NULL;
}

static struct run_ref ref_of(const struct play_run *r)
{
	return (struct run_ref){ str_c(run_name[r->name]), r->created_ms };
}

struct run_ref play_run_ref(struct play *p, int user)
{
	const struct play_run *known = some_run(p);

	if (known != NULL && known->user == user && play_chance(p, 50))
		return ref_of(known);
	return (struct run_ref){ str_c(run_name[play_below(p, PLAY_RUNS)]), 0 };
}

void play_run_put(struct play *p, int user, struct kit_put *put)
{
	static const char *const bodies[] = { "", "a", "an entry",
					      "another entry, longer than the others" };
	struct run_ref ref = play_run_ref(p, user);

	put->run = ref.name.p;
	put->run_created_ms = ref.created_ms;
	put->run_if_open = play_chance(p, 70);
	put->entry = play_chance(p, 70) ? bodies[play_below(p, countof(bodies))] : NULL;
	put->run_key = play_chance(p, 40) ? play_key[play_below(p, PLAY_KEYS)] : NULL;
	put->run_entries_max = play_chance(p, 10) ? 3 : ENTRIES_MAX;
	put->run_bytes_max = play_chance(p, 10) ? 100 : 0;
}

/* ---- moves ----------------------------------------------------------------------------------- */

/* Any events: those of a message that is never put. */
static struct str some_events(struct play *p)
{
	struct play_live m;
	struct kit_put put = play_random_put(p, &m);

	return play_chance(p, 50) ? play_put_move(p, &put, &m).events : STR_NULL;
}

static struct move start_move(struct play *p)
{
	struct move m = { .kind = MOVE_RUN_START, .events = some_events(p) };
	const struct play_run *known = some_run(p);
	struct play_run own = { play_below(p, PLAY_USERS), play_below(p, PLAY_RUNS),
				p->t.gen.now_ms };

	if (known != NULL && play_chance(p, 15))
		own = *known;
	m.run_start.user = str_c(play_user[own.user]);
	m.run_start.name = str_c(run_name[own.name]);
	m.run_start.created_ms = own.created_ms;
	m.run_start.record = arena_fmt(&p->t.gen.arena, "record %d", play_below(p, 1000));
	if (play_chance(p, 40))
		m.run_start.copy = play_run_ref(p, own.user);
	p->run[p->runs++ % PLAY_RUNS_KNOWN] = own;
	return m;
}

static struct move set_move(struct play *p)
{
	struct move m = { .kind = MOVE_RUN_SET, .events = some_events(p) };
	int user = p->seen.user;

	m.run_set.user = str_c(play_user[user]);
	m.run_set.run = play_chance(p, 80) ? ref_of(&p->seen) : play_run_ref(p, user);
	m.run_set.record = arena_fmt(&p->t.gen.arena, "set to %d", play_below(p, 1000));
	m.run_set.version = p->seen_version;
	return m;
}

static struct move end_move(struct play *p, int user)
{
	struct move m = { .kind = MOVE_RUN_END, .events = some_events(p) };

	m.run_end.user = str_c(play_user[user]);
	m.run_end.run = play_run_ref(p, user);
	if (play_chance(p, 50))
		m.run_end.record = arena_fmt(&p->t.gen.arena, "over %d", play_below(p, 1000));
	m.run_end.keep_entries = play_chance(p, 50);
	m.run_end.until_ms = p->t.gen.now_ms + play_below(p, 4000);
	return m;
}

/* One move or several, as a step of a workflow has them: messages and documents with what happens to their run. */
void play_run_verb(struct play *p)
{
	int n = 1 + play_below(p, TWINS_MOVES_MAX);
	struct move moves[TWINS_MOVES_MAX];
	struct play_live m[TWINS_MOVES_MAX];
	struct step s;

	if (p->lives + n >= PLAY_LIVE_MAX)
		return;
	for (int i = 0; i < n; i++) {
		int dice = play_below(p, 100);
		struct kit_put put = play_random_put(p, &m[i]);

		play_run_put(p, m[i].user, &put);
		moves[i] = dice < 25   ? start_move(p)
			   : dice < 40 ? set_move(p)
			   : dice < 60 ? end_move(p, play_below(p, PLAY_USERS))
			   : dice < 70 ? play_doc_move(p)
				       : play_put_move(p, &put, &m[i]);
	}
	twins_step(&p->t, twins_holder(&p->t), &s, moves, (size_t)n);
	for (int i = 0; i < n && s.refusal == REFUSAL_NONE; i++) {
		if (moves[i].kind == MOVE_PUT)
			play_add_live(p, &m[i], &moves[i]);
	}
}

void play_run_settle(struct play *p)
{
	int i = play_some_live(p, true);
	size_t at = (size_t)play_below(p, 2), n = play_chance(p, 50) ? 3 : 2;
	struct play_live callback;
	struct move moves[3];
	struct step s;

	if (i < 0 || p->lives >= PLAY_LIVE_MAX)
		return;
	moves[at] = play_settle_move(p, &p->live[i]);
	moves[1 - at] = end_move(p, p->live[i].user);
	moves[2] = play_callback(p, &p->live[i], &callback);
	twins_step(&p->t, twins_holder(&p->t), &s, moves, n);
	if (n == 3 && s.refusal == REFUSAL_NONE)
		play_add_live(p, &callback, &moves[2]);
	play_settled(p, i, &moves[at],
		     s.refusal == REFUSAL_NONE || s.refused_move == at ? s.refusal : REFUSAL_LEASE);
}

/* ---- looking --------------------------------------------------------------------------------- */

static void look(struct play *p, const struct play_run *r, struct scan *s)
{
	s->kind = SCAN_RUN;
	s->user = str_c(play_user[r->user]);
	s->run = ref_of(r);
	s->run_key = str_c(play_key[play_below(p, PLAY_KEYS)]);
	twins_scan(&p->t, s);
	if (s->run_found.found) {
		p->seen = *r;
		p->seen_version = s->run_found.version;
	}
}

/* Mostly of parts. */
void play_run_scan(struct play *p)
{
	struct play_run r = { play_below(p, PLAY_USERS), play_below(p, PLAY_RUNS), 0 };
	const struct play_run *known = some_run(p);
	struct scan s = { .max = (size_t)play_below(p, 8),
			  .bytes_max = play_chance(p, 50) ? 1 << 20 : 40,
			  .run_until = UINT64_MAX };

	if (p->lives > 0 && play_chance(p, 70))
		s.id = p->live[play_below(p, p->lives)].id;
	if (p->lives > 0 && play_chance(p, 50))
		s.run_until = p->live[play_below(p, p->lives)].id.seq;
	look(p, known != NULL && play_chance(p, 50) ? known : &r, &s);
	s.kind = SCAN_RUNS;
	s.name = play_chance(p, 50) ? str_c(run_name[r.name]) : STR_NULL;
	twins_scan(&p->t, &s);
}

void play_run_compare(struct play *p)
{
	struct scan s = { .max = 1000, .bytes_max = BYTES, .run_until = UINT64_MAX };

	for (size_t i = 0; i < p->runs && i < PLAY_RUNS_KNOWN; i++)
		look(p, &p->run[i], &s);
	s.kind = SCAN_RUNS;
	for (size_t i = 0; i < PLAY_USERS; i++) {
		s.user = str_c(play_user[i]);
		twins_scan(&p->t, &s);
	}
}
