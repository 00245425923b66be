/* Any bytes as "METHOD path": what the router hands out lies within the path and tells the same
 * path. */
#include "api/router.h"
#include "api/routes.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(struct str path, const struct route_match *m)
{
	check(m->route != NULL && m->ids <= ROUTE_IDS_MAX);
	for (size_t i = 0; i < m->ids; i++)
		check(m->id[i].n <= path.n);
	if (m->rest.n > 0)
		check(m->rest.p >= path.p && m->rest.p + m->rest.n == path.p + path.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str path = str_n(data, size);
	enum route_method method = router_method(str_cut(&path, ' '));
	struct route_match m = { 0 }, again = { 0 };
	enum route_result result;
	struct arena a;

	arena_init(&a);
	result = router_find(&a, routes_table(), method, path, &m);
	check(result != ROUTE_OTHER_METHOD || m.allow.n > 0);
	if (result == ROUTE_FOUND)
		judge(path, &m);
	check(router_find(&a, routes_table(), method, path, &again) == result);
	check(again.route == m.route);
	arena_done(&a);
	return 0;
}
