/* Events that are handed over again: by a reader of the outbox that goes back, and after a process was
 * killed. */
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "t.h"

/* ---- an outbox that can be read again --------------------------------------------------------------- */

enum { USERS = 3, OUTBOX = 200 };

struct outbox {
	struct fixture f;
	struct str entry[OUTBOX + 1]; /* by position, from 1 */
	struct buf want[USERS];       /* serials of the user's events, in order */
};

static const char *const user_names[USERS] = { "ann", "bob", "cy" };

static void add_outbox_event(struct outbox *o, const struct msg *m, enum event_state state,
			     size_t user)
{
	fixture_put(&o->f, m, state);
	buf_fmt(&o->want[user], "%s%lld", o->want[user].n ? " " : "", (long long)o->f.serial);
}

/* Entries with some events each; time goes on every few entries only. */
static void make_outbox(struct outbox *o)
{
	struct msg m[USERS][2];

	for (size_t u = 0; u < USERS; u++) {
		buf_init(&o->want[u], 1 << 20);
		for (int i = 0; i < 2; i++) {
			m[u][i] = fixture_msg(&o->f);
			m[u][i].user = str_c(user_names[u]);
		}
	}
	for (size_t pos = 1; pos <= OUTBOX; pos++) {
		for (size_t n = 1 + rng_below(&o->f.rng, 6); n; n--) {
			size_t u = rng_below(&o->f.rng, USERS);
			enum event_state s = rng_below(&o->f.rng, 2) ? EVENT_ACTIVE : EVENT_CREATED;

			add_outbox_event(o, &m[u][rng_below(&o->f.rng, 2)], s, u);
		}
		o->entry[pos] = arena_str(&o->f.arena, buf_str(&o->f.events));
		buf_reset(&o->f.events);
		if (rng_below(&o->f.rng, 5) == 0)
			o->f.now_ms++;
	}
}

/* Hands over the entries behind `after` up to `pos` as one. */
static void give_range(struct outbox *o, uint64_t after, uint64_t pos)
{
	struct buf b;

	buf_init(&b, 16 << 20);
	for (uint64_t p = after + 1; p <= pos; p++)
		buf_add(&b, o->entry[p]);
	T_CHECK(logs_take(o->f.source, buf_str(&b), after, pos, o->f.now_ms));
	buf_done(&b);
}

/* From there to the end, in random pieces. */
static void give_from(struct outbox *o, uint64_t after, uint64_t until)
{
	while (after < until) {
		uint64_t pos = after + 1 + rng_below(&o->f.rng, 12);

		if (pos > until)
			pos = until;
		give_range(o, after, pos);
		after = pos;
	}
	o->f.pos = after;
	fixture_wait(&o->f);
}

static void check_outbox(struct outbox *o)
{
	for (size_t u = 0; u < USERS; u++)
		T_EQ_STR(fixture_all(&o->f, user_names[u], "order=earliestFirst"),
			 buf_str(&o->want[u]));
}

static struct outbox *outbox_new(bool threaded)
{
	struct outbox *o = calloc(1, sizeof(*o));

	T_CHECK(o != NULL);
	fixture_open(&o->f, (struct logs_settings){ .ephemeral = true, .threaded = threaded });
	make_outbox(o);
	return o;
}

static void outbox_free(struct outbox *o)
{
	for (size_t u = 0; u < USERS; u++)
		buf_done(&o->want[u]);
	fixture_close(&o->f);
	free(o);
}

static const bool threaded_or_not[] = { false, true };

TEST_EACH(keeps_events_once_however_often_and_in_whatever_pieces_they_come, threaded_or_not)
{
	struct outbox *o = outbox_new(*row);
	uint64_t reached = 0;

	while (reached < OUTBOX) {
		uint64_t from = rng_below(&o->f.rng, reached + 1);

		reached += 1 + rng_below(&o->f.rng, 30);
		if (reached > OUTBOX)
			reached = OUTBOX;
		give_from(o, from, reached);
		fixture_reopen(&o->f);
	}
	check_outbox(o);
	give_from(o, 0, OUTBOX);
	check_outbox(o);
	outbox_free(o);
}

TEST(files_that_were_committed_to_different_positions_meet_again)
{
	struct outbox *o = outbox_new(false);
	const char *ann = fixture_path(&o->f, "ann", ""),
		   *kept = fixture_path(&o->f, "ann", ".kept");

	give_from(o, 0, 40);
	logs_close(o->f.logs);
	fixture_copy(ann, kept);
	fixture_start(&o->f);
	give_from(o, 40, 90);
	logs_close(o->f.logs);
	fixture_copy(kept, ann);
	fixture_start(&o->f);
	give_from(o, 40, OUTBOX);
	check_outbox(o);
	outbox_free(o);
}

TEST(an_outbox_that_begins_anew_is_taken_in)
{
	struct fixture f;
	struct msg m;

	fixture_open(&f, (struct logs_settings){ .ephemeral = true });
	m = fixture_msg(&f);
	f.pos = 1000 * 1000;
	fixture_life(&f, &m);
	fixture_give(&f);
	fixture_reopen(&f);
	f.pos = 0;
	for (int i = 0; i < 3; i++) {
		m = fixture_msg(&f);
		fixture_put(&f, &m, EVENT_CREATED);
		fixture_give(&f);
	}
	T_EQ_STR(fixture_serials(&f, FIXTURE_USER, ""), "6 5 4 3 2 1");
	fixture_close(&f);
}

