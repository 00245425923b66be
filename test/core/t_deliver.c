#include "t.h"

#include "core/deliver.h"
#include "lines.h"

static struct msg message(void)
{
	return (struct msg){ .id = { 1, 2 }, .url = STR("http://a"), .caller_ip = STR("192.0.2.1") };
}

#define ID "Upstash-Message-Id: msg_1111111111211111111113"

TEST(sends_our_own_headers)
{
	struct msg m = message();
	struct headers h;
	struct arena a;

	arena_init(&a);
	h = deliver_headers(&a, &m, 0, STR("sig"), STR_NULL);
	T_EQ_STR(lines_text(&a, &h), "User-Agent: Upstash-QStash | " ID " | Upstash-Retried: 0 | "
				     "Upstash-Signature: sig | Upstash-Caller-Ip: 192.0.2.1");
	arena_done(&a);
}

TEST(sends_what_the_message_came_through)
{
	struct msg m = message();
	struct headers h;
	struct arena a;

	arena_init(&a);
	m.topic = STR("group");
	m.schedule_id = STR("scd_1");
	m.labels = STR("l");
	m.queue = STR("q");
	m.endpoint = STR("e");
	m.flow_key = STR("k");
	m.header = lines_headers(&a, "Content-Type: text/plain\nX-A: 1\nX-A: 2\nX-Empty: ");
	h = deliver_headers(&a, &m, 12, STR("sig"), STR("US-EAST-1"));
	T_EQ_STR(
		lines_text(&a, &h),
		"User-Agent: Upstash-QStash | " ID " | Upstash-Retried: 12 | "
		"Upstash-Signature: sig | Upstash-Topic-Name: group | Upstash-Schedule-Id: scd_1 | "
		"Upstash-Caller-Ip: 192.0.2.1 | Upstash-Region: US-EAST-1 | Content-Type: "
		"text/plain | X-A: 1 | "
		"X-A: 2 | X-Empty: ");
	arena_done(&a);
}

/* Options leave such names out, but a record may be older than the list of names. */
TEST(ours_cannot_be_overridden)
{
	struct msg m = message();
	struct headers h;
	struct arena a;

	arena_init(&a);
	m.header = lines_headers(
		&a, "Upstash-Signature: x\nupstash-message-id: x\nUpstash-Retried: 9\n"
		    "Upstash-Topic-Name: x\nUpstash-Caller-Ip: x\nUpstash-Schedule-Id: x\n"
		    "Upstash-Region: x\nHost: x\nContent-Length: 1\nTransfer-Encoding: x\n"
		    "X-A: 1");
	h = deliver_headers(&a, &m, 0, STR("sig"), STR_NULL);
	T_EQ_STR(lines_text(&a, &h),
		 "User-Agent: Upstash-QStash | " ID " | Upstash-Retried: 0 | "
		 "Upstash-Signature: sig | Upstash-Caller-Ip: 192.0.2.1 | X-A: 1");
	arena_done(&a);
}

TEST(user_agent_can_be_overridden)
{
	struct msg m = message();
	struct headers h;
	struct arena a;

	arena_init(&a);
	m.header = lines_headers(&a, "User-Agent: me");
	h = deliver_headers(&a, &m, 0, STR("sig"), STR_NULL);
	T_EQ_STR(lines_text(&a, &h), ID " | Upstash-Retried: 0 | Upstash-Signature: sig | "
					"Upstash-Caller-Ip: 192.0.2.1 | User-Agent: me");
	arena_done(&a);
}

static const struct {
	const char *name;
	bool reserved, hop;
} names[] = {
	{ "Upstash-Signature", true, false },
	{ "upstash-MESSAGE-id", true, false },
	{ "Upstash-Retried", true, false },
	{ "Upstash-Topic-Name", true, false },
	{ "Upstash-Caller-Ip", true, false },
	{ "Upstash-Schedule-Id", true, false },
	{ "Upstash-Region", true, false },
	{ "Upstash-Workflow-Runid", false, false },
	{ "Upstash-Signature2", false, false },
	{ "User-Agent", false, false },
	{ "Authorization", false, false },
	{ "Content-Type", false, false },
	{ "host", false, true },
	{ "CONTENT-LENGTH", false, true },
	{ "Connection", false, true },
	{ "Transfer-Encoding", false, true },
	{ "Accept-Encoding", false, true },
	{ "Keep-Alive", false, true },
	{ "TE", false, true },
	{ "Trailer", false, true },
	{ "Upgrade", false, true },
	{ "Expect", false, true },
	{ "Proxy-Connection", false, true },
	{ "Proxy-Authorization", false, true },
	{ "Proxy-Authenticate", false, true },
	{ "HTTP2-Settings", false, true },
	{ "", false, false },
};

TEST_EACH(knows_names, names)
{
	T_CHECK(deliver_is_reserved(str_c(row->name)) == row->reserved);
	T_CHECK(deliver_is_hop(str_c(row->name)) == row->hop);
}
