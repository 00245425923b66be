/* Who starts next, and where. */
#include "courier/curl/dispatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/rng.h"
#include "t.h"

static struct dispatch_limits wide(void)
{
	return (struct dispatch_limits){ .running_max = 4096,
					 .dest_running_max = 512,
					 .lanes = 32,
					 .lane_running_max = 128,
					 .lane_dest_max = 32 };
}

static struct exchange *put(struct dispatch *q, const char *url)
{
	struct exchange *x = xcalloc(1, sizeof(*x));
	const char *why = NULL;

	list_init(&x->node);
	x->target = dispatch_target(q, str_c(url), &x->dest, &why);
	if (x->target == NULL)
		T_FAIL("%s: %s", url, why);
	dispatch_put(q, x);
	return x;
}

static void end(struct dispatch *q, struct exchange *x)
{
	dispatch_ended(q, x);
	target_unref(x->target);
	free(x);
}

/* Starts all that may start, each past name resolution at once. */
static int start_all(struct dispatch *q, struct exchange **ret, int max)
{
	struct exchange *x;
	int n = 0;

	while ((x = dispatch_next(q, 1000)) != NULL) {
		T_CHECK(n < max);
		dispatch_opened(q, x, 1000);
		ret[n++] = x;
	}
	return n;
}

static const struct {
	const char *url, *key;
} keys[] = {
	{ "http://host", "http://host:80" },
	{ "http://host/", "http://host:80" },
	{ "HTTP://HOST/Path", "http://host:80" },
	{ "https://host/", "https://host:443" },
	{ "HttpS://Host?q", "https://host:443" },
	{ "http://host:8080#f", "http://host:8080" },
	{ "http://host:/x", "http://host:80" },
	{ "http://user@host/", "http://host:80" },
	{ "http://user:pw@host:81/@x", "http://host:81" },
	{ "http://[::1]/", "http://[::1]:80" },
	{ "http://[2001:db8::1]:8080/", "http://[2001:db8::1]:8080" },
	{ "http://host/a:1", "http://host:80" },
	{ "http://host?a@b:1", "http://host:80" },
};

TEST_EACH(knows_the_destination_of_a_url, keys)
{
	struct dispatch q;
	struct exchange *x;

	dispatch_init(&q, wide());
	x = put(&q, row->url);
	T_EQ_STR(x->dest->key, row->key);
	T_EQ_STR(x->dest->name, strstr(row->key, "//") + 2);
	end(&q, x);
	dispatch_done(&q);
}

TEST(shares_what_is_asked_for_again)
{
	struct dispatch q;
	struct exchange *a, *b, *c;

	dispatch_init(&q, wide());
	a = put(&q, "http://host/x");
	b = put(&q, "http://host/x");
	c = put(&q, "http://host/y");
	T_CHECK(a->target == b->target && a->target != c->target);
	T_CHECK(a->dest == b->dest && a->dest == c->dest);
	end(&q, a);
	end(&q, b);
	end(&q, c);
	dispatch_done(&q);
}

TEST(keeps_the_order_within_a_destination_and_takes_turns_between_them)
{
	static const char *const urls[] = { "http://a/1", "http://a/2", "http://a/3",
					    "http://b/1", "http://c/1", "http://c/2" };
	static const char *const want[] = { "http://a/1", "http://b/1", "http://c/1",
					    "http://a/2", "http://c/2", "http://a/3" };
	struct dispatch q;
	struct exchange *x;

	dispatch_init(&q, wide());
	for (size_t i = 0; i < countof(urls); i++)
		put(&q, urls[i]);
	for (size_t i = 0; i < countof(want); i++) {
		x = dispatch_next(&q, 0);
		T_CHECK(x != NULL);
		T_EQ_STR(x->target->text, want[i]);
		end(&q, x);
	}
	T_CHECK(dispatch_next(&q, 0) == NULL);
	dispatch_done(&q);
}

