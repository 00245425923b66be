/* quotas.h - what an answer says of the user's quotas (spec 9.2, 9.3).
 */
#ifndef API_QUOTAS_H
#define API_QUOTAS_H

#include "api/call.h"

/* Answers with the problem of a message that was not published. Over the hard quota of the day, the answer has the
 * RateLimit headers; clients tell by them which limit it was. */
void quotas_fail(struct call *c, const struct problem *p);
/* The header line that tells of soft quotas that these messages exceed; empty when none is. */
struct str quotas_warning(const struct call *c, const struct publish_item *item, size_t n);

#endif
