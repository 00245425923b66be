/* options.h - what a publish-like request asks for: its Upstash-* headers (spec 3).
 *
 * Settings come from three places; the strongest that has a setting decides it: request header,
 * query parameter, defaults of the URL group. An empty value counts as absent. Headers that are not
 * ours are passed over, and so are ours that the use does not know: Upstash-Telemetry-*,
 * Upstash-Workflow-*, Upstash-Feature-Set, and what a newer client may send. Retry settings of a
 * schedule, a callback and a message are the same ones, so callback.c reads a callback's settings
 * with the same code.
 *
 * A value never holds control bytes; a name that is to be forwarded is a header name. What must not
 * be forwarded (deliver.h: reserved and hop-by-hop names) is left out without a word.
 */
#ifndef CORE_OPTIONS_H
#define CORE_OPTIONS_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/problem.h"
#include "core/msg.h"
#include "core/user.h"

enum options_use {
	OPTIONS_PUBLISH,
	OPTIONS_ENQUEUE,
	OPTIONS_SCHEDULE,   /* needs Upstash-Cron; Upstash-Not-Before is passed over */
	OPTIONS_BATCH_ITEM, /* `header` is the item's, not the request's */
	OPTIONS_RETRY,      /* of a dead letter: what is given overrides what the message has */
};

struct options_source {
	struct headers header; /* request headers, as sent (any case, repeated names allowed) */
	struct headers query;  /* upstash-* parameters of the query string, values decoded */
	struct headers group;  /* defaults stored on a URL group */
	enum options_use use;
	const struct plan *plan;
	int64_t now_ms;
};

/* What the headers say beyond the message itself. */
struct options {
	struct str dedup_id; /* empty = none */
	bool dedup_by_content;
	struct str cron;        /* SCHEDULE: trimmed, valid (but for its time zone's existence) */
	struct str schedule_id; /* SCHEDULE: empty = make one */
	bool has_delay;         /* Upstash-Delay was given */
	int64_t delay_s;
	bool has_not_before; /* Upstash-Not-Before was given (and wins over the delay) */
	bool has_timeout;    /* Upstash-Timeout was given */
	bool header_forward; /* Upstash-Header-Forward */
};

/* Fills in `m` what the request decides: method, header, not_before_ms, timeout_ms, retries_max,
 * retry_delay, callbacks and their settings, queue (unless the caller has already set it), flow
 * control, labels, redact. On entry m is zero but for user, url, body, caller_ip, created_ms, and
 * topic, api, queue if the caller knows them. With OPTIONS_RETRY m comes as decoded from the dead
 * letter, with created_ms and not_before_ms of now.
 *
 * All strings are views into the source or the arena. 400 or 412, naming the header and what is
 * allowed; `m` is then half filled. */
must_use bool options_parse(struct arena *a, const struct options_source *src, struct msg *m,
			    struct options *ret_options, struct problem *ret_problem);

/* The same for the settings of a callback, which stand in src->header with their prefix taken off
 * (msg.h, callback_header): "Retries", "Forward-X". `prefix` is put back for error texts. Header is
 * then what is forwarded and a Content-Type, application/json unless forwarded. A queue, callbacks
 * and deduplication are no settings of a callback. */
must_use bool options_parse_callback(struct arena *a, const struct options_source *src,
				     struct str prefix, struct msg *m, struct problem *ret_problem);

/* The key under which a second such message is a duplicate; empty when none is wanted. The explicit
 * id, or a hash of destination, body, Content-Type and forwarded headers; for a URL group
 * (m->topic) per endpoint (m->url). */
struct str options_dedup_key(struct arena *a, const struct msg *m, const struct options *o);

/* A boolean as the SDKs write them: 1 t T TRUE true True, 0 f F FALSE false False. */
must_use bool options_bool(struct str s, bool *ret_value);

#endif
