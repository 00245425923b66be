/* The loop: hooks and their order, deadlines, bells, signals, clocks. */
#include "t.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "net/loop.h"

struct note {
	struct loop *loop;
	char trace[64]; /* letters in the order of the calls */
	int n;
	int turns;
	int64_t first_ms, last_ms; /* mono */
	void *other;
};

static void put(struct note *note, char c)
{
	if (note->n < (int)sizeof(note->trace) - 1)
		note->trace[note->n++] = c;
}

static int64_t hook_a(void *arg, int64_t wall_ms, int64_t mono_ms)
{
	put(arg, 'a');
	return LOOP_NEVER;
}

static int64_t hook_b(void *arg, int64_t wall_ms, int64_t mono_ms)
{
	put(arg, 'b');
	return LOOP_NEVER;
}

static int64_t hook_flush(void *arg, int64_t wall_ms, int64_t mono_ms)
{
	put(arg, 'f');
	return LOOP_NEVER;
}

static int64_t hook_stop(void *arg, int64_t wall_ms, int64_t mono_ms)
{
	struct note *note = arg;

	put(note, 's');
	loop_stop(note->loop);
	return LOOP_NEVER;
}

TEST(hooks_run_in_order_and_flush_hooks_last)
{
	struct note note = { .loop = loop_new() };

	loop_on_flush(note.loop, hook_flush, &note);
	loop_on_turn(note.loop, hook_a, &note);
	loop_on_turn(note.loop, hook_b, &note);
	loop_on_turn(note.loop, hook_stop, &note);
	loop_run(note.loop);
	/* Stopped by a hook: one more round, so that what came in meanwhile is handled too. */
	T_EQ_STR(str_c(note.trace), STR("absfabsf"));
	loop_free(note.loop);
}

/* Asks for "now" nine times, then stops. */
static int64_t hook_now(void *arg, int64_t wall_ms, int64_t mono_ms)
{
	struct note *note = arg;

	note->first_ms = note->turns == 0 ? mono_ms : note->first_ms;
	note->last_ms = mono_ms;
	if (++note->turns == 10)
		loop_stop(note->loop);
	return note->turns % 2 ? mono_ms : mono_ms - 1000;
}

TEST(a_hook_that_wants_now_is_called_without_sleep)
{
	struct note note = { .loop = loop_new() };

	loop_on_turn(note.loop, hook_a, &note);
	loop_on_turn(note.loop, hook_now, &note);
	loop_run(note.loop);
	T_EQ_INT(note.turns, 11);
	T_CHECK(note.last_ms - note.first_ms < 100);
	/* All hooks run in each of those turns. */
	T_EQ_STR(str_c(note.trace), STR("aaaaaaaaaaa"));
	loop_free(note.loop);
}

static int64_t hook_in_30_ms(void *arg, int64_t wall_ms, int64_t mono_ms)
{
	struct note *note = arg;

	if (note->turns++ == 0) {
		note->first_ms = mono_ms;
		return mono_ms + 30;
	}
	if (mono_ms < note->first_ms + 30)
		return note->first_ms + 30;
	note->last_ms = mono_ms;
	loop_stop(note->loop);
	return LOOP_NEVER;
}

static int64_t hook_in_an_hour(void *arg, int64_t wall_ms, int64_t mono_ms)
{
	return mono_ms + 3600 * 1000;
}

TEST(the_earliest_wish_wakes_the_loop)
{
	struct note note = { .loop = loop_new() };

	loop_on_turn(note.loop, hook_in_an_hour, &note);
	loop_on_flush(note.loop, hook_in_30_ms, &note);
	loop_on_turn(note.loop, hook_in_an_hour, &note);
	loop_run(note.loop);
	T_CHECK(note.last_ms - note.first_ms >= 30 && note.last_ms - note.first_ms < 2000);
	/* It slept, rather than looked again and again. */
	T_CHECK(note.turns <= 5);
	loop_free(note.loop);
}

static void on_bell(void *arg)
{
	put(arg, 'r');
}

static void on_bell_stop(void *arg)
{
	struct note *note = arg;

	put(note, 'S');
	loop_stop(note->loop);
}

static void *ring_from_a_thread(void *arg)
{
	struct note *note = arg;

	for (int i = 0; i < 1000; i++)
		loop_bell_ring(note->other);
	return NULL;
}

