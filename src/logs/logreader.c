#include "logs/logreader.h"

#include <stdio.h>

#include "base/check.h"
#include "logs/logquery.h"

void logreader_init(struct logreader *r, const char *dir, size_t files_open_max)
{
	logfiles_init(&r->files, dir, files_open_max);
	r->files.reading = true;
	pthread_mutex_init(&r->reading, NULL);
}

void logreader_done(struct logreader *r)
{
	logfiles_done(&r->files);
	pthread_mutex_destroy(&r->reading);
}

static enum logdb_result run(struct logreader *r, const char *name, struct logs_query *q)
{
	struct logdb *db;
	enum logdb_result result = logfiles_get(&r->files, name, STR_NULL, &db);

	if (result != LOGDB_OK)
		return result;
	logquery_run(db, q);
	result = logdb_result(db);
	if (result != LOGDB_OK)
		logfiles_fail(&r->files, name);
	return result;
}

bool logreader_answer(struct logreader *r, struct logs_query *q,
		      struct logwriter_finding *ret_finding)
{
	char name[LOGFILES_NAME_BYTES];
	enum logdb_result result;

	logfiles_name(name, q->user);
	pthread_mutex_lock(&r->reading);
	result = run(r, name, q);
	if (result == LOGDB_BROKEN) {
		ret_finding->trouble = r->files.trouble;
		snprintf(ret_finding->name, sizeof(ret_finding->name), "%s", name);
	}
	pthread_mutex_unlock(&r->reading);
	if (result == LOGDB_UNWRITABLE)
		problem_set(&q->problem, 503, "the log cannot be read at the moment");
	else if (result != LOGDB_OK)
		logquery_nothing(q);
	return result == LOGDB_BROKEN;
}
