/* play.h - the random moves of the differential test: t_differential.c has those of messages, gates and documents and
 * the play itself, play_run.c those of workflow runs.
 */
#ifndef TEST_STORE_PLAY_H
#define TEST_STORE_PLAY_H

#include "twins.h"

enum { PLAY_USERS = 4, PLAY_KEYS = 4, PLAY_DOCS = 4, PLAY_RUNS = 3, PLAY_RUNS_KNOWN = 64 };
enum { PLAY_LIVE_MAX = 600 };

/* One user has to be escaped in keys. */
extern const char *const play_user[PLAY_USERS], *const play_key[PLAY_KEYS],
							*const play_doc[PLAY_DOCS];

struct play_live {
	struct msg_id id;
	int user;
	int queue;
	uint64_t root;  /* 0 = it is no callback */
	uint64_t lease; /* the last that it had */
};

/* A run that was begun, or asked to. */
struct play_run {
	int user, name;
	int64_t created_ms;
};

struct play {
	struct twins t;
	struct play_live *live;
	int lives;
	struct dlq_id dead;
	int dead_user;
	uint64_t odd; /* numbers given out of order */
	int64_t doc_version;
	struct play_run run[PLAY_RUNS_KNOWN]; /* ring */
	size_t runs;
	struct play_run seen; /* with its version: by the last look at a run that was there */
	int64_t seen_version;
	uint8_t *taken; /* by ms modulo TIMES: something happens then */
	int64_t cleared_ms;
};

int play_below(struct play *p, int n);
bool play_chance(struct play *p, int percent);
int64_t play_free_delay(struct play *p, int ms_max); /* to a ms at which nothing else happens */

/* Messages that may be there; a move makes one, and its outcome is told. */
struct kit_put play_random_put(struct play *p, struct play_live *m);
struct move play_put_move(struct play *p, const struct kit_put *put, struct play_live *m);
struct move play_callback(struct play *p, const struct play_live *of, struct play_live *m);
void play_add_live(struct play *p, const struct play_live *m, const struct move *put);
int play_some_live(struct play *p, bool leased); /* -1 = there is none */
struct move play_settle_move(struct play *p, const struct play_live *m);
void play_settled(struct play *p, int i, const struct move *m, enum refusal refusal);
struct move play_doc_move(struct play *p);

/* play_run.c */
void play_run_put(struct play *p, int user, struct kit_put *put); /* makes it a put of a run */
struct run_ref play_run_ref(struct play *p, int user);
void play_run_verb(struct play *p);
void play_run_settle(struct play *p); /* the end of a run in the step of a message's end */
void play_run_scan(struct play *p);
void play_run_compare(struct play *p); /* all that is known of runs */

#endif
