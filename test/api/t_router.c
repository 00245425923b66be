/* The router against a table of its own, and what must hold of the real one. */
#include <stdio.h>

#include "api/router.h"
#include "api/routes.h"
#include "t.h"

#define ROW(method, path) \
	{ ROUTE_##method, { path, sizeof(path) - 1 }, NULL, ROUTE_WRITE, ROUTE_SMALL, "" }

static const struct route rows[] = {
	ROW(POST, "/v2/publish/{destination...}"),
	ROW(POST, "/v2/enqueue/{queue}/{destination...}"),
	ROW(GET, "/v2/messages/{id}"),
	ROW(DELETE, "/v2/messages/{id}"),
	ROW(DELETE, "/v2/messages"),
	ROW(POST, "/v2/dlq/retry"),
	ROW(POST, "/v2/dlq/retry/{id}"),
	ROW(GET, "/v2/dlq/{id}"),
	ROW(POST, "/v2/flowControl/{key}/pause"),
	ROW(PATCH, "/v2/schedules/{id}/pause"),
	ROW(POST, "/v2/schedules/{id}/pause"),
	ROW(POST, "/v2/schedules/{destination...}"),
};

/* want: "<pattern> <id>... <rest>", or "unknown", "other <allow>", "bad id". */
static const struct {
	const char *method, *path, *want;
} cases[] = {
	{ "POST", "/v2/publish/https://x.io/a", "/v2/publish/{destination...} |https://x.io/a" },
	{ "POST", "/v2/publish/https://x.io//a/../b%2f%zz/",
	  "/v2/publish/{destination...} |https://x.io//a/../b%2f%zz/" },
	{ "POST", "/v2/publish/https:/x", "/v2/publish/{destination...} |https:/x" },
	{ "POST", "/V2/PubLish/Group", "/v2/publish/{destination...} |Group" },
	{ "POST", "/v2/publish/", "/v2/publish/{destination...} |" },
	{ "POST", "/v2/publish", "/v2/publish/{destination...} |" },
	{ "POST", "/v2/publish//x", "/v2/publish/{destination...} |/x" },
	{ "POST", "/v2/publishing/x", "unknown" },
	{ "POST", "/v2/enqueue/q%20%2F1/https://x",
	  "/v2/enqueue/{queue}/{destination...} q /1|https://x" },
	{ "POST", "/v2/enqueue//https://x", "/v2/enqueue/{queue}/{destination...} |https://x" },
	{ "POST", "/v2/enqueue/q", "/v2/enqueue/{queue}/{destination...} q|" },
	{ "POST", "/v2/enqueue/", "unknown" },
	{ "GET", "/v2/messages/msg_1", "/v2/messages/{id} msg_1|" },
	{ "HEAD", "/v2/messages/msg_1", "/v2/messages/{id} msg_1|" },
	{ "GET", "/v2/messages/msg_1/", "/v2/messages/{id} msg_1|" },
	{ "GET", "/v2/messages/msg%5f1", "/v2/messages/{id} msg_1|" },
	{ "GET", "/v2/messages/%", "bad id" },
	{ "GET", "/v2/messages/%4", "bad id" },
	{ "GET", "/v2/messages/%4g", "bad id" },
	{ "GET", "/v2/messages/a//", "unknown" },
	{ "GET", "/v2/messages/a/b", "unknown" },
	{ "DELETE", "/v2/messages", "/v2/messages |" },
	{ "DELETE", "/v2/messages/", "/v2/messages |" },
	{ "DELETE", "/v2/Messages/", "/v2/messages |" },
	{ "DELETE", "/v2/messages//", "unknown" },
	{ "DELETE", "/v2//messages", "unknown" },
	{ "GET", "/v2/messages/", "other DELETE" },
	{ "PUT", "/v2/messages/x", "other GET, DELETE" },
	{ "BREW", "/v2/messages/x", "other GET, DELETE" },
	{ "get", "/v2/messages/x", "other GET, DELETE" },
	{ "GET", "/v2/publish/x", "other POST" },
	{ "POST", "/v2/dlq/retry", "/v2/dlq/retry |" },
	{ "POST", "/v2/dlq/retry/", "/v2/dlq/retry |" },
	{ "POST", "/v2/dlq/retry/1-2", "/v2/dlq/retry/{id} 1-2|" },
	{ "GET", "/v2/dlq/retry", "/v2/dlq/{id} retry|" },
	{ "POST", "/v2/flowcontrol/a%2Fb/PAUSE", "/v2/flowControl/{key}/pause a/b|" },
	{ "POST", "/v2/flowControl//pause", "/v2/flowControl/{key}/pause |" },
	{ "PATCH", "/v2/schedules/s/pause", "/v2/schedules/{id}/pause s|" },
	{ "POST", "/v2/schedules/s/pause", "/v2/schedules/{id}/pause s|" },
	{ "POST", "/v2/schedules/https://x/pause",
	  "/v2/schedules/{destination...} |https://x/pause" },
	{ "POST", "/v2/Schedules/https://x", "/v2/schedules/{destination...} |https://x" },
	{ "GET", "/", "unknown" },
	{ "GET", "", "unknown" },
	{ "OPTIONS", "*", "unknown" },
	{ "GET", "v2/messages/x", "unknown" },
};

static struct str found_text(struct arena *a, const struct route_match *m)
{
	struct str text = arena_fmt(a, "%.*s ", STR_FMT(m->route->pattern));

	for (size_t i = 0; i < m->ids; i++)
		text = arena_fmt(a, "%.*s%s%.*s", STR_FMT(text), i > 0 ? " " : "",
				 STR_FMT(m->id[i]));
	return arena_fmt(a, "%.*s|%.*s", STR_FMT(text), STR_FMT(m->rest));
}

TEST_EACH(finds_the_row, cases)
{
	struct route_match m = { 0 };
	struct arena a;
	struct str got = STR_NULL;

	arena_init(&a);
	switch (router_find(&a, (struct route_table){ rows, countof(rows) },
			    router_method(str_c(row->method)), str_c(row->path), &m)) {
	case ROUTE_FOUND:
		got = found_text(&a, &m);
		break;
	case ROUTE_UNKNOWN:
		got = STR("unknown");
		break;
	case ROUTE_OTHER_METHOD:
		got = arena_fmt(&a, "other %.*s", STR_FMT(m.allow));
		break;
	case ROUTE_BAD_ID:
		got = STR("bad id");
		break;
	}
	T_EQ_STR(got, row->want);
	arena_done(&a);
}

TEST(an_id_may_hold_any_byte)
{
	struct route_match m = { 0 };
	struct arena a;

	arena_init(&a);
	T_CHECK(router_find(&a, (struct route_table){ rows, countof(rows) }, ROUTE_GET,
			    STR("/v2/messages/%00%ff%C3%bc+"), &m) == ROUTE_FOUND);
	T_EQ_STR(m.id[0], str_n("\0\xff\xc3\xbc+", 5));
	arena_done(&a);
}

/* A row that an earlier one hides would never run. */
TEST(every_row_of_the_real_table_can_be_reached)
{
	struct route_table t = routes_table();
	struct arena a;

	arena_init(&a);
	for (size_t i = 0; i < t.n; i++) {
		struct route_match m = { 0 };

		T_CHECK(router_find(&a, t, t.v[i].method, t.v[i].pattern, &m) == ROUTE_FOUND);
		T_EQ_STR(m.route->pattern, t.v[i].pattern);
		T_CHECK(t.v[i].run != NULL && t.v[i].doc[0] != '\0');
	}
	arena_done(&a);
}

/* Spec 5.11: the read-only token reads, and nothing else; the signing keys are not for it. */
TEST(only_reading_is_open_to_the_read_only_token)
{
	struct route_table t = routes_table();

	for (size_t i = 0; i < t.n; i++) {
		const struct route *r = &t.v[i];

		if (r->scope != ROUTE_OPEN && r->scope != ROUTE_READ && r->scope != ROUTE_LOG)
			continue;
		/* A webhook is called by anybody, in any way. */
		if (str_starts(r->pattern, STR("/v2/workflows/hooks/")))
			continue;
		T_EQ_INT(r->method, ROUTE_GET);
		T_CHECK(!str_starts(r->pattern, STR("/v2/keys")));
	}
}

/* Spec 9.3: what publishes, triggers, notifies or waits has no burst limit; nor has the end of a run, which comes
 * with every one. */
TEST(what_publishes_is_apart_from_the_burst_limit)
{
	static const char *const apart[] = { "/v2/publish/{destination...}",
					     "/v2/enqueue/{queue}/{destination...}",
					     "/v2/batch",
					     "/v2/trigger/{destination...}",
					     "/v2/batch/trigger",
					     "/v2/wait/{event...}",
					     "/v2/notify/{event...}" };
	struct route_table t = routes_table();
	size_t n = 0;

	for (size_t i = 0; i < t.n; i++) {
		bool publishes = t.v[i].method == ROUTE_DELETE &&
				 str_eq(t.v[i].pattern, STR("/v2/workflows/runs/{id}"));

		for (size_t k = 0; k < countof(apart); k++)
			publishes = publishes || str_eq(t.v[i].pattern, str_c(apart[k]));
		T_EQ_INT(t.v[i].scope == ROUTE_SEND, publishes);
		n += publishes;
	}
	T_EQ_INT(n, countof(apart) + 1);
}
