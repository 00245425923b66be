#include "core/headers.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/codec.h"

enum { SMALL_BYTES = 512 };

static char *put(char *p, struct str s)
{
	if (s.n)
		memcpy(p, s.p, s.n);
	return p + s.n;
}

/* A header is its name, a NUL, its value: names never hold a NUL. */
static void encode_one(struct buf *out, uint8_t tag, const struct header *h)
{
	size_t n = h->name.n + 1 + h->value.n;
	char small[SMALL_BYTES];
	char *text = n <= sizeof(small) ? small : xmalloc(n);
	char *p = put(text, h->name);

	*p++ = '\0';
	put(p, h->value);
	tlv_add(out, tag, str_n(text, n));
	if (text != small)
		free(text);
}

void headers_encode(struct buf *out, uint8_t tag, const struct headers *h)
{
	for (size_t i = 0; i < h->n; i++)
		encode_one(out, tag, &h->v[i]);
}

size_t headers_count(struct str record, uint8_t tag)
{
	struct str value;
	uint8_t t;
	size_t n = 0;

	while (tlv_next(&record, &t, &value) == 1)
		n += t == tag;
	return n;
}

bool headers_take(struct headers *h, struct str value)
{
	size_t nul = str_find(value, '\0', 0);

	if (nul == SIZE_MAX)
		return false;
	h->v[h->n++] = (struct header){ str_sub(value, 0, nul), str_from(value, nul + 1) };
	return true;
}

static bool add_json(struct headers *h, struct str name, const struct json *v)
{
	struct str text = v->text;

	if (v->kind == JSON_NULL)
		return true;
	if (v->kind == JSON_BOOL)
		text = v->boolean ? STR("true") : STR("false");
	else if (v->kind != JSON_STRING && v->kind != JSON_NUMBER)
		return false;
	h->v[h->n++] = (struct header){ name, text };
	return true;
}

static size_t count_json(const struct json *object)
{
	size_t n = 0;

	for (const struct json *v = object->child; v != NULL; v = v->next)
		n += v->kind == JSON_ARRAY ? v->count : 1;
	return n;
}

bool headers_from_json(struct arena *a, const struct json *object, struct headers *ret_headers)
{
	struct headers h = { 0 };
	bool ok = true;

	*ret_headers = h;
	if (object == NULL || object->kind == JSON_NULL)
		return true;
	if (object->kind != JSON_OBJECT)
		return false;
	h.v = arena_array(a, struct header, count_json(object) + 1);
	for (const struct json *v = object->child; v != NULL; v = v->next) {
		if (v->kind != JSON_ARRAY) {
			ok = ok && add_json(&h, v->key, v);
			continue;
		}
		for (const struct json *each = v->child; each != NULL; each = each->next)
			ok = ok && add_json(&h, v->key, each);
	}
	*ret_headers = h;
	return ok;
}

static bool is_token_byte(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '-' || str_has_byte(STR("!#$%&'*+.^_`|~"), c);
}

bool header_name_is_valid(struct str name)
{
	for (size_t i = 0; i < name.n; i++) {
		if (!is_token_byte(name.p[i]))
			return false;
	}
	return name.n > 0;
}

bool header_value_is_valid(struct str value)
{
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static char canonical_byte(char c, bool upper)
{
	if (upper && c >= 'a' && c <= 'z')
		return (char)(c - 'a' + 'A');
	if (!upper && c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	return c;
}

static bool is_canonical(struct str name)
{
	bool upper = true;

	for (size_t i = 0; i < name.n; i++) {
		if (canonical_byte(name.p[i], upper) != name.p[i])
			return false;
		upper = name.p[i] == '-';
	}
	return true;
}

struct str header_canonical(struct arena *a, struct str name)
{
	bool upper = true;
	char *p;

	if (!header_name_is_valid(name) || is_canonical(name))
		return name;
	p = arena_alloc(a, name.n);
	for (size_t i = 0; i < name.n; i++) {
		p[i] = canonical_byte(name.p[i], upper);
		upper = name.p[i] == '-';
	}
	return str_n(p, name.n);
}

struct str headers_get(const struct headers *h, struct str name)
{
	for (size_t i = 0; i < h->n; i++) {
		if (str_ieq(h->v[i].name, name))
			return h->v[i].value.p ? h->v[i].value : STR("");
	}
	return STR_NULL;
}
