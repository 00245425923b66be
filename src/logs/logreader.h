/* logreader.h - the answering side: finds the file of a query's user and has the query run over it.
 */
#ifndef LOGS_LOGREADER_H
#define LOGS_LOGREADER_H

#include <pthread.h>

#include "logs/logfiles.h"
#include "logs/logs.h"
#include "logs/logwriter.h"

struct logreader {
	struct logfiles files;
	/* Held while `files` is in use: the writer takes it before a file goes away. */
	pthread_mutex_t reading;
};

void logreader_init(struct logreader *r, const char *dir, size_t files_open_max);
void logreader_done(struct logreader *r);

/* Answers the query. True when the file was found broken: the answer is then as if there were none,
 * and the writer must hear of it. */
must_use bool logreader_answer(struct logreader *r, struct logs_query *q,
			       struct logwriter_finding *ret_finding);

#endif
