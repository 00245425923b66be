/* bulk_int.h - what the files of bulk actions share.
 *
 *	bulk.c      which jobs there are, whose turn it is, who waits for them
 *	bulk_job.c  what a job does in its turn
 */
#ifndef ENGINE_BULK_INT_H
#define ENGINE_BULK_INT_H

#include "core/bulk.h"
#include "engine/engine_int.h"

enum {
	BULK_FILTER_BYTES_MAX = 256 * 1024,
	BULK_DOC_BYTES_MAX = BULK_FILTER_BYTES_MAX + 1024,
};

enum bulk_does {
	BULK_DOES_TRY, /* acts on the first page; often there is no more, and no action need be made of it */
	BULK_DOES_BOUND,  /* looks for the last message that there is */
	BULK_DOES_MAKE,   /* makes the document */
	BULK_DOES_READ,   /* reads it */
	BULK_DOES_WORK,   /* the next page */
	BULK_DOES_REMOVE, /* the document is too old, or of no use */
};

struct bulk_job {
	struct list node; /* in engine.bulks */
	struct engine *engine;
	struct bulk_cancel *op; /* who waits; NULL = nobody */
	int64_t give_up_mono_ms;
	enum bulk_does does;
	bool made;          /* the document exists, as far as is known */
	int64_t at_mono_ms; /* not before this */
	int64_t written_mono_ms;
	struct arena arena; /* of the following */
	struct str user;
	struct bulk bulk;
	int64_t version; /* of the document */
	/* the page in flight */
	struct scan scan;
	struct bulk next; /* what `bulk` becomes when the step is applied */
	struct step step;
	struct move *move; /* [0] = the document, then the cancels; in scan.arena */
	size_t acts;
	size_t rows_max;
	struct buf value;
};

struct bulk_job *bulk_job_new(struct engine *e, struct str user);
void bulk_job_free(struct bulk_job *job);
/* Its turn: one page, or one step towards it. Then bulk_busy is NULL again, and the job may be gone. */
void bulk_job_go(struct bulk_job *job);
/* Takes the document over, whatever made it so; false when it is broken. */
must_use bool bulk_job_take(struct bulk_job *job, struct str value, int64_t version);
/* Tells the one who waits, if anybody does. */
void bulk_job_answer(struct bulk_job *job, const struct problem *p);

#endif