TEST(starts_no_more_than_may_run)
{
	struct dispatch_limits limits = wide();
	struct dispatch q;
	struct exchange *x[20];
	int n;

	limits.running_max = 10;
	limits.dest_running_max = 6;
	dispatch_init(&q, limits);
	for (int i = 0; i < 20; i++)
		put(&q, i < 12 ? "http://a/" : "http://b/");
	n = start_all(&q, x, 20);
	T_EQ_INT(n, 10);
	for (int i = 0; i < n; i++) {
		T_CHECK(q.running <= 10 && x[i]->dest->running <= 6);
		end(&q, x[i]);
		n += start_all(&q, x + n, 20 - n);
	}
	T_EQ_INT(n, 20);
	dispatch_done(&q);
}

TEST(fills_one_lane_before_the_next_and_comes_back_to_it)
{
	struct dispatch q;
	struct exchange *x[100];
	int first;

	dispatch_init(&q, wide());
	for (int i = 0; i < 100; i++)
		put(&q, "http://a/");
	T_EQ_INT(start_all(&q, x, 100), 100);
	first = x[0]->lane;
	for (int i = 0; i < 100; i++)
		T_EQ_INT(x[i]->lane, (first + i / 32) % 32);
	for (int i = 0; i < 100; i++)
		end(&q, x[i]);
	put(&q, "http://a/");
	T_EQ_INT(start_all(&q, x, 1), 1);
	T_EQ_INT(x[0]->lane, first);
	end(&q, x[0]);
	dispatch_done(&q);
}

TEST(finds_a_lane_when_all_that_it_prefers_are_full)
{
	struct dispatch_limits limits = { .running_max = 20,
					  .dest_running_max = 20,
					  .lanes = 2,
					  .lane_running_max = 10,
					  .lane_dest_max = 3 };
	struct dispatch q;
	struct exchange *x[20];
	int n[2] = { 0 };

	dispatch_init(&q, limits);
	for (int i = 0; i < 20; i++)
		put(&q, "http://a/");
	T_EQ_INT(start_all(&q, x, 20), 20);
	for (int i = 0; i < 20; i++)
		n[x[i]->lane]++;
	T_CHECK(n[0] == 10 && n[1] == 10);
	for (int i = 0; i < 20; i++)
		end(&q, x[i]);
	dispatch_done(&q);
}

TEST(lets_few_of_a_destination_wait_for_its_name)
{
	struct dispatch q;
	struct exchange *x[20], *more;
	int n = 0;

	dispatch_init(&q, wide());
	for (int i = 0; i < 20; i++)
		put(&q, "http://a/");
	while ((more = dispatch_next(&q, 0)) != NULL)
		x[n++] = more;
	T_EQ_INT(n, DISPATCH_DEST_OPENING_MAX);
	dispatch_opened(&q, x[0], 0);
	dispatch_opened(&q, x[0], 0);
	x[n++] = dispatch_next(&q, 0);
	T_CHECK(x[n - 1] != NULL && dispatch_next(&q, 0) == NULL);
	/* One that ends without having opened makes room too. */
	end(&q, x[1]);
	x[1] = dispatch_next(&q, 0);
	T_CHECK(x[1] != NULL && dispatch_next(&q, 0) == NULL);
	for (int i = 0; i < n; i++) {
		end(&q, x[i]);
		while ((more = dispatch_next(&q, 0)) != NULL)
			x[n++] = more;
	}
	T_EQ_INT(n, 19);
	dispatch_done(&q);
}

