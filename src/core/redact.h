/* redact.h - what a message hides when it is shown (spec 5.9).
 *
 * A redact list in its canonical form is "body", "header" (all) or "header[X-Name]",
 * comma-separated, in this order and without spaces. Deliveries, retries and callbacks use the real
 * values.
 */
#ifndef CORE_REDACT_H
#define CORE_REDACT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/problem.h"
#include "core/msg.h"

/* The canonical form of a list as a user writes it. 400 with `header` (the header's name) in the
 * text. */
must_use bool redact_parse(struct arena *a, struct str list, struct str header,
			   struct str *ret_redact, struct problem *ret_problem);
bool redact_body(const struct msg *m);
bool redact_header(const struct msg *m, struct str name);
/* Appends "REDACTED:" and the SHA-256 of the value in hex. */
void redact_value(struct buf *out, struct str value);
enum { REDACT_LEN = 9 + 64 };

#endif
