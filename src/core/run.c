#include "core/run.h"

#include <string.h>

#include "base/check.h"
#include "base/codec.h"
#include "core/limits.h"
#include "core/url.h"

/* Never renumbered: stored records carry them. */
enum run_tag {
	RUN_TAG_CREATED = 1,
	RUN_TAG_FLAGS,
	RUN_TAG_FEATURES,
	RUN_TAG_FIRST_SEQ,
	RUN_TAG_FIRST_NONCE,
	RUN_TAG_TRIGGER,
	RUN_TAG_INVOKER_RUN,
	RUN_TAG_INVOKER_CREATED,
	RUN_TAG_INVOKER_URL,
	RUN_TAG_INVOKER_STEP_ID,
	RUN_TAG_INVOKER_STEP_NAME,
	RUN_TAG_INVOKER_STEP_TYPE,
	RUN_TAG_INVOKER_CONCURRENT,
	RUN_TAG_INVOKER_MESSAGE,
	RUN_TAG_REPORT,
	RUN_TAG_REPORT_SEQ,
	RUN_TAG_REPORT_NONCE,
	RUN_TAG_REPORT_OUTCOME,
	RUN_TAG_CONTENT_TYPE,
	RUN_TAGS,
};

#define UPSTASH STR("Upstash-")
#define VERSION STR("Upstash-Workflow-Sdk-Version")

/* ---- the record ------------------------------------------------------------------------------ */

static struct str *text_field(struct run *r, uint8_t tag)
{
	switch (tag) {
	case RUN_TAG_INVOKER_RUN:
		return &r->invoker.run;
	case RUN_TAG_INVOKER_URL:
		return &r->invoker.url;
	case RUN_TAG_INVOKER_STEP_NAME:
		return &r->invoker.step.name;
	case RUN_TAG_INVOKER_STEP_TYPE:
		return &r->invoker.step.type;
	case RUN_TAG_INVOKER_MESSAGE:
		return &r->invoker.message;
	case RUN_TAG_REPORT_OUTCOME:
		return &r->report_outcome;
	case RUN_TAG_CONTENT_TYPE:
		return &r->content_type;
	default:
		return NULL;
	}
}

/* The fields that are numbers but not int64. */
struct numbers {
	int64_t flags, features, report, first[2], report_id[2];
};

static int64_t *number_field(struct run *r, struct numbers *n, uint8_t tag)
{
	switch (tag) {
	case RUN_TAG_CREATED:
		return &r->created_ms;
	case RUN_TAG_FLAGS:
		return &n->flags;
	case RUN_TAG_FEATURES:
		return &n->features;
	case RUN_TAG_FIRST_SEQ:
		return &n->first[0];
	case RUN_TAG_FIRST_NONCE:
		return &n->first[1];
	case RUN_TAG_INVOKER_CREATED:
		return &r->invoker.created_ms;
	case RUN_TAG_INVOKER_STEP_ID:
		return &r->invoker.step.id;
	case RUN_TAG_INVOKER_CONCURRENT:
		return &r->invoker.step.concurrent;
	case RUN_TAG_REPORT:
		return &n->report;
	case RUN_TAG_REPORT_SEQ:
		return &n->report_id[0];
	case RUN_TAG_REPORT_NONCE:
		return &n->report_id[1];
	default:
		return NULL;
	}
}

void run_encode(struct buf *out, const struct run *r)
{
	struct run copy = *r;
	struct numbers n = {
		.flags = r->flags,
		.features = r->features,
		.report = r->report,
		.first = { (int64_t)r->first.seq, (int64_t)r->first.nonce },
		.report_id = { (int64_t)r->report_id.seq, (int64_t)r->report_id.nonce },
	};
	struct buf msg;

	for (uint8_t tag = 1; tag < RUN_TAGS; tag++) {
		const struct str *text = text_field(&copy, tag);
		const int64_t *number = number_field(&copy, &n, tag);

		if (text != NULL && text->n > 0)
			tlv_add(out, tag, *text);
		else if (number != NULL && *number != 0)
			tlv_i64(out, tag, *number);
	}
	buf_init(&msg, out->max);
	msg_encode(&msg, &r->trigger);
	if (msg.overflow)
		out->overflow = true;
	else
		tlv_add(out, RUN_TAG_TRIGGER, buf_str(&msg));
	buf_done(&msg);
}

