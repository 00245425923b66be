#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "core/url.h"
#include "courier/http/http_int.h"
#include "courier/request.h"

/* What the other courier is for: "user:pw@", "%31", what is not ASCII, "[fe80::1%25lo]". */
static bool is_strange(struct str url)
{
	size_t i = str_find(url, ':', 0) + 3;

	for (; i < url.n && url.p[i] != '/' && url.p[i] != '?' && url.p[i] != '#'; i++)
		if (url.p[i] == '@' || url.p[i] == '%' || (unsigned char)url.p[i] >= 0x80)
			return true;
	return false;
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

static struct str key_of(struct buf *b, const struct url *u)
{
	buf_reset(b);
	add_lower(b, u->scheme);
	buf_add(b, STR("://"));
	add_lower(b, u->host);
	buf_byte(b, ':');
	buf_u64(b, u->port);
	check(!b->overflow);
	return buf_str(b);
}

/* Views into its own key. */
static void set_names(struct origin *o, const struct url *u)
{
	size_t scheme_n = u->scheme.n + 3;

	o->is_tls = u->scheme.n == 5;
	o->port = u->port;
	o->name = str_from(o->key, scheme_n);
	o->host = str_sub(o->key, scheme_n, u->host.n);
	o->authority = u->port == (o->is_tls ? 443 : 80) ? o->host : o->name;
	if (o->host.p[0] == '[')
		o->host = str_sub(o->host, 1, o->host.n - 2);
}

static void know(struct origin *o, const struct addresses *found, int64_t until_ms)
{
	o->lookup = found->n > 0 ? LOOKUP_FOUND : LOOKUP_FAILED;
	o->known_since_ms = o->courier->now_ms;
	o->known_until_ms = until_ms;
	o->addresses = *found;
	for (int i = 0; i < found->n; i++)
		address_set_port(&o->addresses.v[i], o->port);
}

/* What needs no resolver. */
static void know_by_itself(struct origin *o)
{
	struct addresses a = { .n = 1 };

	if (address_parse(o->host, &a.v[0]) || address_of_localhost(o->host, &a))
		know(o, &a, INT64_MAX);
}

static struct origin *new_origin(struct http_courier *c, struct str key, const struct url *u)
{
	struct origin *o = xcalloc(1, sizeof(*o));

	o->courier = c;
	o->text = str_dup(key);
	o->key = str_n(o->text, key.n);
	list_init(&o->waiting);
	list_init(&o->idle);
	list_init(&o->dials);
	list_init(&o->node);
	set_names(o, u);
	know_by_itself(o);
	check(map_put(&c->origins, o->key, o) == NULL);
	return o;
}

bool origin_find(struct exchange *x, bool *ret_is_foreign, const char **ret_why)
{
	struct http_courier *c = x->courier;
	struct str url = x->req->url, key;
	struct origin *o;
	struct url u;
	size_t path_at;

	*ret_is_foreign = false;
	*ret_why = request_url_fault(url);
	if (*ret_why != NULL)
		return false;
	*ret_is_foreign = is_strange(url);
	if (*ret_is_foreign)
		return true;
	if (!url_judge(url, &u, ret_why))
		return false;
	key = key_of(&c->key, &u);
	o = map_get(&c->origins, key);
	if (o == NULL)
		o = new_origin(c, key, &u);
	x->origin = o;
	path_at = (size_t)(u.authority.p + u.authority.n - url.p);
	x->path = str_sub(url, path_at, u.whole.n - path_at);
	*ret_is_foreign = o->other_until_ms > c->now_ms;
	return true;
}

void origin_free(struct origin *o)
{
	check(o->waiting_n == 0 && o->wires_n == 0 && o->dials_n == 0);
	list_remove(&o->node);
	check(map_remove(&o->courier->origins, o->key) == o);
	tls_session_free(o->session);
	free(o->text);
	free(o);
}

static void set_idle(struct origin *o, bool is_idle)
{
	struct http_courier *c = o->courier;

	if (o->is_idle == is_idle)
		return;
	o->is_idle = is_idle;
	list_remove(&o->node);
	if (!is_idle) {
		c->idle_origins_n--;
		return;
	}
	list_push(&c->idle_origins, &o->node);
	if (++c->idle_origins_n <= HTTP_IDLE_ORIGINS_MAX)
		return;
	c->idle_origins_n--;
	origin_free(list_entry(list_pop(&c->idle_origins), struct origin, node));
}

void origin_place(struct origin *o)
{
	set_idle(o, o->waiting_n == 0 && o->wires_n == 0 && o->dials_n == 0 &&
			    o->lookup != LOOKUP_RUNNING);
}

static void wait_at(struct origin *o, struct exchange *x, struct list *at)
{
	set_idle(o, false);
	x->state = EXCHANGE_WAITING;
	list_remove(&x->node);
	list_insert_before(at, &x->node);
	o->waiting_n++;
}

void origin_wait(struct origin *o, struct exchange *x)
{
	wait_at(o, x, &o->waiting);
}

void origin_wait_first(struct origin *o, struct exchange *x)
{
	wait_at(o, x, o->waiting.next);
}

void origin_leave(struct exchange *x)
{
	check(x->state == EXCHANGE_WAITING && x->origin->waiting_n > 0);
	list_remove(&x->node);
	x->origin->waiting_n--;
}

struct exchange *origin_first(const struct origin *o)
{
	return o->waiting_n > 0 ? list_entry(o->waiting.next, struct exchange, node) : NULL;
}

void origin_give_up(struct origin *o)
{
	if (o->dials_n > o->waiting_n)
		dial_cancel(list_entry(o->dials.prev, struct dial, node));
}

/* The wire at rest for an exchange; NULL when there is none. */
static struct wire *wire_for(const struct origin *o, const struct exchange *x)
{
	struct list *it, *tmp;

	list_each(it, tmp, &o->idle) {
		struct wire *w = list_entry(it, struct wire, node);

		if (!x->wants_fresh || !w->was_used)
			return w;
	}
	return NULL;
}

/* One pair of a waiting exchange and a wire. False when there is none. Only the few that want a
 * fresh wire are passed over. */
static bool pair_up(struct origin *o)
{
	struct list *it, *tmp;

	if (list_is_empty(&o->idle))
		return false;
	list_each(it, tmp, &o->waiting) {
		struct exchange *x = list_entry(it, struct exchange, node);
		struct wire *w = wire_for(o, x);

		if (w == NULL)
			continue;
		origin_leave(x);
		wire_begin(w, x);
		return true;
	}
	return false;
}

/* Closes the longest at rest, of all or of one origin, to make room. */
static bool close_one(struct wire *w)
{
	struct origin *o = w->origin;

	wire_close(w);
	origin_place(o);
	return true;
}

static bool has_room_here(struct origin *o)
{
	if (o->wires_n + o->dials_n < o->courier->settings.host_connections_max)
		return true;
	return !list_is_empty(&o->idle) && close_one(list_entry(o->idle.prev, struct wire, node));
}

static bool has_room_at_all(struct http_courier *c)
{
	if (c->slots_n < c->settings.connections_max)
		return true;
	return !list_is_empty(&c->idle_wires) &&
	       close_one(list_entry(c->idle_wires.next, struct wire, rest));
}

static bool wants_dial(struct origin *o)
{
	return o->dials_n < o->waiting_n && has_room_here(o);
}

static void join_hungry(struct origin *o)
{
	check(!o->is_idle);
	if (list_is_empty(&o->node))
		list_push(&o->courier->hungry, &o->node);
}

void origin_pump(struct origin *o)
{
	struct http_courier *c = o->courier;

	while (pair_up(o))
		continue;
	while (wants_dial(o)) {
		if (!list_is_empty(&c->hungry) || !has_room_at_all(c)) {
			join_hungry(o);
			return;
		}
		dial_start(o);
	}
	origin_place(o);
}

void origin_feed_hungry(struct http_courier *c)
{
	while (!list_is_empty(&c->hungry) && has_room_at_all(c)) {
		struct origin *o = list_entry(list_pop(&c->hungry), struct origin, node);

		if (wants_dial(o))
			dial_start(o);
		if (wants_dial(o))
			join_hungry(o);
		else
			origin_place(o);
	}
}

static void on_lookup(void *arg, const struct addresses *found)
{
	struct origin *o = arg;
	struct http_courier *c = o->courier;
	struct list *it, *tmp;

	http_courier_read_clock(c);
	know(o, found, c->now_ms + (found->n > 0 ? HTTP_NAME_MS : HTTP_NO_NAME_MS));
	list_each(it, tmp, &o->dials) {
		struct dial *d = list_entry(it, struct dial, node);

		if (d->is_resolving)
			dial_go(d);
	}
	origin_pump(o);
	http_courier_settle(c);
}

bool origin_is_resolved(struct origin *o)
{
	struct http_courier *c = o->courier;

	if (o->lookup == LOOKUP_RUNNING)
		return false;
	if (o->lookup != LOOKUP_NONE && o->known_until_ms > c->now_ms)
		return true;
	o->lookup = LOOKUP_RUNNING;
	resolve_start(c->resolver, o->host, on_lookup, o);
	return false;
}

void origin_prefers(struct origin *o, const struct address *a)
{
	struct addresses *all = &o->addresses;

	for (int i = 1; i < all->n; i++) {
		if (memcmp(&all->v[i], a, address_bytes(a)) != 0)
			continue;
		memmove(&all->v[1], &all->v[0], i * sizeof(all->v[0]));
		all->v[0] = *a;
		return;
	}
}

void origin_doubts_name(struct origin *o)
{
	if (o->lookup == LOOKUP_FOUND && o->known_until_ms != INT64_MAX)
		o->known_until_ms = o->known_since_ms + HTTP_NO_NAME_MS;
}

void origin_belongs_to_other(struct origin *o)
{
	struct exchange *x;

	o->other_until_ms = o->courier->now_ms + HTTP_OTHER_MS;
	while ((x = origin_first(o)) != NULL) {
		origin_leave(x);
		exchange_hand_over(x);
	}
	while (o->dials_n > 0)
		dial_cancel(list_entry(o->dials.next, struct dial, node));
}
