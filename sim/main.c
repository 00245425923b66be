/* main.c - sim: lives through seeds, each a history of faults in virtual time.
 *
 *	sim --seeds N [--first S]     N seeds from S on; the last line is `N passed, N failed`
 *	sim --seed S [--trace]        one seed; --trace prints everything that happens
 *	sim --break HOW               a world that is broken on purpose: passes when the judge notices
 *	sim --break all               the same for all ways
 *
 * How to read a trace. Each line has the world's time in seconds, and what happened then:
 *
 *	p1 is asked to publish t17 of user0 to URL queue q1    a request to process 1; t17 is the body, by which the
 *	                                                       judge names the message: "message 17"
 *	t17 answered (status 0, 33...)     the answer, with the first half of the message's id in hex; all further lines
 *	                                   name it by this number
 *	p1: 33... ACTIVE retried 0 ...     an event in the log, by a turn of process 1: from here on it is durable
 *	p1: schedule s0 of user0 stored, 2 messages      a mark (mark.h): a document was written, by a step that also
 *	                                                 made two messages, which follow
 *	p1 sends 33... to e4, e4 answers 500 to 33..., p1 gets 500 for 33...     one attempt; status 0 = none
 *	p2 dies, the clock steps, ...      faults
 *	run wfr_9c0 is to begin: 55 0 0    a workflow, made from that payload (flow.h); its messages go to e10, and the lines
 *	                                   of its steps are those of messages
 *
 * The verdict, on the last line, is the first thing that was wrong; so it happened in the last turn. A trace is long:
 * grep for the number of the message, and for "p1 " and " dies" around it.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/str.h"
#include "world.h"

enum { BREAK_SEEDS_MAX = 40 };

static const char *const break_name[BREAK_COUNT] = {
	[BREAK_NONE] = "none",
	[BREAK_LEASE] = "lease",
	[BREAK_DEDUP] = "dedup",
	[BREAK_LOSE] = "lose",
	[BREAK_LIE] = "lie",
	[BREAK_SLOTS] = "slots",
	[BREAK_STUCK] = "stuck",
	[BREAK_LEFT] = "left",
	[BREAK_DEAD_LEFT] = "dead-left",
	[BREAK_TOLD] = "told",
	[BREAK_ORDER] = "order",
	[BREAK_ROWS] = "rows",
	[BREAK_PAUSE] = "pause",
	[BREAK_KEY_PAUSE] = "key-pause",
	[BREAK_QUEUE] = "queue",
	[BREAK_PIN] = "pin",
	[BREAK_RATE] = "rate",
	[BREAK_TWICE] = "twice",
	[BREAK_EARLY] = "early",
	[BREAK_LATE] = "late",
	[BREAK_FAN_OUT] = "fan-out",
	[BREAK_UNPAUSE] = "unpause",
	[BREAK_REVIVE] = "revive",
	[BREAK_MAKEUP] = "makeup",
	[BREAK_OVERWRITE] = "overwrite",
	[BREAK_RESUME] = "resume",
	[BREAK_GROUP] = "group",
	[BREAK_FORGET] = "forget",
	[BREAK_CANCEL] = "cancel",
	[BREAK_BURY] = "bury",
	[BREAK_SLICE] = "slice",
	[BREAK_JOIN] = "join",
	[BREAK_RESULT] = "result",
	[BREAK_CHILD] = "child",
	[BREAK_DEAF] = "deaf",
	[BREAK_DOOM] = "doom",
	[BREAK_UNASKED] = "unasked",
	[BREAK_REWRITE] = "rewrite",
	[BREAK_UNDEAD] = "undead",
	[BREAK_STALL] = "stall",
};

struct options {
	uint64_t first, seeds;
	bool trace, breaks;
	enum world_break broken; /* BREAK_COUNT = all */
};

/* In a process of its own, so that a failed check() costs one seed and not the run. `shared` memory takes what
 * it counted. */
static bool run_apart(uint64_t seed, enum world_break broken, struct judge_counts *shared)
{
	struct world_settings set = { .seed = seed, .broken = broken };
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	check(pid >= 0);
	if (pid == 0) {
		bool well = world_run(&set, shared);

		fflush(stdout);
		_exit(well ? 0 : 1);
	}
	check(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) <= 1)
		return WEXITSTATUS(status) == 0;
	printf("seed %llu died; replay with: sim --seed %llu --trace\n", (unsigned long long)seed,
	       (unsigned long long)seed);
	return false;
}

