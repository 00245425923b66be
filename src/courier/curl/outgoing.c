#include "courier/curl/outgoing.h"

#include <curl/curl.h>
#include <string.h>

#include "core/headers.h"
#include "courier/curl/dispatch.h"
#include "courier/curl/target.h"

enum { METHOD_BYTES_MAX = 31 };

/* Content-Length and Transfer-Encoding from outside would make two truths about where a body
 * ends. */
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

/* libcurl adds these headers unless they are mentioned. */
static const struct curl_slist no_expect = { (char *)"Expect:", NULL };
static const struct curl_slist no_type = { (char *)"Content-Type:",
					   (struct curl_slist *)&no_expect };
static const struct curl_slist no_accept = { (char *)"Accept:", (struct curl_slist *)&no_type };

static bool is_own_header(struct str name)
{
	for (size_t i = 0; i < countof(own_headers); i++)
		if (name.n == own_headers[i].n && str_ieq(name, own_headers[i]))
			return true;
	return false;
}

/* What could begin a new line, or end the string, and so change what is sent. */
static bool is_one_line(struct str s)
{
	return s.n == 0 || (memchr(s.p, '\r', s.n) == NULL && memchr(s.p, '\n', s.n) == NULL &&
			    memchr(s.p, '\0', s.n) == NULL);
}

struct header_line {
	struct curl_slist node;
	char text[];
};

/* "Name: value"; libcurl wants "Name;" for an empty value, "Name:" would leave the header out. */
static struct curl_slist *header_line(struct arena *a, struct str name, struct str value)
{
	struct header_line *line = arena_alloc(a, sizeof(*line) + name.n + 2 + value.n + 1);
	char *p = line->text;

	memcpy(p, name.p, name.n);
	p += name.n;
	*p++ = value.n > 0 ? ':' : ';';
	if (value.n > 0) {
		*p++ = ' ';
		memcpy(p, value.p, value.n);
		p += value.n;
	}
	*p = '\0';
	line->node = (struct curl_slist){ .data = line->text };
	return &line->node;
}

static bool prepare_header(struct exchange *x, struct str *ret_error)
{
	struct courier_req *req = x->req;
	struct curl_slist **end = &x->header;

	for (size_t i = 0; i < req->header.n; i++) {
		struct str name = req->header.v[i].name, value = str_trim(req->header.v[i].value);

		if (!header_name_is_valid(name)) {
			*ret_error = STR("the request was not sent: a header's name is not valid");
			return false;
		}
		if (!is_one_line(value)) {
			*ret_error = arena_fmt(
				&req->arena,
				"the request was not sent: the value of header %.*s holds a "
				"line break or a NUL",
				STR_FMT(name));
			return false;
		}
		if (is_own_header(name))
			continue;
		*end = header_line(&req->arena, name, value);
		end = &(*end)->next;
	}
	*end = (struct curl_slist *)&no_accept;
	return true;
}

static bool prepare_target(struct exchange *x, struct dispatch *dispatch, struct str *ret_error)
{
	const char *why;

	x->target = dispatch_target(dispatch, x->req->url, &x->dest, &why);
	if (x->target == NULL)
		*ret_error = arena_fmt(&x->req->arena,
				       "the request was not sent: the URL is not valid: %s", why);
	return x->target != NULL;
}

bool outgoing_prepare(struct exchange *x, struct dispatch *dispatch, struct str *ret_error)
{
	struct str method = x->req->method;

	if (!header_name_is_valid(method) || method.n > METHOD_BYTES_MAX) {
		*ret_error = STR("the request was not sent: the method is not valid");
		return false;
	}
	return prepare_header(x, ret_error) && prepare_target(x, dispatch, ret_error);
}
