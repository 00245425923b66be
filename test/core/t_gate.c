#include "t.h"

#include "base/rng.h"
#include "core/gate.h"

enum { NOW = 1000000 };

static struct gate flow(int64_t parallelism, int64_t rate, int64_t period_ms)
{
	return (struct gate){ .kind = GATE_FLOW,
			      .parallelism_max = parallelism,
			      .rate_max = rate,
			      .rate_period_ms = period_ms };
}

static const struct {
	const char *what;
	struct gate g;
	bool may;
	int64_t at_ms; /* when not: ask again */
} cases[] = {
	{ "no limits", { .running = 1000000, .rate_period_ms = 1000 }, true, 0 },
	{ "a slot left", { .parallelism_max = 2, .running = 1, .rate_period_ms = 1000 }, true, 0 },
	{ "no slot",
	  { .parallelism_max = 2, .running = 2, .rate_period_ms = 1000 },
	  false,
	  INT64_MAX },
	{ "more than slots",
	  { .parallelism_max = 2, .running = 5, .rate_period_ms = 1000 },
	  false,
	  INT64_MAX },
	{ "paused", { .paused = true, .rate_period_ms = 1000 }, false, INT64_MAX },
	{ "no window yet", { .rate_max = 1, .rate_period_ms = 1000 }, true, 0 },
	{ "a token left",
	  { .rate_max = 2, .rate_count = 1, .window_start_ms = NOW - 1, .rate_period_ms = 1000 },
	  true,
	  0 },
	{ "no token",
	  { .rate_max = 2, .rate_count = 2, .window_start_ms = NOW - 1, .rate_period_ms = 1000 },
	  false,
	  NOW + 999 },
	{ "no token, the last ms",
	  { .rate_max = 2, .rate_count = 2, .window_start_ms = NOW - 999, .rate_period_ms = 1000 },
	  false,
	  NOW + 1 },
	{ "window over",
	  { .rate_max = 2, .rate_count = 2, .window_start_ms = NOW - 1000, .rate_period_ms = 1000 },
	  true,
	  0 },
	{ "no token and no slot",
	  { .parallelism_max = 1,
	    .running = 1,
	    .rate_max = 2,
	    .rate_count = 2,
	    .window_start_ms = NOW - 1,
	    .rate_period_ms = 1000 },
	  false,
	  INT64_MAX },
	{ "no token and paused",
	  { .paused = true,
	    .rate_max = 2,
	    .rate_count = 2,
	    .window_start_ms = NOW - 1,
	    .rate_period_ms = 1000 },
	  false,
	  INT64_MAX },
	{ "the clock is a little behind",
	  { .rate_max = 2, .rate_count = 2, .window_start_ms = NOW + 10, .rate_period_ms = 1000 },
	  false,
	  NOW + 1010 },
	{ "the clock was set back",
	  { .rate_max = 2,
	    .rate_count = 2,
	    .window_start_ms = NOW + 86400000,
	    .rate_period_ms = 1000 },
	  true,
	  0 },
};

TEST_EACH(admission, cases)
{
	int64_t at_ms = 0;

	if (gate_may_start(&row->g, NOW, &at_ms) != row->may)
		T_FAIL("%s", row->what);
	if (!row->may)
		T_EQ_INT(at_ms, row->at_ms);
}

TEST(the_worked_example_of_the_documentation)
{
	/* Rate 10 per minute, parallelism 20, endless requests: 10 start in the first minute, 10 in
	 * the second, then they wait for completions. */
	struct gate g = flow(20, 10, 60000);
	int64_t started = 0, at_ms;

	for (int64_t now = NOW; now < NOW + 180000; now += 100) {
		while (gate_may_start(&g, now, &at_ms)) {
			gate_start(&g, now);
			started++;
		}
		if (now < NOW + 60000)
			T_EQ_INT(started, 10);
		else
			T_EQ_INT(started, 20);
	}
	gate_end(&g);
	T_CHECK(gate_may_start(&g, NOW + 180000, &at_ms));
}

TEST(a_window_begins_with_a_start)
{
	struct gate g = flow(0, 2, 1000);

	gate_start(&g, NOW);
	T_EQ_INT(g.window_start_ms, NOW);
	T_EQ_INT(g.rate_count, 1);
	gate_start(&g, NOW + 999);
	T_EQ_INT(g.window_start_ms, NOW);
	T_EQ_INT(g.rate_count, 2);
	/* Nothing starts for a while; the next window begins when something does. */
	gate_start(&g, NOW + 5500);
	T_EQ_INT(g.window_start_ms, NOW + 5500);
	T_EQ_INT(g.rate_count, 1);
	T_EQ_INT(g.running, 3);
}

TEST(queues_and_users_have_no_windows)
{
	struct gate g = { .kind = GATE_QUEUE, .parallelism_max = 1, .rate_period_ms = 1000 };

	gate_start(&g, NOW);
	T_EQ_INT(g.rate_count, 0);
	T_EQ_INT(g.window_start_ms, 0);
	gate_end(&g);
	g.kind = GATE_USER;
	gate_start(&g, NOW);
	T_EQ_INT(g.rate_count, 0);
}

TEST(an_end_too_many_is_harmless)
{
	struct gate g = flow(1, 0, 1000);

	gate_end(&g);
	T_EQ_INT(g.running, 0);
}

