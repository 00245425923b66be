/* run.h - a workflow run: its record, and the messages that are made for it (workflow spec 3.3, 5.0).
 *
 * A run is state that its messages append to. Its history is a list of entries; the first is the
 * payload it was started with. The message of an entry is delivered to the workflow's endpoint
 * with the history up to that entry as its body, base64 in a JSON array (runbody.h); the endpoint
 * answers by publishing further entries. The store keeps the history and the run's record under (user,
 * id, created_ms); an id may come again when its run is over.
 *
 *	start ──► open ──► over: success, failed, canceled
 *
 * A run that is over accepts nothing. The record of one that failed goes on telling how its failure
 * callback fares.
 *
 * The trigger's configuration holds for all messages of the run: the record keeps the first message
 * without its body, and run_apply puts what it says into every later message.
 */
#ifndef CORE_RUN_H
#define CORE_RUN_H

#include "core/outcome.h"
#include "core/runask.h"

/* A step as its SDK has named it. */
struct run_step {
	int64_t id;
	struct str name, type;
	int64_t concurrent;
};

/* The step of another run that waits for this run's end. */
struct run_invoker {
	struct str run; /* id; empty = nobody waits */
	int64_t created_ms;
	struct str url; /* of the other workflow */
	struct run_step step;
	struct str message; /* record of the message that takes the result there, without its body */
};

/* What became of the failure callback. */
enum run_report {
	RUN_REPORT_NONE, /* there is none */
	RUN_REPORT_INPROGRESS,
	RUN_REPORT_SUCCESS,
	RUN_REPORT_FAIL,
	RUN_REPORT_CANCELED,
};

enum run_flags {
	RUN_IS_REST =
		1 << 0, /* the server started it: the endpoint's SDK must be one that can cope */
};

struct run {
	int64_t created_ms;
	uint32_t flags;
	uint32_t features;   /* enum runask_feature */
	struct msg_id first; /* of the first message */
	struct msg trigger; /* the first message without its body; header: what is forwarded always */
	struct str content_type; /* of the first message */
	struct run_invoker invoker;
	/* Of a run that has failed. */
	enum run_report report;
	struct msg_id report_id;   /* of the failure callback's message */
	struct str report_record;  /* ... its record, to send it again */
	struct str report_outcome; /* ... its last answer (dead.h) */
};

void run_encode(struct buf *out, const struct run *r);
/* Views into `record`; lists come from the arena. False when it is broken. */
must_use bool run_decode(struct arena *a, struct str record, struct run *ret_run);

/* The record of a run that begins with this message, which options_parse has made; `first` is left zero. */
struct run run_new(struct arena *a, const struct runask *ask, const struct msg *m);
/* The beginning of a run that starts again from where this one did, or goes on from where it has failed: its
 * first message as options_parse would have left it, without its body. */
struct msg run_again(struct arena *a, const struct run *r, int64_t now_ms);
/* What a second beginning (RUNASK_AGAIN) changes in it. */
void run_renew(struct arena *a, struct run *r, const struct runask *ask, const struct msg *m);

/* Makes `m` the delivery of an entry: configuration, headers, role. `m` is as options_parse has left it; m->body is not looked at. */
void run_apply_step(struct arena *a, const struct run *r, const struct runask *ask, struct msg *m);
/* Of the run's first entry; `unknown_sdk`: the endpoint is asked for its SDK first. */
void run_apply_first(struct arena *a, const struct run *r, const struct runask *ask, struct msg *m);
/* Makes it a request to a third party. Nothing of the trigger's goes there. */
void run_apply_call(const struct run *r, struct msg *m);
/* Makes a callback (callback.h) one that reports such a request's end, or the run's failure; `settings` are
 * those that it was made by. */
void run_apply_callback(struct arena *a, const struct run *r, const struct headers *settings,
			struct msg *m, bool failure);

/* The failing message as callback_make is to see it when the run fails by it: with the failure callback
 * that counts, its own or the trigger's. */
struct msg run_failure_source(const struct run *r, const struct msg *m);

/* What a 2xx answer to the run's first delivery has to be; NULL when it is fine, else the error in words. */
const char *run_detect(const struct msg *m, const struct outcome *o);

struct str run_report_name(enum run_report report); /* "CALLBACK_FAIL"; empty for NONE */

#endif
