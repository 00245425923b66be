/* runask.h - what a publish asks of workflows: its Upstash-Workflow-* headers (workflow spec 4, 5).
 *
 * The headers are read beside the settings of options.h, which passes them over. A request that
 * names a run is a message of that run; all others are plain messages.
 */
#ifndef CORE_RUNASK_H
#define CORE_RUNASK_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/problem.h"
#include "core/msg.h"

enum runask_kind {
	RUNASK_NONE,   /* a plain message */
	RUNASK_START,  /* a new run; its first entry is the body */
	RUNASK_AGAIN,  /* the first entry of a run that is there is to be delivered once more */
	RUNASK_INVOKE, /* a new run on behalf of a step of another one; the body is an envelope */
	RUNASK_STEP,   /* an entry of a run, to be delivered */
	RUNASK_CONFIG, /* the same, but nothing that the SDK counts as a step */
	RUNASK_CALL,   /* a request to a third party; its answer comes back as a callback */
};

/* Upstash-Feature-Set; what is not known is passed over. */
enum runask_feature {
	RUNASK_LAZY_FETCH = 1 << 0,
	RUNASK_INITIAL_BODY = 1 << 1,
	RUNASK_NO_DELETE = 1 << 2,
	RUNASK_DETECT_TRIGGER = 1 << 3,
	RUNASK_TRIGGER_CONFIG = 1 << 4,
	RUNASK_STEP_CONFIG = 1 << 5,
};

struct runask {
	enum runask_kind kind;
	struct str run;       /* id */
	int64_t created_ms;   /* of the run, when the client says so; 0 = whichever is open */
	struct str url;       /* of the workflow; empty = the destination */
	uint32_t features;    /* enum runask_feature */
	int64_t invoke_count; /* depth of invocations, as forwarded; 0 = none */
	struct str call_step; /* CALL: id of the step, as text */
	bool unknown_sdk;     /* the endpoint's SDK is to be asked first */
	bool has_retries, has_timeout; /* Upstash-Retries, -Timeout are given */
};

/* Views into the headers. 400 naming the header and what is allowed. */
must_use bool runask_parse(const struct headers *h, struct runask *ret_ask,
			   struct problem *ret_problem);

/* Of a list of feature names with commas. */
uint32_t runask_features(struct str list);
/* An id of a run, an event or a step name in a header: 1 to LIMIT_RUN_ID_BYTES, no control bytes. */
bool runask_id_is_valid(struct str id);

#define RUNASK_ID_ALLOWED "1 to 256 bytes without control characters are allowed"

#endif
