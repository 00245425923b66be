#include "courier/curl/outgoing.h"

#include <curl/curl.h>
#include <string.h>

#include "courier/curl/dispatch.h"
#include "courier/curl/target.h"
#include "courier/request.h"

/* libcurl adds these headers unless they are mentioned. */
static const struct curl_slist no_expect = { (char *)"Expect:", NULL };
static const struct curl_slist no_type = { (char *)"Content-Type:",
					   (struct curl_slist *)&no_expect };
static const struct curl_slist no_accept = { (char *)"Accept:", (struct curl_slist *)&no_type };

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

static void prepare_header(struct exchange *x)
{
	struct courier_req *req = x->req;
	struct curl_slist **end = &x->header;

	for (size_t i = 0; i < req->header.n; i++) {
		const struct header *h = &req->header.v[i];

		if (request_owns(h->name))
			continue;
		*end = header_line(&req->arena, h->name, str_trim(h->value));
		end = &(*end)->next;
	}
	*end = (struct curl_slist *)&no_accept;
}

bool outgoing_prepare(struct exchange *x, struct dispatch *dispatch, struct str *ret_error)
{
	const char *why;

	if (!request_judge(x->req, ret_error))
		return false;
	x->target = dispatch_target(dispatch, x->req->url, &x->dest, &why);
	if (x->target == NULL) {
		*ret_error = request_url_refused(&x->req->arena, why);
		return false;
	}
	prepare_header(x);
	return true;
}
