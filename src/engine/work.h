/* work.h - one change to a workflow run, from looking at it to the step that does it.
 *
 * A work reads the run (optional), lets its owner build the moves on top of what was read, and submits them
 * as one step. What a lost answer leaves open is asked again until it is clear; when an id is taken, or
 * somebody else has changed what was read, the moves are built anew. Its life:
 *
 *	work_new ── work_read ──► read(w) ── work_do ──► build(w) ──► done(w) ── work_free
 *	              ▲                                    ▲  │
 *	              │                                    └──┘ REFUSAL_ID
 *	              └ the owner, on REFUSAL_VERSION
 */
#ifndef ENGINE_WORK_H
#define ENGINE_WORK_H

#include "core/run.h"
#include "engine/engine_int.h"

struct work {
	struct list node; /* in engine.works or engine.works_again */
	struct engine *engine;
	struct account *account;
	struct arena arena; /* for what is built, and what lives as long as the work */
	/* The run as it was read; record and entries in `scan`, until the next reading. */
	struct run_ref ref;
	struct scan scan;
	struct run run;
	/* The document as it was read. */
	enum doc_kind doc_kind;
	struct str doc_name, doc_value;
	int64_t doc_version;         /* 0 = it is not there */
	bool open;                   /* it is there, and not over */
	struct msg_id invoker_first; /* of an invocation: first message of the run that invokes */
	bool looks_for_last;
	enum run_entry last_entry; /* read by work_read_last */
	bool must;                 /* is asked again, too, when the store is not available */
	/* The step. */
	struct step step;
	struct move *move;
	size_t moves, moves_max;
	struct delivery **made; /* own the records of the puts */
	size_t made_n;
	int tries;   /* how often it was built before */
	bool leases; /* set by `build` before its first put: the puts may be leased by the step */
	int leasing; /* that many puts of the step in flight may be */
	bool reading, asked_again;
	void (*read)(struct work *w);
	void (*build)(struct work *w);
	void (*done)(struct work *w); /* applied, refused or not available: w->step.req.result */
	struct delivery *settles;     /* settled by it, and its own until `done`; NULL = none */
	void *arg;
	void *priv; /* the owner's, in `arena` */
};

must_use struct work *work_new(struct engine *e, struct account *a, void *arg);
void work_free(struct work *w);

/* Reads the run, with its first entry when `first` is set; then calls w->read. When the store is not
 * available, w->done is called in its place, unless it must. */
void work_read(struct work *w, const struct run_ref *ref, bool first);
/* The same, and tells whether a key of the run is taken. */
void work_read_key(struct work *w, const struct run_ref *ref, struct str key);
/* The same, and looks at all entries for the kind of the last one. */
void work_read_last(struct work *w, const struct run_ref *ref, struct str key);
/* Reads a document of the user; then calls w->read. */
void work_read_doc(struct work *w, enum doc_kind kind, struct str name);
/* The bytes of the first entry, once read. */
struct str work_first(const struct work *w);

/* Calls w->build, which uses the next functions, and submits what it has made. */
void work_do(struct work *w);
struct move *work_move(struct work *w, enum move_kind kind);
/* A new message; ids grow from one to the next. The result lives until the work's end. */
struct move *work_put(struct work *w, const struct msg *m);
/* The same, as an entry of a run. */
struct move *work_put_entry(struct work *w, const struct msg *m, struct str body);
/* Changes the document that was read: to `value`, or removes it when that is empty. */
struct move *work_write_doc(struct work *w, struct str value, int64_t due_ms);
/* The event of the run as a whole. */
void work_event(struct work *w, struct move *move, const struct event *ev);

/* What a failed step is for the caller. */
void work_problem(const struct work *w, struct problem *ret_problem);

void work_turn(struct engine *e);
void work_drop_all(struct engine *e);

#endif
