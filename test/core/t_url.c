#include "t.h"

#include <string.h>

#include "core/limits.h"
#include "core/names.h"
#include "core/url.h"

static const struct {
	const char *text, *scheme, *userinfo, *host, *authority, *path, *query, *fragment;
	int port;
} good[] = {
	{ "https://example.com", "https", "", "example.com", "example.com", "", "", "", 443 },
	{ "http://example.com/", "http", "", "example.com", "example.com", "/", "", "", 80 },
	{ "HTTP://EXAMPLE.com/A/b?c=d&e#f", "HTTP", "", "EXAMPLE.com", "EXAMPLE.com", "/A/b",
	  "c=d&e", "f", 80 },
	{ "http://localhost:3000/x", "http", "", "localhost", "localhost:3000", "/x", "", "",
	  3000 },
	{ "https://u:p@h:1/", "https", "u:p", "h", "h:1", "/", "", "", 1 },
	{ "https://@h", "https", "", "h", "h", "", "", "", 443 },
	{ "http://[::1]:8080/a", "http", "", "[::1]", "[::1]:8080", "/a", "", "", 8080 },
	{ "http://[2001:DB8::1]", "http", "", "[2001:DB8::1]", "[2001:DB8::1]", "", "", "", 80 },
	{ "http://[::ffff:127.0.0.1]/", "http", "", "[::ffff:127.0.0.1]", "[::ffff:127.0.0.1]", "/",
	  "", "", 80 },
	{ "http://127.0.0.1?x", "http", "", "127.0.0.1", "127.0.0.1", "", "x", "", 80 },
	{ "http://h?a=/b?c", "http", "", "h", "h", "", "a=/b?c", "", 80 },
	{ "http://h#a/b?c", "http", "", "h", "h", "", "", "a/b?c", 80 },
	{ "http://h/#", "http", "", "h", "h", "/", "", "", 80 },
	{ "http://h//x/../y;z", "http", "", "h", "h", "//x/../y;z", "", "", 80 },
	{ "http://h/a%20b%zz?%", "http", "", "h", "h", "/a%20b%zz", "%", "", 80 },
	{ "http://h/a@b:c\\d", "http", "", "h", "h", "/a@b:c\\d", "", "", 80 },
	{ "http://h/\xc3\xa9", "http", "", "h", "h", "/\xc3\xa9", "", "", 80 },
	{ "http://b\xc3\xbc.de/", "http", "", "b\xc3\xbc.de", "b\xc3\xbc.de", "/", "", "", 80 },
	{ "http://a_b-c.d~e./", "http", "", "a_b-c.d~e.", "a_b-c.d~e.", "/", "", "", 80 },
	{ "http://h:65535", "http", "", "h", "h:65535", "", "", "", 65535 },
	{ "http://h:00080", "http", "", "h", "h:00080", "", "", "", 80 },
	{ "https://qstash.upstash.io/v2/publish/https://x.y/?z", "https", "", "qstash.upstash.io",
	  "qstash.upstash.io", "/v2/publish/https://x.y/", "z", "", 443 },
};

TEST_EACH(the_parts_of_a_url, good)
{
	struct str text = str_c(row->text);
	struct url u;

	T_CHECK(url_parse(text, &u));
	T_EQ_STR(u.scheme, row->scheme);
	T_EQ_STR(u.userinfo, row->userinfo);
	T_EQ_STR(u.host, row->host);
	T_EQ_STR(u.authority, row->authority);
	T_EQ_STR(u.path, row->path);
	T_EQ_STR(u.query, row->query);
	T_EQ_STR(u.fragment, row->fragment);
	T_EQ_INT(u.port, row->port);
	T_EQ_STR(u.whole, str_sub(text, 0, str_find(text, '#', 0)));
}

