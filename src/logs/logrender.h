/* logrender.h - a log entry as JSON (spec 6.3).
 *
 * An entry shows its event and its message. Where the SDKs and the published schema disagree about
 * a name, both are written. What is absent is left out. What the message's redact list names is
 * shown as a hash.
 */
#ifndef LOGS_LOGRENDER_H
#define LOGS_LOGRENDER_H

#include "base/json.h"
#include "core/event.h"

/* A whole object. `m` has its body; NULL when the log does not know the message: the entry then has
 * the members that readers insist on, with an empty url. */
void logrender_entry(struct json_out *j, const struct event *e, const struct msg *m);

#endif
