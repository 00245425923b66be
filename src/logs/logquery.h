/* logquery.h - one query over one user's open file, from one consistent view of it.
 */
#ifndef LOGS_LOGQUERY_H
#define LOGS_LOGQUERY_H

#include "logs/logdb.h"
#include "logs/logs.h"

/* Fills the query's results. When the file fails meanwhile they are worthless: see logdb_result. */
void logquery_run(struct logdb *db, struct logs_query *q);

/* The answer of a log without entries; replaces results that were made before. */
void logquery_nothing(struct logs_query *q);

/* "<ms>-<n>" as the position it stands for, in 0..INT64_MAX-1. */
must_use bool logquery_cursor_parse(struct str text, int64_t *ret_pos);

#endif
