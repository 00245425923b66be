#include "core/gate.h"

#include "base/check.h"

/* A window that begins more than a period ahead comes from a clock that has been set back since; to
 * keep it would close the gate until that time comes again. */
static bool window_is_over(const struct gate *g, int64_t now_ms)
{
	return g->window_start_ms == 0 || now_ms >= g->window_start_ms + g->rate_period_ms ||
	       now_ms < g->window_start_ms - g->rate_period_ms;
}

bool gate_may_start(const struct gate *g, int64_t now_ms, int64_t *ret_at_ms)
{
	*ret_at_ms = INT64_MAX;
	if (g->paused)
		return false;
	if (g->parallelism_max > 0 && g->running >= g->parallelism_max)
		return false;
	if (g->rate_max > 0 && g->rate_count >= g->rate_max && !window_is_over(g, now_ms)) {
		*ret_at_ms = g->window_start_ms + g->rate_period_ms;
		return false;
	}
	return true;
}

void gate_start(struct gate *g, int64_t now_ms)
{
	int64_t at_ms;

	check(gate_may_start(g, now_ms, &at_ms));
	g->running++;
	if (g->kind != GATE_FLOW)
		return;
	if (window_is_over(g, now_ms)) {
		g->window_start_ms = now_ms;
		g->rate_count = 0;
	}
	g->rate_count++;
}

void gate_end(struct gate *g)
{
	/* A hand-made reset of the counts may have come in between. */
	if (g->running > 0)
		g->running--;
}

static void set_rate(struct gate *g, int64_t rate, int64_t period_ms)
{
	g->rate_max = rate > 0 ? rate : 0;
	g->rate_period_ms = period_ms > 0 ? period_ms : 1000;
}

void gate_configure(struct gate *g, int64_t parallelism, int64_t rate, int64_t period_ms)
{
	if (!g->pinned_parallelism)
		g->parallelism_max = parallelism > 0 ? parallelism : 0;
	if (!g->pinned_rate)
		set_rate(g, rate, period_ms);
}

void gate_pin(struct gate *g, int64_t parallelism, int64_t rate, int64_t period_ms, int64_t now_ms)
{
	if (parallelism >= 0) {
		g->pinned_parallelism = true;
		g->parallelism_max = parallelism;
	}
	if (rate >= 0) {
		g->pinned_rate = true;
		set_rate(g, rate, period_ms);
		gate_reset_rate(g, now_ms);
	}
}

void gate_unpin(struct gate *g, bool parallelism, bool rate)
{
	if (parallelism)
		g->pinned_parallelism = false;
	if (rate)
		g->pinned_rate = false;
}

void gate_reset_rate(struct gate *g, int64_t now_ms)
{
	g->rate_count = 0;
	g->window_start_ms = now_ms;
}
