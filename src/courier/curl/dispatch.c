#include "courier/curl/dispatch.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "courier/request.h"

/* As long as libcurl keeps a resolved name. */
enum { WARM_MS = 60 * 1000, IDLE_DESTS_MAX = 1024 };

void dispatch_init(struct dispatch *q, struct dispatch_limits limits)
{
	check(limits.lanes >= 1 && limits.lanes <= DISPATCH_LANES_MAX);
	check(limits.lanes * limits.lane_running_max >= limits.running_max);
	*q = (struct dispatch){ .limits = limits };
	map_init(&q->dests, (uint64_t)(uintptr_t)q);
	buf_init(&q->key, REQUEST_URL_BYTES_MAX + 8);
	list_init(&q->ready);
	list_init(&q->cold);
	list_init(&q->idle);
}

static void free_dest(struct dest *d)
{
	target_unref(d->target);
	free(d->text);
	free(d);
}

void dispatch_done(struct dispatch *q)
{
	struct dest *d;
	size_t pos = 0;

	check(q->running == 0);
	while ((d = map_next(&q->dests, &pos)) != NULL) {
		check(list_is_empty(&d->waiting));
		free_dest(d);
	}
	map_done(&q->dests);
	buf_done(&q->key);
}

static void drop_oldest_idle(struct dispatch *q)
{
	struct dest *d = list_entry(list_pop(&q->idle), struct dest, node);

	q->idle_n--;
	check(map_remove(&q->dests, d->key) == d);
	free_dest(d);
}

/* Puts a destination where it belongs after its counts changed. */
static void sort_in(struct dispatch *q, struct dest *d)
{
	bool is_unused = d->running == 0 && list_is_empty(&d->waiting);

	if (is_unused) {
		list_remove(&d->node);
		list_push(&q->idle, &d->node);
		d->is_idle = true;
		if (++q->idle_n > IDLE_DESTS_MAX)
			drop_oldest_idle(q);
	} else if (list_is_empty(&d->waiting)) {
		list_remove(&d->node);
	} else if (list_is_empty(&d->node) && d->running < q->limits.dest_running_max &&
		   d->opening < DISPATCH_DEST_OPENING_MAX) {
		list_push(&q->ready, &d->node);
	}
}

/* The host and port in a URL with a scheme of scheme_n letters: "http://user:pw@Host/path" ->
 * "Host". */
static struct str authority_of(struct str url, size_t scheme_n)
{
	struct str s = str_from(url, scheme_n + 3);
	size_t end = 0, at;

	while (end < s.n && s.p[end] != '/' && s.p[end] != '?' && s.p[end] != '#' &&
	       s.p[end] != '\\')
		end++;
	s = str_sub(s, 0, end);
	while ((at = str_find(s, '@', 0)) != SIZE_MAX)
		s = str_from(s, at + 1);
	if (s.n > 0 && s.p[s.n - 1] == ':')
		s.n--;
	return s;
}

/* Whether it ends in a colon and digits. */
static bool has_port(struct str authority)
{
	size_t i = authority.n;

	while (i > 0 && authority.p[i - 1] >= '0' && authority.p[i - 1] <= '9')
		i--;
	return i > 0 && i < authority.n && authority.p[i - 1] == ':';
}

static void add_lower(struct buf *b, struct str s)
{
	char *p = buf_room(b, s.n);

	if (p == NULL)
		return;
	for (size_t i = 0; i < s.n; i++)
		p[i] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] + ('a' - 'A')) : s.p[i];
	buf_grew(b, s.n);
}

/* "HTTP://user:pw@Host/path" -> "http://host:80", in q->key. Two spellings of one host are two
 * destinations, which harms nothing: this decides about order and limits only. */
static struct str key_of(struct dispatch *q, struct str url)
{
	size_t scheme_n = str_find(url, ':', 0);
	struct str authority = authority_of(url, scheme_n);

	buf_reset(&q->key);
	add_lower(&q->key, str_sub(url, 0, scheme_n + 3));
	add_lower(&q->key, authority);
	if (!has_port(authority))
		buf_add(&q->key, scheme_n == 5 ? STR(":443") : STR(":80"));
	return buf_str(&q->key);
}

static struct dest *new_dest(struct dispatch *q, struct str key)
{
	struct dest *d = xcalloc(1, sizeof(*d));

