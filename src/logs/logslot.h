/* logslot.h - which log process a user's log is with, when several share the users.
 */
#ifndef LOGS_LOGSLOT_H
#define LOGS_LOGSLOT_H

#include "base/str.h"

enum { LOGSLOT_MAX = 64 }; /* processes */

/* 0 to slots - 1. The same in all versions, for processes of different ones work together: FNV-1a of the id. */
static inline unsigned logslot_of(struct str user, unsigned slots)
{
	uint64_t hash = 0xcbf29ce484222325U;

	for (size_t i = 0; i < user.n; i++)
		hash = (hash ^ (uint8_t)user.p[i]) * 0x100000001b3U;
	return (unsigned)(hash % slots);
}

#endif
