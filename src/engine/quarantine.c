/* quarantine.c - messages that are not to be attempted any more, because processes have died of them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "engine/engine_int.h"

void engine_quarantine(struct engine *e, struct str user, struct msg_id id)
{
	struct quarantined *q;

	check(user.n <= sizeof(q->user));
	if (e->quarantined == NULL)
		e->quarantined = xcalloc(ENGINE_QUARANTINE_MAX, sizeof(*q));
	q = &e->quarantined[e->quarantines++ % ENGINE_QUARANTINE_MAX];
	memcpy(q->user, user.p, user.n);
	q->user_n = user.n;
	q->id = id;
}

bool quarantine_has(const struct engine *e, const struct msg *m)
{
	for (size_t i = 0; i < e->quarantines && i < ENGINE_QUARANTINE_MAX; i++) {
		const struct quarantined *q = &e->quarantined[i];

		if (q->id.seq == m->id.seq && q->id.nonce == m->id.nonce &&
		    str_eq(str_n(q->user, q->user_n), m->user))
			return true;
	}
	return false;
}
