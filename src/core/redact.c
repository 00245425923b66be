#include "core/redact.h"

#include <string.h>

#include "base/check.h"
#include "base/codec.h"
#include "base/digest.h"
#include "core/headers.h"
#include "core/limits.h"

/* The name within "header[Name]" or "headers[Name]"; empty when the token is no such thing. */
static struct str bracketed(struct str token)
{
	size_t open = str_find(token, '[', 0);
	struct str word;

	if (open == SIZE_MAX || token.p[token.n - 1] != ']')
		return STR_NULL;
	word = str_trim(str_sub(token, 0, open));
	if (!str_ieq(word, STR("header")) && !str_ieq(word, STR("headers")))
		return STR_NULL;
	return str_trim(str_sub(token, open + 1, token.n - open - 2));
}

struct list {
	bool body, all_headers;
	struct str name[LIMIT_REDACT_COUNT];
	size_t n;
};

static bool list_has(const struct list *l, struct str name)
{
	for (size_t i = 0; i < l->n; i++) {
		if (str_ieq(l->name[i], name))
			return true;
	}
	return false;
}

static bool add_token(struct list *l, struct str token, struct str header, struct problem *p)
{
	struct str name = bracketed(token);

	if (str_ieq(token, STR("body"))) {
		l->body = true;
	} else if (str_ieq(token, STR("header")) || str_ieq(token, STR("headers"))) {
		l->all_headers = true;
	} else if (!header_name_is_valid(name)) {
		return problem_set(
			p, 400,
			"%.*s: unknown field \"%.*s\"; allowed are body, header and header[Name]",
			STR_FMT(header), STR_FMT(str_sub(token, 0, 100)));
	} else if (!list_has(l, name)) {
		if (l->n == LIMIT_REDACT_COUNT)
			return problem_set(p, 400, "%.*s: at most %d header names are allowed",
					   STR_FMT(header), LIMIT_REDACT_COUNT);
		l->name[l->n++] = name;
	}
	return true;
}

static char *put(char *p, struct str s)
{
	memcpy(p, s.p, s.n);
	return p + s.n;
}

static struct str list_text(struct arena *a, const struct list *l)
{
	size_t n = sizeof("body,header");
	char *text, *p;

	for (size_t i = 0; i < l->n; i++)
		n += sizeof("header[],") + l->name[i].n;
	p = text = arena_alloc(a, n);
	if (l->body)
		p = put(p, STR("body,"));
	if (l->all_headers)
		p = put(p, STR("header,"));
	for (size_t i = 0; i < l->n && !l->all_headers; i++) {
		p = put(p, STR("header["));
		p = put(p, header_canonical(a, l->name[i]));
		p = put(p, STR("],"));
	}
	check((size_t)(p - text) <= n);
	return p > text ? str_n(text, (size_t)(p - text) - 1) : STR_NULL;
}

bool redact_parse(struct arena *a, struct str list, struct str header, struct str *ret_redact,
		  struct problem *ret_problem)
{
	struct list l = { 0 };

	while (list.n) {
		struct str token = str_trim(str_cut(&list, ','));

		if (token.n && !add_token(&l, token, header, ret_problem))
			return false;
	}
	*ret_redact = list_text(a, &l);
	return true;
}

bool redact_body(const struct msg *m)
{
	struct str list = m->redact;

	return str_eq(str_cut(&list, ','), STR("body"));
}

bool redact_header(const struct msg *m, struct str name)
{
	struct str list = m->redact;

	while (list.n) {
		struct str token = str_cut(&list, ',');

		if (str_eq(token, STR("header")) || (name.n && str_ieq(bracketed(token), name)))
			return true;
	}
	return false;
}

void redact_value(struct buf *out, struct str value)
{
	unsigned char hash[SHA256_LEN];

	sha256(hash, value);
	buf_add(out, STR("REDACTED:"));
	hex_encode(out, str_n(hash, sizeof(hash)));
}