TEST(a_bell_wakes_the_loop_from_another_thread)
{
	struct note note = { .loop = loop_new() };
	pthread_t thread;

	note.other = loop_bell_new(note.loop, on_bell_stop, &note);
	loop_on_turn(note.loop, hook_a, &note);
	T_EQ_INT(pthread_create(&thread, NULL, ring_from_a_thread, &note), 0);
	loop_run(note.loop);
	T_EQ_INT(pthread_join(thread, NULL), 0);
	/* The hooks of the stopped turn still ran. */
	T_CHECK(note.n >= 2 && note.trace[note.n - 1] == 'a');
	loop_free(note.loop);
}

TEST(many_rings_are_one_call)
{
	struct note note = { .loop = loop_new() };
	struct loop_bell *bell = loop_bell_new(note.loop, on_bell, &note);

	for (int i = 0; i < 100; i++)
		loop_bell_ring(bell);
	loop_on_turn(note.loop, hook_stop, &note);
	loop_run(note.loop);
	T_EQ_STR(str_c(note.trace), STR("srs"));
	loop_free(note.loop);
}

static int64_t hook_raise(void *arg, int64_t wall_ms, int64_t mono_ms)
{
	struct note *note = arg;

	if (note->turns++ == 0)
		T_EQ_INT(raise(SIGUSR1), 0);
	return LOOP_NEVER;
}

TEST(a_signal_is_handled_on_the_loop)
{
	struct note note = { .loop = loop_new() };

	loop_on_signal(note.loop, SIGUSR1, on_bell_stop, &note);
	loop_on_turn(note.loop, hook_raise, &note);
	loop_run(note.loop);
	T_EQ_STR(str_c(note.trace), STR("S"));
	loop_free(note.loop);
}

static int64_t hook_forget_self(void *arg, int64_t wall_ms, int64_t mono_ms)
{
	struct note *note = arg;

	put(note, 'x');
	loop_forget(note->loop, note);
	/* Something added by a hook runs, too. */
	loop_on_turn(note->loop, hook_stop, note->other);
	return LOOP_NEVER;
}

TEST(hooks_can_be_forgotten)
{
	struct note kept = { .loop = loop_new() }, gone = { .loop = kept.loop, .other = &kept },
		    before = { .loop = kept.loop };

	loop_on_turn(kept.loop, hook_a, &before);
	loop_on_turn(kept.loop, hook_a, &kept);
	loop_on_turn(kept.loop, hook_forget_self, &gone);
	loop_on_turn(kept.loop, hook_b, &gone);
	loop_on_flush(kept.loop, hook_flush, &gone);
	loop_on_turn(kept.loop, hook_b, &kept);
	loop_forget(kept.loop, &before);
	loop_run(kept.loop);
	T_EQ_STR(str_c(before.trace), STR(""));
	T_EQ_STR(str_c(gone.trace), STR("x"));
	T_EQ_STR(str_c(kept.trace), STR("absabs"));
	loop_free(kept.loop);
}

static int64_t hook_clocks(void *arg, int64_t wall_ms, int64_t mono_ms)
{
	struct note *note = arg;
	struct timespec pause = { .tv_nsec = 5000000 };

	/* The reading of the turn stays, however long it takes. */
	nanosleep(&pause, NULL);
	T_EQ_INT(loop_wall_ms(note->loop), wall_ms);
	T_EQ_INT(loop_mono_ms(note->loop), mono_ms);
	if (note->turns++ > 0)
		T_CHECK(mono_ms >= note->last_ms + 5);
	note->last_ms = mono_ms;
	if (note->turns == 3)
		loop_stop(note->loop);
	return mono_ms;
}

TEST(clocks_are_read_once_per_turn)
{
	struct note note = { .loop = loop_new() };
	int64_t wall_ms = loop_wall_ms(note.loop), mono_ms = loop_mono_ms(note.loop);

	loop_on_turn(note.loop, hook_clocks, &note);
	loop_run(note.loop);
	/* Outside of the loop each reading is fresh. */
	T_CHECK(loop_mono_ms(note.loop) >= note.last_ms + 5);
	T_CHECK(loop_mono_ms(note.loop) >= mono_ms + 15);
	T_CHECK(loop_wall_ms(note.loop) > wall_ms);
	T_CHECK(loop_wall_ms(note.loop) / 1000 - time(NULL) <= 1);
	loop_free(note.loop);
}

TEST(a_loop_that_never_ran_can_be_freed)
{
	struct note note = { .loop = loop_new() };

	T_CHECK(loop_bell_new(note.loop, on_bell, &note) != NULL);
	loop_on_signal(note.loop, SIGUSR1, on_bell, &note);
	loop_free(note.loop);
	loop_free(NULL);
}
