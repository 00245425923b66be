/* filter.h - which messages, dead letters or log entries a request means (spec 2.2.4, 2.2.8 to
 * 2.2.10).
 *
 * A request selects by fields in its query string, or in a JSON body, or both (a field in the query
 * wins). A field with several values (repeated, or one value with commas) means any of them;
 * different fields must all hold. A field that the use does not know is refused by name, so that a
 * misspelt one never widens what a bulk action acts upon. An empty value counts as absent.
 */
#ifndef CORE_FILTER_H
#define CORE_FILTER_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/problem.h"
#include "core/event.h"
#include "core/msg.h"

enum filter_use {
	FILTER_CANCEL, /* DELETE /v2/messages */
	FILTER_DLQ,    /* listing, deleting, retrying dead letters; upstash-* is left alone */
	FILTER_LOGS,   /* GET /v2/logs and /v2/events */
};

/* The fields that hold texts to compare with. */
enum filter_field {
	FILTER_MESSAGE_ID, /* messageId, messageIds */
	FILTER_DLQ_ID,     /* dlqIds */
	FILTER_URL,        /* url: of the destination, whole */
	FILTER_HOST,       /* host: of the destination, with or without port, any case */
	FILTER_PATH,       /* path: of the destination, without the query */
	FILTER_TOPIC,      /* topicName: URL group */
	FILTER_QUEUE,      /* queueName */
	FILTER_SCHEDULE,   /* scheduleId */
	FILTER_CALLER_IP,  /* callerIp, callerIP */
	FILTER_LABEL,      /* label: any of the message's */
	FILTER_FLOW_KEY,   /* flowControlKey */
	FILTER_FIELDS,
};

struct filter_values {
	struct str *v; /* any of these */
	size_t n;      /* 0 = the field is not asked for */
};

struct filter {
	enum filter_use use;
	struct filter_values field[FILTER_FIELDS];
	const int64_t *status; /* LOGS, DLQ: HTTP status of the last attempt, any of these */
	size_t statuses;       /* 0 = not asked for */
	uint32_t states; /* LOGS: bit 1 << enum event_state, any of these; 0 = not asked for */
	int64_t from_ms; /* Unix ms, inclusive; INT64_MIN = from the start */
	int64_t to_ms;   /* Unix ms, inclusive; INT64_MAX = to the end */
	int64_t count;   /* LOGS, DLQ: size of the page, > 0; CANCEL: most to cancel, 0 = no cap */
	struct str cursor; /* opaque; empty = from the start. CANCEL has none */
	bool latest_first; /* LOGS unless told otherwise */
	bool async;        /* CANCEL: do not wait for the end */
};

struct filter_source {
	enum filter_use use;
	struct str query; /* raw query string, without '?' */
	struct str body;  /* JSON object; empty = none */
};

/* Views into the source, or into the arena where something had to be decoded. 400 naming the
 * field. */
must_use bool filter_parse(struct arena *a, const struct filter_source *src,
			   struct filter *ret_filter, struct problem *ret_problem);

/* No field, state, status or time is asked for: it selects everything. */
bool filter_is_empty(const struct filter *f);

/* The next ones never match a message of a workflow run. */
/* The message's own fields; the times are compared with its creation. Not the state, the status or
 * dlqIds. */
bool filter_match_msg(const struct filter *f, const struct msg *m);
/* For a dead letter: the times are compared with `dead_ms`, the status with the last attempt's. */
bool filter_match_dlq(const struct filter *f, const struct msg *m, int64_t dead_ms, int64_t status);
/* For a log entry: the times are compared with the entry's own. `m` is its message. */
bool filter_match_event(const struct filter *f, const struct msg *m, const struct event *e);

#endif