static const struct {
	struct str text;
	const char *why;
} bad[] = {
#define BAD(s, why) { { s, sizeof(s) - 1 }, why }
	BAD("", "endpoint has invalid scheme, add http:// or https://"),
	BAD("example.com", "endpoint has invalid scheme, add http:// or https://"),
	BAD("ftp://example.com", "endpoint has invalid scheme, add http:// or https://"),
	BAD("http:/example.com", "endpoint has invalid scheme, add http:// or https://"),
	BAD("https%3A%2F%2Fexample.com", "endpoint has invalid scheme, add http:// or https://"),
	BAD(" http://example.com", "endpoint has invalid scheme, add http:// or https://"),
	BAD("http://", "no host"),
	BAD("http:///path", "no host"),
	BAD("http://?x", "no host"),
	BAD("http://#x", "no host"),
	BAD("http://:80/", "no host"),
	BAD("http://u@/", "no host"),
	BAD("http://u@:80/", "no host"),
	BAD("http://h/a b", "space in it"),
	BAD("http://h/ ", "space in it"),
	BAD("http://h /", "space in it"),
	BAD("http://h/\r\nX: y", "control character in it"),
	BAD("http://h/\t", "control character in it"),
	BAD("http://h/\0", "control character in it"),
	BAD("http://h/\x7f", "control character in it"),
	BAD("http://h/#\n", "control character in it"),
	BAD("http://h/\xff", "not UTF-8"),
	BAD("http://h:0", "invalid port, 1 to 65535 is allowed"),
	BAD("http://h:65536", "invalid port, 1 to 65535 is allowed"),
	BAD("http://h:", "invalid port, 1 to 65535 is allowed"),
	BAD("http://h:x", "invalid port, 1 to 65535 is allowed"),
	BAD("http://h:-1", "invalid port, 1 to 65535 is allowed"),
	BAD("http://h:80:80", "invalid port, 1 to 65535 is allowed"),
	BAD("http://h:000080", "invalid port, 1 to 65535 is allowed"),
	BAD("http://[::1]x:80", "invalid IPv6 address"),
	BAD("http://[::1", "invalid IPv6 address"),
	BAD("http://[]", "invalid IPv6 address"),
	BAD("http://[1.2.3.4]", "invalid IPv6 address"),
	BAD("http://[fe80::1%25eth0]/", "invalid IPv6 address"),
	BAD("http://::1/", "no host"),
	BAD("http://a]b/", "invalid character in the host"),
	BAD("http://good.com\\@evil.com/", "backslash before the path"),
	BAD("http://good.com\\evil", "backslash before the path"),
	BAD("http://a@b@c/", "more than one @ before the path"),
	BAD("http://h%2e.com/", "invalid character in the host"),
	BAD("http://127.0.0.1%00.com/", "invalid character in the host"),
	BAD("http://a,b/", "invalid character in the host"),
	BAD("http://<h>/", "invalid character in the host"),
	BAD("http://a\"b/", "invalid character in the host"),
#undef BAD
};

TEST_EACH(reasons, bad)
{
	const char *why = "";
	struct url u;

	T_CHECK(!url_judge(row->text, &u, &why));
	T_EQ_STR(why, row->why);
	T_CHECK(!url_parse(row->text, &u));
}

TEST(lengths)
{
	static char text[LIMIT_URL_BYTES + 1];
	struct url u;

	memset(text, 'a', sizeof(text));
	memcpy(text, "http://h/", 9);
	T_CHECK(url_parse(str_n(text, LIMIT_URL_BYTES), &u));
	T_CHECK(!url_parse(str_n(text, LIMIT_URL_BYTES + 1), &u));
	memset(text, 'a', 300);
	memcpy(text, "http://", 7);
	T_CHECK(url_parse(str_n(text, 7 + 255), &u));
	T_CHECK(!url_parse(str_n(text, 7 + 256), &u));
}

