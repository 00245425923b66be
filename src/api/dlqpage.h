/* dlqpage.h - what the requests about dead letters, of messages and of workflow runs, have in common: which entries a
 * request names, and how its answer lists them.
 */
#ifndef API_DLQPAGE_H
#define API_DLQPAGE_H

#include "api/call.h"

struct dlqpage {
	struct call *call;
	const char *not_found; /* what a 404 says of one entry */
	/* which ones */
	bool by_ids; /* the filter lists them; there is no cursor then */
	struct dlq_id *ids;
	size_t ids_n;
	bool has_after; /* the cursor */
	struct dlq_id after;
	/* what came of it */
	size_t n;
	bool more;
	struct dlq_id last;
	/* Writes the i-th of them as a JSON value, or nothing when it is broken; returns its id. */
	struct dlq_id (*write)(struct dlqpage *p, struct json_out *j, size_t i);
};

/* The entry that the path names. False with the call answered. */
must_use bool dlqpage_take_path(struct dlqpage *p);
/* The n ids in `named`, if any, but for texts that are no ids: those name no entry; else the cursor. False with the
 * call answered. */
must_use bool dlqpage_take_filter(struct dlqpage *p, const struct str *named, size_t n,
				  struct str cursor);

/* {"KEY": [...], "cursor"?}, which ends early when it grows too large. `none`, when given, is what a 404 says where none
 * of several ids was found. */
void dlqpage_answer(struct dlqpage *p, int status, struct str key, const char *none);
/* The only one, or 404. */
void dlqpage_answer_one(struct dlqpage *p, int status);
/* {"deleted": n, "cursor"?} */
void dlqpage_answer_deleted(struct dlqpage *p);
void dlqpage_answer_deleted_one(struct dlqpage *p);

#endif
