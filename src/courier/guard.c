#include "courier/guard.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define NET4(a, b, c, d) \
	((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))
#define UNLESS_SET "; the setting " GUARD_SETTING " permits it"

struct rule4 {
	uint32_t net; /* host byte order */
	int bits;
	enum guard_verdict verdict;
	const char *why;
};

/* The first match counts; what is not listed is public. Sources: the IANA registry of
 * special-purpose addresses, and the cloud providers' documentation for their metadata services. */
static const struct rule4 rules4[] = {
	/* Metadata and platform services that sit inside ranges of a milder tier, or among public
	 * addresses. AWS, GCP, Azure, Oracle, DigitalOcean and most others answer on
	 * 169.254.169.254, ECS on 169.254.170.2: these are link-local, below. */
	{ NET4(100, 100, 100, 200), 32, GUARD_NEVER, "Alibaba Cloud's metadata service" },
	{ NET4(168, 63, 129, 16), 32, GUARD_NEVER, "Azure's platform service" },
	/* Linux takes any of these for the machine itself. */
	{ NET4(0, 0, 0, 0), 8, GUARD_NEVER, "an unspecified address (0.0.0.0/8)" },
	{ NET4(10, 0, 0, 0), 8, GUARD_PRIVATE, "a private address (10.0.0.0/8)" UNLESS_SET },
	/* CGNAT, and what overlay networks such as Tailscale hand out. */
	{ NET4(100, 64, 0, 0), 10, GUARD_PRIVATE,
	  "a shared private address (100.64.0.0/10)" UNLESS_SET },
	{ NET4(127, 0, 0, 0), 8, GUARD_PRIVATE, "a loopback address (127.0.0.0/8)" UNLESS_SET },
	{ NET4(169, 254, 0, 0), 16, GUARD_NEVER,
	  "a link-local address (169.254.0.0/16), where cloud metadata is served" },
	{ NET4(172, 16, 0, 0), 12, GUARD_PRIVATE, "a private address (172.16.0.0/12)" UNLESS_SET },
	/* Protocol assignments; Oracle Cloud Classic's metadata service is 192.0.0.192. */
	{ NET4(192, 0, 0, 0), 24, GUARD_NEVER,
	  "an address of protocol assignments (192.0.0.0/24)" },
	{ NET4(192, 0, 2, 0), 24, GUARD_NEVER, "a documentation address (192.0.2.0/24)" },
	{ NET4(192, 88, 99, 0), 24, GUARD_NEVER, "a 6to4 relay address (192.88.99.0/24)" },
	{ NET4(192, 168, 0, 0), 16, GUARD_PRIVATE,
	  "a private address (192.168.0.0/16)" UNLESS_SET },
	/* Lab networks, and the addresses that some local proxies answer every name with: an owner
	 * may well mean them, so they count as private. */
	{ NET4(198, 18, 0, 0), 15, GUARD_PRIVATE,
	  "a benchmarking address (198.18.0.0/15)" UNLESS_SET },
	{ NET4(198, 51, 100, 0), 24, GUARD_NEVER, "a documentation address (198.51.100.0/24)" },
	{ NET4(203, 0, 113, 0), 24, GUARD_NEVER, "a documentation address (203.0.113.0/24)" },
	{ NET4(224, 0, 0, 0), 4, GUARD_NEVER, "a multicast address (224.0.0.0/4)" },
	{ NET4(255, 255, 255, 255), 32, GUARD_NEVER, "the broadcast address" },
	{ NET4(240, 0, 0, 0), 4, GUARD_NEVER, "a reserved address (240.0.0.0/4)" },
};

/* Where an address carries another one that must be judged too. */
enum carries {
	NOTHING,
	V4_AT_2,    /* 6to4 */
	V4_AT_12,   /* mapped, NAT64 */
	V4_TEREDO,  /* the server at 4, the client's, inverted, at 12 */
	V4_RFC6052, /* NAT64 with a 48-bit prefix: at one of several places */
	V4_ISATAP,  /* at 12, when the interface identifier says so */
};