	d->text = str_dup(key);
	d->key = str_n(d->text, key.n);
	d->name = str_from(d->key, str_find(d->key, ':', 0) + 3);
	d->hash = str_hash(key, 0);
	list_init(&d->waiting);
	list_init(&d->node);
	check(map_put(&q->dests, d->key, d) == NULL);
	return d;
}

static bool is_http(struct str url)
{
	return str_istarts(url, STR("http://")) || str_istarts(url, STR("https://"));
}

struct target *dispatch_target(struct dispatch *q, struct str text, struct dest **ret_dest,
			       const char **ret_why)
{
	struct dest *d = NULL;
	struct target *u;

	if (is_http(text) && text.n <= REQUEST_URL_BYTES_MAX)
		d = map_get(&q->dests, key_of(q, text));
	if (d == NULL || d->target == NULL || !str_eq(d->target->text, text)) {
		u = target_new(text, ret_why);
		if (u == NULL)
			return NULL;
		if (d == NULL)
			d = new_dest(q, key_of(q, text));
		target_unref(d->target);
		d->target = u;
	}
	*ret_dest = d;
	return target_ref(d->target);
}

void dispatch_put(struct dispatch *q, struct exchange *x)
{
	struct dest *d = x->dest;

	if (d->is_idle) {
		list_remove(&d->node);
		d->is_idle = false;
		q->idle_n--;
	}
	x->state = EXCHANGE_WAITING;
	list_push(&d->waiting, &x->node);
	sort_in(q, d);
}

/* The first lane on the destination's own way around that has room, for it and at all. Always
 * beginning at the same place makes it find the connections it used before. */
static int choose_lane(const struct dispatch *q, const struct dest *d)
{
	int first = (int)(d->hash % (uint64_t)q->limits.lanes), least = first;

	for (int i = 0; i < q->limits.lanes; i++) {
		int lane = (first + i) % q->limits.lanes;

		if (q->in_lane[lane] < q->limits.lane_running_max &&
		    d->in_lane[lane] < q->limits.lane_dest_max)
			return lane;
		if (q->in_lane[lane] < q->in_lane[least])
			least = lane;
	}
	return least;
}

static struct exchange *start(struct dispatch *q, struct dest *d)
{
	struct exchange *x = list_entry(list_pop(&d->waiting), struct exchange, node);

	x->state = EXCHANGE_RUNNING;
	x->opened = false;
	x->lane = choose_lane(q, d);
	q->in_lane[x->lane]++;
	d->in_lane[x->lane]++;
	d->running++;
	d->opening++;
	q->running++;
	q->opening++;
	sort_in(q, d);
	return x;
}

struct exchange *dispatch_next(struct dispatch *q, int64_t now_ms)
{
	struct list *node;

	while (q->running < q->limits.running_max && (node = list_pop(&q->ready)) != NULL) {
		struct dest *d = list_entry(node, struct dest, node);

		check(!list_is_empty(&d->waiting));
		if (q->opening < DISPATCH_OPENING_MAX || d->warm_until_ms > now_ms)
			return start(q, d);
		list_push(&q->cold, &d->node);
	}
	return NULL;
}

static void leave_opening(struct dispatch *q, struct exchange *x)
{
	struct list *node;

	if (x->opened)
		return;
	x->opened = true;
	x->dest->opening--;
	q->opening--;
	node = list_pop(&q->cold);
	if (node != NULL)
		list_push(&q->ready, node);
}

void dispatch_opened(struct dispatch *q, struct exchange *x, int64_t now_ms)
{
	check(x->state == EXCHANGE_RUNNING);
	if (x->opened)
		return;
	x->dest->warm_until_ms = now_ms + WARM_MS;
	leave_opening(q, x);
	sort_in(q, x->dest);
}

void dispatch_ended(struct dispatch *q, struct exchange *x)
{
	struct dest *d = x->dest;

	if (x->state == EXCHANGE_WAITING) {
		list_remove(&x->node);
	} else {
		check(x->state == EXCHANGE_RUNNING && d->running > 0);
		leave_opening(q, x);
		d->running--;
		d->in_lane[x->lane]--;
		q->running--;
		q->in_lane[x->lane]--;
	}
	sort_in(q, d);
}
