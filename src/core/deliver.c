#include "core/deliver.h"

#include "base/check.h"

/* Set by us on deliveries; nobody else may say who a message is from or that it is signed. */
static const struct str reserved[] = {
	{ "Upstash-Signature", 17 },  { "Upstash-Message-Id", 18 }, { "Upstash-Retried", 15 },
	{ "Upstash-Topic-Name", 18 }, { "Upstash-Caller-Ip", 17 },  { "Upstash-Schedule-Id", 19 },
	{ "Upstash-Region", 14 },
};

static const struct str hop[] = {
	{ "Host", 4 },
	{ "Content-Length", 14 },
	{ "Connection", 10 },
	{ "Transfer-Encoding", 17 },
	{ "Accept-Encoding", 15 },
	{ "Keep-Alive", 10 },
	{ "TE", 2 },
	{ "Trailer", 7 },
	{ "Upgrade", 7 },
	{ "Expect", 6 },
	{ "Proxy-Connection", 16 },
	{ "Proxy-Authorization", 19 },
	{ "Proxy-Authenticate", 18 },
	{ "HTTP2-Settings", 14 },
};

#define RETRIES STR("Upstash-Retries")

enum { OWN_MAX = 9 };

static bool is_in(struct str name, const struct str *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (str_ieq(name, list[i]))
			return true;
	}
	return false;
}

bool deliver_is_reserved(struct str name)
{
	return is_in(name, reserved, countof(reserved));
}

bool deliver_is_hop(struct str name)
{
	return is_in(name, hop, countof(hop));
}

static void add(struct headers *h, struct str name, struct str value)
{
	if (value.n)
		h->v[h->n++] = (struct header){ name, value };
}

static struct str id_text(struct arena *a, struct msg_id id)
{
	char *text = arena_alloc(a, MSG_ID_LEN + 1);

	msg_id_text(text, id);
	return str_n(text, MSG_ID_LEN);
}

struct headers deliver_headers(struct arena *a, const struct msg *m, int64_t retried,
			       struct str signature, struct str region)
{
	struct headers h = { arena_alloc(a, (m->header.n + OWN_MAX) * sizeof(struct header)), 0 };
	bool is_to_workflow = m->run_role != MSG_PLAIN && m->run_role != MSG_CALL;
	struct str count;

	check(retried >= 0);
	if (!headers_get(&m->header, STR("User-Agent")).p)
		add(&h, STR("User-Agent"), STR("Upstash-QStash"));
	add(&h, STR("Upstash-Message-Id"), id_text(a, m->id));
	count = retried ? arena_fmt(a, "%lld", (long long)retried) : STR("0");
	add(&h, STR("Upstash-Retried"), count);
	/* To a workflow's endpoint, the limit is Upstash-Max-Retries, and this is the same once more. */
	if (is_to_workflow)
		add(&h, RETRIES, count);
	add(&h, STR("Upstash-Signature"), signature);
	add(&h, STR("Upstash-Topic-Name"), m->topic);
	add(&h, STR("Upstash-Schedule-Id"), m->schedule_id);
	add(&h, STR("Upstash-Caller-Ip"), m->caller_ip);
	add(&h, STR("Upstash-Region"), region);
	check(h.n <= OWN_MAX);
	for (size_t i = 0; i < m->header.n; i++) {
		if (!deliver_is_reserved(m->header.v[i].name) &&
		    !deliver_is_hop(m->header.v[i].name) &&
		    !(is_to_workflow && str_ieq(m->header.v[i].name, RETRIES)))
			h.v[h.n++] = m->header.v[i];
	}
	return h;
}
