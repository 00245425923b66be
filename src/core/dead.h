/* dead.h - what a dead letter keeps of the last attempt, beside the message's own record.
 */
#ifndef CORE_DEAD_H
#define CORE_DEAD_H

#include "core/outcome.h"

void dead_encode(struct buf *out, const struct outcome *o);
/* Views into `response`; header array from the arena. False when it is broken. */
must_use bool dead_decode(struct arena *a, struct str response, struct outcome *ret_outcome);

#endif
