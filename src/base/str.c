#include "base/str.h"

#include <string.h>

#include "base/check.h"

struct str str_c(const char *cstr)
{
	return (struct str){ cstr, cstr ? strlen(cstr) : 0 };
}

static unsigned char fold(char c)
{
	unsigned char u = (unsigned char)c;

	return u >= 'A' && u <= 'Z' ? (unsigned char)(u | 0x20) : u;
}

bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (!a.n || !memcmp(a.p, b.p, a.n));
}

bool str_ieq(struct str a, struct str b)
{
	return a.n == b.n && !str_icmp(a, b);
}

static int cmp_len(size_t a, size_t b)
{
	return (a > b) - (a < b);
}

int str_cmp(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int d = n ? memcmp(a.p, b.p, n) : 0;

	return d ? d : cmp_len(a.n, b.n);
}

int str_icmp(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;

	for (size_t i = 0; i < n; i++) {
		int d = fold(a.p[i]) - fold(b.p[i]);

		if (d)
			return d;
	}
	return cmp_len(a.n, b.n);
}

bool str_starts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_eq(str_sub(s, 0, prefix.n), prefix);
}

bool str_istarts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_ieq(str_sub(s, 0, prefix.n), prefix);
}

bool str_has(struct str s, struct str part)
{
	return !part.n || (s.n && memmem(s.p, s.n, part.p, part.n));
}

bool str_has_byte(struct str s, char c)
{
	return s.n && memchr(s.p, c, s.n);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct str str_trim(struct str s)
{
	while (s.n && is_blank(s.p[0]))
		s = str_from(s, 1);
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

struct str str_cut(struct str *s, char sep)
{
	size_t at = str_find(*s, sep, 0);
	struct str before = *s;

	if (at == SIZE_MAX) {
		*s = STR_NULL;
		return before;
	}
	before.n = at;
	*s = str_from(*s, at + 1);
	return before;
}

size_t str_find(struct str s, char c, size_t from)
{
	const char *at;

	if (from >= s.n)
		return SIZE_MAX;
	at = memchr(s.p + from, c, s.n - from);
	return at ? (size_t)(at - s.p) : SIZE_MAX;
}

bool str_u64(struct str s, uint64_t *ret_value)
{
	uint64_t v = 0;

	if (!s.n)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		if (__builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
			return false;
	}
	*ret_value = v;
	return true;
}

bool str_i64(struct str s, int64_t *ret_value)
{
	bool minus = s.n && s.p[0] == '-';
	uint64_t v;

	if (!str_u64(minus ? str_from(s, 1) : s, &v))
		return false;
	if (v > (uint64_t)INT64_MAX + minus)
		return false;
	*ret_value = minus ? (int64_t)(0 - v) : (int64_t)v;
	return true;
}

char *str_dup(struct str s)
{
	char *p = xmalloc(s.n + 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

static uint64_t load64(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t load32(const char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* The two halves of the 128-bit product, folded: every bit of both operands reaches every output
 * bit. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 r = (unsigned __int128)a * b;

	return (uint64_t)r ^ (uint64_t)(r >> 64);
}

/* A product is blind to its other operand when one is 0. Both keys therefore come from the seed, so
 * that who does not know the seed cannot choose bytes that bring that about. */
uint64_t str_hash(struct str s, uint64_t seed)
{
	uint64_t key = mix(seed ^ 0x9e3779b97f4a7c15u, 0xd6e8feb86659fd93u);
	uint64_t h = mix(key ^ 0xa0761d6478bd642fu, 0xe7037ed1a0b428dbu);
	const char *p = s.p;
	size_t n = s.n;
	uint64_t a = 0, b = 0;

	for (; n > 16; p += 16, n -= 16)
		h = mix(load64(p) ^ key, load64(p + 8) ^ h);
	if (n >= 8) {
		a = load64(p);
		b = load64(p + n - 8);
	} else if (n >= 4) {
		a = load32(p);
		b = load32(p + n - 4);
	} else if (n) {
		a = (uint64_t)(unsigned char)p[0] << 16 | (uint64_t)(unsigned char)p[n / 2] << 8 |
		    (unsigned char)p[n - 1];
	}
	h = mix(a ^ key, b ^ h);
	return mix(h ^ s.n, key ^ 0x8ebc6af09c88c6e3u);
}

/* The least code point that each length of sequence may stand for, so that there are no overlong
 * forms. */
static const uint32_t utf8_least[5] = { 0, 0, 0x80, 0x800, 0x10000 };

/* The length that a first byte announces; 0 when no sequence begins with it. */
static size_t utf8_len(unsigned char lead)
{
	if (lead < 0x80)
		return 1;
	if (lead < 0xc2 || lead > 0xf4)
		return 0;
	return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

size_t str_utf8_step(struct str s)
{
	unsigned char lead = s.n ? (unsigned char)s.p[0] : 0xff;
	size_t len = utf8_len(lead);
	uint32_t cp;

	if (len <= 1)
		return len;
	if (s.n < len)
		return 0;
	cp = lead & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s.p[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | ((unsigned char)s.p[i] & 0x3f);
	}
	if (cp < utf8_least[len] || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
		return 0;
	return len;
}

bool str_is_utf8(struct str s)
{
	while (s.n) {
		size_t len;

		if (s.n >= 8 && !(load64(s.p) & 0x8080808080808080u)) {
			s.p += 8;
			s.n -= 8;
			continue;
		}
		len = str_utf8_step(s);
		if (!len)
			return false;
		s.p += len;
		s.n -= len;
	}
	return true;
}
