/* logwire.h - a log query, and its answer, as bytes between two processes.
 *
 * Tagged values (base/codec.h): an older or newer peer passes over what it does not know. What comes from the other
 * side is judged here, so that a query which decodes is one that the log may be asked.
 */
#ifndef LOGS_LOGWIRE_H
#define LOGS_LOGWIRE_H

#include "logs/logs.h"

enum {
	LOGWIRE_QUERY_BYTES_MAX = 256 * 1024,
	LOGWIRE_ANSWER_BYTES_MAX = 32 * 1024 * 1024,
	LOGWIRE_USER_BYTES_MAX = 1024,
};

/* Over the maximum of `out` it overflows. */
void logwire_query(struct buf *out, const struct logs_query *q);
/* Fills what a caller fills, but for `done` and `arg`; texts point into `in`, arrays (STATES' results, too) are the
 * arena's. False with why, a constant. */
must_use bool logwire_query_read(struct arena *a, struct str in, struct logs_query *ret_q,
				 const char **ret_why);

/* The results of a query that was answered. */
void logwire_answer(struct buf *out, const struct logs_query *q);
/* Fills the results; the body is the query's to free. False when it is no answer to this query. */
must_use bool logwire_answer_read(struct str in, struct logs_query *q);

#endif
