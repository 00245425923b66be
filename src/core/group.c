#include "core/group.h"

#include <string.h>

#include "base/check.h"
#include "base/codec.h"
#include "core/headers.h"

/* Never renumbered: stored documents carry them. A name follows the URL it belongs to. */
enum group_tag {
	GROUP_NAME = 1,
	GROUP_CREATED,
	GROUP_UPDATED,
	GROUP_HEADER,
	GROUP_ENDPOINT_URL,
	GROUP_ENDPOINT_NAME,
};

static struct group_endpoint *by_url(const struct group *g, struct str url)
{
	for (size_t i = 0; i < g->n; i++) {
		if (str_eq(g->endpoint[i].url, url))
			return &g->endpoint[i];
	}
	return NULL;
}

static struct group_endpoint *by_name(const struct group *g, struct str name)
{
	for (size_t i = 0; name.n > 0 && i < g->n; i++) {
		if (str_eq(g->endpoint[i].name, name))
			return &g->endpoint[i];
	}
	return NULL;
}

static void upsert_one(struct group *g, const struct group_endpoint *e)
{
	struct group_endpoint *same = by_url(g, e->url), *named = by_name(g, e->name);

	if (same != NULL && e->name.n > 0) {
		if (named != NULL)
			named->name = STR_NULL;
		same->name = e->name;
	} else if (same == NULL && named != NULL) {
		named->url = e->url;
	} else if (same == NULL) {
		g->endpoint[g->n++] = *e;
	}
}

void group_upsert(struct arena *a, struct group *g, const struct group_endpoint *e, size_t n)
{
	struct group_endpoint *room = arena_array(a, struct group_endpoint, g->n + n + 1);

	if (g->n > 0)
		memcpy(room, g->endpoint, g->n * sizeof(*room));
	g->endpoint = room;
	for (size_t i = 0; i < n; i++) {
		check(e[i].url.n > 0);
		upsert_one(g, &e[i]);
	}
}

void group_remove(struct group *g, const struct group_endpoint *e, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct group_endpoint *out;

		while ((out = by_url(g, e[i].url)) != NULL ||
		       (out = by_name(g, e[i].name)) != NULL) {
			size_t at = (size_t)(out - g->endpoint);

			memmove(out, out + 1, (g->n - at - 1) * sizeof(*out));
			g->n--;
		}
	}
}

void group_encode(struct buf *out, const struct group *g)
{
	tlv_add(out, GROUP_NAME, g->name);
	tlv_i64(out, GROUP_CREATED, g->created_ms);
	tlv_i64(out, GROUP_UPDATED, g->updated_ms);
	headers_encode(out, GROUP_HEADER, &g->header);
	for (size_t i = 0; i < g->n; i++) {
		tlv_add(out, GROUP_ENDPOINT_URL, g->endpoint[i].url);
		if (g->endpoint[i].name.n > 0)
			tlv_add(out, GROUP_ENDPOINT_NAME, g->endpoint[i].name);
	}
}

static bool take(struct group *g, uint8_t tag, struct str value)
{
	switch (tag) {
	case GROUP_NAME:
		g->name = value;
		return true;
	case GROUP_CREATED:
		return tlv_i64_value(value, &g->created_ms);
	case GROUP_UPDATED:
		return tlv_i64_value(value, &g->updated_ms);
	case GROUP_HEADER:
		return headers_take(&g->header, value);
	case GROUP_ENDPOINT_URL:
		g->endpoint[g->n++].url = value;
		return value.n > 0;
	case GROUP_ENDPOINT_NAME:
		if (g->n == 0)
			return false;
		g->endpoint[g->n - 1].name = value;
		return true;
	default:
		return true;
	}
}

bool group_decode(struct arena *a, struct str record, struct group *ret_group)
{
	struct group g = {
		.header.v = arena_array(a, struct header, headers_count(record, GROUP_HEADER) + 1),
		.endpoint = arena_array(a, struct group_endpoint,
					headers_count(record, GROUP_ENDPOINT_URL) + 1),
	};
	struct str value;
	uint8_t tag;
	int got;

	while ((got = tlv_next(&record, &tag, &value)) == 1) {
		if (!take(&g, tag, value))
			return false;
	}
	if (got < 0 || g.name.n == 0 || g.n == 0)
		return false;
	*ret_group = g;
	return true;
}
