/* msg.h - a message: what was accepted, and where and how it is to be delivered.
 *
 * A `struct msg` is a view: its strings point into the request it was parsed from or into the
 * record it was decoded from. The record (msg_encode) is what stores keep, one packed string per
 * message, in tagged values so that new fields do not break old records. What changes during a
 * message's life (state, due time, retries made, lease) is not in the record but beside it in the
 * store.
 *
 *	              due later            due, waiting for a slot        leased: attempt running
 *	accepted ──► SCHEDULED ──────────► READY ──────────────────────► LEASED ──► delivered (gone)
 *	                 ▲                   ▲                              │  │
 *	                 └───── retry at ────┼──────────────────────────────┘  └──► dead letter queue
 *	                                     └── handed back, or the lease ran out
 *
 * A cancel ends it from any state; while an attempt runs, the cancel waits for the attempt's end.
 *
 * The id is "msg_" + 22 base58 characters: 11 for `seq`, which grows with time and orders messages
 * by acceptance, 11 for `nonce`, so that ids cannot be guessed.
 */
#ifndef CORE_MSG_H
#define CORE_MSG_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/rng.h"
#include "base/str.h"

struct msg_id {
	uint64_t seq;   /* > 0; unique; later messages have greater ones */
	uint64_t nonce; /* random */
};

enum { MSG_ID_LEN = 26 }; /* "msg_" + 22 */

struct header {
	struct str name, value;
};

struct headers {
	struct header *v;
	size_t n;
};

enum msg_flags {
	MSG_IS_CALLBACK = 1 << 0, /* made by a callback: has no callbacks of its own */
	MSG_IS_FAILURE_CALLBACK = 1 << 1,
	MSG_RUN_FIRST = 1 << 2,  /* STEP: the first of its run */
	MSG_RUN_DETECT = 1 << 3, /* STEP: the answer must be one of a workflow endpoint */
	MSG_RUN_REST = 1 << 4,   /* STEP: ... and of an SDK that the server may start runs for */
};

/* What a message is to the workflow run that it belongs to (run.h). */
enum msg_role {
	MSG_PLAIN,    /* it belongs to none */
	MSG_STEP,     /* delivers the run's history up to an entry to the workflow's endpoint */
	MSG_CALL,     /* a request to somebody else, made for the run */
	MSG_CALLBACK, /* takes the answer to such a request to the workflow's endpoint */
	MSG_FAILURE,  /* reports the run's failure */
};

struct msg {
	struct msg_id id;
	uint32_t flags;        /* enum msg_flags */
	struct str user;       /* owner's id */
	struct str url;        /* where it is delivered, with its query */
	struct str method;     /* of the delivery */
	struct headers header; /* what the destination gets beyond our own set; canonical names,
				       * Content-Type among them if the publisher gave one */
	struct str body;
	int64_t created_ms;             /* Unix ms */
	int64_t not_before_ms;          /* Unix ms; created_ms when not delayed */
	int64_t timeout_ms;             /* of one attempt, whole exchange; > 0 */
	int64_t retries_max;            /* attempts are 1 + this */
	struct str retry_delay;         /* expression as given; empty = default backoff */
	struct str callback;            /* URL; empty = none */
	struct headers callback_header; /* its settings, unprefixed: "Retries", "Forward-X" */
	struct str failure_callback;
	struct headers failure_callback_header;
	struct str queue;         /* name; empty = none */
	struct str flow_key;      /* empty = none */
	int64_t flow_parallelism; /* 0 = not given */
	int64_t flow_rate;        /* starts per period; 0 = not given */
	int64_t flow_period_s;    /* 1 when not given */
	struct str topic;         /* URL group it came through */
	struct str endpoint;      /* name of the endpoint within it */
	struct str schedule_id;
	struct str caller_ip;
	struct str labels; /* comma-joined, in order, no spaces */
	struct str redact; /* canonical redact list: "body,header,header[X-Name]" */
	struct str api;    /* legacy api name ("llm"); empty = none */
	uint64_t root_seq; /* message whose queue slot this one shares (its callback); 0 = own */
	struct str run;    /* id of the workflow run it belongs to; empty = none */
	int64_t run_created_ms; /* with the id, the run's identity */
	int64_t run_role;       /* enum msg_role */
	uint64_t run_until; /* STEP: seq of the entry that ends its slice of the history; 0 = its own */
};

/* Time-sortable ids: greater than *last_seq always, close to now. `*last_seq` is the process's own;
 * a store gives its greatest at start (store.h). */
struct msg_id msg_id_next(uint64_t *last_seq, int64_t now_ms, struct rng *rng);
void msg_id_text(char ret_text[MSG_ID_LEN + 1], struct msg_id id); /* NUL-terminated */
must_use bool msg_id_parse(struct str text, struct msg_id *ret_id);
/* Unix ms at which a message with this seq was accepted (never later than really). */
int64_t msg_id_ms(uint64_t seq);
/* The least seq of messages accepted at or after that time. */
uint64_t msg_id_seq_at(int64_t ms);

void msg_encode(struct buf *out, const struct msg *m);
/* Views into `record`; header arrays come from the arena. False when the record is broken. */
must_use bool msg_decode(struct arena *a, struct str record, struct msg *ret_msg);

/* Go's canonical form: "test-header" -> "Test-Header". Bytes that are no token stay as they are. */
struct str header_canonical(struct arena *a, struct str name);
/* First value of a header, any case; p == NULL when absent. */
struct str headers_get(const struct headers *h, struct str name);
void headers_encode(struct buf *out, uint8_t tag, const struct headers *h);

#endif