struct rule6 {
	unsigned char prefix[16];
	int bits;
	enum guard_verdict verdict; /* the least; what it carries can make it stricter */
	enum carries carries;
	const char *why;
};

static const struct rule6 rules6[] = {
	{ { 0 }, 128, GUARD_NEVER, NOTHING, "the unspecified address (::)" },
	{ { [15] = 1 }, 128, GUARD_PRIVATE, NOTHING, "the loopback address (::1)" UNLESS_SET },
	/* A socket connects to the IPv4 address inside. */
	{ { [10] = 0xff, [11] = 0xff }, 96, GUARD_ALLOWED, V4_AT_12, "" },
	/* Hosts with IPv6 only reach public IPv4 through these. */
	{ { 0x00, 0x64, 0xff, 0x9b }, 96, GUARD_ALLOWED, V4_AT_12, "" },
	{ { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 },
	  48,
	  GUARD_PRIVATE,
	  V4_RFC6052,
	  "an address of a local translator (64:ff9b:1::/48)" UNLESS_SET },
	{ { 0x20, 0x02 }, 16, GUARD_ALLOWED, V4_AT_2, "" },
	{ { 0x20, 0x01 }, 32, GUARD_ALLOWED, V4_TEREDO, "" },
	/* AWS: instance metadata (::254), pod identity (::23), time, names. */
	{ { 0xfd, 0x00, 0x0e, 0xc2 },
	  32,
	  GUARD_NEVER,
	  NOTHING,
	  "AWS's metadata service (fd00:ec2::/32)" },
	{ { 0xfd, 0x20, 0x00, 0xce, [14] = 0x02, 0x54 },
	  128,
	  GUARD_NEVER,
	  NOTHING,
	  "Google Cloud's metadata service" },
	{ { 0xfd, 0x00, 0x00, 0xc1, [12] = 0xa9, 0xfe, 0xa9, 0xfe },
	  128,
	  GUARD_NEVER,
	  NOTHING,
	  "Oracle Cloud's metadata service" },
	{ { 0xfd, 0x00, 0x00, 0x42, [15] = 0x42 },
	  128,
	  GUARD_NEVER,
	  NOTHING,
	  "Scaleway's metadata service" },
	{ { 0xfc }, 7, GUARD_PRIVATE, V4_ISATAP, "a unique local address (fc00::/7)" UNLESS_SET },
	{ { 0xfe, 0x80 }, 10, GUARD_NEVER, NOTHING, "a link-local address (fe80::/10)" },
	/* Deprecated, yet still what some virtual machines get. */
	{ { 0xfe, 0xc0 },
	  10,
	  GUARD_PRIVATE,
	  V4_ISATAP,
	  "a site-local address (fec0::/10)" UNLESS_SET },
	{ { 0xff }, 8, GUARD_NEVER, NOTHING, "a multicast address (ff00::/8)" },
	{ { 0x20, 0x01, 0x0d, 0xb8 },
	  32,
	  GUARD_NEVER,
	  NOTHING,
	  "a documentation address (2001:db8::/32)" },
	{ { 0x3f, 0xff }, 20, GUARD_NEVER, NOTHING, "a documentation address (3fff::/20)" },
	{ { 0x20, 0x01, 0x00, 0x02 },
	  48,
	  GUARD_PRIVATE,
	  NOTHING,
	  "a benchmarking address (2001:2::/48)" UNLESS_SET },
	/* Teredo and benchmarking, above, are parts of it. */
	{ { 0x20, 0x01 },
	  23,
	  GUARD_NEVER,
	  NOTHING,
	  "an address of protocol assignments (2001::/23)" },
	{ { 0x20 }, 3, GUARD_ALLOWED, V4_ISATAP, "" },
	/* IPv4-compatible, IPv4-translated, discard-only, segment routing, unassigned: nothing
	 * outside 2000::/3 is a public destination. */
	{ { 0 }, 0, GUARD_NEVER, NOTHING, "not a public IPv6 address (2000::/3)" },
};

