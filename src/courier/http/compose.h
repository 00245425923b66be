/* compose.h - the head of a request, as it goes over the connection.
 */
#ifndef COURIER_HTTP_COMPOSE_H
#define COURIER_HTTP_COMPOSE_H

#include "base/buf.h"
#include "courier/courier.h"

/* Appends all of it: request line, Host, the caller's headers (request.h), Content-Length, the empty
 * line. `host` is the value of Host; `path` may be empty, and begin with '?'. */
void compose_head(struct buf *out, const struct courier_req *req, struct str host, struct str path);

#endif
