#include "core/url.h"

#include "core/limits.h"
#include "core/names.h"

enum { HOST_BYTES_MAX = 255, PORT_MAX = 65535 };

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Letters, digits and -._~, and all that is not ASCII. */
static bool is_host_byte(char c)
{
	return is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~' || (c & 0x80);
}

static const char *bytes_fault(struct str s)
{
	if (s.n > (size_t)LIMIT_URL_BYTES)
		return "longer than 16384 bytes";
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20 || c == 0x7f)
			return "control character in it";
		if (c == ' ')
			return "space in it";
	}
	return str_is_utf8(s) ? NULL : "not UTF-8";
}

/* An IPv6 address in brackets, roughly: what it means is for whoever connects to find out. */
static bool is_ipv6(struct str host)
{
	size_t colons = 0;

	if (host.n < 4 || host.p[0] != '[' || host.p[host.n - 1] != ']')
		return false;
	for (size_t i = 1; i + 1 < host.n; i++) {
		char c = host.p[i];

		if (!str_has_byte(STR("0123456789abcdefABCDEF:."), c))
			return false;
		colons += c == ':';
	}
	return colons >= 2;
}

static const char *host_fault(struct str host)
{
	if (!host.n)
		return "no host";
	if (host.n > HOST_BYTES_MAX)
		return "host longer than 255 bytes";
	if (host.p[0] == '[')
		return is_ipv6(host) ? NULL : "invalid IPv6 address";
	for (size_t i = 0; i < host.n; i++) {
		if (!is_host_byte(host.p[i]))
			return "invalid character in the host";
	}
	return NULL;
}

static const char *port_fault(struct str port, uint16_t *ret_port)
{
	uint64_t v;

	if (port.n > 5 || !str_u64(port, &v) || !v || v > PORT_MAX)
		return "invalid port, 1 to 65535 is allowed";
	*ret_port = (uint16_t)v;
	return NULL;
}

/* [userinfo@]host[:port] */
static const char *split_authority(struct str s, struct url *u)
{
	size_t at = str_find(s, '@', 0), colon, bracket;
	const char *fault;

	if (str_has_byte(s, '\\'))
		return "backslash before the path";
	if (at != SIZE_MAX) {
		u->userinfo = str_sub(s, 0, at);
		s = str_from(s, at + 1);
		if (str_has_byte(s, '@'))
			return "more than one @ before the path";
	}
	u->authority = s;
	bracket = str_find(s, ']', 0);
	colon = str_find(s, ':', bracket == SIZE_MAX ? 0 : bracket);
	u->host = str_sub(s, 0, colon);
	fault = host_fault(u->host);
	if (!fault && colon != SIZE_MAX)
		fault = port_fault(str_from(s, colon + 1), &u->port);
	return fault;
}

static size_t authority_len(struct str s)
{
	size_t i = 0;

	while (i < s.n && s.p[i] != '/' && s.p[i] != '?')
		i++;
	return i;
}

/* Length of "http://" or "https://" at the front, 0 when neither is. */
static size_t scheme_len(struct str s)
{
	if (str_istarts(s, STR("http://")))
		return 7;
	return str_istarts(s, STR("https://")) ? 8 : 0;
}

bool url_judge(struct str s, struct url *ret_url, const char **ret_why)
{
	struct url u = { .whole = s };
	size_t skip = scheme_len(s), end;
	const char *fault;

	*ret_why = skip ? bytes_fault(s) : "endpoint has invalid scheme, add http:// or https://";
	if (*ret_why)
		return false;
	u.scheme = str_sub(s, 0, skip - 3);
	u.port = skip == 7 ? 80 : 443;
	s = str_from(s, skip);
	end = str_find(s, '#', 0);
	if (end != SIZE_MAX) {
		u.fragment = str_from(s, end + 1);
		s = str_sub(s, 0, end);
		u.whole.n = skip + end;
	}
	end = authority_len(s);
	fault = split_authority(str_sub(s, 0, end), &u);
	if (fault) {
		*ret_why = fault;
		return false;
	}
	u.query = str_from(s, end);
	u.path = str_cut(&u.query, '?');
	*ret_url = u;
	return true;
}

bool url_parse(struct str s, struct url *ret_url)
{
	const char *why;

	return url_judge(s, ret_url, &why);
}

bool dest_classify(struct str dest, enum dest_kind *ret_kind, struct problem *ret_problem)
{
	const char *why = NULL;
	struct url u;

	if (!dest.n)
		return problem_set(ret_problem, 400, "a non-empty destination must be provided");
	if (str_starts(dest, STR("api/"))) {
		if (!str_eq(dest, STR("api/llm")))
			return problem_set(ret_problem, 400,
					   "invalid destination: unknown api, llm is allowed");
		*ret_kind = DEST_API;
		return true;
	}
	if (name_is_valid(dest)) {
		*ret_kind = DEST_GROUP;
		return true;
	}
	if (!url_judge(dest, &u, &why))
		return problem_set(ret_problem, 400, "invalid destination url: %s", why);
	*ret_kind = DEST_URL;
	return true;
}

bool url_has_host(struct str url, struct str host)
{
	struct url u;

	return url_parse(url, &u) && (str_ieq(u.host, host) || str_ieq(u.authority, host));
}

bool url_has_path(struct str url, struct str path)
{
	struct url u;

	return url_parse(url, &u) && str_eq(u.path.n ? u.path : STR("/"), path);
}
