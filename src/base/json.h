/* json.h - reading and writing JSON.
 *
 * Reading builds a tree of nodes in an arena over the text; strings are unescaped into the arena
 * only when they hold an escape. Strict RFC 8259: no trailing commas, comments, NaN, lone
 * surrogates become an error, depth at most JSON_DEPTH_MAX. Duplicate keys: the last one wins, as
 * in the SDKs' parsers.
 *
 * Writing appends to a buf and takes care of commas:
 *
 *	struct json_out j = json_out(&b);
 *	json_open(&j, '{');
 *	json_key(&j, STR("messageId")); json_str(&j, id);
 *	json_close(&j, '}');
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

enum { JSON_DEPTH_MAX = 64 };

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
	enum json_kind kind;
	bool boolean;
	struct str text;           /* STRING: unescaped; NUMBER: as written */
	struct str key;            /* unescaped, when a member of an object */
	struct json *child, *next; /* first element; next sibling */
	size_t count;              /* children of an array or object */
};

/* The whole text must be one value (white space around it is fine). Returns NULL and a short reason
 * with the byte position in ret_error on a syntax error. Text and arena must outlive the tree. */
must_use struct json *json_parse(struct arena *a, struct str text, char ret_error[96]);
/* The same for texts that may be large: with more than `values_max` values in all, that is the error, so the
 * memory of the tree is bounded whatever the text. */
must_use struct json *json_parse_bounded(struct arena *a, struct str text, size_t values_max,
					 char ret_error[96]);

/* Member of an object by exact name; NULL when v is NULL, not an object, or has none. */
const struct json *json_get(const struct json *v, struct str key);
/* Integer value (fraction must be zero) within int64; false otherwise. */
must_use bool json_i64(const struct json *v, int64_t *ret_value);

struct json_out {
	struct buf *b;
	bool comma; /* the next value needs one before it */
};

struct json_out json_out(struct buf *b);
void json_open(struct json_out *j, char bracket);  /* '{' or '[' */
void json_close(struct json_out *j, char bracket); /* '}' or ']' */
void json_key(struct json_out *j, struct str key);
/* Bytes that are not UTF-8 are written as U+FFFD. */
void json_str(struct json_out *j, struct str s);
void json_b64(struct json_out *j, struct str bytes); /* a string of standard base64 */
void json_int(struct json_out *j, int64_t v);
void json_bool(struct json_out *j, bool v);
void json_null(struct json_out *j);
void json_raw(struct json_out *j, struct str text);        /* already JSON */
void json_value(struct json_out *j, const struct json *v); /* one that was read, with all in it */

/* Key and value in one, the way most objects are written. */
void json_kstr(struct json_out *j, struct str key, struct str s);
void json_kint(struct json_out *j, struct str key, int64_t v);
void json_kbool(struct json_out *j, struct str key, bool v);
/* The same, but nothing at all when the string is empty / the number 0. */
void json_kstr_opt(struct json_out *j, struct str key, struct str s);
void json_kint_opt(struct json_out *j, struct str key, int64_t v);

#endif
