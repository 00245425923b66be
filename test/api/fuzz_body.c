/* Any bytes as a JSON body: the first says of what. What is accepted keeps its limits, and the items of a
 * batch go on to where their settings are read. */
#include "api/body.h"
#include "base/check.h"
#include "core/names.h"
#include "core/query.h"
#include "core/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int64_t now_ms = 1700000000000;
static const struct plan plan = { .delay_max_s = 604800, .timeout_max_s = 900, .retries_max = 5 };

static bool told(bool ok, const struct problem *p)
{
	if (!ok)
		check((p->status == 400 || p->status == 412) && p->text[0]);
	return ok;
}

/* No more values than bytes to write them with. */
static void check_headers(struct str body, const struct headers *h)
{
	size_t bytes = 0;

	for (size_t i = 0; i < h->n; i++)
		bytes += h->v[i].value.n + 1;
	check(bytes <= body.n + h->n * 5);
}

static void fuzz_settings(struct arena *a, const struct item_source *src)
{
	struct options_source os = {
		.header = src->header,
		.use = src->use,
		.plan = &plan,
		.now_ms = now_ms,
	};
	struct msg m = { .user = STR("u"), .body = src->body, .queue = src->queue };
	struct problem p = { 0 };
	enum dest_kind kind;
	struct options o;
	struct str own, token;

	m.created_ms = now_ms;
	check(!str_has_byte(src->destination, '?'));
	check(!item_group_name(src).n || name_is_valid(src->destination));
	if (!told(dest_classify(src->destination, &kind, &p), &p) ||
	    !query_split_destination(a, src->query, &own, &os.query, &token))
		return;
	check(own.n <= src->query.n);
	if (told(options_parse(a, &os, &m, &o, &p), &p))
		check(m.method.n && m.not_before_ms >= now_ms);
}

static void fuzz_batch(struct arena *a, struct str body)
{
	struct problem p = { 0 };
	struct body_batch b;

	if (!told(body_read_batch(a, body, &b, &p), &p))
		return;
	check(b.n <= body.n);
	for (size_t i = 0; i < b.n; i++) {
		check_headers(body, &b.item[i].header);
		fuzz_settings(a, &b.item[i]);
	}
}

static void fuzz_endpoints(struct arena *a, struct str body, bool needs_url)
{
	struct problem p = { 0 };
	struct body_endpoints e;
	struct url u;

	if (!told(body_read_endpoints(a, body, needs_url, &e, &p), &p))
		return;
	check(e.n > 0 && e.n <= body.n);
	for (size_t i = 0; i < e.n; i++)
		check(needs_url ? url_parse(e.v[i].url, &u) : e.v[i].url.n + e.v[i].name.n > 0);
}

static void fuzz_queue(struct arena *a, struct str body)
{
	struct problem p = { 0 };
	struct body_queue q;

	if (!told(body_read_queue(a, body, &q, &p), &p))
		return;
	check(name_is_valid(q.name) && q.parallelism >= 1);
	check(q.paused >= -1 && q.paused <= 1);
}

static void fuzz_headers(struct arena *a, struct str body)
{
	struct problem p = { 0 };
	struct headers h;

	if (told(body_read_headers(a, body, &h, &p), &p))
		check_headers(body, &h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str body;
	struct arena a;

	if (!size)
		return 0;
	body = str_n(data + 1, size - 1);
	arena_init(&a);
	switch (data[0] % 5) {
	case 0:
		fuzz_batch(&a, body);
		break;
	case 1:
	case 2:
		fuzz_endpoints(&a, body, data[0] % 5 == 1);
		break;
	case 3:
		fuzz_queue(&a, body);
		break;
	default:
		fuzz_headers(&a, body);
	}
	arena_done(&a);
	return 0;
}
