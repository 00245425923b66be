#include "courier/http/address.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/check.h"

bool address_parse(struct str host, struct address *ret_address)
{
	char text[INET6_ADDRSTRLEN + 20];
	struct address a = { 0 };

	if (host.n == 0 || host.n >= sizeof(text))
		return false;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	if (str_has_byte(host, ':')) {
		a.v6.sin6_family = AF_INET6;
		if (inet_pton(AF_INET6, text, &a.v6.sin6_addr) != 1)
			return false;
	} else {
		/* A name may be all letters from a to f, a number begins with a digit. */
		a.v4.sin_family = AF_INET;
		if (host.p[0] < '0' || host.p[0] > '9' || inet_aton(text, &a.v4.sin_addr) == 0)
			return false;
	}
	*ret_address = a;
	return true;
}

bool address_of_localhost(struct str host, struct addresses *ret_addresses)
{
	static const struct str below = { ".localhost", 10 };
	bool is_local;

	if (host.n > 0 && host.p[host.n - 1] == '.')
		host.n--;
	is_local = str_ieq(host, STR("localhost")) ||
		   (host.n > below.n && str_ieq(str_from(host, host.n - below.n), below));
	if (!is_local)
		return false;
	*ret_addresses = (struct addresses){ .n = 2 };
	ret_addresses->v[0].v4.sin_family = AF_INET;
	ret_addresses->v[0].v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ret_addresses->v[1].v6.sin6_family = AF_INET6;
	ret_addresses->v[1].v6.sin6_addr = (struct in6_addr)IN6ADDR_LOOPBACK_INIT;
	return true;
}

/* The next one at or after *at that is, or is not, of the family; NULL when there is none. */
static const struct address *next_of(const struct addresses *a, int *at, sa_family_t family,
				     bool same)
{
	while (*at < a->n) {
		const struct address *found = &a->v[(*at)++];

		if ((found->any.sa_family == family) == same)
			return found;
	}
	return NULL;
}

void address_interleave(struct addresses *a)
{
	struct addresses out = { .n = 0 };
	sa_family_t first = a->v[0].any.sa_family;
	int same = 0, other = 0;

	while (out.n < a->n) {
		const struct address *s = next_of(a, &same, first, true);
		const struct address *o = next_of(a, &other, first, false);

		check(s != NULL || o != NULL);
		if (s != NULL)
			out.v[out.n++] = *s;
		if (o != NULL)
			out.v[out.n++] = *o;
	}
	*a = out;
}

socklen_t address_bytes(const struct address *a)
{
	return a->any.sa_family == AF_INET6 ? sizeof(a->v6) : sizeof(a->v4);
}

void address_set_port(struct address *a, uint16_t port)
{
	if (a->any.sa_family == AF_INET6)
		a->v6.sin6_port = htons(port);
	else
		a->v4.sin_port = htons(port);
}

struct str address_text(struct arena *arena, const struct address *a)
{
	char text[INET6_ADDRSTRLEN];
	const void *p = a->any.sa_family == AF_INET6 ? (const void *)&a->v6.sin6_addr
						     : (const void *)&a->v4.sin_addr;

	if (a->any.sa_family == AF_UNSPEC ||
	    inet_ntop(a->any.sa_family, p, text, sizeof(text)) == NULL)
		return STR_NULL;
	return arena_str(arena, str_c(text));
}
