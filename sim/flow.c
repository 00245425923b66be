#include "flow.h"

#include <inttypes.h>

#include "base/check.h"
#include "base/rng.h"
#include "core/runbody.h"

enum { BLOCKS_MAX = 5, WIDTH_MAX = 4, ENDPOINTS = 10 };

/* ---- making ------------------------------------------------------------------------------------------- */

static int64_t between(struct rng *r, int64_t least, int64_t most)
{
	return least + (int64_t)rng_below(r, (uint64_t)(most - least + 1));
}

static struct flow_step any_step(struct rng *r, const struct flow *f)
{
	static const enum flow_kind kinds[] = { FLOW_RUN,   FLOW_RUN,    FLOW_RUN,
						FLOW_SLEEP, FLOW_CALL,   FLOW_CALL,
						FLOW_WAIT,  FLOW_NOTIFY, FLOW_SLEEP_UNTIL,
						FLOW_WAIT,  FLOW_INVOKE, FLOW_INVOKE };
	struct flow_step s = {
		.kind = kinds[rng_below(r, countof(kinds))],
		.event = (int)rng_below(r, FLOW_EVENTS),
		.bound = rng_below(r, 2) == 0,
	};

	if (s.kind == FLOW_INVOKE && f->depth >= FLOW_DEPTH_MAX)
		s.kind = FLOW_RUN;
	if (s.kind == FLOW_CALL)
		s.arg = between(r, 0, ENDPOINTS - 1);
	else if (s.kind == FLOW_WAIT)
		s.arg = between(r, 2, 200);
	else
		s.arg = between(r, 1, 60);
	return s;
}

static void make(struct flow *f)
{
	struct rng r;
	size_t blocks;

	rng_init(&r, f->seed);
	blocks = (size_t)between(&r, 1, BLOCKS_MAX);
	for (size_t b = 0; b < blocks; b++) {
		size_t width = rng_below(&r, 3) == 0 ? (size_t)between(&r, 2, WIDTH_MAX) : 1;
		size_t first = f->n;

		if (first + width > FLOW_STEPS_MAX)
			break;
		for (size_t i = 0; i < width; i++) {
			f->step[f->n] = any_step(&r, f);
			f->step[f->n].block = first;
			f->step[f->n++].width = width;
		}
	}
	f->fragile = rng_below(&r, 4) == 0 ? (size_t)rng_below(&r, f->n) : f->n;
	f->fatal = rng_below(&r, 2) == 0;
	f->random = rng_below(&r, 2) == 0;
	f->cancels = rng_below(&r, 12) == 0;
	f->dated = f->seed % 2 != 0;
}

bool flow_parse(struct str payload, struct flow *ret_flow)
{
	struct str seed = str_cut(&payload, ' '), depth = str_cut(&payload, ' ');
	struct flow f = { 0 };
	uint64_t n;

	if (!str_u64(seed, &f.seed) || !str_u64(depth, &n) || n > FLOW_DEPTH_MAX ||
	    !str_i64(payload, &f.mended_ms))
		return false;
	f.depth = (int)n;
	make(&f);
	*ret_flow = f;
	return true;
}

struct str flow_payload(struct arena *a, uint64_t seed, int depth, int64_t mended_ms)
{
	return arena_fmt(a, "%" PRIu64 " %d %" PRId64, seed, depth, mended_ms);
}

struct str flow_child_payload(struct arena *a, const struct flow *f, size_t step)
{
	struct rng r;

	rng_init(&r, f->seed + step + 1);
	return flow_payload(a, rng_u64(&r), f->depth + 1, f->mended_ms);
}

const char *flow_type(enum flow_kind kind)
{
	static const char *const name[] = {
		[FLOW_RUN] = "Run",       [FLOW_SLEEP] = "SleepFor",
		[FLOW_CALL] = "Call",     [FLOW_SLEEP_UNTIL] = "SleepUntil",
		[FLOW_WAIT] = "Wait",     [FLOW_NOTIFY] = "Notify",
		[FLOW_INVOKE] = "Invoke",
	};

	return name[kind];
}

/* ---- entries ------------------------------------------------------------------------------------------ */

bool flow_entry_parse(struct arena *a, struct str body, struct flow_entry *ret_entry)
{
	const struct json *out, *timed_out, *event;
	struct runbody_step s;

	if (!runbody_step(a, body, &s))
		return false;
	out = json_get(s.json, STR("out"));
	timed_out = json_get(s.json, STR("waitTimeout"));
	event = json_get(s.json, STR("waitEventId"));
	*ret_entry = (struct flow_entry){
		.step = s.step.id,
		.target = s.target,
		.type = s.step.type,
		.event = event != NULL ? event->text : STR_NULL,
		.out = out != NULL && out->kind == JSON_STRING ? out->text : STR_NULL,
		.timed_out =
			timed_out != NULL && timed_out->kind == JSON_BOOL && timed_out->boolean,
	};
	return true;
}