struct finding {
	enum guard_verdict verdict;
	const char *why;
};

static struct finding worse(struct finding a, struct finding b)
{
	return b.verdict > a.verdict ? b : a;
}

static struct finding judge4(uint32_t addr)
{
	for (size_t i = 0; i < countof(rules4); i++) {
		const struct rule4 *r = &rules4[i];

		if ((addr ^ r->net) >> (32 - r->bits) == 0)
			return (struct finding){ r->verdict, r->why };
	}
	return (struct finding){ GUARD_ALLOWED, "" };
}

static uint32_t v4_at(const unsigned char *b, int at)
{
	return NET4(b[at], b[at + 1], b[at + 2], b[at + 3]);
}

static bool is_zero(const unsigned char *b, int from, int end)
{
	for (int i = from; i < end; i++)
		if (b[i] != 0)
			return false;
	return true;
}

/* RFC 6052, 2.2: after the prefix come the four bytes, with byte 8 left out and zero, then zeros.
 * How long the translator's prefix is cannot be known from outside, so each position that fits is
 * judged. */
static struct finding judge_rfc6052(const unsigned char *b)
{
	struct finding f = { GUARD_ALLOWED, "" };

	if (!is_zero(b, 12, 16))
		f = judge4(v4_at(b, 12));
	if (b[8] != 0)
		return f;
	if (is_zero(b, 11, 16))
		f = worse(f, judge4(NET4(b[6], b[7], b[9], b[10])));
	if (is_zero(b, 12, 16))
		f = worse(f, judge4(NET4(b[7], b[9], b[10], b[11])));
	if (is_zero(b, 13, 16))
		f = worse(f, judge4(v4_at(b, 9)));
	return f;
}

static struct finding judge_carried(const unsigned char *b, enum carries carries)
{
	switch (carries) {
	case V4_AT_2:
		return judge4(v4_at(b, 2));
	case V4_AT_12:
		return judge4(v4_at(b, 12));
	case V4_TEREDO:
		return worse(judge4(v4_at(b, 4)), judge4(~v4_at(b, 12)));
	case V4_RFC6052:
		return judge_rfc6052(b);
	case V4_ISATAP:
		if ((b[8] & ~0x02) == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe)
			return judge4(v4_at(b, 12));
		break;
	case NOTHING:
		break;
	}
	return (struct finding){ GUARD_ALLOWED, "" };
}

static bool in_prefix(const unsigned char *b, const struct rule6 *r)
{
	int whole = r->bits / 8, rest = r->bits % 8;

	if (memcmp(b, r->prefix, (size_t)whole) != 0)
		return false;
	return rest == 0 || (b[whole] ^ r->prefix[whole]) >> (8 - rest) == 0;
}

static struct finding judge6(const unsigned char *b)
{
	const struct rule6 *r = rules6;

	/* The last rule matches everything. */
	while (!in_prefix(b, r))
		r++;
	return worse((struct finding){ r->verdict, r->why }, judge_carried(b, r->carries));
}

static struct finding judge(const struct sockaddr *addr)
{
	if (addr->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, addr, sizeof(in));
		return judge4(ntohl(in.sin_addr.s_addr));
	}
	if (addr->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, addr, sizeof(in6));
		return judge6(in6.sin6_addr.s6_addr);
	}
	return (struct finding){ GUARD_NEVER, "not an internet address" };
}

enum guard_verdict guard_classify(const struct sockaddr *addr)
{
	return judge(addr).verdict;
}

bool guard_allows(const struct guard *g, const struct sockaddr *addr, const char **ret_why)
{
	struct finding f = judge(addr);

	if (f.verdict == GUARD_ALLOWED || (f.verdict == GUARD_PRIVATE && g->allow_private))
		return true;
	*ret_why = f.why;
	return false;
}
