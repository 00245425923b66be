/* view.h - messages as JSON, the way the API shows them (spec 2.3.1, 2.3.2).
 *
 * Each function writes members only; the caller opens and closes the object and may add members of
 * its own. What the message's redact list names is shown as a hash. Absent things are left out.
 */
#ifndef CORE_VIEW_H
#define CORE_VIEW_H

#include "base/json.h"
#include "core/msg.h"
#include "core/outcome.h"

/* All members of a Message. */
void view_message(struct json_out *j, const struct msg *m);
/* What a DLQMessage has beyond a Message. */
void view_dead(struct json_out *j, struct str dlq_id, const struct outcome *o);

/* The parts, for schedules and log entries. */

/* name -> [values], nothing when there are none. `m` tells what to redact; NULL = nothing. */
void view_headers(struct json_out *j, struct str key, const struct headers *h, const struct msg *m);
/* "body" when it is UTF-8 (or redacted), else "bodyBase64"; nothing when it is empty. */
void view_body(struct json_out *j, const struct msg *m);
/* "body" in base64, as in log entries; a redacted one is the base64 of its hash text. */
void view_body_b64(struct json_out *j, const struct msg *m);
/* "callback", "callbackHeader", "failureCallback", "failureCallbackHeader". */
void view_callbacks(struct json_out *j, const struct msg *m);
/* "label" (the first) and "labels". */
void view_labels(struct json_out *j, const struct msg *m);
/* "flowControlKey", "parallelism", "rate", "period". */
void view_flow(struct json_out *j, const struct msg *m);

#endif
