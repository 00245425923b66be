/* address.h - where a connection may go: socket addresses, and hosts that need no resolver for them.
 */
#ifndef COURIER_HTTP_ADDRESS_H
#define COURIER_HTTP_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/str.h"

enum { ADDRESS_MAX = 8 }; /* of one host; what a resolver says beyond that is not tried */

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
};

struct addresses {
	struct address v[ADDRESS_MAX];
	int n;
};

/* The address that the host itself spells, in any of the forms that the C library knows ("127.1",
 * "0x7f000001"); IPv6 without brackets. False when it is a name. */
must_use bool address_parse(struct str host, struct address *ret_address);
/* Names that mean this machine whatever a resolver says (RFC 6761): "localhost" and all below it. */
must_use bool address_of_localhost(struct str host, struct addresses *ret_addresses);
/* Families take turns, beginning with that of the first (RFC 8305). */
void address_interleave(struct addresses *a);
socklen_t address_bytes(const struct address *a);
void address_set_port(struct address *a, uint16_t port);
/* In numbers, without the port. */
struct str address_text(struct arena *arena, const struct address *a);

#endif