static const struct {
	const char *dest;
	int kind; /* -1 = refused */
	const char *text;
} dests[] = {
	{ "https://example.com", DEST_URL, "" },
	{ "HTTPS://example.com/x?y", DEST_URL, "" },
	{ "http://localhost:3000", DEST_URL, "" },
	{ "http://127.0.0.1:8080/", DEST_URL, "" },
	{ "api/llm", DEST_API, "" },
	{ "my-group", DEST_GROUP, "" },
	{ "My_Group.2", DEST_GROUP, "" },
	{ "https", DEST_GROUP, "" },
	{ "api", DEST_GROUP, "" },
	{ "", -1, "a non-empty destination must be provided" },
	{ "api/foo", -1, "invalid destination: unknown api, llm is allowed" },
	{ "api/", -1, "invalid destination: unknown api, llm is allowed" },
	{ "api/llm/x", -1, "invalid destination: unknown api, llm is allowed" },
	{ "localhost:3000/x", -1,
	  "invalid destination url: endpoint has invalid scheme, add http:// or https://" },
	{ "https%3A%2F%2Fexample.com", -1,
	  "invalid destination url: endpoint has invalid scheme, add http:// or https://" },
	{ "my group", -1,
	  "invalid destination url: endpoint has invalid scheme, add http:// or https://" },
	{ "ftp://x", -1,
	  "invalid destination url: endpoint has invalid scheme, add http:// or https://" },
	{ "http://", -1, "invalid destination url: no host" },
	{ "http://h:99999/", -1, "invalid destination url: invalid port, 1 to 65535 is allowed" },
};

TEST_EACH(kinds_of_destinations, dests)
{
	struct problem p = { 0 };
	enum dest_kind kind;

	if (row->kind >= 0) {
		T_CHECK(dest_classify(str_c(row->dest), &kind, &p));
		T_EQ_INT(kind, row->kind);
		T_EQ_INT(p.status, 0);
		return;
	}
	T_CHECK(!dest_classify(str_c(row->dest), &kind, &p));
	T_EQ_INT(p.status, 400);
	T_EQ_STR(p.text, row->text);
}

static const struct {
	const char *url, *part;
	bool host, path;
} parts[] = {
	{ "https://example.org/webhook", "example.org", true, false },
	{ "https://Example.ORG/webhook", "eXample.org", true, false },
	{ "https://example.org:8443/webhook", "example.org", true, false },
	{ "https://example.org:8443/webhook", "example.org:8443", true, false },
	{ "https://example.org/webhook", "example.org:443", false, false },
	{ "https://u@example.org/", "example.org", true, false },
	{ "https://example.org/webhook", "org", false, false },
	{ "https://example.org/webhook", "", false, false },
	{ "https://example.org/webhook", "/webhook", false, true },
	{ "https://example.org/webhook?x=1", "/webhook", false, true },
	{ "https://example.org/webhook/", "/webhook", false, false },
	{ "https://example.org/Webhook", "/webhook", false, false },
	{ "https://example.org", "/", false, true },
	{ "https://example.org/", "/", false, true },
	{ "https://example.org?x", "/", false, true },
	{ "group", "group", false, false },
	{ "", "", false, false },
};

TEST_EACH(hosts_and_paths_for_filters, parts)
{
	T_EQ_INT(url_has_host(str_c(row->url), str_c(row->part)), row->host);
	T_EQ_INT(url_has_path(str_c(row->url), str_c(row->part)), row->path);
}

TEST(names)
{
	static char longest[LIMIT_NAME_BYTES + 1];

	memset(longest, 'n', sizeof(longest));
	T_CHECK(name_is_valid(STR("a")));
	T_CHECK(name_is_valid(STR("Az09-_.")));
	T_CHECK(name_is_valid(str_n(longest, LIMIT_NAME_BYTES)));
	T_CHECK(!name_is_valid(str_n(longest, LIMIT_NAME_BYTES + 1)));
	T_CHECK(!name_is_valid(STR("")));
	for (int c = 0; c < 256; c++) {
		char text[1] = { (char)c };
		bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			  (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';

		T_EQ_INT(name_is_valid(str_n(text, 1)), ok);
	}
}
