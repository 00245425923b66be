/* Every decoder on any bytes; what decodes must encode back to what was read. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUT_BYTES_MAX = 1 << 24 };

static void fuzz_tlv(struct str s, struct buf *again)
{
	struct str rest = s, value;
	uint8_t tag;
	int got;

	while ((got = tlv_next(&rest, &tag, &value)) == 1) {
		int64_t v;

		tlv_add(again, tag, value);
		if (tlv_i64_value(value, &v)) {
			size_t before = again->n;

			tlv_i64(again, tag, v);
			check(str_eq(str_from(buf_str(again), before + 2), value));
			again->n = before;
		}
	}
	check(str_eq(buf_str(again), str_sub(s, 0, s.n - rest.n)));
	check(got == 0 ? rest.n == 0 : rest.n > 0);
}

static void fuzz_base64(struct str s, struct buf *plain, struct buf *again)
{
	if (!b64_decode(plain, s))
		return;
	b64_encode(again, buf_str(plain));
	for (size_t i = 0; i < again->n; i++) {
		char c = i < s.n ? s.p[i] : '=';

		check(again->p[i] == (c == '-' ? '+' : c == '_' ? '/' : c));
	}
	check(s.n <= again->n);
}

static void fuzz_percent(struct str s, struct buf *plain, struct buf *again)
{
	struct buf third;

	if (!percent_decode(plain, s))
		return;
	percent_encode(again, buf_str(plain));
	buf_init(&third, OUT_BYTES_MAX);
	check(percent_decode(&third, buf_str(again)));
	check(str_eq(buf_str(&third), buf_str(plain)));
	buf_done(&third);
}

static void fuzz_base58(struct str s)
{
	char text[B58_U64_LEN];
	uint64_t v;

	if (!b58_u64_parse(str_sub(s, 0, B58_U64_LEN), &v))
		return;
	b58_u64(text, v);
	check(str_eq(str_n(text, sizeof(text)), str_sub(s, 0, B58_U64_LEN)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = str_n(data, size);
	struct buf a, b;

	buf_init(&a, OUT_BYTES_MAX);
	buf_init(&b, OUT_BYTES_MAX);
	fuzz_tlv(s, &a);
	buf_reset(&a);
	fuzz_base64(s, &a, &b);
	buf_reset(&a);
	buf_reset(&b);
	fuzz_percent(s, &a, &b);
	fuzz_base58(s);
	buf_done(&a);
	buf_done(&b);
	return 0;
}