bool run_decode(struct arena *a, struct str record, struct run *ret_run)
{
	struct run r = { 0 };
	struct numbers n = { 0 };
	struct str value;
	uint8_t tag;
	int got;

	while ((got = tlv_next(&record, &tag, &value)) == 1) {
		struct str *text = text_field(&r, tag);
		int64_t *number = number_field(&r, &n, tag);

		if (text != NULL)
			*text = value;
		else if (number != NULL && !tlv_i64_value(value, number))
			return false;
		else if (tag == RUN_TAG_TRIGGER && !msg_decode(a, value, &r.trigger))
			return false;
	}
	if (got < 0 || r.created_ms <= 0 || r.trigger.url.n == 0 || n.report < 0 ||
	    n.report > RUN_REPORT_CANCELED)
		return false;
	r.flags = (uint32_t)n.flags;
	r.features = (uint32_t)n.features;
	r.report = (enum run_report)n.report;
	r.first = (struct msg_id){ (uint64_t)n.first[0], (uint64_t)n.first[1] };
	r.report_id = (struct msg_id){ (uint64_t)n.report_id[0], (uint64_t)n.report_id[1] };
	*ret_run = r;
	return true;
}

/* ---- headers --------------------------------------------------------------------------------- */

/* What the trigger forwards goes with every delivery; ours and the body's do not. */
static bool is_kept(struct str name)
{
	return !str_istarts(name, UPSTASH) && !str_ieq(name, STR("Content-Type"));
}

static struct headers kept_headers(struct arena *a, const struct headers *h)
{
	struct headers kept = { arena_array(a, struct header, h->n + 1), 0 };

	for (size_t i = 0; i < h->n; i++) {
		if (is_kept(h->v[i].name))
			kept.v[kept.n++] = h->v[i];
	}
	return kept;
}

enum { OWN_MAX = 12 };

/* Headers that we set ourselves, in place of what the message says under these names. */
struct own {
	struct header v[OWN_MAX];
	size_t n;
};

/* An empty value takes the name off the message. */
static void own_add(struct own *o, struct str name, struct str value)
{
	check(o->n < OWN_MAX);
	o->v[o->n++] = (struct header){ name, value };
}

static void dress(struct arena *a, const struct run *r, const struct own *own, struct msg *m)
{
	const struct headers *kept = &r->trigger.header;
	struct headers set = { (struct header *)own->v, own->n };
	struct headers h = { arena_array(a, struct header, m->header.n + kept->n + own->n + 1), 0 };

	for (size_t i = 0; i < m->header.n; i++) {
		struct str name = m->header.v[i].name;

		if (headers_get(kept, name).p == NULL && headers_get(&set, name).p == NULL)
			h.v[h.n++] = m->header.v[i];
	}
	for (size_t i = 0; i < kept->n; i++)
		h.v[h.n++] = kept->v[i];
	for (size_t i = 0; i < own->n; i++) {
		if (own->v[i].value.n > 0)
			h.v[h.n++] = own->v[i];
	}
	m->header = h;
}

static void own_identity(struct arena *a, const struct run *r, struct own *own)
{
	own_add(own, STR("Upstash-Workflow-Runid"), r->trigger.run);
	own_add(own, STR("Upstash-Workflow-Createdat"),
		arena_fmt(a, "%lld", (long long)r->created_ms));
	own_add(own, STR("Upstash-Workflow-Url"), r->trigger.url);
	own_add(own, STR("Upstash-Label"), r->trigger.labels);
}

/* What a delivery tells of its own configuration. */
static void own_config(struct arena *a, const struct msg *m, struct own *own)
{
	struct str value = STR_NULL;

	own_add(own, STR("Upstash-Max-Retries"), arena_fmt(a, "%lld", (long long)m->retries_max));
	own_add(own, STR("Upstash-Retry-Delay"), m->retry_delay);
	own_add(own, STR("Upstash-Flow-Control-Key"), m->flow_key);
	if (m->flow_parallelism > 0)
		value = arena_fmt(a, "parallelism=%lld,", (long long)m->flow_parallelism);
	if (m->flow_rate > 0)
		value = arena_fmt(a, "%.*srate=%lld,", STR_FMT(value), (long long)m->flow_rate);
	if (m->flow_key.n > 0)
		value = arena_fmt(a, "%.*speriod=%lld", STR_FMT(value),
				  (long long)(m->flow_period_s ? m->flow_period_s : 1));
	own_add(own, STR("Upstash-Flow-Control-Value"), value);
}

