#include "api/cors.h"

#include "api/call.h"

bool cors_is_preflight(const struct httpd_req *req)
{
	return str_eq(req->head->method, STR("OPTIONS")) &&
	       httpd_field(req, STR("Access-Control-Request-Method")).p != NULL;
}

/* A star for the headers would not cover Authorization, so the names asked for are given back.
 * They are a field value of the request, hence without line breaks. */
void cors_answer_preflight(struct call *c)
{
	struct str asked = httpd_field(c->req, STR("Access-Control-Request-Headers"));
	struct str names = STR("Authorization, Content-Type");
	bool private = httpd_field(c->req, STR("Access-Control-Request-Private-Network")).p != NULL;

	if (asked.n > 0)
		names = asked;
	call_answer_empty(
		c, arena_fmt(call_arena(c),
			     "Access-Control-Allow-Methods: GET, POST, PUT, PATCH, DELETE\r\n"
			     "Access-Control-Allow-Headers: %.*s\r\n"
			     "Access-Control-Max-Age: 600\r\n"
			     "Vary: Access-Control-Request-Headers\r\n%s",
			     STR_FMT(names),
			     private ? "Access-Control-Allow-Private-Network: true\r\n" : ""));
}
