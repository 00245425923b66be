#include "courier/courier.h"

#include "base/check.h"

void courier_send(struct courier *c, struct courier_req *req)
{
	check(req->done != NULL && req->timeout_ms > 0);
	c->ops->send(c, req);
}

void courier_cancel(struct courier *c, struct courier_req *req)
{
	c->ops->cancel(c, req);
}

void courier_close(struct courier *c)
{
	c->ops->close(c);
}
