/* When processes are added and retired, and how long the wait is before a start. */
#include "t.h"

#include "app/backoff.h"
#include "app/scaling.h"

static const struct scaling_settings set = {
	.least = 1,
	.most = 4,
	.busy_percent = 85,
	.busy_ms = 10000,
	.idle_percent = 30,
	.idle_ms = 60000,
};

/* n processes of that kind, looked at once a second; the second in which the verdict is another than to keep, 0 when
 * it never is. */
static int seconds_until(enum scaling_verdict verdict, struct scaling_sample kind, size_t n)
{
	struct scaling_sample v[8];
	struct scaling s = { 0 };

	for (size_t i = 0; i < countof(v); i++)
		v[i] = kind;
	for (int t = 1; t <= 600; t++) {
		enum scaling_verdict now = scaling_look(&s, &set, v, n, t * 1000);

		if (now != SCALING_KEEP) {
			T_EQ_INT(now, verdict);
			return t - 1;
		}
	}
	return 0;
}

static const struct {
	const char *what;
	struct scaling_sample kind;
	size_t n;
	enum scaling_verdict verdict;
	int after_s; /* 0 = never */
} worlds[] = {
	{ "busy, and work waits", { 85, true }, 1, SCALING_MORE, 10 },
	{ "several are", { 99, true }, 3, SCALING_MORE, 10 },
	{ "busy with all that there is", { 100, false }, 1, SCALING_KEEP, 0 },
	{ "not quite busy", { 84, true }, 1, SCALING_KEEP, 0 },
	{ "no more CPUs", { 100, true }, 4, SCALING_KEEP, 0 },
	{ "work waits, but not for CPU", { 31, true }, 2, SCALING_KEEP, 0 },
	{ "idle", { 30, false }, 2, SCALING_FEWER, 60 },
	{ "the last one", { 0, false }, 1, SCALING_KEEP, 0 },
	{ "in between", { 50, false }, 3, SCALING_KEEP, 0 },
	{ "more than there are CPUs, and idle", { 0, false }, 5, SCALING_FEWER, 60 },
	{ "nobody to look at", { 100, true }, 0, SCALING_KEEP, 0 },
};

TEST_EACH(a_lasting_state_is_acted_upon, worlds)
{
	T_EQ_INT(seconds_until(row->verdict, row->kind, row->n), row->after_s);
}

TEST(a_moment_of_rest_counts_anew)
{
	struct scaling_sample v = { 100, true }, rest = { 40, false };
	struct scaling s = { 0 };

	for (int t = 1; t <= 10; t++)
		T_EQ_INT(scaling_look(&s, &set, &v, 1, t * 1000), SCALING_KEEP);
	T_EQ_INT(scaling_look(&s, &set, &rest, 1, 11000), SCALING_KEEP);
	for (int t = 12; t < 22; t++)
		T_EQ_INT(scaling_look(&s, &set, &v, 1, t * 1000), SCALING_KEEP);
	T_EQ_INT(scaling_look(&s, &set, &v, 1, 22000), SCALING_MORE);
	/* ... and so does what was decided. */
	T_EQ_INT(scaling_look(&s, &set, &v, 1, 23000), SCALING_KEEP);
}

TEST(the_average_is_what_counts_for_more_and_each_one_for_fewer)
{
	struct scaling_sample uneven[] = { { 100, false }, { 70, true } };
	struct scaling_sample one_busy[] = { { 0, false }, { 31, false } };
	struct scaling s = { 0 };

	T_EQ_INT(scaling_look(&s, &set, uneven, 2, 1000), SCALING_KEEP);
	T_EQ_INT(scaling_look(&s, &set, uneven, 2, 11000), SCALING_MORE);
	T_EQ_INT(scaling_look(&s, &set, one_busy, 2, 12000), SCALING_KEEP);
	T_EQ_INT(scaling_look(&s, &set, one_busy, 2, 90000), SCALING_KEEP);
	one_busy[1].cpu_percent = 30;
	T_EQ_INT(scaling_look(&s, &set, one_busy, 2, 91000), SCALING_KEEP);
	T_EQ_INT(scaling_look(&s, &set, one_busy, 2, 151000), SCALING_FEWER);
}

TEST(a_change_is_counted_from)
{
	struct scaling_sample v = { 100, true };
	struct scaling s = { 0 };

	T_EQ_INT(scaling_look(&s, &set, &v, 1, 1000), SCALING_KEEP);
	scaling_reset(&s);
	T_EQ_INT(scaling_look(&s, &set, &v, 1, 11000), SCALING_KEEP);
	T_EQ_INT(scaling_look(&s, &set, &v, 1, 21000), SCALING_MORE);
}

TEST(the_wait_doubles_until_somebody_is_in_good_health)
{
	static const int64_t waits[] = { 100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000, 10000 };
	int64_t wait = 0;

	for (size_t i = 0; i < countof(waits); i++) {
		wait = backoff_next_ms(wait, 10 * wait - 1);
		T_EQ_INT(wait, waits[i]);
	}
	T_EQ_INT(backoff_next_ms(wait, 10 * wait), 100);
	T_EQ_INT(backoff_next_ms(100, 2000), 100); /* killed every 2 s: back at once each time */
	T_EQ_INT(backoff_next_ms(0, 0), 100);
}
