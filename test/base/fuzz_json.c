/* Whatever parses is written out, parsed again, and must come to the same text; and integers must
 * hold. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUT_BYTES_MAX = 1 << 24 };

static void put(struct json_out *j, const struct json *v)
{
	size_t count = 0;
	int64_t integer;

	switch (v->kind) {
	case JSON_NULL:
		json_null(j);
		return;
	case JSON_BOOL:
		json_bool(j, v->boolean);
		return;
	case JSON_NUMBER:
		if (json_i64(v, &integer))
			json_int(j, integer);
		else
			json_raw(j, v->text);
		return;
	case JSON_STRING:
		check(str_is_utf8(v->text));
		json_str(j, v->text);
		return;
	case JSON_ARRAY:
	case JSON_OBJECT:
		break;
	}
	json_open(j, v->kind == JSON_OBJECT ? '{' : '[');
	for (const struct json *c = v->child; c; c = c->next, count++) {
		if (v->kind == JSON_OBJECT) {
			check(json_get(v, c->key) != NULL);
			json_key(j, c->key);
		}
		put(j, c);
	}
	check(count == v->count);
	json_close(j, v->kind == JSON_OBJECT ? '}' : ']');
}

static void write_tree(struct buf *b, const struct json *v)
{
	struct json_out j = json_out(b);

	put(&j, v);
	check(!b->overflow);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[96];
	struct arena a;
	struct json *v;
	struct buf first, second;

	arena_init(&a);
	v = json_parse(&a, str_n(data, size), error);
	if (v) {
		buf_init(&first, OUT_BYTES_MAX);
		buf_init(&second, OUT_BYTES_MAX);
		write_tree(&first, v);
		v = json_parse(&a, buf_str(&first), error);
		check(v != NULL);
		write_tree(&second, v);
		check(str_eq(buf_str(&first), buf_str(&second)));
		buf_done(&first);
		buf_done(&second);
	} else {
		check(str_c(error).n > 0);
	}
	arena_done(&a);
	return 0;
}