TEST(lets_names_that_are_known_pass_those_that_are_not)
{
	struct dispatch q;
	struct exchange *x[600], *warm;
	int n = 0;

	dispatch_init(&q, wide());
	put(&q, "http://warm/");
	warm = dispatch_next(&q, 0);
	dispatch_opened(&q, warm, 0);
	end(&q, warm);
	for (int i = 0; i < 300; i++) {
		char url[40];

		snprintf(url, sizeof(url), "http://dead-%d/", i);
		put(&q, url);
	}
	while ((x[n] = dispatch_next(&q, 1)) != NULL)
		n++;
	T_EQ_INT(n, DISPATCH_OPENING_MAX);
	put(&q, "http://new/");
	T_CHECK(dispatch_next(&q, 1) == NULL);
	put(&q, "http://warm/");
	warm = dispatch_next(&q, 1);
	T_CHECK(warm != NULL);
	T_EQ_STR(warm->dest->name, "warm:80");
	end(&q, warm);
	/* Later its name is not known any more. */
	put(&q, "http://warm/");
	T_CHECK(dispatch_next(&q, 60001) == NULL);
	for (int i = 0; i < n; i++) {
		struct exchange *next;

		end(&q, x[i]);
		while ((next = dispatch_next(&q, 60001)) != NULL)
			x[n++] = next;
	}
	T_EQ_INT(n, 302);
	dispatch_done(&q);
}

TEST(forgets_destinations_that_are_idle_for_long)
{
	struct dispatch q;

	dispatch_init(&q, wide());
	for (int i = 0; i < 5000; i++) {
		char url[60];

		snprintf(url, sizeof(url), "http://host-%d.example/", i);
		put(&q, url);
		end(&q, dispatch_next(&q, 0));
		T_CHECK(q.dests.n <= 1024);
	}
	T_EQ_INT(q.dests.n, 1024);
	dispatch_done(&q);
}

enum { HOSTS = 12, STEPS = 20000, LIVE_MAX = 400 };

static void check_counts(const struct dispatch *q, struct exchange **live, int n)
{
	int running = 0, opening = 0;

	for (int i = 0; i < n; i++) {
		running += live[i]->state == EXCHANGE_RUNNING;
		opening += live[i]->state == EXCHANGE_RUNNING && !live[i]->opened;
		T_CHECK(live[i]->dest->running <= q->limits.dest_running_max);
		T_CHECK(live[i]->dest->opening <= DISPATCH_DEST_OPENING_MAX);
	}
	T_EQ_INT(q->running, running);
	T_EQ_INT(q->opening, opening);
	T_CHECK(running <= q->limits.running_max);
}

/* Nothing that waits may be passed over: when none starts, a limit holds for each. */
static void check_no_one_is_forgotten(const struct dispatch *q, struct exchange **live, int n)
{
	if (q->running == q->limits.running_max)
		return;
	for (int i = 0; i < n; i++)
		if (live[i]->state == EXCHANGE_WAITING)
			T_CHECK(live[i]->dest->running == q->limits.dest_running_max ||
				live[i]->dest->opening == DISPATCH_DEST_OPENING_MAX);
}

TEST(forgets_nobody_whatever_happens)
{
	struct dispatch_limits limits = { .running_max = 50,
					  .dest_running_max = 14,
					  .lanes = 4,
					  .lane_running_max = 13,
					  .lane_dest_max = 3 };
	struct exchange *live[LIVE_MAX];
	struct dispatch q;
	struct rng rng;
	int n = 0;

	rng_init(&rng, 7);
	dispatch_init(&q, limits);
	for (int step = 0; step < STEPS; step++) {
		uint64_t what = rng_below(&rng, 100);
		int i = n > 0 ? (int)rng_below(&rng, (uint64_t)n) : 0;
		char url[40];

		if (what < 45 && n < LIVE_MAX) {
			snprintf(url, sizeof(url), "http://h%d/", (int)rng_below(&rng, HOSTS));
			live[n++] = put(&q, url);
		} else if (what < 60 && n > 0) {
			if (live[i]->state == EXCHANGE_RUNNING)
				dispatch_opened(&q, live[i], step);
		} else if (n > 0) {
			end(&q, live[i]);
			live[i] = live[--n];
		}
		while (dispatch_next(&q, step) != NULL)
			continue;
		check_counts(&q, live, n);
		check_no_one_is_forgotten(&q, live, n);
	}
	while (n > 0)
		end(&q, live[--n]);
	T_EQ_INT(q.running, 0);
	T_EQ_INT(q.opening, 0);
	dispatch_done(&q);
}
