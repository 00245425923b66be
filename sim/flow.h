/* flow.h - random workflows, and the replay of them as the SDK does it.
 *
 * A workflow is made from its payload alone, "<seed> <depth> <mended>", so endpoints and judge have the same one.
 * It is a list of blocks, each one step or several in parallel, and an end. What the endpoint has to do next follows from the
 * history that a delivery carries, and from nothing else.
 */
#ifndef SIM_FLOW_H
#define SIM_FLOW_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/str.h"

enum {
	FLOW_STEPS_MAX = 10,
	FLOW_DEPTH_MAX = 2, /* of invocations */
	FLOW_EVENTS = 3,    /* "v0" and so on */
};

enum flow_kind {
	FLOW_RUN,
	FLOW_SLEEP,       /* arg: seconds */
	FLOW_SLEEP_UNTIL, /* the same, as a point of time */
	FLOW_CALL,        /* arg: endpoint */
	FLOW_WAIT,        /* arg: seconds; event */
	FLOW_NOTIFY,      /* event; bound: to the run itself, before it waits or when it waits */
	FLOW_INVOKE,
};

struct flow_step {
	enum flow_kind kind;
	int64_t arg;
	int event;
	bool bound;
	size_t block,
		width; /* index of the first step of its block, and how many there are in it */
};

struct flow {
	uint64_t seed;
	int depth;
	int64_t mended_ms; /* world: the fragile step fails before */
	struct flow_step step[FLOW_STEPS_MAX];
	size_t n;
	size_t fragile; /* index of a step; n = none */
	bool fatal;     /* the fragile step forbids retries */
	bool random;    /* a step that is executed again has another result */
	bool cancels;   /* itself, at its end */
	bool dated;     /* its publishes say when the run began, so its id can be used again */
};

/* False when the payload is none. */
must_use bool flow_parse(struct str payload, struct flow *ret_flow);
struct str flow_payload(struct arena *a, uint64_t seed, int depth, int64_t mended_ms);
/* Of what a step invokes. */
struct str flow_child_payload(struct arena *a, const struct flow *f, size_t step);
const char *flow_type(enum flow_kind kind); /* "Run" and so on */

/* An entry of the history behind the first one. */
struct flow_entry {
	int64_t step;   /* number, from 1 */
	int64_t target; /* of a plan: the step that it is for; step is 0 then */
	struct str type;
	struct str out;
	struct str event; /* that it has waited for */
	bool timed_out;
};
must_use bool flow_entry_parse(struct arena *a, struct str body, struct flow_entry *ret_entry);

enum flow_do {
	FLOW_DISCARD, /* a result of a parallel block that is not its last, or a second one */
	FLOW_PLAN,    /* a parallel block: all plans at once */
	FLOW_EXECUTE, /* a step */
	FLOW_END,     /* finish or cancel */
	FLOW_BROKEN,  /* this cannot be a history of the workflow */
};
struct flow_next {
	enum flow_do what;
	size_t step;      /* index: to execute, or the first of the block; n = of none */
	bool planned;     /* to execute: it has a plan */
	bool joined;      /* the last entry was the one that has completed a parallel block ... */
	size_t joined_at; /* ... which begins with this step */
};
struct flow_next flow_replay(struct arena *a, const struct flow *f, const struct flow_entry *entry,
			     size_t n);
/* What the workflow returns: all of the steps' results go into it, of each the first. */
struct str flow_result(struct arena *a, const struct flow *f, const struct flow_entry *entry,
		       size_t n);

#endif
