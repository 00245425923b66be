/* logsources.h - the outboxes that events come from, by name, and how far each is in.
 *
 * A list that only grows. The thread that owns the log adds to it; others follow pointers that they were given.
 */
#ifndef LOGS_LOGSOURCES_H
#define LOGS_LOGSOURCES_H

#include <stdatomic.h>

#include "logs/logs.h"

struct logs_source {
	struct logs_source *next;
	struct logs *logs;
	char *name; /* owned */
	_Atomic uint64_t committed;
};

struct logs_source *logsources_find(struct logs_source *list,
				    struct str name); /* NULL when absent */
struct logs_source *logsources_add(struct logs_source **list, struct str name, struct logs *logs);
void logsources_free(struct logs_source *list);

#endif
