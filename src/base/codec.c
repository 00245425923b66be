#include "base/codec.h"

#include <string.h>

#include "base/check.h"

static const char b64_std[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char b64_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char b58_alphabet[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
static const char hex_lower[] = "0123456789abcdef";
static const char hex_upper[] = "0123456789ABCDEF";

/* What is not three bytes. */
static void b64_rest(char *p, struct str s, const char *alphabet, bool pad)
{
	uint32_t v = (uint32_t)(unsigned char)s.p[0] << 16;

	if (s.n == 2)
		v |= (uint32_t)(unsigned char)s.p[1] << 8;
	*p++ = alphabet[v >> 18];
	*p++ = alphabet[v >> 12 & 63];
	if (s.n == 2)
		*p++ = alphabet[v >> 6 & 63];
	else if (pad)
		*p++ = '=';
	if (pad)
		*p++ = '=';
}

static void b64_with(struct buf *out, struct str s, const char *alphabet, bool pad)
{
	size_t n = (s.n + 2) / 3 * 4 - (pad ? 0 : (3 - s.n % 3) % 3), i = 0;
	const unsigned char *in = (const unsigned char *)s.p;
	char *p;

	check(s.n < SIZE_MAX / 2);
	p = buf_room(out, n);
	if (!p)
		return;
	for (; s.n - i >= 3; i += 3, p += 4) {
		uint32_t v = (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 | in[i + 2];

		p[0] = alphabet[v >> 18];
		p[1] = alphabet[v >> 12 & 63];
		p[2] = alphabet[v >> 6 & 63];
		p[3] = alphabet[v & 63];
	}
	if (i < s.n)
		b64_rest(p, str_from(s, i), alphabet, pad);
	buf_grew(out, n);
}

void b64_encode(struct buf *out, struct str s)
{
	b64_with(out, s, b64_std, true);
}

void b64url_encode(struct buf *out, struct str s, bool pad)
{
	b64_with(out, s, b64_url, pad);
}

static int b64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

/* The text without its padding; false when the padding is not what the length asks for. */
static bool b64_unpad(struct str *s)
{
	size_t pad = 0;

	while (pad < 2 && pad < s->n && s->p[s->n - 1 - pad] == '=')
		pad++;
	if (pad && s->n % 4)
		return false;
	s->n -= pad;
	return s->n % 4 != 1;
}

bool b64_decode(struct buf *out, struct str s)
{
	uint32_t v = 0;
	size_t n = 0;
	char *p;

	if (!b64_unpad(&s))
		return false;
	p = buf_room(out, s.n / 4 * 3 + (s.n % 4 ? s.n % 4 - 1 : 0));
	if (!p)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		int six = b64_value(s.p[i]);

		if (six < 0)
			return false;
		v = v << 6 | (uint32_t)six;
		if (i % 4)
			p[n++] = (char)(v >> (6 - 2 * (i % 4)) & 0xff);
	}
	/* Bits of the last character that belong to no byte must be zero: one value, one text. */
	if ((s.n % 4 == 2 && (v & 15)) || (s.n % 4 == 3 && (v & 3)))
		return false;
	buf_grew(out, n);
	return true;
}

void hex_encode(struct buf *out, struct str s)
{
	char *p;

	check(s.n < SIZE_MAX / 2);
	p = buf_room(out, s.n * 2);
	if (!p)
		return;
	for (size_t i = 0; i < s.n; i++) {
		p[2 * i] = hex_lower[(unsigned char)s.p[i] >> 4];
		p[2 * i + 1] = hex_lower[(unsigned char)s.p[i] & 15];
	}
	buf_grew(out, s.n * 2);
}

void b58_u64(char ret_text[B58_U64_LEN], uint64_t v)
{
	for (size_t i = B58_U64_LEN; i-- > 0; v /= 58)
		ret_text[i] = b58_alphabet[v % 58];
}

bool b58_u64_parse(struct str s, uint64_t *ret_v)
{
	uint64_t v = 0;

	if (s.n != B58_U64_LEN)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		const char *at = memchr(b58_alphabet, s.p[i], 58);

		if (!at || __builtin_mul_overflow(v, 58u, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(at - b58_alphabet), &v))
			return false;
	}
	*ret_v = v;
	return true;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool percent_decode(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		int hi, lo;

		if (s.p[i] != '%') {
			buf_byte(out, s.p[i]);
			continue;
		}
		if (s.n - i < 3)
			return false;
		hi = hex_value(s.p[i + 1]);
		lo = hex_value(s.p[i + 2]);
		if (hi < 0 || lo < 0)
			return false;
		buf_byte(out, (char)(hi << 4 | lo));
		i += 2;
	}
	return true;
}

static bool is_unreserved(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

void percent_encode(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (is_unreserved(s.p[i]))
			buf_byte(out, s.p[i]);
		else
			buf_add(out,
				str_n((char[]){ '%', hex_upper[c >> 4], hex_upper[c & 15] }, 3));
	}
}

/* Seven bits a byte, least first, the top bit set on all but the last. */
enum { VARINT_BYTES_MAX = 10 };

static size_t varint_put(char *p, uint64_t v)
{
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		p[n++] = (char)(v | 0x80);
	p[n++] = (char)v;
	return n;
}

/* Bytes taken, or 0 when s does not begin with a varint in its shortest form. */
static size_t varint_get(struct str s, uint64_t *ret_v)
{
	uint64_t v = 0;

	if (likely(s.n > 0 && !(s.p[0] & 0x80))) {
		*ret_v = (unsigned char)s.p[0];
		return 1;
	}
	for (size_t i = 0; i < s.n && i < VARINT_BYTES_MAX; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (i == VARINT_BYTES_MAX - 1 && c > 1)
			return 0;
		v |= (uint64_t)(c & 0x7f) << (7 * i);
		if (c & 0x80)
			continue;
		if (i && !c)
			return 0;
		*ret_v = v;
		return i + 1;
	}
	return 0;
}

void tlv_add(struct buf *out, uint8_t tag, struct str value)
{
	char head[1 + VARINT_BYTES_MAX];
	size_t head_len = 1 + varint_put(head + 1, value.n);
	char *p;

	check(value.n < SIZE_MAX / 2);
	head[0] = (char)tag;
	p = buf_room(out, head_len + value.n);
	if (!p)
		return;
	memcpy(p, head, head_len);
	if (value.n)
		memcpy(p + head_len, value.p, value.n);
	buf_grew(out, head_len + value.n);
}

void tlv_i64(struct buf *out, uint8_t tag, int64_t v)
{
	char value[VARINT_BYTES_MAX];
	uint64_t zigzag = (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);

	tlv_add(out, tag, str_n(value, varint_put(value, zigzag)));
}

int tlv_next(struct str *s, uint8_t *ret_tag, struct str *ret_value)
{
	uint64_t len;
	size_t n;

	if (!s->n)
		return 0;
	n = varint_get(str_from(*s, 1), &len);
	if (!n || len > s->n - 1 - n)
		return -1;
	*ret_tag = (uint8_t)s->p[0];
	*ret_value = str_n(s->p + 1 + n, (size_t)len);
	*s = str_from(*s, 1 + n + (size_t)len);
	return 1;
}

bool tlv_i64_value(struct str value, int64_t *ret_v)
{
	uint64_t zigzag;
	size_t n = varint_get(value, &zigzag);

	if (!n || n != value.n)
		return false;
	*ret_v = (int64_t)(zigzag >> 1 ^ (0 - (zigzag & 1)));
	return true;
}
