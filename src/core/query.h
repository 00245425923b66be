/* query.h - query strings: walking over them, and taking ours out of a destination's (spec 1.4).
 */
#ifndef CORE_QUERY_H
#define CORE_QUERY_H

#include "base/arena.h"
#include "base/compiler.h"
#include "core/msg.h"

/* Takes the next `key=value` off the front of *q; empty pieces are passed over. Key and value are
 * raw; a piece without '=' has an empty value. False at the end. */
must_use bool query_next(struct str *q, struct str *ret_key, struct str *ret_raw_value);
/* Percent-decoded, '+' as a space; a view when there is nothing to decode. False on a broken
 * escape. */
must_use bool query_decode(struct arena *a, struct str raw, struct str *ret_value);
/* First value of a key (exact, case-sensitive), decoded; p == NULL when absent. False on a broken
 * escape. */
must_use bool query_get(struct arena *a, struct str query, struct str key, struct str *ret_value);

/* Splits the query of a publish: `upstash-*` parameters (any case, decoded, names as sent) become
 * headers, qstash_token (decoded; p == NULL when absent) the token, and the rest, in its order and
 * encoding, belongs to the destination. False when one of ours has a broken escape or there are too
 * many of them. */
must_use bool query_split_destination(struct arena *a, struct str query, struct str *ret_rest,
				      struct headers *ret_upstash, struct str *ret_token);

#endif
