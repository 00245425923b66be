/* URLs of destinations: the parts lie in the text and make up the whole, and a URL without its
 * fragment means the same. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "core/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t part_n(struct str part)
{
	return part.n ? part.n + 1 : 0;
}

static void check_parts(struct str s, const struct url *u)
{
	size_t authority = part_n(u->userinfo) + u->authority.n;
	struct url again;

	check(u->host.n && u->port);
	check(str_starts(s, u->whole));
	check(!u->path.n || u->path.p[0] == '/');
	check(!str_has_byte(u->authority, '@') && !str_has_byte(u->authority, '\\'));
	check(u->scheme.n + 3 + authority + u->path.n <= u->whole.n);
	check(u->whole.n - (u->scheme.n + 3 + authority + u->path.n + part_n(u->query)) <= 2);
	for (size_t i = 0; i < s.n; i++)
		check((unsigned char)s.p[i] > ' ' && s.p[i] != 0x7f);
	check(url_parse(u->whole, &again));
	check(str_eq(again.whole, u->whole) && str_eq(again.host, u->host) &&
	      again.port == u->port);
	check(url_has_host(s, u->host) && url_has_host(s, u->authority));
	check(url_has_path(s, u->path.n ? u->path : STR("/")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = str_n(data, size);
	struct problem p = { 0 };
	enum dest_kind kind;
	const char *why;
	struct url u;
	bool is_url = url_judge(s, &u, &why);

	check(is_url == !why);
	if (is_url)
		check_parts(s, &u);
	if (dest_classify(s, &kind, &p))
		check((kind == DEST_URL) == is_url);
	else
		check(p.status == 400 && p.text[0] && !is_url);
	return 0;
}