/* ---- several sources -------------------------------------------------------------------------------- */

enum { SOURCES = 3 };

struct sources {
	struct outbox *o;
	uint64_t at[SOURCES];                  /* the position handed over */
	struct str entry[SOURCES][OUTBOX + 1]; /* by source and position */
};

static const char *const source_names[SOURCES] = { "a0", "b1", "" };

static void take_from(struct sources *s, size_t source, uint64_t after)
{
	struct logs_source *from = logs_source(s->o->f.logs, str_c(source_names[source]));
	uint64_t pos = s->at[source];
	struct buf b;

	buf_init(&b, 16 << 20);
	for (uint64_t p = after + 1; p <= pos; p++)
		buf_add(&b, s->entry[source][p]);
	T_CHECK(logs_take(from, buf_str(&b), after, pos, s->o->f.now_ms));
	buf_done(&b);
	T_UNTIL(logs_committed(from) == pos, 20);
}

/* Users move between databases, whose positions are their own, and each database may be read again from before. */
TEST_EACH(positions_are_kept_for_each_source, threaded_or_not)
{
	struct outbox *o = outbox_new(*row);
	struct sources *s = calloc(1, sizeof(*s));

	T_CHECK(s != NULL);
	s->o = o;
	for (size_t entry = 1; entry <= OUTBOX;) {
		size_t source = rng_below(&o->f.rng, SOURCES);
		uint64_t again = rng_below(&o->f.rng, 4) ? s->at[source]
							 : rng_below(&o->f.rng, s->at[source] + 1);

		for (size_t n = 1 + rng_below(&o->f.rng, 5); n && entry <= OUTBOX; n--)
			s->entry[source][++s->at[source]] = o->entry[entry++];
		take_from(s, source, again);
		if (rng_below(&o->f.rng, 10) == 0)
			fixture_reopen(&o->f);
	}
	for (size_t source = 0; source < SOURCES; source++)
		take_from(s, source, 0);
	check_outbox(o);
	free(s);
	outbox_free(o);
}

TEST(a_query_waits_for_its_source_alone)
{
	struct fixture f;
	struct logs_query q;
	struct msg m;

	fixture_open(&f, (struct logs_settings){ .ephemeral = true, .threaded = true });
	m = fixture_msg(&f);
	fixture_put(&f, &m, EVENT_CREATED);
	T_CHECK(logs_take(logs_source(f.logs, STR("far")), STR_NULL, 0, 1000, f.now_ms));
	T_CHECK(logs_take(logs_source(f.logs, STR("near")), buf_str(&f.events), 0, 7, f.now_ms));
	q = fixture_query(&f, FIXTURE_USER, "");
	q.source = STR("near");
	q.not_before_pos = 7;
	fixture_ask(&f, &q);
	T_CHECK(str_has(buf_str(&q.body), STR("CREATED")));
	T_EQ_INT(logs_committed(logs_source(f.logs, STR("near"))), 7);
	buf_done(&q.body);
	fixture_close(&f);
}

/* ---- a process that is killed ----------------------------------------------------------------------- */

/* Shared with the child. */
struct shared {
	_Atomic uint64_t committed; /* by its log */
	_Atomic uint64_t allowed;   /* it may hand over as far as that */
};

/* Reads the outbox from what was committed, as the engine does. */
static void child_main(struct outbox *o, struct shared *shared)
{
	uint64_t at = atomic_load(&shared->committed);

	fixture_start(&o->f);
	T_CHECK(o->f.logs != NULL);
	for (;;) {
		uint64_t pos = at + 1 + rng_below(&o->f.rng, 3);

		if (pos <= atomic_load(&shared->allowed)) {
			give_range(o, at, pos);
			at = pos;
		}
		if (logs_committed(o->f.source))
			atomic_store(&shared->committed, logs_committed(o->f.source));
		t_pause();
	}
}

/* Kills the child some moments after it has committed some more; it then has more to do. */
static void run_child(struct outbox *o, struct shared *shared)
{
	uint64_t target = atomic_load(&shared->committed) + 1 + rng_below(&o->f.rng, 20);
	uint64_t allowed = target + 10 + rng_below(&o->f.rng, 30);
	int64_t rest_ms = (int64_t)rng_below(&o->f.rng, 20), end_ms;
	pid_t pid;
	int status;

	atomic_store(&shared->allowed, allowed < OUTBOX ? allowed : OUTBOX);
	pid = fork();
	T_CHECK(pid >= 0);
	if (!pid)
		child_main(o, shared);
	T_UNTIL(atomic_load(&shared->committed) >= target, 20);
	for (end_ms = t_now_ms() + rest_ms; t_now_ms() < end_ms;)
		t_pause();
	kill(pid, SIGKILL);
	T_CHECK(waitpid(pid, &status, 0) == pid);
	T_CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST(nothing_is_lost_or_doubled_when_the_process_is_killed)
{
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct outbox *o = outbox_new(false);

	T_CHECK(shared != MAP_FAILED);
	logs_close(o->f.logs);
	o->f.settings.threaded = true;
	o->f.settings.ephemeral = false;
	while (atomic_load(&shared->committed) < OUTBOX - 60)
		run_child(o, shared);
	fixture_start(&o->f);
	give_from(o, atomic_load(&shared->committed), OUTBOX);
	check_outbox(o);
	T_EQ_INT(fixture_files(&o->f, ".broken-"), 0);
	outbox_free(o);
}