TEST(the_latest_message_configures)
{
	struct gate g = flow(1, 0, 1000);

	gate_configure(&g, 5, 10, 60000);
	T_EQ_INT(g.parallelism_max, 5);
	T_EQ_INT(g.rate_max, 10);
	T_EQ_INT(g.rate_period_ms, 60000);
	gate_configure(&g, 0, 3, 1000);
	T_EQ_INT(g.parallelism_max, 0);
	T_EQ_INT(g.rate_max, 3);
	gate_configure(&g, 7, 0, 0);
	T_EQ_INT(g.parallelism_max, 7);
	T_EQ_INT(g.rate_max, 0);
	T_CHECK(g.rate_period_ms > 0);
}

TEST(a_new_cap_counts_at_once)
{
	struct gate g = flow(5, 0, 1000);
	int64_t at_ms;

	for (int i = 0; i < 4; i++)
		gate_start(&g, NOW);
	gate_configure(&g, 2, 0, 1000);
	T_CHECK(!gate_may_start(&g, NOW, &at_ms));
	gate_end(&g);
	gate_end(&g);
	T_CHECK(!gate_may_start(&g, NOW, &at_ms));
	gate_end(&g);
	T_CHECK(gate_may_start(&g, NOW, &at_ms));
}

TEST(pinned_kinds_stay)
{
	struct gate g = flow(1, 1, 1000);

	g.window_start_ms = NOW - 10;
	g.rate_count = 1;
	gate_pin(&g, 3, 20, 120000, NOW);
	T_CHECK(g.pinned_parallelism && g.pinned_rate);
	T_EQ_INT(g.parallelism_max, 3);
	T_EQ_INT(g.rate_max, 20);
	T_EQ_INT(g.rate_period_ms, 120000);
	T_EQ_INT(g.rate_count, 0);
	T_EQ_INT(g.window_start_ms, NOW);
	gate_configure(&g, 9, 9, 9000);
	T_EQ_INT(g.parallelism_max, 3);
	T_EQ_INT(g.rate_max, 20);

	gate_unpin(&g, true, false);
	T_CHECK(!g.pinned_parallelism && g.pinned_rate);
	/* The pinned numbers stay until a message comes with others. */
	T_EQ_INT(g.parallelism_max, 3);
	gate_configure(&g, 9, 9, 9000);
	T_EQ_INT(g.parallelism_max, 9);
	T_EQ_INT(g.rate_max, 20);
	gate_unpin(&g, false, true);
	gate_configure(&g, 9, 9, 9000);
	T_EQ_INT(g.rate_max, 9);
	T_EQ_INT(g.rate_period_ms, 9000);
}

TEST(pinning_one_kind_leaves_the_other)
{
	struct gate g = flow(1, 5, 1000);

	g.window_start_ms = NOW - 10;
	g.rate_count = 4;
	gate_pin(&g, 2, -1, -1, NOW);
	T_CHECK(g.pinned_parallelism && !g.pinned_rate);
	T_EQ_INT(g.rate_max, 5);
	T_EQ_INT(g.rate_count, 4);
	gate_unpin(&g, true, true);
	gate_pin(&g, -1, 8, 2000, NOW);
	T_CHECK(!g.pinned_parallelism && g.pinned_rate);
	T_EQ_INT(g.parallelism_max, 2);
	T_EQ_INT(g.rate_max, 8);
	T_EQ_INT(g.rate_count, 0);
}

TEST(resetting_the_rate)
{
	struct gate g = flow(0, 1, 1000);
	int64_t at_ms;

	gate_start(&g, NOW);
	T_CHECK(!gate_may_start(&g, NOW + 1, &at_ms));
	gate_reset_rate(&g, NOW + 1);
	T_CHECK(gate_may_start(&g, NOW + 1, &at_ms));
	gate_start(&g, NOW + 1);
	T_CHECK(!gate_may_start(&g, NOW + 1000, &at_ms));
	T_EQ_INT(at_ms, NOW + 1001);
	T_EQ_INT(g.running, 2);
}

/* Whatever happens: never more than the cap at once, never more than the rate in a window, and the
 * time at which to ask again is the right one. */
TEST(random_histories_keep_the_caps)
{
	struct rng r;

	rng_init(&r, 42);
	for (int run = 0; run < 200; run++) {
		struct gate g = flow((int64_t)rng_below(&r, 4), (int64_t)rng_below(&r, 4), 100);
		int64_t now = NOW, at_ms, starts[4] = { 0 };
		size_t n = 0;

		for (int i = 0; i < 300; i++) {
			now += (int64_t)rng_below(&r, 30);
			if (rng_below(&r, 3) == 0 && g.running > 0)
				gate_end(&g);
			if (gate_may_start(&g, now, &at_ms)) {
				gate_start(&g, now);
				/* The start `rate` starts ago lies in an earlier window. */
				if (g.rate_max && n >= (size_t)g.rate_max)
					T_CHECK(starts[(n - (size_t)g.rate_max) % 4] <
						g.window_start_ms);
				starts[n++ % 4] = now;
			} else if (at_ms != INT64_MAX) {
				int64_t ignored;

				T_CHECK(at_ms > now && at_ms <= now + 100);
				T_CHECK(!gate_may_start(&g, at_ms - 1, &ignored));
				T_CHECK(gate_may_start(&g, at_ms, &ignored));
			}
			T_CHECK(!g.parallelism_max || g.running <= g.parallelism_max);
			T_CHECK(!g.rate_max || g.rate_count <= g.rate_max);
		}
	}
}
