#include "base/json.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/codec.h"

struct parser {
	struct arena *a;
	const char *start, *p, *end;
	const char *error; /* static text; set once, with p at the place */
	size_t values_left;
};

static bool fail(struct parser *ps, const char *error)
{
	ps->error = error;
	return false;
}

static char peek(const struct parser *ps)
{
	/* A NUL is never valid outside a string, so it can stand for the end. */
	return ps->p < ps->end ? *ps->p : '\0';
}

static void skip_space(struct parser *ps)
{
	while (ps->p < ps->end &&
	       (*ps->p == ' ' || *ps->p == '\n' || *ps->p == '\r' || *ps->p == '\t'))
		ps->p++;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

#define EACH_BYTE(byte) (0x0101010101010101u * (byte))

/* The high bit of each byte of v that is 0; above the first such byte it may be wrong. */
static uint64_t zero_bytes(uint64_t v)
{
	return (v - EACH_BYTE(1)) & ~v & EACH_BYTE(0x80);
}

/* How many bytes at the front, eight at a time, are nothing special within a string. */
static size_t plain_bytes(const char *p, size_t n)
{
	size_t i;
	uint64_t v;

	for (i = 0; i + sizeof(v) <= n; i += sizeof(v)) {
		memcpy(&v, p + i, sizeof(v));
		if (zero_bytes(v ^ EACH_BYTE('"')) | zero_bytes(v ^ EACH_BYTE('\\')) |
		    ((v - EACH_BYTE(0x20)) & ~v & EACH_BYTE(0x80)))
			break;
	}
	return i;
}

/* Finds the closing quote; p stands behind the opening one and ends behind the closing one. */
static bool scan_string(struct parser *ps, struct str *ret_raw, bool *ret_escaped)
{
	const char *from = ps->p;
	bool escaped = false;
	struct str raw;

	for (;; ps->p++) {
		ps->p += plain_bytes(ps->p, (size_t)(ps->end - ps->p));
		if (ps->p == ps->end || *ps->p == '"')
			break;
		if ((unsigned char)*ps->p < 0x20)
			return fail(ps, "control character in a string");
		if (*ps->p != '\\')
			continue;
		escaped = true;
		if (++ps->p == ps->end)
			break;
	}
	if (ps->p == ps->end)
		return fail(ps, "string without an end");
	raw = str_n(from, (size_t)(ps->p - from));
	if (!str_is_utf8(raw)) {
		ps->p = from;
		return fail(ps, "string that is not UTF-8");
	}
	ps->p++;
	*ret_raw = raw;
	*ret_escaped = escaped;
	return true;
}

/* Four hexadecimal digits at the front of s, or -1. */
static int32_t hex4(struct str s)
{
	int32_t v = 0;

	if (s.n < 4)
		return -1;
	for (size_t i = 0; i < 4; i++) {
		char c = s.p[i];

		if (is_digit(c))
			v = v << 4 | (c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			v = v << 4 | ((c | 0x20) - 'a' + 10);
		else
			return -1;
	}
	return v;
}

static size_t utf8_put(char *out, uint32_t cp)
{
	size_t len = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
	static const unsigned char lead[5] = { 0, 0, 0xc0, 0xe0, 0xf0 };

	for (size_t i = len - 1; i > 0; i--, cp >>= 6)
		out[i] = (char)(0x80 | (cp & 0x3f));
	out[0] = (char)(lead[len] | cp);
	return len;
}

/* What follows `\u`: one code unit or a surrogate pair. Returns the bytes read, 0 when it is
 * neither. */
static size_t unescape_unit(struct str s, uint32_t *ret_cp)
{
	int32_t hi = hex4(s), lo;

	if (hi < 0 || (hi >= 0xdc00 && hi < 0xe000))
		return 0;
	if (hi < 0xd800 || hi >= 0xe000) {
		*ret_cp = (uint32_t)hi;
		return 4;
	}
	if (!str_starts(str_from(s, 4), STR("\\u")))
		return 0;
	lo = hex4(str_from(s, 6));
	if (lo < 0xdc00 || lo >= 0xe000)
		return 0;
	*ret_cp = 0x10000 + ((uint32_t)(hi - 0xd800) << 10) + (uint32_t)(lo - 0xdc00);
	return 10;
}

static char unescape_letter(char c)
{
	static const char letters[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
	const char *at = c ? strchr(letters, c) : NULL;

	return at ? bytes[at - letters] : '\0';
}

/* Writes the unescaped text of `raw` (never longer than raw) to out. */
static bool unescape(struct parser *ps, struct str raw, char *out, size_t *ret_n)
{
	size_t n = 0;

	for (size_t i = 0; i < raw.n; i++) {
		uint32_t cp;
		size_t used;
		char c = raw.p[i];

		if (c != '\\') {
			out[n++] = c;
			continue;
		}
		c = raw.p[++i];
		if (c != 'u') {
			out[n] = unescape_letter(c);
			if (!out[n++]) {
				ps->p = raw.p + i;
				return fail(ps, "unknown escape");
			}
			continue;
		}
		used = unescape_unit(str_from(raw, i + 1), &cp);
		if (!used) {
			ps->p = raw.p + i;
			return fail(ps, "broken \\u escape");
		}
		n += utf8_put(out + n, cp);
		i += used;
	}
	*ret_n = n;
	return true;
}

/* p stands on the opening quote. */
static bool parse_string(struct parser *ps, struct str *ret_text)
{
	struct str raw;
	bool escaped;
	char *out;
	size_t n;

	ps->p++;
	if (!scan_string(ps, &raw, &escaped))
		return false;
	if (!escaped) {
		*ret_text = raw;
		return true;
	}
	out = arena_alloc(ps->a, raw.n);
	if (!unescape(ps, raw, out, &n))
		return false;
	*ret_text = str_n(out, n);
	return true;
}

static bool skip_digits(struct parser *ps)
{
	if (!is_digit(peek(ps)))
		return fail(ps, "digit expected");
	while (is_digit(peek(ps)))
		ps->p++;
	return true;
}

static bool parse_number(struct parser *ps, struct str *ret_text)
{
	const char *from = ps->p;

	if (peek(ps) == '-')
		ps->p++;
	if (peek(ps) == '0')
		ps->p++;
	else if (!skip_digits(ps))
		return false;
	if (peek(ps) == '.') {
		ps->p++;
		if (!skip_digits(ps))
			return false;
	}
	if (peek(ps) == 'e' || peek(ps) == 'E') {
		ps->p++;
		if (peek(ps) == '+' || peek(ps) == '-')
			ps->p++;
		if (!skip_digits(ps))
			return false;
	}
	*ret_text = str_n(from, (size_t)(ps->p - from));
	return true;
}

static bool parse_word(struct parser *ps, struct str word)
{
	if (!str_starts(str_n(ps->p, (size_t)(ps->end - ps->p)), word))
		return fail(ps, "value expected");
	ps->p += word.n;
	return true;
}

static bool parse_value(struct parser *ps, struct json *v, int depth);

static bool parse_key(struct parser *ps, struct str *ret_key)
{
	skip_space(ps);
	if (peek(ps) != '"')
		return fail(ps, "name in quotes expected");
	if (!parse_string(ps, ret_key))
		return false;
	skip_space(ps);
	if (peek(ps) != ':')
		return fail(ps, "':' expected");
	ps->p++;
	return true;
}

/* p stands on the opening bracket. */
static bool parse_children(struct parser *ps, struct json *v, int depth)
{
	char closing = v->kind == JSON_OBJECT ? '}' : ']';
	struct json **tail = &v->child;

	if (depth == JSON_DEPTH_MAX)
		return fail(ps, "nested too deeply");
	ps->p++;
	skip_space(ps);
	if (peek(ps) == closing) {
		ps->p++;
		return true;
	}
	for (;;) {
		struct json *child;

		if (ps->values_left-- == 0)
			return fail(ps, "too many values");
		child = arena_new(ps->a, struct json);
		if (v->kind == JSON_OBJECT && !parse_key(ps, &child->key))
			return false;
		if (!parse_value(ps, child, depth + 1))
			return false;
		*tail = child;
		tail = &child->next;
		v->count++;
		skip_space(ps);
		if (peek(ps) == closing)
			break;
		if (peek(ps) != ',')
			return fail(ps, v->kind == JSON_OBJECT ? "',' or '}' expected"
							       : "',' or ']' expected");
		ps->p++;
	}
	ps->p++;
	return true;
}

/* Recursion is bounded by JSON_DEPTH_MAX. */
static bool parse_value(struct parser *ps, struct json *v, int depth)
{
	skip_space(ps);
	switch (peek(ps)) {
	case '{':
		v->kind = JSON_OBJECT;
		return parse_children(ps, v, depth);
	case '[':
		v->kind = JSON_ARRAY;
		return parse_children(ps, v, depth);
	case '"':
		v->kind = JSON_STRING;
		return parse_string(ps, &v->text);
	case 't':
		v->kind = JSON_BOOL;
		v->boolean = true;
		return parse_word(ps, STR("true"));
	case 'f':
		v->kind = JSON_BOOL;
		return parse_word(ps, STR("false"));
	case 'n':
		return parse_word(ps, STR("null"));
	default:
		if (peek(ps) != '-' && !is_digit(peek(ps)))
			return fail(ps, "value expected");
		v->kind = JSON_NUMBER;
		return parse_number(ps, &v->text);
	}
}

struct json *json_parse(struct arena *a, struct str text, char ret_error[96])
{
	return json_parse_bounded(a, text, SIZE_MAX, ret_error);
}

struct json *json_parse_bounded(struct arena *a, struct str text, size_t values_max,
				char ret_error[96])
{
	const char *p = text.n ? text.p : "";
	struct parser ps = {
		.a = a, .start = p, .p = p, .end = p + text.n, .values_left = values_max
	};
	struct json *root = arena_new(a, struct json);

	if (parse_value(&ps, root, 0)) {
		skip_space(&ps);
		if (ps.p == ps.end)
			return root;
		fail(&ps, "nothing more expected");
	}
	snprintf(ret_error, 96, "%s at byte %zu", ps.error, (size_t)(ps.p - ps.start));
	return NULL;
}

const struct json *json_get(const struct json *v, struct str key)
{
	const struct json *found = NULL;

	if (!v || v->kind != JSON_OBJECT)
		return NULL;
	for (const struct json *c = v->child; c; c = c->next) {
		if (str_eq(c->key, key))
			found = c;
	}
	return found;
}

/* The exponent behind 'e', held within what no text of digits can outweigh. */
static int64_t exponent(struct str s)
{
	bool minus = str_has_byte(s, '-');
	int64_t v = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (is_digit(s.p[i]) && v < INT64_MAX / 100)
			v = v * 10 + (s.p[i] - '0');
	}
	return minus ? -v : v;
}

static bool add_digit(int64_t *v, int digit, bool minus)
{
	return !__builtin_mul_overflow(*v, 10, v) &&
	       !__builtin_add_overflow(*v, minus ? -digit : digit, v);
}

/* The digits are walked with the decimal point moved by the exponent: those before it make the
 * value, those behind it must be zero. Exact where a double would round. */
bool json_i64(const struct json *v, int64_t *ret_value)
{
	struct str exp_text, digits;
	int64_t value = 0, place = 0, point;
	bool minus;

	if (!v || v->kind != JSON_NUMBER)
		return false;
	minus = v->text.p[0] == '-';
	exp_text = minus ? str_from(v->text, 1) : v->text;
	digits = str_cut(&exp_text, str_has_byte(exp_text, 'e') ? 'e' : 'E');
	point = (int64_t)(str_has_byte(digits, '.') ? str_find(digits, '.', 0) : digits.n) +
		exponent(exp_text);
	for (size_t i = 0; i < digits.n; i++) {
		int digit = digits.p[i] - '0';

		if (digits.p[i] == '.')
			continue;
		if (place++ >= point ? digit != 0 : !add_digit(&value, digit, minus))
			return false;
	}
	for (; value && place < point; place++) {
		if (!add_digit(&value, 0, minus))
			return false;
	}
	*ret_value = value;
	return true;
}

struct json_out json_out(struct buf *b)
{
	return (struct json_out){ .b = b };
}

static void separate(struct json_out *j)
{
	if (j->comma)
		buf_byte(j->b, ',');
	j->comma = true;
}

void json_open(struct json_out *j, char bracket)
{
	check(bracket == '{' || bracket == '[');
	separate(j);
	buf_byte(j->b, bracket);
	j->comma = false;
}

void json_close(struct json_out *j, char bracket)
{
	check(bracket == '}' || bracket == ']');
	buf_byte(j->b, bracket);
	j->comma = true;
}

void json_key(struct json_out *j, struct str key)
{
	json_str(j, key);
	buf_byte(j->b, ':');
	j->comma = false;
}

/* Bytes at the front of s that are written as they are. */
static size_t plain_run(struct str s)
{
	size_t n = 0;

	while (n < s.n) {
		unsigned char c = (unsigned char)s.p[n];
		size_t step = 1;

		if (c < 0x20 || c == '"' || c == '\\')
			break;
		if (c >= 0x80)
			step = str_utf8_step(str_from(s, n));
		if (!step)
			break;
		n += step;
	}
	return n;
}

static void put_escaped(struct buf *b, unsigned char c)
{
	static const char letters[] = "\"\\bfnrt", bytes[] = "\"\\\b\f\n\r\t";
	const char *at = c ? strchr(bytes, c) : NULL;

	if (at)
		buf_add(b, str_n((char[]){ '\\', letters[at - bytes] }, 2));
	else if (c < 0x20)
		buf_fmt(b, "\\u%04x", c);
	else
		buf_add(b, STR("\xef\xbf\xbd"));
}

void json_str(struct json_out *j, struct str s)
{
	separate(j);
	buf_byte(j->b, '"');
	while (s.n) {
		size_t run = plain_run(s);

		buf_add(j->b, str_sub(s, 0, run));
		if (run < s.n)
			put_escaped(j->b, (unsigned char)s.p[run++]);
		s = str_from(s, run);
	}
	buf_byte(j->b, '"');
}

void json_b64(struct json_out *j, struct str bytes)
{
	separate(j);
	buf_byte(j->b, '"');
	b64_encode(j->b, bytes);
	buf_byte(j->b, '"');
}

void json_int(struct json_out *j, int64_t v)
{
	separate(j);
	buf_i64(j->b, v);
}

void json_bool(struct json_out *j, bool v)
{
	json_raw(j, v ? STR("true") : STR("false"));
}

void json_null(struct json_out *j)
{
	json_raw(j, STR("null"));
}

void json_raw(struct json_out *j, struct str text)
{
	separate(j);
	buf_add(j->b, text);
}

static void put_children(struct json_out *j, const struct json *v)
{
	for (const struct json *c = v->child; c != NULL; c = c->next) {
		if (v->kind == JSON_OBJECT)
			json_key(j, c->key);
		json_value(j, c);
	}
}

void json_value(struct json_out *j, const struct json *v)
{
	bool is_object = v->kind == JSON_OBJECT;

	if (v->kind == JSON_STRING) {
		json_str(j, v->text);
	} else if (v->kind < JSON_STRING) {
		json_raw(j, v->kind == JSON_NUMBER ? v->text
			    : v->kind == JSON_NULL ? STR("null")
			    : v->boolean           ? STR("true")
						   : STR("false"));
	} else {
		json_open(j, is_object ? '{' : '[');
		put_children(j, v);
		json_close(j, is_object ? '}' : ']');
	}
}

void json_kstr(struct json_out *j, struct str key, struct str s)
{
	json_key(j, key);
	json_str(j, s);
}

void json_kint(struct json_out *j, struct str key, int64_t v)
{
	json_key(j, key);
	json_int(j, v);
}

void json_kbool(struct json_out *j, struct str key, bool v)
{
	json_key(j, key);
	json_bool(j, v);
}

void json_kstr_opt(struct json_out *j, struct str key, struct str s)
{
	if (s.n)
		json_kstr(j, key, s);
}

void json_kint_opt(struct json_out *j, struct str key, int64_t v)
{
	if (v)
		json_kint(j, key, v);
}
