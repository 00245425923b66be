/* retention.h - how long each user's log is kept, for the log's own thread, which may not look into the engine.
 */
#ifndef APP_RETENTION_H
#define APP_RETENTION_H

#include "base/compiler.h"
#include "base/str.h"

struct retention;

must_use struct retention *retention_new(void);
void retention_free(struct retention *r);
/* 0 = for ever. */
void retention_set(struct retention *r, struct str user, int64_t seconds);
/* From any thread; three days for a user that nobody has set. For logs_settings.retention_s. */
int64_t retention_of(void *arg, struct str user);

#endif
