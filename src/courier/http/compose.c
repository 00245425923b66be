#include "courier/http/compose.h"

#include <string.h>

#include "base/check.h"
#include "courier/request.h"

static char *put(char *p, struct str s)
{
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return p + s.n;
}

static void add_header(struct buf *out, struct str name, struct str value)
{
	char *start = buf_room(out, name.n + value.n + 4), *p = start;

	if (p == NULL)
		return;
	p = put(p, name);
	*p++ = ':';
	if (value.n > 0)
		*p++ = ' ';
	p = put(p, value);
	p = put(p, STR("\r\n"));
	buf_grew(out, (size_t)(p - start));
}

void compose_head(struct buf *out, const struct courier_req *req, struct str host, struct str path)
{
	buf_add(out, req->method);
	buf_byte(out, ' ');
	if (path.n == 0 || path.p[0] != '/')
		buf_byte(out, '/');
	buf_add(out, path);
	buf_add(out, STR(" HTTP/1.1\r\n"));
	add_header(out, STR("Host"), host);
	for (size_t i = 0; i < req->header.n; i++) {
		const struct header *h = &req->header.v[i];

		if (!request_owns(h->name))
			add_header(out, h->name, str_trim(h->value));
	}
	if (req->body.n > 0 || request_expects_body(req->method)) {
		buf_add(out, STR("Content-Length: "));
		buf_u64(out, req->body.n);
		buf_add(out, STR("\r\n"));
	}
	buf_add(out, STR("\r\n"));
}
