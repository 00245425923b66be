#include "courier/guard.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "guard_cases.h"
#include "rig.h"
#include "t.h"

static struct sockaddr_storage address(const char *text)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM }, *list;
	struct sockaddr_storage a = { 0 };

	if (getaddrinfo(text, NULL, &hints, &list) != 0)
		T_FAIL("not a numeric address: %s", text);
	memcpy(&a, list->ai_addr, list->ai_addrlen);
	freeaddrinfo(list);
	return a;
}

static enum guard_verdict classify(const char *text)
{
	struct sockaddr_storage a = address(text);

	return guard_classify((const struct sockaddr *)(const void *)&a);
}

TEST(classifies_addresses_however_they_are_written)
{
	int n[3] = { 0 };

	for (size_t i = 0; i < countof(guard_cases); i++) {
		enum guard_verdict v = classify(guard_cases[i].text);

		if (v != guard_cases[i].verdict)
			T_FAIL("%s is classified %d, not %d", guard_cases[i].text, (int)v,
			       (int)guard_cases[i].verdict);
		n[v]++;
	}
	T_CHECK(n[GUARD_ALLOWED] >= 30 && n[GUARD_PRIVATE] >= 50 && n[GUARD_NEVER] >= 100);
}

/* Each IPv4 case again inside everything that carries an IPv4 address: never milder than by
 * itself. */
TEST(an_address_inside_another_is_judged_too)
{
	static const struct {
		const char *name;
		unsigned char bytes[16];
		int at;
		bool inverted;
	} carriers[] = {
		{ "mapped", { [10] = 0xff, 0xff }, 12, false },
		{ "compatible", { 0 }, 12, false },
		{ "translated", { [8] = 0xff, 0xff }, 12, false },
		{ "NAT64", { 0, 0x64, 0xff, 0x9b }, 12, false },
		{ "local NAT64", { 0, 0x64, 0xff, 0x9b, 0, 1, 0x12, 0x34 }, 12, false },
		{ "6to4", { 0x20, 0x02 }, 2, false },
		{ "Teredo server", { 0x20, 0x01, [12] = 0xf7, 0xf7, 0xf7, 0xf7 }, 4, false },
		{ "Teredo client", { 0x20, 0x01, 0, 0, 8, 8, 8, 8 }, 12, true },
		{ "ISATAP", { 0x26, 0x06, [10] = 0x5e, 0xfe }, 12, false },
		{ "ISATAP, unique local", { 0xfd, 0x12, [8] = 2, 0, 0x5e, 0xfe }, 12, false },
	};

	for (size_t i = 0; i < countof(guard_cases); i++) {
		struct sockaddr_storage a = address(guard_cases[i].text);
		const unsigned char *v4 =
			(const unsigned char *)&((struct sockaddr_in *)(void *)&a)->sin_addr;

		/* 0.0.0.1 as a compatible address is ::1. */
		if (a.ss_family != AF_INET || memcmp(v4, "\0\0\0\1", 4) == 0)
			continue;
		for (size_t j = 0; j < countof(carriers); j++) {
			struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

			memcpy(&in6.sin6_addr, carriers[j].bytes, 16);
			for (int k = 0; k < 4; k++)
				in6.sin6_addr.s6_addr[carriers[j].at + k] =
					carriers[j].inverted ? (unsigned char)~v4[k] : v4[k];
			if (guard_classify((const struct sockaddr *)(const void *)&in6) <
			    guard_cases[i].verdict)
				T_FAIL("%s inside %s is milder than by itself", guard_cases[i].text,
				       carriers[j].name);
		}
	}
}

