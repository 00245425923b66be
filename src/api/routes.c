#include "api/routes.h"

#include "api/handlers.h"
#include "api/route_tbl.h"

static const struct route table[] = {
#define X(method, path, run, scope, body, doc) \
	{ ROUTE_##method, { path, sizeof(path) - 1 }, run, ROUTE_##scope, ROUTE_##body, doc },
	ROUTE_TABLE(X)
#undef X
};

struct route_table routes_table(void)
{
	return (struct route_table){ table, countof(table) };
}
