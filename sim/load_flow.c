/* load_flow.c - workflows: runs are begun, cancelled, told of events, and begun again when they have failed.
 */
#include <inttypes.h>

#include "base/check.h"
#include "judge_flow.h"
#include "load_int.h"
#include "sdk.h"

enum { MENDED_MS_MAX = 300 * 1000, NAMES = 3 };

static void forget(struct sdk_call *c)
{
	sdk_free(c);
}

static struct sdk_call *ask(struct world *w, enum sdk_what what)
{
	struct sdk_call *c = sdk_new(w, what);

	c->done = forget;
	return c;
}

static int64_t any_mended_ms(struct world *w)
{
	int64_t dice = world_between(w, 0, 2);

	if (dice == 0)
		return 0;
	return dice == 1 ? INT64_MAX / 2 : w->now_ms + world_between(w, 0, MENDED_MS_MAX);
}

/* Some ids come again and again; then the publishes say which run they mean. */
static void start(struct world *w)
{
	struct sdk_call *c = ask(w, SDK_PUBLISH);
	bool again = world_one_in(w, 4);
	uint64_t seed = rng_u64(&w->rng) | again;
	struct str run = again ? arena_fmt(&c->arena, "run%d", (int)rng_below(&w->rng, NAMES))
			       : arena_fmt(&c->arena, "wfr_%" PRIx64, rng_u64(&w->rng));
	struct sdk_item *item = sdk_start(c, run, world_between(w, 0, 4));

	item->body = flow_payload(&c->arena, seed, 0, any_mended_ms(w));
	if (world_one_in(w, 8))
		sdk_header(item, STR("Upstash-Delay"), STR("20s"));
	world_note(w, "run %.*s is to begin: %.*s", STR_FMT(run), STR_FMT(item->body));
	judge_flow_start_asked(w->judge, run, item->body);
	sdk_send(c);
}

static void cancel(struct world *w)
{
	struct sdk_call *c;
	struct str run;

	if (!judge_flow_pick(w->judge, rng_u64(&w->rng), &run))
		return;
	c = ask(w, SDK_CANCEL);
	c->run = arena_str(&c->arena, run);
	world_note(w, "run %.*s is to be cancelled", STR_FMT(run));
	if (w->broken != BREAK_UNASKED)
		judge_flow_cancel_asked(w->judge, run, 0);
	sdk_send(c);
}

static void notify(struct world *w)
{
	struct sdk_call *c;
	struct str run;

	if (!judge_flow_pick(w->judge, rng_u64(&w->rng), &run))
		return;
	c = ask(w, SDK_NOTIFY);
	c->event = arena_fmt(&c->arena, "v%d", (int)rng_below(&w->rng, FLOW_EVENTS));
	if (world_one_in(w, 2))
		c->run = arena_str(&c->arena, run);
	c->note = judge_flow_note_asked(w->judge, c->event, c->run);
	c->bytes = arena_fmt(&c->arena, "n%d", c->note);
	world_note(w, "event %.*s is told to %.*s: n%d", STR_FMT(c->event),
		   STR_FMT(c->run.n > 0 ? c->run : STR("all")), c->note);
	sdk_send(c);
}

static void begin_again(struct world *w)
{
	struct sdk_call *c = ask(w, SDK_DLQ);

	c->dlq_what = world_one_in(w, 3) ? RUN_DLQ_RESTART : RUN_DLQ_RESUME;
	world_note(w, "runs that have failed are to %s",
		   c->dlq_what == RUN_DLQ_RESUME ? "go on" : "begin again");
	judge_flow_dlq_asked(w->judge);
	sdk_send(c);
}

void load_flow(struct world *w)
{
	uint64_t dice = rng_below(&w->rng, 12);

	if (dice <= 5)
		start(w);
	else if (dice == 6)
		cancel(w);
	else if (dice <= 9)
		notify(w);
	else
		begin_again(w);
}