static struct judge_counts *share(void)
{
	void *p = mmap(NULL, sizeof(struct judge_counts), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	check(p != MAP_FAILED);
	return p;
}

static bool is_noticed(enum world_break broken, uint64_t first)
{
	struct judge_counts *shared = share();

	printf("%s:\n", break_name[broken]);
	for (uint64_t i = 0; i < BREAK_SEEDS_MAX; i++) {
		if (!run_apart(first + i, broken, shared))
			return true;
	}
	printf("the judge does not notice: %s\n", break_name[broken]);
	return false;
}

static int close_line(uint64_t passed, uint64_t failed)
{
	printf("%llu passed, %llu failed\n", (unsigned long long)passed,
	       (unsigned long long)failed);
	return failed > 0 || passed == 0;
}

static void add_flows(struct judge_flow_counts *sum, const struct judge_flow_counts *c)
{
	sum->runs += c->runs;
	sum->again += c->again;
	sum->succeeded += c->succeeded;
	sum->failed += c->failed;
	sum->canceled += c->canceled;
	sum->entries += c->entries;
	sum->joined += c->joined;
	sum->told += c->told;
	sum->timed_out += c->timed_out;
	sum->invoked += c->invoked;
	sum->reported += c->reported;
}

static void print_flows(const struct judge_flow_counts *c)
{
	printf("%lld workflow runs (%lld begun again), %lld succeeded, %lld failed, %lld "
	       "cancelled: "
	       "%lld entries, %lld parallel blocks, %lld waits told and %lld timed out, "
	       "%lld invocations, %lld failures reported\n",
	       (long long)c->runs, (long long)c->again, (long long)c->succeeded,
	       (long long)c->failed, (long long)c->canceled, (long long)c->entries,
	       (long long)c->joined, (long long)c->told, (long long)c->timed_out,
	       (long long)c->invoked, (long long)c->reported);
}

static int run_seeds(const struct options *o)
{
	struct judge_counts *shared = share();
	struct judge_counts sum = { 0 };
	uint64_t failed = 0;

	for (uint64_t i = 0; i < o->seeds; i++) {
		failed += !run_apart(o->first + i, BREAK_NONE, shared);
		sum.events += shared->events;
		sum.created += shared->created;
		sum.attempts += shared->attempts;
		sum.ticks += shared->ticks;
		sum.changes += shared->changes;
		add_flows(&sum.flow, &shared->flow);
	}
	printf("%lld events of %lld messages, %lld attempts, %lld triggers, %lld changes by hand\n",
	       (long long)sum.events, (long long)sum.created, (long long)sum.attempts,
	       (long long)sum.ticks, (long long)sum.changes);
	print_flows(&sum.flow);
	return close_line(o->seeds - failed, failed);
}

static int run_breaks(const struct options *o)
{
	uint64_t noticed = 0, all = 0;

	for (int b = BREAK_NONE + 1; b < BREAK_COUNT; b++) {
		if (o->broken != BREAK_COUNT && (int)o->broken != b)
			continue;
		all++;
		noticed += is_noticed((enum world_break)b, o->first);
	}
	return close_line(noticed, all - noticed);
}

static int usage(void)
{
	fputs("usage: sim --seeds N [--first S] | --seed S [--trace] | --break HOW|all\nHOW:",
	      stderr);
	for (int b = BREAK_NONE + 1; b < BREAK_COUNT; b++)
		fprintf(stderr, " %s", break_name[b]);
	fputs("\n", stderr);
	return 2;
}

static bool parse_break(struct options *o, const char *name)
{
	o->breaks = true;
	o->broken = BREAK_COUNT;
	if (strcmp(name, "all") == 0)
		return true;
	for (int b = BREAK_NONE + 1; b < BREAK_COUNT; b++) {
		if (strcmp(name, break_name[b]) == 0)
			o->broken = (enum world_break)b;
	}
	return o->broken != BREAK_COUNT;
}

static bool parse(struct options *o, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";

		if (strcmp(argv[i], "--trace") == 0) {
			o->trace = true;
			continue;
		}
		if (strcmp(argv[i], "--seeds") == 0) {
			if (!str_u64(str_c(value), &o->seeds))
				return false;
		} else if (strcmp(argv[i], "--first") == 0 || strcmp(argv[i], "--seed") == 0) {
			if (!str_u64(str_c(value), &o->first))
				return false;
		} else if (strcmp(argv[i], "--break") != 0 || !parse_break(o, value)) {
			return false;
		}
		i++;
	}
	return o->breaks || o->seeds > 0;
}

int main(int argc, char **argv)
{
	struct options o = { .first = 1, .seeds = 1 };

	log_setup(LOG_OFF);
	if (!parse(&o, argc, argv))
		return usage();
	if (o.trace) {
		struct world_settings set = { .seed = o.first, .trace = true, .broken = BREAK_NONE };
		struct judge_counts counts;
		bool well;

		if (o.breaks && o.broken < BREAK_COUNT)
			set.broken = o.broken;
		well = world_run(&set, &counts);
		return close_line(well, !well);
	}
	return o.breaks ? run_breaks(&o) : run_seeds(&o);
}
