#include "courier/request.h"

#include <string.h>

#include "core/headers.h"

static const struct str own_headers[] = {
	{ "Connection", 10 },
	{ "Content-Length", 14 },
	{ "Expect", 6 },
	{ "HTTP2-Settings", 14 },
	{ "Host", 4 },
	{ "Keep-Alive", 10 },
	{ "Proxy-Connection", 16 },
	{ "TE", 2 },
	{ "Trailer", 7 },
	{ "Transfer-Encoding", 17 },
	{ "Upgrade", 7 },
};

bool request_owns(struct str name)
{
	for (size_t i = 0; i < countof(own_headers); i++)
		if (name.n == own_headers[i].n && str_ieq(name, own_headers[i]))
			return true;
	return false;
}

static bool is_one_line(struct str s)
{
	return s.n == 0 || (memchr(s.p, '\r', s.n) == NULL && memchr(s.p, '\n', s.n) == NULL &&
			    memchr(s.p, '\0', s.n) == NULL);
}

bool request_judge(struct courier_req *req, struct str *ret_error)
{
	if (!header_name_is_valid(req->method) || req->method.n > REQUEST_METHOD_BYTES_MAX) {
		*ret_error = STR("the request was not sent: the method is not valid");
		return false;
	}
	for (size_t i = 0; i < req->header.n; i++) {
		const struct header *h = &req->header.v[i];

		if (!header_name_is_valid(h->name)) {
			*ret_error = STR("the request was not sent: a header's name is not valid");
			return false;
		}
		if (!is_one_line(str_trim(h->value))) {
			*ret_error = arena_fmt(&req->arena,
					       "the request was not sent: the value of header %.*s "
					       "holds a line break or a NUL",
					       STR_FMT(h->name));
			return false;
		}
	}
	return true;
}

const char *request_url_fault(struct str url)
{
	size_t host_at = str_istarts(url, STR("https://")) ? 8 : 7;

	if (host_at == 7 && !str_istarts(url, STR("http://")))
		return "it does not begin with http:// or https://";
	if (url.n == host_at || url.p[host_at] == '/')
		return "it has no host";
	if (url.n > REQUEST_URL_BYTES_MAX)
		return "it is longer than 64 KB";
	for (size_t i = 0; i < url.n; i++)
		if ((unsigned char)url.p[i] <= ' ' || url.p[i] == 0x7f)
			return "it holds a space or a control character";
	return NULL;
}

struct str request_url_refused(struct arena *a, const char *why)
{
	return arena_fmt(a, "the request was not sent: the URL is not valid: %s", why);
}

bool request_expects_body(struct str method)
{
	return str_eq(method, STR("POST")) || str_eq(method, STR("PUT")) ||
	       str_eq(method, STR("PATCH"));
}