/* Against the ranges as the standards write them, in another form than the guard's own. */
TEST(agrees_with_the_list_of_ranges_everywhere)
{
	static const struct {
		const char *first, *last;
		enum guard_verdict verdict;
	} ranges[] = {
		{ "0.0.0.0", "0.255.255.255", GUARD_NEVER },
		{ "1.0.0.0", "9.255.255.255", GUARD_ALLOWED },
		{ "10.0.0.0", "10.255.255.255", GUARD_PRIVATE },
		{ "11.0.0.0", "100.63.255.255", GUARD_ALLOWED },
		{ "100.64.0.0", "100.100.100.199", GUARD_PRIVATE },
		{ "100.100.100.200", "100.100.100.200", GUARD_NEVER },
		{ "100.100.100.201", "100.127.255.255", GUARD_PRIVATE },
		{ "100.128.0.0", "126.255.255.255", GUARD_ALLOWED },
		{ "127.0.0.0", "127.255.255.255", GUARD_PRIVATE },
		{ "128.0.0.0", "168.63.129.15", GUARD_ALLOWED },
		{ "168.63.129.16", "168.63.129.16", GUARD_NEVER },
		{ "168.63.129.17", "169.253.255.255", GUARD_ALLOWED },
		{ "169.254.0.0", "169.254.255.255", GUARD_NEVER },
		{ "169.255.0.0", "172.15.255.255", GUARD_ALLOWED },
		{ "172.16.0.0", "172.31.255.255", GUARD_PRIVATE },
		{ "172.32.0.0", "191.255.255.255", GUARD_ALLOWED },
		{ "192.0.0.0", "192.0.0.255", GUARD_NEVER },
		{ "192.0.1.0", "192.0.1.255", GUARD_ALLOWED },
		{ "192.0.2.0", "192.0.2.255", GUARD_NEVER },
		{ "192.0.3.0", "192.88.98.255", GUARD_ALLOWED },
		{ "192.88.99.0", "192.88.99.255", GUARD_NEVER },
		{ "192.88.100.0", "192.167.255.255", GUARD_ALLOWED },
		{ "192.168.0.0", "192.168.255.255", GUARD_PRIVATE },
		{ "192.169.0.0", "198.17.255.255", GUARD_ALLOWED },
		{ "198.18.0.0", "198.19.255.255", GUARD_PRIVATE },
		{ "198.20.0.0", "198.51.99.255", GUARD_ALLOWED },
		{ "198.51.100.0", "198.51.100.255", GUARD_NEVER },
		{ "198.51.101.0", "203.0.112.255", GUARD_ALLOWED },
		{ "203.0.113.0", "203.0.113.255", GUARD_NEVER },
		{ "203.0.114.0", "223.255.255.255", GUARD_ALLOWED },
		{ "224.0.0.0", "255.255.255.255", GUARD_NEVER },
	};
	uint32_t next = 0;

	for (size_t i = 0; i < countof(ranges); i++) {
		uint32_t first = ntohl(inet_addr(ranges[i].first)),
			 last = ntohl(inet_addr(ranges[i].last));
		uint64_t step = 1 + (last - first) / 5000;

		T_EQ_INT(first, next); /* no gap in this test's own list */
		next = last + 1;
		for (uint64_t a = first; a <= last; a = a == last         ? (uint64_t)last + 1
							: a + step > last ? last
									  : a + step) {
			struct sockaddr_in in = { .sin_family = AF_INET };

			in.sin_addr.s_addr = htonl((uint32_t)a);
			if (guard_classify((const struct sockaddr *)(const void *)&in) !=
			    ranges[i].verdict)
				T_FAIL("%08x is not classified like %s", (unsigned)a,
				       ranges[i].first);
		}
	}
	T_EQ_INT(next, 0);
}

TEST(never_allows_what_is_no_internet_address)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/run/x" };
	struct sockaddr_storage none = { .ss_family = AF_UNSPEC };

	T_CHECK(guard_classify((const struct sockaddr *)(const void *)&un) == GUARD_NEVER);
	T_CHECK(guard_classify((const struct sockaddr *)(const void *)&none) == GUARD_NEVER);
}

TEST(allows_by_verdict_and_setting)
{
	const struct guard strict = { .allow_private = false }, open = { .allow_private = true };

	for (size_t i = 0; i < countof(guard_cases); i++) {
		struct sockaddr_storage a = address(guard_cases[i].text);
		const struct sockaddr *sa = (const struct sockaddr *)(const void *)&a;
		const char *why = NULL;
		enum guard_verdict v = guard_cases[i].verdict;

		T_CHECK(guard_allows(&open, sa, &why) == (v != GUARD_NEVER));
		T_CHECK((why != NULL) == (v == GUARD_NEVER));
		why = NULL;
		T_CHECK(guard_allows(&strict, sa, &why) == (v == GUARD_ALLOWED));
		T_CHECK((why != NULL) == (v != GUARD_ALLOWED));
		if (why != NULL) {
			T_CHECK(why[0] != '\0');
			T_CHECK(has_text(str_c(why), "the setting allow-private permits it") ==
				(v == GUARD_PRIVATE));
		}
	}
}
