/* headers.h - lists of headers: inside stored records, where msg.h's headers_encode wrote them, and as a member
 * of JSON.
 */
#ifndef CORE_HEADERS_H
#define CORE_HEADERS_H

#include "base/json.h"
#include "core/msg.h"

/* How many values with this tag a record has; the caller allocates as many. */
size_t headers_count(struct str record, uint8_t tag);
/* Takes one value of such a tag into the list, which has room for it. False when it is broken. */
must_use bool headers_take(struct headers *h, struct str value);

/* An object of strings or arrays of strings; numbers and booleans count as their text, null as nothing. NULL = none.
 * Views into the tree, in the arena; what they say is not judged. False when it is anything else. */
must_use bool headers_from_json(struct arena *a, const struct json *object,
				struct headers *ret_headers);

/* A header name: one or more token characters (RFC 9110). */
bool header_name_is_valid(struct str name);
/* No control bytes but the tab. */
bool header_value_is_valid(struct str value);

#endif
