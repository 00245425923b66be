#include "logs/logsources.h"

#include <stdlib.h>

#include "base/check.h"

struct logs_source *logsources_find(struct logs_source *list, struct str name)
{
	while (list && !str_eq(str_c(list->name), name))
		list = list->next;
	return list;
}

struct logs_source *logsources_add(struct logs_source **list, struct str name, struct logs *logs)
{
	struct logs_source *s = xcalloc(1, sizeof(*s));

	check(name.n <= LOGS_SOURCE_BYTES_MAX);
	s->logs = logs;
	s->name = str_dup(name);
	s->next = *list;
	*list = s;
	return s;
}

void logsources_free(struct logs_source *list)
{
	while (list) {
		struct logs_source *s = list;

		list = s->next;
		free(s->name);
		free(s);
	}
}

uint64_t logs_committed(const struct logs_source *s)
{
	return atomic_load(&s->committed);
}
