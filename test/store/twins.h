/* twins.h - two stores that are asked the same and must answer the same, to the last number. The first is the embedded one,
 * in memory: the oracle.
 *
 * Tokens are compared, too, for both make them of the holder's number and the request's ticket. What the contract
 * leaves open is left out by the choice of times: no two gates open and no two messages become due in one millisecond,
 * so that turns have one order.
 */
#ifndef TEST_STORE_TWINS_H
#define TEST_STORE_TWINS_H

#include "kit.h"

enum { TWINS_HOLDERS = 3, TWINS_MOVES_MAX = 3 };

struct twins {
	int64_t users_version[2]; /* as of the last claim */
	struct kit k[2];
	struct store *holder[TWINS_HOLDERS][2]; /* the first always; NULL = not there */
	struct kit gen;                         /* what makes moves; its arena lives for one verb */
	struct rng rng;
	uint64_t tail_at;
};

void twins_init(struct twins *t, uint64_t seed);
void twins_done(struct twins *t);

int twins_below(struct twins *t, int n);
bool twins_chance(struct twins *t, int percent);
int twins_holder(struct twins *t); /* one that is there */

/* Each submits to both, compares all results, and leaves the first one's. Sometimes the answer counts as lost
 * and the same is asked again. */
enum store_result twins_step(struct twins *t, int holder, struct step *s, struct move *moves,
			     size_t n);
/* Several steps of one move in one batch. */
void twins_batch(struct twins *t, int holder, struct move *moves, size_t n);
/* Results in an arena of the caller. */
void twins_claim(struct twins *t, int holder, struct claim *c, struct arena *a);
void twins_attach(struct twins *t, int holder);
void twins_close(struct twins *t, int holder);
void twins_kill(struct twins *t, int holder);

/* All that there is, of these users. */
void twins_compare(struct twins *t, const char *const users[], size_t n);
/* A page of a listing. Leaves what it says of a run, but for the record. */
void twins_scan(struct twins *t, struct scan *s);

#endif
