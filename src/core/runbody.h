/* runbody.h - the bodies of a workflow run: the history that an endpoint receives, and the entries that
 * the server itself writes (workflow spec 5.0, 5.6 to 5.9).
 *
 * Entries are opaque bytes. Only for logs, and to find out what is left to do when a failed run is
 * resumed, a copy is parsed (runbody_step).
 */
#ifndef CORE_RUNBODY_H
#define CORE_RUNBODY_H

#include "base/json.h"
#include "core/run.h"

/* One element of the array {"messageId", "body", "callType"}. */
struct runbody_entry {
	struct msg_id id;
	struct str body;
	bool is_config; /* callType stepConfig, else step */
};
void runbody_entry(struct json_out *j, const struct runbody_entry *e);

/* What a wait came to. */
enum runbody_wait { RUNBODY_NOTIFIED, RUNBODY_TIMEOUT };
/* The entry that ends a Wait or WaitForWebhook step; `bytes` is the event's data. */
struct str runbody_waited(struct arena *a, const struct run_step *step, struct str event,
			  enum runbody_wait how, struct str bytes);

struct runbody_request {
	struct str method, proto, host, url; /* url: path and query */
	struct headers header;
	struct str body;
};
/* The data of a webhook's event. */
struct str runbody_webhook(struct arena *a, const struct runbody_request *r);

enum runbody_end { RUNBODY_SUCCESS, RUNBODY_FAILED, RUNBODY_CANCELED };
/* The entry that tells the invoker how the run ended; `result` as the endpoint gave it, empty = none. */
struct str runbody_invoked(struct arena *a, const struct run_step *step, enum runbody_end end,
			   struct str result);

/* The step that an entry or a plan is about, as far as it is one. */
struct runbody_step {
	struct run_step step;
	int64_t target;          /* of a plan: the step it is for; 0 = a result */
	const struct json *json; /* the whole object */
};
must_use bool runbody_step(struct arena *a, struct str body, struct runbody_step *ret_step);
/* A step as it stands inside another object ("step" of a wait or an invoke). */
must_use bool runbody_named_step(const struct json *object, struct run_step *ret_step);

#endif
