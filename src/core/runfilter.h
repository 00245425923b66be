/* runfilter.h - which workflow runs, their dead letters or log entries a request means (workflow spec 10.2 to
 * 10.4).
 *
 * As with filter.h a request selects by its query or by a JSON body; several values of a field mean any of
 * them, different fields must all hold, and a field that is not known is refused by name.
 */
#ifndef CORE_RUNFILTER_H
#define CORE_RUNFILTER_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/problem.h"
#include "core/run.h"

enum runfilter_use { RUNFILTER_CANCEL, RUNFILTER_DLQ, RUNFILTER_LOGS };

/* The fields that hold texts to compare with. */
enum runfilter_field {
	RUNFILTER_RUN,      /* workflowRunId, workflowRunIds */
	RUNFILTER_RUNS_AT,  /* workflowRuns: "id@created"; the other fields do not count then */
	RUNFILTER_DLQ_ID,   /* dlqIds */
	RUNFILTER_URL,      /* workflowUrl */
	RUNFILTER_DEST,     /* url: where the failing message went */
	RUNFILTER_HOST,     /* of the workflow's URL */
	RUNFILTER_PATH,     /* the same */
	RUNFILTER_LABEL,    /* any of the run's */
	RUNFILTER_CALLER,   /* callerIp */
	RUNFILTER_FLOW_KEY, /* flowControlKey */
	RUNFILTER_REPORT,   /* failureFunctionState, failureCallbackState */
	RUNFILTER_STATUS,   /* responseStatus */
	RUNFILTER_STATE,    /* state: of a run or of a step */
	RUNFILTER_MESSAGE,  /* messageId */
	RUNFILTER_FIELDS,
};

struct runfilter {
	struct {
		struct str *v; /* any of these */
		size_t n;      /* 0 = not asked for */
	} field[RUNFILTER_FIELDS];
	bool exact_url;     /* the URL is compared whole; else CANCEL takes it for a beginning */
	int64_t created_ms; /* workflowCreatedAt; 0 = not asked for */
	int64_t from_ms, to_ms; /* inclusive */
	int64_t count;          /* 0 = not given */
	int64_t trim_body;      /* LOGS: bytes of bodies; -1 = none at all; INT64_MAX = all */
	struct str cursor;
	struct str group_by; /* LOGS */
};

/* Views into query and body, or into the arena. 400 naming the field. */
must_use bool runfilter_parse(struct arena *a, enum runfilter_use use, const struct str source[2],
			      struct runfilter *ret_filter, struct problem *ret_problem);

bool runfilter_has(const struct runfilter *f, enum runfilter_field field, struct str value);
/* The run's own fields; the times are compared with its beginning. */
bool runfilter_match(const struct runfilter *f, const struct msg *trigger);

#endif
