/* codec.h - the small encodings that the wire uses.
 *
 * base64 (standard and URL alphabet), base58 and hex, percent-decoding, and the tagged-length-value
 * coding that messages, events and documents are stored in.
 */
#ifndef BASE_CODEC_H
#define BASE_CODEC_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

/* Standard alphabet with padding. */
void b64_encode(struct buf *out, struct str s);
/* URL alphabet; `pad` says whether '=' is written. */
void b64url_encode(struct buf *out, struct str s, bool pad);
/* Accepts either alphabet, padding present or absent; false on anything else (out then
 * unspecified). */
must_use bool b64_decode(struct buf *out, struct str s);

void hex_encode(struct buf *out, struct str s); /* lower case */

/* Fixed-width base58 (11 characters, the Bitcoin alphabet): the text order is the number order. */
enum { B58_U64_LEN = 11 };
void b58_u64(char ret_text[B58_U64_LEN], uint64_t v);
must_use bool b58_u64_parse(struct str s, uint64_t *ret_v); /* exactly 11 characters */

/* %XX decoded, '+' kept; false on a broken escape. Appends to out. */
must_use bool percent_decode(struct buf *out, struct str s);
/* Everything but unreserved characters (RFC 3986) becomes %XX. */
void percent_encode(struct buf *out, struct str s);

/* Tagged values: one byte tag, a varint length, the bytes. Order is kept; tags may repeat; an
 * unknown tag is skipped by readers, so records stay readable across versions. */
void tlv_add(struct buf *out, uint8_t tag, struct str value);
void tlv_i64(struct buf *out, uint8_t tag, int64_t v); /* zigzag varint as the value */
/* Takes the next one off the front of *s: 1 = got one, 0 = clean end, -1 = broken. */
must_use int tlv_next(struct str *s, uint8_t *ret_tag, struct str *ret_value);
must_use bool tlv_i64_value(struct str value, int64_t *ret_v);

#endif