static void belong(const struct run *r, enum msg_role role, struct msg *m)
{
	m->run = r->trigger.run;
	m->run_created_ms = r->created_ms;
	m->run_role = role;
	m->labels = r->trigger.labels;
	m->redact = r->trigger.redact;
	m->caller_ip = r->trigger.caller_ip;
	m->queue = STR_NULL;
}

static void dress_step(struct arena *a, const struct run *r, const struct runask *ask,
		       struct msg *m)
{
	struct own own = { 0 };

	own_identity(a, r, &own);
	own_add(&own, VERSION, STR("1"));
	own_add(&own, STR("Upstash-Workflow-Unknown-Sdk"),
		ask->unknown_sdk ? STR("true") : STR_NULL);
	own_add(&own, STR("Upstash-Workflow-Step-Config"),
		ask->features & RUNASK_STEP_CONFIG ? STR("true") : STR_NULL);
	own_config(a, m, &own);
	belong(r, MSG_STEP, m);
	/* The history goes on by what the endpoint publishes. */
	m->callback = STR_NULL;
	m->callback_header = (struct headers){ 0 };
	dress(a, r, &own, m);
}

/* ---- configuration --------------------------------------------------------------------------- */

static void apply_flow(const struct msg *t, struct msg *m)
{
	if (m->flow_key.n > 0)
		return;
	m->flow_key = t->flow_key;
	m->flow_parallelism = t->flow_parallelism;
	m->flow_rate = t->flow_rate;
	m->flow_period_s = t->flow_period_s;
}

/* Field by field what the message does not say itself; flow control as a whole. */
static void apply_config(const struct run *r, const struct runask *ask, struct msg *m)
{
	const struct msg *t = &r->trigger;

	if (!ask->has_retries)
		m->retries_max = t->retries_max;
	if (m->retry_delay.n == 0)
		m->retry_delay = t->retry_delay;
	if (!ask->has_timeout)
		m->timeout_ms = t->timeout_ms;
	apply_flow(t, m);
}

void run_apply_step(struct arena *a, const struct run *r, const struct runask *ask, struct msg *m)
{
	struct runask later = *ask;

	later.unknown_sdk = false;
	if ((ask->features | r->features) & RUNASK_TRIGGER_CONFIG)
		apply_config(r, ask, m);
	dress_step(a, r, &later, m);
}

void run_apply_first(struct arena *a, const struct run *r, const struct runask *ask, struct msg *m)
{
	struct str queue = m->queue;

	m->flags |= MSG_RUN_FIRST;
	if (r->features & RUNASK_DETECT_TRIGGER)
		m->flags |= MSG_RUN_DETECT;
	if ((r->flags & RUN_IS_REST) || ask->unknown_sdk)
		m->flags |= MSG_RUN_REST;
	dress_step(a, r, ask, m);
	/* A run may have to queue for its beginning; what follows does not stand in line again. */
	m->queue = queue;
}

void run_apply_call(const struct run *r, struct msg *m)
{
	belong(r, MSG_CALL, m);
	/* Its failure is its result. */
	m->failure_callback = STR_NULL;
	m->failure_callback_header = (struct headers){ 0 };
}

struct msg run_failure_source(const struct run *r, const struct msg *m)
{
	struct msg source = *m;

	source.flags = 0;
	source.queue = STR_NULL;
	source.callback = STR_NULL;
	source.root_seq = 0;
	if (m->failure_callback.n == 0) {
		source.failure_callback = r->trigger.failure_callback;
		source.failure_callback_header = r->trigger.failure_callback_header;
	}
	return source;
}

/* Upstash-Callback-Failure-Callback and its settings: what a call asks for in case that its callback fails. One whose
 * URL is none leaves it to the trigger's. */
static void apply_callback_failure(struct arena *a, const struct headers *settings, struct msg *m)
{
	const struct str prefix = STR("Failure-Callback-");
	struct headers h = { arena_array(a, struct header, settings->n + 1), 0 };
	const char *why;
	struct url u;

	if (!url_judge(headers_get(settings, STR("Failure-Callback")), &u, &why))
		return;
	for (size_t i = 0; i < settings->n; i++) {
		struct str name = settings->v[i].name;

		if (str_istarts(name, prefix) && name.n > prefix.n)
			h.v[h.n++] =
				(struct header){ str_from(name, prefix.n), settings->v[i].value };
	}
	m->failure_callback = u.whole;
	m->failure_callback_header = h;
}