static bool is_second(const struct flow_entry *entry, size_t at)
{
	const struct flow_entry *e = &entry[at];

	for (size_t i = 0; i < at; i++) {
		if (e->target != 0 ? entry[i].target == e->target
				   : entry[i].target == 0 && entry[i].step == e->step)
			return true;
	}
	return false;
}

/* ---- the replay --------------------------------------------------------------------------------------- */

/* Entries without those that come a second time. */
struct replay {
	const struct flow *flow;
	struct flow_entry *entry;
	size_t n;
	size_t steps, plans; /* that the workflow has passed */
};

static struct flow_next single(struct replay *r)
{
	size_t results = 0, at = r->steps + r->plans;

	for (size_t i = 0; i < r->n; i++)
		results += r->entry[i].target == 0;
	if (r->steps >= results)
		return (struct flow_next){ .what = FLOW_EXECUTE, .step = r->steps };
	if (at >= r->n || r->entry[at].step != (int64_t)r->steps + 1 ||
	    !str_eq(r->entry[at].type, str_c(flow_type(r->flow->step[r->steps].kind))))
		return (struct flow_next){ .what = FLOW_BROKEN };
	r->steps++;
	return (struct flow_next){ .what = FLOW_END };
}

static struct flow_next parallel(struct replay *r, size_t width)
{
	struct flow_next next = { .what = FLOW_END };
	const struct flow_entry *last = &r->entry[r->n - 1];
	int64_t first = (int64_t)r->steps + 1;
	size_t remaining = 0;

	for (size_t i = 0; i < r->n; i++)
		remaining += (r->entry[i].target ? r->entry[i].target : r->entry[i].step) >= first;
	if (remaining == 0)
		return (struct flow_next){ .what = FLOW_PLAN, .step = r->steps };
	if (remaining < 2 * width && last->target == 0)
		return (struct flow_next){ .what = FLOW_DISCARD, .step = r->steps };
	if (remaining < 2 * width) {
		bool ours = last->target >= first && last->target < first + (int64_t)width;

		return (struct flow_next){ .what = ours ? FLOW_EXECUTE : FLOW_BROKEN,
					   .step = (size_t)last->target - 1,
					   .planned = true };
	}
	if (last->target == 0 && last->step >= first && last->step < first + (int64_t)width) {
		next.joined = true;
		next.joined_at = r->steps;
	}
	r->steps += width;
	r->plans += width;
	return next;
}

struct flow_next flow_replay(struct arena *a, const struct flow *f, const struct flow_entry *entry,
			     size_t n)
{
	struct replay r = { .flow = f, .entry = arena_array(a, struct flow_entry, n + 1) };
	struct flow_next joined = { 0 }, next;

	for (size_t i = 0; i < n; i++) {
		if (!is_second(entry, i))
			r.entry[r.n++] = entry[i];
		else if (i == n - 1)
			return (struct flow_next){ .what = FLOW_DISCARD, .step = f->n };
	}
	while (r.steps < f->n) {
		size_t width = f->step[r.steps].width;

		next = width > 1 ? (r.n > 0 ? parallel(&r, width)
					    : (struct flow_next){ .what = FLOW_PLAN })
				 : single(&r);
		if (next.joined)
			joined = next;
		if (next.what != FLOW_END) {
			next.joined = joined.joined;
			next.joined_at = joined.joined_at;
			return next;
		}
	}
	joined.what = FLOW_END;
	return joined;
}

struct str flow_result(struct arena *a, const struct flow *f, const struct flow_entry *entry,
		       size_t n)
{
	uint64_t hash = f->seed;

	for (int64_t step = 1; step <= (int64_t)f->n; step++) {
		const struct flow_entry *e = NULL;

		for (size_t i = 0; i < n && e == NULL; i++) {
			if (entry[i].target == 0 && entry[i].step == step)
				e = &entry[i];
		}
		if (e == NULL)
			return STR_NULL;
		hash = (hash ^ (uint64_t)e->timed_out ^ (e->out.n << 1)) * 1099511628211U;
		for (size_t i = 0; i < e->out.n; i++)
			hash = (hash ^ (unsigned char)e->out.p[i]) * 1099511628211U;
	}
	return arena_fmt(a, "\"%" PRIx64 "\"", hash);
}
