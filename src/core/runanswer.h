/* runanswer.h - steps that wait for an answer which the server will publish for them: a wait for an event, an
 * invocation of another run (workflow spec 5.6, 5.9).
 *
 * Their requests carry a URL and headers, "publish style": the answer is to be delivered as if the endpoint
 * had published it itself with these.
 */
#ifndef CORE_RUNANSWER_H
#define CORE_RUNANSWER_H

#include "base/json.h"
#include "core/run.h"
#include "core/user.h"

/* A publish that is yet to come. */
struct runanswer {
	struct runask ask;
	struct msg msg; /* without its body */
};

struct runanswer_source {
	struct str user;
	const struct plan *plan;
	int64_t now_ms;
	struct headers header; /* of the request itself */
	struct str body;       /* JSON */
};

struct runanswer_wait {
	struct run_step step;
	bool is_webhook;
	int64_t deadline_ms;
	struct str timeout;                    /* as given */
	struct str url, timeout_url;           /* timeout_url: empty = url */
	struct headers header, timeout_header; /* canonical names, for listings */
	struct runanswer notified, timed_out;
};
/* A POST /v2/wait. Views into the source or the arena. 400 or 412 naming the field. */
must_use bool runanswer_wait(struct arena *a, const struct runanswer_source *src,
			     struct runanswer_wait *ret_wait, struct problem *ret_problem);

struct runanswer_invoke {
	struct str body; /* the child's payload */
	struct run_step step;
	struct runanswer parent;
};
/* The body of an invocation. */
must_use bool runanswer_invoke(struct arena *a, const struct runanswer_source *src,
			       struct runanswer_invoke *ret_invoke, struct problem *ret_problem);

#endif