void run_apply_callback(struct arena *a, const struct run *r, const struct headers *settings,
			struct msg *m, bool failure)
{
	struct str redact = m->redact;
	struct own own = { 0 };

	own_identity(a, r, &own);
	own_add(&own, VERSION, STR_NULL);
	if (failure) {
		own_add(&own, STR("Upstash-Workflow-Failure-Callback"), STR("true"));
		own_add(&own, STR("Upstash-Workflow-Is-Failure"), STR("true"));
	} else {
		own_add(&own, STR("Upstash-Workflow-Callback"), STR("true"));
		apply_callback_failure(a, settings, m);
	}
	belong(r, failure ? MSG_FAILURE : MSG_CALLBACK, m);
	m->redact = redact;
	dress(a, r, &own, m);
	if (headers_get(settings, STR("Retries")).n == 0)
		m->retries_max = r->trigger.retries_max;
	if (m->retry_delay.n == 0)
		m->retry_delay = r->trigger.retry_delay;
	if (r->features & RUNASK_TRIGGER_CONFIG)
		apply_flow(&r->trigger, m);
}

/* ---- beginnings ------------------------------------------------------------------------------ */

struct run run_new(struct arena *a, const struct runask *ask, const struct msg *m)
{
	struct run r = {
		.created_ms = m->created_ms,
		.features = ask->features,
		.content_type = headers_get(&m->header, STR("Content-Type")),
		.trigger = *m,
	};

	r.trigger.header = kept_headers(a, &m->header);
	r.trigger.body = STR_NULL;
	r.trigger.callback = STR_NULL;
	r.trigger.callback_header = (struct headers){ 0 };
	r.trigger.queue = STR_NULL;
	r.trigger.run = ask->run;
	r.trigger.run_created_ms = m->created_ms;
	return r;
}

void run_renew(struct arena *a, struct run *r, const struct runask *ask, const struct msg *m)
{
	r->features |= ask->features;
	r->trigger.header = kept_headers(a, &m->header);
	if (m->labels.n > 0)
		r->trigger.labels = m->labels;
}

struct msg run_again(struct arena *a, const struct run *r, int64_t now_ms)
{
	struct msg m = r->trigger;
	struct headers h = { arena_array(a, struct header, m.header.n + 1), 0 };

	if (r->content_type.n > 0)
		h.v[h.n++] = (struct header){ STR("Content-Type"), r->content_type };
	for (size_t i = 0; i < m.header.n; i++)
		h.v[h.n++] = m.header.v[i];
	m.header = h;
	m.id = (struct msg_id){ 0 };
	m.created_ms = m.not_before_ms = now_ms;
	m.run = STR_NULL;
	m.run_created_ms = m.run_role = 0;
	return m;
}

const char *run_detect(const struct msg *m, const struct outcome *o)
{
	if (!(m->flags & MSG_RUN_FIRST) || o->status < 200 || o->status > 299)
		return NULL;
	if (m->flags & MSG_RUN_REST) {
		if (headers_get(&o->header, STR("Upstash-Workflow-Sdk")).p != NULL)
			return NULL;
		return "trigger rest api is only usable with sdk versions after v1.0.0 major "
		       "version";
	}
	if (!(m->flags & MSG_RUN_DETECT) || headers_get(&o->header, VERSION).p != NULL)
		return NULL;
	return "detected a non-workflow destination for trigger/invoke. make sure you are sending "
	       "the request to the correct endpoint";
}

struct str run_report_name(enum run_report report)
{
	static const struct str name[] = {
		[RUN_REPORT_NONE] = { "", 0 },
		[RUN_REPORT_INPROGRESS] = { "CALLBACK_INPROGRESS", 19 },
		[RUN_REPORT_SUCCESS] = { "CALLBACK_SUCCESS", 16 },
		[RUN_REPORT_FAIL] = { "CALLBACK_FAIL", 13 },
		[RUN_REPORT_CANCELED] = { "CALLBACK_CANCELED", 17 },
	};

	check((size_t)report < countof(name));
	return name[report];
}
