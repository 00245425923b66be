/* guard.h - which addresses a delivery may connect to (see courier.h for the two tiers).
 *
 * The guard looks at the address that is about to be dialled, never at text, so the spelling of a
 * host (decimal, octal, short forms, IPv6 notations, a name that resolves inward) makes no
 * difference. An address that carries an IPv4 address inside it is at least as restricted as what
 * it carries. The rules are the two tables at the top of guard.c. What it cannot see: a translator
 * (NAT64) whose prefix is one of the network's own instead of the well-known ones.
 */
#ifndef COURIER_GUARD_H
#define COURIER_GUARD_H

#include "base/compiler.h"

struct sockaddr;

enum guard_verdict { GUARD_ALLOWED, GUARD_PRIVATE, GUARD_NEVER };

struct guard {
	bool allow_private; /* loopback and private networks are fine */
};

/* The name of that setting, as the refusals call it. */
#define GUARD_SETTING "allow-private"

/* What class the address is of, whatever its spelling. Unknown families are GUARD_NEVER. */
enum guard_verdict guard_classify(const struct sockaddr *addr);
/* True when a connection may be made. If not, *ret_why says which rule refused it and, for the
 * private tier, the setting that would allow it; a constant string that continues "<address> is
 * ". */
must_use bool guard_allows(const struct guard *g, const struct sockaddr *addr,
			   const char **ret_why);

#endif
